package hostlib

import (
	"archive/tar"
	"bytes"
	"io"
)

func tarWalker(p, file string, f archiveFile) (*walker, error) {
	in := &counted{r: f}
	r, err := unpack(p, file, in)
	if err != nil {
		return nil, err
	}
	u, cut := &unpacked{name: p}, false
	t, taken := tar.NewReader(readFunc(func(b []byte) (int, error) {
		n, err := r.Read(b)
		cut = cut || n == 0 && err == io.EOF
		return n, err
	})), 0
	next := func() (*entry, error) {
		for {
			h, err := t.Next()
			if err == io.EOF {
				return nil, tarEnd(p, r, cut)
			}
			if err != nil {
				return nil, u.explain(err)
			}
			taken++
			e, mine := &entry{archive: p, name: h.Name, size: h.Size, modified: h.ModTime}, taken
			switch h.Typeflag {
			case tar.TypeLink, tar.TypeSymlink:
				e.link(h.Linkname)
				return e, nil
			case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
			default:
				continue
			}
			u := &unpacked{name: e.label(), r: t, packed: func() int64 { return in.n }} // what is sparse grows, too
			e.open = func() (io.Reader, func() error, error) {
				return readFunc(func(b []byte) (int, error) {
					if taken != mine {
						return 0, Errorf("file.archive", "%s was passed: read each file of a tar before the next one is taken, in the loop itself", e.label())
					}
					return u.Read(b)
				}), nothing, nil
			}
			return e, nil
		}
	}
	return &walker{p, next, func() error { taken++; return f.Close() }}, nil
}

// tarEnd sees that a tar, of which r is left, has its end, which cut denies, and
// nothing else after it, and that what it is packed in is whole; io.EOF if so.
func tarEnd(p string, r io.Reader, cut bool) error {
	if cut {
		return Errorf("file.truncated", "%s ends without the end of a tar: it is not complete", p)
	}
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		if len(bytes.Trim(b[:n], "\x00")) > 0 {
			return Errorf("file.corrupt", "%s goes on after the end of a tar: it is damaged, or several were joined, which cannot be read", p)
		}
		if err != nil {
			return err
		}
	}
}
