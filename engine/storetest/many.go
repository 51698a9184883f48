package storetest

import (
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// cancelAll cancels many jobs.
func (w *world) cancelAll(ids ...engine.JobID) []engine.CancelResult {
	w.Helper()
	r, err := w.store.CancelAll(w.ctx, ids, engine.CancelOptions{Reason: "because"})
	w.must(err)
	return r
}

// motley makes jobs of a type in all states in which one can be cancelled, or is
// too late.
func (w *world) motley(name string) (ids []engine.JobID) {
	w.Helper()
	t := w.typ(name, engine.PhaseConsume, engine.PhaseFinish, engine.PhaseFail)
	later, second, urgent := keyed(t, "later", monthly), keyed(t, "second", active), job(t)
	later.Delay, second.Delay, urgent.Priority = time.Hour, time.Hour, -5
	state := func(move func(j *engine.ClaimedJob)) {
		w.Helper()
		j := w.start(keyed(t, fmt.Sprint(name, len(ids)), active))
		move(j)
		ids = append(ids, j.ID)
	}
	state(func(*engine.ClaimedJob) {})
	state(func(j *engine.ClaimedJob) { w.cancel(j.ID) })
	state(func(j *engine.ClaimedJob) { w.settle(j) })
	state(func(j *engine.ClaimedJob) { w.commit(failed(j)) })
	state(func(j *engine.ClaimedJob) { w.commit(retried(j, time.Hour)) })
	state(func(j *engine.ClaimedJob) {
		w.commit(retried(j, time.Hour))
		w.due(j.ID)
		w.promote()
		w.same("claimed", j.ID, w.take(queue(t)).ID)
	})
	state(func(j *engine.ClaimedJob) { w.commit(failing(j)) })
	state(func(j *engine.ClaimedJob) {
		w.commit(opened(j, job(t)))
		w.settle(w.take(queue(t)))
		w.fold()
		w.stands("finish/waiting", j.ID)
	})
	state(func(j *engine.ClaimedJob) {
		w.commit(checkpoint(j, "p", later))
		w.commit(retried(j, time.Hour))
	})
	var items []engine.JobID
	state(func(j *engine.ClaimedJob) {
		w.commit(opened(j, second, urgent))
		for _, i := range w.list(engine.JobFilter{Parent: j.ID}) {
			items = append(items, i.ID)
		}
	})
	slices.Sort(items)
	return append(append(ids, items...), w.enqueue(keyed(t, "k", active), urgent)...)
}

// whole is all that the database says of the jobs of a type, without their ids, and
// the epochs of emitters, which grow with each transaction that retries items of theirs.
func (w *world) whole(t engine.TypeID) (list []string) {
	w.Helper()
	for _, q := range []string{
		"SELECT phase, status, CASE WHEN items > 0 THEN 0 ELSE epoch END, attempts, losses, failed_phase, verdict, server, items, checkpoints, cancel, redrive, CASE WHEN run_at > '1971-01-01' THEN 1 ELSE 0 END, CASE WHEN started_at > '1971-01-01' THEN 1 ELSE 0 END, CASE WHEN finished_at > '1971-01-01' THEN 1 ELSE 0 END FROM ds_jobs WHERE type = ? ORDER BY id",
		"SELECT COUNT(*), SUM(s.epoch) FROM ds_signals s JOIN ds_jobs j ON j.id = s.job WHERE j.type = ?",
		"SELECT COUNT(*) FROM ds_open WHERE type = ?",
		"SELECT COUNT(*) FROM ds_sweeps s JOIN ds_jobs j ON j.id = s.parent WHERE j.type = ?",
		"SELECT COUNT(*), SUM(keep_for) FROM ds_keys WHERE type = ?",
		"SELECT phase, attempt, level, message FROM ds_logs WHERE type = ? ORDER BY job",
		"SELECT COUNT(*) FROM ds_failures WHERE type = ?",
		"SELECT COUNT(*) FROM ds_delayed d JOIN ds_jobs j ON j.id = d.id WHERE j.type = ?",
		"SELECT r.priority, r.epoch, r.alone FROM ds_ready r JOIN ds_jobs j ON j.id = r.id WHERE j.type = ? ORDER BY r.id",
		"SELECT phase, completed, failed, cancelled FROM ds_parents WHERE type = ? ORDER BY id",
		"SELECT r.stats FROM ds_results r JOIN ds_jobs j ON j.id = r.id WHERE j.type = ? ORDER BY r.id",
		"SELECT p.payload, p.item FROM ds_payloads p JOIN ds_jobs j ON j.id = p.id WHERE j.type = ? ORDER BY p.id",
		"SELECT COUNT(*), SUM(kept) FROM ds_rejects WHERE type = ?",
	} {
		list = append(list, w.rows(q, t)...)
	}
	return list
}

var manyCases = []testCase{
	{"a cancel of many does what a cancel of each does", func(w *world) {
		one, all := w.motley("one"), w.motley("all")
		var want []engine.CancelResult
		for _, id := range one {
			want = append(want, w.cancel(id))
		}
		got := w.cancelAll(reversed(all)...)
		slices.Reverse(got)
		w.same("results", want, got)
		w.fold()
		w.sweep()
		w.same("the database", w.whole(w.typ("one", engine.PhaseConsume, engine.PhaseFinish, engine.PhaseFail)), w.whole(w.typ("all", engine.PhaseConsume, engine.PhaseFinish, engine.PhaseFail)))
		c, d := w.counts("one"), w.counts("all")
		w.same("counts", c, d)
		w.same("again", engine.CancelTooLate, w.cancelAll(all[len(all)-1])[0])
	}},
	{"a cancel of many passes over jobs that are not there", func(w *world) {
		t := w.typ("t")
		id := w.enqueue(job(t))[0]
		w.same("results", []engine.CancelResult{engine.CancelGone, engine.CancelDone, engine.CancelGone}, w.cancelAll(id+100, id, id+200))
		w.same("none at all", 0, len(w.cancelAll()))
	}},
	{"many jobs are cancelled while others claim them: either, never both, and it ends", func(w *world) {
		t := w.typ("t")
		const n = 400
		ids := w.enqueue(jobs(t, n)...)
		var wg sync.WaitGroup
		var done atomic.Int64
		var stop atomic.Bool
		for range 3 {
			s := w.open(Options{})
			srv := w.server(s)
			wg.Go(func() {
				for !stop.Load() {
					claims, err := claimed(w.ctx, s, request(srv, queue(t), 7))
					if err != nil {
						w.Error(err)
						return
					}
					for _, c := range claims {
						for i := range c.Jobs {
							j := &c.Jobs[i]
							o := alone(completed(j))
							o.Server = srv
							if i%2 == 0 {
								o = alone(withdrawn(j)) // as a process does that was asked to stop
							}
							if err := s.Commit(w.ctx, nil, o); err != nil {
								w.Error(err)
								return
							}
							done.Add(1)
						}
					}
				}
			})
		}
		var cancelled, asked, late int64
		for batch := range slices.Chunk(reversed(ids), 100) {
			for _, r := range w.cancelAll(batch...) {
				switch r {
				case engine.CancelDone:
					cancelled++
				case engine.CancelAsked:
					asked++
				case engine.CancelTooLate:
					late++
				}
			}
		}
		w.until("no job is left", func() bool {
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = ?", engine.StatusWaiting) == 0
		})
		stop.Store(true)
		wg.Wait()
		w.same("all have a result", int64(n), cancelled+asked+late)
		w.same("each was cancelled or worked", int64(n), cancelled+done.Load())
		w.same("nothing is ready", int64(0), w.count("SELECT COUNT(*) FROM ds_ready WHERE id > 0"))
	}},
	{"a retry of many does what a retry of each does", func(w *world) {
		t := w.typ("t")
		var ids []engine.JobID
		for i := range 3 {
			j := w.start(keyed(t, fmt.Sprint("k", i), active))
			w.commit(failed(j))
			ids = append(ids, j.ID)
		}
		_, _, low := w.family(t)
		waiting := w.enqueue(keyed(t, "k1", active))[0] // has taken the key of the second
		results, err := w.store.RetryAll(w.ctx, []engine.JobID{low, ids[2], ids[1], waiting, waiting + 1000, ids[0]}, engine.RetryOptions{})
		w.must(err)
		var codes []engine.Code
		for _, r := range results {
			codes = append(codes, engine.CodeOf(r.Err))
			if r.Err == nil {
				w.same("phase", engine.PhaseConsume, r.Phase)
			}
		}
		w.same("results", []engine.Code{"", "", engine.CodeConflict, engine.CodeConflict, engine.CodeNotFound, ""}, codes)
		w.stands("consume/waiting", ids[0], ids[2], low)
		w.stands("failed", ids[1])
		results, err = w.store.RetryAll(w.ctx, nil, engine.RetryOptions{})
		w.must(err)
		w.same("none at all", 0, len(results))
	}},
	{"a retry of many leaves the database as a retry of each", func(w *world) {
		hooks := []engine.Phase{engine.PhaseProduce, engine.PhaseConsume, engine.PhaseFinish, engine.PhaseFail}
		set := func(name string) (ids []engine.JobID) {
			t := w.typ(name, hooks...)
			end := func(j *engine.ClaimedJob, how func(*engine.ClaimedJob) *engine.Outcome) {
				w.commit(alone(how(j)))
				ids = append(ids, j.ID)
			}
			for i, unique := range []engine.Unique{active, monthly} {
				n := keyed(t, fmt.Sprint(name, i), unique)
				n.Payload = raw("p")
				end(w.start(n), failed)
			}
			end(w.start(job(t)), completed)
			end(w.start(job(t)), withdrawn)
			made := job(t)
			made.Phase = engine.PhaseProduce
			w.enqueue(made)
			end(w.take(engine.QueueOf(t, engine.PhaseProduce)), failed)
			j := w.start(job(t))
			w.commit(checkpoint(j, "at"))
			end(j, failed)
			end(w.start(job(t)), func(j *engine.ClaimedJob) *engine.Outcome { return rejecting(failed(j), reject("r")) })
			open := w.start(job(t))
			w.commit(opened(open, jobs(t, 3)...))
			end(w.take(queue(t)), failed)
			end(w.take(queue(t)), withdrawn)
			w.take(queue(t)) // the last one runs on
			top := w.start(job(t))
			w.commit(opened(top, jobs(t, 2)...))
			end(w.take(queue(t)), failed)
			end(w.take(queue(t)), failed)
			w.fold()
			w.stands("consume/open", open.ID)
			w.stands("finish/waiting", top.ID)
			return ids
		}
		one, all := set("one"), set("all")
		for _, o := range []engine.RetryOptions{{}, {From: engine.PhaseProduce}, {Fresh: true}} {
			var want, got []string
			for _, id := range one {
				want = append(want, fmt.Sprint(engine.CodeOf(w.store.Retry(w.ctx, id, o))))
			}
			results, err := w.store.RetryAll(w.ctx, append(all, all...), o)
			w.must(err)
			for _, r := range results[:len(all)] {
				got = append(got, fmt.Sprint(engine.CodeOf(r.Err)))
			}
			w.same("results", want, got)
			w.same("the database", w.whole(w.typ("one", hooks...)), w.whole(w.typ("all", hooks...)))
			w.check()
			w.fold()
			w.same("counts", w.counts("one"), w.counts("all"))
			for _, name := range []string{"one", "all"} { // and once more
				t := w.typ(name, hooks...)
				for _, p := range hooks[:2] {
					for _, j := range w.claim(engine.QueueOf(t, p), 50) {
						w.commit(failed(j))
					}
				}
			}
		}
	}},
	{"a retry of many waits for no job that is not one of them, however few there are", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(failed(j))
		list := []engine.JobID{j.ID}
		for n := engine.JobID(1); len(list) < 500; n++ {
			list = append(list, j.ID+1000*n) // a list that is long beside the table
		}
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, job(t))
		results, err := w.store.RetryAll(w.ctx, list, engine.RetryOptions{})
		w.must(err)
		w.must(results[0].Err)
		w.must(tx.Rollback())
		w.stands("consume/waiting", j.ID)
	}},
	{"what a retry had written that is not done is taken back, and the others are done", func(w *world) {
		t := w.typ("t")
		other := w.start(job(t))
		w.commit(failed(other))
		_, _, low := w.family(t)
		w.enqueue(keyed(t, "top", active))
		before := w.rows("SELECT id, epoch, status FROM ds_jobs WHERE id <> ? ORDER BY id", other.ID)
		results, err := w.store.RetryAll(w.ctx, []engine.JobID{low, other.ID}, engine.RetryOptions{})
		w.must(err)
		w.code("the one whose emitter's key was taken", engine.CodeConflict, results[0].Err)
		w.must(results[1].Err)
		w.same("the others", before, w.rows("SELECT id, epoch, status FROM ds_jobs WHERE id <> ? ORDER BY id", other.ID))
		w.stands("consume/waiting", other.ID)
	}},
}

// manyOperations are those on many jobs that must stand any fault.
var manyOperations = []operation{
	{"cancel of many jobs", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		tag := fmt.Sprint("tag", f.unique())
		later := keyed(t, tag, active)
		later.Delay = wait
		runs := f.start(job(t))
		ids := append([]engine.JobID{runs.ID}, f.enqueue(later, keyed(t, tag+"b", active), job(t), job(t))...)
		want := []engine.CancelResult{engine.CancelAsked, engine.CancelDone, engine.CancelDone, engine.CancelDone, engine.CancelDone}
		step := func() error {
			r, err := f.bad.CancelAll(f.ctx, ids, engine.CancelOptions{Reason: "why"})
			if err == nil {
				f.same("results", want, r)
			}
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			if f.died {
				f.cancelAll(ids...)
			} else {
				f.same("signals", int64(1), f.count("SELECT COUNT(*) FROM ds_signals WHERE job = ?", runs.ID))
			}
			f.commit(withdrawn(runs))
			f.stands("cancelled", ids...)
			f.same("keys are free", true, f.add(keyed(t, tag, active)).Created && f.add(keyed(t, tag+"b", active)).Created)
			f.finish(queue(t))
		}
	}},
	{"retry of many jobs", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		f.enqueue(jobs(t, 1)...)
		list := f.claim(queue(t), 1)
		f.commit(among(failed(list[0])))
		top, middle, low := f.family(t)
		ids := []engine.JobID{list[0].ID, low}
		step := func() error {
			results, err := f.bad.RetryAll(f.ctx, ids, engine.RetryOptions{})
			for _, r := range results {
				f.must(r.Err)
			}
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			if f.died && f.state(low) == "failed" {
				_, err := f.store.RetryAll(f.ctx, ids, engine.RetryOptions{})
				f.must(err)
			}
			f.stands("consume/open", top, middle)
			f.same("jobs", 2, f.finish(queue(t)))
			f.stands("completed", append(ids, top, middle)...)
		}
	}},
}

func reversed(ids []engine.JobID) []engine.JobID {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}
