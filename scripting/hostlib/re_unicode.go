package hostlib

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// What \w, \d, \s, \b and $ mean in Python, which RE2 has for ASCII alone, or not at
// all: the classes are written out, in the expression's text, and for the others a text
// is searched by a machine of our own where they make a difference.

// classes are what a class such as \w is within [...], by its letter; of a letter that
// is missing, what it is in RE2. A text of them ends in nothing that a "-" behind it
// would make a range of.
type classes map[byte]string

var (
	// plainClasses are those of texts in ASCII: a program of them is small.
	plainClasses = classes{'s': `\s\x{b}\x{1c}-\x{1f}`, 'S': `\x{0}-\x{8}\x{e}-\x{1b}\x{21}-\x{10ffff}`}

	// asciiClasses are those of (?a).
	asciiClasses = classes{'s': `\x{b}\s`, 'S': `\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{10ffff}`}

	// unicodeClasses are all others.
	unicodeClasses = sync.OnceValue(func() classes {
		return classes{
			'w': `_\p{L}\p{N}`, 'W': allBut(unicode.L, unicode.N, besidesWords),
			'd': `\p{Nd}`, 'D': `\P{Nd}`,
			's': `\t-\r\x{1c}-\x{20}\x{85}\p{Z}`, 'S': allBut(unicode.White_Space, besidesSpaces),
		}
	})
)

// isWord says that Python's \w has it: marks are not in it.
func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

func isASCIIWord(r rune) bool { return r < utf8.RuneSelf && isWord(r) }

// besides are what tables of Unicode lack. U+0345, a mark, is an iota in another case: by
// (?i), a class that has it would have that letter.
var (
	besidesWords  = &unicode.RangeTable{R16: []unicode.Range16{{Lo: '_', Hi: '_', Stride: 1}, {Lo: 0x345, Hi: 0x345, Stride: 1}}}
	besidesSpaces = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x1c, Hi: 0x1f, Stride: 1}}}
)

// allBut are the ranges of all that is in none of the tables.
func allBut(tables ...*unicode.RangeTable) string {
	var in [][2]rune
	add := func(from, to, stride rune) {
		if stride == 1 {
			in = append(in, [2]rune{from, to})
			return
		}
		for r := from; r <= to; r += stride {
			in = append(in, [2]rune{r, r})
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	slices.SortFunc(in, func(a, b [2]rune) int { return cmp.Compare(a[0], b[0]) })
	var b strings.Builder
	from := rune(0)
	for _, r := range append(in, [2]rune{unicode.MaxRune + 1}) {
		if from < r[0] {
			fmt.Fprintf(&b, `\x{%x}-\x{%x}`, from, r[0]-1)
		}
		from = max(from, r[1]+1)
	}
	return b.String()
}

// cutASCII takes Python's flag "a" from those at the beginning of an expression.
func cutASCII(expression string) (rest string, ascii bool) {
	flags, rest, ok := strings.Cut(strings.TrimPrefix(expression, "(?"), ")")
	if !ok || !strings.HasPrefix(expression, "(?") || !strings.Contains(flags, "a") || strings.Trim(flags, "aimsU") != "" {
		return expression, false
	}
	if flags = strings.ReplaceAll(flags, "a", ""); flags != "" {
		rest = "(?" + flags + ")" + rest
	}
	return rest, true
}

// written is an expression in which classes are written out, and \Z, Python's end of
// the text, is \z. boundary says that it has \b or \B.
func (have classes) written(expression string) (out string, boundary bool) {
	var b strings.Builder
	class := false // within [...]
	for i := 0; i < len(expression); {
		rest, n := expression[i:], 1
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			n = 2
			letter := rest[1]
			lower := letter | 0x20
			switch {
			case letter == 'Q' && !class:
				if n = strings.Index(rest, `\E`) + 2; n < 2 {
					n = len(rest)
				}
			case letter == 'Z' && !class:
				b.WriteString(`\z`)
				i += n
				continue
			case lower == 'b' && !class:
				boundary = true
			case class && have[letter] != "":
				b.WriteString(have[letter])
				i += n
				continue
			case !class && have[lower] != "" && (letter == lower || letter == lower-0x20):
				b.WriteByte('[')
				if letter != lower {
					b.WriteByte('^')
				}
				b.WriteString(have[lower] + "]")
				i += n
				continue
			}
		case rest[0] == '[' && class && strings.HasPrefix(rest, "[:"):
			if end := strings.Index(rest[2:], ":]"); end >= 0 {
				n = 2 + end + 2
			}
		case rest[0] == '[' && !class:
			class = true
			if strings.HasPrefix(rest[n:], "^") {
				n++
			}
			if strings.HasPrefix(rest[n:], "]") { // stands for itself
				n++
			}
		case rest[0] == ']':
			class = false
		}
		b.WriteString(rest[:n])
		i += n
	}
	return b.String(), boundary
}

// isASCII says that a text has no other characters.
func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
