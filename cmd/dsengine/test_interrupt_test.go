package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

func TestTestsThatAreInterruptedTellWhatRan(t *testing.T) {
	t.Parallel()
	jobs := t.TempDir()
	const tests = "def test_first(t):\n    pass\n\ndef test_endless(t):\n    t.golden(1, \"begun.json\")\n    for i in range(1000000000):\n        pass\n\ndef test_last(t):\n    pass\n"
	if err := os.WriteFile(filepath.Join(jobs, "a_test.star"), []byte(tests), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(jobs, "golden", "begun.json")); err == nil {
				stop(errInterrupted)
			}
			runtime.Gosched()
		}
	}()
	out := &bytes.Buffer{}
	env := &Env{
		Stdout: out, Stderr: &bytes.Buffer{}, Lookup: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
		Clock: engine.SystemClock{}, Secrets: engine.NewSecrets(), IsTerminal: func(any) bool { return false },
	}
	code := execute(ctx, env, []string{"test", "--jobs", jobs, "--parallel", "1", "--update"})
	got := regexp.MustCompile(`in \d+\.\d\d s`).ReplaceAllString(strings.ReplaceAll(out.String(), jobs, "jobs"), "in T s")
	want := "ok    jobs/a_test.star: first\ninterrupted: 1 passed, 2 not run in T s\n      stopped while it ran: jobs/a_test.star: endless\n"
	if code != exitInterrupted || got != want {
		t.Errorf("exit code %d, and it told\n%swant\n%s", code, got, want)
	}
}
