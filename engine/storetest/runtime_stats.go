package storetest

import (
	"errors"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// statsRunCases are about the counts of a job.
var statsRunCases = []testCase{
	{"counts of all phases, attempts and checkpoints add up", func(w *world) {
		tries := 0
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				c.Count("read", 600)
				if err := c.Checkpoint(raw(1), true); err != nil {
					return nil, err
				}
				c.Count("read", 400)
				return raw("item"), nil
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				if err := c.Checkpoint(raw(1), true); err != nil { // with nothing counted
					return nil, err
				}
				c.Count("inserted", 5)
				if tries++; tries > 1 {
					c.Count("inserted", 2)
					return nil, nil
				}
				if err := c.Checkpoint(raw(2), true); err != nil {
					return nil, err
				}
				c.Count("inserted", 100)
				return nil, errors.New("these are rolled back")
			},
		})
		t.Settings.Retry = engine.RetryPolicy{Max: 2, First: time.Nanosecond, Jitter: -1}
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("counts", map[string]int64{"read": 1000, "inserted": 12}, r.view(id).Stats)
		r.same("of the type", engine.Stats{"read": 1000, "inserted": 12}, r.counts("t").Stats)
		r.again(id, engine.RetryOptions{From: engine.PhaseProduce})
		r.untilIdle(t)
		r.same("counts, done anew", map[string]int64{"read": 1000, "inserted": 7}, r.view(id).Stats)
	}},
	{"counts of produce stay with an emitter, and those of finish are added", func(w *world) {
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				c.Count("read", 1)
				_, err := c.Emit(engine.Emission{Payload: raw(1)})
				return nil, err
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				c.Count("inserted", 3)
				return nil, nil
			},
			engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) {
				w.same("of the items", engine.Stats{"inserted": 3}, c.Summary().Stats)
				c.Count("deleted", 2)
				return nil, nil
			},
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.same("counts", map[string]int64{"read": 1, "deleted": 2}, r.view(id).Stats)
	}},
}
