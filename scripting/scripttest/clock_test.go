package scripttest

import (
	"testing"
	"time"
)

// TestTimersGoOffByTheMachinesClockToo has a time-out end what computes without end, while
// the test's clock stands still.
func TestTimersGoOffByTheMachinesClockToo(t *testing.T) {
	t.Parallel()
	c := newClock()
	c.patience = time.Nanosecond
	off := make(chan struct{})
	c.After(time.Nanosecond, func() { close(off) })
	<-off
	c.advance(t.Context(), Epoch.Add(time.Hour)) // and not once more
	c.patience = time.Hour
	late := c.After(time.Second, func() { t.Error("it was taken back") })
	if !late.Stop() || late.Stop() {
		t.Error("it is not taken back once")
	}
	c.After(time.Second, func() { t.Error("it is of another test") })
	c.reset()
	c.advance(t.Context(), Epoch.Add(time.Hour))
}
