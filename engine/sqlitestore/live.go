package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/dsengine/dsengine/engine"
)

// liveness tells which servers live by locks on files beside the database: an
// operating system frees the locks of a process that is gone, whatever became
// of it, and never those of one that is merely slow. So a hook that holds the
// writer for long does not look dead.
type liveness struct {
	path string // "": the database is this process's alone, and there are no files
	mu   sync.Mutex
	mine map[engine.ServerID]*flock.Flock
}

func newLiveness(path string) *liveness {
	return &liveness{path: path, mine: map[engine.ServerID]*flock.Flock{}}
}

func (l *liveness) file(id engine.ServerID) string {
	return l.path + "-server-" + strconv.FormatInt(int64(id), 10)
}

// take locks the file of a server of this process.
func (l *liveness) take(ctx context.Context, id engine.ServerID) error {
	if l.path == "" {
		l.mu.Lock()
		l.mine[id] = nil
		l.mu.Unlock()
		return nil
	}
	// Whoever looks whether we live has the lock for a moment.
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	f, err := lockFile(ctx, l.file(id), 5*time.Millisecond)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%s is locked by another process", l.file(id))
	case err != nil:
		return err
	}
	l.mu.Lock()
	l.mine[id] = f
	l.mu.Unlock()
	return nil
}

// lockFile locks a file, which it makes if it is missing, and tries that as often
// as every says. A file is removed by whoever has its lock; so the lock counts only
// if the file is still the one at its path, and not one that was removed between
// its opening and its locking.
func lockFile(ctx context.Context, path string, every time.Duration) (*flock.Flock, error) {
	for {
		f := flock.New(path)
		if _, err := f.TryLockContext(ctx, every); err != nil {
			_ = f.Close()
			return nil, err
		}
		if inPlace(f) {
			return f, nil
		}
		_ = f.Close()
	}
}

// inPlace says that a file that is locked is the one at its path.
func inPlace(f *flock.Flock) bool {
	had, err := f.Stat()
	if err != nil {
		return false
	}
	at, err := os.Stat(f.Path())
	return err == nil && os.SameFile(had, at)
}

// removeLocked removes a file and lets go of its lock. On Windows a file that is
// open stays, to whoever has opened it, too.
func removeLocked(f *flock.Flock) {
	err := os.Remove(f.Path())
	_ = f.Close()
	if err != nil {
		_ = os.Remove(f.Path())
	}
}

// drop unlocks and removes the file of a server of this process.
func (l *liveness) drop(id engine.ServerID) {
	l.mu.Lock()
	f := l.mine[id]
	delete(l.mine, id)
	l.mu.Unlock()
	if f != nil {
		removeLocked(f)
	}
}

// lives says whether the process of a server is there: 1 or -1.
func (l *liveness) lives(id engine.ServerID) int {
	l.mu.Lock()
	_, mine := l.mine[id]
	l.mu.Unlock()
	if mine {
		return 1
	}
	if l.path == "" {
		return -1
	}
	if _, err := os.Stat(l.file(id)); err != nil {
		return -1 // removed at its end
	}
	f := flock.New(l.file(id))
	defer f.Close()
	if ok, err := f.TryLock(); err != nil || !ok {
		return 1
	}
	return -1
}

// made says that a server had its file: it is locked as soon as it is made. Who is taken
// for dead in between has nothing yet, and begins anew.
func (l *liveness) made(id engine.ServerID) bool {
	if l.path == "" {
		return false
	}
	_, err := os.Stat(l.file(id))
	return err == nil
}

// sweep removes the files of servers that are gone for good.
func (l *liveness) sweep(alive map[engine.ServerID]bool) {
	if l.path == "" {
		return
	}
	files, _ := filepath.Glob(globEscape(l.path) + "-server-*")
	for _, name := range files {
		n, err := strconv.ParseInt(strings.TrimPrefix(name, l.path+"-server-"), 10, 64)
		id := engine.ServerID(n)
		l.mu.Lock()
		_, mine := l.mine[id]
		l.mu.Unlock()
		if err != nil || alive[id] || mine {
			continue
		}
		l.sweepFile(flock.New(name))
	}
}

// sweepFile removes a file if nobody has it locked. One that another sweeper has
// removed since it was opened may be there again, as that of a process that lives.
func (l *liveness) sweepFile(f *flock.Flock) {
	if ok, err := f.TryLock(); err == nil && ok && inPlace(f) {
		removeLocked(f)
		return
	}
	_ = f.Close()
}

func globEscape(p string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
}

// close lets go of all files.
func (l *liveness) close() {
	l.mu.Lock()
	var ids []engine.ServerID
	for id := range l.mine {
		ids = append(ids, id)
	}
	l.mu.Unlock()
	for _, id := range ids {
		l.drop(id)
	}
}

// lockMigration lets one process make the tables at a time.
func (l *liveness) lockMigration(ctx context.Context) (unlock func(), err error) {
	f, err := lockFile(ctx, l.path+"-migrate", 20*time.Millisecond)
	if err != nil {
		return nil, err
	}
	return func() { removeLocked(f) }, nil
}

// StartServer makes a new incarnation and locks its file.
func (s *Store) StartServer(ctx context.Context, info engine.ServerInfo, lease time.Duration) (engine.ServerID, error) {
	id, err := s.Store.StartServer(ctx, info, lease)
	if err != nil {
		return 0, err
	}
	if err := s.live.take(ctx, id); err != nil {
		return 0, engine.Wrapf(engine.CodeInternal, err, "lock the file that says that this process lives")
	}
	return id, nil
}

// Beat renews nothing: the lock on the file says that we live. It never waits
// for the writer, which a hook may have for long. When the row is a minute old it
// is written, once the writer is free, for people to see; so an idle process
// leaves the disk alone.
func (s *Store) Beat(ctx context.Context, id engine.ServerID, lease time.Duration) (alive bool, now time.Time, err error) {
	if err := s.inPlace(); err != nil {
		return false, now, err
	}
	servers, err := s.Store.Servers(ctx, false)
	if err != nil {
		return false, now, err
	}
	now = s.opts.Clock.Now().UTC()
	for _, x := range servers {
		if x.ID != id {
			continue
		}
		if now.Sub(x.SeenAt) < time.Minute {
			return true, now, nil
		}
		if s.seen.CompareAndSwap(false, true) {
			s.background.Go(func() {
				defer s.seen.Store(false)
				_, _, _ = s.Store.Beat(s.closed, id, lease)
			})
		}
		return true, now, nil
	}
	return false, now, nil
}

// inPlace says that the file is the one that was opened: one that was removed is written
// to as if nothing had happened, and all that is lost with the process.
func (s *Store) inPlace() error {
	if s.made == nil {
		return nil
	}
	if now, err := os.Stat(s.path); err == nil && os.SameFile(s.made, now) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return engine.Errorf(engine.CodeEmpty, "the database file %s was removed, or another one is in its place: what was written since is lost", s.path).
		WithHint("stop all servers before the file is removed or replaced")
}

// DrainServer notes that an incarnation stops, once the writer is free: a hook that the
// process waits for may have it.
func (s *Store) DrainServer(_ context.Context, id engine.ServerID) error {
	s.background.Go(func() { _ = s.Store.DrainServer(s.closed, id) })
	return nil
}

// StopServer ends an incarnation and lets go of its file.
func (s *Store) StopServer(ctx context.Context, id engine.ServerID) error {
	err := s.Store.StopServer(ctx, id)
	s.live.drop(id)
	return err
}

// lives notes what the files tell about servers.
func (s *Store) lives(list []engine.ServerRow) {
	alive := map[engine.ServerID]bool{}
	for i := range list {
		if list[i].Dead {
			continue
		}
		made := s.live.made(list[i].ID)
		list[i].Liveness = s.live.lives(list[i].ID)
		if young := s.opts.Clock.Now().Sub(list[i].StartedAt); list[i].Liveness < 0 && !made && young < startTime {
			list[i].Liveness = 0 // its row is there before its lock: only the lease can tell
		}
		alive[list[i].ID] = true
	}
	s.live.sweep(alive)
}

// startTime is how long a process may take between making its row and locking
// its file.
const startTime = 10 * time.Second

// MarkDead declares a server dead whose file nobody has locked.
func (s *Store) MarkDead(ctx context.Context, id engine.ServerID, _ int64) (dead bool, err error) {
	if s.live.lives(id) > 0 {
		return false, nil
	}
	return s.Store.DeclareDead(ctx, id)
}
