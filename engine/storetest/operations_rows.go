package storetest

import (
	"github.com/dsengine/dsengine/engine"
)

// rowOperations write rows in a hook's transaction, in ways that take several
// statements, and commit them with the job.
var rowOperations = []operation{
	writing("bulk", func(h engine.Session, f *faulty, from int64) error {
		_, err := h.Bulk(f.ctx, "rowed", someRows(from, 1, 3), nil)
		return err
	}, 3),
	writing("bulk upsert and versions", func(h engine.Session, f *faulty, from int64) error {
		_, err := h.Bulk(f.ctx, "rowed", someRows(from, 1, 3), &engine.Upsert{Key: []string{"id"}})
		if err == nil {
			_, err = h.Upsert(f.ctx, "rowed", someRows(from, 0, 4), engine.Upsert{Key: []string{"id"}, Newer: "v"})
		}
		return err
	}, 3),
	writing("merge", func(h engine.Session, f *faulty, from int64) error {
		part := engine.Merge{Key: []string{"id"}, Where: "id BETWEEN ? AND ?", Args: []any{from, from + 9}, MaxDelete: 50, Share: true}
		if _, err := h.Bulk(f.ctx, "rowed", someRows(from+2, 0, 2), nil); err != nil {
			return err
		}
		_, err := h.Merge(f.ctx, "rowed", someRows(from, 1, 3), part) // one is deleted, one is updated
		return err
	}, 3),
}

// someRows are rows from an id on.
func someRows(from, v int64, n int) engine.RowSource {
	names := []string{"id", "v"}
	return &generated{n: n, row: func(i int) engine.Row {
		return engine.Row{Names: names, Values: []any{from + int64(i), v}}
	}}
}

// writing is an operation that writes rows whose v is 1, n of them, after a
// checkpoint and before the job is completed.
func writing(name string, write func(h engine.Session, f *faulty, from int64) error, n int64) operation {
	return operation{name + " with its job", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		f.exec("CREATE TABLE IF NOT EXISTS rowed (id BIGINT PRIMARY KEY, v INTEGER NOT NULL)")
		f.enqueue(job(t))
		j := f.on(queue(t), 1)[0]
		from := 1000 * int64(j.ID)
		step := func() error {
			h := f.bad.Begin(engine.SessionOptions{Job: j.ID, Type: "t"})
			defer h.Close()
			if err := write(h, f, from); err != nil {
				return err
			}
			o := alone(completed(j))
			o.Server = f.badSrv
			return f.bad.Commit(f.ctx, h, o)
		}
		return step, func(err error) {
			f.again(err, step)
			done := f.state(j.ID) == "completed"
			rows := f.count("SELECT COUNT(*) FROM rowed WHERE id BETWEEN ? AND ?", from, from+999)
			ones := f.count("SELECT COUNT(*) FROM rowed WHERE v = 1 AND id BETWEEN ? AND ?", from, from+999)
			all := n
			if name == "bulk upsert and versions" {
				all++ // the fourth of the second call
			}
			if done && (rows != all || ones != n) || !done && rows != 0 || !done && !f.died {
				f.Errorf("the job is %s, and %d of its rows are there, %d of them as they were written last", f.state(j.ID), rows, ones)
			}
			if !done {
				f.same("jobs left", 1, f.finish(queue(t)))
			}
			f.same("temporary tables that the pool was given back", 0, f.leftover())
		}
	}}
}

// leftover counts temporary tables that connections of the faulty process hold.
func (f *faulty) leftover() int {
	if f.died {
		return 0
	}
	h := f.bad.Begin(engine.SessionOptions{Job: 1, Type: "t"})
	defer h.Close()
	if _, err := h.Query(f.ctx, "SELECT COUNT(*) FROM dsengine_merge_1", nil); err == nil {
		return 1
	}
	return 0
}
