package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// linger is how long a plain completion may wait for company.
const linger = 5 * time.Millisecond

// completer gathers the outcomes of plain jobs, those that wrote nothing, and
// commits them many at a time. It also drops claims that are done with.
type completer struct {
	srv *Server

	mu    sync.Mutex
	batch []Outcome
	spare []Outcome // an array to use again: one of a thousand outcomes is large
	held  []Outcome // whose rows other transactions hold
	gone  []ClaimID
	shut  bool
	more  chan struct{} // something is there
	full  chan struct{} // enough is there
}

func newCompleter(s *Server) *completer {
	return &completer{srv: s, more: make(chan struct{}, 1), full: make(chan struct{}, 1)}
}

// add takes an outcome. last says that no other is to be expected soon.
func (d *completer) add(o Outcome, last bool) {
	d.mu.Lock()
	d.batch = append(d.batch, o)
	n := len(d.batch)
	d.mu.Unlock()
	if n == 1 {
		poke(d.more)
	}
	if last || n >= d.srv.opts.Batch {
		poke(d.full)
	}
}

// behind says that so much waits to be committed that no more is to be claimed.
func (d *completer) behind() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.batch)+len(d.held) > 2*d.srv.opts.Batch
}

// drop has claims deleted of which nothing is left.
func (d *completer) drop(ids []ClaimID) {
	d.mu.Lock()
	d.gone = append(d.gone, ids...)
	d.mu.Unlock()
	poke(d.more)
}

// close has run return when all is committed.
func (d *completer) close() {
	d.mu.Lock()
	d.shut = true
	d.mu.Unlock()
	poke(d.more)
	poke(d.full)
}

// run commits until close.
func (d *completer) run(ctx context.Context) {
	clock := d.srv.eng.clock
	var again sync.WaitGroup
	waited := false
	for {
		d.mu.Lock()
		empty, shut := len(d.batch)+len(d.gone) == 0, d.shut
		d.mu.Unlock()
		if empty && shut {
			if waited {
				return
			}
			again.Wait() // it may leave claims to drop
			waited = true
			continue
		}
		if empty {
			wait(ctx, clock, -1, d.more)
			continue
		}
		if !shut {
			wait(ctx, clock, linger, d.full)
		}
		if d.flush(ctx) {
			again.Go(func() { d.tryHeld(ctx) })
		}
	}
}

// flush commits what is there. It tries again until it can, or until the lease
// has run out: then others have the jobs. held says that outcomes whose rows others
// hold have to be tried from now on.
func (d *completer) flush(ctx context.Context) (held bool) {
	s := d.srv
	d.mu.Lock()
	n := min(len(d.batch), s.opts.Batch)
	batch, gone := d.batch[:n:n], d.gone
	d.batch, d.gone, d.spare = append(d.spare, d.batch[n:]...), nil, nil
	d.mu.Unlock()
	if n+len(gone) == 0 {
		return false
	}
	defer func() {
		clear(batch)
		d.mu.Lock()
		d.spare = batch[:0]
		d.mu.Unlock()
	}()

	ctx, cancel := s.whileOurs(ctx)
	defer cancel()
	last := map[ClaimID][]JobID{}
	for i := range batch {
		j := batch[i].Job
		last[j.Claim] = append(last[j.Claim], j.ID)
	}
	for id, jobs := range last {
		if s.claims.rest(id, jobs...) {
			gone = append(gone, id)
		} else {
			delete(last, id)
		}
	}
	for i := range batch {
		if last[batch[i].Job.Claim] != nil {
			batch[i].LastOf = &batch[i].Job.Claim
		}
	}
	return d.commit(ctx, batch, gone)
}

// maxSettles is how often a batch is tried before it is halved.
const maxSettles = 6

// commit settles a batch. A fault that is not the database's own (a job whose
// outcome cannot be written) is found by halving.
func (d *completer) commit(ctx context.Context, batch []Outcome, gone []ClaimID) (held bool) {
	s := d.srv
	pause := 10 * time.Millisecond
	began := s.eng.clock.Boot()
	var duty *trouble // once it has failed: then the outage lasts until it works, or is given up
	defer func() {
		if duty != nil {
			s.usable(duty, false)
		}
	}()
	for try := 1; ; try++ {
		lost, err := s.eng.store.Settle(ctx, batch, gone)
		if err == nil {
			d.settled(batch, lost)
			if duty != nil {
				s.usable(duty, true)
			}
			return false
		}
		var locked *LockedError
		if errors.As(err, &locked) {
			batch, left := divideHeld(batch, locked.Jobs)
			d.settled(batch, lost)
			return d.hold(left)
		}
		if ctx.Err() != nil {
			d.tooLate(batch)
			return false
		}
		if mayPass(err) {
			if duty == nil {
				duty = new(trouble)
			}
			s.waitOut(duty, "complete jobs", began, err, "jobs", len(batch))
		} else {
			s.log(slog.LevelWarn, "complete jobs", err, "jobs", len(batch))
		}
		switch CodeOf(err) {
		case CodeRetry, CodeUnreachable, CodeUnknown:
			sleep(ctx, s.eng.clock, pause)
			pause = min(2*pause, time.Second)
			if try < maxSettles || len(batch) < 2 || CodeOf(err) == CodeUnreachable {
				continue
			}
			// Perhaps it is the batch that breaks the connection.
		}
		for i := range batch {
			batch[i].LastOf = nil // claims are dropped apart now
		}
		switch n := len(batch); n {
		case 0:
			s.claims.forget(gone...)
		case 1:
			d.refused(ctx, batch[0].Job, err)
		default:
			first := d.commit(ctx, batch[:n/2], nil)
			second := d.commit(ctx, batch[n/2:], nil)
			return first || second
		}
		return false
	}
}

// tooLate gives up jobs that were done, and could not be completed before the lease
// ran out: others run them again.
func (d *completer) tooLate(batch []Outcome) {
	if len(batch) == 0 {
		return
	}
	d.srv.eng.log.Warn("complete jobs: the lease ran out before the database answered, so jobs that were done run again; nothing of them was kept", "jobs", len(batch))
	for i := range batch {
		d.srv.unleased(batch[i].Job)
	}
}

// refused ends the attempt of a job that is done, and whose outcome the database does not
// take: run again at once, it would come to the same, for ever. One that cannot be
// failed either, or for no reason of its own, is given back.
func (d *completer) refused(ctx context.Context, j *ClaimedJob, why error) {
	s := d.srv
	if t := s.types[j.Type]; t != nil && CodeOf(why) == CodeInternal {
		o := &Outcome{Job: j, Server: s.id(), Verdict: j.Verdict}
		failure(o, t.record().Hooks, t.Settings.Retry, &Failure{Kind: KindError, Code: "internal", Retryable: true,
			Message: s.eng.secrets.Strike("it ended well, and the database refuses what is to be written about that: " + why.Error())})
		o.bound()
		if s.claims.rest(j.Claim, j.ID) {
			o.LastOf = &j.Claim
		}
		err := s.eng.store.Commit(ctx, nil, o)
		if err == nil {
			s.settled([]Outcome{*o})
			return
		}
		s.log(slog.LevelWarn, "fail a job that cannot be completed", err, "job", j.ID)
	}
	s.giveBack(ctx, j.Claim, []JobRef{j.JobRef})
}

// divideHeld parts a batch from the outcomes of the jobs. Claims of these are not
// dropped yet: whoever settles their last job does it.
func divideHeld(batch []Outcome, jobs []JobID) (rest, left []Outcome) {
	is, of := map[JobID]bool{}, map[ClaimID]bool{}
	for _, id := range jobs {
		is[id] = true
	}
	for i := range batch {
		if is[batch[i].Job.ID] {
			of[batch[i].Job.Claim] = true
		}
	}
	for _, o := range batch {
		if of[o.Job.Claim] {
			o.LastOf = nil
		}
		if is[o.Job.ID] {
			left = append(left, o)
		} else {
			rest = append(rest, o)
		}
	}
	return rest, left
}

// hold keeps outcomes whose rows other transactions hold, and says that they were
// the first ones.
func (d *completer) hold(left []Outcome) (first bool) {
	if len(left) == 0 {
		return false
	}
	j := left[0].Job
	about := []any{"jobs", len(left), "job", j.ID}
	if j.Key != "" {
		about = append(about, "key", j.Key)
	}
	d.srv.eng.log.Warn("jobs that are done cannot be completed yet: another transaction holds their rows, or their keys; a program has enqueued one and not committed", about...)
	d.mu.Lock()
	defer d.mu.Unlock()
	first = len(d.held) == 0
	d.held = append(d.held, left...)
	return first
}

// How long outcomes wait whose rows others hold, before they are tried again, and
// how often it is tried at the end of the process.
const (
	heldFirst = 250 * time.Millisecond
	heldMost  = 10 * time.Second
	heldLast  = 5
	heldTell  = time.Minute
)

// tryHeld commits the outcomes whose rows others hold, until there are none. When
// the process is to end, what is held still is given back, and its jobs run again.
func (d *completer) tryHeld(ctx context.Context) {
	s := d.srv
	pause, began, last := heldFirst, s.eng.clock.Boot(), 0
	told := began
	for {
		d.mu.Lock()
		shut := d.shut
		d.mu.Unlock()
		if shut {
			last++
			pause = heldFirst
		}
		sleep(ctx, s.eng.clock, pause)
		d.mu.Lock()
		batch := d.held
		d.mu.Unlock()
		left, inTime := d.settleHeld(ctx, batch)
		if last > heldLast && len(left) > 0 {
			s.eng.log.Warn("jobs that are done are given back, because another transaction holds their rows or keys still: they run again", "jobs", len(left), "job", left[0].Job.ID)
			for i := range left {
				s.giveBack(ctx, left[i].Job.Claim, []JobRef{left[i].Job.JobRef})
			}
			d.mu.Lock()
			d.held = nil // nothing is added any more: the batch is empty
			d.mu.Unlock()
			return
		}
		d.mu.Lock()
		d.held = append(left, d.held[len(batch):]...)
		n := len(d.held)
		d.mu.Unlock()
		switch now := s.eng.clock.Boot(); {
		case n == 0 && !inTime: // that is told
			return
		case n == 0:
			s.eng.log.Info("the jobs whose rows another transaction held are completed", "after", FormatDuration((now - began).Round(time.Second)))
			return
		case len(left) < len(batch):
			pause = heldFirst
		default:
			pause = min(2*pause, heldMost)
			if now-told >= heldTell {
				told = now
				s.eng.log.Warn("another transaction still holds rows or keys of jobs that are done", "jobs", n, "job", left[0].Job.ID, "key", left[0].Job.Key, "for", FormatDuration((now - began).Round(time.Second)))
			}
		}
	}
}

// settleHeld tries outcomes again and gives those that are left. inTime is false if
// the lease ran out before: none is left then.
func (d *completer) settleHeld(ctx context.Context, batch []Outcome) (left []Outcome, inTime bool) {
	s := d.srv
	ours, cancel := s.whileOurs(ctx)
	defer cancel()
	lost, err := s.eng.store.Settle(ours, batch, nil)
	var locked *LockedError
	switch {
	case err == nil:
		d.settled(batch, lost)
	case errors.As(err, &locked):
		batch, left = divideHeld(batch, locked.Jobs)
		d.settled(batch, lost)
	case ours.Err() != nil:
		d.tooLate(batch)
		return nil, false
	default:
		s.eng.log.Warn("complete jobs", "jobs", len(batch), "error", err)
		left = batch
	}
	return left, true
}

// settled tells what was committed; lost names the jobs that were not ours.
func (d *completer) settled(batch []Outcome, lost []JobID) {
	if len(lost) > 0 {
		isLost := make(map[JobID]bool, len(lost))
		for _, id := range lost {
			isLost[id] = true
		}
		kept := make([]Outcome, 0, len(batch))
		for i := range batch {
			if isLost[batch[i].Job.ID] {
				d.srv.lost(batch[i].Job)
			} else {
				kept = append(kept, batch[i])
			}
		}
		batch = kept
	}
	d.srv.settled(batch)
}
