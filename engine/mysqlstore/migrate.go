package mysqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
)

//go:embed migrations/*.sql
var migrations embed.FS

// locker lets one process migrate at a time.
type locker struct{ prefix string }

// lockName is short enough for MySQL, whatever the database is called.
const lockName = "CONCAT('dsengine ', LEFT(SHA2(CONCAT(?, DATABASE()), 256), 40))"

// SessionLock waits for the others, a minute at most.
func (l locker) SessionLock(ctx context.Context, c *sql.Conn) error {
	var got sql.NullInt64
	if err := c.QueryRowContext(ctx, "SELECT GET_LOCK("+lockName+", 60)", l.prefix).Scan(&got); err != nil {
		return err
	}
	if got.Int64 != 1 {
		return fmt.Errorf("another process has been making the tables for a minute")
	}
	return nil
}

// SessionUnlock lets the next one go on.
func (l locker) SessionUnlock(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, "DO RELEASE_LOCK("+lockName+")", l.prefix)
	return err
}
