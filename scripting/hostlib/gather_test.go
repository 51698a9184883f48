package hostlib_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

// What is committed while rows are taken, of which some are not written yet, would lose
// those.
func TestNothingIsCommittedWhileRowsAreTaken(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`iter.map(lambda b: b[0], ctx.batches([{"id": i} for i in range(10)], 1))`,
		`iter.map(lambda n: {"id": n, "at": ctx.checkpoint(n + 1)}, range(ctx.position or 0, 10))`,
	} {
		for _, write := range []string{`db.insert("t", %s)`, `db.bulk("t", %s)`, `db.upsert("t", %s, key = ["id"])`} {
			w := world.New(t)
			w.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER)")
			w.Script("job", `
job(retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    `+fmt.Sprintf(write, source)+`
    error("not reached")
`)
			if j := w.Do("job", "1"); j.Error == nil || !strings.Contains(j.Error.Message, "nothing can be committed while a function such as db.insert takes the rows") {
				t.Errorf("%s of %s: got %+v", write, source, j.Error)
			}
		}
	}
}

// Of many short rows, few of which follow one another, more are on their way to a server
// than of others.
func TestRowsThatAServerGivesBackHaveTheirPlace(t *testing.T) {
	t.Parallel()
	w, db := world.OnMariaDB(t)
	var b strings.Builder
	b.WriteString("id,n\n")
	for i := range 200_000 {
		n := "1"
		if i%50_000 == 4 {
			n = "x"
		}
		fmt.Fprintf(&b, "%d,%s\n", i, n)
	}
	w.File("in.csv", b.String())
	w.Script("job", `
job(needs = ["files:in.csv"], retry = retry(max = 1), rejects = "all")
def consume(ctx, item):
    db.ensure("t", {"id": "text(10)", "n": "integer"})
    db.bulk("t", iter.filter(lambda r: int(r["id"]) % 2 == 0, csv.read("in.csv")), on_bad = "reject")
`)
	if j := w.Do("job", "1"); j.Error != nil {
		t.Fatalf("%+v", j.Error)
	}
	var got string
	if err := db.QueryRow("SELECT GROUP_CONCAT(CONCAT(source, ':', line) ORDER BY id) FROM ds_rejects").Scan(&got); err != nil || got != "in.csv:6,in.csv:50006,in.csv:100006,in.csv:150006" {
		t.Errorf("got %q, %v", got, err)
	}
}

// An error of what is given back ends that.
func TestNothingIsGivenBackBehindTooMuch(t *testing.T) {
	t.Parallel()
	w, db := world.OnMariaDB(t)
	w.Script("job", `
job(retry = retry(max = 1), rejects = 3)
def consume(ctx, item):
    db.ensure("t", {"id": "integer", "v": "integer"}, key = ["id"])
    db.insert("t", iter.map(lambda n: {"id": n, "v": "x" if n % 500 == 0 else n}, range(1, 10000)), on_bad = "reject")
`)
	j := w.Do("job", "1")
	if j.Error == nil || !strings.Contains(j.Error.Message, "4 rows were rejected") {
		t.Errorf("got %+v", j.Error)
	}
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM ds_rejects").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d are kept, %v", n, err)
	}
}

// What is to be done after a commit is nothing that was written between two loops.
func TestFilesAreMovedOnceTheirLoopsAreCommitted(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in/a.csv", "id\n1\n2\n")
	w.File("in/b.csv", "id\n3\n4\n5\n")
	w.File("in/c.csv", "id\n7\n8\n")
	w.Exec("CREATE TABLE t (id TEXT)")
	w.Script("job", `
job(needs = ["files:**"], retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    for f in files.list("in/*.csv"):
        for rows in ctx.batches(csv.read(f.path), 2):
            db.insert("t", rows)
            if rows[0]["id"] == "5" and not files.exists("failed"):
                files.write("failed", "")
                error("no")
        ctx.on_commit(files.move, f.path, "done/")
    ctx.checkpoint()
    return [f.path for f in files.list("**/*.csv")]
`)
	if j, got := w.Do("job", "1"), w.Query("SELECT group_concat(id) FROM t"); string(j.Result) != `["done/a.csv","done/b.csv","done/c.csv"]` || got != "1,2,3,4,5,7,8\n" {
		t.Errorf("got %s, %q, %+v", j.Result, got, j.Error)
	}
}

// Rows that were rejected behind the last pass of a loop, or without any, stay rejected when
// its file is moved.
func TestRejectsBehindTheLastPassAreCommitted(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in/a.csv", "id\n1\n2\n5,5\n")
	w.File("in/b.csv", "id\n5,5\n6,6\n")
	w.File("in/c.csv", "id\n3\n4\n")
	w.Exec("CREATE TABLE t (id TEXT)")
	w.Script("job", `
job(needs = ["files:**"], retry = retry(max = 4, first = "1ms"), rejects = "all")
def consume(ctx, item):
    for f in files.list("in/*.csv"):
        for rows in ctx.batches(csv.read(f.path, on_bad = "reject"), 2):
            db.insert("t", rows)
        files.move(f.path, "done/")
        if not files.exists("failed" + f.path):
            files.write("failed" + f.path, "")
            error("no")
        ctx.checkpoint()
`)
	j, got := w.Do("job", "1"), w.Query("SELECT group_concat(id) FROM t")
	if j.Error != nil || j.Stats["rejected"] != 3 || j.Stats["read"] != 7 || got != "1,2,3,4\n" {
		t.Errorf("got %v, %q, %+v", j.Stats, got, j.Error)
	}
}

// Loops within a loop that are tried again are known by all that they go through, and where
// that has no name by some of their elements, not by their order alone.
func TestLoopsWithinLoopsAreNotTakenForOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ loop, want, why string }{
		{`iter.join(csv.read(p), csv.read("ref.csv"), "id")`, "a1,aEND,b1,bEND,c1,cEND", ""},
		{`iter.chain([{"id": "0", "n": p}], csv.read(p))`, "ain/a.csv,a1,aEND,bin/b.csv,b1,bEND,cin/c.csv,c1,cEND", ""},
		{`csv.parse(files.read(p))`, "a1,aEND,b1,bEND", "some of the first 2 are other ones now"},
		{`[r for r in csv.read(p)]`, "a1,aEND,b1,bEND", "some of the first 2 are other ones now"},
	} {
		w := world.New(t)
		w.File("ref.csv", "id,c\n1,x\nEND,x\n")
		for _, f := range []string{"a", "b", "c"} {
			w.File("in/"+f+".csv", "id,n\n1,"+f+"\nEND,-\n")
		}
		w.Exec("CREATE TABLE t (id TEXT)")
		w.Script("job", `
job(needs = ["files:**"], retry = retry(max = 2, first = "1ms"))
def one(ctx, p):
    for rows in ctx.batches(`+c.loop+`, 1000):
        for r in rows:
            r = r[0] if type(r) == "tuple" else r
            db.insert("t", [{"id": p[3] + (r["id"] if r["id"] != "0" else r["n"])}])
        if p == "in/c.csv" and not files.exists("failed"):
            files.write("failed", "")
            error("no")
    ctx.on_commit(files.move, p, "done/")
    ctx.checkpoint()

def consume(ctx, item):
    for f in files.list("in/*.csv"):
        one(ctx, f.path)
`)
		j, got := w.Do("job", "1"), w.Query("SELECT group_concat(id) FROM t")
		if got != c.want+"\n" || (j.Error == nil) != (c.why == "") || c.why != "" && !strings.Contains(j.Error.Message, c.why) {
			t.Errorf("%s: got %q, %+v", c.loop, got, j.Error)
		}
	}
}
