package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
)

// watchedStore is a store whose batches are counted.
type watchedStore struct {
	engine.Store
	batches int
	before  func(n int)       // the n-th batch
	answer  func(n int) error // instead of that of the n-th, which was made
}

func (s *watchedStore) Enqueue(ctx context.Context, jobs []engine.JobInsert) ([]engine.Enqueued, error) {
	s.batches++
	if s.before != nil {
		s.before(s.batches)
	}
	made, err := s.Store.Enqueue(ctx, jobs)
	if err == nil && s.answer != nil {
		err = s.answer(s.batches)
	}
	return made, err
}

func TestEnqueueOfLinesThatIsStopped(t *testing.T) {
	t.Parallel()
	lost := engine.Errorf(engine.CodeUnknown, "the answer to COMMIT was lost")
	o := enqueueOptions{Type: "noop", Phase: engine.PhaseConsume, Instance: "a b", Priority: "3", At: time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)}
	const again = "dsengine enqueue noop --payloads - --phase consume --instance 'a b' --priority 3 --at 2040-01-02T03:04:05Z"
	for _, x := range []struct {
		name      string
		interrupt int // at this batch
		lost      int // the answer to this one
		jobs      int
		want      string
	}{
		{"interrupted while a batch is made", 2, 0, 2 * enqueueBatch,
			"dsengine: interrupted: 10,000 jobs were enqueued before it (to line 10000); to go on: tail -n +10001 FILE | " + again},
		{"no answer", 0, 2, 2 * enqueueBatch,
			"5,000 jobs were enqueued before it (to line 5000); lines 5001 to 10000 may have been made jobs, all of them or none: the newest job, shown by dsengine jobs list --type noop --limit 1 -o json, has the payload of line 10000 if they were. Then LINE is 10001, else 5001, to go on: tail -n +LINE FILE | " + again},
		{"no answer to the first, and interrupted", 1, 1, enqueueBatch,
			"dsengine: interrupted: no job was enqueued before it; lines 1 to 5000 may have been made jobs, all of them or none: "},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			real, err := sqlitestore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "db"), sqlitestore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer real.Close()
			ctx, end := context.WithCancelCause(t.Context())
			store := &watchedStore{Store: real, before: func(n int) {
				if n == x.interrupt {
					end(errInterrupted)
				}
			}, answer: func(n int) error {
				if n == x.lost {
					return lost
				}
				return nil
			}}
			eng, err := engine.Open(t.Context(), store, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "lines.jsonl")
			var text strings.Builder
			for i := 1; i <= 3*enqueueBatch; i++ {
				fmt.Fprintf(&text, "%d\n", i)
			}
			if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			var out, said bytes.Buffer
			env := &Env{Stdout: &out, Stderr: &said, IsTerminal: func(any) bool { return false }, Clock: engine.SystemClock{}, Secrets: engine.NewSecrets()}
			lines, err := openPayloads(env, file)
			if err != nil {
				t.Fatal(err)
			}
			defer lines.Close()
			lines.like = o.others()
			like := engine.NewJob{Type: o.Type, Phase: o.Phase, Instance: o.Instance}
			err = enqueueLines(ctx, env, &globals{}, eng, newProgress(env, plainLog(&said), nil), like, lines)
			if err == nil {
				t.Fatal("it ended well")
			}
			if x.interrupt > 0 && codeOf(ctx, err) != exitInterrupted {
				t.Errorf("it ended with %v", err)
			}
			got := strings.ReplaceAll(said.String()+engine.HintOf(err), file, "FILE")
			if !strings.Contains(got, x.want) {
				t.Errorf("want %s\ngot  %s", x.want, got)
			}
			c, err := eng.Store().Select(t.Context(), engine.JobFilter{Limit: 4 * enqueueBatch})
			if err != nil || len(c) != x.jobs {
				t.Errorf("there are %d jobs, want %d (%v)", len(c), x.jobs, err)
			}
		})
	}
}
