package starscript

import (
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/syntax"
)

// loopSites are the loops of the file that keep their own count.
func (f *file) loopSites() []hostlib.LoopSite {
	f.looks.Do(func() {
		if tree, _ := f.tree(f.shown); tree != nil {
			for _, s := range tree.Stmts {
				def, ok := s.(*syntax.DefStmt)
				if f.siteIn = ""; ok {
					f.siteIn = def.Name.Name
				}
				if ok && hostlib.HookNamed(def.Name.Name) != nil {
					f.findInside(def.Body, false)
				} else {
					f.findLoops(s, false)
				}
			}
		}
	})
	return f.sites
}

// within begins a function that is no hook; what it gives ends it.
func (f *file) within() (end func()) {
	was := f.aside
	f.aside = true
	return func() { f.aside = was }
}

// findLoops finds them; again says that the node stands in the body of a loop.
func (f *file) findLoops(n syntax.Node, again bool) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ForStmt:
			f.findLoops(n.X, again)
			f.findInside(n.Body, true)
			return false
		case *syntax.WhileStmt:
			f.findLoops(n.Cond, true)
			f.findInside(n.Body, true)
			return false
		case *syntax.DefStmt:
			defer f.within()()
			f.findInside(n.Body, again)
			return false
		case *syntax.LambdaExpr:
			defer f.within()()
			f.findLoops(n.Body, again)
			return false
		case *syntax.Comprehension:
			f.findLoops(n.Body, true)
			for i, clause := range n.Clauses {
				f.findLoops(clause, again || i > 0)
			}
			return false
		case *syntax.CallExpr:
			if d, ok := n.Fn.(*syntax.DotExpr); ok && slices.Contains(hostlib.LoopNames, d.Name.Name) {
				f.sites = append(f.sites, hostlib.LoopSite{Line: int(n.Lparen.Line), In: f.siteIn, Again: again, Aside: f.aside})
			}
		}
		return true
	})
}

func (f *file) findInside(body []syntax.Stmt, again bool) {
	for _, s := range body {
		f.findLoops(s, again)
	}
}
