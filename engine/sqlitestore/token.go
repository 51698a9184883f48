package sqlitestore

import "strings"

// tokenKind is what a token is.
type tokenKind byte

const (
	tokenEnd       tokenKind = iota
	tokenWord                // a name or a keyword
	tokenName                // a name in quotes
	tokenText                // 'text'
	tokenNumber              // 1, 1.5, 1e3, 0xff
	tokenParameter           // ?, ?1, :name
	tokenSign                // an operator, a bracket, a comma
)

// token is a part of a statement: bytes from to to.
type token struct {
	kind     tokenKind
	from, to int
	text     string // of a name without its quotes, of a keyword in capitals
}

// signs are the operators of more than one character.
var signs = []string{"->>", "->", "||", "<<", ">>", "<=", ">=", "==", "!=", "<>"}

// tokens takes a statement apart. Comments are passed over; false if there is
// something that is no SQL.
func tokens(sql string) (list []token, ok bool) {
	for i := 0; i < len(sql); {
		c := sql[i]
		from := i
		t := token{kind: tokenSign, from: from}
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			i++
			continue
		case strings.HasPrefix(sql[i:], "--"):
			if i = strings.IndexByte(sql[from:], '\n') + from; i < from {
				i = len(sql)
			}
			continue
		case strings.HasPrefix(sql[i:], "/*"):
			end := strings.Index(sql[i+2:], "*/")
			if end < 0 {
				return nil, false
			}
			i += end + 4
			continue
		case c == '\'' || c == '"' || c == '`':
			if i = endOfQuotes(sql, i); i < 0 {
				return nil, false
			}
			if t.kind = tokenText; c != '\'' {
				t.kind, t.text = tokenName, strings.ReplaceAll(sql[from+1:i-1], string([]byte{c, c}), string(c))
			}
		case c == '[':
			end := strings.IndexByte(sql[i:], ']')
			if end < 0 {
				return nil, false
			}
			i += end + 1
			t.kind, t.text = tokenName, sql[from+1:i-1]
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(sql) && sql[i+1] >= '0' && sql[i+1] <= '9':
			t.kind, i = tokenNumber, endOfNumber(sql, i)
		case c == '?' || (c == ':' || c == '@' || c == '$') && i+1 < len(sql) && wordByte(sql[i+1]):
			for i++; i < len(sql) && wordByte(sql[i]); i++ {
			}
			t.kind, t.text = tokenParameter, sql[from:i]
		case wordByte(c):
			for i++; i < len(sql) && wordByte(sql[i]); i++ {
			}
			if t.kind = tokenWord; (c == 'x' || c == 'X') && i == from+1 && i < len(sql) && sql[i] == '\'' {
				if i = endOfQuotes(sql, i); i < 0 {
					return nil, false
				}
				t.kind = tokenText
			} else {
				t.text = strings.ToUpper(sql[from:i])
			}
		default:
			if strings.IndexByte("()+-*/%,;.<>=~&|!", c) < 0 {
				return nil, false
			}
			i++
			for _, s := range signs {
				if strings.HasPrefix(sql[from:], s) {
					i = from + len(s)
					break
				}
			}
			t.text = sql[from:i]
		}
		t.to = i
		list = append(list, t)
	}
	return append(list, token{kind: tokenEnd, from: len(sql), to: len(sql)}), true
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// endOfQuotes is the place behind what is in quotes from i on; -1 if they do not end.
func endOfQuotes(sql string, i int) int {
	quote := sql[i]
	for i++; i < len(sql); i++ {
		if sql[i] != quote {
			continue
		}
		if i+1 == len(sql) || sql[i+1] != quote {
			return i + 1
		}
		i++
	}
	return -1
}

// endOfNumber is the place behind the number that begins at i.
func endOfNumber(sql string, i int) int {
	hex := strings.HasPrefix(sql[i:], "0x") || strings.HasPrefix(sql[i:], "0X")
	for ; i < len(sql); i++ {
		c := sql[i]
		exponent := !hex && (c == '+' || c == '-') && (sql[i-1] == 'e' || sql[i-1] == 'E')
		if !exponent && c != '.' && !wordByte(c) {
			break
		}
	}
	return i
}
