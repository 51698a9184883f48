package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// refusal is a row that could not be written.
type refusal struct {
	row engine.Row
	why *engine.Failure
}

// rowFault says whether an error is about a row, so that others can be written
// without it.
func rowFault(err error) (*engine.Failure, bool) {
	var f *engine.Failure
	if !errors.As(err, &f) || f.Row == 0 {
		return nil, false
	}
	return f, slices.Contains([]string{"db.value", "db.duplicate", "db.constraint"}, f.Code)
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

// setAside rejects a row that was not taken into a batch because of w.bad, if rows
// are to be rejected.
func (w *writer) setAside(ctx context.Context, row engine.Row) error {
	err := w.bad
	w.bad = nil
	f, ok := rowFault(err)
	if w.rejects == nil || !ok {
		return err
	}
	return w.reject(ctx, refusal{own(row), f})
}

// reject hands a row back to its source.
func (w *writer) reject(ctx context.Context, r refusal) error {
	if w.refused != nil {
		if err := w.refused(ctx, r.row); err != nil {
			return err
		}
	}
	return w.rejects.Reject(ctx, r.row, r.why)
}

// write writes a batch.
func (w *writer) write(ctx context.Context, c *sql.Conn, b *batch) error {
	if w.rejects == nil || len(b.text) > 0 { // those are sifted when they are statements
		return w.flush(ctx, c, b)
	}
	return w.sift(ctx, c, b, &b.refused, w.flush)
}

// sift writes a batch without the rows that cannot be written: from the first of
// them on it is taken back and written again, so that the others stand as they
// would without it.
func (w *writer) sift(ctx context.Context, c *sql.Conn, b *batch, refused *[]refusal, flush func(context.Context, *sql.Conn, *batch) error) error {
	for rest := b; rest.count > 0; {
		before, stats := w.s.newPoint("ds_sift"), maps.Clone(w.stats)
		if err := before.set(ctx, c); err != nil {
			return err
		}
		err := flush(ctx, c, rest)
		if err == nil {
			return before.release(ctx, c)
		}
		f, ok := rowFault(err)
		if !ok || ctx.Err() != nil || !before.certain() {
			return err
		}
		i := slices.Index(rest.at, f.Row)
		if i < 0 {
			return err
		}
		if err := w.s.undo(ctx, c, before, nil); err != nil {
			return err
		}
		clear(w.stats)
		maps.Copy(w.stats, stats)
		if i > 0 {
			if err := w.sift(ctx, c, rest.part(0, i), refused, flush); err != nil {
				return err
			}
		}
		*refused = append(*refused, refusal{rest.rows[i], f})
		rest = rest.part(i+1, rest.count)
	}
	return nil
}

// part is some rows of a batch.
func (b *batch) part(from, to int) *batch {
	n := len(b.names)
	return &batch{names: b.names, count: to - from, at: b.at[from:to], args: b.args[from*n : to*n], rows: b.rows[from:to]}
}
