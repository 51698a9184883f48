package storetest

import (
	"sync"

	"github.com/dsengine/dsengine/engine"
)

// hasten makes jobs due now.
func (w *world) hasten(tried bool, ids ...engine.JobID) []engine.HastenResult {
	w.Helper()
	results, err := w.store.Hasten(w.ctx, ids, tried)
	w.must(err)
	return results
}

// later is a job that is due when nobody waits any more.
func later(t engine.TypeID) engine.JobInsert {
	j := job(t)
	j.Delay = wait
	return j
}

var hastenCases = []testCase{
	{"a job that waits for its next attempt is made due now", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(retried(j, wait))
		w.same("before", 0, len(w.claim(queue(t), 5)))
		w.same("results", []engine.HastenResult{engine.HastenDone}, w.hasten(true, j.ID))
		if at := w.view(j.ID).RunAt; at != nil {
			w.Errorf("it is due, and yet is to run at %s", at)
		}
		w.same("again", []engine.HastenResult{engine.HastenNotDelayed}, w.hasten(true, j.ID))
		again := w.take(queue(t))
		w.same("its attempts are not forgotten", 1, again.Attempts)
		w.commit(alone(completed(again)))
		w.same("when it is final", []engine.HastenResult{engine.HastenNotDelayed}, w.hasten(false, j.ID))
	}},
	{"only what waits for a time is made due", func(w *world) {
		t := w.typ("t")
		runs := w.start(job(t))
		failed := w.start(job(t))
		w.commit(retried(failed, wait))
		made := w.enqueue(later(t), job(t))
		all := []engine.JobID{made[1], failed.ID, made[0], runs.ID, made[1] + 1000}
		no, done, gone := engine.HastenNotDelayed, engine.HastenDone, engine.HastenGone
		w.same("those that were tried", []engine.HastenResult{no, done, no, no, gone}, w.hasten(true, all...))
		w.same("all", []engine.HastenResult{no, no, done, no, gone}, w.hasten(false, all...))
		w.same("none", 0, len(w.hasten(false)))
		w.same("ready", []engine.JobID{failed.ID, made[0], made[1]}, ids(w.claim(queue(t), 5)))
	}},
	{"who makes a job due and who promotes it move it once", func(w *world) {
		t := w.typ("t")
		var list []engine.JobInsert
		for range 60 {
			list = append(list, later(t))
		}
		made := w.enqueue(list...)
		w.due(made...)
		var wg sync.WaitGroup
		for n := range 4 {
			s := w.open(Options{})
			wg.Go(func() {
				var err error
				if n%2 == 0 {
					_, err = s.Hasten(w.ctx, made, false)
				} else {
					_, _, _, err = s.Promote(w.ctx, 25)
				}
				if err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		w.promote()
		w.same("claimed", made, ids(w.claim(queue(t), 500)))
	}},
}

// hastenOperations are those that must stand any fault.
var hastenOperations = []operation{
	{"jobs are made due now", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		made := f.enqueue(later(t), later(t))
		step := func() error {
			_, err := f.bad.Hasten(f.ctx, made, false)
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			ready := f.count("SELECT COUNT(*) FROM ds_ready WHERE id IN (?, ?)", made[0], made[1])
			f.either("ready", 2, ready, err)
			f.hasten(false, made...)
			f.same("worked", 2, f.finish(queue(t)))
		}
	}},
}
