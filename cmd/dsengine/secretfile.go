package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// maxSecret bounds a file that holds a secret, in bytes.
const maxSecret = 64 << 10

// secretPatience is how long a file that holds a secret may take to be read.
const secretPatience = 10 * time.Second

var errNoAnswer = errors.New("there is no answer")

// secretFiles reads files that hold secrets, each time anew, so that they can be
// replaced. One may be on a mount that does not answer: then those who wait for it are
// told so, and while it is being read still, those who come later are at once.
type secretFiles struct {
	patience time.Duration // 0: secretPatience; less in tests
	mu       sync.Mutex
	reading  map[secretFile]*secretReading
}

// secretFile is what is read. With regular, a pipe is not: that may wait, and takes what
// is in it.
type secretFile struct {
	path    string
	regular bool
}

type secretReading struct {
	late <-chan struct{} // closed when it has taken too long
	done chan struct{}   // closed when it is read
	text string
	err  error
}

func (f *secretFiles) read(file secretFile) (string, error) {
	f.mu.Lock()
	r := f.reading[file]
	patience := cmp.Or(f.patience, secretPatience)
	if r == nil {
		late, stop := context.WithTimeout(context.Background(), patience)
		r = &secretReading{late: late.Done(), done: make(chan struct{})}
		if f.reading == nil {
			f.reading = map[secretFile]*secretReading{}
		}
		f.reading[file] = r
		go func() {
			r.text, r.err = file.read()
			f.mu.Lock()
			delete(f.reading, file)
			f.mu.Unlock()
			close(r.done)
			stop()
		}()
	}
	f.mu.Unlock()
	select {
	case <-r.done:
		return r.text, r.err
	case <-r.late:
	}
	select {
	case <-r.done: // which ends the other, too
		return r.text, r.err
	default:
		return "", &fs.PathError{Op: "read", Path: file.path, Err: fmt.Errorf("%w in %s: is it on a mount that is gone, or a pipe?", errNoAnswer, patience)}
	}
}

func (f secretFile) read() (string, error) {
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		return "", err
	case f.regular && !info.Mode().IsRegular():
		return "", &fs.PathError{Op: "read", Path: f.path, Err: errors.New("it is no regular file")}
	case info.Mode().IsRegular() && info.Size() > maxSecret:
		return "", &fs.PathError{Op: "read", Path: f.path, Err: fmt.Errorf("it has more than %d bytes", maxSecret)}
	}
	b, err := os.ReadFile(f.path)
	return withoutLineEnd(string(b)), err
}
