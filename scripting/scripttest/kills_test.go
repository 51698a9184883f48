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

def test_file_and_its_time(t):
    t.run("file")
    t.eq(t.files("out/*"), ["out/000000.txt"])
    t.eq(t.clock.now(), time.parse("2020-01-01T00:00:00Z"))

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

function test_file_and_its_time(t)
  t.run("file")
  t.eq(t.files("out/*"), {"out/000000.txt"})
  t.eq(t.clock.now(), time.parse("2020-01-01T00:00:00Z"))
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
		"file":              {"killed after files.write in consume (", "it holds where the time stands still: the job is taken over 20s later", "got:    2", "file out/000000.txt:", "without it"},
		"row":               {"after the commit on connection \"dw\" behind connection.upsert in consume (", "got:    10", "table dw.batches:", `+{"id": "2020-01-01T00:00:00Z", "n": 5}`},
		"sql":               {"after the commit on connection \"dw\" behind connection.exec in consume (", "got:    10", "table dw.batches:"},
		"key":               {"killed after http.post in consume ("},
		"file_and_its_time": {"the test passes, but the outcome is another", "file out/000000.txt:"},
		"file_unasked":      {"the test passes, but the outcome is another", "file out/000000.txt:"},
		"row_unasked":       {"the test passes, but the outcome is another", `+{"id": "2020-01-01T00:00:00Z", "n": 5}`},
		"hash_unasked":      {"the test passes, but the outcome is another", "table dw.batches:", "it is the same where the time stands still: the job is taken over 20s later"},
		"key_unasked":       {"the test passes, but the outcome is another", "+POST https://api.example.com/x"},
		"right":             nil, "right_and_looked_at": nil,
	}
	for language, files := range map[string]map[string]string{
		"Starlark": {"x.star": named, "x_test.star": namedTests},
		"Lua":      {"x.lua": namedLua, "x_test.lua": namedLuaTests},
	} {
		for _, r := range suite(t, Options{Jobs: folder(t, files), Crash: true}).Run(t.Context()) {
			wants, known := want[r.Name]
			told := text(r)
			fails := wants != nil && !strings.HasPrefix(wants[0], "the test passes")
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

// others are importers whose items run while the job of a killed process waits to be taken
// over: some need an order that nobody keeps then.
const others = `
job(needs = ["files:in/*", "files:begun", "http:api.example.com"])

def produce(ctx):
    for f in files.list("in/*.csv"):
        ctx.emit({"path": f.path, "how": ctx.payload}, key = f.path, unique = "active" if ctx.payload == "active" else "forever")
        if ctx.payload == "active":
            ctx.checkpoint()

def consume(ctx, item):
    how, rows = item["how"], [{"id": int(r["id"]), "n": int(r["n"])} for r in csv.read(item["path"])]
    if how == "active":
        db.ensure("t", {"id": "integer", "n": "integer"})
        db.insert("t", rows)
    elif how == "upsert":
        db.ensure("t", {"id": "integer", "n": "integer"}, key = ["id"])
        db.upsert("t", rows, key = ["id"])
    elif how == "newer":
        db.ensure("t", {"id": "integer", "n": "integer"}, key = ["id"])
        db.upsert("t", rows, key = ["id"], newer = "n")
    elif how == "put":
        for r in rows:
            http.put("https://api.example.com/%d" % r["id"], json = r)
    elif how == "begun":
        db.ensure("t", {"id": "integer", "n": "integer"})
        begun = files.read("begun") if files.exists("begun") else ""
        if begun == item["path"] and begun == "in/1.csv":
            return  # this one has done it, it believes
        if begun == "" or item["path"] != "in/1.csv":
            files.write("begun", item["path"])
        db.insert("t", rows)
    else:
        db.ensure("t", {"id": "integer", "n": "integer", "at": "text"}, key = ["id", "n"])
        for r in rows:
            http.post("https://api.example.com/x", json = r, headers = {"Idempotency-Key": "%d-%d" % (r["id"], r["n"])})
        return db.upsert("t", [r | {"at": str(ctx.now())} for r in rows], key = ["id", "n"]).inserted
`

const othersTests = `
def run(t, how, *files):
    for n in "12".elems():
        t.http.on("PUT", "https://api.example.com/" + n)
    t.http.on("POST", "https://api.example.com/x")
    for i, rows in enumerate(files or ["1,1", "1,2"]):
        t.file("in/%d.csv" % (i + 1), "id,n\n" + rows + "\n")
    return t.run(how)

def test_active(t):
    run(t, "active")
    t.eq([r["n"] for r in t.table("t")], [1, 2])

def test_upsert(t):
    run(t, "upsert")
    t.eq(t.table("t"), [{"id": 1, "n": 2}])

def test_newer(t):
    run(t, "newer")
    t.eq(t.table("t"), [{"id": 1, "n": 2}])

def test_upsert_unasked(t):
    run(t, "upsert")

def test_put(t):
    run(t, "put")
    t.eq(t.http.calls[-1].json, {"id": 1, "n": 2})

def test_put_unasked(t):
    run(t, "put")

def test_begun(t):
    run(t, "begun")
    t.eq(len(t.table("t")), 2)

def test_right(t):
    run(t, "right", "1,1\n1,2", "1,2\n1,3", "1,4")
    t.eq(len(t.table("t")), 4)

def test_right_and_looked_at(t):
    run(t, "right")
    t.eq([r["at"] for r in t.table("t")], 2 * ["2020-01-01T00:00:00Z"])
    t.eq(t.http.calls[0].json["n"], 1)
    t.clock.advance("1h")
`

const othersLua = `
job{needs = {"files:in/*", "files:begun", "http:api.example.com"}}

function produce(ctx)
  local how = ctx.payload
  for _, f in ipairs(files.list("in/*.csv")) do
    ctx.emit({path = f.path, how = how}, {key = f.path, unique = how == "active" and "active" or "forever"})
    if how == "active" then ctx.checkpoint() end
  end
end

function consume(ctx, item)
  local how, rows = item.how, {}
  for r in csv.read(item.path) do
    table.insert(rows, {id = tonumber(r.id), n = tonumber(r.n)})
  end
  if how == "active" then
    db.ensure("t", {id = "integer", n = "integer"})
    db.insert("t", rows)
  elseif how == "upsert" then
    db.ensure("t", {id = "integer", n = "integer"}, {key = {"id"}})
    db.upsert("t", rows, {key = {"id"}})
  elseif how == "newer" then
    db.ensure("t", {id = "integer", n = "integer"}, {key = {"id"}})
    db.upsert("t", rows, {key = {"id"}, newer = "n"})
  elseif how == "put" then
    for _, r in ipairs(rows) do
      http.put("https://api.example.com/" .. r.id, {json = r})
    end
  elseif how == "begun" then
    db.ensure("t", {id = "integer", n = "integer"})
    local begun = files.exists("begun") and files.read("begun") or ""
    if begun == item.path and begun == "in/1.csv" then return end -- this one has done it, it believes
    if begun == "" or item.path ~= "in/1.csv" then files.write("begun", item.path) end
    db.insert("t", rows)
  else
    db.ensure("t", {id = "integer", n = "integer", at = "text"}, {key = {"id", "n"}})
    for _, r in ipairs(rows) do
      http.post("https://api.example.com/x", {json = r, headers = {["Idempotency-Key"] = r.id .. "-" .. r.n}})
      r.at = tostring(ctx.now())
    end
    return db.upsert("t", rows, {key = {"id", "n"}}).inserted
  end
end
`

const othersLuaTests = `
local function run(t, how, ...)
  for n = 1, 2 do
    t.http.on("PUT", "https://api.example.com/" .. n)
  end
  t.http.on("POST", "https://api.example.com/x")
  local files = {...}
  if #files == 0 then files = {"1,1", "1,2"} end
  for i, rows in ipairs(files) do
    t.file("in/" .. i .. ".csv", "id,n\n" .. rows .. "\n")
  end
  return t.run(how)
end

function test_active(t)
  run(t, "active")
  t.eq(t.table("t"), {{id = 1, n = 1}, {id = 1, n = 2}})
end

function test_upsert(t)
  run(t, "upsert")
  t.eq(t.table("t"), {{id = 1, n = 2}})
end

function test_newer(t)
  run(t, "newer")
  t.eq(t.table("t"), {{id = 1, n = 2}})
end

function test_upsert_unasked(t)
  run(t, "upsert")
end

function test_put(t)
  run(t, "put")
  t.eq(t.http.calls[#t.http.calls].json, {id = 1, n = 2})
end

function test_put_unasked(t)
  run(t, "put")
end

function test_begun(t)
  run(t, "begun")
  t.eq(#t.table("t"), 2)
end

function test_right(t)
  run(t, "right", "1,1\n1,2", "1,2\n1,3", "1,4")
  t.eq(#t.table("t"), 4)
end

function test_right_and_looked_at(t)
  run(t, "right")
  t.eq(t.table("t")[1].at, "2020-01-01T00:00:00Z")
  t.eq(t.http.calls[1].json.n, 1)
  t.clock.advance("1h")
end
`

// TestOthersRunBeforeAKilledJobIsTakenOver has importers with items for which that
// matters, and such for which it does not; what needs it that nothing else runs before is
// found where all is asked for.
func TestOthersRunBeforeAKilledJobIsTakenOver(t *testing.T) {
	t.Parallel()
	const order, another = "it holds where nothing else runs before the job is taken over", "the test passes, but the outcome is another"
	want := map[string][]string{
		"active":         {"killed after a checkpoint in produce (", order, "table t:"},
		"upsert":         {"killed before the commit behind db.upsert in consume (", order, "table t:", `-{"id": 1, "n": 2}`, `+{"id": 1, "n": 1}`},
		"put":            {"killed before http.put in consume (", order},
		"upsert_unasked": {another, "table t:"},
		"put_unasked":    {another, "requests:", `-PUT https://api.example.com/1 {"id":1,"n":2}`},
		"begun":          {"killed after files.write in consume ("},
		"newer":          nil, "right": nil, "right_and_looked_at": nil,
	}
	for language, files := range map[string]map[string]string{
		"Starlark": {"x.star": others, "x_test.star": othersTests},
		"Lua":      {"x.lua": othersLua, "x_test.lua": othersLuaTests},
	} {
		for _, every := range []bool{false, true} {
			results := suite(t, Options{Jobs: folder(t, files), Crash: true, Every: every}).Run(t.Context())
			if len(results) != len(want) {
				t.Errorf("%s: %d results", language, len(results))
			}
			for _, r := range results {
				wants, known := want[r.Name]
				if r.Name == "begun" && !every {
					wants = nil
				}
				told := text(r)
				fails := wants != nil && wants[0] != another
				if !known || (r.Status == Failed) != fails || r.Crashes < 2 || wants == nil && len(r.Differs) > 0 {
					t.Errorf("%s, every point %v: %s", language, every, told)
				}
				for _, w := range wants {
					if !strings.Contains(told, w) {
						t.Errorf("%s, every point %v: %s: %q is not told:\n%s", language, every, r.Name, w, told)
					}
				}
			}
		}
	}
}
