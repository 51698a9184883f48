package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dsengine/dsengine/engine"
)

var enqueueCases = []testCase{
	{"a job shows what it was made of", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		at := time.Date(2031, 5, 6, 7, 8, 9, 123456000, time.UTC)
		id := w.enqueue(engine.JobInsert{Type: t, Phase: engine.PhaseProduce, Priority: -7, Instance: "tenant ä", Key: "k'\"\\ 😀",
			Payload: engine.Raw(`{"a":[1,2.5,"x\u0000y","é😀"]}`), At: at, ScheduledFor: at.Add(-time.Hour)})[0]
		j := w.view(id)
		want := &engine.Job{ID: id, Type: "t", TypeID: t, Instance: p("tenant ä"), Phase: engine.PhaseProduce, Status: engine.StatusWaiting, MaxAttempts: 3, Priority: -7,
			Key: p("k'\"\\ 😀"), Payload: engine.Raw(`{"a":[1,2.5,"x\u0000y","é😀"]}`), RunAt: p(at), ScheduledFor: p(at.Add(-time.Hour)), Stats: map[string]int64{}}
		w.same("job", want, j, cmpopts.IgnoreFields(engine.Job{}, "CreatedAt", "WaitingFor"), cmpopts.EquateEmpty())
	}},
	{"a bulk of jobs keeps its order, and ids grow", func(w *world) {
		t := w.typ("t")
		list := jobs(t, 1203)
		for i := range list {
			list[i].Payload = raw(i)
		}
		made := w.enqueue(list...)
		if !slices.IsSorted(made) {
			w.Error("ids do not grow")
		}
		w.same("ids, each once", 1203, len(slices.Compact(slices.Clone(made))))
		claimed := w.claim(queue(t), 2000)
		w.same("claimed in order", made, ids(claimed))
		for i, j := range claimed {
			if string(j.Payload) != fmt.Sprint(i) {
				w.Fatalf("job %d has payload %s", i, j.Payload)
			}
		}
	}},
	{"no jobs are no work", func(w *world) {
		made, err := w.store.Enqueue(w.ctx, nil)
		w.must(err)
		w.same("made", 0, len(made))
	}},
	{"payloads of megabytes arrive", func(w *world) {
		t := w.typ("t")
		big := raw(strings.Repeat("ab\x01é😀", 350_000))
		list := jobs(t, 6)
		for i := range list {
			list[i].Payload = big
		}
		list[3].Payload = nil
		made := w.enqueue(list...)
		claimed := w.claim(queue(t), 10)
		w.same("ids", made, ids(claimed))
		for i, j := range claimed {
			if i == 3 && j.Payload != nil || i != 3 && string(j.Payload) != string(big) {
				w.Errorf("payload %d is another one (%d bytes)", i, len(j.Payload))
			}
		}
	}},
	{"a null payload is one, and no payload is none", func(w *world) {
		t := w.typ("t")
		with := job(t)
		with.Payload = engine.Raw("null")
		w.enqueue(with, job(t))
		claimed := w.claim(queue(t), 10)
		w.same("null", "null", string(claimed[0].Payload))
		if claimed[1].Payload != nil {
			w.Errorf("want no payload, got %q", claimed[1].Payload)
		}
	}},
	{"a delayed job waits until it is due", func(w *world) {
		t := w.typ("t")
		after, past := job(t), job(t)
		after.Delay = time.Hour
		past.At = time.Now().Add(-time.Hour)
		made := w.enqueue(after, past, job(t))
		w.same("ready", made[1:], ids(w.claim(queue(t), 10)))
		w.same("due in an hour", w.view(made[0]).CreatedAt.Add(time.Hour), *w.view(made[0]).RunAt, cmpopts.EquateApproxTime(time.Second))
		if w.view(made[1]).RunAt != nil {
			w.Error("a job that is due at once has a time at which it runs")
		}
	}},
	{"ids are never used again", func(w *world) {
		t := w.typ("t")
		w.loose = true
		first := w.start(job(t))
		w.settle(first)
		w.exec("UPDATE ds_jobs SET finished_at = '2001-01-01 00:00:00.000000'")
		n, _, err := w.store.Prune(w.ctx, t, map[engine.Status]time.Duration{engine.StatusCompleted: time.Hour}, 10)
		w.must(err)
		w.same("pruned", 1, n)
		if id := w.enqueue(job(t))[0]; id <= first.ID {
			w.Errorf("job %d came after job %d", id, first.ID)
		}
	}},
	{"many processes enqueue at once and lose nothing", func(w *world) {
		t := w.typ("t")
		const processes, rounds, each = 4, 5, 60
		var mu sync.Mutex
		seen := map[engine.JobID]string{}
		var wg sync.WaitGroup
		for n := range processes {
			s := w.open(Options{})
			wg.Go(func() {
				for r := range rounds {
					list := jobs(t, each)
					for i := range list {
						list[i].Payload = raw(fmt.Sprintf("%d/%d/%d", n, r, i))
					}
					made, err := s.Enqueue(w.ctx, list)
					if err != nil {
						w.Error(err)
						return
					}
					mu.Lock()
					for i, m := range made {
						seen[m.ID] = string(list[i].Payload)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		w.same("ids", processes*rounds*each, len(seen))
		for _, j := range w.claim(queue(t), 2000) {
			if string(j.Payload) != seen[j.ID] {
				w.Fatalf("job %d has payload %s, want %s", j.ID, j.Payload, seen[j.ID])
			}
			delete(seen, j.ID)
		}
		w.same("not claimed", 0, len(seen))
	}},
	{"ids follow the server's increment", func(w *world) {
		if !w.in.Rows {
			return // only one process writes, and tells the id
		}
		c, err := w.db.Conn(w.ctx)
		w.must(err)
		defer c.Close()
		t := w.typ("t")
		_, err = c.ExecContext(w.ctx, "SET SESSION auto_increment_increment = 3, auto_increment_offset = 2")
		w.must(err)
		tx, err := c.BeginTx(w.ctx, nil)
		w.must(err)
		list := jobs(t, 700)
		for i := range list {
			list[i].Payload = raw(i)
		}
		made, err := w.store.EnqueueTx(w.ctx, tx, list)
		w.must(err)
		w.must(tx.Commit())
		w.same("step", engine.JobID(3), made[1].ID-made[0].ID)
		for i, j := range w.claim(queue(t), 1000) {
			if j.ID != made[i].ID || string(j.Payload) != fmt.Sprint(i) {
				w.Fatalf("job %d of the list: want id %d, got %d with payload %s", i, made[i].ID, j.ID, j.Payload)
			}
		}
	}},
}
