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
}
