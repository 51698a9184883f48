package luascript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// sure tells of what fails, or does nothing, whenever it is reached.
func (c *linter) sure() {
	c.twice(c.tree.Body)
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Func:
			c.twice(n.Body)
		case *luasyntax.CallStmt:
			if f := c.callee(n.Call); hostlib.Lazy(f) {
				c.report.NotRun(spot(n.Start()), f)
			}
		case *luasyntax.NumberFor:
			c.fromZero(n)
		case *luasyntax.Index:
			number, isNumber := c.value(n.Key).(lua.LNumber)
			if f := c.lazy(n.X); isNumber && f != nil {
				c.report.NoLength(spot(n.Start()), f, "an element")
			}
			if isNumber && number == 0 && c.isList(n.X) {
				c.add(n.Start(), "index", true, fmt.Sprintf("write %s[1]", short(n.X)), "there is no element 0: lists begin with 1 in Lua")
			}
		case *luasyntax.Binary:
			c.word(n)
		}
		return true
	})
}

// isList says that an expression gives a list of the host library.
func (c *linter) isList(e luasyntax.Expr) bool {
	if n, ok := e.(*luasyntax.Name); ok && n.Binding != nil && c.setsIn(n.Binding) {
		return false // it may be a table that begins with 0
	}
	if f := c.makerOf(e); f != nil {
		return f.Returns == "list" || strings.HasPrefix(f.Returns, "list of ")
	}
	n, ok := e.(*luasyntax.Name)
	if !ok || n.Binding == nil || n.Binding.Loop == nil || n.Binding.Place != 0 || len(n.Binding.Writes) != 1 || len(n.Binding.Loop.Values) != 1 {
		return false
	}
	f := c.makerOf(n.Binding.Loop.Values[0])
	return f != nil && f.Returns == "iterator of list"
}

// fromZero tells of a loop from 0 through a list, of which it reads the element 0, and
// maybe not the last.
func (c *linter) fromZero(s *luasyntax.NumberFor) {
	to := s.To
	less, ok := to.(*luasyntax.Binary)
	if ok && less.Op == "-" && c.value(less.Y) == lua.LNumber(1) {
		to = less.X
	}
	length, ok := to.(*luasyntax.Unary)
	if !ok || length.Op != "#" || c.value(s.From) != lua.LNumber(0) || s.Step != nil || len(s.Var.Binding.Writes) != 1 {
		return
	}
	of, ok := length.X.(*luasyntax.Name)
	if !ok || of.Binding == nil || !c.isList(of) { // one of its own may begin with 0
		return
	}
	var reads luasyntax.Node
	guarded := false
	isIt := func(n luasyntax.Node) bool {
		x, ok := n.(*luasyntax.Index)
		if !ok {
			return false
		}
		list, ok := x.X.(*luasyntax.Name)
		key, isName := x.Key.(*luasyntax.Name)
		return ok && isName && list.Binding == of.Binding && key.Binding == s.Var.Binding
	}
	luasyntax.Walk(s.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.If:
			luasyntax.Walk(n.Cond, func(n luasyntax.Node) bool {
				guarded = guarded || isIt(n)
				return true
			})
		case *luasyntax.Binary:
			guarded = guarded || (n.Op == "and" || n.Op == "or") && isIt(n.X)
		}
		if isIt(n) && reads == nil {
			reads = n
		}
		return true
	})
	if reads != nil && !guarded {
		c.add(reads.Start(), "index", true, fmt.Sprintf("write for %s = 1, #%s do", s.Var.Name, of.Name), fmt.Sprintf("there is no %s[0]: lists begin with 1 in Lua, and end with #%[1]s", of.Name))
	}
}

// setsIn says that the file sets an element of what a name stands for.
func (c *linter) setsIn(b *luasyntax.Binding) (set bool) {
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		if a, ok := n.(*luasyntax.Assign); ok {
			for _, e := range a.Left {
				if x, ok := e.(*luasyntax.Index); ok {
					root, _ := rootOf(x)
					set = set || root != nil && root.Binding == b
				}
			}
		}
		return !set
	})
	return set
}

// lazy is the function that has made the iterator that an expression gives, nil if it
// gives none.
func (c *linter) lazy(e luasyntax.Expr) *hostlib.Func {
	if f := c.makerOf(e); hostlib.Lazy(f) {
		return f
	}
	return nil
}

// word tells of an attribute that is compared with a text that it never is.
func (c *linter) word(e *luasyntax.Binary) {
	if e.Op != "==" && e.Op != "~=" {
		return
	}
	for _, sides := range [][2]luasyntax.Expr{{e.X, e.Y}, {e.Y, e.X}} {
		x, ok := sides[0].(*luasyntax.Index)
		text, isText := c.value(sides[1]).(lua.LString)
		if !ok || !isText {
			continue
		}
		if key, ok := x.Key.(*luasyntax.Literal); ok && key.Kind == luasyntax.String {
			c.report.Word(spot(sides[1].Start()), c.typeOf(x.X), key.Value, string(text))
		}
	}
}

// formatOf is the format of string.format, and what it is given; nil if a call is none
// of it.
func (c *linter) formatOf(e *luasyntax.Call) (format luasyntax.Expr, args []luasyntax.Expr) {
	switch {
	case e.Method != nil && e.Method.Value == "format" && c.typeOf(e.Fn) == nil:
		return e.Fn, e.Args
	case e.Method == nil && luasyntax.Text(e.Fn) == "string.format" && len(e.Args) > 0:
		return e.Args[0], e.Args[1:]
	}
	return nil, nil
}

// filled is a format with what is known of its values: the whole text, or its
// beginning.
func (c *linter) filled(format string, args []luasyntax.Expr) hostlib.Value {
	text := ""
	for {
		before, rest, more := strings.Cut(format, "%")
		text += before
		switch {
		case !more:
			return lua.LString(text)
		case rest == "" || rest[0] != 's' && rest[0] != 'd' || len(args) == 0:
			return hostlib.Beginning(text)
		}
		switch v := c.value(args[0]).(type) {
		case lua.LString:
			text += string(v)
		case lua.LNumber:
			text += numberText(v)
		case hostlib.Beginning:
			return hostlib.Beginning(text) + v
		default:
			return hostlib.Beginning(text)
		}
		format, args = rest[1:], args[1:]
	}
}

// twice tells of a second loop over an iterator, in statements that run one after the
// other.
func (c *linter) twice(stmts []luasyntax.Stmt) {
	first := map[*luasyntax.Binding]luasyntax.Pos{}
	for _, s := range stmts {
		loop, ok := s.(*luasyntax.For)
		if !ok || len(loop.Values) != 1 {
			continue
		}
		n, ok := loop.Values[0].(*luasyntax.Name)
		f := c.lazy(loop.Values[0])
		if !ok || f == nil || n.Binding == nil {
			continue
		}
		if at, ok := first[n.Binding]; ok {
			c.report.Twice(spot(n.Pos), f, n.Name, at.Line)
			continue
		}
		first[n.Binding] = n.Pos
	}
}

// ensureKey tells of columns of a key that ensure does not make.
func (c *linter) ensureKey(f *hostlib.Func, call *luasyntax.Call, columns map[string]bool) {
	list, ok := c.written(c.argument(f, call, "key")).(*luasyntax.Table)
	for i := 0; ok && i < len(list.Fields); i++ {
		field := list.Fields[i]
		if s, isText := c.value(field.Value).(lua.LString); isText && field.Key == nil {
			c.report.Key(f, spot(field.Pos), string(s), columns)
		}
	}
}

// connection is the name of the connection of which a method is called, "" if that is
// not known.
func (c *linter) connection(e *luasyntax.Call) string {
	of := e.Fn
	if x, ok := of.(*luasyntax.Index); ok && e.Method == nil {
		of = x.X
	}
	if b := c.single(of); b != nil && b.Loop == nil {
		of = b.Value
	}
	made, ok := of.(*luasyntax.Call)
	if !ok {
		return ""
	}
	f := c.callee(made)
	if f == nil || f.String() != "db.connect" || len(made.Args) == 0 {
		return ""
	}
	name, _ := c.value(made.Args[0]).(lua.LString)
	return string(name)
}

// hookFacts notes what can be seen of hooks.
func (c *linter) hookFacts(facts *hostlib.HookFacts) {
	for _, h := range hostlib.Hooks {
		fn := c.hook(h.Name)
		if fn == nil {
			continue
		}
		var names []string
		for _, p := range fn.Params {
			names = append(names, p.Name)
		}
		switch {
		case len(names) > len(h.Params):
			c.report.HookTakes(h, spot(c.tree.Globals[h.Name].Writes[0].Pos), fmt.Sprintf("%s(%s)", h.Name, strings.Join(names, ", ")))
		case len(names) > 0:
			c.report.HookParams(h, names, spot(fn.Params[0].Pos))
		}
		if h.Name == engine.PhaseConsume.String() || h.Name == hostlib.RedriveHook {
			c.eachCtx(fn, func(method string, _ *luasyntax.Call) {
				facts.Feeds = facts.Feeds || method == "" || method == "emit" || method == "emit_all"
			})
			facts.Feeds = facts.Feeds || fn.Rest
		}
	}
	produce := c.hook(engine.PhaseProduce.String())
	if produce == nil {
		return
	}
	all := 0
	facts.Always = c.ends(produce.Body)
	luasyntax.Walk(produce.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Func:
			return false
		case *luasyntax.Return:
			all++
			facts.Always = facts.Always && c.isPayload(n)
		}
		return true
	})
	facts.Always = facts.Always && all > 0
	if c.hook(engine.PhaseConsume.String()) == nil {
		return
	}
	for _, s := range produce.Body {
		switch s := s.(type) {
		case *luasyntax.CallStmt:
			f := c.callee(s.Call)
			if facts.EmitLine > 0 || f == nil || f.String() != "ctx.emit" {
				continue
			}
			if a := c.arguments(f, s.Call); !a.more && a.exprs["key"] == nil && len(a.args) == 1 { // whose key may be there
				facts.EmitLine = s.Start().Line
			}
		case *luasyntax.Return:
			if facts.EmitLine > 0 && c.isPayload(s) {
				at := spot(s.Values[0].Start())
				facts.Both = &at
			}
		}
	}
}

// isPayload says that what is returned is surely something.
func (c *linter) isPayload(s *luasyntax.Return) bool {
	if len(s.Values) == 0 {
		return false
	}
	kind := c.kindOf(s.Values[0])
	return kind != "" && kind != "nil" && kind != "null"
}

// ends says that statements never come to their end: each way returns, or fails.
func (c *linter) ends(stmts []luasyntax.Stmt) bool {
	if slices.ContainsFunc(stmts, func(s luasyntax.Stmt) bool { _, ok := s.(*luasyntax.Label); return ok }) {
		return false
	}
	return slices.ContainsFunc(stmts, func(s luasyntax.Stmt) bool {
		switch s := s.(type) {
		case *luasyntax.Return:
			return true
		case *luasyntax.Do:
			return c.ends(s.Body)
		case *luasyntax.If:
			return s.HasElse && c.ends(s.Then) && c.ends(s.Else)
		case *luasyntax.CallStmt:
			return hostlib.NeverBack(c.callee(s.Call))
		}
		return false
	})
}
