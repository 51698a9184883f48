package storetest

import (
	"database/sql"
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

// payloads are the payloads of a job's items.
func (r *runtime) payloads(parent engine.JobID) []string {
	r.Helper()
	return r.rows("SELECT p.payload FROM ds_jobs j JOIN ds_payloads p ON p.id = j.id WHERE j.parent = ? ORDER BY j.id", parent)
}

// halfway is a produce hook that emits ten numbers with a checkpoint after each,
// and while broken says so cannot come further than the fifth.
func halfway(w *world, broken *atomic.Bool) engine.Hook {
	return func(c *engine.Call) (engine.Raw, error) {
		from := 0
		if at := c.Position(); at != nil {
			w.must(json.Unmarshal(at, &from))
		}
		for i := from; i < 10; i++ {
			if i == 5 && broken.Load() {
				return nil, &engine.Failure{Message: "the source is broken", Code: "test.broken"}
			}
			if _, err := c.Emit(engine.Emission{Payload: raw(i)}); err != nil {
				return nil, err
			}
			if err := c.Checkpoint(raw(i+1), true); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

var retryRunCases = []testCase{
	{"a retry of a produce that failed for good goes on at its last checkpoint", func(w *world) {
		for _, with := range []string{"nothing", "finish", "fail", "finish and fail"} {
			var broken atomic.Bool
			broken.Store(true)
			var finished, told atomic.Int64
			hooks := map[engine.Phase]engine.Hook{
				engine.PhaseProduce: halfway(w, &broken),
				engine.PhaseConsume: func(*engine.Call) (engine.Raw, error) { return nil, nil },
			}
			if with == "finish" || with == "finish and fail" {
				hooks[engine.PhaseFinish] = func(c *engine.Call) (engine.Raw, error) {
					finished.Add(1)
					if c.Summary().Error != nil {
						told.Add(1)
					}
					w.same("finish begins anew", engine.Raw(nil), c.Position())
					return raw(c.Summary().Completed), c.Checkpoint(raw("in finish"), true)
				}
			}
			if with == "fail" || with == "finish and fail" {
				hooks[engine.PhaseFail] = func(*engine.Call) (engine.Raw, error) { return nil, nil }
			}
			t := goType(with, hooks)
			r := w.runtime(Options{})
			id := r.make(engine.NewJob{Type: with}, t)
			for _, mended := range []bool{false, true} { // a retry that fails again keeps it too
				r.untilIdle(t)
				v := r.view(id)
				r.same(with+": status and error", []any{engine.StatusFailed, "the source is broken"}, []any{v.Status, v.Error.Message})
				r.same(with+": items", 5, len(r.payloads(id)))
				broken.Store(!mended)
				r.again(id, engine.RetryOptions{})
				r.stands("produce/waiting", id)
			}
			r.untilIdle(t)
			r.stands("completed", id)
			r.same(with+": items", []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, r.payloads(id))
			if n := finished.Load(); n > 0 {
				r.same(with+": finish was told", n-1, told.Load())
				r.same(with+": result", "10", string(r.view(id).Result))
			}
		}
	}},
	{"a retry from finish, or --fresh, of a produce that failed for good", func(w *world) {
		var broken atomic.Bool
		broken.Store(true)
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: halfway(w, &broken),
			engine.PhaseConsume: func(*engine.Call) (engine.Raw, error) { return nil, nil },
			engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) {
				w.same("finish is told", "the source is broken", c.Summary().Error.Message)
				return nil, c.Checkpoint(raw("in finish"), true)
			},
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.again(id, engine.RetryOptions{From: engine.PhaseFinish, Fresh: true})
		r.stands("finish/waiting", id)
		r.untilIdle(t)
		r.stands("failed", id) // what produce left undone is undone still
		r.same("items", 5, len(r.payloads(id)))
		r.again(id, engine.RetryOptions{Fresh: true})
		r.stands("produce/waiting", id)
		r.untilIdle(t)
		r.same("items, from the beginning", 10, len(r.payloads(id)))
	}},
	{"an item that is retried while finish waits leaves its emitter failed", func(w *world) {
		var broken atomic.Bool
		broken.Store(true)
		hooks := map[engine.Phase]engine.Hook{
			engine.PhaseProduce: halfway(w, &broken),
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				if string(c.Item()) == "3" && broken.Load() {
					return nil, c.Fail("no three")
				}
				return nil, nil
			},
			engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) { return nil, nil },
		}
		t := goType("t", hooks)
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Phases: []engine.Phase{engine.PhaseProduce, engine.PhaseConsume}})
		r.until("finish waits", func() bool { return r.state(id) == "finish/waiting" })
		stop()
		r.again(engine.JobID(r.count("SELECT job FROM ds_failures WHERE job <> ?", id)), engine.RetryOptions{})
		r.stands("produce/open", id)
		broken.Store(false)
		r.untilIdle(t)
		r.stands("failed", id) // it emitted five of ten
		r.same("error", "the source is broken", r.view(id).Error.Message)
		r.again(id, engine.RetryOptions{})
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("items", 10, len(r.payloads(id)))
	}},
}

// deepCases are about chains of items.
var deepCases = []testCase{
	{"a long chain of items is retried from its top, and runs to its end", func(w *world) {
		depth := 1010 // more than there are in a list, or that Rest looks into beside each other
		if !w.in.Rows || testing.Short() {
			depth = 60 // each is a commit, and without rows that are locked one by one it waits for the disk
		}
		var runs atomic.Int64
		t := consumes("t", func(*engine.Call) (engine.Raw, error) { runs.Add(1); return nil, nil })
		r := w.runtime(Options{})
		typ, chain := r.failedChain(t, depth)
		r.again(chain[0], engine.RetryOptions{})
		r.stands("consume/waiting", chain[depth-1])
		w.same("open", int64(depth-1), w.count("SELECT COUNT(*) FROM ds_open WHERE type = ?", typ))
		r.untilIdle(t)
		w.same("runs", int64(1), runs.Load())
		w.same("completed", int64(depth), w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4"))
		w.same("counts", []int64{int64(depth), 0}, []int64{w.counts("t").Completed, w.counts("t").Failed})
	}},
}

// failedChain makes a chain of items, each the only one of the one before, of which
// the last has failed and so all have. To have them emitted one by one takes long.
func (r *runtime) failedChain(t *engine.Type, depth int) (engine.TypeID, []engine.JobID) {
	r.Helper()
	types, err := r.eng.RegisterTypes(r.ctx, t)
	r.must(err)
	typ := types[t.Name]
	chain := r.enqueue(jobs(typ, depth)...)
	for _, j := range r.claim(queue(typ), depth) {
		if j.ID == chain[depth-1] {
			r.commit(failed(j))
		}
	}
	last, now := chain[depth-1], r.now(0)
	tx := r.begin(sql.LevelDefault)
	exec := func(q string, args ...any) {
		r.Helper()
		_, err := tx.ExecContext(r.ctx, q, args...)
		r.must(err)
	}
	exec("UPDATE ds_jobs SET status = ?, epoch = epoch + 1, attempts = 1, items = 1, finished_at = "+now+" WHERE id < ?", engine.StatusFailed, last)
	exec("UPDATE ds_jobs SET parent = id - ? WHERE id > ?", chain[1]-chain[0], chain[0])
	exec("INSERT INTO ds_emissions (parent, first_id, last_id) SELECT parent, id, id FROM ds_jobs WHERE parent > 0")
	exec("INSERT INTO ds_parents (id, type, phase, failed) SELECT id, type, phase, 1 FROM ds_jobs WHERE id < ?", last)
	exec(`INSERT INTO ds_failures (type, job, failed_at, failure) SELECT type, id, `+now+`, '{"message":"1 of 1 items failed"}' FROM ds_jobs WHERE id < ?`, last)
	exec("INSERT INTO ds_deltas (parent, type, at, failed) VALUES (0, ?, "+now+", ?)", typ, depth-1)
	r.must(tx.Commit())
	r.fold()
	r.check()
	return typ, chain
}
