package starscript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/syntax"
)

// needsOf looks whether job() says what a call needs.
func (c *linter) needsOf(f *hostlib.Func, e *syntax.CallExpr, args []hostlib.Value, named []hostlib.Named, places []syntax.Position) {
	start, _ := e.Fn.Span()
	c.wanting.LookWrite(c.needs, f, c.connection(e), spot(start))
	c.wanting.Look(c.needs, f, func(p *hostlib.Param) (hostlib.Value, hostlib.At) {
		i := 0
		for k := range f.Params {
			if q := &f.Params[k]; !q.Named {
				if q == p && i < len(args) {
					return c.plain(args[i]), spot(places[i])
				}
				i++
			}
		}
		for k, n := range named {
			if n.Name == p.Name {
				return c.plain(n.Value), spot(places[len(args)+k])
			}
		}
		return nil, spot(start)
	})
}

// declared is what job() says that the script needs; nil if that is not known.
func (c *linter) declared() (needs *hostlib.Needs) {
	switch {
	case c.job == nil:
		return nil
	case len(c.file.errs) == 0:
		return c.job.Needs
	}
	// It could not be loaded: what stands in the call is known.
	calls := 0
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || c.callee(call.Fn) != hostlib.GlobalNamed("job") {
			return true
		}
		args, named, _, more := c.arguments(call)
		if calls++; calls > 1 || more || len(args) > 0 {
			needs = nil
			return true
		}
		needs = &hostlib.Needs{}
		for _, arg := range named {
			if arg.Name != "needs" {
				continue
			}
			needs = nil
			values, _ := c.plain(arg.Value).([]hostlib.Value)
			lines := make([]string, len(values))
			for i, v := range values {
				lines[i], ok = v.(string)
				if !ok {
					return true
				}
			}
			if parsed, err := hostlib.ParseNeeds(lines); values != nil && err == nil {
				needs = parsed
			}
		}
		return true
	})
	if calls == 0 {
		return &hostlib.Needs{}
	}
	return needs
}
