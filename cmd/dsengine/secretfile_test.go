//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// A file that does not answer, as on a mount that is gone, keeps neither the process from
// starting nor a hook for ever, and no other secret from being had.
func TestASecretWhoseFileDoesNotAnswer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, good := filepath.Join(dir, "pipe"), filepath.Join(dir, "good")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(good, []byte("the-good-one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	env := &Env{Stderr: &said, Environ: func() []string { return nil }, Lookup: func(string) (string, bool) { return "", false }, Secrets: engine.NewSecrets()}
	env.secretFiles.patience = time.Millisecond
	tab := &tables{Secrets: map[string]secretRef{"hangs": {File: pipe}, "good": {File: good}}}
	get := tab.secretSource(env)
	for range 2 { // the second joins the first, which has not ended
		if v, err := get("hangs"); err == nil || !strings.Contains(err.Error(), "read "+pipe+": there is no answer in 1ms") {
			t.Fatalf("got %q, %v", v, err)
		}
	}
	env.secretFiles.patience = 0
	if v, err := get("good"); v != "the-good-one" || err != nil {
		t.Errorf("the other: got %q, %v", v, err)
	}

	// At the start a pipe is not read; let a file hang that is none.
	late := make(chan struct{})
	close(late)
	env.secretFiles.reading[secretFile{pipe, true}] = &secretReading{late: late, done: make(chan struct{})}
	tab.knowSecrets(env, "*")
	if want := `the secret "hangs" cannot be had now: read ` + pipe; !strings.HasPrefix(said.String(), want) {
		t.Errorf("said %q, wanted %q", said.String(), want)
	}
	if !env.Secrets.Holds("the-good-one") {
		t.Error("the other is not known")
	}

	// Once it answers, it is read anew.
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("in-the-pipe"); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pipe, []byte("in-the-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for v, err := get("hangs"); v != "in-the-file"; v, err = get("hangs") {
		if v != "in-the-pipe" && err == nil { // the reading that hung, if it has not ended yet
			t.Fatalf("got %q", v)
		}
	}
}
