package starscript

import (
	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// globalsOf finds where the globals of a file are first set. The file must have
// been resolved.
func globalsOf(f *syntax.File) map[string]syntax.Position {
	places := map[string]syntax.Position{}
	for _, b := range f.Module.(*resolve.Module).Globals {
		places[b.First.Name] = b.First.NamePos
	}
	return places
}

// hooks finds the hooks among the globals and checks how they are defined.
func (f *file) hooks(host *hostlib.Host, needs *hostlib.Needs) (hooks map[engine.Phase]engine.Hook, redrive engine.Hook) {
	hooks = map[engine.Phase]engine.Hook{}
	find := func(name string) engine.Hook {
		v, pos, h := f.globals[name], f.places[name], hostlib.HookNamed(name)
		if v == nil {
			return nil
		}
		fn, ok := v.(*starlark.Function)
		if !ok {
			f.fail(pos, "%s is the name of a hook: got %s, wanted a function %s", name, v.Type(), h.Signature())
			return nil
		}
		if s := signatureOfFunction(fn); !s.takes(len(h.Params)) {
			f.fail(pos, "%s", h.Mismatch(s.String()))
			return nil
		}
		return f.hook(fn, name, host, needs)
	}
	for _, phase := range engine.Phases {
		if h := find(phase.String()); h != nil {
			hooks[phase] = h
		}
	}
	redrive = find(hostlib.RedriveHook)
	if len(f.errs) == 0 && hooks[engine.PhaseProduce] == nil && hooks[engine.PhaseConsume] == nil {
		f.fail(syntax.Position{}, "%s", hostlib.NoHooks(f.path))
	}
	return hooks, redrive
}
