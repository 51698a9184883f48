package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/mysqlstore"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/dsengine/dsengine/scripting/plan"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// linked fails behind its checkpoint, by what is known of rows that a job before it has
// taken, and it itself in its loop.
const linked = `
job(retry = retry(max = 1), needs = ["files:in.csv"])

def consume(ctx, item):
    db.ensure("people", {"id": "text", "name": "text"}, key = ["id"])
    for rows in ctx.batches(records.changed("crm", csv.read("in.csv"), key = "id", whole = True), 2):
        db.upsert("people", rows, key = ["id"])
        for r in rows:
            records.link("crm", r["id"], "person-" + r["id"], replace = True)
    gone = [[m["key"], m["id"]] for m in records.missing("crm", max_missing = "60%")]
    told = [[r["id"], records.id("owners", ["DE", r["id"]])] for r in db.query("SELECT id FROM people WHERE name = 'bad'")]
    if told:
        error("%s; %s; gone %s" % (json.encode(told), records.status("owners", "x", {"a": 1.5}), json.encode(gone)))
    records.link("owners", ["DE", "c6"], 4711)
    records.mark("owners", "x", {"a": 1.5})
`

const linkedLua = `
job{retry = retry{max = 1}, needs = {"files:in.csv"}}

function consume(ctx, item)
  db.ensure("people", {id = "text", name = "text"}, {key = {"id"}})
  local told, gone = {}, {}
  for rows in ctx.batches(records.changed("crm", csv.read("in.csv"), {key = "id", whole = true}), 2) do
    db.upsert("people", rows, {key = {"id"}})
    for _, r in ipairs(rows) do
      records.link("crm", r.id, "person-" .. r.id, {replace = true})
    end
  end
  for m in records.missing("crm", {max_missing = "60%"}) do
    table.insert(gone, {m.key, m.id})
  end
  for r in db.query("SELECT id FROM people WHERE name = 'bad'") do
    table.insert(told, {r.id, records.id("owners", {"DE", r.id})})
  end
  if #told > 0 then
    error(string.format("%s; %s; gone %s", json.encode(told), records.status("owners", "x", {a = 1.5}), json.encode(gone)))
  end
  records.link("owners", {"DE", "c6"}, 4711)
  records.mark("owners", "x", {a = 1.5})
end
`

func TestATestKnowsTheRecordsThatTheJobDid(t *testing.T) {
	t.Parallel()
	for ending, script := range map[string]string{".star": linked, ".lua": linkedLua} {
		t.Run(ending[1:], func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, s *site) {
				s.ending = ending
				s.script("linked", script)
				for _, typ := range s.loader() {
					s.Add(typ)
				}
				s.File("in.csv", "id,name\nc1,Ada\nc2,Bob\nc3,Cid\nc5,Eve\nc6,Fay\n")
				before := s.Enqueue(engine.NewJob{Type: "linked"})
				s.Run()
				if j := s.Job(before); j.Status != engine.StatusCompleted {
					t.Fatalf("%+v", j.Error)
				}
				s.File("in.csv", "id,name\nc1,Adam\nc2,Bob\nc4,Dan\nc6,bad\n")
				id := s.Enqueue(engine.NewJob{Type: "linked"})
				s.Run()
				j := s.Job(id)
				const want = `[["c6",4711]]; same; gone [["c3","person-c3"],["c5","person-c5"]]`
				if j.Error == nil || j.Error.Message != want {
					t.Fatalf("%+v", j.Error)
				}
				r, name, err := s.replay(id)
				s.must(err)
				if len(r.Failures) != 1 || r.Failures[0].Message != want {
					t.Errorf("the replay: %+v", r.Failures)
				}
				written, err := os.ReadFile(filepath.Join(s.jobs, "linked_test"+ending))
				s.must(err)
				if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Failed || !strings.Contains(got.Failures[0].Message, want) {
					t.Errorf("the test: %s %+v\n%s", got.Status, got.Failures[0], written)
				}
				s.script("linked", strings.Replace(script, "error(", "log.info(", 1))
				if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Passed {
					t.Errorf("mended: %+v\n%s", got.Failures[0], written)
				}
			})
		})
	}
}

// A database that has no tables of the engine yet knows no records, as in the run that
// makes them; what hooks of the plan note, those after them see.
func TestAPlanBeforeTheFirstRunKnowsNoRecords(t *testing.T) {
	t.Parallel()
	server := world.Server(t)
	s := &site{t: t, jobs: t.TempDir()}
	s.must(server.CreateDatabase("bare"))
	store, err := mysqlstore.Open(t.Context(), server.URL("bare"), mysqlstore.Options{})
	s.must(err)
	s.World = &world.World{Store: store}
	s.script("first", `
def produce(ctx):
    for r in records.changed("crm", [{"id": 1}, {"id": 2}], key = "id", whole = True):
        ctx.emit(r)

def consume(ctx, item):
    if item["id"] == 2:
        records.forget_all("old")
    records.link("crm", item["id"], "person-%d" % item["id"])

def finish(ctx, summary):
    return [records.ids("crm", [1, 2, 3]), list(records.missing("crm")), records.status("crm", 1, {"id": 1})]
`)
	w, types := s.open(plan.Options{}, t.TempDir())
	r, err := w.Plan(types, plan.Job{Type: typeOf(t, types, "first")})
	s.must(err)
	if want := `[["person-1","person-2",null],[],"same"]`; !r.OK || string(r.Result) != want {
		t.Errorf("%s %+v\nwant %s", r.Result, r.Failures, want)
	}
	s.must(w.Close())
	s.must(store.Close())
}

// parts are items that each take a part of a source: a fails by a row that b takes after
// it, and b by what is missing of all parts.
var parts = map[string]string{".star": `
job(retry = retry(max = 1), slots = {"consume": 1}, needs = ["files:*.csv"])

def produce(ctx):
    ctx.emit("a")
    ctx.emit("b")

def consume(ctx, item):
    for r in records.changed("crm", csv.read(item + ".csv"), key = "id", whole = True):
        if item == "a" and r["name"] == "bad":
            error("row %s is bad" % r["id"])
    if item == "b":
        gone = [m["key"] for m in records.missing("crm", max_missing = "90%")]
        if gone:
            error("gone " + json.encode(gone))
`, ".lua": `
job{retry = retry{max = 1}, slots = {consume = 1}, needs = {"files:*.csv"}}

function produce(ctx)
  ctx.emit("a")
  ctx.emit("b")
end

function consume(ctx, item)
  for r in records.changed("crm", csv.read(item .. ".csv"), {key = "id", whole = true}) do
    if item == "a" and r.name == "bad" then error("row " .. r.id .. " is bad") end
  end
  if item == "b" then
    local gone = {}
    for m in records.missing("crm", {max_missing = "90%"}) do table.insert(gone, m.key) end
    if #gone > 0 then error("gone " .. json.encode(gone)) end
  end
end
`}

// TestAReplayedItemKnowsItsSiblings has items be replayed: what the others had taken
// before is not missing, and what they have changed since is told, as it cannot be taken
// back.
func TestAReplayedItemKnowsItsSiblings(t *testing.T) {
	t.Parallel()
	for ending, script := range parts {
		t.Run(ending[1:], func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, s *site) {
				s.ending = ending
				s.script("parts", script)
				for _, typ := range s.loader() {
					s.Add(typ)
				}
				run := func(a, b string) (jobs []*engine.Job) {
					s.File("a.csv", "id,name\n"+a)
					s.File("b.csv", "id,name\n"+b)
					id := s.Enqueue(engine.NewJob{Type: "parts"})
					s.Run()
					jobs, err := s.Store.Jobs(t.Context(), engine.JobFilter{Parent: id, Limit: 10})
					s.must(err)
					if len(jobs) != 2 {
						t.Fatalf("%d items", len(jobs))
					}
					return []*engine.Job{jobs[1], jobs[0]}
				}
				replay := func(j *engine.Job, fails string, notes ...string) {
					w, types := s.open(plan.Options{}, s.Files)
					r, err := w.Replay(types, typeOf(t, types, "parts"), j)
					s.must(err)
					s.must(w.Close())
					got := ""
					if len(r.Failures) > 0 {
						got = r.Failures[0].Message
					}
					if got != fails || strings.Join(r.Notes, "\n") != strings.Join(notes, "\n") {
						t.Errorf("the replay of %s fails with %q, and tells %q", j.Payload, got, r.Notes)
					}
				}
				run("1,Ada\n2,Bob\n", "3,Cid\n4,Dan\n")
				items := run("1,Ada\n2,Bob\n", "3,Cid\n")
				if items[1].Error == nil || items[1].Error.Message != `gone ["4"]` {
					t.Fatalf("%+v", items[1].Error)
				}
				replay(items[1], `gone ["4"]`)
				later := run("9,bad\n", "9,bad\n1,Ada\n2,Bob\n3,Cid\n4,Dan\n")
				if later[0].Error == nil || later[0].Error.Message != "row 9 is bad (while at a.csv, line 2)" || later[1].Status != engine.StatusCompleted {
					t.Fatalf("%+v, %s", later[0].Error, later[1].Status)
				}
				replay(later[0], "", fmt.Sprintf(`job %d was at work on records of "crm" after job %d began: records may say something else here than they did then`, later[1].ID, later[0].ID))
				replay(later[1], "")
				s.File("b.csv", "id,name\n3,Cid\n")
				replay(items[1], "", fmt.Sprintf(`a job that was made after job %d has read "crm": rows that were missing then may not be here`, *items[1].Parent))
			})
		})
	}
}
