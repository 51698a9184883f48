package dbserver

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A test starts this program again with the variable set, to be killed.
const orphanVariable = "DSENGINE_DBSERVER_ORPHAN"

func TestMain(m *testing.M) {
	if kind := os.Getenv(orphanVariable); kind != "" {
		s, err := kinds[kind](Options{Dir: os.Getenv("TMPDIR")})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.PID())
		select {}
	}
	os.Exit(m.Run())
}

var kinds = map[string]func(Options) (*Server, error){"mariadb": MariaDB, "postgres": Postgres}

// startOrSkip starts a server that ends with the test. Where the programs are
// missing the test is skipped, but not under CI.
func startOrSkip(t *testing.T, kind string, o Options) *Server {
	t.Helper()
	s, err := kinds[kind](o)
	var missing *NotInstalledError
	if errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T, s *Server, database string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec1(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func count(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMariaDBKeepsItsDataThroughKillAndRestart(t *testing.T) {
	t.Parallel()
	s := startOrSkip(t, "mariadb", Options{Buffers: 64, Flags: []string{"--wait-timeout=1234"}})
	if err := s.CreateDatabase("one"); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("mysql://root@127.0.0.1:%d/one", s.Port()); s.URL("one") != want {
		t.Errorf("URL: got %s, want %s", s.URL("one"), want)
	}
	db := open(t, s, "one")
	exec1(t, db, "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB")
	exec1(t, db, "INSERT INTO t VALUES (1)")

	s.Kill()
	if err := db.Ping(); err == nil {
		t.Fatal("the server answers after Kill")
	}
	first := s.PID()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.PID() == first {
		t.Error("Restart left the same process")
	}
	if n := count(t, open(t, s, "one")); n != 1 {
		t.Errorf("rows after kill and restart: got %d, want 1", n)
	}

	db = open(t, s, "one")
	exec1(t, db, "INSERT INTO t VALUES (2)")
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	db = open(t, s, "one")
	if n := count(t, db); n != 2 {
		t.Errorf("rows after a clean restart: got %d, want 2", n)
	}

	var flush, pool, wait int
	if err := db.QueryRow("SELECT @@innodb_flush_log_at_trx_commit, @@innodb_buffer_pool_size, @@global.wait_timeout").Scan(&flush, &pool, &wait); err != nil {
		t.Fatal(err)
	}
	if flush != 1 || pool != 64<<20 || wait != 1234 {
		t.Errorf("settings: got flush %d, pool %d, wait %d, want 1, %d, 1234", flush, pool, wait, 64<<20)
	}

	folder := s.folder
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is still there after Stop: %v", err)
	}
	if err := s.Restart(); err == nil {
		t.Error("Restart after Stop: got no error")
	}
}

func TestPostgresKeepsItsDataThroughKillAndRestart(t *testing.T) {
	t.Parallel()
	s := startOrSkip(t, "postgres", Options{Buffers: 64})
	if err := s.CreateDatabase("one"); err != nil {
		t.Fatal(err)
	}
	psql := func(query string) string {
		t.Helper()
		k := s.kind.(*postgres)
		out, err := exec.Command(k.program("psql"), "-Atc", query, s.URL("one")).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", query, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	psql("CREATE TABLE t (id INT PRIMARY KEY)")
	psql("INSERT INTO t VALUES (1)")
	s.Kill()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if got := psql("SELECT COUNT(*) FROM t"); got != "1" {
		t.Errorf("rows after kill and restart: got %s, want 1", got)
	}
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "shared_buffers": "64MB"} {
		if got := psql("SHOW " + setting); got != want {
			t.Errorf("%s: got %s, want %s", setting, got, want)
		}
	}
}

func TestServerDiesWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere than on Linux a killed process leaves its server running")
	}
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			startOrSkip(t, kind, Options{})
			dir, err := os.MkdirTemp("", "dsengine-orphan-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), orphanVariable+"="+kind, "TMPDIR="+dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(out).ReadString('\n')
			cmd.Process.Kill()
			cmd.Wait()
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatalf("the child said %q", line)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for alive(pid) {
				select {
				case <-ctx.Done():
					if p, err := os.FindProcess(pid); err == nil {
						p.Kill()
					}
					t.Fatalf("server %d lives on without its parent", pid)
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
}

// alive says whether a process runs; a zombie that nobody has waited for does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z")
}

func TestManyServersStartAtOnce(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			s := startOrSkip(t, "mariadb", Options{Buffers: 16})
			if err := s.CreateDatabase("d"); err != nil {
				t.Fatal(err)
			}
			exec1(t, open(t, s, "d"), "CREATE TABLE t (id INT)")
		})
	}
}

func TestMissingProgramSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	folders := mariadbFolders
	mariadbFolders = nil
	defer func() { mariadbFolders = folders }()
	_, err := MariaDB(Options{})
	var missing *NotInstalledError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want a NotInstalledError", err)
	}
	if want := "mariadbd is not installed; on Debian: apt-get install mariadb-server-core mariadb-client-core"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestFlagsOfAServerThatCannotStartAreReported(t *testing.T) {
	t.Parallel()
	startOrSkip(t, "mariadb", Options{Buffers: 16})
	_, err := MariaDB(Options{Flags: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("got %v, want the server's own words", err)
	}
}

func TestDatabaseNamesArePlain(t *testing.T) {
	t.Parallel()
	s := startOrSkip(t, "mariadb", Options{Buffers: 16})
	if err := s.CreateDatabase("a`b"); err == nil {
		t.Error("got no error for a name with a backtick")
	}
}
