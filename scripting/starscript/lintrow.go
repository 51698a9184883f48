package starscript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// Rows are dicts, and items are data: neither has elements by a name after a dot, as
// objects of other languages do.

// passing are functions of iter that give elements of what they are given, by the
// place of that among their arguments.
var passing = map[string]int{"iter.filter": 1, "iter.take": 0, "iter.skip": 0, "iter.dedupe": 0, "iter.sort": 0, "iter.sorted": 0}

// elemKind is the kind of what a loop over an expression gives, "" if that is not known.
func (c *linter) elemKind(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return c.elemKind(e.X)
	case *syntax.ListExpr:
		return common(e.List, c.kindOf)
	case *syntax.Comprehension:
		if !e.Curly {
			return c.kindOf(e.Body)
		}
	case *syntax.Ident:
		n := c.nameOf(e)
		if n == nil || n.busy {
			return ""
		}
		n.busy = true
		defer func() { n.busy = false }()
		switch {
		case n.value != nil && len(n.writes) == 1:
			return c.elemKind(n.value)
		case len(n.ins) == len(n.writes):
			return common(n.ins, c.batchKind)
		}
	case *syntax.CallExpr:
		return c.givesKind(e)
	}
	return ""
}

// common is what all of some expressions are, "" if they differ.
func common(list []syntax.Expr, kindOf func(e syntax.Expr) string) (kind string) {
	for i, e := range list {
		switch k := kindOf(e); {
		case i == 0:
			kind = k
		case k != kind:
			return ""
		}
	}
	return kind
}

// batchKind is the kind of what the lists have that a loop by batches gives.
func (c *linter) batchKind(e syntax.Expr) string {
	call, ok := e.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	if f := c.callee(call.Fn); f == nil || f.String() != "ctx.batches" && f.String() != "iter.batch" {
		return ""
	}
	return c.elemKind(call.Args[0])
}

// givesKind is the kind of what a loop over what a call gives gives.
func (c *linter) givesKind(e *syntax.CallExpr) string {
	f := c.callee(e.Fn)
	if f == nil {
		if fn, ok := e.Fn.(*syntax.Ident); ok && scopeOf(fn) == resolve.Universal && slices.Contains([]string{"list", "sorted", "reversed"}, fn.Name) && len(e.Args) > 0 {
			return c.elemKind(e.Args[0])
		}
		return ""
	}
	if i, ok := passing[f.String()]; ok && i < len(e.Args) {
		return c.elemKind(e.Args[i])
	}
	_, of, _ := strings.Cut(f.Returns, " of ")
	if !slices.Contains([]string{"dict", "list", "string"}, of) || setsHeader(f, e) {
		return ""
	}
	return of
}

// setsHeader says that a call of a reader may say that its rows are lists.
func setsHeader(f *hostlib.Func, e *syntax.CallExpr) bool {
	at := slices.IndexFunc(f.Params, func(p hostlib.Param) bool { return p.Name == "header" })
	if at < 0 {
		return false
	}
	for i, arg := range e.Args {
		switch x := arg.(type) {
		case *syntax.UnaryExpr:
			if x.Op == syntax.STAR || x.Op == syntax.STARSTAR {
				return true
			}
		case *syntax.BinaryExpr:
			if x.Op == syntax.EQ {
				if id, ok := x.X.(*syntax.Ident); ok && id.Name == "header" {
					return true
				}
				continue
			}
		}
		if i == at && !f.Params[at].Named {
			return true
		}
	}
	return false
}

// ofItem tells of a name that objects have and data has not, where a hook's item is
// asked for it; false if that is not so.
func (c *linter) ofItem(d *syntax.DotExpr) bool {
	id, ok := d.X.(*syntax.Ident)
	if !ok {
		return false
	}
	n, name := c.nameOf(id), d.Name.Name
	if n == nil || !n.item || !c.anybody(name) {
		return false
	}
	for _, kind := range []string{"dict", "list", "string"} {
		if slices.Contains(kinds[kind], name) {
			return false
		}
	}
	c.add(d.Name.NamePos, "name", false, fmt.Sprintf("of a dict: %s[%q]", id.Name, name), fmt.Sprintf("%s is data, which has no %q", id.Name, name))
	return true
}
