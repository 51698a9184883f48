package sqlstore

import (
	"context"
	"database/sql"

	"github.com/dsengine/dsengine/engine"
)

// On a Galera node of another database than the jobs' there is no table for an
// anchor (see anchor.go). So there a savepoint is set once the transaction has written
// a row, which does what an anchor does. One that was to be set before stands for the
// transaction's beginning: to go back to it is to roll all of it back and begin it
// anew. That loses nothing where only such statements came before it as tell how many
// rows they changed, and changed none, and queries (of a function that a query calls it
// is not known whether it writes). After others it is an error.

// effects is what is known of the statements of a transaction.
type effects struct {
	written bool // a row that stays, unless all is rolled back
	unsure  bool // by a routine perhaps, or rows were locked
}

// did notes the effects of a statement, which has changed n rows. unsure says that
// this need not be all that it did.
func (e *effects) did(n int64, unsure bool) {
	e.written = e.written || n > 0 && !unsure
	e.unsure = e.unsure || unsure
}

// point is a savepoint.
type point struct {
	name    string
	real    bool    // it was set; else it stands for the beginning
	effects effects // of what came before it
}

// newPoint is a savepoint that may be set now.
func (s *Session) newPoint(name string) point {
	return point{name, !s.store.Restarts || s.effects.written, s.effects}
}

// certain says that it can be gone back to.
func (p point) certain() bool { return p.real || !p.effects.unsure }

// set sets it.
func (p point) set(ctx context.Context, c *sql.Conn) error {
	if !p.real {
		return nil
	}
	_, err := c.ExecContext(ctx, "SAVEPOINT "+p.name)
	return err
}

// release forgets it.
func (p point) release(ctx context.Context, c *sql.Conn) error {
	if !p.real {
		return nil
	}
	_, err := c.ExecContext(ctx, "RELEASE SAVEPOINT "+p.name)
	return err
}

// undo takes back all since it was set, and forgets it. It gives err, or why that did
// not work.
func (s *Session) undo(ctx context.Context, c *sql.Conn, p point, err error) error {
	if p.real {
		return undoTo(ctx, c, p.name, err)
	}
	if rerr := s.restart(ctx, p); rerr != nil {
		return rerr
	}
	return err
}

// restart has the transaction begin anew, of whose beginning stands for the point.
func (s *Session) restart(ctx context.Context, p point) error {
	if !p.certain() {
		s.ended = errUncertain
		return s.ended
	}
	for _, q := range []string{"RELEASE SAVEPOINT " + Canary, "ROLLBACK", "SAVEPOINT " + Canary} {
		if err := s.control(ctx, q); err != nil {
			return err
		}
	}
	s.effects = effects{}
	return nil
}

// errUncertain is not one that running the hook again could help.
var errUncertain = &engine.Failure{Kind: engine.KindError, Code: "db.undo",
	Message: "a part of what was done on this connection cannot be taken back: it is to a Galera cluster, where rows must have been written before, and the hook has only called a routine (CALL, DO) or locked rows (FOR UPDATE) there; write a row first, or do that inside of the catch too"}
