package hostlib

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// input is what csv.read and its like read from.
type input struct {
	name  string // for messages
	r     *bufio.Reader
	close func() error
}

const inputBuffer = 64 << 10

// input opens a path, or takes a stream, as UTF-8 without a byte order mark.
func (c *Call) input(v Value, charset string) (*input, error) {
	in := &input{name: "the stream"}
	var r io.Reader
	switch v := v.(type) {
	case string:
		f, err := c.openFile(v)
		if err != nil {
			return nil, err
		}
		in.name, in.close, r = v, f.Close, f
		if v != c.source {
			c.source = v
			c.opened++
		}
	case Iterator:
		in.close, r = v.Close, &pieces{c: c, it: v}
	}
	r, err := decoding(r, charset)
	if err != nil {
		in.close()
		return nil, err
	}
	in.r = bufio.NewReaderSize(&unmarked{r: r}, inputBuffer)
	return in, nil
}

// unmarked leaves out a byte order mark at the beginning of UTF-8.
type unmarked struct {
	r     io.Reader
	begun bool
	first []byte
	err   error // after first
}

// Read reads what follows the mark.
func (u *unmarked) Read(b []byte) (int, error) {
	if !u.begun {
		u.begun = true
		u.first = make([]byte, 3)
		n, err := io.ReadFull(u.r, u.first)
		if u.first = u.first[:n]; err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		if u.err = err; string(u.first) == "\xef\xbb\xbf" {
			u.first = nil
		}
	}
	switch {
	case len(u.first) > 0:
		n := copy(b, u.first)
		u.first = u.first[n:]
		return n, nil
	case u.err != nil:
		return 0, u.err
	}
	return u.r.Read(b)
}

// decoding turns text of a character set into UTF-8.
func decoding(r io.Reader, charset string) (io.Reader, error) {
	e, err := htmlindex.Get(charset)
	if err != nil {
		return nil, Errorf("usage", "there is no encoding %q: use \"utf-8\", \"windows-1252\", \"iso-8859-1\", \"utf-16le\" or another name that browsers know", charset)
	}
	if e == unicode.UTF8 || e == encoding.Nop {
		return r, nil
	}
	return transform.NewReader(r, unicode.BOMOverride(e.NewDecoder())), nil
}

// pieces reads a stream that an iterator gives: bytes as they are, strings as
// lines, each with a line end after it.
type pieces struct {
	c    *Call
	it   Iterator
	left []byte
}

// Read reads what is left of a piece, or the next one.
func (p *pieces) Read(b []byte) (int, error) {
	for len(p.left) == 0 {
		v, err := p.it.Next()
		if err != nil {
			return 0, err
		}
		switch v := p.c.Lang.Plain(v).(type) {
		case string:
			p.left = append([]byte(v), '\n')
		case []byte:
			p.left = v
		default:
			return 0, Errorf("usage", "src: got %s from the iterator, wanted strings (lines) or bytes", p.c.Lang.TypeName(v))
		}
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// lines splits an input into lines.
type lines struct {
	in   *input
	n    int // of the line that was read last
	long []byte
}

func newLines(in *input) *lines { return &lines{in: in} }

// maxLine bounds one line, in bytes.
const maxLine = 64 << 20

// next is the next line without its end. It is valid until the next call.
func (l *lines) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		part, err := l.in.r.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull:
			if l.long = append(l.long, part...); len(l.long) > maxLine {
				return nil, Errorf("file.line", "%s, line %d: it is longer than %d bytes", l.in.name, l.n+1, maxLine)
			}
			continue
		case err == io.EOF && len(part)+len(l.long) > 0:
		case err != nil:
			return nil, err
		}
		l.n++
		line := part
		if len(l.long) > 0 {
			l.long = append(l.long, part...)
			line = l.long
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
		if !utf8.Valid(line) {
			return nil, notUTF8(l.in.name, l.n)
		}
		return line, nil
	}
}

func notUTF8(name string, line int) error {
	return Errorf("file.encoding", "%s, line %d: it is not UTF-8; say which encoding it has, such as encoding = \"windows-1252\"", name, line)
}
