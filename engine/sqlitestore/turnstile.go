package sqlitestore

import (
	"context"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// turnstile is before the writer, among processes: SQLite gives the writer to who
// asks at the right moment, so a hook that commits and goes on at once would have it
// again and again, and others for long never. Who has asked in vain for a while locks
// a file beside the database, and asks on; while it is locked, whoever comes to write
// waits until it is not. So a process that waits has the writer after the commit of
// who has it. A process that is killed leaves no lock, and its file is removed by
// whoever is the next to write. Where nobody waits there is no file, and to look for
// it is all that a transaction pays.
type turnstile struct {
	path   string        // "": there is none, because one process alone has the database
	others func() func() // what pass tells of transactions that are not begun by the writer
}

const (
	// patience is how long SQLite itself tries to give a connection the writer. The
	// pauses between its tries grow, so it must not be long.
	patience = 25 * time.Millisecond
	// openTries are so many tries in vain until the turnstile is closed. Processes that
	// are busy write for about that time in turn: to change at each transaction would
	// take longer than the transactions.
	openTries = 4
	// closeEvery is how often those who want to close the turnstile try to, and
	// openEvery how often those who come to a closed one look.
	closeEvery = 5 * time.Millisecond
	openEvery  = 10 * time.Millisecond
	// turnFor is how long, until they look up.
	turnFor = 100 * time.Millisecond
	// pastTurns is how many of these go by until the writer is tried past a turnstile
	// that somebody has closed: it may be a process that is frozen.
	pastTurns = 10
)

// pass has begin take the writer, and waits for it until ctx ends. begin fails as
// busy after a while if it cannot have it; waits is called after each time.
func (t *turnstile) pass(ctx context.Context, begin func() error, waits func()) error {
	var mine *flock.Flock
	defer func() {
		if mine != nil {
			removeLocked(mine)
		}
	}()
	for turn, tries := 1, 0; ; turn++ {
		try := true
		switch {
		case mine != nil:
		case tries >= openTries:
			var none bool
			mine, none = t.close(ctx, closeEvery)
			try = mine != nil || none
		case t.closed():
			lock, none := t.close(ctx, openEvery)
			if lock != nil {
				removeLocked(lock) // it is open now
			}
			try = lock != nil || none
		}
		if try || turn%pastTurns == 0 || ctx.Err() != nil {
			if err := begin(); !isBusy(err) || ctx.Err() != nil {
				return err
			}
			tries++
		}
		waits()
	}
}

// closed says that somebody waits for the writer, or was killed while it did.
func (t *turnstile) closed() bool {
	if t.path == "" {
		return false
	}
	_, err := os.Stat(t.path)
	return err == nil
}

// close locks the turnstile, if it can soon. none says that it cannot ever: the
// folder may be one where this user makes no files.
func (t *turnstile) close(ctx context.Context, every time.Duration) (lock *flock.Flock, none bool) {
	if t.path == "" {
		return nil, true
	}
	soon, cancel := context.WithTimeout(ctx, turnFor)
	defer cancel()
	lock, err := lockFile(soon, t.path, every)
	return lock, err != nil && soon.Err() == nil
}
