package starscript

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// table is what the script itself says of a table, by ensure.
type table struct {
	columns map[string]bool
	at      syntax.Position // of the first call
	unknown bool            // of one of its calls the columns are not known
}

// tables looks at what scripts ensure, and whether what they write fits.
func (c *linter) tables() {
	known := map[string]*table{}
	var writes []*syntax.CallExpr
	open := false // which tables the script makes is not known
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		switch f := c.callee(call.Fn); {
		case f == nil || f.Module != "db" && f.Module != "connection":
		case f.Name == "ensure":
			c.ensured(f, call, known)
			open = open || c.tableOf(f, call) == ""
		case f.Param("rows") != nil && f.Param("table") != nil:
			writes = append(writes, call)
		}
		return true
	})
	for _, call := range writes {
		f := c.callee(call.Fn)
		t := known[c.tableOf(f, call)]
		if t == nil && !open && c.tableOf(f, call) != "" {
			at, _ := argument(f, call, "table").Span()
			c.report.TableLike(f, spot(at), c.tableOf(f, call), slices.Sorted(maps.Keys(known)))
		}
		if t == nil || t.unknown {
			continue
		}
		for _, key := range c.rowKeys(argument(f, call, "rows"), 0) {
			c.report.Column(f, spot(key.at), key.name, t.columns, int(t.at.Line))
		}
		if list, ok := c.literal(argument(f, call, "key")).(*syntax.ListExpr); ok {
			for _, e := range list.List {
				if s, ok := c.value(e).(starlark.String); ok {
					at, _ := e.Span()
					c.report.Column(f, spot(at), string(s), t.columns, int(t.at.Line))
				}
			}
		}
	}
}

// ensured notes the columns that a call makes, and tells of types that there are not.
func (c *linter) ensured(f *hostlib.Func, call *syntax.CallExpr, known map[string]*table) {
	at, _ := call.Span()
	name := c.tableOf(f, call)
	t := known[name]
	if t == nil {
		t = &table{columns: map[string]bool{}, at: at}
	}
	if name != "" {
		known[name] = t
	}
	arg := argument(f, call, "columns")
	if arg == nil {
		t.unknown = true
		return
	}
	// Where the types stand: in this file, or only their values are known.
	here := map[string]bool{} // by this call
	if d, ok := c.literal(arg).(*syntax.DictExpr); ok {
		for _, x := range d.List {
			entry := x.(*syntax.DictEntry)
			key, ok := c.value(entry.Key).(starlark.String)
			if !ok {
				t.unknown, here = true, nil
				continue
			}
			if t.columns[string(key)] = true; here != nil {
				here[string(key)] = true
			}
			where, _ := entry.Value.Span()
			if typ, ok := c.value(entry.Value).(starlark.String); ok {
				c.report.ColumnType(f, spot(where), string(key), string(typ))
			}
		}
		if len(here) > 0 {
			c.ensureKey(f, call, here)
		}
		return
	}
	d, ok := c.value(arg).(*starlark.Dict)
	if !ok {
		t.unknown = true
		return
	}
	where, _ := arg.Span()
	for _, item := range d.Items() {
		key, ok := item[0].(starlark.String)
		if !ok {
			continue
		}
		t.columns[string(key)] = true
		if typ, ok := item[1].(starlark.String); ok {
			c.report.ColumnType(f, spot(where), string(key), string(typ))
		}
	}
}

// tableOf names the table that a call is about, and its database; "" if that is
// not known.
func (c *linter) tableOf(f *hostlib.Func, call *syntax.CallExpr) string {
	arg := argument(f, call, "table")
	d, ok := call.Fn.(*syntax.DotExpr)
	if arg == nil || !ok {
		return ""
	}
	name, ok := c.value(arg).(starlark.String)
	if !ok {
		return ""
	}
	return c.written(d.X) + "." + string(name)
}

// argument is what a call gives for a parameter; nil if it cannot be seen.
func argument(f *hostlib.Func, call *syntax.CallExpr, name string) syntax.Expr {
	place := slices.IndexFunc(f.Params, func(p hostlib.Param) bool { return p.Name == name })
	if place < 0 {
		return nil
	}
	if f.Params[place].Named {
		place = -1
	}
	n := 0
	for _, arg := range call.Args {
		switch x := arg.(type) {
		case *syntax.BinaryExpr:
			if x.Op == syntax.EQ {
				if x.X.(*syntax.Ident).Name == name {
					return x.Y
				}
				continue
			}
		case *syntax.UnaryExpr:
			if x.Op == syntax.STAR || x.Op == syntax.STARSTAR {
				return nil
			}
		}
		if n == place {
			return arg
		}
		n++
	}
	return nil
}

// literal is the expression that a name is set to, where that is once and a list or a
// dict is not changed then; others are as they are.
func (c *linter) literal(e syntax.Expr) syntax.Expr {
	switch x := e.(type) {
	case *syntax.ParenExpr:
		return c.literal(x.X)
	case *syntax.Ident:
		if n := c.nameOf(x); n != nil && n.value != nil && len(n.writes) == 1 && (!changeable(n.value) || c.untouched(n)) {
			return n.value
		}
	}
	return e
}

// changeable says that an expression is a list or a dict that stands there.
func changeable(e syntax.Expr) bool {
	switch unwrapped(e).(type) {
	case *syntax.ListExpr, *syntax.DictExpr, *syntax.Comprehension:
		return true
	}
	return false
}

// rowKey is a key of a row as it is written.
type rowKey struct {
	name string
	at   syntax.Position
}

// rowKeys are the keys that rows have for sure: dicts that stand there, in a list,
// in a comprehension, or behind the return of a function of the script.
func (c *linter) rowKeys(e syntax.Expr, depth int) (keys []rowKey) {
	if e == nil || depth > 5 {
		return nil
	}
	switch x := e.(type) {
	case *syntax.ParenExpr:
		return c.rowKeys(x.X, depth)
	case *syntax.CondExpr:
		return append(c.rowKeys(x.True, depth), c.rowKeys(x.False, depth)...)
	case *syntax.Comprehension:
		return c.rowKeys(x.Body, depth+1)
	case *syntax.ListExpr:
		for _, row := range x.List {
			keys = append(keys, c.rowKeys(row, depth+1)...)
		}
	case *syntax.DictExpr:
		for _, entry := range x.List {
			key := entry.(*syntax.DictEntry).Key
			if s, ok := c.value(key).(starlark.String); ok {
				at, _ := key.Span()
				keys = append(keys, rowKey{string(s), at})
			}
		}
	case *syntax.Ident:
		if n := c.nameOf(x); n != nil && n.value != nil && len(n.writes) == 1 && c.untouched(n) {
			return c.rowKeys(n.value, depth+1)
		}
	case *syntax.CallExpr:
		switch id, own := x.Fn.(*syntax.Ident); {
		case own:
			if n := c.nameOf(id); n != nil && n.def != nil && len(n.writes) == 1 {
				for _, r := range results(n.def.Body) {
					keys = append(keys, c.rowKeys(r, depth+1)...)
				}
			}
		case c.callee(x.Fn) == hostlib.ModuleNamed("iter").Func("map") && len(x.Args) == 2:
			switch fn := x.Args[0].(type) {
			case *syntax.LambdaExpr:
				return c.rowKeys(fn.Body, depth+1)
			case *syntax.Ident:
				if n := c.nameOf(fn); n != nil && n.def != nil && len(n.writes) == 1 {
					for _, r := range results(n.def.Body) {
						keys = append(keys, c.rowKeys(r, depth+1)...)
					}
				}
			}
		}
	}
	return keys
}

// untouched says that a file only reads what a name stands for: nothing in it is set, no
// method changes it, and it is given to nobody who might.
func (c *linter) untouched(n *name) bool {
	if c.reads == nil {
		c.reads = c.readings()
	}
	return !slices.ContainsFunc(n.uses, func(id *syntax.Ident) bool { return !c.reads[id] })
}

// readings are the names that are only read where they stand.
func (c *linter) readings() map[*syntax.Ident]bool {
	reads := map[*syntax.Ident]bool{}
	read := func(e syntax.Expr) {
		if id, ok := unwrapped(e).(*syntax.Ident); ok {
			reads[id] = true
		}
	}
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			if !c.readsOnly(n.Fn) {
				break
			}
			for _, arg := range n.Args {
				if x, ok := arg.(*syntax.BinaryExpr); ok && x.Op == syntax.EQ {
					arg = x.Y
				}
				read(arg)
			}
		case *syntax.DotExpr:
			if !slices.Contains(changing, n.Name.Name) && !slices.Contains(removing, n.Name.Name) {
				read(n.X)
			}
		case *syntax.IndexExpr:
			read(n.X)
			read(n.Y)
		case *syntax.BinaryExpr:
			if n.Op != syntax.EQ && n.Op != syntax.AND && n.Op != syntax.OR {
				read(n.X)
				read(n.Y)
			}
		case *syntax.UnaryExpr:
			if n.Op == syntax.NOT {
				read(n.X)
			}
		case *syntax.IfStmt:
			read(n.Cond)
		case *syntax.CondExpr:
			read(n.Cond)
		}
		return true
	})
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		if to, ok := n.(*syntax.AssignStmt); ok {
			if at, ok := to.LHS.(*syntax.IndexExpr); ok {
				if id, ok := unwrapped(at.X).(*syntax.Ident); ok {
					delete(reads, id)
				}
			}
		}
		return true
	})
	return reads
}

// readsOnly says that a call keeps nothing of what it is given, and changes nothing of it.
func (c *linter) readsOnly(fn syntax.Expr) bool {
	if id, ok := fn.(*syntax.Ident); ok && scopeOf(id) == resolve.Universal {
		return slices.Contains(readers, id.Name)
	}
	f := c.callee(fn)
	return f != nil && (f.Module == "db" || f.Module == "connection" || f.Module == "log")
}

// readers are functions of Starlark that only read what they are given.
var readers = []string{"all", "any", "bool", "len", "print", "repr", "str", "type"}

// results are what the statements of a function return.
func results(body []syntax.Stmt) (list []syntax.Expr) {
	for _, s := range body {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr:
				return false
			case *syntax.ReturnStmt:
				if n.Result != nil {
					list = append(list, n.Result)
				}
			}
			return true
		})
	}
	return list
}

// dropped tells of the error of a catch at which nobody looks.
func (c *linter) dropped() {
	isCatch := func(e syntax.Expr) bool {
		call, ok := e.(*syntax.CallExpr)
		return ok && c.callee(call.Fn) == hostlib.GlobalNamed("catch")
	}
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ExprStmt:
			if isCatch(n.X) {
				at, _ := n.Span()
				c.add(at, "catch", true, "write value, err = catch(...), and look at err; _ = catch(...) if it may fail", "the error that this catches is dropped: nobody hears of it")
			}
		case *syntax.AssignStmt:
			to, ok := n.LHS.(*syntax.TupleExpr)
			if !ok || !isCatch(n.RHS) || len(to.List) != 2 {
				return true
			}
			id, ok := to.List[1].(*syntax.Ident)
			if !ok || strings.HasPrefix(id.Name, "_") {
				return true
			}
			if named := c.nameOf(id); named != nil && len(named.uses) == 0 {
				c.add(id.NamePos, "catch", true, "look at it, or call it _ if it may fail", fmt.Sprintf("%s, the error that this catches, is not looked at", id.Name))
			}
		}
		return true
	})
}
