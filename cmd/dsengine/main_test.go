package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"dsengine": func() { os.Exit(int(command(context.Background()))) },
	})
}

// TestScripts runs testdata/script/*.txtar. Besides the commands of testscript
// there are:
//
//	exits CODE CMD...        runs a command that must end with the code
//	await REGEXP CMD...      runs a command until its output matches
//	signal TERM|INT          tells the process in the background to stop
//	interrupt                does so again and again, until it has ended
//	ended CODE               after wait: how that process must have ended
//	payloads FILE N [BAD]    writes N lines of JSON; the line BAD is none
//	sqlite FILE STATEMENT    runs a statement on a database file
//	keys NAME...             the JSON that was printed has these names, in this order
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "signal": send, "interrupt": interrupt, "ended": ended, "payloads": payloads, "keys": keys, "sqlite": sqlite,
		},
	})
}

// sqlite runs a statement on a database file.
func sqlite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sqlite FILE STATEMENT")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[1])
	ts.Check(err)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE CMD...")
	}
	if got := strconv.Itoa(codeAfter(ts, ts.Exec(args[1], args[2:]...))); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func codeAfter(ts *testscript.TestScript, err error) int {
	var x *exec.ExitError
	if err != nil && !errors.As(err, &x) {
		ts.Fatalf("%v", err)
	}
	if err == nil {
		return 0
	}
	return x.ExitCode()
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP CMD...")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...)
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s never printed %s", strings.Join(args[1:], " "), want)
}

// signalled are the processes that were told to stop, by script.
var signalled sync.Map

func send(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt}
	cmds := ts.BackgroundCmds()
	if neg || len(args) != 1 || signals[args[0]] == nil || len(cmds) != 1 {
		ts.Fatalf("usage: signal TERM|INT, with one process in the background")
	}
	ts.Check(cmds[0].Process.Signal(signals[args[0]]))
	signalled.Store(ts, cmds[0])
}

func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	for range 300 {
		cmd, ok := signalled.Load(ts)
		if neg || len(args) > 0 || !ok {
			ts.Fatalf("usage: interrupt, after signal")
		}
		if err := cmd.(*exec.Cmd).Process.Signal(os.Interrupt); errors.Is(err, os.ErrProcessDone) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("it did not end")
}

func ended(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := signalled.Load(ts)
	if neg || len(args) != 1 || !ok {
		ts.Fatalf("usage: ended CODE, after signal and wait")
	}
	cmd := v.(*exec.Cmd)
	if cmd.ProcessState == nil {
		ts.Fatalf("usage: ended CODE, after signal and wait")
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func payloads(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: payloads FILE N [BAD]")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	for i := 1; i <= n; i++ {
		if len(args) > 2 && args[2] == strconv.Itoa(i) {
			b.WriteString("{\"n\": oops}\n")
			continue
		}
		fmt.Fprintf(&b, "{\"n\": %d}\n", i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o644))
}

func keys(ts *testscript.TestScript, neg bool, args []string) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	var names []string
	depth, name := 0, false
	for {
		token, err := dec.Token()
		if err != nil {
			break
		}
		switch delim, _ := token.(json.Delim); delim {
		case '{', '[':
			depth++
			name = delim == '{'
		case '}', ']':
			depth--
			name = depth == 1
		default:
			if s, ok := token.(string); ok && depth == 1 && name {
				names = append(names, s)
			}
			name = depth == 1 && !name
		}
	}
	if neg || !slices.Equal(names, args) {
		ts.Fatalf("names are\n%s, want\n%s", strings.Join(names, " "), strings.Join(args, " "))
	}
}
