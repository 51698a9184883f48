package starscript

import (
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// doings are what a hook does by itself, and by functions of the file that it calls.
type doings struct {
	hostlib.Doings
	c    *linter
	seen map[*syntax.DefStmt]bool
}

// reruns tells of requests that are made again when consume runs again.
func (c *linter) reruns() {
	if c.job == nil || c.job.Settings.WithDefaults().Slots[engine.PhaseConsume] == 1 {
		return
	}
	for _, s := range c.tree.Stmts {
		def, ok := s.(*syntax.DefStmt)
		if !ok || def.Name.Name != engine.PhaseConsume.String() {
			continue
		}
		d := doings{c: c, seen: map[*syntax.DefStmt]bool{}}
		d.body(def)
		c.report.Reruns(&d.Doings)
	}
}

// body goes through a function. What stands in functions of its own in it is called
// elsewhere, after the commit perhaps.
func (d *doings) body(def *syntax.DefStmt) {
	if d.seen[def] {
		return
	}
	d.seen[def] = true
	for _, s := range def.Body {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr:
				return false
			case *syntax.CallExpr:
				d.call(n)
			}
			return true
		})
	}
}

func (d *doings) call(e *syntax.CallExpr) {
	f := d.c.callee(e.Fn)
	if f == nil {
		if id, ok := e.Fn.(*syntax.Ident); ok {
			if n := d.c.nameOf(id); n != nil && n.def != nil && len(n.writes) == 1 {
				d.body(n.def)
			}
		}
		return
	}
	fn, _ := e.Fn.Span()
	start, _ := e.Span()
	name := ""
	if args, _, _, _ := d.c.arguments(e); len(args) > 0 {
		if key, ok := args[0].(starlark.String); ok {
			name = string(key)
		}
	}
	d.Call(f, spot(fn), spot(start), name, d.c.knownAgain(e))
}

// knownAgain says that a request may carry what tells its receiver that it comes
// twice: a header Idempotency-Key, or headers that are not known.
func (c *linter) knownAgain(e *syntax.CallExpr) bool {
	_, named, _, more := c.arguments(e)
	i := slices.IndexFunc(named, func(n hostlib.Named) bool { return n.Name == "headers" })
	if more || i < 0 {
		return more
	}
	dict, ok := e.Args[len(e.Args)-len(named)+i].(*syntax.BinaryExpr).Y.(*syntax.DictExpr)
	if !ok {
		return true
	}
	return slices.ContainsFunc(dict.List, func(x syntax.Expr) bool {
		key, ok := c.value(x.(*syntax.DictEntry).Key).(starlark.String)
		return !ok || strings.EqualFold(string(key), "Idempotency-Key")
	})
}
