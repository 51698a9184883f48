package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Receipts tell what became of a COMMIT whose answer was lost, where nothing else
// that the transaction wrote does: the ids of rows come back when a server that
// crashed starts again, and what a row says may be another's work. A receipt is a
// row that belongs to this process, and that one transaction at a time writes a
// number into. There are as many as it has had such transactions at once.
const (
	// In: id, number. Locks: the receipt, which nobody else writes.
	writeReceipt = "INSERT INTO ds_receipts (id, number, at) VALUES (?, ?, %s)"
	setReceipt   = "number = VALUES(number), at = VALUES(at)"
	// In: id. The lock waits for a COMMIT that is under way.
	readReceipt = "SELECT number FROM ds_receipts WHERE id = ?"
)

// keepReceipts is how long a receipt stays that is not written again. Whoever asks
// for one half as long after its transaction does not take its absence for an answer.
const keepReceipts = 24 * time.Hour

// receipt is a receipt's id and the number written last.
type receipt struct {
	id     [16]byte
	number int64
	used   time.Duration // when, if it is an anchor
}

func newReceipt() *receipt {
	x := &receipt{}
	rand.Read(x.id[:])
	return x
}

// receipts are those that no transaction uses just now.
type receipts struct {
	mu   sync.Mutex
	free []*receipt
}

func (r *receipts) take() *receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.free); n > 0 {
		x := r.free[n-1]
		r.free = r.free[:n-1]
		return x
	}
	return newReceipt()
}

func (r *receipts) giveBack(x *receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = append(r.free, x)
}

// writeOnce runs f in a transaction that takes effect once at most, and gives
// what f gave in the run that did. After a lost answer the receipt tells; also of
// a COMMIT that arrived later than it was looked for.
//
// Locks: those of f, then the receipt.
func writeOnce[T any](ctx context.Context, s *Store, what string, f func(*Tx) (T, error)) (v T, err error) {
	return writeOnceOn(ctx, s, s.patient(), what, f)
}

func writeOnceOn[T any](ctx context.Context, s *Store, db *sql.DB, what string, f func(*Tx) (T, error)) (v T, err error) {
	if s.Scratch {
		err = s.writeOn(ctx, db, what, func(t *Tx) (err error) {
			v, err = f(t)
			return err
		}, nil)
		return v, err
	}
	r := s.receipts.take()
	before := r.number
	runs := map[int64]T{} // by the number that they wrote
	doubt := false
	var sent time.Duration // when the last COMMIT was, or a little before
	took := func(t *Tx) (bool, error) {
		var number int64
		there, err := t.row([]any{&number}, readReceipt+t.s.D.Lock(), r.id[:])
		if err != nil {
			return false, err
		}
		x, ours := runs[number]
		switch {
		case there && ours:
			v = x
		case s.Clock.Boot()-sent > keepReceipts/2:
			return false, engine.Errorf(engine.CodeUnknown, "the answer to COMMIT was lost so long ago that the database does not tell any more")
		}
		return there && ours, nil
	}
	err = s.writeOn(ctx, db, what, func(t *Tx) error {
		if doubt {
			if done, err := took(t); err != nil || done {
				return err
			}
		}
		x, err := f(t)
		if err != nil {
			return err
		}
		r.number++
		if _, err := t.exec(fmt.Sprintf(writeReceipt, s.D.Now())+s.D.Upsert("id", setReceipt), r.id[:], r.number); err != nil {
			return err
		}
		runs[r.number], v, sent = x, x, s.Clock.Boot()
		return nil
	}, func(t *Tx) (bool, error) {
		doubt = true
		return took(t)
	})
	if err == nil || r.number == before { // else what was sent may arrive yet
		s.receipts.giveBack(r)
	}
	return v, err
}
