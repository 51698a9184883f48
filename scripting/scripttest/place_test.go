package scripttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// places are bodies of tests, with the line at which each must be told to fail:
// in the file of tests, or in lib/check.
var places = map[string][]struct{ name, body, at, via string }{
	".star": {
		{"helper", "pass\n    same(t, 2)", "_test:4", "_test:+2"},
		{"file", "pass\n    deep(t, 2)", "lib/check:2", "lib/check:4 _test:+2"},
		{"lambda", "f = lambda x: t.eq(\n        x, 1)\n    f(2)", "_test:+1", "_test:+3"},
		{"loop", "for x in [1, 2]:\n        t.eq(x, 1)", "_test:+2", ""},
		{"missing", "x = 1\n    same(t)", "_test:+2", ""},
		{"named", "x = 1\n    deep(t, 1,\n        y = 2)", "_test:+2", ""},
		{"recursive", "x = 1\n    test_recursive(t)", "_test:+2", ""},
		{"deeper", "x = 1\n    boom()", "_test:+2", ""},
		{"case", "x = 1\n    t.case(\"a\", lambda: boom())", "_test:+2", ""},
	},
	".lua": {
		{"helper", "local x\n    same(t, 2)", "_test:4", "_test:+2"},
		{"file", "local x\n    check.deep(t, 2)", "lib/check:3", "lib/check:5 _test:+2"},
		{"lambda", "local f = function(x)\n        return t.eq(x, 1) end\n    f(2)", "_test:+2", "_test:+3"},
		{"loop", "for _, x in ipairs({1, 2}) do\n        t.eq(x, 1) end", "_test:+2", ""},
		{"tail", "local x\n    return check.boom()", "lib/check:7", ""},
		{"deeper", "local x\n    check.boom()", "_test:+2", ""},
		{"case", "local x\n    t.case(\"a\", function() return check.boom() end)", "_test:+2", ""},
		{"missing", "local x\n    t.nothing()", "_test:+2", ""},
	},
}

// TestFailuresHaveTheLineWhereTheyAre looks at assertions and errors in helpers,
// lambdas, loops and other files, in both languages.
// TestACrashOfAHookThatCallsNothingIsAtItsDefinition looks at each point of hooks that
// call nothing, or nothing that has an effect.
func TestACrashOfAHookThatCallsNothingIsAtItsDefinition(t *testing.T) {
	t.Parallel()
	for ending, files := range map[string][2]string{
		".star": {`
load("lib/h.star", done = "finish")
finish = done
job()

def produce(ctx):
    ctx.emit(1)
    ctx.emit(len("12"))

def consume(ctx, item):
    return str(item) if item == 1 else hash.md5("x")

def redrive(ctx, rows):
    for r in rows:
        pass
`, "def test_it(t):\n    t.run()\n    t.redrive([{\"id\": 1}])\n"},
		".lua": {`
local h = require("lib/h")
finish = h.finish
job()

function produce(ctx)
  ctx.emit(1)
  ctx.emit(#"12")
end
function consume(ctx, item)
  return item == 1 and tostring(item) or hash.md5("x")
end
function redrive(ctx, rows)
  for r in rows do end
end
`, "function test_it(t)\n  t.run()\n  t.redrive({{id = 1}})\nend\n"},
	} {
		dir := folder(t, map[string]string{"x" + ending: files[0], "x_test" + ending: files[1],
			"lib/h.star": "def finish(ctx, summary):\n    return summary.completed\n", "lib/h.lua": "return {finish = function(ctx, summary) return summary.completed end}\n"})
		s := suite(t, Options{Jobs: dir, Crash: true})
		w := worker{suite: s}
		var got []string
		for at := 1; ; at++ {
			k := &crash{way: way{at: at}}
			w.live(t.Context(), s.tests[0], k)
			if k.died == nil {
				break
			}
			got = append(got, strings.ReplaceAll(k.died.String(), dir+"/", ""))
		}
		if err := w.close(t.Context()); err != nil {
			t.Error(err)
		}
		var want []string
		for _, what := range []string{"the commit behind ctx.emit in produce (x%s:8)", "the commit in consume (x%s:10)", "the commit in consume (x%s:10)", "the commit in finish (x%s:3)", "the commit in consume (x%s:13)"} {
			what = fmt.Sprintf(what, ending)
			want = append(want, "before "+what, "after "+what)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the crashes are\n%s", ending, strings.Join(got, "\n"))
		}
	}
}

func TestFailuresHaveTheLineWhereTheyAre(t *testing.T) {
	t.Parallel()
	for ending, cases := range places {
		t.Run(ending, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{
				".star": "load(\"lib/check.star\", \"boom\", \"deep\")\n\ndef same(t, x):\n    t.eq(x, 1)\n\n",
				".lua":  "local check = require(\"lib/check\")\n\nlocal function same(t, x)\n    t.eq(x, 1)\nend\n",
			}
			source := files[ending]
			first := map[string]int{} // the lines of the functions
			for _, c := range cases {
				first[c.name] = strings.Count(source, "\n") + 1
				if ending == ".lua" {
					source += fmt.Sprintf("function test_%s(t)\n    %s\nend\n", c.name, c.body)
				} else {
					source += fmt.Sprintf("def test_%s(t):\n    %s\n\n", c.name, c.body)
				}
			}
			all := results(t, Options{Jobs: folder(t, map[string]string{
				"x_test" + ending: source,
				"lib/check.star":  "def fine(t, x):\n    t.eq(x, 1)\ndef deep(t, x):\n    fine(t, x)\ndef boom():\n    int(\"x\")\n",
				"lib/check.lua":   "local M = {}\nfunction M.fine(t, x)\n    t.eq(x, 1) end\nfunction M.deep(t, x)\n    M.fine(t, x) end\nfunction M.boom()\n    error(\"no\") end\nreturn M\n",
			})})
			for _, c := range cases {
				place := func(text string) string {
					var n int
					if _, err := fmt.Sscanf(text, "_test:+%d", &n); err == nil {
						text = fmt.Sprintf("_test:%d", first[c.name]+n)
					}
					file, line, _ := strings.Cut(text, ":")
					if file == "_test" {
						file = "x_test"
					}
					return file + ending + ":" + line
				}
				r := all[c.name]
				if r == nil || len(r.Failures) == 0 {
					t.Errorf("%s: %+v", c.name, r)
					continue
				}
				f := r.Failures[0]
				if got := fmt.Sprintf("%s:%d", f.File, f.Line); !strings.HasSuffix(got, "/jobs/"+place(c.at)) {
					t.Errorf("%s: it is told at %s, not at %s:\n%s", c.name, got, place(c.at), text(r))
				}
				for i, via := range strings.Fields(c.via) {
					if i >= len(f.Via) || !strings.HasSuffix(f.Via[i], "/jobs/"+place(via)) {
						t.Errorf("%s: by way of %v, not of %s", c.name, f.Via, place(via))
					}
				}
				if len(f.Detail) > 0 && strings.Contains(f.Text, "t.eq") != strings.Contains(f.Message, "not equal") {
					t.Errorf("%s: the call is told as %q", c.name, f.Text)
				}
			}
		})
	}
}
