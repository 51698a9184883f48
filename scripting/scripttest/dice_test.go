package scripttest

import (
	"slices"
	"strings"
	"testing"
)

// TestTestsAreTheSameEachTime has a script whose identifiers, waits, temporary files and
// forms would differ in each run.
func TestTestsAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"x.star": `
job(needs = ["http:api.example.com", "files:*"])

def consume(ctx, item):
    http.get("https://api.example.com/x", retry = 5)
    http.post("https://api.example.com/form", files = {"f": {"content": "abc"}})
    return [uuid.v4(), uuid.v4(), uuid.v7(), files.temp("a.csv")]
`, "x_test.star": `
def seen(t):
    t.http.on("GET", "https://api.example.com/x", status = 503, times = 4)
    t.http.on("GET", "https://api.example.com/x")
    t.http.on("POST", "https://api.example.com/form")
    r = t.run().result
    t.ne(r[0], r[1])
    t.eq(t.clock.now(), time.parse("2020-01-01T00:00:07.5Z"))
    t.eq(r[0][14], "4")
    error(str([r, t.http.calls[-1].body]))

def test_one(t):
    seen(t)

def test_two(t):
    seen(t)
`})
	var first []string
	for range 2 {
		var got []string
		for _, r := range suite(t, Options{Jobs: dir}).Run(t.Context()) {
			if len(r.Failures) != 1 || !strings.HasPrefix(r.Failures[0].Message, "[[") {
				t.Fatal(text(r))
			}
			got = append(got, r.Failures[0].Message)
		}
		if len(got) != 2 || got[0] == got[1] {
			t.Errorf("two tests have %q", got)
		}
		if first != nil && !slices.Equal(first, got) {
			t.Errorf("got %q, and before %q", got, first)
		}
		first = got
	}
}

// TestRandomKeysAreFoundByCrashes has a script take a random name for what it writes.
func TestRandomKeysAreFoundByCrashes(t *testing.T) {
	t.Parallel()
	by := crashed(t, `
job(needs = ["s3:archive"])

def consume(ctx, item):
    s3.put("archive", uuid.v4(), data = "x")
`, `
def test_once(t):
    t.s3("archive")
    t.run()
    t.eq(len(t.s3("archive").files()), 1)
`)
	if r := by["once"]; r.Status != Failed || r.Failures[0].Crash == nil || r.Missed > 0 {
		t.Error(text(r))
	}
}
