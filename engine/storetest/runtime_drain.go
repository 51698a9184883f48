package storetest

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// drainCases are about the end of a process.
var drainCases = []testCase{
	{"a job whose position cannot be read fails", func(w *world) {
		r := w.runtime(Options{})
		runs := 0
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if runs++; runs == 1 {
				return nil, errors.Join(c.Checkpoint(raw(1), true), c.Snooze(time.Hour))
			}
			return nil, nil
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		w.until("it sleeps", func() bool { return w.count("SELECT count(*) FROM ds_delayed WHERE id > 0") == 1 })
		stop()
		w.exec("UPDATE ds_jobs SET position = '{\"l\": 5}' WHERE id = ?", id)
		w.due(id)
		r.untilIdle(t)
		w.stands("failed", id)
		w.same("runs", 1, runs)
		if j := r.view(id); j.Error == nil || !strings.Contains(j.Error.Message, "the position of its last checkpoint cannot be read") {
			w.Errorf("got %+v", j.Error)
		}
	}},
	{"a checkpoint that gets nowhere does not begin the attempts anew", func(w *world) {
		r := w.runtime(Options{})
		runs := map[string]int{}
		var mu sync.Mutex // the hooks run side by side
		hook := func(name string, write func(c *engine.Call, run int) error) *engine.Type {
			t := consumes(name, func(c *engine.Call) (engine.Raw, error) {
				mu.Lock()
				runs[name]++
				run := runs[name]
				mu.Unlock()
				if run > 20 {
					return nil, c.Cancel("it is tried for ever")
				}
				if err := write(c, run); err != nil {
					return nil, err
				}
				return nil, errors.New("always")
			})
			t.Settings.Retry = engine.RetryPolicy{Max: 3, First: time.Millisecond}
			return t
		}
		types := []*engine.Type{
			hook("same", func(c *engine.Call, _ int) error { return c.Checkpoint(raw(1), true) }),
			hook("none", func(c *engine.Call, _ int) error { return c.Checkpoint(nil, false) }),
			hook("further", func(c *engine.Call, run int) error { return c.Checkpoint(raw(min(run, 5)), true) }),
			hook("state", func(c *engine.Call, run int) error {
				if run > 5 {
					return nil
				}
				return errors.Join(c.SetVariable(false, "n", raw(1)), c.Checkpoint(raw(1), true))
			}),
		}
		for _, t := range types {
			r.make(engine.NewJob{Type: t.Name}, types...)
		}
		r.untilIdle(types...)
		// The first checkpoint of "same" does get somewhere: from nowhere to 1.
		w.same("runs", map[string]int{"same": 3, "none": 3, "further": 7, "state": 7}, runs)
	}},
	{"a job that comes back at once is not taken for done", func(w *world) {
		r := w.runtime(Options{})
		runs := 0
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if runs++; runs < 200 {
				return nil, c.Snooze(time.Millisecond)
			}
			return nil, nil
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		w.stands("completed", id)
		w.same("runs", 200, runs)
	}},
	{"a job whose hook waits for another database is given back at once", func(w *world) {
		r := w.runtime(Options{})
		var runs atomic.Int64
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			runs.Add(1)
			err := engine.Errorf(engine.CodeUnreachable, "the other database cannot be reached")
			c.Unreached(err)
			return nil, err
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Drain: time.Hour})
		w.until("it waits", func() bool { return runs.Load() > 1 })
		w.until("that is shown", func() bool {
			p := w.view(id).Progress
			return p != nil && p.Note == "waits for a database: the other database cannot be reached"
		})
		stop()
		w.stands("consume/waiting", id)
		lines, err := w.store.Logs(w.ctx, id, 0, 0, true, 10)
		w.must(err)
		if n := len(lines); n == 0 || !strings.Contains(lines[n-1].Message, ", while consume waited for a database. It burns no attempt, and goes on, from its beginning, on the next server") {
			w.Errorf("its log does not say why it ended: %+v", lines)
		}
	}},
	{"a hook that nothing stops is left behind, and its job given back", func(w *world) {
		r := w.runtime(Options{})
		w.table(0)
		begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if !w.in.Rows { // it would hold the only writer
				close(begun)
				<-end
				return nil, nil
			}
			_, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (1, 1)", nil)
			close(begun)
			<-end
			ended <- err
			return nil, nil
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Drain: time.Millisecond})
		<-begun
		stop()
		w.stands("consume/waiting", id)
		lines, err := w.store.Logs(w.ctx, id, 0, 0, true, 10)
		w.must(err)
		if len(lines) != 1 || lines[0].Attempt != 1 || !strings.Contains(lines[0].Message, "server here was stopped at 20") || !strings.Contains(lines[0].Message, "It is left behind and can commit nothing any more") {
			w.Errorf("its log does not say why it ended: %+v", lines)
		}

		again := consumes("t", func(*engine.Call) (engine.Raw, error) { return nil, nil })
		r.untilIdle(again)
		w.stands("completed", id)
		close(end)
		if w.in.Rows {
			w.must(<-ended)
		}
		w.same("rows of the hook that was left behind", int64(0), w.count("SELECT count(*) FROM t"))
	}},
	{"a hook that nothing stops and that has the only writer does not keep the process", func(w *world) {
		r := w.runtime(Options{})
		w.table(0)
		begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			defer close(ended)
			_, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (1, 1)", nil)
			close(begun)
			<-end
			return nil, err
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Drain: time.Millisecond})
		<-begun
		stop()
		close(end)
		<-ended
		w.until("its job is given back", func() bool { return w.state(id) == "consume/waiting" })
		w.same("rows of the hook that was left behind", int64(0), w.count("SELECT count(*) FROM t"))
	}},
}
