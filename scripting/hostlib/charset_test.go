package hostlib

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// TestNothingOfWhatIsNoTextIsLost decodes bytes of which some mean nothing, and gets
// them back: of all single bytes, and of the ways in which several make a character.
func TestNothingOfWhatIsNoTextIsLost(t *testing.T) {
	t.Parallel()
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	for _, c := range []struct{ charset, text, shown string }{
		{"windows-1252", "a\x81\x8d\x8f\x90\x9d\x80z", "a\uFFFD€z"},
		{"windows-1252", "\x81" + strings.Repeat("ä\x81é\x9d", 5000), ""},
		{"windows-1252", string(all), ""},
		{"windows-1253", string(all), ""},
		{"windows-1255", string(all), ""},
		{"iso-8859-3", string(all), ""},
		{"shift_jis", "\x93\xfa\x96{\xff\x81\x20x\x81", ""},
		{"gbk", "\xd6\xd0\xff\xce\xc4\x81\x20", ""},
		{"gb18030", "\x84\x31\xa4\x37\xff\x84\x31\xa4\x37", "\uFFFD\uFFFD\uFFFD"},
		{"gb18030", "\x95\x32\x82\x36\xff\x95\x32\x82\x36a", "𠀀\uFFFD𠀀a"},
		{"euc-jp", "\xc6\xfc\xff\xcb\xdc\xa1", ""},
		{"euc-kr", "\xc7\xd1\xff\xb1\xdb\xa1", ""},
		{"big5", "\xa4\xa4\xff\xa4\xe5\x81", ""},
		{"iso-2022-jp", "a\x1b$BF|K\\\x1b(Bb\xffc", "a日本b\uFFFDc"},
		{"utf-16le", "a\x00\x3d\xd8b\x00\x00\xdc", "a\uFFFDb\uFFFD"},
		{"utf-16be", "\x00a\xd8\x3d\xde\x00\xd8\x3d", "a😀\uFFFD"},
		{"utf-8", "ä\xff\xed\xb2\x81", ""},
	} {
		for _, slow := range []bool{false, true} {
			var r io.Reader = strings.NewReader(c.text)
			if slow {
				r = iotest.OneByteReader(r)
			}
			d, err := decoding("a text", r, c.charset)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(d)
			if err != nil || utf8.Valid(text) {
				t.Fatalf("%s: got %q, %v", c.charset, text, err)
			}
			if got := d.original(text); !bytes.Equal(got, []byte(c.text)) {
				t.Errorf("%s, slow %v: got\n%s, want\n%s", c.charset, slow, hex.EncodeToString(got), hex.EncodeToString([]byte(c.text)))
			}
			if got := strings.ToValidUTF8(string(text), replacement); c.shown != "" && got != c.shown {
				t.Errorf("%s: shown %q, want %q", c.charset, got, c.shown)
			}
		}
	}
}

// Names of character sets are known as Python and browsers write them.
func TestNamesOfCharacterSets(t *testing.T) {
	t.Parallel()
	for want, names := range map[string]string{
		"":             "utf-8 utf8 UTF_8 u8 utf-8-sig utf_8_sig UTF-8-BOM cp65001",
		"utf-16le":     "utf-16 utf_16 UTF16 utf-16-le utf_16_le utf-16le",
		"utf-16be":     "utf-16-be utf_16_be utf-16be",
		"windows-1252": "cp1252 windows-1252 windows_1252 latin_1 latin-1 latin1 l1 iso-8859-1 iso8859_1 iso8859-1 ascii us-ascii",
		"iso-8859-15":  "iso8859_15 iso-8859-15 latin-9 latin9",
		"windows-1250": "cp1250 windows-1250",
		"koi8-r":       "koi8_r koi8-r",
		"macintosh":    "mac_roman mac-roman macintosh",
		"shift_jis":    "shift_jis shift-jis sjis cp932 ms932",
		"euc-jp":       "euc_jp euc-jp eucjp",
		"iso-2022-jp":  "iso2022_jp iso-2022-jp",
		"euc-kr":       "euc_kr cp949 euc-kr",
		"gbk":          "gbk gb2312 cp936",
		"big5":         "big5 big5-hkscs big5hkscs cp950",
	} {
		for _, name := range strings.Fields(names) {
			e, err := encodingOf(name)
			if err != nil {
				t.Error(err)
				continue
			}
			got := ""
			if e != nil {
				got, err = htmlindex.Name(e)
			}
			if got != want || err != nil {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
			}
		}
	}
	for _, name := range []string{"cp437", "cp850", "cp858", "cp1140"} {
		if e, err := encodingOf(name); e == nil || err != nil {
			t.Errorf("%s: got %v, %v", name, e, err)
		}
	}
	for bare, name := range charsets {
		if e, err := encodingOf(name); err != nil || bare != bareCharset(bare) {
			t.Errorf("%s: got %v, %v", name, e, err)
		}
	}
}

// Any number of shifts may stand before what means nothing, and none of it may be longer
// than the room that is left.
func TestShiftsBeforeWhatIsNoText(t *testing.T) {
	t.Parallel()
	for _, charset := range []struct{ name, there, back string }{{"iso-2022-jp", "\x1b$B", "\x1b(B"}, {"hz-gb-2312", "~{", "~}"}} {
		for _, shifts := range []int{0, 1, 3000} {
			for before := 4060; before < 4100; before++ {
				text := strings.Repeat("a", before) + strings.Repeat(charset.there+charset.back, shifts) + charset.there + "\x7f\x7f" + charset.back + "b"
				d, err := decoding("a text", strings.NewReader(text), charset.name)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(d)
				if err != nil || utf8.Valid(got) || !bytes.HasSuffix(got, []byte("b")) || !bytes.HasPrefix(got, []byte(text[:before])) {
					t.Fatalf("%s, %d shifts behind %d letters: got %d bytes, %v", charset.name, shifts, before, len(got), err)
				}
			}
		}
	}
}
