package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// readyRow is a row of ds_ready.
type readyRow struct {
	priority int
	ref      engine.JobRef
	alone    bool
}

// Claim takes jobs of one queue: it locks the first ready rows that nobody else
// has locked, deletes them by key, and inserts a row for the claim; then, in no
// transaction, it reads the jobs.
//
// Locks: ready rows (never waiting where rows can be skipped); a claim only
// inserts a fresh row and so never waits for another.
func (s *Store) Claim(ctx context.Context, r engine.ClaimRequest) ([]engine.Claim, error) {
	rows, claims, err := s.take(ctx, r)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	prio := make(map[engine.JobID]int, len(rows))
	for _, row := range rows {
		prio[row.ref.ID] = row.priority
	}
	for i := range claims {
		jobs, err := s.readClaimed(ctx, r.Queue, claims[i].ID, refsOf(claims[i].Jobs), prio)
		if err != nil {
			return nil, err // the claim is a stranger now, and will be given back
		}
		claims[i].Jobs = jobs
	}
	return claims, nil
}

func refsOf(jobs []engine.ClaimedJob) []engine.JobRef {
	rs := make([]engine.JobRef, len(jobs))
	for i := range jobs {
		rs[i] = jobs[i].JobRef
	}
	return rs
}

// take is the claim's transaction. It scans from the bounds first, and all of
// the queue if that came back short and the last full scan is long enough ago.
func (s *Store) take(ctx context.Context, r engine.ClaimRequest) (rows []readyRow, claims []engine.Claim, err error) {
	v := s.bounds.get(r.Queue, s.Clock.Boot())
	full := len(v.at) == 0
	for {
		began := s.Clock.Boot()
		err = s.write(ctx, "claim jobs", func(t *Tx) (err error) {
			rows, claims = nil, nil
			from := v.at
			if full {
				from = nil
			}
			if rows, err = t.selectReady(r, from); err != nil || len(rows) == 0 {
				return err
			}
			claims = divide(rows, r)
			if len(claims) == 0 {
				rows = nil
				return nil
			}
			if rows, err = t.deleteReady(r.Queue, rows[:taken(claims)]); err != nil {
				return err
			}
			return t.insertClaims(r, claims)
		}, func(t *Tx) (bool, error) {
			if len(claims) == 0 {
				return true, nil
			}
			var one int
			return t.row([]any{&one}, "SELECT 1 FROM ds_claims WHERE id = ?"+s.D.Lock(), claims[0].ID[:])
		})
		if err != nil {
			return nil, nil, err
		}
		if now := s.Clock.Boot(); full {
			s.bounds.scanned(r.Queue, now, now-began, len(rows) == 0)
		}
		s.bounds.raise(r.Queue, v, rows)
		if len(rows) > 0 || full || !v.full {
			return rows, claims, nil
		}
		full = true
	}
}

// selectReady reads and locks the head of the queue: at most r.Max rows in the
// order of priority and id, from the bounds.
func (t *Tx) selectReady(r engine.ClaimRequest, at map[int]engine.JobID) (rows []readyRow, err error) {
	q := fmt.Sprintf("SELECT priority, id, epoch, alone FROM ds_ready WHERE queue = %d%s ORDER BY priority, id LIMIT %d%s",
		r.Queue, boundCondition(at), max(r.Max, 1), t.s.D.Skip())
	err = t.query(func(row *sql.Rows) error {
		var x readyRow
		if err := row.Scan(&x.priority, &x.ref.ID, &x.ref.Epoch, &x.alone); err != nil {
			return err
		}
		rows = append(rows, x)
		return nil
	}, q)
	return rows, err
}

// boundCondition is " AND (...)" for a scan that begins at the bounds: ranges
// of the primary key in its order, priorities without a bound included.
func boundCondition(at map[int]engine.JobID) string {
	if len(at) == 0 {
		return ""
	}
	ps := make([]int, 0, len(at))
	for p := range at {
		ps = append(ps, p)
	}
	slices.Sort(ps)
	var b strings.Builder
	b.WriteString(" AND (")
	low := "" // lower end of the gap before p
	for _, p := range ps {
		if low == "" {
			fmt.Fprintf(&b, "priority < %d", p)
		} else {
			fmt.Fprintf(&b, " OR (priority > %s AND priority < %d)", low, p)
		}
		fmt.Fprintf(&b, " OR (priority = %d AND id >= %d)", p, at[p])
		low = fmt.Sprint(p)
	}
	fmt.Fprintf(&b, " OR priority > %s)", low)
	return b.String()
}

// divide makes claims of the rows: one of the first rows up to one that must
// be claimed alone; or, if the first row must, a claim each for as many as there
// are slots for.
func divide(rows []readyRow, r engine.ClaimRequest) []engine.Claim {
	n := 0
	for n < len(rows) && !rows[n].alone {
		n++
	}
	if n > 0 {
		c := engine.Claim{ID: r.NewID(), Jobs: make([]engine.ClaimedJob, n)}
		for i := range c.Jobs {
			c.Jobs[i].JobRef = rows[i].ref
		}
		return []engine.Claim{c}
	}
	var cs []engine.Claim
	for i := 0; i < len(rows) && i < r.Alone && rows[i].alone; i++ {
		cs = append(cs, engine.Claim{ID: r.NewID(), Jobs: []engine.ClaimedJob{{JobRef: rows[i].ref}}})
	}
	return cs
}

func taken(claims []engine.Claim) (n int) {
	for i := range claims {
		n += len(claims[i].Jobs)
	}
	return n
}

// deleteReady deletes the rows by key. If it finds fewer than were selected,
// somebody else has them and the transaction is run again: this is what makes
// a claim safe where SELECT locks nothing.
func (t *Tx) deleteReady(queue engine.Queue, rows []readyRow) ([]readyRow, error) {
	keys := make([]byte, 0, 14*len(rows))
	for i := range rows {
		if i > 0 {
			keys = append(keys, ',')
		}
		keys = append(keys, '[')
		keys = append(appendInts(keys, int64(rows[i].priority), int64(rows[i].ref.ID)), ']')
	}
	q := t.s.D.DeleteIn("ds_ready", "r.queue = "+fmt.Sprint(uint32(queue)), KeyColumn{"priority", KeyInt}, KeyColumn{"id", KeyInt})
	n, err := t.exec(q, "["+string(keys)+"]")
	if err != nil {
		return nil, err
	}
	if int(n) != len(rows) {
		return nil, engine.Errorf(engine.CodeRetry, "%d of %d jobs were claimed by others meanwhile", len(rows)-int(n), len(rows))
	}
	return rows, nil
}

func (t *Tx) insertClaims(r engine.ClaimRequest, claims []engine.Claim) error {
	q := []byte("INSERT INTO ds_claims (id, server, size, claimed_at, jobs) VALUES ")
	var args []any
	for i := range claims {
		if i > 0 {
			q = append(q, ',')
		}
		q = append(q, "(?,"...)
		q = append(appendInts(q, int64(r.Server), int64(len(claims[i].Jobs))), ',')
		q = append(append(q, t.s.D.Now()...), ",?)"...)
		args = append(args, claims[i].ID[:], refs(refsOf(claims[i].Jobs)))
	}
	_, err := t.exec(string(q), args...)
	return err
}

const claimedColumns = `j.id, j.epoch, j.attempts, j.losses, j.failed_phase, j.verdict, j.parent, j.items, j.checkpoints,
 j.instance, j.job_key, j.scheduled_for, j.position, p.payload, p.item`

// readClaimed reads the jobs of a claim, in its order. One whose epoch is not
// the claim's any more is left out.
func (s *Store) readClaimed(ctx context.Context, queue engine.Queue, claim engine.ClaimID, want []engine.JobRef, prio map[engine.JobID]int) ([]engine.ClaimedJob, error) {
	place := make(map[engine.JobID]int, len(want))
	ids := make([]engine.JobID, len(want))
	for i, w := range want {
		place[w.ID], ids[i] = i, w.ID
	}
	jobs := make([]engine.ClaimedJob, len(want))
	err := s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var j engine.ClaimedJob
			if err := scanClaimed(r, &j); err != nil {
				return err
			}
			i := place[j.ID]
			if j.Epoch != want[i].Epoch {
				return nil
			}
			j.Claim, j.Type, j.Phase, j.Priority = claim, queue.Type(), queue.Phase(), prio[j.ID]
			jobs[i] = j
			return nil
		}, "SELECT "+claimedColumns+" FROM ds_jobs j LEFT JOIN ds_payloads p ON p.id = j.id WHERE j.id IN ("+idList(ids)+")")
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(jobs, func(j engine.ClaimedJob) bool { return j.ID == 0 }), nil
}

func scanClaimed(r *sql.Rows, j *engine.ClaimedJob) error {
	var instance, key text
	var at Time
	var position, payload, item raw
	if err := r.Scan(&j.ID, &j.Epoch, &j.Attempts, &j.Losses, &j.FailedPhase, &j.Verdict, &j.Parent, &j.Emitted, &j.Checkpoints,
		&instance, &key, &at, &position, &payload, &item); err != nil {
		return err
	}
	j.Instance, j.Key, j.ScheduledFor = string(instance), string(key), at.Time
	j.Position, j.Payload, j.Item = engine.Raw(position), engine.Raw(payload), engine.Raw(item)
	return nil
}

// Ready says which of the queues have something to claim: one dive into the
// index for each, in one statement. Queues that need bounds get a full scan of
// their own when one is due.
func (s *Store) Ready(ctx context.Context, queues []engine.Queue) (ready []engine.Queue, err error) {
	const dive = "SELECT %d AS queue FROM (SELECT 1 FROM ds_ready WHERE queue = %d%s LIMIT 1) x"
	var parts []string
	ask := func(q string) error {
		return s.read(ctx, func(t *Tx) error {
			return t.query(func(r *sql.Rows) error {
				var q engine.Queue
				if err := r.Scan(&q); err != nil {
					return err
				}
				ready = append(ready, q)
				return nil
			}, q)
		})
	}
	for i, q := range queues {
		v := s.bounds.get(q, s.Clock.Boot())
		if len(v.at) > 0 && v.full {
			began, before := s.Clock.Boot(), len(ready)
			if err := ask(fmt.Sprintf(dive, q, q, "")); err != nil {
				return nil, err
			}
			now := s.Clock.Boot()
			s.bounds.scanned(q, now, now-began, len(ready) == before)
			continue
		}
		parts = append(parts, fmt.Sprintf(dive, q, q, boundCondition(v.at)))
		if len(parts) == 200 || i == len(queues)-1 {
			if err := ask(strings.Join(parts, " UNION ALL ")); err != nil {
				return nil, err
			}
			parts = nil
		}
	}
	if len(parts) > 0 {
		err = ask(strings.Join(parts, " UNION ALL "))
	}
	return ready, err
}

// Refresh reads a claimed job again: its position, checkpoints and counts.
func (s *Store) Refresh(ctx context.Context, j *engine.ClaimedJob) (bool, error) {
	found, err := s.readClaimed(ctx, engine.QueueOf(j.Type, j.Phase), j.Claim, []engine.JobRef{j.JobRef}, map[engine.JobID]int{j.ID: j.Priority})
	if err != nil || len(found) == 0 {
		return false, err
	}
	*j = found[0]
	return true, nil
}
