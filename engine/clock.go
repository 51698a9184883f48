package engine

import (
	"context"
	"time"
)

// Clock is where the engine takes its time from. Now is for people, Boot for
// leases: it goes on while the machine sleeps and never jumps.
type Clock interface {
	Now() time.Time
	// Boot is the time since the machine started, suspends included.
	Boot() time.Duration
	// After calls f once, in a goroutine of its own, when d has passed.
	After(d time.Duration, f func()) Timer
}

// Timer is a call to come.
type Timer interface {
	// Stop takes the call back; false when it is too late.
	Stop() bool
}

// SystemClock is the machine's own clock.
type SystemClock struct{}

// Now is the time of day.
func (SystemClock) Now() time.Time { return time.Now() }

// Boot is the time since the machine started, suspends included where the
// operating system tells.
func (SystemClock) Boot() time.Duration { return bootTime() }

// After calls f when d has passed.
func (SystemClock) After(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// Sleeper is a Clock that has its own way to wait: one that only tests have
// skips the time.
type Sleeper interface {
	// Sleep waits for d or for the end of ctx; false means that ctx ended.
	Sleep(ctx context.Context, d time.Duration) bool
}

// sleep waits for d or for the end of ctx; false means that ctx ended.
func sleep(ctx context.Context, clock Clock, d time.Duration) bool {
	if s, ok := clock.(Sleeper); ok && ctx.Err() == nil {
		return s.Sleep(ctx, d)
	}
	return wait(ctx, clock, d, nil)
}

// wait waits for d, for a wake-up or for the end of ctx; false means that ctx
// ended. A negative d waits without limit.
func wait(ctx context.Context, clock Clock, d time.Duration, wake <-chan struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	if d == 0 {
		return true
	}
	done := make(chan struct{})
	if d > 0 {
		t := clock.After(d, func() { close(done) })
		defer t.Stop()
	}
	select {
	case <-ctx.Done():
		return false
	case <-done:
	case <-wake:
	}
	return true
}
