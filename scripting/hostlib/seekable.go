package hostlib

import (
	"io"
	"os"
	"sync"
)

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
	f, size, err := c.spool(name, r)
	if err != nil {
		return nil, err
	}
	return &seekable{ReaderAt: f, size: size, name: name, close: sync.OnceValue(f.Close)}, nil
}

func seekableFile(f *os.File, name string, close func() error) (*seekable, error) {
	info, err := f.Stat()
	if err != nil {
		close()
		return nil, fileError(name, err)
	}
	return &seekable{ReaderAt: f, size: info.Size(), name: name, close: sync.OnceValue(close)}, nil
}
