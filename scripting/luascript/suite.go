package luascript

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// Script is a job script that is loaded. It can run for many hosts at once.
type Script struct{ script *script }

// Script loads a job script.
func (l *Loader) Script(name, p string) (*Script, []*hostlib.LoadError) {
	s := l.script(name, p)
	if len(s.errs) > 0 {
		return nil, s.errs
	}
	return &Script{s}, nil
}

// Type makes a job type of the script, whose hooks live in a host.
func (s *Script) Type(host *hostlib.Host) *engine.Type { return s.script.typ(host) }

// HookAt is where the script defines a hook that it has: "file:line".
func (s *Script) HookAt(name string) string {
	return fmt.Sprintf("%s:%d", s.script.file.shown, s.script.file.places[name].line)
}

// Tests are the tests in the script itself.
func (s *Script) Tests() []*hostlib.Test { return s.script.tests() }

// Files are the script and all that it loads, below the jobs folder.
func (s *Script) Files() []string { return s.script.paths() }

func (s *script) paths() (list []string) {
	for _, f := range s.order {
		list = append(list, f.path)
	}
	return list
}

// testEnding is what the names of files of tests end in.
const testEnding = "_test" + Ending

func isTest(p string) bool { return strings.HasSuffix(p, testEnding) }

// TestFile loads a file of tests. It may require job scripts too.
func (l *Loader) TestFile(p string) ([]*hostlib.Test, []*hostlib.LoadError) {
	s, tests := l.testFile(p)
	if len(s.errs) > 0 {
		return nil, s.errs
	}
	return tests, nil
}

func (l *Loader) testFile(p string) (*script, []*hostlib.Test) {
	s := &script{files: map[string]*file{}, testing: true, spare: l.spare()}
	s.file = l.read(p)
	s.add(s.file)
	if s.errs = append(s.errs, s.file.errs...); len(s.errs) == 0 {
		s.errs = s.file.check(false)
	}
	if len(s.errs) > 0 {
		return s, nil
	}
	r, err := s.open(l.host, nil, func(p string) *file {
		if hostlib.IsHelper(p) {
			return l.helper(p)
		}
		return l.scripts[p]
	})
	if err != nil {
		s.failed(err, r.halt)
		return s, nil
	}
	s.checkSeal(r)
	s.findTests(r)
	return s, s.tests()
}

// findTests notes the functions that are tests, and looks at how they are defined.
func (s *script) findTests(r *run) {
	for name, at := range s.file.places {
		t := hostlib.TestNamed(name)
		fn, ok := r.globals.RawGetString(name).(*lua.LFunction)
		if t == nil || !ok || fn.IsG || fn.Proto.SourceName != s.file.shown {
			continue
		}
		if n := fn.Proto.NumParameters; !t.Todo && n != 1 && (n > 1 || fn.Proto.IsVarArg == 0) {
			s.fail(at, "a test is called as %s(t), but is defined as %s", name, definedAs(name, fn))
			continue
		}
		if err := t.Named(); err != nil {
			s.fail(at, "%v", err)
			continue
		}
		s.tested = append(s.tested, name)
	}
}

// tests are the tests, in the order of the file.
func (s *script) tests() (list []*hostlib.Test) {
	for _, name := range s.tested {
		t := hostlib.TestNamed(name)
		t.File, t.Line, t.Files = s.file.shown, s.file.places[name].line, s.paths()
		t.Run = func(ctx context.Context, host *hostlib.Host, self hostlib.Object) (int, error) {
			return s.test(ctx, name, host, self)
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *hostlib.Test) int { return a.Line - b.Line })
	return list
}

// test runs a test in an interpreter of its own; see hostlib.Test.
func (s *script) test(ctx context.Context, name string, host *hostlib.Host, self hostlib.Object) (line int, err error) {
	r, err := s.again()
	if err != nil {
		return s.lineOf(err), r.Failure(err)
	}
	r.name, r.limit = name, hostlib.TestSteps
	r.l, r.cur = r.main, r.top
	r.call = hostlib.Call{Lang: r, Host: host, Loading: ctx, Testing: true}
	defer r.call.Close()
	r.renew()
	defer watch(r)()
	defer r.stopThreads()
	arg, err := r.outer(self)
	if err == nil {
		_, err = r.callback(r.main, r.globals.RawGetString(name).(*lua.LFunction), arg)
	}
	r.call.Fell(err)
	line = s.lineOf(err)
	if err == nil && r.halt != nil {
		err = r.halt
	}
	return line, r.Failure(err)
}

// lineOf is the innermost line of the file at which an error happened.
func (s *script) lineOf(err error) int {
	var t *thrown
	if errors.As(err, &t) {
		for _, f := range t.stack {
			if f.file == s.file.shown {
				return f.line
			}
		}
	}
	return 0
}

// Caller is where in the script a host function was called that runs now.
func (r *run) Caller() hostlib.Caller { return r.told(r.callerAt(r.l)) }

// told is a place with the variables as texts.
func (r *run) told(c hostlib.Caller) hostlib.Caller {
	c.Locals = slices.Clone(c.Locals)
	for i := range c.Locals {
		if v, ok := c.Locals[i].Value.(lua.LValue); ok {
			c.Locals[i].Value = r.text(v)
		}
	}
	return c
}

// callerAt is where the innermost function of the script is, with its variables as
// they are.
func (r *run) callerAt(l *lua.LState) hostlib.Caller {
	found := false
	var c hostlib.Caller
	for level := range maxFrames {
		dbg, ok := l.GetStack(level)
		if !ok {
			break
		}
		fn, err := l.GetInfo("flS", dbg, lua.LNil)
		f, isFunc := fn.(*lua.LFunction)
		if err != nil || !isFunc || f.IsG || dbg.CurrentLine <= 0 {
			continue
		}
		if found {
			if len(c.Via) == hostlib.MaxVia {
				break
			}
			c.Via = append(c.Via, fmt.Sprintf("%s:%d", dbg.Source, dbg.CurrentLine))
			continue
		}
		found = true
		c = hostlib.Caller{File: dbg.Source, Line: dbg.CurrentLine, Func: r.script.nameOf(f)}
		if in := r.script.shown(c.File); in != nil && c.Line <= len(in.lines) {
			c.Text = strings.TrimSpace(in.lines[c.Line-1])
		}
		c.Locals = r.locals(l, dbg, f)
	}
	return c
}

// locals are the variables of a function where it is, and what it uses of those
// around it; of one name the innermost. What has a name of parentheses is the
// interpreter's own.
func (r *run) locals(l *lua.LState, dbg *lua.Debug, fn *lua.LFunction) (list []hostlib.Named) {
	add := func(name string, v lua.LValue) {
		if o := objectOf(v); o != nil && !o.typ.Told() || strings.HasPrefix(name, "(") {
			return
		}
		list = slices.DeleteFunc(list, func(n hostlib.Named) bool { return n.Name == name })
		list = append(list, hostlib.Named{Name: name, Value: v})
	}
	for i, name := range fn.Proto.DbgUpvalues {
		if i < len(fn.Upvalues) && fn.Upvalues[i] != nil && fn.Upvalues[i].Value().Type() != lua.LTFunction {
			add(name, fn.Upvalues[i].Value())
		}
	}
	for i := 1; ; i++ {
		name, v := l.GetLocal(dbg, i)
		if name == "" {
			return list
		}
		add(name, v)
	}
}

// text is a value as Lua has it written, for people.
func (r *run) text(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return fmt.Sprintf("%q", string(v))
	case *lua.LNilType:
		return "nil"
	case *lua.LFunction:
		return "function " + r.script.nameOf(v)
	}
	var b strings.Builder
	p := printer{r.l, &b, r.strike, true}
	t, ok := v.(*lua.LTable)
	if !ok {
		return p.text(v)
	}
	p.table(t, 1)
	return b.String()
}
