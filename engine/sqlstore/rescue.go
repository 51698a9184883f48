package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// rescueBatch is how many claims one pass takes.
const rescueBatch = 100

// heldJob is a job of a claim, locked, with its epoch still the claim's.
type heldJob struct {
	engine.ClaimedJob
	cancel  bool
	becomes *engine.Outcome // if it is not simply made due again
}

// ends says that the job is to end, which frees its key.
func (j *heldJob) ends() bool {
	return j.cancel || j.becomes != nil && j.becomes.To.Status.Final()
}

// OwnClaims lists what the database holds in a server's name.
func (s *Store) OwnClaims(ctx context.Context, id engine.ServerID) (map[engine.ClaimID][]engine.JobRef, error) {
	held := map[engine.ClaimID][]engine.JobRef{}
	err := s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var claim []byte
			var jobs string
			if err := r.Scan(&claim, &jobs); err != nil {
				return err
			}
			list, err := parseRefs(jobs)
			held[engine.ClaimID(claim)] = list
			return err
		}, "SELECT id, jobs FROM ds_claims WHERE server = ?", id)
	})
	return held, err
}

// Release gives jobs of a claim back, unharmed; the rest stays in the claim, and so do
// those whose rows others hold for longer: a LockedError names them.
//
// Locks: claim, jobs ascending, keys by hash, ready.
func (s *Store) Release(ctx context.Context, claim engine.ClaimID, jobs []engine.JobRef) error {
	var held []engine.JobRef
	err := s.aroundHeld(ctx, "give jobs back", func(t *Tx, skip bool) error {
		held = nil
		c, found, err := t.lockClaim(claim, t.s.D.Lock())
		if err != nil || !found {
			return err
		}
		give := map[engine.JobRef]bool{}
		for _, j := range jobs {
			give[j] = true
		}
		var back, keep []engine.JobRef
		for _, j := range c.jobs {
			if give[j] {
				back = append(back, j)
			} else {
				keep = append(keep, j)
			}
		}
		lock := t.s.D.Lock()
		if skip {
			lock = t.s.D.Skip()
		}
		mine, err := t.lockJobs(claim, back, lock)
		if err != nil {
			return err
		}
		if mine, err = t.leaveHeld(mine, skip); err != nil {
			return err
		}
		if held, err = t.stillHeld(back, mine); err != nil {
			return err
		}
		if err := t.shrinkClaim(claim, append(keep, held...)); err != nil {
			return err
		}
		return t.requeue(mine, c.size == 1, 0)
	}, nil)
	if err != nil || len(held) == 0 {
		return err
	}
	locked := &engine.LockedError{}
	for _, j := range held {
		locked.Jobs = append(locked.Jobs, j.ID)
	}
	return engine.Wrapf(engine.CodeRetry, locked, "give jobs back")
}

// claimRow is a claim as it is stored.
type claimRow struct {
	jobs   []engine.JobRef
	size   int // at first
	server engine.ServerID
	at     Time
}

// lockClaim reads and locks a claim's row.
func (t *Tx) lockClaim(claim engine.ClaimID, lock string) (c claimRow, found bool, err error) {
	var list string
	found, err = t.row([]any{&list, &c.size, &c.server, &c.at}, "SELECT jobs, size, server, claimed_at FROM ds_claims WHERE id = ?"+lock, claim[:])
	if err != nil || !found {
		return c, false, err
	}
	c.jobs, err = parseRefs(list)
	return c, true, err
}

// shrinkClaim leaves the given jobs in a claim, or deletes it if there are none.
func (t *Tx) shrinkClaim(claim engine.ClaimID, keep []engine.JobRef) error {
	if len(keep) == 0 {
		_, err := t.exec("DELETE FROM ds_claims WHERE id = ?", claim[:])
		return err
	}
	_, err := t.exec("UPDATE ds_claims SET jobs = ? WHERE id = ?", refs(keep), claim[:])
	return err
}

// lockJobs reads and locks those of the jobs whose epoch is still the given
// one, in the order of their ids.
func (t *Tx) lockJobs(claim engine.ClaimID, want []engine.JobRef, lock string) (mine []heldJob, err error) {
	if len(want) == 0 {
		return nil, nil
	}
	epochs := make(map[engine.JobID]engine.Epoch, len(want))
	ids := make([]engine.JobID, 0, len(want))
	for _, w := range want {
		epochs[w.ID] = w.Epoch
		ids = append(ids, w.ID)
	}
	slices.Sort(ids)
	err = t.queryIDs(func(r *sql.Rows) error {
		var j heldJob
		var instance, key text
		if err := r.Scan(&j.ID, &j.Epoch, &j.Type, &j.Phase, &j.Priority, &j.Attempts, &j.Losses, &j.FailedPhase, &j.Verdict, &j.Parent, &j.Emitted, &j.Checkpoints, &j.Redrive, &j.Windowed, &instance, &key, &j.cancel); err != nil {
			return err
		}
		j.Claim, j.Instance, j.Key = claim, string(instance), string(key)
		if j.Epoch == epochs[j.ID] {
			mine = append(mine, j)
		}
		return nil
	}, "SELECT id, epoch, type, phase, priority, attempts, losses, failed_phase, verdict, parent, items, checkpoints, redrive, windowed, instance, job_key, cancel FROM ds_jobs"+
		t.s.D.ByKey()+" WHERE id", ids, " ORDER BY id"+lock)
	return mine, err
}

// leaveHeld locks the keys of those of the locked jobs that are to end. With skip it
// leaves out the jobs whose keys others hold.
func (t *Tx) leaveHeld(jobs []heldJob, skip bool) ([]heldJob, error) {
	var ends []engine.JobID
	var keys []typedHash
	for i := range jobs {
		if j := &jobs[i]; j.Key != "" && j.ends() {
			ends, keys = append(ends, j.ID), append(keys, typedHash{j.Type, engine.KeyHash(j.Instance, j.Key)})
		}
	}
	if len(ends) == 0 || !skip {
		return jobs, t.lockKeys(keys)
	}
	_, held, err := t.divideHeld(ends)
	return slices.DeleteFunc(jobs, func(j heldJob) bool { return held[j.ID] }), err
}

// requeue makes locked jobs due again at once; those that a person asked to
// cancel end. losses is added to their count of lost processes.
func (t *Tx) requeue(jobs []heldJob, alone bool, losses int) error {
	ids := map[engine.Epoch][]engine.JobID{}
	ready := []byte("INSERT INTO ds_ready (queue, priority, id, epoch, alone) VALUES ")
	n := 0
	for i := range jobs {
		j := &jobs[i]
		if j.cancel {
			if err := t.end(&j.ClaimedJob); err != nil {
				return err
			}
			continue
		}
		ids[j.Epoch] = append(ids[j.Epoch], j.ID)
		queue := j.Queue(j.Phase)
		ready = openTuple(ready, &n)
		ready = append(appendInts(ready, int64(queue), int64(j.Priority), int64(j.ID), int64(j.Epoch)+1, b2i(alone)), ')')
		t.due = append(t.due, dueRow{queue, j.Priority, j.ID})
	}
	if n == 0 {
		return nil
	}
	for epoch, all := range ids {
		for list := range slices.Chunk(all, listMost) {
			m, err := t.exec(fmt.Sprintf("UPDATE ds_jobs%s SET epoch = epoch + 1, losses = losses + %d WHERE id IN (%s) AND epoch = %d", t.s.D.ByKey(), losses, idList(list), epoch))
			if err != nil {
				return err
			}
			if int(m) != len(list) {
				return engine.Errorf(engine.CodeRetry, "jobs of the claim were settled meanwhile")
			}
		}
	}
	_, err := t.exec(string(ready))
	return err
}

// end writes the end of a locked job that was asked to cancel.
func (t *Tx) end(j *engine.ClaimedJob) error {
	o := &engine.Outcome{Job: j, Attempts: j.Attempts, Verdict: j.Verdict}
	o.Withdraw(j.Emitted)
	return t.apply(o)
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Rescue takes the claims of dead and unknown servers, one transaction each.
//
// Locks: claim (skipping those that others rescue), jobs ascending (skipping
// those that somebody has locked: they stay in the claim for the next pass),
// keys by hash (jobs that are to end and whose keys others hold for longer stay, too),
// delayed, ready; then new rows.
func (s *Store) Rescue(ctx context.Context, lost func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome) (engine.Rescue, error) {
	var total engine.Rescue
	var claims []engine.ClaimID
	err := s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var id []byte
			err := r.Scan(&id)
			claims = append(claims, engine.ClaimID(id))
			return err
		}, fmt.Sprintf("SELECT c.id FROM ds_claims c LEFT JOIN ds_servers s ON s.id = c.server WHERE s.id IS NULL OR s.dead = 1 LIMIT %d", 10*rescueBatch))
	})
	if err != nil {
		return total, err
	}
	// In no order, so that claims whose jobs are locked do not keep others back.
	rand.Shuffle(len(claims), func(i, k int) { claims[i], claims[k] = claims[k], claims[i] })
	claims = claims[:min(len(claims), rescueBatch)]
	var failed error
	for _, id := range claims {
		var r engine.Rescue
		err := s.aroundHeld(ctx, "take back the claim of a lost server", func(t *Tx, skip bool) (err error) {
			r, err = t.rescue(id, skip, lost)
			return err
		}, nil)
		if err != nil { // the others are not to wait for it
			failed = errors.Join(failed, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		total.Claims += r.Claims
		total.Jobs += r.Jobs
		total.Losses += r.Losses
		total.Left += r.Left
		for server, n := range r.From {
			if total.From == nil {
				total.From = map[engine.ServerID]int{}
			}
			total.From[server] += n
		}
	}
	return total, failed
}

func (t *Tx) rescue(id engine.ClaimID, skip bool, lost func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome) (r engine.Rescue, err error) {
	c, found, err := t.lockClaim(id, t.s.D.Skip())
	if err != nil || !found {
		return r, err
	}
	r.Claims = 1
	// Those that another has locked are missing from mine, and seen by a plain read.
	mine, err := t.lockJobs(id, c.jobs, t.s.D.Skip())
	if err != nil {
		return r, err
	}
	for i := range mine {
		if j := &mine[i]; c.size == 1 && !j.cancel {
			if err := t.decideLoss(j, lost); err != nil {
				return r, err
			}
		}
	}
	if mine, err = t.leaveHeld(mine, skip); err != nil {
		return r, err
	}
	keep, err := t.stillHeld(c.jobs, mine)
	if err != nil {
		return r, err
	}
	r.Left, r.Jobs = len(keep), len(mine)
	if r.Jobs > 0 {
		r.From = map[engine.ServerID]int{c.server: r.Jobs}
	}
	if err := t.shrinkClaim(id, keep); err != nil {
		return r, err
	}
	if err := t.noteLosses(c, mine); err != nil {
		return r, err
	}
	// Nothing is charged for what may not have run: only the loss of a job that
	// was alone in its claim counts, and jobs of a larger claim are then claimed
	// alone.
	if c.size > 1 {
		return r, t.requeue(mine, true, 0)
	}
	r.Losses = len(mine)
	var d deltas
	for i := range mine {
		d.at(0, mine[i].Type).losses++
	}
	if err := t.insertDeltas(&d); err != nil {
		return r, err
	}
	for i := range mine {
		if o := mine[i].becomes; o != nil {
			err = t.apply(o)
		} else {
			err = t.requeue(mine[i:i+1], true, 1)
		}
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// decideLoss asks what becomes of a job that was alone in its claim, with the loss
// counted.
func (t *Tx) decideLoss(j *heldJob, lost func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome) error {
	typ, err := t.typeOf(j.Type)
	if err != nil {
		return err
	}
	j.Losses++
	if j.Position, err = t.positionOf(j.ID); err != nil {
		return err
	}
	var failure *engine.Failure // that the fail hook was to work on
	if j.Phase == engine.PhaseFail {
		if failure, err = t.lastFailure(j.ID); err != nil {
			return err
		}
	}
	j.becomes = lost(&j.ClaimedJob, typ, failure)
	return nil
}

// noteLosses keeps a row for each job that a lost process had, beside those of
// its attempts: it burns none.
func (t *Tx) noteLosses(c claimRow, jobs []heldJob) error {
	if len(jobs) == 0 {
		return nil
	}
	message := "its server is gone"
	var name, host string
	var pid int
	var seen, stopped Time
	found, err := t.row([]any{&name, &host, &pid, &seen, &stopped}, "SELECT name, host, pid, seen_at, stopped_at FROM ds_servers WHERE id = ?", c.server)
	if err != nil {
		return err
	}
	const form = "2006-01-02 15:04:05 UTC"
	switch {
	case found && !stopped.IsZero():
		message = fmt.Sprintf("server %s (host %s, process %d) stopped at %s and had not given it back", name, host, pid, stopped.Format(form))
	case found:
		message = fmt.Sprintf("server %s (host %s, process %d) was not heard of any more after %s: its process ended or stood still, or could not reach the database", name, host, pid, seen.Format(form))
	}
	if c.size > 1 {
		message += fmt.Sprintf("; it may not have begun: %d jobs were claimed together", c.size)
	}
	for chunk := range slices.Chunk(jobs, insertChunk) {
		q := []byte("INSERT INTO ds_attempts (job, phase, attempt, server, started_at, finished_at, failure) VALUES ")
		n, args := 0, make([]any, 0, len(chunk))
		for i := range chunk {
			j := &chunk[i]
			f := engine.Failure{Message: message, Kind: engine.KindLost, Code: engine.LossCode, Phase: j.Phase, Attempt: j.Attempt(), Retryable: true}
			q = openTuple(q, &n)
			q = append(appendInts(q, int64(j.ID), int64(j.Phase), int64(f.Attempt), int64(c.server)), ',')
			q = append(append(q, literal(c.at.Time)...), ',')
			q = append(append(q, t.s.D.Now()...), ",?)"...)
			args = append(args, toJSON(f))
		}
		if _, err := t.exec(string(q), args...); err != nil {
			return err
		}
	}
	return nil
}

// stillHeld are the jobs of a claim that are not locked by us but have its
// epoch: somebody else has locked them.
func (t *Tx) stillHeld(held []engine.JobRef, mine []heldJob) (keep []engine.JobRef, err error) {
	if len(held) == len(mine) {
		return nil, nil
	}
	got := make(map[engine.JobID]bool, len(mine))
	for i := range mine {
		got[mine[i].ID] = true
	}
	rest := slices.DeleteFunc(slices.Clone(held), func(j engine.JobRef) bool { return got[j.ID] })
	locked, err := t.lockJobs(engine.ClaimID{}, rest, "")
	for i := range locked {
		keep = append(keep, locked[i].JobRef)
	}
	return keep, err
}
