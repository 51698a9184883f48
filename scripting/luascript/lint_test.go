package luascript_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dsengine/dsengine/engine/sqlstore"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
)

func check(source string, helper ...string) []*hostlib.Problem {
	fsys := fstest.MapFS{"a.lua": {Data: []byte(source)}, "_h.lua": {Data: []byte(strings.Join(helper, ""))}}
	l := luascript.NewLoader(fsys, "jobs", &hostlib.Host{})
	l.Marks = sqlstore.Marks
	return l.Check("a", "a.lua", nil)
}

// TestCheckTakesWhateverThereIs looks at scripts that end anywhere, or in which a line
// is missing: there is something to tell or nothing, and no fault.
func TestCheckTakesWhateverThereIs(t *testing.T) {
	t.Parallel()
	all := texts(t)
	n := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !strings.Contains(name, "jobs/") && !strings.Contains(name, "lua_") {
			continue
		}
		lines := strings.SplitAfter(all[name], "\n")
		for i := range lines {
			left := strings.Join(lines[:i], "")
			if i%2 == 1 {
				left = strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
			}
			if i%4 < 2 {
				for _, p := range check(left) {
					if n++; strings.Contains(p.Message, "a fault of") {
						t.Errorf("%s: %s\n%s", name, p.Text(), left)
					}
				}
			}
		}
	}
	if n < 300 {
		t.Errorf("only %d problems", n)
	}
}

// TestCheckRunsNoHook: neither does it run what only a hook calls.
func TestCheckRunsNoHook(t *testing.T) {
	t.Parallel()
	found := check("local function spin()\n  while true do\n  end\nend\n\nfunction consume(ctx, item)\n  spin()\nend\n")
	if len(found) > 0 {
		t.Errorf("found %v", found[0].Text())
	}
}

// TestCheckTellsColumns: those of the argument, the setting, the name.
func TestCheckTellsColumns(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"job{every = \"1h\", priority = \"é\", evry = 1}":                "jobs/a.lua:1:19: job: priority: got string, wanted int",
		"job({every = \"1h\"}, {timeout = \"x\"})":                       "jobs/a.lua:1:22: job: timeout",
		"job({\n  needs = {\n    \"x\",\n  },\n})":                       "jobs/a.lua:2:3: job: needs",
		"local a, b = 1, http.gett(\"https://é.example\")":               "jobs/a.lua:1:22: http has no",
		"print(\"é\", undefined_thing)":                                  "jobs/a.lua:1:12: undefined: undefined_thing",
		"local db2 = db\nlocal f = function() return db2.quer(\"\") end": "jobs/a.lua:2:33: db has no",
	} {
		var told []string
		for _, p := range check(source + "\nfunction consume(ctx, item) end\n") {
			told = append(told, p.Text())
		}
		if !strings.Contains(strings.Join(told, "\n"), want) {
			t.Errorf("%s:\ngot  %s\nwant %s", source, fmt.Sprint(told), want)
		}
	}
}

// TestCheckKnowsWhichTablesChange: of those that may, nothing is told.
func TestCheckKnowsWhichTablesChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setup, url string
		wrong      bool
	}{
		{`local T = {urls = {}} T.urls.main = "https://example.org/"`, "T.urls.main", false},
		{`local T = {{}} for _, s in ipairs(T) do s.url = "https://example.org/" end`, "T[1].url", false},
		{`local T = {{url = 1}} for _, s in ipairs(T) do s.url = "https://example.org/" end`, "T[1].url", false},
		{`local T = {{url = 1}} for s in iter.take(T, 1) do s.url = "https://example.org/" end`, "T[1].url", false},
		{`local T = {} local other = T other.url = "https://example.org/"`, "T.url", false},
		{`local T = {u = {main = 1}} local other = T.u other.main = "https://example.org/"`, "T.u.main", false},
		{`local T = {u = 1} local list = {T} list[1].u = "https://example.org/"`, "T.u", false},
		{`local T = {u = {1}} table.insert(T.u, 1, "https://example.org/")`, "T.u[1]", false},
		{`local T = {a = {}} local function fill(t) t.url = "https://example.org/" end fill(T.a)`, "T.a.url", false},
		{`local T = {u = 1} local function get() return T end get().u = "https://example.org/"`, "T.u", false},
		{`local T = {u = 1}`, "T.u", true},
		{`local T = {u = 1} local a, b, c = T.u, #T, not T`, "T.u", true},
		{`local T = {u = {main = 1}} for k, v in pairs(T) do local _ = k .. v.main end`, "T.u.main", true},
		{`local T = {u = {main = 1}} local a, b = iter.take(T.u, 1), json.encode({T})`, "T.u.main", true},
	} {
		found := false
		for _, p := range check("job({needs = {\"http:example.org\"}})\n" + c.setup + "\nfunction consume(ctx, item)\n  log.info(http.get(" + c.url + ").text)\nend\n") {
			found = found || strings.Contains(p.Text(), "http.get: url: got")
		}
		if found != c.wrong {
			t.Errorf("%s: %s: told %t, want %t", c.setup, c.url, found, c.wrong)
		}
	}
	const job = "local h = require(\"_h\")\njob({needs = {\"http:example.org\"}})\nfunction consume(ctx, item)\n  log.info(http.get(h.urls.main).text)\nend\n"
	for set, wrong := range map[string]bool{"": true, "M.urls.main = \"https://example.org/\"": false, "M.n.main = 2": true} {
		found := check(job, "local M = {urls = {main = 1}, n = {}}\n"+set+"\nreturn M\n")
		if told := len(found) == 1 && strings.Contains(found[0].Text(), "http.get: url: got"); told != wrong || !told && len(found) > 0 {
			t.Errorf("%q: told %v", set, found)
		}
	}
}

// TestCheckOfLongChainsEnds looks at names each of which has the one before twice.
func TestCheckOfLongChainsEnds(t *testing.T) {
	t.Parallel()
	for first, step := range map[string]string{
		"item": "x%[2]d + x%[2]d", `"a"`: "x%[2]d .. x%[2]d", `"b"`: `string.format("%%s%%s", x%[2]d, x%[2]d)`, "{item}": "{x%[2]d, x%[2]d}",
	} {
		source := "job{}\n\nfunction consume(ctx, item)\n  local x0 = " + first + "\n"
		for i := range 60 {
			source += fmt.Sprintf("  local x%[1]d = "+step+"\n", i+1, i)
		}
		for _, p := range check(source + "  return x60\nend\n") {
			t.Errorf("%s: %s", step, p.Text())
		}
	}
}
