package mysqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest"
	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

// serversVariable holds the URLs of more servers to test on, between commas.
// Their users may make databases; the ones named in the URLs are not touched.
const serversVariable = "DSENGINE_TEST_MYSQL"

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stopServers(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the servers of the tests:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func TestStore(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		storetest.Run(t, StrategySkip, faults, func(t *testing.T) storetest.Instance { return s.instance(t, StrategySkip) })
		storetest.RunClaims(t, StrategyCompare, faults, func(t *testing.T) storetest.Instance { return s.instance(t, StrategyCompare) })
	})
}

// onEveryServer runs a test on a private MariaDB and on the servers of the
// environment, as subtests named mariadb and mysql.
func onEveryServer(t *testing.T, test func(*testing.T, *testServer)) {
	t.Helper()
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		test(t, privateServer(t))
	})
	names := map[string]int{"mariadb": 1}
	for _, u := range strings.Split(os.Getenv(serversVariable), ",") {
		if u = strings.TrimSpace(u); u == "" {
			continue
		}
		s, err := serverAt(u)
		if err != nil {
			t.Errorf("%s: %v", serversVariable, err)
			continue
		}
		name := s.kind
		if names[s.kind]++; names[s.kind] > 1 {
			name = fmt.Sprintf("%s-%d", s.kind, names[s.kind])
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// testServer is a server on which tests get databases of their own. A database
// is emptied and used again, because making tables takes long.
type testServer struct {
	kind    string // mariadb or mysql
	url     *url.URL
	admin   *sql.DB
	private *dbserver.Server // nil: it was there before

	mu   sync.Mutex
	free []string // databases that are empty
	all  []string
}

var theServers struct {
	sync.Mutex
	list    map[string]*testServer
	missing error // why there is no private server
}

// privateServer starts a MariaDB for this test program, once.
func privateServer(t testing.TB) *testServer {
	t.Helper()
	theServers.Lock()
	defer theServers.Unlock()
	if s := theServers.list[""]; s != nil {
		return s
	}
	if theServers.missing == nil {
		// Nobody pulls the plug here, so nothing need be on the disk.
		srv, err := dbserver.MariaDB(dbserver.Options{Flags: []string{"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"}})
		if err == nil {
			s, err := connect(srv.URL(""))
			if err != nil {
				t.Fatal(err)
			}
			s.private = srv
			remember("", s)
			return s
		}
		theServers.missing = err
	}
	var no *dbserver.NotInstalledError
	if errors.As(theServers.missing, &no) && os.Getenv("CI") == "" {
		t.Skip(theServers.missing)
	}
	t.Fatal(theServers.missing)
	return nil
}

// serverAt is a server of the environment.
func serverAt(u string) (*testServer, error) {
	theServers.Lock()
	defer theServers.Unlock()
	if s := theServers.list[u]; s != nil {
		return s, nil
	}
	s, err := connect(u)
	if err == nil {
		remember(u, s)
	}
	return s, err
}

func remember(u string, s *testServer) {
	if theServers.list == nil {
		theServers.list = map[string]*testServer{}
	}
	theServers.list[u] = s
}

func connect(rawURL string) (*testServer, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	s := &testServer{url: u}
	if s.admin, err = s.handle("information_schema"); err != nil {
		return nil, err
	}
	var version string
	if err := s.admin.QueryRow("SELECT VERSION()").Scan(&version); err != nil {
		return nil, err
	}
	d, err := newDialect(version)
	if err != nil {
		return nil, err
	}
	s.kind = d.name
	return s, nil
}

func stopServers() error {
	theServers.Lock()
	defer theServers.Unlock()
	var errs []error
	for _, s := range theServers.list {
		if s.private != nil {
			errs = append(errs, s.private.Stop())
			continue
		}
		for _, name := range s.all {
			_, err := s.admin.Exec("DROP DATABASE IF EXISTS " + name)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *testServer) urlOf(database string) string {
	u := *s.url
	u.Path = "/" + database
	return u.String()
}

// handle opens a database as any program would, with the server's defaults.
func (s *testServer) handle(database string) (*sql.DB, error) {
	cfg, err := parseURL(s.urlOf(database))
	if err != nil {
		return nil, err
	}
	cfg.ParseTime = false
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// database gives a database with empty tables. It goes back when the test has
// ended, unless spoil was called.
func (s *testServer) database(t testing.TB) (name string, db *sql.DB, spoil func()) {
	t.Helper()
	s.mu.Lock()
	n := len(s.free)
	if n > 0 {
		name, s.free = s.free[n-1], s.free[:n-1]
	} else {
		name = fmt.Sprintf("dsengine_test_%d_%d", os.Getpid(), len(s.all)+1)
		s.all = append(s.all, name)
	}
	s.mu.Unlock()
	db, err := s.handle(name)
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		s.makeDatabase(t, name)
	}
	spoiled := false
	t.Cleanup(func() {
		if err := s.clean(db, name); err != nil {
			t.Logf("database %s is not used again: %v", name, err)
		} else if !spoiled && !t.Failed() {
			s.mu.Lock()
			s.free = append(s.free, name)
			s.mu.Unlock()
		}
		db.Close()
	})
	return name, db, func() { spoiled = true }
}

func (s *testServer) makeDatabase(t testing.TB, name string) {
	t.Helper()
	if _, err := s.admin.Exec("CREATE DATABASE IF NOT EXISTS " + name); err != nil {
		t.Fatal(err)
	}
	store, err := Open(t.Context(), s.urlOf(name), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// clean empties the engine's tables and drops all others.
func (s *testServer) clean(db *sql.DB, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	todo := []string{"SET SESSION innodb_lock_wait_timeout = 5", "SET SESSION lock_wait_timeout = 5", "SET SESSION foreign_key_checks = 0"}
	rows, err := c.QueryContext(ctx, "SELECT table_name, 0 FROM information_schema.tables WHERE table_schema = ? UNION ALL SELECT routine_name, 1 FROM information_schema.routines WHERE routine_schema = ?", name, name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var what string
		var routine bool
		if err := rows.Scan(&what, &routine); err != nil {
			return err
		}
		switch {
		case routine:
			todo = append(todo, "DROP PROCEDURE `"+what+"`")
		case what == "ds_migrations":
		case strings.HasPrefix(what, "ds_") && !strings.HasPrefix(what, "ds_probe_"):
			todo = append(todo, "DELETE FROM `"+what+"`")
		default:
			todo = append(todo, "DROP TABLE `"+what+"`")
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	for _, q := range todo {
		if _, err := c.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// faults are what can befall a connection to a server.
var faults = []storetest.Fault{
	{Name: "refused", Mode: storetest.Refuse, Err: driver.ErrBadConn},
	{Name: "answer lost", Mode: storetest.Lose, Err: mysql.ErrInvalidConn},
	{Name: "answer lost, late", Mode: storetest.Late, Err: mysql.ErrInvalidConn},
	{Name: "dead-lock", Mode: storetest.Undo, Err: &mysql.MySQLError{Number: 1213, Message: "Deadlock found when trying to get lock; try restarting transaction"}},
	{Name: "lock time-out", Mode: storetest.Fail, Err: &mysql.MySQLError{Number: 1205, Message: "Lock wait timeout exceeded; try restarting transaction"}},
	{Name: "killed before", Mode: storetest.Die, Err: mysql.ErrInvalidConn},
	{Name: "killed after", Mode: storetest.DieAfter, Err: mysql.ErrInvalidConn},
}

// instance is a database for one test of the suite.
func (s *testServer) instance(t testing.TB, strategy string) storetest.Instance {
	t.Helper()
	name, db, spoil := s.database(t)
	return storetest.Instance{
		Open: func(t testing.TB, o storetest.Options) engine.Store {
			t.Helper()
			store, err := Open(context.Background(), s.urlOf(name), Options{Prefix: o.Prefix, Lease: o.Lease, Strategy: strategy, Statements: strategy == StrategyCompare, Wrap: o.Wrap, Logger: o.Logger})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			return store
		},
		Connect: func(t testing.TB, readOnly bool) engine.Connection {
			t.Helper()
			c, err := Connect(context.Background(), s.urlOf(name), readOnly, Options{Statements: strategy == StrategyCompare})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		},
		DB: db, Handle: func(engine.Store) *sql.DB { return db }, Spoil: spoil,
		Zoned: func(t testing.TB, zone string, parse bool) *sql.DB {
			t.Helper()
			cfg, err := parseURL(s.urlOf(name))
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Loc, err = time.LoadLocation(zone); err != nil {
				t.Fatal(err)
			}
			cfg.ParseTime = parse
			cfg.Params = map[string]string{"time_zone": "'-09:30'"}
			connector, err := mysql.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(connector)
			t.Cleanup(func() { db.Close() })
			return db
		},
		Rows: true, Candidates: strategy == StrategySkip,
	}
}
