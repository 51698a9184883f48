package engine

import (
	"context"
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
	for {
		d.mu.Lock()
		empty, shut := len(d.batch)+len(d.gone) == 0, d.shut
		d.mu.Unlock()
		if empty && shut {
			return
		}
		if empty {
			wait(ctx, clock, -1, d.more)
			continue
		}
		if !shut {
			wait(ctx, clock, linger, d.full)
		}
		d.flush(ctx)
	}
}

// flush commits what is there. It tries again until it can, or until the lease
// has run out: then others have the jobs.
func (d *completer) flush(ctx context.Context) {
	s := d.srv
	d.mu.Lock()
	n := min(len(d.batch), s.opts.Batch)
	batch, gone := d.batch[:n:n], d.gone
	d.batch, d.gone = append([]Outcome(nil), d.batch[n:]...), nil
	d.mu.Unlock()
	if n+len(gone) == 0 {
		return
	}

	ctx, cancel := s.whileOurs(ctx)
	defer cancel()
	count := map[ClaimID]int{}
	for i := range batch {
		count[batch[i].Job.Claim]++
	}
	for id, n := range count {
		if s.claims.rest(id, n) {
			gone = append(gone, id)
		} else {
			delete(count, id)
		}
	}
	for i := range batch {
		if count[batch[i].Job.Claim] > 0 {
			batch[i].LastOf = &batch[i].Job.Claim
		}
	}
	d.commit(ctx, batch, gone)
}

// maxSettles is how often a batch is tried before it is halved.
const maxSettles = 6

// commit settles a batch. A fault that is not the database's own (a job whose
// outcome cannot be written) is found by halving, and that job is given back.
func (d *completer) commit(ctx context.Context, batch []Outcome, gone []ClaimID) {
	s := d.srv
	pause := 10 * time.Millisecond
	for try := 1; ; try++ {
		lost, err := s.eng.store.Settle(ctx, batch, gone)
		if err == nil {
			d.settled(batch, lost)
			return
		}
		if ctx.Err() != nil {
			s.eng.log.Warn("complete jobs: the lease ran out before the database answered", "jobs", len(batch))
			for i := range batch {
				s.lost(batch[i].Job)
			}
			return
		}
		s.eng.log.Warn("complete jobs", "jobs", len(batch), "error", err)
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
			s.giveBack(ctx, batch[0].Job.Claim, []JobRef{batch[0].Job.JobRef})
		default:
			d.commit(ctx, batch[:n/2], nil)
			d.commit(ctx, batch[n/2:], nil)
		}
		return
	}
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
