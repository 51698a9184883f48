package mysqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Begin opens a hook's session.
func (s *Store) Begin(o engine.SessionOptions) engine.Session {
	return sqlstore.NewSession(s.Store, s, o)
}

// BeginHook gives a connection whose transaction has begun: autocommit is off
// on these connections, so that what follows an end of the transaction that
// nobody noticed is rolled back, not committed. On a Galera node of the engine's own
// database a row is written first.
func (s *Store) BeginHook(ctx context.Context, _ engine.SessionOptions) (*sql.Conn, func(bool), error) {
	for try := 0; ; try++ {
		c, err := s.hooks.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		anchor := s.Anchor()
		free := func(broken bool) {
			if broken {
				_ = c.Raw(func(any) error { return driver.ErrBadConn }) // has the pool throw it away
			}
			c.Close()
			anchor.Free(!broken)
		}
		if err = anchor.Write(ctx, c); err == nil {
			if _, err = c.ExecContext(ctx, "SAVEPOINT "+sqlstore.Canary); err == nil {
				return c, free, nil
			}
		}
		free(true)
		if ctx.Err() != nil || try == 3 {
			return nil, nil, err
		}
	}
}

// ReadHook has scripts read in their transaction.
func (s *Store) ReadHook(context.Context) (*sql.Conn, func(bool), error) { return nil, nil, nil }

// PingEvery is a third of the time after which the server ends an idle
// connection.
func (s *Store) PingEvery() time.Duration { return s.opts.Lease / 3 }

// Abandon ends what a connection was running: the driver only closes its side,
// and the server would go on with the statement, and its locks.
func (s *Store) Abandon(c *sql.Conn) {
	var number int64
	_ = c.Raw(func(dc any) error {
		if n, ok := dc.(*numbered); ok {
			number = n.number
		}
		return nil
	})
	if number == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = s.control.ExecContext(ctx, fmt.Sprintf("KILL %d", number)) // it may be gone already
}

// OwnConnection is for what the server would commit.
func (s *Store) OwnConnection(ctx context.Context) (sqlstore.Execer, func(), error) {
	return s.control, func() {}, nil
}
