package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// allTime is the hour under which a type's totals are kept.
const allTime = "1970-01-01 00:00:00"

// Fold adds up reports: to the counters, and to the emitters whose items sent
// them. The transaction that brings the last item's report moves the emitter
// on.
//
// Reports of an emitter whose row or key somebody holds for longer stay for a while.
//
// Locks: the reports (skipping those that others fold), jobs ascending, parents
// ascending, keys by hash, stored ends, ready, counters. Only folders lock reports, so that they come
// first does no harm. Where nothing can be skipped, the DELETE by key finds
// fewer reports than were read, and the transaction is run again.
func (s *Store) Fold(ctx context.Context, limit int) (queues []engine.Queue, settled []engine.Settled, more bool, err error) {
	empty := true
	began := s.Clock.Boot()
	cond, full := s.deltas.condition("id", began)
	stays := s.held.left(began)
	if len(stays) > 0 {
		cond += " AND parent NOT IN (" + idList(stays) + ")"
	}
	err = s.read(ctx, func(t *Tx) error { // most looks find nothing: without a transaction
		var one int
		found, err := t.row([]any{&one}, "SELECT 1 FROM ds_deltas WHERE id > 0"+cond+" LIMIT 1")
		empty = !found
		return err
	})
	if now := s.Clock.Boot(); full {
		s.deltas.scanned(now, now-began)
	}
	if err != nil || empty {
		return nil, nil, false, err
	}
	last := int64(0)
	var heldBy map[engine.JobID]bool
	err = s.aroundHeld(ctx, "add up reports", func(t *Tx, skip bool) error {
		queues, settled, heldBy, last = nil, nil, nil, 0
		list, ids, err := t.readDeltas(cond, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		more = len(ids) == limit
		if skip {
			if list, ids, heldBy, err = t.freeReports(list, ids); err != nil || len(ids) == 0 {
				return err
			}
		}
		last = ids[len(ids)-1]
		var own []report
		if queues, settled, own, err = t.foldParents(list); err != nil {
			return err
		}
		if err := t.foldCounters(append(list, own...)); err != nil {
			return err
		}
		n, err := t.deleteIn("ds_deltas", "", "["+idList(ids)+"]", KeyColumn{"id", KeyInt})
		if err != nil {
			return err
		}
		if int(n) != len(ids) {
			return engine.Errorf(engine.CodeRetry, "others have folded some of these reports")
		}
		return nil
	}, func(*Tx) (bool, error) { return false, nil }) // run again: a report is folded once, with its deletion
	if err != nil {
		return queues, settled, more, err
	}
	for _, id := range s.held.leave(s.Clock.Boot(), heldBy) {
		s.Log.Warn("the reports of an emitter's items wait: another transaction holds its row, or its key; a program has enqueued one and not committed", "job", id)
	}
	if last > 0 && len(heldBy)+len(stays) == 0 {
		s.deltas.advance(strconv.FormatInt(last+1, 10))
	}
	return queues, settled, more, err
}

// report is a delta as it is read back.
type report struct {
	delta
	at time.Time
}

func (t *Tx) readDeltas(cond string, limit int) (list []report, ids []int64, err error) {
	err = t.query(func(r *sql.Rows) error {
		var id int64
		var x report
		var at Time
		var stats raw
		if err := r.Scan(&id, &x.parent, &x.typ, &at, &x.created, &x.completed, &x.failed, &x.cancelled, &x.retries, &x.losses, &x.ranMS, &stats); err != nil {
			return err
		}
		x.at = at.Time
		if stats != nil {
			x.stats = parseStats(stats)
		}
		list, ids = append(list, x), append(ids, id)
		return nil
	}, fmt.Sprintf("SELECT id, parent, type, at, created, completed, failed, cancelled, retries, losses, ran_ms, stats FROM ds_deltas WHERE id > 0%s ORDER BY id LIMIT %d%s", cond, limit, t.s.D.Skip()))
	return list, ids, err
}

// freeReports leaves out the reports of emitters of which others have locked the
// row or the key; held names these.
func (t *Tx) freeReports(list []report, ids []int64) (free []report, freeIDs []int64, held map[engine.JobID]bool, err error) {
	var parents []engine.JobID
	for i := range list {
		if p := list[i].parent; p != 0 {
			parents = append(parents, p)
		}
	}
	slices.Sort(parents)
	if parents = slices.Compact(parents); len(parents) == 0 {
		return list, ids, nil, nil
	}
	if _, held, err = t.divideHeld(parents); err != nil {
		return nil, nil, nil, err
	}
	for i := range list {
		if held[list[i].parent] {
			continue
		}
		free, freeIDs = append(free, list[i]), append(freeIDs, ids[i])
	}
	return free, freeIDs, held, nil
}

// foldParents adds to the emitters' counts and moves on those that are open and
// whose items have all settled. own are the reports of those that are final now and
// have no emitter themselves: they are for the counters only.
func (t *Tx) foldParents(list []report) (queues []engine.Queue, settled []engine.Settled, own []report, err error) {
	sums := map[engine.JobID]*delta{}
	var order []engine.JobID
	for i := range list {
		p := list[i].parent
		if p == 0 {
			continue
		}
		x := sums[p]
		if x == nil {
			x = &delta{parent: p, stats: engine.Stats{}}
			sums[p] = x
			order = append(order, p)
		}
		x.completed += list[i].completed
		x.failed += list[i].failed
		x.cancelled += list[i].cancelled
		x.stats.Add(list[i].stats)
	}
	slices.Sort(order)
	jobs, err := t.lockJobRows(order) // those that were pruned are missing
	if err != nil {
		return nil, nil, nil, err
	}
	var moves []parentMove
	for _, j := range jobs {
		p, err := t.addToParent(j, sums[j.ID])
		if err != nil {
			return nil, nil, nil, err
		}
		if j.status != engine.StatusOpen {
			continue
		}
		typ, err := t.typeOf(j.Type)
		if err != nil {
			return nil, nil, nil, err
		}
		event, to, because, ok := p.Settled(typ.Hooks)
		if ok && p.Failed+p.Cancelled > 0 {
			var again bool
			if again, err = t.bringsBack(j.ID); err != nil {
				return nil, nil, nil, err
			}
			ok = !again
		}
		if !ok {
			continue
		}
		if err := engine.CheckMove(engine.State{Phase: j.Phase, Status: j.status}, event, to); err != nil {
			return nil, nil, nil, err
		}
		moves = append(moves, parentMove{j, to, because})
	}
	return t.moveParents(moves)
}

// parentMove is an open job's next state.
type parentMove struct {
	*jobRow
	to      engine.State
	because *engine.Failure
}

// moveParents moves locked jobs on whose items have all settled: see foldParents.
func (t *Tx) moveParents(moves []parentMove) (queues []engine.Queue, settled []engine.Settled, own []report, err error) {
	var keys []typedHash
	for _, m := range moves {
		if m.Key != "" && m.to.Status.Final() {
			keys = append(keys, typedHash{m.Type, engine.KeyHash(m.Instance, m.Key)})
		}
	}
	if err := t.lockKeys(keys); err != nil {
		return nil, nil, nil, err
	}
	for _, m := range moves {
		if err := t.moveOn(m.jobRow, m.to, m.because); err != nil {
			return nil, nil, nil, err
		}
		if !m.to.Status.Final() {
			queues = append(queues, m.Queue(m.to.Phase))
			continue
		}
		r := report{delta: delta{parent: m.Parent, typ: m.Type}}
		r.count(m.to.Status)
		if m.Parent != 0 {
			err = t.insertDeltas(&deltas{[]*delta{&r.delta}})
		} else {
			r.at, err = t.clock()
			own = append(own, r)
		}
		if err != nil {
			return nil, nil, nil, err
		}
		settled = append(settled, engine.Settled{Job: m.ID, Type: m.Type, Status: m.to.Status})
	}
	return queues, settled, own, nil
}

// addToParent adds to an emitter's counts and reads them back.
func (t *Tx) addToParent(j *jobRow, x *delta) (engine.Parent, error) {
	p := engine.Parent{Phase: j.Phase, Verdict: j.Verdict, Items: j.Emitted}
	if p.Phase == engine.PhaseFail {
		p.Phase = j.FailedPhase
	}
	var stats raw
	found, err := t.row([]any{&p.Phase, &p.Completed, &p.Failed, &p.Cancelled, &stats}, "SELECT phase, completed, failed, cancelled, stats FROM ds_parents WHERE id = ?"+t.s.D.Lock(), j.ID)
	if err != nil {
		return p, err
	}
	p.Completed += x.completed
	p.Failed += x.failed
	p.Cancelled += x.cancelled
	x.stats.Add(parseStats(stats))
	if !found {
		_, err = t.exec("INSERT INTO ds_parents (id, type, phase, completed, failed, cancelled, stats) VALUES (?, ?, ?, ?, ?, ?, ?)",
			j.ID, j.Type, p.Phase, p.Completed, p.Failed, p.Cancelled, statsText(x.stats))
		return p, err
	}
	if x.completed != 0 || x.failed != 0 || x.cancelled != 0 || len(x.stats) > 0 {
		_, err = t.exec("UPDATE ds_parents SET completed = ?, failed = ?, cancelled = ?, stats = ? WHERE id = ?", p.Completed, p.Failed, p.Cancelled, statsText(x.stats), j.ID)
	}
	return p, err
}

// moveOn writes an open job's next state: finish is due, or it is final. That it is
// remains to be reported.
func (t *Tx) moveOn(j *jobRow, to engine.State, because *engine.Failure) error {
	finished := "'" + never + "'"
	if to.Status.Final() {
		finished = t.s.D.Now()
	}
	var at engine.Raw
	if j.Verdict != 0 { // if it has one: it failed there, or was cut off, and a retry goes on there
		var err error
		if at, err = t.positionOf(j.ID); err != nil {
			return err
		}
		if !to.Status.Final() {
			at = engine.KeepPosition(at)
		}
	}
	if _, err := t.exec(fmt.Sprintf("UPDATE ds_jobs SET epoch = epoch + 1, phase = %d, status = %d, attempts = CASE WHEN %d = 1 THEN 0 ELSE attempts END, losses = 0, position = ?, checkpoints = 0, run_at = '%s', finished_at = %s WHERE id = %d AND epoch = %d",
		to.Phase, to.Status, to.Status, never, finished, j.ID, j.Epoch), nullRaw(at)); err != nil {
		return err
	}
	if _, err := t.exec("DELETE FROM ds_open WHERE type = ? AND id = ?", j.Type, j.ID); err != nil {
		return err
	}
	if !to.Status.Final() {
		return t.makeDue(j.JobRef, j.Queue(to.Phase), j.Priority, 0, false)
	}
	o := &engine.Outcome{Job: &j.ClaimedJob, To: to, Event: engine.Succeeded}
	if err := t.releaseKeys([]*engine.Outcome{o}); err != nil {
		return err
	}
	if err := t.endsMoved([]*engine.Outcome{o}); err != nil {
		return err
	}
	if to.Status == engine.StatusFailed && because != nil {
		return t.noteFailed(j.Type, j.ID, because)
	}
	return nil
}

// positionOf is the job's position.
func (t *Tx) positionOf(id engine.JobID) (engine.Raw, error) {
	var at raw
	_, err := t.row([]any{&at}, "SELECT position FROM ds_jobs WHERE id = ?", id)
	return engine.Raw(at), err
}

// foldCounters adds to the types' totals, of all time and of the hour.
func (t *Tx) foldCounters(list []report) error {
	if t.s.Scratch {
		return nil
	}
	type cell struct {
		typ  engine.TypeID
		hour string
	}
	sums := map[cell]*delta{}
	var order []cell
	add := func(c cell, r *report) {
		x := sums[c]
		if x == nil {
			x = &delta{stats: engine.Stats{}}
			sums[c] = x
			order = append(order, c)
		}
		x.created += r.created
		x.completed += r.completed
		x.failed += r.failed
		x.cancelled += r.cancelled
		x.retries += r.retries
		x.losses += r.losses
		x.ranMS += r.ranMS
		x.stats.Add(r.stats)
	}
	for i := range list {
		r := &list[i]
		if r.typ == 0 || r.created|r.completed|r.failed|r.cancelled|r.retries|r.losses|r.ranMS == 0 && len(r.stats) == 0 {
			continue
		}
		add(cell{r.typ, allTime}, r)
		add(cell{r.typ, r.at.Truncate(time.Hour).Format("2006-01-02 15:04:05")}, r)
	}
	slices.SortFunc(order, func(a, b cell) int { return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.hour, b.hour)) })
	for _, c := range order {
		x := sums[c]
		if len(x.stats) > 0 {
			var old raw
			if _, err := t.row([]any{&old}, "SELECT stats FROM ds_counters WHERE type = ? AND hour = ?"+t.s.D.Lock(), c.typ, c.hour); err != nil {
				return err
			}
			x.stats.Add(parseStats(old))
		}
		if _, err := t.exec("INSERT INTO ds_counters (type, hour, created, completed, failed, cancelled, retries, losses, ran_ms, stats) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"+
			t.s.D.Upsert("type, hour", "created = ds_counters.created + VALUES(created), completed = ds_counters.completed + VALUES(completed), failed = ds_counters.failed + VALUES(failed), cancelled = ds_counters.cancelled + VALUES(cancelled), retries = ds_counters.retries + VALUES(retries), losses = ds_counters.losses + VALUES(losses), ran_ms = ds_counters.ran_ms + VALUES(ran_ms), stats = COALESCE(VALUES(stats), ds_counters.stats)"),
			c.typ, c.hour, x.created, x.completed, x.failed, x.cancelled, x.retries, x.losses, x.ranMS, statsText(x.stats)); err != nil {
			return err
		}
	}
	return nil
}

// Summary counts an emitter's items, for its finish hook.
func (s *Store) Summary(ctx context.Context, id engine.JobID) (*engine.Summary, error) {
	sum := &engine.Summary{}
	err := s.read(ctx, func(t *Tx) error {
		j, err := t.lockJob(id, "")
		if err != nil {
			return err
		}
		var stats, failure, payload raw
		if _, err := t.row([]any{&sum.Completed, &sum.Failed, &sum.Cancelled, &stats}, "SELECT completed, failed, cancelled, stats FROM ds_parents WHERE id = ?", id); err != nil {
			return err
		}
		sum.Total, sum.Stats = j.Emitted, parseStats(stats)
		if j.Verdict == engine.StatusFailed {
			if _, err := t.row([]any{&failure}, "SELECT failure FROM ds_failures WHERE type = ? AND job = ?", j.Type, id); err != nil {
				return err
			}
			if sum.Error, err = parseFailure(failure); err != nil {
				return err
			}
		}
		_, err = t.row([]any{&payload}, "SELECT payload FROM ds_payloads WHERE id = ?", id)
		sum.Payload = engine.Raw(payload)
		return err
	})
	return sum, err
}

// SavedStats are the counts that the job has committed so far.
func (s *Store) SavedStats(ctx context.Context, id engine.JobID) (stats engine.Stats, err error) {
	err = s.read(ctx, func(t *Tx) error {
		var b raw
		_, err := t.row([]any{&b}, "SELECT stats FROM ds_results WHERE id = ?", id)
		stats = parseStats(b)
		return err
	})
	return stats, err
}

// Results calls yield with each completed item's result, by id, a page at a time.
func (s *Store) Results(ctx context.Context, parent engine.JobID, yield func(engine.JobID, engine.Raw) bool) error {
	const page = 500
	after := engine.JobID(0)
	for {
		var ids []engine.JobID
		results := map[engine.JobID]engine.Raw{}
		err := s.read(ctx, func(t *Tx) error {
			var err error
			if ids, err = t.items(parent, after, page); err != nil || len(ids) == 0 {
				return err
			}
			return t.query(func(r *sql.Rows) error {
				var id engine.JobID
				var b raw
				err := r.Scan(&id, &b)
				results[id] = engine.Raw(b)
				return err
			}, "SELECT id, result FROM ds_results WHERE id IN ("+idList(ids)+") AND result IS NOT NULL")
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if r, ok := results[id]; ok && !yield(id, r) {
				return nil
			}
		}
		if len(ids) < page {
			return nil
		}
		after = ids[len(ids)-1]
	}
}
