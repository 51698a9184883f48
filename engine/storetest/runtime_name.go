package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// nameCases are about the names of servers.
var nameCases = []testCase{
	{"of two processes with one name the later one says so", func(w *world) {
		const lease = time.Second
		t := consumes("t", func(*engine.Call) (engine.Raw, error) { return nil, nil })
		run := func(name string) (*said, func()) {
			log := &said{}
			eng, err := engine.Open(w.ctx, w.open(Options{Lease: lease}), engine.Options{Logger: log.logger()})
			w.must(err)
			r := &runtime{w, eng}
			return log, r.start(engine.ServerOptions{Types: []*engine.Type{t}, Name: name, Lease: lease})
		}
		told := func(log *said) string {
			return log.with("level=WARN", "another process runs under this server's name", "server=twin", "host=", "pid=")
		}
		first, stopFirst := run("twin")
		other, stopOther := run("single")
		w.until("they are there", func() bool { return len(w.servers()) == 3 }) // with the world's
		second, stopSecond := run("twin")
		w.until("it is told", func() bool { return told(second) != "" })
		for name, log := range map[string]*said{"first": first, "other": other} {
			if line := told(log); line != "" {
				w.Errorf("the %s tells it, too: %s", name, line)
			}
		}
		stopSecond()
		stopOther()
		stopFirst()
	}},
	{"one that is told to stop while it starts leaves no server that lives", func(w *world) {
		ctx, stop := context.WithCancel(w.ctx)
		eng, err := engine.Open(w.ctx, &steered{Store: w.open(Options{}), started: stop}, engine.Options{})
		w.must(err)
		s, err := eng.NewServer(w.ctx, engine.ServerOptions{Types: []*engine.Type{consumes("t", givesNone)}, Name: "brief"})
		w.must(err)
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			w.Errorf("it ended with %v", err)
		}
		w.same("servers that live", []string{"one"}, w.rows("SELECT name FROM ds_servers WHERE dead = 0"))
		w.same("it was there", []string{"brief"}, w.rows("SELECT name FROM ds_servers WHERE dead = 1"))
	}},
	{"one that died as soon as it was there is not another process of its name", func(w *world) {
		const lease = time.Second
		died := w.open(Options{Lease: lease})
		_, err := died.StartServer(w.ctx, engine.ServerInfo{Name: "twin", Host: "host", PID: 1, Types: map[string]engine.Works{}}, lease)
		w.must(err)
		w.must(died.Close())
		log := &said{}
		eng, err := engine.Open(w.ctx, w.open(Options{Lease: lease}), engine.Options{Logger: log.logger()})
		w.must(err)
		r := &runtime{w, eng}
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{consumes("t", givesNone)}, Name: "twin", Lease: lease})
		w.until("it is taken for lost", func() bool { return log.with("level=WARN", "a server is lost", "server=twin") != "" })
		if line := log.with("another process runs under this server's name"); line != "" {
			w.Errorf("it is told of one that is gone: %s", line)
		}
		stop()
	}},
}
