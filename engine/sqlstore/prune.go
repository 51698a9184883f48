package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// pruneScan is how many jobs of a type one pass looks at.
const pruneScan = 5000

// Prune deletes final jobs of a type that are older than they are kept, with
// all that belongs to them, oldest ids first. A job whose emitter is not final
// stays. It goes on where it stopped, and begins anew at the end, or where all
// that follow are too young.
func (s *Store) Prune(ctx context.Context, typ engine.TypeID, keep map[engine.Status]time.Duration, limit int) (n int, more bool, err error) {
	var old []string
	shortest := time.Duration(math.MaxInt64)
	for st, d := range keep {
		old = append(old, fmt.Sprintf("(j.status = %d AND j.finished_at < %s)", st, s.D.In(-d)))
		shortest = min(shortest, d)
	}
	if len(old) == 0 {
		return 0, false, nil
	}
	after := s.prune.get(typ)
	var ids []engine.JobID
	var last engine.JobID
	seen := 0
	var young bool // the last one, and so those after it
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var goes bool
			var parent sql.NullInt64
			if err := r.Scan(&last, &goes, &young, &parent); err != nil {
				return err
			}
			seen++
			if goes && (!parent.Valid || engine.Status(parent.Int64).Final()) {
				ids = append(ids, last)
			}
			return nil
		}, fmt.Sprintf("SELECT j.id, CASE WHEN %s THEN 1 ELSE 0 END, CASE WHEN j.created_at > %s THEN 1 ELSE 0 END, p.status FROM ds_jobs j LEFT JOIN ds_jobs p ON p.id = j.parent AND j.parent > 0 WHERE j.type = %d AND j.id > %d ORDER BY j.id LIMIT %d",
			strings.Join(old, " OR "), s.D.In(-shortest), typ, after, pruneScan))
	})
	if err != nil {
		return 0, false, err
	}
	more = true
	if len(ids) > limit {
		ids = ids[:limit]
		last = ids[limit-1]
	} else if seen < pruneScan || young {
		last, more = 0, false
	}
	if ids, err = s.pruneRejects(ctx, ids); err != nil {
		return 0, false, err
	}
	if len(ids) > 0 {
		if err := s.aroundHeld(ctx, "prune history", func(t *Tx, skip bool) error {
			free := ids
			if skip { // what others hold is left for the next round
				_, held, err := t.divideHeld(ids)
				if err != nil {
					return err
				}
				free = slices.DeleteFunc(slices.Clone(ids), func(id engine.JobID) bool { return held[id] })
			}
			if len(free) == 0 {
				return nil
			}
			return t.deleteJobs(typ, free)
		}, nil); err != nil {
			return 0, false, err
		}
	}
	s.prune.set(typ, last)
	return len(ids), more, nil
}

// deleteJobs deletes final jobs and what belongs to them; of one that never
// completed also its key, however long that is to be kept.
//
// Locks: jobs ascending, parents, keys by hash; then rows that nobody else locks.
func (t *Tx) deleteJobs(typ engine.TypeID, ids []engine.JobID) error {
	still, keys, err := t.lockFinal(ids)
	if err != nil || len(still) == 0 {
		return err
	}
	list := "[" + idList(still) + "]"
	for _, x := range []struct{ table, column, where string }{
		{"ds_jobs", "id", ""}, {"ds_parents", "id", ""}, {"ds_keys", "", ""}, {"ds_payloads", "id", ""}, {"ds_results", "id", ""},
		{"ds_emissions", "parent", ""}, {"ds_attempts", "job", ""}, {"ds_logs", "job", ""}, {"ds_progress", "job", ""}, {"ds_windows", "job", ""},
		{"ds_failures", "job", fmt.Sprintf("r.type = %d", typ)},
	} {
		if x.table == "ds_keys" {
			err = t.deleteKeys(keys, "r.done_at = '"+never+"'")
		} else {
			_, err = t.deleteIn(x.table, x.where, list, KeyColumn{x.column, KeyInt})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lockFinal locks jobs and gives those that are final: one that a person
// retried since it was seen is not any more. keys are those of jobs that failed
// or were cancelled.
func (t *Tx) lockFinal(ids []engine.JobID) (final []engine.JobID, keys []heldKey, err error) {
	err = t.query(func(r *sql.Rows) error {
		var id engine.JobID
		var typ engine.TypeID
		var status engine.Status
		var instance, key text
		if err := r.Scan(&id, &typ, &status, &instance, &key); err != nil {
			return err
		}
		if !status.Final() {
			return nil
		}
		final = append(final, id)
		if key != "" && status != engine.StatusCompleted {
			keys = append(keys, heldKey{typ, engine.KeyHash(string(instance), string(key)), id})
		}
		return nil
	}, "SELECT id, type, status, instance, job_key FROM ds_jobs"+t.s.D.ByKey()+" WHERE id IN ("+idList(ids)+") ORDER BY id"+t.s.D.Lock())
	return final, keys, err
}

// How long rows are kept that belong to no job.
const (
	keepSignals = 10 * time.Minute
	keepServers = 7 * 24 * time.Hour
	keepDeleted = 24 * time.Hour // values that were deleted
	keepHours   = 400 * 24 * time.Hour
)

// PruneRest deletes signals, servers, keys, notices, receipts, deleted values, forgotten
// records and hourly counts that nobody needs any more: looked for without locks,
// deleted by key.
func (s *Store) PruneRest(ctx context.Context, limit int) error {
	for _, x := range []struct {
		table, where string
		columns      []KeyColumn
		again        string // what must still hold when a row is deleted
	}{
		{"ds_signals", "at < " + s.D.In(-keepSignals), []KeyColumn{{"id", KeyInt}}, ""},
		{"ds_vars", "value IS NULL AND changed_at < " + s.D.In(-keepDeleted), []KeyColumn{{"type", KeyInt}, {"instance", KeyText}, {"name", KeyText}}, "r.value IS NULL"},
		{"ds_counters", "hour > '" + allTime + "' AND hour < " + s.D.In(-keepHours), []KeyColumn{{"type", KeyInt}, {"hour", KeyTime}}, ""},
		{"ds_receipts", "at < " + s.D.In(-keepReceipts), []KeyColumn{{"id", KeyHex}}, "r.at < " + s.D.In(-keepReceipts)},
		{"ds_notices", "ends_at < " + s.D.Now(), []KeyColumn{{"hash", KeyText}}, "r.ends_at < " + s.D.Now()},
		{"ds_servers", "dead = 1 AND seen_at < " + s.D.In(-keepServers) + " AND id NOT IN (SELECT server FROM ds_claims)", []KeyColumn{{"id", KeyInt}}, "r.dead = 1"},
	} {
		if err := s.pruneTable(ctx, x.table, x.where, x.columns, x.again, limit); err != nil {
			return err
		}
	}
	if err := s.pruneForgotten(ctx, limit); err != nil {
		return err
	}
	return s.pruneKeys(ctx, limit)
}

func (s *Store) pruneTable(ctx context.Context, table, where string, columns []KeyColumn, again string, limit int) error {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	var keys [][]any
	err := s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			key, dest := make([]any, len(columns)), make([]any, len(columns))
			for i, c := range columns {
				switch c.Type {
				case KeyInt:
					dest[i] = new(int64)
				case KeyTime:
					dest[i] = new(Time)
				case KeyHex:
					dest[i] = new([]byte)
				default:
					dest[i] = new(string)
				}
			}
			if err := r.Scan(dest...); err != nil {
				return err
			}
			for i := range dest {
				switch v := dest[i].(type) {
				case *int64:
					key[i] = *v
				case *Time:
					key[i] = v.Format("2006-01-02 15:04:05")
				case *[]byte:
					key[i] = hex.EncodeToString(*v)
				case *string:
					key[i] = *v
				}
			}
			keys = append(keys, key)
			return nil
		}, fmt.Sprintf("SELECT %s FROM %s WHERE %s LIMIT %d", strings.Join(names, ", "), table, where, limit))
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	return s.write(ctx, "prune "+table, func(t *Tx) error {
		list := toJSON(keys)
		if len(columns) == 1 {
			flat := make([]any, len(keys))
			for i := range keys {
				flat[i] = keys[i][0]
			}
			list = toJSON(flat)
		}
		_, err := t.deleteIn(table, again, list, columns...)
		return err
	}, nil)
}

// pruneKeys looks through the keys, a stretch at a time, for those whose time
// has passed since their job completed, or whose job never did and is gone.
func (s *Store) pruneKeys(ctx context.Context, limit int) error {
	from := s.prune.key()
	var last pruneKey
	var goes, orphans []pruneKey
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
			var lives bool
			if err := r.Scan(&k.typ, &k.hash, &k.job, &keep, &done, &lives); err != nil {
				return err
			}
			seen++
			last = k
			switch {
			case done.IsZero() && !lives: // it never completed
				orphans = append(orphans, k)
			case keep < 0:
			case !done.IsZero() && now.Sub(done.Time) > time.Duration(keep)*time.Second:
				goes = append(goes, k)
			}
			return nil
		}, "SELECT type, hash, job, keep_for, done_at, EXISTS (SELECT 1 FROM ds_jobs j WHERE j.id = k.job) FROM ds_keys k WHERE type > ? OR (type = ? AND hash > ?) ORDER BY type, hash LIMIT ?", from.typ, from.typ, from.hash, limit)
	})
	if err != nil {
		return err
	}
	if seen < limit {
		last = pruneKey{hash: []byte{}}
	}
	s.prune.setKey(last)
	if len(goes)+len(orphans) == 0 {
		return nil
	}
	return s.aroundHeld(ctx, "prune keys", func(t *Tx, skip bool) error {
		orphans, goes := orphans, goes
		if skip { // what others hold is left for the next round
			var keys []heldKey
			for _, k := range slices.Concat(orphans, goes) {
				keys = append(keys, heldKey{k.typ, [20]byte(k.hash), k.job})
			}
			ours, err := t.keyRows(keys, t.s.D.Skip())
			if err != nil {
				return err
			}
			theirs := func(k pruneKey) bool { return !ours[typedHash{k.typ, [20]byte(k.hash)}] }
			orphans, goes = slices.DeleteFunc(slices.Clone(orphans), theirs), slices.DeleteFunc(slices.Clone(goes), theirs)
		}
		for _, k := range orphans {
			if _, err := t.exec("DELETE FROM ds_keys WHERE type = ? AND hash = ? AND job = ?", k.typ, k.hash, k.job); err != nil {
				return err
			}
		}
		for _, k := range goes {
			if _, err := t.exec("DELETE FROM ds_keys WHERE type = ? AND hash = ? AND job = ? AND done_at > ?", k.typ, k.hash, k.job, never); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}
