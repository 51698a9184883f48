package hostlib_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestFilesAreWrittenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in/a.csv", "id,name\n1,Ada\n")
	for _, c := range []struct{ body, want string }{
		{`return files.write("out/x/a.txt", "héllo\n").size`, `7`},
		{`return files.read("out/x/a.txt")`, `"héllo\n"`},
		{`return files.write("out/x/a.txt", b"\xff\x00").path`, `"out/x/a.txt"`},
		{`return [len(files.read("out/x/a.txt", encoding = "bytes"))]`, `[2]`},
		{`files.write("out/b.txt", ["a", "b"])` + "\n" + `files.write("out/b.txt", "c\n", append = True)` + "\n" + `return files.read("out/b.txt")`, `"a\nb\nc\n"`},
		{`files.write("out/c.txt", iter.map(lambda l: l.upper(), files.lines("in/a.csv")))` + "\n" + `return files.read("out/c.txt")`, `"ID,NAME\n1,ADA\n"`},
		{`files.write("out/b.txt", iter.map(lambda l: error("no"), ["a"]))`, "no"},
		{`return files.read("out/b.txt")`, `"a\nb\nc\n"`}, // as before
		{`files.write("nd/", "x")`, `files.write: "nd/" names a folder: add the file's name`},
		{`csv.write("nd/", [{"a": 1}])`, `"nd/" names a folder`},
		{`json.write_lines("nd/", [1])`, `"nd/" names a folder`},
		{`files.write("out/n.csv", "a\n1")
csv.write("out/n.csv", [{"a": 2}], append = True)
text = files.read("out/n.csv")
files.remove("out/n.csv")
return text`, `"a\n1\n2\n"`},
		{`files.write("out/n.csv", "a")
csv.write("out/n.csv", [{"a": 2}], append = True)
text = files.read("out/n.csv")
files.remove("out/n.csv")
return text`, `"a\n2\n"`},
		{`files.write("out/n.jsonl", "1")
json.write_lines("out/n.jsonl", [2], append = True)
json.write_lines("out/n.jsonl", [3], append = True)
json.write_lines("out/o.jsonl", [4], append = True)
files.write("out/p.jsonl", "")
json.write_lines("out/p.jsonl", [5], append = True)
texts = [files.read(p) for p in ["out/n.jsonl", "out/o.jsonl", "out/p.jsonl"]]
[files.remove(p) for p in ["out/n.jsonl", "out/o.jsonl", "out/p.jsonl"]]
return texts`, `["1\n2\n3\n","4\n","5\n"]`},
		{`csv.write("out/e.csv", [{"n": "é", "m": "1"}], encoding = "windows-1252", line_end = "\r\n", quote_all = True)
csv.write("out/e.csv", [{"n": "ü", "m": "2"}], encoding = "windows-1252", append = True)
got = [files.read("out/e.csv", encoding = "bytes") == b'"n","m"\r\n"\xe9","1"\r\n\xfc,2\n', list(csv.read("out/e.csv", encoding = "windows-1252"))[1]["n"]]
files.remove("out/e.csv")
return got`, `[true,"ü"]`},
		{`got = []
for charset, mark in [("utf-8-sig", b"\xef\xbb\xbf"), ("UTF_8_SIG", b"\xef\xbb\xbf"), ("utf_16", b"\xff\xfe"), ("utf-16-be", b""), ("latin-1", b"")]:
    csv.write("out/e.csv", [{"n": "é"}], encoding = charset)
    files.write("out/e.txt", ["é"], encoding = charset)
    got += [files.read("out/e.csv", encoding = "bytes")[:len(mark)] == mark, list(csv.read("out/e.csv", encoding = charset))[0]["n"], files.read("out/e.txt", encoding = charset)]
csv.write("out/e.csv", [{"n": "é"}], encoding = "utf-8-sig")
csv.write("out/e.csv", [{"n": "ü"}], encoding = "utf-8-sig", append = True)
got.append(files.read("out/e.csv"))
files.remove("out/e.csv")
files.remove("out/e.txt")
return got`, `[true,"é","é\n",true,"é","é\n",true,"é","é\n",true,"é","é\n",true,"é","é\n","n\né\nü\n"]`},
		{`csv.write("out/e.csv", [{"n": "é"}, {"n": "→"}], encoding = "windows-1252")`, `row 2: there is a character that windows-1252 does not have`},
		{`csv.write("out/e.csv", [{"n": "€"}], encoding = "latin-1")`, `there is a character that latin-1 does not have`},
		{`files.write("out/e.csv", "\u0080", encoding = "iso-8859-1")
got = [files.read("out/e.csv", encoding = "bytes") == b"\x80", catch(files.write, "out/e.csv", "ü", encoding = "ascii")[1].message]
files.write("out/e.csv", "plain" * 5000, encoding = "ascii")
got.append(len(files.read("out/e.csv")))
files.remove("out/e.csv")
return got`, `[true,"files.write: there is a character that ascii does not have",25000]`},
		{`files.write("out/e.csv", "→", encoding = "windows-1252")`, `there is a character that windows-1252 does not have`},
		{`csv.write("out/e.csv", [{"n": "é"}], encoding = "utf-16", append = True)`, `append: rows are not added to a file in utf-16`},
		{`csv.write("out/e.csv", [{"n": "é"}], encoding = "utf_16_le", append = True)`, `append: rows are not added to a file in utf_16_le`},
		{`csv.write("out/e.csv", [{"n": "é"}], encoding = "nope")`, `there is no encoding "nope": use`},
		{`csv.write("out/e.csv", [{"n": "é"}], encoding = "utf-9")`, `there is no encoding "utf-9" (did you mean "utf-8"?): use`},
		{`files.write("out", "x")`, `files.write: "out" is a folder, not a file`},
		{`files.write("in/a.csv/b", "x")`, `files.write: "in/a.csv": `},
		{`files.write("out/d", 1)`, "data: got int, wanted a string, bytes, a stream, or a list of lines"},
		{`files.write("../d", "x")`, "leads out of the files folder"},
		{`csv.write("out/e.csv", iter.map(lambda n: {"n": 1 // n}, [1, 0]))`, "floored division by zero"},
		{`return files.exists("out/e.csv")`, `false`},
		{`return [files.exists("out"), files.exists("out/b.txt"), files.exists("no/such")]`, `[true,true,false]`},
		{`files.stat("no")`, `there is no file "no"`},
		{`files.stat("out")`, `"out" is a folder`},
		{`return [files.remove("out/b.txt"), files.remove("out/b.txt")]`, `[true,false]`},
		{`files.remove("out")`, `"out" is a folder, not a file`},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
	if got := names(t, filepath.Join(w.Files, "out")); got != "c.txt x" {
		t.Errorf("left: %s", got)
	}
}

func TestWritingNeedsPermissionAndStaysInside(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	outside := t.TempDir()
	w.File("in/a.txt", "a")
	link(t, outside, filepath.Join(w.Files, "in", "out"))
	for i, c := range []struct{ body, want string }{
		{`files.write("other/a.txt", "x")`, `needs = ["files:other/a.txt"]`},
		{`files.move("in/a.txt", "other/")`, `needs = ["files:other/a.txt"]`},
		{`files.move("other/a.txt", "in/")`, `needs = ["files:other/a.txt"]`},
		{`files.remove("other/a.txt")`, `needs = ["files:other/a.txt"]`},
		{`files.temp(folder = "other")`, `needs = ["files:other/file"]`},
		{`files.write("in/out/a.txt", "x")`, "path escapes"},
		{`files.move("in/a.txt", "in/out/a.txt")`, "path escapes"},
		{`files.temp(folder = "in/out")`, "path escapes"},
		{`files.temp("../x")`, "name: got"},
	} {
		name := "job" + string(rune('a'+i))
		w.Script(name, "job(needs = ['files:in/**'])\ndef consume(ctx, item):\n    "+c.body+"\n")
		j := w.Do(name, "1")
		if j.Error == nil || !strings.Contains(j.Error.Message, c.want) {
			t.Errorf("%s: got %+v, want %s", c.body, j.Error, c.want)
		}
	}
	w.Script("none", "def consume(ctx, item):\n    files.temp()\n")
	if j := w.Do("none", "1"); j.Error == nil || !strings.Contains(j.Error.Message, `needs = ["files:*"]`) {
		t.Errorf("got %+v", j.Error)
	}
	if got := names(t, outside); got != "" {
		t.Errorf("outside: %s", got)
	}
}

func TestMovesLoseNoFile(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for _, f := range []string{"a.csv", "done/a.csv", "b.csv.gz", "done/b.csv.gz", "done/b-2.csv.gz", "c", "done/c", "d", "done/d"} {
		w.File(f, f)
	}
	w.File("same", "x")
	if err := os.MkdirAll(filepath.Join(w.Files, "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(w.Files, "same"), filepath.Join(w.Files, "half", "same")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ body, want string }{
		{`return files.move("a.csv", "done/")`, `"done/a-2.csv"`},
		{`return files.move("b.csv.gz", "done/b.csv.gz")`, `"done/b-3.csv.gz"`},
		{`return files.move("c", "done/c", exists = "error")`, `there is a file "done/c" already`},
		{`return files.move("c", "done/c", exists = "replace")`, `"done/c"`},
		{`return files.move("d", "new/folder/e")`, `"new/folder/e"`},
		{`return files.move("nothing", "done/")`, `there is no file "nothing"`},
		// A crash came after the move, and the hook runs again.
		{`return [files.move(files.write("again", "x").path, "moved/", exists = "error"), files.move("again", "moved/", exists = "error")]`, `["moved/again","moved/again"]`},
		{`return [files.move(files.write("again", "x").path, "moved/"), files.move("again", "moved/")]`, `["moved/again-2","moved/again-2"]`},
		{`return [files.move(files.write("again", "x").path, "moved/", exists = "replace"), files.move("again", "moved/", exists = "replace")]`, `["moved/again","moved/again"]`},
		{`return files.move("nothing", "moved")`, `there is no file "nothing"`}, // a folder is no file that was moved
		// No run of this job has moved it: its path is wrong, and what is there is another file.
		{`return files.move("aa.csv", "done/a.csv")`, `there is no file "aa.csv". There is "done/a.csv", but no earlier run of this job has moved it`},
		{`return files.move("again", "moved/")`, `there is no file "again". There is "moved/again", but`},
		// It has the number that it would get.
		{`return [files.move("done/a-2.csv", "done/a.csv"), files.read("done/a-2.csv")]`, `["done/a-2.csv","a.csv"]`},
		{`return files.move("done", "other")`, `"done" is a folder, not a file`},
		{`return files.move("new/folder/e", "done")`, `"done" is a folder: write "done/"`},
		{`return files.move("done/c", "done/c")`, `"done/c"`},
		{`return files.move("same", "half/")`, `"half/same"`}, // a crash came between link and remove
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
	for p, want := range map[string]string{"done/a.csv": "done/a.csv", "done/a-2.csv": "a.csv", "done/b-3.csv.gz": "b.csv.gz", "done/c": "c", "new/folder/e": "d", "done/d": "done/d"} {
		if got, err := os.ReadFile(filepath.Join(w.Files, p)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", p, got, err)
		}
	}
	if got := names(t, w.Files) + ", " + names(t, filepath.Join(w.Files, "moved")); got != "done half moved new, again again-2" {
		t.Errorf("left: %s", got)
	}
}

// A hook that runs again knows what it has moved, and where to, and takes nothing
// else for it.
func TestARunOfAHookKnowsWhatAnEarlierOneHasMoved(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for _, f := range []string{"late", "done/late", "once", "done/other", "in/chain.csv", "in/next.csv", "in/taken.csv", "done/taken.csv", "in/short.csv", "done/short.csv"} {
		w.File(f, f)
	}
	const script = "job(needs = ['files:**'], retry = retry(max = 2, first = '1ms'))\ndef consume(ctx, item):\n    "
	for i, c := range []struct{ body, want string }{
		// It got a number, and others came after it.
		{`to = files.move("late", "done/")
    if ctx.attempt == 1:
        files.write("done/late-3", "another")
        error("cut off")
    return to`, `"done/late-2"`},
		// The move failed: that it was tried says nothing.
		{`if ctx.attempt == 1:
        files.move("once", "done/other", exists = "error")
    files.remove("once")
    return files.move("once", "done/other", exists = "error")`, `there is no file "once". There is "done/other", but`},
		// Another file has come to where it was.
		{`if ctx.attempt == 2: files.write("in/next.csv", "another one")
    p = files.move("in/next.csv", "done/")
    if ctx.attempt == 1: error("cut off")
    return [p, files.read(p), files.read("in/next.csv")]`, `["done/next.csv","in/next.csv","another one"]`},
		// It was moved on, and is read in between.
		{`p = files.move("in/chain.csv", "work/")
    text = files.read(p)
    to = files.move(p, "done/")
    if ctx.attempt == 1: error("cut off")
    return [text, to]`, `["in/chain.csv","done/chain.csv"]`},
		// It got a number, and was taken away: what has its name is another file.
		{`if ctx.attempt == 2: files.remove("done/taken-2.csv")
    p = files.move("in/taken.csv", "done/")
    error("cut off after " + p)`, `there is no file "in/taken.csv". This job has moved it to "done/taken-2.csv", or was about to`},
		// It goes on from a checkpoint behind the move: the next file is another one.
		{`if ctx.attempt == 2: files.write("in/short.csv", "the next")
    p = files.move("in/short.csv", "done/")
    if ctx.position == None:
        ctx.checkpoint(1)
        error("cut off")
    return [p, files.read(p)]`, `["done/short-3.csv","the next"]`},
		{`if ctx.attempt == 1: error("cut off")
    return files.move("ohter", "done/other")`, `there is no file "ohter". There is "done/other", but`},
	} {
		name := fmt.Sprint("runs", i)
		w.Script(name, script+c.body+"\n")
		j := w.Do(name, "1")
		got := string(j.Result)
		if j.Error != nil {
			got = j.Error.Message
		}
		if j.Attempt != 2 || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s in attempt %d, want %s", c.body, got, j.Attempt, c.want)
		}
	}
	if got := w.Log.String(); strings.Count(got, `there is another file \"in/next.csv\" now`) != 1 {
		t.Errorf("it is not told that another file has come: %s", got)
	}
	done := strings.Fields(names(t, filepath.Join(w.Files, "done")))
	done = slices.DeleteFunc(done, hostlib.IsTemporary) // what is noted of the job that has failed
	if got := strings.Join(done, " "); got != "chain.csv late late-2 late-3 next.csv other short-2.csv short-3.csv short.csv taken.csv" {
		t.Errorf("left: %s", got)
	}
	if got := names(t, filepath.Join(w.Files, "work")); got != "" {
		t.Errorf("notes are left: %s", got)
	}
}

// A hook that fails after it has moved or deleted files says so: what it wrote of them is
// rolled back. What went before a checkpoint, or waits for the commit, is as it should be.
func TestAHookThatFailsTellsOfTheFilesThatAreGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{`files.move("in/a", "done/")`, `warn "in/a" was moved to "done/a" by this run, and what it wrote`},
		{`files.remove("in/a")`, `warn "in/a" was deleted by this run, and what it wrote`},
		{`[files.move("in/a", "done/"), files.move("in/b", "done/")]`, `warn "in/a" was moved to "done/a" (and 1 like it) by this run`},
		{`[files.move("in/a", "done/"), ctx.checkpoint()]`, ""},
		{`ctx.on_commit(files.move, "in/a", "done/")`, ""},
		{`files.remove(files.temp())`, ""},
		{`files.move(files.temp(), "done/new")`, ""},
		{`files.move(files.move(files.temp(), "out/new"), "done/")`, ""},
		{`csv.write("out/new", [{"a": 1}]); files.move(files.move("out/new", "done/"), "done/newer"); files.remove("done/newer")`, ""},
		{`files.write("out/new", "x"); files.remove("out/new"); files.remove("in/a")`, `warn "in/a" was deleted by this run`},
		{`files.write("out/new", "x"); ctx.checkpoint(); files.move("out/new", "done/")`, `warn "out/new" was moved to "done/new" by this run`},
		{`files.write("in/a", "y", append = True); files.move("in/a", "done/")`, `warn "in/a" was moved to "done/a" by this run`},
	} {
		w := world.New(t)
		w.File("in/a", "x")
		w.File("in/b", "x")
		w.Script("job", "job(needs = ['files:**'], retry = retry(max = 1))\ndef consume(ctx, item):\n    "+c.body+"\n    if item: error('bad row')\n")
		if j := w.Do("job", "1"); j.Error == nil || !strings.Contains(j.Error.Message, "bad row") {
			t.Errorf("%s: got %v", c.body, j.Error)
		} else if got := strings.Join(w.Logs(j.ID), "\n"); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got log %q, want %q", c.body, got, c.want)
		}
		if j := w.Do("job", "0"); j.Error == nil && len(w.Logs(j.ID)) > 0 {
			t.Errorf("%s: a hook that ended well says %q", c.body, w.Logs(j.ID))
		}
	}
}

// A file that a run makes, and moves to its place, takes the place of the one that an
// earlier run of the hook has made and moved.
func TestAFileThatIsMadeAnewIsMovedAnew(t *testing.T) {
	t.Parallel()
	for _, exists := range []string{"replace", "number", "error"} {
		for _, first := range []string{"", "    ctx.checkpoint(1)\n"} {
			w := world.New(t)
			w.File("out/old.csv", "of another job")
			w.Script("job", `
job(needs = ["files:out/*"], retry = retry(max = 3, first = "1ms"))
def consume(ctx, item):
    files.write("out/x.part", "version %d" % ctx.attempt)
`+first+`    path = files.move("out/x.part", "out/x.csv", exists = "`+exists+`")
    if named("old"): path = files.move(path, "out/old.csv", exists = "number")
    if ctx.attempt < 3: error("the upload failed")
    return [path, files.read(path), sorted([f.path for f in files.list("out/*")])]
def named(what): return "`+exists+`" == "number"
`)
			want := `["out/x.csv","version 3",["out/old.csv","out/x.csv"]]`
			if exists == "number" {
				want = `["out/old-2.csv","version 3",["out/old-2.csv","out/old.csv"]]`
			}
			if j := w.Do("job", "1"); string(j.Result) != want {
				t.Errorf("%s, %q: got %s, %+v, want %s", exists, first, j.Result, j.Error, want)
			}
		}
	}
}

// What an earlier pass of a loop has made and moved, and committed, is no other run's.
func TestFilesOfPassesAreKept(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("in.csv", "id\n1\n2\n3\n4\n")
	w.Script("job", `
job(needs = ["files:**"], retry = retry(max = 3, first = "1ms"))
def consume(ctx, item):
    for rows in ctx.batches(csv.read("in.csv"), 1):
        files.write("out/x.part", rows[0]["id"])
        if rows[0]["id"] == "3" and not files.exists("failed"):
            files.write("failed", "")
            error("no")
        files.move("out/x.part", "out/x.csv", exists = "number")
    return [[f.path, files.read(f.path)] for f in files.list("out/*")]
`)
	if j, want := w.Do("job", "1"), `[["out/x-2.csv","2"],["out/x-3.csv","3"],["out/x-4.csv","4"],["out/x.csv","1"]]`; string(j.Result) != want {
		t.Errorf("got %s, %+v, want %s", j.Result, j.Error, want)
	}
}

// What a hook moves before a loop whose passes it commits is where it was when it goes on.
func TestAFileThatIsMovedBeforeALoopStays(t *testing.T) {
	t.Parallel()
	for _, exists := range []string{"number", "replace", "error"} {
		for _, source := range []string{`files.write("in/x.part", "id\n1\n2\n3\n")`, ""} {
			w := world.New(t)
			w.File("in/x.part", "id\n1\n2\n3\n")
			w.Exec("CREATE TABLE seen (id TEXT)")
			w.Script("job", `
job(needs = ["files:**"], retry = retry(max = 3, first = "1ms"))
def consume(ctx, item):
    `+source+`
    p = files.move("in/x.part", "in/x.csv", exists = "`+exists+`")
    for rows in ctx.batches(csv.read(p), 1):
        if rows[0]["id"] == "2" and not files.exists("failed"):
            files.write("failed", "")
            error("no")
        db.insert("seen", rows)
    return [p, sorted([f.path for f in files.list("in/*")])]
`)
			if j, got := w.Do("job", "1"), w.Query("SELECT group_concat(id) FROM seen"); string(j.Result) != `["in/x.csv",["in/x.csv"]]` || got != "1,2,3\n" {
				t.Errorf("%s, %s: got %s, %q, %+v", exists, source, j.Result, got, j.Error)
			}
		}
	}
}

// What notes moves goes with the commit: also what an earlier run has moved, and this one
// does not meet again. Of moves after a commit there is nothing to note.
func TestNotesOfMovesGoWithTheCommit(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for _, f := range []string{"in/a", "in/b", "in/c", "in/d"} {
		w.File(f, f)
	}
	w.Script("again", `job(needs = ["files:**"], retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    for f in files.list("in/[ab]"):
        files.move(f.path, "done/")
        if ctx.attempt == 1:
            error("cut off")
`)
	w.Script("after", `job(needs = ["files:**"])
def consume(ctx, item):
    for f in files.list("in/[cd]"):
        ctx.on_commit(files.move, f.path, "later/")
`)
	for _, name := range []string{"again", "after"} {
		if j := w.Do(name, "1"); j.Error != nil {
			t.Error(j.Error)
		}
	}
	if got := names(t, filepath.Join(w.Files, "done")) + ", " + names(t, filepath.Join(w.Files, "later")); got != "a b, c d" {
		t.Errorf("got %s", got)
	}
}

func TestTemporaryFilesGoWithTheHook(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File(".dsengine-tmp-old-a", "what a crash left")
	w.File(".dsengine-tmp-new-a", "another process is at it")
	old := time.Now().Add(-8 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(w.Files, ".dsengine-tmp-old-a"), old, old); err != nil {
		t.Fatal(err)
	}
	body := `p = files.temp("x.csv")
csv.write(p, [{"a": n} for n in range(3)])
for r in csv.read(p): break
q = files.temp("y.csv")
files.write(q, "kept")
return [len(list(csv.read(p))), files.move(q, "out/y.csv"), files.exists(q), len(files.list("*"))]`
	if got := run(t, w, body); got != `[3,"out/y.csv",false,0]` {
		t.Errorf("got %s", got)
	}
	if got := run(t, w, `files.temp("z")`+"\n"+`error("no")`); got != "no" {
		t.Errorf("got %s", got)
	}
	if got := names(t, w.Files); got != ".dsengine-tmp-new-a out" {
		t.Errorf("left: %s", got)
	}
}

// An error of a file that is written is about that file, not about the one with a name
// of its own that it is until it is complete.
func TestAnErrorOfAFileThatIsWrittenNamesIt(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	j := askAs(t, w, `"files:out/*"`, "", `files.write("out/`+strings.Repeat("x", 240)+`", "1")`)
	if j.Error == nil || strings.Contains(j.Error.Message, "dsengine-tmp") || !strings.Contains(j.Error.Message, "out/xxx") {
		t.Errorf("got %+v", j.Error)
	}
}

// A move that was caught, after something was written, keeps no note for ever, nor do the
// moves behind it.
func TestNotesAboutMovesGoThatACatchHeld(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{"star": `job(needs = ["files:**"])
def within():
    vars.set("x", 1)
    files.move("a.csv", "done/a.csv")
    error("it broke")

def consume(ctx, item):
    catch(within)
    files.move("b.csv", "done/b.csv")
`, "lua": `job({needs = {"files:**"}})
function consume(ctx, item)
  pcall(function()
    vars.set("x", 1)
    files.move("a.csv", "done/a.csv")
    error("it broke")
  end)
  files.move("b.csv", "done/b.csv")
end
`} {
		w := world.New(t)
		w.File("a.csv", "a")
		w.File("b.csv", "b")
		if name == "lua" {
			w.Lua("job", script)
		} else {
			w.Script("job", script)
		}
		if j := w.Do("job", "1"); j.Error != nil {
			t.Fatal(j.Error)
		}
		there, err := os.ReadDir(filepath.Join(w.Files, "done"))
		if err != nil || len(there) != 2 {
			t.Errorf("%s: in the folder are %v, %v; want the two files", name, there, err)
		}
	}
}
