package mysqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/pressly/goose/v3/lock"

	"github.com/dsengine/dsengine/engine/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// locker lets one process migrate at a time.
type locker struct{ prefix string }

// lockName is short enough for MySQL, whatever the database is called.
const lockName = "CONCAT('dsengine ', LEFT(SHA2(CONCAT(?, DATABASE()), 256), 40))"

// migrationLock is that lock, or where locks hold on one node only, a row.
func (s *Store) migrationLock(ctx context.Context) lock.SessionLocker {
	if s.galera || groupOf(ctx, s.control, s.dialect).choice().strategy != "" {
		return &elected{s: s}
	}
	return locker{s.Prefix}
}

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

// elected is the lock of a cluster: a row that one process at a time has written,
// whichever node it is connected to.
type elected struct {
	s     *Store
	every time.Duration // default electedEvery
	id    [16]byte      // of this process's turn
	stop  context.CancelFunc
	ended chan struct{}
}

const (
	electedTable = "CREATE TABLE IF NOT EXISTS ds_migrating (id TINYINT NOT NULL PRIMARY KEY, holder BINARY(16) NOT NULL, beat BIGINT NOT NULL) ENGINE=InnoDB"
	// In: holder. Nothing: another has it.
	elect = "INSERT INTO ds_migrating (id, holder, beat) VALUES (1, ?, 0)"
	// In: holder, beat. Of one that does not write it any more.
	depose = "DELETE FROM ds_migrating WHERE id = 1 AND holder = ? AND beat = ?"
	// In: holder.
	electedBeat = "UPDATE ds_migrating SET beat = beat + 1 WHERE id = 1 AND holder = ?"
	resign      = "DELETE FROM ds_migrating WHERE id = 1 AND holder = ?"
)

// The row is looked at, and written by its holder, in this interval; one that stays
// the same for so many looks is nobody's. A look waits for the statements that were
// begun before it, on whatever node, so a table that takes long to change does not
// make its holder look dead.
const (
	electedEvery = time.Second
	electedLooks = 30
)

// SessionLock waits until the row is this process's, or the context ends.
func (l *elected) SessionLock(ctx context.Context, c *sql.Conn) error {
	err := l.win(ctx, c)
	if ctx.Err() != nil && err != nil {
		return ctx.Err() // the connection broke because of that
	}
	return err
}

func (l *elected) win(ctx context.Context, c *sql.Conn) error {
	if _, err := c.ExecContext(ctx, l.s.SQL(electedTable)); err != nil {
		return err
	}
	rand.Read(l.id[:])
	var last string
	for same := 0; ; {
		if _, err := c.ExecContext(ctx, l.s.SQL(elect), l.id[:]); err == nil {
			l.keep(context.WithoutCancel(ctx))
			return nil
		} else if class := l.s.dialect.Class(err); class != sqlstore.ClassDuplicate && class != sqlstore.ClassRetry {
			return err
		}
		var holder []byte
		var beat int64
		err := c.QueryRowContext(ctx, l.s.SQL("SELECT holder, beat FROM ds_migrating WHERE id = 1")).Scan(&holder, &beat)
		if err != nil && err != sql.ErrNoRows {
			return err
		}
		if now := fmt.Sprintf("%x %d", holder, beat); err != nil || now != last {
			last, same = now, 0
		}
		if same++; same > electedLooks {
			if _, err := c.ExecContext(ctx, l.s.SQL(depose), holder, beat); err != nil && l.s.dialect.Class(err) != sqlstore.ClassRetry {
				return err
			}
			continue
		}
		if !l.wait(ctx) {
			return ctx.Err()
		}
	}
}

// keep writes the row now and then, until SessionUnlock.
func (l *elected) keep(ctx context.Context) {
	ctx, l.stop = context.WithCancel(ctx)
	l.ended = make(chan struct{})
	go func() {
		defer close(l.ended)
		for l.wait(ctx) {
			_, _ = l.s.control.ExecContext(ctx, l.s.SQL(electedBeat), l.id[:]) // the next one may succeed
		}
	}()
}

// wait is false if the context ends first.
func (l *elected) wait(ctx context.Context) bool {
	due := make(chan struct{})
	t := l.s.opts.Clock.After(cmp.Or(l.every, electedEvery), func() { close(due) })
	defer t.Stop()
	select {
	case <-due:
		return true
	case <-ctx.Done():
		return false
	}
}

// SessionUnlock lets the next one go on. Before, it takes away what is in the table
// of versions twice, because two made the tables at once.
func (l *elected) SessionUnlock(ctx context.Context, c *sql.Conn) error {
	l.stop()
	<-l.ended
	for _, q := range []string{
		"DELETE v FROM ds_migrations v JOIN ds_migrations w ON w.version_id = v.version_id AND w.is_applied = v.is_applied AND w.id < v.id",
		resign,
	} {
		args := []any{l.id[:]}[:strings.Count(q, "?")]
		for try := 0; ; try++ {
			_, err := c.ExecContext(ctx, l.s.SQL(q), args...)
			if class := l.s.dialect.Class(err); err != nil && class == sqlstore.ClassRetry && try < 5 {
				continue
			} else if err != nil && class != sqlstore.ClassNoTable {
				return err
			}
			break
		}
	}
	return nil
}
