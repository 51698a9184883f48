-- Count the countries of each continent in testdata/world.xml.
--
-- An example in Lua of items: produce makes one of each continent, consume works on
-- them, as many at a time as there are slots, and finish adds up. It fires by itself
-- never; run it with
--
--     dsengine run --once continents
--
-- Rows go into the table continents, by code.

local FILE = "testdata/world.xml"

job({
  timeout = "10m",
  retry = retry({max = 3, first = "10s"}),
  needs = {"files:" .. FILE},
})

function produce(ctx)
  -- Elements come one by one, each with what is in it, so the file may be large. An
  -- item is data: what of an element is needed, and not the element.
  for continent in xml.stream(FILE, "world/continent") do
    local names = json.array() -- {} alone would be an object where it stays empty
    for _, country in ipairs(continent:find_all("country")) do
      table.insert(names, country:get("name"))
    end
    ctx.emit({code = continent:attr("code"), name = continent:attr("name"), countries = names}, {key = continent:attr("code")})
  end
end

function consume(ctx, item)
  db.ensure("continents", {code = "text(2)", name = "text", countries = "integer", longest = "text"}, {key = {"code"}})

  local longest = ""
  for _, name in ipairs(item.countries) do
    if #name > #longest then -- the first of those that are equally long, in bytes
      longest = name
    end
  end

  -- null is NULL; nil would leave the column out of the row.
  local row = {code = item.code, name = item.name, countries = #item.countries, longest = longest ~= "" and longest or null}
  db.upsert("continents", {row}, {key = {"code"}})
  return #item.countries -- its result, which finish gets
end

function finish(ctx, summary)
  if summary.failed > 0 then
    log.warn("not all continents are counted", {failed = summary.failed, of = summary.total})
  end
  return {continents = summary.completed, countries = math.sum(summary.results)}
end
