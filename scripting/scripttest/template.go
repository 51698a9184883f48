package scripttest

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
)

// template is a database with the engine's tables, made once: a copy of it is
// what each test begins with.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp(memory(), "dsengine-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	ctx := context.Background()
	store, err := sqlitestore.Open(ctx, path, sqlitestore.Options{Clock: newClock()})
	if err != nil {
		return nil, err
	}
	if _, err = engine.Open(ctx, store, engine.Options{Clock: newClock()}); err == nil {
		_, err = store.Handle().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if cerr := store.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// memory is a folder in memory, where the system has one; "" for the usual
// folder for temporary files.
func memory() string {
	const shm = "/dev/shm"
	if f, err := os.CreateTemp(shm, "dsengine-probe-"); err == nil {
		f.Close()
		os.Remove(f.Name())
		return shm
	}
	return ""
}
