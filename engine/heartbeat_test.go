package engine

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// sleepyClock is that of a machine that sleeps: Boot goes on meanwhile, timers do not.
type sleepyClock struct {
	SystemClock
	boot  atomic.Int64
	waits chan wakeUp
}

// wakeUp is a timer that was set.
type wakeUp struct {
	d    time.Duration
	fire func()
}

func (c *sleepyClock) Boot() time.Duration { return time.Duration(c.boot.Load()) }

func (c *sleepyClock) After(d time.Duration, f func()) Timer {
	c.waits <- wakeUp{d, f}
	return time.NewTimer(0)
}

func TestTheEndOfALeaseIsSeenSoonAfterTheMachineSlept(t *testing.T) {
	t.Parallel()
	const lease = time.Minute
	clock := &sleepyClock{waits: make(chan wakeUp, 1)}
	s := &Server{eng: &Engine{clock: clock, log: slog.New(slog.DiscardHandler)}, opts: ServerOptions{Lease: lease}, claims: newClaimTable(), running: newRunTable()}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.watchLease(ctx)
	}()
	w := <-clock.waits
	if w.d > lease/20 {
		t.Errorf("it looks again after %s: a machine that wakes up runs hooks for so long whose jobs others have", w.d)
	}
	clock.boot.Store(int64(lease - lease/5 + 1))
	w.fire()
	<-clock.waits // it has seen that, and waits for the next look
	if !s.suspended.Load() {
		t.Error("the lease may be over, and hooks go on")
	}
	stop()
	<-ended
}

// claimsOf is a store that has claims in our name, and holds rows of some jobs.
type claimsOf struct {
	Store
	claims map[ClaimID][]JobRef
	held   []JobID
}

func (s *claimsOf) OwnClaims(context.Context, ServerID) (map[ClaimID][]JobRef, error) {
	return s.claims, nil
}

func (s *claimsOf) Release(context.Context, ClaimID, []JobRef) error {
	return Wrapf(CodeRetry, &LockedError{Jobs: s.held}, "give jobs back")
}

func TestWhatOthersHoldKeepsNoOtherJobFromBeingGivenBack(t *testing.T) {
	t.Parallel()
	store := &claimsOf{claims: map[ClaimID][]JobRef{{1}: {{ID: 7}, {ID: 8}}}, held: []JobID{8}}
	l := &lane{wakeUp: make(chan struct{}, 1)}
	s := &Server{eng: &Engine{store: store, clock: SystemClock{}, log: slog.New(slog.DiscardHandler)}, opts: ServerOptions{}.WithDefaults(), claims: newClaimTable(), lanes: map[Queue]*lane{1: l}}
	s.tally.kept([]JobRef{{ID: 7}, {ID: 8}})
	if err := s.reconcile(t.Context()); err != nil {
		t.Errorf("it is told as failing: %v", err)
	}
	if len(l.wakeUp) == 0 {
		t.Error("nobody looks for the job that is due again")
	}
	s.tally.cutOff()
	if kept := s.Snapshot().Kept; !slices.Equal(kept, []JobID{8}) {
		t.Errorf("kept are %v", kept)
	}
}
