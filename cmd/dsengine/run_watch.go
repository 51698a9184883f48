package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

const (
	watchEvery = 250 * time.Millisecond // looks at this process
	countEvery = 2 * time.Second        // looks at the database
	mostHooks  = 5                      // running hooks whose own progress is shown
)

// watch shows how far the work of a server is, until ctx ends. What is left is
// told by the counters that the engine keeps: no look counts rows.
func watch(ctx context.Context, env *Env, store engine.Store, srv *engine.Server, show progress) {
	defer show.close()
	left, counted := map[string]int64{}, env.Clock.Boot()-countEvery
	for {
		if now := env.Clock.Boot(); now-counted >= countEvery {
			if types, err := store.Types(ctx); err == nil {
				for _, t := range types {
					c := t.Counts
					left[t.Name] = max(0, c.Created-c.Completed-c.Failed-c.Cancelled)
				}
			}
			counted = env.Clock.Boot()
		}
		show.show(gauges(srv.Snapshot(), left, srv.Progress()))
		if !env.wait(ctx, watchEvery) {
			return
		}
	}
}

// gauges are one for each type that has work, and one for each of the first
// running hooks that say how far they are.
func gauges(snap engine.Snapshot, left map[string]int64, hooks map[engine.JobID]engine.Progress) []gauge {
	var list []gauge
	for _, t := range snap.Types {
		done := t.Completed + t.Failed + t.Cancelled
		if rest := max(left[t.Type], t.Running); done > 0 || rest > 0 {
			list = append(list, gauge{Name: t.Type, Done: done, Total: done + rest, Failed: t.Failed})
		}
	}
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
