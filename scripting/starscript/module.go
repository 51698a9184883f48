package starscript

import (
	"fmt"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// builtins are the functions and methods of the host library in Starlark.
var builtins = map[*hostlib.Func]*starlark.Builtin{}

// predeclared are the names that every script has: modules and globals.
var predeclared = starlark.StringDict{}

func init() {
	for _, m := range hostlib.Modules {
		for _, f := range m.Funcs {
			builtins[f] = builtin(f)
		}
		predeclared[m.Name] = newModule(m)
	}
	for _, f := range hostlib.Globals {
		builtins[f] = builtin(f)
		predeclared[f.Name] = builtins[f]
	}
	predeclared["range"] = ranges
	predeclared["int"] = ints
	for _, t := range hostlib.Types {
		for _, f := range t.Methods {
			builtins[f] = builtin(f)
		}
	}
}

// builtinOf is the builtin of a function; of one that is not the host library's
// own, such as those of tests, it is made anew.
func builtinOf(f *hostlib.Func) *starlark.Builtin {
	if b := builtins[f]; b != nil {
		return b
	}
	return builtin(f)
}

// builtin makes a Starlark function of an entry of the table.
func builtin(f *hostlib.Func) *starlark.Builtin {
	return starlark.NewBuiltin(f.String(), func(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		r := runOf(t)
		var self hostlib.Value
		if o, ok := b.Receiver().(*object); ok {
			self = o.self
		}
		pos := make([]hostlib.Value, len(args))
		for i, v := range args {
			pos[i] = v
		}
		var named []hostlib.Named
		if len(kwargs) > 0 {
			named = make([]hostlib.Named, len(kwargs))
			for i, kw := range kwargs {
				named[i] = hostlib.Named{Name: string(kw[0].(starlark.String)), Value: kw[1]}
			}
		}
		v, err := f.Invoke(&r.call, self, pos, named)
		if err != nil {
			return nil, err
		}
		return r.value(v)
	})
}

// module is a module of the host library.
type module struct {
	*hostlib.Module
	members starlark.StringDict
}

var _ starlark.HasAttrs = (*module)(nil)

func newModule(m *hostlib.Module) *module {
	members := starlark.StringDict{}
	for _, f := range m.Funcs {
		members[f.Name] = builtins[f]
	}
	for _, c := range m.Consts {
		v, err := (&run{}).value(c.Value)
		if err != nil {
			panic(err)
		}
		members[c.Name] = v
	}
	return &module{m, members}
}

// String is <module csv>.
func (m *module) String() string { return fmt.Sprintf("<module %s>", m.Name) }

// Type is module.
func (m *module) Type() string { return "module" }

// Freeze does nothing: modules do not change.
func (m *module) Freeze() {}

// Truth is true.
func (m *module) Truth() starlark.Bool { return true }

// Hash fails.
func (m *module) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: module") }

// Attr is a function or a constant of the module.
func (m *module) Attr(name string) (starlark.Value, error) {
	if v, ok := m.members[name]; ok {
		return v, nil
	}
	return nil, m.Missing(name)
}

// AttrNames are the names that Attr knows.
func (m *module) AttrNames() []string { return m.members.Keys() }
