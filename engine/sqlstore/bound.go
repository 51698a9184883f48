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
// (a commit that was late, another server's retry), or at a priority that has
// no bound, is found by a full scan; one is due when twenty times the duration
// of the last one have passed, so that they cost a twentieth at most. A process that
// has claimed nothing of a queue yet has the last job's id for a bound, once a look that
// found nothing has taken long.
type bounds struct {
	mu sync.Mutex
	m  map[engine.Queue]*bound
}

type bound struct {
	at       map[int]engine.JobID // by priority
	seen     map[int]bool         // priorities that ever had a bound
	gen      int                  // grows when a job appears below
	fullAt   time.Duration        // when the last full scan ended
	fullTook time.Duration
}

const (
	// fullScanShare is how many times its own duration a full scan is apart from the next.
	fullScanShare = 20
	// fullScanCheap is a full scan that needs no bound.
	fullScanCheap = 2 * time.Millisecond
	// slowLook is a look at queues without bounds after which each is looked at by itself.
	slowLook = 20 * time.Millisecond
)

// view is a queue's bounds at a moment.
type view struct {
	at   map[int]engine.JobID
	gen  int
	full bool // a full scan is allowed now
}

// get is the queue's bounds.
func (b *bounds) get(q engine.Queue, now time.Duration) view {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.m[q]
	if x == nil {
		return view{full: true}
	}
	return view{at: maps.Clone(x.at), gen: x.gen, full: now-x.fullAt >= fullScanShare*x.fullTook}
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
	x.fullAt, x.fullTook = now, took
	if empty && took < fullScanCheap {
		clear(x.at)
	}
}

// found has the next claim scan all of a queue: what was found may lie below a
// bound, and a claim that began there would miss it again and again.
func (b *bounds) found(q engine.Queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(q).fullTook = 0
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
