package starscript_test

import (
	"fmt"
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

// TestCheckOfLongChainsEnds looks at names each of which has the one before twice, and at
// an operator thousands of times.
func TestCheckOfLongChainsEnds(t *testing.T) {
	t.Parallel()
	check := func(body string) (found []string) {
		fsys := fstest.MapFS{"a.star": {Data: []byte("job()\n\ndef consume(ctx, item):\n" + body)}}
		for _, p := range starscript.NewLoader(fsys, "jobs", &hostlib.Host{}).Check("a", "a.star", nil) {
			found = append(found, p.Text())
		}
		return found
	}
	for first, step := range map[string]string{
		"item": "x%[2]d + x%[2]d", `"a"`: "x%[2]d + x%[2]d", `"b"`: `"{}{}".format(x%[2]d, x%[2]d)`, `"c"`: `"%%s%%s" %% (x%[2]d, x%[2]d)`, "[item]": "[x%[2]d, x%[2]d]",
	} {
		body := "    x0 = " + first + "\n"
		for i := range 60 {
			body += fmt.Sprintf("    x%[1]d = "+step+"\n", i+1, i)
		}
		if found := check(body + "    return x60\n"); found != nil {
			t.Errorf("%s: %v", step, found)
		}
	}
	for of, chain := range map[string]string{"item": " + item", `"a"`: ` + "a"`, "item.b": ".strip()", "[1]": " + [1]"} {
		if found := check("    return " + of + strings.Repeat(chain, 3000) + "\n"); of == "item.b" && len(found) != 1 || of != "item.b" && found != nil {
			t.Errorf("%s...: %v", chain, found)
		}
	}
}
