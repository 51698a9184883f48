package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// Variable reads one value; version 0 means that it never was set.
func (s *Store) Variable(ctx context.Context, scope engine.Scope, name string) (v engine.Variable, err error) {
	err = s.read(ctx, func(t *Tx) error {
		var value raw
		_, err := t.row([]any{&value, &v.Version}, "SELECT value, version FROM ds_vars WHERE type = ? AND instance = ? AND name = ?", scope.Type, scope.Instance, name)
		v.Value = engine.Raw(value)
		return err
	})
	return v, err
}

// VariableNames lists the names that are set, in order.
func (s *Store) VariableNames(ctx context.Context, scope engine.Scope) (names []string, err error) {
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var n string
			err := r.Scan(&n)
			names = append(names, n)
			return err
		}, "SELECT name FROM ds_vars WHERE type = ? AND instance = ? AND value IS NOT NULL ORDER BY name", scope.Type, scope.Instance)
	})
	return names, err
}

// SetVariables writes values outside of hooks.
func (s *Store) SetVariables(ctx context.Context, writes []engine.VariableWrite) error {
	_, err := writeOnce(ctx, s, "set variables", func(t *Tx) (struct{}, error) { return struct{}{}, t.writeVariables(writes) })
	return err
}

// writeVariables writes values in the order of their keys. One that was read
// must still have the version that was seen, else CodeConflict.
func (t *Tx) writeVariables(writes []engine.VariableWrite) error {
	writes = slices.Clone(writes)
	slices.SortFunc(writes, func(a, b engine.VariableWrite) int {
		return cmp.Or(cmp.Compare(a.Scope.Type, b.Scope.Type), cmp.Compare(a.Scope.Instance, b.Scope.Instance), cmp.Compare(a.Name, b.Name))
	})
	now := t.s.D.Now()
	for _, w := range writes {
		if w.Seen > 0 {
			n, err := t.exec("UPDATE ds_vars SET value = ?, version = version + 1, changed_at = "+now+" WHERE type = ? AND instance = ? AND name = ? AND version = ?",
				nullRaw(w.Value), w.Scope.Type, w.Scope.Instance, w.Name, w.Seen)
			if err != nil {
				return err
			}
			if n != 1 {
				return engine.Errorf(engine.CodeConflict, "the value of %q was changed meanwhile", w.Name)
			}
			continue
		}
		q := "INSERT INTO ds_vars (type, instance, name, value, version, changed_at) VALUES (?, ?, ?, ?, 1, " + now + ")"
		if w.Seen < 0 {
			q += t.s.D.Upsert("type, instance, name", "value = VALUES(value), version = ds_vars.version + 1, changed_at = VALUES(changed_at)")
		}
		if _, err := t.exec(q, w.Scope.Type, w.Scope.Instance, w.Name, nullRaw(w.Value)); err != nil {
			if w.Seen == 0 && t.s.D.Class(err) == ClassDuplicate {
				return engine.Errorf(engine.CodeConflict, "the value of %q was set meanwhile", w.Name)
			}
			return err
		}
	}
	return nil
}
