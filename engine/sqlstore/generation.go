package sqlstore

import (
	"context"
	"database/sql"

	"github.com/dsengine/dsengine/engine"
)

// Parameters: a job. No locks. Primary key of ds_jobs. One row, none if it is gone.
const parentSQL = "SELECT parent FROM ds_jobs WHERE id = ?"

// Generations counts the emitters above a job, up to most.
func (s *Store) Generations(ctx context.Context, id engine.JobID, most int) (n int, err error) {
	err = s.read(ctx, func(t *Tx) error {
		for n = 0; n < most; n++ {
			parent := engine.JobID(0)
			if err := t.query(func(r *sql.Rows) error { return r.Scan(&parent) }, parentSQL, id); err != nil || parent == 0 {
				return err
			}
			id = parent
		}
		return nil
	})
	return n, err
}
