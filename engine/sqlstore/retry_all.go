package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// RetryAll retries jobs, all in one transaction: those that have left nothing but
// their failure by statements for all of them, the others one after the other.
// What one that cannot be retried had written is taken back.
//
// Locks: the jobs and their ancestors, ascending by id; keys by hash; then as Retry.
func (s *Store) RetryAll(ctx context.Context, ids []engine.JobID, o engine.RetryOptions) ([]engine.RetryResult, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	anchor := s.Anchor()
	list, err := writeOnce(ctx, s, "retry jobs", func(t *Tx) ([]engine.RetryResult, error) {
		if err := anchor.Write(ctx, t.x); err != nil {
			return nil, err
		}
		rows, err := t.lockLines(ids)
		if err != nil {
			return nil, err
		}
		m, err := t.lookAtMany(ids, rows)
		if err != nil {
			return nil, err
		}
		results := make(map[engine.JobID]engine.RetryResult, len(ids))
		if err := t.withKeys(rows, func() error { return t.retryMany(m, ids, o, results) }); err != nil {
			return nil, err
		}
		list := make([]engine.RetryResult, len(ids))
		for i, id := range ids {
			list[i] = results[id]
		}
		return list, nil
	})
	anchor.Free(err == nil)
	return list, err
}

// retryMany retries jobs that are locked with their ancestors.
func (t *Tx) retryMany(m *manyRetried, ids []engine.JobID, o engine.RetryOptions, results map[engine.JobID]engine.RetryResult) error {
	seen := make(map[engine.JobID]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		if j := m.jobs[id]; j != nil && j.status.Final() {
			err := mayRetry(j, o)
			if err == nil {
				err = mayBegin(j, m.parents)
			}
			if err != nil {
				results[id] = engine.RetryResult{Err: err}
				continue
			}
		}
		if m.plain(id) {
			m.plains = append(m.plains, m.jobs[id])
			continue
		}
		var err error
		if results[id], err = t.retrySingle(m, id, o); err != nil {
			return err
		}
	}
	return t.retryPlain(m, o, results)
}

// manyRetried is what is known of jobs that are retried together; all are locked.
type manyRetried struct {
	jobs, parents map[engine.JobID]*jobRow // parents are all ancestors, among others
	special       map[engine.JobID]bool    // they have a position, or rejects
	plains        []*jobRow
}

// lookAtMany looks at jobs, which are among the locked rows with all their ancestors.
func (t *Tx) lookAtMany(ids []engine.JobID, rows []*jobRow) (*manyRetried, error) {
	m := &manyRetried{jobs: map[engine.JobID]*jobRow{}, parents: map[engine.JobID]*jobRow{}, special: map[engine.JobID]bool{}}
	for _, j := range rows {
		m.parents[j.ID] = j
	}
	for _, id := range ids {
		if j := m.parents[id]; j != nil {
			m.jobs[id] = j
		}
	}
	list := idList(ids)
	return m, t.query(func(r *sql.Rows) error {
		var id engine.JobID
		err := r.Scan(&id)
		m.special[id] = true
		return err
	}, "SELECT id FROM ds_jobs WHERE id IN ("+list+") AND position IS NOT NULL UNION SELECT job FROM ds_rejects WHERE job IN ("+list+")")
}

// plain says whether a job is one that statements for many do right: it ended
// without success, left nothing but that, and its emitter waits for its items.
func (m *manyRetried) plain(id engine.JobID) bool {
	j := m.jobs[id]
	if j == nil || m.special[id] || j.status != engine.StatusFailed && j.status != engine.StatusCancelled ||
		j.Emitted > 0 || j.Verdict != 0 || j.Redrive != 0 || endedIn(j) == engine.PhaseFinish {
		return false
	}
	p := m.parents[j.Parent]
	return p == nil || !p.goneOn()
}

// endedIn is the phase that a job is in or ended in, and whose position it has; of
// one that waits for its fail hook, the one that failed.
func endedIn(j *jobRow) engine.Phase {
	if j.Phase == engine.PhaseFail {
		return j.FailedPhase
	}
	return j.Phase
}

// retrySingle retries one of them by itself.
func (t *Tx) retrySingle(m *manyRetried, id engine.JobID, o engine.RetryOptions) (r engine.RetryResult, err error) {
	if _, err := t.exec("SAVEPOINT ds_retry"); err != nil {
		return r, err
	}
	r.Phase, r.Err = t.retry(id, o)
	end := "RELEASE SAVEPOINT ds_retry"
	switch {
	case refuses(r.Err):
		end = "ROLLBACK TO SAVEPOINT ds_retry"
	case r.Err != nil:
		return r, r.Err
	}
	if _, err := t.exec(end); err != nil {
		return r, err
	}
	if j := m.jobs[id]; r.Err == nil && m.parents[j.Parent] != nil { // it may be open again
		m.parents[j.Parent], err = t.lockJob(j.Parent, "")
	}
	return r, err
}

// retryPlain retries the plain ones, as retry does each.
func (t *Tx) retryPlain(m *manyRetried, o engine.RetryOptions, results map[engine.JobID]engine.RetryResult) error {
	var todo []*jobRow
	for _, j := range m.plains {
		typ, err := t.typeOf(j.Type)
		if err != nil {
			return err
		}
		phase, err := retryPhase(j, typ, o, endedIn(j), endedIn(j))
		if results[j.ID] = (engine.RetryResult{Phase: phase, Err: err}); err == nil {
			todo = append(todo, j)
		}
	}
	todo, err := t.retakeKeys(todo, results)
	if err != nil || len(todo) == 0 {
		return err
	}
	phases := map[engine.Phase][]engine.JobID{}
	failures := map[engine.TypeID][]engine.JobID{}
	ready := []byte("INSERT INTO ds_ready (queue, priority, id, epoch) VALUES ")
	n := 0
	items := map[engine.JobID]*delta{}
	var d deltas
	for _, j := range todo {
		phase := results[j.ID].Phase
		phases[phase] = append(phases[phase], j.ID)
		failures[j.Type] = append(failures[j.Type], j.ID)
		queue := j.Queue(phase)
		ready = append(appendInts(openTuple(ready, &n), int64(queue), int64(j.Priority), int64(j.ID), int64(j.Epoch)+1), ')')
		t.due = append(t.due, dueRow{queue, j.Priority, j.ID})
		if m.parents[j.Parent] != nil {
			if items[j.Parent] == nil {
				items[j.Parent] = &delta{}
			}
			items[j.Parent].count(j.status)
		}
		d.at(0, j.Type).uncount(j.status)
	}
	if err := t.beginAgain(phases); err != nil {
		return err
	}
	for typ, ids := range failures {
		if _, err := t.deleteIn("ds_failures", fmt.Sprintf("r.type = %d", typ), "["+idList(ids)+"]", KeyColumn{"job", KeyInt}); err != nil {
			return err
		}
	}
	if err := t.takeFromParents(m, items); err != nil {
		return err
	}
	if err := t.insertDeltas(&d); err != nil {
		return err
	}
	_, err = t.exec(string(ready))
	return err
}

// beginAgain writes the rows of jobs that are retried, by phase. They have no
// position, so that nothing was counted before it.
func (t *Tx) beginAgain(phases map[engine.Phase][]engine.JobID) error {
	for phase, ids := range phases {
		got, err := t.exec(fmt.Sprintf("UPDATE ds_jobs%s SET epoch = epoch + 1, phase = %d, status = %d, attempts = 0, losses = 0, verdict = 0, cancel = 0, run_at = '%s', finished_at = '%s', position = NULL, checkpoints = 0 WHERE id IN (%s)",
			t.s.D.ByKey(), phase, engine.StatusWaiting, never, never, idList(ids)))
		if err != nil {
			return err
		}
		if int(got) != len(ids) {
			return engine.Errorf(engine.CodeRetry, "%d of %d jobs were changed meanwhile", len(ids)-int(got), len(ids))
		}
		if phase == engine.PhaseProduce {
			if _, err := t.exec("UPDATE ds_payloads" + t.s.D.ByKey() + " SET item = NULL WHERE id IN (" + idList(ids) + ")"); err != nil {
				return err
			}
		}
		if phase == engine.PhaseFinish {
			continue
		}
		if _, err := t.exec("UPDATE ds_results" + t.s.D.ByKey() + " SET stats = NULL WHERE id IN (" + idList(ids) + ")"); err != nil {
			return err
		}
	}
	return nil
}

// takeFromParents takes items out of the counts of their emitters, which wait for them.
func (t *Tx) takeFromParents(m *manyRetried, items map[engine.JobID]*delta) error {
	parents := make([]engine.JobID, 0, len(items))
	for id := range items {
		parents = append(parents, id)
	}
	slices.Sort(parents)
	for _, id := range parents {
		p, x := m.parents[id], items[id]
		if _, err := t.exec(fmt.Sprintf("INSERT INTO ds_parents (id, type, phase, failed, cancelled) VALUES (%d, %d, %d, %d, %d)", id, p.Type, p.Phase, -x.failed, -x.cancelled) +
			t.s.D.Upsert("id", fmt.Sprintf("failed = ds_parents.failed - %d, cancelled = ds_parents.cancelled - %d", x.failed, x.cancelled))); err != nil {
			return err
		}
		if err := t.staysOpen(id, x.failed+x.cancelled); err != nil {
			return err
		}
	}
	return nil
}

// retakeKeys takes the keys of jobs that are made due again; of those whose key is
// another's, the results say so, and they are left out.
func (t *Tx) retakeKeys(jobs []*jobRow, results map[engine.JobID]engine.RetryResult) (left []*jobRow, err error) {
	list, ks := keysOf(jobs)
	held, err := t.readKeys(list, ks)
	if err != nil {
		return nil, err
	}
	var free []*jobRow
	for _, j := range jobs {
		if j.Key == "" {
			left = append(left, j)
			continue
		}
		at := typedHash{j.Type, engine.KeyHash(j.Instance, j.Key)}
		k := held[at]
		switch {
		case k == nil || k.job == 0: // it is reserved
			free = append(free, j)
			held[at] = &keyRow{job: j.ID}
		case k.job != j.ID:
			results[j.ID] = engine.RetryResult{Err: keyTaken(j, k.job)}
			continue
		}
		left = append(left, j)
	}
	return left, t.insertKeys(free)
}
