package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// The scripts that are shipped have tests, and these pass: dsengine test.
func TestTheShippedScriptsPassTheirTests(t *testing.T) {
	t.Parallel()
	shippedTests(t)
}

// They do so wherever the process is killed.
func TestTheShippedScriptsPassTheirTestsWithCrashes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hundreds of crashes take a while")
	}
	shippedTests(t, "--crash")
}

func shippedTests(t *testing.T, flags ...string) {
	t.Helper()
	var out, told bytes.Buffer
	env := &Env{
		Stdout: &out, Stderr: &told, Lookup: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
		Clock: engine.SystemClock{}, Secrets: engine.NewSecrets(), IsTerminal: func(any) bool { return false },
	}
	code := execute(context.Background(), env, append([]string{"test", "--jobs", "../../jobs", "--format", "json"}, flags...))
	var s scripttest.Summary
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("%v: %s%s", err, &out, &told)
	}
	tests := map[string]int{}
	for _, r := range s.Tests {
		tests[r.File]++
		if r.Status == scripttest.Failed || r.Status == scripttest.Skipped {
			var text strings.Builder
			r.Text(&text)
			t.Error(text.String())
		}
	}
	slow := regexp.MustCompile(`(?m)^.* level=INFO msg="(tests|crashes of \w+, \S+): \d+ of \d+ done.*\n`) // progress
	if told := slow.ReplaceAllString(told.String(), ""); code != exitDone || told != "" {
		t.Errorf("it ended with %d\n%s", code, told)
	}
	scripts := 0
	err := fs.WalkDir(os.DirFS("../../jobs"), ".", func(p string, d fs.DirEntry, err error) error {
		ending := path.Ext(p)
		name := strings.TrimSuffix(p, ending)
		if err != nil || ending != ".star" && ending != ".lua" || strings.HasSuffix(name, "_test") {
			return err
		}
		scripts++
		if tests[path.Join("../../jobs", name+"_test"+ending)] < 2 {
			t.Errorf("jobs/%s has no tests", p)
		}
		return nil
	})
	if err != nil || scripts < 11 {
		t.Errorf("%d scripts, %v", scripts, err)
	}
}
