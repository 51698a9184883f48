package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"

	"github.com/dsengine/dsengine/engine"
)

// In: scope. Reads all rows of the scope, by primary key.
const recordSources = "SELECT source, COUNT(*), COUNT(id), MAX(job) FROM ds_records WHERE type = ? AND instance = ? AND gone = 0 GROUP BY source ORDER BY source"

// RecordSources lists what records there are.
func (s *Store) RecordSources(ctx context.Context, scope engine.Scope) (list []engine.RecordSource, err error) {
	err = s.read(ctx, func(t *Tx) error {
		list = nil
		return t.query(func(r *sql.Rows) error {
			var x engine.RecordSource
			var name text
			var job engine.JobID
			err := r.Scan(&name, &x.Rows, &x.Linked, &job)
			if x.Source = string(name); job != 0 {
				x.Job = &job
			}
			list = append(list, x)
			return err
		}, recordSources, scope.Type, scope.Instance)
	})
	return list, err
}

// RecordsOf reads records.
func (s *Store) RecordsOf(ctx context.Context, scope engine.Scope, source string, keys []engine.RecordKey) ([]*engine.Record, error) {
	list := make([]*engine.Record, len(keys))
	sums := make([]engine.KeySum, len(keys))
	for i := range keys {
		sums[i] = keys[i].Sum
	}
	err := s.read(ctx, func(t *Tx) error {
		found, err := t.records(scope, source, sums, "")
		for i := range sums {
			if list[i] = found[sums[i]]; list[i] != nil && list[i].Gone {
				list[i] = nil
			}
		}
		return err
	})
	return list, err
}

// ForgetRecords deletes records. Those that a hook has forgotten stay until its job
// is final.
//
// Locks: a page of records, ascending.
func (s *Store) ForgetRecords(ctx context.Context, scope engine.Scope, source string, keys []engine.RecordKey) (n int64, err error) {
	where, args := recordPlace+" AND gone = 0", placeArgs(scope, source, len(keys))
	if keys != nil {
		where += " AND ksum IN (" + marks(len(keys)) + ")"
		for i := range keys {
			args = append(args, keys[i].Sum[:])
		}
	}
	for more := true; more; {
		gone, err := writeOnce(ctx, s, "forget records", func(t *Tx) (int64, error) {
			var page [][]any
			err := t.query(func(r *sql.Rows) error {
				var sum []byte
				err := r.Scan(&sum)
				page = append(page, []any{scope.Type, scope.Instance, source, hex.EncodeToString(sum)})
				return err
			}, "SELECT ksum FROM ds_records WHERE "+where+" ORDER BY ksum LIMIT ?", append(args, recordRows)...)
			if more = len(page) == recordRows; err != nil || len(page) == 0 {
				return 0, err
			}
			return t.deleteIn("ds_records", "r.gone = 0", toJSON(page), KeyColumn{"type", KeyInt}, KeyColumn{"instance", KeyText}, KeyColumn{"source", KeyText}, KeyColumn{"ksum", KeyHex})
		})
		if err != nil {
			return n, err
		}
		n += gone
	}
	return n, nil
}
