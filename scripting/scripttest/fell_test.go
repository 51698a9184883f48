package scripttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestErrorsShowTheVariablesWhereTheyArise looks at errors of hooks, of tests, of what
// they call and of what is around them, in both languages.
func TestErrorsShowTheVariablesWhereTheyArise(t *testing.T) {
	t.Parallel()
	for ending, source := range map[string][2]string{
		".star": {`
job(needs = ["secret:key"])
def inner(row, by):
    sum = 0
    for x in row["list"]:
        sum += x
        half = sum // by
    return half
def consume(ctx, item):
    name = "zz"
    if item["do"] == "callback":
        limit = 3
        return sorted([1, 2, 9], key = lambda n: n // (0 if n > limit else 1))
    if item["do"] == "iterated":
        for x in iter.map(lambda v: v // 0, [7]):
            y = x
    if item["do"] == "inner":
        def mapped(v):
            w = v
            return w // 0
        return [r for r in iter.map(mapped, [7])]
    if item["do"] == "deeper":
        return inner({"list": [4, 5]}, 0)
    if item["do"] == "caught":
        catch(inner, {"list": [4, 5]}, 0)
    if item["do"] == "secret":
        key = secrets.get("key")
        long = "\u00fc" * 400
        ctx.fail("no")
    big = {"k": 1}
    return big[item["key"]]
`, `
def test_hook(t):
    other = 1
    t.run({"do": "", "key": "no"})
def test_alone(t):
    t.consume({"do": "", "key": "no"})
def test_deeper(t):
    t.run({"do": "deeper"})
def test_callback(t):
    t.run({"do": "callback"})
def test_iterated(t):
    t.run({"do": "iterated"})
def test_inner(t):
    t.run({"do": "inner"})
def test_own_iterator(t):
    def f(v):
        w = v * 2
        return 1 // (w - 4)
    for x in iter.map(f, [1, 2]):
        pass
def test_caught(t):
    t.run({"do": "caught", "key": "no"})
def test_secret(t):
    t.secret("key", "topsecret")
    t.run({"do": "secret"})
def test_own(t):
    at = time.date(2020)
    err = t.consume({"do": ""}, expect = "failed").error
    rows = [{"a": 1}]
    return rows[0]["b"]
def test_case(t):
    for text, want in [("1", 1), ("2", 3)]:
        t.case(text, lambda: t.eq(int(text), want))
def test_case_error(t):
    by = 0
    t.case("x", lambda: 1 // by)
def test_fails(t):
    by = 0
    t.fails(lambda: 1 // by, "another")
`},
		".lua": {`
job({needs = {"secret:key"}})
local function inner(row, by)
  local sum = 0
  for _, x in ipairs(row.list) do
    sum = sum + x
    local half = by.n
  end
end
function consume(ctx, item)
  local name = "zz"
  if item["do"] == "callback" then
    local limit = 3
    for x in iter.map(function(n) if n > limit then return n.x.y end return n end, {1, 9}) do log.info(x) end
  end
  if item["do"] == "iterated" then
    for x in iter.map(function(v) local u = v return u.x.y end, {7}) do log.info(x) end
  end
  if item["do"] == "inner" then
    local function mapped(v)
      local w = v
      local u = w
      return u.x.y
    end
    for x in iter.map(mapped, {7}) do log.info(x) end
  end
  if item["do"] == "deeper" then
    local got = inner({list = {4, 5}}, nil)
    return got
  end
  if item["do"] == "caught" then pcall(inner, {list = {4}}, nil) end
  if item["do"] == "secret" then
    local key = secrets.get("key")
    local long = string.rep("\195\188", 400)
    ctx.fail("no")
  end
  local big = {k = 1}
  return big.x.y
end
`, `
function test_hook(t)
  local other = 1
  t.run({["do"] = ""})
end
function test_alone(t)
  t.consume({["do"] = ""})
end
function test_deeper(t)
  t.run({["do"] = "deeper"})
end
function test_callback(t)
  t.run({["do"] = "callback"})
end
function test_iterated(t)
  t.run({["do"] = "iterated"})
end
function test_inner(t)
  t.run({["do"] = "inner"})
end
function test_own_iterator(t)
  local function f(v)
    local w = v * 2
    return w == 4 and w.x.y or w
  end
  for x in iter.map(f, {1, 2}) do log.info(x) end
end
function test_caught(t)
  t.run({["do"] = "caught"})
end
function test_secret(t)
  t.secret("key", "topsecret")
  t.run({["do"] = "secret"})
end
function test_own(t)
  local rows, at, _, err = {{a = 1}}, time.date(2020), pcall(error, "gone")
  return rows[1].b.c
end
function test_case(t)
  for _, c in ipairs({{"1", 1}, {"2", 3}}) do
    local text, want = c[1], c[2]
    t.case(text, function() t.eq(tonumber(text), want) end)
  end
end
function test_case_error(t)
  local by = nil
  t.case("x", function() return 1 + by end)
end
function test_fails(t)
  local by = nil
  t.fails(function() return 1 + by end, "another")
end
`},
	} {
		for _, count := range []bool{false, true} {
			t.Run(fmt.Sprint(ending, count), func(t *testing.T) {
				t.Parallel()
				all := results(t, Options{Jobs: folder(t, map[string]string{"x" + ending: source[0], "x_test" + ending: source[1]}), Coverage: count})
				for _, c := range []struct{ name, in, has, not string }{
					{"hook", "consume", "name=zz big={k:1}", "other sum"},
					{"alone", "consume", "name=zz big={k:1}", "sum"},
					{"deeper", "inner", "sum=4", "name"},
					{"callback", "", "n=9 limit=3", "name"},
					{"iterated", "", "v=7", "name item"},
					{"inner", "", "w=7", "name item"},
					{"own_iterator", "", "v=2 w=4", "x"},
					{"caught", "consume", "name=zz big={k:1}", "sum"},
					{"secret", "consume", "key=***", "big"},
					{"own", "-", "rows=[{a:1}] at=2020-01-01T00:00:00Z err=", "t"},
					{"case", "-", "text=2 want=3", "c"},
					{"case_error", "-", "by=", ""},
					{"fails", "", "by=", ""},
				} {
					r := all[c.name]
					if r == nil || len(r.Failures) != 1 {
						t.Errorf("%s: %+v", c.name, r)
						continue
					}
					f := r.Failures[0]
					vars, in := f.Locals, "-"
					if f.Inner != nil {
						vars, in = f.Inner.Locals, f.Inner.Func
					}
					var got []string
					for _, v := range vars {
						text := strings.NewReplacer(`"`, "", " ", "").Replace(v[1])
						if got = append(got, v[0]+"="+text); v[0] == "long" && (len(v[1]) > maxValue+3 || !strings.HasSuffix(v[1], "ü...")) {
							t.Errorf("%s: %q is not cut", c.name, v[1])
						}
						if slices.Contains(strings.Fields(c.not), v[0]) {
							t.Errorf("%s: %s is among them: %q", c.name, v[0], vars)
						}
					}
					if ending == ".lua" {
						c.has = strings.NewReplacer("{k:1}", "{k=1}", "[{a:1}]", "{{a=1}}").Replace(c.has)
					}
					for _, want := range strings.Fields(c.has) {
						if !slices.ContainsFunc(got, func(v string) bool { return v == want || strings.HasSuffix(want, "=") && strings.HasPrefix(v, want) }) {
							t.Errorf("%s: %s is missing: %q", c.name, want, got)
						}
					}
					if c.in != "" && in != c.in {
						t.Errorf("%s: it is told of %q, want %q", c.name, in, c.in)
					}
					if text := failureTexts(r.Failures); c.in == "consume" && !strings.Contains(text, fmt.Sprintf("where, at %s:%d in consume:\n          item = ", f.Inner.File, f.Inner.Line)) {
						t.Errorf("%s: as text\n%s", c.name, text)
					}
				}
			})
		}
	}
}

// TestAVariableIsToldAtOnce: in the first instruction behind its declaration, and
// parameters in the first of all.
func TestAVariableIsToldAtOnce(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"x.lua": "job({})\nfunction consume(ctx, item) end\n", "x_test.lua": `
local function parameter(row)
  return row.x
end
function test_parameter(t)
  local got = parameter(nil)
  return got
end
function test_below(t)
  local rate = nil
  return rate.x
end
function test_comparator(t)
  table.sort({{}, {}}, function(a, b)
    local p = a.p
    return p.x < b.p.x
  end)
end
function test_inner(t)
  do local gone = 1 end
  for i = 1, 2 do
    local n = i
    local m = nil
    m.x = n
  end
end
`})
	for _, count := range []bool{false, true} {
		all := results(t, Options{Jobs: dir, Coverage: count})
		for name, want := range map[string][][2]string{
			"parameter":  {{"row", "nil"}},
			"below":      {{"rate", "nil"}},
			"comparator": {{"a", "{}"}, {"b", "{}"}, {"p", "nil"}},
			"inner":      {{"i", "1"}, {"n", "1"}, {"m", "nil"}},
		} {
			if all[name] == nil || len(all[name].Failures) != 1 {
				t.Fatalf("%s: %+v", name, all[name])
			}
			f := all[name].Failures[0]
			vars := f.Locals
			if f.Inner != nil {
				vars = f.Inner.Locals
			}
			vars = slices.DeleteFunc(vars, func(v [2]string) bool { return v[0] == "t" })
			if !slices.Equal(vars, want) {
				t.Errorf("%s: got %q, want %q", name, vars, want)
			}
		}
	}
}
