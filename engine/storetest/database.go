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

var databaseCases = []testCase{
	{"tables are made once, by many processes at once", func(w *world) {
		stores := make([]engine.Store, 4)
		for i := range stores {
			stores[i] = w.in.Open(w.t, Options{Prefix: "other_"})
		}
		w.code("CheckSchema before", engine.CodeEmpty, stores[0].CheckSchema(w.ctx))
		r, err := stores[0].Describe(w.ctx)
		w.must(err)
		w.same("version before", int64(0), r.Schema)
		var mu sync.Mutex
		var applied []string
		var wg sync.WaitGroup
		for _, s := range stores {
			wg.Go(func() {
				m, err := s.Migrate(w.ctx)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					w.Error(err)
				}
				applied = append(applied, m.Applied...)
			})
		}
		wg.Wait()
		r, err = stores[0].Describe(w.ctx)
		w.must(err)
		w.same("version", r.Known, r.Schema)
		slices.Sort(applied)
		w.same("versions that were applied", slices.Compact(slices.Clone(applied)), applied)
		w.same("some were", true, len(applied) > 0)
		for _, s := range stores {
			w.must(s.CheckSchema(w.ctx))
			m, err := s.Migrate(w.ctx)
			w.must(err)
			w.same("a second time", 0, len(m.Applied))
		}
	}},
	{"a version that was left out is made later", func(w *world) {
		s := w.in.Open(w.t, Options{Prefix: "gap_"})
		_, err := s.Migrate(w.ctx)
		w.must(err)
		w.exec("DELETE FROM gap_migrations WHERE version_id = 5") // as if it had come after later ones
		w.exec("DROP TABLE gap_records")
		w.exec("DROP TABLE gap_forgotten")
		w.code("CheckSchema", engine.CodeSchema, s.CheckSchema(w.ctx))
		r, err := s.Describe(w.ctx)
		w.must(err)
		w.same("version", int64(4), r.Schema)
		m, err := s.Migrate(w.ctx)
		w.must(err)
		w.same("applied", []string{"00005_records"}, m.Applied)
		w.same("rows", int64(0), w.count("SELECT COUNT(*) FROM gap_records"))
		w.must(s.CheckSchema(w.ctx))
		m, err = s.Migrate(w.ctx)
		w.must(err)
		w.same("a second time", 0, len(m.Applied))
	}},
	{"tables of another prefix hold jobs of their own", func(w *world) {
		other := w.in.Open(w.t, Options{Prefix: "zz_"})
		_, err := other.Migrate(w.ctx)
		w.must(err)
		w.must(other.Prepare(w.ctx))
		here := w.typ("t")
		w.enqueue(job(here))
		types, err := other.SaveTypes(w.ctx, []engine.TypeRecord{{Name: "t", Hooks: 1 << engine.PhaseConsume}})
		w.must(err)
		t := types["t"]
		srv := w.server(other)
		j := job(t)
		j.Payload, j.Key = raw("a payload that names ds_jobs"), "ds_key"
		made, err := other.Enqueue(w.ctx, []engine.JobInsert{j})
		w.must(err)
		claims := w.claimOn(other, srv, queue(t), 10)
		w.same("claims", 1, len(claims))
		c := &claims[0].Jobs[0]
		w.same("payload", `"a payload that names ds_jobs"`, string(c.Payload))
		o := opened(c, job(t))
		w.must(other.Commit(w.ctx, nil, o))
		item := w.claimOn(other, srv, queue(t), 10)[0].Jobs[0]
		w.must(other.Commit(w.ctx, nil, alone(completed(&item))))
		_, _, _, err = other.Fold(w.ctx, 100)
		w.must(err)
		view, err := other.Job(w.ctx, made[0].ID)
		w.must(err)
		w.same("state", engine.StatusCompleted, view.Status)
		w.failure("its tables are refused", "db.refused", exec(other.Begin(engine.SessionOptions{}), w.ctx, "DELETE FROM zz_jobs"))
		w.same("jobs under the default prefix", 1, len(w.list(engine.JobFilter{})))
	}},
	{"a newer schema is refused and left alone", func(w *world) {
		w.exec("INSERT INTO ds_migrations (version_id, is_applied) VALUES (999, " + map[bool]string{true: "1", false: "1"}[w.in.Rows] + ")")
		_, err := w.store.Migrate(w.ctx)
		w.code("Migrate", engine.CodeSchema, err)
		w.code("CheckSchema", engine.CodeSchema, w.store.CheckSchema(w.ctx))
		if engine.HintOf(err) == "" {
			w.Error("the error does not say what to do")
		}
		w.exec("DELETE FROM ds_migrations WHERE version_id = 999")
		w.must(w.store.CheckSchema(w.ctx))
	}},
	{"a version of the tables that is not known is refused by its name, also below the newest", func(w *world) {
		number := int64(1) // that of none of them
		for slices.Contains(w.rows("SELECT version_id FROM ds_migrations"), fmt.Sprint(number)) {
			number++
		}
		w.exec("INSERT INTO ds_migrations (version_id, is_applied) VALUES (?, 1)", number)
		refused := func(name string) {
			w.Helper()
			_, err := w.store.Migrate(w.ctx)
			w.code("Migrate", engine.CodeSchema, err)
			w.code("CheckSchema", engine.CodeSchema, w.store.CheckSchema(w.ctx))
			r, rerr := w.store.Describe(w.ctx)
			w.must(rerr)
			w.same("version in the report", number, r.Schema)
			i := slices.IndexFunc(r.Checks, func(c engine.Check) bool { return c.Name == "tables" })
			if i < 0 || r.Checks[i].OK || r.Checks[i].Value != err.Error() || r.Checks[i].Hint == "" || len(r.Checks) < 3 {
				w.Errorf("the report does not say that %v: %+v", err, r.Checks)
			}
			if !strings.Contains(fmt.Sprint(err), "has version "+name+" of the tables") || engine.HintOf(err) == "" {
				w.Errorf("want %q and what to do, got %v", name, err)
			}
		}
		refused(fmt.Sprint(number))
		w.exec("INSERT INTO ds_schema (version, name) VALUES (?, 'of_another')", number)
		refused("of_another")
		w.exec("DELETE FROM ds_migrations WHERE version_id = ?", number)
		w.exec("DELETE FROM ds_schema WHERE version = ?", number)
		w.must(w.store.CheckSchema(w.ctx))
	}},
	{"a missing table is told as such", func(w *world) {
		s := w.in.Open(w.t, Options{Prefix: "none_"})
		_, err := s.Job(w.ctx, 1)
		w.code("Job", engine.CodeSchema, err)
		_, err = s.Enqueue(w.ctx, []engine.JobInsert{{Type: 1, Phase: engine.PhaseConsume}})
		w.code("Enqueue", engine.CodeSchema, err)
	}},
	{"the report says what the database is", func(w *world) {
		r, err := w.store.Describe(w.ctx)
		w.must(err)
		w.same("store", w.store.Dialect(), r.Store)
		if r.Version == "" || r.Strategy == "" || r.Reason == "" || len(r.Checks) == 0 {
			w.Errorf("the report leaves something out: %+v", r)
		}
		for _, c := range r.Checks {
			if !c.OK && c.Hint == "" {
				w.Errorf("check %q is not well and does not say what to do", c.Name)
			}
		}
	}},
	{"the clock is the database's, in UTC", func(w *world) {
		now, err := w.store.Now(w.ctx)
		w.must(err)
		w.same("zone", "UTC", now.Location().String())
		id := w.enqueue(job(w.typ("t")))[0]
		w.same("created at", now, w.view(id).CreatedAt, cmpopts.EquateApproxTime(10*time.Second))
	}},
}

var typeCases = []testCase{
	{"types keep their numbers, and their last registration counts", func(w *world) {
		first := engine.TypeRecord{Name: "crm/customers", Doc: "old", Version: "v1", Hooks: 1 << engine.PhaseConsume, Priority: 5, MaxAttempts: 2, Keep: map[engine.Status]time.Duration{engine.StatusFailed: time.Hour}}
		a, err := w.store.SaveTypes(w.ctx, []engine.TypeRecord{first, {Name: "b", Hooks: 1 << engine.PhaseConsume}})
		w.must(err)
		second := first
		second.Doc, second.Version, second.Hooks, second.Priority, second.MaxAttempts = "new: \"quoted\" 漢字 😀", "v2", 1<<engine.PhaseProduce|1<<engine.PhaseConsume, -100, 7
		second.Keep = map[engine.Status]time.Duration{engine.StatusCompleted: 24 * time.Hour}
		b, err := w.store.SaveTypes(w.ctx, []engine.TypeRecord{second})
		w.must(err)
		w.same("number", a["crm/customers"], b["crm/customers"])
		list, err := w.store.Types(w.ctx)
		w.must(err)
		w.same("types", 2, len(list))
		want := second
		want.ID = a["crm/customers"]
		w.same("record", want, list[1], cmpopts.IgnoreFields(engine.TypeRecord{}, "Counts"))
	}},
	{"a name alone does not change what is registered", func(w *world) {
		t := w.typ("t", engine.PhaseProduce)
		ids, err := w.store.SaveTypes(w.ctx, []engine.TypeRecord{{Name: "t"}, {Name: "unknown"}})
		w.must(err)
		w.same("number", t, ids["t"])
		list, err := w.store.Types(w.ctx)
		w.must(err)
		w.same("version", "1", list[0].Version)
		w.same("hooks", engine.HookSet(1<<engine.PhaseProduce), list[0].Hooks)
		w.same("hooks of the name alone", engine.HookSet(0), list[1].Hooks)
	}},
	{"names differ by case and by trailing space", func(w *world) {
		ids, err := w.store.SaveTypes(w.ctx, []engine.TypeRecord{{Name: "a"}, {Name: "A"}, {Name: "a "}, {Name: "á"}})
		w.must(err)
		seen := map[engine.TypeID]bool{}
		for _, id := range ids {
			seen[id] = true
		}
		w.same("numbers", 4, len(seen))
	}},
	{"many processes register the same types at once", func(w *world) {
		records := []engine.TypeRecord{{Name: "a", Hooks: 4}, {Name: "b", Hooks: 4}, {Name: "c", Hooks: 4}}
		got := make([]map[string]engine.TypeID, 4)
		var wg sync.WaitGroup
		for i := range got {
			s := w.open(Options{})
			wg.Go(func() {
				var err error
				if got[i], err = s.SaveTypes(w.ctx, records); err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		for _, ids := range got {
			w.same("numbers", got[0], ids)
		}
		list, err := w.store.Types(w.ctx)
		w.must(err)
		w.same("types", 3, len(list))
	}},
	{"another process's change of a type's hooks is followed", func(w *world) {
		t := w.typ("t")
		parent := w.enqueue(job(t))[0]
		w.commit(opened(w.take(queue(t)), job(t)))
		w.commit(alone(completed(w.take(queue(t)))))
		w.fold() // has the type in memory
		w.stands("completed", parent)
		other := w.open(Options{})
		_, err := other.SaveTypes(w.ctx, []engine.TypeRecord{{Name: "t", Version: "2", MaxAttempts: 1, Hooks: 1<<engine.PhaseConsume | 1<<engine.PhaseFinish}})
		w.must(err)
		second := w.enqueue(job(t))[0]
		w.commit(opened(w.take(queue(t)), job(t)))
		w.commit(alone(completed(w.take(queue(t)))))
		w.fold()
		w.stands("finish/waiting", second)
	}},
}

// list lists jobs.
func (w *world) list(f engine.JobFilter) []*engine.Job {
	w.Helper()
	list, err := w.store.Jobs(w.ctx, f)
	w.must(err)
	return list
}
