package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

// block is code of the README.
type block struct {
	language, text string
	line           int
}

// readme are the blocks of code in the README.
func readme(t *testing.T) (list []block) {
	t.Helper()
	source, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var b *block
	for i, line := range strings.SplitAfter(string(source), "\n") {
		switch language, fence := strings.CutPrefix(line, "```"); {
		case fence && b == nil:
			b = &block{language: strings.TrimSpace(language), line: i + 2}
		case fence:
			list = append(list, *b)
			b = nil
		case b != nil:
			b.text += line
		}
	}
	if b != nil || len(list) < 10 {
		t.Fatalf("there are %d blocks", len(list))
	}
	return list
}

// does runs the program. Paths below dir are told as if they began there.
func does(dir string, args ...string) (code exitCode, out, told string) {
	var stdout, stderr bytes.Buffer
	env := &Env{
		Stdout: &stdout, Stderr: &stderr, Lookup: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
		Clock: engine.SystemClock{}, Secrets: engine.NewSecrets(), IsTerminal: func(any) bool { return false },
	}
	code = execute(context.Background(), env, append(args, "--jobs", filepath.Join(dir, "jobs")))
	relative := func(b bytes.Buffer) string { return strings.ReplaceAll(b.String(), filepath.ToSlash(dir)+"/", "") }
	return code, relative(stdout), relative(stderr)
}

// plain leaves out of an output how long something took, and how wide columns are.
func plain(out string) string {
	out = regexp.MustCompile(` in \d+\.\d+ s`).ReplaceAllString(out, "")
	out = regexp.MustCompile(` {2,}`).ReplaceAllString(out, "  ")
	// Tests run side by side: their lines come first, in any order.
	lines := strings.Split(out, "\n")
	n := 0
	for n < len(lines) && strings.HasPrefix(lines[n], "ok ") {
		n++
	}
	slices.Sort(lines[:n])
	return strings.Join(lines, "\n")
}

// The README's scripts are formatted, have no mistakes, and do what it says.
func TestTheScriptsOfTheReadme(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, "jobs", name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	quakes, shown := "", map[string]string{}
	for _, b := range readme(t) {
		switch {
		case b.language == "console":
			command, out, _ := strings.Cut(strings.TrimPrefix(b.text, "$ dsengine "), "\n")
			shown[command] = out
		case b.language == "lua":
			write(fmt.Sprintf("line%d.lua", b.line), b.text)
		case b.language != "python":
		case strings.Contains(b.text, "def test_"):
			write("quakes_test.star", b.text)
		case strings.Contains(b.text, "\"quakes\""):
			quakes = b.text
			write("quakes.star", b.text)
		default:
			write(fmt.Sprintf("line%d.star", b.line), b.text)
		}
	}
	for _, args := range [][]string{{"fmt", "--check"}, {"check"}} {
		if code, out, told := does(dir, args...); code != exitDone {
			t.Errorf("dsengine %s ends with %d:\n%s%s", strings.Join(args, " "), code, out, told)
		}
	}
	same := func(command, got string) {
		t.Helper()
		want, ok := shown[command]
		if !ok || plain(got) != plain(want) {
			t.Errorf("dsengine %s shows\n%s\nand in the README\n%s", command, got, want)
		}
	}
	_, out, _ := does(dir, "test", "--crash", "quakes")
	same("test --crash", out)
	_, out, _ = does(dir, "test", "--coverage", "--threshold", "90", "quakes")
	same("test --coverage --threshold 90", out)
	write("quakes.star", strings.Replace(quakes, "for r in rows], key", "for r in rows], keys", 1))
	_, out, _ = does(dir, "check", "quakes")
	same("check", out)
}
