package scripting_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting"
)

func TestLoadFindsScriptsAndGoesOnAfterABadOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const ok = "\"\"\"Does it.\"\"\"\ndef consume(ctx, item):\n    pass\n"
	for name, text := range map[string]string{
		"good.star":            ok,
		"crm/customers.star":   ok,
		"crm/_helper.star":     "x = 1\n",
		"_defaults.star":       "broken(\n",
		"lib/x.star":           "bad = undefined_thing\n",
		"good_test.star":       "broken(\n",
		"bad.star":             "def consume(ctx):\n    pass\n",
		"uses.star":            "load(\"lib/x.star\", \"bad\")\n" + ok,
		"uses_too.star":        "load(\"lib/x.star\", \"bad\")\n" + ok,
		"helperless.star":      "x = 1\n",
		"other.lua":            "-- Does it in Lua.\nlocal y = require(\"lib/y\")\nfunction consume(ctx, item) return y.z end\n",
		"other_test.lua":       "x",
		"good.lua":             "function consume(ctx, item) end\n",
		"lua_bad.lua":          "local y = require(\"lib/w\")\nfunction consume(ctx, item) end\n",
		"lib/y.lua":            "return {z = 1}\n",
		"lib/w.lua":            "\nlocal x = csv.raed(\"y\")\n",
		"no name.star":         ok,
		".hidden.star":         "broken(\n",
		".git/hooks/post.star": "broken(\n",
		"README.md":            "no script",
	} {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := scripting.Load(dir, scripting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, typ := range r.Types {
		got = append(got, fmt.Sprintf("%s: %s %d", typ.Name, typ.Doc, len(typ.Version)))
	}
	for _, e := range r.Errors {
		got = append(got, strings.ReplaceAll(e.Error(), filepath.ToSlash(dir)+"/", ""))
	}
	want := []string{
		"crm/customers: Does it. 16",
		"good: Does it. 16",
		"other: Does it in Lua. 16",
		"bad.star:1:5: the hook is called as consume(ctx, item), but is defined as consume(ctx); see: dsengine docs consume",
		"good.lua: it is not loaded: good.star is the script of this job type",
		"helperless.star: it defines neither produce(ctx) nor consume(ctx, item); if it is a helper file, move it to lib/ or begin its name with _",
		`lib/w.lua:2:1: csv has no "raed" (did you mean "read"?); see: dsengine docs csv (by way of lua_bad.lua:1)`,
		`no name.star: "no name" cannot name a job type: use letters, digits, _, - and ., with / between folders, at most 190 bytes`,
		"lib/x.star:1:7: undefined: undefined_thing (by way of uses.star:1:1; uses_too.star:1:1)",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAFolderThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := scripting.Load(filepath.Join(t.TempDir(), "jobs"), scripting.Options{}); err == nil || !strings.Contains(err.Error(), "open the jobs folder") {
		t.Errorf("got %v", err)
	}
}

func TestScriptsCannotLeaveTheJobsFolderByLinks(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "x.star"), []byte("def consume(ctx, item): pass\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "x.star"), filepath.Join(dir, "x.star")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	r, err := scripting.Load(dir, scripting.Options{})
	if err != nil || len(r.Types) != 0 || len(r.Errors) != 1 || !strings.Contains(r.Errors[0].Message, "escapes") {
		t.Errorf("got %v %v %v", r.Types, r.Errors, err)
	}
}

// What check finds in a script that does not load is told when it is loaded, in the
// same words and at the same places.
func TestLoadTellsAllThatCheckFinds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = `job(every = "15m",
    timeout = "1x",
    slots = 3)

def consume(ctx, item):
    db.insert("t")
    unused = 1
`
	if err := os.WriteFile(filepath.Join(dir, "job.star"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := scripting.Load(dir, scripting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	problems, _, err := scripting.Check(dir, scripting.CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, e := range r.Errors {
		got = append(got, e.Error())
	}
	for _, p := range problems {
		if !p.Warning {
			want = append(want, p.LoadError.Error())
		}
	}
	if len(want) != 3 || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
