//go:build unix

package main

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTortureFrozen: a process that is stopped (SIGSTOP) for three lease times
// and then continued commits nothing for the jobs that it lost, and does not
// keep others from their rows meanwhile: the server ends its transactions, and its
// lease its hooks.
func TestTortureFrozen(t *testing.T) {
	t.Parallel()
	whereRowsAreLocked(t, frozen)
}

// TestTortureFenced: a process that is stopped for less than its lease, and is declared
// dead all the same, as it is after a step of the database's clock, goes on to commit
// what others have done meanwhile. The fence alone keeps it from that.
func TestTortureFenced(t *testing.T) {
	t.Parallel()
	whereRowsAreLocked(t, fenced)
}

func whereRowsAreLocked(t *testing.T, test func(*testing.T, *rig)) {
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		test(t, onMariaDB(t))
	})
	for i, u := range given() {
		t.Run(fmt.Sprintf("mysql/%d", i), func(t *testing.T) {
			t.Parallel()
			test(t, onGiven(t, u))
		})
	}
}

func frozen(t *testing.T, r *rig) {
	const lease = 3 * time.Second
	// The victim's first run writes, holds its locks and waits to be frozen. Others
	// do not wait, nor does the victim once the gate is open.
	r.script("slow", `job(slots = {"consume": 1}, needs = ["files:gate"])

def consume(ctx, item):
    db.insert("seen", [{"n": item["n"]}])
    db.exec("UPDATE counter SET n = n + 1 WHERE id = 1")
    if ctx.server == "victim":
        log.info("holding")
        for i in range(3000):
            time.sleep("10ms")
            if files.read("gate") == "open":
                break
`)
	gate := r.dir + "/gate"
	if err := os.WriteFile(gate, []byte("shut"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.exec("CREATE TABLE seen (n BIGINT NOT NULL) ENGINE=InnoDB")
	r.exec("CREATE TABLE counter (id INT PRIMARY KEY, n BIGINT NOT NULL, other BIGINT NOT NULL) ENGINE=InnoDB")
	r.exec("INSERT INTO counter VALUES (1, 0, 0)")
	for n := range 10 {
		r.do("enqueue", "slow", "--payload", fmt.Sprintf(`{"n": %d}`, n))
	}

	victim := r.start("victim", "--lease", lease.String())
	r.within(30*time.Second, "the victim holds its rows", func() bool {
		var n int
		return r.db.QueryRow("SELECT COUNT(*) FROM ds_logs WHERE message = 'holding'").Scan(&n) == nil && n == 1
	})
	if r.number("SELECT n FROM counter WHERE id = 1") != 0 {
		t.Fatal("the victim's update shows before its commit")
	}
	victim.signal(syscall.SIGSTOP)
	froze := time.Now()

	// Another wants the row that the frozen process has locked.
	waited := make(chan error, 1)
	go func() { waited <- touch(r.db) }()
	select {
	case err := <-waited:
		if err != nil {
			t.Errorf("the row that the frozen process had locked: %v", err)
		}
		t.Logf("the row was free %s after the freeze (lease %s)", time.Since(froze).Round(100*time.Millisecond), lease)
	case <-time.After(3 * lease):
		t.Error("a frozen process kept a row locked for three leases")
	}

	other := r.start("other", "--lease", lease.String())
	r.within(time.Minute, "the others' jobs are completed", func() bool {
		return r.number("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == 10
	})
	r.want(1, "processes whose jobs were rescued", robbed)
	if left := 3*lease - time.Since(froze); left > 0 {
		pass(left)
	}
	if err := os.WriteFile(gate, []byte("open"), 0o644); err != nil {
		t.Fatal(err)
	}
	victim.signal(syscall.SIGCONT)
	r.within(30*time.Second, "the victim notices", func() bool {
		b, _ := os.ReadFile(victim.log)
		return strings.Contains(string(b), "declared dead") || strings.Contains(string(b), "lost the claim") || strings.Contains(string(b), "could not be renewed")
	})
	// It works again, as another incarnation: give it something.
	r.stop(other)
	r.do("enqueue", "slow", "--payload", `{"n": 10}`)
	r.within(time.Minute, "the victim works again", func() bool {
		return r.number("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == 11
	})
	r.stop(victim)
	r.want(11, "rows", "SELECT COUNT(*) FROM seen")
	r.want(11, "different rows", "SELECT COUNT(DISTINCT n) FROM seen")
	r.want(11, "updates", "SELECT n FROM counter WHERE id = 1")
	r.want(1, "updates of the other client", "SELECT other FROM counter WHERE id = 1")
	r.want(0, "failed attempts", failedAttempts)
}

func fenced(t *testing.T, r *rig) {
	// One is committed in a transaction of its own, the other one completed in a batch.
	const wait = `
    if ctx.server == "victim":
        log.info("holding")
        for i in range(6000):
            if files.read("gate") == "open":
                break
            time.sleep("10ms")
`
	r.script("row", `job(needs = ["files:gate"])

def consume(ctx, item):
    db.insert("seen", [{"n": 1}])`+wait)
	r.script("none", `job(needs = ["files:gate"])

def consume(ctx, item):`+wait)
	gate := r.dir + "/gate"
	if err := os.WriteFile(gate, []byte("shut"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.exec("CREATE TABLE seen (n BIGINT NOT NULL) ENGINE=InnoDB")
	for _, name := range []string{"row", "none"} {
		r.do("enqueue", name)
	}
	victim := r.start("victim", "--lease", "10m") // it would find that it is dead when it renews that
	r.within(30*time.Second, "the victim has both jobs", func() bool {
		return r.number("SELECT COUNT(*) FROM ds_logs WHERE message = 'holding'") == 2
	})
	victim.signal(syscall.SIGSTOP)
	r.exec("UPDATE ds_servers SET dead = 1 WHERE name = 'victim'")
	other := r.start("other", "--lease", "3s")
	r.within(30*time.Second, "another one completes both", func() bool {
		return r.number("SELECT COUNT(*) FROM ds_jobs WHERE status = 4") == 2
	})
	r.stop(other)
	r.want(1, "processes whose jobs were rescued", robbed)
	if err := os.WriteFile(gate, []byte("open"), 0o644); err != nil {
		t.Fatal(err)
	}
	victim.signal(syscall.SIGCONT)
	r.within(30*time.Second, "the victim finds that both are lost", func() bool {
		b, _ := os.ReadFile(victim.log)
		return strings.Count(string(b), "lost the claim of a job") == 2
	})
	r.stop(victim)
	r.want(1, "rows", "SELECT COUNT(*) FROM seen")
	r.want(2, "jobs that the other one completed", "SELECT COUNT(*) FROM ds_jobs j JOIN ds_servers s ON s.id = j.server WHERE j.status = 4 AND s.name = 'other'")
	r.do("run", "--until-idle")
	r.want(2, "completions that were counted", "SELECT SUM(completed) FROM ds_counters WHERE hour = '1970-01-01'")
}

// touch updates the contested row, trying again after lock time-outs.
func touch(db *sql.DB) (err error) {
	for range 5 {
		if _, err = db.Exec("UPDATE counter SET other = other + 1 WHERE id = 1"); err == nil {
			return nil
		}
	}
	return err
}
