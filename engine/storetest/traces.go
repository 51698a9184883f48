package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// setTo is what a session's connection is set to, as far as it matters to hooks.
func (w *world) setTo(h engine.Session) [][]any {
	w.Helper()
	set := w.query(h, "SHOW SESSION VARIABLES WHERE variable_name IN ('autocommit', 'tx_isolation', 'transaction_isolation', 'foreign_key_checks', 'unique_checks', 'innodb_lock_wait_timeout', 'sql_mode', 'sql_safe_updates', 'check_constraint_checks')")
	return append(set, w.query(h, "SELECT ABS(TIMESTAMPDIFF(SECOND, NOW(), SYSDATE())) > 10")...) // its clock stands still
}

// unruly leaves something on its connection that no ROLLBACK takes back. If it runs
// nothing, rows are written.
type unruly struct{ makes, run string }

const unrulyView = "; CREATE VIEW unruly_view AS SELECT "

var unrulies = []unruly{
	{"PROCEDURE unruly() BEGIN SET autocommit = 1; END", "CALL unruly()"},
	{"PROCEDURE unruly() BEGIN SET foreign_key_checks = 0; SET sql_mode = ''; SET innodb_lock_wait_timeout = 1; END", "CALL unruly()"},
	{"PROCEDURE unruly() BEGIN SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE; END", "CALL unruly()"},
	{"PROCEDURE unruly() BEGIN DO GET_LOCK('dsengine_unruly', 0); END", "CALL unruly()"},
	{"", "DO GET_LOCK('dsengine_unruly', 0)"},
	{"", "SELECT GET_LOCK('dsengine_unruly', 0)"},
	{"", "SELECT @unruly := 7"},
	{"", "SELECT 7 INTO @unruly"},
	{"FUNCTION unruly() RETURNS INT DETERMINISTIC BEGIN SET @unruly = 7; DO GET_LOCK('dsengine_unruly', 0); RETURN 1; END", "INSERT INTO t (id, v) SELECT 1, unruly()"},
	{"FUNCTION unruly() RETURNS INT DETERMINISTIC BEGIN SET foreign_key_checks = 0; RETURN 1; END", "SELECT `unruly`()"},
	{"FUNCTION unruly() RETURNS INT DETERMINISTIC BEGIN SET foreign_key_checks = 0; RETURN 1; END" + unrulyView + "unruly() AS one", "SELECT one FROM unruly_view"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET foreign_key_checks = 0", "INSERT INTO t VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET sql_safe_updates = 1", "INSERT INTO t VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET timestamp = UNIX_TIMESTAMP() - 60", "INSERT INTO t VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET innodb_lock_wait_timeout = 1", "INSERT INTO t VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "INSERT INTO t VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET @unruly = 7", "INSERT INTO t VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET @unruly = 7", ""},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW BEGIN SET @unruly = 7; SIGNAL SQLSTATE '45000'; END", "INSERT INTO t VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW BEGIN SET @unruly = 7; SIGNAL SQLSTATE '45000'; END", ""},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET NEW.v = GET_LOCK('dsengine_unruly', 0)", "INSERT INTO t VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW BEGIN CREATE TEMPORARY TABLE u (id INTEGER); INSERT INTO u VALUES (3); END", "INSERT INTO t VALUES (1, 0)"},
	{"FUNCTION unruly() RETURNS INT DETERMINISTIC BEGIN SET @unruly = 7; RETURN 1; END" + unrulyView + "unruly() AS one", "SELECT one FROM unruly_view"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET @unruly = 7" + unrulyView + "id, v FROM t", "INSERT INTO unruly_view VALUES (1, 0)"},
	{"TRIGGER unruly BEFORE INSERT ON t FOR EACH ROW SET @unruly = 7" + unrulyView + "id, v FROM t; CREATE TABLE far (id INTEGER); CREATE TRIGGER beside BEFORE INSERT ON far FOR EACH ROW INSERT INTO unruly_view VALUES (1, 0)", "INSERT INTO far VALUES (1)"},
	{"TABLE far (id INTEGER)" + unrulyView + "GET_LOCK('dsengine_unruly', 0) AS one", "SELECT one FROM unruly_view"},
}

var traceCases = []testCase{
	{"what a statement leaves on its connection, no other hook meets", func(w *world) {
		if !w.in.Rows {
			return // it has no routines, and its triggers set nothing
		}
		t := w.typ("t")
		var store engine.Store
		var other engine.Connection
		own := func() engine.Session { return w.hook(store) }
		joined := func() engine.Session {
			j := other.Begin(engine.SessionOptions{Job: 1, Type: "t"})
			w.Cleanup(j.Close)
			return j
		}
		ends := []struct {
			name  string
			begin func() engine.Session
			of    func(h engine.Session)
		}{
			{"rolled back", own, func(h engine.Session) { h.Rollback(w.ctx) }},
			{"completed, if it can be", own, func(h engine.Session) {
				j := w.start(job(t))
				if store.Commit(w.ctx, h, alone(completed(j))) != nil {
					w.settle(j)
				}
			}},
			{"checkpointed, if it can be", own, func(h engine.Session) {
				j := w.start(job(t))
				o := checkpoint(j, "p")
				if store.Commit(w.ctx, h, o) == nil {
					checkpointed(o)
				}
				w.settle(j)
			}},
			{"joined and committed", joined, func(h engine.Session) { _ = h.(engine.Joined).CommitOwn(w.ctx) }},
			{"joined and rolled back", joined, func(h engine.Session) { h.Rollback(w.ctx) }},
		}
		w.exec("CREATE TABLE u (id INTEGER PRIMARY KEY)")
		for _, u := range unrulies {
			store, other = w.open(Options{}), w.in.Connect(w.t, false) // they remember what triggers there are
			for _, end := range ends {
				what := u.run + " (" + u.makes + "), " + end.name
				w.table(0)
				if u.makes != "" {
					for _, q := range strings.Split(u.makes, "; CREATE ") {
						w.exec("CREATE " + q)
					}
				}
				h, next := end.begin(), end.begin()
				made := w.setTo(h)
				var err error
				switch {
				case u.run == "":
					_, err = h.Insert(w.ctx, "t", source(engine.Row{Names: []string{"id"}, Values: []any{int64(1)}}))
				case strings.HasPrefix(u.run, "SELECT"):
					w.query(h, u.run)
				default:
					err = exec(h, w.ctx, u.run)
				}
				if fails := strings.Contains(u.makes, "SIGNAL"); fails != (err != nil) {
					w.Fatalf("%s: it fails: %v, got %v", what, fails, err)
				}
				end.of(h)
				h.Close()
				w.same(what+": settings of the next hook", made, w.setTo(next))
				w.same(what+": rows that the next hook sees", [][]any{{int64(0)}}, w.query(next, "SELECT COUNT(*) FROM u"))
				w.run(next, "INSERT INTO u VALUES (1)")
				next.Rollback(w.ctx)
				w.same(what+": rows of the next hook, which fails", int64(0), w.count("SELECT COUNT(*) FROM u"))
				w.until(what+": the lock is free", func() bool { return w.count("SELECT IS_FREE_LOCK('dsengine_unruly')") == 1 })
				w.same(what+": the variable", [][]any{{nil}}, w.query(next, "SELECT @unruly"))
				next.Close()
				for _, q := range []string{"VIEW IF EXISTS unruly_view", "FUNCTION IF EXISTS unruly", "PROCEDURE IF EXISTS unruly", "TABLE IF EXISTS far", "TABLE t"} {
					w.exec("DROP " + q)
				}
				if w.Failed() {
					return
				}
			}
		}
	}},
	{"a connection goes on to the next hook where nothing was left on it", func(w *world) {
		if !w.in.Rows {
			return // its connections have no numbers
		}
		w.table(3)
		t := w.typ("t")
		number := func(h engine.Session) any {
			w.Helper()
			return w.query(h, "SELECT CONNECTION_ID()")[0][0]
		}
		h := w.hook(w.store)
		was := number(h)
		h.Close()
		for _, q := range []string{
			"INSERT INTO t (id, v) VALUES (7, COALESCE(NULL, 3)), (8, GREATEST(1, 2)) ON DUPLICATE KEY UPDATE v = VALUES(v)",
			"UPDATE t SET v = (v + 1) WHERE id IN (1, 2) AND (v > 0 OR NOT (v IS NULL))",
			"REPLACE INTO t (id, v) VALUES (9, 1)",
			"INSERT INTO t (id, v) SELECT 100 + a.id, ST_X(POINT(1, 2)) FROM t a STRAIGHT_JOIN (SELECT MAX(id) AS id FROM t) b ON a.id = b.id ON DUPLICATE KEY UPDATE v = 3",
			"DELETE FROM t WHERE id IN (SELECT id FROM (SELECT MAX(id) AS id FROM t) AS x)",
		} {
			for _, fails := range []bool{true, false} {
				h := w.hook(w.store)
				w.run(h, q)
				w.query(h, "WITH s (id) AS (SELECT MIN(id) FROM t) SELECT COUNT(*), @@autocommit, 'f(@x)' FROM s JOIN t USING (id)")
				if fails {
					h.Rollback(w.ctx)
				} else {
					w.commitWith(h, alone(completed(w.start(job(t)))))
				}
				w.same(q+": the connection", was, number(h))
				h.Close()
			}
		}
	}},
	{"a look for triggers keeps only the hook that looks, and those that ask what a query may do", func(w *world) {
		if !w.in.Rows {
			return // nothing is left on its connections
		}
		w.table(3)
		f := &Faults{}
		s := w.open(Options{Wrap: f.Wrap})
		looks, leave := make(chan bool), make(chan bool)
		var first sync.Once
		var gone atomic.Bool
		f.Before(func(q string) {
			if strings.Contains(q, "information_schema.triggers") {
				first.Do(func() {
					close(looks)
					select {
					case <-leave:
					case <-time.After(20 * time.Second): // the other one waits for it
						gone.Store(true)
					}
				})
			}
		})
		a, b := w.hook(s), w.hook(s)
		done := make(chan error)
		go func() { done <- exec(a, w.ctx, "UPDATE t SET v = 1 WHERE id = 1") }()
		<-looks
		w.run(b, "UPDATE t SET v = 2 WHERE id = 2")
		const query = "SELECT v FROM t WHERE id = 3"
		w.query(b, query)
		ended, end := context.WithCancel(w.ctx)
		end()
		w.same("what nobody can tell before its hook ends", true, b.MayWrite(ended, query))
		w.same("the look was waited for", false, gone.Load())
		may := make(chan bool, 1)
		go func() { may <- b.MayWrite(w.ctx, query) }()
		time.Sleep(20 * time.Millisecond) // for it to ask
		close(leave)
		w.same("the query may write", false, <-may)
		w.must(<-done)
	}},
	{"queries that may do more than read are known, so that catch undoes it", func(w *world) {
		if !w.in.Rows {
			return // nobody makes functions there
		}
		w.table(1)
		w.exec("CREATE FUNCTION writes(n INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO t (id, v) VALUES (n, n); RETURN n; END")
		w.exec("CREATE VIEW writing AS SELECT writes(7) AS n")
		w.exec("CREATE VIEW plain AS SELECT COUNT(*) AS n FROM t")
		may := map[string]bool{
			"SELECT writes(2)": true, "SELECT `writes`(3)": true, "WITH x AS (SELECT writes(4) AS n) SELECT n FROM x": true, "SELECT n FROM writing": true,
			"SELECT v FROM t WHERE id = 1 FOR UPDATE": true, "SELECT v FROM t LOCK IN SHARE MODE": true,
			"SELECT COUNT(*), MAX(COALESCE(v, 3)) FROM t WHERE id IN (1, 2)": false, "SELECT n FROM plain": false, "SHOW TABLES": false,
		}
		other := w.in.Connect(w.t, false)
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			s := c.Session()
			if string(c.Payload()) == "2" {
				s = c.Join("other", other)
			}
			for query, may := range may {
				w.same(query, may, s.MayWrite(c.Context(), query))
				no := errors.New("no")
				failed, err := c.CatchWrites(nil, func() error {
					if err := c.Querying(s, query); err != nil {
						return err
					}
					w.query(s, query)
					return no
				})
				w.must(err)
				w.same(query+": caught", true, failed == no)
				w.same(query+": what it wrote", [][]any{{int64(1)}}, w.query(s, "SELECT COUNT(*) FROM t"))
			}
			return nil, nil
		})
		r := w.runtime(Options{})
		for n := range 2 {
			id := r.make(engine.NewJob{Type: "t", Payload: raw(n + 1)}, t)
			r.untilIdle(t)
			if v := r.view(id); v.Error != nil {
				w.Fatal(v.Error.Message)
			}
		}
		for _, q := range []string{"VIEW writing", "VIEW plain", "FUNCTION writes"} {
			w.exec("DROP " + q)
		}
	}},
	{"a transaction that a statement has rolled back is told as that", func(w *world) {
		if w.in.Rows {
			return // it has no such statement
		}
		w.table(1)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (2, 0)")
		m, err := h.Mark(w.ctx)
		w.must(err)
		w.failure("the statement", "db.duplicate", exec(h, w.ctx, "INSERT OR ROLLBACK INTO t VALUES (1, 0)"))
		err = h.Undo(w.ctx, m)
		w.failure("the end of its catch", "db.ended", err)
		if text := err.Error(); !strings.Contains(text, "rolled back") || strings.Contains(text, "COMMIT") {
			w.Errorf("it is told so: %s", text)
		}
		h.Rollback(w.ctx)
		w.same("rows", []string{"1|10"}, w.inTable())
		w.run(h, "INSERT INTO t VALUES (3, 0)")
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10", "3|0"}, w.inTable())
	}},
}
