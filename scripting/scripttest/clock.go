package scripttest

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Epoch is when the clock of every test starts.
var Epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is a test's own: it stands still while the test computes, and skips over
// waits.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers timers
	seq    int

	patience time.Duration
}

var (
	_ engine.Clock   = (*clock)(nil)
	_ engine.Sleeper = (*clock)(nil)
)

func newClock() *clock { return &clock{now: Epoch, patience: patience} }

// reset sets the clock back for another test. Calls to come are forgotten.
func (c *clock) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.timers {
		t.end()
	}
	c.now, c.timers, c.seq = Epoch, nil, 0
}

// Now is the test's time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Boot is the time since the test started, by its own clock.
func (c *clock) Boot() time.Duration { return c.Now().Sub(Epoch) }

// timer is a call to come.
type timer struct {
	c    *clock
	at   time.Time
	seq  int // timers of one moment go off in the order in which they were set
	f    func()
	done bool
	real *time.Timer
}

// patience is how long, by the machine's clock, what is bound by the test's may take at
// least: that stands still while a script computes.
const patience = 10 * time.Second

// end says that it goes off no more, and whether it would have.
func (t *timer) end() bool {
	was := t.done
	t.done = true
	t.real.Stop()
	return !was
}

// Stop takes the call back.
func (t *timer) Stop() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.end()
}

// timers is a heap of them, by time.
type timers []*timer

func (h timers) Len() int { return len(h) }
func (h timers) Less(i, k int) bool {
	if h[i].at.Equal(h[k].at) {
		return h[i].seq < h[k].seq
	}
	return h[i].at.Before(h[k].at)
}
func (h timers) Swap(i, k int) { h[i], h[k] = h[k], h[i] }

// Push adds one.
func (h *timers) Push(x any) { *h = append(*h, x.(*timer)) }

// Pop takes the last one.
func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}

// After calls f when the clock has come so far, or the machine's, with patience: a script
// may compute without end.
func (c *clock) After(d time.Duration, f func()) engine.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	t := &timer{c: c, at: c.now.Add(d), seq: c.seq, f: f}
	t.real = time.AfterFunc(max(d, c.patience), func() {
		if t.Stop() {
			f()
		}
	})
	heap.Push(&c.timers, t)
	return t
}

// Sleep skips the time, timers that are due in it first. It is false when ctx
// has ended: a time-out may be among them.
func (c *clock) Sleep(ctx context.Context, d time.Duration) bool {
	c.advance(ctx, c.Now().Add(max(d, 0)))
	return ctx.Err() == nil
}

// advance moves the clock to a time, if that is to come, or until ctx ends, and
// calls what is due on the way.
func (c *clock) advance(ctx context.Context, to time.Time) {
	for ctx.Err() == nil {
		c.mu.Lock()
		for len(c.timers) > 0 && c.timers[0].done {
			heap.Pop(&c.timers)
		}
		if len(c.timers) == 0 || c.timers[0].at.After(to) {
			if to.After(c.now) {
				c.now = to
			}
			c.mu.Unlock()
			return
		}
		t := heap.Pop(&c.timers).(*timer)
		t.end()
		if t.at.After(c.now) {
			c.now = t.at
		}
		c.mu.Unlock()
		t.f()
	}
}
