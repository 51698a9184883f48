package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// insertRejects writes the rows that a hook rejected, with its commit.
func (t *Tx) insertRejects(o *engine.Outcome) error {
	const head = "INSERT INTO ds_rejects (job, type, phase, attempt, kept, at, whole, cut, line, instance, source, reason, data) VALUES "
	j := o.Job
	q := []byte(head)
	var args []any
	n, size := 0, 0
	for i := range o.Rejects {
		r := &o.Rejects[i]
		q = openTuple(q, &n)
		q = append(appendInts(q, int64(j.ID), int64(j.Type), int64(j.Phase), int64(j.Attempt()), b2i(o.Failure != nil)), ',')
		q = append(append(q, t.s.D.Now()...), ',')
		q = append(appendInts(q, b2i(r.WholeItem), b2i(r.Cut), r.Line), ",?,?,?,?)"...)
		args = append(args, nullText(j.Instance), nullText(r.Source), r.Reason, string(r.Row))
		if size += len(r.Row); n < insertChunk && size < 4<<20 && i < len(o.Rejects)-1 {
			continue
		}
		if _, err := t.exec(string(q), args...); err != nil {
			return err
		}
		q, args, n, size = q[:len(head)], args[:0], 0, 0
	}
	return nil
}

// nullText is an argument that is NULL when empty.
func nullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// settleRedriven marks the rejects as redriven that the job is done with.
func (t *Tx) settleRedriven(o *engine.Outcome) error {
	if o.Redriven == 0 || o.To.Status == engine.StatusCancelled || o.Verdict == engine.StatusCancelled {
		return nil
	}
	for {
		ids, err := t.rejectIDs(fmt.Sprintf("redrive = %d AND redriven = 0 AND id <= %d", o.Job.ID, o.Redriven))
		if err != nil || len(ids) == 0 {
			return err
		}
		if _, err := t.exec("UPDATE ds_rejects" + t.s.D.ByKey() + " SET redriven = 1 WHERE id IN (" + idList(ids) + ")"); err != nil {
			return err
		}
	}
}

// rejectPage is how many rejects are looked at at once.
const rejectPage = 500

// rejectIDs finds a page of rejects without locking them, ascending. Statements
// that lock or write then name their ids: they would wait for rows that they
// only pass.
func (t *Tx) rejectIDs(where string) (ids []int64, err error) {
	err = t.query(func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, fmt.Sprintf("SELECT id FROM ds_rejects WHERE %s ORDER BY id LIMIT %d", where, rejectPage))
	return ids, err
}

// heldReject is a reject that is locked.
type heldReject struct {
	id        int64
	job       engine.JobID
	redrive   engine.JobID
	settled   int
	whole     bool
	cut       bool
	redriving bool // a job is to redrive it, and is not final
	// rolledBack: the attempt that met its row was
	rolledBack bool
}

// lockRejects reads and locks rejects, ascending by id, and looks what the jobs
// do that redrive them: afterwards, so that it sees the latest.
func (t *Tx) lockRejects(ids []int64) (list []heldReject, err error) {
	var by []engine.JobID
	err = t.query(func(r *sql.Rows) error {
		var x heldReject
		var kept int
		err := r.Scan(&x.id, &x.job, &x.redrive, &x.settled, &x.whole, &x.cut, &kept)
		x.rolledBack = kept == keptFailed
		if list = append(list, x); x.redrive != 0 && x.settled == unsettled && (len(by) == 0 || by[len(by)-1] != x.redrive) {
			by = append(by, x.redrive)
		}
		return err
	}, "SELECT id, job, redrive, redriven, whole, cut, kept FROM ds_rejects"+t.s.D.ByKey()+" WHERE id IN ("+idList(ids)+") ORDER BY id"+t.s.D.Lock())
	if err != nil || len(by) == 0 {
		return list, err
	}
	alive, err := t.notFinal(by, false)
	for i := range list {
		list[i].redriving = list[i].settled == unsettled && alive[list[i].redrive]
	}
	return list, err
}

// notFinal are those of the jobs that are not final. With touch, the epoch of
// those that failed or were cancelled is raised: this locks them, and on a
// cluster contends with whoever retries them.
func (t *Tx) notFinal(ids []engine.JobID, touch bool) (map[engine.JobID]bool, error) {
	alive := map[engine.JobID]bool{}
	if touch {
		if _, err := t.exec(fmt.Sprintf("UPDATE ds_jobs%s SET epoch = epoch + 1 WHERE id IN (%s) AND status IN (%d, %d)", t.s.D.ByKey(), idList(ids), engine.StatusFailed, engine.StatusCancelled)); err != nil {
			return nil, err
		}
	}
	err := t.query(func(r *sql.Rows) error {
		var id engine.JobID
		var status engine.Status
		err := r.Scan(&id, &status)
		alive[id] = !status.Final()
		return err
	}, "SELECT id, status FROM ds_jobs"+t.s.D.ByKey()+" WHERE id IN ("+idList(ids)+")")
	return alive, err
}

// Whether a reject needs anything more: what the column redriven says.
const (
	unsettled     = 0 // it is open, or being redriven
	settledRedone = 1 // it was redriven
	settledClosed = 2 // a person has closed it; no job redrives it then
)

// Whether a reject stands: what the column kept says.
const (
	keptCommitted = 0 // it committed with the job
	keptFailed    = 1 // an attempt kept it that failed for its rejects
	keptEarlier   = 2 // it is of an earlier run
)

// dropRejects deletes the rejects of a job that begins again in a phase, from the
// beginning or from its last checkpoint: those whose rows it will meet again, and
// those of the phases after it. uncount takes them out of the job's counts; else
// those are set to what they were before the phase.
func (t *Tx) dropRejects(job engine.JobID, phase engine.Phase, anew, uncount bool) error {
	which := fmt.Sprintf("phase > %d", phase)
	if anew {
		which = fmt.Sprintf("phase >= %d", phase)
	}
	if uncount {
		if err := t.uncountRejects(job, which); err != nil {
			return err
		}
	}
	if anew {
		return t.forgetRejects(job, which)
	}
	return t.forgetRejects(job, fmt.Sprintf("(phase > %d OR phase = %d AND kept = %d)", phase, phase, keptFailed))
}

// uncountRejects takes some of a job's rejects out of its counts: it meets their
// rows again, and what it may reject is judged by the counts.
func (t *Tx) uncountRejects(job engine.JobID, which string) error {
	var n int64
	if _, err := t.row([]any{&n}, fmt.Sprintf("SELECT COUNT(*) FROM ds_rejects WHERE job = %d AND kept = %d AND %s", job, keptCommitted, which)); err != nil || n == 0 {
		return err
	}
	var b raw
	if _, err := t.row([]any{&b}, "SELECT stats FROM ds_results WHERE id = ?", job); err != nil {
		return err
	}
	stats := parseStats(b)
	if stats["rejected"] == 0 {
		return nil
	}
	if stats["rejected"] -= n; stats["rejected"] <= 0 {
		delete(stats, "rejected")
	}
	_, err := t.exec("UPDATE ds_results SET stats = ? WHERE id = ?", statsText(stats), job)
	return err
}

// dropFailed deletes the rejects of the attempt of a phase that failed.
func (t *Tx) dropFailed(job engine.JobID, phase engine.Phase) error {
	return t.forgetRejects(job, fmt.Sprintf("phase = %d AND kept = %d", phase, keptFailed))
}

// forgetRejects deletes some of a job's rejects. Those that are being redriven,
// or were, stay.
//
// Locks: rejects ascending; the job is locked already.
func (t *Tx) forgetRejects(job engine.JobID, which string) error {
	for after := int64(0); ; {
		ids, err := t.rejectIDs(fmt.Sprintf("job = %d AND id > %d AND %s", job, after, which))
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		list, err := t.lockRejects(ids)
		if err != nil {
			return err
		}
		var goes, stays []int64
		for _, x := range list {
			if x.settled == settledRedone || x.redriving {
				stays = append(stays, x.id)
			} else {
				goes = append(goes, x.id)
			}
		}
		if len(goes) > 0 {
			if _, err := t.deleteIn("ds_rejects", "", "["+idList(goes)+"]", KeyColumn{"id", KeyInt}); err != nil {
				return err
			}
		}
		if len(stays) > 0 {
			if _, err := t.exec("UPDATE ds_rejects" + t.s.D.ByKey() + " SET kept = " + fmt.Sprint(keptEarlier) + " WHERE id IN (" + idList(stays) + ")"); err != nil {
				return err
			}
		}
	}
}

// pruneRejects deletes the rejects of final jobs, in small transactions, and
// gives the jobs that can be deleted then: not those whose rejects are being
// redriven.
//
// Locks: jobs ascending, rejects ascending.
func (s *Store) pruneRejects(ctx context.Context, ids []engine.JobID) ([]engine.JobID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var with []engine.JobID
	err := s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var id engine.JobID
			err := r.Scan(&id)
			with = append(with, id)
			return err
		}, "SELECT j.id FROM ds_jobs j WHERE j.id IN ("+idList(ids)+") AND EXISTS (SELECT 1 FROM ds_rejects r WHERE r.job = j.id) ORDER BY j.id")
	})
	if err != nil || len(with) == 0 {
		return ids, err
	}
	busy := map[engine.JobID]bool{}
	for after, more := int64(0), true; more; {
		var last int64
		err := s.write(ctx, "prune rejects", func(t *Tx) error {
			last = after
			final, _, err := t.lockFinal(with)
			if err != nil || len(final) == 0 {
				more = false
				return err
			}
			page, err := t.rejectIDs(fmt.Sprintf("job IN (%s) AND id > %d", idList(final), after))
			if more = len(page) == rejectPage; err != nil || len(page) == 0 {
				return err
			}
			last = page[len(page)-1]
			list, err := t.lockRejects(page)
			if err != nil {
				return err
			}
			var goes []int64
			for _, x := range list {
				if x.redriving {
					busy[x.job] = true
				} else {
					goes = append(goes, x.id)
				}
			}
			if len(goes) == 0 {
				return nil
			}
			_, err = t.deleteIn("ds_rejects", "", "["+idList(goes)+"]", KeyColumn{"id", KeyInt})
			return err
		}, nil)
		if err != nil {
			return nil, err
		}
		after = last
	}
	var free []engine.JobID
	for _, id := range ids {
		if !busy[id] {
			free = append(free, id)
		}
	}
	return free, nil
}

// Rejects calls yield with rejects by id. It reads a page of them at a time, and
// the rows themselves as many as fit into some memory.
func (s *Store) Rejects(ctx context.Context, f engine.RejectFilter, yield func(*engine.Reject) bool) error {
	match := engine.MatchReason(f.Reason)
	at := f.After
	for {
		page, last, err := s.rejectPage(ctx, f, at)
		if err != nil || last == 0 {
			return err
		}
		at = last
		var group []*engine.Reject
		size := 0
		flush := func() (bool, error) {
			if !f.NoRows {
				if err := s.readRows(ctx, group); err != nil {
					return false, err
				}
			}
			for _, r := range group {
				if !f.NoRows && r.Row == nil {
					continue // pruned since
				}
				if !yield(r) {
					return false, nil
				}
			}
			group, size = group[:0], 0
			return true, nil
		}
		for _, r := range page {
			if f.Open && r.State != engine.RejectOpen || !match(r.Reason) {
				continue
			}
			group = append(group, r)
			if size += r.Size; size > 4<<20 {
				if more, err := flush(); !more {
					return err
				}
			}
		}
		if more, err := flush(); !more {
			return err
		}
	}
}

// rejectPage reads the next rejects, without their rows; last is the id of the
// last one, 0 if there is none.
func (s *Store) rejectPage(ctx context.Context, f engine.RejectFilter, at int64) (page []*engine.Reject, last int64, err error) {
	where, args := []string{"r.id > 0"}, []any{}
	and := func(cond string, arg any) { where, args = append(where, cond), append(args, arg) }
	if f.Type != 0 {
		and("r.type = ?", f.Type)
	}
	if f.Job != 0 {
		and("r.job = ?", f.Job)
	}
	if f.Redrive != 0 {
		and("r.redrive = ?", f.Redrive)
	}
	if !f.Since.IsZero() {
		and("r.at >= ?", stamp(f.Since))
	}
	if !f.Before.IsZero() {
		and("r.at < ?", stamp(f.Before))
	}
	if f.Open {
		where = append(where, "r.redriven = 0")
	}
	if len(f.IDs) > 0 {
		where = append(where, "r.id IN ("+idList(f.IDs)+")")
	}
	order := "r.id"
	switch {
	case f.Newest && at > 0:
		and("r.id < ?", at)
		fallthrough
	case f.Newest:
		order = "r.id DESC"
	default:
		and("r.id > ?", at)
	}
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			x := &engine.Reject{}
			var name, instance, source text
			var made Time
			var redrive, line int64
			var kept, settled int
			var status sql.NullInt64
			if err := r.Scan(&x.ID, &x.Job, &name, &instance, &x.Phase, &x.Attempt, &made, &x.Reason, &source, &line, &x.WholeItem, &x.Cut, &x.Size, &redrive, &settled, &kept, &status); err != nil {
				return err
			}
			last = x.ID
			x.Type, x.Instance, x.At, x.Source = string(name), optional(instance), made.Time, optional(source)
			if line > 0 {
				x.Line = &line
			}
			if redrive != 0 {
				id := engine.JobID(redrive)
				x.Redrive = &id
			}
			x.State, x.RolledBack = rejectState(settled, status), kept == keptFailed
			page = append(page, x)
			return nil
		}, fmt.Sprintf(`SELECT r.id, r.job, t.name, r.instance, r.phase, r.attempt, r.at, r.reason, r.source, r.line, r.whole, r.cut, OCTET_LENGTH(r.data), r.redrive, r.redriven, r.kept, j.status
 FROM ds_rejects r LEFT JOIN ds_types t ON t.id = r.type LEFT JOIN ds_jobs j ON j.id = r.redrive AND r.redrive > 0 WHERE %s ORDER BY %s LIMIT %d`, strings.Join(where, " AND "), order, rejectPage), args...)
	})
	return page, last, err
}

// rejectState is what becomes of a reject; status is that of the job that
// redrives it, NULL if there is none.
func rejectState(settled int, status sql.NullInt64) engine.RejectState {
	switch {
	case settled == settledRedone:
		return engine.RejectRedriven
	case settled == settledClosed:
		return engine.RejectClosed
	case status.Valid && !engine.Status(status.Int64).Final():
		return engine.RejectRedriving
	}
	return engine.RejectOpen
}

// readRows reads the rows of rejects.
func (s *Store) readRows(ctx context.Context, list []*engine.Reject) error {
	if len(list) == 0 {
		return nil
	}
	at := make(map[int64]*engine.Reject, len(list))
	ids := make([]int64, len(list))
	for i, r := range list {
		at[r.ID], ids[i] = r, r.ID
	}
	return s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var id int64
			var data raw
			err := r.Scan(&id, &data)
			at[id].Row = engine.Raw(data)
			return err
		}, "SELECT id, data FROM ds_rejects WHERE id IN ("+idList(ids)+")")
	})
}

// RejectPlaces are the places of what a job's checkpoints in a phase have kept.
func (s *Store) RejectPlaces(ctx context.Context, job engine.JobID, phase engine.Phase) (places map[uint64]bool, err error) {
	err = s.read(ctx, func(t *Tx) error {
		places = map[uint64]bool{}
		return t.query(func(r *sql.Rows) error {
			var source text
			var line int64
			err := r.Scan(&source, &line)
			places[engine.RejectPlace(string(source), line)] = true
			return err
		}, "SELECT source, line FROM ds_rejects WHERE job = ? AND phase = ? AND kept = ? AND line > 0", job, phase, keptCommitted)
	})
	return places, err
}

// RejectCounts counts the rejects of a job that are kept.
func (s *Store) RejectCounts(ctx context.Context, job engine.JobID) (c engine.RejectCounts, err error) {
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var settled int
			var status sql.NullInt64
			var n, back int64
			if err := r.Scan(&settled, &status, &n, &back); err != nil {
				return err
			}
			c.Kept, c.RolledBack = c.Kept+n, c.RolledBack+back
			switch rejectState(settled, status) {
			case engine.RejectOpen:
				c.Open += n
			case engine.RejectRedriving:
				c.Redriving += n
			case engine.RejectRedriven:
				c.Redriven += n
			case engine.RejectClosed:
				c.Closed += n
			}
			return nil
		}, fmt.Sprintf(`SELECT x.redriven, j.status, SUM(x.n), SUM(x.back) FROM (SELECT redrive, redriven, COUNT(*) AS n, COUNT(CASE WHEN kept = %d THEN 1 END) AS back FROM ds_rejects WHERE job = ? GROUP BY redrive, redriven) x
 LEFT JOIN ds_jobs j ON j.id = x.redrive AND x.redrive > 0 GROUP BY x.redriven, j.status`, keptFailed), job)
	})
	return c, err
}
