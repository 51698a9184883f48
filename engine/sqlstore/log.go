package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// AppendLogs writes lines.
func (s *Store) AppendLogs(ctx context.Context, lines []engine.LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	return s.write(ctx, "write the log", func(t *Tx) error {
		q := []byte("INSERT INTO ds_logs (job, type, phase, attempt, at, level, message, fields) VALUES ")
		var args []any
		for i, l := range lines {
			if i > 0 {
				q = append(q, ',')
			}
			q = append(q, '(')
			q = append(appendInts(q, int64(l.Job), int64(l.Type), int64(l.Phase), int64(l.Attempt)), ",?,?,?,?)"...)
			args = append(args, stamp(l.At), l.Level, l.Message, nullRaw(l.Fields))
		}
		_, err := t.exec(string(q), args...)
		return err
	}, nil)
}

// Logs lists lines of a job or of a type.
func (s *Store) Logs(ctx context.Context, job engine.JobID, typ engine.TypeID, after int64, last bool, limit int) (lines []engine.LogLine, err error) {
	where, order := "id > ?", "id"
	args := []any{after}
	if job != 0 {
		where += " AND job = ?"
		args = append(args, job)
	}
	if typ != 0 {
		where += " AND type = ?"
		args = append(args, typ)
	}
	if last {
		order = "id DESC"
	}
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var l engine.LogLine
			var at Time
			var fields raw
			if err := r.Scan(&l.ID, &l.Job, &l.Type, &l.Phase, &l.Attempt, &at, &l.Level, &l.Message, &fields); err != nil {
				return err
			}
			l.At, l.Fields = at.Time, engine.Raw(fields)
			lines = append(lines, l)
			return nil
		}, "SELECT id, job, type, phase, attempt, at, level, message, fields FROM ds_logs WHERE "+where+" ORDER BY "+order+" LIMIT ?", append(args, limit)...)
	})
	if last {
		slices.Reverse(lines)
	}
	return lines, err
}

// Attempts lists the attempts of a job that left a row, oldest first.
func (s *Store) Attempts(ctx context.Context, job engine.JobID) (list []engine.Attempt, err error) {
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			a := engine.Attempt{Job: job}
			var server text
			var started, finished Time
			var failure raw
			if err := r.Scan(&a.Phase, &a.Attempt, &server, &started, &finished, &failure); err != nil {
				return err
			}
			a.Server, a.StartedAt, a.FinishedAt = string(server), started.Time, finished.Time
			if failure != nil {
				if err := json.Unmarshal(failure, &a.Failure); err != nil {
					return err
				}
			}
			list = append(list, a)
			return nil
		}, "SELECT a.phase, a.attempt, s.name, a.started_at, a.finished_at, a.failure FROM ds_attempts a LEFT JOIN ds_servers s ON s.id = a.server WHERE a.job = ? ORDER BY a.id", job)
	})
	return list, err
}

// LastFailure is how the job's last attempt failed.
func (s *Store) LastFailure(ctx context.Context, id engine.JobID) (f *engine.Failure, err error) {
	err = s.read(ctx, func(t *Tx) error {
		f, err = t.lastFailure(id)
		return err
	})
	return f, err
}

// lastFailureSQL finds how a job's last attempt failed, but for those of its
// fail hook.
const lastFailureSQL = "SELECT failure FROM ds_attempts WHERE job = ? AND failure IS NOT NULL AND phase <> ? ORDER BY id DESC LIMIT 1"

func (t *Tx) lastFailure(id engine.JobID) (*engine.Failure, error) {
	var b raw
	if _, err := t.row([]any{&b}, lastFailureSQL, id, engine.PhaseFail); err != nil {
		return nil, err
	}
	f := &engine.Failure{Kind: engine.KindError, Message: "how it failed is not known any more", Retryable: true, Attempt: 1, Phase: engine.PhaseConsume}
	if b != nil {
		if err := json.Unmarshal(b, f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// SaveProgress keeps how far running hooks are.
func (s *Store) SaveProgress(ctx context.Context, p map[engine.JobID]engine.Progress) error {
	if len(p) == 0 {
		return nil
	}
	ids := make([]engine.JobID, 0, len(p))
	for id := range p {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return s.write(ctx, "write progress", func(t *Tx) error {
		for _, id := range ids {
			x := p[id]
			if _, err := t.exec("INSERT INTO ds_progress (job, done, total, note) VALUES (?, ?, ?, ?)"+
				s.D.Upsert("job", "done = VALUES(done), total = VALUES(total), note = VALUES(note)"), id, x.Done, x.Total, x.Note); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}
