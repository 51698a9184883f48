// Package dbserver starts private database servers for tests and benchmarks
// and stops them again.
//
// Each server has a temporary folder of its own and listens on a free port of
// 127.0.0.1 only; any number may run at once, in one process or in several.
// Durability is the server's default: a commit that was answered survives
// Kill. On Linux a server dies with the process that started it, however that
// ends; elsewhere a killed process leaves its server running. A folder that
// was left behind is harmless.
//
// A program that runs as root starts its servers as another user, because they
// refuse to run as root.
package dbserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

const (
	startTimeout = 2 * time.Minute // for initialising a data folder, and for a server's first answer
	stopTimeout  = time.Minute     // for a clean stop, before it is killed

	defaultBuffers = 256 // MiB
)

// Options of a server. The zero value is fit for tests.
type Options struct {
	Buffers int      // MiB of buffer pool, or of shared buffers; default 256
	Flags   []string // of the server program, after and above this package's own
	Dir     string   // where the temporary folder is made; default os.TempDir
}

// Server is a private database server. Its methods are safe for concurrent
// use, except that no other call may overlap Restart or Stop.
type Server struct {
	kind   kind
	folder string // everything the server writes
	port   int
	flags  []string
	owner  *owner

	mu      sync.Mutex
	process *process // nil after Stop
}

// kind is what differs between MariaDB and PostgreSQL.
type kind interface {
	// prepare initialises the data folder.
	prepare(ctx context.Context, s *Server) error
	// command is the server's program with its arguments.
	command(s *Server) []string
	// ready returns nil once this server, and no other, answers.
	ready(ctx context.Context, s *Server, pid int) error
	createDatabase(ctx context.Context, s *Server, name string) error
	url(s *Server, database string) string
	dsn(s *Server, database string) string
	// signals end the server: cleanly, at once, and when its parent has died.
	signals() signals
}

// start makes a server of a kind and returns when it answers.
func start(k kind, name string, users []string, o Options) (_ *Server, err error) {
	s := &Server{kind: k, flags: o.Flags}
	if s.owner, err = chooseOwner(users); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if s.folder, err = makeFolder(o.Dir, name, s.owner); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(s.folder)
			err = fmt.Errorf("start %s: %w", name, err)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := k.prepare(ctx, s); err != nil {
		return nil, fmt.Errorf("initialise a data folder: %w", err)
	}
	// Another process may take the port between the choice and the bind.
	for range 5 {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.launch(); err == nil {
			return s, nil
		}
		if portIsFree(s.port) {
			break
		}
	}
	return nil, err
}

func makeFolder(dir, name string, o *owner) (string, error) {
	folder, err := os.MkdirTemp(dir, "dsengine-"+name+"-")
	if err != nil {
		return "", err
	}
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return "", err
	}
	return folder, o.chown(folder)
}

// launch starts the program and waits until it answers.
func (s *Server) launch() error {
	log := filepath.Join(s.folder, "log")
	p, err := startProcess(s.kind.command(s), s.folder, log, s.owner, s.kind.signals())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.exited:
			return fmt.Errorf("the server ended (%v), its last words:\n%s", p.state(), tail(log))
		case <-ctx.Done():
			p.kill()
			return fmt.Errorf("the server did not answer within %s, its last words:\n%s", startTimeout, tail(log))
		case <-tick.C:
			if s.answers(ctx, p) {
				s.mu.Lock()
				s.process = p
				s.mu.Unlock()
				return nil
			}
		}
	}
}

func (s *Server) answers(ctx context.Context, p *process) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return s.kind.ready(ctx, s, p.pid) == nil
}

// URL is the address of a database in the form that dsengine's --db takes for
// MySQL and MariaDB, and PostgreSQL's drivers for PostgreSQL.
func (s *Server) URL(database string) string { return s.kind.url(s, database) }

// DSN is the address of a database for database/sql: go-sql-driver/mysql's
// form, or the URL for PostgreSQL.
func (s *Server) DSN(database string) string { return s.kind.dsn(s, database) }

// Port is where the server listens on 127.0.0.1; it stays the same for the
// server's life.
func (s *Server) Port() int { return s.port }

// PID is the server's process, or 0 after Stop.
func (s *Server) PID() int {
	if p := s.current(); p != nil {
		return p.pid
	}
	return 0
}

// Log is the end of what the server has printed.
func (s *Server) Log() string { return tail(filepath.Join(s.folder, "log")) }

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// CreateDatabase makes an empty database, which must not exist. Its name
// consists of letters, digits and underscores.
func (s *Server) CreateDatabase(name string) error {
	if !plainName.MatchString(name) {
		return fmt.Errorf("create database: %q is no plain name", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := s.kind.createDatabase(ctx, s, name); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// Kill ends the server as a crash would (kill -9; for PostgreSQL its immediate
// shutdown, which is the same to its files) and returns when it is gone.
// Restart brings it back.
func (s *Server) Kill() {
	if p := s.current(); p != nil {
		p.kill()
	}
}

// Restart stops the server cleanly, unless it has ended already, and starts it
// again on the same folder and port. It returns when the server answers.
func (s *Server) Restart() error {
	p := s.current()
	if p == nil {
		return errors.New("restart: the server was stopped for good")
	}
	p.stop()
	if err := s.launch(); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	return nil
}

// Stop ends the server cleanly and removes its folder. A second call does
// nothing.
func (s *Server) Stop() error {
	p := s.current()
	if p == nil {
		return nil
	}
	p.stop()
	s.mu.Lock()
	s.process = nil
	s.mu.Unlock()
	return os.RemoveAll(s.folder)
}

func (s *Server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}
