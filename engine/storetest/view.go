package storetest

import (
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
)

func idsOf(list []*engine.Job) []engine.JobID {
	var out []engine.JobID
	for _, j := range list {
		out = append(out, j.ID)
	}
	return out
}

var viewCases = []testCase{
	{"jobs are listed newest first, page by page", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 7)...)
		first := idsOf(w.list(engine.JobFilter{Limit: 3}))
		w.same("first page", []engine.JobID{made[6], made[5], made[4]}, first)
		w.same("next page", []engine.JobID{made[3], made[2], made[1]}, idsOf(w.list(engine.JobFilter{Limit: 3, Before: first[2]})))
		w.enqueue(jobs(t, 60)...)
		w.same("without a limit", 50, len(w.list(engine.JobFilter{})))
	}},
	{"a job is peeked at as a claim would hand it over, and stays", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		in := job(t)
		in.Phase, in.Payload, in.Key, in.Instance, in.Priority = engine.PhaseProduce, engine.Raw(`{"n":1}`), "k", "i", 7
		id := w.enqueue(in)[0]
		peek := func() *engine.ClaimedJob {
			j, err := w.store.Peek(w.ctx, id)
			w.must(err)
			return j
		}
		before := *peek()
		claimed := w.take(engine.QueueOf(t, engine.PhaseProduce))
		like := *claimed
		like.Claim, like.Epoch = before.Claim, before.Epoch
		w.same("as it is claimed", like, before)
		w.same("while it is claimed", like.Payload, peek().Payload)
		_, err := w.store.Peek(w.ctx, id+1000)
		w.same("a job that is not there", engine.CodeNotFound, engine.CodeOf(err))
	}},
	{"a job that failed, and whose fail hook ran, is shown where it failed", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume, engine.PhaseFail)
		made := job(t)
		made.Phase = engine.PhaseProduce
		j := w.start(job(t))
		w.commit(failing(j))
		w.same("until the hook has run, fail is due", []any{engine.PhaseFail, engine.PhaseConsume}, []any{w.view(j.ID).Phase, w.view(j.ID).Error.Phase})
		w.same("and is listed so", []engine.JobID{j.ID}, idsOf(w.list(engine.JobFilter{Phase: engine.PhaseFail})))
		hook := w.take(engine.QueueOf(t, engine.PhaseFail))
		end := failed(hook)
		end.Failure, end.FailedPhase = nil, engine.PhaseConsume
		w.commit(end)
		w.enqueue(made)
		other := w.take(engine.QueueOf(t, engine.PhaseProduce))
		w.commit(failing(other))
		w.same("cancelled while its fail hook was due", engine.CancelDone, w.cancel(other.ID))
		w.enqueue(made)
		third := w.take(engine.QueueOf(t, engine.PhaseProduce))
		w.commit(failing(third))
		w.same("among many", []engine.CancelResult{engine.CancelDone}, w.cancelAll(third.ID))
		for id, want := range map[engine.JobID]engine.Phase{j.ID: engine.PhaseConsume, other.ID: engine.PhaseProduce, third.ID: engine.PhaseProduce} {
			w.same("phase", want, w.view(id).Phase)
		}
		w.same("in consume", []engine.JobID{j.ID}, idsOf(w.list(engine.JobFilter{Phase: engine.PhaseConsume})))
		w.same("in produce", []engine.JobID{third.ID, other.ID}, idsOf(w.list(engine.JobFilter{Phase: engine.PhaseProduce})))
		w.same("in fail", 0, len(w.list(engine.JobFilter{Phase: engine.PhaseFail})))
		for id, want := range map[engine.JobID]string{j.ID: "consume/waiting", other.ID: "produce/waiting", third.ID: "produce/waiting"} {
			w.again(id, engine.RetryOptions{})
			w.stands(want, id)
		}
	}},
	{"jobs that run are counted by type", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		w.enqueue(append(jobs(a, 5), jobs(b, 3)...)...)
		list := w.claim(queue(a), 4)
		w.take(queue(b))
		running := func(limit int) map[engine.TypeID]int {
			n, err := w.store.Running(w.ctx, limit)
			w.must(err)
			return n
		}
		w.same("running", map[engine.TypeID]int{a: 4, b: 1}, running(100))
		w.same("of two", 2, running(2)[a])
		w.commit(among(completed(list[0]))) // the claim holds its id still
		w.same("when one is done", map[engine.TypeID]int{a: 3, b: 1}, running(100))
	}},
	{"each filter leaves out what it should", func(w *world) {
		a, b := w.typ("a", engine.PhaseProduce, engine.PhaseConsume), w.typ("b")
		produce, tenant, other, later := job(a), job(a), job(a), job(b)
		produce.Phase = engine.PhaseProduce
		tenant.Instance, other.Instance = "x", "X"
		later.Delay = time.Hour
		made := w.enqueue(produce, tenant, other, later, job(b), job(b), job(b))
		emitter := w.take(queue(b))
		w.commit(opened(emitter, job(a)))
		item := w.list(engine.JobFilter{Parent: emitter.ID})[0].ID
		bad := w.take(queue(b))
		w.commit(failed(bad))
		gone := w.enqueue(job(b))[0]
		w.cancel(gone)
		w.settle(w.take(queue(b)))
		run := w.take(engine.QueueOf(a, engine.PhaseProduce))
		w.exec("UPDATE ds_jobs SET created_at = "+old+" WHERE id = ?", made[1])
		for name, c := range map[string]struct {
			f    engine.JobFilter
			want []engine.JobID
		}{
			"type":            {engine.JobFilter{Type: a}, []engine.JobID{item, made[2], made[1], made[0]}},
			"phase":           {engine.JobFilter{Phase: engine.PhaseProduce}, []engine.JobID{made[0]}},
			"instance":        {engine.JobFilter{Instance: p("x")}, []engine.JobID{made[1]}},
			"no instance":     {engine.JobFilter{Type: a, Instance: p("")}, []engine.JobID{item, made[0]}},
			"parent":          {engine.JobFilter{Parent: emitter.ID}, []engine.JobID{item}},
			"since":           {engine.JobFilter{Type: a, Since: time.Now().Add(-time.Hour)}, []engine.JobID{item, made[2], made[0]}},
			"waiting":         {engine.JobFilter{Status: engine.StatusWaiting}, []engine.JobID{item, made[3], made[2], made[1]}},
			"running":         {engine.JobFilter{Status: engine.StatusRunning}, []engine.JobID{run.ID}},
			"open":            {engine.JobFilter{Status: engine.StatusOpen}, []engine.JobID{emitter.ID}},
			"completed":       {engine.JobFilter{Status: engine.StatusCompleted}, []engine.JobID{made[6]}},
			"failed":          {engine.JobFilter{Status: engine.StatusFailed}, []engine.JobID{bad.ID}},
			"cancelled":       {engine.JobFilter{Status: engine.StatusCancelled}, []engine.JobID{gone}},
			"two of them":     {engine.JobFilter{Type: b, Status: engine.StatusWaiting}, []engine.JobID{made[3]}},
			"nothing matches": {engine.JobFilter{Type: b, Status: engine.StatusRunning}, nil},
		} {
			w.same(name, c.want, idsOf(w.list(c.f)))
		}
	}},
	{"a claim that is not a job's any more does not make it run", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 2)...)
		list := w.claim(queue(t), 2)
		w.commit(among(retried(list[0], time.Hour)))
		w.stands("consume/waiting", list[0].ID)
		w.same("running", []engine.JobID{list[1].ID}, idsOf(w.list(engine.JobFilter{Status: engine.StatusRunning})))
		w.same("waiting", []engine.JobID{list[0].ID}, idsOf(w.list(engine.JobFilter{Status: engine.StatusWaiting})))
	}},
	{"a job that runs shows where, and which version", func(w *world) {
		t := w.typ("t")
		srv, err := w.store.StartServer(w.ctx, engine.ServerInfo{Name: "big", Types: map[string]engine.Works{"t": {Version: "v7"}}}, time.Minute)
		w.must(err)
		id := w.enqueue(job(t))[0]
		w.claimOn(w.store, srv, queue(t), 1)
		j := w.view(id)
		w.same("running", []any{engine.StatusRunning, "big", "v7", 1, true}, []any{j.Status, *j.Server, *j.Version, j.Attempt, j.StartedAt != nil})
	}},
	{"why a job does not run is said in words", func(w *world) {
		t := w.typ("t")
		later := job(t)
		later.Delay = time.Hour
		made := w.enqueue(later, job(t))
		says := func(when, want string) {
			w.Helper()
			w.same(when, want, *w.view(made[1]).WaitingFor)
		}
		w.same("delayed", "not due: in 1h", *w.view(made[0]).WaitingFor)
		says("nobody has the type", "no server has the type")
		serves := func(name string, works engine.Works) engine.ServerID {
			id, err := w.store.StartServer(w.ctx, engine.ServerInfo{Name: name, Types: map[string]engine.Works{"t": works}}, time.Minute)
			w.must(err)
			return id
		}
		serves("bad", engine.Works{Broken: true})
		says("it does not load there", "no server has the type: its script does not load on bad")
		serves("p", engine.Works{Phases: []engine.Phase{engine.PhaseProduce}})
		says("another phase", "no server runs its phase consume: of this type p runs produce only")
		s := serves("s", engine.Works{Phases: []engine.Phase{engine.PhaseConsume}})
		says("somebody has", "due: a server takes it at its next look")
		first := w.enqueue(job(t))[0]
		w.same("behind another", "slots busy: jobs before it run first", *w.view(first).WaitingFor)
		j := &w.claimOn(w.store, s, queue(t), 1)[0].Jobs[0]
		w.same("beside one that runs", "due: a server takes it as soon as a slot is free", *w.view(first).WaitingFor)
		if s := w.view(j.ID).WaitingFor; s != nil {
			w.Errorf("a job that runs waits for %q", *s)
		}
		w.commit(opened(j, job(t)))
		w.same("open", "waiting for items: 1 of 1 are left", *w.view(j.ID).WaitingFor)
	}},
	{"without a server that lives, it is said to start one", func(w *world) {
		id := w.enqueue(job(w.typ("t")))[0]
		w.must(w.store.StopServer(w.ctx, w.srv))
		w.same("waiting for", "no server runs: start one with dsengine run", *w.view(id).WaitingFor)
	}},
	{"servers that stop, or are not heard of, are told from none", func(w *world) {
		id := w.enqueue(job(w.typ("t")))[0]
		other := w.open(Options{})
		srv := w.server(other)
		w.must(w.store.StopServer(w.ctx, w.srv))
		w.must(other.DrainServer(w.ctx, srv))
		w.until("it stops", func() bool { return w.servers()[0].Stops() })
		w.same("it stops", "no server takes jobs: one is stopping; start one with dsengine run", *w.view(id).WaitingFor)
		w.die(other, srv)
		w.same("it is not heard of", "no server is heard of: the last one, one, was 1h ago, and may come back; else start one with dsengine run", *w.view(id).WaitingFor)
	}},
	{"what a job waits for is counted by queue", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		rest := func(id engine.JobID, want map[engine.Queue]engine.Rest) {
			w.Helper()
			got, err := w.store.Rest(w.ctx, id, nil)
			w.must(err)
			w.same("rest", want, got)
		}
		none := map[engine.Queue]engine.Rest{}
		id := w.enqueue(job(a))[0]
		rest(id, map[engine.Queue]engine.Rest{queue(a): {Waiting: 1}})
		j := w.take(queue(a))
		rest(id, map[engine.Queue]engine.Rest{queue(a): {Running: 1}})
		later := job(b)
		later.Delay = time.Hour
		w.commit(opened(j, job(a), job(b), job(b), later))
		w.enqueue(job(b)) // another's
		item := w.take(queue(a))
		w.commit(opened(item, job(a)))
		w.claim(queue(b), 1)
		rest(id, map[engine.Queue]engine.Rest{queue(a): {Waiting: 1}, queue(b): {Waiting: 2, Running: 1}})
		rest(item.ID, map[engine.Queue]engine.Rest{queue(a): {Waiting: 1}})
		walked := map[engine.JobID]bool{}
		_, err := w.store.Rest(w.ctx, id, walked)
		w.must(err)
		w.same("what was looked into", map[engine.JobID]bool{id: true, item.ID: true}, walked)
		w.settle(w.take(queue(a)))
		rest(item.ID, none)
		w.cancel(id)
		rest(id, none) // an item of it is about to move on, and what comes then is to be waited for
		w.fold()
		rest(id, map[engine.Queue]engine.Rest{queue(b): {Waiting: 2, Running: 1}})
	}},
	{"open jobs of types are listed, page by page", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		var want []engine.JobID
		for _, t := range []engine.TypeID{a, b, a} {
			j := w.start(job(t))
			w.commit(opened(j, job(b)))
			w.settle(w.take(queue(b)))
			want = append(want, j.ID)
		}
		list := func(after engine.JobID, limit int, types ...engine.TypeID) []engine.JobID {
			w.Helper()
			got, err := w.store.Open(w.ctx, types, after, limit)
			w.must(err)
			return got
		}
		w.same("all", want, list(0, 10, a, b))
		w.same("the first", want[:1], list(0, 1, a, b))
		w.same("after it", want[1:], list(want[0], 10, a, b))
		w.same("of one type", []engine.JobID{want[0], want[2]}, list(0, 10, a))
		w.same("of none", 0, len(list(0, 10)))
	}},
	{"pending says whether anything is left to do", func(w *world) {
		a, b := w.typ("a", engine.PhaseConsume, engine.PhaseFinish), w.typ("b")
		qs := []engine.Queue{queue(a), engine.QueueOf(a, engine.PhaseFinish)}
		pending := func(want bool, when string) {
			w.Helper()
			got, err := w.store.Pending(w.ctx, qs)
			w.must(err)
			w.same(when, want, got)
		}
		pending(false, "at first")
		w.enqueue(job(b))
		pending(false, "another type's job")
		later := job(a)
		later.Delay = time.Hour
		id := w.enqueue(later)[0]
		pending(true, "delayed")
		w.due(id)
		w.promote()
		pending(true, "ready")
		j := w.take(queue(a))
		pending(true, "claimed")
		w.commit(opened(j, job(b)))
		pending(false, "open")
		w.settle(w.claim(queue(b), 5)...)
		w.fold()
		pending(true, "finish is due")
		w.settle(w.take(qs[1]))
		pending(false, "at last")
		got, err := w.store.Pending(w.ctx, nil)
		w.must(err)
		w.same("of no queues", false, got)
	}},
	{"a claim of which a job has gone on is not pending", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 2)...)
		for _, j := range w.claim(queue(t), 2) {
			w.commit(completed(j)) // the claim stays
		}
		got, err := w.store.Pending(w.ctx, []engine.Queue{queue(t)})
		w.must(err)
		w.same("pending", false, got)
	}},
	{"the backlog counts what waits by queue, up to a limit", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		later := job(b)
		later.Delay = time.Hour
		w.enqueue(append(jobs(a, 12), later)...)
		both := []engine.Queue{queue(b), queue(a)}
		for _, c := range []struct{ claim, want int }{{2, 7}, {6, 4}, {2, 2}} {
			w.claim(queue(a), c.claim)
			for _, queues := range [][]engine.Queue{nil, both} {
				got, err := w.store.Backlog(w.ctx, queues, 7)
				w.must(err)
				w.same("backlog", map[engine.Queue]int{queue(a): c.want}, got)
			}
			got, err := w.store.Backlog(w.ctx, both[:1], 7)
			w.must(err)
			w.same("backlog of the other", map[engine.Queue]int{}, got)
		}
	}},
	{"the backlog of all queues that are worked is one statement, whatever waits", func(w *world) {
		faults := &Faults{}
		s := w.open(Options{Wrap: faults.Wrap})
		srv := w.server(s)
		var queues []engine.Queue
		want := map[engine.Queue]int{}
		for i := range 12 {
			t := w.typ(fmt.Sprint("t", i))
			queues = append(queues, queue(t), engine.QueueOf(t, engine.PhaseFail), queue(t).Apart())
			if i%3 == 0 {
				continue
			}
			urgent := job(t)
			urgent.Priority = -5
			w.enqueue(append(jobs(t, 12), urgent, urgent, urgent, urgent)...)
			claims := w.claimOn(s, srv, queue(t), 5) // of both priorities: each has a bound
			w.same("claimed", 5, len(claims[0].Jobs))
			w.enqueue(urgent, urgent, urgent)
			want[queue(t)] = 14
		}
		backlog := func(limit int) map[engine.Queue]int {
			w.Helper()
			heard := faults.Listen()
			got, err := s.Backlog(w.ctx, queues, limit)
			w.must(err)
			if list := heard(); len(list) != 1 {
				w.Errorf("%d statements: %.100q", len(list), list)
			}
			return got
		}
		w.same("backlog", want, backlog(100))
		for q := range want {
			want[q] = 13
		}
		w.same("up to a limit", want, backlog(13))
	}},
	{"what is due later is counted by queue, with the first time", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		in := func(t engine.TypeID, d time.Duration) engine.JobInsert {
			j := job(t)
			j.Delay = d
			return j
		}
		made := w.enqueue(job(a), in(a, 2*time.Hour), in(b, 3*time.Hour), in(a, time.Hour))
		first := *w.view(made[3]).RunAt
		got, err := w.store.Delayed(w.ctx, 10)
		w.must(err)
		w.same("delayed", map[engine.Queue]engine.Delayed{queue(a): {Jobs: 2, Next: first, First: made[3]}, queue(b): {Jobs: 1, Next: *w.view(made[2]).RunAt, First: made[2]}}, got)
		got, err = w.store.Delayed(w.ctx, 1)
		w.must(err)
		w.same("the first", map[engine.Queue]engine.Delayed{queue(a): {Jobs: 1, Next: first, First: made[3]}}, got)
	}},
	{"totals show what is not added up yet", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		w.settle(w.take(queue(t)))
		want := engine.TypeCounts{Created: 3, Completed: 1}
		for _, when := range []string{"before it is added up", "after"} {
			got := w.counts("t")
			got.Stats = nil
			w.same(when, want, got)
			w.fold()
		}
	}},
	{"a job that does not exist is not found", func(w *world) {
		_, err := w.store.Job(w.ctx, 4711)
		w.code("Job", engine.CodeNotFound, err)
	}},
	{"an emitter's items are counted as they are", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		later := job(t)
		later.Delay = time.Hour
		w.commit(opened(j, append(jobs(t, 5), later)...))
		list := w.claim(queue(t), 4)
		w.commit(completed(list[0]))
		w.commit(among(failed(list[1])))
		w.commit(among(withdrawn(list[2])))
		want := &engine.Children{Waiting: 2, Running: 1, Completed: 1, Failed: 1, Cancelled: 1}
		w.same("before they are added up", want, w.view(j.ID).Children)
		w.fold()
		w.same("after", want, w.view(j.ID).Children)
	}},
}
