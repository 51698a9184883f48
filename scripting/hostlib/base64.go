package hostlib

import (
	"encoding/base64"
	"strings"
)

var urlParam = Param{Name: "url", Type: Bool, Default: false, Doc: "the alphabet for URLs: - and _ in place of + and /"}

var base64Module = &Module{
	Name: "base64",
	Doc:  "Bytes as text of 64 letters.",
	Funcs: []*Func{
		{
			Name: "encode", Doc: "Writes bytes, or a string's UTF-8, as base64 text. With url there is no padding.",
			Params:  []Param{{Name: "x", Type: Text, Doc: "a string or bytes"}, urlParam},
			Returns: "string",
			Example: "base64.encode(\"ada:secret\")  # \"YWRhOnNlY3JldA==\"",
			Lua:     "base64.encode(\"ada:secret\")  -- \"YWRhOnNlY3JldA==\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				if a.Bool("url") {
					return base64.RawURLEncoding.EncodeToString(textBytes(a.Value("x"))), nil
				}
				return base64.StdEncoding.EncodeToString(textBytes(a.Value("x"))), nil
			},
		},
		{
			Name: "decode", Doc: "Reads base64 text. Padding may be missing; line ends and spaces are skipped. In Starlark str() makes a string of the bytes.",
			Params:  []Param{{Name: "text", Type: Text, Doc: "base64 text"}, urlParam},
			Returns: "bytes",
			Example: "str(base64.decode(\"YWRhOnNlY3JldA\"))  # \"ada:secret\"",
			Lua:     "base64.decode(\"YWRhOnNlY3JldA\")  -- \"ada:secret\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				text := strings.TrimRight(strings.Join(strings.Fields(string(textBytes(a.Value("text")))), ""), "=")
				enc, other := base64.RawStdEncoding, "-_"
				if a.Bool("url") {
					enc, other = base64.RawURLEncoding, "+/"
				}
				b, err := enc.DecodeString(text)
				if err != nil {
					hint := ""
					if strings.ContainsAny(text, other) {
						hint = "; it has the letters of the other alphabet: see url"
					}
					return nil, Errorf("base64.syntax", "it is no base64 text: %v%s", err, hint)
				}
				return b, nil
			},
		},
	},
}
