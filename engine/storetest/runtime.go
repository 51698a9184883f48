package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// runtime is an engine over a store, for tests of what the engine does with it.
type runtime struct {
	*world
	eng *engine.Engine
}

// runtime makes an engine over another store on the database. Set
// DSENGINE_TEST_LOG to see what it logs.
func (w *world) runtime(o Options) *runtime {
	w.Helper()
	return w.runtimeBy(engine.SystemClock{}, o)
}

// heldClock is the machine's, but for the time since it started, which passes
// when the test says so: nothing is given back for having waited for long.
type heldClock struct {
	engine.SystemClock
	boot atomic.Int64
}

func (c *heldClock) Boot() time.Duration { return time.Hour + time.Duration(c.boot.Load()) }

func (w *world) runtimeBy(clock engine.Clock, o Options) *runtime {
	w.Helper()
	var log *slog.Logger
	if os.Getenv("DSENGINE_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	eng, err := engine.Open(w.ctx, w.open(o), engine.Options{Logger: log, Clock: clock})
	w.must(err)
	return &runtime{w, eng}
}

// goType is a job type of Go hooks; failed attempts are not retried. Its name
// may have spaces, which become dashes, also for make.
func goType(name string, hooks map[engine.Phase]engine.Hook) *engine.Type {
	return &engine.Type{Name: strings.ReplaceAll(name, " ", "-"), Version: "1", Hooks: hooks, Settings: engine.Settings{Retry: engine.RetryPolicy{Max: 1}}}
}

// consumes is a job type with a consume hook alone.
func consumes(name string, hook engine.Hook) *engine.Type {
	return goType(name, map[engine.Phase]engine.Hook{engine.PhaseConsume: hook})
}

// start begins to run jobs of the types; what it gives drains and ends that.
func (r *runtime) start(o engine.ServerOptions) (stop func()) {
	r.Helper()
	if o.Name == "" {
		o.Name = "here"
	}
	s, err := r.eng.NewServer(r.ctx, o)
	r.must(err)
	ctx, cancel := context.WithCancel(r.ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		r.Helper()
		cancel()
		select {
		case err := <-ended:
			r.must(err)
		case <-time.After(patience):
			r.Fatal("the server does not end")
		}
	}
}

// untilIdle runs jobs of the types until nothing is left to do.
func (r *runtime) untilIdle(types ...*engine.Type) {
	r.Helper()
	s, err := r.eng.NewServer(r.ctx, engine.ServerOptions{Types: types, Name: "here", UntilIdle: true})
	r.must(err)
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	r.must(s.Run(ctx))
	if ctx.Err() != nil {
		r.Fatal("it does not become idle")
	}
}

// make enqueues a job of a type.
func (r *runtime) make(j engine.NewJob, types ...*engine.Type) engine.JobID {
	r.Helper()
	_, err := r.eng.RegisterTypes(r.ctx, types...)
	r.must(err)
	j.Type = strings.ReplaceAll(j.Type, " ", "-")
	made, err := r.eng.Enqueue(r.ctx, j)
	r.must(err)
	return made[0].ID
}

var runtimeCases = []testCase{
	{"a job is run and its result kept", func(w *world) {
		r := w.runtime(Options{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) { return c.Item(), nil })
		id := r.make(engine.NewJob{Type: "t", Payload: raw(7)}, t)
		r.untilIdle(t)
		r.same("result", "7", string(r.view(id).Result))
		r.stands("completed", id)
	}},
	{"a hook that keeps the writer for long is not taken for dead", func(w *world) {
		const lease = time.Second
		r := w.runtime(Options{Lease: lease})
		runs := 0
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			runs++
			if _, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (1, 1)", nil); err != nil {
				return nil, err
			}
			// Its server's row is old, so that the heartbeat has something to write.
			return nil, c.Sleep(3 * lease)
		})
		w.table(0)
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Lease: lease})
		w.until("the server is there", func() bool { return len(w.servers()) == 2 })
		if !w.in.Rows {
			w.until("its row is old", func() bool {
				_, err := w.db.ExecContext(w.ctx, "UPDATE ds_servers SET seen_at = "+w.now(-time.Hour))
				return err == nil || runs > 0
			})
		}
		w.until("it is completed", func() bool { return w.state(id) == "completed" })
		stop()
		w.same("runs", 1, runs)
	}},
	{"a transaction with a large open result is kept alive by its pings", func(w *world) {
		const lease = 20 * time.Second // also how long the server waits for a reader that a busy machine keeps waiting
		w.table(0)
		w.fill(20_000)
		r := w.runtime(Options{Lease: lease})
		runs := 0
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			runs++
			rows, err := c.Session().Query(c.Context(), "SELECT a.id FROM t a, (SELECT id FROM t LIMIT 10) b", nil)
			if err != nil {
				return nil, err
			}
			n := 0
			for ; ; n++ {
				if n == 10 {
					if err := c.Sleep(3 * lease / 2); err != nil {
						return nil, err
					}
				}
				if _, err := rows.Next(c.Context()); err == io.EOF {
					break
				} else if err != nil {
					return nil, err
				}
			}
			if _, err := c.Session().Exec(c.Context(), "UPDATE t SET v = 1 WHERE id = 1", nil); err != nil {
				return nil, err
			}
			return raw(n), nil
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Lease: 30 * time.Second})
		w.until("it is completed", func() bool { return w.state(id) == "completed" })
		stop()
		w.same("rows", "200000", string(w.view(id).Result))
		w.same("runs", 1, runs)
	}},
	{"large results of many jobs are written all the same", func(w *world) {
		r := w.runtime(Options{})
		large := raw(strings.Repeat("\"\\", 200_000)) // 0.8 MB of JSON, twice that as SQL
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) { return large, nil })
		const n = 40
		var ids []engine.JobID
		for range n {
			ids = append(ids, r.make(engine.NewJob{Type: "t"}, t))
		}
		r.untilIdle(t)
		w.stands("completed", ids...)
		w.same("result", string(large), string(w.view(ids[n-1]).Result))
	}},
	{"emit_all of a query commits by itself, however many rows it has", func(w *world) {
		w.table(0)
		w.fill(engine.MaxPendingItems + 2000)
		r := w.runtime(Options{})
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				rows, err := c.Session().Query(c.Context(), "SELECT id FROM t ORDER BY id", nil)
				if err == nil {
					_, err = c.EmitAll(rowEmissions{c, rows}, engine.LoopID{})
				}
				return nil, err
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, nil },
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		w.stands("completed", id)
		w.same("items", int64(engine.MaxPendingItems+2000), w.view(id).Items)
	}},
	{"emit_all commits by itself, whatever else waits", func(w *world) {
		const n = engine.MaxPendingItems + 500
		r := w.runtime(Options{})
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				if err := c.SetVariable(true, "x", raw(1)); err != nil {
					return nil, err
				}
				if _, err := c.Emit(engine.Emission{Payload: raw("first"), Key: "3"}); err != nil {
					return nil, err
				}
				made, err := c.EmitAll(&counted{n: n, key: true}, engine.LoopID{})
				c.Count("made", made)
				return nil, err
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, nil },
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		w.stands("completed", id)
		w.same("items: one has the key of another", int64(n), w.view(id).Items)
		w.same("made by the loop", int64(n-1), w.view(id).Stats["made"])
	}},
	{"a log line of any bytes is written, and stops no other", func(w *world) {
		r := w.runtime(Options{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			c.Log(slog.LevelInfo, "caf\xe9 "+strings.Repeat("é", 10_000), map[string]any{"k\xff": "\xc3"})
			c.Log(slog.LevelInfo, "second", nil)
			c.Progress(engine.Progress{Done: 1, Note: "\xe9"})
			return nil, nil
		})
		id := r.make(engine.NewJob{Type: "t", Key: "k"}, t)
		r.untilIdle(t)
		lines, err := w.store.Logs(w.ctx, id, 0, 0, false, 10)
		w.must(err)
		w.same("lines", 2, len(lines))
		w.same("the second", "second", lines[len(lines)-1].Message)
		_, err = r.eng.Enqueue(w.ctx, engine.NewJob{Type: "t", Key: "\xe9"})
		w.code("a key that is no text", engine.CodeUsage, err)
		_, err = r.eng.Enqueue(w.ctx, engine.NewJob{Type: "t", Payload: engine.Raw("\"\xe9\"")})
		w.code("a payload that is no text", engine.CodeUsage, err)
		_, err = r.eng.NewServer(w.ctx, engine.ServerOptions{Types: []*engine.Type{t}, Name: "caf\xe9"})
		w.code("a name that is no text", engine.CodeUsage, err)
	}},
	{"a claim that cannot be given back does not stop the heartbeat", func(w *world) {
		if !w.in.Rows {
			return
		}
		const lease = 2 * time.Second
		r := w.runtime(Options{Lease: lease})
		begun, runs := make(chan struct{}), 0
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if runs++; runs == 1 {
				close(begun)
			}
			return nil, c.Sleep(3 * lease)
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Lease: lease})
		<-begun
		srv := w.count("SELECT MAX(id) FROM ds_servers")
		w.exec("INSERT INTO ds_claims (id, server, size, claimed_at, jobs) VALUES ('0123456789abcdef', ?, 1, "+w.now(0)+", '[4711,1,0]')", srv)
		tx := w.begin(sql.LevelDefault)
		var n int
		w.must(tx.QueryRow("SELECT size FROM ds_claims WHERE id = '0123456789abcdef' FOR UPDATE").Scan(&n))
		w.until("it is completed", func() bool { return w.state(id) == "completed" })
		w.must(tx.Rollback())
		stop()
		w.same("runs", 1, runs)
	}},
	{"nothing is claimed ahead while it is not known how long a hook takes", func(w *world) {
		const servers = 3
		began, end := make(chan string, servers), make(chan struct{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			began <- c.Server()
			select {
			case <-end:
			case <-c.Context().Done():
			}
			return nil, nil
		})
		ran := map[string]bool{}
		for n := range servers {
			r := w.runtimeBy(&heldClock{}, Options{})
			if n == 0 {
				for range servers {
					r.make(engine.NewJob{Type: "t"}, t)
				}
			}
			defer r.start(engine.ServerOptions{
				Types: []*engine.Type{t}, Name: fmt.Sprint("s", n), Slots: map[string]map[engine.Phase]int{"t": {engine.PhaseConsume: 1}},
			})()
			select {
			case name := <-began:
				ran[name] = true
			case <-time.After(patience):
				w.Fatalf("server %d has a slot and no job: others hold them", n)
			}
		}
		close(end)
		w.same("servers that ran one", servers, len(ran))
		w.until("all are completed", func() bool { return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == servers })
	}},
	{"jobs that were claimed ahead of slow hooks are given back", func(w *world) {
		clock := &heldClock{}
		r := w.runtimeBy(clock, Options{})
		var mu sync.Mutex
		began, slow := 0, make(chan struct{})
		hook := func(c *engine.Call) (engine.Raw, error) {
			mu.Lock()
			began++
			wait := began > 500
			mu.Unlock()
			if wait && c.Server() == "first" {
				select {
				case <-slow:
				case <-c.Context().Done():
				}
			}
			return nil, nil
		}
		t := consumes("t", hook)
		_, err := r.eng.RegisterTypes(w.ctx, t)
		w.must(err)
		list := make([]engine.NewJob, 4000)
		for i := range list {
			list[i].Type = "t"
		}
		made, err := r.eng.Enqueue(w.ctx, list...)
		w.must(err)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Name: "first"})
		w.until("all its slots are held", func() bool { mu.Lock(); defer mu.Unlock(); return began >= 504 })
		other := w.runtime(Options{})
		stopOther := other.start(engine.ServerOptions{Types: []*engine.Type{t}, Name: "second"})
		looks := 0
		w.until("another server does the rest", func() bool {
			if looks++; looks == 1 || looks == 20 { // a claim may have been under way at first
				clock.boot.Add(int64(1100 * time.Millisecond))
			}
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == int64(len(made)-4)
		})
		close(slow)
		stop()
		stopOther()
		w.same("completed", int64(len(made)), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"))
	}},
	{"on a caller's transaction a type must be known before", func(w *world) {
		r := w.runtime(Options{})
		tx, err := w.in.Handle(r.eng.Store()).BeginTx(w.ctx, nil)
		w.must(err)
		_, err = r.eng.EnqueueTx(w.ctx, tx, engine.NewJob{Type: "unknown", Phase: engine.PhaseConsume})
		w.code("a type that nobody knows", engine.CodeNotFound, err)
		w.must(tx.Rollback())
	}},
}

// fill gives the table t rows 1 to n, with v = 0.
func (w *world) fill(n int) {
	w.Helper()
	for at := 0; at < n; at += 1000 {
		var q strings.Builder
		for i := at; i < min(n, at+1000); i++ {
			if i > at {
				q.WriteByte(',')
			}
			fmt.Fprintf(&q, "(%d, 0)", i+1)
		}
		w.exec("INSERT INTO t VALUES " + q.String())
	}
}

// counted gives the numbers 0 to n - 1, with themselves as keys if it is so.
type counted struct {
	n, at int
	key   bool
}

func (e *counted) NextEmission() (engine.Emission, error) {
	if e.at == e.n {
		return engine.Emission{}, io.EOF
	}
	x := engine.Emission{Payload: raw(e.at)}
	if e.key {
		x.Key = fmt.Sprint(e.at)
	}
	e.at++
	return x, nil
}

// rowEmissions makes an item of each row.
type rowEmissions struct {
	c    *engine.Call
	rows engine.Rows
}

func (e rowEmissions) NextEmission() (engine.Emission, error) {
	row, err := e.rows.Next(e.c.Context())
	if err != nil {
		return engine.Emission{}, err
	}
	return engine.Emission{Payload: raw(row[0])}, nil
}
