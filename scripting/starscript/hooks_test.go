package starscript_test

import (
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestTheExamplesOfHooksAreScripts(t *testing.T) {
	t.Parallel()
	for _, h := range hostlib.Hooks {
		typ, errs := load(h.Example, nil)
		if len(errs) > 0 {
			t.Errorf("%s: %v", h.Name, errs)
			continue
		}
		found := h.Name == hostlib.RedriveHook && typ.Redrive != nil
		for _, p := range engine.Phases {
			found = found || p.String() == h.Name && typ.Hooks[p] != nil
		}
		if !found || !strings.Contains(h.Example, "def "+h.Signature()+":") || !strings.Contains(h.Lua, "function "+h.Signature()+"\n") {
			t.Errorf("%s: its examples do not define %s", h.Name, h.Signature())
		}
	}
	for _, p := range engine.Phases {
		if hostlib.HookNamed(p.String()) == nil {
			t.Errorf("there is no hook for the phase %s", p)
		}
	}
}

// What the docs show of each hook does what it is there for.
func TestTheExamplesOfHooksRun(t *testing.T) {
	t.Parallel()
	for _, h := range hostlib.Hooks {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			w.File("incoming/a.csv", "id,amount\n1,\"1,5\"\n2,2\n")
			if h.Name == hostlib.RedriveHook {
				w.File("incoming/b.csv", "id,amount\n"+strings.Repeat("1,1\n", 20)+"7,\"1,5\",x\n")
			}
			w.Exec(`CREATE TABLE orders (id VARCHAR(9) PRIMARY KEY, amount VARCHAR(9))`)
			typ := w.Script("job", h.Example)
			s, err := w.Engine.NewStepper(t.Context(), engine.ServerOptions{Types: []*engine.Type{typ}, Name: "here"})
			if err != nil {
				t.Fatal(err)
			}
			work := func() {
				t.Helper()
				if _, err := s.Work(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			c := map[string]struct{ payload, want string }{
				"produce": {"", "produce completed ; consume completed ; 1|1,5\n2|2\n"},
				"consume": {`{"path": "incoming/a.csv"}`, `consume completed {"rows":2}; ` + "1|1,5\n2|2\n"},
				"fail":    {`{"n": 1}`, "consume waiting  error: not yet; "},
				"finish":  {"", `finish completed {"sum":14}; consume completed 1; consume completed 4; consume completed 9; `},
				"redrive": {`{"path": "incoming/b.csv"}`, "consume completed ; consume completed ; 1|1\n7|1.5\n"},
			}[h.Name]
			job := engine.NewJob{Type: typ.Name}
			if c.payload != "" {
				job.Payload = engine.Raw(c.payload)
			}
			w.Enqueue(job)
			if work(); h.Name == hostlib.RedriveHook {
				if _, err := w.Engine.Redrive(t.Context(), engine.RedriveRequest{Type: typ.Name}); err != nil {
					t.Fatal(err)
				}
				work()
			}
			got := ""
			for _, j := range w.Jobs() {
				got += end(j) + "; "
			}
			same(t, "what came of it", c.want, got+w.Query("SELECT id, amount FROM orders ORDER BY id"))
		})
	}
}

// What the items returned is given to whatever takes rows or a list, and anew each time.
func TestResultsCanBeUsedAsRowsAndAgain(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
load("lib/check.star", "eq", "fails")
job(needs = ["files:out.csv"])
def produce(ctx):
    ctx.emit_all(range(1200))
def consume(ctx, item):
    if item < 1100:
        return {"n": item, "even": item % 2 == 0}
def finish(ctx, summary):
    db.ensure("t", {"n": "integer", "even": "boolean"}, key = ["n"])
    db.insert("t", iter.take(summary.results, 600))
    eq(db.upsert("t", summary.results, key = ["n"]).inserted, 500)
    csv.write("out.csv", summary.results)
    eq(len(list(csv.read("out.csv"))), 1100)
    eq(math.sum(iter.map(lambda r: r["n"], summary.results)), 604450)
    eq([len(rows) for rows in iter.batch(summary.results, 1000)], [1000, 100])
    eq(max([r["n"] for r in summary.results]), 1099)
    for a in summary.results:
        for b in summary.results:
            eq([a["n"], b["n"]], [0, 0])
            break
        break
    it = summary.results
    eq(len(list(it)), 1100)
    fails("was read to its end, and can be gone through once", list, it)
    unused = summary.results
    parsed = csv.read(["a\n1\n2\n"])
    for r in parsed: break
    eq(len(list(parsed)), 1)
    fails("what csv.read gave was read to its end, and can be gone through once", list, parsed)
    return len(list(summary.results))
`)
		same(t, "end", "finish completed 1100", end(w.Do("job", "null")))
	})
}

func TestTheRowsOfRedriveAreGoneThroughOnce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = "all", retry = retry(max = 1))
def consume(ctx, item):
    reject({"n": 1}, "odd")
def redrive(ctx, rows):
    total = sum_of(rows)
    for r in rows:
        db.insert("t", [r])
def sum_of(rows):
    n = 0
    for r in rows: n += r["n"]
    return n
`)
	w.Do("job", "1")
	j := w.Job(redrive(t, w, "job").Jobs[0])
	same(t, "end", "consume failed  error: what redrive's rows gave was read to its end, and can be gone through once: make a list of it by list(...)", end(j))
}

func TestAnItemThatIsNoneIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(retry = retry(max = 1))
def consume(ctx, thing):
    return thing["path"]
def fail(ctx, item, err):
    log.info(err.message)
    item.path
`)
	id := w.Enqueue(engine.NewJob{Type: "job"})
	w.Run()
	const why = "the job has no payload; give it one by: dsengine enqueue job --payload '{...}', or in produce, by what it emits or returns"
	same(t, "end", "consume failed  error: thing is None, which has no elements: "+why, end(w.Job(id)))
	if logs := strings.Join(w.Logs(id), "\n"); !strings.Contains(logs, "the fail hook failed: item is None, which has no .path: "+why) {
		t.Errorf("the fail hook: %s", logs)
	}
}
