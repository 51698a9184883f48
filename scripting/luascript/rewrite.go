package luascript

import (
	"fmt"
	"math/big"
	"reflect"

	"github.com/yuin/gopher-lua/ast"
)

// The names of what rewritten code uses: no script can write them.
const (
	beginName    = "(begin)"
	leaveName    = "(leave)"
	literalName  = "(literal)"
	comparesName = "(compares)"
)

// maxNesting bounds how deep statements and expressions are nested: the compiler
// goes through them on the stack.
const maxNesting = 1000

// tooDeep refuses a tree that is nested deeper than that. It has a stack of its own.
func tooDeep(tree []ast.Stmt) error {
	type node struct {
		v     reflect.Value
		depth int
	}
	todo := []node{{reflect.ValueOf(tree), 0}}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch n.v.Kind() {
		case reflect.Interface:
			if !n.v.IsNil() {
				todo = append(todo, node{n.v.Elem(), n.depth})
			}
		case reflect.Slice:
			for i := range n.v.Len() {
				todo = append(todo, node{n.v.Index(i), n.depth})
			}
		case reflect.Pointer:
			if n.v.IsNil() || n.v.Elem().Kind() != reflect.Struct {
				continue
			}
			switch x := n.v.Interface().(type) {
			case ast.Stmt, ast.Expr:
				if n.depth++; n.depth > maxNesting {
					return &syntaxError{place: place{max(x.(ast.PositionHolder).Line(), 1), 1}, message: fmt.Sprintf("it is nested more than %d deep", maxNesting)}
				}
			}
			for i := range n.v.Elem().NumField() {
				if f := n.v.Elem().Type().Field(i); f.IsExported() && !f.Anonymous {
					todo = append(todo, node{n.v.Elem().Field(i), n.depth})
				}
			}
		}
	}
	return nil
}

// rewriter changes a file before it is compiled. .. becomes a call, since the
// interpreter's own cannot be bounded; so does a whole number beyond 2^53, and a comparison
// with one; and a loop tells where it begins and ends:
//
//	for k, v in f() do ... end
//
// becomes
//
//	do
//	  local (f), (s), (c) = (begin)(f())
//	  for k, v in (f), (s), (c) do ... end
//	  (leave)((f))
//	end
//
// and a return within it tells, too. Lines stay as they are.
type rewriter struct {
	file  *file
	cover *cover // nil: what runs is not counted
	loops int
	param string // the last one of the function
	gotos leads
	exit  *exit // of the innermost loop
}

// block rewrites statements; it is the variable of the outermost loop of the
// function that they are in, or "".
func (w *rewriter) block(stmts []ast.Stmt, it string) []ast.Stmt {
	if w.cover != nil {
		return w.counted(stmts, it, nil)
	}
	out := make([]ast.Stmt, 0, len(stmts))
	for i, s := range stmts {
		out = append(out, w.stmt(s, it))
		if _, ok := s.(*ast.LabelStmt); ok && jumps(stmts[i+1:]) {
			out = append(out, nothing(s))
		}
	}
	return out
}

func (w *rewriter) stmt(s ast.Stmt, it string) ast.Stmt {
	switch s := s.(type) {
	case *ast.AssignStmt:
		c := *s
		c.Lhs, c.Rhs = w.exprs(s.Lhs), w.exprs(s.Rhs)
		if w.spoils(&c) {
			return w.apart(&c)
		}
		return &c
	case *ast.LocalAssignStmt:
		c := *s
		c.Exprs = w.exprs(s.Exprs)
		return &c
	case *ast.FuncCallStmt:
		c := *s
		c.Expr = w.expr(s.Expr)
		return &c
	case *ast.DoBlockStmt:
		c := *s
		c.Stmts = w.block(s.Stmts, it)
		return &c
	case *ast.WhileStmt:
		return w.looping(func() ast.Stmt {
			c := *s
			c.Condition, c.Stmts = again(s.Condition, w.expr(s.Condition)), w.body(s.Stmts, it)
			return &c
		})
	case *ast.RepeatStmt:
		return w.looping(func() ast.Stmt {
			c := *s
			c.Condition, c.Stmts = again(s.Condition, w.expr(s.Condition)), w.body(s.Stmts, it)
			return &c
		})
	case *ast.IfStmt:
		c := *s
		c.Condition, c.Then, c.Else = w.expr(s.Condition), w.block(s.Then, it), w.block(s.Else, it)
		return &c
	case *ast.NumberForStmt:
		return w.looping(func() ast.Stmt {
			c := *s
			c.Init, c.Limit, c.Stmts = w.expr(s.Init), w.expr(s.Limit), w.block(s.Stmts, it)
			if s.Step != nil {
				c.Step = w.expr(s.Step)
			}
			return &c
		})
	case *ast.GenericForStmt:
		return w.loop(s, it)
	case *ast.GotoStmt:
		return w.jump(s)
	case *ast.BreakStmt:
		return w.leave(s)
	case *ast.FuncDefStmt:
		c := *s
		c.Func = w.function(s.Func)
		return &c
	case *ast.ReturnStmt:
		c := *s
		c.Exprs = w.exprs(s.Exprs)
		if it != "" {
			c.Exprs = []ast.Expr{call(s, leaveName, append([]ast.Expr{ident(s, it)}, c.Exprs...), false)}
		}
		return &c
	}
	return s
}

// loop rewrites a loop over what may be an iterator.
func (w *rewriter) loop(s *ast.GenericForStmt, it string) ast.Stmt {
	c := *s
	c.Exprs = w.exprs(s.Exprs)
	if plain(s.Exprs) {
		return w.looping(func() ast.Stmt {
			c.Stmts = w.body(s.Stmts, it)
			return &c
		})
	}
	w.loops++
	names := make([]string, 3)
	for i, n := range []string{"f", "s", "c"} {
		names[i] = fmt.Sprintf("(%s%d)", n, w.loops)
	}
	outer := it
	if outer == "" {
		outer = names[0]
	}
	begin := &ast.LocalAssignStmt{Names: names, Exprs: []ast.Expr{call(s, beginName, c.Exprs, false)}}
	begin.SetLine(s.Line())
	c.Exprs = []ast.Expr{ident(s, names[0]), ident(s, names[1]), ident(s, names[2])}
	loop := w.looping(func() ast.Stmt {
		c.Stmts = w.body(s.Stmts, outer)
		return &c
	})
	leave := &ast.FuncCallStmt{Expr: call(s, leaveName, []ast.Expr{ident(s, names[0])}, false)}
	leave.SetLine(s.Line())
	block := &ast.DoBlockStmt{Stmts: []ast.Stmt{begin, loop, leave}}
	block.SetLine(s.Line())
	block.SetLastLine(s.LastLine())
	return block
}

// plain says that a loop goes through a table.
func plain(exprs []ast.Expr) bool {
	if len(exprs) != 1 {
		return false
	}
	c, ok := exprs[0].(*ast.FuncCallExpr)
	if !ok || c.Func == nil {
		return false
	}
	id, ok := c.Func.(*ast.IdentExpr)
	return ok && (id.Value == "pairs" || id.Value == "ipairs")
}

func ident(at ast.PositionHolder, name string) *ast.IdentExpr {
	id := &ast.IdentExpr{Value: name}
	id.SetLine(at.Line())
	return id
}

func call(at ast.PositionHolder, name string, args []ast.Expr, one bool) *ast.FuncCallExpr {
	c := &ast.FuncCallExpr{Func: ident(at, name), Args: args, AdjustRet: one}
	c.SetLine(at.Line())
	return c
}

func (w *rewriter) function(f *ast.FunctionExpr) *ast.FunctionExpr {
	if w.cover != nil {
		d, _ := w.called(f, w.cover.spans.begin(f, "function"))
		return d
	}
	defer w.enter(f)()
	c := *f
	c.Stmts = w.block(f.Stmts, "")
	return &c
}

func (w *rewriter) exprs(list []ast.Expr) []ast.Expr {
	if list == nil {
		return nil
	}
	out := make([]ast.Expr, len(list))
	for i, e := range list {
		out[i] = w.expr(e)
	}
	return out
}

func (w *rewriter) expr(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		c := *e
		c.Object, c.Key = w.expr(e.Object), w.expr(e.Key)
		return &c
	case *ast.TableExpr:
		c := *e
		c.Fields = make([]*ast.Field, len(e.Fields))
		for i, f := range e.Fields {
			g := &ast.Field{Value: w.expr(f.Value)}
			if f.Key != nil {
				g.Key = w.expr(f.Key)
			}
			c.Fields[i] = g
		}
		return &c
	case *ast.FuncCallExpr:
		c := *e
		if e.Func != nil {
			c.Func = w.expr(e.Func)
		}
		if e.Receiver != nil {
			c.Receiver = w.expr(e.Receiver)
		}
		c.Args = w.exprs(e.Args)
		return &c
	case *ast.LogicalOpExpr:
		if chosen := w.choice(e); chosen != nil {
			return chosen
		}
		c := *e
		c.Lhs, c.Rhs = w.expr(e.Lhs), w.expr(e.Rhs)
		return &c
	case *ast.RelationalOpExpr:
		c := *e
		c.Lhs, c.Rhs = w.expr(e.Lhs), w.expr(e.Rhs)
		if isLarge(e.Lhs) || isLarge(e.Rhs) {
			return call(e, comparesName, []ast.Expr{single(c.Lhs), text(e, e.Operator), single(c.Rhs)}, true)
		}
		return &c
	case *ast.NumberExpr:
		if isLarge(e) {
			return call(e, literalName, []ast.Expr{text(e, e.Value)}, true)
		}
	case *ast.ArithmeticOpExpr:
		c := *e
		c.Lhs, c.Rhs = w.expr(e.Lhs), w.expr(e.Rhs)
		return &c
	case *ast.UnaryMinusOpExpr:
		c := *e
		c.Expr = w.expr(e.Expr)
		return &c
	case *ast.UnaryNotOpExpr:
		c := *e
		c.Expr = w.expr(e.Expr)
		return &c
	case *ast.UnaryLenOpExpr:
		c := *e
		c.Expr = w.expr(e.Expr)
		return &c
	case *ast.FunctionExpr:
		return w.function(e)
	case *ast.StringConcatOpExpr:
		return w.concat(e)
	}
	return e
}

// isLarge says of an expression that it is a whole number, as it is written, that Lua's
// own numbers do not hold exactly.
func isLarge(e ast.Expr) bool {
	if minus, ok := e.(*ast.UnaryMinusOpExpr); ok {
		e = minus.Expr
	}
	number, ok := e.(*ast.NumberExpr)
	if !ok || len(number.Value) < len("0x20000000000000") {
		return false
	}
	n, ok := whole(number.Value)
	return ok && n.CmpAbs(largest) > 0
}

var largest = big.NewInt(exact)

func text(at ast.PositionHolder, value string) *ast.StringExpr {
	s := &ast.StringExpr{Value: value}
	s.SetLine(at.Line())
	return s
}

// maxOperands is how many operands one call takes.
const maxOperands = 50

// concat makes one call of a chain of .. , which is nested on its right.
func (w *rewriter) concat(e *ast.StringConcatOpExpr) ast.Expr {
	var list []ast.Expr
	var rest ast.Expr = e
	for {
		c, ok := rest.(*ast.StringConcatOpExpr)
		if !ok {
			list = append(list, single(w.expr(rest)))
			break
		}
		list = append(list, single(w.expr(c.Lhs)))
		rest = c.Rhs
	}
	for len(list) > maxOperands {
		n := len(list) - maxOperands
		list = append(list[:n:n], call(e, concatName, list[n:], true))
	}
	return call(e, concatName, list, true)
}

// single has a call as an operand give one value.
func single(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		c := *e
		c.AdjustRet = true
		return &c
	}
	return e
}

// walk visits statements, expressions and all that is in them, until visit
// gives false: then what is in that node is left out.
func walk(n any, visit func(n any) bool) { walkValue(reflect.ValueOf(n), visit) }

func walkValue(v reflect.Value, visit func(n any) bool) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			walkValue(v.Elem(), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkValue(v.Index(i), visit)
		}
	case reflect.Pointer:
		if v.IsNil() || v.Elem().Kind() != reflect.Struct || !visit(v.Interface()) {
			return
		}
		s := v.Elem()
		for i := range s.NumField() {
			if s.Type().Field(i).IsExported() && !s.Type().Field(i).Anonymous {
				walkValue(s.Field(i), visit)
			}
		}
	}
}
