package starscript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/syntax"
)

// caught tells of what commits in functions that catch is given.
func (c *linter) caught() {
	told := map[syntax.Position]bool{}
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if ok && c.callee(call.Fn) == hostlib.GlobalNamed("catch") && len(call.Args) > 0 {
			at, _ := call.Span()
			w := catching{c: c, line: int(at.Line), seen: map[syntax.Node]bool{}, told: told}
			w.calls(call.Args[0])
		}
		return true
	})
}

// catching goes through what a catch, in a line, calls.
type catching struct {
	c    *linter
	line int
	seen map[syntax.Node]bool // functions
	told map[syntax.Position]bool
}

// calls goes through a function that is called. What stands in functions of its own in
// it is called elsewhere, after the commit perhaps.
func (w *catching) calls(fn syntax.Expr) {
	switch fn := unwrapped(fn).(type) {
	case *syntax.LambdaExpr:
		w.body(fn, fn.Body)
		return
	case *syntax.Ident:
		if n := w.c.nameOf(fn); n != nil && n.def != nil && len(n.writes) == 1 {
			for _, s := range n.def.Body {
				w.body(s, s)
			}
			return
		}
	case *syntax.DotExpr:
		at, _ := fn.Span()
		if !w.told[at] {
			w.told[at] = true
			w.c.report.Caught(w.c.ofJob(fn), spot(at), "catch", w.line)
		}
	}
}

func (w *catching) body(of, n syntax.Node) {
	if w.seen[of] {
		return
	}
	w.seen[of] = true
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return false
		case *syntax.CallExpr:
			w.calls(n.Fn)
		}
		return true
	})
}

// ofJob is a function of the job, also where a function of the file has it as its
// parameter ctx; nil: it is none.
func (c *linter) ofJob(fn *syntax.DotExpr) *hostlib.Func {
	if f := c.callee(fn); f != nil {
		return f
	}
	if id, ok := fn.X.(*syntax.Ident); ok && id.Name == "ctx" {
		if n := c.nameOf(id); n != nil && n.kind == param && len(n.writes) == 1 {
			return hostlib.TypeNamed("ctx").Method(fn.Name.Name)
		}
	}
	return nil
}
