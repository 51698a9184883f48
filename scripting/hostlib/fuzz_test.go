package hostlib_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
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

// rest reads until the end, or an error.
func rest[V any](next func() (V, error)) ([]V, error) {
	var list []V
	for {
		v, err := next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
}

// FuzzCSV reads any text as rows: they have the fields that the header has, and
// are those that encoding/csv finds. With bad rows set aside it comes to the end,
// and leaves out nothing.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "a\n\"x\ny\"\n", "a,a\n", "\"", "\xff\n", "\n\n", "a,b\n1\n", "a\r\n\"x\r\n\"\r", "a\n\"\"\"\"\n", "a\n\"x\"y\n",
		"a,b\n1,\"x\n2,\"y\"\n", "a,b\n\"\xff\n\",2\n", "a\n\"\n\"\"\n\"\"\n", "\xff\xfea\x00\n\x00", "\xff\xfea\x00\n\x00\x00\xd8\n\x00\x00", "a\rb\n", "a,b\r1,2\r", "a,b\n\"1\n\n2\",\"\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := rest(hostlib.CSVRows(strings.NewReader(text), true, nil))
		if err != nil && !strings.HasPrefix(err.Error(), "the text, line ") {
			if !strings.Contains(err.Error(), "UTF-16") && !strings.Contains(err.Error(), "gzip") {
				t.Fatalf("an error without its line: %v", err)
			}
			return
		}
		for _, v := range rows {
			first, row := rows[0].(*hostlib.TextRow).Dict(), v.(*hostlib.TextRow).Dict()
			if len(row.Names) != len(first.Names) || len(row.Values) != len(first.Names) {
				t.Fatalf("a row of %d fields, %d names", len(row.Values), len(row.Names))
			}
		}

		lists, err := rest(hostlib.CSVRows(strings.NewReader(text), false, nil))
		wide := strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff")
		if single := strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), "\r"); !wide && !single { // what encoding/csv takes for lines
			r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
			want, wantErr := r.ReadAll()
			if utf8.ValidString(text) && (err == nil) != (wantErr == nil) {
				t.Fatalf("got %v, encoding/csv says %v", err, wantErr)
			}
			if err == nil && wantErr == nil {
				got := [][]string{}
				for _, v := range lists {
					var fields []string
					for _, f := range v.([]hostlib.Value) {
						fields = append(fields, strings.ReplaceAll(f.(string), "\r\n", "\n")) // as encoding/csv does
					}
					got = append(got, fields)
				}
				if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
					t.Fatalf("got %q, encoding/csv %q", got, want)
				}
			}
		}

		var last int64
		bad := 0
		kept, keptErr := rest(hostlib.CSVRows(strings.NewReader(text), false, func(_ hostlib.Value, _ *engine.Failure, _ string, line int64) error {
			if line <= last {
				t.Fatalf("line %d comes after line %d", line, last)
			}
			last = line
			bad++
			return nil
		}))
		switch {
		case keptErr != nil && strings.Contains(keptErr.Error(), "UTF-16"):
		case keptErr != nil:
			t.Fatalf("bad rows are set aside, and yet: %v", keptErr)
		case err == nil && (bad > 0 || len(kept) != len(lists)):
			t.Fatalf("no row is bad: %d were set aside, got %d of %d", bad, len(kept), len(lists))
		case err != nil && bad == 0:
			t.Fatalf("nothing was set aside, and yet: %v", err)
		}
	})
}

// FuzzCSVWrite writes rows and reads them again: they are the same.
func FuzzCSVWrite(f *testing.F) {
	f.Add("a", "b", "1", "2", ",")
	f.Add("a b", "\"", "x\ny", "\r\n", ";")
	f.Add(" a", "b ", "", "\t", "\t")
	f.Add("é", "\ufeff", "\xff", "#", "é")
	f.Add("a", "b", "\r", "x\r", "\u2028")
	f.Fuzz(func(t *testing.T, a, b, c, d, sep string) {
		text, err := hostlib.CSVText([]string{a, b}, [][]string{{c, d}, {d, c}, {"", ""}}, sep)
		if err != nil || strings.HasPrefix(a, "\ufeff") {
			return
		}
		got, err := hostlib.CSVLists(text, sep)
		if !utf8.ValidString(strings.Join([]string{a, b, c, d}, " ")) {
			return // it is refused, unless the whole happens to be UTF-8
		}
		if err != nil {
			t.Fatalf("%q cannot be read: %v", text, err)
		}
		want := [][]string{{a, b}, {c, d}, {d, c}, {"", ""}}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("wrote %q, got %q, want %q", text, got, want)
		}
		one, err := hostlib.CSVText([]string{"n"}, [][]string{{a}, {""}, {b}}, sep)
		if err != nil {
			t.Fatal(err)
		}
		if got, err = hostlib.CSVLists(one, sep); err != nil || len(got) != 4 || got[1][0] != want[0][0] || got[2][0] != "" || got[3][0] != want[0][1] {
			t.Fatalf("wrote %q, got %q (%v)", one, got, err)
		}
	})
}

// FuzzJSONStream reads elements of any text: those that the whole has.
func FuzzJSONStream(f *testing.F) {
	for _, s := range []string{`{"items": [1, {"a": [2]}]}`, `{"items": {"a": 1, "b": 2}}`, `[1]`, `{"items": [1], "items": [2]}`, `{"a": {"items": [1]}, "items": [`, `{"items": []} x`} {
		f.Add(s, "$.items[*]")
	}
	f.Add(`[[1, 2], [3]]`, "$[*][0]")
	f.Fuzz(func(t *testing.T, text, path string) {
		next, err := hostlib.JSONElements(text, path)
		if err != nil {
			return
		}
		elements, err := rest(next)
		if err != nil || path != "$.items[*]" {
			return
		}
		whole, err := hostlib.DecodeJSON([]byte(strings.TrimPrefix(text, "\ufeff")))
		if err != nil {
			if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") || strings.Contains(err.Error(), "nested") {
				return // UTF-16; a value beside the path is not looked into
			}
			if strings.Contains(err.Error(), "too large") || strings.Contains(err.Error(), "digits") {
				return
			}
			t.Fatalf("elements of what is no JSON: %v", err)
		}
		items, _ := whole.(*hostlib.Dict).Get("items")
		list, ok := items.([]hostlib.Value)
		if d, isDict := items.(*hostlib.Dict); isDict {
			list, ok = d.Values, true
		}
		if !ok || len(list) != len(elements) {
			t.Fatalf("got %d elements of %v", len(elements), items)
		}
		got, err := hostlib.EncodeJSON(elements)
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := hostlib.EncodeJSON(list); len(list) > 0 && !bytes.Equal(got, want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

// FuzzXML reads any text: what a stream gives is what the whole document has.
func FuzzXML(f *testing.F) {
	for _, s := range []string{feed, "<a><b/></a>", "<a", "<a></b>", "<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d '&b;&#38;amp;'>]><a e='&d;'><b>&b;</b></a>", "<?xml version='1.0' encoding='latin1'?><a>\xe9</a>", "<a xmlns='u' xmlns:b='v'><b:c b:d='1'/></a>", "<a/>x", "<a><![CDATA[x]]>y<!-- z --></a>"} {
		f.Add(s, "//b")
	}
	f.Add(feed, "rss/channel/item[@id='1']/title")
	f.Add(feed, "//item[2]/@*")
	f.Add(feed, "//item")
	f.Add(feed, "//*//item[@id]")
	f.Add("<a><a><b><a/><c/></b></a><c/></a>", "//a//*/c")
	f.Fuzz(func(t *testing.T, text, path string) {
		root, err := hostlib.XMLDocument(text)
		next, pathErr := hostlib.XMLElements(text, path)
		if err != nil {
			if pathErr == nil {
				if _, streamErr := rest(next); streamErr == nil {
					t.Fatalf("a stream took what no document is: %v", err)
				}
			}
			return
		}
		hostlib.XMLDict(root)
		if _, err := hostlib.XMLFind(root, path); err != nil {
			return
		}
		if pathErr != nil {
			return
		}
		streamed, err := rest(next)
		if err != nil && !strings.Contains(err.Error(), "there is nothing at") {
			t.Fatalf("a document, but no stream: %v", err)
		}
		want := hostlib.XMLOutermost(root, path)
		if len(streamed) != len(want) {
			t.Fatalf("streamed %d elements, the document has %d", len(streamed), len(want))
		}
		for i, e := range streamed {
			if hostlib.XMLText(e) != hostlib.XMLText(want[i]) || !reflect.DeepEqual(hostlib.XMLDict(e), hostlib.XMLDict(want[i])) {
				t.Fatalf("streamed %q, the document has %q", hostlib.XMLText(e), hostlib.XMLText(want[i]))
			}
		}
	})
}
