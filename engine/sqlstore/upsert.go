package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Upsert inserts rows, or updates those whose key is there already. The key
// must be that of a unique index: otherwise the database could not tell.
func (s *Session) Upsert(ctx context.Context, table string, rows engine.RowSource, spec engine.Upsert) (engine.Stats, error) {
	w, err := s.newWriter(ctx, table)
	if err != nil {
		return nil, err
	}
	if _, err = s.newUpserter(ctx, w, spec, "upsert"); err != nil {
		return nil, err
	}
	return w.all(ctx, rows)
}

// upserter writes batches of rows that may be there already.
type upserter struct {
	w     *writer
	spec  engine.Upsert
	shape Shape
	tail  UpsertTail

	// Where the database counts the rows that were there: what comes before the
	// statement, and what asks for the number if it does not come with the answer.
	before, after string

	names []string // that the tail was made for
	sql   string
}

func (s *Session) newUpserter(ctx context.Context, w *writer, spec engine.Upsert, what string) (*upserter, error) {
	shape, guarded, err := s.checkKey(ctx, w.table, spec, what)
	if err != nil {
		return nil, err
	}
	if err := s.checkForms(ctx, w, spec.Key, what); err != nil {
		return nil, err
	}
	u := &upserter{w: w, spec: spec, shape: shape, tail: UpsertTail{Table: w.table, Key: spec.Key, Guarded: guarded, Newer: spec.Newer}}
	u.tail.TypeOf = u.shape.typeOf
	if spec.Newer != "" {
		u.tail.NewerType = shape.typeOf(spec.Newer)
	}
	u.before, u.after = s.d.CountUpserts()
	if u.before == "" {
		w.once = spec.Key
	}
	w.flush, w.has, w.key = u.flush, u.has, spec.Key
	return u, nil
}

// checkForms refuses a key with a value by which no row would know it. What it finds is
// remembered, and a table that is ours is not looked through for a few rows.
func (s *Session) checkForms(ctx context.Context, w *writer, key []string, what string) error {
	if w.fits.Ours && what != "merge" {
		return nil
	}
	for _, k := range key {
		now, column := s.store.Clock.Boot(), w.table+"\x00"+k
		if at, ok := s.store.even.Load(column); ok && now-at.(time.Duration) < shapeFor {
			continue
		}
		switch value, found, err := s.odd(ctx, w.table, k, w.fits); {
		case err != nil:
			return err
		case found:
			return &engine.Failure{Kind: engine.KindError, Code: "db.key", Message: fmt.Sprintf(
				"%s of %s: another program has written %q into the column %s of the key, which is not how it is written here, so rows that are the same would come twice: take another key", what, w.table, value, k)}
		}
		s.store.even.Store(column, now)
	}
	return nil
}

// flush writes a batch.
func (u *upserter) flush(ctx context.Context, c *sql.Conn, b *batch) error {
	counting := u.before != "" && !u.numbers(b)
	u.prepare(b, counting)
	var had int64
	var err error
	if !counting {
		had, err = u.existing(ctx, c, b)
	} else {
		_, err = c.ExecContext(ctx, u.before)
	}
	if err != nil {
		return err
	}
	r, err := u.w.exec(ctx, c, b, u.sql)
	if err != nil {
		return err
	}
	if counting {
		// The answer may hold the row's own number, and a trigger may have it hold none.
		if had, err = r.LastInsertId(); err == nil && (had == 0 || u.shape.Auto != "") {
			had, err = number(ctx, c, u.after)
		}
		if err != nil {
			return err
		}
	}
	n, err := r.RowsAffected()
	if err != nil {
		return err
	}
	fresh := int64(b.count) - had
	if !counting && u.w.once == nil { // several rows of the batch may have one key
		have, err := u.existing(ctx, c, b)
		if err != nil {
			return err
		}
		fresh = have - had + u.unknown(b)
	}
	changed := u.w.s.d.Updated(n, fresh, int64(b.count))
	u.w.stats["inserted"] += fresh
	u.w.stats["updated"] += changed
	u.w.stats["unchanged"] += int64(b.count) - fresh - changed
	return nil
}

// numbers says whether the database may number rows of the batch.
func (u *upserter) numbers(b *batch) bool {
	if u.shape.Auto == "" {
		return false
	}
	i := indexFold(b.names, u.shape.Auto)
	if i < 0 {
		return true
	}
	for ; i < len(b.args); i += len(b.names) {
		if b.args[i] == nil {
			return true
		}
	}
	return false
}

// unknown counts the rows of the batch that are not found by what they have for a key,
// because a part of it is NULL.
func (u *upserter) unknown(b *batch) (n int64) {
	for r := range b.count {
		if slices.ContainsFunc(u.spec.Key, func(k string) bool {
			return b.args[r*len(b.names)+indexFold(b.names, k)] == nil
		}) {
			n++
		}
	}
	return n
}

// prepare makes the end of the statement.
func (u *upserter) prepare(b *batch, counting bool) {
	if u.sql != "" && u.tail.Counting == counting && slices.Equal(u.names, b.names) {
		return
	}
	update := slices.Clone(u.spec.Update)
	if u.spec.Update == nil {
		update = slices.DeleteFunc(slices.Clone(b.names), func(n string) bool { return indexFold(u.spec.Key, n) >= 0 })
	}
	if u.spec.Newer != "" {
		// It comes last: the others are compared with the version that is there.
		update = slices.DeleteFunc(update, func(n string) bool { return strings.EqualFold(n, u.spec.Newer) })
		update = append(update, u.spec.Newer)
	}
	u.tail.Update, u.tail.Counting, u.names = update, counting, slices.Clone(b.names)
	u.sql = u.w.s.d.UpsertSQL(u.tail)
}

// has refuses a row without a column by which it is known, or its version is.
func (u *upserter) has(row engine.Row) error {
	lacks := func(column, why string) error {
		return &engine.Failure{Kind: engine.KindError, Code: "db.column", Row: row.At, Message: fmt.Sprintf("row %d: it has no column %q, %s, but %s%s", row.At, column, why, strings.Join(row.Names, ", "), engine.OtherSeparator(row.Names))}
	}
	for _, k := range u.spec.Key {
		if indexFold(row.Names, k) < 0 {
			return lacks(k, "which is part of the key")
		}
	}
	if u.spec.Newer != "" && indexFold(row.Names, u.spec.Newer) < 0 {
		return lacks(u.spec.Newer, "which tells versions (newer)")
	}
	return nil
}

// existing counts the rows of the batch whose key is in the table.
func (u *upserter) existing(ctx context.Context, c *sql.Conn, b *batch) (int64, error) {
	at := make([]int, len(u.spec.Key))
	for i, k := range u.spec.Key {
		at[i] = indexFold(b.names, k)
	}
	args := make([]any, 0, b.count*len(at))
	for r := range b.count {
		for _, i := range at {
			args = append(args, b.args[r*len(b.names)+i])
		}
	}
	d := u.w.s.d
	cond := d.Quote(u.spec.Key[0]) + " IN (" + marks(b.count) + ")"
	if len(at) > 1 {
		list := strings.TrimSuffix(strings.Repeat("("+marks(len(at))+"),", b.count), ",")
		if u.w.s.store.D.Name() == "sqlite" {
			list = "VALUES " + list // a list of row values is spelt so there
		}
		cond = "(" + quoteAll(d, u.spec.Key) + ") IN (" + list + ")"
	}
	return number(ctx, c, "SELECT COUNT(*) FROM "+quoteTable(d, u.w.table)+" WHERE "+cond, args...)
}

// number is the number that a query gives.
func number(ctx context.Context, c *sql.Conn, q string, args ...any) (n int64, err error) {
	rows, err := c.QueryContext(ctx, q, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if rows.Next() {
		err = rows.Scan(&n)
	}
	if err == nil {
		err = rows.Err()
	}
	return n, err
}

func indexFold(names []string, name string) int {
	return slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
