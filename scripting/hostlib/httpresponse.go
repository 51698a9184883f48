package hostlib

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
)

// response is an answer. Its body is read when the script asks for it: all of
// it into body, or as a stream, which can be gone through once.
type response struct {
	c      *Call
	rq     *httpRequest
	status int
	header http.Header
	url    *url.URL // after redirects

	ctx      context.Context // of the attempt
	cancel   context.CancelCauseFunc
	patience *patience // ends the attempt when nothing comes
	raw      io.Closer // what the body comes from; nil: nothing is open
	rest     io.Reader // what is left of the body; nil: all is in body
	packed   *asSent   // the body as it came, if it is gzip that is called .gz; nil: nothing of it is kept
	body     []byte
	usedBy   string // the method that has taken the rest
}

// headBody is how much of a body is read at once: most answers are shorter,
// and need no connection once they are here.
const headBody = 64 << 10

// begin takes the body, and reads its beginning.
func (r *response) begin(body io.ReadCloser) error {
	r.raw = body
	r.c.keep(r)
	if r.rq.method == http.MethodHead || r.status == http.StatusNoContent || r.status == http.StatusNotModified {
		return r.Close()
	}
	from, encodings := io.Reader(&timely{r, body}), r.header.Values("Content-Encoding")
	if len(encodings) == 1 && strings.EqualFold(encodings[0], "gzip") && isGzipName(r.url.Path) {
		r.packed = &asSent{}
		from = io.TeeReader(from, r.packed)
	}
	unpacked, err := unpacking(from, encodings, r.rq.maxBody)
	if err != nil {
		return r.rq.failure(err.Code, "%s", err.Message)
	}
	r.rest = &bounded{r: r, from: unpacked, left: r.rq.maxBody}
	var head bytes.Buffer
	_, rerr := io.CopyN(&head, r.rest, headBody)
	switch {
	case rerr == io.EOF, rerr != nil && !r.rq.accepts(r.status): // the status matters more
		r.body, r.rest = head.Bytes(), nil
		return r.Close()
	case rerr != nil:
		return rerr
	}
	r.rest = io.MultiReader(&head, r.rest)
	return nil
}

func isGzipName(name string) bool { return strings.ToLower(path.Ext(name)) == ".gz" }

// asSent is given a body while it is unpacked, and keeps it until there is a file
// that it goes to.
type asSent struct {
	begun bytes.Buffer
	to    io.Writer
}

// Write keeps it, or writes it to the file.
func (s *asSent) Write(b []byte) (int, error) {
	if s.to == nil {
		return s.begun.Write(b)
	}
	return s.to.Write(b)
}

// save writes the body to a file of a name. A file .gz that some servers send as if
// it were packed for the way only stays packed; one that was packed twice has gzip in it.
func (r *response) save(w io.Writer, name string, body io.Reader) error {
	from := bufio.NewReader(body)
	if r.packed != nil {
		to := io.Discard
		if head, _ := from.Peek(len(gzipMark)); isGzipName(name) && string(head) != gzipMark {
			if _, err := w.Write(r.packed.begun.Bytes()); err != nil {
				return err
			}
			to, w = w, to
		}
		r.packed.to = to
	}
	_, err := io.Copy(w, from)
	return err
}

// Close gives up the connection.
func (r *response) Close() error {
	r.patience.rest()
	if r.raw == nil {
		return nil
	}
	raw := r.raw
	r.raw = nil
	delete(r.c.open, r)
	raw.Close() // what was read is whole, and nothing depends on the rest
	r.cancel(nil)
	return nil
}

// timely reads a body that must go on coming.
type timely struct {
	r    *response
	from io.Reader
}

// Read waits for the next piece, no longer than the request's timeout.
func (t *timely) Read(b []byte) (int, error) {
	r := t.r
	if r.raw == nil {
		return 0, errors.New("the answer was closed")
	}
	r.patience.wait()
	n, err := t.from.Read(b)
	r.patience.rest()
	if err == nil || err == io.EOF {
		return n, err
	}
	switch cause := context.Cause(r.ctx); {
	case cause == errNoAnswer:
		return n, r.rq.failure("http.timeout", "nothing more of the answer came for %s", engine.FormatDuration(r.rq.timeout))
	case cause != nil:
		return n, cause
	}
	return n, r.rq.failure("http.connect", "the connection broke off in the middle of the answer: %v", err)
}

// bounded reads what was unpacked, up to a bound.
type bounded struct {
	r    *response
	from io.Reader
	left int64
	err  error
}

// Read gives an error beyond the bound.
func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p))-1 > b.left {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	var f *engine.Failure
	switch {
	case int64(n) > b.left:
		n, err = int(b.left), b.r.rq.failure("http.size", "the answer has more than %d bytes: raise max_body, such as max_body = \"1GB\"", b.r.rq.maxBody)
		err.(*engine.Failure).Retryable = false
	case err != nil && err != io.EOF && !errors.As(err, &f) && b.r.ctx.Err() == nil:
		err = b.r.rq.failure("http.encoding", "unpack the answer: %v", err)
	}
	b.left -= int64(n)
	b.err = err
	return n, err
}

// load reads the whole body into memory.
func (r *response) load() error {
	switch {
	case r.usedBy != "":
		return Errorf("usage", "the answer was read already, by %s: it can be gone through once", r.usedBy)
	case r.status == http.StatusNotModified:
		return Errorf("usage", "the answer has no body: nothing has changed since it was asked for last (304); look at .unchanged first")
	case r.rest == nil:
		return nil
	}
	var b bytes.Buffer
	_, err := b.ReadFrom(r.rest)
	r.rest = nil
	r.Close()
	if err != nil {
		r.usedBy = "a method that failed"
		return err
	}
	r.body = b.Bytes()
	return nil
}

// take gives the body as a stream. If it is not in memory, it is gone then.
func (r *response) take(by string) (io.Reader, error) {
	if r.rest == nil || r.usedBy != "" {
		if err := r.load(); err != nil {
			return nil, err
		}
		return bytes.NewReader(r.body), nil
	}
	from := r.rest
	r.rest, r.usedBy = nil, by
	if r.packed != nil && by != "save" {
		r.packed.to = io.Discard
	}
	return from, nil
}

// stream is the body, for whatever reads streams.
func (r *response) stream(*Call) (io.Reader, string, func() error, error) {
	from, err := r.unpacked("the function that it was given to")
	return from, r.name(), r.Close, err
}

// asItIs is the body as it came.
func (r *response) asItIs(*Call) (io.Reader, string, string, func() error, error) {
	from, err := r.take("the function that it was given to")
	return from, r.name(), r.url.Path, r.Close, err
}

func (r *response) name() string { return "the answer of " + r.rq.shown() }

// unpacked gives the body as a stream, and reads through .gz and .zst.
func (r *response) unpacked(by string) (io.Reader, error) {
	from, err := r.take(by)
	if err != nil || r.header.Get("Content-Encoding") != "" {
		return from, err
	}
	return unpack(r.name(), r.url.Path, &counted{r: from})
}

// input is the body as text that csv and its like read.
func (r *response) input(by, charset string) (*input, error) {
	if charset == "" {
		charset = r.charset()
	}
	return r.c.input(&taken{r, by}, charset)
}

// taken is the body as a stream that one of the response's own methods takes.
type taken struct {
	*response
	by string
}

// stream is the body.
func (t *taken) stream(*Call) (io.Reader, string, func() error, error) {
	from, err := t.unpacked(t.by)
	return from, t.name(), t.Close, err
}

// charset is what the server says it is, or utf-8.
func (r *response) charset() string { return cmp.Or(r.declared(), "utf-8") }

// declared is the character set that the server names, if it is one, or "".
func (r *response) declared() string {
	_, params, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err == nil && params["charset"] != "" {
		if _, err := encodingOf(params["charset"]); err == nil {
			return params["charset"]
		}
	}
	return ""
}

// text is the whole body as text.
func (r *response) text(charset string) (string, error) {
	if err := r.load(); err != nil {
		return "", err
	}
	if charset == "" {
		charset = r.charset()
	}
	from, err := decoding("the answer of "+r.rq.shown(), bytes.NewReader(r.body), charset)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(from)
	switch {
	case err != nil:
		return "", err
	case !utf8.Valid(text):
		return "", Errorf("http.encoding", "the answer of %s is not %s: say which encoding it has, such as encoding = \"windows-1252\", or use bytes()", r.rq.shown(), charset)
	}
	return string(text), nil
}

// json is the whole body as data; see decimalsParam.
func (r *response) json(decimals bool) (Value, error) {
	if err := r.load(); err != nil {
		return nil, err
	}
	body := bytes.TrimPrefix(r.body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 { // JSON is UTF-8, whatever the server says, where it can be
		text, err := r.text("")
		if err != nil {
			return nil, err
		}
		body = []byte(text)
	}
	v, err := r.c.decoderOf(decimals).Decode(body)
	if err != nil {
		return nil, Errorf("json.syntax", "the answer of %s is no JSON: %v%s", r.rq.shown(), err, r.excerpt())
	}
	return v, nil
}

// excerpt is the beginning of a body that is in memory, for messages.
func (r *response) excerpt() string {
	const most, looked = 300, 64 << 10
	text := r.body
	if r.rest != nil || len(text) == 0 || !utf8.Valid(text) {
		return ""
	}
	more := ""
	if len(text) > looked {
		text = text[:looked]
	}
	shown := []rune(hide(strings.ToValidUTF8(string(text), ""), r.rq.hidden)) // before it is cut, or a part would be told
	line := strings.Join(strings.FieldsFunc(string(shown[:min(len(shown), 4*most)]), func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	line = hide(line, r.rq.hidden)
	if cut := []rune(line); len(cut) > most {
		line, more = string(cut[:most]), "..."
	}
	return ": " + line + more
}

// headers are the headers by name in lower case; several of one name are
// joined by commas.
func (r *response) headers() *Dict {
	d := &Dict{}
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		d.Names = append(d.Names, strings.ToLower(name))
		d.Values = append(d.Values, strings.Join(r.header[name], ", "))
	}
	return d
}

// ObjectType is response.
func (r *response) ObjectType() *ObjectType { return responseType }
