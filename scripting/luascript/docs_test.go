package luascript

import (
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// What Lua has of its own is told, all of it, and nothing else.
func TestLuasOwnFunctionsAreTold(t *testing.T) {
	t.Parallel()
	prepare()
	var told, there []string
	for _, d := range Functions {
		if d.Doc == "" {
			t.Errorf("nothing is said of %s", d.Name)
		}
		for _, name := range strings.Split(d.Name, "), ") {
			name, _, _ = strings.Cut(name, "(")
			told = append(told, name)
		}
	}
	for module, funcs := range own {
		table := universe
		if module != "" {
			table = contents(universe.RawGetString(module).(*lua.LTable))
		}
		for name, v := range funcs {
			// Where the host library has a function of that name, it is the one that counts.
			if name[0] != '(' && table.RawGetString(name) == v {
				there = append(there, strings.TrimPrefix(module+"."+name, "."))
			}
		}
	}
	slices.Sort(told)
	slices.Sort(there)
	for _, name := range there {
		if !slices.Contains(told, name) {
			t.Errorf("%s is there, and not told", name)
		}
	}
	for _, name := range told {
		if !slices.Contains(there, name) {
			t.Errorf("%s is told, and not there", name)
		}
	}
}
