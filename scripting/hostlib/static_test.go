package hostlib

import "testing"

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
