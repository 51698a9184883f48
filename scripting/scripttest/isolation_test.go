package scripttest

import (
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// soiling is a script that leaves something wherever a hook can.
const soiling = `
job(needs = ["files:**", "secret:*", "db:crm:write", "http:api.example.com"], rejects = "all", retry = retry(max = 2, first = "1h"), every = "20d")

def consume(ctx, item):
    if type(item) == "dict" and item.get("leaf"):
        return None
    seen = {
        "id": ctx.id,
        "attempt": ctx.attempt,
        "now": ctx.now(),
        "files": [f.path for f in files.list("**")],
        "state": state.keys(),
        "vars": vars.keys(),
        "record": records.status("feed", 1, {"n": 1}),
        "linked": records.id("feed", 1),
        "window": ctx.window(time.parse("2019-01-01T00:00:00Z")).start,
        "new": ctx.emit({"leaf": True}, key = "leaf", unique = "forever"),
    }
    if type(item) != "dict":
        return seen
    db.ensure("people", {"id": "integer", "name": "text"}, key = ["id"])
    db.upsert("people", [{"id": 1, "name": "Ada"}], key = ["id"])
    db.connect("crm").insert("contacts", [{"id": 1}])
    records.mark("feed", 1, {"n": 1})
    records.link("feed", 1, 77)
    state.set("s", 1)
    vars.set("v", 2)
    reject({"id": 2}, "no name")
    http.get("https://api.example.com/x")
    log.info("a token", token = secrets.get("token"), attempt = ctx.attempt)
    ctx.enqueue("other", {"x": 1}, key = "k", unique = "forever")
    if "loop" in item:
        for i in range(1000000000):
            pass
    if "boom" in item:
        error("boom")
    return seen

def finish(ctx, summary):
    return len(list(summary.results))
`

// soilingTests are run in this order by one worker: each that soils its world is
// followed by one that looks whether it is new.
const soilingTests = `
def soil(t, **more):
    t.file("incoming/a.csv", "id\n1\n")
    t.secret("token", "open-sesame")
    t.connection("crm").exec("CREATE TABLE contacts (id INTEGER PRIMARY KEY)")
    t.http.on("GET", "https://api.example.com/x", body = "")
    t.db.exec("CREATE TABLE mine (id INTEGER PRIMARY KEY, v VARCHAR(10))")
    t.db.exec("CREATE INDEX mine_by_v ON mine (v)")
    t.db.exec("CREATE VIEW ours AS SELECT id FROM mine")
    t.db.insert("mine", [{"id": 1, "v": "a"}])
    t.clock.advance("1d")
    r = t.run(dict(soil = True, **more), expect = "any")
    t.clock.advance("40d")
    return r

def look(t):
    t.eq(t.clock.now(), time.parse("2020-01-01T00:00:00Z"))
    t.eq(t.logs(), [])
    t.eq(t.rejects(), [])
    t.eq(t.enqueued(), [])
    t.eq(t.http.calls, [])
    t.eq(t.state.keys() + t.vars.keys(), [])
    for table in ["people", "mine", "ours"]:
        t.fails(lambda: t.table(table))
    t.fails(lambda: t.connection("crm").value("SELECT count(*) FROM contacts"))
    seen = t.consume()
    t.eq(seen.result["id"], 1)
    t.eq(seen.result["attempt"], 1)
    t.eq(seen.result["now"], "2020-01-01T00:00:00Z")
    t.eq(seen.result["files"], [])
    t.eq(seen.result["state"], [])
    t.eq(seen.result["vars"], [])
    t.eq(seen.result["record"], "new")
    t.eq(seen.result["linked"], None)
    t.eq(seen.result["window"], "2019-01-01T00:00:00Z")
    t.eq(seen.result["new"], True)
    t.eq(len(seen.items), 1)

def test_soils(t):
    t.eq(soil(t).status, "completed")
    t.eq(t.table("people"), [{"id": 1, "name": "Ada"}])

def test_new_1(t):
    look(t)

def test_fails(t):
    soil(t, boom = True)
    t.eq(1, 2)

def test_new_2(t):
    look(t)

def test_fails_in_a_hook(t):
    t.secret("token", "open-sesame")
    t.connection("crm").exec("CREATE TABLE contacts (id INTEGER PRIMARY KEY)")
    t.http.on("GET", "https://api.example.com/x", body = "")
    t.run({"boom": True})

def test_new_3(t):
    look(t)

def test_asks_for_what_is_not_there(t):
    t.connection("crm").exec("CREATE TABLE contacts (id INTEGER PRIMARY KEY)")
    t.http.on("GET", "https://api.example.com/x", body = "")
    t.run({}, expect = "any")

def test_new_4(t):
    look(t)

def test_panics(t):
    t.state.set("s", 1)

def test_new_5(t):
    look(t)

def test_times_out(t):
    soil(t, loop = True)

def test_new_6(t):
    look(t)

def test_secrets_of_before_are_words(t):
    t.secret("token", "another-one")
    t.connection("crm").exec("CREATE TABLE contacts (id INTEGER PRIMARY KEY)")
    t.http.on("GET", "https://api.example.com/x", body = "")
    t.run({"say": "open-sesame"})
    t.eq([l["fields"]["attempt"] for l in t.logs()], [1])
    t.not_ok("another-one" in str(t.logs()))

def test_new_7(t):
    look(t)
`

// panicking is a script with a fault in the program itself.
type panicking struct{ Script }

func (panicking) Type(*hostlib.Host) *engine.Type { panic("no type") }

func TestATestSeesNothingOfTheOneBefore(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, use func(*Suite)) {
		t.Parallel()
		s := suite(t, Options{
			Jobs:     folder(t, map[string]string{"soiling.star": soiling, "soiling_test.star": soilingTests, "other.star": "def consume(ctx, item):\n    pass\n"}),
			Parallel: 1, Timeout: 10 * time.Second,
		})
		use(s)
		for _, one := range s.tests {
			if one.Name == "panics" {
				one.script = panicking{one.script}
			}
		}
		want := map[string]string{
			"fails": "not equal", "fails_in_a_hook": "boom", "asks_for_what_is_not_there": "has not set",
			"panics": "no type", "times_out": "longer than",
		}
		for _, r := range s.Run(t.Context()) {
			var told strings.Builder
			r.Text(&told)
			if text := want[r.Name]; (text != "") != (r.Status == Failed) || !strings.Contains(told.String(), text) {
				t.Errorf("it does not say %q: %s", text, &told)
			}
			delete(want, r.Name)
		}
		if len(want) > 0 {
			t.Errorf("they did not run: %v", want)
		}
		// Only the two that may go on have cost a ground; else nothing is proved.
		if s.grounds != 3 {
			t.Errorf("the tests had %d grounds, not 3", s.grounds)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// odd leaves what a database cannot be freed of, one way or the other.
const odd = `
def test_numbers(t):
    t.db.exec("CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    t.db.exec("CREATE TEMP TABLE passing (id INTEGER)")

def test_new(t):
    t.eq(list(t.db.query("SELECT name FROM sqlite_master")), [])
    t.eq(list(t.db.query("SELECT name FROM sqlite_temp_master")), [])
`

func TestWhatCannotBeTakenAwayCostsADatabase(t *testing.T) {
	t.Parallel()
	s := suite(t, Options{Jobs: folder(t, map[string]string{"people.star": people, "people_test.star": odd}), Parallel: 1})
	for _, r := range s.Run(t.Context()) {
		if r.Status != Passed {
			t.Errorf("%s: %s", r.Name, r.Failures[0].Message)
		}
	}
	if s.grounds != 2 {
		t.Errorf("the tests had %d grounds, not 2", s.grounds)
	}
}

// What a hook reads is as of its start, whatever it writes meanwhile: also where
// the embedded database of tests has one connection for both.
func TestWhatIsReadIsAsOfItsStart(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"x.star": `
def consume(ctx, item):
    seen = []
    for r in db.query("SELECT id FROM numbers ORDER BY id"):
        db.exec("DELETE FROM numbers WHERE id > 1")
        db.insert("numbers", [{"id": 100 + r["id"]}])
        seen.append(r["id"])
    value, err = catch(lambda: db.exec("DELETE FROM numbers") and error("no"))
    return {"seen": seen, "left": db.value("SELECT COUNT(*) FROM numbers"), "window": str(ctx.window(time.parse("2019-01-01")).start) if item else None}
`, "x_test.star": `
def test_it(t):
    t.db.ensure("numbers", {"id": "integer"}, key = ["id"])
    t.db.insert("numbers", [{"id": n} for n in range(3000)])
    r = t.consume().result
    t.eq(r["seen"], list(range(3000)))
    t.eq(r["left"], 3)
`})
	onEach(t, func(t *testing.T, use func(*Suite)) {
		s := suite(t, Options{Jobs: dir})
		defer s.Close()
		use(s)
		if r := s.Run(t.Context())[0]; r.Status != Passed {
			t.Error(text(r))
		}
	})
}

// TestARateGoesByTheTestsClock has requests that wait for each other: so long, and no
// longer, as the clock of the test tells.
func TestARateGoesByTheTestsClock(t *testing.T) {
	all := results(t, Options{Jobs: folder(t, map[string]string{"rate.star": `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    api = http.client("https://api.example.com", rate = "1/s")
    for _ in range(20):
        api.get("x")
`, "rate_test.star": `
def test_rate(t):
    t.http.on("GET", "https://api.example.com/x")
    began = t.clock.now()
    t.run()
    t.eq(t.clock.now() - began, time.duration("19s"))
    t.run()
    t.eq(t.clock.now() - began, time.duration("39s"))
`})})
	allAre(t, all, Passed)
}
