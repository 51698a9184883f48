package storetest

import (
	"sync"

	"github.com/dsengine/dsengine/engine"
)

// refused opens a store whose next COMMIT is not sent; meanwhile is done before it
// can look what became of it. It is nil where a COMMIT always has an answer.
func (w *world) refused(meanwhile func()) engine.Store {
	w.Helper()
	f := &Faults{}
	s := w.open(Options{Wrap: f.Wrap})
	var once sync.Once
	f.Struck = func() { once.Do(meanwhile) }
	for _, fault := range w.faults {
		if fault.Mode == Refuse {
			f.ArmCommit(fault)
			return s
		}
	}
	return nil
}

// comeBack has the ids of rows that nobody sees be given again, as a server does
// that crashed and was started again.
func (w *world) comeBack(table string) {
	w.Helper()
	if w.in.Rows { // elsewhere they come back with the transaction
		w.exec("ALTER TABLE " + table + " AUTO_INCREMENT = 1")
	}
}

var receiptCases = []testCase{
	{"an enqueue whose COMMIT was not carried out is done again, though another's job has its id", func(w *world) {
		t := w.typ("t")
		var other []engine.JobID
		s := w.refused(func() {
			w.comeBack("ds_jobs")
			other = w.enqueue(job(t))
		})
		if s == nil {
			return
		}
		list := jobs(t, 2)
		for i := range list {
			list[i].Payload = raw("mine")
		}
		made, err := s.Enqueue(w.ctx, list)
		w.must(err)
		if made[0].ID == other[0] || made[1].ID == other[0] {
			w.Errorf("job %d is said to be made, and is another's", other[0])
		}
		for _, m := range made {
			w.same("payload", string(raw("mine")), string(w.view(m.ID).Payload))
		}
		w.same("jobs", int64(3), w.count("SELECT COUNT(*) FROM ds_jobs"))
	}},
	{"a redrive whose COMMIT was not carried out is done again, though another's job has its id", func(w *world) {
		t := w.typ("t")
		from := w.rejected(t, 1, 2)
		ids := w.openRejects(t)
		s := w.refused(func() {
			w.comeBack("ds_jobs")
			w.enqueue(job(w.typ("other")))
		})
		if s == nil {
			return
		}
		made, taken, err := s.Redrive(w.ctx, engine.RedriveBatch{Type: t, Mode: engine.RedriveRows, Rejects: ids})
		w.must(err)
		w.same("taken", 2, taken)
		w.same("type", "t", w.view(made[0]).Type)
		counts, err := w.store.RejectCounts(w.ctx, from)
		w.must(err)
		w.same("redriving", int64(2), counts.Redriving)
	}},
	{"a retry whose COMMIT was not carried out is done again, though a redrive looked at the job", func(w *world) {
		t := w.typ("t")
		w.rejected(t, 1)
		w.redrive(t, engine.RedriveRows)
		j := w.take(queue(t))
		w.commit(alone(failed(j)))
		s := w.refused(func() { w.redrive(t, engine.RedriveRows) })
		if s == nil {
			return
		}
		w.must(s.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		w.stands("consume/waiting", j.ID)
	}},
	{"a value whose COMMIT was not carried out is a conflict, though another wrote the same", func(w *world) {
		w.must(w.set("v", raw("a"), -1))
		s := w.refused(func() { w.must(w.set("v", raw("b"), 1)) })
		if s == nil {
			return
		}
		w.code("set", engine.CodeConflict, s.SetVariables(w.ctx, []engine.VariableWrite{{Name: "v", Value: raw("b"), Seen: 1}, {Name: "w", Value: raw("c"), Seen: -1}}))
		w.same("the other value", engine.Variable{}, w.value("w"))
	}},
	{"receipts are as many as there are at once, and are pruned", func(w *world) {
		t := w.typ("t")
		for range 20 {
			w.enqueue(job(t))
		}
		w.same("receipts", int64(1), w.count("SELECT COUNT(*) FROM ds_receipts"))
		w.exec("UPDATE ds_receipts SET at = " + old)
		w.must(w.store.PruneRest(w.ctx, 100))
		w.same("receipts that are old", int64(0), w.count("SELECT COUNT(*) FROM ds_receipts"))
		w.enqueue(job(t))
		w.must(w.store.PruneRest(w.ctx, 100))
		w.same("receipts that are new", int64(1), w.count("SELECT COUNT(*) FROM ds_receipts"))
	}},
}
