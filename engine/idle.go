package engine

import (
	"context"
	"maps"
	"slices"
	"time"
)

// watchIdle ends the server when there is nothing left to do: with UntilIdle
// when no job that it could run waits, is delayed, runs or is open; with Once
// when the given jobs are final. What waits for queues that nobody works is
// not waited for.
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
	look := func(ctx context.Context) (time.Duration, error) {
		pause = min(2*pause, 250*time.Millisecond)
		for len(left) > 0 {
			j, err := s.eng.store.Job(ctx, left[0])
			if err != nil {
				return 0, err
			}
			if !j.Status.Final() {
				rest, err := s.nobodyRuns(ctx, left[0], nil)
				if err != nil || len(rest) == 0 {
					return pause, err
				}
				s.strand(rest)
			}
			left = left[1:]
		}
		if len(s.opts.Once) > 0 {
			end()
			return -1, nil
		}
		before := s.claimsMade()
		if !s.quiet() {
			pause = 5 * time.Millisecond
			return pause, errNotAsked
		}
		pending, err := s.eng.store.Pending(ctx, s.queues())
		if err != nil || pending {
			return pause, err
		}
		if waits, err := s.waitsForItems(ctx); err != nil || waits {
			return pause, err
		}
		// One that was open may have become due meanwhile.
		if pending, err = s.eng.store.Pending(ctx, s.queues()); err != nil || pending {
			return pause, err
		}
		// A job that was claimed meanwhile, and is delayed again, was in none of the
		// places at the moment when they were looked at.
		if s.claimsMade() != before {
			return 0, nil
		}
		end()
		return -1, nil
	}
	s.keepTrying(ctx, "look whether anything is left", nil, func(ctx context.Context) (time.Duration, error) {
		began := s.eng.clock.Boot()
		wait, err := look(ctx)
		if wait > 0 { // a chain of many open jobs takes long to look through
			wait = max(wait, 4*(s.eng.clock.Boot()-began))
		}
		return wait, err
	})
}

// claimsMade counts the claims that found jobs.
func (s *Server) claimsMade() (n int64) {
	for _, l := range s.lanes {
		n += l.claims.Load()
	}
	return n
}

// quiet says that no lane has anything in hand.
func (s *Server) quiet() bool {
	for _, l := range s.lanes {
		if !l.quiet() {
			return false
		}
	}
	return true
}

// waitsForItems says whether a job of ours is open whose items somebody works.
func (s *Server) waitsForItems(ctx context.Context) (bool, error) {
	const page = 100
	types := slices.Collect(maps.Keys(s.types))
	walked := map[JobID]bool{} // what they wait for, others above them wait for too
	for after := JobID(0); ; {
		ids, err := s.eng.store.Open(ctx, types, after, page)
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			after = id
			if walked[id] {
				continue
			}
			if rest, err := s.nobodyRuns(ctx, id, walked); err != nil || len(rest) == 0 {
				return err == nil, err
			}
		}
		if len(ids) < page {
			return false, nil
		}
	}
}

// nobodyRuns says what a job waits for if it cannot go on: all of it is in
// queues that neither this process nor another one works. Queues of ours that
// were not worked so far are from now on. walked is as Rest takes it.
func (s *Server) nobodyRuns(ctx context.Context, id JobID, walked map[JobID]bool) (map[Queue]Rest, error) {
	if !s.quiet() {
		return nil, nil
	}
	rest, err := s.eng.store.Rest(ctx, id, walked)
	if err != nil || len(rest) == 0 {
		return nil, err
	}
	for q, r := range rest {
		if s.lanes[q] != nil {
			s.openLane(q.Type())
			return nil, nil
		}
		if r.Running > 0 {
			return nil, nil
		}
	}
	names, err := s.eng.store.Types(ctx)
	if err != nil {
		return nil, err
	}
	servers, err := s.eng.store.Servers(ctx, false)
	if err != nil {
		return nil, err
	}
	for _, t := range names {
		for q := range rest {
			runs := func(r ServerRow) bool { return r.ID != s.id() && r.Lives() && r.Runs(t.Name, q.Phase()) }
			if t.ID == q.Type() && slices.ContainsFunc(servers, runs) {
				return nil, nil
			}
		}
	}
	return rest, nil
}

// strand notes what is not waited for any more.
func (s *Server) strand(rest map[Queue]Rest) {
	s.strandedMu.Lock()
	defer s.strandedMu.Unlock()
	if s.stranded == nil {
		s.stranded = map[Queue]int64{}
	}
	for q, r := range rest {
		s.stranded[q] += r.Waiting
	}
}

// Stranded says what the jobs of Once wait for and no process runs, by queue.
// It is empty unless Run has ended because of that.
func (s *Server) Stranded() map[Queue]int64 {
	s.strandedMu.Lock()
	defer s.strandedMu.Unlock()
	return maps.Clone(s.stranded)
}
