package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// Loader is a SessionDialect whose server takes many rows as one text.
type Loader interface {
	// LoadsText says whether the server takes rows so.
	LoadsText(ctx context.Context) bool
	// AppendValue writes a value, as ToDB gives it; false if no text stands for it.
	AppendValue(b []byte, v any) ([]byte, bool)
	// EndRow puts the end of a row in the place of what separates values.
	EndRow(b []byte) []byte
	// LoadText inserts rows. clean says that the server had nothing to say about any of
	// them; hex, which columns are written as hexadecimal numbers.
	LoadText(ctx context.Context, c *sql.Conn, table string, columns []string, hex []bool, text []byte) (n int64, clean bool, err error)
}

// loadBytes is about how much text one LoadText takes, and loadRows how many rows. More is
// not faster, within what the machine varies by, and what is taken is kept several times:
// see sending.
const (
	loadBytes = 1 << 20
	loadRows  = engine.MaxRowsAhead / (maxSent + 1)
)

// Bulk inserts rows, or upserts them, in the fastest way that there is. Rows
// are loaded as text where the server allows it. It takes what it is given then
// and only warns of rows that it left out or changed; so if it says anything,
// the rows are taken back and inserted by statements, which decide. Upserts are
// statements at once: by way of a temporary table they take longer.
func (s *Session) Bulk(ctx context.Context, table string, rows engine.RowSource, spec *engine.Upsert) (engine.Stats, error) {
	w, err := s.newWriter(ctx, table)
	if err != nil {
		return nil, err
	}
	if spec != nil {
		if _, err := s.newUpserter(ctx, w, *spec, "bulk"); err != nil {
			return nil, err
		}
		return w.all(ctx, rows)
	}
	if l, ok := s.d.(Loader); ok && l.LoadsText(ctx) {
		shape, err := s.describe(ctx, table)
		if err != nil {
			return nil, err
		}
		if shape.Texts {
			w.full = func(b *batch) bool { return b.size >= loadBytes || b.count >= loadRows }
			w.ready = func(b *batch) { b.makeText(l) }
			w.flush = func(ctx context.Context, c *sql.Conn, b *batch) error {
				if len(b.text) > 0 {
					if loaded, err := w.loadBatch(ctx, c, l, b); loaded || err != nil {
						return err
					}
				}
				return w.insertParts(ctx, c, b)
			}
		}
	}
	return w.all(ctx, rows)
}

// makeText makes the text of a batch, if there is one: columns that have bytes are
// hexadecimal, and hold nothing else.
func (b *batch) makeText(l Loader) {
	n := len(b.names)
	b.hex = slices.Grow(b.hex[:0], n)[:n]
	for i := range n {
		b.hex[i] = false
		other := false
		for k := i; k < len(b.args); k += n {
			switch b.args[k].(type) {
			case nil:
			case []byte:
				b.hex[i] = true
			default:
				other = true
			}
		}
		if b.hex[i] && other {
			return
		}
	}
	for i, v := range b.args {
		var ok bool
		if b.text, ok = l.AppendValue(b.text, v); !ok {
			b.text = b.text[:0]
			return
		}
		if i%n == n-1 {
			b.text = l.EndRow(b.text)
		}
	}
}

// loadBatch loads the text of a batch. The server takes all of it without a word, or
// nothing has happened.
func (w *writer) loadBatch(ctx context.Context, c *sql.Conn, l Loader, b *batch) (loaded bool, err error) {
	if _, err := c.ExecContext(ctx, "SAVEPOINT ds_bulk"); err != nil {
		return false, err
	}
	n, clean, err := l.LoadText(ctx, c, w.table, b.names, b.hex, b.text)
	if err != nil {
		if _, ended := w.s.d.HookError(err); ended || ctx.Err() != nil {
			return false, err
		}
	}
	if err == nil && clean && n == int64(b.count) {
		w.stats["inserted"] += n
		_, err = c.ExecContext(ctx, "RELEASE SAVEPOINT ds_bulk")
		return true, err
	}
	return false, undoTo(ctx, c, "ds_bulk", nil)
}

// insertParts inserts a batch by statements.
func (w *writer) insertParts(ctx context.Context, c *sql.Conn, b *batch) error {
	n := len(b.names)
	most := max(1, min(writeRows, w.s.store.D.MaxParams()/n))
	for from, to := 0, 0; from < b.count; from = to {
		for size := 0; to < b.count && to-from < most && size < writeBytes; to++ {
			for _, v := range b.args[to*n : (to+1)*n] {
				size += sizeOf(v)
			}
		}
		part := b.part(from, to)
		var err error
		if w.rejects == nil {
			err = w.insert(ctx, c, part)
		} else {
			err = w.sift(ctx, c, part, &b.refused, w.insert, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
