package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
		s.sent(m.part, false)
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
	insert string
	drop   string
	total  int64 // rows of the part at first
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
	create, insert, drop := s.d.KeyTable(m.name, m.w.table, m.spec.Key, m.u.shape.typeOf)
	m.insert, m.drop = insert, drop
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
	if err := m.u.flush(ctx, c, b); err != nil {
		return err
	}
	args := make([]any, 0, b.count*len(m.spec.Key))
	for r := range b.count {
		for _, k := range m.spec.Key {
			v := b.args[r*len(b.names)+indexFold(b.names, k)]
			if v == nil {
				return &engine.Failure{Kind: engine.KindError, Code: "db.value", Row: b.at[r], Message: fmt.Sprintf("row %d: column %q of its key is None, and no row of the table could be known by it", b.at[r], k)}
			}
			args = append(args, v)
		}
	}
	_, err := c.ExecContext(ctx, m.insert+strings.TrimSuffix(strings.Repeat("("+marks(len(m.spec.Key))+"),", b.count), ","), args...)
	return err
}

// refusedRow notes the key of a row that could not be written, so that the one that
// is there stays.
func (m *merge) refusedRow(ctx context.Context, row engine.Row) error {
	args := make([]any, len(m.spec.Key))
	for i, k := range m.spec.Key {
		at := indexFold(row.Names, k)
		if at < 0 || row.Values[at] == nil {
			return nil
		}
		v := row.Values[at]
		if fit := m.w.fits.Of(k); fit != nil {
			why := ""
			if v, why = fit(v); why != "" {
				return nil // no row of the table can have such a key
			}
		}
		args[i] = m.w.s.d.ToDB(v)
	}
	s := m.w.s
	return s.run(ctx, func(c *sql.Conn) error {
		before := s.newPoint("ds_refused")
		if err := before.set(ctx, c); err != nil {
			return err
		}
		_, err := c.ExecContext(ctx, m.insert+"("+marks(len(args))+")", args...)
		if err == nil {
			return before.release(ctx, c)
		}
		said, ended := s.hookError(err)
		if f := engine.AsFailure(said); ended || ctx.Err() != nil || f.Code != "db.value" && f.Code != "db.constraint" {
			return err
		}
		return s.undo(ctx, c, before, nil) // no row of the table can have such a key
	})
}

// same is the condition that a row of the table of keys, k, is the key of one of the
// table.
func (m *merge) same() string {
	d := m.w.s.d
	var on []string
	for _, k := range m.spec.Key {
		left := "k." + d.Quote(k)
		if typ := m.u.shape.typeOf(k); strings.HasPrefix(typ, "decimal") {
			left = d.Comparable(left, typ)
		}
		on = append(on, left+" = "+d.Quote(bare(m.w.table))+"."+d.Quote(k))
	}
	return strings.Join(on, " AND ")
}

// outside is an error if a row that was given is not of the part: it would overwrite
// one of another part, and no later merge of this one would know it.
func (m *merge) outside(ctx context.Context, c *sql.Conn) error {
	if m.part == "" {
		return nil
	}
	s := m.w.s
	row := "(SELECT 1 FROM " + quoteTable(s.d, m.w.table) + " WHERE " + m.same()
	q := "SELECT " + quoteAll(s.d, m.spec.Key) + " FROM " + s.d.Quote(m.name) + " k WHERE EXISTS " + row + // one that was rejected may be in none
		") AND NOT EXISTS " + row + " AND " + m.part + ") LIMIT 1"
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
	from := " FROM " + quoteTable(d, m.w.table) + " WHERE "
	if m.part != "" {
		from += m.part + " AND "
	}
	from += "NOT EXISTS (SELECT 1 FROM " + d.Quote(m.name) + " k WHERE " + m.same() + ")"
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
