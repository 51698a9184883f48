package hostlib_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// FuzzJSON decodes, encodes and decodes again: nothing may change, and what is
// taken for JSON must be the same as for the standard library.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, -0, 1e400, null, true, "\ud83d\ude00"]}`, `123456789012345678901234567890`, `[`, `{"a":1,"a":2}`, "\"\xff\"", ` 1 `, `1 2`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := hostlib.DecodeJSON(text)
		if err != nil {
			if syn, ok := err.(*hostlib.SyntaxError); !ok || syn.Line < 1 || syn.Column < 1 {
				t.Fatalf("an error without its place: %v", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q is taken for JSON", text)
		}
		once, err := hostlib.EncodeJSON(v)
		if err != nil {
			t.Fatal(err)
		}
		w, err := hostlib.DecodeJSON(once)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", once, err)
		}
		if twice, _ := hostlib.EncodeJSON(w); !bytes.Equal(once, twice) || !json.Valid(once) {
			t.Fatalf("got %s, then %s", once, twice)
		}
	})
}

// FuzzCSV reads any text as rows: they have the fields that the header has.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a\n\"x\ny\"\n", "a,a\n", "\"", "\xff\n", "\n\n", "a,b\n1\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		next := hostlib.CSVRows(strings.NewReader(text))
		names := 0
		for {
			v, err := next()
			if err == io.EOF {
				return
			}
			if err != nil {
				if !strings.HasPrefix(err.Error(), "the text, line ") {
					t.Fatalf("an error without its line: %v", err)
				}
				return
			}
			row := v.(*hostlib.TextRow).Dict()
			if names == 0 {
				names = len(row.Names)
			}
			if len(row.Names) != names || len(row.Values) != names {
				t.Fatalf("a row of %d fields, %d names", len(row.Values), len(row.Names))
			}
		}
	})
}
