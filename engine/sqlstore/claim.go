package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// readyRow is a row of ds_ready.
type readyRow struct {
	priority int
	ref      engine.JobRef
	alone    bool
}

// Load reads the jobs of a claim, in its order. One whose epoch is not the
// claim's any more is left out.
func (s *Store) Load(ctx context.Context, q engine.Queue, c *engine.Claim) error {
	place := make(map[engine.JobID]int32, len(c.Jobs))
	ids := make([]engine.JobID, len(c.Jobs))
	for i := range c.Jobs {
		place[c.Jobs[i].ID], ids[i] = int32(i), c.Jobs[i].ID
	}
	found := make([]bool, len(c.Jobs))
	row := newClaimedRow()
	err := s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			j, err := row.scan(r)
			if err != nil {
				return err
			}
			i := place[j.ID]
			if was := &c.Jobs[i]; j.Epoch == was.Epoch {
				j.Claim, j.Type, j.Phase, j.Priority = c.ID, q.Type(), q.Phase(), was.Priority
				*was, found[i] = *j, true
			}
			return nil
		}, "SELECT "+claimedColumns+" FROM ds_jobs j LEFT JOIN ds_payloads p ON p.id = j.id WHERE "+inRuns("j.id", ids))
	})
	if err != nil {
		return err
	}
	kept := c.Jobs[:0]
	for i := range c.Jobs {
		if found[i] {
			kept = append(kept, c.Jobs[i])
		}
	}
	c.Jobs = kept
	return nil
}

// Peek shows a job as a claim of it would hand it over.
func (s *Store) Peek(ctx context.Context, id engine.JobID) (j *engine.ClaimedJob, err error) {
	row := newClaimedRow()
	dest := append(slices.Clone(row.dest), &row.job.Type, &row.job.Phase, &row.job.Priority)
	err = s.read(ctx, func(t *Tx) error {
		j = nil
		return t.query(func(r *sql.Rows) error {
			if err := r.Scan(dest...); err != nil {
				return err
			}
			c := *row.filled()
			for _, raw := range []*engine.Raw{&c.Position, &c.Payload, &c.Item} {
				*raw = slices.Clone(*raw)
			}
			j = &c
			return nil
		}, "SELECT "+claimedColumns+", j.type, j.phase, j.priority FROM ds_jobs j LEFT JOIN ds_payloads p ON p.id = j.id WHERE j.id = ?", id)
	})
	if err == nil && j == nil {
		err = engine.Errorf(engine.CodeNotFound, "there is no job %d", id)
	}
	return j, err
}

func refsOf(jobs []engine.ClaimedJob) []engine.JobRef {
	rs := make([]engine.JobRef, len(jobs))
	for i := range jobs {
		rs[i] = jobs[i].JobRef
	}
	return rs
}

// Claim takes jobs of one queue: it locks the first ready rows that nobody else
// has locked, deletes them by key, and inserts a row for the claim. It scans all
// of the queue where that is cheap, or when the last time is long enough ago,
// and else from the bounds.
//
// Locks: ready rows (never waiting where rows can be skipped; else not for long, and
// then it takes others); a claim only inserts a fresh row and so never waits for another.
func (s *Store) Claim(ctx context.Context, r engine.ClaimRequest) (claims []engine.Claim, err error) {
	var rows []readyRow
	v := s.bounds.get(r.Queue, s.Clock.Boot())
	conds := []string{allIDs}
	if !v.full {
		conds = s.scanConditions(v.at)
	}
	full := conds[0] == allIDs
	var took time.Duration
	again := false                  // it had to try again
	rivals, skipped := false, false // others took what was read; so some was left out
	_, wasAlone := s.alone.Load(r.Queue)
	isAlone := wasAlone
	db := s.DB
	if s.D.Claimable() == "" {
		db = s.brisk()
	}
	err = s.writeOn(ctx, db, "claim jobs", func(t *Tx) (err error) {
		claims = nil
		began := s.Clock.Boot()
		limit := max(r.Max, 1)
		if wasAlone { // no more is locked than can be taken, or other servers would find nothing
			limit = min(limit, max(r.Alone, 1))
		}
		rows, skipped, err = t.selectReady(r, conds, rivals || s.heldReady.crowded(began), limit)
		rivals = false
		took = s.Clock.Boot() - began
		if err != nil || len(rows) == 0 {
			return err
		}
		claims, isAlone = divide(rows, r), rows[0].alone
		if rows = rows[:taken(claims)]; len(rows) == 0 {
			return nil
		}
		if rivals, err = t.deleteReady(r.Queue, rows); err != nil {
			if again && s.D.Locked(err) { // it is not over soon
				s.heldReady.met(s.Clock.Boot())
			}
			again = true
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
		return nil, err // also where it is not known whether it took them: nobody is to count on them
	}
	if isAlone != wasAlone {
		if isAlone {
			s.alone.Store(r.Queue, true)
		} else {
			s.alone.Delete(r.Queue)
		}
	}
	if s.D.Bounds() == BoundsNone {
		return claims, nil
	}
	if full {
		s.bounds.scanned(r.Queue, s.Clock.Boot(), took, len(rows) == 0)
	}
	if !skipped {
		s.milestones(ctx, r.Queue, s.bounds.raise(r.Queue, v, rows))
	}
	return claims, nil
}

// milestones puts a living row behind priorities that were seen for the first time,
// where scans need one to stop at. It is no harm if it fails.
func (s *Store) milestones(ctx context.Context, q engine.Queue, priorities []int) {
	if s.D.Bounds() != BoundsEach {
		return
	}
	for _, p := range priorities {
		err := s.write(ctx, "mark a priority", func(t *Tx) error {
			_, err := t.exec("INSERT INTO ds_ready (queue, priority, id, epoch) VALUES (?, ?, 0, 0)"+s.D.Upsert("queue, priority, id", "epoch = 0"), q, p+1)
			return err
		}, nil)
		if err != nil {
			s.Log.Debug("mark a priority", "queue", q, "priority", p, "error", err)
		}
	}
}

// selectReady reads and locks the head of the queue: at most limit rows in the
// order of priority and id, by each of the conditions in turn.
//
// Where candidates are not locked, rivals read the same ones, and all but one
// of them try again, as does who has met one that somebody holds: then from somewhere
// further on, if anything is there.
func (t *Tx) selectReady(r engine.ClaimRequest, conds []string, rivals bool, limit int) (rows []readyRow, skipped bool, err error) {
	if rivals && t.s.D.Claimable() == "" {
		for offset := rand.IntN(4 * limit); offset > 0; offset /= 2 {
			if rows, err = t.readReady(r, conds, offset, limit); err != nil || len(rows) > 0 {
				return rows, true, err
			}
		}
	}
	rows, err = t.readReady(r, conds, 0, limit)
	return rows, false, err
}

// readReady leaves out the first rows of each condition.
func (t *Tx) readReady(r engine.ClaimRequest, conds []string, offset, limit int) (rows []readyRow, err error) {
	var x readyRow
	dest := []any{into(&x.priority), into(&x.ref.ID), into(&x.ref.Epoch), &x.alone}
	for _, cond := range conds {
		q := fmt.Sprintf("SELECT priority, id, epoch, alone FROM ds_ready WHERE queue = %d AND %s ORDER BY priority, id LIMIT %d OFFSET %d%s",
			r.Queue, cond, limit-len(rows), offset, t.s.D.Claimable())
		err = t.query(func(row *sql.Rows) error {
			if err := row.Scan(dest...); err != nil {
				return err
			}
			rows = append(rows, x)
			return nil
		}, q)
		if err != nil || len(rows) >= limit {
			break
		}
	}
	return rows, err
}

// allIDs leaves out the milestones only.
const allIDs = "id > 0"

// scanConditions are the conditions of scans that begin at the bounds.
func (s *Store) scanConditions(at map[int]engine.JobID) []string {
	from, beside := boundConditions(at)
	switch {
	case len(at) == 0:
		return []string{allIDs}
	case s.D.Bounds() == BoundsRanges:
		return []string{"(" + strings.Join(append(from, beside...), " OR ") + ")"}
	}
	return from
}

// boundConditions are a condition for each priority that has a bound, and those of all
// that are beside them.
func boundConditions(at map[int]engine.JobID) (from, beside []string) {
	ps := slices.Sorted(maps.Keys(at))
	for i, p := range ps {
		if i == 0 {
			beside = append(beside, fmt.Sprintf("priority < %d", p))
		} else {
			beside = append(beside, fmt.Sprintf("(priority > %d AND priority < %d)", ps[i-1], p))
		}
		from = append(from, fmt.Sprintf("(priority = %d AND id >= %d)", p, max(at[p], 1)))
	}
	if len(ps) > 0 {
		beside = append(beside, fmt.Sprintf("priority > %d", ps[len(ps)-1]))
	}
	return from, beside
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
			c.Jobs[i].JobRef, c.Jobs[i].Priority = rows[i].ref, rows[i].priority
		}
		return []engine.Claim{c}
	}
	var cs []engine.Claim
	for i := 0; i < len(rows) && i < r.Alone && rows[i].alone; i++ {
		cs = append(cs, engine.Claim{ID: r.NewID(), Jobs: []engine.ClaimedJob{{JobRef: rows[i].ref, Priority: rows[i].priority}}})
	}
	return cs
}

func taken(claims []engine.Claim) (n int) {
	for i := range claims {
		n += len(claims[i].Jobs)
	}
	return n
}

// deleteReady deletes the rows by key, where they are those that were read. If
// it finds fewer, somebody else has them and the transaction is run again: this is
// what makes a claim safe where SELECT locks nothing. The epoch is part of it: a row
// that another claimed and gave back meanwhile has the same key, but is of the job's
// next epoch, and whoever deleted it for the old one would lose the job for ever.
func (t *Tx) deleteReady(queue engine.Queue, rows []readyRow) (rivals bool, err error) {
	// Most claims are of one priority and epoch; then only the ids are sent.
	where := fmt.Sprintf("r.queue = %d", queue)
	var cols []KeyColumn
	priorities := rows[0].priority != rows[len(rows)-1].priority
	if priorities {
		cols = append(cols, KeyColumn{"priority", KeyInt})
	} else {
		where += fmt.Sprintf(" AND r.priority = %d", rows[0].priority)
	}
	cols = append(cols, KeyColumn{"id", KeyInt})
	epochs := slices.ContainsFunc(rows, func(x readyRow) bool { return x.ref.Epoch != rows[0].ref.Epoch })
	if epochs {
		cols = append(cols, KeyColumn{"epoch", KeyInt})
	} else {
		where += fmt.Sprintf(" AND r.epoch = %d", rows[0].ref.Epoch)
	}
	keys := make([]byte, 0, 14*len(rows))
	var key []int64
	for i := range rows {
		key = key[:0]
		if priorities {
			key = append(key, int64(rows[i].priority))
		}
		if key = append(key, int64(rows[i].ref.ID)); epochs {
			key = append(key, int64(rows[i].ref.Epoch))
		}
		if i > 0 {
			keys = append(keys, ',')
		}
		if len(key) == 1 {
			keys = appendInts(keys, key...)
			continue
		}
		keys = append(appendInts(append(keys, '['), key...), ']')
	}
	n, err := t.deleteIn("ds_ready", where, "["+string(keys)+"]", cols...)
	if err != nil {
		return false, err
	}
	if int(n) != len(rows) {
		return true, engine.Errorf(engine.CodeRetry, "%d of %d jobs were claimed by others meanwhile", len(rows)-int(n), len(rows))
	}
	return false, nil
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
 j.redrive, j.windowed, j.instance, j.job_key, j.scheduled_for, j.position, p.payload, p.item`

// claimedRow is where a row of claimedColumns is scanned into; it is used for
// all rows of a result.
type claimedRow struct {
	job                     engine.ClaimedJob
	instance, key           text
	at                      Time
	position, payload, item raw
	dest                    []any
}

func newClaimedRow() *claimedRow {
	c := &claimedRow{}
	j := &c.job
	c.dest = []any{into(&j.ID), into(&j.Epoch), into(&j.Attempts), into(&j.Losses), into(&j.FailedPhase), into(&j.Verdict),
		into(&j.Parent), into(&j.Emitted), into(&j.Checkpoints), into(&j.Redrive), &j.Windowed, &c.instance, &c.key, &c.at, &c.position, &c.payload, &c.item}
	return c
}

// scan reads the row; what it gives is valid until the next one.
func (c *claimedRow) scan(r *sql.Rows) (*engine.ClaimedJob, error) {
	if err := r.Scan(c.dest...); err != nil {
		return nil, err
	}
	return c.filled(), nil
}

// filled is the job of the row that was scanned; it is valid until the next one.
func (c *claimedRow) filled() *engine.ClaimedJob {
	j := &c.job
	j.Instance, j.Key, j.ScheduledFor = string(c.instance), string(c.key), c.at.Time
	j.Position, j.Payload, j.Item = engine.Raw(c.position), engine.Raw(c.payload), engine.Raw(c.item)
	return j
}

// Refresh reads a claimed job again: its position, checkpoints and counts.
func (s *Store) Refresh(ctx context.Context, j *engine.ClaimedJob) (bool, error) {
	c := engine.Claim{ID: j.Claim, Jobs: []engine.ClaimedJob{{JobRef: j.JobRef, Priority: j.Priority}}}
	if err := s.Load(ctx, j.Queue(j.Phase), &c); err != nil || len(c.Jobs) == 0 {
		return false, err
	}
	*j = c.Jobs[0]
	return true, nil
}
