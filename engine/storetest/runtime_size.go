package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// sizeCases are about hooks that say more than a database takes: their jobs must
// settle all the same, at once.
var sizeCases = []testCase{
	{"whatever a failure says, it is kept", func(w *world) {
		r := w.runtime(Options{})
		huge := strings.Repeat("\u00e9", 10_000_000)
		for i, f := range []func(c *engine.Call) error{
			func(*engine.Call) error {
				return &engine.Failure{Kind: engine.KindError, Message: "x" + huge, Code: huge, Backtrace: huge + "the end"}
			},
			func(*engine.Call) error { return fmt.Errorf("x%s", huge) },
			func(*engine.Call) error { return fmt.Errorf("x\xff\xfe\x00") },
			func(c *engine.Call) error { return c.Fail("x" + huge) },
			func(c *engine.Call) error { return c.Cancel("x" + huge) },
			func(c *engine.Call) error { return c.Retry(0, true, "x"+huge) },
		} {
			runs := 0
			t := consumes(fmt.Sprint("t", i), func(c *engine.Call) (engine.Raw, error) {
				runs++
				return nil, f(c)
			})
			id := r.make(engine.NewJob{Type: t.Name}, t)
			r.untilIdle(t)
			j := r.view(id)
			w.same("runs", 1, runs)
			if want := "failed"; i == 4 {
				want = "cancelled"
				w.same("status", want, j.Status.String())
			} else if w.same("status", want, j.Status.String()); j.Error == nil || j.Error.Message[0] != 'x' || len(j.Error.Message) > 17_000 {
				w.Errorf("failure %d: %.200v", i, j.Error)
			} else if i == 0 && !strings.HasSuffix(j.Error.Backtrace, "the end") {
				w.Errorf("its backtrace ends in %.50q", j.Error.Backtrace[len(j.Error.Backtrace)-50:])
			}
		}
	}},
	{"counts are few, and have short names", func(w *world) {
		r := w.runtime(Options{})
		var errs []string
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				for i := range 3 {
					if _, err := c.Emit(engine.Emission{Payload: raw(i)}); err != nil {
						return nil, err
					}
				}
				return nil, nil
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				note := func(err error) {
					if err != nil && !slices.Contains(errs, err.Error()[:20]) {
						errs = append(errs, err.Error()[:20])
					}
				}
				note(c.Count("", 1))
				note(c.Count(strings.Repeat("x", 20_000_000), 1))
				note(c.Count(strings.Repeat("\x01", 20), 1)) // 120 bytes as JSON
				for i := range 2000 {
					note(c.Count(fmt.Sprintf("%s %6s %6d", strings.Repeat("\u00e9", 43), c.Item(), i), 1<<62))
				}
				note(c.Count("inserted", 1))
				return nil, nil
			},
		})
		t.Settings.Slots = map[engine.Phase]int{engine.PhaseConsume: 1}
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		w.stands("completed", id)
		slices.Sort(errs)
		w.same("errors", []string{"a job has at most 50", "the name of a count "}, errs)
		stats := r.view(id + 1).Stats
		w.same("counts of an item", 501, len(stats))
		w.same("rows inserted", int64(1), stats["inserted"])
	}},
	{"a failure that cannot be settled at once does not run the hook again", func(w *world) {
		store := &stubborn{Store: w.open(Options{}), left: 3}
		eng, err := engine.Open(w.ctx, store, engine.Options{})
		w.must(err)
		r := &runtime{w, eng}
		runs := 0
		t := consumes("t", func(*engine.Call) (engine.Raw, error) {
			runs++
			return nil, fmt.Errorf("always")
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		w.stands("failed", id)
		w.same("runs", 1, runs)
		w.same("settles that failed", 0, store.left)
	}},
	{"a job that the database refuses to complete fails, and is not run for ever", func(w *world) {
		store := &refusing{Store: w.open(Options{}), left: 40}
		eng, err := engine.Open(w.ctx, store, engine.Options{})
		w.must(err)
		r := &runtime{w, eng}
		var runs atomic.Int64
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if string(c.Item()) != "7" {
				return nil, nil
			}
			runs.Add(1)
			return raw("refused"), nil
		})
		t.Settings.Retry = engine.RetryPolicy{Max: 2, First: time.Nanosecond}
		var others []engine.JobID
		for range 5 {
			others = append(others, r.make(engine.NewJob{Type: "t"}, t))
		}
		id := r.make(engine.NewJob{Type: "t", Payload: raw(7)}, t)
		r.untilIdle(t)
		w.stands("completed", others...)
		w.stands("failed", id)
		w.same("runs", int64(2), runs.Load())
		if e := r.view(id).Error; e == nil || e.Message != "it ended well, and the database refuses what is to be written about that: a packet is too large" {
			w.Errorf("its error is %+v", e)
		}
	}},
}

// refusing does not take a batch with a result, a number of times.
type refusing struct {
	engine.Store
	left int
}

func (s *refusing) Settle(ctx context.Context, outcomes []engine.Outcome, done []engine.ClaimID) ([]engine.JobID, error) {
	if s.left > 0 && slices.ContainsFunc(outcomes, func(o engine.Outcome) bool { return o.SetResult }) {
		s.left--
		return nil, engine.Errorf(engine.CodeInternal, "a packet is too large")
	}
	return s.Store.Settle(ctx, outcomes, done)
}

// stubborn refuses to settle a failed attempt, a few times.
type stubborn struct {
	engine.Store
	left int
}

func (s *stubborn) Commit(ctx context.Context, session engine.Session, o *engine.Outcome) error {
	if o.Failure != nil && s.left > 0 {
		s.left--
		return engine.Errorf(engine.CodeRetry, "a dead-lock")
	}
	return s.Store.Commit(ctx, session, o)
}
