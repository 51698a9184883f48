package starscript

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/google/go-cmp/cmp"
	"go.starlark.net/syntax"
)

// Scripts before and after.
var forms = map[string][2]string{
	"spaces and quotes": {
		"job(every='1h',needs = [ 'files:x' ])\ndef consume(ctx,item,*,n=1):\n  return item [ 'a' ]+1\n",
		"job(every = \"1h\", needs = [\"files:x\"])\n\ndef consume(ctx, item, *, n = 1):\n    return item[\"a\"] + 1\n",
	},
	"comments": {
		"# at the top\n\nX=1 # of X\n\ndef f(a):\n  # before\n  g(a)#after\n  # at the end\n\n# of g\ndef g(a):\n  return [\n   1, # one\n   # before two\n   2,\n  ]\n",
		"# at the top\n\nX = 1  # of X\n\ndef f(a):\n    # before\n    g(a)  #after\n    # at the end\n\n# of g\ndef g(a):\n    return [\n        1,  # one\n        # before two\n        2,\n    ]\n",
	},
	"tabs": {
		"def f(a):\n\tif a:\n\t\treturn \"\"\"x\n\ty\"\"\"\n\treturn [\n\t1,\n\t\t2]\n",
		"def f(a):\n    if a:\n        return \"\"\"x\n\ty\"\"\"\n    return [\n        1,\n        2,\n    ]\n",
	},
	"bytes": {
		"A=b'x'+b\"\"\"y\nz\"\"\"\nB='bytes'+rb'\\d' #b'x'\n",
		"A = b'x' + b\"\"\"y\nz\"\"\"\nB = \"bytes\" + rb'\\d'  #b'x'\n",
	},
	"windows": {"\xef\xbb\xbfX=1\r\nY=2\r\n", "X = 1\nY = 2\n"},
	"loads are sorted": {
		"load('lib/b.star','z','a')\nload('lib/a.star',y='x')\nprint(z,a,y)\n",
		"load(\"lib/a.star\", y = \"x\")\nload(\"lib/b.star\", \"a\", \"z\")\n\nprint(z, a, y)\n",
	},
	"the text of a function moves with it": {
		"def f():\n  \"\"\"One.\n\n  Two.\n  \"\"\"\n  pass\n",
		"def f():\n    \"\"\"One.\n\n    Two.\n    \"\"\"\n    pass\n",
	},
	"escapes and numbers": {
		"A='\\u00e9\\x41\\t\\\\' + r'\\d' + \"it's\"\nB=[0x1F, 0o17, 1e3, .5, 10//2 if True else -1]\n",
		"",
	},
	"exponents": {"A=[4.5e+00,45e0,1.e-0,4.5e+10,1E+16,1e-7]\n", "A = [4.5, 45.0, 1., 4.5e10, 1E+16, 1e-7]\n"},
	"quotes around what is not ASCII": {
		"A='é' + 'x\\u00e9\\'\\\\' + '''é\\'\n\\x41''' + 'a\"é' + r'é\\d'\n",
		"A = \"é\" + \"x\\u00e9'\\\\\" + \"\"\"é'\n\\x41\"\"\" + 'a\"é' + r\"é\\d\"\n",
	},
	"statements": {
		"for a in range(3):\n  if a==1: continue\n  elif a>1: break\n  else: pass\nx=[a for a in range(3) if a]\nf=lambda a,*b,**c:a|{'k':1}\n",
		"",
	},
	"nothing": {"", ""},
}

func TestScriptsGetOneForm(t *testing.T) {
	t.Parallel()
	for name, c := range forms {
		got, err := Format("x.star", []byte(c[0]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := c[1]; want != "" && string(got) != want {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(want, string(got)))
		}
		if again, err := Format("x.star", got); err != nil || string(again) != string(got) {
			t.Errorf("%s: a second time: %v\n%s", name, err, cmp.Diff(string(got), string(again)))
		}
	}
}

func TestWhatCannotBeReadIsNotFormatted(t *testing.T) {
	t.Parallel()
	_, err := Format("jobs/x.star", []byte("def f(:\n    pass\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "jobs/x.star:1:") {
		t.Errorf("got %v", err)
	}
	if _, err = Format("jobs/x.star", []byte("while True:\n    pass\n")); err == nil {
		t.Error("a loop without end is formatted")
	}
}

// What a script says is found wherever it stands, and its loss is seen.
func TestTheSubstanceOfAScriptIsAllThatItSays(t *testing.T) {
	t.Parallel()
	read := func(source string) map[string]int {
		t.Helper()
		tree, err := options.Parse("x.star", source, syntax.RetainComments)
		if err != nil {
			t.Fatal(err)
		}
		return substance(tree)
	}
	const base = "load(\"lib/a.star\", \"a\")\n\ndef f(x):\n    \"\"\"Text.\"\"\"\n    # why\n    x += 1  # more\n    return not x or a(x, n = 2.5)\n"
	for _, change := range [][2]string{
		{"\"a\")", "b = \"a\")"}, {"# why", "# what"}, {"# more", ""}, {"+=", "-="}, {"2.5", "2"}, {"not x", "x"}, {" or ", " and "}, {"Text.", "Txt."},
		{"n =", "m ="}, {"return ", ""}, {"lib/a", "lib/b"},
	} {
		if !strings.Contains(base, change[0]) {
			t.Fatalf("%q is not there", change[0])
		}
		if cmp.Equal(read(base), read(strings.Replace(base, change[0], change[1], 1))) {
			t.Errorf("%q in place of %q is not seen", change[1], change[0])
		}
	}
}

func TestEveryExampleCanBeFormatted(t *testing.T) {
	t.Parallel()
	funcs := slices.Clone(hostlib.Globals)
	for _, m := range hostlib.Modules {
		funcs = append(funcs, m.Funcs...)
	}
	for _, typ := range hostlib.Types {
		funcs = append(funcs, typ.Methods...)
	}
	for _, f := range funcs {
		if _, err := Format(f.String(), []byte(f.Example+"\n")); err != nil {
			t.Errorf("%v\n%s", err, f.Example)
		}
	}
}

func TestTheShippedScriptsAreFormatted(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("../../jobs/*.star")
	more, _ := filepath.Glob("../../jobs/*/*.star")
	if files = append(files, more...); len(files) < 10 {
		t.Fatalf("only %d scripts", len(files))
	}
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Format(f, source)
		if err != nil {
			t.Error(err)
		} else if string(got) != string(source) {
			t.Errorf("%s is not formatted: dsengine fmt (-is +should be)\n%s", f, cmp.Diff(string(source), string(got)))
		}
	}
}
