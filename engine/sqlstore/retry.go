package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// Retry makes a final job due again, and reopens the jobs whose item it is. Of
// an emitter that is failed because of its items, those are retried instead; of
// one that begins again, those too, since it could not complete otherwise. One that
// was cancelled while it waited for its items is opened again, and Sweep retries those
// that have failed or were cancelled; so it does where a phase was cut off that had
// emitted items, and goes on.
//
// Locks: its ancestors and the job, ascending by id; keys by hash; parents; delayed,
// ready; rejects.
func (s *Store) Retry(ctx context.Context, id engine.JobID, o engine.RetryOptions) error {
	var j *jobRow
	err := s.read(ctx, func(t *Tx) (err error) {
		j, err = t.lockJob(id, "")
		return err
	})
	if engine.CodeOf(err) == engine.CodeNotFound {
		return err // it names the job
	}
	if err != nil {
		return fmt.Errorf("retry job %d: %w", id, err)
	}
	if err := mayRetry(j, o); err != nil {
		return err
	}
	var items []engine.JobID
	anew := j.status == engine.StatusCancelled && (o.From != 0 || o.Fresh)
	if (j.status == engine.StatusFailed || anew) && j.Emitted > 0 && o.From != engine.PhaseFinish {
		if items, err = s.failedItems(ctx, id); err != nil {
			return err
		}
	}
	if len(items) == 0 || j.Verdict == engine.StatusFailed || o.From != 0 || o.Fresh {
		if err := s.retryJob(ctx, id, o); err != nil {
			return err
		}
	}
	return s.retryItems(ctx, id, items)
}

// retryJob retries the job itself.
func (s *Store) retryJob(ctx context.Context, id engine.JobID, o engine.RetryOptions) error {
	_, err := writeOnce(ctx, s, fmt.Sprintf("retry job %d", id), func(t *Tx) (phase engine.Phase, err error) {
		rows, err := t.lockLines([]engine.JobID{id})
		if err != nil {
			return 0, err
		}
		return phase, t.withKeys(rows, func() error {
			phase, err = t.retry(id, o)
			return err
		})
	})
	return err
}

// retry retries a job and gives the phase in which it waits. CodeConflict and
// CodeUsage: it cannot be.
func (t *Tx) retry(id engine.JobID, o engine.RetryOptions) (engine.Phase, error) {
	rows, err := t.lockLine(id)
	if err != nil {
		return 0, err
	}
	j := rows[id]
	if j == nil {
		return 0, engine.Errorf(engine.CodeNotFound, "there is no job %d", id)
	}
	if err := mayRetry(j, o); err != nil {
		return 0, err
	}
	if err := mayBegin(j, rows); err != nil {
		return 0, err
	}
	if j.cutOffOpen() && o.From == 0 && !o.Fresh {
		return j.Phase, t.openAgain(rows, j)
	}
	typ, err := t.typeOf(j.Type)
	if err != nil {
		return 0, err
	}
	phase, at, err := t.retryFrom(j, typ, o)
	if err != nil {
		return 0, err
	}
	if err := t.retakeKey(j); err != nil {
		return 0, err
	}
	verdict, set := engine.Status(0), ""
	if phase == engine.PhaseFinish && j.Verdict == engine.StatusFailed {
		verdict = j.Verdict // it failed before finish, whatever finish does
	}
	before, begun, err := engine.CountedBefore(at)
	begun = begun || err != nil // the attempt tells of a position that cannot be read
	if !begun {
		set = ", checkpoints = 0"
	}
	was := j.status
	if _, err := t.exec(fmt.Sprintf("UPDATE ds_jobs SET epoch = epoch + 1, phase = %d, status = %d, attempts = 0, losses = 0, verdict = %d, cancel = 0, run_at = '%s', finished_at = '%s', position = ?%s WHERE id = %d",
		phase, engine.StatusWaiting, verdict, never, never, set, id), nullRaw(at)); err != nil {
		return 0, err
	}
	if phase == engine.PhaseProduce {
		if _, err := t.exec("UPDATE ds_payloads SET item = NULL WHERE id = ?", id); err != nil {
			return 0, err
		}
	}
	recounts := !begun && phase != engine.PhaseFinish // of which it is not known what was counted before it
	if recounts {
		if _, err := t.exec("UPDATE ds_results SET stats = ? WHERE id = ?", statsText(before), id); err != nil {
			return 0, err
		}
	}
	if verdict == 0 {
		if _, err := t.exec("DELETE FROM ds_failures WHERE type = ? AND job = ?", j.Type, id); err != nil {
			return 0, err
		}
	}
	if err := t.stopSweep(id); err != nil {
		return 0, err
	}
	if err := t.reopen(rows, j, was); err != nil {
		return 0, err
	}
	if err := t.dropRejects(id, phase, !begun, !recounts); err != nil {
		return 0, err
	}
	if was == engine.StatusCancelled && j.Emitted > 0 && phase != engine.PhaseFinish && phase == endedIn(j) && j.FailedPhase != 0 && !o.Fresh {
		if err := t.bringBack(id); err != nil { // it emits them no more
			return 0, err
		}
	}
	var d deltas // its type's totals: it is not final any more
	d.at(0, j.Type).uncount(was)
	if err := t.insertDeltas(&d); err != nil {
		return 0, err
	}
	return phase, t.makeDue(j.JobRef, j.Queue(phase), j.Priority, 0, false)
}

// lockLine locks a job and its ancestors, those that are there.
func (t *Tx) lockLine(id engine.JobID) (map[engine.JobID]*jobRow, error) {
	line, err := t.ancestors(id)
	if err != nil {
		return nil, err
	}
	list, err := t.lockJobRows(line)
	rows := make(map[engine.JobID]*jobRow, len(list))
	for _, a := range list {
		rows[a.ID] = a
	}
	return rows, err
}

// mayRetry refuses a job that is not final, or not in the status that is asked for.
func mayRetry(j *jobRow, o engine.RetryOptions) error {
	switch {
	case o.Only != 0 && j.status != o.Only:
		return engine.Errorf(engine.CodeConflict, "job %d is not %s any more", j.ID, o.Only)
	case !j.status.Final():
		doing := "waits or runs"
		if j.status == engine.StatusOpen {
			doing = "waits for its items"
		}
		return engine.Errorf(engine.CodeConflict, "job %d %s: only a job that is completed, failed or cancelled can be retried", j.ID, doing).
			WithHint("wait for its end, or stop it before: dsengine jobs cancel %d", j.ID)
	}
	return nil
}

// retryFrom is the phase in which a retried job begins, and its position there:
// the phase that failed, else the one it ended in. Where it begins anew, its
// position tells no more than what was counted before.
func (t *Tx) retryFrom(j *jobRow, typ engine.TypeRecord, o engine.RetryOptions) (phase engine.Phase, at engine.Raw, err error) {
	ended := endedIn(j)
	emitted := ended // the phase whose items it waited for
	if ended == engine.PhaseFinish {
		if _, err := t.row([]any{&emitted}, "SELECT phase FROM ds_parents WHERE id = ?", j.ID); err != nil {
			return 0, nil, err
		}
	}
	if phase, err = retryPhase(j, typ, o, ended, emitted); err != nil {
		return 0, nil, err
	}
	if at, err = t.positionOf(j.ID); err != nil {
		return 0, nil, err
	}
	anew := o.Fresh && phase != engine.PhaseFinish || j.status == engine.StatusCompleted
	if anew {
		if _, _, err := engine.CountedBefore(at); err != nil {
			return phase, nil, nil // one that cannot be read is not needed
		}
	}
	switch {
	case ended == engine.PhaseFinish && (phase != ended || o.Fresh):
		if at, err = engine.KeptPosition(at); err != nil {
			return 0, nil, err
		}
		if phase == engine.PhaseFinish {
			at = engine.KeepPosition(at)
		} else if phase != emitted {
			at = nil
		}
	case phase != ended:
		at = nil
	}
	if anew {
		at, err = engine.PositionAnew(at)
	}
	return phase, at, err
}

// retryPhase is the phase in which a retried job begins: it ended in one, and
// emitted items in one.
func retryPhase(j *jobRow, typ engine.TypeRecord, o engine.RetryOptions, ended, emitted engine.Phase) (phase engine.Phase, err error) {
	switch {
	case o.From != 0:
		phase = o.From
	case j.status == engine.StatusFailed && j.Verdict == engine.StatusFailed:
		phase = emitted // it failed for good there, and finish came after
	case j.status == engine.StatusFailed && j.FailedPhase != 0 && (j.Emitted == 0 || ended != engine.PhaseFinish):
		phase = j.FailedPhase
	default:
		phase = ended
	}
	if phase == 0 || phase == engine.PhaseFail {
		return 0, engine.Errorf(engine.CodeUsage, "job %d can be retried from produce, consume or finish", j.ID)
	}
	if phase == engine.PhaseProduce && j.Redrive != 0 {
		return 0, engine.Errorf(engine.CodeUsage, "job %d redrives rejects: it can be retried from consume, not from %s", j.ID, phase)
	}
	if phase != engine.PhaseConsume && !typ.Hooks.Has(phase) {
		return 0, engine.Errorf(engine.CodeUsage, "job %d cannot be retried from %s: %s has no such hook", j.ID, phase, typ.Name)
	}
	return phase, nil
}

// retakeKey takes the key of a job that is made due again, if it is free.
func (t *Tx) retakeKey(j *jobRow) error {
	if j.Key == "" {
		return nil
	}
	holder, hash, err := t.keyHolder(j)
	if err != nil {
		return err
	}
	if holder == 0 {
		return t.insertKeys([]*jobRow{j})
	}
	if holder != j.ID {
		return keyTaken(j, holder)
	}
	_, err = t.exec("UPDATE ds_keys SET done_at = ? WHERE type = ? AND hash = ?", never, j.Type, hash[:])
	return err
}

func keyTaken(j *jobRow, by engine.JobID) error {
	return engine.Errorf(engine.CodeConflict, "job %d cannot be retried: its key %q belongs to job %d now", j.ID, j.Key, by)
}

// keysOf are the keys of jobs that have one, in the order in which all lock them;
// i of a key is the place of its job, and list is the jobs as readKeys takes them.
func keysOf(jobs []*jobRow) (list []engine.JobInsert, ks []keyed) {
	list = make([]engine.JobInsert, len(jobs))
	for i, j := range jobs {
		if list[i].Type = j.Type; j.Key != "" {
			ks = append(ks, keyed{i: i, hash: engine.KeyHash(j.Instance, j.Key)})
		}
	}
	slices.SortFunc(ks, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(list[a.i].Type, list[b.i].Type), bytes.Compare(a.hash[:], b.hash[:]))
	})
	return list, ks
}

// insertKeys takes the keys of jobs, which nobody held when they were looked at.
// One that somebody has taken since stays as it is, and is read back.
func (t *Tx) insertKeys(jobs []*jobRow) error {
	list, ks := keysOf(jobs)
	for chunk := range slices.Chunk(ks, insertChunk) {
		if err := t.insertKeyRows(jobs, chunk, false); err != nil {
			return err
		}
		held, err := t.readKeys(list, chunk)
		if err != nil {
			return err
		}
		for i := range chunk {
			j := jobs[chunk[i].i]
			if k := held[typedHash{j.Type, chunk[i].hash}]; k == nil || k.job != j.ID {
				return engine.Errorf(engine.CodeRetry, "key %q was taken meanwhile", j.Key)
			}
		}
	}
	return nil
}

// insertKeyRows locks keys of jobs, and writes the jobs, or with reserve nobody, into
// those that nobody holds.
func (t *Tx) insertKeyRows(jobs []*jobRow, ks []keyed, reserve bool) error {
	q := []byte("INSERT INTO ds_keys (type, hash, job, token, keep_for) VALUES ")
	var args []any
	n := 0
	for i := range ks {
		j := jobs[ks[i].i]
		holder := int64(j.ID)
		if reserve {
			holder = 0
		}
		q = append(appendInts(openTuple(q, &n), int64(j.Type)), ",?,"...)
		q = append(appendInts(q, holder), ",?,0)"...)
		args = append(args, ks[i].hash[:], ks[i].hash[:8])
	}
	_, err := t.exec(string(q)+t.s.D.Upsert("type, hash", "job = CASE WHEN ds_keys.job = 0 THEN VALUES(job) ELSE ds_keys.job END"), args...)
	return err
}

// withKeys runs f, which retries some of the locked jobs, with the keys of those that
// are final locked by hash: also those that nobody holds, which f may take in any order.
func (t *Tx) withKeys(jobs []*jobRow, f func() error) error {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *jobRow) bool { return j.Key == "" || !j.status.Final() })
	if t.s.D.Lock() == "" || len(jobs) < 2 {
		return f() // one writer, or one key
	}
	_, ks := keysOf(jobs)
	var reserved []heldKey
	for chunk := range slices.Chunk(ks, insertChunk) {
		if err := t.insertKeyRows(jobs, chunk, true); err != nil {
			return err
		}
		for _, k := range chunk {
			reserved = append(reserved, heldKey{jobs[k.i].Type, k.hash, 0})
		}
	}
	if err := f(); err != nil {
		return err
	}
	return t.deleteKeys(reserved, "")
}

// keyHolder is the job that holds the key of a job; 0 if none does, or it has none.
func (t *Tx) keyHolder(j *jobRow) (holder engine.JobID, hash [20]byte, err error) {
	if j.Key == "" {
		return 0, hash, nil
	}
	hash = engine.KeyHash(j.Instance, j.Key)
	_, err = t.row([]any{&holder}, "SELECT job FROM ds_keys WHERE type = ? AND hash = ?"+t.s.D.Lock(), j.Type, hash[:])
	return holder, hash, err
}

// cancelling says that a job is being cancelled: it is told to stop, or its items
// are cancelled, and it ends as cancelled when they have settled.
func (j *jobRow) cancelling() bool {
	return !j.status.Final() && (j.cancel || j.Verdict == engine.StatusCancelled)
}

// mayBegin refuses an item while an emitter of it, which is one of rows, is being
// cancelled: it would be cancelled with the others, or run for an emitter that ends
// as cancelled, as its turn comes. Of one that is cancelled, it opens it again.
func mayBegin(item *jobRow, rows map[engine.JobID]*jobRow) error {
	for p := rows[item.Parent]; p != nil; p = rows[p.Parent] {
		if p.cancelling() {
			return engine.Errorf(engine.CodeConflict, "job %d cannot be retried yet: its emitter, job %d, is being cancelled", item.ID, p.ID).
				WithHint("retry it once job %d is cancelled: that opens job %d again, for this item alone", p.ID, p.ID)
		}
	}
	return nil
}

// goneOn says that an emitter does not wait for its items any more.
func (j *jobRow) goneOn() bool { return j.status.Final() || endedIn(j) == engine.PhaseFinish }

// staysOpen writes the row of an emitter that was found to wait for its items, if it is
// open: on a cluster a fold on another node may be moving it on, and a lock does not
// hold there. Its epoch counts the items.
func (t *Tx) staysOpen(id engine.JobID, items int64) error {
	_, err := t.exec(fmt.Sprintf("UPDATE ds_jobs SET epoch = epoch + %d WHERE id = %d AND status = %d", items, id, engine.StatusOpen))
	return err
}

// cutOffOpen says that a job was cancelled while it waited for its items: its phase is
// over, and not to be run again.
func (j *jobRow) cutOffOpen() bool {
	return j.status == engine.StatusCancelled && j.Emitted > 0 && j.FailedPhase == 0 && endedIn(j) != engine.PhaseFinish
}

// openAgain opens a job that was cancelled while it waited for its items.
func (t *Tx) openAgain(rows map[engine.JobID]*jobRow, j *jobRow) error {
	if err := t.retakeKey(j); err != nil {
		return err
	}
	if err := t.open(j, j.Phase, 0, nil); err != nil {
		return err
	}
	if err := t.bringBack(j.ID); err != nil {
		return err
	}
	var d deltas
	d.at(0, j.Type).uncount(j.status)
	if err := t.insertDeltas(&d); err != nil {
		return err
	}
	return t.reopen(rows, j, j.status)
}

// openFailed opens a job that has failed because of its items, to have these retried.
func (t *Tx) openFailed(j *jobRow) error {
	rows, err := t.lockLine(j.ID)
	if err != nil {
		return err
	}
	if err := mayBegin(j, rows); err != nil {
		return err
	}
	if err := t.openEmitter(j); err != nil {
		return err
	}
	if err := t.bringBack(j.ID); err != nil {
		return err
	}
	return t.reopen(rows, j, j.status)
}

// openEmitter has an emitter that had gone on wait for its items again. If it was final,
// it remains to be taken out of the counts of its own emitter.
func (t *Tx) openEmitter(p *jobRow) error {
	if p.status.Final() {
		if err := t.retakeKey(p); err != nil {
			return err
		}
	}
	var phase engine.Phase
	if _, err := t.row([]any{&phase}, "SELECT phase FROM ds_parents WHERE id = ?", p.ID); err != nil {
		return err
	}
	verdict := engine.Status(0)
	if p.Verdict == engine.StatusFailed {
		verdict = p.Verdict // it failed itself, whatever its items do
	}
	at, err := t.positionOf(p.ID)
	if err == nil && endedIn(p) == engine.PhaseFinish {
		at, err = engine.KeptPosition(at)
	}
	if err != nil {
		return err
	}
	if err := t.open(p, phase, verdict, at); err != nil || !p.status.Final() {
		return err
	}
	if verdict == 0 {
		if _, err := t.exec("DELETE FROM ds_failures WHERE type = ? AND job = ?", p.Type, p.ID); err != nil {
			return err
		}
	}
	var d deltas
	d.at(0, p.Type).uncount(p.status)
	return t.insertDeltas(&d)
}

// open has a job wait for its items again, that were of a phase.
func (t *Tx) open(j *jobRow, phase engine.Phase, verdict engine.Status, at engine.Raw) error {
	if _, err := t.exec(fmt.Sprintf("UPDATE ds_jobs SET epoch = epoch + 1, phase = %d, status = %d, verdict = %d, cancel = 0, attempts = 0, finished_at = '%s', position = ? WHERE id = %d",
		phase, engine.StatusOpen, verdict, never, j.ID), nullRaw(at)); err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO ds_open (type, id) VALUES (?, ?)"+t.s.D.Upsert("type, id", "id = VALUES(id)"), j.Type, j.ID); err != nil {
		return err
	}
	return t.stopSweep(j.ID)
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
		if !p.goneOn() {
			return t.staysOpen(p.ID, 1)
		}
		if !p.status.Final() {
			if _, err := t.takeOut(p); err != nil { // finish, or its fail hook, waited
				return err
			}
		}
		if err := t.openEmitter(p); err != nil || !p.status.Final() {
			return err
		}
		item, was = p, p.status
	}
	return nil
}
