package hostlib

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"

	"github.com/dsengine/dsengine/engine"
)

// WriteEncoding is the character set of what is written.
var WriteEncoding = Param{Name: "encoding", Type: String, Default: None, Named: true, Doc: "the character set of the text, such as \"windows-1252\", \"utf-16\", or \"utf-8-sig\", which is UTF-8 with a byte order mark, as Excel takes it; None: utf-8"}

// encoded makes text of a character set of what is written to it, which is UTF-8. A byte order
// mark goes before it where the character set has one, if it begins the file.
func encoded(w io.Writer, charset string, begins bool) (io.WriteCloser, error) {
	charset = cmp.Or(charset, "utf-8")
	name := bareCharset(charset)
	marked := name == "utf8sig" || name == "utf8bom" || name == "utf16"
	e, err := encodingOf(charset)
	if err != nil {
		return nil, err
	}
	out := io.WriteCloser(plain{w})
	switch name { // who reads them elsewhere knows no others
	case "latin1", "iso88591", "l1", "cp819", "ibm819":
		e = charmap.ISO8859_1
	case "ascii", "usascii":
		out = &encoder{transform.NewWriter(w, ascii{}), charset}
		e = nil
	}
	if e != nil {
		out = &encoder{transform.NewWriter(w, e.NewEncoder()), charset}
	}
	if marked && begins {
		_, err = io.WriteString(out, "\uFEFF")
	}
	return out, err
}

// Encode is text, which is UTF-8, as a file of a character set begins with it.
func Encode(text []byte, charset string) ([]byte, error) {
	var b bytes.Buffer
	w, err := encoded(&b, charset, true)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

// ascii lets ASCII pass, and nothing else.
type ascii struct{ transform.NopResetter }

// Transform copies what is ASCII.
func (ascii) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for _, b := range src {
		switch {
		case b >= utf8.RuneSelf:
			return nDst, nDst, encodingError("ascii")
		case nDst == len(dst):
			return nDst, nDst, transform.ErrShortDst
		}
		dst[nDst] = b
		nDst++
	}
	return nDst, nDst, nil
}

// encodingError is the error about a character that a character set does not have.
func encodingError(charset string) error {
	return Errorf("file.encoding", "there is a character that %s does not have", charset)
}

// encoder says in words what cannot be encoded.
type encoder struct {
	*transform.Writer
	charset string
}

// Write encodes.
func (e *encoder) Write(b []byte) (int, error) {
	n, err := e.Writer.Write(b)
	if err != nil && !errors.As(err, new(*engine.Failure)) && strings.HasPrefix(err.Error(), "encoding: ") {
		err = encodingError(e.charset)
	}
	return n, err
}

// begins says whether what is written begins the file: it replaces it, or nothing is there.
func (c *Call) begins(p string, more bool) bool {
	if !more {
		return true
	}
	f, err := c.stat(p)
	return err != nil || f.size == 0
}
