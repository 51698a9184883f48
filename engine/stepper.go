package engine

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Stepper works jobs one after the other, in the goroutine of its caller: what
// a Server does in many, in an order that is the same each time. It is for
// tests of job types, with a clock of their own. It belongs to one goroutine.
type Stepper struct {
	srv       *Server
	types     []TypeID
	scheduled bool
	killed    bool
	// Before is called before each hook runs, if it is given, and says what runs in
	// its place; an error of it ends the step.
	Before func(j *ClaimedJob, hook Hook) (Hook, error)
	// Died is called, if it is given, when a hook that Kill has killed is over: all
	// that its process had in its memory is to be forgotten. An error of it ends the step.
	Died func() error
}

// NewStepper registers the types and makes an incarnation that works their jobs.
// Of the options, Slots, Drain, Poll, Batch, UntilIdle and Once have no meaning here.
// Schedules are not known before Fire is first called.
func (e *Engine) NewStepper(ctx context.Context, o ServerOptions) (*Stepper, error) {
	o.UntilIdle, o.Once, o.Batch = false, nil, 1
	s, err := e.NewServer(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.incarnate(ctx); err != nil {
		return nil, err
	}
	return &Stepper{srv: s, types: slices.Sorted(maps.Keys(s.types))}, nil
}

// maxSteps bounds how many hooks run at one moment of the clock: jobs that make
// jobs for ever do not end.
const maxSteps = 1_000_000

// Fire fires the schedules that are due. next is when one is due again, the zero
// time if none is.
func (st *Stepper) Fire(ctx context.Context) (fired []Fired, next time.Time, err error) {
	s := st.srv
	if !st.scheduled {
		if err := s.saveSchedules(ctx, s.opts.Types); err != nil {
			return nil, next, err
		}
		st.scheduled = true
	}
	fired, wait, err := s.eng.store.Fire(ctx, st.types, decideTick)
	if err != nil || wait < 0 {
		return fired, next, err
	}
	now, err := s.eng.store.Now(ctx)
	return fired, now.Add(wait), err
}

// Work does all that is due now but schedules: it claims, runs hooks and, when none
// is left to run, adds up what items report, until nothing is left. next is when a job
// is due again, the zero time if none is. ctx ends it; so does an error of the
// database.
func (st *Stepper) Work(ctx context.Context) (next time.Time, err error) {
	if err := st.renew(ctx); err != nil {
		return next, err
	}
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return next, context.Cause(ctx)
		}
		if n > maxSteps {
			return next, Errorf(CodeInternal, "more than %d hooks ran at one moment: do jobs make jobs for ever?", maxSteps)
		}
		ran, err := st.Step(ctx)
		if err != nil {
			return next, err
		}
		if ran {
			continue
		}
		due, wait, err := st.duties(ctx)
		switch {
		case err != nil:
			return next, err
		case due: // it is worked before the end
			continue
		case wait < 0:
			return time.Time{}, nil
		}
		now, err := st.srv.eng.store.Now(ctx)
		return now.Add(wait), err
	}
}

// renew notes the database's time. The lease is not needed: nobody else is there.
func (st *Stepper) renew(ctx context.Context) error {
	now, err := st.srv.eng.store.Now(ctx)
	if err == nil {
		st.srv.renewed(st.srv.eng.clock.Boot(), now)
	}
	return err
}

// duties does what a server's duties do. due says that a job is due now; wait is how
// long until one is, negative if none is.
func (st *Stepper) duties(ctx context.Context) (due bool, wait time.Duration, err error) {
	s := st.srv
	if err := st.renew(ctx); err != nil {
		return false, 0, err
	}
	var made []Queue
	for more := true; more; {
		if made, wait, more, err = s.eng.store.Promote(ctx, maintenanceBatch); err != nil {
			return false, 0, err
		}
		due = due || len(made) > 0
	}
	for more := true; more; {
		if more, err = s.eng.store.Sweep(ctx, maintenanceBatch); err != nil {
			return false, 0, err
		}
	}
	for more := true; more; {
		var settled []Settled
		if made, settled, more, err = s.eng.store.Fold(ctx, maintenanceBatch); err != nil {
			return false, 0, err
		}
		s.tally.folded(settled)
		due = due || len(made) > 0
		more = more || len(settled) > 0 // they may have reported to emitters of their own
	}
	return due, wait, nil
}

// Step runs one hook, if a job is due: that of the smallest priority, then id, in
// the first queue that has one.
func (st *Stepper) Step(ctx context.Context) (ran bool, err error) {
	s := st.srv
	ready, err := s.eng.store.Ready(ctx, s.queues())
	if err != nil || len(ready) == 0 {
		return false, err
	}
	l := s.lanes[ready[0]]
	claims, err := s.eng.store.Claim(ctx, ClaimRequest{Server: s.id(), Queue: l.queue, Max: 1, Alone: 1, NewID: s.claims.newID})
	if err != nil {
		return false, err
	}
	for i := range claims {
		c := &claims[i]
		s.claims.taken(c.ID, c.Jobs)
		if err := s.eng.store.Load(ctx, l.queue, c); err != nil {
			return false, err
		}
		for k := range c.Jobs {
			if err := st.attempt(ctx, l, &c.Jobs[k]); err != nil {
				return false, err
			}
		}
	}
	s.done.flush(ctx)
	if err := s.logs.write(ctx); err != nil {
		return false, err
	}
	if st.killed {
		st.killed = false
		return true, st.recover()
	}
	if err := s.progress.write(ctx); err != nil {
		return false, err
	}
	return len(claims) > 0, s.notices.write(ctx)
}

// attempt runs a job's hook, or what Before says.
func (st *Stepper) attempt(ctx context.Context, l *lane, j *ClaimedJob) (err error) {
	if st.Before != nil {
		was := l.hook
		defer func() { l.hook = was }()
		if l.hook, err = st.Before(j, l.hookOf(j)); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { st.srv.running.stopCalls(context.Cause(ctx)) })()
	st.srv.attempt(ctx, l, j)
	return nil
}

// Kill does to the running hook what a crash of the process does: it ends as
// soon as it can, and nothing of it is written any more, the lines that it has
// logged and what it has sent since Save neither. It is called by what the hook
// itself calls. Its job is due again after Rescue.
func (st *Stepper) Kill() {
	st.killed = true
	st.srv.loseAll()
	st.srv.logs.drop()
}

// Save writes what the running hook has logged so far, and that it has sent
// notifications: what servers do within moments.
func (st *Stepper) Save(ctx context.Context) error {
	if err := st.srv.logs.write(ctx); err != nil {
		return err
	}
	return st.srv.notices.write(ctx)
}

// recover has a new process, which knows nothing of what the one that was killed had in
// its memory.
func (st *Stepper) recover() error {
	s := st.srv
	s.claims.clear()
	s.done, s.progress, s.notices = newCompleter(s), newProgressWriter(s), newNoticeKeeper(s)
	s.paramsOf.forget()
	if st.Died == nil {
		return nil
	}
	return st.Died()
}

// Rescue makes due again what hooks that were killed worked on, as servers do some time
// after another one was lost; it burns no attempt.
func (st *Stepper) Rescue(ctx context.Context) error {
	s := st.srv
	held, err := s.eng.store.OwnClaims(ctx, s.id())
	if err != nil {
		return err
	}
	for id, jobs := range held {
		if err := s.eng.store.Release(ctx, id, jobs); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the incarnation.
func (st *Stepper) Close(ctx context.Context) error {
	s := st.srv
	s.done.flush(ctx)
	s.logs.flush(ctx)
	s.progress.flush(ctx)
	s.notices.flush(ctx)
	return s.eng.store.StopServer(ctx, s.id())
}
