package hostlib

import (
	"io"
	"os"
	"sync"
)

// maxSpool bounds a stream that goes to a temporary file, in bytes.
const maxSpool = 16 << 30

// seekable is an input that can be read at any place. Whoever makes one closes it.
type seekable struct {
	io.ReaderAt
	size  int64
	name  string // for messages
	close func() error
}

// seekable opens what a parameter of type Source was given. What is packed, and
// what is no file, goes to a temporary file first.
func (c *Call) seekable(v Value) (*seekable, error) {
	if p, ok := v.(string); ok && !isPacked(p) {
		f, err := c.openFile(p)
		if err != nil {
			return nil, err
		}
		c.note(v, p)
		return seekableFile(f, p, f.Close)
	}
	r, name, close, err := c.openSource(v)
	if err != nil {
		return nil, err
	}
	defer close()
	c.note(v, name)
	f, err := os.CreateTemp("", "dsengine-input-")
	if err != nil {
		return nil, err
	}
	// Gone from the folder at once where the system allows it, so that a crash
	// leaves nothing.
	_ = os.Remove(f.Name())
	n, err := io.Copy(f, io.LimitReader(&watched{c: c, r: r}, maxSpool+1))
	if err == nil && n > maxSpool {
		err = Errorf("file.size", "%s has more than %d bytes", name, int64(maxSpool))
	}
	if err == nil {
		return seekableFile(f, name, func() error {
			err := f.Close()
			_ = os.Remove(f.Name()) // where it could not be removed while open
			return err
		})
	}
	f.Close()
	_ = os.Remove(f.Name())
	return nil, err
}

func seekableFile(f *os.File, name string, close func() error) (*seekable, error) {
	info, err := f.Stat()
	if err != nil {
		close()
		return nil, fileError(name, err)
	}
	return &seekable{ReaderAt: f, size: info.Size(), name: name, close: sync.OnceValue(close)}, nil
}
