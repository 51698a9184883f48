package hostlib_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zipped makes a zip of files.
func zipped(t testing.TB, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tarred makes a tar of files.
func tarred(t testing.TB, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

func TestPackedFilesAreReadThrough(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	const text = "id,name\n1,Ada\n2,Grace\n"
	two := map[string]string{"a/x.csv": text, "b/y.csv": "id,name\n3,Edsger\n", "z.txt": "no"}
	w.File("a.csv.gz", gzipped(t, text))
	w.File("two.csv.gz", gzipped(t, text)+gzipped(t, "3,Edsger\n")) // as cat makes them
	zeros := strings.Repeat("\x00", 3*64<<10+5)
	w.File("zeros.csv.gz", gzipped(t, text)+zeros)
	w.File("blocks.csv.gz", gzipped(t, text)+zeros+gzipped(t, "")+gzipped(t, "3,Edsger\n")+"\x00")
	w.File("more.csv.gz", gzipped(t, text)+zeros+"\n")
	w.File("cut2.csv.gz", gzipped(t, text)+gzipped(t, text)[:9])
	w.File("a.csv.zst", zstded(t, text))
	w.File("one.zip", zipped(t, map[string]string{"a.csv": text}))
	w.File("one.tar", tarred(t, map[string]string{"a.csv": text}))
	w.File("one.TGZ", gzipped(t, tarred(t, map[string]string{"a.csv": text})))
	w.File("one.tar.zst", zstded(t, tarred(t, map[string]string{"a.csv.gz": gzipped(t, text)})))
	w.File("two.zip", zipped(t, two))
	w.File("two.tar.gz", gzipped(t, tarred(t, two)))
	w.File("none.zip", zipped(t, nil))
	w.File("plain.gz", text)
	w.File("short.gz", "id\n")
	w.File("gzip.csv", gzipped(t, text))
	w.File("plain.zst", text)
	w.File("plain.zip", text)
	w.File("plain.tar", strings.Repeat(text, 100))
	w.File("empty.gz", "")
	w.File("cut.gz", gzipped(t, strings.Repeat(text, 100))[:40])
	bad := []byte(gzipped(t, text))
	bad[len(bad)-5] ^= 1
	w.File("bad.gz", string(bad))
	const names = `return [r["name"] for r in csv.read(%)]`
	for _, c := range []struct{ body, want string }{
		{strings.ReplaceAll(names, "%", `"a.csv.gz"`), `["Ada","Grace"]`},
		{strings.ReplaceAll(names, "%", `"two.csv.gz"`), `["Ada","Grace","Edsger"]`},
		{strings.ReplaceAll(names, "%", `"zeros.csv.gz"`), `["Ada","Grace"]`},
		{strings.ReplaceAll(names, "%", `"blocks.csv.gz"`), `["Ada","Grace","Edsger"]`},
		{strings.ReplaceAll(names, "%", `"more.csv.gz"`), "csv.read: more.csv.gz has something behind its end that is no gzip"},
		{strings.ReplaceAll(names, "%", `"cut2.csv.gz"`), "csv.read: cut2.csv.gz ends too early: it is not complete"},
		{strings.ReplaceAll(names, "%", `"a.csv.zst"`), `["Ada","Grace"]`},
		{strings.ReplaceAll(names, "%", `"one.zip"`), `["Ada","Grace"]`},
		{strings.ReplaceAll(names, "%", `"one.tar"`), `["Ada","Grace"]`},
		{strings.ReplaceAll(names, "%", `"one.TGZ"`), `["Ada","Grace"]`},
		{strings.ReplaceAll(names, "%", `"one.tar.zst"`), `["Ada","Grace"]`},
		{strings.ReplaceAll(names, "%", `"two.zip"`), "csv.read: two.zip has several files, such as a/x.csv and b/y.csv: go through them with files.entries"},
		{strings.ReplaceAll(names, "%", `"two.tar.gz"`), "csv.read: two.tar.gz has several files, such as a/x.csv and b/y.csv: go through them with files.entries"},
		{strings.ReplaceAll(names, "%", `"none.zip"`), "there is no file in none.zip"},
		{`return [[e.name, e.size, len(list(csv.read(e)))] for e in files.entries("two.zip", "**/*.csv")]`, `[["a/x.csv",22,2],["b/y.csv",17,1]]`},
		{`return [[e.name, e.size, len(list(csv.read(e)))] for e in files.entries("two.tar.gz", "**/*.csv")]`, `[["a/x.csv",22,2],["b/y.csv",17,1]]`},
		{`return [len(list(csv.read(e))) for e in list(files.entries("two.zip", "*/*"))]`, `[2,1]`},
		{`rows = [csv.read(e) for e in files.entries("two.zip", "*/*")]` + "\n" + `return [len(list(r)) for r in rows]`, `[2,1]`},
		{`return [list(csv.read(e)) for e in list(files.entries("two.tar.gz"))]`, "csv.read: a/x.csv in two.tar.gz was passed: read each file of a tar before the next one is taken"},
		{`return files.read([e for e in files.entries("two.zip")][2])`, `"no"`},
		{`return files.read("plain.gz")`, "files.read: plain.gz is no gzip, though its name says so"},
		{`return list(files.lines("short.gz"))`, "files.lines: short.gz is no gzip, though its name says so"},
		{`return list(csv.read("gzip.csv"))`, `csv.read: gzip.csv is gzip: let the name end in .gz, of a URL too, or what is packed is not read`},
		{`return csv.sniff("gzip.csv")`, `csv.sniff: gzip.csv is gzip`},
		{`return files.read("gzip.csv", encoding = "windows-1252")`, `files.read: gzip.csv is gzip`},
		{`return files.read("plain.zst")`, "files.read: plain.zst is not what its name says, or is damaged"},
		{`return files.read("plain.zip")`, "files.read: plain.zip is not what its name says, or is damaged"},
		{`return files.read("plain.tar")`, "files.read: plain.tar is not what its name says, or is damaged"},
		{`return files.read("empty.gz")`, "files.read: empty.gz is empty, not .gz"},
		{`return files.read("cut.gz")`, "files.read: cut.gz ends too early: it is not complete"},
		{`return list(csv.read("cut.gz"))`, "csv.read: cut.gz ends too early: it is not complete"},
		{`return files.read("bad.gz")`, "files.read: bad.gz is damaged: gzip: invalid checksum"},
		{`return list(files.entries("a.csv.gz"))`, `"a.csv.gz" is no archive`},
		{`return [e for e in files.entries("two.zip", "[")]`, `"[" is no glob`},
		{`csv.write("out.csv.gz", [{"a": 1}])` + "\n" + `csv.write("out.csv.gz", [{"a": 2}], append = True)` + "\n" + `return [r["a"] for r in csv.read("out.csv.gz")]`, `["1","2"]`},
		{`json.write_lines("out.jsonl.zst", [{"a": 1}, None, {"a": [2]}])` + "\n" + `return list(json.lines("out.jsonl.zst"))`, `[{"a":1},{"a":[2]}]`},
		{`csv.write("out.zip", [{"a": 1}])`, "rows are not written into archives"},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}

// tarredHeads makes a tar of heads alone.
func tarredHeads(t *testing.T, heads ...*tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range heads {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tarSum puts the sum of a tar's first head right.
func tarSum(b []byte) string {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(b)
}

// TestArchivesAreTakenWhole reads all files of archives: nothing of them is lost
// without an error.
func TestArchivesAreTakenWhole(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	three := tarred(t, map[string]string{"x": "1", "y": "2", "z": "3"})
	var stored bytes.Buffer
	g, err := gzip.NewWriterLevel(&stored, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(g, three)
	g.Close()
	flipped := bytes.Clone(stored.Bytes())
	flipped[bytes.IndexByte(flipped, '2')] = '7'
	zst := []byte(zstded(t, three))
	zst[len(zst)-1] ^= 1
	links := tarredHeads(t, &tar.Header{Name: "old/x", Typeflag: tar.TypeReg}, &tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "old/x"}, &tar.Header{Name: "y", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"})
	cont := []byte(tarred(t, map[string]string{"x": "1"}))
	cont[156] = tar.TypeCont
	var link bytes.Buffer
	z := zip.NewWriter(&link)
	h := &zip.FileHeader{Name: "x"}
	h.SetMode(os.ModeSymlink | 0o777)
	if f, err := z.CreateHeader(h); err != nil {
		t.Fatal(err)
	} else if _, err := f.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	z.Close()
	mac := map[string]string{"prices.csv": "a", "__MACOSX/._prices.csv": "b", ".DS_Store": "c", "._prices.csv": "d"}
	const all, only = `return [[e.name, files.read(e)] for e in files.entries(%)]`, `return files.read(%)`
	for _, c := range []struct{ name, content, body, want string }{
		{"whole.tar", three, all, `[["x","1"],["y","2"],["z","3"]]`},
		{"padded.tar.gz", gzipped(t, three+strings.Repeat("\x00", 10240)), all, `[["x","1"],["y","2"],["z","3"]]`},
		{"cut.tar", three[:2048], all, "files.entries: cut.tar ends without the end of a tar: it is not complete"},
		{"half.tar", three[:3072+512], all, "files.entries: half.tar ends without the end of a tar: it is not complete"},
		{"cut.tar.gz", gzipped(t, three[:2048]), all, "files.entries: cut.tar.gz ends without the end of a tar: it is not complete"},
		{"one.tar", three[:1024], only, "files.read: one.tar ends without the end of a tar: it is not complete"},
		{"empty.tar", "", only, "files.read: empty.tar ends without the end of a tar: it is not complete"},
		{"joined.tar", three + three, all, "files.entries: joined.tar goes on after the end of a tar: it is damaged, or several were joined, which cannot be read"},
		{"flipped.tgz", string(flipped), all, "files.entries: flipped.tgz is damaged: gzip: invalid checksum"},
		{"trail.tar.gz", stored.String()[:stored.Len()-8], all, "files.entries: trail.tar.gz ends too early: it is not complete"},
		{"sum.tar.zst", string(zst), all, "files.entries: sum.tar.zst is damaged: "},
		{"cont.tar", tarSum(cont), all, `[["x","1"]]`},
		{"links.tar", links, all, "files.read: x in links.tar is a link, to old/x: read that one"},
		{"links.tar", links, strings.Replace(all, "files.read(e)", "e.size", 1), `[["old/x",0],["x",0],["y",0]]`},
		{"links.tar", links, strings.Replace(all, "%", `%, "y"`, 1), "files.read: y in links.tar is a link, to /etc/passwd: read that one"},
		{"link.zip", link.String(), only, "files.read: x in link.zip is a link, to another file: read that one"},
		{"mac.zip", zipped(t, mac), only, `"a"`},
		{"mac.tar", tarred(t, mac), strings.Replace(all, "%", `%, "*.csv"`, 1), `[["prices.csv","a"]]`},
		{"mac.zip", zipped(t, mac), strings.Replace(all, "%", `%, "{__MACOSX/*,.DS_Store}"`, 1), `[[".DS_Store","c"],["__MACOSX/._prices.csv","b"]]`},
	} {
		w.File(c.name, c.content)
		if got := run(t, w, strings.Replace(c.body, "%", `"`+c.name+`"`, 1)); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s of %s: got %s, want %s", c.body, c.name, got, c.want)
		}
	}
}

// TestASparseFileOfATar is read, with its holes, within bounds.
func TestASparseFileOfATar(t *testing.T) {
	t.Parallel()
	sparse := func(size string) string {
		b := []byte(tarred(t, map[string]string{"x": "1\n"}))
		copy(b[257:], "ustar  \x00")
		b[156] = tar.TypeGNUSparse
		copy(b[386:], "00000000004\x0000000000002\x00") // the data's place, and how much it is
		copy(b[386+24:], size+"\x0000000000000\x00")
		copy(b[483:], size+"\x00")
		return tarSum(b)
	}
	w := world.New(t)
	w.Patience = 10 * time.Minute
	w.File("small.tar", sparse("00000000006"))
	w.File("large.tar", sparse("77777777777"))
	for body, want := range map[string]string{
		`return [base64.encode(files.read(e, encoding = "bytes")) for e in files.entries("small.tar")]`: `["AAAAADEK"]`,
		`return [files.write("out", e) for e in files.entries("large.tar")]`:                            "x in large.tar grows to more than 250 times its size",
	} {
		if got := run(t, w, body); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestBombsAreRefused(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Patience = 10 * time.Minute // with the race detector on a slow machine
	var gz, zs, zp bytes.Buffer
	g := gzip.NewWriter(&gz)
	s, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(&zp)
	e, err := z.Create("zeros")
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	zeros[len(zeros)-1] = '\n'
	free, _, _ := hostlib.Bounds()
	for range free>>20 + 44 {
		for _, w := range []io.Writer{g, s, e} {
			if _, err := w.Write(zeros); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []io.Closer{g, s, z} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	w.File("zeros.gz", gz.String())
	w.File("zeros.zst", zs.String())
	w.File("zeros.zip", zp.String())
	lies := bytes.Clone(zp.Bytes())
	binary.LittleEndian.PutUint32(lies[bytes.LastIndex(lies, []byte("PK\x01\x02"))+20:], 1<<32-2) // the packed size, as its directory says
	w.File("lies.zip", string(lies))
	for name, file := range map[string]string{"zeros.gz": "zeros.gz", "zeros.zst": "zeros.zst", "zeros.zip": "zeros in zeros.zip", "lies.zip": "zeros in lies.zip"} {
		want := file + " grows to more than 250 times its size when it is unpacked; if that is right, unpack it before"
		if got := run(t, w, `for line in csv.read("`+name+`", header = ["line"]): pass`); got != "csv.read: "+want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestAnEncryptedZip(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	z := []byte(zipped(t, map[string]string{"a.csv": "a\n1\n"}))
	z[6] |= 1 // the flags of the file, and of its entry in the directory
	z[bytes.Index(z, []byte("PK\x01\x02"))+8] |= 1
	w.File("a.zip", string(z))
	if got := run(t, w, `return list(csv.read("a.zip"))`); got != "csv.read: a.csv in a.zip is encrypted, which cannot be read here" {
		t.Errorf("got %s", got)
	}
}

// TestAGlobThatFindsNothingInAnArchiveIsTold names what is there.
func TestAGlobThatFindsNothingInAnArchiveIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("two.zip", zipped(t, map[string]string{"a.txt": "a", "b.txt": "b"}))
	w.File("none.zip", zipped(t, nil))
	w.File("many.tar", tarred(t, map[string]string{"a": "", "b": "", "c": "", "d": "", "e": "", "f": "", "g": ""}))
	for call, want := range map[string]string{
		`"two.zip", "*.csv"`:    `warn files.entries: no file in two.zip fits "*.csv": there are a.txt, b.txt`,
		`"two.zip", "*.txt"`:    "",
		`"none.zip"`:            `warn files.entries: no file in none.zip fits "**": there is none`,
		`"many.tar", "*.{csv}"`: `warn files.entries: no file in many.tar fits "*.{csv}": there are `,
	} {
		run(t, w, "list(files.entries("+call+"))")
		jobs := w.Jobs()
		got := strings.Join(w.Logs(jobs[len(jobs)-1].ID), "\n")
		if got != want && (!strings.HasPrefix(got, want) || !strings.HasSuffix(got, " and 2 more")) {
			t.Errorf("%s: got %q, want %q", call, got, want)
		}
	}
}

// names lists what is in a folder, hidden files too.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestWhatIsLeftOpenInArchivesIsClosed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Host.Leaks = hostlib.LeaksWarn
	w.File("a.zip", zipped(t, map[string]string{"a.csv": "a\n1\n2\n", "b.csv": "a\n1\n2\n"}))
	w.File("a.tar", tarred(t, map[string]string{"a.csv": "a\n1\n2\n", "b.csv": "a\n1\n2\n"}))
	body := `
for i in range(20):
    for name in ["a.zip", "a.tar"]:
        for e in files.entries(name):
            for r in csv.read(e): break
            break
    for e in list(files.entries("a.zip")): csv.read(e)
`
	if got := run(t, w, strings.TrimSpace(body)); got != "" {
		t.Fatal(got)
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not show open files")
	}
	for _, e := range entries {
		if target, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); strings.HasPrefix(target, w.Files) {
			t.Errorf("%s is still open", target)
		}
	}
}
