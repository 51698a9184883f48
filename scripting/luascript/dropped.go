package luascript

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// fate is what a function makes of what a call gives.
type fate byte

// What there is.
const (
	kept     fate = iota // it goes on to something, or that is not known
	dropped              // to nothing
	returned             // the function returns it, or a nil in its place
)

// callAt is a call by its line and the last name of what is called: the interpreter
// knows no columns.
type callAt struct {
	line int
	name string
}

// Drops says whether what the running host function gives goes nowhere: its call is a
// statement, and so is that of the function that returns nil behind it; or the hook
// itself returns it.
func (r *run) Drops(host string) bool {
	name := ""
	for level := range maxFrames {
		dbg, ok := r.l.GetStack(level)
		if !ok {
			return false
		}
		value, err := r.l.GetInfo("flnS", dbg, lua.LNil)
		fn, ok := value.(*lua.LFunction)
		switch {
		case err != nil || !ok:
			return false
		case fn == guard && r.cur.by == nil:
			_, more := r.l.GetStack(level + 1)
			return !more // the hook returns it, not a function that is called for an element
		case fn.IsG && level > 0:
			return false
		case fn.IsG:
			name = host
			continue
		}
		f := r.script.shown(dbg.Source)
		if f == nil {
			return false
		}
		switch f.fates[callAt{dbg.CurrentLine, name}] {
		case kept:
			return false
		case dropped:
			return true
		}
		name = lastName(r.script.nameOf(fn))
	}
	return false
}

func lastName(name string) string { return name[strings.LastIndexAny(name, ".:")+1:] }

// follow notes the fates of calls; of those on a line that have one name and are not
// all alike, none.
func (f *file) follow(tree []ast.Stmt) {
	f.fates = map[callAt]fate{}
	known, calls := map[callAt]int{}, map[callAt]int{}
	note := func(e ast.Expr, to fate) { f.noteFate(e, to, known) }
	fatesOf(tree, dropped, note)
	walk(tree, func(n any) bool {
		switch n := n.(type) {
		case *ast.FunctionExpr:
			fatesOf(n.Stmts, returned, note)
		case *ast.FuncCallExpr:
			calls[callOf(n)]++
		}
		return true
	})
	for at, n := range calls {
		if n != known[at] {
			delete(f.fates, at)
		}
	}
}

func callOf(e *ast.FuncCallExpr) callAt {
	if e.Func == nil {
		return callAt{e.Line(), e.Method}
	}
	return callAt{e.Line(), lastName(exprText(e.Func))}
}

// noteFate notes the fates of the calls whose result an expression can be.
func (f *file) noteFate(e ast.Expr, to fate, known map[callAt]int) {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		at := callOf(e)
		if known[at]++; known[at] > 1 && f.fates[at] != to {
			to = kept
		}
		f.fates[at] = to
	case *ast.LogicalOpExpr:
		f.noteFate(e.Rhs, to, known)
	}
}

// fatesOf notes the fates of calls in statements, behind which a nil has one.
func fatesOf(stmts []ast.Stmt, end fate, note func(ast.Expr, fate)) {
	for i, s := range stmts {
		after := behind(stmts[i+1:], end)
		switch s := s.(type) {
		case *ast.FuncCallStmt:
			note(s.Expr, after)
		case *ast.ReturnStmt:
			if len(s.Exprs) == 1 {
				note(s.Exprs[0], returned)
			}
		case *ast.IfStmt:
			fatesOf(s.Then, after, note)
			fatesOf(s.Else, after, note)
		case *ast.DoBlockStmt:
			fatesOf(s.Stmts, after, note)
		case *ast.GenericForStmt:
			fatesOf(s.Stmts, dropped, note)
		case *ast.NumberForStmt:
			fatesOf(s.Stmts, dropped, note)
		case *ast.WhileStmt:
			fatesOf(s.Stmts, dropped, note)
		case *ast.RepeatStmt:
			fatesOf(s.Stmts, dropped, note)
		}
	}
}

// behind is whether a function returns nil by statements that follow, or, if they do
// not return, behind them.
func behind(stmts []ast.Stmt, end fate) fate {
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.ReturnStmt:
			if len(s.Exprs) == 0 {
				return returned
			}
			if _, ok := s.Exprs[0].(*ast.NilExpr); ok && len(s.Exprs) == 1 {
				return returned
			}
			return dropped
		case *ast.BreakStmt, *ast.GotoStmt:
			return dropped
		}
	}
	return end
}
