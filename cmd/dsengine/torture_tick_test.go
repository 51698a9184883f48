//go:build unix

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// TestTortureOneJobPerTick: twenty servers, a job every second for a minute:
// one job per tick, no more.
func TestTortureOneJobPerTick(t *testing.T) {
	t.Parallel()
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		oneJobPerTick(t, onMariaDB(t))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		oneJobPerTick(t, onSQLite(t))
	})
}

func oneJobPerTick(t *testing.T, r *rig) {
	servers, length := sized(8, 20), sized(15*time.Second, time.Minute)
	r.script("tick", `job(every = "1s", overlap = "allow", missed = "all")

def consume(ctx, item):
    pass
`)
	for i := range servers {
		r.start(fmt.Sprintf("server%d", i))
	}
	r.within(time.Minute, "the first tick", func() bool {
		var n int
		return r.db.QueryRow("SELECT COUNT(*) FROM ds_jobs").Scan(&n) == nil && n > 0
	})
	pass(length)
	r.stopAll()
	jobs := r.number("SELECT COUNT(*) FROM ds_jobs")
	ticks := r.number("SELECT COUNT(DISTINCT scheduled_for) FROM ds_jobs")
	if jobs != ticks {
		t.Errorf("%d jobs for %d ticks", jobs, ticks)
	}
	if least := int64(length/time.Second) - 1; jobs < least {
		t.Errorf("%d jobs in %s, want %d at least", jobs, length, least)
	}
	// The ticks follow each other by a second each: none is left out.
	span := "SELECT TIMESTAMPDIFF(SECOND, MIN(scheduled_for), MAX(scheduled_for)) + 1 FROM ds_jobs"
	if r.server == nil {
		span = "SELECT CAST(ROUND((julianday(MAX(scheduled_for)) - julianday(MIN(scheduled_for))) * 86400) AS INTEGER) + 1 FROM ds_jobs"
	}
	r.want(ticks, "seconds from the first tick to the last", span)
	// The last ones may have been fired when the servers began no more.
	r.want(jobs, "jobs that are completed or have not begun", fmt.Sprintf("SELECT COUNT(*) FROM ds_jobs WHERE status = %d OR status = %d AND attempts = 0", engine.StatusCompleted, engine.StatusWaiting))
	if done := r.number(fmt.Sprintf("SELECT COUNT(*) FROM ds_jobs WHERE status = %d", engine.StatusCompleted)); done < jobs-2 {
		t.Errorf("%d of %d jobs are completed", done, jobs)
	}
	t.Logf("%d servers, %d ticks, %d jobs", servers, ticks, jobs)
}
