package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// writer is the right to write: one holder at a time, in this process in the order
// of asking, and among processes by SQLite's own lock, behind a turnstile.
type writer struct {
	db    *sql.DB
	clock engine.Clock
	gate  *turnstile
	log   *slog.Logger
	note  string // a file that tells other processes who writes; "": none does

	mu      sync.Mutex
	held    bool
	holder  string          // who has the turn
	abroad  bool            // the holder waits for another process
	waiting []chan struct{} // for the turn, in the order of asking; closed when it is theirs
	told    time.Duration   // when a long wait was told last
	pause   time.Duration   // until it is told again
}

// longestPause is how often a wait that goes on is told in the end.
const longestPause = 5 * time.Minute

// longWait is when a wait has grown long enough to be told.
const longWait = 5 * time.Second

// newWriter is for a pool of one connection, behind a gate.
func newWriter(db *sql.DB, gate *turnstile, clock engine.Clock, log *slog.Logger, note string) *writer {
	w := &writer{db: db, clock: clock, gate: gate, log: log, note: note}
	if gate != nil {
		gate.others = func() func() {
			return w.waits(func(waited time.Duration, holder string) { w.tell("a transaction of its own", waited, holder) }, nil)
		}
	}
	return w
}

// acquire waits for the turn. busy is called, now and then, while that takes long.
func (w *writer) acquire(ctx context.Context, who string, busy func(time.Duration, string)) error {
	w.mu.Lock()
	if !w.held {
		w.held, w.holder = true, who
		w.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	w.waiting = append(w.waiting, turn)
	w.mu.Unlock()
	began, told := w.clock.Boot(), longWait
	for {
		long := make(chan struct{})
		t := w.clock.After(longWait, func() { close(long) })
		select {
		case <-turn:
			t.Stop()
			w.hold(who, false)
			return nil
		case <-ctx.Done():
			t.Stop()
			holder := w.who()
			w.leave(turn)
			return waitedFor(holder, context.Cause(ctx))
		case <-long:
			if waited := w.clock.Boot() - began; busy != nil && waited >= told {
				busy(waited, w.who())
				told = 2 * waited
			}
		}
	}
}

// waitedFor is the error of a wait that was given up.
func waitedFor(holder string, cause error) error {
	return fmt.Errorf("wait for %s, which is writing: %w", holder, cause)
}

// leave ends the wait for a turn, and passes it on if it has come meanwhile.
func (w *writer) leave(turn chan struct{}) {
	w.mu.Lock()
	i := slices.Index(w.waiting, turn)
	if i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
	w.mu.Unlock()
	if i < 0 {
		w.release()
	}
}

// release gives the turn to whoever has waited longest.
func (w *writer) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holder, w.abroad = "", false
	if w.held = len(w.waiting) > 0; w.held {
		close(w.waiting[0])
		w.waiting = slices.Delete(w.waiting, 0, 1)
	}
}

// hold notes who has the turn, and whether it waits for another process.
func (w *writer) hold(who string, abroad bool) {
	w.mu.Lock()
	w.holder, w.abroad = who, abroad
	w.mu.Unlock()
}

// who is writing: the holder of the turn, or whom that waits for.
func (w *writer) who() string {
	w.mu.Lock()
	holder, abroad := w.holder, w.abroad
	w.mu.Unlock()
	switch {
	case abroad:
		return w.other()
	case holder == "": // it was given the turn just now
		return "another job"
	}
	return holder
}

// beginWriting begins a transaction that has the writer.
const beginWriting = "BEGIN IMMEDIATE"

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
	abroad := false
	err = w.gate.pass(ctx, func() error {
		_, err := c.ExecContext(ctx, beginWriting)
		return err
	}, w.waits(busy, func() {
		w.hold(who, true)
		abroad = true
	}))
	if err != nil {
		if ctx.Err() != nil {
			err = waitedFor(w.other(), context.Cause(ctx))
		}
		free(true)
		return nil, nil, err
	}
	if abroad {
		w.hold(who, false)
	}
	return c, w.noted(who, free), nil
}

// waits is told of each try in vain to have the writer of another process, and
// tells busy when that takes long. first is called at the first one.
func (w *writer) waits(busy func(time.Duration, string), first func()) func() {
	began, told, tries := w.clock.Boot(), longWait, 0
	return func() {
		if tries++; tries == 1 && first != nil {
			first()
		}
		if waited := w.clock.Boot() - began; busy != nil && waited > told {
			busy(waited, w.other())
			told = 2 * waited
		}
	}
}

// A holder that has written for noteAfter tells other processes who it is, every
// noteEvery: most are done long before, and make no file.
const (
	noteAfter = 100 * time.Millisecond
	noteEvery = time.Second
)

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
			timer = w.clock.After(noteEvery, write)
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
	if err != nil || w.clock.Now().Sub(info.ModTime()) > 5*noteEvery || info.Size() > 1000 {
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
	if errors.Is(err, context.DeadlineExceeded) { // it is the writer that was not to be had, not the database
		err = engine.Wrapf(engine.CodeRetry, err, "the writer was not free in time")
	}
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
