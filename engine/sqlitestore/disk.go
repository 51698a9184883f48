package sqlitestore

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/dsengine/dsengine/engine"
)

// scarce is how much room on the disk doctor finds too little: a log of SQLite's
// grows to more while much is written.
const scarce = 16 << 20

// fullHint says what to do when there is no room for what is to be written.
func (d dialect) fullHint() string {
	if d.file == "" {
		return ""
	}
	free := ""
	if n, ok := freeBytes(filepath.Dir(d.file)); ok {
		free = fmt.Sprintf(" (%s are free)", megabytes(n))
	}
	return fmt.Sprintf("make room on the disk of the database file %s%s, or in the folder for temporary files, %s; what waits goes on by itself then", d.file, free, os.TempDir())
}

// checkDisk looks whether there is room beside the file, by writing there.
func (s *Store) checkDisk() engine.Check {
	dir := filepath.Dir(s.path)
	free, known := freeBytes(dir)
	return diskCheck(dir, free, known, probeDisk(dir))
}

func diskCheck(dir string, free uint64, known bool, probe error) engine.Check {
	c := engine.Check{Name: "disk", Value: "there is room in " + dir, OK: probe == nil}
	if known {
		c.Value = fmt.Sprintf("%s are free in %s", megabytes(free), dir)
		c.OK = c.OK && free >= scarce
	}
	if probe != nil {
		c.Value += fmt.Sprintf(", and a file cannot be written there: %v", probe)
	}
	if !c.OK {
		c.Hint = "make room on that disk: without it nothing can be committed"
	}
	return c
}

// probeDisk writes a file and removes it.
func probeDisk(dir string) (err error) {
	f, err := os.CreateTemp(dir, ".dsengine-room-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(make([]byte, 256<<10)); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func megabytes(n uint64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GB", n>>30)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}
