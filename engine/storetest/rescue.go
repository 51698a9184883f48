package storetest

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// lose claims n jobs on another process, which dies. It gives their first claim.
func (w *world) lose(q engine.Queue, n int) engine.Claim {
	w.Helper()
	other := w.open(Options{})
	srv := w.server(other)
	c := w.claimOn(other, srv, q, n)[0]
	w.die(other, srv)
	w.bury(srv)
	return c
}

// idLists are the lists of ids in a statement.
var idLists = regexp.MustCompile(`IN \([0-9,]+\)`)

var rescueCases = []testCase{
	{"the jobs of a dead server are due again", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 3)...)
		w.lose(queue(t), 3)
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: 3}, w.rescue())
		w.stands("consume/waiting", made...)
		w.same("once more", engine.Rescue{}, w.rescue())
		list := w.claim(queue(t), 1)
		w.same("a loss in a batch charges nothing", []int{0, 0}, []int{list[0].Losses, list[0].Attempts})
	}},
	{"a rescue says whose jobs they were", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 5)...)
		from := map[engine.ServerID]int{}
		for _, n := range []int{1, 2, 2} {
			other := w.open(Options{})
			srv := w.server(other)
			w.claimOn(other, srv, queue(t), n)
			w.die(other, srv)
			w.bury(srv)
			from[srv] = n
		}
		r, err := w.store.Rescue(w.ctx, func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome { return nil })
		w.must(err)
		w.same("rescue", engine.Rescue{Claims: 3, Jobs: 5, Losses: 1, From: from}, r)
	}},
	{"only the loss of a job that was alone counts", func(w *world) {
		t := w.typ("t")
		id := w.enqueue(job(t))[0]
		for n := 1; n <= 3; n++ {
			w.lose(queue(t), 1)
			w.same("rescue", engine.Rescue{Claims: 1, Jobs: 1, Losses: 1}, w.rescue())
			w.same("losses", n, w.view(id).Losses)
		}
		w.same("attempts", 0, w.take(queue(t)).Attempts)
		w.fold()
		w.same("losses of the type", int64(3), w.counts("t").Losses)
	}},
	{"a lost process leaves a row that names its server, and burns no attempt", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 2)...)
		w.lose(queue(t), 2)
		w.rescue()
		w.lose(queue(t), 1)
		w.rescue()
		w.exec("DELETE FROM ds_servers WHERE dead = 1") // as pruning does one day
		for range made {
			j := w.take(queue(t))
			w.same("attempts", 0, j.Attempts)
			if j.ID == made[0] {
				w.commit(retried(j, 0))
				j = w.take(queue(t))
			}
			w.commit(completed(j))
		}
		list, err := w.store.Attempts(w.ctx, made[0])
		w.must(err)
		w.same("rows", 3, len(list))
		for n, a := range list {
			w.same("attempt", 1, a.Attempt)
			w.same("lost", n < 2, a.Lost())
			if a.Phase != engine.PhaseConsume || a.StartedAt.IsZero() || a.FinishedAt.Before(a.StartedAt) {
				w.Errorf("row %d: %+v", n, a)
			}
		}
		w.same("kind", engine.KindLost, list[0].Failure.Kind)
		for n, want := range []string{
			`^server one \(host host, process 1\) was not heard of any more after .* UTC: its process ended or stood still, or could not reach the database; it may not have begun: 2 jobs were claimed together$`,
			`^server one \(host host, process 1\) was not heard of any more after .* UTC: its process ended or stood still, or could not reach the database$`,
		} {
			if !regexp.MustCompile(want).MatchString(list[n].Failure.Message) {
				w.Errorf("row %d says %q, want %s", n, list[n].Failure.Message, want)
			}
		}
		w.same("attempts in all", 2, w.view(made[0]).Attempt)
		list, err = w.store.Attempts(w.ctx, made[1])
		w.must(err)
		w.same("rows of the other one", 1, len(list))
		w.stands("completed", made...)
	}},
	{"a loss is of the last attempt that can be counted, where so many were made", func(w *world) {
		t := w.typ("t")
		id := w.enqueue(job(t))[0]
		w.exec("UPDATE ds_jobs SET attempts = ?", engine.MaxAttempt)
		w.loose = true // the attempts were not made
		w.lose(queue(t), 1)
		w.rescue()
		list, err := w.store.Attempts(w.ctx, id)
		w.must(err)
		w.same("attempts", []int{engine.MaxAttempt}, []int{list[0].Attempt})
	}},
	{"a server that stopped with jobs in hand is told from one that is lost", func(w *world) {
		t := w.typ("t")
		id := w.enqueue(job(t))[0]
		other := w.open(Options{})
		srv := w.server(other)
		w.claimOn(other, srv, queue(t), 1)
		w.must(other.StopServer(w.ctx, srv))
		w.rescue()
		list, err := w.store.Attempts(w.ctx, id)
		w.must(err)
		if want := `^server one \(host host, process 1\) stopped at 20.* UTC and had not given it back$`; len(list) != 1 || !regexp.MustCompile(want).MatchString(list[0].Failure.Message) {
			w.Errorf("want %s, got %+v", want, list)
		}
	}},
	{"the fail hook is told of the failure, not of a loss before or after it", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFail)
		id := w.enqueue(job(t))[0]
		w.lose(queue(t), 1)
		w.rescue()
		w.commit(failing(w.take(queue(t))))
		w.lose(engine.QueueOf(t, engine.PhaseFail), 1)
		w.rescue()
		f, err := w.store.LastFailure(w.ctx, id)
		w.must(err)
		w.same("kind", engine.KindError, f.Kind)
		list, err := w.store.Attempts(w.ctx, id)
		w.must(err)
		w.same("rows", 3, len(list))
		w.same("the lost fail hook's", []any{engine.PhaseFail, 1, true}, []any{list[2].Phase, list[2].Attempt, list[2].Lost()})
	}},
	{"the jobs of a large claim are taken back in few statements", func(w *world) {
		t := w.typ("t")
		const n = 3000
		w.enqueue(jobs(t, n)...)
		other := w.open(Options{})
		srv := w.server(other)
		w.claimOn(other, srv, queue(t), n)
		w.die(other, srv)
		w.bury(srv)
		faults := &Faults{}
		s := w.open(Options{Wrap: faults.Wrap})
		heard := faults.Listen()
		r, err := s.Rescue(w.ctx, func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome { return nil })
		w.must(err)
		list := heard()
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: n}, w.counted(r))
		if len(list) > 40 {
			w.Errorf("%d statements: %.100q", len(list), list)
		}
		w.same("rows", int64(n), w.count("SELECT COUNT(*) FROM ds_attempts"))
	}},
	{"the jobs of a large claim are locked and written a part at a time, and each stands by itself", func(w *world) {
		t := w.typ("t")
		const n = 1700
		w.enqueue(jobs(t, n)...)
		faults := &Faults{}
		s := w.open(Options{Wrap: faults.Wrap})
		take := func() engine.Claim { // of a server that nobody knows
			w.Helper()
			claims := w.claimOn(s, 4711, queue(t), n)
			if len(claims) != 1 || len(claims[0].Jobs) != n {
				w.Fatalf("got %d claims, want one of %d jobs", len(claims), n)
			}
			return claims[0]
		}
		short := func(list []string) {
			w.Helper()
			for _, q := range list {
				for _, ids := range idLists.FindAllString(q, -1) {
					if got := strings.Count(ids, ",") + 1; got > 500 {
						w.Errorf("a list of %d ids: %.200s", got, q)
					}
				}
			}
		}
		c := take()
		heard := faults.Listen()
		w.must(s.Release(w.ctx, c.ID, refsOf(c.Jobs)))
		short(heard())
		w.same("given back", int64(n), w.count("SELECT COUNT(*) FROM ds_ready WHERE id > 0"))
		c = take()
		w.must(w.store.Commit(w.ctx, nil, completed(&c.Jobs[700])))
		w.must(w.store.Commit(w.ctx, nil, among(retried(&c.Jobs[1200], time.Hour))))
		held, rescued := 0, n-2
		if w.in.Rows {
			tx := w.begin(sql.LevelDefault)
			defer tx.Rollback()
			var id engine.JobID
			w.must(tx.QueryRow("SELECT id FROM ds_jobs WHERE id = ? FOR UPDATE", c.Jobs[1650].ID).Scan(&id))
			held, rescued = 1, n-3
		}
		heard = faults.Listen()
		r, err := s.Rescue(w.ctx, func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome { return nil })
		w.must(err)
		short(heard())
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: rescued, Left: held}, w.counted(r))
		w.same("made due", int64(rescued), w.count("SELECT COUNT(*) FROM ds_ready r JOIN ds_jobs j ON j.id = r.id AND j.epoch = r.epoch WHERE r.alone = 1"))
		w.same("claims", int64(held), w.count("SELECT COUNT(*) FROM ds_claims"))
		w.stands("completed", c.Jobs[700].ID)
	}},
	{"what is left of a batch is charged nothing", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		other := w.open(Options{})
		srv := w.server(other)
		c := w.claimOn(other, srv, queue(t), 3)[0]
		w.must(other.Release(w.ctx, c.ID, []engine.JobRef{c.Jobs[0].JobRef, c.Jobs[1].JobRef}))
		w.die(other, srv)
		w.bury(srv)
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: 1}, w.rescue())
		w.same("losses", 0, w.view(c.Jobs[2].ID).Losses)
	}},
	{"the 20th loss in a row is decided about", func(w *world) {
		t := w.typ("t", engine.PhaseConsume)
		id := w.enqueue(job(t))[0]
		w.exec("UPDATE ds_jobs SET losses = 19")
		w.lose(queue(t), 1)
		var asked []int
		r, err := w.store.Rescue(w.ctx, func(j *engine.ClaimedJob, typ engine.TypeRecord, _ *engine.Failure) *engine.Outcome {
			asked = append(asked, j.Losses)
			w.same("type", "t", typ.Name)
			w.same("its retries", 3, typ.MaxAttempts)
			o := among(failed(j))
			o.Failure = &engine.Failure{Message: "lost", Kind: engine.KindLost, Code: "lost", Phase: j.Phase, Attempt: j.Attempts + 1}
			return o
		})
		w.must(err)
		w.same("asked", []int{20}, asked)
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: 1, Losses: 1}, w.counted(r))
		w.stands("failed", id)
		w.same("kind", engine.KindLost, w.view(id).Error.Kind)
		w.same("claims", int64(0), w.count("SELECT COUNT(*) FROM ds_claims"))
		w.fold()
		w.same("counts", engine.TypeCounts{Created: 1, Failed: 1, Losses: 1, Stats: engine.Stats{}}, w.counts("t"))
	}},
	{"jobs are told as taken back, and run, beside a claim that cannot be read", func(w *world) {
		r := w.runtime(Options{})
		t := consumes("t", givesNone)
		id := r.make(engine.NewJob{Type: "t"}, t)
		w.claimOn(w.store, 4711, queue(w.typ("t")), 1)
		w.exec("INSERT INTO ds_claims (id, server, size, claimed_at, jobs) VALUES ('0123456789abcdef', 4712, 1, " + w.now(0) + ", '[1]')")
		s, err := r.eng.NewServer(w.ctx, engine.ServerOptions{Types: []*engine.Type{t}, Name: "here"})
		w.must(err)
		ctx, stop := context.WithCancel(w.ctx)
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		w.until("it is completed", func() bool { return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == 1 })
		stop()
		w.must(<-ended)
		w.same("taken back", 1, s.Snapshot().Rescued)
		w.exec("DELETE FROM ds_claims WHERE server = 4712")
		w.stands("completed", id)
	}},
	{"a server whose beat moves is not declared dead", func(w *world) {
		other := w.open(Options{})
		srv := w.server(other)
		row := w.servers()[1]
		w.same("id", srv, row.ID)
		dead, err := w.store.MarkDead(w.ctx, srv, row.Beat)
		w.must(err)
		w.same("with its lease", false, dead)
		w.expire(srv)
		alive, _, err := other.Beat(w.ctx, srv, time.Minute)
		w.must(err)
		w.same("alive", true, alive)
		dead, err = w.store.MarkDead(w.ctx, srv, row.Beat)
		w.must(err)
		w.same("with a beat since", false, dead)
	}},
	{"a server that was declared dead learns it, and its claims are taken", func(w *world) {
		t := w.typ("t")
		w.enqueue(job(t))
		c := w.lose(queue(t), 1)
		alive, _, err := w.store.Beat(w.ctx, w.deadServer(), time.Minute)
		w.must(err)
		w.same("alive", false, alive)
		dead, err := w.store.MarkDead(w.ctx, w.deadServer(), 0)
		w.must(err)
		w.same("declared dead twice", false, dead)
		w.rescue()
		w.stands("consume/waiting", c.Jobs[0].ID)
	}},
	{"claims of servers that nobody knows are taken", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 2)...)
		w.claimOn(w.store, 4711, queue(t), 2)
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: 2}, w.rescue())
		w.stands("consume/waiting", made...)
	}},
	{"a server that has stopped leaves nothing behind", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 2)...)
		w.claim(queue(t), 2)
		w.must(w.store.StopServer(w.ctx, w.srv))
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: 2}, w.rescue())
		w.stands("consume/waiting", made...)
		w.same("servers that run", 0, len(w.servers()))
	}},
	{"claims of living servers stay", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 2)...)
		list := w.claim(queue(t), 2)
		w.same("rescue", engine.Rescue{}, w.rescue())
		w.settle(list...)
	}},
	{"what has settled since is not taken back", func(w *world) {
		t := w.typ("t")
		w.enqueue(jobs(t, 4)...)
		other := w.open(Options{})
		srv := w.server(other)
		c := w.claimOn(other, srv, queue(t), 4)[0]
		w.must(other.Commit(w.ctx, nil, completed(&c.Jobs[0])))
		w.must(other.Commit(w.ctx, nil, among(retried(&c.Jobs[1], time.Hour))))
		w.die(other, srv)
		w.bury(srv)
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: 2}, w.rescue())
		w.stands("completed", c.Jobs[0].ID)
		w.same("delayed", int64(1), w.count("SELECT COUNT(*) FROM ds_delayed"))
	}},
	{"jobs that somebody has locked stay for the next pass", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		w.enqueue(jobs(t, 3)...)
		c := w.lose(queue(t), 3)
		tx := w.begin(sql.LevelDefault)
		var id engine.JobID
		w.must(tx.QueryRow("SELECT id FROM ds_jobs WHERE id = ? FOR UPDATE", c.Jobs[1].ID).Scan(&id))
		w.same("rescue", engine.Rescue{Claims: 1, Jobs: 2, Left: 1}, w.rescue())
		w.same("claims", int64(1), w.count("SELECT COUNT(*) FROM ds_claims"))
		w.check()
		w.must(tx.Rollback())
		w.same("next pass", engine.Rescue{Claims: 1, Jobs: 1}, w.rescue())
		w.same("losses", 0, w.view(c.Jobs[1].ID).Losses)
	}},
	{"a claim that another rescues is passed over", func(w *world) {
		if !w.in.Rows {
			return
		}
		t := w.typ("t")
		w.enqueue(jobs(t, 2)...)
		w.lose(queue(t), 2)
		tx := w.begin(sql.LevelDefault)
		var n int
		w.must(tx.QueryRow("SELECT size FROM ds_claims FOR UPDATE").Scan(&n))
		w.same("rescue", engine.Rescue{}, w.rescue())
		w.must(tx.Rollback())
		w.same("later", engine.Rescue{Claims: 1, Jobs: 2}, w.rescue())
	}},
	{"many rescuers take each job once", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 60)...)
		for n := range 12 {
			if n%2 == 0 {
				w.claimOn(w.store, 4711, queue(t), 1)
			} else {
				w.claimOn(w.store, 4711, queue(t), 9)
			}
		}
		var mu sync.Mutex
		var total engine.Rescue
		var wg sync.WaitGroup
		for range 4 {
			s := w.open(Options{})
			wg.Go(func() {
				r, err := s.Rescue(w.ctx, func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome { return nil })
				if err != nil {
					w.Error(err)
				}
				mu.Lock()
				total.Claims += r.Claims
				total.Jobs += r.Jobs
				total.Losses += r.Losses
				mu.Unlock()
			})
		}
		wg.Wait()
		w.same("rescued", engine.Rescue{Claims: 12, Jobs: 60, Losses: 6}, total)
		w.stands("consume/waiting", made...)
	}},
	{"rescue and the late worker never both win", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		for range 20 {
			j := w.start(job(t))
			w.exec("UPDATE ds_servers SET dead = 1 WHERE id = ?", w.srv)
			var wg sync.WaitGroup
			var r engine.Rescue
			var errs [2]error
			wg.Go(func() {
				r, errs[0] = other.Rescue(w.ctx, func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome { return nil })
			})
			wg.Go(func() { errs[1] = w.store.Commit(w.ctx, nil, alone(completed(j))) })
			wg.Wait()
			w.must(errs[0])
			switch {
			case errs[1] == nil:
				w.same("rescued of a completed job", 0, r.Jobs)
				w.stands("completed", j.ID)
			case engine.CodeOf(errs[1]) == engine.CodeLost:
				w.same("rescued", 1, r.Jobs)
				w.stands("consume/waiting", j.ID)
				w.settle(w.take(queue(t)))
			default:
				w.Fatal(errs[1])
			}
			w.check()
		}
	}},
	{"a job that was asked to cancel ends when it is rescued", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(keyed(t, "k", active), job(t))
		other := w.open(Options{})
		srv := w.server(other)
		for range 2 {
			w.claimOn(other, srv, queue(t), 1)
		}
		for _, id := range made {
			_, err := w.store.Cancel(w.ctx, id, "")
			w.must(err)
		}
		w.die(other, srv)
		w.bury(srv)
		w.rescue()
		w.stands("cancelled", made...)
		w.same("its key is free", true, w.add(keyed(t, "k", active)).Created)
	}},
}

// deadServer is the server that was declared dead.
func (w *world) deadServer() engine.ServerID {
	w.Helper()
	return engine.ServerID(w.count("SELECT id FROM ds_servers WHERE dead = 1"))
}
