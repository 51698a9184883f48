//go:build unix

package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// producers emit 10,000 items each, and take about two seconds for it. advance says
// which processes must come to a checkpoint before they are killed: one in so many.
// emit_all has ten, and goes through all that it has emitted to come to the next.
var producers = map[string]struct {
	produce string
	advance int
}{
	"checkpoints": {`
def produce(ctx):
    for n in range(ctx.position or 0, 10000):
        ctx.emit({"n": n})
        if (n + 1) % 100 == 0:
            time.sleep("20ms")
            ctx.checkpoint(n + 1)
`, 1},
	"batches": {`
def produce(ctx):
    for batch in ctx.batches(range(10000), 100):
        time.sleep("20ms")
        for n in batch:
            ctx.emit({"n": n})
`, 1},
	"emit_all": {`
def slow(n):
    if n % 100 == 0:
        time.sleep("20ms")
    return {"n": n}

def produce(ctx):
    ctx.emit_all(iter.map(slow, range(10000)))
`, 3},
}

// TestTortureProduceKilled: a produce that emits 10,000 items with checkpoints,
// killed at random ten times while a process has it, leaves exactly 10,000 items. In
// CI the process that was killed is declared dead at once; under make torture the next
// one finds that out.
func TestTortureProduceKilled(t *testing.T) {
	t.Parallel()
	for _, store := range []struct {
		name string
		on   func(*testing.T) *rig
	}{{"sqlite", onSQLite}, {"mariadb", onMariaDB}} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			for name, p := range producers {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					produceKilled(t, store.on(t), p.produce, p.advance)
				})
			}
		})
	}
}

func produceKilled(t *testing.T, r *rig, produce string, advance int) {
	r.script("source", produce+`
def consume(ctx, item):
    return item["n"]

def finish(ctx, summary):
    return summary.completed
`)
	r.do("enqueue", "source")
	run := []string{"--lease", "1s", "--types", "source"}
	const (
		want   = 10
		points = "SELECT checkpoints FROM ds_jobs WHERE id = 1"
		had    = "SELECT COUNT(*) FROM ds_claims WHERE server > ?"
	)
	kills, resumed := 0, 0 // with the job; of these, after it went on from a checkpoint
	for n := 0; kills < want; n++ {
		if n == 2*want {
			t.Fatalf("only %d kills of %d met a process that had the job", kills, n)
		}
		earlier, from := r.number(lastServer), r.number(points)
		p := r.start("server", append(run, "--phases", "produce")...)
		r.within(time.Minute, "the new process works on the job", func() bool {
			return p.ended() || r.number(had, earlier) > 0 && (n%advance > 0 || r.number(points) > from)
		})
		pass(time.Duration(rand.IntN(60)) * time.Millisecond)
		p.kill()
		if r.number(had, earlier) > 0 {
			kills++
			if from > 0 {
				resumed++
			}
		}
		r.bury(earlier)
	}
	t.Logf("%d kills, %d of them after it went on from a checkpoint, of which it made %d", kills, resumed, r.number(points))
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
