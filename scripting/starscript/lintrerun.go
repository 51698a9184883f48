package starscript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What is sent, by what is not known to the one who gets it twice. Notifications
// are not sent again, PUT and DELETE do the same again.
var sending = []string{"http.post", "http.patch", "client.post", "client.patch"}

// What commits in the middle of a hook: it does not run again from its beginning.
var committing = []string{"ctx.checkpoint", "ctx.batches", "ctx.emit_all"}

// doings are what a hook does by itself, and by functions of the file that it calls.
type doings struct {
	c       *linter
	seen    map[*syntax.DefStmt]bool
	sends   []*syntax.CallExpr
	read    map[string]bool            // values of state and vars, such as `vars "n"`
	set     map[string]syntax.Position // and where
	commits bool
}

// reruns tells of requests in consume that are made again when the hook runs again
// because another job has changed a value meanwhile that it reads and sets. Items run
// side by side, so that is sure to happen; with one slot, or in produce, it is not.
func (c *linter) reruns() {
	if c.job == nil || c.job.Settings.WithDefaults().Slots[engine.PhaseConsume] == 1 {
		return
	}
	for _, s := range c.tree.Stmts {
		def, ok := s.(*syntax.DefStmt)
		if !ok || def.Name.Name != engine.PhaseConsume.String() {
			continue
		}
		d := doings{c: c, seen: map[*syntax.DefStmt]bool{}, read: map[string]bool{}, set: map[string]syntax.Position{}}
		d.body(def)
		if d.commits {
			return
		}
		var both []string
		for what := range d.set {
			if d.read[what] {
				both = append(both, what)
			}
		}
		if len(both) == 0 {
			return
		}
		what := slices.Min(both)
		for _, e := range d.sends {
			start, _ := e.Fn.Span()
			c.add(start, "rerun", true, "send it by ctx.on_commit(fn), with a header Idempotency-Key, or keep the count by ctx.count or in a table",
				fmt.Sprintf("this is sent again when another job changes %s meanwhile, which the hook reads, and sets in line %d: it runs again then", what, d.set[what].Line))
		}
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
	name := f.String()
	switch {
	case slices.Contains(sending, name):
		if !d.c.knownAgain(e) {
			d.sends = append(d.sends, e)
		}
	case slices.Contains(committing, name):
		d.commits = true
	case f.Module == "state" || f.Module == "vars":
		args, _, _, _ := d.c.arguments(e)
		if len(args) == 0 {
			return
		}
		key, ok := args[0].(starlark.String)
		if !ok {
			return
		}
		start, _ := e.Span()
		switch what := f.Module + " " + key.String(); f.Name {
		case "get":
			d.read[what] = true
		case "set":
			d.set[what] = start
		}
	}
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
