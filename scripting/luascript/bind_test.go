package luascript_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/stubs"
)

// named is the function that stubs call so; nil: there is none.
func named(name string) *hostlib.Func {
	of, fn, ok := strings.Cut(name, ".")
	if !ok {
		return hostlib.GlobalNamed(name)
	}
	if m := hostlib.ModuleNamed(of); m != nil {
		return m.Func(fn)
	}
	for _, t := range stubs.Types() {
		if strings.EqualFold(strings.ReplaceAll(t.Name, "_", ""), of) {
			return t.Method(fn)
		}
	}
	return nil
}

// TestWhatStubsOfferByNameIsTakenByName: where editors are told that what can be left out
// may be in a table after what cannot, that table gives arguments by name, each alone too.
func TestWhatStubsOfferByNameIsTakenByName(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := stubs.WriteLua(&b); err != nil {
		t.Fatal(err)
	}
	field := regexp.MustCompile(`^---@field (\w+)`)
	fields, class, offered, n := map[string][]string{}, "", "", 0
	for _, line := range strings.Split(b.String(), "\n") {
		switch name, _, _ := strings.Cut(strings.TrimPrefix(line, "function "), "("); {
		case strings.HasPrefix(line, "---@class "):
			class = strings.TrimPrefix(line, "---@class ")
		case field.MatchString(line):
			fields[class] = append(fields[class], field.FindStringSubmatch(line)[1])
		case strings.HasPrefix(line, "---@overload "):
			offered = line
		case strings.HasPrefix(line, "function "):
			f := named(name)
			if offered == "" || f == nil {
				if offered != "" {
					t.Errorf("there is no %s", name)
				}
				continue
			}
			before := strings.Count(offered[:strings.Index(offered, "options: ")], ": ")
			for _, arg := range fields[name+".options"] {
				if n++; !luascript.TakesNames(f, before, arg) {
					t.Errorf("%s: {%s = ...} is taken for the argument itself: %s", name, arg, offered)
				}
			}
			offered = ""
		}
	}
	if n < 50 {
		t.Errorf("only %d", n)
	}
}
