package engine

import (
	"context"
	"time"
)

// pollFirst is the pause between looks after something happened; it doubles
// while nothing does, up to ServerOptions.Poll. That a queue still has what its lane
// did not get is nothing: a caller's transaction may hold it.
const pollFirst = 20 * time.Millisecond

// poll looks, with one statement, which of the queues that found nothing have
// jobs now, and wakes their lanes. What this process itself makes due wakes
// them at once; this is for what others do.
func (s *Server) poll(ctx context.Context) {
	pause := pollFirst
	woken := map[Queue]int64{} // lanes that were woken by the last look, and their claims then
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
		pause = min(2*pause, s.opts.Poll)
		before := woken
		woken = map[Queue]int64{}
		for _, q := range ready {
			woken[q] = s.lanes[q].claims.Load()
			if n, ok := before[q]; !ok || n != woken[q] {
				pause = pollFirst
			}
		}
		s.wake(ready...)
		return pause, nil
	})
}
