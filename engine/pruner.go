package engine

import (
	"context"
	"time"
)

// pruneEvery is how often history is looked through when nothing is to prune.
const pruneEvery = time.Minute

// prune deletes what is older than its type keeps it, in small batches.
func (s *Server) prune(ctx context.Context) {
	first := true
	s.keepTrying(ctx, "prune history", nil, func(ctx context.Context) (time.Duration, error) {
		if first { // not while a process that may soon end begins
			first = false
			return pruneEvery / 6, nil
		}
		types, err := s.eng.store.Types(ctx)
		if err != nil {
			return 0, err
		}
		more := false
		for _, t := range types {
			keep := t.Keep
			if mine := s.types[t.ID]; mine != nil {
				keep = mine.Settings.Keep
			}
			if len(keep) == 0 {
				continue
			}
			_, left, err := s.eng.store.Prune(ctx, t.ID, keep, maintenanceBatch)
			if err != nil {
				return 0, err
			}
			more = more || left
		}
		if err := s.eng.store.PruneRest(ctx, maintenanceBatch); err != nil {
			return 0, err
		}
		if more {
			return 50 * time.Millisecond, nil
		}
		return pruneEvery, nil
	})
}
