package luascript

import (
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
)

// caught tells of what commits in functions that catch, pcall and xpcall are given.
func (c *linter) caught() {
	told := map[luasyntax.Pos]bool{}
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		call, ok := n.(*luasyntax.Call)
		if !ok || call.Method != nil || len(call.Args) == 0 {
			return true
		}
		if fn, ok := call.Fn.(*luasyntax.Name); ok && isGlobal(fn) && slices.Contains([]string{"catch", "pcall", "xpcall"}, fn.Name) {
			w := catching{c: c, in: fn.Name, line: call.Start().Line, seen: map[*luasyntax.Func]bool{}, told: told}
			w.calls(&luasyntax.Call{Fn: call.Args[0]})
		}
		return true
	})
}

// catching goes through what a catch, in a line, calls.
type catching struct {
	c    *linter
	in   string // catch, pcall or xpcall
	line int
	seen map[*luasyntax.Func]bool
	told map[luasyntax.Pos]bool
}

// calls goes through a function that is called. What stands in functions of its own in
// it is called elsewhere, after the commit perhaps.
func (w *catching) calls(e *luasyntax.Call) {
	fn, _ := e.Fn.(*luasyntax.Func)
	if b := w.c.single(e.Fn); b != nil && e.Method == nil {
		fn, _ = b.Value.(*luasyntax.Func)
	}
	if fn == nil {
		if at := e.Start(); !w.told[at] {
			w.told[at] = true
			w.c.report.Caught(w.c.ofJob(e), spot(at), w.in, w.line)
		}
		return
	}
	if w.seen[fn] {
		return
	}
	w.seen[fn] = true
	luasyntax.Walk(fn.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Func:
			return false
		case *luasyntax.Call:
			w.calls(n)
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
