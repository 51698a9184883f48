package starscript

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// redriveName is the hook for rejected rows, which runs in phase consume.
const redriveName = "redrive"

// hookParams are what each hook is called with.
var hookParams = map[string][]string{
	engine.PhaseProduce.String(): {"ctx"},
	engine.PhaseConsume.String(): {"ctx", "item"},
	engine.PhaseFail.String():    {"ctx", "item", "err"},
	engine.PhaseFinish.String():  {"ctx", "summary"},
	redriveName:                  {"ctx", "rows"},
}

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
		v, pos := f.globals[name], f.places[name]
		if v == nil {
			return nil
		}
		fn, ok := v.(*starlark.Function)
		switch {
		case !ok:
			f.fail(pos, "%s is the name of a hook: got %s, wanted a function %s", name, v.Type(), hookForm(name))
		case !takes(fn, len(hookParams[name])):
			f.fail(pos, "the hook is called as %s, but is defined as %s", hookForm(name), definedAs(fn))
		default:
			return hook(fn, name, host, needs, f.spare())
		}
		return nil
	}
	for _, phase := range engine.Phases {
		if h := find(phase.String()); h != nil {
			hooks[phase] = h
		}
	}
	redrive = find(redriveName)
	if len(f.errs) == 0 && hooks[engine.PhaseProduce] == nil && hooks[engine.PhaseConsume] == nil {
		f.fail(syntax.Position{}, "it defines neither produce(ctx) nor consume(ctx, item); if it is a helper file, move it to lib/ or begin its name with _")
	}
	return hooks, redrive
}

func hookForm(name string) string {
	return fmt.Sprintf("%s(%s)", name, strings.Join(hookParams[name], ", "))
}

// takes says whether a function can be called with n positional arguments.
func takes(fn *starlark.Function, n int) bool {
	positional := fn.NumParams() - fn.NumKwonlyParams()
	if fn.HasVarargs() {
		positional--
	}
	if fn.HasKwargs() {
		positional--
	}
	required := 0
	for i := range fn.NumParams() {
		switch byName := i >= positional; {
		case byName && i < positional+fn.NumKwonlyParams() && fn.ParamDefault(i) == nil:
			return false
		case !byName && fn.ParamDefault(i) == nil:
			required++
		}
	}
	return required <= n && (n <= positional || fn.HasVarargs())
}

// definedAs is the head of a function.
func definedAs(fn *starlark.Function) string {
	var params []string
	for i := range fn.NumParams() {
		name, _ := fn.Param(i)
		params = append(params, name)
	}
	return fmt.Sprintf("%s(%s)", fn.Name(), strings.Join(params, ", "))
}
