package sqlstore

import (
	"context"
	"database/sql"

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
	// ReadRow takes the next row's values apart, as arguments of a statement.
	ReadRow(text []byte, hex []bool) (args []any, rest []byte)
}

// loadBytes is about how much text one LoadText takes. More is not faster (256 KB
// and 4 MB take the same time, within what the machine varies by), and what is
// taken is kept twice: one is gathered while the last one is sent.
const loadBytes = 512 << 10

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
			w.load = &loading{l}
			w.flush = func(ctx context.Context, c *sql.Conn, b *batch) error {
				if len(b.text) == 0 {
					return w.insert(ctx, c, b)
				}
				return w.loadBatch(ctx, c, l, b)
			}
		}
	}
	return w.all(ctx, rows)
}

// loading gathers batches as text.
type loading struct{ l Loader }

// Kinds of columns in a text.
const (
	textUnknown = iota // only NULLs so far
	textPlain
	textHex
)

// begin prepares an empty batch.
func (l *loading) begin(b *batch) {
	b.hex = append(b.hex[:0], make([]int8, len(b.names))...)
}

// add takes a row into the batch; false if it must go into another one. From
// the first row on that has a value which no text stands for, rows are gathered
// as arguments.
func (l *loading) add(w *writer, b *batch, row engine.Row) bool {
	if len(b.text) >= loadBytes {
		return false
	}
	was := len(b.text)
	for i, k := range b.place {
		var v any
		if v, w.bad = w.taken(b, i, row.Values[k], row); w.bad != nil {
			b.text = b.text[:was]
			return true
		}
		kind := int8(textPlain)
		if _, isBytes := v.([]byte); isBytes {
			kind = textHex
		}
		ok := true
		switch {
		case v == nil || b.hex[i] == kind:
		case b.hex[i] == textUnknown:
			b.hex[i] = kind
		default:
			ok = false
		}
		if ok {
			if b.text, ok = l.l.AppendValue(b.text, v); !ok {
				w.load = nil
			}
		}
		if !ok {
			if b.text = b.text[:was]; b.count == 0 {
				b.clear()
			}
			return b.count == 0 && w.add(row)
		}
	}
	b.text = l.l.EndRow(b.text)
	b.count++
	b.at = append(b.at, row.At)
	w.keep(b, row)
	return true
}

// loadBatch loads a batch of text.
func (w *writer) loadBatch(ctx context.Context, c *sql.Conn, l Loader, b *batch) error {
	if _, err := c.ExecContext(ctx, "SAVEPOINT ds_bulk"); err != nil {
		return err
	}
	hex := make([]bool, len(b.hex))
	for i, kind := range b.hex {
		hex[i] = kind == textHex
	}
	n, clean, err := l.LoadText(ctx, c, w.table, b.names, hex, b.text)
	if err != nil {
		if _, ended := w.s.d.HookError(err); ended || ctx.Err() != nil {
			return err
		}
	}
	if err == nil && clean && n == int64(b.count) {
		w.stats["inserted"] += n
		_, err = c.ExecContext(ctx, "RELEASE SAVEPOINT ds_bulk")
		return err
	}
	if err := undoTo(ctx, c, "ds_bulk", nil); err != nil {
		return err
	}
	return w.insertText(ctx, c, l, b, hex)
}

// insertText inserts a batch of text by statements.
func (w *writer) insertText(ctx context.Context, c *sql.Conn, l Loader, b *batch, hex []bool) error {
	part := &batch{names: b.names}
	flush := func() error {
		if part.count == 0 {
			return nil
		}
		var err error
		if w.rejects == nil {
			err = w.insert(ctx, c, part)
		} else {
			err = w.sift(ctx, c, part, &b.refused, w.insert, false)
		}
		part.count, part.size, part.args, part.at, part.rows = 0, 0, part.args[:0], part.at[:0], part.rows[:0]
		return err
	}
	for text, i := b.text, 0; len(text) > 0; i++ {
		args, rest := l.ReadRow(text, hex)
		if part.count >= writeRows || part.size+len(text)-len(rest) > writeBytes || len(part.args)+len(args) > w.s.store.D.MaxParams() {
			if err := flush(); err != nil {
				return err
			}
		}
		part.args = append(part.args, args...)
		part.size += len(text) - len(rest)
		part.count++
		part.at = append(part.at, b.at[i])
		if w.rejects != nil {
			part.rows = append(part.rows, b.rows[i])
		}
		text = rest
	}
	return flush()
}
