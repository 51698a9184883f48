package scripttest

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
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

// agrees checks that what lcov's form says of lines, of their branches and of their number
// goes together.
func agrees(t *testing.T, lcov string) {
	t.Helper()
	for _, record := range strings.Split(lcov, "end_of_record\n") {
		ran, hit, taken := map[string]bool{}, 0, map[string]bool{}
		for _, line := range strings.Split(record, "\n") {
			kind, rest, _ := strings.Cut(line, ":")
			fields := strings.Split(rest, ",")
			switch last := fields[len(fields)-1]; kind {
			case "DA":
				if ran[fields[0]] = last != "0"; last != "0" {
					hit++
				}
			case "BRDA":
				taken[fields[0]] = taken[fields[0]] || last != "0" && last != "-"
			case "LH":
				if last != strconv.Itoa(hit) {
					t.Errorf("%s lines are said to have run of %d", last, hit)
				}
			}
		}
		for line, yes := range taken {
			if yes && !ran[line] {
				t.Errorf("line %s has not run, and a branch of it was taken", line)
			}
		}
	}
}

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
	byHand(t, s, dir, "  # ", "count.star", "lib/help.star")
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
	for _, want := range []string{"/count.star\n", "FN:14,produce\n", "FNDA:0,fail\n", "FNDA:2,consume\n", "DA:19,3\n", "DA:21,2\n", "DA:28,0\n", "BRDA:19,1,0,0\nBRDA:19,1,1,3\n", fmt.Sprintf("LF:%d\nLH:%d\n", one.Total, one.Covered+strings.Count(strings.Join(one.Missing, ","), "in part"))} {
		if !strings.Contains(lcov.String(), want) {
			t.Errorf("lcov has no %q:\n%s", want, lcov.String())
		}
	}
	agrees(t, lcov.String())
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

// byHand compares what was counted of files with their comments, which begin by mark.
func byHand(t *testing.T, s *Suite, dir, mark string, names ...string) {
	t.Helper()
	r := s.Coverage()
	files := map[string]*coverage.File{}
	for _, f := range s.covered() {
		rel, err := filepath.Rel(filepath.ToSlash(dir), f.Name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.ToSlash(rel)] = f
	}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, names) {
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
			_, state, _ := strings.Cut(line, mark)
			if states[i+1] != want[state] {
				t.Errorf("%s:%d: %q, counted by hand %q: %s", filepath.Base(f.Name), i+1, states[i+1], want[state], line)
			}
			if state != "" {
				total++
			}
			if state == "+" {
				covered++
			}
		}
	}
	if r.Total != total || r.Covered != covered {
		t.Errorf("%d of %d lines, counted by hand %d of %d", r.Covered, r.Total, covered, total)
	}
}

const countedLua = `-- Counts.
local help = require("lib/help")  -- +

job({  -- +
  needs = {},
  retry = retry({max = 1}),
})

local LIMIT =  -- +
  10 +
  20

function produce(ctx)  -- +
  for n = 0, 3 do  -- +
    if n > 100 then log.info("large") end  -- ~
    if n % 2 == 1 then  -- +
      ctx.emit({n = n})  -- +
    else
      n = n  -- +
    end
  end
end

function consume(ctx, item)  -- +
  local n, kind = item.n  -- +
  if n > LIMIT then  -- +
    log.warn(  -- -
      "large",
      {n = n})
    return nil  -- -
  elseif n == 1 then  -- +
    kind = "one"  -- +
  else
    kind = "more"  -- +
  end
  local i = 0  -- +
  while i < n do  -- +
    i = i + 1  -- +
  end
  repeat  -- +
    i = i + 1  -- +
  until i > 5  -- +
  local what =  -- +
    n < 100 and "few"  -- +
    or "many"  -- -
  local key = function(x)  -- -
    return -x  -- -
  end
  table.sort({}, function(a, b) return a < b end)  -- ~
  local both = n == 1 and "a" or "b"  -- +
  for x in iter.take({1, 2}, 2) do  -- +
    if x == 2 then return {half = help.half(n), what = what, kind = kind, both = both} end  -- +
  end
end

function fail(ctx, item, err)  -- -
  if err.final then  -- -
    log.error("gave up")  -- -
  end
end

function test_in_the_script(t)
  t.eq(1, 1)
end
`

const countedLuaHelper = `local M = {}  -- +
function M.half(n)  -- +
  if n % 2 == 0 then return n / 2 end  -- ~
  return (n - 1) / 2  -- +
end
function M.never()  -- -
  return {  -- -
    a = 1,
  }
end

-- A function of Latin and other letters: äöü.
function M.letters() return true and "ä" or "ö" end  -- -
M.kinds = {  -- +
  n = 1,
  f = function(x)  -- -
    return x  -- -
  end,
  g = function() return 1 end,  -- -
}
return M  -- +
`

func TestCoverageOfLuaAgreesWithACountByHand(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"count.lua": countedLua, "lib/help.lua": countedLuaHelper,
		"count_test.lua": "function test_run(t)\n  t.eq(t.run().status, \"completed\")\nend\n",
		"other.lua":      "function consume(ctx, item)\nend\n",
	})
	s := suite(t, Options{Jobs: dir, Coverage: true, Paths: []string{filepath.Join(dir, "count.lua")}})
	for _, r := range s.Run(t.Context()) {
		if r.Status != Passed {
			t.Fatalf("%s: %v", r.Name, r.Failures)
		}
	}
	byHand(t, s, dir, "  -- ", "count.lua", "lib/help.lua")
	r := s.Coverage()
	one := r.Files[0]
	if got := strings.Join(one.Missing, ", "); got != "15 in part, 27-30, 45-47, 49 in part, 56-58" {
		t.Errorf("missing: %s", got)
	}
	var hooks []string
	for _, h := range one.Hooks {
		hooks = append(hooks, fmt.Sprintf("%s %d/%d", h.Hook, h.Covered, h.Total))
	}
	if got := strings.Join(hooks, ", "); got != "produce 5/6, consume 17/23, fail 0/3" {
		t.Errorf("hooks: %s", got)
	}
	var lcov, html bytes.Buffer
	if err := r.LCOV(&lcov); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/count.lua\n", "FN:13,produce\n", "FNDA:0,fail\n", "FNDA:2,consume\n", "DA:15,4\n", "DA:17,2\n", "DA:27,0\n", "BRDA:15,0,0,0\nBRDA:15,0,1,4\n", fmt.Sprintf("LF:%d\nLH:%d\n", one.Total, one.Covered+strings.Count(strings.Join(one.Missing, ","), "in part"))} {
		if !strings.Contains(lcov.String(), want) {
			t.Errorf("lcov has no %q:\n%s", want, lcov.String())
		}
	}
	agrees(t, lcov.String())
	if err := r.HTML(&html); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<tr class="covered"><td class="n">17</td><td class="n">2</td>`, `if n &gt; 100 then <mark>log.info(&#34;large&#34;)</mark> end`,
		`title="what is marked has not run; the condition was never true"`, `<mark>function(a, b)</mark> <mark>return a &lt; b</mark> end`,
	} {
		if !strings.Contains(html.String(), want) {
			t.Errorf("the page has no %s:\n%s", want, html.String())
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
		"b.lua": "job({steps = 2000})\n\nfunction clean(row)\n  local kind = row and \"x\" or \"y\"\n  local list = {}\n  for i, v in ipairs(row) do\n    list[i] = v + 1\n  end\n  return list, kind\nend\n\nfunction consume(ctx, item)\n  if item == 1 then\n    for i = 1, 100000 do end\n  end\n  return (clean(item))\nend\n",
		"b_test.lua": `local b = require("b")

function test_fails_below(t)
  local here = 1
  t.eq(b.clean({1, "x"}), here)
end

function test_eq(t)
  local got = b.clean({1})
  t.eq(got, {3})
end

function test_lua_limit(t)
  t.run(1)
end

function test_job(t)
  t.run({"a"})
end
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
	if off != on || !strings.Contains(off, "\nlua_limit: ") || strings.Count(off, "took more than 2000 steps") < 2 {
		t.Errorf("without coverage:\n%s\nwith it:\n%s", off, on)
	}
}
