package hostlib

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxSpool bounds a stream that is copied to disk, in bytes.
const maxSpool = 16 << 30

// rawStreamer is a stream whose bytes can be had as they are, not unpacked.
type rawStreamer interface {
	streamer
	// asItIs gives what is read, as it is; a name for messages; the name of the file
	// that it is, whose ending says what is in it; and how it is closed.
	asItIs(c *Call) (r io.Reader, name, file string, close func() error, err error)
}

// scratch is a temporary file of our own.
type scratch struct{ *os.File }

// newScratch makes an empty one in the system's folder for such files.
func newScratch() (scratch, error) {
	f, err := os.CreateTemp("", "dsengine-spool-")
	if err != nil {
		return scratch{}, scratchError(err)
	}
	// Gone from the folder at once where the system allows it, so that a crash
	// leaves nothing.
	_ = os.Remove(f.Name())
	return scratch{f}, nil
}

// Close gives up the file, and what is in it.
func (s scratch) Close() error {
	err := s.File.Close()
	os.Remove(s.Name()) // where it could not be removed while open
	return err
}

// scratchError says in words why a temporary file cannot be written.
func scratchError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if errors.Is(err, syscall.ENOSPC) {
		return Errorf("file.space", "the disk for temporary files (%s) is full", os.TempDir())
	}
	return Errorf("file.error", "write a temporary file in %s: %v", os.TempDir(), err)
}

// spool copies a stream to disk, for those who must read it at any place.
func (c *Call) spool(name string, r io.Reader) (scratch, int64, error) {
	f, err := newScratch()
	if err != nil {
		return f, 0, err
	}
	src := &watched{c: c, r: io.LimitReader(r, maxSpool+1)}
	n, err := io.Copy(onDisk{f.File}, src)
	if err == nil && n > maxSpool {
		err = Errorf("file.size", "%s has more than %d bytes, which are too many for a temporary file", name, int64(maxSpool))
	}
	if err != nil {
		f.Close()
		return scratch{}, 0, err
	}
	return f, n, nil
}

// onDisk writes to a temporary file, and says in words why that fails.
type onDisk struct{ f *os.File }

// Write writes.
func (d onDisk) Write(b []byte) (int, error) {
	n, err := d.f.Write(b)
	if err != nil {
		err = scratchError(err)
	}
	return n, err
}

// openNamed reads a stream through what the name of its file says it is packed
// with; label is for messages. It closes the stream if it fails.
func (c *Call) openNamed(label, file string, r io.Reader, close func() error) (io.Reader, func() error, error) {
	kind := archiveKind(file)
	if kind == "" {
		out, err := unpack(label, file, &counted{r: r})
		if err != nil {
			close()
			return nil, nil, err
		}
		return out, close, nil
	}
	// It is gone through twice, to see that there is one file only.
	f, size, err := c.spool(label, r)
	close()
	if err != nil {
		return nil, nil, err
	}
	out, done, err := onlyEntry(label, func() (*walker, error) {
		return c.walk(kind, label, file, &heldFile{io.NewSectionReader(f, 0, size)})
	})
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return out, func() error { done(); return f.Close() }, nil
}

// archiveFile is what an archive is read from.
type archiveFile interface {
	io.Reader
	io.ReaderAt
	io.Closer
	Size() int64
}

// heldFile is a part of a file that somebody else closes.
type heldFile struct{ *io.SectionReader }

// Close does nothing.
func (heldFile) Close() error { return nil }

// diskFile is a file of the files folder.
type diskFile struct {
	*os.File
	size int64
}

// Size is its size in bytes.
func (f *diskFile) Size() int64 { return f.size }

// openArchive opens a file of the files folder as an archive.
func (c *Call) openArchive(p string) (*diskFile, error) {
	f, err := c.openFile(p)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fileError(p, err)
	}
	return &diskFile{f, info.Size()}, nil
}

// streamFile is a stream that is read once, from its beginning on.
type streamFile struct {
	io.Reader
	close func() error
}

// ReadAt is not for streams.
func (*streamFile) ReadAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

// Size is not known.
func (*streamFile) Size() int64 { return 0 }

// Close gives up the stream.
func (f *streamFile) Close() error { return f.close() }

// archiveStream opens a stream as an archive. A tar is read as it comes, a zip
// goes to a temporary file.
func (c *Call) archiveStream(v rawStreamer) (*walker, error) {
	r, label, file, close, err := v.asItIs(c)
	if err != nil {
		return nil, err
	}
	if close == nil {
		close = nothing
	}
	kind := archiveKind(file)
	switch kind {
	case "":
		close()
		return nil, notArchive(file)
	case "tar":
		return c.walk(kind, label, file, &streamFile{bufio.NewReaderSize(r, inputBuffer), close})
	}
	f, size, err := c.spool(label, r)
	close()
	if err != nil {
		return nil, err
	}
	return c.walk(kind, label, file, &spooledFile{io.NewSectionReader(f, 0, size), f})
}

// spooledFile is a temporary file with all of a stream in it.
type spooledFile struct {
	*io.SectionReader
	f scratch
}

// Close gives it up.
func (s *spooledFile) Close() error { return s.f.Close() }
