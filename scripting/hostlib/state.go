package hostlib

import (
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

var stateModule = &Module{
	Name:  "state",
	Doc:   "This type's own durable values; an instance has its own. They are written when the hook commits. " + variablesDoc,
	Funcs: variableFuncs("state", false),
}

// variablesDoc says what state and vars are not for.
var variablesDoc = fmt.Sprintf("A hook that reads a value and sets it runs again if another job changes it meanwhile, and then makes its requests again: count by ctx.count or in a table what many jobs count side by side. "+
	"There are at most %d names: what there is one of for each row belongs into a table.", engine.MaxVariables)

// ownName refuses names that are kept for what requests remember.
func ownName(name string) error {
	if engine.HiddenVariable(name) {
		return Errorf("usage", "name: names that begin with %q are those of what http remembers", engine.HiddenVariables)
	}
	return nil
}

// variableFuncs are the functions of state, or with shared of vars.
func variableFuncs(module string, shared bool) []*Func {
	name := Param{Name: "name", Type: String, Doc: "the name of the value"}
	example := func(text string) string { return module + text }
	return []*Func{
		{
			Name: "get", Doc: "Gives a value, or the default if it is not set.",
			Params:  []Param{name, {Name: "default", Type: Any, Default: None, Doc: "what to give if it is not set"}},
			Returns: "any value", Effect: Read,
			Example: example(".get(\"since\", \"1970-01-01\")  # \"1970-01-01\""),
			Lua:     example(".get(\"since\", \"1970-01-01\")  -- \"1970-01-01\""),
			Do: func(c *Call, a *Args) (Value, error) {
				raw, err := c.Hook.Variable(shared, a.String("name"))
				if err != nil {
					return nil, err
				}
				if raw == nil {
					return a.Value("default"), nil
				}
				return JSON(raw), nil
			},
		},
		{
			Name: "set", Doc: "Sets a value, at most 64 kB as JSON. If somebody else changes one that the hook has read before, the hook runs again, from its last checkpoint: what it wrote is taken back, but requests and the like are made once more. The job's log says so, and jobs show counts it as reruns.",
			Params: []Param{name, {Name: "value", Type: Data, Doc: "data; times and decimals in it come back as text"}}, Effect: Write,
			Example: example(".set(\"page\", 7)\n" + module + ".get(\"page\")  # 7"),
			Lua:     example(".set(\"page\", 7)\n" + module + ".get(\"page\")  -- 7"),
			Do: func(c *Call, a *Args) (Value, error) {
				raw, err := KeepJSON(a.Value("value"))
				if err == nil {
					err = ownName(a.String("name"))
				}
				if err != nil {
					return nil, err
				}
				return nil, c.Hook.SetVariable(shared, a.String("name"), raw)
			},
		},
		{
			Name: "delete", Doc: "Forgets a value.",
			Params: []Param{name}, Effect: Write,
			Example: example(".delete(\"page\")\n" + module + ".get(\"page\")  # None"),
			Lua:     example(".delete(\"page\")\n" + module + ".get(\"page\")  -- nil"),
			Do: func(c *Call, a *Args) (Value, error) {
				if err := ownName(a.String("name")); err != nil {
					return nil, err
				}
				return nil, c.Hook.SetVariable(shared, a.String("name"), nil)
			},
		},
		{
			Name: "keys", Doc: "Lists the names that are set, sorted.",
			Returns: "list of string", Effect: Read,
			Example: example(".set(\"b\", 1)\n" + module + ".set(\"a\", 2)\n" + module + ".keys()  # [\"a\", \"b\"]"),
			Lua:     example(".set(\"b\", 1)\n" + module + ".set(\"a\", 2)\n" + module + ".keys()  -- {\"a\", \"b\"}"),
			Do: func(c *Call, a *Args) (Value, error) {
				names, err := c.Hook.VariableNames(shared)
				if err != nil {
					return nil, err
				}
				slices.Sort(names)
				list := []Value{}
				for _, n := range names {
					if !engine.HiddenVariable(n) {
						list = append(list, n)
					}
				}
				return list, nil
			},
		},
	}
}
