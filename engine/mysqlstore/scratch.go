package mysqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// ScratchServer is a server on which tests have databases that are thrown away.
// What else is there is never touched.
type ScratchServer struct {
	url     *url.URL
	cfg     *mysql.Config
	dialect *dialect
	admin   *sql.DB
}

// scratchName is how such a database is called: by the process that made it, and by
// chance. Behind it, a number, stand those that scripts reach by a name.
var scratchName = regexp.MustCompile(`^(dsengine_test_[0-9]+_[0-9a-f]{16})(_[0-9]+)?$`)

// OpenScratchServer connects to the server of a URL. The database that the URL
// names, if it does, is not touched.
func OpenScratchServer(ctx context.Context, rawURL string) (*ScratchServer, error) {
	u, err := url.Parse(rawURL)
	if err == nil && strings.Trim(u.Path, "/") == "" {
		u.Path = "/information_schema"
		rawURL = u.String()
	}
	cfg, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	cfg.DBName = ""
	version, _, err := serverVersion(ctx, cfg)
	if err != nil {
		return nil, err
	}
	d, err := newDialect(version)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, engine.Errorf(engine.CodeUsage, "the database URL cannot be used: %v", err)
	}
	return &ScratchServer{u, cfg, d, sql.OpenDB(connector)}, nil
}

// Close closes the connections.
func (s *ScratchServer) Close() error { return s.admin.Close() }

// Sweep drops what processes have left behind that ended without dropping it: whose
// lock nobody has, which is taken before anything is made. Where locks hold on one
// member of a cluster only, it must be older than an hour too.
func (s *ScratchServer) Sweep(ctx context.Context) error {
	alone, err := s.alone(ctx)
	if err != nil {
		return classified(err, "look whether the server is one of several")
	}
	return s.sweep(ctx, alone)
}

// sweep is Sweep; alone says that all see the locks.
func (s *ScratchServer) sweep(ctx context.Context, alone bool) error {
	rows, err := s.admin.QueryContext(ctx, `SELECT s.schema_name, COALESCE(MIN(t.create_time) < NOW() - INTERVAL 1 HOUR, 1)
 FROM information_schema.schemata s LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name
 WHERE s.schema_name LIKE 'dsengine\_test\_%' GROUP BY s.schema_name ORDER BY s.schema_name DESC`)
	if err != nil {
		return classified(err, "look for databases of tests")
	}
	defer rows.Close()
	var found []string
	young := map[string]bool{}
	for rows.Next() {
		var name string
		var old bool
		if err := rows.Scan(&name, &old); err != nil {
			return err
		}
		if scratchName.MatchString(name) {
			found = append(found, name)
			young[name] = !old && !alone
		}
	}
	if err := rows.Err(); err != nil {
		return classified(err, "look for databases of tests")
	}
	var errs []error
	for _, name := range found { // those with a number behind their name first
		owner := scratchName.FindStringSubmatch(name)[1]
		if young[name] || young[owner] {
			continue
		}
		var free bool
		if err := s.admin.QueryRowContext(ctx, "SELECT IS_FREE_LOCK(?)", owner).Scan(&free); err != nil {
			return classified(err, "look whether a database of tests is used")
		}
		if free {
			errs = append(errs, s.drop(ctx, name))
		}
	}
	return errors.Join(errs...)
}

// alone says that all see the locks that are taken on the server.
func (s *ScratchServer) alone(ctx context.Context) (bool, error) {
	if galera, err := galeraNode(ctx, s.admin); galera || err != nil {
		return false, err
	}
	g := groupOf(ctx, s.admin, s.dialect)
	return g.unknown == nil && !g.several, nil
}

func (s *ScratchServer) drop(ctx context.Context, name string) error {
	_, err := s.admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name)
	return s.refused(err, "drop the database "+name)
}

// newName is one that no other database has.
func newName() string {
	var chance [8]byte
	rand.Read(chance[:])
	return fmt.Sprintf("dsengine_test_%d_%x", os.Getpid(), chance)
}

// Try says whether databases can be made on the server, with tables in them, and dropped.
func (s *ScratchServer) Try(ctx context.Context) error {
	name := newName()
	err := s.create(ctx, name)
	if err != nil {
		return err
	}
	if _, err = s.admin.ExecContext(ctx, "CREATE TABLE "+name+".t (id INT PRIMARY KEY)"); err != nil {
		err = s.refused(err, "make a table in the database "+name)
	}
	return errors.Join(err, s.drop(ctx, name))
}

// create makes an empty database, whose texts are compared letter by letter unless a table
// says otherwise, as those of Ensure, and as SQLite does.
func (s *ScratchServer) create(ctx context.Context, name string) error {
	_, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE "+s.dialect.collation)
	return s.refused(err, "make the database "+name)
}

// refused is an error of a statement that did something; where the user may not do it, with
// how that is allowed.
func (s *ScratchServer) refused(err error, did string) error {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) && slices.Contains([]uint16{1044, 1142, 1227}, refused.Number) {
		return engine.Wrapf(engine.CodeUnreachable, err, "%s for tests", did).
			WithHint("the user must be allowed to: GRANT ALL ON `dsengine\\_test\\_%%`.* TO '%s'@'...'", s.cfg.User)
	}
	return classified(err, did)
}

// at is the server's URL with another database.
func (s *ScratchServer) at(name string) string {
	u := *s.url
	u.Path, u.RawPath = "/"+name, ""
	return u.String()
}

// Scratch is a job database for tests, used by one after the other: Reset makes it
// as new. Its clock is that of the options, not the server's.
type Scratch struct {
	*Store
	server *ScratchServer
	name   string
	lock   *sql.Conn       // has a lock of the database's name while its process lives
	tables []string        // of the engine, whose rows come and go
	filled string          // the query that tells which of them have rows
	auto   map[string]bool // those that number their rows: truncating begins anew
	types  int64           // the last id of the job types that Reset keeps
	others []string        // databases that scripts reach by these names
	ready  bool
}

// Open makes a database with the engine's tables. Of the options, Clock and Logger
// have a meaning here.
func (s *ScratchServer) Open(ctx context.Context, o Options) (_ *Scratch, err error) {
	x := &Scratch{server: s, name: newName(), auto: map[string]bool{}}
	if x.lock, err = s.admin.Conn(ctx); err != nil {
		return nil, unreachable(err, s.cfg)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, x.Drop(context.WithoutCancel(ctx)))
		}
	}()
	// It idles for as long as the tests run.
	if _, err := x.lock.ExecContext(ctx, "SET SESSION wait_timeout = 604800"); err != nil {
		return nil, classified(err, "have a connection kept")
	}
	var got sql.NullInt64
	if err := x.lock.QueryRowContext(ctx, "SELECT GET_LOCK(?, 0)", x.name).Scan(&got); err != nil || got.Int64 != 1 {
		return nil, classified(errors.Join(err, errors.New("another process has it")), "lock the name "+x.name)
	}
	if err := s.create(ctx, x.name); err != nil {
		return nil, err
	}
	o.Prefix, o.clocked = "", true
	if x.Store, err = Open(ctx, s.at(x.name), o); err != nil {
		return nil, err
	}
	if _, err := x.Migrate(ctx); err != nil {
		return nil, err
	}
	return x, x.look(ctx)
}

// look finds the engine's tables.
func (x *Scratch) look(ctx context.Context) error {
	all, err := sqlstore.Texts(ctx, x.control, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name")
	if err != nil {
		return err
	}
	var filled []string
	for _, t := range all {
		if !slices.Contains(sqlstore.FixedTables, t) {
			x.tables = append(x.tables, t)
			filled = append(filled, "EXISTS (SELECT 1 FROM "+t+")")
		}
	}
	x.filled = "SELECT " + strings.Join(filled, ", ")
	numbered, err := sqlstore.Texts(ctx, x.control, "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND extra LIKE '%auto_increment%'")
	for _, t := range numbered {
		x.auto[t] = true
	}
	return err
}

// Prepare looks at the server once.
func (x *Scratch) Prepare(ctx context.Context) error {
	if x.ready {
		return nil
	}
	err := x.Store.Prepare(ctx)
	x.ready = err == nil
	return err
}

// Keep has Reset keep the job types that are registered now.
func (x *Scratch) Keep(ctx context.Context) error {
	return x.control.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0) FROM ds_types").Scan(&x.types)
}

// Handle is the database itself.
func (x *Scratch) Handle() *sql.DB { return x.control }

// Session is a session of a test itself.
func (x *Scratch) Session(o engine.SessionOptions) engine.Joined {
	return sqlstore.NewJoined(x.Store.Store, x.Store, o)
}

// Make runs a statement of a test that makes or changes tables; false if it is none.
func (s *Store) Make(ctx context.Context, query string) (made bool, err error) {
	if made, err = s.MakesTables(query); !made || err != nil {
		return made, err
	}
	if _, err = s.control.ExecContext(ctx, query); err != nil {
		err = &engine.Failure{Kind: engine.KindError, Code: "db.error", Message: err.Error(), Cause: err}
	}
	return true, err
}

// Connect opens a database that scripts reach by a name, and makes it if it is not
// there and not for reading only; nil if it is not.
func (x *Scratch) Connect(ctx context.Context, name string, readOnly bool, o Options) (*Connection, error) {
	i := slices.Index(x.others, name)
	if i < 0 {
		if readOnly {
			return nil, nil
		}
		i = len(x.others)
		if err := x.server.create(ctx, x.other(i)); err != nil {
			return nil, err
		}
		x.others = append(x.others, name)
	}
	o.Prefix, o.clocked = "", true
	return Connect(ctx, x.server.at(x.other(i)), readOnly, o)
}

func (x *Scratch) other(i int) string { return fmt.Sprint(x.name, "_", i+1) }

// Forget drops the databases that Connect made; nothing has them open.
func (x *Scratch) Forget(ctx context.Context) error {
	for n := len(x.others); n > 0; n-- {
		if err := x.server.drop(ctx, x.other(n-1)); err != nil {
			return err
		}
		x.others = x.others[:n-1]
	}
	return nil
}

// Reset makes the database as new. Its error says that it cannot: something still
// uses it, or there is what it does not know how to take away.
func (x *Scratch) Reset(ctx context.Context) error {
	for _, db := range []*sql.DB{x.Store.DB, x.Reader, x.hooks, x.control} {
		if n := db.Stats().InUse; n > 0 {
			return fmt.Errorf("%d connections are in use", n)
		}
	}
	filled := make([]bool, len(x.tables))
	dest := make([]any, len(filled))
	for i := range filled {
		dest[i] = &filled[i]
	}
	if err := x.control.QueryRowContext(ctx, x.filled).Scan(dest...); err != nil {
		return err
	}
	var todo []string
	for i, t := range x.tables {
		switch {
		case t == sqlstore.TypesTable:
			todo = append(todo, fmt.Sprintf("DELETE FROM %s WHERE id > %d", t, x.types))
		case x.auto[t] && (filled[i] || t == "ds_deltas"): // whose rows are gone once they are added up
			todo = append(todo, "TRUNCATE TABLE "+t)
		case filled[i]:
			todo = append(todo, "DELETE FROM "+t)
		}
	}
	made, err := sqlstore.Texts(ctx, x.control, `SELECT CONCAT(CASE table_type WHEN 'VIEW' THEN 'DROP VIEW ' ELSE 'DROP TABLE ' END, '`+"`', REPLACE(table_name, '`', '``'), '`'"+`)
 FROM information_schema.tables WHERE `+x.notEngines()+`
 UNION ALL SELECT CONCAT('DROP ', routine_type, ' `+"`', REPLACE(routine_name, '`', '``'), '`'"+`) FROM information_schema.routines WHERE routine_schema = DATABASE()`)
	if err != nil {
		return err
	}
	for _, q := range append(todo, made...) {
		if _, err := x.control.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	x.Store.Store.Forget()
	x.beats.Forget()
	return nil
}

// notEngines is the condition for what is not the engine's.
func (x *Scratch) notEngines() string {
	return "table_schema = DATABASE() AND table_name NOT IN ('" + strings.Join(append(slices.Clone(x.tables), sqlstore.FixedTables...), "', '") + "')"
}

// Tables names the tables that scripts and tests have made.
func (x *Scratch) Tables(ctx context.Context) ([]string, error) {
	return sqlstore.Texts(ctx, x.control, "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND "+x.notEngines()+" ORDER BY table_name")
}

// Drop closes the database and drops it.
func (x *Scratch) Drop(ctx context.Context) error {
	var errs []error
	if x.Store != nil {
		errs = append(errs, x.Store.Close())
	}
	errs = append(errs, x.Forget(ctx), x.server.drop(ctx, x.name))
	if x.lock != nil {
		_, err := x.lock.ExecContext(ctx, "DO RELEASE_LOCK(?)", x.name)
		errs = append(errs, err, x.lock.Close())
		x.lock = nil
	}
	return errors.Join(errs...)
}
