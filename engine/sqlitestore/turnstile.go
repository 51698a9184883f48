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
// a file beside the database, and asks on; while it is locked, whoever wants to begin
// to write waits for the file first. So a process that waits has the writer after the
// commit of who has it. A process that is killed leaves no lock, and its file is
// removed by whoever is the next to write. Where nobody waits there is no file, and
// to look for it is all that a transaction pays.
type turnstile struct {
	path   string
	others func() func() // what pass tells of transactions that are not begun by the writer
}

const (
	// patience is how long SQLite itself tries to give a connection the writer.
	patience = 50 * time.Millisecond
	// turnEvery is how often the turnstile is tried by those who wait for it.
	turnEvery = 5 * time.Millisecond
	// turnFor is how long, until they look up.
	turnFor = 100 * time.Millisecond
	// pastTurns is how many of these go by until the writer is tried past a turnstile
	// that somebody has locked: it may be a process that is frozen.
	pastTurns = 10
)

// pass has begin take the writer, and waits for it until ctx ends. begin fails as
// busy after a while if it cannot have it; waits is called after each time.
func (t *turnstile) pass(ctx context.Context, begin func() error, waits func()) error {
	if !t.closed() {
		if err := begin(); !isBusy(err) || ctx.Err() != nil {
			return err
		}
		waits()
	}
	var lock *flock.Flock
	defer func() {
		if lock != nil {
			removeLocked(lock)
		}
	}()
	for turn := 1; ; turn++ {
		none := false
		if lock == nil {
			lock, none = t.close(ctx)
		}
		if lock != nil || none || turn%pastTurns == 0 || ctx.Err() != nil {
			if err := begin(); !isBusy(err) || ctx.Err() != nil {
				return err
			}
		}
		waits()
	}
}

// closed says that somebody waits for the writer, or was killed while it did.
func (t *turnstile) closed() bool {
	_, err := os.Stat(t.path)
	return err == nil
}

// close locks the turnstile, if it can soon. none says that it cannot ever: the
// folder may be one where this user makes no files.
func (t *turnstile) close(ctx context.Context) (lock *flock.Flock, none bool) {
	soon, cancel := context.WithTimeout(ctx, turnFor)
	defer cancel()
	lock, err := lockFile(soon, t.path, turnEvery)
	return lock, err != nil && soon.Err() == nil
}
