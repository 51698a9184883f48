package mysqlstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Two processes on each node find no tables, several times.
func migrateAtOnce(t *testing.T, c *cluster) {
	for round := range 4 {
		d := c.database(t, round)
		stores := append(d.open(t), d.open(t)...)
		var wg sync.WaitGroup
		for i, s := range stores {
			wg.Go(func() {
				if _, err := s.Migrate(t.Context()); err != nil {
					t.Errorf("round %d, process %d: %v", round, i, err)
				}
			})
		}
		wg.Wait()
		for i, s := range stores {
			if err := s.CheckSchema(t.Context()); err != nil {
				t.Errorf("round %d, process %d: %v", round, i, err)
			}
			if n := count(t, s, "SELECT COUNT(*) - COUNT(DISTINCT version_id) FROM ds_migrations"); n != 0 {
				t.Errorf("round %d, process %d: %d versions are noted more than once", round, i, n)
			}
			if n := count(t, s, "SELECT COUNT(*) FROM ds_migrating"); n != 0 {
				t.Errorf("round %d, process %d: somebody is making the tables still", round, i)
			}
		}
	}
}

// The row of a process that was killed is taken over; one that is written is not.
func TestARowOfAProcessThatIsGoneIsTakenOver(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, srv *testServer) {
		name, _, _ := srv.database(t)
		s, err := Open(t.Context(), srv.urlOf(name), Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		lock := func(ctx context.Context) (*elected, error) {
			c, err := s.control.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			l := &elected{s: s, every: 10 * time.Millisecond}
			return l, l.SessionLock(ctx, c)
		}
		first, err := lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 40*electedLooks*time.Millisecond)
		defer stop()
		if _, err := lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("two have the lock (%v)", err)
		}
		first.stop() // as though it were killed
		<-first.ended
		second, err := lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.control.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := second.SessionUnlock(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s, "SELECT COUNT(*) FROM ds_migrating"); n != 0 {
			t.Error("the row is there still")
		}
	})
}

// What a catch takes back is all that its transaction had written so far.
func nestedCatches(t *testing.T, c *cluster) {
	stores, engines := c.engines(t)
	c.exec(t, "CREATE TABLE "+c.name+".seen (id INT PRIMARY KEY)")
	insert := func(c *engine.Call, id int64) error {
		_, err := c.Session().Exec(c.Context(), "INSERT INTO seen VALUES (?)", []any{id})
		return err
	}
	no := errors.New("no")
	bad := func(c *engine.Call) func() error {
		return func() error { return errors.Join(insert(c, 1), no) }
	}
	typ := &engine.Type{Name: "t", Version: "1", Hooks: map[engine.Phase]engine.Hook{engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
		for _, f := range []func() error{bad(c), func() error {
			_, err := c.Catch(bad(c))
			return errors.Join(err, no)
		}} {
			if failed, err := c.Catch(f); err != nil || failed == nil {
				return nil, fmt.Errorf("got %v and %v of a catch", failed, err)
			}
		}
		return nil, insert(c, 7)
	}}}
	for _, e := range engines {
		if _, err := e.RegisterTypes(t.Context(), typ); err != nil {
			t.Fatal(err)
		}
	}
	made, err := engines[1].Enqueue(t.Context(), engine.NewJob{Type: "t"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engines[1].NewServer(t.Context(), engine.ServerOptions{Name: "s", Types: []*engine.Type{typ}, Once: []engine.JobID{made[0].ID}, Lease: clusterLease})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, st := range stores {
		if n := count(t, st, "SELECT COUNT(*) * 100 + SUM(id) FROM seen"); n != 107 {
			t.Errorf("node %d has other rows than 7: their number and sum are %d", i, n)
		}
		if n := count(t, st, fmt.Sprint("SELECT status FROM ds_jobs WHERE id = ", made[0].ID)); n != int(engine.StatusCompleted) {
			t.Errorf("node %d: the job has status %d", i, n)
		}
	}
	c.whole(t, stores)
}

// whole says whether all nodes take part.
func (c *cluster) whole(t *testing.T, stores []*Store) {
	t.Helper()
	for i, s := range stores {
		var name string
		var n int
		if err := s.control.QueryRowContext(t.Context(), "SHOW STATUS LIKE 'wsrep_cluster_size'").Scan(&name, &n); err != nil || n != len(c.urls) {
			t.Errorf("node %d sees %d nodes (%v), want %d", i, n, err, len(c.urls))
		}
	}
}

// numbers is a source of rows.
type numbers struct {
	left []int64
}

func (n *numbers) Next(context.Context) (engine.Row, error) {
	if len(n.left) == 0 {
		return engine.Row{}, io.EOF
	}
	id := n.left[0]
	n.left = n.left[1:]
	return engine.Row{Names: []string{"id"}, Values: []any{id}}, nil
}

// owned is the session of a hook on the job database, committed by itself.
type owned struct{ *sqlstore.Session }

func (o owned) CommitOwn(ctx context.Context) error {
	if _, err := o.Ready(ctx); err != nil {
		return err
	}
	return o.Session.Commit(ctx)
}

func anySavepoints(t *testing.T, c *cluster) {
	stores, _ := c.engines(t)
	savepoints(t, c, stores, func(node int) committing {
		return owned{sqlstore.NewSession(stores[node].Store, stores[node], engine.SessionOptions{})}
	})
	if n := count(t, stores[0], "SELECT COUNT(*) FROM ds_receipts"); n > 2 {
		t.Errorf("hooks that ran one after the other on two nodes have left %d rows of their own, want 2", n)
	}
}

// There no row of the engine's own can come first.
func anySavepointsElsewhere(t *testing.T, c *cluster) {
	connections := c.connect(t)
	savepoints(t, c, c.open(t), func(node int) committing { return connections[node].Begin(engine.SessionOptions{}) })
}

// connect connects to the database on each node as scripts do to another one.
func (c *cluster) connect(t *testing.T) (list []*Connection) {
	t.Helper()
	for _, u := range c.urls {
		var other *Connection
		within(t, "the node has the database", func() (err error) {
			other, err = Connect(t.Context(), u, false, Options{Lease: clusterLease})
			return err
		})
		t.Cleanup(func() { other.Close() })
		list = append(list, other)
	}
	return list
}

// What was done before a savepoint, and cannot be known to have written nothing, is
// not taken back with what came after it.
func uncertainSavepoints(t *testing.T, c *cluster) {
	stores, other := c.open(t), c.connect(t)[0]
	c.exec(t, "CREATE TABLE "+c.name+".seen (id BIGINT PRIMARY KEY)")
	c.exec(t, "INSERT INTO "+c.name+".seen VALUES (1)")
	c.exec(t, "CREATE PROCEDURE "+c.name+".see(n BIGINT) INSERT INTO seen VALUES (n)")
	for i, x := range []struct {
		what   string
		before string
		kept   bool
	}{
		{"a row that was locked", "SELECT id FROM seen WHERE id = 1 FOR UPDATE", false},
		{"a routine", "CALL see(2)", false},
		{"a row that was written after it was locked", "DELETE FROM seen WHERE id = 1", true},
		{"a row that was read", "SELECT id FROM seen WHERE id = 1", true},
		{"a statement that changed none", "DELETE FROM seen WHERE id = 99", true},
	} {
		s := other.Begin(engine.SessionOptions{})
		exec := func(q string) {
			if strings.HasPrefix(q, "SELECT") {
				rows, err := s.Query(t.Context(), q, nil)
				if err != nil {
					t.Fatalf("%s: %v", q, err)
				}
				rows.Close()
				return
			}
			if _, err := s.Exec(t.Context(), q, nil); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		exec(x.before)
		m, err := s.Mark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exec(fmt.Sprint("INSERT INTO seen VALUES (", 10+i, ")"))
		if err = s.Undo(t.Context(), m); x.kept != (err == nil) || err != nil && engine.AsFailure(err).Code != "db.undo" {
			t.Errorf("%s: got %v", x.what, err)
		}
		if err := s.CommitOwn(t.Context()); (err == nil) != x.kept {
			t.Errorf("%s: the commit gives %v", x.what, err)
		}
		s.Close()
	}
	for i, st := range stores {
		if n := count(t, st, "SELECT COUNT(*) FROM seen"); n != 0 {
			t.Errorf("node %d has %d rows, want none", i, n)
		}
	}
	c.whole(t, stores)
}

// committing is a session that commits by itself.
type committing interface {
	engine.Session
	CommitOwn(context.Context) error
}

// savepoints has hooks write, mark, take back and keep in any order, and merge, which
// makes tables of its own on the way.
func savepoints(t *testing.T, c *cluster, stores []*Store, begin func(node int) committing) {
	c.exec(t, "CREATE TABLE "+c.name+".seen (id BIGINT PRIMARY KEY)")
	const rounds = 150
	want := map[int64]bool{}
	for seed := range uint64(rounds) {
		var did []string
		must := func(what string, err error) {
			if err != nil {
				t.Fatalf("hook %d: %s: %v\nit did: %s", seed, what, err, strings.Join(did, ", "))
			}
			did = append(did, what)
		}
		r := rand.New(rand.NewPCG(seed, 1))
		s := begin(int(seed % 2))
		type mark struct {
			n    int
			rows map[int64]bool
		}
		var marks []mark
		rows, next := map[int64]bool{}, int64(seed)*1000+1
		insert := func(id int64) {
			_, err := s.Exec(t.Context(), "INSERT INTO seen VALUES (?)", []any{id})
			must(fmt.Sprint("insert ", id), err)
			rows[id] = true
		}
		for range 2 + r.IntN(14) {
			switch do := r.IntN(9); {
			case do < 2:
				id := int64(seed)*1000 + 1 // again and again
				if rows[id] || r.IntN(2) == 0 {
					next++
					id = next
				}
				insert(id)
			case do < 5:
				n, err := s.Mark(t.Context())
				must("mark", err)
				marks = append(marks, mark{n, maps.Clone(rows)})
			case do == 5: // a merge that is refused, of which nothing stays
				if len(rows) == 0 {
					continue
				}
				next++
				_, err := s.Merge(t.Context(), "seen", &numbers{[]int64{next}}, engine.Merge{Key: []string{"id"},
					Where: "id BETWEEN ? AND ?", Args: []any{int64(seed) * 1000, int64(seed)*1000 + 999}, MaxDelete: 0})
				if f := engine.AsFailure(err); err == nil || f.Code != "db.max_delete" {
					t.Fatalf("hook %d: a merge that deletes too much: %v", seed, err)
				}
				did = append(did, "merge, refused")
			case do == 6: // rows of which one is there: they are tried one by one
				if len(rows) == 0 {
					continue
				}
				there := slices.Collect(maps.Keys(rows))[0]
				next += 2
				_, err := s.Insert(t.Context(), "seen", &numbers{[]int64{next - 1, next, there}})
				if f := engine.AsFailure(err); err == nil || f.Code != "db.duplicate" {
					t.Fatalf("hook %d: a row that is there is inserted: %v", seed, err)
				}
				did = append(did, "insert, refused")
			case len(marks) == 0:
			default:
				m := marks[len(marks)-1]
				marks = marks[:len(marks)-1]
				if r.IntN(3) == 0 {
					must("keep", s.Keep(t.Context(), m.n))
					continue
				}
				must("undo", s.Undo(t.Context(), m.n))
				rows = m.rows
			}
		}
		insert(int64(seed)*1000 + 999)
		must("commit", s.CommitOwn(t.Context()))
		s.Close()
		maps.Copy(want, rows)
		if seed%10 < 9 && seed < rounds-1 {
			continue
		}
		sum := 0
		for id := range want {
			sum += int(id)
		}
		for i, st := range stores {
			if n, got := count(t, st, "SELECT COUNT(*) FROM seen"), count(t, st, "SELECT SUM(id) FROM seen"); n != len(want) || got != sum {
				t.Fatalf("after hook %d node %d has %d rows with the sum %d, want %d with %d\nit did: %s", seed, i, n, got, len(want), sum, strings.Join(did, ", "))
			}
		}
	}
	c.whole(t, stores)
}

// A retry of many takes back what it did to those that cannot be retried.
func retriesTakenBack(t *testing.T, c *cluster) {
	stores, engines := c.engines(t)
	typ := &engine.Type{Name: "t", Version: "1", Hooks: map[engine.Phase]engine.Hook{engine.PhaseConsume: func(*engine.Call) (engine.Raw, error) { return nil, nil }}}
	if _, err := engines[0].RegisterTypes(t.Context(), typ); err != nil {
		t.Fatal(err)
	}
	var jobs []engine.NewJob
	for range 8 {
		jobs = append(jobs, engine.NewJob{Type: "t"})
	}
	made, err := engines[0].Enqueue(t.Context(), jobs...)
	if err != nil {
		t.Fatal(err)
	}
	var ids []engine.JobID
	for i, m := range made {
		if ids = append(ids, m.ID); i%2 == 0 { // the others wait, and are refused
			if _, err := stores[0].Cancel(t.Context(), m.ID, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	results, err := stores[0].RetryAll(t.Context(), ids, engine.RetryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if got := engine.CodeOf(r.Err); (got == engine.CodeConflict) != (i%2 == 1) {
			t.Errorf("job %d of those: %v", i, r.Err)
		}
	}
	for i, s := range stores {
		if n := count(t, s, "SELECT COUNT(*) FROM ds_ready WHERE id > 0"); n != len(ids) {
			t.Errorf("node %d: %d jobs are due, want %d", i, n, len(ids))
		}
	}
	c.whole(t, stores)
}
