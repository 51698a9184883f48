package starscript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// sure tells of what fails, or does nothing, whenever it is reached.
func (c *linter) sure() {
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			c.recursive(n)
			c.twice(n.Body)
		case *syntax.ExprStmt:
			if call, ok := n.X.(*syntax.CallExpr); ok {
				if f := c.callee(call.Fn); hostlib.Lazy(f) {
					start, _ := call.Span()
					c.report.NotRun(spot(start), f)
				}
			}
		case *syntax.CallExpr:
			if id, ok := n.Fn.(*syntax.Ident); ok && id.Name == "len" && scopeOf(id) == resolve.Universal && len(n.Args) == 1 {
				if f := c.lazy(n.Args[0]); f != nil {
					c.report.NoLength(spot(id.NamePos), f, "the length")
				}
			}
		case *syntax.IndexExpr:
			if f := c.lazy(n.X); f != nil {
				c.report.NoLength(spot(n.Lbrack), f, "an element")
			}
		case *syntax.BinaryExpr:
			c.word(n)
			c.percent(n)
		}
		return true
	})
	for _, s := range c.tree.Stmts {
		if def, ok := s.(*syntax.DefStmt); ok {
			c.defaults(def)
		}
	}
}

// lazy is the function that has made the iterator that an expression gives, nil if it
// gives none.
func (c *linter) lazy(e syntax.Expr) *hostlib.Func {
	if call, ok := c.literal(e).(*syntax.CallExpr); ok {
		if f := c.callee(call.Fn); hostlib.Lazy(f) {
			return f
		}
	}
	return nil
}

// recursive tells of a function that calls itself.
func (c *linter) recursive(def *syntax.DefStmt) {
	of := c.nameOf(def.Name)
	if of == nil || len(of.writes) != 1 {
		return
	}
	for _, s := range def.Body {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr: // it may be run when the call is over
				return false
			}
			call, ok := n.(*syntax.CallExpr)
			if !ok {
				return true
			}
			if id, ok := call.Fn.(*syntax.Ident); ok && c.nameOf(id) == of {
				c.add(id.NamePos, "recursion", false, "loop over a list to which what is left to do is added, with a bound", fmt.Sprintf("%s calls itself, which Starlark does not allow", id.Name))
			}
			return true
		})
	}
}

// defaults tells of a list, or a dict, that is a default of a function of the top level
// and that the function changes: it is frozen when the script is loaded.
func (c *linter) defaults(def *syntax.DefStmt) {
	made := map[*name]bool{}
	for _, p := range def.Params {
		b, ok := p.(*syntax.BinaryExpr)
		if !ok {
			continue
		}
		switch b.Y.(type) {
		case *syntax.ListExpr, *syntax.DictExpr:
			if n := c.nameOf(b.X.(*syntax.Ident)); n != nil && len(n.writes) == 1 {
				made[n] = true
			}
		}
	}
	tell := func(e syntax.Expr, at syntax.Position) {
		if id, ok := e.(*syntax.Ident); ok && made[c.nameOf(id)] {
			c.add(at, "default", true, fmt.Sprintf("write %s = None, and make it in the function", id.Name),
				fmt.Sprintf("%s cannot be changed where %s is called without it: defaults are frozen once the script is loaded", id.Name, def.Name.Name))
		}
	}
	if len(made) > 0 {
		c.changes(def, tell)
	}
}

// changes calls a function for each list, dict or set that a function changes.
func (c *linter) changes(def *syntax.DefStmt, tell func(e syntax.Expr, at syntax.Position)) {
	syntax.Walk(def, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			if to, ok := n.LHS.(*syntax.IndexExpr); ok {
				start, _ := n.LHS.Span()
				tell(to.X, start)
			}
		case *syntax.CallExpr:
			if d, ok := n.Fn.(*syntax.DotExpr); ok && slices.Contains(changing, d.Name.Name) {
				tell(d.X, d.Name.NamePos)
			}
		}
		return true
	})
}

// word tells of an attribute that is compared with a text that it never is.
func (c *linter) word(e *syntax.BinaryExpr) {
	if e.Op != syntax.EQL && e.Op != syntax.NEQ {
		return
	}
	for _, sides := range [][2]syntax.Expr{{e.X, e.Y}, {e.Y, e.X}} {
		d, ok := sides[0].(*syntax.DotExpr)
		text, isText := c.value(sides[1]).(starlark.String)
		if ok && isText {
			at, _ := sides[1].Span()
			c.report.Word(spot(at), c.typeOf(d.X), d.Name.Name, string(text))
		}
	}
}

// percent tells of a format that does not fit, or is none.
func (c *linter) percent(e *syntax.BinaryExpr) {
	format, ok := c.value(e.X).(starlark.String)
	if e.Op != syntax.PERCENT || !ok {
		return
	}
	given := 1
	switch y := c.literal(unwrapped(e.Y)).(type) {
	case *syntax.TupleExpr:
		given = len(y.List)
	default:
		switch c.kindOf(y) {
		case "string", "int", "float", "bool", "list":
		default:
			given = -1
		}
	}
	start, _ := e.Y.Span()
	c.report.Formatted(spot(start), string(format), given)
}

func unwrapped(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}

// twice tells of a second loop over an iterator, in statements that run one after the
// other.
func (c *linter) twice(stmts []syntax.Stmt) {
	first := map[*name]syntax.Position{}
	for _, s := range stmts {
		loop, ok := s.(*syntax.ForStmt)
		if !ok {
			continue
		}
		id, ok := loop.X.(*syntax.Ident)
		if !ok {
			continue
		}
		n := c.nameOf(id)
		f := c.lazy(id)
		if n == nil || f == nil || n.scope == resolve.Global {
			continue
		}
		if at, ok := first[n]; ok {
			c.report.Twice(spot(id.NamePos), f, id.Name, int(at.Line))
			continue
		}
		first[n] = id.NamePos
	}
}

// ensureKey tells of columns of a key that ensure does not make.
func (c *linter) ensureKey(f *hostlib.Func, call *syntax.CallExpr, columns map[string]bool) {
	list, ok := c.literal(argument(f, call, "key")).(*syntax.ListExpr)
	for i := 0; ok && i < len(list.List); i++ {
		if s, ok := c.value(list.List[i]).(starlark.String); ok {
			at, _ := list.List[i].Span()
			c.report.Key(f, spot(at), string(s), columns)
		}
	}
}

// connection is the name of the connection of which a method is called, "" if that is
// not known.
func (c *linter) connection(e *syntax.CallExpr) string {
	d, ok := e.Fn.(*syntax.DotExpr)
	if !ok {
		return ""
	}
	made, ok := c.literal(d.X).(*syntax.CallExpr)
	if !ok {
		return ""
	}
	f := c.callee(made.Fn)
	if f == nil || f.String() != "db.connect" {
		return ""
	}
	name, _ := c.value(argument(f, made, "name")).(starlark.String)
	return string(name)
}

// hookFacts notes what can be seen of produce and consume.
func (c *linter) hookFacts(facts *hostlib.HookFacts, defs map[string]*syntax.DefStmt) {
	for _, name := range []string{engine.PhaseConsume.String(), hostlib.RedriveHook} {
		if def := defs[name]; def != nil {
			facts.Feeds = facts.Feeds || c.emits(def)
		}
	}
	for name, def := range defs {
		h := hostlib.HookNamed(name)
		if s := signatureOfDef(def); !s.takes(len(h.Params)) {
			c.report.HookTakes(h, spot(def.Name.NamePos), s.String())
			continue
		}
		var names []string
		for _, p := range def.Params {
			if id, ok := p.(*syntax.Ident); ok {
				names = append(names, id.Name)
			}
		}
		if len(names) > 0 && len(names) == len(def.Params) {
			c.report.HookParams(h, names, spot(def.Params[0].(*syntax.Ident).NamePos))
		}
	}
	produce := defs[engine.PhaseProduce.String()]
	if produce == nil {
		return
	}
	all := 0
	facts.Always = c.ends(produce.Body)
	for _, s := range produce.Body {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr:
				return false
			case *syntax.ReturnStmt:
				all++
				facts.Always = facts.Always && c.isPayload(n.Result)
			}
			return true
		})
	}
	facts.Always = facts.Always && all > 0
	if defs[engine.PhaseConsume.String()] == nil {
		return
	}
	for _, s := range produce.Body {
		switch s := s.(type) {
		case *syntax.ExprStmt:
			if call, ok := s.X.(*syntax.CallExpr); ok && facts.EmitLine == 0 && c.surelyEmits(call) {
				start, _ := call.Span()
				facts.EmitLine = int(start.Line)
			}
		case *syntax.ReturnStmt:
			if facts.EmitLine > 0 && c.isPayload(s.Result) {
				start, _ := s.Result.Span()
				at := spot(start)
				facts.Both = &at
			}
		}
	}
}

// surelyEmits says that a call makes an item: it has no key, which may be there.
func (c *linter) surelyEmits(call *syntax.CallExpr) bool {
	f := c.callee(call.Fn)
	return f != nil && f.String() == "ctx.emit" && len(call.Args) > 0 && !slices.ContainsFunc(call.Args, func(arg syntax.Expr) bool {
		switch x := arg.(type) {
		case *syntax.BinaryExpr:
			return x.Op == syntax.EQ && x.X.(*syntax.Ident).Name == "key"
		case *syntax.UnaryExpr:
			return x.Op == syntax.STAR || x.Op == syntax.STARSTAR
		}
		return false
	})
}

// isPayload says that an expression is surely not None.
func (c *linter) isPayload(e syntax.Expr) bool {
	if e == nil {
		return false
	}
	kind := c.kindOf(e)
	return kind != "" && kind != "NoneType"
}

// ends says that statements never come to their end: each way returns, or fails.
func (c *linter) ends(stmts []syntax.Stmt) bool {
	return slices.ContainsFunc(stmts, func(s syntax.Stmt) bool {
		switch s := s.(type) {
		case *syntax.ReturnStmt:
			return true
		case *syntax.IfStmt:
			return len(s.False) > 0 && c.ends(s.True) && c.ends(s.False)
		case *syntax.ExprStmt:
			return c.endsWith(s)
		}
		return false
	})
}

// filled is a format with what is known of its values: the whole text, or its beginning.
// The format has a mark for each value.
func (c *linter) filled(format, mark string, values []syntax.Expr) hostlib.Value {
	text := ""
	for {
		before, rest, more := strings.Cut(format, mark)
		if i := strings.IndexAny(before, "%{}"); i >= 0 { // something else
			return hostlib.Beginning(text + before[:i])
		}
		text += before
		switch {
		case !more:
			return starlark.String(text)
		case len(values) == 0:
			return hostlib.Beginning(text)
		}
		switch v := c.value(values[0]).(type) {
		case starlark.String:
			text += string(v)
		case starlark.Int:
			text += v.String()
		case hostlib.Beginning:
			return hostlib.Beginning(text) + v
		default:
			return hostlib.Beginning(text)
		}
		format, values = rest, values[1:]
	}
}
