package luascript

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"time"
	"unicode/utf8"

	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// value gives a value of the host library the form that a script sees within
// rows and lists: there nothing is null.
func (r *run) value(v hostlib.Value) (lua.LValue, error) {
	switch v := v.(type) {
	case lua.LValue:
		if v == lua.LNil {
			return null, nil
		}
		return v, nil
	case nil:
		return null, nil
	case bool:
		return lua.LBool(v), nil
	case int:
		return r.int64(int64(v)), nil
	case int64:
		return r.int64(v), nil
	case *big.Int:
		return r.bigInt(v), nil
	case float64:
		return lua.LNumber(v), nil
	case string:
		return lua.LString(v), nil
	case []byte:
		return lua.LString(v), nil
	case *hostlib.Dict:
		return r.dict(v)
	case *hostlib.TextRow:
		return r.textRow(v), nil
	case hostlib.JSON:
		return r.decode([]byte(v))
	case []hostlib.Value:
		return r.list(v)
	case hostlib.Tuple:
		return r.list(v)
	case hostlib.Iterator:
		return &lua.LUserData{Value: &iterator{run: r, it: v}, Metatable: iteratorMeta}, nil
	case *function:
		return v.fn, nil
	}
	if t := hostlib.TypeOf(v); t != nil {
		return r.object(t, v), nil
	}
	return nil, fmt.Errorf("no value of a script: %T", v)
}

// outer is value where nothing is nil: what functions give, and arguments.
func (r *run) outer(v hostlib.Value) (lua.LValue, error) {
	if v == nil {
		return lua.LNil, nil
	}
	if v, ok := v.(lua.LValue); ok {
		return v, nil
	}
	return r.value(v)
}

// give pushes what a function gives: several values, if it is a Tuple.
func (r *run) give(l *lua.LState, v hostlib.Value, err error) int {
	if err != nil {
		return r.raise(l, err)
	}
	list, ok := v.(hostlib.Tuple)
	if !ok {
		s, err := r.outer(v)
		if err != nil {
			return r.raise(l, err)
		}
		l.Push(s)
		return 1
	}
	for _, e := range list {
		s, err := r.outer(e)
		if err != nil {
			return r.raise(l, err)
		}
		l.Push(s)
	}
	return len(list)
}

// newList makes a table that is a list even while it is empty.
func newList(n int) *lua.LTable {
	t := boot.CreateTable(n, 0)
	t.Metatable = arrayMeta
	return t
}

func (r *run) list(list []hostlib.Value) (lua.LValue, error) {
	t := newList(len(list))
	for i, e := range list {
		v, err := r.value(e)
		if err != nil {
			return nil, err
		}
		t.RawSetInt(i+1, v)
	}
	return t, nil
}

func (r *run) dict(d *hostlib.Dict) (lua.LValue, error) {
	t := boot.CreateTable(0, len(d.Names))
	switch {
	case d.Row:
		t.Metatable = r.rowMeta(d.Names)
	case len(d.Names) == 0:
		t.Metatable = dictMeta
	}
	for i, e := range d.Values {
		v, err := r.value(e)
		if err != nil {
			return nil, err
		}
		t.RawSetString(d.Names[i], v)
	}
	return t, nil
}

func (r *run) textRow(row *hostlib.TextRow) lua.LValue {
	row.Seen = true
	return textTable(row, r.rowMeta(row.Names))
}

// RowMaker makes tables of rows with these names.
func (r *run) RowMaker(names []string) func(*hostlib.TextRow) hostlib.Value {
	meta := r.rowMeta(names)
	return func(row *hostlib.TextRow) hostlib.Value { return textTable(row, meta) }
}

func textTable(row *hostlib.TextRow, meta *lua.LTable) lua.LValue {
	t := boot.CreateTable(0, len(row.Names))
	t.Metatable = meta
	for i, name := range row.Names {
		var v lua.LValue = null
		if s, ok := row.Field(i); ok {
			v = lua.LString(s)
		}
		t.RawSetString(name, v)
	}
	return t
}

// decode turns JSON straight into Lua's values.
func (r *run) decode(text []byte) (lua.LValue, error) {
	if r.decoder == nil {
		r.decoder = hostlib.NewDecoder(builder{r}, &r.call)
	}
	return r.decoder.Decode(text)
}

// builder builds Lua's values from JSON.
type builder struct{ run *run }

func (builder) Null() lua.LValue            { return null }
func (builder) Bool(b bool) lua.LValue      { return lua.LBool(b) }
func (b builder) Int(n int64) lua.LValue    { return b.run.int64(n) }
func (b builder) Big(n *big.Int) lua.LValue { return b.run.bigInt(n) }
func (builder) Float(f float64) lua.LValue  { return lua.LNumber(f) }
func (builder) String(s string) lua.LValue  { return lua.LString(s) }
func (builder) List(e []lua.LValue) lua.LValue {
	t := newList(len(e))
	for i, v := range e {
		t.RawSetInt(i+1, v)
	}
	return t
}

func (builder) Dict(names []string, values []lua.LValue) (lua.LValue, error) {
	t := boot.CreateTable(0, len(names))
	if len(names) == 0 {
		t.Metatable = dictMeta
	}
	for i, n := range names {
		t.RawSetString(n, values[i])
	}
	return t, nil
}

// Plain gives a scalar, an iterator, an object or a function in the form of
// the host library. A string that is no text is bytes.
func (r *run) Plain(v hostlib.Value) hostlib.Value {
	switch v := v.(type) {
	case lua.LString:
		if s := string(v); utf8.ValidString(s) {
			return s
		}
		return []byte(v)
	case lua.LNumber:
		if n := int64(v); lua.LNumber(n) == v && n >= -exact && n <= exact {
			return n
		}
		return float64(v)
	case lua.LBool:
		return bool(v)
	case *lua.LNilType:
		return nil
	case *lua.LFunction:
		return &function{run: r, fn: v}
	case *lua.LUserData:
		switch x := v.Value.(type) {
		case nil: // null
			return nil
		case *integer:
			if x.n.IsInt64() {
				return x.n.Int64()
			}
			return x.n
		case *object:
			return x.self
		case *iterator:
			return x.it
		}
	}
	return v
}

// Iterate iterates over lists and iterators; not over other tables, which are
// dicts.
func (r *run) Iterate(v hostlib.Value) (hostlib.Iterator, bool) {
	switch v := v.(type) {
	case *lua.LTable:
		if t, kind := contents(v), kindOf(v); kind != aDict {
			return &elements{run: r, list: t}, true
		}
	case *lua.LUserData:
		if it, ok := v.Value.(*iterator); ok {
			return it.it, true
		}
	}
	return nil, false
}

// elements goes through a list.
type elements struct {
	run  *run
	list *lua.LTable
	i    int
}

func (e *elements) Next() (hostlib.Value, error) {
	if e.i == 0 {
		if err := onlyList(e.list); err != nil {
			return nil, hostlib.Errorf("usage", "a table is taken as a list, and %v", err)
		}
	}
	if e.i >= e.list.Len() {
		return nil, io.EOF
	}
	if e.i++; e.i%lookEvery == 0 && e.run.over() {
		return nil, context.Cause(e.run.call.Context())
	}
	v := e.list.RawGetInt(e.i)
	if v == lua.LValue(lua.LNil) {
		return nil, hostlib.Errorf("usage", "a table is taken as a list, and its element %d is nil: a list has no gaps, null stands for nothing", e.i)
	}
	return v, nil
}

func (e *elements) Close() error { return nil }

// Native is the Lua form of a value.
func (r *run) Native(v hostlib.Value) (hostlib.Value, error) {
	return r.value(v)
}

// Truth says whether a value counts as true; null does not, as it does not in
// any other language.
func (r *run) Truth(v hostlib.Value) bool {
	s, err := r.value(v)
	return err == nil && s != lua.LValue(null) && lua.LVAsBool(s)
}

// Range is as Lua names pieces of strings.
func (r *run) Range(from, to int) (start, stop int64) { return int64(from) + 1, int64(to) }

// TypeName is what type() gives; no value of the host library's own is null, as value has it.
func (r *run) TypeName(v hostlib.Value) string {
	switch v := v.(type) {
	case lua.LValue:
		return typeName(v)
	case time.Time, time.Duration, hostlib.Object:
		return hostlib.TypeOf(v).Name
	case hostlib.Callable:
		return "function"
	}
	s, err := r.value(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	return typeName(s)
}

// typeName is what type() gives.
func typeName(v lua.LValue) string {
	if ud, ok := v.(*lua.LUserData); ok {
		switch x := ud.Value.(type) {
		case nil:
			return "null"
		case *integer:
			return "number"
		case *object:
			return x.typ.Name
		case *iterator:
			return "iterator"
		}
	}
	return v.Type().String()
}

// Signature is the function with its parameters.
func (r *run) Signature(f *hostlib.Func) string { return f.SignatureInLua() }

// function is a function of the script, for the host library.
type function struct {
	run *run
	fn  *lua.LFunction
}

// Name is the function's name.
func (f *function) Name() string { return f.run.script.nameOf(f.fn) }

// Call runs the function where the host function was called. What is given by
// name is a table, the last argument.
func (f *function) Call(args []hostlib.Value, named []hostlib.Named) (hostlib.Value, error) {
	r := f.run
	l := r.l
	list := make([]lua.LValue, 0, len(args)+1)
	for _, a := range args {
		v, err := r.value(a)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if len(named) > 0 {
		t := boot.CreateTable(0, len(named))
		for _, n := range named {
			v, err := r.value(n.Value)
			if err != nil {
				return nil, err
			}
			t.RawSetString(n.Name, v)
		}
		list = append(list, t)
	}
	v, err := r.callback(l, f.fn, list...)
	if err != nil {
		return nil, &hostlib.Raised{Err: err}
	}
	return v, nil
}

// callback calls a function of the script from a host function.
func (r *run) callback(l *lua.LState, fn *lua.LFunction, args ...lua.LValue) (lua.LValue, error) {
	err := r.protect(l, fn, args, 1)
	if err != nil {
		return nil, err
	}
	v := l.Get(-1)
	l.Pop(1)
	return v, nil
}

var _ hostlib.Language = (*run)(nil)
