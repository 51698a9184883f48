package luascript

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/dsengine/dsengine/engine"
	lua "github.com/yuin/gopher-lua"
)

// stepsAtOnce is after how many steps a run looks whether it must end: some
// microseconds.
const stepsAtOnce = 1000

// counter is the context of an interpreter. It is asked before each instruction
// whether it is done, and so counts them.
type counter struct {
	context.Context
	run     *run
	left    int64       // steps until the next look
	pressed atomic.Bool // memory is short: look at once
}

// over is a channel that is closed.
var over = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

// Done counts a step.
func (c *counter) Done() <-chan struct{} {
	if c.left--; c.left >= 0 && !c.pressed.Load() {
		return nil
	}
	return c.run.tick()
}

var errHalted = errors.New("halted")

// Err is for the interpreter; see panicked.
func (c *counter) Err() error { return errHalted }

// runOf is the run of an interpreter, or of one of its coroutines.
func runOf(l *lua.LState) *run { return l.Context().(*counter).run }

// renew begins the count of steps anew.
func (r *run) renew() {
	r.account()
	r.base = r.taken
	r.grant()
}

// account adds up the steps that were taken.
func (r *run) account() {
	r.taken += r.granted - r.count.left
	r.granted, r.count.left = 0, 0
}

// grant lets the script go on until the next look.
func (r *run) grant() {
	r.granted = min(stepsAtOnce, max(r.base+r.limit+r.script.spare-r.taken, 1))
	r.count.left = r.granted
}

// tick ends a run whose time is over, that has taken too many steps, or that
// takes too much memory.
func (r *run) tick() <-chan struct{} {
	r.account()
	switch {
	case r.halt != nil:
	case r.call.Context().Err() != nil:
		r.halt = context.Cause(r.call.Context())
	case r.taken-r.base >= r.limit+r.script.spare:
		hint := "raise the setting steps, or call ctx.checkpoint() now and then"
		if r.call.Hook == nil {
			hint = "what takes long belongs into a hook"
		}
		r.halt = &engine.Failure{
			Kind: engine.KindLimit, Code: "limit.steps", Retryable: true,
			Message: fmt.Sprintf("%s took more than %d steps: %s", r.name, r.limit, hint),
		}
	case r.count.pressed.Swap(false):
		r.halt = r.tooLarge()
	}
	if r.halt != nil {
		r.spoilt = true
		return over
	}
	r.grant()
	return nil
}

// spend counts steps of functions that work for long. It ends the script as
// tick does.
func (r *run) spend(l *lua.LState, n int) {
	if r.count.left -= int64(n); r.count.left >= 0 && !r.count.pressed.Load() {
		return
	}
	if r.tick() != nil {
		r.raise(l, r.halt)
	}
}

// allocates counts steps for so many bytes that a function is about to make.
func (r *run) allocates(l *lua.LState, bytes int) { r.spend(l, bytes/64) }

// Caught lets the script go on after an error was caught, or after a function
// that ran after a commit was stopped.
func (r *run) Caught() {
	if r.halt != nil {
		r.halt = nil
		r.grant()
	}
}

// lookEvery is after how many elements a loop outside of the interpreter looks
// whether it must end.
const lookEvery = 1000

// over says that the run must end: its time is over, or its process stops.
func (r *run) over() bool { return r.call.Context().Err() != nil }
