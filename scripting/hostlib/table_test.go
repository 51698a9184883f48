package hostlib_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/xuri/excelize/v2"
)

// all lists every function and method of the table.
func all() []*hostlib.Func {
	list := slices.Clone(hostlib.Globals)
	for _, m := range hostlib.Modules {
		list = append(list, m.Funcs...)
	}
	for _, t := range hostlib.Types {
		list = append(list, t.Methods...)
	}
	return list
}

func sentence(s string) bool {
	return s != "" && strings.HasSuffix(s, ".") && s[0] >= 'A' && s[0] <= 'Z'
}

func TestEverythingIsDocumented(t *testing.T) {
	for _, m := range hostlib.Modules {
		if !sentence(m.Doc) {
			t.Errorf("module %s: %q is no sentence", m.Name, m.Doc)
		}
		for _, c := range m.Consts {
			if !sentence(c.Doc) {
				t.Errorf("%s.%s: %q is no sentence", m.Name, c.Name, c.Doc)
			}
		}
	}
	for _, typ := range hostlib.Types {
		if !sentence(typ.Doc) {
			t.Errorf("type %s: %q is no sentence", typ.Name, typ.Doc)
		}
		for _, a := range typ.Attrs {
			if !regexp.MustCompile(`\.$`).MatchString(a.Doc) || a.Type == "" {
				t.Errorf("%s.%s: no type, or %q is no sentence", typ.Name, a.Name, a.Doc)
			}
		}
	}
	for _, f := range all() {
		if !sentence(f.Doc) {
			t.Errorf("%s: %q is no sentence", f, f.Doc)
		}
		if f.Example == "" {
			t.Errorf("%s has no example", f)
		}
		if f.Lua == "" {
			t.Errorf("%s has no example in Lua", f)
		} else if told, want := len(expectedInLua.FindAllString(f.Lua, -1)), len(expected.FindAllString(f.Example, -1)); told < want {
			t.Errorf("%s: its example tells %d values, and that in Lua %d", f, want, told)
		}
		for _, p := range f.Params {
			if p.Doc == "" || strings.HasSuffix(p.Doc, ".") {
				t.Errorf("%s: parameter %s: %q", f, p.Name, p.Doc)
			}
		}
	}
}

// keywords are those of Starlark, with the names it keeps for itself, and of Lua.
var keywords = strings.Fields(`
	and break continue def elif else for if in lambda load not or pass return while
	as assert async await class del except finally from global import is nonlocal raise try with yield
	do elseif end false function goto local nil repeat then true until`)

func TestNothingIsNamedByAKeyword(t *testing.T) {
	var names []string
	for _, f := range all() {
		names = append(names, f.Name)
		for _, p := range f.Params {
			if p.Name != "until" { // scan's: Lua writes {["until"] = 5}
				names = append(names, p.Name)
			}
		}
	}
	for _, m := range hostlib.Modules {
		names = append(append(names, m.Name), m.Names()...)
	}
	for _, typ := range hostlib.Types {
		for _, a := range typ.Attrs {
			names = append(names, a.Name)
		}
	}
	names = append(names, hostlib.SettingNames()...)
	for _, n := range names {
		if slices.Contains(keywords, n) {
			t.Errorf("%q is a keyword", n)
		}
	}
}

var expected = regexp.MustCompile(`(?m)^(\S.*?)  # (.+)$`)

// exampleNeeds is all that examples need.
const exampleNeeds = `["files:data/**", "http:api.example.com", "secret:*", "mail:*@example.com", "http:hooks.slack.com", "db:crm:write", "s3:*", "http:s3.example.com", "sftp:bank", "ftp:partner"]`

// script makes a job script of an example. A line "expression  # value" must
// give that value.
func script(f *hostlib.Func, needs string) string {
	var b strings.Builder
	if f.Name == "job" {
		b.WriteString(f.Example + "\ndef consume(ctx, item):\n")
	} else {
		b.WriteString("load(\"lib/check.star\", \"eq\")\njob(needs = " + needs + ")\ndef consume(ctx, item):\n")
		for _, line := range strings.Split(f.Example, "\n") {
			if m := expected.FindStringSubmatch(line); m != nil {
				line = fmt.Sprintf("eq(%s, %s)", m[1], m[2])
			}
			b.WriteString("    " + line + "\n")
		}
	}
	b.WriteString("    error(\"it ran\")\n") // nothing of it stays
	return b.String()
}

var (
	expectedInLua = regexp.MustCompile(`(?m)^(\S.*?)  -- (.+)$`)
	longNumber    = regexp.MustCompile(`^[0-9]{16,}$`)
)

// luaScript makes a job script of an example in Lua. A line "expression  --
// value" must give that value.
func luaScript(f *hostlib.Func) string {
	var b strings.Builder
	b.WriteString("local check = require(\"lib/check\")\n")
	if f.Name == "job" {
		b.WriteString(f.Lua + "\nfunction consume(ctx, item)\n")
	} else {
		b.WriteString("job({needs = {" + strings.Trim(exampleNeeds, "[]") + "}})\nfunction consume(ctx, item)\n")
		for _, line := range strings.Split(f.Lua, "\n") {
			if m := expectedInLua.FindStringSubmatch(line); m != nil && !strings.HasPrefix(line, "local ") {
				want := m[2]
				if longNumber.MatchString(want) { // else Lua reads it as a float
					want = "tonumber(\"" + want + "\")"
				}
				line = fmt.Sprintf("check.eq(%s, %s)", m[1], want)
			}
			b.WriteString("  " + line + "\n")
		}
	}
	b.WriteString("  error(\"it ran\")\nend\n") // nothing of it stays
	return b.String()
}

// examplePerson is a row of the files that examples read.
type examplePerson struct {
	ID   int64  `parquet:"id"`
	Name string `parquet:"name"`
}

// exampleWorld has all that examples work on.
func exampleWorld(t *testing.T) *world.World {
	t.Helper()
	w := world.New(t)
	api := exampleAPI(t)
	store := newObjectStore(t, w)
	store.put("in/people.csv", "id,name\n1,Ada\n2,Grace\n")
	store.put("in/words.txt", "alpha\nbeta\n")
	if _, err := store.backend.PutObject("people", "people.csv", stamped(nil), strings.NewReader("x"), 1, nil); err != nil {
		t.Fatal(err)
	}
	w.Host.S3 = func(name string) (*hostlib.S3, error) {
		return &hostlib.S3{Endpoint: "https://s3.example.com", Bucket: name, AccessKey: objectKey, SecretKey: objectSecret}, nil
	}
	w.Host.HTTP = tripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "hooks.slack.com" || strings.HasPrefix(r.URL.Path, "/hooks/") {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}
		if r.URL.Host == "s3.example.com" {
			out := r.Clone(r.Context())
			out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(store.url, "http://")
			return http.DefaultTransport.RoundTrip(out)
		}
		return api.RoundTrip(r)
	})
	w.Host.Mail = newPostOffice(t, false).settings()
	w.Host.Secret = func(name string) (string, error) {
		if name == "slack_webhook" {
			return "https://hooks.slack.com/services/T0/B0/x", nil
		}
		return "s3cr3t-token", nil
	}
	w.Host.Remotes = exampleServers(t)
	w.File("data/people.csv", "id,name\n1,Ada\n2,Grace\n")
	w.File("data/people.zip", zipped(t, map[string]string{"people.csv": "id,name\n1,Ada\n"}))
	w.File("data/people.xml", "<people><person id='1'/><person id='2'/></people>")
	w.File("data/people.html", "<h1>People</h1>")
	w.File("data/people.parquet", string(parquetOf(t, []examplePerson{{1, "Ada"}, {2, "Grace"}})))
	writeBook(t, filepath.Join(w.Files, "data", "people.xlsx"), func(f *excelize.File) {
		f.SetSheetName("Sheet1", "People")
		f.SetSheetRow("People", "A1", &[]any{"id", "name"})
		f.SetSheetRow("People", "A2", &[]any{1, "Ada"})
		f.SetSheetRow("People", "A3", &[]any{2, "Grace"})
	})
	w.File("data/words.txt", "alpha\nbeta\n")
	w.File("data/people.jsonl", "{\"name\": \"Ada\"}\n")
	w.File("data/export.json", "{\"items\": [{\"name\": \"Ada\"}]}")
	w.Script("setup", `
job(needs = ["db:crm:write"])
def consume(ctx, item):
    db.ensure("users", {"id": "integer", "name": "text"}, key = ["id"]) # for examples that commit
    for d in [db, db.connect("crm")]:
        d.ensure("people", {"id": "integer", "name": "text"}, key = ["id"])
        d.insert("people", [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}])
`)
	if j := w.Do("setup", "1"); j.Error != nil {
		t.Fatal(j.Error)
	}
	return w
}

func TestEveryExampleRunsInLua(t *testing.T) {
	t.Parallel()
	w := exampleWorld(t)
	ids := map[*hostlib.Func]engine.JobID{}
	for i, f := range all() {
		if errs := w.LoadsLua(fmt.Sprintf("example%d", i), luaScript(f)); len(errs) > 0 {
			t.Errorf("%s: %s\n%s", f, luaScript(f), errs)
			continue
		}
		w.Lua(fmt.Sprintf("example%d", i), luaScript(f)).Settings.Retry = engine.RetryPolicy{Max: 1}
	}
	for i, f := range all() {
		if w.LoadsLua("example", luaScript(f)) == nil {
			ids[f] = w.Enqueue(engine.NewJob{Type: fmt.Sprintf("example%d", i), Payload: engine.Raw("1")})
		}
	}
	w.Run()
	for f, id := range ids {
		if j := w.Job(id); j.Error == nil || j.Error.Message != "it ran" {
			t.Errorf("%s: %s\n%+v", f, luaScript(f), j.Error)
		}
	}
}

// examples runs the examples of functions, and gives their jobs.
func examples(t *testing.T, needs string) map[*hostlib.Func]*engine.Job {
	t.Helper()
	w := exampleWorld(t)
	ids, jobs := map[*hostlib.Func]engine.JobID{}, map[*hostlib.Func]*engine.Job{}
	for i, f := range all() {
		w.Script(fmt.Sprintf("example%d", i), script(f, needs)).Settings.Retry = engine.RetryPolicy{Max: 1}
	}
	for i, f := range all() {
		ids[f] = w.Enqueue(engine.NewJob{Type: fmt.Sprintf("example%d", i), Payload: engine.Raw("1")})
	}
	w.Run()
	for f, id := range ids {
		jobs[f] = w.Job(id)
	}
	return jobs
}

func TestEveryExampleRuns(t *testing.T) {
	t.Parallel()
	for f, j := range examples(t, exampleNeeds) {
		if j.Error == nil || j.Error.Message != "it ran" {
			t.Errorf("%s: %s\n%+v", f, script(f, exampleNeeds), j.Error)
		}
	}
}

// What the docs say that a function needs is what it is refused without.
func TestWhatAFunctionNeedsIsDocumented(t *testing.T) {
	t.Parallel()
	kinds := 0
	for f, j := range examples(t, "[]") {
		refused := j.Error != nil && j.Error.Code == "needs"
		switch own := refused && strings.HasPrefix(j.Error.Message, f.String()+": "); {
		case f.Needs == "" && own:
			t.Errorf("%s says that it needs nothing: %s", f, j.Error.Message)
		case f.Needs != "" && !refused:
			t.Errorf("%s says that it needs %s, and runs without: %+v", f, f.Needs, j.Error)
		case own:
			kinds++
		}
		if f.Needs != "" && hostlib.NeedExample(f.Needs) == "" {
			t.Errorf("%s: there is no need %q", f, f.Needs)
		}
	}
	if kinds < 20 {
		t.Errorf("only %d functions were refused", kinds)
	}
}
