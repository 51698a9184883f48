package luascript

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"
)

// The interpreter's compiler makes one jump of a jump that leads to another. If the other
// one stands before it, so in a loop that begins with a jump, it takes a wrong place for
// where that leads, and the loop ends too early or never:
//
//	while true do
//	  if false then ... end
//
// So such loops, and labels before jumps, get a statement in between that does nothing. Of
// a while, and of a repeat with nothing in it, it is the condition that begins the loop.

// body rewrites the statements of a loop.
func (w *rewriter) body(stmts []ast.Stmt, it string) []ast.Stmt {
	out := w.block(stmts, it)
	if jumps(stmts) {
		out = append([]ast.Stmt{nothing(stmts[0])}, out...)
	}
	return out
}

// nothing makes a statement that does nothing.
func nothing(at ast.Stmt) ast.Stmt {
	local := &ast.LocalAssignStmt{Names: []string{"(nothing)"}}
	local.SetLine(at.Line())
	s := &ast.DoBlockStmt{Stmts: []ast.Stmt{local}}
	s.SetLine(at.Line())
	s.SetLastLine(at.Line())
	return s
}

// again rewrites the condition of a loop, which is looked at again and again; to is what
// becomes of it. If it may begin with a jump, it begins with a comparison.
func again(condition, to ast.Expr) ast.Expr {
	if !chooses(condition) {
		return to
	}
	first := &ast.RelationalOpExpr{Operator: "==", Lhs: text(condition, ""), Rhs: text(condition, "")}
	first.SetLine(condition.Line())
	both := &ast.LogicalOpExpr{Operator: "and", Lhs: first, Rhs: to}
	both.SetLine(condition.Line())
	return both
}

// jumps says whether what statements are compiled to may begin with a jump.
func jumps(stmts []ast.Stmt) bool {
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.LabelStmt:
		case *ast.DoBlockStmt:
			if jumps(s.Stmts) {
				return true
			}
			if !empty(s.Stmts) {
				return false
			}
		case *ast.BreakStmt:
			return true
		case *ast.IfStmt:
			return known(s.Condition) || chooses(s.Condition)
		case *ast.WhileStmt:
			return known(s.Condition) || chooses(s.Condition)
		case *ast.RepeatStmt:
			return jumps(s.Stmts) || empty(s.Stmts)
		case *ast.NumberForStmt:
			return chooses(s.Init)
		case *ast.FuncCallStmt:
			return chooses(s.Expr)
		case *ast.LocalAssignStmt:
			return chooses(s.Exprs...)
		case *ast.AssignStmt:
			return chooses(s.Lhs...) || chooses(s.Rhs...)
		case *ast.ReturnStmt:
			return chooses(s.Exprs...)
		default:
			return false
		}
	}
	return false
}

// empty says that nothing becomes of statements.
func empty(stmts []ast.Stmt) bool {
	return !slices.ContainsFunc(stmts, func(s ast.Stmt) bool {
		switch s := s.(type) {
		case *ast.LabelStmt:
			return false
		case *ast.DoBlockStmt:
			return !empty(s.Stmts)
		}
		return true
	})
}

// chooses says whether and, or or, of which the first value is known, is in one of the
// expressions: what is before it may become nothing by itself.
func chooses(list ...ast.Expr) bool {
	found := false
	walk(list, func(n any) bool {
		switch n := n.(type) {
		case *ast.FunctionExpr:
			return false
		case *ast.LogicalOpExpr:
			found = found || known(n.Lhs)
		}
		return !found
	})
	return found
}

// known says whether a condition is constant, or its opposite is.
func known(e ast.Expr) bool {
	for {
		not, ok := e.(*ast.UnaryNotOpExpr)
		if !ok {
			return constant(e)
		}
		e = not.Expr
	}
}
