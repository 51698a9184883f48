package hostlib_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// link makes a symbolic link, or skips where the system has none.
func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

// run runs the body of a consume hook and gives the job's result, or its error.
func run(t *testing.T, w *world.World, body string) string {
	t.Helper()
	name := fmt.Sprintf("job%d", len(w.Jobs()))
	w.Script(name, "job(needs = ['files:**'])\ndef consume(ctx, item):\n    "+strings.ReplaceAll(body, "\n", "\n    ")+"\n")
	j := w.Do(name, "1")
	if j.Error != nil {
		return j.Error.Message
	}
	return string(j.Result)
}

func TestLinksDoNotLeaveTheFilesFolder(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret.txt"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.File("in/a.txt", "a")
	w.File("other/b.txt", "b")
	link(t, outside, filepath.Join(w.Files, "out"))
	link(t, filepath.Join(outside, "secret.txt"), filepath.Join(w.Files, "in", "secret.txt"))
	link(t, filepath.Join("..", "other", "b.txt"), filepath.Join(w.Files, "in", "b.txt"))
	link(t, "..", filepath.Join(w.Files, "in", "up"))
	for _, c := range []struct{ body, want string }{
		{`return files.read("in/b.txt")`, `"b"`}, // within the folder
		{`return files.read("in/up/in/a.txt")`, `"a"`},
		{`return files.read("out/secret.txt")`, "path escapes"},
		{`return files.read("in/secret.txt")`, "path escapes"},
		{`return list(csv.read("in/secret.txt"))`, "path escapes"},
		{`return [f.path for f in files.list("in/a*")]`, `["in/a.txt"]`},
		{`return [f.path for f in files.list("other/**")]`, `["other/b.txt"]`},
		{`return [f.path for f in files.list("out/*")]`, `files.list: "out/*": path escapes`},
		{`return catch(files.list, "out/*")[1].code`, `"file.error"`},
		{`return [f.path for f in files.list("in/*")]`, `["in/a.txt","in/b.txt"]`}, // with a warning about secret.txt
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}

func TestLinksDoNotLeaveTheNeeds(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in/a.txt", "a")
	w.File("secret/b.txt", "b")
	link(t, filepath.Join("..", "secret", "b.txt"), filepath.Join(w.Files, "in", "b.txt"))
	link(t, "a.txt", filepath.Join(w.Files, "in", "c.txt"))
	link(t, filepath.Join("..", "secret"), filepath.Join(w.Files, "in", "up"))
	w.Script("job", `
load("lib/check.star", "eq", "fails")
job(needs = ["files:in/**"])
def consume(ctx, item):
    eq(files.read("in/c.txt"), "a")
    fails("\"in/b.txt\" is a link: \"secret/b.txt\" is not among what job() says", files.read, "in/b.txt")
    fails("\"in/up/b.txt\" leads through a link, \"in/up\": \"secret/b.txt\" is not among what job() says", files.read, "in/up/b.txt")
    fails("leads through a link", files.move, "in/up/b.txt", "in/x.txt")
    fails("leads through a link", files.move, "in/a.txt", "in/up/x.txt")
    fails("leads through a link", files.write, "in/up/new/x.txt", "x")
    fails("leads through a link", files.remove, "in/up/b.txt")
    fails("leads through a link", files.stat, "in/up/b.txt")
    fails("leads through a link", files.list, "in/up/*")
    fails("\"in/b.txt\" is a link", lambda: files.write("in/b.txt", "", append = True))
    fails("\"in/b.txt\" is a link", files.stat, "in/b.txt")
    eq([f.path for f in files.list("in/*")], ["in/a.txt", "in/c.txt"])
`)
	j := w.Do("job", "1")
	if j.Error != nil {
		t.Error(j.Error)
	}
	if got := strings.Join(w.Logs(j.ID), "\n"); !strings.Contains(got, "warn files.list leaves out a link") {
		t.Errorf("got %s", got)
	}
}

func TestGlobsWiderThanTheNeedsNameTheNeed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for _, f := range []string{"a.csv", "in/a.csv", "in/b/c.csv", "secret.txt"} {
		w.File(f, "x")
	}
	for i, c := range []struct{ needs, glob, want string }{
		{``, `**`, `files.list: "**" is not among what job() says this script needs; add it there: needs = ["files:**"]`},
		{`"files:*.csv"`, `in/*`, `files.list: "in/*" is not among what job() says this script needs; add it there: needs = ["files:in/*"]`},
		{`"files:*"`, `**`, `files.list: "in/a.csv", which "**" finds, is not among what job() says this script needs; add it there: needs = ["files:**"]`},
		{`"files:in/*"`, `in/**`, `files.list: "in/b/c.csv", which "in/**" finds, is not among what job() says this script needs; add it there: needs = ["files:in/**"]`},
		{`"files:*"`, `*.csv`, `["a.csv"]`},
	} {
		star, lua := fmt.Sprint("star", i), fmt.Sprint("lua", i)
		w.Script(star, fmt.Sprintf("job(needs = [%s])\ndef consume(ctx, item):\n    return [f.path for f in files.list(%q)]\n", c.needs, c.glob))
		w.Lua(lua, fmt.Sprintf("job({needs = {%s}})\nfunction consume(ctx, item)\n  return list(iter.map(function(f) return f.path end, files.list(%q)))\nend\n", c.needs, c.glob))
		for _, name := range []string{star, lua} {
			want := c.want
			if name == lua && strings.Contains(want, "needs = ") {
				want = strings.ReplaceAll(strings.ReplaceAll(want, "needs = [", "needs = {"), "\"]", "\"}")
			}
			j := w.Do(name, "1")
			got := string(j.Result)
			if j.Error != nil {
				got = j.Error.Message
			}
			if got != want {
				t.Errorf("%s: %s, %s:\ngot  %s\nwant %s", name, c.needs, c.glob, got, want)
			}
		}
	}
}

func TestWhatGlobsFind(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for _, f := range []string{"b.csv", "a.csv", "a.txt", ".hidden.csv", "x/c.csv", "x/y/d.csv", ".git/e.csv", "sp ace[1].csv"} {
		w.File(f, "x")
	}
	for _, c := range []struct{ glob, want string }{
		{"*.csv", `["a.csv","b.csv","sp ace[1].csv"]`},
		{"**/*.csv", `["a.csv","b.csv","sp ace[1].csv","x/c.csv","x/y/d.csv"]`},
		{"{a,b}.csv", `["a.csv","b.csv"]`},
		{"a.*", `["a.csv","a.txt"]`},
		{".*.csv", `[".hidden.csv"]`},
		{"x", `[]`}, // a folder
		{"x/*.{csv,txt}", `["x/c.csv"]`},
		{"nothing/*.csv", `[]`},
		{"./x/*.csv", `["x/c.csv"]`},
		{"[", `files.list: "[" is no glob`},
		{"/*.csv", `files.list: "/*.csv": paths start in the files folder: leave out what is before it`},
		{"../*.csv", `files.list: "../*.csv" leads out of the files folder`},
	} {
		if got := run(t, w, fmt.Sprintf("return [f.path for f in files.list(%q)]", c.glob)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.glob, got, c.want)
		}
	}
}

func TestAFolderThatIsNotThereIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("incoming/2024/a.csv", "x")
	for _, c := range []struct{ glob, want string }{
		{"incomming/*.csv", `there is no folder "incomming" (did you mean "incoming"?): nothing is found there`},
		{"incoming/2025/*.csv", `there is no folder "incoming/2025" (did you mean "2024"?): nothing is found there`},
		{"else/where/*/x.csv", `there is no folder "else": nothing is found there`},
		{"else/a.csv", `there is no folder "else": nothing is found there`},
		{"incoming/*/b.csv", ""},
		{"incoming/b.csv", ""},
		{"b.csv", ""},
		{"*/b.csv", ""},
	} {
		name := fmt.Sprintf("job%d", len(w.Jobs()))
		w.Script(name, fmt.Sprintf("job(needs = [\"files:**\"])\ndef produce(ctx):\n    for n in range(3): files.list(%q)\n", c.glob))
		j := w.Do(name, "1")
		want := c.want
		if want != "" { // once, and with the place of the files folder
			where, _ := json.Marshal(map[string]string{"files": w.Files})
			want = fmt.Sprintf("warn files.list: %s %s", want, where)
		}
		if got := strings.Join(w.Logs(j.ID), "\n"); j.Status != engine.StatusCompleted || got != want {
			t.Errorf("%s: %s, got %s, want %s", c.glob, j.Status, got, want)
		}
	}
}

func TestLinesAndTexts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("crlf.txt", "a\r\nb\r\n\r\nc")
	w.File("bom.txt", "\xef\xbb\xbfa\n")
	w.File("utf16.txt", "\xff\xfea\x00\n\x00\xe9\x00")
	w.File("latin.txt", "a\n\xe9\n")
	w.File("mac.txt", "a\rb\r\rc\r")
	w.File("odd.txt", "\xff\xfea\x00\n\x00\xe9")
	w.File("none.txt", "a\nx\x81\n")
	w.File("empty.txt", "")
	w.File("long.txt", strings.Repeat("x", 200_000)+"\ny\n")
	for _, c := range []struct{ body, want string }{
		{`return list(files.lines("crlf.txt"))`, `["a","b","","c"]`},
		{`return list(files.lines("bom.txt"))`, `["a"]`},
		{`return list(files.lines("mac.txt"))`, `["a","b","","c"]`},
		{`return list(files.lines("odd.txt"))`, `files.lines: odd.txt ends in the middle of a character of UTF-16: it is not complete`},
		{`return files.read("odd.txt")`, `files.read: odd.txt ends in the middle of a character of UTF-16: it is not complete`},
		{`return list(files.lines("none.txt", encoding = "windows-1252"))`, `files.lines: none.txt, line 2: it has bytes that mean nothing in windows-1252; say which encoding it has`},
		{`return files.read("none.txt", encoding = "windows-1252")`, `files.read: none.txt has bytes that mean nothing in windows-1252; say which encoding it has`},
		{`return html.parse(b"<p>x\x81</p>", encoding = "windows-1252").text`, `"x�"`},
		{`return list(files.lines("empty.txt"))`, `[]`},
		{`return files.read("empty.txt")`, `""`},
		{`return files.read("bom.txt")`, `"a\n"`},
		{`return files.read("utf16.txt", encoding = "utf-16le")`, `"a\né"`},
		{`return list(files.lines("latin.txt", encoding = "iso-8859-1"))`, `["a","é"]`},
		{`return list(files.lines("latin.txt"))`, `files.lines: latin.txt, line 2: it is not UTF-8; say which encoding it has, such as encoding = "windows-1252"`},
		{`return files.read("latin.txt")`, `files.read: latin.txt is not UTF-8; say which encoding it has, such as encoding = "windows-1252"`},
		{`return [len(l) for l in files.lines("long.txt")]`, `[200000,1]`},
		{`return list(csv.read("utf16.txt", encoding = "utf-16", header = ["l"]))`, `[{"l":"a"},{"l":"é"}]`},
	} {
		if got := run(t, w, c.body); got != c.want {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}

func TestWhatAHookLeavesOpenIsClosed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("a.csv", "n\n1\n2\n3\n")
	run(t, w, "for i in range(50):\n    for r in csv.read('a.csv'):\n        break\n    for r in db.query('SELECT 1 UNION SELECT 2'):\n        break")
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not show open files")
	}
	for _, e := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.HasPrefix(target, w.Files) {
			t.Errorf("%s is still open", target)
		}
	}
}
