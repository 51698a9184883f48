package starscript

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Script is a job script that is loaded. Its globals are frozen, so that it can
// run for many hosts at once.
type Script struct {
	file *file
	job  *hostlib.Declaration
}

// Script loads a job script.
func (l *Loader) Script(name, p string) (*Script, []*hostlib.LoadError) {
	s := l.script(name, p)
	if len(s.file.errs) > 0 {
		return nil, s.file.errs
	}
	return s, nil
}

// script loads a job script, as far as its file has no errors.
func (l *Loader) script(name, p string) *Script {
	s := &Script{job: &hostlib.Declaration{Type: name, Needs: &hostlib.Needs{}}}
	if s.file = l.load(p, s.job, nil); len(s.file.errs) == 0 {
		s.file.hooks(l.host, s.job.Needs)
	}
	if len(s.file.errs) > 0 {
		return s
	}
	if err := s.Type(l.host).Validate(); err != nil {
		s.file.fail(syntax.Position{}, "%v", err)
		return s
	}
	l.scripts[p] = s.file
	return s
}

// Type makes a job type of the script, whose hooks live in a host.
func (s *Script) Type(host *hostlib.Host) *engine.Type {
	t := &engine.Type{Name: s.job.Type, Doc: s.file.doc, Version: s.file.version(), Settings: s.job.Settings}
	t.Hooks, t.Redrive = s.file.hooks(host, s.job.Needs)
	return t
}

// HookAt is where the script defines a hook that it has: "file:line".
func (s *Script) HookAt(name string) string {
	return fmt.Sprintf("%s:%d", s.file.shown, s.file.places[name].Line)
}

// Tests are the tests in the script itself.
func (s *Script) Tests() []*hostlib.Test { return s.file.tests() }

// Files are the script and all that it loads, below the jobs folder.
func (s *Script) Files() []string { return s.file.all() }

// testEnding is what the names of files of tests end in.
const testEnding = "_test" + Ending

// TestFile loads a file of tests. It may load job scripts too.
func (l *Loader) TestFile(p string) ([]*hostlib.Test, []*hostlib.LoadError) {
	f, tests := l.testFile(p)
	if len(f.errs) > 0 {
		return nil, f.errs
	}
	return tests, nil
}

func (l *Loader) testFile(p string) (*file, []*hostlib.Test) {
	l.testing = true
	defer func() { l.testing = false }()
	f := l.load(p, nil, nil)
	delete(l.files, p)
	return f, f.tests()
}

// tests finds the tests among the globals, in the order of the file.
func (f *file) tests() (list []*hostlib.Test) {
	for _, name := range slices.Sorted(maps.Keys(f.globals)) {
		t := hostlib.TestNamed(name)
		if t == nil || !f.hasTest(name) {
			continue
		}
		fn := f.globals[name].(*starlark.Function)
		t.File, t.Line, t.Files = f.shown, int(f.places[name].Line), f.all()
		t.Run = func(ctx context.Context, host *hostlib.Host, self hostlib.Object) (int, error) {
			return f.test(ctx, fn, host, self)
		}
		if s := signatureOfFunction(fn); !t.Todo && !s.takes(1) {
			f.fail(f.places[name], "a test is called as %s(t), but is defined as %s", name, s)
			continue
		}
		if err := t.Named(); err != nil {
			f.fail(f.places[name], "%v", err)
			continue
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *hostlib.Test) int { return a.Line - b.Line })
	return list
}

// hasTest says that a global is a function of the file itself, which a test is.
func (f *file) hasTest(name string) bool {
	fn, ok := f.globals[name].(*starlark.Function)
	return ok && fn.Position().Filename() == f.shown
}

// test runs a test of the file; see hostlib.Test.
func (f *file) test(ctx context.Context, fn *starlark.Function, host *hostlib.Host, self hostlib.Object) (line int, err error) {
	r := newRun(fn.Name(), hostlib.TestSteps)
	r.file = f
	r.call.Host, r.call.Loading, r.call.Testing = host, ctx, true
	defer r.call.Close()
	arg, err := r.value(self)
	if err == nil {
		_, err = starlark.Call(r.thread, fn, starlark.Tuple{arg}, nil)
	}
	line = f.lineOf(err)
	if err == nil && r.halt != nil {
		err = r.halt
	}
	r.call.Fell(err)
	return line, r.Failure(err)
}

// lineOf is the innermost line of the file at which an error happened.
func (f *file) lineOf(err error) (line int) {
	for ev := (*starlark.EvalError)(nil); errors.As(err, &ev); err = ev.Unwrap() {
		for _, at := range begun(ev) {
			if at.Pos.IsValid() && at.Pos.Filename() == f.shown {
				line = int(at.Pos.Line)
			}
		}
	}
	return line
}

// Caller is where in the script a host function was called that runs now, or
// where it is that an iterator goes on.
func (r *run) Caller() hostlib.Caller {
	var frame starlark.DebugFrame
	var fn *starlark.Function
	depth := 0
	for ; fn == nil; depth++ {
		if depth == r.thread.CallStackDepth() {
			return hostlib.Caller{}
		}
		frame = r.thread.DebugFrame(depth)
		fn, _ = frame.Callable().(*starlark.Function)
	}
	pos := frame.Position()
	c := hostlib.Caller{File: pos.Filename(), Line: int(pos.Line), Func: frame.Callable().Name()}
	if f := r.file; f != nil {
		if in := f.named(pos.Filename()); in != nil {
			c.Text = in.callText(pos)
		}
	}
	for ; depth < r.thread.CallStackDepth() && len(c.Via) < hostlib.MaxVia; depth++ {
		outer := r.thread.DebugFrame(depth)
		if _, ok := outer.Callable().(*starlark.Function); ok {
			c.Via = append(c.Via, fmt.Sprintf("%s:%d", outer.Position().Filename(), outer.Position().Line))
		}
	}
	f := newFrame(frame, fn)
	c.Locals = f.locals()
	return c
}

// named is the file that messages name so, among this one and what it loads.
func (f *file) named(shown string) (found *file) {
	f.each(func(g *file) {
		if g.shown == shown {
			found = g
		}
	})
	return found
}

// callText is the source of the call whose parenthesis is at a place.
func (f *file) callText(pos syntax.Position) (text string) {
	tree, err := options.Parse(f.shown, f.source, 0)
	if err != nil {
		return ""
	}
	syntax.Walk(tree, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && call.Lparen.Line == pos.Line && call.Lparen.Col == pos.Col {
			start, end := call.Span()
			text = cut(string(f.source), start, end)
		}
		return text == ""
	})
	return text
}

// cut gives what stands from a place to another. Columns count characters.
func cut(source string, from, to syntax.Position) string {
	lines := strings.SplitAfter(source, "\n")
	if int(to.Line) > len(lines) {
		return ""
	}
	part := slices.Clone(lines[from.Line-1 : to.Line])
	last := []rune(part[len(part)-1])
	part[len(part)-1] = string(last[:min(int(to.Col)-1, len(last))])
	first := []rune(part[0])
	part[0] = string(first[min(int(from.Col)-1, len(first)):])
	return strings.Join(part, "")
}
