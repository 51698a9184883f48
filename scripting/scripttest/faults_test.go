package scripttest

import (
	"strings"
	"testing"
)

// importer is one with a fault that is usual, how it is mended, and the tests that one
// would write for it.
type importer struct{ faulty, mended, test string }

// faults are such importers in both languages: some fail at once, the others only when
// the process is killed.
var faults = []struct {
	name  string
	crash bool     // only a crash shows it
	told  []string // of the faulty one; $ is the script
	star  importer
	lua   importer
}{
	{
		name: "not idempotent", crash: true,
		told: []string{"killed after a checkpoint in consume ($:", "t.eq(t.db.value(", "wanted: 60", "table sales:", `+{"id": 1, "sum": 10}`},
		star: importer{`
job(needs = ["files:in/*.csv"])

def consume(ctx, item):
    db.ensure("sales", {"id": "integer", "sum": "integer"})
    rows = list(csv.read("in/sales.csv"))
    for i in range(0, len(rows), 2):
        db.insert("sales", [{"id": int(r["id"]), "sum": int(r["sum"])} for r in rows[i:i + 2]])
        ctx.checkpoint()  # and begins anew after a crash
`, `
job(needs = ["files:in/*.csv"])

def consume(ctx, item):
    db.ensure("sales", {"id": "integer", "sum": "integer"})
    for rows in ctx.batches(csv.read("in/sales.csv"), 2):
        db.insert("sales", [{"id": int(r["id"]), "sum": int(r["sum"])} for r in rows])
`, `
def test_sum(t):
    t.file("in/sales.csv", "id,sum\n1,10\n2,20\n3,30\n")
    t.run()
    t.eq(t.db.value("SELECT SUM(sum) FROM sales"), 60)
`},
		lua: importer{`
job{needs = {"files:in/*.csv"}}

function consume(ctx, item)
  db.ensure("sales", {id = "integer", sum = "integer"})
  local rows = {}
  for r in csv.read("in/sales.csv") do
    table.insert(rows, {id = tonumber(r.id), sum = tonumber(r.sum)})
  end
  for i = 1, #rows, 2 do
    db.insert("sales", {rows[i], rows[i + 1]})
    ctx.checkpoint()  -- and begins anew after a crash
  end
end
`, `
job{needs = {"files:in/*.csv"}}

function consume(ctx, item)
  db.ensure("sales", {id = "integer", sum = "integer"})
  for rows in ctx.batches(csv.read("in/sales.csv"), 2) do
    db.insert("sales", iter.map(function(r) return {id = tonumber(r.id), sum = tonumber(r.sum)} end, rows))
  end
end
`, `
function test_sum(t)
  t.file("in/sales.csv", "id,sum\n1,10\n2,20\n3,30\n")
  t.run()
  t.eq(t.db.value("SELECT SUM(sum) FROM sales"), 60)
end
`},
	},
	{
		name: "lost cursor", crash: true,
		told: []string{"killed after files.write in consume ($:8)", "table events:", `-{"id": 1}`},
		star: importer{`
job(needs = ["http:api.example.com", "files:cursor.txt"])

def consume(ctx, item):
    db.ensure("events", {"id": "integer"})
    since = files.read("cursor.txt") if files.exists("cursor.txt") else "0"
    page = http.get("https://api.example.com/events", params = {"since": since}).json()
    files.write("cursor.txt", str(page["next"]))  # before the rows are committed
    db.insert("events", [{"id": n} for n in page["ids"]])
`, `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("events", {"id": "integer"})
    since = state.get("since", "0")
    page = http.get("https://api.example.com/events", params = {"since": since}).json()
    state.set("since", str(page["next"]))
    db.insert("events", [{"id": n} for n in page["ids"]])
`, `
def test_two_runs(t):
    t.http.on("GET", "https://api.example.com/events", params = {"since": "0"}, json = {"ids": [1, 2], "next": 2})
    t.http.on("GET", "https://api.example.com/events", params = {"since": "2"}, json = {"ids": [3], "next": 3})
    t.run()
    t.run()
    t.eq([r["id"] for r in t.table("events")], [1, 2, 3])
`},
		lua: importer{`
job{needs = {"http:api.example.com", "files:cursor.txt"}}

function consume(ctx, item)
  db.ensure("events", {id = "integer"})
  local since = files.exists("cursor.txt") and files.read("cursor.txt") or "0"
  local page = http.get("https://api.example.com/events", {params = {since = since}}).json()
  files.write("cursor.txt", tostring(page.next))  -- before the rows are committed
  db.insert("events", iter.map(function(n) return {id = n} end, page.ids))
end
`, `
job{needs = {"http:api.example.com"}}

function consume(ctx, item)
  db.ensure("events", {id = "integer"})
  local since = state.get("since", "0")
  local page = http.get("https://api.example.com/events", {params = {since = since}}).json()
  state.set("since", tostring(page.next))
  db.insert("events", iter.map(function(n) return {id = n} end, page.ids))
end
`, `
function test_two_runs(t)
  t.http.on("GET", "https://api.example.com/events", {params = {since = "0"}, json = {ids = {1, 2}, next = 2}})
  t.http.on("GET", "https://api.example.com/events", {params = {since = "2"}, json = {ids = {3}, next = 3}})
  t.run()
  t.run()
  t.eq(t.table("events"), {{id = 1}, {id = 2}, {id = 3}})
end
`},
	},
	{
		name: "double emit", crash: true,
		told: []string{"killed after a checkpoint in produce ($:", "got:    4", "wanted: 3", `+{"name": "a"}`},
		star: importer{`
job(needs = ["http:api.example.com"])

def produce(ctx):
    for page in ["a", "b", "c"]:
        ctx.emit(http.get("https://api.example.com/" + page).json())
        ctx.checkpoint()

def consume(ctx, item):
    db.ensure("pages", {"name": "text"})
    db.insert("pages", [item])
`, `
job(needs = ["http:api.example.com"])

def produce(ctx):
    pages = ["a", "b", "c"]
    for i in range(ctx.position or 0, len(pages)):
        ctx.emit(http.get("https://api.example.com/" + pages[i]).json())
        ctx.checkpoint(i + 1)

def consume(ctx, item):
    db.ensure("pages", {"name": "text"})
    db.insert("pages", [item])
`, `
def test_each_page_once(t):
    for page in ["a", "b", "c"]:
        t.http.on("GET", "https://api.example.com/" + page, json = {"name": page})
    r = t.run()
    t.eq(r.children["completed"], 3)
    t.eq(t.table("pages"), [{"name": "a"}, {"name": "b"}, {"name": "c"}])
`},
		lua: importer{`
job{needs = {"http:api.example.com"}}

function produce(ctx)
  for _, page in ipairs({"a", "b", "c"}) do
    ctx.emit(http.get("https://api.example.com/" .. page).json())
    ctx.checkpoint()
  end
end

function consume(ctx, item)
  db.ensure("pages", {name = "text"})
  db.insert("pages", {item})
end
`, `
job{needs = {"http:api.example.com"}}

function produce(ctx)
  local pages = {"a", "b", "c"}
  for i = (ctx.position or 0) + 1, #pages do
    ctx.emit(http.get("https://api.example.com/" .. pages[i]).json())
    ctx.checkpoint(i)
  end
end

function consume(ctx, item)
  db.ensure("pages", {name = "text"})
  db.insert("pages", {item})
end
`, `
function test_each_page_once(t)
  for _, page in ipairs({"a", "b", "c"}) do
    t.http.on("GET", "https://api.example.com/" .. page, {json = {name = page}})
  end
  local r = t.run()
  t.eq(r.children.completed, 3)
  t.eq(t.table("pages"), {{name = "a"}, {name = "b"}, {name = "c"}})
end
`},
	},
	{
		name: "swallowed error",
		told: []string{"the job ended as completed, not failed"},
		star: importer{`
job(needs = ["http:api.example.com"], retry = retry(max = 1))

def consume(ctx, item):
    r, err = catch(http.get, "https://api.example.com/items")
    return len(r.json()) if r else 0
`, `
job(needs = ["http:api.example.com"], retry = retry(max = 1))

def consume(ctx, item):
    return len(http.get("https://api.example.com/items").json())
`, `
def test_a_feed_that_is_down(t):
    t.http.on("GET", "https://api.example.com/items", status = 404)
    t.run(expect = "failed")
`},
		lua: importer{`
job{needs = {"http:api.example.com"}, retry = retry{max = 1}}

function consume(ctx, item)
  local ok, r = pcall(http.get, "https://api.example.com/items")
  return ok and #r.json() or 0
end
`, `
job{needs = {"http:api.example.com"}, retry = retry{max = 1}}

function consume(ctx, item)
  return #http.get("https://api.example.com/items").json()
end
`, `
function test_a_feed_that_is_down(t)
  t.http.on("GET", "https://api.example.com/items", {status = 404})
  t.run(nil, {expect = "failed"})
end
`},
	},
	{
		name: "wrong retry",
		told: []string{"not equal", "wanted: 1"},
		star: importer{`
job(retry = retry(max = 5, first = "1m"))

def consume(ctx, item):
    if item["amount"] < 0:
        error("the amount is negative")

def fail(ctx, item, err):
    if err.attempt < 4:
        ctx.retry("1m")
`, `
job(retry = retry(max = 5, first = "1m"))

def consume(ctx, item):
    if item["amount"] < 0:
        error("the amount is negative", code = "bad")

def fail(ctx, item, err):
    if err.code == "bad":
        ctx.fail("the row will not get better")
`, `
def test_a_bad_row_is_given_up_at_once(t):
    r = t.run({"amount": -1}, expect = "failed")
    t.eq(r.attempts, 1)
    t.eq(t.clock.now(), time.parse("2020-01-01T00:00:00Z"))
`},
		lua: importer{`
job{retry = retry{max = 5, first = "1m"}}

function consume(ctx, item)
  if item.amount < 0 then error("the amount is negative") end
end

function fail(ctx, item, err)
  if err.attempt < 4 then ctx.retry("1m") end
end
`, `
job{retry = retry{max = 5, first = "1m"}}

function consume(ctx, item)
  if item.amount < 0 then error("the amount is negative", {code = "bad"}) end
end

function fail(ctx, item, err)
  if err.code == "bad" then ctx.fail("the row will not get better") end
end
`, `
function test_a_bad_row_is_given_up_at_once(t)
  local r = t.run({amount = -1}, {expect = "failed"})
  t.eq(r.attempts, 1)
  t.eq(t.clock.now(), time.parse("2020-01-01T00:00:00Z"))
end
`},
	},
}

// TestImportersWithFaultsAreCaught sees that each fault is told with its place and what is
// different, that three of the five are only by crashes, and that nothing is told of the
// importers once they are mended.
func TestImportersWithFaultsAreCaught(t *testing.T) {
	t.Parallel()
	onlyCrash := 0
	for _, c := range faults {
		if c.crash {
			onlyCrash++
		}
		for ending, i := range map[string]importer{".star": c.star, ".lua": c.lua} {
			t.Run(c.name+ending, func(t *testing.T) {
				t.Parallel()
				run := func(script string, crash bool) (*Result, string) {
					dir := folder(t, map[string]string{"x" + ending: script, "x_test" + ending: i.test})
					s := suite(t, Options{Jobs: dir, Crash: crash})
					defer s.Close()
					results := s.Run(t.Context())
					if len(results) != 1 {
						t.Fatalf("there are %d results", len(results))
					}
					return results[0], strings.ReplaceAll(text(results[0]), dir+"/", "")
				}
				for _, crash := range []bool{false, true} {
					if r, told := run(i.mended, crash); r.Status != Passed || len(r.Differs) > 0 || crash && r.Crashes < 2 {
						t.Errorf("the mended one, with crashes %v: %s", crash, told)
					}
					r, told := run(i.faulty, crash)
					if fails := crash || !c.crash; fails != (r.Status == Failed) {
						t.Errorf("the faulty one, with crashes %v: %s", crash, told)
					} else if !fails {
						continue
					}
					if f := r.Failures[0]; (f.Crash != nil) != c.crash || f.File == "" || f.Line == 0 || f.Text == "" {
						t.Errorf("it is told as %+v", f)
					}
					for _, want := range c.told {
						if want = strings.ReplaceAll(want, "$", "x"+ending); !strings.Contains(told, want) {
							t.Errorf("%q is not told:\n%s", want, told)
						}
					}
				}
			})
		}
	}
	if len(faults) != 5 || onlyCrash != 3 {
		t.Errorf("there are %d faults, %d of which only a crash shows", len(faults), onlyCrash)
	}
}
