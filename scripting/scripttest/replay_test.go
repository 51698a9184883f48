package scripttest

import (
	"strings"
	"testing"
)

// sound has scripts, each with a test that passes with each crash.
var sound = map[string]struct{ ending, script, test string }{
	"a request whose rows are written in batches": {".star", `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("t", {"id": "integer"}, key = ["id"])
    for rows in ctx.batches(http.get("https://api.example.com/x").json(), 1):
        db.upsert("t", rows, key = ["id"])
`, `
def test_it(t):
    t.http.on("GET", "https://api.example.com/x", json = [{"id": 1}, {"id": 2}], times = 1)
    t.http.on("GET", "https://api.example.com/x", json = [{"id": 2}, {"id": 3}], times = 1)
    t.run()
    t.run()
    t.eq([r["id"] for r in t.table("t")], [1, 2, 3])
    t.eq(len(t.http.calls), 2)
`},
	"a request before pages that checkpoint": {".lua", `
job({needs = {"http:api.example.com"}})
function consume(ctx, item)
  db.ensure("t", {id = "integer"}, {key = {"id"}})
  local types = http.get("https://api.example.com/types").json()
  for p = ctx.position or 1, 2 do
    db.upsert("t", http.get("https://api.example.com/x", {params = {p = p}}).json(), {key = {"id"}})
    ctx.checkpoint(p + 1)
  end
end
`, `
function test_it(t)
  t.http.on("GET", "https://api.example.com/types", {json = {"a"}, times = 1})
  t.http.on("GET", "https://api.example.com/x", {params = {p = 1}, json = {{id = 1}}, times = 1})
  t.http.on("GET", "https://api.example.com/x", {params = {p = 2}, json = {{id = 2}}, times = 1})
  t.run()
  t.eq(#t.table("t"), 2)
end
`},
	"parts that a header tells apart": {".star", `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("t", {"part": "text"})
    for n in range(ctx.position or 0, 3):
        db.insert("t", [{"part": http.get("https://api.example.com/x", headers = {"Range": "bytes=%d-%d" % (n, n)}).text()}])
        ctx.checkpoint(n + 1)
`, `
def test_it(t):
    for part in ["a", "b", "c"]:
        t.http.on("GET", "https://api.example.com/x", body = part, status = 206, times = 1)
    t.run()
    t.eq([r["part"] for r in t.table("t")], ["a", "b", "c"])
`},
	"pages of GraphQL": {".star", `
job(needs = ["http:api.example.com"])

Q = "query($after: String) { orders(after: $after) { nodes { id } next } }"

def consume(ctx, item):
    db.ensure("t", {"id": "integer"}, key = ["id"])
    after = ctx.position
    for _ in range(10):
        page = http.post("https://api.example.com/graphql", json = {"query": Q, "variables": {"after": after}}).json()["data"]["orders"]
        db.upsert("t", page["nodes"], key = ["id"])
        after = page["next"]
        if not after:
            break
        ctx.checkpoint(after)
`, `
def test_it(t):
    t.http.on("POST", "https://api.example.com/graphql", json = {"data": {"orders": {"nodes": [{"id": 1}, {"id": 2}], "next": "c2"}}}, times = 1)
    t.http.on("POST", "https://api.example.com/graphql", json = {"data": {"orders": {"nodes": [{"id": 3}], "next": None}}}, times = 1)
    t.run()
    t.eq([r["id"] for r in t.table("t")], [1, 2, 3])
    t.eq(len(t.http.calls), 2)
`},
	"a token that hooks share": {".star", `
job(needs = ["http:api.example.com", "http:login.example.com"])

def ask():
    auth = http.oauth2("https://login.example.com/token", "me", "clientsecret1")
    return http.get("https://api.example.com/x", auth = auth).json()

def produce(ctx):
    for row in ask():
        ctx.emit(row)

def consume(ctx, item):
    db.ensure("t", {"id": "integer"}, key = ["id"])
    for rows in ctx.batches(ask(), 1):
        db.upsert("t", rows, key = ["id"])

def finish(ctx, summary):
    ask()
`, `
def test_it(t):
    t.http.on("POST", "https://login.example.com/token", json = {"access_token": "tok-123456789", "expires_in": 3600, "token_type": "Bearer"}, times = 1)
    t.http.on("GET", "https://api.example.com/x", json = [{"id": 1}, {"id": 2}])
    t.run()
    t.eq([r["id"] for r in t.table("t")], [1, 2])
    t.eq([c.method for c in t.http.calls], ["POST", "GET", "GET", "GET", "GET"])
`},
	"a key that the receiver knows": {".star", `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("t", {"id": "integer", "ref": "text"}, key = ["id"])
    r = http.post("https://api.example.com/pay", json = {"id": item["id"]}, headers = {"Idempotency-Key": "pay-%d" % item["id"]}).json()
    db.upsert("t", [{"id": item["id"], "ref": r["ref"]}], key = ["id"])
    http.put("https://api.example.com/state", json = {"paid": item["id"]})
    ctx.checkpoint()
    http.delete("https://api.example.com/cart")
`, `
def test_it(t):
    t.http.on("POST", "https://api.example.com/pay", json = {"ref": "r1"}, times = 1)
    t.http.on("PUT", "https://api.example.com/state", times = 1)
    t.http.on("DELETE", "https://api.example.com/cart", times = 1)
    t.run({"id": 1})
    t.eq(t.table("t"), [{"id": 1, "ref": "r1"}])
    t.eq([c.method for c in t.http.calls], ["POST", "PUT", "DELETE"])
`},
}

// TestWhatIsAskedAgainCountsOnce has scripts that ask again, after a crash, what they had
// asked before a checkpoint, or what does no more when it is said again.
func TestWhatIsAskedAgainCountsOnce(t *testing.T) {
	t.Parallel()
	for name, c := range sound {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"x" + c.ending: c.script, "x_test" + c.ending: c.test})
			r := suite(t, Options{Jobs: dir, Crash: true}).Run(t.Context())[0]
			if r.Status != Passed || r.Crashes < 4 || len(r.Differs) > 0 {
				t.Errorf("%d crashes:\n%s", r.Crashes, text(r))
			}
		})
	}
}

// TestAKeyThatIsAnotherIsAnotherRequest has a key that another attempt makes otherwise.
func TestAKeyThatIsAnotherIsAnotherRequest(t *testing.T) {
	t.Parallel()
	r := crashed(t, `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    http.post("https://api.example.com/pay", json = item, headers = {"Idempotency-Key": str(uuid.v4())})
`, `
def test_it(t):
    t.http.on("POST", "https://api.example.com/pay")
    t.run({"id": 1})
    t.eq(len(t.http.calls), 1)
`)["it"]
	if told := text(r); r.Status != Failed || !strings.Contains(told, "got:    2") {
		t.Errorf("it is told as %s", told)
	}
}

// TestStubsFitByTheBody has stubs that are told apart by what requests have in them, by
// hosts in other words, and requests that none fits: they are made once.
func TestStubsFitByTheBody(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"x.star": `
job(needs = ["http:api.example.com", "http:plain.example.com"])

def consume(ctx, item):
    return http.post(item["url"], json = item["json"]).text()
`, "x_test.star": `
URL = "https://api.example.com/graphql"

def got(t, body, url = URL):
    return t.run({"url": url, "json": body}).result

def test_json(t):
    t.http.on("POST", URL, match = {"variables": {"page": 2}}, body = "two")
    t.http.on("POST", URL, match = {"variables": {"page": None}}, body = "first")
    t.http.on("POST", URL, match = {"id": 7}, body = "seven")
    t.http.on("POST", URL, match = "\"mutation", body = "text")
    t.eq(got(t, {"query": "q", "variables": {"page": 2}}), "two")
    t.eq(got(t, {"query": "q", "variables": {"page": None}}), "first")
    t.eq(got(t, [{"id": 6}, {"id": 7, "n": 1}]), "seven")
    t.eq(got(t, {"query": "mutation {}"}), "text")

def test_host(t):
    t.http.on("post", "https://API.example.com:443/x", body = "a")
    t.http.on("post", "http://plain.example.com/x", body = "b")
    t.eq(got(t, 1, "https://api.example.com/x"), "a")
    t.eq(got(t, 1, "https://api.example.com:443/x"), "a")
    t.eq(got(t, 1, "http://plain.example.com:80/x"), "b")

def test_none(t):
    t.http.on("POST", URL, match = {"page": 2})
    t.run({"url": URL, "json": {"page": 1}})

def test_port(t):
    t.http.on("POST", "https://api.example.com:80/x")
    t.run({"url": "https://api.example.com/x", "json": 1}, expect = "failed")
`})
	by := map[string]*Result{}
	for _, r := range suite(t, Options{Jobs: dir}).Run(t.Context()) {
		by[r.Name] = r
	}
	for _, name := range []string{"json", "host"} {
		if by[name].Status != Passed {
			t.Errorf("%s", text(by[name]))
		}
	}
	told := text(by["none"])
	if !strings.Contains(told, `POST https://api.example.com/graphql that has {"page":2}`) || !strings.Contains(told, "attempt=1 of 5 next=none") || strings.Contains(told, "attempt=2") {
		t.Errorf("it is told as %s", told)
	}
	if by["port"].Status != Failed {
		t.Errorf("%s", text(by["port"]))
	}
}

// TestNumbersOfRowsMayHaveGaps has tables whose rows the database numbers: a server does
// not give numbers again that were rolled back.
func TestNumbersOfRowsMayHaveGaps(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, use func(*Suite)) {
		number := "AUTO_INCREMENT"
		if strings.HasSuffix(t.Name(), "sqlite") {
			number = "AUTOINCREMENT"
		}
		s := suite(t, Options{Crash: true, Jobs: folder(t, map[string]string{"x.star": `
job(needs = ["db:shop:write"])

def consume(ctx, item):
    if not ctx.position:
        db.insert("lg", [{"msg": "a"}])
        ctx.checkpoint(1)
    db.insert("lg", [{"msg": "b"}])
    if item == "twice":
        db.connect("shop").insert("lg", [{"msg": "b"}])
`, "x_test.star": `
def test_right(t):
    t.db.exec("CREATE TABLE lg (id INTEGER PRIMARY KEY ` + number + `, msg VARCHAR(20))")
    t.run("right")

def test_twice(t):
    for d in [t.db, t.connection("shop")]:
        d.exec("CREATE TABLE lg (id INTEGER PRIMARY KEY ` + number + `, msg VARCHAR(20))")
    t.run("twice")
`})})
		use(s)
		defer s.Close()
		for _, r := range s.Run(t.Context()) {
			told := text(r)
			switch {
			case r.Name == "right" && (r.Status != Passed || len(r.Differs) > 0), r.Name == "twice" && !strings.Contains(told, "table shop.lg:"):
				t.Errorf("it is told as %s", told)
			}
		}
	})
}
