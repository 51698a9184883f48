package luascript

import (
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestProgramsGiveWhatLuaGives runs programs that were written at random: of each the
// interpreter's compiler makes something else, by itself or if less is rewritten. What a
// program gives stands in its first line; Lua 5.2, which knows goto, gave that.
func TestProgramsGiveWhatLuaGives(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/programs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Files) < 50 || archive.Files[0].Name != "begin.lua" || archive.Files[1].Name != "end.lua" {
		t.Fatalf("%d files", len(archive.Files))
	}
	begin, end := string(archive.Files[0].Data), string(archive.Files[1].Data)
	for _, f := range archive.Files[2:] {
		first, body, _ := strings.Cut(string(f.Data), "\n")
		want := strings.TrimPrefix(first, "-- ")
		source := begin + "local function program(a, b)\n" + body + "end\n" + end
		for _, probes := range []bool{false, true} {
			got := try(t, source, probes)
			if x, _, _ := strings.Cut(got.globals, "\n"); x != "x = "+strconv.Quote(want) {
				t.Errorf("%s, with probes: %t: got %s %s, want %s\n%s", f.Name, probes, x, got.err, want, body)
			}
		}
	}
}
