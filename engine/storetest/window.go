package storetest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// day is the n-th day of 1970, or before it.
func day(n int) time.Time { return time.Date(1970, 1, n, 0, 0, 0, 0, time.UTC) }

// until is an ask for a window that ends on a day.
func until(n int) engine.WindowAsk { return engine.WindowAsk{Start: day(1), End: day(n)} }

// backfilled is a job of a backfill, for a day.
func backfilled(t engine.TypeID, n int) engine.JobInsert {
	j := job(t)
	j.Window = &engine.Window{Start: day(n), End: day(n + 1), Backfill: true}
	return j
}

// fix fixes the window of a job.
func (w *world) fix(j *engine.ClaimedJob, ask engine.WindowAsk) engine.Window {
	w.Helper()
	x, err := w.store.FixWindow(w.ctx, j, ask)
	w.must(err)
	return x
}

// within makes a job, and fixes its window, which ends on a day.
func (w *world) within(t engine.TypeID, n int) *engine.ClaimedJob {
	w.Helper()
	j := w.start(job(t))
	w.fix(j, until(n))
	return j
}

// end is up to where all of a type is imported: days, by instance.
func (w *world) end(t engine.TypeID) string {
	w.Helper()
	list, err := w.store.WindowEnds(w.ctx, t)
	w.must(err)
	var ends []string
	for _, e := range list {
		ends = append(ends, strings.TrimSpace(fmt.Sprint(e.Instance, " ", int(e.End.Sub(day(0)).Hours()/24))))
	}
	return strings.Join(ends, ", ")
}

// windowOf is a job's window, or that of its emitter; "" if there is none.
func (w *world) windowOf(id engine.JobID) string {
	w.Helper()
	x, err := w.store.Window(w.ctx, engine.JobRef{ID: id, Epoch: w.view(id).Epoch})
	w.must(err)
	return spanOf(x)
}

// spanOf is a window as the numbers of its days.
func spanOf(x *engine.Window) string {
	if x == nil {
		return ""
	}
	n := func(t time.Time) int { return int(t.Sub(day(0)).Hours() / 24) }
	s := fmt.Sprint(n(x.Start), "-", n(x.End))
	if x.Backfill {
		s += " backfill"
	}
	return s
}

var windowCases = []testCase{
	{"the first window begins where the script says, the next where the last one ended", func(w *world) {
		t := w.typ("t")
		a := w.start(job(t))
		w.same("the first", engine.Window{Start: day(-400), End: day(3)}, w.fix(a, engine.WindowAsk{Start: day(-400), End: day(3)}))
		w.same("before it completed", "", w.end(t))
		w.settle(a)
		w.same("imported", "3", w.end(t))
		b := w.start(job(t))
		w.same("the second", engine.Window{Start: day(3), End: day(5)}, w.fix(b, until(5)))
		v := w.view(b.ID)
		w.same("shown", &engine.Window{Start: day(3), End: day(5)}, v.Window)
		w.settle(b)
		w.same("imported", "5", w.end(t))
		other := w.start(job(w.typ("other")))
		w.same("of another type", day(1), w.fix(other, until(2)).Start)
		north := job(t)
		north.Instance = "north"
		c := w.start(north)
		w.same("of an instance", day(1), w.fix(c, until(9)).Start)
		w.settle(c, other)
		w.same("imported", "5, north 9", w.end(t))
	}},
	{"a window ends when the job was scheduled for, or now, and lag before", func(w *world) {
		t := w.typ("t")
		n := job(t)
		n.ScheduledFor = day(9).Add(123456 * time.Microsecond)
		j := w.start(n)
		w.same("scheduled", day(8).Add(123456*time.Microsecond), w.fix(j, engine.WindowAsk{Start: day(1), Lag: 24 * time.Hour}).End)
		j = w.start(job(t))
		now, err := w.store.Now(w.ctx)
		w.must(err)
		end := w.fix(j, engine.WindowAsk{Start: day(1), Lag: time.Hour}).End
		if d := end.Sub(now.Add(-time.Hour)); d < -time.Second || d > patience {
			w.Errorf("it ends %v after now, less the lag", d)
		}
		w.same("in UTC", "UTC", end.Location().String())
	}},
	{"a window is fixed once, whatever the clock says and others complete", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		n := job(t)
		n.Phase = engine.PhaseProduce
		j := w.start(n)
		w.same("the first call", "1-3", spanOf(p(w.fix(j, until(3)))))
		w.same("the second call", "1-3", spanOf(p(w.fix(j, engine.WindowAsk{Start: day(0), End: day(7)}))))
		w.settle(w.within(t, 5))
		w.commit(retried(j, 0))
		j = w.take(queue(t) - 1)
		w.same("another attempt", "1-3", spanOf(p(w.fix(j, until(7)))))
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		other := w.open(Options{})
		j = &w.claimOn(other, w.server(other), queue(t)-1, 1)[0].Jobs[0]
		x, err := other.FixWindow(w.ctx, j, until(7))
		w.must(err)
		w.same("another process", "1-3", spanOf(&x))
		w.commit(handedOn(j, raw(1)))
		j = w.take(queue(t))
		w.same("another phase", "1-3", spanOf(p(w.fix(j, until(7)))))
		w.commit(checkpoint(j, "x"))
		w.same("after a checkpoint", "1-3", spanOf(p(w.fix(j, until(7)))))
		w.commit(alone(completed(j)))
		w.again(j.ID, engine.RetryOptions{Fresh: true})
		j = w.take(queue(t))
		w.same("an operator's retry", "1-3", spanOf(p(w.fix(j, until(7)))))
		w.commit(alone(completed(j)))
		w.same("imported", "5", w.end(t))
	}},
	{"of two that fix a window at once, both get the same", func(w *world) {
		t := w.typ("t")
		other := w.open(Options{})
		for range 10 {
			j := w.start(job(t))
			var wg sync.WaitGroup
			var got [2]engine.Window
			for i, s := range []engine.Store{w.store, other} {
				c := *j
				wg.Go(func() {
					var err error
					if got[i], err = s.FixWindow(w.ctx, &c, until(2+i)); err != nil {
						w.Error(err)
					}
				})
			}
			wg.Wait()
			w.same("windows", got[0], got[1])
		}
	}},
	{"the end moves with whatever makes the job completed, and with nothing else", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFail)
		sum := w.typ("sum", engine.PhaseConsume, engine.PhaseFinish)
		w.settle(w.within(t, 2))
		w.same("a batch", "2", w.end(t))
		w.commit(alone(completed(w.within(t, 3))))
		w.same("a commit of its own", "3", w.end(t))
		j := w.within(t, 4)
		w.table(0)
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (1, 1)")
		w.commitWith(h, alone(completed(j)))
		w.same("with a hook's writes", "4", w.end(t))

		j = w.within(t, 5)
		w.commit(opened(j, job(t)))
		w.fold()
		w.same("while items are left", "4", w.end(t))
		w.settle(w.take(queue(t)))
		w.same("before the last item is folded", "4", w.end(t))
		w.fold()
		w.stands("completed", j.ID)
		w.same("after its items", "5", w.end(t))

		j = w.within(sum, 6)
		w.commit(opened(j, job(sum)))
		w.settle(w.take(queue(sum)))
		w.fold()
		w.same("before finish", "", w.end(sum))
		w.settle(w.take(engine.QueueOf(sum, engine.PhaseFinish)))
		w.same("after finish", "6", w.end(sum))

		w.commit(failed(w.within(t, 10)))
		w.commit(withdrawn(w.within(t, 10)))
		j = w.within(t, 10)
		w.commit(retried(j, time.Hour))
		w.cancel(j.ID)
		j = w.within(t, 10)
		w.commit(opened(j, job(t)))
		w.commit(failed(w.take(queue(t))))
		w.fold()
		w.stands("failed", j.ID)
		j = w.within(t, 10)
		w.commit(opened(j, job(t)))
		w.cancel(j.ID)
		w.sweep()
		w.same("failed and cancelled ones", "5", w.end(t))
	}},
	{"the end never goes back, nor over a gap", func(w *world) {
		t := w.typ("t")
		a, b, c := w.within(t, 3), w.within(t, 9), w.within(t, 5)
		w.settle(b)
		w.same("the longest", "9", w.end(t))
		w.settle(a)
		w.settle(c)
		w.same("then shorter ones", "9", w.end(t))
		late := w.within(t, 12) // from day 9 on
		w.must(w.store.SetWindowEnd(w.ctx, t, engine.WindowEnd{End: day(2)}))
		w.same("set back", "2", w.end(t))
		w.settle(late)
		w.same("over what is to be imported again", "2", w.end(t))
		again := w.start(job(t))
		w.same("the next window", "2-15", spanOf(p(w.fix(again, until(15)))))
		w.settle(again)
		w.same("imported", "15", w.end(t))
		w.must(w.store.SetWindowEnd(w.ctx, t, engine.WindowEnd{}))
		w.same("forgotten", "", w.end(t))
		w.same("the next window", "1-4", spanOf(p(w.fix(w.start(job(t)), until(4)))))
	}},
	{"jobs of one batch move the end as one after the other", func(w *world) {
		t, other := w.typ("t"), w.typ("other")
		w.settle(w.within(t, 2))
		var list []*engine.ClaimedJob
		for _, x := range []struct {
			t        engine.TypeID
			from, to int
			backfill bool
		}{{t, 4, 6, false}, {t, 2, 4, false}, {t, 9, 12, false}, {other, 5, 7, false}, {t, 6, 9, true}} {
			n := job(x.t)
			n.Window = &engine.Window{Start: day(x.from), End: day(x.to), Backfill: x.backfill}
			list = append(list, w.start(n))
		}
		w.settle(append(list, w.start(job(t)))...)
		w.same("imported", []string{"6", "7"}, []string{w.end(t), w.end(other)})
	}},
	{"an empty window moves nothing", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		x := w.fix(j, engine.WindowAsk{Start: day(5), End: day(3)})
		w.same("window", engine.Window{Start: day(5), End: day(5)}, x)
		w.settle(j)
		w.same("imported", "", w.end(t))
		w.settle(w.within(t, 9))
		j = w.start(job(t))
		w.same("one that ends before the last one", "9-9", spanOf(p(w.fix(j, until(4)))))
		w.settle(j)
		w.same("imported", "9", w.end(t))
	}},
	{"a window that a job comes with is its window", func(w *world) {
		t := w.typ("t")
		n := keyed(t, "k", active)
		n.Window = &engine.Window{Start: day(4), End: day(6)}
		id := w.enqueue(n)[0]
		w.same("no second one is written", engine.Enqueued{ID: id}, w.add(n))
		j := w.take(queue(t))
		w.same("window", "4-6", spanOf(p(w.fix(j, until(9)))))
		w.settle(j)
		w.same("imported", "6", w.end(t))
		back := w.enqueue(backfilled(t, 1), backfilled(t, 7))
		for i, j := range w.claim(queue(t).Apart(), 5) {
			w.same("of a backfill", []string{"1-2 backfill", "7-8 backfill"}[i], spanOf(p(w.fix(j, until(9)))))
			w.settle(j)
		}
		w.stands("completed", back...)
		w.same("imported", "6", w.end(t))
	}},
	{"items have the window of their first emitter", func(w *world) {
		t := w.typ("t")
		top := w.within(t, 3)
		w.commit(opened(top, job(t)))
		middle := w.take(queue(t))
		w.commit(opened(middle, job(t)))
		low := w.take(queue(t))
		w.same("windows", []string{"1-3", "1-3", "1-3"}, []string{w.windowOf(top.ID), w.windowOf(middle.ID), w.windowOf(low.ID)})
		w.same("shown of an item", (*engine.Window)(nil), w.view(low.ID).Window)
		w.commit(rejecting(alone(completed(low)), engine.Rejection{Row: raw(1), WholeItem: true}, engine.Rejection{Row: raw(2)}))
		w.fold()
		w.same("imported", "3", w.end(t))
		for _, mode := range []engine.RedriveMode{engine.RedriveItem, engine.RedriveRows} {
			var open []int64
			w.must(w.store.Rejects(w.ctx, engine.RejectFilter{Job: low.ID, Open: true}, func(r *engine.Reject) bool { open = append(open, r.ID); return true }))
			made, _, err := w.store.Redrive(w.ctx, engine.RedriveBatch{Type: t, Mode: mode, Rejects: open[:1]})
			w.must(err)
			w.same("of what is redriven", map[engine.RedriveMode]string{engine.RedriveItem: "1-3", engine.RedriveRows: ""}[mode], w.windowOf(made[0]))
		}
		w.same("of a job without", "", w.windowOf(w.enqueue(job(t))[0]))
		_, err := w.store.Window(w.ctx, engine.JobRef{ID: top.ID, Epoch: top.Epoch})
		w.code("of a job that is not ours any more", engine.CodeLost, err)
		_, err = w.store.Window(w.ctx, engine.JobRef{ID: 4711})
		w.code("of none", engine.CodeLost, err)
	}},
	{"what a backfill brings waits in queues of its own, whatever becomes of it", func(w *world) {
		t := w.typ("t", engine.PhaseConsume, engine.PhaseFinish, engine.PhaseFail)
		apart := queue(t).Apart()
		n := backfilled(t, 1)
		n.Key, n.Priority = "k", 100
		later := backfilled(t, 2)
		later.Delay = time.Hour
		id := w.enqueue(n, later)
		w.same("type and phase", []any{t, engine.PhaseConsume, true}, []any{apart.Type(), apart.Phase(), apart.Backfill()})
		ready, err := w.store.Ready(w.ctx, []engine.Queue{queue(t), apart})
		w.must(err)
		w.same("ready", []engine.Queue{apart}, ready)
		w.same("for others", 0, len(w.claim(queue(t), 5)))
		backlog, err := w.store.Backlog(w.ctx, nil, 10)
		w.must(err)
		w.same("backlog", map[engine.Queue]int{apart: 1}, backlog)
		n.Payload, n.Replace = raw("new"), true
		made, err := w.store.Enqueue(w.ctx, []engine.JobInsert{n})
		w.must(err)
		w.same("replaced", []engine.Enqueued{{ID: id[0], Replaced: true}}, made)

		j := w.take(apart)
		w.same("claimed", []any{id[0], engine.WindowBackfill, 100}, []any{j.ID, j.Windowed, j.Priority})
		for q, want := range map[engine.Queue]bool{apart: true, queue(w.typ("other")): false} {
			got, err := w.store.Pending(w.ctx, []engine.Queue{q})
			w.must(err)
			w.same("pending", want, got)
		}
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		j = w.take(apart)
		ours, err := w.store.Refresh(w.ctx, j)
		w.must(err)
		w.same("refreshed", []any{true, engine.WindowBackfill}, []any{ours, j.Windowed})
		w.commit(retried(j, wait))
		w.due(j.ID, id[1])
		w.promote()
		w.same("made ready, by priority", []engine.JobID{id[1], id[0]}, ids(w.claim(apart, 5)))
		w.expire(w.srv)
		w.exec("UPDATE ds_servers SET dead = 1 WHERE id = ?", w.srv)
		w.rescue()
		w.exec("UPDATE ds_servers SET dead = 0, lease_until = "+w.now(time.Hour)+" WHERE id = ?", w.srv)
		w.cancel(id[1])
		j = w.take(apart)
		w.commit(failing(j))
		j = w.take(engine.QueueOf(t, engine.PhaseFail).Apart())
		o := outcome(j, engine.Retried, engine.State{Phase: engine.PhaseConsume, Status: engine.StatusWaiting})
		w.commit(o)
		j = w.take(apart)
		item := job(t)
		item.Backfill = true
		w.commit(opened(j, item))
		rest, err := w.store.Rest(w.ctx, j.ID, nil)
		w.must(err)
		w.same("rest", map[engine.Queue]engine.Rest{apart: {Waiting: 1}}, rest)
		w.settle(w.take(apart))
		w.fold()
		j = w.take(engine.QueueOf(t, engine.PhaseFinish).Apart())
		w.settle(j)
		w.stands("completed", id[0])
		w.again(id[0], engine.RetryOptions{})
		w.same("retried", []engine.JobID{id[0]}, ids(w.claim(engine.QueueOf(t, engine.PhaseFinish).Apart(), 5)))
		w.same("for others", 0, len(w.claim(queue(t), 5)))
		w.same("imported", "", w.end(t))
	}},
	{"a job that a backfill's job made has a window of its own, and moves the end", func(w *world) {
		t := w.typ("t")
		n := job(t)
		n.Backfill = true
		id := w.enqueue(n)[0]
		j := w.take(queue(t).Apart())
		w.same("window", "1-3", spanOf(p(w.fix(j, until(3)))))
		w.same("what it has to do with windows", engine.WindowMoves|engine.WindowBackfill, j.Windowed)
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		w.settle(w.take(queue(t).Apart()))
		w.stands("completed", id)
		w.same("imported", "3", w.end(t))
	}},
	{"windows are pruned with their jobs, and the end stays", func(w *world) {
		w.loose = true
		t := w.typ("t")
		w.settle(w.within(t, 3))
		kept := w.enqueue(backfilled(t, 1))[0]
		w.exec("UPDATE ds_jobs SET finished_at = " + old + " WHERE status = 4")
		w.same("pruned", 1, w.pruneAll(t, everything))
		w.same("windows", []string{fmt.Sprint(kept)}, w.rows("SELECT job FROM ds_windows"))
		w.same("imported", "3", w.end(t))
	}},
	{"jobs without a window pay nothing for those that have one", func(w *world) {
		t := w.typ("t")
		faults := &Faults{}
		s := w.open(Options{Wrap: faults.Wrap})
		srv := w.server(s)
		_, err := s.Enqueue(w.ctx, jobs(t, 3))
		w.must(err)
		heard := faults.Listen()
		list := w.claimOn(s, srv, queue(t), 3)[0]
		lost, err := s.Settle(w.ctx, []engine.Outcome{*completed(&list.Jobs[0]), *completed(&list.Jobs[1])}, nil)
		w.must(err)
		w.same("lost", 0, len(lost))
		w.must(s.Commit(w.ctx, nil, alone(completed(&list.Jobs[2]))))
		said := heard()
		if len(said) < 5 || slices.ContainsFunc(said, func(q string) bool { return strings.Contains(q, "ds_window") }) {
			w.Errorf("statements: %s", strings.Join(said, "\n"))
		}
	}},
}

// checkWindows: jobs that say that they have a window have one, and what is
// completed is not ahead of the end by a window that began before it.
func (c *checker) checkWindows() {
	kinds := map[int64]int64{}
	c.each("SELECT job, start_at, end_at, backfill FROM ds_windows", func(v []sql.NullString) {
		id := number(v[0])
		j := c.jobs[id]
		if kinds[id] = number(v[3]); j == nil {
			return // checkOrphans tells
		}
		if back := engine.Windowed(j.windowed).Has(engine.WindowBackfill); kinds[id] == 1 && !back {
			c.bad("%v has the window of a backfill and is none of its jobs", j)
		}
		if moves := engine.Windowed(j.windowed).Has(engine.WindowMoves); moves == (kinds[id] == 1) {
			c.bad("%v has window %v and says %d of it", j, v, j.windowed)
		}
		if number(v[1]) > number(v[2]) {
			c.bad("%v has a window that ends before it starts", j)
		}
	})
	for _, j := range c.all() {
		if _, has := kinds[j.id]; !has && engine.Windowed(j.windowed).Has(engine.WindowMoves) {
			c.bad("%v says that it has a window: there is none", j)
		}
	}
}

// windowOperations are those about windows that must stand any fault.
var windowOperations = []operation{
	{"fixing a window", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		f.enqueue(job(t))
		j := f.on(queue(t), 1)[0]
		var got engine.Window
		step := func() (err error) {
			got, err = f.bad.FixWindow(f.ctx, j, until(3))
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			had := f.windowOf(j.ID)
			if f.died {
				j = f.take(queue(t))
				got = f.fix(j, until(4))
			}
			if had == "" && f.died {
				had = "1-4"
			}
			f.same("window", had, spanOf(&got))
			f.same("window", had, f.windowOf(j.ID))
			f.commit(alone(completed(j)))
			f.same("imported", had[2:], f.end(t))
		}
	}},
	{"completing jobs with windows", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		f.enqueue(jobs(t, 3)...)
		list := f.on(queue(t), 3)
		for i, j := range list {
			f.fix(j, until(3+i))
		}
		at := 0
		step := func() error {
			if at == 0 {
				lost, err := f.bad.Settle(f.ctx, []engine.Outcome{*completed(list[0]), *completed(list[1])}, nil)
				if err != nil || len(lost) > 0 {
					return err
				}
				at = 1
			}
			o := alone(completed(list[2]))
			o.Server = f.badSrv
			return f.bad.Commit(f.ctx, nil, o)
		}
		return step, func(err error) {
			f.again(err, step)
			last := 0
			for i, j := range list {
				if f.view(j.ID).Status == engine.StatusCompleted {
					last = 3 + i
				}
			}
			want := ""
			if last > 0 {
				want = fmt.Sprint(last)
			}
			f.same("imported, as far as jobs have completed", want, f.end(t))
			f.finish(queue(t))
			f.same("imported", "5", f.end(t))
		}
	}},
	{"enqueue of jobs with windows", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		var made []engine.Enqueued
		return func() (err error) {
				made, err = f.bad.Enqueue(f.ctx, []engine.JobInsert{backfilled(t, 1), backfilled(t, 2)})
				return err
			}, func(err error) {
				got := f.count("SELECT COUNT(*) FROM ds_windows w JOIN ds_jobs j ON j.id = w.job WHERE j.type = ?", t)
				f.either("windows", 2, got, err)
				if err == nil {
					f.same("the second", "2-3 backfill", f.windowOf(made[1].ID))
				}
				f.same("jobs", int(got), f.finish(queue(t).Apart()))
			}
	}},
}
