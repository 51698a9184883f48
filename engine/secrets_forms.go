package engine

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
)

// secretForms are a secret and its encodings, as they may stand in a text.
func secretForms(value string) []string {
	forms := map[string]bool{}
	add := func(list ...string) {
		for _, f := range list {
			forms[f] = true
		}
	}
	bases := append([]string{value}, jsonForms(value)...)
	for _, b := range bases {
		add(b)
		add(jsonForms(b)...) // JSON within JSON
		add(urlForms(b)...)
		add(base64Forms(b)...)
		h := hex.EncodeToString([]byte(b))
		add(h, strings.ToUpper(h))
	}
	add(html.EscapeString(value))
	add(sqlForms(value)...)
	for _, part := range secretsWithin(value) {
		add(secretForms(part)...)
	}
	list := make([]string, 0, len(forms))
	for f := range forms {
		list = append(list, f)
	}
	return list
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

// sqlForms are the ways in which texts are written in SQL.
func sqlForms(s string) []string {
	return []string{
		strings.ReplaceAll(s, "'", "''"), strings.ReplaceAll(s, `"`, `""`), strings.ReplaceAll(s, "'", `\'`),
		strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''"), strings.ReplaceAll(s, `\`, `\\`), escapedSQL.Replace(s),
	}
}

// escapedSQL escapes what MySQL escapes within quotes.
var escapedSQL = strings.NewReplacer(`\`, `\\`, "'", `\'`, `"`, `\"`, "\x00", `\0`, "\n", `\n`, "\r", `\r`, "\x1a", `\Z`)

// urlForms are the ways in which texts are written in URLs and forms.
func urlForms(s string) []string {
	percent := func(keep string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(keep, c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String()
	}
	query := url.QueryEscape(s)
	forms := []string{
		query, url.PathEscape(s), percent("-._~"), percent("-._~!*'()"), percent("-._~!$&'()*+,;="), percent("-._~!$&'()*+,;=:@/"),
		percent("-._*"), strings.ReplaceAll(percent("-._*"), "%20", "+"), url.QueryEscape(query), url.UserPassword("", s).String()[1:],
	}
	for _, f := range forms {
		forms = append(forms, lowerPercent(f))
	}
	return forms
}

// lowerPercent writes the digits of %2F in lower case.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
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
