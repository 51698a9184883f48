package engine

import (
	"context"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// RedriveMode says that a job, in phase consume, works on rows that were
// rejected before. The numbers are stored; never renumber them.
type RedriveMode uint8

// The modes.
const (
	RedriveRows RedriveMode = 1 // the hook redrive gets the rows
	RedriveItem RedriveMode = 2 // consume gets one that was a whole item, as the job's payload
)

// RejectState says what becomes of a reject.
type RejectState string

// The states. A reject is being redriven as long as the job that does it is
// not final; if that job fails or is cancelled, the reject is open again.
const (
	RejectOpen      RejectState = "open"
	RejectRedriving RejectState = "redriving"
	RejectRedriven  RejectState = "redriven"
	RejectClosed    RejectState = "closed" // a person says that it needs nothing more
)

// Reject is a rejected row as it is kept.
type Reject struct {
	ID        int64     `json:"id"`
	Job       JobID     `json:"job"`
	Type      string    `json:"type"`
	Instance  *string   `json:"instance"`
	Phase     Phase     `json:"phase"`
	Attempt   int       `json:"attempt"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason"`
	Source    *string   `json:"source"`
	Line      *int64    `json:"line"`
	WholeItem bool      `json:"whole_item"`
	Cut       bool      `json:"cut"` // the row was too large: Row is a string with its beginning

	// RolledBack says that the attempt that met the row failed for its rejects, and
	// that nothing it did stays: a retry of the job meets the row again.
	RolledBack bool `json:"rolled_back"`

	State   RejectState `json:"state"`
	Redrive *JobID      `json:"redrive"` // the job that redrives it, or did last
	Row     Raw         `json:"row"`

	Size int `json:"-"` // of Row, in bytes
}

// RejectFilter says which rejects are meant; zero fields do not filter.
type RejectFilter struct {
	Type    TypeID
	Job     JobID
	Redrive JobID // those that this job redrives
	IDs     []int64
	Since   time.Time
	Before  time.Time
	Reason  string // a glob: * is any text, ? any character
	Open    bool
	After   int64 // only ids above
	Newest  bool  // newest first; else oldest first
	NoRows  bool  // leave Row out
}

// RejectCounts are those of a job's rejects that are kept.
type RejectCounts struct {
	Kept      int64 `json:"kept"`
	Open      int64 `json:"open"`
	Redriving int64 `json:"redriving"`
	Redriven  int64 `json:"redriven"`
	Closed    int64 `json:"closed"`
	// RolledBack are those of an attempt that failed for its rejects, which no commit
	// has counted: a retry of the job meets their rows again.
	RolledBack int64 `json:"rolled_back"`
}

// CommittedRejects are the rejects that were committed with a job's work: what it
// may reject is judged by those that stand.
type CommittedRejects struct {
	Standing int64 // of the phase: those that nobody has mended or closed
	Whole    int64 // of them, those that were the whole item
	Mended   int64 // of all phases: redriven and not rejected again, or closed
	Unplaced bool  // some of the phase, but for whole items, have no line of a source
}

// RedriveBatch is rejects to be redriven: by one job, or as items by one each.
type RedriveBatch struct {
	Type     TypeID
	Instance string
	Priority int
	Mode     RedriveMode
	Rejects  []int64 // ids, ascending
}

// RejectStore keeps the rows that scripts reject. They are written by Commit,
// with the outcome.
type RejectStore interface {
	// Rejects calls yield with rejects by id until it returns false. It holds
	// nothing open in between, so yield may take its time.
	Rejects(ctx context.Context, f RejectFilter, yield func(*Reject) bool) error
	// RejectPlaces are the places (RejectPlace) of the rejects that a job has kept
	// by the checkpoints of a phase.
	RejectPlaces(ctx context.Context, job JobID, phase Phase) (map[uint64]bool, error)
	// CommittedRejects counts what a job's checkpoints, and its phases that ended,
	// have kept.
	CommittedRejects(ctx context.Context, job JobID, phase Phase) (CommittedRejects, error)
	// RejectCounts counts the rejects of a job.
	RejectCounts(ctx context.Context, job JobID) (RejectCounts, error)
	// Redrive makes the job, or jobs, for those of the batch that are open still,
	// but for those that are rolled back, and marks them as theirs, in one transaction. It says how many they are; for
	// none it makes no job.
	Redrive(ctx context.Context, b RedriveBatch) (jobs []JobID, taken int, err error)
	// CloseRejects closes those of some rejects that are open still; ReopenRejects makes
	// those open again that are closed. Each is one transaction, and says how many
	// they are.
	CloseRejects(ctx context.Context, ids []int64) (int, error)
	ReopenRejects(ctx context.Context, ids []int64) (int, error)
}

// MatchReason compiles a glob for reasons; "" matches all.
func MatchReason(glob string) func(string) bool {
	if glob == "" {
		return func(string) bool { return true }
	}
	r := strings.NewReplacer(`\*`, `.*`, `\?`, `.`)
	glob = strings.ToValidUTF8(glob, "\uFFFD") // as reasons are
	return regexp.MustCompile(`(?s)^` + r.Replace(regexp.QuoteMeta(glob)) + `$`).MatchString
}

// RedriveRequest says which rejects of a type to redrive: all that are open, or
// fewer.
type RedriveRequest struct {
	Type   string
	Job    JobID // with the jobs that have redriven its rejects
	Since  time.Time
	Before time.Time
	Reason string // a glob, as in RejectFilter
	Limit  int    // 0: none
}

// Redriven says what was made of rejects.
type Redriven struct {
	Rejects int     `json:"rejects"` // that are being redriven now
	Jobs    []JobID `json:"jobs"`
	// NoHook are left: rows that need the hook redrive, which the script does not have.
	// Without it only their jobs meet them again, begun anew; Again is the first of these,
	// and Reason why its row was rejected.
	NoHook int    `json:"no_hook"`
	Again  *JobID `json:"again"`
	Reason string `json:"-"`
	Cut    int    `json:"cut"` // left: rows that were too large to be kept whole
	// RolledBack are left: a retry of their job, the first of which is Retry, runs
	// their rows with all others that were rolled back with them.
	RolledBack int    `json:"rolled_back"`
	Retry      *JobID `json:"retry"`
}

// How many rejects one job redrives, and how many items are made at once.
const (
	redriveRows  = 10_000
	redriveItems = 200
	redriveBytes = 8 << 20
)

// Redrive makes jobs of rejects that are open. With the hook redrive in the
// type's script each gets up to 10,000 rows; else rows that were whole items
// become jobs of their own, in consume.
func (e *Engine) Redrive(ctx context.Context, r RedriveRequest) (Redriven, error) {
	done := Redriven{Jobs: []JobID{}}
	t, err := e.Type(ctx, r.Type)
	if err != nil {
		return done, err
	}
	b := &redriving{e: e, ctx: ctx, typ: t, mode: RedriveItem, most: redriveItems, done: &done, waiting: map[string]*RedriveBatch{}, bytes: map[string]int{}}
	if t.Hooks.Redrives() {
		b.mode, b.most = RedriveRows, redriveRows
	}
	of, err := e.redrivers(ctx, r.Job)
	if err != nil {
		return done, err
	}
	chosen := 0
	choose := func(x *Reject) bool {
		switch {
		case x.RolledBack:
			if done.RolledBack++; done.Retry == nil {
				done.Retry = &x.Job
			}
			return true
		case x.Cut:
			done.Cut++
			return true
		case b.mode == RedriveItem && !x.WholeItem:
			if done.NoHook++; done.Again == nil {
				done.Again, done.Reason = &x.Job, x.Reason
			}
			return true
		}
		chosen++
		b.err = b.add(x)
		return b.err == nil && (r.Limit == 0 || chosen < r.Limit)
	}
	for _, job := range of {
		if err == nil && b.err == nil && (r.Limit == 0 || chosen < r.Limit) {
			err = e.store.Rejects(ctx, RejectFilter{Type: t.ID, Job: job, Since: r.Since, Before: r.Before, Reason: r.Reason, Open: true, NoRows: true}, choose)
		}
	}
	if err == nil {
		err = b.err
	}
	for _, batch := range b.waiting {
		if err == nil {
			err = b.flush(batch)
		}
	}
	return done, err
}

// redrivers are a job, and those that have redriven its rejects, which have what they
// rejected again, and so on.
func (e *Engine) redrivers(ctx context.Context, job JobID) ([]JobID, error) {
	list := []JobID{job}
	for i := 0; job != 0 && i < len(list); i++ {
		err := e.store.Rejects(ctx, RejectFilter{Job: list[i], NoRows: true}, func(x *Reject) bool {
			if x.State == RejectRedriven && !slices.Contains(list, *x.Redrive) {
				list = append(list, *x.Redrive)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// redriving gathers rejects by instance.
type redriving struct {
	e       *Engine
	ctx     context.Context
	typ     TypeRecord
	mode    RedriveMode
	most    int
	done    *Redriven
	waiting map[string]*RedriveBatch
	bytes   map[string]int
	err     error
}

func (b *redriving) add(x *Reject) error {
	instance := ""
	if x.Instance != nil {
		instance = *x.Instance
	}
	batch := b.waiting[instance]
	if batch == nil {
		batch = &RedriveBatch{Type: b.typ.ID, Instance: instance, Priority: b.typ.Priority, Mode: b.mode}
		b.waiting[instance] = batch
	}
	batch.Rejects = append(batch.Rejects, x.ID)
	b.bytes[instance] += x.Size
	if len(batch.Rejects) == b.most || b.mode == RedriveItem && b.bytes[instance] > redriveBytes {
		return b.flush(batch)
	}
	return nil
}

func (b *redriving) flush(batch *RedriveBatch) error {
	delete(b.waiting, batch.Instance)
	delete(b.bytes, batch.Instance)
	slices.Sort(batch.Rejects) // they are of several jobs
	jobs, taken, err := b.e.store.Redrive(b.ctx, *batch)
	if err != nil {
		return err
	}
	b.done.Rejects += taken
	b.done.Jobs = append(b.done.Jobs, jobs...)
	return nil
}

// redriven is how far a call is with the rows that it redrives.
type redriven struct {
	read int64 // id of the last reject that the hook was given
	done int64 // of the last one that is committed as redriven
	page []*Reject
	end  bool

	places map[uint64]*equalRows // of the rows that the hook was given, by their fingerprint
	item   *Reject               // see ofItem
	looked bool                  // for that
}

// equalRows is where rows were that are equal, and how many of them were rejected again.
type equalRows struct {
	at   []rejectPlace
	used int
}

// rejectPlace is where a row was.
type rejectPlace struct {
	source string
	line   int64
}

// note keeps where a row was that the hook is given. A job has some thousands.
func (r *redriven) note(x *Reject) {
	if x.Source == nil && x.Line == nil {
		return
	}
	var p rejectPlace
	if x.Source != nil {
		p.source = *x.Source
	}
	if x.Line != nil {
		p.line = *x.Line
	}
	if r.places == nil {
		r.places = map[uint64]*equalRows{}
	}
	key := Fingerprint("", x.Row)
	if r.places[key] == nil {
		r.places[key] = &equalRows{}
	}
	r.places[key].at = append(r.places[key].at, p)
}

// redrivePage bounds how many rows are read ahead.
const (
	redrivePage      = 200
	redrivePageBytes = 4 << 20
)

// NextRejected is the next reject whose row the hook redrive is to work on; io.EOF
// after the last. It reads a few ahead.
func (c *Call) NextRejected() (*Reject, error) {
	r := &c.redriven
	if len(r.page) == 0 && !r.end {
		size := 0
		r.end = true
		err := c.eng.store.Rejects(c.ctx, RejectFilter{Redrive: c.job.ID, After: r.read}, func(x *Reject) bool {
			r.page = append(r.page, x)
			size += x.Size
			r.end = len(r.page) < redrivePage && size < redrivePageBytes
			return r.end
		})
		if err != nil {
			return nil, err
		}
	}
	if len(r.page) == 0 {
		return nil, io.EOF
	}
	x := r.page[0]
	r.page = r.page[1:]
	r.read = x.ID
	r.note(x)
	c.Count("read", 1)
	return x, nil
}

// cameFrom gives what is rejected anew the source and the line of the reject that
// is redriven, unless its script, or the loop over the rows, says them. Rows that
// are equal take turns.
func (c *Call) cameFrom(r *Rejection) error {
	if c.job.Redrive == 0 || r.Source != "" || r.Line > 0 {
		return nil
	}
	if c.job.Redrive == RedriveRows {
		if e := c.redriven.places[Fingerprint("", r.Row)]; e != nil && c.job.Phase == PhaseConsume {
			at := e.at[min(e.used, len(e.at)-1)]
			r.Source, r.Line, e.used = at.source, at.line, e.used+1
		}
		return nil
	}
	if !r.WholeItem {
		return nil
	}
	x, err := c.ofItem()
	if x != nil && x.Source != nil {
		r.Source = *x.Source
	}
	if x != nil && x.Line != nil {
		r.Line = *x.Line
	}
	return err
}

// ofItem is the reject whose item the job redrives, without its row; nil if it is not there
// any more.
func (c *Call) ofItem() (*Reject, error) {
	if c.redriven.looked {
		return c.redriven.item, nil
	}
	err := c.eng.store.Rejects(c.ctx, RejectFilter{Redrive: c.job.ID, NoRows: true}, func(x *Reject) bool {
		own := *x
		c.redriven.item = &own
		return false
	})
	c.redriven.looked = err == nil
	return c.redriven.item, err
}

// sure says whether it is known which rejects a commit now would be done with:
// nothing was read outside of a loop that keeps count.
func (r *redriven) sure() bool { return r.read == r.done }

// settleRedriven adds to a job's success that its rejects are redriven.
func (c *Call) settleRedriven(o *Outcome) {
	switch {
	case c.job.Redrive == 0:
	case c.job.Phase == PhaseConsume:
		o.Redriven = math.MaxInt64
	case c.job.Phase == PhaseFail && c.job.Redrive == RedriveItem && c.pend.whole > 0 && o.To.Status.Final():
		o.Redriven = math.MaxInt64 // the fail hook has rejected the item anew
	}
}

// redriveHook is what runs in phase consume for a job that redrives rows.
func redriveHook(t *Type) Hook {
	if t.Redrive != nil {
		return t.Redrive
	}
	return func(*Call) (Raw, error) {
		return nil, &Failure{Kind: KindError, Code: "usage", Message: "the job redrives rejected rows, and the script here has no hook redrive(ctx, rows): it was taken out, or this server has an older script; the rows are open again"}
	}
}
