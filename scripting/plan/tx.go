package plan

import (
	"context"

	"github.com/dsengine/dsengine/engine"
)

// tx is the one transaction that a plan has on a database. Each hook works in it
// from a mark on; what in a real run commits is kept by setting the next mark, what
// is rolled back goes back to the last. It is never committed.
type tx struct {
	name  string // of the connection; "": the job database
	inner engine.Session
	lost  func(error) // told when the transaction is over before the plan is

	base    int        // the mark of the last commit; 0: none is set yet
	marks   []int      // those that the hook has set since
	levels  []*changes // of the commits, and of each mark
	changed bool       // something was written since the last commit
	used    bool       // something was run since then
	kept    *kept      // what a test needs; nil: it is not remembered
}

func newTx(name string, inner engine.Session, lost func(error)) *tx {
	return &tx{name: name, inner: inner, lost: lost, levels: []*changes{{}, {}}}
}

// begin sets the mark that a hook's rollback goes back to.
func (t *tx) begin(ctx context.Context) error {
	t.used = true
	if t.base != 0 {
		return nil
	}
	mark, err := t.inner.Mark(ctx)
	if err != nil {
		return t.over(err)
	}
	t.base = mark
	return nil
}

// over says that the transaction has ended, and the plan with it.
func (t *tx) over(err error) error {
	t.lost(err)
	return err
}

// top is where changes are noted now.
func (t *tx) top() *changes { return t.levels[len(t.levels)-1] }

// seal does what stands for a commit.
func (t *tx) seal(ctx context.Context) error {
	if t.base != 0 {
		if err := t.inner.Keep(ctx, t.base); err != nil {
			return t.over(err)
		}
		t.base = 0
	}
	for _, c := range t.levels[1:] {
		t.levels[0].add(c)
	}
	t.levels, t.marks = []*changes{t.levels[0], {}}, nil
	t.used, t.changed = false, false
	return nil
}

// rollback takes back all since the last commit.
func (t *tx) rollback(ctx context.Context) {
	if t.base != 0 {
		if err := t.inner.Undo(context.WithoutCancel(ctx), t.base); err != nil {
			_ = t.over(err) // told by lost
		}
		t.base = 0
	}
	t.levels, t.marks = []*changes{t.levels[0], {}}, nil
	t.used, t.changed = false, false
}

// session is a hook's session within a plan's transaction.
type session struct{ *tx }

var _ engine.Joined = session{}

func (s session) Query(ctx context.Context, query string, args []any) (engine.Rows, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.look(ctx, query)
	s.top().statement(s.name, query, false, 0)
	return s.inner.Query(ctx, query, args)
}

func (s session) Exec(ctx context.Context, query string, args []any) (int64, error) {
	if err := s.write(ctx); err != nil {
		return 0, err
	}
	s.look(ctx, query)
	n, err := s.inner.Exec(ctx, query, args)
	if err == nil {
		s.top().statement(s.name, query, true, n)
	}
	return n, err
}

// write is for what writes.
func (s session) write(ctx context.Context) error {
	s.changed = true
	return s.begin(ctx)
}

func (s session) Insert(ctx context.Context, table string, rows engine.RowSource) (engine.Stats, error) {
	return s.insert(ctx, table, rows, func(rows engine.RowSource) (engine.Stats, error) {
		return s.inner.Insert(ctx, table, rows)
	})
}

func (s session) Upsert(ctx context.Context, table string, rows engine.RowSource, spec engine.Upsert) (engine.Stats, error) {
	return s.upsert(ctx, table, rows, spec.Key, func(rows engine.RowSource) (engine.Stats, error) {
		return s.inner.Upsert(ctx, table, rows, spec)
	})
}

func (s session) Bulk(ctx context.Context, table string, rows engine.RowSource, spec *engine.Upsert) (engine.Stats, error) {
	bulk := func(rows engine.RowSource) (engine.Stats, error) { return s.inner.Bulk(ctx, table, rows, spec) }
	if spec == nil {
		return s.insert(ctx, table, rows, bulk)
	}
	return s.upsert(ctx, table, rows, spec.Key, bulk)
}

func (s session) Merge(ctx context.Context, table string, rows engine.RowSource, spec engine.Merge) (engine.Stats, error) {
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	had, err := s.some(ctx, table, spec)
	if err != nil {
		return nil, err
	}
	stats, err := s.upsert(ctx, table, rows, spec.Key, func(rows engine.RowSource) (engine.Stats, error) {
		return s.inner.Merge(ctx, table, rows, spec)
	})
	if err != nil {
		return stats, err
	}
	return stats, s.deleted(ctx, table, spec.Key, had)
}

func (s session) Ensure(ctx context.Context, table string, columns []engine.Column, key []string) (bool, error) {
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	s.ensured(ctx, table)
	made, err := s.inner.Ensure(ctx, table, columns, key)
	if made && err == nil {
		s.changed = true
		s.top().table(s.name, table).Creates = creates(columns, key)
	}
	return made, err
}

func (s session) Columns(ctx context.Context, table string) ([]engine.Column, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.inner.Columns(ctx, table)
}

func (s session) Scan(ctx context.Context, table string, spec engine.Scan) (engine.Rows, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.lookAt(ctx, table, nil)
	return s.inner.(engine.Joined).Scan(ctx, table, spec)
}

func (s session) MayWrite(ctx context.Context, query string) bool {
	return s.inner.MayWrite(ctx, query)
}

func (s session) Mark(ctx context.Context) (int, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	mark, err := s.inner.Mark(ctx)
	if err == nil {
		s.marks, s.levels = append(s.marks, mark), append(s.levels, &changes{})
	}
	return mark, err
}

func (s session) Undo(ctx context.Context, mark int) error {
	if err := s.inner.Undo(ctx, mark); err != nil {
		return err
	}
	s.drop(mark, false)
	return nil
}

func (s session) Keep(ctx context.Context, mark int) error {
	if err := s.inner.Keep(ctx, mark); err != nil {
		return err
	}
	s.drop(mark, true)
	return nil
}

// drop forgets a mark and those after it; keep says that what was noted since
// stays.
func (t *tx) drop(mark int, keep bool) {
	for n := len(t.marks); n > 0; n-- {
		last := len(t.levels) - 1
		top, was := t.levels[last], t.marks[n-1]
		t.marks, t.levels = t.marks[:n-1], t.levels[:last]
		if keep {
			t.top().add(top)
		}
		if was == mark {
			return
		}
	}
}

func (s session) Rollback(ctx context.Context) { s.rollback(ctx) }

func (s session) Close() { s.rollback(context.Background()) }

func (s session) Wrote() bool { return s.used && (s.changed || s.inner.Wrote()) }

func (s session) Changed() bool { return s.changed }

// CommitOwn stands for the commit of another database.
func (s session) CommitOwn(ctx context.Context) error { return s.seal(ctx) }
