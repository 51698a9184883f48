package starscript

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// unused tells of names that are set and not used. Names that begin with _ are
// meant so; names of several that are set at once, of loops and of parameters may
// be there for the others.
func (c *linter) unused() {
	var others map[string]bool // what the script's tests load
	for _, n := range c.names {
		id := n.id
		if len(n.uses) > 0 || id.Name == "_" || n.kind == unpacked || n.kind == looped || n.kind == comprehended || n.kind == param {
			continue
		}
		switch {
		case n.kind == loadedName:
			c.add(id.NamePos, "unused", true, "leave it out of load(...)", fmt.Sprintf("%s is loaded and not used", id.Name))
		case n.scope != resolve.Global && strings.HasPrefix(id.Name, "_"):
		case n.scope != resolve.Global && n.kind == defined:
			c.add(id.NamePos, "unused", true, "", fmt.Sprintf("nothing calls %s", id.Name))
		case n.scope != resolve.Global:
			c.add(id.NamePos, "unused", true, "leave it out, or begin its name with _", fmt.Sprintf("%s is set and not used", id.Name))
		case c.job == nil && !c.isTest && !strings.HasPrefix(id.Name, "_"): // others may load it
		case hostlib.TestNamed(id.Name) != nil && (n.kind == defined || c.file.hasTest(id.Name) || len(c.file.errs) > 0): // what made it may not have run
		case c.job != nil && hostlib.HookNamed(id.Name) != nil:
		default:
			if others == nil {
				others = c.loadsOfTest()
			}
			if !others[id.Name] {
				c.unusedGlobal(n)
			}
		}
	}
}

func (c *linter) unusedGlobal(n *name) {
	id := n.id
	if n.kind != defined {
		c.add(id.NamePos, "unused", true, "leave it out", fmt.Sprintf("%s is set and not used", id.Name))
		return
	}
	hint := ""
	switch {
	case c.isTest:
		hint = hostlib.MeantTest(id.Name)
	case c.job != nil:
		hint = hostlib.MeantHook(id.Name, func(hook string) bool { return c.file.places[hook].Line != 0 })
	}
	c.add(id.NamePos, "unused", true, cmp.Or(hint, "leave it out"), fmt.Sprintf("nothing calls %s", id.Name))
}

// hooks tells of hooks that never run.
func (c *linter) hooks() {
	if c.job == nil {
		return
	}
	defs := map[string]*syntax.DefStmt{}
	for _, s := range c.tree.Stmts {
		if def, ok := s.(*syntax.DefStmt); ok && hostlib.HookNamed(def.Name.Name) != nil {
			defs[def.Name.Name] = def
		}
	}
	facts := hostlib.HookFacts{At: map[string]hostlib.At{}, Unseen: map[string]bool{}}
	for _, n := range c.names {
		if name := n.id.Name; n.scope == resolve.Global && hostlib.HookNamed(name) != nil && len(n.writes) > 0 {
			facts.At[name], facts.Unseen[name] = spot(n.id.NamePos), defs[name] == nil
		}
	}
	if p := defs["produce"]; p != nil {
		facts.Emits, facts.EmitsHere, facts.Returns = c.emits(p), c.emitsHere(p), returns(p.Body)
		if at := payload(p.Body); at != nil {
			start, _ := at.Span()
			where := spot(start)
			facts.Payload = &where
		}
	}
	c.hookFacts(&facts, defs)
	c.report.Hooks(facts)
}

// emits says that a hook may emit items: it calls ctx.emit or its like, or gives
// ctx away.
func (c *linter) emits(def *syntax.DefStmt) (found bool) {
	c.eachCtx(def, func(method string, _ *syntax.CallExpr) {
		found = found || method == "" || method == "emit" || method == "emit_all"
	})
	return found
}

// emitsHere says that a hook emits items for its own type.
func (c *linter) emitsHere(def *syntax.DefStmt) (found bool) {
	c.eachCtx(def, func(method string, call *syntax.CallExpr) {
		if (method != "emit" && method != "emit_all") || call == nil {
			return
		}
		for _, arg := range call.Args {
			switch x := arg.(type) {
			case *syntax.BinaryExpr:
				if x.Op == syntax.EQ && x.X.(*syntax.Ident).Name == "type" {
					return
				}
			case *syntax.UnaryExpr:
				if x.Op == syntax.STARSTAR {
					return
				}
			}
		}
		found = true
	})
	return found
}

// eachCtx calls a function for each use of a hook's ctx, with the method that is
// named; "" where ctx itself is used.
func (c *linter) eachCtx(def *syntax.DefStmt, each func(method string, call *syntax.CallExpr)) {
	if len(def.Params) == 0 {
		return
	}
	id, ok := def.Params[0].(*syntax.Ident)
	if !ok {
		each("", nil)
		return
	}
	ctx := c.nameOf(id)
	isCtx := func(e syntax.Expr) bool {
		id, ok := e.(*syntax.Ident)
		return ok && ctx != nil && c.nameOf(id) == ctx
	}
	for _, s := range def.Body {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.CallExpr:
				if d, ok := n.Fn.(*syntax.DotExpr); ok && isCtx(d.X) {
					each(d.Name.Name, n)
				}
			case *syntax.DotExpr:
				if isCtx(n.X) {
					each(n.Name.Name, nil)
					return false
				}
			case *syntax.Ident:
				if isCtx(n) {
					each("", nil)
				}
			}
			return true
		})
	}
}

// returns says that statements return something other than None.
func returns(body []syntax.Stmt) (found bool) {
	for _, s := range body {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt:
				return false
			case *syntax.ReturnStmt:
				id, ok := n.Result.(*syntax.Ident)
				found = found || n.Result != nil && !(ok && id.Name == "None")
			}
			return true
		})
	}
	return found
}
