package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var (
	active  = engine.Unique{}
	waits   = engine.Unique{Mode: engine.UniqueWaiting}
	forever = engine.Unique{Mode: engine.UniqueForever}
	monthly = engine.Unique{Mode: engine.UniqueFor, For: 30 * 24 * time.Hour}
)

// add enqueues a job and says what became of it.
func (w *world) add(j engine.JobInsert) engine.Enqueued {
	w.Helper()
	made, err := w.store.Enqueue(w.ctx, []engine.JobInsert{j})
	w.must(err)
	holders, err := w.store.KeyHolders(w.ctx, []engine.JobInsert{j})
	w.must(err)
	if made[0].Created && holders[0].Job == 0 && !w.view(made[0].ID).Status.Final() {
		w.Errorf("KeyHolders says that key %q is free, and job %d has just taken it", j.Key, made[0].ID)
	}
	if !made[0].Created && holders[0].Job != made[0].ID {
		w.Errorf("KeyHolders says that job %d holds key %q, and Enqueue says job %d", holders[0].Job, j.Key, made[0].ID)
	}
	if h := holders[0]; h.Job != 0 {
		want := w.view(h.Job).Status
		if want == engine.StatusRunning {
			want = engine.StatusWaiting
		}
		w.same("status of the holder", want, h.Status)
	}
	return made[0]
}

// The stages of a holder's life, for the table of modes.
var stages = []struct {
	name  string
	reach func(w *world, t engine.TypeID, id engine.JobID)
	// created says for each mode of the holder (active, waiting, 30d, forever) and
	// of the newcomer (the same) whether the newcomer is made.
	created [4][4]bool
}{
	{"waits", func(*world, engine.TypeID, engine.JobID) {}, [4][4]bool{}},
	{"is delayed again", func(w *world, t engine.TypeID, _ engine.JobID) {
		w.commit(retried(w.take(queue(t)), time.Hour))
	}, each(false, true, false, false)},
	{"runs", func(w *world, t engine.TypeID, _ engine.JobID) { w.take(queue(t)) }, each(false, true, false, false)},
	{"completed", func(w *world, t engine.TypeID, _ engine.JobID) { w.settle(w.take(queue(t))) }, [4][4]bool{
		{true, true, true, true}, {true, true, true, true}, {true, true, false, false}, {true, true, false, false}}},
	{"completed long ago", func(w *world, t engine.TypeID, _ engine.JobID) {
		w.settle(w.take(queue(t)))
		w.exec("UPDATE ds_keys SET done_at = " + w.now(-31*24*time.Hour) + " WHERE done_at > '1970-01-02'")
	}, [4][4]bool{{true, true, true, true}, {true, true, true, true}, {true, true, true, false}, {true, true, true, false}}},
	{"failed", func(w *world, t engine.TypeID, _ engine.JobID) { w.commit(failed(w.take(queue(t)))) }, [4][4]bool{
		{true, true, true, true}, {true, true, true, true}, {true, true, true, false}, {true, true, true, false}}},
	{"was cancelled", func(w *world, t engine.TypeID, id engine.JobID) {
		_, err := w.store.Cancel(w.ctx, id, "")
		w.must(err)
	}, [4][4]bool{{true, true, true, true}, {true, true, true, true}, {true, true, true, false}, {true, true, true, false}}},
}

func each(row ...bool) (m [4][4]bool) {
	for i := range m {
		copy(m[i][:], row)
	}
	return m
}

var keyCases = append(modeCases(), []testCase{
	{"keys of two types and of two instances never meet", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		other := keyed(a, "k", active)
		other.Instance = "tenant"
		w.enqueue(keyed(a, "k", active), keyed(b, "k", active), other)
	}},
	{"keys differ by case, by trailing space and by accent", func(w *world) {
		t := w.typ("t")
		w.enqueue(keyed(t, "a", active), keyed(t, "A", active), keyed(t, "a ", active), keyed(t, "á", active), keyed(t, "a\x00", active))
		long := make([]byte, engine.MaxKeyLen)
		for i := range long {
			long[i] = 'x'
		}
		id := w.enqueue(keyed(t, string(long), active))[0]
		w.same("a long key", string(long), *w.view(id).Key)
	}},
	{"of jobs with the same key in one call the first is made", func(w *world) {
		t := w.typ("t")
		list := []engine.JobInsert{keyed(t, "k", active), keyed(t, "other", active), keyed(t, "k", active), keyed(t, "k", active)}
		made, err := w.store.Enqueue(w.ctx, list)
		w.must(err)
		want := []engine.Enqueued{{ID: made[0].ID, Created: true}, {ID: made[1].ID, Created: true}, {ID: made[0].ID}, {ID: made[0].ID}}
		w.same("made", want, made)
		w.same("jobs", 2, len(w.list(engine.JobFilter{})))
	}},
	{"of jobs with the same key in one call the first is made, also when it takes the key over", func(w *world) {
		t := w.typ("t")
		w.start(keyed(t, "k", waits))
		made, err := w.store.Enqueue(w.ctx, []engine.JobInsert{keyed(t, "k", waits), keyed(t, "k", waits)})
		w.must(err)
		w.same("made", []engine.Enqueued{{ID: made[0].ID, Created: true}, {ID: made[0].ID}}, made)
		w.same("jobs", 2, len(w.list(engine.JobFilter{})))
	}},
	{"the same holds for a thousand keys, each four times", func(w *world) {
		t := w.typ("t")
		var list []engine.JobInsert
		for i := range 2400 {
			list = append(list, keyed(t, fmt.Sprint("k", i%600), active))
		}
		made, err := w.store.Enqueue(w.ctx, list)
		w.must(err)
		for i, m := range made {
			if m.Created != (i < 600) || m.ID != made[i%600].ID {
				w.Fatalf("job %d: got %+v, first %+v", i, m, made[i%600])
			}
		}
		w.same("jobs", int64(600), w.count("SELECT COUNT(*) FROM ds_jobs"))
	}},
	{"replace gives the waiting job the new payload", func(w *world) {
		t := w.typ("t")
		old := keyed(t, "k", active)
		old.Payload = raw("old")
		id := w.enqueue(old)[0]
		fresh := old
		fresh.Payload, fresh.Replace = raw("new"), true
		w.same("made", engine.Enqueued{ID: id, Replaced: true}, w.add(fresh))
		w.same("payload", `"new"`, string(w.view(id).Payload))
		fresh.Payload = nil
		w.same("made", engine.Enqueued{ID: id, Replaced: true}, w.add(fresh))
		w.same("payload", engine.Raw(nil), w.view(id).Payload)
		j := w.take(queue(t))
		fresh.Payload = raw("late")
		w.same("while it runs", engine.Enqueued{ID: id}, w.add(fresh))
		w.same("payload", engine.Raw(nil), w.view(id).Payload)
		w.settle(j)
	}},
	{"replace does not change a job that is part-way", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		for n, part := range []func(*engine.ClaimedJob){
			func(j *engine.ClaimedJob) { w.commit(checkpoint(j, "row 500")); w.commit(retried(j, 0)) },
			func(j *engine.ClaimedJob) { w.commit(checkpoint(j, "a", job(t))); w.commit(retried(j, 0)) },
		} {
			k := keyed(t, fmt.Sprint("k", n), active)
			k.Payload = raw("old")
			j := w.start(k)
			part(j)
			k.Payload, k.Replace = raw("new"), true
			made, err := w.store.Enqueue(w.ctx, []engine.JobInsert{k})
			w.must(err)
			w.same("enqueued", []engine.Enqueued{{ID: j.ID}}, made)
			w.same("payload", "\"old\"", string(w.view(j.ID).Payload))
			for _, x := range w.claim(queue(t), 10) {
				w.settle(x)
			}
		}
	}},
	{"replace reaches a delayed job, and one without a payload", func(w *world) {
		t := w.typ("t")
		old := keyed(t, "k", active)
		old.Delay = time.Hour
		id := w.enqueue(old)[0]
		fresh := keyed(t, "k", active)
		fresh.Payload, fresh.Replace = raw(1), true
		w.same("made", engine.Enqueued{ID: id, Replaced: true}, w.add(fresh))
		w.same("payload", "1", string(w.view(id).Payload))
	}},
	{"replace in one call changes the job that the call makes", func(w *world) {
		t := w.typ("t")
		a, b, c := keyed(t, "k", active), keyed(t, "k", active), keyed(t, "k", active)
		a.Payload, b.Payload, c.Payload = raw("a"), raw("b"), raw("c")
		b.Replace = true
		made, err := w.store.Enqueue(w.ctx, []engine.JobInsert{a, b, c})
		w.must(err)
		w.same("made", []engine.Enqueued{{ID: made[0].ID, Created: true}, {ID: made[0].ID, Replaced: true}, {ID: made[0].ID}}, made)
		w.same("payload", `"b"`, string(w.view(made[0].ID).Payload))
	}},
	{"what was foretold and is not so is a conflict, and nothing is made", func(w *world) {
		t := w.typ("t")
		plain := job(t)
		free := keyed(t, "k", active)
		free.Foretold = -1
		_, err := w.store.Enqueue(w.ctx, []engine.JobInsert{plain, free})
		w.code("a key that is free", engine.CodeConflict, err)
		w.enqueue(keyed(t, "k", active))
		taken := keyed(t, "k", active)
		taken.Foretold = 1
		_, err = w.store.Enqueue(w.ctx, []engine.JobInsert{plain, taken})
		w.code("a key that is taken", engine.CodeConflict, err)
		w.same("jobs", 1, len(w.list(engine.JobFilter{})))
	}},
	{"many processes want the same keys, and each is made once", func(w *world) {
		t := w.typ("t")
		const processes, keys = 4, 40
		var mu sync.Mutex
		created, named := map[string]int{}, map[string]map[engine.JobID]bool{}
		var wg sync.WaitGroup
		for n := range processes {
			s := w.open(Options{})
			wg.Go(func() {
				for round := range 4 {
					var list []engine.JobInsert
					for i := range keys {
						if n%2 == 1 { // from the other end
							i = keys - 1 - i
						}
						if i%4 <= round {
							list = append(list, keyed(t, fmt.Sprint("k", i), active))
						}
					}
					made, err := s.Enqueue(w.ctx, list)
					if err != nil {
						w.Error(err)
						return
					}
					mu.Lock()
					for i, m := range made {
						k := list[i].Key
						if m.Created {
							created[k]++
						}
						if named[k] == nil {
							named[k] = map[engine.JobID]bool{}
						}
						named[k][m.ID] = true
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for k, n := range created {
			if n != 1 || len(named[k]) != 1 {
				w.Errorf("key %s was made %d times and belongs to %d jobs", k, n, len(named[k]))
			}
		}
		w.same("keys", keys, len(created))
	}},
	{"a key is free when its job ends while others want it", func(w *world) {
		t := w.typ("t")
		const rounds = 25
		other := w.open(Options{})
		w.enqueue(keyed(t, "k", active))
		for range rounds {
			j := w.take(queue(t))
			var wg sync.WaitGroup
			var again []engine.Enqueued
			wg.Go(func() {
				var err error
				if again, err = other.Enqueue(w.ctx, []engine.JobInsert{keyed(t, "k", active)}); err != nil {
					w.Error(err)
				}
			})
			w.settle(j)
			wg.Wait()
			if w.Failed() {
				return
			}
			if !again[0].Created {
				w.same("holder", j.ID, again[0].ID)
				w.enqueue(keyed(t, "k", active))
			}
		}
	}},
	{"a job that was retried keeps its key as long as at first", func(w *world) {
		t := w.typ("t")
		j := w.start(keyed(t, "k", monthly))
		w.commit(failed(j))
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		w.settle(w.take(queue(t)))
		w.same("within the month", engine.Enqueued{ID: j.ID}, w.add(keyed(t, "k", monthly)))
	}},
}...)

// modeCases try each mode of a holder, at each stage of its life, against each
// mode of a newcomer.
func modeCases() (cases []testCase) {
	modes := []engine.Unique{active, waits, monthly, forever}
	for _, s := range stages {
		cases = append(cases, testCase{"while the holder " + s.name + " a key counts as its mode says", func(w *world) {
			for h, holder := range modes {
				for n, newcomer := range modes {
					t := w.typ(fmt.Sprintf("t%d%d", h, n))
					id := w.enqueue(keyed(t, "k", holder))[0]
					s.reach(w, t, id)
					got := w.add(keyed(t, "k", newcomer))
					if want := s.created[h][n]; got.Created != want || !want && got.ID != id {
						w.Errorf("a holder (%s) that %s, a newcomer (%s): want created %v, got %+v", holder, s.name, newcomer, want, got)
					}
				}
			}
		}})
	}
	return cases
}
