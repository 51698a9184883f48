package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// startGrain is how exact the start of a job is that completes in a batch:
// jobs that began so close together are written by one statement.
const startGrain = 10 * time.Millisecond

// Settle commits outcomes of jobs in one transaction, and drops claims. Those whose
// rows others hold for longer are left out, with their claims, and named by a
// LockedError.
//
// Locks: claims, jobs ascending, keys by hash, stored ends; then only new rows. Each job is
// written where its epoch is still the claim's. Where one is not, the
// transaction is run again without it.
func (s *Store) Settle(ctx context.Context, outcomes []engine.Outcome, done []engine.ClaimID) (lost []engine.JobID, err error) {
	todo := make([]*engine.Outcome, 0, len(outcomes))
	for i := range outcomes {
		todo = append(todo, &outcomes[i])
	}
	slices.SortFunc(todo, func(a, b *engine.Outcome) int { return cmp.Compare(a.Job.ID, b.Job.ID) })
	doubt := false // a COMMIT's answer was lost: what is written already may be our own
	for {
		free, left := todo, []*engine.Outcome(nil)
		err = s.aroundHeld(ctx, "settle jobs", func(t *Tx, skip bool) (err error) {
			free, left = todo, nil
			drop := done
			if skip && len(todo) > 0 {
				if free, left, err = t.freeOutcomes(todo); err != nil {
					return err
				}
				drop = slices.DeleteFunc(slices.Clone(done), func(id engine.ClaimID) bool {
					return slices.ContainsFunc(left, func(o *engine.Outcome) bool { return o.Job.Claim == id })
				})
			}
			return t.settle(free, drop)
		}, func(*Tx) (bool, error) {
			doubt = true
			return false, nil // run it again: what is settled shows as stale
		})
		if err == nil && len(left) > 0 {
			locked := &engine.LockedError{}
			for _, o := range left {
				locked.Jobs = append(locked.Jobs, o.Job.ID)
			}
			return lost, locked
		}
		if !errors.Is(err, errStale) {
			return lost, err
		}
		kept, gone, err := s.divideStale(ctx, free, doubt)
		if err != nil {
			return nil, err
		}
		todo, lost = append(kept, left...), append(lost, gone...)
		slices.SortFunc(todo, func(a, b *engine.Outcome) int { return cmp.Compare(a.Job.ID, b.Job.ID) })
	}
}

// freeOutcomes tells the outcomes whose rows are locked now from those whose rows
// somebody else has.
func (t *Tx) freeOutcomes(outcomes []*engine.Outcome) (free, left []*engine.Outcome, err error) {
	ids := make([]engine.JobID, len(outcomes))
	var keys []heldKey
	for i, o := range outcomes {
		if ids[i] = o.Job.ID; o.Job.Key != "" {
			keys = append(keys, heldKey{o.Job.Type, engine.KeyHash(o.Job.Instance, o.Job.Key), o.Job.ID})
		}
	}
	ours, err := t.lockFree(ids, keys)
	for _, o := range outcomes {
		if ours[o.Job.ID] {
			free = append(free, o)
		} else {
			left = append(left, o)
		}
	}
	return free, left, err
}

// divideStale tells the outcomes that can be written from those whose job has
// another epoch now; of the latter it names those that were not settled by us.
func (s *Store) divideStale(ctx context.Context, outcomes []*engine.Outcome, doubt bool) (left []*engine.Outcome, lost []engine.JobID, err error) {
	err = s.write(ctx, "look at jobs", func(t *Tx) error {
		left, lost = nil, nil
		var late []heldJob
		now, err := t.stored(outcomes, t.s.D.Lock())
		for _, o := range outcomes {
			x, ok := now[o.Job.ID]
			switch {
			case ok && x.epoch == o.Job.Epoch && x.checkpoints == o.Job.Checkpoints:
				left = append(left, o)
			case ok && x.epoch == o.Job.Epoch: // a checkpoint took effect after it was looked for: the hook goes on from it
				late = append(late, heldJob{ClaimedJob: *o.Job, cancel: x.cancel})
				lost = append(lost, o.Job.ID)
			case !ok || !doubt || !x.is(o):
				lost = append(lost, o.Job.ID)
			}
		}
		if err != nil {
			return err
		}
		if late, err = t.leaveHeld(late, false); err != nil {
			return err
		}
		return t.requeue(late, false, 0)
	}, nil)
	return left, lost, err
}

// errStale says that a job's epoch is not the claim's any more.
var errStale = errors.New("a job is not ours any more")

// settle writes plain outcomes in groups and the others one by one.
func (t *Tx) settle(outcomes []*engine.Outcome, done []engine.ClaimID) error {
	for i := range done {
		if _, err := t.exec("DELETE FROM ds_claims WHERE id = ?", done[i][:]); err != nil {
			return err
		}
	}
	if len(outcomes) == 0 {
		return nil
	}
	for _, g := range groupPlain(outcomes) {
		n, err := t.exec(g.sql(t.s.D))
		if err != nil {
			return err
		}
		if int(n) != len(g.ids) {
			return errStale
		}
	}
	var d deltas
	for _, o := range outcomes {
		if !o.Plain() {
			return fmt.Errorf("an outcome that is not plain (%s) must be committed by itself", o.Event)
		}
		d.settle(o)
	}
	if err := t.releaseKeys(outcomes); err != nil {
		return err
	}
	if err := t.endsMoved(outcomes); err != nil {
		return err
	}
	if err := t.saveResults(outcomes); err != nil {
		return err
	}
	return t.insertDeltas(&d)
}

// plainGroup is jobs that one UPDATE completes.
type plainGroup struct {
	phase  engine.Phase
	epoch  engine.Epoch
	points int // checkpoints
	ran    time.Duration
	server engine.ServerID
	ids    []engine.JobID
}

func groupPlain(outcomes []*engine.Outcome) []*plainGroup {
	var gs []*plainGroup
	for _, o := range outcomes {
		ran := o.Elapsed.Truncate(startGrain)
		var g *plainGroup
		for _, x := range gs {
			if x.phase == o.To.Phase && x.epoch == o.Job.Epoch && x.points == o.Job.Checkpoints && x.ran == ran && x.server == o.Server && len(x.ids) < listMost {
				g = x
				break
			}
		}
		if g == nil {
			g = &plainGroup{phase: o.To.Phase, epoch: o.Job.Epoch, points: o.Job.Checkpoints, ran: ran, server: o.Server}
			gs = append(gs, g)
		}
		g.ids = append(g.ids, o.Job.ID)
	}
	return gs
}

func (g *plainGroup) sql(d Dialect) string {
	return fmt.Sprintf("UPDATE ds_jobs%s SET epoch = epoch + 1, phase = %d, status = %d, attempts = attempts + (attempts < %d), server = %d, started_at = %s, finished_at = %s WHERE id IN (%s) AND epoch = %d AND checkpoints = %d",
		d.ByKey(), g.phase, engine.StatusCompleted, engine.MaxAttempt, g.server, d.In(-g.ran), d.Now(), idList(g.ids), g.epoch, g.points)
}

// stored is what a job's row says of how it was settled last.
type stored struct {
	epoch       engine.Epoch
	phase       engine.Phase
	status      engine.Status
	server      engine.ServerID
	cancel      bool
	checkpoints int
}

// is says whether the row is as the outcome leaves it.
func (x stored) is(o *engine.Outcome) bool {
	return x.epoch == o.Job.Epoch+1 && x.phase == o.To.Phase && x.status == o.To.Status && x.server == o.Server
}

// stored reads the rows of the outcomes' jobs.
func (t *Tx) stored(outcomes []*engine.Outcome, lock string) (map[engine.JobID]stored, error) {
	ids := make([]engine.JobID, len(outcomes))
	for i, o := range outcomes {
		ids[i] = o.Job.ID
	}
	slices.Sort(ids) // they are locked in that order
	m := make(map[engine.JobID]stored, len(ids))
	for part := range slices.Chunk(ids, listMost) {
		err := t.query(func(r *sql.Rows) error {
			var id engine.JobID
			var x stored
			err := r.Scan(&id, &x.epoch, &x.phase, &x.status, &x.server, &x.cancel, &x.checkpoints)
			m[id] = x
			return err
		}, "SELECT id, epoch, phase, status, server, cancel, checkpoints FROM ds_jobs"+t.s.D.ByKey()+" WHERE id IN ("+idList(part)+") ORDER BY id"+lock)
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// maxStatement bounds the values of one statement, in bytes: written as text
// they may become twice as long, and servers take 16 MB by default.
const maxStatement = 4 << 20

// saveResults writes results and counts.
func (t *Tx) saveResults(outcomes []*engine.Outcome) error {
	q := []byte("INSERT INTO ds_results (id, result, stats) VALUES ")
	start := len(q)
	var args []any
	n, size := 0, 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		_, err := t.exec(string(q)+t.s.D.Upsert("id", "result = COALESCE(VALUES(result), ds_results.result), stats = COALESCE(VALUES(stats), ds_results.stats)"), args...)
		q, args, n, size = q[:start], args[:0], 0, 0
		return err
	}
	for _, o := range outcomes {
		if !o.SetResult && len(o.NewStats) == 0 {
			continue
		}
		if size += len(o.Result); size > maxStatement {
			if err := flush(); err != nil {
				return err
			}
			size = len(o.Result)
		}
		q = openTuple(q, &n)
		q = append(appendInts(q, int64(o.Job.ID)), ",?,?)"...)
		var result engine.Raw
		if o.SetResult {
			result = o.Result
		}
		args = append(args, nullRaw(result), statsText(o.Stats))
	}
	return flush()
}
