package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// orders imports windows: the days of backfills into the table t, one row each,
// and what live jobs got into a list. hold is called by each.
func orders(live *liveWindows, hold func(c *engine.Call, w engine.Window) error) *engine.Type {
	return goType("orders", map[engine.Phase]engine.Hook{engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
		x, err := c.Window(engine.WindowAsk{Start: day(1)})
		if err == nil {
			err = hold(c, x)
		}
		if err != nil {
			return nil, err
		}
		if !x.Backfill {
			live.add(x)
			return nil, nil
		}
		_, err = c.Session().Exec(c.Context(), "INSERT INTO t VALUES (?, 1)", []any{x.Start.Sub(day(0)).Hours() / 24})
		return nil, err
	}})
}

// liveWindows are those that live jobs have imported.
type liveWindows struct {
	mu   sync.Mutex
	list []engine.Window
}

func (l *liveWindows) add(w engine.Window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, w)
}

func (l *liveWindows) all() []engine.Window {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]engine.Window(nil), l.list...)
}

// backfill enqueues jobs for days, as the command does, and gives the first one.
func (r *runtime) backfill(typ string, from, days int, types ...*engine.Type) engine.JobID {
	r.Helper()
	_, err := r.eng.RegisterTypes(r.ctx, types...)
	r.must(err)
	var list []engine.NewJob
	for n := range days {
		list = append(list, engine.NewJob{Type: typ, Key: fmt.Sprint("backfill:", n), Window: &engine.Window{Start: day(from + n), End: day(from + n + 1), Backfill: true}})
	}
	made, err := r.eng.Enqueue(r.ctx, list...)
	r.must(err)
	r.same("jobs", days, len(made))
	return made[0].ID
}

// proceed waits until something has happened, or the hook must end.
func proceed(c *engine.Call, happened <-chan struct{}) error {
	select {
	case <-happened:
		return nil
	case <-c.Context().Done():
		return context.Cause(c.Context())
	}
}

var windowRunCases = []testCase{
	{"two years by day beside a live schedule, which neither waits for them nor is moved back", func(w *world) {
		const days = 731
		w.table(0)
		r := w.runtime(Options{})
		live, goOn := &liveWindows{}, make(chan struct{})
		var held atomic.Int64
		t := orders(live, func(c *engine.Call, x engine.Window) error {
			if !x.Backfill {
				return nil
			}
			held.Add(1) // without a look at the database, which would slow it down
			return proceed(c, goOn)
		})
		t.Settings.Schedule = engine.Schedule{Every: time.Second} // overlap: skip
		first := r.backfill("orders", 1, days, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		w.until("a window of the backfill holds its only slot", func() bool { return held.Load() == 1 })
		had := len(live.all())
		w.until("live jobs go on", func() bool { return len(live.all()) >= had+2 })
		w.same("days imported meanwhile", int64(0), w.count("SELECT COUNT(*) FROM t"))
		close(goOn)
		w.until("all windows have been worked on", func() bool { return held.Load() >= days })
		w.until("all days are imported", func() bool { return w.count("SELECT COUNT(*) FROM t") == days })
		had = len(live.all())
		w.until("live jobs go on", func() bool { return len(live.all()) > had })
		stop()
		w.same("jobs that completed", int64(days+len(live.all())), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"))
		w.same("jobs", w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"), w.count("SELECT COUNT(*) FROM ds_jobs"))
		next := day(1)
		for i, x := range live.all() {
			if !x.Start.Equal(next) || !x.End.After(x.Start) {
				w.Fatalf("live window %d is from %v to %v: want it to begin at %v", i, x.Start, x.End, next)
			}
			next = x.End
		}
		ends, err := w.store.WindowEnds(w.ctx, w.view(first).TypeID)
		w.must(err)
		w.same("imported", []engine.WindowEnd{{End: next}}, ends)
	}},
	{"what a backfill emits and enqueues is worked apart, too", func(w *world) {
		r := w.runtime(Options{})
		goOn := make(chan struct{})
		var held, live atomic.Int64
		other := consumes("other", func(c *engine.Call) (engine.Raw, error) {
			if c.Job().Windowed.Has(engine.WindowBackfill) {
				held.Add(1)
				return nil, proceed(c, goOn)
			}
			live.Add(1)
			return nil, nil
		})
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				if _, err := c.Enqueue(engine.Emission{Type: "other"}); err != nil {
					return nil, err
				}
				return emits(30)(c)
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				if c.Job().Windowed.Has(engine.WindowBackfill) {
					held.Add(1)
					return nil, proceed(c, goOn)
				}
				live.Add(1)
				return nil, nil
			},
			engine.PhaseFinish: givesNone,
		})
		first := r.backfill("t", 1, 1, t, other)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t, other}})
		w.until("the backfill holds all of its slots", func() bool { return held.Load() == 4+1 })
		id := r.make(engine.NewJob{Type: "t"}, t, other)
		w.until("a live job is worked meanwhile, items and all", func() bool { return w.state(id) == "completed" && live.Load() == 31 })
		w.stands("produce/open", first)
		close(goOn)
		w.until("all is done", func() bool { return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status <> 4") == 0 })
		stop()
		w.same("worked apart", int64(31), held.Load())
	}},
	{"a process that runs until idle works the backfill off", func(w *world) {
		w.table(0)
		r := w.runtime(Options{})
		t := orders(&liveWindows{}, func(*engine.Call, engine.Window) error { return nil })
		r.backfill("orders", 1, 20, t)
		r.untilIdle(t)
		w.same("days", int64(20), w.count("SELECT COUNT(*) FROM t"))
	}},
	{"all attempts and phases of a job, and its items, see one window", func(w *world) {
		r := w.runtime(Options{})
		var mu sync.Mutex
		var seen []string
		see := func(c *engine.Call) error {
			x, err := c.Window(engine.WindowAsk{Start: day(1), End: day(3).Add(time.Duration(len(seen)) * time.Hour)})
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(c.Job().Phase, " ", x.Start.Format(time.DateOnly), " ", x.End.Format(time.RFC3339)))
			return err
		}
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				if err := see(c); err != nil || c.Attempt() == 1 {
					return nil, fmt.Errorf("the first attempt: %v", err)
				}
				if err := c.Checkpoint(raw(1), true); err != nil {
					return nil, err
				}
				return emits(1)(c)
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, see(c) },
			engine.PhaseFinish:  func(c *engine.Call) (engine.Raw, error) { return nil, see(c) },
			engine.PhaseFail:    func(c *engine.Call) (engine.Raw, error) { return nil, see(c) },
		})
		t.Settings.Retry = engine.RetryPolicy{Max: 2, First: time.Nanosecond, Jitter: -1}
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		w.stands("completed", id)
		const span = " 1970-01-01 1970-01-03T00:00:00Z"
		w.same("windows", []string{"produce" + span, "fail" + span, "produce" + span, "consume" + span, "finish" + span}, seen)
		w.same("imported", "3", w.end(w.view(id).TypeID))
	}},
	{"where there is no window a hook is told what to do", func(w *world) {
		w.table(0)
		r := w.runtime(Options{})
		var mu sync.Mutex
		said := map[string]string{}
		ask := func(c *engine.Call, what string) {
			_, err := c.Window(engine.WindowAsk{Start: day(1)})
			c.Log(slog.LevelInfo, what, nil)
			mu.Lock()
			defer mu.Unlock()
			said[what] = fmt.Sprint(err)
		}
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				if made, err := c.Session().Ensure(c.Context(), "made", []engine.Column{{Name: "id", Type: "integer"}}, nil); err != nil || !made || c.Session().Changed() {
					w.Errorf("a table that is made counts as something that was written (%v, %v)", made, err)
				}
				if _, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (1, 1)", nil); err != nil {
					return nil, err
				}
				ask(c, "written")
				_, err := c.Window(engine.WindowAsk{Start: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)})
				said["year"] = fmt.Sprint(err)
				return emits(1)(c)
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { ask(c, "item"); return nil, nil },
			engine.PhaseFinish:  func(c *engine.Call) (engine.Raw, error) { ask(c, "finish"); return nil, nil },
		})
		bad := goType("bad", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) { return nil, fmt.Errorf("it fails") },
			engine.PhaseFail:    func(c *engine.Call) (engine.Raw, error) { ask(c, "fail"); return nil, nil },
		})
		r.make(engine.NewJob{Type: "t"}, t)
		r.make(engine.NewJob{Type: "bad"}, bad)
		r.untilIdle(t, bad)
		for what, want := range map[string]string{
			"written": "call it before anything is written to the database", "item": "call ctx.window there, before it emits",
			"finish": "call ctx.window in produce or consume", "fail": "call ctx.window in produce or consume", "year": "not in 12000",
		} {
			if !strings.Contains(said[what], want) {
				w.Errorf("%s: want an error with %q, got %q", what, want, said[what])
			}
		}
		w.same("windows", int64(0), w.count("SELECT COUNT(*) FROM ds_windows"))
	}},
	{"a job whose window another one has imported says so in its log", func(w *world) {
		r := w.runtime(Options{})
		var runs atomic.Int64
		fixed, goOn := make(chan struct{}), make(chan struct{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			run := int(runs.Add(1))
			_, err := c.Window(engine.WindowAsk{Start: day(1), End: day(2 + run)})
			switch {
			case err == nil && run == 1:
				err = errors.New("it fails once")
			case err == nil && run == 2:
				close(fixed)
				err = proceed(c, goOn)
			}
			return nil, err
		})
		t.Settings.Retry = engine.RetryPolicy{Max: 1}
		t.Settings.Slots = map[engine.Phase]int{engine.PhaseConsume: 2}
		retried := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		slow := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		<-fixed
		quick := r.make(engine.NewJob{Type: "t"}, t)
		w.until("the second is done", func() bool { return w.state(quick) == "completed" })
		close(goOn)
		w.until("the first is done", func() bool { return w.state(slow) == "completed" })
		stop()
		w.must(w.store.Retry(w.ctx, retried, engine.RetryOptions{}))
		r.untilIdle(t)
		w.stands("completed", retried)
		for id, want := range map[engine.JobID]string{
			retried: "from 1970-01-01T00:00:00Z to 1970-01-03T00:00:00Z, counts as imported up to 1970-01-03T00:00:00Z already",
			slow:    "from 1970-01-01T00:00:00Z to 1970-01-04T00:00:00Z, counts as imported up to 1970-01-04T00:00:00Z already",
			quick:   "",
		} {
			lines, err := w.store.Logs(w.ctx, id, 0, 0, true, 10)
			w.must(err)
			var said []string
			for _, l := range lines {
				said = append(said, l.Message)
			}
			if want == "" && len(said) > 0 || want != "" && (len(said) != 1 || !strings.Contains(said[0], want)) {
				w.Errorf("the log of job %d: want one line with %q, got %q", id, want, said)
			}
		}
	}},
	{"a hook that is late gets no window", func(w *world) {
		r := w.runtime(Options{})
		var runs atomic.Int64
		begun, goOn := make(chan struct{}), make(chan struct{})
		late := make(chan error, 1)
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if runs.Add(1) == 1 {
				close(begun)
				<-goOn
				_, err := c.Window(engine.WindowAsk{Start: day(1), End: day(2)})
				late <- err
				return nil, err
			}
			_, err := c.Window(engine.WindowAsk{Start: day(1), End: day(5)})
			return nil, err
		})
		t.Settings.Slots = map[engine.Phase]int{engine.PhaseConsume: 2}
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		<-begun
		claims := w.rows("SELECT server FROM ds_claims")
		w.exec("UPDATE ds_claims SET server = 4711") // of a server that nobody knows
		w.same("claims", 1, len(claims))
		w.until("it is run again", func() bool { w.rescue(); return w.state(id) == "completed" })
		close(goOn)
		w.code("the late one", engine.CodeLost, <-late)
		stop()
		w.same("window", "1-5", w.windowOf(id))
		w.same("imported", "5", w.end(w.view(id).TypeID))
	}},
}
