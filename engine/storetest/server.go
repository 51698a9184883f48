package storetest

import (
	"database/sql"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dsengine/dsengine/engine"
)

var serverCases = []testCase{
	{"a server is listed with what it is and holds", func(w *world) {
		t := w.typ("t")
		info := engine.ServerInfo{Name: "näme", Host: "host", PID: 4711, Version: "v1", Types: map[string]engine.Works{"t": {Version: "1", Phases: []engine.Phase{engine.PhaseConsume, engine.PhaseFail}}, "crm/x": {Broken: true}}}
		id, err := w.store.StartServer(w.ctx, info, time.Minute)
		w.must(err)
		w.enqueue(jobs(t, 3)...)
		w.claimOn(w.store, id, queue(t), 3)
		list := w.servers()
		w.same("servers", 2, len(list))
		now, err := w.store.Now(w.ctx)
		w.must(err)
		w.same("server", engine.ServerRow{ID: id, ServerInfo: info, StartedAt: now, SeenAt: now, Claimed: 3}, list[1],
			cmpopts.EquateApproxTime(5*time.Second), cmpopts.IgnoreFields(engine.ServerRow{}, "Liveness"))
		if list[1].Liveness < 0 {
			w.Error("it says that the server does not live")
		}
	}},
	{"incarnations of one name are apart", func(w *world) {
		a, b := w.server(w.store), w.server(w.store)
		if a == b {
			t := "the same"
			w.Error(t)
		}
		w.must(w.store.StopServer(w.ctx, a))
		alive, _, err := w.store.Beat(w.ctx, b, time.Minute)
		w.must(err)
		w.same("the other lives", true, alive)
	}},
	{"a beat tells the database's time, and that the server lives", func(w *world) {
		alive, now, err := w.store.Beat(w.ctx, w.srv, time.Minute)
		w.must(err)
		w.same("alive", true, alive)
		db, err := w.store.Now(w.ctx)
		w.must(err)
		w.same("now", db, now, cmpopts.EquateApproxTime(5*time.Second))
		w.expire(w.srv)
		alive, _, err = w.store.Beat(w.ctx, w.srv, time.Minute)
		w.must(err)
		w.same("alive after its lease had run out", true, alive)
		w.until("its lease is renewed", func() bool { return !w.servers()[0].Expired })
		alive, _, err = w.store.Beat(w.ctx, 4711, time.Minute)
		w.must(err)
		w.same("one that nobody knows", false, alive)
	}},
	{"one that has stopped is remembered, and does not beat", func(w *world) {
		w.must(w.store.StopServer(w.ctx, w.srv))
		w.same("running", 0, len(w.servers()))
		list, err := w.store.Servers(w.ctx, true)
		w.must(err)
		w.same("remembered", 1, len(list))
		w.same("dead, and stopped", []bool{true, false}, []bool{list[0].Dead, list[0].StoppedAt.IsZero()})
		alive, _, err := w.store.Beat(w.ctx, w.srv, time.Minute)
		w.must(err)
		w.same("alive", false, alive)
	}},
	{"one that stops lives for its last hooks, and takes no jobs", func(w *world) {
		w.same("lives, and stops", []bool{true, false}, []bool{w.servers()[0].Lives(), w.servers()[0].Stops()})
		w.must(w.store.DrainServer(w.ctx, w.srv))
		w.until("it stops", func() bool { return w.servers()[0].Stops() })
		w.same("lives", false, w.servers()[0].Lives())
		alive, _, err := w.store.Beat(w.ctx, w.srv, time.Minute)
		w.must(err)
		w.same("alive", true, alive)
		w.must(w.store.StopServer(w.ctx, w.srv))
		w.must(w.store.DrainServer(w.ctx, w.srv))
		w.same("running", 0, len(w.servers()))
	}},
	{"one that is lost while it stops has not stopped", func(w *world) {
		other := w.open(Options{})
		srv := w.server(other)
		w.must(other.DrainServer(w.ctx, srv))
		w.until("it stops", func() bool { return w.servers()[1].Stops() })
		w.die(other, srv)
		w.bury(srv)
		list, err := w.store.Servers(w.ctx, true)
		w.must(err)
		w.same("dead, and not stopped", []bool{true, true}, []bool{list[1].Dead, list[1].StoppedAt.IsZero()})
	}},
	{"one whose row is held is not waited for", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		f := &Faults{}
		s := w.open(Options{Wrap: f.Wrap})
		w.expire(w.srv)
		beat := w.servers()[0].Beat
		tx := w.begin(sql.LevelDefault)
		_, err := tx.ExecContext(w.ctx, "UPDATE ds_servers SET version = 'x' WHERE id = ?", w.srv)
		w.must(err)
		tries := 0
		f.Before(func(q string) {
			if strings.Contains(q, "ds_servers") {
				tries++
			}
		})
		_, err = s.MarkDead(w.ctx, w.srv, beat)
		if want := "declare a server dead: another transaction holds its row"; err == nil || err.Error() != want {
			w.Errorf("got %v, want %s", err, want)
		}
		f.Before(nil)
		w.same("tries", 1, tries)
		w.must(tx.Rollback())
		dead, err := s.MarkDead(w.ctx, w.srv, beat)
		w.must(err)
		w.same("dead then", true, dead)
	}},
	{"a process that died does not live, one that is there does", func(w *world) {
		other := w.open(Options{})
		srv := w.server(other)
		w.expire(srv)
		for _, row := range w.servers() {
			if row.ID == srv && row.Liveness < 0 {
				w.Error("it says that a process that is there does not live")
			}
		}
		w.die(other, srv)
		for _, row := range w.servers() {
			if row.ID == srv && (row.Liveness > 0 || row.Liveness == 0 && !row.Expired) {
				w.Errorf("nothing tells that the process has died: %+v", row)
			}
		}
		w.bury(srv)
		w.same("left", 1, len(w.servers()))
	}},
}
