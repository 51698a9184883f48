package storetest

import (
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var settleCases = []testCase{
	{"a job of which a late checkpoint took effect is given back", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 2)...)
		list := w.claim(queue(t), 2)
		w.exec("UPDATE ds_jobs SET checkpoints = 1, position = ? WHERE id = ?", `{"p":"half"}`, list[1].ID)
		lost, err := w.store.Settle(w.ctx, []engine.Outcome{*completed(list[0]), *completed(list[1])}, []engine.ClaimID{list[0].Claim})
		w.must(err)
		w.same("lost", []engine.JobID{list[1].ID}, lost)
		w.stands("completed", list[0].ID)
		again := w.take(queue(t))
		w.same("it goes on", []any{list[1].ID, 1, `{"p":"half"}`}, []any{again.ID, again.Checkpoints, string(again.Position)})
	}},
	{"jobs of many claims complete in one transaction", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 9)...)
		var list []*engine.ClaimedJob
		for range 3 {
			list = append(list, w.claim(queue(t), 3)...)
		}
		w.settle(list...)
		w.stands("completed", ids(list)...)
		w.same("claims", int64(0), w.count("SELECT COUNT(*) FROM ds_claims"))
		w.fold()
		types, err := w.store.Types(w.ctx)
		w.must(err)
		w.same("counts", engine.TypeCounts{Created: 9, Completed: 9, Stats: engine.Stats{}}, types[0].Counts)
	}},
	{"results, counts and times are kept", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		list := w.claim(queue(t), 3)
		var outcomes []engine.Outcome
		for i, j := range list {
			o := *completed(j)
			o.Server, o.Elapsed = w.srv, time.Duration(i)*time.Minute
			if i > 0 {
				o.SetResult, o.Result = true, raw(map[string]any{"n": i, "s": "é😀'\"\\"})
				o.Stats = engine.Stats{"read": int64(i), "own": 7}
				o.NewStats = o.Stats
			}
			outcomes = append(outcomes, o)
		}
		lost, err := w.store.Settle(w.ctx, outcomes, []engine.ClaimID{list[0].Claim})
		w.must(err)
		w.same("lost", 0, len(lost))
		for i, j := range list {
			v := w.view(j.ID)
			w.same("attempt", 1, v.Attempt)
			w.same("took", time.Duration(i)*time.Minute, v.FinishedAt.Sub(*v.StartedAt), roughly(20*time.Millisecond))
			w.same("server", "one", *v.Server)
			if i == 0 {
				w.same("no result", engine.Raw(nil), v.Result)
				continue
			}
			w.same("result", string(outcomes[i].Result), string(v.Result))
			w.same("counts", map[string]int64{"read": int64(i), "own": 7}, v.Stats)
		}
		w.fold()
		types, err := w.store.Types(w.ctx)
		w.must(err)
		w.same("the type's counts", engine.Stats{"read": 3, "own": 14}, types[0].Counts.Stats)
	}},
	{"a job that is not ours is named, and the others complete", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 5)...)
		list := w.claim(queue(t), 5)
		w.must(w.store.Release(w.ctx, list[1].Claim, []engine.JobRef{list[1].JobRef, list[3].JobRef}))
		var outcomes []engine.Outcome
		for _, j := range list {
			outcomes = append(outcomes, *completed(j))
		}
		lost, err := w.store.Settle(w.ctx, outcomes, []engine.ClaimID{list[0].Claim})
		w.must(err)
		w.same("lost", []engine.JobID{list[1].ID, list[3].ID}, lost)
		w.stands("completed", list[0].ID, list[2].ID, list[4].ID)
		w.stands("consume/waiting", list[1].ID, list[3].ID)
	}},
	{"when all are lost nothing is written", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 2)...)
		list := w.claim(queue(t), 2)
		w.must(w.store.Release(w.ctx, list[0].Claim, []engine.JobRef{list[0].JobRef, list[1].JobRef}))
		o := *completed(list[0])
		o.SetResult, o.Result = true, raw("late")
		lost, err := w.store.Settle(w.ctx, []engine.Outcome{o, *completed(list[1])}, nil)
		w.must(err)
		w.same("lost", ids(list), lost)
		w.same("results", int64(0), w.count("SELECT COUNT(*) FROM ds_results"))
	}},
	{"a claim is dropped without an outcome", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 2)...)
		list := w.claim(queue(t), 2)
		for _, j := range list {
			o := completed(j)
			w.commit(o)
		}
		w.same("claims", int64(1), w.count("SELECT COUNT(*) FROM ds_claims"))
		_, err := w.store.Settle(w.ctx, nil, []engine.ClaimID{list[0].Claim, newClaimID()})
		w.must(err)
		w.same("claims", int64(0), w.count("SELECT COUNT(*) FROM ds_claims"))
	}},
	{"jobs of several phases and epochs go together", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		var list []*engine.ClaimedJob
		for n := range 4 {
			id := w.enqueue(job(t))[0]
			j := w.take(queue(t))
			for range n {
				w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
				j = w.take(queue(t))
			}
			w.same("epoch", engine.Epoch(n), j.Epoch)
			w.same("id", id, j.ID)
			list = append(list, j)
		}
		produce := job(t)
		produce.Phase = engine.PhaseProduce
		list = append(list, w.start(produce))
		w.settle(list...)
		w.stands("completed", ids(list)...)
		w.same("the phase is kept", engine.PhaseProduce, w.view(list[4].ID).Phase)
	}},
	{"an outcome that is not plain is refused", func(w *world) {
		j := w.start(job(w.typ("t")))
		if _, err := w.store.Settle(w.ctx, []engine.Outcome{*retried(j, 0)}, nil); err == nil {
			w.Error("got no error")
		}
		w.stands("consume/running", j.ID)
	}},
	{"keys of completed jobs are free, and kept ones are not", func(w *world) {
		t := w.typ("t")
		w.enqueue(keyed(t, "a", active), keyed(t, "b", waits), keyed(t, "c", monthly), keyed(t, "d", forever), job(t))
		w.settle(w.claim(queue(t), 10)...)
		w.same("keys", int64(2), w.count("SELECT COUNT(*) FROM ds_keys"))
		w.enqueue(keyed(t, "a", active), keyed(t, "b", active))
		w.same("c", false, w.add(keyed(t, "c", monthly)).Created)
		w.same("d", false, w.add(keyed(t, "d", forever)).Created)
	}},
	{"a thousand jobs with keys, of many processes at once", func(w *world) {
		t := w.typ("t")
		const n, processes = 1200, 3
		list := jobs(t, n)
		for i := range list {
			list[i].Key = string(raw(i))
		}
		w.enqueue(list...)
		var wg sync.WaitGroup
		for range processes {
			s := w.open(Options{})
			srv := w.server(s)
			wg.Go(func() {
				for {
					claims, err := claimed(w.ctx, s, request(srv, queue(t), 150))
					if err != nil {
						w.Error(err)
						return
					}
					if len(claims) == 0 {
						return
					}
					var outcomes []engine.Outcome
					for i := range claims[0].Jobs {
						outcomes = append(outcomes, *completed(&claims[0].Jobs[i]))
					}
					if lost, err := s.Settle(w.ctx, outcomes, []engine.ClaimID{claims[0].ID}); err != nil || len(lost) > 0 {
						w.Error(lost, err)
						return
					}
				}
			})
		}
		wg.Wait()
		w.until("all are claimed", func() bool {
			list := w.claim(queue(t), 500)
			w.settle(list...)
			return w.count("SELECT COUNT(*) FROM ds_ready WHERE id > 0") == 0
		})
		w.same("completed", int64(n), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"))
		w.same("keys", int64(0), w.count("SELECT COUNT(*) FROM ds_keys"))
	}},
}
