package scripting_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine/sqlstore"
	"github.com/dsengine/dsengine/scripting"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/scripttest"
	"github.com/rogpeppe/go-internal/txtar"
)

// seeded is what a comment says of its line: "### text" that a problem is found
// there whose text and hint have it; several are separated by " ### ".
var seeded = regexp.MustCompile(` ?###(.*)$`)

// TestCheckFindsSeededMistakes checks the folders in testdata/check: what is found
// must be what the comments say, line by line.
func TestCheckFindsSeededMistakes(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/check/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	mistakes := 0
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		want := map[string][]string{} // by file:line
		for _, f := range archive.Files {
			p := filepath.Join(dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(f.Data), "\n")
			for i, line := range lines {
				m := seeded.FindStringSubmatch(line)
				if m == nil {
					continue
				}
				lines[i] = strings.TrimSuffix(line, m[0])
				at := fmt.Sprintf("%s:%d", f.Name, i+1)
				if strings.TrimSpace(lines[i]) == "" && i == 0 {
					at = f.Name + ":0" // of the whole file
				}
				for _, text := range strings.Split(m[1], " ### ") {
					want[at] = append(want[at], strings.TrimSpace(text))
				}
			}
			if err := os.WriteFile(p, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		problems, files, err := scripting.Check(dir, scripting.CheckOptions{Tests: scripttest.Types(), Marks: sqlstore.Marks, Statement: sqlstore.Verb, Owned: func(sql string) error { return sqlstore.Owned("", sql) }})
		if err != nil || files != len(archive.Files) {
			t.Fatalf("%s: %d files: %v", name, files, err)
		}
		for _, p := range problems {
			at := fmt.Sprintf("%s:%d", strings.TrimPrefix(p.File, filepath.ToSlash(dir)+"/"), p.Line)
			text := p.Text() + " [" + p.Code + "] " + p.Hint
			found := false
			for i, w := range want[at] {
				if strings.Contains(text, w) {
					want[at] = append(want[at][:i:i], want[at][i+1:]...)
					found = true
					mistakes++
					break
				}
			}
			if !found {
				t.Errorf("%s: found at %s, and not expected: %s", name, at, text)
			}
			if p.Message == "" || strings.HasSuffix(p.Message, ".") || p.Line > 0 && p.Column == 0 {
				t.Errorf("%s: %+v", name, p)
			}
		}
		for at, texts := range want {
			for _, w := range texts {
				t.Errorf("%s: not found at %s: %s", name, at, w)
			}
		}
	}
	if mistakes < 20 {
		t.Errorf("only %d mistakes", mistakes)
	}
}

// TestCheckFindsNothingInShippedScripts: they are what people copy.
func TestCheckFindsNothingInShippedScripts(t *testing.T) {
	t.Parallel()
	problems, files, err := scripting.Check("../jobs", scripting.CheckOptions{Tests: scripttest.Types()})
	if err != nil || files < 5 {
		t.Fatalf("%d files: %v", files, err)
	}
	for _, p := range problems {
		t.Error(p.Text(), p.Hint)
	}
}

// shown is a line of an example in Lua that shows what an expression gives.
var shown = regexp.MustCompile(`(?m)^[\w#].*\S  -- `)

// TestCheckAcceptsTheExamples: what the documentation shows is called rightly.
func TestCheckAcceptsTheExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	examples := 0
	write := func(f *hostlib.Func) {
		if f.Example == "" || f == hostlib.GlobalNamed("job") {
			return
		}
		examples++
		star := "def consume(ctx, item):\n    " + strings.ReplaceAll(f.Example, "\n", "\n    ") + "\n"
		lua := "function consume(ctx, item)\n" + shown.ReplaceAllString(f.Lua, "local _ = $0") + "\nend\n"
		base := strings.ReplaceAll(f.String(), ".", "_")
		if f.Testing && hostlib.ModuleNamed(f.Module) == nil && f.Module != "connection" {
			star = strings.Replace(star, "def consume(ctx, item)", "def test_it(t)", 1)
			lua = strings.Replace(lua, "function consume(ctx, item)", "function test_it(t)", 1)
			base += "_test"
		}
		for name, text := range map[string]string{base + ".star": star, "lua_" + base + ".lua": lua} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range hostlib.Modules {
		for _, f := range m.Funcs {
			write(f)
		}
	}
	for _, f := range hostlib.Globals {
		write(f)
	}
	for _, typ := range append(slices.Clone(hostlib.Types), scripttest.Types()...) {
		for _, f := range typ.Methods {
			write(f)
		}
	}
	problems, files, err := scripting.Check(dir, scripting.CheckOptions{Tests: scripttest.Types()})
	if err != nil || files < 300 {
		t.Fatalf("%d files of %d examples: %v", files, examples, err)
	}
	for _, p := range problems {
		about := []string{"call", "name", "load"}
		if strings.HasSuffix(p.File, ".lua") {
			about = append(about, "setting", "sql", "column", "type", "compare", "catch", "key", "unset", "global", "unreachable", "rerun", "fail", "truth")
		}
		if slices.Contains(about, p.Code) && !strings.Contains(p.Message, "undefined") {
			source, _ := os.ReadFile(p.File)
			t.Errorf("%s\n%s", p.Text(), source)
		}
	}
}
