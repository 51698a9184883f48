package storetest

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dsengine/dsengine/engine"
)

// cancelOnly cancels those of many jobs that are of a status.
func (w *world) cancelOnly(only engine.Status, ids ...engine.JobID) []engine.CancelResult {
	w.Helper()
	r, err := w.store.CancelAll(w.ctx, ids, engine.CancelOptions{Reason: "because", Only: only})
	w.must(err)
	return r
}

// onlyCases are about jobs that have changed their status since they were looked for.
var onlyCases = []testCase{
	{"a cancel of one status leaves jobs of all others alone", func(w *world) {
		ids := w.motley("t")
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFinish, engine.PhaseFail)
		for _, only := range []engine.Status{engine.StatusOpen, engine.StatusRunning, engine.StatusWaiting} {
			before, rows := map[engine.JobID]engine.Status{}, map[engine.JobID][]string{}
			for _, id := range ids {
				before[id] = w.view(id).Status
				rows[id] = w.rows("SELECT epoch, phase, status, verdict, cancel FROM ds_jobs WHERE id = ?", id)
			}
			n := 0
			for i, r := range w.cancelOnly(only, ids...) {
				id := ids[i]
				switch was := before[id]; {
				case was.Final():
					w.same("one that is final", engine.CancelTooLate, r)
				case was != only:
					w.same("one that is "+was.String(), engine.CancelOther, r)
					w.same("its row", rows[id], w.rows("SELECT epoch, phase, status, verdict, cancel FROM ds_jobs WHERE id = ?", id))
				case r != engine.CancelDone && r != engine.CancelAsked:
					w.Errorf("job %d is %s, and a cancel of those gives %d", id, was, r)
				default:
					n++
				}
			}
			if n == 0 {
				w.Errorf("no job was %s", only)
			}
			w.check()
		}
		w.fold()
		w.sweep()
		w.same("jobs that wait", 0, len(w.list(engine.JobFilter{Type: t, Status: engine.StatusWaiting})))
		for _, j := range w.list(engine.JobFilter{Type: t, Status: engine.StatusRunning}) {
			w.same("one that runs is asked to stop", true, w.view(j.ID).CancelAsked)
		}
	}},
	{"jobs that begin to run while those that wait are cancelled run on", func(w *world) {
		t := w.typ("t")
		const n = 300
		ids := w.enqueue(jobs(t, n)...)
		var wg sync.WaitGroup
		var done atomic.Int64
		var stop atomic.Bool
		for range 2 {
			s := w.open(Options{})
			srv := w.server(s)
			wg.Go(func() {
				for !stop.Load() {
					claims, err := claimed(w.ctx, s, request(srv, queue(t), 5))
					if err != nil {
						w.Error(err)
						return
					}
					for _, c := range claims {
						for i := range c.Jobs {
							o := alone(completed(&c.Jobs[i]))
							o.Server = srv
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
		var cancelled int64
		for batch := range slices.Chunk(reversed(ids), 50) {
			for _, r := range w.cancelOnly(engine.StatusWaiting, batch...) {
				switch r {
				case engine.CancelDone:
					cancelled++
				case engine.CancelOther, engine.CancelTooLate:
				default:
					w.Errorf("a cancel gives %d", r)
				}
			}
		}
		w.until("no job is left", func() bool {
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = ?", engine.StatusWaiting) == 0
		})
		stop.Store(true)
		wg.Wait()
		w.same("each was cancelled or worked", int64(n), cancelled+done.Load())
		w.same("jobs that were asked to stop", int64(0), w.count("SELECT COUNT(*) FROM ds_signals"))
		w.same("jobs that are flagged", int64(0), w.count("SELECT COUNT(*) FROM ds_jobs WHERE cancel = 1"))
	}},
	{"a retry of one status leaves jobs of all others alone", func(w *world) {
		t := w.typ("t")
		var ids []engine.JobID
		for _, how := range []func(*engine.ClaimedJob) *engine.Outcome{completed, failed, withdrawn, completed, failed, withdrawn} {
			j := w.start(job(t))
			w.commit(alone(how(j)))
			ids = append(ids, j.ID)
		}
		_, _, low := w.family(t)
		ids = append(ids, low, w.start(job(t)).ID, w.enqueue(job(t))[0])
		for _, only := range []engine.Status{engine.StatusCancelled, engine.StatusCompleted, engine.StatusFailed} {
			was := map[engine.JobID]engine.Status{}
			for _, id := range ids {
				was[id] = w.view(id).Status
			}
			for i, id := range ids {
				if was[id] != only {
					w.code("a retry of "+was[id].String(), engine.CodeConflict, w.store.Retry(w.ctx, id, engine.RetryOptions{Only: only}))
				} else if i < 3 { // the others are retried with many
					w.again(id, engine.RetryOptions{Only: only})
				}
			}
			results, err := w.store.RetryAll(w.ctx, ids, engine.RetryOptions{Only: only})
			w.must(err)
			for i, id := range ids {
				want := engine.Code("")
				if was[id] != only || i < 3 {
					want = engine.CodeConflict
				}
				w.code("of many, a retry of "+was[id].String(), want, results[i].Err)
			}
		}
		w.stands("consume/waiting", ids[:6]...)
	}},
	{"an emitter's failed items are retried only while it is of the status", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, jobs(t, 2)...))
		w.commit(failed(w.take(queue(t))))
		w.settle(w.take(queue(t)))
		w.fold()
		w.stands("failed", j.ID)
		w.code("of cancelled ones", engine.CodeConflict, w.store.Retry(w.ctx, j.ID, engine.RetryOptions{Only: engine.StatusCancelled}))
		w.stands("failed", j.ID)
		w.again(j.ID, engine.RetryOptions{Only: engine.StatusFailed})
		w.stands("consume/open", j.ID)
		w.same("its items that wait", 1, len(w.list(engine.JobFilter{Parent: j.ID, Status: engine.StatusWaiting})))
	}},
}
