package hostlib

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tempPrefix begins the names of files that are not complete, or not to stay.
// What a crash left of them is deleted after staleAfter.
const (
	tempPrefix = ".dsengine-tmp-"
	staleAfter = 7 * 24 * time.Hour
	sweepEvery = time.Hour
)

// IsTemporary says that a path is that of such a file.
func IsTemporary(p string) bool { return strings.HasPrefix(path.Base(p), tempPrefix) }

// writeFile writes a file. fill writes its content, after what is there already
// if more is to be added. The file appears under its name once it is complete
// and on disk; after an error all is as before.
func (c *Call) writeFile(p string, more bool, fill func(io.Writer) error) (*file, error) {
	if strings.HasSuffix(p, "/") {
		return nil, Errorf("file.folder", "%q names a folder: add the file's name", p)
	}
	p, err := c.permitChange(p)
	if err != nil {
		return nil, err
	}
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	mode, there := fs.FileMode(0o644), false
	if info, err := root.Stat(p); err == nil {
		if err := regular(p, info); err != nil {
			return nil, err
		}
		mode, there = info.Mode().Perm(), true
	}
	temp, f, err := c.createTemp(root, path.Dir(p), path.Base(p), mode)
	if err != nil {
		return nil, err
	}
	defer root.Remove(temp) // it has another name by then, if all went well
	defer f.Close()
	if more {
		if err := c.permitTarget(p); err != nil {
			return nil, err
		}
		if err := c.copyInto(root, f, p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fileError(p, err)
		}
	}
	if err := fill(&promised{f, p}); err != nil {
		return nil, err
	}
	info, err := c.complete(f)
	if err == nil {
		err = root.Rename(temp, p)
	}
	if err != nil {
		return nil, fileError(p, err)
	}
	syncFolder(root, path.Dir(p))
	if !more || !there {
		c.making(p)
	}
	return &file{path: p, size: info.Size(), modified: info.ModTime()}, nil
}

// promised is a file with a name of its own for now, whose errors are about the one
// that it is to have.
type promised struct {
	f    *os.File
	path string
}

// Write writes to the file.
func (w *promised) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	if err != nil {
		err = fileError(w.path, err)
	}
	return n, err
}

// complete puts a file on disk, and closes it.
func (c *Call) complete(f *os.File) (fs.FileInfo, error) {
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if c.Host.Dated {
		now := c.Hook.Now()
		if err := os.Chtimes(f.Name(), now, now); err != nil {
			return nil, err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return info, f.Close()
}

// copyInto adds a file's content to f.
func (c *Call) copyInto(root folder, f *os.File, p string) error {
	old, err := root.Open(p)
	if err != nil {
		return err
	}
	defer old.Close()
	_, err = io.Copy(f, &watched{c: c, r: old})
	return err
}

// createTemp makes an empty file with a name of its own in a folder, and the
// folder if it is missing.
func (c *Call) createTemp(root folder, folder, name string, mode fs.FileMode) (string, *os.File, error) {
	if err := root.MkdirAll(folder, 0o755); err != nil {
		return "", nil, fileError(folder, err)
	}
	for {
		p := path.Join(folder, c.Host.tempName(name))
		f, err := root.OpenFile(p, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", nil, fileError(path.Join(folder, name), err)
		}
		if info, err := f.Stat(); err == nil {
			c.sweep(root, folder, info.ModTime())
		}
		return p, f, nil
	}
}

// sweep deletes what crashes left in a folder, by the file system's own time.
func (c *Call) sweep(root folder, folder string, now time.Time) {
	if last, ok := c.Host.swept.Load(folder); ok && now.Sub(last.(time.Time)) < sweepEvery {
		return
	}
	c.Host.swept.Store(folder, now)
	d, err := root.Open(folder)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1000)
		for _, n := range names {
			if !IsTemporary(n) {
				continue
			}
			p := path.Join(folder, n)
			if info, err := root.Lstat(p); err == nil && now.Sub(info.ModTime()) > staleAfter {
				root.Remove(p)
			}
		}
		if err != nil {
			return
		}
	}
}

// syncFolder puts the names of a folder on disk, where the system can do so.
func syncFolder(root folder, folder string) {
	if runtime.GOOS == "windows" {
		return
	}
	if d, err := root.Open(folder); err == nil {
		d.Sync()
		d.Close()
	}
}

// moveFile gives a file another name. exists says what to do when it is taken.
func (c *Call) moveFile(src, dst, exists string) (Value, error) {
	if strings.HasSuffix(dst, "/") {
		dst += path.Base(src)
	}
	src, err := c.permitChange(src)
	if err != nil {
		return nil, err
	}
	if dst, err = c.permitChange(dst); err != nil {
		return nil, err
	}
	if src == dst {
		return dst, nil
	}
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(src)
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return nil, fileError(src, err)
	}
	if !gone {
		if err := regular(src, info); err != nil {
			return nil, err
		}
	}
	to, anew := c.madeAnew(root, src, dst)
	if !anew {
		if to, err := c.movedBefore(root, src, dst, exists, info); to != "" || err != nil {
			return to, err
		}
	} else if to != "" {
		dst, exists = to, "replace"
	}
	if gone {
		if there, err := root.Lstat(dst); err == nil && there.Mode().IsRegular() {
			return nil, Errorf("file.missing", "there is no file %q. There is %q, but no earlier run of this job has moved it: is the first path right?", src, dst)
		}
		return nil, fileError(src, err)
	}
	if err := root.MkdirAll(path.Dir(dst), 0o755); err != nil {
		return nil, fileError(path.Dir(dst), err)
	}
	if into, err := root.Stat(dst); err == nil && into.IsDir() {
		return nil, Errorf("file.folder", "%q is a folder: write %q", dst, dst+"/")
	}
	to = dst
	for n := 2; ; n++ {
		if to == src { // it has such a name already
			return to, nil
		}
		// No note names a path that is taken: the file there would pass for this one.
		if _, err := root.Lstat(to); err == nil && exists != "replace" && !sameFile(root, src, to) {
			if exists == "error" {
				return nil, occupied(to)
			}
			to = numbered(dst, n)
			continue
		}
		if !c.temps[src] && !c.after { // no other run knows its name, or moves it
			if err := c.noteMove(root, src, to, info); err != nil {
				c.dropNote(root, src, to)
				return nil, fileError(to, err)
			}
		}
		if exists == "replace" {
			err = root.Rename(src, to)
		} else {
			err = renameTo(root, src, to)
		}
		if errors.Is(err, syscall.EXDEV) {
			err = c.moveAcross(root, src, to, exists == "replace", info.Mode().Perm())
		}
		if err == nil {
			break
		}
		c.dropNote(root, src, to)
		switch {
		case errors.Is(err, fs.ErrExist) && exists == "number": // somebody was faster
			to = numbered(dst, n)
		case errors.Is(err, fs.ErrExist):
			return nil, occupied(to)
		default:
			return nil, fileError(src, err)
		}
	}
	if c.temps[src] {
		c.making(to)
	} else {
		c.arrived(to)
		c.changed(src, to, fmt.Sprintf("%q was moved to %q", src, to))
	}
	delete(c.temps, src) // it stays now
	syncFolder(root, path.Dir(to))
	syncFolder(root, path.Dir(src))
	return to, nil
}

// occupied is the error about a path at which there is a file.
func occupied(p string) error { return Errorf("file.exists", "there is a file %q already", p) }

// movedTo is where a file has come that is no longer where it was: dst, or, if it was
// to get a number, the last name of those that are taken in a row. "": nowhere.
func movedTo(dst, exists string, taken func(string) bool) string {
	to := ""
	for n, p := 2, dst; taken(p); n++ {
		if to, p = p, numbered(dst, n); exists != "number" {
			break
		}
	}
	return to
}

// renameTo gives a file a name that is not taken.
func renameTo(root folder, src, dst string) error {
	err := root.Link(src, dst)
	switch {
	case err == nil:
		return root.Remove(src)
	case errors.Is(err, fs.ErrExist):
		if sameFile(root, src, dst) { // a crash came between the two above
			return root.Remove(src)
		}
		return err
	case errors.Is(err, syscall.EXDEV), errors.Is(err, fs.ErrNotExist):
		return err
	}
	// A file system without links: take the name first.
	f, err := root.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	f.Close()
	if err = root.Rename(src, dst); err != nil {
		root.Remove(dst)
	}
	return err
}

// sameFile says whether two names are those of one file.
func sameFile(root folder, a, b string) bool {
	ia, err := root.Lstat(a)
	if err != nil {
		return false
	}
	ib, err := root.Lstat(b)
	return err == nil && os.SameFile(ia, ib)
}

// moveAcross moves a file to another file system.
func (c *Call) moveAcross(root folder, src, dst string, replace bool, mode fs.FileMode) error {
	temp, f, err := c.createTemp(root, path.Dir(dst), path.Base(dst), mode)
	if err != nil {
		return err
	}
	defer root.Remove(temp)
	defer f.Close()
	if err := c.copyInto(root, f, src); err != nil {
		return err
	}
	if _, err := c.complete(f); err != nil {
		return err
	}
	if replace {
		err = root.Rename(temp, dst)
	} else {
		err = renameTo(root, temp, dst)
	}
	if err != nil {
		return err
	}
	syncFolder(root, path.Dir(dst))
	return root.Remove(src)
}

// numbered puts a number before the ending of a name: done/a-2.csv.gz.
func numbered(p string, n int) string {
	folder, base := path.Split(p)
	ext := path.Ext(base)
	if ext == ".gz" || ext == ".zst" {
		ext = path.Ext(strings.TrimSuffix(base, ext)) + ext
	}
	return fmt.Sprintf("%s%s-%d%s", folder, strings.TrimSuffix(base, ext), n, ext)
}

func (c *Call) removeFile(p string) (Value, error) {
	p, err := c.permitChange(p)
	if err != nil {
		return nil, err
	}
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err == nil && info.IsDir():
		return nil, Errorf("file.folder", "%q is a folder, not a file", p)
	case err == nil:
		err = root.Remove(p)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // somebody was faster
	}
	if err != nil {
		return nil, fileError(p, err)
	}
	if !c.temps[p] {
		c.changed(p, "", fmt.Sprintf("%q was deleted", p))
	}
	return true, nil
}

// tempFile is a file that is deleted when the hook ends.
type tempFile struct {
	c    *Call
	path string
}

// Close deletes it, unless it was moved.
func (t *tempFile) Close() error {
	if !t.c.temps[t.path] {
		return nil
	}
	root, err := t.c.root()
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Remove(t.path)
}

func (c *Call) tempFile(name, folder string) (Value, error) {
	if name == "" || strings.ContainsAny(name, `/\:`) || len(name) > 100 {
		return nil, Errorf("usage", "name: got %q, wanted the end of a file's name, such as \"export.zip\"", name)
	}
	folder, err := cleanPath(folder)
	if err != nil {
		return nil, err
	}
	if folder != "." {
		if _, err := c.permit(path.Join(folder, name)); err != nil {
			return nil, err
		}
	}
	if len(c.Needs.files) == 0 {
		return nil, Errorf("needs", "a script that writes files must say so; add the files that it works on to job(): needs = [\"files:%s\"]", path.Join(folder, "*"))
	}
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	p, f, err := c.createTemp(root, folder, name, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	if c.temps == nil {
		c.temps = map[string]bool{}
	}
	c.temps[p] = true
	c.keep(&tempFile{c, p})
	return p, nil
}

// reader reads data that is to be written: a string, bytes, or a stream.
func (c *Call) reader(v Value) (io.Reader, func() error, error) {
	switch plain := c.Lang.Plain(v).(type) {
	case string:
		return strings.NewReader(plain), nothing, nil
	case []byte:
		return bytes.NewReader(plain), nothing, nil
	case streamer:
		r, _, close, err := c.openSource(plain)
		return r, close, err
	default:
		if it, ok := c.Iterate(plain); ok {
			return &pieces{c: c, it: it}, it.Close, nil
		}
		return nil, nil, Errorf("usage", "data: got %s, wanted a string, bytes, a stream, or a list of lines", c.Lang.TypeName(v))
	}
}
