package scripttest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// keywords are those of Starlark, with the names it keeps for itself, and of Lua.
var keywords = strings.Fields(`
	and break continue def elif else for if in lambda load not or pass return while
	as assert async await class del except finally from global import is nonlocal raise try with yield
	do elseif end false function goto local nil repeat then true until`)

func sentence(s string) bool {
	return len(s) > 1 && strings.HasSuffix(s, ".") && s[0] >= 'A' && s[0] <= 'Z'
}

func TestAllThatTestsCanDoIsDocumented(t *testing.T) {
	t.Parallel()
	named := func(what, name string) {
		if slices.Contains(keywords, name) {
			t.Errorf("%s: %q is a keyword", what, name)
		}
	}
	n := 0
	for _, typ := range Types() {
		if !sentence(typ.Doc) {
			t.Errorf("%s: %q is no sentence", typ.Name, typ.Doc)
		}
		for _, a := range typ.Attrs {
			n++
			named(typ.Name, a.Name)
			if !sentence(a.Doc) || a.Type == "" {
				t.Errorf("%s.%s: no type, or %q is no sentence", typ.Name, a.Name, a.Doc)
			}
		}
		for _, f := range typ.Methods {
			n++
			named(typ.Name, f.Name)
			if !sentence(f.Doc) {
				t.Errorf("%s: %q is no sentence", f, f.Doc)
			}
			if !strings.HasPrefix(f.String(), "t.") || !f.Testing {
				t.Errorf("%s: it is not called as tests call it, or is not for tests", f)
			}
			for language, example := range map[string]string{"Starlark": f.Example, "Lua": f.Lua} {
				if !strings.Contains(example, f.Name+"(") {
					t.Errorf("%s: its example in %s does not call it: %s", f, language, example)
				}
			}
			if told, want := strings.Count(f.Lua, "  -- "), strings.Count(f.Example, "  # "); told != want {
				t.Errorf("%s: its example tells %d values, and that in Lua %d", f, want, told)
			}
			for _, p := range f.Params {
				named(f.String(), p.Name)
				if p.Doc == "" || strings.HasSuffix(p.Doc, ".") {
					t.Errorf("%s: parameter %s: %q", f, p.Name, p.Doc)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d", n)
	}
}

// exampleLanguage is how examples of tests are run in a language.
type exampleLanguage struct {
	ending  string
	example func(f *hostlib.Func) string
	test    string // a test, of a name and what it does
	checked *regexp.Regexp
	world   string // goes before the examples: all that they name
	job     string // what the examples test. It makes a job of another type
	mail    string // that type
}

var exampleLanguages = []exampleLanguage{
	{
		"star", func(f *hostlib.Func) string { return f.Example }, "def test_%s(t):\n%s\n", regexp.MustCompile(`^(\S.*?)  # (.+)$`),
		`t.file("incoming/a.csv", "id,name\n1,Ada\n2,Grace\n")
t.http.on("GET", "https://api.example.com/items", json = [])
t.state.set("since", 1)
`, `
job(needs = ["files:incoming/*.csv", "http:api.example.com", "secret:crm_token"])

def produce(ctx):
    http.get("https://api.example.com/items")
    for f in files.list("incoming/*.csv"):
        ctx.emit({"path": f.path})
    ctx.enqueue("mail", {"to": 7})

def consume(ctx, item):
    db.ensure("people", {"id": "integer", "name": "text"}, key = ["id"])
    for row in csv.read(item["path"]):
        db.upsert("people", [{"id": int(row["id"]), "name": row["name"]}], key = ["id"])
    log.info("imported", path = item["path"])

def redrive(ctx, rows):
    db.upsert("people", [{"id": int(r["id"]), "name": r["name"]} for r in rows], key = ["id"])

def fail(ctx, item, err):
    if err.final:
        ctx.fail(err.message)
`, "def consume(ctx, item):\n    pass\n",
	},
	{
		"lua", func(f *hostlib.Func) string { return f.Lua }, "function test_%s(t)\n%send\n", regexp.MustCompile(`^(\S.*?)  -- (.+)$`),
		`t.file("incoming/a.csv", "id,name\n1,Ada\n2,Grace\n")
t.http.on("GET", "https://api.example.com/items", {json = json.array()})
t.state.set("since", 1)
`, `
job({needs = {"files:incoming/*.csv", "http:api.example.com", "secret:crm_token"}})

function produce(ctx)
  http.get("https://api.example.com/items")
  for _, f in ipairs(files.list("incoming/*.csv")) do
    ctx.emit({path = f.path})
  end
  ctx.enqueue("mail", {to = 7})
end

function consume(ctx, item)
  db.ensure("people", {id = "integer", name = "text"}, {key = {"id"}})
  for row in csv.read(item.path) do
    db.upsert("people", {{id = tonumber(row.id), name = row.name}}, {key = {"id"}})
  end
  log.info("imported", {path = item.path})
end

function redrive(ctx, rows)
  for r in rows do
    db.upsert("people", {{id = tonumber(r.id), name = r.name}}, {key = {"id"}})
  end
end

function fail(ctx, item, err)
  if err.final then ctx.fail(err.message) end
end
`, "function consume(ctx, item) end\n",
	},
}

// TestTheExamplesOfTestsPass runs each as a test of its own, in both languages.
func TestTheExamplesOfTestsPass(t *testing.T) {
	t.Parallel()
	for _, in := range exampleLanguages {
		t.Run(in.ending, func(t *testing.T) {
			t.Parallel()
			var tests strings.Builder
			want := map[string]Status{}
			for _, typ := range Types() {
				for _, f := range typ.Methods {
					name, body := strings.ReplaceAll(f.String(), ".", "_"), in.world
					if name != "t_run" && name != "t_produce" {
						body += "t.run()\nt.clock.advance(\"1s\")\n"
					}
					for _, line := range strings.Split(in.example(f), "\n") {
						if m := in.checked.FindStringSubmatch(line); m != nil {
							line = fmt.Sprintf("t.eq(%s, %s)", m[1], m[2])
						}
						body += line + "\n"
					}
					fmt.Fprintf(&tests, in.test, name, "    "+strings.ReplaceAll(strings.TrimSuffix(body, "\n"), "\n", "\n    ")+"\n")
					if want[name] = Passed; f == testerType.Method("skip") {
						want[name] = Skipped
					}
				}
			}
			all := results(t, Options{Jobs: folder(t, map[string]string{
				"people." + in.ending: in.job, "people_test." + in.ending: tests.String(), "mail." + in.ending: in.mail,
				"fixtures/a.csv": "id,name\n", "golden/people.json": "[{\"id\": 1, \"name\": \"Ada\"}, {\"id\": 2, \"name\": \"Grace\"}]\n",
			})})
			for name, status := range want {
				if r := all[name]; r == nil || r.Status != status {
					t.Errorf("%s: %+v", name, r)
				}
			}
			if t.Failed() {
				t.Log(told(all))
			}
		})
	}
}

// What an attribute's type, or a function's result, is called is a type that
// docs know, where it is one of tests.
func TestTheTypesOfTestsAreKnown(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, typ := range Types() {
		names[typ.Name] = true
	}
	word := regexp.MustCompile(`\btest_\w+|\boutcome\b`)
	look := func(where, text string) {
		for _, w := range word.FindAllString(text, -1) {
			if !names[w] {
				t.Errorf("%s: there is no type %s", where, w)
			}
		}
	}
	for _, typ := range Types() {
		if hostlib.TypeNamed(typ.Name) != nil {
			t.Errorf("two types are called %s", typ.Name)
		}
		for _, a := range typ.Attrs {
			look(typ.Name+"."+a.Name, a.Type)
		}
		for _, f := range typ.Methods {
			look(f.String(), f.Returns)
		}
	}
}
