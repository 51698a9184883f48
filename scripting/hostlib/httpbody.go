package hostlib

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"path"
	"strings"
	"time"
)

// httpBody is what a request sends. It can be opened again, for the next
// attempt.
type httpBody struct {
	kind string // its Content-Type
	size int64
	open func() (io.ReadCloser, error)
}

func bytesBody(b []byte) *httpBody {
	return &httpBody{size: int64(len(b)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	}}
}

// oneBody says that the arguments give several bodies.
func oneBody(given func(name string) bool) error {
	var list []string
	for _, name := range []string{"json", "form", "body", "files"} {
		if given(name) {
			list = append(list, name)
		}
	}
	if len(list) > 1 && (len(list) > 2 || !given("form") || !given("files")) {
		return Errorf("usage", "%s are given: a request has one body (form goes together with files)", strings.Join(list, " and "))
	}
	return nil
}

// bodyOf is the body that the arguments give; nil for none.
func bodyOf(c *Call, a *Args) (*httpBody, error) {
	if err := oneBody(a.Given); err != nil {
		return nil, err
	}
	files := a.Dict("files")
	switch {
	case files != nil:
		return multipartBody(c, a.Dict("form"), files)
	case a.Given("json"):
		raw, err := EncodeJSON(a.Value("json"))
		if err != nil {
			return nil, Errorf("usage", "json: %v", err)
		}
		b := bytesBody(raw)
		b.kind = "application/json"
		return b, nil
	case a.Given("form"):
		text, err := queryOf("form", a.Dict("form"))
		if err != nil {
			return nil, err
		}
		b := bytesBody([]byte(text))
		b.kind = "application/x-www-form-urlencoded"
		return b, nil
	case a.Given("body"):
		b := bytesBody(textBytes(a.Value("body")))
		if b.kind = "application/octet-stream"; isText(a.Value("body")) {
			b.kind = "text/plain; charset=utf-8"
		}
		return b, nil
	}
	return nil, nil
}

// queryOf writes parameters as in a URL, in their order. A list repeats its
// name, None leaves it out.
func queryOf(arg string, d *Dict) (string, error) {
	var b strings.Builder
	err := EachParam(arg, d, func(name, value string) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(value))
	})
	return b.String(), err
}

// EachParam gives each parameter as text.
func EachParam(arg string, d *Dict, yield func(name, value string)) error {
	if d == nil {
		return nil
	}
	for i, name := range d.Names {
		values, ok := d.Values[i].([]Value)
		if !ok {
			values = []Value{d.Values[i]}
		}
		for _, v := range values {
			if v == nil {
				continue
			}
			text, err := paramText(v)
			if err != nil {
				return Errorf("usage", "%s: %q: %v", arg, name, err)
			}
			yield(name, text)
		}
	}
	return nil
}

// paramText is how a value stands in a URL.
func paramText(v Value) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, int64, *big.Int, Decimal:
		return fmt.Sprint(v), nil
	case time.Time, time.Duration, float64:
		raw, err := EncodeJSON(v)
		return strings.Trim(string(raw), `"`), err
	}
	return "", fmt.Errorf("it is no text, number, bool or time: write it as json.encode(...) does")
}

// multipartBody is a form with files in it. Files are read while they are sent.
func multipartBody(c *Call, form, files *Dict) (*httpBody, error) {
	var out httpBody
	var parts []func() (io.ReadCloser, error)
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	if err := w.SetBoundary(hex.EncodeToString(c.Host.randomBytes(30))); err != nil {
		return nil, err
	}
	flush := func() { // what was written so far becomes a part of the body
		text := bytes.Clone(head.Bytes())
		head.Reset()
		out.size += int64(len(text))
		parts = append(parts, bytesBody(text).open)
	}
	var bad error
	if err := EachParam("form", form, func(name, value string) {
		if err := w.WriteField(name, value); err != nil {
			bad = err
		}
	}); err != nil || bad != nil {
		return nil, firstError(err, bad)
	}
	for i, name := range files.Names {
		f, err := uploadOf(c, name, files.Values[i])
		if err != nil {
			return nil, err
		}
		if _, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {multipart.FileContentDisposition(name, f.name)},
			"Content-Type":        {f.kind},
		}); err != nil {
			return nil, err
		}
		flush()
		out.size += f.size
		parts = append(parts, f.open)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	flush()
	out.kind = w.FormDataContentType()
	out.open = func() (io.ReadCloser, error) { return &joined{parts: parts}, nil }
	return &out, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// upload is one file of a form.
type upload struct {
	name, kind string
	size       int64
	open       func() (io.ReadCloser, error)
}

// uploadOf reads one of files: a path, or a dict.
func uploadOf(c *Call, field string, v Value) (upload, error) {
	f := upload{kind: "application/octet-stream"}
	p, isPath := v.(string)
	if d, ok := v.(*Dict); ok {
		for i, name := range d.Names {
			text, isString := d.Values[i].(string)
			switch {
			case !isString:
				return f, Errorf("usage", "files: %q: %s: got %s, wanted string", field, name, c.Lang.TypeName(d.Values[i]))
			case name == "path":
				p, isPath = text, true
			case name == "content":
				b := bytesBody([]byte(text))
				f.size, f.open = b.size, b.open
			case name == "name":
				f.name = text
			case name == "type":
				if _, _, err := mime.ParseMediaType(text); err != nil {
					return f, Errorf("usage", "files: %q: %q is no type such as \"text/csv\"", field, text)
				}
				f.kind = text
			default:
				return f, Errorf("usage", "files: %q has no %q%s: it is a path, or a dict with path or content, name, type", field, name, Suggest(name, []string{"path", "content", "name", "type"}))
			}
		}
	}
	if isPath == (f.open != nil) {
		return f, Errorf("usage", "files: %q: wanted a path, or a dict with either path or content", field)
	}
	if !isPath {
		if f.name == "" {
			f.name = field
		}
		return f, nil
	}
	if f.name == "" {
		f.name = path.Base(p)
	}
	// It is measured now, and opened for each attempt, which the network does.
	file, err := c.openFile(p)
	if err != nil {
		return f, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return f, fileError(p, err)
	}
	clean, err := cleanPath(p)
	if err != nil {
		return f, err
	}
	f.size = info.Size()
	f.open = func() (io.ReadCloser, error) {
		root, err := c.root()
		if err != nil {
			return nil, err
		}
		defer root.Close()
		file, err := root.Open(clean)
		if err != nil {
			return nil, fileError(p, err)
		}
		now, err := file.Stat()
		if err == nil && (now.Size() != f.size || !now.ModTime().Equal(info.ModTime())) {
			err = Errorf("file.changed", "%q was changed before it was sent", p)
		}
		if err != nil {
			file.Close()
			return nil, fileError(p, err)
		}
		return &exactly{file, f.size, p}, nil
	}
	return f, nil
}

// exactly reads a file that must have kept its size.
type exactly struct {
	io.ReadCloser
	left int64
	path string
}

// Read fails where the file ends early, and leaves out what was added to it.
func (e *exactly) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.ReadCloser.Read(b[:min(int64(len(b)), e.left)])
	if e.left -= int64(n); err == io.EOF && e.left > 0 {
		return n, Errorf("file.changed", "%q became shorter while it was sent", e.path)
	}
	return n, err
}

// joined reads one part after the other, each opened when it is due.
type joined struct {
	parts []func() (io.ReadCloser, error)
	now   io.ReadCloser
}

// Read reads on.
func (j *joined) Read(b []byte) (int, error) {
	for {
		if j.now == nil {
			if len(j.parts) == 0 {
				return 0, io.EOF
			}
			part, err := j.parts[0]()
			if err != nil {
				return 0, err
			}
			j.parts, j.now = j.parts[1:], part
		}
		n, err := j.now.Read(b)
		if err != io.EOF {
			return n, err
		}
		j.Close()
		if n > 0 {
			return n, nil
		}
	}
}

// Close closes the part that is open.
func (j *joined) Close() error {
	if j.now == nil {
		return nil
	}
	now := j.now
	j.now = nil
	return now.Close()
}
