package storetest

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// joined opens a session on the test's database as on another one.
func (w *world) joined(readOnly bool) engine.Joined {
	w.Helper()
	j := w.in.Connect(w.t, readOnly).Begin(engine.SessionOptions{Job: 1, Type: "t"})
	w.Cleanup(j.Close)
	return j
}

// scanned are the rows of a scan.
func (w *world) scanned(j engine.Joined, table string, spec engine.Scan) [][]any {
	w.Helper()
	rows, err := j.Scan(w.ctx, table, spec)
	w.must(err)
	return w.drain(rows)
}

var connectionCases = []testCase{
	{"what is written to another database commits on its own", func(w *world) {
		w.table(0)
		j := w.joined(false)
		w.must(j.CommitOwn(w.ctx))
		_, err := j.Bulk(w.ctx, "t", many(1, 3000, 1), nil)
		w.must(err)
		w.same("before", 0, len(w.inTable()))
		w.must(j.CommitOwn(w.ctx))
		w.same("after", 3000, len(w.inTable()))
		_, err = j.Upsert(w.ctx, "t", pairs(1, 2), engine.Upsert{Key: []string{"id"}})
		w.must(err)
		m, err := j.Mark(w.ctx)
		w.must(err)
		w.run(j, "DELETE FROM t WHERE id > 10")
		w.must(j.Undo(w.ctx, m))
		_, err = j.Merge(w.ctx, "t", many(1, 2990, 1), percent(1))
		w.must(err)
		j.Rollback(w.ctx)
		w.run(j, "INSERT INTO t VALUES (-1, 0)")
		w.must(j.CommitOwn(w.ctx))
		w.same("rows", []string{"3001|0"}, w.rows("SELECT COUNT(*), MIN(v) FROM t"))
		made, err := j.Ensure(w.ctx, "made", []engine.Column{{Name: "id", Type: "integer"}}, []string{"id"})
		w.must(err)
		w.same("made", true, made)
		w.must(j.CommitOwn(w.ctx))
		w.same("it is there", int64(0), w.count("SELECT COUNT(*) FROM made"))
	}},
	{"a connection for reading writes nothing", func(w *world) {
		w.table(2)
		j := w.joined(true)
		w.same("rows", 2, len(w.query(j, "SELECT id FROM t")))
		w.failure("exec", "db.read_only", exec(j, w.ctx, "DELETE FROM t"))
		_, err := j.Insert(w.ctx, "t", pairs(5, 5))
		w.failure("insert", "db.read_only", err)
		_, err = j.Merge(w.ctx, "t", pairs(5, 5), percent(100))
		w.failure("merge", "db.read_only", err)
		_, err = j.Ensure(w.ctx, "made", []engine.Column{{Name: "id", Type: "integer"}}, nil)
		w.failure("ensure", "db.read_only", err)
		if w.in.Rows { // the server itself refuses
			w.exec("CREATE FUNCTION sneaky() RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN DELETE FROM t; RETURN 1; END")
			rows, err := j.Query(w.ctx, "SELECT sneaky()", nil)
			if err == nil {
				_, err = rows.Next(w.ctx)
			}
			w.failure("a function that writes", "db.read_only", err)
			w.exec("DROP FUNCTION sneaky")
		}
		w.same("rows", []string{"1|10", "2|20"}, w.inTable())
		w.same("rows", 2, len(w.query(j, "SELECT id FROM t")))
		w.must(j.CommitOwn(w.ctx))
	}},
	{"the engine's tables are out of reach", func(w *world) {
		for _, readOnly := range []bool{true, false} {
			j := w.joined(readOnly)
			_, err := j.Query(w.ctx, "SELECT * FROM ds_jobs", nil)
			w.failure("query", "db.refused", err)
			w.failure("exec", "db.refused", exec(j, w.ctx, "DELETE FROM ds_jobs"))
			_, err = j.Scan(w.ctx, "ds_jobs", engine.Scan{By: []string{"id"}, Page: 10})
			w.failure("scan", "db.refused", err)
		}
	}},
	{"a scan gives every row once, in order, whatever the page", func(w *world) {
		w.table(25)
		w.exec("DELETE FROM t WHERE id IN (3, 10, 11)")
		j := w.joined(true)
		id := []string{"id"}
		var want []any
		for n := int64(1); n <= 25; n++ {
			if n != 3 && n != 10 && n != 11 {
				want = append(want, n)
			}
		}
		for _, page := range []int{1, 2, 11, 22, 23, 1000} {
			var got []any
			for _, r := range w.scanned(j, "t", engine.Scan{By: id, Page: page}) {
				got = append(got, r[0])
			}
			w.same(fmt.Sprint("ids by ", page), want, got)
		}
		for what, c := range map[string]struct {
			spec        engine.Scan
			first, last int64
			n           int
		}{
			"after":  {engine.Scan{By: id, After: []any{int64(9)}, Page: 4}, 12, 25, 14},
			"until":  {engine.Scan{By: id, Until: []any{int64(12)}, Page: 4}, 1, 12, 9},
			"both":   {engine.Scan{By: id, After: []any{int64(2)}, Until: []any{int64(9)}, Page: 3}, 4, 9, 6},
			"beyond": {engine.Scan{By: id, After: []any{int64(25)}, Page: 3}, 0, 0, 0},
		} {
			got := w.scanned(j, "t", c.spec)
			if w.same(what+" rows", c.n, len(got)); len(got) > 0 {
				w.same(what+" bounds", []any{c.first, c.last}, []any{got[0][0], got[len(got)-1][0]})
			}
		}
	}},
	{"a scan by several columns, and by each type", func(w *world) {
		h := w.hook(w.store)
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		for typ, keys := range map[string][]any{
			"integer":       {int64(-5), int64(0), int64(7), int64(1) << 60, int64(1)<<60 + 1},
			"decimal(15,0)": {int64(-3), int64(1), int64(2), int64(10), int64(999_999_999_999_999)},
			"text":          {"", "A", "a", "a ", "ä"},
			"date":          {"1999-12-31", "2000-01-01", "2000-01-02", "2024-02-29", "2024-03-01"},
			"timestamp":     {at, at.Add(time.Microsecond), at.Add(time.Second), at.Add(time.Hour), at.Add(24 * time.Hour)},
			"bytes":         {[]byte{0}, []byte{0, 1}, []byte{1}, []byte{0xfe}, []byte{0xff}},
		} {
			o := checkpoint(w.start(job(w.typ("t"))), "p")
			table := "k_" + typ[:4]
			_, err := h.Ensure(w.ctx, table, []engine.Column{{Name: "g", Type: "integer"}, {Name: "k", Type: typ}}, []string{"g", "k"})
			w.must(err)
			var rows []engine.Row
			for i := range 3 * len(keys) {
				rows = append(rows, engine.Row{Names: []string{"k", "g"}, Values: []any{keys[(7*i)%len(keys)], int64(i / len(keys))}})
			}
			_, err = h.Bulk(w.ctx, table, source(rows...), nil)
			w.must(err)
			w.commitWith(h, o)
			w.commit(alone(completed(o.Job)))
			j := w.joined(true)
			for _, page := range []int{1, 4, 100} {
				got := w.scanned(j, table, engine.Scan{By: []string{"g", "k"}, Page: page})
				w.same(typ+" rows", 3*len(keys), len(got))
				for i, r := range got {
					if r[0] != int64(i/len(keys)) || sameValue(keys[i%len(keys)], r[1]) != "" {
						w.Errorf("%s by %d, row %d: got %v", typ, page, i, r)
					}
				}
			}
			got := w.scanned(j, table, engine.Scan{By: []string{"g", "k"}, After: []any{int64(0), keys[3]}, Until: []any{int64(2), keys[1]}, Page: 2})
			w.same(typ+" between", 8, len(got))
			j.Close()
		}
	}},
	{"a scan gives all digits of numbers of single precision", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, f FLOAT, s VARCHAR(5))")
		numbers := []any{0.1, 1234567.0, -16777215.0, 1.7014118e38, 1.1754944e-38, 0.33333334, nil}
		for i, f := range numbers {
			w.exec("INSERT INTO t VALUES (?, ?, 'x')", i, f)
		}
		j := w.joined(true)
		rows, err := j.Scan(w.ctx, "t", engine.Scan{By: []string{"id"}, Page: 3})
		w.must(err)
		w.same("columns", []string{"id", "f", "s"}, rows.Columns())
		for i, f := range numbers {
			row, err := rows.Next(w.ctx)
			w.must(err)
			w.same("row", []any{int64(i), f, "x"}, row)
		}
		w.must(rows.Close())
	}},
	{"a scan by numbers that no int64 holds", func(w *world) {
		if !w.in.Rows {
			return // it has none
		}
		w.exec("CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY)")
		w.exec("INSERT INTO t VALUES (9007199254740993), (18446744073709551613), (18446744073709551614), (18446744073709551615)")
		j := w.joined(true)
		for _, page := range []int{1, 2, 9} {
			w.same("rows", 4, len(w.scanned(j, "t", engine.Scan{By: []string{"id"}, Page: page})))
		}
		got := w.scanned(j, "t", engine.Scan{By: []string{"id"}, After: []any{bigInt("18446744073709551613")}, Until: []any{bigInt("18446744073709551614")}, Page: 9})
		w.same("rows between", [][]any{{bigInt("18446744073709551614")}}, got, byValue)
	}},
	{"a scan survives commits, and what is deleted behind it", func(w *world) {
		w.table(30)
		j := w.joined(false)
		rows, err := j.Scan(w.ctx, "t", engine.Scan{By: []string{"id"}, Page: 7})
		w.must(err)
		n := 0
		for {
			row, err := rows.Next(w.ctx)
			if err == io.EOF {
				break
			}
			w.must(err)
			n++
			w.run(j, "DELETE FROM t WHERE id = ?", row[0])
			if n%4 == 0 {
				w.must(j.CommitOwn(w.ctx))
			}
		}
		w.must(j.CommitOwn(w.ctx))
		w.same("rows", 30, n)
		w.same("left", 0, len(w.inTable()))
	}},
	{"a scan by what gives no order is refused", func(w *world) {
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER UNIQUE, s VARCHAR(20) NOT NULL)")
		w.exec("CREATE TABLE d (id DECIMAL(20,0) PRIMARY KEY)")
		j := w.joined(true)
		_, err := j.Scan(w.ctx, "d", engine.Scan{By: []string{"id"}, Page: 1})
		w.failure("long decimals", "db.key", err)
		for what, c := range map[string]struct {
			spec engine.Scan
			code string
		}{
			"no index":     {engine.Scan{By: []string{"s"}, Page: 1}, "db.key"},
			"NULLs":        {engine.Scan{By: []string{"v"}, Page: 1}, "db.key"},
			"no column":    {engine.Scan{By: []string{"x"}, Page: 1}, "db.column"},
			"nothing":      {engine.Scan{Page: 1}, "usage"},
			"two values":   {engine.Scan{By: []string{"id"}, After: []any{int64(1), int64(2)}, Page: 1}, "usage"},
			"None in them": {engine.Scan{By: []string{"id"}, Until: []any{nil}, Page: 1}, "usage"},
		} {
			_, err := j.Scan(w.ctx, "t", c.spec)
			w.failure(what, c.code, err)
		}
		_, err = j.Scan(w.ctx, "nowhere", engine.Scan{By: []string{"id"}, Page: 1})
		w.failure("no table", "db.missing", err)
	}},
	{"a key has times that another program writes in a way of its own", func(w *world) {
		if w.in.Rows {
			return // servers have one way to keep a time
		}
		ids := func(j engine.Joined, table string, spec engine.Scan) string {
			w.Helper()
			rows, err := j.Scan(w.ctx, table, spec)
			w.must(err)
			defer rows.Close()
			var list [][]any
			for len(list) < 20 { // it may come to no end
				row, err := rows.Next(w.ctx)
				if err == io.EOF {
					break
				}
				w.must(err)
				list = append(list, row[1:2])
			}
			return Shown(list)
		}
		w.exec("CREATE TABLE theirs (at TIMESTAMP, id INTEGER, v INTEGER, PRIMARY KEY (at, id))")
		h := w.hook(w.store)
		o := checkpoint(w.start(job(w.typ("t"))), "p")
		_, err := h.Ensure(w.ctx, "ours", []engine.Column{{Name: "at", Type: "timestamp"}, {Name: "id", Type: "integer"}, {Name: "v", Type: "integer"}}, []string{"at", "id"})
		w.must(err)
		w.commitWith(h, o)
		w.commit(alone(completed(o.Job)))
		ten := time.Date(2024, 1, 1, 10, 0, 0, 0, time.UTC)
		for _, table := range []string{"theirs", "ours"} {
			_, err := w.joined(false).Upsert(w.ctx, table, source(), engine.Upsert{Key: []string{"at", "id"}})
			w.must(err) // there is nothing to be said against it yet
			for i, at := range []string{"2024-01-01T10:00:00", "2024-01-01T10:00:00", "2024-01-01T10:00:00", "2024-01-01 09:00:00", "2024-01-01T11:00:00+02:00", "2024-01-01T10:00:00.5", "2024-01-02"} {
				if table == "ours" && i == 4 {
					at = "2024-01-01T09:00:00" // its conditions keep others out
				}
				w.exec("INSERT INTO "+table+" VALUES (?, ?, 0)", at, i+1)
			}
			j := w.joined(false)
			by := []string{"at", "id"}
			for _, page := range []int{1, 2, 100} {
				w.same(fmt.Sprint(table, " by ", page), "4 / 5 / 1 / 2 / 3 / 6 / 7", ids(j, table, engine.Scan{By: by, Page: page}))
				for _, bound := range []any{ten, "2024-01-01T10:00:00", "2024-01-01 10:00:00"} {
					w.same("after", "3 / 6 / 7", ids(j, table, engine.Scan{By: by, After: []any{bound, int64(2)}, Page: page}))
					w.same("until", "4 / 5 / 1 / 2", ids(j, table, engine.Scan{By: by, Until: []any{bound, int64(2)}, Page: page}))
				}
			}
			var own []engine.Row
			for _, r := range w.query(j, "SELECT * FROM "+table) {
				own = append(own, engine.Row{Names: []string{"at", "id", "v"}, Values: r})
			}
			s := w.open(Options{}) // which knows no table yet
			h := w.hook(s)
			_, err = h.Merge(w.ctx, table, source(own...), engine.Merge{Key: []string{"id", "at"}, MaxDelete: 100, Share: true})
			w.failure("merge of "+table, "db.key", err)
			if table == "theirs" {
				_, err = h.Upsert(w.ctx, table, source(own...), engine.Upsert{Key: by})
				w.failure("upsert", "db.key", err)
				if want := `upsert of theirs: another program has written "2024-01-01 09:00:00" into the column at of the key`; !strings.HasPrefix(err.Error(), want) {
					w.Errorf("got %v, want it to begin with %s", err, want)
				}
			}
			w.same("rows", int64(7), w.count("SELECT COUNT(*) FROM "+table))
			h.Close()
			w.exec("UPDATE " + table + " SET at = strftime('%Y-%m-%d %H:%M:%f000', at)")
			h = w.hook(s)
			got, err := h.Upsert(w.ctx, table, source(own...), engine.Upsert{Key: by})
			w.must(err)
			w.same("upsert of what is written as here", stats(0, 0, 7), got)
			got, err = h.Merge(w.ctx, table, source(own[:6]...), engine.Merge{Key: by, MaxDelete: 1})
			w.must(err)
			w.same("merge of what is written as here", merged(0, 0, 6, 1), got)
			h.Close()
			w.same("by 2", "4 / 5 / 1 / 2 / 3 / 6 / 7", ids(j, table, engine.Scan{By: by, Page: 2}))
			w.same("after", "3 / 6 / 7", ids(j, table, engine.Scan{By: by, After: []any{"2024-01-01 10:00:00", int64(2)}, Page: 2}))
			j.Close()
		}
		w.exec("CREATE TABLE days (d DATE, id INTEGER, PRIMARY KEY (d, id))")
		w.exec("INSERT INTO days VALUES ('2024-01-02', 1), ('2024-01-01 00:00:00', 2), ('2024-01-01T00:00:00', 3)")
		j := w.joined(true)
		w.same("days", "2 / 3 / 1", ids(j, "days", engine.Scan{By: []string{"d", "id"}, Page: 1}))
		w.same("days after one", "3 / 1", ids(j, "days", engine.Scan{By: []string{"d", "id"}, After: []any{"2024-01-01", int64(2)}, Page: 1}))
	}},
}
