package plan_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/plan"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// replay replays a job, sees that nothing is left of it, and saves it.
func (s *site) replay(id engine.JobID) (*plan.Report, string, error) {
	s.t.Helper()
	before, files := s.picture(), tree(s.t, s.Files)
	w, types := s.open(plan.Options{Keep: true}, s.Files)
	j, err := w.Job(id)
	s.must(err)
	r, err := w.Replay(types, typeOf(s.t, types, j.Type), j)
	s.must(err)
	name, err := w.Save(filepath.Join(s.jobs, j.Type+"_test.star"))
	s.must(w.Close())
	s.same(before, files)
	return r, name, err
}

// test runs the tests of the folder.
func (s *site) test(run string) *scripttest.Result {
	s.t.Helper()
	suite, err := scripttest.Find(scripttest.Options{Jobs: s.jobs, Run: regexp.MustCompile(run + "$")})
	s.must(err)
	defer suite.Close()
	for _, e := range suite.Errors {
		s.t.Fatal(e)
	}
	results := suite.Run(s.t.Context())
	if len(results) != 1 {
		s.t.Fatalf("%d tests", len(results))
	}
	return results[0]
}

const orders = `
job(retry = retry(max = 1), needs = ["files:in/*.csv", "http:api.example.com", "secret:key"])

def produce(ctx):
    for f in files.list("in/*.csv"):
        ctx.emit({"path": f.path})

def consume(ctx, item):
    start = ctx.position or 0
    known = {r["id"]: r["name"] for r in db.query("SELECT id, name FROM customers ORDER BY id")}
    for row in iter.skip(csv.read(item["path"]), start):
        start += 1
        if start == 2 and not ctx.position:
            db.upsert("orders", [{"id": int(row["id"]), "customer": known[int(row["customer"])]}], key = ["id"])
            ctx.checkpoint(start)
        if start > 2:
            answer = http.get("https://api.example.com/orders?key=" + secrets.get("key")).json()
            error("order %s of %s: %s, limit %d" % (row["id"], known[int(row["customer"])], answer["why"], vars.get("limit")))
`

func TestAReplayFailsAsTheJobDidAndSoDoesItsTest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("orders", orders)
		s.File("in/o.csv", "id,customer\n1,1\n2,2\n3,2\n")
		for _, q := range []string{
			"CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50))", "INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace \"the\" H.')",
			"CREATE TABLE orders (id INTEGER PRIMARY KEY, customer VARCHAR(50))",
		} {
			_, err := s.db.ExecContext(t.Context(), q)
			s.must(err)
		}
		s.must(s.Store.SetVariables(t.Context(), []engine.VariableWrite{{Name: "limit", Value: engine.Raw("5"), Seen: -1}}))
		s.web = func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("key") != "hush-hush-key" {
				t.Errorf("asked for %s", r.URL)
			}
			return answer(r, 200, `{"why": "no credit"}`)
		}
		s.runWith()
		jobs := s.Jobs()
		failed := jobs[len(jobs)-1]
		if failed.Status != engine.StatusFailed || string(failed.Position) != "2" {
			t.Fatalf("job %d is %s at %s: %+v", failed.ID, failed.Status, failed.Position, failed.Error)
		}
		const want = `order 3 of Grace "the" H.: no credit, limit 5 (while at in/o.csv, line 4)`
		r, name, err := s.replay(failed.ID)
		s.must(err)
		if len(r.Failures) != 1 || r.Failures[0].Message != want || r.Replays != failed.ID {
			t.Fatalf("got %+v", r.Failures)
		}
		written, err := os.ReadFile(filepath.Join(s.jobs, "orders_test.star"))
		s.must(err)
		if strings.Contains(string(written), "hush-hush") {
			t.Errorf("the test has the secret:\n%s", written)
		}
		got := s.test(strings.TrimPrefix(name, "test_"))
		if got.Status != scripttest.Failed || !strings.Contains(got.Failures[0].Message, want) {
			t.Errorf("the test: %s %+v\n%s", got.Status, got.Failures, written)
		}
		// Once the script is mended, it passes.
		s.script("orders", strings.Replace(orders, "error(", "log.info(", 1))
		if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Passed {
			t.Errorf("mended: %s %+v\n%s", got.Status, got.Failures[0], written)
		}
		// A second one is written beside it.
		if _, again, err := s.replay(failed.ID); err != nil || again != name+"_2" {
			t.Errorf("again: %s %v", again, err)
		}
		// What produce of the emitter does is replayed too.
		if r, _, err := s.replay(jobs[0].ID); err != nil || r.Items.Count != 1 || r.Hooks[0].Phase != engine.PhaseProduce {
			t.Errorf("produce: %+v %v", r, err)
		}
	})
}

// runWith makes a job and works, with requests answered by web.
func (s *site) runWith() {
	s.t.Helper()
	l := s.loader()
	for _, typ := range l {
		s.Add(typ)
	}
	s.Enqueue(engine.NewJob{Type: l[0].Name})
	s.Run()
}

// loader loads the scripts for a run whose requests web answers.
func (s *site) loader() []*engine.Type {
	s.t.Helper()
	dry := &hostlib.Dry{Send: func(r *http.Request, _ bool, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		return s.web(r)
	}}
	r, err := scripting.Load(s.jobs, scripting.Options{Files: s.Files, Connections: s.World, Dry: dry, Secret: func(name string) (string, error) { return "hush-hush-" + name, nil }})
	s.must(err)
	return r.Types
}

func TestWhatIsTooLargeForATestIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("big", `
job(retry = retry(max = 1), needs = ["files:*.txt"])

def consume(ctx, item):
    error("%d bytes" % len(files.read("big.txt")))
`)
		s.File("big.txt", strings.Repeat("x", 70_000))
		s.runWith()
		_, _, err := s.replay(1)
		if err == nil || !strings.Contains(err.Error(), "the file big.txt has 70000 bytes, more than 64 KB") {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(filepath.Join(s.jobs, "big_test.star")); err == nil {
			t.Error("a test was written")
		}
	})
}
