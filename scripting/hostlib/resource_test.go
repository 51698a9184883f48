package hostlib_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/xuri/excelize/v2"
)

// resources are the ways to get an iterator over something open, with the
// function that is told of.
var resources = []struct{ name, open string }{
	{"csv.read", `csv.read("rows.csv")`},
	{"json.lines", `json.lines("rows.jsonl")`},
	{"json.stream", `json.stream("rows.json", "$[*]")`},
	{"xml.stream", `xml.stream("rows.xml", "rows/row")`},
	{"files.lines", `files.lines("rows.csv")`},
	{"files.entries", `files.entries("rows.zip")`},
	{"response.csv", `http.get(item).csv()`},
	{"response.lines", `http.get(item).lines()`},
	{"db.query", `db.query("SELECT 1 AS n UNION SELECT 2")`},
	{"db.query", `db.connect("crm").query("SELECT 1 AS n UNION SELECT 2")`},
	{"parquet.read", `parquet.read("rows.parquet")`},
	{"xlsx.rows", `xlsx.rows("rows.xlsx")`},
	{"s3.list", `s3.list("archive")`},
	{"scan", `db.connect("crm").scan("people", by = "id", page = 1)`},
}

// together runs hooks, all at once, and gives their jobs.
func together(t *testing.T, w *world.World, url string, bodies []string) []*engine.Job {
	t.Helper()
	var ids []engine.JobID
	for i, body := range bodies {
		name := fmt.Sprintf("r%d", i)
		w.Script(name, httpScript(resourceNeeds, body))
		ids = append(ids, w.Enqueue(engine.NewJob{Type: name, Payload: engine.Raw(fmt.Sprintf("%q", url))}))
	}
	w.Run()
	var jobs []*engine.Job
	for i, id := range ids {
		jobs = append(jobs, w.Job(id))
		w.Forget(fmt.Sprintf("r%d", i))
	}
	return jobs
}

func resourceWorld(t *testing.T) (w *world.World, url string) {
	w = world.New(t)
	w.File("rows.csv", "n\n1\n2\n3\n")
	w.File("rows.jsonl", "1\n2\n3\n")
	w.File("rows.json", "[1,2,3]")
	w.File("rows.xml", "<rows><row>1</row><row>2</row></rows>")
	store := newObjectStore(t, w)
	store.put("a", "1")
	store.put("b", "2")
	w.File("rows.parquet", string(parquetOf(t, []examplePerson{{1, "Ada"}, {2, "Grace"}})))
	writeBook(t, filepath.Join(w.Files, "rows.xlsx"), func(f *excelize.File) {
		for i := range 3 {
			f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &[]any{"n"})
		}
	})
	w.File("rows.zip", zipped(t, map[string]string{"a.csv": "n\n1\n", "b.csv": "n\n1\n"}))
	if j := askAs(t, w, `"db:crm:write"`, "", `
crm = db.connect("crm")
crm.ensure("people", {"id": "integer"}, key = ["id"])
crm.insert("people", [{"id": n} for n in range(3)])`); j.Error != nil {
		t.Fatal(j.Error)
	}
	return w, serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "n\n1\n2\n3\n") })
}

const resourceNeeds = here + `, "db:crm", "s3:*"`

func TestALoopThatIsLeftClosesWhatItWentThrough(t *testing.T) {
	t.Parallel()
	const helpers = "def first(it):\n    for x in it:\n        return x\ndef broken(it):\n    for x in it:\n        error(\"no\")\n"
	const left, ended = "was closed before its end", "was read to its end"
	w, url := resourceWorld(t)
	var bodies, wants []string
	for _, r := range resources {
		for _, c := range []struct{ body, want string }{
			{"for x in it:\n    break\nfor x in it:\n    pass", left},
			{"for x in iter.map(lambda x: x, it):\n    break\nlist(it)", left},
			{"for x in ctx.batches(iter.map(lambda x: 1, it), 1):\n    break\niter.take(it, 1)", left},
			{"x = list(iter.take(iter.chain([1], it), 2))\ndb.insert(\"t\", it)", left},
			{"x = list(iter.zip([1], it))\nfor x in it:\n    pass", left},
			{"x = any(it)\nfor x in it:\n    pass", left},
			{"first(it)\nlist(it)", left},
			{"catch(broken, it)\nlist(it)", left},
			{"catch(iter.batch, it, 0)\nlist(it)", left},
			{"n = len(list(it))\nfor x in it:\n    pass", ended},
			{"n = len(list(it))\nctx.emit_all(it)", ended},
			{"n = len(list(it))\ncsv.read(it)", ended},
		} {
			bodies = append(bodies, helpers+"it = "+r.open+"\n"+c.body)
			wants = append(wants, fmt.Sprintf("what %s at jobs/r%d.star:10 gave %s, and can be gone through once: make a list of it by list(...)", r.name, len(wants), c.want))
		}
	}
	for i, j := range together(t, w, url, bodies) {
		if got := outcome(j, url); !strings.HasPrefix(got, "usage: ") || !strings.Contains(got, wants[i]) {
			t.Errorf("%s\ngot  %s\nwant %s", bodies[i], got, wants[i])
		}
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not show open files")
	}
	for _, e := range entries {
		if target, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); strings.HasPrefix(target, w.Files) {
			t.Errorf("%s is still open", target)
		}
	}
}

func TestALoopInMemoryCanBeGoneOnWith(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	if got := run(t, w, `
it = iter.chain([1, 2], csv.read(["n", "3"]), range(4, 6))
for x in it: break
list(iter.take(it, 1))
return [x if type(x) == "int" else x["n"] for x in it] + list(it)`[1:]); got != `["3",4,5]` {
		t.Error(got)
	}
}

func TestWhatIsNeverReadIsALeak(t *testing.T) {
	t.Parallel()
	w, url := resourceWorld(t)
	const once = " was opened and never read to its end"
	var bodies, wants []string
	for _, r := range resources {
		for _, c := range []struct{ body, want string }{ // "": it is none
			{"x = OPEN", once},
			{"x = iter.map(lambda x: x, OPEN)", once},
			{"x = ctx.batches(OPEN, 2)", once},
			{"x = [OPEN for n in range(3)]", " was opened 3 times and never read to its end"},
			{"for x in OPEN:\n    break", ""},
			{"for x in ctx.batches(iter.map(lambda x: 1, OPEN), 1):\n    break", ""},
			{"x = list(iter.take(OPEN, 1))", ""},
			{"x = list(OPEN)", ""},
			{"x = catch(iter.batch, OPEN, 0)", ""},
		} {
			if c.want != "" {
				c.want = fmt.Sprintf("%s at jobs/r%d.star:4%s", r.name, len(wants), c.want)
			}
			bodies, wants = append(bodies, strings.ReplaceAll(c.body, "OPEN", r.open)), append(wants, c.want)
		}
	}
	for _, mode := range []hostlib.Leaks{hostlib.LeaksWarn, hostlib.LeaksFail} {
		w.Host.Leaks = mode
		for i, j := range together(t, w, url, bodies) {
			log := strings.Join(w.Logs(j.ID), "\n")
			switch want := wants[i]; {
			case want == "" && (j.Error != nil || log != ""):
				t.Errorf("%s: %v %s", bodies[i], j.Error, log)
			case want != "" && mode == hostlib.LeaksWarn && (j.Status != engine.StatusCompleted || log != "warn "+want):
				t.Errorf("%s: %v, logged %q, want %q", bodies[i], j.Error, log, want)
			case want != "" && mode == hostlib.LeaksFail && (j.Error == nil || j.Error.Code != "leak" || j.Error.Message != want):
				t.Errorf("%s: got %v, want %q", bodies[i], j.Error, want)
			}
		}
	}
	for _, body := range []string{
		`x = db.one("SELECT 1 AS n UNION SELECT 2")`,
		`x = db.value("SELECT 1 UNION SELECT 2")`,
		`x = http.get(item).status`,
		`x = csv.read(["n", "1"])`,
		`x = csv.sniff("rows.csv")`,
		`x = iter.chain([1], [2])`,
		`for p in http.paginate(item, next = lambda r: None, items = "x", pages = True) if False else []: break`,
		`x = list(csv.read(files.lines("rows.csv")))`,
		`for x in csv.read(files.lines("rows.csv")): break`,
		`catch(error, "no")`,
	} {
		if j := askAs(t, w, resourceNeeds, url, body); j.Error != nil {
			t.Errorf("%s: %v", body, j.Error)
		}
	}
	// A hook that failed leaves what it had open, and that is no leak.
	if got := outcome(askAs(t, w, resourceNeeds, url, `x = csv.read("rows.csv")`+"\n"+`error("no")`), url); got != ": no" {
		t.Errorf("got %s", got)
	}
	// An iterator that another one reads is told of in its place.
	if got, want := outcome(askAs(t, w, resourceNeeds, url, `x = csv.read(files.lines("rows.csv"))`), url), "leak: csv.read at "; !strings.HasPrefix(got, want) {
		t.Errorf("got %s", got)
	}
}

func TestLeaksAreToldOfByPlaceAndNotWithoutEnd(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Host.Leaks = hostlib.LeaksWarn
	w.File("a.csv", "n\n1\n")
	w.Script("job", "job(needs = [\"files:**\"])\ndef consume(ctx, item):\n"+strings.Repeat("    x = csv.read(\"a.csv\")\n", 15))
	logs := w.Logs(w.Do("job", "1").ID)
	if len(logs) != 11 || logs[10] != "warn and 5 more places" {
		t.Errorf("got %q", logs)
	}
}
