package hostlib

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// A hook that runs again finds files gone that it has moved before. So each move is
// noted before it is made, beside the file's new place, in a hidden file that is
// named by the job and the file's old path and holds the new one. A file that is
// gone was moved by the job only if there is such a note: else the path is wrong. The
// notes go when the hook has committed; those of jobs that fail for good, and of
// crashes right after the commit, go by sweep.

// maxNote is more than a path is long.
const maxNote = 64 << 10

// moveNote is the path of the note about a move into a folder.
func (c *Call) moveNote(src, into string) string {
	job := c.Hook.Job().ID
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s", job, src))
	return path.Join(into, fmt.Sprintf("%smoved-%d-%x", tempPrefix, job, sum[:8]))
}

// noteMove notes that src is about to become dst. Where nothing is carried out,
// nothing is noted.
func (c *Call) noteMove(root folder, src, dst string) error {
	if c.Host.Dry != nil {
		return nil
	}
	note := c.moveNote(src, path.Dir(dst))
	if err := root.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(note, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = io.WriteString(f, dst)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		root.Remove(note)
		return err
	}
	c.sweep(root, path.Dir(dst), info.ModTime())
	c.dropLater(note)
	return nil
}

// dropLater has a note go when the hook has ended well and is committed.
func (c *Call) dropLater(note string) {
	if c.moves == nil {
		c.moves = map[string]bool{}
		c.atEnd(c.dropNotes)
	}
	c.moves[note] = true
}

// dropNote takes back the note about a move that was not made.
func (c *Call) dropNote(root folder, src, dst string) {
	note := c.moveNote(src, path.Dir(dst))
	if c.moves[note] {
		root.Remove(note)
		delete(c.moves, note)
	}
}

// dropNotes has the notes go once the hook has committed.
func (c *Call) dropNotes() error {
	host, notes := c.Host, c.moves
	c.moves = nil
	c.Hook.OnCommit(func() error {
		root, err := (&Call{Host: host}).root()
		if err != nil {
			return err
		}
		defer root.Close()
		for note := range notes {
			root.Remove(note)
		}
		return nil
	})
	return nil
}

// movedBefore is where an earlier run of the job's hook has moved a file that is
// not there; "": none has, as far as is known.
func (c *Call) movedBefore(root folder, src, dst, exists string) string {
	there := func(p string) bool {
		info, err := root.Lstat(p)
		return err == nil && info.Mode().IsRegular()
	}
	if c.Host.Dry == nil { // else it is another job that runs here in the place of that one
		note := c.moveNote(src, path.Dir(dst))
		f, err := root.Open(note)
		if errors.Is(err, fs.ErrNotExist) {
			return ""
		}
		c.dropLater(note)
		if err == nil {
			text, _ := io.ReadAll(io.LimitReader(f, maxNote))
			f.Close()
			if to := string(text); to != "" && there(to) {
				return to
			}
		}
	}
	return movedTo(dst, exists, there)
}
