package storetest

import (
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// seatCases are about how many hooks have connections at once.
var seatCases = []testCase{
	{"hooks that want more connections than they may have wait for each other, and end", func(w *world) {
		w.table(3)
		w.exec("CREATE TABLE u (id INTEGER PRIMARY KEY)")
		const n, most = 12, 2
		one, two := w.in.Connect(w.t, false), w.in.Connect(w.t, true)
		var has, peak atomic.Int64
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			id, ctx := int64(c.Job().ID), c.Context()
			own := func() error { return exec(c.Session(), ctx, "INSERT INTO t VALUES (?, 0)", 1000+id) }
			other := func() error {
				_, err := c.Join("one", one).Query(ctx, "SELECT id FROM u", nil)
				return err
			}
			steps := []func() error{own, other}
			if id%2 == 0 { // half of them begin with the one database, half with the other
				steps = []func() error{other, own}
			}
			steps = append(steps, func() error {
				now := has.Add(1)
				for old := peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
				}
				_, err := c.Join("two", two).Query(ctx, "SELECT id FROM u", nil)
				return err
			}, func() error {
				_, err := c.Session().Query(ctx, "SELECT id FROM t", nil) // what follows spools it
				return err
			}, func() error {
				_, err := c.Catch(func() error {
					_, err := c.Session().Ensure(ctx, "made", []engine.Column{{Name: "id", Type: "integer"}}, []string{"id"})
					return err
				})
				return err
			}, func() error {
				has.Add(-1)
				return c.Checkpoint(raw("half"), true)
			}, func() error {
				return exec(c.Session(), ctx, "INSERT INTO u VALUES (?)", id)
			})
			for _, step := range steps {
				if err := step(); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		t.Settings.Slots = map[engine.Phase]int{engine.PhaseConsume: n}
		r := w.runtime(Options{})
		for range n {
			r.make(engine.NewJob{Type: "t"}, t)
		}
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Connections: most})
		w.until("all have completed", func() bool {
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = ?", int64(engine.StatusCompleted)) == n
		})
		stop()
		w.same("rows of first parts", 3+n, len(w.inTable()))
		w.same("rows of second parts", int64(n), w.count("SELECT COUNT(*) FROM u"))
		if peak.Load() > most {
			w.Errorf("%d hooks had connections at once, more than %d", peak.Load(), most)
		}
	}},
	{"a wait for a connection is not a hook's own time", func(w *world) {
		if !w.in.Rows {
			return // whoever writes there keeps all others from it: see those of sessions
		}
		w.table(0)
		holds, begun, leave := make(chan bool), make(chan bool), make(chan bool)
		write := func(c *engine.Call) error {
			return exec(c.Session(), c.Context(), "INSERT INTO t VALUES (?, 0)", int64(c.Job().ID))
		}
		holder := consumes("holder", func(c *engine.Call) (engine.Raw, error) {
			if err := write(c); err != nil {
				return nil, err
			}
			close(holds)
			<-leave
			return nil, nil
		})
		const limit = time.Second
		waiter := consumes("waiter", func(c *engine.Call) (engine.Raw, error) {
			close(begun)
			return nil, write(c)
		})
		waiter.Settings.Timeout = map[engine.Phase]time.Duration{engine.PhaseConsume: limit}
		r := w.runtime(Options{})
		held := r.make(engine.NewJob{Type: "holder"}, holder, waiter)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{holder, waiter}, Connections: 1})
		<-holds
		waits := r.make(engine.NewJob{Type: "waiter"})
		<-begun
		began := time.Now()
		w.until("its time would be over", func() bool { return time.Since(began) > 3*limit })
		w.stands("consume/running", held, waits)
		close(leave)
		w.until("both have ended", func() bool {
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status <> ?", int64(engine.StatusWaiting)) == 2
		})
		stop()
		w.stands("completed", held, waits)
		w.same("rows", 2, len(w.inTable()))
	}},
	{"a wait for a connection is not the own time of what runs after a commit", func(w *world) {
		if !w.in.Rows {
			return // reading waits for nobody there
		}
		w.table(0)
		begun, holds, waits, leave := make(chan bool), make(chan bool), make(chan bool), make(chan bool)
		holder := consumes("holder", func(c *engine.Call) (engine.Raw, error) {
			<-begun
			err := exec(c.Session(), c.Context(), "INSERT INTO t VALUES (1, 0)")
			close(holds)
			<-leave
			return nil, err
		})
		const limit = 1500 * time.Millisecond
		var reads error
		reader := consumes("reader", func(c *engine.Call) (engine.Raw, error) {
			if err := exec(c.Session(), c.Context(), "INSERT INTO t VALUES (2, 0)"); err != nil {
				return nil, err
			}
			close(begun)
			c.OnCommit(func() error {
				<-holds
				close(waits)
				var rows engine.Rows
				if rows, reads = c.Session().Query(c.Context(), "SELECT id FROM t", nil); reads == nil {
					rows.Close()
				}
				return reads
			})
			return nil, c.Checkpoint(raw("half"), true)
		})
		reader.Settings.Timeout = map[engine.Phase]time.Duration{engine.PhaseConsume: limit}
		r := w.runtime(Options{})
		held, read := r.make(engine.NewJob{Type: "holder"}, holder, reader), r.make(engine.NewJob{Type: "reader"})
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{holder, reader}, Connections: 1})
		<-waits
		began := time.Now()
		w.until("its time would be over", func() bool { return time.Since(began) > 2*limit })
		w.stands("consume/running", held, read)
		close(leave)
		w.until("both have ended", func() bool {
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status <> ?", int64(engine.StatusWaiting)) == 2
		})
		stop()
		w.stands("completed", held, read)
		w.must(reads)
	}},
	{"hooks that want the only writer keep nobody from another database", func(w *world) {
		if w.in.Rows {
			return // it has as many writers as connections
		}
		w.table(0)
		other := w.in.Elsewhere(w.t)
		holds, writes, leave := make(chan bool), make(chan bool), make(chan bool)
		holder := consumes("holder", func(c *engine.Call) (engine.Raw, error) {
			err := exec(c.Session(), c.Context(), "INSERT INTO t VALUES (1, 0)")
			close(holds)
			<-leave
			return nil, err
		})
		writer := consumes("writer", func(c *engine.Call) (engine.Raw, error) {
			<-holds
			_, err := c.Join("other", other).Ensure(c.Context(), "u", []engine.Column{{Name: "id", Type: "integer"}}, []string{"id"})
			close(writes)
			return nil, err
		})
		r := w.runtime(Options{})
		ids := []engine.JobID{r.make(engine.NewJob{Type: "holder"}, holder, writer), r.make(engine.NewJob{Type: "writer"})}
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{holder, writer}, Connections: 1})
		select {
		case <-writes:
		case <-time.After(patience):
			w.Error("it waits for the other hook")
		}
		close(leave)
		w.until("both have ended", func() bool {
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status <> ?", int64(engine.StatusWaiting)) == 2
		})
		stop()
		w.stands("completed", ids...)
	}},
}
