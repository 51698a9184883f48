package mysqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// still is a clock that stands still until it is set.
type still struct {
	engine.SystemClock
	at time.Time
}

// Now is the time that it was set to.
func (c *still) Now() time.Time { return c.at }

// schemata are the databases on a server whose names begin so.
func (s *testServer) schemata(t *testing.T, prefix string) (list []string) {
	t.Helper()
	rows, err := s.admin.Query("SELECT schema_name FROM information_schema.schemata")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(n, prefix) {
			list = append(list, n)
		}
	}
	return list
}

func TestScratch(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, on *testServer) {
		ctx := t.Context()
		server, err := OpenScratchServer(ctx, on.urlOf(""))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		clock := &still{at: time.Date(2020, 1, 1, 0, 0, 0, 123456000, time.UTC)}
		s, err := server.Open(ctx, Options{Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			for range 2 {
				if now, err := s.Now(ctx); err != nil || !now.Equal(clock.at) {
					t.Errorf("the time is %s, not %s (%v)", now, clock.at, err)
				}
				clock.at = clock.at.Add(90 * time.Minute)
			}
			ids, err := s.SaveTypes(ctx, []engine.TypeRecord{{Name: "a"}})
			if err != nil {
				t.Fatal(err)
			}
			made, err := s.Enqueue(ctx, []engine.JobInsert{{Type: ids["a"], Phase: engine.PhaseConsume}})
			if err != nil {
				t.Fatal(err)
			}
			if made[0].ID != 1 {
				t.Errorf("round %d: the first job is %d", round, made[0].ID)
			}
			by, key := engine.RecordBy{Scope: engine.Scope{Type: ids["a"]}, Job: 1}, engine.NewRecordKey("7", engine.RecordSum{1})
			session := s.Session(engine.SessionOptions{})
			if err := errors.Join(s.WriteRecords(ctx, session, engine.RecordWrites{By: by, List: []engine.RecordWrite{{Source: "crm", Key: key, Set: true, Content: engine.RecordSum{0xab}, Link: true, ID: `"p"`}}}), session.CommitOwn(ctx)); err != nil {
				t.Fatal(err)
			}
			session.Close()
			if kept, err := s.KeptRecords(ctx); err != nil || !slices.Equal(kept, []string{`crm: 7: content ab000000... "p"`}) {
				t.Errorf("round %d: the records are %q, %v", round, kept, err)
			}
			for _, q := range []string{"CREATE TABLE mine (id INTEGER PRIMARY KEY)", "CREATE VIEW ours AS SELECT id FROM mine", "CREATE PROCEDURE p() SELECT 1"} {
				if _, err := s.Handle().ExecContext(ctx, q); err != nil {
					t.Fatal(err)
				}
			}
			c, err := s.Connect(ctx, "crm", false, Options{Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Handle().ExecContext(ctx, "CREATE TABLE there (id INTEGER PRIMARY KEY)"); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.Close(), s.Forget(ctx), s.Reset(ctx)); err != nil {
				t.Fatal(err)
			}
			if c, err := s.Connect(ctx, "crm", true, Options{}); c != nil || err != nil {
				t.Errorf("a database that is gone is opened: %v, %v", c, err)
			}
			if tables, err := s.Tables(ctx); err != nil || len(tables) > 0 {
				t.Errorf("tables: %v, %v", tables, err)
			}
		}
		name := s.name
		if err := s.Drop(ctx); err != nil {
			t.Fatal(err)
		}
		if left := on.schemata(t, name); len(left) > 0 {
			t.Errorf("there are %v", left)
		}
	})
}

func TestSweepDropsWhatDeadProcessesLeft(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, on *testServer) {
		ctx := t.Context()
		server, err := OpenScratchServer(ctx, on.urlOf("no_such_database"))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		used, err := server.Open(ctx, Options{Clock: &still{at: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}})
		if err != nil {
			t.Fatal(err)
		}
		defer used.Drop(context.WithoutCancel(ctx))
		const old, young, foreign, prefix = "dsengine_test_1_00112233445566aa", "dsengine_test_1_00112233445566bb", "dsengine_test_1_00112233445566", "dsengine_test_1_0011"
		for _, q := range []string{
			"CREATE DATABASE " + old, "CREATE DATABASE " + old + "_1", // without a table, so of no age
			"CREATE DATABASE " + young, "CREATE TABLE " + young + ".ds_schema (id INTEGER PRIMARY KEY)", "CREATE DATABASE " + young + "_1",
			"CREATE DATABASE " + foreign,
		} {
			if _, err := on.admin.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		defer func() {
			for _, n := range []string{old, old + "_1", young, young + "_1", foreign} {
				on.admin.Exec("DROP DATABASE IF EXISTS " + n)
			}
		}()
		left := func(want ...string) {
			t.Helper()
			got := on.schemata(t, prefix)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("left are %v, not %v", got, want)
			}
		}
		// Somebody on another member of a cluster may use what has no lock here.
		if err := server.sweep(ctx, false); err != nil {
			t.Fatal(err)
		}
		left(foreign, young, young+"_1")
		owner, err := on.admin.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer owner.Close()
		if _, err := owner.ExecContext(ctx, "DO GET_LOCK(?, 0)", young); err != nil {
			t.Fatal(err)
		}
		if err := server.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		left(foreign, young, young+"_1")
		if _, err := owner.ExecContext(ctx, "DO RELEASE_LOCK(?)", young); err != nil {
			t.Fatal(err)
		}
		if err := server.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		left(foreign)
		if left := on.schemata(t, used.name); len(left) != 1 {
			t.Errorf("one that is used was dropped: %v", left)
		}
	})
}
