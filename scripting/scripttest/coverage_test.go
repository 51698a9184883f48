package scripttest

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/coverage"
)

// The example that was counted by hand. A comment says of each line that counts
// whether it is covered (+), missed (-), or covered in part (~).
const countedScript = `"""Counts."""
load("lib/help.star", "half")  # +

job(  # +
    needs = [],
    retry = retry(max = 1),
)

LIMIT = (  # +
    10 +
    20
)

def produce(ctx):  # +
    """Emits numbers."""
    for n in range(4):  # +
        if n == 0:  # +
            continue  # +
        if n > 100: continue  # ~
        if n % 2:  # +
            ctx.emit({"n": n})  # +
        else:
            pass  # +

def consume(ctx, item):  # +
    n = item["n"]  # +
    if n > LIMIT:  # +
        log.warn(  # -
            "large",
            n = n,
        )
        return None  # -
    elif n == 1:  # +
        kind = "one"  # +
    else:
        kind = "more"  # +
    squares = [  # +
        x * x  # +
        for x in range(n)
        if x < 5
    ]
    none = [x for x in []]  # ~
    what = (  # +
        "few" if n < 100  # +
        else "many"  # -
    )
    key = lambda x: -x  # ~
    both = "a" if n == 1 else "b"  # +
    return {"half": half(n), "all": len(squares) + len(none), "what": what, "kind": kind, "both": both}  # +

def fail(ctx, item, err):  # -
    if err.final:  # -
        log.error("gave up")  # -

def test_in_the_script(t):
    t.eq(1, 1)
`

const countedHelper = `def half(n):  # +
    if n % 2 == 0: return n // 2  # ~
    return (n - 1) // 2  # +

def never():  # -
    return {  # -
        "a": 1,
    }

# A function of Latin and other letters: äöü.
def letters(): return "ä" if True else "ö"  # -
`

const countedTest = `
def test_run(t):
    r = t.run()
    t.eq(r.status, "completed")
    if False:
        t.eq(1, 2)
`

func TestCoverageAgreesWithACountByHand(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"count.star": countedScript, "lib/help.star": countedHelper, "count_test.star": countedTest,
		"other.star": "def consume(ctx, item):\n    pass\n",
	})
	s := suite(t, Options{Jobs: dir, Coverage: true, Paths: []string{filepath.Join(dir, "count.star")}})
	for _, r := range s.Run(t.Context()) {
		if r.Status != Passed {
			t.Fatalf("%s: %v", r.Name, r.Failures)
		}
	}
	r := s.Coverage()
	files := map[string]*coverage.File{}
	for _, f := range s.covered() {
		rel, err := filepath.Rel(filepath.ToSlash(dir), f.Name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.ToSlash(rel)] = f
	}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"count.star", "lib/help.star"}) {
		t.Fatalf("files %v", got)
	}
	want := map[string]string{"+": "covered", "-": "missed", "~": "part"}
	total, covered := 0, 0
	for _, f := range files {
		states := map[int]string{}
		for _, l := range f.Lines() {
			states[l.Number] = map[coverage.State]string{coverage.Covered: "covered", coverage.Missed: "missed", coverage.InPart: "part"}[l.State]
		}
		for i, line := range strings.Split(f.Source, "\n") {
			_, mark, _ := strings.Cut(line, "  # ")
			if states[i+1] != want[mark] {
				t.Errorf("%s:%d: %q, counted by hand %q: %s", filepath.Base(f.Name), i+1, states[i+1], want[mark], line)
			}
			if mark != "" {
				total++
			}
			if mark == "+" {
				covered++
			}
		}
	}
	if r.Total != total || r.Covered != covered {
		t.Errorf("%d of %d lines, counted by hand %d of %d", r.Covered, r.Total, covered, total)
	}
	one := r.Files[0]
	if got := strings.Join(one.Missing, ", "); got != "19 in part, 28-32, 42 in part, 45, 47 in part, 51-53" {
		t.Errorf("missing: %s", got)
	}
	var hooks []string
	for _, h := range one.Hooks {
		hooks = append(hooks, fmt.Sprintf("%s %d/%d", h.Hook, h.Covered, h.Total))
	}
	if got := strings.Join(hooks, ", "); got != "produce 7/8, consume 12/17, fail 0/3" {
		t.Errorf("hooks: %s", got)
	}
	if got := r.Below(90); got == "" || r.Below(10) != "" {
		t.Errorf("below: %q, %q", got, r.Below(10))
	}
	var lcov, html bytes.Buffer
	if err := r.LCOV(&lcov); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/count.star\n", "FN:14,produce\n", "FNDA:0,fail\n", "FNDA:2,consume\n", "DA:19,0\n", "DA:21,2\n", "BRDA:19,1,0,0\nBRDA:19,1,1,3\n", fmt.Sprintf("LF:%d\nLH:%d\nend_of_record\n", one.Total, one.Covered)} {
		if !strings.Contains(lcov.String(), want) {
			t.Errorf("lcov has no %q:\n%s", want, lcov.String())
		}
	}
	if err := r.HTML(&html); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<tr class="covered"><td class="n">21</td><td class="n">2</td>`, `<tr class="missed"><td class="n">30</td><td class="n"></td>`,
		`if n &gt; 100: <mark>continue</mark>`, `title="what is marked has not run; the condition was never true"`, `<mark>-x</mark>`,
	} {
		if !strings.Contains(html.String(), want) {
			t.Errorf("the page has no %s", want)
		}
	}
	for _, what := range []string{"src=", "url(", "<link", "@import", "://"} {
		if strings.Contains(html.String(), what) {
			t.Errorf("the page may load something: %s", what)
		}
	}
}

// TestCoverageChangesNoFailure compares how tests fail with coverage and without.
func TestCoverageChangesNoFailure(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"a.star": "job(steps = 2000)\n\ndef clean(row):\n    kind = \"x\" if row else \"y\"\n    return [\n        int(v) for v in row\n        if kind\n    ]\n\ndef consume(ctx, item):\n    if item == 1:\n        for i in range(100000): pass\n    return clean(item)\n",
		"a_test.star": `
load("a.star", "clean")

def test_fails_below(t):
    here = 1
    t.eq(clean(["1", "x"]), here)

def test_eq(t):
    got = clean(["1"])
    t.eq(got, [2])

def test_limit(t):
    t.run(1)

def test_job(t):
    t.run(["a"])
`,
	})
	tell := func(on bool) (text string) {
		for _, r := range suite(t, Options{Jobs: dir, Coverage: on, Parallel: 1}).Run(t.Context()) {
			for _, f := range r.Failures {
				text += fmt.Sprintf("%s: %s:%d %s\n%s\n%v %s\n", r.Name, f.File, f.Line, f.Message, f.Detail, f.Locals, f.Text)
			}
		}
		return text
	}
	off, on := tell(false), tell(true)
	if off != on || !strings.Contains(off, "test_limit") && !strings.Contains(off, "limit:") {
		t.Errorf("without coverage:\n%s\nwith it:\n%s", off, on)
	}
}
