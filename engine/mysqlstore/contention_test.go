package mysqlstore

import (
	"context"
	"crypto/rand"
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
		open := func() *Store {
			store, err := Open(context.Background(), s.urlOf(name), Options{Strategy: StrategySkip})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			if err := store.Prepare(context.Background()); err != nil {
				t.Fatal(err)
			}
			store.Store.D = counting{store.dialect, &retries}
			return store
		}
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
		claims, err := store.Claim(context.Background(), engine.ClaimRequest{Server: 1, Queue: queue, Max: len(jobs), NewID: func() (id engine.ClaimID) {
			rand.Read(id[:])
			return id
		}})
		if err != nil {
			t.Error(err)
			return
		}
		for _, c := range claims {
			if err := store.Load(context.Background(), queue, &c); err != nil {
				t.Error(err)
				return
			}
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
