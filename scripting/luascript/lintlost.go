package luascript

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// lostRows tells of rows and items that are lost, or kept, without that anything fails.
func (c *linter) lostRows() {
	c.counted()
	if c.isTest { // they may look for nil
		return
	}
	c.keptRejects(c.tree.Body)
	c.upsertKeys()
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Local:
			c.wantedFor(n.Values, func(i int) bool { return i < len(n.Names) && !strings.HasPrefix(n.Names[i].Name, "_") })
		case *luasyntax.Assign:
			c.wantedFor(n.Right, func(i int) bool {
				name, ok := n.Left[min(i, len(n.Left)-1)].(*luasyntax.Name)
				return i < len(n.Left) && !(ok && strings.HasPrefix(name.Name, "_"))
			})
		case *luasyntax.Field:
			c.wanted(n.Value)
		case *luasyntax.Call:
			c.wanted(n.Args...)
			if len(n.Args) > 0 && hostlib.Mapping(c.callee(n)) {
				c.nothing(n.Args[0])
			}
		case *luasyntax.Index:
			c.wanted(n.X)
		case *luasyntax.For:
			c.wanted(n.Values...)
			c.loopBody(n.Body)
		case *luasyntax.NumberFor:
			c.loopBody(n.Body)
		case *luasyntax.While:
			c.loopBody(n.Body)
		case *luasyntax.Repeat:
			c.loopBody(n.Body)
		case *luasyntax.Func:
			c.keptRejects(n.Body)
			c.movedFiles(n.Body)
		case *luasyntax.Binary:
			c.textNumber(n)
		}
		return true
	})
}

// movedFiles tells of files that a function moves away while what it has written of them
// waits for the commit.
func (c *linter) movedFiles(stmts []luasyntax.Stmt) {
	var files hostlib.MovedFiles
	luasyntax.Walk(stmts, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Func: // it may run later
			return false
		case *luasyntax.Call:
			var args []string
			for _, a := range n.Args {
				args = append(args, pathOf(a))
			}
			files.Call(&c.report, c.callee(n), pathOf(n.Fn), args, spot(n.Start()))
		}
		return true
	})
}

// pathOf is how a path is written, or "" where that does not tell it from others.
func pathOf(e luasyntax.Expr) string {
	switch e := e.(type) {
	case *luasyntax.Name:
		return e.Name
	case *luasyntax.Literal:
		return strconv.Quote(e.Value)
	case *luasyntax.Index:
		of, key := pathOf(e.X), pathOf(e.Key)
		if name, ok := e.Key.(*luasyntax.Literal); ok {
			key = name.Value
		}
		if of != "" && key != "" {
			return of + "." + key
		}
	}
	return ""
}

// counted tells of loops over ipairs with one variable, which is used as the element.
func (c *linter) counted() {
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		loop, ok := n.(*luasyntax.For)
		if !ok || len(loop.Names) != 1 || len(loop.Values) != 1 || len(loop.Names[0].Binding.Writes) != 1 {
			return true
		}
		call, ok := loop.Values[0].(*luasyntax.Call)
		if !ok || call.Method != nil {
			return true
		}
		if fn, ok := call.Fn.(*luasyntax.Name); !ok || fn.Name != "ipairs" || !isGlobal(fn) {
			return true
		}
		told := false
		luasyntax.Walk(loop.Body, func(n luasyntax.Node) bool {
			if x, ok := n.(*luasyntax.Index); ok && !told {
				if of, ok := x.X.(*luasyntax.Name); ok && of.Binding == loop.Names[0].Binding {
					c.report.Counted(spot(of.Pos), of.Name)
					told = true
				}
			}
			return !told
		})
		return true
	})
}

// loopBody looks at the body of a loop.
func (c *linter) loopBody(stmts []luasyntax.Stmt) {
	c.keptRejects(stmts)
	if slices.ContainsFunc(stmts, mayLeave) {
		return
	}
	for _, s := range stmts {
		if s, ok := s.(*luasyntax.CallStmt); ok {
			c.oneKey(s.Call)
		}
	}
}

// mayLeave says that a statement may end the loop that it is in.
func mayLeave(s luasyntax.Stmt) (leaves bool) {
	luasyntax.Walk(s, func(n luasyntax.Node) bool {
		switch n.(type) {
		case *luasyntax.Func:
			return false
		case *luasyntax.Return, *luasyntax.Break, *luasyntax.Goto:
			leaves = true
		}
		return !leaves
	})
	return leaves
}

// oneKey tells of a call of ctx.emit that is made again and again with one key.
func (c *linter) oneKey(call *luasyntax.Call) {
	f := c.callee(call)
	if f == nil || f.String() != "ctx.emit" {
		return
	}
	a := c.arguments(f, call)
	if a.more || a.exprs["key"] == nil || a.exprs["type"] != nil || len(a.args) != 1 { // each may be of another type
		return
	}
	if key, ok := c.value(a.exprs["key"]).(lua.LString); ok {
		c.report.OneKey(spot(a.exprs["key"].Start()), string(key))
	}
}

// wantedFor is wanted for those values that are used.
func (c *linter) wantedFor(list []luasyntax.Expr, used func(i int) bool) {
	for i, e := range list {
		if used(i) {
			c.wanted(e)
		}
	}
}

// wanted tells of expressions that are calls of functions of the file that return
// nothing.
func (c *linter) wanted(list ...luasyntax.Expr) {
	for _, e := range list {
		if p, ok := e.(*luasyntax.Paren); ok {
			e = p.X
		}
		if call, ok := e.(*luasyntax.Call); ok && call.Method == nil {
			c.nothing(call.Fn)
		}
	}
}

// nothing tells of a function that returns nothing.
func (c *linter) nothing(fn luasyntax.Expr) {
	name, ok := fn.(*luasyntax.Name)
	b := c.single(fn)
	if !ok || b == nil {
		return
	}
	def, ok := b.Value.(*luasyntax.Func)
	if !ok || c.ends(def.Body) { // it fails in the end, say, and nobody goes on with its value
		return
	}
	returns := false
	luasyntax.Walk(def.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Func:
			return false
		case *luasyntax.Return:
			returns = returns || len(n.Values) > 0
		}
		return !returns
	})
	if !returns {
		c.report.Nothing(spot(name.Pos), name.Name)
	}
}

// leaves says that what follows a statement does not run behind it.
func (c *linter) leaves(s luasyntax.Stmt) bool {
	switch s := s.(type) {
	case *luasyntax.Break, *luasyntax.Goto:
		return true
	case *luasyntax.If:
		return s.HasElse && slices.ContainsFunc(s.Then, c.leaves) && slices.ContainsFunc(s.Else, c.leaves)
	case *luasyntax.Return, *luasyntax.Do, *luasyntax.CallStmt:
		return c.ends([]luasyntax.Stmt{s})
	}
	return false
}

// keptRejects tells of rows that statements, or branches of theirs, reject and then
// return or put into a list.
func (c *linter) keptRejects(stmts []luasyntax.Stmt) {
	for i, s := range stmts {
		for _, call := range c.rejecting(s) {
			row := call.Args[0].(*luasyntax.Name)
			on := c.goesOn(stmts[i+1:], row.Binding)
			_, returns := on.(*luasyntax.Return)
			if _, always := s.(*luasyntax.CallStmt); on != nil && (returns || !always) { // what follows may be for rejected rows alone
				c.report.KeptReject(spot(call.Start()), row.Name, on.Start().Line)
			}
		}
	}
}

// rejecting are the calls of reject with a variable in a statement, and in those of its
// branches that do nothing else that what follows could look at.
func (c *linter) rejecting(s luasyntax.Stmt) (list []*luasyntax.Call) {
	switch s := s.(type) {
	case *luasyntax.CallStmt:
		if f := hostlib.GlobalNamed("reject"); f == nil || c.callee(s.Call) != f || len(s.Call.Args) == 0 {
			return nil
		}
		if row, ok := s.Call.Args[0].(*luasyntax.Name); ok && row.Binding != nil {
			return []*luasyntax.Call{s.Call}
		}
	case *luasyntax.If:
		for _, branch := range [][]luasyntax.Stmt{s.Then, s.Else} {
			plain := true // it calls, and branches, and that is all
			for _, inner := range branch {
				switch inner := inner.(type) {
				case *luasyntax.CallStmt:
					plain = plain && !strings.HasPrefix(luasyntax.Text(inner.Call.Fn), "table.")
				case *luasyntax.If:
				default:
					plain = false
				}
				plain = plain && !c.leaves(inner)
			}
			for _, inner := range branch {
				if plain {
					list = append(list, c.rejecting(inner)...)
				}
			}
		}
	}
	return list
}

// goesOn is where statements, of which all run, return a variable, put it into a list or
// write it; nil: that is not so, or not sure.
func (c *linter) goesOn(stmts []luasyntax.Stmt, row *luasyntax.Binding) luasyntax.Node {
	has := func(n any) (found bool) {
		luasyntax.Walk(n, func(n luasyntax.Node) bool {
			name, ok := n.(*luasyntax.Name)
			found = found || ok && name.Binding == row
			return !found
		})
		return found
	}
	for _, s := range stmts {
		switch s := s.(type) {
		case *luasyntax.Return:
			if has(s.Values) {
				return s
			}
			return nil
		case *luasyntax.CallStmt:
			if luasyntax.Text(s.Call.Fn) == "table.insert" && has(s.Call.Args) {
				return s
			}
			if f := c.callee(s.Call); f != nil && f.Param("rows") != nil && among(c.argument(f, s.Call, "rows"), row) && c.writesOne() {
				return s
			}
			if c.ends([]luasyntax.Stmt{s}) {
				return nil
			}
		case *luasyntax.Assign:
			if x, ok := s.Left[0].(*luasyntax.Index); ok && len(s.Left) == 1 && !has(x) && has(s.Right) { // list[#list + 1] = row
				if n, ok := x.Key.(*luasyntax.Binary); ok && n.Op == "+" {
					return s
				}
			}
		case *luasyntax.Local:
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
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		if call, ok := n.(*luasyntax.Call); ok {
			if f := c.callee(call); f != nil && f.Param("rows") != nil {
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
func among(e luasyntax.Expr, row *luasyntax.Binding) bool {
	list, ok := e.(*luasyntax.Table)
	return ok && slices.ContainsFunc(list.Fields, func(f *luasyntax.Field) bool {
		n, ok := f.Value.(*luasyntax.Name)
		return ok && f.Key == nil && n.Binding == row
	})
}

// upsertKeys tells of upserts by another key than the one that the file makes the
// table with.
func (c *linter) upsertKeys() {
	if hostlib.MadeUnique(string(c.file.source)) {
		return
	}
	made := hostlib.KeysOf{}
	each := func(name string, do func(f *hostlib.Func, call *luasyntax.Call, table string, key []string)) {
		luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
			call, ok := n.(*luasyntax.Call)
			if !ok {
				return true
			}
			if f := c.callee(call); f != nil && (f.Module == "db" || f.Module == "connection") && f.Name == name {
				if table := c.tableOf(f, call); table != "" {
					do(f, call, table, c.texts(c.argument(f, call, "key")))
				}
			}
			return true
		})
	}
	each("ensure", func(_ *hostlib.Func, call *luasyntax.Call, table string, key []string) {
		made.Made(table, key, call.Start().Line)
	})
	each("upsert", func(f *hostlib.Func, call *luasyntax.Call, table string, key []string) {
		if key != nil {
			c.report.UpsertKey(f, spot(c.argument(f, call, "key").Start()), table, key, made)
		}
	})
}

// texts are those of a list; nil if they are not known.
func (c *linter) texts(e luasyntax.Expr) (list []string) {
	if e == nil {
		return nil
	}
	table, ok := c.written(e).(*luasyntax.Table)
	for i := 0; ok && i < len(table.Fields); i++ {
		s, isText := c.value(table.Fields[i].Value).(lua.LString)
		if !isText || table.Fields[i].Key != nil {
			return nil
		}
		list = append(list, string(s))
	}
	return list
}
