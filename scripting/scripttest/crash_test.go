package scripttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// crashed runs the tests of a script with crashes, and gives the results by name.
func crashed(t *testing.T, script, tests string) map[string]*Result {
	t.Helper()
	dir := folder(t, map[string]string{"x.star": script, "x_test.star": tests})
	by := map[string]*Result{}
	for _, r := range suite(t, Options{Jobs: dir, Crash: true}).Run(t.Context()) {
		by[r.Name] = r
	}
	return by
}

// text is how a result is told.
func text(r *Result) string {
	var b strings.Builder
	r.Text(&b)
	return b.String()
}

// TestCrashesOfASoundScriptPass has a script that checkpoints, emits, asks, writes
// and goes on.
func TestCrashesOfASoundScriptPass(t *testing.T) {
	by := crashed(t, `
job(needs = ["http:api.example.com", "files:in/*.csv", "files:done/**"])

def produce(ctx):
    url = ctx.position or "https://api.example.com/items"
    for _ in range(10):
        page = http.get(url).json()
        for row in page["rows"]:
            ctx.emit(row)
        url = page["next"]
        if not url:
            break
        ctx.checkpoint(url)

def consume(ctx, item):
    db.ensure("t", {"id": "integer", "n": "integer"})
    db.insert("t", [{"id": item["id"], "n": 1}])
    ctx.count("seen")
    state.set("last", max(item["id"], state.get("last", 0)))
    log.info("took", id = item["id"])

def finish(ctx, summary):
    http.put("https://api.example.com/done", json = {"n": summary.completed})
    return summary.completed
`, `
def test_all(t):
    t.http.on("GET", "https://api.example.com/items", json = {"rows": [{"id": 1}, {"id": 2}], "next": "https://api.example.com/items?page=2"}, times = 1)
    t.http.on("GET", "https://api.example.com/items", params = {"page": 2}, json = {"rows": [{"id": 3}], "next": None})
    t.http.on("PUT", "https://api.example.com/done")
    r = t.run()
    t.eq(r.result, 3)
    t.eq([x["id"] for x in t.table("t")], [1, 2, 3])
    t.eq(r.stats["seen"], 3)
    t.eq(t.state.get("last"), 3)
    t.eq(len([l for l in t.logs() if l["message"] == "took"]), 3)
    t.eq(len([c for c in t.http.calls if c.method == "GET"]), 2)
`)
	r := by["all"]
	if r.Status != Passed || r.Crashes < 10 {
		t.Fatalf("%d crashes:\n%s", r.Crashes, text(r))
	}
	if !strings.Contains(text(r), fmt.Sprintf("with %d crashes", r.Crashes)) {
		t.Errorf("it is told as %s", text(r))
	}
}

// TestCrashesTellWhatIsNotIdempotent has the faults that only a crash shows.
func TestCrashesTellWhatIsNotIdempotent(t *testing.T) {
	for _, c := range []struct {
		name, script, test string
		want               []string
	}{
		{"a request that writes is made twice", `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("t", {"id": "integer"})
    http.post("https://api.example.com/orders", json = {"id": 1})
    db.insert("t", [{"id": 1}])
`, `
def test_it(t):
    t.http.on("POST", "https://api.example.com/orders", status = 201)
    t.run()
    t.eq(len(t.http.calls), 1)
`, []string{"when the process is killed after http.post in consume (", "x.star:6)", "got:    2", "wanted: 1", "beside the run without a crash:", "+POST https://api.example.com/orders"}},
		{"a cursor that is kept in a file before the rows are committed", `
job(needs = ["files:cursor.txt"])

def consume(ctx, item):
    db.ensure("t", {"id": "integer"})
    since = int(files.read("cursor.txt"))
    files.write("cursor.txt", str(since + 1))
    db.insert("t", [{"id": since}])
`, `
def test_it(t):
    t.file("cursor.txt", "7")
    t.run()
    t.eq(t.table("t"), [{"id": 7}])
`, []string{"killed after files.write in consume (", "x.star:7)", "file cursor.txt"}},
		{"another database is written twice", `
job(needs = ["db:crm:write"])

def consume(ctx, item):
    crm = db.connect("crm")
    crm.insert("seen", [{"id": 1}])
`, `
def test_it(t):
    crm = t.connection("crm")
    crm.exec("CREATE TABLE seen (id INTEGER)")
    t.run()
    t.eq(crm.value("SELECT COUNT(*) FROM seen"), 1)
`, []string{"killed before the commit behind connection.insert in consume (", "x.star:6)", "got:    2"}},
		{"a mark in a database that commits later", `
job(needs = ["db:crm:write", "db:erp:write"])

def consume(ctx, item):
    crm, erp = db.connect("crm"), db.connect("erp")
    if not erp.value("SELECT COUNT(*) FROM done"):
        crm.insert("seen", [{"id": 1}])
        erp.insert("done", [{"id": 1}])
`, `
def test_it(t):
    crm, erp = t.connection("crm"), t.connection("erp")
    crm.exec("CREATE TABLE seen (id INTEGER)")
    erp.exec("CREATE TABLE done (id INTEGER)")
    t.run()
    t.eq(crm.value("SELECT COUNT(*) FROM seen"), 1)
`, []string{"killed after the commit on connection \"crm\" behind connection.insert in consume (", "x.star:8)", "got:    2"}},
		{"a hook that writes nothing has its commit behind what it does", `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    http.post("https://api.example.com/orders", json = {"id": 1})
    return noted(item)

def noted(item):
    return state.get("none", "nothing")
`, `
def test_it(t):
    t.http.on("POST", "https://api.example.com/orders", status = 201)
    t.run()
    t.eq(len(t.http.calls), 1)
`, []string{"killed after http.post in consume (", "killed before the commit behind http.post in consume (/", "x.star:5)"}},
		{"a checkpoint without a position begins anew", `
job()

def consume(ctx, item):
    db.ensure("t", {"id": "integer"})
    for n in range(3):
        db.insert("t", [{"id": n}])
        ctx.checkpoint()
`, `
def test_it(t):
    t.run()
    t.eq(len(t.table("t")), 3)
`, []string{"killed after a checkpoint in consume (", "x.star:8)", "table t:", "+"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := crashed(t, c.script, c.test)["it"]
			told := text(r)
			if r.Status != Failed {
				t.Fatalf("it passes:\n%s", told)
			}
			for _, want := range c.want {
				if !strings.Contains(told, want) {
					t.Errorf("%q is not told:\n%s", want, told)
				}
			}
			if r.Failures[0].Crash == nil {
				t.Error("the failure does not name the crash")
			}
		})
	}
}

// TestCrashesOfHooksAlone has produce, consume and fail run by themselves.
func TestCrashesOfHooksAlone(t *testing.T) {
	by := crashed(t, `
job(needs = ["files:*"])

def produce(ctx):
    for n in range(3):
        ctx.emit({"n": n})
        ctx.checkpoint(n)

def consume(ctx, item):
    db.ensure("t", {"n": "integer"})
    db.insert("t", [item])
    ctx.on_commit(files.write, "done.txt", "it is")
    return item["n"]

def fail(ctx, item, err):
    state.set("failed", item["n"])
    ctx.cancel("no")
`, `
def test_produce(t):
    r = t.produce()
    t.ok(len(r.items) >= 3)

def test_consume(t):
    t.eq(t.consume({"n": 4}).result, 4)
    t.eq(t.table("t"), [{"n": 4}])

def test_fail(t):
    t.eq(t.fail({"n": 5}, "bad").verdict, "cancel")
    t.eq(t.state.get("failed"), 5)

def test_skip(t):
    t.skip("not now")

def test_clock(t):
    t.clock.advance("1h")
`)
	for name, status := range map[string]Status{"consume": Passed, "fail": Passed, "skip": Skipped, "clock": Passed, "produce": Passed} {
		r := by[name]
		if r == nil || r.Status != status {
			t.Errorf("%s:\n%s", name, text(r))
		} else if status == Passed && name != "clock" && r.Crashes < 2 {
			t.Errorf("%s had %d crashes", name, r.Crashes)
		}
	}
}

// TestAJobThatIsTriedForEverIsTold has hooks that never give up: the test ends
// long before its time-out, and says why.
func TestAJobThatIsTriedForEverIsTold(t *testing.T) {
	t.Parallel()
	const tried = "the job does not end: consume was tried 200 times: does its fail hook ask for another attempt without end?"
	for name, c := range map[string]struct{ script, test, want string }{
		"later":   {"def fail(ctx, item, err):\n    ctx.retry(\"10s\")", "t.run(expect = \"failed\")", tried},
		"at once": {"def fail(ctx, item, err):\n    ctx.retry(\"0s\")", "t.run()", tried},
		"an item": {"def fail(ctx, item, err):\n    ctx.retry(\"0s\")\n\ndef produce(ctx):\n    ctx.emit(1)\n    ctx.emit(2)", "t.run()", tried},
		"a fire":  {"def fail(ctx, item, err):\n    ctx.retry(\"0s\")", "t.clock.advance(\"1h\")", tried},
		"after a checkpoint": {"def produce(ctx):\n    db.ensure(\"t\", {\"id\": \"integer\"})\n    db.insert(\"t\", [{\"id\": 1}])\n    ctx.checkpoint()\n    error(\"no\")", "t.run(expect = \"failed\")",
			"the job does not end: produce failed 200 times: attempts are counted anew after a checkpoint that takes the job on; does it commit something each time, and then fail?"},
		"a snooze": {"def produce(ctx):\n    ctx.snooze(\"0s\")", "t.run()", "the job does not end: produce ran 1000 times at one moment: does it snooze without end?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{
				"x.star":      "job(every = \"1h\")\n\ndef consume(ctx, item):\n    error(\"no\")\n\n" + c.script + "\n",
				"x_test.star": "def test_it(t):\n    x = 1\n    " + c.test + "\n",
			})
			s := suite(t, Options{Jobs: dir})
			defer s.Close()
			r := s.Run(t.Context())[0]
			if len(r.Failures) != 1 || r.Failures[0].Message != c.want || r.Failures[0].Line != 3 {
				t.Errorf("%q is not told:\n%.2000s", c.want, text(r))
			}
			if len(r.Log) > maxLines+1 || name == "after a checkpoint" && len(r.Log) != 1 {
				t.Errorf("the log has %d lines", len(r.Log))
			}
		})
	}
}

// TestErrorsOfTestsHaveTheirLine has a test that fails by a mistake of its own.
func TestErrorsOfTestsHaveTheirLine(t *testing.T) {
	dir := folder(t, map[string]string{"x.star": "job()\n\ndef consume(ctx, item):\n    pass\n", "x_test.star": `
def test_it(t):
    x = 1
    t.eq({}["a"], x)
`})
	s := suite(t, Options{Jobs: dir})
	defer s.Close()
	if f := s.Run(t.Context())[0].Failures[0]; f.Line != 4 {
		t.Errorf("the line is %d: %s", f.Line, f.Message)
	}
}

// TestACrashIsToldBesideARunThatIsAsFar has a test that goes on after what fails
// with a crash: what comes after it is no difference.
func TestACrashIsToldBesideARunThatIsAsFar(t *testing.T) {
	r := crashed(t, `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("t", {"id": "integer"}, key = ["id"])
    http.post("https://api.example.com/orders", json = item)
    db.insert("t", [item])
`, `
def test_it(t):
    t.http.on("POST", "https://api.example.com/orders", status = 201)
    t.run({"id": 1})
    t.eq(len(t.http.calls), 1)
    t.run({"id": 2})
    t.state.set("later", 1)
    t.file("later.txt", "x")
`)["it"]
	told := text(r)
	for _, want := range []string{"killed after http.post in consume (", `+POST https://api.example.com/orders {"id":1}`} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told:\n%s", want, told)
		}
	}
	for _, never := range []string{"table t", "state:", "file later.txt", `{"id":2}`, "jobs:"} {
		if strings.Contains(told, never) {
			t.Errorf("%q comes only later:\n%s", never, told)
		}
	}
}

// TestAFileThatIsMovedTwiceIsFoundAfterACrash has a file read between two moves. What is
// noted of moves is no difference.
func TestAFileThatIsMovedTwiceIsFoundAfterACrash(t *testing.T) {
	by := crashed(t, `
job(needs = ["files:in/*", "files:work/*", "files:done/*"])

def consume(ctx, item):
    p = files.move("in/a.csv", "work/")
    rows = list(csv.read(p))
    db.ensure("t", {"path": "text", "dst": "text", "n": "integer"})
    dst = files.move(p, "done/", exists = "error")
    db.insert("t", [{"path": p, "dst": dst, "n": len(rows)}])
`, `
def test_it(t):
    t.file("in/a.csv", "id\n1\n")
    t.run()
    t.eq([(r["n"], r["dst"]) for r in t.table("t")], [(1, "done/a.csv")])

def test_where_it_was(t):
    t.file("in/a.csv", "id\n1\n")
    t.run()
    t.eq([r["path"] for r in t.table("t")], ["work/a.csv"])
`)
	if r := by["it"]; r.Status != Passed || r.Crashes < 4 {
		t.Errorf("%d crashes:\n%s", r.Crashes, text(r))
	}
	told := text(by["where_it_was"])
	if !strings.Contains(told, "table t:") || strings.Contains(told, "dsengine-tmp") {
		t.Errorf("it is told as\n%s", told)
	}
}

// TestAPlaceIsToldOnce has a loop in which each pass fails when it is killed.
func TestAPlaceIsToldOnce(t *testing.T) {
	r := crashed(t, `
job()

def consume(ctx, item):
    db.ensure("t", {"id": "integer"})
    for n in range(6):
        db.insert("t", [{"id": n}])
        ctx.checkpoint()
`, `
def test_it(t):
    t.run()
    t.eq(len(t.table("t")), 6)
`)["it"]
	told := text(r)
	if n := strings.Count(told, "when the process is killed"); r.Status != Failed || n != len(r.Failures) || n > 2 {
		t.Errorf("it is told %d times:\n%s", n, told)
	}
	if !strings.Contains(told, " more there:") || !strings.Contains(told, "x.star:8)") {
		t.Errorf("it is not told how often:\n%s", told)
	}
}

// TestWhatFailsHasItsLine has tests that fail in other ways than by an assertion:
// the line is that of the statement, and never that of the def.
func TestWhatFailsHasItsLine(t *testing.T) {
	const script = `
job(needs = ["secret:tok", "http:api.example.com"])

def consume(ctx, item):
    if item == "secret":
        catch(secrets.get, "tok")
    elif item == "http":
        catch(http.get, "https://api.example.com/x", retry = 0)
    elif item == "loop":
        for _ in range(1000000000):
            pass
`
	tests := map[string]string{
		"secret": "x = 1\n    t.run(\"secret\")\n    t.eq(x, 1)",
		"http":   "x = 1\n    t.run(\"http\")\n    t.eq(x, 1)",
		"hook":   "x = 1\n    t.run(\"loop\")\n    t.eq(x, 1)",
		"own":    "x = 1\n    for _ in range(1000000000):\n        pass\n    t.eq(x, 1)",
		"case":   "x = 1\n    t.case(\"a\", lambda: {}[x])\n    t.eq(x, 1)",
		"usage":  "x = 1\n    t.http.on(\"GET\", \"nowhere\")\n    t.eq(x, 1)",
		"helper": "x = 1\n    broken(x)\n    t.eq(x, 1)",
	}
	var source strings.Builder
	source.WriteString("load(\"lib/h.star\", \"broken\")\n")
	for _, name := range []string{"secret", "http", "hook", "own", "case", "usage", "helper"} {
		fmt.Fprintf(&source, "\ndef test_%s(t):\n    %s\n", name, tests[name])
	}
	dir := folder(t, map[string]string{"x.star": script, "x_test.star": source.String(), "lib/h.star": "def broken(x):\n    return {}[x]\n"})
	s := suite(t, Options{Jobs: dir, Timeout: 2 * time.Second})
	defer s.Close()
	for _, r := range s.Run(t.Context()) {
		if r.Status != Failed {
			t.Errorf("%s has not failed", r.Name)
			continue
		}
		for _, f := range r.Failures {
			if f.File != r.File || f.Line != r.Line+2 && !(r.Name == "own" && f.Line == r.Line+3) {
				t.Errorf("%s, of line %d, fails at %s:%d: %s", r.Name, r.Line, f.File, f.Line, f.Message)
			}
		}
	}
}

// TestPointsThatDoNotComeAgainAreTold has a test run with more points than it comes
// to: nothing is shown of the others.
func TestPointsThatDoNotComeAgainAreTold(t *testing.T) {
	dir := folder(t, map[string]string{"x.star": "job()\n\ndef consume(ctx, item):\n    db.ensure(\"t\", {\"id\": \"integer\"})\n", "x_test.star": "def test_it(t):\n    t.run()\n"})
	s := suite(t, Options{Jobs: dir, Crash: true})
	defer s.Close()
	w := worker{suite: s}
	defer w.close(t.Context())
	k := &crash{}
	r := w.live(t.Context(), s.tests[0], k)
	came := k.seen
	k.seen += 3
	w.crashes(t.Context(), s.tests[0], r, k)
	if r.Status != Passed || r.Crashes != came || r.Points != came+3 || r.Missed != 3 {
		t.Errorf("%s with %d crashes, %d points, %d missed; %d came", r.Status, r.Crashes, r.Points, r.Missed, came)
	}
	want := fmt.Sprintf("x_test.star: it with crashes at %d of %d points", came, came+3)
	missed := fmt.Sprintf("3 of %d points of a crash did not come again, so nothing is shown of a crash there", came+3)
	if told := text(r); !strings.Contains(told, want) || !strings.Contains(told, missed) {
		t.Errorf("it is told as %s", told)
	}
	if line := summarize(&Summary{Tests: []*Result{r}}).Line(); !strings.Contains(line, fmt.Sprintf("1 passed, with crashes at %d of %d points, 3 of", came, came+3)) {
		t.Errorf("the summary is %s", line)
	}
}

// TestATestThatMissesAllPointsFails runs with points where there are none.
func TestATestThatMissesAllPointsFails(t *testing.T) {
	dir := folder(t, map[string]string{"x.star": "job()\n\ndef consume(ctx, item):\n    pass\n", "x_test.star": "def test_it(t):\n    pass\n"})
	s := suite(t, Options{Jobs: dir, Crash: true})
	defer s.Close()
	w := worker{suite: s}
	defer w.close(t.Context())
	k := &crash{}
	r := w.live(t.Context(), s.tests[0], k)
	k.seen = 2
	w.crashes(t.Context(), s.tests[0], r, k)
	if r.Status != Failed || r.Crashes != 0 || r.Missed != 2 || !strings.Contains(text(r), "no crash was tried: none of the 2 points came again") {
		t.Errorf("%s with %d crashes, %d missed: %s", r.Status, r.Crashes, r.Missed, text(r))
	}
}

// TestALeakFailsTheTest has a hook leave an iterator open in its first attempt only.
func TestALeakFailsTheTest(t *testing.T) {
	dir := folder(t, map[string]string{
		"x.star": `
job(needs = ["files:*.txt"], retry = retry(max = 3))

def consume(ctx, item):
    if ctx.attempt == 1:
        lines = files.lines("a.txt")
    return 1
`, "x_test.star": `
def test_star(t):
    t.file("a.txt", "a\n")
    t.run()
`,
		"y.lua": `
job{needs = {"files:*.txt"}, retry = retry{max = 3}}

function consume(ctx, item)
  if ctx.attempt == 1 then
    local lines = files.lines("a.txt")
  end
  return 1
end
`, "y_test.lua": `
function test_lua(t)
  t.file("a.txt", "a\n")
  t.run()
end
`})
	s := suite(t, Options{Jobs: dir})
	defer s.Close()
	for _, r := range s.Run(t.Context()) {
		if r.Status != Failed || len(r.Failures) != 1 {
			t.Errorf("%s: %s", r.Name, text(r))
			continue
		}
		f := r.Failures[0]
		if !strings.Contains(f.Message, "files.lines at ") || !strings.Contains(f.Message, "was opened and never read to its end") ||
			!strings.HasSuffix(f.File, map[string]string{"star": "x.star", "lua": "y.lua"}[r.Name]) || f.Line != 6 {
			t.Errorf("%s: %s:%d: %s", r.Name, f.File, f.Line, f.Message)
		}
	}
}

// TestSetUpMakesTables has a test make tables in all ways in which that is written.
func TestSetUpMakesTables(t *testing.T) {
	dir := folder(t, map[string]string{"x.star": "job()\n\ndef consume(ctx, item):\n    pass\n", "x_test.star": `
def test_it(t):
    for db in [t.db, t.connection("crm")]:
        db.exec("/* why */ CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER)")
        db.exec("-- why\ncreate\ttable b (id INTEGER PRIMARY KEY);")
        db.exec("CREATE\nTABLE c AS WITH x AS (SELECT 1 AS id) SELECT id FROM x")
        db.exec("WITH x AS (SELECT 1 AS n) INSERT INTO a SELECT n, n FROM x")
        db.exec("(/* in brackets */ ALTER TABLE a ADD v INTEGER)".strip("()"))
        db.exec("CREATE TRIGGER w AFTER INSERT ON a BEGIN INSERT INTO b VALUES (NEW.id); DELETE FROM c; END")
        db.exec("INSERT INTO a (id, n) VALUES (2, 2)")
        t.eq([db.value("SELECT COUNT(*) FROM a"), db.value("SELECT COUNT(*) FROM b"), db.value("SELECT COUNT(*) FROM c")], [2, 1, 0])
        t.fails(lambda: db.exec("CREATE TABLE d (id INTEGER); DELETE FROM a"), "one statement at a time")
        t.fails(lambda: db.exec("DELETE FROM a; CREATE TABLE d (id INTEGER)"), "one statement at a time")
        t.fails(lambda: db.exec("/**/ DROP TABLE ds_jobs"), "belongs to the engine")
        t.eq(db.value("SELECT COUNT(*) FROM a"), 2)
        t.fails(lambda: db.value("SELECT COUNT(*) FROM d"), "no such table")
        db.exec("-- it goes\nDROP TABLE a")
`})
	s := suite(t, Options{Jobs: dir})
	defer s.Close()
	if r := s.Run(t.Context())[0]; r.Status != Passed {
		t.Error(text(r))
	}
}

func TestOfManyPointsSomeAreTried(t *testing.T) {
	for _, c := range []struct{ points, each, want int }{ // each crash takes so many runs
		{0, 1, 0}, {1, 1, 1}, {300, 1, 300}, {1000, 1, 100}, {5760, 1, 17}, {1_000_000, 1, 10},
		{1, 3, 1}, {100, 3, 100}, {300, 3, 111}, {1000, 3, 33}, {1_000_000, 3, 3},
	} {
		s := &kills{room: room(c.points)}
		for point := 1.0; point <= float64(c.points); point = s.next(point, c.points) {
			s.tried++
			s.lives += c.each
		}
		if s.tried != c.want {
			t.Errorf("of %d points %d are tried, want %d where each takes %d runs", c.points, s.tried, c.want, c.each)
		}
	}
	dir := folder(t, map[string]string{"x.star": "job()\n\ndef consume(ctx, item):\n    ctx.checkpoint()\n", "x_test.star": "def test_it(t):\n    t.run()\n"})
	var told []int
	s := suite(t, Options{Jobs: dir, Crash: true})
	s.Crashing = func(r *Result, done, tries int) { told = append(told, done, tries) }
	defer s.Close()
	if r, want := s.Run(t.Context())[0], []int{0, 4, 1, 4, 2, 4, 3, 4, 4, 4}; !slices.Equal(told, want) || r.Crashes != 4 || r.LeftOut != 0 {
		t.Errorf("told is %v of %d crashes, want %v of 4; %d left out", told, r.Crashes, want, r.LeftOut)
	}
}

// TestEveryPointIsTriedIfThatIsAskedFor has a test run with more points than are tried.
func TestEveryPointIsTriedIfThatIsAskedFor(t *testing.T) {
	dir := folder(t, map[string]string{"x.star": "job()\n\ndef consume(ctx, item):\n    pass\n", "x_test.star": "def test_it(t):\n    t.run()\n"})
	for every, want := range map[bool]string{
		false: "1 passed, with crashes at 2 of 330 points, 27 points left out (--crash=all leaves out none), 301 of 330 points",
		true:  "1 passed, with crashes at 2 of 330 points, 328 of 330 points",
	} {
		s := suite(t, Options{Jobs: dir, Crash: true, Every: every})
		w := worker{suite: s}
		k := &crash{}
		r := w.live(t.Context(), s.tests[0], k)
		k.seen = 330
		w.crashes(t.Context(), s.tests[0], r, k)
		if line := summarize(&Summary{Tests: []*Result{r}}).Line(); !strings.HasPrefix(line, want) {
			t.Errorf("%s, want %s", line, want)
		}
		if err := w.close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
