package luascript

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// maxDepth bounds how deep data may be nested: a table may hold itself.
const maxDepth = 500

// Bounds of one piece of data. A table that holds another twice counts it twice.
const (
	maxNodes = 4_000_000
	maxBytes = 64 << 20
)

var (
	errTooDeep = errors.New("it is nested too deeply, or holds itself")
	errTooMuch = fmt.Errorf("it holds more than %d values or %d MB, too much for one piece of data: pass it on in parts", maxNodes, maxBytes>>20)
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
	case mark == lua.LValue(dictMeta):
		return aDict
	}
	if k, _ := t.Next(lua.LNil); k == lua.LNil {
		return anyOne
	}
	return aDict
}

// Data gives a value in the form of the host library, all the way down.
func (r *run) Data(v hostlib.Value) (hostlib.Value, error) {
	g := gatherer{run: r}
	return g.data(v, 0)
}

// gatherer makes data of one value.
type gatherer struct {
	*run
	nodes, bytes int
}

// count notes a value of so many bytes.
func (g *gatherer) size(bytes int) error {
	g.nodes++
	g.bytes += bytes
	switch {
	case g.nodes > maxNodes || g.bytes > maxBytes:
		return errTooMuch
	case g.nodes%lookEvery == 0 && g.over():
		return context.Cause(g.call.Context())
	}
	return nil
}

func (g *gatherer) data(v hostlib.Value, depth int) (hostlib.Value, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	if err := g.size(0); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *lua.LTable:
		if kindOf(v) == aList {
			return g.list(contents(v), depth)
		}
		if kindOf(v) == anyOne {
			return &hostlib.Dict{Unsure: true}, nil
		}
		return g.dict(contents(v), depth)
	case *hostlib.Dict:
		return g.within(v, depth)
	case *hostlib.TextRow:
		return g.within(v.Dict(), depth)
	case []hostlib.Value:
		return g.elems(v, depth)
	case hostlib.Tuple:
		return g.elems(v, depth)
	}
	plain := g.Plain(v)
	switch p := plain.(type) {
	case string:
		return p, g.size(len(p))
	case []byte:
		return p, g.size(len(p))
	case hostlib.Iterator:
		return nil, errors.New("an iterator is no data: make a list of it by list(...)")
	case hostlib.Callable:
		return nil, errors.New("a function is no data")
	case lua.LValue:
		return nil, fmt.Errorf("%s is no data", typeName(p))
	}
	if t := hostlib.TypeOf(plain); t != nil && !t.Record && t.Key == nil {
		return nil, fmt.Errorf("%s is no data", t.Name)
	}
	return plain, nil
}

// badKey is the error about a key that no name can be.
func badKey(k lua.LValue) error {
	if _, ok := k.(lua.LNumber); ok {
		return fmt.Errorf("a dict's key is no string but number: %s (a list has the elements 1, 2, 3 and so on, without a gap, and no names)", k)
	}
	return fmt.Errorf("a dict's key is no string but %s: %s", typeName(k), k)
}

func (g *gatherer) dict(t *lua.LTable, depth int) (hostlib.Value, error) {
	out := &hostlib.Dict{}
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		name, ok := k.(lua.LString)
		if !ok {
			return nil, badKey(k)
		}
		if err := g.size(len(name)); err != nil {
			return nil, err
		}
		e, err := g.data(v, depth+1)
		if err != nil {
			return nil, at(strconv.Quote(string(name)), err)
		}
		out.Names = append(out.Names, string(name))
		out.Values = append(out.Values, e)
	}
	return out, nil
}

func (g *gatherer) list(t *lua.LTable, depth int) (hostlib.Value, error) {
	out := make([]hostlib.Value, 0, t.Len())
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if n, ok := k.(lua.LNumber); !ok {
			return nil, fmt.Errorf("it has %d elements without a name and %s besides: a table is a list or a dict, not both", len(out), keyText(k))
		} else if int(n) != len(out)+1 {
			return nil, fmt.Errorf("it has element %s, and element %d is nil: a list has no gaps, null stands for nothing", k, len(out)+1)
		}
		e, err := g.data(v, depth+1)
		if err != nil {
			return nil, at(strconv.Itoa(len(out)+1), err)
		}
		out = append(out, e)
	}
	return out, nil
}

// elems converts a list of the host library, which may hold values of the script.
func (g *gatherer) elems(list []hostlib.Value, depth int) (hostlib.Value, error) {
	out := make([]hostlib.Value, len(list))
	for i, e := range list {
		var err error
		if out[i], err = g.data(e, depth+1); err != nil {
			return nil, at(strconv.Itoa(i+1), err)
		}
	}
	return out, nil
}

func (g *gatherer) within(d *hostlib.Dict, depth int) (hostlib.Value, error) {
	out := &hostlib.Dict{Names: d.Names, Values: make([]hostlib.Value, len(d.Values))}
	for i, e := range d.Values {
		var err error
		if out.Values[i], err = g.data(e, depth+1); err != nil {
			return nil, at(strconv.Quote(d.Names[i]), err)
		}
	}
	return out, nil
}

// at puts the place of an element before what is wrong with it.
func at(index string, err error) error {
	if err == errTooDeep || err == errTooMuch {
		return err
	}
	var inner *placed
	if errors.As(err, &inner) {
		return &placed{"[" + index + "]" + inner.place, inner.what}
	}
	return &placed{"[" + index + "]", err}
}

type placed struct {
	place string
	what  error
}

func (p *placed) Error() string { return p.place + ": " + p.what.Error() }
func (p *placed) Unwrap() error { return p.what }

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
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		name, ok := k.(lua.LString)
		if !ok {
			return badKey(k)
		}
		i := len(row.Values)
		if same && (i >= len(like) || like[i] != string(name)) {
			row.Names, same = append(make([]string, 0, max(len(like), 8)), like[:i]...), false
		}
		if !same {
			row.Names = append(row.Names, string(name))
		}
		row.Values = append(row.Values, r.Plain(v))
	}
	if n := len(row.Values); same && n < len(like) { // names are told apart by where they are
		row.Names = slices.Clone(like[:n])
	}
	return nil
}
