//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// importers write the rows of one file into a table whose name they are given,
// each in its way. They take a few seconds.
var importers = map[string]string{
	"insert": `db.insert(item, slow(rows))`,
	"upsert": `db.upsert(item, slow(rows), key = ["id"], newer = "version")`,
	"bulk":   `db.bulk(item, slow(rows))`,
}

const importerHead = `
job(needs = ["files:rows.csv"], slots = {"consume": 8}, retry = retry(max = 1))

def clean(r):
    return {"id": int(r["id"]), "name": r["name"].strip() or None, "amount": r["amount"], "raw": bytes(r["name"]), "version": int(r["id"]) % 7}

def slow(rows):
    time.sleep("20ms")
    return iter.map(clean, rows)

def consume(ctx, item):
`

// mergeImporter does it in one transaction.
const mergeImporter = `
    def slowly(r):
        if int(r["id"]) % 400 == 0:
            time.sleep("20ms")
        return clean(r)
    db.merge(item, iter.map(slowly, csv.read("rows.csv")), key = ["id"], max_delete = "50%")
`

// recordsImporter takes what has changed, links it, and then notes what is
// missing. An earlier job, which is given both tables, has left some rows as they
// are in the file, some that are not, and some that are not in it.
const recordsImporter = `
    if type(item) == "list":
        for table in item:
            for r in csv.read("rows.csv"):
                n = int(r["id"])
                if n % 3 == 0:
                    records.mark(table, n, {"name": r["name"] if n % 2 == 0 else "other", "amount": r["amount"]})
                elif n <= 900:
                    records.link(table, -n, "n%d" % n)
        return
    rows = iter.map(lambda r: dict(r, id = int(r["id"])), csv.read("rows.csv"))
    for batch in ctx.batches(records.changed(item, rows, key = "id", fields = ["name", "amount"], whole = True), 200):
        db.insert(item, slow(batch))
        for r in batch:
            records.link(item, r["id"], "n%d" % r["id"])
    for gone in ctx.batches(records.missing(item, max_missing = "all"), 50):
        db.insert(item, [{"id": m["key"], "name": "gone: %s" % m["id"], "version": 0} for m in gone])
        records.forget(item, [m["key"] for m in gone])
        time.sleep("20ms")
`

// TestTortureImports: the same importer by insert, upsert, bulk, merge and records,
// killed at random while it works, leaves the same table as one that was left alone.
// Under make torture each of the five is killed twenty times, on each store: ten times
// or more in each of two imports, because a merge is one transaction, and a job that
// is lost twenty times without a checkpoint fails. A kill counts for those whose jobs
// the process had. In CI one import of each is killed six times with the process that
// has them all.
func TestTortureImports(t *testing.T) {
	t.Parallel()
	for _, store := range []struct {
		name string
		on   func(*testing.T) *rig
	}{{"sqlite", onSQLite}, {"mariadb", onMariaDB}} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			importsKilled(t, store.on(t))
		})
	}
	for i, u := range given() {
		t.Run(fmt.Sprintf("given%d", i+1), func(t *testing.T) {
			t.Parallel()
			importsKilled(t, onGiven(t, u))
		})
	}
}

func importsKilled(t *testing.T, r *rig) {
	rows := sized(8_000, 40_000)
	writeRows(t, filepath.Join(r.dir, "rows.csv"), rows)
	names := []string{"merge", "records"}
	r.script("merge", importerHead+mergeImporter)
	r.script("records", importerHead+recordsImporter)
	for name, write := range importers {
		names = append(names, name)
		r.script(name, importerHead+fmt.Sprintf("    for rows in ctx.batches(csv.read(\"rows.csv\"), 200):\n        %s\n", write))
	}
	r.importTables(names, "alone")
	for _, name := range names {
		r.do("enqueue", name, "--payload", fmt.Sprintf("%q", name+"_alone"))
	}
	r.do("run", "--until-idle")
	if !full() {
		const kills = 6
		all, _ := r.killImports(names, rows, "killed", func(all int, _ map[string]int) bool { return all == kills })
		if all < kills/2 {
			t.Errorf("only %d kills of %d met it at work", all, kills)
		}
		return
	}
	const kills, imports = 20, 2
	hits, begun := map[string]int{}, map[string]int{}
	for n := 1; n <= 2*imports; n++ { // more of those that were too fast to be hit so often
		var left []string
		for _, name := range names {
			if hits[name] < kills {
				left = append(left, name)
				begun[name]++
			}
		}
		if len(left) == 0 {
			break
		}
		_, met := r.killImports(left, rows, fmt.Sprint("killed", n), func(_ int, met map[string]int) bool {
			least, most := kills, 0
			for _, name := range left {
				least, most = min(least, met[name]), max(most, met[name])
			}
			return least >= kills/imports || most >= kills/imports+5
		})
		for name, k := range met {
			hits[name] += k
		}
	}
	for _, name := range names {
		if hits[name] < kills {
			t.Errorf("%s was killed %d times in %d imports, want %d", name, hits[name], begun[name], kills)
		}
	}
	t.Logf("kills of each: %v", hits)
}

// importTables makes the tables NAME_SUFFIX of imports, and what records needs.
func (r *rig) importTables(names []string, suffix string) {
	r.t.Helper()
	for _, name := range names {
		table, key := name+"_"+suffix, " PRIMARY KEY"
		if name == "insert" || name == "bulk" || name == "records" {
			key = "" // what is done twice is there twice
		}
		r.exec(fmt.Sprintf("CREATE TABLE %s (id INTEGER NOT NULL%s, name VARCHAR(100), amount DECIMAL(10,2), raw BLOB, version INTEGER)", table, key))
		if strings.HasPrefix(r.url, "mysql:") {
			r.exec("ALTER TABLE " + table + " CONVERT TO CHARACTER SET utf8mb4")
		}
		if key != "" { // rows that are changed, that stay, and that a merge deletes
			r.exec("INSERT INTO " + table + " (id, name, version) VALUES (1, 'old', 0), (2, 'newer', 9), (999999, 'gone', 1)")
		}
		if name == "records" {
			r.do("enqueue", name, "--payload", fmt.Sprintf("[%q]", table))
			r.do("run", "--until-idle")
		}
	}
}

// killImports begins the imports into tables with the suffix, kills the process that
// works on them until it is enough, has the rest done, and compares with those that
// were left alone. all counts the kills while there was work, met for each import
// those of a process that had its job.
func (r *rig) killImports(names []string, rows int, suffix string, enough func(all int, met map[string]int) bool) (all int, met map[string]int) {
	r.t.Helper()
	r.importTables(names, suffix)
	jobs, met := map[int64]string{}, map[string]int{}
	for _, name := range names {
		id, err := strconv.ParseInt(strings.TrimSpace(r.do("enqueue", name, "--payload", fmt.Sprintf("%q", name+"_"+suffix))), 10, 64)
		if err != nil {
			r.t.Fatal(err)
		}
		jobs[id] = name
	}
	const left = "SELECT COUNT(*) FROM ds_jobs WHERE status NOT IN (4, 5, 6)"
	const had = " FROM ds_claims WHERE server > ?"
	for !enough(all, met) {
		earlier := r.number(lastServer)
		p := r.start("server", "--lease", "1s")
		r.within(time.Minute, "work of the new process", func() bool {
			return r.number(left) == 0 || r.number("SELECT COUNT(*)"+had, earlier) > 0
		})
		if r.number(left) == 0 {
			p.kill()
			break
		}
		pass(time.Duration(rand.IntN(400)) * time.Millisecond)
		p.kill()
		all++
		for _, claim := range r.column("SELECT jobs"+had, earlier) {
			var runs []int64 // first id, how many follow, epoch
			if err := json.Unmarshal([]byte(claim), &runs); err != nil {
				r.t.Fatalf("a claim holds %s: %v", claim, err)
			}
			for i := 0; i < len(runs); i += 3 {
				for k := range runs[i+1] {
					met[jobs[runs[i]+k]]++
				}
			}
		}
		r.bury(earlier)
	}
	r.do("run", "--until-idle", "--lease", "1s")
	r.want(0, "jobs that are not completed", "SELECT COUNT(*) FROM ds_jobs WHERE status <> 4")
	r.want(0, "failed attempts", failedAttempts)
	for _, name := range names {
		r.sameImport(name, suffix, rows)
	}
	r.t.Logf("%d rows, %d kills while it worked", rows, all)
	return all, met
}

// sameImport compares the table of an import that was killed, and its counts, with
// those of the one that was left alone.
func (r *rig) sameImport(name, suffix string, rows int) {
	r.t.Helper()
	want, got := r.contents(name+"_alone"), r.contents(name+"_"+suffix)
	least := rows
	if name == "records" { // those that were not as they are, and those that are gone
		least = rows - rows/6 + 600
	}
	if len(want) < least {
		r.t.Errorf("%s: the one left alone has %d rows of %d", name, len(want), least)
	}
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			r.t.Errorf("%s: %d rows, want %d; the first that differs is number %d", name, len(got), len(want), i+1)
			break
		}
	}
	stats := func(table string) string {
		return r.text("SELECT r.stats FROM ds_results r JOIN ds_payloads p ON p.id = r.id WHERE p.payload = ?", fmt.Sprintf("%q", table))
	}
	if a, b := stats(name+"_alone"), stats(name+"_"+suffix); a != b || a == "" {
		r.t.Errorf("%s: it counted %s, want %s", name, b, a)
	}
}

// column reads texts.
func (r *rig) column(q string, args ...any) (list []string) {
	r.t.Helper()
	rows, err := r.db.Query(q, args...)
	if err != nil {
		r.t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			r.t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	return list
}

// contents are a table's rows as text, in order.
func (r *rig) contents(table string) (list []string) {
	r.t.Helper()
	rows, err := r.db.Query("SELECT id, COALESCE(name, '<none>'), COALESCE(amount, -1), COALESCE(hex(raw), '<none>'), version FROM " + table + " ORDER BY id, version, name")
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, name, amount, raw, version string
		if err := rows.Scan(&id, &name, &amount, &raw, &version); err != nil {
			r.t.Fatal(err)
		}
		list = append(list, strings.Join([]string{id, name, amount, raw, version}, "|"))
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	return list
}

// text reads one text.
func (r *rig) text(q string, args ...any) (s string) {
	r.t.Helper()
	if err := r.db.QueryRow(q, args...).Scan(&s); err != nil {
		r.t.Fatalf("%s: %v", q, err)
	}
	return s
}

// writeRows makes a file of rows, some of whose texts need care.
func writeRows(t *testing.T, path string, n int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "id,name,amount")
	for i := 1; i <= n; i++ {
		name := []string{"plain %d", "", "tab\t %d", "back\\slash %d", "\"\"quoted\"\" '%d'", "line\nend %d", "漢字 😀 %d"}[i%7]
		if strings.Contains(name, "%d") {
			name = fmt.Sprintf(name, i)
		}
		fmt.Fprintf(w, "%d,\"%s\",%d.%02d\n", i, name, i%1000, i%100)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
