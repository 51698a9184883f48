package starscript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// value is what an expression gives: a Starlark value, the beginning of a string,
// or Unknown. What the globals hold is known, if the file could be loaded.
func (c *linter) value(e syntax.Expr) hostlib.Value { return c.known.Of(e, c.findValue) }

func (c *linter) findValue(e syntax.Expr) hostlib.Value {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return c.value(e.X)
	case *syntax.Literal:
		if v, err := c.run.value(e.Value); err == nil && e.Token != syntax.BYTES {
			return v
		}
	case *syntax.Ident:
		return c.named(e)
	case *syntax.UnaryExpr:
		if x, ok := c.value(e.X).(starlark.Int); ok && e.Op == syntax.MINUS {
			return starlark.MakeInt(0).Sub(x)
		}
	case *syntax.ListExpr:
		if list, ok := c.values(e.List); ok {
			return starlark.NewList(list)
		}
	case *syntax.TupleExpr:
		if list, ok := c.values(e.List); ok {
			return starlark.Tuple(list)
		}
	case *syntax.DictExpr:
		d := starlark.NewDict(len(e.List))
		for _, x := range e.List {
			entry := x.(*syntax.DictEntry)
			pair, ok := c.values([]syntax.Expr{entry.Key, entry.Value})
			if !ok || d.SetKey(pair[0], pair[1]) != nil {
				return hostlib.Unknown
			}
		}
		return d
	case *syntax.BinaryExpr:
		return bounded(c.joined(e))
	case *syntax.CallExpr:
		if d, ok := e.Fn.(*syntax.DotExpr); ok && d.Name.Name == "format" {
			if s, ok := c.value(d.X).(starlark.String); ok {
				return bounded(c.filled(string(s), "{}", e.Args))
			}
		}
	}
	return hostlib.Unknown
}

// bounded is a value that was put together, as far as it is known.
func bounded(v hostlib.Value) hostlib.Value {
	switch v := v.(type) {
	case starlark.String:
		if len(v) > hostlib.MaxKnown {
			return hostlib.Beginning(v[:hostlib.MaxKnown])
		}
	case hostlib.Beginning:
		return v[:min(len(v), hostlib.MaxKnown)]
	case starlark.Sequence:
		if v.Len() > hostlib.MaxKnown {
			return hostlib.Unknown
		}
	}
	return v
}

func (c *linter) values(list []syntax.Expr) ([]starlark.Value, bool) {
	out := make([]starlark.Value, len(list))
	for i, e := range list {
		v, ok := c.value(e).(starlark.Value)
		if !ok {
			return nil, false
		}
		out[i] = v
	}
	return out, true
}

// joined is the value of a + b, or of a % b, as far as it is known.
func (c *linter) joined(e *syntax.BinaryExpr) hostlib.Value {
	x, y := c.value(e.X), c.value(e.Y)
	s, isText := x.(starlark.String)
	switch {
	case e.Op == syntax.PERCENT && isText:
		values := []syntax.Expr{e.Y}
		if t, ok := unwrapped(e.Y).(*syntax.TupleExpr); ok {
			values = t.List
		}
		return c.filled(string(s), "%s", values)
	case e.Op != syntax.PLUS:
		return hostlib.Unknown
	case isText && y == hostlib.Unknown:
		return hostlib.Beginning(s)
	case isText:
		if more, ok := y.(hostlib.Beginning); ok {
			return hostlib.Beginning(string(s)) + more
		}
	}
	if _, ok := x.(hostlib.Beginning); ok {
		return x
	}
	a, known := x.(starlark.Value)
	b, too := y.(starlark.Value)
	if !known || !too {
		return hostlib.Unknown
	}
	if v, err := starlark.Binary(syntax.PLUS, a, b); err == nil {
		return v
	}
	return hostlib.Unknown
}

// named is the value of a name.
func (c *linter) named(id *syntax.Ident) hostlib.Value {
	if scopeOf(id) == resolve.Universal {
		switch v := starlark.Universe[id.Name].(type) {
		case starlark.Bool, starlark.NoneType:
			return v
		}
		return hostlib.Unknown
	}
	n := c.nameOf(id)
	if n == nil || n.busy {
		return hostlib.Unknown
	}
	if v := c.loaded[n.id]; v != nil {
		return v
	}
	if v := c.file.globals[id.Name]; v != nil && n.scope == resolve.Global {
		return v
	}
	if n.value == nil {
		return hostlib.Unknown
	}
	n.busy = true
	defer func() { n.busy = false }()
	switch v := c.value(n.value).(type) {
	case starlark.String, starlark.Int, starlark.Float, starlark.Bool, hostlib.Beginning:
		return v
	}
	return hostlib.Unknown // what can change may be changed
}

// plain is a value in the form of the host library.
func (c *linter) plain(v hostlib.Value) hostlib.Value {
	if _, ok := v.(starlark.Value); !ok {
		return v
	}
	d, err := c.run.Data(v)
	if err != nil {
		return hostlib.Unknown
	}
	return d
}
