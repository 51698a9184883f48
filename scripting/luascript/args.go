package luascript

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// args are the arguments of a function of Lua's own. The getters raise an error
// if one is not of the type that is wanted.
type args struct {
	run  *run
	l    *lua.LState
	name string
	n    int // how many
}

func (a *args) wrong(i int, wanted string) {
	got := "nothing"
	if i <= a.n {
		got = typeName(a.l.Get(i))
	}
	hint := ""
	if ud, ok := a.l.Get(i).(*lua.LUserData); ok && wanted == "table" {
		if _, ok := ud.Value.(*iterator); ok {
			hint = ": go through an iterator by for x in it do, or make a list of it by list(...)"
		}
	}
	if o := objectOf(a.l.Get(i)); o != nil && o.typ.Name == "err" && wanted == "string" {
		hint = ": its text is its message, e.message"
	}
	a.run.raisef(a.l, "%s: argument %d: got %s, wanted %s%s", a.name, i, got, wanted, hint)
}

// any is an argument, whatever it is; one must be there.
func (a *args) any(i int) lua.LValue {
	if i > a.n {
		a.wrong(i, "a value")
	}
	return a.l.Get(i)
}

// given says that an argument is there and not nil.
func (a *args) given(i int) bool { return a.l.Get(i) != lua.LNil }

// text is a string; numbers are written as one.
func (a *args) text(i int) string {
	switch v := a.l.Get(i).(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return numberText(v)
	case *lua.LUserData:
		if n, ok := v.Value.(*integer); ok {
			return n.n.String()
		}
	}
	a.wrong(i, "string")
	return ""
}

func (a *args) number(i int) float64 {
	if f, ok := asFloat(a.l.Get(i)); ok {
		return f
	}
	a.wrong(i, "number")
	return 0
}

// numeric is a number of any size, as it is.
func (a *args) numeric(i int) lua.LValue {
	f, v := a.number(i), a.l.Get(i)
	if _, ok := v.(lua.LString); !ok {
		return v
	}
	if n, ok := asInteger(v); ok {
		return a.run.bigInt(n)
	}
	return lua.LNumber(f)
}

// int is a whole number; fractions are cut off, as Lua does.
func (a *args) int(i int) int {
	f := math.Trunc(a.number(i))
	switch {
	case f != f:
		a.wrong(i, "a whole number")
	case f > math.MaxInt32:
		return math.MaxInt32
	case f < math.MinInt32:
		return math.MinInt32
	}
	return int(f)
}

// byte is a whole number from 0 to 255.
func (a *args) byte(i int) byte {
	c := a.int(i)
	if c < 0 || c > 255 {
		a.run.raisef(a.l, "%s: argument %d: got %d, wanted 0 to 255", a.name, i, c)
	}
	return byte(c)
}

func (a *args) intOr(i, otherwise int) int {
	if !a.given(i) {
		return otherwise
	}
	return a.int(i)
}

// table is a table, as it is.
func (a *args) table(i int) *lua.LTable {
	t, ok := a.l.Get(i).(*lua.LTable)
	if !ok {
		a.wrong(i, "table")
	}
	return t
}

// writable is a table that can be changed, at a key, or by lua.LNil otherwise.
func (a *args) writable(i int, key lua.LValue) *lua.LTable {
	t := a.table(i)
	if frozenOf(t) != nil {
		a.run.readOnly(a.l, t, key)
	}
	return t
}

func (a *args) function(i int) *lua.LFunction {
	fn, ok := a.l.Get(i).(*lua.LFunction)
	if !ok {
		a.wrong(i, "function")
	}
	return fn
}

func (a *args) push(v ...lua.LValue) int {
	for _, v := range v {
		a.l.Push(v)
	}
	return len(v)
}

// maxText bounds the strings that functions and .. make.
const maxText = 256 << 20

// makes says that a string of so many bytes is about to be made.
func (a *args) makes(bytes int) {
	if bytes < 0 || bytes > maxText {
		a.run.raise(a.l, tooLong(bytes))
	}
	a.run.allocates(a.l, bytes)
}

// call calls a function of the script.
func (a *args) call(fn lua.LValue, n int, v ...lua.LValue) {
	a.l.Push(fn)
	for _, v := range v {
		a.l.Push(v)
	}
	a.l.Call(len(v), n)
	a.run.l = a.l
}

func trimSpace(s string) string { return strings.Trim(s, " \t\n\r\f\v") }
