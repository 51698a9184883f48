package starscript

import (
	"fmt"

	"github.com/agnivade/levenshtein"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// misspelt finds functions of a job script that look like hooks and are not: a
// letter is wrong, no hook of that name is there, and nothing uses them. The
// file must have been resolved.
func misspelt(f *syntax.File, shown string, job bool) (errs []*hostlib.LoadError) {
	if !job {
		return nil
	}
	defs := map[string]*syntax.Ident{}
	for _, s := range f.Stmts {
		if def, ok := s.(*syntax.DefStmt); ok {
			defs[def.Name.Name] = def.Name
		}
	}
	used := map[*resolve.Binding]int{}
	syntax.Walk(f, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok {
			if b, ok := id.Binding.(*resolve.Binding); ok {
				used[b]++
			}
		}
		return true
	})
	for _, h := range hostlib.Hooks {
		hook := h.Name
		if defs[hook] != nil {
			continue
		}
		for name, id := range defs {
			b, _ := id.Binding.(*resolve.Binding)
			if used[b] > 1 || hostlib.HookNamed(name) != nil || levenshtein.ComputeDistance(name, hook) != 1 {
				continue
			}
			errs = append(errs, &hostlib.LoadError{File: shown, Line: int(id.NamePos.Line), Column: int(id.NamePos.Col),
				Message: fmt.Sprintf("nothing calls %s: the hook is called %s", name, hook)})
		}
	}
	return errs
}
