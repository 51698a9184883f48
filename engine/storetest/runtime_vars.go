package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// logged are the messages of a job's log.
func logged(w *world, id engine.JobID) (list []string) {
	w.Helper()
	lines, err := w.store.Logs(w.ctx, id, 0, 0, false, 100)
	w.must(err)
	for _, l := range lines {
		list = append(list, l.Message)
	}
	return list
}

// varsRunCases are about hooks that read and set variables.
var varsRunCases = []testCase{
	{"a variable that another type changed meanwhile has the hook run again, and burns no attempt", func(w *world) {
		read, changed := make(chan bool), make(chan bool)
		var runs atomic.Int64
		add := func(c *engine.Call, n int, between func()) (engine.Raw, error) {
			v, err := c.Variable(true, "n")
			if err != nil {
				return nil, err
			}
			between()
			var old int
			fmt.Sscan(string(v), &old)
			return raw(c.Attempt()), c.SetVariable(true, "n", raw(old+n))
		}
		slow := consumes("slow", func(c *engine.Call) (engine.Raw, error) {
			return add(c, 1, func() {
				if runs.Add(1) == 1 {
					read <- true
					<-changed
				}
			})
		})
		quick := consumes("quick", func(c *engine.Call) (engine.Raw, error) { return add(c, 10, func() {}) })
		r := w.runtime(Options{})
		w.must(w.set("n", raw(100), -1))
		first := r.make(engine.NewJob{Type: "slow"}, slow, quick)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{slow, quick}})
		<-read
		second := r.make(engine.NewJob{Type: "quick"})
		w.until("the other has changed it", func() bool { return w.state(second) == "completed" })
		changed <- true
		w.until("it is completed", func() bool { return w.state(first) == "completed" })
		stop()
		w.same("n", "111", string(w.value("n").Value))
		w.same("runs", int64(2), runs.Load())
		w.same("attempt", "1", string(w.view(first).Result))
		w.same("attempt of the other", "1", string(w.view(second).Result))
		w.same("reruns", []int64{1, 0}, []int64{w.view(first).Stats[engine.RerunCount], w.view(second).Stats[engine.RerunCount]})
		w.same("what the job's log says of it", []string{`consume runs again: another job, or a person, changed vars "n" after it was read. Nothing of this run was kept; what it did outside the database, such as requests, is done once more`}, logged(w, first))
		tries, err := w.store.Attempts(w.ctx, first)
		w.must(err)
		w.same("attempts that logged something", 1, len(tries))
		w.same("failures", int64(0), w.count("SELECT COUNT(*) FROM ds_failures"))
	}},
	{"a hook counts how often it ran again, before and after its checkpoints", func(w *world) {
		r := w.runtime(Options{})
		tries := map[int]int{} // of each of three parts
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			for part := len(c.Position()); part < 3; part++ {
				if _, err := c.Variable(false, "n"); err != nil {
					return nil, err
				}
				if tries[part]++; tries[part] <= 2 {
					if err := r.eng.SetVariable(w.ctx, engine.Scope{Type: c.Job().Type}, "n", raw(tries[part])); err != nil {
						return nil, err
					}
				}
				if err := c.SetVariable(false, "n", raw(part)); err != nil {
					return nil, err
				}
				if part < 2 {
					if err := c.Checkpoint(engine.Raw("12"[:part+1]), true); err != nil {
						return nil, err
					}
				}
			}
			return nil, nil
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		w.same("reruns", int64(6), w.view(id).Stats[engine.RerunCount])
		w.same("lines", 6, len(logged(w, id)))
	}},
	{"a hook that others leave no time is put off, and burns no attempt", func(w *world) {
		r := w.runtime(Options{})
		var runs atomic.Int64
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if _, err := c.Variable(false, "n"); err != nil {
				return nil, err
			}
			if n := runs.Add(1); n <= 21 {
				if err := r.eng.SetVariable(w.ctx, engine.Scope{Type: c.Job().Type}, "n", raw(n)); err != nil {
					return nil, err
				}
			}
			return raw(c.Attempt()), c.SetVariable(false, "n", raw(0))
		})
		t.Settings.Retry.Max = 1
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		r.until("it is put off", func() bool {
			v := r.view(id)
			return runs.Load() == 21 && v.Status == engine.StatusWaiting && v.RunAt != nil
		})
		w.same("attempts", 0, r.view(id).Attempt)
		w.same("results", []engine.HastenResult{engine.HastenDone}, w.hasten(false, id))
		r.until("it is completed", func() bool { return w.state(id) == "completed" })
		stop()
		w.same("runs", int64(22), runs.Load())
		w.same("attempt", "1", string(r.view(id).Result))
		w.same("failures", int64(0), w.count("SELECT COUNT(*) FROM ds_failures"))
		lines := logged(w, id)
		if last := lines[len(lines)-1]; !strings.Contains(last, `consume ran 21 times, and each time others were faster: another job, or a person, changed`) || !strings.Contains(last, "It burns no attempt, and runs again in ") {
			w.Errorf("it tells %q", lines)
		}
	}},
	{"a hook that was put off 50 times in a row fails, and a checkpoint begins the count anew", func(w *world) {
		r := w.runtime(Options{})
		for _, c := range []struct {
			puts       int
			checkpoint bool
			fails      bool
		}{{49, false, false}, {50, false, true}, {50, true, false}} {
			var runs atomic.Int64
			t := consumes(fmt.Sprintf("t%d%v", c.puts, c.checkpoint), func(h *engine.Call) (engine.Raw, error) {
				if c.checkpoint && h.Position() == nil {
					if err := h.Checkpoint(raw("there"), true); err != nil {
						return nil, err
					}
				}
				if _, err := h.Variable(false, "n"); err != nil {
					return nil, err
				}
				if err := r.eng.SetVariable(w.ctx, engine.Scope{Type: h.Job().Type}, "n", raw(runs.Add(1))); err != nil {
					return nil, err
				}
				return nil, h.SetVariable(false, "n", raw(0))
			})
			id := r.make(engine.NewJob{Type: t.Name}, t)
			w.exec("UPDATE ds_jobs SET position = ? WHERE id = ?", fmt.Sprintf(`{"o":%d}`, c.puts), id)
			stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
			r.until("it ends or is put off", func() bool {
				v := r.view(id)
				return v.Status.Final() || runs.Load() >= 21 && v.Status == engine.StatusWaiting && v.RunAt != nil
			})
			stop()
			ended, at := w.state(id), w.rows("SELECT COALESCE(position, '') FROM ds_jobs WHERE id = ?", id)
			switch {
			case c.fails:
				w.same("it has", "failed", ended)
				w.same("code", "db.conflict", w.view(id).Error.Code)
				w.same("position", []string{""}, at)
			default:
				count := `{"o":50}`
				if c.checkpoint {
					count = `{"p":"there","o":1}`
				}
				w.same("position", []string{count}, at)
			}
		}
	}},
	{"an attempt that ends in another way begins the count of put-offs anew", func(w *world) {
		r := w.runtime(Options{})
		for name, end := range map[string]func(*engine.Call) error{
			"fails":       func(*engine.Call) error { return errors.New("something else") },
			"waits":       func(c *engine.Call) error { return c.Snooze(time.Hour) },
			"tries again": func(c *engine.Call) error { return c.Retry(time.Hour, true, "") },
		} {
			for _, hooks := range []int{1, 2} { // 2: with a fail hook
				t := consumes(fmt.Sprint(name, hooks), func(c *engine.Call) (engine.Raw, error) { return nil, end(c) })
				if hooks == 2 {
					t.Hooks[engine.PhaseFail] = func(*engine.Call) (engine.Raw, error) { return nil, nil }
				}
				t.Settings.Retry = engine.RetryPolicy{Max: 2, First: time.Hour}
				id := r.make(engine.NewJob{Type: t.Name}, t)
				w.exec("UPDATE ds_jobs SET position = ? WHERE id = ?", `{"p":"there","o":50}`, id)
				stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
				r.until("it waits", func() bool { return w.state(id) == "consume/waiting" && w.view(id).RunAt != nil })
				stop()
				w.same(t.Name, []string{`{"p":"there"}`}, w.rows("SELECT position FROM ds_jobs WHERE id = ?", id))
			}
		}
	}},
	{"a person who sets a variable that a hook has read has it run again", func(w *world) {
		var runs atomic.Int64
		r := w.runtime(Options{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			v, err := c.Variable(true, "n")
			if err != nil {
				return nil, err
			}
			if runs.Add(1) == 1 {
				if err := r.eng.SetVariable(w.ctx, engine.Scope{}, "n", raw("by a person")); err != nil {
					return nil, err
				}
			}
			return raw(c.Attempt()), c.SetVariable(true, "n", raw("after "+string(v)))
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		w.same("n", string(raw(`after "by a person"`)), string(w.value("n").Value))
		w.same("runs", int64(2), runs.Load())
		w.same("attempt", "1", string(r.view(id).Result))
	}},
	{"a name for each row fails at the one that is too many, at once or over several jobs", func(w *world) {
		w.table(0)
		r := w.runtime(Options{})
		runs := 0
		sets := func(from, to int) engine.Hook {
			return func(c *engine.Call) (engine.Raw, error) {
				runs++
				if _, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (?, 1)", []any{int64(from)}); err != nil {
					return nil, err
				}
				for i := from; i < to; i++ {
					if err := c.SetVariable(false, fmt.Sprint("row", i), raw(i)); err != nil {
						f := engine.AsFailure(err)
						f.Message = fmt.Sprintf("at %d: %s", i, f.Message)
						return nil, f
					}
				}
				return nil, nil
			}
		}
		for i, x := range []struct {
			from, to int
			at       string // the beginning of the error; "": it completes
		}{
			{0, 600, ""},
			{5000, 5001 + engine.MaxVariables, "at 6000: state has 1000 names"},
			{600, 1001, "state has 1000 names"},
			{600, 1000, ""},
			{0, 1000, ""},
		} {
			t := consumes("t", sets(x.from, x.to))
			t.Settings.Retry.Max = 3
			runs = 0
			w.exec("DELETE FROM t")
			id := r.make(engine.NewJob{Type: "t"}, t)
			r.untilIdle(t)
			w.same(fmt.Sprint("runs of ", i), 1, runs)
			switch j := r.view(id); {
			case x.at == "":
				r.stands("completed", id)
			case j.Error == nil || j.Error.Code != "usage" || !strings.HasPrefix(j.Error.Message, x.at) ||
				!strings.HasSuffix(j.Error.Message, "Keep what there is one of for each row in records, or in a table of your own"):
				w.Errorf("job %d: %v", i, j.Error)
			default:
				w.same("rows of a hook that failed", int64(0), w.count("SELECT COUNT(*) FROM t"))
			}
		}
		w.same("names", int64(engine.MaxVariables), w.count("SELECT COUNT(*) FROM ds_vars WHERE value IS NOT NULL"))
	}},
}
