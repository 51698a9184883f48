package scripttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/coverage"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// Options say which tests are run, and how. The zero value runs all.
type Options struct {
	Jobs     string         // the jobs folder; default "jobs"
	Paths    []string       // scripts, files of tests, folders, globs; default: the jobs folder
	Run      *regexp.Regexp // only tests whose "file: name" it matches, with or without test_; nil: all
	Parallel int            // how many run at once; default: as many as there are processors
	FailFast bool           // begin no further test when one has failed
	Timeout  time.Duration  // of one test; default 1m
	Crash    bool           // run each test again, with a crash at each point where it matters
	Every    bool           // with Crash: at every such point, however many there are
	Update   bool           // write golden files that are missing or differ
	// Changed are files that have changed since Before ran: only the tests that they
	// touch are found. nil: all are.
	Changed  []string
	Before   *Suite
	Coverage bool // count what of the scripts runs; see Suite.Coverage
}

// Status says how a test went.
type Status string

// How tests go.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped"
	Todo    Status = "todo"
)

// Result is how a test went.
type Result struct {
	File     string     `json:"file"`
	Name     string     `json:"name"`
	Line     int        `json:"line"`
	Status   Status     `json:"status"`
	Reason   string     `json:"reason,omitempty"` // why it was left out
	Failures []*Failure `json:"failures,omitempty"`
	Log      []string   `json:"log,omitempty"`      // of a test that failed
	Crashes  int        `json:"crashes,omitempty"`  // with --crash: how many the test was run with
	Points   int        `json:"points,omitempty"`   // with --crash: at which the process could be killed
	Missed   int        `json:"missed,omitempty"`   // those that the test did not come to again
	LeftOut  int        `json:"left_out,omitempty"` // those that were too many to be tried
	Differs  []*Failure `json:"differs,omitempty"`  // with --crash: where the test holds, and its outcome is another
	Golden   []string   `json:"golden,omitempty"`   // files that it wrote
	Millis   float64    `json:"ms"`
}

// Failure is one thing that did not hold.
type Failure struct {
	Message string      `json:"message"`
	Detail  string      `json:"detail,omitempty"` // a diff, or a call stack
	File    string      `json:"file,omitempty"`
	Line    int         `json:"line,omitempty"`
	Via     []string    `json:"via,omitempty"`  // where that was called, innermost first: file:line
	Text    string      `json:"text,omitempty"` // the call as it is written
	Locals  [][2]string `json:"locals,omitempty"`
	Inner   *Inner      `json:"inner,omitempty"` // where the error arose, if it is another function
	Crash   *Point      `json:"crash,omitempty"` // where the process was killed
	More    int         `json:"more,omitempty"`  // crashes at the same place that fail the test too
}

// Suite is tests that were found, ready to be run.
type Suite struct {
	// Done is called after each test, in no certain order; Crashing before each run with a
	// crash of a test that has passed, and after the last, with how many of its points are
	// behind it. One goroutine calls them at a time. nil: nobody wants to know.
	Done     func(r *Result)
	Crashing func(r *Result, done, points int)

	opts    Options
	scripts []Script
	tests   []*test
	Errors  []*hostlib.LoadError // files that do not load
	Files   int                  // of tests, and scripts with tests
	Found   int                  // how many tests there are in them, before Options.Run chooses
	goldens *goldens
	deps    *deps
	covered func() []*coverage.File

	site      site
	shut      func() error // lets go of the site; nil: there is nothing to let go of
	mu        sync.Mutex
	grounds   int      // that were made
	leftovers []error  // what could not be taken away
	underWay  []string // tests that ctx has kept from ending
}

type test struct {
	*hostlib.Test
	script Script // nil: a helper file is tested
	folder string
}

// Find finds the tests and loads them. The error is about the paths.
func Find(o Options) (*Suite, error) {
	if o.Jobs == "" {
		o.Jobs = "jobs"
	}
	if o.Parallel <= 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	root, err := os.OpenRoot(o.Jobs)
	if err != nil {
		return nil, engine.Wrapf(engine.CodeUsage, err, "open the jobs folder %q", o.Jobs)
	}
	defer root.Close()
	wanted, err := targets(root, o)
	if err != nil {
		return nil, err
	}
	all, err := doublestar.Glob(root.FS(), "**/*{"+strings.Join(endings, ",")+"}")
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	s := &Suite{opts: o, goldens: &goldens{update: o.Update, seen: map[string]*golden{}}, deps: newDeps(o), site: files{}}
	by := languages(root.FS(), filepath.ToSlash(o.Jobs), o.Coverage)
	asked := func(p string) bool {
		return wanted[p] || slices.ContainsFunc(testsOf(p), func(t string) bool { return wanted[t] })
	}
	s.covered = func() (list []*coverage.File) {
		for _, ending := range endings {
			list = append(list, by[ending].covered(asked)...)
		}
		return list
	}
	scripts := map[string]Script{} // by path without the ending
	broken := map[string]bool{}    // those that do not load
	for _, p := range all {
		if hostlib.IsHelper(p) || isTest(p) || hidden(p) {
			continue
		}
		script, errs := by[path.Ext(p)].script(stem(p), p)
		for _, ending := range endings[:slices.Index(endings, path.Ext(p))] {
			if slices.Contains(all, stem(p)+ending) {
				script, errs = nil, []*hostlib.LoadError{hostlib.TwoOfAName(filepath.ToSlash(o.Jobs), p, stem(p)+ending)}
			}
		}
		if script != nil {
			scripts[stem(p)] = script
			s.scripts = append(s.scripts, script)
			continue
		}
		broken[stem(p)] = true
		if asked(p) && s.deps.scripts() {
			s.Errors = append(s.Errors, errs...)
		}
	}
	for _, p := range all {
		if !wanted[p] {
			continue
		}
		var tests []*hostlib.Test
		of, on := stem(p), []string{p}
		if isTest(p) {
			if of = strings.TrimSuffix(of, "_test"); broken[of] && scripts[of] == nil {
				continue // its errors are told, and nothing else that would follow from them
			}
			for _, ending := range endings {
				on = append(on, of+ending) // also if it is gone
			}
			var errs []*hostlib.LoadError
			if tests, errs = by[path.Ext(p)].testFile(p); len(errs) > 0 {
				if s.deps.scripts() {
					s.Errors = append(s.Errors, errs...)
				}
				continue
			}
		} else if script := scripts[of]; script != nil && script.Files()[0] == p {
			tests = script.Tests()
		}
		if len(tests) > 0 {
			on = append(on, tests[0].Files...)
		}
		if script := scripts[of]; script != nil {
			on = append(on, script.Files()...)
		}
		if !s.deps.touched(p, on) {
			continue
		}
		if len(tests) > 0 {
			s.Files++
		}
		s.Found += len(tests)
		for _, t := range tests {
			one := &test{Test: t, folder: filepath.Join(o.Jobs, filepath.FromSlash(path.Dir(p)))}
			if script := scripts[of]; script != nil {
				one.script = script
			}
			if o.runs(t.File, t.Name) {
				s.tests = append(s.tests, one)
			}
		}
	}
	return s, nil
}

// runs says whether a test of a name is to run: as it is told, or as it is defined, where
// that is what is asked for.
func (o Options) runs(file, name string) bool {
	return o.Run == nil || o.Run.MatchString(file+": "+name) ||
		strings.Contains(o.Run.String(), "test_") && o.Run.MatchString(file+": test_"+name)
}

func hidden(p string) bool {
	return slices.ContainsFunc(strings.Split(p, "/"), func(part string) bool { return strings.HasPrefix(part, ".") })
}

// targets are the files that the paths name, below the jobs folder: for a
// script its tests too.
func targets(root *os.Root, o Options) (map[string]bool, error) {
	wanted := map[string]bool{}
	add := func(p string) {
		wanted[p] = true
		if !isTest(p) {
			for _, t := range testsOf(p) {
				wanted[t] = true
			}
		}
	}
	under := func(folder string) error {
		files, err := doublestar.Glob(root.FS(), path.Join(folder, "**/*{"+strings.Join(endings, ",")+"}"))
		for _, p := range files {
			add(p)
		}
		return err
	}
	if len(o.Paths) == 0 {
		return wanted, under(".")
	}
	for _, given := range o.Paths {
		files := []string{given}
		if strings.ContainsAny(given, "*?[{") {
			var err error
			if files, err = doublestar.FilepathGlob(given); err != nil {
				return nil, engine.Errorf(engine.CodeUsage, "%q is no glob", given)
			}
			if len(files) == 0 {
				return nil, engine.Errorf(engine.CodeUsage, "%q finds no file", given)
			}
		}
		for _, file := range files {
			p, outside := inside(o.Jobs, file)
			info, err := root.Stat(p)
			if outside != nil {
				_, err = os.Stat(file)
			}
			switch {
			case err != nil:
				files, types := namesOf(root, o.Jobs)
				near := hostlib.Suggest(file, append(files, types...))
				missing := engine.Errorf(engine.CodeUsage, "there is no file, and no job type, %s%s", file, near)
				if near == "" {
					missing = missing.WithHint("%s", thereAre(types, "there is no script in "+o.Jobs))
				}
				return nil, missing
			case outside != nil:
				return nil, outside
			case info.IsDir():
				if err := under(p); err != nil {
					return nil, err
				}
			default:
				add(p)
			}
		}
	}
	return wanted, nil
}

// namesOf are the files of a jobs folder that are in a script's language, and the job types
// that they are.
func namesOf(root *os.Root, jobs string) (files, types []string) {
	all, _ := doublestar.Glob(root.FS(), "**/*{"+strings.Join(endings, ",")+"}")
	for _, p := range all {
		if files = append(files, path.Join(filepath.ToSlash(jobs), p)); !hostlib.IsHelper(p) && !isTest(p) {
			types = append(types, stem(p))
		}
	}
	return files, types
}

// inside is a path below the jobs folder: as it is, or a job type's name, also where a
// folder has that name, or a folder of job types.
func inside(jobs, file string) (string, error) {
	if info, err := os.Stat(file); err != nil || info.IsDir() {
		also := slices.Clone(endings)
		if err != nil {
			also = append(also, "")
		}
		for _, ending := range also {
			named := filepath.Join(jobs, file+ending)
			if _, err := os.Stat(named); err == nil {
				file = named
				break
			}
		}
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	base, err := filepath.Abs(jobs)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(base, abs)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", engine.Errorf(engine.CodeUsage, "%s is not in the jobs folder %s (give it by --jobs)", file, jobs)
	}
	return filepath.ToSlash(rel), nil
}

// Coverage tells what has run up to now of the scripts under test and of the
// helper files that they load, if Options.Coverage is on.
func (s *Suite) Coverage() *coverage.Report { return coverage.NewReport(s.covered()) }

// List are the tests that were found. It is the stable form of --list with
// --format json, which the README documents.
type List struct {
	Files  int                  `json:"files"`
	Errors []*hostlib.LoadError `json:"errors"` // files that do not load
	Tests  []Listed             `json:"tests"`
}

// Listed is a test that was found.
type Listed struct {
	File string `json:"file"`
	Name string `json:"name"`
	Line int    `json:"line"`
	Todo bool   `json:"todo"`
}

// List lists the tests that Run would run.
func (s *Suite) List() *List {
	l := &List{Files: s.Files, Errors: append([]*hostlib.LoadError{}, s.Errors...), Tests: []Listed{}}
	for _, t := range s.tests {
		l.Tests = append(l.Tests, Listed{t.File, t.Name, t.Line, t.Todo})
	}
	return l
}

// Text writes a line for each test.
func (l *List) Text(w io.Writer) {
	for _, t := range l.Tests {
		todo := ""
		if t.Todo {
			todo = " (to do)"
		}
		fmt.Fprintf(w, "%s: %s%s\n", t.File, t.Name, todo)
	}
}

func (t *test) result() *Result {
	r := &Result{File: t.File, Name: t.Name, Line: t.Line}
	if t.Todo {
		r.Status = Todo
	}
	return r
}

// Run runs the tests, several at once, and gives their results in the order of
// the files. Those that ctx has kept from beginning, or from ending, are not among
// them.
func (s *Suite) Run(ctx context.Context) []*Result {
	begin, stop := context.WithCancel(ctx)
	defer stop()
	results := make([]*Result, len(s.tests))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(s.opts.Parallel, max(len(s.tests), 1)) {
		wg.Go(func() {
			w := worker{suite: s}
			defer func() { s.leave(w.close(ctx)) }()
			for i := range next {
				if begin.Err() != nil { // it was given while another one failed
					continue
				}
				r := w.one(ctx, s.tests[i])
				s.mu.Lock()
				if ctx.Err() != nil {
					s.underWay = append(s.underWay, s.tests[i].File+": "+s.tests[i].Name)
					s.mu.Unlock()
					continue
				}
				results[i] = r
				if s.Done != nil {
					s.Done(r)
				}
				s.mu.Unlock()
				if r.Status == Failed && s.opts.FailFast {
					stop()
				}
			}
		})
	}
	for i := range s.tests {
		select {
		case next <- i:
			continue
		case <-begin.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	return slices.DeleteFunc(results, func(r *Result) bool { return r == nil })
}

// leave notes what could not be taken away.
func (s *Suite) leave(err error) {
	if err != nil {
		s.mu.Lock()
		s.leftovers = append(s.leftovers, err)
		s.mu.Unlock()
	}
}

// worker runs tests one after the other.
type worker struct {
	suite  *Suite
	ground *ground // nil: the next test needs another
}

// fresh is a ground that is as new.
func (w *worker) fresh(ctx context.Context) *ground {
	if w.ground != nil && w.ground.used {
		if err := w.ground.reset(ctx); err != nil {
			w.suite.leave(w.close(ctx))
		}
	}
	if w.ground == nil {
		w.ground = newGround(w.suite.site, w.suite.scripts)
		w.suite.mu.Lock()
		w.suite.grounds++
		w.suite.mu.Unlock()
	}
	w.ground.used = true
	return w.ground
}

// close gives the ground up.
func (w *worker) close(ctx context.Context) error {
	if w.ground == nil {
		return nil
	}
	g := w.ground
	w.ground = nil
	return g.close(context.WithoutCancel(ctx))
}

// one runs a test.
func (w *worker) one(ctx context.Context, t *test) *Result {
	if t.Todo {
		return t.result()
	}
	began := time.Now()
	var k *crash
	if w.suite.opts.Crash {
		k = &crash{}
	}
	r := w.live(ctx, t, k)
	r.Millis = float64(time.Since(began).Microseconds()) / 1000
	if k != nil && r.Status == Passed {
		w.crashes(ctx, t, r, k)
		r.Millis = float64(time.Since(began).Microseconds()) / 1000
	}
	return r
}

// crashing tells how many of its points a test with crashes has behind it.
func (s *Suite) crashing(r *Result, done, points int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Crashing != nil {
		s.Crashing(r, done, points)
	}
}

// live runs a test in a world of its own, in which k may kill the process.
func (w *worker) live(ctx context.Context, t *test, k *crash) *Result {
	r := t.result()
	timeout := w.suite.opts.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &engine.Failure{Kind: engine.KindTimeout, Code: "timeout",
		Message: fmt.Sprintf("the test ran longer than %s", engine.FormatDuration(timeout))})
	defer cancel()
	dice := t.Name
	if k != nil {
		dice += k.dice
	}
	world := newWorld(ctx, w.fresh(ctx), dice)
	world.tested, world.folder = t.script, t.folder
	if k != nil {
		k.watch(world)
	}
	self := &tester{world: world, path: []string{t.Name}, file: t.File, goldens: w.suite.goldens}
	sound := true
	line, err := func() (line int, err error) {
		defer func() {
			if p := recover(); p != nil {
				sound = false
				err = fmt.Errorf("a fault of dsengine itself: %v\n%s", p, debug.Stack())
			}
		}()
		return t.Run(ctx, world.host, self)
	}()
	r.Golden = self.wrote
	w.suite.deps.note(t.File, self.reads)
	for _, soft := range self.soft {
		r.Failures = append(r.Failures, world.failure(soft))
	}
	var end *Stop
	switch {
	case errors.As(err, &end) && end.Skipped:
		r.Status, r.Reason = Skipped, end.Message
	case end != nil:
		r.Failures = append(r.Failures, world.failure(end))
	case err != nil:
		f := engine.AsFailure(err)
		if late := (*engine.Failure)(nil); errors.Is(err, context.DeadlineExceeded) && errors.As(context.Cause(ctx), &late) {
			f.Message = late.Message // whatever was under way
		}
		sound = sound && f.Code != "panic"
		one := &Failure{Message: f.Message, Detail: f.Backtrace, File: t.File, Line: line}
		if line == 0 {
			one.File, one.Line = place(f.Backtrace, t.File)
		}
		world.within(one, world.falls.test)
		r.Failures = append(r.Failures, one)
	}
	for _, x := range world.wrong {
		if err == nil || !strings.Contains(err.Error(), x.message) {
			r.Failures = append(r.Failures, world.failure(&Stop{Message: x.message, Caller: x.caller}))
		}
	}
	k.ended(world, err != nil && r.Status != Skipped)
	sound = sound && ctx.Err() == nil
	if err := world.close(); err != nil {
		sound = false
		r.Failures = append(r.Failures, &Failure{Message: err.Error(), File: t.File})
	}
	switch {
	case len(r.Failures) > 0:
		r.Status, r.Log = Failed, world.log.all()
	case r.Status == "":
		r.Status = Passed
	}
	if !sound { // something of it may go on
		w.suite.leave(w.close(ctx))
	}
	return r
}

// place is the innermost line of a file in a call stack; the innermost of any,
// where a tail call has left none of that; no line if there is no call stack.
func place(backtrace, file string) (in string, line int) {
	in = file
	for _, m := range frames.FindAllStringSubmatch(backtrace, -1) {
		n, err := strconv.Atoi(m[2])
		if err == nil && (m[1] == file || in != file || line == 0) {
			in, line = m[1], n
		}
	}
	return in, line
}

// frames finds the lines of a call stack.
var frames = regexp.MustCompile(`(?m)^  (.+?):(\d+)(?::\d+)?: in `)
