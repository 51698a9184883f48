package engine

import (
	"context"
	"sync"
	"time"
)

// drainGrace is how long hooks that were told to stop may take to do so. A hook
// that no cancellation reaches, in a long calculation say, is left behind then.
const drainGrace = 5 * time.Second

// awaitHooks tells whether all hooks ended: they may go on for as long as Drain
// says, from now on, and are told to stop then, which they have drainGrace for.
// New ones may begin while fetching goes on.
func (s *Server) awaitHooks(fetching, working *sync.WaitGroup, stop func()) <-chan bool {
	all, over, ended := make(chan struct{}), make(chan struct{}), make(chan bool, 1)
	late := s.eng.clock.After(s.opts.Drain, stop)
	tooLate := s.eng.clock.After(s.opts.Drain+drainGrace, func() { close(over) })
	go func() {
		fetching.Wait()
		working.Wait()
		close(all)
	}()
	go func() {
		select {
		case <-all:
			ended <- true
		case <-over:
			ended <- false
		}
		late.Stop()
		tooLate.Stop()
	}()
	return ended
}

// abandon gives back the jobs of hooks that do not end. The fence keeps such a
// hook from committing anything, should it end one day.
func (s *Server) abandon(ctx context.Context) {
	for _, j := range s.running.jobs() {
		s.eng.log.Warn("a hook does not stop: its job is given back", "job", j.ID, "phase", j.Phase)
		s.tally.drained(j.ID)
		s.giveBack(ctx, j.Claim, []JobRef{j.JobRef})
	}
}

// jobs are those whose hooks run.
func (t *runTable) jobs() []*ClaimedJob {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*ClaimedJob, 0, len(t.calls))
	for _, c := range t.calls {
		list = append(list, c.job)
	}
	return list
}
