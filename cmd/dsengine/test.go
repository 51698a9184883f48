package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// testOptions are the flags of test.
type testOptions struct {
	format   string
	run      string
	list     bool
	failFast bool
	parallel int
	timeout  time.Duration
	crash    bool
	every    bool // of the points of a crash
	update   bool
	watch    bool
	cover    coverOptions
	db       string // of a server; "": none
}

func newTest(env *Env, g *globals) *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use:   "test [PATH...]",
		Short: "Run the tests of job scripts",
		Long: `Run the tests of job scripts: functions test_NAME(t) in NAME_test.star or NAME_test.lua, or in
the script itself.
PATH is a script, a file of tests, a folder, a glob, or the name of a job type or of a folder of
them; without one all of the jobs folder is tested. Each test has a world of its own: an empty database, a clock that skips
over waits, no network, and a folder for files. See dsengine docs t for what a test can do.

With --crash each test is run again with the process killed at each point where that matters:
before and after each commit, and before and after each effect that no rollback undoes, such as
a request that writes or a file that is moved. What the test asserts must hold all the same. The
job is taken over 20 seconds later, when all else that is due has run, as on other servers; with
--crash=all also before others run, as by the only server there is.
Of more than some 300 points as many are taken, evenly, as make 100,000 points in all runs, of which
there are at least 10: the result says how many of how many, and how many were left out. Where the
outcome depends on the time, a point takes several runs, and fewer points are taken. --crash=all
leaves out none, however long that takes: the time goes with the square of the points.

With --db mysql://user:password@host:3306/ the tests run on that server, MariaDB or MySQL: in
databases called dsengine_test_..., which are made for them and dropped at the end. Those of a
run that was killed are dropped by the next one that begins there; on a server of a cluster, where
locks do not tell whether a run lives, when they are an hour old. Nothing else there is touched, the
database that the URL names neither. DSENGINE_DB and the file of settings do not count here: without
the flag the database is an embedded one.

It ends with 0 when all tests passed; with 1 when one failed, or too little is covered; with 2 when
a file did not load (the tests of the others ran, and --format reports it too) or no test was
found; with 130 when it was interrupted, after it has told what ran until then. A function todo_test_NAME is listed as to do, and not run.`,
		Example: `  dsengine test
  dsengine test jobs/airports.star
  dsengine test airports --run broken
  dsengine test --crash
  dsengine test --crash=all orders     at every point, however many there are
  dsengine test --coverage --threshold 90
  dsengine test --format junit > tests.xml
  dsengine test airports --update      write the golden files that t.golden compares with
  dsengine test --watch                test again whatever a change touches, until Ctrl-C
  dsengine test --db mysql://root@127.0.0.1:3306/`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := g.validate(); err != nil {
				return err
			}
			if c.Flags().Changed("timeout") && o.timeout <= 0 {
				return usage("--timeout %s: a test needs longer than nothing", engine.FormatDuration(o.timeout))
			}
			if c.Flags().Changed("db") && g.from("db") == "--db" { // a setting of the live database is none of tests
				o.db = g.DB
			}
			return runTests(c.Context(), env, g, o, args)
		},
	}
	f := c.Flags()
	f.StringVar(&o.format, "format", "text", "`form` of the results: text, json, junit or tap")
	f.StringVar(&o.run, "run", "", "only tests whose \"file: name\" matches the `regular-expression`")
	f.BoolFunc("crash", "run each test again, killed at each point where that matters; of very many\nat some, with --crash=all at all", func(s string) (err error) {
		if o.every = s == "all"; o.every {
			o.crash = true
		} else if o.crash, err = strconv.ParseBool(s); err != nil {
			return usage("%q: wanted --crash, or --crash=all", s)
		}
		return nil
	})
	f.BoolVar(&o.list, "list", false, "list the tests and run none, as text or json")
	f.BoolVar(&o.failFast, "fail-fast", false, "begin no further test when one has failed")
	numberFlag(f, &o.parallel, "parallel", 1, "how many tests run at once: a `number` (default: the number of processors)")
	f.BoolVar(&o.update, "update", false, "write golden files that are missing or differ, and remove none")
	f.BoolVar(&o.watch, "watch", false, "go on: when a script, its tests, a helper file, a fixture or a golden file\nchanges, run the tests that it touches; Ctrl-C ends with 0")
	durationFlag(f, &o.timeout, "timeout", "how long one test may take: a `time` (default 1m)")
	o.cover.flags(c)
	return c
}

// runTests finds the tests, runs them and tells how they went.
func runTests(ctx context.Context, env *Env, g *globals, o testOptions, paths []string) error {
	switch {
	case g.Output != "json" || o.format == "json":
	case o.format == "text":
		o.format = "json"
	case g.from("output") == "--output": // a setting says what is so where nothing else is said
		return usage("-o json and --format %s are two forms of the results: leave one out", o.format)
	}
	so := scripttest.Options{Jobs: g.Jobs, Paths: paths, Parallel: o.parallel, FailFast: o.failFast, Timeout: o.timeout, Crash: o.crash, Every: o.every, Update: o.update}
	if err := o.cover.validate(env); err != nil {
		return err
	}
	so.Coverage = o.cover.on() && !o.list
	switch o.format {
	case "text", "json", "junit", "tap":
	default:
		return usage("--format %q: wanted text, json, junit or tap", o.format)
	}
	if o.list && o.format != "text" && o.format != "json" {
		return usage("--format %s tells how tests went: --list goes with text or json", o.format)
	}
	if o.run != "" {
		var err error
		if so.Run, err = regexp.Compile(o.run); err != nil {
			return usage("--run: %v", err)
		}
	}
	if o.watch {
		switch {
		case o.format != "text" || o.list:
			return usage("--watch tells results as text: leave out --format, -o and --list")
		case so.Coverage:
			return usage("--watch runs the tests that a change touches, which do not cover all: leave out --coverage, --lcov, --html and --threshold")
		}
		return watchTests(ctx, env, g, o, so)
	}
	began := time.Now()
	// Tests make much that lives for a moment, beside little that stays.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	suite, err := scripttest.Find(so)
	if err != nil {
		return err
	}
	return runSuite(ctx, env, g, o, suite, began)
}

// runSuite runs the tests that were found and tells how they went.
func runSuite(ctx context.Context, env *Env, g *globals, o testOptions, suite *scripttest.Suite, began time.Time) (err error) {
	for _, e := range suite.Errors {
		fmt.Fprintln(env.Stderr, e)
	}
	if o.list {
		return listTests(env, o, suite)
	}
	if o.db != "" {
		if err := suite.Use(ctx, o.db); err != nil {
			return badURL(g, err)
		}
	}
	shown := showTests(env, g, o, suite)
	results := suite.Run(ctx)
	shown.close()
	s := suite.Summary(began, time.Since(began), results)
	s.Interrupted = ctx.Err() != nil
	if o.cover.on() {
		s.Coverage = suite.Coverage()
	}
	left := suite.Close()
	switch o.format {
	case "text":
		if s.Interrupted || len(results) > 0 || len(suite.Errors) > 0 {
			fmt.Fprintln(env.Stdout, s.Line())
		}
	case "json":
		err = printJSON(env.Stdout, s)
	case "junit":
		err = s.JUnit(env.Stdout)
	case "tap":
		err = s.TAP(env.Stdout)
	}
	switch {
	case err != nil || left != nil:
		return errors.Join(err, left)
	case s.Interrupted:
		return &exitError{code: exitInterrupted}
	case len(results) == 0:
		return noTests(o, suite)
	}
	if err := o.cover.tell(env, s.Coverage, o.format); err != nil {
		return err
	}
	switch {
	case len(suite.Errors) > 0:
		return &exitError{code: exitUsage}
	case s.Failed > 0:
		return &exitError{code: exitFailed}
	}
	return o.cover.judge(s.Coverage)
}

// listTests lists the tests and runs none.
func listTests(env *Env, o testOptions, suite *scripttest.Suite) error {
	l := suite.List()
	if o.format == "json" {
		if err := printJSON(env.Stdout, l); err != nil {
			return err
		}
	} else {
		l.Text(env.Stdout)
	}
	if len(l.Tests) == 0 || len(l.Errors) > 0 {
		return noTests(o, suite)
	}
	return nil
}

// noTests is why nothing was run: files do not load, which was told, or there is
// no test.
func noTests(o testOptions, suite *scripttest.Suite) error {
	switch {
	case len(suite.Errors) > 0:
		return &exitError{code: exitUsage}
	case suite.Found > 0:
		return usage("no test was run: --run %q matches none of the %d that were found, as \"file: name\" (see --list)", o.run, suite.Found)
	}
	return usage("no test was found: a test is a function test_NAME(t) in NAME_test.star or NAME_test.lua, or in the script itself")
}
