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
// it is over. It begins when a duty fails. It ends when all that failed could use the
// database, or need nothing of it now and a beat was answered.
type outage struct {
	mu      sync.Mutex
	goes    bool                  // one goes on
	failing map[any]time.Duration // since when they are answered, by errors that may pass; 0: they are not
	since   time.Duration         // when it began, by Clock.Boot
	back    time.Duration         // when the database first answered after the last one failed; 0: not yet
	cause   string                // of the first failure
	told    map[string]*Nag       // what was told, by cause
	number  int                   // of those that have begun
	ended   time.Duration         // when the last one did, by Clock.Boot
	lasted  time.Duration         // all that have ended
}

// fails notes that a duty meets an error that may pass, since it began to try; nil is
// somebody else, such as a hook. away says that the database cannot be used, tell that
// it is to be told now, lasts for how long it has gone on.
func (o *outage) fails(duty any, began, now time.Duration, err error) (away, tell bool, lasts time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	cause := causeOf(err)
	answered, in := o.failing[duty]
	switch {
	case isAway(err):
		if duty != nil {
			if !o.goes {
				o.goes, o.failing, o.since, o.cause = true, map[any]time.Duration{}, began, cause
				o.number++
			}
			o.failing[duty], o.back = 0, 0
		}
		if o.goes {
			began = min(began, o.since)
			if duty != nil || o.cause == noAnswer || cause == noAnswer {
				cause = o.cause // it is the same one
			}
		}
		return true, o.due(cause, now), now - began
	case in: // it is read-only now, say: no use to the duty yet
		if o.back = 0; answered == 0 {
			o.failing[duty], answered = now, now
		}
		return true, now-answered >= TellAfter && o.due(cause, now), now - o.since
	}
	return false, !o.goes && now-began >= TellAfter && o.due("answered: "+cause, now), now - began
}

// due says whether to tell of a cause now.
func (o *outage) due(cause string, now time.Duration) bool {
	if o.told == nil || len(o.told) > 50 {
		o.told = map[string]*Nag{}
	}
	if o.told[cause] == nil {
		o.told[cause] = new(Nag)
	}
	return o.told[cause].Due(now)
}

// works notes that a duty could use the database, or with used false that it needs
// nothing of it now. over says that the outage is, lasted for how long it went on.
func (o *outage) works(duty any, used bool, now time.Duration) (over bool, lasted time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, in := o.failing[duty]
	delete(o.failing, duty)
	if used && in && o.back == 0 { // others may do well without it
		o.back = now
	}
	if !o.goes || len(o.failing) > 0 || o.back == 0 {
		return false, 0
	}
	o.goes, o.told = false, nil
	o.ended = o.back
	o.lasted += o.back - o.since
	return true, o.back - o.since
}

// during says whether there was an outage since a time, and which one was the last.
func (o *outage) during(since time.Duration) (number int, met bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.number, o.goes || o.number > 0 && o.ended >= since
}

// total is how long the database could not be used so far, in all.
func (o *outage) total(now time.Duration) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.goes:
		return o.lasted
	case o.back != 0:
		return o.lasted + o.back - o.since
	}
	return o.lasted + now - o.since
}

// answers notes that the database has answered a beat.
func (o *outage) answers(now time.Duration) {
	o.mu.Lock()
	if o.back == 0 {
		o.back = now
	}
	o.mu.Unlock()
}

// on says that the database cannot be used.
func (o *outage) on() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.goes
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
// before: see outage. It says whether it was told as no part of an outage.
func (s *Server) waitOut(duty any, what string, since time.Duration, err error, more ...any) bool {
	now := s.eng.clock.Boot()
	away, tell, lasts := s.away.fails(duty, since, now, err)
	more = append(more, "for", FormatDuration((now - since).Round(time.Second)))
	if !tell {
		s.log(slog.LevelDebug, what, err, more...)
		return false
	}
	if !away {
		s.log(slog.LevelWarn, what, err, more...)
		return true
	}
	message := "the database cannot be used: it is waited for"
	if lasts >= nagFirst {
		message = "the database still cannot be used, since " + FormatDuration(lasts.Round(time.Second))
	}
	s.log(slog.LevelWarn, message, err, append([]any{"doing", what}, more...)...)
	return false
}

// usable notes that a duty could use the database, or with used false that it needs
// nothing of it now.
func (s *Server) usable(duty any, used bool) {
	if over, lasted := s.away.works(duty, used, s.eng.clock.Boot()); over {
		s.eng.log.Info("the database can be used again", "after", FormatDuration(lasted.Round(100*time.Millisecond)))
	}
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
// sign that the database can be used, and for as long as that goes on the duty is not
// waited for.
var errNotAsked = errors.New("the database was not asked")

// trouble is how something goes that is tried again and again. The zero value is
// ready.
type trouble struct {
	pause time.Duration // before the next try; 0: the last one succeeded
	since time.Duration // when the first one that failed began, by Clock.Boot
	last  time.Duration // when one failed last
	told  bool
	nag   Nag
}

// failed tells of a try that began then, unless it was told before, and makes the pause
// longer, up to most. duty is for the outage.
func (t *trouble) failed(s *Server, duty any, what string, began, most time.Duration, err error) {
	if t.pause == 0 || began-t.last > nagFirst { // there may have been nothing to try in between
		*t = trouble{since: began, pause: 50 * time.Millisecond, told: t.told}
	}
	t.pause, t.last = min(2*t.pause, most), s.eng.clock.Boot()
	if mayPass(err) {
		t.told = s.waitOut(duty, what, t.since, err) || t.told
		return
	}
	s.usable(duty, true) // it has answered
	if t.nag.Due(s.eng.clock.Boot()) {
		s.log(slog.LevelWarn, what, err)
		t.told = true
	}
}

// worked tells that it works again, if it was told that it does not.
func (t *trouble) worked(s *Server, what string) {
	if t.told {
		s.eng.log.Info(what+": works again", "after", FormatDuration((s.eng.clock.Boot() - t.since).Round(100*time.Millisecond)))
	}
	t.pause, t.told = 0, false
}

// keepTrying runs a duty again and again: f says how long to wait, and a wake
// shortens that. Errors are waited out, and logged now and then until they end.
func (s *Server) keepTrying(ctx context.Context, what string, wakeUp <-chan struct{}, f func(context.Context) (time.Duration, error)) {
	t := new(trouble) // the outage knows the duty by it
	defer s.usable(t, false)
	most := min(5*time.Second, s.opts.Lease/3) // as often as the lease is renewed
	for {
		began := s.eng.clock.Boot()
		d, err := f(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errNotAsked):
			s.usable(t, false)
		case err != nil:
			t.failed(s, t, what, began, most, err)
			d = t.pause
		default:
			s.usable(t, true)
			t.worked(s, what)
		}
		if !wait(ctx, s.eng.clock, d, wakeUp) {
			return
		}
	}
}
