package scripttest

import (
	"fmt"
	"strings"
	"testing"
)

// TestALongDiffIsCut has tables that differ in each row.
func TestALongDiffIsCut(t *testing.T) {
	t.Parallel()
	var got, want strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&got, "got %d\n", i)
		fmt.Fprintf(&want, "wanted %d\n", i)
	}
	lines := strings.Split(lineDiff(got.String(), want.String()), "\n")
	if len(lines) != maxDiff+1 || lines[maxDiff] != "  (1804 lines are left out)" {
		t.Errorf("%d lines, the last one %q", len(lines), lines[len(lines)-1])
	}
}

// TestSetsAreComparedAsSets whatever the order in which they were made.
func TestSetsAreComparedAsSets(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"x.star": "job()\n\ndef consume(ctx, item):\n    pass\n", "x_test.star": `
def test_same(t):
    t.eq(set([1, 2, "a", (1, "b")]), set(["a", (1, "b"), 2.0, 1]))
    t.eq({"a": [set([10, 9, 1.5])]}, {"a": [set([1.5, 9, 10])]})
    t.eq(set([2, 1]), [2, 1])
    t.ne(set([1, 2]), set([1, 3]))
    t.ne(set([1]), set([1, 2]))
    t.ne([1, 2], set([2, 1]))
    t.eq(set(), set())

def test_other(t):
    t.eq(set([3, 1, 20]), set([20, 2, 1]))

def test_long(t):
    t.eq(set(["a row that is long, number %d" % n for n in range(9, 0, -1)]), set(["a row that is long, number %d" % n for n in range(2, 10)]))
`})
	s := suite(t, Options{Jobs: dir})
	defer s.Close()
	want := map[string]string{
		"same":  "ok    ",
		"other": "got:    set([1, 3, 20])\n          wanted: set([1, 2, 20])",
		"long":  "           set([\n          +    \"a row that is long, number 1\",\n               \"a row that is long, number 2\",\n",
	}
	for _, r := range s.Run(t.Context()) {
		if !strings.Contains(text(r), want[r.Name]) {
			t.Errorf("%s: %q is not told:\n%s", r.Name, want[r.Name], text(r))
		}
	}
}
