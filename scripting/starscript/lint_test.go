package starscript_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// TestCheckTakesWhateverThereIs looks at scripts with all kinds of mistakes, and
// at scripts that end anywhere: what cannot be loaded is found, and nothing worse.
func TestCheckTakesWhateverThereIs(t *testing.T) {
	t.Parallel()
	check := func(source string) int {
		fsys := fstest.MapFS{"a.star": {Data: []byte(source)}}
		return len(starscript.NewLoader(fsys, "jobs", &hostlib.Host{}).Check("a", "a.star", nil))
	}
	for _, c := range chunks(t, "testdata/load/*.star") {
		if n := check(c.source); n == 0 && len(c.want) > 0 {
			t.Errorf("%s: it does not load, and check finds nothing", c.name)
		}
	}
	source, err := os.ReadFile("../../jobs/example.star")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(source), "\n")
	if n := check(strings.Join(lines, "")); n != 0 {
		t.Errorf("%d problems in the example", n)
	}
	for i := range lines {
		check(strings.Join(lines[:i], ""))
		check(strings.Join(append(slices.Clone(lines[:i]), lines[i+1:]...), ""))
	}
}
