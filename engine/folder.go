package engine

import (
	"context"
	"time"
)

// fold adds up what settled items report to their parents, so that the last
// one makes its parent go on. Every server does it; none must.
func (s *Server) fold(ctx context.Context) {
	s.keepTrying(ctx, "add up settled items", s.wakeFold, func(ctx context.Context) (time.Duration, error) {
		queues, settled, more, err := s.eng.store.Fold(ctx, maintenanceBatch)
		if err != nil {
			return 0, err
		}
		s.wake(queues...)
		if len(settled) > 0 {
			s.tally.folded(settled)
			poke(s.wakeTick)
		}
		if more || len(settled) > 0 { // these may have reported to emitters of their own
			return 0, nil
		}
		return s.opts.Poll, nil
	})
}

// foldAll adds up what is there, at the end of a process's life.
func (s *Server) foldAll(ctx context.Context) {
	for {
		_, settled, more, err := s.eng.store.Fold(ctx, maintenanceBatch)
		if err != nil {
			return // another server does it
		}
		s.tally.folded(settled)
		if !more && len(settled) == 0 { // they report to emitters of their own
			return
		}
	}
}

// sweep carries on cancelling the items of jobs that were cancelled.
func (s *Server) sweep(ctx context.Context) {
	s.keepTrying(ctx, "cancel items", nil, func(ctx context.Context) (time.Duration, error) {
		more, err := s.eng.store.Sweep(ctx, maintenanceBatch)
		if err != nil {
			return 0, err
		}
		if more {
			return 0, nil
		}
		return s.opts.Poll, nil
	})
}
