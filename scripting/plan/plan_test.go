package plan_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/scripting"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/dsengine/dsengine/scripting/plan"
)

// site is a real database with a folder of scripts and one of files.
type site struct {
	*world.World
	t    *testing.T
	db   *sql.DB // to look at it from outside
	jobs string
	// ending is what the names of its scripts end in; "": .star.
	ending string
	mail   *hostlib.Mail
	// web answers requests that are sent.
	web func(r *http.Request) (*http.Response, error)
}

// each runs a test on a site on each store.
func each(t *testing.T, run func(t *testing.T, s *site)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, embedded(t))
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		w, db := world.OnMariaDB(t)
		run(t, &site{World: w, t: t, db: db, jobs: t.TempDir()})
	})
}

// embedded is a site on SQLite.
func embedded(t *testing.T) *site {
	t.Helper()
	w := world.New(t)
	db, err := sql.Open("sqlite", filepath.Join(w.Dir, "world.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &site{World: w, t: t, db: db, jobs: t.TempDir()}
}

// kept is a store that its user does not close.
type kept struct{ engine.Store }

func (kept) Close() error { return nil }

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// script writes a script into the jobs folder.
func (s *site) script(name, source string) {
	s.must(os.WriteFile(filepath.Join(s.jobs, name+cmp.Or(s.ending, ".star")), []byte(source), 0o644))
}

// answer answers a request.
func answer(r *http.Request, status int, body string) (*http.Response, error) {
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// open makes a plan's world of the site, with its scripts loaded.
func (s *site) open(o plan.Options, files string) (*plan.World, []*engine.Type) {
	s.t.Helper()
	o.Files = files
	o.Open = func(ctx context.Context, dir string) (engine.Store, error) {
		if s.Store.Dialect() != "sqlite" {
			return kept{s.Store}, nil
		}
		return sqlitestore.OpenSnapshot(ctx, filepath.Join(s.Dir, "world.db"), dir, sqlitestore.Options{})
	}
	o.Connect = func(ctx context.Context, dir, name string, readOnly bool) (engine.Connection, error) {
		file := filepath.Join(s.Others, name+".db")
		if !readOnly {
			var err error
			if file, err = sqlitestore.Snapshot(ctx, file, dir); err != nil {
				return nil, err
			}
		}
		return sqlitestore.Connect(ctx, file, readOnly, sqlitestore.Options{})
	}
	w, err := plan.New(s.t.Context(), o)
	s.must(err)
	s.t.Cleanup(func() { w.Close() })
	send := w.Dry().Send
	w.Dry().Send = func(r *http.Request, login bool, real func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		if s.web != nil {
			real = s.web
		}
		return send(r, login, real)
	}
	r, err := scripting.Load(s.jobs, scripting.Options{
		Files: files, Connections: w, Dry: w.Dry(), Mail: s.mail,
		Secret: w.Secret(func(name string) (string, error) { return "hush-hush-" + name, nil }),
	})
	s.must(err)
	for _, e := range r.Errors {
		s.t.Fatal(e)
	}
	return w, r.Types
}

func typeOf(t *testing.T, types []*engine.Type, name string) *engine.Type {
	i := slices.IndexFunc(types, func(x *engine.Type) bool { return x.Name == name })
	if i < 0 {
		t.Fatalf("there is no type %s", name)
	}
	return types[i]
}

// plan plans a job, and sees that nothing is left of it.
func (s *site) plan(name string, payload string, o plan.Options) *plan.Report {
	s.t.Helper()
	before, files := s.picture(), tree(s.t, s.Files)
	w, types := s.open(o, s.Files)
	j := plan.Job{Type: typeOf(s.t, types, name)}
	if payload != "" {
		j.Payload = engine.Raw(payload)
	}
	r, err := w.Plan(types, j)
	s.must(err)
	s.must(w.Close())
	s.same(before, files)
	return r
}

// same sees that all is as it was.
func (s *site) same(before, files string) {
	s.t.Helper()
	if after := s.picture(); after != before {
		s.t.Errorf("the database is another one\nbefore:\n%s\nafter:\n%s", before, after)
	}
	if after := tree(s.t, s.Files); after != files {
		s.t.Errorf("the files are others\nbefore:\n%s\nafter:\n%s", files, after)
	}
}

// picture is all tables of the database, with all rows.
func (s *site) picture() string {
	s.t.Helper()
	q, quote := "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name", `"`
	if s.Store.Dialect() != "sqlite" {
		q, quote = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name", "`"
	}
	var b strings.Builder
	for _, t := range strings.Split(strings.TrimSpace(s.rows(q)), "\n") {
		if t == "" {
			continue
		}
		lines := strings.Split(s.rows("SELECT * FROM "+quote+t+quote), "\n")
		slices.Sort(lines)
		fmt.Fprintf(&b, "%s:%s\n", t, strings.Join(lines, "\n  "))
	}
	return b.String()
}

func (s *site) rows(q string) string {
	s.t.Helper()
	rows, err := s.db.QueryContext(s.t.Context(), q)
	s.must(err)
	defer rows.Close()
	names, err := rows.Columns()
	s.must(err)
	var b strings.Builder
	for rows.Next() {
		vals, dest := make([]sql.RawBytes, len(names)), make([]any, len(names))
		for i := range vals {
			dest[i] = &vals[i]
		}
		s.must(rows.Scan(dest...))
		for i, v := range vals {
			if i > 0 {
				b.WriteByte('|')
			}
			b.Write(v)
		}
		b.WriteByte('\n')
	}
	s.must(rows.Err())
	return b.String()
}

// tree is all files of a folder, with what is in them.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			fmt.Fprintln(&b, p)
			return err
		}
		data, err := os.ReadFile(p)
		fmt.Fprintf(&b, "%s: %s\n", p, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// all does all that a script can do which changes anything.
const all = `
job(retry = retry(max = 1), rejects = "all", needs = [
    "files:**", "http:api.example.com", "db:crm:write", "mail:*", "secret:key", "secret:slack_webhook", "secret:unused",
])

def produce(ctx):
    w = ctx.window(time.parse("2024-01-01T00:00:00Z"), stop = time.parse("2024-01-02T00:00:00Z"))
    state.set("runs", state.get("runs", 0) + 1)
    vars.set("shared", ctx.now())
    vars.delete("old")
    ctx.enqueue("other", {"from": ctx.id}, key = "once")
    if ctx.enqueue("other", {}, key = "taken"):
        error("the key is taken")
    for f in files.list("in/*.csv"):
        ctx.emit({"path": f.path}, key = f.path, unique = "forever")
    ctx.checkpoint("emitted")
    db.ensure("made", {"id": "integer", "name": "text", "amount": "decimal(10,2)"}, key = ["id"])
    db.insert("made", [{"id": 1, "name": "one", "amount": "1.50"}])

def consume(ctx, item):
    if db.value("SELECT name FROM made WHERE id = 1") != "one":
        error("what produce wrote is not there")
    rows = list(csv.read(item["path"]))
    reject(rows[2], "no name")
    rows = [{"id": int(r["id"]), "name": r["name"]} for r in rows]
    db.upsert("people", rows, key = ["id"])
    for part in ctx.batches([{"id": i, "name": "n%d" % i} for i in range(10, 30)], 10):
        db.bulk("made", part)
    db.bulk("made", [{"id": 10, "name": "ten"}, {"id": 30, "name": "thirty"}], mode = "upsert", key = ["id"])
    db.merge("old", [{"id": 1, "v": "kept"}, {"id": 3, "v": "new"}], key = ["id"], max_delete = "100%")
    db.exec("UPDATE people SET name = upper(name) WHERE id = ?", 2)
    db.exec("DELETE FROM people WHERE id = ?", 9)
    _, err = catch(lambda: [db.insert("people", [{"id": 77, "name": "undone"}]), error("no")])
    if err == None or db.value("SELECT count(*) FROM people WHERE id = 77") != 0:
        error("catch does not undo")
    fresh = list(records.changed("people", rows, key = "id"))
    crm = db.connect("crm")
    crm.exec("INSERT INTO contacts VALUES (2, 'Grace')")
    if crm.value("SELECT count(*) FROM contacts") != 2:
        error("crm is not read as written")
    got = http.get("https://api.example.com/things", headers = {"x": secrets.get("key")}).json()
    http.post("https://api.example.com/things", json = {"key": secrets.get("key"), "n": len(got)})
    http.delete("https://api.example.com/things/1")
    notify.webhook("https://api.example.com/hook", {"done": True})
    notify.email("ada@example.com", "Imported", "All of it.")
    files.write("out/report.txt", "three rows\n")
    if files.read("out/report.txt") != "three rows\n" or [f.path for f in files.list("out/*")] != ["out/report.txt"]:
        error("what is written is not there")
    files.write("out/report.txt", "more\n", append = True)
    csv.write("out/rows.csv", rows)
    moved = files.move(item["path"], "done/")
    if files.exists(item["path"]) or not files.exists(moved):
        error("it is not moved")
    files.remove("in/trash.txt")
    tmp = files.temp("x.csv")
    csv.write(tmp, rows)
    log.warn("a line", n = len(fresh))
    ctx.count("seen", 3)
    ctx.progress(1, 1)
    ctx.on_commit(files.write, "out/committed.txt", "yes")
    return {"n": len(rows)}

def finish(ctx, summary):
    state.set("finished", summary.completed)
    return {"items": summary.total}
`

func (s *site) everything() {
	s.script("all", all)
	s.script("other", "def consume(ctx, item):\n    pass\n")
	s.File("in/a.csv", "id,name\n1,Ada\n2,Grace\n3,\n")
	s.File("in/trash.txt", "x")
	s.mail = &hostlib.Mail{Host: "127.0.0.1", Port: 1, From: "a@example.com", TLS: "none"}
	s.web = func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodGet {
			s.t.Errorf("%s %s was sent", r.Method, r.URL)
		}
		return answer(r, 200, `[1, 2]`)
	}
	for _, q := range []string{
		"CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(50))",
		"INSERT INTO people VALUES (2, 'Grace'), (1, 'Bob'), (9, 'Gone')",
		"CREATE TABLE old (id INTEGER PRIMARY KEY, v VARCHAR(50))",
		"INSERT INTO old VALUES (1, 'was'), (2, 'leaves')",
	} {
		_, err := s.db.ExecContext(s.t.Context(), q)
		s.must(err)
	}
	// What the real database knows: state, a key that is taken, records.
	types, err := s.Engine.RegisterTypes(s.t.Context(), &engine.Type{Name: "all", Hooks: map[engine.Phase]engine.Hook{engine.PhaseProduce: nothing, engine.PhaseConsume: nothing}},
		&engine.Type{Name: "other", Hooks: map[engine.Phase]engine.Hook{engine.PhaseConsume: nothing}})
	s.must(err)
	s.must(s.Store.SetVariables(s.t.Context(), []engine.VariableWrite{
		{Scope: engine.Scope{Type: types["all"]}, Name: "runs", Value: engine.Raw("41"), Seen: -1},
		{Name: "old", Value: engine.Raw(`"x"`), Seen: -1},
	}))
	_, err = s.Engine.Enqueue(s.t.Context(), engine.NewJob{Type: "other", Key: "taken"}, engine.NewJob{Type: "all"})
	s.must(err)
	c, err := sqlitestore.Connect(s.t.Context(), filepath.Join(s.Others, "crm.db"), false, sqlitestore.Options{})
	s.must(err)
	_, err = c.Handle().ExecContext(s.t.Context(), "CREATE TABLE contacts (id INTEGER PRIMARY KEY, name TEXT)")
	s.must(err)
	_, err = c.Handle().ExecContext(s.t.Context(), "INSERT INTO contacts VALUES (1, 'Ada')")
	s.must(err)
	s.must(c.Close())
}

func nothing(*engine.Call) (engine.Raw, error) { return nil, nil }

func TestAPlanTellsAllAndLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.everything()
		crm, err := os.ReadFile(filepath.Join(s.Others, "crm.db"))
		s.must(err)
		r := s.plan("all", "", plan.Options{})
		for _, f := range r.Failures {
			t.Errorf("%s: %s\n%s", f.Phase, f.Message, f.Backtrace)
		}
		if t.Failed() {
			t.FailNow()
		}
		if after, err := os.ReadFile(filepath.Join(s.Others, "crm.db")); err != nil || string(after) != string(crm) {
			t.Errorf("the other database is another one: %v", err)
		}
		if !r.OK || r.Status != engine.StatusCompleted || string(r.Result) != `{"items":1}` {
			t.Errorf("got %v %s %s", r.OK, r.Status, r.Result)
		}
		eq := func(what string, got, want any) {
			t.Helper()
			if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
				t.Errorf("%s: got %s\nwant %s", what, g, w)
			}
		}
		tables := map[string]string{}
		var also []string
		for _, x := range r.Tables {
			if x.AlsoBySQL {
				also = append(also, x.Name)
			}
			tables[x.Connection+"."+x.Name] = fmt.Sprint(x.Stats["inserted"], x.Stats["updated"], x.Stats["unchanged"], x.Stats["deleted"], " ", x.Creates)
		}
		eq("changed by SQL, too", also, "[people]")
		eq("people", tables[".people"], "1 1 1 0 ")
		eq("old", tables[".old"], "1 1 0 1 ")
		eq("made", tables[".made"], "22 1 0 0 id integer, name text, amount decimal(10,2), key id")
		var old []string
		for _, x := range r.Tables {
			if x.Name == "old" {
				for i := range x.Rows {
					old = append(old, fmt.Sprint(x.Rows[i].What, x.Rows[i].Before, x.Rows[i].After))
				}
			}
		}
		eq("rows of old", strings.Join(old, "; "), "updatedmap[id:1 v:was] map[id:1 v:kept]; insertedmap[] map[id:3 v:new]; deletedmap[id:2 v:leaves] map[]")
		eq("items", r.Items.Count, 1)
		eq("enqueued", fmt.Sprint(r.Enqueued.Count, r.Enqueued.First[0].Type, r.Enqueued.First[0].Key), "1otheronce")
		var requests []string
		for _, q := range r.Requests {
			requests = append(requests, fmt.Sprint(q.Method, " ", q.URL, " ", q.Sent))
		}
		eq("requests", strings.Join(requests, "; "), "GET https://api.example.com/things true; POST https://api.example.com/things false; DELETE https://api.example.com/things/1 false; POST https://api.example.com/hook false")
		eq("a body without its secret", r.Requests[1].Body, `{"key":"***","n":2}`)
		eq("files", r.Files, "[{move done/a.csv in/a.csv 0} {remove in/trash.txt  0} {write out/committed.txt  3} {write out/report.txt  16} {write out/rows.csv  25}]")
		eq("effects", r.Effects, "[{notify.email to ada@example.com: Imported}]")
		var values []string
		for _, v := range r.Values {
			if v.Name != "shared" {
				values = append(values, fmt.Sprintf("%s %s %s %s", v.Of, v.Name, v.Before, v.After))
			}
		}
		eq("values", strings.Join(values, "; "), `vars old "x" ; state finished  1; state runs 41 42`)
		eq("rejects", fmt.Sprint(r.RejectCount, r.Rejects[0].Reason, r.Rejects[0].Source, r.Rejects[0].Line), "1no namein/a.csv0")
		eq("unused needs", r.Needs.Unused, "[secret:slack_webhook secret:unused]")
		eq("records", fmt.Sprint(len(r.Records), r.Records[0].Source, r.Records[0].Taken), "1people3")
		eq("window", r.Window.Start.Format("2006-01-02")+" "+r.Window.End.Format("2006-01-02"), "2024-01-01 2024-01-02")
		if len(r.Log) == 0 || r.Stats["seen"] != 3 {
			t.Errorf("log %v, stats %v", r.Log, r.Stats)
		}
	})
}

func TestShippedScriptsArePlanned(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.jobs = "../../jobs"
		before := s.picture()
		w, types := s.open(plan.Options{}, "../..")
		w.Close()
		for _, typ := range types {
			s.web = func(r *http.Request) (*http.Response, error) { return answer(r, 200, "[]") }
			w, types := s.open(plan.Options{}, "../..")
			r, err := w.Plan(types, plan.Job{Type: typeOf(t, types, typ.Name)})
			s.must(err)
			for _, f := range r.Failures {
				t.Logf("%s: %s", typ.Name, f.Message)
			}
			s.must(w.Close())
			if after := s.picture(); after != before {
				t.Fatalf("%s: the database is another one\nbefore:\n%s\nafter:\n%s", typ.Name, before, after)
			}
		}
	})
}

// A secret is struck out before a long value is cut off in the midst of it; the advice to
// see to a job that is not there is left out.
func TestAPlanTellsNoPartOfASecret(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("cut", `
job(retry = retry(max = 1), needs = ["files:**", "secret:key"])

def consume(ctx, item):
    db.ensure("made", {"id": "integer", "v": "text(2000)"}, key = ["id"])
    db.insert("made", [{"id": 1, "v": "x" * 495 + secrets.get("key") + "y" * 100}])
    files.write("out/" + secrets.get("key") + ".txt", "x")
`)
		s.script("strict", `
job(retry = retry(max = 1), rejects = 0)

def consume(ctx, item):
    reject({"a": 1}, "no good")
`)
		told := func(name string) string {
			raw, err := json.Marshal(s.plan(name, "{}", plan.Options{}))
			s.must(err)
			return string(raw)
		}
		for got, parts := range map[string][2]string{
			told("cut"):    {"hush", `"files:out/***.txt"`},
			told("strict"): {"see them with", "no good"},
		} {
			if strings.Contains(got, parts[0]) || !strings.Contains(got, parts[1]) {
				t.Errorf("it has %q, or not %q:\n%s", parts[0], parts[1], got)
			}
		}
	})
}

func TestAHookThatFailsIsTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("bad", `
job(retry = retry(max = 3, first = "1h"))

def consume(ctx, item):
    db.ensure("made", {"id": "integer"}, key = ["id"])
    db.insert("made", [{"id": 1}])
    part(item)

def part(item):
    error("bad item %s" % item["id"])

def fail(ctx, item, err):
    state.set("failed", err.message)
`)
		r := s.plan("bad", `{"id": 7}`, plan.Options{})
		if r.OK || len(r.Failures) != 1 || r.Waits == nil {
			t.Fatalf("got %+v", r)
		}
		f := r.Failures[0]
		if f.Message != "bad item 7" || !strings.Contains(f.Backtrace, "bad.star:10:") || !strings.Contains(f.Backtrace, "in part") {
			t.Errorf("got %s\n%s", f.Message, f.Backtrace)
		}
		if len(r.Values) != 1 || string(r.Values[0].After) != `"bad item 7"` {
			t.Errorf("what the fail hook has set is not told: %+v", r.Values)
		}
		if h := r.Hooks; len(h) != 2 || h[0].Attempt != 1 || h[1].Phase != engine.PhaseFail || h[1].Attempt != 1 {
			t.Errorf("the hooks of attempt 1: %+v %+v", h[0], h[len(h)-1])
		}
		for _, x := range r.Tables {
			if x.Stats["inserted"] != 0 || x.Creates != "" {
				t.Errorf("what was rolled back is told: %+v", x)
			}
		}
	})
}

func TestItemsAreBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("many", `
def produce(ctx):
    ctx.emit_all([{"n": n} for n in range(3000)])

def consume(ctx, item):
    ctx.count("done")

def finish(ctx, summary):
    error("not all were done")
`)
		r := s.plan("many", "", plan.Options{Items: 5})
		if r.Items.Count != 3000 || r.ItemsRun != 5 || r.Stats["done"] != 5 || !r.OK || len(r.Notes) == 0 {
			t.Errorf("got %d items, %d run, %v, ok %v, notes %v", r.Items.Count, r.ItemsRun, r.Stats, r.OK, r.Notes)
		}
	})
}

func TestAPlanThatTakesTooLongEnds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("slow", `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("made", {"id": "integer"}, key = ["id"])
    db.insert("made", [{"id": 1}])
    http.get("https://api.example.com/", timeout = "1m")
`)
		var ended error // what ended the request
		s.web = func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			ended = context.Cause(r.Context())
			return nil, ended
		}
		before := s.picture()
		w, types := s.open(plan.Options{Timeout: 6 * time.Second}, s.Files)
		_, err := w.Plan(types, plan.Job{Type: typeOf(t, types, "slow")})
		if err == nil || !strings.Contains(err.Error(), "the plan takes longer than 6s") {
			t.Errorf("got %v", err)
		}
		if ended == nil || !strings.Contains(ended.Error(), "the plan takes longer than 6s") {
			t.Errorf("the request ended by %v, not with the plan", ended)
		}
		s.must(w.Close())
		s.same(before, tree(t, s.Files))
	})
}

func TestWhatNoRollbackTakesBackIsRefused(t *testing.T) {
	t.Parallel()
	w, db := world.OnMariaDB(t)
	s := &site{World: w, t: t, db: db, jobs: t.TempDir()}
	for _, q := range []string{"CREATE TABLE aria (id INT) ENGINE=Aria", "CREATE PROCEDURE commits() BEGIN INSERT INTO aria VALUES (1); COMMIT; END"} {
		_, err := db.ExecContext(t.Context(), q)
		s.must(err)
	}
	s.script("sly", `
def consume(ctx, item):
    _, err = catch(db.exec, "INSERT INTO aria VALUES (2)")
    _, err2 = catch(db.exec, "CALL commits()")
    return [err.message, err2.message]
`)
	r := s.plan("sly", "", plan.Options{})
	if got := string(r.Result); !strings.Contains(got, "knows no transactions") || !strings.Contains(got, "CALL is not run here") {
		t.Errorf("got %s", got)
	}
}

func TestAPlanKnowsWhatWasSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.mail = &hostlib.Mail{Host: "127.0.0.1", Port: 1, From: "a@example.com", TLS: "none"}
		s.script("told", `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    return [notify.webhook("https://api.example.com/hook", {"bad": n}, key = n) for n in ["known", "new", "new"]]
`)
		s.must(s.Store.KeepNotices(t.Context(), []engine.Notice{{
			Key: engine.NoticeKey("told", "", "webhook", "https://api.example.com/hook", "key", "known"), Job: 7, For: time.Hour,
		}}))
		if r := s.plan("told", "", plan.Options{}); string(r.Result) != "[false,true,false]" || len(r.Requests) != 1 {
			t.Errorf("got %s %+v %+v", r.Result, r.Requests, r.Failures)
		}
	})
}
