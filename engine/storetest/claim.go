package storetest

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var claimCases = []testCase{
	{"jobs come in the order of priority, then of id", func(w *world) {
		t := w.typ("t")
		var list []engine.JobInsert
		for _, p := range []int{5, -100, 0, 100, -100, 0, 5, -1} {
			j := job(t)
			j.Priority = p
			list = append(list, j)
		}
		made := w.enqueue(list...)
		var want []engine.JobID
		for _, i := range []int{1, 4, 7, 2, 5, 0, 6, 3} {
			want = append(want, made[i])
		}
		var got []engine.JobID
		for len(got) < len(want) {
			got = append(got, ids(w.claim(queue(t), 3))...)
		}
		w.same("order", want, got)
	}},
	{"a more urgent job that comes later goes first", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 10)...)
		w.claim(queue(t), 3)
		urgent := job(t)
		urgent.Priority = -1
		id := w.enqueue(urgent)[0]
		w.same("claimed", id, w.take(queue(t)).ID)
	}},
	{"a claim holds what its process must know", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		at := time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC)
		id := w.enqueue(engine.JobInsert{Type: t, Phase: engine.PhaseProduce, Priority: 3, Instance: "i", Key: "k", Payload: raw("p"), ScheduledFor: at})[0]
		c := w.claimOn(w.store, w.srv, engine.QueueOf(t, engine.PhaseProduce), 5)[0]
		want := []engine.ClaimedJob{{JobRef: engine.JobRef{ID: id}, Claim: c.ID, Type: t, Phase: engine.PhaseProduce, Priority: 3, Instance: "i", Key: "k", Payload: raw("p"), ScheduledFor: at}}
		w.same("jobs", want, c.Jobs)
		w.stands("produce/running", id)
		held, err := w.store.OwnClaims(w.ctx, w.srv)
		w.must(err)
		w.same("own claims", map[engine.ClaimID][]engine.JobRef{c.ID: {{ID: id}}}, held)
	}},
	{"a claim that was not heard of to the end gives no jobs", func(w *world) {
		id := w.enqueue(job(w.typ("t")))[0]
		f := &Faults{}
		bad := w.open(Options{Wrap: f.Wrap})
		f.ArmCommit(w.faults[slices.IndexFunc(w.faults, func(f Fault) bool { return f.Mode == DieAfter })])
		ctx, stop := context.WithCancel(w.ctx)
		defer stop()
		f.Ended = stop // nobody tells any more whether it was carried out
		claims, err := bad.Claim(ctx, request(w.srv, queue(w.typ("t")), 5))
		if err == nil {
			w.Fatal("it says that it is well")
		}
		w.same("claims, with an error", 0, len(claims))
		held, err := w.store.OwnClaims(w.ctx, w.srv)
		w.must(err)
		w.same("in the database", 1, len(held))
		for claim, refs := range held {
			w.same("jobs", []engine.JobRef{{ID: id}}, refs)
			w.must(w.store.Release(w.ctx, claim, refs))
		}
	}},
	{"a job that another claimed and gave back since it was read is not lost", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		t := w.typ("t")
		made := w.enqueue(jobs(t, 3)...)
		f := &Faults{}
		slow := w.open(Options{Wrap: f.Wrap})
		rivals := 0
		f.Before(func(q string) {
			if rivals > 0 || !strings.Contains(q, "ds_ready") || !strings.HasPrefix(q, "DELETE") {
				return
			}
			rivals++
			claims, err := w.store.Claim(w.ctx, request(w.srv, queue(t), 2))
			w.must(err)
			for _, c := range claims {
				w.must(w.store.Release(w.ctx, c.ID, refsOf(c.Jobs)))
			}
		})
		claims, err := slow.Claim(w.ctx, request(w.srv, queue(t), 5))
		w.must(err)
		w.same("rivals", 1, rivals)
		for i := range claims {
			refs := refsOf(claims[i].Jobs)
			w.must(w.store.Load(w.ctx, queue(t), &claims[i]))
			if len(claims[i].Jobs) < len(refs) {
				w.Fatalf("of %v, which it claimed, only %v are its own", refs, refsOf(claims[i].Jobs))
			}
			w.must(w.store.Release(w.ctx, claims[i].ID, refs))
		}
		left := 0
		w.until("all jobs can be claimed again", func() bool { // some come alone, some below the bound
			left += len(w.claim(queue(t), 5))
			return left >= len(made)
		})
	}},
	{"where jobs must be claimed alone, no more are locked than are taken", func(w *world) {
		if !w.in.Candidates {
			return // nothing is locked
		}
		t := w.typ("t")
		w.enqueue(jobs(t, 12)...)
		w.exec("UPDATE ds_ready SET alone = 1 WHERE id > 0")
		f := &Faults{}
		first := w.open(Options{Wrap: f.Wrap})
		r := request(w.srv, queue(t), 100)
		r.Alone = 2
		claims, err := first.Claim(w.ctx, r)
		w.must(err)
		w.same("claims at first", 2, len(claims))
		beside := -1
		f.Before(func(q string) {
			if beside < 0 && strings.HasPrefix(q, "INSERT INTO ds_claims") {
				beside = 0
				others, err := w.store.Claim(w.ctx, r)
				w.must(err)
				beside = len(others)
			}
		})
		claims, err = first.Claim(w.ctx, r)
		w.must(err)
		w.same("claims", 2, len(claims))
		w.same("claims of another at the same time", 2, beside)
	}},
	{"a queue is a type and a phase", func(w *world) {
		a, b := w.typ("a", engine.PhaseProduce, engine.PhaseConsume), w.typ("b")
		produce := job(a)
		produce.Phase = engine.PhaseProduce
		made := w.enqueue(job(a), produce, job(b))
		w.same("consume of a", made[:1], ids(w.claim(queue(a), 10)))
		w.same("produce of a", made[1:2], ids(w.claim(engine.QueueOf(a, engine.PhaseProduce), 10)))
		w.same("consume of b", made[2:], ids(w.claim(queue(b), 10)))
		w.same("no more", 0, len(w.claim(queue(a), 10)))
	}},
	{"no more is claimed than was asked for", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 25)...)
		for _, n := range []int{1, 10, 14} {
			w.same("claimed", n, len(w.claim(queue(t), n)))
		}
		w.same("nothing is left", 0, len(w.claim(queue(t), 10)))
	}},
	{"ready says which queues have something", func(w *world) {
		a, b, c := w.typ("a"), w.typ("b"), w.typ("c")
		qs := []engine.Queue{queue(a), queue(b), queue(c)}
		ask := func() []engine.Queue {
			ready, err := w.store.Ready(w.ctx, qs)
			w.must(err)
			slices.Sort(ready)
			return slices.Compact(ready)
		}
		w.same("at first", 0, len(ask()))
		later := job(b)
		later.Delay = time.Hour
		w.enqueue(job(a), later, job(c), job(c))
		w.same("after", []engine.Queue{queue(a), queue(c)}, ask())
		w.claim(queue(a), 5)
		w.claim(queue(c), 1)
		w.same("after claims", []engine.Queue{queue(c)}, ask())
		w.claim(queue(c), 1)
		w.same("at last", 0, len(ask()))
		ready, err := w.store.Ready(w.ctx, nil)
		w.must(err)
		w.same("of no queues", 0, len(ready))
	}},
	{"ready knows hundreds of queues", func(w *world) {
		t := w.typ("t")
		w.enqueue(job(t))
		var qs []engine.Queue
		for n := range 900 {
			qs = append(qs, engine.QueueOf(t+engine.TypeID(n), engine.PhaseConsume))
		}
		ready, err := w.store.Ready(w.ctx, qs)
		w.must(err)
		w.same("ready", []engine.Queue{queue(t)}, ready)
	}},
	{"claims of many processes never overlap, and leave nothing", func(w *world) {
		t := w.typ("t")
		const n, processes = 2000, 4
		list := jobs(t, n)
		for i := range list {
			list[i].Priority = i % 3
		}
		w.enqueue(list...)
		var mu sync.Mutex
		times := map[engine.JobID]int{}
		var wg sync.WaitGroup
		for range processes {
			s := w.open(Options{})
			srv := w.server(s)
			wg.Go(func() {
				for empty := 0; empty < 3; {
					claims, err := claimed(w.ctx, s, request(srv, queue(t), 37))
					if err != nil {
						w.Error(err)
						return
					}
					if len(claims) == 0 {
						empty++
						continue
					}
					mu.Lock()
					for _, c := range claims {
						for _, j := range c.Jobs {
							times[j.ID]++
						}
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		w.until("what others left locked is claimed too", func() bool {
			for _, j := range w.claim(queue(t), 37) {
				times[j.ID]++
			}
			return w.count("SELECT COUNT(*) FROM ds_ready WHERE id > 0") == 0
		})
		w.same("jobs", n, len(times))
		for id, k := range times {
			if k != 1 {
				w.Errorf("job %d was claimed %d times", id, k)
			}
		}
	}},
	{"rows that another has locked are passed over", func(w *world) {
		if !w.in.Rows || !w.in.Candidates {
			return
		}
		t := w.typ("t")
		made := w.enqueue(jobs(t, 4)...)
		tx := w.begin(sql.LevelDefault)
		var id engine.JobID
		w.must(tx.QueryRow("SELECT id FROM ds_ready WHERE queue = ? AND priority = 0 AND id = ? FOR UPDATE", queue(t), made[1]).Scan(&id))
		w.same("claimed", []engine.JobID{made[0], made[2], made[3]}, ids(w.claim(queue(t), 10)))
		w.must(tx.Rollback())
		w.until("it is claimed when it is free", func() bool {
			got := ids(w.claim(queue(t), 10))
			return len(got) == 1 && got[0] == made[1]
		})
	}},
	{"a job that was lost must be claimed alone", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 6)...)
		other := w.open(Options{})
		srv := w.server(other)
		w.claimOn(other, srv, queue(t), 3) // 0 1 2
		w.die(other, srv)
		w.bury(srv)
		w.rescue()
		claims := w.claimOn(w.store, w.srv, queue(t), 10)
		w.same("each of those that were lost", [][]engine.JobID{{made[0]}, {made[1]}, {made[2]}}, claimIDs(claims))
		claims = w.claimOn(w.store, w.srv, queue(t), 10)
		w.same("the others", [][]engine.JobID{{made[3], made[4], made[5]}}, claimIDs(claims))
	}},
	{"of jobs that must be alone as many are claimed as there are slots for", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 5)...)
		w.exec("UPDATE ds_ready SET alone = 1 WHERE id <= ?", made[2])
		r := request(w.srv, queue(t), 10)
		r.Alone = 2
		claims, err := claimed(w.ctx, w.store, r)
		w.must(err)
		w.same("claims", [][]engine.JobID{{made[0]}, {made[1]}}, claimIDs(claims))
		r.Alone = 0
		claims, err = claimed(w.ctx, w.store, r)
		w.must(err)
		w.same("no slot is free", 0, len(claims))
		r.Alone = 9
		claims, err = claimed(w.ctx, w.store, r)
		w.must(err)
		w.same("the last one", [][]engine.JobID{{made[2]}}, claimIDs(claims))
		claims, err = claimed(w.ctx, w.store, r)
		w.must(err)
		w.same("the others together", [][]engine.JobID{{made[3], made[4]}}, claimIDs(claims))
	}},
	{"a claim ends before a job that must be alone", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 5)...)
		w.exec("UPDATE ds_ready SET alone = 1 WHERE id = ?", made[2])
		claims := w.claimOn(w.store, w.srv, queue(t), 10)
		w.same("first", [][]engine.JobID{{made[0], made[1]}}, claimIDs(claims))
		claims = w.claimOn(w.store, w.srv, queue(t), 10)
		w.same("alone", [][]engine.JobID{{made[2]}}, claimIDs(claims))
		claims = w.claimOn(w.store, w.srv, queue(t), 10)
		w.same("the rest", [][]engine.JobID{{made[3], made[4]}}, claimIDs(claims))
	}},
	{"refresh reads a job again, and tells when it is lost", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		o := checkpoint(j, "here")
		w.commit(o)
		stale := *j
		ours, err := w.store.Refresh(w.ctx, &stale)
		w.must(err)
		w.same("ours", true, ours)
		w.same("checkpoints", 1, stale.Checkpoints)
		w.same("position", string(o.Position), string(stale.Position))
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		ours, err = w.store.Refresh(w.ctx, &stale)
		w.must(err)
		w.same("ours after it was given back", false, ours)
	}},
	{"a context that has ended claims nothing", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		ctx, stop := contextEnded(w.ctx)
		defer stop()
		if claims, err := w.store.Claim(ctx, request(w.srv, queue(t), 3)); err == nil || !errors.Is(err, ctx.Err()) {
			w.Errorf("got %d claims and %v", len(claims), err)
		}
		w.same("left", 3, len(w.claim(queue(t), 5)))
	}},
}

func claimIDs(claims []engine.Claim) (list [][]engine.JobID) {
	for i := range claims {
		var one []engine.JobID
		for k := range claims[i].Jobs {
			one = append(one, claims[i].Jobs[k].ID)
		}
		list = append(list, one)
	}
	return list
}
