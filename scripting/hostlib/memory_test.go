package hostlib_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/parquet-go/parquet-go"
)

// sizes are those of the files that TestLargeFilesStream makes, in bytes: with
// DSENGINE_LARGE=full those that dsengine is measured by.
func sizes() (csv, xml, json int64) {
	if os.Getenv("DSENGINE_LARGE") == "full" {
		return 1 << 30, 500 << 20, 500 << 20
	}
	return 3 << 20, 2 << 20, 2 << 20 // for the rows; memory is TestReadersHoldNoMoreOfALargerFile's
}

// large writes a file of a size: lines with their number in them, between a
// beginning and an end.
func large(t *testing.T, path string, size int64, begin, line, end string) (rows int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	n, _ := io.WriteString(w, begin)
	for written := int64(n); written < size; rows++ {
		n, _ := fmt.Fprintf(w, line, rows)
		written += int64(n)
	}
	io.WriteString(w, end)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestLargeFilesStream reads large files in a process of its own, which must
// stay small, if they are.
func TestLargeFilesStream(t *testing.T) {
	if dir := os.Getenv("DSENGINE_TEST_STREAM"); dir != "" {
		w := world.New(t)
		w.Files, w.Patience = dir, 30*time.Minute
		body := os.Getenv("DSENGINE_TEST_BODY")
		fmt.Printf("result=%s resident=%d\n", run(t, w, body), resident(t))
		return
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not show how much memory a process held")
	}
	t.Parallel()
	csv, xml, json := sizes()
	for _, c := range []struct {
		file, begin, line, end, body string
		size                         int64
	}{
		{"big.csv", "id,name,email,city,country,created\n", "%d,Jane Doe,\"jane@example.com, home\",Springfield,US,2020-01-01T00:00:00Z\n", "",
			`for r in csv.read("big.csv"): n += len(r) // 6`, csv},
		{"big.xml", "<?xml version='1.0'?>\n<feed xmlns='http://example.com/feed'>\n<head><title>x</title></head>\n", "  <item id='%d'><name>Jane &amp; Joe</name><!-- a comment --><city>Springfield</city></item>\n  <other/>\n", "</feed>\n",
			`for e in xml.stream("big.xml", "feed/item"): n += 1`, xml},
		{"big.json", `{"meta": {}, "items": [`, "{\"id\": %d, \"name\": \"Jane Doe\", \"tags\": [\"a\", \"b\"]},\n", `{}]}`,
			`for e in json.stream("big.json", "$.items[*].id"): n += 1`, json},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			rows := large(t, filepath.Join(dir, c.file), c.size, c.begin, c.line, c.end)
			result, held, out := streamed(t, dir, c.body)
			t.Logf("%s: %d MB, %s rows, %d MB resident at most", c.file, c.size>>20, result, held>>20)
			if result != strconv.FormatInt(rows, 10) {
				t.Errorf("got %s rows, want %d\n%s", result, rows, out)
			}
			if os.Getenv("DSENGINE_LARGE") == "full" && (held > maxResident || held == 0) {
				t.Errorf("%d bytes were resident, want at most %d", held, maxResident)
			}
		})
	}
}

// TestAFileThatIsReadIsHeldOnce reads a whole file in a process of its own, which must not
// hold it several times meanwhile.
func TestAFileThatIsReadIsHeldOnce(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not show how much memory a process held")
	}
	t.Parallel()
	const size = 64 << 20
	dir := t.TempDir()
	large(t, filepath.Join(dir, "big.txt"), size, "", "%d,Jane Doe,\"jane@example.com, home\",Springfield,US,2020-01-01T00:00:00Z\n", "")
	_, nothing, _ := streamed(t, dir, "n = 1")
	result, held, out := streamed(t, dir, `n = len(files.read("big.txt")) >> 20`)
	if result != "64" || held-nothing > 2*size && !raced { // the race detector takes much itself
		t.Errorf("got %s MB, %d MB were held for them, want less than %d\n%s", result, (held-nothing)>>20, 2*size>>20, out)
	}
}

// TestLargeFilesOfParquet reads a Parquet file in a process of its own, which must stay
// small.
func TestLargeFilesOfParquet(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not show how much memory a process held")
	}
	t.Parallel()
	const atOnce = 100_000
	rows := 20_000
	if os.Getenv("DSENGINE_LARGE") == "full" {
		rows = 1_000_000
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "big.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[benchRow](f, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(1_000_000))
	for n := 0; n < rows; n += atOnce {
		if _, err := w.Write(benchRows(n, min(atOnce, rows-n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	result, held, out := streamed(t, dir, `for r in parquet.read("big.parquet"): n += len(r) // 6`)
	t.Logf("%d rows, %d MB resident at most, %.0f rows/s with the start of the process", rows, held>>20, float64(rows)/time.Since(begun).Seconds())
	if result != strconv.Itoa(rows) || os.Getenv("DSENGINE_LARGE") == "full" && (held > maxResident || held == 0) {
		t.Errorf("got %s rows, want %d, %d bytes resident\n%s", result, rows, held, out)
	}
}

// streamed runs a body over a folder of files in a process of its own. It gives
// n, and how many bytes were resident.
func streamed(t *testing.T, dir, body string) (result string, held int64, out []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLargeFilesStream$", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), "DSENGINE_TEST_STREAM="+dir, "DSENGINE_TEST_BODY=n = 0\n"+body+"\nreturn n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if _, err := fmt.Sscanf(line, "result=%s resident=%d", &result, &held); err == nil {
			break
		}
	}
	return result, held, out
}

// resident is how many bytes the process held at most.
func resident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
