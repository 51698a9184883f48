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

// Variables lists values by name; with only, the one of that name.
func (s *Store) Variables(ctx context.Context, scope engine.Scope, only string) (list []engine.VariableRow, err error) {
	q, args := "SELECT name, value, version, changed_at FROM ds_vars WHERE type = ? AND instance = ? AND value IS NOT NULL", []any{scope.Type, scope.Instance}
	if only != "" {
		q, args = q+" AND name = ?", append(args, only)
	}
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var v engine.VariableRow
			var value raw
			var at Time
			err := r.Scan(&v.Name, &value, &v.Version, &at)
			v.Value, v.ChangedAt = engine.Raw(value), at.Time
			list = append(list, v)
			return err
		}, q+" ORDER BY name", args...)
	})
	return list, err
}

// SetVariables writes values outside of hooks.
func (s *Store) SetVariables(ctx context.Context, writes []engine.VariableWrite) error {
	_, err := writeOnce(ctx, s, "set variables", func(t *Tx) (struct{}, error) { return struct{}{}, t.writeVariables(writes) })
	return err
}

// writeVariables writes values in the order of their keys. One that was read
// must still have the version that was seen, else CodeConflict. Where names come
// to be, those of their scopes are counted.
func (t *Tx) writeVariables(writes []engine.VariableWrite) error {
	writes = slices.Clone(writes)
	slices.SortFunc(writes, func(a, b engine.VariableWrite) int {
		return cmp.Or(cmp.Compare(a.Scope.Type, b.Scope.Type), cmp.Compare(a.Scope.Instance, b.Scope.Instance), cmp.Compare(a.Name, b.Name))
	})
	made := map[engine.Scope]string{} // a name that came to be
	for _, w := range writes {
		isNew, err := t.writeVariable(w)
		if err != nil {
			return err
		}
		if isNew && !engine.HiddenVariable(w.Name) {
			made[w.Scope] = w.Name
		}
	}
	for scope, name := range made {
		if err := t.countVariables(scope, name); err != nil {
			return err
		}
	}
	return nil
}

// writeVariable writes one value, and says whether its name was not there.
func (t *Tx) writeVariable(w engine.VariableWrite) (made bool, err error) {
	now := t.s.D.Now()
	if w.Seen == 0 && w.Value == nil { // there was nothing to delete
		there, err := t.row([]any{new(int)}, "SELECT 1 FROM ds_vars WHERE type = ? AND instance = ? AND name = ?", w.Scope.Type, w.Scope.Instance, w.Name)
		if there {
			err = changedMeanwhile(w)
		}
		return false, err
	}
	if w.Seen != 0 {
		q := "UPDATE ds_vars SET value = ?, version = version + 1, changed_at = " + now + " WHERE type = ? AND instance = ? AND name = ?"
		args := []any{nullRaw(w.Value), w.Scope.Type, w.Scope.Instance, w.Name}
		if w.Seen > 0 {
			q, args = q+" AND version = ?", append(args, w.Seen)
		}
		n, err := t.exec(q, args...)
		switch {
		case err != nil:
			return false, err
		case n == 1:
			return false, nil
		case w.Seen > 0:
			return false, changedMeanwhile(w)
		case w.Value == nil:
			return false, nil // there is nothing to delete
		}
	}
	q := "INSERT INTO ds_vars (type, instance, name, value, version, changed_at) VALUES (?, ?, ?, ?, 1, " + now + ")"
	if w.Seen < 0 { // somebody else may make it just now
		q += t.s.D.Upsert("type, instance, name", "value = VALUES(value), version = ds_vars.version + 1, changed_at = VALUES(changed_at)")
	}
	_, err = t.exec(q, w.Scope.Type, w.Scope.Instance, w.Name, nullRaw(w.Value))
	if err != nil && w.Seen == 0 && t.s.D.Class(err) == ClassDuplicate {
		return false, changedMeanwhile(w)
	}
	return true, err
}

// changedMeanwhile says that a value is no longer the one that was read.
func changedMeanwhile(w engine.VariableWrite) error {
	what := "state"
	if w.Scope == (engine.Scope{}) {
		what = "vars"
	}
	return engine.Errorf(engine.CodeConflict, "another job, or a person, changed %s %q after it was read", what, w.Name)
}

// countVariables fails if a scope has too many names; name is one that came to
// be. It looks at no more rows than there may be.
func (t *Tx) countVariables(scope engine.Scope, name string) error {
	const behind = engine.HiddenVariables + "\U0010ffff" // where other names go on
	n := 0
	_, err := t.row([]any{&n}, "SELECT COUNT(*) FROM (SELECT 1 FROM ds_vars WHERE type = ? AND instance = ? AND (name < ? OR name > ?) LIMIT ?) x",
		scope.Type, scope.Instance, engine.HiddenVariables, behind, engine.MaxVariables+1)
	if err == nil && n > engine.MaxVariables {
		err = engine.TooManyVariables(scope, name)
	}
	return err
}
