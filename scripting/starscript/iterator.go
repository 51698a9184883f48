package starscript

import (
	"errors"
	"io"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// iterator is an iterator of the host library.
type iterator struct {
	run *run
	it  hostlib.Iterator
}

var _ starlark.Iterable = (*iterator)(nil)

// String is <iterator>.
func (i *iterator) String() string { return "<iterator>" }

// Type is iterator.
func (i *iterator) Type() string { return "iterator" }

// Freeze notes that a global holds it, which is an error: hooks that run at
// the same time cannot share it.
func (i *iterator) Freeze() { i.run.shared = true }

// Truth is true, whatever is left in it.
func (i *iterator) Truth() starlark.Bool { return true }

// Hash fails.
func (i *iterator) Hash() (uint32, error) { return 0, errors.New("unhashable type: iterator") }

// Iterate begins a loop.
func (i *iterator) Iterate() starlark.Iterator {
	return &loop{run: i.run, it: i.it, bad: hostlib.Begin(i.it), steady: hostlib.Steady(i.it)}
}

// loop is a loop over an iterator.
type loop struct {
	run    *run
	it     hostlib.Iterator
	bad    error // why it cannot begin
	steady bool  // see hostlib.Steady
	at     reading
}

// Next is the next element. A failure stops the thread before its next step.
func (l *loop) Next(p *starlark.Value) bool {
	l.run.call.Turn()
	l.run.turn(l)
	v, err := l.next()
	if place, spots, ok := l.run.call.Given(); ok {
		if hostlib.Mixed(l.it) {
			place, spots = hostlib.Place{}, nil
		}
		l.run.reads(l, v, place, spots)
	}
	if err == nil {
		*p = v
		return true
	}
	l.at.over = true
	if err != io.EOF {
		l.run.poison(err)
	}
	return false
}

func (l *loop) next() (v starlark.Value, err error) {
	defer contain("an iterator", &err)
	if l.bad != nil {
		return nil, l.bad
	}
	e, err := l.it.Next()
	if err != nil {
		return nil, err
	}
	return l.run.value(e)
}

// Done is called when the loop ends, or is left.
func (l *loop) Done() {
	l.run.leaves(l)
	if !l.at.over {
		l.run.noteFrame()
	}
	var err error
	defer contain("an iterator", &err)
	if l.bad == nil {
		hostlib.Leave(l.it)
	}
}
