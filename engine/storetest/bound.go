package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// contextEnded is a context that has ended already.
func contextEnded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	stop()
	return ctx, stop
}

// deadReady leaves 10^digits deleted rows in the queue of a type, that the server keeps
// for the snapshot: of priority 0 or, in turn, 0 and other. New jobs have ids above theirs.
func (w *world) deadReady(t engine.TypeID, digits, other int) (snapshot *sql.Tx) {
	w.Helper()
	id, from, dead := "1", make([]string, digits), 1
	for i := range from {
		id += fmt.Sprintf(" + %d * d%d.n", dead, i)
		from[i] = fmt.Sprintf("(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) d%d", i)
		dead *= 10
	}
	w.exec(fmt.Sprintf("ALTER TABLE ds_jobs AUTO_INCREMENT = %d", dead+1000))
	w.exec(fmt.Sprintf("INSERT INTO ds_ready (queue, priority, id, epoch) SELECT %d, %d * (d0.n %% 2), %s, 0 FROM %s", queue(t), other, id, strings.Join(from, ", ")))
	snapshot = w.begin(sql.LevelRepeatableRead)
	var n int
	w.must(snapshot.QueryRow("SELECT COUNT(*) FROM ds_ready").Scan(&n))
	w.same("rows in the snapshot", dead, n)
	w.exec("DELETE FROM ds_ready")
	return snapshot
}

// Claims begin where the last one ended; what appears before that is found all
// the same.
var boundCases = []testCase{
	{"a lower id that commits late is found", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time: ids commit in their order
		}
		t := w.typ("t")
		tx := w.begin(sql.LevelDefault)
		late := w.enqueueTx(tx, jobs(t, 3)...)
		w.enqueue(jobs(t, 50)...)
		w.same("claimed before", 50, len(w.claim(queue(t), 100)))
		w.enqueue(jobs(t, 50)...)
		w.same("claimed before", 50, len(w.claim(queue(t), 100)))
		w.must(tx.Commit())
		w.found(t, late[0].ID, late[1].ID, late[2].ID)
	}},
	{"another process's retry with a lower id is found", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		srv := w.server(other)
		w.enqueue(jobs(t, 60)...)
		theirs := w.claimOn(other, srv, queue(t), 1)[0].Jobs[0]
		w.same("claimed", 59, len(w.claim(queue(t), 100)))
		w.must(other.Commit(w.ctx, nil, retried(&theirs, 0)))
		w.found(t, theirs.ID)
	}},
	{"another process's release with a lower id, and its delayed jobs, are found", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		srv := w.server(other)
		later := job(t)
		later.Delay = time.Hour
		low := w.enqueue(later)[0]
		w.enqueue(jobs(t, 60)...)
		theirs := w.claimOn(other, srv, queue(t), 1)[0]
		w.same("claimed", 59, len(w.claim(queue(t), 100)))
		w.must(other.Release(w.ctx, theirs.ID, []engine.JobRef{theirs.Jobs[0].JobRef}))
		w.due(low)
		_, _, _, err := other.Promote(w.ctx, 100)
		w.must(err)
		w.found(t, low, theirs.Jobs[0].ID)
	}},
	{"what Ready has found, the next claim takes", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		srv := w.server(other)
		for range 20 {
			w.enqueue(jobs(t, 30)...)
			theirs := w.claimOn(other, srv, queue(t), 1)[0]
			for n := 0; n < 29; {
				n += len(w.claim(queue(t), 100))
			}
			w.must(other.Release(w.ctx, theirs.ID, []engine.JobRef{theirs.Jobs[0].JobRef}))
			w.until("it is seen", func() bool {
				ready, err := w.store.Ready(w.ctx, []engine.Queue{queue(t)})
				w.must(err)
				return len(ready) == 1
			})
			w.same("claimed", []engine.JobID{theirs.Jobs[0].ID}, ids(w.claim(queue(t), 5)))
		}
	}},
	{"what this process itself makes due is found at once", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 60)...)
		list := w.claim(queue(t), 100)
		w.must(w.store.Release(w.ctx, list[7].Claim, []engine.JobRef{list[7].JobRef}))
		w.same("claimed", []engine.JobID{list[7].ID}, ids(w.claim(queue(t), 5)))
	}},
	{"a priority that nobody has used before is found", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		for _, p := range []int{0, 50, -50, 1, 100, -100} {
			j := job(t)
			j.Priority = p
			w.enqueue(j)
			w.same("claimed here", 1, len(w.claim(queue(t), 5)))
			made, err := other.Enqueue(w.ctx, []engine.JobInsert{j})
			w.must(err)
			w.found(t, made[0].ID)
		}
	}},
	{"dead rows under an open snapshot do not slow who has claimed nothing yet", func(w *world) {
		if !w.in.Rows {
			return // a deleted row is gone
		}
		w.in.Spoil()
		t := w.typ("t")
		snapshot := w.deadReady(t, 6, 5)
		w.enqueue(jobs(t, 1)...) // whose id is above
		w.same("claimed by another", 1, len(w.claim(queue(t), 5)))

		faults := &Faults{}
		s := w.open(Options{Wrap: faults.Wrap})
		srv := w.server(s)
		look := func() int {
			ready, err := s.Ready(w.ctx, []engine.Queue{queue(t)})
			w.must(err)
			return len(ready)
		}
		w.same("ready", 0, look())
		listen := faults.Listen()
		best, plain := time.Hour, time.Hour
		for range 10 {
			began := time.Now()
			w.same("ready", 0, look())
			best = min(best, time.Since(began))
		}
		dives := 0
		for _, q := range listen() {
			if strings.Contains(q, "FROM ds_ready") && !strings.Contains(q, "id >= ") {
				dives++
			}
		}
		if dives > 3 { // one is due at times
			w.Errorf("%d of 10 looks were at the whole queue", dives)
		}
		for range 3 {
			began := time.Now()
			w.same("in the queue", int64(0), w.count(fmt.Sprintf("SELECT COUNT(*) FROM ds_ready WHERE queue = %d AND id > 0", queue(t))))
			plain = min(plain, time.Since(began))
		}
		if best > plain/5 {
			w.Errorf("a look (%v at best) passes dead rows of another priority: a scan of the whole queue takes %v", best, plain)
		}
		// What others enqueue is found at once, and what is below in time.
		w.enqueue(jobs(t, 1)...)
		w.same("ready", 1, look())
		w.same("claimed", 1, len(w.claimOn(s, srv, queue(t), 5)[0].Jobs))
		w.exec(fmt.Sprintf("INSERT INTO ds_ready (queue, priority, id, epoch) VALUES (%d, 0, 500, 0)", queue(t)))
		w.until("one below is found", func() bool { return look() == 1 })
		w.exec("DELETE FROM ds_ready WHERE id = 500")
		// So is what has another priority.
		for _, p := range []int{-5, 5} {
			s, j := w.open(Options{}), job(t)
			w.same("ready", 0, w.ready(s, queue(t)))
			j.Priority = p
			w.enqueue(j)
			w.same("ready, of another priority", 1, w.ready(s, queue(t)))
			w.same("claims", 1, len(w.claimOn(s, w.server(s), queue(t), 5)))
		}
		w.must(snapshot.Rollback())
	}},
	{"many queues of a database that is far away are not looked at one by one", func(w *world) {
		f := &Faults{}
		s := w.open(Options{Wrap: f.Wrap})
		f.Before(func(string) { time.Sleep(25 * time.Millisecond) })
		var queues []engine.Queue
		for i := range 800 {
			queues = append(queues, queue(engine.TypeID(5000+i)))
		}
		listen := f.Listen()
		for range 3 {
			w.same("ready", 0, w.ready(s, queues...))
		}
		if n := len(listen()); n > 400 {
			w.Errorf("three looks were %d statements", n)
		}
	}},
	{"dead rows under an open snapshot do not slow claims", func(w *world) {
		if !w.in.Rows {
			return // a deleted row is gone
		}
		w.in.Spoil()
		t := w.typ("t")
		snapshot := w.deadReady(t, 5, 0)
		w.enqueue(jobs(t, 400)...)

		faults := &Faults{}
		s := w.open(Options{Wrap: faults.Wrap})
		srv := w.server(s)
		w.same("the first claim", 10, len(w.claimOn(s, srv, queue(t), 10)[0].Jobs)) // of the whole queue
		listen := faults.Listen()
		best := time.Hour
		for range 30 {
			began := time.Now()
			w.same("claimed", 10, len(w.claimOn(s, srv, queue(t), 10)[0].Jobs))
			best = min(best, time.Since(began))
		}
		bounded := 0
		for _, q := range listen() {
			if strings.HasPrefix(q, "SELECT priority, id, epoch") && strings.Contains(q, "id >= ") {
				bounded++
			}
		}
		if bounded < 10 {
			w.Errorf("%d of 30 claims began at a bound", bounded)
		}
		plain := time.Hour
		for range 3 {
			began := time.Now()
			var id int64
			w.must(w.db.QueryRow(fmt.Sprintf("SELECT id FROM ds_ready WHERE queue = %d AND id > 0 ORDER BY priority, id LIMIT 1", queue(t))).Scan(&id))
			plain = min(plain, time.Since(began))
		}
		w.t.Logf("a claim took %v, a scan of the queue %v, %d of 30 began at a bound", best, plain, bounded)
		if best > plain/2 {
			w.Errorf("a claim (%v at best) takes as long as a scan of the whole queue (%v at best)", best, plain)
		}
		w.must(snapshot.Rollback())
	}},
}

// ready is how many of the queues a store says that there is something to claim of.
func (w *world) ready(s engine.Store, queues ...engine.Queue) int {
	w.Helper()
	ready, err := s.Ready(w.ctx, queues)
	w.must(err)
	return len(ready)
}

// found claims, and wants the given jobs, and nothing else, to be found.
func (w *world) found(t engine.TypeID, want ...engine.JobID) {
	w.Helper()
	left := map[engine.JobID]bool{}
	for _, id := range want {
		left[id] = true
	}
	w.until(fmt.Sprintf("jobs %v are claimed", want), func() bool {
		for _, j := range w.claim(queue(t), 10) {
			if !left[j.ID] {
				w.Fatalf("job %d was claimed, want %v", j.ID, want)
			}
			delete(left, j.ID)
		}
		return len(left) == 0
	})
}
