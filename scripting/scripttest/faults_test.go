package scripttest

import "testing"

// TestImportersWithFaultsAreCaught has importers with the usual faults, and the
// tests that one would write for them: some fail at once, the others when the
// process is killed. Mended, they pass.
func TestImportersWithFaultsAreCaught(t *testing.T) {
	for _, c := range []struct {
		name, faulty, mended, test string
		crash                      bool // only a crash shows it
	}{
		{
			name: "not idempotent", crash: true,
			faulty: `
job(needs = ["files:in/*.csv"])

def consume(ctx, item):
    db.ensure("sales", {"id": "integer", "sum": "integer"})
    rows = list(csv.read("in/sales.csv"))
    for i in range(0, len(rows), 2):
        db.insert("sales", [{"id": int(r["id"]), "sum": int(r["sum"])} for r in rows[i:i + 2]])
        ctx.checkpoint()  # and begins anew after a crash
`,
			mended: `
job(needs = ["files:in/*.csv"])

def consume(ctx, item):
    db.ensure("sales", {"id": "integer", "sum": "integer"})
    for rows in ctx.batches(csv.read("in/sales.csv"), 2):
        db.insert("sales", [{"id": int(r["id"]), "sum": int(r["sum"])} for r in rows])
`,
			test: `
def test_sum(t):
    t.file("in/sales.csv", "id,sum\n1,10\n2,20\n3,30\n")
    t.run()
    t.eq(t.db.value("SELECT SUM(sum) FROM sales"), 60)
`,
		},
		{
			name: "lost cursor", crash: true,
			faulty: `
job(needs = ["http:api.example.com", "files:cursor.txt"])

def consume(ctx, item):
    db.ensure("events", {"id": "integer"})
    since = files.read("cursor.txt") if files.exists("cursor.txt") else "0"
    page = http.get("https://api.example.com/events", params = {"since": since}).json()
    files.write("cursor.txt", str(page["next"]))  # before the rows are committed
    db.insert("events", [{"id": n} for n in page["ids"]])
`,
			mended: `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("events", {"id": "integer"})
    since = state.get("since", "0")
    page = http.get("https://api.example.com/events", params = {"since": since}).json()
    state.set("since", str(page["next"]))
    db.insert("events", [{"id": n} for n in page["ids"]])
`,
			test: `
def test_two_runs(t):
    t.http.on("GET", "https://api.example.com/events", params = {"since": "0"}, json = {"ids": [1, 2], "next": 2})
    t.http.on("GET", "https://api.example.com/events", params = {"since": "2"}, json = {"ids": [3], "next": 3})
    t.run()
    t.run()
    t.eq([r["id"] for r in t.table("events")], [1, 2, 3])
`,
		},
		{
			name: "double emit", crash: true,
			faulty: `
job(needs = ["http:api.example.com"])

def produce(ctx):
    for page in ["a", "b", "c"]:
        ctx.emit(http.get("https://api.example.com/" + page).json())
        ctx.checkpoint()

def consume(ctx, item):
    db.ensure("pages", {"name": "text"})
    db.insert("pages", [item])
`,
			mended: `
job(needs = ["http:api.example.com"])

def produce(ctx):
    pages = ["a", "b", "c"]
    for i in range(ctx.position or 0, len(pages)):
        ctx.emit(http.get("https://api.example.com/" + pages[i]).json())
        ctx.checkpoint(i + 1)

def consume(ctx, item):
    db.ensure("pages", {"name": "text"})
    db.insert("pages", [item])
`,
			test: `
def test_each_page_once(t):
    for page in ["a", "b", "c"]:
        t.http.on("GET", "https://api.example.com/" + page, json = {"name": page})
    r = t.run()
    t.eq(r.children["completed"], 3)
    t.eq(t.table("pages"), [{"name": "a"}, {"name": "b"}, {"name": "c"}])
`,
		},
		{
			name: "swallowed error",
			faulty: `
job(needs = ["http:api.example.com"], retry = retry(max = 1))

def consume(ctx, item):
    r, err = catch(http.get, "https://api.example.com/items")
    return len(r.json()) if r else 0
`,
			mended: `
job(needs = ["http:api.example.com"], retry = retry(max = 1))

def consume(ctx, item):
    return len(http.get("https://api.example.com/items").json())
`,
			test: `
def test_a_feed_that_is_down(t):
    t.http.on("GET", "https://api.example.com/items", status = 404)
    t.run(expect = "failed")
`,
		},
		{
			name: "wrong retry",
			faulty: `
job(retry = retry(max = 5, first = "1m"))

def consume(ctx, item):
    if item["amount"] < 0:
        error("the amount is negative")

def fail(ctx, item, err):
    if err.attempt < 4:
        ctx.retry("1m")
`,
			mended: `
job(retry = retry(max = 5, first = "1m"))

def consume(ctx, item):
    if item["amount"] < 0:
        error("the amount is negative", code = "bad")

def fail(ctx, item, err):
    if err.code == "bad":
        ctx.fail("the row will not get better")
`,
			test: `
def test_a_bad_row_is_given_up_at_once(t):
    r = t.run({"amount": -1}, expect = "failed")
    t.eq(r.attempts, 1)
    t.eq(t.clock.now(), time.parse("2020-01-01T00:00:00Z"))
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			passes := func(script string, crash bool) bool {
				dir := folder(t, map[string]string{"x.star": script, "x_test.star": c.test})
				s := suite(t, Options{Jobs: dir, Crash: crash})
				defer s.Close()
				results := s.Run(t.Context())
				if len(results) != 1 {
					t.Fatalf("there are %d results", len(results))
				}
				t.Log(text(results[0]))
				return results[0].Status == Passed
			}
			if !passes(c.mended, false) || !passes(c.mended, true) {
				t.Error("the mended importer does not pass")
			}
			if got := passes(c.faulty, false); got != c.crash {
				t.Errorf("without a crash the faulty one passes: %v", got)
			}
			if passes(c.faulty, true) {
				t.Error("the faulty one passes with crashes")
			}
		})
	}
}
