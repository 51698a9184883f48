package hostlib_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

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
			want := `a.csv:4 {"id":null,"v":"3"} column "id": got None, wanted a value: the column is part of the key (db.constraint)
a.csv:3 {"id":"long","v":"2"} column id is of type text(3) and cannot hold "long": it is longer than 3 characters (db.value)
a.csv:5 {"id":"b","v":"x"} column v is of type integer and cannot hold "x": it is not of that type, or out of its range (db.value)
`
			if strings.HasSuffix(name, ".lua") {
				want = strings.Replace(want, "got None", "got nil", 1)
			}
			if j.Error != nil || string(j.Result) != `[2,3,"a,c"]` || set != want || j.Stats["rejected"] != 3 {
				t.Errorf("%s: %+v %s %v\n%s", name, j.Error, j.Result, j.Stats, set)
			}
		}
	}
}
