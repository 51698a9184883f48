package mysqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Connection is another database, which scripts reach by a name.
type Connection struct{ s *Store }

var _ engine.Connection = (*Connection)(nil)

// Connect opens another database by its URL, as Open does. With readOnly, the
// server refuses whatever would write. Of the options, Prefix is that of the
// engine's own tables, which scripts do not reach here either.
func Connect(ctx context.Context, rawURL string, readOnly bool, o Options) (*Connection, error) {
	s, cfg, err := reach(ctx, rawURL, o)
	if err != nil {
		return nil, err
	}
	var more map[string]string
	if readOnly {
		more = map[string]string{s.dialect.readOnly: "1"}
	}
	s.scriptPools(cfg, more)
	s.hooks.SetConnMaxIdleTime(s.opts.Lease / 2)
	s.Store = s.shared(s.control, s.control)
	s.Store.Foreign, s.Store.ReadOnly, s.Store.Restarts = true, readOnly, s.galera
	return &Connection{s}, nil
}

// Begin opens a hook's session.
func (c *Connection) Begin(o engine.SessionOptions) engine.Joined {
	return sqlstore.NewJoined(c.s.Store, c.s, o)
}

// MakesTables says whether a statement is one that makes or changes tables.
func (c *Connection) MakesTables(query string) (bool, error) { return c.s.MakesTables(query) }

// Quote writes a name so that it can be used in SQL.
func (c *Connection) Quote(name string) string { return c.s.Quote(name) }

// Tables names the tables there, of some if there are very many.
func (c *Connection) Tables(ctx context.Context) ([]string, error) {
	return c.s.Tables(ctx, c.s.control)
}

// Handle is the database itself.
func (c *Connection) Handle() *sql.DB { return c.s.control }

// Close closes all connections.
func (c *Connection) Close() error { return errors.Join(c.s.hooks.Close(), c.s.control.Close()) }
