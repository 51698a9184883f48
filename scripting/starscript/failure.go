package starscript

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// Failure gives an error the form in which a hook returns it: what ends a hook
// from outside, and its own verdicts, as they are; all else as a Failure with
// the script's call stack.
func (r *run) Failure(err error) error {
	if v := (*engine.Verdict)(nil); errors.As(err, &v) {
		v.Backtrace = backtrace(r.stack(err), v.Error())
	}
	if err == nil || hostlib.Decided(err) {
		return err
	}
	stack := r.stack(err)
	at, row := r.where()
	if spot, ok := hostlib.RaisedAt(err); ok {
		at, row = spot.String(), true
	}
	var f engine.Failure
	switch {
	case r.call.Hook != nil && r.call.Hook.Context().Err() != nil:
		return r.ended(context.Cause(r.call.Hook.Context()), stack)
	case r.halt != nil && hostlib.Decided(r.halt):
		return r.halt
	case r.halt != nil:
		f = *hostlib.FailureOf(r.halt)
	default:
		f = *hostlib.FailureOf(err)
	}
	if f.Code == "" {
		if !strings.HasPrefix(f.Message, "fail: ") { // what the script raises itself
			r.call.Judge(&f, cmp.Or(r.halt, err), row)
		}
		f.Retryable = f.Retryable && !nobodyHas(f.Message)
		var sure bool
		if f.Message, sure = r.aboutKey(r.aboutNone(f.Message, stack), stack); !sure {
			f.Message, sure = r.aboutDot(f.Message, stack)
		}
		f.Retryable = f.Retryable && !sure
		f.Message = r.reword(explained(f.Message), stack)
	} else {
		r.call.Judge(&f, cmp.Or(r.halt, err), row)
	}
	if at != "" && !strings.Contains(f.Message, at) && !strings.Contains(f.Message, " (while at ") {
		f.Message += " (while at " + at + ")"
	}
	trace := backtrace(stack, f.Message)
	switch {
	case f.Backtrace == "":
		f.Backtrace = trace
	case f.Code == "panic" && !strings.HasPrefix(f.Backtrace, traceback):
		f.Backtrace = trace + "\n\n" + f.Backtrace
	}
	if f.Cause == nil {
		f.Cause = err
	}
	return &f
}

// unlike is what the interpreter says of an order between a decimal and another type.
var unlike = regexp.MustCompile(`^(decimal|int|float|string) (<|>|<=|>=) (decimal|int|float|string) not implemented$`)

// explained adds what to write instead: where decimals are compared with what is none,
// and where a format has a width.
func explained(message string) string {
	if c, ok := strings.CutPrefix(message, "unknown conversion %"); ok && c != "" && strings.Contains("#0123456789.*+- ", c) {
		return message + ": " + hostlib.NoWidths
	}
	m := unlike.FindStringSubmatch(message)
	if m == nil || m[1] != "decimal" && m[3] != "decimal" {
		return message
	}
	return fmt.Sprintf("%s: make both decimals, as in x %s decimal.of(\"0.50\"), or compare by x.compare(0) %[2]s 0", message, m[2])
}

// ended is why a hook had to end. The engine reports the very error that ended
// its context, so the place where the script was is noted in that.
func (r *run) ended(cause error, stack starlark.CallStack) error {
	if f, ok := cause.(*engine.Failure); ok && f.Backtrace == "" {
		f.Backtrace = backtrace(stack, f.Message)
	}
	return cause
}

// stack is where an error happened: the deepest call stack in its chain, or
// where the thread is now.
func (r *run) stack(err error) starlark.CallStack {
	stack := r.thread.CallStack()
	for {
		var ev *starlark.EvalError
		if !errors.As(err, &ev) {
			return stack
		}
		stack, err = begun(ev), ev.Unwrap()
	}
}

// neverBegan is what the interpreter says of a call that does not fit its function.
var neverBegan = regexp.MustCompile(`^function (\S+) (?:missing|accepts|got|called recursively)\b`)

// begun is an error's call stack, without a function that was called in a wrong
// way: the interpreter has it at its first line then, where nothing has run.
func begun(ev *starlark.EvalError) starlark.CallStack {
	stack := ev.CallStack
	if n := len(stack); n > 1 {
		if m := neverBegan.FindStringSubmatch(ev.Msg); m != nil && m[1] == stack[n-1].Name {
			return stack[:n-1]
		}
	}
	return stack
}

const traceback = "Traceback (most recent call last):\n"

// backtrace writes a call stack as Python does.
func backtrace(stack starlark.CallStack, message string) string {
	var b strings.Builder
	b.WriteString(traceback)
	for _, f := range stack {
		if f.Pos.IsValid() && f.Pos.Line > 0 {
			b.WriteString("  " + f.Pos.String() + ": in " + f.Name + "\n")
		}
	}
	b.WriteString("Error: " + message)
	return b.String()
}
