package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// refusal is a row that could not be written.
type refusal struct {
	row engine.Row
	why *engine.Failure
}

// rowCodes are those of what is wrong with a row, and not with all of them.
var rowCodes = []string{"db.value", "db.duplicate", "db.constraint"}

// rowFault says whether an error is about a row, so that others can be written
// without it.
func rowFault(err error) (*engine.Failure, bool) {
	var f *engine.Failure
	if !errors.As(err, &f) || f.Row == 0 {
		return nil, false
	}
	return f, slices.Contains(rowCodes, f.Code)
}

// unplaced is the error of a statement of several rows that is about one of them, or
// more.
type unplaced struct{ error }

func (u *unplaced) Unwrap() error { return u.error }

// ofRows says whether a statement failed because of its rows.
func (w *writer) ofRows(err error) bool {
	said, ended := w.s.hookError(err)
	return !ended && slices.Contains(rowCodes, engine.AsFailure(said).Code)
}

// keep keeps the last row of a batch as it was given, if it may have to be set aside.
func (w *writer) keep(b *batch, row engine.Row) {
	if w.rejects != nil {
		b.rows = append(b.rows, own(row))
	}
}

// own is a row that outlives its source's next one.
func own(row engine.Row) engine.Row {
	row.Values = slices.Clone(row.Values)
	return row
}

// setAside refuses a row that was not taken into a batch because of w.bad, if rows
// are to be rejected.
func (w *writer) setAside(ctx context.Context, row engine.Row) error {
	err := w.bad
	w.bad = nil
	var f *engine.Failure // always of the row, whatever its code is
	if w.rejects == nil || !errors.As(err, &f) {
		return err
	}
	if w.now.refused = append(w.now.refused, refusal{own(row), f}); len(w.now.refused) < writeRows {
		return nil
	}
	return w.send(ctx)
}

// reject hands a row back to its source.
func (w *writer) reject(ctx context.Context, r refusal) error {
	if w.refused != nil {
		if err := w.refused(r.row); err != nil {
			return err
		}
	}
	return w.rejects.Reject(ctx, r.row, r.why)
}

// write writes a batch.
func (w *writer) write(ctx context.Context, c *sql.Conn, b *batch) error {
	w.s.named(ctx, partsOf(w.table), true)
	if w.rejects == nil || w.ready != nil { // those are sifted when they are statements
		return w.flush(ctx, c, b)
	}
	return w.sift(ctx, c, b, &b.refused, w.flush, false)
}

// siftRows is how many rows of a batch that fails SQLite is given at once, before it is
// given them one by one.
const siftRows = 64

// sift writes a batch without the rows that cannot be written. One that fails is
// halved, and each half written so, the first one first: what can be written stays, as
// it would without the others, and a row that fails by itself is refused. That takes a
// few statements for each of these rows, and not one for every row. fails says that the
// batch is known to fail.
func (w *writer) sift(ctx context.Context, c *sql.Conn, b *batch, refused *[]refusal, flush func(context.Context, *sql.Conn, *batch) error, fails bool) error {
	if b.count == 0 {
		return nil
	}
	if b.count == 1 || !fails {
		err := w.whole(ctx, c, b, flush)
		if err == nil {
			return nil
		}
		f, row := rowFault(err)
		var several *unplaced
		switch {
		case ctx.Err() != nil:
			return err
		case row && b.count == 1:
			*refused = append(*refused, refusal{b.rows[0], f})
			return nil
		case !row && !errors.As(err, &several):
			return err
		}
	}
	if w.s.store.D.Name() == "sqlite" { // a statement costs little there, and its text more
		step := 1
		if b.count > siftRows {
			step = siftRows
		}
		for i := 0; i < b.count; i += step {
			if err := w.sift(ctx, c, b.part(i, min(i+step, b.count)), refused, flush, false); err != nil {
				return err
			}
		}
		return nil
	}
	half, before := b.count/2, len(*refused)
	if err := w.sift(ctx, c, b.part(0, half), refused, flush, false); err != nil {
		return err
	}
	return w.sift(ctx, c, b.part(half, b.count), refused, flush, len(*refused) == before)
}

// whole writes a batch, or nothing of it. A server takes back a statement that fails,
// and flush writes nothing else before it; a constraint of SQLite's with ON CONFLICT
// FAIL leaves the rows that came before.
func (w *writer) whole(ctx context.Context, c *sql.Conn, b *batch, flush func(context.Context, *sql.Conn, *batch) error) error {
	if w.s.store.D.Name() != "sqlite" {
		return flush(ctx, c, b)
	}
	before := w.s.newPoint("ds_sift")
	if err := before.set(ctx, c); err != nil {
		return err
	}
	err := flush(ctx, c, b)
	if err == nil {
		return before.release(ctx, c)
	}
	if _, ended := w.s.hookError(err); ended || ctx.Err() != nil {
		return err
	}
	return w.s.undo(ctx, c, before, err)
}

// part is some rows of a batch.
func (b *batch) part(from, to int) *batch {
	n := len(b.names)
	p := &batch{names: b.names, count: to - from, at: b.at[from:to], args: b.args[from*n : to*n]}
	if len(b.rows) > 0 {
		p.rows = b.rows[from:to]
	}
	return p
}
