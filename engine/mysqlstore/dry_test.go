package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

// What no rollback takes back, by itself or by what it calls; %s is another
// database.
var notTakenBack = []struct{ sql, says string }{
	{"INSERT INTO flat VALUES (1)", "table flat is kept by MyISAM"},
	{"INSERT INTO FLAT VALUES (1)", ""}, // a name in another case may be another table, or the same
	{"INSERT INTO `flat` VALUES (1)", "kept by MyISAM"},
	{"INSERT INTO %s.flat2 VALUES (1)", "table flat2 is kept by MyISAM"},
	{"INSERT INTO `%s` . `flat2` VALUES (1)", "table flat2 is kept by MyISAM"},
	{"INSERT INTO /* a */ %s -- b\n . flat2 VALUES (1)", "table flat2 is kept by MyISAM"},
	{"UPDATE good, %s.flat2 SET flat2.id = 2", "table flat2 is kept by MyISAM"},
	{"DELETE FROM flat_view", "table flat is kept by MyISAM, which knows no transactions: what is written to it could not be taken back here, and view "},
	{"INSERT INTO flat_view VALUES (1)", "table flat is kept by MyISAM"},
	{"INSERT INTO far_view VALUES (1)", "table flat2 is kept by MyISAM"},
	{"INSERT INTO view_of_view VALUES (1)", "table flat is kept by MyISAM"},
	{"INSERT INTO watched VALUES (1)", "table flat is kept by MyISAM, which knows no transactions: what is written to it could not be taken back here, and trigger "},
	{"INSERT INTO watched_view VALUES (1)", "table flat is kept by MyISAM"},
	{"INSERT INTO far_watched VALUES (1)", "table flat2 is kept by MyISAM"},
	{"INSERT INTO chained VALUES (1)", "table flat is kept by MyISAM"},
	{"INSERT INTO calling VALUES (1)", "table flat is kept by MyISAM"},
	{"INSERT INTO good VALUES (writes_flat())", "table flat is kept by MyISAM, which knows no transactions: what is written to it could not be taken back here, and function "},
	{"INSERT INTO good VALUES (%s.writes_far())", "table flat2 is kept by MyISAM"},
	{"UPDATE good SET id = 2 WHERE id = Writes_Flat()", "table flat is kept by MyISAM"},
	{"SELECT writes_flat()", "table flat is kept by MyISAM"},
	{"WITH x AS (SELECT writes_flat() AS n) SELECT n FROM x", "table flat is kept by MyISAM"},
	{"SELECT `%s`.`writes_far`()", "table flat2 is kept by MyISAM"},
	{"SELECT calls_commit()", "uses the word COMMIT"},
	{"SELECT calls_ddl()", "uses the word CREATE"},
	{"SELECT sets_global()", "uses the word GLOBAL"},
	{"SELECT * FROM calling_view", "table flat is kept by MyISAM"},
	{"VALUES ROW(writes_flat())", "table flat is kept by MyISAM"},
	{"CALL writes_good()", "CALL is not run here"},
	{"DO writes_flat()", "DO is not run here"},
}

// What a rollback takes back.
var takenBack = []string{
	"INSERT INTO good VALUES (11)",
	"UPDATE good SET id = 12 WHERE id = 11",
	"INSERT INTO good VALUES (adds(6, 7))",
	"INSERT INTO %s.good2 VALUES (1)",
	"INSERT INTO good SELECT COUNT(*) + 100 FROM information_schema.tables",
	"INSERT INTO noted VALUES (1)",
	"SELECT adds(1, 2)",
	"SELECT writes_good_too()",
	"SELECT * FROM flat",
	"SELECT * FROM %s.flat2 JOIN flat_view ON 1 = 1",
	"SELECT * FROM good FOR UPDATE",
	"SELECT table_name FROM information_schema.tables LIMIT 1",
	"REPLACE INTO good VALUES (11)",
	"DELETE FROM good",
}

// dryObjects is what is there, in two databases; %s is the other one.
var dryObjects = []string{
	"CREATE TABLE good (id INT) ENGINE=InnoDB",
	"CREATE TABLE flat (id INT) ENGINE=MyISAM",
	"CREATE TABLE %s.good2 (id INT) ENGINE=InnoDB",
	"CREATE TABLE %s.flat2 (id INT) ENGINE=MyISAM",
	"CREATE VIEW flat_view AS SELECT id FROM flat",
	"CREATE VIEW far_view AS SELECT id FROM %s.flat2",
	"CREATE VIEW view_of_view AS SELECT id FROM flat_view",
	"CREATE TABLE watched (id INT) ENGINE=InnoDB",
	"CREATE TRIGGER watch AFTER INSERT ON watched FOR EACH ROW BEGIN DECLARE x INT; SET x = 1; INSERT INTO flat VALUES (NEW.id); END",
	"CREATE VIEW watched_view AS SELECT id FROM watched",
	"CREATE TABLE far_watched (id INT) ENGINE=InnoDB",
	"CREATE TRIGGER far_watch BEFORE INSERT ON far_watched FOR EACH ROW INSERT INTO %s.flat2 VALUES (NEW.id)",
	"CREATE TABLE chained (id INT) ENGINE=InnoDB",
	"CREATE TRIGGER chain AFTER INSERT ON chained FOR EACH ROW INSERT INTO watched VALUES (NEW.id)",
	"CREATE FUNCTION writes_flat() RETURNS INT DETERMINISTIC BEGIN INSERT INTO flat VALUES (7); RETURN 7; END",
	"CREATE FUNCTION %s.writes_far() RETURNS INT DETERMINISTIC BEGIN INSERT INTO flat2 VALUES (7); RETURN 7; END",
	"CREATE FUNCTION adds(a INT, b INT) RETURNS INT DETERMINISTIC BEGIN SET a = a + b; RETURN a; END",
	"CREATE FUNCTION writes_good_too() RETURNS INT DETERMINISTIC BEGIN INSERT INTO good VALUES (8); RETURN 8; END",
	"CREATE PROCEDURE commits() BEGIN INSERT INTO good VALUES (9); COMMIT; END",
	"CREATE PROCEDURE makes() BEGIN CREATE TABLE made (id INT); END",
	"CREATE PROCEDURE writes_good() INSERT INTO good VALUES (9)",
	"CREATE FUNCTION calls_commit() RETURNS INT DETERMINISTIC BEGIN CALL commits(); RETURN 1; END",
	"CREATE FUNCTION calls_ddl() RETURNS INT DETERMINISTIC BEGIN CALL makes(); RETURN 1; END",
	"CREATE FUNCTION sets_global() RETURNS INT DETERMINISTIC BEGIN SET GLOBAL max_connect_errors = 123; RETURN 1; END",
	"CREATE VIEW calling_view AS SELECT writes_flat() AS n",
	"CREATE TABLE calling (id INT) ENGINE=InnoDB",
	"CREATE TRIGGER calls BEFORE INSERT ON calling FOR EACH ROW SET NEW.id = writes_flat()",
	"CREATE TABLE noted (id INT) ENGINE=InnoDB",
	"CREATE TRIGGER notes AFTER INSERT ON noted FOR EACH ROW INSERT INTO good VALUES (NEW.id)",
}

// dryPlace is two databases for one test.
type dryPlace struct {
	*testing.T
	s    *testServer
	name string // of the first
	far  string
	db   *sql.DB
}

var dryPlaces atomic.Int64

func newDryPlace(t *testing.T, s *testServer) *dryPlace {
	t.Helper()
	p := &dryPlace{T: t, s: s, name: fmt.Sprintf("dsengine_dry_%d_%d", os.Getpid(), dryPlaces.Add(1))}
	p.far = p.name + "_far"
	for _, name := range []string{p.name, p.far} {
		p.admin("CREATE DATABASE " + name)
		t.Cleanup(func() { s.admin.Exec("DROP DATABASE " + name) })
	}
	var err error
	if p.db, err = s.handle(p.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.db.Close() })
	for _, q := range dryObjects {
		if _, err := p.db.Exec(p.fill(q)); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	return p
}

func (p *dryPlace) admin(q string) {
	p.Helper()
	if _, err := p.s.admin.Exec(q); err != nil {
		p.Fatalf("%s: %v", q, err)
	}
}

// fill puts the other database's name in.
func (p *dryPlace) fill(q string) string { return strings.ReplaceAll(q, "%s", p.far) }

// rows counts the rows of all tables.
func (p *dryPlace) rows() string {
	p.Helper()
	var out []string
	for _, t := range []string{"good", "flat", "watched", "far_watched", "chained", "calling", "noted", p.far + ".good2", p.far + ".flat2"} {
		var n int
		if err := p.db.QueryRow("SELECT COUNT(*) FROM " + t).Scan(&n); err != nil {
			p.Fatal(err)
		}
		out = append(out, fmt.Sprint(t, " ", n))
	}
	return strings.Join(out, ", ")
}

// session is a dry one of a user.
func (p *dryPlace) session(u *url.URL) engine.Joined {
	p.Helper()
	c, err := Connect(p.Context(), u.String(), false, Options{})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { c.Close() })
	h := c.Begin(engine.SessionOptions{Job: 1, Type: "t", Dry: true})
	p.Cleanup(h.Close)
	return h
}

// do runs a statement, as scripts do.
func do(ctx context.Context, h engine.Session, q string) error {
	if verb, _, _ := strings.Cut(q, " "); !strings.Contains("SELECT WITH VALUES", verb) {
		_, err := h.Exec(ctx, q, nil)
		return err
	}
	rows, err := h.Query(ctx, q, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		if _, err := rows.Next(ctx); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
	}
}

func TestADrySessionLeavesNothing(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		p := newDryPlace(t, s)
		root := *s.url
		root.Path = "/" + p.name
		before := p.rows()
		for _, again := range []bool{false, true} { // also when all names were looked at before
			h := p.session(&root)
			if again {
				for _, q := range takenBack {
					if err := do(t.Context(), h, p.fill(q)); err != nil {
						t.Errorf("%s: %v", q, err)
					}
				}
			}
			for _, c := range notTakenBack {
				err := do(t.Context(), h, p.fill(c.sql))
				if c.says == "" {
					continue
				}
				f := new(engine.Failure)
				if !errors.As(err, &f) || f.Code != "db.refused" || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: got %v, want %q", c.sql, err, c.says)
				}
			}
			for _, table := range []string{p.far + ".flat2", "flat_view", "watched", "calling"} {
				if _, err := h.Insert(t.Context(), table, &oneRow{id: 1}); err == nil {
					t.Errorf("rows are inserted into %s", table)
				}
			}
			if _, err := h.Merge(t.Context(), "good", &oneRow{id: 1}, engine.Merge{Key: []string{"id"}, Where: "id = writes_flat()"}); err == nil || !strings.Contains(err.Error(), "MyISAM") {
				t.Errorf("merge: %v", err)
			}
			h.Close()
			if after := p.rows(); after != before {
				t.Fatalf("before %s\nafter  %s", before, after)
			}
		}
	})
}

// A table that the session made for itself is a temporary one, which MySQL does not read
// twice in one statement.
func TestADrySessionMergesIntoATableOfItsOwn(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		p := newDryPlace(t, s)
		root := *s.url
		root.Path = "/" + p.name
		h := p.session(&root)
		if _, err := h.Ensure(t.Context(), "fresh", []engine.Column{{Name: "id", Type: "integer"}, {Name: "v", Type: "text", Nullable: true}}, []string{"id"}); err != nil {
			t.Fatal(err)
		}
		for _, spec := range []engine.Merge{{}, {Where: "id < ?", Args: []any{int64(9)}}, {Where: "fresh.id IN (1, 2) OR v = 'x'"}} {
			spec.Key = []string{"id"}
			if _, err := h.Merge(t.Context(), "fresh", &oneRow{id: 1}, spec); err != nil {
				t.Errorf("where %q: %v", spec.Where, err)
			}
		}
		_, err := h.Merge(t.Context(), "fresh", &oneRow{id: 1}, engine.Merge{Key: []string{"id"}, Where: "id > 5"})
		if err == nil || !strings.Contains(err.Error(), "the row with id = 1 is outside of where") {
			t.Errorf("got %v", err)
		}
	})
}

// What the user may not look into could do anything.
func TestADrySessionRefusesWhatItCannotSee(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		p := newDryPlace(t, s)
		user := "dry_" + p.name[len("dsengine_dry_"):]
		grant := func(what, on string) { p.admin(fmt.Sprintf("GRANT %s ON %s TO '%s'@'%%'", what, on, user)) }
		p.admin(fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'dry-Password-1'", user))
		t.Cleanup(func() { s.admin.Exec(fmt.Sprintf("DROP USER '%s'@'%%'", user)) })
		grant("SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES", p.name+".*")
		u := *s.url
		u.Path, u.User = "/"+p.name, url.UserPassword(user, "dry-Password-1")
		refused := func(q, says string) {
			t.Helper()
			if err := do(t.Context(), p.session(&u), p.fill(q)); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, want %q", q, err, says)
			}
		}
		allowed := func(q string) {
			t.Helper()
			if err := do(t.Context(), p.session(&u), q); err != nil {
				t.Errorf("%s: %v", q, err)
			}
		}
		allowed("SELECT * FROM good")
		refused("INSERT INTO good VALUES (1)", "whether table good has triggers cannot be known here, where nothing may stay: the user needs the privilege TRIGGER")
		refused("SELECT * FROM flat_view", "may not look into it")
		grant("TRIGGER", p.name+".good")
		allowed("INSERT INTO good VALUES (1)")
		refused("INSERT INTO noted VALUES (1)", "whether table noted has triggers")
		grant("TRIGGER, SHOW VIEW", p.name+".*")
		allowed("SELECT * FROM flat_view")
		refused("INSERT INTO noted VALUES (1)", "EXECUTE")
		refused("SELECT * FROM calling_view", "EXECUTE")
		grant("EXECUTE", p.name+".*")
		allowed("INSERT INTO noted VALUES (1)")
		refused("SELECT writes_flat()", "the user may not look into it")
		refused("SELECT * FROM calling_view", "the user may not look into it")
		if got, want := p.rows(), "good 0, flat 0,"; !strings.HasPrefix(got, want) {
			t.Errorf("got %s", got)
		}
	})
}

func TestGrantsAreRead(t *testing.T) {
	t.Parallel()
	line := func(s string) grants {
		m := grantSyntax.FindStringSubmatch(s)
		if m == nil {
			t.Fatal(s)
		}
		return grants{{m[1] == "REVOKE", strings.Split(m[2], ", "), m[3] + m[4], m[5] + m[6]}}
	}
	for _, c := range []struct {
		line, database, table string
		has                   bool
	}{
		{"GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION", "x", "t", true},
		{"GRANT SELECT, TRIGGER ON `x`.* TO `a`@`%`", "x", "*", true},
		{"GRANT SELECT, TRIGGER ON `x`.* TO `a`@`%`", "y", "t", false},
		{"GRANT SELECT ON `x`.* TO `a`@`%`", "x", "t", false},
		{"GRANT TRIGGER ON `x\\_1`.* TO `a`@`%`", "x_1", "t", true},
		{"GRANT TRIGGER ON `x\\_1`.* TO `a`@`%`", "xx1", "t", false},
		{"GRANT TRIGGER ON `x%`.* TO `a`@`%`", "x_1", "t", true},
		{"GRANT TRIGGER ON `x`.`t` TO `a`@`%`", "x", "t", true},
		{"GRANT TRIGGER ON `x`.`t` TO `a`@`%`", "x", "*", false},
	} {
		if got := line(c.line).has("TRIGGER", c.database, c.table); got != c.has {
			t.Errorf("%s: %s.%s: %v", c.line, c.database, c.table, got)
		}
	}
	if g := append(line("GRANT TRIGGER ON *.* TO `a`@`%`"), line("REVOKE TRIGGER ON `x`.* FROM `a`@`%`")...); g.has("TRIGGER", "x", "t") || !g.has("TRIGGER", "y", "t") {
		t.Error("what is revoked is not seen")
	}
}

// oneRow gives a row with an id.
type oneRow struct {
	id   int64
	done bool
}

func (r *oneRow) Next(context.Context) (engine.Row, error) {
	if r.done {
		return engine.Row{}, io.EOF
	}
	r.done = true
	return engine.Row{Names: []string{"id"}, Values: []any{r.id}}, nil
}
