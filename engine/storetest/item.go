package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var itemCases = []testCase{
	{"an emitter is open until its items have settled", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, job(t), job(t)))
		w.stands("consume/open", j.ID)
		v := w.view(j.ID)
		w.same("items", &engine.Children{Waiting: 2}, v.Children)
		items := w.claim(queue(t), 5)
		w.same("items", &engine.Children{Running: 2}, w.view(j.ID).Children)
		w.same("parent", j.ID, *w.view(items[0].ID).Parent)
		w.commit(completed(items[0]))
		w.same("items, not folded yet", &engine.Children{Completed: 1, Running: 1}, w.view(j.ID).Children)
		w.fold()
		w.stands("consume/open", j.ID)
		w.settle(items[1])
		w.same("settled", []engine.Settled{{Job: j.ID, Type: t, Status: engine.StatusCompleted}}, w.fold())
		w.stands("completed", j.ID)
	}},
	{"generations are the emitters above a job", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		for depth := range 4 {
			for most, want := range map[int]int{9: depth, 2: min(depth, 2)} {
				n, err := w.store.Generations(w.ctx, j.ID, most)
				w.must(err)
				w.same("generations", want, n)
			}
			w.commit(opened(j, job(t)))
			j = w.take(queue(t))
		}
		n, err := w.store.Generations(w.ctx, 1<<40, 9)
		w.must(err)
		w.same("generations of no job", 0, n)
	}},
	{"many generations are counted, a part of them at a time", func(w *world) {
		const depth = 2300
		w.loose = true // one is pruned
		old := w.typ("old")
		gone := w.enqueue(job(old))[0]
		w.cancel(gone)
		w.same("pruned", 1, w.pruneAll(old, map[engine.Status]time.Duration{engine.StatusCancelled: -time.Hour}))
		ids := w.enqueue(jobs(w.typ("t"), depth+1)...)
		slices.Sort(ids)
		for i, id := range ids[1:] {
			w.same("an id", ids[i]+1, id)
		}
		w.exec("UPDATE ds_jobs SET parent = id - 1 WHERE id > ?", ids[0])
		for _, c := range []struct{ at, most, want int }{
			{depth, 10_000, depth}, {depth, depth, depth}, {depth, depth - 1, depth - 1}, {depth, 1, 1}, {depth, 0, 0},
			{500, 10_000, 500}, {501, 10_000, 501}, {499, 10_000, 499}, {1000, 500, 500}, {1000, 501, 501}, {0, 10_000, 0},
		} {
			n, err := w.store.Generations(w.ctx, ids[c.at], c.most)
			w.must(err)
			w.same(fmt.Sprintf("generations above job %d, up to %d", c.at, c.most), c.want, n)
		}
		for _, at := range []int{0, 1, 499, 500, 501, 1000, 1001, depth} {
			root, err := w.store.Root(w.ctx, ids[at])
			w.must(err)
			w.same(fmt.Sprint("the root of job ", at), ids[0], root)
		}
		w.exec("UPDATE ds_jobs SET parent = ? WHERE id = ?", gone, ids[700])
		for at, want := range map[int]int{699: 0, 700: 700, 701: 700, depth: 700} {
			root, err := w.store.Root(w.ctx, ids[at])
			w.must(err)
			w.same(fmt.Sprint("the root of job ", at, " where one is gone"), ids[want], root)
		}
		w.exec("UPDATE ds_jobs SET parent = 0")
	}},
	{"an emitter is failed when an item failed", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, jobs(t, 3)...))
		w.commit(failed(w.take(queue(t))))
		w.settle(w.claim(queue(t), 2)...)
		w.same("settled", []engine.Settled{{Job: j.ID, Type: t, Status: engine.StatusFailed}}, w.fold())
		w.same("error", "1 of 3 items failed", w.view(j.ID).Error.Message)
	}},
	{"cancelled items do not fail their emitter", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, job(t), job(t)))
		w.settle(w.take(queue(t)))
		w.cancel(w.list(engine.JobFilter{Parent: j.ID, Status: engine.StatusWaiting})[0].ID)
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"finish is due when all items have settled, and knows of them", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume, engine.PhaseFinish)
		n := job(t)
		n.Phase, n.Payload, n.Priority = engine.PhaseProduce, raw("payload"), -3
		j := w.start(n)
		w.commit(opened(j, jobs(t, 4)...))
		var results []engine.JobID
		for i, c := range w.claim(queue(t), 4) {
			switch i {
			case 0:
				w.commit(among(failed(c)))
			case 1:
				w.cancel(c.ID)
				w.commit(among(withdrawn(c)))
			default:
				o := completed(c)
				o.SetResult, o.Result = true, raw(i)
				o.Stats, o.NewStats = engine.Stats{"read": 10}, engine.Stats{"read": 10}
				w.commit(o)
				results = append(results, c.ID)
			}
		}
		w.fold()
		w.stands("finish/waiting", j.ID)
		f := w.take(engine.QueueOf(t, engine.PhaseFinish))
		w.same("claimed", j.ID, f.ID)
		w.same("priority", -3, f.Priority)
		w.same("attempts", 0, f.Attempts)
		sum, err := w.store.Summary(w.ctx, j.ID)
		w.must(err)
		w.same("summary", &engine.Summary{Total: 4, Completed: 2, Failed: 1, Cancelled: 1, Stats: engine.Stats{"read": 20}, Payload: raw("payload")}, sum)
		var seen []engine.JobID
		w.must(w.store.Results(w.ctx, j.ID, func(id engine.JobID, r engine.Raw) bool {
			seen = append(seen, id)
			return true
		}))
		w.same("results", results, seen)
		seen = nil
		w.must(w.store.Results(w.ctx, j.ID, func(id engine.JobID, _ engine.Raw) bool {
			seen = append(seen, id)
			return false
		}))
		w.same("results until it said stop", results[:1], seen)
		w.settle(f)
		w.stands("completed", j.ID)
	}},
	{"results of thousands of items come in pages", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(opened(j, jobs(t, 1100)...))
		w.enqueue(jobs(t, 3)...)
		list := w.claim(queue(t), 1100)
		var outcomes []engine.Outcome
		for i, c := range list {
			o := *completed(c)
			if o.SetResult = i%10 > 0; o.SetResult {
				o.Result = raw(i)
			}
			outcomes = append(outcomes, o)
		}
		_, err := w.store.Settle(w.ctx, outcomes, []engine.ClaimID{list[0].Claim})
		w.must(err)
		n, last := 0, engine.JobID(0)
		w.must(w.store.Results(w.ctx, j.ID, func(id engine.JobID, r engine.Raw) bool {
			if id <= last {
				w.Errorf("result of job %d came after that of job %d", id, last)
			}
			last = id
			n++
			return true
		}))
		w.same("results", 990, n)
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"an emitter that failed for good after checkpoints is failed when its items have settled", func(w *world) {
		for _, finish := range []bool{false, true} {
			hooks := []engine.Phase{engine.PhaseConsume}
			name := "plain"
			if finish {
				hooks, name = append(hooks, engine.PhaseFinish), "finish"
			}
			t := w.typ(name, hooks...)
			j := w.start(job(t))
			first := checkpoint(j, "p", job(t))
			w.commit(first)
			o := opened(j)
			o.Failure, o.FailedPhase, o.Because, o.Verdict = problem(j), j.Phase, problem(j), engine.StatusFailed
			w.commit(o)
			w.stands("consume/open", j.ID)
			w.settle(w.take(queue(t)))
			w.fold()
			if !finish {
				w.stands("failed", j.ID)
				w.same("error", "it does not work", w.view(j.ID).Error.Message)
				continue
			}
			w.stands("finish/waiting", j.ID)
			f := w.take(engine.QueueOf(t, engine.PhaseFinish))
			w.same("verdict", engine.StatusFailed, f.Verdict)
			sum, err := w.store.Summary(w.ctx, j.ID)
			w.must(err)
			w.same("the summary's error", "it does not work", sum.Error.Message)
			end := outcome(f, engine.GaveUp, engine.State{Phase: engine.PhaseFinish, Status: engine.StatusFailed})
			end.Because = sum.Error
			w.commit(end)
			w.stands("failed", j.ID)
		}
	}},
	{"items with keys, delays and types of their own", func(w *world) {
		t, other := w.typ("t"), w.typ("other")
		w.enqueue(keyed(other, "taken", active))
		holder := w.take(queue(other))
		j := w.start(job(t))
		free, taken, again := keyed(other, "free", active), keyed(other, "taken", active), keyed(other, "taken", active)
		free.Foretold, taken.Foretold, again.Foretold = 1, -1, -1
		again.Replace, again.Payload = true, raw("new")
		later := job(other)
		later.Delay = time.Hour
		w.commit(opened(j, free, later, taken, again))
		w.same("items", int64(2), w.view(j.ID).Items)
		w.settle(w.take(queue(other)), holder)
		w.due(w.list(engine.JobFilter{Parent: j.ID, Status: engine.StatusWaiting})[0].ID)
		w.promote()
		w.settle(w.take(queue(other)))
		w.fold()
		w.stands("completed", j.ID)
	}},
	{"items of many emitters at once are told apart", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 5)...)
		emitters := w.claim(queue(t), 5)
		want := map[engine.JobID]int{}
		for round := range 3 {
			for i, j := range emitters {
				n := (i+round)%3 + 1
				o := checkpoint(j, "p", jobs(t, n)...)
				w.commit(o)
				want[j.ID] += n
			}
		}
		for _, j := range emitters {
			list := w.list(engine.JobFilter{Parent: j.ID, Limit: 100})
			w.same("items", want[j.ID], len(list))
			w.commit(among(opened(j)))
		}
	}},
}
