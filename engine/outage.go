package engine

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"sync"
	"time"
)

// outage is the time in which the database cannot be used. All duties of a server
// meet it, and its hooks and commits: it is told once for all of them, and once when
// it is over. It begins when a duty fails, and ends when all that failed in it have
// succeeded.
type outage struct {
	mu      sync.Mutex
	failing map[any]bool
	since   time.Duration   // when it began, by Clock.Boot
	back    time.Duration   // when a duty first succeeded after the last one failed; 0: none did
	cause   string          // of the first failure
	told    map[string]*Nag // what was told, by cause
}

// fails notes that a duty cannot use the database since it began to try; nil is
// somebody else, such as a hook. tell says that it is to be told now, lasts for how
// long it has gone on.
func (o *outage) fails(duty any, began, now time.Duration, err error) (tell bool, lasts time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	cause := causeOf(err)
	if duty != nil {
		if len(o.failing) == 0 {
			o.failing, o.since, o.cause = map[any]bool{}, began, cause
		}
		o.failing[duty], o.back = true, 0
	}
	if len(o.failing) > 0 {
		began = min(began, o.since)
		if duty != nil || o.cause == noAnswer {
			cause = o.cause // it is the same one
		}
	}
	if o.told == nil || len(o.told) > 50 {
		o.told = map[string]*Nag{}
	}
	if o.told[cause] == nil {
		o.told[cause] = new(Nag)
	}
	return o.told[cause].Due(now), now - began
}

// works notes that a duty could use the database; over says that all can again, and
// lasted for how long they could not.
func (o *outage) works(duty any, now time.Duration) (over bool, lasted time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.failing[duty] {
		return false, 0
	}
	delete(o.failing, duty)
	if o.back == 0 {
		o.back = now
	}
	if len(o.failing) > 0 {
		return false, 0
	}
	o.told = nil
	return true, o.back - o.since
}

// leave forgets a duty that ends, or asks the database for nothing any more.
func (o *outage) leave(duty any) {
	o.mu.Lock()
	delete(o.failing, duty)
	o.mu.Unlock()
}

// on says that the database cannot be used.
func (o *outage) on() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.failing) > 0
}

// noAnswer is the cause where a database that takes connections gave no answer in time.
const noAnswer = "late"

var numbers = regexp.MustCompile(`[0-9]+`)

// causeOf is the innermost message of an error, without numbers: those of ports are
// other ones each time.
func causeOf(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return noAnswer
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return numbers.ReplaceAllString(err.Error(), "#")
}

// isAway says that by this error the database cannot be used: what has waited too
// long for a lock has another code.
func isAway(err error) bool {
	code := CodeOf(err)
	return code == CodeUnreachable || code == "" && errors.Is(err, context.DeadlineExceeded)
}

// waitOut tells of an error that is waited out since then, unless it was told
// before: see outage. It says whether it was told.
func (s *Server) waitOut(duty any, what string, since time.Duration, err error, more ...any) bool {
	now := s.eng.clock.Boot()
	more = append(more, "for", FormatDuration((now - since).Round(time.Second)))
	switch {
	case isAway(err):
		tell, lasts := s.away.fails(duty, since, now, err)
		if tell {
			message := "the database cannot be used: it is waited for"
			if lasts >= nagFirst {
				message = "the database still cannot be used, since " + FormatDuration(lasts.Round(time.Second))
			}
			s.log(slog.LevelWarn, message, err, append([]any{"doing", what}, more...)...)
			return true
		}
	case !s.away.on() && now-since >= TellAfter && s.stuck.Due(now):
		s.log(slog.LevelWarn, what, err, more...)
		return true
	}
	s.log(slog.LevelDebug, what, err, more...)
	return false
}

// atEnd tells of what could not be written at the end of the process, and is lost;
// where the database is away that is told otherwise.
func (s *Server) atEnd(what string, err error) {
	level := slog.LevelWarn
	if s.away.on() && mayPass(err) {
		level = slog.LevelDebug
	}
	s.log(level, what, err)
}

// mayPass says that an error may be gone at the next try.
func mayPass(err error) bool {
	switch CodeOf(err) {
	case CodeRetry, CodeUnreachable, CodeUnknown:
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// errNotAsked is what a duty gives that had no reason to ask the database: it is no
// sign that the database can be used. With a pause without end the duty is not
// waited for.
var errNotAsked = errors.New("the database was not asked")

// keepTrying runs a duty again and again: f says how long to wait, and a wake
// shortens that. Errors are waited out, and logged now and then until they end.
func (s *Server) keepTrying(ctx context.Context, what string, wakeUp <-chan struct{}, f func(context.Context) (time.Duration, error)) {
	const first = 100 * time.Millisecond
	var (
		pause   = first
		failing bool
		told    bool // that it fails
		since   time.Duration
		nag     = new(Nag)
		me      = nag // as the outage knows the duty
	)
	defer s.away.leave(me)
	for {
		began := s.eng.clock.Boot()
		d, err := f(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errNotAsked):
			if d < 0 {
				s.away.leave(me)
			}
		case err != nil:
			if !failing {
				failing, since = true, began
			}
			if mayPass(err) {
				told = s.waitOut(me, what, since, err) && !isAway(err) || told
			} else if nag.Due(s.eng.clock.Boot()) {
				s.log(slog.LevelWarn, what, err)
				told = true
			}
			d = pause
			pause = min(2*pause, 5*time.Second)
		default:
			if over, lasted := s.away.works(me, s.eng.clock.Boot()); over {
				s.eng.log.Info("the database can be used again", "after", FormatDuration(lasted.Round(100*time.Millisecond)))
			}
			if told {
				s.eng.log.Info(what+": works again", "after", FormatDuration((s.eng.clock.Boot() - since).Round(100*time.Millisecond)))
			}
			if failing {
				failing, told, pause, nag = false, false, first, new(Nag)
			}
		}
		if !wait(ctx, s.eng.clock, d, wakeUp) {
			return
		}
	}
}
