package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// jobRow is what steering a job needs of its row.
type jobRow struct {
	engine.ClaimedJob
	status engine.Status
	runAt  Time
	cancel bool
}

const jobRowColumns = "id, epoch, type, phase, status, priority, attempts, losses, failed_phase, verdict, parent, items, checkpoints, run_at, instance, job_key, cancel, redrive, windowed"

// lockJob reads and locks one job; CodeNotFound if there is none.
func (t *Tx) lockJob(id engine.JobID, lock string) (j *jobRow, err error) {
	err = t.query(func(r *sql.Rows) (err error) {
		j, err = scanJobRow(r)
		return err
	}, "SELECT "+jobRowColumns+" FROM ds_jobs WHERE id = ?"+lock, id)
	if err == nil && j == nil {
		err = engine.Errorf(engine.CodeNotFound, "there is no job %d", id)
	}
	return j, err
}

// lockJobRows reads and locks jobs, ascending by id; those that are there.
func (t *Tx) lockJobRows(ids []engine.JobID) (list []*jobRow, err error) {
	err = t.queryIDs(func(r *sql.Rows) error {
		j, err := scanJobRow(r)
		list = append(list, j)
		return err
	}, "SELECT "+jobRowColumns+" FROM ds_jobs"+t.s.D.ByKey()+" WHERE id", slices.Sorted(slices.Values(ids)), " ORDER BY id"+t.s.D.Lock())
	return list, err
}

func scanJobRow(r *sql.Rows) (*jobRow, error) {
	var j jobRow
	var instance, key text
	err := r.Scan(&j.ID, &j.Epoch, &j.Type, &j.Phase, &j.status, &j.Priority, &j.Attempts, &j.Losses, &j.FailedPhase, &j.Verdict, &j.Parent, &j.Emitted, &j.Checkpoints, &j.runAt, &instance, &key, &j.cancel, &j.Redrive, &j.Windowed)
	j.Instance, j.Key = string(instance), string(key)
	return &j, err
}

// takeOut removes a waiting job from where it waits, in the direction in which
// jobs flow: delayed, then ready. False: it is claimed.
func (t *Tx) takeOut(j *jobRow) (bool, error) {
	if !j.runAt.IsZero() {
		if n, err := t.exec("DELETE FROM ds_delayed WHERE due = ? AND id = ?", stamp(j.runAt.Time), j.ID); err != nil || n > 0 {
			return n > 0, err
		}
	}
	n, err := t.exec("DELETE FROM ds_ready WHERE queue = ? AND priority = ? AND id = ?", j.Queue(j.Phase), j.Priority, j.ID)
	return n > 0, err
}

// Cancel ends a job that waits. One that is claimed is flagged and its process
// told; one that is open is cancelled with its items.
//
// Locks: job, keys, delayed, ready; then new rows.
func (s *Store) Cancel(ctx context.Context, id engine.JobID, reason string) (engine.CancelResult, error) {
	return writeOnce(ctx, s, fmt.Sprintf("cancel job %d", id), func(t *Tx) (engine.CancelResult, error) {
		return t.cancel(id, engine.CancelOptions{Reason: reason})
	})
}

func (t *Tx) cancel(id engine.JobID, o engine.CancelOptions) (engine.CancelResult, error) {
	j, err := t.lockJob(id, t.s.D.Lock())
	if err != nil {
		return 0, err
	}
	switch {
	case j.status.Final():
		return engine.CancelTooLate, nil
	case o.Only != 0 && (o.Only == engine.StatusOpen) != (j.status == engine.StatusOpen):
		return engine.CancelOther, nil
	case j.status == engine.StatusOpen:
		_, err := t.exec("UPDATE ds_jobs SET verdict = ?, cancel = 1 WHERE id = ?", engine.StatusCancelled, id)
		if err != nil {
			return 0, err
		}
		if j.Verdict == engine.StatusFailed { // it ends as cancelled
			if _, err := t.exec("DELETE FROM ds_failures WHERE type = ? AND job = ?", j.Type, id); err != nil {
				return 0, err
			}
		}
		if err := t.noteCancels([]*jobRow{j}, o.Reason); err != nil {
			return 0, err
		}
		return engine.CancelAsked, t.startSweep(id)
	}
	if o.Only == engine.StatusRunning {
		if waits, err := t.waiting([]*jobRow{j}); err != nil || waits[id] {
			return engine.CancelOther, err
		}
	}
	if j.Key != "" {
		if err := t.lockKeys([]typedHash{{j.Type, engine.KeyHash(j.Instance, j.Key)}}); err != nil {
			return 0, err
		}
	}
	waits, err := t.takeOut(j)
	if err != nil {
		return 0, err
	}
	if waits {
		if err := t.noteCancels([]*jobRow{j}, o.Reason); err != nil {
			return 0, err
		}
		if j.Phase != engine.PhaseFinish && j.Emitted > 0 { // it is open until its items are cancelled too
			return engine.CancelAsked, t.end(&j.ClaimedJob)
		}
		return engine.CancelDone, t.end(&j.ClaimedJob)
	}
	if o.Only == engine.StatusWaiting {
		return engine.CancelOther, nil
	}
	if j.cancel {
		return engine.CancelAsked, nil
	}
	if _, err := t.exec("UPDATE ds_jobs SET cancel = 1 WHERE id = ?", id); err != nil {
		return 0, err
	}
	if err := t.noteCancels([]*jobRow{j}, o.Reason); err != nil {
		return 0, err
	}
	_, err = t.exec("INSERT INTO ds_signals (job, epoch, at) VALUES (?, ?, "+t.s.D.Now()+")", id, j.Epoch)
	return engine.CancelAsked, err
}
