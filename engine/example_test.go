package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
)

// open opens an engine over a new SQLite database.
func open(ctx context.Context) (*engine.Engine, *sqlitestore.Store, func()) {
	dir, err := os.MkdirTemp("", "dsengine-example-")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlitestore.Open(ctx, filepath.Join(dir, "jobs.db"), sqlitestore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	eng, err := engine.Open(ctx, store, engine.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return eng, store, func() {
		store.Close()
		os.RemoveAll(dir)
	}
}

// A job type of Go hooks, one job of it, and a server that runs it.
func Example() {
	ctx := context.Background()
	eng, _, done := open(ctx)
	defer done()

	double := &engine.Type{
		Name:    "double",
		Version: "1",
		Hooks: map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				var n int
				if err := json.Unmarshal(c.Item(), &n); err != nil {
					return nil, err
				}
				return json.Marshal(2 * n)
			},
		},
	}
	server, err := eng.NewServer(ctx, engine.ServerOptions{Types: []*engine.Type{double}, UntilIdle: true})
	if err != nil {
		log.Fatal(err)
	}
	made, err := eng.Enqueue(ctx, engine.NewJob{Type: "double", Payload: engine.Raw("21")})
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
	job, err := eng.Store().Job(ctx, made[0].ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Status, string(job.Result))
	// Output: completed 42
}

// The engine opens over a store and makes its tables; it runs no job unless
// told to.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "dsengine-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sqlitestore.Open(ctx, filepath.Join(dir, "jobs.db"), sqlitestore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	eng, err := engine.Open(ctx, store, engine.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = eng.Enqueue(ctx, engine.NewJob{Type: "mail"})
	fmt.Println(err)
	fmt.Println(engine.HintOf(err))
	// Output:
	// there is no job type "mail"
	// no script of that name was ever run on this database; give its first phase, or run it once
}

// A job can be made in the transaction that makes it necessary: it comes to be
// with the rows of that transaction, or not at all.
func ExampleEngine_EnqueueTx() {
	ctx := context.Background()
	eng, store, done := open(ctx)
	defer done()
	db := store.Handle() // SQLite has one writer, which the transaction must come from

	mail := &engine.Type{Name: "welcome", Hooks: map[engine.Phase]engine.Hook{
		engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, nil },
	}}
	if _, err := eng.RegisterTypes(ctx, mail); err != nil {
		log.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)"); err != nil {
		log.Fatal(err)
	}
	welcome := func(name string, commit bool) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "INSERT INTO customers (name) VALUES (?)", name); err != nil {
			log.Fatal(err)
		}
		payload, err := json.Marshal(name)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := eng.EnqueueTx(ctx, tx, engine.NewJob{Type: "welcome", Payload: payload}); err != nil {
			log.Fatal(err)
		}
		if commit {
			if err := tx.Commit(); err != nil {
				log.Fatal(err)
			}
		}
	}
	welcome("Ada", true)
	welcome("Bob", false)

	jobs, err := eng.Store().Jobs(ctx, engine.JobFilter{})
	if err != nil {
		log.Fatal(err)
	}
	for _, j := range jobs {
		fmt.Println(j.Type, string(j.Payload))
	}
	// Output: welcome "Ada"
}

// An importer in Go: produce emits an item for each of its sources, consume
// writes rows that commit together with the item's completion, and finish sees
// what became of all.
func ExampleEngine_NewServer() {
	ctx := context.Background()
	eng, store, done := open(ctx)
	defer done()

	importer := &engine.Type{
		Name:    "people",
		Version: "1",
		Hooks: map[engine.Phase]engine.Hook{
			engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
				for _, name := range []string{`"Ada"`, `"Bob"`, `"Eve"`} {
					if _, err := c.Emit(engine.Emission{Payload: engine.Raw(name), Key: name}); err != nil {
						return nil, err
					}
				}
				return nil, nil
			},
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				var name string
				if err := json.Unmarshal(c.Item(), &name); err != nil {
					return nil, err
				}
				db := c.Session()
				columns := []engine.Column{{Name: "name", Type: "text"}}
				if _, err := db.Ensure(c.Context(), "people", columns, []string{"name"}); err != nil {
					return nil, err
				}
				n, err := db.Exec(c.Context(), "INSERT INTO people (name) VALUES (?)", []any{name})
				c.Count("inserted", n)
				return nil, err
			},
			engine.PhaseFinish: func(c *engine.Call) (engine.Raw, error) {
				return json.Marshal(c.Summary().Stats["inserted"])
			},
		},
	}
	server, err := eng.NewServer(ctx, engine.ServerOptions{Types: []*engine.Type{importer}, UntilIdle: true})
	if err != nil {
		log.Fatal(err)
	}
	made, err := eng.Enqueue(ctx, engine.NewJob{Type: "people"})
	if err != nil {
		log.Fatal(err)
	}
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}

	var people int
	if err := store.Handle().QueryRowContext(ctx, "SELECT COUNT(*) FROM people").Scan(&people); err != nil {
		log.Fatal(err)
	}
	job, err := eng.Store().Job(ctx, made[0].ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(people, job.Status, string(job.Result), job.Children.Completed)
	// Output: 3 completed 3 3
}
