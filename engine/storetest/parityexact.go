package storetest

import (
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// exact are decimals as values for placeholders.
func exact(list ...string) (args []any) {
	for _, d := range list {
		args = append(args, engine.Decimal(d))
	}
	return args
}

// exactStatements are queries that are given decimals, and integers of any size;
// their results are the same everywhere.
var exactStatements = []struct {
	sql  string
	args []any
	want string
}{
	{"SELECT ?, ?, ?, -?", exact("12.30", "-5", "0.000000000000000000000000000001", "0.50"), `"12.30" -5 "0.000000000000000000000000000001" "-0.50"`},
	{"SELECT ?, ? + 1", []any{bigInt("18446744073709551616"), bigInt("-9223372036854775809")}, `big(18446744073709551616) -9223372036854775808`},
	{"SELECT c_net + ?, c_long + ?, ? - c_tax, c_quantity * ?, c_long - ? FROM sale WHERE id = 1", exact("0.20", "0.0000000001", "1", "1.5", "12345678901234567890.0123456788"), `"0.30" "12345678901234567890.0123456790" "0.80" "4.5" "0.0000000001"`},
	{"SELECT c_whole - ?, c_huge - ?, c_huge + 0 FROM sale WHERE id = 1", []any{bigInt("18446744073709551614"), bigInt(strings.Repeat("9", 64) + "8")}, `1 1 big(` + strings.Repeat("9", 65) + `)`},
	{"SELECT ? / 3, 7 / ?, c_net / ?, ? % 0.7 FROM sale WHERE id = 2", exact("2.50", "0.30", "3.00", "2.05"), `"0.833333" "23.3333" "3.330000" "0.65"`},
	{"SELECT ROUND(?, 1), ABS(?), CEIL(?), COALESCE(c_net, ?), NULLIF(?, 0.5), CONCAT(?, ' net') FROM sale WHERE id = 5", exact("2.25", "-3.10", "1.5", "0.125", "0.50", "7.10"), `"2.3" "3.10" 2 "0.125" NULL "7.10 net"`},
	{"SELECT SUM(c_net * ?), SUM(CASE WHEN c_net > ? THEN ? ELSE c_tax END) FROM sale WHERE id < 4", exact("1.190", "5", "0.001"), `"-0.48790" "10.701"`},
	{"SELECT c_fee * ?, ? + c_fee FROM sale WHERE id = 2", exact("0.5", "1.25"), `float(0.125) float(1.5)`},
	{"SELECT id FROM sale WHERE c_net + ? = ?", exact("0.20", "0.30"), `1`},
	{"SELECT id FROM sale WHERE ? = c_net + c_tax OR c_net * ? = ? ORDER BY id", exact("10.00", "3", "0.3"), `1 / 2`},
	{"SELECT id FROM sale WHERE c_long + ? = ?", exact("0.0000000001", "12345678901234567890.0123456790"), `1`},
	{"SELECT id FROM sale WHERE c_long = ?", exact("12345678901234567890.0123456789"), `1`},
	{"SELECT id FROM sale WHERE c_long > ? AND c_long < ?", exact("12345678901234567890.0123456788", "12345678901234567890.012345678900001"), `1`},
	{"SELECT id FROM sale WHERE c_long > ? ORDER BY id", exact("12345678901234567890.0123456789"), ``},
	{"SELECT id FROM sale WHERE c_net = ? OR c_long = ? OR c_whole = ? OR c_quantity = ? ORDER BY id", exact("9.990", "-10", "18446744073709551614", "3.0"), `1 / 2 / 3 / 4`},
	{"SELECT id FROM sale WHERE c_net BETWEEN ? AND ? OR c_long BETWEEN ? AND ? ORDER BY id", exact("0.05", "9.99", "12345678901234567890.0123456788", "12345678901234567890.0123456789"), `1 / 2`},
	{"SELECT id FROM sale WHERE c_net IN (?, ?) OR c_long IN (?, 7) OR ? IN (c_tax, c_rate) ORDER BY id", exact("-10.5", "3", "9.5", "1"), `2 / 3 / 6`},
	{"SELECT id FROM sale WHERE c_eighteen = ? OR c_eighteen = ? ORDER BY id", exact("999999999999999999", "-999999999999999999.0"), `1 / 2`},
	{"SELECT id FROM sale WHERE c_whole > ? ORDER BY id", []any{bigInt("18446744073709551614")}, `1`},
	{"SELECT id FROM sale WHERE c_huge >= ? OR c_huge = ? ORDER BY id", []any{bigInt(strings.Repeat("9", 65)), bigInt("-" + strings.Repeat("9", 65))}, `1 / 2`},
	{"SELECT id FROM sale WHERE c_quantity > ? AND c_fee < ? ORDER BY id", exact("2.5", "1.75"), `1`},
	{"SELECT id FROM sale WHERE c_net + c_tax > (SELECT SUM(c_tax) - ? FROM sale) ORDER BY id", exact("2.22"), `2 / 4`},
	{"SELECT c_quantity > ? AS g, SUM(c_net) + ? FROM sale WHERE id < 4 GROUP BY c_quantity > ? HAVING SUM(c_net) > ? ORDER BY g", exact("0.5", "0.001", "0.5", "5"), `1 "10.091"`},
	{"SELECT '?', c_net + ? /* ? */ FROM sale WHERE id = ? -- ?\n AND '?''?' <> ?", []any{engine.Decimal("0.20"), int64(1), "x"}, `"?" "0.30"`},
	{"SELECT id FROM sale WHERE c_net = ? AND id = ? AND c_tax = ?", []any{engine.Decimal("0.1"), int64(1), "0.2"}, `1`},
}

var parityExactCases = []testCase{
	{"decimals and long integers that are given are exact", func(w *world) {
		h := w.hook(w.store)
		fillSales(w, h)
		for _, c := range exactStatements {
			statementsAgree(w, h, c.sql, c.args, c.want)
		}
	}},
	{"statements add and write decimals that are given", func(w *world) {
		h := w.hook(w.store)
		prices(w, h)
		given := func(q string, list ...string) { w.run(h, q, exact(list...)...) }
		given("INSERT INTO price (id, price, c_long) VALUES (1, ?, ?), (2, ?, ?)", "1.10", "12345678901234567890.123456", "2", "-0.5")
		for range 10 { // as a float, the ninth digit after sixteen is lost at the first
			given("UPDATE price SET price = price + ?, c_long = c_long + ? WHERE id = 1", "0.10", "0.000001")
		}
		given("INSERT INTO price (id, price, c_long) SELECT id + 10, price * ?, c_long * ? FROM price WHERE c_long = ?", "1.005", "3", "12345678901234567890.123466")
		given("UPDATE price SET price = ? WHERE c_long + ? = ?", "7.005", "0.50", "0")
		w.same("rows", `1 "2.10" "12345678901234567890.123466" / 2 "7.01" "-0.500000" / 11 "2.11" "37037036703703703670.370398"`, Shown(w.query(h, "SELECT * FROM price ORDER BY id")))
		w.run(h, "UPDATE price SET id = id + ? WHERE id = 2", engine.Decimal("0.50"))
		w.same("an integer is rounded", `1 / 3 / 11`, Shown(w.query(h, "SELECT id FROM price ORDER BY id")))
		spec := percent(100)
		spec.Where, spec.Args = "c_long - ? > ?", exact("0.000001", "12345678901234567890")
		got, err := h.Merge(w.ctx, "price", source(price(11, "2.11", "37037036703703703670.370398")), spec)
		w.must(err)
		w.same("merged", engine.Stats{"inserted": 0, "updated": 0, "unchanged": 1, "deleted": 1, "skipped": 0}, got)
		w.same("left", `3 / 11`, Shown(w.query(h, "SELECT id FROM price ORDER BY id")))
		w.same("deleted", int64(1), w.run(h, "DELETE FROM price WHERE c_long = ?", engine.Decimal("37037036703703703670.370398")))
		w.failure("no number", "db.value", exec(h, w.ctx, "UPDATE price SET price = ?", engine.Decimal("1.1); --")))
		w.failure("too many digits", "db.value", exec(h, w.ctx, "UPDATE price SET price = ?", bigInt(strings.Repeat("9", 66))))
	}},
	{"decimals that are written to other columns are what they are", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "kind", []engine.Column{{Name: "id", Type: "integer"}, {Name: "name", Type: "text", Nullable: true}, {Name: "f", Type: "float", Nullable: true}, {Name: "n", Type: "integer", Nullable: true}}, []string{"id"})
		w.must(err)
		w.run(h, "INSERT INTO kind VALUES (1, ?, ?, ?)", exact("12.30", "12.30", "12.50")...)
		w.run(h, "INSERT INTO kind (id, name) VALUES (2, 'x')")
		w.run(h, "UPDATE kind SET name = ?, f = ?, n = ? WHERE id = 2", exact("1.0", "0.25", "-7")...)
		w.same("rows", `1 "12.30" float(12.3) 13 / 2 "1.0" float(0.25) -7`, Shown(w.query(h, "SELECT * FROM kind ORDER BY id")))
		w.same("found", `1 / 2`, Shown(w.query(h, "SELECT id FROM kind WHERE name = ? OR f = ? ORDER BY id", exact("12.30", "0.25")...)))
		w.same("among texts", `1`, Shown(w.query(h, "SELECT id FROM kind WHERE name IN (?, 'y') ORDER BY id", exact("12.30")...)))
	}},
	{"text is compared letter by letter", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "city", []engine.Column{{Name: "code", Type: "text"}, {Name: "name", Type: "text", Nullable: true}, {Name: "short", Type: "text(20)", Nullable: true}}, []string{"code"})
		w.must(err)
		names := []string{"code", "name", "short"}
		row := func(code, name string) engine.Row {
			return engine.Row{Names: names, Values: []any{code, name, name}}
		}
		_, err = h.Insert(w.ctx, "city", source(row("a", "Oslo"), row("A", "oslo"), row("b", "OSLO"), row("b ", "oslo "), row("c", "Zürich"), row("d", "zurich"), row("e", "Ähtäri"), row("f", "😀"), row("g", "ﬀ")))
		w.must(err)
		for _, c := range []struct{ q, want string }{
			{"SELECT code FROM city WHERE name = 'oslo'", `"A"`},
			{"SELECT code FROM city WHERE short = 'oslo'", `"A"`},
			{"SELECT code FROM city WHERE name IN ('OSLO', 'zürich') ORDER BY code", `"b"`},
			{"SELECT code FROM city WHERE name LIKE 'os%' ORDER BY code", `"A" / "b "`},
			{"SELECT code FROM city WHERE short LIKE '%LO' OR name LIKE '_slo' ORDER BY code", `"A" / "a" / "b"`},
			{"SELECT code FROM city WHERE name NOT LIKE 'O%' AND name < 'b' ORDER BY code", `"c"`},
			{"SELECT code FROM city WHERE LOWER(name) = 'oslo' ORDER BY code", `"A" / "a" / "b"`},
			{"SELECT code FROM city WHERE LOWER(name) LIKE 'os%' ORDER BY code", `"A" / "a" / "b" / "b "`},
			{"SELECT name FROM city ORDER BY name", `"OSLO" / "Oslo" / "Zürich" / "oslo" / "oslo " / "zurich" / "Ähtäri" / "ﬀ" / "😀"`},
			{"SELECT COUNT(*), COUNT(DISTINCT name), MIN(short), MAX(name) FROM city", `9 9 "OSLO" "😀"`},
			{"SELECT name, COUNT(*) FROM city WHERE code < 'b' GROUP BY name ORDER BY name", `"Oslo" 1 / "oslo" 1`},
			{"SELECT x.code FROM city x JOIN city y ON x.name = y.short WHERE y.code = 'a'", `"a"`},
			{"SELECT code FROM city WHERE code = 'B' OR code = 'b'", `"b"`},
			{"SELECT CASE name WHEN 'oslo' THEN 1 WHEN 'OSLO' THEN 2 ELSE 0 END FROM city WHERE code <= 'b' ORDER BY code", `1 / 0 / 2`},
		} {
			statementsAgree(w, h, c.q, nil, c.want)
		}
		statementsAgree(w, h, "SELECT code FROM city WHERE name = ? OR name LIKE ?", []any{"oslo", "ZÜ%"}, `"A"`)
		got, err := h.Upsert(w.ctx, "city", source(row("A", "Oslo"), row("B", "Bergen"), row("b", "OSLO")), engine.Upsert{Key: []string{"code"}})
		w.must(err)
		w.same("upserted", stats(1, 1, 1), got)
	}},
}
