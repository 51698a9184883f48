-- Import BASE from CSV files.
--
-- Rows of the files in incoming/NAME/ go into the table TABLE, by id.

job{
  every = "15m", -- look for new files
  needs = {"files:incoming/NAME/*.csv"}, -- what it may touch; all else is refused
  rejects = "10%", -- so many rows may be bad before the job fails
}

local COLUMNS = {id = "integer", name = "text", amount = "float"}

function produce(ctx)
  for _, f in ipairs(files.list("incoming/NAME/*.csv")) do
    -- The key holds the time of the last change, and counts for ever: the same
    -- version of a file is imported once, however often the job fires.
    ctx.emit({path = f.path}, {key = f.path .. "@" .. f.modified, unique = "forever"})
  end
end

function consume(ctx, item)
  write(ctx, csv.read(item.path))
end

function redrive(ctx, rows)
  -- Rows that were rejected, once the script is mended: dsengine rejects redrive --type NAME
  write(ctx, rows)
end

function write(ctx, rows)
  db.ensure("TABLE", COLUMNS, {key = {"id"}})

  -- Each pass commits its rows, and how far it is: after a crash the loop goes on
  -- with the batch that was not committed.
  for batch in ctx.batches(rows, 1000) do
    local good = {}
    for _, row in ipairs(batch) do
      local values = clean(row)
      if values then
        table.insert(good, values)
      end
    end
    db.upsert("TABLE", good, {key = {"id"}})
  end
end

function clean(row)
  -- What cannot be read is set aside, and the rest goes on: dsengine rejects list.
  local values, err = catch(parse, row)
  if err then
    reject(row, err)
    return nil
  end
  return values
end

function parse(row)
  -- CSV knows text only.
  local id, amount = tonumber(row.id), tonumber(row.amount)
  if not id or not amount then
    error("id " .. row.id .. ", amount " .. row.amount .. ": wanted numbers")
  end
  return {id = id, name = string.match(row.name, "^%s*(.-)%s*$"), amount = amount}
end

function fail(ctx, item, err)
  if err.final then
    log.error("gave up", {item = item, why = err.message})
  end
end
