package sqlstore

import (
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// apply writes one outcome with all that it brings along, in a transaction that
// the caller commits: its own, or the hook's. The job's row is the fence: if
// its epoch is not the claim's any more, nothing may be committed (CodeLost).
//
// Locks: claim, jobs, keys by hash, variables, stored ends, records, delayed, ready,
// rejects; then new rows.
func (t *Tx) apply(o *engine.Outcome) error {
	if o.LastOf != nil && !o.Checkpoint() {
		if _, err := t.exec("DELETE FROM ds_claims WHERE id = ?", o.LastOf[:]); err != nil {
			return err
		}
	}
	if err := t.fence(o); err != nil {
		return err
	}
	if o.HandsOn() {
		if _, err := t.exec("INSERT INTO ds_payloads (id, item) VALUES (?, ?)"+t.s.D.Upsert("id", "item = VALUES(item)"), o.Job.ID, nullRaw(o.Item)); err != nil {
			return err
		}
	}
	if err := t.openOrClose(o); err != nil {
		return err
	}
	brought := append(append([]engine.JobInsert(nil), o.Items...), o.Enqueue...)
	if len(brought) > 0 {
		if o.Job.Key != "" && o.To.Status.Final() && !o.Checkpoint() {
			own := []typedHash{{o.Job.Type, engine.KeyHash(o.Job.Instance, o.Job.Key)}}
			for i := range brought {
				if j := &brought[i]; j.Key != "" {
					own = append(own, typedHash{j.Type, engine.KeyHash(j.Instance, j.Key)})
				}
			}
			if len(own) > 1 {
				if err := t.lockKeys(own); err != nil {
					return err
				}
			}
		}
		if _, err := t.insertJobs(brought); err != nil {
			return err
		}
	}
	if !o.Checkpoint() {
		if err := t.releaseKeys([]*engine.Outcome{o}); err != nil {
			return err
		}
	}
	if err := t.writeVariables(o.Writes); err != nil {
		return err
	}
	if err := t.endsMoved([]*engine.Outcome{o}); err != nil {
		return err
	}
	if err := t.writeRecords(o.Records); err != nil {
		return err
	}
	if o.To.Status == engine.StatusWaiting && !o.Checkpoint() {
		if err := t.makeDue(o.Job.JobRef, o.Job.Queue(o.To.Phase), o.Job.Priority, o.Delay, false); err != nil {
			return err
		}
	}
	if err := t.saveResults([]*engine.Outcome{o}); err != nil {
		return err
	}
	if err := t.saveFailure(o); err != nil {
		return err
	}
	if o.Job.Phase == engine.PhaseFail && o.To.Status == engine.StatusWaiting { // the phase meets its rows again
		if err := t.dropFailed(o.Job.ID, o.To.Phase); err != nil {
			return err
		}
	}
	if err := t.insertRejects(o); err != nil {
		return err
	}
	if err := t.settleRedriven(o); err != nil {
		return err
	}
	var d deltas
	d.settle(o)
	return t.insertDeltas(&d)
}

// fence writes the job's row where it has the claim's epoch.
func (t *Tx) fence(o *engine.Outcome) error {
	items := int64(0)
	for i := range o.Items {
		if o.Items[i].Foretold >= 0 {
			items++
		}
	}
	if o.Checkpoint() {
		n, err := t.execFence("UPDATE ds_jobs SET checkpoints = ?, position = ?, attempts = ?, losses = ?, items = items + ? WHERE id = ? AND epoch = ? AND checkpoints = ?",
			o.Checkpoints, nullRaw(o.Position), o.Attempts, o.Losses, items, o.Job.ID, o.Job.Epoch, o.Job.Checkpoints)
		if err == nil && n != 1 {
			_, err = t.notOurs(o)
		}
		return err
	}
	for {
		n, err := t.move(o, items)
		if err != nil || n == 1 {
			return err
		}
		cancelled, err := t.notOurs(o)
		if err != nil {
			return err
		}
		if !cancelled || !goesOn(o) {
			return lost(o)
		}
		o.Withdraw(o.Job.Emitted + items)
	}
}

// notOurs says why the fence did not hold: the job is lost (CodeLost), a
// checkpoint of ours whose answer was lost took effect after all (CodeRetry: the
// hook goes on from there), or a person asked to cancel it.
func (t *Tx) notOurs(o *engine.Outcome) (cancelled bool, err error) {
	rows, err := t.stored([]*engine.Outcome{o}, t.s.D.Lock())
	if err != nil {
		return false, err
	}
	x, ok := rows[o.Job.ID]
	switch {
	case !ok || x.epoch != o.Job.Epoch:
		return false, lost(o)
	case x.checkpoints != o.Job.Checkpoints:
		return false, engine.Errorf(engine.CodeRetry, "job %d has %d checkpoints, and its hook began with %d", o.Job.ID, x.checkpoints, o.Job.Checkpoints)
	}
	return x.cancel, nil
}

// move writes where the job goes. A job that a person asked to cancel is not
// made due again.
func (t *Tx) move(o *engine.Outcome, items int64) (int64, error) {
	d := t.s.D
	runAt, finished, more := literal(time.Time{}), literal(time.Time{}), ""
	if goesOn(o) {
		more = " AND cancel = 0"
	}
	if o.To.Status == engine.StatusWaiting && o.Delay > 0 {
		now, err := t.clock()
		if err != nil {
			return 0, err
		}
		runAt = literal(now.Add(o.Delay))
	}
	if o.To.Status.Final() {
		finished = d.Now()
	}
	started := d.In(-o.Elapsed)
	if o.Job.Phase == engine.PhaseFail || o.Event == engine.Withdrawn && o.Server == 0 {
		started = "started_at" // of the attempt that failed; of none, if it was cancelled before it ran
	}
	set, args := "", []any(nil)
	switch {
	case o.HandsOn():
		set, args = ", position = ?, checkpoints = 0", []any{nullRaw(o.Position)}
	case o.To.Phase != o.Job.Phase && o.To.Phase != engine.PhaseFail && o.Job.Phase != engine.PhaseFail,
		o.To.Status == engine.StatusOpen && o.Verdict != engine.StatusFailed && o.FailedPhase == 0:
		set = ", position = NULL, checkpoints = 0" // it belongs to the phase that has ended
	case o.SetPosition:
		set, args = ", position = ?", []any{nullRaw(o.Position)}
	}
	return t.execFence(fmt.Sprintf("UPDATE ds_jobs SET epoch = epoch + 1, phase = %d, status = %d, attempts = %d, losses = 0, failed_phase = %d, verdict = %d, server = %d, items = items + %d, run_at = %s, started_at = %s, finished_at = %s%s WHERE id = %d AND epoch = %d AND checkpoints = %d%s",
		o.To.Phase, o.To.Status, o.Attempts, o.FailedPhase, o.Verdict, o.Server, items, runAt, started, finished, set, o.Job.ID, o.Job.Epoch, o.Job.Checkpoints, more), args...)
}

// goesOn says that the outcome is one that a person's cancel turns.
func goesOn(o *engine.Outcome) bool {
	return o.To.Status == engine.StatusWaiting || o.To.Status == engine.StatusOpen && o.Verdict != engine.StatusCancelled
}

func lost(o *engine.Outcome) error { return lostJob(o.Job.JobRef) }

func lostJob(j engine.JobRef) error {
	return engine.Errorf(engine.CodeLost, "job %d is not ours any more", j.ID)
}

// openOrClose keeps the tables of emitters.
func (t *Tx) openOrClose(o *engine.Outcome) error {
	if o.To.Status != engine.StatusOpen || o.Checkpoint() {
		return nil
	}
	if _, err := t.exec("INSERT INTO ds_parents (id, type, phase) VALUES (?, ?, ?)"+t.s.D.Upsert("id", "phase = VALUES(phase)"), o.Job.ID, o.Job.Type, o.To.Phase); err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO ds_open (type, id) VALUES (?, ?)"+t.s.D.Upsert("type, id", "id = VALUES(id)"), o.Job.Type, o.Job.ID); err != nil {
		return err
	}
	if o.Verdict == engine.StatusCancelled {
		return t.startSweep(o.Job.ID)
	}
	return nil
}

// makeDue puts a job where it waits: into delayed, or into ready. Its epoch is
// the one after ref's. The row of a delayed job says the same time.
func (t *Tx) makeDue(ref engine.JobRef, queue engine.Queue, priority int, delay time.Duration, alone bool) error {
	if delay > 0 {
		now, err := t.clock()
		if err != nil {
			return err
		}
		_, err = t.exec("INSERT INTO ds_delayed (due, id, queue, priority, epoch) VALUES (?, ?, ?, ?, ?)", stamp(now.Add(delay)), ref.ID, queue, priority, ref.Epoch+1)
		return err
	}
	_, err := t.exec("INSERT INTO ds_ready (queue, priority, id, epoch, alone) VALUES (?, ?, ?, ?, ?)", queue, priority, ref.ID, ref.Epoch+1, alone)
	t.due = append(t.due, dueRow{queue, priority, ref.ID})
	return err
}

// saveFailure keeps a row for an attempt that failed or logged something, and
// one for a job that is failed.
func (t *Tx) saveFailure(o *engine.Outcome) error {
	d := t.s.D
	if o.Failure != nil || o.Logged {
		attempt := o.Job.Attempt()
		var failure any
		if o.Failure != nil {
			failure, attempt = toJSON(o.Failure), o.Failure.Attempt
		}
		if _, err := t.exec("INSERT INTO ds_attempts (job, phase, attempt, server, started_at, finished_at, failure) VALUES (?, ?, ?, ?, "+d.In(-o.Elapsed)+", "+d.Now()+", ?)",
			o.Job.ID, o.Job.Phase, attempt, o.Server, failure); err != nil {
			return err
		}
	}
	why := o.Because
	if why == nil {
		why = o.Failure
	}
	if o.To.Status == engine.StatusFailed {
		return t.noteFailed(o.Job.Type, o.Job.ID, why)
	}
	if o.To.Status == engine.StatusOpen && o.Verdict == engine.StatusFailed && why != nil {
		return t.noteFailed(o.Job.Type, o.Job.ID, why) // finish is told, and it ends as failed
	}
	return nil
}

// noteFailed keeps why a job is failed.
func (t *Tx) noteFailed(typ engine.TypeID, id engine.JobID, why *engine.Failure) error {
	var f any
	if why != nil {
		f = toJSON(why)
	}
	_, err := t.exec("INSERT INTO ds_failures (type, job, failed_at, failure) VALUES (?, ?, "+t.s.D.Now()+", ?)"+
		t.s.D.Upsert("type, job", "failed_at = VALUES(failed_at), failure = VALUES(failure)"), typ, id, f)
	return err
}
