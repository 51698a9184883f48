package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

const (
	watchEvery = 250 * time.Millisecond // looks at this process
	countEvery = 2 * time.Second        // looks at the database
	mostHooks  = 5                      // running hooks whose own progress is shown
	doneFor    = 10 * time.Second       // how long work that is done is shown
	tellAfter  = 3 * time.Second        // how long nothing runs before it is said what is waited for
)

// watching shows how far the work of a server is. What is left is told by the
// counters that the engine keeps: no look counts rows.
type watching struct {
	env   *Env
	store engine.Store
	srv   *engine.Server
	show  progress
	log   *slog.Logger
	ends  bool // the server ends by itself: what it waits for is said

	work    map[string]*typeWork
	counted time.Duration // when the database was looked at
	idle    time.Duration // since when nothing runs
	told    bool          // what is waited for
}

// typeWork is the work of a type since it was last idle.
type typeWork struct {
	before  int64 // done before it
	left    int64 // when the database was looked at
	done    int64 // by then
	last    int64 // done at the last look
	changed time.Duration
}

// run goes on until ctx ends.
func (w *watching) run(ctx context.Context) {
	defer w.show.close()
	w.work, w.counted, w.idle = map[string]*typeWork{}, w.env.Clock.Boot()-countEvery, w.env.Clock.Boot()
	for {
		snap, now := w.srv.Snapshot(), w.env.Clock.Boot()
		if now-w.counted >= countEvery {
			w.count(ctx, snap)
			w.counted = w.env.Clock.Boot()
		}
		w.show.show(append(w.types(snap, now), hookGauges(w.srv.Progress())...))
		if w.ends {
			w.tellWaiting(ctx, snap, now)
		}
		if !w.env.wait(ctx, watchEvery) {
			return
		}
	}
}

// of is the work of a type.
func (w *watching) of(name string) *typeWork {
	if w.work[name] == nil {
		w.work[name] = &typeWork{}
	}
	return w.work[name]
}

// count asks the database what is left.
func (w *watching) count(ctx context.Context, snap engine.Snapshot) {
	types, err := w.store.Types(ctx)
	if err != nil {
		return
	}
	left := map[string]int64{}
	for _, t := range types {
		c := t.Counts
		left[t.Name] = max(0, c.Created-c.Completed-c.Failed-c.Cancelled)
	}
	for _, t := range snap.Types {
		x := w.of(t.Type)
		x.left, x.done = left[t.Type], settled(t)
	}
}

func settled(t engine.TypeTally) int64 { return t.Completed + t.Failed + t.Cancelled }

// types are a gauge for each type that has work, or had some a moment ago.
func (w *watching) types(snap engine.Snapshot, now time.Duration) []gauge {
	var list []gauge
	for _, t := range snap.Types {
		x, done := w.of(t.Type), settled(t)
		total := max(x.done+x.left, done+t.Running)
		if done != x.last || total > done {
			x.last, x.changed = done, now
		}
		if total == done && now-x.changed >= doneFor {
			x.before = done // what comes next is new work
		}
		if total > x.before {
			list = append(list, gauge{Name: t.Type, Done: done - x.before, Total: total - x.before, Failed: t.Failed})
		}
	}
	return list
}

// hookGauges are one for each of the first running hooks that say how far they are.
func hookGauges(hooks map[engine.JobID]engine.Progress) []gauge {
	var list []gauge
	var jobs []engine.JobID
	for id := range hooks {
		jobs = append(jobs, id)
	}
	slices.Sort(jobs)
	for _, id := range jobs[:min(len(jobs), mostHooks)] {
		h := hooks[id]
		g := gauge{Name: fmt.Sprintf("job %d", id), Done: h.Done, Note: h.Note}
		if h.Total != nil {
			g.Total = *h.Total
		}
		list = append(list, g)
	}
	return list
}

// tellWaiting says once, when nothing runs for a while, which jobs that are due
// later are waited for.
func (w *watching) tellWaiting(ctx context.Context, snap engine.Snapshot, now time.Duration) {
	if slices.ContainsFunc(snap.Types, func(t engine.TypeTally) bool { return t.Running > 0 }) {
		w.idle, w.told = now, false
	}
	if w.told || now-w.idle < tellAfter {
		return
	}
	w.told = true
	delayed, err := w.store.Delayed(ctx, waitingLimit)
	if err != nil {
		return
	}
	time, err := w.store.Now(ctx)
	if err != nil {
		return
	}
	records, err := w.store.Types(ctx)
	if err != nil {
		return
	}
	for _, t := range records {
		if !slices.ContainsFunc(snap.Types, func(x engine.TypeTally) bool { return x.Type == t.Name }) {
			continue
		}
		for _, p := range engine.Phases {
			q := engine.QueueOf(t.ID, p)
			for _, d := range []engine.Delayed{delayed[q], delayed[q.Apart()]} {
				if d.Jobs > 0 {
					text := fmt.Sprintf("waiting for %s of %s, due %s", plural(int64(d.Jobs), "job", "jobs"), t.Name, distance(d.Next, time))
					if d.First != 0 {
						text += w.env.calls(fmt.Sprintf("; to run it now: dsengine jobs retry %d", d.First))
					}
					w.log.Info(text, "phase", p)
				}
			}
		}
	}
}
