package sqlstore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Why a column of JSON does not hold a value.
const (
	noJSON     = "it is no JSON, as json.encode writes it"
	halfOfPair = "it has half of a surrogate pair, which stands for no character"
	tooLarge   = "it has a number that is larger than any float"
)

// jsonDepth is how deep JSON is nested at most: what all servers take.
const jsonDepth = 31

// fitJSON takes JSON as text, and numbers and truth, which are JSON as they are.
func fitJSON(v any) (any, string) {
	switch x := v.(type) {
	case bool:
		return strconv.FormatBool(x), ""
	case float64:
		text, err := json.Marshal(x)
		if err != nil {
			return nil, noJSON
		}
		return string(text), ""
	case time.Time, []byte:
		return nil, noJSON
	}
	text, ok := textOf(v).(string)
	if !ok {
		return v, ""
	}
	if !utf8.ValidString(text) || !json.Valid([]byte(text)) {
		return nil, noJSON
	}
	if why := beyondJSON(text); why != "" {
		return nil, why
	}
	return text, ""
}

// beyondJSON says why some servers do not take a text that is JSON; "": all do.
func beyondJSON(text string) (why string) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '[' || c == '{':
			if depth++; depth > jsonDepth {
				return fmt.Sprintf("it is nested more than %d deep", jsonDepth)
			}
		case c == ']' || c == '}':
			depth--
		case c == '"':
			for i++; text[i] != '"'; i++ {
				if text[i] != '\\' {
					continue
				}
				if i++; text[i] != 'u' {
					continue
				}
				r := escapedRune(text[i+1:])
				if i += 4; !utf16.IsSurrogate(r) {
					continue
				}
				if !strings.HasPrefix(text[i+1:], `\u`) || utf16.DecodeRune(r, escapedRune(text[i+3:])) == utf8.RuneError {
					return halfOfPair
				}
				i += 6
			}
		case c == '-' || c >= '0' && c <= '9':
			number := text[i : i+len(text[i:])-len(strings.TrimLeft(text[i:], "0123456789+-.eE"))]
			i += len(number) - 1
			if _, err := strconv.ParseFloat(number, 64); err != nil {
				return tooLarge
			}
		}
	}
	return ""
}

// escapedRune is what the four digits stand for that a text begins with.
func escapedRune(digits string) rune {
	n, _ := strconv.ParseUint(digits[:4], 16, 16)
	return rune(n)
}
