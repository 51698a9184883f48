package luascript_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/dsengine/dsengine/scripting/luascript"
)

func TestPrintShowsWhatIsInTables(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		`{}`: "{}",
		`{1, "a\n", {b = true, ["c d"] = {}}, [9] = 2}`: `{1, "a\n", {b = true, ["c d"] = {}}, [9] = 2}`,
		`{function() end}`: "{function}",
		`{{{{{{{1}}}}}}}`:  "{{{{{{{...}}}}}}}",
		`"plain"`:          "plain",
		`(function() local t = {} t.t = t return t end)()`: "{t = {t = {t = {t = {t = {t = {...}}}}}}}",
	} {
		if got := luascript.Printed(code); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", code, got, want)
		}
	}
	if got := luascript.Printed(`(function() local t = {} for i = 1, 9999 do t[i] = i end return t end)()`); len(got) > 4100 || !strings.HasSuffix(got, ", ...}") {
		t.Errorf("a long list: %d bytes: %.50s", len(got), got)
	}
}

// TestWhatIsTooMuchForTheCompilerIsToldOfItsFunction, and escapes that are no byte.
func TestWhatIsTooMuchForTheCompilerIsToldOfItsFunction(t *testing.T) {
	t.Parallel()
	var locals strings.Builder
	for i := range 201 {
		fmt.Fprintf(&locals, "local a%d = %[1]d\n", i)
	}
	values := strings.TrimSuffix(strings.Repeat("1, ", 300), ", ")
	for source, want := range map[string]string{
		"job({})\nfunction consume(ctx, item)\n" + locals.String() + "end\n":   "2:1: consume has too many local variables",
		"job({})\n" + locals.String():                                          "1:1: the top level has too many local variables",
		"job({})\nfunction consume(ctx, item)\n  print(" + values + ")\nend\n": "2:1: consume has too many values at once",
		"job({})\nfunction consume(ctx, item)\n  return \"ab\\300\"\nend\n":    `3:13: an escape that is too large: \255 is the largest byte`,
		"job({})\nfunction consume(ctx, item)\n  return \"\\255\"\nend\n":      "",
	} {
		got := ""
		for _, p := range check(source) {
			if !p.Warning {
				got += fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
			}
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%.60q...\ngot  %s\nwant %s", source, got, want)
		}
	}
}

// TestPrintStrikesSecretsBeforeItCuts: half a secret would not be told from other text.
func TestPrintStrikesSecretsBeforeItCuts(t *testing.T) {
	t.Parallel()
	const secret = "longsecretvalue12345678901234567890"
	w := world.New(t)
	w.Host.Secret = func(string) (string, error) { return secret, nil }
	w.Lua("job", `job({needs = {"secret:*"}})
function consume(ctx, item)
  local s = string.rep("a", 3980) .. secrets.get("k") .. string.rep("b", 50)
  print({s}, {[s] = 1})
end
`)
	j := w.Do("job", "1")
	logs := strings.Join(w.Logs(j.ID), "\n")
	if j.Error != nil || strings.Contains(logs, secret[:8]) || strings.Count(logs, "a***") != 2 || !strings.Contains(logs, `b"...`) {
		t.Errorf("%+v: %d bytes: ...%s", j.Error, len(logs), strings.ReplaceAll(logs, strings.Repeat("a", 3980), "aa"))
	}
}
