package luascript

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// null is what stands for NULL and JSON's null within rows and lists, where nil
// cannot be.
var null = &lua.LUserData{}

func init() {
	funcs := map[string]lua.LGFunction{
		"__tostring": func(l *lua.LState) int { l.Push(lua.LString("null")); return 1 },
		"__index": func(l *lua.LState) int {
			return runOf(l).raisef(l, "null has no %s: see first whether there is something, by: if not is_null(...)", keyText(l.Get(2)))
		},
		"__newindex": func(l *lua.LState) int { return runOf(l).raisef(l, "null takes no elements") },
		"__concat":   func(l *lua.LState) int { return runOf(l).raisef(l, "null is no text: use tostring(...)") },
		"__unm":      func(l *lua.LState) int { return runOf(l).raisef(l, "- does not work with null") },
	}
	for event := range floats {
		funcs[event] = func(l *lua.LState) int { return runOf(l).noArith(l, operators[strings.TrimPrefix(event, "__")]) }
	}
	null.Metatable = sealed(funcs)
}

// isNull says whether a value is nil or null.
func isNull(v lua.LValue) bool { return v == lua.LNil || v == lua.LValue(null) }

// keyText is a key as messages show it.
func keyText(k lua.LValue) string {
	if s, ok := k.(lua.LString); ok {
		return "\"" + string(s) + "\""
	}
	return k.String()
}

// boot makes functions that all interpreters share. It runs no script.
var boot = lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: 8, RegistrySize: 128})

// sealed makes a metatable that scripts cannot get at.
func sealed(funcs map[string]lua.LGFunction) *lua.LTable {
	mt := boot.NewTable()
	for name, fn := range funcs {
		mt.RawSetString(name, boot.NewFunction(fn))
	}
	mt.RawSetString("__metatable", lua.LFalse)
	return mt
}
