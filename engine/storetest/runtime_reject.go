package storetest

import (
	"errors"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// goesOn is a hook that does the first part, has that committed, ends by way of
// crash, and does the rest when it is run again.
func goesOn(first, rest func(c *engine.Call) error, crash func() error) engine.Hook {
	return func(c *engine.Call) (engine.Raw, error) {
		if c.Position() != nil {
			return nil, rest(c)
		}
		if err := first(c); err != nil {
			return nil, err
		}
		if err := c.Checkpoint(raw("half"), true); err != nil {
			return nil, err
		}
		return nil, crash()
	}
}

// rejectsRows is what rejects some of the rows that it reads.
func rejectsRows(read, rejected int) func(c *engine.Call) error {
	return func(c *engine.Call) error {
		c.Count("read", int64(read))
		for i := range rejected {
			if err := c.Reject(reject(i)); err != nil {
				return err
			}
		}
		return nil
	}
}

// rejectsItem rejects the whole item.
func rejectsItem(c *engine.Call) error {
	return c.Reject(engine.Rejection{Row: c.Item(), Reason: "why"})
}

// rejectRunCases are about how many rows a job may reject.
var rejectRunCases = []testCase{
	{"what a job may reject is judged with what it rejected before a crash or a retry", func(w *world) {
		no := errors.New("no")
		nothing := func(*engine.Call) error { return nil }
		for i, c := range []struct {
			what        string
			limit       engine.RejectLimit
			first, rest func(c *engine.Call) error
			message     string // "": it completes
		}{
			{"all of the rows", engine.RejectLimit{}, rejectsRows(2, 2), nothing, `2 of 2 rows were rejected, more than rejects = "10%" allows`},
			{"a share of all", engine.RejectLimit{}, rejectsRows(10, 1), rejectsRows(1, 1), `2 of 11 rows were rejected, more than rejects = "10%" allows`},
			{"few, as it turns out", engine.RejectLimit{}, rejectsRows(2, 2), rejectsRows(18, 0), ""},
			{"more than a number, in two halves", engine.RejectCount(2), rejectsRows(9, 2), rejectsRows(9, 1), "3 rows were rejected, more than rejects = 2 allows"},
			{"as many as it may", engine.RejectCount(2), rejectsRows(2, 2), nothing, ""},
			{"any number", engine.RejectAll(), rejectsRows(2, 2), nothing, ""},
			{"the whole item", engine.RejectLimit{}, rejectsItem, nothing, ""},
			{"the whole item, and what else it counts", engine.RejectLimit{}, rejectsItem, rejectsRows(5, 0), ""},
			{"the whole item, and a row", engine.RejectLimit{}, rejectsItem, rejectsRows(5, 1), `1 of 5 rows were rejected, more than rejects = "10%" allows`},
		} {
			for _, killed := range []bool{true, false} {
				r := w.runtime(Options{})
				var s *engine.Stepper
				name := string(rune('a'+i)) + map[bool]string{true: "-killed", false: "-failed"}[killed]
				t := consumes(name, goesOn(c.first, c.rest, func() error {
					if killed {
						s.Kill()
						return nil
					}
					return no
				}))
				t.Settings.Rejects = c.limit
				t.Settings.Retry = engine.RetryPolicy{Max: 3, First: time.Nanosecond, Jitter: -1}
				id := r.make(engine.NewJob{Type: name, Payload: raw("item")}, t)
				s = r.stepper(t)
				r.until(c.what+": it ends", func() bool {
					r.work(s)
					return r.view(id).Status.Final()
				})
				v := r.view(id)
				if c.message == "" {
					if v.Status != engine.StatusCompleted {
						w.Errorf("%s, killed %v: it is %s: %v", c.what, killed, v.Status, v.Error)
					}
					continue
				}
				r.wantRejects(c.what, id, c.message)
				if killed { // an operator's retry changes nothing: it goes on at the checkpoint
					r.again(id, engine.RetryOptions{})
					r.until(c.what+": it ends again", func() bool {
						r.work(s)
						return r.view(id).Status.Final()
					})
					r.wantRejects(c.what+", retried", id, c.message)
				}
			}
		}
	}},
	{"what a phase rejected is judged at its end, and not again by the phases after it", func(w *world) {
		r := w.runtime(Options{})
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				if _, err := c.Emit(engine.Emission{Payload: raw(1)}); err != nil {
					return nil, err
				}
				if err := rejectsRows(2, 2)(c); err != nil {
					return nil, err
				}
				return nil, c.Checkpoint(raw("half"), true)
			},
			engine.PhaseConsume: givesNone,
			engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) {
				w.same("finish is told", engine.KindRejects, c.Summary().Error.Kind)
				return raw("told"), c.Checkpoint(raw("in finish"), true)
			},
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.wantRejects("produce", id, "2 of 2 rows were rejected")
		r.same("the result of finish", `"told"`, string(r.view(id).Result))
	}},
	{"a phase that is done anew begins to count what it rejects anew", func(w *world) {
		r := w.runtime(Options{})
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				c.Count("read", 1)
				return raw("item"), nil
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, rejectsItem(c) },
		})
		t.Settings.Rejects = engine.RejectCount(1)
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		for range 2 {
			r.stands("completed", id)
			r.same("counts", map[string]int64{"read": 1, "rejected": 1}, r.view(id).Stats)
			r.again(id, engine.RetryOptions{})
			r.stands("consume/waiting", id)
			r.untilIdle(t)
		}
		r.stands("completed", id)
		r.same("rejects that are kept", int64(1), r.count("SELECT COUNT(*) FROM ds_rejects"))
	}},
}

// wantRejects says that a job has failed because it rejected too much.
func (r *runtime) wantRejects(what string, id engine.JobID, message string) {
	r.Helper()
	v := r.view(id)
	if v.Status != engine.StatusFailed {
		r.Errorf("%s: it is %s", what, v.Status)
		return
	}
	if v.Error.Kind != engine.KindRejects || len(v.Error.Message) < len(message) || v.Error.Message[:len(message)] != message {
		r.Errorf("%s: want %q, got %s: %q", what, message, v.Error.Kind, v.Error.Message)
	}
}
