package luascript

import (
	"log/slog"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// missing are the functions of Lua that scripts do not have, with what to use.
var missing = map[string]string{
	"os": "the time is time.now(), paths are those of files, and secrets.get(name) is what the environment has as DSENGINE_SECRET_NAME", "io": "use files, csv, json", "debug": "use print and log",
	"map": "use iter.map(fn, list)", "filter": "use iter.filter(fn, list)",
	"load": loadsNothing, "loadstring": loadsNothing, "loadfile": loadsNothing, "dofile": loadsNothing, "module": loadsNothing, "package": loadsNothing,
	"collectgarbage": "memory is given back by itself", "getfenv": "functions have one environment", "setfenv": "functions have one environment",
	"_G": "globals are read by their names", "newproxy": "use setmetatable",
}

const loadsNothing = `other code is a helper file: require("lib/name")`

func init() {
	ownFunc("", "type", func(a *args) int { return a.push(lua.LString(typeName(a.any(1)))) })
	ownFunc("", "is_null", func(a *args) int { return a.push(lua.LBool(isNull(a.l.Get(1)))) })
	ownFunc("", "tostring", func(a *args) int { return a.push(lua.LString(tostring(a.l, a.any(1)))) })
	ownFunc("", "tonumber", tonumber)
	ownFunc("", "print", func(a *args) int {
		var b strings.Builder
		for i := 1; i <= a.n; i++ {
			if i > 1 {
				b.WriteByte(' ') // as in Starlark: it is the log that reads it
			}
			s := printed(a.l, a.l.Get(i), a.run.strike)
			a.makes(b.Len() + len(s))
			b.WriteString(s)
		}
		a.run.call.Log(slog.LevelInfo, b.String(), nil)
		return 0
	})
	ownFunc("", "assert", func(a *args) int {
		if lua.LVAsBool(a.any(1)) {
			return a.n
		}
		switch m := a.l.Get(2).(type) {
		case lua.LString:
			return a.run.raise(a.l, &engine.Failure{Kind: engine.KindError, Message: string(m), Retryable: true})
		case *lua.LNilType:
			return a.run.raise(a.l, &engine.Failure{Kind: engine.KindError, Message: "assertion failed!", Retryable: true})
		default: // an error object, of pcall say
			v, err := errorFunc.Invoke(&a.run.call, nil, []hostlib.Value{m}, nil)
			return a.run.give(a.l, v, err)
		}
	})
	ownFunc("", "pcall", func(a *args) int {
		fn := a.any(1)
		list := make([]lua.LValue, 0, a.n)
		for i := 2; i <= a.n; i++ {
			list = append(list, a.l.Get(i))
		}
		return a.caught(fn, list, nil)
	})
	ownFunc("", "xpcall", func(a *args) int { return a.caught(a.any(1), nil, a.function(2)) })
	ownFunc("", "select", func(a *args) int {
		if s, ok := a.l.Get(1).(lua.LString); ok && s == "#" {
			return a.push(lua.LNumber(a.n - 1))
		}
		i := a.int(1)
		if i < 0 {
			i = a.n + i
		}
		if i < 1 {
			return a.run.raisef(a.l, "select: argument 1: there is no argument %d", a.int(1))
		}
		return max(a.n-i, 0)
	})
	ownFunc("", "rawequal", func(a *args) int { return a.push(lua.LBool(a.any(1) == a.any(2))) })
	ownFunc("", "rawlen", func(a *args) int { return a.push(lua.LNumber(contents(a.table(1)).Len())) })
	ownFunc("", "rawget", func(a *args) int { return a.push(contents(a.table(1)).RawGet(a.any(2))) })
	ownFunc("", "rawset", func(a *args) int {
		t, k := a.writable(1, a.l.Get(2)), a.any(2)
		if n, ok := k.(lua.LNumber); k == lua.LNil || ok && n != n {
			return a.run.raisef(a.l, "rawset: argument 2: %s is no key", k)
		}
		t.RawSet(k, a.any(3))
		return a.push(t)
	})
	ownFunc("", "getmetatable", func(a *args) int {
		switch v := a.any(1).(type) {
		case *lua.LTable:
			mt, ok := v.Metatable.(*lua.LTable)
			switch {
			case !ok || isMark(mt):
				return a.push(lua.LNil)
			case frozenOf(v) != nil:
				inner, _ := contents(v).Metatable.(*lua.LTable)
				if inner == nil || isMark(inner) || strings.HasPrefix(frozenOf(v).what, "module ") || frozenOf(v).what == globalsName {
					return a.push(lua.LNil)
				}
				mt = inner
			}
			if front := a.run.fronts[mt]; front != nil {
				mt = front
			}
			if p := mt.RawGetString("__metatable"); p != lua.LNil {
				return a.push(p)
			}
			return a.push(mt)
		}
		return a.push(lua.LNil)
	})
	ownFunc("", "setmetatable", func(a *args) int {
		t := a.writable(1, lua.LNil)
		mt, ok := a.l.Get(2).(*lua.LTable)
		if !ok && a.any(2) != lua.LNil {
			a.wrong(2, "table or nil")
		}
		if old, ok := t.Metatable.(*lua.LTable); ok && old.RawGetString("__metatable") != lua.LNil {
			return a.run.raisef(a.l, "setmetatable: the metatable is protected")
		}
		if mt == nil {
			t.Metatable = lua.LNil
		} else {
			if f := frozenOf(mt); f != nil && (f.what == globalsName || strings.HasPrefix(f.what, "module ")) {
				return a.run.raisef(a.l, "setmetatable: argument 2: %s is no metatable", f.what)
			}
			t.Metatable = contents(mt) // or an element that is there could be set in it
		}
		return a.push(t)
	})
	ownFunc("", "next", func(a *args) int {
		k, v := contents(a.table(1)).Next(a.l.Get(2))
		if k == lua.LNil {
			return a.push(lua.LNil)
		}
		return a.push(k, v)
	})
	step := boot.NewFunction(func(l *lua.LState) int {
		t, ok := l.Get(1).(*lua.LTable)
		if !ok {
			return 0
		}
		k, v := contents(t).Next(l.Get(2))
		if k == lua.LNil {
			return 0
		}
		l.Push(k)
		l.Push(v)
		return 2
	})
	ownFunc("", "pairs", func(a *args) int { return a.push(step, a.table(1), lua.LNil) })
	count := boot.NewFunction(func(l *lua.LState) int {
		t, ok := l.Get(1).(*lua.LTable)
		i, _ := l.Get(2).(lua.LNumber)
		if !ok {
			return 0
		}
		v := contents(t).RawGetInt(int(i) + 1)
		if v == lua.LNil {
			return 0
		}
		l.Push(i + 1)
		l.Push(v)
		return 2
	})
	ownFunc("", "ipairs", func(a *args) int { return a.push(count, a.table(1), lua.LNumber(0)) })
	ownFunc("", "list", func(a *args) int {
		it, ok := a.run.call.Iterate(a.any(1))
		if !ok {
			a.wrong(1, "list or iterator")
		}
		if err := hostlib.Begin(it); err != nil {
			return a.run.raise(a.l, err)
		}
		t, err := a.run.collect(it)
		if err != nil {
			return a.run.raise(a.l, err)
		}
		return a.push(t)
	})
	ownFunc("", "require", func(a *args) int { return a.run.require(a) })
	for _, module := range []string{"json"} {
		ownFunc(module, "array", func(a *args) int { return a.marked(arrayMeta) })
		ownFunc(module, "object", func(a *args) int { return a.marked(dictMeta) })
	}
}

// collect makes a list of what an iterator gives.
func (r *run) collect(it hostlib.Iterator) (*lua.LTable, error) {
	defer hostlib.Leave(it)
	t := newList(0)
	for n := 1; ; n++ {
		v, err := it.Next()
		switch {
		case isEOF(err):
			return t, nil
		case err != nil:
			return nil, err
		case n%lookEvery == 0 && r.tick() != nil:
			return nil, r.halt
		}
		s, err := r.value(v)
		if err != nil {
			return nil, err
		}
		t.RawSetInt(n, s)
	}
}

// marked gives a table that is a list, or a dict, even if it is empty.
func (a *args) marked(mt *lua.LTable) int {
	if !a.given(1) {
		t := boot.NewTable()
		t.Metatable = mt
		return a.push(t)
	}
	t := a.writable(1, lua.LNil)
	if k := kindOf(t); k == aList && mt == dictMeta && t.Len() > 0 {
		return a.run.raisef(a.l, "%s: it has %d elements without a name", a.name, t.Len())
	} else if k == aDict && mt == arrayMeta && t.Metatable != lua.LValue(dictMeta) {
		return a.run.raisef(a.l, "%s: it has elements with names", a.name)
	}
	t.Metatable = mt
	return a.push(t)
}

// caught calls a function and gives true and its results, or false and what
// happened. What the function wrote, emitted or set is undone with its error.
func (a *args) caught(fn lua.LValue, list []lua.LValue, handler *lua.LFunction) int {
	r, l := a.run, a.l
	base := l.GetTop()
	call := func() error {
		err := r.protect(l, fn, list, lua.MultRet)
		if r.halt == errStopped { // what it has written stays
			return nil
		}
		return r.Failure(err)
	}
	var caught error
	if r.call.Hook == nil {
		if caught = call(); r.halt != nil || caught != nil && (hostlib.Decided(caught) || hostlib.EndsTest(caught)) {
			return r.raise(l, caught)
		}
		if caught != nil {
			caught = engine.AsFailure(caught)
		}
	} else {
		f, err := r.call.Catch(call)
		if r.halt == errStopped {
			err = errStopped
		}
		if err != nil {
			return r.raise(l, err)
		}
		if f != nil { // else it would be an error that is no nil
			caught = f
		}
	}
	if caught == nil {
		l.Insert(lua.LTrue, base+1)
		return l.GetTop() - base
	}
	obj, err := r.outer(hostlib.NewErr(engine.AsFailure(caught)))
	if err != nil {
		return r.raise(l, err)
	}
	if handler != nil {
		a.call(handler, 1, obj)
		obj = l.Get(-1)
	}
	l.SetTop(base)
	return a.push(lua.LFalse, obj)
}

// tostring is what tostring() gives.
func tostring(l *lua.LState, v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return numberText(v)
	case *lua.LUserData:
		if o := objectOf(v); o != nil {
			return o.typ.String(o.self)
		}
		if n, ok := v.Value.(*integer); ok {
			return n.n.String()
		}
		if mt, ok := v.Metatable.(*lua.LTable); ok {
			if fn := mt.RawGetString("__tostring"); fn != lua.LNil {
				l.Push(fn)
				l.Push(v)
				l.Call(1, 1)
				s := l.Get(-1).String()
				l.Pop(1)
				return s
			}
		}
		return "userdata"
	case *lua.LTable:
		if mt, ok := v.Metatable.(*lua.LTable); ok {
			if fn := mt.RawGetString("__tostring"); fn.Type() == lua.LTFunction {
				l.Push(fn)
				l.Push(v)
				l.Call(1, 1)
				s, ok := l.Get(-1).(lua.LString)
				l.Pop(1)
				if !ok {
					runOf(l).raisef(l, "tostring: __tostring gave no string")
				}
				return string(s)
			}
		}
	}
	return v.String()
}

// numberText writes a number.
func numberText(n lua.LNumber) string {
	f := float64(n)
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f != f:
		return "nan"
	case f == math.Trunc(f) && math.Abs(f) <= exact+1:
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func tonumber(a *args) int {
	v := a.any(1)
	base := a.intOr(2, 10)
	switch v := v.(type) {
	case lua.LNumber:
		return a.push(v)
	case *lua.LUserData:
		if _, ok := v.Value.(*integer); ok {
			return a.push(v)
		}
		if d, ok := a.run.Plain(v).(hostlib.Decimal); ok {
			return a.push(a.run.numeral(d.String(), 10))
		}
	case lua.LString:
		if base < 2 || base > 36 {
			return a.run.raisef(a.l, "tonumber: argument 2: got %d, wanted 2 to 36", base)
		}
		return a.push(a.run.numeral(string(v), base))
	}
	return a.push(lua.LNil)
}

// numeral is the number that a text holds, or nil.
func (r *run) numeral(text string, base int) lua.LValue {
	n, f, ok := parseNumber(text, base)
	switch {
	case n != nil:
		return r.bigInt(n)
	case ok:
		return lua.LNumber(f)
	}
	return lua.LNil
}

// parseNumber gives the number that a text holds, as tonumber reads it: n if it is a
// whole one and written as such, else f.
func parseNumber(text string, base int) (n *big.Int, f float64, ok bool) {
	s, given := trimSpace(text), base
	if len(s) > maxDigits || strings.Contains(s, "_") {
		return nil, 0, false
	}
	digits := s
	hex := strings.TrimLeft(s, "+-")
	if base == 10 && (strings.HasPrefix(hex, "0x") || strings.HasPrefix(hex, "0X")) || base == 16 && len(hex) > 2 && hex[1]|0x20 == 'x' {
		base, digits = 16, s[:len(s)-len(hex)]+hex[2:]
		if strings.HasPrefix(hex[2:], "-") || strings.HasPrefix(hex[2:], "+") {
			return nil, 0, false
		}
	}
	if n, ok := new(big.Int).SetString(digits, base); ok {
		return n, 0, true
	}
	if given == 10 && len(s) > 0 && !strings.ContainsAny(s, "nNiIxXpP") { // no "nan", "inf", hex floats
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return nil, f, true
		}
	}
	return nil, 0, false
}
