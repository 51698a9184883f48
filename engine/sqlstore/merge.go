package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// Merge upserts rows, notes their keys in a temporary table, and deletes the
// rows of the part that are not among them. If anything fails, or too many
// would be deleted, all of it is taken back.
func (s *Session) Merge(ctx context.Context, table string, rows engine.RowSource, spec engine.Merge) (engine.Stats, error) {
	w, err := s.newWriter(ctx, table)
	if err != nil {
		return nil, err
	}
	m := &merge{w: w, spec: spec}
	if spec.Where != "" {
		m.part = "(" + spec.Where + "\n)" // it may end in a comment
		q := "DELETE FROM " + quoteTable(s.d, table) + " WHERE " + m.part
		if err := s.store.CheckExec(q); err != nil {
			return nil, err
		}
		if err := s.checkDry(ctx, q); err != nil {
			return nil, err
		}
	}
	if m.u, err = s.newUpserter(ctx, w, engine.Upsert{Key: spec.Key}, "merge"); err != nil {
		return nil, err
	}
	w.flush, w.refused = m.flush, m.refusedRow
	err = s.run(ctx, func(c *sql.Conn) error {
		s.sent(ctx, m.part, false)
		s.named(ctx, partsOf(table), true)
		return m.begin(ctx, c)
	})
	if err != nil {
		return nil, err
	}
	began := s.endings()
	stats, err := w.all(ctx, rows)
	switch {
	case s.endings() != began:
		return stats, &engine.Failure{Kind: engine.KindError, Code: "usage", Message: "a merge is all or nothing: what gives its rows must not commit (ctx.checkpoint, ctx.batches, ctx.emit_all)"}
	case err != nil:
		_ = s.run(ctx, func(c *sql.Conn) error { return m.undo(ctx, c, nil) }) // the error that counts is the first one
		return stats, err
	}
	return stats, s.run(ctx, func(c *sql.Conn) error { return m.end(ctx, c) })
}

// endings counts the transactions that were ended.
func (s *Session) endings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends
}

// merge is one merge.
type merge struct {
	w      *writer
	u      *upserter
	spec   engine.Merge
	part   string // the condition; "": the whole table
	name   string // of the temporary table
	before point  // a savepoint
	insert string // up to its VALUES
	tail   string // behind them
	drop   string
	total  int64 // rows of the part at first

	refusedKeys []any // of rows that could not be written
	refusedSize int
}

// begin counts the rows of the part, sets a savepoint and makes the table of keys.
// That what tells the part can be understood is known before any row is written.
func (m *merge) begin(ctx context.Context, c *sql.Conn) error {
	s := m.w.s
	if m.part != "" || m.spec.Share {
		if err := m.measure(ctx, c); err != nil {
			return err
		}
	}
	s.tables++
	m.name = "dsengine_merge_" + strconv.Itoa(s.tables)
	var create []string
	create, m.insert, m.tail, m.drop = s.d.KeyTable(m.name, m.w.table, m.spec.Key, m.u.shape.typeOf)
	if m.before = s.newPoint(m.name); !m.before.certain() {
		return errUncertain
	}
	if err := m.before.set(ctx, c); err != nil {
		return err
	}
	s.temps++ // whatever happens to the first statement
	for _, q := range create {
		if _, err := c.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// measure counts the rows of the part; where that matters nothing, none of them.
func (m *merge) measure(ctx context.Context, c *sql.Conn) error {
	s := m.w.s
	q := "SELECT COUNT(*) FROM " + quoteTable(s.d, m.w.table)
	if m.part != "" {
		q += " WHERE " + m.part
	}
	if !m.spec.Share {
		q += " LIMIT 0"
	}
	st, err := s.rewrite(ctx, c, q, m.spec.Args)
	if err != nil {
		return err
	}
	total, err := number(ctx, c, st.SQL, st.Args...)
	if err != nil {
		return m.told(ctx, c, q, err)
	}
	m.total = total
	return nil
}

// told makes an error of what tells the part one for the script's author.
func (m *merge) told(ctx context.Context, c *sql.Conn, query string, err error) error {
	err = m.w.s.told(ctx, c, query, err)
	if f, ok := err.(*engine.Failure); ok && m.part != "" {
		f.Message = "where: " + f.Message
	}
	return err
}

// flush writes a batch and notes its keys.
func (m *merge) flush(ctx context.Context, c *sql.Conn, b *batch) error {
	at := make([]int, len(m.spec.Key))
	for i, k := range m.spec.Key {
		at[i] = indexFold(b.names, k)
	}
	keys := make([]any, 0, b.count*len(at))
	for r := range b.count {
		for i, k := range m.spec.Key {
			v := b.args[r*len(b.names)+at[i]]
			if v == nil {
				return &engine.Failure{Kind: engine.KindError, Code: "db.value", Row: b.at[r], Message: fmt.Sprintf("row %d: column %q of its key is NULL, and no row of the table could be known by it", b.at[r], k)}
			}
			keys = append(keys, v)
		}
	}
	if err := m.u.flush(ctx, c, b); err != nil {
		return err
	}
	return m.note(ctx, c, keys)
}

// note notes keys in the temporary table.
func (m *merge) note(ctx context.Context, c *sql.Conn, keys []any) error {
	tuple := "(" + marks(len(m.spec.Key)) + "),"
	_, err := c.ExecContext(ctx, m.insert+strings.TrimSuffix(strings.Repeat(tuple, len(keys)/len(m.spec.Key)), ",")+m.tail, keys...)
	return err
}

// refusedBytes bounds the keys of rows that could not be written, which are kept until
// the end: about a million numbers.
const refusedBytes = 32 << 20

// refusedRow keeps the key of a row that could not be written, so that the one that
// is there stays.
func (m *merge) refusedRow(row engine.Row) error {
	was, size := len(m.refusedKeys), m.refusedSize
	for _, k := range m.spec.Key {
		at := indexFold(row.Names, k)
		var v any
		if at >= 0 {
			v = row.Values[at]
		}
		why := ""
		if fit := m.w.fits.Of(k); fit != nil {
			v, why = fit(v)
		}
		v = m.w.s.d.ToDB(v)
		if _, large := v.(uint64); v == nil || why != "" || !large && !driver.IsValue(v) { // no row of the table can have such a key
			m.refusedKeys, m.refusedSize = m.refusedKeys[:was], size
			return nil
		}
		m.refusedSize += 32
		switch x := v.(type) {
		case string:
			m.refusedSize += len(x)
		case []byte:
			m.refusedSize += len(x)
		}
		m.refusedKeys = append(m.refusedKeys, v)
	}
	if m.refusedSize > refusedBytes {
		return &engine.Failure{Kind: engine.KindLimit, Code: "db.merge", Row: row.At, Message: fmt.Sprintf(
			"row %d: the keys of the rows that were rejected until here take more than %d MB, and a merge keeps them until its end, so that what is in the table of these rows stays (nothing was changed): is this the right file?", row.At, refusedBytes>>20)}
	}
	return nil
}

// noteRefused notes the keys of the rows that could not be written.
func (m *merge) noteRefused(ctx context.Context, c *sql.Conn) error {
	n := len(m.spec.Key)
	for part := range slices.Chunk(m.refusedKeys, n*max(1, min(writeRows, m.w.s.store.D.MaxParams()/n))) {
		if err := m.notePossible(ctx, c, part); err != nil {
			return err
		}
	}
	return nil
}

// notePossible notes keys, without those that no row of the table can have.
func (m *merge) notePossible(ctx context.Context, c *sql.Conn, keys []any) error {
	err := m.note(ctx, c, keys)
	if err == nil || ctx.Err() != nil || !m.w.ofRows(err) {
		return err
	}
	n := len(m.spec.Key)
	if len(keys) == n {
		return nil
	}
	half := len(keys) / n / 2 * n
	if err := m.notePossible(ctx, c, keys[:half]); err != nil {
		return err
	}
	return m.notePossible(ctx, c, keys[half:])
}

// same is the condition that a row of the table of keys is the key of one of the
// table; column gives its i-th column.
func (m *merge) same(column func(i int, name string) string) string {
	d := m.w.s.d
	var on []string
	for i, k := range m.spec.Key {
		left := column(i, k)
		if typ := m.u.shape.typeOf(k); strings.HasPrefix(typ, "decimal") {
			left = d.Comparable(left, typ)
		}
		on = append(on, left+" = "+m.own(k))
	}
	return strings.Join(on, " AND ")
}

// own is a column of the table.
func (m *merge) own(column string) string {
	d := m.w.s.d
	return d.Quote(bare(m.w.table)) + "." + d.Quote(column)
}

// outside is an error if a row that was written is not of the part: it would overwrite
// one of another part, and no later merge of this one would know it. MySQL does not
// read a temporary table twice in one statement, and the table may be one, too: see
// makeDry. The columns of the keys have names that the part does not mean, and SQLite
// is to begin with the keys (CROSS).
func (m *merge) outside(ctx context.Context, c *sql.Conn) error {
	if m.part == "" {
		return nil
	}
	s := m.w.s
	var keys, own []string
	named := func(i int) string { return s.d.Quote("dsengine_key_" + strconv.Itoa(i)) }
	for i, k := range m.spec.Key {
		keys = append(keys, s.d.Quote(k)+" AS "+named(i))
		own = append(own, m.own(k))
	}
	q := "SELECT " + strings.Join(own, ", ") + " FROM (SELECT " + strings.Join(keys, ", ") + " FROM " + s.d.Quote(m.name) + ") k CROSS JOIN " + quoteTable(s.d, m.w.table) +
		" WHERE " + m.same(func(i int, _ string) string { return "k." + named(i) }) + " AND " + m.part + " IS NOT TRUE LIMIT 1"
	st, err := s.rewrite(ctx, c, q, m.spec.Args)
	if err != nil {
		return err
	}
	rows, err := c.QueryContext(ctx, st.SQL, st.Args...)
	if err != nil {
		return m.told(ctx, c, q, err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil || !rows.Next() {
		return errors.Join(err, rows.Err())
	}
	key := make([]any, len(m.spec.Key))
	for i := range key {
		key[i] = new(any)
	}
	if err := rows.Scan(key...); err != nil {
		return err
	}
	var told []string
	for i, k := range m.spec.Key {
		v, err := s.d.FromDB(*key[i].(*any), types[i])
		if err != nil {
			return err
		}
		told = append(told, k+" = "+s.shown(v))
	}
	return &engine.Failure{Kind: engine.KindError, Code: "db.value", Retryable: true, Message: fmt.Sprintf(
		"the row with %s is outside of where: a merge of a part takes rows of that part alone (nothing was changed)", strings.Join(told, ", "))}
}

// end deletes what is missing, and says so in the counts.
func (m *merge) end(ctx context.Context, c *sql.Conn) error {
	d := m.w.s.d
	if err := m.outside(ctx, c); err != nil {
		return m.undo(ctx, c, err)
	}
	if err := m.noteRefused(ctx, c); err != nil {
		return m.undo(ctx, c, err)
	}
	from := " FROM " + quoteTable(d, m.w.table) + " WHERE "
	if m.part != "" {
		from += m.part + " AND "
	}
	from += "NOT EXISTS (SELECT 1 FROM " + d.Quote(m.name) + " k WHERE " + m.same(func(_ int, k string) string { return "k." + d.Quote(k) }) + ")"
	counts, removes := "SELECT COUNT(*)"+from, "DELETE"+from
	count, err := m.w.s.rewrite(ctx, c, counts, m.spec.Args)
	if err != nil {
		return m.undo(ctx, c, err)
	}
	remove, err := m.w.s.rewrite(ctx, c, removes, m.spec.Args)
	if err != nil {
		return m.undo(ctx, c, err)
	}
	missing, err := number(ctx, c, count.SQL, count.Args...)
	if err != nil {
		return m.undo(ctx, c, m.told(ctx, c, counts, err))
	}
	if m.tooMany(missing) {
		return m.undo(ctx, c, m.refused(missing))
	}
	if missing > 0 {
		r, err := c.ExecContext(ctx, remove.SQL, remove.Args...)
		if err != nil {
			return m.undo(ctx, c, m.told(ctx, c, removes, err))
		}
		if missing, err = r.RowsAffected(); err != nil {
			return err
		}
		m.w.s.did(missing, false)
		if m.tooMany(missing) { // others have inserted meanwhile
			return m.undo(ctx, c, m.refused(missing))
		}
	}
	m.w.stats["deleted"] += missing
	if err := m.dropKeys(ctx, c); err != nil {
		return err
	}
	return m.before.release(ctx, c)
}

func (m *merge) tooMany(n int64) bool {
	allowed := m.spec.MaxDelete
	if m.spec.Share {
		allowed *= float64(m.total) / 100
	}
	return float64(n) > allowed
}

func (m *merge) refused(n int64) error {
	of, limit := "", strconv.FormatFloat(m.spec.MaxDelete, 'f', -1, 64)
	if m.spec.Share {
		of, limit = fmt.Sprintf(" of %d", m.total), strconv.Quote(limit+"%")
	}
	return &engine.Failure{Kind: engine.KindError, Code: "db.max_delete", Retryable: true, Message: fmt.Sprintf(
		"it would delete %d%s rows, because they are not among the ones that were given, and max_delete = %s allows fewer: nothing was changed", n, of, limit)}
}

// undo takes all of the merge back. It gives err, or why that did not work.
func (m *merge) undo(ctx context.Context, c *sql.Conn, err error) error {
	if err != nil {
		if _, ended := m.w.s.d.HookError(err); ended || ctx.Err() != nil {
			return err
		}
	}
	if derr := m.dropKeys(ctx, c); derr != nil {
		return derr
	}
	return m.w.s.undo(ctx, c, m.before, err)
}

// dropKeys drops the table of keys.
func (m *merge) dropKeys(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, m.drop)
	if err == nil {
		m.w.s.temps--
	}
	return err
}
