package hostlib

import (
	"context"
	"path"
	"regexp"
	"strings"
)

// Test is a test of a script, written in the script's language.
type Test struct {
	Name  string // without test_
	File  string
	Line  int
	Todo  bool     // it is to be written
	Files []string // that of the test and all that it loads, below the jobs folder
	// Run runs the test until ctx ends. self is its t. The error is a Failure with
	// the script's call stack, or what a function of t ended the test by; line is
	// where in the test's file that was, 0 if it was nowhere there.
	Run func(ctx context.Context, host *Host, self Object) (line int, err error)
}

// Prefixes of the names of tests.
const (
	TestPrefix = "test_"
	TodoPrefix = "todo_test_"
)

// TestNamed is the test of a function's name; nil if that is no test's.
func TestNamed(fn string) *Test {
	if name, ok := strings.CutPrefix(fn, TestPrefix); ok {
		return &Test{Name: name}
	}
	if name, ok := strings.CutPrefix(fn, TodoPrefix); ok {
		return &Test{Name: name, Todo: true}
	}
	return nil
}

// Named says of a test that it has no name.
func (t *Test) Named() error {
	if t.Name == "" {
		return Errorf("usage", "a test has a name: call it %sNAME", TestPrefix)
	}
	return nil
}

// likeTests are names that elsewhere files of tests have.
var likeTests = regexp.MustCompile(`^(?:test_(.+)|(.+)(?:_tests|_spec|-test))$`)

// NoHooks is the error about a file that has neither hook that begins a job. p is its path.
func NoHooks(p string) string {
	end := path.Ext(p)
	if m := likeTests.FindStringSubmatch(strings.TrimSuffix(path.Base(p), end)); m != nil {
		return "it defines neither produce(ctx) nor consume(ctx, item); if it is a file of tests, call it " + m[1] + m[2] + "_test" + end
	}
	return "it defines neither produce(ctx) nor consume(ctx, item); if it is a helper file, move it to lib/ or begin its name with _"
}

// TestSteps bounds a test's own code; its time-out ends it before.
const TestSteps = 1_000_000_000_000
