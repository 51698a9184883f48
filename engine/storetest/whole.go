package storetest

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// writers write rows into t, which has the key id, in every way that there is.
func (w *world) writers(h engine.Session) map[string]func(rows ...engine.Row) error {
	spec := engine.Upsert{Key: []string{"id"}}
	return map[string]func(rows ...engine.Row) error{
		"insert": func(rows ...engine.Row) error { _, err := h.Insert(w.ctx, "t", source(rows...)); return err },
		"upsert": func(rows ...engine.Row) error { _, err := h.Upsert(w.ctx, "t", source(rows...), spec); return err },
		"bulk":   func(rows ...engine.Row) error { _, err := h.Bulk(w.ctx, "t", source(rows...), nil); return err },
		"bulk with a key": func(rows ...engine.Row) error {
			_, err := h.Bulk(w.ctx, "t", source(rows...), &spec)
			return err
		},
		"merge": func(rows ...engine.Row) error {
			_, err := h.Merge(w.ctx, "t", source(rows...), percent(100))
			return err
		},
	}
}

// wholeCases are about columns of whole numbers.
var wholeCases = []testCase{
	{"what is no whole number is not rounded, and refused in the same words", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "v", Type: "integer", Nullable: true}, {Name: "name", Type: "text", Nullable: true}}, []string{"id"})
		w.must(err)
		row := func(id, v any) engine.Row {
			return engine.Row{Names: []string{"name", "id", "v"}, Values: []any{"9.5", id, v}}
		}
		for name, write := range w.writers(h) {
			for _, bad := range []any{9.5, "9.5", "-0.5", "1e-1", "95e-1", "1.000001", " 7.5 ", "123456789012345678.5", "abc", "99999999999999999999", bigInt("99999999999999999999")} {
				shown := fmt.Sprintf("%q", fmt.Sprint(bad))
				if _, ok := bad.(float64); ok {
					shown = fmt.Sprint(bad)
				}
				for column, bads := range map[string]engine.Row{"id": row(bad, int64(1)), "v": row(int64(2), bad)} {
					err := write(row(int64(1), nil), bads)
					w.failure(fmt.Sprintf("%s of %v into %s", name, bad, column), "db.value", err)
					want := fmt.Sprintf("row 2: column %s is of type integer and cannot hold %s: ", column, shown)
					if got := engine.AsFailure(err).Message; !strings.HasPrefix(got, want) {
						w.Errorf("%s: got %q, want it to begin with %q", name, got, want)
					}
				}
			}
			w.same("rows after "+name, [][]any{{int64(0)}}, w.query(h, "SELECT COUNT(*) FROM t"))
		}
		for name, write := range w.writers(h) {
			w.must(write(row(int64(1), 9.0), row("2", "9.0"), row(3.0, "90e-1"), row("4.00", " 9"), row(int64(5), true)))
			w.same("rows after "+name, [][]any{{int64(5), int64(37), int64(15)}}, w.query(h, "SELECT COUNT(*), SUM(v), SUM(id) FROM t"))
			w.run(h, "DELETE FROM t")
		}
	}},
	{"a boolean is True, False or a small number, and all else is refused in the same words", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "v", Type: "boolean", Nullable: true}}, []string{"id"})
		w.must(err)
		row := func(id int64, v any) engine.Row {
			return engine.Row{Names: []string{"id", "v"}, Values: []any{id, v}}
		}
		for name, write := range w.writers(h) {
			for _, bad := range []any{int64(128), int64(-129), int64(300), 0.5, 1.25, "0.5", "200", "1e3", "1e-1", "true", "yes", "", engine.Decimal("0.5"), bigInt("99999999999999999999")} {
				shown := fmt.Sprintf("%q", fmt.Sprint(bad))
				switch bad.(type) {
				case int64, float64:
					shown = fmt.Sprint(bad)
				}
				err := write(row(1, true), row(2, bad))
				w.failure(fmt.Sprintf("%s of %v", name, bad), "db.value", err)
				want := fmt.Sprintf("row 2: column v is of type boolean and cannot hold %s: it takes True, False and whole numbers from -128 to 127", shown)
				if got := engine.AsFailure(err).Message; got != want && bad != engine.Decimal("0.5") {
					w.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			w.same("rows after "+name, [][]any{{int64(0)}}, w.query(h, "SELECT COUNT(*) FROM t"))
		}
		for name, write := range w.writers(h) {
			w.must(write(row(1, true), row(2, false), row(3, int64(1)), row(4, int64(0)), row(5, 1.0), row(6, "1"), row(7, " 0"), row(8, "1.0"), row(9, engine.Decimal("1")), row(10, nil), row(11, int64(2)), row(12, "-1e1")))
			w.same("rows after "+name, [][]any{{int64(12), int64(11), int64(-2)}}, w.query(h, "SELECT COUNT(*), COUNT(v), SUM(v) FROM t"))
			w.run(h, "DELETE FROM t")
		}
	}},
	{"a row without its key is refused, unless the database is to number it", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "v", Type: "integer", Nullable: true}}, []string{"id"})
		w.must(err)
		for name, write := range w.writers(h) {
			for what, bad := range map[string]engine.Row{
				"None":     {Names: []string{"id", "v"}, Values: []any{nil, int64(1)}},
				"left out": {Names: []string{"v"}, Values: []any{int64(1)}},
			} {
				err := write(engine.Row{Names: []string{"id", "v"}, Values: []any{int64(1), nil}}, bad)
				if err == nil {
					w.Errorf("%s with a key that is %s: the row is taken: %v", name, what, w.query(h, "SELECT id, v FROM t"))
				} else if !strings.Contains(err.Error(), "id") || engine.AsFailure(err).Code == "" {
					w.Errorf("%s with a key that is %s: %v", name, what, err)
				}
				w.run(h, "DELETE FROM t")
			}
		}
	}},
	{"a table that numbers its rows goes on to", func(w *world) {
		auto := "INTEGER PRIMARY KEY AUTOINCREMENT"
		if w.in.Rows {
			auto = "INTEGER PRIMARY KEY AUTO_INCREMENT"
		}
		w.exec("CREATE TABLE t (id " + auto + ", v INTEGER)")
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		for _, r := range []engine.Row{
			{Names: []string{"v"}, Values: []any{int64(10)}},
			{Names: []string{"id", "v"}, Values: []any{nil, int64(20)}},
		} {
			_, err := h.Insert(w.ctx, "t", source(r))
			w.must(err)
			_, err = h.Bulk(w.ctx, "t", source(r), nil)
			w.must(err)
		}
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10", "2|10", "3|20", "4|20"}, w.inTable())
	}},
}
