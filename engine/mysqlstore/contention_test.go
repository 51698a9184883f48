package mysqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// counting counts the errors that have a transaction run again.
type counting struct {
	*dialect
	retries *atomic.Int64
}

func (c counting) Class(err error) sqlstore.Class {
	class := c.dialect.Class(err)
	if class == sqlstore.ClassRetry {
		c.retries.Add(1)
	}
	return class
}

// openCounting opens a database whose dead-locks and lock time-outs are counted.
func (s *testServer) openCounting(t *testing.T, name string, o Options, retries *atomic.Int64) *Store {
	t.Helper()
	store, err := Open(context.Background(), s.urlOf(name), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	store.Store.D = counting{store.dialect, retries}
	return store
}

// claimed claims jobs of a queue and reads them.
func claimed(store *Store, queue engine.Queue, most int) ([]engine.Claim, error) {
	claims, err := store.Claim(context.Background(), engine.ClaimRequest{Server: 1, Queue: queue, Max: most, NewID: func() (id engine.ClaimID) {
		rand.Read(id[:])
		return id
	}})
	for i := range claims {
		if err == nil {
			err = store.Load(context.Background(), queue, &claims[i])
		}
	}
	return claims, err
}

// Statements that are by key must stay so at every size of the table: a DELETE
// with a list of ids becomes a scan while the table is small beside the list,
// waits for every row that it passes, and four claimers dead-lock dozens of
// times in these fifteen seconds.
func TestFourClaimersOverASmallTableNeverDeadlock(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		const claimers, batch, ready = 4, 500, 5000
		length := 15 * time.Second
		if testing.Short() {
			length = 2 * time.Second
		}
		name, _, _ := s.database(t)
		var retries, done atomic.Int64
		var wg sync.WaitGroup
		ctx, cancel := context.WithTimeout(context.Background(), length)
		defer cancel()
		open := func() *Store { return s.openCounting(t, name, Options{Strategy: StrategySkip}, &retries) }
		store := open()
		types, err := store.SaveTypes(ctx, []engine.TypeRecord{{Name: "t", Hooks: 1 << engine.PhaseConsume, MaxAttempts: 1}})
		if err != nil {
			t.Fatal(err)
		}
		queue := engine.QueueOf(types["t"], engine.PhaseConsume)
		jobs := make([]engine.JobInsert, batch)
		for i := range jobs {
			jobs[i] = engine.JobInsert{Type: types["t"], Phase: engine.PhaseConsume}
		}
		for range ready / batch {
			if _, err := store.Enqueue(ctx, jobs); err != nil {
				t.Fatal(err)
			}
		}
		for range claimers {
			store := open()
			wg.Go(func() { claimSettleRefill(ctx, t, store, queue, jobs, &done) })
		}
		wg.Wait()
		if n := retries.Load(); n != 0 {
			t.Errorf("%d dead-locks or lock time-outs", n)
		}
		if done.Load() < batch*claimers {
			t.Errorf("only %d jobs went through", done.Load())
		}
		t.Logf("%d jobs in %s, no dead-lock", done.Load(), length)
	})
}

// claimSettleRefill claims, completes what it claimed, and enqueues as many
// again, until ctx ends.
func claimSettleRefill(ctx context.Context, t *testing.T, store *Store, queue engine.Queue, jobs []engine.JobInsert, done *atomic.Int64) {
	for ctx.Err() == nil {
		claims, err := claimed(store, queue, len(jobs))
		if err != nil {
			t.Error(err)
			return
		}
		for _, c := range claims {
			outcomes := make([]engine.Outcome, len(c.Jobs))
			for i := range c.Jobs {
				j := &c.Jobs[i]
				outcomes[i] = engine.Outcome{Job: j, Event: engine.Succeeded, To: engine.State{Phase: j.Phase, Status: engine.StatusCompleted}, Attempts: 1, Server: 1}
			}
			lost, err := store.Settle(context.Background(), outcomes, []engine.ClaimID{c.ID})
			if err != nil || len(lost) > 0 {
				t.Errorf("settle: %v, lost %v", err, lost)
				return
			}
			done.Add(int64(len(outcomes)))
			if _, err := store.Enqueue(context.Background(), jobs[:len(outcomes)]); err != nil {
				t.Error(err)
				return
			}
		}
	}
}

// Cancel takes a job out of the queue and frees its key; an enqueue with replace
// holds the key and looks for the job in the queue. Two jobs may each bring the
// other's key and free their own. One order of locks for all.
func TestKeysNeverDeadlock(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		name, _, _ := s.database(t)
		var retries atomic.Int64
		ctx := t.Context()
		open := func() *Store { return s.openCounting(t, name, Options{}, &retries) }
		store, other := open(), open()
		types, err := store.SaveTypes(ctx, []engine.TypeRecord{{Name: "t", Hooks: 1 << engine.PhaseConsume, MaxAttempts: 1}})
		if err != nil {
			t.Fatal(err)
		}
		keyed := func(key string, replace bool) engine.JobInsert {
			return engine.JobInsert{Type: types["t"], Phase: engine.PhaseConsume, Key: key, Replace: replace, Payload: engine.Raw("1")}
		}
		const rounds = 300
		var wg sync.WaitGroup
		for range rounds {
			made, err := store.Enqueue(ctx, []engine.JobInsert{keyed("k", false)})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if _, err := other.Enqueue(ctx, []engine.JobInsert{keyed("k", true)}); err != nil {
					t.Error(err)
				}
			})
			if _, err := store.Cancel(ctx, made[0].ID, ""); err != nil {
				t.Error(err)
			}
			wg.Wait()
		}
		if n := retries.Load(); n != 0 {
			t.Errorf("%d dead-locks between cancel and replace", n)
		}

		// Jobs a and b complete at once, each bringing a job of the other's key.
		retries.Store(0)
		queue := engine.QueueOf(types["t"], engine.PhaseConsume)
		for n := range rounds {
			a, b := fmt.Sprint("a", n), fmt.Sprint("b", n)
			if _, err := store.Enqueue(ctx, []engine.JobInsert{keyed(a, false), keyed(b, false)}); err != nil {
				t.Fatal(err)
			}
			var mine []engine.ClaimedJob
			for len(mine) < 2 {
				claims, err := claimed(store, queue, 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range claims {
					for _, j := range c.Jobs {
						if j.Key == a || j.Key == b {
							mine = append(mine, j)
						}
					}
				}
			}
			for i, s := range []*Store{store, other} {
				j := &mine[i]
				brings := a
				if j.Key == a {
					brings = b
				}
				wg.Go(func() {
					err := s.Commit(ctx, nil, &engine.Outcome{Job: j, Event: engine.Succeeded, To: engine.State{Phase: j.Phase, Status: engine.StatusCompleted}, Attempts: 1,
						Enqueue: []engine.JobInsert{keyed(brings, false), keyed("c"+brings, false)}})
					if err != nil && engine.CodeOf(err) != engine.CodeConflict {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		if n := retries.Load(); n != 0 {
			t.Errorf("%d dead-locks between jobs that bring each other's keys", n)
		}
	})
}

// What retries items takes their keys, and that of their emitter, in the order in which
// an enqueue of several takes its own: by hash, whatever their ids, and also those that
// nobody holds.
func TestRetriesTakeKeysInOrder(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		name, _, _ := s.database(t)
		var retries atomic.Int64
		ctx := t.Context()
		open := func() *Store { return s.openCounting(t, name, Options{}, &retries) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		store, other := open(), open()
		types, err := store.SaveTypes(ctx, []engine.TypeRecord{{Name: "t", Hooks: 1 << engine.PhaseConsume, MaxAttempts: 1}})
		if err != nil {
			t.Fatal(err)
		}
		queue := engine.QueueOf(types["t"], engine.PhaseConsume)
		// cancelled is an emitter with a key that was cancelled with its items, which
		// have keys, too, and all these jobs.
		cancelled := func(what string) (engine.JobID, []engine.JobInsert) {
			var list []engine.JobInsert
			for n := range 9 {
				list = append(list, engine.JobInsert{Type: types["t"], Phase: engine.PhaseConsume, Key: fmt.Sprint(what, n)})
			}
			_, err := store.Enqueue(ctx, list[:1])
			must(err)
			claims, err := claimed(store, queue, 1)
			if err != nil || len(claims) != 1 {
				t.Fatalf("%d claims: %v", len(claims), err)
			}
			p := &claims[0].Jobs[0]
			items := slices.Clone(list[1:])
			for i := range items {
				items[i].Parent = p.ID
			}
			must(store.Commit(ctx, nil, &engine.Outcome{Job: p, Event: engine.Opened, To: engine.State{Phase: p.Phase, Status: engine.StatusOpen}, Items: items, LastOf: &p.Claim}))
			_, err = store.Cancel(ctx, p.ID, "")
			must(err)
			for more := true; more; {
				more, err = store.Sweep(ctx, 100)
				must(err)
			}
			_, _, _, err = store.Fold(ctx, 100)
			must(err)
			if j, err := store.Job(ctx, p.ID); err != nil || j.Status != engine.StatusCancelled {
				t.Fatalf("the emitter: %+v, %v", j, err)
			}
			return p.ID, list
		}
		for what, retry := range map[string]func(engine.JobID) error{
			"a sweep": func(id engine.JobID) error {
				if err := store.Retry(ctx, id, engine.RetryOptions{}); err != nil {
					return err
				}
				_, err := store.Sweep(ctx, 100)
				return err
			},
			"a retry of failed items": func(id engine.JobID) error { return store.Retry(ctx, id, engine.RetryOptions{}) },
			"a retry of many": func(id engine.JobID) error {
				var items []engine.JobID
				for n := range engine.JobID(8) {
					items = append(items, id+1+n)
				}
				_, err := store.RetryAll(ctx, items, engine.RetryOptions{})
				return err
			},
		} {
			for n := range 60 {
				id, list := cancelled(fmt.Sprint(what, n, " "))
				if what != "a sweep" {
					_, err := store.Store.DB.ExecContext(ctx, "UPDATE ds_jobs SET status = ?, verdict = 0 WHERE id = ? OR parent = ?", engine.StatusFailed, id, id)
					must(err)
				}
				retries.Store(0)
				var enqueued sync.WaitGroup
				enqueued.Go(func() {
					_, err := other.Enqueue(ctx, list)
					must(err)
				})
				if err := retry(id); err != nil && engine.CodeOf(err) != engine.CodeConflict {
					t.Error(err)
				}
				enqueued.Wait()
				if n := retries.Load(); n != 0 {
					t.Fatalf("%s: %d dead-locks with an enqueue", what, n)
				}
				_, err := store.Store.DB.ExecContext(ctx, "DELETE FROM ds_ready WHERE id > 0")
				must(err)
			}
		}
		var reserved int
		if err := store.Store.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM ds_keys WHERE job = 0").Scan(&reserved); err != nil || reserved != 0 {
			t.Errorf("%d keys are nobody's: %v", reserved, err)
		}
	})
}

// A process that is frozen in a transaction of the engine's own must not hold
// its locks for long either.
func TestServersEndIdleTransactions(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		name, _, _ := s.database(t)
		store, err := Open(t.Context(), s.urlOf(name), Options{Lease: 7 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		for pool, db := range map[string]*sql.DB{"engine": store.Store.DB, "heartbeats": store.beats.DB, "hooks": store.hooks} {
			var seconds int
			if err := db.QueryRowContext(t.Context(), "SELECT @@wait_timeout").Scan(&seconds); err != nil {
				t.Fatal(err)
			}
			if seconds != 7 {
				t.Errorf("%s: the server waits %d s for the next statement, want 7", pool, seconds)
			}
		}
	})
}
