package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// heldCases are about rows that a caller's transaction holds until it ends.
var heldCases = []testCase{
	{"jobs that wait for keys which a caller holds keep nobody from claiming", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		const many = 20
		a, b := w.typ("a"), w.typ("b")
		var list []engine.JobInsert
		for i := range many {
			list = append(list, keyed(a, fmt.Sprint("k", i), active))
		}
		w.enqueue(list...)
		held := w.claim(queue(a), many)
		w.enqueue(jobs(b, many)...)
		f := &Faults{}
		s := w.open(Options{Wrap: f.Wrap})
		srv := w.server(s)
		var waiting atomic.Int64
		f.Before(func(q string) {
			if strings.Contains(q, "ds_keys") {
				waiting.Add(1)
			}
		})
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, list...)
		ends := make(chan error, many)
		for _, j := range held {
			o := among(failed(j))
			o.Server = w.srv
			go func() { ends <- s.Commit(w.ctx, nil, o) }()
		}
		w.until("some of them wait", func() bool { return waiting.Load() >= 4 })
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		for range many {
			if _, err := claimed(ctx, s, request(srv, queue(b), 1)); err != nil {
				w.Errorf("claim: %v", err)
				break
			}
		}
		f.Before(nil)
		w.must(tx.Rollback())
		for range many {
			w.must(<-ends)
		}
	}},
	{"a ready job that a caller holds keeps nobody from claiming others", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		const others = 20
		t := w.typ("t")
		first := w.enqueue(jobs(t, 1+others)...)[0]
		tx := w.begin(sql.LevelReadCommitted)
		_, err := tx.Exec("UPDATE ds_ready SET epoch = epoch + 0 WHERE queue = ? AND priority = ? AND id = ?", queue(t), w.count("SELECT priority FROM ds_ready WHERE id = ?", first), first)
		w.must(err)
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		for got := 0; got < others; {
			claims, err := claimed(ctx, w.store, request(w.srv, queue(t), 5))
			if err != nil {
				w.Errorf("claim: %v", err)
				break
			}
			for i := range claims {
				got += len(claims[i].Jobs)
			}
		}
		w.must(tx.Rollback())
	}},
	{"a key that a caller holds keeps no other job from completing", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		a, b := w.typ("a"), w.typ("b")
		w.enqueue(keyed(a, "k", active), keyed(a, "free", active))
		w.enqueue(jobs(b, 3)...)
		list := append(w.claim(queue(a), 5), w.claim(queue(b), 5)...)
		outcomes := make([]engine.Outcome, len(list))
		for i, j := range list {
			outcomes[i] = *completed(j)
		}
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keyed(a, "k", active))
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		lost, err := w.store.Settle(ctx, outcomes, []engine.ClaimID{list[0].Claim, list[2].Claim})
		var locked *engine.LockedError
		if !errors.As(err, &locked) {
			w.Fatalf("settle says %v", err)
		}
		w.same("left", []engine.JobID{list[0].ID}, locked.Jobs)
		w.same("lost", 0, len(lost))
		for _, j := range list[1:] {
			w.stands("completed", j.ID)
		}
		w.stands("consume/running", list[0].ID)
		claims, err := w.store.OwnClaims(w.ctx, w.srv)
		w.must(err)
		w.same("claims", 1, len(claims))
		w.must(tx.Rollback())
		w.until("it can be completed", func() bool {
			lost, err = w.store.Settle(w.ctx, outcomes[:1], []engine.ClaimID{list[0].Claim})
			return err == nil
		})
		w.same("lost", 0, len(lost))
		w.stands("completed", list[0].ID)
	}},
	{"a key that a caller holds keeps no other emitter from going on", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		var parents []engine.JobID
		for _, j := range []engine.JobInsert{keyed(t, "k", active), keyed(t, "free", active), job(t)} {
			p := w.start(j)
			w.commit(opened(p, job(t)))
			w.settle(w.take(queue(t)))
			parents = append(parents, p.ID)
		}
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keyed(t, "k", active))
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		_, settled, _, err := w.store.Fold(ctx, 100)
		w.must(err)
		w.same("settled", 2, len(settled))
		w.stands("completed", parents[1:]...)
		w.stands("consume/open", parents[0])
		w.must(tx.Rollback())
		w.until("it goes on afterwards", func() bool {
			w.fold()
			return w.view(parents[0]).Status == engine.StatusCompleted
		})
	}},
	{"a key that a caller holds keeps no other job of a dead server from being rescued", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		keys := []engine.JobInsert{keyed(t, "one", active), keyed(t, "k", active), keyed(t, "free", active), keyed(t, "runs", active), keyed(t, "lost", active)}
		made := w.enqueue(append(keys, job(t))...)
		other := w.open(Options{})
		srv := w.server(other)
		for _, n := range []int{1, 3, 1, 1} {
			w.claimOn(other, srv, queue(t), n)
		}
		for _, id := range made[:3] {
			w.same("cancel", engine.CancelAsked, w.cancel(id))
		}
		w.die(other, srv)
		w.bury(srv)
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keys[0], keys[1], keys[3], keys[4])
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		lost := func(j *engine.ClaimedJob, _ engine.TypeRecord, _ *engine.Failure) *engine.Outcome {
			if j.ID == made[4] {
				return among(failed(j))
			}
			return nil
		}
		r, err := w.store.Rescue(ctx, lost)
		w.must(err)
		w.same("rescue", engine.Rescue{Claims: 4, Jobs: 3, Losses: 1, Left: 3}, w.counted(r))
		w.stands("consume/running", made[0], made[1], made[4])
		w.stands("cancelled", made[2])
		w.stands("consume/waiting", made[3], made[5])
		w.must(tx.Rollback())
		w.until("they are rescued afterwards", func() bool {
			_, err := w.store.Rescue(w.ctx, lost)
			w.must(err)
			return w.count("SELECT COUNT(*) FROM ds_claims") == 0
		})
		w.stands("cancelled", made[:3]...)
		w.stands("failed", made[4])
		w.fold()
		w.same("losses", int64(3), w.counts("t").Losses)
	}},
	{"a key that a caller holds keeps no other job from being given back", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		w.enqueue(keyed(t, "k", active), keyed(t, "free", active), keyed(t, "runs", active), job(t))
		list := w.claim(queue(t), 4)
		w.same("cancel", engine.CancelAsked, w.cancel(list[0].ID))
		w.same("cancel", engine.CancelAsked, w.cancel(list[1].ID))
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keyed(t, "k", active), keyed(t, "runs", active))
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		refs := []engine.JobRef{list[0].JobRef, list[1].JobRef, list[2].JobRef}
		err := w.store.Release(ctx, list[0].Claim, refs)
		var locked *engine.LockedError
		if !errors.As(err, &locked) {
			w.Fatalf("release says %v", err)
		}
		w.same("left", []engine.JobID{list[0].ID}, locked.Jobs)
		held, err := w.store.OwnClaims(w.ctx, w.srv)
		w.must(err)
		w.same("held", map[engine.ClaimID][]engine.JobRef{list[0].Claim: {list[3].JobRef, list[0].JobRef}}, held)
		w.stands("cancelled", list[1].ID)
		w.stands("consume/waiting", list[2].ID)
		w.must(tx.Rollback())
		w.until("it is given back afterwards", func() bool { return w.store.Release(w.ctx, list[0].Claim, refs) == nil })
		w.stands("cancelled", list[0].ID)
		w.settle(list[3])
	}},
	{"a key that a caller holds keeps no other job from being cancelled", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		ids := w.enqueue(keyed(t, "free", active), keyed(t, "k", active), job(t))
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keyed(t, "k", active))
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		results, err := w.store.CancelAll(ctx, ids, engine.CancelOptions{})
		w.must(err)
		w.same("results", []engine.CancelResult{engine.CancelDone, engine.CancelHeld, engine.CancelDone}, results)
		w.stands("consume/waiting", ids[1])
		w.must(tx.Rollback())
		w.until("it can be cancelled afterwards", func() bool {
			results, err = w.store.CancelAll(w.ctx, ids[1:2], engine.CancelOptions{})
			w.must(err)
			return results[0] == engine.CancelDone
		})
	}},
	{"the items of a cancelled emitter are cancelled around a key that a caller holds", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		p := w.start(job(t))
		w.commit(opened(p, keyed(t, "k", active), job(t)))
		_, err := w.store.Cancel(w.ctx, p.ID, "")
		w.must(err)
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keyed(t, "k", active))
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		for range 3 {
			_, err := w.store.Sweep(ctx, 100)
			w.must(err)
		}
		w.must(tx.Rollback())
		w.until("it is cancelled in the end", func() bool {
			_, err := w.store.Sweep(w.ctx, 100)
			w.must(err)
			w.fold()
			return w.view(p.ID).Status == engine.StatusCancelled
		})
	}},
	{"the items of an emitter are retried with it up to a key that a caller holds, which keeps no other emitter's", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		emitters := w.enqueue(jobs(t, 3)...)
		list := w.claim(queue(t), 3)
		for i, keys := range [][]string{{"before", "k", "behind"}, {"other", "another"}, {"cancelled"}} {
			var items []engine.JobInsert
			for _, k := range keys {
				items = append(items, keyed(t, k, active))
			}
			w.commit(opened(list[i], append(items, job(t))...))
		}
		w.cancel(emitters[0])
		w.cancel(emitters[1])
		w.sweep()
		for _, id := range emitters[:2] {
			w.stands("cancelled", id)
			w.must(w.store.Retry(w.ctx, id, engine.RetryOptions{}))
		}
		items := func(emitter engine.JobID, status engine.Status) int64 {
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE parent = ? AND status = ?", emitter, status)
		}
		tx := w.begin(sql.LevelDefault)
		made := w.enqueueTx(tx, keyed(t, "k", active)) // a row that nobody else sees
		w.same("made", true, made[0].Created)
		ctx, stop := context.WithTimeout(w.ctx, 12*time.Second)
		defer stop()
		w.same("cancel", engine.CancelAsked, w.cancel(emitters[2]))
		for range 3 {
			_, err := w.store.Sweep(ctx, 100)
			w.must(err)
		}
		w.same("items retried before the key, with the other emitter, cancelled", []int64{1, 3, 2},
			[]int64{items(emitters[0], engine.StatusWaiting), items(emitters[1], engine.StatusWaiting), items(emitters[2], engine.StatusCancelled)})
		w.same("sweeps", int64(1), w.count("SELECT COUNT(*) FROM ds_sweeps"))
		w.must(tx.Rollback())
		w.until("it goes on afterwards", func() bool {
			_, err := w.store.Sweep(w.ctx, 100)
			w.must(err)
			return items(emitters[0], engine.StatusWaiting) == 4
		})
		w.sweep()
	}},
	{"a key that a caller holds keeps no other history", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		w.loose = true
		a, b := w.start(keyed(t, "k", forever)), w.start(keyed(t, "freed", active))
		w.commit(failed(a))
		w.commit(failed(b))
		w.exec("UPDATE ds_jobs SET created_at = " + old + ", finished_at = " + old)
		tx := w.begin(sql.LevelDefault)
		w.enqueueTx(tx, keyed(t, "k", forever), keyed(t, "freed", active)) // the first is kept for a retry
		ctx, stop := context.WithTimeout(w.ctx, 8*time.Second)
		defer stop()
		_, _, err := w.store.Prune(ctx, t, everything, 100)
		w.must(err)
		w.must(w.store.PruneRest(ctx, 100))
		w.same("jobs that are left", int64(1), w.count("SELECT COUNT(*) FROM ds_jobs"))
		w.must(tx.Rollback())
		w.until("it goes afterwards", func() bool {
			w.pruneAll(t, everything)
			return w.count("SELECT COUNT(*) FROM ds_jobs") == 0
		})
	}},
}
