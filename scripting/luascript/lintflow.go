package luascript

import (
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// block looks at statements that run one after the other for what is never reached. It
// says whether what follows them is not.
func (c *linter) block(stmts []luasyntax.Stmt) (ends bool) {
	told := false
	for _, s := range stmts {
		if _, ok := s.(*luasyntax.Label); ok { // a goto leads there
			ends = false
		}
		if ends && !told {
			c.add(s.Start(), "unreachable", true, "", "this is never reached: what is before it ends here")
			told = true
		}
		luasyntax.Walk(s, func(n luasyntax.Node) bool { // functions
			fn, ok := n.(*luasyntax.Func)
			if ok {
				c.block(fn.Body)
			}
			return !ok && !within(s, n)
		})
		switch s := s.(type) {
		case *luasyntax.Do:
			ends = c.block(s.Body) || ends
		case *luasyntax.While:
			c.block(s.Body)
		case *luasyntax.Repeat:
			c.block(s.Body)
		case *luasyntax.NumberFor:
			c.block(s.Body)
		case *luasyntax.For:
			c.block(s.Body)
		case *luasyntax.If:
			a := c.block(s.Then)
			b := c.block(s.Else)
			ends = ends || a && b && s.HasElse
		case *luasyntax.Return, *luasyntax.Break, *luasyntax.Goto:
			ends = true
		case *luasyntax.CallStmt:
			ends = ends || hostlib.NeverBack(c.callee(s.Call))
		}
	}
	return ends
}

// within says that a node is a statement in a block of another one.
func within(s luasyntax.Stmt, n luasyntax.Node) bool {
	if n == s {
		return false
	}
	switch n.(type) {
	case *luasyntax.Local, *luasyntax.Assign, *luasyntax.CallStmt, *luasyntax.Do, *luasyntax.While, *luasyntax.Repeat, *luasyntax.If,
		*luasyntax.NumberFor, *luasyntax.For, *luasyntax.FuncStmt, *luasyntax.Return:
		return true
	}
	return false
}

// doings are what a hook does by itself, and by functions of the file that it calls.
type doings struct {
	hostlib.Doings
	c    *linter
	seen map[*luasyntax.Func]bool
}

// reruns tells of requests that are made again when consume runs again.
func (c *linter) reruns() {
	fn := c.hook(engine.PhaseConsume.String())
	if fn == nil || c.job.Settings.WithDefaults().Slots[engine.PhaseConsume] == 1 {
		return
	}
	d := doings{c: c, seen: map[*luasyntax.Func]bool{}}
	d.body(fn)
	c.report.Reruns(&d.Doings)
}

// body goes through a function. What stands in functions of its own in it is called
// elsewhere, after the commit perhaps.
func (d *doings) body(fn *luasyntax.Func) {
	if d.seen[fn] {
		return
	}
	d.seen[fn] = true
	luasyntax.Walk(fn.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Func:
			return false
		case *luasyntax.Call:
			d.call(n)
		}
		return true
	})
}

func (d *doings) call(e *luasyntax.Call) {
	f := d.c.callee(e)
	if f == nil {
		if b := d.c.single(e.Fn); b != nil && e.Method == nil {
			if fn, ok := b.Value.(*luasyntax.Func); ok {
				d.body(fn)
			}
		}
		return
	}
	a := d.c.arguments(f, e)
	name := ""
	if len(a.args) > 0 {
		if key, ok := a.args[0].(lua.LString); ok {
			name = string(key)
		}
	}
	d.Call(f, spot(e.Start()), spot(e.Start()), name, a.more || d.c.knownAgain(a.exprs["headers"]))
}

// knownAgain says that the headers of a request may tell its receiver that it comes
// twice: by Idempotency-Key, or they are not known.
func (c *linter) knownAgain(headers luasyntax.Expr) bool {
	if headers == nil {
		return false
	}
	t, ok := headers.(*luasyntax.Table)
	if !ok {
		return true
	}
	for _, f := range t.Fields {
		if f.Key == nil {
			continue
		}
		key, ok := c.value(f.Key).(lua.LString)
		if !ok || strings.EqualFold(string(key), "Idempotency-Key") {
			return true
		}
	}
	return false
}

// declared is what job() says that the script needs; nil if that is not known.
func (c *linter) declared() (needs *hostlib.Needs) {
	switch {
	case c.job == nil:
		return nil
	case c.loads:
		return c.job.Needs
	}
	// It could not be loaded: what stands in the call is known.
	calls := 0
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		call, ok := n.(*luasyntax.Call)
		if !ok || c.callee(call) != hostlib.GlobalNamed("job") {
			return true
		}
		a := c.arguments(hostlib.GlobalNamed("job"), call)
		if calls++; calls > 1 || a.more || len(a.args) > 0 {
			needs = nil
			return true
		}
		needs = &hostlib.Needs{}
		for _, arg := range a.named {
			if arg.Name != "needs" {
				continue
			}
			needs = nil
			values, ok := c.plain(arg.Value).([]hostlib.Value)
			lines := make([]string, len(values))
			for i, v := range values {
				if lines[i], ok = v.(string); !ok {
					return true
				}
			}
			if parsed, err := hostlib.ParseNeeds(lines); ok && err == nil {
				needs = parsed
			}
		}
		return true
	})
	if calls == 0 {
		return &hostlib.Needs{}
	}
	return needs
}
