package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestASnapshotWaitsForNobodyAndSeesWhatIsCommitted(t *testing.T) {
	t.Parallel()
	file, dir := filepath.Join(t.TempDir(), "live.db"), t.TempDir()
	s, err := Open(t.Context(), file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db := s.Handle()
	exec := func(x interface {
		ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error)
	}, q string) {
		t.Helper()
		if _, err := x.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	exec(db, "CREATE TABLE t (v TEXT)")
	exec(db, "INSERT INTO t VALUES ('committed')")
	tx, err := db.BeginTx(t.Context(), nil) // the only writer
	if err != nil {
		t.Fatal(err)
	}
	exec(tx, "INSERT INTO t VALUES ('open')")
	c, err := OpenSnapshot(t.Context(), file, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := c.Handle().QueryRowContext(t.Context(), "SELECT group_concat(v) FROM t").Scan(&got); err != nil || got != "committed" {
		t.Errorf("the copy has %q, %v", got, err)
	}
	exec(c.Handle(), "DELETE FROM t")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRowContext(t.Context(), "SELECT group_concat(v) FROM t").Scan(&got); err != nil || got != "committed,open" {
		t.Errorf("the file has %q, %v", got, err)
	}
}

func TestASnapshotOfNothingIsEmptyAndOneThatIsStoppedEnds(t *testing.T) {
	t.Parallel()
	file, dir := filepath.Join(t.TempDir(), "none.db"), t.TempDir()
	c, err := OpenSnapshot(t.Context(), file, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	c.Close()
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file was made: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Snapshot(stopped, filepath.Join(dir, snapshotName), t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
