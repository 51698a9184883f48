package starscript

import (
	"bytes"
	"io/fs"
	"path"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Check looks for mistakes in a file: a job script, a helper file, or a file of
// tests. It runs the top level, which computes only, and no hook. tests are the
// types of the objects that tests meet, that of t first.
func (l *Loader) Check(name, p string, tests []*hostlib.ObjectType) []*hostlib.Problem {
	c := &linter{loader: l, tests: tests}
	c.report = hostlib.Report{Comment: "#", List: [2]string{"[", "]"}}
	switch {
	case strings.HasSuffix(p, testEnding):
		c.file, _ = l.testFile(p)
		c.isTest = true
	case hostlib.IsHelper(p):
		if c.file = l.files[p]; c.file == nil {
			c.file = l.load(p, nil, nil)
		}
	default:
		s := l.script(name, p)
		c.file, c.job = s.file, s.job
	}
	c.report.File = c.file.shown
	tree, err := options.Parse(c.file.shown, bytes.TrimPrefix(c.file.source, []byte("\xef\xbb\xbf")), 0)
	if err == nil && len(c.file.source) > 0 {
		_ = resolve.File(tree, predeclared.Has, starlark.Universe.Has) // what it finds was told when the file was loaded
		c.tree = tree
		c.run = newRun("check", loadSteps)
		c.run.call.Host, c.run.call.Job = l.host, c.job
		c.gather()
		c.needs = c.declared()
		c.calls()
		c.tables()
		c.dropped()
		c.sure()
		if c.needs != nil {
			c.report.Needs(c.needs, c.wanting)
		}
		c.hooks()
		c.frozen()
		c.unused()
		c.flow()
		c.reruns()
		c.caught()
		c.lostRows()
	}
	for _, e := range c.file.errs {
		if e.File != c.file.shown || !c.report.Told(e) {
			c.report.Tell(*e, "load", false, "")
		}
	}
	return c.report.Sorted(string(c.file.source))
}

// linter looks for mistakes in one file.
type linter struct {
	loader  *Loader
	file    *file
	tree    *syntax.File
	job     *hostlib.Declaration // nil: no job script
	isTest  bool
	tests   []*hostlib.ObjectType
	run     *run // whose Call converts arguments
	names   map[*syntax.Ident]*name
	loaded  map[*syntax.Ident]starlark.Value // what helper files gave, where that is known
	needs   *hostlib.Needs                   // what job() says; nil: that is not known
	wanting hostlib.Wanting
	attrs   map[string]bool // see anybody
	known   hostlib.Found[syntax.Expr, hostlib.Value]
	types   hostlib.Found[syntax.Expr, *hostlib.ObjectType]
	kinds   hostlib.Found[syntax.Expr, string]
	reads   map[*syntax.Ident]bool // see untouched
	report  hostlib.Report
}

// name is what is known of a name that the file defines, by where it is first.
type name struct {
	id     *syntax.Ident
	scope  resolve.Scope
	kind   nameKind
	writes []*syntax.Ident
	uses   []*syntax.Ident
	def    *syntax.DefStmt
	value  syntax.Expr   // what it is set to, if that is once
	in     syntax.Expr   // what it is an element of, if that is all
	ins    []syntax.Expr // of what it is an element, in each loop that sets it
	typ    *hostlib.ObjectType
	item   bool // it is what a hook is to work on
	busy   bool // its type or value is looked for
	told   bool // that it may not be set

	carried bool // an earlier pass of a loop may have set it; see carry
}

type nameKind int

const (
	assigned     nameKind = iota
	unpacked              // one of several on the left side
	looped                // of a for
	comprehended          // of a comprehension
	param
	defined
	loadedName
)

func (c *linter) add(at syntax.Position, code string, warning bool, hint, message string) {
	c.report.Add(spot(at), code, warning, hint, message)
}

func spot(at syntax.Position) hostlib.At {
	return hostlib.At{Line: int(at.Line), Column: int(at.Col)}
}

// gather finds all names, and where they are set and used.
func (c *linter) gather() {
	c.names, c.loaded = map[*syntax.Ident]*name{}, map[*syntax.Ident]starlark.Value{}
	written := map[*syntax.Ident]bool{}
	var write func(e syntax.Expr, kind nameKind) *name
	write = func(e syntax.Expr, kind nameKind) *name {
		switch e := e.(type) {
		case *syntax.Ident:
			written[e] = true
			n := c.nameOf(e)
			if n == nil {
				return nil
			}
			if len(n.writes) == 0 {
				n.kind = kind
			}
			n.writes = append(n.writes, e)
			return n
		case *syntax.ParenExpr:
			return write(e.X, kind)
		case *syntax.TupleExpr:
			for _, x := range e.List {
				write(x, max(kind, unpacked))
			}
		case *syntax.ListExpr:
			for _, x := range e.List {
				write(x, max(kind, unpacked))
			}
		}
		return nil
	}
	params := func(list []syntax.Expr) {
		for _, p := range list {
			switch p := p.(type) {
			case *syntax.Ident:
				write(p, param)
			case *syntax.BinaryExpr:
				write(p.X, param)
			case *syntax.UnaryExpr:
				if p.X != nil {
					write(p.X, param)
				}
			}
		}
	}
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			if n.Op == syntax.EQ {
				if to := write(n.LHS, assigned); to != nil {
					to.value = n.RHS
				}
			} else if id, ok := n.LHS.(*syntax.Ident); ok {
				write(id, assigned)
			}
		case *syntax.ForStmt:
			if to := write(n.Vars, looped); to != nil {
				to.in, to.ins = n.X, append(to.ins, n.X)
			}
		case *syntax.ForClause:
			if to := write(n.Vars, comprehended); to != nil {
				to.in, to.ins = n.X, append(to.ins, n.X)
			}
		case *syntax.DefStmt:
			if to := write(n.Name, defined); to != nil {
				to.def = n
			}
			params(n.Params)
		case *syntax.LambdaExpr:
			params(n.Params)
		case *syntax.LoadStmt:
			for i, id := range n.To {
				written[n.From[i]] = true
				if write(id, loadedName) != nil {
					c.loaded[id] = c.valueOf(n.ModuleName(), n.From[i].Name)
				}
			}
		case *syntax.Ident:
			if to := c.nameOf(n); to != nil && !written[n] {
				to.uses = append(to.uses, n)
			}
		}
		return true
	})
	for _, n := range c.names {
		if len(n.writes) > 1 {
			n.value, n.in = nil, nil
		}
	}
	c.typed()
}

// nameOf is the name that an identifier stands for; nil for those that the file
// does not define.
func (c *linter) nameOf(id *syntax.Ident) *name {
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b.First == nil {
		return nil
	}
	n := c.names[b.First]
	if n == nil {
		n = &name{id: b.First, scope: b.Scope}
		c.names[b.First] = n
	}
	return n
}

// valueOf is what a file that is loaded has under a name; nil if that is not known.
func (c *linter) valueOf(module, name string) starlark.Value {
	p := path.Clean(module)
	f := c.loader.files[p]
	switch {
	case f == nil && c.isTest:
		f = c.loader.scripts[p]
	case f == nil && hostlib.IsHelper(p) && strings.HasSuffix(p, Ending) && fs.ValidPath(p):
		f = c.loader.load(p, nil, nil)
	}
	if f == nil || len(f.errs) > 0 {
		return nil
	}
	return f.globals[name]
}

// typed notes of which types the parameters of hooks and tests are.
func (c *linter) typed() {
	set := func(def *syntax.DefStmt, i int, t *hostlib.ObjectType, item bool) {
		if i >= len(def.Params) || t == nil && !item {
			return
		}
		if id, ok := def.Params[i].(*syntax.Ident); ok {
			if n := c.nameOf(id); n != nil && len(n.writes) == 1 {
				n.typ, n.item = t, item
			}
		}
	}
	for _, s := range c.tree.Stmts {
		def, ok := s.(*syntax.DefStmt)
		switch {
		case !ok:
		case c.job != nil && hostlib.HookNamed(def.Name.Name) != nil:
			for i, p := range hostlib.HookNamed(def.Name.Name).Params {
				set(def, i, hostlib.TypeNamed(p.Type), p.Type == hostlib.Data.String())
			}
		case strings.HasPrefix(def.Name.Name, hostlib.TestPrefix) && len(c.tests) > 0:
			set(def, 0, c.tests[0], false)
		}
	}
}

// loadsOfTest are the names of a script that its file of tests loads.
func (c *linter) loadsOfTest() map[string]bool {
	names := map[string]bool{}
	p := strings.TrimSuffix(c.file.path, Ending) + testEnding
	source, err := fs.ReadFile(c.loader.fsys, p)
	if err != nil {
		return names
	}
	tree, err := options.Parse(p, source, 0)
	if err != nil {
		return names
	}
	for _, s := range tree.Stmts {
		if load, ok := s.(*syntax.LoadStmt); ok && load.ModuleName() == c.file.path {
			for _, id := range load.From {
				names[id.Name] = true
			}
		}
	}
	return names
}
