package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

func TestExitCodesOfWhatWasStopped(t *testing.T) {
	t.Parallel()
	gone := engine.Errorf(engine.CodeUnreachable, "reach the database")
	broke := engine.Errorf(engine.CodeRetry, "UPDATE ds_servers")
	for _, x := range []struct {
		name  string
		cause error
		err   error
		want  exitCode
	}{
		{"not stopped, no database", nil, gone, exitUnreachable},
		{"SIGTERM, no database", errTerminated, gone, exitUnreachable},
		{"SIGTERM, the connection broke", errTerminated, broke, exitUnreachable},
		{"SIGTERM, no answer in time", errTerminated, context.DeadlineExceeded, exitUnreachable},
		{"SIGTERM, a commit without an answer", errTerminated, engine.Wrapf(engine.CodeUnknown, context.Canceled, "COMMIT"), exitUnreachable},
		{"SIGTERM before it had begun", errTerminated, fmt.Errorf("register the server: %w", context.Canceled), exitDone},
		{"SIGTERM while it connected", errTerminated, engine.Wrapf(engine.CodeUnreachable, context.Canceled, "reach the database"), exitDone},
		{"SIGTERM, told already how it ends", errTerminated, &exitError{exitJobFailed, context.Canceled}, exitJobFailed},
		{"SIGTERM, drained", errTerminated, nil, exitDone},
		{"Ctrl-C, no database", errInterrupted, gone, exitInterrupted},
		{"Ctrl-C", errInterrupted, context.Canceled, exitInterrupted},
	} {
		ctx, end := context.WithCancelCause(t.Context())
		if x.cause != nil {
			end(x.cause)
		}
		err := x.err
		if err != nil {
			err = drained(ctx, err)
		}
		if got := codeOf(ctx, err); got != x.want {
			t.Errorf("%s: exit code %d, want %d", x.name, got, x.want)
		}
		end(nil)
	}
	// A run that is told before it has begun has nothing to do, whatever it comes to first.
	for cause, want := range map[error]exitCode{errTerminated: exitDone, errInterrupted: exitInterrupted} {
		ctx, end := context.WithCancelCause(t.Context())
		end(cause)
		var said bytes.Buffer
		env := &Env{Stdout: &said, Stderr: &said, Lookup: func(string) (string, bool) { return "", false }, Environ: os.Environ,
			Dir: t.TempDir(), IsTerminal: func(any) bool { return false }, Clock: engine.SystemClock{}, Secrets: engine.NewSecrets()}
		if err := os.MkdirAll(filepath.Join(env.Dir, "jobs"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(env.Dir, "jobs", "a.star"), []byte("def consume(ctx, item): pass\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := execute(ctx, env, []string{"run"}); got != want {
			t.Errorf("%v: exit code %d, want %d: %s", cause, got, want, &said)
		}
	}
	// Another command that is stopped has not done what it was to do.
	ctx, end := context.WithCancelCause(t.Context())
	end(errTerminated)
	if got := codeOf(ctx, errors.Join(context.Canceled)); got != exitInterrupted {
		t.Errorf("SIGTERM of a command: exit code %d", got)
	}
}

// TestCodesOfErrors has what JSON calls an error agree with the exit code.
func TestCodesOfErrors(t *testing.T) {
	t.Parallel()
	of := func(code engine.Code) error { return engine.Errorf(code, "x") }
	for _, x := range []struct {
		err  error
		want string
		code exitCode
	}{
		{of(engine.CodeUsage), "usage", exitUsage},
		{of(engine.CodeNotFound), "not_found", exitUsage},
		{of(engine.CodeConflict), "conflict", exitFailed},
		{of(engine.CodeUnreachable), "unreachable", exitUnreachable},
		{of(engine.CodeEmpty), "empty", exitUnreachable},
		{errors.New("x"), "failed", exitFailed},
		{&exitError{exitUnreachable, of(engine.CodeUsage)}, "unreachable", exitUnreachable},
		{&exitError{exitFailed, of(engine.CodeNotFound)}, "not_found", exitFailed},
		{&exitError{exitFailed, of(engine.CodeUsage)}, "failed", exitFailed},
		{&exitError{exitInterrupted, of(engine.CodeRetry)}, "interrupted", exitInterrupted},
	} {
		code := codeOf(t.Context(), x.err)
		if got := errorCode(code, x.err); got != x.want || code != x.code {
			t.Errorf("%v: %q with exit code %d, want %q with %d", x.err, got, code, x.want, x.code)
		}
	}
}
