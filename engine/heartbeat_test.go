package engine

import (
	"context"
	"log/slog"
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
