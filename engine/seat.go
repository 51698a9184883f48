package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// DefaultConnections is how many hooks of a process have connections at once.
const DefaultConnections = 32

// seatWait is when a wait for a seat has grown long enough to be told.
const seatWait = 5 * time.Second

// seats bound how many hooks have connections at once: each has one at most to each
// database. A hook takes a seat before its first connection, and leaves it when it has
// given the last one back. So who waits for a seat holds no connection, and who holds
// one waits for no seat: they cannot wait for each other. A database's only writer is a
// connection that takes none, as there is no other one: whoever waits for it keeps no
// hook from another database, and whoever has it has a connection.
type seats chan struct{}

// seat is a hook's: mu is for its fields, since a hook that has to end is ended by
// another goroutine.
type seat struct {
	mu    sync.Mutex
	used  int  // connections that the hook has
	taken bool // of seats
}

// takeSeat is for one more connection of the hook; only says that it has it already, and
// that it is a database's only writer. A wait is not part of the hook's own time.
func (c *Call) takeSeat(ctx context.Context, only bool) (leave func(), err error) {
	c.seat.mu.Lock()
	defer c.seat.mu.Unlock()
	if c.seat.used == 0 && !only {
		c.seat.mu.Unlock()
		err := c.waitForSeat(ctx)
		c.seat.mu.Lock()
		if err != nil {
			return nil, err
		}
		if c.seat.taken { // another connection took one meanwhile
			<-c.srv.seats
		}
		c.seat.taken = true
	}
	c.seat.used++
	return c.leaveSeat, nil
}

// leaveSeat is for a connection that was given back.
func (c *Call) leaveSeat() {
	c.seat.mu.Lock()
	defer c.seat.mu.Unlock()
	if c.seat.used--; c.seat.used == 0 && c.seat.taken {
		c.seat.taken = false
		<-c.srv.seats
	}
}

func (c *Call) waitForSeat(ctx context.Context) error {
	select {
	case c.srv.seats <- struct{}{}:
		return nil
	default:
	}
	c.watch.pause()
	defer c.watch.resume()
	began, told := c.eng.clock.Boot(), seatWait
	for {
		long := make(chan struct{})
		t := c.eng.clock.After(told, func() { close(long) })
		select {
		case c.srv.seats <- struct{}{}:
			t.Stop()
			return nil
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-long:
			told *= 2
			c.Log(slog.LevelWarn, fmt.Sprintf("waiting for a connection to the database: %d hooks of this server have one each, and no more may (--connections)", cap(c.srv.seats)),
				map[string]any{"waited": FormatDuration((c.eng.clock.Boot() - began).Round(time.Second))})
		}
	}
}
