// Command river drains no-op jobs with River on a PostgreSQL of its own, to
// have a figure to compare dsengine's with.
//
// The settings are those of River's own benchmark, "river bench": a pause of
// 2 ms between fetches, a poll each 20 ms, inserts of 5,000, its default
// completer, which completes in batches, and a subscription that sees the jobs
// end. That benchmark uses 2,000 workers; here several numbers are tried and
// the best is reported. PostgreSQL runs with its default durability (fsync and
// synchronous_commit on).
//
// All jobs are inserted first. The time is from the first claim, which
// PostgreSQL noted, to the last completion that was committed. It prints one
// line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

const (
	fetchCooldown = 2 * time.Millisecond
	pollInterval  = 20 * time.Millisecond
	insertBatch   = 5_000
)

// result is what is printed.
type result struct {
	N             int      `json:"n"`
	Seconds       float64  `json:"seconds"`
	JobsPerSecond float64  `json:"jobs_per_second"`
	Settings      settings `json:"settings"`
	Tried         []trial  `json:"tried"`
}

type settings struct {
	MaxWorkers    int    `json:"max_workers"`
	Connections   int    `json:"connections"`
	FetchCooldown string `json:"fetch_cooldown"`
	PollInterval  string `json:"poll_interval"`
	River         string `json:"river"`
	Postgres      string `json:"postgres"`
	SharedBuffers string `json:"shared_buffers"`
}

// trial is one drain.
type trial struct {
	MaxWorkers    int     `json:"max_workers"`
	Connections   int     `json:"connections"`
	Seconds       float64 `json:"seconds"`
	JobsPerSecond float64 `json:"jobs_per_second"`
	InsertSeconds float64 `json:"insert_seconds"`
}

func main() {
	n := flag.Int("n", 200_000, "jobs")
	workers := flag.String("workers", "1000,2000", "numbers of workers to try, one drain each")
	conns := flag.String("connections", "4,10,20", "numbers of connections to try; River's benchmark uses pgx's default, the larger of 4 and the processors")
	buffers := flag.Int("buffers", 512, "MiB of shared_buffers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *n, *workers, *conns, *buffers); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, n int, workers, conns string, buffers int) (err error) {
	tryWorkers, err := numbers(workers)
	if err != nil {
		return fmt.Errorf("workers: %w", err)
	}
	tryConns, err := numbers(conns)
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	// The write-ahead log is as large as MariaDB's in this benchmark, so that
	// neither is held up by a checkpoint.
	pg, err := dbserver.Postgres(dbserver.Options{Buffers: buffers, Flags: []string{"-c", "max_wal_size=2GB"}})
	if err != nil {
		return err
	}
	defer pg.Stop()
	if err := pg.CreateDatabase("river"); err != nil {
		return err
	}
	if err := migrate(ctx, pg.URL("river")); err != nil {
		return err
	}
	r := result{N: n}
	var best trial
	for _, c := range tryConns {
		for _, w := range tryWorkers {
			t, err := drain(ctx, pg.URL("river"), n, w, c)
			if err != nil {
				return fmt.Errorf("drain with %d workers: %w", w, err)
			}
			fmt.Fprintf(os.Stderr, "river: %d workers, %d connections: %d jobs in %.2f s: %.0f jobs/s\n", w, c, n, t.Seconds, t.JobsPerSecond)
			r.Tried = append(r.Tried, t)
			if t.JobsPerSecond > best.JobsPerSecond {
				best = t
			}
		}
	}
	r.Seconds, r.JobsPerSecond = best.Seconds, best.JobsPerSecond
	r.Settings = settings{
		MaxWorkers: best.MaxWorkers, Connections: best.Connections,
		FetchCooldown: fetchCooldown.String(), PollInterval: pollInterval.String(), River: riverVersion(),
	}
	if err := describe(ctx, pg.URL("river"), &r.Settings); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

func numbers(list string) (ns []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no list of numbers", list)
		}
		ns = append(ns, n)
	}
	return ns, nil
}

func migrate(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

type noopArgs struct {
	N int `json:"n"`
}

func (noopArgs) Kind() string { return "noop" }

type noopWorker struct{ river.WorkerDefaults[noopArgs] }

func (noopWorker) Work(context.Context, *river.Job[noopArgs]) error { return nil }

// drain fills the table anew and measures how long one client takes to
// complete all of it.
func drain(ctx context.Context, url string, n, maxWorkers, conns int) (trial, error) {
	t := trial{MaxWorkers: maxWorkers, Connections: conns}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return t, err
	}
	config.MaxConns = int32(conns)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return t, err
	}
	defer pool.Close()
	workers := river.NewWorkers()
	river.AddWorker(workers, &noopWorker{})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     fetchCooldown,
		FetchPollInterval: pollInterval,
		Logger:            slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: maxWorkers}},
		Workers:           workers,
	})
	if err != nil {
		return t, err
	}
	inserting := time.Now()
	if err := fill(ctx, pool, client, n); err != nil {
		return t, err
	}
	t.InsertSeconds = time.Since(inserting).Seconds()

	events, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: n + 1000,
		Kinds:    []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled},
	})
	defer cancel()
	if err := client.Start(ctx); err != nil {
		return t, err
	}
	defer client.Stop(context.WithoutCancel(ctx))
	late := time.After(time.Minute + time.Duration(n)*time.Millisecond)
	for range n {
		select {
		case e := <-events:
			if e == nil || e.Kind != river.EventKindJobCompleted {
				return t, fmt.Errorf("a job ended as %v", e)
			}
		case <-ctx.Done():
			return t, ctx.Err()
		case <-late:
			return t, errors.New("the jobs do not end")
		}
	}
	last := time.Now()

	var first time.Time
	var completed int
	err = pool.QueryRow(ctx, "SELECT min(attempted_at), count(*) FROM river_job WHERE state = 'completed'").Scan(&first, &completed)
	if err != nil {
		return t, err
	}
	if completed != n {
		return t, fmt.Errorf("%d of %d jobs are completed", completed, n)
	}
	t.Seconds = last.Sub(first).Seconds()
	t.JobsPerSecond = float64(n) / t.Seconds
	return t, nil
}

// fill leaves PostgreSQL as ready as it can be: vacuumed, analysed, with
// nothing left to write.
func fill(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], n int) error {
	if _, err := pool.Exec(ctx, "TRUNCATE river_job"); err != nil {
		return err
	}
	for done := 0; done < n; {
		batch := make([]river.InsertManyParams, min(insertBatch, n-done))
		for i := range batch {
			batch[i].Args = noopArgs{done + i}
		}
		if _, err := client.InsertManyFast(ctx, batch); err != nil {
			return err
		}
		done += len(batch)
	}
	for _, q := range []string{"VACUUM ANALYZE river_job", "CHECKPOINT"} {
		if _, err := pool.Exec(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// describe notes which PostgreSQL ran, and refuses one that is not durable.
func describe(ctx context.Context, url string, s *settings) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var fsync, commit string
	err = c.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('shared_buffers'),
		current_setting('fsync'), current_setting('synchronous_commit')`).Scan(&s.Postgres, &s.SharedBuffers, &fsync, &commit)
	if err == nil && (fsync != "on" || commit != "on") {
		err = fmt.Errorf("fsync is %s and synchronous_commit %s", fsync, commit)
	}
	return err
}

func riverVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/riverqueue/river" {
				return m.Version
			}
		}
	}
	return "unknown"
}
