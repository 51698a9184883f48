package scripting_test

import (
	"fmt"
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
