package mysqlstore

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest"
	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

// serverWith starts a server of its own with flags.
func serverWith(t *testing.T, flags ...string) storetest.Instance {
	t.Helper()
	srv, err := dbserver.MariaDB(dbserver.Options{Flags: append(flags, "--innodb-flush-method=nosync")})
	var no *dbserver.NotInstalledError
	if errors.As(err, &no) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Stop() })
	server, err := connect(srv.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	return server.instance(t, StrategySkip)
}

func TestSettingsOfAServerForOthersDoNotConcernTheStore(t *testing.T) {
	t.Parallel()
	in := serverWith(t)
	if _, err := in.Open(t, storetest.Options{}).(*Store).control.Exec("SET GLOBAL sql_select_limit = 2, sql_safe_updates = 1, lc_messages = 'de_DE'"); err != nil {
		t.Fatal(err)
	}
	s := in.Open(t, storetest.Options{}).(*Store)
	for name, db := range map[string]*sql.DB{"engine": s.Store.DB, "hooks": s.hooks, "control": s.control, "beats": s.beats.DB, "patient": s.Patient, "brisk": s.Brisk} {
		var got string
		if err := db.QueryRow("SELECT CONCAT_WS(' ', @@sql_select_limit, @@sql_safe_updates + 0, @@lc_messages)").Scan(&got); err != nil || got != "18446744073709551615 0 en_US" {
			t.Errorf("%s: its settings are %s (%v)", name, got, err)
		}
	}
	h := s.Begin(engine.SessionOptions{Job: 1, Type: "t"})
	defer h.Close()
	rows, err := h.Query(t.Context(), "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for row, err := rows.Next(t.Context()); row != nil && err == nil; row, err = rows.Next(t.Context()) {
		n++
	}
	if n != 3 {
		t.Errorf("a query of 3 rows gave %d", n)
	}
}

func TestIdsOfAServerThatCountsInSteps(t *testing.T) {
	t.Parallel()
	in := serverWith(t, "--auto-increment-increment=3", "--auto-increment-offset=2")
	s := in.Open(t, storetest.Options{})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	types, err := s.SaveTypes(t.Context(), []engine.TypeRecord{{Name: "t", Version: "1", MaxAttempts: 3, Hooks: 1 << engine.PhaseConsume}})
	if err != nil {
		t.Fatal(err)
	}
	list := make([]engine.JobInsert, 7)
	for i := range list {
		list[i] = engine.JobInsert{Type: types["t"], Phase: engine.PhaseConsume, Priority: i}
	}
	made, err := s.Enqueue(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range made {
		if m.ID%3 != 2 || i > 0 && m.ID != made[i-1].ID+3 {
			t.Errorf("the ids are %v: they are not in steps of 3 from 2", made)
		}
		j, err := s.Job(t.Context(), m.ID)
		if err != nil || j.Priority != i {
			t.Errorf("job %d is not the one that was made as number %d: %+v, %v", m.ID, i, j, err)
		}
	}
}
