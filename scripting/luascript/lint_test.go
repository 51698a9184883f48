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

func check(source string) []*hostlib.Problem {
	fsys := fstest.MapFS{"a.lua": {Data: []byte(source)}}
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
