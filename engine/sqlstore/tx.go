package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Execer runs statements: a transaction, a connection or a session.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Ender ends a transaction.
type Ender interface {
	Commit() error
	Rollback() error
}

// BeginFunc begins a transaction. release is called when it is over.
type BeginFunc func(ctx context.Context, what string) (x Execer, end Ender, release func(), err error)

// Tx is a transaction, or part of a hook's, with shorthands.
type Tx struct {
	ctx context.Context
	x   Execer
	s   *Store
	now time.Time
	due []dueRow // what became ready: for the bounds, once it is committed

	foreign bool // it is a caller's own, of any isolation level

	fenced string // see HookTx
	found  func(int64)

	ours map[typedHash]bool // keys that it got without waiting; nil: it waits for those it wants

	types   map[engine.TypeID]engine.TypeRecord // that were looked up
	servers []engine.ServerRow                  // that live; nil: not looked up
}

// On makes a Tx of something that runs statements and is ended by its owner.
func (s *Store) On(ctx context.Context, x Execer) *Tx { return &Tx{ctx: ctx, x: x, s: s} }

// exec runs a statement and gives the number of rows it found (on a hook's session on
// another program's Galera cluster: changed).
func (t *Tx) exec(q string, args ...any) (int64, error) {
	r, err := t.x.ExecContext(t.ctx, t.s.SQL(q), args...)
	if err != nil {
		return 0, t.s.wrap(err, q)
	}
	n, err := r.RowsAffected()
	return n, t.s.wrap(err, q)
}

// execFence runs the statement of the fence.
func (t *Tx) execFence(q string, args ...any) (int64, error) {
	q += t.fenced
	r, err := t.x.ExecContext(t.ctx, t.s.SQL(q), args...)
	if err != nil {
		return 0, t.s.wrap(err, q)
	}
	if t.found != nil {
		if id, err := r.LastInsertId(); err == nil {
			t.found(id)
		}
	}
	n, err := r.RowsAffected()
	return n, t.s.wrap(err, q)
}

// deleteIn deletes rows by key: see Dialect.DeleteIn.
func (t *Tx) deleteIn(table, where, list string, cols ...KeyColumn) (int64, error) {
	q, args := t.s.D.DeleteIn(table, where, list, cols...)
	return t.exec(q, args...)
}

// query runs a statement and calls scan for each row.
func (t *Tx) query(scan func(*sql.Rows) error, q string, args ...any) error {
	rows, err := t.x.QueryContext(t.ctx, t.s.SQL(q), args...)
	if err != nil {
		return t.s.wrap(err, q)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return t.s.wrap(err, q)
		}
	}
	return t.s.wrap(rows.Err(), q)
}

// queryIDs reads the rows of ids, listMost at a time in the order of the ids: what is
// written between is "IN (...)".
func (t *Tx) queryIDs(scan func(*sql.Rows) error, before string, ids []engine.JobID, after string) error {
	for part := range slices.Chunk(ids, listMost) {
		if err := t.query(scan, before+" IN ("+idList(part)+")"+after); err != nil {
			return err
		}
	}
	return nil
}

// row reads one row into dest; false if there is none.
func (t *Tx) row(dest []any, q string, args ...any) (bool, error) {
	found := false
	err := t.query(func(r *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return r.Scan(dest...)
	}, q, args...)
	return found, err
}

// clock is the database's time, read once per transaction; of a dialect whose clock is
// this process's, Here tells it.
func (t *Tx) clock() (time.Time, error) {
	if here, ok := t.s.D.(interface{ Here() time.Time }); ok && t.now.IsZero() {
		t.now = here.Here()
	}
	if t.now.IsZero() {
		var now Time
		if _, err := t.row([]any{&now}, "SELECT "+t.asText(t.s.D.Now())); err != nil {
			return time.Time{}, err
		}
		t.now = now.Time
	}
	return t.now, nil
}

// apart says that others see other rows than this transaction: it is a caller's,
// and there may be more than one writer.
func (t *Tx) apart() bool { return t.foreign && t.s.D.Lock() != "" }

// asText selects a time. On a caller's handle the driver may give it as the wall
// clock of another zone, in which there are hours that do not exist; text is what
// is stored.
func (t *Tx) asText(expr string) string {
	if !t.apart() {
		return expr
	}
	return "CAST(" + expr + " AS CHAR)"
}

// maxTries bounds how often a transaction of the engine's own is tried again
// after dead-locks before the caller hears of it.
const maxTries = 10

// errUnsettled says that the answer to a COMMIT was lost.
var errUnsettled = errors.New("the answer to COMMIT was lost")

// write runs f in a transaction of its own, and again after dead-locks, lock
// time-outs and connections that broke before COMMIT. what names it in errors.
// found is asked when the answer to a COMMIT was lost: whether it took effect.
// Without it such a transaction is simply run again, so f must be one that may be.
func (s *Store) write(ctx context.Context, what string, f func(*Tx) error, found func(*Tx) (bool, error)) error {
	return s.writeOn(ctx, s.DB, what, f, found)
}

func (s *Store) writeOn(ctx context.Context, db *sql.DB, what string, f func(*Tx) error, found func(*Tx) (bool, error)) error {
	var err error
	for try := 0; try < maxTries; try++ {
		if try > 0 {
			if !pauseFor(ctx, s.Clock, time.Duration(1+rand.IntN(10))*time.Millisecond<<min(try, 6)) {
				break
			}
		}
		err = s.once(ctx, db, what, f)
		if errors.Is(err, errUnsettled) && found != nil {
			var done bool
			if done, err = s.findOut(ctx, what, found); err == nil && done {
				return nil
			}
			if err == nil {
				err = engine.Wrapf(engine.CodeRetry, engine.Severed(errUnsettled), "%s", what)
			}
		}
		if err == nil {
			return nil
		}
		if engine.CodeOf(err) == engine.CodeNotFound {
			return err // it names what is not there
		}
		if engine.CodeOf(err) != engine.CodeRetry && !errors.Is(err, errUnsettled) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// findOut asks whether a transaction took effect, until the database answers.
func (s *Store) findOut(ctx context.Context, what string, found func(*Tx) (bool, error)) (done bool, err error) {
	began, told := s.Clock.Boot(), false
	for try := 0; ; try++ {
		err = s.once(ctx, s.DB, what, func(t *Tx) (err error) {
			done, err = found(t)
			return err
		})
		if err == nil || errors.Is(err, errUnsettled) {
			if told {
				s.Log.Info(what+": the database has told what became of the COMMIT whose answer was lost", "took_effect", done, "after", s.since(began))
			}
			return done, nil
		}
		if code := engine.CodeOf(err); code != engine.CodeRetry && code != engine.CodeUnreachable && ctx.Err() == nil {
			return false, err
		}
		if s.tellUnsure(what, began, err) {
			told = true
		}
		if !pauseFor(ctx, s.Clock, min(time.Second, 20*time.Millisecond<<min(try, 6))) {
			return false, engine.Wrapf(engine.CodeUnknown, err, "%s: the answer to COMMIT was lost and the database does not tell", what)
		}
	}
}

// tellUnsure says that it is not known what became of a COMMIT: at once where the
// database cannot be used, else when that has gone on for a while; for all
// transactions together, since what stops one stops most.
func (s *Store) tellUnsure(what string, began time.Duration, err error) bool {
	now := s.Clock.Boot()
	if engine.CodeOf(err) != engine.CodeUnreachable && now-began < engine.TellAfter || !s.unsure.Due(now) {
		return false
	}
	args := []any{"for", s.since(began), "error", err}
	if hint := engine.HintOf(err); hint != "" {
		args = append(args, "hint", hint)
	}
	s.Log.Warn(what+": the answer to COMMIT was lost, and it waits for the database to tell whether it took effect", args...)
	return true
}

// since is how long ago that was, to the second.
func (s *Store) since(began time.Duration) string {
	return engine.FormatDuration((s.Clock.Boot() - began).Round(time.Second))
}

// calm is the context of statements of the engine's own. Where they wait for nobody
// nothing is to end them, and each would cost a goroutine that could.
func (s *Store) calm(ctx context.Context) context.Context {
	if s.Scratch {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// once runs f in a transaction.
func (s *Store) once(ctx context.Context, db *sql.DB, what string, f func(*Tx) error) error {
	ctx = s.calm(ctx)
	x, end, release, err := s.begin(ctx, db, what)
	if err != nil {
		return s.wrap(err, "BEGIN")
	}
	defer release()
	t := s.On(ctx, x)
	if err := f(t); err != nil {
		end.Rollback()
		return err
	}
	err = end.Commit()
	s.bounds.lower(t.due)
	if err != nil && (s.D.Class(err) == ClassConnection || ctx.Err() != nil) {
		return fmt.Errorf("%w: %w", errUnsettled, err)
	}
	return s.wrap(err, "COMMIT")
}

func (s *Store) begin(ctx context.Context, db *sql.DB, what string) (Execer, Ender, func(), error) {
	if s.Begin != nil {
		return s.Begin(ctx, what)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	return tx, tx, func() {}, nil
}

// read runs f outside of a transaction.
func (s *Store) read(ctx context.Context, f func(*Tx) error) error {
	return f(s.On(s.calm(ctx), s.Reader))
}

// wrap gives an error of the driver its code.
func (s *Store) wrap(err error, q string) error {
	if err == nil || engine.CodeOf(err) != "" {
		return err
	}
	switch s.D.Class(err) {
	case ClassRetry:
		return engine.Wrapf(engine.CodeRetry, err, "%.40s", q)
	case ClassConnection:
		if q == "BEGIN" || q == "connect" {
			return engine.Wrapf(engine.CodeRetry, engine.Unbegun(err), "%s", q)
		}
		return engine.Wrapf(engine.CodeRetry, engine.Severed(err), "%.40s", q)
	case ClassUnreachable:
		return engine.Wrapf(engine.CodeUnreachable, engine.Unbegun(err), "reach the database").WithHint("%s", s.D.Hint(err))
	case ClassFull:
		return engine.Wrapf(engine.CodeUnreachable, err, "the database has no room").WithHint("%s", s.D.Hint(err))
	case ClassNoTable:
		return engine.Wrapf(engine.CodeSchema, err, "the engine's tables are missing or incomplete").WithHint("make them with: dsengine migrate")
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return engine.Wrapf(engine.CodeInternal, err, "%.200s", q).WithHint("%s", s.D.Hint(err))
}

func pauseFor(ctx context.Context, clock engine.Clock, d time.Duration) bool {
	done := make(chan struct{})
	t := clock.After(d, func() { close(done) })
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
