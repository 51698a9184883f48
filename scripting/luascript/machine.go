package luascript

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// Bounds of an interpreter. Calls of functions nest in each other on Go's stack,
// too.
const (
	maxCalls     = 1000
	registrySize = 1024
	registryMax  = 100_000
)

func init() {
	// A list that is set far behind its end is filled up to there, in one instruction;
	// #t counts no element from this one on, so it is not smaller.
	lua.MaxArrayIndex = 16 << 20
}

// loadingMeta is the metatable of the globals of a file while it is loaded.
var loadingMeta, undefinedMeta = boot.NewTable(), boot.NewTable()

var textMeta *lua.LTable

// prepare fills the universe, once all files of this package have added functions.
var prepare = sync.OnceFunc(func() {
	undefinedMeta.RawSetString("__index", boot.NewFunction(func(l *lua.LState) int {
		r, name := runOf(l), nameText(l.Get(2))
		if what := missing[name]; what != "" {
			return r.raise(l, hostlib.Errorf("usage", "there is no %s in job scripts: %s", name, what))
		}
		if file := r.definer(name); file != "" {
			return r.raise(l, hostlib.Errorf("usage", "undefined: %s: it is a global of %s, and each file has its own: have that file return it, in a table, and use what require gives", name, file))
		}
		return r.raise(l, hostlib.Undefined(name, r.globalNames()))
	}))
	open()
	universe.RawSetString(beginName, boot.NewFunction(begin))
	universe.RawSetString(leaveName, boot.NewFunction(leave))
	universe.RawSetString(literalName, boot.NewFunction(literally))
	universe.RawSetString(comparesName, boot.NewFunction(compares))
	universe.Metatable = undefinedMeta
	loadingMeta.RawSetString("__index", universe)
	loadingMeta.RawSetString("__metatable", lua.LFalse)
	textMeta = boot.NewTable()
	textMeta.RawSetString("__index", universe.RawGetString("string"))
	textMeta.RawSetString("__metatable", lua.LFalse)
	for event := range floats {
		textMeta.RawSetString(event, boot.NewFunction(textArith(event)))
	}
	textMeta.RawSetString("__unm", boot.NewFunction(func(l *lua.LState) int {
		if _, number := asFloat(l.Get(1)); !number {
			return runOf(l).raisef(l, "- does not work with %s", typeName(l.Get(1)))
		}
		l.Insert(lua.LNumber(0), 1) // 0 - x
		return textArith("__sub")(l)
	}))
})

// definer is the file that has a global of that name, or "".
func (r *run) definer(name string) string {
	for i, env := range r.envs {
		if contents(env).RawGetString(name) != lua.LNil {
			return r.envFiles[i]
		}
	}
	return ""
}

// globalNames are the names that scripts have besides those of the host library.
func (r *run) globalNames() (names []string) {
	names = slices.Sorted(maps.Keys(own[""]))
	for m := range own {
		names = append(names, m)
	}
	for _, env := range r.envs {
		t := contents(env)
		for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
			if s, ok := k.(lua.LString); ok && !strings.HasPrefix(string(s), "(") {
				names = append(names, string(s))
			}
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" || n[0] == '(' })
}

// begin is called where a loop begins, with what it goes through.
func begin(l *lua.LState) int {
	r := runOf(l)
	switch v := l.Get(1).(type) {
	case *lua.LFunction:
	case *lua.LUserData:
		if it, ok := v.Value.(*iterator); ok {
			r.l = l
			r.begin(it)
			break
		}
		return r.raisef(l, "%s cannot be gone through", typeName(v))
	case *lua.LTable:
		if metaOf(v, "__call") == lua.LNil {
			return r.raisef(l, "a table cannot be gone through by itself: write for i, v in ipairs(...) do, or for k, v in pairs(...) do")
		}
	default:
		return r.raisef(l, "%s cannot be gone through", typeName(v))
	}
	return l.GetTop()
}

// leave is called where a loop has ended, and where a function returns from
// within one: with what it returns.
func leave(l *lua.LState) int {
	if ud, ok := l.Get(1).(*lua.LUserData); ok {
		if it, ok := ud.Value.(*iterator); ok {
			runOf(l).leave(it)
		}
	}
	return l.GetTop() - 1
}

// newRun makes an interpreter for a script.
func newRun(s *script) *run {
	r := &run{script: s, loaded: map[string]lua.LValue{}, threads: map[*lua.LState]*thread{}}
	r.main = lua.NewState(lua.Options{
		SkipOpenLibs: true, CallStackSize: maxCalls, RegistrySize: registrySize, RegistryMaxSize: registryMax, RegistryGrowStep: 4096,
	})
	r.count = &counter{Context: context.Background(), run: r}
	r.main.SetContext(r.count)
	r.main.SetMetatable(lua.LString(""), textMeta)
	r.l = r.main
	r.top = &thread{l: r.main, state: "running"}
	r.cur = r.top
	r.renewed = r.renew
	return r
}

// seal makes read-only what the top level has made.
func (r *run) seal() {
	// What all interpreters share is not for one to change.
	z := &freezer{seen: map[any]bool{universe: true, loadingMeta: true, undefinedMeta: true}, fronts: map[*lua.LTable]*lua.LTable{}}
	own := map[*lua.LTable][]lua.LValue{}
	for _, env := range r.envs { // all of them first: a file may hold another's globals
		inner := boot.CreateTable(0, 128)
		for k, v := universe.Next(lua.LNil); k != lua.LNil; k, v = universe.Next(k) {
			inner.RawSet(k, v)
		}
		var names []lua.LValue
		for k, v := env.Next(lua.LNil); k != lua.LNil; k, v = env.Next(k) {
			names = append(names, k)
			inner.RawSet(k, v)
		}
		for _, k := range names {
			env.RawSet(k, lua.LNil)
		}
		inner.Metatable = undefinedMeta
		env.Metatable = frozenMeta(&frozen{contents: inner, what: globalsName}, nil)
		own[inner] = names
	}
	for _, env := range r.envs {
		inner := contents(env)
		for _, k := range own[inner] {
			z.freeze(inner.RawGet(k), nameText(k))
		}
	}
	for p, v := range r.loaded {
		z.freeze(v, p)
	}
	r.globals = contents(r.globals)
	r.sealErrs, r.fronts = z.errs, z.fronts
}
