package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// A lease is renewed three times in its length. The process stops its hooks a
// fifth of a lease before the last renewal that succeeded, counted from when
// it was sent, can have run out.

// leaseClock is when the last renewal that succeeded was sent, by Clock.Boot.
type leaseClock struct{ sent atomic.Int64 }

func (s *Server) renewed(sent time.Duration, now time.Time) {
	s.lease.sent.Store(int64(sent))
	s.offset.Store(int64(now.Sub(s.eng.clock.Now())))
	s.away.answers(s.eng.clock.Boot())
	if s.suspended.Swap(false) {
		level := slog.LevelInfo
		if s.away.on() {
			level = slog.LevelDebug // it is told that the database can be used again
		}
		s.eng.log.Log(context.Background(), level, "the lease is renewed: claiming again")
		s.wakeAll()
	}
}

// heartbeat renews the lease, and does nothing else. gone is told that the database is
// not there any more: nothing that is waited for.
func (s *Server) heartbeat(ctx context.Context, gone context.CancelCauseFunc) {
	s.keepTrying(ctx, "renew the lease", nil, func(ctx context.Context) (time.Duration, error) {
		sent := s.eng.clock.Boot()
		c, cancel := context.WithTimeout(ctx, s.opts.Lease/3)
		alive, now, err := s.eng.store.Beat(c, s.id(), s.opts.Lease)
		if err != nil && c.Err() != nil {
			err = Wrapf(CodeUnreachable, err, "the database did not answer in %s", FormatDuration(s.opts.Lease/3))
		}
		cancel()
		if CodeOf(err) == CodeEmpty {
			gone(err)
		}
		if err != nil {
			return 0, err
		}
		if !alive {
			s.eng.log.Warn("this server was declared dead, since its lease was not renewed in time: others have its jobs now, and it starts anew", "incarnation", s.id())
			s.lapsed.Store(int64(s.eng.clock.Boot()))
			s.loseAll()
			if err := s.incarnate(ctx); err != nil {
				return 0, err
			}
			return s.opts.Lease / 3, nil
		}
		s.renewed(sent, now)
		return s.opts.Lease / 3, nil
	})
}

// compareClaims looks for claims in our name that we do not know, apart from
// the heartbeat: it may have to wait for a lock.
func (s *Server) compareClaims(ctx context.Context) {
	s.keepTrying(ctx, "compare claims", nil, func(ctx context.Context) (time.Duration, error) {
		if err := s.reconcile(ctx); err != nil {
			return 0, err
		}
		return s.opts.Lease / 3, nil
	})
}

// watchLease stops all hooks when the lease may end before it is renewed.
func (s *Server) watchLease(ctx context.Context) {
	for {
		end := time.Duration(s.lease.sent.Load()) + s.opts.Lease - s.opts.Lease/5
		if left := end - s.eng.clock.Boot(); left > 0 {
			// Not longer at once: a timer stands still while the machine sleeps.
			if !sleep(ctx, s.eng.clock, min(left, s.opts.Lease/20)) {
				return
			}
			continue
		}
		if !s.suspended.Swap(true) {
			level := slog.LevelWarn
			s.lapsed.Store(int64(s.eng.clock.Boot()))
			n := s.loseAll()
			if n == 0 && s.away.on() {
				level = slog.LevelDebug // nothing is stopped by that
			}
			s.eng.log.Log(ctx, level, "the lease could not be renewed in time: running hooks are stopped, and their jobs run again without burning an attempt", "hooks", n)
		}
		if !sleep(ctx, s.eng.clock, s.opts.Lease/20) {
			return
		}
	}
}

// loseAll stops every hook and forgets every claim. If the database still has
// them in our name they are given back as strangers, else others have them.
func (s *Server) loseAll() int {
	s.claims.clear()
	n := s.running.stopAll(ErrLost)
	for _, l := range s.lanes {
		l.empty()
	}
	return n
}

// reconcile gives back what the database holds in our name and we do not know: of
// answers that were lost, of hooks that had to stop, or given back in vain. An error says
// that some may be left, apart from those whose rows others hold.
func (s *Server) reconcile(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Lease)
	defer cancel()
	held, err := s.eng.store.OwnClaims(ctx, s.id())
	if err != nil {
		return err
	}
	var failed error
	var kept []JobRef
	for id, jobs := range held {
		if jobs = s.claims.strangers(id, jobs); len(jobs) == 0 {
			continue
		}
		back, left, err := s.release(ctx, id, jobs)
		kept = append(kept, left...)
		if err != nil {
			failed = err // the others are not to wait for it
			if ctx.Err() != nil {
				return Wrapf(CodeRetry, err, "give back a claim")
			}
		}
		if len(back) > 0 {
			s.eng.log.Debug("gave back jobs of ours that we did not know", "jobs", len(back))
			s.wakeAll()
		}
	}
	if failed == nil {
		s.tally.nothingKept()
		s.tally.kept(kept)
	}
	return failed
}

// readSignals stops the hooks of jobs that a person cancelled.
func (s *Server) readSignals(ctx context.Context) {
	var mark int64
	s.keepTrying(ctx, "read signals", nil, func(ctx context.Context) (time.Duration, error) {
		jobs, next, err := s.eng.store.Signals(ctx, mark)
		if err != nil {
			return 0, err
		}
		mark = next
		for _, ref := range jobs {
			s.running.cancel(ref)
		}
		return s.opts.Poll, nil
	})
}

// wakeAll has every lane look for jobs.
func (s *Server) wakeAll() {
	for _, l := range s.lanes {
		poke(l.wakeUp)
	}
}
