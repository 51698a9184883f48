package hostlib

import (
	"fmt"
	"io"
	"os"
	"path"
)

// saveFile writes a file in whole: it is there, under its name, when all of it
// is on disk. A part that a crash left is written over the next time.
func (c *Call) saveFile(p string, from io.Reader) (int64, error) {
	p, err := c.permit(p)
	if err != nil {
		return 0, err
	}
	root, err := c.root()
	if err != nil {
		return 0, err
	}
	defer root.Close()
	if dir := path.Dir(p); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return 0, fileError(dir, err)
		}
	}
	part := path.Join(path.Dir(p), fmt.Sprintf(".%s.%d.part", path.Base(p), c.Hook.Job().ID))
	f, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return 0, fileError(p, err)
	}
	n, err := io.Copy(f, from)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = root.Rename(part, p)
	}
	if err != nil {
		root.Remove(part)
		return 0, err
	}
	return n, nil
}
