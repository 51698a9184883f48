package scripttest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const peopleLua = `-- Imports people.
job{needs = {"files:incoming/*.csv"}, retry = retry{max = 3, first = "10s"}, every = "1h"}

function clean(row)
  return {id = tonumber(row.id), name = row.name:match("^%s*(.-)%s*$")}
end

function produce(ctx)
  for _, f in ipairs(files.list("incoming/*.csv")) do
    ctx.emit({path = f.path}, {key = f.path .. "@" .. tostring(f.modified), unique = "forever"})
  end
end

function consume(ctx, item)
  db.ensure("people", {id = "integer", name = "text"}, {key = {"id"}})
  for rows in ctx.batches(csv.read(item.path), 2) do
    local clean_rows = {}
    for i, r in ipairs(rows) do
      clean_rows[i] = clean(r)
    end
    db.upsert("people", clean_rows, {key = {"id"}})
  end
  log.info("done", {path = item.path})
end
`

// goodLua are tests in Lua that pass; each shows something of t.
const goodLua = `local people = require("people")
local FILE = "id,name\n1,Ada\n2, Grace\n3,Edsger\n"

function test_a_function_of_the_script(t)
  t.eq(people.clean({id = "7", name = " x "}), {id = 7, name = "x"})
  for _, c in ipairs({{"1", 1}, {"2", 2}}) do
    t.case(c[1], function() t.eq(tonumber(c[1]), c[2]) end)
  end
  t.matches(t.fails(function() return people.clean({}) end, "row%.name|is nil").message, "nil")
end

function test_a_job_runs(t)
  t.file("incoming/a.csv", FILE)
  local r = t.run()
  t.eq(r.status, "completed")
  t.eq(r.stats.inserted, 3)
  t.eq(t.table("people", {order_by = "id"}), {{id = 1, name = "Ada"}, {id = 2, name = "Grace"}, {id = 3, name = "Edsger"}})
  t.eq(t:run().children.completed, 0)
  t.eq(t.rejects(), {})
  t.ne(t.logs(), {})
  t.clock.advance("1h")
  t.golden(t.table("people"), "people.json")
end

function test_values_pass_both_ways(t)
  t.state.set("since", {a = {1, 2, null}, big = tonumber("9007199254740993")})
  t.eq(t.state.get("since"), {a = {1, 2, null}, big = tonumber("9007199254740993")})
  t.eq(t.state.get("none", {}), {})
  t.eq(t.consume({path = "x.csv"}, {expect = "failed"}).error.kind, "error")
end

function test_left_out(t)
  t.skip("not now")
end

function todo_test_later() end

function helper() end
`

func TestTestsInLua(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"people.lua": peopleLua + "\nfunction test_in_the_script(t)\n  t.ok(clean({id = \"1\", name = \"\"}))\nend\n", "people_test.lua": goodLua,
		"golden/people.json": "[\n  {\n    \"id\": 1,\n    \"name\": \"Ada\"\n  },\n  {\n    \"id\": 2,\n    \"name\": \"Grace\"\n  },\n  {\n    \"id\": 3,\n    \"name\": \"Edsger\"\n  }\n]\n",
	})
	want := map[string]Status{
		"in_the_script": Passed, "a_function_of_the_script": Passed, "a_job_runs": Passed, "values_pass_both_ways": Passed,
		"left_out": Skipped, "later": Todo,
	}
	for _, crash := range []bool{false, true} {
		got := results(t, Options{Jobs: dir, Crash: crash})
		for name, status := range want {
			r := got[name]
			if r == nil || r.Status != status {
				t.Errorf("%s: %+v, want %s", name, r, status)
				if r != nil {
					for _, f := range r.Failures {
						t.Logf("%+v", f)
					}
				}
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d tests, want %d", len(got), len(want))
		}
		if n := got["a_job_runs"].Crashes; crash && n < 10 {
			t.Errorf("it was run with %d crashes", n)
		}
	}
	if got := results(t, Options{Jobs: dir, Paths: []string{filepath.Join(dir, "people.lua")}, Run: regexp.MustCompile("people_test.lua: a_")}); len(got) != 2 {
		t.Errorf("--run finds %d tests, want 2", len(got))
	}
}

func TestAGoldenFileIsWrittenByATestInLua(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.lua": "function consume(ctx, item) end\n", "a_test.lua": "function test_it(t)\n  t.golden({id = 1, list = {}}, \"a.json\")\nend\n"})
	if r := results(t, Options{Jobs: dir})["it"]; r.Status != Failed {
		t.Fatalf("without the file: %s", r.Status)
	}
	if r := results(t, Options{Jobs: dir, Update: true})["it"]; r.Status != Passed || len(r.Golden) != 1 {
		t.Fatalf("--update: %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "golden", "a.json")); err != nil {
		t.Fatal(err)
	}
	if r := results(t, Options{Jobs: dir})["it"]; r.Status != Passed {
		t.Fatalf("with the file: %+v", r.Failures[0])
	}
}

func TestWhereATestInLuaFails(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"people.lua": peopleLua, "lib/h.lua": "local h = {}\nfunction h.bad() error(\"no\") end\nreturn h\n", "people_test.lua": `local h = require("lib/h")
function test_eq(t)
  local n, list = 1, {"a", {b = 2}}
  local s, _, e = "x", pcall(error, "gone")
  t.eq(n, 2, "so it is")
end
function test_error(t)
  h.bad()
end
function test_caught_all_the_same(t)
  pcall(function()
    t.eq(1, 2)
  end)
end
function test_a_job_that_fails(t)
  t.run({x = 1}, {wrong = true})
end
function test_cases(t)
  t.case("one", function() t.eq(1, 2) end)
  t.case("two", function() error("e") end)
end
function test_loop(t)
  while true do end
end
function test_names_as_the_payload(t)
  t.run({expect = "failed"})
end
`})
	for _, c := range []struct {
		name, message string
		line          int
		text          string
	}{
		{"eq", "so it is: not equal", 5, `t.eq(n, 2, "so it is")`},
		{"error", "no", 8, ""},
		{"caught_all_the_same", "not equal", 12, "t.eq(1, 2)"},
		{"a_job_that_fails", `wrong`, 16, ""},
		{"cases", "one: not equal", 19, `t.case("one", function() t.eq(1, 2) end)`},
		{"names_as_the_payload", `t.run: the table is the payload here, and its names are arguments of t.run: write t.run(nil, {...})`, 26, ""},
		{"loop", "the test ran longer than 2s", 23, ""},
	} {
		r := results(t, Options{Jobs: dir, Run: regexp.MustCompile(": " + c.name + "$"), Timeout: 2e9})[c.name]
		if r.Status != Failed || len(r.Failures) == 0 {
			t.Errorf("%s: %s", c.name, r.Status)
			continue
		}
		f := r.Failures[0]
		if !strings.Contains(f.Message, c.message) || filepath.Base(f.File) != "people_test.lua" || f.Line != c.line || f.Text != c.text {
			t.Errorf("%s: %s:%d: %q %q\n%s", c.name, f.File, f.Line, f.Message, f.Text, f.Detail)
		}
		if want := [][2]string{{"n", "1"}, {"list", `{"a", {b = 2}}`}, {"s", `"x"`}, {"_", "false"}, {"e", "gone"}}; c.name == "eq" && !equal(f.Locals, want) {
			t.Errorf("its variables: %q", f.Locals)
		}
		if c.name == "cases" && len(r.Failures) != 2 {
			t.Errorf("%d cases fail, want 2", len(r.Failures))
		}
	}
}

// TestWhatATestInLuaShowsIsWrittenInLua: values, and names of columns that are not there.
func TestWhatATestInLuaShowsIsWrittenInLua(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"a.lua": "function consume(ctx, item)\n  db.ensure(\"p\", {id = \"integer\", name = \"text\"})\n  db.insert(\"p\", {{id = 1, name = \"Ada\"}})\nend\n", "a_test.lua": `function test_nil(t)
  t.eq(nil, false)
end
function test_row(t)
  t.run()
  t.eq(t.table("p")[1], {id = 1, name = "Ada"})
  t.eq(t.table("p"), {{id = 1, name = null, ["end"] = true}})
end
function test_part(t)
  t.contains({a = {1, 2}}, {a = {}})
end
function test_bytes(t)
  t.eq("\255", "a")
end
function test_column(t)
  t.run()
  t.eq(t.table("p")[1].nmae, nil)
end
function test_connected(t)
  t.run()
  t.ok(not t.table("p")[1].nmae)
end
`})
	for name, want := range map[string]string{
		"nil": "got:    nil\n  wanted: false", "row": "  got:    {{id = 1, name = \"Ada\"}}\n  wanted: {{end", "part": "wanted in it:\n  {a = {}}",
		"bytes": "got:    \"\\xff\"\n", "column": `the row has no column "nmae" (did you mean "name"?)`, "connected": `the row has no column "nmae"`,
	} {
		r := results(t, Options{Jobs: dir, Run: regexp.MustCompile(": " + name + "$")})[name]
		want = strings.ReplaceAll(want, "{{end", "{{id = 1, name = null, [\"end\"] = true}}")
		if r == nil || r.Status != Failed || !strings.Contains(r.Failures[0].Message+"\n"+r.Failures[0].Detail, want) {
			t.Errorf("%s: want %s\n%+v", name, want, r)
			if r != nil {
				t.Log(text(r))
			}
		}
	}
}

// TestVariablesOfLuaAreWrittenInLua, whatever they hold, and without that a function of the
// test is called.
func TestVariablesOfLuaAreWrittenInLua(t *testing.T) {
	t.Parallel()
	r := results(t, Options{Jobs: folder(t, map[string]string{"a.lua": "function consume(ctx, item) end\n", "a_test.lua": `
function test_it(t)
  local at = {time.parse("2024-01-02")}
  local item = {files = true, ["a b"] = null}
  local mixed = {1, 2, x = "y"}
  local none = null
  local large = tonumber("9007199254740993")
  local named = setmetatable({a = 1}, {__tostring = function() error("called") end})
  local within = {named}
  local empty = {}
  t.eq(1, 2)
end
`})})["it"]
	want := [][2]string{{"at", "{2024-01-02T00:00:00Z}"}, {"item", `{files = true, ["a b"] = null}`}, {"mixed", `{1, 2, x = "y"}`}, {"none", "null"}, {"large", "9007199254740993"}, {"named", "{a = 1}"}, {"within", "{{a = 1}}"}, {"empty", "{}"}}
	if len(r.Failures) != 1 || !slices.Equal(r.Failures[0].Locals, want) {
		t.Errorf("%s", text(r))
	}
}

// TestTruthIsTheSameInBothLanguages has what counts as true, and what does not, written so
// that both read it.
func TestTruthIsTheSameInBothLanguages(t *testing.T) {
	t.Parallel()
	star, lua, want := "", "", map[string]string{}
	for i, c := range []struct{ star, lua, told string }{
		{"1", "1", ""}, {"0", "0", "got 0, wanted something true"}, {"0.0", "0", "got 0"}, {"1.5", "1.5", ""}, {`"x"`, `"x"`, ""}, {`""`, `""`, `got ""`},
		{"[]", "{}", "wanted something true"}, {"[0]", "{0}", ""}, {"{}", `json.decode("{}")`, "wanted something true"}, {`{"a": 0}`, "{a = 0}", ""}, {"[]", `json.decode("[]")`, "wanted something true"},
		{"None", "nil", "wanted something true"}, {"None", "null", "wanted something true"}, {"False", "false", "wanted something true"}, {"True", "true", ""},
		{`decimal.of("0.00")`, `decimal.of("0.00")`, "wanted something true"}, {`decimal.of("0.01")`, `decimal.of("0.01")`, ""}, {"t.clock", "t.clock", ""},
		{`t.db.value("SELECT count(*) FROM p")`, `t.db.value("SELECT count(*) FROM p")`, "got 0"}, {`t.table("p")`, `t.table("p")`, "wanted something true"},
		{`t.db.query("SELECT id FROM p")`, `t.db.query("SELECT id FROM p")`, "got: an iterator does not say whether anything is in it: make a list of it by list(...)"},
		{"t.run", "t.run", "got: a function is always true: call it"}, {"lambda: 1", "function() return 1 end", "got: a function is always true"},
	} {
		name := fmt.Sprintf("c%d", i)
		star += fmt.Sprintf("def test_%s(t):\n    t.db.ensure(\"p\", {\"id\": \"integer\"})\n    t.ok(%s)\n", name, c.star)
		lua += fmt.Sprintf("function test_%s(t)\n  t.db.ensure(\"p\", {id = \"integer\"})\n  t.ok(%s)\nend\n", name, c.lua)
		if want[name] = c.told; strings.HasPrefix(c.told, "got: ") { // so does not_ok
			continue
		}
		star += fmt.Sprintf("def test_not_%s(t):\n    t.db.ensure(\"p\", {\"id\": \"integer\"})\n    t.not_ok(%s)\n", name, c.star)
		lua += fmt.Sprintf("function test_not_%s(t)\n  t.db.ensure(\"p\", {id = \"integer\"})\n  t.not_ok(%s)\nend\n", name, c.lua)
		if want["not_"+name] = ""; c.told == "" {
			want["not_"+name] = "wanted something that is not true"
		}
	}
	for _, files := range []map[string]string{
		{"a.star": "def consume(ctx, item):\n    pass\n", "a_test.star": star}, {"b.lua": "function consume(ctx, item) end\n", "b_test.lua": lua},
	} {
		got := results(t, Options{Jobs: folder(t, files)})
		for name, told := range want {
			r := got[name]
			if r == nil || (told == "") != (r.Status == Passed) || !strings.Contains(text(r), told) {
				t.Errorf("%s: want %q\n%s", name, told, text(r))
			}
		}
	}
}

// TestWhatSnoozesOrCancelsMustReadWhatItOpens, as what returns must; what fails need not, and
// a loop is left.
func TestWhatSnoozesOrCancelsMustReadWhatItOpens(t *testing.T) {
	t.Parallel()
	for _, files := range []map[string]string{{"a.star": `job(needs = ["files:in/*"], retry = retry(max = 1))
def consume(ctx, item):
    if state.get("n"):
        return
    state.set("n", 1)
    ctx.checkpoint()
    end = {"snooze": lambda: ctx.snooze("1m"), "cancel": lambda: ctx.cancel("x"), "error": lambda: error("x")}[item["end"]]
    if item["how"] == "open":
        it = csv.read("in/a.csv")
    elif item["how"] == "loop":
        for r in csv.read("in/a.csv"):
            end()
    elif item["how"] == "caught":
        catch(lambda: [end() for r in csv.read("in/a.csv")])
    end()
`}, {"a.lua": `job({needs = {"files:in/*"}, retry = retry({max = 1})})
function consume(ctx, item)
  if state.get("n") then return end
  state.set("n", 1)
  ctx.checkpoint()
  local function finish()
    if item["end"] == "snooze" then ctx.snooze("1m") elseif item["end"] == "cancel" then ctx.cancel("x") end
    error("x")
  end
  local it
  if item.how == "open" then
    it = csv.read("in/a.csv")
  elseif item.how == "loop" then
    for r in csv.read("in/a.csv") do finish() end
  elseif item.how == "caught" then
    pcall(function() for r in csv.read("in/a.csv") do finish() end end)
  end
  finish()
end
`}} {
		files["a_test.star"] = `
def mk(how, end):
    def f(t):
        t.file("in/a.csv", "id\n1\n2\n")
        t.run({"how": how, "end": end}, expect = "any")
    return f

`
		for _, end := range []string{"snooze", "cancel", "error"} {
			for _, how := range []string{"open", "loop", "caught", "none"} {
				files["a_test.star"] += fmt.Sprintf("test_%s_%s = mk(%q, %q)\n", end, how, how, end)
			}
		}
		got := results(t, Options{Jobs: folder(t, files)})
		if len(got) != 12 {
			t.Errorf("%d results", len(got))
		}
		for name, r := range got {
			leaks := name == "snooze_open" || name == "cancel_open"
			if leaks != (r.Status == Failed) || leaks && !strings.Contains(text(r), "was opened and never read to its end") {
				t.Errorf("%s:\n%s", name, text(r))
			}
		}
	}
}

func equal(a, b [][2]string) bool {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestAFileOfTestsInLuaThatDoesNotLoad(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"function test_a(t, x) end":                        "people_test.lua:1:10: a test is called as test_a(t), but is defined as test_a(t, x)",
		"function test_a() end":                            "people_test.lua:1:10: a test is called as test_a(t), but is defined as test_a()",
		"function test_(t) end":                            "people_test.lua:1:10: a test has a name: call it test_NAME",
		"function test_a(t":                                "people_test.lua:1:",
		"local x = require(\"nobody\")":                    `only helper files can be loaded`,
		"local n = 0\nfunction test_a(t)\n n = n + 1\nend": `"n" is set in a function`,
		"job{every = \"1h\"}":                              "job",
	} {
		s, err := Find(Options{Jobs: folder(t, map[string]string{"people.lua": peopleLua, "people_test.lua": source + "\n"})})
		if err != nil || len(s.Errors) == 0 || !strings.Contains(s.Errors[0].Error(), want) {
			t.Errorf("%s: %v %v, want %s", source, s.Errors, err, want)
		}
	}
}

func TestATestInOneLanguageOfAJobInTheOther(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"a.lua": "function consume(ctx, item) return {n = item.n + 1} end\n", "a_test.star": "def test_star(t):\n    t.eq(t.consume({\"n\": 1}).result, {\"n\": 2})\n",
		"b.star": "def consume(ctx, item):\n    return item[\"n\"] + 1\n", "b_test.lua": "function test_lua(t)\n  t.eq(t.consume({n = 1}).result, 2)\nend\n",
		"c.star": "def consume(ctx, item):\n    pass\n", "c.lua": "function consume(ctx, item) end\n",
	})
	s, err := Find(Options{Jobs: dir})
	if err != nil || len(s.Errors) != 1 || !strings.Contains(s.Errors[0].Error(), "c.star is the script of this job type") {
		t.Fatalf("%v %v", s.Errors, err)
	}
	for _, r := range s.Run(t.Context()) {
		if r.Status != Passed {
			t.Errorf("%s: %+v", r.Name, r.Failures[0])
		}
	}
	if n := len(s.List().Tests); n != 2 {
		t.Errorf("%d tests, want 2", n)
	}
}
