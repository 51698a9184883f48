package luascript_test

import (
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// An error of Lua itself is not tried again where another attempt would be given the
// same; it is, where what the hook was given may be otherwise then.
func TestWhatAnotherAttemptWouldMeetAgainIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "name,size\nA,x\nB,2\n")
	w.File("data/none.csv", "")
	for _, c := range []struct {
		name, body string
		attempts   int
	}{
		{"of the item", `local x = item.sub.name`, 1},
		{"a row", `for r in csv.read("data/n.csv") do local x = r.nmae + 1 end`, 1},
		{"a row of the last batch", `for rows in ctx.batches(csv.read("data/n.csv"), 10) do for _, r in ipairs(rows) do local x = r.nmae + 1 end end`, 1},
		{"after a write", `db.ensure("t", {id = "integer"})
  db.insert("t", {{id = 1}})
  local x = nil + 1`, 1},
		{"too many steps", `while true do end`, 1},
		{"too many steps behind what it asked", `local x = state.get("x") while true do end`, 2},
		{"too many steps behind a checkpoint", `if not ctx.position then ctx.checkpoint(1) end while true do end`, 2},
		{"a file that is empty yet", `local x = list(csv.read("data/none.csv"))[1].name`, 2},
		{"what the last batch does not have yet", `for rows in ctx.batches(csv.read("data/n.csv"), 10) do local x = rows[3].name end`, 2},
		{"what a write says", `db.ensure("t", {id = "integer"}, {key = {"id"}})
  local s = db.upsert("t", {{id = 1}}, {key = {"id"}})
  local x = nil + s.updated`, 2},
		{"state", `local x = state.get("x").name`, 2},
		{"an error of the script's own", `error("no")`, 2},
		{"an assertion", `assert(false, "no")`, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.Forget("job")
			w.Exec("DROP TABLE IF EXISTS t")
			w.Lua("job", "job({needs = {\"files:data/*\"}, steps = 20000, retry = retry({max = 2, first = \"1ms\"})})\nfunction consume(ctx, item)\n  "+c.body+"\nend\n")
			j := w.Do("job", `{"name": "A"}`)
			if j.Status != engine.StatusFailed || j.Attempt != c.attempts {
				t.Errorf("%s after %d attempts, want %d", j.Error.Message, j.Attempt, c.attempts)
			}
		})
	}
}
