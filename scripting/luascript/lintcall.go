package luascript

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// calls looks at elements, at calls, and at what they are given.
func (c *linter) calls() {
	methods := map[*luasyntax.Index]bool{} // what is called
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Index:
			c.index(n, methods[n])
		case *luasyntax.Call:
			if x, ok := n.Fn.(*luasyntax.Index); ok && n.Method == nil {
				methods[x] = true
			}
			c.call(n)
		case *luasyntax.Binary:
			if !c.negated(n) {
				c.equal(n)
				c.operands(n)
				c.ordered(n)
			}
		case *luasyntax.Unary:
			c.length(n)
		case *luasyntax.Assign:
			for _, e := range n.Left {
				c.sets(e)
			}
		case *luasyntax.FuncStmt:
			c.sets(n.Target)
		case *luasyntax.Table:
			c.keys(n)
		case *luasyntax.For:
			c.loop(n)
		}
		return true
	})
}

// module is the module that an expression names: one of the host library, or by its
// name one of Lua's own.
func (c *linter) module(e luasyntax.Expr) (*hostlib.Module, string) {
	n, ok := e.(*luasyntax.Name)
	switch {
	case !ok:
		return nil, ""
	case isGlobal(n):
		if own[n.Name] == nil && hostlib.ModuleNamed(n.Name) == nil || n.Name == "" {
			return nil, ""
		}
		return hostlib.ModuleNamed(n.Name), n.Name
	}
	if b := c.single(n); b != nil && !c.busy[b] {
		c.busy[b] = true
		defer delete(c.busy, b)
		return c.module(b.Value)
	}
	return nil, ""
}

// namesOf are the names that a module has.
func namesOf(m *hostlib.Module, name string) []string {
	names := slices.Collect(maps.Keys(own[name]))
	if m != nil {
		names = append(names, m.Names()...)
	}
	return names
}

// callee is the function of the table that a call is of, or nil.
func (c *linter) callee(e *luasyntax.Call) *hostlib.Func {
	if e.Method != nil {
		if m, _ := c.module(e.Fn); m != nil {
			return m.Func(e.Method.Value)
		}
		if t := c.typeOf(e.Fn); t != nil {
			return t.Method(e.Method.Value)
		}
		return nil
	}
	return c.function(e.Fn)
}

// function is the function of the table that an expression names, or nil.
func (c *linter) function(e luasyntax.Expr) *hostlib.Func {
	switch e := e.(type) {
	case *luasyntax.Name:
		if isGlobal(e) {
			return hostlib.GlobalNamed(e.Name)
		}
		if b := c.single(e); b != nil && !c.busy[b] && b.Loop == nil {
			c.busy[b] = true
			defer delete(c.busy, b)
			return c.function(b.Value)
		}
	case *luasyntax.Index:
		key, ok := e.Key.(*luasyntax.Literal)
		if !ok || key.Kind != luasyntax.String {
			return nil
		}
		if m, name := c.module(e.X); name != "" {
			if m == nil {
				return nil
			}
			return m.Func(key.Value)
		}
		if t := c.typeOf(e.X); t != nil {
			return t.Method(key.Value)
		}
	}
	return nil
}

// index tells of a.b where a has none.
func (c *linter) index(e *luasyntax.Index, called bool) {
	key, ok := e.Key.(*luasyntax.Literal)
	if ok && key.Kind == luasyntax.String {
		c.member(e.X, key, called)
	}
}

// member tells of a name that what is before the dot, or the colon, does not have.
func (c *linter) member(x luasyntax.Expr, key *luasyntax.Literal, called bool) {
	name := key.Value
	m, of := c.module(x)
	t := c.typeOf(x)
	lib := c.required(x)
	switch {
	case of != "":
		if slices.Contains(namesOf(m, of), name) {
			return
		}
		if m != nil {
			c.report.Missing(spot(key.Pos), of, m.Missing(name))
			return
		}
		c.add(key.Pos, "name", false, "", fmt.Sprintf("%s has no %q%s", of, name, hostlib.Suggest(name, namesOf(nil, of))))
	case t != nil:
		if !slices.Contains(t.Names(), name) {
			c.report.Missing(spot(key.Pos), t.Name, missingOf(t, name))
		}
	case lib != nil:
		if _, ok := lib.exports[name]; !ok && !lib.open {
			c.add(key.Pos, "name", !called, "", fmt.Sprintf("%s has no %q%s", lib.file.shown, name, hostlib.Suggest(name, slices.Sorted(maps.Keys(lib.exports)))))
		}
	case c.kindOf(x) == "string" && own["string"][name] == nil:
		hint := c.insteadOf(x, name)
		text := fmt.Sprintf("a value of type string has no %q", name)
		if hint == "" {
			text += hostlib.Suggest(name, namesOf(nil, "string"))
		}
		c.add(key.Pos, "name", false, hint, text)
	}
}

// call checks a call.
func (c *linter) call(e *luasyntax.Call) {
	if e.Method != nil {
		_, module := c.module(e.Fn)
		if kind := c.kindOf(e.Fn); module == "" && (kind == "" || kind == "table") && c.required(e.Fn) == nil && !c.anybody(e.Method.Value) {
			hint := c.insteadOf(e.Fn, e.Method.Value)
			c.add(e.Method.Pos, "name", hint == "" || c.helper(), hint, fmt.Sprintf("no value has a method %q", e.Method.Value))
		} else {
			c.member(e.Fn, e.Method, true)
		}
	}
	if n, ok := e.Fn.(*luasyntax.Name); ok && c.shadowed(n, e) {
		return
	}
	c.passed(e)
	if m, name := c.module(e.Fn); name != "" && e.Method == nil {
		c.report.Module(spot(e.Start()), name, namesOf(m, name))
		return
	}
	f := c.callee(e)
	if f == nil {
		c.ownCall(e)
		c.late(e)
		c.luaCall(e)
		return
	}
	a := c.arguments(f, e)
	if a.mistaken != nil {
		c.add(a.places[0], "call", false, hostlib.DocsHint(f.String()), a.mistaken.Error())
		return
	}
	if a.taken != nil {
		c.add(a.places[len(a.args)-1], "call", true, fmt.Sprintf("write nil before the table, or the %s alone", a.taken.Name),
			fmt.Sprintf("%s: the table is the %s here, and its names are arguments of %[1]s", f, a.taken.Name))
	}
	spots := make([]hostlib.At, len(a.places))
	for i, at := range a.places {
		spots[i] = spot(at)
	}
	start := spot(e.Start())
	c.report.Faults(f, start, spots, f.CheckCall(&c.run.call, a.args, a.named, a.more), "call")
	if f == hostlib.GlobalNamed("job") {
		if c.job != nil {
			given := slices.Concat(a.bases, a.named)
			spots := append(slices.Clone(a.basePlaces), spots[len(a.args):]...)
			c.report.Faults(f, start, spots, hostlib.CheckSettings(&c.run.call, given), "setting")
		}
		return
	}
	if len(a.args) > 0 && len(f.Params) > 0 && f.Params[0].Name == "sql" {
		sql, ok := a.args[0].(lua.LString)
		if ok && c.loader.Owned != nil {
			c.report.Owned(f, spots[0], string(sql), c.loader.Owned)
		}
		if ok && c.loader.Statement != nil && !(f.Name == "exec" && c.ofTest(e, 0)) { // which makes tables, too
			c.report.Statement(f, spots[0], string(sql), c.loader.Statement)
		}
		if ok && !a.more && c.loader.Marks != nil {
			c.report.Marks(f, spots[0], string(sql), len(a.args)-1, c.loader.Marks)
		}
	}
	if len(a.args) > 0 {
		c.report.Raised(f, spots[0], c.kindOf(e.Args[0]), `{code = "..."}`)
	}
	c.wanting.LookWrite(c.needs, f, c.connection(e), start)
	c.wanting.Look(c.needs, f, func(p *hostlib.Param) (hostlib.Value, hostlib.At) {
		i := 0
		for k := range f.Params {
			if q := &f.Params[k]; !q.Named {
				if q == p && i < len(a.args) {
					return c.plain(a.args[i]), spots[i]
				}
				i++
			}
		}
		for k, n := range a.named {
			if n.Name == p.Name {
				return c.plain(n.Value), spots[len(a.args)+k]
			}
		}
		return nil, start
	})
	if hostlib.HandsOn(f) && len(e.Args) > 0 && c.function(e.Args[0]) != nil {
		c.call(&luasyntax.Call{Fn: e.Args[0], Args: e.Args[1:], Open: e.Open})
	}
}

// ofTest says that an expression is a part of t.
func (c *linter) ofTest(e luasyntax.Expr, depth int) bool {
	if depth > 10 {
		return false
	}
	if b := c.single(e); b != nil {
		return c.ofTest(b.Value, depth+1)
	}
	switch e := e.(type) {
	case *luasyntax.Index:
		return c.ofTest(e.X, depth+1)
	case *luasyntax.Call:
		return c.ofTest(e.Fn, depth+1)
	case *luasyntax.Name:
		return len(c.tests) > 0 && c.typeOf(e) == c.tests[0]
	}
	return false
}

// given are the arguments of a call as far as they are known.
type given struct {
	args     []hostlib.Value
	named    []hostlib.Named
	exprs    map[string]luasyntax.Expr // of those by name
	places   []luasyntax.Pos           // of args, then of named
	more     bool                      // there may be others
	taken    *hostlib.Param            // by a table whose names are all those of arguments
	mistaken error                     // that is one

	bases      []hostlib.Named // settings in the bases of job()
	basePlaces []hostlib.At
}

// arguments are those of a call of the host library: what is given by name is a table,
// the last one.
func (c *linter) arguments(f *hostlib.Func, e *luasyntax.Call) (a given) {
	b := &builtin{Func: f}
	list := slices.Clone(e.Args)
	if n := len(list); n > 0 && c.expands(list[n-1]) {
		list, a.more = list[:n-1], true
	}
	for n := len(list); n > 0 && !a.more && c.value(list[n-1]) == lua.LNil && b.optional(n-1); n-- {
		list = list[:n-1]
	}
	var named []*luasyntax.Field
	var at *luasyntax.Pos // of a table that stands elsewhere
	if n := len(list); n > 0 && !a.more {
		table, ok := list[n-1].(*luasyntax.Table)
		if v := c.single(list[n-1]); !ok && v != nil && c.untouched(v) {
			if table, ok = v.Value.(*luasyntax.Table); ok {
				start := list[n-1].Start()
				at = &start
			}
		}
		switch t, known := keysOf(table); {
		case ok && known && b.takesNames(t, n-1):
			named, list = table.Fields, list[:n-1]
		case ok && !known && b.takesNames(someNames, n-1):
			list, a.more = list[:n-1], true
		case ok && known:
			if a.taken = b.mistaken(t, n-1); a.taken != nil && f.Module == "t" && n == 1 {
				a.mistaken = b.mistakenError(t, a.taken)
			}
		case !ok && slices.Contains([]string{"", "table"}, c.kindOf(list[n-1])) && b.takesNames(someNames, n-1):
			list, a.more = list[:n-1], true
		}
	}
	for _, arg := range list {
		a.args, a.places = append(a.args, c.given(arg)), append(a.places, arg.Start())
	}
	if f == errorFunc && len(a.args) == 2 {
		if c.kindOf(list[1]) == "number" {
			a.args, a.places = a.args[:1], a.places[:1]
		}
	}
	a.exprs = map[string]luasyntax.Expr{}
	for _, field := range named {
		key := field.Key.(*luasyntax.Literal)
		a.named = append(a.named, hostlib.Named{Name: key.Value, Value: c.given(field.Value)})
		a.exprs[key.Value] = field.Value
		place := field.Pos
		if at != nil {
			place = *at
		}
		a.places = append(a.places, place)
	}
	if f == hostlib.GlobalNamed("job") {
		for _, arg := range list {
			if t, ok := arg.(*luasyntax.Table); ok {
				for _, field := range t.Fields {
					if key, ok := field.Key.(*luasyntax.Literal); ok && key.Kind == luasyntax.String {
						a.bases = append(a.bases, hostlib.Named{Name: key.Value, Value: c.value(field.Value)})
						a.basePlaces = append(a.basePlaces, spot(field.Pos))
					}
				}
			}
		}
	}
	return a
}

// samples are values of the kinds that are known as such.
var samples = map[string]lua.LValue{"number": lua.LNumber(1), "boolean": lua.LTrue, "table": boot.NewTable(), "function": someFunction}

// given is what is known of an argument: its value, or what kind of value it is.
func (c *linter) given(e luasyntax.Expr) hostlib.Value {
	v := c.value(e)
	if v != hostlib.Unknown {
		return v
	}
	if t := c.typeOf(e); t != nil {
		return hostlib.Like{Value: t}
	}
	kind := c.kindOf(e)
	if kind == "string" {
		return hostlib.Beginning("")
	}
	if like := samples[kind]; like != nil {
		return hostlib.Like{Value: like}
	}
	return v
}

// expands says that an expression, the last argument, may be none or several.
func (c *linter) expands(e luasyntax.Expr) bool {
	switch e := e.(type) {
	case *luasyntax.Call:
		if f := c.callee(e); f != nil {
			return strings.HasPrefix(f.Returns, "(")
		}
		name := luasyntax.Text(e.Fn)
		if e.Method != nil {
			name = "string." + e.Method.Value
		}
		return !slices.Contains(ones, name)
	case *luasyntax.Literal:
		return e.Kind == luasyntax.Sign
	}
	return false
}

// ones are functions of Lua's own that give one value, whatever they are given.
var ones = []string{
	"tostring", "tonumber", "type", "setmetatable", "list", "is_null", "string.format", "string.sub", "string.upper", "string.lower", "string.rep", "string.reverse",
	"string.len", "table.concat", "json.array", "json.object",
}

// someNames stands for a table of which the names are not known.
var someNames = func() *lua.LTable {
	t := boot.NewTable()
	t.RawSetString("", lua.LTrue)
	return t
}()

// keysOf is a table with the same keys; false if they are not all known, or a value
// of it may be nil.
func keysOf(e *luasyntax.Table) (*lua.LTable, bool) {
	t := boot.NewTable()
	if e == nil {
		return t, false
	}
	next := 1
	for _, f := range e.Fields {
		if f.Key == nil {
			t.RawSetInt(next, lua.LTrue)
			next++
			continue
		}
		key, ok := f.Key.(*luasyntax.Literal)
		if !ok || key.Kind != luasyntax.String {
			return t, false
		}
		t.RawSetString(key.Value, lua.LTrue)
	}
	return t, true
}

// argument is what a call gives for a parameter; nil if it cannot be seen.
func (c *linter) argument(f *hostlib.Func, e *luasyntax.Call, name string) luasyntax.Expr {
	a := c.arguments(f, e)
	if x := a.exprs[name]; x != nil {
		return x
	}
	i := 0
	for k := range f.Params {
		p := &f.Params[k]
		switch {
		case p.Named:
		case p.Name == name && i < len(a.args):
			return e.Args[i]
		default:
			i++
		}
	}
	return nil
}

// ownCall checks a call of a function that the file, or one that it requires, defines.
func (c *linter) ownCall(e *luasyntax.Call) {
	fn, name := c.ownFunction(e.Fn)
	if fn == nil || e.Method != nil || fn.Self || fn.Rest || len(e.Args) <= len(fn.Params) {
		return
	}
	names := make([]string, len(fn.Params))
	for i, p := range fn.Params {
		names[i] = p.Name
	}
	c.add(e.Args[len(fn.Params)].Start(), "call", true, "", fmt.Sprintf("%s: got %d arguments, takes at most %d: %s(%s)", name, len(e.Args), len(fn.Params), name, strings.Join(names, ", ")))
}

// ownFunction is the function of a script that an expression names; nil if that is not
// known.
func (c *linter) ownFunction(e luasyntax.Expr) (*luasyntax.Func, string) {
	if b := c.single(e); b != nil {
		fn, _ := b.Value.(*luasyntax.Func)
		return fn, b.Name
	}
	x, ok := e.(*luasyntax.Index)
	if !ok {
		return nil, ""
	}
	key, ok := x.Key.(*luasyntax.Literal)
	if lib := c.required(x.X); lib != nil && ok {
		fn, _ := lib.exports[key.Value].(*luasyntax.Func)
		if fn == nil && lib.exports[key.Value] != nil {
			return lib.ownFunction(lib.exports[key.Value])
		}
		return fn, luasyntax.Text(x)
	}
	return nil, ""
}

// shadowed tells of fail(message) where fail is the hook.
func (c *linter) shadowed(n *luasyntax.Name, e *luasyntax.Call) bool {
	hook := c.hook("fail")
	if n.Name != "fail" || hook == nil || n.Binding != c.tree.Globals["fail"] || len(e.Args) == len(hostlib.HookNamed("fail").Params) {
		return false
	}
	c.add(n.Pos, "fail", false, "stop the hook by error(\"...\"), or by ctx.fail(\"...\") for good",
		fmt.Sprintf("fail is the hook of line %d here", hook.Line))
	return true
}

// passed tells of iterators that are given to functions which go through tables.
func (c *linter) passed(e *luasyntax.Call) {
	fn, ok := e.Fn.(*luasyntax.Name)
	if ok && isGlobal(fn) && (fn.Name == "ipairs" || fn.Name == "pairs") && len(e.Args) == 1 && c.kindOf(e.Args[0]) == "iterator" {
		c.add(e.Args[0].Start(), "call", false, "go through an iterator by for x in it do, or make a list of it by list(...)", fn.Name+": got iterator, wanted table")
	}
}

// loop tells of loops over what cannot be gone through.
func (c *linter) loop(s *luasyntax.For) {
	if len(s.Values) != 1 {
		return
	}
	switch e := s.Values[0]; c.kindOf(e) {
	case "iterator":
		if f := c.makerOf(e); f != nil && hostlib.GivesOne(f) && len(s.Names) > 1 && len(s.Names[1].Binding.Uses) > 0 && len(s.Names[1].Binding.Writes) == 1 {
			c.add(s.Names[1].Pos, "loop", true, fmt.Sprintf("write for %s in %s(...) do", s.Names[1].Name, f), fmt.Sprintf("%s is always nil: an iterator gives one value, and no number before it", s.Names[1].Name))
		}
	case "function":
		if f := c.function(e); f != nil && f.Name != "" { // a function of the script's own may be an iterator
			c.add(e.Start(), "call", false, fmt.Sprintf("call it: %s(...)", f), fmt.Sprintf("the function %s cannot be gone through, what it gives can", f))
		}
	case "string":
		c.add(e.Start(), "call", false, "loop over text:gmatch(\".\") for its characters", "a string cannot be gone through")
	case "table":
		if _, ok := e.(*luasyntax.Name); ok && c.madeCallable() {
			return
		}
		c.add(e.Start(), "call", false, "write for i, v in ipairs(...) do, or for k, v in pairs(...) do", "a table cannot be gone through by itself")
	case "number", "boolean", "nil", "null":
		c.add(e.Start(), "call", false, "", c.kindOf(e)+" cannot be gone through")
	}
}

// madeCallable says that the file gives tables metatables.
func (c *linter) madeCallable() bool {
	b := c.tree.Globals["setmetatable"]
	return b != nil && len(b.Uses) > 0
}

// equal tells of values that are never equal, because they are of different types.
func (c *linter) equal(e *luasyntax.Binary) {
	if e.Op != "==" && e.Op != "~=" {
		return
	}
	x, y := c.kindOf(e.X), c.kindOf(e.Y)
	if c.newTable(e) || x == "" || y == "" || x == y || x == "nil" || y == "nil" || x == "null" || y == "null" || c.madeCallable() && (x == "table" || y == "table") {
		return
	}
	hint := ""
	switch {
	case x == "decimal" || y == "decimal":
		hint = "compare with a decimal: see decimal.of"
	case x == "time" || y == "time":
		hint = "compare with a time: see time.parse"
	case x == "number" && y == "string" || x == "string" && y == "number":
		hint = "compare numbers: tonumber(...)"
	}
	always := "false"
	if e.Op == "~=" {
		always = "true"
	}
	c.add(e.OpPos, "compare", true, hint, fmt.Sprintf("this is always %s: %s and %s are never equal", always, x, y))
}

// newTable tells of values that are compared with a table that is made there.
func (c *linter) newTable(e *luasyntax.Binary) bool {
	_, x := e.X.(*luasyntax.Table)
	_, y := e.Y.(*luasyntax.Table)
	if !x && !y {
		return false
	}
	hint := "ask for an empty list by #rows == 0, for a table without any element by next(t) == nil"
	c.add(e.OpPos, "compare", true, hint, fmt.Sprintf("this is always %t: a table is equal to itself alone, and this one is new", e.Op == "~="))
	return true
}

// keys tells of keys that a table has twice: the last one counts.
func (c *linter) keys(e *luasyntax.Table) {
	seen := map[lua.LValue]luasyntax.Pos{}
	for _, f := range e.Fields {
		if f.Key == nil {
			continue
		}
		k, ok := c.value(f.Key).(lua.LValue)
		if !ok || k.Type() != lua.LTString && k.Type() != lua.LTNumber {
			continue
		}
		if first, ok := seen[k]; ok {
			c.add(f.Pos, "key", true, "", fmt.Sprintf("the key %s is in the table twice: first in line %d", keyText(k), first.Line))
			continue
		}
		seen[k] = f.Pos
	}
}
