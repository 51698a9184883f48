package luascript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// universe holds what every script has: modules, globals and Lua's own
// functions. All interpreters share it, and nothing changes it.
var universe = boot.NewTable()

// own are the modules of Lua's own functions, and what is added to those of the
// host library, by name.
var own = map[string]map[string]lua.LValue{}

// ownFunc adds a function of Lua's own: to a module, or by "" to the globals.
func ownFunc(module, name string, fn func(a *args) int) {
	full := name
	if module != "" {
		full = module + "." + name
	}
	ownValue(module, name, boot.NewFunction(func(l *lua.LState) int {
		r := runOf(l)
		r.l = l
		return fn(&args{run: r, l: l, name: full, n: l.GetTop()})
	}))
}

func ownValue(module, name string, v lua.LValue) {
	if own[module] == nil {
		own[module] = map[string]lua.LValue{}
	}
	own[module][name] = v
}

// open fills the universe. All Go files have added their functions by then.
func open() {
	for _, f := range hostlib.Globals {
		universe.RawSetString(f.Name, globalOf(f))
	}
	for _, m := range hostlib.Modules {
		members, front := boot.NewTable(), boot.NewTable()
		for _, f := range m.Funcs {
			b := &builtin{Func: f, module: front}
			members.RawSetString(f.Name, boot.NewFunction(func(l *lua.LState) int { return b.call(l, nil) }))
		}
		for _, c := range m.Consts {
			v, err := (&run{}).value(c.Value)
			if err != nil {
				panic(err)
			}
			members.RawSetString(c.Name, v)
		}
		for name, v := range own[m.Name] {
			if members.RawGetString(name) == lua.LNil {
				members.RawSetString(name, v)
			}
		}
		seal(front, members, "module "+m.Name, func(name string) error { return m.Missing(name) })
		universe.RawSetString(m.Name, front)
	}
	for name, funcs := range own {
		switch {
		case name == "":
			for f, v := range funcs {
				if universe.RawGetString(f) == lua.LNil {
					universe.RawSetString(f, v)
				}
			}
		case hostlib.ModuleNamed(name) == nil:
			members, front := boot.NewTable(), boot.NewTable()
			var names []string
			for f, v := range funcs {
				members.RawSetString(f, v)
				names = append(names, f)
			}
			seal(front, members, "module "+name, func(f string) error {
				return hostlib.Errorf("usage", "%s has no %q%s", name, f, hostlib.Suggest(f, names))
			})
			universe.RawSetString(name, front)
		}
	}
	universe.RawSetString("null", null)
}

func globalOf(f *hostlib.Func) *lua.LFunction {
	b := &builtin{Func: f}
	return boot.NewFunction(func(l *lua.LState) int { return b.call(l, nil) })
}

// seal makes a table that shows another one, and that nothing changes.
func seal(front, members *lua.LTable, what string, missing func(name string) error) {
	lookup := boot.NewTable()
	lookup.RawSetString("__index", boot.NewFunction(func(l *lua.LState) int {
		return runOf(l).raise(l, missing(nameText(l.Get(2))))
	}))
	members.Metatable = lookup
	front.Metatable = frozenMeta(&frozen{contents: members, what: what}, nil)
}
