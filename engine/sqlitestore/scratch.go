package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Scratch is a job database for tests, used by one after the other: Reset makes it
// as new, and its connections stay open, with the statements that they keep.
//
// Nothing waits for the disk. The engine's tables are in a file of their own, which
// each connection attaches: what a script does to its tables does not change the
// schema that the engine's statements were prepared for.
type Scratch struct {
	*Store
	tables []string // of the engine, whose rows come and go
	filled string   // the query that tells which of them have rows
	types  int64    // the last id of the job types that Reset keeps
}

// besideName is what the engine's file is attached as.
const besideName = "engine"

// attaching makes connections that have the engine's file beside them.
type attaching struct {
	driver.Connector
	file string
}

// Connect opens a connection.
func (a attaching) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := a.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range []string{
		"ATTACH DATABASE '" + strings.ReplaceAll(a.file, "'", "''") + "' AS " + besideName,
		"PRAGMA " + besideName + ".synchronous=OFF",
		"PRAGMA " + besideName + ".cache_size=-16000",
	} {
		if _, err := c.(driver.ExecerContext).ExecContext(ctx, q, nil); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// empty is a file with the engine's tables, as bytes.
var empty struct {
	sync.Mutex
	bytes []byte
}

// emptyFile gives it. The first time it is made, in the folder.
func emptyFile(ctx context.Context, dir string) ([]byte, error) {
	empty.Lock()
	defer empty.Unlock()
	if empty.bytes != nil {
		return empty.bytes, nil
	}
	path := filepath.Join(dir, "empty.db")
	defer os.Remove(path)
	s, err := Open(ctx, path, Options{scratch: true})
	if err != nil {
		return nil, err
	}
	if _, err = s.Migrate(ctx); err == nil {
		_, err = s.Handle().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	empty.bytes, err = os.ReadFile(path)
	return empty.bytes, err
}

// OpenScratch makes a database in a folder. Of the options, Clock, Logger and Wrap
// have a meaning here.
func OpenScratch(ctx context.Context, dir string, o Options) (*Scratch, error) {
	b, err := emptyFile(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("make the engine's tables: %w", err)
	}
	o.beside, o.scratch, o.Prefix, o.ReadOnly = filepath.Join(dir, "engine.db"), true, "", false
	if err := os.WriteFile(o.beside, b, 0o600); err != nil {
		return nil, err
	}
	store, err := Open(ctx, filepath.Join(dir, "jobs.db"), o)
	if err != nil {
		return nil, err
	}
	s := &Scratch{Store: store}
	all, err := sqlstore.Texts(ctx, store.DB, "SELECT name FROM "+besideName+".sqlite_master WHERE type = 'table' ORDER BY name")
	if err != nil {
		store.Close()
		return nil, err
	}
	var filled []string
	for _, t := range all {
		if !strings.HasPrefix(t, "sqlite_") && !slices.Contains(sqlstore.FixedTables, t) {
			s.tables = append(s.tables, t)
			filled = append(filled, "EXISTS (SELECT 1 FROM "+besideName+"."+t+")")
		}
	}
	s.filled = "SELECT " + strings.Join(filled, ", ")
	return s, nil
}

// Keep has Reset keep the job types that are registered now.
func (s *Scratch) Keep(ctx context.Context) error {
	return s.Store.DB.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0) FROM ds_types").Scan(&s.types)
}

// Tables names the tables that scripts and tests have made.
func (s *Scratch) Tables(ctx context.Context) ([]string, error) {
	return sqlstore.Texts(ctx, s.Store.DB, `SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`)
}

// Session is a session of a test itself.
func (s *Scratch) Session(o engine.SessionOptions) engine.Joined {
	return sqlstore.NewJoined(s.Store.Store, s.Store, o)
}

// Reset makes the database as new. Its error says that it cannot: something still
// uses it, or there is what it does not know how to take away.
func (s *Scratch) Reset(ctx context.Context) (err error) {
	for _, db := range []*sql.DB{s.Store.DB, s.Reader, s.hookReader} {
		if n := db.Stats().InUse; n > 0 {
			return fmt.Errorf("%d connections are in use", n)
		}
	}
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
	for _, q := range []string{
		"DELETE FROM " + besideName + ".sqlite_sequence WHERE name NOT IN ('" + strings.Join(append([]string{sqlstore.TypesTable}, sqlstore.FixedTables...), "', '") + "')",
		fmt.Sprintf("UPDATE %s.sqlite_sequence SET seq = %d WHERE name = '%s' AND seq <> %d", besideName, s.types, sqlstore.TypesTable, s.types),
	} {
		if _, err := c.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// dropScripts drops what scripts and tests have made.
func dropScripts(ctx context.Context, c *sql.Conn) error {
	drops, err := sqlstore.Texts(ctx, c, `SELECT 'DROP ' || type || ' IF EXISTS main."' || replace(name, '"', '""') || '"' FROM main.sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return err
	}
	for _, q := range drops {
		if _, err := c.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	left, err := sqlstore.Texts(ctx, c, "SELECT name FROM main.sqlite_master UNION ALL SELECT name FROM temp.sqlite_master")
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("there are %s", strings.Join(left, ", "))
	}
	return err
}
