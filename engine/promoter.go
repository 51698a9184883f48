package engine

import (
	"context"
	"time"
)

// maintenanceBatch is how many rows a duty moves in one transaction.
const maintenanceBatch = 500

// promote makes delayed jobs ready when their time has come.
func (s *Server) promote(ctx context.Context) {
	s.keepTrying(ctx, "make delayed jobs ready", s.wakePromote, func(ctx context.Context) (time.Duration, error) {
		queues, next, more, err := s.eng.store.Promote(ctx, maintenanceBatch)
		if err != nil {
			return 0, err
		}
		s.wake(queues...)
		if more {
			return 0, nil
		}
		return s.pause(next), nil
	})
}

// pause is how long a duty waits when it is due again after next (negative:
// unknown): never longer than Poll, because others make work too.
func (s *Server) pause(next time.Duration) time.Duration {
	if next < 0 || next > s.opts.Poll {
		return s.opts.Poll
	}
	return max(next, time.Millisecond)
}
