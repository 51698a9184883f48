package luascript

import (
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// The interpreter's compiler has a goto cut off all variables of the function from the
// functions that share them, also those that live on:
//
//	local n = 0
//	local function add() n = n + 1 end
//	for i = 1, 3 do
//	  if i == 1 then goto continue end    -- from here on, add has an n of its own
//
// So it is noted for each goto how many variables there are where it leads, in its line,
// and once it is compiled, that many are left alone.
const (
	lineBits = 22
	lineMask = 1<<lineBits - 1
)

// scope is a block, with how many variables there are at each of its labels.
type scope struct {
	labels map[string]int
	outer  *scope
}

// gotos finds how many variables there are where each goto of a file leads.
func gotos(tree []ast.Stmt) map[*ast.GotoStmt]int {
	found := map[*ast.GotoStmt]int{}
	inBlock(tree, nil, 0, found)
	methods := map[*ast.FunctionExpr]bool{}
	walk(tree, func(n any) bool {
		switch n := n.(type) {
		case *ast.FuncDefStmt:
			methods[n.Func] = n.Name.Func == nil
		case *ast.FunctionExpr:
			there := len(n.ParList.Names)
			if methods[n] { // self
				there++
			}
			if n.ParList.HasVargs { // arg
				there++
			}
			inBlock(n.Stmts, nil, there, found)
		}
		return true
	})
	return found
}

// inBlock goes through a block, before which there are some variables. Functions in it
// are left out.
func inBlock(stmts []ast.Stmt, outer *scope, there int, found map[*ast.GotoStmt]int) {
	s := &scope{labels: map[string]int{}, outer: outer}
	n := there
	for _, stmt := range stmts {
		switch stmt := stmt.(type) {
		case *ast.LocalAssignStmt:
			n += len(stmt.Names)
		case *ast.LabelStmt:
			s.labels[stmt.Name] = n
		}
	}
	for _, stmt := range stmts {
		switch stmt := stmt.(type) {
		case *ast.LocalAssignStmt:
			there += len(stmt.Names)
		case *ast.GotoStmt:
			for in := s; in != nil; in = in.outer {
				if n, ok := in.labels[stmt.Label]; ok {
					found[stmt] = n
					break
				}
			}
		case *ast.DoBlockStmt:
			inBlock(stmt.Stmts, s, there, found)
		case *ast.WhileStmt:
			inBlock(stmt.Stmts, s, there, found)
		case *ast.RepeatStmt:
			inBlock(stmt.Stmts, s, there, found)
		case *ast.IfStmt:
			inBlock(stmt.Then, s, there, found)
			inBlock(stmt.Else, s, there, found)
		case *ast.NumberForStmt:
			inBlock(stmt.Stmts, s, there+4, found)
		case *ast.GenericForStmt:
			own := 3 + len(stmt.Names)
			if !plain(stmt.Exprs) { // see rewriter
				own += 3
			}
			inBlock(stmt.Stmts, s, there+own, found)
		}
	}
}

// jump notes in a goto how many variables there are where it leads.
func (w *rewriter) jump(s *ast.GotoStmt) ast.Stmt {
	n, ok := w.gotos[s]
	if !ok || n > 0xff || s.Line() > lineMask {
		return s
	}
	c := *s
	c.SetLine(s.Line() | (n+1)<<lineBits)
	return &c
}

// leaveAlone has the gotos of a function leave alone what lives on.
func leaveAlone(p *lua.FunctionProto) {
	for pc, line := range p.DbgSourcePositions {
		if line <= lineMask {
			continue
		}
		p.DbgSourcePositions[pc] = line & lineMask
		if int(p.Code[pc]>>26) == lua.OP_CLOSE {
			p.Code[pc] = p.Code[pc]&^(0xff<<18) | uint32(line>>lineBits-1)<<18
		}
	}
	for _, inner := range p.FunctionPrototypes {
		leaveAlone(inner)
	}
}
