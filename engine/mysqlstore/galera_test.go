package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

// galeraVariable holds the URLs of the nodes of a cluster to test on, between
// commas, instead of one that the tests start themselves. Its user may make
// databases.
const galeraVariable = "DSENGINE_TEST_GALERA"

// cluster is a Galera cluster, with a database of the test's own.
type cluster struct {
	urls  []string
	name  string             // of the database
	admin *sql.DB            // on the first node
	nodes []*dbserver.Server // nil: it was there before
}

// Locks hold on one node only, and the nodes send each other what was written.
func TestOnAGaleraCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts three servers")
	}
	t.Parallel()
	t.Run("galera", func(t *testing.T) {
		all := newCluster(t)
		for i, x := range []struct {
			name string
			run  func(*testing.T, *cluster)
		}{
			{"servers that start at once make the tables once", migrateAtOnce},
			{"a catch in a catch takes back its own alone", nestedCatches},
			{"any order of savepoints has each node hold the same", anySavepoints},
			{"so it does by connections of scripts", anySavepointsElsewhere},
			{"what is not known to have done nothing is not undone with the rest", uncertainSavepoints},
			{"jobs that cannot be retried leave no trace", retriesTakenBack},
			{"each job is done once", doneOnce}, // a node is killed
		} {
			t.Run(x.name, func(t *testing.T) { x.run(t, all.database(t, i)) })
		}
	})
}

// database is the cluster with another database.
func (c *cluster) database(t *testing.T, n int) *cluster {
	t.Helper()
	d := &cluster{name: fmt.Sprint(c.name, "_", n), admin: c.admin, nodes: c.nodes}
	for _, u := range c.urls {
		d.urls = append(d.urls, strings.TrimSuffix(u, c.name)+d.name)
	}
	c.exec(t, "CREATE DATABASE "+d.name)
	t.Cleanup(func() {
		if c.nodes == nil {
			c.exec(t, "DROP DATABASE "+d.name)
		}
	})
	return d
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	name := fmt.Sprintf("dsengine_test_%d", os.Getpid())
	c := &cluster{name: name}
	if list := os.Getenv(galeraVariable); list != "" {
		for _, u := range strings.Split(list, ",") {
			node, err := url.Parse(strings.TrimSpace(u))
			if err != nil {
				t.Fatalf("%s: a URL cannot be read", galeraVariable)
			}
			node.Path = "/" + name
			c.urls = append(c.urls, node.String())
		}
	} else {
		nodes, err := dbserver.Galera(3, dbserver.Options{Buffers: 64, Flags: []string{"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"}})
		var no *dbserver.NotInstalledError
		if errors.As(err, &no) && os.Getenv("CI") == "" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.nodes = nodes
		for _, s := range nodes {
			t.Cleanup(func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			})
			c.urls = append(c.urls, s.URL(name))
		}
	}
	first, err := url.Parse(c.urls[0])
	if err != nil {
		t.Fatal(err)
	}
	first.Path = "/information_schema"
	cfg, err := parseURL(first.String())
	if err != nil {
		t.Fatal(err)
	}
	if c.admin, err = sql.Open("mysql", cfg.FormatDSN()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.admin.Close() })
	return c
}

func (c *cluster) exec(t *testing.T, q string) {
	t.Helper()
	if _, err := c.admin.Exec(q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

// ask asks on a node, once that has seen what the others have committed.
func ask(ctx context.Context, s *Store, q string) (n int, err error) {
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	err = s.control.QueryRowContext(ctx, q).Scan(&n)
	return n, err
}

func count(t *testing.T, s *Store, q string) int {
	t.Helper()
	n, err := ask(t.Context(), s, q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return n
}

// clusterLease is short, so that a node's jobs are soon taken over.
const clusterLease = 4 * time.Second

// open opens a store on each node.
func (c *cluster) open(t *testing.T) (stores []*Store) {
	t.Helper()
	for _, u := range c.urls {
		var s *Store
		within(t, "the node has the database", func() (err error) {
			s, err = Open(t.Context(), u, Options{Lease: clusterLease})
			return err
		})
		t.Cleanup(func() { s.Close() })
		stores = append(stores, s)
	}
	return stores
}

// within waits until f succeeds.
func within(t *testing.T, what string, f func() error) {
	t.Helper()
	tick, late := time.NewTicker(50*time.Millisecond), time.NewTimer(3*time.Minute)
	defer tick.Stop()
	defer late.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("it does not come about that %s: %v", what, err)
		}
	}
}

// engines opens one on each node.
func (c *cluster) engines(t *testing.T) (stores []*Store, engines []*engine.Engine) {
	t.Helper()
	for _, s := range c.open(t) {
		e, err := engine.Open(t.Context(), s, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		stores, engines = append(stores, s), append(engines, e)
	}
	return stores, engines
}

// worker is a type whose jobs each write a row, which a second time would be there
// already.
func worker(name string) *engine.Type {
	return &engine.Type{Name: name, Version: "1", Hooks: map[engine.Phase]engine.Hook{
		engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
			_, err := c.Session().Exec(c.Context(), "INSERT INTO done (job, node) VALUES (?, ?)", []any{int64(c.Job().ID), c.Server()})
			return nil, err
		},
	}}
}

// Whatever servers on several nodes do at once, each job is done once, a key makes
// one job, and a schedule fires once.
func doneOnce(t *testing.T, c *cluster) {
	c.exec(t, "CREATE TABLE "+c.name+".done (job BIGINT PRIMARY KEY, node VARCHAR(20) NOT NULL)")
	stores, engines := c.engines(t)
	types := []*engine.Type{worker("work"), {Name: "emits", Version: "1", Hooks: map[engine.Phase]engine.Hook{
		engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
			for i := range 40 {
				if _, err := c.Emit(engine.Emission{Type: "work", Key: fmt.Sprint(c.Job().ID, "/", i)}); err != nil {
					return nil, err
				}
			}
			return nil, nil
		},
	}}}
	const schedules = 5
	for i := range schedules {
		w := worker(fmt.Sprint("scheduled", i))
		w.Settings.Schedule.Every = time.Hour
		types = append(types, w)
	}
	for i, s := range stores {
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.choice.strategy != StrategyCompare {
			t.Errorf("on node %d jobs are claimed by %s: %s", i, s.choice.strategy, s.choice.reason)
		}
		if s.LoadsText(t.Context()) {
			t.Errorf("node %d is sent rows as text, which it may commit in parts", i)
		}
		for what, db := range map[string]*sql.DB{"control": s.control, "engine": s.Store.DB, "hooks": s.hooks, "beats": s.beats.DB} {
			var wait int
			if err := db.QueryRowContext(t.Context(), "SELECT @@wsrep_sync_wait").Scan(&wait); err != nil || wait != 1 {
				t.Errorf("node %d, %s: wsrep_sync_wait is %d (%v), want 1", i, what, wait, err)
			}
		}
		if _, err := engines[i].RegisterTypes(t.Context(), types...); err != nil {
			t.Fatal(err)
		}
	}
	const each, keys = 60, 20
	var wg sync.WaitGroup
	for _, e := range engines {
		wg.Go(func() {
			var jobs []engine.NewJob
			for range each {
				jobs = append(jobs, engine.NewJob{Type: "work"})
			}
			for i := range keys {
				jobs = append(jobs, engine.NewJob{Type: "work", Key: fmt.Sprint("k", i), Unique: engine.Unique{Mode: engine.UniqueForever}})
			}
			if _, err := e.Enqueue(t.Context(), append(jobs, engine.NewJob{Type: "emits"})...); err != nil {
				t.Error("enqueue: ", err)
			}
		})
	}
	wg.Wait()
	for i, e := range engines {
		s, err := e.NewServer(t.Context(), engine.ServerOptions{Name: fmt.Sprint("node", i), Types: types, UntilIdle: true, Batch: 5, Lease: clusterLease})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := s.Run(t.Context()); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	n := len(engines)
	want := n*each + keys + n*40 + schedules
	for i, s := range stores {
		for q, want := range map[string]int{
			"SELECT COUNT(*) FROM done":                                       want,
			"SELECT COUNT(*) FROM ds_jobs":                                    want + n,
			"SELECT COUNT(*) FROM ds_jobs WHERE status = 4":                   want + n,
			"SELECT COUNT(*) FROM ds_jobs WHERE job_key LIKE 'k%'":            keys,
			"SELECT COUNT(*) FROM ds_jobs WHERE scheduled_for > '2020-01-01'": schedules,
			"SELECT COUNT(*) FROM ds_attempts WHERE failure IS NOT NULL":      0,
			"SELECT COUNT(*) FROM ds_claims":                                  0,
			"SELECT COUNT(*) FROM ds_ready WHERE id > 0":                      0,
		} {
			if got := count(t, s, q); got != want {
				t.Errorf("node %d: %s: got %d, want %d", i, q, got, want)
			}
		}
	}
	rows := map[string]int{}
	for i := range engines {
		node := fmt.Sprint("node", i)
		rows[node] = count(t, stores[0], "SELECT COUNT(*) FROM done WHERE node = '"+node+"'")
	}
	t.Log("jobs done: ", rows)
	c.killed(t, stores, engines, types)
}

// killed has a node killed while jobs run through it and through the others: these do
// its jobs, each writes its row once, and its server goes on when the node is back, or
// has ended and said that it could not reach it.
func (c *cluster) killed(t *testing.T, stores []*Store, engines []*engine.Engine, types []*engine.Type) {
	if c.nodes == nil {
		t.Log("no node is killed: it is not ours")
		return
	}
	const jobs = 300
	c.exec(t, "CREATE TABLE "+c.name+".again (job BIGINT NOT NULL, node VARCHAR(20) NOT NULL)") // no unique key: what is done twice is there twice
	last := len(engines) - 1
	// Half of the first jobs have written their row, and wait until the node is killed: it has some of them.
	gate := make(chan struct{})
	var begun atomic.Int64
	again := &engine.Type{Name: "again", Version: "1", Hooks: map[engine.Phase]engine.Hook{
		engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
			_, err := c.Session().Exec(c.Context(), "INSERT INTO again (job, node) VALUES (?, ?)", []any{int64(c.Job().ID), c.Server()})
			if begun.Add(1) > jobs/2 {
				select {
				case <-gate:
				case <-c.Context().Done():
					return nil, context.Cause(c.Context())
				}
			}
			return nil, err
		},
	}}
	types = append(types, again)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	ended := make(chan struct{}) // the server on the node that is killed
	for i, e := range engines {
		s, err := e.NewServer(t.Context(), engine.ServerOptions{Name: fmt.Sprint("again", i), Types: types, Batch: 5, Lease: clusterLease, Drain: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			err := s.Run(ctx)
			if i == last {
				close(ended)
			}
			if i == last && ctx.Err() == nil && engine.CodeOf(err) != engine.CodeUnreachable && engine.CodeOf(err) != engine.CodeLost {
				t.Errorf("the server on the node that was killed ended with %v (%s)", err, engine.CodeOf(err))
			}
			if err != nil && i != last {
				t.Errorf("node %d: %v", i, err)
			}
		})
	}
	enqueue := func() {
		t.Helper()
		var list []engine.NewJob
		for range jobs {
			list = append(list, engine.NewJob{Type: again.Name})
		}
		if _, err := engines[0].Enqueue(t.Context(), list...); err != nil {
			t.Fatal(err)
		}
	}
	enqueue()
	until := func(what string, min int, q string) { // an error is that of a cluster that has just lost a node
		t.Helper()
		within(t, what, func() error {
			n, err := ask(t.Context(), stores[0], q)
			if err == nil && n < min {
				err = fmt.Errorf("%s: got %d, want %d", q, n, min)
			}
			return err
		})
	}
	until("the last node has a job in hand", 1, fmt.Sprintf("SELECT COUNT(*) FROM ds_claims c JOIN ds_servers s ON s.id = c.server WHERE s.name = 'again%d'", last))
	left, err := ask(t.Context(), stores[0], "SELECT COUNT(*) FROM ds_jobs WHERE status <> 4")
	if err != nil || left < jobs/2-1 {
		t.Errorf("%d jobs are left when the node is killed (%v): that tests little", left, err)
	}
	c.nodes[last].Kill()
	close(gate)
	until("all jobs are done", 1, "SELECT COUNT(*) = 0 FROM ds_jobs WHERE status <> 4")
	once := func(s *Store, want int) {
		t.Helper()
		if got := count(t, s, "SELECT COUNT(*) FROM again"); got != want {
			t.Errorf("%d rows are there, want %d", got, want)
		}
		if got := count(t, s, "SELECT COUNT(DISTINCT job) FROM again"); got != want {
			t.Errorf("rows of %d jobs are there, want %d", got, want)
		}
	}
	once(stores[1], jobs)
	// It catches up with the others, and its server works again.
	if err := c.nodes[last].Restart(); err != nil {
		t.Fatalf("%v\n%s", err, c.nodes[last].Log())
	}
	within(t, "the node has what the others have", func() error {
		n, err := ask(t.Context(), stores[last], "SELECT COUNT(*) FROM again")
		if err == nil && n != jobs {
			err = fmt.Errorf("%d rows, want %d", n, jobs)
		}
		return err
	})
	mine := fmt.Sprintf("SELECT COUNT(*) FROM again WHERE node = 'again%d'", last)
	before := count(t, stores[0], mine)
	want := jobs
	within(t, "its server works again, or has ended", func() error {
		select {
		case <-ended:
			t.Log("its server has ended")
			if want == jobs {
				enqueue()
				want += jobs
			}
			return nil
		default:
		}
		n, err := ask(t.Context(), stores[0], mine)
		if err == nil && n > before {
			return nil
		}
		if left, e := ask(t.Context(), stores[0], "SELECT COUNT(*) FROM ds_jobs WHERE status <> 4"); err == nil && e == nil && left == 0 { // the others were faster
			enqueue()
			want += jobs
		}
		return fmt.Errorf("it has written %d rows, as before (%v)", n, err)
	})
	until("all jobs are done", 1, "SELECT COUNT(*) = 0 FROM ds_jobs WHERE status <> 4")
	for _, s := range stores {
		once(s, want)
	}
	stop()
	wg.Wait()
}
