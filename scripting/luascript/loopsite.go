package luascript

import (
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
)

// loopSites are the loops of the file that keep their own count.
func (f *file) loopSites() []hostlib.LoopSite {
	f.looks.Do(func() {
		if tree, err := luasyntax.Parse(strings.TrimPrefix(string(f.source), byteOrderMark)); err == nil {
			f.findLoops(tree.Body, false)
		}
	})
	return f.sites
}

// findLoops finds them; again says that the nodes stand in the body of a loop.
func (f *file) findLoops(nodes any, again bool) {
	luasyntax.Walk(nodes, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.For:
			f.findLoops(n.Values, again)
			f.findLoops(n.Body, true)
			return false
		case *luasyntax.While:
			f.findLoops(n.Cond, true)
			f.findLoops(n.Body, true)
			return false
		case *luasyntax.Repeat:
			f.findLoops(n.Body, true)
			f.findLoops(n.Cond, true)
			return false
		case *luasyntax.Func:
			if n.Outer == nil {
				f.siteIn = n.Called
				defer func() { f.siteIn = "" }()
			}
			was := f.aside
			f.aside = n.Outer != nil || hostlib.HookNamed(n.Called) == nil
			f.findLoops(n.Body, again)
			f.aside = was
			return false
		case *luasyntax.Call:
			name := n.Method
			if x, ok := n.Fn.(*luasyntax.Index); ok && name == nil {
				name, _ = x.Key.(*luasyntax.Literal)
			}
			if slices.Contains(hostlib.LoopNames, keyOf(name)) {
				f.sites = append(f.sites, hostlib.LoopSite{Line: n.Start().Line, In: f.siteIn, Again: again, Aside: f.aside})
			}
		}
		return true
	})
}
