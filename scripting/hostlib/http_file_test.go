package hostlib_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

// A file .gz is one wherever it is saved under such a name, also if a server says that it
// was packed for the way only, as some do of all such files.
func TestAPackedFileIsSavedPacked(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	text := "n\n" + strings.Repeat("1\n2\n3\n", 100_000)
	file := gzipped(t, text)
	broken := []byte(file)
	broken[len(broken)-5] ^= 1
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/as/it/is/x.csv.gz" {
			w.Header().Set("Content-Encoding", "gzip")
		}
		switch r.URL.Path {
		case "/twice.csv.gz":
			io.WriteString(w, gzipped(t, file))
		case "/broken.csv.gz":
			w.Write(broken)
		case "/small.csv.gz":
			io.WriteString(w, gzipped(t, "small"))
		default:
			io.WriteString(w, file)
		}
	})
	for _, c := range []struct{ body, name, want string }{
		{`http.get(item + "/x.csv.gz").save("a.csv.gz")`, "a.csv.gz", file},
		{`http.get(item + "/x.csv.gz?day=1").save("b.csv")`, "b.csv", text},
		{`http.get(item + "/x.csv").save("c.csv")`, "c.csv", text},
		{`http.get(item + "/as/it/is/x.csv.gz").save("d.csv.gz")`, "d.csv.gz", file},
		{`http.get(item + "/twice.csv.gz").save("e.csv.gz")`, "e.csv.gz", file},
		{"r = http.get(item + \"/x.csv.gz\")\nr.text()\nr.save(\"f.csv.gz\")", "f.csv.gz", file},
		{"r = http.get(item + \"/small.csv.gz\")\n[r.save(\"first.gz\"), r.save(\"g.csv.gz\")]", "g.csv.gz", gzipped(t, "small")},
	} {
		if j := ask(t, w, url, c.body); j.Error != nil {
			t.Errorf("%s: %s", c.body, j.Error.Message)
		} else if got, err := os.ReadFile(filepath.Join(w.Files, c.name)); err != nil || string(got) != c.want {
			t.Errorf("%s: got %d bytes, want %d: %v", c.body, len(got), len(c.want), err)
		}
	}
	if got, want := outcome(ask(t, w, url, `http.get(item + "/broken.csv.gz").save("h.csv.gz")`), url), "http.encoding: response.save: GET URL/broken.csv.gz: unpack the answer: gzip: invalid checksum"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A file that another one has taken the place of is not sent when the request is sent again.
func TestAFileThatWasReplacedIsNotSent(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(w *world.World){
		"longer": func(w *world.World) { w.File("a.csv", "id\n1\n2\n") },
		"of the same length": func(w *world.World) {
			later := time.Now().Add(time.Hour)
			w.File("a.csv", "id\n7\n")
			os.Chtimes(filepath.Join(w.Files, "a.csv"), later, later)
		},
	} {
		w := world.New(t)
		w.File("a.csv", "id\n1\n")
		whole := 0
		url := serve(t, func(out http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				whole++
				replace(w)
				out.WriteHeader(503)
			}
		})
		if got, want := outcome(ask(t, w, url, `http.post(item, files = {"f": "a.csv"})`), url), `file.changed: http.post: "a.csv" was changed before it was sent`; got != want || whole != 1 {
			t.Errorf("%s: got %s, and %d bodies that were whole, want %s", name, got, whole, want)
		}
	}
}
