package starscript_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// A rival transaction and the hook's wait for one another; the hook's, which has
// changed fewer rows, is the one that the server ends.
func TestADeadlockRunsTheHookAgainFromItsCheckpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		there bool   // the rows that are written are there before
		write string // writes rows of a part
	}{
		{"insert", false, `db.insert("t", rows)`},
		{"upsert", true, `db.upsert("t", rows, key = ["id"])`},
		{"bulk", false, `db.bulk("t", rows)`},
		{"bulk upsert", true, `db.bulk("t", rows, mode = "upsert", key = ["id"])`},
		// It looks at the whole table, so that it would wait for the rival too early.
		{"merge", true, `db.merge("t", rows, key = ["id"], where = "part = ?", args = [part], max_delete = "all") if part == "c" else db.upsert("t", rows, key = ["id"])`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, db := world.OnMariaDB(t)
			execute(t, db, "CREATE TABLE t (id INTEGER PRIMARY KEY, part VARCHAR(10), v INTEGER)")
			execute(t, db, "CREATE TABLE heavy (id INTEGER AUTO_INCREMENT PRIMARY KEY)")
			if c.there {
				execute(t, db, "INSERT INTO t SELECT seq, IF(seq < 1000, 'b', 'c'), 0 FROM seq_10_to_4000")
			}
			w.Script("job", `
job(needs = ["files:*"], timeout = "4m")
def write(part, first, last):
    rows = [{"id": n, "part": part, "v": 1} for n in range(first, last)]
    `+c.write+`
def consume(ctx, item):
    log.info("begins", position = ctx.position, attempt = ctx.attempt)
    if ctx.position == None:
        write("a", 0, 10)
        ctx.count("first")
        ctx.checkpoint({"done": "a"})
    write("b", 10, 20)
    ctx.count("second")
    files.write("written", "")
    write("c", 1000, 4001)
    return [ctx.attempt, ctx.position]
`)
			id := w.Enqueue(engine.NewJob{Type: "job"})
			rival := begin(t, db)
			defer rival.Rollback()
			must(t, rival, "INSERT INTO heavy SELECT NULL FROM seq_1_to_20000")
			lock := func(id int) string {
				if c.there {
					return fmt.Sprintf("UPDATE t SET v = 7 WHERE id = %d", id)
				}
				return fmt.Sprintf("INSERT INTO t VALUES (%d, 'rival', 7)", id)
			}
			must(t, rival, lock(2500))
			done := make(chan error, 1)
			go func() {
				// The hook has row 15 then, and waits for row 2500, or will.
				err := until(t.Context(), func() bool { _, err := os.Stat(filepath.Join(w.Files, "written")); return err == nil })
				if err == nil {
					_, err = rival.ExecContext(t.Context(), lock(15))
				}
				rival.Rollback()
				done <- err
			}()
			w.Run()
			if err := <-done; err != nil {
				t.Fatalf("the rival was the one that was ended: %v", err)
			}
			j := w.Job(id)
			if got, want := end(j), `consume completed [1,{"done":"a"}]`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			want := []string{`info begins {"attempt":1,"position":null}`, `info begins {"attempt":1,"position":{"done":"a"}}`}
			if got := w.Logs(id); strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("it logged %q, want %q", got, want)
			}
			if log := w.Log.String(); !strings.Contains(log, "run the hook again") || !strings.Contains(log, "Deadlock found") {
				t.Error("there was no dead-lock")
			}
			if attempts, err := w.Store.Attempts(t.Context(), id); err != nil || len(attempts) != 1 || attempts[0].Failure != nil {
				t.Errorf("attempts %v, %v", attempts, err)
			}
			if j.Stats["first"] != 1 || j.Stats["second"] != 1 || j.Stats["inserted"]+j.Stats["updated"] != 10+10+3001 {
				t.Errorf("counts %v", j.Stats)
			}
			if got := w.Query("SELECT part, count(*), count(DISTINCT id), min(id), max(id), sum(v) FROM t WHERE v <> 0 GROUP BY part ORDER BY part"); got != "a|10|10|0|9|10\nb|10|10|10|19|10\nc|3001|3001|1000|4000|3001\n" {
				t.Errorf("rows:\n%s", got)
			}
		})
	}
}

// until waits for a condition.
func until(ctx context.Context, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func execute(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, db *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func must(t *testing.T, tx *sql.Tx, query string) {
	t.Helper()
	if _, err := tx.Exec(query); err != nil {
		t.Fatal(err)
	}
}
