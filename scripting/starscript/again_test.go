package starscript_test

import (
	"archive/zip"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// An error of the language is not tried again where another attempt would be given the
// same; it is, where what the hook was given may be otherwise then.
func TestWhatAnotherAttemptWouldMeetAgainIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "name,size\nA,x\nB,2\n")
	w.File("data/one.csv", "name,size\nA,x\n")
	w.File("data/cut.csv", "name,size\nA,x")
	w.File("data/text.txt", "a\nb\n")
	w.File("data/none.csv", "")
	var packed strings.Builder
	z := zip.NewWriter(&packed)
	for _, x := range [][2]string{{"a.csv", "name,size\nA,1\n"}, {"b.csv", "name,size\nA,1\nB,x\n"}, {"c.csv", "name,size\nA,1,2\nB,2\n"}} {
		e, err := z.Create(x[0])
		if err == nil {
			_, err = e.Write([]byte(x[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w.File("data/n.zip", packed.String())
	w.File("data/n.jsonl", "{\"name\": \"A\"}\n")
	for _, c := range []struct {
		name, body string
		attempts   int
	}{
		{"a key of the item", `item["nmae"]`, 1},
		{"a wrong type", `item["name"] + 1`, 1},
		{"a division by zero", `1 // (item["n"] - 1)`, 1},
		{"a row", `[int(r["size"]) for r in csv.read("data/n.csv")]`, 1},
		{"a row of a file in an archive, behind another one", `[int(r["size"]) for e in files.entries("data/n.zip") for r in csv.read(e)]`, 1},
		{"a column that such a file does not have", `[r["nmae"] for e in files.entries("data/n.zip") for r in csv.read(e)]`, 1},
		{"a line of it that is no CSV", `[list(csv.read(e)) for e in files.entries("data/n.zip", "c.csv")]`, 1},
		{"a row of a batch", `for rows in ctx.batches(csv.read("data/one.csv"), 10): [int(r["size"]) for r in rows]`, 1},
		{"after a write", `db.ensure("t", {"id": "integer"})
    db.insert("t", [{"id": 1}])
    {}["x"]`, 1},
		{"a value that its column cannot hold", `db.ensure("t", {"name": "text", "size": "integer"})
    for rows in ctx.batches(csv.read("data/n.csv"), 1): db.insert("t", rows)`, 1},
		{"such a value after state", `state.get("x")
    db.ensure("t", {"name": "text", "size": "integer"})
    for rows in ctx.batches(csv.read("data/n.csv"), 1): db.insert("t", rows)`, 2},
		{"after an item is made", `ctx.emit({"id": 1})
    {}["x"]`, 1},
		{"a row of a batch of iter's", `for rows in iter.batch(csv.read("data/one.csv"), 10): [int(r["size"]) for r in rows]`, 1},
		{"a whole batch that is not the last", `for rows in ctx.batches(csv.read("data/n.csv"), 1): {}[len(rows)]`, 1},
		{"in a function for rows", `db.insert("t", iter.map(lambda r: r["nmae"], csv.read("data/n.csv")))`, 1},
		{"a column that the file does not have, whatever else was read", `state.get("x")
    [r["nmae"] for r in csv.read("data/cut.csv")]`, 1},
		{"an element by a dot, whatever else was read", `for r in db.query("SELECT 1 AS id"): r.id`, 1},
		{"an element set by a dot", `item.id = 1`, 1},
		{"a key of the item, whatever else was read", `x = ctx.now()
    item["sub"]["nmae"]`, 1},
		{"too many steps", `for _ in range(1000000): pass`, 1},
		{"too many steps behind what it asked", `state.get("x")
    for _ in range(1000000): pass`, 2},
		{"too many steps behind a checkpoint", `if not ctx.position: ctx.checkpoint(1)
    for _ in range(1000000): pass`, 2},
		{"what a query gave", `{}[db.value("SELECT 1")]`, 2},
		{"state", `{}[state.get("x")]`, 2},
		{"the time", `{}[ctx.now()]`, 2},
		{"the number of the attempt", `[][ctx.attempt]`, 2},
		{"files that are there", `files.list("data/*.csv")[99]`, 2},
		{"a whole file", `files.read("data/text.txt").split("\n")[99]`, 2},
		{"a last line without an end", `[int(r["size"]) for r in csv.read("data/cut.csv")]`, 2},
		{"a file that is empty yet", `list(csv.read("data/none.csv"))[0]`, 2},
		{"lines of one", `list(files.lines("data/none.csv"))[0]`, 2},
		{"what a file does not have yet", `by = {r["name"]: r for r in csv.read("data/n.csv")}
    by["C"]`, 2},
		{"what lines of JSON do not have yet", `by = {r["name"]: r for r in json.lines("data/n.jsonl")}
    by["C"]`, 2},
		{"what the last batch does not have yet", `for rows in ctx.batches(csv.read("data/one.csv"), 10):
        by = {r["name"]: r for r in rows}
        by["C"]`, 2},
		{"what the file does not have yet, for one of its rows", `by = {r["name"]: r for r in csv.read("data/n.csv")}
    for r in csv.read("data/n.csv"): by[r["size"]]`, 2},
		{"what a write says", `db.ensure("t", {"id": "integer"}, key = ["id"])
    s = db.upsert("t", [{"id": 1}], key = ["id"])
    1 // s.updated`, 2},
		{"how many rows a statement has changed", `db.ensure("t", {"id": "integer"}, key = ["id"])
    1 // db.exec("UPDATE t SET id = 2 WHERE id = 77")`, 2},
		{"whether an item was made", `made = ctx.emit({"id": 1}, key = "k")
    {}[made]`, 2},
		{"whether a table was made", `{}[db.ensure("t2", {"id": "integer"})]`, 2},
		{"a dict from elsewhere that has the columns of a file", `list(csv.read("data/n.csv"))
    list(iter.map(lambda d: d["color"], [state.get("x", {"name": "A", "size": "1"})]))`, 2},
		{"an archive and a file", `sizes = list(csv.read("data/one.csv"))
    [int(r["size"]) for e in files.entries("data/n.zip") for r in csv.read(e)]`, 2},
		{"two files", `sizes = {r["name"]: r for r in csv.read("data/one.csv")}
    [sizes[r["name"]] for r in csv.read("data/n.csv")]`, 2},
		{"a file that is missing", `files.read("data/missing.txt")`, 2},
		{"an error of the script's own", `error("no")`, 2},
		{"fail, where it is the language's", `fail("no")`, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.Forget("job")
			w.Exec("DROP TABLE IF EXISTS t")
			w.Script("job", "job(needs = [\"files:data/*\"], steps = 20000, retry = retry(max = 2, first = \"1ms\"))\ndef consume(ctx, item):\n    "+c.body+"\n")
			j := w.Do("job", `{"name": "A", "id": 7, "n": 1, "sub": {"x": 1}}`)
			if j.Status != engine.StatusFailed || j.Attempt != c.attempts {
				t.Errorf("%s after %d attempts, want %d", end(j), j.Attempt, c.attempts)
			}
		})
	}
}

// A dict that is used as an object is told with how its elements are written.
func TestAnElementByADotIsToldAsItIsWritten(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "id,name,item\n1,A,x\n")
	for _, c := range []struct{ name, body, want string }{
		{"a row of a file", `for r in csv.read("data/n.csv"): r.id`, `r is a dict: write r["id"]`},
		{"a row of a query", `for r in db.query("SELECT 1 AS name"): r.name`, `r is a dict: write r["name"]`},
		{"an element as a method is called", `for r in csv.read("data/n.csv"): r.item`, `r is a dict: write r["item"]`},
		{"one that it does not have", `for r in csv.read("data/n.csv"): r.path`, `r is a dict: write r["path"]`},
		{"the item", `item.id`, `item is a dict: write item["id"]`},
		{"within it", `item["sub"].name`, `item["sub"] is a dict: write item["sub"]["name"]`},
		{"set", `item.id = 2`, `item is a dict: write item["id"]`},
		{"a method that is misspelt", `item.itmes()`, `dict has no .itmes field or method (did you mean .items?)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.Forget("job")
			w.Script("job", "job(needs = [\"files:data/*\"], retry = retry(max = 1))\ndef consume(ctx, item):\n    "+c.body+"\n")
			j := w.Do("job", `{"id": 1, "sub": {"name": "x"}}`)
			if j.Error == nil {
				t.Fatalf("it did not fail: %s", end(j))
			}
			if got, _, _ := strings.Cut(j.Error.Message, " (while at "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
