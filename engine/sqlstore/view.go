package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

const viewColumns = `j.id, j.type, t.name, t.max_attempts, j.phase, j.status, j.priority, j.epoch, j.attempts, j.losses, j.failed_phase, j.cancel, j.items, j.redrive, j.windowed, j.parent,
 j.created_at, j.run_at, j.started_at, j.finished_at, j.scheduled_for, j.instance, j.job_key, j.position,
 p.payload, r.result, r.stats, s.name, s.types, g.done, g.total, g.note, w.start_at, w.end_at, w.backfill`

const viewTables = ` FROM ds_jobs j LEFT JOIN ds_types t ON t.id = j.type LEFT JOIN ds_payloads p ON p.id = j.id
 LEFT JOIN ds_results r ON r.id = j.id LEFT JOIN ds_servers s ON s.id = j.server LEFT JOIN ds_progress g ON g.job = j.id
 LEFT JOIN ds_windows w ON w.job = j.id`

// Job shows one job.
func (s *Store) Job(ctx context.Context, id engine.JobID) (*engine.Job, error) {
	jobs, err := s.view(ctx, "j.id = ?", []any{id}, "")
	if err != nil {
		return nil, err
	}
	if len(jobs) == 0 {
		return nil, engine.Errorf(engine.CodeNotFound, "there is no job %d", id).WithHint("it may have been pruned; list what there is with: dsengine jobs list")
	}
	return jobs[0], nil
}

// Jobs lists jobs, newest first.
func (s *Store) Jobs(ctx context.Context, f engine.JobFilter) ([]*engine.Job, error) {
	where, args, end, err := s.filter(ctx, f)
	if err != nil {
		return nil, err
	}
	return s.view(ctx, where, args, end)
}

// Select lists the ids of jobs, newest first.
func (s *Store) Select(ctx context.Context, f engine.JobFilter) (list []engine.Selected, err error) {
	where, args, end, err := s.filter(ctx, f)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var x engine.Selected
			err := r.Scan(&x.ID, &x.Items)
			list = append(list, x)
			return err
		}, "SELECT j.id, j.items FROM ds_jobs j WHERE "+where+end, args...)
	})
	return list, err
}

// filter is what comes after WHERE, of jobs as j.
func (s *Store) filter(ctx context.Context, f engine.JobFilter) (cond string, args []any, end string, err error) {
	where := []string{"1 = 1"}
	and := func(cond string, a ...any) { where, args = append(where, cond), append(args, a...) }
	if f.Type != 0 {
		and("j.type = ?", f.Type)
	}
	if f.Instance != nil {
		and("COALESCE(j.instance, '') = ?", *f.Instance)
	}
	if f.Phase != 0 {
		and(phaseCondition(f.Phase))
	}
	if !f.Since.IsZero() {
		and("j.created_at >= ?", stamp(f.Since))
	}
	if f.Before != 0 {
		and("j.id < ?", f.Before)
	}
	if f.Parent != 0 {
		and("j.parent = ?", f.Parent)
		and("EXISTS (SELECT 1 FROM ds_emissions e WHERE e.parent = ? AND j.id BETWEEN e.first_id AND e.last_id)", f.Parent)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	if f.Status != 0 {
		cond, a, err := s.statusCondition(ctx, f, limit)
		if err != nil {
			return "", nil, "", err
		}
		and(cond, a...)
	}
	return strings.Join(where, " AND "), args, fmt.Sprintf(" ORDER BY j.id DESC LIMIT %d", limit), nil
}

// phaseCondition finds jobs of a phase, as shown says it.
func phaseCondition(p engine.Phase) (string, any) {
	ended := fmt.Sprintf("j.status IN (%d, %d, %d)", engine.StatusCompleted, engine.StatusFailed, engine.StatusCancelled)
	if p == engine.PhaseFail {
		return "j.phase = ? AND NOT (" + ended + " AND j.failed_phase > 0)", p
	}
	return fmt.Sprintf("(j.phase = ? OR j.phase = %d AND j.failed_phase = %d AND %s)", engine.PhaseFail, p, ended), p
}

// statusCondition finds jobs of a status by the small tables that hold them,
// because ds_jobs has no index on it.
func (s *Store) statusCondition(ctx context.Context, f engine.JobFilter, limit int) (string, []any, error) {
	switch f.Status {
	case engine.StatusRunning:
		held, err := s.claimed(ctx)
		return fmt.Sprintf("j.status = %d AND %s", engine.StatusWaiting, inClaims("j", held)), nil, err
	case engine.StatusWaiting:
		held, err := s.claimed(ctx) // few beside those that wait
		return fmt.Sprintf("j.status = %d AND NOT %s", engine.StatusWaiting, inClaims("j", held)), nil, err
	case engine.StatusOpen:
		return fmt.Sprintf("j.status = %d AND j.id IN (SELECT id FROM ds_open)", f.Status), nil, nil
	case engine.StatusFailed:
		return fmt.Sprintf("j.status = %d AND j.id IN (SELECT job FROM ds_failures)", f.Status), nil, nil
	}
	return fmt.Sprintf("j.status = %d", f.Status), nil, nil
}

// holder is who has a job in a claim, and since when.
type holder struct {
	epoch  engine.Epoch
	server string
	types  raw
	at     time.Time
	size   int
	stops  time.Time // when the server was told to stop; zero: it was not
}

// claimed is all jobs in claims.
func (s *Store) claimed(ctx context.Context) (map[engine.JobID]holder, error) {
	held := map[engine.JobID]holder{}
	err := s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var h holder
			var jobs string
			var name text
			var at, stops Time
			if err := r.Scan(&jobs, &at, &h.size, &name, &h.types, &stops); err != nil {
				return err
			}
			h.server, h.at, h.stops = string(name), at.Time, stops.Time
			list, err := parseRefs(jobs)
			for _, j := range list {
				if h.epoch = j.Epoch; h.epoch >= held[j.ID].epoch { // an older claim may name it still
					held[j.ID] = h
				}
			}
			return err
		}, "SELECT c.jobs, c.claimed_at, c.size, s.name, s.types, CASE WHEN s.dead = 0 THEN s.stopped_at END FROM ds_claims c LEFT JOIN ds_servers s ON s.id = c.server")
	})
	return held, err
}

// inClaims is the condition that a job, of a table with the alias, is held by a
// claim.
func inClaims(alias string, held map[engine.JobID]holder) string {
	byEpoch := map[engine.Epoch][]engine.JobID{}
	for id, h := range held {
		byEpoch[h.epoch] = append(byEpoch[h.epoch], id)
	}
	conds := []string{"1 = 0"}
	for epoch, ids := range byEpoch {
		slices.Sort(ids)
		for part := range slices.Chunk(ids, listMost) {
			conds = append(conds, fmt.Sprintf("%s.epoch = %d AND %s.id IN (%s)", alias, epoch, alias, idList(part)))
		}
	}
	return "(" + strings.Join(conds, " OR ") + ")"
}

func (s *Store) view(ctx context.Context, where string, args []any, end string) (jobs []*engine.Job, err error) {
	held, err := s.claimed(ctx)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, func(t *Tx) error {
		err := t.query(func(r *sql.Rows) error {
			j, err := scanView(r, held)
			jobs = append(jobs, j)
			return err
		}, "SELECT "+viewColumns+viewTables+" WHERE "+where+end, args...)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if err := t.completeView(j); err != nil {
				return err
			}
		}
		return nil
	})
	return jobs, err
}

func scanView(r *sql.Rows, held map[engine.JobID]holder) (*engine.Job, error) {
	j := &engine.Job{}
	var name, instance, key, server, note text
	var created, runAt, started, finished, scheduled Time
	var position, payload, result, stats, types raw
	var parent engine.JobID
	var done, total, maxAttempts, from, until sql.NullInt64
	var backfill sql.NullBool
	if err := r.Scan(&j.ID, &j.TypeID, &name, &maxAttempts, &j.Phase, &j.Status, &j.Priority, &j.Epoch, &j.Attempt, &j.Losses, &j.FailedPhase, &j.CancelAsked, &j.Items, &j.Redrive, &j.Windowed, &parent,
		&created, &runAt, &started, &finished, &scheduled, &instance, &key, &position,
		&payload, &result, &stats, &server, &types, &done, &total, &note, &from, &until, &backfill); err != nil {
		return nil, err
	}
	j.Type, j.MaxAttempts, j.CreatedAt = string(name), int(maxAttempts.Int64), created.Time
	j.RunAt, j.StartedAt, j.FinishedAt, j.ScheduledFor = runAt.ptr(), started.ptr(), finished.ptr(), scheduled.ptr()
	j.Instance, j.Key, j.Server = optional(instance), optional(key), optional(server)
	j.Payload, j.Result, j.Stats = engine.Raw(payload), engine.Raw(result), parseStats(stats)
	if position != nil {
		var p struct {
			User engine.Raw `json:"p"`
		}
		if err := json.Unmarshal(position, &p); err != nil {
			return nil, err
		}
		j.Position = p.User
	}
	if parent != 0 {
		j.Parent = &parent
	}
	if j.Status.Final() && j.Phase == engine.PhaseFail && j.FailedPhase != 0 {
		j.Phase = j.FailedPhase // where it failed matters, not that its fail hook ran after that
	}
	j.Window = toWindow(from, until, backfill)
	if done.Valid {
		j.Progress = &engine.Progress{Done: done.Int64, Note: string(note)}
		if total.Valid {
			j.Progress.Total = &total.Int64
		}
	}
	if h, ok := held[j.ID]; ok && h.epoch == j.Epoch && j.Status == engine.StatusWaiting {
		j.Status, types = engine.StatusRunning, h.types
		if j.Phase != engine.PhaseFail { // whose attempt is the one that failed
			j.Attempt++
		}
		j.RunAt = nil
		at := h.at
		j.StartedAt = &at
		if h.server != "" {
			j.Server = &h.server
		}
		if !h.stops.IsZero() {
			j.ServerStops = &h.stops
		}
	}
	if j.Status == engine.StatusWaiting {
		j.StartedAt, j.Server = nil, nil
	}
	if types != nil {
		var works map[string]engine.Works
		if json.Unmarshal(types, &works) == nil && works[j.Type].Version != "" {
			v := works[j.Type].Version
			j.Version = &v
		}
	}
	return j, nil
}

func optional(s text) *string {
	if s == "" {
		return nil
	}
	v := string(s)
	return &v
}

// completeView adds what other tables know of a job: its items, why it failed,
// what it waits for.
func (t *Tx) completeView(j *engine.Job) error {
	if j.Items > 0 {
		if err := t.viewChildren(j); err != nil {
			return err
		}
	}
	if j.Status == engine.StatusFailed || !j.Status.Final() && (j.Attempt > 0 || j.Phase == engine.PhaseFail) {
		if err := t.viewError(j); err != nil {
			return err
		}
	}
	if j.Redrive != 0 {
		if err := t.viewRedrives(j); err != nil {
			return err
		}
	}
	return t.viewWaitingFor(j)
}

// viewRedrives says which rejects the job redrives, at most some thousands.
func (t *Tx) viewRedrives(j *engine.Job) error {
	r := &engine.Redrives{WholeItem: j.Redrive == engine.RedriveItem}
	_, err := t.row([]any{&r.Rejects, &r.First, &r.Last}, "SELECT COUNT(*), COALESCE(MIN(id), 0), COALESCE(MAX(id), 0) FROM ds_rejects WHERE redrive = ?", j.ID)
	j.Redrives = r
	return err
}

func (t *Tx) viewChildren(j *engine.Job) error {
	c := &engine.Children{}
	if _, err := t.row([]any{&c.Completed, &c.Failed, &c.Cancelled}, "SELECT completed, failed, cancelled FROM ds_parents WHERE id = ?", j.ID); err != nil {
		return err
	}
	var done, failed, cancelled int64 // reported, not folded yet
	if _, err := t.row([]any{&done, &failed, &cancelled}, "SELECT COALESCE(SUM(completed), 0), COALESCE(SUM(failed), 0), COALESCE(SUM(cancelled), 0) FROM ds_deltas WHERE parent = ?", j.ID); err != nil {
		return err
	}
	c.Completed, c.Failed, c.Cancelled = c.Completed+done, c.Failed+failed, c.Cancelled+cancelled
	c.Waiting = max(0, j.Items-c.Completed-c.Failed-c.Cancelled)
	if c.Waiting > 0 {
		held, err := t.s.claimed(t.ctx)
		if err != nil {
			return err
		}
		if _, err := t.row([]any{&c.Running}, fmt.Sprintf("SELECT COUNT(*) FROM ds_jobs j WHERE j.parent = %d AND j.status = %d AND %s", j.ID, engine.StatusWaiting, inClaims("j", held))); err != nil {
			return err
		}
		c.Waiting = max(0, c.Waiting-c.Running)
	}
	j.Children = c
	return nil
}

func (t *Tx) viewError(j *engine.Job) error {
	var b raw
	found, err := t.row([]any{&b}, "SELECT failure FROM ds_failures WHERE type = ? AND job = ?", j.TypeID, j.ID)
	if err != nil {
		return err
	}
	if !found {
		if _, err := t.row([]any{&b}, lastFailureSQL, j.ID, engine.PhaseFail); err != nil {
			return err
		}
	}
	f, err := parseFailure(b)
	if f != nil {
		j.Error = &engine.JobError{Message: f.Message, Kind: f.Kind, Code: f.Code, Backtrace: f.Backtrace, Phase: f.Phase}
	}
	return err
}

func parseFailure(b raw) (f *engine.Failure, err error) {
	if b != nil {
		err = json.Unmarshal(b, &f)
	}
	return f, err
}

// backlogParts is how many counts are in one statement at most.
const backlogParts = 200

// Backlog counts what waits by queue, each count up to limit. Index: primary key, from
// the bounds on where the queues are given: a dive for each queue, all in one statement.
func (s *Store) Backlog(ctx context.Context, queues []engine.Queue, limit int) (map[engine.Queue]int, error) {
	counts := map[engine.Queue]int{}
	bounded := queues != nil
	err := s.read(ctx, func(t *Tx) error {
		if queues == nil {
			if err := t.query(func(r *sql.Rows) error {
				var q engine.Queue
				err := r.Scan(&q)
				queues = append(queues, q)
				return err
			}, "SELECT DISTINCT queue FROM ds_ready"); err != nil {
				return err
			}
		}
		var parts []string
		for _, q := range queues {
			conds := []string{allIDs}
			if bounded {
				conds = s.scanConditions(s.bounds.get(q, s.Clock.Boot()).at)
			}
			for _, cond := range conds {
				parts = append(parts, fmt.Sprintf("SELECT %d AS queue, COUNT(*) FROM (SELECT 1 FROM ds_ready WHERE queue = %d AND %s LIMIT %d) x", q, q, cond, limit))
			}
		}
		for some := range slices.Chunk(parts, backlogParts) {
			err := t.query(func(r *sql.Rows) error {
				var q engine.Queue
				var n int
				if err := r.Scan(&q, &n); err != nil || n == 0 {
					return err
				}
				counts[q] = min(counts[q]+n, limit)
				return nil
			}, strings.Join(some, " UNION ALL "))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return counts, err
}
