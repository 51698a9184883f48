package storetest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

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

// redrives is a hook that rejects some of the rows that it gets again.
func redrives(again int) engine.Hook {
	return func(c *engine.Call) (engine.Raw, error) {
		for n := 0; ; n++ {
			x, err := c.NextRejected()
			if err == io.EOF {
				return nil, nil
			}
			if err == nil && n < again {
				err = c.Reject(engine.Rejection{Row: x.Row, Reason: "still"})
			}
			if err != nil {
				return nil, err
			}
		}
	}
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
				s.Died = func() error { return s.Rescue(r.ctx) }
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
	{"a retry judges what still stands of what was rejected", func(w *world) {
		for i, c := range []struct {
			what        string
			limit       engine.RejectLimit
			first, rest func(c *engine.Call) error
			again       int    // rows that the redrive rejects again
			message     string // "": the retry completes
		}{
			{"all are mended", engine.RejectLimit{}, rejectsRows(10, 3), rejectsRows(0, 0), 0, ""},
			{"none is", engine.RejectLimit{}, rejectsRows(10, 3), rejectsRows(0, 0), 3, `3 of 10 rows were rejected, more than rejects = "10%" allows`},
			{"too few are", engine.RejectLimit{}, rejectsRows(10, 3), rejectsRows(0, 0), 2, `2 of 10 rows were rejected, more than rejects = "10%" allows`},
			{"enough are", engine.RejectLimit{}, rejectsRows(10, 3), rejectsRows(0, 0), 1, ""},
			{"one of a number is, and one comes", engine.RejectCount(1), rejectsRows(5, 1), rejectsRows(5, 1), 0, ""},
			{"none is, and one comes", engine.RejectCount(1), rejectsRows(5, 1), rejectsRows(5, 1), 1, "2 rows were rejected, more than rejects = 1 allows"},
		} {
			r := w.runtime(Options{})
			name := string(rune('a' + i))
			t := consumes(name, func(h *engine.Call) (engine.Raw, error) {
				if h.Position() == nil {
					if err := c.first(h); err != nil {
						return nil, err
					}
					if err := h.Checkpoint(raw("half"), true); err != nil {
						return nil, err
					}
				}
				return nil, c.rest(h)
			})
			t.Redrive = redrives(c.again)
			t.Settings.Rejects = c.limit
			id := r.make(engine.NewJob{Type: name}, t)
			r.untilIdle(t)
			r.stands("failed", id)
			advice := fmt.Sprintf("once the script is mended: dsengine rejects redrive --type %s --job %d, and when that has run: dsengine jobs retry %d; or, where the source was read wrongly: dsengine jobs retry %[3]d --fresh, which does all again, what was committed too", name, id, id)
			if message := r.view(id).Error.Message; !strings.HasSuffix(message, advice) {
				r.Errorf("%s: want the advice %q, got %q", c.what, advice, message)
			}
			var taken []int
			for range 2 {
				done, err := r.eng.Redrive(r.ctx, engine.RedriveRequest{Type: name, Job: id})
				r.must(err)
				taken = append(taken, done.Rejects)
				r.untilIdle(t)
			}
			r.same(c.what+": then what was rejected again is redriven", c.again, taken[1])
			r.again(id, engine.RetryOptions{})
			r.untilIdle(t)
			if c.message != "" {
				r.wantRejects(c.what, id, c.message)
			} else if v := r.view(id); v.Status != engine.StatusCompleted {
				r.Errorf("%s: it is %s: %v", c.what, v.Status, v.Error)
			}
		}
	}},
	{"without the hook redrive, what was committed is met again from the beginning alone", func(w *world) {
		r := w.runtime(Options{})
		mended := false
		t := consumes("rows", func(h *engine.Call) (engine.Raw, error) {
			if h.Position() != nil {
				return nil, nil
			}
			rejected := 3
			if mended {
				rejected = 0
			}
			if err := rejectsRows(10, rejected)(h); err != nil {
				return nil, err
			}
			return nil, h.Checkpoint(raw("all"), true)
		})
		id := r.make(engine.NewJob{Type: "rows"}, t)
		r.untilIdle(t)
		r.stands("failed", id)
		advice := fmt.Sprintf("; the first: %s; see them with: dsengine rejects list --job %d; once the script is mended: dsengine jobs retry %[2]d --fresh, which does all again, ", reject(0).Reason, id)
		if message := r.view(id).Error.Message; !strings.Contains(message, advice) {
			r.Errorf("want the advice %q, got %q", advice, message)
		}
		done, err := r.eng.Redrive(r.ctx, engine.RedriveRequest{Type: "rows", Job: id})
		r.must(err)
		r.same("left", 3, done.NoHook)
		if done.Again == nil || *done.Again != id || done.Reason != reject(0).Reason {
			r.Errorf("a redrive tells of job %v and %q", done.Again, done.Reason)
		}
		mended = true
		r.again(id, engine.RetryOptions{})
		r.untilIdle(t)
		r.same("it failed again", engine.StatusFailed, r.view(id).Status)
		r.again(id, engine.RetryOptions{Fresh: true})
		r.untilIdle(t)
		r.same("begun anew", engine.StatusCompleted, r.view(id).Status)
	}},
	{"a retry from the beginning counts anew", func(w *world) {
		for _, c := range []struct {
			what    string
			produce engine.Hook
			counted engine.Stats // before consume
		}{
			{"an item", func(c *engine.Call) (engine.Raw, error) {
				c.Count("read", 7)
				_, err := c.Emit(engine.Emission{Payload: raw("item")})
				return nil, err
			}, nil},
			{"what produce has handed on", func(c *engine.Call) (engine.Raw, error) {
				c.Count("read", 7)
				c.Count("pages", 1)
				if err := c.Checkpoint(raw("all"), true); err != nil {
					return nil, err
				}
				return raw("item"), nil
			}, engine.Stats{"read": 7, "pages": 1}},
		} {
			r := w.runtime(Options{})
			name := strings.ReplaceAll(c.what, " ", "-")
			bad := 3
			t := goType(name, map[engine.Phase]engine.Hook{
				engine.PhaseProduce: c.produce,
				engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
					if c.Position() == nil {
						if err := rejectsRows(10, bad)(c); err != nil {
							return nil, err
						}
						if err := c.Checkpoint(raw("end"), true); err != nil {
							return nil, err
						}
					}
					return nil, nil
				},
			})
			id := r.make(engine.NewJob{Type: name}, t)
			r.untilIdle(t)
			if c.counted == nil {
				id = engine.JobID(r.count("SELECT MAX(id) FROM ds_jobs"))
			}
			read := 10 + c.counted["read"]
			stats := func(rejected int64) engine.Stats {
				s := engine.Stats{"read": 10}.Plus(c.counted)
				if rejected > 0 {
					s["rejected"] = rejected
				}
				return s
			}
			for range 2 { // however often: what it read before does not dilute it
				r.wantRejects(c.what, id, fmt.Sprintf(`3 of %d rows were rejected`, read))
				r.same(c.what+": counts", stats(3), engine.Stats(r.view(id).Stats))
				r.again(id, engine.RetryOptions{Fresh: true})
				r.same(c.what+": counts before it", c.counted, engine.Stats(r.view(id).Stats), cmpopts.EquateEmpty())
				r.untilIdle(t)
			}
			bad = 0
			r.again(id, engine.RetryOptions{Fresh: true})
			r.untilIdle(t)
			r.stands("completed", id)
			r.same(c.what+": counts in the end", stats(0), engine.Stats(r.view(id).Stats))
			r.again(id, engine.RetryOptions{})
			r.untilIdle(t)
			r.same(c.what+": counts of a completed one that was run again", stats(0), engine.Stats(r.view(id).Stats))
		}
	}},
	{"rows that are rejected again keep their place", func(w *world) {
		r := w.runtime(Options{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			for i, row := range []string{"same", "same", "other"} {
				if err := c.Reject(engine.Rejection{Row: raw(row), Reason: "why", Source: "a.csv", Line: int64(i + 2)}); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		t.Redrive = redrives(3)
		t.Settings.Rejects = engine.RejectAll()
		r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		done, err := r.eng.Redrive(r.ctx, engine.RedriveRequest{Type: "t"})
		r.must(err)
		r.untilIdle(t)
		r.same("rejects", []string{`2 "same" a.csv`, `3 "same" a.csv`, `4 "other" a.csv`}, r.places(done.Jobs[0]))
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

// places are those of a job's rejects, with their rows.
func (r *runtime) places(job engine.JobID) (list []string) {
	r.Helper()
	r.must(r.store.Rejects(r.ctx, engine.RejectFilter{Job: job}, func(x *engine.Reject) bool {
		if x.Source == nil || x.Line == nil {
			list = append(list, fmt.Sprintf("? %s", x.Row))
		} else {
			list = append(list, fmt.Sprintf("%d %s %s", *x.Line, x.Row, *x.Source))
		}
		return true
	}))
	return list
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
