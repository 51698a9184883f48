package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// CancelAll cancels jobs, all in one transaction, those that wait by a statement
// for all of them. Where others take some of them meanwhile, it is run again, and
// then goes by one job at a time: so it comes to an end beside any claimers. Those
// whose row or key somebody holds for longer are left out.
//
// Locks: jobs ascending, keys by hash, delayed, ready; then new rows.
func (s *Store) CancelAll(ctx context.Context, ids []engine.JobID, o engine.CancelOptions) ([]engine.CancelResult, error) {
	return s.cancelMany(ctx, ids, o, 0)
}

// cancelMany cancels jobs; items of an emitter, which is not 0, only if they are to be
// cancelled with it still: it may have been retried since they were listed.
func (s *Store) cancelMany(ctx context.Context, ids []engine.JobID, o engine.CancelOptions, emitter engine.JobID) ([]engine.CancelResult, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	runs := 0
	return writeOnceOn(ctx, s, s.brisk(), "cancel jobs", func(t *Tx) (results []engine.CancelResult, err error) {
		runs++
		free, held := ids, map[engine.JobID]bool(nil)
		if s.held.crowded(s.Clock.Boot()) {
			if _, held, err = t.divideHeld(ids); err != nil {
				return nil, err
			}
			free = slices.DeleteFunc(slices.Clone(ids), func(id engine.JobID) bool { return held[id] })
		}
		did := map[engine.JobID]engine.CancelResult{}
		if len(free) > 0 {
			did, err = t.cancelAll(free, o, emitter, runs > 1)
		}
		s.noteHeld(err)
		for _, id := range ids {
			r, ok := did[id]
			switch {
			case held[id]:
				r = engine.CancelHeld
			case !ok:
				r = engine.CancelGone
			}
			results = append(results, r)
		}
		return results, err
	})
}

func (t *Tx) cancelAll(ids []engine.JobID, o engine.CancelOptions, emitter engine.JobID, single bool) (map[engine.JobID]engine.CancelResult, error) {
	rows, err := t.lockJobRows(ids)
	if err != nil {
		return nil, err
	}
	if emitter != 0 {
		if sweeping, err := t.sweeping(emitter); err != nil || !sweeping {
			return nil, err
		}
	}
	var keys []typedHash
	for _, j := range rows {
		if j.Key != "" && !j.status.Final() {
			keys = append(keys, typedHash{j.Type, engine.KeyHash(j.Instance, j.Key)})
		}
	}
	if err := t.lockKeys(keys); err != nil {
		return nil, err
	}
	did := make(map[engine.JobID]engine.CancelResult, len(rows))
	var many []*jobRow
	for _, j := range rows {
		// What emits items goes by itself: its items are to be cancelled too.
		if !single && j.status == engine.StatusWaiting && (j.Emitted == 0 || j.Phase == engine.PhaseFinish) {
			many = append(many, j)
		} else if did[j.ID], err = t.cancel(j.ID, o); err != nil {
			return nil, err
		}
	}
	return did, t.cancelWaiting(many, o, did)
}

// cancelWaiting cancels locked jobs that wait, and asks for the end of those among
// them that are claimed. If the rows in which they wait were taken since they were
// looked for, the transaction is to be run again.
func (t *Tx) cancelWaiting(jobs []*jobRow, o engine.CancelOptions, did map[engine.JobID]engine.CancelResult) error {
	if len(jobs) == 0 {
		return nil
	}
	take := t.takeWaiting
	switch o.Only {
	case engine.StatusOpen:
		for _, j := range jobs {
			did[j.ID] = engine.CancelOther
		}
		return nil
	case engine.StatusRunning:
		take = t.waiting
	}
	waits, err := take(jobs)
	if err != nil {
		return err
	}
	var ends []*engine.Outcome
	var note, ask []*jobRow
	for _, j := range jobs {
		if o.Only != 0 && waits[j.ID] != (o.Only == engine.StatusWaiting) {
			did[j.ID] = engine.CancelOther
			continue
		}
		if waits[j.ID] {
			end := &engine.Outcome{Job: &j.ClaimedJob, Attempts: j.Attempts, Verdict: j.Verdict}
			end.Withdraw(j.Emitted)
			ends, note, did[j.ID] = append(ends, end), append(note, j), engine.CancelDone
			continue
		}
		if did[j.ID] = engine.CancelAsked; !j.cancel {
			ask, note = append(ask, j), append(note, j)
		}
	}
	if err := t.endAll(ends); err != nil {
		return err
	}
	if err := t.askToStop(ask); err != nil {
		return err
	}
	return t.noteCancels(note, o.Reason)
}

// takeWaiting removes locked jobs from where they wait, and says which did.
//
// In the direction in which jobs flow: one that is neither delayed nor ready is
// claimed, and stays so while its row is locked.
func (t *Tx) takeWaiting(jobs []*jobRow) (map[engine.JobID]bool, error) {
	delayed, err := t.takeDelayed(jobs)
	if err != nil {
		return nil, err
	}
	found, err := t.takeReady(jobs, delayed)
	if err != nil {
		return nil, err
	}
	maps.Copy(found, delayed)
	return found, nil
}

// waiting says which of the locked jobs wait, and leaves them there: the others are
// claimed, and stay so while their rows are locked.
func (t *Tx) waiting(jobs []*jobRow) (map[engine.JobID]bool, error) {
	found, _, err := t.findDelayed(jobs)
	if err != nil {
		return nil, err
	}
	queues, order := byQueue(jobs, found)
	for _, q := range order {
		ready, err := t.findReady(q, queues[q])
		if err != nil {
			return nil, err
		}
		for _, r := range ready {
			found[r.id] = true
		}
	}
	return found, nil
}

// takeDelayed removes those of the jobs that are delayed, and says which.
func (t *Tx) takeDelayed(jobs []*jobRow) (map[engine.JobID]bool, error) {
	found, keys, err := t.findDelayed(jobs)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	n, err := t.deleteIn("ds_delayed", "", keys, KeyColumn{"due", KeyTime}, KeyColumn{"id", KeyInt})
	if err == nil && int(n) != len(found) {
		err = engine.Errorf(engine.CodeRetry, "%d of %d delayed jobs became ready meanwhile", len(found)-int(n), len(found))
	}
	return found, err
}

// findDelayed says which of the jobs are delayed, and gives their keys there.
func (t *Tx) findDelayed(jobs []*jobRow) (map[engine.JobID]bool, string, error) {
	var ids []engine.JobID
	for _, j := range jobs {
		if !j.runAt.IsZero() {
			ids = append(ids, j.ID)
		}
	}
	found := map[engine.JobID]bool{}
	if len(ids) == 0 {
		return found, "", nil
	}
	keys := []byte{'['}
	err := t.query(func(r *sql.Rows) error {
		var id engine.JobID
		var due Time
		err := r.Scan(&id, &due)
		if len(found) > 0 {
			keys = append(keys, ',')
		}
		keys = fmt.Appendf(keys, "[%q,%d]", stamp(due.Time), id)
		found[id] = true
		return err
	}, "SELECT j.id, d.due FROM ds_jobs j"+t.s.D.ByKey()+" JOIN ds_delayed d ON d.due = j.run_at AND d.id = j.id WHERE j.id IN ("+idList(ids)+")")
	return found, string(append(keys, ']')), err
}

// takeReady removes those of the jobs that are ready, and says which. gone are
// those that were delayed.
func (t *Tx) takeReady(jobs []*jobRow, gone map[engine.JobID]bool) (map[engine.JobID]bool, error) {
	queues, order := byQueue(jobs, gone)
	found := map[engine.JobID]bool{}
	for _, q := range order {
		ready, err := t.findReady(q, queues[q])
		if err != nil {
			return nil, err
		}
		if len(ready) == 0 {
			continue
		}
		keys := make([]string, len(ready))
		for i, r := range ready {
			found[r.id], keys[i] = true, fmt.Sprintf("[%d,%d]", r.priority, r.id)
		}
		n, err := t.deleteIn("ds_ready", fmt.Sprintf("r.queue = %d", q), "["+strings.Join(keys, ",")+"]", KeyColumn{"priority", KeyInt}, KeyColumn{"id", KeyInt})
		if err != nil {
			return nil, err
		}
		if int(n) != len(keys) {
			return nil, engine.Errorf(engine.CodeRetry, "%d of %d jobs were claimed meanwhile", len(keys)-int(n), len(keys))
		}
	}
	return found, nil
}

// byQueue are jobs by the queue in which they wait, without those that are gone,
// and the queues in their order.
func byQueue(jobs []*jobRow, gone map[engine.JobID]bool) (map[engine.Queue][]engine.JobID, []engine.Queue) {
	queues := map[engine.Queue][]engine.JobID{}
	for _, j := range jobs {
		if !gone[j.ID] {
			q := j.Queue(j.Phase)
			queues[q] = append(queues[q], j.ID)
		}
	}
	return queues, slices.Sorted(maps.Keys(queues))
}

// readyJob is a job in a queue.
type readyJob struct {
	id       engine.JobID
	priority int
}

// findReady are those of the jobs that are ready in a queue, by id.
func (t *Tx) findReady(q engine.Queue, ids []engine.JobID) (list []readyJob, err error) {
	err = t.query(func(r *sql.Rows) error {
		var x readyJob
		err := r.Scan(&x.id, &x.priority)
		list = append(list, x)
		return err
	}, fmt.Sprintf("SELECT j.id, j.priority FROM ds_jobs j%s JOIN ds_ready r ON r.queue = %d AND r.priority = j.priority AND r.id = j.id WHERE j.id IN (%s) ORDER BY j.id", t.s.D.ByKey(), q, idList(ids)))
	return list, err
}

// endAll writes the end of locked jobs that waited, as apply does of one.
func (t *Tx) endAll(outcomes []*engine.Outcome) error {
	if len(outcomes) == 0 {
		return nil
	}
	ids := make([]engine.JobID, len(outcomes))
	var d deltas
	for i, o := range outcomes {
		ids[i] = o.Job.ID
		d.settle(o)
	}
	n, err := t.exec(fmt.Sprintf("UPDATE ds_jobs%s SET epoch = epoch + 1, status = %d, losses = 0, failed_phase = CASE WHEN phase = %d THEN failed_phase ELSE 0 END, server = 0, run_at = '%s', finished_at = %s WHERE id IN (%s)",
		t.s.D.ByKey(), engine.StatusCancelled, engine.PhaseFail, never, t.s.D.Now(), idList(ids)))
	if err != nil {
		return err
	}
	if int(n) != len(ids) {
		return engine.Errorf(engine.CodeRetry, "%d of %d jobs were changed meanwhile", len(ids)-int(n), len(ids))
	}
	if err := t.releaseKeys(outcomes); err != nil {
		return err
	}
	return t.insertDeltas(&d)
}

// askToStop flags locked jobs that are claimed, and tells their processes.
func (t *Tx) askToStop(jobs []*jobRow) error {
	if len(jobs) == 0 {
		return nil
	}
	ids := make([]engine.JobID, len(jobs))
	signals := []byte("INSERT INTO ds_signals (job, epoch, at) VALUES ")
	n := 0
	for i, j := range jobs {
		ids[i] = j.ID
		signals = append(appendInts(openTuple(signals, &n), int64(j.ID), int64(j.Epoch)), ',')
		signals = append(append(signals, t.s.D.Now()...), ')')
	}
	if _, err := t.exec("UPDATE ds_jobs" + t.s.D.ByKey() + " SET cancel = 1 WHERE id IN (" + idList(ids) + ")"); err != nil {
		return err
	}
	_, err := t.exec(string(signals))
	return err
}

// noteCancels keeps the reason in the jobs' logs.
func (t *Tx) noteCancels(jobs []*jobRow, reason string) error {
	if reason == "" || len(jobs) == 0 {
		return nil
	}
	q := []byte("INSERT INTO ds_logs (job, type, phase, attempt, at, level, message) VALUES ")
	message := engine.Clip("cancelled: "+reason, 4000)
	var args []any
	n := 0
	for _, j := range jobs {
		q = append(appendInts(openTuple(q, &n), int64(j.ID), int64(j.Type), int64(j.Phase), int64(j.Attempts)+1), ',')
		q = append(append(q, t.s.D.Now()...), ",'info',?)"...)
		args = append(args, message)
	}
	_, err := t.exec(string(q), args...)
	return err
}
