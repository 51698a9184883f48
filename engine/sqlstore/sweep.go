package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// A row of ds_sweeps says that the items of an emitter are being cancelled with it, or
// are being retried with it, and how far that has come: to the item with the id last_id,
// or for a retry that and retrySweep. It is written by the transaction that cancels or
// opens the emitter, so that whatever ends whoever began, others carry it on. Whichever
// comes last stands.
const retrySweep = 1 << 62

// startSweep notes that the items of an emitter are to be cancelled, and has
// the emitter looked at when they have all settled.
func (t *Tx) startSweep(parent engine.JobID) error {
	if _, err := t.exec("INSERT INTO ds_sweeps (parent, last_id) VALUES (?, 0)"+t.s.D.Upsert("parent", "last_id = 0"), parent); err != nil {
		return err
	}
	var d deltas
	d.at(parent, 0)
	return t.insertDeltas(&d)
}

// stopSweep ends the cancel of an emitter's items, since the emitter goes on: it may be
// retried before all of them were looked at, and what it emits then is not to be cancelled.
func (t *Tx) stopSweep(parent engine.JobID) error {
	_, err := t.exec("DELETE FROM ds_sweeps WHERE parent = ? AND last_id < ?", parent, int64(retrySweep))
	return err
}

// bringBack notes that the items of an emitter that have failed or were cancelled are to
// be retried. Until that is done it does not go on.
func (t *Tx) bringBack(parent engine.JobID) error {
	_, err := t.exec("INSERT INTO ds_sweeps (parent, last_id) VALUES (?, ?)"+t.s.D.Upsert("parent", "last_id = VALUES(last_id)"), parent, int64(retrySweep))
	return err
}

// bringsBack says that items of an emitter are being retried with it.
func (t *Tx) bringsBack(parent engine.JobID) (bool, error) {
	var one int
	return t.row([]any{&one}, "SELECT 1 FROM ds_sweeps WHERE parent = ? AND last_id >= ?", parent, int64(retrySweep))
}

// sweeping says that the items of an emitter are being cancelled with it.
func (t *Tx) sweeping(parent engine.JobID) (bool, error) {
	var one int
	return t.row([]any{&one}, "SELECT 1 FROM ds_sweeps WHERE parent = ? AND last_id < ?", parent, int64(retrySweep))
}

// sweep is a row of ds_sweeps.
type sweep struct {
	parent engine.JobID
	last   int64
}

// Sweep cancels items of cancelled emitters, and retries those of emitters that are
// retried, a batch of each in a transaction of its own; how far it came is kept with
// them. One that cannot be carried on keeps no other one waiting.
func (s *Store) Sweep(ctx context.Context, limit int) (more bool, err error) {
	const page = 10
	var failed []error
	for after := engine.JobID(0); ; {
		list, err := s.sweeps(ctx, after, page)
		if err != nil {
			return false, errors.Join(append(failed, err)...)
		}
		for _, x := range list {
			after = x.parent
			left := false
			if x.last >= retrySweep {
				left, err = s.retrySwept(ctx, x.parent, x.last, limit)
			} else {
				left, err = s.cancelSwept(ctx, x.parent, x.last, limit)
			}
			more = more || left
			if err != nil {
				failed = append(failed, fmt.Errorf("items of job %d: %w", x.parent, err))
			}
			if ctx.Err() != nil || engine.CodeOf(err) == engine.CodeUnreachable { // the others would fare no better
				return false, errors.Join(failed...)
			}
		}
		if len(list) < page {
			return more, errors.Join(failed...)
		}
	}
}

// sweeps are the next sweeps, by emitter.
func (s *Store) sweeps(ctx context.Context, after engine.JobID, limit int) (list []sweep, err error) {
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var x sweep
			err := r.Scan(&x.parent, &x.last)
			list = append(list, x)
			return err
		}, "SELECT parent, last_id FROM ds_sweeps WHERE parent > ? ORDER BY parent LIMIT ?", after, limit)
	})
	return list, err
}

// cancelSwept cancels the next items of an emitter; left says that there may be more,
// and that others do not hold the first of them.
func (s *Store) cancelSwept(ctx context.Context, parent engine.JobID, last int64, limit int) (left bool, err error) {
	var items []engine.JobID
	err = s.read(ctx, func(t *Tx) (err error) {
		items, err = t.items(parent, engine.JobID(last), limit)
		return err
	})
	if err != nil {
		return false, err
	}
	results, err := s.cancelMany(ctx, items, engine.CancelOptions{}, parent)
	if err != nil {
		return false, err
	}
	waits := slices.Index(results, engine.CancelHeld) // the next pass goes on there
	if waits == 0 {
		return false, nil
	}
	if waits > 0 {
		items = items[:waits]
	}
	return len(items) > 0 && waits < 0, s.write(ctx, "cancel items", func(t *Tx) error {
		if len(items) == 0 {
			_, err := t.exec("DELETE FROM ds_sweeps WHERE parent = ? AND last_id = ?", parent, last)
			return err
		}
		_, err := t.exec("UPDATE ds_sweeps SET last_id = ? WHERE parent = ? AND last_id = ?", items[len(items)-1], parent, last)
		return err
	}, nil)
}

// retrySwept retries the next items of an emitter that have failed or were cancelled.
// One that cannot be, as its key is another's, stays as it is. left says that there may
// be more, and that others do not hold the key of the first of them: the next pass goes
// on there, since one that is retried before it may have failed again by then.
//
// Locks: the items and their ancestors, ascending by id; the sweep; keys by hash; then as
// Retry.
func (s *Store) retrySwept(ctx context.Context, parent engine.JobID, last int64, limit int) (left bool, err error) {
	all, err := s.itemsToRetry(ctx, parent, engine.JobID(last-retrySweep), min(limit, retryBatch))
	if err != nil {
		return false, err
	}
	var refused map[engine.JobID]error // of the run that was committed
	err = s.aroundHeld(ctx, "retry items of a job", func(t *Tx, skip bool) error {
		refused, left = nil, len(all) > 0
		ids := all
		if skip {
			n, err := s.beforeHeld(ctx, all)
			if err != nil || n == 0 && left {
				left = false
				return err
			}
			ids, left = all[:n], left && n == len(all)
		}
		rows, err := t.lockLines(append(slices.Clone(ids), parent))
		if err != nil {
			return err
		}
		var now int64
		if found, err := t.row([]any{&now}, "SELECT last_id FROM ds_sweeps WHERE parent = ?"+t.s.D.Lock(), parent); err != nil || !found || now != last {
			return err // it was cancelled again, or others have done it
		}
		if len(ids) > 0 {
			if refused, err = t.retryRows(rows, ids); err != nil {
				return err
			}
			_, err := t.exec("UPDATE ds_sweeps SET last_id = ? WHERE parent = ?", retrySweep+int64(ids[len(ids)-1]), parent)
			return err
		}
		if _, err := t.exec("DELETE FROM ds_sweeps WHERE parent = ?", parent); err != nil {
			return err
		}
		var d deltas
		d.at(parent, 0) // it is looked at, since all may have settled
		return t.insertDeltas(&d)
	}, nil)
	for id, why := range refused {
		if err == nil && engine.CodeOf(why) != engine.CodeNotFound { // it was pruned
			s.Log.Warn("an item is not retried with its emitter", "job", id, "emitter", parent, "error", why)
		}
	}
	return left, err
}

// beforeHeld is how many of the jobs come before the first one whose key somebody else
// has locked. That may be a row that he makes just now: only a statement that asks for
// the key itself meets it. It keeps no lock.
func (s *Store) beforeHeld(ctx context.Context, ids []engine.JobID) (n int, err error) {
	err = s.read(ctx, func(t *Tx) error {
		keys := map[engine.JobID]typedHash{}
		err := t.queryIDs(func(r *sql.Rows) error {
			var id engine.JobID
			var typ engine.TypeID
			var instance, key text
			err := r.Scan(&id, &typ, &instance, &key)
			keys[id] = typedHash{typ, engine.KeyHash(string(instance), string(key))}
			return err
		}, "SELECT id, type, instance, job_key FROM ds_jobs"+s.D.ByKey()+" WHERE id", ids, " AND job_key <> ''")
		if err != nil {
			return err
		}
		for n = range ids {
			k, ok := keys[ids[n]]
			if !ok {
				continue
			}
			_, err := t.row([]any{new(engine.JobID)}, "SELECT job FROM ds_keys WHERE type = ? AND hash = ?"+s.D.Lock()+" NOWAIT", k.typ, k.hash[:])
			if s.D.Locked(err) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		n = len(ids)
		return nil
	})
	return n, err
}

// retryRows retries items, which are among the locked rows, with their emitter; refused
// are those that cannot be.
func (t *Tx) retryRows(rows []*jobRow, ids []engine.JobID) (refused map[engine.JobID]error, err error) {
	refused = map[engine.JobID]error{}
	return refused, t.withKeys(rows, func() error {
		for _, id := range ids {
			err := t.retryItem(id)
			if err != nil && !refuses(err) {
				return err
			}
			if err != nil { // before anything was written
				refused[id] = err
			}
		}
		return nil
	})
}

// retryItem retries a locked item with its emitter, if it has failed or was cancelled.
// Of one that has failed and has emitted items, those that have failed or were cancelled
// come back too.
func (t *Tx) retryItem(id engine.JobID) error {
	j, err := t.lockJob(id, "")
	if err != nil || j.status != engine.StatusFailed && j.status != engine.StatusCancelled {
		return err
	}
	items := false
	if j.status == engine.StatusFailed && j.Emitted > 0 {
		if items, err = t.hasFailedItems(id); err != nil {
			return err
		}
	}
	if items && j.Verdict != engine.StatusFailed {
		return t.openFailed(j)
	}
	if _, err := t.retry(id, engine.RetryOptions{}); err != nil || !items {
		return err
	}
	return t.bringBack(id)
}

// refuses says that an error is about the job alone.
func refuses(err error) bool {
	switch engine.CodeOf(err) {
	case engine.CodeConflict, engine.CodeUsage, engine.CodeNotFound:
		return true
	}
	return false
}

// itemsToRetry are the next items of an emitter that have failed or were cancelled, by id.
func (s *Store) itemsToRetry(ctx context.Context, parent, after engine.JobID, limit int) (ids []engine.JobID, err error) {
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var id engine.JobID
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, "SELECT j.id FROM ds_emissions e JOIN ds_jobs j ON j.id BETWEEN e.first_id AND e.last_id WHERE e.parent = ? AND e.last_id > ? AND j.id > ? AND j.parent = ? AND j.status IN (?, ?) ORDER BY j.id LIMIT ?",
			parent, after, after, parent, engine.StatusFailed, engine.StatusCancelled, limit)
	})
	return ids, err
}

// hasFailedItems says whether an item of an emitter has failed.
func (t *Tx) hasFailedItems(parent engine.JobID) (bool, error) {
	var one int
	return t.row([]any{&one}, "SELECT 1 FROM ds_emissions e JOIN ds_jobs j ON j.id BETWEEN e.first_id AND e.last_id WHERE e.parent = ? AND j.parent = ? AND j.status = ? LIMIT 1",
		parent, parent, engine.StatusFailed)
}

// items are the ids of an emitter's items above after: its ranges, without the
// jobs in between that are others'.
func (t *Tx) items(parent, after engine.JobID, limit int) (ids []engine.JobID, err error) {
	err = t.query(func(r *sql.Rows) error {
		var id engine.JobID
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT j.id FROM ds_emissions e JOIN ds_jobs j ON j.id BETWEEN e.first_id AND e.last_id WHERE e.parent = ? AND e.last_id > ? AND j.id > ? AND j.parent = ? ORDER BY j.id LIMIT ?",
		parent, after, after, parent, limit)
	return ids, err
}
