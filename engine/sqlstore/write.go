package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

const (
	// writeRows and writeBytes bound one statement of insert and upsert.
	writeRows  = 1000
	writeBytes = 1 << 20
)

// Insert writes rows, many to a statement.
func (s *Session) Insert(ctx context.Context, table string, rows engine.RowSource) (engine.Stats, error) {
	w, err := s.newWriter(ctx, table)
	if err != nil {
		return nil, err
	}
	return w.all(ctx, rows)
}

// writer gathers rows into batches and writes them: the next batch is gathered
// while those before it are made ready and written: see sending.
type writer struct {
	s     *Session
	table string
	stats engine.Stats
	once  []string          // columns of which a batch may hold the same values once only; nil: none
	key   []string          // columns by which rows are known; nil: none are
	full  func(*batch) bool // no other row goes into the batch
	ready func(*batch)      // is called for a batch before it is written, beside the hook
	flush func(ctx context.Context, c *sql.Conn, b *batch) error

	has func(row engine.Row) error // why a row has not the columns that it needs; nil: it needs none

	rejects engine.Rejecter            // takes rows that cannot be written; nil: they are errors
	refused func(row engine.Row) error // is told of them before; nil: nobody is

	fits Fit
	bad  error // why a row cannot be written

	n    int64 // rows that were taken
	none int64 // that were None
	now  *batch
	sent sent

	query string // the last statement, which most batches share
	shape string // what it was made for
}

// batch is rows of one shape.
type batch struct {
	names   []string
	like    *string // address of the names of the last row, to tell quickly that they are the same
	place   []int   // where the batch's columns are in such a row
	count   int
	size    int
	at      []int64      // the rows' numbers in their source
	args    []any        // as they were given, until the batch is made ready
	rows    []engine.Row // as they were given, where they may have to be rejected
	refused []refusal
	fit     []func(any) (any, string) // by place: see Fit.Of
	seen    map[string]bool
	checked

	text []byte // that stands for args; empty: none does
	hex  []bool // of columns that are hexadecimal in text
}

func (b *batch) clear() {
	b.names, b.like, b.count, b.size = nil, nil, 0, 0
	b.at, b.text = b.at[:0], b.text[:0]
	clear(b.rows)
	b.rows, b.refused = b.rows[:0], nil
	clear(b.args)
	b.args = b.args[:0]
	clear(b.seen)
}

func (s *Session) newWriter(ctx context.Context, table string) (w *writer, err error) {
	if err := s.store.CheckTable(table); err != nil {
		return nil, err
	}
	shape, err := s.checkEngine(ctx, table)
	if err != nil {
		return nil, err
	}
	if err := s.checkDryTable(ctx, table, true); err != nil {
		return nil, err
	}
	w = &writer{s: s, table: table, now: &batch{},
		stats: engine.Stats{"inserted": 0, "updated": 0, "unchanged": 0, "deleted": 0, "skipped": 0}}
	w.flush = w.insert
	w.full = func(b *batch) bool {
		return b.count >= writeRows || b.size >= writeBytes || len(b.args)+len(b.names) > s.store.D.MaxParams()
	}
	if w.fits, err = s.fits(ctx, table); err != nil {
		return nil, err
	}
	if w.fits.Whole == nil { // servers round
		w.fits.Type = shape.typeOf
		w.fits.Of = shape.fitOf
		w.fits.Whole = func(column string) bool { return shape.typeOf(column) == "integer" }
		w.fits.Truth = func(column string) bool { return shape.typeOf(column) == "boolean" }
	}
	return w, nil
}

// insert writes a batch of new rows.
func (w *writer) insert(ctx context.Context, c *sql.Conn, b *batch) error {
	r, err := w.exec(ctx, c, b, "")
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	w.stats["inserted"] += n
	return err
}

// all writes all rows of a source.
func (w *writer) all(ctx context.Context, rows engine.RowSource) (engine.Stats, error) {
	w.rejects, _ = rows.(engine.Rejecter)
	err := w.take(ctx, rows)
	if werr := w.settled(ctx); err == nil {
		err = werr
	}
	w.stats["skipped"] += w.none
	return w.stats, err
}

func (w *writer) take(ctx context.Context, rows engine.RowSource) error {
	for {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			if err := w.send(ctx); err != nil {
				return err
			}
			return w.settled(ctx)
		}
		if err != nil {
			return err
		}
		if len(row.Names) == 0 {
			w.none++
			continue
		}
		if len(row.Names) != len(row.Values) {
			return engine.Errorf(engine.CodeInternal, "a row has %d names and %d values", len(row.Names), len(row.Values))
		}
		if w.n++; row.At == 0 {
			row.At = w.n
		}
		if row.Bad != nil {
			w.bad = row.Bad
		}
		for w.bad == nil && !w.add(row) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if w.now.count == 0 {
				return engine.Errorf(engine.CodeInternal, "row %d does not go into an empty batch", row.At)
			}
			if err := w.send(ctx); err != nil {
				return err
			}
		}
		if w.bad == nil {
			continue
		}
		if err := w.setAside(ctx, row); err != nil {
			return err
		}
	}
}

// add takes a row into the batch; false if it must go into another one. A row that
// cannot be written is in bad.
func (w *writer) add(row engine.Row) bool {
	b := w.now
	switch {
	case b.count == 0:
		b.names, b.like = row.Names, &row.Names[0]
		b.place = b.place[:0]
		for i := range row.Names {
			b.place = append(b.place, i)
		}
		b.fit = b.fit[:0]
		for _, n := range b.names {
			b.fit = append(b.fit, w.fits.Of(n))
		}
		if w.bad = w.check(b, row); w.bad != nil {
			return true
		}
	case b.like != &row.Names[0] && !b.reshape(row.Names):
		return false
	}
	if b.count > 0 && w.full(b) {
		return false
	}
	key := ""
	if w.once != nil {
		if key = w.keyOf(b, row); b.seen[key] {
			return false
		}
	}
	for _, i := range b.place {
		b.size += sizeOf(row.Values[i])
		b.args = append(b.args, row.Values[i])
	}
	if w.once != nil {
		if b.seen == nil {
			b.seen = map[string]bool{}
		}
		b.seen[key] = true
	}
	b.count++
	b.at = append(b.at, row.At)
	w.keep(b, row)
	return true
}

// sizeOf is about how much text a value takes.
func sizeOf(v any) int {
	switch x := v.(type) {
	case string:
		return len(x) + 8
	case []byte:
		return len(x) + 8
	case engine.Decimal:
		return len(x) + 8
	}
	return 8
}

// reshape finds the batch's columns in a row that may have them in another
// order; false if it has others.
func (b *batch) reshape(names []string) bool {
	if len(names) != len(b.names) {
		return false
	}
	place := make([]int, len(names))
	for i, n := range b.names {
		if place[i] = slices.Index(names, n); place[i] < 0 {
			return false
		}
	}
	b.like, b.place = &names[0], place
	return true
}

// keyOf is the row's values of the columns in once, as text: one for all texts that differ
// only by case and by spaces at their end, which may be the same to the database.
func (w *writer) keyOf(b *batch, row engine.Row) string {
	var key strings.Builder
	for _, k := range w.once {
		if i := indexFold(b.names, k); i >= 0 {
			v, _ := w.value(b, i, row.Values[b.place[i]]) // what does not fit is refused behind this
			if text, ok := v.(string); ok {
				v = strings.ToLower(strings.TrimRight(text, " "))
			}
			fmt.Fprintf(&key, "%v\x00", v)
		}
	}
	return key.String()
}

// exec inserts a batch. An error names the row.
func (w *writer) exec(ctx context.Context, c *sql.Conn, b *batch, tail string) (sql.Result, error) {
	r, err := c.ExecContext(ctx, w.statement(b.names, b.count, tail), b.args...)
	if err != nil {
		if w.rejects != nil && b.count > 1 && w.ofRows(err) {
			return nil, &unplaced{err} // see sift
		}
		return nil, w.locate(ctx, c, b, tail, err)
	}
	n, err := r.RowsAffected()
	w.s.did(n, false)
	return r, err
}

func (w *writer) statement(names []string, count int, tail string) string {
	shape := fmt.Sprint(count, " ", strings.Join(names, "\x00"), tail)
	if w.shape == shape {
		return w.query
	}
	tuple := "(" + marks(len(names)) + "),"
	w.query = "INSERT INTO " + quoteTable(w.s.d, w.table) + " (" + quoteAll(w.s.d, names) + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(tuple, count), ",") + tail
	w.shape = shape
	return w.query
}

// locate finds the row because of which a statement failed: it tries them one
// by one, and takes all of that back.
func (w *writer) locate(ctx context.Context, c *sql.Conn, b *batch, tail string, err error) error {
	if _, ended := w.s.d.HookError(err); ended || ctx.Err() != nil {
		return err
	}
	if b.count == 1 {
		return w.named(ctx, c, b, 0, err)
	}
	before := w.s.newPoint("ds_row")
	if !before.certain() {
		return err
	}
	if serr := before.set(ctx, c); serr != nil {
		return serr
	}
	one := w.statement(b.names, 1, tail)
	for i := range b.count {
		if _, rerr := c.ExecContext(ctx, one, b.args[i*len(b.names):(i+1)*len(b.names)]...); rerr != nil {
			if err = w.named(ctx, c, b, i, rerr); ctx.Err() != nil {
				return err
			}
			break
		}
	}
	if _, ended := w.s.d.HookError(err); ended {
		return err
	}
	return w.s.undo(ctx, c, before, err)
}

// undoTo takes back all since a savepoint and forgets it. It gives err, or why
// that did not work.
func undoTo(ctx context.Context, c *sql.Conn, savepoint string, err error) error {
	for _, q := range []string{"ROLLBACK TO SAVEPOINT ", "RELEASE SAVEPOINT "} {
		if _, uerr := c.ExecContext(ctx, q+savepoint); uerr != nil {
			return uerr
		}
	}
	return err
}

// named puts a row's number before what is wrong with it; not before an error
// that has nothing to do with the row, the i-th of the batch.
func (w *writer) named(ctx context.Context, x Execer, b *batch, i int, err error) error {
	said, ended := w.s.hookError(err)
	if ended {
		return err
	}
	f := engine.AsFailure(said)
	w.blame(ctx, x, f, err, b, i)
	if f.Code == "db.missing" {
		return f // whatever the row is
	}
	f.Row, f.Key = b.at[i], w.keyShown(b, i)
	f.Message = fmt.Sprintf("row %d: %s", f.Row, strings.TrimSuffix(f.Message, " at row 1"))
	return f
}
