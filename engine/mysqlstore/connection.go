package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Connection is another database, which scripts reach by a name.
type Connection struct{ s *Store }

var _ engine.Connection = (*Connection)(nil)

// Connect opens another database by its URL, as Open does. With readOnly, the
// server refuses whatever would write. Of the options, Prefix is that of the
// engine's own tables, which scripts do not reach here either. A server that accepts
// connections and then says nothing is given up after twice Lease. One that lets nobody
// in, as the password is wrong, say, is CodeConnection.
func Connect(ctx context.Context, rawURL string, readOnly bool, o Options) (*Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*cmp.Or(o.Lease, defaultLease))
	defer cancel()
	s, cfg, err := reach(ctx, rawURL, o)
	if err != nil {
		var refused *mysql.MySQLError
		var e *engine.Error
		if errors.As(err, &refused) && errors.As(err, &e) && (&dialect{}).Class(refused) == sqlstore.ClassOther {
			e.Code = engine.CodeConnection
		}
		return nil, err
	}
	var more map[string]string
	if readOnly {
		more = map[string]string{s.dialect.readOnly: "1"}
	}
	s.counts = s.galera // that tells whether a SAVEPOINT would be the first effect: see sqlstore/restart.go
	s.scriptPools(cfg, more)
	s.hooks.SetConnMaxIdleTime(s.opts.Lease / 2)
	s.Store = s.shared(s.control, s.control)
	s.Store.Foreign, s.Store.ReadOnly, s.Store.Restarts = true, readOnly, s.galera
	return &Connection{s}, nil
}

// Reaches says whether it is the very database of a URL: of the same name, on one
// server. Where that cannot be found out, it is another one. A server counts the calls of
// UUID_SHORT, from a number that it makes of its id and of the second in which it was
// started: what it gives between two calls of one session lies between what these
// give, and what another server gives does not. Addresses tell less, and
// @@server_uuid is copied with a server's files; other nodes of a cluster are others.
func (c *Connection) Reaches(ctx context.Context, rawURL string) bool {
	cfg, err := parseURL(rawURL)
	if err != nil {
		return false
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return false
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*c.s.opts.Lease)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	var first, ours, last uint64
	var name, own string
	const ask = "SELECT UUID_SHORT(), IF(@@lower_case_table_names = 0, DATABASE(), LOWER(DATABASE()))"
	for _, err := range []error{
		conn.QueryRowContext(ctx, ask).Scan(&first, &name),
		c.s.control.QueryRowContext(ctx, ask).Scan(&ours, &own),
		conn.QueryRowContext(ctx, ask).Scan(&last, &name),
	} {
		if err != nil {
			return false
		}
	}
	return name == own && first < ours && ours < last
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
	return c.s.Tables(ctx, c.s.control)
}

// Handle is the database itself.
func (c *Connection) Handle() *sql.DB { return c.s.control }

// Close closes all connections.
func (c *Connection) Close() error { return errors.Join(c.s.hooks.Close(), c.s.control.Close()) }
