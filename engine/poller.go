package engine

import (
	"context"
	"time"
)

// pollFirst is the pause between looks after something happened; it doubles
// while nothing does, up to ServerOptions.Poll.
const pollFirst = 20 * time.Millisecond

// poll looks, with one statement, which of the queues that found nothing have
// jobs now, and wakes their lanes. What this process itself makes due wakes
// them at once; this is for what others do.
func (s *Server) poll(ctx context.Context) {
	pause := pollFirst
	s.keepTrying(ctx, "look for jobs", s.wakePoll, func(ctx context.Context) (time.Duration, error) {
		var idle []Queue
		for _, q := range s.queues() {
			if s.lanes[q].idle.Load() {
				idle = append(idle, q)
			}
		}
		if len(idle) == 0 || s.suspended.Load() {
			return s.opts.Poll, errNotAsked
		}
		ready, err := s.eng.store.Ready(ctx, idle)
		if err != nil {
			return 0, err
		}
		s.wake(ready...)
		if len(ready) > 0 {
			pause = pollFirst
		} else {
			pause = min(2*pause, s.opts.Poll)
		}
		return pause, nil
	})
}
