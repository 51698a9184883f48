package luascript

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

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
// A break, on the other hand, does not cut off those of blocks between it and its loop,
// whose places are taken by others then: such a break becomes a goto behind the loop.
//
// So it is noted for each goto how many variables there are where it leads, in its line,
// and once it is compiled, that many are left alone.
const (
	lineBits = 22
	lineMask = 1<<lineBits - 1
)

// scope is a block, with how many variables there are at each of its labels, and at the
// statement that is looked at. A goto cuts off those that are at neither: what is declared
// between it and a label behind it, it skips.
type scope struct {
	labels map[string]int
	now    int
	outer  *scope
}

// leads says how many variables there are where the gotos of a file lead, and those
// breaks that are to become one.
type leads map[ast.Stmt]int

func gotos(tree []ast.Stmt) leads {
	found := leads{}
	found.block(tree, nil, 0, noLoop)
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
			found.block(n.Stmts, nil, there, noLoop)
		}
		return true
	})
	return found
}

// noLoop stands for no loop that a break is to leave by a goto.
const noLoop = -1

// block goes through a block, before which there are some variables. Functions in it
// are left out. exit is how many there are behind the loop around it.
func (found leads) block(stmts []ast.Stmt, outer *scope, there, exit int) {
	s := &scope{labels: map[string]int{}, now: there, outer: outer}
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
			s.now = there
		case *ast.GotoStmt:
			for in := s; in != nil; in = in.outer {
				if n, ok := in.labels[stmt.Label]; ok {
					found[stmt] = min(n, in.now)
					break
				}
			}
		case *ast.BreakStmt:
			if exit != noLoop {
				found[stmt] = exit
			}
		case *ast.DoBlockStmt:
			found.block(stmt.Stmts, s, there, exit)
		case *ast.IfStmt:
			found.block(stmt.Then, s, there, exit)
			found.block(stmt.Else, s, there, exit)
		case *ast.WhileStmt:
			found.body(stmt.Stmts, s, there, there)
		case *ast.RepeatStmt:
			found.body(stmt.Stmts, s, there, there)
		case *ast.NumberForStmt:
			found.body(stmt.Stmts, s, there+4, there)
		case *ast.GenericForStmt:
			if !plain(stmt.Exprs) { // see rewriter
				there += 3
			}
			found.body(stmt.Stmts, s, there+3+len(stmt.Names), there)
			if !plain(stmt.Exprs) {
				there -= 3
			}
		}
	}
}

// body goes through the body of a loop. A break in the body itself does what it must,
// and so does one where there are no functions.
func (found leads) body(stmts []ast.Stmt, outer *scope, there, exit int) {
	functions := false
	walk(stmts, func(n any) bool {
		_, is := n.(*ast.FunctionExpr)
		functions = functions || is
		return !functions
	})
	if !functions {
		exit = noLoop
	}
	found.block(stmts, outer, there, exit)
	for _, s := range stmts {
		if _, ok := s.(*ast.BreakStmt); ok {
			delete(found, s)
		}
	}
}

// exit is a label behind a loop.
type exit struct {
	name string
	used bool
}

// looping rewrites a loop that breaks may leave by a goto.
func (w *rewriter) looping(loop func() ast.Stmt) ast.Stmt {
	outer := w.exit
	w.loops++
	mine := &exit{name: fmt.Sprintf("(break%d)", w.loops)}
	w.exit = mine
	s := loop()
	if w.exit = outer; !mine.used {
		return s
	}
	block := &ast.DoBlockStmt{Stmts: []ast.Stmt{s, mine.label(s)}}
	block.SetLine(s.Line())
	block.SetLastLine(s.LastLine())
	return block
}

func (e *exit) label(at ast.Stmt) ast.Stmt {
	l := &ast.LabelStmt{Name: e.name}
	l.SetLine(at.Line())
	return l
}

// leave rewrites a break.
func (w *rewriter) leave(s *ast.BreakStmt) ast.Stmt {
	n, ok := w.gotos[s]
	if !ok || w.exit == nil {
		return s
	}
	w.exit.used = true
	g := &ast.GotoStmt{Label: w.exit.name}
	g.SetLine(s.Line())
	return noted(g, n)
}

// jump notes in a goto how many variables there are where it leads.
func (w *rewriter) jump(s *ast.GotoStmt) ast.Stmt {
	n, ok := w.gotos[s]
	if !ok {
		return s
	}
	return noted(s, n)
}

func noted(s *ast.GotoStmt, n int) ast.Stmt {
	if n > 0xff || s.Line() > lineMask {
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

var atLine = regexp.MustCompile(`at line (\d+)`)

// withoutNotes is what the compiler says, of which some is about the lines of gotos.
func withoutNotes(message string) string {
	return atLine.ReplaceAllStringFunc(message, func(at string) string {
		n, _ := strconv.Atoi(strings.TrimPrefix(at, "at line "))
		return fmt.Sprintf("at line %d", n&lineMask)
	})
}
