package hostlib

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// remoteFile is a file of a server. It can be read wherever a path can.
type remoteFile struct {
	s        *server
	path     string
	size     int64
	modified time.Time
	opened   remoteInfo // what the server said when it was opened; what a list says may be older, and tell no time
}

// ObjectType is remote_file.
func (f *remoteFile) ObjectType() *ObjectType { return remoteFileType }

// label is the file's name for messages.
func (f *remoteFile) label() string { return f.path + " on " + f.s.at.name }

// raw opens the file as it is.
func (f *remoteFile) raw() (io.ReadCloser, error) {
	l, err := f.s.take()
	if err != nil {
		return nil, err
	}
	t := &transfer{s: f.s, l: l, path: f.path}
	err = l.line.do(f.s.c.Context(), func() (err error) {
		t.from, t.size, f.opened.modified, err = l.open(f.s.full(f.path))
		f.opened.size = t.size
		return err
	})
	if err != nil {
		f.s.give(l, err)
		return nil, f.s.explain(f.path, err)
	}
	t.r = bufio.NewReaderSize(readFunc(t.more), transferBuffer)
	return t, nil
}

// transferBuffer is how much is asked for at once, in bytes: with SFTP that many
// are on their way.
const transferBuffer = 1 << 20

// transfer reads a file of a server to its end, or fails.
type transfer struct {
	s    *server
	l    *login // nil: it has ended
	path string
	from io.ReadCloser
	r    *bufio.Reader
	size int64 // -1: the server does not say
	n    int64 // bytes that came
	over error // how it ended: io.EOF once it came whole
}

// Read reads on.
func (t *transfer) Read(b []byte) (int, error) { return t.r.Read(b) }

func (t *transfer) more(b []byte) (int, error) {
	switch {
	case t.over != nil:
		return 0, t.over
	case t.l == nil:
		return 0, t.s.failure("closed", t.path, "it was closed")
	}
	var n int
	err := t.l.line.do(t.s.c.Context(), func() (err error) {
		n, err = t.from.Read(b)
		return err
	})
	t.n += int64(n)
	switch {
	case err == io.EOF:
		t.over = t.end()
	case err != nil:
		t.s.give(t.l, err)
		t.l = nil
		t.over = t.broken(err)
	case t.size >= 0 && t.n > t.size:
		t.Close()
		t.over = t.s.failure("changed", t.path, "it became longer than its %d bytes while it was read: somebody still writes it", t.size)
		return 0, t.over
	}
	return n, t.over
}

// broken is the error of a file that did not come to its end.
func (t *transfer) broken(err error) error {
	err = t.s.explain(t.path, err)
	var f *engine.Failure
	if t.s.c.Context().Err() != nil || !errors.As(err, &f) {
		return err
	}
	with := *f
	if with.Message += fmt.Sprintf(", after %d bytes", t.n); t.size >= 0 {
		with.Message += fmt.Sprintf(" of %d", t.size)
	}
	return &with
}

// end sees that the file came whole; io.EOF if it did.
func (t *transfer) end() error {
	if err := t.shut(); err != nil {
		return t.broken(err)
	}
	if t.size >= 0 && t.n != t.size {
		return t.s.failure("truncated", t.path, "it ended after %d of %d bytes", t.n, t.size)
	}
	return io.EOF
}

// shut gives the session back.
func (t *transfer) shut() error {
	l := t.l
	t.l = nil
	err := l.line.do(t.s.c.Context(), t.from.Close)
	t.s.give(l, err)
	return err
}

// Close gives up what was not read.
func (t *transfer) Close() error {
	if t.l != nil {
		_ = t.shut()
	}
	return nil
}

// asItIs reads the file as it is.
func (f *remoteFile) asItIs(*Call) (io.Reader, string, string, func() error, error) {
	r, err := f.raw()
	if err != nil {
		return nil, "", "", nil, err
	}
	return r, f.label(), f.path, r.Close, nil
}

// stream reads the file, and reads through what its name says it is packed with.
func (f *remoteFile) stream(c *Call) (io.Reader, string, func() error, error) {
	r, label, file, close, err := f.asItIs(c)
	if err != nil {
		return nil, "", nil, err
	}
	out, close, err := c.openNamed(label, file, r, close)
	return out, label, close, err
}
