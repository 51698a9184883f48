package plan_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/plan"
)

// both is one job in both languages: it does a bit of everything, and fails.
var both = map[string]string{
	".star": `
job(retry = retry(max = 2), needs = ["files:in/*.csv", "files:done/*", "http:api.example.com", "db:crm:write"])

def produce(ctx):
    state.set("runs", state.get("runs", 0) + 1)
    for f in files.list("in/*.csv"):
        ctx.emit({"path": f.path}, key = f.path)

def consume(ctx, item):
    db.ensure("people", {"id": "integer", "name": "text"}, key = ["id"])
    db.upsert("people", [{"id": int(r["id"]), "name": r["name"]} for r in csv.read(item["path"])], key = ["id"])
    ctx.checkpoint(1)
    db.exec("UPDATE people SET name = 'Ada L.' WHERE id = ?", 1)
    crm = db.connect("crm")
    crm.ensure("seen", {"id": "integer"})
    crm.insert("seen", [{"id": 1}])
    http.post("https://api.example.com/done", json = {"path": item["path"]})
    log.info("sent", path = item["path"], left = http.get("https://api.example.com/left").json()["n"])
    ctx.enqueue("same", {"again": True}, after = "1h")
    files.move(item["path"], "done/")
    vars.set("last", {"n": 1})
    error("so it ends")
`,
	".lua": `
job{retry = retry{max = 2}, needs = {"files:in/*.csv", "files:done/*", "http:api.example.com", "db:crm:write"}}

function produce(ctx)
  state.set("runs", state.get("runs", 0) + 1)
  for _, f in ipairs(files.list("in/*.csv")) do
    ctx.emit({path = f.path}, {key = f.path})
  end
end

function consume(ctx, item)
  db.ensure("people", {id = "integer", name = "text"}, {key = {"id"}})
  db.upsert("people", iter.map(function(r) return {id = tonumber(r.id), name = r.name} end, csv.read(item.path)), {key = {"id"}})
  ctx.checkpoint(1)
  db.exec("UPDATE people SET name = 'Ada L.' WHERE id = ?", 1)
  local crm = db.connect("crm")
  crm.ensure("seen", {id = "integer"})
  crm.insert("seen", {{id = 1}})
  http.post("https://api.example.com/done", {json = {path = item.path}})
  log.info("sent", {path = item.path, left = http.get("https://api.example.com/left").json().n})
  ctx.enqueue("same", {again = true}, {after = "1h"})
  files.move(item.path, "done/")
  vars.set("last", {n = 1})
  error("so it ends")
end
`,
}

// differs is what languages and runs tell in their own way.
var differs = regexp.MustCompile(`"(ms|backtrace|at|waits|id|run_at|time|started_at)":\s*("(\\.|[^"])*"|[0-9.e-]+)`)

func TestBothLanguagesArePlannedAlike(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.File("in/a.csv", "id,name\n1,Ada\n2,Grace\n")
		s.web = func(r *http.Request) (*http.Response, error) { return answer(r, 200, `{"n": 3}`) }
		got := map[string]string{}
		var reports []*plan.Report
		for ending, source := range both {
			s.ending, s.jobs = ending, t.TempDir()
			s.script("same", source)
			r := s.plan("same", "", plan.Options{})
			if len(r.Failures) != 1 || r.Failures[0].Message != "so it ends" || r.Items.Count != 1 || len(r.Tables) == 0 {
				t.Errorf("%s: %+v", ending, r)
			}
			text, err := json.MarshalIndent(r, "", " ")
			s.must(err)
			got[ending] = differs.ReplaceAllString(string(text), `"$1": _`)
			reports = append(reports, r)
		}
		if got[".star"] != got[".lua"] {
			t.Errorf("in Starlark\n%s\nin Lua\n%s", got[".star"], got[".lua"])
		}
		if r := reports[0]; r.Failures[0].Kind != engine.KindError || r.RequestCount != 2 {
			t.Errorf("%+v", r)
		}
	})
}
