package mysqlstore

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest"
)

// A statement that locks, and names its rows by a list, goes to each by its key, with
// few rows beside the list and with many. A scan waits for every row that it passes, and
// so does what MariaDB makes of a list of a thousand: a table, to which it joins the
// other (in_predicate_conversion_threshold).
func TestLockingListsGoByKey(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		name, db, spoil := s.database(t)
		spoil()
		heard := hearLists(t, s, name, db)
		for _, q := range heard {
			for _, list := range append(idList.FindAllString(q, -1), markList.FindAllString(q, -1)...) {
				if n := strings.Count(list, ",") + 1; n > 500 && locks.MatchString(q) {
					t.Errorf("a list of %d: %.300s", n, q)
				}
			}
		}
		statements := lockingLists(heard)
		for _, table := range []string{"ds_jobs", "ds_keys", "ds_ready", "ds_delayed", "ds_deltas", "ds_failures"} {
			if !slices.ContainsFunc(statements, func(q string) bool { return strings.Contains(q, table) }) {
				t.Errorf("no statement with a list locks rows of %s", table)
			}
		}
		for _, rows := range []int{1, 2000} {
			fillTables(t, db, rows)
			for _, q := range statements {
				explained(t, db, rows, q)
			}
		}
	})
}

// hearLists has the engine's transactions work on many jobs, and gives what they send.
func hearLists(t *testing.T, server *testServer, name string, db *sql.DB) []string {
	t.Helper()
	ctx := t.Context()
	faults := &storetest.Faults{}
	s, err := Open(ctx, server.urlOf(name), Options{Strategy: StrategySkip, Wrap: faults.Wrap})
	must(t, err)
	defer s.Close()
	must(t, s.Prepare(ctx))
	types, err := s.SaveTypes(ctx, []engine.TypeRecord{{Name: "t", Hooks: 1 << engine.PhaseConsume, MaxAttempts: 1}})
	must(t, err)
	const n = 600 // more than are in a list
	typ, made := types["t"], 0
	queue := engine.QueueOf(typ, engine.PhaseConsume)
	enqueue := func(delay time.Duration) (ids []engine.JobID) {
		t.Helper()
		jobs := make([]engine.JobInsert, n)
		for i := range jobs {
			jobs[i] = engine.JobInsert{Type: typ, Phase: engine.PhaseConsume, Key: fmt.Sprint(made, "/", i), Delay: delay}
		}
		made++
		list, err := s.Enqueue(ctx, jobs)
		must(t, err)
		for _, m := range list {
			ids = append(ids, m.ID)
		}
		return ids
	}
	claim := func(by engine.ServerID) *engine.Claim {
		t.Helper()
		claims, err := s.Claim(ctx, engine.ClaimRequest{Server: by, Queue: queue, Max: n, NewID: func() (id engine.ClaimID) {
			rand.Read(id[:])
			return id
		}})
		must(t, err)
		if len(claims) != 1 || len(claims[0].Jobs) != n {
			t.Fatalf("got %d claims, want one of %d jobs", len(claims), n)
		}
		must(t, s.Load(ctx, queue, &claims[0]))
		return &claims[0]
	}
	exec := func(q string) {
		t.Helper()
		_, err := db.ExecContext(ctx, q)
		must(t, err)
	}
	refs := func(c *engine.Claim) (list []engine.JobRef) {
		for i := range c.Jobs {
			list = append(list, c.Jobs[i].JobRef)
		}
		return list
	}

	enqueue(0)
	heard := faults.Listen()
	c := claim(1)
	must(t, s.Release(ctx, c.ID, refs(c)))
	claim(4711) // which nobody knows
	_, err = s.Rescue(ctx, func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome { return nil })
	must(t, err)
	exec("UPDATE ds_ready SET alone = 0")

	c = claim(1)
	outcomes := make([]engine.Outcome, n)
	for i := range c.Jobs {
		j := &c.Jobs[i]
		outcomes[i] = engine.Outcome{Job: j, Event: engine.Succeeded, To: engine.State{Phase: j.Phase, Status: engine.StatusCompleted}, Attempts: 1, Server: 1}
	}
	tx, err := db.BeginTx(ctx, nil)
	must(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, "UPDATE ds_jobs SET attempts = attempts + 1 WHERE id = ?", c.Jobs[n-1].ID)
	must(t, err)
	_, err = s.Settle(ctx, outcomes, []engine.ClaimID{c.ID}) // around the one that is held
	var locked *engine.LockedError
	if !errors.As(err, &locked) || len(locked.Jobs) != 1 {
		t.Fatalf("settle: %v", err)
	}
	_, _, _, err = s.Fold(ctx, n)
	must(t, err)
	must(t, tx.Rollback())
	_, err = s.Settle(ctx, outcomes[n-1:], []engine.ClaimID{c.ID})
	must(t, err)
	_, _, _, err = s.Fold(ctx, n)
	must(t, err)

	ids := append(enqueue(time.Hour)[:250], enqueue(0)[:250]...)
	_, err = s.Hasten(ctx, ids[:10], false)
	must(t, err)
	exec("UPDATE ds_delayed SET due = due - INTERVAL 2 HOUR WHERE id > " + fmt.Sprint(ids[200]))
	exec("UPDATE ds_jobs j JOIN ds_delayed d ON d.id = j.id SET j.run_at = d.due")
	_, _, _, err = s.Promote(ctx, 500)
	must(t, err)
	_, err = s.CancelAll(ctx, ids, engine.CancelOptions{})
	must(t, err)
	_, err = s.RetryAll(ctx, ids, engine.RetryOptions{})
	must(t, err)
	_, err = s.CancelAll(ctx, ids, engine.CancelOptions{})
	must(t, err)
	keep := map[engine.Status]time.Duration{engine.StatusCompleted: 0, engine.StatusCancelled: 0}
	exec("UPDATE ds_jobs SET finished_at = '2020-01-01' WHERE status > 3")
	pruned, _, err := s.Prune(ctx, typ, keep, 500)
	must(t, err)
	if pruned == 0 {
		t.Error("nothing was pruned")
	}
	return heard()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	locks     = regexp.MustCompile(`^(?:UPDATE|DELETE) | FOR UPDATE`)
	idList    = regexp.MustCompile(`IN \((?:\d+,)+\d+\)`)
	markList  = regexp.MustCompile(`IN \((?:\?,)+\?\)`)
	jsonTable = regexp.MustCompile(`JSON_TABLE\(\?, '\$\[\*\]' COLUMNS\((.*?)\)\) j`)
	jsonType  = regexp.MustCompile(`(BIGINT|DATETIME|VARCHAR|CHAR)\b`)
	longList  = regexp.MustCompile(`([\(\[][^,\(\[]+)(?:,[^,\(\)]+){20,}`)
	number    = regexp.MustCompile(`\d+`)
)

// lockingLists are the statements that lock and have lists, each once, with ids and
// values as fillTables has filled the tables with.
func lockingLists(heard []string) (list []string) {
	seen := map[string]bool{}
	for _, q := range heard {
		if !locks.MatchString(q) || !idList.MatchString(q) && !markList.MatchString(q) && !jsonTable.MatchString(q) {
			continue
		}
		q = idList.ReplaceAllStringFunc(q, func(ids string) string {
			var s []string
			for i := range strings.Count(ids, ",") + 1 {
				s = append(s, fmt.Sprint(1+7*i))
			}
			return "IN (" + strings.Join(s, ",") + ")"
		})
		q = jsonTable.ReplaceAllStringFunc(q, func(table string) string {
			columns := jsonType.FindAllString(jsonTable.FindStringSubmatch(table)[1], -1)
			var rows []string
			for i := range 500 {
				var values []string
				for _, c := range columns {
					values = append(values, map[string]string{"BIGINT": fmt.Sprint(1 + 7*i), "DATETIME": `"2020-01-01 00:00:00.000000"`, "CHAR": fmt.Sprintf(`"%040x"`, i), "VARCHAR": `"x"`}[c])
				}
				if rows = append(rows, values[0]); len(columns) > 1 {
					rows[i] = "[" + strings.Join(values, ",") + "]"
				}
			}
			return strings.Replace(table, "?", "'["+strings.Join(rows, ",")+"]'", 1)
		})
		var b strings.Builder
		for i, part := range strings.Split(q, "?") {
			switch before := b.String(); {
			case i == 0:
			case strings.HasSuffix(before, "= "):
				b.WriteString("1")
			default:
				fmt.Fprintf(&b, "X'%040x'", i)
			}
			b.WriteString(part)
		}
		if shape := number.ReplaceAllString(longList.ReplaceAllString(b.String(), "$1"), "0"); !seen[shape] {
			seen[shape] = true
			list = append(list, b.String())
		}
	}
	return list
}

// fillTables leaves so many rows in the engine's tables.
func fillTables(t *testing.T, db *sql.DB, rows int) {
	t.Helper()
	const digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	from := fmt.Sprintf(" FROM (SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM %s a, %[1]s b, %[1]s c, %[1]s e) s WHERE n <= %d", digits, rows)
	for table, insert := range map[string]string{
		"ds_jobs":      "(id, type, phase, status, priority, created_at) SELECT n, 1, 2, 1, 0, UTC_TIMESTAMP(6)",
		"ds_payloads":  "(id) SELECT n",
		"ds_results":   "(id) SELECT n",
		"ds_keys":      "(type, hash, job, token, keep_for) SELECT 1, UNHEX(LPAD(HEX(n), 40, '0')), n, 'x', 0",
		"ds_ready":     "(queue, priority, id, epoch) SELECT 5, 0, n, 0",
		"ds_delayed":   "(due, id, queue, priority, epoch) SELECT UTC_TIMESTAMP(6), n, 5, 0, 0",
		"ds_deltas":    "(id, parent, type, at) SELECT n, 0, 1, UTC_TIMESTAMP(6)",
		"ds_failures":  "(type, job, failed_at) SELECT 1, n, UTC_TIMESTAMP(6)",
		"ds_parents":   "(id, type, phase) SELECT n, 1, 2",
		"ds_emissions": "(parent, first_id, last_id) SELECT n, n, n",
		"ds_attempts":  "(job, phase, attempt, server, started_at, finished_at) SELECT n, 2, 1, 1, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)",
	} {
		for _, q := range []string{"DELETE FROM " + table, "INSERT INTO " + table + " " + insert + from} {
			_, err := db.ExecContext(t.Context(), q)
			must(t, err)
		}
		var words [4]sql.NullString
		must(t, db.QueryRowContext(t.Context(), "ANALYZE TABLE "+table).Scan(&words[0], &words[1], &words[2], &words[3]))
	}
}

// explained wants a statement to reach its rows by an index that they are looked up in.
func explained(t *testing.T, db *sql.DB, filled int, q string) {
	t.Helper()
	shown := longList.ReplaceAllString(q, "$1, ...")
	rows, err := db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+q)
	if err != nil {
		t.Errorf("%v: %.300s", err, q)
		return
	}
	defer rows.Close()
	names, err := rows.Columns()
	must(t, err)
	for rows.Next() {
		values, dest := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		must(t, rows.Scan(dest...))
		of := map[string]string{}
		for i, name := range names {
			of[name] = values[i].String
		}
		if of["table"] == "j" && strings.Contains(of["Extra"], "unction") { // Table function
			continue
		}
		switch of["type"] {
		case "const", "eq_ref", "ref", "range":
			if of["key"] != "" && of["select_type"] != "MATERIALIZED" && !strings.HasPrefix(of["table"], "<") {
				continue
			}
		case "": // nothing can be found
			continue
		}
		t.Errorf("with %d rows, %s is read by %q (key %q, %s, %s): %s", filled, of["table"], of["type"], of["key"], of["select_type"], of["Extra"], shown)
	}
	must(t, rows.Err())
}
