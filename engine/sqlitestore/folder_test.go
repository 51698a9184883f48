package sqlitestore

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFoldersOfProcessesThatAreGoneAreRemoved(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	folder := func(prefix string) *Folder {
		t.Helper()
		f, err := NewFolder(t.Context(), parent, prefix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(f.Path, "a"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return f
	}
	lives, gone, other := folder("a-"), folder("a-"), folder("b-")
	for _, f := range []*Folder{gone, other} {
		if err := f.lock.Close(); err != nil { // as the system does at the end of a process
			t.Fatal(err)
		}
	}
	next := folder("a-")
	for _, x := range []struct {
		path  string
		there bool
	}{{lives.Path, true}, {lives.Path + folderLock, true}, {next.Path, true}, {other.Path, true}, {gone.Path, false}, {gone.Path + folderLock, false}} {
		if _, err := os.Stat(x.path); (err == nil) != x.there {
			t.Errorf("%s: %v", filepath.Base(x.path), err)
		}
	}
	if err := next.Remove(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(next.Path + "*"); len(left) > 0 {
		t.Errorf("left are %s", left)
	}
}
