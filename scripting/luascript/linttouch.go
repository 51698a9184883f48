package luascript

import (
	"math"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
)

// untouched says that a file only reads what a name stands for: neither its elements nor
// theirs are set, and it goes nowhere where that could happen.
func (c *linter) untouched(b *luasyntax.Binding) bool {
	if c.only == nil {
		c.only = map[*luasyntax.Binding]bool{}
	}
	if known, ok := c.only[b]; ok {
		return known
	}
	c.only[b] = false // while it is looked for
	c.only[b] = !c.touched(b, depthOf(b.Value))
	return c.only[b]
}

// someDepth is that of what is not known.
const someDepth = 9

// depthOf is how many tables deep a value is that may change: 1 of a table without
// others. What is in a table by another name is looked after there.
func depthOf(e luasyntax.Expr) int {
	switch e := e.(type) {
	case *luasyntax.Paren:
		return depthOf(e.X)
	case *luasyntax.Literal, *luasyntax.Func, *luasyntax.Unary:
		return 0
	case *luasyntax.Binary:
		if e.Op != "and" && e.Op != "or" {
			return 0
		}
	case *luasyntax.Table:
		depth := 0
		for _, f := range e.Fields {
			if t, ok := f.Value.(*luasyntax.Table); ok {
				depth = max(depth, depthOf(t))
			}
		}
		return 1 + depth
	}
	return someDepth
}

// rootOf is the name at the beginning of a.b.c, and how many steps behind it that is.
func rootOf(e luasyntax.Expr) (n *luasyntax.Name, steps int) {
	for {
		switch x := e.(type) {
		case *luasyntax.Name:
			return x, steps
		case *luasyntax.Paren:
			e = x.X
		case *luasyntax.Index:
			e = x.X
			steps++
		default:
			return nil, 0
		}
	}
}

// touched says whether a file does more with a name, of a value so deep, than to read it.
func (c *linter) touched(b *luasyntax.Binding, depth int) bool {
	if depth <= 0 {
		return false
	}
	t := &touching{c: c, b: b, depth: depth, read: map[*luasyntax.Name]bool{}}
	luasyntax.Walk(c.tree.Body, t.visit)
	return t.set || slices.ContainsFunc(b.Uses, func(n *luasyntax.Name) bool { return !t.read[n] })
}

// touching looks for what is done with a name.
type touching struct {
	c     *linter
	b     *luasyntax.Binding
	depth int
	set   bool                     // an element is set
	read  map[*luasyntax.Name]bool // uses of it that read alone
}

// left is the use of the name that an expression reads, and how deep that still is.
func (t *touching) left(e luasyntax.Expr) (*luasyntax.Name, int) {
	n, steps := rootOf(e)
	if n == nil || n.Binding != t.b {
		return nil, 0
	}
	return n, t.depth - steps
}

// reads notes that an expression is only read, if it is not deeper than that.
func (t *touching) reads(e luasyntax.Expr, most int) {
	if n, depth := t.left(e); n != nil && depth <= most {
		t.read[n] = true
	}
}

// given is the same for what is given to something, by itself or in a table.
func (t *touching) given(e luasyntax.Expr) {
	table, ok := e.(*luasyntax.Table)
	if !ok {
		t.reads(e, math.MaxInt)
		return
	}
	for _, f := range table.Fields {
		t.given(f.Value)
	}
}

func (t *touching) target(e luasyntax.Expr) {
	if x, ok := e.(*luasyntax.Index); ok {
		n, _ := t.left(x)
		t.set = t.set || n != nil
	}
}

func (t *touching) visit(n luasyntax.Node) bool {
	switch n := n.(type) {
	case *luasyntax.Assign:
		for _, e := range n.Left {
			t.target(e)
		}
	case *luasyntax.FuncStmt:
		t.target(n.Target)
	case *luasyntax.Index:
		t.reads(n, 0)
	case *luasyntax.Unary:
		t.reads(n.X, math.MaxInt)
	case *luasyntax.Binary:
		if n.Op != "and" && n.Op != "or" {
			t.reads(n.X, math.MaxInt)
			t.reads(n.Y, math.MaxInt)
		}
	case *luasyntax.Call:
		t.call(n)
	case *luasyntax.For:
		t.loop(n)
	case *luasyntax.Return:
		if body := t.c.tree.Body; n == body[len(body)-1] { // of what a file gives, others change nothing
			for _, e := range n.Values {
				t.given(e)
			}
		}
	}
	return !t.set
}

// call looks at the arguments of a call.
func (t *touching) call(e *luasyntax.Call) {
	f := t.c.callee(e)
	fn, _ := e.Fn.(*luasyntax.Name)
	for _, arg := range e.Args {
		switch {
		case f != nil && !handsOn(f):
			t.given(arg)
		case f != nil:
			t.reads(arg, 1) // its elements are no tables
		case fn == nil || !isGlobal(fn):
		case slices.Contains([]string{"tostring", "type", "print"}, fn.Name):
			t.reads(arg, math.MaxInt)
		case slices.Contains([]string{"ipairs", "pairs", "next", "unpack"}, fn.Name):
			t.reads(arg, 1)
		}
	}
}

// handsOn says that what a function gives may be of what it was given.
func handsOn(f *hostlib.Func) bool {
	switch {
	case f.Returns == "any value", f.Returns == "(value, err)":
		return true
	case strings.HasPrefix(f.Returns, "iterator"), strings.HasPrefix(f.Returns, "list"):
		return slices.ContainsFunc(f.Params, func(p hostlib.Param) bool { return p.Type == hostlib.Iterable })
	}
	return false
}

// loop looks at a loop over the elements, whose variable stands for each.
func (t *touching) loop(s *luasyntax.For) {
	if len(s.Values) != 1 {
		return
	}
	call, ok := s.Values[0].(*luasyntax.Call)
	if !ok || len(call.Args) != 1 {
		return
	}
	fn, ok := call.Fn.(*luasyntax.Name)
	if !ok || !isGlobal(fn) || fn.Name != "pairs" && fn.Name != "ipairs" {
		return
	}
	n, depth := t.left(call.Args[0])
	if n != nil && (len(s.Names) < 2 || !t.c.touched(s.Names[1].Binding, depth-1)) {
		t.read[n] = true
	}
}
