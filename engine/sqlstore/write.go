package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

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
	return w.all(ctx, rows, func(c *sql.Conn) error {
		n, err := w.exec(ctx, c, "")
		w.stats["inserted"] += n
		return err
	})
}

// Upsert inserts rows, or updates those whose key is there already. The key
// must be that of a unique index: otherwise the database could not tell.
func (s *Session) Upsert(ctx context.Context, table string, rows engine.RowSource, spec engine.Upsert) (engine.Stats, error) {
	w, err := s.newWriter(ctx, table)
	if err != nil {
		return nil, err
	}
	w.key = spec.Key
	guarded, err := s.checkKey(ctx, w, spec)
	if err != nil {
		return nil, err
	}
	return w.all(ctx, rows, func(c *sql.Conn) error {
		update := spec.Update
		if update == nil {
			update = slices.DeleteFunc(slices.Clone(w.names), func(n string) bool { return slices.Contains(spec.Key, n) })
		}
		for _, k := range spec.Key {
			if !slices.Contains(w.names, k) {
				return &engine.Failure{Kind: engine.KindError, Code: "db.column", Message: fmt.Sprintf("a row has no column %q, which is part of the key: it has %s", k, strings.Join(w.names, ", "))}
			}
		}
		had, err := w.existing(ctx, c)
		if err != nil {
			return err
		}
		n, err := w.exec(ctx, c, s.d.UpsertSQL(table, w.names, spec.Key, update, guarded))
		if err != nil {
			return err
		}
		fresh := w.count - had
		changed := s.d.Updated(n, fresh)
		w.stats["inserted"] += int64(fresh)
		w.stats["updated"] += changed
		w.stats["unchanged"] += int64(had) - changed
		return nil
	})
}

// checkKey says whether the key belongs to a unique index, and whether there
// are others besides it.
func (s *Session) checkKey(ctx context.Context, w *writer, spec engine.Upsert) (guarded bool, err error) {
	if len(spec.Key) == 0 {
		return false, &engine.Failure{Kind: engine.KindError, Code: "usage", Message: "upsert needs the key: the columns of a unique index, key = [\"id\"]"}
	}
	shape, err := s.describe(ctx, w.table)
	if err != nil {
		return false, err
	}
	unique := shape.unique
	names := make([]string, len(shape.columns))
	for i, c := range shape.columns {
		names[i] = c.Name
	}
	for _, k := range append(slices.Clone(spec.Key), spec.Update...) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, k) }) {
			return false, &engine.Failure{Kind: engine.KindError, Code: "db.column", Message: fmt.Sprintf("table %s has no column %q: it has %s", w.table, k, strings.Join(names, ", "))}
		}
	}
	found := false
	for _, u := range unique {
		if sameSet(u, spec.Key) {
			found = true
		} else {
			guarded = true
		}
	}
	if !found {
		have := "it has none"
		if len(unique) > 0 {
			var list []string
			for _, u := range unique {
				list = append(list, "["+strings.Join(u, ", ")+"]")
			}
			have = "it has " + strings.Join(list, ", ")
		}
		return false, &engine.Failure{Kind: engine.KindError, Code: "db.key", Message: fmt.Sprintf("upsert into %s: its key [%s] is no unique index of the table; %s", w.table, strings.Join(spec.Key, ", "), have)}
	}
	return guarded, nil
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y string) bool { return strings.EqualFold(x, y) }) {
			return false
		}
	}
	return true
}

// writer gathers rows into statements.
type writer struct {
	s     *Session
	table string
	stats engine.Stats
	key   []string // for upserts

	names []string
	shape *string // address of the names of the last row, to tell quickly that they are the same
	count int
	size  int
	args  []any
	seen  map[string]bool // keys in the batch: one that comes twice begins another
}

func (s *Session) newWriter(ctx context.Context, table string) (*writer, error) {
	if err := s.store.CheckTable(table); err != nil {
		return nil, err
	}
	return &writer{s: s, table: table, stats: engine.Stats{"inserted": 0, "updated": 0, "unchanged": 0, "deleted": 0, "skipped": 0}}, nil
}

// all writes all rows of a source; flush writes one batch.
func (w *writer) all(ctx context.Context, rows engine.RowSource, flush func(*sql.Conn) error) (engine.Stats, error) {
	write := func() error {
		if w.count == 0 {
			return nil
		}
		err := w.s.run(ctx, flush)
		w.count, w.size, w.args = 0, 0, w.args[:0]
		clear(w.seen)
		return err
	}
	for {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			return w.stats, write()
		}
		if err != nil {
			return w.stats, err
		}
		if len(row.Names) == 0 {
			w.stats["skipped"]++ // None
			continue
		}
		if w.count > 0 && (!w.fits(row) || w.repeats(row)) {
			if err := write(); err != nil {
				return w.stats, err
			}
		}
		if err := w.add(row); err != nil {
			return w.stats, err
		}
	}
}

// fits says whether a row can go into the statement that is being gathered.
func (w *writer) fits(row engine.Row) bool {
	if w.count >= writeRows || w.size >= writeBytes || len(w.args)+len(row.Names) > w.s.store.D.MaxParams() {
		return false
	}
	return w.shape == &row.Names[0] || slices.Equal(w.names, row.Names) || sameNames(w.names, row.Names)
}

func sameNames(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, n := range b {
		if !slices.Contains(a, n) {
			return false
		}
	}
	return true
}

// repeats says whether the row's key is in the statement already.
func (w *writer) repeats(row engine.Row) bool {
	return w.key != nil && w.seen[w.keyOf(row)]
}

// keyOf is the row's key as text.
func (w *writer) keyOf(row engine.Row) string {
	var b strings.Builder
	for _, k := range w.key {
		if i := slices.Index(row.Names, k); i >= 0 {
			fmt.Fprintf(&b, "%v\x00", row.Values[i])
		}
	}
	return b.String()
}

func (w *writer) add(row engine.Row) error {
	if len(row.Names) != len(row.Values) {
		return engine.Errorf(engine.CodeInternal, "a row has %d names and %d values", len(row.Names), len(row.Values))
	}
	if w.count == 0 {
		w.names = row.Names
	}
	w.shape = &row.Names[0]
	if w.key != nil {
		if w.seen == nil {
			w.seen = map[string]bool{}
		}
		w.seen[w.keyOf(row)] = true
	}
	same := &w.names[0] == &row.Names[0] || slices.Equal(w.names, row.Names)
	for i, n := range w.names {
		k := i
		if !same {
			k = slices.Index(row.Names, n)
		}
		v := w.s.d.ToDB(row.Values[k])
		switch x := v.(type) {
		case string:
			w.size += len(x)
		case []byte:
			w.size += len(x)
		}
		w.size += 8
		w.args = append(w.args, v)
	}
	w.count++
	return nil
}

// exec runs the INSERT of what was gathered.
func (w *writer) exec(ctx context.Context, c *sql.Conn, tail string) (int64, error) {
	quoted := make([]string, len(w.names))
	for i, n := range w.names {
		quoted[i] = w.s.d.Quote(n)
	}
	tuple := "(" + marks(len(w.names)) + ")"
	q := "INSERT INTO " + w.quoteTable() + " (" + strings.Join(quoted, ", ") + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(tuple+",", w.count), ",") + tail
	r, err := c.ExecContext(ctx, q, w.args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// existing counts the rows of the batch whose key is in the table.
func (w *writer) existing(ctx context.Context, c *sql.Conn) (n int, err error) {
	at := make([]int, len(w.key))
	quoted := make([]string, len(w.key))
	for i, k := range w.key {
		at[i], quoted[i] = slices.Index(w.names, k), w.s.d.Quote(k)
	}
	args := make([]any, 0, w.count*len(w.key))
	for r := range w.count {
		for _, i := range at {
			args = append(args, w.args[r*len(w.names)+i])
		}
	}
	cond := quoted[0] + " IN (" + marks(w.count) + ")"
	if len(w.key) > 1 {
		tuple := "(" + marks(len(w.key)) + ")"
		cond = "(" + strings.Join(quoted, ", ") + ") IN (" + w.tuples(tuple) + ")"
	}
	rows, err := c.QueryContext(ctx, "SELECT COUNT(*) FROM "+w.quoteTable()+" WHERE "+cond, args...)
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

func (w *writer) tuples(tuple string) string {
	list := strings.TrimSuffix(strings.Repeat(tuple+",", w.count), ",")
	if w.s.store.D.Name() == "sqlite" {
		return "VALUES " + list // a list of row values is spelt so there
	}
	return list
}

func (w *writer) quoteTable() string { return quoteTable(w.s.d, w.table) }

// quoteTable quotes "table" or "database.table".
func quoteTable(d SessionDialect, table string) string {
	parts := strings.SplitN(table, ".", 2)
	for i, p := range parts {
		parts[i] = d.Quote(p)
	}
	return strings.Join(parts, ".")
}

// describe gives a table's columns and unique indexes; an error if there is no
// such table.
func (s *Session) describe(ctx context.Context, table string) (tableShape, error) {
	shape, err := s.look(ctx, table)
	if err == nil && len(shape.columns) == 0 {
		err = &engine.Failure{Kind: engine.KindError, Code: "db.missing", Message: fmt.Sprintf("there is no table %s: make it with db.ensure(%q, {...})", table, table)}
	}
	return shape, err
}

// tableShape is what is known of a script's table.
type tableShape struct {
	columns []engine.Column
	unique  [][]string
	at      time.Duration // when it was looked at
}

// shapeFor is how long a table's shape is taken to stay the same. It is only
// remembered where no transaction can take the table back.
const shapeFor = 30 * time.Second

// look gives a table's columns and unique indexes; none if there is no such table.
func (s *Session) look(ctx context.Context, table string) (shape tableShape, err error) {
	now := s.store.Clock.Boot()
	if v, ok := s.store.shapes.Load(table); ok && now-v.(tableShape).at < shapeFor {
		return v.(tableShape), nil
	}
	shape.at = now
	x, free, err := s.d.OwnConnection(ctx)
	if err != nil {
		return shape, s.store.wrap(err, "connect")
	}
	if x != nil {
		defer free()
		if shape.columns, shape.unique, err = s.d.DescribeTable(ctx, x, table); err != nil {
			return shape, s.explain(ctx, err)
		}
		if len(shape.columns) > 0 {
			s.store.shapes.Store(table, shape)
		}
		return shape, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.readConn(ctx)
	if err != nil {
		return shape, err
	}
	if err := s.spoolOn(ctx, c); err != nil {
		return shape, err
	}
	if shape.columns, shape.unique, err = s.d.DescribeTable(ctx, c, table); err != nil {
		return shape, s.explain(ctx, err)
	}
	return shape, nil
}

// Columns describes a table.
func (s *Session) Columns(ctx context.Context, table string) ([]engine.Column, error) {
	if err := s.store.CheckTable(table); err != nil {
		return nil, err
	}
	shape, err := s.describe(ctx, table)
	return shape.columns, err
}

// Ensure creates the table if it is missing. Where a server would commit the
// job's transaction, it is made on a connection of its own.
func (s *Session) Ensure(ctx context.Context, table string, columns []engine.Column, key []string) (made bool, err error) {
	if err := s.store.CheckTable(table); err != nil {
		return false, err
	}
	create, err := s.d.CreateTable(table, columns, key)
	if err != nil {
		return false, err
	}
	shape, err := s.look(ctx, table)
	if err != nil || len(shape.columns) > 0 {
		return false, err
	}
	x, free, err := s.d.OwnConnection(ctx)
	if err != nil {
		return false, s.store.wrap(err, "connect")
	}
	if x == nil {
		return true, s.run(ctx, func(c *sql.Conn) error {
			_, err := c.ExecContext(ctx, create)
			return err
		})
	}
	defer free()
	if _, err := x.ExecContext(ctx, create); err != nil {
		return false, s.explain(ctx, err)
	}
	return true, nil
}
