package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// A Galera node sends the others a transaction with its savepoints. If all that was
// written since the first one is taken back, the server takes that for the end of
// the transaction, and what it sends afterwards names savepoints that the others
// were never told of: they leave the cluster, and what the transaction wrote is
// lost. So a row of the process's own is written before the first savepoint, and
// stays: an anchor. It is a row of ds_receipts, because it is like one: one
// transaction at a time uses it, nobody else locks it, and it is pruned when it has
// not been written for long.

// restAnchor is for how long an anchor that is not used may be used again. It is
// pruned much later: a transaction that holds it does not keep the pruner waiting.
const restAnchor = time.Hour

// Anchor is such a row. A nil one, where none is needed, does nothing.
type Anchor struct {
	store *Store
	row   *receipt
}

// Anchor takes one that no transaction uses.
func (s *Store) Anchor() *Anchor {
	if !s.Anchored {
		return nil
	}
	row := s.anchors.take()
	if row.number > 0 && s.Clock.Boot()-row.used > restAnchor {
		row = newReceipt()
	}
	return &Anchor{s, row}
}

// Write writes it in a transaction that has just begun.
//
// Locks: the anchor, which nobody else writes.
func (a *Anchor) Write(ctx context.Context, x Execer) error {
	if a == nil {
		return nil
	}
	a.row.number++ // a row that stays as it is would not be sent
	q := fmt.Sprintf(writeReceipt, a.store.D.Now()) + a.store.D.Upsert("id", setReceipt)
	_, err := x.ExecContext(ctx, a.store.SQL(q), a.row.id[:], a.row.number)
	return a.store.wrap(err, "write an anchor")
}

// Free ends the use of it. sure says that the transaction is over: what it wrote
// cannot arrive any more.
func (a *Anchor) Free(sure bool) {
	if a == nil || !sure {
		return
	}
	a.row.used = a.store.Clock.Boot()
	a.store.anchors.giveBack(a.row)
}
