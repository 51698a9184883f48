package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
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

// tellDrain has others see that this server stops, if it has jobs in hand: without
// that it is gone in a moment.
func (s *Server) tellDrain(ctx context.Context) {
	if s.quiet() {
		return
	}
	s.keepTrying(ctx, "tell that this server stops", nil, func(ctx context.Context) (time.Duration, error) {
		c, cancel := context.WithTimeout(ctx, s.opts.Lease/3)
		defer cancel()
		return -1, s.eng.store.DrainServer(c, s.id())
	})
}

// abandon gives back the jobs of hooks that do not end. The fence keeps such a
// hook from committing anything, should it end one day.
func (s *Server) abandon(ctx context.Context) {
	for _, c := range s.running.list() {
		if !s.running.remove(c) {
			continue // it has ended just now
		}
		j := c.job // what a checkpoint changes of it is the hook's, which goes on
		s.eng.log.Warn("a hook does not stop: its job is given back", "job", j.ID, "phase", j.Phase)
		s.tally.drained(j.ID)
		s.logs.note(j, c.attempt, s.stoppedWords()+fmt.Sprintf(", and %s did not stop when it was told to. It is left behind and can commit nothing any more; the job burns no attempt, and goes on, from its last checkpoint if it has one, on the next server that takes it", j.Phase))
		s.giveBack(ctx, j.Claim, []JobRef{j.JobRef})
	}
}

// cut gives back a job whose hook the end of the process has ended, and notes that
// in the job's log. One of which the lease has run out meanwhile is left to others.
func (s *Server) cut(ctx context.Context, j *ClaimedJob) {
	if !s.claims.known(j.Claim) {
		s.unleased(j)
		return
	}
	s.logs.note(j, j.Attempt(), s.cutWords(j, s.tally.drained(j.ID)))
	s.giveBack(ctx, j.Claim, []JobRef{j.JobRef})
}

// unwait gives back a job whose hook would wait for a database.
func (s *Server) unwait(ctx context.Context, j *ClaimedJob) {
	s.logs.note(j, j.Attempt(), s.stoppedWords()+fmt.Sprintf(", while %s waited for a database. It burns no attempt, and goes on, %s, on the next server that takes the job", j.Phase, whence(j)))
	s.giveBack(ctx, j.Claim, []JobRef{j.JobRef})
}

// stoppedWords says when the server was told to stop.
func (s *Server) stoppedWords() string {
	return fmt.Sprintf("server %s was stopped at %s", s.opts.Name, time.Unix(0, s.stopped.Load()).UTC().Format(time.DateTime+" UTC"))
}

// cutWords says why a hook ended before its end, and where its job goes on.
func (s *Server) cutWords(j *ClaimedJob, tooLate bool) string {
	stopped := s.stoppedWords()
	within := "within " + FormatDuration(s.opts.Drain)
	if s.opts.Drain < time.Millisecond {
		within = "at once"
	}
	p, err := parsePosition(j.Position)
	begun := j.Checkpoints > 0 || err == nil && p.begun()
	switch {
	case !tooLate:
		return stopped + fmt.Sprintf(": %s was ended at a checkpoint. It burns no attempt, and goes on from there on the next server that takes the job", j.Phase)
	case begun:
		return stopped + fmt.Sprintf(", and %s did not end %s: what it did since its last checkpoint is taken back. It burns no attempt, and goes on from that checkpoint on the next server that takes the job", j.Phase, within)
	}
	return stopped + fmt.Sprintf(", and %s did not end %s: what it did is taken back. It burns no attempt, and begins anew on the next server that takes the job", j.Phase, within)
}

// outOfLease notes jobs whose claim was forgotten: if that is because the lease may have
// run out, the database may have them in our name still.
func (s *Server) outOfLease(jobs ...JobRef) {
	if s.suspended.Load() {
		s.tally.kept(jobs)
	}
}

// end writes what is left when no hook runs any more. A database that is away keeps
// nobody: what cannot be written then is left to other servers.
func (s *Server) end(serve context.Context) error {
	patience := s.opts.Lease // after that others do it
	if s.away.on() {
		patience /= 3
	}
	closing, cancel := context.WithTimeout(serve, patience)
	defer cancel()
	folding, enough := context.WithTimeout(closing, patience/5) // others fold, too: what is only here comes after it
	s.foldAll(folding)
	enough()
	s.progress.flush(closing)
	s.logs.flush(closing)
	s.notices.flush(closing)
	reconciled := s.reconcile(closing)
	if mayPass(reconciled) {
		patience = s.opts.Lease / 3 // it was waited for already
	}
	stopping, done := context.WithTimeout(serve, patience)
	defer done()
	err := s.eng.store.StopServer(stopping, s.id())
	if err == nil {
		return nil // others take at once what is still in its claims
	}
	if serve.Err() == nil && (mayPass(reconciled) || isAway(err) && stopping.Err() == nil) {
		s.tally.cutOff()
		return Wrapf(CodeUnreachable, err, "the database could not be used when this server stopped")
	}
	if stopping.Err() != nil {
		s.eng.log.Warn("stop the server: others see that it has ended when its lease is over", "error", err)
		return nil
	}
	return err
}

// list are the hooks that run.
func (t *runTable) list() []*Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.calls))
}
