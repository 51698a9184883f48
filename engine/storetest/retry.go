package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// again retries a job as an operator.
func (w *world) again(id engine.JobID, o engine.RetryOptions) {
	w.Helper()
	w.must(w.store.Retry(w.ctx, id, o))
}

// family makes an emitter with an item that is an emitter, with items; all have
// keys. The first of the grandchildren fails, the others complete.
func (w *world) family(t engine.TypeID) (top, middle, failing engine.JobID) {
	w.Helper()
	a := w.start(keyed(t, "top", active))
	w.commit(opened(a, job(t), keyed(t, "middle", active)))
	w.settle(w.take(queue(t)))
	b := w.take(queue(t))
	w.commit(opened(b, keyed(t, "low", active), job(t)))
	c := w.take(queue(t))
	w.settle(w.take(queue(t)))
	w.commit(failed(c))
	w.fold()
	return a.ID, b.ID, c.ID
}

// cancelledFamily makes an emitter with two items and cancels it: one item has
// ended then, and the hook of the other runs still.
func (w *world) cancelledFamily(t engine.TypeID) (emitter, item engine.JobID, running *engine.ClaimedJob) {
	w.Helper()
	p := w.start(job(t))
	w.commit(opened(p, jobs(t, 2)...))
	running = w.take(queue(t))
	w.cancel(p.ID)
	w.sweep()
	for _, i := range w.list(engine.JobFilter{Parent: p.ID}) {
		if i.ID != running.ID {
			item = i.ID
		}
	}
	w.stands("cancelled", item)
	w.stands("consume/open", p.ID)
	return p.ID, item, running
}

// retryOne and retryMany retry a job, by itself and among many.
func (w *world) retryOne(id engine.JobID) error {
	return w.store.Retry(w.ctx, id, engine.RetryOptions{})
}

func (w *world) retryMany(id engine.JobID) error {
	list, err := w.store.RetryAll(w.ctx, []engine.JobID{id}, engine.RetryOptions{})
	if err != nil {
		return err
	}
	return list[0].Err
}

var retryCases = []testCase{
	{"a failed job is due again, as at first", func(w *world) {
		t := w.typ("t")
		n := keyed(t, "k", active)
		n.Payload = raw("p")
		j := w.start(n)
		w.commit(retried(j, 0))
		w.commit(failed(w.take(queue(t))))
		w.again(j.ID, engine.RetryOptions{})
		w.stands("consume/waiting", j.ID)
		v := w.view(j.ID)
		w.same("what is shown of its last life", []any{0, (*engine.JobError)(nil), true}, []any{v.Attempt, v.Error, v.FinishedAt == nil})
		w.same("its key counts again", engine.Enqueued{ID: j.ID}, w.add(keyed(t, "k", active)))
		again := w.take(queue(t))
		w.same("attempts", []int{0, 0}, []int{again.Attempts, again.Losses})
		w.same("payload", `"p"`, string(again.Payload))
		w.settle(again)
		w.stands("completed", j.ID)
		w.fold()
		c := w.counts("t")
		w.same("counts", []int64{1, 1, 0}, []int64{c.Created, c.Completed, c.Failed})
	}},
	{"a retry of an item writes the row of its emitter, which waits for it still", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, jobs(t, 3)...))
		items := w.claim(queue(t), 3)
		w.commit(among(failed(items[0])))
		w.commit(among(failed(items[1])))
		w.fold()
		epoch := func() int64 { return w.count(fmt.Sprint("SELECT epoch FROM ds_jobs WHERE id = ", j.ID)) }
		was := epoch()
		w.again(items[0].ID, engine.RetryOptions{})
		w.same("epoch after one", was+1, epoch())
		results, err := w.store.RetryAll(w.ctx, []engine.JobID{items[1].ID}, engine.RetryOptions{})
		w.must(err)
		w.must(results[0].Err)
		w.same("epoch after many", was+2, epoch())
		w.stands("consume/open", j.ID)
		w.settle(items[2])
		w.settle(w.claim(queue(t), 5)...)
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"completed and cancelled jobs can be retried", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(keyed(t, "a", monthly), keyed(t, "b", forever), keyed(t, "c", forever))
		w.settle(w.claim(queue(t), 2)...)
		w.cancel(made[2])
		for _, id := range made {
			w.again(id, engine.RetryOptions{})
		}
		w.check()
		list := w.claim(queue(t), 5)
		w.same("claimed", made, ids(list))
		w.cancel(made[0])
		w.commit(among(withdrawn(list[0])))
		w.settle(list[1:]...)
		w.stands("completed", made[1], made[2])
	}},
	{"a job that is not final is refused", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 2)...)
		w.take(queue(t))
		for _, id := range made {
			w.code("retry", engine.CodeConflict, w.store.Retry(w.ctx, id, engine.RetryOptions{}))
		}
		w.code("retry of nothing", engine.CodeNotFound, w.store.Retry(w.ctx, 4711, engine.RetryOptions{}))
	}},
	{"a job whose key was taken since is refused", func(w *world) {
		t := w.typ("t")
		j := w.start(keyed(t, "k", active))
		w.commit(failed(j))
		holder := w.enqueue(keyed(t, "k", active))[0]
		before := w.dump(t)
		w.code("retry", engine.CodeConflict, w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		w.same("the database", before, w.dump(t))
		w.settle(w.take(queue(t)))
		w.stands("completed", holder)
		w.again(j.ID, engine.RetryOptions{})
	}},
	{"a retry begins where the job failed, or where it is told to", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume, engine.PhaseFail)
		n := job(t)
		n.Phase = engine.PhaseProduce
		j := w.start(n)
		w.commit(handedOn(j, raw("item")))
		c := w.take(queue(t))
		w.commit(failing(c))
		f := w.take(engine.QueueOf(t, engine.PhaseFail))
		o := outcome(f, engine.GaveUp, engine.State{Phase: engine.PhaseFail, Status: engine.StatusFailed})
		o.FailedPhase, o.Because = engine.PhaseConsume, problem(f)
		w.commit(o)
		w.again(j.ID, engine.RetryOptions{})
		w.stands("consume/waiting", j.ID)
		c = w.take(queue(t))
		w.same("item", `"item"`, string(c.Item))
		w.commit(failed(c))
		w.again(j.ID, engine.RetryOptions{From: engine.PhaseProduce})
		w.stands("produce/waiting", j.ID)
		produce := w.take(engine.QueueOf(t, engine.PhaseProduce))
		w.same("item", engine.Raw(nil), produce.Item)
		w.settle(produce)
		for _, from := range []engine.Phase{engine.PhaseFinish, engine.PhaseFail} {
			w.code("from "+from.String(), engine.CodeUsage, w.store.Retry(w.ctx, j.ID, engine.RetryOptions{From: from}))
		}
	}},
	{"a retried item reopens its emitters, up to the top", func(w *world) {
		t := w.typ("t")
		top, middle, low := w.family(t)
		w.stands("failed", top, middle, low)
		w.again(low, engine.RetryOptions{})
		w.stands("consume/open", top, middle)
		w.check()
		for _, key := range []string{"top", "middle", "low"} {
			w.same("the key counts again", false, w.add(keyed(t, key, active)).Created)
		}
		w.settle(w.take(queue(t)))
		w.fold()
		w.stands("completed", top, middle, low)
		w.same("failures", int64(0), w.count("SELECT COUNT(*) FROM ds_failures"))
		c := w.counts("t")
		w.same("counts", []int64{5, 5, 0}, []int64{c.Created, c.Completed, c.Failed})
		w.same("items", &engine.Children{Completed: 2}, w.view(middle).Children)
	}},
	{"a retried item that fails again fails its emitters again", func(w *world) {
		t := w.typ("t")
		top, middle, low := w.family(t)
		for range 2 {
			w.again(low, engine.RetryOptions{})
			w.commit(failed(w.take(queue(t))))
			w.fold()
			w.stands("failed", top, middle, low)
			w.check()
		}
	}},
	{"an item is not retried when an emitter's key was taken since", func(w *world) {
		t := w.typ("t")
		_, _, low := w.family(t)
		w.enqueue(keyed(t, "top", active))
		before := w.dump(t)
		w.code("retry", engine.CodeConflict, w.store.Retry(w.ctx, low, engine.RetryOptions{}))
		w.same("the database", before, w.dump(t))
	}},
	{"a retried item takes back a finish that waits, runs or has failed", func(w *world) {
		for name, reach := range map[string]func(t engine.TypeID){
			"waits":   func(engine.TypeID) {},
			"runs":    func(t engine.TypeID) { w.take(engine.QueueOf(t, engine.PhaseFinish)) },
			"delayed": func(t engine.TypeID) { w.commit(retried(w.take(engine.QueueOf(t, engine.PhaseFinish)), time.Hour)) },
			"failing": func(t engine.TypeID) { w.commit(failing(w.take(engine.QueueOf(t, engine.PhaseFinish)))) },
			"failed":  func(t engine.TypeID) { w.commit(failed(w.take(engine.QueueOf(t, engine.PhaseFinish)))) },
		} {
			t := w.typ(name, engine.PhaseConsume, engine.PhaseFinish, engine.PhaseFail)
			j := w.start(job(t))
			w.commit(opened(j, job(t)))
			item := w.take(queue(t))
			w.commit(failed(item))
			w.fold()
			w.stands("finish/waiting", j.ID)
			reach(t)
			w.again(item.ID, engine.RetryOptions{})
			if got := w.state(j.ID); got != "consume/open" {
				w.Errorf("finish %s: want consume/open, got %s", name, got)
			}
			w.check()
			w.settle(w.take(queue(t)))
			w.fold()
			w.stands("finish/waiting", j.ID)
			f := w.take(engine.QueueOf(t, engine.PhaseFinish))
			w.same("attempts", 0, f.Attempts)
			w.settle(f)
			w.stands("completed", j.ID)
		}
	}},
	{"an item is retried before its failure was added up", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, job(t), job(t)))
		a, b := w.take(queue(t)), w.take(queue(t))
		w.commit(failed(a))
		w.again(a.ID, engine.RetryOptions{})
		w.check()
		w.settle(b)
		w.fold()
		w.stands("consume/open", j.ID)
		w.settle(w.take(queue(t)))
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"an emitter that begins again retries its failed items too, which do not reopen it", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, job(t)))
		item := w.take(queue(t))
		w.commit(failed(item))
		w.fold()
		w.again(j.ID, engine.RetryOptions{From: engine.PhaseConsume})
		w.stands("consume/waiting", j.ID, item.ID)
		w.check()
		for _, c := range w.claim(queue(t), 5) {
			if c.ID == j.ID {
				w.same("items so far", int64(1), c.Emitted)
				w.commit(among(opened(c, job(t))))
			} else {
				w.commit(completed(c))
			}
		}
		w.fold()
		w.stands("consume/open", j.ID)
		w.settle(w.take(queue(t)))
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"an emitter that failed itself stays failed when an item is retried", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		first := checkpoint(j, "p", job(t))
		w.commit(first)
		o := opened(j)
		o.Failure, o.FailedPhase, o.Because, o.Verdict = problem(j), j.Phase, problem(j), engine.StatusFailed
		w.commit(o)
		item := w.take(queue(t))
		w.commit(failed(item))
		w.fold()
		w.stands("failed", j.ID)
		w.again(item.ID, engine.RetryOptions{})
		w.stands("consume/open", j.ID)
		w.settle(w.take(queue(t)))
		w.fold()
		w.stands("failed", j.ID)
		w.same("error", "it does not work", w.view(j.ID).Error.Message)
	}},
	{"an item of a cancelled emitter opens it again, for this item alone", func(w *world) {
		for name, retry := range map[string]func(id engine.JobID) error{"one": w.retryOne, "many": w.retryMany} {
			t := w.typ(name)
			p, item, running := w.cancelledFamily(t)
			w.commit(withdrawn(running))
			w.fold()
			w.stands("cancelled", p, item, running.ID)
			w.must(retry(item))
			w.stands("consume/open", p)
			w.check()
			w.settle(w.take(queue(t)))
			w.fold()
			w.stands("completed", p, item)
			w.stands("cancelled", running.ID)
		}
	}},
	{"an item is not retried while an emitter of it is being cancelled", func(w *world) {
		for name, retry := range map[string]func(id engine.JobID) error{"one": w.retryOne, "many": w.retryMany} {
			t := w.typ(name)
			p, item, running := w.cancelledFamily(t)
			before := w.dump(t)
			err := retry(item)
			w.code("retry", engine.CodeConflict, err)
			if want := fmt.Sprintf("its emitter, job %d, is being cancelled", p); !strings.Contains(fmt.Sprint(err), want) {
				w.Errorf("want %q, got %v", want, err)
			}
			w.same("the database", before, w.dump(t))
			w.commit(withdrawn(running))
			w.fold()
			w.stands("cancelled", p, item)
		}
	}},
	{"an item is not retried while the hook of its emitter, or the emitter of that, is told to stop", func(w *world) {
		for name, retry := range map[string]func(id engine.JobID) error{"one": w.retryOne, "many": w.retryMany} {
			t := w.typ(name)
			top := w.start(job(t))
			w.commit(checkpoint(top, "p", job(t)))
			middle := w.take(queue(t))
			w.commit(opened(middle, jobs(t, 2)...))
			low := w.take(queue(t))
			w.commit(failed(low))
			w.cancel(top.ID)
			w.code("retry", engine.CodeConflict, retry(low.ID))
			stopped := opened(top)
			stopped.Verdict = engine.StatusCancelled
			w.commit(stopped)
			w.sweep()
			w.stands("cancelled", top.ID, middle.ID)
			w.stands("failed", low.ID)
			w.must(retry(low.ID))
			w.stands("consume/open", top.ID, middle.ID)
			w.settle(w.take(queue(t)))
			w.fold()
			w.stands("completed", top.ID, middle.ID, low.ID)
		}
	}},
	{"a key that retries and an enqueue want at once is one job's", func(w *world) {
		t := w.typ("t")
		one, many, made := w.open(Options{}), w.open(Options{}), w.open(Options{})
		for range 15 {
			var ids [2]engine.JobID
			for i := range ids {
				j := w.start(keyed(t, "k", active))
				w.commit(failed(j))
				ids[i] = j.ID
			}
			var wg sync.WaitGroup
			var errs [2]error
			var enqueued []engine.Enqueued
			var err error
			wg.Go(func() { errs[0] = one.Retry(w.ctx, ids[0], engine.RetryOptions{}) })
			wg.Go(func() {
				var list []engine.RetryResult
				if list, errs[1] = many.RetryAll(w.ctx, ids[1:], engine.RetryOptions{}); errs[1] == nil {
					errs[1] = list[0].Err
				}
			})
			wg.Go(func() { enqueued, err = made.Enqueue(w.ctx, []engine.JobInsert{keyed(t, "k", active)}) })
			wg.Wait()
			w.must(err)
			holders := []engine.JobID{}
			if enqueued[0].Created {
				holders = append(holders, enqueued[0].ID)
			}
			for i, err := range errs {
				if err == nil {
					holders = append(holders, ids[i])
				} else {
					w.code("retry", engine.CodeConflict, err)
				}
			}
			w.same("holders of the key", 1, len(holders))
			w.check()
			j := w.take(queue(t))
			w.same("claimed", holders[0], j.ID)
			w.settle(j)
		}
	}},
	{"an item whose emitter was pruned can be retried", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, job(t)))
		item := w.take(queue(t))
		w.commit(failed(item))
		w.fold()
		w.loose = true
		w.exec("UPDATE ds_jobs SET finished_at = '2001-01-01 00:00:00.000000', status = 4 WHERE id = ?", j.ID)
		w.exec("DELETE FROM ds_failures WHERE job = ?", j.ID)
		n, _, err := w.store.Prune(w.ctx, t, map[engine.Status]time.Duration{engine.StatusCompleted: time.Hour}, 10)
		w.must(err)
		w.same("pruned", 1, n)
		w.again(item.ID, engine.RetryOptions{})
		w.settle(w.take(queue(t)))
		w.stands("completed", item.ID)
	}},
	{"retries of many items at once reopen their emitter once", func(w *world) {
		t := w.typ("t")
		j := w.start(keyed(t, "k", active))
		w.commit(opened(j, jobs(t, 8)...))
		var items []engine.JobID
		for range 8 {
			c := w.take(queue(t))
			w.commit(failed(c))
			items = append(items, c.ID)
		}
		w.fold()
		w.stands("failed", j.ID)
		var wg sync.WaitGroup
		for _, id := range items {
			s := w.open(Options{})
			wg.Go(func() {
				if err := s.Retry(w.ctx, id, engine.RetryOptions{}); err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		w.stands("consume/open", j.ID)
		w.check()
		for range 8 {
			w.settle(w.take(queue(t)))
		}
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"two retries of one job: one is done", func(w *world) {
		t := w.typ("t")
		for range 10 {
			j := w.start(job(t))
			w.commit(failed(j))
			other := w.open(Options{})
			var wg sync.WaitGroup
			var errs [2]error
			wg.Go(func() { errs[0] = w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}) })
			wg.Go(func() { errs[1] = other.Retry(w.ctx, j.ID, engine.RetryOptions{}) })
			wg.Wait()
			if errs[0] == nil {
				errs[0], errs[1] = errs[1], errs[0]
			}
			w.must(errs[1])
			w.code("the other", engine.CodeConflict, errs[0])
			w.settle(w.take(queue(t)))
		}
	}},
	{"a retry of an emitter that failed because of its items retries those", func(w *world) {
		t := w.typ("t")
		top, middle, low := w.family(t)
		w.again(top, engine.RetryOptions{})
		w.stands("consume/open", top, middle)
		w.stands("consume/waiting", low)
		w.check()
		c := w.take(queue(t))
		w.same("due", low, c.ID)
		w.settle(c)
		w.fold()
		w.stands("completed", top, middle, low)
		w.same("jobs", int64(5), w.count("SELECT COUNT(*) FROM ds_jobs"))
	}},
	{"a retry of an emitter retries its failed items only, also very many", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFinish)
		j := w.start(job(t))
		w.commit(opened(j, jobs(t, 500)...))
		list := w.claim(queue(t), 500)
		for i, c := range list {
			if i%50 == 0 {
				w.commit(among(completed(c)))
			} else {
				w.commit(among(failed(c)))
			}
		}
		w.fold()
		f := w.take(engine.QueueOf(t, engine.PhaseFinish))
		o := failed(f)
		o.Failure, o.FailedPhase, o.Because = nil, 0, problem(f)
		w.commit(o)
		w.again(j.ID, engine.RetryOptions{})
		w.stands("consume/open", j.ID)
		w.same("items", &engine.Children{Waiting: 490, Completed: 10}, w.view(j.ID).Children)
		w.settle(w.claim(queue(t), 500)...)
		w.fold()
		w.stands("finish/waiting", j.ID)
		w.settle(w.take(engine.QueueOf(t, engine.PhaseFinish)))
		w.stands("completed", j.ID)
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		w.stands("finish/waiting", j.ID)
	}},
	{"an item whose key was taken since is left out, and told of", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, keyed(t, "a", active), keyed(t, "b", active)))
		a, b := w.take(queue(t)), w.take(queue(t))
		w.commit(failed(a))
		w.commit(failed(b))
		w.fold()
		w.enqueue(keyed(t, "a", active))
		w.code("retry", engine.CodeConflict, w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		w.stands("failed", a.ID)
		w.stands("consume/waiting", b.ID)
		w.stands("consume/open", j.ID)
	}},
}
