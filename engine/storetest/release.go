package storetest

import (
	"sync"

	"github.com/dsengine/dsengine/engine"
)

var releaseCases = []testCase{
	{"jobs are given back unharmed, and the rest stays", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 5)...)
		list := w.claim(queue(t), 5)
		w.must(w.store.Release(w.ctx, list[0].Claim, []engine.JobRef{list[1].JobRef, list[4].JobRef}))
		held, err := w.store.OwnClaims(w.ctx, w.srv)
		w.must(err)
		w.same("held", map[engine.ClaimID][]engine.JobRef{list[0].Claim: {list[0].JobRef, list[2].JobRef, list[3].JobRef}}, held)
		back := w.claim(queue(t), 10)
		w.same("claimed again", []engine.JobID{made[1], made[4]}, ids(back))
		for _, j := range back {
			w.same("attempts and losses", []int{0, 0}, []int{j.Attempts, j.Losses})
			w.same("epoch", engine.Epoch(1), j.Epoch)
		}
		w.settle(append(back, list[0], list[2], list[3])...)
	}},
	{"a claim of which nothing is left goes", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		list := w.claim(queue(t), 3)
		for _, j := range list {
			w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		}
		w.same("claims", int64(0), w.count("SELECT COUNT(*) FROM ds_claims"))
		w.must(w.store.Release(w.ctx, list[0].Claim, []engine.JobRef{list[0].JobRef}))
		w.must(w.store.Release(w.ctx, newClaimID(), []engine.JobRef{list[0].JobRef}))
		w.same("ready, once each", int64(3), w.count("SELECT COUNT(*) FROM ds_ready WHERE id > 0"))
	}},
	{"a settled job of the claim is not given back", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		list := w.claim(queue(t), 3)
		w.commit(completed(list[0]))
		w.commit(among(retried(list[1], 0)))
		w.must(w.store.Release(w.ctx, list[0].Claim, []engine.JobRef{list[0].JobRef, list[1].JobRef, list[2].JobRef}))
		w.stands("completed", list[0].ID)
		w.same("ready", int64(2), w.count("SELECT COUNT(*) FROM ds_ready WHERE id > 0"))
	}},
	{"a job that was claimed alone stays alone", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		w.exec("UPDATE ds_ready SET alone = 1")
		j := w.take(queue(t))
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		w.same("claims", 3, len(w.claimOn(w.store, w.srv, queue(t), 3)))
	}},
	{"a job that was asked to cancel ends when it is given back", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		n := keyed(t, "k", active)
		n.Phase = engine.PhaseProduce
		plain := w.start(n)
		_, err := w.store.Cancel(w.ctx, plain.ID, "")
		w.must(err)
		w.must(w.store.Release(w.ctx, plain.Claim, []engine.JobRef{plain.JobRef}))
		w.stands("cancelled", plain.ID)
		n.Key = "other"
		emitter := w.start(n)
		w.commit(checkpoint(emitter, "p", job(t), job(t)))
		_, err = w.store.Cancel(w.ctx, emitter.ID, "")
		w.must(err)
		w.must(w.store.Release(w.ctx, emitter.Claim, []engine.JobRef{emitter.JobRef}))
		w.stands("produce/open", emitter.ID)
		w.sweep()
		w.stands("cancelled", emitter.ID)
		for _, item := range w.list(engine.JobFilter{Parent: emitter.ID}) {
			w.same("item", engine.StatusCancelled, item.Status)
		}
		w.enqueue(keyed(t, "k", active), keyed(t, "other", active))
	}},
	{"release and completion of the same jobs do not do both", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		for range 10 {
			w.enqueue(jobs(t, 8)...)
			list := w.claim(queue(t), 8)
			var refs []engine.JobRef
			var outcomes []engine.Outcome
			for _, j := range list {
				refs = append(refs, j.JobRef)
				outcomes = append(outcomes, *completed(j))
			}
			var wg sync.WaitGroup
			var lost []engine.JobID
			var errs [2]error
			wg.Go(func() { errs[0] = other.Release(w.ctx, list[0].Claim, refs) })
			wg.Go(func() { lost, errs[1] = w.store.Settle(w.ctx, outcomes, []engine.ClaimID{list[0].Claim}) })
			wg.Wait()
			w.must(errs[0])
			w.must(errs[1])
			if len(lost) != 0 && len(lost) != 8 {
				w.Errorf("%d of 8 jobs were lost", len(lost))
			}
			for n := 0; n < len(lost); {
				again := w.claim(queue(t), 8)
				w.settle(again...)
				n += len(again)
			}
			w.check()
		}
		w.same("jobs that are not completed", int64(0), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status <> 4"))
	}},
}
