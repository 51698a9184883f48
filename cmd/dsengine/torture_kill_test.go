//go:build unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const insertOne = `"""Inserts one row, into a table without any unique key."""
job(slots = {"consume": 4})

def consume(ctx, item):
    db.insert("seen", [{"n": item["n"]}])
`

// TestTortureEachRowOnce: eight processes, 100,000 jobs whose consume inserts one
// row, kill -9 of a random process every second. At the end there is exactly
// one row for each job, and each job is completed, once.
func TestTortureEachRowOnce(t *testing.T) {
	t.Parallel()
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		eachRowOnce(t, onMariaDB(t), 0)
	})
}

// TestTortureDatabaseKilled is the same, with kill -9 of mariadbd twice in between.
func TestTortureDatabaseKilled(t *testing.T) {
	t.Parallel()
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		eachRowOnce(t, onMariaDB(t), 2)
	})
}

func eachRowOnce(t *testing.T, r *rig, databaseKills int) {
	jobs, processes := sized(20_000, 100_000), 8
	lease := sized("2s", "15s")
	r.script("seen", insertOne)
	r.exec("CREATE TABLE seen (n BIGINT NOT NULL)")
	var lines bytes.Buffer
	for n := range jobs {
		fmt.Fprintf(&lines, "{\"n\": %d}\n", n)
	}
	file := filepath.Join(r.dir, "payloads.jsonl")
	if err := os.WriteFile(file, lines.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	r.do("enqueue", "seen", "--payloads", file)

	began := time.Now()
	run := func(i int) *proc { return r.start(fmt.Sprintf("server%d", i), "--lease", lease) }
	procs := make([]*proc, processes)
	for i := range procs {
		procs[i] = run(i)
	}
	kills, dbKills := 0, 0
	const settled = "SELECT COUNT(*) FROM ds_jobs WHERE status IN (4, 5, 6)"
	last := time.Now()
	ok := poll(sized(4*time.Minute, 30*time.Minute), func() bool {
		done := r.number(settled)
		if done == int64(jobs) {
			return true
		}
		if dbKills < databaseKills && done > int64(jobs*(dbKills+1)/(databaseKills+2)) {
			dbKills++
			r.server.Kill()
			pass(time.Second)
			if err := r.server.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(last) >= sized(400*time.Millisecond, time.Second) && (full() || kills < 20) {
			last = time.Now()
			i := rand.IntN(processes)
			procs[i].kill()
			procs[i] = run(i)
			kills++
		}
		return false
	})
	if !ok {
		t.Errorf("%d of %d jobs were settled in the time", r.number(settled), jobs)
	}
	took := time.Since(began).Round(time.Second)
	r.stopAll()
	if databaseKills > 0 && dbKills != databaseKills {
		t.Errorf("the database was killed %d times, want %d: too few jobs", dbKills, databaseKills)
	}
	if least := sized(5, 20); kills < least {
		t.Errorf("%d kills, want %d: too few jobs", kills, least)
	}
	met := r.number(robbed)
	if least := int64(kills / 4); met < least {
		t.Errorf("%d processes had jobs when they were killed, want %d of %d", met, least, kills)
	}
	r.want(int64(jobs), "rows", "SELECT COUNT(*) FROM seen")
	r.want(int64(jobs), "different rows", "SELECT COUNT(DISTINCT n) FROM seen")
	r.want(int64(jobs), "completed jobs", "SELECT COUNT(*) FROM ds_jobs WHERE status = 4")
	r.want(0, "failed attempts", failedAttempts)
	r.want(0, "jobs that wait", "SELECT COUNT(*) FROM ds_ready WHERE id > 0")
	r.want(0, "claims", "SELECT COUNT(*) FROM ds_claims")
	// Each completion was reported once: to the counters, with the job's commit.
	r.do("run", "--until-idle")
	r.want(int64(jobs), "completions that were counted", "SELECT completed FROM ds_counters WHERE hour = '1970-01-01' AND type = (SELECT id FROM ds_types WHERE name = 'seen')")
	t.Logf("%d jobs, %d kills of dsengine, %d processes had jobs, %d kills of the database: %s", jobs, kills, met, dbKills, took)
}
