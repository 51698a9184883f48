package engine

import (
	"context"
	"errors"
	"testing"
)

// TestRunTableKeepsTheNewerHook: a process that lost a job may claim it again
// while the hook that it stopped has not ended yet.
func TestRunTableKeepsTheNewerHook(t *testing.T) {
	t.Parallel()
	table := newRunTable()
	call := func(epoch Epoch) *Call {
		c := &Call{job: &ClaimedJob{JobRef: JobRef{ID: 7, Epoch: epoch}}}
		c.ctx, c.stop = context.WithCancelCause(context.Background())
		return c
	}
	old, newer := call(1), call(2)
	table.add(old)
	table.add(newer)
	table.remove(old)
	if !table.has(7) {
		t.Error("the newer hook is not in the table any more")
	}
	if n := table.stopAll(ErrLost); n != 1 || !errors.Is(context.Cause(newer.ctx), ErrLost) {
		t.Errorf("stopped %d hooks, and the newer one ended with: %v", n, context.Cause(newer.ctx))
	}
	table.remove(newer)
	if table.has(7) {
		t.Error("a hook that has ended is in the table")
	}
}

// When the lease has run out, what is under way is stopped once; a commit that begins
// after that has nobody to stop it.
func TestACommitThatBeginsAfterTheLeaseRanOutEndsAtOnce(t *testing.T) {
	s := &Server{running: newRunTable()}
	ctx, stop := s.whileOurs(t.Context())
	defer stop()
	if ctx.Err() != nil {
		t.Errorf("before: %v", context.Cause(ctx))
	}
	s.suspended.Store(true)
	late, stop := s.whileOurs(t.Context())
	defer stop()
	if context.Cause(late) != ErrLost {
		t.Errorf("after: got %v", context.Cause(late))
	}
}
