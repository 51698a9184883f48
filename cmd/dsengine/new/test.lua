-- Tests of NAME.lua: run them by dsengine test NAME.

local script = require("NAME")

local FILE = "id,name,amount\n1, Ada ,10.5\n2,Grace,20\n"

function test_a_row_is_read(t)
  for _, c in ipairs({
    {row = {id = "7", name = " Ada ", amount = "10.5"}, want = {id = 7, name = "Ada", amount = 10.5}},
    {row = {id = "8", name = "", amount = "-1"}, want = {id = 8, name = "", amount = -1}},
  }) do
    t.case("row " .. c.row.id, function() t.eq(script.parse(c.row), c.want) end)
  end
  t.fails(function() script.parse({id = "x", name = "", amount = "1"}) end, "wanted numbers")
end

function test_a_file_is_imported_once(t)
  t.file("incoming/NAME/a.csv", FILE)
  t.eq(t.run().stats.inserted, 2)
  t.eq(t.table("TABLE"), {
    {id = 1, name = "Ada", amount = 10.5},
    {id = 2, name = "Grace", amount = 20},
  })

  -- The job fires again, and finds nothing new.
  t.eq(t.run().children.completed, 0)
end

function test_a_file_that_has_changed_is_imported_again(t)
  t.file("incoming/NAME/a.csv", FILE)
  t.run()
  t.clock.advance("1m")
  t.file("incoming/NAME/a.csv", (string.gsub(FILE, "Grace", "Edsger")))
  t.clock.advance("15m") -- the schedule fires
  t.eq(names(t.table("TABLE")), {"Ada", "Edsger"})
end

function test_bad_rows_are_set_aside(t)
  local rows = {}
  for id = 3, 29 do
    table.insert(rows, id .. ",Name,1\n")
  end
  t.file("incoming/NAME/a.csv", FILE .. "x,Nobody,1\n" .. table.concat(rows))
  t.eq(t.run().stats.inserted, 29)
  local rejects = t.rejects()
  t.eq(#rejects, 1)
  t.eq(rejects[1].row.name, "Nobody")
end

function test_rejected_rows_are_redriven(t)
  -- Rows as they were rejected; t.redrive() takes those of the test's own jobs.
  local r = t.redrive({{id = "7", name = "Ada", amount = "10.5"}, {id = "x", name = "Nobody", amount = "1"}})
  t.eq(t.table("TABLE"), {{id = 7, name = "Ada", amount = 10.5}})
  t.eq(r.stats.rejected, 1) -- one that still cannot be read
end

function test_it_says_that_it_gives_up(t)
  -- The hook fail alone, for an attempt that failed so.
  t.fail({path = "a.csv"}, {message = "no", final = false})
  t.eq(t.logs(), {})
  t.fail({path = "a.csv"}, {message = "no", final = true})
  t.eq(t.logs()[1].message, "gave up")
end

function names(rows)
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = row.name
  end
  return list
end
