package engine

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// Store is a job database. Its packages keep all SQL; mysqlstore and
// sqlitestore are the ones there are, and storetest is what each must pass.
// All methods may be called by many goroutines at once. Errors carry a Code.
type Store interface {
	TypeStore
	ServerStore
	JobStore
	ClaimStore
	SessionStore
	ScheduleStore
	VariableStore
	WindowStore
	RecordStore
	RecordDesk
	RejectStore
	LogStore
	NoticeStore
	MaintenanceStore

	// Describe says what the database is and how jobs are claimed on it.
	Describe(ctx context.Context) (Report, error)
	// Prepare finds out how jobs can be claimed here, or why they cannot. It is
	// called before the first claim.
	Prepare(ctx context.Context) error
	// Migrate brings the tables to this program's version. It is safe to call
	// at every start, by many processes at once. A newer schema is CodeSchema.
	Migrate(ctx context.Context) (Migration, error)
	// CheckSchema says whether the tables are there and of this program's
	// version, without changing anything; CodeSchema if not, CodeEmpty if there are none.
	CheckSchema(ctx context.Context) error
	// Now is the database's clock.
	Now(ctx context.Context) (time.Time, error)
	Close() error
}

// TypeStore keeps what is known of job types.
type TypeStore interface {
	// SaveTypes registers types, and gives their numbers by name.
	SaveTypes(ctx context.Context, types []TypeRecord) (map[string]TypeID, error)
	// Types lists all types ever registered, by name.
	Types(ctx context.Context) ([]TypeRecord, error)
}

// TypeRecord is what the database keeps of a job type.
type TypeRecord struct {
	ID          TypeID
	Name        string
	Doc         string
	Version     string
	Hooks       HookSet
	Priority    int
	MaxAttempts int
	Keep        map[Status]time.Duration
	Counts      TypeCounts // kept as work is committed; read only
}

// TypeCounts are a type's totals since its first job.
type TypeCounts struct {
	Created, Completed, Failed, Cancelled int64
	Retries, Losses                       int64
	Stats                                 Stats
}

// ServerID is one incarnation of a server: one process that runs jobs.
type ServerID int64

// ServerInfo describes a process that runs jobs.
type ServerInfo struct {
	Name    string // of the server; the host's by default
	Host    string
	PID     int
	Version string           // of the program
	Types   map[string]Works // what it does with each type, by name
}

// Works says what a server does with a job type.
type Works struct {
	Version string  `json:"version"`
	Phases  []Phase `json:"phases"` // that it runs
	// Broken says that its script does not load there; it runs nothing of it then.
	Broken bool `json:"broken,omitempty"`
}

// Runs says whether the server runs a type's phase.
func (i ServerInfo) Runs(typ string, p Phase) bool { return slices.Contains(i.Types[typ].Phases, p) }

// ServerRow is an incarnation as the database knows it.
type ServerRow struct {
	ID ServerID
	ServerInfo
	StartedAt time.Time
	SeenAt    time.Time // last heartbeat, by the database's clock
	StoppedAt time.Time // zero while it runs; of one that is not dead, when it was told to stop
	Beat      int64
	Expired   bool // its lease has passed on the database's clock
	Dead      bool
	// Liveness says what the store itself knows: 1 it lives, -1 it does not, 0
	// only the lease can tell.
	Liveness int
	Claimed  int // jobs in its claims, as many as came with them
}

// there says whether the process is there, as far as can be told by one look.
func (r ServerRow) there() bool {
	return !r.Dead && (r.Liveness > 0 || r.Liveness == 0 && !r.Expired)
}

// Lives says that the process is there and takes jobs; Stops, that it takes no more.
func (r ServerRow) Lives() bool { return r.there() && r.StoppedAt.IsZero() }

// Stops says that the process is there and lets its last hooks end.
func (r ServerRow) Stops() bool { return r.there() && !r.StoppedAt.IsZero() }

// ServerStore keeps the processes that run jobs.
type ServerStore interface {
	// StartServer makes a new incarnation with a lease.
	StartServer(ctx context.Context, info ServerInfo, lease time.Duration) (ServerID, error)
	// Beat renews the lease. It is false when the incarnation was declared dead.
	Beat(ctx context.Context, id ServerID, lease time.Duration) (alive bool, now time.Time, err error)
	// DrainServer notes that an incarnation claims no more, and stops.
	DrainServer(ctx context.Context, id ServerID) error
	// StopServer ends an incarnation that holds no claim any more.
	StopServer(ctx context.Context, id ServerID) error
	// Servers lists those that run, or all that are remembered.
	Servers(ctx context.Context, all bool) ([]ServerRow, error)
	// MarkDead declares a server dead if its beat is still the one that was seen
	// and its lease has passed.
	MarkDead(ctx context.Context, id ServerID, beat int64) (bool, error)
	// Signals lists the jobs that were asked to stop, newer than a mark; the
	// mark to give next time comes back.
	Signals(ctx context.Context, after int64) (jobs []JobRef, mark int64, err error)
}

// JobInsert is a job to be written, its type resolved.
type JobInsert struct {
	Type         TypeID
	Phase        Phase
	Priority     int
	Instance     string
	Payload      Raw
	Key          string
	Unique       Unique
	Replace      bool
	Delay        time.Duration // from now; 0: none
	At           time.Time     // zero: none
	ScheduledFor time.Time
	Parent       JobID
	Window       *Window // to be the job's; nil: none
	Backfill     bool    // a backfill's job made it
	// Foretold is what the hook was told: 1 created, -1 not, 0 nothing. Another
	// outcome is CodeConflict, and the hook runs again.
	Foretold int
}

// Windowed says what the job has to do with windows.
func (j *JobInsert) Windowed() (w Windowed) {
	if j.Backfill || j.Window != nil && j.Window.Backfill {
		w = WindowBackfill
	}
	if j.Window != nil && !j.Window.Backfill {
		w |= WindowMoves
	}
	return w
}

// Queue is where the job waits.
func (j *JobInsert) Queue() Queue { return QueueOf(j.Type, j.Phase).For(j.Windowed()) }

// KeyHolder is a job that holds a key; of a free key Job is 0. The status is the
// stored one: of a job that runs it is StatusWaiting.
type KeyHolder struct {
	Job    JobID  `json:"id"`
	Status Status `json:"status"`
}

// JobFilter says which jobs to list; zero fields do not filter.
type JobFilter struct {
	Type     TypeID
	Instance *string
	Status   Status
	Phase    Phase
	Parent   JobID
	Since    time.Time // created at or after
	Before   JobID     // only ids below: for the next page
	Limit    int       // default 50
}

// Selected is a job of a selection.
type Selected struct {
	ID    JobID
	Items int64 // that it has emitted
}

// CancelResult says what a cancel did.
type CancelResult int

// The outcomes of a cancel.
const (
	CancelDone    CancelResult = iota // it is cancelled
	CancelAsked                       // it runs, and its process was asked to stop it
	CancelTooLate                     // it was final already
	CancelGone                        // there is no such job
	CancelHeld                        // of many: another transaction holds its row or key, and it is as it was
	CancelOther                       // of many: it is not of the status that was asked for
)

// CancelOptions are for a cancel of many jobs.
type CancelOptions struct {
	Reason string
	// Only is the status in which a job is cancelled, as Job shows it; 0: any. One
	// that has changed its status since it was looked for is left alone.
	Only Status
}

// HastenResult says what Hasten did about a job.
type HastenResult int

// The outcomes of Hasten.
const (
	HastenDone       HastenResult = iota // it is due now
	HastenNotDelayed                     // it does not wait for a time, or not after a failed attempt
	HastenGone                           // there is no such job
)

// RetryResult says what a retry of one of many jobs did.
type RetryResult struct {
	Phase Phase // in which it waits
	Err   error // why it was not retried: CodeConflict, CodeUsage or CodeNotFound
}

// RetryOptions are for an operator's retry of a final job.
type RetryOptions struct {
	From  Phase // 0: the phase that failed, or the first one
	Fresh bool  // drop the position of its last checkpoint
	// Only is the final status in which a job is retried; 0: any. In another one,
	// it is CodeConflict.
	Only Status
}

// JobStore makes, shows and steers jobs.
type JobStore interface {
	// Enqueue writes jobs in one transaction, keys and all.
	Enqueue(ctx context.Context, jobs []JobInsert) ([]Enqueued, error)
	// EnqueueTx does so in the caller's own transaction on the same database.
	EnqueueTx(ctx context.Context, tx *sql.Tx, jobs []JobInsert) ([]Enqueued, error)
	// KeyHolders says which jobs hold the keys of the given ones just now, where
	// they count as taken; none where not, and for those without a key.
	KeyHolders(ctx context.Context, jobs []JobInsert) ([]KeyHolder, error)
	// Job shows one job; CodeNotFound if there is none.
	Job(ctx context.Context, id JobID) (*Job, error)
	// Peek shows a job as a claim of it would hand it over, and takes nothing;
	// CodeNotFound if there is none.
	Peek(ctx context.Context, id JobID) (*ClaimedJob, error)
	// Jobs lists jobs, newest first.
	Jobs(ctx context.Context, f JobFilter) ([]*Job, error)
	// Select lists the ids of the jobs that Jobs would list, without looking at
	// each of them.
	Select(ctx context.Context, f JobFilter) ([]Selected, error)
	// Results calls yield with each completed item's result, by id, until it
	// returns false.
	Results(ctx context.Context, parent JobID, yield func(JobID, Raw) bool) error
	// Generations counts the emitters above a job: its parent, the parent's parent,
	// and so on, up to most.
	Generations(ctx context.Context, id JobID, most int) (int, error)
	// Root is the uppermost emitter above a job that is there still; the job itself if
	// it has none.
	Root(ctx context.Context, id JobID) (JobID, error)
	// Cancel ends a job that waits, and asks the process of one that runs. Open
	// jobs are cancelled with their items.
	Cancel(ctx context.Context, id JobID, reason string) (CancelResult, error)
	// Retry makes a final job due again and reopens its parents. Of an emitter
	// that is failed because of its items, the failed items are due again instead;
	// with From or Fresh, too. One that was cancelled while it was open is open
	// again, and Sweep makes those of its items due that have failed or were
	// cancelled; so it does where the phase was cut off, and goes on. CodeConflict
	// if it is not final, or if its key was taken since.
	Retry(ctx context.Context, id JobID, o RetryOptions) error
	// CancelAll cancels some hundreds of jobs in one transaction, each as Cancel
	// does. The results are in the order of the ids; CancelGone, CancelHeld and
	// CancelOther are not errors.
	CancelAll(ctx context.Context, ids []JobID, o CancelOptions) ([]CancelResult, error)
	// RetryAll retries jobs in one transaction, each by itself as Retry does:
	// what cannot be retried does not keep back the others. Items of emitters are
	// not looked at. The results are in the order of the ids.
	RetryAll(ctx context.Context, ids []JobID, o RetryOptions) ([]RetryResult, error)
	// Hasten makes jobs due now that wait for a time: of their next attempt, or
	// another; with tried, only those that have a failed attempt behind them. It is
	// for some hundreds of jobs, in one transaction. The results are in the order of
	// the ids; HastenGone is not an error.
	Hasten(ctx context.Context, ids []JobID, tried bool) ([]HastenResult, error)
	// Pending says whether any job of the queues waits or is delayed or claimed.
	Pending(ctx context.Context, queues []Queue) (bool, error)
	// Open lists open jobs of types, above an id, by id.
	Open(ctx context.Context, types []TypeID, after JobID, limit int) ([]JobID, error)
	// Rest says what a job waits for before it can be final: itself where it
	// waits or runs, else its items, and theirs, by queue. It is empty when it, or an
	// emitter below it, waits for no more than that reports are added up, so that
	// it will wait for something else in a moment, and when there is too much to look at. Else the
	// open items that it has looked into are noted in walked, unless that is nil: what
	// they wait for is part of this.
	Rest(ctx context.Context, id JobID, walked map[JobID]bool) (map[Queue]Rest, error)
	// Backlog counts what waits by queue; a count stops at limit. Of all queues if
	// queues is nil, such as for what this process cannot run. Of those that are given
	// it may leave out what Claim, by its own bounds, does not find at once either.
	Backlog(ctx context.Context, queues []Queue, limit int) (map[Queue]int, error)
	// Running counts the jobs in claims by type, of limit of them at most.
	Running(ctx context.Context, limit int) (map[TypeID]int, error)
	// Delayed counts what is due later by queue, of the limit that are due first.
	Delayed(ctx context.Context, limit int) (map[Queue]Delayed, error)
}

// Rest counts jobs of a queue: those that wait or are delayed, and those in claims.
type Rest struct{ Waiting, Running int64 }

// Delayed is jobs of a queue that are due later, First of them at Next.
type Delayed struct {
	Jobs  int
	Next  time.Time
	First JobID // 0: it has become due meanwhile
}

// ClaimID names a claim; it is made by the client, so that a claim whose
// answer was lost can be found.
type ClaimID [16]byte

// ClaimRequest asks for jobs of one queue.
type ClaimRequest struct {
	Server ServerID
	Queue  Queue
	Max    int // jobs in one claim
	Alone  int // jobs that must be claimed alone, at most; they come in a claim each
	// NewID makes the ids of the claims; the caller knows them before the database does.
	NewID func() ClaimID
}

// Claim is the right to run some jobs.
type Claim struct {
	ID   ClaimID
	Jobs []ClaimedJob
}

// ClaimStore hands jobs to processes and takes back what became of them.
type ClaimStore interface {
	// Claim takes jobs; none when nothing is there. They come with their id and
	// epoch only.
	Claim(ctx context.Context, r ClaimRequest) ([]Claim, error)
	// Load reads the jobs of a claim, in its order. One that is not the claim's
	// any more is left out.
	Load(ctx context.Context, q Queue, c *Claim) error
	// Ready says which of the queues have jobs to claim.
	Ready(ctx context.Context, queues []Queue) ([]Queue, error)
	// Refresh reads a claimed job again, before its hook is run once more: its
	// position, checkpoints and counts. False if the claim is lost.
	Refresh(ctx context.Context, j *ClaimedJob) (bool, error)
	// LastFailure is how the last attempt failed, for the fail hook.
	LastFailure(ctx context.Context, id JobID) (*Failure, error)
	// Summary counts an emitter's items, for its finish hook.
	Summary(ctx context.Context, id JobID) (*Summary, error)
	// SavedStats are the counts that the job has committed so far.
	SavedStats(ctx context.Context, id JobID) (Stats, error)
	// Settle commits outcomes of jobs in one transaction and drops the claims
	// that are done with. Jobs that were lost are left out and named; so are, by a
	// LockedError, those whose rows others hold. An answer
	// that is lost is found out before it returns.
	Settle(ctx context.Context, outcomes []Outcome, done []ClaimID) (lost []JobID, err error)
	// OwnClaims lists what the database holds in a server's name.
	OwnClaims(ctx context.Context, id ServerID) (map[ClaimID][]JobRef, error)
	// Release gives jobs of a claim back, unharmed; the rest stays. A claim of
	// which nothing is left goes. Those whose rows others hold stay, too, and are
	// named by a LockedError.
	Release(ctx context.Context, claim ClaimID, jobs []JobRef) error
	// Rescue takes the claims of dead and unknown servers and makes their jobs
	// due again. lost decides about a job that was alone in its claim: it gets
	// the job with the loss counted, in the fail phase also the failure that its
	// hook was given, and may return what becomes of it instead.
	Rescue(ctx context.Context, lost func(j *ClaimedJob, t TypeRecord, failed *Failure) *Outcome) (Rescue, error)
}

// Rescue says what a rescue did.
type Rescue struct {
	Claims, Jobs, Losses int
	Left                 int // jobs locked by somebody, left for the next pass
	// From says how many of the jobs were each server's.
	From map[ServerID]int
}

// Summary is what finish is given of the items.
type Summary struct {
	Total, Completed, Failed, Cancelled int64
	Stats                               Stats
	Error                               *Failure // of the emitter itself, if it failed for good
	Payload                             Raw
}

// SessionStore opens hooks' transactions.
type SessionStore interface {
	// Begin opens a session for a hook. It costs nothing until it is used.
	Begin(o SessionOptions) Session
	// Commit writes an outcome, and all it brings along, in the session's
	// transaction under the fence, and commits. Session may be nil: a
	// transaction of its own then. CodeLost: the job is not ours any more.
	// CodeRetry and CodeConflict: nothing was committed, run the hook again.
	Commit(ctx context.Context, s Session, o *Outcome) error
	// Dialect is "mysql", "mariadb" or "sqlite".
	Dialect() string
}

// ScheduleRow is a schedule as the database keeps it.
type ScheduleRow struct {
	Type     TypeID
	Instance string
	Schedule Schedule
	Phase    Phase
	Priority int
	NextAt   time.Time // zero: never
	Owes     bool
	LastJob  JobID // 0: none
	LastAt   time.Time
}

// ScheduleStore keeps when things fire.
type ScheduleStore interface {
	// SaveSchedules makes the given ones the schedules of their types: new ones
	// are added, changed ones (by hash) set anew, others of the type removed.
	SaveSchedules(ctx context.Context, types []TypeID, rows []ScheduleRow) error
	// Schedules lists them.
	Schedules(ctx context.Context) ([]ScheduleRow, error)
	// Fire fires what is due of the types: for each, decide says what to do, and
	// the jobs and the next time are written in one transaction. It returns the
	// jobs made and how long until the next one is due (negative: none is), both also
	// with the errors of those that could not be fired.
	Fire(ctx context.Context, types []TypeID, decide func(r ScheduleRow, now time.Time, active bool) (Tick, error)) (fired []Fired, wait time.Duration, err error)
}

// Fired is a job that a schedule made.
type Fired struct {
	Type         TypeID
	Instance     string
	Job          JobID
	ScheduledFor time.Time
	Skipped      int
}

// Scope says whose variables are meant: a type's (and instance's) own state,
// or with Type 0 the shared ones.
type Scope struct {
	Type     TypeID
	Instance string
}

// Variable is a stored value with its version; version 0 means that there is none.
type Variable struct {
	Value   Raw
	Version int64
}

// VariableWrite sets a value, or with a nil Value deletes it. Seen is the
// version that the hook read, or -1 if it did not look. A write raises the
// version by one, a deletion too: a version never comes back.
type VariableWrite struct {
	Scope Scope
	Name  string
	Value Raw
	Seen  int64
}

// VariableStore reads state and variables, and writes them outside of hooks.
//
// A scope has at most MaxVariables names, but for hidden ones. Those whose value
// was deleted count until they are pruned. A write that makes a new name counts
// them, in its own transaction, and fails with TooManyVariables if there are
// more; all others pay nothing. Transactions that make new ones at the same time
// do not see each other's: together they may pass the bound by what they make,
// and then nobody makes another.
type VariableStore interface {
	Variable(ctx context.Context, s Scope, name string) (Variable, error)
	// VariableNames lists the names that are set, in order.
	VariableNames(ctx context.Context, s Scope) ([]string, error)
	// Variables lists values by name; with only, the one of that name.
	Variables(ctx context.Context, s Scope, only string) ([]VariableRow, error)
	SetVariables(ctx context.Context, writes []VariableWrite) error
}

// LogLine is one line that a hook, or the engine about it, logged.
type LogLine struct {
	ID      int64     `json:"id"`
	Job     JobID     `json:"job"`
	Type    TypeID    `json:"-"`
	Phase   Phase     `json:"phase"`
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Level   string    `json:"level"` // debug, info, warn, error
	Message string    `json:"message"`
	Fields  Raw       `json:"fields"` // an object, or nil
}

// Attempt is a finished attempt that left a row of its own, or one that was lost
// with its process and is made once more under the same number.
type Attempt struct {
	Job        JobID     `json:"job"`
	Phase      Phase     `json:"phase"`
	Attempt    int       `json:"attempt"`
	Server     string    `json:"server"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	Failure    *Failure  `json:"error"`
}

// Lost says that the attempt was lost with its process.
func (a *Attempt) Lost() bool { return a.Failure != nil && a.Failure.Code == LossCode }

// LogStore keeps what hooks log and how attempts failed.
type LogStore interface {
	// AppendLogs writes lines; they are never rolled back with a hook.
	AppendLogs(ctx context.Context, lines []LogLine) error
	// Logs lists lines of a job, or of a type, after an id, oldest first; with
	// last, the newest limit of them.
	Logs(ctx context.Context, job JobID, t TypeID, after int64, last bool, limit int) ([]LogLine, error)
	Attempts(ctx context.Context, job JobID) ([]Attempt, error)
	// SaveProgress keeps how far running hooks are.
	SaveProgress(ctx context.Context, p map[JobID]Progress) error
}

// MaintenanceStore has the duties that any server does for all.
type MaintenanceStore interface {
	// Promote makes delayed jobs ready whose time has come. wait is how long until
	// the next one is due (negative: none), but for those that others hold; more says
	// that it stopped at limit.
	Promote(ctx context.Context, limit int) (queues []Queue, wait time.Duration, more bool, err error)
	// Fold adds up what settled items reported to their parents and to the
	// counters; parents whose items have all settled go on. It gives the queues
	// in which something became due, and whether there is more to fold.
	Fold(ctx context.Context, limit int) (queues []Queue, settled []Settled, more bool, err error)
	// Sweep carries on cancels of open jobs' items, and retries of cancelled jobs' items.
	Sweep(ctx context.Context, limit int) (more bool, err error)
	// Prune deletes final jobs of a type that are older than keep, and what
	// belongs to them, in small batches. more says that it has not looked at all
	// that may be old enough.
	Prune(ctx context.Context, t TypeID, keep map[Status]time.Duration, limit int) (n int, more bool, err error)
	// PruneRest deletes servers, signals, keys and notices that nobody needs any more.
	PruneRest(ctx context.Context, limit int) error
}

// Settled is an emitter that became final because its items had settled.
type Settled struct {
	Job    JobID
	Type   TypeID
	Status Status
}

// Report is what doctor prints.
type Report struct {
	Store    string  `json:"store"`    // sqlite, mariadb, mysql
	Version  string  `json:"version"`  // of the database server
	Schema   int64   `json:"schema"`   // version of the tables; 0: none yet
	Known    int64   `json:"known"`    // the version that this program makes
	Strategy string  `json:"strategy"` // "skip locked", "compare and set", "single writer"
	Reason   string  `json:"reason"`   // why
	Own      int     `json:"own"`      // connections that each process may have besides those of hooks
	Allowed  int     `json:"allowed"`  // connections that the database server takes; 0: any number, or it is not told
	Checks   []Check `json:"checks"`
}

// CheckTables adds what the version of the tables comes to.
func (r *Report) CheckTables() {
	c := Check{Name: "tables", Value: fmt.Sprintf("version %d, this program makes %d", r.Schema, r.Known), OK: r.Schema == r.Known}
	switch {
	case r.Schema == 0:
		c.Value, c.OK = "there are none yet: the first run makes them", true
	case r.Schema > r.Known:
		c.Hint = "use a newer dsengine"
	case r.Schema < r.Known:
		c.Hint = "run: dsengine migrate"
	}
	r.Checks = append(r.Checks, c)
}

// Check is one thing that doctor looked at.
type Check struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	OK    bool   `json:"ok"`
	Hint  string `json:"hint,omitempty"`
}

// Migration says what Migrate did.
type Migration struct {
	From, To int64
	Applied  []string // names of the versions, in order
}
