package hostlib

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// appendNoText adds to decoded text bytes that mean nothing in their character set:
// each as half a surrogate pair, U+DC00 and as much more as the byte is. That is no
// UTF-8, so whoever checks the text meets it, and its line; see decoded.original.
func appendNoText(text []byte, bytes ...byte) []byte {
	for _, b := range bytes {
		text = append(text, 0xed, 0xb0|b>>6, 0x80|b&0x3f)
	}
	return text
}

// noTextLen is how long a byte is there.
const noTextLen = 3

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

// Decode is the text of a file that is in a character set; name is for messages.
func Decode(name string, data []byte, charset string) (string, error) {
	d, err := decoding(name, bytes.NewReader(data), charset)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(d)
	if err == nil && !utf8.Valid(text) {
		err = (&input{name: name, text: d}).noText(0)
	}
	return string(text), err
}

// encodingOf finds a character set; nil is UTF-8.
func encodingOf(charset string) (encoding.Encoding, error) {
	bare := bareCharset(charset)
	for _, name := range []string{charset, strings.ReplaceAll(charset, "_", "-"), bare, charsets[bare]} {
		e, err := htmlindex.Get(name)
		if err != nil || e == encoding.Replacement { // browsers read some no more
			e, err = ianaindex.IANA.Encoding(name)
		}
		switch {
		case err != nil || e == nil || e == encoding.Replacement:
		case e == unicode.UTF8 || e == encoding.Nop:
			return nil, nil
		default:
			return e, nil
		}
	}
	return nil, Errorf("usage", "there is no encoding %q%s: use \"utf-8\", \"windows-1252\", \"iso-8859-1\", \"utf-16le\" or another name that browsers or Python know", charset, Suggest(charset, slices.Sorted(maps.Values(charsets))))
}

// charsets are names that Python has and browsers do not, without what stands between
// their parts, and some for Suggest.
var charsets = map[string]string{
	"u8": "utf-8", "utf8sig": "utf-8", "utf8bom": "utf-8", "cp65001": "utf-8",
	"utf16": "utf-16", "utf16le": "utf-16le", "utf16be": "utf-16be",
	"ascii": "ascii", "latin1": "latin-1", "iso88591": "iso-8859-1", "latin9": "iso-8859-15", "iso885915": "iso-8859-15",
	"windows1250": "windows-1250", "windows1251": "windows-1251", "windows1252": "windows-1252", "cp858": "ibm00858", "cp874": "windows-874", "cp1140": "ibm01140",
	"koi8r": "koi8-r", "koi8u": "koi8-u", "macroman": "macintosh", "maccyrillic": "x-mac-cyrillic",
	"sjis": "shift_jis", "cp932": "shift_jis", "eucjp": "euc-jp", "iso2022jp": "iso-2022-jp",
	"euckr": "euc-kr", "cp949": "euc-kr", "uhc": "euc-kr", "cp936": "gbk", "hz": "hz-gb-2312", "cp950": "big5", "big5hkscs": "big5",
}

// bareCharset is a name without what stands between its parts.
func bareCharset(charset string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(charset))
}

// utf16Name is the name of a character set that is UTF-16, or "".
func utf16Name(e encoding.Encoding) string {
	if e == nil {
		return ""
	}
	name, _ := htmlindex.Name(e)
	if !strings.HasPrefix(name, "utf-16") {
		return ""
	}
	return name
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
	wide := utf16Name(d.e)
	switch {
	case string(first) == "\xef\xbb\xbf":
		d.charset, d.marked, d.e = "utf-8", true, nil
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
		d.e = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
		d.r = transform.NewReader(d.r, &utf16Decoder{name: d.name, order: binary.LittleEndian})
	case wide == "utf-16be":
		d.e = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
		d.r = transform.NewReader(d.r, &utf16Decoder{name: d.name, order: binary.BigEndian})
	case d.e != nil:
		d.r = transform.NewReader(d.r, &strict{Transformer: d.e.NewDecoder(), shifts: d.e == japanese.ISO2022JP || d.e == simplifiedchinese.HZGB2312})
	}
	return nil
}

// original is decoded text as it was before. Characters that can be written in several
// ways are written in one of them.
func (d *decoded) original(text []byte) []byte {
	if d.e == nil {
		return text
	}
	var out []byte
	for from, n := 0, 0; n < len(text); {
		c, size := utf8.DecodeRune(text[n:])
		bad := c == utf8.RuneError && size == 1 && n+noTextLen <= len(text)
		if n += size; !bad && n < len(text) {
			continue
		}
		to := n
		if bad {
			to--
		}
		part, err := d.e.NewEncoder().Bytes(text[from:to])
		if err != nil {
			part = text[from:to]
		}
		if out = append(out, part...); bad {
			out = append(out, text[n]<<6|text[n+1]&0x3f)
			n += noTextLen - 1
		}
		from = n
	}
	return out
}

// strict is a decoder that tells what it cannot decode, by appendNoText, from a
// replacement character that is in the text.
type strict struct {
	transform.Transformer
	shifts bool // what bytes mean depends on those before: nothing is decoded twice
}

const replacement = "\uFFFD"

// Transform decodes: all at once, or piece by piece where something means nothing.
func (s *strict) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	if !s.shifts {
		nDst, nSrc, err = s.Transformer.Transform(dst, src, atEOF)
		if !bytes.Contains(dst[:nDst], []byte(replacement)) {
			return nDst, nSrc, err
		}
		nDst, nSrc = 0, 0
	}
	for nSrc < len(src) {
		if nDst+4*noTextLen > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		n, m := 0, 0
		for room := len(replacement); n == 0 && m == 0 && room <= utf8.UTFMax; room++ { // it is alone where it just fits
			n, m, err = s.Transformer.Transform(dst[nDst:nDst+room], src[nSrc:], atEOF)
		}
		piece := src[nSrc : nSrc+m]
		if string(dst[nDst:nDst+n]) == replacement && string(piece) != "\x84\x31\xa4\x37" { // of GB18030, which has that character
			if most := (len(dst) - nDst) / noTextLen; len(piece) > most { // it begins with shifts, of which there may be any number
				piece = piece[len(piece)-most:]
			}
			n = len(appendNoText(dst[:nDst], piece...)) - nDst
		}
		nDst, nSrc = nDst+n, nSrc+m
		if err != nil && err != transform.ErrShortDst || n == 0 && m == 0 {
			return nDst, nSrc, err
		}
	}
	return nDst, nSrc, nil
}

// utf16Decoder decodes UTF-16. Half a pair means nothing, half a unit at the end is an
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
		if nDst+2*noTextLen > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		if c < 0 {
			nDst = len(appendNoText(dst[:nDst], src[nSrc:nSrc+2]...))
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
