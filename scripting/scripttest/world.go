package scripttest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// Script is a job script that tests run: one for each language.
type Script interface {
	// Type makes a job type of it, whose hooks live in a host.
	Type(host *hostlib.Host) *engine.Type
	// HookAt is where it defines a hook that it has: "file:line".
	HookAt(name string) string
	// Tests are the tests in the script itself.
	Tests() []*hostlib.Test
	// Files are the script and all that it loads, below the jobs folder.
	Files() []string
}

// world is what one test lives in. It belongs to the goroutine of its test, and
// is made of parts that are not there before they are asked for.
type world struct {
	ctx     context.Context
	ground  *ground
	tested  Script // nil: a helper file is tested
	folder  string // of the file of tests: fixtures are there
	clock   *clock
	log     *lines
	host    *hostlib.Host
	http    *stubs
	wrong   []wrong       // what the script asked for in vain: each fails the test
	lacks   []string      // those of them that its needs do not have
	calls   int           // that the test itself has made
	call    *hostlib.Call // the last one's; nil: there was none
	secrets map[string]string
	hides   *engine.Secrets // those that scripts were given
	falls   falls
	silent  *Stop // the first error in t.run and its like that changes nothing of how a job ends; nil: there was none
	others  map[reached]connection
	servers map[string]*server
	stores  map[string]*store
	post    *office // nil: nobody has asked for it

	crash *crash // nil: nothing is killed
	begun bool   // a job has run, or the clock was set or moved
	store engine.Store
	eng   *engine.Engine
	step  *engine.Stepper
	typ   *engine.Type
	busy  struct { // the job whose hooks run now, and how often they have at one moment
		job   engine.JobID
		at    time.Time
		times int
	}
	ran    bool                 // a hook has
	own    []engine.JobID       // see watched
	beside bool                 // the hook of a job has run that is none of own, nor an item of one
	failed map[engine.JobID]int // attempts of a job, be they counted anew or not
	db     engine.Joined        // of the test itself, on the job database
}

// newWorld makes a world on a ground that is as new, for a test of a name.
func newWorld(ctx context.Context, g *ground, test string) *world {
	w := &world{ctx: ctx, ground: g, clock: g.clock, log: g.log, secrets: map[string]string{}, hides: engine.NewSecrets(), others: map[reached]connection{}, servers: map[string]*server{}, stores: map[string]*store{}, failed: map[engine.JobID]int{}}
	w.http = &stubs{w: w}
	w.host = &hostlib.Host{
		Leaks: hostlib.LeaksFail, Leaked: w.leaked,
		Files: "", Connections: w, HTTP: w.http, Secret: w.secret, Log: slog.New(w.log),
		Random: newDice(test), Dated: true, Remotes: w.remote, Dial: w.dial, S3: w.store3, Around: w.around, Refused: w.refused, Unheard: w.unheard, Fell: w.fell,
	}
	w.host.Mail = (*office)(nil).settings()
	return w
}

// office is the world's mail server.
func (w *world) office() *office {
	if w.post == nil {
		w.post = newOffice()
	}
	return w.post
}

// close ends the world. What cannot be closed is told: something runs on.
func (w *world) close() error {
	var first error
	note := func(err error) {
		if first == nil && err != nil {
			first = fmt.Errorf("end the test's world: %w", err)
		}
	}
	// The stepper is left as it is: what it has in the database goes with all the rest.
	if w.db != nil {
		w.db.Close()
	}
	for _, c := range w.others {
		note(c.Close())
	}
	for _, s := range w.servers {
		note(s.close())
	}
	if w.post != nil {
		note(w.post.close())
	}
	return first
}

// place is the world's folder, made now if it is not there.
func (w *world) place() error {
	if err := w.ground.place(w.ctx); err != nil {
		return err
	}
	w.host.Files = w.ground.files()
	return nil
}

// open makes the engine, with the types registered.
func (w *world) open() error {
	if w.step != nil {
		return nil
	}
	if w.tested == nil {
		return hostlib.Errorf("usage", "there is no job script that the file of tests belongs to: the tests of jobs/NAME.star are in jobs/NAME_test.star, those of jobs/NAME.lua in jobs/NAME_test.lua")
	}
	if err := w.place(); err != nil {
		return err
	}
	if _, err := w.ground.open(w.ctx); err != nil {
		return err
	}
	w.store = w.ground.store
	log := slog.New(w.log)
	store, err := w.store, error(nil)
	if w.crash != nil {
		store = &crashStore{Store: w.store, k: w.crash}
	}
	if w.eng, err = engine.Open(w.ctx, store, engine.Options{Clock: w.clock, Logger: log, Secrets: w.hides, ReadOnly: true}); err != nil {
		return err
	}
	w.typ = w.tested.Type(w.host)
	w.typ.Settings.Retry.Jitter = -1 // the same waits each time
	w.typ.Settings.Servers = nil     // a test is no server
	if w.step, err = w.eng.NewStepper(w.ctx, engine.ServerOptions{Types: []*engine.Type{w.typ}, Name: "test"}); err != nil {
		return err
	}
	w.step.Before, w.step.Died = w.bound, func() error {
		w.host.Forget()
		return w.crash.over()
	}
	return nil
}

// bound ends the test when a job goes on for ever, without that it takes the whole
// time-out. It is called before each hook.
func (w *world) bound(j *engine.ClaimedJob, hook engine.Hook) (engine.Hook, error) {
	w.ran = true
	w.beside = w.beside || !slices.Contains(w.own, j.ID) && !slices.Contains(w.own, j.Parent)
	now := w.clock.Now()
	if w.busy.job != j.ID || !w.busy.at.Equal(now) {
		w.busy.job, w.busy.at, w.busy.times = j.ID, now, 0
	}
	w.busy.times++
	why := ""
	switch most := max(maxAttempts, w.typ.Settings.Retry.Max); {
	case j.Phase == engine.PhaseFail && w.busy.times <= maxAtOnce:
		hook = w.crash.begins(j, hook)
		return func(c *engine.Call) (engine.Raw, error) {
			result, err := hook(c)
			if err != nil && !errors.Is(err, engine.ErrLost) && !hostlib.Decided(err) {
				w.unheard("the fail hook", err)
			}
			return result, err
		}, nil
	case w.failed[j.ID] >= most && j.Attempts < most:
		why = fmt.Sprintf("%s failed %d times: attempts are counted anew after a checkpoint that takes the job on; does it commit something each time, and then fail?", j.Phase, w.failed[j.ID])
	case j.Attempts >= most:
		why = fmt.Sprintf("%s was tried %d times: does its fail hook ask for another attempt without end?", j.Phase, j.Attempts)
	case w.busy.times > maxAtOnce:
		why = fmt.Sprintf("%s ran %d times at one moment: does it snooze without end?", j.Phase, w.busy.times-1)
	default:
		hook = w.crash.begins(j, hook)
		return func(c *engine.Call) (engine.Raw, error) {
			result, err := hook(c)
			w.fails(err)
			var v *engine.Verdict
			if err != nil && !errors.Is(err, engine.ErrLost) && (!errors.As(err, &v) || v.Event == engine.Retried) {
				w.failed[j.ID]++
			}
			return result, err
		}, nil
	}
	return nil, &hostlib.Raised{Err: &Stop{Message: "the job does not end: " + why, Caller: w.at()}}
}

// reached is how a database is reached that scripts have a name for.
type reached struct {
	name     string
	readOnly bool
}

// Connect opens the database that scripts reach by a name: one of its own.
func (w *world) Connect(ctx context.Context, name string, readOnly bool) (engine.Connection, error) {
	c, err := w.connect(ctx, name, readOnly)
	if err != nil || w.crash == nil {
		return c, err
	}
	return &crashConnection{c, w.crash, name}, nil
}

func (w *world) connect(ctx context.Context, name string, readOnly bool) (connection, error) {
	key := reached{name, readOnly}
	if c := w.others[key]; c != nil {
		return c, nil
	}
	if err := w.place(); err != nil {
		return nil, err
	}
	w.ground.named = true
	c, err := w.ground.site.connect(ctx, w.ground, name, readOnly)
	if err != nil {
		return nil, err
	}
	w.others[key] = c
	return c, nil
}

// secret finds a secret that the test has set.
func (w *world) secret(name string) (string, error) {
	value, ok := w.secrets[name]
	if !ok {
		w.note(fmt.Sprintf("the script asks for the secret %q, which the test has not set: t.secret(%q, \"...\")", name, name))
		return "", engine.Wrapf("", hostlib.ErrNoSecret, "the test has not set it").WithHint("t.secret(%q, \"...\")", name)
	}
	return value, nil
}

// refused has what the script's needs do not have fail the test, unless its hook fails by it;
// but not a secret that the test has set, nor requests to a host that it has a stub of: it
// is to see that they are refused.
func (w *world) refused(kind, name string, err error) {
	_, set := w.secrets[name]
	if kind == "secret" && !set || kind == "http" && !w.http.of(name) {
		w.note(err.Error())
		w.lacks = append(w.lacks, err.Error())
	}
}

// fails is told of the error by which a hook fails: what it tells of lacks is not
// swallowed.
func (w *world) fails(err error) {
	if err == nil {
		return
	}
	w.wrong = slices.DeleteFunc(w.wrong, func(x wrong) bool {
		return slices.Contains(w.lacks, x.message) && strings.Contains(err.Error(), x.message)
	})
}

// unheard keeps an error that only the log would tell.
func (w *world) unheard(what string, err error) {
	w.fails(err)
	if f := engine.AsFailure(err); w.silent == nil {
		w.silent = &Stop{Message: fmt.Sprintf("%s failed: %s", what, f.Message), Detail: f.Backtrace}
	}
}

// heard ends the test by an error that only the log would tell, unless any is wanted.
func (w *world) heard(c *hostlib.Call, want string) error {
	if w.silent == nil || want == "any" {
		return nil
	}
	return stop(c, w.silent)
}

// wrong is something that fails a test, and where the test was.
type wrong struct {
	message string
	caller  hostlib.Caller
}

// note keeps what fails the test at its end.
func (w *world) note(message string) {
	if !slices.ContainsFunc(w.wrong, func(x wrong) bool { return x.message == message }) {
		w.wrong = append(w.wrong, wrong{message, w.at()})
	}
}

// leaked has what a hook has left open fail the test, also where another attempt
// does not do it again.
func (w *world) leaked(leak, at string) {
	x := wrong{message: leak}
	if i := strings.LastIndexByte(at, ':'); i > 0 {
		x.caller.File = at[:i]
		x.caller.Line, _ = strconv.Atoi(at[i+1:])
	}
	if !slices.ContainsFunc(w.wrong, func(o wrong) bool { return o.message == leak }) {
		w.wrong = append(w.wrong, x)
	}
}

// at is where the test is: in a call that goes on, or behind the last one.
func (w *world) at() (at hostlib.Caller) {
	if w.call == nil {
		return at
	}
	if in, ok := w.call.Lang.(hostlib.Inspector); ok {
		at = in.Caller()
	}
	return at
}

// around is called before and after each function that a hook calls, or the test.
func (w *world) around(c *hostlib.Call, f *hostlib.Func, after bool) error {
	switch {
	case c.Hook == nil && after:
		w.crash.called(w)
	case c.Hook == nil:
		w.calls++
		w.call = c
	case w.crash != nil:
		return w.crash.around(c, f, after)
	}
	return nil
}

// longest is how far a test's clock goes for a job to end.
const longest = 10 * 365 * 24 * time.Hour

// A job that is tried more often, or waits more often, is taken to do so for ever.
const (
	maxAttempts = 200
	maxSkips    = 5000
	maxAtOnce   = 1000 // runs of its hooks without that time goes by
)

// work does what is due now, and has the job of a hook that was killed be taken over
// behind it. next is when a job is due, or taken over, again; the zero time: none is.
func (w *world) work() (next time.Time, err error) {
	for {
		next, err = w.step.Work(w.ctx)
		due := w.crash.pending()
		switch {
		case err != nil || due.IsZero():
			return next, err
		case due.After(w.clock.Now()):
			if next.IsZero() || due.Before(next) {
				next = due
			}
			return next, nil
		}
		if err := w.crash.takeOver(); err != nil {
			return next, err
		}
	}
}

// settle works until a job is final, and so is each that has failed an attempt
// meanwhile; waits are skipped.
func (w *world) settle(id engine.JobID) (*engine.Job, error) {
	began, failed := w.clock.Now(), maps.Clone(w.failed)
	for skips := 0; ; skips++ {
		next, err := w.work()
		if err != nil {
			return nil, err
		}
		j, err := w.store.Job(w.ctx, id)
		if err != nil {
			return nil, err
		}
		open := !j.Status.Final() || !w.crash.pending().IsZero()
		for other, n := range w.failed {
			if !open && n > failed[other] {
				o, err := w.store.Job(w.ctx, other)
				if err != nil {
					return nil, err
				}
				open = !o.Status.Final()
			}
		}
		if !open || next.IsZero() || next.Sub(began) > longest || skips > maxSkips {
			return j, nil
		}
		w.clock.advance(w.ctx, next)
	}
}

// advance moves the clock, and does all that becomes due on the way, schedules
// too.
func (w *world) advance(to time.Time) error {
	for {
		if _, _, err := w.step.Fire(w.ctx); err != nil {
			return err
		}
		next, err := w.work()
		if err != nil {
			return err
		}
		if due := w.crash.pending(); due.After(to) {
			to = due
		}
		_, fires, err := w.step.Fire(w.ctx) // what the jobs that ended have held up
		if err != nil {
			return err
		}
		if next.IsZero() || !fires.IsZero() && fires.Before(next) {
			next = fires
		}
		now := w.clock.Now()
		switch {
		case !now.Before(to):
			return nil
		case next.IsZero() || next.After(to):
			next = to
		case !next.After(now): // due, and yet not worked: a second look finds it
			next = now.Add(time.Millisecond)
		}
		w.clock.advance(w.ctx, next)
	}
}
