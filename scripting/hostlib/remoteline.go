package hostlib

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// line is what a session with a server of files is spoken over: a connection, in
// FTP with others for data. One operation at a time is carried out on it.
type line struct {
	timeout time.Duration // in which something must come or go

	mu    sync.Mutex
	wires map[*wire]struct{}
	timer *time.Timer
	works bool  // an operation waits for the server
	left  int64 // bytes that may still come for it
	cause error // why the line was cut
}

// maxAnswer bounds what comes for one operation, in bytes: a folder's names, a
// part of a file.
const maxAnswer = 64 << 20

// errTooMuch cuts a line on which more comes than anybody asked for.
var errTooMuch = errors.New("too much came")

func newLine(timeout time.Duration) *line {
	l := &line{timeout: timeout, wires: map[*wire]struct{}{}}
	l.timer = time.AfterFunc(timeout, func() {
		l.mu.Lock()
		late := l.works
		l.mu.Unlock()
		if late {
			l.cut(errNoAnswer)
		}
	})
	l.timer.Stop()
	return l
}

// add has a connection end with the line.
func (l *line) add(conn net.Conn) *wire {
	w := &wire{Conn: conn, line: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wires[w] = struct{}{}
	if l.cause != nil {
		conn.Close()
	}
	return w
}

// cut ends the line, and what waits for it.
func (l *line) cut(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
	if l.cause == nil {
		l.cause = cause
	}
	for w := range l.wires {
		w.Conn.Close()
	}
}

// do carries out an operation, which ends at once when ctx does, and when
// nothing comes or goes for too long.
func (l *line) do(ctx context.Context, f func() error) error {
	was := l.wait(true)
	stop := context.AfterFunc(ctx, func() { l.cut(context.Cause(ctx)) })
	err := f()
	stop()
	l.wait(was)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.cause != nil {
		return l.cause
	}
	return err
}

// wait says whether the server is waited for from now on, and gives back what
// was so before.
func (l *line) wait(works bool) (was bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was, l.works = l.works, works
	if l.left = maxAnswer; works {
		l.timer.Reset(l.timeout)
	} else {
		l.timer.Stop()
	}
	return was
}

// moved notes that something came, n bytes of it, or went.
func (l *line) moved(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.works {
		l.timer.Reset(l.timeout)
	}
	if l.left -= int64(n); l.left < 0 {
		return errTooMuch
	}
	return nil
}

// wire is a connection of a line.
type wire struct {
	net.Conn
	line *line
}

// Read reads, within the bound of the operation.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 && w.line.moved(n) != nil {
		w.line.cut(errTooMuch)
		return 0, errTooMuch
	}
	return n, err
}

// Write writes.
func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if n > 0 {
		w.line.moved(0)
	}
	return n, err
}

// Close closes it.
func (w *wire) Close() error {
	w.line.mu.Lock()
	delete(w.line.wires, w)
	w.line.mu.Unlock()
	return w.Conn.Close()
}

// outside reads what is sent to a server. While it reads, nobody waits for the
// server.
type outside struct {
	line *line
	r    io.Reader
	n    int64 // bytes that it has read
	err  error // how it failed
}

// Read reads on.
func (o *outside) Read(b []byte) (int, error) {
	was := o.line.wait(false)
	n, err := o.r.Read(b)
	o.line.wait(was)
	if o.n += int64(n); err != nil && err != io.EOF {
		o.err = err
	}
	return n, err
}
