package sqlstore

import (
	"context"
	"fmt"

	"github.com/dsengine/dsengine/engine"
)

// Hasten makes delayed jobs due now, all in one transaction. With tried, only those
// that have a failed attempt behind them.
//
// Locks: jobs ascending, delayed; then new rows in ready.
func (s *Store) Hasten(ctx context.Context, ids []engine.JobID, tried bool) ([]engine.HastenResult, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return writeOnce(ctx, s, "make jobs due now", func(t *Tx) ([]engine.HastenResult, error) { return t.hasten(ids, tried) })
}

func (t *Tx) hasten(ids []engine.JobID, tried bool) ([]engine.HastenResult, error) {
	rows, err := t.lockJobRows(ids)
	if err != nil {
		return nil, err
	}
	did := make(map[engine.JobID]engine.HastenResult, len(rows))
	var waiting []*jobRow
	for _, j := range rows {
		if did[j.ID] = engine.HastenNotDelayed; j.status == engine.StatusWaiting && (j.Attempts > 0 || !tried) {
			waiting = append(waiting, j)
		}
	}
	delayed, err := t.takeDelayed(waiting)
	if err != nil {
		return nil, err
	}
	ready := []byte("INSERT INTO ds_ready (queue, priority, id, epoch) VALUES ")
	n := 0
	var moved []engine.JobID
	for _, j := range waiting {
		if !delayed[j.ID] {
			continue
		}
		did[j.ID], moved = engine.HastenDone, append(moved, j.ID)
		queue := j.Queue(j.Phase)
		ready = append(appendInts(openTuple(ready, &n), int64(queue), int64(j.Priority), int64(j.ID), int64(j.Epoch)), ')')
		t.due = append(t.due, dueRow{queue, j.Priority, j.ID})
	}
	if len(moved) > 0 {
		if _, err := t.exec(fmt.Sprintf("UPDATE ds_jobs%s SET run_at = '%s' WHERE id IN (%s)", t.s.D.ByKey(), never, idList(moved))); err != nil {
			return nil, err
		}
		if _, err := t.exec(string(ready)); err != nil {
			return nil, err
		}
	}
	results := make([]engine.HastenResult, len(ids))
	for i, id := range ids {
		r, ok := did[id]
		if !ok {
			r = engine.HastenGone
		}
		results[i] = r
	}
	return results, nil
}
