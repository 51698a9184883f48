package storetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// stepper works jobs of the types one after the other.
func (r *runtime) stepper(types ...*engine.Type) *engine.Stepper {
	r.Helper()
	s, err := r.eng.NewStepper(r.ctx, engine.ServerOptions{Types: types, Name: "here"})
	r.must(err)
	r.Cleanup(func() { r.must(s.Close(context.WithoutCancel(r.ctx))) })
	return s
}

// work has it do what is due.
func (r *runtime) work(s *engine.Stepper) (next time.Time) {
	r.Helper()
	next, err := s.Work(r.ctx)
	r.must(err)
	return next
}

var stepCases = []testCase{
	{"steps work a job, its items and its finish, in the same order each time", func(w *world) {
		r := w.runtime(Options{})
		var order []string
		did := func(c *engine.Call) {
			order = append(order, c.Job().Phase.String()+" "+string(c.Item()))
		}
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				did(c)
				for i := range 3 {
					if _, err := c.Emit(engine.Emission{Payload: raw(i)}); err != nil {
						return nil, err
					}
				}
				return nil, nil
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { did(c); return nil, nil },
			engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) {
				did(c)
				return raw(c.Summary().Completed), nil
			},
		})
		s := r.stepper(t)
		id := r.make(engine.NewJob{Type: "t"}, t)
		if next := r.work(s); !next.IsZero() {
			w.Errorf("something is due at %v", next)
		}
		w.same("order", "produce , consume 0, consume 1, consume 2, finish ", strings.Join(order, ", "))
		w.same("result", "3", string(r.view(id).Result))
		r.stands("completed", id)
	}},
	{"steps say when a retry and a schedule are due", func(w *world) {
		r := w.runtime(Options{})
		failing := consumes("failing", func(*engine.Call) (engine.Raw, error) { return nil, errors.New("no") })
		failing.Settings.Retry = engine.RetryPolicy{Max: 2, First: time.Hour, Jitter: -1}
		hourly := consumes("hourly", func(*engine.Call) (engine.Raw, error) { return nil, nil })
		hourly.Settings.Schedule.Every = 3 * time.Hour
		s := r.stepper(failing, hourly)
		fired, next, err := s.Fire(r.ctx)
		r.must(err)
		w.same("fired at once", 1, len(fired))
		now, err := r.eng.Store().Now(r.ctx)
		r.must(err)
		if d := next.Sub(now); d < 179*time.Minute || d > 181*time.Minute {
			w.Errorf("the schedule is due in %v", d)
		}
		id := r.make(engine.NewJob{Type: "failing"}, failing, hourly)
		if d := r.work(s).Sub(now); d < 59*time.Minute || d > 62*time.Minute {
			w.Errorf("the retry is due in %v", d)
		}
		w.same("status", "consume/waiting", w.state(id))
	}},
	{"a killed step leaves nothing, and goes on at its checkpoint once it is rescued, behind what else is due", func(w *world) {
		w.table(0)
		r := w.runtime(Options{})
		runs := 0
		var s *engine.Stepper
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			runs++
			if _, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (?, 1)", []any{int64(runs)}); err != nil {
				return nil, err
			}
			if runs > 1 {
				return c.Position(), nil
			}
			if err := c.Checkpoint(raw("here"), true); err != nil {
				return nil, err
			}
			if _, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (100, 1)", nil); err != nil {
				return nil, err
			}
			s.Kill()
			return nil, nil
		})
		beside := consumes("other", func(*engine.Call) (engine.Raw, error) { return nil, nil })
		s = r.stepper(t, beside)
		id := r.make(engine.NewJob{Type: "t"}, t, beside)
		ran, err := s.Step(r.ctx)
		r.must(err)
		w.same("a step ran", true, ran)
		other := r.make(engine.NewJob{Type: "other"}, t, beside)
		r.work(s)
		w.same("after the kill", "consume/running", w.state(id))
		w.same("runs", 1, runs)
		r.stands("completed", other)
		r.must(s.Rescue(r.ctx))
		w.same("after the rescue", "consume/waiting", w.state(id))
		r.work(s)
		w.same("runs", 2, runs)
		w.same("result", `"here"`, string(r.view(id).Result))
		w.same("attempts", 1, r.view(id).Attempt)
		w.same("rows", "1 2", strings.Join(w.rows("SELECT id FROM t ORDER BY id"), " "))
		r.stands("completed", id)
	}},
	{"a killed step forgets what it has sent, unless that was saved", func(w *world) {
		r := w.runtime(Options{})
		var s *engine.Stepper
		var saves bool
		runs, sent := 0, 0
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			runs++
			_, err := c.Notify(engine.NoticeKey("t", string(c.Item())), time.Hour, func(context.Context) error {
				sent++
				return nil
			})
			if err != nil || runs > 1 {
				return nil, err
			}
			if saves {
				if err := s.Save(c.Context()); err != nil {
					return nil, err
				}
			}
			s.Kill()
			return nil, nil
		})
		s = r.stepper(t)
		died := 0
		s.Died = func() error {
			died++
			return s.Rescue(r.ctx)
		}
		for i, saved := range []bool{false, true} {
			runs, sent, saves = 0, 0, saved
			id := r.make(engine.NewJob{Type: "t", Payload: raw(i)}, t)
			r.work(s)
			w.same("runs", 2, runs)
			w.same("sent", map[bool]int{false: 2, true: 1}[saved], sent)
			w.same("died", i+1, died)
			r.stands("completed", id)
		}
	}},
}
