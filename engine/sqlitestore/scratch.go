package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"modernc.org/sqlite"

	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Scratch is a job database for tests, used by one after the other: Reset makes it
// as new, and its connection stays open, with the statements that it keeps. It is
// for one goroutine.
//
// It is in memory, and has one connection, whatever asks for one. The engine's
// tables are in a database of their own beside that of scripts: what a script does
// to its tables does not change the schema that the engine's statements were
// prepared for.
type Scratch struct {
	*Store
	conn   *single
	tables []string // of the engine, whose rows come and go
	filled string   // the query that tells which of them have rows
	types  int64    // the last id of the job types that Reset keeps
}

// besideName is what the engine's database is attached as.
const besideName = "engine"

// attaching makes connections that have a database in memory beside their own.
type attaching struct{ driver.Connector }

// Connect opens a connection.
func (a attaching) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := a.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.(driver.ExecerContext).ExecContext(ctx, "ATTACH DATABASE ':memory:' AS "+besideName, nil); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// OpenScratch makes a database. Of the options, Clock, Logger and Wrap have a
// meaning here.
func OpenScratch(ctx context.Context, o Options) (*Scratch, error) {
	o.Prefix, o.ReadOnly = "", false
	o.defaults()
	timed, err := clockParam(o.Clock)
	if err != nil {
		return nil, err
	}
	connector, err := sqlite.NewConnector(":memory:?_pragma=temp_store(MEMORY)&_pragma=case_sensitive_like(1)&_txlock=immediate&_time_format=sqlite" + timed)
	if err != nil {
		return nil, err
	}
	s := &Scratch{conn: &single{Connector: attaching{connector}}}
	pool := func() *sql.DB {
		if o.Wrap != nil {
			return sql.OpenDB(o.Wrap(s.conn))
		}
		return sql.OpenDB(s.conn)
	}
	w, r := pool(), pool()
	w.SetMaxOpenConns(1)
	s.Store = &Store{opts: o, hookReader: r}
	s.Store.closed, s.Store.close = context.WithCancel(context.Background())
	s.Store.Store = &sqlstore.Store{DB: w, Reader: r, D: dialect{clock: o.Clock}, Clock: o.Clock, Log: o.Logger, Prefix: o.Prefix, OneConnection: true, Scratch: true}
	s.writer = newWriter(w, &turnstile{}, o.Clock, o.Logger, "")
	s.Store.Store.Begin, s.Store.Store.Lives = s.writer.begin, s.lives
	s.live = newLiveness("")
	if err := s.makeTables(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make the engine's tables: %w", err), s.Close())
	}
	return s, nil
}

// made are what makes something in a migration, which is to be beside.
var made = regexp.MustCompile(`(?m)^(CREATE (?:TABLE|INDEX|UNIQUE INDEX) IF NOT EXISTS )`)

// makeTables makes the engine's tables, all at once.
func (s *Scratch) makeTables(ctx context.Context) error {
	script, err := s.Store.Store.Script(s.migrations())
	if err != nil {
		return err
	}
	script = "BEGIN;\n" + made.ReplaceAllString(script, "${1}"+besideName+".") + "\nCOMMIT;"
	if _, err := s.Store.DB.ExecContext(ctx, script); err != nil {
		return err
	}
	left, err := sqlstore.Texts(ctx, s.Store.DB, "SELECT name FROM main.sqlite_master")
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s are not beside the tables of scripts", strings.Join(left, ", "))
	}
	if err != nil {
		return err
	}
	all, err := sqlstore.Texts(ctx, s.Store.DB, "SELECT name FROM "+besideName+".sqlite_master WHERE type = 'table' ORDER BY name")
	if err != nil {
		return err
	}
	var filled []string
	for _, t := range all {
		if !strings.HasPrefix(t, "sqlite_") && !slices.Contains(sqlstore.FixedTables, t) {
			s.tables = append(s.tables, t)
			filled = append(filled, "EXISTS (SELECT 1 FROM "+besideName+"."+t+")")
		}
	}
	s.filled = "SELECT " + strings.Join(filled, ", ")
	return nil
}

// Close lets go of the database, which is gone then.
func (s *Scratch) Close() error { return errors.Join(s.Store.Close(), s.conn.Close()) }

// Keep has Reset keep the job types that are registered now.
func (s *Scratch) Keep(ctx context.Context) error {
	return s.Store.DB.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0) FROM ds_types").Scan(&s.types)
}

// Tables names the tables that scripts and tests have made.
func (s *Scratch) Tables(ctx context.Context) ([]string, error) {
	return sqlstore.Texts(ctx, s.Store.DB, `SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`)
}

// Reset makes the database as new. Its error says that it cannot: something still
// uses it, or there is what it does not know how to take away.
func (s *Scratch) Reset(ctx context.Context) (err error) {
	for _, db := range []*sql.DB{s.Store.DB, s.Reader} {
		if n := db.Stats().InUse; n > 0 {
			return fmt.Errorf("%d connections are in use", n)
		}
	}
	ctx = context.WithoutCancel(ctx)
	c, free, err := s.writer.conn(ctx, "reset", nil)
	if err != nil {
		return err
	}
	defer func() { free(err != nil) }()
	if err := s.emptyTables(ctx, c); err != nil {
		return err
	}
	if err := dropScripts(ctx, c); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	s.live.close()
	s.Store.Forget()
	return nil
}

// emptyTables deletes what is not kept from the engine's tables, and has ids begin
// anew. A table that is empty is left alone.
func (s *Scratch) emptyTables(ctx context.Context, c *sql.Conn) error {
	filled := make([]bool, len(s.tables))
	dest := make([]any, len(filled))
	for i := range filled {
		dest[i] = &filled[i]
	}
	if err := c.QueryRowContext(ctx, s.filled).Scan(dest...); err != nil {
		return err
	}
	for i, t := range s.tables {
		q, args := "DELETE FROM "+besideName+"."+t, []any(nil)
		if t == sqlstore.TypesTable {
			q, args = q+" WHERE id > ?", []any{s.types}
		}
		if !filled[i] {
			continue
		}
		if _, err := c.ExecContext(ctx, q, args...); err != nil {
			return err
		}
	}
	_, err := c.ExecContext(ctx, fmt.Sprintf("UPDATE %s.sqlite_sequence SET seq = IIF(name = '%s', %d, 0) WHERE name NOT IN ('%s')",
		besideName, sqlstore.TypesTable, s.types, strings.Join(sqlstore.FixedTables, "', '")))
	return err
}

// dropScripts drops what scripts and tests have made: tables with their indexes and
// triggers, and views. Its error says that there is something else.
func dropScripts(ctx context.Context, c *sql.Conn) error {
	rows, err := c.QueryContext(ctx, "SELECT type, name, sql IS NULL FROM main.sqlite_master UNION ALL SELECT 'temporary ' || type, name, 0 FROM temp.sqlite_master")
	if err != nil {
		return err
	}
	defer rows.Close()
	var drops, left []string
	for rows.Next() {
		var kind, name string
		var inner bool // an index that SQLite has made for a table
		if err := rows.Scan(&kind, &name, &inner); err != nil {
			return err
		}
		switch own := strings.HasPrefix(name, "sqlite_"); {
		case (kind == "table" || kind == "view") && !own:
			drops = append(drops, "DROP "+kind+` IF EXISTS main."`+strings.ReplaceAll(name, `"`, `""`)+`"`)
		case kind == "table" && name == "sqlite_sequence": // how far tables that number their rows have come
			drops = append(drops, "DELETE FROM main.sqlite_sequence")
		case kind == "index" && (inner || !own), kind == "trigger":
		default:
			left = append(left, kind+" "+name)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("there are %s", strings.Join(left, ", "))
	}
	rows.Close()
	for _, q := range drops {
		if _, err := c.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
