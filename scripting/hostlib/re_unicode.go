package hostlib

import (
	"fmt"
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
			'w': `_\p{L}\p{N}`, 'W': allBut(isWord),
			'd': `\p{Nd}`, 'D': `\P{Nd}`,
			's': `\t-\r\x{1c}-\x{20}\x{85}\p{Z}`, 'S': allBut(isSpace),
		}
	})
)

// isWord says that Python's \w has it: marks are not in it.
func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

func isASCIIWord(r rune) bool { return r < utf8.RuneSelf && isWord(r) }

// isSpace says that Python's \s has it.
func isSpace(r rune) bool { return r >= 0x1c && r <= 0x1f || unicode.IsSpace(r) }

// allBut are the ranges of what is not in a class, nor in another case: the marks of
// which a letter is the other case would bring it in by (?i).
func allBut(in func(rune) bool) string {
	var b strings.Builder
	from := rune(0)
	for r := rune(0); r <= unicode.MaxRune+1; r++ {
		out := r > unicode.MaxRune || in(r)
		if !out {
			for other := unicode.SimpleFold(r); other != r && !out; other = unicode.SimpleFold(other) {
				out = in(other)
			}
		}
		if out {
			if from < r {
				fmt.Fprintf(&b, `\x{%x}-\x{%x}`, from, r-1)
			}
			from = r + 1
		}
	}
	return b.String()
}

// cutASCII takes Python's flag "a" from those at the beginning of an expression.
func cutASCII(expression string) (rest string, ascii bool) {
	flags, rest, ok := strings.Cut(strings.TrimPrefix(expression, "(?"), ")")
	if !ok || !strings.HasPrefix(expression, "(?") || !strings.Contains(flags, "a") || strings.Trim(flags, "aims") != "" {
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
