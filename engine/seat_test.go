package engine

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestSeats(t *testing.T) {
	srv := &Server{seats: make(seats, 1)}
	hook := func() *Call {
		return &Call{srv: srv, eng: &Engine{clock: SystemClock{}}, watch: newStopwatch(SystemClock{}, time.Hour, func() {})}
	}
	take := func(c *Call, only bool) func() {
		t.Helper()
		leave, err := c.takeSeat(t.Context(), only)
		if err != nil {
			t.Fatal(err)
		}
		return leave
	}
	none := func(c *Call) {
		t.Helper()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(ErrLost)
		if _, err := c.takeSeat(ctx, false); !errors.Is(err, ErrLost) {
			t.Errorf("there is a seat: %v", err)
		}
	}
	writer, other, third := hook(), hook(), hook()
	writes := take(writer, true)
	has := take(other, false) // although there is one seat
	none(third)
	more := take(writer, false) // else it would wait for whoever may wait for the writer
	writes()
	none(third)
	more() // it had none to leave
	none(third)
	has()
	take(third, false)()
	writes = take(third, true)
	take(writer, false)()
	writes()
	take(writer, false)()
}
