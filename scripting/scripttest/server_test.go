package scripttest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
	stores "github.com/dsengine/dsengine/scripting/internal/world"
)

func TestMain(m *testing.M) { os.Exit(stores.Main(m)) }

// onEach runs a test on the embedded database, on a private MariaDB, and on the
// servers of the environment.
func onEach(t *testing.T, test func(t *testing.T, use func(*Suite))) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, func(*Suite) {}) })
	for i, url := range servers(t) {
		t.Run(fmt.Sprintf("server%d", i+1), func(t *testing.T) {
			test(t, func(s *Suite) {
				if err := s.Use(t.Context(), url); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// servers are the private MariaDB, and those of the environment.
func servers(t *testing.T) []string {
	t.Helper()
	list := []string{stores.Server(t).URL("")}
	for _, u := range strings.Split(os.Getenv("DSENGINE_TEST_MYSQL"), ",") {
		if u = strings.TrimSpace(u); u != "" {
			list = append(list, u)
		}
	}
	return list
}

// admin is a connection to the server of a URL, whose host it gives.
func admin(t *testing.T, rawURL string) (*sql.DB, string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/", u.User.Username(), password, u.Host))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, u.Host
}

// left are the databases of this process's tests that are on a server.
func left(t *testing.T, rawURL string) (names []string) {
	t.Helper()
	db, _ := admin(t, rawURL)
	rows, err := db.Query("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE ?", fmt.Sprintf("dsengine\\_test\\_%d\\_________________%%", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	return names
}

func TestGoodTestsPassOnServers(t *testing.T) {
	for i, url := range servers(t) {
		t.Run(fmt.Sprintf("server%d", i+1), func(t *testing.T) {
			s := suite(t, Options{Jobs: folder(t, map[string]string{"people.star": people, "people_test.star": good})})
			if err := s.Use(t.Context(), url); err != nil {
				t.Fatal(err)
			}
			results := s.Run(t.Context())
			if want := strings.Count(good, "\ndef test_"); len(results) != want {
				t.Errorf("%d tests ran, not %d", len(results), want)
			}
			for _, r := range results {
				if r.Status != Passed {
					var text strings.Builder
					r.Text(&text)
					t.Error(&text)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if names := left(t, url); len(names) > 0 {
				t.Errorf("there are databases left: %v", names)
			}
		})
	}
}

func TestDatabasesAreDroppedAfterPanicsAndInterruptions(t *testing.T) {
	for i, url := range servers(t) {
		t.Run(fmt.Sprintf("server%d", i+1), func(t *testing.T) {
			s := suite(t, Options{Parallel: 1, Jobs: folder(t, map[string]string{"people.star": people,
				"people_test.star": "def test_a(t):\n    t.connection(\"crm\").exec(\"CREATE TABLE y (id INTEGER PRIMARY KEY)\")\n    t.table(\"people\")\n\n" +
					"def test_b(t):\n    t.connection(\"crm\").exec(\"CREATE TABLE y (id INTEGER PRIMARY KEY)\")\n    for i in range(1000000000):\n        pass\n"})})
			if err := s.Use(t.Context(), url); err != nil {
				t.Fatal(err)
			}
			s.tests[0].script = panicking{s.tests[0].script}
			ctx, interrupt := context.WithCancel(t.Context())
			s.Done = func(*Result) { interrupt() } // while the second test runs, or begins
			if results := s.Run(ctx); len(results) != 1 || results[0].Failures == nil {
				t.Errorf("results: %+v", results)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if names := left(t, url); len(names) > 0 {
				t.Errorf("there are databases left: %v", names)
			}
		})
	}
}

func TestOnlyServersCanBeUsed(t *testing.T) {
	t.Parallel()
	s := suite(t, Options{Jobs: folder(t, map[string]string{"people.star": people})})
	for _, url := range []string{"sqlite:x.db", "postgres://a@b/c", ""} {
		if err := s.Use(t.Context(), url); engine.CodeOf(err) != engine.CodeUsage {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// The tests of the shipped scripts come to the same on servers as on the embedded
// database.
func TestTheShippedScriptsDoTheSameOnServers(t *testing.T) {
	ran := func(t *testing.T, use func(*Suite)) map[string]string {
		s := suite(t, Options{Jobs: "../../jobs"})
		use(s)
		all := map[string]string{}
		for _, r := range s.Run(t.Context()) {
			r.Millis, r.Log = 0, nil
			all[r.File+": "+r.Name] = text(r)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return all
	}
	want := ran(t, func(*Suite) {})
	if len(want) < 20 {
		t.Fatalf("only %d tests", len(want))
	}
	for i, url := range servers(t) {
		t.Run(fmt.Sprintf("server%d", i+1), func(t *testing.T) {
			got := ran(t, func(s *Suite) {
				if err := s.Use(t.Context(), url); err != nil {
					t.Fatal(err)
				}
			})
			if len(got) != len(want) {
				t.Errorf("%d tests ran, not %d", len(got), len(want))
			}
			for name, told := range want {
				if !strings.HasPrefix(told, "ok ") && !strings.HasPrefix(told, "todo ") || got[name] != told {
					t.Errorf("%s\non the server: %s", told, got[name])
				}
			}
			if names := left(t, url); len(names) > 0 {
				t.Errorf("there are databases left: %v", names)
			}
		})
	}
}

// TestAUserWithoutRightsIsToldOnce before any test is run.
func TestAUserWithoutRightsIsToldOnce(t *testing.T) {
	for i, rawURL := range servers(t) {
		t.Run(fmt.Sprintf("server%d", i+1), func(t *testing.T) {
			db, host := admin(t, rawURL)
			name := fmt.Sprintf("few_%d", os.Getpid())
			if _, err := db.Exec("CREATE USER '" + name + "'@'%' IDENTIFIED BY 'secret-word'"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Exec("DROP USER '" + name + "'@'%'") })
			s := suite(t, Options{Jobs: folder(t, map[string]string{"people.star": people, "people_test.star": good})})
			err := s.Use(t.Context(), fmt.Sprintf("mysql://%s:secret-word@%s/", name, host))
			var e *engine.Error
			if !errors.As(err, &e) || e.Code != engine.CodeUnreachable || !strings.Contains(err.Error(), "make the database dsengine_test_") || !strings.Contains(e.Hint, "GRANT ALL ON `dsengine\\_test\\_%`.* TO '"+name) {
				t.Errorf("it is refused with %v", err)
			}
		})
	}
}
