//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user that owns no file of the test, where the test itself is root,
// who may write everywhere.
const nobody = 65534

// asUser runs dsengine in a folder as a user who may not write there.
func asUser(t *testing.T, program, folder string, args ...string) (out string, code int) {
	t.Helper()
	var b bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &b, &b
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

func TestAFileThatCannotBeWrittenIsLookedAtAllTheSame(t *testing.T) {
	t.Parallel()
	base, err := os.MkdirTemp("", "dsengine-readonly-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Chmod(filepath.Join(base, "ro"), 0o755)
		_ = os.RemoveAll(base)
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(base, 0o755))
	folder, program := filepath.Join(base, "ro"), filepath.Join(base, "dsengine")
	self, err := os.Executable()
	must(err)
	from, err := os.Open(self)
	must(err)
	defer from.Close()
	to, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	must(err)
	_, err = io.Copy(to, from)
	must(err)
	must(to.Close())
	must(os.MkdirAll(filepath.Join(folder, "jobs"), 0o755))
	must(os.WriteFile(filepath.Join(folder, "jobs", "t.star"), []byte("def consume(ctx, item): pass\n"), 0o644))
	for _, args := range [][]string{{"run", "--until-idle"}, {"enqueue", "t"}} {
		cmd := exec.Command(program, args...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	must(os.Chmod(folder, 0o555))

	for _, c := range []struct {
		args string
		code int
		want []string
	}{
		{"jobs list", 0, []string{"t     consume  waiting"}},
		{"types", 0, []string{"t     consume"}},
		{"servers --all", 0, []string{"stopped"}},
		{"jobs show 1 -o json", 0, []string{`"status": "waiting"`}},
		{"doctor", 1, []string{"BAD  file: user ", " may not write to the ", "run it as the file's owner, or let this user write to the file and its folder (chown, chmod)"}},
		{"enqueue t", 3, []string{"dsengine: open the database file dsengine.db: user ", " may not write to the ", "run it as the file's owner"}},
		{"run --until-idle", 3, []string{" may not write to the "}},
	} {
		out, code := asUser(t, program, folder, strings.Fields(c.args)...)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s", c.args, code, c.code, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is missing of\n%s", c.args, want, out)
			}
		}
	}
}
