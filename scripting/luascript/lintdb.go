package luascript

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// ensured is what the script itself says of a table, by ensure.
type ensured struct {
	columns map[string]bool
	line    int  // of the first call
	unknown bool // of one of its calls the columns are not known
}

// tables looks at what scripts ensure, and whether what they write fits.
func (c *linter) tables() {
	known := map[string]*ensured{}
	var writes []*luasyntax.Call
	open := false // which tables the script makes is not known
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		call, ok := n.(*luasyntax.Call)
		if !ok {
			return true
		}
		switch f := c.callee(call); {
		case f == nil || f.Module != "db" && f.Module != "connection":
		case f.Name == "ensure":
			c.ensure(f, call, known)
			open = open || c.tableOf(f, call) == ""
		case f.Param("rows") != nil && f.Param("table") != nil:
			writes = append(writes, call)
		}
		return true
	})
	for _, call := range writes {
		f := c.callee(call)
		t := known[c.tableOf(f, call)]
		if t == nil && !open && c.tableOf(f, call) != "" {
			at := c.argument(f, call, "table").Start()
			c.report.TableLike(f, spot(at), c.tableOf(f, call), slices.Sorted(maps.Keys(known)))
		}
		fields := c.rowFields(c.argument(f, call, "rows"), 0)
		for _, field := range fields {
			c.maybeNumber(field)
		}
		if t == nil || t.unknown {
			continue
		}
		for _, field := range fields {
			key := field.Key.(*luasyntax.Literal)
			c.report.Column(f, spot(key.Pos), key.Value, t.columns, t.line)
		}
		list, ok := c.written(c.argument(f, call, "key")).(*luasyntax.Table)
		for i := 0; ok && i < len(list.Fields); i++ {
			if s, isText := c.value(list.Fields[i].Value).(lua.LString); isText && list.Fields[i].Key == nil {
				c.report.Column(f, spot(list.Fields[i].Pos), string(s), t.columns, t.line)
			}
		}
	}
}

// ensure notes the columns that a call makes, and tells of types that there are not.
func (c *linter) ensure(f *hostlib.Func, call *luasyntax.Call, known map[string]*ensured) {
	name := c.tableOf(f, call)
	t := known[name]
	if t == nil {
		t = &ensured{columns: map[string]bool{}, line: call.Start().Line}
	}
	if name != "" {
		known[name] = t
	}
	arg := c.argument(f, call, "columns")
	here := map[string]bool{} // by this call
	if d, ok := c.written(arg).(*luasyntax.Table); ok {
		for _, field := range d.Fields {
			key, ok := field.Key.(*luasyntax.Literal)
			if !ok || key.Kind != luasyntax.String {
				t.unknown, here = true, nil
				continue
			}
			if t.columns[key.Value] = true; here != nil {
				here[key.Value] = true
			}
			if typ, ok := c.value(field.Value).(lua.LString); ok {
				c.report.ColumnType(f, spot(field.Value.Start()), key.Value, string(typ))
			}
		}
		if len(here) > 0 {
			c.ensureKey(f, call, here)
		}
		return
	}
	if arg == nil {
		t.unknown = true
		return
	}
	d, ok := c.value(arg).(*lua.LTable)
	if !ok {
		t.unknown = true
		return
	}
	for k, v := d.Next(lua.LNil); k != lua.LNil; k, v = d.Next(k) {
		key, ok := k.(lua.LString)
		if !ok {
			continue
		}
		t.columns[string(key)] = true
		if typ, ok := v.(lua.LString); ok {
			c.report.ColumnType(f, spot(arg.Start()), string(key), string(typ))
		}
	}
}

// tableOf names the table that a call is about, and its database; "" if that is not
// known.
func (c *linter) tableOf(f *hostlib.Func, call *luasyntax.Call) string {
	arg := c.argument(f, call, "table")
	if arg == nil {
		return ""
	}
	name, ok := c.value(arg).(lua.LString)
	of := call.Fn
	if x, dot := of.(*luasyntax.Index); dot && call.Method == nil {
		of = x.X
	}
	n, named := of.(*luasyntax.Name)
	if !ok || !named {
		return ""
	}
	return n.Name + "." + string(name)
}

// written is the expression that a name is set to, where that is once, and nothing
// changes it; others are as they are.
func (c *linter) written(e luasyntax.Expr) luasyntax.Expr {
	switch x := e.(type) {
	case *luasyntax.Paren:
		return c.written(x.X)
	case *luasyntax.Name:
		if b := c.single(x); b != nil && b.Loop == nil && c.untouched(b) {
			return b.Value
		}
	}
	return e
}

// maybeNumber tells of a column that tonumber leaves out where a text is no number.
func (c *linter) maybeNumber(f *luasyntax.Field) {
	call, ok := f.Value.(*luasyntax.Call)
	if !ok || len(call.Args) == 0 || c.tested(call.Args[0]) {
		return
	}
	name, _ := c.luaFunction(call)
	if _, known := c.value(call.Args[0]).(lua.LValue); name != "tonumber" || known {
		return
	}
	c.add(f.Value.Start(), "column", true, "write: tonumber(...) or error(\"...\"), or: tonumber(...) or null",
		fmt.Sprintf("tonumber gives nil for what is no number, which leaves %s out of the row", f.Key.(*luasyntax.Literal).Value))
}

// tested says that the script may know of a value that it is a number: a condition asks for
// one of its name, or a database has given it.
func (c *linter) tested(e luasyntax.Expr) (found bool) {
	named := func(n luasyntax.Node) string {
		switch n := n.(type) {
		case *luasyntax.Name:
			return n.Name
		case *luasyntax.Index:
			if key, ok := n.Key.(*luasyntax.Literal); ok {
				return key.Value
			}
		}
		return ""
	}
	name := named(e)
	if x, ok := e.(*luasyntax.Index); ok {
		if row, ok := x.X.(*luasyntax.Name); ok && row.Binding != nil && row.Binding.Loop != nil {
			if call, ok := row.Binding.Loop.Values[0].(*luasyntax.Call); ok {
				if f := c.callee(call); f != nil && (f.Module == "db" || f.Module == "connection") {
					return true
				}
			}
		}
	}
	in := func(asked ...luasyntax.Expr) {
		luasyntax.Walk(asked, func(n luasyntax.Node) bool {
			found = found || name != "" && named(n) == name
			return !found
		})
	}
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.If:
			in(n.Cond)
		case *luasyntax.While:
			in(n.Cond)
		case *luasyntax.Binary:
			if n.Op == "and" || n.Op == "or" {
				in(n.X)
			}
		case *luasyntax.Call:
			if c.luaName(n.Fn) == "assert" {
				in(n.Args...)
			}
		}
		return !found
	})
	return found
}

// rowFields are the columns that rows have for sure: of tables that stand there, in a list,
// or behind the return of a function of the script.
func (c *linter) rowFields(e luasyntax.Expr, depth int) (fields []*luasyntax.Field) {
	if depth > 5 {
		return nil
	}
	switch x := e.(type) {
	case *luasyntax.Paren:
		return c.rowFields(x.X, depth)
	case *luasyntax.Binary:
		if x.Op == "and" || x.Op == "or" {
			return append(c.rowFields(x.X, depth), c.rowFields(x.Y, depth)...)
		}
	case *luasyntax.Table:
		for _, f := range x.Fields {
			key, ok := f.Key.(*luasyntax.Literal)
			switch {
			case f.Key == nil:
				fields = append(fields, c.rowFields(f.Value, depth+1)...)
			case ok && key.Kind == luasyntax.String && depth > 0:
				fields = append(fields, f)
			}
		}
	case *luasyntax.Name:
		if b := c.single(x); b != nil && b.Loop == nil && c.untouched(b) {
			if _, ok := b.Value.(*luasyntax.Func); !ok {
				return c.rowFields(b.Value, depth+1)
			}
		}
	case *luasyntax.Call:
		if f := c.callee(x); f == hostlib.ModuleNamed("iter").Func("map") && len(x.Args) == 2 {
			return c.resultFields(x.Args[0], depth)
		}
		if x.Method == nil {
			return c.resultFields(x.Fn, depth)
		}
	}
	return fields
}

// resultFields are the columns of the rows that a function of the script returns.
func (c *linter) resultFields(e luasyntax.Expr, depth int) (fields []*luasyntax.Field) {
	fn, ok := e.(*luasyntax.Func)
	if !ok {
		if b := c.single(e); b != nil {
			fn, ok = b.Value.(*luasyntax.Func)
		}
	}
	if !ok {
		return nil
	}
	luasyntax.Walk(fn.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Func:
			return false
		case *luasyntax.Return:
			if len(n.Values) == 1 {
				fields = append(fields, c.rowFields(n.Values[0], depth+1)...)
			}
		}
		return true
	})
	return fields
}
