package sqlitestore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/dsengine/dsengine/engine"
)

// Several processes lock one file and remove it when they are done, while others
// sweep: whoever has the lock is alone, and its file is the one at the path.
func TestAFileThatWasRemovedBeforeItWasLockedDoesNotCount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	for what, lock := range map[string]func(*liveness) (file string, free func(), err error){
		"server": func(l *liveness) (string, func(), error) {
			return l.file(1), func() { l.drop(1) }, l.take(t.Context(), 1)
		},
		"migration": func(l *liveness) (string, func(), error) {
			free, err := l.lockMigration(t.Context())
			return path + "-migrate", free, err
		},
	} {
		t.Run(what, func(t *testing.T) {
			var inside, times atomic.Int64
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var workers, sweepers sync.WaitGroup
			for range 3 {
				sweepers.Go(func() {
					l := newLiveness(path)
					for ctx.Err() == nil {
						l.sweep(map[engine.ServerID]bool{})
					}
				})
			}
			for range 6 {
				workers.Go(func() {
					l := newLiveness(path)
					for times.Load() < 400 && !t.Failed() {
						file, free, err := lock(l)
						if err != nil {
							continue // it took too long; the others go on
						}
						if n := inside.Add(1); n != 1 {
							t.Errorf("%d have the lock at once", n)
						}
						if _, err := os.Stat(file); err != nil {
							t.Errorf("the file that is locked is gone: %v", err)
						}
						inside.Add(-1)
						free()
						times.Add(1)
					}
				})
			}
			workers.Wait()
			stop()
			sweepers.Wait()
		})
	}
}

// A sweeper that has opened a file, and locks it after another one has removed it,
// leaves alone what a living process has put in its place since.
func TestASweeperLeavesTheFileOfAProcessThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	process, slow, other := newLiveness(path), newLiveness(path), newLiveness(path)
	file := flock.New(process.file(7))
	if ok, err := file.TryLock(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := os.Remove(file.Path()); err != nil { // as another sweeper does
		t.Skip("a file that is open stays here: ", err)
	}
	if err := process.take(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	defer process.drop(7)
	slow.sweepFile(file)
	if other.lives(7) != 1 {
		t.Error("a process that lives is taken for dead")
	}
	// Those that nobody has locked go.
	left := flock.New(process.file(8))
	if ok, err := left.TryLock(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	slow.sweep(map[engine.ServerID]bool{})
	if _, err := os.Stat(left.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file of a process that is gone: %v", err)
	}
	if other.lives(7) != 1 {
		t.Error("a process that lives is taken for dead")
	}
}

// A process that dies right after its start is known to be gone at once, too; of one that
// has not locked its file yet, nothing is known.
func TestAYoungServerThatIsGoneIsKnown(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "jobs.db")
	var stores [2]*Store
	for i := range stores {
		s, err := Open(ctx, path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		stores[i] = s
	}
	one, other := stores[0], stores[1]
	if _, err := one.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	killed, err := one.StartServer(ctx, engine.ServerInfo{Name: "killed"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	begins, err := one.Store.StartServer(ctx, engine.ServerInfo{Name: "begins"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.live.mine[killed].Close(); err != nil { // what the operating system does
		t.Fatal(err)
	}
	servers, err := other.Servers(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	got := map[engine.ServerID]int{}
	for _, x := range servers {
		got[x.ID] = x.Liveness
	}
	if got[killed] != -1 || got[begins] != 0 {
		t.Errorf("liveness: of the one that is gone %d, want -1; of the one that begins %d, want 0", got[killed], got[begins])
	}
}

// TestAFileThatIsRemovedEndsItsServers: so does another one in its place.
func TestAFileThatIsRemovedEndsItsServers(t *testing.T) {
	t.Parallel()
	for what, put := range map[string]bool{"removed": false, "replaced": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "db")
			s, err := Open(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			eng, err := engine.Open(t.Context(), s, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			begun, ended := make(chan struct{}), make(chan error, 1)
			hook := func(c *engine.Call) (engine.Raw, error) {
				close(begun)
				<-c.Context().Done() // for longer than Drain
				return nil, context.Cause(c.Context())
			}
			typ := &engine.Type{Name: "t", Version: "1", Hooks: map[engine.Phase]engine.Hook{engine.PhaseConsume: hook}}
			if _, err := eng.RegisterTypes(t.Context(), typ); err != nil {
				t.Fatal(err)
			}
			if _, err := eng.Enqueue(t.Context(), engine.NewJob{Type: "t"}); err != nil {
				t.Fatal(err)
			}
			srv, err := eng.NewServer(t.Context(), engine.ServerOptions{Types: []*engine.Type{typ}, Lease: time.Second, Drain: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			go func() { ended <- srv.Run(context.Background()) }()
			<-begun
			if err := os.Rename(path, path+"-away"); err != nil {
				t.Fatal(err)
			}
			if put {
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case err = <-ended:
			case <-time.After(time.Minute):
				t.Fatal("the server goes on")
			}
			if engine.CodeOf(err) != engine.CodeEmpty || !strings.Contains(err.Error(), "was removed, or another one is in its place") {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
