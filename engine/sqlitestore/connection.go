package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Connection is another database, which scripts reach by a name.
type Connection struct{ s *Store }

var _ engine.Connection = (*Connection)(nil)

// Connect opens another file, "sqlite:PATH". With readOnly it must be there, and
// nothing can write to it; else it is made. How the file keeps its journal is
// left as it is. Of the options, Prefix is that of the engine's own tables, which
// scripts do not reach here either. Where no such database is, the error is CodeConnection.
func Connect(ctx context.Context, rawURL string, readOnly bool, o Options) (*Connection, error) {
	path, abs, err := locate(rawURL, &o)
	var e *engine.Error
	if errors.As(err, &e) && e.Code == engine.CodeUnreachable {
		e.Code = engine.CodeConnection
	}
	if err != nil {
		return nil, err
	}
	reading := "&mode=ro&_pragma=query_only(1)"
	if _, err := os.Stat(abs); readOnly && errors.Is(err, fs.ErrNotExist) {
		return nil, engine.Errorf(engine.CodeConnection, "there is no database file %s", path)
	}
	writing := "&_txlock=immediate&_pragma=synchronous(FULL)"
	if readOnly {
		writing = reading
	}
	gate := &turnstile{path: abs + "-turnstile"}
	if readOnly {
		gate = nil
	}
	w, err := pool(dsn(abs, writing), gate, o)
	if err != nil {
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open %s", path)
	}
	w.SetMaxOpenConns(1)
	var mode string
	if err := w.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		w.Close()
		if said, hint := unreadable(err); said != "" {
			return nil, engine.Wrapf(engine.CodeConnection, err, "the database file %s %s", path, said).WithHint("%s", hint)
		}
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open the database file %s", path)
	}
	r, err := pool(dsn(abs, reading), nil, o)
	if err != nil {
		w.Close()
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open %s", path)
	}
	r.SetMaxIdleConns(4)
	s := &Store{opts: o, path: abs, hookReader: r, noReader: !readOnly && !strings.EqualFold(mode, "wal")}
	s.Store = &sqlstore.Store{DB: w, Reader: r, D: dialect{o.Clock, abs}, Clock: o.Clock, Log: o.Logger, Prefix: o.Prefix, Foreign: true, ReadOnly: readOnly}
	s.writer = newWriter(w, gate, o.Clock, o.Logger, abs+"-writer")
	return &Connection{s}, nil
}

// Begin opens a hook's session.
func (c *Connection) Begin(o engine.SessionOptions) engine.Joined {
	return sqlstore.NewJoined(c.s.Store, c.s, o)
}

// Make runs a statement of a test that makes or changes tables; false if it is none.
func (c *Connection) Make(ctx context.Context, query string) (bool, error) {
	return c.s.Make(ctx, query)
}

// Quote writes a name so that it can be used in SQL.
func (c *Connection) Quote(name string) string { return c.s.Quote(name) }

// Tables names the tables there, of some if there are very many.
func (c *Connection) Tables(ctx context.Context) ([]string, error) {
	names, err := c.s.Tables(ctx, c.s.hookReader)
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "sqlite_") }), err
}

// Handle is the database itself: a transaction begun on it is the only writer
// until it ends.
func (c *Connection) Handle() *sql.DB { return c.s.Store.DB }

// Close closes the file.
func (c *Connection) Close() error { return errors.Join(c.s.hookReader.Close(), c.s.Store.DB.Close()) }
