package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// writer is the right to write: one holder at a time in this process, in the
// order of asking, and among processes by SQLite's own lock.
type writer struct {
	db    *sql.DB
	clock engine.Clock
	turn  chan struct{}

	log *slog.Logger

	mu     sync.Mutex
	holder string
	told   time.Duration // when a long wait was told last
}

// longWait is when a wait has grown long enough to be told.
const longWait = 5 * time.Second

func newWriter(db *sql.DB, clock engine.Clock, log *slog.Logger) *writer {
	return &writer{db: db, clock: clock, turn: make(chan struct{}, 1), log: log}
}

// acquire waits for the turn. busy is called, now and then, while that takes long.
func (w *writer) acquire(ctx context.Context, who string, busy func(time.Duration, string)) error {
	select {
	case w.turn <- struct{}{}:
		w.hold(who)
		return nil
	default:
	}
	began := w.clock.Boot()
	for {
		long := make(chan struct{})
		t := w.clock.After(longWait, func() { close(long) })
		select {
		case w.turn <- struct{}{}:
			t.Stop()
			w.hold(who)
			return nil
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("wait for %s, which is writing: %w", w.who(), context.Cause(ctx))
		case <-long:
			if busy != nil {
				busy(w.clock.Boot()-began, w.who())
			}
		}
	}
}

func (w *writer) release() {
	w.hold("")
	<-w.turn
}

func (w *writer) hold(who string) {
	w.mu.Lock()
	w.holder = who
	w.mu.Unlock()
}

func (w *writer) who() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.holder
}

// conn takes the turn and begins a transaction. Another process may have the
// file: it is waited for until ctx ends.
func (w *writer) conn(ctx context.Context, who string, busy func(time.Duration, string)) (*sql.Conn, func(broken bool), error) {
	if err := w.acquire(ctx, who, busy); err != nil {
		return nil, nil, err
	}
	c, err := w.db.Conn(ctx)
	if err != nil {
		w.release()
		return nil, nil, err
	}
	free := func(broken bool) {
		if broken {
			_ = c.Raw(func(any) error { return driver.ErrBadConn }) // has the pool throw it away
		}
		c.Close()
		w.release()
	}
	began := w.clock.Boot()
	told := longWait
	for {
		_, err = c.ExecContext(ctx, "BEGIN IMMEDIATE")
		if err == nil {
			return c, free, nil
		}
		if !isBusy(err) || ctx.Err() != nil {
			free(true)
			return nil, nil, err
		}
		if waited := w.clock.Boot() - began; busy != nil && waited > told {
			busy(waited, "another process")
			told = waited + longWait
		}
	}
}

// tell says that the engine waits to write, and for whom: now and then, because
// whatever waits for a hook waits together.
func (w *writer) tell(what string, waited time.Duration, holder string) {
	w.mu.Lock()
	now := w.clock.Boot()
	silent := w.told != 0 && now-w.told < longWait
	if !silent {
		w.told = now
	}
	w.mu.Unlock()
	if !silent {
		w.log.Warn("waiting to write", "what", what, "waited", engine.FormatDuration(waited.Round(time.Second)), "holder", holder)
	}
}

// begin begins a transaction of the engine's own.
func (w *writer) begin(ctx context.Context, what string) (sqlstore.Execer, sqlstore.Ender, func(), error) {
	c, free, err := w.conn(ctx, what, func(waited time.Duration, holder string) { w.tell(what, waited, holder) })
	if err != nil {
		return nil, nil, nil, err
	}
	e := &ender{c: c}
	return c, e, func() { free(e.broken) }, nil
}

// ender ends a transaction; whatever the caller's context says, so that the
// connection can be used again.
type ender struct {
	c      *sql.Conn
	broken bool
}

func (e *ender) Commit() error {
	if err := e.run("COMMIT"); err != nil {
		if rerr := e.run("ROLLBACK"); rerr != nil {
			e.broken = true
		}
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (e *ender) Rollback() error {
	err := e.run("ROLLBACK")
	if err != nil {
		e.broken = true
	}
	return err
}

func (e *ender) run(q string) error {
	_, err := e.c.ExecContext(context.Background(), q)
	return err
}
