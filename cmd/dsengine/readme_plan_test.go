package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the README shows of plan and replay is what they say of its own script.
func TestThePlansOfTheReadme(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shown := map[string]string{}
	for _, b := range readme(t) {
		switch {
		case b.language == "console":
			command, out, _ := strings.Cut(strings.TrimPrefix(b.text, "$ dsengine "), "\n")
			shown[command] = out
		case b.language == "python" && strings.Contains(b.text, "\"quakes\"") && !strings.Contains(b.text, "def test_"):
			write("jobs/quakes.star", b.text)
		}
	}
	run := func(want exitCode, command ...string) string {
		t.Helper()
		code, out, told := does(dir, append(command, "--files", dir, "--db", "sqlite:"+filepath.Join(dir, "x.db"))...)
		if code != want {
			t.Fatalf("dsengine %s ends with %d:\n%s%s", strings.Join(command, " "), code, out, told)
		}
		return out + told
	}
	// Between two lines of "..." the README shows all.
	same := func(command, got string) {
		t.Helper()
		took := regexp.MustCompile(`it took \d+ ms`)
		program := filepath.Base(os.Args[0])
		got = strings.ReplaceAll(took.ReplaceAllString(got, "it took N ms"), program, "dsengine")
		got = regexp.MustCompile(`to run it: \S+( --\S+ \S+)* test`).ReplaceAllString(got, "to run it: dsengine test")
		rest := got
		for _, part := range strings.Split(took.ReplaceAllString(shown[command], "it took N ms"), "...\n") {
			_, after, ok := strings.Cut(rest, part)
			if !ok || part == "" {
				t.Fatalf("dsengine %s shows\n%s\nand in the README\n%s", command, got, shown[command])
			}
			rest = after
		}
		if rest != "" {
			t.Errorf("dsengine %s shows more than the README: %s", command, rest)
		}
	}
	write("incoming/a.csv", "id,mag,place\nq1,4.5,Chile\n")
	run(exitDone, "run", "--once", "quakes")
	write("incoming/b.csv", "id,mag,place\nq1,4.6,Chile\nq2,5.1,Peru\n")
	same("plan quakes", run(exitDone, "plan", "quakes"))
	write("incoming/c.csv", "id,mag,place\nq3,strong,Fiji\n")
	run(exitDone, "enqueue", "quakes", "--phase", "consume", "--payload", `{"path": "incoming/c.csv"}`)
	// Here the job was not run, whose attempts would take minutes.
	replayed := run(exitFailed, "replay", "3", "--save")
	same("replay 3 --save", strings.Replace(replayed, "it fails as the replay does; the job has not failed", "it fails as the job does", 1))
}
