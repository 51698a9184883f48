package starscript

import (
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// textNumber tells of a field of a row of csv.read that is compared, or calculated, with a
// number.
func (c *linter) textNumber(op syntax.Token, at syntax.Position, left, right syntax.Expr) {
	for _, sides := range [][2]syntax.Expr{{left, right}, {right, left}} {
		x, ok := unwrapped(sides[0]).(*syntax.IndexExpr)
		if !ok || !c.isNumber(sides[1]) {
			continue
		}
		if id, ok := x.X.(*syntax.Ident); !ok || !c.textRow(c.nameOf(id)) {
			continue
		}
		switch number := "float(" + c.short(x) + ")"; op {
		case syntax.EQL, syntax.NEQ:
			c.report.TextNumber(spot(at), op == syntax.NEQ, "int("+c.short(x)+")")
		case syntax.LT, syntax.LE, syntax.GT, syntax.GE, syntax.PLUS, syntax.MINUS, syntax.SLASH, syntax.SLASHSLASH:
			c.report.TextOperator(spot(at), op.String(), number)
		case syntax.STAR:
			if c.kindOf(sides[1]) == "float" {
				c.report.TextOperator(spot(at), op.String(), number)
			} else {
				c.report.TextRepeated(spot(at), number)
			}
		}
	}
}

// isNumber says that an expression is a number, be it a name that begins as one and is
// counted up.
func (c *linter) isNumber(e syntax.Expr) bool {
	number := func(e syntax.Expr) bool { return c.kindOf(e) == "int" || c.kindOf(e) == "float" }
	id, ok := unwrapped(e).(*syntax.Ident)
	if !ok || number(e) {
		return number(e)
	}
	n := c.nameOf(id)
	if n == nil || len(n.writes) < 2 {
		return false
	}
	begun, set := false, 0
	syntax.Walk(c.tree, func(x syntax.Node) bool {
		s, ok := x.(*syntax.AssignStmt)
		if !ok {
			return true
		}
		if to, ok := s.LHS.(*syntax.Ident); ok && c.nameOf(to) == n {
			switch counts := c.counts(s.RHS, n); {
			case s.Op != syntax.EQ || counts:
				set++
			case number(s.RHS):
				set++
				begun = true
			}
		}
		return true
	})
	return begun && set == len(n.writes)
}

// counts says that an expression is a sum, or the like, with what a name stands for.
func (c *linter) counts(e syntax.Expr, n *name) bool {
	sum, ok := unwrapped(e).(*syntax.BinaryExpr)
	if !ok || sum.Op != syntax.PLUS && sum.Op != syntax.MINUS {
		return false
	}
	id, ok := sum.X.(*syntax.Ident)
	return ok && c.nameOf(id) == n
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
		case n == nil || len(n.uses) > 1: // its rows may be changed elsewhere
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
