package engine

import (
	"encoding/json"
	"maps"
	"time"
)

// JobID names a job for ever; ids are never used again.
type JobID int64

// Epoch counts how often the right to work a job was given up: each settle,
// retry, release, cancel and rescue raises it, a checkpoint does not. A write
// about a job that names another epoch than the stored one changes nothing.
type Epoch uint32

// JobRef is a job at an epoch: what a claim holds.
type JobRef struct {
	ID    JobID
	Epoch Epoch
}

// NewJob is a job to be made.
type NewJob struct {
	Type     string
	Instance string // "" for none
	Phase    Phase  // 0: the first phase of its type
	Payload  Raw    // nil: null
	Key      string // "" for none
	Unique   Unique // while when the key counts as taken
	Replace  bool   // a waiting job with the key gets this payload
	Priority *int   // -100 to 100, smaller first; nil: the type's
	// After is how long it waits, At until when; At wins.
	After time.Duration
	At    time.Time
	// Window is the stretch of time that the job is to import; nil: its script says
	// which. With Backfill it is worked apart: jobs without do not wait for it.
	Window *Window
}

// Enqueued is what became of a NewJob.
type Enqueued struct {
	ID      JobID // of the new job, or of the one that holds the key
	Created bool
	// Replaced says that the job that holds the key got the new payload.
	Replaced bool
}

// ClaimedJob is a job in the hands of a process.
type ClaimedJob struct {
	JobRef
	Claim        ClaimID
	Type         TypeID
	Phase        Phase
	Priority     int
	Instance     string
	Key          string
	Parent       JobID
	Attempts     int // charged attempts of this phase before this one
	Losses       int // processes lost since the last attempt or checkpoint
	FailedPhase  Phase
	Verdict      Status // Failed or Cancelled once that is settled; else 0
	ScheduledFor time.Time
	Payload      Raw   // as it was enqueued
	Item         Raw   // what produce handed on to consume; nil: nothing
	Position     Raw   // of the last checkpoint of this phase; nil: none
	Checkpoints  int   // committed so far in this phase
	Emitted      int64 // items committed so far
	Redrive      RedriveMode
	Windowed     Windowed

	Reruns int64 // how often its hook ran again since it was claimed, or its last checkpoint
	Waits  bool  // it is shown that its hook waits for another database
}

// Queue is the job's queue when a phase is due.
func (j *ClaimedJob) Queue(p Phase) Queue { return QueueOf(j.Type, p).For(j.Windowed) }

// MaxAttempt is where the count of attempts stops, as its column does: a fail hook may
// ask for another one for ever.
const MaxAttempt = 1<<16 - 1

// Attempt is the number of the attempt that runs; in the fail hook, of the one that
// failed.
func (j *ClaimedJob) Attempt() int {
	if j.Phase == PhaseFail {
		return j.Attempts
	}
	return min(j.Attempts+1, MaxAttempt)
}

// State is the job's state while it is claimed.
func (j *ClaimedJob) State() State { return State{j.Phase, StatusRunning} }

// Stats are named counts of what a job did: those of StatNames, and what its script
// counts itself. They are committed with what they count, so an attempt that is rolled
// back counts nothing.
type Stats map[string]int64

// RerunCount is the count of how often a job's hooks ran again, because somebody
// else changed meanwhile what they had read and set. It is committed with what they did.
const RerunCount = "reruns"

// UnseenCount is the count of rows that a job rejected before records.changed could see
// them, and of which nobody knows whether they are known. No script counts by that name.
const UnseenCount = "unseen"

// Bounds of a job's counts, such that they fit into 64 kB as JSON.
const (
	maxCounts    = 500
	maxCountName = 100 // bytes, as JSON
	otherCounts  = "other"
)

// Add adds the counts of o. Past a number of names the rest is added up under
// the name "other": many jobs may each have names of their own.
func (s Stats) Add(o Stats) {
	for k, n := range o {
		if _, there := s[k]; !there && len(s) >= maxCounts {
			k = otherCounts
		}
		s[k] += n
	}
}

// Copy is a copy; of no counts it is nil.
func (s Stats) Copy() Stats {
	if len(s) == 0 {
		return nil
	}
	return maps.Clone(s)
}

// Plus is s and o together; nil if both are empty.
func (s Stats) Plus(o Stats) Stats {
	if len(o) == 0 {
		return s
	}
	sum := maps.Clone(o)
	sum.Add(s)
	return sum
}

// Minus is s without o, and without zero counts; nil if nothing is left.
func (s Stats) Minus(o Stats) (d Stats) {
	for k, n := range s {
		if n -= o[k]; n != 0 {
			if d == nil {
				d = Stats{}
			}
			d[k] = n
		}
	}
	return d
}

// StatNames are the counts that the engine keeps itself, in the order in which
// they are shown. Each row is counted once, where it happens:
//
//   - read: readers gave it (or set it aside, as on_bad says), or a redrive did; rows that a
//     loop leaves out because they were committed before are not counted again.
//   - inserted, updated, unchanged, deleted: a statement of a writer of db did that with it.
//     unchanged is also what records.changed left out.
//   - rejected: it was set aside, by reject or a reader.
//   - skipped: a writer or records.changed got None in its place, other than from reject.
var StatNames = []string{"read", "inserted", "updated", "unchanged", "deleted", "rejected", "skipped"}

// Job is all that is known of a job, as jobs show prints it and as JSON.
type Job struct {
	ID           JobID            `json:"id"`
	Type         string           `json:"type"`
	Instance     *string          `json:"instance"`
	Phase        Phase            `json:"phase"`
	Status       Status           `json:"status"`
	Attempt      int              `json:"attempt"`
	MaxAttempts  int              `json:"max_attempts"`
	Priority     int              `json:"priority"`
	Key          *string          `json:"key"`
	Items        int64            `json:"items"` // emitted by it
	Payload      Raw              `json:"payload"`
	Result       Raw              `json:"result"`
	Error        *JobError        `json:"error"`
	Parent       *JobID           `json:"parent"`
	Children     *Children        `json:"children"`
	Stats        map[string]int64 `json:"stats"`
	Window       *Window          `json:"window"`
	Position     Raw              `json:"position"`
	Version      *string          `json:"version"`
	ScheduledFor *time.Time       `json:"scheduled_for"`
	RunAt        *time.Time       `json:"run_at"`
	CreatedAt    time.Time        `json:"created_at"`
	StartedAt    *time.Time       `json:"started_at"`
	FinishedAt   *time.Time       `json:"finished_at"`
	Server       *string          `json:"server"`
	Progress     *Progress        `json:"progress"`
	WaitingFor   *string          `json:"waiting_for"`
	Redrives     *Redrives        `json:"redrives"`

	Epoch       Epoch       `json:"-"`
	TypeID      TypeID      `json:"-"`
	Losses      int         `json:"-"`
	FailedPhase Phase       `json:"-"`
	CancelAsked bool        `json:"-"`
	ServerStops *time.Time  `json:"-"` // since when the server that runs it stops; nil: it does not
	Redrive     RedriveMode `json:"-"`
	Windowed    Windowed    `json:"-"`
}

// AllStats are the job's counts as they are told to others: all that the engine
// keeps, zero or not, and what its script counted.
func (j *Job) AllStats() map[string]int64 {
	all := make(map[string]int64, len(StatNames)+len(j.Stats))
	for _, name := range StatNames {
		all[name] = 0
	}
	maps.Copy(all, j.Stats)
	return all
}

// Redrives are the rejects that a job redrives, or has.
type Redrives struct {
	Rejects   int64 `json:"rejects"` // how many; 0 if others have taken them, or they are pruned
	First     int64 `json:"first"`   // the lowest id, and the highest
	Last      int64 `json:"last"`
	WholeItem bool  `json:"whole_item"` // it is one, which was all that a job worked on
}

// JobError is how the job's last attempt failed.
type JobError struct {
	Message   string `json:"message"`
	Kind      Kind   `json:"kind"`
	Code      string `json:"code"`
	Backtrace string `json:"backtrace"`
	Phase     Phase  `json:"phase"` // that failed; 0: its items did
}

// MarshalJSON writes null for what is not known.
func (e JobError) MarshalJSON() ([]byte, error) {
	phase := ""
	if e.Phase != 0 {
		phase = e.Phase.String()
	}
	null := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return json.Marshal(struct {
		Message   string  `json:"message"`
		Kind      Kind    `json:"kind"`
		Code      *string `json:"code"`
		Backtrace *string `json:"backtrace"`
		Phase     *string `json:"phase"`
	}{e.Message, e.Kind, null(e.Code), null(e.Backtrace), null(phase)})
}

// Children counts a job's items by status.
type Children struct {
	Waiting   int64 `json:"waiting"`
	Running   int64 `json:"running"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	Cancelled int64 `json:"cancelled"`
}

// Progress is how far a running hook says it is.
type Progress struct {
	Done  int64  `json:"done"`
	Total *int64 `json:"total"`
	Note  string `json:"note"`
}
