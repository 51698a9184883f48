package sqlitestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Folder is a temporary folder of this process. A file beside it is locked as long as the
// process lives.
type Folder struct {
	Path string
	lock *flock.Flock
}

const folderLock = ".lock"

// NewFolder makes a folder in another one, the system's for such folders if that is "". Its
// name begins with a prefix. Those with that prefix whose process is gone are removed.
func NewFolder(ctx context.Context, parent, prefix string) (*Folder, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	locks, _ := filepath.Glob(globEscape(filepath.Join(parent, prefix)) + "*" + folderLock)
	for _, name := range locks {
		f := &Folder{strings.TrimSuffix(name, folderLock), flock.New(name)}
		if ok, err := f.lock.TryLock(); err == nil && ok && inPlace(f.lock) {
			_ = f.Remove()
		} else {
			_ = f.lock.Close()
		}
	}
	made, err := os.CreateTemp(parent, prefix+"*"+folderLock)
	if err != nil {
		return nil, err
	}
	_ = made.Close()
	lock, err := lockFile(ctx, made.Name(), 5*time.Millisecond) // another process may look whether it is locked
	if err != nil {
		return nil, errors.Join(err, os.Remove(made.Name()))
	}
	f := &Folder{strings.TrimSuffix(made.Name(), folderLock), lock}
	if err := os.Mkdir(f.Path, 0o700); err != nil {
		return nil, errors.Join(err, f.Remove())
	}
	return f, nil
}

// Remove removes the folder. What it cannot remove is left to the next process.
func (f *Folder) Remove() error {
	if err := os.RemoveAll(f.Path); err != nil {
		return errors.Join(err, f.lock.Close())
	}
	removeLocked(f.lock)
	return nil
}
