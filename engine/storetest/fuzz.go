package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
)

// fuzzed are the values that FuzzValues writes: in is made of what the fuzzer
// gives, out is what must come back. ok says that a column must take it.
var fuzzed = []struct {
	column string
	value  func(f fuzz) (in, out any, ok bool)
}{
	{"text", func(f fuzz) (any, any, bool) { return f.text, f.text, utf8.ValidString(f.text) }},
	{"integer", func(f fuzz) (any, any, bool) { return f.n, f.n, true }},
	{"float", func(f fuzz) (any, any, bool) {
		// Numbers that are almost zero are not told apart everywhere.
		return f.x, f.x + 0, !math.IsNaN(f.x) && !math.IsInf(f.x, 0) && (f.x == 0 || math.Abs(f.x) >= 0x1p-1022)
	}},
	{"decimal(30,10)", func(f fuzz) (any, any, bool) { return f.n, fmt.Sprintf("%d.0000000000", f.n), true }},
	{"decimal(65,0)", func(f fuzz) (any, any, bool) {
		n := new(big.Int).SetBytes(f.data[:min(len(f.data), 26)]) // 63 digits
		if f.n < 0 {
			n.Neg(n)
		}
		if n.IsInt64() {
			return n, n.Int64(), true
		}
		return n, n, true
	}},
	{"boolean", func(f fuzz) (any, any, bool) { return f.n&1 == 1, f.n & 1, true }},
	{"date", func(f fuzz) (any, any, bool) {
		s := f.time().Format(time.DateOnly)
		return s, s, true
	}},
	{"timestamp", func(f fuzz) (any, any, bool) { return f.time(), f.time().Truncate(time.Microsecond), true }},
	{"bytes", func(f fuzz) (any, any, bool) {
		b := append([]byte{}, f.data...) // not nil, which is None
		return b, b, true
	}},
	{"json", func(f fuzz) (any, any, bool) {
		text, err := json.Marshal(map[string]any{"text": f.text, "n": f.n % (1 << 50), "list": []any{nil, true, f.text}})
		return string(text), jsonText(text), err == nil && utf8.ValidString(f.text)
	}},
}

// fuzz is what the fuzzer gives.
type fuzz struct {
	text string
	data []byte
	n    int64
	x    float64
}

// time is a point in time that all databases have.
func (f fuzz) time() time.Time {
	first, last := time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	seconds := last.Unix() - first.Unix()
	return first.Add(time.Duration(uint64(f.n)%1_000_000_000)).AddDate(0, 0, int(uint64(f.n)%uint64(seconds/86400)))
}

// FuzzValues writes values of all kinds in all ways: they come back as they went
// in, or all ways refuse them, and the session goes on. open gives a database.
func FuzzValues(f *testing.F, open func(t testing.TB) Instance) {
	for _, s := range []fuzz{
		{"plain", []byte("bytes"), 7, 1.5}, {"", nil, 0, 0}, {"\\N\t\n\r\x00\x1a'\"`", []byte("\x00\xff\\'\t\n"), math.MinInt64, math.MaxFloat64},
		{"größer 😀 \u202e", bytes.Repeat([]byte{0xff}, 30), math.MaxInt64, -0x1p-1022}, {"\xff\xfe", []byte{0}, -1, math.Inf(1)}, {" end ", []byte(" "), 1 << 53, 0.1},
	} {
		for kind := range fuzzed {
			f.Add(uint8(kind), s.text, s.data, s.n, s.x)
		}
	}
	ctx := context.Background()
	s := open(f).Connect(f, false).Begin(engine.SessionOptions{})
	f.Cleanup(s.Close)
	columns := []engine.Column{{Name: "id", Type: "integer"}}
	for i, k := range fuzzed {
		columns = append(columns, engine.Column{Name: fmt.Sprint("c", i), Type: k.column, Nullable: true})
	}
	if _, err := s.Ensure(ctx, "t", columns, []string{"id"}); err != nil {
		f.Fatal(err)
	}
	if err := s.CommitOwn(ctx); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string, data []byte, n int64, x float64) {
		defer s.Rollback(ctx)
		k := int(kind) % len(fuzzed)
		column := fmt.Sprint("c", k)
		in, out, must := fuzzed[k].value(fuzz{text, data, n, x})
		for i, way := range []struct {
			name  string
			write func(engine.RowSource) (engine.Stats, error)
		}{
			{"insert", func(r engine.RowSource) (engine.Stats, error) { return s.Insert(ctx, "t", r) }},
			{"upsert", func(r engine.RowSource) (engine.Stats, error) {
				return s.Upsert(ctx, "t", r, engine.Upsert{Key: []string{"id"}})
			}},
			{"bulk", func(r engine.RowSource) (engine.Stats, error) { return s.Bulk(ctx, "t", r, nil) }},
		} {
			_, err := way.write(source(engine.Row{Names: []string{"id", column}, Values: []any{int64(i), in}}))
			switch {
			case err != nil && must:
				t.Fatalf("%s of %T %.200q into %s: %v", way.name, in, fmt.Sprint(in), fuzzed[k].column, err)
			case err != nil:
				if f := engine.AsFailure(err); f.Code == "" {
					t.Fatalf("%s of %T %.200q: an error without a code: %v", way.name, in, fmt.Sprint(in), err)
				}
				continue
			}
			rows, err := s.Query(ctx, "SELECT "+column+" FROM t WHERE id = ?", []any{int64(i)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := rows.Next(ctx)
			if err != nil {
				t.Fatalf("%s of %T %.200q: the row is not there: %v", way.name, in, fmt.Sprint(in), err)
			}
			if d := sameValue(out, got[0]); must && d != "" {
				t.Fatalf("%s of %T %.200q into %s (-want +got):\n%s", way.name, in, fmt.Sprint(in), fuzzed[k].column, d)
			}
			if _, err := rows.Next(ctx); err != io.EOF {
				t.Fatalf("a second row: %v", err)
			}
			rows.Close()
		}
	})
}
