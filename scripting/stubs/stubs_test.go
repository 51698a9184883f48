package stubs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

func written(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// No type of the tables is lost on the way: each is one that editors know.
func TestEveryTypeIsKnown(t *testing.T) {
	t.Parallel()
	look := func(where, text string) {
		for _, d := range []*dialect{python, lua} {
			if text != "" && d.typed(text) == "" {
				t.Errorf("%s: no type for %q: %s", where, text, d.any)
			}
		}
	}
	var funcs []*hostlib.Func
	for _, typ := range Types() {
		for _, a := range typ.Attrs {
			look(typ.Name+"."+a.Name, a.Type)
		}
		funcs = append(funcs, typ.Methods...)
	}
	for _, m := range hostlib.Modules {
		funcs = append(funcs, m.Funcs...)
		for _, c := range m.Consts {
			if python.constant(c.Value) == "Any" || lua.constant(c.Value) == "any" {
				t.Errorf("%s.%s: %T", m.Name, c.Name, c.Value)
			}
		}
	}
	for _, f := range append(funcs, hostlib.Globals...) {
		look(f.String(), f.Returns)
		for i := range f.Params {
			if python.param(&f.Params[i]) == "" || lua.param(&f.Params[i]) == "" {
				t.Errorf("%s: %s", f, f.Params[i].Name)
			}
		}
	}
	for _, s := range hostlib.Settings() {
		if python.setting(s) == "" || lua.setting(s) == "" {
			t.Errorf("job: %s: %s", s.Name, s.Type)
		}
	}
	classes := map[string]bool{}
	for _, typ := range Types() {
		if classes[className(typ.Name)] {
			t.Errorf("two classes %s", className(typ.Name))
		}
		classes[className(typ.Name)] = true
	}
}

// The types of the comments that are recommended are there for whoever reads the stubs.
func TestCommentsOfHooksNameTypesThatAreThere(t *testing.T) {
	t.Parallel()
	names, err := grammar(written(t))
	if err != nil {
		t.Fatal(err)
	}
	comments := regexp.MustCompile(`# type: \((.+)\) -> (\w+)`).FindAllStringSubmatch(header, -1)
	if len(comments) != 2 {
		t.Fatalf("there are %d comments", len(comments))
	}
	for _, m := range comments {
		for _, n := range append(strings.Split(m[1], ", "), m[2]) {
			if !names[n] && n != "None" {
				t.Errorf("%s: no type %s", m[0], n)
			}
		}
	}
}

var (
	classLine = regexp.MustCompile(`^class (\w+):$`)
	defLine   = regexp.MustCompile(`^( *)def (\w+)\((.*)\) -> (.+?):( \.\.\.)?$`)
	varLine   = regexp.MustCompile(`^( *)(\w+): (.+)$`)
	aliasLine = regexp.MustCompile(`^(\w+) = (.+)$`)
	importOf  = regexp.MustCompile(`^from typing import (.+)$`)
)

// grammar reads the part of Python that stubs are written in, and gives the
// names that there are: "consume", "Ctx.emit".
func grammar(text string) (names map[string]bool, err error) {
	names = map[string]bool{}
	known := map[string]bool{}
	for _, n := range strings.Fields("str bytes bool int float list dict tuple None") {
		known[n] = true
	}
	var types, within []string // of each type, the class that it is in
	class, docs, body, number := "", false, false, 0
	bad := func(why string, args ...any) error {
		return fmt.Errorf("line %d: "+why, append([]any{number}, args...)...)
	}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		number++
		trimmed := strings.TrimLeft(line, " ")
		indent := len(line) - len(trimmed)
		if docs {
			docs = !strings.HasSuffix(line, `"""`)
			continue
		}
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(trimmed, `"""`):
			if !body || indent%4 != 0 || indent == 0 {
				return nil, bad("a text where none belongs")
			}
			inner := strings.TrimPrefix(trimmed, `"""`)
			docs = !strings.HasSuffix(inner, `"""`)
			if !docs && strings.Contains(strings.TrimSuffix(inner, `"""`), `"""`) {
				return nil, bad("a text that ends twice")
			}
		case trimmed == "...":
			if !body {
				return nil, bad("... where none belongs")
			}
			body = false
		case line == "import builtins":
			known["builtins"] = true
		case importOf.MatchString(line):
			for _, n := range strings.Split(importOf.FindStringSubmatch(line)[1], ", ") {
				if name, as, _ := strings.Cut(n, " as "); name == as { // else it is none to whoever reads the file
					names[name], n = true, name
				}
				known[n] = true
			}
		case classLine.MatchString(line):
			class, body = classLine.FindStringSubmatch(line)[1], true
			if names[class] {
				return nil, bad("class %s is there twice", class)
			}
			names[class], known[class] = true, true
		case defLine.MatchString(line):
			m := defLine.FindStringSubmatch(line)
			name := m[2]
			switch {
			case len(m[1]) == 0:
				class = ""
			case len(m[1]) == 4 && class != "":
				name = class + "." + name
			default:
				return nil, bad("a function that belongs to nothing")
			}
			if names[name] {
				return nil, bad("%s is there twice", name)
			}
			names[name], body = true, m[5] == ""
			of, err := parameters(m[3], class != "")
			if err != nil {
				return nil, bad("%s: %v", name, err)
			}
			for _, typ := range append(of, m[4]) {
				types, within = append(types, typ), append(within, class)
			}
		case varLine.MatchString(line):
			m := varLine.FindStringSubmatch(line)
			name := m[2]
			if m[1] == "" {
				class = ""
			} else {
				name, body = class+"."+name, true
			}
			names[name] = true
			types, within = append(types, m[3]), append(within, class)
		case aliasLine.MatchString(line):
			known[aliasLine.FindStringSubmatch(line)[1]] = true
		default:
			return nil, bad("no line of a stub: %s", line)
		}
	}
	if docs {
		return nil, bad("a text that does not end")
	}
	for i, typ := range types {
		if _, err := options.ParseExpr("type", strings.ReplaceAll(typ, "...", "Any"), 0); err != nil {
			return nil, fmt.Errorf("the type %s: %w", typ, err)
		}
		for _, n := range word.FindAllString(strings.ReplaceAll(typ, "builtins.", "builtins "), -1) {
			if n[0] != '"' && !known[n] {
				return nil, fmt.Errorf("the type %s: there is no %s", typ, n)
			}
			if within[i] != "" && names[within[i]+"."+n] && !strings.Contains(typ, "builtins."+n) {
				return nil, fmt.Errorf("the type %s: in %s that is something else", typ, within[i])
			}
		}
	}
	return names, nil
}

var options = &syntax.FileOptions{}

// parameters reads the parameters of a function, and gives their types: without
// those they are parameters of Starlark.
func parameters(text string, method bool) (types []string, err error) {
	var plain []string
	for i, p := range split(text) {
		name, rest, typed := strings.Cut(p, ": ")
		typ, def, given := strings.Cut(rest, " = ")
		switch {
		case i == 0 && method:
			if p != "self" {
				return nil, fmt.Errorf("the first parameter is %s", p)
			}
		case p == "*":
		case !typed:
			return nil, fmt.Errorf("%s has no type", p)
		default:
			types = append(types, typ)
		}
		if given {
			name += " = " + def
		}
		plain = append(plain, name)
	}
	_, _, err = starlark.SourceProgramOptions(options, "parameters", "def f("+strings.Join(plain, ", ")+"): pass\n", func(string) bool { return true })
	return types, err
}

// split cuts at commas that are in no bracket and in no text.
func split(text string) (parts []string) {
	depth, quoted, from, escaped := 0, false, 0, false
	for i, c := range text {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("[({", c):
			depth++
		case strings.ContainsRune("])}", c):
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	if rest := strings.TrimSpace(text[from:]); rest != "" {
		parts = append(parts, rest)
	}
	return parts
}

func TestAllThatScriptsCanCallIsInTheStubs(t *testing.T) {
	t.Parallel()
	text := written(t)
	names, err := grammar(text)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"load", "fail"}
	for _, f := range hostlib.Globals {
		want = append(want, f.Name)
	}
	for _, m := range hostlib.Modules {
		want = append(want, m.Name)
		for _, n := range m.Names() {
			want = append(want, className(m.Name)+"Module."+n)
		}
	}
	for _, typ := range Types() {
		for _, n := range typ.Names() {
			want = append(want, className(typ.Name)+"."+n)
		}
	}
	for _, n := range want {
		if !names[n] {
			t.Errorf("%s is missing", n)
		}
	}
	if len(want) < 300 {
		t.Errorf("only %d names", len(want))
	}
	for _, line := range []string{
		"db: DbModule",
		"    def upsert(self, table: str, rows: Iterable[Any], *, key: Iterable[str], update: Iterable[str] | None = None,",
		"    def emit(self, item: Data, *, type: str | None = None, key: str | None = None, unique: str = \"active\",",
		`    def run(self, payload: Data | None = None, *, key: str | None = None, instance: str | None = None, window: Data | None = None, expect: Literal["completed", "failed", "cancelled", "any"] = "completed") -> Outcome:`,
		`def job(*bases: dict[str, Any], every: str | Duration | None = None,`,
		`def catch(fn: Function, *args: Any, **kwargs: Any) -> tuple[Any, Err]:`,
		"    http: TestHttp",
		"    pi: float",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("%q is missing", line)
		}
	}
}

// The grammar finds what is wrong: a test of the test.
func TestTheGrammarRefusesWhatIsNoStub(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"class A:\n    \"\"\"x\n", "def f(a: int = 1, b: int) -> None:\n    ...\n", "def f(a) -> None: ...\n", "def f(a: Nothing) -> None: ...\n",
		"class A:\n    def f(a: int) -> None: ...\n", "def f() -> list[int: ...\n", "x = \n", "def f(a: int = ) -> None: ...\n", "class A:\nclass A:\n", "    def f() -> None: ...\n",
		"class A:\n    \"\"\"x\"\"\"y\"\"\"\n", "class A:\n    def list(self) -> list[int]: ...\n",
	} {
		if _, err := grammar(bad); err == nil {
			t.Errorf("taken for a stub:\n%s", bad)
		}
	}
}
