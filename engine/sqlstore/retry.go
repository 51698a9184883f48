package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// Retry makes a final job due again, and reopens the jobs whose item it is.
//
// Locks: its ancestors and the job, ascending by id; parents; keys; delayed,
// ready; rejects.
func (s *Store) Retry(ctx context.Context, id engine.JobID, o engine.RetryOptions) error {
	var was engine.Epoch
	return s.write(ctx, fmt.Sprintf("retry job %d", id), func(t *Tx) (err error) {
		was, err = t.retry(id, o)
		return err
	}, func(t *Tx) (bool, error) {
		j, err := t.lockJob(id, t.s.D.Lock())
		return err == nil && j.Epoch > was, err
	})
}

func (t *Tx) retry(id engine.JobID, o engine.RetryOptions) (engine.Epoch, error) {
	line, err := t.ancestors(id)
	if err != nil {
		return 0, err
	}
	rows := map[engine.JobID]*jobRow{}
	for _, a := range line { // ascending: an item is younger than its emitter
		j, err := t.lockJob(a, t.s.D.Lock())
		if engine.CodeOf(err) == engine.CodeNotFound && a != id {
			continue // pruned
		}
		if err != nil {
			return 0, err
		}
		rows[a] = j
	}
	j := rows[id]
	if !j.status.Final() {
		return 0, engine.Errorf(engine.CodeConflict, "job %d is %s: only a job that is completed, failed or cancelled can be retried", id, j.status)
	}
	typ, err := t.typeOf(j.Type)
	if err != nil {
		return 0, err
	}
	phase, err := retryPhase(j, typ, o)
	if err != nil {
		return 0, err
	}
	if err := t.retakeKey(j); err != nil {
		return 0, err
	}
	set, part := "", j.Checkpoints
	if o.Fresh || j.status == engine.StatusCompleted || o.From != 0 && o.From != j.FailedPhase {
		set, part = ", position = NULL, checkpoints = 0", 0
	}
	was := j.status
	if _, err := t.exec(fmt.Sprintf("UPDATE ds_jobs SET epoch = epoch + 1, phase = %d, status = %d, attempts = 0, losses = 0, verdict = 0, cancel = 0, run_at = '%s', finished_at = '%s'%s WHERE id = %d",
		phase, engine.StatusWaiting, never, never, set, id)); err != nil {
		return 0, err
	}
	if phase == engine.PhaseProduce {
		if _, err := t.exec("UPDATE ds_payloads SET item = NULL WHERE id = ?", id); err != nil {
			return 0, err
		}
	}
	if _, err := t.exec("DELETE FROM ds_failures WHERE type = ? AND job = ?", j.Type, id); err != nil {
		return 0, err
	}
	if err := t.reopen(rows, j, was); err != nil {
		return 0, err
	}
	if err := t.dropRejects(id, phase, part, true); err != nil {
		return 0, err
	}
	var d deltas // its type's totals: it is not final any more
	x := d.at(0, j.Type)
	x.count(was)
	x.completed, x.failed, x.cancelled = -x.completed, -x.failed, -x.cancelled
	if err := t.insertDeltas(&d); err != nil {
		return 0, err
	}
	return j.Epoch, t.makeDue(j.JobRef, engine.QueueOf(j.Type, phase), j.Priority, 0, false)
}

// retryPhase is the phase in which a retried job begins: the one that failed,
// else the one it ended in.
func retryPhase(j *jobRow, typ engine.TypeRecord, o engine.RetryOptions) (engine.Phase, error) {
	phase := j.Phase
	if phase == engine.PhaseFail || j.status == engine.StatusFailed && j.FailedPhase != 0 {
		phase = j.FailedPhase
	}
	if o.From != 0 {
		phase = o.From
	}
	if phase == 0 || phase == engine.PhaseFail {
		return 0, engine.Errorf(engine.CodeUsage, "job %d can be retried from produce, consume or finish", j.ID)
	}
	if phase == engine.PhaseProduce && j.Redrive != 0 {
		return 0, engine.Errorf(engine.CodeUsage, "job %d redrives rejects: it can be retried from consume, not from %s", j.ID, phase)
	}
	if phase == engine.PhaseFinish && !typ.Hooks.Has(phase) || phase == engine.PhaseProduce && !typ.Hooks.Has(phase) {
		return 0, engine.Errorf(engine.CodeUsage, "job %d cannot be retried from %s: %s has no such hook", j.ID, phase, typ.Name)
	}
	if j.Emitted > 0 && phase != engine.PhaseFinish && j.Phase == engine.PhaseFinish && o.From == 0 {
		return engine.PhaseFinish, nil
	}
	return phase, nil
}

// ancestors are the job's emitter, the emitter of that, and so on, and the job,
// ascending by id.
func (t *Tx) ancestors(id engine.JobID) ([]engine.JobID, error) {
	line := []engine.JobID{id}
	for {
		var parent engine.JobID
		found, err := t.row([]any{&parent}, "SELECT parent FROM ds_jobs WHERE id = ?", line[0])
		if err != nil {
			return nil, err
		}
		if !found || parent == 0 {
			return line, nil
		}
		line = slices.Insert(line, 0, parent)
	}
}

// retakeKey takes the key of a job that is made due again, if it is free.
func (t *Tx) retakeKey(j *jobRow) error {
	if j.Key == "" {
		return nil
	}
	hash := engine.KeyHash(j.Instance, j.Key)
	var holder engine.JobID
	found, err := t.row([]any{&holder}, "SELECT job FROM ds_keys WHERE type = ? AND hash = ?"+t.s.D.Lock(), j.Type, hash[:])
	if err != nil {
		return err
	}
	if !found {
		_, err := t.exec("INSERT INTO ds_keys (type, hash, job, token, keep_for) VALUES (?, ?, ?, ?, 0)", j.Type, hash[:], j.ID, hash[:8])
		return err
	}
	if holder != j.ID {
		return engine.Errorf(engine.CodeConflict, "job %d cannot be retried: its key %q belongs to job %d now", j.ID, j.Key, holder)
	}
	_, err = t.exec("UPDATE ds_keys SET done_at = ? WHERE type = ? AND hash = ?", never, j.Type, hash[:])
	return err
}

// reopen takes a retried item out of its emitter's counts and opens the emitter
// again if it had gone on, and so on upwards.
func (t *Tx) reopen(rows map[engine.JobID]*jobRow, item *jobRow, was engine.Status) error {
	for item.Parent != 0 {
		p := rows[item.Parent]
		if p == nil {
			return nil
		}
		column := map[engine.Status]string{engine.StatusCompleted: "completed", engine.StatusFailed: "failed", engine.StatusCancelled: "cancelled"}[was]
		if _, err := t.exec("INSERT INTO ds_parents (id, type, phase, "+column+") VALUES (?, ?, ?, -1)"+
			t.s.D.Upsert("id", column+" = ds_parents."+column+" - 1"), p.ID, p.Type, p.Phase); err != nil {
			return err
		}
		if !p.status.Final() && p.Phase != engine.PhaseFinish && !(p.Phase == engine.PhaseFail && p.FailedPhase == engine.PhaseFinish) {
			return nil // it has not gone on yet
		}
		if !p.status.Final() {
			if _, err := t.takeOut(p); err != nil { // finish, or its fail hook, waited
				return err
			}
		}
		var phase engine.Phase
		if _, err := t.row([]any{&phase}, "SELECT phase FROM ds_parents WHERE id = ?", p.ID); err != nil {
			return err
		}
		verdict := 0
		if p.status == engine.StatusFailed && p.Verdict == engine.StatusFailed {
			verdict = int(engine.StatusFailed) // it failed itself, whatever its items do
		}
		if _, err := t.exec(fmt.Sprintf("UPDATE ds_jobs SET epoch = epoch + 1, phase = %d, status = %d, verdict = %d, cancel = 0, attempts = 0, finished_at = '%s' WHERE id = %d",
			phase, engine.StatusOpen, verdict, never, p.ID)); err != nil {
			return err
		}
		if _, err := t.exec("INSERT INTO ds_open (type, id) VALUES (?, ?)"+t.s.D.Upsert("type, id", "id = VALUES(id)"), p.Type, p.ID); err != nil {
			return err
		}
		if !p.status.Final() {
			return nil
		}
		if err := t.retakeKey(p); err != nil {
			return err
		}
		if verdict == 0 {
			if _, err := t.exec("DELETE FROM ds_failures WHERE type = ? AND job = ?", p.Type, p.ID); err != nil {
				return err
			}
		}
		var d deltas
		x := d.at(0, p.Type)
		x.count(p.status)
		x.completed, x.failed, x.cancelled = -x.completed, -x.failed, -x.cancelled
		if err := t.insertDeltas(&d); err != nil {
			return err
		}
		item, was = p, p.status
	}
	return nil
}
