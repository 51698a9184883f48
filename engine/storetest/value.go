package storetest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dsengine/dsengine/engine"
)

func bigInt(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}

// roundTrips are values that go in, and what comes out of a column: the same on
// every store.
var roundTrips = []struct {
	column  string
	in, out any
}{
	{"integer", int64(0), int64(0)},
	{"integer", int64(math.MaxInt64), int64(math.MaxInt64)},
	{"integer", int64(math.MinInt64), int64(math.MinInt64)},
	{"integer", bigInt("9007199254740993"), int64(9007199254740993)},
	{"integer", true, int64(1)},
	{"integer", nil, nil},
	{"float", 0.1, 0.1},
	{"float", math.Copysign(0, -1), 0.0},
	{"float", 3.0, 3.0},
	{"float", int64(3), 3.0},
	{"float", 1e-300, 1e-300},
	{"float", math.MaxFloat64, math.MaxFloat64},
	{"float", -math.SmallestNonzeroFloat64 * (1 << 52) * 2, -math.SmallestNonzeroFloat64 * (1 << 52) * 2},
	{"float", nil, nil},
	{"decimal(10,2)", "12345678.90", "12345678.90"},
	{"decimal(10,2)", int64(7), "7.00"},
	{"decimal(10,2)", 0.25, "0.25"},
	{"decimal(10,2)", "-0.01", "-0.01"},
	{"decimal(10,0)", "42", int64(42)},
	{"decimal(10,0)", int64(-42), int64(-42)},
	{"decimal(20,0)", bigInt("18446744073709551615"), bigInt("18446744073709551615")},
	{"decimal(20,0)", int64(5), int64(5)},
	{"decimal(30,10)", "12345678901234567890.0123456789", "12345678901234567890.0123456789"},
	{"decimal(30,10)", "1.5", "1.5000000000"},
	{"decimal(65,0)", bigInt("-" + strings.Repeat("9", 65)), bigInt("-" + strings.Repeat("9", 65))},
	{"decimal(10,2)", nil, nil},
	{"text", "", ""},
	{"text", "plain", "plain"},
	{"text", "quotes ' \" ` \\ and \r\n\t\x00\x1a\x7f end ", "quotes ' \" ` \\ and \r\n\t\x00\x1a\x7f end "},
	{"text", "größer 漢字 😀👨‍👩‍👧 \u202e", "größer 漢字 😀👨‍👩‍👧 \u202e"},
	{"text", "12345678901234567890", "12345678901234567890"},
	{"text", "1e5", "1e5"},
	{"text", "2026-01-02 03:04:05", "2026-01-02 03:04:05"},
	{"text", "?; -- $1", "?; -- $1"},
	{"text", strings.Repeat("x", 100_000), strings.Repeat("x", 100_000)},
	{"text", nil, nil},
	{"text(5)", "äöüß😀", "äöüß😀"},
	{"boolean", true, int64(1)},
	{"boolean", false, int64(0)},
	{"boolean", int64(1), int64(1)},
	{"boolean", nil, nil},
	{"date", "2026-02-28", "2026-02-28"},
	{"date", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "2024-02-29"},
	{"date", nil, nil},
	{"time", "12:34:56", "12:34:56"},
	{"time", "00:00:00", "00:00:00"},
	{"time", "23:59:59.5", "23:59:59.500000"},
	{"time", "23:59:59.123456", "23:59:59.123456"},
	{"time", nil, nil},
	{"timestamp", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	{"timestamp", time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)},
	{"timestamp", time.Date(2026, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(2026, 12, 31, 23, 59, 59, 999999000, time.UTC)},
	{"timestamp", time.Date(2026, 7, 1, 12, 0, 0, 0, time.FixedZone("", 2*3600)), time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)},
	{"timestamp", time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC)},
	{"timestamp", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
	{"timestamp", "2026-01-02 03:04:05", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	{"timestamp", nil, nil},
	{"bytes", []byte{}, []byte{}},
	{"bytes", []byte("\x00\x01\xff'\"\\\x1a"), []byte("\x00\x01\xff'\"\\\x1a")},
	{"bytes", allBytes(), allBytes()},
	{"bytes", nil, nil},
	{"json", `{"a": [1, 2.5, "x", null, true, "é😀"]}`, jsonText(`{"a":[1,2.5,"x",null,true,"é😀"]}`)},
	{"json", `"text"`, jsonText(`"text"`)},
	{"json", nil, nil},
}

// jsonText is JSON that may be written in another way.
type jsonText string

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// sameValue compares what came out with what was wanted, types and all.
func sameValue(want, got any) string {
	if j, ok := want.(jsonText); ok {
		s, ok := got.(string)
		if !ok {
			return fmt.Sprintf("want JSON as text, got %T %v", got, got)
		}
		var a, b any
		if json.Unmarshal([]byte(j), &a) != nil || json.Unmarshal([]byte(s), &b) != nil {
			return "no JSON: " + s
		}
		return cmp.Diff(a, b)
	}
	return cmp.Diff(want, got, byValue)
}

var valueCases = []testCase{
	{"values come back as they went in, whatever writes them", func(w *world) {
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		columns := map[string]string{}
		cols := []engine.Column{{Name: "id", Type: "integer"}}
		for _, r := range roundTrips {
			if columns[r.column] == "" {
				name := fmt.Sprint("c", len(columns))
				columns[r.column] = name
				cols = append(cols, engine.Column{Name: name, Type: r.column, Nullable: true})
			}
		}
		_, err := h.Ensure(w.ctx, "t", cols, []string{"id"})
		w.must(err)
		id := []string{"id"}
		ways := []struct {
			name  string
			write func(row engine.Row) (engine.Stats, error)
		}{
			{"insert", func(row engine.Row) (engine.Stats, error) { return h.Insert(w.ctx, "t", source(row)) }},
			{"upsert", func(row engine.Row) (engine.Stats, error) {
				return h.Upsert(w.ctx, "t", source(row), engine.Upsert{Key: id})
			}},
			{"placeholder", func(row engine.Row) (engine.Stats, error) {
				return nil, exec(h, w.ctx, "INSERT INTO t (id, "+row.Names[1]+") VALUES (?, ?)", row.Values...)
			}},
			{"bulk", func(row engine.Row) (engine.Stats, error) { return h.Bulk(w.ctx, "t", source(row), nil) }},
			{"bulk upsert", func(row engine.Row) (engine.Stats, error) {
				return h.Bulk(w.ctx, "t", source(row), &engine.Upsert{Key: id})
			}},
			{"merge", func(row engine.Row) (engine.Stats, error) {
				return h.Merge(w.ctx, "t", source(row), engine.Merge{Key: id, Where: "id = ?", Args: row.Values[:1]})
			}},
		}
		n := len(ways)
		for i, r := range roundTrips {
			c := columns[r.column]
			for k, way := range ways {
				row := engine.Row{Names: []string{"id", c}, Values: []any{int64(n*i + k), r.in}}
				if _, err := way.write(row); err != nil {
					w.Errorf("%s %s %T %.60v: %v", way.name, r.column, r.in, r.in, err)
				}
				for _, again := range []int{1, 4, 5} {
					if got, err := ways[again].write(row); err != nil || got["unchanged"] != 1 {
						w.Errorf("%s of the same %s %T %.60v, after %s: %v, %v", ways[again].name, r.column, r.in, r.in, way.name, got, err)
					}
				}
			}
		}
		w.must(w.store.Commit(w.ctx, h, checkpoint(j, "p")))
		for round, s := range []engine.Session{h, w.hook(w.store)} {
			for i, r := range roundTrips {
				for k, by := range ways {
					rows := w.query(s, "SELECT "+columns[r.column]+" FROM t WHERE id = ?", int64(n*i+k))
					if len(rows) != 1 {
						w.Errorf("%s %T %.60v by %s: %d rows", r.column, r.in, r.in, by.name, len(rows))
						continue
					}
					if d := sameValue(r.out, rows[0][0]); d != "" {
						w.Errorf("%s %T %.60v by %s, session %d (-want +got):\n%.600s", r.column, r.in, r.in, by.name, round, d)
					}
				}
			}
			w.run(s, "UPDATE t SET id = id WHERE id = 0") // from now on it reads in its transaction
			w.same("sum", [][]any{{int64(6)}}, w.query(s, "SELECT SUM(id) FROM t WHERE id < 4"))
			s.Rollback(w.ctx)
		}
	}},
	{"placeholders find what is stored", func(w *world) {
		h := w.hook(w.store)
		for i, r := range roundTrips {
			if _, isJSON := r.out.(jsonText); isJSON || r.in == nil || strings.HasPrefix(r.column, "float") || strings.HasPrefix(r.column, "time") {
				continue // compared in its own way
			}
			table := fmt.Sprint("t", i)
			_, err := h.Ensure(w.ctx, table, []engine.Column{{Name: "c", Type: r.column}}, nil)
			w.must(err)
			_, err = h.Insert(w.ctx, table, source(engine.Row{Names: []string{"c"}, Values: []any{r.in}}))
			w.must(err)
			got := w.query(h, "SELECT COUNT(*) FROM "+table+" WHERE c = ?", r.in)
			if d := cmp.Diff([][]any{{int64(1)}}, got); d != "" {
				w.Errorf("%s %T %.60v is not found:\n%s", r.column, r.in, r.in, d)
			}
		}
	}},
	{"values that a column cannot hold are refused", func(w *world) {
		h := w.hook(w.store)
		for i, c := range []struct {
			column string
			value  any
		}{
			{"integer", bigInt("9223372036854775808")}, {"integer", "no number"}, {"float", "no number"}, {"decimal(5,2)", "1234.5"}, {"decimal(5,2)", "no number"},
			{"decimal(20,0)", bigInt("100000000000000000000")}, {"text(3)", "four"}, {"date", "no date"}, {"date", "2026-02-30"}, {"timestamp", "no time"}, {"json", "{no json"},
		} {
			table := fmt.Sprint("t", i)
			_, err := h.Ensure(w.ctx, table, []engine.Column{{Name: "c", Type: c.column}}, nil)
			w.must(err)
			if _, err = h.Insert(w.ctx, table, source(engine.Row{Names: []string{"c"}, Values: []any{c.value}})); err == nil {
				w.Errorf("%s took %v, and gives %v", c.column, c.value, w.query(h, "SELECT c FROM "+table)[0][0])
			} else if f := engine.AsFailure(err); f.Code != "db.value" && f.Code != "db.constraint" {
				w.Errorf("%s of %v: got code %s, %v", c.column, c.value, f.Code, err)
			} else if want := fmt.Sprintf("row 1: column c is of type %s and cannot hold %q: ", c.column, fmt.Sprint(c.value)); f.Code == "db.value" && !strings.HasPrefix(f.Message, want) {
				w.Errorf("got %q, want it to begin with %q", f.Message, want)
			}
		}
	}},
	{"an error of a row shows the value, cut and without secrets", func(w *world) {
		h := w.store.Begin(engine.SessionOptions{Job: 1, Type: "t", Strike: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }})
		w.Cleanup(func() { h.Close() })
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "n", Type: "integer", Nullable: true}, {Name: "name", Type: "text(20)"}}, []string{"id", "name"})
		w.must(err)
		row := func(id, n, name any) engine.Row {
			return engine.Row{Names: []string{"id", "n", "name"}, Values: []any{id, n, name}}
		}
		write := map[string]func(...engine.Row) error{
			"insert": func(rows ...engine.Row) error { _, err := h.Insert(w.ctx, "t", source(rows...)); return err },
			"bulk":   func(rows ...engine.Row) error { _, err := h.Bulk(w.ctx, "t", source(rows...), nil); return err },
		}
		for name, insert := range write {
			err = insert(row(int64(1), nil, "a"), row(int64(2), strings.Repeat("x", 55)+"hunter2 and more", "b"))
			w.failure(name+" of a long text", "db.value", err)
			want := "row 2: column n is of type integer and cannot hold \"" + strings.Repeat("x", 55) + "*** a\"... (67 characters): "
			if got := engine.AsFailure(err).Message; !strings.HasPrefix(got, want) {
				w.Errorf("%s: got %q, want %q", name, got, want)
			}
			err = insert(row(int64(1), nil, "a"), row(int64(1), nil, "b"), row(int64(1), nil, "a"))
			w.failure(name+" of a key that is there", "db.duplicate", err)
			if got := engine.AsFailure(err).Message; !strings.HasPrefix(got, "row 3: ") || !strings.Contains(got, "1-a") && !strings.Contains(got, `id = 1, name = "a"`) {
				w.Errorf("%s: got %q, without the values of the key", name, got)
			}
		}
	}},
	{"expressions have plain values", func(w *world) {
		h := w.hook(w.store)
		w.same("values", [][]any{{int64(3), "text", nil, int64(0)}}, w.query(h, "SELECT 1 + 2, 'text', NULL, 1 > 2"))
		w.same("arguments", [][]any{{int64(5), "é", nil}}, w.query(h, "SELECT ?, ?, ?", int64(5), "é", nil))
	}},
}
