package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// pruneScan is how many jobs of a type one pass looks at.
const pruneScan = 5000

// Prune deletes final jobs of a type that are older than they are kept, with
// all that belongs to them, oldest ids first. A job whose emitter is not final
// stays. It goes on where it stopped, and begins anew at the end.
func (s *Store) Prune(ctx context.Context, typ engine.TypeID, keep map[engine.Status]time.Duration, limit int) (n int, err error) {
	var old []string
	for st, d := range keep {
		old = append(old, fmt.Sprintf("(j.status = %d AND j.finished_at < %s)", st, s.D.In(-d)))
	}
	if len(old) == 0 {
		return 0, nil
	}
	after := s.prune.get(typ)
	var ids []engine.JobID
	var last engine.JobID
	seen := 0
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var goes bool
			var parent sql.NullInt64
			if err := r.Scan(&last, &goes, &parent); err != nil {
				return err
			}
			seen++
			if goes && (!parent.Valid || engine.Status(parent.Int64).Final()) {
				ids = append(ids, last)
			}
			return nil
		}, fmt.Sprintf("SELECT j.id, CASE WHEN %s THEN 1 ELSE 0 END, p.status FROM ds_jobs j LEFT JOIN ds_jobs p ON p.id = j.parent AND j.parent > 0 WHERE j.type = %d AND j.id > %d ORDER BY j.id LIMIT %d",
			strings.Join(old, " OR "), typ, after, pruneScan))
	})
	if err != nil {
		return 0, err
	}
	if len(ids) > limit {
		ids = ids[:limit]
		last = ids[limit-1]
	} else if seen < pruneScan {
		last = 0
	}
	if len(ids) > 0 {
		if err := s.write(ctx, "prune history", func(t *Tx) error { return t.deleteJobs(typ, ids) }, nil); err != nil {
			return 0, err
		}
	}
	s.prune.set(typ, last)
	return len(ids), nil
}

// deleteJobs deletes final jobs and what belongs to them.
//
// Locks: jobs ascending, parents; then rows that nobody else locks.
func (t *Tx) deleteJobs(typ engine.TypeID, ids []engine.JobID) error {
	// One that a person retried since it was seen is not final any more.
	var still []engine.JobID
	err := t.query(func(r *sql.Rows) error {
		var id engine.JobID
		var status engine.Status
		if err := r.Scan(&id, &status); err != nil {
			return err
		}
		if status.Final() {
			still = append(still, id)
		}
		return nil
	}, "SELECT id, status FROM ds_jobs"+t.s.D.ByKey()+" WHERE id IN ("+idList(ids)+") ORDER BY id"+t.s.D.Lock())
	if err != nil || len(still) == 0 {
		return err
	}
	nums := make([]int64, len(still))
	for i, id := range still {
		nums[i] = int64(id)
	}
	list := "[" + bracketed(nums) + "]"
	for _, x := range []struct{ table, column, where string }{
		{"ds_jobs", "id", ""}, {"ds_parents", "id", ""}, {"ds_payloads", "id", ""}, {"ds_results", "id", ""},
		{"ds_emissions", "parent", ""}, {"ds_attempts", "job", ""}, {"ds_logs", "job", ""}, {"ds_progress", "job", ""},
		{"ds_failures", "job", fmt.Sprintf("r.type = %d", typ)},
	} {
		if _, err := t.exec(t.s.D.DeleteIn(x.table, x.where, KeyColumn{x.column, KeyInt}), list); err != nil {
			return err
		}
	}
	return nil
}

// How long rows are kept that belong to no job.
const (
	keepSignals = 10 * time.Minute
	keepServers = 7 * 24 * time.Hour
	keepDeleted = 24 * time.Hour // values that were deleted
	keepHours   = 400 * 24 * time.Hour
)

// PruneRest deletes signals, servers, keys, deleted values and hourly counts
// that nobody needs any more.
func (s *Store) PruneRest(ctx context.Context, limit int) error {
	for _, q := range []string{
		"DELETE FROM ds_signals WHERE at < " + s.D.In(-keepSignals),
		"DELETE FROM ds_vars WHERE value IS NULL AND changed_at < " + s.D.In(-keepDeleted),
		"DELETE FROM ds_counters WHERE hour > '" + allTime + "' AND hour < " + s.D.In(-keepHours),
		"DELETE FROM ds_servers WHERE dead = 1 AND seen_at < " + s.D.In(-keepServers) + " AND id NOT IN (SELECT server FROM ds_claims)",
	} {
		if err := s.write(ctx, "prune", func(t *Tx) error {
			_, err := t.exec(q)
			return err
		}, nil); err != nil {
			return err
		}
	}
	return s.pruneKeys(ctx, limit)
}

// pruneKeys looks through the keys, a stretch at a time, for those whose time
// has passed since their job completed.
func (s *Store) pruneKeys(ctx context.Context, limit int) error {
	from := s.prune.key()
	var last pruneKey
	var goes []pruneKey
	seen := 0
	err := s.read(ctx, func(t *Tx) error {
		now, err := t.clock()
		if err != nil {
			return err
		}
		return t.query(func(r *sql.Rows) error {
			var k pruneKey
			var keep int64
			var done Time
			if err := r.Scan(&k.typ, &k.hash, &k.job, &keep, &done); err != nil {
				return err
			}
			seen++
			last = k
			if keep >= 0 && !done.IsZero() && now.Sub(done.Time) > time.Duration(keep)*time.Second {
				goes = append(goes, k)
			}
			return nil
		}, "SELECT type, hash, job, keep_for, done_at FROM ds_keys WHERE type > ? OR (type = ? AND hash > ?) ORDER BY type, hash LIMIT ?", from.typ, from.typ, from.hash, limit)
	})
	if err != nil {
		return err
	}
	if seen < limit {
		last = pruneKey{hash: []byte{}}
	}
	s.prune.setKey(last)
	if len(goes) == 0 {
		return nil
	}
	return s.write(ctx, "prune keys", func(t *Tx) error {
		for _, k := range goes {
			if _, err := t.exec("DELETE FROM ds_keys WHERE type = ? AND hash = ? AND job = ? AND done_at > ?", k.typ, k.hash, k.job, never); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}
