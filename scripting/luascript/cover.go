package luascript

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/scripting/coverage"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// Which parts of a file run is counted by the file itself: the rewriter puts calls of
// probes between its statements. What a probe calls is a constant of the compiled
// function, so nothing of it has a name; lines, call stacks and locals stay as they are. A
// probe takes back the steps that it takes. So a run takes about as many steps with probes
// as without: not just as many, since the compiler makes one instruction of jumps to jumps,
// and of moves in a row, which probes keep apart.

// Steps of the interpreter that the probes take.
const (
	stmtSteps = 2 // load, call
	jumpSteps = 3 // and one for a jump that ended elsewhere before
	exprSteps = 3 // load, call, test
	// spareSteps are how many steps of a probe may be taken before it takes them
	// back: by so much a run may pass its limit.
	spareSteps = 2
)

// cover puts probes into a file and keeps what they count.
type cover struct {
	coverage.Probes
	job    bool // it is a job script
	spans  *spans
	prefix string // of the constants that stand for probes
	probes []*lua.LFunction
	depth  int               // of functions
	exit   *coverage.Counter // of the innermost loop whose condition is counted; a break is no outcome of that
}

// newCover makes the cover of a file.
func newCover(source []byte, tree []ast.Stmt, job bool) (*cover, error) {
	s, err := spansOf(source, tree)
	if err != nil {
		return nil, err
	}
	c := &cover{job: job, spans: s, prefix: "\x00probe"}
	walk(tree, func(n any) bool {
		for s, ok := n.(*ast.StringExpr); ok && strings.HasPrefix(s.Value, c.prefix); {
			c.prefix += "\x00"
		}
		return true
	})
	return c, nil
}

// tally is what a probe adds to a counter.
type tally struct {
	to *coverage.Counter
	by int64
}

// call makes a call of a function.
func (c *cover) call(at ast.PositionHolder, fn lua.LGFunction) *ast.FuncCallExpr {
	name := &ast.StringExpr{Value: fmt.Sprintf("%s%d.", c.prefix, len(c.probes))}
	name.SetLine(at.Line())
	c.probes = append(c.probes, boot.NewFunction(fn))
	e := &ast.FuncCallExpr{Func: name}
	e.SetLine(at.Line())
	return e
}

// probe makes a statement that counts.
func (c *cover) probe(at ast.PositionHolder, steps int64, tallies ...tally) ast.Stmt {
	s := &ast.FuncCallStmt{Expr: c.call(at, func(l *lua.LState) int {
		l.Context().(*counter).left += steps
		for _, t := range tallies {
			t.to.Add(uint64(t.by))
		}
		return 0
	})}
	s.SetLine(at.Line())
	return s
}

// truth makes an expression that counts and is true.
func (c *cover) truth(at ast.PositionHolder, to *coverage.Counter) ast.Expr {
	return c.call(at, func(l *lua.LState) int {
		l.Context().(*counter).left += exprSteps
		to.Add(1)
		l.Push(lua.LTrue)
		return 1
	})
}

// link puts the probes into compiled functions.
func (c *cover) link(p *lua.FunctionProto) {
	for i, v := range p.Constants {
		if s, ok := v.(lua.LString); ok && strings.HasPrefix(string(s), c.prefix) {
			var n int
			if _, err := fmt.Sscanf(string(s)[len(c.prefix):], "%d.", &n); err == nil && n < len(c.probes) {
				p.Constants[i] = c.probes[n]
			}
		}
	}
	for _, inner := range p.FunctionPrototypes {
		c.link(inner)
	}
}

// place notes a part by its first and its last token.
func (c *cover) place(first, last int, ran coverage.Reach) {
	if last < len(c.spans.tokens) {
		c.Part(c.spans.tokens[first].start, c.spans.tokens[last].end, ran)
	}
}

// extent is the first and the last token of a statement, or of its head.
func (c *cover) extent(s ast.Stmt) (first, last int) {
	first = c.spans.begin(s, "(")
	switch s := s.(type) {
	case *ast.IfStmt:
		return first, c.spans.end(first, s.Condition)
	case *ast.WhileStmt:
		return first, c.spans.end(first, s.Condition)
	case *ast.RepeatStmt:
		return first, first
	case *ast.NumberForStmt:
		return first, c.spans.end(first, s.Init, s.Limit, s.Step)
	case *ast.GenericForStmt:
		return first, c.spans.end(first, s.Exprs)
	case *ast.GotoStmt:
		return first, first + 1
	case *ast.LocalAssignStmt:
		if len(s.Exprs) == 0 {
			return first, c.spans.names(first)
		}
	}
	return first, c.spans.end(first, s)
}

// counted rewrites statements that run one after the other, and puts probes between
// them. at says how often the first is reached; nil: that is to be counted.
func (w *rewriter) counted(stmts []ast.Stmt, it string, at coverage.Reach) (out []ast.Stmt) {
	for _, s := range stmts {
		out, at = w.countedOne(out, s, it, at)
	}
	return out
}

// countedOne adds a statement, with probes. It gives how often what follows is reached,
// if that is known.
func (w *rewriter) countedOne(out []ast.Stmt, s ast.Stmt, it string, at coverage.Reach) ([]ast.Stmt, coverage.Reach) {
	c, line := w.cover, s
	switch s := s.(type) {
	case *ast.LabelStmt:
		return append(out, s), nil
	case *ast.DoBlockStmt:
		d := *s
		d.Stmts = w.counted(s.Stmts, it, at)
		return append(out, &d), nil
	}
	if fn := defined(s); fn != nil {
		return append(out, w.defined(s, fn)), nil
	}
	var tallies []tally
	if at == nil {
		n := &coverage.Counter{}
		at, tallies = coverage.Reach{n}, []tally{{n, 1}}
	}
	first, last := c.extent(s)
	c.place(first, last, at)
	var after []ast.Stmt
	switch t := s.(type) {
	case *ast.BreakStmt:
		if c.exit != nil {
			tallies = append(tallies, tally{c.exit, -1})
		}
		s = w.leave(t)
	case *ast.IfStmt:
		s = w.countedIf(t, it)
	case *ast.WhileStmt:
		s, after = w.countedWhile(t, it)
	case *ast.RepeatStmt:
		var begins tally
		s, after, begins = w.countedRepeat(t, it)
		if begins.to != nil {
			tallies = append(tallies, begins)
		}
	case *ast.NumberForStmt, *ast.GenericForStmt:
		outer := c.exit
		c.exit = nil
		s = w.stmt(s, it)
		c.exit = outer
	default:
		s = w.stmt(s, it)
	}
	if len(tallies) > 0 {
		out = append(out, c.probe(line, stmtSteps, tallies...))
	}
	return append(append(out, s), after...), nil
}

func (w *rewriter) countedIf(s *ast.IfStmt, it string) ast.Stmt {
	c := w.cover
	isTrue, isFalse := &coverage.Counter{}, &coverage.Counter{}
	c.Branch(c.spans.tokens[c.spans.first[s]].start, coverage.Reach{isTrue}, coverage.Reach{isFalse})
	d := *s
	d.Condition = w.condition(s.Condition)
	inTrue, inFalse := int64(stmtSteps), int64(stmtSteps)
	if len(s.Else) == 0 {
		// There was no jump over it.
		inFalse = jumpSteps
		if goesOn(s.Then) {
			inTrue = jumpSteps
		}
	}
	d.Then = append([]ast.Stmt{c.probe(s, inTrue, tally{isTrue, 1})}, w.counted(s.Then, it, coverage.Reach{isTrue})...)
	d.Else = append([]ast.Stmt{c.probe(s, inFalse, tally{isFalse, 1})}, w.counted(s.Else, it, coverage.Reach{isFalse})...)
	return &d
}

// goesOn says whether what follows statements can be reached by their end.
func goesOn(stmts []ast.Stmt) bool {
	if len(stmts) == 0 {
		return true
	}
	switch stmts[len(stmts)-1].(type) {
	case *ast.ReturnStmt, *ast.BreakStmt, *ast.GotoStmt:
		return false
	}
	return true
}

// always says of a condition that it is true whatever happens.
func always(e ast.Expr) bool {
	switch e.(type) {
	case *ast.TrueExpr, *ast.NumberExpr, *ast.StringExpr:
		return true
	}
	return false
}

// countedWhile counts what begins the loop's body, and what ends the loop, without what
// breaks it.
func (w *rewriter) countedWhile(s *ast.WhileStmt, it string) (ast.Stmt, []ast.Stmt) {
	c, outer := w.cover, w.cover.exit
	defer func() { c.exit = outer }()
	isTrue, isFalse := &coverage.Counter{}, &coverage.Counter{}
	d := *s
	d.Condition = again(s.Condition, w.condition(s.Condition))
	var after []ast.Stmt
	if c.exit = nil; !always(s.Condition) {
		c.exit = isFalse
		c.Branch(c.spans.tokens[c.spans.first[s]].start, coverage.Reach{isTrue}, coverage.Reach{isFalse})
		after = []ast.Stmt{c.probe(s, jumpSteps, tally{isFalse, 1})}
	}
	loop := w.looping(func() ast.Stmt {
		d.Stmts = append([]ast.Stmt{c.probe(s, stmtSteps, tally{isTrue, 1})}, w.counted(s.Stmts, it, coverage.Reach{isTrue})...)
		return &d
	})
	return loop, after
}

// countedRepeat does the same: the condition is false as often as the body begins,
// without the first time.
func (w *rewriter) countedRepeat(s *ast.RepeatStmt, it string) (ast.Stmt, []ast.Stmt, tally) {
	c, outer := w.cover, w.cover.exit
	defer func() { c.exit = outer }()
	isTrue, isFalse, body := &coverage.Counter{}, &coverage.Counter{}, &coverage.Counter{}
	until := coverage.Reach{isTrue, isFalse}
	d := *s
	c.exit = isTrue
	loop := w.looping(func() ast.Stmt {
		d.Stmts = append([]ast.Stmt{c.probe(s, stmtSteps, tally{body, 1}, tally{isFalse, 1})}, w.counted(s.Stmts, it, coverage.Reach{body})...)
		c.exit = nil
		d.Condition = w.condition(s.Condition)
		first := c.spans.begin(s.Condition, "not", "-", "#", "(", "until")
		c.place(first, c.spans.end(first, s.Condition), until)
		if _, never := s.Condition.(*ast.FalseExpr); !never {
			c.Branch(c.spans.tokens[first].start, coverage.Reach{isTrue}, coverage.Reach{isFalse})
		}
		return &d
	})
	return loop, []ast.Stmt{c.probe(s, jumpSteps, tally{isTrue, 1})}, tally{isFalse, -1}
}

// condition rewrites a condition: in it, and and or choose no value.
func (w *rewriter) condition(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.LogicalOpExpr:
		d := *e
		d.Lhs, d.Rhs = w.condition(e.Lhs), w.condition(e.Rhs)
		return &d
	case *ast.UnaryNotOpExpr:
		d := *e
		d.Expr = w.condition(e.Expr)
		return &d
	}
	return w.expr(e)
}

// choice rewrites a and b or c, by which Lua chooses between two values: each is a part,
// and what is chosen a branch. It gives nil if the expression is another one.
func (w *rewriter) choice(e *ast.LogicalOpExpr) ast.Expr {
	both, ok := e.Lhs.(*ast.LogicalOpExpr)
	if w.cover == nil || !ok || e.Operator != "or" || both.Operator != "and" {
		return nil
	}
	c := w.cover
	first, second := &coverage.Counter{}, &coverage.Counter{}
	c.Branch(c.spans.tokens[c.spans.begin(both.Lhs, "not", "-", "#", "(")].start, coverage.Reach{first}, coverage.Reach{second})
	arm := func(x ast.Expr, to *coverage.Counter) ast.Expr {
		from := c.spans.begin(x, "not", "-", "#", "(")
		c.place(from, c.spans.end(from, x), coverage.Reach{to})
		d := &ast.LogicalOpExpr{Operator: "and", Lhs: c.truth(x, to), Rhs: w.expr(x)}
		d.SetLine(x.Line())
		return d
	}
	d, inner := *e, *both
	inner.Lhs = w.condition(both.Lhs)
	inner.Rhs = arm(both.Rhs, first)
	d.Lhs, d.Rhs = &inner, arm(e.Rhs, second)
	return &d
}

// defined is the function that a statement defines, if it does nothing else.
func defined(s ast.Stmt) *ast.FunctionExpr {
	var list []ast.Expr
	switch s := s.(type) {
	case *ast.FuncDefStmt:
		return s.Func
	case *ast.LocalAssignStmt:
		list = s.Exprs
	case *ast.AssignStmt:
		if len(s.Lhs) == 1 {
			list = s.Rhs
		}
	}
	if len(list) != 1 {
		return nil
	}
	fn, _ := list[0].(*ast.FunctionExpr)
	return fn
}

// defined rewrites the definition of a function. It counts from its head on when it is
// called. Tests in a job script do not count.
func (w *rewriter) defined(s ast.Stmt, fn *ast.FunctionExpr) ast.Stmt {
	c := w.cover
	name := w.file.names[fn.Line()]
	var body *ast.FunctionExpr
	if c.depth == 0 && hostlib.TestNamed(name) != nil {
		w.cover = nil
		body = w.function(fn)
		w.cover = c
	} else {
		hook := c.job && c.depth == 0 && hostlib.HookNamed(name) != nil
		var n coverage.Reach
		body, n = w.called(fn, c.spans.begin(s))
		c.Func(coverage.Func{Name: name, Hook: hook, Line: s.Line(), LastLine: fn.LastLine()}, n)
	}
	switch s := s.(type) {
	case *ast.FuncDefStmt:
		d := *s
		d.Func = body
		return &d
	case *ast.LocalAssignStmt:
		d := *s
		d.Exprs = []ast.Expr{body}
		return &d
	case *ast.AssignStmt:
		d := *s
		d.Lhs, d.Rhs = w.exprs(s.Lhs), []ast.Expr{body}
		return &d
	}
	return s
}

// called rewrites a function, whose head begins at a token. It counts from there on when
// it is called.
func (w *rewriter) called(fn *ast.FunctionExpr, first int) (*ast.FunctionExpr, coverage.Reach) {
	c, d, n := w.cover, *fn, &coverage.Counter{}
	ran := coverage.Reach{n}
	c.place(first, c.spans.closing(c.spans.first[fn]), ran)
	outer := c.exit
	c.exit = nil
	c.depth++
	end := w.enter(fn)
	d.Stmts = append([]ast.Stmt{c.probe(fn, stmtSteps, tally{n, 1})}, w.counted(fn.Stmts, "", ran)...)
	end()
	c.depth--
	c.exit = outer
	return &d, ran
}

// spare is by how many steps a run may pass its limit.
func (l *Loader) spare() int64 {
	if !l.Coverage {
		return 0
	}
	return spareSteps
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
