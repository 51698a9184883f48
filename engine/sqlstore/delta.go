package sqlstore

import (
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// delta is what jobs report, added up by parent and type before it is written.
type delta struct {
	parent                                engine.JobID
	typ                                   engine.TypeID
	created, completed, failed, cancelled int64
	retries, losses, ranMS                int64
	stats                                 engine.Stats
}

// count adds a job that became final.
func (d *delta) count(s engine.Status) {
	switch s {
	case engine.StatusCompleted:
		d.completed++
	case engine.StatusFailed:
		d.failed++
	case engine.StatusCancelled:
		d.cancelled++
	}
}

// uncount takes a job out that was final and is not any more.
func (d *delta) uncount(s engine.Status) {
	var x delta
	x.count(s)
	d.completed -= x.completed
	d.failed -= x.failed
	d.cancelled -= x.cancelled
}

// deltas are the reports of one transaction.
type deltas struct{ list []*delta }

// at is the report for a parent (0: none) and a type.
func (d *deltas) at(parent engine.JobID, typ engine.TypeID) *delta {
	for i := len(d.list) - 1; i >= 0; i-- {
		if x := d.list[i]; x.parent == parent && x.typ == typ {
			return x
		}
	}
	x := &delta{parent: parent, typ: typ}
	d.list = append(d.list, x)
	return x
}

// settle adds what an outcome reports.
func (d *deltas) settle(o *engine.Outcome) {
	final := o.To.Status.Final() && !o.Checkpoint()
	if !final && o.Event != engine.Retried && o.Failure == nil && len(o.NewStats) == 0 && o.To.Status != engine.StatusOpen {
		return
	}
	x := d.at(o.Job.Parent, o.Job.Type)
	if final {
		x.count(o.To.Status)
	}
	if o.Event == engine.Retried {
		x.retries++
	}
	if !o.Checkpoint() { // it ran since the hook began, checkpoints and all
		x.ranMS += o.Elapsed.Milliseconds()
	}
	if len(o.NewStats) > 0 {
		if x.stats == nil {
			x.stats = engine.Stats{}
		}
		x.stats.Add(o.NewStats)
	}
	if o.To.Status == engine.StatusOpen {
		// Its items may have settled before it opened: have it looked at.
		d.at(o.Job.ID, o.Job.Type)
	}
}

// insertDeltas writes the reports; any server folds them.
func (t *Tx) insertDeltas(d *deltas) error {
	if t.s.Scratch { // those of no emitter are for the totals
		d.list = slices.DeleteFunc(d.list, func(x *delta) bool { return x.parent == 0 })
	}
	for n := 0; n < len(d.list); n += insertChunk {
		q := []byte("INSERT INTO ds_deltas (parent, type, at, created, completed, failed, cancelled, retries, losses, ran_ms, stats) VALUES ")
		var args []any
		for i, x := range d.list[n:min(n+insertChunk, len(d.list))] {
			if i > 0 {
				q = append(q, ',')
			}
			q = append(q, '(')
			q = append(appendInts(q, int64(x.parent), int64(x.typ)), ',')
			q = append(append(q, t.s.D.Now()...), ',')
			q = append(appendInts(q, x.created, x.completed, x.failed, x.cancelled, x.retries, x.losses, x.ranMS), ",?)"...)
			args = append(args, statsText(x.stats))
		}
		if _, err := t.exec(string(q), args...); err != nil {
			return err
		}
	}
	return nil
}
