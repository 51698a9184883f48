package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// begin begins a caller's own transaction.
func (w *world) begin(level sql.IsolationLevel) *sql.Tx {
	w.Helper()
	if !w.in.Rows {
		level = sql.LevelDefault // the only one
	}
	tx, err := w.in.Handle(w.store).BeginTx(w.ctx, &sql.TxOptions{Isolation: level})
	w.must(err)
	w.Cleanup(func() { tx.Rollback() })
	return tx
}

// enqueueTx enqueues in a caller's transaction.
func (w *world) enqueueTx(tx *sql.Tx, list ...engine.JobInsert) []engine.Enqueued {
	w.Helper()
	made, err := w.store.EnqueueTx(w.ctx, tx, list)
	w.must(err)
	return made
}

var callerCases = []testCase{
	{"jobs come to be with the caller's rows", func(w *world) {
		t := w.typ("t")
		w.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
		tx := w.begin(sql.LevelDefault)
		_, err := tx.Exec("INSERT INTO orders VALUES (1)")
		w.must(err)
		delayed := job(t)
		delayed.Delay = 1
		made := w.enqueueTx(tx, keyed(t, "k", active), job(t), delayed)
		if w.in.Rows {
			w.same("before COMMIT", 0, len(w.claim(queue(t), 10)))
		}
		w.must(tx.Commit())
		w.same("orders", int64(1), w.count("SELECT COUNT(*) FROM orders"))
		w.promote()
		w.same("jobs", 3, len(w.claim(queue(t), 10)))
		w.same("made", true, made[0].Created && made[1].Created && made[2].Created)
	}},
	{"nothing comes to be when the caller rolls back", func(w *world) {
		t := w.typ("t")
		held := w.enqueue(keyed(t, "held", waits))[0]
		w.take(queue(t))
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keyed(t, "k", active), keyed(t, "held", waits), job(t))
		w.must(tx.Rollback())
		w.same("jobs", 0, len(w.claim(queue(t), 10)))
		w.same("a key that was taken over", engine.Enqueued{ID: held}, w.add(keyed(t, "held", active)))
		w.same("a key that was taken", true, w.add(keyed(t, "k", active)).Created)
	}},
	{"replace in a caller's transaction", func(w *world) {
		t := w.typ("t")
		old := keyed(t, "k", active)
		old.Payload = raw("old")
		id := w.enqueue(old)[0]
		fresh := old
		fresh.Payload, fresh.Replace = raw("new"), true
		tx := w.begin(sql.LevelDefault)
		w.same("made", []engine.Enqueued{{ID: id, Replaced: true}}, w.enqueueTx(tx, fresh))
		w.must(tx.Rollback())
		w.same("payload", `"old"`, string(w.view(id).Payload))
		tx = w.begin(sql.LevelDefault)
		w.enqueueTx(tx, fresh)
		w.must(tx.Commit())
		w.same("payload", `"new"`, string(w.view(id).Payload))
	}},
	{"a key that was taken since an old snapshot is seen as taken", func(w *world) {
		t := w.typ("t")
		tx := w.begin(sql.LevelRepeatableRead)
		var n int
		w.must(tx.QueryRow("SELECT COUNT(*) FROM ds_jobs").Scan(&n)) // the snapshot is from now
		if !w.in.Rows {
			w.must(tx.Commit()) // it would be the only writer
		}
		id := w.enqueue(keyed(t, "k", active))[0]
		if !w.in.Rows {
			tx = w.begin(sql.LevelRepeatableRead)
		}
		for _, u := range []engine.Unique{active, waits, monthly, forever} {
			w.same("made, unique = "+u.String(), []engine.Enqueued{{ID: id}}, w.enqueueTx(tx, keyed(t, "k", u)))
		}
		w.must(tx.Commit())
	}},
	{"a key whose job was retried since an old snapshot is seen as taken", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		t := w.typ("t")
		j := w.start(keyed(t, "k", forever))
		w.commit(failed(j))
		tx := w.begin(sql.LevelRepeatableRead)
		var n int
		w.must(tx.QueryRow("SELECT COUNT(*) FROM ds_jobs").Scan(&n))
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		w.same("made", []engine.Enqueued{{ID: j.ID}}, w.enqueueTx(tx, keyed(t, "k", active)))
		w.must(tx.Commit())
	}},
	{"two transactions that want one key wait for each other", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelReadCommitted, sql.LevelRepeatableRead} {
			first, second := w.begin(level), w.begin(level)
			made := w.enqueueTx(first, keyed(t, level.String(), active))
			var wg sync.WaitGroup
			var late []engine.Enqueued
			wg.Go(func() {
				var err error
				if late, err = w.store.EnqueueTx(w.ctx, second, []engine.JobInsert{keyed(t, level.String(), active)}); err != nil {
					w.Error(err)
				}
			})
			w.must(first.Commit())
			wg.Wait()
			w.same("the second at "+level.String(), []engine.Enqueued{{ID: made[0].ID}}, late)
			w.must(second.Commit())
		}
	}},
	{"an open transaction that enqueued stops no claim", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		a, b := w.typ("a"), w.typ("b")
		w.enqueue(append(jobs(a, 5), jobs(b, 5)...)...)
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, job(a), job(b))
		w.enqueue(append(jobs(a, 5), jobs(b, 5)...)...)
		w.same("of one queue", 10, len(w.claim(queue(a), 50)))
		w.same("of the other", 10, len(w.claim(queue(b), 50)))
		w.must(tx.Commit())
		w.until("late jobs are found", func() bool { return len(w.claim(queue(a), 5)) == 1 })
		w.until("late jobs are found", func() bool { return len(w.claim(queue(b), 5)) == 1 })
	}},
	{"times are the same whatever zone the caller's handle has", func(w *world) {
		if w.in.Zoned == nil {
			return
		}
		t := w.typ("t")
		for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York"} {
			for _, parse := range []bool{true, false} {
				db := w.in.Zoned(w.TB, zone, parse)
				name := fmt.Sprintf("%s, parsed %v: ", zone, parse)
				begin := func() *sql.Tx {
					tx, err := db.BeginTx(w.ctx, nil)
					w.must(err)
					w.Cleanup(func() { tx.Rollback() })
					return tx
				}
				hour := keyed(t, name+"late", waits)
				hour.Delay = time.Hour
				tx := begin()
				made := w.enqueueTx(tx, hour)
				w.must(tx.Commit())
				due := w.view(made[0].ID).RunAt
				now, err := w.store.Now(w.ctx)
				w.must(err)
				if left := due.Sub(now); left < 59*time.Minute || left > time.Hour {
					w.Errorf("%sa job that was delayed by an hour is due in %s", name, left)
				}
				monthly := keyed(t, name+"monthly", monthly)
				monthly.Priority = -1
				first := w.enqueue(monthly)[0]
				w.commit(completed(w.take(queue(t))))
				tx = begin()
				w.same(name+"a key that waits", []engine.Enqueued{{ID: made[0].ID}, {ID: first}}, w.enqueueTx(tx, hour, monthly))
				w.must(tx.Rollback())
			}
		}
	}},
	{"what a caller asks of keys stops nobody else, at any level", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		a, b := w.typ("a"), w.typ("b")
		late := keyed(a, "late", waits)
		late.Delay = time.Hour
		lateReplaced := late
		lateReplaced.Replace = true
		ready := keyed(b, "ready", waits)
		readyReplaced := ready
		readyReplaced.Replace, readyReplaced.Payload = true, raw("new")
		for i, ask := range []engine.JobInsert{keyed(a, "held", waits), keyed(a, "held", active), keyed(a, "held", forever), late, lateReplaced, ready, readyReplaced, keyed(a, "new", active)} {
			for _, level := range []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead} {
				if i == 0 && level == sql.LevelReadCommitted {
					w.enqueue(keyed(a, "held", waits))
				}
				var held *engine.ClaimedJob
				if i < 3 {
					held = w.take(queue(a))
				}
				if level == sql.LevelReadCommitted && (i == 3 || i == 5) {
					w.enqueue(ask)
				}
				tx := w.begin(level)
				w.enqueueTx(tx, ask)
				name := fmt.Sprintf("while %q is asked for by %s (replace %v) at %s, ", ask.Key, ask.Unique, ask.Replace, level)
				try := func(what string, do func(ctx context.Context) error) {
					ctx, stop := context.WithTimeout(w.ctx, 5*time.Second)
					defer stop()
					if err := do(ctx); err != nil {
						w.Errorf("%s%s: %v", name, what, err)
					}
				}
				add := func(list ...engine.JobInsert) func(context.Context) error {
					return func(ctx context.Context) error {
						_, err := w.store.Enqueue(ctx, list)
						return err
					}
				}
				c := w.typ("c")
				var keys []engine.JobInsert
				for n := range 40 {
					keys = append(keys, keyed(a, fmt.Sprint(name, n), active), keyed(c, fmt.Sprint(name, n), active))
				}
				later := job(c)
				later.Delay = 2 * time.Hour
				sooner := job(c)
				sooner.Delay = time.Minute
				for _, k := range keys {
					k.Priority = 5
					try("enqueue "+k.Key, add(k))
				}
				try("enqueue jobs of both types", add(job(c), later, sooner))
				if held != nil {
					try("give the held job back", func(ctx context.Context) error {
						return w.store.Release(ctx, held.Claim, []engine.JobRef{held.JobRef})
					})
				}
				w.must(tx.Rollback())
			}
		}
	}},
}
