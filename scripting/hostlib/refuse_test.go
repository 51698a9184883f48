package hostlib_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// TestARowThatCannotBeWrittenIsToldByItsKey runs the same in both languages, and looks at what is
// hinted at.
func TestARowThatCannotBeWrittenIsToldByItsKey(t *testing.T) {
	t.Parallel()
	const aside = `; on_bad = "reject" sets such rows aside`
	for _, c := range []struct{ star, lua, want string }{
		{`db.upsert("t", [{"id": 4, "at": "x"}, {"id": 5, "at": "long"}], key = ["id"])`,
			`db.upsert("t", {{id = 4, at = "x"}, {id = 5, at = "long"}}, {key = {"id"}})`,
			`db.upsert: row 2 (id = 5): column at is of type text(3) and cannot hold "long": it is longer than 3 characters` + aside},
		{`db.bulk("t", [{"id": 5, "at": "long"}], key = ["id"], mode = "upsert")`, `db.bulk("t", {{id = 5, at = "long"}}, {key = {"id"}, mode = "upsert"})`,
			`db.bulk: row 1 (id = 5): column at is of type text(3) and cannot hold "long": it is longer than 3 characters` + aside},
		{`db.merge("t", [{"id": 5, "at": "long"}], key = ["id"])`, `db.merge("t", {{id = 5, at = "long"}}, {key = {"id"}})`,
			`db.merge: row 1 (id = 5): column at is of type text(3) and cannot hold "long": it is longer than 3 characters` + aside},
		{`db.insert("t", [{"id": 5, "at": "long"}])`, `db.insert("t", {{id = 5, at = "long"}})`,
			`db.insert: row 1: column at is of type text(3) and cannot hold "long": it is longer than 3 characters` + aside},
		{`db.upsert("n", [{"a": "the-secret", "b": "` + strings.Repeat("y", 70) + `", "n": "x"}], key = ["a", "b"])`,
			`db.upsert("n", {{a = "the-secret", b = "` + strings.Repeat("y", 70) + `", n = "x"}}, {key = {"a", "b"}})`,
			`db.upsert: row 1 (a = "the-secret", b = "` + strings.Repeat("y", 60) + `"... (70 characters)): column n is of type integer and cannot hold "x": it is not of that type, or out of its range` + aside},
		{`list(csv.parse("a,b\n1,2,3\n"))`, `list(csv.parse("a,b\n1,2,3\n"))`, "csv.parse: the text, line 2: got 3 fields, wanted 2" + aside},
	} {
		w := world.New(t)
		w.Script("star", `
def consume(ctx, item):
    db.ensure("t", {"id": "integer", "at": "text(3)"}, key = ["id"])
    db.ensure("n", {"a": "text(20)", "b": "text(90)", "n": "integer"}, key = ["a", "b"])
    `+c.star)
		w.Lua("lua", `
function consume(ctx, item)
  db.ensure("t", {id = "integer", at = "text(3)"}, {key = {"id"}})
  db.ensure("n", {a = "text(20)", b = "text(90)", n = "integer"}, {key = {"a", "b"}})
  `+c.lua+`
end`)
		for _, name := range []string{"star", "lua"} {
			if j := w.Do(name, "1"); j.Error == nil || j.Error.Message != c.want {
				t.Errorf("%s: got  %+v\nwant %s", name, j.Error, c.want)
			}
		}
	}
}

// TestRowsThatTheDatabaseRefusesAreSetAside runs the same in both languages.
func TestRowsThatTheDatabaseRefusesAreSetAside(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"job.star": `job(needs = ["files:*"], rejects = %s)
def consume(ctx, item):
    db.ensure("t", {"id": "text(3)", "v": "integer"}, key = ["id"])
    s = db.upsert("t", csv.read("a.csv", nulls = [""]), key = ["id"], on_bad = "reject")
    return [s.inserted, s.rejected, db.value("SELECT group_concat(id) FROM t")]
`,
		"job.lua": `job({needs = {"files:*"}, rejects = %s})
function consume(ctx, item)
  db.ensure("t", {id = "text(3)", v = "integer"}, {key = {"id"}})
  local s = db.upsert("t", csv.read("a.csv", {nulls = {""}}), {key = {"id"}, on_bad = "reject"})
  return {s.inserted, s.rejected, db.value("SELECT group_concat(id) FROM t")}
end
`,
	} {
		for _, rejects := range []string{`"all"`, "2"} {
			w := world.New(t)
			w.File("a.csv", "id,v\na,1\nlong,2\n,3\nb,x\nc,4\n")
			if name == "job.lua" {
				w.Lua("job", fmt.Sprintf(script, rejects))
			} else {
				w.Script("job", fmt.Sprintf(script, rejects))
			}
			j := w.Do("job", "1")
			set := ""
			err := w.Store.Rejects(t.Context(), engine.RejectFilter{}, func(r *engine.Reject) bool {
				set += fmt.Sprintf("%s:%d %s %s\n", *r.Source, *r.Line, r.Row, r.Reason)
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if rejects == "2" {
				if j.Error == nil || j.Error.Code != "rejects" {
					t.Errorf("%s: three rejects of two that are allowed: %+v", name, j.Error)
				}
				continue
			}
			want := `a.csv:3 {"id":"long","v":"2"} column id is of type text(3) and cannot hold "long": it is longer than 3 characters (db.value)
a.csv:4 {"id":null,"v":"3"} column "id": got None, wanted a value: the column is part of the key (db.constraint)
a.csv:5 {"id":"b","v":"x"} column v is of type integer and cannot hold "x": it is not of that type, or out of its range (db.value)
`
			if strings.HasSuffix(name, ".lua") {
				want = strings.Replace(want, "got None", "got null", 1)
			}
			if j.Error != nil || string(j.Result) != `[2,3,"a,c"]` || set != want || j.Stats["rejected"] != 3 {
				t.Errorf("%s: %+v %s %v\n%s", name, j.Error, j.Result, j.Stats, set)
			}
		}
	}
}

// TestValuesThatNoDatabaseHasAreSetAside: a merge leaves what is there of their rows.
func TestValuesThatNoDatabaseHasAreSetAside(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"job.star": `job(rejects = "all")
def consume(ctx, item):
    db.ensure("t", {"id": "text(3)", "v": "float"}, key = ["id"])
    nan, inf = float("nan"), float("-inf")
    db.insert("t", [{"id": k, "v": 0.5} for k in "abcdefg".elems()])
    rows = [{"id": "a", "v": 1}, {"id": "b", "v": nan}, {"id": "c", "v": [inf, {"x": 1.5}]}, {"id": nan, "v": 1}, {"id": ["d"], "v": {"y": 1}}, {"v": nan, "x": 1}, {"id": "e", "v": "x"}]
    s = db.merge("t", rows, key = ["id"], max_delete = "all", on_bad = "reject")
    def bad(): return db.insert("t", [{"id": "z", "v": nan}])
    def function(): return db.insert("t", [{"id": "z", "v": bad}], on_bad = "reject")
    return [s.updated, s.deleted, s.rejected, db.value("SELECT group_concat(id) FROM t"), catch(bad)[1].message, catch(function)[1].code]
`,
		"job.lua": `job({rejects = "all"})
function consume(ctx, item)
  db.ensure("t", {id = "text(3)", v = "float"}, {key = {"id"}})
  local nan, inf = 0 / 0, -1 / 0
  db.insert("t", {{id = "a", v = 0.5}, {id = "b", v = 0.5}, {id = "c", v = 0.5}, {id = "d", v = 0.5}, {id = "e", v = 0.5}, {id = "f", v = 0.5}, {id = "g", v = 0.5}})
  local rows = {{id = "a", v = 1}, {id = "b", v = nan}, {id = "c", v = {inf, {x = 1.5}}}, {id = nan, v = 1}, {id = {"d"}, v = {y = 1}}, {v = nan, id = nil, x = 1}, {id = "e", v = "x"}}
  local s = db.merge("t", rows, {key = {"id"}, max_delete = "all", on_bad = "reject"})
  local function bad() return db.insert("t", {{id = "z", v = nan}}) end
  local function func() return db.insert("t", {{id = "z", v = bad}}, {on_bad = "reject"}) end
  local _, one = catch(bad)
  local _, two = catch(func)
  return {s.updated, s.deleted, s.rejected, db.value("SELECT group_concat(id) FROM t"), one.message, two.code}
end
`,
	} {
		w, list := world.New(t), "list"
		if name == "job.lua" {
			list = "table"
			w.Lua("job", script)
		} else {
			w.Script("job", script)
		}
		j := w.Do("job", "1")
		set := ""
		err := w.Store.Rejects(t.Context(), engine.RejectFilter{}, func(r *engine.Reject) bool {
			set += fmt.Sprintf("%s %s\n", r.Row, r.Reason)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		const wanted = ", wanted None, bool, number, string, bytes or time; lists and dicts go in as text by json.encode"
		const result = `[1,3,6,"a,b,c,e","db.insert: row 1, column \"v\": got a float that is not a number` + wanted + `","usage"]`
		want := `{"id":"b","v":"NaN"} column "v": got a float that is not a number` + wanted + ` (db.value)
{"id":"c","v":["-Inf",{"x":1.5}]} column "v": got ` + list + wanted + ` (db.value)
{"id":"NaN","v":1} column "id": got a float that is not a number` + wanted + ` (db.value)
{"id":["d"],"v":{"y":1}} column "id": got ` + list + wanted + ` (db.value)
{"v":"NaN","x":1} column "v": got a float that is not a number` + wanted + ` (db.value)
{"id":"e","v":"x"} column v is of type float and cannot hold "x": it is not of that type, or out of its range (db.value)
`
		got := string(j.Result) + set
		if name == "job.lua" {
			got = strings.ReplaceAll(got, "wanted null", "wanted None")
		}
		if j.Error != nil || got != result+want {
			t.Errorf("%s: %+v\n%s", name, j.Error, got)
		}
	}
}

// TestAMergeOfUnlikeRowsIsTold: what a row does not have stays in the table.
func TestAMergeOfUnlikeRowsIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("star", `
def consume(ctx, item):
    db.ensure("t", {"id": "integer", "n": "integer"}, key = ["id"])
    db.merge("t", [{"id": 1, "n": 5}, {"id": 2, "n": 6}], key = ["id"])
    db.merge("t", [{"id": 1}, None, {"id": 2, "n": 7}], key = ["id"])
    db.merge("t", [{"id": 2, "n": 8}, {"n": 9, "id": 3}, {"id": 1}], key = ["id"])
    return [[r["id"], r["n"]] for r in db.query("SELECT id, n FROM t ORDER BY id")]
`)
	w.Lua("lua", `
function consume(ctx, item)
  db.ensure("t2", {id = "integer", n = "integer"}, {key = {"id"}})
  db.merge("t2", {{id = 1, n = 5}, {id = 2, n = 6}}, {key = {"id"}})
  db.merge("t2", {{id = 1}, null, {id = 2, n = 7}}, {key = {"id"}})
  db.merge("t2", {{id = 2, n = 8}, {n = 9, id = 3}, {id = 1}}, {key = {"id"}})
  return list(iter.map(function(r) return {r.id, r.n} end, db.query("SELECT id, n FROM t2 ORDER BY id")))
end
`)
	const want = `warn db.merge: row 1 has no column "n", and row 3 has one: what t has there stays as it was; for NULL, write None into the row
warn db.merge: row 3 has no column "n", and row 1 has one: what t has there stays as it was; for NULL, write None into the row`
	for name, want := range map[string]string{"star": want, "lua": strings.NewReplacer("what t ", "what t2 ", "None", "null").Replace(want)} {
		j := w.Do(name, "1")
		if got := strings.Join(w.Logs(j.ID), "\n"); string(j.Result) != "[[1,5],[2,8],[3,9]]" || got != want {
			t.Errorf("%s: %+v %s, got\n%s\nwant\n%s", name, j.Error, j.Result, got, want)
		}
	}
}

// TestAMergeBesideRejectsIsTold: what is there of rows that did not come to it is deleted.
func TestAMergeBesideRejectsIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in.csv", "id,n\n1,1\n2,x\n3\n")
	w.Script("job", `
job(needs = ["files:*"], rejects = "all")
def row(r):
    return {"id": int(r["id"]), "n": int(r["n"])} if r["n"] != "x" else reject(r, "no number")
def consume(ctx, item):
    db.ensure("t", {"id": "integer", "n": "integer"}, key = ["id"])
    db.upsert("t", [{"id": n, "n": 1} for n in range(1, item + 1)], key = ["id"])
    db.merge("t", iter.map(row, csv.read("in.csv", on_bad = "reject")), key = ["id"], max_delete = "all")
`)
	for item, want := range map[string]string{
		"3": "warn db.merge: of t 2 rows were deleted that did not come to it, and the hook has rejected 2 rows: what is there of those is deleted with the others",
		"1": "",
	} {
		j := w.Do("job", item)
		if got := strings.Join(w.Logs(j.ID), "\n"); j.Status != engine.StatusCompleted || got != want {
			t.Errorf("%s: %s, got %q, want %q", item, j.Status, got, want)
		}
	}
}
