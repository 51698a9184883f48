package main

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
)

// runSummary is what a run did.
type runSummary struct {
	Server     string             `json:"server"`
	Types      []engine.TypeTally `json:"types"` // those that had work
	Completed  int64              `json:"completed"`
	Failed     int64              `json:"failed"`
	Cancelled  int64              `json:"cancelled"`
	Retried    int64              `json:"retried"`
	Rescued    int                `json:"rescued"`
	HandedOver []engine.JobID     `json:"handed_over"` // at a checkpoint, because it was told to stop
	GaveBack   []engine.JobID     `json:"gave_back"`   // because their hooks did not end within --drain
	// CutOff says that the database could not be used when it stopped: what is told is
	// what the process itself knows, and KeptBack are jobs that it could not give back.
	KeptBack []engine.JobID `json:"not_given_back"`
	CutOff   bool           `json:"cut_off"`

	Rows       map[string]int64       `json:"rows"` // read, inserted, updated, ... and what scripts counted
	FirstClaim *time.Time             `json:"first_claim"`
	LastCommit *time.Time             `json:"last_commit"`
	Seconds    float64                `json:"seconds"`
	Job        *engine.Job            `json:"job"`         // of --once
	FailedItem *failedItem            `json:"failed_item"` // the first by which that job failed
	FailedJobs []failedJob            `json:"failed_jobs"`
	LeftOut    engine.LeftOut         `json:"left_out"` // not made, because jobs that failed have the keys
	Waiting    []waitingJobs          `json:"waiting"`  // that this process cannot run
	Delayed    []delayedJobs          `json:"delayed"`  // that this process can run, later
	Next       []nextFiring           `json:"next"`
	NotLoaded  []*scripting.LoadError `json:"not_loaded"`
	Ended      string                 `json:"ended"`   // idle, done (the job of --once is final), stranded (nobody runs what it waits for) or stopped
	Message    string                 `json:"message"` // what all this comes to
	Hints      []string               `json:"hints"`   // what to try next
	run        runOptions
	reason     string // why the job of --once was cancelled
}

// failedJob is a job that failed during the run.
type failedJob struct {
	ID    engine.JobID `json:"id"`
	Type  string       `json:"type"`
	Error string       `json:"error"`

	parent engine.JobID // 0: it is no item
	kind   engine.Kind  // why it failed
	items  bool         // because items of it did
}

// waitingJobs are jobs that wait and that this process cannot run.
type waitingJobs struct {
	Type   string       `json:"type"`
	Phase  engine.Phase `json:"phase"`
	Jobs   int          `json:"jobs"` // at least, when it is waitingLimit
	Reason string       `json:"reason"`
}

// delayedJobs are jobs of a type that wait for a time, such as that of their next
// attempt.
type delayedJobs struct {
	Type  string       `json:"type"`
	Phase engine.Phase `json:"phase"`
	Jobs  int          `json:"jobs"` // of the first waitingLimit of all
	Next  time.Time    `json:"next"` // when the first of them is due
	Job   engine.JobID `json:"job"`  // that one
}

// nextFiring is when a schedule fires next.
type nextFiring struct {
	Type     string    `json:"type"`
	Instance *string   `json:"instance"`
	At       time.Time `json:"at"`
}

const (
	waitingLimit = 100_000 // to which waiting jobs of a queue are counted
	failedLimit  = 100     // failed jobs that are named
)

// summarize makes the summary of a run.
type summarize struct {
	env     *Env
	eng     *engine.Engine
	srv     *engine.Server
	opts    engine.ServerOptions
	scripts *scripts
	begun   time.Time // by the database's clock
	took    time.Duration
	run     runOptions
}

// make gathers what the process knows, and from the database what it does not.
func (m *summarize) make(ctx context.Context) *runSummary {
	snap := m.srv.Snapshot()
	s := &runSummary{
		Server: m.opts.WithDefaults().Name, Types: []engine.TypeTally{}, Rescued: snap.Rescued,
		HandedOver: append([]engine.JobID{}, snap.HandedOver...), GaveBack: append([]engine.JobID{}, snap.GaveBack...), Rows: map[string]int64{},
		FirstClaim: inUTC(snap.FirstClaim), LastCommit: inUTC(snap.LastCommit),
		Seconds: math.Round(m.took.Seconds()*1000) / 1000, FailedJobs: []failedJob{}, Waiting: []waitingJobs{}, Delayed: []delayedJobs{}, Next: []nextFiring{},
		NotLoaded: append([]*scripting.LoadError{}, m.scripts.Errors...), Hints: []string{}, run: m.run,
		LeftOut: snap.Left, CutOff: snap.CutOff, KeptBack: append([]engine.JobID{}, snap.Kept...),
	}
	s.LeftOut.Holders = append([]engine.KeyHolder{}, snap.Left.Holders...)
	for _, name := range engine.StatNames {
		s.Rows[name] = 0
	}
	for _, t := range snap.Types {
		if t.Completed+t.Failed+t.Cancelled+t.Retried+t.Running == 0 && len(t.Stats) == 0 {
			continue
		}
		s.Types = append(s.Types, t)
		s.Completed, s.Failed = s.Completed+t.Completed, s.Failed+t.Failed
		s.Cancelled, s.Retried = s.Cancelled+t.Cancelled, s.Retried+t.Retried
		for name, n := range t.Stats {
			s.Rows[name] += n
		}
	}
	// What the database does not tell any more is left out.
	_ = errors.Join(m.once(ctx, s), m.failed(ctx, s), m.waiting(ctx, s))
	return s
}

// once adds the job of --once.
func (m *summarize) once(ctx context.Context, s *runSummary) (err error) {
	if len(m.opts.Once) > 0 {
		if s.Job, err = m.eng.Store().Job(ctx, m.opts.Once[0]); err == nil {
			s.Job, s.reason = told(s.Job), reasonOf(ctx, m.env, m.eng.Store(), s.Job)
			s.FailedItem, err = firstFailed(ctx, m.eng.Store(), s.Job)
		}
	}
	return err
}

// failed names the jobs that failed since the run began.
func (m *summarize) failed(ctx context.Context, s *runSummary) error {
	if s.Failed == 0 {
		return nil
	}
	f := engine.JobFilter{Status: engine.StatusFailed, Limit: 100}
	for page := 0; page < 10; page++ {
		jobs, err := m.eng.Store().Jobs(ctx, f)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			f.Before = j.ID
			if j.FinishedAt == nil || j.FinishedAt.Before(m.begun) {
				continue
			}
			failed := failedJob{ID: j.ID, Type: j.Type}
			if j.Error != nil {
				failed.Error, failed.kind, failed.items = j.Error.Message, j.Error.Kind, j.Error.Code == "items"
			}
			if j.Parent != nil {
				failed.parent = *j.Parent
			}
			if s.FailedJobs = append(s.FailedJobs, failed); len(s.FailedJobs) == failedLimit {
				return nil
			}
		}
		if len(jobs) < f.Limit || int64(len(s.FailedJobs)) >= s.Failed {
			break
		}
	}
	return nil
}

// waiting adds what waits and cannot run here, and when schedules fire next.
func (m *summarize) waiting(ctx context.Context, s *runSummary) error {
	records, err := m.eng.Store().Types(ctx)
	if err != nil {
		return err
	}
	names := map[engine.TypeID]string{}
	for _, r := range records {
		names[r.ID] = r.Name
	}
	runs := map[string]*engine.Type{}
	for _, t := range m.srv.Types() {
		runs[t.Name] = t
	}
	backlog, err := m.backlog(ctx)
	if err != nil {
		return err
	}
	phases := m.opts.WithDefaults().Phases
	for q, n := range backlog {
		name := names[q.Type()]
		if t := runs[name]; t != nil && t.Works(q.Phase()) && slices.Contains(phases, q.Phase()) {
			continue
		}
		s.Waiting = append(s.Waiting, waitingJobs{Type: name, Phase: q.Phase(), Jobs: n, Reason: m.reason(name, q.Phase(), runs[name] != nil)})
	}
	slices.SortFunc(s.Waiting, func(a, b waitingJobs) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Phase, b.Phase))
	})
	if err := m.delayed(ctx, s, names, runs); err != nil {
		return err
	}
	schedules, err := m.eng.Store().Schedules(ctx)
	if err != nil {
		return err
	}
	for _, r := range schedules {
		if name := names[r.Type]; runs[name] != nil && !r.NextAt.IsZero() && !r.Schedule.Continuous {
			s.Next = append(s.Next, nextFiring{Type: name, Instance: optional(r.Instance), At: r.NextAt.UTC()})
		}
	}
	slices.SortFunc(s.Next, func(a, b nextFiring) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Type, b.Type), cmp.Compare(orEmpty(a.Instance), orEmpty(b.Instance)))
	})
	return nil
}

// delayed adds what waits for a time; with --once only its job.
func (m *summarize) delayed(ctx context.Context, s *runSummary, names map[engine.TypeID]string, runs map[string]*engine.Type) error {
	if j := s.Job; j != nil {
		now, err := m.eng.Store().Now(ctx)
		if err != nil {
			return err
		}
		if j.Status == engine.StatusWaiting && j.RunAt != nil && j.RunAt.After(now) {
			s.Delayed = append(s.Delayed, delayedJobs{Type: j.Type, Phase: j.Phase, Jobs: 1, Next: j.RunAt.UTC(), Job: j.ID})
		}
		return nil
	}
	list, err := m.eng.Store().Delayed(ctx, waitingLimit)
	if err != nil {
		return err
	}
	for q, d := range list {
		if t := runs[names[q.Type()]]; t != nil && t.Works(q.Phase()) && d.First != 0 {
			s.Delayed = append(s.Delayed, delayedJobs{Type: t.Name, Phase: q.Phase(), Jobs: d.Jobs, Next: d.Next.UTC(), Job: d.First})
		}
	}
	slices.SortFunc(s.Delayed, func(a, b delayedJobs) int { return cmp.Or(a.Next.Compare(b.Next), cmp.Compare(a.Job, b.Job)) })
	return nil
}

// backlog counts what waits, backfills and all; with --once only what its job
// waits for.
func (m *summarize) backlog(ctx context.Context) (map[engine.Queue]int, error) {
	list := map[engine.Queue]int{}
	add := func(q engine.Queue, n int) {
		q = engine.QueueOf(q.Type(), q.Phase())
		list[q] = min(list[q]+n, waitingLimit)
	}
	if len(m.opts.Once) > 0 {
		for q, n := range m.srv.Stranded() {
			add(q, int(min(n, waitingLimit)))
		}
		return list, nil
	}
	waits, err := m.eng.Store().Backlog(ctx, nil, waitingLimit)
	for q, n := range waits {
		add(q, n)
	}
	return list, err
}

// reason is why this process cannot run a type's phase.
func (m *summarize) reason(name string, phase engine.Phase, runs bool) string {
	t := m.scripts.of(name)
	switch {
	case t == nil && m.scripts.isBroken(name):
		return "its script does not load"
	case t == nil:
		return "no script of that name is here"
	case !runs && !t.Settings.RunsOn(m.opts.WithDefaults().Name):
		return "its script names other servers"
	case !runs:
		return "--types leaves it out"
	case !t.Works(phase):
		return "its script has no " + phase.String()
	}
	return "--phases leaves it out"
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
