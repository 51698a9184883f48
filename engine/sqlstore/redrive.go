package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/dsengine/dsengine/engine"
)

// Redrive makes the job, or jobs, that redrive those of the batch that are open
// still. If two do it at once, the locks on the rejects decide, and where those
// hold on one node only, the writes do.
//
// Locks: jobs that redrove them before, ascending; rejects ascending; then new
// rows.
func (s *Store) Redrive(ctx context.Context, b engine.RedriveBatch) (jobs []engine.JobID, taken int, err error) {
	type done struct {
		made  []engine.Enqueued
		taken int
	}
	d, err := writeOnce(ctx, s, "redrive rejects", func(t *Tx) (d done, err error) {
		d.made, d.taken, err = t.redrive(b)
		return d, err
	})
	if err != nil {
		return nil, 0, err
	}
	for _, m := range d.made {
		jobs = append(jobs, m.ID)
	}
	return jobs, d.taken, nil
}

func (t *Tx) redrive(b engine.RedriveBatch) (made []engine.Enqueued, taken int, err error) {
	open, err := t.openRejects(b.Rejects)
	if err != nil {
		return nil, 0, err
	}
	var ids []int64
	for _, x := range open {
		if !x.cut && !x.rolledBack && (b.Mode == engine.RedriveRows || x.whole) {
			ids = append(ids, x.id)
		}
	}
	if len(ids) == 0 {
		return nil, 0, nil
	}
	jobs, err := t.redriveJobs(b, ids)
	if err != nil {
		return nil, 0, err
	}
	if made, err = t.insertJobs(jobs); err != nil {
		return nil, 0, err
	}
	return made, len(ids), t.assignRejects(b.Mode, ids, made)
}

// openRejects locks rejects, and gives those that are open. A job that redrove one of
// them before cannot be retried until the transaction has ended.
//
// Locks: jobs that redrove them before, ascending; rejects ascending.
func (t *Tx) openRejects(ids []int64) (open []heldReject, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var before []engine.JobID
	err = t.query(func(r *sql.Rows) error {
		var id engine.JobID
		err := r.Scan(&id)
		before = append(before, id)
		return err
	}, "SELECT DISTINCT redrive FROM ds_rejects"+t.s.D.ByKey()+" WHERE id IN ("+idList(ids)+") AND redrive > 0 AND redriven = 0 ORDER BY redrive")
	if err != nil {
		return nil, err
	}
	alive, known := map[engine.JobID]bool{}, map[engine.JobID]bool{}
	if len(before) > 0 {
		if alive, err = t.notFinal(before, true); err != nil {
			return nil, err
		}
		for _, id := range before {
			known[id] = true
		}
	}
	held, err := t.lockRejects(ids)
	for _, x := range held {
		if x.settled == unsettled && (x.redrive == 0 || known[x.redrive] && !alive[x.redrive]) {
			open = append(open, x)
		}
	}
	return open, err
}

// settleRejects writes rejects that are locked. Where locks hold on one node only,
// the write finds out that another was first.
func (t *Tx) settleRejects(ids []int64, from int, set string) error {
	n, err := t.exec("UPDATE ds_rejects" + t.s.D.ByKey() + " SET " + set + " WHERE id IN (" + idList(ids) + ") AND redriven = " + fmt.Sprint(from))
	if err == nil && int(n) != len(ids) {
		err = engine.Errorf(engine.CodeRetry, "%d of %d rejects were settled by others meanwhile", len(ids)-int(n), len(ids))
	}
	return err
}

// redriveJobs are the jobs to make: one for all rows, or one for each item.
func (t *Tx) redriveJobs(b engine.RedriveBatch, ids []int64) ([]engine.JobInsert, error) {
	j := engine.JobInsert{Type: b.Type, Phase: engine.PhaseConsume, Priority: b.Priority, Instance: b.Instance}
	if b.Mode == engine.RedriveRows {
		return []engine.JobInsert{j}, nil
	}
	var jobs []engine.JobInsert
	err := t.query(func(r *sql.Rows) error {
		var data raw
		err := r.Scan(&data)
		j.Payload = engine.Raw(data)
		jobs = append(jobs, j)
		return err
	}, "SELECT data FROM ds_rejects"+t.s.D.ByKey()+" WHERE id IN ("+idList(ids)+") ORDER BY id")
	if err == nil && len(jobs) != len(ids) {
		err = engine.Errorf(engine.CodeInternal, "%d of %d rejects are not there, though they are locked", len(ids)-len(jobs), len(ids))
	}
	return jobs, err
}

// assignRejects says which job redrives which rejects, and flags the jobs.
func (t *Tx) assignRejects(mode engine.RedriveMode, ids []int64, made []engine.Enqueued) error {
	jobs := make([]engine.JobID, len(made))
	by := fmt.Sprint(made[0].ID)
	if mode == engine.RedriveItem {
		by = "CASE id"
	}
	for i, m := range made {
		if jobs[i] = m.ID; mode == engine.RedriveItem {
			by += fmt.Sprintf(" WHEN %d THEN %d", ids[i], m.ID)
		}
	}
	if mode == engine.RedriveItem {
		by += " ELSE redrive END"
	}
	if err := t.settleRejects(ids, unsettled, "redrive = "+by); err != nil {
		return err
	}
	_, err := t.exec(fmt.Sprintf("UPDATE ds_jobs%s SET redrive = %d WHERE id IN (%s)", t.s.D.ByKey(), mode, idList(jobs)))
	return err
}
