package starscript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// calls looks at names after a dot, at calls, and at what they are given.
func (c *linter) calls() {
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr:
			c.dot(n)
		case *syntax.CallExpr:
			c.call(n)
		case *syntax.BinaryExpr:
			c.equal(n)
			c.operands(n)
		case *syntax.DictExpr:
			c.keys(n)
		case *syntax.ForStmt:
			c.loop(n.X)
		case *syntax.ForClause:
			c.loop(n.X)
		}
		return true
	})
}

func (c *linter) dot(d *syntax.DotExpr) {
	name := d.Name.Name
	m, t := c.module(d.X), c.typeOf(d.X)
	switch {
	case m != nil && !slices.Contains(m.Names(), name):
		c.report.Missing(spot(d.Name.NamePos), m.Name, m.Missing(name))
	case t != nil && !slices.Contains(t.Names(), name):
		c.report.Missing(spot(d.Name.NamePos), t.Name, t.Missing(name))
	case m == nil && t == nil:
		c.attribute(d)
	}
}

// module is the module that an expression names, or nil.
func (c *linter) module(e syntax.Expr) *hostlib.Module {
	if id, ok := e.(*syntax.Ident); ok && scopeOf(id) == resolve.Predeclared {
		return hostlib.ModuleNamed(id.Name)
	}
	return nil
}

func scopeOf(id *syntax.Ident) resolve.Scope {
	if b, ok := id.Binding.(*resolve.Binding); ok {
		return b.Scope
	}
	return resolve.Undefined
}

// callee is the function of the table that an expression names, or nil.
func (c *linter) callee(e syntax.Expr) *hostlib.Func {
	switch e := e.(type) {
	case *syntax.Ident:
		if scopeOf(e) == resolve.Predeclared {
			return hostlib.GlobalNamed(e.Name)
		}
	case *syntax.DotExpr:
		if m := c.module(e.X); m != nil {
			return m.Func(e.Name.Name)
		}
		if t := c.typeOf(e.X); t != nil {
			return t.Method(e.Name.Name)
		}
	}
	return nil
}

// typeOf is the type of the object that an expression gives, if that is known.
func (c *linter) typeOf(e syntax.Expr) *hostlib.ObjectType { return c.types.Of(e, c.findType) }

func (c *linter) findType(e syntax.Expr) *hostlib.ObjectType {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return c.typeOf(e.X)
	case *syntax.Ident:
		n := c.nameOf(e)
		if n == nil || n.typ != nil || n.busy || len(n.writes) != 1 {
			if n != nil {
				return n.typ
			}
			return nil
		}
		n.busy = true
		if n.value != nil {
			n.typ = c.typeOf(n.value)
		} else if n.in != nil {
			n.typ = c.elemType(n.in)
		}
		n.busy = false
		return n.typ
	case *syntax.CallExpr:
		if f := c.callee(e.Fn); f != nil {
			return c.typeNamed(f.Returns)
		}
	case *syntax.DotExpr:
		if t := c.typeOf(e.X); t != nil {
			if a := t.Attr(e.Name.Name); a != nil {
				return c.typeNamed(a.Type)
			}
		}
	case *syntax.BinaryExpr:
		switch e.Op {
		case syntax.PLUS, syntax.MINUS, syntax.STAR, syntax.SLASH, syntax.SLASHSLASH: // which a decimal gives with whatever it can be used with
			for _, x := range []syntax.Expr{e.X, e.Y} {
				if t := c.typeOf(x); t != nil && t.Name == "decimal" {
					return t
				}
			}
		}
	case *syntax.UnaryExpr:
		if t := c.typeOf(e.X); e.Op == syntax.MINUS && t != nil && t.Name == "decimal" {
			return t
		}
	}
	return nil
}

// elemType is the type of what a loop over an expression gives, if that is known.
func (c *linter) elemType(e syntax.Expr) *hostlib.ObjectType {
	if call, ok := e.(*syntax.CallExpr); ok {
		if f := c.callee(call.Fn); f != nil {
			if of, ok := strings.CutPrefix(f.Returns, "list of "); ok {
				return c.typeNamed(of)
			}
			if of, ok := strings.CutPrefix(f.Returns, "iterator of "); ok {
				return c.typeNamed(of)
			}
		}
	}
	return nil
}

func (c *linter) typeNamed(name string) *hostlib.ObjectType {
	for _, t := range c.tests {
		if t.Name == name {
			return t
		}
	}
	return hostlib.TypeNamed(name)
}

// call checks a call of a function that is known.
func (c *linter) call(e *syntax.CallExpr) {
	if id, ok := e.Fn.(*syntax.Ident); ok && c.shadowed(id, e) {
		return
	}
	args, named, places, more := c.arguments(e)
	f := c.callee(e.Fn)
	if m := c.module(e.Fn); m != nil {
		at, _ := e.Span()
		c.report.Module(spot(at), m.Name, m.Names())
		return
	}
	if f == nil {
		c.ownCall(e, args, named, places, more)
		return
	}
	start, _ := e.Fn.Span()
	spots := make([]hostlib.At, len(places))
	for i, at := range places {
		spots[i] = spot(at)
	}
	c.report.Faults(f, spot(start), spots, f.CheckCall(&c.run.call, args, named, more), "call")
	if f == hostlib.GlobalNamed("job") && c.job != nil {
		c.report.Faults(f, spot(start), spots, hostlib.CheckSettings(&c.run.call, named), "setting")
		return
	}
	c.needsOf(f, e, args, named, places)
	c.marks(f, e, args, places, more)
	if message := argument(f, e, "message"); message != nil {
		at, _ := message.Span()
		c.report.Raised(f, spot(at), c.kindOf(message), `code = "..."`)
	}
	if hostlib.HandsOn(f) && len(e.Args) > 0 && c.callee(e.Args[0]) != nil {
		c.call(&syntax.CallExpr{Fn: e.Args[0], Lparen: e.Lparen, Args: e.Args[1:], Rparen: e.Rparen})
	}
}

// marks tells of statements that have not as many ? as they are given values.
func (c *linter) marks(f *hostlib.Func, e *syntax.CallExpr, args []hostlib.Value, places []syntax.Position, more bool) {
	if len(args) == 0 || len(f.Params) == 0 || f.Params[0].Name != "sql" {
		return
	}
	sql, ok := args[0].(starlark.String)
	if ok && c.loader.Owned != nil {
		c.report.Owned(f, spot(places[0]), string(sql), c.loader.Owned)
	}
	if ok && c.loader.Statement != nil && !(f.Name == "exec" && c.ofTest(e.Fn, 0)) { // which makes tables, too
		c.report.Statement(f, spot(places[0]), string(sql), c.loader.Statement)
	}
	if !ok || more || c.loader.Marks == nil {
		return
	}
	c.report.Marks(f, spot(places[0]), string(sql), len(args)-1, c.loader.Marks)
}

// ofTest says that an expression is a part of t.
func (c *linter) ofTest(e syntax.Expr, depth int) bool {
	if depth > 10 {
		return false
	}
	switch e := c.literal(e).(type) {
	case *syntax.DotExpr:
		return c.ofTest(e.X, depth+1)
	case *syntax.CallExpr:
		return c.ofTest(e.Fn, depth+1)
	case *syntax.Ident:
		return len(c.tests) > 0 && c.typeOf(e) == c.tests[0]
	}
	return false
}

// shadowed tells of fail(message) where fail is the hook.
func (c *linter) shadowed(id *syntax.Ident, e *syntax.CallExpr) bool {
	n := c.nameOf(id)
	if c.job == nil || id.Name != "fail" || n == nil || n.kind != defined || n.scope != resolve.Global || len(e.Args) == len(hostlib.HookNamed("fail").Params) {
		return false
	}
	c.add(id.NamePos, "fail", false, "stop the hook by error(\"...\"), or by ctx.fail(\"...\") for good",
		fmt.Sprintf("fail is the hook of line %d here, not Starlark's fail(message)", n.id.NamePos.Line))
	return true
}

// arguments are those of a call as far as they are known, with where they begin.
func (c *linter) arguments(e *syntax.CallExpr) (args []hostlib.Value, named []hostlib.Named, places []syntax.Position, more bool) {
	var at []syntax.Position
	for _, arg := range e.Args {
		start, _ := arg.Span()
		switch x := arg.(type) {
		case *syntax.BinaryExpr:
			if x.Op == syntax.EQ {
				named = append(named, hostlib.Named{Name: x.X.(*syntax.Ident).Name, Value: c.given(x.Y)})
				at = append(at, start)
				continue
			}
		case *syntax.UnaryExpr:
			if x.Op == syntax.STAR || x.Op == syntax.STARSTAR {
				more = true
				continue
			}
		}
		args, places = append(args, c.given(arg)), append(places, start)
	}
	return args, named, append(places, at...), more
}

// given is what is known of an argument: its value, or what kind of value it is.
func (c *linter) given(e syntax.Expr) hostlib.Value {
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

// ownCall checks a call of a function that the file, or one that it loads, defines.
func (c *linter) ownCall(e *syntax.CallExpr, args []hostlib.Value, named []hostlib.Named, places []syntax.Position, more bool) {
	id, ok := e.Fn.(*syntax.Ident)
	if !ok {
		return
	}
	f := c.signatureOf(id)
	if f == nil {
		return
	}
	given := map[string]bool{}
	for i := range args {
		if i < f.positional {
			given[f.names[i]] = true
		} else if !f.rest {
			c.add(places[i], "call", false, "", fmt.Sprintf("%s: got %d positional arguments, takes at most %d: %s", f.name, len(args), f.positional, f))
			break
		}
	}
	misnamed := more
	for i, arg := range named {
		at := places[len(args)+i]
		switch {
		case given[arg.Name]:
			c.add(at, "call", false, "", fmt.Sprintf("%s: argument %q is given twice", f.name, arg.Name))
		case !slices.Contains(f.names, arg.Name) && !f.others:
			misnamed = true
			c.add(at, "call", false, "", fmt.Sprintf("%s: there is no argument %q%s: %s", f.name, arg.Name, hostlib.Suggest(arg.Name, f.names), f))
		}
		given[arg.Name] = true
	}
	for i, name := range f.names {
		if !given[name] && !misnamed && f.required[i] {
			start, _ := e.Span()
			c.add(start, "call", false, "", fmt.Sprintf("%s: argument %q is missing: %s", f.name, name, f))
		}
	}
}

// signature is how a function of a script is called.
type signature struct {
	name         string
	names        []string // of parameters: positional ones first, then those by name only
	positional   int
	required     []bool
	rest, others bool // *args, **kwargs
}

// String is the head of the function.
func (f *signature) String() string {
	list := slices.Clone(f.names[:f.positional])
	if f.rest {
		list = append(list, "*args")
	} else if len(f.names) > f.positional {
		list = append(list, "*")
	}
	list = append(list, f.names[f.positional:]...)
	if f.others {
		list = append(list, "**kwargs")
	}
	return fmt.Sprintf("%s(%s)", f.name, strings.Join(list, ", "))
}

// takes says whether the function can be called with n positional arguments alone.
func (f *signature) takes(n int) bool {
	required := 0
	for i, needed := range f.required {
		switch {
		case needed && i >= f.positional:
			return false
		case needed:
			required++
		}
	}
	return required <= n && (n <= f.positional || f.rest)
}

// signatureOf is how the function is called that a name stands for; nil if that is
// not known.
func (c *linter) signatureOf(id *syntax.Ident) *signature {
	n := c.nameOf(id)
	if n == nil || len(n.writes) != 1 {
		return nil
	}
	if n.def != nil {
		return signatureOfDef(n.def)
	}
	v, ok := c.loaded[n.id].(*starlark.Function)
	if !ok {
		return nil
	}
	return signatureOfFunction(v)
}

func signatureOfFunction(v *starlark.Function) *signature {
	f := &signature{name: v.Name(), rest: v.HasVarargs(), others: v.HasKwargs(), positional: v.NumParams() - v.NumKwonlyParams()}
	for _, is := range []bool{f.rest, f.others} {
		if is {
			f.positional--
		}
	}
	for i := range f.positional + v.NumKwonlyParams() {
		name, _ := v.Param(i)
		f.names, f.required = append(f.names, name), append(f.required, v.ParamDefault(i) == nil)
	}
	return f
}

func signatureOfDef(def *syntax.DefStmt) *signature {
	f := &signature{name: def.Name.Name}
	star := false
	for _, p := range def.Params {
		switch p := p.(type) {
		case *syntax.UnaryExpr:
			star = true
			f.rest = f.rest || p.Op == syntax.STAR && p.X != nil
			f.others = f.others || p.Op == syntax.STARSTAR
			continue
		case *syntax.BinaryExpr:
			f.names, f.required = append(f.names, p.X.(*syntax.Ident).Name), append(f.required, false)
		case *syntax.Ident:
			f.names, f.required = append(f.names, p.Name), append(f.required, true)
		}
		if !star {
			f.positional++
		}
	}
	return f
}

// keys tells of keys that a dict has twice, which is an error when it is made.
func (c *linter) keys(d *syntax.DictExpr) {
	seen := map[string]syntax.Position{}
	for _, x := range d.List {
		key := x.(*syntax.DictEntry).Key
		v, ok := c.value(key).(starlark.Value)
		if !ok {
			continue
		}
		at, _ := key.Span()
		text := v.String()
		if first, ok := seen[text]; ok {
			c.add(at, "key", false, "", fmt.Sprintf("the key %s is in the dict twice: first in line %d", text, first.Line))
			continue
		}
		seen[text] = at
	}
}
