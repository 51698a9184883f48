package starscript

import (
	"context"
	"fmt"

	"github.com/dsengine/dsengine/engine"
)

// stepsAtOnce is after how many steps a run looks whether it must end: a
// fraction of a millisecond.
const stepsAtOnce = 10_000

// renew begins the count of steps anew.
func (r *run) renew() {
	r.base = r.thread.Steps
	r.proceed()
}

// proceed lets the thread go on until the next look.
func (r *run) proceed() {
	r.thread.SetMaxExecutionSteps(min(r.thread.Steps+stepsAtOnce, r.base+r.limit+r.spare))
}

// tick is called by the interpreter now and then: it ends a run whose time is
// over, or that has taken too many steps.
func (r *run) tick() {
	switch {
	case r.call.Context().Err() != nil:
		r.stop(context.Cause(r.call.Context()))
	case r.thread.Steps-r.base >= r.limit+r.spare:
		hint := "raise the setting steps, or call ctx.checkpoint() now and then"
		if r.call.Hook == nil {
			hint = "what takes long belongs into a hook"
		}
		r.stop(&engine.Failure{
			Kind: engine.KindLimit, Code: "limit.steps", Retryable: true,
			Message: fmt.Sprintf("%s took more than %d steps: %s", r.thread.Name, r.limit, hint),
		})
	default:
		r.proceed()
	}
}

// stop ends the thread before its next step.
func (r *run) stop(why error) {
	if r.halt == nil {
		r.halt = why
	}
	r.thread.Cancel(why.Error())
}

// poison ends the run because of an iterator whose failure Starlark's for loop
// does not see.
func (r *run) poison(err error) {
	err = r.Failure(err)
	if r.call.Hook != nil {
		r.call.Hook.Poison(err)
	}
	r.stop(err)
}

// Caught lets the thread go on after catch has held the failure of an iterator,
// or after a function that ran after a commit was stopped.
func (r *run) Caught() {
	if r.halt != nil {
		r.halt = nil
		r.thread.Uncancel()
		r.proceed()
	}
}

// lookEvery is after how many elements a loop outside of the interpreter looks
// whether it must end.
const lookEvery = 1000

// over says that the run must end: its time is over, or its process stops.
func (r *run) over() bool { return r.call.Context().Err() != nil }
