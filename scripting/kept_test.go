package scripting_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// eachWay runs a test of a job in both languages, on each store.
func eachWay(t *testing.T, star, lua string, run func(t *testing.T, w *world.World)) {
	t.Helper()
	for _, language := range []string{"starlark", "lua"} {
		t.Run(language, func(t *testing.T) {
			world.Each(t, func(t *testing.T, w *world.World) {
				if language == "lua" {
					w.Lua("job", lua)
				} else {
					w.Script("job", star)
				}
				run(t, w)
			})
		})
	}
}

// rejected are the rejects of the type job, "where row: reason".
func rejected(t *testing.T, w *world.World) []string {
	t.Helper()
	var list []string
	if err := w.Store.Rejects(t.Context(), engine.RejectFilter{}, func(r *engine.Reject) bool {
		where := "-"
		if r.Source != nil {
			where = *r.Source
		}
		if r.Line != nil {
			where += fmt.Sprintf(":%d", *r.Line)
		}
		list = append(list, fmt.Sprintf("%s %s: %s", where, r.Row, r.Reason))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// advice is what messages say beside of what is wrong.
var advice = regexp.MustCompile(`: db\.upsert\(.* \(the database says: [^()]*\)`)

func plain(list []string) []string {
	for i := range list {
		list[i] = advice.ReplaceAllString(list[i], "")
	}
	return list
}

func isSame(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// TestDecimalsKeepTheirValue has a hook keep decimals in all ways that there are, and
// redrives those that it rejects.
func TestDecimalsKeepTheirValue(t *testing.T) {
	t.Parallel()
	eachWay(t, `
job(rejects = "all")
d = decimal.of("12345678901234567.8900")
columns = {"id": "integer", "price": "decimal(21,4)"}
def produce(ctx):
    ctx.emit({"d": d})
    ctx.emit_all([{"d": d}])
def consume(ctx, item):
    db.ensure("prices", columns, key = ["id"])
    db.upsert("prices", [{"id": 1, "price": item["d"]}], key = ["id"])
    state.set("d", d)
    vars.set("d", {"d": [d]})
    ctx.checkpoint(d)
    reject({"id": 1, "price": d}, "by reject")
    reject(db.one("SELECT id + 1 AS id, price FROM prices"), "of a column")
    db.insert("prices", [{"id": 1, "price": d}], on_bad = "reject")
    db.insert("prices", [{"id": 1, "price": [d]}], on_bad = "reject")
    return [d, item["d"], state.get("d"), vars.get("d")["d"][0]]
def finish(ctx, summary):
    return [r for r in summary.results]
def redrive(ctx, rows):
    db.ensure("again", columns, key = ["id"])
    db.upsert("again", [{"id": r["id"], "price": decimal.of(r["price"]) + 1} for r in rows if type(r["price"]) == "string"], key = ["id"])
`, `
job({rejects = "all"})
local d = decimal.of("12345678901234567.8900")
local columns = {id = "integer", price = "decimal(21,4)"}
function produce(ctx)
  ctx.emit({d = d})
  ctx.emit_all({{d = d}})
end
function consume(ctx, item)
  db.ensure("prices", columns, {key = {"id"}})
  db.upsert("prices", {{id = 1, price = item.d}}, {key = {"id"}})
  state.set("d", d)
  vars.set("d", {d = {d}})
  ctx.checkpoint(d)
  reject({id = 1, price = d}, "by reject")
  reject(db.one("SELECT id + 1 AS id, price FROM prices"), "of a column")
  db.insert("prices", {{id = 1, price = d}}, {on_bad = "reject"})
  db.insert("prices", {{id = 1, price = {d}}}, {on_bad = "reject"})
  return {d, item.d, state.get("d"), vars.get("d").d[1]}
end
function finish(ctx, summary) return list(summary.results) end
function redrive(ctx, rows)
  db.ensure("again", columns, {key = {"id"}})
  local out = {}
  for r in rows do
    if type(r.price) == "string" then table.insert(out, {id = r.id, price = decimal.of(r.price) + 1}) end
  end
  db.upsert("again", out, {key = {"id"}})
end
`, func(t *testing.T, w *world.World) {
		const d = `"12345678901234567.8900"`
		id := w.Enqueue(engine.NewJob{Type: "job"})
		w.Run()
		one := "[" + d + "," + d + "," + d + "," + d + "]"
		isSame(t, "result", "["+one+","+one+"]", string(w.Job(id).Result))
		v, err := w.Store.Variable(t.Context(), engine.Scope{}, "d")
		if err != nil || string(v.Value) != `{"d":[`+d+`]}` {
			t.Errorf("variable: got %s, %v", v.Value, err)
		}
		var rows []string
		for _, r := range rejected(t, w) {
			row, _, _ := strings.Cut(r, ": ")
			rows = append(rows, row)
		}
		each := []string{`- {"id":1,"price":` + d + `}`, `- {"id":2,"price":` + d + `}`, `- {"id":1,"price":` + d + `}`, `- {"id":1,"price":[` + d + `]}`}
		isSame(t, "rejects", append(each, each...), rows)
		if _, err := w.Engine.Redrive(t.Context(), engine.RedriveRequest{Type: "job"}); err != nil {
			t.Fatal(err)
		}
		w.Run()
		isSame(t, "redriven", "1|12345678901234568.8900\n2|12345678901234568.8900\n", w.Query("SELECT id, CAST(price AS CHAR) FROM again ORDER BY id"))
	})
}

// TestRejectsAreToldAlike has a reader, writers and the script set rows aside: what is kept
// of them has one form, and comes back as it was.
func TestRejectsAreToldAlike(t *testing.T) {
	t.Parallel()
	eachWay(t, `
job(needs = ["files:*.csv"], rejects = "all")
columns = {"id": "integer", "data": "bytes"}
def raw(r):
    return {"id": r["id"], "data": b"\x00\xff"}
def consume(ctx, item):
    db.ensure("things", columns, key = ["id"])
    rows = lambda: csv.read("in.csv", encoding = "windows-1252", on_bad = "reject")
    db.insert("things", iter.map(raw, rows()), on_bad = "reject")
    for r in csv.read("other.csv"):
        _, err = catch(db.insert, "things", [raw(r)])
        reject(raw(r), err)
def redrive(ctx, rows):
    db.ensure("again", columns)
    db.insert("again", [r for r in rows if "data" in r], on_bad = "reject")
`, `
job({needs = {"files:*.csv"}, rejects = "all"})
local columns = {id = "integer", data = "bytes"}
local function raw(r) return {id = r.id, data = "\0\255"} end
function consume(ctx, item)
  db.ensure("things", columns, {key = {"id"}})
  local function rows() return csv.read("in.csv", {encoding = "windows-1252", on_bad = "reject"}) end
  db.insert("things", iter.map(raw, rows()), {on_bad = "reject"})
  for r in csv.read("other.csv") do
    local _, err = catch(db.insert, "things", {raw(r)})
    reject(raw(r), err)
  end
end
function redrive(ctx, rows)
  db.ensure("again", columns)
  db.insert("again", iter.filter(function(r) return type(r) == "table" and r.data ~= nil end, rows), {on_bad = "reject"})
end
`, func(t *testing.T, w *world.World) {
		w.File("in.csv", "id\n1\n2,x\n3y\n4\"z\n\x81\n1\n")
		w.File("other.csv", "id\n1\n")
		if j := w.Do("job", "1"); j.Error != nil {
			t.Fatal(j.Error)
		}
		isSame(t, "rejects", []string{
			`in.csv:3 {"id":"2","_more":["x"]}: got 2 fields, wanted 1 (csv.fields)`,
			`in.csv:5 "4\"z": column 2: a quote (") inside a field that does not begin with one (csv.syntax)`,
			`in.csv:6 {"_text":"` + "\uFFFD" + `","_bytes":"gQ=="}: it has bytes that mean nothing in windows-1252; say which encoding it has (file.encoding)`,
			`in.csv:4 {"id":"3y","data":{"_bytes":"AP8="}}: column id is of type integer and cannot hold "3y": it is not of that type, or out of its range (db.value)`,
			`in.csv:7 {"id":"1","data":{"_bytes":"AP8="}}: table things has a row with id = "1" already (db.duplicate)`,
			`other.csv:2 {"id":"1","data":{"_bytes":"AP8="}}: db.insert: row 1: table things has a row with id = "1" already (db.duplicate)`,
		}, plain(rejected(t, w)))
		if _, err := w.Engine.Redrive(t.Context(), engine.RedriveRequest{Type: "job"}); err != nil {
			t.Fatal(err)
		}
		w.Run()
		isSame(t, "redriven", "1|00FF\n1|00FF\n", w.Query("SELECT id, HEX(data) FROM again"))
		again := rejected(t, w)
		isSame(t, "rejected again", again[3], again[len(again)-1])
	})
}

// TestRejectsOfStreamsAreNotTakenForKnown has two streams, which have no names, with a row
// in the same line that the database refuses: the second one after a checkpoint.
func TestRejectsOfStreamsAreNotTakenForKnown(t *testing.T) {
	t.Parallel()
	eachWay(t, `
job(rejects = "all", retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    db.ensure("numbers", {"n": "integer"})
    if not ctx.position:
        db.insert("numbers", csv.read(["n\n", "x\n"]), on_bad = "reject")
        ctx.checkpoint("half")
        error("later")
    db.insert("numbers", csv.read(["n\n", "y\n"]), on_bad = "reject")
`, `
job({rejects = "all", retry = retry({max = 2, first = "1ms"})})
function consume(ctx, item)
  db.ensure("numbers", {n = "integer"})
  if not ctx.position then
    db.insert("numbers", csv.read({"n\n", "x\n"}), {on_bad = "reject"})
    ctx.checkpoint("half")
    error("later")
  end
  db.insert("numbers", csv.read({"n\n", "y\n"}), {on_bad = "reject"})
end
`, func(t *testing.T, w *world.World) {
		w.Do("job", "1")
		isSame(t, "rejects", 2, len(rejected(t, w)))
	})
}
