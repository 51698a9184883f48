package starscript

import "go.starlark.net/syntax"

// fate is what a function makes of what a call gives.
type fate byte

// What there is.
const (
	kept     fate = iota // it goes on to something, or that is not known
	dropped              // to nothing
	returned             // the function returns it, or a None in its place
)

// Drops says whether what the running host function gives goes nowhere: its call is a
// statement, and so is that of the function that returns None behind it; or the hook
// itself returns it.
func (r *run) Drops(string) bool {
	for depth := 1; depth < r.thread.CallStackDepth(); depth++ {
		pos := r.thread.CallFrame(depth).Pos
		f := r.script.file(pos.Filename())
		if f == nil {
			return false
		}
		switch f.fate(pos) {
		case kept:
			return false
		case dropped:
			return true
		}
	}
	return r.thread.CallStackDepth() > 1 // the hook returns it
}

// fate is that of what the call gives whose parenthesis is at a place.
func (f *file) fate(pos syntax.Position) fate {
	tree, _ := f.tree(f.shown)
	f.follow.Do(func() {
		f.fates = map[[2]int32]fate{}
		if tree == nil {
			return
		}
		f.fatesOf(tree.Stmts, dropped)
		syntax.Walk(tree, func(n syntax.Node) bool {
			if fn, ok := n.(*syntax.LambdaExpr); ok {
				f.fatesIn(fn.Body, returned)
			}
			return true
		})
	})
	return f.fates[[2]int32{pos.Line, pos.Col}]
}

// fatesOf notes the fates of calls in statements, behind which a None has one.
func (f *file) fatesOf(stmts []syntax.Stmt, end fate) {
	for i, s := range stmts {
		after := behind(stmts[i+1:], end)
		switch s := s.(type) {
		case *syntax.ExprStmt:
			f.fatesIn(s.X, after)
		case *syntax.ReturnStmt:
			if s.Result != nil {
				f.fatesIn(s.Result, returned)
			}
		case *syntax.IfStmt:
			f.fatesOf(s.True, after)
			f.fatesOf(s.False, after)
		case *syntax.ForStmt:
			f.fatesOf(s.Body, dropped)
		case *syntax.WhileStmt:
			f.fatesOf(s.Body, dropped)
		case *syntax.DefStmt:
			f.fatesOf(s.Body, returned)
		}
	}
}

// behind is whether a function returns None by statements that follow, or, if they do
// not return, behind them.
func behind(stmts []syntax.Stmt, end fate) fate {
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.ReturnStmt:
			if id, ok := s.Result.(*syntax.Ident); s.Result == nil || ok && id.Name == "None" {
				return returned
			}
			return dropped
		case *syntax.BranchStmt:
			if s.Token != syntax.PASS {
				return dropped
			}
		}
	}
	return end
}

// fatesIn notes the fates of the calls whose result an expression can be.
func (f *file) fatesIn(e syntax.Expr, to fate) {
	switch e := e.(type) {
	case *syntax.CallExpr:
		f.fates[[2]int32{e.Lparen.Line, e.Lparen.Col}] = to
	case *syntax.ParenExpr:
		f.fatesIn(e.X, to)
	case *syntax.CondExpr:
		f.fatesIn(e.True, to)
		f.fatesIn(e.False, to)
	case *syntax.BinaryExpr:
		if e.Op == syntax.AND || e.Op == syntax.OR {
			f.fatesIn(e.Y, to)
		}
	case *syntax.Comprehension:
		if to == dropped {
			f.fatesIn(e.Body, dropped)
		}
	}
}
