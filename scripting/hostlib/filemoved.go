package hostlib

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// A hook that runs again finds files gone that it has moved before. So each move is
// noted before it is made, beside the file's new place, in a hidden file that is
// named by the job and the file's old path and holds the new one. A file that is
// gone was moved by the job only if there is such a note: else the path is wrong. A
// file that the job has moved to where it is moved away from now is noted there too,
// so that it is found by the first of its paths. The notes go when the hook has
// committed; those of jobs that fail for good, and of crashes right after the commit,
// go by sweep.

// maxNote is more than a note is long.
const maxNote = 64 << 10

// maxMoves bounds how many moves of one file are followed.
const maxMoves = 100

// moveNote is what is noted of a move.
type moveNote struct {
	To string `json:"to"`
	// What tells the file from others: no move changes that.
	Size     int64 `json:"size"`
	Modified int64 `json:"modified"` // in nanoseconds since 1970
	// Position is the sum of where the hook was: it may come by the same path to
	// another move, in the next pass of a loop or behind a checkpoint.
	Position string `json:"position"`
	Made     bool   `json:"made,omitempty"` // the run had made the file itself
}

// is says whether it is the file that was to be moved, as far as anybody can tell.
func (n *moveNote) is(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Size() == n.Size && info.ModTime().UnixNano() == n.Modified
}

// noteOf is the path of the note about a move into a folder.
func (c *Call) noteOf(src, into string) string {
	job := c.Hook.Job().ID
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s", job, src))
	return path.Join(into, fmt.Sprintf("%s%x", notePrefix(job), sum[:8]))
}

// notePrefix begins the names of a job's notes.
func notePrefix(job engine.JobID) string { return fmt.Sprintf("%smoved-%d-", tempPrefix, job) }

// notesOf are the paths of the notes about one move.
func (c *Call) notesOf(src, dst string) []string {
	notes := []string{c.noteOf(src, path.Dir(dst))}
	if c.moved[src] && path.Dir(src) != path.Dir(dst) {
		notes = append(notes, c.noteOf(src, path.Dir(src)))
	}
	return notes
}

// position is the sum of where the hook is.
func (c *Call) position() string {
	sum := sha256.Sum256(c.Hook.Place())
	return fmt.Sprintf("%x", sum[:8])
}

// noteMove notes that src, of which it is given what it is, is about to become dst.
// Where nothing is carried out, nothing is noted.
func (c *Call) noteMove(root folder, src, dst string, info fs.FileInfo) error {
	if c.Host.Dry != nil {
		return nil
	}
	text, err := json.Marshal(moveNote{dst, info.Size(), info.ModTime().UnixNano(), c.position(), c.fresh[src]})
	if err != nil {
		return err
	}
	for _, note := range c.notesOf(src, dst) {
		if err := c.writeNote(root, note, text); err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) writeNote(root folder, note string, text []byte) error {
	if err := root.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(note, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(text)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		root.Remove(note)
		return err
	}
	c.sweep(root, path.Dir(note), info.ModTime())
	c.dropLater(note)
	return nil
}

// readNote is a note that was written; nil: there is none. One without content, such as
// the system may leave after a power failure, names no path.
func (c *Call) readNote(root folder, note string) *moveNote {
	f, err := root.Open(note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	n := &moveNote{}
	if err == nil {
		text, _ := io.ReadAll(io.LimitReader(f, maxNote))
		f.Close()
		if json.Unmarshal(text, n) != nil {
			n = &moveNote{}
		}
	}
	return n
}

// dropLater has a note go when the hook has ended well and is committed.
func (c *Call) dropLater(note string) {
	if c.moves == nil {
		c.moves = map[string]bool{}
	}
	c.moves[note] = true
}

// dropNote takes back the notes about a move that was not made.
func (c *Call) dropNote(root folder, src, dst string) {
	for _, note := range c.notesOf(src, dst) {
		if c.moves[note] {
			root.Remove(note)
			delete(c.moves, note)
		}
	}
}

// dropNotes has the notes go once the hook has committed.
func (c *Call) dropNotes() {
	if c.moves == nil {
		return
	}
	host, notes, job := c.Host, c.moves, c.Hook.Job()
	c.moves = nil
	again := job.Attempts+job.Losses > 0 || job.Reruns > 0
	c.Hook.OnCommit(func() error {
		looked := map[string]bool{}
		root, err := (&Call{Host: host}).root()
		if err != nil {
			return err
		}
		defer root.Close()
		for note := range notes {
			root.Remove(note)
		}
		for note := range notes { // an earlier run may have moved files that this one did not meet
			if folder := path.Dir(note); again && !looked[folder] {
				looked[folder] = true
				removeNotes(root, folder, job.ID)
			}
		}
		return nil
	})
}

// removeNotes deletes all of a job's notes in a folder.
func removeNotes(root folder, folder string, job engine.JobID) {
	d, err := root.Open(folder)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		if strings.HasPrefix(n, notePrefix(job)) {
			root.Remove(path.Join(folder, n))
		}
	}
}

// arrived notes to which path a file was moved.
func (c *Call) arrived(to string) {
	if c.moved == nil {
		c.moved = map[string]bool{}
	}
	c.moved[to] = true
}

// movedBefore is where the file is now that an earlier run of the job's hook has moved
// from src; "": none has, as far as is known. info is what is at src, nil if nothing is.
func (c *Call) movedBefore(root folder, src, dst, exists string, info fs.FileInfo) (string, error) {
	there := func(p string) bool {
		info, err := root.Lstat(p)
		return err == nil && info.Mode().IsRegular()
	}
	if c.Host.Dry != nil { // it is another job that runs here in the place of that one
		if info != nil {
			return "", nil
		}
		return movedTo(dst, exists, there), nil
	}
	note := c.noteOf(src, path.Dir(dst))
	own := c.moves[note]
	n := c.readNote(root, note)
	switch {
	case n == nil, info != nil && (own || n.To == "" || n.Position != c.position()):
		return "", nil // what is at src has come in this run, or is to be moved still
	case n.To == "":
		c.dropLater(note)
		return movedTo(dst, exists, there), nil
	}
	to, notes := n.To, []string{note}
	for len(notes) < maxMoves && !there(to) { // it was moved on
		next := c.noteOf(to, path.Dir(to))
		m := c.readNote(root, next)
		if m == nil || m.To == "" {
			break
		}
		notes = append(notes, next, c.noteOf(to, path.Dir(m.To)))
		to = m.To
	}
	now, err := root.Lstat(to)
	if info != nil && (err != nil || !n.is(now) || n.is(info)) { // the move was not made
		return "", nil
	}
	for _, note := range notes {
		c.dropLater(note)
	}
	if err != nil || !now.Mode().IsRegular() {
		return "", Errorf("file.missing", "there is no file %q. This job has moved it to %q, or was about to, and there is none either: somebody has taken it away", src, n.To)
	}
	if info != nil {
		c.Log(slog.LevelWarn, fmt.Sprintf("files.move: there is another file %q now: an earlier run of this job has moved the first one, and the job goes on with that", src), map[string]any{"moved": to})
	}
	c.arrived(to)
	return to, nil
}

// madeAnew says that an earlier run of the job's hook has made the file at src, too, and
// moved it to dst, or to where that was taken: this one belongs where that one is; "": that
// is no longer there.
func (c *Call) madeAnew(root folder, src, dst string) (to string, anew bool) {
	note := c.noteOf(src, path.Dir(dst))
	if !c.fresh[src] || c.Host.Dry != nil || c.moves[note] {
		return "", false
	}
	n := c.readNote(root, note)
	if n == nil || !n.Made || n.Position != c.position() {
		return "", false
	}
	if now, err := root.Lstat(n.To); err != nil || !n.is(now) {
		return "", true
	}
	for k, to := 2, dst; k <= maxMoves; k++ {
		if to == n.To {
			return to, true
		}
		to = numbered(dst, k)
	}
	return "", true
}

// changed notes that a file was moved, or with to = "" deleted, before the commit of what
// is written. One that this run has made since then is made again by the next one.
func (c *Call) changed(p, to, what string) {
	fresh, made := c.fresh[p], c.made[p]
	delete(c.fresh, p)
	delete(c.made, p)
	if fresh && to != "" {
		c.fresh[to], c.made[to] = true, made
	}
	if made || c.after || c.Host.Dry != nil {
		return
	}
	c.forgetFiles()
	c.gone = append(c.gone, what)
}

// making notes that a file was made, or written anew.
func (c *Call) making(p string) {
	c.forgetFiles()
	c.made[p], c.fresh[p] = true, true
}

// forgetFiles has what is noted of files forgotten once what is written is committed.
func (c *Call) forgetFiles() {
	if c.made == nil {
		c.made, c.fresh = map[string]bool{}, map[string]bool{}
		c.Hook.OnCheckpoint(func() { clear(c.made); c.gone = c.gone[:0] })
	}
}

// warnGone says of a hook that has failed which files are no longer where another run
// looks for them, while what this one has written of them is rolled back.
func (c *Call) warnGone(err error) {
	if err == nil || len(c.gone) == 0 || Decided(err) {
		return
	}
	what := c.gone[0]
	if n := len(c.gone) - 1; n > 0 {
		what = fmt.Sprintf("%s (and %d like it)", what, n)
	}
	c.Log(slog.LevelWarn, what+" by this run, and what it wrote since its last commit is rolled back: the next run does not find the file where it was. "+
		"Let files go once their rows are committed: ctx.on_commit(files.move, path, \"done/\")", nil)
}
