//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file that a flag names is written in place of what it was, which stays what it is.
func TestWhatIsWrittenWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := writeWhole(&Env{Dir: dir}, "to", at(name), func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}); err != nil {
			t.Fatalf("write %s: %v", name, err)
		}
	}
	holds := func(name, want string, mode os.FileMode) {
		t.Helper()
		got, err := os.ReadFile(at(name))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, want %q (%v)", name, got, want, err)
		}
		if info, err := os.Lstat(at(name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has the mode %v, want %v (%v)", name, info.Mode(), mode, err)
		}
	}

	if err := os.WriteFile(at("private"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	write("private", "new")
	holds("private", "new", 0o600)

	if err := os.Symlink("private", at("link")); err != nil {
		t.Fatal(err)
	}
	write("link", "newer")
	holds("private", "newer", 0o600)
	if _, err := os.Readlink(at("link")); err != nil {
		t.Errorf("the link is none any more: %v", err)
	}

	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(at("pipe"), os.O_RDWR, 0) // which waits for nobody
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	write("pipe", "through")
	if info, err := os.Lstat(at("pipe")); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Fatalf("the pipe is none any more (%v)", err)
	}
	b := make([]byte, 8)
	if n, err := reader.Read(b); string(b[:n]) != "through" {
		t.Errorf("through the pipe came %q (%v)", b[:n], err)
	}
	if left, _ := filepath.Glob(at("*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
