// Command bare drains the waiting jobs of a MySQL or MariaDB database in a
// loop that issues only the statements with which dsengine claims and
// completes jobs, and does nothing else: no script, no slots, no heartbeat. It
// is what the protocol costs, and so the measure of what the engine around it
// costs.
//
// The tables must have been made, and filled with fresh jobs of one type, by
// dsengine; -fill does both without it. It prints one line of JSON.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/testdata/peers/internal/dburl"
)

// result is what is printed.
type result struct {
	N             int      `json:"n"`
	Seconds       float64  `json:"seconds"` // from before the first claim until after the last commit
	JobsPerSecond float64  `json:"jobs_per_second"`
	Settings      settings `json:"settings"`
	Spent         spent    `json:"spent"`
}

type settings struct {
	Batch   int    `json:"batch"`
	Workers int    `json:"workers"`
	Server  string `json:"server"`
}

// spent is where the workers' time went, in seconds, added up.
type spent struct {
	Claim    float64 `json:"claim"`
	Read     float64 `json:"read"`
	Complete float64 `json:"complete"`
}

func main() {
	url := flag.String("db", "", "the database, such as mysql://root@127.0.0.1:3306/name")
	batch := flag.Int("batch", 1000, "jobs claimed and completed at once")
	workers := flag.Int("workers", 2, "connections that do so")
	fillJobs := flag.Int("fill", 0, "first make the tables and this many jobs")
	migrations := flag.String("migrations", "../../engine/mysqlstore/migrations", "the folder of the tables' definitions, for -fill")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *url, *batch, *workers, *fillJobs, *migrations); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, url string, batch, workers, fillJobs int, migrations string) error {
	c, err := dburl.Config(url)
	if err != nil {
		return err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxIdleConns(workers + 1)
	if fillJobs > 0 {
		began := time.Now()
		if err := fill(ctx, db, migrations, fillJobs); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		fmt.Fprintf(os.Stderr, "bare: made %d jobs in %.2f s\n", fillJobs, time.Since(began).Seconds())
	}
	r := result{Settings: settings{Batch: batch, Workers: workers}}
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&r.Settings.Server); err != nil {
		return err
	}
	queue, n, err := onlyQueue(ctx, db)
	if err != nil {
		return err
	}
	if err := drain(ctx, db, queue, &r); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if r.N != n {
		return fmt.Errorf("drained %d jobs of %d", r.N, n)
	}
	if err := verify(ctx, db); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// onlyQueue finds the queue whose jobs are waiting.
func onlyQueue(ctx context.Context, db *sql.DB) (queue uint32, n int, err error) {
	const q = "SELECT queue, COUNT(*), MIN(priority), MAX(priority) FROM ds_ready WHERE id > 0 GROUP BY queue"
	var lowest, highest int
	rows, err := db.QueryContext(ctx, q)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	queues := 0
	for ; rows.Next(); queues++ {
		if err := rows.Scan(&queue, &n, &lowest, &highest); err != nil {
			return 0, 0, err
		}
	}
	if err := rows.Err(); err != nil {
		return 0, 0, err
	}
	if queues != 1 || lowest != 0 || highest != 0 {
		return 0, 0, fmt.Errorf("there must be jobs of one type and phase with priority 0, not of %d", queues)
	}
	return queue, n, nil
}

// drain runs the workers until nothing is left.
func drain(ctx context.Context, db *sql.DB, queue uint32, r *result) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ws := make([]*worker, r.Settings.Workers)
	for i := range ws {
		w, err := newWorker(ctx, db, queue, r.Settings.Batch, i)
		if err != nil {
			return err
		}
		defer w.conn.Close()
		ws[i] = w
	}
	var all sync.WaitGroup
	began := time.Now()
	for _, w := range ws {
		all.Go(func() {
			if err := w.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	r.Seconds = time.Since(began).Seconds()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, w := range ws {
		r.N += w.done
		r.Spent.Claim += w.spent.Claim
		r.Spent.Read += w.spent.Read
		r.Spent.Complete += w.spent.Complete
	}
	r.JobsPerSecond = float64(r.N) / r.Seconds
	return nil
}

// verify sees that all jobs are completed and no claim is left.
func verify(ctx context.Context, db *sql.DB) error {
	var unfinished, claims int
	err := db.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM ds_jobs WHERE status <> 4 OR epoch = 0), (SELECT COUNT(*) FROM ds_claims)").Scan(&unfinished, &claims)
	if err == nil && (unfinished > 0 || claims > 0) {
		err = fmt.Errorf("%d jobs are not completed and %d claims are left", unfinished, claims)
	}
	return err
}
