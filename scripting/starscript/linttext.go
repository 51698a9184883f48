package starscript

import (
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// textNumber tells of a field of a row of csv.read that is compared with a number.
func (c *linter) textNumber(e *syntax.BinaryExpr) {
	if e.Op != syntax.EQL && e.Op != syntax.NEQ {
		return
	}
	for _, sides := range [][2]syntax.Expr{{e.X, e.Y}, {e.Y, e.X}} {
		x, ok := unwrapped(sides[0]).(*syntax.IndexExpr)
		if kind := c.kindOf(sides[1]); !ok || kind != "int" && kind != "float" {
			continue
		}
		if id, ok := x.X.(*syntax.Ident); ok && c.textRow(c.nameOf(id)) {
			c.report.TextNumber(spot(e.OpPos), e.Op == syntax.NEQ, "int("+c.short(x)+")")
		}
	}
}

// textRow says that a name is that of rows of csv.read, and that nothing changes them.
func (c *linter) textRow(n *name) bool {
	if n == nil || len(n.ins) == 0 || len(n.ins) != len(n.writes) {
		return false
	}
	for _, e := range n.ins {
		if !c.textRows(e, 0) {
			return false
		}
	}
	isIt := func(e syntax.Expr) bool {
		id, ok := e.(*syntax.Ident)
		return ok && c.nameOf(id) == n
	}
	changed := false
	syntax.Walk(c.tree, func(x syntax.Node) bool {
		switch x := x.(type) {
		case *syntax.AssignStmt:
			of, ok := x.LHS.(*syntax.IndexExpr)
			changed = changed || ok && isIt(of.X) || isIt(x.RHS)
		case *syntax.DotExpr:
			changed = changed || isIt(x.X) && !slices.Contains([]string{"get", "items", "keys", "values"}, x.Name.Name)
		case *syntax.CallExpr:
			changed = changed || c.callee(x.Fn) == nil && slices.ContainsFunc(x.Args, isIt)
		}
		return !changed
	})
	return !changed
}

// textRows says that what a loop goes through are rows of csv.read.
func (c *linter) textRows(e syntax.Expr, depth int) bool {
	if depth > 5 {
		return false
	}
	switch e := unwrapped(e).(type) {
	case *syntax.Ident:
		n := c.nameOf(e)
		switch {
		case n == nil:
		case n.value != nil && len(n.writes) == 1:
			return c.textRows(n.value, depth+1)
		case len(n.ins) == 1 && len(n.writes) == 1:
			call, ok := n.ins[0].(*syntax.CallExpr)
			f := (*hostlib.Func)(nil)
			if ok {
				f = c.callee(call.Fn)
			}
			return f != nil && (f.String() == "ctx.batches" || f.String() == "iter.batch") && len(call.Args) > 0 && c.textRows(call.Args[0], depth+1)
		}
	case *syntax.CallExpr:
		if f := c.callee(e.Fn); f != nil {
			return hostlib.OfTexts(f)
		}
		fn, ok := e.Fn.(*syntax.Ident)
		return ok && scopeOf(fn) == resolve.Universal && fn.Name == "list" && len(e.Args) == 1 && c.textRows(e.Args[0], depth+1)
	}
	return false
}
