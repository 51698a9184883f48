package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// awayCases are about what an engine does when its connections are lost.
var awayCases = []testCase{
	{"a hook whose transaction is lost while it does something else ends at once, and is told", func(w *world) {
		if !w.in.Rows {
			return // there is no connection that could be lost
		}
		w.table(0)
		r := w.runtime(Options{Lease: time.Second})
		var runs atomic.Int64
		begun, ended := make(chan int64), make(chan error, 1)
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if _, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (1, 1)", nil); err != nil {
				return nil, err
			}
			if runs.Add(1) > 1 {
				return raw(c.Attempt()), nil
			}
			rows, err := c.Session().Query(c.Context(), "SELECT CONNECTION_ID()", nil)
			if err != nil {
				return nil, err
			}
			row, err := rows.Next(c.Context())
			if err != nil {
				return nil, err
			}
			begun <- row[0].(int64)
			<-c.Context().Done() // it uses the database no more
			ended <- context.Cause(c.Context())
			return raw("it goes on as if nothing had happened"), nil
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		w.exec(fmt.Sprintf("KILL %d", <-begun))
		select {
		case err := <-ended:
			w.code("why it ended", engine.CodeRetry, err)
		case <-time.After(patience):
			w.Fatal("it is not told that its transaction is gone")
		}
		w.until("it is completed", func() bool { return w.state(id) == "completed" })
		stop()
		w.same("runs, and the attempt of the last", []string{"2", "1"}, []string{fmt.Sprint(runs.Load()), string(r.view(id).Result)})
		w.same("rows", int64(1), w.count("SELECT COUNT(*) FROM t"))
		lines, err := w.store.Logs(w.ctx, id, 0, 0, true, 10)
		w.must(err)
		if len(lines) != 1 || lines[0].Attempt != 1 || !strings.HasPrefix(lines[0].Message, "the transaction of the job was lost with the connection to the database (") ||
			!strings.Contains(lines[0].Message, "): consume runs again, from its beginning. It burns no attempt") {
			w.Errorf("its log says %+v", lines)
		}
	}},
	{"a database that was away for all kills none of them", func(w *world) {
		if !w.in.Rows {
			return // who lives is told by the machine
		}
		const lease = time.Second
		start := func(name string) (*unreachable, func()) {
			u := &unreachable{Store: w.open(Options{})}
			eng, err := engine.Open(w.ctx, u, engine.Options{})
			w.must(err)
			srv, err := eng.NewServer(w.ctx, engine.ServerOptions{Name: name, Lease: lease})
			w.must(err)
			ctx, cancel := context.WithCancel(w.ctx)
			over := make(chan error, 1)
			go func() { over <- srv.Run(ctx) }()
			return u, func() { cancel(); w.must(<-over) }
		}
		one, stopOne := start("first")
		other, stopOther := start("second")
		for _, u := range []*unreachable{one, other} {
			w.until("it looks at the other one", func() bool { return u.looks.Load() > 2 })
		}
		other.away.Store(true)
		looked := one.looks.Load()
		w.until("the first has seen the last beat of the other one", func() bool { return one.looks.Load() >= looked+2 })
		one.away.Store(true)
		w.until("the leases are over", func() bool {
			n := 0
			for _, row := range w.servers() {
				if row.Expired && row.ID != w.srv {
					n++
				}
			}
			return n == 2
		})
		// They are away for a lease and more by their own clocks, too.
		w.until("they try for longer", func() bool { return one.denied.Load() > 10 && other.denied.Load() > 10 })
		one.away.Store(false)
		looked = one.looks.Load()
		w.until("the first that is back looks at the other one", func() bool { return one.looks.Load() >= looked+2 })
		other.away.Store(false)
		w.until("both have renewed their leases", func() bool {
			for _, row := range w.servers() {
				if row.Expired && row.ID != w.srv {
					return false
				}
			}
			return true
		})
		w.same("declared dead", int64(0), w.count("SELECT COUNT(*) FROM ds_servers WHERE dead = 1 AND id <> ?", w.srv))
		stopOne()
		stopOther()
	}},
	{"a server that stops is seen to, and so are its jobs", func(w *world) {
		r := w.runtime(Options{})
		begun, end := make(chan struct{}), make(chan struct{})
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			close(begun)
			<-end
			return nil, nil
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		<-begun
		if j := w.view(id); j.ServerStops != nil {
			w.Error("it is said to stop before it was told to")
		}
		ended := make(chan struct{})
		go func() { defer close(ended); stop() }()
		w.until("its job is seen to be with a server that stops", func() bool { return w.view(id).ServerStops != nil })
		states := map[string]bool{}
		for _, row := range w.servers() {
			states[row.Name] = row.Stops()
		}
		w.same("servers that stop", true, states["here"])
		close(end)
		<-ended
		w.stands("completed", id)
		if w.view(id).ServerStops != nil {
			w.Error("a job that has ended is with a server that stops")
		}
	}},
}

// unreachable is a store whose servers cannot be reached by what tells who lives, for
// as long as it is away.
type unreachable struct {
	engine.Store
	away          atomic.Bool
	looks, denied atomic.Int64 // that succeeded, and that did not
}

func (u *unreachable) refused() error {
	u.denied.Add(1)
	return engine.Wrapf(engine.CodeUnreachable, syscall.ECONNREFUSED, "reach the database")
}

func (u *unreachable) Beat(ctx context.Context, id engine.ServerID, lease time.Duration) (bool, time.Time, error) {
	if u.away.Load() {
		return false, time.Time{}, u.refused()
	}
	return u.Store.Beat(ctx, id, lease)
}

func (u *unreachable) Servers(ctx context.Context, all bool) ([]engine.ServerRow, error) {
	if u.away.Load() {
		return nil, u.refused()
	}
	list, err := u.Store.Servers(ctx, all)
	if err == nil {
		u.looks.Add(1)
	}
	return list, err
}
