package starscript

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// FuzzValues takes JSON to Starlark, straight and by way of the host library's
// values, and back: all ways give the same, and lose nothing.
func FuzzValues(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, -0, 1e400, null, true, "\ud83d\ude00"], "b": {}}`, `123456789012345678901234567890`, `{"a":1,"a":2}`, `"\u0000\u2028"`, `[[], [{"": [0.1, -1e-7, 1e21]}]]`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := newRun("fuzz", 1<<40)
		host, hostErr := hostlib.DecodeJSON(text)
		straight, err := r.decode(text)
		if (err == nil) != (hostErr == nil) {
			t.Fatalf("%q: as Starlark %v, for the host library %v", text, err, hostErr)
		}
		if err != nil {
			return
		}
		bent, err := r.value(host)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := starlark.EqualDepth(straight, bent, 1000); err != nil || !same {
			t.Fatalf("%q: straight %v, by way of the host library %v (%v)", text, straight, bent, err)
		}
		want, err := hostlib.EncodeJSON(host)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []hostlib.Value{straight, bent, host, hostlib.JSON(text)} {
			if raw, ok := v.(hostlib.JSON); ok {
				if v, err = r.value(raw); err != nil {
					t.Fatal(err)
				}
			}
			data, err := r.Data(v)
			if err != nil {
				t.Fatalf("%q is no data any more: %v", text, err)
			}
			if got, err := hostlib.EncodeJSON(data); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%q: got %s, want %s (%v)", text, got, want, err)
			}
		}
		d, ok := straight.(*starlark.Dict)
		if !ok {
			return
		}
		row, ok, err := r.Row(d, nil)
		if !ok || err != nil {
			t.Fatalf("%q is no row: %v", text, err)
		}
		var into hostlib.Dict
		for range 2 { // with names of its own, and with those that it has by then
			if ok, err := r.RowInto(d, &into); !ok || err != nil || !reflect.DeepEqual(row.Names, into.Names) && len(row.Names) > 0 {
				t.Fatalf("%q: row %v, written into another %v (%v)", text, row, into, err)
			}
		}
		back, err := r.value(&into)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := starlark.EqualDepth(d, back, 1000); err != nil || !same {
			t.Fatalf("%q: %v as a row is %v (%v)", text, d, back, err)
		}
	})
}
