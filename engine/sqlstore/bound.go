package sqlstore

import (
	"maps"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// bounds remembers, for each queue and priority, below which id nothing is to
// be found: what was deleted there stays in the index until the server purges
// it, and scanning a million dead rows takes a quarter of a second.
//
// A bound is exact: the id after the last one claimed. What appears below it
// (a commit that was late, another server's retry) is found by a full scan; one is due
// when twenty times the duration of the last one have passed, so that they cost a
// twentieth at most. What appears at a priority that has no bound is looked for in the
// same way. A process that has claimed nothing of a queue yet has the last job's id for a
// bound, at priority 0, once a look that found nothing has taken long.
type bounds struct {
	mu     sync.Mutex
	m      map[engine.Queue]*bound
	search pace // for queues that need bounds
}

type bound struct {
	at     map[int]engine.JobID // by priority
	seen   map[int]bool         // priorities that ever had a bound
	gen    int                  // grows when a job appears below
	full   pace                 // of full scans
	beside pace                 // of looks at priorities that have no bound
}

// pace is of what costs a share of the time at most.
type pace struct{ at, took time.Duration } // when the last one ended

func (p *pace) due(now time.Duration) bool { return now-p.at >= fullScanShare*p.took }

const (
	// fullScanShare is how many times its own duration a full scan is apart from the next.
	fullScanShare = 20
	// fullScanCheap is a full scan that needs no bound.
	fullScanCheap = 2 * time.Millisecond
	// slowLook is a look at queues without bounds after which slow ones are searched for.
	slowLook = 20 * time.Millisecond
)

// view is a queue's bounds at a moment.
type view struct {
	at     map[int]engine.JobID
	gen    int
	full   bool // a full scan is allowed now
	beside bool // so is a look at priorities that have no bound
}

// get is the queue's bounds.
func (b *bounds) get(q engine.Queue, now time.Duration) view {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.m[q]
	if x == nil {
		return view{full: true}
	}
	return view{at: maps.Clone(x.at), gen: x.gen, full: x.full.due(now), beside: x.beside.due(now)}
}

// raise notes that everything below the ids was claimed, unless a job has
// appeared since v was read. It gives the priorities that are new.
func (b *bounds) raise(q engine.Queue, v view, rows []readyRow) (fresh []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.of(q)
	if x.gen != v.gen {
		return nil
	}
	for _, r := range rows {
		if _, ok := x.at[r.priority]; !ok && !x.seen[r.priority] {
			fresh = append(fresh, r.priority)
			x.seen[r.priority] = true
		}
		x.at[r.priority] = r.ref.ID + 1
	}
	return fresh
}

// lower notes jobs that appeared.
func (b *bounds) lower(rows []dueRow) {
	if len(rows) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range rows {
		x := b.m[r.queue]
		if x == nil {
			continue
		}
		x.gen++
		if at, ok := x.at[r.priority]; len(x.at) > 0 && (!ok || r.id < at) {
			x.at[r.priority] = r.id
		}
	}
}

// scanned notes a full scan; if it was cheap and found nothing, the queue needs
// no bounds.
func (b *bounds) scanned(q engine.Queue, now, took time.Duration, empty bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.of(q)
	x.full = pace{now, took}
	if empty && took < fullScanCheap {
		clear(x.at)
	}
}

// found has the next claim scan all of a queue: what was found may lie below a
// bound, and a claim that began there would miss it again and again.
func (b *bounds) found(q engine.Queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(q).full.took = 0
}

// lookedBeside notes a look at the priorities that have no bound.
func (b *bounds) lookedBeside(q engine.Queue, now, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(q).beside = pace{now, took}
}

// maySearch says whether queues that need bounds may be searched for.
func (b *bounds) maySearch(now time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.search.due(now)
}

// searched notes that it was done.
func (b *bounds) searched(began, now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.search = pace{now, now - began}
}

func (b *bounds) of(q engine.Queue) *bound {
	if b.m == nil {
		b.m = map[engine.Queue]*bound{}
	}
	x := b.m[q]
	if x == nil {
		x = &bound{at: map[int]engine.JobID{}, seen: map[int]bool{}}
		b.m[q] = x
	}
	return x
}

// dueRow is a row that was put into ds_ready.
type dueRow struct {
	queue    engine.Queue
	priority int
	id       engine.JobID
}
