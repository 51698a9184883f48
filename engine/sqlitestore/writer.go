package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"os"
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
	pause  time.Duration // until it is told again
	note   string        // a file that tells other processes who writes; "": none does
}

// longestPause is how often a wait that goes on is told in the end.
const longestPause = 5 * time.Minute

// longWait is when a wait has grown long enough to be told.
const longWait = 5 * time.Second

func newWriter(db *sql.DB, clock engine.Clock, log *slog.Logger, note string) *writer {
	return &writer{db: db, clock: clock, turn: make(chan struct{}, 1), log: log, note: note}
}

// acquire waits for the turn. busy is called, now and then, while that takes long.
func (w *writer) acquire(ctx context.Context, who string, busy func(time.Duration, string)) error {
	select {
	case w.turn <- struct{}{}:
		w.hold(who)
		return nil
	default:
	}
	began, told := w.clock.Boot(), longWait
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
			if waited := w.clock.Boot() - began; busy != nil && waited >= told {
				busy(waited, w.who())
				told = 2 * waited
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
			return c, w.noted(who, free), nil
		}
		if !isBusy(err) || ctx.Err() != nil {
			free(true)
			return nil, nil, err
		}
		if waited := w.clock.Boot() - began; busy != nil && waited > told {
			busy(waited, w.other())
			told = 2 * waited
		}
	}
}

// noteAfter is how long a holder writes before other processes are told who it
// is: most are done long before, and make no file.
const noteAfter = time.Second

// noted writes who has the writer into a file, again and again while that
// lasts, and removes it at the end.
func (w *writer) noted(who string, free func(bool)) func(bool) {
	if w.note == "" {
		return free
	}
	var mu sync.Mutex
	var timer engine.Timer
	done, written := false, false
	var write func()
	write = func() {
		mu.Lock()
		defer mu.Unlock()
		if !done {
			written = os.WriteFile(w.note, fmt.Appendf(nil, "%s of process %d", who, os.Getpid()), 0o600) == nil || written
			timer = w.clock.After(noteAfter, write)
		}
	}
	mu.Lock()
	timer = w.clock.After(noteAfter, write)
	mu.Unlock()
	return func(broken bool) {
		mu.Lock()
		done = true
		timer.Stop()
		if written {
			_ = os.Remove(w.note)
		}
		mu.Unlock()
		free(broken)
	}
}

// other is who has the writer in another process, as far as it has told. A file
// that was not written again for a while was left behind by a process that died.
func (w *writer) other() string {
	const unknown = "another process"
	info, err := os.Stat(w.note)
	if err != nil || w.clock.Now().Sub(info.ModTime()) > 5*noteAfter || info.Size() > 1000 {
		return unknown
	}
	if text, err := os.ReadFile(w.note); err == nil && len(text) > 0 {
		return string(text)
	}
	return unknown
}

// tell says that the engine waits to write, and for whom: now and then, because
// whatever waits for a hook waits together.
func (w *writer) tell(what string, waited time.Duration, holder string) {
	w.mu.Lock()
	now := w.clock.Boot()
	if now-w.told > 2*w.pause {
		w.pause = 0 // nothing was told for long: another wait
	}
	silent := w.told != 0 && now-w.told < w.pause
	if !silent {
		w.told, w.pause = now, min(max(longWait, 2*w.pause), longestPause)
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
