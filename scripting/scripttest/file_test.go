package scripttest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const exporter = `
job(needs = ["files:out/**", "files:in/*"])

def consume(ctx, item):
    note = files.write("out/deep/note.txt", "größer\n")
    csv.write("out/people.csv", [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}])
    xlsx.write("out/people.xlsx", [{"id": 1}])
    files.move("in/a.csv", "out/")
    return [note.modified] + [f.modified for f in files.list("out/people.*")]
`

const exporterTests = `
def test_what_was_written(t):
    t.eq(t.files(), [])
    t.file("in/a.csv", "id\n1\n")
    t.file("in/none.csv", "")
    t.eq(t.run().result, 3 * ["2020-01-01T00:00:00Z"])
    t.eq(t.file("out/deep/note.txt"), "größer\n")
    t.golden(t.file("out/people.csv"), "people.csv")
    t.eq(type(t.file("out/people.xlsx")), "bytes")
    t.eq(t.file("./out/a.csv"), "id\n1\n")
    t.eq(t.file("in/none.csv"), "")
    t.eq(t.files(), ["in/none.csv", "out/a.csv", "out/deep/note.txt", "out/people.csv", "out/people.xlsx"])
    t.eq(t.files("out/*.csv"), ["out/a.csv", "out/people.csv"])
    t.eq(t.files(glob = "nothing/*"), [])
    t.eq([r["name"] for r in csv.parse(t.file("out/people.csv"))], ["Ada", "Grace"])

def test_encodings(t):
    t.file("in/w.csv", "Müller€", encoding = "windows-1252")
    t.eq(t.file("in/w.csv"), b"M\xfcller\x80")
    t.eq(t.file("in/w.csv", encoding = "windows-1252"), "Müller€")
    t.file("in/s.csv", "ü", encoding = "utf-8-sig")
    t.eq(t.file("in/s.csv"), "\ufeffü")
    t.eq(t.file("in/s.csv", encoding = "utf-8-sig"), "ü")
    t.fails(lambda: t.file("in/x.csv", "→", encoding = "latin-1"), "there is a character that latin-1 does not have")
    t.fails(lambda: t.file("in/x.csv", "a", encoding = "none"), 'there is no encoding "none"')
    t.fails(lambda: t.file("in/w.csv", encoding = "utf-8"), "in/w.csv is not UTF-8")

def test_what_is_not_there(t):
    t.fails(lambda: t.file("in/a.csv"), 'there is no file "in/a.csv": the files folder is empty')
    t.file("in/b.csv", "id\n")
    t.fails(lambda: t.file("in/a.csv"), 'there is no file "in/a.csv": there are: in/b.csv')
    t.fails(lambda: t.file("in"), '"in" is a folder, not a file')
    t.fails(lambda: t.file("../x"), "leads out of the files folder")
    for glob in ["/in/*", "../*", "in/../../*"]:
        t.fails(lambda: t.files(glob), '"%s" leads out of the files folder' % glob.replace("*", "\\*"))
    t.fails(lambda: t.files("[in"), "is no glob")
    for call in [lambda: files.read("in/b.csv"), lambda: files.list("**"), lambda: csv.read("in/b.csv"), lambda: xlsx.rows("a.xlsx")]:
        t.fails(call, "not in a test: t.file\\(path\\) reads a file, t.file\\(path, content\\) makes one, t.files\\(glob\\) lists them")
`

// TestWhatScriptsWriteCanBeLookedAt tests an exporter, also with crashes, and keeps what
// it writes as a golden file.
func TestWhatScriptsWriteCanBeLookedAt(t *testing.T) {
	t.Parallel()
	of := map[string]string{"x.star": exporter, "x_test.star": exporterTests, "y.lua": `
job{needs = {"files:out/*"}}
function consume(ctx, item)
  csv.write("out/people.csv", {{id = 1, name = "Ada"}, {id = 2, name = "Grace"}})
  return files.list("out/*")[1].modified
end
`, "y_test.lua": `
function test_in_lua(t)
  t.eq(t.run().result, "2020-01-01T00:00:00Z")
  t.golden(t.file("out/people.csv"), "people.csv")
  t.eq(t.files(), {"out/people.csv"})
  t.eq(#t.files("in/*"), 0)
  t.file("in/a.csv", "")
  t.eq(t.file("in/a.csv"), "")
  t.file("in/w.csv", "ü", {encoding = "windows-1252"})
  t.eq(t.file("in/w.csv", {encoding = "windows-1252"}), "ü")
end
`}
	dir := folder(t, of)
	golden := filepath.Join(dir, "golden", "people.csv")
	for _, o := range []Options{{Jobs: dir, Update: true}, {Jobs: dir, Crash: true}} {
		allAre(t, results(t, o), Passed)
		if got, err := os.ReadFile(golden); err != nil || string(got) != "id,name\n1,Ada\n2,Grace\n" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	other := maps.Clone(of)
	other["x.star"] = strings.Replace(exporter, "Grace", "Edsger", 1)
	other["golden/people.csv"] = "id,name\n1,Ada\n2,Grace\n"
	r := results(t, Options{Jobs: folder(t, other)})["what_was_written"]
	if r.Status != Failed || !strings.Contains(text(r), "+2,Edsger") {
		t.Errorf("an export that is another one now is told as\n%s", text(r))
	}
}
