package luascript

import (
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// The compiler notes for each local variable where its scope ends, but it takes the
// number of the register for that of the variable. So a name stands for another
// variable where a block has ended before, or for none; and one that has just been
// declared has no name yet, as parameters have none at first. Here that is put right,
// for those who read variables by name.

// local is a local variable of a function.
type local struct {
	name string
	reg  int // in which it is
	last int // the last line of its block
}

// scopes are the local variables of one function, in the order of the compiler.
type scopes struct {
	list  []local
	lines lines
}

func (s *scopes) add(reg, last int, names ...string) int {
	for _, name := range names {
		s.list = append(s.list, local{name, reg, last})
		reg++
	}
	return reg
}

// block goes over statements; reg is the first register that is free.
func (s *scopes) block(stmts []ast.Stmt, reg, last int) {
	for _, stmt := range stmts {
		switch n := stmt.(type) {
		case *ast.LocalAssignStmt:
			reg = s.add(reg, last, n.Names...)
		case *ast.DoBlockStmt:
			s.block(n.Stmts, reg, s.lines.of(n.Stmts))
		case *ast.WhileStmt:
			s.block(n.Stmts, reg, s.lines.of(n.Stmts))
		case *ast.RepeatStmt:
			s.block(n.Stmts, reg, max(s.lines.of(n.Stmts), s.lines.of(n.Condition)))
		case *ast.IfStmt:
			s.block(n.Then, reg, s.lines.of(n.Then))
			s.block(n.Else, reg, s.lines.of(n.Else))
		case *ast.NumberForStmt:
			last := s.lines.of(n)
			s.block(n.Stmts, s.add(reg, last, "(for index)", "(for limit)", "(for step)", n.Name), last)
		case *ast.GenericForStmt:
			last := s.lines.of(n)
			inner := s.add(reg, last, "(for generator)", "(for state)", "(for control)")
			s.block(n.Stmts, s.add(inner, last, n.Names...), last)
		}
	}
}

// lines are the last lines of what holds statements: each is looked through once,
// however deep it is within others.
type lines map[any]int

// of is the last line of a part of the tree.
func (m lines) of(part any) (last int) {
	walk(part, func(n any) bool {
		switch n.(type) {
		case *ast.DoBlockStmt, *ast.WhileStmt, *ast.RepeatStmt, *ast.IfStmt, *ast.NumberForStmt, *ast.GenericForStmt, *ast.FunctionExpr:
			if n == part {
				break
			}
			line, ok := m[n]
			if !ok {
				line = m.of(n)
				m[n] = line
			}
			last = max(last, line)
			return false
		}
		if p, ok := n.(ast.PositionHolder); ok {
			last = max(last, p.Line()&lineMask, p.LastLine()&lineMask)
		}
		return true
	})
	return last
}

// mendScopes puts right where the scopes of local variables end, in a file and all its
// functions.
func mendScopes(tree []ast.Stmt, proto *lua.FunctionProto) {
	byLine := map[int][]*scopes{}
	lines := lines{}
	top := &scopes{lines: lines}
	top.block(tree, 0, lineMask)
	walk(tree, func(n any) bool {
		if fn, ok := n.(*ast.FunctionExpr); ok {
			for _, self := range [][]string{nil, {"self"}} { // whether it is a method is not known here
				s := &scopes{lines: lines}
				reg := s.add(0, lineMask, append(self, fn.ParList.Names...)...)
				if fn.ParList.HasVargs {
					reg = s.add(reg, lineMask, "arg")
				}
				s.block(fn.Stmts, reg, lineMask)
				byLine[fn.Line()&lineMask] = append(byLine[fn.Line()&lineMask], s)
			}
		}
		return true
	})
	top.mend(proto)
	var inner func(p *lua.FunctionProto)
	inner = func(p *lua.FunctionProto) {
		for _, info := range p.DbgLocals {
			info.StartPc-- // it counts as the last place where the variable is not yet
		}
		for _, q := range p.FunctionPrototypes {
			for _, s := range byLine[q.LineDefined&lineMask] {
				if s.mend(q) {
					break
				}
			}
			inner(q)
		}
	}
	inner(proto)
}

// mend puts a function right if it has these variables. A scope ends where its
// register is given to another variable, or behind the last line of its block.
func (s *scopes) mend(p *lua.FunctionProto) bool {
	if len(s.list) != len(p.DbgLocals) {
		return false
	}
	for i, v := range s.list {
		if v.name != p.DbgLocals[i].Name {
			return false
		}
	}
	for i, v := range s.list {
		info := p.DbgLocals[i]
		info.EndPc = len(p.Code) + 1
		for j := i + 1; j < len(s.list); j++ {
			if s.list[j].reg <= v.reg {
				info.EndPc = p.DbgLocals[j].StartPc
				break
			}
		}
		for pc := info.StartPc; pc < min(info.EndPc, len(p.DbgSourcePositions)); pc++ {
			if p.DbgSourcePositions[pc] > v.last {
				info.EndPc = pc
				break
			}
		}
	}
	return true
}
