//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unheard runs a command whose standard output nobody reads, and tells how it ended.
func unheard(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &said
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != int(exitUnheard) || said.Len() > 0 {
		t.Errorf("%s: %s, and it said\n%s", strings.Join(cmd.Args[1:], " "), cmd.ProcessState, said.String())
	}
}

// empty says what a folder has.
func empty(t *testing.T, dir string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		t.Errorf("it left %s", e.Name())
	}
}

func TestACommandWhoseReaderIsGoneLeavesNothing(t *testing.T) {
	t.Parallel()
	rigs := map[string]func(*testing.T) *rig{"sqlite": onSQLite, "mariadb": onMariaDB}
	for i, url := range given() {
		rigs[fmt.Sprint("given ", i)] = func(t *testing.T) *rig { return onGiven(t, url) }
	}
	for name, open := range rigs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t)
			r.script("a", "def consume(ctx, item):\n    return 1\n\ndef test_one(t):\n    t.run()\n\ndef test_two(t):\n    t.run()\n")
			r.do("enqueue", "a")
			temp := t.TempDir()
			for _, args := range [][]string{{"plan", "a"}, {"test"}, {"test", "--format", "json"}, {"jobs", "list"}, {"jobs", "show", "1", "-o", "json"}, {"types"}, {"docs"}, {"--help"}, {"run", "--until-idle"}} {
				cmd := r.command(args...)
				if args[0] == "test" && name == "sqlite" {
					cmd.Args = append(cmd.Args[:1], args...)
				}
				cmd.Env = append(os.Environ(), "TMPDIR="+temp)
				unheard(t, cmd)
				if name == "sqlite" {
					continue
				}
				if left := r.texts(fmt.Sprintf("SHOW DATABASES LIKE 'dsengine_test_%d_%%'", cmd.Process.Pid)); len(left) > 0 {
					t.Errorf("%s left %s", strings.Join(args, " "), left)
				}
			}
			empty(t, temp)
		})
	}
}

// long goes on until it is told to stop, and hands over at a checkpoint.
const long = `
def consume(ctx, item):
    for i in range(ctx.position or 0, 100000000):
        for k in range(20000): pass
        ctx.checkpoint(i + 1)
`

// handed waits until a process has ended, and says how, and whether it handed its job over.
func (r *rig) handed(cmd *exec.Cmd, code exitCode) {
	r.t.Helper()
	long := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer long.Stop()
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != int(code) {
		r.t.Errorf("it ended: %s", cmd.ProcessState)
	}
	if got := r.do("jobs", "show", "1", "-o", "json"); !strings.Contains(got, `"status": "waiting"`) || !strings.Contains(got, `"attempt": 0`) {
		r.t.Errorf("its job is left as\n%s", got)
	}
}

func (r *rig) works() {
	r.t.Helper()
	r.within(time.Minute, "the job to run", func() bool {
		return regexp.MustCompile(`"position": [1-9]`).MatchString(r.do("jobs", "show", "1", "-o", "json"))
	})
}

func TestRunDrainsWhenItsTerminalCloses(t *testing.T) {
	t.Parallel()
	r := onSQLite(t)
	r.script("long", long)
	r.do("enqueue", "long")
	cmd := r.command("run")
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // a program that is started while this one ignores it, under nohup, goes on ignoring it
	defer signal.Stop(hup)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.works()
	_ = cmd.Process.Signal(syscall.SIGHUP)
	r.handed(cmd, exitDone)
}

func TestRunDrainsWhenNobodyReadsItsLog(t *testing.T) {
	t.Parallel()
	r := onSQLite(t)
	r.script("long", long)
	r.script("says", "def consume(ctx, item):\n    log.info(\"said\")\n")
	r.do("enqueue", "long")
	cmd := r.command("run")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.works()
	log.Close()
	r.do("enqueue", "says")
	r.handed(cmd, exitUnheard)
}

func TestRunUnderNohupGoesOn(t *testing.T) {
	t.Parallel()
	r := onSQLite(t)
	r.script("a", "def consume(ctx, item):\n    return 1\n")
	cmd := r.command("run")
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	var err error
	if cmd.Path, err = exec.LookPath("sh"); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	r.within(time.Minute, "the server", func() bool {
		b, _ := os.ReadFile(log.Name())
		return bytes.Contains(b, []byte("msg=running"))
	})
	_ = cmd.Process.Signal(syscall.SIGHUP)
	r.do("enqueue", "a")
	r.within(time.Minute, "the job", func() bool { return strings.Contains(r.do("jobs", "show", "1", "-o", "json"), `"status": "completed"`) })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(log.Name()); !bytes.Contains(b, []byte("stopping")) {
		t.Errorf("the log is\n%s", b)
	}
}
