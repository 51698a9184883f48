-- Tests of regions_changes.lua: run them by dsengine test regions_changes.

local PATH = "testdata/regions.csv"
local HEAD = "id,code,local_code,name,continent,iso_country,wikipedia_link,keywords\n"

-- line is one of the file.
local function line(code, name, link)
  return "1," .. code .. "," .. code:sub(4) .. "," .. name .. ",EU,NO," .. (link or "") .. ",\n"
end

local function regions(t)
  local names = {}
  for i, r in ipairs(t.table("region_directory", {order_by = "code"})) do
    names[i] = r.code .. " " .. r.name
  end
  return names
end

function test_regions_are_imported_with_their_zeros(t)
  t.file(PATH, HEAD .. line("NO-02", "Akershus"))
  t.run()
  t.eq(t.table("region_directory"), {{code = "NO-02", local_code = "02", name = "Akershus", iso_country = "NO"}})
end

function test_only_what_has_changed_is_written(t)
  t.file(PATH, HEAD .. line("NO-02", "Akershus") .. line("NO-03", "Oslo"))
  t.eq(t.run().stats.inserted, 2)
  t.file(PATH, HEAD .. line("NO-02", "Akershus", "https://example.com/new") .. line("NO-03", "Christiania"))
  local stats = t.run().stats
  t.eq(stats.updated, 1)
  t.eq(regions(t), {"NO-02 Akershus", "NO-03 Christiania"})
end

function test_what_is_gone_is_taken_away(t)
  local all = {}
  for i = 10, 29 do
    all[#all + 1] = line("NO-" .. i, "Region " .. i)
  end
  t.file(PATH, HEAD .. table.concat(all))
  t.run()
  table.remove(all)
  t.file(PATH, HEAD .. table.concat(all))
  t.eq(t.run().stats.gone, 1)
  t.eq(#regions(t), 19)
end

function test_half_a_file_takes_nothing_away(t)
  t.file(PATH, HEAD .. line("NO-02", "Akershus") .. line("NO-03", "Oslo"))
  t.run()
  t.file(PATH, HEAD .. line("NO-02", "Akershus"))
  t.run(nil, {expect = "failed"})
  t.eq(#regions(t), 2)
end
