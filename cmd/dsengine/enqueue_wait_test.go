package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
)

// movingStore has something happen right after a job was read.
type movingStore struct {
	engine.Store
	after    func(*engine.Job)
	attempts func() error
}

func (s *movingStore) Job(ctx context.Context, id engine.JobID) (*engine.Job, error) {
	j, err := s.Store.Job(ctx, id)
	if err == nil {
		s.after(j)
	}
	return j, err
}

func (s *movingStore) Attempts(ctx context.Context, id engine.JobID) ([]engine.Attempt, error) {
	if err := s.attempts(); err != nil {
		return nil, err
	}
	return s.Store.Attempts(ctx, id)
}

func TestAFailureBetweenTwoLooksIsToldOnce(t *testing.T) {
	t.Parallel()
	store, err := sqlitestore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "dsengine.db"), sqlitestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	eng, err := engine.Open(t.Context(), store, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	feed := &engine.Type{Name: "feed", Version: "1", Hooks: map[engine.Phase]engine.Hook{
		engine.PhaseConsume: func(*engine.Call) (engine.Raw, error) { return nil, errors.New("no") },
	}}
	feed.Settings.Retry = engine.RetryPolicy{Max: 2, First: time.Hour, Jitter: -1}
	steps, err := eng.NewStepper(t.Context(), engine.ServerOptions{Types: []*engine.Type{feed}})
	if err != nil {
		t.Fatal(err)
	}
	made, err := eng.Enqueue(t.Context(), engine.NewJob{Type: "feed"})
	if err != nil {
		t.Fatal(err)
	}
	id, runs := made[0].ID, 0
	work := func() {
		t.Helper()
		if _, err := store.Hasten(t.Context(), []engine.JobID{id}, false); err != nil {
			t.Error(err)
		}
		if _, err := steps.Work(t.Context()); err != nil {
			t.Error(err)
		}
		runs++
	}
	busy := false
	moving := &movingStore{
		Store: store,
		after: func(j *engine.Job) { // it reads, and the next attempt fails
			if j.Attempt == runs && runs < 2 {
				work()
			}
		},
		attempts: func() error {
			if !busy { // the first time others are in the way
				busy = true
				return engine.Errorf(engine.CodeRetry, "a dead-lock")
			}
			return nil
		},
	}
	var said bytes.Buffer
	env := &Env{Stderr: &said, Lookup: func(string) (string, bool) { return "", false }, IsTerminal: func(any) bool { return false }, Clock: engine.SystemClock{}, Secrets: engine.NewSecrets()}
	w := waiter{env: env, store: moving, id: id, old: true}
	j, err := w.wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if j.Status != engine.StatusFailed || len(w.attempts) != 2 {
		t.Errorf("the job is %s, with %d attempts", j.Status, len(w.attempts))
	}
	if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "attempt 1 of 2 failed in consume: no") || strings.Contains(got, "tried again now") {
		t.Errorf("it says\n%s", got)
	}
}
