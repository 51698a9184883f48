package dbserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

type postgres struct {
	bin     string // the folder of its programs
	buffers int
}

// Postgres starts a PostgreSQL server, of the newest version that is
// installed, and returns when it answers. Its user is postgres, without a
// password. The error is a *NotInstalledError when there is no PostgreSQL on
// this machine.
func Postgres(o Options) (*Server, error) {
	k := &postgres{buffers: cmp.Or(o.Buffers, defaultBuffers)}
	var missing *NotInstalledError
	for _, k.bin = range postgresFolders() {
		if missing = k.missing(); missing == nil {
			return start(k, "postgres", []string{"postgres", "nobody"}, o)
		}
	}
	return nil, missing
}

func (k *postgres) missing() *NotInstalledError {
	for _, tool := range []string{"initdb", "postgres", "createdb"} {
		if _, err := exec.LookPath(k.program(tool)); err != nil {
			return &NotInstalledError{tool, "apt-get install postgresql"}
		}
	}
	return nil
}

// postgresFolders are where PostgreSQL's programs may be: those of Debian's
// packages, newest first, which are not in PATH; then PATH.
func postgresFolders() []string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(i int) int {
		v, _ := strconv.Atoi(filepath.Base(filepath.Dir(found[i])))
		return v
	}
	sort.Slice(found, func(i, j int) bool { return version(i) > version(j) })
	if inPath, err := exec.LookPath("initdb"); err == nil {
		found = append(found, filepath.Dir(inPath))
	}
	return append(found, "/usr/local/pgsql/bin")
}

func (k *postgres) program(name string) string { return filepath.Join(k.bin, name) }

func (k *postgres) data(s *Server) string { return filepath.Join(s.folder, "data") }

func (k *postgres) prepare(ctx context.Context, s *Server) error {
	return runTool(ctx, s.owner, s.folder, k.program("initdb"), "-D", k.data(s),
		"-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
}

func (k *postgres) command(s *Server) []string {
	return append([]string{k.program("postgres"), "-D", k.data(s),
		"-c", "listen_addresses=127.0.0.1",
		"-c", "port=" + strconv.Itoa(s.port),
		"-c", "unix_socket_directories=",
		"-c", "shared_buffers=" + strconv.Itoa(k.buffers) + "MB",
	}, s.flags...)
}

// ready reads the server's own status file: this package has no PostgreSQL
// driver, and the file names the process that wrote it.
func (k *postgres) ready(_ context.Context, s *Server, pid int) error {
	b, err := os.ReadFile(filepath.Join(k.data(s), "postmaster.pid"))
	if err != nil {
		return err
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 8 || lines[0] != strconv.Itoa(pid) || strings.TrimSpace(lines[7]) != "ready" {
		return errors.New("not ready yet")
	}
	return nil
}

func (k *postgres) createDatabase(ctx context.Context, s *Server, name string) error {
	return runTool(ctx, s.owner, s.folder, k.program("createdb"),
		"-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres", "-w", name)
}

func (k *postgres) url(s *Server, database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

func (k *postgres) dsn(s *Server, database string) string { return k.url(s, database) }

// signals: the server's own processes outlive a killed postmaster for a
// moment and keep its shared memory; an immediate shutdown takes them along.
func (k *postgres) signals() signals {
	return signals{clean: syscall.SIGINT, now: syscall.SIGQUIT, orphan: syscall.SIGQUIT}
}
