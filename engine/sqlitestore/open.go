// Package sqlitestore keeps jobs in one SQLite file, for one machine. Several
// processes on it may share the file.
//
// The statements are those of sqlstore. What is here: the two pools (open.go),
// what connections keep (statements.go), who may write (writer.go, turnstile.go),
// which processes live (live.go), the words in which the dialect differs
// (dialect.go), hooks' transactions (session.go, table.go), the tables (migrations),
// databases of tests (scratch.go, single.go) and the time that they have (now.go).
//
// There is one writer at a time, in a process and among processes. A commit is
// on disk when it returns (synchronous=FULL).
package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Options are for Open. Zero values are defaults.
type Options struct {
	Prefix string // of the tables; default "ds_"
	Clock  engine.Clock
	Logger *slog.Logger
	// ReadOnly is for those who only look: a file that this user may not write to
	// is opened all the same.
	ReadOnly bool
	// Wrap, if it is given, comes between the store and the driver: for tests
	// that make connections fail.
	Wrap func(driver.Connector) driver.Connector

	careless bool // nothing waits for the disk: see OpenSnapshot
}

// Store is a job database in a file.
type Store struct {
	*sqlstore.Store
	opts       Options
	path       string
	made       fs.FileInfo // of the file that was opened; nil: it is not looked at
	writer     *writer
	hookReader *sql.DB
	live       *liveness
	readOnly   bool     // this user may not write to it
	tables     sync.Map // of scripts, by name: knownTable
	noReader   bool     // hooks read in their transaction: a reader would keep it from committing

	seen       atomic.Bool // a write of when a server was seen is under way
	background sync.WaitGroup
	closed     context.Context // ends with the store
	close      context.CancelFunc
}

var _ engine.Store = (*Store)(nil)

// Open opens the file, and makes it if it is not there. path may be written as
// a URL, "sqlite:PATH".
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	path, abs, err := locate(path, &o)
	if err != nil {
		return nil, err
	}
	// WAL: readers see the last commit and wait for nobody. immediate: a
	// transaction takes the writer when it begins, so that it cannot fail half way.
	sync := "FULL"
	if o.careless {
		sync = "OFF"
	}
	dsn := func(more string) string {
		return dsn(abs, "&_pragma=journal_mode(WAL)&_pragma=synchronous("+sync+")&_pragma=foreign_keys(OFF)"+more)
	}
	gate := &turnstile{path: abs + "-turnstile"}
	w, err := pool(dsn("&_txlock=immediate"), gate, o)
	if err != nil {
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open %s", path)
	}
	w.SetMaxOpenConns(1)
	r, err := pool(dsn("&_pragma=query_only(1)"), nil, o)
	if err != nil {
		w.Close()
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open %s", path)
	}
	r.SetMaxOpenConns(16)
	r.SetMaxIdleConns(4)
	// A hook keeps its connection for reading while it waits for the writer, so
	// hooks must not use up those that the engine reads by: the hook that has the
	// writer may be waiting for one.
	h, err := pool(dsn("&_pragma=query_only(1)"), nil, o)
	if err != nil {
		w.Close()
		r.Close()
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open %s", path)
	}
	h.SetMaxIdleConns(4)
	s := &Store{opts: o, path: abs, hookReader: h}
	s.closed, s.close = context.WithCancel(context.Background())
	s.Store = &sqlstore.Store{DB: w, Reader: r, D: dialect{o.Clock, abs}, Clock: o.Clock, Log: o.Logger, Prefix: o.Prefix}
	s.writer = newWriter(w, gate, o.Clock, o.Logger, abs+"-writer")
	s.Store.Begin, s.Store.Lives = s.writer.begin, s.lives
	s.live = newLivenessOf(abs, o)
	if err := s.touch(ctx); err != nil {
		s.Close()
		if _, there := os.Stat(abs); there == nil && refused(err) {
			if o.ReadOnly {
				return openForReading(ctx, path, abs, o)
			}
			what, hint := whoMayNot(abs)
			return nil, engine.Wrapf(engine.CodeUnreachable, err, "open the database file %s: %s", path, what).WithHint("%s", hint)
		}
		if said, hint := unreadable(err); said != "" {
			return nil, engine.Wrapf(engine.CodeUnreachable, err, "the database file %s %s", path, said).WithHint("%s", hint)
		}
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open the database file %s", path)
	}
	s.made, _ = os.Stat(abs)
	return s, nil
}

// unreadable says what is wrong with a file in which there is no database, and what
// to do; "" if it is something else.
func unreadable(err error) (said, hint string) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return "", ""
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_NOTADB:
		return "is no SQLite database, and was left as it is", "name another file with --db or DSENGINE_DB: one that is not there yet is made. If this was the database, something has written over it: restore it from a backup"
	case lib.SQLITE_CORRUPT:
		return "is damaged, and was left as it is", "restore it from a backup, or begin with another file: --db sqlite:PATH"
	}
	return "", ""
}

// newLivenessOf is for the servers of a file's prefix.
func newLivenessOf(abs string, o Options) *liveness {
	if o.Prefix != sqlstore.DefaultPrefix { // its servers have numbers of their own
		abs += "-" + strings.Trim(o.Prefix, "_")
	}
	return newLiveness(abs)
}

// defaults fills in what is left out.
func (o *Options) defaults() {
	if o.Clock == nil {
		o.Clock = engine.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Prefix == "" {
		o.Prefix = sqlstore.DefaultPrefix
	}
}

// CheckURL says what is wrong with a database URL: it names no file, or one that cannot
// be made.
func CheckURL(rawURL string) error {
	_, _, err := locate(rawURL, &Options{})
	return err
}

// locate finds a database's file, and sets the defaults of the options.
func locate(rawURL string, o *Options) (path, abs string, err error) {
	path = strings.TrimPrefix(rawURL, "sqlite:")
	if path == "" {
		return "", "", engine.Errorf(engine.CodeUsage, "the database URL names no file: sqlite:PATH")
	}
	o.defaults()
	if abs, err = filepath.Abs(path); err != nil {
		return "", "", engine.Wrapf(engine.CodeUsage, err, "find %s", path)
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		return "", "", engine.Errorf(engine.CodeUsage, "%s is a folder, and the database is a file", path).
			WithHint("name a file in it, as in sqlite:%s", filepath.Join(path, "dsengine.db"))
	}
	if info, err := os.Stat(filepath.Dir(abs)); err != nil || !info.IsDir() {
		return "", "", engine.Errorf(engine.CodeUnreachable, "the database file %s cannot be made: there is no folder %s", path, filepath.Dir(abs))
	}
	return path, abs, nil
}

// dsn is how the driver is told of a file.
func dsn(abs, more string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(abs)}).EscapedPath()}
	// LIKE tells capitals apart, as = does, and as it does on tables that db.ensure
	// makes on MySQL.
	return u.String() + "?_pragma=busy_timeout(1000)&_pragma=cache_size(-16000)&_pragma=case_sensitive_like(1)&_time_format=sqlite" + more
}

// pool makes a pool of connections to the file. With a gate they may write.
func pool(dsn string, gate *turnstile, o Options) (*sql.DB, error) {
	timed, err := clockParam(o.Clock)
	if err != nil {
		return nil, err
	}
	connector, err := sqlite.NewConnector(dsn + timed)
	if err != nil {
		return nil, err
	}
	connector = keeping{connector, gate}
	if o.Wrap != nil {
		connector = o.Wrap(connector)
	}
	return sql.OpenDB(connector), nil
}

// touch reads from the file, so that one that is no database is told at once.
func (s *Store) touch(ctx context.Context) error {
	var mode string
	if err := s.Store.DB.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	var n int
	if err := s.Store.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_master").Scan(&n); err != nil {
		return err
	}
	if !strings.EqualFold(mode, "wal") {
		return fmt.Errorf("it cannot use a write-ahead log (journal mode %s): is it on a network drive?", mode)
	}
	return nil
}

// Close closes the file and lets go of the locks that say that we live.
func (s *Store) Close() error {
	s.close()
	s.background.Wait()
	s.live.close()
	s.hookReader.Close()
	s.Reader.Close()
	return s.Store.DB.Close()
}

// Handle is the database handle for engine.EnqueueTx: a transaction begun on it
// is the only writer until it ends.
func (s *Store) Handle() *sql.DB { return s.Store.DB }

// Now is the machine's clock: file and process are on the same one.
func (s *Store) Now(context.Context) (time.Time, error) { return s.opts.Clock.Now().UTC(), nil }

// Prepare has nothing to find out: there is one writer.
func (s *Store) Prepare(context.Context) error { return nil }

// Describe says what the database is.
func (s *Store) Describe(ctx context.Context) (engine.Report, error) {
	r := engine.Report{Store: "sqlite", Strategy: "single writer", Reason: "one process writes at a time, for all on this machine"}
	if err := s.Reader.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&r.Version); err != nil {
		return r, engine.Wrapf(engine.CodeInternal, err, "ask SQLite for its version")
	}
	if err := s.Store.DescribeTables(ctx, s.migrations(), &r); err != nil {
		return r, err
	}
	check := func(name, value string, ok bool, hint string) {
		if ok {
			hint = ""
		}
		r.Checks = append(r.Checks, engine.Check{Name: name, Value: value, OK: ok, Hint: hint})
	}
	info, err := os.Stat(s.path)
	if s.readOnly || !writable(s.path) {
		what, hint := whoMayNot(s.path)
		check("file", what+": it can be looked at, and nothing can run", false, hint)
	} else if err == nil {
		check("file", fmt.Sprintf("%s, %d bytes", s.path, info.Size()), true, "")
		r.Checks = append(r.Checks, s.checkDisk())
	}
	var damaged string
	if err := s.Reader.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&damaged); err != nil {
		damaged = err.Error()
	}
	check("integrity", damaged, damaged == "ok", "restore the file from a backup")
	return r, nil
}

//go:embed migrations/*.sql
var migrations embed.FS

func (s *Store) migrations() sqlstore.Migrations {
	return sqlstore.Migrations{
		Files: migrations, Dialect: goose.DialectSQLite3, DB: s.Store.DB,
		Replace: strings.NewReplacer(sqlstore.DefaultPrefix, s.Prefix),
	}
}

// Migrate brings the tables to this program's version.
func (s *Store) Migrate(ctx context.Context) (engine.Migration, error) {
	unlock, err := s.live.lockMigration(ctx)
	if err != nil {
		if ctx.Err() == nil { // nobody is waited for
			_, hint := whoMayNot(s.path)
			return engine.Migration{}, engine.Wrapf(engine.CodeUnreachable, err, "make a file beside the database file %s", s.path).WithHint("%s", hint)
		}
		return engine.Migration{}, engine.Wrapf(engine.CodeUnreachable, err, "wait for another process that makes the tables")
	}
	defer unlock()
	return s.Store.Migrate(ctx, s.migrations())
}

// CheckSchema says whether the tables are those that this program knows.
func (s *Store) CheckSchema(ctx context.Context) error {
	return s.Store.CheckSchema(ctx, s.migrations())
}
