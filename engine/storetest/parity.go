package storetest

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Shown writes rows as the cases below want them: texts in quotes, columns
// separated by spaces, rows by slashes.
func Shown(rows [][]any) string {
	var b strings.Builder
	for i, row := range rows {
		if i > 0 {
			b.WriteString(" / ")
		}
		for k, v := range row {
			if k > 0 {
				b.WriteByte(' ')
			}
			switch x := v.(type) {
			case nil:
				b.WriteString("NULL")
			case string:
				fmt.Fprintf(&b, "%q", x)
			case int64:
				fmt.Fprint(&b, x)
			case float64:
				fmt.Fprintf(&b, "float(%v)", x)
			case *big.Int:
				fmt.Fprintf(&b, "big(%v)", x)
			case time.Time:
				b.WriteString(x.Format("2006-01-02T15:04:05.999999"))
			default:
				fmt.Fprintf(&b, "%T(%v)", v, v)
			}
		}
	}
	return b.String()
}

// sales are the rows that the statements below are about.
var sales = []struct {
	id                            int64
	net, tax, rate, long, whole   any
	huge, eighteen, quantity, fee any
}{
	{1, "0.10", "0.20", "0.190", "12345678901234567890.0123456789", bigInt("18446744073709551615"), bigInt(strings.Repeat("9", 65)), int64(999999999999999999), int64(3), 0.5},
	{2, "9.99", "0.01", "1.000", "9.5", int64(5), bigInt("-" + strings.Repeat("9", 65)), int64(-999999999999999999), int64(2), 0.25},
	{3, "-10.50", "10.50", "0.005", "-10", int64(-7), int64(0), int64(0), int64(-1), 1.5},
	{4, "9999999999.99", "-0.00", "0.333", "10.0000000001", bigInt("18446744073709551614"), int64(42), int64(123456789012345678), int64(7), 2.0},
	{5, nil, nil, nil, nil, nil, nil, nil, nil, nil},
	{6, "0", "1.5", "2", "9.50", int64(0), int64(1), int64(1), int64(0), 0.0},
}

// fillSales makes the table sale.
func fillSales(w *world, h engine.Session) {
	w.Helper()
	names := []string{"id", "net", "tax", "rate", "long", "whole", "huge", "eighteen", "quantity", "fee"}
	types := []string{"integer", "decimal(12,2)", "decimal(12,2)", "decimal(5,3)", "decimal(30,10)", "decimal(20,0)", "decimal(65,0)", "decimal(18,0)", "integer", "float"}
	for i := range names {
		names[i] = "c_" + names[i] // some are keywords
	}
	names[0] = "id"
	var cols []engine.Column
	for i, n := range names {
		cols = append(cols, engine.Column{Name: n, Type: types[i], Nullable: i > 0})
	}
	_, err := h.Ensure(w.ctx, "sale", cols, []string{"id"})
	w.must(err)
	var rows []engine.Row
	for _, s := range sales {
		rows = append(rows, engine.Row{Names: names, Values: []any{s.id, s.net, s.tax, s.rate, s.long, s.whole, s.huge, s.eighteen, s.quantity, s.fee}})
	}
	_, err = h.Insert(w.ctx, "sale", source(rows...))
	w.must(err)
}

// decimalStatements are queries whose results are the same everywhere.
var decimalStatements = []struct {
	sql  string
	args []any
	want string
}{
	{"SELECT c_net, c_long, c_whole, c_eighteen FROM sale WHERE id = 1", nil, `"0.10" "12345678901234567890.0123456789" big(18446744073709551615) 999999999999999999`},
	{"SELECT SUM(c_net), SUM(c_tax), SUM(c_long), SUM(c_whole), SUM(c_huge), SUM(c_eighteen) FROM sale WHERE id <> 2", nil, `"9999999989.59" "12.20" "12345678901234567899.5123456790" big(36893488147419103222) big(100000000000000000000000000000000000000000000000000000000000000042) 1123456789012345678`},
	{"SELECT SUM(c_net) FROM sale WHERE id > 100", nil, `NULL`},
	{"SELECT AVG(c_net), AVG(c_tax), AVG(c_rate), AVG(c_long) FROM sale", nil, `"1999999999.916000" "2.442000" "0.7056000" "2469135780246913581.80246913580000"`},
	{"SELECT MIN(c_net), MAX(c_net), MIN(c_long), MAX(c_long), MIN(c_whole), MAX(c_whole) FROM sale", nil, `"-10.50" "9999999999.99" "-10.0000000000" "12345678901234567890.0123456789" -7 big(18446744073709551615)`},
	{"SELECT AVG(c_quantity), SUM(c_quantity), MAX(c_quantity), AVG(c_fee) FROM sale", nil, `"2.2000" 11 7 float(0.85)`},
	{"SELECT COALESCE(c_net, 0), COALESCE(c_long, 0), COALESCE(c_net, 0.125), IFNULL(c_net, c_tax) FROM sale WHERE id IN (1, 5) ORDER BY id", nil, `"0.10" "12345678901234567890.0123456789" "0.100" "0.10" / "0.00" "0.0000000000" "0.125" NULL`},
	{"SELECT NULLIF(c_net, 0), NULLIF(c_net, 0.10), NULLIF(c_long, 9.5) FROM sale WHERE id IN (1, 6) ORDER BY id", nil, `"0.10" NULL "12345678901234567890.0123456789" / NULL "0.00" NULL`},
	{"SELECT c_net + c_tax, c_net - c_tax, c_net * c_tax, -c_net, +c_net FROM sale WHERE id < 5 ORDER BY id", nil, `"0.30" "-0.10" "0.0200" "-0.10" "0.10" / "10.00" "9.98" "0.0999" "-9.99" "9.99" / "0.00" "-21.00" "-110.2500" "10.50" "-10.50" / "9999999999.99" "9999999999.99" "0.0000" "-9999999999.99" "9999999999.99"`},
	{"SELECT c_net * c_quantity, c_quantity * c_rate, c_net + 1, c_net * 1.19, 1.5 - c_net FROM sale WHERE id < 4 ORDER BY id", nil, `"0.30" "0.570" "1.10" "0.1190" "1.40" / "19.98" "2.000" "10.99" "11.8881" "-8.49" / "10.50" "-0.005" "-9.50" "-12.4950" "12.00"`},
	{"SELECT c_net / 3, c_net / c_tax, c_rate / c_net, c_long / 7, c_net / 0 FROM sale WHERE id = 2", nil, `"3.330000" "999.000000" "0.1001001" "1.35714285714286" NULL`},
	{"SELECT c_net / c_quantity FROM sale ORDER BY id", nil, `"0.033333" / "4.995000" / "10.500000" / "1428571428.570000" / NULL / NULL`},
	{"SELECT c_quantity / 2, 7 / 2, c_quantity / c_quantity, COUNT(*) / 4 FROM sale WHERE id = 1", nil, `"1.5000" "3.5000" "1.0000" "0.2500"`},
	{"SELECT c_net % 3, MOD(c_net, 4), c_net % 0.04, c_quantity % 2 FROM sale WHERE id = 2", nil, `"0.99" "1.99" "0.03" 0`},
	{"SELECT c_net * c_fee, c_fee + c_net FROM sale WHERE id = 2", nil, `float(2.4975) float(10.24)`},
	{"SELECT ROUND(c_net, 1), ROUND(c_net), ROUND(c_net * c_rate, 2), ROUND(c_long, 3) FROM sale WHERE id < 4 ORDER BY id", nil, `"0.1" 0 "0.02" "12345678901234567890.012" / "10.0" 10 "9.99" "9.500" / "-10.5" -11 "-0.05" "-10.000"`},
	{"SELECT ABS(c_net), ABS(c_long), CEIL(c_net), FLOOR(c_net), CEILING(c_long) FROM sale WHERE id IN (2, 3) ORDER BY id", nil, `"9.99" "9.5000000000" 10 9 10 / "10.50" "10.0000000000" -10 -11 -10`},
	{"SELECT CAST(c_net AS DECIMAL(10,1)), CAST('1.255' AS DECIMAL(10,2)), CAST(c_quantity AS DECIMAL(10,2)), CAST(7 AS DECIMAL(5,0)) FROM sale WHERE id = 2", nil, `"10.0" "1.26" "2.00" 7`},
	{"SELECT CAST(c_net AS CHAR), CONCAT(c_net, ' net'), CONCAT(c_tax, '') FROM sale WHERE id = 3", nil, `"-10.50" "-10.50 net" "10.50"`},
	{"SELECT CASE WHEN c_net > 5 THEN c_net ELSE 0.00 END, CASE WHEN id = 1 THEN c_long END, CASE id WHEN 1 THEN c_rate END FROM sale WHERE id < 3 ORDER BY id", nil, `"0.00" "12345678901234567890.0123456789" "0.190" / "9.99" NULL NULL`},
	{"SELECT SUM(CASE WHEN c_net > 0 THEN c_net * c_quantity ELSE 0 END), SUM(c_net > 0) FROM sale", nil, `"70000000020.21" 3`},
	{"SELECT id FROM sale ORDER BY c_net", nil, `5 / 3 / 6 / 1 / 2 / 4`},
	{"SELECT id FROM sale ORDER BY c_long DESC, id", nil, `1 / 4 / 2 / 6 / 3 / 5`},
	{"SELECT id FROM sale WHERE c_huge IS NOT NULL ORDER BY c_huge", nil, `2 / 3 / 6 / 4 / 1`},
	{"SELECT id FROM sale WHERE c_net IS NOT NULL ORDER BY c_net * c_rate, id", nil, `3 / 6 / 1 / 2 / 4`},
	{"SELECT id FROM sale WHERE c_net = 9.99 OR c_net = '0.1' OR c_net = -10.5 ORDER BY id", nil, `1 / 2 / 3`},
	{"SELECT id FROM sale WHERE c_long > 9.5 ORDER BY id", nil, `1 / 4`},
	{"SELECT id FROM sale WHERE c_long = 9.5 ORDER BY id", nil, `2 / 6`},
	{"SELECT id FROM sale WHERE c_long < 10 ORDER BY id", nil, `2 / 3 / 6`},
	{"SELECT id FROM sale WHERE c_long BETWEEN 9 AND 11 ORDER BY id", nil, `2 / 4 / 6`},
	{"SELECT id FROM sale WHERE c_long IN (9.5, -10) ORDER BY id", nil, `2 / 3 / 6`},
	{"SELECT id FROM sale WHERE c_long = 12345678901234567890.0123456789", nil, `1`},
	{"SELECT id FROM sale WHERE c_whole > 18446744073709551614", nil, `1`},
	{"SELECT id FROM sale WHERE c_whole = ? OR c_net = ? OR c_long = ? ORDER BY id", []any{int64(-7), int64(0), "9.5"}, `2 / 3 / 6`},
	{"SELECT id FROM sale WHERE c_net + c_tax = 0.3", nil, `1`},
	{"SELECT id FROM sale WHERE c_net * 3 = 0.3 OR c_net + c_tax = 10 OR 0 = c_net + c_tax ORDER BY id", nil, `1 / 2 / 3`},
	{"SELECT id FROM sale WHERE c_net + c_tax > c_quantity ORDER BY id", nil, `2 / 3 / 4 / 6`},
	{"SELECT id FROM sale WHERE c_net > (SELECT AVG(c_net) FROM sale)", nil, `4`},
	{"SELECT id FROM sale WHERE 9 < (SELECT SUM(c_tax) FROM sale) AND 100 > (SELECT SUM(c_tax) FROM sale) AND id < 3 ORDER BY id", nil, `1 / 2`},
	{"SELECT id FROM sale WHERE COALESCE(c_long, 0) > 9.4 ORDER BY id", nil, `1 / 2 / 4 / 6`},
	{"SELECT id FROM sale WHERE c_net LIKE '9.99' OR c_tax LIKE '%.50' ORDER BY id", nil, `2 / 3 / 6`},
	{"SELECT c_quantity > 1 AS g, SUM(c_net), COUNT(*) FROM sale WHERE id < 5 GROUP BY c_quantity > 1 HAVING SUM(c_net) > 100 ORDER BY g", nil, `1 "10000000010.08" 3`},
	{"SELECT c_quantity > 1 AS g, SUM(c_net) AS s FROM sale WHERE id < 5 GROUP BY g HAVING s < 100 ORDER BY s", nil, `0 "-10.50"`},
	{"SELECT MAX(c_long) AS m FROM sale HAVING MAX(c_long) > 10 AND MIN(c_long) < -9.5", nil, `"12345678901234567890.0123456789"`},
	{"SELECT id, c_net + c_tax AS s FROM sale WHERE id < 5 ORDER BY s DESC", nil, `4 "9999999999.99" / 2 "10.00" / 1 "0.30" / 3 "0.00"`},
	{"SELECT c_net * 2, COUNT(*) FROM sale WHERE id < 4 GROUP BY c_net * 2 ORDER BY 1", nil, `"-21.00" 1 / "0.20" 1 / "19.98" 1`},
	{"SELECT COUNT(*) FROM sale GROUP BY c_long ORDER BY COUNT(*) DESC, MIN(id)", nil, `2 / 1 / 1 / 1 / 1`},
	{"SELECT COUNT(DISTINCT c_long), COUNT(DISTINCT c_net + c_tax), SUM(DISTINCT c_long) FROM sale WHERE id <> 1", nil, `3 4 "9.5000000001"`},
	{"SELECT s.total, s.total * 2, s.total / 4 FROM (SELECT SUM(c_net) AS total FROM sale WHERE id < 4) s WHERE s.total > -5 AND s.total < 0", nil, `"-0.41" "-0.82" "-0.102500"`},
	{"WITH s AS (SELECT id, c_net * c_rate AS part FROM sale) SELECT SUM(part), MAX(part) FROM s WHERE part < 100", nil, `"9.95650" "9.99000"`},
	{"SELECT a.id, a.c_net - b.c_net FROM sale a JOIN sale b ON a.id = b.id + 1 AND a.c_net <> b.c_net ORDER BY a.id", nil, `2 "9.89" / 3 "-20.49" / 4 "10000000010.49"`},
	{"SELECT id, SUM(c_net) OVER (ORDER BY id), AVG(c_net) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM sale WHERE id < 5 ORDER BY id", nil, `1 "0.10" "0.100000" / 2 "10.09" "5.045000" / 3 "-0.41" "-0.255000" / 4 "9999999999.58" "4999999994.745000"`},
	{"SELECT c_net FROM sale WHERE id = 1 UNION SELECT SUM(c_tax) - 0.10 FROM sale WHERE id = 1 ORDER BY 1", nil, `"0.10"`},
	{"SELECT SUM(c_net) + ?, COALESCE(c_net, ?), ? * c_net FROM sale WHERE id = 1", []any{int64(1), int64(0), int64(3)}, `"1.10" "0.10" "0.30"`},
	{"SELECT 0.1 + 0.2, 1.10 * 2, 10.0 / 4", nil, `"0.3" "2.20" "2.50000"`},
	{"SELECT id FROM sale s WHERE EXISTS (SELECT 1 FROM sale t WHERE t.c_net + t.c_tax = s.c_rate * 10) ORDER BY id", nil, `2`},
}

// fillEvents makes the table event.
func fillEvents(w *world, h engine.Session) {
	w.Helper()
	names := []string{"id", "day", "clock", "at", "done", "big", "data", "doc"}
	types := []string{"integer", "date", "time", "timestamp", "boolean", "integer", "bytes", "json"}
	var cols []engine.Column
	for i, n := range names {
		cols = append(cols, engine.Column{Name: n, Type: types[i], Nullable: i > 0})
	}
	_, err := h.Ensure(w.ctx, "event", cols, []string{"id"})
	w.must(err)
	at := func(s string) time.Time {
		t, err := time.Parse("2006-01-02 15:04:05.999999", s)
		w.must(err)
		return t
	}
	rows := [][]any{
		{int64(1), "2026-01-02", "09:00:00", at("2026-01-02 03:04:05"), true, int64(9007199254740993), []byte("\x00\xff"), `{"a": 1}`},
		{int64(2), at("2026-01-02 23:00:00"), "09:00:00.5", "2026-01-02 03:04:05", false, int64(math.MaxInt64), []byte("a"), `[1, 2]`},
		{int64(3), "1969-12-31", "23:59:59.999999", at("2026-01-02 03:04:05.000001"), int64(1), int64(math.MinInt64), []byte{}, `"x"`},
		{int64(4), nil, nil, nil, nil, nil, nil, nil},
		{int64(5), "2026-03-01", "00:00:00", "2026-03-01", false, int64(-9007199254740993), []byte("b"), `null`},
	}
	source := &slice{}
	for _, r := range rows {
		source.rows = append(source.rows, engine.Row{Names: names, Values: r})
	}
	_, err = h.Insert(w.ctx, "event", source)
	w.must(err)
}

// eventStatements are queries whose results are the same everywhere.
var eventStatements = []struct {
	sql  string
	args []any
	want string
}{
	{"SELECT day, clock, at, done, big, data FROM event ORDER BY id", nil, `"2026-01-02" "09:00:00" 2026-01-02T03:04:05 1 9007199254740993 []uint8([0 255]) / "2026-01-02" "09:00:00.500000" 2026-01-02T03:04:05 0 9223372036854775807 []uint8([97]) / "1969-12-31" "23:59:59.999999" 2026-01-02T03:04:05.000001 1 -9223372036854775808 []uint8([]) / NULL NULL NULL NULL NULL NULL / "2026-03-01" "00:00:00" 2026-03-01T00:00:00 0 -9007199254740993 []uint8([98])`},
	{"SELECT MIN(day), MAX(day), MIN(clock), MAX(clock), MIN(at), MAX(at), MIN(big), MAX(big), MAX(done) FROM event", nil, `"1969-12-31" "2026-03-01" "00:00:00" "23:59:59.999999" 2026-01-02T03:04:05 2026-03-01T00:00:00 -9223372036854775808 9223372036854775807 1`},
	{"SELECT COALESCE(day, '2000-01-01'), COALESCE(clock, '01:02:03') FROM event WHERE id = 4", nil, `"2000-01-01" "01:02:03"`},
	{"SELECT COALESCE(at, (SELECT MAX(at) FROM event)) FROM event WHERE id = 4", nil, `2026-03-01T00:00:00`},
	{"SELECT CASE WHEN id = 1 THEN at END FROM event WHERE id < 3 ORDER BY id", nil, `2026-01-02T03:04:05 / NULL`},
	{"SELECT s.last FROM (SELECT MAX(at) AS last FROM event) s WHERE s.last > '2026-01-01'", nil, `2026-03-01T00:00:00`},
	{"SELECT id FROM event WHERE at = '2026-01-02 03:04:05' ORDER BY id", nil, `1 / 2`},
	{"SELECT id FROM event WHERE at = ? ORDER BY id", []any{"2026-01-02 03:04:05"}, `1 / 2`},
	{"SELECT id FROM event WHERE at = ? OR at = ? ORDER BY id", []any{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}, `1 / 2 / 5`},
	{"SELECT id FROM event WHERE at > '2026-01-02 03:04:05' ORDER BY id", nil, `3 / 5`},
	{"SELECT id FROM event WHERE at >= '2026-01-02 03:04:05.000001' ORDER BY id", nil, `3 / 5`},
	{"SELECT id FROM event WHERE at BETWEEN '2026-01-02' AND '2026-01-02 03:04:05' ORDER BY id", nil, `1 / 2`},
	{"SELECT id FROM event WHERE at IN ('2026-01-02 03:04:05', '2026-03-01') ORDER BY id", nil, `1 / 2 / 5`},
	{"SELECT id FROM event WHERE at = '2026-03-01'", nil, `5`},
	{"SELECT id FROM event WHERE '2026-01-02 03:04:05.0' = at ORDER BY id", nil, `1 / 2`},
	{"SELECT id FROM event WHERE day = '2026-01-02' ORDER BY id", nil, `1 / 2`},
	{"SELECT id FROM event WHERE day = ? ORDER BY id", []any{time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}, `1 / 2`},
	{"SELECT id FROM event WHERE day < ? ORDER BY id", []any{time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)}, `1 / 2 / 3`},
	{"SELECT id FROM event WHERE day >= '1970-01-01' ORDER BY id", nil, `1 / 2 / 5`},
	{"SELECT id FROM event WHERE at >= day ORDER BY id", nil, `1 / 2 / 3 / 5`},
	{"SELECT id FROM event WHERE clock = '09:00:00.500000' OR clock = '00:00:00'", nil, `2 / 5`},
	{"SELECT id FROM event WHERE clock > '09:00:00' ORDER BY clock", nil, `2 / 3`},
	{"SELECT id FROM event WHERE at IS NOT NULL ORDER BY at DESC, id", nil, `5 / 3 / 1 / 2`},
	{"SELECT at, COUNT(*) FROM event GROUP BY at ORDER BY at", nil, `NULL 1 / 2026-01-02T03:04:05 2 / 2026-01-02T03:04:05.000001 1 / 2026-03-01T00:00:00 1`},
	{"SELECT COUNT(DISTINCT at), COUNT(DISTINCT day), COUNT(DISTINCT clock) FROM event", nil, `3 3 4`},
	{"SELECT id FROM event WHERE done ORDER BY id", nil, `1 / 3`},
	{"SELECT id FROM event WHERE done = ? ORDER BY id", []any{true}, `1 / 3`},
	{"SELECT SUM(done), COUNT(done), AVG(done) FROM event", nil, `2 4 "0.5000"`},
	{"SELECT id FROM event WHERE done = FALSE OR done IS NULL ORDER BY id", nil, `2 / 4 / 5`},
	{"SELECT id FROM event WHERE big > 9007199254740992 ORDER BY id", nil, `1 / 2`},
	{"SELECT id FROM event WHERE big = ?", []any{int64(9007199254740993)}, `1`},
	{"SELECT big - 1, big % 10, -big FROM event WHERE id IN (1, 5) ORDER BY id", nil, `9007199254740992 3 -9007199254740993 / -9007199254740994 -3 9007199254740993`},
	{"SELECT SUM(big) FROM event WHERE id <= 5", nil, `-1`},
	{"SELECT SUM(big) FROM event WHERE id IN (1, 2)", nil, `big(9232379236109516800)`},
	{"SELECT SUM(big) FROM event WHERE id IN (3, 5)", nil, `big(-9232379236109516801)`},
	{"SELECT AVG(big) FROM event WHERE id IN (1, 2)", nil, `"4616189618054758400.0000"`},
	{"SELECT id FROM event WHERE data = ?", []any{[]byte("\x00\xff")}, `1`},
	{"SELECT id FROM event WHERE data IS NOT NULL ORDER BY data", nil, `3 / 1 / 2 / 5`},
	{"SELECT MAX(data), MIN(data), HEX(MAX(data)) FROM event", nil, `[]uint8([98]) []uint8([]) "62"`},
	{"SELECT COALESCE(data, ?) FROM event WHERE id > 3 ORDER BY id", []any{[]byte("none")}, `[]uint8([110 111 110 101]) / []uint8([98])`},
	{"SELECT LENGTH(data) FROM event WHERE id < 4 ORDER BY id", nil, `2 / 1 / 0`},
	{"SELECT id FROM event WHERE doc IS NULL", nil, `4`},
}

// statementsAgree runs queries and wants the results that are written here.
func statementsAgree(w *world, h engine.Session, sql string, args []any, want string) {
	w.Helper()
	rows, err := h.Query(w.ctx, sql, args)
	if err != nil {
		w.Errorf("%s: %v", sql, err)
		return
	}
	if got := Shown(w.drain(rows)); got != want {
		w.Errorf("%s\n got %s\nwant %s", sql, got, want)
	}
}

var parityCases = []testCase{
	{"decimals are calculated, compared and ordered exactly", func(w *world) {
		h := w.hook(w.store)
		fillSales(w, h)
		for _, c := range decimalStatements {
			statementsAgree(w, h, c.sql, c.args, c.want)
		}
	}},
	{"dates, times, booleans, long integers and bytes are compared by what they are", func(w *world) {
		h := w.hook(w.store)
		fillEvents(w, h)
		for _, c := range eventStatements {
			statementsAgree(w, h, c.sql, c.args, c.want)
		}
	}},
}
