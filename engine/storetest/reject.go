package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dsengine/dsengine/engine"
)

// reject is a row that a hook rejected.
func reject(row any) engine.Rejection { return engine.Rejection{Row: raw(row), Reason: "why"} }

// rejecting adds rejects to an outcome.
func rejecting(o *engine.Outcome, list ...engine.Rejection) *engine.Outcome {
	o.Rejects = list
	return o
}

// rejects are those that a filter finds, "row state".
func (w *world) rejects(f engine.RejectFilter) []string {
	w.Helper()
	list := []string{}
	w.must(w.store.Rejects(w.ctx, f, func(r *engine.Reject) bool {
		list = append(list, fmt.Sprintf("%s %s", r.Row, r.State))
		return true
	}))
	return list
}

// rejected is a job that completed and rejected rows.
func (w *world) rejected(t engine.TypeID, rows ...any) engine.JobID {
	w.Helper()
	j := w.start(job(t))
	var list []engine.Rejection
	for _, r := range rows {
		list = append(list, reject(r))
	}
	w.commit(rejecting(alone(completed(j)), list...))
	return j.ID
}

// openRejects are the ids of the rejects of a type that are open.
func (w *world) openRejects(t engine.TypeID) (ids []int64) {
	w.Helper()
	w.must(w.store.Rejects(w.ctx, engine.RejectFilter{Type: t, Open: true, NoRows: true}, func(r *engine.Reject) bool {
		ids = append(ids, r.ID)
		return true
	}))
	return ids
}

// redrive has all open rejects of a type redriven.
func (w *world) redrive(t engine.TypeID, mode engine.RedriveMode) ([]engine.JobID, int) {
	w.Helper()
	jobs, n, err := w.store.Redrive(w.ctx, engine.RedriveBatch{Type: t, Mode: mode, Rejects: w.openRejects(t)})
	w.must(err)
	return jobs, n
}

// redriving ends a job well that redrives.
func redriving(o *engine.Outcome) *engine.Outcome {
	o.Redriven = math.MaxInt64
	return o
}

var rejectCases = []testCase{
	{"rejects commit with their job, as they are", func(w *world) {
		t := w.typ("t")
		n := job(t)
		n.Instance = "north"
		j := w.start(n)
		list := []engine.Rejection{
			{Row: raw("größer '\"\\ 😀"), Reason: "größer '\"\\ 😀", Source: "a/ü.csv", Line: 17},
			{Row: engine.Raw(`{"b": 1,  "a": null}`), WholeItem: true},
			{Row: raw("cut"), Reason: "x", Cut: true},
		}
		w.commit(rejecting(alone(completed(j)), list...))
		var got []*engine.Reject
		w.must(w.store.Rejects(w.ctx, engine.RejectFilter{Job: j.ID}, func(r *engine.Reject) bool { got = append(got, r); return true }))
		base := engine.Reject{Job: j.ID, Type: "t", Instance: p("north"), Phase: engine.PhaseConsume, Attempt: 1, State: engine.RejectOpen}
		want := []*engine.Reject{}
		for _, r := range list {
			x := base
			x.Row, x.Reason, x.WholeItem, x.Cut, x.Size = r.Row, r.Reason, r.WholeItem, r.Cut, len(r.Row)
			if r.Source != "" {
				x.Source, x.Line = p(r.Source), p(r.Line)
			}
			want = append(want, &x)
		}
		w.same("rejects", want, got, cmpopts.IgnoreFields(engine.Reject{}, "ID", "At"))
		if d := time.Since(got[0].At).Abs(); d > time.Minute {
			w.Errorf("it was rejected %v ago", d)
		}
	}},
	{"many rejects, and large ones, come back in their order", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		var list []engine.Rejection
		for n := range 2600 {
			list = append(list, reject(n))
		}
		for range 12 {
			list = append(list, reject(strings.Repeat("x", 1<<20-2)))
		}
		w.commit(rejecting(alone(completed(j)), list...))
		for _, newest := range []bool{false, true} {
			n := 0
			w.must(w.store.Rejects(w.ctx, engine.RejectFilter{Type: t, Newest: newest}, func(r *engine.Reject) bool {
				i := n
				if newest {
					i = len(list) - 1 - n
				}
				if string(r.Row) != string(list[i].Row) {
					w.Fatalf("reject %d is not in its place", i)
				}
				n++
				return true
			}))
			w.same("rejects", len(list), n)
		}
		n := 0
		w.must(w.store.Rejects(w.ctx, engine.RejectFilter{}, func(*engine.Reject) bool { n++; return n < 3 }))
		w.same("until it is told to stop", 3, n)
	}},
	{"filters", func(w *world) {
		t, other := w.typ("t"), w.typ("other")
		a := w.rejected(t, 1, 2)
		w.rejected(other, 3)
		b := w.start(job(t))
		w.commit(rejecting(alone(completed(b)), engine.Rejection{Row: raw(4), Reason: "no such [thing]: 50%_off"}))
		ids := w.openRejects(t)
		for _, c := range []struct {
			f    engine.RejectFilter
			want []string
		}{
			{engine.RejectFilter{Type: t}, []string{"1 open", "2 open", "4 open"}},
			{engine.RejectFilter{Job: a}, []string{"1 open", "2 open"}},
			{engine.RejectFilter{Type: other, Job: a}, []string{}},
			{engine.RejectFilter{Type: t, After: ids[0]}, []string{"2 open", "4 open"}},
			{engine.RejectFilter{Type: t, Since: time.Now().Add(-time.Hour)}, []string{"1 open", "2 open", "4 open"}},
			{engine.RejectFilter{Type: t, Since: time.Now().Add(time.Hour)}, []string{}},
			{engine.RejectFilter{Type: t, Before: time.Now().Add(-time.Hour)}, []string{}},
			{engine.RejectFilter{Type: t, Before: time.Now().Add(time.Hour)}, []string{"1 open", "2 open", "4 open"}},
			{engine.RejectFilter{Type: t, IDs: ids[1:2]}, []string{"2 open"}},
			{engine.RejectFilter{Reason: "w?y"}, []string{"1 open", "2 open", "3 open"}},
			{engine.RejectFilter{Reason: "*[thing]: 50%_*"}, []string{"4 open"}},
			{engine.RejectFilter{Reason: "no"}, []string{}},
			{engine.RejectFilter{Reason: "no such \xfc*"}, []string{}},
			{engine.RejectFilter{Redrive: 4711}, []string{}},
			{engine.RejectFilter{Type: t, NoRows: true}, []string{" open", " open", " open"}},
		} {
			w.same(fmt.Sprintf("%+v", c.f), c.want, w.rejects(c.f))
		}
	}},
	{"an attempt that failed for its rejects keeps them until it is retried", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(rejecting(checkpoint(j, "a"), reject("first part")))
		w.commit(rejecting(alone(failed(j)), reject("second part")))
		w.same("rejects", []string{`"first part" open`, `"second part" open`}, w.rejects(engine.RejectFilter{Job: j.ID}))
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		w.same("after a retry", []string{`"first part" open`}, w.rejects(engine.RejectFilter{Job: j.ID}))
		j = w.take(queue(t))
		w.commit(rejecting(alone(failed(j)), reject("again")))
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{Fresh: true}))
		w.same("after a fresh retry", []string{}, w.rejects(engine.RejectFilter{Job: j.ID}))
	}},
	{"a fail hook that retries drops the rejects of the failed attempt", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFail)
		j := w.start(job(t))
		w.commit(rejecting(checkpoint(j, "a"), reject("kept")))
		w.commit(rejecting(failing(j), reject("dropped")))
		f := w.take(engine.QueueOf(t, engine.PhaseFail))
		o := outcome(f, engine.Retried, engine.State{Phase: engine.PhaseConsume, Status: engine.StatusWaiting})
		w.commit(rejecting(o, reject("by the fail hook")))
		w.same("rejects", []string{`"kept" open`, `"by the fail hook" open`}, w.rejects(engine.RejectFilter{Job: j.ID}))
	}},
	{"places are those of the present run", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(rejecting(checkpoint(j, "a"), engine.Rejection{Row: raw(1), Source: "a.csv", Line: 5}, engine.Rejection{Row: raw(1), Source: "a.csv"}))
		places, err := w.store.RejectPlaces(w.ctx, j.ID, j.Phase)
		w.must(err)
		w.same("places", map[uint64]bool{engine.RejectPlace("a.csv", 5): true}, places)
		w.commit(alone(failed(j)))
		w.redrive(t, engine.RedriveRows)
		w.commit(redriving(alone(completed(w.take(queue(t))))))
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{Fresh: true}))
		places, err = w.store.RejectPlaces(w.ctx, j.ID, j.Phase)
		w.must(err)
		w.same("places of an earlier run", 0, len(places))
		w.same("which is kept, because it was redriven", []string{"1 redriven", "1 redriven"}, w.rejects(engine.RejectFilter{Job: j.ID}))
	}},
	{"redriven rows belong to one job, until it fails", func(w *world) {
		t := w.typ("t")
		from := w.rejected(t, 1, 2, 3)
		ids := w.openRejects(t)
		jobs, n := w.redrive(t, engine.RedriveRows)
		w.same("jobs and rejects", []int{1, 3}, []int{len(jobs), n})
		_, n, err := w.store.Redrive(w.ctx, engine.RedriveBatch{Type: t, Mode: engine.RedriveRows, Rejects: ids})
		w.must(err)
		w.same("a second time", 0, n)
		w.same("jobs", 2, len(w.list(engine.JobFilter{Type: t})))
		counts := func(want engine.RejectCounts) {
			w.Helper()
			c, err := w.store.RejectCounts(w.ctx, from)
			w.must(err)
			w.same("counts", want, c)
		}
		counts(engine.RejectCounts{Kept: 3, Redriving: 3})
		redrives := func(what string, id engine.JobID, want *engine.Redrives) {
			w.Helper()
			j, err := w.store.Job(w.ctx, id)
			w.must(err)
			w.same(what, want, j.Redrives)
		}
		redrives("what the job redrives", jobs[0], &engine.Redrives{Rejects: 3, First: ids[0], Last: ids[2]})
		redrives("what another does", from, nil)
		j := w.take(queue(t))
		w.same("mode", engine.RedriveRows, j.Redrive)
		o := checkpoint(j, "a")
		o.Redriven = ids[0]
		w.commit(o)
		counts(engine.RejectCounts{Kept: 3, Redriving: 2, Redriven: 1})
		w.commit(alone(failed(j)))
		counts(engine.RejectCounts{Kept: 3, Open: 2, Redriven: 1})
		more, n := w.redrive(t, engine.RedriveRows)
		w.same("redriven after a failure", 2, n)
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		w.same("rows of the job that failed", []string{"1 redriven"}, w.rejects(engine.RejectFilter{Redrive: j.ID}))
		redrives("what the job that failed redrives", j.ID, &engine.Redrives{Rejects: 1, First: ids[0], Last: ids[0]})
		redrives("what the other does", more[0], &engine.Redrives{Rejects: 2, First: ids[1], Last: ids[2]})
		w.same("rows of the other", []string{"2 redriving", "3 redriving"}, w.rejects(engine.RejectFilter{Redrive: more[0]}))
		for range 2 {
			w.commit(redriving(alone(completed(w.take(queue(t))))))
		}
		counts(engine.RejectCounts{Kept: 3, Redriven: 3})
	}},
	{"a redrive that is cancelled leaves its rejects open", func(w *world) {
		t := w.typ("t")
		w.rejected(t, 1)
		jobs, _ := w.redrive(t, engine.RedriveRows)
		w.cancel(jobs[0])
		w.same("open", 1, len(w.openRejects(t)))
		w.redrive(t, engine.RedriveRows)
		j := w.take(queue(t))
		w.cancel(j.ID)
		w.commit(redriving(opened(j, job(t))))
		w.sweep()
		w.stands("cancelled", j.ID)
		w.same("open after its items were cancelled", 1, len(w.openRejects(t)))
	}},
	{"rows of an attempt that was rolled back are not redriven: a retry meets them", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(rejecting(checkpoint(j, "a"), reject("kept")))
		w.commit(rejecting(alone(failed(j)), reject("rolled back")))
		var rolledBack []bool
		w.must(w.store.Rejects(w.ctx, engine.RejectFilter{Job: j.ID}, func(r *engine.Reject) bool {
			rolledBack = append(rolledBack, r.RolledBack)
			return true
		}))
		w.same("rolled back", []bool{false, true}, rolledBack)
		counts, err := w.store.RejectCounts(w.ctx, j.ID)
		w.must(err)
		w.same("counts", engine.RejectCounts{Kept: 2, Open: 2, RolledBack: 1}, counts)
		_, n := w.redrive(t, engine.RedriveRows)
		w.same("taken", 1, n)
		w.same("rejects", []string{`"kept" redriving`, `"rolled back" open`}, w.rejects(engine.RejectFilter{Job: j.ID}))
		w.commit(redriving(alone(completed(w.take(queue(t))))))
	}},
	{"what was redriven is mended, unless it was rejected again", func(w *world) {
		t := w.typ("t")
		stands := func(what string, id engine.JobID, want engine.CommittedRejects) {
			w.Helper()
			got, err := w.store.CommittedRejects(w.ctx, id, engine.PhaseConsume)
			w.must(err)
			w.same(what, want, got)
		}
		j := w.start(job(t))
		w.commit(rejecting(checkpoint(j, "a"), reject(1), reject(2), engine.Rejection{Row: raw(3), WholeItem: true}))
		w.commit(rejecting(alone(failed(j)), reject("rolled back")))
		stands("at first", j.ID, engine.CommittedRejects{Unplaced: true, Standing: 3, Whole: 1})
		w.redrive(t, engine.RedriveRows)
		stands("while they are redriven", j.ID, engine.CommittedRejects{Unplaced: true, Standing: 3, Whole: 1})
		first := w.take(queue(t))
		w.commit(rejecting(redriving(alone(completed(first))), reject(1), reject(2)))
		stands("two were rejected again", j.ID, engine.CommittedRejects{Unplaced: true, Standing: 2, Mended: 1})
		stands("by the redrive", first.ID, engine.CommittedRejects{Unplaced: true, Standing: 2})
		w.redrive(t, engine.RedriveRows)
		second := w.take(queue(t))
		w.commit(rejecting(redriving(alone(completed(second))), reject(1)))
		stands("one was rejected a third time", j.ID, engine.CommittedRejects{Unplaced: true, Standing: 1, Mended: 2})
		stands("of the first redrive", first.ID, engine.CommittedRejects{Unplaced: true, Standing: 1, Mended: 1})
		w.redrive(t, engine.RedriveRows)
		w.commit(redriving(alone(completed(w.take(queue(t))))))
		stands("in the end", j.ID, engine.CommittedRejects{Unplaced: true, Mended: 3})
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{Fresh: true}))
		stands("a run that began anew", j.ID, engine.CommittedRejects{})
		w.commit(alone(completed(w.take(queue(t)))))
		k := w.start(job(t))
		w.commit(rejecting(checkpoint(k, "a"), engine.Rejection{Row: raw(1), Source: "a.csv", Line: 5}, engine.Rejection{Row: raw(2), WholeItem: true}))
		stands("those that have a line, or are whole items", k.ID, engine.CommittedRejects{Standing: 2, Whole: 1})
	}},
	{"a redrive that was retried meanwhile keeps its rejects", func(w *world) {
		t := w.typ("t")
		w.rejected(t, 1)
		w.redrive(t, engine.RedriveRows)
		j := w.take(queue(t))
		w.commit(alone(failed(j)))
		ids := w.openRejects(t)
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		_, n, err := w.store.Redrive(w.ctx, engine.RedriveBatch{Type: t, Mode: engine.RedriveRows, Rejects: ids})
		w.must(err)
		w.same("taken", 0, n)
		w.code("from produce", engine.CodeUsage, w.retryFromProduce(j.ID))
	}},
	{"a reject that was closed is not open, until it is reopened", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(rejecting(checkpoint(j, "a"), reject(1), reject(2), engine.Rejection{Row: raw(3), WholeItem: true}))
		w.commit(rejecting(alone(failed(j)), reject("rolled back")))
		ids := w.openRejects(t)
		closes := func(want int, do func(context.Context, []int64) (int, error), ids ...int64) {
			w.Helper()
			n, err := do(w.ctx, ids)
			w.must(err)
			w.same("done", want, n)
		}
		closes(0, w.store.CloseRejects)
		closes(3, w.store.CloseRejects, ids[0], ids[2], ids[3], 4711)
		closes(0, w.store.CloseRejects, ids[0], ids[2])
		counts, err := w.store.RejectCounts(w.ctx, j.ID)
		w.must(err)
		w.same("counts", engine.RejectCounts{Kept: 4, Open: 1, Closed: 3, RolledBack: 1}, counts)
		w.same("open", []int64{ids[1]}, w.openRejects(t))
		w.same("by ids", []string{"1 closed", "3 closed"}, w.rejects(engine.RejectFilter{IDs: []int64{ids[0], ids[2]}}))
		stand, err := w.store.CommittedRejects(w.ctx, j.ID, engine.PhaseConsume)
		w.must(err)
		w.same("what stands", engine.CommittedRejects{Unplaced: true, Standing: 1, Mended: 2}, stand)
		_, n, err := w.store.Redrive(w.ctx, engine.RedriveBatch{Type: t, Mode: engine.RedriveRows, Rejects: ids})
		w.must(err)
		w.same("redriven", 1, n)
		closes(0, w.store.CloseRejects, ids[1]) // it is being redriven
		closes(0, w.store.ReopenRejects, ids[1])
		closes(3, w.store.ReopenRejects, ids...)
		w.same("after all", []string{"1 open", "2 redriving", "3 open", `"rolled back" open`}, w.rejects(engine.RejectFilter{Job: j.ID}))
		closes(2, w.store.CloseRejects, ids[0], ids[2])
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{Fresh: true}))
		w.same("a run that begins anew meets those that were closed", []string{"2 redriving"}, w.rejects(engine.RejectFilter{Job: j.ID}))
	}},
	{"what a redrive has rejected again and was closed is mended", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(rejecting(checkpoint(j, "a"), reject(1), reject(2)))
		w.commit(alone(failed(j)))
		w.redrive(t, engine.RedriveRows)
		w.commit(rejecting(redriving(alone(completed(w.take(queue(t))))), reject(1), reject(2)))
		_, err := w.store.CloseRejects(w.ctx, w.openRejects(t)[:1])
		w.must(err)
		stand, err := w.store.CommittedRejects(w.ctx, j.ID, engine.PhaseConsume)
		w.must(err)
		w.same("what stands", engine.CommittedRejects{Unplaced: true, Standing: 1, Mended: 1}, stand)
	}},
	{"a redrive that failed and is retried leaves out what was closed meanwhile", func(w *world) {
		t := w.typ("t")
		from := w.rejected(t, 1, 2, 3)
		w.redrive(t, engine.RedriveRows)
		j := w.take(queue(t))
		w.commit(alone(failed(j)))
		ids := w.openRejects(t)
		_, err := w.store.CloseRejects(w.ctx, ids[:2])
		w.must(err)
		w.must(w.store.Retry(w.ctx, j.ID, engine.RetryOptions{}))
		n, err := w.store.CloseRejects(w.ctx, ids)
		w.must(err)
		w.same("closed while it is redriven", 0, n)
		w.same("its rows", []string{"3 redriving"}, w.rejects(engine.RejectFilter{Redrive: j.ID}))
		_, err = w.store.ReopenRejects(w.ctx, ids[:1])
		w.must(err)
		w.commit(redriving(alone(completed(w.take(queue(t))))))
		w.same("rejects", []string{"1 open", "2 closed", "3 redriven"}, w.rejects(engine.RejectFilter{Job: from}))
	}},
	{"of who closes a reject and who redrives it at once, one is first", func(w *world) {
		other := w.open(Options{})
		for round := range 10 {
			t := w.typ(fmt.Sprint("t", round))
			from := w.rejected(t, 1, 2, 3, 4, 5)
			w.redrive(t, engine.RedriveRows)
			j := w.take(queue(t))
			w.commit(alone(failed(j)))
			ids := w.openRejects(t)
			var closed, redriven int
			var wg sync.WaitGroup
			wg.Go(func() {
				var err error
				if closed, err = w.store.CloseRejects(w.ctx, ids); err != nil {
					w.Error(err)
				}
			})
			wg.Go(func() {
				var err error
				if _, redriven, err = other.Redrive(w.ctx, engine.RedriveBatch{Type: t, Mode: engine.RedriveRows, Rejects: ids}); err != nil {
					w.Error(err)
				}
			})
			wg.Go(func() {
				if err := other.Retry(w.ctx, j.ID, engine.RetryOptions{}); err != nil {
					w.Error(err)
				}
			})
			wg.Wait()
			counts, err := w.store.RejectCounts(w.ctx, from)
			w.must(err)
			w.same("counts", engine.RejectCounts{Kept: 5, Closed: int64(closed), Redriving: 5 - int64(closed)}, counts)
			if redriven != 0 && redriven != 5 || redriven+closed > 5 {
				w.Errorf("%d closed, %d redriven", closed, redriven)
			}
			w.until("all are done", func() bool { // what another process made due may take a moment to be found
				for _, j := range w.claim(queue(t), 10) {
					w.commit(redriving(among(completed(j))))
				}
				return w.count("SELECT COUNT(*) FROM ds_jobs WHERE type = ? AND status < ?", t, engine.StatusCompleted) == 0
			})
		}
	}},
	{"items are redriven by a job each, with their payload", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.commit(rejecting(alone(completed(j)),
			engine.Rejection{Row: raw("a"), WholeItem: true}, reject("a row"), engine.Rejection{Row: engine.Raw(`{"b":  2}`), WholeItem: true}, engine.Rejection{Row: raw("c"), WholeItem: true, Cut: true}))
		jobs, n := w.redrive(t, engine.RedriveItem)
		w.same("jobs and rejects", []int{2, 2}, []int{len(jobs), n})
		list := w.claim(queue(t), 5)
		w.same("payloads", []string{`"a"`, `{"b":  2}`}, []string{string(list[0].Payload), string(list[1].Payload)})
		w.same("modes", []engine.RedriveMode{engine.RedriveItem, engine.RedriveItem}, []engine.RedriveMode{list[0].Redrive, list[1].Redrive})
		w.commit(redriving(among(completed(list[0]))))
		w.commit(alone(failed(list[1])))
		w.same("rejects", []string{`"a" redriven`, `"a row" open`, `{"b":  2} open`, `"c" open`}, w.rejects(engine.RejectFilter{Job: j.ID}))
	}},
	{"two that redrive at once share the rejects", func(w *world) {
		t := w.typ("t")
		const rows = 50
		var list []any
		for n := range rows {
			list = append(list, n)
		}
		for range 10 {
			w.rejected(t, list...)
			ids := w.openRejects(t)
			taken := make([]int, 3)
			var wg sync.WaitGroup
			for i := range taken {
				s := w.store
				if i > 0 {
					s = w.open(Options{})
				}
				wg.Go(func() {
					for part := range slices.Chunk(ids, 10) {
						_, n, err := s.Redrive(w.ctx, engine.RedriveBatch{Type: t, Mode: engine.RedriveRows, Rejects: part})
						if err != nil {
							w.Error(err)
						}
						taken[i] += n
					}
				})
			}
			wg.Wait()
			w.same("taken in all", len(ids), taken[0]+taken[1]+taken[2])
			w.same("open", 0, len(w.openRejects(t)))
			for i, j := range w.claim(queue(t), 100) { // half of them fail, and there is more to contend for
				if i%2 == 0 {
					w.commit(redriving(among(completed(j))))
				} else {
					w.commit(among(failed(j)))
				}
			}
		}
	}},
	{"rejects are pruned with their job, but not while they are redriven", func(w *world) {
		w.loose = true
		t, other := w.typ("t"), w.typ("other")
		var many []any
		for n := range 2500 {
			many = append(many, n)
		}
		a := w.rejected(t, many...)
		b := w.rejected(other, "b")
		w.redrive(t, engine.RedriveRows)
		w.exec("UPDATE ds_jobs SET finished_at = "+old+" WHERE id IN (?, ?)", a, b)
		w.same("pruned", []int{0, 1}, []int{w.pruneAll(t, everything), w.pruneAll(other, everything)})
		w.same("rejects", int64(2500), w.count("SELECT COUNT(*) FROM ds_rejects"))
		j := w.take(queue(t))
		w.commit(alone(failed(j)))
		w.exec("UPDATE ds_jobs SET finished_at = "+old+" WHERE id = ?", j.ID)
		w.must(w.prune1(t, j.ID))
		w.same("open when the job that redrove them is gone", 2500, len(w.openRejects(t)))
		w.redrive(t, engine.RedriveRows)
		w.commit(redriving(alone(completed(w.take(queue(t))))))
		w.same("pruned", 1, w.pruneAll(t, everything))
		w.same("rejects", int64(0), w.count("SELECT COUNT(*) FROM ds_rejects"))
	}},
	{"a late worker leaves no reject", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		for _, o := range []*engine.Outcome{alone(completed(j)), alone(failed(j)), checkpoint(j, "x")} {
			w.code("commit", engine.CodeLost, w.store.Commit(w.ctx, nil, rejecting(o, reject(1))))
		}
		w.same("rejects", int64(0), w.count("SELECT COUNT(*) FROM ds_rejects"))
	}},
}

func (w *world) retryFromProduce(id engine.JobID) error {
	w.Helper()
	w.commit(redriving(alone(completed(w.take(queue(w.view(id).TypeID))))))
	return w.store.Retry(w.ctx, id, engine.RetryOptions{From: engine.PhaseProduce})
}

// prune1 deletes one job, whose emitter's rejects stay.
func (w *world) prune1(t engine.TypeID, id engine.JobID) error {
	for range 3 {
		if _, _, err := w.store.Prune(w.ctx, t, map[engine.Status]time.Duration{engine.StatusFailed: time.Hour}, 100); err != nil {
			return err
		}
	}
	_, err := w.store.Job(context.WithoutCancel(w.ctx), id)
	if engine.CodeOf(err) != engine.CodeNotFound {
		return fmt.Errorf("job %d is there still: %w", id, err)
	}
	return nil
}

// checkRejects checks that each reject's job is there, and that none is being
// redriven by a job that has completed without it.
func (c *checker) checkRejects() {
	c.each("SELECT r.id, r.job FROM ds_rejects r LEFT JOIN ds_jobs j ON j.id = r.job WHERE j.id IS NULL", func(v []sql.NullString) {
		c.bad("reject %s is of job %s, which is gone", v[0].String, v[1].String)
	})
	c.each(fmt.Sprintf("SELECT r.id, j.id FROM ds_rejects r JOIN ds_jobs j ON j.id = r.redrive WHERE r.redriven = 0 AND (j.status = %d OR j.redrive = 0)", done), func(v []sql.NullString) {
		c.bad("reject %s is to be redriven by job %s, which is done or does not redrive", v[0].String, v[1].String)
	})
}
