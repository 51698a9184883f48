package sqlstore

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// checkMarks wants one value for each question mark of a statement, before a
// database sees it: they tell of that in words of their own, or not at all.
func checkMarks(query string, ansi bool, args []any) error {
	n, numbered := Marks(query, ansi)
	if numbered || n == len(args) {
		return nil
	}
	values := fmt.Sprintf("%d values", len(args))
	if len(args) == 1 {
		values = "1 value"
	}
	return &engine.Failure{Kind: engine.KindError, Code: "usage", Message: fmt.Sprintf("the statement has %d ? and was given %s: give one value for each ?", n, values)}
}

// Marks counts the question marks of a statement that stand for values. ansi says
// that double quotes and brackets hold names, as in SQLite. numbered says that the
// statement numbers or names its values, so that the count says nothing.
func Marks(sql string, ansi bool) (n int, numbered bool) {
	if !ansi {
		return len(placeholders(sql)), false
	}
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case strings.HasPrefix(sql[i:], "--"):
			i = skipTo(sql, i, "\n")
		case strings.HasPrefix(sql[i:], "/*"):
			i = skipTo(sql, i+2, "*/")
		case c == '\'' || c == '"' || c == '`':
			i = skipString(sql, i, false)
		case c == '[':
			i = skipTo(sql, i, "]")
		case c == '?':
			n++
			if i++; i < len(sql) && sql[i] >= '0' && sql[i] <= '9' {
				numbered = true
			}
		case isWordByte(c) && c != '$': // a dollar in a name is part of it
			for i < len(sql) && isWordByte(sql[i]) {
				i++
			}
		default:
			numbered = numbered || c == ':' || c == '@' || c == '$'
			i++
		}
	}
	return n, numbered
}
