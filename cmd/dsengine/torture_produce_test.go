//go:build unix

package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Each emits 10,000 items, and takes about two seconds for it.
var producers = map[string]string{
	"checkpoints": `
def produce(ctx):
    for n in range(ctx.position or 0, 10000):
        ctx.emit({"n": n})
        if (n + 1) % 100 == 0:
            time.sleep("20ms")
            ctx.checkpoint(n + 1)
`,
	"batches": `
def produce(ctx):
    for batch in ctx.batches(range(10000), 100):
        time.sleep("20ms")
        for n in batch:
            ctx.emit({"n": n})
`,
	"emit_all": `
def slow(n):
    if n % 100 == 0:
        time.sleep("20ms")
    return {"n": n}

def produce(ctx):
    ctx.emit_all(iter.map(slow, range(10000)))
`,
}

// TestTortureProduceKilled: a produce that emits 10,000 items with checkpoints,
// killed at random ten times, leaves exactly 10,000 items.
func TestTortureProduceKilled(t *testing.T) {
	t.Parallel()
	for _, store := range []struct {
		name string
		on   func(*testing.T) *rig
	}{{"sqlite", onSQLite}, {"mariadb", onMariaDB}} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			for name, produce := range producers {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					produceKilled(t, store.on(t), produce)
				})
			}
		})
	}
}

func produceKilled(t *testing.T, r *rig, produce string) {
	r.script("source", produce+`
def consume(ctx, item):
    return item["n"]

def finish(ctx, summary):
    return summary.completed
`)
	r.do("enqueue", "source")
	run := []string{"--lease", "1s", "--types", "source"}
	kills := 0
	for kills < 10 {
		p := r.start("server", append(run, "--phases", "produce")...)
		pass(time.Duration(100+rand.IntN(300)) * time.Millisecond)
		p.kill()
		kills++
	}
	r.do(append([]string{"run", "--until-idle"}, run...)...)
	r.want(10_000, "items", "SELECT COUNT(*) FROM ds_jobs WHERE parent = 1")
	r.want(10_000, "items of the job", "SELECT items FROM ds_jobs WHERE id = 1")
	r.want(10_001, "completed jobs", "SELECT COUNT(*) FROM ds_jobs WHERE status = 4")
	r.want(0, "failed attempts", failedAttempts)
	sum := r.number("SELECT SUM(CAST(result AS SIGNED)) FROM ds_results WHERE id > 1")
	if want := int64(9999 * 10000 / 2); sum != want {
		t.Errorf("the items are not 0 to 9999: their sum is %d, want %d", sum, want)
	}
}
