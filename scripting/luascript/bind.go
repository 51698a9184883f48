package luascript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// builtin is a function of the host library in Lua.
type builtin struct {
	*hostlib.Func
	module *lua.LTable // it is of; nil: it is of none
}

// call calls it; o is the object that it is a method of, or nil.
func (b *builtin) call(l *lua.LState, o *object) int {
	r := runOf(l)
	r.l = l
	n := l.GetTop()
	first := 1
	var self hostlib.Value
	switch {
	case o != nil:
		self = o.self
		if l.Get(1) == lua.LValue(o.handle) && n-1 >= b.required() { // o:method()
			first = 2
		}
	case b.module != nil && n > 0 && l.Get(1) == lua.LValue(b.module): // csv:read()
		first = 2
	}
	for n >= first && l.Get(n) == lua.LNil && b.optional(n-first) { // f(x, nil) is f(x)
		n--
	}
	var named []hostlib.Named
	if n >= first {
		if t, ok := l.Get(n).(*lua.LTable); ok && b.takesNames(t, n-first) {
			named = namedOf(contents(t))
			n--
		}
	}
	if o != nil && o.typ.Name == "t" && named == nil && n == first {
		if t, ok := l.Get(n).(*lua.LTable); ok {
			if err := b.mistakenError(t, b.mistaken(t, 0)); err != nil {
				return r.give(l, nil, err)
			}
		}
	}
	args := make([]hostlib.Value, 0, max(n-first+1, 0))
	for i := first; i <= n; i++ {
		args = append(args, l.Get(i))
	}
	if b.Func == errorFunc && len(args) == 2 { // error("message", 2): the level is that of Lua's own
		if _, ok := args[1].(lua.LNumber); ok {
			args = args[:1]
		}
	}
	v, err := b.Invoke(&r.call, self, args, named)
	r.l = l
	return r.give(l, v, err)
}

var errorFunc = hostlib.GlobalNamed("error")

// optional says whether nil as the argument after so many others means that it
// is left out.
func (b *builtin) optional(before int) bool {
	p := b.due(before)
	return p == nil || p.Default != nil && !p.Rest
}

// due is the parameter of the argument that stands after so many others; nil: there is
// none.
func (b *builtin) due(before int) *hostlib.Param {
	for i := range b.Params {
		p := &b.Params[i]
		switch {
		case p.Named || p.Others:
			continue
		case p.Rest || before == 0:
			return p
		}
		before--
	}
	return nil
}

// required is how many positional arguments it cannot do without.
func (b *builtin) required() (n int) {
	for i := range b.Params {
		if p := &b.Params[i]; p.Default == nil && !p.Named && !p.Rest && !p.Others {
			n++
		}
	}
	return n
}

// takesNames says whether a table that is the last argument, after so many
// others, holds arguments by name: it stands where no other can be, or the
// parameter that is due takes no table.
func (b *builtin) takesNames(t *lua.LTable, before int) bool {
	if kindOf(t) == aList {
		return false
	}
	named, rest, others := false, false, false
	for i := range b.Params {
		p := &b.Params[i]
		named, rest, others = named || p.Named, rest || p.Rest, others || p.Others
	}
	due := b.due(before)
	switch {
	case rest && others:
		return b.Name == "job" // catch(fn, ...) passes all on
	case due == nil:
		return true
	case due.Rest:
		return named && b.allNames(t)
	}
	return !takesTable(due) || b.allNames(t) && !due.TakesDict()
}

// takesTable says whether a parameter can be given a table that is no list.
func takesTable(p *hostlib.Param) bool {
	switch p.Type {
	case hostlib.Iterable, hostlib.Strings, hostlib.Source:
		return true
	}
	return p.TakesDict()
}

// allNames says whether all that a table has are names of parameters.
func (b *builtin) allNames(t *lua.LTable) bool {
	t = contents(t)
	any := false
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		name, ok := k.(lua.LString)
		if !ok || b.Param(string(name)) == nil {
			return false
		}
		any = true
	}
	return any
}

// mistaken is the parameter, one that may be left out, that takes a table after so many
// other arguments, whose names are all those of arguments; nil if it is not so.
func (b *builtin) mistaken(t *lua.LTable, before int) *hostlib.Param {
	if p := b.due(before); p != nil && p.Default != nil && !p.Rest && p.TakesDict() && b.allNames(t) {
		return p
	}
	return nil
}

// mistakenError is the error about a table, the only argument of a function of tests,
// that was meant to be arguments by name; nil if it is none.
func (b *builtin) mistakenError(t *lua.LTable, p *hostlib.Param) error {
	if p == nil || b.Param("expect") == nil || contents(t).RawGetString(p.Name) != lua.LNil {
		return nil
	}
	return hostlib.Errorf("usage", "%s: the table is the %s here, and its names are arguments of %[1]s: write %[1]s(nil, {...}); if it is the %[2]s, write %[1]s({...}, {expect = \"completed\"})", b.Func, p.Name)
}

// namedOf are the elements of a table as arguments by name, in its order.
func namedOf(t *lua.LTable) (list []hostlib.Named) {
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		list = append(list, hostlib.Named{Name: nameText(k), Value: v})
	}
	return list
}

func nameText(k lua.LValue) string {
	if s, ok := k.(lua.LString); ok {
		return string(s)
	}
	return "[" + k.String() + "]"
}
