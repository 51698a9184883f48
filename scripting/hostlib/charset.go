package hostlib

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// noText stands in decoded text for bytes that mean nothing in their character
// set. It is no UTF-8, so whoever checks the text meets it, and its line.
const noText = '\xff'

// decoded turns text of a character set into UTF-8 without a byte order mark. A
// mark tells more than the name of a character set.
type decoded struct {
	name    string // for messages
	r       io.Reader
	e       encoding.Encoding
	charset string
	begun   bool
	marked  bool // it begins with a mark
}

// decoding decodes r; name is for messages.
func decoding(name string, r io.Reader, charset string) (*decoded, error) {
	e, err := encodingOf(charset)
	if err != nil {
		return nil, err
	}
	if e == nil {
		charset = "utf-8"
	}
	return &decoded{name: name, r: r, e: e, charset: charset}, nil
}

// encodingOf finds a character set; nil is UTF-8.
func encodingOf(charset string) (encoding.Encoding, error) {
	e, err := htmlindex.Get(charset)
	if err != nil {
		if e, err = ianaindex.IANA.Encoding(charset); err != nil || e == nil {
			e, err = htmlindex.Get(strings.NewReplacer("-", "", "_", "").Replace(charset)) // latin-1, utf_8
		}
	}
	if err != nil {
		return nil, Errorf("usage", "there is no encoding %q: use \"utf-8\", \"windows-1252\", \"iso-8859-1\", \"utf-16le\" or another name that browsers know", charset)
	}
	if e == unicode.UTF8 || e == encoding.Nop {
		return nil, nil
	}
	return e, nil
}

// Read reads what follows the mark.
func (d *decoded) Read(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		if err := d.begin(); err != nil {
			return 0, err
		}
	}
	return d.r.Read(b)
}

// begin looks for a mark.
func (d *decoded) begin() error {
	first := make([]byte, 3)
	n, err := io.ReadFull(d.r, first)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	first = first[:n]
	wide := ""
	if d.e != nil {
		wide, _ = htmlindex.Name(d.e)
	}
	switch {
	case string(first) == "\xef\xbb\xbf":
		d.charset, d.marked = "utf-8", true
		return nil
	case string(first) == gzipMark+"\x08": // no text begins so
		return Errorf("file.encoding", "%s is gzip: let the name end in .gz, of a URL too, or what is packed is not read", d.name)
	case bytes.HasPrefix(first, []byte("\xff\xfe")):
		d.charset, wide, first = "utf-16le", "utf-16le", first[2:]
	case bytes.HasPrefix(first, []byte("\xfe\xff")):
		d.charset, wide, first = "utf-16be", "utf-16be", first[2:]
	}
	d.r = io.MultiReader(bytes.NewReader(first), d.r)
	switch {
	case wide == "utf-16le":
		d.r = transform.NewReader(d.r, &utf16Decoder{name: d.name, order: binary.LittleEndian})
	case wide == "utf-16be":
		d.r = transform.NewReader(d.r, &utf16Decoder{name: d.name, order: binary.BigEndian})
	case d.e != nil:
		d.r = transform.NewReader(d.r, &strict{Transformer: d.e.NewDecoder(), wide: d.e == simplifiedchinese.GB18030})
	}
	return nil
}

// strict is a decoder that tells what it cannot decode, by noText, from a
// replacement character that is in the text. wide says that the character set has
// that one.
type strict struct {
	transform.Transformer
	wide bool
}

// Transform decodes.
func (s *strict) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	const replacement = "\uFFFD"
	nDst, nSrc, err = s.Transformer.Transform(dst, src, atEOF)
	text := dst[:nDst]
	i := bytes.Index(text, []byte(replacement))
	if i < 0 || s.wide && bytes.Count(text, []byte(replacement)) == bytes.Count(src[:nSrc], []byte("\x84\x31\xa4\x37")) {
		return nDst, nSrc, err
	}
	to := i
	for rest := text[i:]; ; {
		dst[to] = noText
		to++
		rest = rest[len(replacement):]
		n := bytes.Index(rest, []byte(replacement))
		if n < 0 {
			return to + copy(dst[to:], rest), nSrc, err
		}
		to += copy(dst[to:], rest[:n])
		rest = rest[n:]
	}
}

// utf16Decoder decodes UTF-16. Half a pair is noText, half a unit at the end an
// error.
type utf16Decoder struct {
	transform.NopResetter
	name  string
	order binary.ByteOrder
}

// Transform decodes.
func (d *utf16Decoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc+1 < len(src) {
		c, n := rune(d.order.Uint16(src[nSrc:])), 2
		if utf16.IsSurrogate(c) {
			second := rune(0)
			switch {
			case nSrc+3 < len(src):
				second = rune(d.order.Uint16(src[nSrc+2:]))
			case !atEOF:
				return nDst, nSrc, transform.ErrShortSrc
			}
			if c = utf16.DecodeRune(c, second); c == utf8.RuneError {
				c = -1
			} else {
				n = 4
			}
		}
		if nDst+max(utf8.RuneLen(c), 1) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		if c < 0 {
			dst[nDst] = noText
			nDst++
		} else {
			nDst += utf8.EncodeRune(dst[nDst:], c)
		}
		nSrc += n
	}
	switch {
	case nSrc == len(src):
		return nDst, nSrc, nil
	case atEOF:
		return nDst, nSrc, Errorf("file.truncated", "%s ends in the middle of a character of UTF-16: it is not complete", d.name)
	}
	return nDst, nSrc, transform.ErrShortSrc
}
