package luascript_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/dsengine/dsengine/scripting/luascript"
)

func TestAHookRuns(t *testing.T) {
	w := world.New(t)
	w.Lua("job", `
-- Does a thing.
local check = require("lib/check")
job({timeout = "1m"}, {every = "1h"})
function consume(ctx, item)
  check.eq(item.a, 1)
  check.eq(ctx.id > 0, true)
  log.info("hello " .. item.a, {b = 2})
  for i, s in iter.enumerate({"a", "b"}) do log.info(s, {i = i}) end
  return {rows = item.a + 1, list = {1, 2, null}}
end
`)
	j := w.Do("job", `{"a": 1}`)
	if j.Error != nil || string(j.Result) != `{"rows":2,"list":[1,2,null]}` {
		t.Errorf("got %s, %+v", j.Result, j.Error)
	}
	if got := strings.Join(w.Logs(j.ID), "\n"); got != "info hello 1 {\"b\":2}\ninfo a {\"i\":0}\ninfo b {\"i\":1}" {
		t.Errorf("logs:\n%s", got)
	}
}

// An interpreter serves one hook after the other, until one ends badly: then it is thrown
// away. Coverage tells how often the top level ran, which is once in each.
func TestInterpretersAreUsedAgainUntilAHookFails(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	l := luascript.NewLoader(fstest.MapFS{"job.lua": {Data: []byte(`job({steps = 100000})
function consume(ctx, item)
  if item == "error" then error("no") end
  if item == "steps" then while true do end end
  if item == "caught" then pcall(error, "no") end
  if item == "coroutine" then coroutine.create(function() end) end
end
`)}}, "jobs", w.Host)
	l.Coverage = true
	typ, errs := l.Load("job", "job.lua")
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	typ.Settings.Retry.Max = 1
	w.Add(typ)
	opened := func() uint64 {
		for _, p := range l.Covered(func(string) bool { return true })[0].Parts {
			if p.Start.Line == 1 {
				return p.Count
			}
		}
		t.Fatal("the top level is not counted")
		return 0
	}
	after := func(item string) (made uint64) {
		const jobs = 40
		before := opened()
		for range jobs {
			w.Enqueue(engine.NewJob{Type: "job", Payload: engine.Raw(`"` + item + `"`)})
		}
		w.Run()
		return opened() - before
	}
	for item, wasted := range map[string]bool{"": false, "caught": false, "error": true, "steps": true, "coroutine": true} {
		made := after(item)
		if wasted && made < 36 || !wasted && made > 20 && !raceDetector { // four run at a time; the pool lets go of some by itself, of many with the race detector
			t.Errorf("40 hooks with %q: %d interpreters were made", item, made)
		}
	}
}

func TestAHelperFileThatReturnsNothingIsItsGlobals(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	// One interpreter is used by one hook at a time: two make a second one.
	w.Lua("job", `local one = require("lib/globals")
other = require("lib/globals")
function consume(ctx, item)
  return {one.double(item), other.double(item), (pcall(function() one.double = nil end)), tostring(one.double(1)), rawequal(one, other)}
end
`)
	w.Lua("after", "function consume(ctx, item)\n  return {tostring(item), null}\nend\n")
	for range 3 {
		if j := w.Do("job", "2"); string(j.Result) != `[4,4,false,"2",true]` {
			t.Fatalf("%s %+v", j.Result, j.Error)
		}
		if j := w.Do("after", "1"); string(j.Result) != `["1",null]` {
			t.Fatalf("%s %+v", j.Result, j.Error)
		}
	}
}
