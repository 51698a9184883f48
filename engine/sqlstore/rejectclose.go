package sqlstore

import (
	"context"
	"fmt"
)

// CloseRejects closes rejects that are open. No job redrives them then: one that
// failed to, and is retried, does not find them either.
//
// Locks: those of openRejects.
func (s *Store) CloseRejects(ctx context.Context, ids []int64) (int, error) {
	return s.closeOrReopen(ctx, "close rejects", ids, (*Tx).openRejects, unsettled, fmt.Sprintf("redriven = %d, redrive = 0", settledClosed))
}

// ReopenRejects makes rejects open again that were closed.
//
// Locks: rejects ascending.
func (s *Store) ReopenRejects(ctx context.Context, ids []int64) (int, error) {
	return s.closeOrReopen(ctx, "reopen rejects", ids, (*Tx).lockRejects, settledClosed, fmt.Sprintf("redriven = %d", unsettled))
}

// closeOrReopen writes those of some rejects that which locks and gives, and that are as from says.
func (s *Store) closeOrReopen(ctx context.Context, what string, ids []int64, which func(*Tx, []int64) ([]heldReject, error), from int, set string) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	return writeOnce(ctx, s, what, func(t *Tx) (int, error) {
		held, err := which(t, ids)
		var list []int64
		for _, x := range held {
			if x.settled == from {
				list = append(list, x.id)
			}
		}
		if err != nil || len(list) == 0 {
			return 0, err
		}
		return len(list), t.settleRejects(list, from, set)
	})
}
