package luascript

import (
	"fmt"
	"path"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// Check looks for mistakes in a file: a job script, a helper file, or a file of
// tests. It runs the top level, which computes only, of scripts and tests, and no
// hook. tests are the types of the objects that tests meet, that of t first.
func (l *Loader) Check(name, p string, tests []*hostlib.ObjectType) []*hostlib.Problem {
	if hostlib.IsHelper(p) && !strings.HasSuffix(p, testEnding) {
		c := &linter{loader: l, tests: tests, file: l.helper(p)}
		return c.check(c.file.errs)
	}
	if strings.HasSuffix(p, testEnding) {
		s, _ := l.testFile(p)
		return l.checked(s, tests)
	}
	return l.checked(l.script(name, p), tests)
}

// checked is what Check tells of a script, or a file of tests, that was loaded as far
// as it could be.
func (l *Loader) checked(s *script, tests []*hostlib.ObjectType) []*hostlib.Problem {
	c := &linter{loader: l, tests: tests, file: s.file, job: s.job, isTest: s.testing, runs: s.tested, loads: len(s.errs) == 0}
	return c.check(s.errs)
}

// check looks for mistakes in what was loaded, as far as it could be.
func (c *linter) check(errs []*hostlib.LoadError) (list []*hostlib.Problem) {
	defer func() {
		if p := recover(); p != nil { // what keeps the script from loading is told all the same
			list = []*hostlib.Problem{{LoadError: hostlib.LoadError{File: c.file.shown, Message: fmt.Sprintf("a fault of dsengine itself: %v", p)}, Code: "load"}}
			for _, e := range errs {
				list = append(list, &hostlib.Problem{LoadError: *e, Code: "load"})
			}
		}
	}()
	c.report = hostlib.Report{File: c.file.shown, Comment: "--", List: [2]string{"{", "}"}}
	source := strings.TrimPrefix(string(c.file.source), byteOrderMark)
	meta := strings.HasPrefix(source, "---@meta") // it is for editors, and nothing runs it
	if tree, err := luasyntax.Parse(source); err == nil && c.file.proto != nil && !meta {
		c.tree, c.files = tree, map[string]*library{}
		c.run = newRun(nil)
		c.run.call = hostlib.Call{Lang: c.run, Host: c.loader.host, Job: c.job}
		c.typed()
		c.needs = c.declared()
		c.undefined()
		c.calls()
		c.tables()
		c.dropped()
		c.truths()
		c.sure()
		if c.needs != nil {
			c.report.Needs(c.needs, c.wanting)
		}
		c.hooks()
		c.readOnly()
		c.unused()
		c.block(tree.Body)
		c.reruns()
		c.caught()
		c.lostRows()
	}
	for _, e := range errs {
		if e.File != c.file.shown || !c.told(e) {
			c.report.Tell(*e, "load", false, "")
		}
	}
	list = c.report.Sorted(source)
	for _, p := range list {
		if p.Message = toldInLua(p.Message); p.Code == "call" || p.Code == "setting" {
			p.Message = hostlib.WordsInLua(p.Message)
		}
	}
	return list
}

// told says that a mistake was found that is what the error of loading is about: the
// interpreter knows lines, not columns.
func (c *linter) told(e *hostlib.LoadError) bool {
	for _, p := range c.report.Problems {
		if e.Line > 0 && p.Line == e.Line && !p.Warning {
			return true
		}
	}
	return c.report.Told(e)
}

// linter looks for mistakes in one file.
type linter struct {
	loader  *Loader
	file    *file
	tree    *luasyntax.File
	loads   bool
	job     *hostlib.Declaration // nil: no job script
	isTest  bool
	runs    []string // the functions that are tests, as far as the file was loaded
	tests   []*hostlib.ObjectType
	run     *run // whose Call converts arguments; it runs nothing
	types   map[*luasyntax.Binding]*hostlib.ObjectType
	busy    map[*luasyntax.Binding]bool // its type or value is looked for
	only    map[*luasyntax.Binding]bool // see untouched
	known   hostlib.Found[luasyntax.Expr, hostlib.Value]
	kinds   hostlib.Found[luasyntax.Expr, string]
	objects hostlib.Found[luasyntax.Expr, *hostlib.ObjectType]
	files   map[string]*library // that are required, by path
	needs   *hostlib.Needs      // what job() says; nil: that is not known
	wanting hostlib.Wanting
	methods map[string]bool // see anybody
	report  hostlib.Report
}

func (c *linter) add(at luasyntax.Pos, code string, warning bool, hint, message string) {
	c.report.Add(spot(at), code, warning, hint, message)
}

func spot(at luasyntax.Pos) hostlib.At { return hostlib.At{Line: at.Line, Column: at.Column} }

// helper says that the file is one that others require.
func (c *linter) helper() bool { return c.job == nil && !c.isTest }

// typed notes of which types the parameters of hooks and tests are.
func (c *linter) typed() {
	c.types, c.busy = map[*luasyntax.Binding]*hostlib.ObjectType{}, map[*luasyntax.Binding]bool{}
	set := func(fn *luasyntax.Func, i int, t *hostlib.ObjectType) {
		if i < len(fn.Params) && t != nil && len(fn.Params[i].Binding.Writes) == 1 {
			c.types[fn.Params[i].Binding] = t
		}
	}
	for name, b := range c.tree.Globals {
		fn, ok := b.Value.(*luasyntax.Func)
		switch {
		case !ok:
		case c.job != nil && hostlib.HookNamed(name) != nil:
			for i, p := range hostlib.HookNamed(name).Params {
				set(fn, i, hostlib.TypeNamed(p.Type))
			}
		case hostlib.TestNamed(name) != nil && len(c.tests) > 0:
			set(fn, 0, c.tests[0])
		}
	}
}

// hook is the function of a hook; nil: there is none.
func (c *linter) hook(name string) *luasyntax.Func {
	if b := c.tree.Globals[name]; b != nil && c.job != nil && hostlib.HookNamed(name) != nil {
		fn, _ := b.Value.(*luasyntax.Func)
		return fn
	}
	return nil
}

// library is what a file that is required gives.
type library struct {
	*linter
	exports map[string]luasyntax.Expr // by name; nil as a value: it is set to several things
	open    bool                      // there may be others
}

// required is the file that an expression requires, or nil.
func (c *linter) required(e luasyntax.Expr) *library {
	if b := c.single(e); b != nil {
		e = b.Value
	}
	call, ok := e.(*luasyntax.Call)
	if !ok || len(call.Args) != 1 || call.Method != nil {
		return nil
	}
	fn, ok := call.Fn.(*luasyntax.Name)
	arg, isText := call.Args[0].(*luasyntax.Literal)
	if !ok || fn.Name != "require" || !isGlobal(fn) || !isText || arg.Kind != luasyntax.String {
		return nil
	}
	p := path.Clean(strings.TrimSuffix(arg.Value, Ending)) + Ending
	if lib, ok := c.files[p]; ok {
		return lib
	}
	c.files[p] = nil // a circle is told of when it is loaded
	c.files[p] = c.library(p)
	return c.files[p]
}

// library reads a file that is required; nil: that cannot be known.
func (c *linter) library(p string) *library {
	var f *file
	switch {
	case hostlib.IsHelper(p):
		f = c.loader.helper(p)
	case c.isTest:
		f = c.loader.scripts[p]
	}
	if f == nil || f.proto == nil {
		return nil
	}
	tree, err := luasyntax.Parse(strings.TrimPrefix(string(f.source), byteOrderMark))
	if err != nil {
		return nil
	}
	lib := &library{linter: &linter{
		loader: c.loader, file: f, tree: tree, tests: c.tests, run: c.run, files: c.files,
		types: map[*luasyntax.Binding]*hostlib.ObjectType{}, busy: map[*luasyntax.Binding]bool{},
	}, exports: map[string]luasyntax.Expr{}}
	var last *luasyntax.Return
	if n := len(tree.Body); n > 0 {
		last, _ = tree.Body[n-1].(*luasyntax.Return)
	}
	if last == nil || len(last.Values) == 0 { // its globals
		for name, b := range tree.Globals {
			if len(b.Writes) > 0 {
				lib.exports[name] = b.Value
			}
		}
		return lib
	}
	lib.of(last.Values[0])
	return lib
}

// of notes what a table that a file returns has.
func (l *library) of(e luasyntax.Expr) {
	made, ok := e.(*luasyntax.Table)
	table := l.single(e)
	if table != nil {
		made, ok = table.Value.(*luasyntax.Table)
	}
	if !ok {
		l.open = true
		return
	}
	for _, f := range made.Fields {
		if key, ok := f.Key.(*luasyntax.Literal); ok && key.Kind == luasyntax.String {
			l.exports[key.Value] = f.Value
		} else if f.Key != nil {
			l.open = true
		}
	}
	if table == nil {
		return
	}
	set := func(target, value luasyntax.Expr) {
		x, ok := target.(*luasyntax.Index)
		if !ok {
			return
		}
		if of, _ := rootOf(x); of == nil || of.Binding != table {
			return
		}
		for inner, ok := x.X.(*luasyntax.Index); ok; inner, ok = x.X.(*luasyntax.Index) {
			x, value = inner, nil // of a.b.c, b is what others see
		}
		key, ok := x.Key.(*luasyntax.Literal)
		switch _, twice := l.exports[keyOf(key)]; {
		case !ok || key.Kind != luasyntax.String:
			l.open = true
		case twice:
			l.exports[key.Value] = nil
		default:
			l.exports[key.Value] = value
		}
	}
	luasyntax.Walk(l.tree.Body, func(n luasyntax.Node) bool {
		switch s := n.(type) {
		case *luasyntax.FuncStmt:
			set(s.Target, s.Func)
		case *luasyntax.Assign:
			for i, e := range s.Left {
				var v luasyntax.Expr
				if len(s.Left) == len(s.Right) {
					v = s.Right[i]
				}
				set(e, v)
			}
		case *luasyntax.Call: // of setmetatable, say
			for _, arg := range s.Args {
				if of, ok := arg.(*luasyntax.Name); ok && of.Binding == table {
					l.open = true
				}
			}
		}
		return true
	})
}

func keyOf(key *luasyntax.Literal) string {
	if key == nil {
		return ""
	}
	return key.Value
}

// single is the binding that an expression is the name of, if it is set once, to one
// thing.
func (c *linter) single(e luasyntax.Expr) *luasyntax.Binding {
	n, ok := e.(*luasyntax.Name)
	if !ok || n.Binding == nil || len(n.Binding.Writes) != 1 || n.Binding.Value == nil || n.Binding.Several {
		return nil
	}
	return n.Binding
}

// isGlobal says that a name is none of the file's own.
func isGlobal(n *luasyntax.Name) bool {
	return n.Binding != nil && n.Binding.Kind == luasyntax.Global && len(n.Binding.Writes) == 0
}

var someFunction = boot.NewFunction(func(*lua.LState) int { return 0 })
