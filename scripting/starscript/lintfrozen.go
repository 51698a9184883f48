package starscript

import (
	"fmt"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// changing are the methods that change a list, a dict or a set.
var changing = []string{"append", "extend", "insert", "add", "update", "clear"}

// removing are those that take something out of one, or put it in where it is missing.
var removing = []string{"pop", "popitem", "remove", "setdefault", "discard"}

// frozen tells of hooks that change a list, a dict or a set of the top level, which
// cannot be changed any more when they run. What a function changes is not told of:
// the top level may call it.
func (c *linter) frozen() {
	if c.job == nil {
		return
	}
	tell := func(e syntax.Expr, at syntax.Position) {
		id, ok := e.(*syntax.Ident)
		if !ok || scopeOf(id) != resolve.Global {
			return
		}
		switch c.file.globals[id.Name].(type) {
		case *starlark.List, *starlark.Dict, *starlark.Set:
			c.add(at, "global", false, "keep the value by state.set(name, value) or vars.set(name, value), or make it in the hook",
				fmt.Sprintf("%s cannot be changed in a hook: globals are frozen after the script is loaded", id.Name))
		}
	}
	for _, s := range c.tree.Stmts {
		def, ok := s.(*syntax.DefStmt)
		if !ok || hostlib.HookNamed(def.Name.Name) == nil {
			continue
		}
		c.changes(def, tell)
	}
}

// payload is a dict or a list that a hook surely returns as it stands; nil if there
// is none.
func payload(body []syntax.Stmt) (found syntax.Expr) {
	for _, s := range body {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr:
				return false
			case *syntax.ReturnStmt:
				switch n.Result.(type) {
				case *syntax.DictExpr, *syntax.ListExpr:
					if found == nil {
						found = n.Result
					}
				}
			}
			return true
		})
	}
	return found
}
