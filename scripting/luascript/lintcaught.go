package luascript

import (
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
)

// caught tells of what commits in functions that catch, pcall and xpcall are given.
func (c *linter) caught() {
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		call, ok := n.(*luasyntax.Call)
		if !ok || call.Method != nil || len(call.Args) == 0 {
			return true
		}
		if fn, ok := call.Fn.(*luasyntax.Name); ok && isGlobal(fn) && slices.Contains([]string{"catch", "pcall", "xpcall"}, fn.Name) {
			w := catching{c: c, in: fn.Name, line: call.Start().Line, seen: map[reached]bool{}}
			w.calls(&luasyntax.Call{Fn: call.Args[0]})
		}
		return true
	})
}

// catching goes through what a catch, in a line, calls.
type catching struct {
	c     *linter
	in    string // catch, pcall or xpcall
	line  int
	maybe int // how many branches, loops and returns there are, for which it may not come here
	seen  map[reached]bool
}

// reached is a function that is called, surely or not.
type reached struct {
	fn     *luasyntax.Func
	surely bool
}

// calls goes through a function that is called. What stands in functions of its own in
// it is called elsewhere, after the commit perhaps.
func (w *catching) calls(e *luasyntax.Call) {
	fn, _ := e.Fn.(*luasyntax.Func)
	if b := w.c.single(e.Fn); b != nil && e.Method == nil {
		fn, _ = b.Value.(*luasyntax.Func)
	}
	before, key := w.maybe, reached{fn, w.maybe == 0}
	switch {
	case fn == nil:
		w.c.report.Caught(w.c.ofJob(e), spot(e.Start()), w.in, w.line, w.maybe == 0)
	case !w.seen[key]:
		w.seen[key] = true
		w.run(fn.Body)
		w.maybe = before // what it returns before is over
	}
}

// perhaps goes through what may not be run. A return in it leaves out what follows.
func (w *catching) perhaps(what any) {
	w.maybe++
	w.run(what)
	w.maybe--
}

func (w *catching) run(what any) {
	luasyntax.Walk(what, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Func:
			return false
		case *luasyntax.Call:
			w.calls(n)
		case *luasyntax.If:
			w.run(n.Cond)
			w.perhaps(n.Then)
			w.perhaps(n.Else)
			return false
		case *luasyntax.For:
			w.run(n.Values)
			w.perhaps(n.Body)
			return false
		case *luasyntax.NumberFor:
			w.run([]luasyntax.Expr{n.From, n.To, n.Step})
			w.perhaps(n.Body)
			return false
		case *luasyntax.While:
			w.run(n.Cond)
			w.perhaps(n.Body)
			return false
		case *luasyntax.Binary:
			if n.Op == "and" || n.Op == "or" {
				w.run(n.X)
				w.perhaps(n.Y)
				return false
			}
		case *luasyntax.Return:
			w.run(n.Values)
			w.maybe++
			return false
		case *luasyntax.Break, *luasyntax.Goto:
			w.maybe++
		}
		return true
	})
}

// ofJob is the function that is called of the job, also where a function of the file has
// that as its parameter ctx; nil: it is none.
func (c *linter) ofJob(e *luasyntax.Call) *hostlib.Func {
	if f := c.callee(e); f != nil {
		return f
	}
	of, key := e.Fn, e.Method
	if x, ok := e.Fn.(*luasyntax.Index); ok && key == nil {
		of = x.X
		key, _ = x.Key.(*luasyntax.Literal)
	}
	if n, ok := of.(*luasyntax.Name); ok && key != nil && n.Name == "ctx" && n.Binding != nil && n.Binding.Kind == luasyntax.Param && len(n.Binding.Writes) == 1 {
		return hostlib.TypeNamed("ctx").Method(key.Value)
	}
	return nil
}
