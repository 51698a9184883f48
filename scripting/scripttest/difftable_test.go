package scripttest

import (
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

func TestRowsThatDifferAreShownAsATable(t *testing.T) {
	t.Parallel()
	row := func(values ...any) *hostlib.Dict {
		d := &hostlib.Dict{}
		for i := 0; i < len(values); i += 2 {
			d.Names, d.Values = append(d.Names, values[i].(string)), append(d.Values, values[i+1])
		}
		return d
	}
	list := func(rows ...hostlib.Value) []hostlib.Value { return rows }
	for name, c := range map[string]struct {
		got, want hostlib.Value
		shown     string
	}{
		"a cell": {
			list(row("id", int64(1), "name", "Ada", "n", 1.0), row("id", int64(2), "name", "Ünal", "n", nil)),
			list(row("id", int64(1), "name", "Ada", "n", 1.0), row("id", int64(2), "name", "Ünal", "n", int64(30))),
			" id  name    n\n@@ -1,2 +1,2 @@\n 1   \"Ada\"   1.0\n-2   \"Ünal\"  30\n+2   \"Ünal\"  None\n             ^^^^",
		},
		"a row more, and a column that others lack": {
			list(row("id", int64(1)), row("id", int64(2), "x", "y"), row("id", int64(3))),
			list(row("id", int64(1)), row("id", int64(3))),
			" id  x\n@@ -1,2 +1,3 @@\n 1\n+2   \"y\"\n 3",
		},
		"another type": {
			list(row("id", "1", "n", int64(1)), row("id", "2", "n", int64(2))),
			list(row("id", int64(1), "n", int64(1)), row("id", "2", "n", int64(2))),
			" id   n\n@@ -1,2 +1,2 @@\n-1    1\n+\"1\"  1\n ^^^\n \"2\"  2",
		},
		"what is too wide": {
			list(row("id", strings.Repeat("x", 150)), row("id", "2")), list(row("id", strings.Repeat("y", 150)), row("id", "2")), "",
		},
		"a row each":     {list(row("id", "x")), list(row("id", "y")), ""},
		"what is no row": {list(row("id", "x"), "x", "y"), list(row("id", "y"), "x", "y"), ""},
		"what is alike":  {list(row("id", "x"), row("id", "x")), list(row("id", "x"), row("id", "x")), ""},
	} {
		_, got, _ := strings.Cut(tableDiff(inStarlark, c.got, c.want), "+++ got\n")
		var lines []string
		for line := range strings.SplitSeq(got, "\n") {
			lines = append(lines, strings.TrimPrefix(line, "  "))
		}
		if got := strings.Join(lines, "\n"); got != c.shown {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.shown)
		}
	}
}
