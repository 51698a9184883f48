package engine_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/dsengine/dsengine/engine"
)

// hardSecrets are secrets whose encodings differ.
var hardSecrets = []string{
	"hunter22", "s3cr", `wJalrXUt/K7MDENG+bPx=Rfi&"Q`, "k&y/säcret+77", "it's 100%41 €uro; &amp; c:\\new", `p"a\ss/wörd <&> +%`, "ключ-от-всего", "a😀b😀c", "tab\there\nand a second line of it", "0123456789", "\x01\x02\xff\xfe binary",
	"-----BEGIN KEY-----\nMIIEowIBAAKCAQEAxyz+/abc\nq8f7g6h5j4k3l2m1n0==\n-----END KEY-----\n",
}

var percentDigits = regexp.MustCompile(`%..`)

// leaks are texts that hold a secret in one of its encodings, by what they are.
func leaks(secret string) map[string]string {
	quoted, _ := json.Marshal(secret)
	twice, _ := json.Marshal(string(quoted))
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]string{"k": secret})
	m := map[string]string{
		"plain": "token " + secret + ".", "twice": secret + secret, "json": string(quoted), "json in json": string(twice), "json without html": plain.String(),
		"query": "https://x.example/?k=" + url.QueryEscape(secret) + "&l=1", "path": "/a/" + url.PathEscape(secret) + "/b", "query of a query": url.QueryEscape(url.QueryEscape(secret)),
		"lower percent": percentDigits.ReplaceAllStringFunc(url.QueryEscape(secret), strings.ToLower),
		"user":          url.UserPassword("me", secret).String(), "hex": "0x" + hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"quoted": fmt.Sprintf("%q", secret), "html": "<b>" + html.EscapeString(secret) + "</b>",
		"python's path": "/a/" + strings.ReplaceAll(url.PathEscape(secret), "%2F", "/"), "query thrice": url.QueryEscape(url.QueryEscape(url.QueryEscape(secret))),
		"html without quotes": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(secret), "php": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace(secret),
		"numbers": eachRune(secret, "&#%d;"), "hex numbers": eachRune(secret, "&#x%x;"), "HEX numbers": eachRune(secret, "&#X%04X;"), "html in a query": url.QueryEscape(html.EscapeString(secret)),
		"json in an attribute": `<a b="` + html.EscapeString(string(quoted)) + `">`, "query in html in json": fmt.Sprintf("%q", html.EscapeString("?a=1&b="+url.QueryEscape(secret))),
		"latin-1": misread(secret, charmap.ISO8859_1), "windows-1252": misread(secret, charmap.Windows1252), "latin-1 twice": misread(misread(secret, charmap.ISO8859_1), charmap.ISO8859_1),
		"latin-1 in json": fmt.Sprintf("%+q", misread(secret, charmap.ISO8859_1)), "sql": "'" + strings.ReplaceAll(secret, "'", "''") + "'", "csv": `1;"` + strings.ReplaceAll(secret, `"`, `""`) + `";2`,
		"json in base64": base64.StdEncoding.EncodeToString([]byte(`{"token":` + string(quoted) + `}`)),
	}
	for before := range 4 {
		for after := range 4 {
			text := []byte("user:"[:before] + secret + "@zz~"[:after])
			m[fmt.Sprintf("base64 +%d -%d", before, after)] = base64.StdEncoding.EncodeToString(text)
			m[fmt.Sprintf("base64url +%d -%d", before, after)] = base64.RawURLEncoding.EncodeToString(text)
		}
	}
	return m
}

// eachRune writes each letter by its number.
func eachRune(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, format, r)
	}
	return b.String()
}

// misread is UTF-8 that was taken for something else.
func misread(s string, as *charmap.Charmap) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		r := as.DecodeByte(c)
		if r == utf8.RuneError {
			r = rune(c)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// readable says whether a secret can be read from a struck text: by any way in
// which leaks were made.
func readable(text, secret string) bool {
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))} {
		if strings.Contains(text, form) {
			return true
		}
	}
	var s string
	if json.Unmarshal([]byte(text), &s) == nil && strings.Contains(s, secret) {
		return true
	}
	if s, err := url.QueryUnescape(text); err == nil && strings.Contains(s, secret) {
		return true
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(text); err == nil && bytes.Contains(b, []byte(secret)) {
			return true
		}
	}
	return false
}

func TestSecretsAreStruckOutInAllTheirEncodings(t *testing.T) {
	t.Parallel()
	for _, secret := range hardSecrets {
		s := engine.NewSecrets()
		if err := s.Add(secret); err != nil {
			t.Fatal(err)
		}
		for what, text := range leaks(secret) {
			if !s.Holds(text) {
				t.Errorf("%q, %s: not seen in %q", secret, what, text)
			}
			if got := s.Strike(text); readable(got, secret) || !strings.Contains(got, "***") || s.Holds(got) {
				t.Errorf("%q, %s: left %q of %q", secret, what, got, text)
			}
			raw, _ := json.Marshal(map[string]any{text: []any{text, 1, nil}, "n": "x"})
			got := s.StrikeJSON(raw)
			var v map[string]any
			if err := json.Unmarshal(got, &v); err != nil || s.Holds(string(got)) || v["n"] != "x" {
				t.Errorf("%q, %s: JSON became %s: %v", secret, what, got, err)
			}
		}
		for _, text := range []string{"", "abc", "nothing to see here", `{"a":1}`, strings.Repeat("x", 1000), secret[:3]} {
			if got := s.Strike(text); got != text {
				t.Errorf("%q: %q became %q", secret, text, got)
			}
		}
	}
}

// However often a text is encoded, and by what, its secret is found.
func TestSecretsAreFoundInEncodingsOfEncodings(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	encoders := []func(string) string{
		url.QueryEscape, url.PathEscape, html.EscapeString, strconv.Quote, strconv.QuoteToASCII,
		func(s string) string { b, _ := json.Marshal(s); return string(b) },
		func(s string) string { return eachRune(s, "&#%d;") }, // it makes five letters of each
		func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
		func(s string) string { return misread(s, charmap.Windows1252) },
	}
	numbers := 6
	letters := []rune(`ab4é€ß"'\/&%+<; #x?=n😀`)
	for range 2_000 {
		secret := make([]rune, 6+rnd.IntN(12))
		for i := range secret {
			secret[i] = letters[rnd.IntN(len(letters))]
		}
		secret[0], secret[len(secret)-1] = 'k', 'z' // what says something else together with what is around it is another matter
		s := engine.NewSecrets()
		if err := s.Add(string(secret)); err != nil {
			t.Fatal(err)
		}
		text, how := "token="+string(secret)+", and more", []int{}
		for range rnd.IntN(4) {
			if how = append(how, rnd.IntN(len(encoders))); len(how) > 1 && slices.Contains(how, numbers) {
				how = how[:len(how)-1]
				break
			}
			text = encoders[how[len(how)-1]](text)
		}
		if got := s.Strike(text); !s.Holds(text) || s.Holds(got) || strings.Contains(text, "token=") && !strings.Contains(got, "token=***") {
			t.Fatalf("%q, encoded by %v: %q became %q", string(secret), how, text, got)
		}
	}
}

func TestWhatScriptsTakeOutOfASecretIsOneToo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		secret         string
		struck, stands []string
	}{
		{"tok-4f9a8e7d6c5b\n", []string{"tok-4f9a8e7d6c5b"}, nil},
		{" short\t", []string{"short"}, nil},
		{"svc-import\r\nS3cret-pa55wd", []string{"svc-import", "S3cret-pa55wd"}, []string{"S3cret"}},
		{"-----BEGIN PRIVATE KEY-----\nMIIEvQIB\n-----END PRIVATE KEY-----\n", []string{"MIIEvQIB"}, []string{"-----BEGIN PRIVATE KEY-----"}},
		{"the password is wJalrXUtnFEMI/K7MDENG", []string{"wJalrXUtnFEMI/K7MDENG"}, []string{"password"}},
		{
			`{"user":"svc-import","password":"S3cret-jsonpw","auth":{"token_uri":"https://a.example/token","tokens":["Tok3n-one"]},"secret_id":"se\u0063ret-role","url":"db://u:Pa55word@h"}`,
			[]string{"S3cret-jsonpw", "Tok3n-one", "secret-role", "db://u:Pa55word@h"}, []string{"svc-import", "https://a.example/token"},
		},
		{`["Tok3n-one"]`, []string{"Tok3n-one"}, nil},
	} {
		s := engine.NewSecrets()
		if err := s.Add(c.secret); err != nil {
			t.Fatal(err)
		}
		for _, text := range c.struck {
			if got := s.Strike("it is " + text + "."); got != "it is ***." {
				t.Errorf("%q: %q was made %q", c.secret, text, got)
			}
		}
		for _, text := range c.stands {
			if s.Holds(text) {
				t.Errorf("%q: %q is said to be a secret", c.secret, text)
			}
		}
	}
}

func TestStruckJSONStaysJSON(t *testing.T) {
	t.Parallel()
	s := engine.NewSecrets()
	for _, secret := range []string{"null", "true", "1234", `":1,"`, `{"k":"vvvv"}`, "abcdef", "cdefgh"} {
		if err := s.Add(secret); err != nil {
			t.Fatal(err)
		}
	}
	for in, want := range map[string]string{
		`{"a":null,"b":true,"c":"null"}`:  `"***"`, // what a word of JSON's is leaves nothing else
		`[1234]`:                          `["***"]`,
		`{"n":-12345.5e3,"m":12}`:         `{"n":"***","m":12}`,
		`{"abcdef":1, "xabcdefx" : 2}`:    `{"***":1, "x***x2" : 2}`,
		`["abcdefgh"]`:                    `["***"]`, // two that overlap
		`{"k":"vvvv"}`:                    `"***"`,
		`["a\"b","\u0061bcdef","\u00e9"]`: `["a\"b","***","\u00e9"]`,
		`"ok"`:                            `"ok"`,
		`{"x":{"k":"vvvv"},"y":"abcdef"}`: `"***"`,
	} {
		if got := string(s.StrikeJSON(engine.Raw(in))); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	if got := s.StrikeJSON(nil); got != nil {
		t.Errorf("nothing became %s", got)
	}
}

func TestShortSecretsAreRefused(t *testing.T) {
	t.Parallel()
	s := engine.NewSecrets()
	if err := s.Add("abc"); err == nil || s.Holds("abc") {
		t.Errorf("got %v", err)
	}
	var none *engine.Secrets
	if none.Strike("abcd") != "abcd" || none.Holds("abcd") || none.Add("abcd") != nil || string(none.StrikeJSON(engine.Raw("1"))) != "1" {
		t.Error("nil does something")
	}
}

func TestSecretsThatPassAreForgotten(t *testing.T) {
	t.Parallel()
	s := engine.NewSecrets()
	if err := s.Add("stays-for-ever"); err != nil {
		t.Fatal(err)
	}
	passing := func(i int) string { return fmt.Sprintf("signature-%06d", i) }
	const n = 500
	for i := range n {
		for range 2 { // the same one does not count twice
			if err := s.AddPassing(passing(i)); err != nil {
				t.Fatal(err)
			}
		}
		if i >= 199 && i%50 == 0 && (!s.Holds(passing(i)) || !s.Holds(passing(i-199))) {
			t.Errorf("after %d, the last two hundred are not known", i)
		}
	}
	if err := s.AddPassing("stays-for-ever"); err != nil {
		t.Fatal(err)
	}
	if !s.Holds("stays-for-ever") || !s.Holds(passing(n-1)) || s.Holds(passing(0)) {
		t.Errorf("known are %v, %v, %v", s.Holds("stays-for-ever"), s.Holds(passing(n-1)), s.Holds(passing(0)))
	}
	if s.AddPassing("abc") == nil || (*engine.Secrets)(nil).AddPassing("abcdef") != nil {
		t.Error("a short one is taken, or nil takes none")
	}
}

func TestLoggersStrikeSecretsOut(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := engine.NewSecrets()
	log := s.Logger(slog.New(slog.NewTextHandler(&b, nil)))
	if err := s.Add("hunter22"); err != nil {
		t.Fatal(err)
	}
	log.With("w", "hunter22").WithGroup("g").Warn("a hunter22", "s", "hunter22", "e", errors.New("hunter22"), "m", map[string]any{"hunter22": []any{"hunter22", 1}},
		"x", struct{ A string }{"hunter22"}, slog.Group("h", "i", "hunter22"), "r", json.RawMessage(`"hunter22"`), "n", 7)
	if got := b.String(); strings.Contains(got, "hunter22") || strings.Count(got, "***") != 9 || !strings.Contains(got, "g.n=7") {
		t.Errorf("got %s", got)
	}
}

func BenchmarkStrike(b *testing.B) {
	s := engine.NewSecrets()
	for i := range 20 {
		_ = s.Add(fmt.Sprintf("a-token-of-some-length-%d", i))
	}
	text := engine.Raw(`{"id":12345,"name":"Ada Lovelace","email":"ada@example.com","note":"` + strings.Repeat("lorem ipsum ", 20) + `"}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.StrikeJSON(text)
	}
}

// No text takes long: neither one that is all escapes, nor one that begins like secrets.
func BenchmarkStrikeWhatIsHard(b *testing.B) {
	s := engine.NewSecrets()
	for i := range 20 {
		_ = s.Add(fmt.Sprintf("a-token-of-some-length-%d", i))
	}
	for _, secret := range hardSecrets {
		_ = s.Add(secret)
	}
	for _, unit := range []string{`\`, `"`, `\"`, "%25", "%", "&", "&amp;", "&#38;", "Ã", "Ã\u0083Â¤", "é", "Привет ", "a-token-of-", "\xc3", `\u00e4`, `\ud83d`} {
		text := strings.Repeat(unit, 1<<20/len(unit))
		b.Run(unit, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Strike(text)
			}
		})
	}
}

func TestSecretsThatAreUsedAgainAreNotForgotten(t *testing.T) {
	t.Parallel()
	s := engine.NewSecrets()
	token := func(i int) string { return fmt.Sprintf("token-%06d", i) }
	if err := s.Add("for ever"); err != nil {
		t.Fatal(err)
	}
	const least, n = 200, 1000
	for i := range n {
		if err := s.AddPassing(token(i)); err != nil {
			t.Fatal(err)
		}
		if i == 1 { // it turns out to be one of the operator's
			if err := s.Add(token(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.AddPassing(token(-1)); err != nil { // it is in use
			t.Fatal(err)
		}
		if got := s.Strike("now " + token(i) + ", for ever"); got != "now ***, ***" {
			t.Fatalf("%d: %s", i, got)
		}
	}
	for i, want := range map[int]bool{0: false, 1: true, 2: false, n - 1: true, n - least: true, -1: true} {
		if got := s.Holds("x" + token(i)); got != want {
			t.Errorf("%s is known: %v", token(i), got)
		}
	}
	left := 0
	for i := range n {
		if s.Holds(token(i)) {
			left++
		}
	}
	if left > 2*least+1 {
		t.Errorf("%d are known", left)
	}
}

func TestPartsOfSecretsAreStruckOutOfWhatOthersSay(t *testing.T) {
	t.Parallel()
	s := engine.NewSecrets()
	const token = "a-token-of-some-length/with'quotes"
	for _, secret := range []string{token, "abcd"} {
		if err := s.Add(secret); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"Duplicate entry 'a-token-of-so...' for key 't'":     "Duplicate entry '***...' for key 't'",
		"near 'some-length/with\\'quotes' at line 1":         "near '***\\'quotes' at line 1",
		"both -of-some-length/w and a-token-of":              "both *** and ***",
		"all: a-token-of-some-length/with''quotes, and abcd": "all: ***, and ***",
		"abc a-token":    "abc a-token",
		"short":          "short",
		"":               "",
		"é a-token-of é": "é *** é",
	} {
		if got := s.StrikeParts(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	var none *engine.Secrets
	if got := none.StrikeParts("a-token-of"); got != "a-token-of" {
		t.Errorf("without secrets: %q", got)
	}
	if sql := `SET x = 'a-token-of-some-length/with\'quotes'`; !s.Holds(sql) || s.Strike(sql) != "SET x = '***'" {
		t.Errorf("as SQL escapes it: %q", s.Strike(sql))
	}
}
