package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var foldCases = []testCase{
	{"the rows of all emitters are locked before their keys, as a hook's commit does", func(w *world) {
		t := w.typ("t")
		var emitters []engine.JobID
		for _, k := range []string{"one", "two"} {
			p := w.start(keyed(t, k, active))
			w.commit(opened(p, job(t)))
			w.settle(w.take(queue(t)))
			emitters = append(emitters, p.ID)
		}
		faults := &Faults{}
		s := w.open(Options{Wrap: faults.Wrap})
		heard := faults.Listen()
		w.foldOn(s, nil)
		rows, keys := 0, 0
		for _, q := range heard() {
			switch {
			case strings.Contains(q, "ds_keys"):
				keys++
			case strings.HasPrefix(q, "SELECT id, epoch, ") && strings.Contains(q, "ds_jobs"):
				if rows++; keys > 0 {
					w.Errorf("after a key: %.200s", q)
				}
			}
		}
		if rows == 0 || keys == 0 {
			w.Errorf("%d statements about rows, %d about keys", rows, keys)
		}
		w.stands("completed", emitters...)
	}},
	{"there is nothing to fold, and it says so", func(w *world) {
		w.fold()
		queues, settled, more, err := w.store.Fold(w.ctx, 10)
		w.must(err)
		w.same("result", []any{0, 0, false}, []any{len(queues), len(settled), more})
	}},
	{"a fold stops at its limit and says that there is more", func(w *world) {
		t := w.typ("t")
		for range 7 {
			w.settle(w.start(job(t)))
		}
		_, _, more, err := w.store.Fold(w.ctx, 3)
		w.must(err)
		w.same("more", true, more)
		w.fold()
		w.same("completed", int64(7), w.counts("t").Completed)
	}},
	{"it names the queues in which something became due", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFinish)
		j := w.start(job(t))
		w.commit(opened(j, job(t)))
		w.settle(w.take(queue(t)))
		queues, settled, _, err := w.store.Fold(w.ctx, 100)
		w.must(err)
		w.same("queues", []engine.Queue{engine.QueueOf(t, engine.PhaseFinish)}, queues)
		w.same("settled", 0, len(settled))
	}},
	{"many folders make finish due exactly once", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFinish)
		const emitters, items = 12, 10
		for range emitters {
			w.commit(opened(w.start(job(t)), jobs(t, items)...))
			w.settle(w.claim(queue(t), items)...)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		due := 0
		for range 3 {
			s := w.open(Options{})
			wg.Go(func() {
				for range 40 {
					queues, _, _, err := s.Fold(w.ctx, 17)
					if err != nil {
						w.Error(err)
						return
					}
					mu.Lock()
					due += len(queues)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		w.fold()
		w.same("ready to finish", emitters, len(w.claim(engine.QueueOf(t, engine.PhaseFinish), 100)))
		if due > emitters {
			w.Errorf("%d times something became due, for %d emitters", due, emitters)
		}
	}},
	{"folders and workers at once lose no item", func(w *world) {
		t := w.typ("t")
		const emitters, items = 5, 30
		w.enqueue(jobs(t, emitters)...)
		for _, j := range w.claim(queue(t), emitters) {
			w.commit(among(opened(j, jobs(t, items)...)))
		}
		var workers, folders sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			s := w.open(Options{})
			folders.Go(func() {
				for {
					if _, _, _, err := s.Fold(w.ctx, 20); err != nil {
						w.Error(err)
						return
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for range 2 {
			s := w.open(Options{})
			srv := w.server(s)
			workers.Go(func() {
				for empty := 0; empty < 3; {
					claims, err := claimed(w.ctx, s, request(srv, queue(t), 7))
					if err != nil {
						w.Error(err)
						return
					}
					if len(claims) == 0 {
						empty++
						continue
					}
					var outcomes []engine.Outcome
					for i := range claims[0].Jobs {
						outcomes = append(outcomes, *completed(&claims[0].Jobs[i]))
					}
					if lost, err := s.Settle(w.ctx, outcomes, []engine.ClaimID{claims[0].ID}); err != nil || len(lost) > 0 {
						w.Error(lost, err)
						return
					}
				}
			})
		}
		workers.Wait()
		close(stop)
		folders.Wait()
		w.until("all is worked off", func() bool {
			w.settle(w.claim(queue(t), 100)...)
			return w.count("SELECT COUNT(*) FROM ds_ready WHERE id > 0") == 0
		})
		w.fold()
		w.same("completed", int64(emitters*(items+1)), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"))
	}},
	{"an emitter that was pruned stops no fold", func(w *world) {
		t := w.typ("t")
		w.settle(w.start(job(t)))
		w.exec("INSERT INTO ds_deltas (parent, type, at, completed) VALUES (4711, ?, "+w.now(0)+", 0)", t)
		w.fold()
	}},
	{"the hour of a count is that of its job", func(w *world) {
		t := w.typ("t")
		w.settle(w.start(job(t)))
		at := time.Date(2020, 2, 29, 23, 59, 59, 0, time.UTC)
		w.exec(fmt.Sprintf("UPDATE ds_deltas SET at = '%s.000000'", at.Format(time.DateTime)))
		w.fold()
		w.same("counts", []string{"1|1"}, w.rows("SELECT created, completed FROM ds_counters WHERE hour = '2020-02-29 23:00:00'"))
	}},
}

var promoteCases = []testCase{
	{"what is due becomes ready, and the rest tells when", func(w *world) {
		t, other := w.typ("t"), w.typ("other")
		queues, wait, more, err := w.store.Promote(w.ctx, 10)
		w.must(err)
		w.same("of nothing", []any{0, true, false}, []any{len(queues), wait < 0, more})
		a, b, c := job(t), job(other), job(t)
		a.Delay, b.Delay, c.Delay = time.Hour, time.Hour, 2*time.Hour
		a.Priority = 7
		made := w.enqueue(a, b, c)
		_, wait, _, err = w.store.Promote(w.ctx, 10)
		w.must(err)
		if wait < 59*time.Minute || wait > time.Hour {
			w.Errorf("the next is due in %v", wait)
		}
		w.due(made[0], made[1])
		w.until("both are ready", func() bool {
			queues, _, _, err = w.store.Promote(w.ctx, 10)
			w.must(err)
			return len(queues) > 0
		})
		w.same("queues", 2, len(queues))
		w.same("ready", []engine.JobID{made[0]}, ids(w.claim(queue(t), 5)))
		w.same("ready", []engine.JobID{made[1]}, ids(w.claim(queue(other), 5)))
	}},
	{"a promotion stops at its limit and says that there is more", func(w *world) {
		t := w.typ("t")
		later := job(t)
		later.Delay = time.Hour
		made := w.enqueue(later, later, later, later, later)
		w.due(made...)
		_, _, more, err := w.store.Promote(w.ctx, 2)
		w.must(err)
		w.same("more", true, more)
		w.same("ready", int64(2), w.count("SELECT COUNT(*) FROM ds_ready WHERE id > 0"))
		w.promote()
		w.same("ready", 5, len(w.claim(queue(t), 9)))
	}},
	{"an earlier time that comes later is found", func(w *world) {
		t := w.typ("t")
		first := job(t)
		first.Delay = time.Hour
		w.due(w.enqueue(first)[0])
		w.promote()
		id := w.enqueue(first)[0]
		w.exec("UPDATE ds_delayed SET due = '2001-01-01 00:00:00.000000'")
		w.exec("UPDATE ds_jobs SET run_at = '2001-01-01 00:00:00.000000' WHERE id = ?", id)
		w.promote()
		w.same("claimed", 2, len(w.claim(queue(t), 5)))
	}},
	{"many promoters move each job once", func(w *world) {
		t := w.typ("t")
		later := job(t)
		later.Delay = time.Hour
		var list []engine.JobInsert
		for range 120 {
			list = append(list, later)
		}
		w.due(w.enqueue(list...)...)
		var wg sync.WaitGroup
		for range 4 {
			s := w.open(Options{})
			wg.Go(func() {
				for range 12 {
					if _, _, _, err := s.Promote(w.ctx, 25); err != nil {
						w.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		w.promote()
		w.same("claimed", 120, len(w.claim(queue(t), 500)))
	}},
}
