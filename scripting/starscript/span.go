package starscript

import (
	"context"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// maxRange is the length of the longest range: what is counted in seconds.
const maxRange = 1_000_000_000

// span is a range, which ends when its run must. Functions such as max, list and
// sorted go through one in a single step of the interpreter, with nothing that
// looks whether the time is over.
type span struct {
	starlark.Value // the interpreter's own
	run            *run
}

var (
	_ starlark.Sequence   = span{}
	_ starlark.Sliceable  = span{}
	_ starlark.Comparable = span{}
	_ starlark.Container  = span{}
)

// ranges is the function range.
var ranges = starlark.NewBuiltin("range", func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Universe["range"].(*starlark.Builtin).CallInternal(t, args, kwargs)
	if err != nil {
		return nil, err
	}
	r, most := runOf(t), maxRange
	if r.call.Hook == nil && !r.call.Testing {
		most = loadSteps
	}
	if n := starlark.Len(v); n > most {
		return nil, hostlib.Errorf("usage", "range: %d numbers are too many, at most %d", n, most)
	}
	return span{v, r}, nil
})

// Len is how many numbers there are.
func (s span) Len() int { return starlark.Len(s.Value) }

// Index is the i-th number.
func (s span) Index(i int) starlark.Value { return s.Value.(starlark.Indexable).Index(i) }

// Slice is a part of the range.
func (s span) Slice(start, end, step int) starlark.Value {
	return span{s.Value.(starlark.Sliceable).Slice(start, end, step), s.run}
}

// Has says whether a number is among them.
func (s span) Has(v starlark.Value) (bool, error) { return s.Value.(starlark.Container).Has(v) }

// CompareSameType says whether two ranges hold the same numbers.
func (s span) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return s.Value.(starlark.Comparable).CompareSameType(op, y.(span).Value, depth)
}

// Iterate goes through the numbers.
func (s span) Iterate() starlark.Iterator {
	return &spanIterator{it: s.Value.(starlark.Iterable).Iterate(), run: s.run}
}

type spanIterator struct {
	it  starlark.Iterator
	run *run
	n   int
}

// Next is the next number.
func (i *spanIterator) Next(p *starlark.Value) bool {
	if i.n++; i.n%lookEvery == 0 && i.run.over() {
		i.run.poison(context.Cause(i.run.call.Context()))
		return false
	}
	return i.it.Next(p)
}

// Done is called when the loop is left.
func (i *spanIterator) Done() { i.it.Done() }
