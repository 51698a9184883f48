package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// The statements about records. A row of ds_records is found by its primary key
// (type, instance, source, ksum), many to a statement, in that order.
const (
	recordPlace   = "type = ? AND instance = ? AND source = ?"
	recordColumns = "ksum, hash, was, met, job, phase, pass, gone, id, seen"
	// In: scope, source, sums. Reads records; with Lock it locks them.
	readRecords = "SELECT " + recordColumns + " FROM ds_records%s WHERE " + recordPlace + " AND ksum IN (%s)%s"
	// In: run, scope, source, sums, run. Locks the records.
	seeRecords = "UPDATE ds_records%s SET seen = ? WHERE " + recordPlace + " AND ksum IN (%s) AND seen < ?"
	// In: scope, source, key, then as recordColumns.
	insertRecords = "INSERT INTO ds_records (type, instance, source, name, " + recordColumns + ") VALUES "
	recordRow     = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?),"
	recordSet     = "hash = VALUES(hash), was = VALUES(was), met = VALUES(met), job = VALUES(job), phase = VALUES(phase), pass = VALUES(pass), gone = VALUES(gone), id = VALUES(id), seen = VALUES(seen)"
	// What a hook sees that may have begun anew. In: job, phase, pass.
	recordThere = "(gone = 0 OR (job = ? AND phase = ? AND pass <> ?))"
	// In: run, scope, source, and of recordThere. Reads all rows of the source.
	countRecords = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN seen < ? THEN 1 ELSE 0 END), 0) FROM ds_records WHERE " + recordPlace + " AND " + recordThere
	// In: scope, source, sum, run, of recordThere, limit. Reads on from a key.
	missingRecords = "SELECT ksum, name, id FROM ds_records WHERE " + recordPlace + " AND ksum > ? AND seen < ? AND " + recordThere + " ORDER BY ksum LIMIT ?"
	// In: job, phase; job, phase, pass; scope, source; job, phase. Locks all rows of
	// the source. was is set first, from what the others were.
	forgetRecords = "UPDATE ds_records SET was = CASE WHEN job = ? AND phase = ? THEN was ELSE hash END, hash = NULL, met = NULL, gone = 1, job = ?, phase = ?, pass = ? WHERE " + recordPlace + " AND (gone = 0 OR (job = ? AND phase = ?))"
	// In: job, scope, source. Notes that the job has forgotten rows of the source.
	noteForgotten = "INSERT INTO ds_forgotten (job, type, instance, source) VALUES (?, ?, ?, ?)"
)

// recordRows is how many records one statement is about.
const recordRows = 500

// recordSession is the session of records; others are a mistake of the caller's.
func recordSession(s engine.Session) (*Session, error) {
	switch s := s.(type) {
	case *Session:
		return s, nil
	case *Joined:
		return s.Session, nil
	}
	return nil, engine.Errorf(engine.CodeInternal, "records need a session of this store, not %T", s)
}

// reads runs statements of the engine's own where a hook's queries run.
func (s *Session) reads(ctx context.Context, f func(*Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.readConn(ctx)
	if err != nil {
		return err
	}
	if err := s.spoolOn(ctx, c); err != nil {
		return err
	}
	if err := f(s.store.On(ctx, c)); err != nil {
		return s.explain(ctx, err)
	}
	return nil
}

// writes runs statements of the engine's own in the transaction. A conflict is
// for the caller, and leaves the transaction as it is.
func (s *Session) writes(ctx context.Context, f func(*Tx) error) error {
	var conflict error
	err := s.run(ctx, func(c *sql.Conn) error {
		err := f(s.store.On(ctx, c))
		if engine.CodeOf(err) == engine.CodeConflict {
			conflict, err = err, nil
		}
		return err
	})
	if err == nil {
		err = conflict
	}
	return err
}

// Records reads records.
func (s *Store) Records(ctx context.Context, session engine.Session, by engine.RecordBy, source string, keys []engine.RecordKey) ([]*engine.Record, error) {
	h, err := recordSession(session)
	if err != nil {
		return nil, err
	}
	list := make([]*engine.Record, len(keys))
	err = h.reads(ctx, func(t *Tx) error {
		for from := 0; from < len(keys); from += recordRows {
			part := keys[from:min(from+recordRows, len(keys))]
			sums := make([]engine.KeySum, len(part))
			for i := range part {
				sums[i] = part[i].Sum
			}
			found, err := t.records(by.Scope, source, sums, "")
			if err != nil {
				return err
			}
			for i := range part {
				list[from+i] = found[part[i].Sum]
			}
		}
		return nil
	})
	return list, err
}

// WriteRecords writes records in a hook's transaction.
func (s *Store) WriteRecords(ctx context.Context, session engine.Session, w engine.RecordWrites) error {
	h, err := recordSession(session)
	if err != nil {
		return err
	}
	return h.writes(ctx, func(t *Tx) error { return t.writeRecords(w) })
}

// CountRecords counts the rows of a source.
func (s *Store) CountRecords(ctx context.Context, session engine.Session, by engine.RecordBy, source string) (n engine.RecordCounts, err error) {
	h, err := recordSession(session)
	if err != nil {
		return n, err
	}
	err = h.reads(ctx, func(t *Tx) error {
		_, err := t.row([]any{&n.Known, &n.Missing}, countRecords, by.Run, by.Scope.Type, by.Scope.Instance, source, by.Job, by.Phase, by.Pass)
		return err
	})
	return n, err
}

// MissingRecords are rows that no run as new as this one has seen.
func (s *Store) MissingRecords(ctx context.Context, session engine.Session, by engine.RecordBy, source string, after *engine.KeySum, limit int) (list []engine.MissingRecord, err error) {
	h, err := recordSession(session)
	if err != nil {
		return nil, err
	}
	from := []byte{}
	if after != nil {
		from = after[:]
	}
	err = h.reads(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var sum []byte
			var name, id text
			if err := r.Scan(&sum, &name, &id); err != nil {
				return err
			}
			m := engine.MissingRecord{Key: engine.RecordKey{Text: string(name)}, ID: string(id)}
			copy(m.Key.Sum[:], sum)
			list = append(list, m)
			return nil
		}, missingRecords, by.Scope.Type, by.Scope.Instance, source, from, by.Run, by.Job, by.Phase, by.Pass, limit)
	})
	return list, err
}

// ForgetSource forgets all rows of a source.
func (s *Store) ForgetSource(ctx context.Context, session engine.Session, by engine.RecordBy, source string) error {
	h, err := recordSession(session)
	if err != nil {
		return err
	}
	return h.writes(ctx, func(t *Tx) error {
		if err := t.noteForgotten(by, source); err != nil {
			return err
		}
		_, err := t.exec(forgetRecords, by.Job, by.Phase, by.Job, by.Phase, by.Pass, by.Scope.Type, by.Scope.Instance, source, by.Job, by.Phase)
		return err
	})
}

func (t *Tx) noteForgotten(by engine.RecordBy, source string) error {
	_, err := t.exec(noteForgotten+t.s.D.Upsert("job, type, instance, source", "job = VALUES(job)"), by.Job, by.Scope.Type, by.Scope.Instance, source)
	return err
}

// records reads the records of some keys.
func (t *Tx) records(scope engine.Scope, source string, sums []engine.KeySum, lock string) (map[engine.KeySum]*engine.Record, error) {
	args := placeArgs(scope, source, len(sums))
	for i := range sums {
		args = append(args, sums[i][:])
	}
	found := make(map[engine.KeySum]*engine.Record, len(sums))
	err := t.query(func(r *sql.Rows) error {
		var sum, hash, was, met sql.RawBytes
		var id text
		var x engine.Record
		if err := r.Scan(&sum, &hash, &was, &met, &x.Job, &x.Phase, &x.Pass, &x.Gone, &id, &x.Seen); err != nil {
			return err
		}
		x.Hash, x.Was, x.Met, x.ID = hashOf(hash), hashOf(was), hashOf(met), string(id)
		found[engine.KeySum(sum)] = &x
		return nil
	}, fmt.Sprintf(readRecords, t.s.D.ByKey(), marks(len(sums)), lock), args...)
	return found, err
}

func placeArgs(scope engine.Scope, source string, more int) []any {
	return append(make([]any, 0, 4+more), scope.Type, scope.Instance, source)
}

func hashOf(b []byte) (h engine.RecordHash) {
	h.Known = b != nil
	copy(h.Sum[:], b)
	return h
}

func nullHash(h engine.RecordHash) any {
	if !h.Known {
		return nil
	}
	return h.Sum[:]
}

// writeRecords writes records in the order of their keys. One that is another
// than was read is CodeConflict.
func (t *Tx) writeRecords(w engine.RecordWrites) error {
	list := slices.Clone(w.List)
	slices.SortFunc(list, func(a, b engine.RecordWrite) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), bytes.Compare(a.Key.Sum[:], b.Key.Sum[:]))
	})
	for len(list) > 0 {
		n := 1
		for n < len(list) && n < recordRows && list[n].Source == list[0].Source {
			n++
		}
		if err := t.writeSource(w.By, list[0].Source, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// writeSource writes records of one source.
func (t *Tx) writeSource(by engine.RecordBy, source string, list []engine.RecordWrite) error {
	var sums []engine.KeySum
	var seen []any
	for i := range list {
		if list[i].OnlySeen() {
			seen = append(seen, list[i].Key.Sum[:])
		} else {
			sums = append(sums, list[i].Key.Sum)
		}
	}
	if len(seen) > 0 {
		args := append(append([]any{by.Run}, placeArgs(by.Scope, source, 0)...), append(seen, by.Run)...)
		if _, err := t.exec(fmt.Sprintf(seeRecords, t.s.D.ByKey(), marks(len(seen))), args...); err != nil {
			return err
		}
	}
	if len(sums) == 0 {
		return nil
	}
	now, err := t.records(by.Scope, source, sums, t.s.D.Lock())
	if err != nil {
		return err
	}
	var fresh, over recordInsert
	forgets := false
	for i := range list {
		w := &list[i]
		if w.OnlySeen() {
			continue
		}
		old := now[w.Key.Sum]
		if err := w.Fits(old); err != nil {
			return err
		}
		r := w.Apply(old, by)
		switch {
		case r == nil || old != nil && *old == *r:
		case old == nil:
			fresh.add(by.Scope, source, w.Key, r)
		default:
			over.add(by.Scope, source, w.Key, r)
			forgets = forgets || r.Gone && w.Forget
		}
	}
	if fresh.n > 0 {
		if _, err := t.exec(fresh.sql(), fresh.args...); err != nil {
			if t.s.D.Class(err) == ClassDuplicate {
				return engine.Errorf(engine.CodeConflict, "rows of %q were noted by another job meanwhile", source)
			}
			return err
		}
	}
	if over.n > 0 {
		if _, err := t.exec(over.sql()+t.s.D.Upsert("type, instance, source, ksum", recordSet), over.args...); err != nil {
			return err
		}
	}
	if forgets {
		return t.noteForgotten(by, source)
	}
	return nil
}

// recordInsert gathers rows of one statement.
type recordInsert struct {
	n    int
	args []any
}

func (x *recordInsert) add(scope engine.Scope, source string, key engine.RecordKey, r *engine.Record) {
	var id any
	if r.ID != "" {
		id = r.ID
	}
	x.n++
	x.args = append(x.args, scope.Type, scope.Instance, source, key.Text, key.Sum[:],
		nullHash(r.Hash), nullHash(r.Was), nullHash(r.Met), r.Job, r.Phase, r.Pass, r.Gone, id, r.Seen)
}

func (x *recordInsert) sql() string {
	return insertRecords + strings.TrimSuffix(strings.Repeat(recordRow, x.n), ",")
}

// pruneForgotten deletes records that were forgotten by jobs that are final.
func (s *Store) pruneForgotten(ctx context.Context, limit int) error {
	for limit > 0 {
		var job engine.JobID
		var scope engine.Scope
		var source string
		var keys [][]any
		found := false
		err := s.read(ctx, func(t *Tx) (err error) {
			keys = nil
			found, err = t.row([]any{&job, &scope.Type, &scope.Instance, &source},
				fmt.Sprintf("SELECT f.job, f.type, f.instance, f.source FROM ds_forgotten f LEFT JOIN ds_jobs j ON j.id = f.job WHERE j.id IS NULL OR j.status IN (%d, %d, %d) ORDER BY f.job LIMIT 1",
					engine.StatusCompleted, engine.StatusFailed, engine.StatusCancelled))
			if err != nil || !found {
				return err
			}
			return t.query(func(r *sql.Rows) error {
				var sum []byte
				err := r.Scan(&sum)
				keys = append(keys, []any{scope.Type, scope.Instance, source, hex.EncodeToString(sum)})
				return err
			}, "SELECT ksum FROM ds_records WHERE "+recordPlace+" AND gone = 1 AND job = ? LIMIT ?", scope.Type, scope.Instance, source, job, limit)
		})
		if err != nil || !found {
			return err
		}
		err = s.write(ctx, "prune records", func(t *Tx) error {
			if len(keys) > 0 {
				if _, err := t.deleteIn("ds_records", fmt.Sprintf("r.gone = 1 AND r.job = %d", job), toJSON(keys), KeyColumn{"type", KeyInt}, KeyColumn{"instance", KeyText}, KeyColumn{"source", KeyText}, KeyColumn{"ksum", KeyHex}); err != nil {
					return err
				}
			}
			if len(keys) == limit {
				return nil
			}
			_, err := t.exec("DELETE FROM ds_forgotten WHERE job = ? AND type = ? AND instance = ? AND source = ?", job, scope.Type, scope.Instance, source)
			return err
		}, nil)
		if err != nil {
			return err
		}
		limit -= len(keys) + 1
	}
	return nil
}
