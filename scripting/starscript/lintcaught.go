package starscript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/syntax"
)

// caught tells of what commits in functions that catch is given.
func (c *linter) caught() {
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if ok && c.callee(call.Fn) == hostlib.GlobalNamed("catch") && len(call.Args) > 0 {
			at, _ := call.Span()
			w := catching{c: c, line: int(at.Line), seen: map[reached]bool{}}
			w.calls(call.Args[0])
		}
		return true
	})
}

// catching goes through what a catch, in a line, calls.
type catching struct {
	c     *linter
	line  int
	maybe int // how many branches, loops and returns there are, for which it may not come here
	seen  map[reached]bool
}

// reached is a function that is called, surely or not.
type reached struct {
	fn     syntax.Node
	surely bool
}

// calls goes through a function that is called. What stands in functions of its own in
// it is called elsewhere, after the commit perhaps.
func (w *catching) calls(fn syntax.Expr) {
	switch fn := unwrapped(fn).(type) {
	case *syntax.LambdaExpr:
		w.body(fn, func() { w.run(fn.Body) })
	case *syntax.Ident:
		if n := w.c.nameOf(fn); n != nil && n.def != nil && len(n.writes) == 1 {
			w.body(n.def, func() { w.stmts(n.def.Body) })
		}
	case *syntax.DotExpr:
		at, _ := fn.Span()
		w.c.report.Caught(w.c.ofJob(fn), spot(at), "catch", w.line, w.maybe == 0)
	}
}

func (w *catching) body(fn syntax.Node, run func()) {
	before, key := w.maybe, reached{fn, w.maybe == 0}
	if !w.seen[key] {
		w.seen[key] = true
		run()
		w.maybe = before // what it returns before is over
	}
}

func (w *catching) stmts(list []syntax.Stmt) {
	for _, s := range list {
		w.run(s)
	}
}

// perhaps goes through what may not be run. A return in it leaves out what follows.
func (w *catching) perhaps(run func()) {
	w.maybe++
	run()
	w.maybe--
}

func (w *catching) run(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return false
		case *syntax.CallExpr:
			w.calls(n.Fn)
		case *syntax.IfStmt:
			w.run(n.Cond)
			w.perhaps(func() { w.stmts(n.True); w.stmts(n.False) })
			return false
		case *syntax.ForStmt:
			w.run(n.X)
			w.perhaps(func() { w.stmts(n.Body) })
			return false
		case *syntax.CondExpr:
			w.run(n.Cond)
			w.perhaps(func() { w.run(n.True); w.run(n.False) })
			return false
		case *syntax.Comprehension:
			w.run(n.Clauses[0].(*syntax.ForClause).X)
			w.perhaps(func() {
				for _, clause := range n.Clauses {
					w.run(clause)
				}
				w.run(n.Body)
			})
			return false
		case *syntax.BinaryExpr:
			if n.Op == syntax.AND || n.Op == syntax.OR {
				w.run(n.X)
				w.perhaps(func() { w.run(n.Y) })
				return false
			}
		case *syntax.ReturnStmt:
			if n.Result != nil {
				w.run(n.Result)
			}
			w.maybe++
			return false
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
