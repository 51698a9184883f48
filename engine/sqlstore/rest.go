package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// Pending says whether any job of the queues waits, is delayed or claimed.
func (s *Store) Pending(ctx context.Context, queues []engine.Queue) (pending bool, err error) {
	if len(queues) == 0 {
		return false, nil
	}
	conds := []string{"EXISTS (SELECT 1 FROM ds_delayed WHERE queue IN (" + idList(queues) + "))"}
	for _, q := range queues {
		conds = append(conds, fmt.Sprintf("EXISTS (SELECT 1 FROM ds_ready WHERE queue = %d AND id > 0)", q))
	}
	// One statement, so that it sees one moment: a job that moves from table to
	// table is in one of them.
	look := "SELECT " + strings.Join(conds, " OR ") + ", NULL UNION ALL SELECT 0, jobs FROM ds_claims"
	err = s.read(ctx, func(t *Tx) error {
		var held []engine.JobID
		err := t.query(func(r *sql.Rows) error {
			var found bool
			var jobs sql.NullString
			if err := r.Scan(&found, &jobs); err != nil || !jobs.Valid {
				pending = pending || found
				return err
			}
			list, err := parseRefs(jobs.String)
			for _, j := range list {
				held = append(held, j.ID)
			}
			return err
		}, look)
		if err != nil || pending || len(held) == 0 {
			return err
		}
		// What a claim names and has gone on since then is not done with either.
		for part := range slices.Chunk(held, listMost) {
			err := t.query(func(r *sql.Rows) error {
				var typ engine.TypeID
				var phase engine.Phase
				var status engine.Status
				var windowed engine.Windowed
				if err := r.Scan(&typ, &phase, &status, &windowed); err != nil {
					return err
				}
				pending = pending || status == engine.StatusWaiting && slices.Contains(queues, engine.QueueOf(typ, phase).For(windowed))
				return nil
			}, "SELECT type, phase, status, windowed FROM ds_jobs"+s.D.ByKey()+" WHERE id IN ("+idList(part)+")")
			if err != nil || pending {
				return err
			}
		}
		return nil
	})
	return pending, err
}

// Delayed counts what is due later by queue. Index: primary key, from its beginning.
func (s *Store) Delayed(ctx context.Context, limit int) (map[engine.Queue]engine.Delayed, error) {
	counts := map[engine.Queue]engine.Delayed{}
	err := s.read(ctx, func(t *Tx) error {
		err := t.query(func(r *sql.Rows) error {
			var q engine.Queue
			var d engine.Delayed
			var next Time
			err := r.Scan(&q, &d.Jobs, &next)
			d.Next = next.Time
			counts[q] = d
			return err
		}, fmt.Sprintf("SELECT queue, COUNT(*), MIN(due) FROM (SELECT queue, due FROM ds_delayed ORDER BY due, id LIMIT %d) x GROUP BY queue", limit))
		if err != nil {
			return err
		}
		for q, d := range counts {
			if _, err := t.row([]any{&d.First}, "SELECT COALESCE(MIN(id), 0) FROM ds_delayed WHERE due = ? AND queue = ?", stamp(d.Next), q); err != nil {
				return err
			}
			counts[q] = d
		}
		return nil
	})
	return counts, err
}

// Open lists open jobs of types. Index: the primary key, a range for each type.
func (s *Store) Open(ctx context.Context, types []engine.TypeID, after engine.JobID, limit int) (ids []engine.JobID, err error) {
	if len(types) == 0 {
		return nil, nil
	}
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var id engine.JobID
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, fmt.Sprintf("SELECT id FROM ds_open WHERE type IN (%s) AND id > %d ORDER BY id LIMIT %d", idList(types), after, limit))
	})
	return ids, err
}

// restLimit bounds how many open jobs Rest looks into.
const restLimit = 1000

// walkedLimit bounds how many it notes; what it does not note is looked into again.
const walkedLimit = 100_000

// Rest counts by queue what a job waits for: the job itself, or the items of it
// and of those of them that are open. It reads the items' rows, by ranges of
// their primary key. An emitter of which no item is left to wait for is about to move
// on, and then nobody knows yet what is waited for. In walked, unless it is nil, it
// notes the open jobs that it has looked into.
func (s *Store) Rest(ctx context.Context, id engine.JobID, walked map[engine.JobID]bool) (rest map[engine.Queue]engine.Rest, err error) {
	held, err := s.claimed(ctx)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, func(t *Tx) error {
		rest = map[engine.Queue]engine.Rest{}
		add := func(q engine.Queue, jobs, running int64) {
			x := rest[q]
			rest[q] = engine.Rest{Waiting: x.Waiting + jobs - running, Running: x.Running + running}
		}
		j, err := t.lockJob(id, "")
		if err != nil {
			return err
		}
		if j.status == engine.StatusWaiting {
			running := int64(0)
			if h, ok := held[id]; ok && h.epoch == j.Epoch {
				running = 1
			}
			add(j.Queue(j.Phase), 1, running)
		}
		if j.status != engine.StatusOpen {
			return nil
		}
		items := func(parent engine.JobID, columns, where string, scan func(*sql.Rows) error) error {
			return t.query(scan, fmt.Sprintf("SELECT %s FROM ds_emissions e JOIN ds_jobs j ON j.id BETWEEN e.first_id AND e.last_id WHERE e.parent = %d AND j.parent = %d AND %s", columns, parent, parent, where))
		}
		for open := []engine.JobID{id}; len(open) > 0; {
			parent, some := open[0], false
			open = open[1:]
			err := items(parent, "j.type, j.phase, j.windowed, COUNT(*), COALESCE(SUM(CASE WHEN "+inClaims("j", held)+" THEN 1 ELSE 0 END), 0)",
				fmt.Sprintf("j.status = %d GROUP BY j.type, j.phase, j.windowed", engine.StatusWaiting), func(r *sql.Rows) error {
					var typ engine.TypeID
					var phase engine.Phase
					var windowed engine.Windowed
					var jobs, running int64
					err := r.Scan(&typ, &phase, &windowed, &jobs, &running)
					some = true
					add(engine.QueueOf(typ, phase).For(windowed), jobs, running)
					return err
				})
			if err != nil {
				return err
			}
			if err := items(parent, "j.id", fmt.Sprintf("j.status = %d ORDER BY j.id LIMIT %d", engine.StatusOpen, restLimit+1), func(r *sql.Rows) error {
				var item engine.JobID
				err := r.Scan(&item)
				some = true
				open = append(open, item)
				return err
			}); err != nil {
				return err
			}
			if !some || len(open) > restLimit {
				rest = map[engine.Queue]engine.Rest{}
				return nil
			}
			if walked != nil && len(walked) < walkedLimit {
				walked[parent] = true
			}
		}
		return nil
	})
	return rest, err
}
