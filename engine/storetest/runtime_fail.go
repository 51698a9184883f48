package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// failRunCases are about the fail hook, and what becomes of a failed attempt.
var failRunCases = []testCase{
	{"what the fail hook wrote is committed, whatever it decides", func(w *world) {
		for i, decide := range []func(c *engine.Call) error{
			func(c *engine.Call) error { return nil },
			func(c *engine.Call) error { return c.Retry(time.Nanosecond, true, "again") },
			func(c *engine.Call) error { return c.Snooze(time.Nanosecond) },
			func(c *engine.Call) error { return c.Cancel("enough") },
			func(c *engine.Call) error { return c.Fail("enough") },
		} {
			name := fmt.Sprintf("t%d", i)
			tries := 0
			t := goType(name, map[engine.Phase]engine.Hook{
				engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
					if tries++; tries > 1 {
						return nil, nil
					}
					return nil, errors.New("no")
				},
				engine.PhaseFail: func(c *engine.Call) (engine.Raw, error) {
					if _, err := c.Session().Ensure(c.Context(), name, []engine.Column{{Name: "id", Type: "integer"}}, []string{"id"}); err != nil {
						return nil, err
					}
					if _, err := c.Session().Exec(c.Context(), "INSERT INTO "+name+" (id) VALUES (7)", nil); err != nil {
						return nil, err
					}
					if err := c.SetVariable(true, name, raw("set")); err != nil {
						return nil, err
					}
					c.OnCommit(func() error { c.Progress(engine.Progress{Done: 1}); return nil })
					return nil, decide(c)
				},
			})
			t.Settings.Slots = map[engine.Phase]int{engine.PhaseConsume: 1}
			r := w.runtime(Options{})
			id := r.make(engine.NewJob{Type: name}, t)
			r.untilIdle(t)
			r.stands([]string{"failed", "completed", "completed", "cancelled", "failed"}[i], id)
			r.same(name+": rows", []string{"7"}, r.rows("SELECT id FROM "+name))
			v, err := r.store.Variable(r.ctx, engine.Scope{}, name)
			r.must(err)
			r.same(name+": variable", `"set"`, string(v.Value))
		}
	}},
	{"a job that is tried for ever goes on where its count of attempts ends", func(w *world) {
		var seen []int
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				seen = append(seen, c.Attempt())
				if len(seen) < 4 {
					return nil, errors.New("no")
				}
				if string(c.Item()) == "2" { // else it is completed in a batch
					return nil, c.Reject(reject(1))
				}
				return nil, nil
			},
			engine.PhaseFail: func(c *engine.Call) (engine.Raw, error) {
				seen = append(seen, -c.Attempt())
				return nil, c.Retry(time.Nanosecond, true, "again")
			},
		})
		t.Settings.Rejects = engine.RejectCount(1)
		r := w.runtime(Options{})
		for payload := range 2 {
			seen = nil
			id := r.make(engine.NewJob{Type: "t", Payload: raw(payload + 1)}, t)
			w.exec("UPDATE ds_jobs SET attempts = ? WHERE id = ?", engine.MaxAttempt-1, id)
			r.untilIdle(t)
			w.stands("completed", id)
			w.same("attempts", []int{engine.MaxAttempt, -engine.MaxAttempt, engine.MaxAttempt, -engine.MaxAttempt, engine.MaxAttempt}, seen)
			w.same("attempt", engine.MaxAttempt, w.view(id).Attempt)
		}
	}},
	{"what the fail hook wrote before an error is rolled back, and the policy applies", func(w *world) {
		tries := 0
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				if tries++; tries > 1 {
					return nil, nil
				}
				return nil, errors.New("no")
			},
			engine.PhaseFail: func(c *engine.Call) (engine.Raw, error) {
				w.same("attempt and failure", []any{1, "no"}, []any{c.Attempt(), c.Failure().Message})
				if err := c.SetVariable(true, "v", raw(1)); err != nil {
					return nil, err
				}
				return nil, errors.New("the fail hook is broken too")
			},
		})
		t.Settings.Retry = engine.RetryPolicy{Max: 2, First: time.Nanosecond, Jitter: -1}
		t.Settings.Slots = map[engine.Phase]int{engine.PhaseConsume: 1}
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		v, err := r.store.Variable(r.ctx, engine.Scope{}, "v")
		r.must(err)
		r.same("variable", engine.Raw(nil), v.Value)
	}},
	{"a fail hook whose process is lost 20 times leaves the decision to the policy", func(w *world) {
		for _, final := range []bool{true, false} {
			name := fmt.Sprintf("final %v", final)
			ran := 0
			t := goType(name, map[engine.Phase]engine.Hook{
				engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
					if ran++; ran > 1 {
						return nil, nil
					}
					return nil, &engine.Failure{Message: "no", Code: "test.no", Retryable: !final}
				},
				engine.PhaseFail: func(c *engine.Call) (engine.Raw, error) { return nil, nil },
			})
			t.Settings.Retry = engine.RetryPolicy{Max: 5, First: time.Nanosecond, Jitter: -1}
			t.Settings.Slots = map[engine.Phase]int{engine.PhaseConsume: 1}
			r := w.runtime(Options{})
			id := r.make(engine.NewJob{Type: name}, t)
			r.loseFailHook(t, id)
			stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Phases: []engine.Phase{engine.PhaseConsume}})
			r.until("it is decided", func() bool { return r.view(id).Status.Final() })
			stop()
			if final {
				r.stands("failed", id)
				r.same("error", &engine.JobError{Message: "no", Kind: engine.KindError, Code: "test.no", Phase: engine.PhaseConsume}, r.view(id).Error)
				r.same("runs", 1, ran)
			} else {
				r.stands("completed", id)
				r.same("runs", 2, ran)
			}
			list, err := r.store.Attempts(r.ctx, id)
			r.must(err)
			r.same("the loss is an attempt of the fail phase", []any{engine.PhaseFail, engine.KindLost}, []any{list[1].Phase, list[1].Failure.Kind})
		}
	}},
	{"a job that is cancelled while its fail hook runs is retried in the phase that failed", func(w *world) {
		began, runs := make(chan bool, 1), 0
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				if runs++; runs > 1 {
					return nil, nil
				}
				return nil, errors.New("no")
			},
			engine.PhaseFail: func(c *engine.Call) (engine.Raw, error) {
				began <- true
				<-c.Context().Done()
				return nil, c.Context().Err()
			},
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		<-began
		w.same("cancelled", engine.CancelAsked, w.cancel(id))
		r.until("it is cancelled", func() bool { return w.view(id).Status.Final() })
		stop()
		v := w.view(id)
		w.same("phase, status and attempt", []any{engine.PhaseConsume, engine.StatusCancelled, 1}, []any{v.Phase, v.Status, v.Attempt})
		r.again(id, engine.RetryOptions{})
		r.untilIdle(t)
		r.stands("completed", id)
	}},
	{"a fault of the engine fails its job, and ends neither process nor rescuer", func(w *world) {
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, errors.New("no") },
			engine.PhaseFail:    func(c *engine.Call) (engine.Raw, error) { return nil, nil },
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.loseFailHook(t, id)
		// A failure that says it was in the fail phase leads to a move that there is not.
		r.exec("UPDATE ds_attempts SET failure = ? WHERE job = ?", `{"message":"no","kind":"error","phase":"fail","attempt":1,"retryable":true}`, id)
		r.exec(`UPDATE ds_jobs SET position = '{"o":7}' WHERE id = ?`, id)
		r.untilIdle(t)
		r.stands("failed", id)
		r.same("code", "internal", r.view(id).Error.Code)
		r.same("it is not put off any more", []string{""}, r.rows("SELECT COALESCE(position, '') FROM ds_jobs WHERE id = ?", id))
	}},
	{"a panic in what runs after a commit is logged, and changes nothing", func(w *world) {
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			c.OnCommit(func() error { panic("after the commit") })
			ran := false
			c.OnCommit(func() error { ran = true; return nil })
			if err := c.Checkpoint(nil, false); err != nil {
				return nil, err
			}
			c.OnCommit(func() error { panic("after the end") })
			return raw(ran), nil
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("the other one ran", "true", string(r.view(id).Result))
		lines, err := r.store.Logs(r.ctx, id, 0, 0, false, 10)
		r.must(err)
		var said []string
		for _, l := range lines {
			said = append(said, l.Message)
		}
		r.same("log", []string{"on_commit: panic: after the commit", "on_commit: panic: after the end"}, said)
	}},
}

// loseFailHook has a job fail, and its fail hook be lost with its process for
// the 20th time.
func (r *runtime) loseFailHook(t *engine.Type, id engine.JobID) {
	r.Helper()
	stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Phases: []engine.Phase{engine.PhaseConsume}})
	r.until("the fail hook is due", func() bool { return r.state(id) == "fail/waiting" })
	stop()
	ids, err := r.eng.RegisterTypes(r.ctx, t)
	r.must(err)
	r.exec("UPDATE ds_jobs SET losses = ? WHERE id = ?", engine.MaxLosses-1, id)
	r.claimOn(r.store, 4711, engine.QueueOf(ids[t.Name], engine.PhaseFail), 1)
}
