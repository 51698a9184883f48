package starscript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// check looks for mistakes that can be seen without running a script: names
// that a module or ctx does not have, arguments that a function does not take,
// settings that job() does not know, and what this version does not have yet.
// The file must have been resolved.
func check(f *syntax.File, shown string) []*hostlib.LoadError {
	c := &checker{shown: shown, ctx: map[*resolve.Binding]bool{}}
	for _, s := range f.Stmts {
		if def, ok := s.(*syntax.DefStmt); ok && hostlib.HookNamed(def.Name.Name) != nil && len(def.Params) > 0 {
			if id, ok := def.Params[0].(*syntax.Ident); ok {
				if b, ok := id.Binding.(*resolve.Binding); ok {
					c.ctx[b] = true
				}
			}
		}
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr:
			c.dot(n)
		case *syntax.CallExpr:
			c.call(n)
		}
		return true
	})
	return c.errs
}

type checker struct {
	shown string
	ctx   map[*resolve.Binding]bool // first parameters of hooks
	errs  []*hostlib.LoadError
}

func (c *checker) add(pos syntax.Position, err error) {
	if err != nil {
		c.errs = append(c.errs, &hostlib.LoadError{File: c.shown, Line: int(pos.Line), Column: int(pos.Col), Message: err.Error()})
	}
}

// dot checks x.name, where x is a module or a hook's ctx.
func (c *checker) dot(d *syntax.DotExpr) {
	if m := c.module(d.X); m != nil && !has(m.Names(), d.Name.Name) {
		c.add(d.Name.NamePos, m.Missing(d.Name.Name))
	}
	if t := hostlib.CtxType(); c.isCtx(d.X) && !has(t.Names(), d.Name.Name) {
		c.add(d.Name.NamePos, t.Missing(d.Name.Name))
	}
}

// call checks the arguments by name of a call of a function that is known.
func (c *checker) call(e *syntax.CallExpr) {
	f := c.callee(e.Fn)
	if f == nil {
		return
	}
	for _, arg := range e.Args {
		named, ok := arg.(*syntax.BinaryExpr)
		if !ok || named.Op != syntax.EQ {
			continue
		}
		id := named.X.(*syntax.Ident)
		p := f.Param(id.Name)
		switch {
		case f == hostlib.GlobalNamed("job"):
			c.add(id.NamePos, hostlib.Within(f, hostlib.CheckSetting(id.Name)))
		case p == nil && !takesAny(f), p != nil && p.NotYet:
			c.add(id.NamePos, hostlib.Within(f, f.Unknown(id.Name, f.Signature())))
		case p != nil:
			if text, ok := named.Y.(*syntax.Literal); ok && text.Token == syntax.STRING {
				c.add(text.TokenPos, hostlib.Within(f, p.Check(text.Value.(string))))
			}
		}
	}
}

func takesAny(f *hostlib.Func) bool {
	return len(f.Params) > 0 && f.Params[len(f.Params)-1].Others
}

// callee is the function of the table that an expression names, or nil.
func (c *checker) callee(e syntax.Expr) *hostlib.Func {
	switch e := e.(type) {
	case *syntax.Ident:
		if c.scope(e) == resolve.Predeclared {
			return hostlib.GlobalNamed(e.Name)
		}
	case *syntax.DotExpr:
		if m := c.module(e.X); m != nil {
			return m.Func(e.Name.Name)
		}
		if c.isCtx(e.X) {
			return hostlib.CtxType().Method(e.Name.Name)
		}
	}
	return nil
}

// module is the module that an expression names, or nil.
func (c *checker) module(e syntax.Expr) *hostlib.Module {
	if id, ok := e.(*syntax.Ident); ok && c.scope(id) == resolve.Predeclared {
		return hostlib.ModuleNamed(id.Name)
	}
	return nil
}

func (c *checker) isCtx(e syntax.Expr) bool {
	id, ok := e.(*syntax.Ident)
	if !ok {
		return false
	}
	b, ok := id.Binding.(*resolve.Binding)
	return ok && c.ctx[b]
}

func (c *checker) scope(id *syntax.Ident) resolve.Scope {
	if b, ok := id.Binding.(*resolve.Binding); ok {
		return b.Scope
	}
	return resolve.Undefined
}

func has(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
