package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// solo lets hooks run beside each other, but for those that must run alone.
type solo struct {
	door chan struct{} // who enters has it, and who runs alone keeps it
	runs atomic.Int64  // hooks beside each other
	left chan struct{} // one of them has ended
}

func newSolo() *solo {
	return &solo{door: make(chan struct{}, 1), left: make(chan struct{}, 1)}
}

// enter waits until a hook may begin: alone when no other runs, and then none begins
// before leave is called. It gives nil once ctx has ended.
func (s *solo) enter(ctx context.Context, alone bool) (leave func()) {
	select {
	case s.door <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	open := func() { <-s.door }
	if !alone {
		s.runs.Add(1)
		open()
		return func() {
			s.runs.Add(-1)
			poke(s.left)
		}
	}
	for s.runs.Load() > 0 {
		select {
		case <-s.left:
		case <-ctx.Done():
			open()
			return nil
		}
	}
	return open
}

// admit waits until the job's hook may run, and gives what to call once it has ended;
// nil if it is not to run. Where a process was lost so often with a job that one more loss
// has the attempt fail, the hook runs alone, and that is noted first: a process that is
// lost before or without that may have been killed by another job.
func (s *Server) admit(ctx context.Context, l *lane, j *ClaimedJob) (end func()) {
	alone := j.Losses >= MaxLosses-1
	if alone {
		s.eng.log.Warn("the process was lost often in a row with this job: it runs alone, once the hooks that run here have ended, and no other begins before", "job", j.ID, "type", l.typ.Name, "losses", MaxLosses-1)
	}
	end = s.solo.enter(ctx, alone)
	if !s.mayRun(ctx, j, alone) && end != nil {
		end()
		return nil
	}
	return end
}

// mayRun says whether a job that waited is still ours, and to be run. It notes that it
// runs alone.
func (s *Server) mayRun(ctx context.Context, j *ClaimedJob, alone bool) bool {
	if !s.claims.known(j.Claim) { // the incarnation that claimed it is gone
		s.outOfLease(j.JobRef)
		return false
	}
	if ctx.Err() == nil && alone {
		ours, err := s.eng.store.RunAlone(ctx, j.JobRef)
		switch {
		case err != nil:
			s.log(slog.LevelWarn, "note that a job runs alone", err, "job", j.ID)
			sleep(ctx, s.eng.clock, time.Second)
		case !ours:
			s.lost(j)
			return false
		default:
			j.Losses = MaxLosses
			return true
		}
	} else if ctx.Err() == nil {
		return true
	}
	s.giveBack(context.WithoutCancel(ctx), j.Claim, []JobRef{j.JobRef})
	return false
}
