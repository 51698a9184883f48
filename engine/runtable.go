package engine

import (
	"context"
	"sync"
)

// runTable holds the hooks that run, so that they can be stopped one by one
// (a person cancelled the job) or all at once (the lease ran out).
type runTable struct {
	mu     sync.Mutex
	calls  map[JobID]*Call
	asked  map[JobRef]bool // cancelled before their hook began
	guards map[*context.CancelCauseFunc]struct{}
}

func newRunTable() *runTable {
	return &runTable{calls: map[JobID]*Call{}, asked: map[JobRef]bool{}, guards: map[*context.CancelCauseFunc]struct{}{}}
}

// add notes a hook that begins; false means that its job is to be cancelled.
func (t *runTable) add(c *Call) bool {
	ref := c.job.JobRef
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[ref.ID] = c
	if len(t.asked) > 0 && t.asked[ref] {
		delete(t.asked, ref)
		return false
	}
	return true
}

// remove forgets a hook that has ended, or is left behind; false if it was forgotten
// before. A later one of the same job, which this process may have claimed again
// meanwhile, stays.
func (t *runTable) remove(c *Call) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls[c.job.ID] != c {
		return false
	}
	delete(t.calls, c.job.ID)
	return true
}

// cancel stops the hook of a job, now or when it begins.
func (t *runTable) cancel(ref JobRef) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.calls[ref.ID]; c != nil {
		if c.job.Epoch == ref.Epoch {
			c.stop(ErrCancelled)
		}
		return
	}
	if len(t.asked) > 10_000 {
		clear(t.asked)
	}
	t.asked[ref] = true
}

// stopAll stops every hook and every commit under way.
func (t *runTable) stopAll(cause error) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for g := range t.guards {
		(*g)(cause)
	}
	return t.stop(cause)
}

// stopCalls stops every hook.
func (t *runTable) stopCalls(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop(cause)
}

func (t *runTable) stop(cause error) (n int) {
	for _, c := range t.calls {
		c.stop(cause)
		n++
	}
	return n
}

// guard has stop called by stopAll until undo is.
func (t *runTable) guard(stop context.CancelCauseFunc) (undo func()) {
	g := &stop
	t.mu.Lock()
	t.guards[g] = struct{}{}
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		delete(t.guards, g)
		t.mu.Unlock()
	}
}

// has says whether a hook of the job runs.
func (t *runTable) has(id JobID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[id] != nil
}
