package hostlib

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/charmap"
)

// What is packed so that it grows by more than maxRatio is refused, once it has
// given freeBytes, which only tests set: it is made to fill disks and to keep
// machines busy.
var freeBytes int64 = 256 << 20

const (
	maxRatio = 250
	// maxDirectory bounds what a zip says about its files, in bytes.
	maxDirectory = 64 << 20
	// maxWindow bounds the memory of zstd, in bytes; zstd --long makes as much.
	maxWindow = 128 << 20
)

// openPacked opens a file, and reads through what its name says it is packed
// with.
func (c *Call) openPacked(p string) (io.Reader, func() error, error) {
	if archiveKind(p) != "" {
		return onlyEntry(p, func() (*walker, error) { return c.archive(p) })
	}
	f, err := c.openFile(p)
	if err != nil {
		return nil, nil, err
	}
	r, err := unpack(p, p, &counted{r: f})
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return r, f.Close, nil
}

// archiveKind is "zip", "tar", or "" for what is no archive.
func archiveKind(name string) string {
	name = strings.ToLower(name)
	switch inner := strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst"); {
	case strings.HasSuffix(name, ".zip"):
		return "zip"
	case strings.HasSuffix(inner, ".tar"), strings.HasSuffix(name, ".tgz"):
		return "tar"
	}
	return ""
}

// isPacked says whether openPacked unpacks a file of that name.
func isPacked(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".gz", ".zst":
		return true
	}
	return archiveKind(name) != ""
}

// counted counts what is read from a file.
type counted struct {
	r io.Reader
	n int64
}

// Read reads and counts.
func (r *counted) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.n += int64(n)
	return n, err
}

// gzipMark is what gzip begins with.
const gzipMark = "\x1f\x8b"

// unpack reads through .gz and .zst, as the name says. label is for messages.
func unpack(label, name string, r *counted) (io.Reader, error) {
	u := &unpacked{name: label, packed: func() int64 { return r.n }}
	var err error
	switch strings.ToLower(path.Ext(name)) {
	case ".gz", ".tgz":
		z := &gzips{name: label, from: bufio.NewReaderSize(r, inputBuffer)}
		u.r, err = z, z.member("is no gzip, though its name says so")
	case ".zst":
		u.r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	default:
		return r, nil
	}
	if err == io.EOF {
		return nil, Errorf("file.corrupt", "%s is empty, not %s", label, path.Ext(name))
	}
	return u, u.explain(err)
}

// gzips reads what gzip has packed, several times one behind the other, too. It leaves
// out zeros behind that, as gzip does: tapes and some servers fill files up with them.
type gzips struct {
	name string
	from *bufio.Reader
	gzip.Reader
}

// member begins what was packed at once; io.EOF if there is no more. otherwise says of
// what is no gzip what that is.
func (z *gzips) member(otherwise string) error {
	head, err := z.from.Peek(len(gzipMark))
	switch {
	case len(head) == 0:
		return err
	case !strings.HasPrefix(gzipMark, string(head)):
		return Errorf("file.corrupt", "%s %s", z.name, otherwise)
	}
	err = z.Reset(z.from)
	z.Multistream(false)
	return err
}

// Read reads some more.
func (z *gzips) Read(b []byte) (int, error) {
	n, err := z.Reader.Read(b)
	for err == io.EOF && n == 0 {
		for c := byte(0); c == 0; {
			if c, err = z.from.ReadByte(); err != nil {
				return 0, err
			}
		}
		if err = z.from.UnreadByte(); err == nil {
			err = z.member("has something behind its end that is no gzip")
		}
		if err == nil {
			n, err = z.Reader.Read(b)
		}
	}
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// unpacked reads what is packed, within bounds.
type unpacked struct {
	name   string
	r      io.Reader
	packed func() int64 // bytes that went in
	n      int64        // bytes that came out
}

// Read reads some more.
func (u *unpacked) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	if u.n += int64(n); u.n > freeBytes && u.n/maxRatio > u.packed() {
		return 0, Errorf("file.bomb", "%s grows to more than %d times its size when it is unpacked; if that is right, unpack it before", u.name, maxRatio)
	}
	if err == io.EOF {
		return n, err
	}
	return n, u.explain(err)
}

// explain says in words what is wrong with packed data.
func (u *unpacked) explain(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Errorf("file.truncated", "%s ends too early: it is not complete", u.name)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch), errors.Is(err, zip.ErrFormat), errors.Is(err, tar.ErrHeader):
		return Errorf("file.corrupt", "%s is not what its name says, or is damaged", u.name)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return Errorf("file.size", "%s needs more than %d bytes of memory to be unpacked", u.name, maxWindow)
	case errors.As(err, &corrupt), errors.Is(err, gzip.ErrChecksum), errors.Is(err, zip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return Errorf("file.corrupt", "%s is damaged: %v", u.name, err)
	case errors.Is(err, zip.ErrAlgorithm):
		return Errorf("file.corrupt", "%s is packed in a way that is not known here", u.name)
	}
	return err
}

// entry is a file in an archive.
type entry struct {
	archive  string
	of       Value // what files.entries was given
	name     string
	size     int64
	modified time.Time
	sum      string // of its content, as the archive has it; "": it has none
	open     func() (io.Reader, func() error, error)
	local    bool // the archive is named by its path
	linked   bool // it is a link, and not read
}

// ObjectType is entry.
func (e *entry) ObjectType() *ObjectType { return entryType }

func (e *entry) label() string { return e.name + " in " + e.archive }

// link makes it one that cannot be read: it is another name for a file.
func (e *entry) link(to string) {
	e.linked = true
	e.open = func() (io.Reader, func() error, error) {
		return nil, nil, Errorf("file.archive", "%s is a link, to %s: read that one", e.label(), to)
	}
}

// asItIs reads the entry as it is.
func (e *entry) asItIs(*Call) (io.Reader, string, string, func() error, error) {
	r, close, err := e.open()
	return r, e.label(), e.name, close, err
}

// stream reads the entry, through .gz and .zst too.
func (e *entry) stream(*Call) (io.Reader, string, func() error, error) {
	r, close, err := e.open()
	if err != nil {
		return nil, "", nil, err
	}
	if r, err = unpack(e.label(), e.name, &counted{r: r}); err != nil {
		close()
	}
	return r, e.label(), close, err
}

var entryType = &ObjectType{
	Name: "entry", Doc: "A file in an archive. It can be read wherever a path can: csv.read(entry).", Record: true,
	Text: func(v Value) string { return "<entry " + v.(*entry).name + ">" },
	Attrs: []Attr{
		{Name: "name", Type: "string", Doc: "Its path in the archive.", Get: func(v Value) (Value, error) { return v.(*entry).name, nil }},
		{Name: "size", Type: "int", Doc: "Its size in bytes, unpacked.", Get: func(v Value) (Value, error) { return v.(*entry).size, nil }},
		{Name: "modified", Type: "string", Doc: "When it was last changed, as RFC 3339 text in UTC.", Get: func(v Value) (Value, error) {
			return v.(*entry).modified.UTC().Format(time.RFC3339Nano), nil
		}},
	},
}

// walker gives the entries of an archive, then io.EOF.
type walker struct {
	label string // of the archive, for messages
	next  func() (*entry, error)
	close func() error
}

// take gives the next entry, without what macOS adds unless the glob names it.
func (w *walker) take(glob string) (*entry, error) {
	for {
		e, err := w.next()
		if err != nil {
			return nil, err
		}
		if mark := ofMac(e.name); mark == "" || strings.Contains(glob, mark) {
			return e, nil
		}
	}
}

// ofMac is how a name tells that it is no file of those who made the archive, but
// what macOS keeps beside them; "" if it does not.
func ofMac(name string) string {
	switch base := path.Base(name); {
	case strings.HasPrefix(name, "__MACOSX/"):
		return "__MACOSX"
	case base == ".DS_Store":
		return base
	case strings.HasPrefix(base, "._"):
		return "._"
	}
	return ""
}

// entries iterates over an archive: a path, or a stream.
func (c *Call) entries(v Value, glob string) (Value, error) {
	if glob != "" && !doublestar.ValidatePattern(glob) {
		return nil, Errorf("usage", "%q is no glob", glob)
	}
	var w *walker
	var err error
	switch v := v.(type) {
	case string:
		w, err = c.archive(v)
	case rawStreamer:
		w, err = c.archiveStream(v)
	default:
		err = Errorf("usage", "path: got %s, wanted a path, or a stream that has a name", c.Lang.TypeName(v))
	}
	if err != nil {
		return nil, err
	}
	_, local := v.(string)
	found := false
	var others []string
	more := 0
	return c.openedBy("files.entries", func() (Value, error) {
		for {
			e, err := w.take(glob)
			if err == io.EOF && !found {
				found = true // it is told once
				c.Log(slog.LevelWarn, fmt.Sprintf("files.entries: no file in %s fits %q: there %s", w.label, cmp.Or(glob, "**"), holds(others, more)), nil)
			}
			if err != nil {
				return nil, err
			}
			if glob == "" || doublestar.MatchUnvalidated(glob, e.name) {
				e.of, e.local, found = v, local, true
				return e, nil
			}
			if more++; more <= mostTold && !found {
				others = append(others, e.name)
			}
		}
	}, w.close), nil
}

// mostTold is how many files of an archive are told.
const mostTold = 5

// holds says which files are in an archive; of very many, n, some are given.
func holds(names []string, n int) string {
	switch {
	case n == 0:
		return "is none"
	case n == 1:
		return "is " + names[0]
	case n > len(names):
		return fmt.Sprintf("are %s and %d more", strings.Join(names, ", "), n-len(names))
	}
	return "are " + strings.Join(names, ", ")
}

// onlyEntry opens the single file of an archive, which open opens, twice.
func onlyEntry(p string, open func() (*walker, error)) (io.Reader, func() error, error) {
	w, err := open()
	if err != nil {
		return nil, nil, err
	}
	var first, link *entry
	for err == nil {
		var e *entry
		switch e, err = w.take(""); {
		case err != nil:
		case e.linked:
			link = e
		case first == nil:
			first = e
		default:
			err = Errorf("file.archive", "%s has several files, such as %s and %s: go through them with files.entries", p, first.name, e.name)
		}
	}
	switch {
	case err != io.EOF || first != nil:
	case link != nil:
		_, _, err = link.open()
	default:
		err = Errorf("file.archive", "there is no file in %s", p)
	}
	w.close()
	if err != io.EOF {
		return nil, nil, err
	}
	if w, err = open(); err != nil {
		return nil, nil, err
	}
	for first = nil; err == nil && (first == nil || first.linked); {
		first, err = w.take("")
	}
	if err != nil {
		w.close()
		return nil, nil, err
	}
	r, _, close, err := first.stream(nil)
	if err != nil {
		w.close()
		return nil, nil, err
	}
	return r, func() error { close(); return w.close() }, nil
}

func (c *Call) archive(p string) (*walker, error) {
	kind := archiveKind(p)
	if kind == "" {
		return nil, notArchive(p)
	}
	f, err := c.openArchive(p)
	if err != nil {
		return nil, err
	}
	return c.walk(kind, p, p, f)
}

func notArchive(p string) error {
	return Errorf("usage", "%q is no archive: its name ends with none of .zip, .tar, .tar.gz, .tgz and .tar.zst", p)
}

// walk goes through an archive, which it closes. label is for messages, file the
// name whose ending says what it is.
func (c *Call) walk(kind, label, file string, f archiveFile) (w *walker, err error) {
	if kind == "zip" {
		w, err = c.zipWalker(label, f)
	} else {
		w, err = tarWalker(label, file, f)
	}
	if err != nil {
		f.Close()
	}
	return w, err
}

type readFunc func([]byte) (int, error)

// Read calls the function.
func (f readFunc) Read(b []byte) (int, error) { return f(b) }

func (c *Call) zipWalker(p string, f archiveFile) (*walker, error) {
	z, err := openZip(p, f, f.Size())
	if err != nil {
		return nil, err
	}
	i, closed, streams := 0, false, 0
	next := func() (*entry, error) {
		for ; i < len(z.File); i++ {
			n, h := i, z.File[i]
			if t := h.Mode().Type(); t != 0 && t != fs.ModeSymlink {
				continue
			}
			i++
			e := &entry{archive: p, name: zipName(h), size: int64(min(h.UncompressedSize64, 1<<62)), modified: h.Modified, sum: fmt.Sprint("crc32 ", h.CRC32)}
			if !h.Mode().IsRegular() {
				e.link("another file")
				return e, nil
			}
			e.open = func() (io.Reader, func() error, error) {
				if _, onDisk := f.(*diskFile); closed && onDisk {
					return c.reopenZip(p, n, h)
				} else if closed {
					return nil, nil, Errorf("file.archive", "%s was passed: read each file of a stream while it is gone through", e.label())
				}
				r, err := openZipped(p, h, f.Size())
				if err != nil {
					return nil, nil, err
				}
				streams++
				return r, sync.OnceValue(func() error {
					if streams--; closed && streams == 0 {
						return f.Close()
					}
					return nil
				}), nil
			}
			return e, nil
		}
		return nil, io.EOF
	}
	return &walker{p, next, func() error {
		if closed = true; streams == 0 {
			return f.Close()
		}
		return nil // whoever reads a file of it closes it
	}}, nil
}

// openZip reads a zip's directory.
func openZip(p string, f io.ReaderAt, size int64) (*zip.Reader, error) {
	d := &directory{f: f, left: maxDirectory}
	z, err := zip.NewReader(d, size)
	switch {
	case d.left < 0:
		return nil, Errorf("file.size", "%s has a directory of more than %d bytes", p, maxDirectory)
	case errors.Is(err, zip.ErrInsecurePath): // names are names here, nothing is unpacked to them
	case err != nil:
		return nil, (&unpacked{name: p}).explain(err)
	}
	d.left = 1<<63 - 1
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)))
	return z, nil
}

// directory bounds what is read of a zip while its directory is.
type directory struct {
	f    io.ReaderAt
	left int64
}

// ReadAt reads, within the bound.
func (d *directory) ReadAt(b []byte, at int64) (int, error) {
	if d.left -= int64(len(b)); d.left < 0 {
		return 0, fs.ErrInvalid
	}
	return d.f.ReadAt(b, at)
}

// openZipped opens a file of a zip of so many bytes: what its directory says of the
// packed size may be anything.
func openZipped(p string, h *zip.File, size int64) (io.Reader, error) {
	u := &unpacked{name: zipName(h) + " in " + p, packed: func() int64 { return int64(min(h.CompressedSize64, uint64(size))) }}
	if h.Flags&1 != 0 {
		return nil, Errorf("file.encrypted", "%s is encrypted, which cannot be read here", u.name)
	}
	var err error
	u.r, err = h.Open()
	return u, u.explain(err)
}

// reopenZip opens a file of a zip again, whose iterator has been closed.
func (c *Call) reopenZip(p string, n int, was *zip.File) (io.Reader, func() error, error) {
	f, err := c.openArchive(p)
	if err != nil {
		return nil, nil, err
	}
	z, err := openZip(p, f, f.Size())
	if err == nil && (n >= len(z.File) || z.File[n].Name != was.Name || z.File[n].CRC32 != was.CRC32) {
		err = Errorf("file.changed", "%s was changed while it was read", p)
	}
	var r io.Reader
	if err == nil {
		r, err = openZipped(p, z.File[n], f.Size())
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return r, f.Close, nil
}

// zipName is the name of a file in a zip; old programs write them as DOS did.
func zipName(h *zip.File) string {
	if h.NonUTF8 {
		if name, err := charmap.CodePage437.NewDecoder().String(h.Name); err == nil {
			return name
		}
	}
	return h.Name
}
