package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// redrivenRows are rejects of a job that a job redrives, or did last; 0: none.
type redrivenRows struct {
	job, redrive engine.JobID
	settled      int
	phase        engine.Phase
	whole        bool
	n, loose     int64 // all, and those that have no line of a source
}

// CommittedRejects counts the rejects that were committed with a job's work. One that
// was closed is as good as mended. One that was redriven is mended, unless it was
// rejected again: which of the rows of a redrive that were, is not known, so that as
// many of a job's count as there are.
func (s *Store) CommittedRejects(ctx context.Context, job engine.JobID, phase engine.Phase) (c engine.CommittedRejects, err error) {
	err = s.read(ctx, func(t *Tx) error {
		c = engine.CommittedRejects{}
		rows, err := t.redrivenRows([]engine.JobID{job}, keptCommitted)
		if err != nil {
			return err
		}
		again, err := t.rejectedAgain(rows)
		if err != nil {
			return err
		}
		for _, x := range rows {
			mended := int64(0)
			switch x.settled {
			case settledClosed:
				mended = x.n
			case settledRedone:
				mended = max(0, x.n-again[x.redrive])
				again[x.redrive] -= x.n - mended
			}
			c.Mended += mended
			if x.phase == phase {
				c.Standing += x.n - mended
				if x.whole {
					c.Whole += x.n - mended
				} else {
					c.Unplaced = c.Unplaced || x.loose > 0
				}
			}
		}
		return nil
	})
	return c, err
}

// redrivenRows counts the rejects of jobs by what became of them. Index: by_job.
func (t *Tx) redrivenRows(jobs []engine.JobID, kept ...int64) (list []redrivenRows, err error) {
	for part := range slices.Chunk(jobs, rejectPage) {
		err := t.query(func(r *sql.Rows) error {
			var x redrivenRows
			err := r.Scan(&x.job, &x.phase, &x.whole, &x.redrive, &x.settled, &x.n, &x.loose)
			list = append(list, x)
			return err
		}, "SELECT job, phase, whole, redrive, redriven, COUNT(*), SUM(CASE WHEN line > 0 THEN 0 ELSE 1 END) FROM ds_rejects WHERE job IN ("+idList(part)+") AND kept IN ("+idList(kept)+") GROUP BY job, phase, whole, redrive, redriven ORDER BY job, phase, whole, redrive")
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// rejectedAgain says of the jobs that have redriven rows, how many rows they have
// rejected again that are not mended since: by a redrive of those, and so on.
func (t *Tx) rejectedAgain(rows []redrivenRows) (map[engine.JobID]int64, error) {
	of := map[engine.JobID][]redrivenRows{} // by the job that rejected them
	for level := rows; ; {
		var next []engine.JobID
		for _, x := range level {
			if _, seen := of[x.redrive]; x.settled == settledRedone && !seen {
				of[x.redrive] = nil
				next = append(next, x.redrive)
			}
		}
		if len(next) == 0 {
			break
		}
		var err error
		if level, err = t.redrivenRows(next, keptCommitted, keptFailed); err != nil {
			return nil, err
		}
		for _, x := range level {
			of[x.job] = append(of[x.job], x)
		}
	}
	again := make(map[engine.JobID]int64, len(of))
	// What redrives a reject is younger than the job that made it.
	for _, id := range slices.SortedFunc(maps.Keys(of), func(a, b engine.JobID) int { return cmp.Compare(b, a) }) {
		for _, x := range of[id] {
			switch x.settled {
			case settledClosed:
				continue
			case settledRedone:
				x.n = min(x.n, again[x.redrive])
			}
			again[id] += x.n
		}
	}
	return again, nil
}
