package engine

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"
)

func TestAnOutageIsToldOnceForAllWhoMeetIt(t *testing.T) {
	t.Parallel()
	refused := func(port int) error {
		return Wrapf(CodeUnreachable, fmt.Errorf("dial tcp 127.0.0.1:%d: %w", port, syscall.ECONNREFUSED), "reach the database")
	}
	full := Wrapf(CodeUnreachable, errors.New("Error 1114: The table 'big' is full"), "the database has no room")
	slow := Wrapf(CodeUnreachable, context.DeadlineExceeded, "the database did not answer in 5s")
	beat, look := new(Nag), new(Nag)
	var o outage
	fails := func(what string, duty any, at time.Duration, err error, want bool) {
		t.Helper()
		if got, _ := o.fails(duty, at, at, err); got != want {
			t.Errorf("%s at %s: told %v, want %v", what, at, got, want)
		}
	}
	fails("a hook is the first", nil, 1*time.Hour, refused(1), true)
	fails("a duty", beat, time.Hour+time.Second, refused(2), false)
	fails("another one, otherwise", look, time.Hour+2*time.Second, slow, false)
	fails("a hook", nil, time.Hour+3*time.Second, refused(3), false)
	fails("a hook, for another reason", nil, time.Hour+4*time.Second, full, true)
	fails("a minute later", beat, time.Hour+time.Minute, refused(4), true)
	fails("and another one", look, time.Hour+time.Minute, refused(4), false)
	if over, _ := o.works(beat, time.Hour+100*time.Second); over || !o.on() {
		t.Error("it is over while a duty cannot use the database")
	}
	if over, _ := o.works(new(Nag), time.Hour+101*time.Second); over {
		t.Error("a duty that never failed ends it")
	}
	if over, lasted := o.works(look, time.Hour+104*time.Second); !over || o.on() || lasted != 99*time.Second {
		t.Errorf("over %v after %s, want it over after 1m39s: from the first duty that failed to the first that could use it again", over, lasted)
	}
	fails("the next outage", look, time.Hour+105*time.Second, refused(5), true)
	o.leave(look)
	if o.on() {
		t.Error("who has ended is still waited for")
	}
}
