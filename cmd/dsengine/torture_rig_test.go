//go:build unix

package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"

	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

// The torture tests run the real program in processes of its own, and kill
// them. CI runs them small; make torture, which sets DSENGINE_TORTURE=full, at
// the size that their names promise.

// full says that the tests run in full size.
func full() bool { return os.Getenv("DSENGINE_TORTURE") == "full" }

// sized is the full size under make torture, else the small one.
func sized[T any](small, large T) T {
	if full() {
		return large
	}
	return small
}

// program is the built dsengine.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dsengine-torture-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "dsengine")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build dsengine: %w\n%s", err, out)
	}
	return path, nil
})

// rig is a database, a jobs folder, and processes that work on them.
type rig struct {
	t      *testing.T
	dir    string
	url    string
	db     *sql.DB
	server *dbserver.Server // of MariaDB, where the test started one

	mu    sync.Mutex
	procs map[string]*proc
}

// proc is one dsengine process.
type proc struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error
}

// onMariaDB starts a private MariaDB for the test.
func onMariaDB(t *testing.T) *rig {
	t.Helper()
	s, err := dbserver.MariaDB(dbserver.Options{Buffers: 256})
	if err != nil {
		if os.Getenv("CI") != "" || full() {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	if err := s.CreateDatabase("torture"); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, s.URL("torture"))
	r.server = s
	return r
}

// onGiven uses a server of DSENGINE_TEST_MYSQL, with a database of its own.
func onGiven(t *testing.T, raw string) *rig {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("torture_%x", rand.Uint64())
	admin, err := sql.Open("mysql", dsnOf(u))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("on a server of DSENGINE_TEST_MYSQL: %v", err)
	}
	t.Cleanup(func() {
		_, _ = admin.Exec("DROP DATABASE " + name)
		admin.Close()
	})
	u.Path = "/" + name
	return newRig(t, u.String())
}

// given are the servers of DSENGINE_TEST_MYSQL.
func given() (urls []string) {
	for _, u := range strings.Split(os.Getenv("DSENGINE_TEST_MYSQL"), ",") {
		if u = strings.TrimSpace(u); u != "" {
			urls = append(urls, u)
		}
	}
	return urls
}

func dsnOf(u *url.URL) string {
	password, _ := u.User.Password()
	return fmt.Sprintf("%s:%s@tcp(%s)%s?interpolateParams=true", u.User.Username(), password, u.Host, u.Path)
}

// onSQLite uses a file.
func onSQLite(t *testing.T) *rig {
	t.Helper()
	return newRig(t, "sqlite:"+filepath.Join(t.TempDir(), "torture.db"))
}

func newRig(t *testing.T, dbURL string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), url: dbURL, procs: map[string]*proc{}}
	var err error
	if path, ok := strings.CutPrefix(dbURL, "sqlite:"); ok {
		r.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	} else {
		u, _ := url.Parse(dbURL)
		r.db, err = sql.Open("mysql", dsnOf(u))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(r.dir, "jobs"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.killAll()
		r.db.Close()
		if t.Failed() {
			r.showLogs()
		}
	})
	return r
}

// script writes a job script.
func (r *rig) script(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "jobs", name+".star"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// command prepares the program with the rig's database and folders.
func (r *rig) command(args ...string) *exec.Cmd {
	r.t.Helper()
	path, err := program()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"--db", r.url}, args...)...)
	cmd.Dir = r.dir
	return cmd
}

// do runs a command to its end and gives its standard output.
func (r *rig) do(args ...string) string {
	r.t.Helper()
	cmd := r.command(args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("dsengine %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// start starts `dsengine run` in the background, under a name.
func (r *rig) start(name string, args ...string) *proc {
	r.t.Helper()
	cmd := r.command(append([]string{"run", "--name", name}, args...)...)
	path := filepath.Join(r.dir, name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	p := &proc{name: name, cmd: cmd, log: path, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		log.Close()
		close(p.done)
	}()
	r.mu.Lock()
	r.procs[name] = p
	r.mu.Unlock()
	return p
}

// kill kills a process as kill -9 does, and waits for its end.
func (p *proc) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// lastServer is the process that registered last.
const lastServer = "SELECT MAX(id) FROM ds_servers"

// bury has the next process find those that were killed, which registered after the
// given one, declared dead: else it waits for a lease and more, as in full size.
func (r *rig) bury(after int64) {
	r.t.Helper()
	if !full() {
		r.exec("UPDATE ds_servers SET dead = 1 WHERE id > ?", after)
	}
}

// signal sends a signal.
func (p *proc) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// ended says whether the process is gone.
func (p *proc) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks a process to drain; it must end well.
func (r *rig) stop(p *proc) {
	r.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		r.t.Errorf("%s did not end within a minute of SIGTERM", p.name)
		p.kill()
		return
	}
	if p.err != nil {
		r.t.Errorf("%s ended with %v", p.name, p.err)
	}
}

// stopAll asks all processes to drain.
func (r *rig) stopAll() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.procs {
		if !p.ended() {
			p.signal(syscall.SIGTERM)
		}
	}
	for _, p := range r.procs {
		if !p.ended() {
			r.stop(p)
		}
	}
}

func (r *rig) killAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.procs {
		if !p.ended() {
			p.signal(syscall.SIGCONT)
			p.kill()
		}
	}
}

func (r *rig) showLogs() {
	for name, p := range r.procs {
		b, _ := os.ReadFile(p.log)
		if len(b) > 4000 {
			b = b[len(b)-4000:]
		}
		r.t.Logf("log of %s:\n%s", name, b)
	}
}

// exec runs a statement on the database.
func (r *rig) exec(q string, args ...any) {
	r.t.Helper()
	if _, err := r.db.Exec(q, args...); err != nil {
		r.t.Fatalf("%s: %v", q, err)
	}
}

// number reads one number; while the database is away it tries again.
func (r *rig) number(q string, args ...any) (n int64) {
	r.t.Helper()
	r.within(time.Minute, "an answer to "+q, func() bool {
		var v sql.NullInt64
		err := r.db.QueryRow(q, args...).Scan(&v)
		n = v.Int64
		return err == nil
	})
	return n
}

// want compares a number in the database.
func (r *rig) want(n int64, what, q string, args ...any) {
	r.t.Helper()
	if got := r.number(q, args...); got != n {
		r.t.Errorf("%s: got %d, want %d", what, got, n)
	}
}

// within waits until f holds, and fails the test after the time.
func (r *rig) within(d time.Duration, what string, f func() bool) {
	r.t.Helper()
	if !poll(d, f) {
		r.t.Fatalf("not within %s: %s", d, what)
	}
}

// poll asks f again and again until it holds.
func poll(d time.Duration, f func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-ctx.Done():
			return f()
		case <-tick.C:
		}
	}
	return true
}

// pass lets time pass: for tests whose subject is time.
func pass(d time.Duration) { <-time.After(d) }

// robbed counts the processes from which a rescue has taken jobs.
const robbed = `SELECT COUNT(DISTINCT server) FROM ds_attempts WHERE failure LIKE '%"code"%"loss"%'`

// failedAttempts counts the attempts that failed: not those that were lost with
// their process, which burn none.
const failedAttempts = `SELECT COUNT(*) FROM ds_attempts WHERE failure IS NOT NULL AND failure NOT LIKE '%"code"%"loss"%'`
