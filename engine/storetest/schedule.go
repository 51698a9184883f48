package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dsengine/dsengine/engine"
)

// decide is what the engine gives to Fire.
func decide(r engine.ScheduleRow, now time.Time, active bool) (engine.Tick, error) {
	return r.Schedule.Decide(now, r.NextAt, active, r.Owes)
}

// fire fires what is due of the types.
func (w *world) fire(types ...engine.TypeID) []engine.Fired {
	w.Helper()
	fired, _, err := w.store.Fire(w.ctx, types, decide)
	w.must(err)
	return fired
}

// schedule saves schedules of types, without an instance.
func (w *world) schedule(m map[engine.TypeID]engine.Schedule) {
	w.Helper()
	var types []engine.TypeID
	var rows []engine.ScheduleRow
	for t, s := range m {
		types = append(types, t)
		rows = append(rows, engine.ScheduleRow{Type: t, Schedule: s.WithDefaults(), Phase: engine.PhaseConsume})
	}
	w.must(w.store.SaveSchedules(w.ctx, types, rows))
}

func (w *world) schedules() []engine.ScheduleRow {
	w.Helper()
	rows, err := w.store.Schedules(w.ctx)
	w.must(err)
	return rows
}

// ago sets when a type's schedule is due.
func (w *world) ago(t engine.TypeID, d time.Duration) {
	w.Helper()
	w.exec(fmt.Sprintf("UPDATE ds_schedules SET next_at = %s WHERE type = %d", w.now(-d), t))
}

var scheduleCases = []testCase{
	{"servers that start together make one firing one job", func(w *world) {
		const servers, types, rounds = 3, 8, 6
		stores := make([]engine.Store, servers)
		for i := range stores {
			stores[i] = w.open(Options{})
		}
		for round := range rounds {
			var ids []engine.TypeID
			var rows []engine.ScheduleRow
			for n := range types {
				t := w.typ(fmt.Sprintf("t%d_%d", round, n))
				ids = append(ids, t)
				rows = append(rows, engine.ScheduleRow{Type: t, Schedule: engine.Schedule{Every: time.Hour, Overlap: engine.OverlapAllow}.WithDefaults(), Phase: engine.PhaseConsume})
			}
			var wg sync.WaitGroup
			for i, s := range stores {
				mine := slices.Clone(rows)
				if i%2 == 1 {
					slices.Reverse(mine)
				}
				wg.Go(func() {
					if err := s.SaveSchedules(w.ctx, ids, mine); err != nil {
						w.Error(err)
						return
					}
					if _, _, err := s.Fire(w.ctx, ids, decide); err != nil {
						w.Error(err)
					}
				})
			}
			wg.Wait()
			w.same("jobs", int64(types*(round+1)), w.count("SELECT COUNT(*) FROM ds_jobs"))
		}
	}},
	{"an interval fires when it is first seen, then when it has passed", func(w *world) {
		t := w.typ("t")
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Every: time.Hour}})
		fired := w.fire(t)
		w.same("fired", 1, len(fired))
		v := w.view(fired[0].Job)
		w.same("scheduled for", fired[0].ScheduledFor.UTC(), *v.ScheduledFor, cmpopts.EquateApproxTime(time.Millisecond))
		w.same("once", 0, len(w.fire(t)))
		_, wait, err := w.store.Fire(w.ctx, []engine.TypeID{t}, decide)
		w.must(err)
		if wait < 59*time.Minute || wait > time.Hour {
			w.Errorf("the next one is due in %v", wait)
		}
		w.settle(w.take(queue(t)))
		w.ago(t, 0)
		w.same("again", 1, len(w.fire(t)))
	}},
	{"a firing makes a job as the schedule says", func(w *world) {
		t := w.typ("t", engine.PhaseProduce, engine.PhaseConsume)
		w.must(w.store.SaveSchedules(w.ctx, []engine.TypeID{t}, []engine.ScheduleRow{
			{Type: t, Instance: "a", Schedule: engine.Schedule{Every: time.Hour}, Phase: engine.PhaseProduce, Priority: -9},
			{Type: t, Instance: "b", Schedule: engine.Schedule{Cron: "0 0 1 1 *"}, Phase: engine.PhaseProduce},
		}))
		fired := w.fire(t)
		w.same("fired", 1, len(fired))
		j := w.view(fired[0].Job)
		w.same("job", []any{"a", engine.PhaseProduce, -9}, []any{*j.Instance, j.Phase, j.Priority})
	}},
	{"a cron waits for its time", func(w *world) {
		t := w.typ("t")
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Cron: "0 0 1 1 *", Timezone: "Europe/Berlin"}})
		w.same("fired", 0, len(w.fire(t)))
		next := w.schedules()[0].NextAt
		w.same("next", "23:00:00", next.Format(time.TimeOnly))
		w.ago(t, time.Second)
		w.same("fired", 1, len(w.fire(t)))
		w.same("next", next, w.schedules()[0].NextAt)
	}},
	{"as fast as possible: again when the last job has ended", func(w *world) {
		t := w.typ("t")
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Continuous: true}})
		for range 3 {
			w.same("fired", 1, len(w.fire(t)))
			w.same("while it waits", 0, len(w.fire(t)))
			j := w.take(queue(t))
			w.same("while it runs", 0, len(w.fire(t)))
			w.settle(j)
		}
	}},
	{"firings that were missed fire once, or all, or not", func(w *world) {
		once, all, skip := w.typ("once"), w.typ("all"), w.typ("skip")
		w.schedule(map[engine.TypeID]engine.Schedule{
			once: {Every: time.Hour}, skip: {Every: time.Hour, Missed: engine.MissedSkip}, all: {Every: time.Hour, Missed: engine.MissedAll, Overlap: engine.OverlapAllow},
		})
		for _, t := range []engine.TypeID{once, all, skip} {
			w.fire(t)
			w.settle(w.take(queue(t)))
			w.ago(t, 3*time.Hour+30*time.Minute)
		}
		jobs := func(t engine.TypeID) (n int) {
			for _, f := range w.fire(t) {
				if f.Job != 0 {
					n++
				}
			}
			return n
		}
		w.same("fired", []int{1, 4, 0}, []int{jobs(once), jobs(all), jobs(skip)})
		for _, r := range w.schedules() {
			if d := time.Until(r.NextAt); d < 29*time.Minute || d > 31*time.Minute {
				w.Errorf("the next one is due in %v: want it to keep its rhythm", d)
			}
		}
	}},
	{"a firing while the last job lives is dropped, waits or fires", func(w *world) {
		skip, wait, allow := w.typ("skip"), w.typ("queue"), w.typ("allow")
		w.schedule(map[engine.TypeID]engine.Schedule{
			skip: {Every: time.Hour}, wait: {Every: time.Hour, Overlap: engine.OverlapQueue}, allow: {Every: time.Hour, Overlap: engine.OverlapAllow},
		})
		var got []int
		for _, t := range []engine.TypeID{skip, wait, allow} {
			w.fire(t)
			j := w.take(queue(t))
			w.ago(t, time.Second)
			w.fire(t)
			w.fire(t)
			before := len(w.list(engine.JobFilter{Type: t}))
			w.settle(j)
			w.fire(t)
			got = append(got, before, len(w.list(engine.JobFilter{Type: t})))
		}
		w.same("jobs before and after the last one ended", []int{1, 1, 1, 2, 2, 2}, got)
	}},
	{"an owed firing is owed in the database", func(w *world) {
		t := w.typ("t")
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Every: time.Hour, Overlap: engine.OverlapQueue}})
		w.fire(t)
		j := w.take(queue(t))
		w.ago(t, time.Second)
		due := w.schedules()[0].NextAt
		w.fire(t)
		row := w.schedules()[0]
		w.same("row", []any{true, due, j.ID}, []any{row.Owes, row.NextAt, row.LastJob})
		w.settle(j)
		other := w.open(Options{})
		fired, _, err := other.Fire(w.ctx, []engine.TypeID{t}, decide)
		w.must(err)
		w.same("scheduled for", due, fired[0].ScheduledFor)
		w.same("owes", false, w.schedules()[0].Owes)
	}},
	{"many servers fire each tick once", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		w.schedule(map[engine.TypeID]engine.Schedule{a: {Every: time.Hour, Overlap: engine.OverlapAllow}, b: {Every: time.Hour, Missed: engine.MissedAll, Overlap: engine.OverlapAllow}})
		w.ago(b, 4*time.Hour+time.Minute) // five are due
		var stores []engine.Store
		for range 4 {
			stores = append(stores, w.open(Options{}))
		}
		for round := range 5 {
			var wg sync.WaitGroup
			for _, s := range stores {
				wg.Go(func() {
					if _, _, err := s.Fire(w.ctx, []engine.TypeID{a, b}, decide); err != nil {
						w.Error(err)
					}
				})
			}
			wg.Wait()
			// One that only passed over a schedule that another fired may have left it.
			w.same(fmt.Sprintf("jobs after round %d", round), []int{round + 1, 5},
				[]int{len(w.list(engine.JobFilter{Type: a})), len(w.list(engine.JobFilter{Type: b}))})
			w.ago(a, 0)
		}
	}},
	{"a schedule that is saved again keeps its time; a changed one is set anew", func(w *world) {
		t := w.typ("t")
		s := map[engine.TypeID]engine.Schedule{t: {Cron: "0 0 1 1 *"}}
		w.schedule(s)
		w.ago(t, time.Minute)
		before := w.schedules()
		w.schedule(s)
		w.same("rows", before, w.schedules())
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Cron: "0 0 2 1 *"}})
		if next := w.schedules()[0].NextAt; next.Before(time.Now()) || next.Day() != 2 {
			w.Errorf("next at %v", next)
		}
	}},
	{"a changed interval counts from the last firing", func(w *world) {
		t := w.typ("t")
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Every: time.Hour}})
		w.fire(t)
		w.settle(w.take(queue(t)))
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Every: 3 * time.Hour}})
		if d := time.Until(w.schedules()[0].NextAt); d < 179*time.Minute || d > 181*time.Minute {
			w.Errorf("the next one is due in %v", d)
		}
		w.exec("UPDATE ds_schedules SET last_at = " + w.now(-2*time.Hour))
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Every: time.Hour}})
		w.same("fired", 1, len(w.fire(t)))
	}},
	{"schedules that a type no longer has are removed, others stay", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		row := func(t engine.TypeID, in string) engine.ScheduleRow {
			return engine.ScheduleRow{Type: t, Instance: in, Schedule: engine.Schedule{Cron: "0 0 1 1 *"}.WithDefaults(), Phase: engine.PhaseConsume}
		}
		w.must(w.store.SaveSchedules(w.ctx, []engine.TypeID{a, b}, []engine.ScheduleRow{row(a, ""), row(a, "x"), row(a, "X"), row(b, "y")}))
		w.must(w.store.SaveSchedules(w.ctx, []engine.TypeID{a}, []engine.ScheduleRow{row(a, "x")}))
		var left []string
		for _, r := range w.schedules() {
			left = append(left, fmt.Sprintf("%v %s", r.Type == a, r.Instance))
		}
		w.same("left", []string{"true x", "false y"}, left)
		w.must(w.store.SaveSchedules(w.ctx, []engine.TypeID{a, b}, nil))
		w.same("none is left", 0, len(w.schedules()))
		w.must(w.store.SaveSchedules(w.ctx, nil, nil))
	}},
	{"only the given types are fired", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		w.schedule(map[engine.TypeID]engine.Schedule{a: {Every: time.Hour}, b: {Every: time.Hour}})
		w.same("fired", 1, len(w.fire(a)))
		w.same("of b", 0, len(w.list(engine.JobFilter{Type: b})))
		fired, wait, err := w.store.Fire(w.ctx, nil, decide)
		w.must(err)
		w.same("of none", []any{0, true}, []any{len(fired), wait < 0})
	}},
	{"firings that were left out are told", func(w *world) {
		t := w.typ("t")
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Every: time.Hour}})
		w.fire(t)
		w.ago(t, time.Second)
		w.same("fired", []engine.Fired{{Type: t, Skipped: 1}}, w.fire(t))
	}},
	{"one that cannot be fired keeps no other one waiting", func(w *world) {
		bad, refused, good := w.typ("a"), w.typ("b"), w.typ("c")
		types := []engine.TypeID{bad, refused, good}
		hourly := engine.Schedule{Every: time.Hour}
		w.schedule(map[engine.TypeID]engine.Schedule{bad: hourly, refused: hourly, good: hourly})
		w.exec("UPDATE ds_schedules SET definition = ? WHERE type = ?", `{"every": []}`, bad)
		var now []engine.TypeID
		fire := func() (time.Duration, error) {
			fired, wait, err := w.store.Fire(w.ctx, types, func(r engine.ScheduleRow, now time.Time, active bool) (engine.Tick, error) {
				if r.Type == refused {
					return engine.Tick{}, engine.Errorf(engine.CodeInternal, "no")
				}
				return decide(r, now, active)
			})
			now = nil
			for _, f := range fired {
				now = append(now, f.Type)
			}
			return wait, err
		}
		wait, err := fire()
		w.code("one was refused", engine.CodeInternal, err)
		for _, t := range types[:2] {
			if name := fmt.Sprintf("schedule of type %d, instance \"\"", t); err == nil || !strings.Contains(err.Error(), name) {
				w.Errorf("no %q in: %v", name, err)
			}
		}
		w.same("fired", []engine.TypeID{good}, now)
		w.same("when the next one is due, of those that can be fired", time.Hour, wait, roughly(time.Minute))
		w.schedule(map[engine.TypeID]engine.Schedule{bad: hourly})
		_, err = fire()
		w.code("one is still refused", engine.CodeInternal, err)
		w.same("fired, since it was saved again", []engine.TypeID{bad}, now)
	}},
	{"what a decision refuses is not fired", func(w *world) {
		t := w.typ("t")
		w.schedule(map[engine.TypeID]engine.Schedule{t: {Every: time.Hour}})
		before := w.schedules()
		_, _, err := w.store.Fire(w.ctx, []engine.TypeID{t}, func(engine.ScheduleRow, time.Time, bool) (engine.Tick, error) {
			return engine.Tick{}, engine.Errorf(engine.CodeInternal, "no")
		})
		w.code("Fire", engine.CodeInternal, err)
		w.same("rows", before, w.schedules())
	}},
}
