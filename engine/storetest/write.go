package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dsengine/dsengine/engine"
)

// slice is a source of rows.
type slice struct{ rows []engine.Row }

func (s *slice) Next(context.Context) (engine.Row, error) {
	if len(s.rows) == 0 {
		return engine.Row{}, io.EOF
	}
	r := s.rows[0]
	s.rows = s.rows[1:]
	return r, nil
}

// table2 are rows of the columns id and v.
func pairs(values ...any) engine.RowSource {
	names := []string{"id", "v"}
	var rows []engine.Row
	for i := 0; i < len(values); i += 2 {
		rows = append(rows, engine.Row{Names: names, Values: []any{number64(values[i]), number64(values[i+1])}})
	}
	return source(rows...)
}

func number64(v any) any {
	if n, ok := v.(int); ok {
		return int64(n)
	}
	return v
}

func stats(inserted, updated, unchanged int64) engine.Stats {
	return engine.Stats{"inserted": inserted, "updated": updated, "unchanged": unchanged, "deleted": 0, "skipped": 0}
}

// upsert by id.
func (w *world) upsert(h engine.Session, rows engine.RowSource) engine.Stats {
	w.Helper()
	s, err := h.Upsert(w.ctx, "t", rows, engine.Upsert{Key: []string{"id"}})
	w.must(err)
	return s
}

var writeCases = []testCase{
	{"a table that knows no transactions is refused", func(w *world) {
		if !w.in.Rows {
			return // there is one kind of table
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER) ENGINE=MyISAM")
		h := w.hook(w.store)
		one := func() engine.RowSource { return pairs(1, 10) }
		for what, do := range map[string]func() (engine.Stats, error){
			"insert": func() (engine.Stats, error) { return h.Insert(w.ctx, "t", one()) },
			"upsert": func() (engine.Stats, error) {
				return h.Upsert(w.ctx, "t", one(), engine.Upsert{Key: []string{"id"}})
			},
			"bulk":  func() (engine.Stats, error) { return h.Bulk(w.ctx, "t", one(), nil) },
			"merge": func() (engine.Stats, error) { return h.Merge(w.ctx, "t", one(), percent(10)) },
		} {
			_, err := do()
			w.failure(what, "db.engine", err)
			if !strings.Contains(err.Error(), "MyISAM") || !strings.Contains(err.Error(), "ALTER TABLE t ENGINE=InnoDB") {
				w.Errorf("%s: %v", what, err)
			}
		}
		w.same("rows", int64(0), w.count("SELECT COUNT(*) FROM t"))
	}},
	{"a view is written to", func(w *world) {
		if !w.in.Rows {
			return // its views are for reading
		}
		w.table(0)
		w.exec("CREATE VIEW seen AS SELECT id, v FROM t")
		defer w.exec("DROP VIEW seen")
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		_, err := h.Insert(w.ctx, "seen", pairs(1, 10))
		w.must(err)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10"}, w.inTable())
	}},
	{"insert counts rows and passes over None", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		got, err := h.Insert(w.ctx, "t", source(engine.Row{Names: []string{"id", "v"}, Values: []any{int64(1), nil}}, engine.Row{}, engine.Row{Names: []string{"id", "v"}, Values: []any{int64(2), int64(5)}}))
		w.must(err)
		want := stats(2, 0, 0)
		want["skipped"] = 1
		w.same("counts", want, got)
		got, err = h.Insert(w.ctx, "t", source())
		w.must(err)
		w.same("of nothing", stats(0, 0, 0), got)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|NULL", "2|5"}, w.inTable())
	}},
	{"insert takes thousands of rows of differing shape", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, s VARCHAR(20))")
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		var rows []engine.Row
		for i := range 3500 {
			switch {
			case i%500 == 7:
				rows = append(rows, engine.Row{Names: []string{"id"}, Values: []any{int64(i)}})
			case i%500 == 8:
				rows = append(rows, engine.Row{Names: []string{"s", "v", "id"}, Values: []any{"x", int64(1), int64(i)}})
			case i%2 == 0:
				rows = append(rows, engine.Row{Names: []string{"v", "id"}, Values: []any{int64(2), int64(i)}})
			default:
				rows = append(rows, engine.Row{Names: []string{"id", "v"}, Values: []any{int64(i), int64(2)}})
			}
		}
		got, err := h.Insert(w.ctx, "t", source(rows...))
		w.must(err)
		w.same("counts", stats(3500, 0, 0), got)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"NULL|NULL|7", "1|x|7", "2|NULL|3486"}, w.rows("SELECT v, s, COUNT(*) FROM t GROUP BY v, s ORDER BY v, s"))
	}},
	{"insert of a key that is there fails, and leaves the transaction", func(w *world) {
		w.table(1)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		_, err := h.Insert(w.ctx, "t", pairs(5, 5, 1, 1))
		w.failure("insert", "db.duplicate", err)
		w.run(h, "INSERT INTO t VALUES (9, 9)")
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10", "9|9"}, w.inTable())
	}},
	{"an error of the source ends it", func(w *world) {
		w.table(0)
		h := w.hook(w.store)
		broken := errors.New("the file ends")
		_, err := h.Insert(w.ctx, "t", breaking{pairs(1, 1), broken})
		if !errors.Is(err, broken) {
			w.Errorf("want the source's error, got %v", err)
		}
		_, err = h.Upsert(w.ctx, "t", breaking{pairs(1, 1), broken}, engine.Upsert{Key: []string{"id"}})
		if !errors.Is(err, broken) {
			w.Errorf("want the source's error, got %v", err)
		}
	}},
	{"upsert tells what was new, changed and the same", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.same("all are new", stats(3, 0, 0), w.upsert(h, pairs(1, 1, 2, 2, 3, 3)))
		w.same("none changed", stats(0, 0, 3), w.upsert(h, pairs(1, 1, 2, 2, 3, 3)))
		w.same("all changed", stats(0, 3, 0), w.upsert(h, pairs(1, 7, 2, 7, 3, 7)))
		w.same("some of each", stats(2, 1, 1), w.upsert(h, pairs(1, 7, 2, 8, 4, 4, 5, 5)))
		w.same("to NULL and back", stats(0, 1, 1), w.upsert(h, pairs(1, nil, 2, 8)))
		w.same("NULL is the same as NULL", stats(0, 0, 1), w.upsert(h, pairs(1, nil)))
		w.same("of nothing", stats(0, 0, 0), w.upsert(h, pairs()))
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|NULL", "2|8", "3|7", "4|4", "5|5"}, w.inTable())
	}},
	{"of rows with the same key in one call the last one counts", func(w *world) {
		w.table(1)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.same("counts", stats(1, 3, 1), w.upsert(h, pairs(1, 11, 2, 2, 1, 12, 2, 3, 2, 3)))
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|12", "2|3"}, w.inTable())
	}},
	{"keys that are equal to the database are the same key", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "named", []engine.Column{{Name: "k", Type: "text"}, {Name: "v", Type: "integer"}}, []string{"k"})
		w.must(err)
		row := func(k string, v int64) engine.Row { return engine.Row{Names: []string{"k", "v"}, Values: []any{k, v}} }
		got, err := h.Upsert(w.ctx, "named", source(row("a", 1), row("A", 2), row("a ", 3), row("á", 4), row("a", 5)), engine.Upsert{Key: []string{"k"}})
		w.must(err)
		w.same("counts", stats(4, 1, 0), got)
		w.same("rows", [][]any{{"a", int64(5)}, {"A", int64(2)}, {"a ", int64(3)}, {"á", int64(4)}}, w.query(h, "SELECT k, v FROM named ORDER BY CASE v WHEN 5 THEN 1 ELSE v END"))
	}},
	{"upsert takes thousands of rows, and rows of differing shape", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, s VARCHAR(20))")
		for i := range 100 {
			w.exec("INSERT INTO t VALUES (?, 1, 'old')", i*10)
		}
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		var rows []engine.Row
		for i := range 2500 {
			if i%2 == 0 {
				rows = append(rows, engine.Row{Names: []string{"id", "v"}, Values: []any{int64(i), int64(1)}})
			} else {
				rows = append(rows, engine.Row{Names: []string{"s", "id"}, Values: []any{"new", int64(i)}})
			}
		}
		w.same("counts", stats(2400, 0, 100), w.upsert(h, source(rows...)))
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"NULL|new|1250", "1|NULL|1150", "1|old|100"}, w.rows("SELECT v, s, COUNT(*) FROM t GROUP BY v, s ORDER BY v, s"))
	}},
	{"a key of two columns", func(w *world) {
		w.exec("CREATE TABLE t (a INTEGER NOT NULL, b VARCHAR(20) NOT NULL, v INTEGER, PRIMARY KEY (a, b))")
		h := w.hook(w.store)
		row := func(a int64, b string, v int64) engine.Row {
			return engine.Row{Names: []string{"v", "b", "a"}, Values: []any{v, b, a}}
		}
		up := func(rows ...engine.Row) engine.Stats {
			w.Helper()
			s, err := h.Upsert(w.ctx, "t", source(rows...), engine.Upsert{Key: []string{"b", "a"}})
			w.must(err)
			return s
		}
		w.same("new", stats(3, 0, 0), up(row(1, "x", 1), row(1, "y", 2), row(2, "x", 3)))
		w.same("mixed", stats(1, 1, 1), up(row(1, "x", 1), row(1, "y", 5), row(2, "y", 6)))
	}},
	{"only the named columns are updated", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, s VARCHAR(20))")
		h := w.hook(w.store)
		names := []string{"id", "v", "s"}
		up := func(update []string, v int64, s string) engine.Stats {
			w.Helper()
			got, err := h.Upsert(w.ctx, "t", source(engine.Row{Names: names, Values: []any{int64(1), v, s}}), engine.Upsert{Key: []string{"id"}, Update: update})
			w.must(err)
			return got
		}
		w.same("new", stats(1, 0, 0), up([]string{"v"}, 1, "a"))
		w.same("the other differs", stats(0, 0, 1), up([]string{"v"}, 1, "b"))
		w.same("it differs", stats(0, 1, 0), up([]string{"v"}, 2, "c"))
		w.same("nothing is updated", stats(0, 0, 1), up([]string{}, 3, "d"))
		w.same("row", [][]any{{int64(2), "a"}}, w.query(h, "SELECT v, s FROM t"))
	}},
	{"a row that is all key is there, or is new", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)")
		h := w.hook(w.store)
		rows := func(list ...int64) engine.RowSource {
			s := &slice{}
			for _, n := range list {
				s.rows = append(s.rows, engine.Row{Names: []string{"id"}, Values: []any{n}})
			}
			return s
		}
		w.same("new", stats(2, 0, 0), w.upsert(h, rows(1, 2)))
		w.same("mixed", stats(1, 0, 2), w.upsert(h, rows(1, 2, 3)))
	}},
	{"a key that is no unique index is refused", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(20), b VARCHAR(20))")
		w.exec("CREATE INDEX plain ON t (a)")
		w.exec("CREATE UNIQUE INDEX two ON t (a, b)")
		h := w.hook(w.store)
		for key, want := range map[string]string{"a": "db.key", "id,a": "db.key", "b": "db.key", "nothing": "db.column", "": "usage"} {
			var list []string
			if key != "" {
				list = strings.Split(key, ",")
			}
			_, err := h.Upsert(w.ctx, "t", pairs(), engine.Upsert{Key: list})
			w.failure("key "+key, want, err)
		}
		for _, key := range [][]string{{"id"}, {"ID"}, {"b", "a"}} {
			if _, err := h.Upsert(w.ctx, "t", pairs(), engine.Upsert{Key: key}); err != nil {
				w.Errorf("key %v: %v", key, err)
			}
		}
		_, err := h.Upsert(w.ctx, "t", source(engine.Row{Names: []string{"a"}, Values: []any{"x"}}), engine.Upsert{Key: []string{"id"}})
		w.failure("a row without the key", "db.column", err)
		_, err = h.Upsert(w.ctx, "t", pairs(), engine.Upsert{Key: []string{"id"}, Update: []string{"nothing"}})
		w.failure("a column to update that is not there", "db.column", err)
		_, err = h.Upsert(w.ctx, "nowhere", pairs(), engine.Upsert{Key: []string{"id"}})
		w.failure("a table that is not there", "db.missing", err)
	}},
	{"an index of the beginning of a text, of an expression or of some rows is no key", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, s VARCHAR(50) NOT NULL)")
		indexes := []string{"t (s) WHERE id < 9", "t (LOWER(s))"}
		switch {
		case w.mariadb():
			indexes = []string{"t (s(3))"}
		case w.in.Rows:
			indexes = []string{"t (s(3))", "t ((LOWER(s)))"}
		}
		row := func(id int64, s string) engine.Row {
			return engine.Row{Names: []string{"id", "s"}, Values: []any{id, s}}
		}
		for _, index := range indexes {
			w.exec("CREATE UNIQUE INDEX part ON " + index)
			h := w.hook(w.open(Options{})) // which knows no table yet
			_, err := h.Insert(w.ctx, "t", source(row(1, "abc1")))
			w.must(err)
			for what, write := range map[string]func(engine.RowSource) (engine.Stats, error){
				"upsert": func(r engine.RowSource) (engine.Stats, error) {
					return h.Upsert(w.ctx, "t", r, engine.Upsert{Key: []string{"s"}})
				},
				"bulk": func(r engine.RowSource) (engine.Stats, error) {
					return h.Bulk(w.ctx, "t", r, &engine.Upsert{Key: []string{"s"}})
				},
				"merge": func(r engine.RowSource) (engine.Stats, error) {
					return h.Merge(w.ctx, "t", r, engine.Merge{Key: []string{"s"}})
				},
			} {
				_, err := write(source(row(2, "abc2")))
				w.failure(what+" of "+index, "db.key", err)
				if !strings.HasSuffix(err.Error(), "it has [id]") {
					w.Errorf("%s of %s: %v", what, index, err)
				}
			}
			got, err := h.Upsert(w.ctx, "t", source(row(1, "ABC1"), row(2, "x")), engine.Upsert{Key: []string{"id"}})
			w.must(err)
			w.same(index, stats(1, 1, 0), got)
			_, err = h.Upsert(w.ctx, "t", source(row(2, "ABC1")), engine.Upsert{Key: []string{"id"}})
			w.failure("a row that has what another one has by "+index, "db.duplicate", err)
			_, err = h.Upsert(w.ctx, "t", source(row(3, "ABC1")), engine.Upsert{Key: []string{"id"}})
			w.failure("a new row that has what another one has by "+index, "db.duplicate", err)
			w.same(index, `1 "ABC1" / 2 "x"`, Shown(w.query(h, "SELECT id, s FROM t ORDER BY id")))
			h.Close()
			drop := "DROP INDEX part"
			if w.in.Rows {
				drop += " ON t"
			}
			w.exec(drop)
		}
	}},
	{"texts that differ by case are counted as the column's collation has them", func(w *world) {
		if w.in.Rows {
			w.exec("CREATE TABLE t (id INTEGER AUTO_INCREMENT PRIMARY KEY, s VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci UNIQUE, v INTEGER)")
		} else {
			w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, s VARCHAR(20) COLLATE NOCASE UNIQUE, v INTEGER)")
		}
		h := w.hook(w.store)
		row := func(s string, v int64) engine.Row { return engine.Row{Names: []string{"s", "v"}, Values: []any{s, v}} }
		got, err := h.Upsert(w.ctx, "t", source(row("A@x.de", 1), row("a@x.de", 2), row("b@x.de", 3), row("B@X.DE", 3)), engine.Upsert{Key: []string{"s"}, Update: []string{"v"}})
		w.must(err)
		w.same("counts", stats(2, 1, 1), got)
		w.same("rows", `"A@x.de" 2 / "b@x.de" 3`, Shown(w.query(h, "SELECT s, v FROM t ORDER BY id")))
	}},
	{"a key that is spelt in other letters is written many rows to a statement", func(w *world) {
		w.table(0)
		faults := &Faults{}
		h := w.hook(w.open(Options{Wrap: faults.Wrap}))
		stop := faults.Listen()
		for _, want := range []engine.Stats{stats(2000, 0, 0), stats(0, 0, 2000)} {
			got, err := h.Upsert(w.ctx, "t", many(1, 2000, 1), engine.Upsert{Key: []string{"ID"}})
			w.must(err)
			w.same("counts", want, got)
		}
		if n := len(stop()); n > 40 {
			w.Errorf("it took %d statements", n)
		}
	}},
	{"a conflict in another unique index changes no other row", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER UNIQUE)")
		w.exec("INSERT INTO t VALUES (1, 10), (2, 20)")
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		_, err := h.Upsert(w.ctx, "t", pairs(3, 10), engine.Upsert{Key: []string{"id"}})
		w.failure("a new row", "db.duplicate", err)
		_, err = h.Upsert(w.ctx, "t", pairs(2, 10), engine.Upsert{Key: []string{"id"}})
		w.failure("a row that is there", "db.duplicate", err)
		keep := engine.Upsert{Key: []string{"id"}, Update: []string{}}
		_, err = h.Upsert(w.ctx, "t", pairs(3, 10), keep)
		w.failure("a new row, where rows that are there stay", "db.duplicate", err)
		kept, err := h.Upsert(w.ctx, "t", pairs(1, 99), keep)
		w.must(err)
		w.same("counts of rows that stay", stats(0, 0, 1), kept)
		w.same("counts", stats(1, 1, 1), w.upsert(h, pairs(1, 10, 2, 21, 3, 30)))
		w.same("by the other index", stats(0, 1, 1), func() engine.Stats {
			s, err := h.Upsert(w.ctx, "t", source(engine.Row{Names: []string{"v", "id"}, Values: []any{int64(10), int64(1)}}, engine.Row{Names: []string{"v", "id"}, Values: []any{int64(30), int64(4)}}), engine.Upsert{Key: []string{"v"}})
			w.must(err)
			return s
		}())
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|10", "2|21", "4|30"}, w.inTable())
	}},
	{"names that need quotes", func(w *world) {
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		cols := []engine.Column{{Name: "select", Type: "integer"}, {Name: "a b`\"c", Type: "text", Nullable: true}}
		_, err := h.Ensure(w.ctx, "order", cols, []string{"select"})
		w.must(err)
		rows := func() engine.RowSource {
			return source(engine.Row{Names: []string{"select", "a b`\"c"}, Values: []any{int64(1), "x"}})
		}
		_, err = h.Insert(w.ctx, "order", rows())
		w.must(err)
		got, err := h.Upsert(w.ctx, "order", rows(), engine.Upsert{Key: []string{"select"}})
		w.must(err)
		w.same("counts", stats(0, 0, 1), got)
		w.commitWith(h, alone(completed(j)))
	}},
	{"ensure makes a table once and never alters it", func(w *world) {
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		cols := []engine.Column{{Name: "id", Type: "integer"}, {Name: "s", Type: "text(40)"}, {Name: "d", Type: "decimal(10,2)", Nullable: true}, {Name: "at", Type: "timestamp", Nullable: true}, {Name: "ok", Type: "boolean", Nullable: true}}
		made, err := h.Ensure(w.ctx, "t", cols, []string{"id"})
		w.must(err)
		w.same("made", true, made)
		made, err = h.Ensure(w.ctx, "t", []engine.Column{{Name: "S", Type: "text"}}, nil)
		w.must(err)
		w.same("made again", false, made)
		got, err := h.Columns(w.ctx, "t")
		w.must(err)
		cols[0].Key = true
		w.same("columns", cols, got)
		_, err = h.Insert(w.ctx, "t", source(engine.Row{Names: []string{"id", "s"}, Values: []any{int64(1), strings.Repeat("ä", 40)}}))
		w.must(err)
		_, err = h.Insert(w.ctx, "t", source(engine.Row{Names: []string{"id", "s"}, Values: []any{int64(2), strings.Repeat("ä", 41)}}))
		if err == nil {
			w.Error("a text that is too long was taken")
		}
		_, err = h.Insert(w.ctx, "t", source(engine.Row{Names: []string{"id", "s"}, Values: []any{int64(3), nil}}))
		w.failure("a NULL that cannot be", "db.constraint", err)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", int64(1), w.count("SELECT COUNT(*) FROM t"))
	}},
	{"ensure tells which columns a table that is there does not have, and takes them once they are added", func(w *world) {
		h := w.hook(w.store)
		defer h.Rollback(w.ctx)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "name", Type: "text", Nullable: true}}, []string{"id"})
		w.must(err)
		cols := []engine.Column{{Name: "id", Type: "integer"}, {Name: "naem", Type: "text", Nullable: true}, {Name: "size", Type: "decimal(20,2)", Nullable: true}}
		_, err = h.Ensure(w.ctx, "t", cols, []string{"id"})
		w.failure("columns that are missing", "db.column", err)
		said, alters, _ := strings.Cut(err.Error(), "outside of jobs: ")
		w.same("what it says", `table t has no column "naem" (did you mean "name"?): it has id, name. ensure never alters a table; add what is missing `, said)
		_, err = h.Ensure(w.ctx, "t", cols[1:], []string{"naem"})
		w.failure("a column of the key that is missing", "db.column", err)
		h.Rollback(w.ctx)
		for _, sql := range strings.Split(alters, "; ") {
			w.exec(sql)
		}
		made, err := h.Ensure(w.ctx, "t", cols, []string{"id"})
		w.must(err)
		w.same("made", false, made)
		got, err := h.Columns(w.ctx, "t")
		w.must(err)
		w.same("columns", cols[1:], got[2:])
	}},
	{"ensure refuses types that a table that is there does not keep", func(w *world) {
		h := w.hook(w.store)
		defer h.Rollback(w.ctx)
		kinds := [][]string{{"integer", "boolean", "decimal(5,0)"}, {"text", "text(7)", "json"}, {"float"}, {"decimal(10,2)", "decimal(30,2)"}, {"date"}, {"time"}, {"timestamp"}, {"bytes"}}
		also := map[string]string{"decimal(10,2)": "integer boolean decimal(5,0)", "decimal(30,2)": "integer boolean decimal(5,0)", "timestamp": "date",
			"text": "date time timestamp", "text(7)": "date time timestamp"}
		for i, have := range slices.Concat(kinds...) {
			table := fmt.Sprint("t", i)
			_, err := h.Ensure(w.ctx, table, []engine.Column{{Name: "c", Type: have, Nullable: true}}, nil)
			w.must(err)
			for _, kind := range kinds {
				for _, want := range kind {
					_, err := h.Ensure(w.ctx, table, []engine.Column{{Name: "c", Type: want, Nullable: true}}, nil)
					if slices.Contains(kind, have) || slices.Contains(strings.Fields(also[have]), want) {
						w.must(err)
					} else {
						w.failure(have+" for "+want, "db.column", err)
						w.same("what it says", fmt.Sprintf(`column "c" of table %s is of type %s, which does not keep values of type %s: ensure never alters a table, so ask for the type that it has, or change it outside of jobs`, table, have, want), err.Error())
					}
				}
			}
		}
		_, err := h.Ensure(w.ctx, "d", []engine.Column{{Name: "c", Type: "decimal(10,2)", Nullable: true}}, nil)
		w.must(err)
		_, err = h.Ensure(w.ctx, "d", []engine.Column{{Name: "c", Type: "decimal(12,4)", Nullable: true}}, nil)
		w.failure("more digits", "db.column", err)
		w.exec("CREATE TABLE theirs (a VARCHAR(5), b BIGINT, c SMALLINT, d CHAR(3), e DATETIME, f DOUBLE PRECISION, g NUMERIC(9,2))")
		_, err = h.Ensure(w.ctx, "theirs", []engine.Column{{Name: "a", Type: "text"}, {Name: "B", Type: "boolean"}, {Name: "c", Type: "integer"}, {Name: "d", Type: "text"}, {Name: "e", Type: "timestamp"}, {Name: "f", Type: "float"}, {Name: "g", Type: "decimal(9,2)"}}, nil)
		w.must(err)
	}},
	{"ensure does not commit what was written before it", func(w *world) {
		w.table(0)
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (1, 1)")
		made, err := h.Ensure(w.ctx, "second", []engine.Column{{Name: "id", Type: "integer"}}, []string{"id"})
		w.must(err)
		w.same("made", true, made)
		w.run(h, "INSERT INTO second VALUES (1)")
		h.Rollback(w.ctx)
		w.same("rows", 0, len(w.inTable()))
	}},
	{"all types can be made, and describe themselves", func(w *world) {
		h := w.hook(w.store)
		var cols []engine.Column
		for i, typ := range []string{"text", "text(7)", "integer", "float", "decimal(10,2)", "decimal(30,0)", "boolean", "date", "time", "timestamp", "bytes", "json"} {
			cols = append(cols, engine.Column{Name: fmt.Sprint("c", i), Type: typ, Nullable: i%2 == 0})
		}
		_, err := h.Ensure(w.ctx, "t", cols, nil)
		w.must(err)
		got, err := h.Columns(w.ctx, "t")
		w.must(err)
		w.same("columns", cols, got)
		for _, bad := range []string{"", "varchar(10)", "text(0)", "decimal", "decimal(5)", "decimal(2,3)", "integer(4)", "text(4"} {
			if _, err := h.Ensure(w.ctx, "bad", []engine.Column{{Name: "c", Type: bad}}, nil); engine.CodeOf(err) != engine.CodeUsage {
				w.Errorf("type %q: want a usage error, got %v", bad, err)
			}
		}
		key, err := h.Ensure(w.ctx, "k", []engine.Column{{Name: "a", Type: "text"}, {Name: "b", Type: "bytes"}, {Name: "c", Type: "timestamp"}}, []string{"a", "b", "c"})
		w.must(err)
		w.same("a key of any type", true, key)
	}},
	{"columns that are calculated are told, too", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, w INTEGER GENERATED ALWAYS AS (v * 2) VIRTUAL, x INTEGER GENERATED ALWAYS AS (v * 3) STORED)")
		h := w.hook(w.store)
		cols, err := h.Columns(w.ctx, "t")
		w.must(err)
		var names []string
		for _, c := range cols {
			names = append(names, c.Name)
		}
		w.same("columns", "id v w x", strings.Join(names, " "))
		_, err = h.Insert(w.ctx, "t", pairs(1, 10))
		w.must(err)
		w.same("row", [][]any{{int64(1), int64(10), int64(20), int64(30)}}, w.query(h, "SELECT id, v, w, x FROM t"))
	}},
	{"names that differ in capitals alone are not two columns", func(w *world) {
		w.table(0)
		h := w.hook(w.store)
		for name, write := range w.writers(h) {
			w.failure(name, "db.column", write(engine.Row{Names: []string{"id", "v", "V"}, Values: []any{int64(3), int64(1), int64(2)}}))
		}
		w.same("rows", 0, len(w.query(h, "SELECT id FROM t")))
	}},
	{"columns of a table that is not there", func(w *world) {
		_, err := w.hook(w.store).Columns(w.ctx, "nowhere")
		w.failure("Columns", "db.missing", err)
	}},
	{"a table that others changed is known again after a while", func(w *world) {
		w.table(0)
		h := w.hook(w.store)
		before, err := h.Columns(w.ctx, "t")
		w.must(err)
		w.same("columns", []engine.Column{{Name: "id", Type: "integer", Key: true}, {Name: "v", Type: "integer", Nullable: true}}, before, cmpopts.EquateEmpty())
	}},
}

// breaking gives rows and then an error.
type breaking struct {
	engine.RowSource
	err error
}

func (b breaking) Next(ctx context.Context) (engine.Row, error) {
	r, err := b.RowSource.Next(ctx)
	if err == io.EOF {
		err = b.err
	}
	return r, err
}
