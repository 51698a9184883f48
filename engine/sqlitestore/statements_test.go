package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

func TestBindMoments(t *testing.T) {
	t.Parallel()
	const a, b = "2026-11-26 18:05:33.000000", "2026-11-26 18:05:34.000000"
	lit := func(s string) string { return "'" + s + "'" + moment }
	for _, c := range []struct {
		query string
		args  []any
		want  string
		bound []any
	}{
		{"SELECT ?", []any{1}, "SELECT ?", []any{1}},
		{"SELECT " + lit(a), nil, "SELECT ?1", []any{a}},
		{"INSERT INTO t VALUES (?, " + lit(a) + ", ?, " + lit(a) + "), (?, " + lit(b) + ", 'why?', \"a?\")", []any{1, 2, 3},
			"INSERT INTO t VALUES (?, ?2, ?, ?2), (?, ?5, 'why?', \"a?\")", []any{1, a, 2, 3, b}},
		{"SELECT 'it''s', ?, " + lit(a), []any{1}, "SELECT 'it''s', ?, ?2", []any{1, a}},
		{"SELECT 'x'" + moment, nil, "SELECT 'x'" + moment, nil}, // no point in time
		{"SELECT ?2, " + lit(a), []any{1, 2}, "SELECT ?2, " + lit(a), []any{1, 2}},
		{"SELECT ?, " + lit(a), []any{1, 2}, "SELECT ?, " + lit(a), []any{1, 2}}, // too many
	} {
		var args []driver.NamedValue
		for i, v := range c.args {
			args = append(args, driver.NamedValue{Ordinal: i + 1, Value: v})
		}
		got, bound := bindMoments(c.query, args)
		var values []any
		for i, v := range bound {
			if v.Ordinal != i+1 {
				t.Errorf("%s: argument %d has the ordinal %d", c.query, i+1, v.Ordinal)
			}
			values = append(values, v.Value)
		}
		if got != c.want || fmt.Sprint(values) != fmt.Sprint(c.bound) {
			t.Errorf("%s\n  got  %s %v\n  want %s %v", c.query, got, values, c.want, c.bound)
		}
	}
}

// keeperOf is a connection's keeper.
func keeperOf(t *testing.T, c *sql.Conn) (k *keeper) {
	t.Helper()
	if err := c.Raw(func(dc any) error { k = dc.(*keeper); return nil }); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestStatementsAreKept(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Handle().Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	exec := func(q string, args ...any) {
		t.Helper()
		if _, err := c.ExecContext(ctx, q, args...); err != nil {
			t.Fatal(err)
		}
	}
	count := func(want int) {
		t.Helper()
		var n int
		if err := c.QueryRowContext(ctx, "SELECT COUNT(*) FROM x").Scan(&n); err != nil || n != want {
			t.Fatalf("%d rows, %v; want %d", n, err, want)
		}
	}
	exec("CREATE TABLE x (a INTEGER PRIMARY KEY, b TEXT)")
	insert := func(a any) error {
		_, err := c.ExecContext(ctx, "INSERT INTO x VALUES (?, "+dialect{clock: engine.SystemClock{}}.Now()+")", a)
		return err
	}
	k := keeperOf(t, c)
	before := k.used.Len()
	for a := range 3 {
		if err := insert(a); err != nil {
			t.Fatal(err)
		}
	}
	if n := k.used.Len() - before; n != 1 {
		t.Errorf("%d statements are kept of one that differs by the time alone", n)
	}
	count(3)
	if err := insert(1); err == nil {
		t.Error("a duplicate was taken")
	}
	if err := insert(7); err != nil {
		t.Errorf("after an error: %v", err)
	}
	count(4)

	// One that is being read is not run a second time.
	rows, err := c.QueryContext(ctx, "SELECT a FROM x ORDER BY a")
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	var again int
	if err := c.QueryRowContext(ctx, "SELECT a FROM x ORDER BY a").Scan(&again); err != nil {
		t.Fatal(err)
	}
	var got []int
	for more := true; more; more = rows.Next() {
		var a int
		if err := rows.Scan(&a); err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	rows.Close()
	if fmt.Sprint(got) != "[0 1 2 7]" || again != 0 {
		t.Errorf("read %v, and %d", got, again)
	}

	// The table changes under them.
	exec("ALTER TABLE x ADD COLUMN c INTEGER")
	r, err := c.QueryContext(ctx, "SELECT * FROM x")
	if err != nil {
		t.Fatal(err)
	}
	if names, _ := r.Columns(); len(names) != 3 {
		t.Errorf("columns: %v", names)
	}
	r.Close()
	exec("DROP TABLE x")
	if err := insert(8); err == nil {
		t.Error("a row went into a table that is gone")
	}

	// What is kept is bounded.
	for i := range 2 * keptStatements {
		exec(fmt.Sprintf("SELECT %d", i))
	}
	if k.used.Len() != keptStatements || len(k.kept) != keptStatements {
		t.Errorf("%d statements are kept", k.used.Len())
	}
	for i := range 20 {
		exec("SELECT '" + strings.Repeat("x", keptText/10+i) + "'")
	}
	sum := 0
	for q := range k.kept {
		sum += len(q)
	}
	if sum > keptText || sum != k.text {
		t.Errorf("%d bytes of SQL are kept, and %d counted", sum, k.text)
	}
}

func TestCancellingAKeptStatement(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const q = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT COUNT(*) FROM n"
	run := func(ctx context.Context, most int) error {
		return s.Handle().QueryRowContext(ctx, q, most).Scan(new(int))
	}
	if err := run(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := run(ctx, 1<<40); err == nil || ctx.Err() == nil {
		t.Errorf("it was not cancelled: %v", err)
	}
	if err := run(t.Context(), 10); err != nil {
		t.Errorf("after a cancellation: %v", err)
	}
}

func TestScratchIsAsNew(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := OpenScratch(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	save := func(names ...string) map[string]engine.TypeID {
		t.Helper()
		var types []engine.TypeRecord
		for _, n := range names {
			types = append(types, engine.TypeRecord{Name: n})
		}
		ids, err := s.SaveTypes(ctx, types)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	kept := save("kept")["kept"]
	if err := s.Keep(ctx); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		ids := save("kept", "another")
		if ids["kept"] != kept || ids["another"] != kept+1 {
			t.Errorf("round %d: types %v", round, ids)
		}
		made, err := s.Enqueue(ctx, []engine.JobInsert{{Type: ids["another"], Phase: engine.PhaseConsume}})
		if err != nil {
			t.Fatal(err)
		}
		if made[0].ID != 1 {
			t.Errorf("round %d: the first job is %d", round, made[0].ID)
		}
		if _, err := s.Handle().ExecContext(ctx, "CREATE TABLE mine (id INTEGER PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		if tables, err := s.Tables(ctx); err != nil || fmt.Sprint(tables) != "[mine]" {
			t.Errorf("tables: %v, %v", tables, err)
		}
		if err := s.Reset(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if tables, err := s.Tables(ctx); err != nil || len(tables) > 0 {
		t.Errorf("tables: %v, %v", tables, err)
	}
	c, err := s.Handle().Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(ctx); err == nil {
		t.Error("it was reset while it is used")
	}
	c.Close()
}
