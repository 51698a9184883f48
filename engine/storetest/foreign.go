package storetest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// foreignCases are about columns of types that Ensure does not make.
var foreignCases = []testCase{
	{"a server's columns of bits hold whole numbers of 64 bits", func(w *world) {
		if !w.in.Rows {
			return // there are none
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, few BIT(3), v BIT(64), u BIGINT UNSIGNED)")
		h := w.hook(w.store)
		want := [][]any{
			{int64(1), int64(5), bigInt("18446744073709551615"), bigInt("18446744073709551615")},
			{int64(2), int64(0), bigInt("9223372036854775808"), bigInt("9223372036854775808")},
			{int64(3), nil, int64(math.MaxInt64), int64(math.MaxInt64)},
		}
		w.run(h, "INSERT INTO t VALUES (1, b'101', ~0, ~0), (2, 0, 1 << 63, 1 << 63), (3, NULL, ~0 >> 1, ~0 >> 1)")
		w.same("rows", want, w.query(h, "SELECT * FROM t ORDER BY id"), byValue)
		for what, write := range w.writers(h) {
			w.run(h, "DELETE FROM t")
			var rows []engine.Row
			for _, r := range want {
				rows = append(rows, engine.Row{Names: []string{"id", "few", "v", "u"}, Values: r})
			}
			w.must(write(rows...))
			w.same("rows after "+what, want, w.query(h, "SELECT * FROM t ORDER BY id"), byValue)
		}
		w.same("found", [][]any{{int64(2)}}, w.query(h, "SELECT id FROM t WHERE v = ? AND u = ?", want[1][2], want[1][3]))
	}},
	{"a server's columns of identifiers and addresses hold text", func(w *world) {
		if !w.mariadb() {
			return // others have none
		}
		w.exec("CREATE TABLE t (id UUID PRIMARY KEY, four INET4, six INET6, n INTEGER)")
		h := w.hook(w.store)
		columns, err := h.Columns(w.ctx, "t")
		w.must(err)
		w.same("columns", []engine.Column{{Name: "id", Type: "text(36)", Key: true}, {Name: "four", Type: "text(15)", Nullable: true}, {Name: "six", Type: "text(39)", Nullable: true}, {Name: "n", Type: "integer", Nullable: true}}, columns)
		row := func(id, four, six any, n int) engine.Row {
			return engine.Row{Names: []string{"id", "four", "six", "n"}, Values: []any{id, four, six, int64(n)}}
		}
		const one, other = "6ccd780c-baba-1026-9564-5b8c656024db", "00000000-0000-0000-0000-000000000001"
		for what, write := range w.writers(h) {
			w.run(h, "DELETE FROM t")
			w.must(write(row(one, "1.2.3.4", "2001:db8::ff", 1), row(other, nil, nil, 2), row("6CCD780CBABA102695645B8C656024DC", nil, "0:0:0:0:0:ffff:192.168.100.100", 3)))
			w.same("rows after "+what, `"`+one+`" "1.2.3.4" "2001:db8::ff" 1 / "`+other+`" NULL NULL 2 / "6ccd780c-baba-1026-9564-5b8c656024dc" NULL "::ffff:192.168.100.100" 3`, Shown(w.query(h, "SELECT * FROM t ORDER BY n")))
			w.same("found", [][]any{{int64(1)}}, w.query(h, "SELECT n FROM t WHERE id = ? AND four = ?", one, "1.2.3.4"), byValue)
			for want, bad := range map[string]engine.Row{
				`column id is of type text(36) and cannot hold "none": it is no uuid`:   row("none", nil, nil, 3),
				`column four is of type text(15) and cannot hold "1.2": it is no inet4`: row(other, "1.2", nil, 3),
				`column six is of type text(39) and cannot hold "1.2": it is no inet6`:  row(other, nil, "1.2", 3),
				`column id is of type text(36) and cannot hold "7": it is no uuid`:      row(int64(7), nil, nil, 3),
			} {
				err := write(bad)
				w.failure(what, "db.value", err)
				w.same(what, true, strings.HasSuffix(err.Error(), want))
			}
			w.run(h, "DELETE FROM t")
			w.must(write(row([]byte("\x6c\xcd\x78\x0c\xba\xba\x10\x26\x95\x64\x5b\x8c\x65\x60\x24\xdb"), nil, nil, 1)))
			w.same("rows of bytes after "+what, [][]any{{one}}, w.query(h, "SELECT id FROM t"))
		}
	}},
	{"a server's columns of times that hold spans of time do so", func(w *world) {
		if !w.in.Rows {
			return // it has none
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, c TIME, f TIME(6))")
		h := w.hook(w.store)
		row := func(v any) engine.Row {
			return engine.Row{Names: []string{"id", "c", "f"}, Values: []any{int64(1), v, v}}
		}
		for name, write := range w.writers(h) {
			for _, v := range []string{"36:00:00", "-12:00:00", "838:59:59", "-838:59:59", "-0:00:01", "23:59:59"} {
				w.run(h, "DELETE FROM t")
				if err := write(row(v)); err != nil {
					w.Errorf("%s of %s: %v", name, v, err)
				}
				want := strings.Replace(v, "-0:", "-00:", 1)
				w.same(name+" of "+v, [][]any{{want, want}}, w.query(h, "SELECT c, f FROM t"))
			}
			w.run(h, "DELETE FROM t")
			for _, v := range []string{"839:00:00", "1000:00:00", "36:60:00", "36:00", "36", "--1:00:00", "36:00:00.", "soon"} {
				w.failure(name+" of "+v, "db.value", write(row(v)))
			}
		}
	}},
	{"a time is cut off to the digits of a server's column", func(w *world) {
		if !w.in.Rows {
			return // columns have none
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, m DATETIME, n DATETIME(3), z TIMESTAMP NULL, c TIME, d DATE)")
		h := w.hook(w.store)
		at := time.Date(2024, 12, 31, 23, 59, 59, 999_600_000, time.UTC)
		want := `1 2024-12-31T23:59:59 2024-12-31T23:59:59.999 2024-12-31T23:59:59 "23:59:59" "2024-12-31"`
		for name, write := range w.writers(h) {
			for _, v := range []any{at, "2024-12-31 23:59:59.9996"} {
				w.run(h, "DELETE FROM t")
				w.must(write(engine.Row{Names: []string{"id", "m", "n", "z", "c", "d"}, Values: []any{int64(1), v, v, v, v, v}}))
				w.same("rows after "+name, want, Shown(w.query(h, "SELECT * FROM t")))
			}
		}
		w.run(h, "DELETE FROM t")
		w.run(h, "INSERT INTO t VALUES (1, ?, ?, ?, '23:59:59.9996', ?)", at, at, at, at)
		w.same("rows after a statement", want, Shown(w.query(h, "SELECT * FROM t")))

		w.exec("CREATE TABLE k (id DATETIME PRIMARY KEY, v INTEGER)")
		rows := func() engine.RowSource {
			return pairs("2024-01-01T10:00:00.7Z", 1, "2024-01-01T10:00:01Z", 2)
		}
		got, err := h.Upsert(w.ctx, "k", rows(), engine.Upsert{Key: []string{"id"}})
		w.must(err)
		w.same("upserted", stats(2, 0, 0), got)
		got, err = h.Merge(w.ctx, "k", rows(), percent(0))
		w.must(err)
		w.same("merged", stats(0, 0, 2), got)
	}}, {"keys that their column's collation takes for one are counted right beside a column that numbers rows", func(w *world) {
		if !w.in.Rows {
			return // there is no such collation
		}
		w.exec("CREATE TABLE t (n INTEGER AUTO_INCREMENT PRIMARY KEY, id VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci UNIQUE, v INTEGER)")
		w.exec("CREATE TABLE k (id INTEGER AUTO_INCREMENT PRIMARY KEY, v INTEGER)")
		h := w.hook(w.store)
		spec := engine.Upsert{Key: []string{"id"}}
		for what, write := range map[string]func(table string, rows engine.RowSource) (engine.Stats, error){
			"upsert": func(table string, rows engine.RowSource) (engine.Stats, error) {
				return h.Upsert(w.ctx, table, rows, spec)
			},
			"bulk": func(table string, rows engine.RowSource) (engine.Stats, error) {
				return h.Bulk(w.ctx, table, rows, &spec)
			},
		} {
			w.run(h, "DELETE FROM t")
			w.run(h, "DELETE FROM k")
			rows := func() engine.RowSource {
				return pairs("José", 1, "straße", 1, "Jose", 2, "x", 1, nil, 1, "STRASSE", 1)
			}
			got, err := write("t", rows())
			w.must(err)
			w.same(what, stats(4, 1, 1), got)
			got, err = write("t", rows())
			w.must(err)
			w.same(what+" again", stats(1, 2, 3), got)
			got, err = write("k", pairs(nil, 1, 0, 2, "0", 3, 1_000_000, 4, 1_000_000, 5))
			w.must(err)
			w.same(what+" by the number", stats(3, 2, 0), got)
		}
		w.run(h, "DELETE FROM t")
		got, err := h.Merge(w.ctx, "t", pairs("José", 1, "Jose", 2, "x", 1), percent(100))
		w.must(err)
		w.same("merged", stats(2, 1, 0), got)
	}},
	{"a server's columns of bits take numbers however they are given", func(w *world) {
		if !w.in.Rows {
			return // there are none
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, few BIT(3), v BIT(64))")
		h := w.hook(w.store)
		row := func(few, v any) engine.Row {
			return engine.Row{Names: []string{"id", "few", "v"}, Values: []any{int64(1), few, v}}
		}
		for name, write := range w.writers(h) {
			for _, v := range []any{int64(5), "5", " 5.0", "50e-1", engine.Decimal("5"), 5.0, []byte{5}} {
				w.run(h, "DELETE FROM t")
				if err := write(row(v, v)); err != nil {
					w.Errorf("%s of %T %v: %v", name, v, v, err)
				}
				w.same(fmt.Sprintf("%s of %T %v", name, v, v), `5 5`, Shown(w.query(h, "SELECT few, v FROM t")))
			}
			w.run(h, "DELETE FROM t")
			w.must(write(row(true, "18446744073709551615")))
			w.same(name, `1 big(18446744073709551615)`, Shown(w.query(h, "SELECT few, v FROM t")))
			w.run(h, "DELETE FROM t")
			for _, v := range []any{int64(-1), "-1", -1.0, 1e21, "1e21", 0.5, "0.5", engine.Decimal("0.5"), "x", "", "1e999999999", bigInt("18446744073709551616"), float64(1 << 60), time.Unix(0, 0)} {
				w.failure(fmt.Sprintf("%s of %T %v", name, v, v), "db.value", write(row(nil, v)))
			}
			for _, v := range []any{int64(8), "8", engine.Decimal("8"), 8.0} {
				w.failure(fmt.Sprintf("%s of %T %v into few", name, v, v), "db.value", write(row(v, nil)))
			}
		}
	}},
	{"a server's columns of members take no places of them", func(w *world) {
		if !w.in.Rows {
			return // there are none
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, e ENUM('a','1','b c'), s SET('a','2'))")
		h := w.hook(w.store)
		row := func(e, s any) engine.Row {
			return engine.Row{Names: []string{"id", "e", "s"}, Values: []any{int64(1), e, s}}
		}
		for name, write := range w.writers(h) {
			for _, c := range []struct {
				e, s any
				want string
			}{{"a", "a,2", `"a" "a,2"`}, {int64(1), int64(2), `"1" "2"`}, {"1", "2", `"1" "2"`}, {true, "", `"1" ""`}, {"b c", nil, `"b c" NULL`}, {nil, "a", `NULL "a"`}} {
				w.run(h, "DELETE FROM t")
				if err := write(row(c.e, c.s)); err != nil {
					w.Errorf("%s of %v, %v: %v", name, c.e, c.s, err)
				}
				w.same(name, c.want, Shown(w.query(h, "SELECT e, s FROM t")))
			}
			w.run(h, "DELETE FROM t")
			for _, v := range []any{false, int64(0), "0", int64(3), "3", " 3", "+3", "01", "x"} {
				w.failure(fmt.Sprintf("%s of %T %v into e", name, v, v), "db.value", write(row(v, nil)))
				w.failure(fmt.Sprintf("%s of %T %v into s", name, v, v), "db.value", write(row(nil, v)))
			}
			w.failure(name+" of no text", "db.value", write(row("", nil)))
		}
	}},
	{"a server's columns of text that hold some bytes cut no spaces", func(w *world) {
		if !w.in.Rows {
			return // there are none
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, s TINYTEXT, l TEXT) CHARACTER SET utf8mb4")
		h := w.hook(w.store)
		row := func(s, l any) engine.Row {
			return engine.Row{Names: []string{"id", "s", "l"}, Values: []any{int64(1), s, l}}
		}
		for name, write := range w.writers(h) {
			short, long := strings.Repeat("ä", 127)+" ", strings.Repeat("x", 1<<16-2)+" "
			w.run(h, "DELETE FROM t")
			w.must(write(row(short, long)))
			w.same(name, [][]any{{short, long}}, w.query(h, "SELECT s, l FROM t"))
			w.run(h, "DELETE FROM t")
			w.failure(name+" of a space too much", "db.value", write(row(short+" ", nil)))
			w.failure(name+" of a space too much in a long text", "db.value", write(row(nil, long+" ")))
		}
	}},
}
