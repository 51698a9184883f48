package starscript

import (
	"fmt"
	"maps"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// flow tells of statements that are never reached, that do nothing, and of names
// that are used before they are set.
func (c *linter) flow() {
	c.block(c.tree.Stmts, nil)
}

// block looks at statements that run one after the other. It says whether what
// follows them is never reached.
func (c *linter) block(stmts []syntax.Stmt, within syntax.Node) (ends bool) {
	told := false
	for i, s := range stmts {
		if ends && !told && !isText(s) {
			start, _ := s.Span()
			c.add(start, "unreachable", true, "", "this is never reached: what is before it ends here")
			told = true
		}
		switch s := s.(type) {
		case *syntax.DefStmt:
			c.block(s.Body, s)
			c.unset(s.Body, map[*name]bool{})
		case *syntax.ForStmt:
			c.block(s.Body, s)
		case *syntax.IfStmt:
			a := c.block(s.True, s)
			b := c.block(s.False, s)
			ends = ends || a && b && len(s.False) > 0
		case *syntax.ReturnStmt:
			ends = true
		case *syntax.BranchStmt:
			ends = ends || s.Token != syntax.PASS
		case *syntax.ExprStmt:
			_, isDef := within.(*syntax.DefStmt)
			c.effect(s, i == 0 && (within == nil || isDef))
			ends = ends || c.endsWith(s)
		}
	}
	return ends
}

// endsWith says that a statement is a call that does not return.
func (c *linter) endsWith(s *syntax.ExprStmt) bool {
	call, ok := s.X.(*syntax.CallExpr)
	if !ok {
		return false
	}
	if id, ok := call.Fn.(*syntax.Ident); ok && id.Name == "fail" && scopeOf(id) == resolve.Universal {
		return true
	}
	return hostlib.NeverBack(c.callee(call.Fn))
}

// effect tells of an expression that computes something and drops it.
func (c *linter) effect(s *syntax.ExprStmt, doc bool) {
	if isText(s) {
		if lit := s.X.(*syntax.Literal); lit.Token != syntax.STRING && !doc {
			c.add(lit.TokenPos, "effect", true, "leave it out", "this does nothing")
		}
		return
	}
	start, _ := s.X.Span()
	calls := false
	syntax.Walk(s.X, func(n syntax.Node) bool {
		_, is := n.(*syntax.CallExpr)
		calls = calls || is
		return !calls
	})
	switch x := s.X.(type) {
	case *syntax.DotExpr:
		if c.callee(x) != nil {
			c.add(start, "effect", false, "call it: "+source(x)+"(...)", fmt.Sprintf("%s is named here, not called", source(x)))
			return
		}
	case *syntax.Ident:
		if n := c.nameOf(x); n != nil && n.kind == defined {
			c.add(start, "effect", false, "call it: "+x.Name+"(...)", fmt.Sprintf("%s is named here, not called", x.Name))
			return
		}
	case *syntax.BinaryExpr:
		if x.Op == syntax.EQL {
			c.add(x.OpPos, "effect", true, "= sets, == compares", "this compares, and does nothing with the result")
			return
		}
	}
	if !calls {
		c.add(start, "effect", true, "leave it out", "this does nothing: its value is dropped")
	}
}

// source is how a name with dots is written.
func source(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.Ident:
		return e.Name
	case *syntax.DotExpr:
		return source(e.X) + "." + e.Name.Name
	}
	return "it"
}

// unset looks at the statements of a function, or of a part of it, for names that
// are used and may not be set; set are those that are. It says whether what
// follows the statements is never reached.
func (c *linter) unset(stmts []syntax.Stmt, set map[*name]bool) (ends bool) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.DefStmt:
			c.used(set, s.Params...)
			c.writes(set, s.Name)
		case *syntax.AssignStmt:
			if s.Op == syntax.EQ {
				c.used(set, s.RHS)
				if _, plain := s.LHS.(*syntax.Ident); !plain {
					c.usedLeft(set, s.LHS)
				}
			} else {
				c.usedAny(set, s.LHS)
				c.used(set, s.RHS)
			}
			c.writes(set, s.LHS)
		case *syntax.ForStmt:
			c.used(set, s.X)
			inner := maps.Clone(set)
			c.writes(inner, s.Vars)
			c.unset(s.Body, inner)
		case *syntax.IfStmt:
			c.used(set, s.Cond)
			yes, no := maps.Clone(set), maps.Clone(set)
			a := c.unset(s.True, yes)
			// What the other branch, or the rest of the loop, uses was set by an earlier pass.
			carried := c.carry(set, yes)
			b := c.unset(s.False, no)
			if !a {
				for _, n := range carried {
					n.carried = false
				}
			}
			if b {
				c.carry(set, no)
			}
			for n := range yes {
				if !a && (b || no[n]) {
					set[n] = true
				}
			}
			for n := range no {
				if a && !b {
					set[n] = true
				}
			}
			ends = ends || a && b && len(s.False) > 0
		case *syntax.ReturnStmt:
			if s.Result != nil {
				c.used(set, s.Result)
			}
			ends = true
		case *syntax.BranchStmt:
			ends = ends || s.Token != syntax.PASS
		case *syntax.ExprStmt:
			c.used(set, s.X)
			ends = ends || c.endsWith(s)
		}
		if ends {
			return true
		}
	}
	return ends
}

// carry notes names that a branch sets, and that what comes behind it can only have
// of an earlier pass of a loop. It gives those that were not noted before.
func (c *linter) carry(before, branch map[*name]bool) (list []*name) {
	for n := range branch {
		if !before[n] && !n.carried {
			n.carried = true
			list = append(list, n)
		}
	}
	return list
}

// writes adds what an expression on the left side sets.
func (c *linter) writes(set map[*name]bool, e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Ident:
		if n := c.nameOf(e); n != nil {
			set[n] = true
		}
	case *syntax.ParenExpr:
		c.writes(set, e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			c.writes(set, x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			c.writes(set, x)
		}
	}
}

// usedLeft looks at what an expression on the left side uses: a and b of a[b] = 1.
func (c *linter) usedLeft(set map[*name]bool, e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		c.usedLeft(set, e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			c.usedLeft(set, x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			c.usedLeft(set, x)
		}
	case *syntax.IndexExpr, *syntax.DotExpr:
		c.used(set, e)
	}
}

// used tells of names in expressions that are not, or may not be, set there.
func (c *linter) used(set map[*name]bool, list ...syntax.Expr) {
	for _, e := range list {
		c.usedAny(set, e)
	}
}

func (c *linter) usedAny(set map[*name]bool, e syntax.Expr) {
	syntax.Walk(e, func(x syntax.Node) bool {
		id, ok := x.(*syntax.Ident)
		if !ok {
			return true
		}
		n := c.nameOf(id)
		if n == nil || set[n] || n.told || n.kind == param || n.kind == comprehended || n.kind == loadedName ||
			scopeOf(id) != resolve.Local && scopeOf(id) != resolve.Cell {
			return true
		}
		first := n.writes[0].NamePos
		for _, w := range n.writes {
			if before(w.NamePos, first) {
				first = w.NamePos
			}
		}
		switch {
		case c.looping(id.NamePos, first) && (n.carried || !before(first, id.NamePos)): // an earlier pass may have set it
			return true
		case before(id.NamePos, first) || first == id.NamePos:
			c.add(id.NamePos, "unset", false, "", fmt.Sprintf("%s is used before it is set, in line %d", id.Name, first.Line))
		default:
			c.add(id.NamePos, "unset", true, "set it before the branches, or the loop", fmt.Sprintf("%s may not be set here: line %d does so only on some ways", id.Name, first.Line))
		}
		n.told = true
		return true
	})
}

// looping says that two places are in the body of one loop.
func (c *linter) looping(a, b syntax.Position) (found bool) {
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		if loop, ok := n.(*syntax.ForStmt); ok {
			start, end := loop.Span()
			found = found || !before(a, start) && !before(b, start) && before(a, end) && before(b, end)
		}
		return true
	})
	return found
}

func before(a, b syntax.Position) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col
}
