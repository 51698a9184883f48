package luascript_test

import (
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// A pcall undoes what was written in it alone: what others write while a coroutine waits
// in it stays, or is refused where it could not.
func TestAPcallThatACoroutineWaitsInUndoesWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	const (
		// gen yields what each file has, within pcall; want is what it does before.
		generator = `
  local function rows_of(before)
    return coroutine.wrap(function()
      for _, path in ipairs({"in/a.csv", "in/b.csv", "in/c.csv"}) do
        local ok, err = pcall(function()
          for r in csv.read(path) do
            before(r)
            coroutine.yield(tonumber(r.id) or error("bad id " .. r.id))
          end
        end)
        if not ok then log.warn(err.message) end
      end
    end)
  end
  local function nothing() end
  local function insert(id) db.insert("t", {{id = id}}) end
`
		waits = "a coroutine waits within pcall where it has written something: what is written outside of it now would be undone with that. Resume it until that pcall has ended, or write outside of it, where its values are taken"
	)
	world.Each(t, func(t *testing.T, w *world.World) {
		w.File("in/a.csv", "id\n1\n2\n")
		w.File("in/b.csv", "id\n3\nx\n")
		w.File("in/c.csv", "id\n4\n")
		w.Lua("look", "function consume(ctx, item) return table.concat(vars.keys(), \" \") end\n")
		for _, c := range []struct{ name, body, want, rows, vars string }{
			{"a generator that writes nothing", `
  for id in rows_of(nothing) do
    insert(id)
    vars.set("s" .. id, id)
    ctx.count("seen")
  end`, "", "1 2 3 4", "s1 s2 s3 s4"},
			{"a loop that writes within pcall of its own", `
  for id in rows_of(nothing) do
    pcall(function()
      insert(id)
      vars.set("s" .. id, id)
      if id == 3 then error("no") end
    end)
  end`, "", "1 2 4", "s1 s2 s4"},
			{"a checkpoint", `
  for id in rows_of(nothing) do
    insert(id)
    ctx.checkpoint({at = id})
  end`, "", "1 2 3 4", ""},
			{"the rows of a write", `local f = rows_of(nothing)
  db.insert("t", iter.map(function() return {id = f()} end, {1, 2, 3, 4}))`, "", "1 2 3 4", ""},
			{"what a generator has written is undone with it", `
  local f = rows_of(function(r) insert(10 + (tonumber(r.id) or 0)) end)
  while f() do end`, "", "11 12 14", ""},
			{"a generator that has written, and is left", `
  vars.set("before", 1)
  rows_of(function(r) insert(10 + r.id) end)()`, "", "11", "before"},
			{"a row", `for id in rows_of(function(r) vars.set("s", r.id) end) do insert(id) end`, waits, "", ""},
			{"a variable", `for id in rows_of(function(r) insert(10) end) do vars.set("s", 1) end`, waits, "", ""},
			{"a count", `for id in rows_of(function(r) insert(10) end) do ctx.count("seen") end`, waits, "", ""},
			{"an item", `for id in rows_of(function(r) insert(10) end) do ctx.enqueue("job", {}) end`, waits, "", ""},
			{"a reject", `for id in rows_of(function(r) insert(10) end) do reject({id = id}, "bad") end`, waits, "", ""},
			{"a mark", `for id in rows_of(function(r) insert(10) end) do records.mark("r", id, {id = id}) end`, waits, "", ""},
			{"a commit", `for id in rows_of(function(r) insert(10) end) do ctx.checkpoint() end`, waits, "", ""},
			{"rows of a generator that writes", `local f = rows_of(function(r) vars.set("s", r.id) end)
  db.insert("t", iter.map(function() return {id = f()} end, {1, 2, 3, 4}))`, waits, "", ""},
			{"a pcall that ends around it", `
  local f = rows_of(function(r) insert(10) end)
  pcall(function() insert(1) f() end)`, waits, "", ""},
			{"a coroutine that goes on within another pcall", `
  local f = rows_of(function(r) insert(10 + r.id) end)
  f()
  pcall(f)`, waits, "", ""},
			{"two that work in turn", `
  local function worker(from, fails)
    return coroutine.wrap(function()
      return (pcall(function()
        for id = from, from + 2 do coroutine.yield(id) end
        insert(from)
        if fails then error("bad") end
      end))
    end)
  end
  local a, b = worker(10), worker(20, true)
  for _ = 1, 4 do a() b() end
  insert(30)`, "", "10 30", ""},
			{"two that write in turn", `
  local function worker(from)
    return coroutine.wrap(function()
      pcall(function() for id = from, from + 2 do insert(id) coroutine.yield(id) end end)
    end)
  end
  local a, b = worker(10), worker(20)
  a() b()`, waits, "", ""},
			{"what is refused is not caught", `for id in rows_of(function(r) insert(10) end) do pcall(insert, id) end`, waits, "", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				w.Forget("job")
				w.Lua("job", "job({needs = {\"files:in/*\"}, retry = retry({max = 1})})\nfunction consume(ctx, item)"+generator+"  db.ensure(\"t\", {id = \"integer\"}, {key = {\"id\"}})\n  db.exec(\"DELETE FROM t\")\n  for _, name in ipairs(vars.keys()) do vars.delete(name) end\n  ctx.checkpoint()\n  "+c.body+"\nend\n")
				j := w.Do("job", "1")
				got := ""
				if j.Error != nil {
					got = j.Error.Message
				}
				if !strings.Contains(got, c.want) || c.want == "" && got != "" || (j.Status == engine.StatusCompleted) != (c.want == "") {
					t.Errorf("it is %s: %s\nwant %s", j.Status, got, c.want)
				}
				if got := strings.Join(strings.Fields(w.Query("SELECT id FROM t ORDER BY id")), " "); got != c.rows {
					t.Errorf("rows: got %s, want %s", got, c.rows)
				}
				if got := strings.Join(strings.Fields(strings.Trim(string(w.Do("look", "1").Result), `"`)), " "); got != c.vars {
					t.Errorf("vars: got %s, want %s", got, c.vars)
				}
			})
		}
	})
}
