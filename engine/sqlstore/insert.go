package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// insertChunk is how many jobs one INSERT writes.
const insertChunk = 500

// Enqueue writes jobs in one transaction. If the answer to its COMMIT is lost,
// its receipt tells whether they are there.
func (s *Store) Enqueue(ctx context.Context, jobs []engine.JobInsert) ([]engine.Enqueued, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	return writeOnce(ctx, s, "enqueue jobs", func(t *Tx) ([]engine.Enqueued, error) { return t.insertJobs(jobs) })
}

// EnqueueTx writes jobs in the caller's transaction.
func (s *Store) EnqueueTx(ctx context.Context, tx *sql.Tx, jobs []engine.JobInsert) ([]engine.Enqueued, error) {
	t := s.On(ctx, tx)
	t.foreign = true
	made, err := t.insertJobs(jobs)
	s.bounds.lower(t.due)
	return made, err
}

// insertJobs writes jobs with all that belongs to them: keys, payloads, ready
// or delayed rows, the emitter's range, counters. Jobs whose key is taken are
// not made. Locks: keys by hash, then only new rows; with replace, the ready or
// delayed row of the job that holds the key.
func (t *Tx) insertJobs(jobs []engine.JobInsert) ([]engine.Enqueued, error) {
	made := make([]engine.Enqueued, len(jobs))
	keyed, err := t.takeKeys(jobs, made)
	if err != nil {
		return nil, err
	}
	todo := make([]int, 0, len(jobs))
	for i := range jobs {
		if made[i].ID != 0 {
			continue // another holds the key
		}
		if f := jobs[i].Foretold; f < 0 {
			return nil, engine.Errorf(engine.CodeConflict, "key %q became free meanwhile", jobs[i].Key)
		}
		todo = append(todo, i)
	}
	for len(todo) > 0 {
		n := min(len(todo), insertChunk)
		if err := t.insertChunk(jobs, made, todo[:n]); err != nil {
			return nil, err
		}
		todo = todo[n:]
	}
	if err := t.nameKeyHolders(jobs, made, keyed); err != nil {
		return nil, err
	}
	if err := t.giveWindows(jobs, made); err != nil {
		return nil, err
	}
	return made, t.countCreated(jobs, made)
}

func (t *Tx) insertChunk(jobs []engine.JobInsert, made []engine.Enqueued, todo []int) error {
	now := t.s.D.Now()
	for _, i := range todo {
		if jobs[i].Delay > 0 || !jobs[i].At.IsZero() {
			if _, err := t.clock(); err != nil { // run_at and due must be the same
				return err
			}
			break
		}
	}
	due := make([]time.Time, len(todo))
	q := []byte("INSERT INTO ds_jobs (type, phase, status, priority, parent, windowed, created_at, run_at, scheduled_for, instance, job_key) VALUES ")
	var args []any
	for k, i := range todo {
		j := &jobs[i]
		switch {
		case !j.At.IsZero() && j.At.After(t.now):
			due[k] = j.At.UTC().Truncate(time.Microsecond)
		case j.At.IsZero() && j.Delay > 0:
			due[k] = t.now.Add(j.Delay).Truncate(time.Microsecond)
		}
		if k > 0 {
			q = append(q, ',')
		}
		q = append(q, '(')
		q = appendInts(q, int64(j.Type), int64(j.Phase), int64(engine.StatusWaiting), int64(j.Priority), int64(j.Parent), int64(j.Windowed()))
		q = append(q, ',')
		q = append(q, now...)
		q = append(q, ',')
		q = append(q, literal(due[k])...)
		if j.ScheduledFor.IsZero() {
			q = append(q, ",NULL"...)
		} else {
			q = append(append(q, ','), literal(j.ScheduledFor)...)
		}
		for _, v := range []string{j.Instance, j.Key} {
			if v == "" {
				q = append(q, ",NULL"...)
			} else {
				q = append(q, ",?"...)
				args = append(args, v)
			}
		}
		q = append(q, ')')
	}
	ids, err := t.insertIDs(string(q), args, len(todo))
	if err != nil {
		return err
	}
	for k, i := range todo {
		made[i] = engine.Enqueued{ID: engine.JobID(ids[k]), Created: true}
	}
	if err := t.insertPayloads(jobs, made, todo); err != nil {
		return err
	}
	if err := t.insertDue(jobs, made, todo, due); err != nil {
		return err
	}
	return t.insertEmissions(jobs, made, todo)
}

// insertIDs runs an INSERT of n rows with generated ids and gives the ids in
// the order of the rows. They are the first one and its successors by the
// server's increment; where that is not 1 (Galera, group replication), which a
// change of membership can alter, they are looked up to make sure.
func (t *Tx) insertIDs(q string, args []any, n int) ([]int64, error) {
	r, err := t.x.ExecContext(t.ctx, t.s.SQL(q), args...)
	if err != nil {
		return nil, t.s.wrap(err, q)
	}
	id, err := r.LastInsertId()
	if err != nil {
		return nil, t.s.wrap(err, q)
	}
	ids := make([]int64, n)
	if t.s.D.Name() == "sqlite" { // it tells the last one, and there is one writer
		for i := range ids {
			ids[i] = id - int64(n-1-i)
		}
		return ids, nil
	}
	step := int64(1)
	if n > 1 {
		if _, err := t.row([]any{&step}, "SELECT @@auto_increment_increment"); err != nil {
			return nil, err
		}
	}
	for i := range ids {
		ids[i] = id + int64(i)*step
	}
	if step != 1 {
		var found int
		if _, err := t.row([]any{&found}, "SELECT COUNT(*) FROM ds_jobs WHERE id IN ("+idList(ids)+")"); err != nil {
			return nil, err
		}
		if found != n {
			return nil, engine.Errorf(engine.CodeRetry, "the ids of %d new jobs are not in steps of %d: the cluster changed", n, step)
		}
	}
	return ids, nil
}

func (t *Tx) insertPayloads(jobs []engine.JobInsert, made []engine.Enqueued, todo []int) error {
	q := []byte("INSERT INTO ds_payloads (id, payload) VALUES ")
	var args []any
	size := 0
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		_, err := t.exec(string(q), args...)
		q, args, size = q[:len("INSERT INTO ds_payloads (id, payload) VALUES ")], args[:0], 0
		return err
	}
	for _, i := range todo {
		if jobs[i].Payload == nil {
			continue
		}
		if size > 0 && size+len(jobs[i].Payload) > maxStatement {
			if err := flush(); err != nil {
				return err
			}
		}
		if len(args) > 0 {
			q = append(q, ',')
		}
		q = append(q, '(')
		q = append(appendInts(q, int64(made[i].ID)), ",?)"...)
		args = append(args, string(jobs[i].Payload))
		size += len(jobs[i].Payload)
	}
	return flush()
}

// insertDue puts new jobs where they wait: delayed first, then ready.
func (t *Tx) insertDue(jobs []engine.JobInsert, made []engine.Enqueued, todo []int, due []time.Time) error {
	delayed := []byte("INSERT INTO ds_delayed (due, id, queue, priority, epoch) VALUES ")
	ready := []byte("INSERT INTO ds_ready (queue, priority, id, epoch) VALUES ")
	nd, nr := 0, 0
	for k, i := range todo {
		j := &jobs[i]
		queue := int64(j.Queue())
		if due[k].IsZero() {
			ready = openTuple(ready, &nr)
			ready = append(appendInts(ready, queue, int64(j.Priority), int64(made[i].ID)), ",0)"...)
			t.due = append(t.due, dueRow{engine.Queue(queue), j.Priority, made[i].ID})
			continue
		}
		delayed = openTuple(delayed, &nd)
		delayed = append(append(delayed, literal(due[k])...), ',')
		delayed = append(appendInts(delayed, int64(made[i].ID), queue, int64(j.Priority)), ",0)"...)
	}
	if nd > 0 {
		if _, err := t.exec(string(delayed)); err != nil {
			return err
		}
	}
	if nr > 0 {
		if _, err := t.exec(string(ready)); err != nil {
			return err
		}
	}
	return nil
}

// openTuple begins the next tuple of a VALUES list.
func openTuple(q []byte, n *int) []byte {
	if *n > 0 {
		q = append(q, ',')
	}
	*n++
	return append(q, '(')
}

// insertEmissions notes the ranges of ids that emitters made.
func (t *Tx) insertEmissions(jobs []engine.JobInsert, made []engine.Enqueued, todo []int) error {
	type span struct{ first, last engine.JobID }
	spans := map[engine.JobID]*span{}
	for _, i := range todo {
		p := jobs[i].Parent
		if p == 0 {
			continue
		}
		id := made[i].ID
		if sp := spans[p]; sp == nil {
			spans[p] = &span{id, id}
		} else {
			sp.first, sp.last = min(sp.first, id), max(sp.last, id)
		}
	}
	for p, sp := range spans {
		if _, err := t.exec("INSERT INTO ds_emissions (parent, first_id, last_id) VALUES (?, ?, ?)", p, sp.first, sp.last); err != nil {
			return err
		}
	}
	return nil
}

// countCreated reports the new jobs to the counters.
func (t *Tx) countCreated(jobs []engine.JobInsert, made []engine.Enqueued) error {
	var d deltas
	for i := range jobs {
		if made[i].Created {
			d.at(0, jobs[i].Type).created++
		}
	}
	return t.insertDeltas(&d)
}

// keyed is a job that brings a key, with the token that shows who won it.
type keyed struct {
	i     int
	hash  [20]byte
	token [8]byte
}
