package plan_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/plan"
	"github.com/dsengine/dsengine/scripting/scripttest"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// replay replays a job, sees that nothing is left of it, and saves it.
func (s *site) replay(id engine.JobID) (*plan.Report, string, error) {
	s.t.Helper()
	before, files := s.picture(), tree(s.t, s.Files)
	w, types := s.open(plan.Options{Keep: true}, s.Files)
	if s.ending == "" {
		s.ending = ".star"
	}
	j, err := w.Job(id)
	s.must(err)
	name := ""
	r, err := w.Replay(types, typeOf(s.t, types, j.Type), j)
	if err == nil {
		file := filepath.Join(s.jobs, j.Type+"_test"+s.ending)
		var tests []byte
		if name, tests, err = w.Save(file); err == nil {
			s.must(os.WriteFile(file, tests, 0o600))
		}
	}
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

// ordersLua is orders in Lua.
const ordersLua = `
job{retry = retry{max = 1}, needs = {"files:in/*.csv", "http:api.example.com", "secret:key"}}

function produce(ctx)
  for _, f in ipairs(files.list("in/*.csv")) do
    ctx.emit({path = f.path})
  end
end

function consume(ctx, item)
  local start = ctx.position or 0
  local known = {}
  for r in db.query("SELECT id, name FROM customers ORDER BY id") do
    known[r.id] = r.name
  end
  for row in iter.skip(csv.read(item.path), start) do
    start = start + 1
    if start == 2 and not ctx.position then
      db.upsert("orders", {{id = tonumber(row.id), customer = known[tonumber(row.customer)]}}, {key = {"id"}})
      ctx.checkpoint(start)
    end
    if start > 2 then
      local answer = http.get("https://api.example.com/orders?key=" .. secrets.get("key")).json()
      error(string.format("order %s of %s: %s, limit %d", row.id, known[tonumber(row.customer)], answer.why, vars.get("limit")))
    end
  end
end
`

func TestAReplayFailsAsTheJobDidAndSoDoesItsTest(t *testing.T) {
	t.Parallel()
	for ending, orders := range map[string]string{".star": orders, ".lua": ordersLua} {
		t.Run(ending[1:], func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, s *site) {
				s.ending = ending
				replaysOrders(t, s, orders)
			})
		})
	}
}

var formats = map[string]func(string, []byte) ([]byte, error){".star": starscript.Format, ".lua": luascript.Format}

func replaysOrders(t *testing.T, s *site, orders string) {
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
	written, err := os.ReadFile(filepath.Join(s.jobs, "orders_test"+s.ending))
	s.must(err)
	if strings.Contains(string(written), "hush-hush") {
		t.Errorf("the test has the secret:\n%s", written)
	}
	if formed, err := formats[s.ending]("x", written); err != nil || string(formed) != string(written) {
		t.Errorf("dsengine fmt would change it: %v\n%s", err, written)
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
	// A second one is written beside it, also where a link leads, for whom may read it.
	file := filepath.Join(s.jobs, failed.Type+"_test"+s.ending)
	s.must(errors.Join(os.Rename(file, file+".real"), os.Chmod(file+".real", 0o600), os.Symlink(file+".real", file)))
	if _, again, err := s.replay(failed.ID); err != nil || again != name+"_2" {
		t.Errorf("again: %s %v", again, err)
	}
	link, err := os.Lstat(file)
	s.must(err)
	if info, err := os.Stat(file); err != nil || link.Mode().Type() != os.ModeSymlink || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, and what it leads to %v, %v", link.Mode(), info.Mode(), err)
	}
	// A file that it would break stays as it is.
	if s.ending == ".lua" {
		file := filepath.Join(s.jobs, "orders_test.lua")
		written, err := os.ReadFile(file)
		s.must(err)
		ends := append(written, "\nreturn {}\n"...)
		s.must(os.WriteFile(file, ends, 0o644))
		_, _, err = s.replay(failed.ID)
		if now, rerr := os.ReadFile(file); err == nil || !strings.Contains(err.Error(), "no longer a script") || rerr != nil || string(now) != string(ends) {
			t.Errorf("behind a return: %v\n%s", err, now)
		}
		s.must(os.WriteFile(file, written, 0o644))
	}
	// What produce of the emitter does is replayed too.
	if r, _, err := s.replay(jobs[0].ID); err != nil || r.Items.Count != 1 || r.Hooks[0].Phase != engine.PhaseProduce {
		t.Errorf("produce: %+v %v", r, err)
	}
}

func TestAReplayCountsFromWhereItBegins(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("batched", batched)
		s.File("in.csv", "id\n1\n2\n3\n4\n5\n6\n")
		_, err := s.db.ExecContext(t.Context(), "CREATE TABLE people (id INTEGER PRIMARY KEY)")
		s.must(err)
		for _, typ := range s.loader() {
			s.Add(typ)
		}
		down := func(is string) {
			s.must(s.Store.SetVariables(t.Context(), []engine.VariableWrite{{Name: "down", Value: engine.Raw(is), Seen: -1}}))
		}
		counted := func(id engine.JobID) string {
			t.Helper()
			r, _, err := s.replay(id)
			s.must(err)
			for name, n := range r.Stats {
				if n == 0 {
					delete(r.Stats, name)
				}
			}
			return fmt.Sprint(r.Stats, r.Before["read"], r.Before["inserted"], r.Before["pages"])
		}
		down("true")
		id := s.Enqueue(engine.NewJob{Type: "batched"})
		s.Run()
		down("false")
		if got, want := counted(id), "map[inserted:6 pages:1 read:6] 4 4 1"; got != want {
			t.Errorf("of one that failed: %s, want %s", got, want)
		}
		down("true")
		if got, want := counted(id), "map[inserted:4 pages:1 read:4] 4 4 1"; got != want {
			t.Errorf("of one that fails again: %s, want %s", got, want)
		}
		down("false")
		s.must(s.Store.Retry(t.Context(), id, engine.RetryOptions{}))
		s.Run()
		if got, want := counted(id), "map[pages:1 read:6 unchanged:6] 0 0 1"; got != want { // anew
			t.Errorf("of one that completed: %s, want %s", got, want)
		}
	})
}

func TestWhatIsTooLargeForATestIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("big", `
job(retry = retry(max = 1), needs = ["files:*.txt", "http:api.example.com"])

def consume(ctx, item):
    n = len(files.read("big.txt"))
    http.get("https://api.example.com/x")
    error("%d bytes" % n)
`)
		s.File("big.txt", strings.Repeat("x", 70_000))
		s.web = func(r *http.Request) (*http.Response, error) { return answer(r, 200, "{}") }
		s.runWith()
		s.web = func(*http.Request) (*http.Response, error) {
			t.Error("what can be no test went on")
			return nil, errors.New("no")
		}
		_, _, err := s.replay(1)
		if err == nil || !strings.Contains(err.Error(), "the file big.txt has 70000 bytes, more than 64 KB") {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(filepath.Join(s.jobs, "big_test.star")); err == nil {
			t.Error("a test was written")
		}
	})
}

func TestWhatATestDoesNotKeepIsRefused(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	s.script("rows", `
job(retry = retry(max = 1))

def consume(ctx, item):
    db.ensure("many", {"id": "integer"}, key = ["id"])
    if not db.value("SELECT COUNT(*) FROM many"):
        db.insert("many", [{"id": n} for n in range(item)])
        ctx.checkpoint()
    error("%d rows" % len(list(db.query("SELECT id FROM many"))))
`)
	s.script("stored", `
job(retry = retry(max = 1), needs = ["s3:archive", "http:api.example.com"])

def consume(ctx, item):
    catch(lambda: list(s3.list("archive")))
    http.get("https://api.example.com/x")
`)
	s.script("served", `
job(retry = retry(max = 1), needs = ["sftp:bank", "http:api.example.com"])

def consume(ctx, item):
    catch(sftp.connect, "bank")
    http.get("https://api.example.com/x")
`)
	s.web = func(r *http.Request) (*http.Response, error) { return answer(r, 200, "{}") }
	for _, typ := range s.loader() {
		s.Add(typ)
	}
	for i, c := range []struct{ typ, payload, wrong, hint string }{
		{"rows", "1000", "", ""},
		{"rows", "1001", "the table many has more than 1000 rows", "dsengine docs t"},
		{"stored", "1", "it works on s3:archive, and what is there is not kept", `t.s3("archive").file(...): dsengine docs t.s3`},
		{"served", "1", "it works on sftp:bank, and what is there is not kept", `t.sftp("bank").file(...): dsengine docs t.sftp`},
	} {
		if c.typ == "rows" {
			s.Exec("DROP TABLE IF EXISTS many")
		}
		id := s.Enqueue(engine.NewJob{Type: c.typ, Payload: engine.Raw(c.payload)})
		s.web = func(r *http.Request) (*http.Response, error) { return answer(r, 200, "{}") }
		s.Run()
		s.web = func(r *http.Request) (*http.Response, error) {
			if r.Context().Err() == nil { // else it is not sent
				t.Error("what can be no test went on")
			}
			return nil, errors.New("no")
		}
		_, _, err := s.replay(id)
		switch {
		case c.wrong == "" && err != nil:
			t.Errorf("%s: %v", c.typ, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong) || !strings.Contains(engine.HintOf(err), c.hint)):
			t.Errorf("%d, %s: got %v (%s), want %s (%s)", i, c.typ, err, engine.HintOf(err), c.wrong, c.hint)
		}
	}
}

func TestATestOfAJobThatIsCancelledPasses(t *testing.T) {
	t.Parallel()
	for ending, script := range map[string]string{
		".star": "def consume(ctx, item):\n    ctx.cancel(\"no longer needed\")\n",
		".lua":  "function consume(ctx, item)\n  ctx.cancel(\"no longer needed\")\nend\n",
	} {
		s := embedded(t)
		s.ending = ending
		s.script("done", script)
		s.runWith()
		r, name, err := s.replay(1)
		s.must(err)
		if got := s.test(strings.TrimPrefix(name, "test_")); r.Status != engine.StatusCancelled || got.Status != scripttest.Passed {
			t.Errorf("%s: %s %+v", ending, r.Status, got.Failures[0])
		}
	}
}

// limited fails behind its checkpoint, half of its rows, where the database is down.
const limited = `
job(rejects = "5%", retry = retry(max = 1), needs = ["files:in.csv"])

def consume(ctx, item):
    for rows in ctx.batches(csv.read("in.csv"), 20):
        for r in rows:
            if r["bad"] == "yes":
                reject(r, "it is bad")
        if r["id"] == "40" and vars.get("down"):
            error("the database is down")
`

const limitedLua = `
job{rejects = "5%", retry = retry{max = 1}, needs = {"files:in.csv"}}

function consume(ctx, item)
  for rows in ctx.batches(csv.read("in.csv"), 20) do
    for _, r in ipairs(rows) do
      if r.bad == "yes" then
        reject(r, "it is bad")
      end
      if r.id == "40" and vars.get("down") then
        error("the database is down")
      end
    end
  end
end
`

func TestAReplayCountsWhatTheJobHasRejectedBefore(t *testing.T) {
	t.Parallel()
	for ending, limited := range map[string]string{".star": limited, ".lua": limitedLua} {
		t.Run(ending[1:], func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, s *site) {
				s.ending = ending
				s.script("limited", limited)
				for _, typ := range s.loader() {
					s.Add(typ)
				}
				for _, c := range []struct {
					what  string
					bad   func(id int) bool
					fails string
				}{
					{"too many before it", func(id int) bool { return id < 20 && id%5 == 0 }, "3 of 40 rows were rejected"},
					{"too many of the rest alone", func(id int) bool { return id == 22 || id == 23 }, ""},
				} {
					csv := "id,bad\n"
					for id := 1; id <= 40; id++ {
						csv += fmt.Sprintf("%d,%s\n", id, map[bool]string{true: "yes", false: "no"}[c.bad(id)])
					}
					s.File("in.csv", csv)
					s.must(s.Store.SetVariables(t.Context(), []engine.VariableWrite{{Name: "down", Value: engine.Raw("true"), Seen: -1}}))
					id := s.Enqueue(engine.NewJob{Type: "limited", Payload: engine.Raw("1")})
					s.Run()
					s.must(s.Store.SetVariables(t.Context(), []engine.VariableWrite{{Name: "down", Value: engine.Raw("false"), Seen: -1}}))
					r, _, err := s.replay(id)
					s.must(err)
					got := ""
					for _, f := range r.Failures {
						got += f.Message
					}
					if r.OK != (c.fails == "") || !strings.Contains(got, c.fails) {
						t.Errorf("%s: got %v, %q, want %q", c.what, r.OK, got, c.fails)
					}
				}
			})
		})
	}
}

// few fails by its rejects, some of which were committed with its loop.
const few = `
job(rejects = 2, retry = retry(max = 1), needs = ["files:in.csv"])

def consume(ctx, item):
    for rows in ctx.batches(csv.read("in.csv"), 2):
        for r in rows:
            if r["bad"] == "yes":
                reject(r, "it is bad")
`

const fewLua = `
job{rejects = 2, retry = retry{max = 1}, needs = {"files:in.csv"}}

function consume(ctx, item)
  for rows in ctx.batches(csv.read("in.csv"), 2) do
    for _, r in ipairs(rows) do
      if r.bad == "yes" then
        reject(r, "it is bad")
      end
    end
  end
end
`

func TestAReplayOfTooManyRejectsBeginsAnew(t *testing.T) {
	t.Parallel()
	for ending, script := range map[string]string{".star": few, ".lua": fewLua} {
		for limit, fails := range map[string]string{"2": "3 rows were rejected, more than rejects = 2 allows; the first: it is bad (in.csv, line 6)", `"30%"`: "3 of 6 rows were rejected"} {
			t.Run(ending[1:]+limit, func(t *testing.T) {
				t.Parallel()
				each(t, func(t *testing.T, s *site) {
					s.ending = ending
					s.script("few", strings.Replace(script, "rejects = 2", "rejects = "+limit, 1))
					s.File("in.csv", "id,bad\n1,no\n2,no\n3,yes\n4,no\n5,yes\n6,yes\n")
					s.runWith()
					r, name, err := s.replay(1)
					s.must(err)
					if r.RejectCount != 3 || r.Rejects[0].Reason != "it is bad" || r.Rejects[0].Line != 4 {
						t.Errorf("rejects: %d %+v", r.RejectCount, r.Rejects)
					}
					written, err := os.ReadFile(filepath.Join(s.jobs, "few_test"+ending))
					s.must(err)
					if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Failed || !strings.Contains(got.Failures[0].Message, fails) {
						t.Errorf("the test: %s %+v\n%s", got.Status, got.Failures, written)
					}
					s.script("few", strings.Replace(script, "rejects = 2", "rejects = 3", 1))
					if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Passed {
						t.Errorf("mended: %+v\n%s", got.Failures[0], written)
					}
				})
			})
		}
	}
}
