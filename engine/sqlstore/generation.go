package sqlstore

import (
	"context"

	"github.com/dsengine/dsengine/engine"
)

// In: a job, how many emitters to go up at most, that again. No locks. Primary key
// of ds_jobs, once for each. One row: how many there are, and the last one of them if
// there are so many.
const ancestorsSQL = "WITH RECURSIVE up (id, n) AS (" +
	"SELECT parent, 1 FROM ds_jobs WHERE id = ? " +
	"UNION ALL SELECT (SELECT parent FROM ds_jobs WHERE id = up.id), n + 1 FROM up WHERE up.id > 0 AND n < ?" +
	") SELECT COUNT(CASE WHEN id > 0 THEN 1 END), COALESCE(MAX(CASE WHEN n = ? THEN id END), 0) FROM up"

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
