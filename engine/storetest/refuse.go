package storetest

import (
	"context"
	"fmt"
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
		check := ""
		if !w.in.Rows { // it keeps texts of any length
			check = " CHECK (length(s) <= 5)"
		}
		w.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, s VARCHAR(5)" + check + ")")
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
		const long, none = "db.value t", "db.constraint o"
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
				back[strings.Replace(b, "db.constraint t", long, 1)] = true // a CHECK of SQLite's
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
}
