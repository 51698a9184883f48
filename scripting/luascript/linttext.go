package luascript

import (
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
)

// textNumber tells of a field of a row of csv.read that is compared with a number. Lua
// calculates with texts that are numbers.
func (c *linter) textNumber(e *luasyntax.Binary) {
	if !slices.Contains([]string{"==", "~=", "<", "<=", ">", ">="}, e.Op) {
		return
	}
	for _, sides := range [][2]luasyntax.Expr{{e.X, e.Y}, {e.Y, e.X}} {
		x, ok := sides[0].(*luasyntax.Index)
		if !ok || c.kindOf(sides[1]) != "number" {
			continue
		}
		if row, ok := x.X.(*luasyntax.Name); ok && c.textRow(row.Binding) {
			number := "tonumber(...)"
			if text := luasyntax.Text(x); text != "it" {
				number = "tonumber(" + text + ")"
			}
			if e.Op == "==" || e.Op == "~=" {
				c.report.TextNumber(spot(e.OpPos), e.Op == "~=", number)
			} else {
				c.report.TextOperator(spot(e.OpPos), e.Op, number)
			}
		}
	}
}

// textRow says that a name is that of rows of csv.read, and that nothing changes them.
func (c *linter) textRow(b *luasyntax.Binding) bool {
	if b == nil || b.Loop == nil || len(b.Writes) != 1 || len(b.Loop.Values) != 1 {
		return false
	}
	e := b.Loop.Values[0]
	if call, ok := e.(*luasyntax.Call); ok {
		if fn, ok := call.Fn.(*luasyntax.Name); ok && isGlobal(fn) && fn.Name == "ipairs" && len(call.Args) == 1 && b.Place == 1 {
			if !c.textBatch(call.Args[0]) {
				return false
			}
		} else if b.Place != 0 || !c.readsTexts(e) {
			return false
		}
	} else if b.Place != 0 || !c.readsTexts(e) {
		return false
	}
	isIt := func(e luasyntax.Expr) bool {
		n, ok := e.(*luasyntax.Name)
		return ok && n.Binding == b
	}
	changed := false
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Assign:
			for _, e := range n.Left {
				x, ok := e.(*luasyntax.Index)
				changed = changed || ok && isIt(x.X)
			}
			for _, e := range n.Right {
				changed = changed || isIt(e)
			}
		case *luasyntax.Local:
			for _, e := range n.Values {
				changed = changed || isIt(e)
			}
		case *luasyntax.Call:
			for _, e := range n.Args {
				changed = changed || isIt(e) && c.callee(n) == nil
			}
		}
		return !changed
	})
	return !changed
}

// readsTexts says that an expression is what csv.read gives.
func (c *linter) readsTexts(e luasyntax.Expr) bool {
	if b := c.single(e); b != nil && b.Loop == nil {
		e = b.Value
	}
	call, ok := e.(*luasyntax.Call)
	return ok && hostlib.OfTexts(c.callee(call))
}

// textBatch says that an expression is a batch of what csv.read gives.
func (c *linter) textBatch(e luasyntax.Expr) bool {
	n, ok := e.(*luasyntax.Name)
	if !ok || n.Binding == nil || n.Binding.Loop == nil || len(n.Binding.Writes) != 1 || len(n.Binding.Loop.Values) != 1 || n.Binding.Place != 0 || len(n.Binding.Uses) > 1 { // else its rows may be changed elsewhere
		return false
	}
	call, ok := n.Binding.Loop.Values[0].(*luasyntax.Call)
	if !ok || len(call.Args) == 0 {
		return false
	}
	f := c.callee(call)
	return f != nil && (f.String() == "ctx.batches" || f.String() == "iter.batch") && c.readsTexts(call.Args[0])
}
