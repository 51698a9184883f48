package luascript

import (
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// What a table is to the host library.
type kind int

const (
	aDict  kind = iota
	aList       // it has elements, or was made as a list
	anyOne      // it is empty: a list where one is wanted, else a dict
)

// Metatables that say of an empty table what it is. Scripts do not see them.
var arrayMeta, dictMeta = boot.NewTable(), boot.NewTable()

// isMark says that a metatable is one of those, or that of rows.
func isMark(mt *lua.LTable) bool { return mt == arrayMeta || mt == dictMeta || isRow(mt) }

// kindOf says what a table is.
func kindOf(t *lua.LTable) kind {
	mark := t.Metatable
	if f := frozenOf(t); f != nil {
		t = f.contents
		mark = t.Metatable
	}
	switch {
	case t.Len() > 0:
		return aList
	case mark == lua.LValue(arrayMeta):
		if k, _ := t.Next(lua.LNil); k != lua.LNil {
			return aDict
		}
		return aList
	case mark == lua.LValue(dictMeta), isRow(mark):
		return aDict
	}
	if k, _ := t.Next(lua.LNil); k == lua.LNil {
		return anyOne
	}
	return aDict
}

// Data gives a value in the form of the host library, all the way down.
func (r *run) Data(v hostlib.Value) (hostlib.Value, error) {
	g := hostlib.Gatherer{Lang: r, Call: &r.call, First: 1}
	return g.Data(v, 0)
}

// Inner makes data of a table; see hostlib.Gathered.
func (r *run) Inner(g *hostlib.Gatherer, v hostlib.Value, depth int) (data hostlib.Value, ok bool, err error) {
	t, ok := v.(*lua.LTable)
	if !ok {
		return nil, false, nil
	}
	switch kindOf(t) {
	case aList:
		data, err = listed(g, contents(t), depth)
	case anyOne:
		data = &hostlib.Dict{Unsure: true}
	default:
		data, err = named(g, contents(t), depth)
	}
	return data, err == nil, err
}

// Own is how the type of a value of Lua's is called; see hostlib.Gathered.
func (r *run) Own(v hostlib.Value) string {
	if v, ok := v.(lua.LValue); ok {
		return typeName(v)
	}
	return ""
}

// badKey is the error about a key that no name can be.
func badKey(k lua.LValue) error {
	if _, ok := k.(lua.LNumber); ok {
		return fmt.Errorf("a dict's key is no string but number: %s (a list has the elements 1, 2, 3 and so on, without a gap, and no names)", k)
	}
	return fmt.Errorf("a dict's key is no string but %s: %s", typeName(k), k)
}

func named(g *hostlib.Gatherer, t *lua.LTable, depth int) (hostlib.Value, error) {
	out := &hostlib.Dict{Row: isRow(t.Metatable)}
	err := entries(t, func(name string, v lua.LValue) error { return g.Entry(out, name, v, depth) })
	return out, err
}

// entries gives what a dict has, in its order. A row has all of its columns: those
// that were set to nil too.
func entries(t *lua.LTable, give func(name string, v lua.LValue) error) error {
	columns := columnsOf(t.Metatable)
	absent := func() bool { return t.RawGetString(columns[0]) == lua.LNil }
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		s, ok := k.(lua.LString)
		if !ok {
			return badKey(k)
		}
		name := string(s)
		for len(columns) > 0 && columns[0] != name && absent() {
			if err := give(columns[0], lua.LNil); err != nil {
				return err
			}
			columns = columns[1:]
		}
		if len(columns) > 0 && columns[0] == name {
			columns = columns[1:]
		}
		if err := give(name, v); err != nil {
			return err
		}
	}
	for ; len(columns) > 0; columns = columns[1:] {
		if absent() {
			if err := give(columns[0], lua.LNil); err != nil {
				return err
			}
		}
	}
	return nil
}

// onlyList says what a list has besides its elements: nothing that is a list may be lost.
func onlyList(t *lua.LTable) error {
	n := t.Len()
	if n == 0 {
		return nil
	}
	switch k, _ := t.Next(lua.LNumber(n)); k := k.(type) {
	case *lua.LNilType:
		return nil
	case lua.LNumber:
		if int(k) > n && k == lua.LNumber(int(k)) {
			return fmt.Errorf("it has element %s, and element %d is nil: a list has no gaps, null stands for nothing", k, n+1)
		}
		return fmt.Errorf("it has the elements 1 to %d and %s besides: a list has the elements 1, 2, 3 and so on alone", n, keyText(k))
	default:
		return fmt.Errorf("it has %d elements without a name and %s besides: a table is a list or a dict, not both", n, keyText(k))
	}
}

func listed(g *hostlib.Gatherer, t *lua.LTable, depth int) (hostlib.Value, error) {
	if err := onlyList(t); err != nil {
		return nil, err
	}
	out := make([]hostlib.Value, 0, t.Len())
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if k != lua.LValue(lua.LNumber(len(out)+1)) {
			return nil, fmt.Errorf("it has element %s, and element %d is nil: a list has no gaps, null stands for nothing", k, len(out)+1)
		}
		e, err := g.Elem(v, len(out), depth)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Row gives a dict with plain values. If its names are those of like, it
// shares them.
func (r *run) Row(v hostlib.Value, like []string) (*hostlib.Dict, bool, error) {
	switch v := v.(type) {
	case *lua.LTable:
		if kindOf(v) == aList {
			return nil, false, nil
		}
		row := &hostlib.Dict{Names: like}
		err := r.fillRow(contents(v), row)
		return row, err == nil, err
	case *hostlib.Dict:
		return v, true, nil
	case *hostlib.TextRow:
		return v.Dict(), true, nil
	case *lua.LUserData:
		if o, ok := v.Value.(*object); ok && o.typ.Record {
			d, err := o.typ.Dict(o.self)
			return d, err == nil, err
		}
	}
	return nil, false, nil
}

// RowInto does what Row does, in a dict whose values are written over.
func (r *run) RowInto(v hostlib.Value, into *hostlib.Dict) (bool, error) {
	if t, ok := v.(*lua.LTable); ok && kindOf(t) != aList {
		err := r.fillRow(contents(t), into)
		return err == nil, err
	}
	d, ok, err := r.Row(v, into.Names)
	if ok && err == nil {
		into.Names, into.Values = d.Names, append(into.Values[:0], d.Values...)
	}
	return ok, err
}

// fillRow writes the elements of a table into a row, whose names stay if they
// are the same.
func (r *run) fillRow(t *lua.LTable, row *hostlib.Dict) error {
	like, same := row.Names, true
	row.Values = row.Values[:0]
	err := entries(t, func(name string, v lua.LValue) error {
		i := len(row.Values)
		if same && (i >= len(like) || like[i] != name) {
			row.Names, same = append(make([]string, 0, max(len(like), 8)), like[:i]...), false
		}
		if !same {
			row.Names = append(row.Names, name)
		}
		row.Values = append(row.Values, r.Plain(v))
		return nil
	})
	if n := len(row.Values); same && n < len(like) { // names are told apart by where they are
		row.Names = slices.Clone(like[:n])
	}
	return err
}
