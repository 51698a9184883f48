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
	watchEvery  = 250 * time.Millisecond // looks at this process
	countEvery  = 2 * time.Second        // looks at the database
	countSeldom = 10 * time.Second       // where there is too much to count
	countShare  = 20                     // times its own duration, a look at the database is apart from the next
	countLimit  = 10_000                 // jobs of a queue that are counted
	mostHooks   = 5                      // running hooks whose own progress is shown
	doneFor     = 10 * time.Second       // how long work that is done is shown
	tellAfter   = 3 * time.Second        // how long nothing runs before it is said what is waited for
)

// watching shows how far the work of a server is: what it has done itself, and what
// is due now in the queues that it works; of that others may take some. What others
// do, what is due later, and what only waits for its items is none of its work yet. A
// look counts few rows: of more the counters that the engine keeps tell about how many
// there are.
type watching struct {
	env   *Env
	store engine.Store
	srv   *engine.Server
	show  progress
	log   *slog.Logger
	ends  bool           // the server ends by itself: what it waits for is said
	once  []engine.JobID // it ends with this job

	work    map[string]*typeWork
	others  map[string]bool // types that other servers work too
	counted time.Duration   // when the database was looked at
	pause   time.Duration   // until it is looked at again
	idle    time.Duration   // since when nothing runs
	told    *engine.Nag     // when it is said what is waited for
}

// typeWork is the work of a type since it was last idle.
type typeWork struct {
	before  int64 // done before it
	left    int64 // when the database was looked at: in hand, or waiting to be
	about   bool  // left is an estimate
	done    int64 // by then
	last    int64 // done at the last look
	changed time.Duration
}

// run goes on until ctx ends.
func (w *watching) run(ctx context.Context) {
	defer w.show.close()
	w.work, w.idle, w.told = map[string]*typeWork{}, w.env.Clock.Boot(), new(engine.Nag)
	shown := w.env.drawsOn(w.env.Stderr) || w.log.Enabled(ctx, slog.LevelInfo) // as lines of the log
	for {
		snap, now := w.srv.Snapshot(), w.env.Clock.Boot()
		if shown && now-w.counted >= w.pause {
			w.count(ctx, snap)
			w.counted = w.env.Clock.Boot()
			w.pause = max(w.pause, min(countShare*(w.counted-now), time.Minute))
		}
		w.show.show(append(w.types(snap, now), hookGauges(w.srv.Progress())...), snap.Away)
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
	w.pause = countEvery
	queues := w.srv.Queues()
	backlog, err := w.store.Backlog(ctx, append([]engine.Queue{}, queues...), countLimit) // never nil: those of others are not counted
	if err != nil {
		return
	}
	types, err := w.store.Types(ctx)
	if err != nil {
		return
	}
	if servers, err := w.store.Servers(ctx, false); err == nil {
		w.others = othersWork(snap, servers, w.srv.ID())
	}
	work := w.reckon(snap, queues, backlog, types)
	if slices.ContainsFunc(work, func(x *typeWork) bool { return x.about }) {
		w.pause = countSeldom
	}
}

// othersWork are the types that servers besides our own work, too.
func othersWork(snap engine.Snapshot, servers []engine.ServerRow, own engine.ServerID) map[string]bool {
	types := map[string]bool{}
	for _, r := range servers {
		for _, t := range snap.Types {
			if r.ID != own && r.Lives() && slices.ContainsFunc(engine.Phases, func(p engine.Phase) bool { return r.Runs(t.Type, p) }) {
				types[t.Type] = true
			}
		}
	}
	return types
}

// reckon notes what is left of each type that the server works.
func (w *watching) reckon(snap engine.Snapshot, queues []engine.Queue, backlog map[engine.Queue]int, types []engine.TypeRecord) (work []*typeWork) {
	for _, t := range snap.Types {
		x := w.of(t.Type)
		x.left, x.about, x.done = t.Running+t.Claimed, false, settled(t)
		work = append(work, x)
		at := slices.IndexFunc(types, func(r engine.TypeRecord) bool { return r.Name == t.Type })
		if at < 0 {
			continue
		}
		for _, q := range queues {
			if q.Type() == types[at].ID {
				x.left += int64(backlog[q])
				x.about = x.about || backlog[q] >= countLimit
			}
		}
		if c := types[at].Counts; x.about {
			x.left = max(x.left, c.Created-c.Completed-c.Failed-c.Cancelled)
		}
	}
	return work
}

// settled is what a server has done with jobs of a type.
func settled(t engine.TypeTally) int64 { return t.Completed + t.Failed + t.Cancelled + t.Passed }

// types are a gauge for each type that has work, or had some a moment ago.
func (w *watching) types(snap engine.Snapshot, now time.Duration) []gauge {
	var list []gauge
	for _, t := range snap.Types {
		x, done := w.of(t.Type), settled(t)
		total := max(x.done+x.left, done+t.Running+t.Claimed)
		if done != x.last || total > done {
			x.last, x.changed = done, now
		}
		if total == done && now-x.changed >= doneFor {
			x.before = done // what comes next is new work
		}
		if total > x.before {
			list = append(list, gauge{Name: t.Type, Done: done - x.before, Total: total - x.before, About: x.about, Failed: t.Failed, Others: w.others[t.Type]})
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

// tellWaiting says now and then, when nothing runs for a while, what is waited for.
func (w *watching) tellWaiting(ctx context.Context, snap engine.Snapshot, now time.Duration) {
	if slices.ContainsFunc(snap.Types, func(t engine.TypeTally) bool { return t.Running > 0 }) {
		w.idle, w.told = now, new(engine.Nag)
	}
	if now-w.idle < tellAfter || !w.told.Due(now) {
		return
	}
	waits, err := w.waitsFor(ctx, snap)
	if err != nil { // the database is away, and that is told
		w.told = new(engine.Nag)
		w.idle = now
	}
	for _, text := range waits {
		w.log.Info(w.env.calls(text))
	}
}

// waitsFor says which jobs that are due later, or that others have, keep the server from
// its end.
func (w *watching) waitsFor(ctx context.Context, snap engine.Snapshot) (list []string, err error) {
	at, err := w.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range w.once {
		j, err := w.store.Job(ctx, id)
		if err != nil {
			return nil, err
		}
		if j.Status == engine.StatusWaiting && j.RunAt != nil && j.RunAt.After(at) {
			what := "job " + jobName(j)
			if j.Error != nil {
				what = fmt.Sprintf("attempt %d of %d of job %s after the error %q", j.Attempt+1, max(j.MaxAttempts, j.Attempt+1), jobName(j), clip(j.Error.Message, 200))
			}
			return []string{waitsUntil(what, j.Phase, *j.RunAt, at, j.ID)}, nil
		}
	}
	delayed, err := w.store.Delayed(ctx, waitingLimit)
	if err != nil {
		return nil, err
	}
	records, err := w.store.Types(ctx)
	if err != nil {
		return nil, err
	}
	running, err := w.store.Running(ctx, countLimit)
	if err != nil {
		return nil, err
	}
	queues := w.srv.Queues()
	for _, t := range records {
		if !slices.ContainsFunc(snap.Types, func(x engine.TypeTally) bool { return x.Type == t.Name }) {
			continue
		}
		if n := running[t.ID]; n > 0 && w.others[t.Name] {
			list = append(list, fmt.Sprintf("waiting for %s of %s that other servers have in hand (dsengine jobs list --type %[2]s --status running)", plural(int64(n), "job", "jobs"), t.Name))
		}
		for _, p := range engine.Phases {
			q := engine.QueueOf(t.ID, p)
			if !slices.Contains(queues, q) {
				continue // others work it
			}
			for _, d := range []engine.Delayed{delayed[q], delayed[q.Apart()]} {
				if d.Jobs > 0 {
					list = append(list, waitsUntil(plural(int64(d.Jobs), "job", "jobs")+" of "+t.Name, p, d.Next, at, d.First))
				}
			}
		}
	}
	return list, nil
}

// waitsUntil says what is waited for until when, and how not to wait: first is the job
// that is due then, if that is known.
func waitsUntil(what string, p engine.Phase, due, now time.Time, first engine.JobID) string {
	text := fmt.Sprintf("waiting for %s, due %s (%s) in %s", what, distance(due, now), stamp(due), p)
	if first != 0 {
		text += fmt.Sprintf("; to run it now: dsengine jobs retry %d", first)
	}
	return text + "; to end without it, stop this process (Ctrl-C): the job stays in the database, for the next dsengine run"
}
