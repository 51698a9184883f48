//go:build unix

package starscript_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

// childVariable says that a test runs in a process of its own.
const childVariable = "DSENGINE_TEST_CHILD"

// inChild runs the test in a process of its own that cannot take more than so
// many MB of memory, and says whether it did: false means that this is it.
func inChild(t *testing.T, mb int) bool {
	t.Helper()
	if os.Getenv(childVariable) != "" {
		return false
	}
	limit := "unlimited"
	if !raceDetector {
		limit = strconv.Itoa(mb << 10)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "ulimit -v "+limit+" && exec \"$@\"", "sh",
		os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=15m", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%.4000s", err, out)
	}
	return true
}

// TestNoScriptHoldsItsProcess runs scripts that took the process's time or
// memory where neither time-out nor step limit could reach them.
func TestNoScriptHoldsItsProcess(t *testing.T) {
	t.Parallel()
	if inChild(t, 12_000) {
		return
	}
	const late = "timeout: consume ran longer than its timeout of 300ms"
	for _, c := range []struct{ name, code, want string }{
		{"a range without end", `max(range(1000000000000))`, "range: 1000000000000 numbers are too many, at most 1000000000"},
		{"the largest number of a long range", `max(range(1000000000))`, late},
		{"a long range backwards", `max(range(1000000000)[::-1])`, late},
		{"a long range as JSON", `json.encode(range(1000000000))`, "value: it holds more than 4000000 values or 64 MB"},
		{"a long range that is left out", `list(iter.skip(range(1000000000), 1000000000))`, late},
		{"a long range in one batch", `list(iter.batch(range(1000000000), 1000000000))`, late},
		{"a list that doubles", "x = [1]\n    for _ in range(60): x = [x, x]\n    ctx.enqueue(\"job\", x)", "payload: it holds more than 4000000 values"},
		{"a text that repeats", "x = \"x\" * (1 << 20)\n    ctx.enqueue(\"job\", [x] * 1000)", "payload: it holds more than 4000000 values or 64 MB"},
		{"a pipe", `list(csv.read("pipe"))`, `csv.read: "pipe" is no regular file but a device, a pipe or a socket`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world.New(t)
			if err := syscall.Mkfifo(filepath.Join(w.Files, "pipe"), 0o600); err != nil {
				t.Fatal(err)
			}
			timeout := "1m"
			if c.want == late {
				timeout = "300ms"
			}
			w.Script("job", "job(timeout = \""+timeout+"\", needs = [\"files:*\"])\ndef consume(ctx, item):\n    "+c.code+"\n")
			if got := end(w.Do("job", "1")); !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
