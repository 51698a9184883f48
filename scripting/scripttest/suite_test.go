package scripttest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// folder writes a jobs folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "jobs")
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// suite finds the tests of a folder; all must load.
func suite(t testing.TB, o Options) *Suite {
	t.Helper()
	s, err := Find(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Errors {
		t.Error(e)
	}
	if t.Failed() {
		t.FailNow()
	}
	return s
}

const people = `
job(needs = ["files:incoming/*.csv"], retry = retry(max = 3, first = "10s"), every = "1h")

def clean(row):
    return {"id": int(row["id"]), "name": row["name"].strip()}

def produce(ctx):
    for f in files.list("incoming/*.csv"):
        ctx.emit({"path": f.path}, key = f.path + "@" + f.modified, unique = "forever")

def consume(ctx, item):
    db.ensure("people", {"id": "integer", "name": "text"}, key = ["id"])
    for rows in ctx.batches(csv.read(item["path"]), 2):
        db.upsert("people", [clean(r) for r in rows], key = ["id"])
    log.info("done", path = item["path"])
`

// results runs tests, by name.
func results(t *testing.T, o Options) map[string]*Result {
	t.Helper()
	all := map[string]*Result{}
	for _, r := range suite(t, o).Run(t.Context()) {
		if all[r.Name] != nil {
			t.Errorf("there are two tests %s: one would hide the other", r.Name)
		}
		all[r.Name] = r
	}
	return all
}

// Tests that pass; each shows something of t.
const good = `
load("people.star", "clean")

FILE = "id,name\n1,Ada\n2,Grace\n3,Edsger\n"

def test_a_function_of_the_script(t):
    t.eq(clean({"id": "7", "name": " x "}), {"id": 7, "name": "x"})

def test_a_whole_life(t):
    t.file("incoming/a.csv", FILE)
    r = t.run()
    t.eq(r.status, "completed")
    t.eq(r.children["completed"], 1)
    t.eq(t.table("people", order_by = "id DESC")[0], {"id": 3, "name": "Edsger"})
    t.eq(t.run().children["completed"], 0, "the file was imported")

def test_retries_skip_time(t):
    t.file("incoming/a.csv", "id,name\nx,Ada")  # a last line without an end may not be whole yet
    r = t.run(expect = "failed")
    t.matches(r.error.message, "invalid literal")
    t.ok(t.clock.now() >= time.parse("2020-01-01T00:00:20Z"))
    t.eq(t.enqueued(), [])

def test_one_hook_alone(t):
    t.file("incoming/a.csv", FILE)
    t.eq(t.produce().items, [{"path": "incoming/a.csv"}])
    t.eq(t.consume({"path": "incoming/a.csv"}).stats["inserted"], 3)
    t.consume({"path": "nowhere.csv"}, expect = "failed")
    t.eq(t.logs()[0]["fields"], {"path": "incoming/a.csv"})

def test_schedules_fire_as_the_clock_goes(t):
    t.file("incoming/a.csv", FILE)
    t.clock.advance("1s")
    t.eq(len(t.table("people")), 3)
    t.file("incoming/b.csv", "id,name\n4,Barbara\n")
    t.clock.advance("30m")
    t.eq(len(t.table("people")), 3)
    t.clock.advance("30m")
    t.eq(len(t.table("people")), 4)

def test_the_database_at_hand(t):
    t.db.exec("CREATE TABLE x (id INTEGER PRIMARY KEY, v TEXT)")
    t.eq(t.db.insert("x", [{"id": 1, "v": "a"}]).inserted, 1)
    t.eq([r["v"] for r in t.db.query("SELECT * FROM x")], ["a"])
    t.connection("crm").exec("CREATE TABLE y (id INTEGER PRIMARY KEY)")
    t.eq(t.connection("crm").value("SELECT count(*) FROM y"), 0)

def test_values(t):
    t.state.set("since", {"a": [1, 2]})
    t.vars.set("v", 1)
    t.eq(t.state.get("since"), {"a": [1, 2]})
    t.eq(t.state.keys() + t.vars.keys(), ["since", "v"])
    t.state.delete("since")
    t.eq(t.state.get("since", 7), 7)

def test_comparisons(t):
    t.eq(1, 1.0)
    t.eq(9007199254740993, 9007199254740993)
    t.ne(9007199254740993, 9007199254740992)
    t.eq({"a": 1, "b": 2}, {"b": 2, "a": 1})
    t.contains([{"id": 1, "n": 2}], {"id": 1})
    t.contains("abc", "b")
    t.close(0.1 + 0.2, 0.3)
    t.close(float("inf"), float("inf"))
    t.eq(t.fails(lambda: error("no", code = "x.y"), "^no$").code, "x.y")
    t.not_ok([])
`

// Tests that fail, with what must be told.
var bad = map[string]string{
	"eq":        "def test_eq(t):\n    rows = [{\"id\": 1}, {\"id\": 2}]\n    t.eq(rows, [{\"id\": 1}, {\"id\": 3}])\n|not equal| id\n|-3\n|+2\n|t.eq(rows, [{\"id\": 1}, {\"id\": 3}])|rows = [{",
	"types":     "def test_types(t):\n    t.eq(\"1\", 1)\n|got:    \"1\"|wanted: 1",
	"raises":    "def test_raises(t):\n    int(\"x\")\n|invalid literal|in test_raises",
	"end":       "def test_end(t):\n    t.file(\"incoming/a.csv\", \"id,name\\nx,y\\n\")\n    t.run()\n|the job ended as failed, not completed: int: invalid literal|people.star|attempt failed",
	"http":      "def test_http(t):\n    t.http.on(\"GET\", \"https://a.example.com/\")\n    t.run({\"get\": \"https://api.example.com/x\"}, expect = \"failed\")\n|no stub answers GET https://api.example.com/x; there are:|GET https://a.example.com/",
	"wildcard":  "def test_wildcard(t):\n    t.http.on(\"GET\", \"https://api.example.com/*\")\n    t.run({\"get\": \"https://api.example.com/x\"}, expect = \"failed\")\n|no stub answers GET https://api.example.com/x|(* stands for itself: each URL needs a stub of its own)",
	"hook_only": "def test_hook_only(t):\n    db.value(\"SELECT 1\")\n|it can be called in a hook only, not in a test: use t.db.value",
	"cases":     "def test_cases(t):\n    for n in [1, 2, 3]:\n        t.case(str(n), lambda: t.eq(n, 2))\n|1: not equal|3: not equal",
	"loop":      "def test_loop(t):\n    for i in range(1000000000):\n        pass\n|longer than 20s",
	"secret":    "def test_secret(t):\n    t.run({\"secret\": \"tok\"}, expect = \"any\")\n    t.eq(1, 2)\n|which the test has not set: t.secret(\"tok\"",
	"short":     "def test_short(t):\n    t.secret(\"shop_token\", \"x\")\n|a secret needs at least 4 characters|in test_short",
	"connects":  "def test_connects(t):\n    t.run({\"connect\": \"crm\"})\n|the job ended as failed, not completed|the test has made no database \"crm\" (make its tables by t.connection(\"crm\").exec(...))",
	"unfailing": "def test_unfailing(t):\n    t.fails(lambda: 7)\n|it does not fail but gives 7",
	"missing":   "def test_missing(t):\n    t.nothing()\n|t has no \"nothing\"",
	"no_path":   "def test_no_path(t):\n    t.file(\"../x\", \"\")\n|leads out of the files folder",
}

func TestGoodTestsPass(t *testing.T) {
	t.Parallel()
	all := results(t, Options{Jobs: folder(t, map[string]string{"people.star": people, "people_test.star": good})})
	if want := strings.Count(good, "\ndef test_"); len(all) != want {
		t.Errorf("%d tests ran, not %d", len(all), want)
	}
	for name, r := range all {
		if r.Status != Passed {
			var text strings.Builder
			r.Text(&text)
			t.Errorf("%s: %s", name, &text)
		}
	}
}

func TestBadTestsFailAndSayWhy(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		source, _, _ := strings.Cut(bad[name], "|")
		tests.WriteString(source + "\n")
	}
	script := strings.Replace(people, "needs = [", "needs = [\"db:crm\", \"http:api.example.com\", \"secret:tok\", ", 1) + `
def look(ctx):
    p = ctx.payload
    if type(p) == "dict" and "get" in p:
        http.get(p["get"], retry = 0)
    if type(p) == "dict" and "secret" in p:
        secrets.get(p["secret"])
    if type(p) == "dict" and "connect" in p:
        db.connect(p["connect"])
`
	script = strings.Replace(script, "def produce(ctx):\n", "def produce(ctx):\n    look(ctx)\n", 1)
	all := results(t, Options{Jobs: folder(t, map[string]string{"people.star": script, "people_test.star": tests.String()}), Timeout: 20 * time.Second})
	for name, text := range bad {
		r := all[name]
		if r == nil {
			t.Errorf("%s did not run", name)
			continue
		}
		var told strings.Builder
		r.Text(&told)
		if r.Status != Failed {
			t.Errorf("%s has not failed:\n%s", name, &told)
		}
		for _, want := range strings.Split(text, "|")[1:] {
			if !strings.Contains(told.String(), want) {
				t.Errorf("%s: %q is not told:\n%s", name, want, &told)
			}
		}
	}
}

// What a test says of the job is as it is outside of tests.
func TestInstancesServersAndStubsAreAsOutsideOfTests(t *testing.T) {
	t.Parallel()
	all := results(t, Options{Jobs: folder(t, map[string]string{"x.star": `
job(servers = ["import-*"], instances = {"de": {"n": 1}, "fr": {"n": 2}}, needs = ["http:api.example.com"], retry = retry(max = 1))

def produce(ctx):
    return ctx.params

def consume(ctx, item):
    if "n" in item:
        return item["n"]
    return http.get("https://api.example.com/x", params = {"l": [1, 2], "n": 1.0, "no": None}, headers = {"a": 7}).text()

def fail(ctx, item, err):
    for n in range(1200):
        log.info("line %d" % n)
    error("in fail")
`, "x_test.star": `
def test_runs(t):
    t.eq(t.run(instance = "fr").result, 2)

def test_unknown(t):
    t.run(instance = "dee")

def test_none(t):
    t.run()

def test_params(t):
    t.http.on("GET", "https://api.example.com/x", params = {"l": [1, 2], "n": 1.0, "no": None}, body = "yes")
    t.eq(t.consume({"id": 1}, instance = "de").result, "yes")

def test_fails(t):
    t.fail({"id": 1}, "no", instance = "de")
`, "y.star": `
job(retry = retry(max = 1))

def produce(ctx):
    for n in range(700):
        ctx.emit({"id": n + 1})

def consume(ctx, item):
    if item["id"] != 1:
        error("item %d" % item["id"])
`, "y_test.star": `
def test_first(t):
    t.eq(t.run(expect = "failed").error.message, "item 2")
`})})
	for name, want := range map[string]string{
		"runs": "", "params": "", "first": "",
		"unknown": "instance: the job has no \"dee\"",
		"none":    "instance: say which: the job has de, fr",
		"fails":   "the fail hook failed: in fail",
	} {
		told := text(all[name])
		if (want == "") != (all[name].Status == Passed) || !strings.Contains(told, want) {
			t.Errorf("%s: wanted %q:\n%s", name, want, told)
		}
	}
}

func TestSkippedTodoAndHelpers(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"people.star":  people + "\ndef test_inside(t):\n    t.eq(clean({\"id\": \"1\", \"name\": \"\"})[\"id\"], 1)\n\ndef todo_test_later(t):\n    pass\n\ndef test_not_now(t):\n    t.skip(\"no feed\")\n",
		"lib/add.star": "def add(a, b):\n    return a + b\n", "lib/add_test.star": "load(\"lib/add.star\", \"add\")\n\ndef test_add(t):\n    t.eq(add(1, 2), 3)\n",
	})
	all := results(t, Options{Jobs: dir})
	for name, want := range map[string]Status{"inside": Passed, "later": Todo, "not_now": Skipped, "add": Passed} {
		if r := all[name]; r == nil || r.Status != want {
			t.Errorf("%s: %+v, not %s", name, r, want)
		}
	}
	one := results(t, Options{Jobs: dir, Paths: []string{filepath.Join(dir, "lib", "*.star")}})
	if len(one) != 1 || one["add"] == nil {
		t.Errorf("of lib there are %d", len(one))
	}
	for _, name := range []string{"lib", "lib/add_test.star"} { // below the jobs folder
		if one := results(t, Options{Jobs: dir, Paths: []string{name}}); len(one) != 1 || one["add"] == nil {
			t.Errorf("of %s there are %d", name, len(one))
		}
	}
	for run, want := range map[string]int{"test_add": 1, "lib/.*: test_a": 1, ": add$": 1, ": t": 0, "test_later": 1} {
		if got := results(t, Options{Jobs: dir, Run: regexp.MustCompile(run)}); len(got) != want {
			t.Errorf("%s runs %d tests", run, len(got))
		}
	}
}

// TestRejectsComeBySourceAndLine has rows that the reader and the script set aside, of
// which the reader's come later.
func TestRejectsComeBySourceAndLine(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"x.star": `
job(needs = ["files:*.csv"], rejects = "100%")

def consume(ctx, item):
    reject({"n": 0}, "no place")
    for name in ["b.csv", "a.csv"]:
        for row in csv.read(name, on_bad = "reject"):
            if row["id"] == "x":
                reject(row, "no number")
`, "x_test.star": `
def test_it(t):
    t.file("a.csv", "id,n\nx,1\n2\n3,3\nx,4\n")
    t.file("b.csv", "id,n\nx,1\n")
    for first in [0, 5]:
        t.run()
        t.eq([(r["source"], r["line"]) for r in t.rejects()[first:]], [(None, None), ("a.csv", 2), ("a.csv", 3), ("a.csv", 5), ("b.csv", 2)])
`})
	if r := results(t, Options{Jobs: dir})["it"]; r.Status != Passed {
		t.Errorf("%s", text(r))
	}
}

func TestFilesThatDoNotLoadAreTold(t *testing.T) {
	t.Parallel()
	s, err := Find(Options{Jobs: folder(t, map[string]string{"people.star": people, "people_test.star": "def test_x(t, u):\n    pass\n", "other.star": "job(\n"})})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range s.Errors {
		told = append(told, e.Error())
	}
	if text := strings.Join(told, "\n"); !strings.Contains(text, "a test is called as test_x(t), but is defined as test_x(t, u)") || !strings.Contains(text, "other.star:2") {
		t.Errorf("told: %s", text)
	}
}

func BenchmarkWholeLife(b *testing.B) {
	benchmark(b, "    t.file(\"incoming/a.csv\", \"id,name\\n1,Ada\\n\")\n    t.eq(t.run().children[\"completed\"], 1)\n    t.eq(t.table(\"people\"), [{\"id\": 1, \"name\": \"Ada\"}])\n")
}

func BenchmarkOneHook(b *testing.B) {
	benchmark(b, "    t.file(\"a.csv\", \"id,name\\n1,Ada\\n\")\n    t.eq(t.produce().items, [])\n")
}

// benchmark runs a hundred tests of a body.
func benchmark(b *testing.B, body string) {
	var tests strings.Builder
	for i := range 100 {
		fmt.Fprintf(&tests, "def test_%d(t):\n%s", i, body)
	}
	s := suite(b, Options{Jobs: folder(b, map[string]string{"people.star": people, "people_test.star": tests.String()})})
	before := processorTime()
	for b.Loop() {
		for _, r := range s.Run(b.Context()) {
			if r.Status != Passed {
				b.Fatal(r.Failures[0].Message)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(100_000*b.N), "ms/test")
	b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(100_000*b.N), "cpu-ms/test")
}
