package engine

import (
	"context"
	"time"
)

// watchIdle ends the server when there is nothing left to do: with UntilIdle
// when no job that it could run waits, is delayed, runs or is open; with Once
// when the given jobs are final.
func (s *Server) watchIdle(ctx context.Context, end func()) {
	if len(s.opts.Once) == 0 {
		select {
		case <-s.firedOnce:
		case <-ctx.Done():
			return
		}
	}
	pause := 5 * time.Millisecond
	left := s.opts.Once
	s.keepTrying(ctx, "look whether anything is left", nil, func(ctx context.Context) (time.Duration, error) {
		pause = min(2*pause, 250*time.Millisecond)
		if len(s.opts.Once) > 0 {
			for len(left) > 0 {
				j, err := s.eng.store.Job(ctx, left[0])
				if err != nil {
					return 0, err
				}
				if !j.Status.Final() {
					return pause, nil
				}
				left = left[1:]
			}
			end()
			return -1, nil
		}
		before := s.claimsMade()
		for _, l := range s.lanes {
			if !l.quiet() {
				pause = 5 * time.Millisecond
				return pause, nil
			}
		}
		pending, err := s.eng.store.Pending(ctx, s.queues())
		if err != nil || pending {
			return pause, err
		}
		// A job that was claimed meanwhile, and is delayed again, was in none of the
		// places at the moment when they were looked at.
		if s.claimsMade() != before {
			return 0, nil
		}
		end()
		return -1, nil
	})
}

// claimsMade counts the claims that found jobs.
func (s *Server) claimsMade() (n int64) {
	for _, l := range s.lanes {
		n += l.claims.Load()
	}
	return n
}
