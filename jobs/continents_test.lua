-- Tests of continents.lua: run them by dsengine test continents.

local PATH = "testdata/world.xml"

local WORLD = [[
<?xml version="1.0" encoding="UTF-8"?>
<world>
  <continent code="AF" name="Africa">
    <country code="AO"><name>Angola</name></country>
    <country code="NA"><name>Namibia</name></country>
  </continent>
  <continent code="AN" name="Antarctica"/>
</world>
]]

function test_each_continent_is_counted(t)
  t.file(PATH, WORLD)
  t.eq(t.run().result, {continents = 2, countries = 2})
  t.eq(t.table("continents"), {
    {code = "AF", name = "Africa", countries = 2, longest = "Namibia"},
    {code = "AN", name = "Antarctica", countries = 0, longest = null},
  })
end

function test_a_second_run_changes_nothing(t)
  t.file(PATH, WORLD)
  t.run()
  local stats = t.run().stats
  t.eq(stats.inserted, 0)
  t.eq(stats.unchanged, 2)
end

function test_a_file_that_is_cut_off_fails_the_job(t)
  t.file(PATH, WORLD:sub(1, 120))
  t.matches(t.run(nil, {expect = "failed"}).error.code, "xml")
end
