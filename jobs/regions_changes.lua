-- Import what has changed in testdata/regions.csv, and take away what is gone.
--
-- An example in Lua: it fires by itself never; run it with
--
--     dsengine run --once regions_changes
--
-- Rows go into the table region_directory, by code. The first run writes all of
-- them; one that finds the file as it was writes none.

local FILE = "testdata/regions.csv"

-- What is given by name comes in a table after the other arguments.
job({
  timeout = "10m",
  needs = {"files:" .. FILE},
})

local COLUMNS = {
  code = "text",
  local_code = "text(10)",
  name = "text",
  iso_country = "text(2)",
}

-- What the directory shows. A change of anything else, such as a link, is none here.
local SHOWN = {"code", "local_code", "name", "iso_country"}

local function shown(row)
  local out = {}
  for _, name in ipairs(SHOWN) do
    out[name] = row[name] -- null where the file has nothing; local_code stays text: "02" is not 2
  end
  return out
end

function consume(ctx, item)
  db.ensure("region_directory", COLUMNS, {key = {"code"}})

  -- Of each region a hash of those columns was kept when it was imported last; only
  -- rows that have another one come out of here. whole = true: the file is all there
  -- is, so what is not in it is missing, see below.
  local rows = csv.read(FILE, {nulls = {""}})
  local changed = records.changed(FILE, rows, {key = "code", fields = SHOWN, whole = true})

  -- The new hashes commit with the rows, batch by batch: after a crash, what was not
  -- written is changed still.
  for batch in ctx.batches(changed, 1000) do
    -- iter.map calls shown for each row, while upsert asks for it.
    db.upsert("region_directory", iter.map(shown, batch), {key = {"code"}})
  end

  -- If more than a tenth of the regions were missing, this would be an error: that is
  -- half a file, not a day on which thousands of regions end.
  for batch in ctx.batches(records.missing(FILE, {max_missing = "10%"}), 1000) do
    local gone = {}
    for i, m in ipairs(batch) do
      gone[i] = m.key
      db.exec("DELETE FROM region_directory WHERE code = ?", m.key)
    end
    records.forget(FILE, gone)
    ctx.count("gone", #gone)
  end
end
