package plan

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// literal writes a value of a column as Starlark does.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case *big.Int:
		return v.String()
	case float64:
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			return fmt.Sprintf("float(%q)", strconv.FormatFloat(v, 'g', -1, 64))
		case v == math.Trunc(v) && math.Abs(v) < 1e15:
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return text(v)
	case []byte:
		return bytesLiteral(v)
	case time.Time:
		return fmt.Sprintf("time.parse(%q)", v.UTC().Format(time.RFC3339Nano))
	}
	return text(fmt.Sprint(v))
}

// text writes a string; one that is no UTF-8 as bytes.
func text(s string) string {
	if !utf8.ValidString(s) {
		return bytesLiteral([]byte(s))
	}
	return strconv.Quote(s)
}

func bytesLiteral(b []byte) string {
	var s strings.Builder
	s.WriteString(`b"`)
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			s.WriteString(`\` + string(rune(c)))
		case c >= 0x20 && c < 0x7f:
			s.WriteByte(c)
		default:
			fmt.Fprintf(&s, `\x%02x`, c)
		}
	}
	s.WriteByte('"')
	return s.String()
}

// longText writes a text of several lines, a line to a line.
func longText(s string) string {
	if !utf8.ValidString(s) || strings.Count(s, "\n") < 2 {
		return text(s)
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for i := range lines {
		lines[i] = "        " + text(lines[i])
	}
	return "(\n" + strings.Join(lines, " +\n") + "\n    )"
}
