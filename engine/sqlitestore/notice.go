package sqlitestore

import (
	"context"

	"github.com/dsengine/dsengine/engine"
)

// TakeNotice takes a notice. A hook that holds the writer would wait for itself:
// for it only a look is taken, and the notice is written once it has been sent.
func (s *Store) TakeNotice(ctx context.Context, n engine.Notice, writes bool) (bool, error) {
	if !writes {
		return s.Store.TakeNotice(ctx, n, writes)
	}
	counts, err := s.NoticeCounts(ctx, n)
	return !counts && err == nil, err
}
