package hostlib_test

import (
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// TestRowsThatAreReadAheadAreTheSame has files that are long enough for it: rows,
// counts and places of errors are those of a file that is read as it goes.
func TestRowsThatAreReadAheadAreTheSame(t *testing.T) {
	w := world.New(t)
	file := func(n int, last string) string {
		var b strings.Builder
		b.WriteString("id,name\n")
		for i := range n {
			fmt.Fprintf(&b, "%d,\"Jane\nDoe %d\"\n", i, i)
		}
		return b.String() + last
	}
	w.File("whole.csv", file(5000, ""))
	w.File("ragged.csv", file(3000, "1,2,3\n"))
	w.File("open.csv", file(3000, "1,\"x"))
	w.File("exact.csv", file(1000, ""))
	w.File("more.csv", file(1001, ""))
	for _, c := range []struct{ body, want string }{
		{`return [len([r for r in csv.read("whole.csv") if r["name"] == "Jane\nDoe " + r["id"]]), len(list(csv.read("exact.csv"))), len(list(csv.read("more.csv")))]`, `[5000,1000,1001]`},
		{`
last = None
for r in csv.read("whole.csv"):
    if last != None and int(r["id"]) != last + 1: error("%s after %d" % (r["id"], last))
    last = int(r["id"])
return last`, `4999`},
		{`
for r in csv.read("whole.csv"):
    if r["id"] == "4321": error("this one")`, `this one (while at whole.csv, line 8644)`},
		{`return len(list(csv.read("ragged.csv")))`, `csv.read: ragged.csv, line 6002: got 3 fields, wanted 2`},
		{`
n = [0]
def count():
    for r in csv.read("ragged.csv"): n[0] += 1
_, err = catch(count)
return [n[0], err.message]`, `[3000,"csv.read: ragged.csv, line 6002: got 3 fields, wanted 2`},
		{`return len(list(csv.read("open.csv")))`, `a quote (") that is not closed`},
		{`
bad = []
n = len(list(csv.read("ragged.csv", on_bad = "reject")))
return n`, `3000`},
		{`
for r in csv.read("whole.csv"):
    if r["id"] == "2000": break
return [r["id"], len(list(csv.read("whole.csv", header = False))[4000])]`, `["2000",2]`},
		{`
def mark(r):
    r["mark"] = r["id"]
    return True
seen = [r["mark"] == r["id"] for r in iter.filter(mark, csv.read("whole.csv"))]
batches = [len([r for r in b if len(r) == 2]) for b in iter.batch(csv.read("whole.csv"), 1500)]
return [len(seen), all(seen), batches, len([n for n in iter.map(lambda r: (r["name"] or "") + r.pop("id"), csv.read("whole.csv", nulls = ["Jane\nDoe 7"], columns = ["name", "id"])) if n.startswith("Jane")])]`, `[5000,true,[1500,1500,1500,500],4999]`},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
		var stacks strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 2); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(stacks.String(), "readAhead") {
			t.Errorf("%s: a goroutine still reads", c.body)
		}
	}
	jobs := w.Jobs()
	slices.SortFunc(jobs, func(a, b *engine.Job) int { return int(a.ID - b.ID) })
	for i, want := range map[int]int64{0: 7001, 1: 5000, 6: 3001, 7: 7002} {
		if got := jobs[i].Stats["read"]; got != want {
			t.Errorf("job %d has read %d rows, want %d", i, got, want)
		}
	}
}
