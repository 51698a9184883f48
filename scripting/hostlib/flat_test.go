package hostlib_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/parquet-go/parquet-go"
)

// What readers, sorting and writers hold must not depend on how much there is to read: a file of four times
// the size may take no more memory than flatBytes, which is far less than its rows.
const (
	flatSize  = 512 << 10
	flatTimes = 4
	flatBytes = 3 << 20
)

// flatCase is something that a script does with a file.
type flatCase struct {
	name, file, begin, line, end string
	body                         string // over FILE
	grows                        bool   // it does hold all: the measure must see that
}

const (
	flatCSV   = "%d,Jane Doe,\"jane@example.com, home\",Springfield,US,2020-01-01T00:00:00Z\n"
	flatTitle = "id,name,email,city,country,created\n"
)

var flatCases = []flatCase{
	{"a list of all rows", "a.csv", flatTitle, flatCSV, "", `n = len(list(csv.read(FILE)))`, true},
	{"csv", "b.csv", flatTitle, flatCSV, "", `for r in csv.read(FILE): n += 1`, false},
	{"xml", "c.xml", "<?xml version='1.0'?>\n<feed xmlns='http://example.com/feed'>\n", "  <item id='%d' xmlns:p='u'><name>Jane &amp; Joe</name><p:city>Springfield</p:city></item>\n", "</feed>\n",
		`for e in xml.stream(FILE, "feed/item"): n += 1`, false},
	{"json", "d.json", `{"meta": {}, "items": [`, "{\"id\": %d, \"name\": \"Jane Doe\", \"tags\": [\"a\", \"b\"]},\n", `{}]}`,
		`for e in json.stream(FILE, "$.items[*].id"): n += 1`, false},
	{"json of many names", "e.json", `{"items": {`, "\"name%d\": 1,\n", `"last": 1}}`,
		`for e in json.stream(FILE, "$.items.*"): n += 1`, false},
	{"json beside many names", "f.json", `{"other": {`, "\"name%d\": 1,\n", `"last": 1}, "items": [1]}`,
		`for e in json.stream(FILE): n += 1`, false},
	{"json lines", "g.jsonl", "", "{\"id\": %d, \"name\": \"Jane Doe\"}\n", "", `for e in json.lines(FILE): n += 1`, false},
	{"iter.sort", "i.csv", flatTitle, flatCSV, "", `for r in iter.sort(csv.read(FILE), key = "id"): n += 1`, false},
	{"iter.sort of one key", "j.csv", flatTitle, flatCSV, "", `for r in iter.sort(csv.read(FILE), key = lambda r: [r["city"], r["email"], r["id"]]): n += 1`, false},
	{"csv.write", "k.csv", flatTitle, flatCSV, "", `n = csv.write("written.csv", csv.read(FILE)).rows`, false},
	{"parquet", "h.parquet", "", "", "", `for r in parquet.read(FILE): n += 1`, false},
	{"xlsx", "l.xlsx", "", "", "", `for r in xlsx.rows(FILE): n += 1`, false},
}

func TestReadersHoldNoMoreOfALargerFile(t *testing.T) {
	if dir := os.Getenv("DSENGINE_TEST_FLAT"); dir != "" {
		measureFlat(t, dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	for _, times := range []int64{1, flatTimes} {
		for _, c := range flatCases {
			path := filepath.Join(dir, fmt.Sprint(times), c.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if c.line != "" {
				large(t, path, times*flatSize, c.begin, c.line, c.end)
				continue
			}
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(path, ".xlsx") {
				_, err := f.WriteString(flatBook(t, int(times)*flatSize))
				if err = errors.Join(err, f.Close()); err != nil {
					t.Fatal(err)
				}
				continue
			}
			w := parquet.NewGenericWriter[benchRow](f, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(5_000))
			for n := range int(times) {
				if _, err := w.Write(benchRows(n*5_000, 5_000)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReadersHoldNoMoreOfALargerFile$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), "DSENGINE_TEST_FLAT="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	held := map[string]int64{}
	for _, line := range strings.Split(string(out), "\n") {
		var at, bytes int64
		var file, result string
		if _, err := fmt.Sscanf(line, "%d/%s result=%s held=%d", &at, &file, &result, &bytes); err == nil {
			held[fmt.Sprintf("%d/%s", at, file)] = bytes
			t.Log(line)
		}
	}
	for _, c := range flatCases {
		small, there := held["1/"+c.file]
		big, also := held[fmt.Sprintf("%d/%s", flatTimes, c.file)]
		if !there || !also {
			t.Fatalf("%s was not measured\n%s", c.name, out)
		}
		if grows := big-small > flatBytes; grows != c.grows {
			t.Errorf("%s: %d kB are held of a file, and %d kB of one of %d times the size: it grows %v, want %v", c.name, small>>10, big>>10, flatTimes, grows, c.grows)
		}
	}
}

// flatBook is a spreadsheet whose cells share texts of so many bytes.
func flatBook(t *testing.T, size int) string {
	var texts, rows strings.Builder
	texts.WriteString(`<sst ` + sheetSpace + `><si><t>name</t></si>`)
	for n := 1; texts.Len() < size; n++ {
		fmt.Fprintf(&texts, "<si><t>%d, Jane Doe of Springfield, jane@example.com</t></si>", n)
		fmt.Fprintf(&rows, `<row><c t="s"><v>%d</v></c></row>`, n)
	}
	texts.WriteString(`</sst>`)
	return bookOf(t, sheetOf(`<row><c t="s"><v>0</v></c></row>`+rows.String()), texts.String(), "", "")
}

// measureFlat is a process of its own, whose heap is nobody else's.
func measureFlat(t *testing.T, dir string) {
	w := world.New(t)
	w.Files, w.Patience = dir, 10*time.Minute
	hostlib.SortIn(256 << 10)
	hostlib.XLSXTextsIn(256 << 10)
	run(t, w, "return 1") // tables and the like are made
	for _, c := range flatCases {
		for _, times := range []int{1, flatTimes} {
			path := fmt.Sprintf("%d/%s", times, c.file)
			body := "n = 0\n" + strings.ReplaceAll(c.body, "FILE", `"`+path+`"`) + "\nreturn n"
			var got string
			held := heldWhile(func() { got = run(t, w, body) })
			fmt.Printf("%s result=%s held=%d\n", path, strings.ReplaceAll(got, " ", "_"), held)
			if strings.Trim(got, "0123456789") != "" || got == "0" {
				t.Fatalf("%s: %s", path, got)
			}
		}
	}
}

// mark is something that the collector finds.
type mark struct{ _ [64]byte }

// heldWhile is how much more than before was alive on the heap while f ran, at most, in
// bytes.
func heldWhile(f func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(25)) // so that it is looked often
	live := func() int64 {
		s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(s)
		return int64(s[0].Value.Uint64())
	}
	runtime.GC()
	before := live()
	var most atomic.Int64
	var over atomic.Bool
	var look func()
	look = func() { // once in each cycle of the collector
		runtime.SetFinalizer(&mark{}, func(*mark) {
			most.Store(max(most.Load(), live()))
			if !over.Load() {
				look()
			}
		})
	}
	look()
	f()
	over.Store(true)
	return most.Load() - before
}
