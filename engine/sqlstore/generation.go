package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// In: a job, how many emitters to go up at most, that again. No locks. Primary key
// of ds_jobs, once for each. One row: how many there are, and the last one of them if
// there are so many.
const ancestorsSQL = "WITH RECURSIVE up (id, n) AS (" +
	"SELECT parent, 1 FROM ds_jobs WHERE id = ? " +
	"UNION ALL SELECT (SELECT parent FROM ds_jobs WHERE id = up.id), n + 1 FROM up WHERE up.id > 0 AND n < ?" +
	") SELECT COUNT(CASE WHEN id > 0 THEN 1 END), COALESCE(MAX(CASE WHEN n = ? THEN id END), 0) FROM up"

// In: a job, how many emitters to go up at most. No locks. Primary key of ds_jobs, once
// for each. The ids of the emitters, from the job on; the last one may be pruned.
const lineSQL = "WITH RECURSIVE up (id, n) AS (" +
	"SELECT parent, 1 FROM ds_jobs WHERE id = ? " +
	"UNION ALL SELECT (SELECT parent FROM ds_jobs WHERE id = up.id), n + 1 FROM up WHERE up.id > 0 AND n < ?" +
	") SELECT id FROM up WHERE id > 0 ORDER BY n"

// generationsChunk is how many emitters a statement goes up: servers bound how often
// such a statement may go round by 1000.
const generationsChunk = 500

// Generations counts the emitters above a job, up to most.
func (s *Store) Generations(ctx context.Context, id engine.JobID, most int) (n int, err error) {
	err = s.read(ctx, func(t *Tx) error {
		for n < most && id > 0 {
			chunk, found := min(most-n, generationsChunk), 0
			if _, err := t.row([]any{&found, &id}, ancestorsSQL, id, chunk, chunk); err != nil {
				return err
			}
			n += found
		}
		return nil
	})
	return n, err
}

// Root is the uppermost emitter above a job.
func (s *Store) Root(ctx context.Context, id engine.JobID) (root engine.JobID, err error) {
	err = s.read(ctx, func(t *Tx) error {
		line, err := t.ancestors(id)
		if err != nil {
			return err
		}
		root = line[0]
		if len(line) > 1 {
			var there engine.JobID
			found, err := t.row([]any{&there}, "SELECT id FROM ds_jobs WHERE id = ?", root)
			if err == nil && !found {
				root = line[1] // its emitter is pruned
			}
			return err
		}
		return nil
	})
	return root, err
}

// ancestors are the job's emitter, the emitter of that, and so on, and the job,
// ascending by id: an emitter is older than its items.
func (t *Tx) ancestors(id engine.JobID) ([]engine.JobID, error) {
	line := []engine.JobID{id}
	for n := generationsChunk; n == generationsChunk; {
		n = 0
		err := t.query(func(r *sql.Rows) error {
			var above engine.JobID
			err := r.Scan(&above)
			if above < line[len(line)-1] { // else rows that were written by hand would go round
				line = append(line, above)
				n++
			}
			return err
		}, lineSQL, line[len(line)-1], generationsChunk)
		if err != nil {
			return nil, err
		}
	}
	slices.Reverse(line)
	return line, nil
}
