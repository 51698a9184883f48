package starscript

import (
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// lostRows tells of rows and items that are lost, or kept, without that anything fails.
func (c *linter) lostRows() {
	if c.isTest { // they may look for None
		return
	}
	statements := map[syntax.Expr]bool{} // whose values are dropped
	c.keptRejects(c.tree.Stmts)
	c.upsertKeys()
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ExprStmt:
			statements[unwrapped(n.X)] = true
		case *syntax.AssignStmt:
			if n.Op != syntax.EQ {
				c.textNumber(n.Op-syntax.PLUS_EQ+syntax.PLUS, n.OpPos, n.LHS, n.RHS)
			}
			if id, ok := n.LHS.(*syntax.Ident); !ok || id.Name != "_" {
				c.wanted(n.RHS)
			}
		case *syntax.ListExpr:
			c.wanted(n.List...)
		case *syntax.DictEntry:
			c.wanted(n.Key, n.Value)
		case *syntax.Comprehension:
			if !statements[n] {
				c.wanted(n.Body)
			}
			c.oneKey(n.Body)
		case *syntax.CallExpr:
			c.wantedArgs(n)
		case *syntax.IndexExpr:
			c.wanted(n.X, n.Y)
		case *syntax.DotExpr:
			c.wanted(n.X)
		case *syntax.ForClause:
			c.wanted(n.X)
		case *syntax.ForStmt:
			c.wanted(n.X)
			c.keptRejects(n.Body)
			c.emitsInLoop(n)
		case *syntax.DefStmt:
			c.keptRejects(n.Body)
			c.movedFiles(n.Body)
		case *syntax.BinaryExpr:
			c.textNumber(n.Op, n.OpPos, n.X, n.Y)
		}
		return true
	})
}

// movedFiles tells of files that a function moves away while what it has written of them
// waits for the commit.
func (c *linter) movedFiles(stmts []syntax.Stmt) {
	var files hostlib.MovedFiles
	for _, s := range stmts {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr: // it may run later
				return false
			case *syntax.CallExpr:
				var args []string
				for _, a := range n.Args {
					args = append(args, pathOf(a))
				}
				start, _ := n.Span()
				files.Call(&c.report, c.callee(n.Fn), pathOf(n.Fn), args, spot(start))
			}
			return true
		})
	}
}

// pathOf is how a path is written, or "" where that does not tell it from others.
func pathOf(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.Ident:
		return e.Name
	case *syntax.Literal:
		return e.Raw
	case *syntax.DotExpr:
		if of := pathOf(e.X); of != "" {
			return of + "." + e.Name.Name
		}
	case *syntax.IndexExpr:
		if of, key := pathOf(e.X), pathOf(e.Y); of != "" && key != "" {
			return of + "[" + key + "]"
		}
	}
	return ""
}

// wanted tells of expressions that are calls of functions of the file that return
// nothing.
func (c *linter) wanted(list ...syntax.Expr) {
	for _, e := range list {
		if call, ok := unwrapped(e).(*syntax.CallExpr); ok {
			c.nothing(call.Fn)
		}
	}
}

// wantedArgs is wanted for the arguments of a call, and what it does with functions.
func (c *linter) wantedArgs(e *syntax.CallExpr) {
	for _, arg := range e.Args {
		switch x := arg.(type) {
		case *syntax.BinaryExpr:
			if x.Op == syntax.EQ {
				arg = x.Y
			}
		case *syntax.UnaryExpr:
			arg = x.X
		}
		c.wanted(arg)
	}
	if len(e.Args) > 0 && hostlib.Mapping(c.callee(e.Fn)) {
		c.nothing(e.Args[0])
	}
}

// nothing tells of a function that returns nothing.
func (c *linter) nothing(fn syntax.Expr) {
	id, ok := fn.(*syntax.Ident)
	if !ok {
		return
	}
	n := c.nameOf(id)
	if n == nil || n.def == nil || len(n.writes) != 1 {
		return
	}
	for _, s := range n.def.Body {
		returns := false
		syntax.Walk(s, func(x syntax.Node) bool {
			switch x := x.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr:
				return false
			case *syntax.ReturnStmt:
				returns = returns || x.Result != nil
			}
			return true
		})
		if returns || c.leaves(s) { // or it fails in the end, and nobody goes on with its value
			return
		}
	}
	c.report.Nothing(spot(id.NamePos), id.Name)
}

// leaves says that what follows a statement does not run behind it.
func (c *linter) leaves(s syntax.Stmt) bool {
	switch s := s.(type) {
	case *syntax.ReturnStmt:
		return true
	case *syntax.BranchStmt:
		return s.Token != syntax.PASS
	case *syntax.ExprStmt:
		return c.endsWith(s)
	case *syntax.IfStmt:
		return slices.ContainsFunc(s.True, c.leaves) && slices.ContainsFunc(s.False, c.leaves)
	}
	return false
}

// keptRejects tells of rows that statements, or branches of theirs, reject and then
// return or append.
func (c *linter) keptRejects(stmts []syntax.Stmt) {
	for i, s := range stmts {
		for _, at := range c.rejecting(s) {
			id := at.Args[0].(*syntax.Ident)
			on := c.goesOn(stmts[i+1:], c.nameOf(id))
			_, returns := on.(*syntax.ReturnStmt)
			if _, always := s.(*syntax.ExprStmt); on != nil && (returns || !always) { // what follows may be for rejected rows alone
				start, _ := at.Span()
				line, _ := on.Span()
				c.report.KeptReject(spot(start), id.Name, int(line.Line))
			}
		}
	}
}

// rejecting are the calls of reject with a variable in a statement, and in those of its
// branches that do nothing else that what follows could look at.
func (c *linter) rejecting(s syntax.Stmt) (list []*syntax.CallExpr) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		call, ok := s.X.(*syntax.CallExpr)
		if f := hostlib.GlobalNamed("reject"); !ok || f == nil || c.callee(call.Fn) != f || len(call.Args) == 0 {
			return nil
		}
		if id, ok := call.Args[0].(*syntax.Ident); ok && c.nameOf(id) != nil {
			return []*syntax.CallExpr{call}
		}
	case *syntax.IfStmt:
		for _, branch := range [][]syntax.Stmt{s.True, s.False} {
			if slices.ContainsFunc(branch, c.leaves) || slices.ContainsFunc(branch, setsSomething) {
				continue
			}
			for _, inner := range branch {
				list = append(list, c.rejecting(inner)...)
			}
		}
	}
	return list
}

// setsSomething says that a statement may set what another one looks at.
func setsSomething(s syntax.Stmt) (sets bool) {
	syntax.Walk(s, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt, *syntax.DefStmt, *syntax.ForStmt:
			sets = true
		case *syntax.CallExpr:
			if d, ok := n.Fn.(*syntax.DotExpr); ok && slices.Contains([]string{"append", "add", "update", "pop", "clear", "extend", "setdefault", "insert"}, d.Name.Name) {
				sets = true
			}
		}
		return !sets
	})
	return sets
}

// goesOn is where statements, of which all run, return, append or write a variable; nil:
// that is not so, or not sure.
func (c *linter) goesOn(stmts []syntax.Stmt, row *name) syntax.Node {
	has := func(e syntax.Expr) (found bool) {
		syntax.Walk(e, func(n syntax.Node) bool {
			id, ok := n.(*syntax.Ident)
			found = found || ok && c.nameOf(id) == row
			return !found
		})
		return found
	}
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.ReturnStmt:
			if s.Result != nil && has(s.Result) {
				return s
			}
			return nil
		case *syntax.ExprStmt:
			call, ok := s.X.(*syntax.CallExpr)
			if !ok {
				continue
			}
			if d, ok := call.Fn.(*syntax.DotExpr); ok && d.Name.Name == "append" && len(call.Args) == 1 && has(call.Args[0]) {
				return s
			}
			if f := c.callee(call.Fn); f != nil && f.Param("rows") != nil && c.among(argument(f, call, "rows"), row) && c.writesOne() {
				return s
			}
			if c.endsWith(s) {
				return nil
			}
		case *syntax.AssignStmt:
		default: // a branch, or a loop, may not come to what follows
			return nil
		}
	}
	return nil
}

// writesOne says that the file writes one table: of several one may be for all rows, or
// for rejected ones.
func (c *linter) writesOne() bool {
	to := map[any]bool{}
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			if f := c.callee(call.Fn); f != nil && f.Param("rows") != nil {
				if table := c.tableOf(f, call); table != "" {
					to[table] = true
				} else {
					to[call] = true
				}
			}
		}
		return true
	})
	return len(to) == 1
}

// among says that an expression is a list with a variable as it is.
func (c *linter) among(e syntax.Expr, row *name) bool {
	list, ok := e.(*syntax.ListExpr)
	return ok && slices.ContainsFunc(list.List, func(e syntax.Expr) bool {
		id, ok := e.(*syntax.Ident)
		return ok && c.nameOf(id) == row
	})
}

// emitsInLoop tells of a loop that emits each of its items with one key.
func (c *linter) emitsInLoop(loop *syntax.ForStmt) {
	for _, s := range loop.Body {
		if mayLeave(s) {
			return
		}
	}
	for _, s := range loop.Body {
		if e, ok := s.(*syntax.ExprStmt); ok {
			c.oneKey(e.X)
		}
	}
}

// mayLeave says that a statement may end the loop that it is in.
func mayLeave(s syntax.Stmt) (leaves bool) {
	syntax.Walk(s, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return false
		case *syntax.ReturnStmt:
			leaves = true
		case *syntax.BranchStmt:
			leaves = leaves || n.Token == syntax.BREAK
		}
		return !leaves
	})
	return leaves
}

// oneKey tells of a call of ctx.emit that is made again and again with one key.
func (c *linter) oneKey(e syntax.Node) {
	call, ok := e.(*syntax.CallExpr)
	if !ok {
		return
	}
	if f := c.callee(call.Fn); f == nil || f.String() != "ctx.emit" {
		return
	}
	var key *syntax.BinaryExpr
	for _, arg := range call.Args[min(1, len(call.Args)):] {
		named, ok := arg.(*syntax.BinaryExpr)
		if !ok || named.Op != syntax.EQ || named.X.(*syntax.Ident).Name == "type" { // each may be of another one
			return
		}
		if named.X.(*syntax.Ident).Name == "key" {
			key = named
		}
	}
	if key == nil {
		return
	}
	if text, ok := c.value(key.Y).(starlark.String); ok {
		start, _ := key.Span()
		c.report.OneKey(spot(start), string(text))
	}
}

// upsertKeys tells of upserts by another key than the one that the file makes the
// table with.
func (c *linter) upsertKeys() {
	if hostlib.MadeUnique(string(c.file.source)) {
		return
	}
	made := hostlib.KeysOf{}
	each := func(name string, do func(f *hostlib.Func, call *syntax.CallExpr, table string, key []string)) {
		syntax.Walk(c.tree, func(n syntax.Node) bool {
			call, ok := n.(*syntax.CallExpr)
			if !ok {
				return true
			}
			if f := c.callee(call.Fn); f != nil && (f.Module == "db" || f.Module == "connection") && f.Name == name {
				if table := c.tableOf(f, call); table != "" {
					do(f, call, table, c.texts(argument(f, call, "key")))
				}
			}
			return true
		})
	}
	each("ensure", func(_ *hostlib.Func, call *syntax.CallExpr, table string, key []string) {
		at, _ := call.Span()
		made.Made(table, key, int(at.Line))
	})
	each("upsert", func(f *hostlib.Func, call *syntax.CallExpr, table string, key []string) {
		if key != nil {
			at, _ := argument(f, call, "key").Span()
			c.report.UpsertKey(f, spot(at), table, key, made)
		}
	})
}

// texts are those of a list; nil if they are not known.
func (c *linter) texts(e syntax.Expr) (list []string) {
	if e == nil {
		return nil
	}
	values, _ := c.plain(c.value(c.literal(e))).([]hostlib.Value)
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil
		}
		list = append(list, s)
	}
	return list
}
