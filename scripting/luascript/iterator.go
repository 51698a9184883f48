package luascript

import (
	"io"

	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// iterator is an iterator of the host library. A for loop calls it.
type iterator struct {
	run  *run
	it   hostlib.Iterator
	loop *loop // over it
}

// loop is a loop over an iterator that a script is in.
type loop struct {
	of     *iterator
	in     *thread
	bad    error // why it cannot begin
	steady bool  // see hostlib.Steady
	at     reading
	single bool // it gives one value at a time
}

var iteratorMeta *lua.LTable

func init() {
	iteratorMeta = sealed(map[string]lua.LGFunction{
		"__call": func(l *lua.LState) int {
			it, ok := l.Get(1).(*lua.LUserData).Value.(*iterator)
			if !ok {
				return 0
			}
			return it.next(l)
		},
		"__tostring": func(l *lua.LState) int { l.Push(lua.LString("<iterator>")); return 1 },
		"__index": func(l *lua.LState) int {
			return runOf(l).raisef(l, "an iterator has no %s: go through it by a loop, for x in it do, or make a list of it by list(...)", keyText(l.Get(2)))
		},
		"__newindex": func(l *lua.LState) int { return runOf(l).raisef(l, "an iterator takes no elements") },
		"__len": func(l *lua.LState) int {
			return runOf(l).raisef(l, "nobody knows how many elements an iterator has: make a list of it by list(...)")
		},
	})
}

// begin is called where a loop begins.
func (r *run) begin(it *iterator) {
	if it.loop != nil {
		r.leave(it) // goto, or an error, has left it
	}
	it.loop = &loop{of: it, in: r.cur, bad: hostlib.Begin(it.it), steady: hostlib.Steady(it.it)}
	r.cur.loops = append(r.cur.loops, it.loop)
}

// next gives the next element: nothing at the end.
func (it *iterator) next(l *lua.LState) int {
	r := it.run
	r.l = l
	if it.loop == nil {
		r.begin(it)
	}
	lo := it.loop
	r.call.Turn()
	lo.at.turn()
	e, err := lo.next()
	place, spots, given := r.call.Given()
	if hostlib.Mixed(it.it) {
		place, spots = hostlib.Place{}, nil
	}
	var v lua.LValue
	if err == nil {
		if t, ok := e.(hostlib.Tuple); ok && len(t) > 0 {
			if given {
				lo.reads(nil, place, spots)
			}
			top := l.GetTop()
			if n := r.give(l, t, nil); l.Get(top+1) == lua.LNil {
				l.Replace(top+1, null)
				return n
			}
			return len(t)
		}
		v, err = r.value(e)
	}
	if given {
		lo.reads(v, place, spots)
	}
	switch err {
	case nil:
		lo.single = true
		l.Push(v)
		return 1
	case io.EOF:
		lo.at.over = true
		r.leave(it)
		return 0
	}
	return r.raise(l, err)
}

func (lo *loop) next() (v hostlib.Value, err error) {
	defer contain("an iterator", &err)
	if lo.bad != nil {
		return nil, lo.bad
	}
	return lo.of.it.Next()
}

// leave ends the loop over an iterator, and those within it.
func (r *run) leave(it *iterator) {
	if it.loop == nil {
		return
	}
	for i, lo := range it.loop.in.loops {
		if lo == it.loop {
			it.loop.in.leaveFrom(i)
			return
		}
	}
}

// leaveFrom ends all loops but the first n.
func (t *thread) leaveFrom(n int) {
	for i := len(t.loops) - 1; i >= n; i-- {
		lo := t.loops[i]
		t.loops = t.loops[:i]
		if lo.of.loop == lo {
			lo.of.loop = nil
		}
		lo.close()
	}
}

func (lo *loop) close() {
	var err error
	defer contain("an iterator", &err)
	if lo.bad == nil {
		hostlib.Leave(lo.of.it)
	}
}
