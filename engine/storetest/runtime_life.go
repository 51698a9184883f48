package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// nothing to do, and a result.
func gives(result any) engine.Hook {
	return func(*engine.Call) (engine.Raw, error) { return raw(result), nil }
}

func givesNone(*engine.Call) (engine.Raw, error) { return nil, nil }

// emits is a hook that emits numbers.
func emits(n int) engine.Hook {
	return func(c *engine.Call) (engine.Raw, error) {
		for i := range n {
			if _, err := c.Emit(engine.Emission{Payload: raw(i)}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

// unheard is a store whose first claims come with an error, as if it were not known
// whether they were taken.
type unheard struct {
	engine.Store
	claims atomic.Int64
}

func (u *unheard) Claim(ctx context.Context, r engine.ClaimRequest) ([]engine.Claim, error) {
	claims, err := u.Store.Claim(ctx, r)
	if err == nil && len(claims) > 0 && u.claims.Add(1) == 1 {
		err = engine.Errorf(engine.CodeUnknown, "the answer to COMMIT was lost")
	}
	return claims, err
}

var lifeCases = []testCase{
	{"the jobs of a claim that was not heard of are given back by the process that lives on", func(w *world) {
		const lease = time.Second
		store := &unheard{Store: w.open(Options{Lease: lease})}
		eng, err := engine.Open(w.ctx, store, engine.Options{})
		w.must(err)
		r := &runtime{w, eng}
		t := consumes("t", givesNone)
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Lease: lease})
		r.until("it is completed", func() bool { return r.state(id) == "completed" })
		stop()
		if n := store.claims.Load(); n < 2 {
			w.Errorf("it was claimed %d times", n)
		}
		w.same("attempts", 1, r.view(id).Attempt)
	}},
	{"what produce returns is what consume works on", func(w *world) {
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) { return raw(string(c.Payload()) + "!"), nil },
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				return raw([]string{string(c.Payload()), string(c.Item())}), nil
			},
			engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) { return nil, errors.New("no item was emitted") },
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t", Payload: raw(7)}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("result", string(raw([]string{"7", `"7!"`})), string(r.view(id).Result))
	}},
	{"items settle, finish sums them up, and one that failed fails the job", func(w *world) {
		for _, bad := range []int{-1, 2} {
			name := fmt.Sprintf("t%d", bad+1)
			t := goType(name, map[engine.Phase]engine.Hook{
				engine.PhaseProduce: emits(4),
				engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
					if string(c.Item()) == fmt.Sprint(bad) {
						return nil, errors.New("a bad one")
					}
					return c.Item(), nil
				},
				engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) {
					var results []string
					err := c.Results(func(_ engine.JobID, r engine.Raw) bool {
						results = append(results, string(r))
						return true
					})
					s := c.Summary()
					return raw(fmt.Sprint(s.Total, s.Completed, s.Failed, results)), err
				},
			})
			r := w.runtime(Options{})
			id := r.make(engine.NewJob{Type: name}, t)
			r.untilIdle(t)
			want, state := `"4 4 0 [0 1 2 3]"`, "completed"
			if bad >= 0 {
				want, state = `"4 3 1 [0 1 3]"`, "failed"
				r.same("error", "1 of 4 items failed", r.view(id).Error.Message)
			}
			r.stands(state, id)
			r.same("result", want, string(r.view(id).Result))
		}
	}},
	{"finish runs for no items, but not after a payload", func(w *world) {
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: givesNone, engine.PhaseConsume: givesNone,
			engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) { return raw(c.Summary().Total), nil },
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("result", "0", string(r.view(id).Result))
	}},
	{"items that make items without end are stopped", func(w *world) {
		var made atomic.Int64
		stopped := make(chan error, 1)
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				made.Add(1)
				_, err := c.Emit(engine.Emission{Payload: raw(1)})
				if err == nil && made.Load() > 5000 { // one in 1024 looks how deep down it is
					err = errors.New("nothing stops it")
				}
				if err != nil {
					stopped <- err
				}
				return nil, err
			},
		})
		t.Settings.Retry.Max = 1
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		// As though so many were above it: its emitter has an emitter, and so on.
		w.loose = true
		w.exec("UPDATE ds_jobs SET parent = id WHERE id = ?", id)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		err := <-stopped
		stop()
		w.exec("UPDATE ds_jobs SET parent = 0 WHERE id = ?", id)
		f := engine.AsFailure(err)
		if f.Kind != engine.KindLimit || f.Retryable || !strings.Contains(f.Message, "for more than 10,000 generations: end that by a condition") {
			w.Errorf("after %d items: %+v", made.Load(), f)
		}
	}},
	{"a chain of items settles at once, however seldom the database is looked at", func(w *world) {
		const depth = 40
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				var n int
				if err := json.Unmarshal(c.Item(), &n); err != nil || n == 0 {
					return nil, err
				}
				_, err := c.Emit(engine.Emission{Payload: raw(n - 1)})
				return nil, err
			},
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t", Payload: raw(depth)}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Poll: time.Hour})
		w.until("the first one is completed", func() bool { return w.state(id) == "completed" })
		stop()
		w.same("completed", int64(depth+1), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"))
	}},
	{"a payload that nothing works on is told", func(w *world) {
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(*engine.Call) (engine.Raw, error) { return raw(1), nil },
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		lines, err := w.store.Logs(w.ctx, id, 0, 0, false, 10)
		w.must(err)
		if len(lines) != 1 || lines[0].Level != "warn" || !strings.Contains(lines[0].Message, "there is no consume that works on it") {
			w.Errorf("the log: %v", lines)
		}
	}},
	{"items of items, up to the top", func(w *world) {
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: emits(3),
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				if c.Item() == nil || strings.HasPrefix(string(c.Item()), `"`) {
					return nil, nil
				}
				for i := range 2 {
					if _, err := c.Emit(engine.Emission{Payload: raw(fmt.Sprint("leaf ", i))}); err != nil {
						return nil, err
					}
				}
				return nil, nil
			},
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("jobs", int64(10), r.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"))
	}},
	{"attempts are counted, and the last one is final", func(w *world) {
		var seen []int
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			seen = append(seen, c.Attempt())
			return nil, fmt.Errorf("attempt %d", c.Attempt())
		})
		t.Settings.Retry = engine.RetryPolicy{Max: 3, First: time.Nanosecond, Jitter: -1}
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("failed", id)
		r.same("attempts", []int{1, 2, 3}, seen)
		r.same("error", "attempt 3", r.view(id).Error.Message)
		list, err := r.store.Attempts(r.ctx, id)
		r.must(err)
		r.same("kept", 3, len(list))
		r.same("of the type", int64(2), r.counts("t").Retries)
	}},
	{"a snooze burns no attempt", func(w *world) {
		var runs atomic.Int64
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if runs.Add(1) < 4 {
				return nil, c.Snooze(time.Millisecond)
			}
			return raw(c.Attempt()), nil
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("attempt", "1", string(r.view(id).Result))
	}},
	{"a job that is lost with its process 20 times fails as lost", func(w *world) {
		t := consumes("t", gives("it ran"))
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		ids, err := r.eng.RegisterTypes(r.ctx, t)
		r.must(err)
		r.exec(`UPDATE ds_jobs SET losses = ?, position = '{"o":7}' WHERE id = ?`, engine.MaxLosses-1, id)
		r.claimOn(r.store, 4711, queue(ids["t"]), 1)
		r.untilIdle(t)
		r.stands("failed", id)
		r.same("kind", engine.KindLost, r.view(id).Error.Kind)
		if want := fmt.Sprintf("Once that is mended: dsengine jobs retry %d", id); !strings.Contains(r.view(id).Error.Message, want) {
			r.Errorf("it says %q, not %q", r.view(id).Error.Message, want)
		}
		r.same("it is not put off any more", []string{""}, r.rows("SELECT COALESCE(position, '') FROM ds_jobs WHERE id = ?", id))
		r.again(id, engine.RetryOptions{})
		r.untilIdle(t)
		r.stands("completed", id)
	}},
	{"what catch undid is not there, and what it kept is", func(w *world) {
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if _, err := c.Session().Ensure(c.Context(), "caught", []engine.Column{{Name: "n", Type: "integer"}}, nil); err != nil {
				return nil, err
			}
			for n, fail := range []error{nil, errors.New("no"), nil} {
				caught, err := c.Catch(func() error {
					if _, err := c.Session().Exec(c.Context(), "INSERT INTO caught (n) VALUES (?)", []any{int64(n)}); err != nil {
						return err
					}
					if err := c.SetVariable(true, fmt.Sprint("v", n), raw(n)); err != nil {
						return err
					}
					c.Count("done", 1)
					if _, err := c.Enqueue(engine.Emission{Type: "other", Payload: raw(n)}); err != nil {
						return err
					}
					return fail
				})
				if err != nil || !errors.Is(caught, fail) {
					return nil, fmt.Errorf("caught %w: %w", caught, err)
				}
			}
			return nil, nil
		})
		other := consumes("other", givesNone)
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t, other)
		r.untilIdle(t, other)
		r.stands("completed", id)
		r.same("rows", []string{"0", "2"}, r.rows("SELECT n FROM caught ORDER BY n"))
		r.same("variables", []string{"v0", "v2"}, r.rows("SELECT name FROM ds_vars WHERE type = 0 ORDER BY name"))
		r.same("counts", map[string]int64{"done": 2}, r.view(id).Stats)
		r.same("jobs enqueued", int64(2), r.count("SELECT COUNT(*) FROM ds_jobs WHERE id <> ?", id))
	}},
	{"what commits ends a hook that has it in a catch", func(w *world) {
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			for what, do := range map[string]func() error{
				"ctx.batches": func() error { _, err := c.Batches(engine.LoopID{}); return err }, "ctx.checkpoint": func() error { return c.Checkpoint(nil, false) },
			} {
				if caught, err := c.Catch(do); caught != nil || err == nil || !strings.Contains(err.Error(), "it commits") {
					return nil, fmt.Errorf("%s: caught %w, told %w", what, caught, err)
				}
			}
			return nil, nil
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
	}},
	{"what a catch counted goes with it, but for what is committed", func(w *world) {
		no := errors.New("no")
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			within := func(fn func() error) {
				if _, err := c.CatchWrites(nil, fn); err != nil {
					w.Error(err)
				}
			}
			within(func() error {
				c.Count("read", 1)
				return no
			})
			for _, err := range []error{nil, no} {
				within(func() error {
					c.Count("read", 10)
					within(func() error {
						c.Count("read", 100)
						return nil
					})
					within(func() error {
						c.Count("read", 1000)
						c.Count("inner", 1)
						return no
					})
					return err
				})
			}
			// One that waits has others count beside it, and commit what it has counted.
			within(func() error {
				c.Count("read", 10_000)
				waits := c.Within(nil)
				c.Count("read", 100_000)
				if err := c.Checkpoint(nil, false); err != nil {
					return err
				}
				c.Within(waits)
				c.Count("read", 1_000_000)
				return no
			})
			// So it is where it writes.
			within(func() error {
				c.Count("read", 1)
				if err := c.SetVariable(true, "v", raw(1)); err != nil {
					return err
				}
				c.Count("read", 1)
				waits := c.Within(nil)
				c.Count("read", 10_000_000)
				c.Within(waits)
				return no
			})
			return nil, nil
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("counts", map[string]int64{"read": 10_110_110}, r.view(id).Stats)
	}},
	{"a process that is killed at any statement does nothing twice, and leaves nothing out", func(w *world) {
		for n := 1; ; n += 5 {
			if n > 2000 {
				w.Fatal("the fault still strikes")
			}
			if !w.killed(n) {
				return
			}
		}
	}},
}

// killed runs a job with items whose hooks write rows, kills the process at the
// n-th statement, and lets another one do the rest. False: it was not reached.
func (w *world) killed(n int) bool {
	w.Helper()
	name, table := fmt.Sprint("t", n), fmt.Sprint("rows", n)
	write := func(c *engine.Call, v string) error {
		if _, err := c.Session().Ensure(c.Context(), table, []engine.Column{{Name: "v", Type: "text(40)"}}, nil); err != nil {
			return err
		}
		_, err := c.Session().Exec(c.Context(), "INSERT INTO "+table+" (v) VALUES (?)", []any{v})
		return err
	}
	t := patient(name, map[engine.Phase]engine.Hook{
		engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
			s := &steps{c: c}
			return nil, s.batches(span(0, 4), 2, func(batch []int) (bool, error) {
				if err := write(c, fmt.Sprint("batch ", batch[0])); err != nil {
					return false, err
				}
				return true, s.emit(batch...)
			})
		},
		engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, write(c, "item "+string(c.Item())) },
		engine.PhaseFinish:  func(c *engine.Call) (engine.Raw, error) { return nil, write(c, "end") },
	})
	good := w.runtime(Options{})
	id := good.make(engine.NewJob{Type: name}, t)

	faults := &Faults{}
	const lease = time.Second // it waits that long for its database before it ends
	store := w.open(Options{Wrap: faults.Wrap, Lease: lease})
	eng, err := engine.Open(w.ctx, store, engine.Options{})
	w.must(err)
	server, err := eng.NewServer(w.ctx, engine.ServerOptions{Types: []*engine.Type{t}, Name: "doomed", UntilIdle: true, Lease: lease})
	w.must(err)
	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	faults.Ended = stop
	fault := w.faults[slices.IndexFunc(w.faults, func(f Fault) bool { return f.Mode == Die })]
	if n%2 == 0 {
		fault = w.faults[slices.IndexFunc(w.faults, func(f Fault) bool { return f.Mode == DieAfter })]
	}
	ended := make(chan error, 1)
	faults.Arm(fault, n)
	go func() { ended <- server.Run(ctx) }()
	select {
	case <-ended: // idle, or dead
	case <-time.After(patience):
		w.Fatal("the server does not end")
	}
	struck := faults.Disarm()
	if struck != "" {
		w.must(store.Close())
		w.exec("UPDATE ds_servers SET lease_until = started_at, seen_at = started_at, dead = CASE WHEN name = 'doomed' THEN 1 ELSE dead END")
		w.rescue()
	}
	good.untilIdle(t)
	w.stands("completed", id)
	w.same(fmt.Sprintf("rows, killed at statement %d, %.100q", n, struck),
		[]string{"batch 0", "batch 2", "end", "item 0", "item 1", "item 2", "item 3"}, w.rows("SELECT v FROM "+table+" ORDER BY v"))
	w.check()
	return struck != "" && !w.Failed()
}
