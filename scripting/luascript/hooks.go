package luascript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// checkHooks finds the hooks among the globals and looks at how they are defined.
func (s *script) checkHooks(r *run) {
	s.checkSeal(r)
	found := false
	for _, h := range hostlib.Hooks {
		v := r.globals.RawGetString(h.Name)
		at := s.file.places[h.Name]
		fn, ok := v.(*lua.LFunction)
		switch {
		case v == lua.LNil && !s.file.assigns(h.Name):
			continue
		case !ok:
			s.fail(at, "%s is the name of a hook: got %s, wanted a function %s", h.Name, typeName(v), h.Signature())
		case fn.IsG || int(fn.Proto.NumParameters) > len(h.Params):
			s.fail(at, "%s", h.Mismatch(definedAs(h.Name, fn)))
		}
		s.hooks = append(s.hooks, h.Name)
		found = found || h.Name == engine.PhaseProduce.String() || h.Name == engine.PhaseConsume.String()
	}
	if len(s.errs) == 0 && !found {
		s.fail(place{}, "%s", hostlib.NoHooks(s.file.path))
	}
}

// checkSeal tells what cannot be kept from one hook to the next.
func (s *script) checkSeal(r *run) {
	for _, e := range r.sealErrs {
		file, line := e.file, e.line
		if file == "" {
			file = s.file.shown
		}
		s.errs = append(s.errs, s.errorAt(file, line, e.message))
	}
}

// definedAs is the head of a function.
func definedAs(name string, fn *lua.LFunction) string {
	if fn.IsG {
		return "a function of dsengine"
	}
	var params []string
	for i := range int(fn.Proto.NumParameters) {
		if i < len(fn.Proto.DbgLocals) {
			params = append(params, fn.Proto.DbgLocals[i].Name)
		}
	}
	return fmt.Sprintf("%s(%s)", name, strings.Join(params, ", "))
}

// typ makes a job type of the script, whose hooks live in a host.
func (s *script) typ(host *hostlib.Host) *engine.Type {
	t := &engine.Type{
		Name: s.job.Type, Doc: s.file.doc, Version: s.version(), Settings: s.job.Settings,
		Hooks: map[engine.Phase]engine.Hook{},
	}
	for _, phase := range engine.Phases {
		if slices.Contains(s.hooks, phase.String()) {
			t.Hooks[phase] = s.hook(phase.String(), host, s.job.Needs)
		}
	}
	if slices.Contains(s.hooks, hostlib.RedriveHook) {
		t.Redrive = s.hook(hostlib.RedriveHook, host, s.job.Needs)
	}
	return t
}

// misspelt finds functions of a job script that look like hooks and are not: a
// letter is wrong, no hook of that name is there, and nothing uses them.
func (f *file) misspelt() (errs []*hostlib.LoadError) {
	for _, h := range hostlib.Hooks {
		if _, ok := f.places[h.Name]; ok {
			continue
		}
		for _, d := range f.defs {
			if f.used[d.name] > 1 || hostlib.HookNamed(d.name) != nil || levenshtein.ComputeDistance(d.name, h.Name) != 1 {
				continue
			}
			at := f.find(d.line, d.name)
			errs = append(errs, &hostlib.LoadError{File: f.shown, Line: at.line, Column: at.column,
				Message: fmt.Sprintf("nothing calls %s: the hook is called %s", d.name, h.Name)})
		}
	}
	return errs
}

// check looks for mistakes that can be seen without running the file.
func (f *file) check(job bool) []*hostlib.LoadError {
	errs := f.twice()
	if job {
		errs = append(errs, f.misspelt()...)
	}
	return errs
}

// assigns says that a statement of the top level sets a global to a value, which may be
// nil.
func (f *file) assigns(name string) bool {
	return slices.ContainsFunc(f.tree, func(s ast.Stmt) bool {
		a, ok := s.(*ast.AssignStmt)
		return ok && slices.ContainsFunc(a.Lhs, func(e ast.Expr) bool { return isIdent(e, name) })
	})
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.IdentExpr)
	return ok && id.Value == name
}

// twice finds hooks and tests that the top level defines a second time, which would be
// instead of the first.
func (f *file) twice() (errs []*hostlib.LoadError) {
	first := map[string]place{}
	for _, s := range f.tree {
		def, ok := s.(*ast.FuncDefStmt)
		if !ok {
			continue
		}
		id, ok := def.Name.Func.(*ast.IdentExpr)
		if !ok || hostlib.HookNamed(id.Value) == nil && hostlib.TestNamed(id.Value) == nil {
			continue
		}
		at := f.find(def.Line(), id.Value)
		if before, ok := first[id.Value]; ok {
			errs = append(errs, &hostlib.LoadError{File: f.shown, Line: at.line, Column: at.column,
				Message: fmt.Sprintf("cannot reassign global %s declared at %s:%d:%d", id.Value, f.shown, before.line, before.column)})
			continue
		}
		first[id.Value] = at
	}
	return errs
}
