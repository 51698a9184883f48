package luascript

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
)

// What is true and what is false in Lua is not what other languages have.

// truths tells of what is asked whether it is true, and always is.
func (c *linter) truths() {
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.If:
			c.condition(n.Cond)
		case *luasyntax.While:
			c.condition(n.Cond)
		case *luasyntax.Repeat:
			c.condition(n.Cond)
		case *luasyntax.Unary:
			if n.Op == "not" {
				c.asked(n.X, "==")
			}
		case *luasyntax.Binary:
			if n.Op == "and" && !guards(n) {
				c.condition(n.X)
			}
		}
		return true
	})
}

// condition looks at what decides a branch, or a loop.
func (c *linter) condition(e luasyntax.Expr) {
	switch e := e.(type) {
	case *luasyntax.Paren:
		c.condition(e.X)
	case *luasyntax.Binary:
		if e.Op == "and" || e.Op == "or" {
			if !guards(e) {
				c.condition(e.X)
			}
			c.condition(e.Y)
		}
	case *luasyntax.Literal: // while 1 do
	default:
		c.asked(e, "~=")
	}
}

// guards says that a and b asks first whether there is something, and then more of it.
func guards(e *luasyntax.Binary) (more bool) {
	if e.Op != "and" {
		return false
	}
	switch e.X.(type) {
	case *luasyntax.Name, *luasyntax.Index:
	default:
		return false
	}
	name := luasyntax.Text(e.X)
	luasyntax.Walk(e.Y, func(n luasyntax.Node) bool {
		more = more || luasyntax.Text(n) == name
		return !more
	})
	return more
}

// asked tells of a number, a list or an iterator that is asked whether it is true; zero
// is how it would be compared with 0.
func (c *linter) asked(e luasyntax.Expr, zero string) {
	text := short(e)
	switch c.kindOf(e) {
	case "number":
		c.add(e.Start(), "truth", true, fmt.Sprintf("write %s %s 0", text, zero), "a number is always true in Lua, 0 too")
	case "iterator":
		c.add(e.Start(), "truth", true, "", "an iterator is always true, also one that gives nothing")
	case "table":
		if f := c.makerOf(e); f != nil && strings.HasPrefix(f.Returns, "list of ") {
			c.add(e.Start(), "truth", true, fmt.Sprintf("write #%s %s 0", text, zero), fmt.Sprintf("the list that %s gives is always true in Lua, an empty one too", f))
		}
	}
}

// makerOf is the function of the table that gives what an expression stands for, or nil.
func (c *linter) makerOf(e luasyntax.Expr) *hostlib.Func {
	if b := c.single(e); b != nil && b.Loop == nil {
		e = b.Value
	}
	if call, ok := e.(*luasyntax.Call); ok {
		return c.callee(call)
	}
	return nil
}

// negated tells of not a == b, which compares (not a).
func (c *linter) negated(e *luasyntax.Binary) bool {
	other, ok := map[string]string{"==": "~=", "~=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}[e.Op]
	x, is := e.X.(*luasyntax.Unary)
	if !ok || !is || x.Op != "not" || c.kindOf(e.Y) == "boolean" {
		return false
	}
	c.add(x.Pos, "compare", true, fmt.Sprintf("write %s %s %s", short(x.X), other, short(e.Y)),
		fmt.Sprintf("this compares (not %s), a boolean: not comes before %s", short(x.X), e.Op))
	return true
}

// short is an expression as it is written, as far as that is short.
func short(e luasyntax.Expr) string {
	switch e := e.(type) {
	case *luasyntax.Paren:
		return "(" + short(e.X) + ")"
	case *luasyntax.Call:
		if e.Method != nil {
			return short(e.Fn) + ":" + e.Method.Value + "(...)"
		}
		return short(e.Fn) + "(...)"
	case *luasyntax.Unary:
		if e.Op == "not" {
			return "not " + short(e.X)
		}
		return e.Op + short(e.X)
	case *luasyntax.Literal:
		if e.Kind == luasyntax.String {
			return quoted(e.Value)
		}
		return e.Text
	case *luasyntax.Name, *luasyntax.Index:
		return luasyntax.Text(e)
	}
	return "..."
}
