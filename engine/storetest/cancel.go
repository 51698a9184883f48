package storetest

import (
	"errors"
	"fmt"
	"github.com/dsengine/dsengine/engine"
	"strings"
	"sync"
	"time"
)

// cancel cancels a job.
func (w *world) cancel(id engine.JobID) engine.CancelResult {
	w.Helper()
	r, err := w.store.Cancel(w.ctx, id, "because")
	w.must(err)
	return r
}

var cancelCases = []testCase{
	{"a job that waits, or is delayed, is cancelled", func(w *world) {
		t := w.typ("t")
		later := keyed(t, "later", monthly)
		later.Delay = time.Hour
		made := w.enqueue(keyed(t, "k", active), later)
		for _, id := range made {
			w.same("cancel", engine.CancelDone, w.cancel(id))
			w.same("again", engine.CancelTooLate, w.cancel(id))
		}
		w.stands("cancelled", made...)
		w.same("nothing is due", 0, len(w.claim(queue(t), 5)))
		w.same("keys are free", true, w.add(keyed(t, "k", active)).Created && w.add(keyed(t, "later", active)).Created)
		lines, err := w.store.Logs(w.ctx, made[0], 0, 0, false, 10)
		w.must(err)
		w.same("the reason is in the log", "cancelled: because", lines[0].Message)
		w.fold()
		w.same("counts", int64(2), w.counts("t").Cancelled)
	}},
	{"a job that was delayed and is ready is cancelled", func(w *world) {
		t := w.typ("t")
		later := job(t)
		later.Delay = time.Hour
		id := w.enqueue(later)[0]
		w.due(id)
		w.promote()
		w.same("cancel", engine.CancelDone, w.cancel(id))
		j := w.start(job(t))
		w.commit(retried(j, time.Hour))
		w.same("one that waits for its retry", engine.CancelDone, w.cancel(j.ID))
		w.stands("cancelled", id, j.ID)
	}},
	{"a job that runs is asked to stop, once", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		_, mark, err := w.store.Signals(w.ctx, 0)
		w.must(err)
		w.same("cancel", engine.CancelAsked, w.cancel(j.ID))
		w.same("again", engine.CancelAsked, w.cancel(j.ID))
		w.stands("consume/running", j.ID)
		w.same("it says so", true, w.view(j.ID).CancelAsked)
		refs, next, err := w.store.Signals(w.ctx, mark)
		w.must(err)
		w.same("signals", []engine.JobRef{j.JobRef}, refs)
		if next <= mark {
			w.Errorf("the mark went from %d to %d", mark, next)
		}
		w.commit(withdrawn(j))
		w.stands("cancelled", j.ID)
	}},
	{"signals that appear late are read", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		list := w.claim(queue(t), 3)
		w.exec("INSERT INTO ds_signals (id, job, epoch, at) VALUES (5000, 0, 0, " + w.now(0) + ")") // many were there before
		w.cancel(list[0].ID)
		w.cancel(list[2].ID)
		_, mark, err := w.store.Signals(w.ctx, 0)
		w.must(err)
		w.exec("INSERT INTO ds_signals (id, job, epoch, at) VALUES (?, ?, 0, "+w.now(0)+")", mark-1000+500, list[1].ID) // its number was given before
		refs, _, err := w.store.Signals(w.ctx, mark)
		w.must(err)
		found := false
		for _, r := range refs {
			found = found || r == list[1].JobRef
		}
		w.same("found", true, found)
	}},
	{"an open job is cancelled with its items, whatever they do", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFinish)
		j := w.start(keyed(t, "k", active))
		later := job(t)
		later.Delay = time.Hour
		items := append(jobs(t, 4), later)
		w.commit(opened(j, items...))
		list := w.claim(queue(t), 2)
		w.settle(list[0])
		runs := list[1]
		w.same("cancel", engine.CancelAsked, w.cancel(j.ID))
		w.sweep()
		w.stands("consume/open", j.ID)
		w.commit(withdrawn(runs))
		w.fold()
		w.stands("cancelled", j.ID)
		v := w.view(j.ID)
		w.same("items", &engine.Children{Completed: 1, Cancelled: 4}, v.Children)
		w.same("its key is free", true, w.add(keyed(t, "k", active)).Created)
		w.same("again", engine.CancelTooLate, w.cancel(j.ID))
	}},
	{"nested items are cancelled too", func(w *world) {
		t := w.typ("t")
		top := w.start(job(t))
		w.commit(opened(top, job(t), job(t)))
		middle := w.take(queue(t))
		w.commit(opened(middle, job(t), job(t), job(t)))
		w.cancel(top.ID)
		w.sweep()
		w.stands("cancelled", top.ID, middle.ID)
		w.same("cancelled", int64(6), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 6"))
		w.same("sweeps", int64(0), w.count("SELECT COUNT(*) FROM ds_sweeps"))
	}},
	{"an emitter whose items cannot be read keeps those of others from nothing", func(w *world) {
		t := w.typ("t")
		var items []engine.JobID
		for range 2 {
			p := w.start(job(t))
			w.commit(opened(p, job(t)))
			items = append(items, w.list(engine.JobFilter{Parent: p.ID})[0].ID)
			w.cancel(p.ID)
			t = w.typ(fmt.Sprint("t", p.ID)) // or the next one would claim it
		}
		f := &Faults{}
		s := w.open(Options{Wrap: f.Wrap})
		f.Arm(Fault{Mode: Fail, Err: errors.New("the page is corrupt")}, 2)
		_, err := s.Sweep(w.ctx, 100)
		if where := f.Disarm(); !strings.Contains(where, "emissions") || engine.CodeOf(err) != engine.CodeInternal {
			w.Fatalf("at %.200q: %v", where, err)
		}
		w.stands("consume/waiting", items[0])
		w.stands("cancelled", items[1])
		w.sweep()
		w.stands("cancelled", items...)
	}},
	{"thousands of items are cancelled in batches", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, jobs(t, 90)...))
		w.cancel(j.ID)
		more, err := w.store.Sweep(w.ctx, 40)
		w.must(err)
		w.same("more", true, more)
		w.same("cancelled", int64(40), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 6"))
		w.check()
		w.sweep()
		w.stands("cancelled", j.ID)
	}},
	{"a job that waits to go on and has emitted items is cancelled with them", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		o := checkpoint(j, "p", jobs(t, 2)...)
		w.commit(o)
		w.commit(retried(j, time.Hour))
		w.same("cancel", engine.CancelAsked, w.cancel(j.ID))
		w.sweep()
		w.stands("cancelled", j.ID)
		w.same("cancelled", int64(3), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 6"))
	}},
	{"a job whose finish is due is cancelled", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFinish)
		j := w.start(job(t))
		w.commit(opened(j, job(t)))
		w.settle(w.take(queue(t)))
		w.fold()
		w.stands("finish/waiting", j.ID)
		w.same("cancel", engine.CancelDone, w.cancel(j.ID))
		w.stands("cancelled", j.ID)
	}},
	{"a job whose fail hook is due is cancelled", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFail)
		j := w.start(job(t))
		w.commit(failing(j))
		w.same("cancel", engine.CancelDone, w.cancel(j.ID))
		w.stands("cancelled", j.ID)
	}},
	{"a job that does not exist is not found", func(w *world) {
		_, err := w.store.Cancel(w.ctx, 4711, "")
		w.code("cancel", engine.CodeNotFound, err)
	}},
	{"cancel and claim of one job: either, never both", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		srv := w.server(other)
		for range 20 {
			id := w.enqueue(job(t))[0]
			var wg sync.WaitGroup
			var claims []engine.Claim
			var result engine.CancelResult
			var errs [2]error
			wg.Go(func() { claims, errs[0] = claimed(w.ctx, other, request(srv, queue(t), 1)) })
			wg.Go(func() { result, errs[1] = w.store.Cancel(w.ctx, id, "") })
			wg.Wait()
			w.must(errs[0])
			w.must(errs[1])
			switch {
			case len(claims) == 1 && len(claims[0].Jobs) == 1:
				w.same("cancel of a claimed job", engine.CancelAsked, result)
				w.must(w.store.Release(w.ctx, claims[0].ID, []engine.JobRef{claims[0].Jobs[0].JobRef}))
			default:
				w.same("cancel", engine.CancelDone, result)
			}
			w.stands("cancelled", id)
			w.check()
		}
	}},
}
