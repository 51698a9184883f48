package mysqlstore

import (
	"errors"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest"
	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

func TestIdsOfAServerThatCountsInSteps(t *testing.T) {
	t.Parallel()
	srv, err := dbserver.MariaDB(dbserver.Options{Flags: []string{"--auto-increment-increment=3", "--auto-increment-offset=2", "--innodb-flush-method=nosync"}})
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
	in := server.instance(t, StrategySkip)
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
