package hostlib_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// remotes runs a test against each kind of server: connect is how a script
// connects to it, needs what it must say, dir the folder of the server.
func remotes(t *testing.T, test func(t *testing.T, w *world.World, r remote)) {
	t.Helper()
	for name, start := range map[string]func(t *testing.T) remote{
		"sftp": func(t *testing.T) remote {
			s := newSFTP(t, &sftpServer{})
			return remote{"sftp", s.dir, s.url(), "fingerprint = " + quote(s.fingerprint()), &s.talks}
		},
		"ftp": func(t *testing.T) remote {
			s := newFTP(t, &ftpServer{})
			return remote{"ftp", s.dir, s.url(), `tls = "none"`, &s.talks}
		},
		"old ftp": func(t *testing.T) remote {
			s := newFTP(t, &ftpServer{without: map[string]bool{"EPSV": true, "MLST": true, "MLSD": true}})
			return remote{"ftp", s.dir, s.url(), `tls = "none"`, &s.talks}
		},
		"ftp with starttls": func(t *testing.T) remote {
			config, print := certificate(t)
			s := newFTP(t, &ftpServer{tls: config})
			return remote{"ftp", s.dir, s.url(), "fingerprint = " + quote(print), &s.talks}
		},
		"ftp with tls": func(t *testing.T) remote {
			config, print := certificate(t)
			s := newFTP(t, &ftpServer{tls: config, implicit: true})
			return remote{"ftp", s.dir, strings.Replace(s.url(), "ftp://", "ftps://", 1), "fingerprint = " + quote(print), &s.talks}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, world.New(t), start(t))
		})
	}
}

// remote is a server of files.
type remote struct {
	kind, dir, url, args string
	*talks
}

// talks counts the connections that a server has.
type talks struct {
	mu   sync.Mutex
	n    int
	left chan struct{} // one was closed
}

func (c *talks) change(by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n += by; c.left != nil {
		close(c.left)
		c.left = nil
	}
}

// empties waits until the server has no connection.
func (c *talks) empties(t *testing.T) {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		c.mu.Lock()
		n := c.n
		if c.left == nil {
			c.left = make(chan struct{})
		}
		left := c.left
		c.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-left:
		case <-late:
			t.Fatalf("%d connections are left", n)
		}
	}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// needs are those that a script must say.
func (r remote) needs() string { return quote(r.kind+":127.0.0.1") + `, "files:**"` }

// script is a body that is given the server as s.
func (r remote) script(body string) string {
	return fmt.Sprintf("s = %s.connect(item, %s)\n%s", r.kind, r.args, body)
}

// file writes a file of the server.
func (r remote) file(t *testing.T, name, content string) {
	t.Helper()
	p := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree are all files of a folder with their content, sorted.
func tree(t *testing.T, dir string) string {
	t.Helper()
	text := ""
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		text += fmt.Sprintf("%s=%q ", filepath.ToSlash(rel), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func TestRemoteFilesAreListedAndRead(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		r.file(t, "out/b.csv", "id,name\n2,Grace\n")
		r.file(t, "out/a.csv", "id,name\n1,Ada\n")
		r.file(t, "out/sub/c.csv", "id,name\n3,Alan\n")
		r.file(t, "out/.hidden.csv", "")
		r.file(t, "out/note.txt", "x")
		r.file(t, "out/p.csv.gz", gzipped(t, "id,name\n4,Mary\n"))
		r.file(t, "out/p.csv.zst", zstded(t, "id,name\n5,Emmy\n"))
		r.file(t, "out/p.zip", zipped(t, map[string]string{"p.csv": "id,name\n6,Rosa\n"}))
		r.file(t, "out/p.tar", tarred(t, map[string]string{"p.csv": "id,name\n7,Lise\n"}))
		r.file(t, "out/two.zip", zipped(t, map[string]string{"a.csv": "", "b.csv": ""}))
		r.file(t, "-l", "dash")
		r.file(t, "o u t/ä b.csv", "id,name\n8,Ä\n")
		j := askAs(t, w, r.needs(), r.url, r.script(`
eq([f.path for f in s.list("out/*.csv")], ["out/a.csv", "out/b.csv"])
eq([f.path for f in s.list("out/**/*.csv")], ["out/a.csv", "out/b.csv", "out/sub/c.csv"])
eq([f.path for f in s.list("*/.h*")], ["out/.hidden.csv"])
eq([f.path for f in s.list("**/[bc].{csv,txt}")], ["out/b.csv", "out/sub/c.csv"])
eq([f.path for f in s.list("out/b.csv")], ["out/b.csv"])
eq(s.list("nowhere/*"), [])
eq(s.list("out/nowhere.csv"), [])
f = s.list("out/a.csv")[0]
eq([f.size, f["path"]], [14, "out/a.csv"])
eq(len(f.modified) >= len("2020-01-01T00:00:00Z"), True)
names = []
for name in ["out/a.csv", "out/p.csv.gz", "out/p.csv.zst", "out/p.zip", "out/p.tar", "o u t/ä b.csv"]:
    for row in csv.read(s.open(name)):
        names.append(row["name"])
eq(names, ["Ada", "Mary", "Emmy", "Rosa", "Lise", "Ä"])
eq([row["name"] for f in s.list("out/?.csv") for row in csv.read(f)], ["Ada", "Grace"])
eq(files.read(s.open("-l")), "dash")
eq([s.exists(p) for p in ["out", "out/a.csv", "out/nothing", "nowhere/x", "-l"]], [True, True, False, False, True])
fails("out/two.zip on 127.0.0.1 has several files", csv.read, s.open("out/two.zip"))
fails('"out/x.csv" on 127.0.0.1: there is no such file', s.open, "out/x.csv")
fails('"out" on 127.0.0.1: it is a folder, not a file', s.open, "out")
fails('"../x" leads out of the folder of the connection', s.open, "../x")
fails('"/etc/passwd": paths start in the folder of the connection', s.list, "/etc/passwd")
fails('has a backslash', s.open, "..\\x")
fails('a line end', s.open, "x\nDELE out/a.csv")
fails('a line end', s.list, "x\r*")
_, err = catch(s.open, "out/x.csv")
eq([err.code, err.retryable], [`+quote(r.kind)+` + ".missing", True])
`))
		if j.Error != nil {
			t.Error(j.Error.Message)
		}
		if names := tree(t, w.Files); names != "" {
			t.Errorf("left behind: %s", names)
		}
	})
}

// A file that was read to its end, and that is another one of the same size and the same
// day when the job goes on, is read; one that is the same is not.
func TestARemoteFileInThePlaceOfOneThatIsDoneIsRead(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		today := time.Now().UTC().Truncate(24 * time.Hour)
		for n, name := range []string{"out/1.csv", "out/2.csv", "out/3.csv"} {
			r.file(t, name, "id\n1\n2\n9\n")
			at := today.Add(time.Duration(n) * time.Second)
			if err := os.Chtimes(filepath.Join(r.dir, name), at, at); err != nil {
				t.Fatal(err)
			}
		}
		w.Exec("CREATE TABLE seen (name TEXT, id TEXT)")
		w.Script("job", "job(needs = ["+r.needs()+`], retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    s = `+r.kind+`.connect(item, `+r.args+`)
    failed = files.exists("failed")
    if failed:
        s.put("out/1.csv", ["id\n3\n4\n9"])
    for f in s.list("out/*.csv"):
        for batch in ctx.batches(csv.read(f), 2):
            if f.path == "out/3.csv" and not failed:
                files.write("failed", "")
                error("no")
            db.insert("seen", [{"name": f.path, "id": r["id"]} for r in batch])
        ctx.checkpoint()
`)
		if j := w.Do("job", quote(r.url)); j.Error != nil {
			t.Fatal(j.Error.Message)
		}
		if got, want := strings.Fields(w.Query("SELECT substr(name, 5, 1) || id FROM seen ORDER BY 1")), strings.Fields("11 12 13 14 19 19 21 22 29 31 32 39"); !slices.Equal(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// The time of a file is the same however it is found, and stays the same: scripts
// know files again by it.
func TestTheTimeOfARemoteFile(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, w *world.World, r remote, want string) {
		r.file(t, "a.csv", "")
		at := time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)
		if err := os.Chtimes(filepath.Join(r.dir, "a.csv"), at, at); err != nil {
			t.Fatal(err)
		}
		if j := askAs(t, w, r.needs(), r.url, r.script("eq([s.list(\"*\")[0].modified, s.open(\"a.csv\").modified], ["+want+"] * 2)")); j.Error != nil {
			t.Error(j.Error.Message)
		}
	}
	remotes(t, func(t *testing.T, w *world.World, r remote) { test(t, w, r, `"2021-03-04T05:06:07Z"`) })
	for want, withouts := range map[string][][]string{
		`"2021-03-04T05:06:07Z"`: {{"MLST", "MLSD", "SIZE"}},
		"None":                   {{"MLST", "MLSD", "MDTM"}, {"MLST", "MLSD", "MDTM", "SIZE"}},
	} {
		for _, without := range withouts {
			s := newFTP(t, &ftpServer{without: map[string]bool{}})
			for _, command := range without {
				s.without[command] = true
			}
			test(t, world.New(t), remote{"ftp", s.dir, s.url(), `tls = "none"`, &s.talks}, want)
		}
	}
}

// What a reader looks at first may be all that there is.
func TestRemoteFilesOfAFewBytesAreRead(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		for n, text := range []string{"", "7", "{}", "[1]", "[12]"} {
			r.file(t, fmt.Sprintf("%d.json", n), text)
		}
		r.file(t, "row.csv", "a")
		j := askAs(t, w, r.needs(), r.url, r.script(`
texts = ["", "7", "{}", "[1]", "[12]"]
for n in range(len(texts)):
    name, text = "%d.json" % n, texts[n]
    eq(files.read(s.open(name)), text)
    eq(files.read(s.open(name), encoding = "bytes"), bytes(text))
    eq(list(files.lines(s.open(name))), [text] if text else [])
    eq(list(json.lines(s.open(name))), [json.decode(text)] if text else [])
    eq(list(csv.read(s.open(name), header = ["a"])), [{"a": text}] if text else [])
    if n in (3, 4):
        eq(list(json.stream(s.open(name), "$[*]")), json.decode(text))
eq(list(csv.read(s.open("row.csv"))), [])
eq([catch(lambda: list(json.stream(s.open("2.json"))))[1].code, catch(lambda: list(xml.stream(s.open("0.json"), "r/i")))[1].code], ["json.path", "xml.syntax"])
`))
		if j.Error != nil {
			t.Error(j.Error.Message)
		}
	})
}

func TestRemoteFilesAreFetchedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		packed := gzipped(t, "x")
		r.file(t, "out/a.csv", "id\n1\n")
		r.file(t, "out/b.gz", packed)
		j := askAs(t, w, `"`+r.kind+`:127.0.0.1", "files:in/**"`, r.url, r.script(`
f = s.get("out/a.csv", to = "in/today/")
eq([f.path, f.size], ["in/today/a.csv", 5])
s.get("out/a.csv", "in/today/a.csv")
s.get("out/b.gz", "in/b.gz")
fails('"out/x.csv" on 127.0.0.1: there is no such file', s.get, "out/x.csv", "in/x.csv")
fails("leads out of the files folder", s.get, "out/a.csv", "../a.csv")
fails("leads out of the files folder", s.get, "out/a.csv", "in/../../")
fails("paths start in the files folder", s.get, "out/a.csv", "/tmp/a.csv")
fails("is not among what job() says this script needs", s.get, "out/a.csv", "other/")
`))
		if j.Error != nil {
			t.Error(j.Error.Message)
		}
		if got, want := tree(t, w.Files), fmt.Sprintf(`in/b.gz=%q in/today/a.csv="id\n1\n"`, packed); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestRemoteFilesAreSentAndMoved(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		packed := gzipped(t, "x")
		w.File("a.csv", "id\n1\n")
		w.File("b.gz", packed)
		w.File("empty", "")
		r.file(t, "in/old.csv", "old")
		j := askAs(t, w, r.needs(), r.url, r.script(`
f = s.put("in/new/deep/", "a.csv")
eq([f.path, f.size, s.open(f.path).size], ["in/new/deep/a.csv", 5, 5])
s.put("in/old.csv", "a.csv")
s.put("in/b.gz", "b.gz")
s.put("in/copy.gz", s.open("in/b.gz"))
s.put("in/empty", "empty")
s.put("in/lines.txt", ["one", "two"])
s.put("in/direct.csv", "a.csv", direct = True)
fails('there is no file "nothing.csv"', s.put, "in/x", "nothing.csv")
fails("a stream has no name", s.put, "in/", ["x"])
fails("leads out of the folder", s.put, "../x", "a.csv")

eq(s.move("in/new/deep/a.csv", "done/"), "done/a.csv")
eq(s.move("in/new/deep/a.csv", "done/"), "done/a.csv")  # done already
s.put("in/new/deep/a.csv", ["again"])
eq(s.move("in/new/deep/a.csv", "done/"), "done/a-2.csv")
eq(s.move("in/new/deep/a.csv", "done/"), "done/a-2.csv")  # where it came to
fails("there is a file already", s.move, "in/lines.txt", "done/a.csv", exists = "error")
eq(s.move("in/lines.txt", "done/a.csv", exists = "replace"), "done/a.csv")
fails("there is no such file", s.move, "in/nothing", "done/")
fails("leads out of the folder", s.move, "in/b.gz", "../x")
fails("it is a folder: write", s.move, "in/b.gz", "done")
eq([s.remove("in/direct.csv"), s.remove("in/direct.csv")], [True, False])
fails("it is a folder, not a file", s.remove, "in")
`))
		if j.Error != nil {
			t.Error(j.Error.Message)
		}
		if told, want := strings.Join(w.Logs(j.ID), "\n"), `warn `+r.kind+`.move: there is no file "in/new/deep/a.csv"; "done/a-2.csv" is taken for it, as an earlier run of this job may have moved it there`; strings.Count(told, "is taken for it") != 2 || !strings.Contains(told, want) {
			t.Errorf("got  %s\nwant %s", told, want)
		}
		want := fmt.Sprintf(`done/a-2.csv="again\n" done/a.csv="one\ntwo\n" in/b.gz=%q in/copy.gz=%q in/empty="" in/old.csv="id\n1\n"`, packed, packed)
		if got := tree(t, r.dir); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		r.empties(t)
	})
}

// exampleServers are those that the examples connect to.
func exampleServers(t *testing.T) func(name string) (*hostlib.Remote, error) {
	bank, partner := newSFTP(t, &sftpServer{}), newFTP(t, &ftpServer{})
	for _, dir := range []string{bank.dir, partner.dir} {
		r := remote{dir: dir}
		r.file(t, "outgoing/people.csv", "id,name\n1,Ada\n2,Grace\n")
		r.file(t, "outgoing/words.txt.gz", gzipped(t, "alpha\nbeta\n"))
	}
	return func(name string) (*hostlib.Remote, error) {
		switch name {
		case "bank":
			return &hostlib.Remote{URL: bank.url(), Fingerprint: bank.fingerprint()}, nil
		case "partner":
			return &hostlib.Remote{URL: partner.url(), TLS: "none"}, nil
		}
		return nil, fmt.Errorf("the examples have no connection %q", name)
	}
}

// named has the operator name a server.
func named(w *world.World, name string, r hostlib.Remote) {
	w.Host.Remotes = func(asked string) (*hostlib.Remote, error) {
		if asked != name {
			return nil, fmt.Errorf("there is no connection %q", asked)
		}
		return &r, nil
	}
}
