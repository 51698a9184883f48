package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The job types, in both languages: they do nothing.
const (
	noop       = "noop"
	noopScript = `"""Does nothing, for benchmarks."""

job()

def consume(ctx, item):
    pass
`
	noopLua       = "noop_lua"
	noopLuaScript = `-- Does nothing, for benchmarks.
job()

function consume(ctx, item)
end
`
)

// dsengineDetail is what else is known of a drain by dsengine.
type dsengineDetail struct {
	EnqueueSeconds float64         `json:"enqueue_seconds"` // of the whole command
	RunSeconds     float64         `json:"run_seconds"`     // likewise
	CPUSeconds     float64         `json:"cpu_seconds"`     // of the command that drained
	MaxRSSMiB      int64           `json:"max_rss_mib"`
	Summary        json.RawMessage `json:"summary"` // as it printed it
}

// summary is the part of what "run -o json" prints that is used here.
type summary struct {
	FirstClaim *time.Time `json:"first_claim"`
	LastCommit *time.Time `json:"last_commit"`
	Types      []struct {
		Type      string `json:"type"`
		Completed int    `json:"completed"`
	} `json:"types"`
}

// writeJobs makes the folder of job scripts.
func (b *bench) writeJobs() error {
	if err := os.MkdirAll(b.jobs(), 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(b.jobs(), noop+".star"), []byte(noopScript), 0o644),
		os.WriteFile(filepath.Join(b.jobs(), noopLua+".lua"), []byte(noopLuaScript), 0o644),
	)
}

func (b *bench) jobs() string { return filepath.Join(b.temp, "jobs") }

// drain fills a database with dsengine and drains it with dsengine. engine is how the
// figures of the job type are called.
func (b *bench) drain(ctx context.Context, p *place, n int, engine, typ string) error {
	return p.use(ctx, func(url string) error {
		others := busy()
		filled, err := b.enqueue(ctx, url, n, typ)
		if err != nil {
			return err
		}
		s, err := b.runUntilIdle(ctx, url, n)
		if err != nil {
			return err
		}
		s.Busy, s.Dsengine.EnqueueSeconds = others, filled.Seconds()
		b.report.add(engine, p.name, n, s)
		return nil
	})
}

// enqueue makes n jobs of a type and tells how long the command took.
func (b *bench) enqueue(ctx context.Context, url string, n int, typ string) (time.Duration, error) {
	payloads, err := b.payloads(n)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	out, _, err := b.dsengine(ctx, url, "enqueue", typ, "--payloads", payloads)
	if err != nil {
		return 0, err
	}
	if made := strings.TrimSpace(string(out)); made != strconv.Itoa(n) {
		return 0, fmt.Errorf("dsengine enqueue printed %q, not %d", made, n)
	}
	return time.Since(began), nil
}

// runUntilIdle drains the database.
func (b *bench) runUntilIdle(ctx context.Context, url string, n int) (sample, error) {
	began := time.Now()
	out, state, err := b.dsengine(ctx, url, "run", "--until-idle", "--name", "bench", "-o", "json")
	if err != nil {
		return sample{}, err
	}
	took := time.Since(began)
	sum, raw, err := lastSummary(out)
	if err != nil {
		return sample{}, fmt.Errorf("dsengine run: %w", err)
	}
	completed := 0
	for _, t := range sum.Types {
		completed += t.Completed
	}
	if completed != n {
		return sample{}, fmt.Errorf("dsengine run completed %d jobs of %d", completed, n)
	}
	d := &dsengineDetail{RunSeconds: took.Seconds(), Summary: raw}
	d.CPUSeconds = (state.UserTime() + state.SystemTime()).Seconds()
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		d.MaxRSSMiB = int64(usage.Maxrss) >> 10
	}
	seconds := sum.LastCommit.Sub(*sum.FirstClaim).Seconds()
	return sample{JobsPerSecond: float64(n) / seconds, Seconds: seconds, Dsengine: d}, nil
}

// lastSummary finds the summary: the last JSON object that has the times.
func lastSummary(out []byte) (sum summary, raw json.RawMessage, err error) {
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var r json.RawMessage
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return sum, nil, fmt.Errorf("output is no JSON: %w", err)
		}
		var s summary
		if json.Unmarshal(r, &s) == nil && s.FirstClaim != nil && s.LastCommit != nil {
			sum, raw = s, r
		}
	}
	if raw == nil {
		return sum, nil, fmt.Errorf("no first_claim and last_commit in its output %q", out)
	}
	return sum, raw, nil
}

// dsengine runs the program under test and returns its standard output.
func (b *bench) dsengine(ctx context.Context, url string, args ...string) ([]byte, *os.ProcessState, error) {
	args = append(args, "--db", url, "--jobs", b.jobs(), "--files", b.temp)
	cmd := exec.CommandContext(ctx, b.program("dsengine"), args...)
	interruptible(cmd)
	cmd.Dir = b.temp
	var words bytes.Buffer
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("dsengine %s: %w\n%s", args[0], err, lastLines(words.String()))
	}
	return out, cmd.ProcessState, nil
}

// interruptible makes a program end as by Ctrl-C when this one is told to end,
// so that it can stop what it started.
func interruptible(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
}

func lastLines(s string) string { return strings.TrimSpace(s[max(0, len(s)-4000):]) }

// payloads is a file of n payloads, one a line.
func (b *bench) payloads(n int) (_ string, err error) {
	file := filepath.Join(b.temp, fmt.Sprintf("payloads-%d.jsonl", n))
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	for i := range n {
		fmt.Fprintf(w, "{\"n\":%d}\n", i)
	}
	return file, w.Flush()
}
