package engine

import (
	"html"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A text is read as what it says once everything that is escaped in it is undone,
// whatever escaped it, and however often: JSON, URLs, HTML, SQL, CSV, and UTF-8 that
// was taken for Latin-1. A secret that is read in this way, too, is found in each.

// Bounds of what is undone at one place, so that no text takes long.
const (
	maxUndone = 32 // escapes
	maxNested = 4  // of escapes that are written in escapes
)

// Controls, and the letters by which they are written behind a backslash. They are read
// as these, and the backslash as nothing: how many there are depends on who wrote them.
const (
	controls  = "\n\r\t\b\f\v\a\x1b\x00\x1a"
	controlsA = "nrtbfvae0Z"
)

// written says of a byte that it may say something else than itself.
var written = func() (is [256]bool) {
	for c := range is {
		is[c] = c >= utf8.RuneSelf || slices.Contains([]byte(`%&\'"+`+controls), byte(c))
	}
	return is
}()

// read gives what a text says, with all escapes undone, and no backslashes.
func read(text string) string {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		r, end := said(text, i, -1)
		out, i = utf8.AppendRune(out, r), end
	}
	return strings.TrimRight(string(out), `\`)
}

// saysAt gives where the stretch ends that begins at i and says what is read; false
// if none does. The last letter may be what is undone there in part: what is behind
// it is not the secret's.
func saysAt[T ~string | ~[]byte](text T, i int, what string) (end int, ok bool) {
	for k := 0; k < len(what); {
		if i >= len(text) {
			return 0, false
		}
		if c := text[i]; !written[c] {
			if c != what[k] {
				return 0, false
			}
			i, k = i+1, k+1
			continue
		}
		want, size := utf8.DecodeRuneInString(what[k:])
		last := rune(-1)
		if k+size == len(what) {
			last = want
		}
		r, next := said(text, i, last)
		if r != want && (r != '+' || want != ' ') {
			return 0, false
		}
		i, k = next, k+size
	}
	return i, true
}

// keyAt is the beginning of what a text says at i, by which secrets are looked up;
// false if none begins with its first letter.
func keyAt[T ~string | ~[]byte](x *secretIndex, text T, i int) (key [MinSecret]byte, ok bool) {
	var letter [utf8.UTFMax]byte
	for n := 0; n < len(key) && i < len(text); {
		if c := text[i]; !written[c] {
			key[n] = c
			i, n = i+1, n+1
		} else {
			r, next := said(text, i, -1)
			if r == '+' {
				r = ' '
			}
			n += copy(key[n:], letter[:utf8.EncodeRune(letter[:], r)])
			i = next
		}
		if !x.firsts[key[0]] {
			return key, false
		}
	}
	return key, true
}

// said gives the letter that a text says at i, and where it ends. With last, it is
// the furthest that says last, if any does. Otherwise quotes that are doubled are one.
func said[T ~string | ~[]byte](text T, i int, last rune) (rune, int) {
	u := &undoing[T]{text, maxUndone}
	r, end, found := u.letter(i, 0, last)
	if found >= 0 {
		return last, found
	}
	for ; last < 0 && u.left > 0 && (r == '"' || r == '\''); u.left-- {
		again, to, _ := u.letter(end, 1, -1)
		if again != r {
			break
		}
		end = to
	}
	return r, end
}

// undoing undoes escapes of a text.
type undoing[T ~string | ~[]byte] struct {
	text T
	left int // how many may be undone
}

// letter is what is said at i, below as many escapes that are being undone; found is
// the furthest end of what says last, and -1 if nothing does. At the end it is none.
func (u *undoing[T]) letter(i, nested int, last rune) (r rune, end, found int) {
	found = -1
	if i >= len(u.text) {
		return -1, i, found
	}
	for r, end = letterAt(u.text, i); ; {
		if r < ' ' {
			if c := strings.IndexRune(controls, r); c >= 0 {
				r = rune(controlsA[c])
			}
		}
		if r == last {
			found = end
		}
		if u.left <= 0 || nested == maxNested || end == len(u.text) || !escapes(r) {
			return r, end, found
		}
		u.left--
		next, to, ok := u.undone(r, end, nested+1)
		if !ok {
			return r, end, found
		}
		r, end = next, to
	}
}

// letterAt is the letter that is written at i. A byte that is no UTF-8 is one of Latin-1.
func letterAt[T ~string | ~[]byte](text T, i int) (rune, int) {
	c := text[i]
	if c < utf8.RuneSelf {
		return rune(c), i + 1
	}
	r, size := utf8.DecodeRuneInString(string(text[i:min(len(text), i+utf8.UTFMax)]))
	if r == utf8.RuneError && size == 1 {
		return rune(c), i + 1
	}
	return r, i + size
}

// escapes says whether a letter may begin what stands for another.
func escapes(r rune) bool {
	return r == '%' || r == '&' || r == '\\' || r >= 0xc2 && r <= 0xf4 || utf16.IsSurrogate(r)
}

// undone undoes one escape, of which r is what it begins with, and end where that ended.
func (u *undoing[T]) undone(r rune, end, nested int) (rune, int, bool) {
	switch {
	case r == '%':
		if c, next, _ := u.letter(end, nested, -1); c == 'u' {
			return u.hex(next, 4, nested)
		}
		return u.hex(end, 2, nested)
	case r == '&':
		return u.entity(end, nested)
	case r == '\\':
		return u.backslashed(end, nested)
	case utf16.IsSurrogate(r):
		low, to, _ := u.letter(end, nested, -1)
		both := utf16.DecodeRune(r, low)
		return both, to, both != utf8.RuneError
	}
	return u.misread(r, end, nested)
}

// hex reads n hexadecimal digits.
func (u *undoing[T]) hex(i, n, nested int) (r rune, end int, ok bool) {
	for range n {
		c, next, _ := u.letter(i, nested, -1)
		d := strings.IndexRune("0123456789abcdef0123456789ABCDEF", c)
		if d < 0 {
			return 0, 0, false
		}
		r, i = r<<4|rune(d%16), next
	}
	return r, i, true
}

// entity reads what is behind the & of HTML and XML: quot; #34; #x22;
func (u *undoing[T]) entity(i, nested int) (rune, int, bool) {
	name := [12]byte{'&'}
	for n := 1; n < len(name); n++ {
		c, next, _ := u.letter(i, nested, -1)
		if c == ';' && n > 1 {
			name[n] = ';'
			said := html.UnescapeString(string(name[:n+1]))
			r, size := utf8.DecodeRuneInString(said)
			return r, next, size == len(said)
		}
		if c != '#' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		name[n], i = byte(c), next
	}
	return 0, 0, false
}

// backslashed reads what is behind a backslash, as in JSON, SQL, and languages. One that
// is doubled may be followed by what is escaped: no backslash is left.
func (u *undoing[T]) backslashed(i, nested int) (rune, int, bool) {
	for i+1 < len(u.text) && u.text[i] == '\\' && u.text[i+1] == '\\' && u.left > 0 {
		u.left--
		i++
	}
	r, end, _ := u.letter(i, nested, -1)
	if n := map[rune]int{'x': 2, 'u': 4, 'U': 8}[r]; n > 0 {
		if r, end, ok := u.hex(end, n, nested); ok {
			return r, end, true
		}
	}
	return r, end, r >= 0
}

// windows1252 are the letters that Windows-1252 has where Latin-1 has none.
var windows1252 = []rune("€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ")

// misread reads letters of Latin-1, of which r is the first, as bytes of UTF-8.
func (u *undoing[T]) misread(r rune, i, nested int) (rune, int, bool) {
	var all [utf8.UTFMax]byte
	all[0] = byte(r)
	for n := 1; n < len(all); n++ {
		next, end, _ := u.letter(i, nested, -1)
		if c := slices.Index(windows1252, next); c >= 0 {
			next = rune(0x80 + c)
		}
		if next < 0x80 || next > 0xbf {
			break
		}
		all[n], i = byte(next), end
		if whole, size := utf8.DecodeRune(all[:n+1]); size == n+1 {
			return whole, i, true
		}
	}
	return 0, 0, false
}
