package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
)

func TestWhatHTTPRemembersIsListedWithAllOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := sqlitestore.Open(t.Context(), "sqlite:"+filepath.Join(dir, "dsengine.db"), sqlitestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	eng, err := engine.Open(t.Context(), store, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := eng.RegisterTypes(t.Context(), &engine.Type{Name: "feed", Version: "1", Hooks: map[engine.Phase]engine.Hook{
		engine.PhaseConsume: func(*engine.Call) (engine.Raw, error) { return nil, nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	remembered := engine.HiddenVariables + "abc"
	for _, name := range []string{"since", remembered} {
		if err := eng.SetVariable(t.Context(), engine.Scope{Type: ids["feed"]}, name, engine.Raw("7")); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		args     string
		out, err []string // what must be said
		not      string   // on standard output
		code     exitCode
	}{
		{"list", []string{"since"}, []string{"http remembers 1 answer beside: --all lists them"}, remembered, exitDone},
		{"list -o json", []string{"since"}, nil, remembered, exitDone},
		{"list --all", []string{"since", remembered}, nil, "\x00", exitDone},
		{"get " + remembered, []string{"7"}, nil, "\x00", exitDone},
		{"set " + remembered + " 8", nil, []string{"they can be deleted, not set"}, "8", exitUsage},
		{"delete " + remembered, nil, []string{"is deleted"}, "7", exitDone},
		{"list --all", []string{"since"}, nil, remembered, exitDone},
	} {
		var out, said bytes.Buffer
		env := &Env{Stdout: &out, Stderr: &said, Lookup: func(string) (string, bool) { return "", false }, Environ: os.Environ,
			Dir: dir, IsTerminal: func(any) bool { return false }, Clock: engine.SystemClock{}, Secrets: engine.NewSecrets()}
		code := execute(context.Background(), env, append([]string{"state", "feed"}, strings.Fields(x.args)...))
		if code != x.code || strings.Contains(out.String(), x.not) {
			t.Errorf("%s: code %d, stdout %q, stderr %q", x.args, code, &out, &said)
		}
		for _, want := range x.out {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: want %q in %q", x.args, want, &out)
			}
		}
		for _, want := range x.err {
			if !strings.Contains(said.String(), want) {
				t.Errorf("%s: want %q in %q", x.args, want, &said)
			}
		}
	}
}
