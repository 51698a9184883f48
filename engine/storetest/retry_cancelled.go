package storetest

import (
	"github.com/dsengine/dsengine/engine"
)

// cancelledOpen makes an emitter of three items with keys and cancels it while it is
// open: one item has completed, one has failed, and one is cancelled with it.
func (w *world) cancelledOpen(t engine.TypeID) (emitter engine.JobID, items []engine.JobID) {
	w.Helper()
	p := w.start(keyed(t, "emitter", active))
	w.commit(opened(p, keyed(t, "a", active), keyed(t, "b", active), keyed(t, "c", active)))
	a, b := w.take(queue(t)), w.take(queue(t))
	w.settle(a)
	w.commit(failed(b))
	w.cancel(p.ID)
	w.sweep()
	c := b.ID + 1
	w.stands("cancelled", p.ID, c)
	w.stands("failed", b.ID)
	return p.ID, []engine.JobID{a.ID, b.ID, c}
}

// cutOff makes a job of two items that is cancelled behind a checkpoint.
func (w *world) cutOff(t engine.TypeID) *engine.ClaimedJob {
	w.Helper()
	j := w.start(job(t))
	w.commit(checkpoint(j, "there", jobs(t, 2)...))
	w.settle(w.take(queue(t)))
	w.same("cancel", engine.CancelAsked, w.cancel(j.ID))
	w.commit(retried(j, 0))
	w.sweep()
	w.stands("cancelled", j.ID)
	return j
}

var retryCancelledCases = []testCase{
	{"a job that was cancelled while it was open is opened again, and its items run that have not completed", func(w *world) {
		for name, retry := range map[string]func(id engine.JobID) error{"one": w.retryOne, "many": w.retryMany} {
			t := w.typ(name)
			p, items := w.cancelledOpen(t)
			w.must(retry(p))
			w.stands("consume/open", p)
			w.check()
			w.fold()
			w.stands("consume/open", p) // it does not go on before its items are looked at
			w.sweep()
			w.stands("consume/open", p)
			w.check()
			w.same("its key counts again", false, w.add(keyed(t, "emitter", active)).Created)
			again := w.claim(queue(t), 10)
			w.same("run again", items[1:], ids(again))
			w.settle(again...)
			w.fold()
			w.stands("completed", append(items, p)...)
			c := w.counts(name)
			w.same("counts", []int64{4, 4, 0, 0}, []int64{c.Created, c.Completed, c.Failed, c.Cancelled})
		}
	}},
	{"of one whose items had all completed, nothing runs again but finish", func(w *world) {
		for name, hooks := range map[string][]engine.Phase{"without": {engine.PhaseConsume}, "with": {engine.PhaseConsume, engine.PhaseFinish}} {
			t := w.typ(name, hooks...)
			p := w.start(job(t))
			w.commit(opened(p, jobs(t, 2)...))
			list := w.claim(queue(t), 2)
			w.cancel(p.ID)
			w.sweep()
			w.settle(list...)
			w.fold()
			w.stands("cancelled", p.ID)
			w.again(p.ID, engine.RetryOptions{})
			w.stands("consume/open", p.ID)
			w.check()
			w.sweep()
			w.same("due", 0, len(w.claim(queue(t), 10)))
			if name == "with" {
				w.settle(w.take(engine.QueueOf(t, engine.PhaseFinish)))
			}
			w.stands("completed", p.ID)
		}
	}},
	{"one that begins its phase anew leaves cancelled items as they are", func(w *world) {
		for name, o := range map[string]engine.RetryOptions{"from": {From: engine.PhaseConsume}, "fresh": {Fresh: true}} {
			t := w.typ(name)
			p, items := w.cancelledOpen(t)
			w.again(p, o)
			w.sweep()
			w.stands("consume/waiting", p)
			w.same("due", []engine.JobID{p, items[1]}, ids(w.claim(queue(t), 10))) // it could not complete otherwise
		}
	}},
	{"a phase that was cut off goes on at its checkpoint, and so do its items", func(w *world) {
		for name, retry := range map[string]func(id engine.JobID) error{"one": w.retryOne, "many": w.retryMany} {
			t := w.typ(name)
			j := w.cutOff(t)
			w.must(retry(j.ID))
			w.stands("consume/waiting", j.ID)
			w.check()
			again := w.take(queue(t))
			w.same("it goes on", []any{j.ID, `{"p":"there"}`, int64(2)}, []any{again.ID, string(again.Position), again.Emitted})
			w.commit(opened(again, job(t)))
			w.fold()
			w.stands("consume/open", j.ID)
			w.sweep()
			w.settle(w.claim(queue(t), 10)...)
			w.fold()
			w.stands("completed", j.ID)
			w.same("items", &engine.Children{Completed: 3}, w.view(j.ID).Children)
		}
	}},
	{"a phase that was cut off and begins anew leaves its cancelled items", func(w *world) {
		t := w.typ("t")
		j := w.cutOff(t)
		w.again(j.ID, engine.RetryOptions{Fresh: true})
		w.sweep()
		again := w.take(queue(t))
		w.same("position", engine.Raw(nil), again.Position)
		w.commit(opened(again, jobs(t, 2)...))
		w.settle(w.claim(queue(t), 10)...)
		w.fold()
		w.stands("completed", j.ID)
		w.same("items", &engine.Children{Completed: 3, Cancelled: 1}, w.view(j.ID).Children)
	}},
	{"a job that failed, and was cancelled while its items ran, goes on where it failed", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(checkpoint(j, "there", job(t)))
		o := opened(j)
		o.Failure, o.FailedPhase, o.Because, o.Verdict = problem(j), j.Phase, problem(j), engine.StatusFailed
		w.commit(o)
		w.cancel(j.ID)
		w.check()
		w.sweep()
		w.stands("cancelled", j.ID)
		w.again(j.ID, engine.RetryOptions{})
		w.sweep()
		list := w.claim(queue(t), 10)
		if w.same("due", []engine.JobID{j.ID, j.ID + 1}, ids(list)); w.Failed() {
			return
		}
		w.same("position", `{"p":"there"}`, string(list[0].Position))
		w.commit(among(opened(list[0])))
		w.settle(list[1])
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"a cancel that has not come to its end touches nothing that was retried after it", func(w *world) {
		cancelledSoon := func(t engine.TypeID) (p, item engine.JobID) {
			j := w.start(job(t))
			w.commit(opened(j, jobs(t, 2)...))
			a := w.take(queue(t))
			b := w.take(queue(t))
			w.settle(b)
			w.must(w.store.Release(w.ctx, a.Claim, []engine.JobRef{a.JobRef}))
			w.cancel(j.ID)
			_, err := w.store.Sweep(w.ctx, 1)
			w.must(err)
			w.fold()
			w.stands("cancelled", j.ID, a.ID)
			return j.ID, b.ID
		}
		for name, o := range map[string]engine.RetryOptions{"from": {From: engine.PhaseConsume}, "fresh": {Fresh: true}} {
			t := w.typ(name)
			p, _ := cancelledSoon(t)
			w.again(p, o)
			again := w.take(queue(t))
			w.commit(opened(again, job(t)))
			c := w.take(queue(t))
			w.must(w.store.Release(w.ctx, c.Claim, []engine.JobRef{c.JobRef}))
			w.sweep()
			w.stands("consume/waiting", c.ID)
			w.settle(w.claim(queue(t), 10)...)
			w.fold()
			w.stands("completed", p, c.ID)
		}
		for name, retry := range map[string]func(id engine.JobID) error{"one": w.retryOne, "many": w.retryMany} {
			t := w.typ(name)
			p, item := cancelledSoon(t)
			w.must(retry(item)) // and so opens its emitter
			w.sweep()
			w.stands("consume/waiting", item)
			w.settle(w.claim(queue(t), 10)...)
			w.fold()
			w.stands("completed", p, item)
		}
	}},
	{"items of items come back too, each as it was cancelled", func(w *world) {
		t := w.typ("t")
		top := w.start(job(t))
		w.commit(opened(top, jobs(t, 3)...))
		list := w.claim(queue(t), 3)
		w.commit(among(opened(list[0], jobs(t, 2)...)))
		cut := list[1]
		w.commit(among(checkpoint(cut, "there", job(t))))
		w.commit(among(opened(list[2], job(t))))
		for _, j := range w.claim(queue(t), 10) {
			if w.view(j.ID).Parent != nil && *w.view(j.ID).Parent == list[2].ID {
				w.commit(among(failed(j))) // and so its emitter
			} else {
				w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
			}
		}
		w.fold()
		w.stands("failed", list[2].ID)
		w.cancel(top.ID)
		w.sweep()
		w.commit(withdrawnWithItems(cut))
		w.sweep()
		w.stands("cancelled", top.ID, list[0].ID, cut.ID)
		w.again(top.ID, engine.RetryOptions{})
		w.sweep()
		w.stands("consume/open", top.ID, list[0].ID, list[2].ID)
		w.stands("consume/waiting", cut.ID)
		again := w.claim(queue(t), 10)
		w.same("due", 5, len(again))
		for _, j := range again {
			if j.ID == cut.ID {
				w.commit(among(opened(j)))
			} else {
				w.settle(j)
			}
		}
		w.fold()
		w.stands("completed", top.ID, list[0].ID, cut.ID, list[2].ID)
		w.same("jobs", int64(8), w.count("SELECT COUNT(*) FROM ds_jobs"))
	}},
	{"an item whose key was taken since stays cancelled", func(w *world) {
		t := w.typ("t")
		p, items := w.cancelledOpen(t)
		holder := w.enqueue(keyed(t, "c", active))[0]
		w.again(p, engine.RetryOptions{})
		w.sweep()
		w.stands("cancelled", items[2])
		again := w.claim(queue(t), 10)
		w.same("due", []engine.JobID{items[1], holder}, ids(again))
		w.settle(again...)
		w.fold()
		w.stands("completed", p)
	}},
	{"one that is cancelled again while its items come back is cancelled with them", func(w *world) {
		t := w.typ("t")
		p := w.start(job(t))
		w.commit(opened(p, jobs(t, 5)...))
		w.cancel(p.ID)
		w.sweep()
		w.again(p.ID, engine.RetryOptions{})
		more, err := w.store.Sweep(w.ctx, 2)
		w.must(err)
		w.same("more", true, more)
		w.same("items", &engine.Children{Waiting: 2, Cancelled: 3}, w.view(p.ID).Children)
		w.check()
		w.cancel(p.ID)
		w.sweep()
		w.stands("cancelled", p.ID)
		w.same("items", &engine.Children{Cancelled: 5}, w.view(p.ID).Children)
		w.same("sweeps", int64(0), w.count("SELECT COUNT(*) FROM ds_sweeps"))
	}},
	{"a produce that ended while it was cancelled is not run again", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume, engine.PhaseFinish)
		for _, with := range []string{"a payload", "nothing"} {
			n := job(t)
			n.Phase = engine.PhaseProduce
			j := w.start(n)
			w.cancel(j.ID)
			o, want := handedOn(j, raw("item")), "consume/waiting"
			o.Position = raw(map[string]any{"s": map[string]int{"read": 7}})
			if with == "nothing" {
				o, want = outcome(j, engine.Finishing, engine.State{Phase: engine.PhaseFinish, Status: engine.StatusWaiting}), "finish/waiting"
			}
			w.commit(o)
			w.stands("cancelled", j.ID)
			w.check()
			w.again(j.ID, engine.RetryOptions{})
			w.stands(want, j.ID)
			phase := engine.PhaseFinish
			if with == "a payload" {
				phase = engine.PhaseConsume
			}
			c := w.take(engine.QueueOf(t, phase))
			if with == "a payload" {
				w.same("item and counts", []string{`"item"`, `{"s":{"read":7}}`}, []string{string(c.Item), string(c.Position)})
			}
			w.settle(c)
		}
	}},
}

// withdrawnWithItems ends a job that was cancelled in the middle of its phase, and that
// has emitted items.
func withdrawnWithItems(j *engine.ClaimedJob) *engine.Outcome {
	o := outcome(j, engine.Opened, engine.State{Phase: j.Phase, Status: engine.StatusOpen})
	o.Verdict, o.FailedPhase = engine.StatusCancelled, j.Phase
	return o
}
