package storetest

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// keysOf gives emissions with the keys, which count for ever.
type keysOf struct {
	keys []string
	at   int
}

func (e *keysOf) NextEmission() (engine.Emission, error) {
	if e.at == len(e.keys) {
		return engine.Emission{}, io.EOF
	}
	e.at++
	return engine.Emission{Key: e.keys[e.at-1], Unique: forever}, nil
}

// leftOutCases are about items that are not made because a job that never
// completed has their key.
var leftOutCases = []testCase{
	{"what is left out because a failed job has the key is told with the commit", func(w *world) {
		r := w.runtime(Options{})
		var produce engine.Hook
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) { return produce(c) },
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				if strings.HasPrefix(c.Job().Key, "bad") {
					return nil, fmt.Errorf("bad")
				}
				return nil, nil
			},
		})
		// run makes a job of the type, runs it, and gives what was left out and said.
		run := func(hook engine.Hook) (engine.LeftOut, []string) {
			w.Helper()
			produce = hook
			id := r.make(engine.NewJob{Type: "t", Phase: engine.PhaseProduce}, t)
			s, err := r.eng.NewServer(w.ctx, engine.ServerOptions{Types: []*engine.Type{t}, Name: "here", UntilIdle: true})
			w.must(err)
			ctx, cancel := context.WithTimeout(w.ctx, patience)
			defer cancel()
			w.must(s.Run(ctx))
			lines, err := w.store.Logs(w.ctx, id, 0, 0, false, 10)
			w.must(err)
			var said []string
			for _, l := range lines {
				said = append(said, l.Level+": "+l.Message)
			}
			return s.Snapshot().Left, said
		}
		emit := func(keys ...string) engine.Hook {
			return func(c *engine.Call) (engine.Raw, error) {
				_, err := c.EmitAll(&keysOf{keys: keys}, engine.LoopID{})
				return nil, err
			}
		}
		left, said := run(emit("good", "bad1", "bad2"))
		w.same("at first", engine.LeftOut{}, left)
		w.same("said", []string(nil), said)
		holder := map[string]engine.JobID{}
		for _, j := range w.list(engine.JobFilter{Phase: engine.PhaseConsume}) {
			holder[*j.Key] = j.ID
		}
		bad1 := engine.KeyHolder{Job: holder["bad1"], Status: engine.StatusFailed}
		bad2 := engine.KeyHolder{Job: holder["bad2"], Status: engine.StatusFailed}

		left, said = run(emit("good", "bad1"))
		w.same("one", engine.LeftOut{Items: 1, Jobs: 1, Holders: []engine.KeyHolder{bad1}}, left)
		w.same("said", []string{fmt.Sprintf("warn: 1 item was left out: job %d, which failed, has its key: dsengine jobs retry %[1]d", bad1.Job)}, said)

		// Once a commit, one by one too, and what a catch takes back is not told.
		left, said = run(func(c *engine.Call) (engine.Raw, error) {
			for _, key := range []string{"good", "bad1", "new", "bad2"} {
				if _, err := c.Emit(engine.Emission{Key: key, Unique: forever}); err != nil {
					return nil, err
				}
			}
			if err := c.Checkpoint(nil, false); err != nil {
				return nil, err
			}
			_, err := c.Catch(func() error {
				if _, err := c.Enqueue(engine.Emission{Key: "bad2", Unique: forever}); err != nil {
					return err
				}
				return fmt.Errorf("taken back")
			})
			if err != nil {
				return nil, err
			}
			_, err = c.Enqueue(engine.Emission{Key: "bad1", Unique: forever})
			return nil, err
		})
		w.same("several", engine.LeftOut{Items: 2, Jobs: 3, Holders: []engine.KeyHolder{bad1, bad2}}, left)
		w.same("said", []string{
			fmt.Sprintf("warn: 2 items were left out: jobs %d, %d (failed) have their keys: dsengine jobs retry %[1]d %[2]d", bad1.Job, bad2.Job),
			fmt.Sprintf("warn: 1 job was left out: job %d, which failed, has its key: dsengine jobs retry %[1]d", bad1.Job),
		}, said)

		// A key that counts for a time is free again when its job has failed.
		left, said = run(func(c *engine.Call) (engine.Raw, error) {
			_, err := c.Emit(engine.Emission{Key: "bad1", Unique: monthly})
			return nil, err
		})
		w.same("for a time", engine.LeftOut{}, left)
		w.same("said", []string(nil), said)
	}},
	{"many that are left out are told in few words", func(w *world) {
		const n = 1200
		r := w.runtime(Options{})
		var keys []string
		var jobs []engine.NewJob
		for i := range n {
			keys = append(keys, fmt.Sprint("k", i))
			jobs = append(jobs, engine.NewJob{Type: "t", Phase: engine.PhaseConsume, Key: keys[i], Unique: forever})
		}
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				_, err := c.EmitAll(&keysOf{keys: keys}, engine.LoopID{})
				return nil, err
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, c.Cancel("no") },
		})
		_, err := r.eng.RegisterTypes(w.ctx, t)
		w.must(err)
		_, err = r.eng.Enqueue(w.ctx, jobs...)
		w.must(err)
		r.untilIdle(t)
		id := r.make(engine.NewJob{Type: "t", Phase: engine.PhaseProduce}, t)
		r.untilIdle(t)
		w.stands("completed", id)
		lines, err := w.store.Logs(w.ctx, id, 0, 0, false, 10)
		w.must(err)
		w.same("lines", 1, len(lines))
		if m := lines[0].Message; !strings.HasPrefix(m, "1200 items were left out: jobs ") || len(m) > 200 {
			w.Errorf("got %q", m)
		}
	}},
}
