package storetest

import (
	"time"

	"github.com/dsengine/dsengine/engine"
)

var checkpointCases = []testCase{
	{"a checkpoint keeps the claim and the epoch, and what it wrote", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(retried(j, 0))
		j = w.take(queue(t))
		o := checkpoint(j, "first", job(t), job(t))
		o.Stats, o.NewStats = engine.Stats{"read": 5}, engine.Stats{"read": 5}
		o.Writes = []engine.VariableWrite{{Name: "v", Value: raw("x"), Seen: 0}}
		w.commit(o)
		w.stands("consume/running", j.ID)
		again := *j
		ours, err := w.store.Refresh(w.ctx, &again)
		w.must(err)
		w.same("ours", true, ours)
		w.same("as the process knows it", j, &again)
		stats, err := w.store.SavedStats(w.ctx, j.ID)
		w.must(err)
		w.same("counts", engine.Stats{"read": 5}, stats)
		w.same("its items can be claimed", 2, len(w.claim(queue(t), 5)))
		w.same("position shown", `"first"`, string(w.view(j.ID).Position))
	}},
	{"the attempts count anew after a checkpoint", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(retried(j, 0))
		j = w.take(queue(t))
		o := checkpoint(j, "p")
		w.commit(o)
		w.commit(retried(j, 0))
		j = w.take(queue(t))
		w.same("attempts", 1, j.Attempts)
		w.same("checkpoints", 1, j.Checkpoints)
		w.same("position", `{"p":"p"}`, string(j.Position))
	}},
	{"a job that is lost goes on from its last checkpoint", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		srv := w.server(other)
		w.enqueue(job(t))
		j := w.claimOn(other, srv, queue(t), 1)[0].Jobs[0]
		for _, position := range []string{"a", "b"} {
			o := checkpoint(&j, position, job(t))
			w.must(other.Commit(w.ctx, nil, o))
			checkpointed(o)
		}
		w.die(other, srv)
		w.bury(srv)
		w.same("rescued", engine.Rescue{Claims: 1, Jobs: 1, Losses: 1}, w.rescue())
		again := w.take(queue(t))
		w.same("claimed", j.ID, again.ID)
		w.same("position", `{"p":"b"}`, string(again.Position))
		w.same("checkpoints", 2, again.Checkpoints)
		w.same("items", int64(2), again.Emitted)
		w.same("losses", 1, again.Losses)
		o := checkpoint(again, "c")
		w.commit(o)
		w.must(w.store.Release(w.ctx, again.Claim, []engine.JobRef{again.JobRef}))
		w.same("losses after a checkpoint", 0, w.take(queue(t)).Losses)
	}},
	{"items of checkpoints and of the end are all waited for", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		first := checkpoint(j, "a", job(t))
		w.commit(first)
		w.settle(w.take(queue(t))) // before its emitter is open
		w.fold()
		w.commit(opened(j, job(t)))
		w.fold()
		w.stands("consume/open", j.ID)
		w.same("items", int64(2), w.view(j.ID).Items)
		w.settle(w.take(queue(t)))
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"an emitter whose items have settled before it opens is not forgotten", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		first := checkpoint(j, "a", job(t))
		w.commit(first)
		w.settle(w.take(queue(t)))
		w.fold()
		w.commit(opened(j))
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"an operator's fresh retry drops the position, a plain one keeps it", func(w *world) {
		t := w.typ("t")
		for _, fresh := range []bool{false, true} {
			j := w.start(job(t))
			o := checkpoint(j, "here")
			w.commit(o)
			w.commit(failed(j))
			w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{Fresh: fresh}))
			again := w.take(queue(t))
			if fresh {
				w.same("position", engine.Raw(nil), again.Position)
				w.same("checkpoints", 0, again.Checkpoints)
			} else {
				w.same("position", `{"p":"here"}`, string(again.Position))
				w.same("checkpoints", 1, again.Checkpoints)
			}
			w.settle(again)
		}
	}},
	{"the time that a job ran is counted once", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		for n := 1; n <= 3; n++ {
			o := checkpoint(j, "x")
			o.Elapsed = time.Duration(n) * time.Second
			o.Stats, o.NewStats = engine.Stats{"read": int64(n)}, engine.Stats{"read": 1}
			w.commit(o)
		}
		o := completed(j)
		o.Elapsed = 4 * time.Second
		w.commit(alone(o))
		w.fold()
		w.same("milliseconds", int64(4000), w.count("SELECT ran_ms FROM ds_counters WHERE hour = '1970-01-01 00:00:00'"))
		w.same("counts", engine.Stats{"read": 3}, w.counts("t").Stats)
	}},
}
