package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

const scheduleColumns = "type, instance, definition, phase, priority, next_at, owes, last_job, last_at"

// scheduleRow is a row of ds_schedules. Where its definition cannot be read, err says
// so, and the row has none.
type scheduleRow struct {
	engine.ScheduleRow
	err error
}

func scanSchedule(r *sql.Rows) (row scheduleRow, err error) {
	var definition raw
	var next, last Time
	if err = r.Scan(&row.Type, &row.Instance, &definition, &row.Phase, &row.Priority, &next, &row.Owes, &row.LastJob, &last); err != nil {
		return row, err
	}
	row.NextAt, row.LastAt = next.Time, last.Time
	if row.err = json.Unmarshal(definition, &row.Schedule); row.err != nil {
		row.Schedule = engine.Schedule{}
	}
	return row, nil
}

// named says which schedule an error is about.
func (r *scheduleRow) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("schedule of type %d, instance %q: %w", r.Type, r.Instance, err)
}

// Schedules lists all schedules.
func (s *Store) Schedules(ctx context.Context) (rows []engine.ScheduleRow, err error) {
	err = s.read(ctx, func(t *Tx) error {
		rows = nil
		list, err := t.schedules("1 = 1", "")
		for _, r := range list {
			rows, err = append(rows, r.ScheduleRow), errors.Join(err, r.named(r.err))
		}
		return err
	})
	return rows, err
}

func (t *Tx) schedules(where, lock string) (rows []scheduleRow, err error) {
	err = t.query(func(r *sql.Rows) error {
		row, err := scanSchedule(r)
		rows = append(rows, row)
		return err
	}, "SELECT "+scheduleColumns+" FROM ds_schedules WHERE "+where+" ORDER BY type, instance"+lock)
	return rows, err
}

// SaveSchedules makes the given rows the schedules of the types. One whose
// definition is known already, by its hash, keeps its next time; also if another
// process made it, and fired it, since this one looked. One that cannot be read is
// replaced.
//
// Locks: schedules, in the order of their key.
func (s *Store) SaveSchedules(ctx context.Context, types []engine.TypeID, rows []engine.ScheduleRow) error {
	if len(types) == 0 {
		return nil
	}
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b engine.ScheduleRow) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Instance, b.Instance))
	})
	return s.write(ctx, "save schedules", func(t *Tx) error {
		now, err := t.clock()
		if err != nil {
			return err
		}
		old, err := t.schedules("type IN ("+idList(types)+")", s.D.Lock())
		if err != nil {
			return err
		}
		type key struct {
			typ      engine.TypeID
			instance string
		}
		known := map[key]scheduleRow{}
		for _, r := range old {
			known[key{r.Type, r.Instance}] = r
		}
		for _, r := range rows {
			k := key{r.Type, r.Instance}
			had, ok := known[k]
			delete(known, k)
			if ok && had.Schedule.Hash() == r.Schedule.Hash() && had.Phase == r.Phase && had.Priority == r.Priority {
				continue
			}
			next, err := r.Schedule.First(now)
			if err != nil {
				return err
			}
			if ok && r.Schedule.Every > 0 && !had.LastAt.IsZero() && had.LastAt.Add(r.Schedule.Every).After(now) {
				next = had.LastAt.Add(r.Schedule.Every)
			}
			if _, err := t.exec("INSERT INTO ds_schedules (type, instance, hash, definition, phase, priority, next_at) VALUES (?, ?, ?, ?, ?, ?, ?)"+
				s.D.Upsert("type, instance", "next_at = CASE WHEN ds_schedules.hash = VALUES(hash) THEN ds_schedules.next_at ELSE VALUES(next_at) END, owes = CASE WHEN ds_schedules.hash = VALUES(hash) THEN ds_schedules.owes ELSE 0 END, definition = VALUES(definition), phase = VALUES(phase), priority = VALUES(priority), hash = VALUES(hash)"),
				r.Type, r.Instance, r.Schedule.Hash(), toJSON(r.Schedule), r.Phase, r.Priority, stamp(next)); err != nil {
				return err
			}
		}
		for k := range known {
			if _, err := t.exec("DELETE FROM ds_schedules WHERE type = ? AND instance = ?", k.typ, k.instance); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// Fire fires what is due of the types, each schedule in a transaction of its
// own: the claim of the firing, the job and the next time are one. One that cannot be
// fired keeps no other one waiting, and does not count for when the next is due.
//
// Locks: schedule (skipping those that others fire); then new rows.
func (s *Store) Fire(ctx context.Context, types []engine.TypeID, decide func(engine.ScheduleRow, time.Time, bool) (engine.Tick, error)) (fired []engine.Fired, wait time.Duration, err error) {
	wait = -1
	if len(types) == 0 {
		return nil, wait, nil
	}
	var rows []scheduleRow
	var now time.Time
	err = s.read(ctx, func(t *Tx) error {
		if now, err = t.clock(); err != nil {
			return err
		}
		rows, err = t.schedules("type IN ("+idList(types)+") AND next_at > '"+never+"'", "")
		return err
	})
	if err != nil {
		return nil, wait, err
	}
	var failed []error
	for _, r := range rows {
		next := r.NextAt
		if !next.After(now) {
			var made []engine.Fired
			if err = r.err; err == nil {
				made, next, err = s.fireOne(ctx, r.ScheduleRow, decide)
			}
			if err != nil {
				failed = append(failed, r.named(err))
				if ctx.Err() != nil || engine.CodeOf(err) == engine.CodeUnreachable { // the others would fare no better
					break
				}
				continue
			}
			fired = append(fired, made...)
		}
		if next.IsZero() || r.Schedule.Continuous {
			continue
		}
		if d := max(next.Sub(now), 0); wait < 0 || d < wait {
			wait = d
		}
	}
	return fired, wait, errors.Join(failed...)
}

// fireOne fires one schedule that was seen to be due, if it still is.
func (s *Store) fireOne(ctx context.Context, seen engine.ScheduleRow, decide func(engine.ScheduleRow, time.Time, bool) (engine.Tick, error)) (fired []engine.Fired, next time.Time, err error) {
	// Most looks at a schedule whose last job lives change nothing: without a lock.
	idle := false
	err = s.read(ctx, func(t *Tx) error {
		tick, _, err := t.decideTick(seen, decide)
		idle = err == nil && len(tick.Fire) == 0 && tick.Next.Equal(seen.NextAt) && tick.Owes == seen.Owes
		return err
	})
	if err != nil || idle {
		return nil, time.Time{}, err // looked at again when its job ends, or at the next poll
	}
	err = s.write(ctx, "fire a schedule", func(t *Tx) error {
		fired, next = nil, time.Time{}
		var row scheduleRow
		found := false
		err := t.query(func(r *sql.Rows) (err error) {
			found = true
			row, err = scanSchedule(r)
			return err
		}, "SELECT "+scheduleColumns+" FROM ds_schedules WHERE type = ? AND instance = ? AND next_at <= "+s.D.Now()+s.D.Skip(), seen.Type, seen.Instance)
		if err != nil || !found {
			return err // another server has it
		}
		if row.err != nil {
			return row.err
		}
		tick, now, err := t.decideTick(row.ScheduleRow, decide)
		if err != nil {
			return err
		}
		var jobs []engine.JobInsert
		for _, at := range tick.Fire {
			jobs = append(jobs, engine.JobInsert{Type: row.Type, Phase: row.Phase, Priority: row.Priority, Instance: row.Instance, ScheduledFor: at})
		}
		made, err := t.insertJobs(jobs)
		if err != nil {
			return err
		}
		last, lastAt := row.LastJob, row.LastAt
		for i, m := range made {
			fired = append(fired, engine.Fired{Type: row.Type, Instance: row.Instance, Job: m.ID, ScheduledFor: jobs[i].ScheduledFor})
			last, lastAt = m.ID, now
		}
		if tick.Skipped > 0 {
			fired = append(fired, engine.Fired{Type: row.Type, Instance: row.Instance, Skipped: tick.Skipped})
		}
		next = tick.Next
		n, err := t.exec("UPDATE ds_schedules SET next_at = ?, owes = ?, last_job = ?, last_at = ? WHERE type = ? AND instance = ? AND next_at = ? AND last_job = ?",
			stamp(tick.Next), tick.Owes, last, stamp(lastAt), row.Type, row.Instance, stamp(row.NextAt), row.LastJob)
		if err == nil && n != 1 {
			return engine.Errorf(engine.CodeRetry, "another server has fired it")
		}
		return err
	}, func(*Tx) (bool, error) { return false, nil }) // run again: if it took effect, the firing is not due any more
	return fired, next, err
}

// decideTick asks what a schedule does now.
func (t *Tx) decideTick(row engine.ScheduleRow, decide func(engine.ScheduleRow, time.Time, bool) (engine.Tick, error)) (engine.Tick, time.Time, error) {
	now, err := t.clock()
	if err != nil {
		return engine.Tick{}, now, err
	}
	active := false
	if row.LastJob != 0 {
		var status engine.Status
		found, err := t.row([]any{&status}, "SELECT status FROM ds_jobs WHERE id = ?", row.LastJob)
		if err != nil {
			return engine.Tick{}, now, err
		}
		active = found && !status.Final()
	}
	tick, err := decide(row, now, active)
	return tick, now, err
}
