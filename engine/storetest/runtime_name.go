package storetest

import (
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
}
