package sqlitestore

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

// Several processes lock one file and remove it when they are done, while another
// sweeps: whoever has the lock is alone, and its file is the one at the path.
func TestAFileThatWasRemovedBeforeItWasLockedDoesNotCount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	seen := newLiveness(path)
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
			var workers, sweeper sync.WaitGroup
			sweeper.Go(func() {
				for ctx.Err() == nil {
					seen.sweep(map[engine.ServerID]bool{})
				}
			})
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
			sweeper.Wait()
		})
	}
}
