package storetest

import (
	"math"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// merged are the counts of a merge.
func merged(inserted, updated, unchanged, deleted int64) engine.Stats {
	s := stats(inserted, updated, unchanged)
	s["deleted"] = deleted
	return s
}

// percent allows a share to be deleted.
func percent(n float64) engine.Merge {
	return engine.Merge{Key: []string{"id"}, MaxDelete: n, Share: true}
}

var mergeCases = []testCase{
	{"a table becomes what the rows are", func(w *world) {
		w.table(10) // v = 10 * id
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		got, err := h.Merge(w.ctx, "t", pairs(1, 10, 2, 20, 3, 31, 4, 40, 5, 50, 6, 60, 7, 70, 8, 80, 9, 90, 11, 110), percent(10))
		w.must(err)
		w.same("counts", merged(1, 1, 8, 1), got)
		got, err = h.Merge(w.ctx, "t", pairs(1, 10, 2, 20, 3, 31, 4, 40, 5, 50, 6, 60, 7, 70, 8, 80, 9, 90, 11, 110), percent(0))
		w.must(err)
		w.same("again", merged(0, 0, 10, 0), got)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10", "2|20", "3|31", "4|40", "5|50", "6|60", "7|70", "8|80", "9|90", "11|110"}, w.inTable())
	}},
	{"too many deletions change nothing, and can be caught", func(w *world) {
		w.table(10)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (11, 110)")
		before := w.query(h, "SELECT id, v FROM t ORDER BY id")
		for what, spec := range map[string]engine.Merge{
			"a share of 11": percent(10), "a number": {Key: []string{"id"}, MaxDelete: 1}, "none": {Key: []string{"id"}},
		} {
			_, err := h.Merge(w.ctx, "t", pairs(1, 999, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60, 7, 70, 8, 80, 9, 90, 12, 1), spec)
			w.failure(what, "db.max_delete", err)
			if !strings.Contains(err.Error(), "would delete 2") {
				w.Errorf("%s: %v", what, err)
			}
			w.same(what+": rows", before, w.query(h, "SELECT id, v FROM t ORDER BY id"))
		}
		_, err := h.Merge(w.ctx, "t", pairs(), percent(99))
		w.failure("no rows at all", "db.max_delete", err)
		got, err := h.Merge(w.ctx, "t", pairs(), engine.Merge{Key: []string{"id"}, MaxDelete: math.Inf(1)})
		w.must(err)
		w.same("all", merged(0, 0, 0, 11), got)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", 0, len(w.inTable()))
	}},
	{"only the part is refreshed", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
		w.exec("INSERT INTO t VALUES (1, 1), (2, 1), (3, 2), (4, 2), (5, NULL)")
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		spec := percent(50)
		spec.Where, spec.Args = "v = ? -- of one source; not all", []any{int64(1)}
		got, err := h.Merge(w.ctx, "t", pairs(2, 1, 3, 1, 6, 1), spec)
		w.must(err)
		w.same("counts", merged(1, 1, 1, 1), got)
		spec.Where, spec.Args = "v = ? OR v = ?", []any{int64(2), int64(7)}
		_, err = h.Merge(w.ctx, "t", pairs(), spec)
		w.failure("all of a part", "db.max_delete", err)
		for _, bad := range []string{"1 = 1; DELETE FROM t", "id IN (SELECT id FROM ds_jobs)", ""} {
			if spec.Where = bad; bad != "" {
				_, err = h.Merge(w.ctx, "t", pairs(), spec)
				w.failure(bad, "db.refused", err)
			}
		}
		spec.Where, spec.Args = "no such thing", nil
		if _, err = h.Merge(w.ctx, "t", pairs(1, 1), spec); err == nil {
			w.Error("SQL that makes no sense was taken")
		}
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"2|1", "3|1", "4|2", "5|NULL", "6|1"}, w.inTable())
	}},
	{"a row outside of the part is refused, and nothing is changed", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, w VARCHAR(9))")
		w.exec("INSERT INTO t VALUES (1, 1, 'A'), (2, 2, 'B'), (3, 3, 'A')")
		h := w.hook(w.store)
		row := func(id, v int64, part any) engine.Row {
			return engine.Row{Names: []string{"id", "v", "w"}, Values: []any{id, v, part}}
		}
		spec := percent(100)
		spec.Where, spec.Args = "w = ? OR w = ?", []any{"A", "C"}
		before := w.query(h, "SELECT id, v, w FROM t ORDER BY id")
		for what, rows := range map[string][]engine.Row{
			"one of another part": {row(1, 1, "A"), row(2, 9, "B")}, "a new one": {row(7, 1, "B"), row(1, 1, "A")}, "one without a part": {row(7, 1, nil)},
			"one that leaves": {row(1, 1, "B")}, "one that does not say": {{Names: []string{"id", "v"}, Values: []any{int64(7), int64(1)}}},
		} {
			_, err := h.Merge(w.ctx, "t", source(rows...), spec)
			w.failure(what, "db.value", err)
			if !strings.Contains(err.Error(), "the row with id = ") || !strings.Contains(err.Error(), "is outside of where") {
				w.Errorf("%s: %v", what, err)
			}
			w.same(what+": rows", before, w.query(h, "SELECT id, v, w FROM t ORDER BY id"))
		}
		got, err := h.Merge(w.ctx, "t", source(row(1, 1, "C"), row(2, 9, "A")), spec) // one comes from another part
		w.must(err)
		w.same("counts", merged(0, 2, 0, 1), got)
		w.same("rows", `1 1 "C" / 2 9 "A"`, Shown(w.query(h, "SELECT id, v, w FROM t ORDER BY id")))
	}},
	{"keys of texts and of several columns", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "named", []engine.Column{{Name: "k", Type: "text"}, {Name: "n", Type: "decimal(20,0)"}, {Name: "v", Type: "integer", Nullable: true}}, []string{"k", "n"})
		w.must(err)
		row := func(k string, n, v int64) engine.Row {
			return engine.Row{Names: []string{"v", "n", "k"}, Values: []any{v, n, k}}
		}
		key := engine.Merge{Key: []string{"k", "n"}, MaxDelete: 2}
		_, err = h.Merge(w.ctx, "named", source(row("a", 1, 1), row("A", 1, 2), row("a ", 1, 3), row("a", 2, 4)), key)
		w.must(err)
		got, err := h.Merge(w.ctx, "named", source(row("a", 2, 4), row("A", 1, 7)), key)
		w.must(err)
		w.same("counts", merged(0, 1, 1, 2), got)
		w.same("rows", [][]any{{"A", int64(1), int64(7)}, {"a", int64(2), int64(4)}}, w.query(h, "SELECT k, n, v FROM named ORDER BY n"))
	}},
	{"a merge of many rows, twice in one hook", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		got, err := h.Merge(w.ctx, "t", many(1, 20_000, 1), percent(10))
		w.must(err)
		w.same("first", merged(20_000, 0, 0, 0), got)
		got, err = h.Merge(w.ctx, "t", many(501, 20_000, 1), percent(10))
		w.must(err)
		w.same("second", merged(500, 0, 19_500, 500), got)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"20000|501|20500"}, w.rows("SELECT COUNT(*), MIN(id), MAX(id) FROM t"))
	}},
	{"a merge whose source merges, and one whose source commits", func(w *world) {
		w.table(3)
		w.exec("CREATE TABLE other (id INTEGER PRIMARY KEY, v INTEGER)")
		w.exec("INSERT INTO other VALUES (1, 1), (2, 2)")
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		got, err := h.Merge(w.ctx, "t", &generated{n: 3, row: func(i int) engine.Row {
			if i == 1 {
				_, err := h.Merge(w.ctx, "other", pairs(1, 1), percent(50))
				w.must(err)
			}
			return engine.Row{Names: []string{"id", "v"}, Values: []any{int64(i + 1), int64(0)}}
		}}, percent(0))
		w.must(err)
		w.same("counts", merged(0, 3, 0, 0), got)
		_, err = h.Merge(w.ctx, "t", &generated{n: 3, row: func(i int) engine.Row {
			if i == 1 {
				w.commitWith(h, checkpoint(j, "p"))
			}
			return engine.Row{Names: []string{"id", "v"}, Values: []any{int64(i + 1), int64(5)}}
		}}, percent(0))
		w.failure("a source that commits", "usage", err)
		h.Rollback(w.ctx)
		w.same("rows", []string{"1|0", "2|0", "3|0"}, w.inTable())
		w.same("rows of the other", []string{"1|1"}, w.rows("SELECT id, v FROM other"))
		w.commitWith(h, alone(completed(j)))
	}},
	{"merge refuses keys that cannot be", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER UNIQUE)")
		h := w.hook(w.store)
		_, err := h.Merge(w.ctx, "t", pairs(), engine.Merge{Key: []string{"id", "v"}})
		w.failure("no index", "db.key", err)
		_, err = h.Merge(w.ctx, "t", pairs(), engine.Merge{})
		w.failure("no key", "usage", err)
		_, err = h.Merge(w.ctx, "t", pairs(1, nil), engine.Merge{Key: []string{"v"}})
		w.failure("a key that is None", "db.value", err)
		_, err = h.Merge(w.ctx, "ds_jobs", pairs(), engine.Merge{Key: []string{"id"}})
		w.failure("a table of the engine", "db.refused", err)
		w.same("rows", [][]any{{int64(0)}}, w.query(h, "SELECT COUNT(*) FROM t"))
	}},
}
