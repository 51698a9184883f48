package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// keepText is how long final jobs are kept, as JSON: seconds by status.
func keepText(keep map[engine.Status]time.Duration) string {
	m := map[engine.Status]int64{}
	for s, d := range keep {
		m[s] = int64(d / time.Second)
	}
	return toJSON(m)
}

// SaveTypes registers types in one transaction and gives their numbers. A
// record without hooks registers the name only.
func (s *Store) SaveTypes(ctx context.Context, types []engine.TypeRecord) (ids map[string]engine.TypeID, err error) {
	types = slices.Clone(types)
	slices.SortFunc(types, func(a, b engine.TypeRecord) int { return cmp.Compare(a.Name, b.Name) })
	if ids, same, err := s.sameTypes(ctx, types); err != nil || same {
		return ids, err
	}
	err = s.write(ctx, "register job types", func(t *Tx) error {
		ids = map[string]engine.TypeID{}
		for _, r := range types {
			var id engine.TypeID
			find := func() (bool, error) {
				return t.row([]any{&id}, "SELECT id FROM ds_types WHERE name = ?", r.Name)
			}
			found, err := find()
			if err != nil {
				return err
			}
			if !found {
				if _, err := t.exec("INSERT INTO ds_types (name, doc, version, hooks, priority, max_attempts, keep_for) VALUES (?, ?, ?, ?, ?, ?, ?)"+
					s.D.Upsert("name", "version = VALUES(version)"), r.Name, r.Doc, r.Version, r.Hooks, r.Priority, max(r.MaxAttempts, 1), keepText(r.Keep)); err != nil {
					return err
				}
				if _, err := find(); err != nil {
					return err
				}
			} else if r.Hooks != 0 {
				if _, err := t.exec("UPDATE ds_types SET doc = ?, version = ?, hooks = ?, priority = ?, max_attempts = ?, keep_for = ? WHERE id = ?",
					r.Doc, r.Version, r.Hooks, r.Priority, r.MaxAttempts, keepText(r.Keep), id); err != nil {
					return err
				}
			}
			ids[r.Name] = id
		}
		return nil
	}, nil)
	return ids, err
}

// sameTypes says whether the types are registered just so: then nothing is to be
// written.
func (s *Store) sameTypes(ctx context.Context, types []engine.TypeRecord) (ids map[string]engine.TypeID, same bool, err error) {
	ids, same = map[string]engine.TypeID{}, true
	err = s.read(ctx, func(t *Tx) error {
		for _, r := range types {
			var x engine.TypeRecord
			var doc, version text
			var keep raw
			found, err := t.row([]any{&x.ID, &doc, &version, &x.Hooks, &x.Priority, &x.MaxAttempts, &keep}, "SELECT id, doc, version, hooks, priority, max_attempts, keep_for FROM ds_types WHERE name = ?", r.Name)
			if err != nil {
				return err
			}
			ids[r.Name] = x.ID
			if same = found && (r.Hooks == 0 || string(doc) == r.Doc && string(version) == r.Version && x.Hooks == r.Hooks &&
				x.Priority == r.Priority && x.MaxAttempts == r.MaxAttempts && string(keep) == keepText(r.Keep)); !same {
				return nil
			}
		}
		return nil
	})
	return ids, same, err
}

// unfolded is how many reports Types adds to the totals that were not folded
// yet; where servers run there are few.
const unfolded = 10_000

// sums are the columns of a type's totals: those that are kept, and the reports.
var sums = func() string {
	var list []string
	for _, c := range []string{"created", "completed", "failed", "cancelled", "retries", "losses"} {
		list = append(list, "COALESCE(c."+c+", 0) + COALESCE(d."+c+", 0)")
	}
	return strings.Join(list, ", ")
}()

// Types lists all types, with their totals; what scripts counted is added when
// a server folds it.
func (s *Store) Types(ctx context.Context) (types []engine.TypeRecord, err error) {
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var x engine.TypeRecord
			var doc, version text
			var keep, stats raw
			c := &x.Counts
			if err := r.Scan(&x.ID, &x.Name, &doc, &version, &x.Hooks, &x.Priority, &x.MaxAttempts, &keep,
				&c.Created, &c.Completed, &c.Failed, &c.Cancelled, &c.Retries, &c.Losses, &stats); err != nil {
				return err
			}
			x.Doc, x.Version, c.Stats = string(doc), string(version), parseStats(stats)
			var seconds map[engine.Status]int64
			if err := json.Unmarshal(keep, &seconds); err != nil {
				return err
			}
			x.Keep = map[engine.Status]time.Duration{}
			for st, n := range seconds {
				x.Keep[st] = time.Duration(n) * time.Second
			}
			types = append(types, x)
			return nil
		}, `SELECT t.id, t.name, t.doc, t.version, t.hooks, t.priority, t.max_attempts, t.keep_for,
 `+sums+`, c.stats
 FROM ds_types t LEFT JOIN ds_counters c ON c.type = t.id AND c.hour = ?
 LEFT JOIN (SELECT type, SUM(created) AS created, SUM(completed) AS completed, SUM(failed) AS failed, SUM(cancelled) AS cancelled, SUM(retries) AS retries, SUM(losses) AS losses
  FROM (SELECT type, created, completed, failed, cancelled, retries, losses FROM ds_deltas WHERE id > 0 ORDER BY id LIMIT `+strconv.Itoa(unfolded)+`) n GROUP BY type) d ON d.type = t.id
 ORDER BY t.name`, allTime)
	})
	return types, err
}

// typeOf is what the duties need of a type: its name, hooks and retries. It is
// read once in a transaction, and not remembered longer: another process may
// have a newer script.
func (t *Tx) typeOf(id engine.TypeID) (engine.TypeRecord, error) {
	if r, ok := t.types[id]; ok {
		return r, nil
	}
	r := engine.TypeRecord{ID: id}
	found, err := t.row([]any{&r.Name, &r.Hooks, &r.Priority, &r.MaxAttempts}, "SELECT name, hooks, priority, max_attempts FROM ds_types WHERE id = ?", id)
	if err != nil {
		return r, err
	}
	if !found {
		return r, engine.Errorf(engine.CodeInternal, "no job type has the number %d", id)
	}
	if t.types == nil {
		t.types = map[engine.TypeID]engine.TypeRecord{}
	}
	t.types[id] = r
	return r, nil
}
