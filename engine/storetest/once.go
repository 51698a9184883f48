package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/dsengine/dsengine/engine"
)

var onceCases = []testCase{
	{"each job's row is there once, however workers and rescuers race", func(w *world) {
		w.exec("CREATE TABLE done (job BIGINT NOT NULL, part INTEGER NOT NULL, PRIMARY KEY (job, part))")
		w.exec("CREATE TABLE tally (n INTEGER)")
		t := w.typ("t")
		const n, workers = 60, 3
		w.enqueue(jobs(t, n)...)
		stop := make(chan struct{})
		var working, burying sync.WaitGroup
		for k := range workers {
			s := w.open(Options{})
			random := rand.New(rand.NewPCG(uint64(k), 1))
			working.Go(func() { w.work(s, t, random, stop) })
		}
		burier := w.open(Options{})
		burying.Go(func() {
			random := rand.New(rand.NewPCG(99, 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				// Whoever has a claim may be declared dead while it works.
				if random.IntN(3) == 0 {
					if _, err := w.db.ExecContext(w.ctx, "UPDATE ds_servers SET dead = 1 WHERE id <> ?", w.srv); err != nil {
						continue // others write
					}
				}
				if _, err := burier.Rescue(w.ctx, func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome { return nil }); err != nil && engine.CodeOf(err) != engine.CodeRetry {
					w.Error(err)
					return
				}
			}
		})
		w.until("all are completed", func() bool {
			return w.Failed() || w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == n
		})
		close(stop)
		working.Wait()
		burying.Wait()
		w.same("rows", int64(2*n), w.count("SELECT COUNT(*) FROM done"))
		w.same("rows, each counted", int64(2*n), w.count("SELECT COUNT(*) FROM tally"))
	}},
}

// work claims jobs and inserts two rows for each, with a checkpoint in between.
// Lost jobs, dead-locks and a busy file are others' to try again.
func (w *world) work(s engine.Store, t engine.TypeID, random *rand.Rand, stop <-chan struct{}) {
	srv, err := s.StartServer(w.ctx, engine.ServerInfo{Name: "w", Types: map[string]engine.Works{}}, 0)
	for err == nil {
		select {
		case <-stop:
			return
		default:
		}
		var alive bool
		if alive, _, err = s.Beat(w.ctx, srv, 0); err == nil && !alive {
			srv, err = s.StartServer(w.ctx, engine.ServerInfo{Name: "w", Types: map[string]engine.Works{}}, 0)
		}
		if err != nil {
			break
		}
		var claims []engine.Claim
		if claims, err = claimed(w.ctx, s, request(srv, queue(t), 1+random.IntN(3))); err != nil {
			break
		}
		for i := range claims {
			for k := range claims[i].Jobs {
				if err := w.parts(s, &claims[i].Jobs[k]); err != nil {
					w.Error(err)
					return
				}
			}
			if _, err = s.Settle(w.ctx, nil, []engine.ClaimID{claims[i].ID}); err != nil {
				break
			}
		}
	}
	if err != nil {
		w.Error(err)
	}
}

// parts inserts the rows of a job that are not there yet by its position.
func (w *world) parts(s engine.Store, j *engine.ClaimedJob) error {
	h := s.Begin(engine.SessionOptions{Job: j.ID, Type: "t"})
	defer h.Close()
	for {
		err := func() error {
			for part := 1; part <= 2; part++ {
				if part == 1 && string(j.Position) == `{"p":"half"}` {
					continue
				}
				if err := exec(h, w.ctx, "INSERT INTO done VALUES (?, ?)", int64(j.ID), int64(part)); err != nil {
					return err
				}
				if err := exec(h, w.ctx, "INSERT INTO tally VALUES (1)"); err != nil {
					return err
				}
				o := completed(j)
				if part == 1 {
					o = checkpoint(j, "half")
				}
				if err := s.Commit(w.ctx, h, o); err != nil {
					return err
				}
				if part == 1 {
					checkpointed(o)
				}
			}
			return nil
		}()
		switch engine.CodeOf(err) {
		case engine.CodeLost:
			return nil
		case engine.CodeRetry:
			h.Rollback(w.ctx)
			if ours, err := s.Refresh(w.ctx, j); err != nil || !ours {
				return err
			}
			continue
		}
		if err != nil {
			// A late worker may meet the rows of the one that has the job now.
			if f := engine.AsFailure(err); f.Code == "db.duplicate" {
				if ours, err := s.Refresh(w.ctx, j); err != nil || !ours {
					return err
				}
			}
			return fmt.Errorf("job %d: %w", j.ID, err)
		}
		return nil
	}
}
