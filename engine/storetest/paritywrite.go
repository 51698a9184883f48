package storetest

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// priceColumns are two decimals that SQLite keeps in two ways.
var priceColumns = []engine.Column{{Name: "id", Type: "integer"}, {Name: "price", Type: "decimal(12,2)", Nullable: true}, {Name: "long", Type: "decimal(38,6)", Nullable: true}}

// price is a row of the table price.
func price(id int, price, long any) engine.Row {
	return engine.Row{Names: []string{"id", "price", "c_long"}, Values: []any{int64(id), number64(price), number64(long)}}
}

// prices makes the table price.
func prices(w *world, h engine.Session) {
	w.Helper()
	cols := append([]engine.Column(nil), priceColumns...)
	cols[2].Name = "c_long"
	_, err := h.Ensure(w.ctx, "price", cols, []string{"id"})
	w.must(err)
}

var parityWriteCases = []testCase{
	{"a decimal that is written in another way is the same", func(w *world) {
		h := w.hook(w.store)
		prices(w, h)
		rows := func() engine.RowSource {
			return source(price(1, "1.5", "1.5"), price(2, "1.50", "001.500"), price(3, 1.5, 1.5), price(4, "-0", "-0.0"), price(5, 2, 2), price(6, "1e2", "1E2"), price(7, "0.005", "0.0000005"), price(8, nil, nil), price(9, "1.004999", "-0.00000049"))
		}
		again := func() engine.RowSource {
			return source(price(1, "1.50", "1.500000"), price(2, 1.5, 1.5), price(3, "+1.5", "1.5"), price(4, 0, "0.000"), price(5, "2.00", "2.0"), price(6, 100, 100.0), price(7, "0.01", "0.000001"), price(8, nil, nil), price(9, 1, 0))
		}
		got, err := h.Insert(w.ctx, "price", rows())
		w.must(err)
		w.same("inserted", stats(9, 0, 0), got)
		want := `1 "1.50" "1.500000" / 2 "1.50" "1.500000" / 3 "1.50" "1.500000" / 4 "0.00" "0.000000" / 5 "2.00" "2.000000" / 6 "100.00" "100.000000" / 7 "0.01" "0.000001" / 8 NULL NULL / 9 "1.00" "0.000000"`
		all := "SELECT * FROM price ORDER BY id"
		w.same("rows", want, Shown(w.query(h, all)))
		for name, write := range map[string]func(engine.RowSource) (engine.Stats, error){
			"upsert": func(r engine.RowSource) (engine.Stats, error) {
				return h.Upsert(w.ctx, "price", r, engine.Upsert{Key: []string{"id"}})
			},
			"bulk": func(r engine.RowSource) (engine.Stats, error) {
				return h.Bulk(w.ctx, "price", r, &engine.Upsert{Key: []string{"id"}})
			},
			"merge": func(r engine.RowSource) (engine.Stats, error) { return h.Merge(w.ctx, "price", r, percent(0)) },
		} {
			got, err := write(again())
			w.must(err)
			w.same(name, stats(0, 0, 9), got)
			w.same("rows after "+name, want, Shown(w.query(h, all)))
		}
		w.run(h, "DELETE FROM price")
		got, err = h.Bulk(w.ctx, "price", rows(), nil)
		w.must(err)
		w.same("bulk of new rows", stats(9, 0, 0), got)
		w.same("rows after bulk", want, Shown(w.query(h, all)))
	}},
	{"statements write decimals with the digits of their column", func(w *world) {
		h := w.hook(w.store)
		prices(w, h)
		w.run(h, "INSERT INTO price (id, price, c_long) VALUES (1, 1.005, '1.0000005'), (2, ?, ?), (3, 0.1 + 0.2, 1.00 / 3), (4, NULL, -2)", "2.5", int64(7))
		w.run(h, "INSERT INTO price SELECT id + 10, price * 3, c_long / 7 FROM price WHERE id < 3")
		w.run(h, "UPDATE price SET price = price * 1.19, c_long = c_long + 0.5 WHERE id IN (1, 2)")
		w.same("rows", `1 "1.20" "1.500001" / 2 "2.98" "7.500000" / 3 "0.30" "0.333333" / 4 NULL "-2.000000" / 11 "3.03" "0.142857" / 12 "7.50" "1.000000"`, Shown(w.query(h, "SELECT * FROM price ORDER BY id")))
		w.same("found", `1 / 2 / 3 / 11`, Shown(w.query(h, "SELECT id FROM price WHERE price = 1.20 OR price = 2.98 OR c_long = 0.333333 OR price = ? ORDER BY id", "3.03")))
		w.same("updated", int64(1), w.run(h, "UPDATE price SET price = price + 1 WHERE price * 2 = 0.6"))
		w.same("deleted", int64(2), w.run(h, "DELETE FROM price WHERE c_long - 0.5 = 1.000001 OR price < c_long"))
		w.same("rows after", `3 "1.30" / 4 NULL / 11 "3.03" / 12 "7.50"`, Shown(w.query(h, "SELECT id, price FROM price ORDER BY id")))
		w.run(h, "UPDATE price SET id = id / 2 WHERE id = 3") // rounded as it is written
		w.same("a quotient as an integer", `2`, Shown(w.query(h, "SELECT MIN(id) FROM price")))
	}},
	{"decimals at their bounds", func(w *world) {
		h := w.hook(w.store)
		nines := func(n int) string { return strings.Repeat("9", n) }
		for i, c := range []struct{ typ, most, over string }{
			{"decimal(1,0)", "9", "10"}, {"decimal(15,15)", "0." + nines(15), "1"}, {"decimal(15,2)", nines(13) + ".99", "1" + strings.Repeat("0", 13)}, {"decimal(15,0)", nines(15), "1" + strings.Repeat("0", 15)},
			{"decimal(16,0)", nines(16), nines(17)}, {"decimal(18,0)", nines(18), "1" + strings.Repeat("0", 18)}, {"decimal(19,0)", nines(19), "1" + strings.Repeat("0", 19)}, {"decimal(3,2)", "9.99", "9.995"}, {"decimal(16,1)", nines(15) + ".9", nines(15) + ".99"},
			{"decimal(30,30)", "0." + nines(30), "1"}, {"decimal(65,0)", nines(65), nines(66)}, {"decimal(65,30)", nines(35) + "." + nines(30), "1" + strings.Repeat("0", 35)},
		} {
			table := fmt.Sprint("t", i)
			_, err := h.Ensure(w.ctx, table, []engine.Column{{Name: "c", Type: c.typ}}, []string{"c"})
			w.must(err)
			row := func(v string) engine.RowSource {
				return source(engine.Row{Names: []string{"c"}, Values: []any{v}})
			}
			for _, sign := range []string{"", "-"} {
				_, err = h.Insert(w.ctx, table, row(sign+c.most))
				w.must(err)
				_, err = h.Insert(w.ctx, table, row(sign+c.over))
				w.failure(c.typ+" of "+sign+c.over, "db.value", err)
				w.failure(c.typ+" of "+sign+c.over+" by a statement", "db.value", exec(h, w.ctx, "INSERT INTO "+table+" VALUES (?)", sign+c.over))
				_, err = h.Insert(w.ctx, table, row(sign+c.most))
				w.failure("the same key", "db.duplicate", err)
				w.same(c.typ+" is found", `1`, Shown(w.query(h, "SELECT COUNT(*) FROM "+table+" WHERE c = ?", sign+c.most)))
			}
			text := func(v any) string { return strings.Trim(Shown([][]any{{v}}), `"big()`) }
			got := w.query(h, "SELECT MIN(c), MAX(c), SUM(c), MAX(c) - MIN(c) - MAX(c) FROM "+table)[0]
			zero := strings.TrimSuffix("0."+strings.Repeat("0", max(0, len(c.most)-1-strings.Index(c.most+".", "."))), ".")
			w.same(c.typ, []string{"-" + c.most, c.most, zero, c.most}, []string{text(got[0]), text(got[1]), text(got[2]), text(got[3])})
			w.same("in order", "-"+c.most, text(w.query(h, "SELECT c FROM "+table+" ORDER BY c")[0][0]))
		}
	}},
	{"a decimal is a key by its value", func(w *world) {
		h := w.hook(w.store)
		for _, typ := range []string{"decimal(12,2)", "decimal(38,6)"} {
			table := "k" + strings.NewReplacer("(", "", ")", "", ",", "_").Replace(typ)
			_, err := h.Ensure(w.ctx, table, []engine.Column{{Name: "id", Type: typ}, {Name: "v", Type: "integer"}}, []string{"id"})
			w.must(err)
			rows := func(values ...any) engine.RowSource { return pairs(values...) }
			spec := engine.Upsert{Key: []string{"id"}}
			got, err := h.Upsert(w.ctx, table, rows("1.5", 1, "10", 2, "9", 3, "-1", 4, "1.50", 5), spec)
			w.must(err)
			w.same("new ones, one of them twice", stats(4, 1, 0), got)
			got, err = h.Upsert(w.ctx, table, rows(1.5, 5, 10, 2, "9.0", 9, "-1.00", 4, 0, 6), spec)
			w.must(err)
			w.same("again", stats(1, 1, 3), got)
			_, err = h.Insert(w.ctx, table, rows("9.000", 1))
			w.failure("a key that is there", "db.duplicate", err)
			w.same("in order", `4 / 6 / 5 / 9 / 2`, Shown(w.query(h, "SELECT v FROM "+table+" ORDER BY id")))
			w.same("in a range", `9 / 2`, Shown(w.query(h, "SELECT v FROM "+table+" WHERE id > 1.5 ORDER BY id")))
			got, err = h.Merge(w.ctx, table, rows("10.000", 2, "1.5", 5, "9", 9), percent(50))
			w.must(err)
			deleted := stats(0, 0, 3)
			deleted["deleted"] = 2
			w.same("merged", deleted, got)
			got, err = h.Merge(w.ctx, table, rows("9", 9), engine.Merge{Key: []string{"id"}, Where: "id * 2 = 18 OR id + id = 3", MaxDelete: 100, Share: true})
			w.must(err)
			deleted = stats(0, 0, 1)
			deleted["deleted"] = 1
			w.same("a part of it", deleted, got)
			w.same("left", `9 / 2`, Shown(w.query(h, "SELECT v FROM "+table+" ORDER BY id")))
		}
	}},
	{"a decimal of many digits tells versions", func(w *world) {
		h := w.hook(w.store)
		prices(w, h)
		spec := engine.Upsert{Key: []string{"id"}, Newer: "c_long"}
		_, err := h.Upsert(w.ctx, "price", source(price(1, 1, "9.5"), price(2, 1, "10000000000000000000.000001")), spec)
		w.must(err)
		got, err := h.Upsert(w.ctx, "price", source(price(1, 2, "10"), price(2, 2, "10000000000000000000")), spec)
		w.must(err)
		w.same("counts", stats(0, 1, 1), got)
		w.same("rows", `1 "2.00" "10.000000" / 2 "1.00" "10000000000000000000.000001"`, Shown(w.query(h, "SELECT * FROM price ORDER BY id")))
	}},
	{"a time that is written in another way is the same", func(w *world) {
		h := w.hook(w.store)
		fillEvents(w, h)
		names := []string{"id", "day", "clock", "at"}
		row := func(values ...any) engine.Row { return engine.Row{Names: names, Values: values} }
		got, err := h.Upsert(w.ctx, "event", source(row(int64(1), "2026-01-02 00:00:00", "09:00:00.0", "2026-01-02 03:04:05.000"), row(int64(2), "2026-01-02", "09:00:00.500000", "2026-01-02 03:04:05"), row(int64(5), "2026-03-01", "00:00:00", "2026-03-01 00:00:00")), engine.Upsert{Key: []string{"id"}})
		w.must(err)
		w.same("counts", stats(0, 0, 3), got)
		w.run(h, "UPDATE event SET at = '2026-05-06 07:08:09', day = '2026-05-06' WHERE id = 1")
		w.run(h, "INSERT INTO event (id, at, day) VALUES (9, ?, ?)", "2026-05-06 07:08:09.000", "2026-05-06")
		w.same("found", `1 / 9`, Shown(w.query(h, "SELECT id FROM event WHERE at = '2026-05-06 07:08:09' AND day = '2026-05-06' ORDER BY id")))
		w.same("one group", `2026-05-06T07:08:09 "2026-05-06" 2`, Shown(w.query(h, "SELECT at, day, COUNT(*) FROM event WHERE at > '2026-05-01' GROUP BY at, day")))
	}},
}
