package storetest

import (
	"time"

	"github.com/dsengine/dsengine/engine"
)

// How a worker can come too late: each takes the job from it.
var overtakings = []struct {
	name string
	do   func(w *world, j *engine.ClaimedJob)
}{
	{"it was given back", func(w *world, j *engine.ClaimedJob) {
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
	}},
	{"it was given back and claimed again", func(w *world, j *engine.ClaimedJob) {
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		w.take(engine.QueueOf(j.Type, j.Phase))
	}},
	{"it was rescued", func(w *world, j *engine.ClaimedJob) {
		w.expire(w.srv)
		w.exec("UPDATE ds_servers SET dead = 1 WHERE id = ?", w.srv)
		w.rescue()
		w.exec("UPDATE ds_servers SET dead = 0, lease_until = "+w.now(time.Hour)+" WHERE id = ?", w.srv)
	}},
	{"it has completed", func(w *world, j *engine.ClaimedJob) { w.settle(j) }},
	{"it has failed", func(w *world, j *engine.ClaimedJob) { w.commit(failed(j)) }},
	{"it is delayed", func(w *world, j *engine.ClaimedJob) { w.commit(retried(j, time.Hour)) }},
	{"it is open", func(w *world, j *engine.ClaimedJob) { w.commit(opened(j, job(j.Type))) }},
	{"it was retried by an operator", func(w *world, j *engine.ClaimedJob) {
		w.commit(failed(j))
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
	}},
	{"it is gone", func(w *world, j *engine.ClaimedJob) {
		w.settle(j)
		w.loose = true
		w.exec("UPDATE ds_jobs SET finished_at = '2001-01-01 00:00:00.000000'")
		_, _, err := w.store.Prune(w.ctx, j.Type, map[engine.Status]time.Duration{engine.StatusCompleted: time.Hour}, 10)
		w.must(err)
	}},
}

var lateCases = lateWorkers()

// lateWorkers tries all that a late worker may do, after all that may have
// taken the job from it: nothing may change.
func lateWorkers() (cases []testCase) {
	for _, o := range overtakings {
		cases = append(cases, testCase{"when " + o.name + " its worker changes nothing", func(w *world) {
			t := w.typ("t", engine.PhaseConsume, engine.PhaseFail)
			n := keyed(t, "k", monthly)
			n.Payload = raw("p")
			j := w.start(n)
			was := *j
			o.do(w, j)
			before := w.dump(t)
			with := func(out *engine.Outcome) *engine.Outcome {
				out.Enqueue = []engine.JobInsert{job(t)}
				out.Writes = []engine.VariableWrite{{Name: "v", Value: raw(1), Seen: -1}}
				out.SetResult, out.Result = true, raw("late")
				out.Stats, out.NewStats = engine.Stats{"read": 1}, engine.Stats{"read": 1}
				out.Server = w.srv
				return out
			}
			late := func() *engine.ClaimedJob { c := was; return &c }
			for name, out := range map[string]*engine.Outcome{
				"complete":   with(alone(completed(late()))),
				"fail":       with(failed(late())),
				"retry":      with(retried(late(), time.Minute)),
				"snooze":     with(snoozed(late(), 0)),
				"fail hook":  with(failing(late())),
				"open":       with(opened(late(), job(t))),
				"cancel":     with(withdrawn(late())),
				"checkpoint": with(checkpoint(late(), "late", job(t))),
			} {
				w.code(name, engine.CodeLost, w.store.Commit(w.ctx, nil, out))
				w.same("the database after a late "+name, before, w.dump(t))
			}
			if _, err := w.store.FixWindow(w.ctx, late(), engine.WindowAsk{Start: time.Now()}); engine.CodeOf(err) != engine.CodeLost {
				w.Errorf("fix the window: want it lost, got %v", err)
			}
			w.same("the database after a late window", before, w.dump(t))
			lost, err := w.store.Settle(w.ctx, []engine.Outcome{*with(completed(late()))}, nil)
			if err == nil {
				w.same("lost", []engine.JobID{was.ID}, lost)
			}
			plain := *completed(late())
			plain.SetResult, plain.Result = true, raw("late")
			lost, err = w.store.Settle(w.ctx, []engine.Outcome{plain}, []engine.ClaimID{newClaimID()})
			w.must(err)
			w.same("lost", []engine.JobID{was.ID}, lost)
			w.must(w.store.Release(w.ctx, was.Claim, []engine.JobRef{was.JobRef}))
			ours, err := w.store.Refresh(w.ctx, late())
			w.must(err)
			w.same("ours", false, ours)
			w.same("the database at last", before, w.dump(t))
		}})
	}
	return cases
}
