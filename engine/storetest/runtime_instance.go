package storetest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// shifted is the machine's clock, set forward by as much as a test says.
type shifted struct {
	engine.SystemClock
	by atomic.Int64
}

func (c *shifted) Boot() time.Duration { return c.SystemClock.Boot() + time.Duration(c.by.Load()) }

// tenants is a type whose instances are in the variable tenants; what its hooks
// were given is gathered.
type tenants struct {
	*engine.Type
	mu  sync.Mutex
	got map[string]string
}

func newTenants(every time.Duration) *tenants {
	n := &tenants{got: map[string]string{}}
	n.Type = consumes("t", func(c *engine.Call) (engine.Raw, error) {
		params, err := c.Params()
		if err != nil {
			return nil, err
		}
		n.mu.Lock()
		n.got[c.Job().Instance] += string(params)
		n.mu.Unlock()
		return nil, nil
	})
	n.Settings.Schedule = engine.Schedule{Every: every}
	n.Settings.InstancesVar = "tenants"
	return n
}

// setTenants sets the variable; nil deletes it.
func (w *world) setTenants(value engine.Raw) {
	w.Helper()
	w.must(w.store.SetVariables(w.ctx, []engine.VariableWrite{{Name: "tenants", Value: value, Seen: -1}}))
}

var instanceRunCases = []testCase{
	{"instances that a variable holds stay while it cannot be used", func(w *world) {
		t := newTenants(time.Hour)
		r := w.runtime(Options{})
		good := engine.Raw(`{"a": {"n": 1}, "b": {"every": "2h"}}`)
		w.setTenants(good)
		r.untilIdle(t.Type)
		want := map[string]string{"a": `{"n": 1}`, "b": `{"every": "2h"}`}
		r.same("params", want, t.got)
		schedules := func() []string { return r.rows("SELECT instance, hash, next_at FROM ds_schedules ORDER BY instance") }
		had := schedules()
		r.same("schedules", 2, len(had))
		for _, bad := range []engine.Raw{raw([]int{1}), raw("text"), engine.Raw("null"), engine.Raw(`{"a": 7}`), engine.Raw(`{"a": {"every": "soon"}}`), nil} {
			w.setTenants(bad)
			fresh := w.runtime(Options{}) // a process that has not seen the good value
			id := fresh.make(engine.NewJob{Type: "t", Instance: "a"}, t.Type)
			fresh.untilIdle(t.Type)
			r.same("schedules", had, schedules())
			r.stands("failed", id)
			r.same("code", "instances", r.view(id).Error.Code)
		}
		w.setTenants(good)
		r.untilIdle(t.Type)
		r.same("schedules", had, schedules())
		r.same("nothing has fired again", want, t.got)
		w.setTenants(engine.Raw("{}"))
		r.untilIdle(t.Type)
		r.same("schedules", []string(nil), schedules())
	}},
	{"two versions of a script do not undo each other's instances", func(w *world) {
		w.setTenants(engine.Raw(`{"a": {}}`))
		faults, clock := &Faults{}, &shifted{}
		eng, err := engine.Open(w.ctx, w.open(Options{Wrap: faults.Wrap}), engine.Options{Clock: clock})
		w.must(err)
		older, newer := &runtime{w, eng}, w.runtime(Options{})
		every := func() string { return strings.Join(w.rows("SELECT definition FROM ds_schedules"), "; ") }
		hour, day := `"Every":3600000000000`, `"Every":86400000000000`
		stopOlder := older.start(engine.ServerOptions{Types: []*engine.Type{newTenants(time.Hour).Type}, Lease: time.Hour, Poll: 20 * time.Millisecond})
		w.until("the older one's schedule is there", func() bool { return strings.Contains(every(), hour) })
		stopNewer := newer.start(engine.ServerOptions{Types: []*engine.Type{newTenants(24 * time.Hour).Type}})
		w.until("the newer one's schedule is there", func() bool { return strings.Contains(every(), day) })
		looked := func() {
			clock.by.Add(int64(time.Minute))
			var said []string
			heard := faults.Listen()
			w.until("the older one has looked at the variable and gone on", func() bool {
				said = append(said, heard()...)
				heard = faults.Listen()
				_, after, found := strings.Cut(strings.Join(said, "\n"), "ds_vars")
				return found && strings.Contains(after, "FROM ds_schedules")
			})
		}
		looked()
		looked()
		if got := every(); !strings.Contains(got, day) {
			w.Errorf("the older one has set back the schedule: %s", got)
		}
		w.setTenants(engine.Raw(`{"b": {}}`))
		looked()
		w.until("the instances are those of the variable", func() bool {
			return slices.Equal([]string{"b"}, w.rows("SELECT instance FROM ds_schedules"))
		})
		stopOlder()
		stopNewer()
	}},
}
