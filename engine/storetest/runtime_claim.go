package storetest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// steered is a store whose answers a test holds back.
type steered struct {
	engine.Store
	settle    func()                      // before outcomes are settled in a batch
	commit    func(*engine.Outcome) error // before one is committed; an error is the answer
	committed func(*engine.Outcome)       // after it was
	release   func(jobs []engine.JobRef)  // before jobs are given back
	started   func()                      // after a server was registered
}

func (s *steered) StartServer(ctx context.Context, info engine.ServerInfo, lease time.Duration) (engine.ServerID, error) {
	id, err := s.Store.StartServer(ctx, info, lease)
	if err == nil && s.started != nil {
		s.started()
	}
	return id, err
}

func (s *steered) Settle(ctx context.Context, outcomes []engine.Outcome, done []engine.ClaimID) ([]engine.JobID, error) {
	if s.settle != nil {
		s.settle()
	}
	return s.Store.Settle(ctx, outcomes, done)
}

func (s *steered) Commit(ctx context.Context, session engine.Session, o *engine.Outcome) error {
	if s.commit != nil {
		if err := s.commit(o); err != nil {
			return err
		}
	}
	err := s.Store.Commit(ctx, session, o)
	if err == nil && s.committed != nil {
		s.committed(o)
	}
	return err
}

func (s *steered) Release(ctx context.Context, claim engine.ClaimID, jobs []engine.JobRef) error {
	if s.release != nil {
		s.release(jobs)
	}
	return s.Store.Release(ctx, claim, jobs)
}

// quickGrace is the machine's clock on which hooks that were told to stop have less
// time to do so than five seconds after the drain.
type quickGrace struct {
	engine.SystemClock
	drain time.Duration
}

func (c quickGrace) After(d time.Duration, f func()) engine.Timer {
	if d == c.drain+5*time.Second {
		d = c.drain + 20*time.Millisecond
	}
	return c.SystemClock.After(d, f)
}

// broken is what a hook left open and cannot be closed.
type broken struct{}

func (broken) Close() error { panic("it cannot be closed") }

// closes says when it was closed.
type closes struct{ closed *bool }

func (c closes) Close() error { *c.closed = true; return nil }

// claimRunCases are about jobs that share a claim.
var claimRunCases = []testCase{
	{"a job that is settled twice does not count for another one of its claim", func(w *world) {
		// Its hook ends well, and cannot be cleared up: so it fails, and is in a batch of
		// those that completed, which finds that it is not ours any more.
		failed := make(chan struct{})
		var first engine.JobID
		store := &steered{
			Store:  w.open(Options{}),
			settle: func() { receive(w, failed) },
			committed: func(o *engine.Outcome) {
				if o.Job.ID == first {
					close(failed)
				}
			},
		}
		log := &said{}
		eng, err := engine.Open(w.ctx, store, engine.Options{Logger: log.logger()})
		w.must(err)
		r := &runtime{w, eng}
		go2, go3 := make(chan struct{}), make(chan struct{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			switch string(c.Item()) {
			case "1":
				c.Close(broken{})
			case "2":
				receive(w, go2)
			case "3":
				receive(w, go3)
			}
			return nil, nil
		})
		first = r.make(engine.NewJob{Type: "t", Payload: raw(1)}, t)
		second := r.make(engine.NewJob{Type: "t", Payload: raw(2)}, t)
		third := r.make(engine.NewJob{Type: "t", Payload: raw(3)}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Slots: slots("t", 3)})
		w.until("the first one is in the batch", func() bool { return log.with("lost the claim of a job") != "" })
		w.same("claims: all three came with one", int64(1), w.count("SELECT COUNT(*) FROM ds_claims WHERE size = 3"))
		close(go2)
		w.until("the second one is completed", func() bool { return w.state(second) == "completed" })
		w.same("claims while the third one runs", int64(1), w.count("SELECT COUNT(*) FROM ds_claims"))
		close(go3)
		w.until("the third one is completed", func() bool { return w.state(third) == "completed" })
		stop()
		w.stands("failed", first)
		w.same("claims at the end", int64(0), w.count("SELECT COUNT(*) FROM ds_claims"))
	}},
	{"a hook that cannot be cleared up leaves no transaction open", func(w *world) {
		w.table(0)
		r := w.runtime(Options{})
		closed := false
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			_, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (1, 1)", nil)
			if err == nil && string(c.Item()) == "1" {
				c.Close(closes{&closed})
				c.Close(broken{})
				err = errors.New("no")
			}
			return nil, err
		})
		one := r.make(engine.NewJob{Type: "t", Payload: raw(1)}, t)
		r.untilIdle(t)
		w.stands("failed", one)
		if e := r.view(one).Error; e == nil || !strings.Contains(e.Message, "a fault of the engine (please report it): it cannot be closed") {
			w.Errorf("it failed with %+v", e)
		}
		w.same("what else it had open is closed", true, closed)
		two := r.make(engine.NewJob{Type: "t", Payload: raw(2)}, t)
		r.untilIdle(t)
		w.stands("completed", two)
	}},
	{"a job is given back by a drain, whatever has become of others of its claim", func(w *world) {
		const drain = time.Millisecond
		var (
			committing    atomic.Int64
			answers       = map[engine.JobID]chan error{} // to commits; closed: the store answers
			asked, goesOn = make(chan engine.JobID), make(chan struct{})
			over          = make(chan struct{})
		)
		store := &steered{
			Store: w.open(Options{}),
			commit: func(o *engine.Outcome) error {
				committing.Add(1)
				return receive(w, answers[o.Job.ID])
			},
			release: func(jobs []engine.JobRef) {
				select {
				case asked <- jobs[0].ID:
					receive(w, goesOn)
				case <-over:
				}
			},
		}
		eng, err := engine.Open(w.ctx, store, engine.Options{Clock: quickGrace{drain: drain}})
		w.must(err)
		r := &runtime{w, eng}
		fails := consumes("t", func(*engine.Call) (engine.Raw, error) { return nil, errors.New("no") })
		var sum engine.JobID
		for range 3 {
			id := r.make(engine.NewJob{Type: "t"}, fails)
			answers[id] = make(chan error)
			sum += id
		}
		s, err := r.eng.NewServer(w.ctx, engine.ServerOptions{Types: []*engine.Type{fails}, Name: "here", Drain: drain, Slots: slots("t", 3)})
		w.must(err)
		running := func() int64 { return s.Snapshot().Types[0].Running }
		ctx, stop := context.WithCancel(w.ctx)
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		w.until("all have failed, and that is not written yet", func() bool { return committing.Load() == 3 })
		w.same("claims: all three came with one", int64(1), w.count("SELECT COUNT(*) FROM ds_claims WHERE size = 3"))
		stop()

		// The first one is given back, and its own commit finds that.
		first := receive(w, asked)
		goesOn <- struct{}{}
		second := receive(w, asked)
		close(answers[first])
		w.until("the first one has ended", func() bool { return running() == 2 })
		// The third one is written at the second try, before the second one is given back.
		third := sum - first - second
		answers[third] <- engine.Errorf(engine.CodeRetry, "a caller holds its key")
		close(answers[third])
		w.until("the third one has ended", func() bool { return running() == 1 })
		goesOn <- struct{}{}
		w.same("given back at last, for nothing", third, receive(w, asked))
		w.same("where the second one waits", int64(1), w.count("SELECT COUNT(*) FROM ds_ready WHERE id = ?", second))
		close(over)
		goesOn <- struct{}{}
		close(answers[second])
		w.must(receive(w, ended))
		w.until("the second one has ended", func() bool { return running() == 0 })
		w.stands("consume/waiting", first, second)
		w.stands("failed", third)
		w.same("claims at the end", int64(0), w.count("SELECT COUNT(*) FROM ds_claims"))

		again := w.runtime(Options{})
		again.untilIdle(consumes("t", givesNone))
		w.stands("completed", first, second)
	}},
}

// receive waits for a value, or the end of the channel.
func receive[T any](w *world, from <-chan T) (v T) {
	select {
	case v = <-from:
	case <-w.ctx.Done():
	}
	return v
}

// slots has so many consume hooks of a type run at once.
func slots(typ string, n int) map[string]map[engine.Phase]int {
	return map[string]map[engine.Phase]int{typ: {engine.PhaseConsume: n}}
}
