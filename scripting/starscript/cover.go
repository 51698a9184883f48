package starscript

import (
	"bytes"
	"maps"
	"slices"
	"strconv"

	"github.com/dsengine/dsengine/scripting/coverage"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Which parts of a file run is counted by the file itself: probes are put into
// its tree before it is compiled. Positions of what was there stay, and so do
// errors, call stacks and locals. A probe takes back the steps that it takes, and
// makes no jump that was not there. That is why break, continue and pass, which
// have no instructions, get no probe in the branch of an if: what they count
// follows from the outcomes of its condition. So a run never takes more steps with
// probes than without. It may take some fewer, as the compiler fills up jumps to
// near places with instructions that do nothing, and places are farther now.

// Steps of the interpreter that the probes take.
const (
	stmtSteps   = 3 // look up, call, drop
	clauseSteps = 3 // look up, call, jump
	lambdaSteps = 4 // look up, call, jump, and jump back
	condSteps   = 2 // look up, call
	// spareSteps are how many steps of a probe may be taken before it takes them
	// back: by so much a run may pass its limit.
	spareSteps = 2
)

type (
	counter = coverage.Counter
	reach   = coverage.Reach
)

// cover puts probes into a file and keeps what they count.
type cover struct {
	coverage.Probes
	job   bool // it is a job script
	names starlark.StringDict
}

// probed compiles the file with probes: with count those that count what runs, with
// frames those that keep what the variables of functions are.
func (f *file) probed(job, count, frames bool) (*starlark.Program, starlark.StringDict, error) {
	tree, err := options.Parse(f.shown, bytes.TrimPrefix(f.source, []byte(byteOrderMark)), 0)
	if err != nil {
		return nil, nil, err
	}
	names := maps.Clone(predeclared)
	if count {
		f.cover = &cover{job: job, names: names}
		tree.Stmts, _ = f.cover.block(tree.Stmts, nil, false, 0)
	}
	if frames {
		keepFrames(tree, names)
	}
	f.probes = true
	prog, err := starlark.FileProgram(tree, names.Has)
	return prog, names, err
}

// spare is by how many steps a run of the file may pass its limit.
func (f *file) spare() uint64 {
	if !f.probes {
		return 0
	}
	return spareSteps
}

// call makes an expression that calls a function.
func (c *cover) call(at syntax.Position, fn func(t *starlark.Thread, args starlark.Tuple) starlark.Value, args ...syntax.Expr) syntax.Expr {
	return probe(c.names, at, fn, args...)
}

// probe makes an expression that calls a function, under a name that no script can
// write.
func probe(names starlark.StringDict, at syntax.Position, fn func(t *starlark.Thread, args starlark.Tuple) starlark.Value, args ...syntax.Expr) syntax.Expr {
	name := "\x00" + strconv.Itoa(len(names))
	names[name] = starlark.NewBuiltin("probe", func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return fn(t, args), nil
	})
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: name}, Lparen: at, Args: args, Rparen: at}
}

// probe makes a call that counts, takes back the steps around it, and is true.
func (c *cover) probe(at syntax.Position, steps uint64) (syntax.Expr, reach) {
	n := &counter{}
	return c.call(at, func(t *starlark.Thread, _ starlark.Tuple) starlark.Value {
		t.Steps -= steps
		n.Add(1)
		return starlark.True
	}), reach{n}
}

// stmt makes a statement that counts.
func (c *cover) stmt(at syntax.Position) (syntax.Stmt, reach) {
	x, n := c.probe(at, stmtSteps)
	return &syntax.ExprStmt{X: x}, n
}

func (c *cover) part(start, end syntax.Position, ran reach) {
	c.Part(place(start), place(end), ran)
}

// block puts probes into statements that run one after the other. at says how
// often the first is reached. If the end is asked for, so is how often that is
// reached. depth is that of functions.
func (c *cover) block(stmts []syntax.Stmt, at reach, end bool, depth int) ([]syntax.Stmt, reach) {
	var out []syntax.Stmt
	for i, s := range stmts {
		if isText(s) {
			out = append(out, s)
			continue
		}
		if def, ok := s.(*syntax.DefStmt); ok {
			c.def(def, depth)
			out, at = append(out, s), nil
			continue
		}
		start, last := head(s)
		if at == nil {
			// Here is an instruction already: of s, or of what is before it, unless
			// that is an if. Then at was asked for.
			var probe syntax.Stmt
			probe, at = c.stmt(start)
			out = append(out, probe)
		}
		c.part(start, last, at)
		at = c.inside(s, at, wanted(stmts[i+1:], end), depth)
		out = append(out, s)
	}
	if at == nil && end {
		_, last := stmts[len(stmts)-1].Span()
		probe, n := c.stmt(last)
		out, at = append(out, probe), n
	}
	return out, at
}

// wanted says whether it must be known how often what follows an if is reached,
// because it has no instruction that a probe could stand before.
func wanted(rest []syntax.Stmt, end bool) bool {
	for _, s := range rest {
		if !isText(s) {
			_, ok := s.(*syntax.BranchStmt)
			return ok
		}
	}
	return end
}

// isText says that a statement is a text, which is compiled to nothing.
func isText(s syntax.Stmt) bool {
	e, ok := s.(*syntax.ExprStmt)
	if !ok {
		return false
	}
	_, ok = e.X.(*syntax.Literal)
	return ok
}

// head is where a statement begins, and where it ends, or its head does.
func head(s syntax.Stmt) (start, end syntax.Position) {
	start, end = s.Span()
	switch s := s.(type) {
	case *syntax.IfStmt:
		_, end = s.Cond.Span()
	case *syntax.ForStmt:
		_, end = s.X.Span()
	case *syntax.DefStmt:
		end = s.Rparen
	}
	return start, end
}

// inside puts probes into a statement. It gives how often what follows is
// reached, if that is asked for or known anyway.
func (c *cover) inside(s syntax.Stmt, at reach, after bool, depth int) reach {
	switch s := s.(type) {
	case *syntax.BranchStmt:
		if s.Token == syntax.PASS {
			return at
		}
		return coverage.Never
	case *syntax.ReturnStmt:
		if s.Result != nil {
			c.expr(&s.Result)
		}
		return coverage.Never
	case *syntax.ExprStmt:
		c.expr(&s.X)
	case *syntax.AssignStmt:
		c.expr(&s.LHS)
		c.expr(&s.RHS)
	case *syntax.ForStmt:
		c.expr(&s.X)
		s.Body, _ = c.block(s.Body, nil, false, depth)
	case *syntax.IfStmt:
		isTrue, isFalse := c.branch(s.If, &s.Cond)
		s.True, isTrue = c.block(s.True, isTrue, after, depth)
		s.False, isFalse = c.block(s.False, isFalse, after, depth)
		if after {
			return append(append(reach{}, isTrue...), isFalse...)
		}
	}
	return nil
}

// def puts probes into a function. It counts from its head on when it is called.
// Tests in a job script do not count.
func (c *cover) def(def *syntax.DefStmt, depth int) {
	name := def.Name.Name
	if depth == 0 && (hostlib.TestNamed(name) != nil) {
		return
	}
	c.params(def.Params)
	entry, n := c.stmt(def.Def)
	start, end := head(def)
	c.part(start, end, n)
	_, last := def.Span()
	hook := c.job && depth == 0 && hostlib.HookNamed(name) != nil
	c.Func(coverage.Func{Name: name, Hook: hook, Line: int(def.Def.Line), LastLine: int(last.Line)}, n)
	first := 0
	if isText(def.Body[0]) {
		first = 1 // the function's documentation
	}
	body, _ := c.block(def.Body, n, false, depth+1)
	def.Body = slices.Insert(body, first, entry)
}

func (c *cover) params(params []syntax.Expr) {
	for _, p := range params {
		if b, ok := p.(*syntax.BinaryExpr); ok {
			c.expr(&b.Y)
		}
	}
}

// expr puts probes into an expression.
func (c *cover) expr(p *syntax.Expr) {
	switch e := (*p).(type) {
	case *syntax.ParenExpr:
		c.expr(&e.X)
	case *syntax.ListExpr:
		c.exprs(e.List)
	case *syntax.TupleExpr:
		c.exprs(e.List)
	case *syntax.DictExpr:
		c.exprs(e.List)
	case *syntax.DictEntry:
		c.expr(&e.Key)
		c.expr(&e.Value)
	case *syntax.CondExpr:
		isTrue, isFalse := c.branch(e.If, &e.Cond)
		for _, arm := range []struct {
			x   *syntax.Expr
			ran reach
		}{{&e.True, isTrue}, {&e.False, isFalse}} {
			start, end := (*arm.x).Span()
			c.part(start, end, arm.ran)
			c.expr(arm.x)
		}
	case *syntax.IndexExpr:
		c.expr(&e.X)
		c.expr(&e.Y)
	case *syntax.SliceExpr:
		c.expr(&e.X)
		for _, x := range []*syntax.Expr{&e.Lo, &e.Hi, &e.Step} {
			if *x != nil {
				c.expr(x)
			}
		}
	case *syntax.Comprehension:
		c.comprehension(e)
	case *syntax.UnaryExpr:
		if e.X != nil {
			c.expr(&e.X)
		}
	case *syntax.BinaryExpr:
		if e.Op != syntax.EQ { // else X is the name of an argument
			c.expr(&e.X)
		}
		c.expr(&e.Y)
	case *syntax.DotExpr:
		c.expr(&e.X)
	case *syntax.CallExpr:
		c.expr(&e.Fn)
		c.exprs(e.Args)
	case *syntax.LambdaExpr:
		c.params(e.Params)
		start, end := e.Body.Span()
		c.expr(&e.Body)
		probe, n := c.probe(start, lambdaSteps)
		e.Body = after(probe, e.Body)
		c.part(start, end, n)
	}
}

// after makes an expression that calls a probe, and then is another.
func after(probe, x syntax.Expr) syntax.Expr {
	start, _ := x.Span()
	return &syntax.CondExpr{If: start, Cond: probe, True: x, ElsePos: start, False: &syntax.Literal{Token: syntax.INT, TokenPos: start, Raw: "0", Value: int64(0)}}
}

func (c *cover) exprs(list []syntax.Expr) {
	for i := range list {
		c.expr(&list[i])
	}
}

// comprehension counts how often the body is begun: as often as the last clause
// says if that is a condition, else by a probe.
func (c *cover) comprehension(e *syntax.Comprehension) {
	var ran reach
	for _, clause := range e.Clauses {
		switch clause := clause.(type) {
		case *syntax.ForClause:
			c.expr(&clause.X)
			ran = nil
		case *syntax.IfClause:
			ran, _ = c.branch(clause.If, &clause.Cond)
		}
	}
	start, end := e.Body.Span()
	c.expr(&e.Body)
	if ran == nil {
		var probe syntax.Expr
		probe, ran = c.probe(start, clauseSteps)
		e.Clauses = append(e.Clauses, &syntax.IfClause{If: start, Cond: probe})
	}
	c.part(start, end, ran)
}

// branch counts the outcomes of a condition.
func (c *cover) branch(at syntax.Position, cond *syntax.Expr) (isTrue, isFalse reach) {
	t, f := &reach{}, &reach{}
	c.cond(cond, t, f)
	c.Branch(place(at), *t, *f)
	return *t, *f
}

// cond puts probes around those parts of a condition whose truth the
// interpreter jumps by; t and f gather which outcomes lead where. It follows what
// the compiler does, so that there are no more jumps than before.
func (c *cover) cond(p *syntax.Expr, t, f *reach) {
	switch e := (*p).(type) {
	case *syntax.UnaryExpr:
		if e.Op == syntax.NOT {
			c.cond(&e.X, f, t)
			return
		}
	case *syntax.BinaryExpr:
		switch e.Op {
		case syntax.AND:
			c.truth(&e.X, nil, f)
			c.cond(&e.Y, t, f)
			return
		case syntax.OR:
			c.truth(&e.X, t, nil)
			c.cond(&e.Y, t, f)
			return
		case syntax.NOT_IN:
			in := *e
			in.Op = syntax.IN
			not := &syntax.UnaryExpr{OpPos: e.OpPos, Op: syntax.NOT, X: &in}
			c.truth(&not.X, f, t)
			*p = not
			return
		}
	}
	c.truth(p, t, f)
}

// truth puts a probe around an expression, whose value stays.
func (c *cover) truth(p *syntax.Expr, t, f *reach) {
	start, _ := (*p).Span()
	c.expr(p)
	isTrue, isFalse := &counter{}, &counter{}
	*p = c.call(start, func(t *starlark.Thread, args starlark.Tuple) starlark.Value {
		t.Steps -= condSteps
		if args[0].Truth() {
			isTrue.Add(1)
		} else {
			isFalse.Add(1)
		}
		return args[0]
	}, *p)
	if t != nil {
		*t = append(*t, isTrue)
	}
	if f != nil {
		*f = append(*f, isFalse)
	}
}

func place(p syntax.Position) coverage.Place {
	return coverage.Place{Line: int(p.Line), Column: int(p.Col)}
}

// Covered tells what has run of the scripts and helper files that are wanted, by
// their paths, and of all that those load.
func (l *Loader) Covered(wanted func(path string) bool) []*coverage.File {
	var begin []*file
	for _, files := range []map[string]*file{l.scripts, l.files} {
		for p, f := range files {
			if wanted(p) {
				begin = append(begin, f)
			}
		}
	}
	return coverage.Collect(begin, func(f *file) []*file { return f.loads }, (*file).counted)
}

// counted is what the probes have counted up to now; nil if there are none.
func (f *file) counted() *coverage.File {
	if f.cover == nil {
		return nil
	}
	return f.cover.File(f.shown, string(f.source))
}
