package storetest

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// heldRunCases are about what a whole engine does around a caller's transaction that
// has enqueued and is not committed.
var heldRunCases = []testCase{
	{"a caller's open transaction stops nothing but what it holds", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		for n, commits := range []bool{true, false} {
			w.aroundCaller(n, commits)
		}
	}},
	{"what a caller holds is not asked for again and again", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		f := &Faults{}
		r := w.runtime(Options{Wrap: f.Wrap})
		t := consumes("t", givesNone)
		types, err := r.eng.RegisterTypes(w.ctx, t)
		w.must(err)
		ready, delayed := keyed(types["t"], "ready", waits), keyed(types["t"], "delayed", waits)
		ready.Replace, delayed.Replace = true, true
		delayed.Delay = time.Hour
		made := w.enqueue(ready, delayed)
		w.due(made[1])
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, ready, delayed)

		var beats, forReady, forDelayed atomic.Int64
		f.Before(func(q string) {
			for what, n := range map[string]*atomic.Int64{"SET beat = ": &beats, "FROM ds_ready": &forReady, "FROM ds_delayed": &forDelayed} {
				if strings.Contains(q, what) {
					n.Add(1)
				}
			}
		})
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Lease: time.Second, Poll: 3 * time.Second})
		w.until("two seconds have passed by the beat of its lease", func() bool { return beats.Load() >= 6 })
		const most = 60
		if a, b := forReady.Load(), forDelayed.Load(); a == 0 || a > most || b == 0 || b > most {
			w.Errorf("%d statements asked for ready jobs and %d for delayed ones, want 1 to %d", a, b, most)
		}
		w.must(tx.Rollback())
		w.until("both are completed", func() bool { return w.state(made[0]) == "completed" && w.state(made[1]) == "completed" })
		stop()
	}},
	{"a held key of a job that waits ends no hook of its claim", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		f := &Faults{}
		r := w.runtime(Options{Wrap: f.Wrap})
		long, end := raw("long"), make(chan struct{})
		t := counting("t")
		count := t.Hooks[engine.PhaseConsume]
		t.Hooks[engine.PhaseConsume] = func(c *engine.Call) (engine.Raw, error) {
			got, err := count(c)
			if string(c.Item()) == string(long) {
				select {
				case <-end:
				case <-c.Context().Done():
					return nil, c.Context().Err()
				}
			}
			return got, err
		}
		types, err := r.eng.RegisterTypes(w.ctx, t.Type)
		w.must(err)
		runs := job(types["t"])
		runs.Payload = long
		made := w.enqueue(append(jobs(types["t"], 30), runs, keyed(types["t"], "k", active))...)
		runner, waiter := made[30], made[31]
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t.Type}, Slots: slots("t", 1), Lease: 6 * time.Second})
		w.until("it runs", func() bool { return t.runs(runner) == 1 })
		epoch := w.count("SELECT epoch FROM ds_jobs WHERE id = ?", runner)
		w.same("cancelled", engine.CancelAsked, w.cancel(waiter))
		var looks atomic.Int64
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keyed(types["t"], "k", active))
		f.Before(func(q string) {
			if strings.HasPrefix(q, "SELECT jobs, size, server") {
				looks.Add(1)
			}
		})
		w.until("it was to be given back at once, and then every two seconds", func() bool { return looks.Load() >= 9 })
		w.same("epoch of the one that runs", epoch, w.count("SELECT epoch FROM ds_jobs WHERE id = ?", runner))
		w.must(tx.Rollback())
		w.until("the other is cancelled", func() bool { return w.state(waiter) == "cancelled" })
		close(end)
		w.until("the one that runs is completed", func() bool { return w.state(runner) == "completed" })
		stop()
		w.same("runs", []int{1, 0}, []int{t.runs(runner), t.runs(waiter)})
		w.same("claims", int64(0), w.count("SELECT COUNT(*) FROM ds_claims"))
	}},
	{"no more is claimed than can wait for rows that are held", func(w *world) {
		if !w.in.Rows {
			return
		}
		const batch, all = 5, 200
		r := w.runtime(Options{})
		t := counting("t")
		ids, err := r.eng.RegisterTypes(w.ctx, t.Type)
		w.must(err)
		var list []engine.JobInsert
		for n := range all {
			list = append(list, keyed(ids["t"], fmt.Sprint("k", n), active))
		}
		made := w.enqueue(list...)
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, list...) // none comes to be, and all keys are held
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t.Type}, Batch: batch})
		w.until("as much is done as may wait", func() bool { return t.total() > 2*batch })
		looks, most := 0, int64(0)
		w.until("it was looked at for a while", func() bool {
			most = max(most, w.count("SELECT COALESCE(SUM(size), 0) FROM ds_claims"))
			looks++
			return looks == 200
		})
		// A lane has a claim at work and one ahead when it learns that it is behind.
		if least, bound := int64(2*batch), int64(5*batch); most < least || most > bound {
			w.Errorf("%d jobs were claimed, want %d to %d", most, least, bound)
		}
		if n := t.total(); n > 5*batch {
			w.Errorf("%d hooks ran while nothing could be completed", n)
		}
		w.same("completed", int64(0), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"))
		w.must(tx.Rollback())
		w.until("all are completed", func() bool { return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == all })
		stop()
		for _, id := range made {
			w.same(fmt.Sprintf("runs of job %d", id), 1, t.runs(id))
		}
	}},
}

// countedType counts how often each job's hook ran.
type countedType struct {
	*engine.Type
	mu sync.Mutex
	n  map[engine.JobID]int
}

// counting is a type that does nothing else but to fail the first time for the
// payload "again", for good for "no", and to emit two items for "emit".
func counting(name string) *countedType {
	c := &countedType{n: map[engine.JobID]int{}}
	c.Type = consumes(name, func(call *engine.Call) (engine.Raw, error) {
		id := call.Job().ID
		c.mu.Lock()
		c.n[id]++
		n := c.n[id]
		c.mu.Unlock()
		switch string(call.Item()) {
		case `"no"`:
			return nil, &engine.Failure{Message: "no", Kind: engine.KindError}
		case `"again"`:
			if n == 1 {
				return nil, errors.New("not yet")
			}
		case `"emit"`:
			for range 2 {
				if _, err := call.Emit(engine.Emission{Payload: raw("item")}); err != nil {
					return nil, err
				}
			}
		}
		return nil, nil
	})
	c.Settings.Retry = engine.RetryPolicy{Max: 3, First: time.Millisecond, Jitter: -1}
	return c
}

func (c *countedType) runs(id engine.JobID) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[id]
}

func (c *countedType) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.n {
		n += k
	}
	return n
}

// aroundCaller has a caller enqueue into a type that is being worked, with the keys of
// a job and of an emitter, while jobs of it are claimed, completed, retried, cancelled
// and pruned; then the caller commits, or rolls back.
func (w *world) aroundCaller(n int, commits bool) {
	w.Helper()
	r := w.runtime(Options{})
	a, b := counting(fmt.Sprint("a", n)), counting(fmt.Sprint("b", n))
	types, err := r.eng.RegisterTypes(w.ctx, a.Type, b.Type)
	w.must(err)
	ta, tb := types[a.Name], types[b.Name]
	with := func(j engine.JobInsert, payload string) engine.JobInsert {
		j.Payload = raw(payload)
		return j
	}
	later := job(ta)
	later.Delay = time.Hour
	ids := w.enqueue(keyed(ta, "job", active), with(keyed(ta, "emitter", active), "emit"), later,
		with(keyed(ta, "free", active), "emit"), with(job(ta), "again"), with(job(ta), "no"), keyed(tb, "job", active))
	held, emitter, delayed, rest := ids[0], ids[1], ids[2], ids[3:]
	plain := w.enqueue(append(jobs(ta, 50), jobs(tb, 50)...)...)

	tx := w.begin(sql.LevelDefault)
	asked := w.enqueueTx(tx, keyed(ta, "job", active), keyed(ta, "emitter", active), keyed(ta, "new", active), job(ta), job(tb))
	w.same("made by the caller", []bool{false, false, true, true, true},
		[]bool{asked[0].Created, asked[1].Created, asked[2].Created, asked[3].Created, asked[4].Created})
	stop := r.start(engine.ServerOptions{Types: []*engine.Type{a.Type, b.Type}, Batch: 20})
	done := func(status engine.Status, list ...engine.JobID) func() bool {
		return func() bool {
			for _, id := range list {
				if w.view(id).Status != status {
					return false
				}
			}
			return true
		}
	}
	w.until("the jobs that nobody holds are completed", done(engine.StatusCompleted, plain...))
	w.until("so are the retried one, the emitter, and the other type's", done(engine.StatusCompleted, rest[0], rest[1], rest[3]))
	w.until("one has failed", done(engine.StatusFailed, rest[2]))
	w.same("cancelled", engine.CancelDone, w.cancel(delayed))
	w.must(w.store.Retry(w.ctx, rest[2], engine.RetryOptions{}))
	w.until("the retried one has failed again", func() bool { return a.runs(rest[2]) >= 2 && done(engine.StatusFailed, rest[2])() })
	w.until("the held ones have run", func() bool { return a.runs(held) == 1 && a.runs(emitter) == 1 })
	w.loose = true // the counters tell of jobs that were pruned
	w.exec("UPDATE ds_jobs SET created_at = "+old+", finished_at = "+old+" WHERE id = ?", plain[0])
	w.pruneAll(ta, map[engine.Status]time.Duration{engine.StatusCompleted: time.Hour})
	_, err = w.store.Job(w.ctx, plain[0])
	w.code("a job that is old", engine.CodeNotFound, err)
	late := w.enqueue(append(jobs(ta, 5), jobs(tb, 5)...)...)
	w.until("what comes meanwhile is completed", done(engine.StatusCompleted, late...))
	if s := w.view(held).Status; s.Final() {
		w.Errorf("the held job is %v already", s)
	}
	if s := w.view(emitter).Status; s.Final() {
		w.Errorf("the held emitter is %v already", s)
	}

	mine := []engine.JobID{asked[2].ID, asked[3].ID, asked[4].ID}
	if commits {
		w.must(tx.Commit())
		w.until("the caller's jobs are completed", done(engine.StatusCompleted, mine...))
	} else {
		w.must(tx.Rollback())
	}
	w.until("so are the held ones", done(engine.StatusCompleted, held, emitter))
	stop()
	for _, id := range append([]engine.JobID{held, emitter, rest[0]}, plain...) {
		if n := a.runs(id) + b.runs(id); n != 1 {
			w.Errorf("job %d ran %d times", id, n)
		}
	}
	if !commits {
		for _, id := range mine {
			_, err := w.store.Job(w.ctx, id)
			w.code("a job that was rolled back", engine.CodeNotFound, err)
		}
		w.same("the key that was rolled back is free", true, w.add(keyed(ta, "new", active)).Created)
	}
	w.same("a key is free again", true, w.add(keyed(ta, "job", active)).Created)
	w.same("claims", int64(0), w.count("SELECT COUNT(*) FROM ds_claims"))
}
