package luascript

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// frozen is behind a table that nothing changes any more: the interpreter does
// not ask when an element that is there is set, so the table is empty, and what
// was in it is shown by its metatable.
type frozen struct {
	contents *lua.LTable // what is a metatable there is one by its contents
	front    *lua.LTable
	what     string // it is, for messages
}

const frozenKey = "(frozen)"

// frozenOf is what is behind a table; nil: it can be changed.
func frozenOf(t *lua.LTable) *frozen {
	mt, ok := t.Metatable.(*lua.LTable)
	if !ok {
		return nil
	}
	ud, ok := mt.RawGetString(frozenKey).(*lua.LUserData)
	if !ok {
		return nil
	}
	return ud.Value.(*frozen)
}

// contents is the table that holds the elements.
func contents(t *lua.LTable) *lua.LTable {
	if f := frozenOf(t); f != nil {
		return f.contents
	}
	return t
}

var readOnly, lengthOf *lua.LFunction

func init() {
	readOnly = boot.NewFunction(func(l *lua.LState) int {
		t, _ := l.Get(1).(*lua.LTable)
		return runOf(l).readOnly(l, t, l.Get(2))
	})
	lengthOf = boot.NewFunction(func(l *lua.LState) int {
		t, _ := l.Get(1).(*lua.LTable)
		l.Push(lua.LNumber(contents(t).Len()))
		return 1
	})
}

// readOnly raises the error about an element that is set where none can be; without a
// key, about the table that is to be changed in another way.
func (r *run) readOnly(l *lua.LState, t *lua.LTable, key lua.LValue) int {
	what := "it"
	if f := frozenOf(t); f != nil {
		what = f.what
	}
	shown := keyText(key) + " cannot be set"
	if key == lua.LNil {
		shown = "the table cannot be changed"
	}
	switch {
	case what == globalsName && key == lua.LNil:
		return r.raisef(l, "%s: globals are read-only once the script is loaded", shown)
	case what == globalsName:
		return r.raisef(l, "%s: globals are read-only once the script is loaded; write local %s = ..., or keep it by state.set", shown, nameText(key))
	case strings.HasPrefix(what, "module "):
		return r.raisef(l, "%s: %s does not change", shown, what)
	}
	return r.raisef(l, "%s: what the top level made is read-only once the script is loaded; make a table of your own, or keep it by state.set", shown)
}

const globalsName = "the globals"

// frozenMeta is the metatable of a table that nothing changes. before is the one
// that it had, or nil.
func frozenMeta(f *frozen, before *lua.LTable) *lua.LTable {
	mt := boot.NewTable()
	if before != nil {
		for k, v := before.Next(lua.LNil); k != lua.LNil; k, v = before.Next(k) {
			mt.RawSet(k, v)
		}
	}
	mt.RawSetString("__index", f.contents)
	mt.RawSetString("__newindex", readOnly)
	if mt.RawGetString("__len") == lua.LNil {
		mt.RawSetString("__len", lengthOf)
	}
	mt.RawSetString("__metatable", lua.LFalse)
	mt.RawSetString(frozenKey, &lua.LUserData{Value: f})
	return mt
}

// freezer makes read-only what hooks can reach of what the top level has made.
type freezer struct {
	seen   map[any]bool
	fronts map[*lua.LTable]*lua.LTable // of contents
	errs   []frozenError
}

// frozenError is something that cannot be kept from one hook to the next.
type frozenError struct {
	file, message string
	line          int
}

// freeze makes a value read-only, all the way down. name is how it is reached.
func (z *freezer) freeze(v lua.LValue, name string) {
	switch v := v.(type) {
	case *lua.LTable:
		z.table(v, name)
	case *lua.LFunction:
		z.function(v, name)
	case *lua.LState:
		z.fail("", 0, "the global %q holds a coroutine, which one hook alone could use", name)
	case *lua.LUserData:
		switch v.Value.(type) {
		case *iterator:
			z.fail("", 0, "the global %q holds an iterator, which one hook alone could use: make a list of it by list(...)", name)
		case *matches:
			z.fail("", 0, "the global %q holds what string.gmatch gave, which one hook alone could use: call string.gmatch in the hook", name)
		}
	}
}

func (z *freezer) fail(file string, line int, format string, args ...any) {
	z.errs = append(z.errs, frozenError{file: file, line: line, message: fmt.Sprintf(format, args...)})
}

func (z *freezer) table(t *lua.LTable, name string) {
	if z.seen[t] || frozenOf(t) != nil {
		return
	}
	z.seen[t] = true
	inner := boot.CreateTable(t.Len(), 0)
	var keys []lua.LValue
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		keys = append(keys, k)
		inner.RawSet(k, v)
	}
	inner.Metatable = t.Metatable
	var before *lua.LTable // its metatable, as it was
	mt, ok := t.Metatable.(*lua.LTable)
	switch {
	case !ok || isMark(mt):
	case mt == t:
		before = inner
	default:
		z.table(mt, name)
		before = contents(mt)
	}
	*t = lua.LTable{Metatable: frozenMeta(&frozen{contents: inner, front: t, what: name}, before)}
	z.fronts[inner] = t
	if before != nil {
		inner.Metatable = before
	}
	for _, k := range keys {
		z.freeze(k, name)
		z.freeze(inner.RawGet(k), name)
	}
}

func (z *freezer) function(f *lua.LFunction, name string) {
	if z.seen[f] {
		return
	}
	z.seen[f] = true
	for i, uv := range f.Upvalues {
		if uv == nil {
			continue
		}
		if !f.IsG {
			if p, line := sets(f.Proto, i); p != nil {
				z.fail(p.SourceName, line, "%q is set in a function, but belongs to what is around it and would live on from one hook to the next: make it a local of the function, give it as an argument, or keep it by state.set", p.DbgUpvalues[upvalueIn(f.Proto, i, p)])
				continue
			}
		}
		z.freeze(uv.Value(), name)
	}
}

// sets finds where a function, or one within it, sets an upvalue.
func sets(p *lua.FunctionProto, upvalue int) (*lua.FunctionProto, int) {
	for pc := 0; pc < len(p.Code); pc++ {
		inst := p.Code[pc]
		b := int(inst & 0x1ff)
		switch int(inst >> 26) {
		case lua.OP_SETUPVAL:
			if b == upvalue {
				return p, p.DbgSourcePositions[pc]
			}
		case lua.OP_CLOSURE:
			inner := p.FunctionPrototypes[int(inst&0x3ffff)]
			for i := range int(inner.NumUpvalues) {
				pc++
				from := p.Code[pc]
				if int(from>>26) == lua.OP_GETUPVAL && int(from&0x1ff) == upvalue {
					if q, line := sets(inner, i); q != nil {
						return q, line
					}
				}
			}
		}
	}
	return nil, 0
}

// upvalueIn is the number that an upvalue of a function has in one within it.
func upvalueIn(p *lua.FunctionProto, upvalue int, in *lua.FunctionProto) int {
	if p == in {
		return upvalue
	}
	name := p.DbgUpvalues[upvalue]
	for i, n := range in.DbgUpvalues {
		if n == name {
			return i
		}
	}
	return 0
}
