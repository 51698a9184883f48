package storetest

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// hook opens a session on a store.
func (w *world) hook(s engine.Store) engine.Session {
	w.Helper()
	h := s.Begin(engine.SessionOptions{Job: 1, Type: "t"})
	w.Cleanup(h.Close)
	return h
}

// exec runs a statement and drops its count.
func exec(s engine.Session, ctx context.Context, q string, args ...any) error {
	_, err := s.Exec(ctx, q, args)
	return err
}

// run runs a statement that must succeed.
func (w *world) run(s engine.Session, q string, args ...any) int64 {
	w.Helper()
	n, err := s.Exec(w.ctx, q, args)
	w.must(err)
	return n
}

// query is all rows of a query.
func (w *world) query(s engine.Session, q string, args ...any) [][]any {
	w.Helper()
	rows, err := s.Query(w.ctx, q, args)
	w.must(err)
	return w.drain(rows)
}

// drain reads rows to their end.
func (w *world) drain(rows engine.Rows) (list [][]any) {
	w.Helper()
	defer rows.Close()
	for {
		row, err := rows.Next(w.ctx)
		if err == io.EOF {
			return list
		}
		w.must(err)
		list = append(list, row)
	}
}

// table makes a table t (id, v) with rows 1 to n, v = 10 * id.
func (w *world) table(n int) {
	w.Helper()
	w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
	for i := range n {
		w.exec("INSERT INTO t VALUES (?, ?)", i+1, 10*(i+1))
	}
}

// inTable is the table's rows as others see them.
func (w *world) inTable() []string {
	w.Helper()
	return w.rows("SELECT id, v FROM t ORDER BY id")
}

// commitWith commits a job in a session's transaction.
func (w *world) commitWith(h engine.Session, o *engine.Outcome) {
	w.Helper()
	w.must(w.store.Commit(w.ctx, h, o))
	if o.Checkpoint() {
		checkpointed(o)
	}
}

var sessionCases = []testCase{
	{"rows come with the commit of their job", func(w *world) {
		w.table(1)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.same("wrote before", false, h.Wrote())
		w.run(h, "INSERT INTO t VALUES (2, 20)")
		w.same("wrote", true, h.Wrote())
		w.same("own rows are seen", [][]any{{int64(2)}}, w.query(h, "SELECT COUNT(*) FROM t"))
		w.same("others do not see them", []string{"1|10"}, w.inTable())
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10", "2|20"}, w.inTable())
		w.stands("completed", j.ID)
		w.same("wrote after", false, h.Wrote())
	}},
	{"a rollback leaves nothing, and the session goes on", func(w *world) {
		w.table(1)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "DELETE FROM t")
		h.Rollback(w.ctx)
		w.same("rows", []string{"1|10"}, w.inTable())
		w.run(h, "INSERT INTO t VALUES (5, 5)")
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10", "5|5"}, w.inTable())
		w.run(h, "DELETE FROM t")
		h.Close()
		w.same("rows after Close", []string{"1|10", "5|5"}, w.inTable())
	}},
	{"each checkpoint commits its part", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		for n := 1; n <= 3; n++ {
			w.run(h, "INSERT INTO t VALUES (?, 0)", int64(n))
			o := checkpoint(j, fmt.Sprint(n))
			w.commitWith(h, o)
			w.same("rows", n, len(w.inTable()))
		}
		w.run(h, "INSERT INTO t VALUES (9, 0)")
		h.Rollback(w.ctx)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|0", "2|0", "3|0"}, w.inTable())
	}},
	{"a session that only read commits its job", func(w *world) {
		w.table(2)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.same("rows", 2, len(w.query(h, "SELECT id FROM t")))
		w.commitWith(h, alone(completed(j)))
		w.stands("completed", j.ID)
		w.same("the session goes on", 2, len(w.query(h, "SELECT id FROM t")))
	}},
	{"of a late worker no row stays", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		w.run(h, "INSERT INTO t VALUES (1, 1)")
		w.code("checkpoint", engine.CodeLost, w.store.Commit(w.ctx, h, checkpoint(j, "p")))
		w.run(h, "INSERT INTO t VALUES (2, 2)")
		w.code("complete", engine.CodeLost, w.store.Commit(w.ctx, h, alone(completed(j))))
		w.same("rows", 0, len(w.inTable()))
		w.same("wrote", false, h.Wrote())
	}},
	{"of a commit that conflicts no row stays", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (1, 1)")
		o := completed(j)
		o.Writes = []engine.VariableWrite{{Name: "v", Value: raw(1), Seen: 5}}
		w.code("complete", engine.CodeConflict, w.store.Commit(w.ctx, h, alone(o)))
		w.same("rows", 0, len(w.inTable()))
		w.stands("consume/running", j.ID)
	}},
	{"a failed job's transaction is its own", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (1, 1)")
		h.Rollback(w.ctx)
		w.must(w.store.Commit(w.ctx, nil, retried(j, 0)))
		w.same("rows", 0, len(w.inTable()))
	}},
	{"a statement that fails leaves the rest of the transaction", func(w *world) {
		w.table(1)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (2, 2)")
		w.failure("duplicate", "db.duplicate", exec(h, w.ctx, "INSERT INTO t VALUES (3, 3), (1, 1)"))
		w.failure("syntax", "db.syntax", exec(h, w.ctx, "INSERT INTO INTO t"))
		w.failure("missing table", "db.missing", exec(h, w.ctx, "INSERT INTO nowhere VALUES (1)"))
		w.failure("missing column", "db.column", exec(h, w.ctx, "UPDATE t SET missing = 1"))
		_, err := h.Query(w.ctx, "SELECT missing FROM t", nil)
		w.failure("missing column", "db.column", err)
		w.run(h, "INSERT INTO t VALUES (4, 4)")
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10", "2|2", "4|4"}, w.inTable())
	}},
	{"marks undo and keep parts, nested", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		mark := func() int {
			w.Helper()
			n, err := h.Mark(w.ctx)
			w.must(err)
			return n
		}
		add := func(n int) { w.Helper(); w.run(h, "INSERT INTO t VALUES (?, 0)", int64(n)) }
		before := mark() // before the transaction begins
		add(1)
		w.must(h.Undo(w.ctx, before))
		add(2)
		outer := mark()
		add(3)
		inner := mark()
		add(4)
		w.must(h.Undo(w.ctx, inner))
		add(5)
		kept := mark()
		add(6)
		w.must(h.Keep(w.ctx, kept))
		w.must(h.Keep(w.ctx, outer))
		undone := mark()
		add(7)
		deeper := mark()
		add(8)
		w.must(h.Keep(w.ctx, deeper))
		w.must(h.Undo(w.ctx, undone))
		if err := h.Undo(w.ctx, deeper); err == nil {
			w.Error("a mark inside one that was undone is still there")
		}
		add(9)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"2|0", "3|0", "5|0", "6|0", "9|0"}, w.inTable())
	}},
	{"marks that began before the transaction can be kept", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		a, err := h.Mark(w.ctx)
		w.must(err)
		b, err := h.Mark(w.ctx)
		w.must(err)
		w.run(h, "INSERT INTO t VALUES (1, 0)")
		w.must(h.Keep(w.ctx, b))
		w.run(h, "INSERT INTO t VALUES (2, 0)")
		w.must(h.Keep(w.ctx, a))
		w.commitWith(h, alone(completed(j)))
		w.same("rows", 2, len(w.inTable()))
	}},
	{"a dead-lock ends the transaction, and nothing of it is committed", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		w.table(2)
		t := w.typ("t")
		w.enqueue(jobs(t, 2)...)
		list := w.claim(queue(t), 2)
		hooks := []engine.Session{w.hook(w.store), w.hook(w.store)}
		for i, h := range hooks {
			w.run(h, "INSERT INTO t VALUES (?, 0)", int64(100+i))
			w.run(h, "UPDATE t SET v = v + 1 WHERE id = ?", int64(i+1))
		}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, h := range hooks {
			wg.Go(func() { errs[i] = exec(h, w.ctx, "UPDATE t SET v = v + 1 WHERE id = ?", int64(2-i)) })
		}
		wg.Wait()
		victim := 0
		if errs[0] == nil {
			victim = 1
		}
		w.code("the victim", engine.CodeRetry, errs[victim])
		w.code("the other", "", errs[1-victim])
		w.code("the next statement", engine.CodeRetry, exec(hooks[victim], w.ctx, "INSERT INTO t VALUES (999, 0)"))
		_, err := hooks[victim].Mark(w.ctx)
		w.code("a mark", engine.CodeRetry, err)
		w.code("its commit", engine.CodeRetry, w.store.Commit(w.ctx, hooks[victim], completed(list[victim])))
		w.commitWith(hooks[1-victim], completed(list[1-victim]))
		w.stands("consume/running", list[victim].ID)
		w.same("rows", int64(0), w.count("SELECT COUNT(*) FROM t WHERE id = ?", 100+victim))
		w.same("rows", int64(0), w.count("SELECT COUNT(*) FROM t WHERE id = 999"))
		w.run(hooks[victim], "INSERT INTO t VALUES (?, 0)", int64(200))
		w.commitWith(hooks[victim], completed(list[victim]))
		w.same("rows of the second run", int64(1), w.count("SELECT COUNT(*) FROM t WHERE id = 200"))
	}},
	{"a routine that commits is found out, and nothing is completed", func(w *world) {
		if !w.in.Rows {
			return // it has no routines
		}
		w.table(0)
		w.exec("CREATE PROCEDURE sneaky() BEGIN INSERT INTO t VALUES (50, 0); COMMIT; END")
		w.exec("CREATE PROCEDURE decent() INSERT INTO t VALUES (60, 0)")
		w.exec("CREATE PROCEDURE maker() CREATE TABLE made_by_routine (id INT)")
		t := w.typ("t")
		for _, name := range []string{"sneaky", "maker"} {
			for _, end := range []string{"complete", "checkpoint", "mark"} {
				j := w.start(job(t))
				h := w.hook(w.store)
				w.run(h, "INSERT INTO t VALUES (1, 0)")
				w.run(h, "CALL "+name+"()")
				w.run(h, "INSERT INTO t VALUES (2, 0)")
				var err error
				switch end {
				case "complete":
					err = w.store.Commit(w.ctx, h, alone(completed(j)))
				case "checkpoint":
					err = w.store.Commit(w.ctx, h, checkpoint(j, "p"))
				default:
					var m int
					if m, err = h.Mark(w.ctx); err == nil {
						if err = h.Keep(w.ctx, m); err == nil {
							err = w.store.Commit(w.ctx, h, alone(completed(j)))
						}
					}
				}
				w.failure(name+", "+end, "db.ended", err)
				w.stands("consume/running", j.ID)
				w.same("what came after it is rolled back", int64(0), w.count("SELECT COUNT(*) FROM t WHERE id = 2"))
				w.settle(j)
				h.Close()
				w.exec("DELETE FROM t")
				w.exec("DROP TABLE IF EXISTS made_by_routine")
			}
		}
		j := w.start(job(t))
		h := w.hook(w.store)
		w.run(h, "CALL decent()")
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"60|0"}, w.inTable())
	}},
	{"a connection that the server ended means: run the hook again", func(w *world) {
		if !w.in.Rows {
			return // there is none
		}
		w.table(0)
		t := w.typ("t")
		j := w.start(job(t))
		for _, when := range []string{"statement", "commit", "mark"} {
			h := w.hook(w.store)
			w.run(h, "INSERT INTO t VALUES (1, 0)")
			number := w.query(h, "SELECT CONNECTION_ID()")[0][0]
			w.exec(fmt.Sprint("KILL ", number))
			var err error
			switch when {
			case "statement":
				err = exec(h, w.ctx, "INSERT INTO t VALUES (2, 0)")
			case "commit":
				err = w.store.Commit(w.ctx, h, alone(completed(j)))
			default:
				_, err = h.Mark(w.ctx)
			}
			w.code(when, engine.CodeRetry, err)
			h.Close()
		}
		w.same("rows", 0, len(w.inTable()))
		w.stands("consume/running", j.ID)
	}},
	{"a statement that is given up leaves no lock", func(w *world) {
		if !w.in.Rows {
			return
		}
		w.table(3)
		holder, hasty, next := w.hook(w.store), w.hook(w.store), w.hook(w.store)
		w.run(holder, "UPDATE t SET v = 0 WHERE id = 1")
		w.run(hasty, "UPDATE t SET v = 0 WHERE id = 2")
		ctx, stop := context.WithCancelCause(w.ctx)
		stopped := engine.Errorf(engine.CodeLost, "enough")
		var wg sync.WaitGroup
		wg.Go(func() {
			err := exec(hasty, ctx, "UPDATE t SET v = 0 WHERE id = 1")
			if engine.CodeOf(err) != engine.CodeLost {
				w.Errorf("want the context's cause, got %v", err)
			}
		})
		w.until("it waits for the lock", func() bool {
			return w.count("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND command = 'Query' AND info = 'UPDATE t SET v = 0 WHERE id = 1'") > 0
		})
		stop(stopped)
		wg.Wait()
		if err := exec(hasty, w.ctx, "UPDATE t SET v = 0 WHERE id = 3"); err == nil {
			w.Error("the transaction goes on after a statement that was given up")
		}
		w.run(next, "UPDATE t SET v = 7 WHERE id = 2") // would wait for hasty's lock
		next.Rollback(w.ctx)
	}},
	{"a long hook's transaction is not ended for being idle", func(w *world) {
		s := w.open(Options{Lease: time.Second})
		w.table(3)
		j := w.start(job(w.typ("t")))
		h := w.hook(s)
		w.run(h, "INSERT INTO t VALUES (50, 0)")
		rows, err := h.Query(w.ctx, "SELECT id FROM t ORDER BY id", nil)
		w.must(err)
		began := time.Now()
		w.until("the server's patience is over", func() bool { return time.Since(began) > 2500*time.Millisecond })
		w.same("a result that was open", 4, len(w.drain(rows)))
		w.must(s.Commit(w.ctx, h, alone(completed(j))))
		w.same("rows", int64(1), w.count("SELECT COUNT(*) FROM t WHERE id = 50"))
	}},
	{"a hook that waits for the only writer is not timed, and is told by whom", func(w *world) {
		if w.in.Rows {
			return
		}
		w.table(0)
		first := w.hook(w.store)
		w.run(first, "INSERT INTO t VALUES (1, 0)")
		waiting := make(chan bool, 2)
		second := w.store.Begin(engine.SessionOptions{Job: 2, Type: "t", Waiting: func(b bool) { waiting <- b }})
		w.Cleanup(second.Close)
		w.same("reading waits for nobody", [][]any{{int64(0)}}, w.query(second, "SELECT COUNT(*) FROM t"))
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := exec(second, w.ctx, "INSERT INTO t VALUES (2, 0)"); err != nil {
				w.Error(err)
			}
		})
		w.same("waits", true, <-waiting)
		first.Rollback(w.ctx)
		w.same("waits", false, <-waiting)
		wg.Wait()
	}},
	{"many hooks that read do not keep the one that writes from ending", func(w *world) {
		w.table(1)
		t := w.typ("t")
		w.enqueue(jobs(t, 30)...)
		list := w.claim(queue(t), 30)
		hooks := make([]engine.Session, len(list))
		for i := range list {
			hooks[i] = w.hook(w.store)
			w.same("rows", 1, len(w.query(hooks[i], "SELECT id FROM t")))
		}
		var wg sync.WaitGroup
		for i, j := range list {
			wg.Go(func() {
				h := hooks[i]
				if err := exec(h, w.ctx, "INSERT INTO t VALUES (?, 0)", int64(100+i)); err != nil {
					w.Error(err)
					return
				}
				if _, err := w.store.KeyHolders(w.ctx, []engine.JobInsert{keyed(t, "k", active)}); err != nil {
					w.Error(err)
				}
				if err := w.store.Commit(w.ctx, h, completed(j)); err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		w.same("rows", 31, len(w.inTable()))
	}},
}
