package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dsengine/dsengine/engine"
)

var commitCases = []testCase{
	{"a retry waits as long as it says, and counts the attempt", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(retried(j, time.Hour))
		v := w.view(j.ID)
		w.same("state", "consume/waiting", w.state(j.ID))
		w.same("attempt", 1, v.Attempt)
		w.same("error", &engine.JobError{Message: "it does not work", Kind: engine.KindError, Code: "test.error", Phase: engine.PhaseConsume}, v.Error)
		w.same("nothing is ready", 0, len(w.claim(queue(t), 5)))
		if d := time.Until(*v.RunAt); d < 59*time.Minute || d > 61*time.Minute {
			w.Errorf("it is due in %v", d)
		}
		w.due(j.ID)
		w.promote()
		again := w.take(queue(t))
		w.same("claimed", engine.JobRef{ID: j.ID, Epoch: 1}, again.JobRef)
		w.same("attempts", 1, again.Attempts)
		w.commit(retried(again, 0))
		w.same("at once", 2, w.take(queue(t)).Attempts)
		w.fold()
		w.same("retries", int64(2), w.counts("t").Retries)
	}},
	{"a snooze burns no attempt", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(retried(j, 0))
		j = w.take(queue(t))
		w.commit(snoozed(j, time.Hour))
		w.due(j.ID)
		w.promote()
		w.same("attempts", 1, w.take(queue(t)).Attempts)
		w.fold()
		w.same("retries", int64(1), w.counts("t").Retries)
	}},
	{"a failure is kept with its job, and so is each attempt", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(retried(j, 0))
		j = w.take(queue(t))
		o := failed(j)
		o.Failure = &engine.Failure{Message: "größer '\"\\ 😀", Kind: engine.KindTimeout, Code: "timeout", Phase: engine.PhaseConsume, Attempt: 2, Final: true, Retryable: true,
			RetryAfter: time.Minute, Wait: true, Backtrace: "a.star:1:2\n  b"}
		w.commit(o)
		v := w.view(j.ID)
		w.same("state", "failed", w.state(j.ID))
		w.same("error", &engine.JobError{Message: "größer '\"\\ 😀", Kind: engine.KindTimeout, Code: "timeout", Backtrace: "a.star:1:2\n  b", Phase: engine.PhaseConsume}, v.Error)
		list, err := w.store.Attempts(w.ctx, j.ID)
		w.must(err)
		w.same("attempts", 2, len(list))
		w.same("the last one", engine.Attempt{Job: j.ID, Phase: engine.PhaseConsume, Attempt: 2, Server: "one", Failure: o.Failure}, list[1],
			cmpopts.IgnoreFields(engine.Attempt{}, "StartedAt", "FinishedAt"), cmpopts.IgnoreFields(engine.Failure{}, "Cause"))
		f, err := w.store.LastFailure(w.ctx, j.ID)
		w.must(err)
		w.same("last failure", o.Failure, f)
		w.fold()
		w.same("counts", engine.TypeCounts{Created: 1, Failed: 1, Retries: 1, Stats: engine.Stats{}}, w.counts("t"))
	}},
	{"the fail hook gets the job, and it goes back to the phase that failed", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFail)
		j := w.start(job(t))
		w.commit(failing(j))
		w.stands("fail/waiting", j.ID)
		f := w.take(engine.QueueOf(t, engine.PhaseFail))
		w.same("failed phase", engine.PhaseConsume, f.FailedPhase)
		w.same("attempts", 1, f.Attempts)
		o := outcome(f, engine.Retried, engine.State{Phase: engine.PhaseConsume, Status: engine.StatusWaiting})
		o.Attempts = 1
		w.commit(o)
		w.same("back", 1, w.take(queue(t)).Attempts)
		w.fold()
		w.same("retries", int64(1), w.counts("t").Retries)
	}},
	{"a fail hook that gives up is no retry", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFail)
		j := w.start(job(t))
		w.commit(failing(j))
		f := w.take(engine.QueueOf(t, engine.PhaseFail))
		o := outcome(f, engine.GaveUp, engine.State{Phase: engine.PhaseFail, Status: engine.StatusFailed})
		o.Attempts, o.FailedPhase, o.Because = 1, engine.PhaseConsume, problem(f)
		w.commit(o)
		w.stands("failed", j.ID)
		w.same("error", "it does not work", w.view(j.ID).Error.Message)
		w.fold()
		w.same("counts", engine.TypeCounts{Created: 1, Failed: 1, Stats: engine.Stats{}}, w.counts("t"))
	}},
	{"produce hands a payload on to consume", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		for _, with := range []bool{true, false} {
			n := job(t)
			n.Phase = engine.PhaseProduce
			if with {
				n.Payload = raw("enqueued")
			}
			j := w.start(n)
			w.commit(checkpoint(j, "here"))
			w.commit(handedOn(j, raw("item")))
			c := w.take(queue(t))
			w.same("claimed", j.ID, c.ID)
			w.same("item", `"item"`, string(c.Item))
			w.same("payload", string(n.Payload), string(c.Payload))
			w.same("position of the other phase", engine.Raw(nil), c.Position)
			w.same("checkpoints of the other phase", 0, c.Checkpoints)
			w.same("attempts", 0, c.Attempts)
		}
	}},
	{"what a commit brings along comes with it", func(w *world) {
		t, other := w.typ("t"), w.typ("other")
		j := w.start(job(t))
		o := completed(j)
		key := keyed(other, "k", active)
		key.Foretold = 1
		later := job(other)
		later.Delay = time.Hour
		o.Enqueue = []engine.JobInsert{job(other), key, later}
		o.Writes = []engine.VariableWrite{{Scope: engine.Scope{Type: t}, Name: "n", Value: raw(1), Seen: -1}}
		o.SetResult, o.Result, o.Logged = true, raw("result"), true
		o.Stats, o.NewStats = engine.Stats{"read": 2}, engine.Stats{"read": 2}
		w.commit(alone(o))
		w.same("enqueued", 2, len(w.claim(queue(other), 5)))
		w.same("delayed", int64(1), w.count("SELECT COUNT(*) FROM ds_delayed"))
		v, err := w.store.Variable(w.ctx, engine.Scope{Type: t}, "n")
		w.must(err)
		w.same("variable", engine.Variable{Value: raw(1), Version: 1}, v)
		view := w.view(j.ID)
		w.same("result", `"result"`, string(view.Result))
		w.same("counts", map[string]int64{"read": 2}, view.Stats)
		list, err := w.store.Attempts(w.ctx, j.ID)
		w.must(err)
		w.same("an attempt that logged has a row", 1, len(list))
	}},
	{"of a commit that conflicts nothing stays", func(w *world) {
		t := w.typ("t")
		w.enqueue(keyed(t, "taken", active))
		w.take(queue(t))
		w.must(w.store.SetVariables(w.ctx, []engine.VariableWrite{{Name: "v", Value: raw(1), Seen: -1}}))
		for name, change := range map[string]func(*engine.Outcome){
			"a key that was foretold as free": func(o *engine.Outcome) {
				k := keyed(t, "taken", active)
				k.Foretold = 1
				o.Enqueue = []engine.JobInsert{k}
			},
			"a key that was foretold as taken": func(o *engine.Outcome) {
				k := keyed(t, "free", active)
				k.Foretold = -1
				o.Enqueue = []engine.JobInsert{k}
			},
			"a value that was changed": func(o *engine.Outcome) { o.Writes = []engine.VariableWrite{{Name: "v", Value: raw(2), Seen: 0}} },
			"a value that was older":   func(o *engine.Outcome) { o.Writes = []engine.VariableWrite{{Name: "v", Value: raw(2), Seen: 7}} },
		} {
			j := w.start(job(t))
			before := w.dump(t)
			o := completed(j)
			o.Enqueue = []engine.JobInsert{job(t)}
			o.SetResult, o.Result = true, raw("never")
			change(o)
			w.code(name, engine.CodeConflict, w.store.Commit(w.ctx, nil, alone(o)))
			w.same("the database after "+name, before, w.dump(t))
			w.settle(j)
		}
	}},
	{"a job that a person cancelled meanwhile does not go on", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume, engine.PhaseFail)
		for name, next := range map[string]func(*engine.ClaimedJob) *engine.Outcome{
			"retry":    func(j *engine.ClaimedJob) *engine.Outcome { return retried(j, time.Hour) },
			"snooze":   func(j *engine.ClaimedJob) *engine.Outcome { return snoozed(j, 0) },
			"hand on":  func(j *engine.ClaimedJob) *engine.Outcome { return handedOn(j, raw(1)) },
			"failing":  failing,
			"open":     func(j *engine.ClaimedJob) *engine.Outcome { return opened(j, job(t), job(t)) },
			"no items": func(j *engine.ClaimedJob) *engine.Outcome { return opened(j) },
		} {
			n := keyed(t, name, active)
			n.Phase = engine.PhaseProduce
			j := w.start(n)
			r, err := w.store.Cancel(w.ctx, j.ID, "")
			w.must(err)
			w.same("cancel", engine.CancelAsked, r)
			o := next(j)
			w.must(w.store.Commit(w.ctx, nil, o))
			w.sweep()
			if got := w.state(j.ID); got != "cancelled" {
				w.Errorf("after %s: want cancelled, got %s", name, got)
			}
			for _, item := range w.list(engine.JobFilter{Parent: j.ID}) {
				w.same("item of "+name, engine.StatusCancelled, item.Status)
			}
			w.same("its key is free", true, w.add(n).Created)
			w.claim(engine.QueueOf(t, engine.PhaseProduce), 5)
		}
	}},
	{"a completion that came first stands", func(w *world) {
		t := w.typ("t")
		for _, o := range []func(*engine.ClaimedJob) *engine.Outcome{completed, failed, withdrawn} {
			j := w.start(job(t))
			_, err := w.store.Cancel(w.ctx, j.ID, "too late")
			w.must(err)
			out := o(j)
			want := out.To.String()
			w.commit(alone(out))
			w.stands(want, j.ID)
		}
	}},
	{"who waits to hear what became of a commit says so", func(w *world) {
		if !w.in.Rows {
			return // no answer is lost on the way
		}
		for _, plain := range []bool{true, false} {
			faults, log := &Faults{}, &said{}
			s := w.open(Options{Wrap: faults.Wrap, Logger: log.logger()})
			j := w.start(job(w.typ("t")))
			var h engine.Session
			if !plain {
				w.table(0)
				h = w.hook(s)
				w.run(h, "INSERT INTO t VALUES (1, 1)")
			}
			faults.ArmCommit(w.faults[slices.IndexFunc(w.faults, func(f Fault) bool { return f.Mode == DieAfter })])
			ended := make(chan error, 1)
			go func() { ended <- s.Commit(w.ctx, h, alone(completed(j))) }()
			name := fmt.Sprintf("commit job %d: ", j.ID)
			w.until("it is told", func() bool {
				return log.with("level=WARN", name+"the answer to COMMIT was lost, and it waits for the database to tell", "for=", "error=") != ""
			})
			faults.Revive()
			w.must(<-ended)
			w.stands("completed", j.ID)
			if log.with("level=INFO", name, "took_effect=true") == "" {
				w.Errorf("it is not told that the answer came: %s", log)
			}
		}
	}},
}

// counts are a type's totals.
func (w *world) counts(name string) engine.TypeCounts {
	w.Helper()
	list, err := w.store.Types(w.ctx)
	w.must(err)
	for _, t := range list {
		if t.Name == name {
			return t.Counts
		}
	}
	w.Fatalf("there is no type %q", name)
	return engine.TypeCounts{}
}

// dumped are the tables whose rows tell what a commit has done.
var dumped = []string{
	"SELECT id, epoch, phase, status, attempts, losses, failed_phase, verdict, cancel, items, checkpoints, server, windowed, position FROM ds_jobs ORDER BY id",
	"SELECT queue, priority, id, epoch, alone FROM ds_ready WHERE id > 0 ORDER BY 1, 2, 3",
	"SELECT due, id, epoch FROM ds_delayed ORDER BY 1, 2",
	"SELECT job, keep_for, done_at FROM ds_keys ORDER BY job",
	"SELECT id, result, stats FROM ds_results ORDER BY id",
	"SELECT id, payload, item FROM ds_payloads ORDER BY id",
	"SELECT job, phase, attempt FROM ds_attempts ORDER BY id",
	"SELECT job FROM ds_failures ORDER BY job",
	"SELECT parent, first_id, last_id FROM ds_emissions ORDER BY 1, 2",
	"SELECT id, completed, failed, cancelled FROM ds_parents ORDER BY id",
	"SELECT type, id FROM ds_open ORDER BY 2",
	"SELECT parent, type, created, completed, failed, cancelled, retries, losses FROM ds_deltas ORDER BY id",
	"SELECT type, instance, name, value, version FROM ds_vars ORDER BY 1, 2, 3",
	"SELECT parent FROM ds_sweeps ORDER BY 1",
	"SELECT job, epoch FROM ds_signals ORDER BY id",
	"SELECT jobs, size FROM ds_claims ORDER BY jobs",
	"SELECT job, start_at, end_at, backfill FROM ds_windows ORDER BY job",
	"SELECT type, instance, start_at, end_at FROM ds_window_ends ORDER BY 1, 2",
	"SELECT job, phase, kept, redrive, redriven, data FROM ds_rejects ORDER BY id",
}

// dump is what the database says of its jobs.
func (w *world) dump(engine.TypeID) map[string][]string {
	w.Helper()
	m := map[string][]string{}
	for _, q := range dumped {
		m[q] = w.rows(q)
	}
	return m
}
