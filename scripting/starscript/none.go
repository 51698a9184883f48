package starscript

import (
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What the interpreter says of None where something else was wanted, and what is
// said instead.
var aboutNone = []struct {
	says *regexp.Regexp
	what string // $1 and so on are those of says
}{
	{regexp.MustCompile(`^unhandled index operation NoneType\[.*\]$`), "which has no elements"},
	{regexp.MustCompile(`^NoneType value does not support item assignment$`), "which takes no elements"},
	{regexp.MustCompile(`^invalid slice operand NoneType$`), "which has no elements"},
	{regexp.MustCompile(`^NoneType has no (\.\w+) field or method.*$`), "which has no $1"},
	{regexp.MustCompile(`^NoneType value is not iterable$`), "which cannot be gone through"},
	{regexp.MustCompile(`^invalid call of non-function \(NoneType\)$`), "which is no function"},
	{regexp.MustCompile(`^unknown binary op: (NoneType) (\S+|not in) (\S+)$`), "and $2 does not work with None and $3"},
	{regexp.MustCompile(`^unknown binary op: (\S+) (\S+|not in) (NoneType)$`), "and $2 does not work with $1 and None"},
	{regexp.MustCompile(`^(NoneType) (\S+) (\S+) not implemented$`), "and $2 does not compare None with $3"},
	{regexp.MustCompile(`^(\S+) (\S+) (NoneType) not implemented$`), "and $2 does not compare $1 with None"},
}

// aboutNone says of an error of the interpreter's about None what it is that is
// None, and why that may be; it gives other messages as they are.
func (r *run) aboutNone(message string, stack starlark.CallStack) string {
	if len(stack) == 0 || !strings.Contains(message, "NoneType") {
		return message
	}
	pos := stack.At(0).Pos
	for _, a := range aboutNone {
		m := a.says.FindStringSubmatchIndex(message)
		if m == nil {
			continue
		}
		tree, source := r.script.tree(pos.Filename())
		if tree == nil {
			return message
		}
		right := len(m) == 8 && message[m[6]:m[7]] == "NoneType" && message[m[2]:m[3]] != "NoneType"
		e := operand(tree, pos, right)
		if e == nil {
			return message
		}
		return fmt.Sprintf("%s is None, %s%s", shortText(source, e), a.says.ExpandString(nil, a.what, message, m), r.whyNone(tree, source, e, pos))
	}
	return message
}

// operand is what an operator works on that stands at a place; right: the one
// on its right side.
func operand(tree *syntax.File, pos syntax.Position, right bool) (found syntax.Expr) {
	at := func(p syntax.Position, left, other syntax.Expr) {
		if p.Line != pos.Line || p.Col != pos.Col {
			return
		}
		if found = left; right {
			found = other
		}
	}
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.IndexExpr:
			at(n.Lbrack, n.X, nil)
		case *syntax.SliceExpr:
			at(n.Lbrack, n.X, nil)
		case *syntax.DotExpr:
			at(n.Dot, n.X, nil)
		case *syntax.CallExpr:
			at(n.Lparen, n.Fn, nil)
		case *syntax.BinaryExpr:
			at(n.OpPos, n.X, n.Y)
		case *syntax.AssignStmt:
			at(n.OpPos, n.LHS, n.RHS)
		case *syntax.ForStmt:
			at(n.For, n.X, nil)
		case *syntax.ForClause:
			at(n.For, n.X, nil)
		}
		return found == nil
	})
	return found
}

// whyNone says why an expression may be None.
func (r *run) whyNone(tree *syntax.File, source []byte, e syntax.Expr, pos syntax.Position) string {
	text := shortText(source, e)
	id, ok := e.(*syntax.Ident)
	if !ok {
		return fmt.Sprintf(": see first whether there is something, by: if %s != None", text)
	}
	var set syntax.Expr // what the variable was set to last, as the text goes
	var line int32
	item := false
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			if !spans(n, pos) {
				return false
			}
			item = (n.Name.Name == "consume" || n.Name.Name == "fail") && len(n.Params) > 1 && binds(n.Params[1], id.Name)
		case *syntax.AssignStmt:
			if n.Op == syntax.EQ && binds(n.LHS, id.Name) && n.OpPos.Line < pos.Line {
				set, line = n.RHS, n.OpPos.Line
			}
		}
		return true
	})
	switch {
	case set != nil:
		return fmt.Sprintf(": line %d sets it to %s; see first whether that is something, by: if %s != None", line, shortText(source, set), text)
	case item && r.call.Hook != nil && r.call.Hook.Item() == nil:
		return fmt.Sprintf(": the job has no payload; give it one by: dsengine enqueue %s --payload '{...}', or in produce, by what it emits or returns", r.call.Hook.Type().Name)
	}
	return fmt.Sprintf(": see first whether there is something, by: if %s != None", text)
}

// shortText is an expression as it is written, on one line and cut.
func shortText(source []byte, e syntax.Expr) string {
	start, end := e.Span()
	switch e := e.(type) { // whose spans leave out the bracket
	case *syntax.IndexExpr:
		end = e.Rbrack
		end.Col++
	case *syntax.SliceExpr:
		end = e.Rbrack
		end.Col++
	}
	text := []rune(strings.Join(strings.Fields(cut(string(source), start, end)), " "))
	if len(text) > 60 {
		return string(text[:57]) + "..."
	}
	return string(text)
}
