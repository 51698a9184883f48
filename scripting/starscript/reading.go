package starscript

import (
	"bytes"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// reading is where in an input a loop is whose elements come from a reader.
type reading struct {
	place  hostlib.Place
	rows   []starlark.Value // the element, or those of a batch, if it is known where each is from
	spots  []hostlib.Spot   // where
	own    [1]hostlib.Spot  // spots of one element
	works  []working        // once the loop was left: the rows that variables held then
	pulls  bool             // it waits for its next element
	over   bool             // it has no more
	listed bool             // it is among the run's loops
	single bool             // the element is a row itself, not a batch
	depth  int              // how many others there were
	look   int              // where among rows the last one was found
}

// working is a variable that holds a row of a batch, and where its function was.
type working struct {
	name string
	pos  syntax.Position
	spot hostlib.Spot
}

// turn is called when a loop asks for its next element.
func (r *run) turn(l *loop) {
	l.at.place, l.at.rows, l.at.pulls, l.at.single, l.at.look = hostlib.Place{}, l.at.rows[:0], true, false, 0
}

// reads is called when a loop was given an element that comes from a reader.
func (r *run) reads(l *loop, v starlark.Value, place hostlib.Place, spots []hostlib.Spot) {
	at := &l.at
	if at.place, at.spots, at.pulls = place, spots, false; !at.listed {
		at.listed, at.depth = true, len(r.loops)
		r.loops = append(r.loops, l)
	}
	r.left = 0
	list, ok := v.(*starlark.List)
	switch {
	case ok && list.Len() == len(spots) && len(spots) > 0:
		at.place.First, at.place.Last = spots[0], spots[len(spots)-1] // others may have been left out
		for i := range spots {
			at.rows = append(at.rows, list.Index(i)) // the script may change the list
		}
	case l.steady && v != nil:
		at.own[0], at.single = place.Last, true
		at.rows, at.spots = append(at.rows, v), at.own[:]
	}
}

// leaves is called when a loop ends, however it does: its last element, an
// error, break.
func (r *run) leaves(l *loop) {
	if !l.at.listed {
		return
	}
	for i := len(r.loops) - 1; i >= 0; i-- {
		if r.loops[i] == l {
			r.loops = append(r.loops[:i], r.loops[i+1:]...)
			break
		}
	}
	now := r.thread.ExecutionSteps()
	if r.left == now && r.last.depth > l.at.depth {
		return // an error ends several: the innermost counts
	}
	if !l.at.over {
		l.at.works = r.working(&l.at)
	}
	r.last, r.left = l.at, now
	r.last.rows, r.last.spots = nil, nil
}

// where says where in an input the rows are that the script works on, if it is in
// a loop over them. row: it is at one of them, not at a batch. The loop that an error
// ends is left at that very step.
func (r *run) where() (at string, row bool) {
	l := r.loopAt()
	if l == nil {
		return "", false
	}
	for _, w := range l.works {
		if r.loopsOver(w) {
			return w.spot.String(), true
		}
	}
	return l.place.String(), l.single && l.place.IsOne()
}

// loopAt is where the loop over rows is that the script is in; nil if it is in none.
func (r *run) loopAt() *reading {
	switch {
	case r.left != 0 && r.thread.ExecutionSteps() <= r.left:
		return &r.last
	case len(r.loops) > 0:
		at := &r.loops[len(r.loops)-1].at
		at.works = r.working(at)
		return at
	}
	return nil
}

// working finds the variables of the running functions that hold a row of a
// batch, the innermost first.
func (r *run) working(at *reading) (list []working) {
	if len(at.rows) == 0 || at.single && at.place.IsOne() {
		return nil
	}
	for depth := range r.thread.CallStackDepth() {
		frame := r.thread.DebugFrame(depth)
		for i := range frame.NumLocals() {
			b, v := frame.Local(i)
			if n := at.find(v); n >= 0 {
				list = append(list, working{b.Name, frame.Position(), at.spots[n]})
			}
		}
	}
	return list
}

// find is the place of the very dict, list or object among the rows, or -1.
func (at *reading) find(v starlark.Value) int {
	switch v.(type) {
	case *starlark.Dict, *starlark.List, *object:
	default: // what is equal may be another row
		return -1
	}
	for i := range at.rows { // they come in their order, mostly
		if n := (at.look + i) % len(at.rows); at.rows[n] == v {
			at.look = n
			return n
		}
	}
	return -1
}

// loopsOver says whether, where a function was, the variable was that of a loop.
func (r *run) loopsOver(w working) (found bool) {
	tree, _ := r.script.tree(w.pos.Filename())
	if tree == nil {
		return false
	}
	syntax.Walk(tree, func(n syntax.Node) bool {
		if n == nil || found {
			return false
		}
		switch n := n.(type) {
		case *syntax.ForStmt:
			found = binds(n.Vars, w.name) && spans(n, w.pos)
		case *syntax.Comprehension:
			for _, c := range n.Clauses {
				if c, ok := c.(*syntax.ForClause); ok && binds(c.Vars, w.name) && spans(n, w.pos) {
					found = true
				}
			}
		}
		return !found
	})
	return found
}

func binds(vars syntax.Expr, name string) bool {
	id, ok := vars.(*syntax.Ident)
	return ok && id.Name == name
}

func spans(n syntax.Node, pos syntax.Position) bool {
	start, end := n.Span()
	before := func(a, b syntax.Position) bool { return a.Line < b.Line || a.Line == b.Line && a.Col <= b.Col }
	return before(start, pos) && before(pos, end)
}

// Spot says where a row comes from: one that a loop was given, alone or in a
// batch, or that a function was handed for; else the one that the only loop over
// rows is at, of which at least the source is known.
func (r *run) Spot(v hostlib.Value) (hostlib.Spot, bool) {
	row, _ := v.(starlark.Value)
	for i := len(r.loops) - 1; i >= 0; i-- {
		at := &r.loops[i].at
		if n := at.find(row); n >= 0 && !at.pulls {
			return at.spots[n], true
		}
	}
	if s, ok := r.call.Handed(); ok {
		return s, true
	}
	var at *reading
	steady := false
	for _, l := range r.loops {
		switch {
		case l.at.pulls:
		case at != nil:
			return hostlib.Spot{}, false // it could be of either
		default:
			at, steady = &l.at, l.steady
		}
	}
	switch {
	case at == nil:
		return hostlib.Spot{}, false
	case at.place.IsOne() && steady:
		return at.place.Last, true
	case at.place.Last.Reject != 0:
		return hostlib.Spot{}, false
	}
	return hostlib.Spot{Source: at.place.Last.Source}, true
}

// file is the file of a name that the script is made of; nil if there is none.
func (f *file) file(shown string) *file {
	if f == nil || f.shown == shown {
		return f
	}
	for _, g := range f.loads {
		if found := g.file(shown); found != nil {
			return found
		}
	}
	return nil
}

// tree is the file of a name that the script is made of, parsed, and its source;
// nil if there is none.
func (f *file) tree(shown string) (*syntax.File, []byte) {
	if f = f.file(shown); f == nil {
		return nil, nil
	}
	f.parse.Do(func() { f.parsed, _ = options.Parse(f.shown, bytes.TrimPrefix(f.source, []byte(byteOrderMark)), 0) })
	return f.parsed, f.source
}
