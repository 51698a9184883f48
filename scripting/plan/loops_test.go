package plan_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/plan"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// A script that has seen what was committed before it failed, if it begins anew.
const loops = `
job(retry = retry(max = 1), needs = ["files:in/*.csv"])

def consume(ctx, item):
    db.ensure("seen", {"id": "text"}, key = ["id"])
    if item:
        return
    ctx.emit_all([{"n": 1}, {"n": 2}])
    for rows in ctx.batches(csv.read("in/b.csv"), 2):
        for r in rows:
            if r["id"] == "q5":
                error("q5 is bad")
            db.insert("seen", [{"id": r["id"]}])
`

const loopsLua = `
job{retry = retry{max = 1}, needs = {"files:in/*.csv"}}

function consume(ctx, item)
  db.ensure("seen", {id = "text"}, {key = {"id"}})
  if not is_null(item) then return end
  ctx.emit_all({{n = 1}, {n = 2}})
  for rows in ctx.batches(csv.read("in/b.csv"), 2) do
    for _, r in ipairs(rows) do
      if r.id == "q5" then error("q5 is bad") end
      db.insert("seen", {{id = r.id}})
    end
  end
end
`

// A test of a replay goes on where the job's loops had come to.
func TestATestGoesOnInTheLoopsOfTheJob(t *testing.T) {
	t.Parallel()
	for ending, script := range map[string]string{".star": loops, ".lua": loopsLua} {
		t.Run(ending[1:], func(t *testing.T) {
			t.Parallel()
			s := embedded(t)
			s.ending = ending
			s.script("loops", script)
			s.File("in/b.csv", "id\nq1\nq2\nq3\nq4\nq5\n")
			s.runWith()
			_, name, err := s.replay(1)
			s.must(err)
			written, err := os.ReadFile(filepath.Join(s.jobs, "loops_test"+ending))
			s.must(err)
			t.Log(string(written))
			for ending, want := range map[string]string{".star": `loops = [{"taken": 2, "over": "ended"}, 4]`, ".lua": `loops = {{taken = 2, over = "ended"}, 4}`} {
				if s.ending == ending && !strings.Contains(string(written), want) {
					t.Errorf("the test does not say %s:\n%s", want, written)
				}
			}
			got := s.test(strings.TrimPrefix(name, "test_"))
			if got.Status != scripttest.Failed || !strings.Contains(got.Failures[0].Message, "q5 is bad") {
				t.Errorf("the test: %s %+v\n%s", got.Status, got.Failures, written)
			}
			s.script("loops", strings.Replace(script, "error(", "log.info(", 1))
			if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Passed {
				t.Errorf("mended: %+v\n%s", got.Failures[0], written)
			}
		})
	}
}

// A script that ensures its table before its first checkpoint alone.
const once = `
job(retry = retry(max = 1))

def consume(ctx, item):
    if ctx.position == None:
        db.ensure("seen", {"id": "integer"}, key = ["id"])
        ctx.checkpoint(1)
    error("bad")
    db.insert("seen", [{"id": 7}])
`

const onceLua = `
job{retry = retry{max = 1}}

function consume(ctx, item)
  if is_null(ctx.position) then
    db.ensure('seen', {id = "integer"}, {key = {"id"}})
    ctx.checkpoint(1)
  end
  if item == 1 then error("bad") end
  db.insert("seen", {{id = 7}})
end
`

func TestATestHasTheTablesThatWereEnsuredBefore(t *testing.T) {
	t.Parallel()
	for ending, script := range map[string]string{".star": once, ".lua": onceLua} {
		t.Run(ending[1:], func(t *testing.T) {
			t.Parallel()
			s := embedded(t)
			s.ending = ending
			s.script("once", script)
			for _, typ := range s.loader() {
				s.Add(typ)
			}
			s.Enqueue(engine.NewJob{Type: "once", Payload: engine.Raw("1")})
			s.Run()
			_, name, err := s.replay(1)
			s.must(err)
			s.script("once", strings.Replace(script, "error(", "log.info(", 1))
			if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Passed {
				t.Errorf("mended: %+v", got.Failures[0])
			}
		})
	}
}

// The log is in the order of time, over all hooks.
func TestThePlansLogIsInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	s.script("talks", `
def produce(ctx):
    log.info("begins")
    ctx.emit_all([1, 2])

def consume(ctx, item):
    log.info("item %d" % item)

def finish(ctx, summary):
    log.info("ends")
`)
	r := s.plan("talks", "", plan.Options{})
	var got []string
	for _, l := range r.Log {
		got = append(got, l.Message)
	}
	if want := "begins, item 1, item 2, ends"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

// What there is none of is an empty list in JSON.
func TestNoListOfAPlanIsNull(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	s.script("none", "def consume(ctx, item):\n    db.ensure(\"made\", {\"id\": \"integer\"})\n")
	r := s.plan("none", "", plan.Options{})
	text, err := json.Marshal(r)
	s.must(err)
	for _, name := range regexp.MustCompile(`"(\w+)":null`).FindAllStringSubmatch(string(text), -1) {
		if name[1] != "result" && name[1] != "window" {
			t.Errorf("%s is null", name[1])
		}
	}
}

// A position is written and read again as it is.
func TestPositionsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	want := []engine.LoopAt{{Taken: 3}, {Taken: 2, Over: engine.LoopLeft}, {Taken: 0, Over: engine.LoopLast}, {Taken: engine.AllTaken, Over: engine.LoopEnded}}
	value, got, err := engine.ReadPosition(engine.PositionAt(engine.Raw(`{"a":1}`), want))
	if err != nil || string(value) != `{"a":1}` || len(got) != len(want) {
		t.Fatalf("%s %v %v", value, got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %v, want %v", i, got[i], want[i])
		}
	}
	if raw := engine.PositionAt(nil, nil); raw != nil {
		t.Errorf("no position is %s", raw)
	}
}
