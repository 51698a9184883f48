package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// watched runs test --watch on a jobs folder, which t changes by write.
type watched struct {
	t     *testing.T
	jobs  string
	lines chan string
	end   context.CancelFunc
	code  chan exitCode
}

func startWatch(t *testing.T, files map[string]string, flags ...string) *watched {
	t.Helper()
	return startWatchIn(t, filepath.Join(t.TempDir(), "jobs"), files, flags...)
}

func startWatchIn(t *testing.T, jobs string, files map[string]string, flags ...string) *watched {
	t.Helper()
	w := &watched{t: t, jobs: jobs, lines: make(chan string, 1000), code: make(chan exitCode, 1)}
	for name, text := range files {
		w.write(name, text)
	}
	var ctx context.Context
	ctx, w.end = context.WithCancel(context.Background())
	t.Cleanup(w.end)
	r, out := io.Pipe()
	env := &Env{
		Stdout: out, Stderr: out, Lookup: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
		Clock: engine.SystemClock{}, Secrets: engine.NewSecrets(), IsTerminal: func(any) bool { return false },
	}
	go func() {
		w.code <- execute(ctx, env, append([]string{"test", "--watch", "--jobs", w.jobs}, flags...))
		out.Close()
	}()
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			w.lines <- s.Text()
		}
		close(w.lines)
	}()
	return w
}

func (w *watched) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.jobs, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// ran waits until it watches again, and says which tests ran, sorted, each with
// ok or FAIL before it.
func (w *watched) ran() []string {
	w.t.Helper()
	var tests, all []string
	for {
		select {
		case line, ok := <-w.lines:
			if !ok {
				w.t.Fatalf("it has ended:\n%s", strings.Join(all, "\n"))
			}
			all = append(all, line)
			switch f := strings.Fields(line); {
			case strings.HasPrefix(line, "watching "):
				slices.Sort(tests)
				return tests
			case len(f) > 2 && (f[0] == "ok" || f[0] == "FAIL") && strings.HasSuffix(f[1], ":"):
				tests = append(tests, f[0]+" "+f[2])
			}
		case <-time.After(time.Minute):
			w.t.Fatalf("it does not go on:\n%s", strings.Join(all, "\n"))
		}
	}
}

func (w *watched) expect(what string, want ...string) {
	w.t.Helper()
	if got := w.ran(); !slices.Equal(got, want) {
		w.t.Errorf("%s: ran %q, want %q", what, got, want)
	}
}

func TestWatchRunsWhatAChangeTouches(t *testing.T) {
	t.Parallel()
	const job = "def consume(ctx, item):\n    pass\n\ndef f():\n    return "
	w := startWatch(t, map[string]string{
		"a.star":      "load(\"lib/h.star\", \"h\")\n\n" + job + "h()\n",
		"a_test.star": "load(\"a.star\", \"f\")\n\ndef test_a(t):\n    t.eq(f(), 1)\n",
		"b.star":      job + "2\n",
		"b_test.star": "load(\"b.star\", \"f\")\n\ndef test_b(t):\n    t.eq(f(), 2)\n\ndef test_fixture(t):\n    t.eq(t.fixture(\"fixtures/b.txt\"), \"b\")\n",
		"lib/h.star":  "def h():\n    return 1\n",
		// Nothing depends on these.
		"notes.txt": "x", "lib/other.star": "def other():\n    return 1\n",
		"fixtures/b.txt": "b",
	})
	w.expect("at first", "ok a", "ok b", "ok fixture")

	w.write("lib/h.star", "def h():\n    return 3\n")
	w.expect("a helper file", "FAIL a")
	w.write("notes.txt", "y")
	w.write("lib/other.star", "def other():\n    return 2\n")
	w.write("lib/h.star", "def h():\n    return 1\n")
	w.expect("a helper file, mended, beside what nothing depends on", "ok a")
	w.write("b.star", job+"3\n")
	w.expect("a script", "FAIL b", "ok fixture")
	w.write("b_test.star", "def test_fixture(t):\n    t.eq(t.fixture(\"fixtures/b.txt\"), \"b\")\n")
	w.expect("a file of tests", "ok fixture")
	w.write("fixtures/b.txt", "c")
	w.expect("a fixture", "FAIL fixture")
	w.write("new/c_test.star", "def test_c(t):\n    pass\n")
	w.expect("a file in a new folder", "ok c")

	// What was in a folder that is moved away has changed, and when it is there again.
	lib, away := filepath.Join(w.jobs, "lib"), filepath.Join(filepath.Dir(w.jobs), "lib")
	if err := os.Rename(lib, away); err != nil {
		t.Fatal(err)
	}
	w.expect("a folder that is moved away")
	if err := os.Rename(away, lib); err != nil {
		t.Fatal(err)
	}
	w.expect("a folder that is there again", "ok a")

	// What does not load is told, and run when it is mended; tests of other files
	// are not.
	w.write("a.star", "def consume(ctx:\n")
	w.expect("a script that does not load")
	w.write("a.star", job+"1\n")
	w.expect("the script, mended", "ok a")

	// Editors write another file and rename it.
	next := filepath.Join(w.jobs, "a.star.new")
	if err := os.WriteFile(next, []byte(job+"5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(w.jobs, "a.star")); err != nil {
		t.Fatal(err)
	}
	w.expect("a script, replaced", "FAIL a")

	w.end()
	if code := <-w.code; code != exitDone {
		t.Errorf("it ended with %d", code)
	}
}

// TestWatchFollowsFoldersThatAreMoved changes what is in a folder after it got another
// name, and after its script went.
func TestWatchFollowsFoldersThatAreMoved(t *testing.T) {
	t.Parallel()
	const job = "def consume(ctx, item):\n    return "
	const test = "def test_%s(t):\n    t.eq(t.run().result, 1)\n"
	w := startWatch(t, map[string]string{
		"sub/d.star": job + "1\n", "sub/d_test.star": strings.ReplaceAll(test, "%s", "d"),
		"sub/deep/e.star": job + "1\n", "sub/deep/e_test.star": strings.ReplaceAll(test, "%s", "e"),
	})
	w.expect("at first", "ok d", "ok e")
	for i, move := range [][2]string{{"sub", "sub2"}, {"sub2", "sub"}, {"sub", "sub3"}} {
		if err := os.Rename(filepath.Join(w.jobs, move[0]), filepath.Join(w.jobs, move[1])); err != nil {
			t.Fatal(err)
		}
		w.expect("a folder that is renamed", "ok d", "ok e")
		w.write(move[1]+"/d.star", job+"2\n")
		w.expect("a script in it", "FAIL d")
		w.write(move[1]+"/d.star", job+"1\n")
		w.expect("a script in it, mended", "ok d")
		w.write(move[1]+"/deep/e.star", fmt.Sprint(job, "1 # ", i, "\n"))
		w.expect("a script in a folder in it", "ok e")
	}
	if err := os.Rename(filepath.Join(w.jobs, "sub3", "d.star"), filepath.Join(filepath.Dir(w.jobs), "d.star")); err != nil {
		t.Fatal(err)
	}
	w.expect("a script that is gone", "FAIL d")
	if err := os.Rename(filepath.Join(filepath.Dir(w.jobs), "d.star"), filepath.Join(w.jobs, "sub3", "d.star")); err != nil {
		t.Fatal(err)
	}
	w.expect("a script that is there again", "ok d")
	if err := os.Rename(filepath.Join(w.jobs, "sub3", "deep"), filepath.Join(w.jobs, "deep")); err != nil {
		t.Fatal(err)
	}
	w.expect("a folder that is moved up", "ok e")
	w.write("deep/e.star", job+"2\n")
	w.expect("a script in it", "FAIL e")
	w.end()
	if code := <-w.code; code != exitDone {
		t.Errorf("it ended with %d", code)
	}
}

// TestWatchFollowsTheJobsFolderItself replaces it, and a link that leads to it.
func TestWatchFollowsTheJobsFolderItself(t *testing.T) {
	t.Parallel()
	const job, test = "def consume(ctx, item):\n    return ", "def test_a(t):\n    t.eq(t.run().result, 1)\n"
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	for _, linked := range []bool{false, true} {
		dir := t.TempDir()
		jobs, real, other := filepath.Join(dir, "jobs"), filepath.Join(dir, "jobs"), filepath.Join(dir, "other")
		if linked {
			real = filepath.Join(dir, "real")
			must(os.Mkdir(real, 0o755), os.Symlink(real, jobs))
		}
		w := startWatchIn(t, jobs, map[string]string{"a.star": job + "1\n", "a_test.star": test})
		w.expect("at first", "ok a")
		w.write("a.star", job+"2\n")
		w.expect("a script", "FAIL a")
		must(os.CopyFS(other, os.DirFS(real)))
		if linked {
			must(os.Symlink(other, jobs+".new"), os.Rename(jobs+".new", jobs))
		} else {
			must(os.Rename(jobs, real+".old"), os.Rename(other, jobs))
		}
		w.expect("another folder", "FAIL a")
		w.write("a.star", job+"1\n")
		w.expect("a script in it", "ok a")
		w.end()
		<-w.code
	}
}

func TestWatchAndUpdateDoNotGoOnForEver(t *testing.T) {
	t.Parallel()
	const test = "def test_g(t):\n    t.golden(%, \"g.json\")\n"
	w := startWatch(t, map[string]string{"g_test.star": strings.ReplaceAll(test, "%", "1")}, "--update")
	w.expect("at first", "ok g")
	w.write("g_test.star", strings.ReplaceAll(test, "%", "2"))
	w.expect("a file of tests", "ok g")
	w.write("golden/g.json", "3\n") // by someone else
	w.expect("a golden file", "ok g")
	if text, err := os.ReadFile(filepath.Join(w.jobs, "golden", "g.json")); err != nil || string(text) != "2\n" {
		t.Errorf("the golden file holds %q, %v", text, err)
	}
	w.end()
	if code := <-w.code; code != exitDone {
		t.Errorf("it ended with %d", code)
	}
	for line := range w.lines {
		if strings.Contains(line, "ok") {
			t.Errorf("it went on: %s", line)
		}
	}
}

func TestWatchRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	w := startWatch(t, map[string]string{"a_test.star": "def test_a(t):\n    pass\n"}, "--format", "json")
	if code := <-w.code; code != exitUsage {
		t.Errorf("it ended with %d", code)
	}
}

// TestWatchNamesNoFileThatCameAndWent replaces a file as sed -i does, by way of another
// of any name, and takes one away.
func TestWatchNamesNoFileThatCameAndWent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, gone, other := filepath.Join(dir, "a.star"), filepath.Join(dir, "b.star"), filepath.Join(dir, "sedQ49B9O")
	write := func(file string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("x = 1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(script)
	write(gone)
	suite, err := scripttest.Find(scripttest.Options{Jobs: dir})
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWatcher(&Env{Clock: engine.SystemClock{}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	write(other)
	if err := os.Rename(other, script); err != nil {
		t.Fatal(err)
	}
	changed, all, err := w.next(t.Context(), suite)
	if err != nil || all || !slices.Equal(changed, []string{script}) {
		t.Errorf("changed: %q %v %v, want %s", changed, all, err, script)
	}
	write(other)
	if err := errors.Join(os.Remove(other), os.Remove(gone)); err != nil {
		t.Fatal(err)
	}
	if changed, all, err = w.next(t.Context(), suite); err != nil || all || !slices.Equal(changed, []string{gone}) {
		t.Errorf("changed: %q %v %v, want %s", changed, all, err, gone)
	}
}

func TestWatchNamesNoFileOfAnEditor(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		".a.star.swp": true, "a.star~": true, "4913": true, "#a.star#": true, ".#a.star": true, "a.star.tmp": true, "a.star___jb_tmp___": true,
		"a.star": false, "a_test.star": false, "data.csv": false, "a.star.new": false,
	} {
		if got := ofEditor(name); got != want {
			t.Errorf("%s: of an editor is %v, want %v", name, got, want)
		}
	}
}
