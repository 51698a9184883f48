package engine

import (
	"slices"
	"sync"
	"time"
)

// Snapshot is what a Server has done since it began, for progress bars and
// for the summary at the end.
type Snapshot struct {
	Types      []TypeTally `json:"types"`
	Rescued    int         `json:"rescued"`     // jobs taken back from lost servers
	FirstClaim *time.Time  `json:"first_claim"` // by this machine's clock
	LastCommit *time.Time  `json:"last_commit"`
	// HandedOver are jobs given back at a checkpoint because the process stops,
	// GaveBack those whose hook did not end within Drain. The first 100 of each.
	HandedOver, GaveBack []JobID `json:"-"`
	// CutOff says that the database could not be used when the server stopped. Kept
	// are then jobs that it could not give back: others take them when its lease is
	// over. The first 100.
	CutOff bool    `json:"-"`
	Kept   []JobID `json:"-"`
	// Away is how long in all the database could not be used so far.
	Away time.Duration `json:"-"`
	// Left is what hooks did not make because jobs that failed have the keys.
	Left LeftOut `json:"-"`
}

// TypeTally counts what was done for one type.
type TypeTally struct {
	Type      string `json:"type"`
	Completed int64  `json:"completed"`
	Failed    int64  `json:"failed"`
	Cancelled int64  `json:"cancelled"`
	Retried   int64  `json:"retried"` // failed attempts that another follows, by a retry of the failed job too
	Running   int64  `json:"running"`
	Claimed   int64  `json:"-"`     // and not begun
	Passed    int64  `json:"-"`     // handed on to a phase that this server does not work
	Stats     Stats  `json:"stats"` // of committed work, by name
}

// tally counts settled jobs.
type tally struct {
	mu      sync.Mutex
	types   map[TypeID]*TypeTally
	works   func(Queue) bool
	order   []TypeID
	rescues int
	first   time.Time
	last    time.Time
	late    bool    // the time to drain is over
	handed  []JobID // given back at a checkpoint
	back    []JobID // given back, with what their hooks did since a checkpoint undone
	left    LeftOut
	failed  map[JobID]struct{} // counted as failed, maxFailed of them
	cut     bool               // the database could not be used at the end
	ours    []JobID            // that could not be given back
}

// namedJobs bounds how many jobs a tally names.
const namedJobs = 100

// maxFailed bounds of how many jobs a tally knows that they failed: one of them that is
// retried, and settles again, counts as retried instead.
const maxFailed = 10_000

// overdue notes that the time to drain is over.
func (t *tally) overdue() {
	t.mu.Lock()
	t.late = true
	t.mu.Unlock()
}

// drained counts a job whose hook the drain has ended, and says whether that was
// because its time was over.
func (t *tally) drained(id JobID) (late bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := &t.handed
	if t.late {
		list = &t.back
	}
	if len(*list) < namedJobs {
		*list = append(*list, id)
	}
	return t.late
}

// kept notes jobs that could not be given back.
func (t *tally) kept(jobs []JobRef) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, j := range jobs {
		if len(t.ours) < namedJobs && !slices.Contains(t.ours, j.ID) {
			t.ours = append(t.ours, j.ID)
		}
	}
}

// nothingKept notes that the database holds no jobs in our name that we do not know.
func (t *tally) nothingKept() {
	t.mu.Lock()
	t.ours = nil
	t.mu.Unlock()
}

// cutOff notes that the database could not be used at the end.
func (t *tally) cutOff() {
	t.mu.Lock()
	t.cut = true
	t.mu.Unlock()
}

func (t *tally) init(types []*Type, ids map[string]TypeID, works func(Queue) bool) {
	t.works = works
	t.types, t.failed = map[TypeID]*TypeTally{}, map[JobID]struct{}{}
	for _, ty := range types {
		id := ids[ty.Name]
		t.types[id] = &TypeTally{Type: ty.Name, Stats: Stats{}}
		t.order = append(t.order, id)
	}
}

func (t *tally) claimed(now time.Time) {
	t.mu.Lock()
	if t.first.IsZero() {
		t.first = now
	}
	t.mu.Unlock()
}

func (t *tally) settled(now time.Time, outcomes []Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = now
	for i := range outcomes {
		o := &outcomes[i]
		y := t.types[o.Job.Type]
		if y == nil {
			continue
		}
		t.count(y, o.Job.ID, o.To.Status, o.Event == Retried)
		if o.Event == HandedOn && !t.works(o.Job.Queue(o.To.Phase)) {
			y.Passed++
		}
		if len(o.NewStats) > 0 {
			y.Stats.Add(o.NewStats)
		}
		if o.Failure != nil && len(o.Rejects) > 0 { // kept, although the rest is rolled back
			y.Stats["rejected"] += int64(len(o.Rejects))
		}
	}
}

func (t *tally) count(y *TypeTally, id JobID, s Status, retried bool) {
	if _, again := t.failed[id]; again {
		delete(t.failed, id)
		y.Failed--
		y.Retried++
	}
	switch {
	case s == StatusCompleted:
		y.Completed++
	case s == StatusFailed:
		y.Failed++
		if len(t.failed) < maxFailed {
			t.failed[id] = struct{}{}
		}
	case s == StatusCancelled:
		y.Cancelled++
	case retried:
		y.Retried++
	}
}

// checkpoint counts what a checkpoint committed.
func (t *tally) checkpoint(now time.Time, o *Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = now
	if y := t.types[o.Job.Type]; y != nil {
		y.Stats.Add(o.NewStats)
	}
}

// folded counts emitters that became final because their items settled.
func (t *tally) folded(jobs []Settled) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, j := range jobs {
		if y := t.types[j.Type]; y != nil {
			t.count(y, j.Job, j.Status, false)
		}
	}
}

// leftOut counts what a commit left out.
func (t *tally) leftOut(l *LeftOut) {
	t.mu.Lock()
	t.left.merge(l)
	t.mu.Unlock()
}

func (t *tally) rescued(r Rescue) {
	t.mu.Lock()
	t.rescues += r.Jobs
	t.mu.Unlock()
}

// Snapshot is what the server has done so far.
func (s *Server) Snapshot() Snapshot {
	t := &s.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	snap := Snapshot{Rescued: t.rescues, Away: s.away.total(s.eng.clock.Boot()), HandedOver: slices.Clone(t.handed), GaveBack: slices.Clone(t.back), Left: t.left}
	snap.GaveBack = slices.DeleteFunc(snap.GaveBack, func(id JobID) bool { return slices.Contains(t.ours, id) })
	if snap.CutOff = t.cut; t.cut {
		snap.Kept = slices.Clone(t.ours)
	}
	snap.Left.Holders = slices.Clone(t.left.Holders)
	if !t.first.IsZero() {
		first := t.first
		snap.FirstClaim = &first
	}
	if !t.last.IsZero() {
		last := t.last
		snap.LastCommit = &last
	}
	for _, id := range t.order {
		y := *t.types[id]
		y.Stats = Stats{}
		y.Stats.Add(t.types[id].Stats)
		for _, p := range Phases {
			q := QueueOf(id, p)
			for _, l := range []*lane{s.lanes[q], s.lanes[q.Apart()]} {
				if l != nil {
					y.Running += l.working.Load()
					y.Claimed += max(0, l.buffered.Load())
				}
			}
		}
		snap.Types = append(snap.Types, y)
	}
	return snap
}

// Progress is what running hooks last said of how far they are.
func (s *Server) Progress() map[JobID]Progress {
	w := s.progress
	w.mu.Lock()
	defer w.mu.Unlock()
	m := make(map[JobID]Progress, len(w.now))
	for id, p := range w.now {
		m[id] = p
	}
	return m
}
