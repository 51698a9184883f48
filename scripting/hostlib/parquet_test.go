package hostlib_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
)

var parquetCodecs = []compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Brotli, &parquet.Zstd, &parquet.Lz4Raw}

// parquetOf makes a file of rows, by the library that writes them.
func parquetOf[T any](t testing.TB, rows []T, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// parquetColumn makes a file with one column, in an encoding.
func parquetColumn(t testing.TB, node parquet.Node, values []parquet.Value, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewWriter(&b, append(options, parquet.NewSchema("rows", parquet.Group{"v": parquet.Optional(node)}))...)
	for _, v := range values {
		level := 1
		if v.IsNull() {
			level = 0
		}
		if _, err := w.WriteRows([]parquet.Row{{v.Level(0, level, 0)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parquetRows(t testing.TB, file []byte, columns ...string) []hostlib.Value {
	t.Helper()
	next, err := hostlib.ParquetRows(file, columns...)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := rest(next)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// plainValue is a value as cmp can compare it.
func plainValue(v hostlib.Value) any {
	switch v := v.(type) {
	case hostlib.Decimal:
		return "decimal " + v.String()
	case *big.Int:
		return "int " + v.String()
	case *hostlib.Dict:
		m := map[string]any{}
		for i, n := range v.Names {
			m[n] = plainValue(v.Values[i])
		}
		return m
	case []hostlib.Value:
		list := []any{}
		for _, e := range v {
			list = append(list, plainValue(e))
		}
		return list
	case float64:
		if math.IsNaN(v) {
			return "not a number"
		}
	}
	return v
}

// TestParquetValues writes values of each type in each encoding that it has, in
// both versions of pages, with each codec, and reads them.
func TestParquetValues(t *testing.T) {
	t.Parallel()
	bytesOf := func(s string) parquet.Value { return parquet.ByteArrayValue([]byte(s)) }
	fixed := func(b ...byte) parquet.Value { return parquet.FixedLenByteArrayValue(b) }
	at := time.Date(1969, 7, 20, 20, 17, 40, 123456789, time.UTC)
	words := []encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.DeltaLengthByteArray, &parquet.DeltaByteArray}
	ints := []encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.DeltaBinaryPacked, &parquet.ByteStreamSplit}
	floats := []encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.ByteStreamSplit}
	fixeds := []encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.DeltaByteArray, &parquet.ByteStreamSplit}
	for _, c := range []struct {
		name      string
		node      parquet.Node
		encodings []encoding.Encoding
		in        []parquet.Value
		want      []any
	}{
		{"boolean", parquet.Leaf(parquet.BooleanType), []encoding.Encoding{&parquet.Plain, &parquet.RLE}, []parquet.Value{parquet.BooleanValue(true), parquet.BooleanValue(false)}, []any{true, false}},
		{"int32", parquet.Int(32), ints, []parquet.Value{parquet.Int32Value(math.MinInt32), parquet.Int32Value(math.MaxInt32), parquet.Int32Value(-1)}, []any{int64(math.MinInt32), int64(math.MaxInt32), int64(-1)}},
		{"int64", parquet.Leaf(parquet.Int64Type), ints, []parquet.Value{parquet.Int64Value(math.MinInt64), parquet.Int64Value(math.MaxInt64), parquet.Int64Value(7)}, []any{int64(math.MinInt64), int64(math.MaxInt64), int64(7)}},
		{"int8", parquet.Int(8), ints, []parquet.Value{parquet.Int32Value(-128)}, []any{int64(-128)}},
		{"uint8", parquet.Uint(8), ints, []parquet.Value{parquet.Int32Value(255)}, []any{int64(255)}},
		{"uint32", parquet.Uint(32), ints, []parquet.Value{parquet.Int32Value(-1)}, []any{int64(math.MaxUint32)}},
		{"uint64", parquet.Uint(64), ints, []parquet.Value{parquet.Int64Value(-1), parquet.Int64Value(5)}, []any{"int 18446744073709551615", int64(5)}},
		{"float", parquet.Leaf(parquet.FloatType), floats, []parquet.Value{parquet.FloatValue(0.5), parquet.FloatValue(float32(math.Inf(-1)))}, []any{0.5, math.Inf(-1)}},
		{"double", parquet.Leaf(parquet.DoubleType), floats, []parquet.Value{parquet.DoubleValue(0.1), parquet.DoubleValue(math.NaN())}, []any{0.1, "not a number"}},
		{"text", parquet.String(), words, []parquet.Value{bytesOf("größer"), bytesOf(""), bytesOf("größe"), bytesOf(strings.Repeat("x", 5000))}, []any{"größer", "", "größe", strings.Repeat("x", 5000)}},
		{"enum", parquet.Enum(), words, []parquet.Value{bytesOf("A")}, []any{"A"}},
		{"json", parquet.JSON(), words, []parquet.Value{bytesOf(`{"a": 1}`)}, []any{`{"a": 1}`}},
		{"bytes", parquet.Leaf(parquet.ByteArrayType), words, []parquet.Value{bytesOf("\xff\x00")}, []any{[]byte("\xff\x00")}},
		{"fixed", parquet.Leaf(parquet.FixedLenByteArrayType(3)), fixeds, []parquet.Value{fixed(1, 2, 3), fixed(1, 2, 4)}, []any{[]byte{1, 2, 3}, []byte{1, 2, 4}}},
		{"uuid", parquet.UUID(), fixeds, []parquet.Value{fixed(0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0)}, []any{"11223344-5566-7788-99aa-bbccddeeff00"}},
		{"decimal of 32 bits", parquet.Decimal(2, 9, parquet.Int32Type), ints, []parquet.Value{parquet.Int32Value(-1), parquet.Int32Value(123450)}, []any{"decimal -0.01", "decimal 1234.50"}},
		{"decimal of 64 bits", parquet.Decimal(0, 18, parquet.Int64Type), ints, []parquet.Value{parquet.Int64Value(-5)}, []any{int64(-5)}},
		{"decimal of bytes", parquet.Decimal(3, 30, parquet.ByteArrayType), words, []parquet.Value{bytesOf("\xff"), bytesOf("\x01\x00\x00\x00\x00\x00\x00\x00\x00"), bytesOf("")}, []any{"decimal -0.001", "decimal 18446744073709551.616", "decimal 0.000"}},
		{"fixed decimal", parquet.Decimal(0, 38, parquet.FixedLenByteArrayType(16)), fixeds, []parquet.Value{fixed(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), fixed(bytes.Repeat([]byte{255}, 16)...)}, []any{"int 18446744073709551616", int64(-1)}},
		{"date", parquet.Date(), ints, []parquet.Value{parquet.Int32Value(-1), parquet.Int32Value(20000)}, []any{"1969-12-31", "2024-10-04"}},
		{"time of milliseconds", parquet.Time(parquet.Millisecond), ints, []parquet.Value{parquet.Int32Value(86399999)}, []any{"23:59:59.999000"}},
		{"time of microseconds", parquet.Time(parquet.Microsecond), ints, []parquet.Value{parquet.Int64Value(1e6), parquet.Int64Value(1)}, []any{"00:00:01", "00:00:00.000001"}},
		{"time of nanoseconds", parquet.Time(parquet.Nanosecond), ints, []parquet.Value{parquet.Int64Value(1)}, []any{"00:00:00.000000001"}},
		{"timestamp of milliseconds", parquet.Timestamp(parquet.Millisecond), ints, []parquet.Value{parquet.Int64Value(at.UnixMilli())}, []any{at.Truncate(time.Millisecond)}},
		{"timestamp of microseconds", parquet.Timestamp(parquet.Microsecond), ints, []parquet.Value{parquet.Int64Value(at.UnixMicro())}, []any{at.Truncate(time.Microsecond)}},
		{"timestamp of nanoseconds", parquet.Timestamp(parquet.Nanosecond), ints, []parquet.Value{parquet.Int64Value(at.UnixNano())}, []any{at}},
		{"old timestamp", parquet.Leaf(parquet.Int96Type), []encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary}, []parquet.Value{parquet.Int96Value(deprecated.Int96{1000, 0, 2440588})}, []any{time.Unix(0, 1000).UTC()}},
		{"interval", parquet.IntervalNode(), fixeds[:1], []parquet.Value{fixed(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0)}, []any{map[string]any{"months": int64(1), "days": int64(2), "milliseconds": int64(3)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var in []parquet.Value
			var want []any
			for i := range 700 { // so that there are several blocks of differences, runs and packed bits
				in, want = append(in, c.in[i%len(c.in)]), append(want, c.want[i%len(c.in)])
				if i%11 == 3 || i > 300 && i < 340 {
					in, want = append(in, parquet.NullValue()), append(want, nil)
				}
			}
			for i, e := range c.encodings {
				for version := 1; version <= 2; version++ {
					for _, codec := range parquetCodecs {
						if i > 0 && codec != parquetCodecs[(i+version)%len(parquetCodecs)] {
							continue // not all of all
						}
						file := parquetColumn(t, parquet.Encoded(c.node, e), in, parquet.DataPageVersion(version), parquet.Compression(codec), parquet.PageBufferSize(900))
						got := []any{}
						for _, row := range parquetRows(t, file) {
							got = append(got, plainValue(row.(*hostlib.Dict).Values[0]))
						}
						if diff := cmp.Diff(want, got); diff != "" {
							t.Fatalf("%s, version %d, %s: %s", e, version, codec, diff)
						}
					}
				}
			}
		})
	}
}

type parquetInner struct {
	A *int32   `parquet:"a,optional"`
	B []string `parquet:"b,list"`
}

type parquetNested struct {
	ID     int64              `parquet:"id"`
	Tags   []string           `parquet:"tags,list"`
	Plain  []int64            `parquet:"plain"`
	Deep   [][]int64          `parquet:"deep,list"`
	Group  *parquetInner      `parquet:"group,optional"`
	Many   []parquetInner     `parquet:"many,list"`
	Prices map[string]float64 `parquet:"prices"`
	ByID   map[int32]string   `parquet:"by_id"`
}

func TestParquetNested(t *testing.T) {
	t.Parallel()
	seven := int32(7)
	rows := []parquetNested{
		{ID: 1, Tags: []string{"a", "b"}, Plain: []int64{1, 2, 3}, Group: &parquetInner{A: &seven, B: []string{"x"}}, Many: []parquetInner{{}, {A: &seven}, {B: []string{"p", "q"}}},
			Prices: map[string]float64{"eur": 1.5, "usd": 2}, ByID: map[int32]string{-3: "minus three"}},
		{ID: 2},
		{ID: 3, Tags: []string{""}, Group: &parquetInner{}},
	}
	inner := func(a any, b ...any) map[string]any {
		if b == nil {
			b = []any{}
		}
		return map[string]any{"a": a, "b": b}
	}
	none := map[string]any{}
	want := []any{
		map[string]any{"id": int64(1), "tags": []any{"a", "b"}, "plain": []any{int64(1), int64(2), int64(3)}, "deep": []any{}, "group": inner(int64(7), "x"),
			"many": []any{inner(nil), inner(int64(7)), inner(nil, "p", "q")}, "prices": map[string]any{"eur": 1.5, "usd": 2.0}, "by_id": map[string]any{"-3": "minus three"}},
		map[string]any{"id": int64(2), "tags": []any{}, "plain": []any{}, "deep": []any{}, "group": nil, "many": []any{}, "prices": none, "by_id": none},
		map[string]any{"id": int64(3), "tags": []any{""}, "plain": []any{}, "deep": []any{}, "group": inner(nil), "many": []any{}, "prices": none, "by_id": none},
	}
	var many []parquetNested
	var wantMany []any
	for range 200 {
		many, wantMany = append(many, rows...), append(wantMany, want...)
	}
	for version := 1; version <= 2; version++ {
		file := parquetOf(t, many, parquet.DataPageVersion(version), parquet.PageBufferSize(500), parquet.MaxRowsPerRowGroup(250))
		got := []any{}
		for _, row := range parquetRows(t, file) {
			got = append(got, plainValue(row))
		}
		if diff := cmp.Diff(wantMany, got); diff != "" {
			t.Fatalf("version %d: %s", version, diff)
		}
		one := parquetRows(t, file, "many", "id")[1].(*hostlib.Dict)
		if diff := cmp.Diff([]string{"many", "id"}, one.Names); diff != "" || one.Values[1] != int64(2) {
			t.Errorf("some columns: got %v", plainValue(one))
		}
	}
}

func TestParquetScripts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	type row struct {
		ID   int64  `parquet:"Order ID"`
		Name string `parquet:"name"`
	}
	file := string(parquetOf(t, []row{{1, "Ada"}, {2, "Grace"}}))
	w.File("a.parquet", file)
	w.File("a.parquet.gz", packGzip(t, file))
	w.File("a.zip", zipped(t, map[string]string{"in/a.parquet": file}))
	w.File("text.parquet", "id,name\n1,Ada\n2,Grace\n")
	w.File("short.parquet", file[:len(file)-20])
	w.File("empty.parquet", "")
	w.File("bytes.parquet", string(parquetColumn(t, parquet.String(), []parquet.Value{parquet.ByteArrayValue([]byte("a")), parquet.ByteArrayValue([]byte("\xff"))})))
	w.File("in.csv", "id,price,day,at,ok,note\n1,12.30,2026-01-31,2026-01-31T12:00:00.5Z,true,\n2,-0.01,1969-12-31,2026-01-31 13:00,0,größer\n")
	columns := `{"id": "integer", "price": "decimal(10,2)", "day": "date", "at": "timestamp", "ok": "boolean", "note": "text(6)"}`
	for _, c := range []struct{ body, want string }{
		{`return [r["name"] for r in parquet.read("a.parquet")]`, `["Ada","Grace"]`},
		{`return list(parquet.read("a.parquet", columns = ["order_id"], names = "snake"))`, `[{"order_id":1},{"order_id":2}]`},
		{`return [r["name"] for r in parquet.read("a.parquet.gz")]`, `["Ada","Grace"]`},
		{`return [r["name"] for e in files.entries("a.zip") for r in parquet.read(e)]`, `["Ada","Grace"]`},
		{`return [r["name"] for r in parquet.read([files.read("a.parquet", encoding = "bytes")])]`, `["Ada","Grace"]`},
		{`for r in parquet.read("a.parquet"): error("no")`, "no"},
		{`parquet.read("a.parquet", columns = ["nam"])`, `parquet.read: a.parquet has no column "nam" (did you mean "name"?)`},
		{`parquet.read("a.parquet", columns = ["name", "name"])`, `both named "name"`},
		{`parquet.read("text.parquet")`, `parquet.read: text.parquet: it is no Parquet file`},
		{`parquet.read("short.parquet")`, `parquet.read: short.parquet ends too early: it is not complete`},
		{`parquet.read("empty.parquet")`, `parquet.read: empty.parquet: it has 0 bytes, too few for a Parquet file`},
		{`parquet.read("none.parquet")`, `there is no file "none.parquet"`},
		{`list(parquet.read("bytes.parquet"))`, `parquet.read: bytes.parquet, row 2, column "v": the text is not UTF-8: have the column given as bytes by raw = [...]`},
		{`return [len(r["v"]) for r in parquet.read("bytes.parquet", raw = ["v"])]`, `[1,1]`},
		{`return parquet.schema("a.parquet")`, `[{"name":"Order ID","type":"integer","nullable":false,"stored":"INT64 INT64","fields":null},{"name":"name","type":"text","nullable":false,"stored":"BYTE_ARRAY STRING","fields":null}]`},
		{`f = parquet.write("out/b.parquet", csv.read("in.csv", nulls = [""]), columns = ` + columns + ")\nreturn [f.rows, f.skipped, f.path]", `[2,0,"out/b.parquet"]`},
		{`return list(parquet.read("out/b.parquet"))`, `[{"id":1,"price":"12.30","day":"2026-01-31","at":"2026-01-31T12:00:00.5Z","ok":true,"note":null},{"id":2,"price":"-0.01","day":"1969-12-31","at":"2026-01-31T13:00:00Z","ok":false,"note":"größer"}]`},
		{`return {c["name"]: c["type"] for c in parquet.schema("out/b.parquet")}`, `{"id":"integer","price":"decimal(10,2)","day":"date","at":"timestamp","ok":"boolean","note":"text"}`},
		{`db.ensure("t", {c["name"]: c["type"] for c in parquet.schema("out/b.parquet")}, key = ["id"])` + "\n" + `db.insert("t", parquet.read("out/b.parquet"))` + "\n" + `return [db.value("SELECT price FROM t WHERE id = 2"), db.value("SELECT day FROM t WHERE id = 2")]`, `["-0.01","1969-12-31"]`},
		{`parquet.write("out/c.parquet", [{"a": 1}, None, {"a": decimal.of("2.50")}], columns = {"a": "decimal(40,3)"}, compression = "snappy")` + "\n" + `return [str(r["a"]) for r in parquet.read("out/c.parquet")]`, `["1.000","2.500"]`},
		{`parquet.write("out/c.parquet", [{"a": -1}], columns = {"a": "decimal(3,1)"}, compression = "none")` + "\n" + `return [str(r["a"]) for r in parquet.read("out/c.parquet")]`, `["-1.0"]`},
		{`parquet.write("out/d.parquet", [{"a": "x"}], columns = {"a": "integer"})`, `parquet.write: row 1, column "a": got "x", wanted integer`},
		{`parquet.write("out/d.parquet", [{"a": "1.005"}], columns = {"a": "decimal(10,2)"})`, `row 1, column "a": got "1.005", which has more than 2 digits after the point: round it by decimal.of(x).round(2)`},
		{`parquet.write("out/d.parquet", [{"a": 100}], columns = {"a": "decimal(4,2)"})`, `got "100", wanted decimal(4,2)`},
		{`parquet.write("out/d.parquet", [{"a": 1}, {"b": 1}], columns = {"a": "integer"})`, `row 2 has the column "b", which columns does not`},
		{`parquet.write("out/d.parquet", [{"a": "abcdefg"}], columns = {"a": "text(6)"})`, `got 7 characters, wanted at most 6`},
		{`parquet.write("out/d.parquet", [{"a": "{"}], columns = {"a": "json"})`, `got "{", wanted JSON text`},
		{`parquet.write("out/d.parquet", [], columns = {"a": "no"})`, `there is no column type "no"`},
		{`parquet.write("out/d.parquet", iter.map(lambda n: {"a": 1 // n}, [1, 0]), columns = {"a": "integer"})`, "division by zero"},
		{`return files.exists("out/d.parquet")`, "false"},
		{`parquet.write("out/e.parquet", [], columns = {"a": "time", "b": "bytes", "c": "float"})` + "\n" + `return [list(parquet.read("out/e.parquet")), len(parquet.schema("out/e.parquet"))]`, "[[],3]"},
		{`parquet.write("out/f.parquet", [{"a": "23:59:59.000001", "b": b"\xff", "c": 1}], columns = {"a": "time", "b": "bytes", "c": "float"})` + "\n" + `r = list(parquet.read("out/f.parquet"))[0]` + "\n" + `return [r["a"], len(r["b"]), r["c"]]`, `["23:59:59.000001",1,1.0]`},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
	if got := names(t, w.Files+"/out"); got != "b.parquet c.parquet e.parquet f.parquet" {
		t.Errorf("left: %s", got)
	}
}

// TestParquetIsWrittenAsOthersReadIt reads what parquet.write made by the
// library.
func TestParquetIsWrittenAsOthersReadIt(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	got := run(t, w, `parquet.write("a.parquet", [{"z": n, "a": str(n % 3) if n % 5 else None} for n in range(1000)], columns = {"z": "integer", "a": "text"})`)
	if got != "" {
		t.Fatal(got)
	}
	type row struct {
		Z *int64  `parquet:"z,optional"`
		A *string `parquet:"a,optional"`
	}
	rows, err := parquet.ReadFile[row](w.Files + "/a.parquet")
	if err != nil || len(rows) != 1000 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for n, r := range rows {
		if *r.Z != int64(n) || (r.A == nil) != (n%5 == 0) || r.A != nil && *r.A != fmt.Sprint(n%3) {
			t.Fatalf("row %d: got %v %v", n, r.Z, r.A)
		}
	}
}

// TestParquetLies are files that say what is not so: they must neither take
// memory for it, nor end the process.
func TestParquetLies(t *testing.T) {
	t.Parallel()
	type row struct {
		A int64    `parquet:"a"`
		B []string `parquet:"b,list"`
	}
	good := parquetOf(t, []row{{1, []string{"x", "y"}}, {2, nil}}, parquet.DataPageVersion(1), parquet.Compression(&parquet.Uncompressed))
	if n := len(parquetRows(t, good)); n != 2 {
		t.Fatalf("%d rows", n)
	}
	footer := func(b []byte) []byte { // what stands between the magic numbers, as a file
		file := append([]byte("PAR1"), b...)
		return append(binary.LittleEndian.AppendUint32(file, uint32(len(b))), "PAR1"...)
	}
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"a list that is longer than the footer", "parquet.corrupt", footer([]byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07})},
		{"structs in structs", "parquet.corrupt", footer(bytes.Repeat([]byte{0x1c}, 1<<20))},
		{"lists in lists", "parquet.corrupt", footer(bytes.Repeat([]byte{0x19}, 1<<20))},
		{"many empty elements", "parquet.size", footer(append([]byte{0x29, 0xfc, 0x80, 0x89, 0x7a}, make([]byte, 2_000_000)...))},
		{"no schema", "parquet.corrupt", footer([]byte{0})},
		{"a footer longer than the file", "parquet.corrupt", append([]byte("PAR1"), 0xff, 0xff, 0, 0, 'P', 'A', 'R', '1')},
		{"encrypted", "parquet.encrypted", append([]byte("PARE"), 0, 0, 0, 0, 'P', 'A', 'R', 'E')},
	} {
		_, err := hostlib.ParquetRows(c.file)
		if err == nil || hostlib.FailureOf(err).Code != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	// Any byte may be any other: what is read then is rows, or an error with a code.
	for i := range good {
		for _, with := range []byte{0, 1, 0x7f, 0x80, 0xff, good[i] ^ 1, good[i] ^ 0x10} {
			bad := bytes.Clone(good)
			bad[i] = with
			next, err := hostlib.ParquetRows(bad)
			if err == nil {
				for n := 0; err == nil && n < 10_000; n++ {
					_, err = next()
				}
			}
			if err != nil && err != io.EOF && hostlib.FailureOf(err).Code == "" {
				t.Fatalf("byte %d is %#x: an error without a code: %v", i, with, err)
			}
		}
	}
	for n := range good {
		if next, err := hostlib.ParquetRows(good[:n]); err == nil {
			if _, err = rest(next); err == nil {
				t.Fatalf("the first %d of %d bytes are taken for all", n, len(good))
			}
		}
	}
}

// packGzip packs a text.
func packGzip(t testing.TB, text string) string {
	t.Helper()
	b, err := parquet.Gzip.Encode(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// countValues is how many values a value has in it.
func countValues(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += countValues(e)
		}
	case map[string]any:
		for _, e := range v {
			n += countValues(e)
		}
	}
	return n
}

// FuzzParquet reads any bytes as a file. What can be read is the same each time.
func FuzzParquet(f *testing.F) {
	seven := int32(7)
	rows := []parquetNested{{ID: 1, Tags: []string{"a"}, Plain: []int64{1}, Group: &parquetInner{A: &seven}, Prices: map[string]float64{"a": 1}}, {ID: 2}}
	for _, codec := range parquetCodecs {
		f.Add(parquetOf(f, rows, parquet.Compression(codec), parquet.DataPageStatistics(false)))
	}
	for _, e := range []encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.DeltaLengthByteArray, &parquet.DeltaByteArray} {
		f.Add(parquetColumn(f, parquet.Encoded(parquet.String(), e), []parquet.Value{parquet.ByteArrayValue([]byte("abc")), parquet.NullValue(), parquet.ByteArrayValue([]byte("abd"))}))
	}
	for _, e := range []encoding.Encoding{&parquet.RLEDictionary, &parquet.DeltaBinaryPacked, &parquet.ByteStreamSplit} {
		f.Add(parquetColumn(f, parquet.Encoded(parquet.Decimal(2, 18, parquet.Int64Type), e), []parquet.Value{parquet.Int64Value(1), parquet.Int64Value(-500)}, parquet.DataPageVersion(1)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		read := func() (rows []any, err error) {
			next, err := hostlib.ParquetRows(file)
			for n := 0; err == nil && len(rows) < 100 && n < 10_000; {
				var row hostlib.Value
				if row, err = next(); err == nil {
					made := plainValue(row)
					n += countValues(made)
					rows = append(rows, made)
				}
			}
			return rows, err
		}
		rows, err := read()
		if err != nil && err != io.EOF && hostlib.FailureOf(err).Code == "" {
			t.Fatalf("an error without a code: %v", err)
		}
		again, err2 := read()
		if fmt.Sprint(err) != fmt.Sprint(err2) || !reflect.DeepEqual(rows, again) {
			t.Fatalf("first %v, then %v", err, err2)
		}
	})
}
