package storetest

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// errCrash ends a hook at a step of a test; the attempt that follows goes on
// where a process would that takes the job over after a crash.
var errCrash = errors.New("the hook ends here")

// steps counts what a hook does, and ends it at one of them.
type steps struct {
	c        *engine.Call
	n, crash int
	quiet    bool // no step counts
	blind    bool // nothing is known of its loops

	read func(element int) error // is called when a loop reads an element; nil: nothing
}

// step is one step of the hook.
func (s *steps) step() error {
	if s.quiet {
		return nil
	}
	if s.n++; s.n == s.crash {
		return errCrash
	}
	return nil
}

// batches is the loop of ctx.batches; pass says whether it goes on.
func (s *steps) batches(elements []int, n int, pass func(batch []int) (more bool, err error)) error {
	return s.batchesOf(s.loop(""), elements, n, pass)
}

// loop is the id of the loop that is called two levels above.
func (s *steps) loop(source string) engine.LoopID {
	if s.blind {
		return engine.LoopID{}
	}
	_, file, line, _ := goruntime.Caller(2)
	return engine.LoopID{Source: source, Site: fmt.Sprint(file, line), Sites: 3, Again: true}
}

func (s *steps) batchesOf(id engine.LoopID, elements []int, n int, pass func(batch []int) (more bool, err error)) error {
	b, err := s.c.Batches(id)
	if err != nil {
		return err
	}
	for i := 0; ; {
		if err := b.Commit(); err != nil {
			return err
		}
		if err := s.step(); err != nil {
			return err
		}
		var batch []int
		for ; i < len(elements) && len(batch) < n && !b.Over(); i++ {
			if s.read != nil {
				if err := s.read(elements[i]); err != nil {
					return err
				}
			}
			skip, err := b.Skip(func() uint64 { return engine.Fingerprint("", raw(elements[i])) })
			if err != nil {
				return err
			}
			if !skip {
				batch = append(batch, elements[i])
			}
		}
		if len(batch) == 0 {
			if b.Over() {
				return nil
			}
			return b.Done()
		}
		b.Pass(len(batch), engine.Fingerprint("", raw(batch[len(batch)-1])))
		more, err := pass(batch)
		if err != nil {
			return err
		}
		if !more {
			b.Abandon()
			return nil
		}
	}
}

// emitAll is ctx.emit_all.
func (s *steps) emitAll(elements []int) error {
	if err := s.step(); err != nil {
		return err
	}
	_, err := s.c.EmitAll(&numbers{s: s, left: elements}, s.loop(""))
	return err
}

// emit is ctx.emit.
func (s *steps) emit(elements ...int) error {
	for _, e := range elements {
		if err := s.step(); err != nil {
			return err
		}
		if _, err := s.c.Emit(engine.Emission{Payload: raw(e)}); err != nil {
			return err
		}
	}
	return nil
}

// checkpoint is ctx.checkpoint.
func (s *steps) checkpoint(position any) error {
	if err := s.step(); err != nil {
		return err
	}
	if err := s.c.Checkpoint(raw(position), position != nil); err != nil {
		return err
	}
	return s.step()
}

// numbers are items to emit.
type numbers struct {
	s    *steps
	left []int
}

func (n *numbers) NextEmission() (engine.Emission, error) {
	if len(n.left) == 0 {
		return engine.Emission{}, io.EOF
	}
	e := n.left[0]
	n.left = n.left[1:]
	if n.s.read != nil {
		if err := n.s.read(e); err != nil {
			return engine.Emission{}, err
		}
	}
	if e%700 == 0 {
		if err := n.s.step(); err != nil {
			return engine.Emission{}, err
		}
	}
	return engine.Emission{Payload: raw(e)}, nil
}

// span is the numbers from one to another.
func span(from, to int) []int {
	list := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// patient is a job type whose hooks are retried at once, as often as it takes.
func patient(name string, hooks map[engine.Phase]engine.Hook) *engine.Type {
	t := goType(name, hooks)
	t.Settings.Retry = engine.RetryPolicy{Max: 100, First: time.Nanosecond, Jitter: -1}
	return t
}

// stopsAnywhere runs a produce hook that emits numbers once for each of its
// steps, and ends it there the first time. Each number must be emitted once.
func (w *world) stopsAnywhere(want []int, hook func(s *steps) error) {
	w.Helper()
	w.stops(want, 1, hook)
	w.stops(want, 5, func(s *steps) error {
		s.blind = true
		return hook(s)
	})
}

// stops does that for one in so many steps.
func (w *world) stops(want []int, one int, hook func(s *steps) error) {
	w.Helper()
	r := w.runtime(Options{})
	var mu sync.Mutex
	ended := map[engine.JobID]bool{}
	total := 0
	var other error // than ours
	t := patient("t", map[engine.Phase]engine.Hook{
		engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
			mu.Lock()
			defer mu.Unlock()
			s := &steps{c: c}
			if id := c.Job().ID; !ended[id] {
				ended[id] = true
				w.must(json.Unmarshal(c.Payload(), &s.crash))
			}
			err := hook(s)
			total = max(total, s.n)
			if err != nil && !errors.Is(err, errCrash) {
				other = err
			}
			return nil, err
		},
		engine.PhaseConsume: func(*engine.Call) (engine.Raw, error) { return nil, nil },
	})
	var list []engine.JobID
	job := func(crash int) { list = append(list, r.make(engine.NewJob{Type: "t", Payload: raw(crash)}, t)) }
	run := func() {
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Phases: []engine.Phase{engine.PhaseProduce}})
		defer stop()
		w.until("the hooks have ended", func() bool {
			return w.count("SELECT COUNT(*) FROM ds_jobs WHERE parent = 0 AND status = 1") == 0
		})
	}
	job(0)
	run()
	for crash := 1; crash <= total; crash += one {
		job(crash)
	}
	run()
	for i, id := range list {
		var got []int
		w.each("SELECT p.payload FROM ds_jobs j JOIN ds_payloads p ON p.id = j.id WHERE j.parent = ? ORDER BY j.id", func(v []sql.NullString) {
			var n int
			w.must(json.Unmarshal([]byte(v[0].String), &n))
			got = append(got, n)
		}, id)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			w.Fatalf("ended at step %d of %d: want %d items, got %d: %v; last error: %v", max(0, 1+(i-1)*one), total, len(want), len(got), brief(got), other)
		}
		w.stands("produce/open", id)
	}
}

func brief(list []int) []int { return list[:min(len(list), 40)] }

var loopCases = []testCase{
	{"loops inside the passes of two loops are told apart after a crash", func(w *world) {
		w.stopsAnywhere(span(0, 40), func(s *steps) error {
			pass := func(batch []int) (bool, error) { return true, s.emitAll(batch) }
			if err := s.batches(span(0, 20), 5, pass); err != nil {
				return err
			}
			return s.batches(span(20, 40), 5, pass)
		})
	}},
	{"loops that commit by themselves inside passes go on after a crash", func(w *world) {
		w.stopsAnywhere(span(0, 2900), func(s *steps) error {
			pass := func(batch []int) (bool, error) {
				for k := range 2 {
					if err := s.emitAll(batch[k*len(batch)/2 : (k+1)*len(batch)/2]); err != nil {
						return false, err
					}
				}
				return true, nil
			}
			if err := s.batches(span(0, 1500), 1200, pass); err != nil {
				return err
			}
			return s.emitAll(span(1500, 2900))
		})
	}},
	{"a pass that is left by break is done, and the loop with it", func(w *world) {
		w.stopsAnywhere(span(0, 19), func(s *steps) error {
			err := s.batches(span(0, 20), 5, func(batch []int) (bool, error) {
				return batch[0] < 5, s.emit(batch...)
			})
			if err != nil {
				return err
			}
			if err := s.checkpoint(nil); err != nil {
				return err
			}
			err = s.batches(span(10, 30), 3, func(batch []int) (bool, error) {
				return batch[0] < 16, s.emitAll(batch)
			})
			if err != nil {
				return err
			}
			return s.checkpoint("end")
		})
	}},
	{"break in the first pass, and in a loop that a checkpoint follows, is kept", func(w *world) {
		w.stopsAnywhere(span(0, 10), func(s *steps) error {
			for k := range 2 {
				err := s.batches(span(5*k, 5*k+20), 5, func(batch []int) (bool, error) { return false, s.emit(batch...) })
				if err != nil {
					return err
				}
			}
			if err := s.checkpoint(nil); err != nil {
				return err
			}
			return s.step()
		})
	}},
	{"a hook that goes on from its position does not count the loops before it", func(w *world) {
		w.stopsAnywhere(span(0, 40), func(s *steps) error {
			pass := func(batch []int) (bool, error) { return true, s.emit(batch...) }
			if s.c.Position() == nil {
				if err := s.batches(span(0, 20), 10, pass); err != nil {
					return err
				}
				if err := s.checkpoint("A"); err != nil {
					return err
				}
			}
			return s.batches(span(20, 40), 10, pass)
		})
	}},
	{"a loop for each page, and a checkpoint after it", func(w *world) {
		w.stopsAnywhere(span(0, 12), func(s *steps) error {
			page := 0
			if at := s.c.Position(); at != nil {
				w.must(json.Unmarshal(at, &page))
			}
			for ; page < 4; page++ {
				if err := s.emitAll(span(3*page, 3*page+3)); err != nil {
					return err
				}
				if err := s.checkpoint(page + 1); err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"a hook that does not ask for its position comes to all loops again", func(w *world) {
		w.stopsAnywhere(span(0, 30), func(s *steps) error {
			pass := func(batch []int) (bool, error) { return true, s.emit(batch...) }
			for k := range 3 {
				if err := s.batches(span(10*k, 10*k+10), 5, pass); err != nil {
					return err
				}
				if err := s.checkpoint(k); err != nil {
					return err
				}
			}
			return s.step()
		})
	}},
	{"a loop that catch took back keeps its number", func(w *world) {
		w.stopsAnywhere(span(0, 2100), func(s *steps) error {
			for range 2 {
				caught, err := s.c.Catch(func() error {
					if err := s.emitAll(span(5000, 5300)); err != nil {
						return err
					}
					return engine.Errorf(engine.CodeUsage, "no")
				})
				if err != nil {
					return err
				}
				if errors.Is(caught, errCrash) {
					return caught
				}
			}
			if err := s.emitAll(span(0, 1200)); err != nil {
				return err
			}
			return s.emitAll(span(1200, 2100))
		})
	}},
	{"a loop in catch is gone on with after a crash", func(w *world) {
		w.stopsAnywhere(span(0, 2500), func(s *steps) error {
			var caught error
			for _, list := range [][]int{span(0, 10), span(10, 300)} {
				var err error
				if caught, err = s.c.Catch(func() error { return s.emitAll(list) }); err == nil {
					err = caught
				}
				if err != nil {
					return err
				}
			}
			return s.emitAll(span(300, 2500))
		})
	}},
	{"a hook with thousands of loops goes on after a crash", func(w *world) {
		w.stopsAnywhere(span(0, 3000), func(s *steps) error {
			s.quiet = true
			for i := range 2500 {
				if err := s.emitAll(span(i, i+1)); err != nil {
					return err
				}
			}
			s.quiet = false
			return s.emitAll(span(2500, 3000))
		})
	}},
	{"a checkpoint with a position inside a loop is refused", func(w *world) {
		r := w.runtime(Options{})
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				c.Position()
				_, err := c.EmitAll(emissions(func() (engine.Emission, error) {
					return engine.Emission{Payload: raw(1)}, c.Checkpoint(raw("here"), true)
				}), engine.LoopID{})
				return nil, err
			},
			engine.PhaseConsume: func(*engine.Call) (engine.Raw, error) { return nil, nil },
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("failed", id)
		r.same("error", true, strings.Contains(r.view(id).Error.Message, "ctx.checkpoint(position) was called while"))
	}},
}

// emissions is a function that gives items to emit.
type emissions func() (engine.Emission, error)

func (f emissions) NextEmission() (engine.Emission, error) { return f() }
