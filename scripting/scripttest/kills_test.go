package scripttest

import (
	"strings"
	"testing"
)

// named are importers that name what they do by the time, as nobody may: another process
// does it again by another name. Others have the time in what they write, by right.
const named = `
job(needs = ["files:**", "db:dw:write", "http:api.example.com"], retry = retry(max = 3, first = "10s"))

def produce(ctx):
    return ctx.payload

def consume(ctx, item):
    now = ctx.now()
    if item == "file":
        files.write("out/%s.txt" % now.format("%H%M%S"), "x")
    elif item == "row":
        db.connect("dw").upsert("batches", [{"id": str(now), "n": 5}], key = ["id"])
    elif item == "key":
        http.post("https://api.example.com/x", json = {}, headers = {"Idempotency-Key": "order-%d" % now.unix})
    elif item == "hash":
        db.connect("dw").upsert("batches", [{"id": hash.sha256(str(now)), "n": 5}], key = ["id"])
    elif item == "sql":
        db.connect("dw").exec("INSERT INTO batches SELECT CURRENT_TIMESTAMP, 5")
    else:
        db.ensure("rows", {"id": "integer", "at": "text", "hash": "text", "sum": "text"}, key = ["id"])
        files.write("rows.csv", "id\n1\n2\n3\n4\n")
        for part in ctx.batches(csv.read("rows.csv"), 2):
            db.upsert("rows", [{"id": int(r["id"]), "at": str(ctx.now()), "hash": hash.sha256(str(ctx.now()) + r["id"]), "sum": hash.crc32(str(ctx.now()))} for r in part], key = ["id"])
            http.put("https://api.example.com/" + part[0]["id"], json = {"at": str(ctx.now())})
            files.write("%s.txt" % part[0]["id"], str(ctx.now()))
            files.write("%s.b64" % part[0]["id"], base64.encode(hash.sha256(str(ctx.now()))))
        if ctx.attempt < 2:
            ctx.retry("10s")
        state.set("last", str(ctx.now()))
        return str(ctx.now())

def finish(ctx, summary):
    pass
`

const namedTests = `
def batches(t):
    t.http.on("POST", "https://api.example.com/x")
    for n in "13".elems():
        t.http.on("PUT", "https://api.example.com/" + n)
    t.connection("dw").ensure("batches", {"id": "text", "n": "integer"}, key = ["id"])

def test_file(t):
    t.run("file")
    t.eq(len(t.files("out/*")), 1)

def test_file_unasked(t):
    t.run("file")

def test_row(t):
    batches(t)
    t.run("row")
    t.eq(t.connection("dw").value("SELECT SUM(n) FROM batches"), 5)

def test_row_unasked(t):
    batches(t)
    t.run("row")

def test_hash_unasked(t):
    batches(t)
    t.run("hash")

def test_sql(t):
    batches(t)
    t.run("sql")
    t.eq(t.connection("dw").value("SELECT SUM(n) FROM batches"), 5)

def test_key(t):
    batches(t)
    t.run("key")
    t.eq(len(set([c.headers["idempotency-key"] for c in t.http.calls])), 1)

def test_key_unasked(t):
    batches(t)
    t.run("key")

def test_right(t):
    batches(t)
    t.run("right")
    t.eq(len(t.table("rows")), 4)

def test_right_and_looked_at(t):
    batches(t)
    r = t.run("right")
    t.eq(r.result, "2020-01-01T00:00:10Z")
    t.eq(t.state.get("last"), r.result)
    t.eq(t.table("rows")[0]["at"], t.table("rows")[3]["at"])
    t.eq(t.file("1.txt"), "2020-01-01T00:00:00Z")
`

const namedLua = `
job{needs = {"files:**", "db:dw:write", "http:api.example.com"}}

function consume(ctx, item)
  local now = ctx.now()
  if item == "file" then
    files.write("out/" .. now.format("%H%M%S") .. ".txt", "x")
  elseif item == "row" then
    db.connect("dw").upsert("batches", {{id = tostring(now), n = 5}}, {key = {"id"}})
  elseif item == "key" then
    http.post("https://api.example.com/x", {json = {}, headers = {["Idempotency-Key"] = "order-" .. now.unix}})
  else
    db.ensure("rows", {id = "integer", at = "text"}, {key = {"id"}})
    db.upsert("rows", {{id = 1, at = tostring(now)}}, {key = {"id"}})
    files.write("1.txt", tostring(now))
  end
end
`

const namedLuaTests = `
local function batches(t)
  t.http.on("POST", "https://api.example.com/x")
  t.connection("dw").ensure("batches", {id = "text", n = "integer"}, {key = {"id"}})
end

function test_file(t)
  t.run("file")
  t.eq(#t.files("out/*"), 1)
end

function test_file_unasked(t)
  t.run("file")
end

function test_row(t)
  batches(t)
  t.run("row")
  t.eq(t.connection("dw").value("SELECT SUM(n) FROM batches"), 5)
end

function test_row_unasked(t)
  batches(t)
  t.run("row")
end

function test_key(t)
  batches(t)
  t.run("key")
  t.eq(t.http.calls[1].headers["idempotency-key"], t.http.calls[#t.http.calls].headers["idempotency-key"])
end

function test_key_unasked(t)
  batches(t)
  t.run("key")
end

function test_right(t)
  batches(t)
  t.run("right")
end

function test_right_and_looked_at(t)
  t.run("right")
  t.eq(t.table("rows")[1].at, "2020-01-01T00:00:00Z")
end
`

// TestAKilledJobIsTakenOverLater has what is named by the time be there twice after a
// crash, and what merely has the time in it be as it is to be.
func TestAKilledJobIsTakenOverLater(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"file":         {"killed after files.write in consume (", "it holds where the time stands still: the job is taken over 20s later", "got:    2", "file out/000000.txt:", "without it"},
		"row":          {"after the commit on connection \"dw\" behind connection.upsert in consume (", "got:    10", "table dw.batches:", `+{"id": "2020-01-01T00:00:00Z", "n": 5}`},
		"sql":          {"after the commit on connection \"dw\" behind connection.exec in consume (", "got:    10", "table dw.batches:"},
		"key":          {"killed after http.post in consume ("},
		"file_unasked": {"the test passes, but the outcome is another", "file out/000000.txt:"},
		"row_unasked":  {"the test passes, but the outcome is another", `+{"id": "2020-01-01T00:00:00Z", "n": 5}`},
		"hash_unasked": {"the test passes, but the outcome is another", "table dw.batches:", "it is the same where the time stands still: the job is taken over 20s later"},
		"key_unasked":  {"the test passes, but the outcome is another", "+POST https://api.example.com/x"},
		"right":        nil, "right_and_looked_at": nil,
	}
	for language, files := range map[string]map[string]string{
		"Starlark": {"x.star": named, "x_test.star": namedTests},
		"Lua":      {"x.lua": namedLua, "x_test.lua": namedLuaTests},
	} {
		for _, r := range suite(t, Options{Jobs: folder(t, files), Crash: true}).Run(t.Context()) {
			wants, known := want[r.Name]
			told := text(r)
			fails := wants != nil && !strings.HasSuffix(r.Name, "_unasked")
			if !known || (r.Status == Failed) != fails || r.Crashes < 2 || len(wants) == 0 && len(r.Differs) > 0 {
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
