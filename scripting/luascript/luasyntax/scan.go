// Package luasyntax reads the text of Lua scripts for tools that must know where
// each word stands, and which comments there are: the interpreter's own parser
// keeps neither. It reads what that parser takes: Lua 5.1 with goto.
//
//	scan.go    words, with their places
//	tree.go    statements and expressions
//	parse.go   reads them
//	scope.go   which names are which
//	format.go  the form that all scripts have
package luasyntax

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Pos is a place in a text: a line and a column, from 1; the column counts
// characters.
type Pos struct{ Line, Column int }

// Before says that a place is before another.
func (p Pos) Before(q Pos) bool {
	return p.Line < q.Line || p.Line == q.Line && p.Column < q.Column
}

// Error says why a text cannot be read, and where.
type Error struct {
	Pos
	Message string
	Open    bool // a string, or a comment, does not end, or holds what cannot be in it
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// Kind is that of a token.
type Kind int

// The kinds.
const (
	EOF Kind = iota
	Word
	Keyword
	Number
	String
	Sign    // an operator, a bracket, a comma
	Comment // with its dashes; also a first line that begins with #
)

// Token is a word of a text.
type Token struct {
	Kind
	Text  string // as it is written
	Value string // of a string
	Pos
	End Pos // where what follows begins
}

// Is says that a token is a keyword or a sign.
func (t *Token) Is(text string) bool {
	return t.Text == text && (t.Kind == Keyword || t.Kind == Sign)
}

var keywords = map[string]bool{
	"and": true, "break": true, "do": true, "else": true, "elseif": true, "end": true, "false": true, "for": true, "function": true, "goto": true, "if": true,
	"in": true, "local": true, "nil": true, "not": true, "or": true, "repeat": true, "return": true, "then": true, "true": true, "until": true, "while": true,
}

// IsKeyword says that a word is one of Lua's, and no name.
func IsKeyword(word string) bool { return keywords[word] }

// signs are those of more than one character, long ones first.
var signs = []string{"...", "..", "==", "~=", "<=", ">=", "::"}

// Scan reads the tokens of a text, comments too; the last one is EOF.
func Scan(source string) ([]Token, error) {
	s := &scanner{text: source, pos: Pos{1, 1}}
	var list []Token
	for {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		if list = append(list, t); t.Kind == EOF {
			return list, nil
		}
	}
}

// Blank gives a text the blanks that the interpreter's parser knows: spaces for \v and
// \f, and for a first line that begins with #, which tells a system what runs the file.
// All else stays where it is.
func Blank(source []byte) []byte {
	if !bytes.HasPrefix(source, []byte("#")) && !bytes.ContainsAny(source, "\v\f") {
		return source
	}
	out := bytes.Clone(source)
	s := &scanner{text: string(source), pos: Pos{1, 1}}
	for {
		before := s.at
		t, err := s.next()
		for i := before; i < s.from; i++ {
			if out[i] == '\v' || out[i] == '\f' {
				out[i] = ' '
			}
		}
		if err != nil || t.Kind == EOF {
			return out
		}
		if t.Kind == Comment && t.Text[0] == '#' {
			copy(out, strings.Repeat(" ", len(t.Text)))
		}
	}
}

type scanner struct {
	text string
	at   int
	from int // where the token begins
	pos  Pos
}

// to goes on to a byte of the text.
func (s *scanner) to(at int) {
	for s.at < at {
		c, n := utf8.DecodeRuneInString(s.text[s.at:])
		s.at += n
		switch {
		case c == '\n' || c == '\r':
			if s.at < len(s.text) && (s.text[s.at] == '\n' || s.text[s.at] == '\r') && s.text[s.at] != byte(c) {
				s.at++
			}
			s.pos = Pos{s.pos.Line + 1, 1}
		default:
			s.pos.Column++
		}
	}
}

func (s *scanner) peek(i int) byte {
	if s.at+i < len(s.text) {
		return s.text[s.at+i]
	}
	return 0
}

func (s *scanner) next() (Token, error) {
	for s.at < len(s.text) && strings.IndexByte(" \t\n\r\v\f", s.text[s.at]) >= 0 {
		s.to(s.at + 1)
	}
	t := Token{Pos: s.pos}
	from := s.at
	s.from = from
	done := func(kind Kind, end int) (Token, error) {
		s.to(end)
		t.Kind, t.Text, t.End = kind, s.text[from:end], s.pos
		return t, nil
	}
	c := s.peek(0)
	switch {
	case s.at == len(s.text):
		return done(EOF, from)
	case isLetter(c):
		end := from
		for end < len(s.text) && (isLetter(s.text[end]) || isDigit(s.text[end])) {
			end++
		}
		if keywords[s.text[from:end]] {
			return done(Keyword, end)
		}
		return done(Word, end)
	case isDigit(c), c == '.' && isDigit(s.peek(1)):
		return done(Number, s.number())
	case c == '-' && s.peek(1) == '-':
		end := from + 2
		if level := s.bracket(end); level >= 0 {
			if _, end = s.long(end, level); end < 0 {
				return t, &Error{t.Pos, "a comment that does not end", true}
			}
			return done(Comment, end)
		}
		return done(Comment, s.lineEnd(end))
	case c == '#' && from == 0:
		return done(Comment, s.lineEnd(from))
	case c == '"' || c == '\'':
		value, end, large := s.quoted()
		if large > 0 {
			s.to(large)
			return t, &Error{s.pos, "an escape that is too large: \\255 is the largest byte", true}
		}
		if end < 0 {
			return t, &Error{t.Pos, "a string that does not end", true}
		}
		t.Value = value
		return done(String, end)
	case c == '[' && s.bracket(from) >= 0:
		value, end := s.long(from, s.bracket(from))
		if end < 0 {
			return t, &Error{t.Pos, "a string that does not end", true}
		}
		t.Value = value
		return done(String, end)
	}
	for _, sign := range signs {
		if strings.HasPrefix(s.text[from:], sign) {
			return done(Sign, from+len(sign))
		}
	}
	if strings.IndexByte("+-*/%^#<>=(){}[];:,.", c) < 0 {
		r, _ := utf8.DecodeRuneInString(s.text[from:])
		return t, &Error{Pos: t.Pos, Message: fmt.Sprintf("%q means nothing here", r)}
	}
	return done(Sign, from+1)
}

// lineEnd finds the end of the line of a byte.
func (s *scanner) lineEnd(at int) int {
	for at < len(s.text) && s.text[at] != '\n' && s.text[at] != '\r' {
		at++
	}
	return at
}

// number finds the end of a number.
func (s *scanner) number() int {
	end := s.at
	digits := func(is func(byte) bool) {
		for end < len(s.text) && is(s.text[end]) {
			end++
		}
	}
	if s.peek(0) == '0' && s.peek(1)|0x20 == 'x' {
		end += 2
		digits(func(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' })
		return end
	}
	if s.peek(0) == '.' { // the interpreter takes .2.5, too
		end++
	}
	digits(isDigit)
	if end < len(s.text) && s.text[end] == '.' {
		end++
		digits(isDigit)
	}
	if end < len(s.text) && s.text[end]|0x20 == 'e' {
		end++
		if end < len(s.text) && (s.text[end] == '-' || s.text[end] == '+') {
			end++
		}
		if end < len(s.text) { // whatever it is: so does the interpreter
			end++
		}
		digits(isDigit)
	}
	return end
}

// bracket is the level of the long bracket that opens at a byte; -1: none does.
func (s *scanner) bracket(at int) int {
	if at >= len(s.text) || s.text[at] != '[' {
		return -1
	}
	end := at + 1
	for end < len(s.text) && s.text[end] == '=' {
		end++
	}
	if end < len(s.text) && s.text[end] == '[' {
		return end - at - 1
	}
	return -1
}

// long is what is in a long bracket, and where it ends; -1: it does not.
func (s *scanner) long(at, level int) (string, int) {
	from := at + level + 2
	closing := "]" + strings.Repeat("=", level) + "]"
	n := strings.Index(s.text[from:], closing)
	if n < 0 {
		return "", -1
	}
	value := strings.ReplaceAll(strings.ReplaceAll(s.text[from:from+n], "\r\n", "\n"), "\r", "\n")
	return strings.TrimPrefix(value, "\n"), from + n + len(closing)
}

var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// quoted is what is in the quotes that open here, and where they end; -1: they do not.
// large is where an escape stands that is no byte, or 0.
func (s *scanner) quoted() (value string, end, large int) {
	var b strings.Builder
	quote, at := s.text[s.at], s.at+1
	for ; at < len(s.text) && s.text[at] != quote; at++ {
		c := s.text[at]
		if c == '\n' || c == '\r' {
			break
		}
		if c != '\\' || at+1 == len(s.text) {
			b.WriteByte(c)
			continue
		}
		at++
		c = s.text[at]
		switch {
		case escapes[c] != 0:
			b.WriteByte(escapes[c])
		case c == '\r' || c == '\n':
			b.WriteByte('\n')
			if at+1 < len(s.text) && (s.text[at+1] == '\r' || s.text[at+1] == '\n') && s.text[at+1] != c {
				at++
			}
		case isDigit(c):
			n, from := 0, at-1
			for i := 0; i < 3 && at < len(s.text) && isDigit(s.text[at]); i++ {
				n = n*10 + int(s.text[at]-'0')
				at++
			}
			at--
			if n > 255 && large == 0 {
				large = from
			}
			b.WriteByte(byte(n))
		default:
			b.WriteByte(c)
		}
	}
	if at >= len(s.text) || s.text[at] != quote {
		return "", -1, 0
	}
	return b.String(), at + 1, large
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
