package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// retryBatch is how many items are retried in one transaction.
const retryBatch = 200

// failedItems are the failed items of an emitter; of an item that is failed
// because of its own items, those instead.
func (s *Store) failedItems(ctx context.Context, emitter engine.JobID) (list []engine.JobID, err error) {
	type item struct {
		id      engine.JobID
		emitted int64
		verdict engine.Status
	}
	const page = 1000
	for after := engine.JobID(0); ; {
		var items []item
		err := s.read(ctx, func(t *Tx) error {
			return t.query(func(r *sql.Rows) error {
				var i item
				err := r.Scan(&i.id, &i.emitted, &i.verdict)
				items = append(items, i)
				return err
			}, "SELECT j.id, j.items, j.verdict FROM ds_emissions e JOIN ds_jobs j ON j.id BETWEEN e.first_id AND e.last_id WHERE e.parent = ? AND e.last_id > ? AND j.id > ? AND j.parent = ? AND j.status = ? ORDER BY j.id LIMIT ?",
				emitter, after, after, emitter, engine.StatusFailed, page)
		})
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			n := len(list)
			if i.emitted > 0 {
				below, err := s.failedItems(ctx, i.id)
				if err != nil {
					return nil, err
				}
				list = append(list, below...)
			}
			if len(list) == n || i.verdict == engine.StatusFailed {
				list = append(list, i.id)
			}
		}
		if len(items) < page {
			return list, nil
		}
		after = items[len(items)-1].id
	}
}

// retryItems retries those of an emitter's items that are failed still, a batch
// in a transaction. One whose key was taken since is left out and told of.
//
// Locks: the items and their ancestors, ascending by id; keys by hash; then as Retry.
func (s *Store) retryItems(ctx context.Context, emitter engine.JobID, items []engine.JobID) error {
	left, first := 0, engine.JobID(0)
	for batch := range slices.Chunk(items, retryBatch) {
		taken, err := writeOnce(ctx, s, fmt.Sprintf("retry items of job %d", emitter), func(t *Tx) ([]engine.JobID, error) {
			return t.retryAll(batch)
		})
		if err != nil {
			return err
		}
		if len(taken) > 0 && left == 0 {
			first = taken[0]
		}
		left += len(taken)
	}
	if left > 0 {
		return engine.Errorf(engine.CodeConflict, "%d of %d failed items of job %d were not retried, because their keys belong to other jobs now; the first is job %d", left, len(items), emitter, first)
	}
	return nil
}

// retryAll retries those of the jobs that are failed; taken are those whose key
// is another's.
func (t *Tx) retryAll(ids []engine.JobID) (taken []engine.JobID, err error) {
	rows, err := t.lockLines(ids)
	if err != nil {
		return nil, err
	}
	err = t.withKeys(rows, func() error {
		for _, id := range ids {
			j, err := t.lockJob(id, "")
			if engine.CodeOf(err) == engine.CodeNotFound {
				continue // pruned
			}
			if err != nil {
				return err
			}
			if j.status != engine.StatusFailed {
				continue
			}
			holder, _, err := t.keyHolder(j)
			if err != nil {
				return err
			}
			if holder != 0 && holder != id {
				taken = append(taken, id)
				continue
			}
			if _, err := t.retry(id, engine.RetryOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	return taken, err
}

// lockLines reads and locks jobs and all their ancestors, ascending by id.
func (t *Tx) lockLines(ids []engine.JobID) ([]*jobRow, error) {
	lock := slices.Clone(ids)
	seen := make(map[engine.JobID]bool, len(ids))
	for level := ids; len(level) > 0; {
		var parents []engine.JobID
		err := t.query(func(r *sql.Rows) error {
			var id engine.JobID
			err := r.Scan(&id)
			if !seen[id] { // else its line is known already
				seen[id] = true
				parents = append(parents, id)
			}
			return err
		}, "SELECT DISTINCT parent FROM ds_jobs"+t.s.D.ByKey()+" WHERE id IN ("+idList(level)+") AND parent > 0")
		if err != nil {
			return nil, err
		}
		lock, level = append(lock, parents...), parents
	}
	slices.Sort(lock)
	return t.lockJobRows(slices.Compact(lock))
}
