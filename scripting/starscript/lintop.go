package starscript

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What the language itself refuses: operators between values of such kinds, and loops
// over what cannot be gone through.

// samples are values of the kinds with which operators work, or do not, by the language
// alone.
var samples = map[string]starlark.Value{
	"NoneType": starlark.None, "bool": starlark.True, "int": starlark.MakeInt(1), "float": starlark.Float(1), "string": starlark.String(""),
	"bytes": starlark.Bytes(""), "list": starlark.NewList(nil), "tuple": starlark.Tuple{}, "dict": starlark.NewDict(0), "set": starlark.NewSet(0),
	"function": starlark.NewBuiltin("function", nil),
}

// result is the kind of what an operator gives, "" if that is not known; refused says
// that it works with no values of such kinds.
func (c *linter) result(e *syntax.BinaryExpr) (kind string, refused bool) {
	x, y := samples[c.kindOf(e.X)], samples[c.kindOf(e.Y)]
	switch e.Op {
	case syntax.EQL, syntax.NEQ, syntax.IN, syntax.NOT_IN:
		return "bool", false
	case syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		if x != nil && y != nil {
			_, err := starlark.Compare(e.Op, x, y)
			refused = err != nil
		}
		return "bool", refused
	case syntax.AND, syntax.OR, syntax.EQ:
		return "", false
	}
	if x == nil || y == nil {
		return "", false
	}
	if _, isText := x.(starlark.String); isText && e.Op == syntax.PERCENT { // see percent
		return "string", false
	}
	v, err := starlark.Binary(e.Op, x, y)
	if err != nil {
		return "", true
	}
	return v.Type(), false
}

// operands tells of operators that do not work with what they are given.
func (c *linter) operands(e *syntax.BinaryExpr) {
	if _, refused := c.result(e); !refused {
		return
	}
	x, y := c.kindOf(e.X), c.kindOf(e.Y)
	hint := ""
	text, number := e.X, e.Y
	if y == "string" {
		text, number = e.Y, e.X
	}
	switch mixed := (x == "string") != (y == "string") && slices.Contains([]string{"int", "float", "bool"}, c.kindOf(number)); {
	case mixed && e.Op == syntax.PLUS:
		hint = fmt.Sprintf("write str(%s)", c.short(number))
	case mixed:
		hint = fmt.Sprintf("make a number of it: int(%s), or float(%[1]s)", c.short(text))
	case x == "dict" && y == "dict" && e.Op == syntax.PLUS:
		hint = fmt.Sprintf("write %s | %s", c.short(e.X), c.short(e.Y))
	}
	c.add(e.OpPos, "type", false, hint, fmt.Sprintf("%s does not work with %s and %s", e.Op, x, y))
}

// loop tells of a loop over what cannot be gone through.
func (c *linter) loop(e syntax.Expr) {
	kind, hint := c.kindOf(e), ""
	switch kind {
	case "string":
		hint = "loop over text.elems() for its characters, or text.split(\",\") for its parts"
	case "int":
		hint = fmt.Sprintf("write range(%s)", c.short(e))
	case "function":
		hint = fmt.Sprintf("call it: %s()", c.short(e))
	case "float", "bool", "NoneType":
	default:
		return
	}
	what := "None"
	if kind != starlark.None.Type() {
		what = article(kind)
	}
	at, _ := e.Span()
	c.add(at, "call", false, hint, what+" cannot be looped over")
}
