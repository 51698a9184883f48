package scripttest

import (
	"strings"
	"testing"
)

// TestMistakesInTestsSayWhatToWrite makes them in both languages, and looks at what is
// told: once.
func TestMistakesInTestsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	const state = ` has no elements: use .get("cursor")`
	dir := folder(t, map[string]string{
		"s.star": `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    return list(http.paginate("https://api.example.com/", items = "data", next = "next"))
`,
		"s_test.star": `
def test_index(t):
    t.state["cursor"]

def test_name(t):
    t.vars.cursor

def test_case(t):
    t.case("x", t.eq(1, 1))

def test_empty(t):
    t.http.on("GET", "https://api.example.com/", json = {"data": {}})
    t.consume(1)
`,
		"l.lua": `
job{needs = {"http:api.example.com"}}

function consume(ctx, item)
  return list(http.paginate("https://api.example.com/", {items = "data", next = "next"}))
end
`,
		"l_test.lua": `
function test_lua_index(t)
  return t.state[7]
end

function test_lua_name(t)
  return t.state["cursor"]
end

function test_lua_case(t)
  t.case("x", t.eq(1, 1))
end

function test_lua_empty(t)
  t.http.on("GET", "https://api.example.com/", {json = {data = {}}})
  t.consume(1)
end

function test_lua_empty_list(t)
  t.http.on("GET", "https://api.example.com/", {json = {data = json.array()}})
  t.consume(1)
end
`,
	})
	got := results(t, Options{Jobs: dir})
	for name, want := range map[string]string{
		"index":     "test_values" + state,
		"name":      `test_values has no "cursor": use .get("cursor")`,
		"case":      "t.case: fn: got None, wanted function: what is called in its place has run before; write lambda: ...",
		"empty":     "items leads to {}, an empty dict, not to a list",
		"lua_index": "test_values has no elements: use .get(7)",
		"lua_name":  `test_values has no "cursor": use .get("cursor")`,
		"lua_case":  "t.case: fn: got nil, wanted function: what is called in its place has run before; write function() ... end",
		"lua_empty": "items leads to {}, not to a list; an empty table is {} in JSON, and an empty list is json.array()",
	} {
		if r := got[name]; r.Status != Failed || strings.Count(strings.Split(text(r), "      log:")[0], want) != 1 {
			t.Errorf("%s: wanted once: %s\n%s", name, want, text(r))
		}
	}
	if r := got["lua_empty_list"]; r.Status != Passed {
		t.Errorf("%s", text(r))
	}
}
