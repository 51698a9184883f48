package luascript

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// thrown is an error on its way through the script.
type thrown struct {
	err   error
	stack []frame         // outermost last
	at    string          // where in an input the script was
	row   bool            // that is at one row
	fell  *hostlib.Caller // where the innermost function was, if that is wanted; its values are Lua's
}

// Error is the message.
func (t *thrown) Error() string { return t.err.Error() }

// Unwrap is the error itself.
func (t *thrown) Unwrap() error { return t.err }

// frame is a place in a call stack.
type frame struct {
	file string
	line int
	name string
}

func (f frame) String() string { return fmt.Sprintf("%s:%d", f.file, f.line) }

// maxFrames bounds how much of a call stack is looked at: tail calls make it
// endless.
const maxFrames = 3000

var thrownMeta = boot.NewTable()

// raise ends the running function with an error. It does not return; its result
// is for return statements.
func (r *run) raise(l *lua.LState, err error) int {
	var t *thrown
	if !errors.As(err, &t) {
		t = r.thrown(l, err, r.stack(l))
	} else if error(t) != err {
		t = &thrown{err: err, stack: t.stack, at: t.at, row: t.row, fell: t.fell} // it was wrapped on its way
	}
	l.Error(&lua.LUserData{Value: t, Metatable: thrownMeta}, 0)
	panic("unreachable")
}

func (r *run) raisef(l *lua.LState, format string, args ...any) int {
	return r.raise(l, fmt.Errorf(format, args...))
}

// panicked is called by the interpreter when an error was raised, while its
// stack is there. What the interpreter itself says is put in other words.
func panicked(l *lua.LState) {
	v := l.Get(-1)
	if thrownOf(v) == nil {
		r := runOf(l)
		stack := r.stack(l)
		var err error
		if r.halt != nil {
			err = r.halt
		} else {
			err = errors.New(r.reworded(l, v.String(), stack))
		}
		v = &lua.LUserData{Value: r.thrown(l, err, stack), Metatable: thrownMeta}
	}
	panic(&lua.ApiError{Type: lua.ApiErrorRun, Object: v, StackTrace: "-"}) // else it makes one
}

// thrown is an error that happens now.
func (r *run) thrown(l *lua.LState, err error, stack []frame) *thrown {
	at, row := r.where(l)
	if f, ok := err.(*engine.Failure); ok {
		err = inLua(f, r.strike)
	}
	t := &thrown{err: err, stack: stack, at: at, row: row}
	if h := r.call.Host; h != nil && h.Fell != nil {
		c := r.callerAt(l)
		t.fell = &c
	}
	return t
}

// Fell is where the innermost function of the script was when an error arose; false if
// none ran.
func (r *run) Fell(err error) (hostlib.Caller, bool) {
	var t *thrown
	if !errors.As(err, &t) || t.fell == nil || t.fell.Line == 0 {
		return hostlib.Caller{}, false
	}
	return r.told(*t.fell), true
}

func thrownOf(v lua.LValue) *thrown {
	if ud, ok := v.(*lua.LUserData); ok {
		t, _ := ud.Value.(*thrown)
		return t
	}
	return nil
}

// errorOf is the error that a protected call ended with.
func (r *run) errorOf(l *lua.LState, err error) error {
	var api *lua.ApiError
	if !errors.As(err, &api) {
		return err
	}
	if t := thrownOf(api.Object); t != nil {
		return t
	}
	stack := r.stack(l)
	if api.Type == lua.ApiErrorRun { // no call was possible any more
		return &thrown{err: errors.New(r.reworded(l, api.Object.String(), stack)), stack: stack}
	}
	r.spoilt = true
	return &thrown{err: hostlib.Panicked("the interpreter", api.Object.String()), stack: stack}
}

// protect calls a function; what it gives is on the stack then, n values or, by
// lua.MultRet, all.
func (r *run) protect(l *lua.LState, fn lua.LValue, args []lua.LValue, n int) error {
	l.Push(guard)
	l.Push(fn)
	for _, a := range args {
		l.Push(a)
	}
	loops := len(r.cur.loops)
	cur := r.cur
	err := l.PCall(len(args)+1, n, nil)
	r.l, r.cur = l, cur
	if err != nil {
		err = r.errorOf(l, err)
		cur.leaveFrom(loops)
	}
	return err
}

// guard calls the function that is its first argument, and has panicked called
// for errors. A panic of Go's becomes an error.
var guard *lua.LFunction

func init() {
	guard = boot.NewFunction(func(l *lua.LState) int {
		l.Panic = panicked
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if _, ok := p.(*lua.ApiError); !ok {
				r := runOf(l)
				r.spoilt = true
				t := &thrown{err: hostlib.Panicked("the script", p), stack: r.stack(l)}
				if strings.Contains(fmt.Sprint(p), "index out of range [-1]") {
					// It looks for the line of a function that could not begin.
					t.err = errors.New(r.reworded(l, "registry overflow", nil))
				}
				p = &lua.ApiError{Type: lua.ApiErrorRun, Object: &lua.LUserData{Value: t, Metatable: thrownMeta}, StackTrace: "-"}
			}
			panic(p)
		}()
		l.Call(l.GetTop()-1, lua.MultRet)
		return l.GetTop()
	})
}

// stack is where the script is: the innermost place first.
func (r *run) stack(l *lua.LState) (list []frame) {
	for t := r.cur; t != nil; t = t.by {
		for level := range maxFrames {
			dbg, ok := t.l.GetStack(level)
			if !ok {
				break
			}
			fn, err := t.l.GetInfo("flSn", dbg, lua.LNil)
			if f, ok := fn.(*lua.LFunction); err != nil || !ok || f.IsG || dbg.CurrentLine <= 0 {
				continue
			}
			f := frame{dbg.Source, dbg.CurrentLine, r.script.nameOf(fn.(*lua.LFunction))}
			if n := len(list); n > 0 && list[n-1] == f && n > 100 {
				continue
			}
			list = append(list, f)
		}
	}
	if r.hooked != nil && (len(list) == 0 || list[len(list)-1].name != r.name) {
		p := r.hooked.Proto
		list = append(list, frame{p.SourceName, p.LineDefined, r.name + " (calls that end it, return f(x), are left out)"})
	}
	return list
}

// Where is the place of the innermost function of the script.
func (r *run) Where() string {
	for level := range maxFrames {
		dbg, ok := r.l.GetStack(level)
		if !ok {
			break
		}
		fn, err := r.l.GetInfo("flS", dbg, lua.LNil)
		if f, ok := fn.(*lua.LFunction); err == nil && ok && !f.IsG && dbg.CurrentLine > 0 {
			return fmt.Sprintf("%s:%d", dbg.Source, dbg.CurrentLine)
		}
	}
	return ""
}

// LoopSite is which loop of its file the call is that runs.
func (r *run) LoopSite() engine.LoopID {
	for level := range maxFrames {
		dbg, ok := r.l.GetStack(level)
		if !ok {
			break
		}
		fn, err := r.l.GetInfo("flS", dbg, lua.LNil)
		if f, ok := fn.(*lua.LFunction); err == nil && ok && !f.IsG && dbg.CurrentLine > 0 {
			if f := r.script.shown(dbg.Source); f != nil {
				return hostlib.SiteOf(f.path, f.loopSites(), dbg.CurrentLine)
			}
		}
	}
	return engine.LoopID{}
}

// Failure gives an error the form in which a hook returns it: what ends a hook
// from outside, and its own verdicts, as they are; all else as a Failure with
// the script's call stack.
func (r *run) Failure(err error) error {
	if err == nil {
		return nil
	}
	var t *thrown
	var stack []frame
	at, row := "", false
	if errors.As(err, &t) {
		stack, at, row = t.stack, t.at, t.row
	} else if r.l != nil {
		stack = r.stack(r.l)
		at, row = r.where(r.l)
	}
	if spot, ok := hostlib.RaisedAt(err); ok {
		at, row = spot.String(), true
	}
	if v := (*engine.Verdict)(nil); errors.As(err, &v) {
		v.Backtrace = backtrace(stack, v.Error())
	}
	if hostlib.Decided(err) {
		return decided(err)
	}
	var f engine.Failure
	switch {
	case r.call.Hook != nil && r.call.Hook.Context().Err() != nil:
		cause := context.Cause(r.call.Hook.Context())
		if f, ok := cause.(*engine.Failure); ok && f.Backtrace == "" {
			f.Backtrace = backtrace(stack, f.Message)
		}
		return cause
	case r.halt != nil && hostlib.Decided(r.halt):
		return r.halt
	case r.halt != nil:
		f = *hostlib.FailureOf(r.halt)
		r.call.Judge(&f, r.halt, row)
	default:
		f = *hostlib.FailureOf(unthrown(err))
		r.call.Judge(&f, err, row)
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

// unthrown is the error itself, where nothing was said about it on its way.
func unthrown(err error) error {
	for {
		switch e := err.(type) {
		case *thrown:
			err = e.err
		case *hostlib.Raised:
			err = e.Err
		default:
			return err
		}
	}
}

// decided is the verdict, or what ends the hook, as the engine knows it.
func decided(err error) error {
	var v *engine.Verdict
	if errors.As(err, &v) {
		return v
	}
	return unthrown(err)
}

const traceback = "Traceback (most recent call last):\n"

// maxTold bounds the places of a call stack that are written.
const maxTold = 40

// backtrace writes a call stack as Starlark's are written.
func backtrace(stack []frame, message string) string {
	var b strings.Builder
	b.WriteString(traceback)
	for i := len(stack) - 1; i >= 0; i-- {
		if n := len(stack) - maxTold; n > 0 && i >= maxTold/2 && i < maxTold/2+n {
			if i == maxTold/2 {
				fmt.Fprintf(&b, "  and %d more\n", n)
			}
			continue
		}
		b.WriteString("  " + stack[i].String() + ": in " + stack[i].name + "\n")
	}
	b.WriteString("Error: " + message)
	return b.String()
}
