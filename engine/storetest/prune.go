package storetest

import (
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
)

const old = "'2001-01-01 00:00:00.000000'"

var everything = map[engine.Status]time.Duration{engine.StatusCompleted: time.Hour, engine.StatusFailed: time.Hour, engine.StatusCancelled: time.Hour}

// pruneAll prunes a type until a round has looked at everything.
func (w *world) pruneAll(t engine.TypeID, keep map[engine.Status]time.Duration) (n int) {
	w.Helper()
	for range 3 {
		k, _, err := w.store.Prune(w.ctx, t, keep, 100)
		w.must(err)
		n += k
	}
	return n
}

var pruneCases = []testCase{
	{"final jobs that are older than they are kept go, with all of theirs", func(w *world) {
		w.loose = true
		t := w.typ("t")
		n := keyed(t, "k", active)
		n.Payload = raw("p")
		a := w.start(n)
		w.commit(retried(a, 0))
		a = w.take(queue(t))
		o := completed(a)
		o.SetResult, o.Result = true, raw("r")
		w.commit(alone(o))
		w.must(w.store.AppendLogs(w.ctx, []engine.LogLine{{Job: a.ID, Type: t, Phase: 2, Attempt: 1, At: time.Now(), Level: "info", Message: "m"}}))
		w.must(w.store.SaveProgress(w.ctx, map[engine.JobID]engine.Progress{a.ID: {Done: 1}}))
		b := w.start(job(t))
		w.commit(failed(b))
		c := w.start(job(t))
		w.settle(c)
		w.exec("UPDATE ds_jobs SET finished_at = "+old+" WHERE id IN (?, ?)", a.ID, b.ID)
		w.same("pruned", 2, w.pruneAll(t, everything))
		_, err := w.store.Job(w.ctx, a.ID)
		w.code("pruned", engine.CodeNotFound, err)
		w.stands("completed", c.ID)
		w.same("nothing more", 0, w.pruneAll(t, everything))
		for _, table := range []string{"ds_results", "ds_logs", "ds_attempts", "ds_progress", "ds_payloads", "ds_failures"} {
			w.same(table, int64(0), w.count("SELECT COUNT(*) FROM "+table))
		}
	}},
	{"it goes on while there is something old that it has not looked at", func(w *world) {
		w.loose = true
		t := w.typ("t")
		made := w.enqueue(jobs(t, 5100)...)
		w.exec("UPDATE ds_jobs SET created_at = " + old)
		var last *engine.ClaimedJob
		for last == nil || last.ID != made[len(made)-1] {
			list := w.claim(queue(t), 1000)
			last = list[len(list)-1]
		}
		w.commit(completed(last))
		w.exec("UPDATE ds_jobs SET finished_at = "+old+" WHERE id = ?", last.ID)
		n, more, err := w.store.Prune(w.ctx, t, everything, 100)
		w.must(err)
		w.same("first", []any{0, true}, []any{n, more})
		n, more, err = w.store.Prune(w.ctx, t, everything, 100)
		w.must(err)
		w.same("then", []any{1, false}, []any{n, more})
		w.exec("UPDATE ds_jobs SET created_at = " + w.now(0))
		n, more, err = w.store.Prune(w.ctx, t, everything, 100)
		w.must(err)
		w.same("all are young", []any{0, false}, []any{n, more})
	}},
	{"each status is kept as long as it says", func(w *world) {
		w.loose = true
		t := w.typ("t")
		var list []engine.JobID
		for _, o := range []func(*engine.ClaimedJob) *engine.Outcome{completed, failed, withdrawn} {
			j := w.start(job(t))
			w.commit(alone(o(j)))
			list = append(list, j.ID)
		}
		w.exec("UPDATE ds_jobs SET finished_at = " + w.now(-2*time.Hour))
		w.same("pruned", 1, w.pruneAll(t, map[engine.Status]time.Duration{engine.StatusCompleted: time.Hour, engine.StatusFailed: 3 * time.Hour}))
		w.stands("failed", list[1])
		w.stands("cancelled", list[2])
		w.same("pruned by nothing", 0, w.pruneAll(t, nil))
	}},
	{"an item stays as long as its emitter is not final", func(w *world) {
		w.loose = true
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, job(t), job(t)))
		list := w.claim(queue(t), 2)
		w.commit(completed(list[0]))
		w.exec("UPDATE ds_jobs SET finished_at = "+old+" WHERE id = ?", list[0].ID)
		w.same("pruned", 0, w.pruneAll(t, everything))
		w.commit(alone(completed(list[1])))
		w.fold()
		w.exec("UPDATE ds_jobs SET finished_at = " + old)
		w.same("pruned", 3, w.pruneAll(t, everything))
		for _, table := range []string{"ds_jobs", "ds_parents", "ds_emissions"} {
			w.same(table, int64(0), w.count("SELECT COUNT(*) FROM "+table))
		}
	}},
	{"waiting, running and open jobs stay", func(w *world) {
		t := w.typ("t")
		open := w.start(job(t))
		w.commit(opened(open, job(t)))
		w.take(queue(t))
		w.enqueue(job(t))
		w.exec("UPDATE ds_jobs SET finished_at = " + old + ", created_at = " + old)
		w.same("pruned", 0, w.pruneAll(t, everything))
	}},
	{"it stops at its limit and goes on from there", func(w *world) {
		w.loose = true
		t := w.typ("t")
		w.enqueue(jobs(t, 25)...)
		w.settle(w.claim(queue(t), 25)...)
		w.exec("UPDATE ds_jobs SET finished_at = " + old)
		var got []int
		for range 4 {
			n, _, err := w.store.Prune(w.ctx, t, everything, 10)
			w.must(err)
			got = append(got, n)
		}
		w.same("pruned", []int{10, 10, 5, 0}, got)
	}},
	{"only jobs of the type go", func(w *world) {
		w.loose = true
		a, b := w.typ("a"), w.typ("b")
		w.settle(w.start(job(a)))
		j := w.start(job(b))
		w.settle(j)
		w.exec("UPDATE ds_jobs SET finished_at = " + old)
		w.same("pruned", 1, w.pruneAll(a, everything))
		w.stands("completed", j.ID)
	}},
	{"a key that is kept outlives its job", func(w *world) {
		w.loose = true
		t := w.typ("t")
		w.enqueue(keyed(t, "month", monthly), keyed(t, "ever", forever))
		w.settle(w.claim(queue(t), 2)...)
		w.exec("UPDATE ds_jobs SET finished_at = " + old)
		w.same("pruned", 2, w.pruneAll(t, everything))
		w.must(w.store.PruneRest(w.ctx, 100))
		w.same("keys", int64(2), w.count("SELECT COUNT(*) FROM ds_keys"))
		for key, u := range map[string]engine.Unique{"month": monthly, "ever": forever} {
			made, err := w.store.Enqueue(w.ctx, []engine.JobInsert{keyed(t, key, u)})
			w.must(err)
			w.same("created", false, made[0].Created)
		}
		w.enqueue(keyed(t, "month", active))
	}},
	{"a key goes with its job when that never completed", func(w *world) {
		w.loose = true
		t := w.typ("t")
		stored := func(key string, u engine.Unique) engine.JobInsert {
			j := keyed(t, key, u)
			j.Instance = "tenant"
			return j
		}
		w.enqueue(stored("failed", forever), stored("month", monthly), stored("lives", forever), stored("done", forever))
		list := w.claim(queue(t), 4)
		w.commit(among(failed(list[0])))
		w.commit(among(failed(list[1])))
		w.commit(among(completed(list[3])))
		cancelled := w.enqueue(stored("cancelled", forever))[0]
		_, err := w.store.Cancel(w.ctx, cancelled, "")
		w.must(err)
		again := w.enqueue(stored("again", forever))[0] // it completed once, and then its retry failed
		w.settle(w.take(queue(t)))
		w.again(again, engine.RetryOptions{})
		w.commit(failed(w.take(queue(t))))
		for _, key := range []string{"failed", "cancelled", "again"} {
			w.same("created while "+key+" is kept", false, w.add(stored(key, forever)).Created)
		}
		w.exec("UPDATE ds_jobs SET finished_at = " + old + " WHERE status > 3")
		w.same("pruned", 5, w.pruneAll(t, everything))
		w.same("keys", int64(2), w.count("SELECT COUNT(*) FROM ds_keys"))
		w.check()
		w.enqueue(stored("failed", forever), stored("month", forever), stored("cancelled", forever), stored("again", forever))
		made, err := w.store.Enqueue(w.ctx, []engine.JobInsert{stored("done", forever), stored("lives", forever)})
		w.must(err)
		w.same("created", []bool{false, false}, []bool{made[0].Created, made[1].Created})
	}},
	{"a key that another job took over stays when the first one is pruned", func(w *world) {
		w.loose = true
		t := w.typ("t")
		w.commit(failed(w.start(keyed(t, "k", monthly))))
		w.exec("UPDATE ds_jobs SET finished_at = " + old)
		holder := w.enqueue(keyed(t, "k", monthly))[0]
		w.same("pruned", 1, w.pruneAll(t, everything))
		w.same("holder", holder, w.add(keyed(t, "k", forever)).ID)
	}},
	{"keys whose time has passed go, also of jobs that never completed", func(w *world) {
		w.loose = true
		t := w.typ("t")
		w.enqueue(keyed(t, "done", monthly), keyed(t, "ever", forever), keyed(t, "lives", monthly))
		list := w.claim(queue(t), 3)
		w.commit(completed(list[0]))
		w.commit(completed(list[1]))
		w.exec("UPDATE ds_keys SET done_at = " + old + " WHERE done_at > '1970-01-02'")
		w.exec("UPDATE ds_jobs SET finished_at = " + old)
		w.same("pruned", 2, w.pruneAll(t, everything))
		for n, u := range []engine.Unique{monthly, forever} { // left by what pruned them before
			lost := w.enqueue(keyed(t, fmt.Sprint("lost", n), u))[0]
			w.take(queue(t))
			w.exec("DELETE FROM ds_claims WHERE jobs LIKE ?", fmt.Sprintf("[%d,%%", lost))
			w.exec("DELETE FROM ds_jobs WHERE id = ?", lost)
		}
		for range 4 {
			w.must(w.store.PruneRest(w.ctx, 2))
		}
		w.same("keys", []string{"-1", "2592000"}, w.rows("SELECT keep_for FROM ds_keys ORDER BY keep_for"))
	}},
	{"servers, signals, deleted values and old hours go", func(w *world) {
		t := w.typ("t")
		w.must(w.set("gone", raw(1), -1))
		w.must(w.set("gone", nil, -1))
		w.must(w.set("fresh", raw(1), -1))
		w.must(w.set("fresh", nil, -1))
		w.must(w.set("lives", raw(1), -1))
		w.exec("UPDATE ds_vars SET changed_at = "+old+" WHERE name <> ?", "fresh")
		j := w.start(job(t))
		w.cancel(j.ID)
		w.exec("UPDATE ds_signals SET at = " + old)
		w.commit(withdrawn(j))
		w.fold()
		w.exec("INSERT INTO ds_counters (type, hour, created) VALUES (?, '2001-01-01 05:00:00', 0)", t)
		holds := w.server(w.store)
		w.enqueue(job(t))
		w.claimOn(w.store, holds, queue(t), 1)
		stopped := w.server(w.store)
		for _, id := range []engine.ServerID{holds, stopped} {
			w.must(w.store.StopServer(w.ctx, id))
		}
		w.exec("UPDATE ds_servers SET seen_at = " + old)
		w.must(w.store.PruneRest(w.ctx, 100))
		w.same("values", []string{"fresh", "lives"}, w.rows("SELECT name FROM ds_vars ORDER BY name"))
		w.same("signals", int64(0), w.count("SELECT COUNT(*) FROM ds_signals"))
		w.same("old hours", int64(0), w.count("SELECT COUNT(*) FROM ds_counters WHERE hour > '1970-01-02' AND hour < '2002-01-01'"))
		w.same("totals", int64(1), w.count("SELECT COUNT(*) FROM ds_counters WHERE hour < '1970-01-02'"))
		w.same("servers that run or hold a claim", int64(2), w.count("SELECT COUNT(*) FROM ds_servers"))
	}},
	{"a job that is retried while it is pruned is whole", func(w *world) {
		w.loose = true
		t := w.typ("t")
		j := w.start(job(t))
		w.settle(j)
		w.exec("UPDATE ds_jobs SET finished_at = " + old)
		w.again(j.ID, engine.RetryOptions{})
		w.same("pruned", 0, w.pruneAll(t, everything))
		w.stands("consume/waiting", j.ID)
	}},
}
