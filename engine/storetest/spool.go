package storetest

import (
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dsengine/dsengine/engine"
)

// byValue compares numbers of any size.
var byValue = cmp.Comparer(func(a, b *big.Int) bool { return a == b || a != nil && b != nil && a.Cmp(b) == 0 })

var spoolCases = []testCase{
	{"a result goes on when other statements come between", func(w *world) {
		w.table(10)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "UPDATE t SET v = 1 WHERE id = 1") // in the transaction from now on
		a, err := h.Query(w.ctx, "SELECT id, v FROM t ORDER BY id", nil)
		w.must(err)
		b, err := h.Query(w.ctx, "SELECT id FROM t ORDER BY id DESC", nil)
		w.must(err)
		w.same("columns", []string{"id", "v"}, a.Columns())
		for n := int64(1); n <= 10; n++ {
			row, err := a.Next(w.ctx)
			w.must(err)
			v := 10 * n
			if n == 1 {
				v = 1
			}
			w.same("row of the first", []any{n, v}, row)
			row, err = b.Next(w.ctx)
			w.must(err)
			w.same("row of the second", []any{11 - n}, row)
			w.run(h, "UPDATE t SET v = 0 WHERE id = ?", n)
			w.run(h, "DELETE FROM t WHERE id = ?", 11-n)
		}
		for _, r := range []engine.Rows{a, b} {
			if _, err := r.Next(w.ctx); err != io.EOF {
				w.Errorf("after the last row: %v", err)
			}
			w.must(r.Close())
			w.must(r.Close())
		}
		w.commitWith(h, alone(completed(j)))
		w.same("rows", 0, len(w.inTable()))
	}},
	{"a result survives checkpoints", func(w *world) {
		w.table(6)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		rows, err := h.Query(w.ctx, "SELECT id FROM t ORDER BY id", nil)
		w.must(err)
		var got []any
		for n := range 6 {
			row, err := rows.Next(w.ctx)
			w.must(err)
			got = append(got, row[0])
			if n%2 == 1 {
				w.run(h, "DELETE FROM t WHERE id > ?", int64(6-n))
				o := checkpoint(j, fmt.Sprint(n))
				w.commitWith(h, o)
			}
		}
		w.same("rows", []any{int64(1), int64(2), int64(3), int64(4), int64(5), int64(6)}, got)
		w.commitWith(h, alone(completed(j)))
	}},
	{"a result survives marks, and what they undo", func(w *world) {
		w.table(4)
		h := w.hook(w.store)
		w.run(h, "DELETE FROM t WHERE id = 4")
		rows, err := h.Query(w.ctx, "SELECT id FROM t ORDER BY id", nil)
		w.must(err)
		m, err := h.Mark(w.ctx)
		w.must(err)
		w.run(h, "DELETE FROM t")
		w.must(h.Undo(w.ctx, m))
		w.same("rows", [][]any{{int64(1)}, {int64(2)}, {int64(3)}}, w.drain(rows))
	}},
	{"a result that was closed early frees its connection", func(w *world) {
		w.table(50)
		j := w.start(job(w.typ("t")))
		h := w.hook(w.store)
		w.run(h, "UPDATE t SET v = 0")
		for range 5 {
			rows, err := h.Query(w.ctx, "SELECT id FROM t", nil)
			w.must(err)
			_, err = rows.Next(w.ctx)
			w.must(err)
			w.must(rows.Close())
		}
		w.commitWith(h, alone(completed(j)))
	}},
	{"a result of many megabytes goes to a file and comes back as it was", func(w *world) {
		h := w.hook(w.store)
		_, err := h.Ensure(w.ctx, "big", []engine.Column{{Name: "id", Type: "integer"}, {Name: "s", Type: "text", Nullable: true}, {Name: "b", Type: "bytes", Nullable: true},
			{Name: "at", Type: "timestamp", Nullable: true}, {Name: "f", Type: "float", Nullable: true}, {Name: "n", Type: "decimal(30,0)", Nullable: true}}, []string{"id"})
		w.must(err)
		text := strings.Repeat("a😀\x00'", 5000)
		at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
		const n = 400
		var rows []engine.Row
		var want [][]any
		for i := range n {
			v := []any{int64(i), text, []byte(text[:100]), at, 0.5, huge}
			if i%3 == 0 {
				v = []any{int64(i), text, nil, nil, nil, nil}
			}
			want = append(want, v)
			rows = append(rows, engine.Row{Names: []string{"id", "s", "b", "at", "f", "n"}, Values: v})
		}
		_, err = h.Insert(w.ctx, "big", source(rows...))
		w.must(err)
		result, err := h.Query(w.ctx, "SELECT * FROM big ORDER BY id", nil)
		w.must(err)
		first, err := result.Next(w.ctx)
		w.must(err)
		w.run(h, "DELETE FROM big") // spools the rest
		got := append([][]any{first}, w.drain(result)...)
		w.same("rows", len(want), len(got))
		for i := range want {
			if d := cmp.Diff(want[i], got[i], byValue); d != "" {
				w.Fatalf("row %d (-want +got):\n%.500s", i, d)
			}
		}
	}},
	{"a result ends with the error that its connection had", func(w *world) {
		if !w.in.Rows {
			return
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v LONGTEXT)")
		for i := range 20 {
			w.exec("INSERT INTO t VALUES (?, REPEAT('x', 1000000))", i)
		}
		h := w.hook(w.store)
		number := w.query(h, "SELECT CONNECTION_ID()")[0][0]
		rows, err := h.Query(w.ctx, "SELECT id, v FROM t", nil)
		w.must(err)
		_, err = rows.Next(w.ctx)
		w.must(err)
		w.exec(fmt.Sprint("KILL ", number))
		for err == nil {
			_, err = rows.Next(w.ctx)
		}
		w.code("the rows", engine.CodeRetry, err)
		_, again := rows.Next(w.ctx)
		w.code("once more", engine.CodeRetry, again)
	}},
}

// source gives rows.
func source(rows ...engine.Row) engine.RowSource { return &slice{rows} }
