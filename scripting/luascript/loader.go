package luascript

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// Ending is what the names of Lua scripts end in.
const Ending = ".lua"

// Bounds of what the top level of a script may take.
const (
	loadSteps = 20_000_000
	loadTime  = 10 * time.Second
)

const byteOrderMark = "\xef\xbb\xbf"

// Loader loads scripts of one jobs folder. Helper files are compiled once,
// however many scripts load them. It belongs to one goroutine.
type Loader struct {
	fsys  fs.FS
	dir   string // how the folder is called in messages
	host  *hostlib.Host
	files map[string]*file // helper files, by path

	scripts map[string]*file // job scripts that are loaded, by path

	// Coverage has the files count what of them runs; see Covered. Files of tests
	// do not count.
	Coverage bool
	// Marks counts the question marks of a statement, for Check; names says whether ?name
	// is one, and numbered that ?1 is there. nil: they are not looked at.
	Marks func(sql string, names bool) (n int, numbered bool)
	// Owned says that a statement names tables of the engine; nil: Check does not look.
	Owned func(sql string) error
	// Statement is why db.exec runs no such statement, or with reads db.query, for Check.
	// nil: that is not looked at.
	Statement func(sql string, reads bool) error
}

// NewLoader makes a Loader. dir is put before the names of files in messages.
func NewLoader(fsys fs.FS, dir string, host *hostlib.Host) *Loader {
	prepare()
	return &Loader{fsys: fsys, dir: dir, host: host, files: map[string]*file{}, scripts: map[string]*file{}}
}

// file is a script, or a helper file, that is compiled.
type file struct {
	path   string
	shown  string // path as messages name it
	source []byte
	lines  []string
	doc    string
	tree   []ast.Stmt
	proto  *lua.FunctionProto
	names  map[int]string   // of functions, by the line where they begin
	places map[string]place // where globals are first set
	used   map[string]int   // how often names are
	defs   []def
	fates  map[callAt]fate
	looks  sync.Once // see loopSites
	sites  []hostlib.LoopSite
	siteIn string               // the function that sites are looked for in
	aside  bool                 // that is no hook
	errs   []*hostlib.LoadError // of its compilation
	loads  []*file
	cover  *cover // nil: what runs is not counted
}

// script is a job script that is loaded, and what it requires.
type script struct {
	name  string
	file  *file
	files map[string]*file // by path, with the script itself
	order []*file
	job   *hostlib.Declaration // nil: it is a file of tests
	errs  []*hostlib.LoadError

	testing bool     // it is a file of tests: it may require job scripts
	hooks   []string // functions that are hooks
	tested  []string // functions that are tests
	loaded  bool     // for the first time
	spare   int64    // steps beyond the limit that probes may take; see cover.go

	idle sync.Pool // interpreters that ended well
}

// Load compiles a job script, runs its top level, and makes a job type of it.
// Errors in helper files are among those of each script that loads them.
func (l *Loader) Load(name, p string) (*engine.Type, []*hostlib.LoadError) {
	s := l.script(name, p)
	if len(s.errs) > 0 {
		return nil, hostlib.Further(s.errs, l.checked(s, nil))
	}
	return s.typ(l.host), nil
}

// script loads a job script, as far as it has no errors.
func (l *Loader) script(name, p string) (s *script) {
	s = &script{name: name, files: map[string]*file{}, spare: l.spare(), job: &hostlib.Declaration{Type: name, Needs: &hostlib.Needs{}}}
	defer func() {
		if p := recover(); p != nil {
			s.fail(place{}, "a fault of dsengine itself: %v", p)
			if l.host.Log != nil {
				l.host.Log.Error("a panic while a script was loaded", "file", s.file.shown, "panic", p, "backtrace", string(debug.Stack()))
			}
		}
	}()
	s.file = l.read(p)
	if s.add(s.file); len(s.file.errs) > 0 {
		s.errs = s.file.errs
		return s
	}
	s.errs = append(s.errs, s.file.check(true)...)
	if len(s.errs) > 0 {
		return s
	}
	r, err := s.open(l.host, s.job, l.helper)
	if err != nil {
		s.failed(err, r.halt)
	}
	if len(s.errs) > 0 {
		return s
	}
	if s.checkHooks(r); len(s.errs) > 0 {
		return s
	}
	if err := s.typ(l.host).Validate(); err != nil {
		s.fail(place{}, "%v", err)
		return s
	}
	if s.findTests(r); len(s.errs) > 0 {
		return s
	}
	l.scripts[p] = s.file
	s.idle.Put(r)
	return s
}

// helper is a helper file, compiled.
func (l *Loader) helper(p string) *file {
	f := l.files[p]
	if f == nil {
		f = l.read(p)
		if l.files[p] = f; len(f.errs) == 0 {
			f.errs = f.check(false)
		}
	}
	return f
}

// read reads a file and compiles it.
func (l *Loader) read(p string) *file {
	f := &file{path: p, shown: path.Join(l.dir, p)}
	var err error
	if f.source, err = hostlib.ReadScript(l.fsys, p); err != nil {
		f.fail(place{}, "%v", err)
		return f
	}
	if err := f.compile(l.Coverage && !isTest(p), !hostlib.IsHelper(p)); err != nil {
		f.wrong(err)
	}
	f.doc = docOf(f.lines)
	return f
}

// wrong notes why it does not compile.
func (f *file) wrong(err error) {
	var e *syntaxError
	if errors.As(err, &e) {
		f.fail(e.place, "%s", e.message)
	} else {
		f.fail(place{}, "%v", err)
	}
}

func (f *file) fail(at place, format string, args ...any) {
	f.errs = append(f.errs, &hostlib.LoadError{File: f.shown, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)})
}

func (s *script) fail(at place, format string, args ...any) {
	s.errs = append(s.errs, &hostlib.LoadError{File: s.file.shown, Line: at.line, Column: at.column, Message: toldInLua(fmt.Sprintf(format, args...))})
}

// add notes a file that the script is made of.
func (s *script) add(f *file) {
	if s.files[f.path] == nil {
		s.files[f.path] = f
		s.order = append(s.order, f)
	}
}

// shown is the file of a name in messages, or nil.
func (s *script) shown(name string) *file {
	if s == nil {
		return nil
	}
	for _, f := range s.order {
		if f.shown == name {
			return f
		}
	}
	return nil
}

// failed notes an error of the top level; halt is why it was stopped, if it was.
func (s *script) failed(err, halt error) {
	if len(s.errs) > 0 { // of a helper file: told there
		return
	}
	var t *thrown
	message := err.Error()
	if halt != nil {
		message = halt.Error()
	}
	if !errors.As(err, &t) || len(t.stack) == 0 {
		s.fail(place{}, "%s", message)
		return
	}
	e := s.errorAt(t.stack[0].file, t.stack[0].line, message)
	for _, f := range t.stack[1:] {
		e = e.Passing(f.String())
	}
	s.errs = append(s.errs, e)
}

// errorAt is an error at a line, of which its first word tells the column.
func (s *script) errorAt(shown string, line int, message string) *hostlib.LoadError {
	column := 1
	if f := s.shown(shown); f != nil && line >= 1 && line <= len(f.lines) {
		text := f.lines[line-1]
		column = len([]rune(text)) - len([]rune(strings.TrimLeft(text, " \t"))) + 1
	}
	return &hostlib.LoadError{File: shown, Line: line, Column: column, Message: message}
}

// version is a hash of the script and of all that it loads.
func (s *script) version() string {
	h := sha256.New()
	for _, f := range s.order {
		fmt.Fprintf(h, "%d %s %d\n", len(f.path), f.path, len(f.source))
		h.Write(f.source)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// open makes an interpreter, in which the script's top level has run. find
// finds a helper file. The run is given with an error, too.
func (s *script) open(host *hostlib.Host, job *hostlib.Declaration, find func(p string) *file) (*run, error) {
	r := newRun(s)
	r.name, r.limit, r.find = "the top level", loadSteps, find
	r.call = hostlib.Call{Lang: r, Host: host}
	outer := host.Loading
	if outer == nil {
		outer = context.Background()
	}
	ctx, cancel := context.WithTimeoutCause(outer, loadTime, hostlib.Errorf("timeout", "the top level ran longer than %s: what takes long belongs into a hook", engine.FormatDuration(loadTime)))
	defer cancel()
	r.call.Loading = ctx
	defer watch(r)()
	r.renew()
	defer r.call.Close()
	_, env, err := r.execute(s.file, job)
	if err == nil {
		err = r.halt
	}
	r.find = nil
	if err != nil {
		r.stopThreads()
		return r, err
	}
	r.globals = env
	r.seal()
	r.stopThreads()
	if !s.loaded { // others may read it later
		s.loaded = true
	}
	return r, nil
}

// again makes another interpreter of a script that was loaded before.
func (s *script) again() (*run, error) {
	var job *hostlib.Declaration
	if s.job != nil {
		job = &hostlib.Declaration{Type: s.name, Needs: &hostlib.Needs{}}
	}
	r, err := s.open(&hostlib.Host{}, job, func(p string) *file { return s.files[p] })
	if err == nil && len(r.sealErrs) > 0 {
		err = errors.New(r.sealErrs[0].message)
	}
	return r, err
}

// require is the function of scripts: it gives what a helper file returns, or
// its globals if it returns nothing.
func (r *run) require(a *args) int {
	name := a.text(1)
	p := path.Clean(strings.TrimSuffix(name, Ending)) + Ending
	var job *hostlib.Declaration
	if v := r.loaded[p]; v != nil {
		return a.push(v)
	}
	switch {
	case r.find == nil:
		return r.raisef(a.l, "require: %q is not loaded yet: call require at the top level of the script", name)
	case !fs.ValidPath(p) || strings.HasPrefix(name, "/"):
		return r.raisef(a.l, "require: %q: names start in the jobs folder and cannot leave it", name)
	case r.script.testing && r.testable(p):
		job = &hostlib.Declaration{Type: strings.TrimSuffix(p, Ending), Needs: &hostlib.Needs{}} // once more, for its functions alone
	case !hostlib.IsHelper(p):
		if own[name] != nil || hostlib.ModuleNamed(name) != nil {
			return r.raisef(a.l, "require: %q: the module %[1]s is there without it: leave out require", name)
		}
		hint := ""
		if slashes := strings.ReplaceAll(strings.TrimSuffix(name, Ending), ".", "/"); hostlib.IsHelper(slashes + Ending) {
			hint = fmt.Sprintf(" (did you mean %q?)", slashes)
		}
		return r.raisef(a.l, "require: %q: only helper files can be loaded%s: those below lib/, and those whose name begins with _", name, hint)
	case slices.Contains(r.above, p):
		return r.raisef(a.l, "require: files load each other in a circle: %s", strings.Join(append(r.above, p), " -> "))
	}
	f := r.find(p)
	if f == nil {
		return r.raisef(a.l, "require: %q was not loaded when the script was loaded first", name)
	}
	r.script.add(f)
	if by := r.script.files[r.above[len(r.above)-1]]; !r.script.loaded && !slices.Contains(by.loads, f) {
		by.loads = append(by.loads, f)
	}
	if len(f.errs) > 0 {
		for _, e := range f.errs {
			r.script.errs = append(r.script.errs, e.Passing(r.Where()))
		}
		return r.raise(a.l, f.errs[0])
	}
	v, env, err := r.execute(f, job)
	if err != nil {
		return r.raise(a.l, err)
	}
	if v == lua.LNil {
		v = env
	}
	r.loaded[p] = v
	return a.push(v)
}

// testable says whether a path is that of a job script, which tests may require.
func (r *run) testable(p string) bool {
	return fs.ValidPath(p) && !hostlib.IsHelper(p) && !isTest(p) && r.find(p) != nil
}

// execute runs a file, and gives what it returns and its globals.
func (r *run) execute(f *file, job *hostlib.Declaration) (lua.LValue, *lua.LTable, error) {
	l := r.l
	env := boot.NewTable()
	env.Metatable = loadingMeta
	r.envs, r.envFiles = append(r.envs, env), append(r.envFiles, f.shown)
	r.above = append(r.above, f.path)
	before := r.call.Job
	r.call.Job = job
	fn := r.main.NewFunctionFromProto(f.proto)
	fn.Env = env
	v, err := r.callback(l, fn)
	r.call.Job = before
	r.above = r.above[:len(r.above)-1]
	return v, env, err
}

// docOf is the comment at the beginning of a file.
func docOf(lines []string) string {
	var doc []string
	if len(lines) > 0 && strings.HasPrefix(lines[0], "#") {
		lines = lines[1:]
	}
	if len(lines) > 0 && strings.HasPrefix(strings.TrimSpace(lines[0]), "--[[") {
		text, _, _ := strings.Cut(strings.Join(lines, "\n"), "]]")
		return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "--[["))
	}
	for _, line := range lines {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "--")
		if !ok {
			break
		}
		doc = append(doc, strings.TrimSpace(strings.TrimLeft(text, "-")))
	}
	return strings.TrimSpace(strings.Join(doc, "\n"))
}

func isEOF(err error) bool { return err == io.EOF }
