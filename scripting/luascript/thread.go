package luascript

import (
	"errors"
	"iter"

	"github.com/dsengine/dsengine/engine"
	lua "github.com/yuin/gopher-lua"
)

// thread is a coroutine, or the main part of a script.
type thread struct {
	l       *lua.LState
	by      *thread        // who has resumed it; nil: nobody, or it is the main part
	loops   []*loop        // that it is in
	catches engine.Catches // that it is in
	fn      *lua.LFunction

	// A coroutine runs in a goroutine of its own: the interpreter's yield cannot
	// pass through what Go has called.
	next  func() ([]lua.LValue, bool)
	stop  func()
	yield func([]lua.LValue) bool
	given []lua.LValue // by who resumes it, or yields
	err   error
	state string
}

// maxThreads bounds the coroutines of a script that have not ended.
const maxThreads = 1000

var errStopped = errors.New("the coroutine is not needed any more")

// newThread makes a coroutine of a function.
func (r *run) newThread(l *lua.LState, fn *lua.LFunction) *thread {
	if len(r.threads) >= maxThreads {
		r.raisef(l, "more than %d coroutines have not ended", maxThreads)
	}
	main := r.main
	options := main.Options
	main.Options.CallStackSize, main.Options.RegistrySize, main.Options.RegistryGrowStep = 200, 256, 512
	ctx := main.RemoveContext() // else the new one gets a context of its own, which counts nothing
	tl, _ := main.NewThread()
	main.SetContext(ctx)
	main.Options = options
	tl.SetContext(ctx)
	t := &thread{l: tl, fn: fn, state: "suspended"}
	t.next, t.stop = iter.Pull(func(yield func([]lua.LValue) bool) {
		t.yield = yield
		t.err = r.protect(tl, fn, t.given, lua.MultRet)
		t.given = nil
		for i := 1; i <= tl.GetTop() && t.err == nil; i++ {
			t.given = append(t.given, tl.Get(i))
		}
		tl.SetTop(0)
	})
	r.threads[tl] = t
	return t
}

// resume goes on with a coroutine, and gives what it yields or returns.
func (r *run) resume(l *lua.LState, t *thread, given []lua.LValue) []lua.LValue {
	switch t.state {
	case "dead":
		r.raisef(l, "the coroutine has ended")
	case "running", "normal":
		r.raisef(l, "the coroutine runs already")
	}
	by := r.cur
	by.state, t.state = "normal", "running"
	t.by, t.given, r.cur, r.l = by, given, t, t.l
	var outer engine.Catches
	if c := r.call.Hook; c != nil {
		outer = c.Catches()
		c.Within(append(outer, t.catches...))
	}
	yielded, more := t.next()
	if c := r.call.Hook; c != nil {
		t.catches = c.Within(outer)[len(outer):]
	}
	r.cur, r.l, t.by = by, l, nil
	by.state = "running"
	if more {
		t.state = "suspended"
		return yielded
	}
	t.state = "dead"
	delete(r.threads, t.l)
	if t.err != nil {
		r.raise(l, t.err)
	}
	return t.given
}

// stopThreads ends the coroutines that have not ended.
func (r *run) stopThreads() {
	if len(r.threads) == 0 {
		return
	}
	if r.halt == nil { // else pcall could go on for ever
		r.halt = errStopped
	}
	r.account()
	r.spoilt = true
	for l, t := range r.threads {
		delete(r.threads, l)
		t.stop()
		t.leaveFrom(0)
	}
	if r.halt == errStopped { // a function may run after the commit
		r.halt = nil
	}
}

func init() {
	ownFunc("coroutine", "create", func(a *args) int { return a.push(a.run.newThread(a.l, a.function(1)).l) })
	ownFunc("coroutine", "wrap", func(a *args) int {
		t := a.run.newThread(a.l, a.function(1))
		return a.push(a.l.NewClosure(func(l *lua.LState) int {
			r := runOf(l)
			return (&args{run: r, l: l}).push(r.resume(l, t, rest(l, 1))...)
		}, t.l))
	})
	ownFunc("coroutine", "resume", func(a *args) int {
		t := a.thread(1)
		list := a.run.resume(a.l, t, rest(a.l, 2))
		a.push(lua.LTrue)
		return 1 + a.push(list...)
	})
	ownFunc("coroutine", "yield", func(a *args) int {
		t := a.run.cur
		if t.yield == nil {
			return a.run.raisef(a.l, "coroutine.yield: this is no coroutine")
		}
		if !t.yield(rest(a.l, 1)) {
			return a.run.raise(a.l, errStopped)
		}
		return a.push(t.given...)
	})
	ownFunc("coroutine", "status", func(a *args) int { return a.push(lua.LString(a.thread(1).state)) })
	ownFunc("coroutine", "running", func(a *args) int {
		if a.run.cur.yield == nil {
			return a.push(lua.LNil)
		}
		return a.push(a.run.cur.l)
	})
}

func rest(l *lua.LState, from int) (list []lua.LValue) {
	for i := from; i <= l.GetTop(); i++ {
		list = append(list, l.Get(i))
	}
	return list
}

func (a *args) thread(i int) *thread {
	l, ok := a.l.Get(i).(*lua.LState)
	if !ok {
		a.wrong(i, "coroutine")
	}
	if t := a.run.threads[l]; t != nil {
		return t
	}
	return &thread{l: l, state: "dead"}
}
