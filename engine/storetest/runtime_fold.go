package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// lateFold is a store in which the reports of items are not added up before it is
// told so, or before the duty that does it ends with its process.
type lateFold struct {
	engine.Store
	open   chan struct{}
	once   sync.Once
	rested func(engine.JobID) // is told of each Rest
}

func newLateFold(s engine.Store) *lateFold { return &lateFold{Store: s, open: make(chan struct{})} }

func (s *lateFold) may() { s.once.Do(func() { close(s.open) }) }

func (s *lateFold) Fold(ctx context.Context, limit int) ([]engine.Queue, []engine.Settled, bool, error) {
	select {
	case <-s.open:
		return s.Store.Fold(ctx, limit)
	case <-ctx.Done():
		s.may()
		return nil, nil, false, ctx.Err()
	}
}

func (s *lateFold) Rest(ctx context.Context, id engine.JobID, walked map[engine.JobID]bool) (map[engine.Queue]engine.Rest, error) {
	rest, err := s.Store.Rest(ctx, id, walked)
	if s.rested != nil {
		s.rested(id)
	}
	return rest, err
}

// foldRunCases are about the reports of items while processes run and end.
var foldRunCases = []testCase{
	{"an emitter that is about to move on is waited for, beside an item that nobody runs", func(w *world) {
		a, b := w.typ("a", engine.PhaseConsume, engine.PhaseFinish), w.typ("b")
		t := goType("a", map[engine.Phase]engine.Hook{engine.PhaseConsume: givesNone, engine.PhaseFinish: givesNone})
		for _, once := range []bool{true, false} {
			top := w.start(job(a))
			w.commit(opened(top, job(a), job(b)))
			item := w.take(queue(a))
			w.commit(opened(item, job(a)))
			w.settle(w.take(queue(a))) // it reports to item, and nobody has added that up

			store, looks := newLateFold(w.open(Options{})), 0
			store.rested = func(id engine.JobID) {
				if id != top.ID {
					return
				}
				if looks++; looks == 2 { // it was not enough to end
					store.may()
				}
			}
			eng, err := engine.Open(w.ctx, store, engine.Options{})
			w.must(err)
			o := engine.ServerOptions{Types: []*engine.Type{t}, Name: "here"}
			if o.UntilIdle = !once; once {
				o.Once = []engine.JobID{top.ID}
			}
			s, err := eng.NewServer(w.ctx, o)
			w.must(err)
			w.must(s.Run(w.ctx))
			w.stands("completed", item.ID)
			w.stands("consume/open", top.ID)
			if once {
				w.same("what is not waited for", map[engine.Queue]int64{queue(b): 1}, s.Stranded())
			}
		}
	}},
	{"what is reported when a process ends is added up, to the top", func(w *world) {
		const items = 600 // more than are added up at once
		store := newLateFold(w.open(Options{}))
		eng, err := engine.Open(w.ctx, store, engine.Options{})
		w.must(err)
		r := &runtime{w, eng}
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				n := map[string]int{"": 1, `"middle"`: items, `"low"`: 0}[string(c.Item())]
				below := map[string]string{"": "middle", `"middle"`: "low"}[string(c.Item())]
				for range n {
					if _, err := c.Emit(engine.Emission{Payload: raw(below)}); err != nil {
						return nil, err
					}
				}
				return nil, nil
			},
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Poll: time.Hour})
		r.until("the items are completed", func() bool { return w.count("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == items })
		middle := engine.JobID(w.count("SELECT id FROM ds_jobs WHERE parent = ?", id))
		r.stands("consume/open", id, middle)
		stop()
		w.stands("completed", id, middle)
		w.same("reports", int64(0), w.count("SELECT COUNT(*) FROM ds_deltas"))
		w.same("completed of the type", int64(items+2), w.counts("t").Completed)
	}},
}
