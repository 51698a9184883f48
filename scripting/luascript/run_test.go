package luascript_test

import (
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
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
	t.Log(string(j.Result), j.Error, w.Logs(j.ID))
}

func TestAHelperFileThatReturnsNothingIsItsGlobals(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	// One interpreter is used by one hook at a time: two make a second one.
	w.Lua("job", `local one = require("lib/globals")
other = require("lib/globals")
function consume(ctx, item)
  return {one.double(item), other.double(item), (pcall(function() one.double = nil end)), tostring(one.double(1))}
end
`)
	w.Lua("after", "function consume(ctx, item)\n  return {tostring(item), null}\nend\n")
	for range 3 {
		if j := w.Do("job", "2"); string(j.Result) != `[4,4,false,"2"]` {
			t.Fatalf("%s %+v", j.Result, j.Error)
		}
		if j := w.Do("after", "1"); string(j.Result) != `["1",null]` {
			t.Fatalf("%s %+v", j.Result, j.Error)
		}
	}
}
