package storetest

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// deadlock is what a store says of a transaction that was ended.
func deadlock() error { return engine.Errorf(engine.CodeRetry, "a dead-lock") }

var rerunCases = []testCase{
	{"dead-locks between checkpoints burn no attempt, however many there are in all", func(w *world) {
		var mu sync.Mutex
		locks := map[string]int{}
		t := goType("t", map[engine.Phase]engine.Hook{engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
			mu.Lock()
			defer mu.Unlock()
			at := string(c.Position())
			if locks[at] < 5 {
				locks[at]++
				return nil, deadlock()
			}
			if len(at) > 6 {
				return raw(c.Attempt()), nil
			}
			if err := c.Checkpoint(raw(strings.Trim(at, "\"")+"x"), true); err != nil {
				return nil, err
			}
			locks["in all"]++
			return nil, deadlock()
		}})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("completed", id)
		r.same("attempt", "1", string(r.view(id).Result))
		total := 0
		for _, n := range locks {
			total += n
		}
		if total < 25 {
			r.Errorf("only %d dead-locks: not more than are allowed in a row", total)
		}
	}},
	{"a position that cannot be read fails the attempt, and is dropped by a retry", func(w *world) {
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) { return raw("ran"), nil })
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.exec("UPDATE ds_jobs SET position = '[1]', checkpoints = 1 WHERE id = ?", id)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		r.until("it has failed", func() bool {
			return r.count("SELECT COUNT(*) FROM ds_failures WHERE job = ?", id) == 1
		})
		stop()
		r.again(id, engine.RetryOptions{Fresh: true})
		r.untilIdle(t)
		r.stands("completed", id)
	}},
	{"a cancelled attempt counts as one", func(w *world) {
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) { return nil, c.Cancel("no need") })
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("cancelled", id)
		r.same("attempt", 1, r.view(id).Attempt)
	}},
	{"a draining process hands its job over at a checkpoint, unharmed", func(w *world) {
		began := make(chan bool, 1)
		var runs atomic.Int64
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if runs.Add(1) > 1 {
				return c.Position(), nil
			}
			for began <- true; ; {
				if err := c.Checkpoint(raw("half"), true); err != nil {
					return nil, err
				}
			}
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}})
		<-began
		stop()
		r.stands("consume/waiting", id)
		r.same("losses and attempts", []string{"0|0"}, r.rows("SELECT losses, attempts FROM ds_jobs"))
		r.untilIdle(t)
		r.same("it went on there", `"half"`, string(r.view(id).Result))
	}},
	{"a hook that outlives the drain is stopped, and its job given back", func(w *world) {
		began := make(chan bool, 1)
		var runs atomic.Int64
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if runs.Add(1) > 1 {
				return raw(c.Attempt()), nil
			}
			began <- true
			<-c.Context().Done()
			return nil, c.Context().Err()
		})
		r := w.runtime(Options{})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Drain: 50 * time.Millisecond})
		<-began
		stop()
		r.stands("consume/waiting", id)
		r.untilIdle(t)
		r.same("attempt", "1", string(r.view(id).Result))
	}},
}
