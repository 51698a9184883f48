package luascript

import "github.com/yuin/gopher-lua/ast"

// The interpreter's compiler makes one jump of a jump that leads to another. If the other
// one stands before it, so in a loop that begins with a jump, it takes a wrong place for
// where that leads, and the loop ends too early or never:
//
//	while true do
//	  if false then ... end
//
// So such loops, and labels before jumps, get a statement in between that does nothing.

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

// jumps says whether what statements are compiled to may begin with a jump.
func jumps(stmts []ast.Stmt) bool {
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.LabelStmt:
		case *ast.DoBlockStmt:
			if jumps(s.Stmts) {
				return true
			}
			if len(s.Stmts) > 0 {
				return false
			}
		case *ast.BreakStmt:
			return true
		case *ast.IfStmt:
			return known(s.Condition) || chooses(s.Condition)
		case *ast.WhileStmt:
			return known(s.Condition) || chooses(s.Condition)
		case *ast.RepeatStmt:
			return jumps(s.Stmts) || len(s.Stmts) == 0
		case *ast.NumberForStmt:
			return chooses(s.Init)
		case *ast.FuncCallStmt:
			return chooses(s.Expr)
		case *ast.LocalAssignStmt:
			return chooses(s.Exprs...)
		case *ast.AssignStmt:
			return chooses(s.Rhs...)
		case *ast.ReturnStmt:
			return chooses(s.Exprs...)
		default:
			return false
		}
	}
	return false
}

// chooses says whether what is first of one of the expressions is and, or or, of which
// the first value is known.
func chooses(list ...ast.Expr) bool {
	for _, e := range list {
		switch e := e.(type) {
		case *ast.LogicalOpExpr:
			if known(e) || chooses(e.Lhs) {
				return true
			}
		case *ast.UnaryNotOpExpr:
			if chooses(e.Expr) {
				return true
			}
		case *ast.UnaryMinusOpExpr:
			if chooses(e.Expr) {
				return true
			}
		case *ast.UnaryLenOpExpr:
			if chooses(e.Expr) {
				return true
			}
		case *ast.ArithmeticOpExpr:
			if chooses(e.Lhs) {
				return true
			}
		case *ast.RelationalOpExpr:
			if chooses(e.Lhs) {
				return true
			}
		case *ast.AttrGetExpr:
			if chooses(e.Object) {
				return true
			}
		case *ast.FuncCallExpr:
			if chooses(e.Func, e.Receiver) {
				return true
			}
		}
	}
	return false
}

// known says whether the first value of a condition is known: then the compiler may
// make a jump of it.
func known(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.LogicalOpExpr:
		return known(e.Lhs)
	case *ast.UnaryNotOpExpr:
		return known(e.Expr)
	case *ast.TrueExpr, *ast.FalseExpr, *ast.NilExpr, *ast.NumberExpr, *ast.StringExpr:
		return true
	}
	return false
}
