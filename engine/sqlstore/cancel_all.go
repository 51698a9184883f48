package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
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
func (s *Store) CancelAll(ctx context.Context, ids []engine.JobID, reason string) ([]engine.CancelResult, error) {
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
			did, err = t.cancelAll(free, reason, runs > 1)
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

func (t *Tx) cancelAll(ids []engine.JobID, reason string, single bool) (map[engine.JobID]engine.CancelResult, error) {
	rows, err := t.lockJobRows(ids)
	if err != nil {
		return nil, err
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
		} else if did[j.ID], err = t.cancel(j.ID, reason); err != nil {
			return nil, err
		}
	}
	return did, t.cancelWaiting(many, reason, did)
}

// cancelWaiting cancels locked jobs that wait, and asks for the end of those among
// them that are claimed. If the rows in which they wait were taken since they were
// looked for, the transaction is to be run again.
func (t *Tx) cancelWaiting(jobs []*jobRow, reason string, did map[engine.JobID]engine.CancelResult) error {
	if len(jobs) == 0 {
		return nil
	}
	// In the direction in which jobs flow: one that is in neither is claimed, and
	// stays so while its row is locked.
	delayed, err := t.takeDelayed(jobs)
	if err != nil {
		return err
	}
	ready, err := t.takeReady(jobs, delayed)
	if err != nil {
		return err
	}
	var ends []*engine.Outcome
	var note, ask []*jobRow
	for _, j := range jobs {
		if delayed[j.ID] || ready[j.ID] {
			o := &engine.Outcome{Job: &j.ClaimedJob, Attempts: j.Attempts, Verdict: j.Verdict}
			o.Withdraw(j.Emitted)
			ends, note, did[j.ID] = append(ends, o), append(note, j), engine.CancelDone
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
	return t.noteCancels(note, reason)
}

// takeDelayed removes those of the jobs that are delayed, and says which.
func (t *Tx) takeDelayed(jobs []*jobRow) (map[engine.JobID]bool, error) {
	var ids []engine.JobID
	for _, j := range jobs {
		if !j.runAt.IsZero() {
			ids = append(ids, j.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found := map[engine.JobID]bool{}
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
	if err != nil || len(found) == 0 {
		return nil, err
	}
	n, err := t.deleteIn("ds_delayed", "", string(append(keys, ']')), KeyColumn{"due", KeyTime}, KeyColumn{"id", KeyInt})
	if err == nil && int(n) != len(found) {
		err = engine.Errorf(engine.CodeRetry, "%d of %d delayed jobs became ready meanwhile", len(found)-int(n), len(found))
	}
	return found, err
}

// takeReady removes those of the jobs that are ready, and says which. gone are
// those that were delayed.
func (t *Tx) takeReady(jobs []*jobRow, gone map[engine.JobID]bool) (map[engine.JobID]bool, error) {
	queues := map[engine.Queue][]*jobRow{}
	for _, j := range jobs {
		if !gone[j.ID] {
			q := j.Queue(j.Phase)
			queues[q] = append(queues[q], j)
		}
	}
	order := make([]engine.Queue, 0, len(queues))
	for q := range queues {
		order = append(order, q)
	}
	slices.Sort(order)
	found := map[engine.JobID]bool{}
	for _, q := range order {
		var ids []engine.JobID
		for _, j := range queues[q] {
			ids = append(ids, j.ID)
		}
		var keys []string
		err := t.query(func(r *sql.Rows) error {
			var id engine.JobID
			var priority int
			err := r.Scan(&id, &priority)
			found[id], keys = true, append(keys, fmt.Sprintf("[%d,%d]", priority, id))
			return err
		}, fmt.Sprintf("SELECT j.id, j.priority FROM ds_jobs j%s JOIN ds_ready r ON r.queue = %d AND r.priority = j.priority AND r.id = j.id WHERE j.id IN (%s) ORDER BY j.id", t.s.D.ByKey(), q, idList(ids)))
		if err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			continue
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
	n, err := t.exec(fmt.Sprintf("UPDATE ds_jobs%s SET epoch = epoch + 1, status = %d, losses = 0, failed_phase = 0, server = 0, run_at = '%s', finished_at = %s WHERE id IN (%s)",
		t.s.D.ByKey(), engine.StatusCancelled, never, t.s.D.Now(), idList(ids)))
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
