package starscript_test

import (
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

// A key that a dict does not have is told with the one that was probably meant, or
// with those that there are, however the script came by the dict.
func TestAMissingKeyIsToldWithOthers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "name,size\nA,1\nB,2\n")
	w.File("data/s.csv", "name;size\nA;1\n")
	w.File("data/n.jsonl", "{\"name\": \"A\", \"address\": {\"city\": \"Oslo\"}}\n")
	const like, has = `key "nmae" not in dict (did you mean "name"?)`, `key "color" not in dict, which has "name", "size"`
	for _, c := range []struct{ name, body, want string }{
		{"the item", `item["nmae"]`, like},
		{"no key is like it", `item["color"]`, `key "color" not in dict, which has "name", "sub", "list"`},
		{"within the item", `item["sub"]["ctiy"]`, `key "ctiy" not in dict (did you mean "city"?)`},
		{"an empty dict", `item["sub"]["none"]["x"]`, `key "x" not in dict, which is empty`},
		{"in a list", `item["list"][0]["ctiy"]`, `key "ctiy" not in dict (did you mean "city"?)`},
		{"a loop over a list", `for x in item["list"]: x["ctiy"]`, `key "ctiy" not in dict (did you mean "city"?)`},
		{"a row", `for r in csv.read("data/n.csv"): r["nmae"]`, like},
		{"no key of a row is like it", `for r in csv.read("data/n.csv"): r["color"]`, has},
		{"a row of a file with another separator", `for r in csv.read("data/s.csv"): r["name"]`, `key "name" not in dict: its only column is "name;size", so the file seems to be separated by ";": csv.read(..., sep = ";")`},
		{"a row of a batch", `for rows in ctx.batches(csv.read("data/n.csv"), 10):
        for r in rows: r["nmae"]`, like},
		{"a comprehension", `for rows in ctx.batches(csv.read("data/n.csv"), 10): [r["nmae"] for r in rows]`, like},
		{"a function", `for rows in ctx.batches(csv.read("data/n.csv"), 10): [clean(r) for r in rows]`, like},
		{"a function by name", `for r in csv.read("data/n.csv"): clean(row = r)`, like},
		{"a function of a function", `outer(item)`, like},
		{"a lazy map", `db.insert("t", iter.map(clean, csv.read("data/n.csv")))`, like},
		{"a lambda", `list(iter.map(lambda r: r["nmae"], csv.read("data/n.csv")))`, like},
		{"JSON", `for r in json.lines("data/n.jsonl"): r["address"]["ctiy"]`, `key "ctiy" not in dict (did you mean "city"?)`},
		{"what a function gave", `d = json.decode('{"name": 1}')
    d["nmae"]`, like},
		{"what a function gave, of which it is not sure", `d = json.decode('{"name": 1}')
    d["color"]`, `key "color" not in dict`},
		{"a global", `CODES["fi"]`, `key "fi" not in dict, which has "no", "se"`},
		{"a variable that is set twice", `d = item["sub"]
    d = CODES
    d["nmae"]`, `key "nmae" not in dict`},
		{"another dict than the parameter", `changed(item)`, `key "nmae" not in dict`},
		{"caught", `_, err = catch(clean, item)
    error(err.message)`, like},
		{"a number", `{1: 2}[3]`, `key 3 not in dict`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.Forget("job")
			w.Script("job", `
job(needs = ["files:data/*"], retry = retry(max = 1))
CODES = {"no": 1, "se": 2}
def clean(row): return row["nmae"]
def outer(x): return clean(x)
def changed(x):
    x = {}
    return x["nmae"]
def consume(ctx, item):
    `+c.body+"\n")
			j := w.Do("job", `{"name": "A", "sub": {"city": "Oslo", "none": {}}, "list": [{"city": "Oslo"}]}`)
			if j.Error == nil {
				t.Fatalf("it did not fail: %s", end(j))
			}
			got, _, _ := strings.Cut(j.Error.Message, " (while at ")
			if got = got[strings.Index(got, "key "):]; got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !strings.Contains(j.Error.Backtrace, "job.star:") {
				t.Errorf("no place in %s", j.Error.Backtrace)
			}
		})
	}
}
