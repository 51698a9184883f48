package starscript

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Ending is what the names of Starlark scripts end in.
const Ending = ".star"

// Bounds of what the top level of a script may take.
const (
	loadSteps = 20_000_000
	loadTime  = 10 * time.Second
)

const byteOrderMark = "\xef\xbb\xbf"

var options = &syntax.FileOptions{Set: true, TopLevelControl: true}

// Loader loads scripts of one jobs folder. Helper files are compiled once,
// however many scripts load them. It belongs to one goroutine.
type Loader struct {
	fsys  fs.FS
	dir   string // how the folder is called in messages
	host  *hostlib.Host
	files map[string]*file // helper files, by path

	scripts map[string]*file // job scripts that Script has loaded, by path
	testing bool             // a file of tests is loaded

	// Coverage has the files count what of them runs; see Covered. Files of tests
	// do not count.
	Coverage bool
	// Frames has functions keep what their variables are, so that it can be told when
	// an error has ended one; see run.Fell.
	Frames bool
	// Marks counts the question marks of a statement that stand for values; names says
	// that double quotes hold names, numbered that the count says nothing. nil: Check
	// does not count them.
	Marks func(sql string, names bool) (n int, numbered bool)
	// Owned says that a statement names tables of the engine; nil: Check does not look.
	Owned func(sql string) error
	// Statement is why db.exec runs no such statement, or with reads db.query, for Check.
	// nil: that is not looked at.
	Statement func(sql string, reads bool) error
}

// NewLoader makes a Loader. dir is put before the names of files in messages.
func NewLoader(fsys fs.FS, dir string, host *hostlib.Host) *Loader {
	return &Loader{fsys: fsys, dir: dir, host: host, files: map[string]*file{}, scripts: map[string]*file{}}
}

// file is a script, or a helper file, that is loaded.
type file struct {
	path    string
	shown   string // path as messages name it
	source  []byte
	doc     string
	globals starlark.StringDict
	places  map[string]syntax.Position // of globals
	loads   []*file
	errs    []*hostlib.LoadError

	parse  sync.Once // see tree
	parsed *syntax.File
	looks  sync.Once // see loopSites
	sites  []hostlib.LoopSite
	siteIn string    // the function that sites are looked for in
	aside  bool      // that is no hook
	follow sync.Once // see fate
	fates  map[[2]int32]fate
	cover  *cover // nil: what runs is not counted
	probes bool   // it was compiled with some
}

// Load compiles a job script, runs its top level, and makes a job type of it.
// Errors in helper files are among those of each script that loads them.
func (l *Loader) Load(name, p string) (*engine.Type, []*hostlib.LoadError) {
	script, errs := l.Script(name, p)
	if len(errs) > 0 {
		return nil, hostlib.Further(errs, l.Check(name, p, nil))
	}
	return script.Type(l.host), nil
}

// load reads a file, checks it and runs its top level. job is nil for helper
// files; above are the files that are being loaded, outermost first.
func (l *Loader) load(p string, job *hostlib.Declaration, above []string) (f *file) {
	f = &file{path: p, shown: path.Join(l.dir, p)}
	if job == nil {
		l.files[p] = f
	}
	defer func() {
		if p := recover(); p != nil {
			f.fail(syntax.Position{}, "a fault of dsengine itself: %v", p)
			if l.host.Log != nil {
				l.host.Log.Error("a panic while a script was loaded", "file", f.shown, "panic", p, "backtrace", string(debug.Stack()))
			}
		}
	}()
	var err error
	if f.source, err = hostlib.ReadScript(l.fsys, p); err != nil {
		f.fail(syntax.Position{}, "%v", err)
		return f
	}
	tree, err := options.Parse(f.shown, bytes.TrimPrefix(f.source, []byte(byteOrderMark)), 0)
	if err != nil {
		f.failed(err, nil)
		return f
	}
	f.doc = docOf(tree)
	prog, err := starlark.FileProgram(tree, predeclared.Has)
	if err != nil {
		f.failed(err, nil)
		return f
	}
	f.places = globalsOf(tree)
	if f.errs = append(f.errs, append(check(tree, f.shown), misspelt(tree, f.shown, job != nil)...)...); len(f.errs) > 0 {
		return f
	}
	names := predeclared
	if count := l.Coverage && !strings.HasSuffix(p, testEnding); count || l.Frames {
		if prog, names, err = f.probed(job != nil, count, l.Frames); err != nil {
			f.failed(err, nil)
			return f
		}
	}
	r := newRun("the top level", loadSteps)
	r.spare = f.spare()
	r.call.Host, r.call.Job = l.host, job
	r.thread.Load = func(t *starlark.Thread, name string) (starlark.StringDict, error) {
		return l.helper(f, t.CallFrame(0).Pos, name, append(above, p))
	}
	outer := l.host.Loading
	if outer == nil {
		outer = context.Background()
	}
	ctx, cancel := context.WithTimeoutCause(outer, loadTime, hostlib.Errorf("timeout", "the top level ran longer than %s: what takes long belongs into a hook", engine.FormatDuration(loadTime)))
	r.call.Loading = ctx
	f.globals, err = prog.Init(r.thread, names)
	cancel()
	r.call.Loading = nil // what it leaves in globals goes on
	for _, name := range f.globals.Keys() {
		r.shared = false
		if f.globals[name].Freeze(); r.shared {
			f.fail(f.places[name], "the global %q holds an iterator, which one hook alone could use: make a list of it by list(...)", name)
		}
	}
	if err != nil {
		f.failed(err, r.halt)
	}
	return f
}

// helper gives the globals of a helper file to the file that loads it.
func (l *Loader) helper(by *file, at syntax.Position, name string, above []string) (starlark.StringDict, error) {
	p := path.Clean(name)
	switch {
	case !strings.HasSuffix(name, Ending):
		return nil, fmt.Errorf("the name must end in %s", Ending)
	case !fs.ValidPath(p) || p == ".":
		return nil, errors.New("names start in the jobs folder and cannot leave it")
	case l.testing && l.scripts[p] != nil:
	case !hostlib.IsHelper(p):
		return nil, errors.New("only helper files can be loaded: those below lib/, and those whose name begins with _")
	case slices.Contains(above, p):
		return nil, fmt.Errorf("files load each other in a circle: %s", strings.Join(append(above, p), " -> "))
	}
	f := l.files[p]
	if l.testing && f == nil {
		f = l.scripts[p]
	}
	if f == nil {
		f = l.load(p, nil, above)
	}
	by.loads = append(by.loads, f)
	if len(f.errs) > 0 {
		for _, e := range f.errs {
			by.errs = append(by.errs, e.Passing(at.String()))
		}
		return nil, f.errs[0]
	}
	return f.globals, nil
}

// version is a hash of the file and of all that it loads.
func (f *file) version() string {
	h := sha256.New()
	f.each(func(f *file) {
		fmt.Fprintf(h, "%d %s %d\n", len(f.path), f.path, len(f.source))
		h.Write(f.source)
	})
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// all are the paths of the file and of all that it loads.
func (f *file) all() (paths []string) {
	f.each(func(f *file) { paths = append(paths, f.path) })
	return paths
}

// each visits the file and all that it loads, each once.
func (f *file) each(visit func(*file)) {
	seen := map[*file]bool{}
	var add func(f *file)
	add = func(f *file) {
		if seen[f] {
			return
		}
		seen[f] = true
		visit(f)
		for _, g := range f.loads {
			add(g)
		}
	}
	add(f)
}

// fail notes an error at a place of the file; the zero Position stands for the
// whole file.
func (f *file) fail(pos syntax.Position, format string, args ...any) {
	f.errs = append(f.errs, &hostlib.LoadError{File: f.shown, Line: int(pos.Line), Column: int(pos.Col), Message: fmt.Sprintf(format, args...)})
}

// failed notes an error of the parser, of the resolver, or of the top level;
// halt is why the top level was stopped, if it was.
func (f *file) failed(err, halt error) {
	var parse syntax.Error
	var names resolve.ErrorList
	var ev, cause *starlark.EvalError
	switch {
	case errors.As(err, &parse):
		pos, message := habit(f.source, parse.Pos, parse.Msg)
		f.fail(pos, "%s", message)
	case errors.As(err, &names):
		for _, e := range names {
			f.fail(e.Pos, "%s", resolverMessage(e.Msg))
		}
	case len(f.errs) > 0: // of a helper file: told there
	case errors.As(err, &ev):
		message := ev.Msg
		if halt != nil {
			message = halt.Error()
			if errors.As(halt, &cause) {
				ev = cause
			}
		}
		way := places(ev)
		if len(way) == 0 {
			f.fail(syntax.Position{}, "%s", message)
			return
		}
		f.fail(way[0], "%s", message)
		e := f.errs[len(f.errs)-1]
		e.File = way[0].Filename()
		for _, pos := range way[1:] {
			e = e.Passing(pos.String())
		}
		f.errs[len(f.errs)-1] = e
	default:
		f.fail(syntax.Position{}, "%v", err)
	}
}

// places are where in scripts an error happened: the deepest one first, then
// those from which it was called.
func places(ev *starlark.EvalError) (list []syntax.Position) {
	for inner := ev; errors.As(inner.Unwrap(), &inner); {
		ev = inner
	}
	for i := range ev.CallStack {
		if pos := ev.CallStack.At(i).Pos; pos.Line > 0 {
			list = append(list, pos)
		}
	}
	return list
}

// resolverMessage words what the resolver says, which knows no modules.
func resolverMessage(message string) string {
	if strings.HasSuffix(message, "support while loops") {
		return habits["while"]
	}
	rest, ok := strings.CutPrefix(message, "undefined: ")
	if !ok {
		return message
	}
	name, hint, _ := strings.Cut(rest, " ")
	if hint != "" && !hostlib.IsLater("", name) && hostlib.Elsewhere(name) == "" {
		return message
	}
	return hostlib.Undefined(name, starlark.Universe.Keys()).Error()
}

// docOf is the text at the beginning of a file.
func docOf(f *syntax.File) string {
	if len(f.Stmts) == 0 {
		return ""
	}
	e, ok := f.Stmts[0].(*syntax.ExprStmt)
	if !ok {
		return ""
	}
	text, ok := e.X.(*syntax.Literal)
	if !ok || text.Token != syntax.STRING {
		return ""
	}
	return strings.TrimSpace(text.Value.(string))
}
