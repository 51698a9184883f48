package storetest

import (
	"context"
	"log/slog"
	"os"
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
	var log *slog.Logger
	if os.Getenv("DSENGINE_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	eng, err := engine.Open(w.ctx, w.open(o), engine.Options{Logger: log})
	w.must(err)
	return &runtime{w, eng}
}

// goType is a job type of Go hooks; failed attempts are not retried.
func goType(name string, hooks map[engine.Phase]engine.Hook) *engine.Type {
	return &engine.Type{Name: name, Version: "1", Hooks: hooks, Settings: engine.Settings{Retry: engine.RetryPolicy{Max: 1}}}
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
		case <-time.After(time.Minute):
			r.Fatal("the server does not end")
		}
	}
}

// untilIdle runs jobs of the types until nothing is left to do.
func (r *runtime) untilIdle(types ...*engine.Type) {
	r.Helper()
	s, err := r.eng.NewServer(r.ctx, engine.ServerOptions{Types: types, Name: "here", UntilIdle: true})
	r.must(err)
	ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
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
}
