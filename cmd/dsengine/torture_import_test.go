//go:build unix

package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
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
// killed at random twenty times while it works, leaves the same table as one that
// was left alone.
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
	rows, kills := sized(8_000, 40_000), sized(6, 20)
	writeRows(t, filepath.Join(r.dir, "rows.csv"), rows)
	names := []string{"merge", "records"}
	r.script("merge", importerHead+mergeImporter)
	r.script("records", importerHead+recordsImporter)
	for name, write := range importers {
		names = append(names, name)
		r.script(name, importerHead+fmt.Sprintf("    for rows in ctx.batches(csv.read(\"rows.csv\"), 200):\n        %s\n", write))
	}
	for _, name := range names {
		for _, table := range []string{name + "_killed", name + "_alone"} {
			key := " PRIMARY KEY"
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
		}
	}
	r.do("enqueue", "records", "--payload", `["records_alone", "records_killed"]`)
	r.do("run", "--until-idle")
	for _, name := range names {
		r.do("enqueue", name, "--payload", fmt.Sprintf("%q", name+"_alone"))
	}
	r.do("run", "--until-idle")
	for _, name := range names {
		r.do("enqueue", name, "--payload", fmt.Sprintf("%q", name+"_killed"))
	}
	const left = "SELECT COUNT(*) FROM ds_jobs WHERE status NOT IN (4, 5, 6)"
	hits := 0
	for hits < kills {
		p := r.start("server", "--lease", "1s")
		r.within(time.Minute, "work of the new process", func() bool {
			return r.number(left) == 0 || r.number("SELECT COUNT(*) FROM ds_claims WHERE server = (SELECT MAX(id) FROM ds_servers)") > 0
		})
		if r.number(left) == 0 {
			p.kill()
			break
		}
		pass(time.Duration(rand.IntN(400)) * time.Millisecond)
		p.kill()
		hits++
	}
	r.do("run", "--until-idle", "--lease", "1s")
	r.want(int64(2*len(names)+1), "completed jobs", "SELECT COUNT(*) FROM ds_jobs WHERE status = 4")
	r.want(0, "failed attempts", failedAttempts)
	for _, name := range names {
		want, got := r.contents(name+"_alone"), r.contents(name+"_killed")
		least := rows
		if name == "records" { // those that were not as they are, and those that are gone
			least = rows - rows/6 + 600
		}
		if len(want) < least {
			t.Errorf("%s: the one left alone has %d rows of %d", name, len(want), least)
		}
		for i := range max(len(want), len(got)) {
			if i >= len(want) || i >= len(got) || want[i] != got[i] {
				t.Errorf("%s: %d rows, want %d; the first that differs is number %d", name, len(got), len(want), i+1)
				break
			}
		}
		stats := func(table string) string {
			return r.text("SELECT r.stats FROM ds_results r JOIN ds_payloads p ON p.id = r.id WHERE p.payload = ?", fmt.Sprintf("%q", table))
		}
		if a, b := stats(name+"_alone"), stats(name+"_killed"); a != b || a == "" {
			t.Errorf("%s: it counted %s, want %s", name, b, a)
		}
	}
	t.Logf("%d rows, %d kills while it worked", rows, hits)
	if hits < kills/2 {
		t.Errorf("only %d kills of %d met it at work", hits, kills)
	}
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
