package hostlib

import (
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/dsengine/dsengine/engine"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// A row group ends when it has so many rows, or so many bytes: it is held in
// memory, packed, until then.
const (
	parquetGroupRows  = 250_000
	parquetGroupBytes = 64 << 20
)

var parquetCodecs = map[string]compress.Codec{"zstd": &parquet.Zstd, "snappy": &parquet.Snappy, "none": &parquet.Uncompressed}

// parquetTarget is a column that is written.
type parquetTarget struct {
	name string
	typ  string // as the script wrote it
	node parquet.Node
	// value makes of a value what the file has; an error says what was wanted.
	value func(Value) (parquet.Value, error)
}

// orderedColumns are a row whose columns keep their order.
type orderedColumns struct {
	parquet.Group
	fields []parquet.Field
}

// Fields are the columns.
func (o *orderedColumns) Fields() []parquet.Field { return o.fields }

// orderedFields are the columns of a group in an order.
func orderedFields(g parquet.Group, names []string) []parquet.Field {
	by := map[string]parquet.Field{}
	for _, f := range g.Fields() {
		by[f.Name()] = f
	}
	fields := make([]parquet.Field, len(names))
	for i, n := range names {
		fields[i] = by[n]
	}
	return fields
}

// writeParquet is parquet.write.
func writeParquet(c *Call, a *Args) (Value, error) {
	it := a.Iterator("rows")
	defer it.Close()
	columns, err := columnsOf(a.Dict("columns"), nil)
	if err != nil {
		return nil, err
	}
	w := &parquetWriter{c: c, codec: parquetCodecs[a.String("compression")]}
	for _, col := range columns {
		t, err := parquetColumnOf(col)
		if err != nil {
			return nil, err
		}
		w.targets, w.names = append(w.targets, t), append(w.names, col.Name)
	}
	if err := checkNames(w.names); err != nil {
		return nil, Errorf("usage", "columns: %v", err)
	}
	return c.writeRows(a.String("path"), false, func(to io.Writer, out *written) error { return w.write(to, it, out) })
}

// parquetWriter writes rows.
type parquetWriter struct {
	c       *Call
	codec   compress.Codec
	targets []*parquetTarget
	names   []string
}

// write writes all rows.
func (w *parquetWriter) write(to io.Writer, it Iterator, out *written) error {
	group := parquet.Group{}
	for _, t := range w.targets {
		group[t.name] = parquet.Optional(t.node)
	}
	schema := parquet.NewSchema("rows", &orderedColumns{group, orderedFields(group, w.names)})
	file := parquet.NewWriter(to, schema, parquet.Compression(w.codec), parquet.CreatedBy("dsengine", "", ""))
	rows := &rowSource{c: w.c, it: it}
	line := make(parquet.Row, len(w.targets))
	held, size := 0, 0
	for {
		row, err := rows.Next(w.c.Context())
		out.skipped = rows.skipped
		if err == io.EOF {
			return file.Close()
		}
		if err != nil {
			return err
		}
		n, err := w.row(line, row, rows.n)
		if err != nil {
			return err
		}
		if _, err := file.WriteRows([]parquet.Row{line}); err != nil {
			return err
		}
		out.rows++
		if held, size = held+1, size+n; held >= parquetGroupRows || size >= parquetGroupBytes {
			if err := file.Flush(); err != nil {
				return err
			}
			held, size = 0, 0
		}
	}
}

// row fills the line with the values of a row, and says how many bytes they have,
// about.
func (w *parquetWriter) row(line parquet.Row, row engine.Row, n int64) (size int, err error) {
	d := Dict{Names: row.Names, Values: row.Values}
	left := len(d.Names)
	for i, t := range w.targets {
		v, ok := d.likely(i, t.name)
		if ok {
			left--
		}
		if v == nil {
			line[i] = parquet.NullValue().Level(0, 0, i)
			continue
		}
		made, err := t.value(v)
		if err != nil {
			return 0, Errorf("usage", "row %d, column %q: %v", n, t.name, err)
		}
		line[i] = made.Level(0, 1, i)
		size += 8
		if k := made.Kind(); k == parquet.ByteArray || k == parquet.FixedLenByteArray {
			size += len(made.ByteArray())
		}
	}
	if left > 0 {
		name := d.other(w.names)
		return 0, Errorf("usage", "row %d has the column %q, which columns does not%s", n, name, Suggest(name, w.names))
	}
	return size, nil
}

// parquetColumnOf is how a column of a type is written.
func parquetColumnOf(col engine.Column) (*parquetTarget, error) {
	name, n, err := engine.ParseColumnType(col.Type)
	if err != nil {
		return nil, err
	}
	t := &parquetTarget{name: col.Name, typ: col.Type}
	switch name {
	case "text":
		t.node = parquet.String()
		t.value = func(v Value) (parquet.Value, error) {
			s, err := csvText(v)
			switch {
			case err != nil || !utf8.ValidString(s):
				return t.wrong(v)
			case len(n) > 0 && utf8.RuneCountInString(s) > n[0]:
				return parquet.Value{}, Errorf("", "got %d characters, wanted at most %d", utf8.RuneCountInString(s), n[0])
			}
			return parquet.ByteArrayValue([]byte(s)), nil
		}
	case "json":
		t.node = parquet.JSON()
		t.value = func(v Value) (parquet.Value, error) {
			s, ok := v.(string)
			if _, err := DecodeJSON([]byte(s)); !ok || err != nil {
				return parquet.Value{}, Errorf("", "got %s, wanted JSON text, as json.encode makes it", shown(v))
			}
			return parquet.ByteArrayValue([]byte(s)), nil
		}
	case "bytes":
		t.node = parquet.Leaf(parquet.ByteArrayType)
		t.value = func(v Value) (parquet.Value, error) {
			switch v := v.(type) {
			case []byte:
				return parquet.ByteArrayValue(v), nil
			case string:
				return parquet.ByteArrayValue([]byte(v)), nil
			}
			return t.wrong(v)
		}
	case "integer":
		t.node = parquet.Leaf(parquet.Int64Type)
		t.value = t.integer
	case "float":
		t.node = parquet.Leaf(parquet.DoubleType)
		t.value = t.float
	case "boolean":
		t.node = parquet.Leaf(parquet.BooleanType)
		t.value = t.boolean
	case "date", "time", "timestamp":
		t.moment(name)
	case "decimal":
		t.decimal(n[0], n[1])
	}
	return t, nil
}

// shown is a value in a message.
func shown(v Value) string {
	s, err := csvText(v)
	if err != nil {
		return "bytes"
	}
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "..."
	}
	return strconv.Quote(s)
}

// wrong is the error about a value that is not of the column's type.
func (t *parquetTarget) wrong(v Value) (parquet.Value, error) {
	return parquet.Value{}, Errorf("", "got %s, wanted %s", shown(v), t.typ)
}

func (t *parquetTarget) integer(v Value) (parquet.Value, error) {
	switch v := v.(type) {
	case int64:
		return parquet.Int64Value(v), nil
	case bool:
		if v {
			return parquet.Int64Value(1), nil
		}
		return parquet.Int64Value(0), nil
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return parquet.Int64Value(n), nil
		}
	case float64:
		if n, ok := asInt(v); ok && math.Abs(v) < 1<<53 {
			return parquet.Int64Value(n), nil
		}
	}
	return t.wrong(v)
}

func (t *parquetTarget) float(v Value) (parquet.Value, error) {
	switch v := v.(type) {
	case float64:
		return parquet.DoubleValue(v), nil
	case int64, *big.Int:
		f, _ := asFloat(v)
		return parquet.DoubleValue(f), nil
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil && finite(f) {
			return parquet.DoubleValue(f), nil
		}
	}
	return t.wrong(v)
}

func (t *parquetTarget) boolean(v Value) (parquet.Value, error) {
	switch v {
	case true, int64(1), "1", "true", "True", "TRUE":
		return parquet.BooleanValue(true), nil
	case false, int64(0), "0", "false", "False", "FALSE":
		return parquet.BooleanValue(false), nil
	}
	return t.wrong(v)
}

// moment is for dates, times of day and timestamps.
func (t *parquetTarget) moment(name string) {
	read := func(v Value) (time.Time, bool) {
		switch v := v.(type) {
		case time.Time:
			return v.UTC(), true
		case string:
			if name == "time" {
				at, err := time.Parse("15:04:05.999999999", strings.TrimSpace(v))
				return at, err == nil
			}
			at, err := parseISO(v, time.UTC)
			return at.UTC(), err == nil
		}
		return time.Time{}, false
	}
	switch name {
	case "date":
		t.node = parquet.Date()
		t.value = func(v Value) (parquet.Value, error) {
			at, ok := read(v)
			if !ok {
				return t.wrong(v)
			}
			days := math.Floor(float64(at.Unix()) / secondsOfDay)
			return parquet.Int32Value(int32(days)), nil
		}
	case "time":
		t.node = parquet.TimeAdjusted(parquet.Microsecond, false)
		t.value = func(v Value) (parquet.Value, error) {
			at, ok := read(v)
			if !ok {
				return t.wrong(v)
			}
			h, m, s := at.Clock()
			return parquet.Int64Value(int64(h*3600+m*60+s)*1e6 + int64(at.Nanosecond())/1000), nil
		}
	default:
		t.node = parquet.Timestamp(parquet.Microsecond)
		t.value = func(v Value) (parquet.Value, error) {
			at, ok := read(v)
			if !ok || at.Year() < -200_000 || at.Year() > 200_000 {
				return t.wrong(v)
			}
			return parquet.Int64Value(at.UnixMicro()), nil
		}
	}
}

// decimal is for decimals, which must fit as they are: nothing is rounded.
func (t *parquetTarget) decimal(precision, scale int) {
	typ, size := parquet.Type(parquet.Int64Type), 0
	switch {
	case precision < 10:
		typ = parquet.Int32Type
	case precision > 18:
		size = int(math.Ceil((float64(precision)*math.Log2(10) + 1) / 8))
		typ = parquet.FixedLenByteArrayType(size)
	}
	t.node = parquet.Decimal(scale, precision, typ)
	t.value = func(v Value) (parquet.Value, error) {
		var d Decimal
		switch v := v.(type) {
		case int64, *big.Int:
			d, _ = exact(v)
		case float64:
			text, _ := canonicalNumber(v)
			d, _ = ParseDecimal(text)
		case string:
			d, _ = ParseDecimal(v)
		}
		if d.d == nil {
			return t.wrong(v)
		}
		shifted := new(apd.Decimal)
		ctx := apd.BaseContext.WithPrecision(2 * maxPlaces)
		cond, err := ctx.Quantize(shifted, d.d, int32(-scale))
		if err != nil || cond.Inexact() {
			return parquet.Value{}, Errorf("", "got %s, which has more than %d digits after the point: round it by decimal.of(x).round(%d)", shown(v), scale, scale)
		}
		if shifted.NumDigits() > int64(precision) {
			return t.wrong(v)
		}
		n := shifted.Coeff.MathBigInt()
		if shifted.Negative {
			n.Neg(n)
		}
		switch {
		case precision < 10:
			return parquet.Int32Value(int32(n.Int64())), nil
		case size == 0:
			return parquet.Int64Value(n.Int64()), nil
		}
		if n.Sign() < 0 {
			n.Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
		}
		return parquet.FixedLenByteArrayValue(n.FillBytes(make([]byte, size))), nil
	}
}
