package scripttest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// autocommit is a session of a test itself: each statement commits at once, and
// tables can be made and changed.
type autocommit struct {
	engine.Joined
	by maker
}

// autocommitOn is such a session on a database that scripts reach by a name.
func autocommitOn(c connection) *autocommit {
	return &autocommit{Joined: c.Begin(engine.SessionOptions{Type: "the test"}), by: c}
}

// commit commits what a statement did.
func (s *autocommit) commit(ctx context.Context, err error) error {
	if err != nil {
		s.Rollback(ctx)
		return err
	}
	return s.CommitOwn(ctx)
}

// Exec runs a statement.
func (s *autocommit) Exec(ctx context.Context, query string, args []any) (int64, error) {
	if len(args) == 0 {
		if made, err := s.by.Make(ctx, query); made || err != nil {
			return 0, err
		}
	}
	n, err := s.Joined.Exec(ctx, query, args)
	return n, s.commit(ctx, err)
}

// Insert writes rows.
func (s *autocommit) Insert(ctx context.Context, table string, rows engine.RowSource) (engine.Stats, error) {
	st, err := s.Joined.Insert(ctx, table, rows)
	return st, s.commit(ctx, err)
}

// Upsert inserts or updates rows.
func (s *autocommit) Upsert(ctx context.Context, table string, rows engine.RowSource, spec engine.Upsert) (engine.Stats, error) {
	st, err := s.Joined.Upsert(ctx, table, rows, spec)
	return st, s.commit(ctx, err)
}

// Bulk writes rows.
func (s *autocommit) Bulk(ctx context.Context, table string, rows engine.RowSource, spec *engine.Upsert) (engine.Stats, error) {
	st, err := s.Joined.Bulk(ctx, table, rows, spec)
	return st, s.commit(ctx, err)
}

// Merge makes a table what the rows are.
func (s *autocommit) Merge(ctx context.Context, table string, rows engine.RowSource, spec engine.Merge) (engine.Stats, error) {
	st, err := s.Joined.Merge(ctx, table, rows, spec)
	return st, s.commit(ctx, err)
}

// Ensure makes a table.
func (s *autocommit) Ensure(ctx context.Context, table string, columns []engine.Column, key []string) (bool, error) {
	made, err := s.Joined.Ensure(ctx, table, columns, key)
	return made, s.commit(ctx, err)
}

// Query reads all rows at once, so that nothing stays open.
func (s *autocommit) Query(ctx context.Context, query string, args []any) (engine.Rows, error) {
	rows, err := s.Joined.Query(ctx, query, args)
	if err != nil {
		s.Rollback(ctx)
		return nil, err
	}
	all := &rowsInMemory{names: rows.Columns()}
	for err == nil {
		var row []any
		if row, err = rows.Next(ctx); err == nil {
			all.rows = append(all.rows, append([]any(nil), row...))
		}
	}
	rows.Close()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	s.Rollback(ctx)
	return all, err
}

type rowsInMemory struct {
	names []string
	rows  [][]any
}

// Columns are the names.
func (r *rowsInMemory) Columns() []string { return r.names }

// Next is the next row.
func (r *rowsInMemory) Next(context.Context) ([]any, error) {
	if len(r.rows) == 0 {
		return nil, io.EOF
	}
	row := r.rows[0]
	r.rows = r.rows[1:]
	return row, nil
}

// Close does nothing.
func (r *rowsInMemory) Close() error { return nil }

// session is the test's own session on the job database.
func (w *world) session() (*autocommit, error) {
	if err := w.open(); err != nil {
		return nil, err
	}
	if w.db == nil {
		w.db = w.ground.db.Session(engine.SessionOptions{Type: "the test"})
	}
	return &autocommit{Joined: w.db, by: w.ground.db}, nil
}

func (t *tester) jobDatabase() (hostlib.Value, error) {
	s, err := t.session()
	if err != nil {
		return nil, err
	}
	return hostlib.NewConnection("the job database", s), nil
}

// table reads a table. Without an order, its rows come by all their columns, so
// that they are the same each time.
func (t *tester) table(name, order string) (hostlib.Value, error) {
	s, err := t.session()
	if err != nil {
		return nil, err
	}
	return s.table(t.ctx, t.ground.db.Quote, name, order)
}

// table reads a table in an order, and rows that are alike in it by all columns. Columns
// are sorted by here.
func (s *autocommit) table(ctx context.Context, quote func(string) string, name, order string) (hostlib.Value, error) {
	columns, err := s.Columns(ctx, name)
	s.Rollback(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(columns))
	for i, col := range columns {
		all[i] = quote(col.Name)
	}
	query := "SELECT " + strings.Join(all, ", ") + " FROM " + quote(name)
	keys, known := orderOf(order, columns)
	if !known {
		query += " ORDER BY " + strings.Join(append([]string{order}, all...), ", ")
	}
	rows, err := s.Query(ctx, query, nil)
	if err != nil {
		return nil, err
	}
	list := []hostlib.Value{}
	names := rows.Columns()
	for {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			sortRows(list, keys)
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, &hostlib.Dict{Names: names, Values: row, Row: true})
	}
}

// logged is what the hooks have logged.
func (t *tester) logged() (hostlib.Value, error) {
	list := []hostlib.Value{}
	if t.step == nil {
		return list, nil
	}
	for after := int64(0); ; {
		lines, err := t.store.Logs(t.ctx, 0, t.typeID(), after, false, 1000)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			after = l.ID
			fields := hostlib.Value(&hostlib.Dict{})
			if l.Fields != nil {
				fields = hostlib.JSON(l.Fields)
			}
			list = append(list, &hostlib.Dict{
				Names:  []string{"level", "message", "fields", "phase", "attempt"},
				Values: []hostlib.Value{l.Level, l.Message, fields, l.Phase.String(), int64(l.Attempt)},
			})
		}
		if len(lines) < 1000 {
			return list, nil
		}
	}
}

func (t *tester) typeID() engine.TypeID {
	rec, err := t.eng.Type(t.ctx, t.typ.Name)
	if err != nil {
		return 0
	}
	return rec.ID
}

// rejected are the rows that were rejected.
func (t *tester) rejected() (hostlib.Value, error) {
	list := []hostlib.Value{}
	if t.step == nil {
		return list, nil
	}
	var all []*engine.Reject
	err := t.store.Rejects(t.ctx, engine.RejectFilter{Type: t.typeID()}, func(r *engine.Reject) bool {
		all = append(all, r)
		return true
	})
	slices.SortStableFunc(all, func(a, b *engine.Reject) int {
		return cmp.Or(cmp.Compare(a.Job, b.Job), cmp.Compare(orZero(a.Source), orZero(b.Source)), cmp.Compare(orZero(a.Line), orZero(b.Line)))
	})
	for _, r := range all {
		var source, line hostlib.Value
		if r.Source != nil {
			source = *r.Source
		}
		if r.Line != nil {
			line = *r.Line
		}
		list = append(list, &hostlib.Dict{
			Names:  []string{"row", "reason", "source", "line", "state"},
			Values: []hostlib.Value{hostlib.JSON(r.Row), r.Reason, source, line, string(r.State)},
		})
	}
	return list, err
}

// waiting are the jobs that were made and have not been run, in their order.
func (t *tester) waiting() (hostlib.Value, error) {
	list := []hostlib.Value{}
	if t.step == nil {
		return list, nil
	}
	for before := engine.JobID(0); ; {
		jobs, err := t.store.Jobs(t.ctx, engine.JobFilter{Status: engine.StatusWaiting, Before: before, Limit: 500})
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			before = j.ID
			var payload, key, at hostlib.Value
			if j.Payload != nil {
				payload = hostlib.JSON(j.Payload)
			}
			if j.Key != nil {
				key = *j.Key
			}
			if j.RunAt != nil {
				at = j.RunAt.UTC().Truncate(time.Microsecond)
			}
			list = append([]hostlib.Value{&hostlib.Dict{
				Names:  []string{"type", "payload", "key", "phase", "priority", "run_at"},
				Values: []hostlib.Value{j.Type, payload, key, j.Phase.String(), int64(j.Priority), at},
			}}, list...)
		}
		if len(jobs) < 500 {
			return list, nil
		}
	}
}

// orZero is what p points to.
func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func textOrBytes(data []byte) hostlib.Value {
	if utf8.Valid(data) {
		return string(data)
	}
	return data
}
