package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, "sqlite", faults(t), func(t *testing.T) storetest.Instance { return instance(t) })
}

// template is a file with empty tables, as bytes: making tables takes longer
// than copying them.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "dsengine-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "db")
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		return nil, err
	}
	_, err = s.Migrate(context.Background())
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// busy is the driver's own error for a file that another has locked.
var busy = sync.OnceValues(func() (error, error) {
	dir, err := os.MkdirTemp("", "dsengine-busy-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var last error
	for range 2 {
		connector, err := sqlite.NewConnector("file:" + filepath.Join(dir, "db"))
		if err != nil {
			return nil, err
		}
		db := sql.OpenDB(connector)
		defer db.Close()
		db.SetMaxOpenConns(1)
		_, last = db.Exec("BEGIN EXCLUSIVE")
	}
	if !isBusy(last) {
		return nil, errors.New("no error tells that the file is locked")
	}
	return last, nil
})

// faults are what can befall a connection to a file.
func faults(t *testing.T) []storetest.Fault {
	t.Helper()
	locked, err := busy()
	if err != nil {
		t.Fatal(err)
	}
	killed := errors.Join(errors.New("the process was killed"), io.ErrUnexpectedEOF)
	return []storetest.Fault{
		{Name: "busy", Mode: storetest.Fail, Err: locked},
		{Name: "killed before", Mode: storetest.Die, Err: killed},
		{Name: "killed after", Mode: storetest.DieAfter, Err: killed},
	}
}

// instance is a database for one test of the suite.
func instance(t testing.TB) storetest.Instance {
	t.Helper()
	b, err := template()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	connector, err := sqlite.NewConnector("file:" + path + "?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return storetest.Instance{
		Open: func(t testing.TB, o storetest.Options) engine.Store {
			t.Helper()
			s, err := Open(context.Background(), path, Options{Prefix: o.Prefix, Wrap: o.Wrap, Logger: o.Logger})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		},
		Connect: func(t testing.TB, readOnly bool) engine.Connection {
			t.Helper()
			return connected(t, path, readOnly)
		},
		Elsewhere: func(t testing.TB) engine.Connection {
			t.Helper()
			return connected(t, filepath.Join(t.TempDir(), "other"), false)
		},
		DB: db, Handle: func(s engine.Store) *sql.DB { return s.(*Store).Handle() }, Spoil: func() {},
	}
}

// connected is a file that scripts reach by a name.
func connected(t testing.TB, path string, readOnly bool) engine.Connection {
	t.Helper()
	c, err := Connect(context.Background(), path, readOnly, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
