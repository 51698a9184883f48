package scripttest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const goldenTests = `
ROWS = [{"id": 1, "name": "Ada", "at": time.parse("2020-01-02T03:04:05Z")}, {"id": 2, "name": "Grace", "at": None}]

def test_rows(t):
    t.golden(ROWS, "rows.json")

def test_text(t):
    t.golden("id,name\r\n1,Ada\n", "deep/er/people.csv")

def test_bytes(t):
    t.golden(b"\xff\x00", "data.bin")

def test_bytes_in_rows(t):
    t.golden([{"id": 1, "data": b"\xff\x00"}, {"id": 2, "data": None}], "files.json")

def test_number(t):
    t.golden(9007199254740993, "number")

def test_record(t):
    t.golden(t.fails(lambda: error("no", code = "x.y")).code, "code.txt")
`

// goldenFiles are those that goldenTests make.
var goldenFiles = map[string]string{
	"rows.json":          "[\n    {\"id\": 1, \"name\": \"Ada\", \"at\": \"2020-01-02T03:04:05Z\"},\n    {\"id\": 2, \"name\": \"Grace\", \"at\": null}\n]\n",
	"deep/er/people.csv": "id,name\r\n1,Ada\n",
	"data.bin":           "\xff\x00",
	"files.json":         "[\n    {\"id\": 1, \"data\": \"/wA=\"},\n    {\"id\": 2, \"data\": null}\n]\n",
	"number":             "9007199254740993\n",
	"code.txt":           "x.y",
}

// told is all that is told of results.
func told(all map[string]*Result) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		all[name].Text(&b)
	}
	return b.String()
}

// allAre checks how tests went.
func allAre(t *testing.T, all map[string]*Result, want Status) {
	t.Helper()
	for name, r := range all {
		if r.Status != want {
			t.Errorf("%s %s", name, r.Status)
		}
	}
	if t.Failed() {
		t.Log(told(all))
	}
}

func TestGoldenFilesAreWrittenAndComparedWith(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"lib/g_test.star": goldenTests, "lib/golden/other.json": "1\n"})
	golden := filepath.Join(dir, "lib", "golden")

	// A missing one is told, and how it is made; nothing is written.
	all := results(t, Options{Jobs: dir})
	allAre(t, all, Failed)
	for _, want := range []string{"there is no golden file " + filepath.ToSlash(golden) + "/rows.json: dsengine test --update " + filepath.ToSlash(dir) + "/lib/g_test.star writes it", "it would hold", `{"id": 2, "name": "Grace", "at": null}`} {
		if !strings.Contains(told(all), want) {
			t.Errorf("%q is not told:\n%s", want, told(all))
		}
	}
	if files, _ := os.ReadDir(golden); len(files) != 1 {
		t.Errorf("files were written: %v", files)
	}

	// --update writes them, and leaves the others.
	all = results(t, Options{Jobs: dir, Update: true})
	allAre(t, all, Passed)
	for name, want := range goldenFiles {
		if got, err := os.ReadFile(filepath.Join(golden, filepath.FromSlash(name))); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
		if !strings.Contains(told(all), "      wrote "+filepath.ToSlash(golden)+"/"+name+"\n") {
			t.Errorf("that %s was written is not told:\n%s", name, told(all))
		}
	}
	if _, err := os.Stat(filepath.Join(golden, "other.json")); err != nil {
		t.Error(err)
	}

	// Then the tests pass, also where JSON is written in another way, and nothing
	// is written again.
	write(t, filepath.Join(golden, "rows.json"), strings.NewReplacer("\n", " ", "1,", "1.0,").Replace(goldenFiles["rows.json"]))
	allAre(t, results(t, Options{Jobs: dir}), Passed)
	all = results(t, Options{Jobs: dir, Update: true})
	allAre(t, all, Passed)
	if strings.Contains(told(all), "wrote") {
		t.Errorf("files were written again:\n%s", told(all))
	}
}

func TestWhatDiffersFromAGoldenFileIsShown(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"g_test.star":               goldenTests,
		"golden/rows.json":          strings.Replace(goldenFiles["rows.json"], "Grace", "Edsger", 1),
		"golden/deep/er/people.csv": "id,name\r\n1,Bob\n",
		"golden/data.bin":           "\xff\x01",
		"golden/number":             "9007199254740992\n",
		"golden/code.txt":           "x.z",
		"h_test.lua":                "function test_lua(t)\n  t.golden({{n = 1}}, \"lua.json\")\nend\n",
		"golden/lua.json":           `[{"n":null}]`,
	})
	all := results(t, Options{Jobs: dir})
	allAre(t, all, Failed)
	for _, want := range []string{
		"it is not what " + filepath.ToSlash(dir) + "/golden/rows.json holds; if it is right, dsengine test --update",
		`-    {"id": 2, "name": "Edsger", "at": null}`, `+    {"id": 2, "name": "Grace", "at": null}`,
		`got:    [{"n": 1}]`, `wanted: [{"n": null}]`, // as the file has it, and not as Lua does
		"-1,Bob", "+1,Ada", "from byte 1 on", "wanted: 9007199254740992", `wanted: "x.z"`,
	} {
		if !strings.Contains(told(all), want) {
			t.Errorf("%q is not told", want)
		}
	}
	if t.Failed() {
		t.Log(told(all))
	}
	write(t, filepath.Join(dir, "golden", "rows.json"), "no JSON")
	if text := told(results(t, Options{Jobs: dir})); !strings.Contains(text, "the file is no JSON") {
		t.Errorf("told: %s", text)
	}
}

func TestAGoldenFileHoldsOneValue(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"g_test.star": `
def test_one(t):
    t.golden(1, "a.json")

def test_two(t):
    t.golden(2, "a.json")

def test_twice(t):
    t.golden(3, "b.json")
    t.golden(3.0, "b.json")
    t.golden(4, "b.json")

def test_names(t):
    for name in ["", ".", "../a.json", "/a.json", "a/../b.json", "a.star", "a/b.lua"]:
        t.fails(lambda: t.golden(1, name), "names no golden file")

def test_no_data(t):
    t.fails(lambda: t.golden(len, "f.json"), "value: ")
`})
	all := results(t, Options{Jobs: dir, Update: true, Parallel: 1})
	text := told(all)
	for _, want := range []string{`the test "one" has given another value for it: take two names`, "the test has given another value for it before"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told:\n%s", want, text)
		}
	}
	for name, want := range map[string]Status{"one": Passed, "two": Failed, "twice": Failed, "names": Passed, "no_data": Passed} {
		if all[name].Status != want {
			t.Errorf("%s %s:\n%s", name, all[name].Status, text)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
