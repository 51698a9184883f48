package luascript_test

import (
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// holds runs lines as a hook, each of which must do.
func holds(t *testing.T, w *world.World, top, lines string) *engine.Job {
	t.Helper()
	w.Lua("job", "local check = require(\"lib/check\")\nlocal eq, fails = check.eq, check.fails\n"+top+"\nfunction consume(ctx, item)\n"+lines+"\nend\n")
	j := w.Do("job", `{"a": 1, "big": 9007199254740993, "none": null, "list": [1, 2], "empty": [], "dict": {}}`)
	if j.Error != nil {
		t.Fatalf("%s\n%s", j.Error.Message, j.Error.Backtrace)
	}
	w.Forget("job")
	return j
}

func TestValuesPassBothWays(t *testing.T) {
	t.Parallel()
	j := holds(t, world.New(t), `Class = {}
Class.__index = Class
function Class.new(n) return setmetatable({n = n}, Class) end
function Class:get() return self.n end
fixed = Class.new(7)
words = {"a", "b", deep = {c = {1, 2}}}`, `
  -- whole numbers beyond 2^53
  eq(tostring(item.big), "9007199254740993")
  eq(type(item.big), "number")
  eq(item.big, tonumber("9007199254740993"))
  eq(item.big + 1, tonumber("9007199254740994"))
  eq(item.big - 9007199254740992, 1)
  eq(item.big * 2, tonumber("18014398509481986"))
  eq(-item.big, tonumber("-9007199254740993"))
  eq(item.big % 10, 3)
  -- up to there they are written with all their digits
  eq("order-" .. 4111111111111111, "order-4111111111111111")
  eq({tostring(2 ^ 53), tostring(-(2 ^ 53)), string.format("%s", 1e15), table.concat({1234567890123456}, ",")}, {"9007199254740992", "-9007199254740992", "1000000000000000", "1234567890123456"})
  -- texts count as the numbers that they hold
  eq({"9007199254740993" + 0, 1 * "9007199254740993", "9007199254740993" - "2"}, {item.big, item.big, 9007199254740991})
  eq({-"9007199254740993", -"2", -" 0x10 "}, {-item.big, -2, -16})
  eq({item.big + "1", "1" + item.big, "9007199254740993" % 10, "9007199254740993" - item.big}, {item.big + 1, item.big + 1, 3, 0})
  eq({1 + "2", "1.5" * "2", "7" % "-4", "9" / "2", "2" ^ "3", "1e3" - 0}, {3, 3, -1, 4.5, 8, 1000})
  fails("+ does not work with string and decimal", function() return "1.50" + decimal.of("1") end)
  eq(setmetatable({}, {__add = function(a, b) return b end}) + "x", "x")
  eq("x" + setmetatable({}, {__add = function(a, b) return a end}), "x")
  fails("+ does not work with string and number", function() return "a" + 1 end)
  fails("- does not work with string", function() return -"a" end)
  -- and to functions as well
  eq({string.rep("x", " 0x3 "), math.max("0x10", 1), math.frexp(" 16 "), math.fmod("1.6e1", 6), string.format("%d", "0x10")}, {"xxx", 16, 0.5, 4, "16"})
  eq({math.max("9007199254740993", 1), item.big + " 0x1 ", item.big - "1e0"}, {item.big, item.big + 1, 2 ^ 53 - 1})
  for _, text in ipairs({"nan", "inf", "0x1p4", "1_000", "", "0x"}) do
    fails("math.fmod: argument 1: got string, wanted number", math.fmod, text, 1)
    fails("+ does not work with string and number", function() return text + 1 end)
  end
  eq(item.big > -item.big, true)
  fails("math.compare(a, b) < 0 takes any two numbers", function() return item.big > 1 end)
  eq({math.compare(item.big, 1), math.compare(1, item.big), math.compare(item.big, item.big), math.compare(1, 1)}, {1, -1, 0, 0})
  eq({math.compare(item.big, 2 ^ 53), math.compare(2 ^ 60, tonumber("1152921504606846977")), math.compare(math.huge, item.big)}, {1, -1, 1})
  fails("nan has no order", math.compare, 0 / 0, item.big)
  fails("math.compare: argument 2: got string, wanted number", math.compare, 1, "x")
  eq(math.max(2 ^ 53, item.big, 3) == item.big, true)
  eq(math.min(item.big + 1, item.big) == item.big, true)
  local sorted = {item.big + 1, 5, item.big, -item.big, 2 ^ 70}
  table.sort(sorted)
  eq(sorted, {-item.big, 5, item.big, item.big + 1, 2 ^ 70})
  -- as they are written
  eq(item.big == 9007199254740993, true)
  eq(item.big ~= 9007199254740993, false)
  eq(item.big == 9007199254740992, false)
  eq(item.big == 0x20000000000001, true)
  eq(-item.big == -9007199254740993, true)
  eq(tostring(9007199254740993), "9007199254740993")
  eq(tostring(-9223372036854775808), "-9223372036854775808")
  eq(json.encode({9007199254740993, 9007199254740992, 12345678901234567890123}), "[9007199254740993,9007199254740992,12345678901234567890123]")
  eq(({[9007199254740993] = "x"})[item.big], "x")
  eq({5 < 9007199254740993, 5 > 9007199254740993, item.big <= 9007199254740993, item.big >= 9007199254740994, 0 / 0 < 9007199254740993}, {true, false, true, false, false})
  eq("9007199254740993" == 9007199254740993, false)
  fails("string and number have no order", function() return "1" < 9007199254740993 end)
  eq(({[item.big] = "x"})[tonumber("9007199254740993")], "x")
  eq(json.encode({id = item.big}), '{"id":9007199254740993}')
  eq(string.format("%d", item.big), "9007199254740993")
  eq("id " .. item.big, "id 9007199254740993")
  eq(tonumber("0x10"), 16)
  eq(tonumber("ff", 16), 255)
  eq(tonumber("1e3"), 1000)
  eq(tonumber("x"), nil)
  eq({tonumber(decimal.of("9.90")), tonumber(decimal.of("9007199254740993")) == 9007199254740993}, {9.9, true})
  db.ensure("ids", {id = "integer", name = "text", data = "bytes"}, {key = {"id"}})
  db.insert("ids", {{id = item.big, name = null, data = "\255\0x"}, {id = tonumber("-9223372036854775807"), name = "b"}})
  eq(db.one("SELECT * FROM ids WHERE id = ?", item.big), {id = item.big, name = null, data = "\255\0x"})
  eq(db.value("SELECT count(*) FROM ids"), 2)
  eq(db.value("SELECT name FROM ids WHERE id > 0"), nil)
  -- null
  eq(item.none, null)
  eq(is_null(item.none), true)
  eq(is_null(nil), true)
  eq(is_null(false), false)
  eq(json.encode({null, 1}), "[null,1]")
  fails("null has no", function() return item.none.x end)
  -- lists and dicts
  eq(json.encode({item.empty, item.dict, item.list}), "[[],{},[1,2]]")
  eq(json.encode({json.array(), json.object(), {}}), "[[],{},{}]")
  table.insert(item.empty, 5)
  eq(json.encode(item.empty), "[5]")
  eq(json.encode({b = 1, a = 2, c = {1}}), '{"b":1,"a":2,"c":[1]}')
  fails("a table is a list or a dict, not both", json.encode, {1, 2, x = 3})
  fails("element 1 is nil: a list has no gaps", json.encode, {[5] = 1})
  local mixed = {
    ["it has the elements 1 to 2 and 0 besides"] = {[0] = {id = 10}, {id = 11}, {id = 12}},
    ['it has 2 elements without a name and "x" besides'] = {{id = 11}, {id = 12}, x = {id = 10}},
    ["it has the elements 1 to 2 and 1.5 besides"] = {{id = 11}, {id = 12}, [1.5] = {id = 10}},
    ["it has element 100000000, and element 3 is nil"] = {{id = 11}, {id = 12}, [1e8] = {id = 10}},
    ["element 2 is nil: a list has no gaps"] = {[1] = {id = 11}, [3] = {id = 12}},
  }
  for what, rows in pairs(mixed) do
    fails(what, db.upsert, "ids", rows, {key = {"id"}})
    fails(what, db.insert, "ids", iter.map(function(r) return r end, rows))
    fails(what, db.insert, "ids", iter.filter(function(r) return true end, rows))
    fails(what, db.bulk, "ids", rows)
    fails(what, db.merge, "ids", rows, {key = {"id"}})
    fails(what, list, rows)
    fails(what, json.encode, rows)
    fails(what, function() for b in iter.batch(rows, 10) do end end)
    fails(what, iter.sorted, rows)
  end
  eq(db.insert("ids", {{id = decimal.of(12345) * 1000000000000 + 1, name = "c"}, {id = "12345" .. string.format("%012d", 2), name = "c"}}).inserted, 2)
  eq(db.exec("DELETE FROM ids WHERE id IN (12345000000000001, 12345000000000002)"), 2)
  fails("and 0 besides", db.upsert, "ids", {{id = 5, name = "x"}}, {key = {"id", [0] = "name"}})
  eq(db.value("SELECT count(*) FROM ids"), 2)
  fails("no string but number", json.encode, {[0.5] = 1})
  eq(json.encode({1.5, 3.0, 1e300 * 0}), "[1.5,3,0]")
  -- calls
  eq(list(csv.parse("a,b\n1,2", {header = true})), {{a = "1", b = "2"}})
  eq(list(iter.batch({1, 2, 3}, 2)), {{1, 2}, {3}})
  local log = {}
  for k, v in iter.enumerate({"x", "y"}, 5) do log[#log + 1] = k .. v end
  eq(log, {"5x", "6y"})
  eq(math.floor(3.7), 3)
  eq(math.max(1, 5, 3), 5)
  eq(re.search("[0-9]+", "in 1843"):group(0), "1843")
  eq(time.parse("2024-02-03", "%Y-%m-%d"):format("%d.%m.%Y"), "03.02.2024")
  eq(time.parse("2024-02-03", "%Y-%m-%d") + time.duration("24h") == time.parse("2024-02-04", "%Y-%m-%d"), true)
  fails("out of range: at most 106751 days; t.unix - u.unix gives the seconds", function() return time.date(9999) - time.date(2026) end)
  fails("a time lies in the years 1 to 9999, not in 10011", function() return time.date(9999, 12, 31) + time.duration("100000h") end)
  eq(tostring(decimal.of("1.10") + 1), "2.10")
  eq(2 * decimal.of("1.10") > decimal.of("2"), true)
  local ok, err = pcall(error, "no", {code = "feed.empty"})
  eq({ok, err.code, err.message, tostring(err)}, {false, "feed.empty", "no", "no"})
  eq("it was: " .. err, "it was: no")
  eq({pcall(function(a, b) return a, b, 3 end, 1, 2)}, {true, 1, 2, 3})
  eq({xpcall(function() error("x") end, function(e) return "got " .. e.message end)}, {false, "got x"})
  local value, e = catch(json.decode, "{")
  eq({value == nil, e.code}, {true, "json.syntax"})
  -- what the top level has made
  eq(Class.new(3):get(), 3)
  eq(fixed:get(), 7)
  eq(getmetatable(fixed) ~= nil, true)
  eq(#words, 2)
  eq(words.deep.c[2], 2)
  local seen = {}
  for k, v in pairs(words) do seen[#seen + 1] = tostring(k) end
  eq(seen, {"1", "2", "deep"})
  eq(json.encode(words.deep), '{"c":[1,2]}')
  eq(table.concat(words, ","), "a,b")
  -- coroutines
  local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) pcall(function() coroutine.yield(b * 2) end) return "end" end)
  eq({co(1), co(5), co()}, {2, 10, "end"})
  local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
  local sum = 0
  for i in gen do sum = sum + i end
  eq(sum, 6)
  return {big = item.big, s = "\228\246"  == "x"}
`)
	if got := string(j.Result); got != `{"big":9007199254740993,"s":false}` {
		t.Errorf("got %s", got)
	}
}

// Rows of a long file are made tables before they are asked for; they are the same.
func TestRowsThatAreReadAheadAreTables(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in.csv", "id,name\n"+strings.Repeat("7,x\n", 2500)+"8,\n"+strings.Repeat("9,y\n", 2500))
	holds(t, w, `job({needs = {"files:*"}})`, `
  local n = 0
  for row in csv.read("in.csv", {nulls = {""}}) do
    n = n + 1
    if n % 1000 == 500 then fails('the row has no column "nmae" (did you mean "name"?)', function() return row.nmae end) end
    if row.id == "8" then eq({n, is_null(row.name)}, {2501, true}) end
    row.name = nil
    eq(json.encode(row), '{"id":"' .. row.id .. '","name":null}')
  end
  eq(n, 5001)
  local marked = 0
  for row in iter.filter(function(r) r.mark = r.id return true end, csv.read("in.csv")) do
    if row.mark == row.id then marked = marked + 1 end
  end
  eq(marked, 5001)`)
}

// A column that is set to nil is nil, and is no mistake; what never was one stays that.
// It is written as NULL, as None is in Starlark.
func TestAColumnThatIsSetToNil(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in.csv", "id,price\n1,5\n2,abc\n3,7\n")
	w.File("other.csv", "id,name\n1,x\n2,y\n3,z\n")
	j := holds(t, w, `job({needs = {"files:*"}, rejects = "50%"})`, `
  db.ensure("t", {id = "integer", price = "integer", name = "text"}, {key = {"id"}})
  db.insert("t", {{id = 2, price = 9, name = "kept"}, {id = 4, price = null, name = "d"}})
  local rows, others = {}, csv.read("other.csv")
  for row in csv.read("in.csv") do
    local other = others() -- the rows of two files, in turn
    row.price = tonumber(row.price)
    if row.price == nil then reject(row, "no price") end
    other.name = nil
    eq({other.name == nil, rawget(other, "name") == nil}, {true, true})
    fails('the row has no column "price", it has "id", "name"', function() return other.price end)
    fails('the row has no column "nmae" (did you mean "name"?)', function() return other.nmae end)
    fails('the row has no column "x", it has "id", "price"', function() return row.x end)
    fails("the row has no element 1", function() return row[1] end)
    row.id = tonumber(row.id)
    rows[#rows + 1] = row
  end
  db.upsert("t", rows, {key = {"id"}})
  eq(json.encode(rows[2]), '{"id":2,"price":null}')
  for row in db.query("SELECT * FROM t WHERE id = 4") do
    row.name, row.extra = nil, 1
    eq({row.name == nil, row.extra, is_null(row.price)}, {true, 1, true})
    fails('the row has no column "extr" (did you mean "extra"?)', function() return row.extr end)
  end
  return list(db.query("SELECT id, price, name FROM t ORDER BY id"))`)
	if got := string(j.Result); got != `[{"id":1,"price":5,"name":null},{"id":2,"price":null,"name":"kept"},{"id":3,"price":7,"name":null},{"id":4,"price":null,"name":"d"}]` {
		t.Errorf("got %s", got)
	}
}

// Whatever writes rows writes a column that was set to nil, in its place.
func TestAColumnThatIsSetToNilIsWritten(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in.csv", "a,id,b\nx,1,5\n")
	holds(t, w, `job({needs = {"files:*"}})
local function row(set)
  local r = list(csv.read("in.csv"))[1]
  r.id = tonumber(r.id)
  set(r)
  return r
end
local function last(r) r.b = nil end
local function first(r) r.a, r.b = nil, tonumber("n/a") end
local function again(r) r.a = nil r.a = "y" r.b = nil end
local function all(r) r.a, r.b, r.id = nil, nil, nil end
ways = {last = last, first = first, again = again}
writes = {
  upsert = function(rows) db.upsert("t", rows, {key = {"id"}}) end,
  bulk = function(rows) db.bulk("t", rows, {mode = "upsert", key = {"id"}}) end,
  merge = function(rows) db.merge("t", rows, {key = {"id"}, max_delete = "all"}) end,
}
function rowOf(way) return row(ways[way]) end
function none() return row(all) end`, `
  db.ensure("t", {id = "integer", a = "text", b = "integer"}, {key = {"id"}})
  for name, write in pairs(writes) do
    for way, want in pairs({last = "x null", first = "null null", again = "y null"}) do
      db.exec("DELETE FROM t")
      db.insert("t", {{id = 1, a = "kept", b = 9}})
      write({rowOf(way)})
      local got = db.one("SELECT a, b FROM t")
      eq({name, way, tostring(got.a) .. " " .. tostring(got.b)}, {name, way, want})
    end
  end
  eq(json.encode({rowOf("last"), rowOf("first"), none()}), '[{"a":"x","id":1,"b":null},{"a":null,"id":1,"b":null},{"a":null,"id":null,"b":null}]')
  csv.write("out.csv", {rowOf("first"), rowOf("last")})
  eq(files.read("out.csv"), "a,id,b\n,1,\nx,1,\n")`)
}

func TestLuasOwnFunctions(t *testing.T) {
	t.Parallel()
	holds(t, world.New(t), "", `
  eq({string.find("hello world", "o w")}, {5, 7})
  eq({string.find("hello", "l+")}, {3, 4})
  eq({string.find("a.b", ".", 1, true)}, {2, 2})
  eq({string.find("key = value", "(%w+)%s*=%s*(%w+)")}, {1, 11, "key", "value"})
  eq(string.match("2024-02-03", "(%d+)-(%d+)"), "2024")
  eq({string.match("  trim  ", "^%s*(.-)%s*$")}, {"trim"})
  eq(string.match("hello", "()ll()"), 3)
  eq(string.match("x = [[y]]", "%b[]"), "[[y]]")
  eq(string.match("THE (quick) fox", "%((%a+)%)"), "quick")
  eq({string.gsub("hello world", "o", "0")}, {"hell0 w0rld", 2})
  eq(string.gsub("hello", "", "-"), "-h-e-l-l-o-")
  eq(string.gsub("abc", "%w", "%0%0"), "aabbcc")
  eq(string.gsub("$name is $age", "%$(%w+)", {name = "Ada", age = 36}), "Ada is 36")
  eq(string.gsub("abc", "%w", function(c) if c == "b" then return "B" end end), "aBc")
  eq(string.gsub("THE (quick) fox", "%f[%a]%a+", string.lower), "the (quick) fox")
  eq(string.gsub("a,b,,c", ",", ";", 2), "a;b;,c")
  local words = {}
  for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do words[k] = v end
  eq(words, {a = "1", b = "2"})
  eq(("x"):rep(3, ","), "x,x,x")
  eq({("abc"):byte(1, -1)}, {97, 98, 99})
  eq(string.char(97, 98), "ab")
  eq(("hello"):sub(-3), "llo")
  eq(("hello"):sub(2, -2), "ell")
  eq(("hello"):sub(10), "")
  eq(#"äö", 4)
  eq(("ÄB"):lower(), "äb")
  eq(("abc"):reverse(), "cba")
  eq(string.format("%5.2f|%-5s|%05d|%x|%q|%%|%g|%s", 3.14159, "ab", 42, 255, 'a"b', 0.1, true), ' 3.14|ab   |00042|ff|"a\\"b"|%|0.1|true')
  local t = {5, 2, 8, 1}
  table.sort(t)
  eq(t, {1, 2, 5, 8})
  table.sort(t, function(a, b) return a > b end)
  eq(t, {8, 5, 2, 1})
  table.insert(t, 1, 9)
  eq(table.remove(t), 1)
  eq(table.remove(t, 1), 9)
  eq(t, {8, 5, 2})
  eq(table.concat({1, 2, 3}, "-", 2, 3), "2-3")
  eq({unpack({1, 2, 3}, 2)}, {2, 3})
  eq({select(2, "a", "b", "c")}, {"b", "c"})
  eq(select("#", nil, nil), 2)
  eq({select(-1, "a", "b")}, {"b"})
  eq(next({}), nil)
  eq(rawequal(t, t), true)
  eq({math.modf(3.5)}, {3, 0.5})
  eq(7 % 3, 1)
  eq(-7 % 3, 2)
  eq(2 ^ 10, 1024)
  eq(7 / 2, 3.5)
  eq("10" + 5, 15)
  eq("a" .. 1 .. 2.5, "a12.5")
  eq({tostring(1e15), tostring(1e16)}, {"1000000000000000", "1e+16"})
  eq(tostring(0.1), "0.1")
  eq(type(print), "function")
  eq(type(null), "null")
  eq({assert(1, 2)}, {1, 2})
  fails("assertion failed!", assert, false)
  fails("no!", assert, nil, "no!")
  fails("string.rep: argument 2: got nothing, wanted number", string.rep, "x")
  fails("table.insert: argument 1: got nil, wanted table", table.insert, nil, 1)
  fails('the pattern "[a": a ] is missing', string.find, "x", "[a")
  eq(string.format("%c%3c", 65, 255), "A  \255")
  fails("string.format: argument 2: got 300, wanted 0 to 255", string.format, "%c", 300)
  fails("string.char: argument 1: got -1, wanted 0 to 255", string.char, -1)
  local _, e = pcall(error, "x")
  fails("string.find: argument 1: got err, wanted string: its text is its message, e.message", string.find, e, "x")
  fails("there is no capture %2", string.gsub, "x", "x", "%2", 1)
`)
}

func TestErrorsTellWhereAndWhat(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in.csv", "id,n\n1,5\n2,x\n3,7\n")
	w.File("twice.csv", "id,id\n1,5\n")
	for _, c := range []struct{ code, message, trace string }{
		{"local x = item.none.y", `null has no "y": see first whether there is something`, "jobs/job.lua:4: in consume"},
		{"return item.missing.y", `item.missing is nil, which has no "y": see first whether there is something, by: if item.missing then`, "jobs/job.lua:4: in consume"},
		{"for i, row in csv.read(\"in.csv\") do\n    log.info(row.id)\n  end", `row is nil, which has no "id": an iterator gives one value, and no number before it: write for row in ... do`, "jobs/job.lua:5: in consume"},
		{"for a, b in iter.join({{id = 1}}, {}, \"id\", {how = \"left\"}) do\n    log.info(b.id)\n  end", `see first whether there is something`, "jobs/job.lua:5: in consume"},
		{"return item.a.y", `item.a is a number, which has no "y"`, "jobs/job.lua:4: in consume"},
		{"return item.a + nil", "+ does not work with number and nil", "jobs/job.lua:4: in consume"},
		{"return item.a < \"x\"", "number and string have no order: make a number of the text, by tonumber(...), which gives nil if it is none; fields of CSV are text", "jobs/job.lua:4: in consume"},
		{"return item.a + \"x\"", `+ does not work with number and string: "x" is no number; make a number of the text, by tonumber(...)`, "jobs/job.lua:4: in consume"},
		{"return \"x\" .. nil", ".. does not work with string and nil", "jobs/job.lua:4: in consume"},
		{"item.a()", "item.a is no function", "jobs/job.lua:4: in consume"},
		{"local n = 1\n  helper(n)", "boom 1", "jobs/job.lua:5: in consume\n  jobs/job.lua:2: in helper\nError: boom 1"},
		{"return helper(1)", "boom 1", "jobs/job.lua:3: in consume (calls that end it, return f(x), are left out)\n  jobs/job.lua:2: in helper\nError: boom 1"},
		{"return item.a < tonumber(\"9007199254740993\")", "a number has no order with the other value, which is a whole number beyond 2^53, an object or null: math.compare(a, b) < 0", "jobs/job.lua:4: in consume"},
		{"db.ensure(\"full\", {n = \"integer\", i = \"integer\"}, {key = {\"n\", \"i\"}})\n  db.insert(\"full\", {{n = 1, i = 1}, {n = 1, i = 1}})", `db.upsert("full", rows, {key = {"n", "i"}}) updates a row that is there`, "jobs/job.lua:5"},
		{"db.ensure(\"full\", {n = \"integer\", i = \"integer\"}, {key = {\"n\", \"i\"}})\n  db.insert(\"full\", {{n = 1, i = null}})", "cannot be NULL, and it is NULL here", "jobs/job.lua:5"},
		{"db.query(\"SELECT ?\", {1})", "got table, wanted null, bool, number", "jobs/job.lua:4"},
		{"csv.parse(\"a\", {header = 1})", "csv.parse: header: got number, wanted true, false or a list of names", "jobs/job.lua:4"},
		{"csv.parse(\"a\", {quote = \"None\"})", "csv.parse: quote: wanted one character such as \"'\", other than the separator, or nil", "jobs/job.lua:4"},
		{"db.upsert(\"t\", {}, {\"id\"})", `got 3 positional arguments, takes at most 2: write db.upsert(table, rows, {key = ...}): db.upsert(table, rows, {key, update`, "jobs/job.lua:4"},
		{"csv.read(\"x\", {delimiter = \";\"})", `csv.read: there is no argument "delimiter" (did you mean "sep"?)`, "jobs/job.lua:4"},
		{"db.upsert(\"t\", {})", `argument "key" is missing: db.upsert(table, rows, {key, update = nil, newer = nil, on_bad = "error"})`, "jobs/job.lua:4"},
		{"json.encode(1, 2, 3)", "takes at most 2: json.encode(value, indent = 0)", "jobs/job.lua:4"},
		{"log.info()", `argument "msg" is missing: log.info(msg, {...})`, "jobs/job.lua:4"},
		{"http.get(\"https://a.example.com\", {ok = 404})", "http.get: ok: got number, wanted a list of statuses such as {404}", "jobs/job.lua:4"},
		{"error(\"it is None: key = [\\\"a\\\"], or False\", {code = \"usage\"})", `it is None: key = ["a"], or False`, "jobs/job.lua:4"},
		{"return item.none > \"x\"", "a string has no order with the other value", "jobs/job.lua:4: in consume"},
		{"db.ensure(\"ids\", {id = \"integer\"})\n  db.insert(\"ids\", {{id = 12345 * 1000000000000 + 1}})", "column id is of type integer and cannot hold 1.2345e+16: it is a float of 2^53 or more, and may stand for other whole numbers as well: calculate it by decimal.of(...), or give it as text", "jobs/job.lua:5"},
		{"csv.raed(\"x\")", `csv has no "raed" (did you mean "read"?)`, "jobs/job.lua:4"},
		{"csv.read(\"x\", {haeder = false})", `csv.read: there is no argument "haeder" (did you mean "header"?)`, "jobs/job.lua:4"},
		{"ctx.emti({})", `ctx has no "emti" (did you mean "emit"?)`, "jobs/job.lua:4"},
		{"ctx.id = 5", `ctx does not change: "id" cannot be set`, "jobs/job.lua:4"},
		{"undefined_thing()", "undefined: undefined_thing", "jobs/job.lua:4"},
		{"return GLOBAL_OF_CHECK", "undefined: GLOBAL_OF_CHECK: it is a global of jobs/lib/check.lua, and each file has its own: have that file return it", "jobs/job.lua:4"},
		{"table.insert(fixed, 1)", "the table cannot be changed: what the top level made is read-only", "jobs/job.lua:4"},
		{"setmetatable(db, {})", "the table cannot be changed: module db does not change", "jobs/job.lua:4"},
		{"for x in {1} do end", "write for i, v in ipairs(...) do", "jobs/job.lua:4"},
		{"for i, x in ipairs(iter.take({1}, 1)) do end", "ipairs: argument 1: got iterator, wanted table: go through an iterator by for x in it do", "jobs/job.lua:4"},
		{"for r in csv.read(\"in.csv\") do\n    local n = tonumber(r.n) + 1\n  end", "+ does not work with nil and number (while at in.csv, line 3)", "jobs/job.lua:5: in consume"},
		{"for rows in iter.batch(csv.read(\"in.csv\"), 2) do\n    for _, r in ipairs(rows) do\n      local n = tonumber(r.n) + 1\n    end\n  end", "(while at in.csv, line 3)", "jobs/job.lua:6: in consume"},
		{"local it = csv.read(\"in.csv\")\n  for r in it do break end\n  for r in it do end", "was closed before its end, and can be gone through once", "jobs/job.lua:6: in consume"},
		{"csv.read(\"in.csv\")", "csv.read at jobs/job.lua:4 was opened and never read to its end", ""},
		{"local f = coroutine.wrap(function()\n    error(\"inside\")\n  end)\n  f()", "inside", "jobs/job.lua:7: in consume\n  jobs/job.lua:5: in function\nError: inside"},
		{"return function() end", "what consume returned cannot be kept: a function is no data", ""},
		{"db.query(\"SELEC\")()", "db.query: no statement begins with SELEC (did you mean SELECT?)", "jobs/job.lua:4"},
		{"http.get(\"http://example.com/\")", `needs = {"http:example.com"}`, "jobs/job.lua:4"},
		{"csv.read(\"twice.csv\")()", "give the names by header = {...}", "jobs/job.lua:4"},
		{"db.insert(\"t\", {a = 1})", "put a single row into a list, {row}", "jobs/job.lua:4"},
		{"for r in csv.read(\"in.csv\") do\n    local x = rawget(r, \"nn\") == nil and r.nn\n  end", "the row has no column \"nn\"", "jobs/job.lua:5: in consume"},
		{"local r = iter.sort(db.query(\"SELECT 1 AS name, NULL AS b\"))()\n  local x = is_null(r.b) and r.nmae", "the row has no column \"nmae\" (did you mean \"name\"?)", "jobs/job.lua:5: in consume"},
		{"for i = 1, 9007199254740993 do end", "a for loop counts from a number to a number, up to 2^53", "jobs/job.lua:4"},
		{"local _, e = pcall(error, \"x\")\n  return e:find(\"x\")", "its text is its message: e.message:find(...)", "jobs/job.lua:5: in consume"},
		{"return null + 1", "+ does not work with null and number", "jobs/job.lua:4"},
		{"db.insert(\"t\", {{j = {}}})", "row 1, column \"j\": got table, wanted null, bool, number", "jobs/job.lua:4"},
		{"return -null", "- does not work with null", "jobs/job.lua:4"},
	} {
		w.Lua("job", "local function helper(n)\n  error(\"boom \" .. n) end\nfunction consume(ctx, item)\n  "+c.code+"\nend\njob({needs = {\"files:*\"}}) require(\"lib/check\") require(\"lib/globals\")[\"\"] = 1 fixed = {1}\n")
		j := w.Do("job", `{"a": 1, "none": null}`)
		if j.Error == nil || !strings.Contains(j.Error.Message, c.message) || !strings.Contains(j.Error.Backtrace, c.trace) {
			t.Errorf("%s:\ngot  %+v\nwant %s\n%s", c.code, j.Error, c.message, c.trace)
		}
		w.Forget("job")
	}
}

func TestWhyAScriptDoesNotLoad(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	const consume = "\nfunction consume(ctx, item) end\n"
	for _, c := range []struct{ source, want string }{
		{"x = 1", "it defines neither produce(ctx) nor consume(ctx, item)"},
		{"function consume(ctx, item, more) end", "jobs/job.lua:1:10: the hook is called as consume(ctx, item), but is defined as consume(ctx, item, more)"},
		{"consume = 5", "jobs/job.lua:1:1: consume is the name of a hook: got number, wanted a function consume(ctx, item)"},
		{"consume = nil", "jobs/job.lua:1:1: consume is the name of a hook: got nil, wanted a function consume(ctx, item)"},
		{"local common = {}\nconsume, fail = function(ctx, item) end, common.fail", "jobs/job.lua:2:10: fail is the name of a hook: got nil, wanted a function fail(ctx, item, err)"},
		{"if false then" + consume + "end", "it defines neither produce(ctx) nor consume(ctx, item)"},
		{"function consume(ctx, item) end" + consume, "jobs/job.lua:2:10: cannot reassign global consume declared at jobs/job.lua:1:10"},
		{"function test_a(t) end\nfunction test_a(t) end" + consume, "jobs/job.lua:2:10: cannot reassign global test_a declared at jobs/job.lua:1:10"},
		{"function consum(ctx, item) end", "jobs/job.lua:1:10: nothing calls consum: the hook is called consume"},
		{"if x != 1 then end" + consume, "jobs/job.lua:1:6: syntax error near \"!\": for != Lua has ~="},
		{"job(every = \"1h\")" + consume, "jobs/job.lua:1:11: syntax error near \"=\": what is given by name is a table: job({every = \"1h\"}), ctx.emit(item, {key = \"a\"})"},
		{"job(\n  every = \"1h\"\n)" + consume, "jobs/job.lua:2:9: syntax error near \"=\": what is given by name is a table"},
		{"function consume(ctx, item)", "the file ends where more is expected"},
		{"job({evry = \"1h\"})" + consume, "jobs/job.lua:1:6: job: there is no setting \"evry\" (did you mean \"every\"?)"},
		{"job({needs = \"files:*\"})" + consume, "job: needs: got string, wanted list of strings: write {\"files:*\"}"},
		{"job({retry = {max = 3}})" + consume, "job: retry: got table, wanted retry({max = ..., first = ...})"},
		{"job({every = 5})" + consume, "jobs/job.lua:1:6: job: every"},
		{"job({every = \"1h\"})\njob({every = \"1h\"})" + consume, "jobs/job.lua:2:1"},
		{"local x = undefined_thing" + consume, "jobs/job.lua:1:11: undefined: undefined_thing"},
		{"local n = 0\nfunction consume(ctx, item)\n  n = n + 1\nend", "jobs/job.lua:3:3: \"n\" is set in a function, but belongs to what is around it"},
		{"local n = 0\nfunction consume(ctx, item)\n  local f = function() return function() n = n + 1 end end\nend", "jobs/job.lua:3:42: \"n\" is set in a function"},
		{"local function counter() local n = 0 return function() n = n + 1 return n end end\nnext_id = counter()" + consume, "\"n\" is set in a function"},
		{"it = iter.take({1}, 1)" + consume, "the global \"it\" holds an iterator"},
		{"co = coroutine.create(function() end)" + consume, "the global \"co\" holds a coroutine"},
		{"co = coroutine.wrap(function() end)" + consume, "the global \"co\" holds a coroutine"},
		{"next_id = (\"1 2 3\"):gmatch(\"%d\")" + consume, "the global \"next_id\" holds what string.gmatch gave"},
		{"while true do end" + consume, "jobs/job.lua:1:1: the top level "},
		{"db.exec(\"x\")" + consume, "db.exec: it can be called in a hook only, not while the script is loaded"},
		{"require(\"lib/none\")" + consume, "lib/none.lua: there is no such file in the jobs folder (by way of jobs/job.lua:1)"},
		{"require(\"../x\")" + consume, "names start in the jobs folder and cannot leave it"},
		{"require(\"other\")" + consume, "only helper files can be loaded: those"},
		{"require(\"lib.x\")" + consume, "only helper files can be loaded (did you mean \"lib/x\"?): those"},
		{strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300) + consume, "jobs/job.lua:"},
		{"local x = " + strings.Repeat("{", 5000) + strings.Repeat("}", 5000) + consume, "it is nested more than 1000 deep"},
		{"local x = " + strings.Repeat("not ", 5000) + "1" + consume, "it is nested more than 1000 deep"},
		{"local x = " + strings.Repeat("- ", 1_000_000) + "1" + consume, "it is nested more than 1000 deep"},
		{"local x = consume" + strings.Repeat("()", 100_000) + consume, "it is nested more than 1000 deep"},
		{"\x1bLua", "it is no text, but a compiled script"},
	} {
		errs := strings.Join(w.LoadsLua("job", c.source), "\n")
		if !strings.Contains(errs, c.want) {
			t.Errorf("%.100s:\ngot  %s\nwant %s", c.source, errs, c.want)
		}
	}
}

// A list that was long once is made read-only all the same, at once.
func TestAListThatWasLongLoads(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Lua("job", "local seen = {1}\nseen[2000000] = true\nseen[2000000] = nil\nfunction consume(ctx, item)\n  return {seen[1], #seen}\nend\n")
	if j := w.Do("job", "1"); string(j.Result) != "[1,1]" {
		t.Errorf("got %s, %+v", j.Result, j.Error)
	}
}

// The first number that several calculations are rounded to is not taken for exact; one
// that is given or written is.
func TestNumbersAtTheBoundOfExactOnes(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Lua("job", `
local check = require("lib/check")
local eq, fails = check.eq, check.fails

function consume(ctx, item)
  db.ensure("ln", {id = "integer"}, {key = {"id"}})
  for _, sum in ipairs({9007199254740991 + 2, 2 ^ 53, -9007199254740991 - 1}) do
    fails("2^53 or more", db.insert, "ln", {{id = sum}})
  end
  db.insert("ln", {{id = 9007199254740992}, {id = -item}, {id = 9007199254740990 + 1}})
  eq(db.value("SELECT MAX(id) FROM ln"), item)
  eq(item + 1, 9007199254740993)
  eq(json.encode(list(db.query("SELECT id FROM ln ORDER BY id"))), '[{"id":-9007199254740992},{"id":9007199254740991},{"id":9007199254740992}]')
end
`)
		if j := w.Do("job", "9007199254740992"); j.Error != nil {
			t.Fatal(j.Error)
		}
	})
}
