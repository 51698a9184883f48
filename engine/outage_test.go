package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
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
		if _, got, _ := o.fails(duty, at, at, err); got != want {
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
	if over, _ := o.works(beat, true, time.Hour+100*time.Second); over || !o.on() {
		t.Error("it is over while a duty cannot use the database")
	}
	if over, _ := o.works(new(Nag), true, time.Hour+101*time.Second); over {
		t.Error("a duty that never failed ends it")
	}
	if over, lasted := o.works(look, true, time.Hour+104*time.Second); !over || o.on() || lasted != 99*time.Second {
		t.Errorf("over %v after %s, want it over after 1m39s: from the first duty that failed to the first that could use it again", over, lasted)
	}
	fails("the next outage", look, time.Hour+105*time.Second, refused(5), true)
	fails("one that gave no answer to a hook is the same", nil, time.Hour+105*time.Second, slow, false)
	o.works(look, true, time.Hour+106*time.Second)
	fails("the one after that", look, time.Hour+107*time.Second, refused(6), true)
	if over, _ := o.works(look, false, time.Hour+108*time.Second); over || !o.on() {
		t.Error("it is over, and nobody could use the database")
	}
	fails("the next duty is in the same one", beat, time.Hour+109*time.Second, refused(7), false)
	if over, _ := o.works(beat, false, time.Hour+110*time.Second); over {
		t.Error("it is over, and nobody could use the database")
	}
	o.works(new(Nag), true, time.Hour+110*time.Second)
	if !o.on() {
		t.Error("it is over, and who did well may not have asked the database")
	}
	o.answers(time.Hour + 111*time.Second)
	if over, lasted := o.works(new(Nag), true, time.Hour+112*time.Second); !over || lasted != 4*time.Second {
		t.Errorf("over %v after %s: want it over with a beat, when none that failed waits for it", over, lasted)
	}
	fails("and it is told anew", look, time.Hour+113*time.Second, refused(6), true)
}

func TestHowLongTheDatabaseWasAway(t *testing.T) {
	t.Parallel()
	refused := Wrapf(CodeUnreachable, syscall.ECONNREFUSED, "reach the database")
	duty := new(Nag)
	var o outage
	total := func(at, want time.Duration) {
		t.Helper()
		if got := o.total(at); got != want {
			t.Errorf("at %s: away for %s in all, want %s", at, got, want)
		}
	}
	during := func(since time.Duration, number int, met bool) {
		t.Helper()
		if n, m := o.during(since); n != number || m != met {
			t.Errorf("since %s: outage %d, met %v; want %d, %v", since, n, m, number, met)
		}
	}
	during(0, 0, false)
	o.fails(duty, 10*time.Second, 12*time.Second, refused)
	total(15*time.Second, 5*time.Second) // from when the try began that failed
	during(14*time.Second, 1, true)
	o.answers(20 * time.Second)
	total(25*time.Second, 10*time.Second)
	o.works(duty, true, 26*time.Second)
	total(time.Minute, 10*time.Second)
	during(19*time.Second, 1, true)
	during(21*time.Second, 1, false)
	o.fails(duty, 2*time.Minute, 2*time.Minute, refused)
	total(3*time.Minute, 70*time.Second)
	during(3*time.Minute, 2, true)
}

func TestAnOutageCountsOnceAmongReruns(t *testing.T) {
	t.Parallel()
	refused := Severed(Wrapf(CodeUnreachable, syscall.ECONNREFUSED, "reach the database"))
	log, _ := told()
	clock := newLeaps()
	s := &Server{eng: &Engine{clock: clock, log: log, secrets: NewSecrets()}}
	s.logs = newLogWriter(s)
	j, typ, duty := &ClaimedJob{Phase: PhaseConsume}, &Type{Name: "t"}, new(Nag)
	r := tries{}
	ran := func(what string, severed error, want, lines int) {
		t.Helper()
		r.began, r.severed = clock.Boot(), severed
		if s.ranInVain(j, typ, &r); r.n != want || len(s.logs.lines) != lines {
			t.Errorf("%s: %d reruns and %d lines, want %d and %d", what, r.n, len(s.logs.lines), want, lines)
		}
	}
	ran("a dead-lock", nil, 1, 0)
	s.away.fails(duty, clock.Boot(), clock.Boot(), refused)
	ran("the outage begins", refused, 2, 1)
	for range maxSpared {
		ran("it goes on", refused, 2, 1)
	}
	ran("the hook may be what ends the database", refused, 3, 2)
	s.away.works(duty, true, clock.Boot())
	clock.boot.Add(int64(time.Second))
	ran("the hook breaks its own connection", refused, 4, 3)
	ran("and again", refused, 5, 4)
	s.away.fails(duty, clock.Boot(), clock.Boot(), refused)
	ran("another outage", refused, 6, 5)
	ran("there is no connection", Unbegun(refused), 6, 6)
	ran("and none again", Unbegun(refused), 6, 6)
	if got := s.logs.lines[5].Message; got != "there was no connection to the database (connection refused): consume runs again, from its beginning, until there is one. It burns no attempt; what it did outside the database, such as requests, is done once more each time" {
		t.Errorf("it says %q", got)
	}
	if got := s.logs.lines[0].Message; got != "the transaction of the job was lost with the connection to the database (connection refused): consume runs again, from its beginning. It burns no attempt; what it did outside the database, such as requests, is done once more" {
		t.Errorf("it says %q", got)
	}
}

// leaps is a clock that leaps on to when it is to call.
type leaps struct {
	SystemClock
	boot atomic.Int64
}

func newLeaps() *leaps {
	c := new(leaps)
	c.boot.Store(int64(time.Hour))
	return c
}

func (c *leaps) Boot() time.Duration { return time.Duration(c.boot.Load()) }

func (c *leaps) After(d time.Duration, f func()) Timer {
	c.boot.Add(int64(d))
	go f()
	return noTimer{}
}

type noTimer struct{}

func (noTimer) Stop() bool { return false }

// told is a logger that keeps what it is told at Info and above, without the times.
func told() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), &b
}

// TestWhatADutyTells runs a duty by a clock that leaps: err is what it gets, after how
// long.
func TestWhatADutyTells(t *testing.T) {
	t.Parallel()
	refused := Wrapf(CodeUnreachable, syscall.ECONNREFUSED, "reach the database")
	readOnly := Wrapf(CodeRetry, errors.New("Error 1290: --read-only"), "claim")
	broken := Wrapf(CodeInternal, errors.New("Error 1054: no such column"), "claim")
	const (
		away   = `level=WARN msg="the database cannot be used: it is waited for" doing=claim for=\S+ error="reach the database: connection refused"`
		denied = `level=WARN msg="the database( still)? cannot be used\S* [^"]+" doing=claim for=\S+ error="claim: Error 1290: --read-only"`
		back   = `level=INFO msg="the database can be used again" after=`
	)
	for name, c := range map[string]struct {
		until time.Duration
		err   func(after time.Duration) error
		want  []string
		on    bool // the database is away at the end
	}{
		"it is refused, read-only for two minutes, and back": {4 * time.Minute, func(after time.Duration) error {
			switch {
			case after < 30*time.Second:
				return refused
			case after < 150*time.Second:
				return readOnly
			}
			return nil
		}, []string{away, denied, denied, back + "2m"}, false},
		"it is read-only for as long as anybody looks": {5 * time.Minute, func(after time.Duration) error {
			if after < 10*time.Second {
				return refused
			}
			return readOnly
		}, []string{away, denied, denied, denied}, true},
		"it is too busy for a moment when it comes back": {time.Minute, func(after time.Duration) error {
			switch {
			case after < 10*time.Second:
				return refused
			case after < 13*time.Second:
				return readOnly
			}
			return nil
		}, []string{away, back + "1"}, false},
		"it is back, and the duty fails otherwise": {time.Minute, func(after time.Duration) error {
			if after < 10*time.Second {
				return refused
			}
			return broken
		}, []string{away, back + "1", `level=WARN msg=claim error="claim: Error 1054: no such column"`}, false},
		"it is not asked for a while": {time.Minute, func(after time.Duration) error {
			switch {
			case after < 10*time.Second:
				return refused
			case after < 30*time.Second:
				return errNotAsked
			}
			return nil
		}, []string{away, back + "3"}, false},
		"it is read-only from the beginning": {100 * time.Second, func(after time.Duration) error {
			if after < 90*time.Second {
				return readOnly
			}
			return nil
		}, []string{`level=WARN msg=claim for=\S+ error="claim: Error 1290: --read-only"`, `level=WARN msg=claim for=1m\S+ error="claim: Error 1290: --read-only"`, `level=INFO msg="claim: works again" after=1m3`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newLeaps()
			log, lines := told()
			s := &Server{eng: &Engine{clock: clock, log: log}, opts: ServerOptions{}.WithDefaults()}
			ctx, end := context.WithCancel(t.Context())
			var on bool
			s.keepTrying(ctx, "claim", nil, func(context.Context) (time.Duration, error) {
				after := clock.Boot() - time.Hour
				if after >= c.until {
					on = s.away.on()
					end()
				}
				err := c.err(after)
				if err == nil { // it is as a beat
					s.away.answers(clock.Boot())
				}
				return time.Second, err
			})
			if on != c.on {
				t.Errorf("the database is away at the end: %v, want %v", on, c.on)
			}
			got := strings.Split(strings.TrimSpace(lines.String()), "\n")
			for i := range max(len(got), len(c.want)) {
				if i >= len(got) || i >= len(c.want) || !regexp.MustCompile("^"+c.want[i]).MatchString(got[i]) {
					t.Fatalf("want\n%s\ngot\n%s", strings.Join(c.want, "\n"), lines)
				}
			}
			s.away.answers(clock.Boot())
			s.usable(nil, true)
			if s.away.on() {
				t.Error("a duty that has ended is still waited for")
			}
		})
	}
}

// Two things that go wrong for long, while the database can be used, are both told; that
// all meet one of them is told once.
func TestWhatGoesOnIsToldByItsCause(t *testing.T) {
	t.Parallel()
	locked := Wrapf(CodeRetry, errors.New("Error 1205: Lock wait timeout exceeded"), "claim")
	readOnly := Wrapf(CodeRetry, errors.New("Error 1290: --read-only"), "fold")
	clock := newLeaps()
	log, lines := told()
	s := &Server{eng: &Engine{clock: clock, log: log}}
	since := clock.Boot() - TellAfter
	for _, x := range []struct {
		what string
		err  error
		want bool
	}{{"claim", locked, true}, {"fold", readOnly, true}, {"claim others", locked, false}, {"beat", readOnly, false}} {
		if got := s.waitOut(new(trouble), x.what, since, x.err); got != x.want {
			t.Errorf("%s: told %v, want %v", x.what, got, x.want)
		}
	}
	if s.waitOut(nil, "look", clock.Boot(), Errorf(CodeRetry, "a dead-lock")) {
		t.Error("what has just begun is told")
	}
	if n := strings.Count(lines.String(), "\n"); n != 2 {
		t.Errorf("want two lines, got\n%s", lines)
	}
}
