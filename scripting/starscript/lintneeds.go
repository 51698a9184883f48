package starscript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/syntax"
)

// missingNeed is something that a call needs and job() does not say.
type missingNeed struct {
	at   syntax.Position
	line string
	err  error
}

// needsOf looks whether job() says what a call needs.
func (c *linter) needsOf(f *hostlib.Func, e *syntax.CallExpr, args []hostlib.Value, named []hostlib.Named, places []syntax.Position) {
	if c.needs == nil {
		return
	}
	at := map[string]syntax.Position{}
	start, _ := e.Fn.Span()
	for _, a := range f.Asks(c.needs, func(p *hostlib.Param) hostlib.Value {
		at[p.Name] = start
		i := 0
		for k := range f.Params {
			if q := &f.Params[k]; !q.Named {
				if q == p && i < len(args) {
					at[p.Name] = places[i]
					return c.plain(args[i])
				}
				i++
			}
		}
		for k, n := range named {
			if n.Name == p.Name {
				at[p.Name] = places[len(args)+k]
				return c.plain(n.Value)
			}
		}
		return nil
	}) {
		if a.Err != nil {
			c.missing = append(c.missing, missingNeed{at[a.Arg], a.Line, a.Err})
		}
	}
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

// askedFor tells of needs that job() does not say, with the line that does.
func (c *linter) askedFor() {
	if len(c.missing) == 0 {
		return
	}
	lines := slices.Clone(c.needs.Lines)
	for _, m := range c.missing {
		if m.line != "" && !slices.Contains(lines, m.line) {
			lines = append(lines, m.line)
		}
	}
	for i, line := range lines {
		lines[i] = fmt.Sprintf("%q", line)
	}
	for _, m := range c.missing {
		if m.line == "" { // it can never be needed
			c.add(m.at, "call", false, "", m.err.Error())
			continue
		}
		c.add(m.at, "needs", false, fmt.Sprintf("in job(): needs = [%s]", strings.Join(lines, ", ")),
			fmt.Sprintf("%q is not among what job() says this script needs", m.line))
	}
}
