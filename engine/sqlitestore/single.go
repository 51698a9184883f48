package sqlitestore

import (
	"context"
	"database/sql/driver"
	"strings"
	"sync"
)

// single is a connection that pools share: each of their connections is this one,
// made when the first is asked for. It is for a database in memory that one
// goroutine uses, and spares what connections cost that have a file in common:
// locks, a log, pages that are read again when another has written.
type single struct {
	driver.Connector
	mu   sync.Mutex // of the connection
	conn *keeper    // nil: not made yet
}

// Connect gives the connection.
func (s *single) Connect(ctx context.Context) (driver.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		c, err := keeping{Connector: s.Connector}.Connect(ctx)
		if err != nil {
			return nil, err
		}
		s.conn = c.(*keeper)
	}
	return &shared{keeper: s.conn, single: s}, nil
}

// Close closes the connection; what was in memory is gone.
func (s *single) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	c := s.conn
	s.conn = nil
	return c.Close()
}

// shared is a pool's connection.
type shared struct {
	*keeper
	single *single
	begun  bool // its transaction is open
}

// ExecContext runs a statement that gives no rows.
func (c *shared) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.single.mu.Lock()
	defer c.single.mu.Unlock()
	r, err := c.keeper.ExecContext(ctx, query, args)
	if verb, to, _ := strings.Cut(query, " "); err == nil {
		switch {
		case verb == "BEGIN":
			c.begun = true
		case verb == "COMMIT", verb == "ROLLBACK" && to == "":
			c.begun = false
		}
	}
	return r, err
}

// QueryContext runs a statement that gives rows.
func (c *shared) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.single.mu.Lock()
	defer c.single.mu.Unlock()
	rows, err := c.keeper.QueryContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if r, ok := rows.(*keptRows); ok {
		return &sharedRows{r, c.single}, nil
	}
	return rows, nil
}

// BeginTx begins a transaction.
func (c *shared) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.single.mu.Lock()
	defer c.single.mu.Unlock()
	tx, err := c.keeper.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	c.begun = true
	return &sharedTx{tx, c}, nil
}

// Close takes back what is open; the connection stays for the others.
func (c *shared) Close() error {
	if !c.begun {
		return nil
	}
	_, err := c.ExecContext(context.Background(), "ROLLBACK", nil)
	return err
}

// sharedRows are rows of it.
type sharedRows struct {
	*keptRows
	single *single
}

// Next reads the next row.
func (r *sharedRows) Next(dest []driver.Value) error {
	r.single.mu.Lock()
	defer r.single.mu.Unlock()
	return r.keptRows.Next(dest)
}

// Close ends the result.
func (r *sharedRows) Close() error {
	r.single.mu.Lock()
	defer r.single.mu.Unlock()
	return r.keptRows.Close()
}

// sharedTx is a transaction of it.
type sharedTx struct {
	driver.Tx
	c *shared
}

// Commit commits it.
func (t *sharedTx) Commit() error { return t.end(t.Tx.Commit) }

// Rollback takes it back.
func (t *sharedTx) Rollback() error { return t.end(t.Tx.Rollback) }

func (t *sharedTx) end(how func() error) error {
	t.c.single.mu.Lock()
	defer t.c.single.mu.Unlock()
	err := how()
	if err == nil {
		t.c.begun = false
	}
	return err
}
