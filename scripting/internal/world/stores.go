package world

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/mysqlstore"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

// Each runs a test in a world on each store, as subtests that are named for it.
func Each(t *testing.T, run func(t *testing.T, w *World)) {
	t.Helper()
	for _, s := range []struct {
		name string
		open opener
	}{{"sqlite", onSQLite}, {"mariadb", onMariaDB}} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t, s.open))
		})
	}
}

// OnMariaDB makes a world on MariaDB, and opens its database for what others do
// there meanwhile.
func OnMariaDB(t testing.TB) (*World, *sql.DB) {
	t.Helper()
	var dsn string
	w := open(t, func(t testing.TB, dir string, log *slog.Logger) (engine.Store, error) {
		server, database := privateServer(t)
		dsn = server.DSN(database)
		return onServer(t, server, database, log)
	})
	db, err := sql.Open("mysql", dsn)
	w.must(err)
	t.Cleanup(func() { db.Close() })
	return w, db
}

// Main runs the tests of a package, and stops the server that they started. Call
// it from TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	private.Lock()
	defer private.Unlock()
	if private.server != nil {
		if err := private.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the server of the tests:", err)
			return max(code, 1)
		}
	}
	return code
}

// Server is the private MariaDB of this test program, started now if it was not.
func Server(t testing.TB) *dbserver.Server {
	t.Helper()
	server, _ := privateServer(t)
	return server
}

// opener opens a store on a database of the test's own.
type opener func(t testing.TB, dir string, log *slog.Logger) (engine.Store, error)

func onSQLite(t testing.TB, dir string, log *slog.Logger) (engine.Store, error) {
	return sqlitestore.Open(t.Context(), filepath.Join(dir, "world.db"), sqlitestore.Options{Logger: log})
}

func onMariaDB(t testing.TB, _ string, log *slog.Logger) (engine.Store, error) {
	server, database := privateServer(t)
	return onServer(t, server, database, log)
}

func onServer(t testing.TB, server *dbserver.Server, database string, log *slog.Logger) (engine.Store, error) {
	if err := server.CreateDatabase(database); err != nil {
		return nil, err
	}
	return mysqlstore.Open(t.Context(), server.URL(database), mysqlstore.Options{Logger: log})
}

// private is the server of this test program.
var private struct {
	sync.Mutex
	server  *dbserver.Server
	missing error // why there is none
	worlds  int
}

// privateServer starts a MariaDB, once, and names a database that is not there yet.
func privateServer(t testing.TB) (*dbserver.Server, string) {
	t.Helper()
	private.Lock()
	defer private.Unlock()
	if private.server == nil && private.missing == nil {
		// Nobody pulls the plug here, so nothing need be on the disk.
		private.server, private.missing = dbserver.MariaDB(dbserver.Options{Flags: []string{
			"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"}})
	}
	var no *dbserver.NotInstalledError
	if errors.As(private.missing, &no) && os.Getenv("CI") == "" {
		t.Skip(private.missing)
	}
	if private.missing != nil {
		t.Fatal(private.missing)
	}
	private.worlds++
	return private.server, fmt.Sprintf("world%d", private.worlds)
}
