package scripttest

import (
	"strings"
	"testing"
)

// comesTo has hooks whose outcome outside of tables is another after a crash: as is
// what "sound" does, by right.
const comesTo = `
job(needs = ["files:*", "http:api.example.com", "db:crm:write"], rejects = "all")

def produce(ctx):
    if ctx.payload == "handed on":
        return again()
    ctx.emit(ctx.payload)

def again():
    known = files.exists("seen.txt")
    if not known:
        files.write("seen.txt", "it was")
    return "again" if known else "first"

def consume(ctx, item):
    rows = [{"id": n} for n in range(3)]
    if item == "result":
        total = 0
        for part in ctx.batches(rows, 2):
            total += len(part)
        return total
    elif item == "counts":
        ctx.count(again())
    elif item == "records":
        records.mark("crm", 7, {"n": again()})
        records.link("crm", 7, http.post("https://api.example.com/people", json = {}).json()["id"])
    elif item == "rejects":
        reject({"id": 1}, again())
    elif item == "elsewhere":
        crm = db.connect("crm")
        return {"of": crm.upsert("people", rows, key = ["id"]).inserted}
    elif item == "position":
        db.ensure("t", {"id": "integer"}, key = ["id"])
        files.write("rows.csv", "id\n0\n1\n2\n")
        for n, r in enumerate(csv.read("rows.csv")):
            if n >= (ctx.position or 0):
                db.insert("t", [{"id": int(r["id"])}])
                ctx.checkpoint(n + 1)
    elif item == "loop":
        db.ensure("t", {"id": "integer"}, key = ["id"])
        files.write("rows.csv", "id\n0\n1\n1x\n2\n")
        n = ctx.attempt
        for part in ctx.batches(csv.read("rows.csv"), 2):
            db.upsert("t", [{"id": int(r["id"])} if r["id"] != "1x" else reject(r, "no number") for r in part], key = ["id"])
            ctx.count("parts")
            records.mark("loop", part[0]["id"], part[0])
        return n
`

const comesToTests = `
def test_result(t):
    t.run("result")

def test_handed_on(t):
    t.run("handed on")

def test_handed_on_alone(t):
    t.produce("handed on")

def test_counts(t):
    t.run("counts")

def test_records(t):
    t.http.on("POST", "https://api.example.com/people", json = {"id": "p-1"}, times = 1)
    t.http.on("POST", "https://api.example.com/people", json = {"id": "p-2"}, times = 1)
    t.run("records")

def test_rejects(t):
    t.run("rejects")

def test_elsewhere(t):
    t.connection("crm").ensure("people", {"id": "integer"}, key = ["id"])
    t.run("elsewhere")

def test_position(t):
    t.run("position")

def test_loop(t):
    t.run("loop")
`

const comesToLua = `
job{needs = {"files:*", "http:api.example.com"}, rejects = "all"}

local function again()
  local known = files.exists("seen.txt")
  if not known then files.write("seen.txt", "it was") end
  return known and "again" or "first"
end

function produce(ctx)
  if ctx.payload == "handed on" then return again() end
  ctx.emit(ctx.payload)
end

function consume(ctx, item)
  if item == "result" then
    local total = 0
    for part in ctx.batches({{id = 0}, {id = 1}, {id = 2}}, 2) do total = total + #part end
    return total
  elseif item == "counts" then
    ctx.count(again())
  elseif item == "records" then
    records.mark("crm", 7, {n = again()})
    records.link("crm", 7, http.post("https://api.example.com/people", {json = {}}).json().id)
  elseif item == "rejects" then
    reject({id = 1}, again())
  end
end
`

const comesToLuaTests = `
function test_result(t) t.run("result") end

function test_handed_on(t) t.run("handed on") end

function test_handed_on_alone(t) t.produce("handed on") end

function test_counts(t) t.run("counts") end

function test_records(t)
  t.http.on("POST", "https://api.example.com/people", {json = {id = "p-1"}, times = 1})
  t.http.on("POST", "https://api.example.com/people", {json = {id = "p-2"}, times = 1})
  t.run("records")
end

function test_rejects(t) t.run("rejects") end
`

// TestWhatJobsComeToIsCompared also has hooks of which a crash changes what may be
// another: counts of what is read and written again, because another database has it, or
// because the script goes on from a position.
func TestWhatJobsComeToIsCompared(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"result":          {"results:", `-x consume "result": 3`, `+x consume "result": 1`},
		"handed_on":       {"results:", `-x produce "handed on": "first"`, `+x produce "handed on": "again"`},
		"handed_on_alone": {"results:", `+x produce "handed on": "again"`},
		"counts":          {"counts:", `-x "counts": first 1`, `+x "counts": again 1`},
		"records":         {"records:", `-crm: 7: content `, `"p-1"`, `+crm: 7: content `, `"p-2"`},
		"rejects":         {"rejects:", `-{"id":1}: first (open)`, `+{"id":1}: again (open)`},
		"elsewhere":       nil, "position": nil, "loop": nil,
	}
	for language, files := range map[string]map[string]string{
		"Starlark": {"x.star": comesTo, "x_test.star": comesToTests},
		"Lua":      {"x.lua": comesToLua, "x_test.lua": comesToLuaTests},
	} {
		for _, r := range suite(t, Options{Jobs: folder(t, files), Crash: true}).Run(t.Context()) {
			wants, known := want[r.Name]
			told := text(r)
			if !known || r.Status != Passed || r.Crashes < 3 || len(wants) == 0 && len(r.Differs) > 0 {
				t.Errorf("%s: %s", language, told)
			}
			for _, w := range wants {
				if !strings.Contains(told, w) {
					t.Errorf("%s: %s: %q is not told:\n%s", language, r.Name, w, told)
				}
			}
		}
	}
}

func TestWhatInstancesKeepIsCompared(t *testing.T) {
	t.Parallel()
	r := crashed(t, `
job(instances = {"acme": {}, "other": {}}, needs = ["files:*"])

def consume(ctx, item):
    known = files.exists("seen.txt")
    files.write("seen.txt", "it was")
    state.set("known", known)
    records.link("crm", 7, 1 if known else 2)
`, `
def test_it(t):
    t.run(instance = "acme")
    t.state.set("known", True, instance = "other")
`)["it"]
	for _, want := range []string{"state of acme:", "-known = false", "+known = true", "records:", "-crm of acme: 7: 2", "+crm of acme: 7: 1"} {
		if told := text(r); !strings.Contains(told, want) {
			t.Errorf("%q is not told:\n%s", want, told)
		}
	}
}

// TestAWebhookThatComesTwiceIsOne has webhooks that come again after a crash: with the id
// that they had, and with another one.
func TestAWebhookThatComesTwiceIsOne(t *testing.T) {
	t.Parallel()
	for language, files := range map[string]map[string]string{
		"Starlark": {"x.star": `
job(needs = ["http:api.example.com", "files:*"])

def consume(ctx, item):
    text = "still down" if files.exists("seen.txt") else "down"
    notify.webhook("https://api.example.com/hooks", {"feed": text}, key = uuid.v4() if item == "other" else "feed")
    files.write("seen.txt", "it was")
`, "x_test.star": `
def test_same(t):
    t.http.on("POST", "https://api.example.com/hooks")
    t.run("same")

def test_other(t):
    t.http.on("POST", "https://api.example.com/hooks")
    t.run("other")
`},
		"Lua": {"x.lua": `
job{needs = {"http:api.example.com", "files:*"}}

function consume(ctx, item)
  local text = files.exists("seen.txt") and "still down" or "down"
  notify.webhook("https://api.example.com/hooks", {feed = text}, {key = item == "other" and uuid.v4() or "feed"})
  files.write("seen.txt", "it was")
end
`, "x_test.lua": `
function test_same(t)
  t.http.on("POST", "https://api.example.com/hooks")
  t.run("same")
end

function test_other(t)
  t.http.on("POST", "https://api.example.com/hooks")
  t.run("other")
end
`},
	} {
		for _, r := range suite(t, Options{Jobs: folder(t, files), Crash: true}).Run(t.Context()) {
			if told := text(r); r.Status != Passed || r.Crashes < 4 || strings.Contains(told, "+POST https://api.example.com/hooks") != (r.Name == "other") {
				t.Errorf("%s: %s", language, told)
			}
		}
	}
}
