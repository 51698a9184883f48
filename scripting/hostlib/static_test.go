package hostlib

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWhatToUseInsteadIsThere: what is told of a name that other languages have is
// there, and that name is not.
func TestWhatToUseInsteadIsThere(t *testing.T) {
	t.Parallel()
	member := func(of, name string) bool {
		m, typ := ModuleNamed(of), TypeNamed(of)
		return m != nil && slices.Contains(m.Names(), name) || typ != nil && slices.Contains(typ.Names(), name)
	}
	named := regexp.MustCompile(`\b(\w+)\.(\w+)`)
	for name, use := range elsewhere {
		if of, what, ok := strings.Cut(name, "."); ok && (ModuleNamed(of) == nil || member(of, what)) || !ok && (ModuleNamed(name) != nil || GlobalNamed(name) != nil) {
			t.Errorf("%s: nothing of this name is missing", name)
		}
		for _, m := range named.FindAllStringSubmatch(use, -1) {
			if m[1] != "t" && !member(m[1], m[2]) { // t is what tests have
				t.Errorf("%s: %s: there is no %s", name, use, m[0])
			}
		}
	}
}

// TestEachNeedIsNamedByAnArgument: what a function needs can be seen in its call.
func TestEachNeedIsNamedByAnArgument(t *testing.T) {
	t.Parallel()
	without := map[string]bool{
		"files.temp": true, // it needs nothing
	}
	found := 0
	look := func(f *Func) {
		if f.Needs == "" || without[f.String()] || f.Module == "connection" {
			return
		}
		for i := range f.Params {
			if f.asks(&f.Params[i]) == f.Needs {
				found++
				return
			}
		}
		t.Errorf("%s needs %s, and no argument names it", f.Signature(), f.Needs)
	}
	for _, m := range Modules {
		for _, f := range m.Funcs {
			look(f)
		}
	}
	for _, typ := range Types {
		for _, f := range typ.Methods {
			look(f)
		}
	}
	if found < 30 {
		t.Errorf("only %d functions with needs", found)
	}
}
