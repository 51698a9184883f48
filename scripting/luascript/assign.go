package luascript

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// The interpreter's compiler makes some assignments to variables that are there wrong. It
// puts values where they go before others are made of what was there:
//
//	a, b = b and 1, a    -- b is the new a
//	t[i], i = 1, 2       -- t[2] is set
//
// takes one place for another, if an element is set behind what is no variable of the
// function itself,
//
//	global, t.n = 1, v   -- global is "n"
//
// does not set a variable where and, or or, ends at what is not one itself,
//
//	a = f() and 1        -- a stays as it was, if f gives nil
//
// and puts a function that it is about to call where its result goes, if that is the last
// parameter of the function that it is in:
//
//	function f(a, b)
//	  b, a = g(b), 1     -- g is called with g
//	  b = (g())
//
// So what is assigned in such ways goes by other variables.

// enter begins a function.
func (w *rewriter) enter(f *ast.FunctionExpr) (leave func()) {
	outer, loop := w.param, w.exit
	w.exit = nil
	w.param = "self" // of a method, which no list names
	if n := len(f.ParList.Names); n > 0 {
		w.param = f.ParList.Names[n-1]
	}
	return func() { w.param, w.exit = outer, loop }
}

// spoils says whether an assignment, which was rewritten, may be compiled wrongly.
func (w *rewriter) spoils(s *ast.AssignStmt) bool {
	if len(s.Lhs) > 1 || len(s.Rhs) > 1 {
		return true
	}
	id, ok := s.Lhs[0].(*ast.IdentExpr)
	if !ok {
		return false
	}
	switch e := s.Rhs[0].(type) {
	case *ast.LogicalOpExpr:
		return true
	case *ast.FuncCallExpr:
		return e.AdjustRet && id.Value == w.param
	}
	return false
}

// apart makes variables of what is assigned, and of where elements go, in the order in
// which they are written, and assigns those one by one, the last one first.
func (w *rewriter) apart(s *ast.AssignStmt) ast.Stmt {
	block := &ast.DoBlockStmt{}
	block.SetLine(s.Line())
	block.SetLastLine(s.Line())
	names := 0
	local := func(n int, values ...ast.Expr) (list []ast.Expr) {
		l := &ast.LocalAssignStmt{Exprs: values}
		l.SetLine(s.Line())
		for range n {
			name := fmt.Sprintf("(v%d)", names)
			names++
			l.Names = append(l.Names, name)
			list = append(list, ident(s, name))
		}
		block.Stmts = append(block.Stmts, l)
		return list
	}
	to := make([]ast.Expr, len(s.Lhs))
	for i, target := range s.Lhs {
		if e, ok := target.(*ast.AttrGetExpr); ok {
			c := *e
			c.Object = local(1, e.Object)[0]
			if !constant(e.Key) {
				c.Key = local(1, e.Key)[0]
			}
			target = &c
		}
		to[i] = target
	}
	values := local(len(s.Lhs), s.Rhs...)
	for i := len(to) - 1; i >= 0; i-- {
		one := &ast.AssignStmt{Lhs: to[i : i+1], Rhs: values[i : i+1]}
		one.SetLine(s.Line())
		block.Stmts = append(block.Stmts, one)
	}
	return block
}

// constant says that an expression is the same whatever happens.
func constant(e ast.Expr) bool {
	switch e.(type) {
	case *ast.StringExpr, *ast.NumberExpr, *ast.TrueExpr, *ast.FalseExpr, *ast.NilExpr:
		return true
	}
	return false
}
