package storetest

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// sifted is a source that takes back the rows that cannot be written.
type sifted struct {
	*generated
	back []string
}

func (s *sifted) Reject(_ context.Context, row engine.Row, why *engine.Failure) error {
	s.back = append(s.back, fmt.Sprintf("%d %s %.1v", row.At, why.Code, row.Values[2]))
	if !strings.HasPrefix(why.Message, fmt.Sprintf("row %d: ", row.At)) {
		return why
	}
	return nil
}

var refuseCases = []testCase{
	{"rows that cannot be written are given back, and the others written", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, s VARCHAR(9) CHECK (length(s) <= 5))")
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		names := []string{"id", "v", "s"}
		rows := func() *sifted {
			values := make([]any, 3)
			return &sifted{generated: &generated{n: 2500, row: func(i int) engine.Row {
				values[0], values[1], values[2] = int64(i), int64(1), "ok"
				switch i {
				case 0, 1, 1700, 2499:
					values[2] = "too long"
				case 40:
					values[1] = nil
				case 1200:
					if values[1] = nil; w.in.Rows {
						values[1] = 1.5 // is not sent
					}
				}
				return engine.Row{Names: names, Values: values}
			}}}
		}
		const long, none = "db.constraint t", "db.constraint o"
		key := []string{"id"}
		for what, write := range map[string]func(engine.RowSource) (engine.Stats, error){
			"insert": func(s engine.RowSource) (engine.Stats, error) { return h.Insert(w.ctx, "t", s) },
			"bulk":   func(s engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, "t", s, nil) },
			"upsert": func(s engine.RowSource) (engine.Stats, error) {
				return h.Upsert(w.ctx, "t", s, engine.Upsert{Key: key})
			},
			"bulk upsert": func(s engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, "t", s, &engine.Upsert{Key: key}) },
			"merge":       func(s engine.RowSource) (engine.Stats, error) { return h.Merge(w.ctx, "t", s, engine.Merge{Key: key}) },
		} {
			m, err := h.Mark(w.ctx)
			w.must(err)
			had := int64(0)
			switch what {
			case "merge": // the row that is there stays, though the one that is given cannot be written
				w.run(h, "INSERT INTO t VALUES (1700, 7, 'was')")
				had = 1
			case "insert", "bulk":
				w.run(h, "INSERT INTO t VALUES (8, 7, 'was')")
			}
			r := rows()
			got, err := write(r)
			w.must(err)
			back := map[string]bool{}
			for _, b := range r.back {
				back[b] = true
			}
			want := map[string]bool{"1 " + long: true, "2 " + long: true, "41 " + none: true, "1701 " + long: true, "2500 " + long: true}
			if w.in.Rows {
				want["1201 db.value o"] = true
			} else {
				want["1201 "+none] = true
			}
			n := int64(2494)
			if what == "insert" || what == "bulk" {
				want["9 db.duplicate o"] = true
				n--
			}
			w.same(what+": given back", want, back)
			w.same(what+": each once", len(want), len(r.back))
			w.same(what+": counts", stats(n, 0, 0), got)
			w.same(what+": rows", 2494+had, w.query(h, "SELECT COUNT(*) FROM t")[0][0])
			w.must(h.Undo(w.ctx, m))
		}
		_, err := h.Insert(w.ctx, "t", &sifted{generated: &generated{n: 1, row: func(int) engine.Row {
			return engine.Row{Names: []string{"id", "nowhere", "s"}, Values: []any{int64(1), int64(1), "x"}}
		}}})
		w.failure("a column that is not there", "db.column", err)
		w.run(h, "INSERT INTO t VALUES (9, 9, 'x')")
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"9|9|x"}, w.rows("SELECT id, v, s FROM t"))
	}},
	{"a row without its key, or its version, can be given back", func(w *world) {
		h := w.hook(w.store)
		spec := engine.Upsert{Key: []string{"id"}}
		newer := engine.Upsert{Key: []string{"id"}, Newer: "v"}
		for typ, id := range map[string]any{"integer": int64(1), "text": "a"} {
			_, err := h.Ensure(w.ctx, "k_"+typ, []engine.Column{{Name: "id", Type: typ}, {Name: "v", Type: "integer"}, {Name: "s", Type: "text"}}, []string{"id"})
			w.must(err)
			for what, write := range map[string]func(engine.RowSource) (engine.Stats, error){
				"upsert": func(s engine.RowSource) (engine.Stats, error) { return h.Upsert(w.ctx, "k_"+typ, s, spec) },
				"newer":  func(s engine.RowSource) (engine.Stats, error) { return h.Upsert(w.ctx, "k_"+typ, s, newer) },
				"bulk":   func(s engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, "k_"+typ, s, &spec) },
				"merge":  func(s engine.RowSource) (engine.Stats, error) { return h.Merge(w.ctx, "k_"+typ, s, percent(100)) },
			} {
				w.run(h, "DELETE FROM k_"+typ)
				lacking := engine.Row{Names: []string{"v", "s"}, Values: []any{int64(2), "y"}}
				if what == "newer" {
					lacking = engine.Row{Names: []string{"id", "s"}, Values: []any{id, "y"}}
				}
				rows := []engine.Row{lacking, {Names: []string{"id", "v", "s"}, Values: []any{id, int64(1), "x"}}, lacking}
				_, err := write(source(rows...))
				w.failure(what+" by "+typ, "db.column", err)
				g := &given{slice: slice{rows}}
				got, err := write(g)
				w.must(err)
				w.same(what+" by "+typ, stats(1, 0, 0), got)
				w.same(what+" by "+typ+" gives back", 2, g.back)
			}
		}
	}},
	{"a row that is refused does not stand in the way of its key", func(w *world) {
		h := w.hook(w.store)
		key := []string{"id"}
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "at", Type: "date", Nullable: true}}, key)
		w.must(err)
		if w.in.Rows { // rows of one key are kept apart there
			w.exec("ALTER TABLE t MODIFY id BIGINT NOT NULL AUTO_INCREMENT")
		}
		row := func(id int64, at string) engine.Row {
			return engine.Row{Names: []string{"id", "at"}, Values: []any{id, at}}
		}
		for what, write := range map[string]func(engine.RowSource) (engine.Stats, error){
			"upsert": func(s engine.RowSource) (engine.Stats, error) {
				return h.Upsert(w.ctx, "t", s, engine.Upsert{Key: key})
			},
			"bulk":  func(s engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, "t", s, &engine.Upsert{Key: key}) },
			"merge": func(s engine.RowSource) (engine.Stats, error) { return h.Merge(w.ctx, "t", s, percent(100)) },
		} {
			for _, c := range []struct {
				rows  []engine.Row
				after string
			}{
				{[]engine.Row{row(1, "soon"), row(1, "2026-01-01")}, `1 "2026-01-01"`},
				{[]engine.Row{row(1, "soon"), row(1, "later"), row(2, "2026-01-02")}, `2 "2026-01-02"`},
				{[]engine.Row{row(1, "2026-01-01"), row(1, "later"), row(1, "2026-01-03")}, `1 "2026-01-03"`},
			} {
				w.run(h, "DELETE FROM t")
				_, err := write(&given{slice: slice{c.rows}})
				w.must(err)
				w.same(what, c.after, Shown(w.query(h, "SELECT id, at FROM t")))
			}
		}
	}},
	{"a row that is set aside keeps what is there of its key, and no more", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "k", Type: "text(5)"}, {Name: "d", Type: "date"}, {Name: "r", Type: "text(2)"}, {Name: "v", Type: "text(5)", Nullable: true}}, []string{"k", "d"})
		w.must(err)
		row := func(k, d, r, v any) engine.Row {
			return engine.Row{Names: []string{"k", "d", "r", "v"}, Values: []any{k, d, r, v}}
		}
		const day = "2026-01-01"
		for _, c := range []struct {
			what         string
			where        string
			there, given []engine.Row
			back         int
			after        string
		}{
			{"a key that is too long", "", []engine.Row{row("abcde", day, "eu", "1"), row("b", day, "eu", "1")}, []engine.Row{row("abcdefgh", day, "eu", "2"), row("b", day, "eu", "2")}, 1, `"b" "eu" "2"`},
			{"one of another part", "r = 'eu'", []engine.Row{row("a", day, "eu", "1"), row("b", day, "us", "1"), row("c", day, "eu", "1")}, []engine.Row{row("a", day, "eu", "2"), row("b", day, "eu", "too long")}, 1, `"a" "eu" "2" / "b" "us" "1"`},
			{"one of the part", "r = 'eu'", []engine.Row{row("a", day, "eu", "1"), row("b", day, "us", "1")}, []engine.Row{row("a", day, "us", "too long"), row("c", day, "eu", "too long")}, 2, `"a" "eu" "1" / "b" "us" "1"`},
			{"keys that are none", "", []engine.Row{row("a", day, "eu", "1"), row("b", day, "eu", "1"), row("c", day, "eu", "1")},
				[]engine.Row{row("abcdefgh", day, "eu", "too long"), row("a", "x", "eu", "1"), row("b", day, "eu", "too long"), row("c", "x", "eu", "too long"), row("c", nil, "eu", "1"), row("bcdefgh", day, "eu", "1"), row("b", day, "eu", "too long")}, 7, `"b" "eu" "1"`},
			{"a key that is written too", "", []engine.Row{row("a", day, "eu", "1")}, []engine.Row{row("a", day, "eu", "2"), row("a", day, "eu", "too long")}, 1, `"a" "eu" "2"`},
		} {
			w.run(h, "DELETE FROM t")
			_, err := h.Insert(w.ctx, "t", source(c.there...))
			w.must(err)
			spec := percent(100)
			spec.Key, spec.Where = []string{"k", "d"}, c.where
			g := &given{slice: slice{c.given}}
			_, err = h.Merge(w.ctx, "t", g, spec)
			w.must(err)
			w.same(c.what+": given back", c.back, g.back)
			w.same(c.what, c.after, Shown(w.query(h, "SELECT k, r, v FROM t ORDER BY k")))
		}
		_, err = h.Ensure(w.ctx, "longs", []engine.Column{{Name: "k", Type: "text(700)"}, {Name: "d", Type: "date"}}, []string{"k"})
		w.must(err)
		w.run(h, "INSERT INTO longs VALUES ('a', '2026-01-01')")
		long := engine.Row{Names: []string{"k", "d"}, Values: []any{strings.Repeat("😀", 700), "no date"}}
		_, err = h.Merge(w.ctx, "longs", &given{slice: slice{slices.Repeat([]engine.Row{long}, 12_000)}}, engine.Merge{Key: []string{"k"}})
		w.failure("too much to keep", "db.merge", err)
		w.same("nothing was changed", `"a" "2026-01-01"`, Shown(w.query(h, "SELECT k, d FROM longs")))
	}},
	{"a row that its source knows to be bad is given back, and what is there of its key stays", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "float"}, {Name: "v", Type: "integer", Nullable: true}}, []string{"id"})
		w.must(err)
		row := func(at int64, id, v any, bad bool) engine.Row {
			r := engine.Row{Names: []string{"id", "v"}, Values: []any{id, v}, At: at}
			if bad {
				r.Bad = &engine.Failure{Kind: engine.KindError, Code: "db.value", Row: at, Message: fmt.Sprintf("row %d: bad", at)}
			}
			return r
		}
		rows := []engine.Row{row(1, 1.0, int64(2), false), row(2, 2.0, []any{}, true), row(3, []any{}, int64(2), true), row(4, "NaN", nil, true)}
		for name, write := range w.writers(h) {
			w.run(h, "DELETE FROM t")
			w.failure(name, "db.value", write(rows...))
		}
		for name, write := range map[string]func(engine.RowSource) (engine.Stats, error){
			"insert": func(s engine.RowSource) (engine.Stats, error) { return h.Insert(w.ctx, "t", s) },
			"bulk":   func(s engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, "t", s, nil) },
			"merge":  func(s engine.RowSource) (engine.Stats, error) { return h.Merge(w.ctx, "t", s, percent(100)) },
		} {
			w.run(h, "DELETE FROM t")
			w.run(h, "INSERT INTO t VALUES (2.0, 1), (3.0, 1)")
			g := &given{slice: slice{slices.Clone(rows)}}
			_, err := write(g)
			w.must(err)
			w.same(name+": given back", 3, g.back)
			left := "float(1) 2 / float(2) 1"
			if name != "merge" {
				left += " / float(3) 1"
			}
			w.same(name, left, Shown(w.query(h, "SELECT id, v FROM t ORDER BY id")))
		}
	}},
	{"a row that is set aside keeps what is there of a key above 2^63", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "decimal(20,0)"}, {Name: "v", Type: "text(5)"}}, []string{"id"})
		w.must(err)
		if w.in.Rows {
			w.exec("ALTER TABLE t MODIFY id BIGINT UNSIGNED NOT NULL")
		}
		row := func(id any, v string) engine.Row {
			return engine.Row{Names: []string{"id", "v"}, Values: []any{id, v}}
		}
		large := new(big.Int).SetUint64(math.MaxUint64)
		_, err = h.Insert(w.ctx, "t", source(row(large, "was"), row(int64(math.MaxInt64), "was"), row(int64(1), "was"), row(int64(2), "was")))
		w.must(err)
		g := &given{slice: slice{[]engine.Row{row(large, "too long"), row(int64(math.MaxInt64), "too long"), row(int64(1), "new")}}}
		_, err = h.Merge(w.ctx, "t", g, percent(100))
		w.must(err)
		w.same("given back", 2, g.back)
		w.same("rows", `"new" / "was" / "was"`, Shown(w.query(h, "SELECT v FROM t ORDER BY id")))
	}},
	{"of rows that cannot stand together the first one stays", func(w *world) {
		unique := "UNIQUE"
		if !w.in.Rows {
			unique += " ON CONFLICT FAIL"
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER " + unique + ")")
		h := w.hook(w.store)
		const n = 1700
		for what, write := range map[string]func(engine.RowSource) (engine.Stats, error){
			"insert": func(s engine.RowSource) (engine.Stats, error) { return h.Insert(w.ctx, "t", s) },
			"bulk":   func(s engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, "t", s, nil) },
			"upsert": func(s engine.RowSource) (engine.Stats, error) {
				return h.Upsert(w.ctx, "t", s, engine.Upsert{Key: []string{"id"}})
			},
		} {
			w.run(h, "DELETE FROM t")
			g, bad := &given{}, int64(0)
			for i := range n { // some come in pairs, near each other or far away
				v := i
				if i%64 == 7 {
					v = i - 1
				} else if i%64 == 3 && i > 1000 {
					v = i - 1000
				}
				if v != i {
					bad++
				}
				g.rows = append(g.rows, engine.Row{Names: []string{"id", "v"}, Values: []any{int64(i), int64(v)}})
			}
			got, err := write(g)
			w.must(err)
			w.same(what+": given back", int(bad), g.back)
			w.same(what+": counts", stats(n-bad, 0, 0), got)
			w.same(what+": rows", [][]any{{n - bad, int64(0), int64(0)}}, w.query(h, "SELECT COUNT(*), SUM(id % 64 = 7), SUM(v <> id) FROM t"))
		}
	}},
	{"what a trigger refuses is given back", func(w *world) {
		w.table(0)
		if w.in.Rows {
			w.exec("CREATE TRIGGER odd BEFORE INSERT ON t FOR EACH ROW IF NEW.v = 13 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'v brings bad luck'; END IF")
		} else {
			w.exec("CREATE TRIGGER odd BEFORE INSERT ON t WHEN NEW.v = 13 BEGIN SELECT RAISE(ABORT, 'v brings bad luck'); END")
		}
		h := w.hook(w.store)
		_, err := h.Insert(w.ctx, "t", pairs(1, 1, 2, 13))
		w.failure("without it", "db.constraint", err)
		if said := engine.AsFailure(err).Message; !strings.HasPrefix(said, "row 2: ") || !strings.Contains(said, "v brings bad luck") {
			w.Errorf("got %q", said)
		}
		g := &given{slice: *pairs(1, 1, 2, 13, 3, 3).(*slice)}
		got, err := h.Insert(w.ctx, "t", g)
		w.must(err)
		w.same("counts", stats(2, 0, 0), got)
		w.same("given back", 1, g.back)
	}},
	{"what no partition is for, and what is not of a view, is given back", func(w *world) {
		if !w.in.Rows {
			return // it has no partitions, and its views are for reading
		}
		w.exec("CREATE TABLE parts (id INTEGER PRIMARY KEY, v INTEGER) PARTITION BY RANGE (id) (PARTITION few VALUES LESS THAN (10))")
		w.table(0)
		w.exec("CREATE VIEW few AS SELECT id, v FROM t WHERE id < 10 WITH CHECK OPTION")
		defer w.exec("DROP VIEW few")
		h := w.hook(w.store)
		defer h.Close()
		for _, table := range []string{"parts", "few"} {
			for what, write := range map[string]func(engine.RowSource) (engine.Stats, error){
				"insert": func(r engine.RowSource) (engine.Stats, error) { return h.Insert(w.ctx, table, r) },
				"bulk":   func(r engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, table, r, nil) },
			} {
				_, err := write(pairs(1, 1, 13, 2))
				w.failure(what+" into "+table+" without it", "db.constraint", err)
				w.run(h, "DELETE FROM "+table)
				g := &given{slice: *pairs(1, 1, 13, 2, 3, 3).(*slice)}
				got, err := write(g)
				w.must(err)
				w.same(what+" into "+table+": counts", stats(2, 0, 0), got)
				w.same(what+" into "+table+": given back", 1, g.back)
				w.run(h, "DELETE FROM "+table)
			}
		}
	}},
}

// given are rows of which those come back that cannot be written.
type given struct {
	slice
	back int
}

func (g *given) Reject(_ context.Context, row engine.Row, why *engine.Failure) error {
	g.back++
	if !strings.HasPrefix(why.Message, fmt.Sprintf("row %d: ", row.At)) {
		return why
	}
	return nil
}
