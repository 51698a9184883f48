package scripttest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// watch is the test's clock, as tests see it.
type watch struct{ t *tester }

// ObjectType is test_clock.
func (*watch) ObjectType() *hostlib.ObjectType { return clockType }

var endParam = param{Name: "expect", Type: hostlib.String, Default: expectParam.Default, Named: true, Choices: expectParam.Choices, Doc: "how the jobs must end that end on the way; another end fails the test. " + unheardDoc}

var clockType = &hostlib.ObjectType{
	Name: "test_clock", Doc: "A test's clock: it stands still while the test computes, and skips over waits.",
	Methods: []*hostlib.Func{
		method("now", "Gives the time.", "t.clock.now().year  # 2020", "t.clock.now().year  -- 2020", nil, "time",
			func(_ *hostlib.Call, k *watch, _ *hostlib.Args) (hostlib.Value, error) { return k.t.clock.Now(), nil }),
		method("set", "Sets the clock, and does all that becomes due on the way, schedules too. The first time, before any job has run and before t.clock.advance, it only says when the test begins.", "t.clock.set(time.parse(\"2024-02-29T12:00:00Z\"))", "t.clock.set(time.parse(\"2024-02-29T12:00:00Z\"))",
			[]param{{Name: "time", Type: hostlib.Moment, Doc: "a later time"}, endParam}, "",
			func(c *hostlib.Call, k *watch, a *hostlib.Args) (hostlib.Value, error) {
				to := a.Time("time")
				if now := k.t.clock.Now(); to.Before(now) {
					return nil, hostlib.Errorf("usage", "a clock does not go back: it is %s", now.Format(time.RFC3339))
				}
				if !k.t.begun || k.t.tested == nil {
					k.t.begun = true
					k.t.clock.advance(k.t.ctx, to)
					return nil, nil
				}
				return nil, k.t.advance(c, to, a.String("expect"))
			}),
		method("advance", "Moves the clock on, and does all that becomes due on the way, schedules too: the job's schedule is known from here on, and fires.", "t.clock.advance(\"2h\")", "t.clock.advance(\"2h\")",
			[]param{{Name: "by", Type: hostlib.Duration, Doc: "how far"}, endParam}, "",
			func(c *hostlib.Call, k *watch, a *hostlib.Args) (hostlib.Value, error) {
				return nil, k.t.advance(c, k.t.clock.Now().Add(a.Duration("by")), a.String("expect"))
			}),
	},
}

// advance moves the clock. It ends the test if a job ends on the way in another way than
// it was to.
func (t *tester) advance(c *hostlib.Call, to time.Time, want string) error {
	if err := t.open(); err != nil {
		return err
	}
	t.begun = true
	return t.watched(c, want, nil, func() error { return t.world.advance(to) })
}

// watched does something. It ends the test if a job ends meanwhile in another way than is
// wanted. own are jobs that are looked at by themselves; others may be completed then, also
// where these are to fail.
func (t *tester) watched(c *hostlib.Call, want string, own []engine.JobID, do func() error) (err error) {
	beside := own != nil
	var before map[engine.JobID]*engine.Job
	if t.ran {
		before, err = t.ended(want, beside)
	}
	t.own, t.beside, t.silent = own, false, nil
	if err == nil {
		err = do()
	}
	if err == nil {
		err = t.heard(c, want)
	}
	if err != nil || beside && !t.beside {
		return err
	}
	others, err := t.ended(want, beside)
	for id := range before {
		delete(others, id)
	}
	if err != nil || len(others) == 0 {
		return err
	}
	first, which, more := others[slices.Min(slices.Collect(maps.Keys(others)))], "the", ""
	if len(others) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(others)-1)
	}
	if beside {
		which = "another"
	}
	at, err := t.failure(first)
	if err != nil {
		return err
	}
	o := &outcome{job: first}
	o.failed(t.world, at)
	return hookFailed(c, o, "%s job of %s%s ended as %s, not %s", which, first.CreatedAt.Format(time.RFC3339), more, o.status(), want)
}

// ended are the jobs, without items, that have ended in another way than is wanted.
func (t *tester) ended(want string, beside bool) (map[engine.JobID]*engine.Job, error) {
	all := map[engine.JobID]*engine.Job{}
	for _, status := range []engine.Status{engine.StatusFailed, engine.StatusCancelled, engine.StatusCompleted} {
		more := want != "any" && want != status.String() && !(beside && status == engine.StatusCompleted)
		for f := (engine.JobFilter{Status: status, Limit: 500}); more; {
			list, err := t.store.Jobs(t.ctx, f)
			if err != nil {
				return nil, err
			}
			for _, j := range list {
				if f.Before = j.ID; j.Parent == nil {
					all[j.ID] = j
				}
			}
			more = len(list) == f.Limit
		}
	}
	return all, nil
}
