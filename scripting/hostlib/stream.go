package hostlib

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
)

// input is what csv.read and its like read from: UTF-8 without a byte order
// mark. Whoever makes one closes it, or hands it to a function that makes an
// iterator of it (rows, jsonLines, ...), which does so.
type input struct {
	name   string // for messages
	origin origin
	r      *bufio.Reader
	close  func() error // never nil
	open   bool         // it comes from outside of the script
	local  bool         // it is named by its path, or lies in an archive that is
	whole  bool         // it is no file that may be written on
	file   bool         // it is a file, or a packed one
	watch  *watched
	text   *decoded
}

// alone says, once, that it can be read by another goroutine from here on: it
// touches nothing of the call.
func (in *input) alone() bool {
	if !in.file || in.watch.c.Hook == nil {
		return false
	}
	in.watch.ctx = in.watch.c.Hook.Context()
	return true
}

const inputBuffer = 64 << 10

// streamer is an object that can be read wherever a path can.
type streamer interface {
	// stream gives what is read, a name for messages, and how it is closed,
	// which may be nil. It may be called once.
	stream(c *Call) (r io.Reader, name string, close func() error, err error)
}

type streamObject interface {
	Object
	streamer
}

// streams are the objects that are read as a stream.
var streams = []streamObject{&entry{}, &response{}, &remoteFile{}, &s3Stream{}}

// input opens what a parameter of type Source was given: a path, an object that
// is a stream, or an iterator of lines or bytes. Without a charset it is what the server
// says of an answer, else utf-8.
func (c *Call) input(v Value, charset string) (*input, error) {
	if charset == "" {
		charset = "utf-8"
		if answer, ok := v.(*response); ok {
			charset = answer.charset()
		}
	}
	r, name, close, err := c.openSource(v)
	if err != nil {
		return nil, err
	}
	c.note(v, name)
	in, err := c.inputFrom(name, r, close, charset)
	if err != nil {
		return nil, err
	}
	in.open, in.origin = c.own(v), c.origin(v)
	p, isPath := v.(string)
	e, isEntry := v.(*entry)
	in.local, in.whole = isPath || isEntry && e.local, isEntry
	in.file = isPath && archiveKind(p) == ""
	return in, nil
}

// own says whether a source is open, so that an iterator over it is a resource.
// One that is an iterator itself is not told of then.
func (c *Call) own(v Value) bool {
	it, stream := v.(Iterator)
	if !stream {
		return true
	}
	s := sourceOf(it)
	if s == nil || !s.resource {
		return false
	}
	s.owned = true
	return true
}

// streamName is how messages call a stream that an iterator gives.
const streamName = "the stream"

// note keeps the name of a file that was opened: rejects say where they are from.
func (c *Call) note(v Value, name string) {
	if _, stream := v.(Iterator); stream || name == c.source {
		return
	}
	c.source = name
	c.opened++
	if e, ok := v.(*entry); ok {
		name = e.archive
	}
	if name != c.file {
		c.file = name
		c.files++
	}
}

// openSource is what input opens, before it becomes text.
func (c *Call) openSource(v Value) (r io.Reader, name string, close func() error, err error) {
	switch v := v.(type) {
	case string:
		r, close, err = c.openPacked(v)
		return r, v, close, err
	case streamer:
		r, name, close, err = v.stream(c)
		if close == nil {
			close = nothing
		}
		return r, name, close, err
	case Iterator:
		return &pieces{c: c, it: v}, streamName, func() error { Leave(v); return nil }, nil
	}
	return nil, "", nil, Errorf("usage", "src: got %s, wanted a path or a stream", c.Lang.TypeName(v))
}

// plainSource opens the same just as it is: what is packed stays so.
func (c *Call) plainSource(v Value) (io.Reader, func() error, error) {
	switch v := v.(type) {
	case string:
		f, err := c.openFile(v)
		if err != nil {
			return nil, nil, err
		}
		return f, f.Close, nil
	case rawStreamer:
		r, _, _, close, err := v.asItIs(c)
		if close == nil {
			close = nothing
		}
		return r, close, err
	}
	r, _, close, err := c.openSource(v)
	return r, close, err
}

func nothing() error { return nil }

// inputFrom makes an input of any reader, which has text of the character set;
// name is for messages. It closes the reader if it fails; close may be nil.
func (c *Call) inputFrom(name string, r io.Reader, close func() error, charset string) (*input, error) {
	if close == nil {
		close = nothing
	}
	watch := &watched{c: c, r: r}
	text, err := decoding(name, watch, charset)
	if err != nil {
		close()
		return nil, err
	}
	return &input{name: name, watch: watch, text: text, r: bufio.NewReaderSize(text, inputBuffer), close: close}, nil
}

// guard stops reading when too much has come since the last reset: something
// does not end, and would fill the memory.
type guard struct {
	r    io.Reader
	max  int
	what string
	n    int
}

// Read reads, within the bound.
func (g *guard) Read(b []byte) (int, error) {
	if g.n > g.max {
		return 0, Errorf("file.size", "%s is longer than %d bytes", g.what, g.max)
	}
	n, err := g.r.Read(b[:min(len(b), inputBuffer)]) // little by little: what is read once is held
	g.n += n
	return n, err
}

func (g *guard) reset() { g.n = 0 }

// watched stops reading when the hook must end.
type watched struct {
	c   *Call
	ctx context.Context // in place of the call's, if it is given
	r   io.Reader
}

// Read reads, unless the hook must end.
func (w *watched) Read(b []byte) (int, error) {
	if err := w.over(); err != nil {
		return 0, err
	}
	return w.r.Read(b)
}

// over says why the hook must end, if it must.
func (w *watched) over() error {
	if w.ctx == nil {
		return w.c.over()
	}
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return nil
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
	n    int64  // of the line that was read last
	max  int    // bytes that a line may have
	long []byte // a line that is longer than the input's buffer

	last  byte   // what ends a line, \n or \r; 0: not known yet
	quote byte   // what stands around text in which no line ends; 0: nothing
	end   string // what ended the line that was read last

	cut bool // the last line has no end: it may not be there as a whole yet

	// Lines that may have to be read again, each with its end; those before at
	// have been read. Lines are added to it while keep is set.
	back []byte
	at   int
	keep bool
}

func newLines(in *input) *lines { return &lines{in: in, max: maxLine} }

// maxLine bounds one line, in bytes.
const maxLine = 64 << 20

// next is the next line without its end. It is valid until the next call. A line
// that is no text comes with an error.
func (l *lines) next() ([]byte, error) {
	if l.last == 0 {
		l.last = l.in.lineEnd(l.quote)
	}
	if l.at < len(l.back) {
		line := l.back[l.at:]
		line = line[:bytes.IndexByte(line, l.last)+1]
		l.at += len(line)
		l.n++
		return l.bare(line)
	}
	l.long = l.long[:0]
	for {
		part, err := l.in.r.ReadSlice(l.last)
		if len(part)+len(l.long) > l.max {
			return nil, Errorf("file.line", "%s, line %d: it is longer than %d bytes", l.in.name, l.n+1, l.max)
		}
		switch {
		case err == bufio.ErrBufferFull:
			l.long = append(l.long, part...)
			continue
		case err == io.EOF && len(part)+len(l.long) > 0:
			l.cut = true
		case err != nil:
			return nil, err
		}
		l.n++
		line := part
		if len(l.long) > 0 {
			l.long = append(l.long, part...)
			line = l.long
		}
		if l.keep {
			if l.back = append(l.back, line...); l.cut {
				l.back = append(l.back, l.last)
			}
			l.at = len(l.back)
		}
		return l.bare(line)
	}
}

// bare is a line without its end.
func (l *lines) bare(line []byte) ([]byte, error) {
	if line, l.end = l.cutEnd(line); !utf8.Valid(line) {
		return line, l.in.noText(l.n)
	}
	return line, nil
}

// cutEnd takes the end off a line.
func (l *lines) cutEnd(line []byte) (bare []byte, end string) {
	n := len(line)
	if n > 0 && line[n-1] == l.last {
		n--
	}
	if l.last == '\r' {
		return line[:n], "\r"
	}
	if n > 0 && line[n-1] == '\r' {
		return line[:n-1], "\r\n"
	}
	return line[:n], "\n"
}

// lineEnd looks at the beginning for what ends lines there: \r if there is one
// and no \n, as old programs write it, outside of quotes. Otherwise it is \n.
func (in *input) lineEnd(quote byte) byte {
	quoted, single := false, false
	for n := 0; ; {
		text, err := in.r.Peek(min(n+1, inputBuffer))
		if err == nil {
			text, _ = in.r.Peek(in.r.Buffered())
		}
		for ; n < len(text); n++ {
			switch c := text[n]; {
			case c == quote && quote != 0:
				quoted = !quoted
			case quoted:
			case c == '\n':
				return '\n'
			case c == '\r':
				single = true
			}
		}
		if err == nil && n < inputBuffer {
			continue
		}
		if err != nil { // the reader has forgotten it
			in.r.Reset(io.MultiReader(bytes.NewReader(bytes.Clone(text)), failing{err}))
		}
		if single {
			return '\r'
		}
		return '\n'
	}
}

// failing gives an error.
type failing struct{ err error }

// Read gives the error.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// again begins anew with the line after the n-th, which stands in back at a place.
func (l *lines) again(n int64, at int) { l.n, l.at = n, at }

// forget drops what has been read of back, which holds no more than about max.
func (l *lines) forget() {
	if l.at == len(l.back) || l.at > l.max {
		l.back = append(l.back[:0], l.back[l.at:]...)
		l.at = 0
	}
}

// lasting says of an error about what was read last that another attempt would
// meet it again, if that is so: it is a file, and more follows, so that it was not
// read while it was written there. Where nothing follows, it may be complete later.
func (l *lines) lasting(err error) error {
	var f *engine.Failure
	if !l.in.local || !errors.As(err, &f) || !slices.Contains(contentCodes, f.Code) {
		return err
	}
	if l.at == len(l.back) {
		if _, err := l.in.r.Peek(1); err != nil {
			return f
		}
	}
	lasting := *f
	lasting.Retryable = false
	return &lasting
}

// contentCodes are those of errors about what stands in a text.
var contentCodes = []string{"csv.fields", "csv.header", "csv.syntax", "csv.size", "file.encoding", "file.line"}

// textLines gives the lines of an input, and closes it. fn is the function that
// made it, for errors.
func (c *Call) textLines(fn string, in *input) Iterator {
	l := newLines(in)
	return c.reading(fn, in, func() (Value, error) {
		line, err := l.next()
		if err != nil {
			c.ends(in, err)
			return nil, l.lasting(err)
		}
		c.varies = c.varies || l.cut
		c.read(1)
		return string(line), nil
	})
}

// noText is the error about a line that has bytes which mean nothing in the
// character set, or with 0 about a text.
func (in *input) noText(line int64) error {
	where := in.name
	if line > 0 {
		where = Spot{Source: in.name, Unit: "line", N: line}.String() + ": it"
	}
	if in.text.charset == "utf-8" {
		return Errorf("file.encoding", "%s is not UTF-8; say which encoding it has, such as encoding = \"windows-1252\"", where)
	}
	return Errorf("file.encoding", "%s has bytes that mean nothing in %s; say which encoding it has", where, in.text.charset)
}
