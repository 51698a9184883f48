package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// partsOf are the names in "table" or "database.table".
func partsOf(table string) []string { return strings.SplitN(table, ".", 2) }

// quoteTable quotes them.
func quoteTable(d SessionDialect, table string) string {
	parts := partsOf(table)
	for i, p := range parts {
		parts[i] = d.Quote(p)
	}
	return strings.Join(parts, ".")
}

// quoteAll quotes names, as a list.
func quoteAll(d SessionDialect, names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = d.Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// describe gives a table's columns and unique indexes; an error if there is no
// such table.
func (s *Session) describe(ctx context.Context, table string) (Shape, error) {
	shape, err := s.look(ctx, table)
	if err != nil || len(shape.Columns) > 0 {
		return shape, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.readConn(ctx)
	if err == nil {
		err = s.spoolOn(ctx, c)
	}
	if err != nil {
		return shape, err
	}
	return shape, &engine.Failure{Kind: engine.KindError, Code: "db.missing", Message: s.noTable(ctx, c, table)}
}

// shapeFor is how long a table's shape is taken to stay the same. It is only
// remembered where no transaction can take the table back.
const shapeFor = 30 * time.Second

// look gives a table's columns and unique indexes; none if there is no such table.
func (s *Session) look(ctx context.Context, table string) (shape Shape, err error) {
	if shape, ok := s.dry.made[table]; ok {
		return shape, nil
	}
	switch shape, ok, err := s.lookBeside(ctx, table); {
	case err != nil:
		return shape, s.explain(ctx, err)
	case ok:
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
	if shape, err = s.d.DescribeTable(ctx, c, table); err != nil {
		return shape, s.explain(ctx, err)
	}
	return shape, nil
}

// lookBeside gives a table's shape where it can be remembered; false where the table is
// part of the transaction.
func (s *Session) lookBeside(ctx context.Context, table string) (shape Shape, ok bool, err error) {
	now := s.store.Clock.Boot()
	if v, known := s.store.shapes.Load(table); known && now-v.(Shape).at < shapeFor {
		return v.(Shape), true, nil
	}
	x, free, err := s.d.OwnConnection(ctx)
	if err != nil {
		return shape, false, err
	}
	if x == nil {
		return shape, false, nil
	}
	defer free()
	if shape, err = s.d.DescribeTable(ctx, x, table); err != nil {
		return shape, false, err
	}
	if shape.at = now; len(shape.Columns) > 0 {
		s.store.shapes.Store(table, shape)
	}
	return shape, true, nil
}

// checkEngine refuses a table that is kept without transactions: what a hook that
// fails has written would stay there, and be written again. It gives the table's
// shape, if it had to look.
func (s *Session) checkEngine(ctx context.Context, table string) (shape Shape, err error) {
	if !s.d.Engines() {
		return shape, nil
	}
	shape, err = s.look(ctx, table)
	if err != nil || shape.Engine == "" {
		return shape, err
	}
	return shape, &engine.Failure{Kind: engine.KindError, Code: "db.engine", Message: fmt.Sprintf(
		"table %s is kept by %s, which knows no transactions: rows would stay when the hook fails, and come twice when it runs again. Change it: ALTER TABLE %s ENGINE=InnoDB", table, shape.Engine, table)}
}

// Columns describes a table.
func (s *Session) Columns(ctx context.Context, table string) ([]engine.Column, error) {
	if err := s.store.CheckTable(table); err != nil {
		return nil, err
	}
	shape, err := s.describe(ctx, table)
	return shape.Columns, err
}

// Ensure creates the table if it is missing; one that is there must have the columns.
// Where a server would commit the job's transaction, it is made on a connection of its own.
func (s *Session) Ensure(ctx context.Context, table string, columns []engine.Column, key []string) (made bool, err error) {
	if err := s.store.CheckTable(table); err != nil {
		return false, err
	}
	create, err := s.d.CreateTable(table, columns, key)
	if err != nil {
		return false, err
	}
	if s.store.ReadOnly {
		return false, errReadOnly
	}
	for again := false; ; again = true {
		shape, err := s.look(ctx, table)
		if err != nil {
			return false, err
		}
		if len(shape.Columns) == 0 {
			break
		}
		if err = s.lacks(&shape, table, columns, key); err == nil || again {
			return false, err
		}
		s.store.shapes.Delete(table) // since it was looked at somebody may have altered it
	}
	x, free, err := s.d.OwnConnection(ctx)
	if err != nil {
		return false, s.store.wrap(err, "connect")
	}
	if x == nil {
		return true, s.makeTable(ctx, create)
	}
	defer free()
	if s.opts.Dry {
		return true, s.makeDry(ctx, table, create, columns, key)
	}
	if _, err := x.ExecContext(ctx, create); err != nil {
		return false, s.explain(ctx, err)
	}
	return true, nil
}

// lacks is an error if a table that is there cannot hold what columns are to hold.
func (s *Session) lacks(shape *Shape, table string, columns []engine.Column, key []string) error {
	var first error
	var add []string
	for _, c := range columns {
		have, inKey := shape.column(c.Name), slices.Contains(key, c.Name)
		switch {
		case have == nil && inKey:
			return &engine.Failure{Kind: engine.KindError, Code: "db.column", Message: fmt.Sprintf(
				"table %s is there, and has no column %q, which is to be in its key: ensure never alters a table, so give another name, or have this one made anew", table, c.Name)}
		case have == nil:
			if first == nil {
				first = shape.has(table, c.Name)
			}
			if sql, err := s.d.ColumnSQL(c, false); err == nil && len(add) < listedColumns {
				add = append(add, "ALTER TABLE "+quoteTable(s.d, table)+" ADD COLUMN "+sql)
			}
		case !slices.Contains(shape.Open, have.Name) && !keeps(have.Type, c.Type):
			return &engine.Failure{Kind: engine.KindError, Code: "db.column", Message: fmt.Sprintf(
				"column %q of table %s is of type %s, which does not keep values of type %s: ensure never alters a table, so ask for the type that it has, or change it outside of jobs", c.Name, table, have.Type, c.Type)}
		}
	}
	if first == nil {
		return nil
	}
	return &engine.Failure{Kind: engine.KindError, Code: "db.column", Message: first.Error() + ". ensure never alters a table; add what is missing outside of jobs: " + strings.Join(add, "; ")}
}

// keeps says whether a column of one type keeps all values of another, as its own or as
// text, or refuses them.
func keeps(have, want string) bool {
	a, n := kindOf(have)
	b, m := kindOf(want)
	switch {
	case a == "decimal" && b == "integer", a == "timestamp" && b == "date":
		return true
	case a == "text" && !strings.EqualFold(have, "json") && (b == "date" || b == "time" || b == "timestamp"): // as other tools make them
		return true
	}
	return a == b && n >= m
}

// kindOf is what kind of values a type has, and how many digits behind the point.
func kindOf(columnType string) (kind string, digits int) {
	kind, _, _ = strings.Cut(strings.ToLower(columnType), "(")
	switch kind = strings.TrimSpace(kind); kind {
	case "boolean":
		return "integer", 0
	case "json":
		return "text", 0
	case "decimal":
		if _, n, err := engine.ParseColumnType(columnType); err == nil && n[1] > 0 {
			return kind, n[1]
		}
		return "integer", 0
	}
	return kind, 0
}

// makeTable makes a table in the hook's transaction; where none is open, in one of its own,
// so that the table does not count as something that the hook has written.
func (s *Session) makeTable(ctx context.Context, create string) error {
	alone, marks := !s.Wrote() && !s.opts.Dry, s.marks
	err := s.run(ctx, func(c *sql.Conn) error {
		_, err := c.ExecContext(ctx, create)
		return err
	})
	if err != nil || !alone {
		return err
	}
	if _, err = s.Ready(ctx); err != nil {
		return err
	}
	if err = s.Commit(ctx); err != nil {
		return s.store.wrap(err, "COMMIT")
	}
	s.marks = marks // of before the transaction that comes next
	return nil
}

// checkKey says whether the key belongs to a unique index, and whether there
// are others besides it. what is the function, for errors.
func (s *Session) checkKey(ctx context.Context, table string, spec engine.Upsert, what string) (shape Shape, guarded bool, err error) {
	if len(spec.Key) == 0 {
		return shape, false, &engine.Failure{Kind: engine.KindError, Code: "usage", Message: what + " needs the key: the columns of a unique index, key = [\"id\"]"}
	}
	if shape, err = s.describe(ctx, table); err != nil {
		return shape, false, err
	}
	for _, k := range slices.Concat(spec.Key, spec.Update) {
		if err := shape.has(table, k); err != nil {
			return shape, false, err
		}
	}
	found := false
	guarded = shape.Loose
	for _, u := range shape.Unique {
		if sameSet(u, spec.Key) {
			found = true
		} else {
			guarded = true
		}
	}
	if !found {
		have := "it has none"
		if len(shape.Unique) > 0 {
			var list []string
			for _, u := range shape.Unique {
				list = append(list, "["+strings.Join(u, ", ")+"]")
			}
			have = "it has " + strings.Join(list, ", ")
		}
		return shape, false, &engine.Failure{Kind: engine.KindError, Code: "db.key", Message: fmt.Sprintf("%s of %s: [%s] is no unique index of the table; %s", what, table, strings.Join(spec.Key, ", "), have)}
	}
	return shape, guarded, checkNewer(shape, table, spec)
}

// odd finds a value in a column of a key that is the same as what a row may have, but is
// written in another way, so that the database does not take them for the same.
func (s *Session) odd(ctx context.Context, table, column string, fit Fit) (value string, found bool, err error) {
	if fit.Odd == nil || fit.Odd(column) == "" {
		return "", false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.readConn(ctx)
	if err != nil {
		return "", false, err
	}
	if err := s.spoolOn(ctx, c); err != nil {
		return "", false, err
	}
	err = c.QueryRowContext(ctx, "SELECT CAST("+s.d.Quote(column)+" AS TEXT) FROM "+quoteTable(s.d, table)+" WHERE "+fit.Odd(column)+" LIMIT 1").Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, s.explain(ctx, err)
	}
	return value, true, nil
}

// checkNewer says whether a column can tell versions: of a type that has the
// same order on every store.
func checkNewer(shape Shape, table string, spec engine.Upsert) error {
	if spec.Newer == "" {
		return nil
	}
	if err := shape.has(table, spec.Newer); err != nil {
		return err
	}
	if indexFold(spec.Key, spec.Newer) >= 0 {
		return &engine.Failure{Kind: engine.KindError, Code: "usage", Message: fmt.Sprintf("newer: %q is part of the key, so it cannot tell versions of a row", spec.Newer)}
	}
	typ := shape.typeOf(spec.Newer)
	switch name, _, err := engine.ParseColumnType(typ); {
	case err != nil:
	case name == "integer", name == "float", name == "text", name == "date", name == "timestamp", name == "decimal":
		return nil
	}
	return &engine.Failure{Kind: engine.KindError, Code: "usage", Message: fmt.Sprintf("newer: column %q of %s is of type %s, which cannot tell versions: use an integer, a decimal, a float, a date, a timestamp or a text", spec.Newer, table, typ)}
}

// has is an error unless the table has the column.
func (s *Shape) has(table, column string) error {
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = c.Name
	}
	if indexFold(names, column) >= 0 {
		return nil
	}
	return &engine.Failure{Kind: engine.KindError, Code: "db.column", Message: noColumn(table, column, names)}
}

// listedColumns is how many columns of a table an error lists.
const listedColumns = 30

// noColumn says that a table has no such column.
func noColumn(table, column string, names []string) string {
	like, more := engine.Suggest(column, names), ""
	if n := len(names) - listedColumns; n > 0 {
		names, more = names[:listedColumns], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("table %s has no column %q%s: it has %s%s", table, column, like, strings.Join(names, ", "), more)
}

// noTable says that there is no such table, and which one is like it.
func (s *Session) noTable(ctx context.Context, x Execer, table string) string {
	like, err := s.d.Tables(ctx, x)
	if err != nil {
		like = nil
	}
	like = slices.DeleteFunc(like, func(n string) bool { return s.store.CheckTable(n) != nil })
	return fmt.Sprintf("there is no table %s%s: make it with db.ensure(%q, {...})", table, engine.Suggest(table, like), table)
}

// column is a column by its name, or nil.
func (s *Shape) column(name string) *engine.Column {
	for i := range s.Columns {
		if strings.EqualFold(s.Columns[i].Name, name) {
			return &s.Columns[i]
		}
	}
	return nil
}

// typeOf is the type of a column, or "".
func (s *Shape) typeOf(name string) string {
	if c := s.column(name); c != nil {
		return c.Type
	}
	return ""
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if indexFold(b, x) < 0 {
			return false
		}
	}
	return true
}
