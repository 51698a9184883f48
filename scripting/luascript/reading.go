package luascript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// reading is where in an input a loop is whose elements come from a reader.
type reading struct {
	place  hostlib.Place
	rows   []lua.LValue   // the element, or those of a batch, if it is known where each is from
	spots  []hostlib.Spot // where
	own    [1]hostlib.Spot
	single bool // the element is a row itself, not a batch
	pulls  bool // it waits for its next element
	over   bool // it has no more
	known  bool // its elements come from a reader
	look   int  // where among rows the last one was found
}

// turn is called when a loop asks for its next element.
func (at *reading) turn() {
	at.place, at.rows, at.single, at.pulls, at.look = hostlib.Place{}, at.rows[:0], false, true, 0
}

// reads is called when a loop was given an element that comes from a reader.
func (lo *loop) reads(v lua.LValue, place hostlib.Place, spots []hostlib.Spot) {
	at := &lo.at
	at.place, at.spots, at.pulls, at.known = place, spots, false, true
	list, ok := v.(*lua.LTable)
	switch {
	case ok && len(spots) > 0 && list.Len() == len(spots):
		at.place.First, at.place.Last = spots[0], spots[len(spots)-1] // others may have been left out
		for i := range spots {
			at.rows = append(at.rows, list.RawGetInt(i+1)) // the script may change the list
		}
	case lo.steady && v != nil:
		at.own[0], at.single = place.Last, true
		at.rows, at.spots = append(at.rows, v), at.own[:]
	}
}

// where says where in an input the rows are that the script works on, if it is in
// a loop over them. row: it is at one of them, not at a batch.
func (r *run) where(l *lua.LState) (at string, row bool) {
	for t := r.cur; t != nil; t = t.by {
		for i := len(t.loops) - 1; i >= 0; i-- {
			at := &t.loops[i].at
			if !at.known {
				continue
			}
			if spot, ok := r.working(l, at); ok {
				return spot.String(), true
			}
			return at.place.String(), at.single && at.place.IsOne()
		}
	}
	return "", false
}

// working finds the row of a batch that a loop of the running functions is at,
// the innermost first.
func (r *run) working(l *lua.LState, at *reading) (hostlib.Spot, bool) {
	if len(at.rows) == 0 || at.single && at.place.IsOne() {
		return hostlib.Spot{}, false
	}
	for level := range maxFrames {
		dbg, ok := l.GetStack(level)
		if !ok {
			break
		}
		fn, _ := l.GetInfo("fl", dbg, lua.LNil)
		f, ok := fn.(*lua.LFunction)
		if !ok || f.IsG {
			continue
		}
		for no := 1; ; no++ {
			name, v := l.GetLocal(dbg, no)
			if name == "" {
				break
			}
			if name == "(*temporary)" { // so the interpreter calls the locals of inner blocks, too
				name = ""
			}
			if n := at.find(v); n >= 0 && r.script.loopsOver(f.Proto.SourceName, name, dbg.CurrentLine) {
				return at.spots[n], true
			}
		}
	}
	return hostlib.Spot{}, false
}

// find is the place of the very table or object among the rows, or -1.
func (at *reading) find(v lua.LValue) int {
	switch v.(type) {
	case *lua.LTable, *lua.LUserData:
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

// Spot says where a row comes from.
func (r *run) Spot(v hostlib.Value) (hostlib.Spot, bool) {
	row, _ := v.(lua.LValue)
	var loops []*loop
	for t := r.cur; t != nil; t = t.by {
		for i := len(t.loops) - 1; i >= 0; i-- {
			if t.loops[i].at.known {
				loops = append(loops, t.loops[i])
			}
		}
	}
	for _, lo := range loops {
		if n := lo.at.find(row); n >= 0 && !lo.at.pulls {
			return lo.at.spots[n], true
		}
	}
	if s, ok := r.call.Handed(); ok {
		return s, true
	}
	var one *loop
	for _, lo := range loops {
		switch {
		case lo.at.pulls:
		case one != nil:
			return hostlib.Spot{}, false // it could be of either
		default:
			one = lo
		}
	}
	switch {
	case one == nil:
		return hostlib.Spot{}, false
	case one.at.place.IsOne() && one.steady:
		return one.at.place.Last, true
	case one.at.place.Last.Reject != 0:
		return hostlib.Spot{}, false
	}
	return hostlib.Spot{Source: one.at.place.Last.Source}, true
}
