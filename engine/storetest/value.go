package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
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
	{"text", "2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05+02:00"},
	{"text", time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), "2026-01-02 00:00:00.000000"},
	{"text", time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 2*3600)), "2026-01-02 01:04:05.000006"},
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
	{"timestamp", "2026-01-02", time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)},
	{"timestamp", "2026-01-02T03:04:05", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	{"timestamp", "2026-01-02T03:04:05Z", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	{"timestamp", "2026-01-02T03:04:05.123456789Z", time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)},
	{"timestamp", "2026-01-02T03:04:05+02:00", time.Date(2026, 1, 2, 1, 4, 5, 0, time.UTC)},
	{"timestamp", "2026-01-02 03:04:05.5-02:00", time.Date(2026, 1, 2, 5, 4, 5, 500_000_000, time.UTC)},
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
		if reflect.DeepEqual(a, b) { // cmp takes twice as long for each level of lists
			return ""
		}
		return cmp.Diff(a, b)
	}
	if f, ok := got.(float64); ok && f == 0 && math.Signbit(f) {
		return "got a negative zero"
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
			} else if f, want := engine.AsFailure(err), fmt.Sprintf("row 1: column c is of type %s and cannot hold %q: ", c.column, fmt.Sprint(c.value)); f.Code != "db.value" || !strings.HasPrefix(f.Message, want) {
				w.Errorf("%s of %v: got code %s, %q, want it to begin with %q", c.column, c.value, f.Code, f.Message, want)
			}
		}
	}},
	{"columns take and refuse the same, whatever writes it", func(w *world) {
		h := w.hook(w.store)
		type refused struct{}
		nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
		year := func(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }
		cases := []struct {
			column  string
			in, out any
		}{
			{"timestamp", "2026-01-02 03:04", time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)},
			{"integer", 9007199254740991.0, int64(1<<53 - 1)}, {"integer", float64(1 << 53), refused{}}, {"integer", -1e18, refused{}}, {"integer", engine.Decimal("12345000000000001"), int64(12345000000000001)},
			{"timestamp", "2026-02-30T00:00:00Z", refused{}}, {"timestamp", "20260102", refused{}}, {"timestamp", "2026-1-2 10:00:00", refused{}},
			{"timestamp", "0000-00-00 00:00:00", refused{}}, {"timestamp", "2026-05-00", refused{}}, {"timestamp", "0000-01-01", refused{}}, {"timestamp", "", refused{}},
			{"timestamp", int64(20260102), refused{}}, {"timestamp", true, refused{}}, {"timestamp", []byte("2026-01-02"), refused{}}, {"timestamp", year(0), refused{}}, {"timestamp", year(10_000), refused{}},
			{"date", time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC), "2024-02-29"}, {"date", "2026-01-02T10:00:00Z", "2026-01-02"}, {"date", "2026-01-02T01:00:00+02:00", "2026-01-01"},
			{"date", "20240101", refused{}}, {"date", "2024-1-1", refused{}}, {"date", "2024-05-00", refused{}}, {"date", "2024-00-10", refused{}}, {"date", "0000-00-00", refused{}},
			{"date", "2024-02-31", refused{}}, {"date", "", refused{}}, {"date", int64(20240101), refused{}}, {"date", 20240101.0, refused{}}, {"date", []byte("2024-01-01"), refused{}}, {"date", year(0), refused{}},
			{"time", "2026-01-02T12:34:56Z", "12:34:56"}, {"time", time.Date(2026, 1, 2, 12, 34, 56, 0, time.FixedZone("", 3600)), "11:34:56"}, {"time", "12:00:00.1234567", "12:00:00.123456"},
			{"time", "12:00", refused{}}, {"time", "1:2:3", refused{}}, {"time", "24:00:00", refused{}}, {"time", "-01:00:00", refused{}}, {"time", "12:00:60", refused{}},
			{"time", "12:00:00.", refused{}}, {"time", "12:00:00Z", refused{}}, {"time", "2026-01-02", refused{}}, {"time", "", refused{}}, {"time", int64(120000), refused{}},
			{"text", []byte{'a', 0xff}, refused{}}, {"text", "\xff", refused{}}, {"text(3)", []byte("äöü"), "äöü"}, {"text(3)", []byte("four"), refused{}},
			{"text", 1.0, "1"}, {"text", math.Copysign(0, -1), "0"}, {"text", 1e21, "1e21"}, {"text", 1e-7, "0.0000001"}, {"text", -1.5e-15, "-0.0000000000000015"}, {"text", 1e-16, "1e-16"},
			{"text", 999999999999999.0, "999999999999999"}, {"text", 1234567890123456.0, "1.234567890123456e15"}, {"text", -math.MaxFloat64, "-1.7976931348623157e308"},
			{"text", true, "1"}, {"text", int64(-7), "-7"}, {"text", bigInt("18446744073709551615"), "18446744073709551615"}, {"text", engine.Decimal("1.50"), "1.50"},
			{"text(3)", "ab ", "ab "}, {"text(3)", "äb  ", refused{}}, {"text(3)", []byte("ab  "), refused{}}, {"text(3)", "    ", refused{}}, {"text(3)", "abc\t", refused{}},
			{"text(3)", 0.5, "0.5"}, {"text(3)", 0.333, refused{}}, {"text(3)", 123456.0, refused{}}, {"text(3)", int64(1234), refused{}}, {"text(3)", year(2026), refused{}},
			{"bytes", "text", []byte("text")}, {"bytes", 1.0, []byte("1")}, {"bytes", 1e21, []byte("1e21")}, {"bytes", true, []byte("1")}, {"bytes", int64(7), []byte("7")},
			{"bytes", bigInt("18446744073709551615"), []byte("18446744073709551615")}, {"bytes", engine.Decimal("1.50"), []byte("1.50")}, {"bytes", year(2026), []byte("2026-01-01 00:00:00.000000")},
			{"json", "x", refused{}}, {"json", "", refused{}}, {"json", "1.", refused{}}, {"json", "01", refused{}}, {"json", "{'a': 1}", refused{}}, {"json", "[1,]", refused{}}, {"json", "NaN", refused{}}, {"json", "\"\xff\"", refused{}},
			{"json", " 1e3 ", jsonText("1000")}, {"json", "123456789012345678901234567890", jsonText("123456789012345678901234567890")},
			{"json", int64(5), jsonText("5")}, {"json", true, jsonText("true")}, {"json", 1.5, jsonText("1.5")}, {"json", engine.Decimal("1.50"), jsonText("1.5")}, {"json", bigInt("18446744073709551615"), jsonText("18446744073709551615")},
			{"json", []byte("{}"), refused{}}, {"json", year(2026), refused{}}, {"json", "{", refused{}},
			{"json", `"\ud83d"`, refused{}}, {"json", `"\ude00"`, refused{}}, {"json", `["\ud83d\u0041"]`, refused{}}, {"json", `{"\uD83Dx": 1}`, refused{}}, {"json", `"\ud83d\ude00\u0041\n\\ud83d"`, jsonText(`"😀A\n\\ud83d"`)},
			{"json", nested(31), jsonText(nested(31))}, {"json", nested(32), refused{}}, {"json", strings.Repeat(`{"a":`, 32) + "1" + strings.Repeat("}", 32), refused{}}, {"json", `["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]`, jsonText(`["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]`)},
			{"json", "[1e308, -1e-400]", jsonText("[1e308, 0]")}, {"json", "[0, 1e999]", refused{}}, {"json", "-1.8e308", refused{}}, {"json", bigInt(strings.Repeat("9", 400)), refused{}},
			{"float", "1.5", 1.5}, {"float", " -1.5e1 ", -15.0}, {"float", "-0", 0.0}, {"float", math.Copysign(0, -1), 0.0}, {"float", "1e-400", 0.0}, {"float", engine.Decimal("0.1"), 0.1}, {"float", bigInt("18446744073709551616"), 0x1p64}, {"float", true, 1.0},
			{"float", "1e400", refused{}}, {"float", "-1e400", refused{}}, {"float", bigInt(strings.Repeat("9", 400)), refused{}}, {"float", "", refused{}}, {"float", "0x10", refused{}}, {"float", "Inf", refused{}}, {"float", "1.5x", refused{}}, {"float", []byte("1"), refused{}}, {"float", year(2026), refused{}},
		}
		names := map[string]string{}
		cols := []engine.Column{{Name: "id", Type: "integer"}}
		for _, c := range cases {
			if names[c.column] == "" {
				names[c.column] = fmt.Sprint("c", len(names))
				cols = append(cols, engine.Column{Name: names[c.column], Type: c.column, Nullable: true})
			}
		}
		_, err := h.Ensure(w.ctx, "t", cols, []string{"id"})
		w.must(err)
		for name, write := range w.writers(h) {
			w.run(h, "DELETE FROM t")
			for i, c := range cases {
				column := names[c.column]
				err := write(engine.Row{Names: []string{"id", column}, Values: []any{int64(i), c.in}})
				rows := w.query(h, "SELECT "+column+" FROM t WHERE id = ?", int64(i))
				switch {
				case c.out == any(refused{}) && err == nil:
					w.Errorf("%s: %s took %T %v, and gives %v", name, c.column, c.in, c.in, rows)
				case c.out == any(refused{}):
					want := fmt.Sprintf("row 1: column %s is of type %s and cannot hold ", column, c.column)
					if f := engine.AsFailure(err); f.Code != "db.value" || !strings.HasPrefix(f.Message, want) {
						w.Errorf("%s of %s %T %v: got code %s, %q", name, c.column, c.in, c.in, f.Code, f.Message)
					}
				case err != nil:
					w.Errorf("%s of %s %T %v: %v", name, c.column, c.in, c.in, err)
				case len(rows) != 1 || sameValue(c.out, rows[0][0]) != "":
					w.Errorf("%s of %s %T %v: got %v, want %v", name, c.column, c.in, c.in, rows, c.out)
				}
				w.run(h, "DELETE FROM t")
			}
		}
		w.failure("an infinite float by a statement", "db.value", exec(h, w.ctx, "INSERT INTO t (id, "+names["float"]+") VALUES (1, ?)", "1e400"))
	}},
	{"a table of texts and bytes alone takes and refuses the same", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "s", Type: "text", Nullable: true}, {Name: "b", Type: "bytes", Nullable: true}}, nil)
		w.must(err)
		write := func(s, b any) error {
			_, err := h.Insert(w.ctx, "t", source(engine.Row{Names: []string{"s", "b"}, Values: []any{s, b}}))
			return err
		}
		w.must(write(1.0, int64(7)))
		w.must(write([]byte("s"), "b"))
		w.failure("no text", "db.value", write("\xff", nil))
		w.same("rows", `"1" []uint8([55]) / "s" []uint8([98])`, Shown(w.query(h, "SELECT s, b FROM t ORDER BY s")))
	}},
	{"JSON that is nested too deep for a server is the fault of its row", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "c", Type: "json"}}, nil)
		w.must(err)
		nested := func(n int) engine.Row {
			return engine.Row{Names: []string{"c"}, Values: []any{strings.Repeat("[", n) + strings.Repeat("]", n)}}
		}
		g := &given{slice: slice{[]engine.Row{nested(30), nested(5000), nested(30)}}}
		_, err = h.Insert(w.ctx, "t", g)
		w.must(err)
		w.same("given back", 1, g.back)
		w.same("rows", `2`, Shown(w.query(h, "SELECT COUNT(*) FROM t")))
	}},
	{"spaces at the end count, and are not cut", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "text(2)"}, {Name: "name", Type: "text", Nullable: true}}, []string{"id"})
		w.must(err)
		row := func(id any, name string) engine.Row {
			return engine.Row{Names: []string{"id", "name"}, Values: []any{id, name}}
		}
		for name, write := range w.writers(h) {
			w.run(h, "DELETE FROM t")
			w.must(write(row("DE", "one"), row("D ", "two"), row("D", "three")))
			err := write(row("D", "three"), row("DE ", "four"))
			w.failure(name, "db.value", err)
			w.same(name, `row 2: column id is of type text(2) and cannot hold "DE ": it is longer than 2 characters`, engine.AsFailure(err).Message)
			w.same(name, `"D" "three" / "D " "two" / "DE" "one"`, Shown(w.query(h, "SELECT id, name FROM t ORDER BY id")))
		}
		g := &given{slice: *source(row("DE", "five"), row("DE ", "six"), row("FR   ", "seven")).(*slice)}
		got, err := h.Merge(w.ctx, "t", g, percent(100))
		w.must(err)
		want := stats(0, 1, 0)
		want["deleted"] = 2
		w.same("merged", want, got)
		w.same("rejected", 2, g.back)
		w.same("left", `"DE" "five"`, Shown(w.query(h, "SELECT id, name FROM t ORDER BY id")))
	}},
	{"texts and bytes of a key have at most 255 characters", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "texts", []engine.Column{{Name: "k", Type: "text"}}, []string{"k"})
		w.must(err)
		_, err = h.Ensure(w.ctx, "bytes", []engine.Column{{Name: "k", Type: "bytes"}}, []string{"k"})
		w.must(err)
		columns, err := h.Columns(w.ctx, "texts")
		w.must(err)
		w.same("type", "text(255)", columns[0].Type)
		for table, value := range map[string]func(n int) any{
			"texts": func(n int) any { return strings.Repeat("ä", n) },
			"bytes": func(n int) any { return bytes.Repeat([]byte{0xff}, n) },
		} {
			insert := func(v any) error {
				_, err := h.Insert(w.ctx, table, source(engine.Row{Names: []string{"k"}, Values: []any{v}}))
				return err
			}
			write := func(n int) error { return insert(value(n)) }
			w.must(write(255))
			w.failure(table+" of 256", "db.value", write(256))
			w.failure(table+" of more in spaces", "db.value", insert(strings.Repeat("x", 255)+" "))
		}
	}},
	{"a text that tells a point in time is compared as one with one, and as a text with a text", func(w *world) {
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "m", Type: "timestamp", Nullable: true}, {Name: "d", Type: "date", Nullable: true}, {Name: "s", Type: "text", Nullable: true}}, []string{"id"})
		w.must(err)
		at := func(hour, minute int) time.Time { return time.Date(2024, 1, 1, hour, minute, 0, 0, time.UTC) }
		two := "2024-01-01T11:00:00+02:00" // 09:00 in UTC
		row := func(id int64, m time.Time, d, s string) engine.Row {
			return engine.Row{Names: []string{"id", "m", "d", "s"}, Values: []any{id, m, d, s}}
		}
		_, err = h.Insert(w.ctx, "t", source(row(1, at(8, 0), "2023-12-31", two), row(2, at(9, 0), "2024-01-01", "2024-01-01T09:00:00Z"), row(3, at(10, 30), "2024-01-02", "2024-01-01 09:00:00.000000")))
		w.must(err)
		midnight := "2024-01-01T02:00:00+02:00"
		for _, q := range []struct {
			where string
			args  []any
			want  string
		}{
			{"m = ?", []any{two}, "2"}, {"m >= ?", []any{two}, "2 / 3"}, {"t.m <> ?", []any{two}, "1 / 3"}, {"? < m", []any{two}, "3"}, {"m = ?", []any{"2024-01-01T09:00:00Z"}, "2"},
			{"m > ?", []any{"2024-01-01T08:00:00.5Z"}, "2 / 3"}, {"m = ?", []any{"2024-01-01 11:00:00+02:00"}, "2"},
			{"m BETWEEN ? AND ?", []any{two, "2024-01-01T12:00:00+01:30"}, "2 / 3"}, {"m NOT BETWEEN ? AND ?", []any{two, two}, "1 / 3"}, {"m IN (?, ?)", []any{"2024-01-01T00:00:00Z", two}, "2"},
			{"(m > ?) AND s = ?", []any{"2024-01-01T08:30:00+01:00", two}, "1"}, {"COALESCE(m, m) = ?", []any{two}, "2"}, {"(SELECT MAX(m) FROM t) = ? AND id < 3", []any{"2024-01-01T12:30:00+02:00"}, "1 / 2"},
			{"s = ?", []any{two}, "1"}, {"s IN (?, 'x')", []any{two}, "1"}, {"CONCAT(s, '') = ?", []any{"2024-01-01T09:00:00Z"}, "2"}, {"m = ? OR s = ?", []any{two, two}, "1 / 2"},
			{"d = ?", []any{midnight}, "2"}, {"d > ?", []any{two}, "3"}, {"d <= ?", []any{two}, "1 / 2"},
		} {
			got := Shown(w.query(h, "SELECT id FROM t WHERE "+q.where+" ORDER BY id", q.args...))
			if got != q.want {
				w.Errorf("%s with %v: got %q, want %q", q.where, q.args, got, q.want)
			}
		}
		w.same("alone", [][]any{{two, "2024-01-01 09:00:00.000000"}}, w.query(h, "SELECT ?, ?", two, at(9, 0)))
		w.run(h, "UPDATE t SET m = ?, d = ?, s = ? WHERE id = 1 AND m < ?", two, two, two, two)
		w.run(h, "INSERT INTO t VALUES (4, ?, ?, ?)", two, midnight, two)
		w.run(h, "INSERT INTO t (s, id, m) VALUES (?, 5, ?), (?, 6, ?)", two, two, []byte("ÿ"), midnight)
		w.same("written", `1 2024-01-01T09:00:00 "2024-01-01" "`+two+`" / 4 2024-01-01T09:00:00 "2024-01-01" "`+two+`" / 5 2024-01-01T09:00:00 NULL "`+two+`" / 6 2024-01-01T00:00:00 NULL "ÿ"`,
			Shown(w.query(h, "SELECT id, m, d, s FROM t WHERE id NOT IN (2, 3) ORDER BY id")))
		w.run(h, "DELETE FROM t WHERE m = ?", two)
		w.commitWith(h, alone(completed(j)))
		w.same("left", []string{"3", "6"}, w.rows("SELECT id FROM t ORDER BY id"))
	}},
	{"spaces behind a time are none of it", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "m", Type: "timestamp"}, {Name: "d", Type: "date"}}, []string{"id"})
		w.must(err)
		w.run(h, "INSERT INTO t VALUES (1, '2024-01-01 10:00:00 ', '2024-01-01 '), (2, ?, ?)", "2024-01-01 10:00:00  ", "2024-01-01 ")
		w.same("rows", `1 2024-01-01T10:00:00 "2024-01-01" / 2 2024-01-01T10:00:00 "2024-01-01"`, Shown(w.query(h, "SELECT * FROM t ORDER BY id")))
		w.same("found", `2`, Shown(w.query(h, "SELECT COUNT(*) FROM t WHERE m = '2024-01-01 10:00:00' AND d = '2024-01-01'")))
	}},
	{"a scan goes on from a point in time that a checkpoint keeps as text", func(w *world) {
		h := w.hook(w.store)
		o := checkpoint(w.start(job(w.typ("t"))), "p")
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "m", Type: "timestamp"}}, []string{"m"})
		w.must(err)
		for hour := range 4 {
			_, err := h.Insert(w.ctx, "t", source(engine.Row{Names: []string{"m"}, Values: []any{time.Date(2024, 1, 1, hour, 0, 0, 0, time.UTC)}}))
			w.must(err)
		}
		w.commitWith(h, o)
		w.commit(alone(completed(o.Job)))
		got := w.scanned(w.joined(true), "t", engine.Scan{By: []string{"m"}, After: []any{"2024-01-01T03:00:00+02:00"}, Until: []any{"2024-01-01T03:00:00Z"}, Page: 2})
		w.same("rows", "2024-01-01T02:00:00 / 2024-01-01T03:00:00", Shown(got))
	}},
	{"a date of zeros is none, and a part of one is an error", func(w *world) {
		if !w.in.Rows {
			return // it has none
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, d DATE, m DATETIME(6))")
		c, err := w.db.Conn(w.ctx)
		w.must(err)
		for _, q := range []string{"SET SESSION sql_mode = ''",
			"INSERT INTO t VALUES (1, '0000-00-00', '0000-00-00 00:00:00'), (2, '2024-05-00', NULL), (3, NULL, '2024-00-10 01:02:03'), (4, '2024-02-29', '0000-00-00 00:00:01'), (5, '2024-03-01', '2024-03-01 00:00:00.000001')",
			"SET SESSION sql_mode = DEFAULT"} {
			_, err = c.ExecContext(w.ctx, q)
			w.must(err)
		}
		w.must(c.Close())
		h := w.hook(w.store)
		for _, s := range []interface {
			Query(ctx context.Context, query string, args []any) (engine.Rows, error)
		}{h, w.joined(true)} {
			read := func(q string) (string, error) {
				rows, err := s.Query(w.ctx, q, nil)
				w.must(err)
				defer rows.Close()
				var all [][]any
				for {
					row, err := rows.Next(w.ctx)
					if err == io.EOF {
						return Shown(all), nil
					}
					if err != nil {
						return Shown(all), err
					}
					all = append(all, row)
				}
			}
			got, err := read("SELECT id, d, m FROM t WHERE id IN (1, 5) ORDER BY id")
			w.must(err)
			w.same("rows", `1 NULL NULL / 5 "2024-03-01" 2024-03-01T00:00:00.000001`, got)
			for q, want := range map[string]string{
				"SELECT id, d FROM t WHERE id < 3 ORDER BY id":              `column d has "2024-05-00", which is no date`,
				"SELECT id, d, m FROM t WHERE id IN (1, 3) ORDER BY id":     `column m has "2024-00-10 01:02:03.000000", which is no date`,
				"SELECT 1, d, m AS w FROM t WHERE id IN (1, 4) ORDER BY id": `column w has "0000-00-00 00:00:01.000000", which is no date`,
			} {
				got, err := read(q)
				w.failure(q, "db.value", err)
				w.same(q, true, strings.HasPrefix(got, "1 NULL"))
				if !strings.Contains(err.Error(), want) {
					w.Errorf("%s: got %v, want %q in it", q, err, want)
				}
			}
		}
		rows, err := h.Query(w.ctx, "SELECT id, d FROM t WHERE id < 3 ORDER BY id", nil)
		w.must(err)
		w.run(h, "UPDATE t SET m = m WHERE id = 5") // for which the rows are taken off the connection
		first, err := rows.Next(w.ctx)
		w.must(err)
		w.same("first row", []any{int64(1), nil}, first)
		_, err = rows.Next(w.ctx)
		w.failure("second row", "db.value", err)
		rows.Close()
		for _, bad := range []string{"2024-05-00", "0000-00-00"} {
			for name, write := range w.writers(h) {
				w.failure(name+" of "+bad, "db.value", write(engine.Row{Names: []string{"id", "d"}, Values: []any{int64(9), bad}}))
			}
		}
		w.same("found", "1 / 2", Shown(w.query(h, "SELECT id FROM t WHERE d = '0000-00-00' OR d = ? ORDER BY id", "2024-05-00")))
		w.run(h, "UPDATE t SET d = NULL WHERE d = '0000-00-00'")
		w.run(h, "UPDATE t SET d = '2024-05-01' WHERE d = ?", "2024-05-00")
		w.run(h, "DELETE FROM t WHERE m < '2024-01-01'")
		w.same("mended", `2 "2024-05-01" NULL / 5 "2024-03-01" 2024-03-01T00:00:00.000001`, Shown(w.query(h, "SELECT id, d, m FROM t ORDER BY id")))
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
