package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// generated is a source of n rows, made one after the other.
type generated struct {
	n, i int
	row  func(i int) engine.Row
}

func (g *generated) Next(context.Context) (engine.Row, error) {
	if g.i == g.n {
		return engine.Row{}, io.EOF
	}
	g.i++
	return g.row(g.i - 1), nil
}

// brokenOff is a source that ends with an error after some rows.
type brokenOff struct {
	*sifted
	after int
	err   error
}

func (b *brokenOff) Next(ctx context.Context) (engine.Row, error) {
	if b.i == b.after && b.after < b.n {
		return engine.Row{}, b.err
	}
	return b.sifted.Next(ctx)
}

func (b *brokenOff) Reject(_ context.Context, row engine.Row, why *engine.Failure) error {
	b.back = append(b.back, fmt.Sprintf("%d %s %.1v", row.At, why.Code, row.Values[1]))
	return nil
}

// many are n pairs from an id on.
func many(from, n, v int) engine.RowSource {
	names, values := []string{"id", "v"}, make([]any, 2)
	return &generated{n: n, row: func(i int) engine.Row {
		values[0], values[1] = int64(from+i), int64(v) // a session does not keep them
		return engine.Row{Names: names, Values: values}
	}}
}

// versions makes a table of ids, versions of a type, and texts; and a function
// that upserts a row by their version.
func (w *world) versions(h engine.Session, typ string) func(id int64, version any, text string) engine.Stats {
	w.Helper()
	_, err := h.Ensure(w.ctx, "versions", []engine.Column{{Name: "id", Type: "integer"}, {Name: "version", Type: typ, Nullable: true}, {Name: "s", Type: "text", Nullable: true}}, []string{"id"})
	w.must(err)
	return func(id int64, version any, text string) engine.Stats {
		w.Helper()
		row := engine.Row{Names: []string{"id", "version", "s"}, Values: []any{id, version, text}}
		got, err := h.Upsert(w.ctx, "versions", source(row), engine.Upsert{Key: []string{"id"}, Newer: "version"})
		w.must(err)
		return got
	}
}

// numbering is what makes a column number the rows.
func numbering(w *world) string {
	if w.in.Rows {
		return "AUTO_INCREMENT PRIMARY KEY"
	}
	return "PRIMARY KEY AUTOINCREMENT"
}

var bulkCases = []testCase{
	{"what gives the rows may use the session while they are written", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "s", Type: "text(200)", Nullable: true}}, []string{"id"})
		w.must(err)
		broke, names := errors.New("broke"), []string{"id", "s"}
		for what, write := range map[string]func(engine.RowSource) (engine.Stats, error){
			"insert": func(s engine.RowSource) (engine.Stats, error) { return h.Insert(w.ctx, "t", s) },
			"bulk":   func(s engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, "t", s, nil) },
			"upsert": func(s engine.RowSource) (engine.Stats, error) {
				return h.Upsert(w.ctx, "t", s, engine.Upsert{Key: []string{"id"}})
			},
		} {
			for _, until := range []int{12_000, 9_777} {
				m, err := h.Mark(w.ctx)
				w.must(err)
				had, bad := int64(0), []string(nil)
				g := &sifted{}
				g.generated = &generated{n: 12_000, row: func(i int) engine.Row {
					if i%750 == 0 {
						n := w.query(h, "SELECT COUNT(*) FROM t")[0][0].(int64)
						if n < had || n > int64(i) {
							w.Errorf("%s: %d rows are there before row %d is given, and %d were before", what, n, i, had)
						}
						had = n
					}
					text := strings.Repeat("x", 200)
					if i%1501 == 1500 {
						text += "x"
						bad = append(bad, fmt.Sprintf("%d db.value x", i+1))
					}
					return engine.Row{Names: names, Values: []any{int64(i), text}}
				}}
				source := &brokenOff{sifted: g, after: until, err: broke}
				got, err := write(source)
				if until < g.n {
					w.same(what+": it breaks", true, errors.Is(err, broke))
				} else {
					w.must(err)
					w.same(what+": counts", stats(12_000-int64(len(bad)), 0, 0), got)
					w.same(what+": given back", bad, g.back)
					w.same(what+": rows", 12_000-int64(len(bad)), w.query(h, "SELECT COUNT(*) FROM t")[0][0])
				}
				w.must(h.Undo(w.ctx, m))
				w.same(what+": rows after all", int64(0), w.query(h, "SELECT COUNT(*) FROM t")[0][0])
			}
		}
	}},
	{"bulk inserts many rows, whatever their shapes", func(w *world) {
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "v", Type: "integer", Nullable: true}, {Name: "s", Type: "text", Nullable: true}, {Name: "b", Type: "bytes", Nullable: true}}, []string{"id"})
		w.must(err)
		all, few, turned := []string{"id", "v", "s", "b"}, []string{"id"}, []string{"b", "s", "v", "id"}
		text := func(i int) string { return fmt.Sprintf("row %d\t\\N\n\\.%c", i, rune(i%0x500+1)) }
		row := func(i int) engine.Row {
			id, raw := int64(i), []byte{byte(i), 0, 0xff, '\\', '\t', '\n'}
			switch {
			case i%1000 == 500:
				return engine.Row{Names: few, Values: []any{id}}
			case i%1000 == 600:
				return engine.Row{Names: turned, Values: []any{raw, text(i), nil, id}}
			case i%3 == 0:
				return engine.Row{Names: all, Values: []any{id, id, text(i), nil}}
			}
			return engine.Row{Names: all, Values: []any{id, nil, text(i), raw}}
		}
		const n = 20_000
		got, err := h.Bulk(w.ctx, "t", &generated{n: n, row: row}, nil)
		w.must(err)
		w.same("counts", stats(n, 0, 0), got)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{fmt.Sprint(n)}, w.rows("SELECT COUNT(*) FROM t"))
		for _, i := range []int{0, 1, 3, 499, 500, 501, 600, 19_999} {
			want := row(i)
			values := w.query(h, "SELECT id, v, s, b FROM t WHERE id = ?", int64(i))[0]
			for k, name := range all {
				var v any
				if at := slices.Index(want.Names, name); at >= 0 {
					v = want.Values[at]
				}
				w.same(fmt.Sprintf("row %d, %s", i, name), v, values[k])
			}
		}
	}},
	{"bulk counts None, and nothing at all", func(w *world) {
		w.table(0)
		h := w.hook(w.store)
		got, err := h.Bulk(w.ctx, "t", source(engine.Row{}, engine.Row{Names: []string{"id"}, Values: []any{int64(1)}}, engine.Row{}), nil)
		w.must(err)
		want := stats(1, 0, 0)
		want["skipped"] = 2
		w.same("counts", want, got)
		got, err = h.Bulk(w.ctx, "t", source(), nil)
		w.must(err)
		w.same("of nothing", stats(0, 0, 0), got)
	}},
	{"a row that bulk cannot write is named, and is the only one missing", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, s VARCHAR(5))")
		if !w.in.Rows { // it keeps texts of any length
			w.exec("DROP TABLE t")
			w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, s VARCHAR(5) CHECK (length(s) <= 5))")
		}
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (100000, 1, 'x')")
		names := []string{"id", "v", "s"}
		for what, c := range map[string]struct {
			at   int
			row  []any
			code string
		}{
			"duplicate of a row that was there": {4321, []any{int64(100_000), int64(1), "x"}, "db.duplicate"},
			"duplicate of a row before it":      {3999, []any{int64(17), int64(1), "x"}, "db.duplicate"},
			"a NULL that cannot be":             {1, []any{int64(4711), nil, "x"}, "db.constraint"},
			"a text that is too long":           {4999, []any{int64(4711), int64(1), "too long"}, ""},
		} {
			m, err := h.Mark(w.ctx)
			w.must(err)
			_, err = h.Bulk(w.ctx, "t", &generated{n: 5000, row: func(i int) engine.Row {
				if i == c.at-1 {
					return engine.Row{Names: names, Values: c.row}
				}
				return engine.Row{Names: names, Values: []any{int64(i), int64(i), "ok"}}
			}}, nil)
			if err == nil {
				w.Fatalf("%s: no error", what)
			}
			f := engine.AsFailure(err)
			if c.code != "" && f.Code != c.code || !strings.HasPrefix(f.Message, fmt.Sprintf("row %d: ", c.at)) {
				w.Errorf("%s: want code %s and row %d, got %s: %s", what, c.code, c.at, f.Code, f.Message)
			}
			w.must(h.Undo(w.ctx, m))
		}
		_, err := h.Bulk(w.ctx, "t", source(engine.Row{Names: []string{"id", "nowhere"}, Values: []any{int64(1), int64(1)}}), nil)
		w.failure("a column that is not there", "db.column", err)
		_, err = h.Bulk(w.ctx, "nowhere", source(engine.Row{Names: []string{"id"}, Values: []any{int64(1)}}), nil)
		w.failure("a table that is not there", "db.missing", err)
		_, err = h.Bulk(w.ctx, "ds_jobs", source(engine.Row{Names: []string{"id"}, Values: []any{int64(1)}}), nil)
		w.failure("a table of the engine", "db.refused", err)
		w.run(h, "INSERT INTO t VALUES (9, 9, 'x')") // the transaction lives on
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"9|9|x", "100000|1|x"}, w.rows("SELECT id, v, s FROM t ORDER BY id"))
	}},
	{"an error of the source ends bulk and merge, and the transaction goes on", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		broken := errors.New("the file ends")
		for what, write := range map[string]func(engine.RowSource) error{
			"bulk": func(s engine.RowSource) error { _, err := h.Bulk(w.ctx, "t", s, nil); return err },
			"upsert": func(s engine.RowSource) error {
				_, err := h.Bulk(w.ctx, "t", s, &engine.Upsert{Key: []string{"id"}})
				return err
			},
			"merge": func(s engine.RowSource) error {
				_, err := h.Merge(w.ctx, "t", s, engine.Merge{Key: []string{"id"}, MaxDelete: 9})
				return err
			},
		} {
			m, err := h.Mark(w.ctx)
			w.must(err)
			if err := write(breaking{many(1, 30_000, 1), broken}); !errors.Is(err, broken) {
				w.Errorf("%s: want the source's error, got %v", what, err)
			}
			w.must(h.Undo(w.ctx, m))
		}
		w.run(h, "INSERT INTO t VALUES (7, 7)")
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"7|7"}, w.inTable())
	}},
	{"a source may itself use the session, and set marks", func(w *world) {
		w.table(0)
		w.exec("CREATE TABLE seen (id INTEGER PRIMARY KEY)")
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		names := []string{"id", "v"}
		var seen any
		src := &generated{n: 55_000, row: func(i int) engine.Row {
			if i%5000 == 0 {
				m, err := h.Mark(w.ctx)
				w.must(err)
				w.run(h, "INSERT INTO seen VALUES (?)", int64(i))
				if i%50_000 == 0 {
					w.must(h.Keep(w.ctx, m))
				} else {
					w.must(h.Undo(w.ctx, m))
				}
				seen = w.query(h, "SELECT COUNT(*) FROM seen")[0][0]
			}
			return engine.Row{Names: names, Values: []any{int64(i), seen}}
		}}
		_, err := h.Bulk(w.ctx, "t", src, nil)
		w.must(err)
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|50000", "2|5000"}, w.rows("SELECT v, COUNT(*) FROM t GROUP BY v ORDER BY v"))
		w.same("seen", []string{"0", "50000"}, w.rows("SELECT id FROM seen ORDER BY id"))
	}},
	{"bulk upserts as upsert does", func(w *world) {
		w.table(0)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		up := func(rows engine.RowSource) engine.Stats {
			w.Helper()
			s, err := h.Bulk(w.ctx, "t", rows, &engine.Upsert{Key: []string{"id"}})
			w.must(err)
			return s
		}
		w.same("new", stats(10_000, 0, 0), up(many(0, 10_000, 1)))
		w.same("the same", stats(0, 0, 10_000), up(many(0, 10_000, 1)))
		w.same("some of each", stats(2500, 5000, 0), up(many(5000, 7500, 2)))
		w.same("keys that come twice", stats(1, 2, 1), up(pairs(20_000, 1, 1, 5, 20_000, 2, 20_000, 2)))
		w.commitWith(h, alone(completed(j)))
		w.same("rows", []string{"1|4999", "2|7501", "5|1"}, w.rows("SELECT v, COUNT(*) FROM t GROUP BY v ORDER BY v"))
	}},
	{"rows that the database numbers are counted right", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER " + numbering(w) + ", v INTEGER UNIQUE, s VARCHAR(20))")
		h := w.hook(w.store)
		up := func(key string, names []string, rows ...[]any) engine.Stats {
			w.Helper()
			s := &slice{}
			for _, r := range rows {
				s.rows = append(s.rows, engine.Row{Names: names, Values: r})
			}
			got, err := h.Upsert(w.ctx, "t", s, engine.Upsert{Key: []string{key}})
			w.must(err)
			return got
		}
		one, two, three := int64(1), int64(2), int64(3)
		w.same("numbered", stats(2, 0, 0), up("v", []string{"v", "s"}, []any{one, "a"}, []any{two, "b"}))
		w.same("one more, one changed, one the same", stats(1, 1, 1), up("v", []string{"v", "s"}, []any{one, "a"}, []any{two, "c"}, []any{three, "d"}))
		w.same("with their numbers", stats(1, 1, 1), up("id", []string{"id", "v", "s"}, []any{one, one, "a"}, []any{two, two, "e"}, []any{int64(50), int64(50), "f"}))
		w.same("all new, with their numbers", stats(2, 0, 0), up("id", []string{"id", "s"}, []any{int64(60), "g"}, []any{int64(61), "h"}))
		w.same("some without", stats(1, 0, 1), up("id", []string{"id", "s"}, []any{int64(60), "g"}, []any{nil, "i"}))
		w.same("0 is a number", stats(1, 0, 1), up("id", []string{"id", "s"}, []any{int64(0), "none"}, []any{int64(60), "g"}))
		w.same("0, which is there", stats(0, 1, 1), up("id", []string{"id", "s"}, []any{int64(0), "none"}, []any{int64(60), "j"}))
	}},
	{"a row of number 0 stays that, where the database numbers rows", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER " + numbering(w) + ", v INTEGER)")
		h := w.hook(w.store)
		for _, want := range []engine.Stats{merged(2, 0, 0, 0), merged(0, 0, 2, 0)} {
			got, err := h.Merge(w.ctx, "t", pairs(0, 1, 5, 2), engine.Merge{Key: []string{"id"}})
			w.must(err)
			w.same("merge", want, got)
		}
		_, err := h.Exec(w.ctx, "DELETE FROM t", nil)
		w.must(err)
		for i, write := range []func(engine.RowSource) (engine.Stats, error){
			func(rows engine.RowSource) (engine.Stats, error) { return h.Insert(w.ctx, "t", rows) },
			func(rows engine.RowSource) (engine.Stats, error) { return h.Bulk(w.ctx, "t", rows, nil) },
		} {
			got, err := write(pairs(0, 1, nil, 2))
			w.must(err)
			w.same("inserted", stats(2, 0, 0), got)
			w.same(fmt.Sprint("rows, ", i), [][]any{{int64(1)}, {int64(2)}}, w.query(h, "SELECT v FROM t ORDER BY id"))
			w.same("of number 0", [][]any{{int64(1)}}, w.query(h, "SELECT v FROM t WHERE id = 0"))
			_, err = h.Exec(w.ctx, "DELETE FROM t", nil)
			w.must(err)
		}
	}},
	{"rows of a table with triggers are counted right", func(w *world) {
		w.exec("CREATE TABLE u (n INTEGER " + numbering(w) + ", id INTEGER)")
		for i, when := range []string{"BEFORE INSERT", "AFTER INSERT", "BEFORE UPDATE", "AFTER UPDATE"} {
			w.exec("DROP TABLE IF EXISTS t")
			w.table(2) // v = 10 * id
			w.exec(fmt.Sprintf("CREATE TRIGGER t%d %s ON t FOR EACH ROW BEGIN INSERT INTO u (id) VALUES (NEW.id); END", i, when))
			h := w.hook(w.store)
			rows := []any{1, 10, 2, 21, 3, 30}
			w.same(when+": one the same, one changed, one new", stats(1, 1, 1), w.upsert(h, pairs(rows...)))
			w.same(when+": again", stats(0, 0, 3), w.upsert(h, pairs(rows...)))
			got, err := h.Bulk(w.ctx, "t", pairs(1, 10, 2, 20, 4, 40), &engine.Upsert{Key: []string{"id"}})
			w.must(err)
			w.same(when+": by bulk", stats(1, 1, 1), got)
			got, err = h.Merge(w.ctx, "t", pairs(1, 10, 2, 21, 5, 50), percent(100))
			w.must(err)
			w.same(when+": by merge", merged(1, 1, 1, 2), got)
			h.Close()
		}
	}},
	{"an older version never overwrites, an equal one does", func(w *world) {
		h := w.hook(w.store)
		day := func(n int) time.Time { return time.Date(2026, 1, n, 1, 2, 3, 0, time.UTC) }
		for typ, v := range map[string][]any{
			"integer":       {int64(9), int64(10), int64(11)},
			"float":         {9.5, 10.0, 10.5},
			"decimal(10,2)": {"9.99", "10.00", "10.01"},
			"date":          {"2026-01-09", "2026-01-10", "2026-01-11"},
			"timestamp":     {day(9), day(10), day(11)},
			"text":          {"A", "a", "á"}, // byte by byte
		} {
			up := w.versions(h, typ)
			has := func(version any, text string) {
				w.Helper()
				got := w.query(h, "SELECT version, s FROM versions WHERE id = 1")[0]
				w.same(typ+" text", text, got[1])
				if version == nil && got[0] != nil {
					w.Errorf("%s: version %v, want none", typ, got[0])
				}
			}
			w.same(typ+" new", stats(1, 0, 0), up(1, v[1], "first"))
			w.same(typ+" older", stats(0, 0, 1), up(1, v[0], "older"))
			has(v[1], "first")
			w.same(typ+" equal", stats(0, 1, 0), up(1, v[1], "corrected"))
			has(v[1], "corrected")
			w.same(typ+" the same", stats(0, 0, 1), up(1, v[1], "corrected"))
			w.same(typ+" none", stats(0, 0, 1), up(1, nil, "none"))
			w.same(typ+" newer", stats(0, 1, 0), up(1, v[2], "newer"))
			has(v[2], "newer")
			w.same(typ+" no version", stats(1, 0, 0), up(2, nil, "none"))
			w.same(typ+" none again", stats(0, 1, 0), up(2, nil, "other"))
			w.same(typ+" a first version", stats(0, 1, 0), up(2, v[0], "first"))
			w.must(exec(h, w.ctx, "DELETE FROM versions"))
			h.Rollback(w.ctx)
			w.exec("DROP TABLE IF EXISTS versions")
			h = w.hook(w.open(Options{})) // knows nothing of the table that was
		}
	}},
	{"versions are compared one after the other within a call", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "versions", []engine.Column{{Name: "id", Type: "integer"}, {Name: "version", Type: "integer"}, {Name: "s", Type: "text"}}, []string{"id"})
		w.must(err)
		rows := &slice{}
		for _, v := range []int64{3, 5, 4, 5, 1} {
			rows.rows = append(rows.rows, engine.Row{Names: []string{"version", "s", "id"}, Values: []any{v, fmt.Sprint("v", v), int64(1)}})
		}
		got, err := h.Bulk(w.ctx, "versions", rows, &engine.Upsert{Key: []string{"id"}, Newer: "version"})
		w.must(err)
		w.same("counts", stats(1, 1, 3), got)
		w.same("row", [][]any{{int64(5), "v5"}}, w.query(h, "SELECT version, s FROM versions"))
		_, err = h.Upsert(w.ctx, "versions", source(engine.Row{Names: []string{"id", "s"}, Values: []any{int64(1), "x"}}), engine.Upsert{Key: []string{"id"}, Newer: "version"})
		w.failure("a row without the version", "db.column", err)
		_, err = h.Upsert(w.ctx, "versions", source(), engine.Upsert{Key: []string{"id"}, Newer: "nowhere"})
		w.failure("a column that is not there", "db.column", err)
		_, err = h.Upsert(w.ctx, "versions", source(), engine.Upsert{Key: []string{"id"}, Newer: "id"})
		w.failure("the key", "usage", err)
		got, err = h.Upsert(w.ctx, "versions", source(engine.Row{Names: []string{"id", "version", "s"}, Values: []any{int64(1), int64(6), "y"}}), engine.Upsert{Key: []string{"id"}, Update: []string{"s"}, Newer: "version"})
		w.must(err)
		w.same("counts", stats(0, 1, 0), got)
		w.same("the version goes along", [][]any{{int64(6), "y"}}, w.query(h, "SELECT version, s FROM versions"))
	}},
	{"a dead-lock in bulk and in merge ends the transaction", func(w *world) {
		if !w.in.Rows {
			return
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
		t := w.typ("t")
		for what, write := range map[string]func(h engine.Session, id int) error{
			"bulk": func(h engine.Session, id int) error { _, err := h.Bulk(w.ctx, "t", pairs(id, 5), nil); return err },
			"upsert": func(h engine.Session, id int) error {
				_, err := h.Bulk(w.ctx, "t", pairs(id, 5), &engine.Upsert{Key: []string{"id"}})
				return err
			},
			"merge": func(h engine.Session, id int) error {
				_, err := h.Merge(w.ctx, "t", pairs(id, 5), engine.Merge{Key: []string{"id"}, Where: "id = ?", Args: []any{int64(id)}, MaxDelete: 9})
				return err
			},
		} {
			w.enqueue(jobs(t, 2)...)
			list := w.claim(queue(t), 2)
			hooks := []engine.Session{w.hook(w.store), w.hook(w.store)}
			for i, h := range hooks {
				w.run(h, "INSERT INTO t VALUES (?, 0)", int64(1+i))
			}
			errs := make([]error, 2)
			var wg sync.WaitGroup
			for i, h := range hooks {
				wg.Go(func() { errs[i] = write(h, 2-i) }) // a row that the other has locked
			}
			// The victim is rolled back, and then the other may go on, or finds the
			// rows that were there.
			wg.Wait()
			victim := 0
			if engine.CodeOf(errs[0]) != engine.CodeRetry {
				victim = 1
			}
			w.code(what+", the victim", engine.CodeRetry, errs[victim])
			w.code(what+", the other", "", errs[1-victim])
			w.code(what+", its commit", engine.CodeRetry, w.store.Commit(w.ctx, hooks[victim], completed(list[victim])))
			w.commitWith(hooks[1-victim], completed(list[1-victim]))
			w.commitWith(hooks[victim], completed(list[victim]))
			w.same(what+" rows", int64(2), w.count("SELECT COUNT(*) FROM t"))
			w.exec("DELETE FROM t")
		}
	}},
	{"bulk that is given up leaves nothing", func(w *world) {
		w.table(0)
		h := w.hook(w.store)
		ctx, stop := context.WithCancelCause(w.ctx)
		stopped := engine.Errorf(engine.CodeLost, "enough")
		src := &generated{n: 200_000, row: func(i int) engine.Row {
			if i == 100_000 {
				stop(stopped)
			}
			return engine.Row{Names: []string{"id", "v"}, Values: []any{int64(i), int64(i)}}
		}}
		_, err := h.Bulk(ctx, "t", src, nil)
		if engine.CodeOf(err) != engine.CodeLost {
			w.Errorf("want the context's cause, got %v", err)
		}
		h.Close()
		w.same("rows", 0, len(w.inTable()))
		w.run(w.hook(w.store), "INSERT INTO t VALUES (1, 1)")
	}},
}
