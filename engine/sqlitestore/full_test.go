package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// small makes connections to a file that must not grow, while it is on.
type small struct {
	driver.Connector
	on *atomic.Bool
}

func (s small) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := s.Connector.Connect(ctx)
	if err == nil && s.on.Load() {
		_, err = c.(driver.ExecerContext).ExecContext(ctx, "PRAGMA max_page_count = 1", nil) // what it has
	}
	return c, err
}

// said gives what is logged.
type said struct{ lines chan string }

func (s *said) Write(p []byte) (int, error) {
	select {
	case s.lines <- string(p):
	default:
	}
	return len(p), nil
}

func TestFullDiskIsTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jobs.db")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var on atomic.Bool
	s, err := Open(ctx, path, Options{Wrap: func(c driver.Connector) driver.Connector { return small{c, &on} }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DB.ExecContext(ctx, "CREATE TABLE t (x TEXT)"); err != nil {
		t.Fatal(err)
	}
	out := &said{lines: make(chan string, 100)}
	eng, err := engine.Open(ctx, s, engine.Options{Logger: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan bool, 1000)
	big := &engine.Type{Name: "big", Version: "1", Settings: engine.Settings{Retry: engine.RetryPolicy{Max: 1}},
		Hooks: map[engine.Phase]engine.Hook{engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
			began <- true
			_, err := c.Session().Exec(c.Context(), "INSERT INTO t VALUES (?)", []any{strings.Repeat("x", 1<<20)})
			return nil, err
		}}}
	if _, err := eng.RegisterTypes(ctx, big); err != nil {
		t.Fatal(err)
	}
	made, err := eng.Enqueue(ctx, engine.NewJob{Type: "big"})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := eng.NewServer(ctx, engine.ServerOptions{Types: []*engine.Type{big}, Name: "here", UntilIdle: true})
	if err != nil {
		t.Fatal(err)
	}
	on.Store(true)
	s.DB.SetMaxIdleConns(0) // all that are made from now on are small
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	for told := false; !told; {
		select {
		case line := <-out.lines:
			told = strings.Contains(line, "database or disk is full") && strings.Contains(line, "type=big") &&
				strings.Contains(line, path) && strings.Contains(line, "make room")
		case err := <-ended:
			t.Fatalf("the run has ended: %v", err)
		}
	}
	for range 25 { // more often than a dead-lock is tried: it waits, and fails no attempt
		<-began
	}
	on.Store(false)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	j, err := s.Job(ctx, made[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if j.Status != engine.StatusCompleted || j.Attempt != 1 {
		t.Errorf("want it completed at the first attempt, got %v, attempt %d", j.Status, j.Attempt)
	}
}

func TestDiskCheck(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left on device")
	for _, c := range []struct {
		free  uint64
		known bool
		probe error
		ok    bool
		value string
	}{
		{1 << 40, true, nil, true, "1024 GB are free in /d"},
		{scarce, true, nil, true, "16.0 MB are free in /d"},
		{scarce - 1, true, nil, false, "16.0 MB are free in /d"},
		{0, true, full, false, "0.0 MB are free in /d, and a file cannot be written there: no space left on device"},
		{1 << 40, true, full, false, "1024 GB are free in /d, and a file cannot be written there: no space left on device"},
		{0, false, nil, true, "there is room in /d"},
	} {
		got := diskCheck("/d", c.free, c.known, c.probe)
		if got.OK != c.ok || got.Value != c.value || (got.Hint == "") != c.ok {
			t.Errorf("%+v: got %+v", c, got)
		}
	}
	dir := t.TempDir()
	if err := probeDisk(dir); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if probeDisk(filepath.Join(dir, "no")) == nil {
		t.Error("a folder that is not there has room")
	}
}

func TestTablesAreMadeBesideAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Mkdir(path+"-migrate", 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = s.Migrate(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "make a file beside the database file "+path+": ") || engine.HintOf(err) == "" {
		t.Errorf("got %v (%s)", err, engine.HintOf(err))
	}
}
