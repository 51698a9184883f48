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
