package storetest

import (
	"database/sql"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var typeRunCases = []testCase{
	{"items of a type without consume are refused, and so are its jobs there", func(w *world) {
		produces := goType("produces", map[engine.Phase]engine.Hook{engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
			_, err := c.Emit(engine.Emission{Payload: raw(1)})
			return nil, err
		}})
		elsewhere := consumes("elsewhere", func(c *engine.Call) (engine.Raw, error) {
			_, err := c.EmitAll(emissions(func() (engine.Emission, error) { return engine.Emission{Type: "produces"}, nil }), engine.LoopID{})
			return nil, err
		})
		r := w.runtime(Options{})
		_, err := r.eng.RegisterTypes(r.ctx, produces, elsewhere)
		r.must(err)
		_, err = r.eng.Enqueue(r.ctx, engine.NewJob{Type: "produces", Phase: engine.PhaseConsume})
		r.code("enqueue in consume", engine.CodeUsage, err)
		_, err = r.eng.Enqueue(r.ctx, engine.NewJob{Type: "elsewhere", Phase: engine.PhaseProduce})
		r.code("enqueue in produce", engine.CodeUsage, err)
		a := r.make(engine.NewJob{Type: "produces"}, produces)
		b := r.make(engine.NewJob{Type: "elsewhere"}, elsewhere)
		r.untilIdle(produces, elsewhere)
		for _, id := range []engine.JobID{a, b} {
			r.stands("failed", id)
			if m := r.view(id).Error.Message; !strings.Contains(m, `job type "produces" has no consume`) {
				r.Errorf("job %d: %s", id, m)
			}
		}
	}},
	{"a type that another process registers anew is known soon", func(w *world) {
		clock := &shifted{}
		eng, err := engine.Open(w.ctx, w.open(Options{}), engine.Options{Clock: clock})
		w.must(err)
		hook := func(*engine.Call) (engine.Raw, error) { return nil, nil }
		_, err = eng.RegisterTypes(w.ctx, consumes("t", hook))
		w.must(err)
		made, err := eng.Enqueue(w.ctx, engine.NewJob{Type: "t"})
		w.must(err)
		w.stands("consume/waiting", made[0].ID)
		newer := goType("t", map[engine.Phase]engine.Hook{engine.PhaseProduce: hook, engine.PhaseConsume: hook})
		newer.Settings.Priority = 7
		_, err = w.runtime(Options{}).eng.RegisterTypes(w.ctx, newer)
		w.must(err)
		clock.by.Add(int64(10 * time.Second))
		made, err = eng.Enqueue(w.ctx, engine.NewJob{Type: "t"})
		w.must(err)
		w.stands("produce/waiting", made[0].ID)
		w.same("priority", 7, w.view(made[0].ID).Priority)
	}},
	{"a job of an unknown type is refused in a caller's transaction, which holds the writer", func(w *world) {
		r := w.runtime(Options{})
		r.tx(func(tx *sql.Tx) {
			_, err := r.eng.EnqueueTx(r.ctx, tx, engine.NewJob{Type: "nobody", Phase: engine.PhaseConsume})
			r.code("enqueue", engine.CodeNotFound, err)
		})
	}},
}

// tx runs f in a transaction of a caller.
func (r *runtime) tx(f func(tx *sql.Tx)) {
	r.Helper()
	tx, err := r.in.Handle(r.eng.Store()).BeginTx(r.ctx, nil)
	r.must(err)
	defer tx.Rollback()
	f(tx)
}
