package engine

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// secretForms are a secret and its encodings that reading does not undo, in the forms
// in which it may be encoded.
func secretForms(value string) []string {
	forms := map[string]bool{}
	add := func(list ...string) {
		for _, f := range list {
			forms[f] = true
		}
	}
	for _, b := range append(jsonForms(value), value, latin1(value)) {
		add(b)
		add(base64Forms(b)...)
		h := hex.EncodeToString([]byte(b))
		add(h, strings.ToUpper(h))
	}
	for _, part := range secretsWithin(value) {
		add(secretForms(part)...)
	}
	return slices.Collect(maps.Keys(forms))
}

// latin1 writes a text as bytes of Latin-1; one that cannot be is left as it is.
func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return s
		}
		b = append(b, byte(r))
	}
	return string(b)
}

// jsonForms are the ways in which strings are written in JSON and its like.
func jsonForms(s string) []string {
	escaped, _ := json.Marshal(s) // with < and its like escaped
	written, _ := plainJSON(s)
	plain := unquoted(string(written))
	ascii := asciiJSON(plain, "%04x")
	return []string{
		unquoted(string(escaped)), plain, strings.ReplaceAll(plain, "/", `\/`), ascii, asciiJSON(plain, "%04X"), strings.ReplaceAll(ascii, "/", `\/`),
		unquoted(strconv.Quote(s)),
	}
}

// plainJSON writes JSON for people, with <, > and & as they are.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// unquoted is a text without the quotes around it.
func unquoted(s string) string { return s[1 : len(s)-1] }

// asciiJSON writes all that is not ASCII by its number.
func asciiJSON(s, digits string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u`+digits+`\u`+digits, hi, lo)
		default:
			fmt.Fprintf(&b, `\u`+digits, r)
		}
	}
	return b.String()
}

// base64Forms are what is the same in the base64 of every text that holds s: at
// each of the three places where it can begin, without the letters that depend
// on what is around it; and its own base64, whole.
func base64Forms(s string) []string {
	var forms []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		forms = append(forms, enc.EncodeToString([]byte(s)))
		for before, head := range []int{0, 2, 3} {
			text := enc.EncodeToString(append(make([]byte, before), s...))
			tail := 0
			if (before+len(s))%3 != 0 {
				tail = 1
			}
			forms = append(forms, text[head:len(text)-tail])
		}
	}
	std := base64.StdEncoding.EncodeToString([]byte(s))
	return append(forms, std, strings.NewReplacer("+", "-", "/", "_").Replace(std))
}
