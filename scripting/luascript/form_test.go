package luascript_test

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// shown is a line of an example that shows what an expression gives.
var shown = regexp.MustCompile(`(?m)^[\w#].*\S  -- `)

// texts are all Lua scripts of the repository, and all examples.
func texts(t testing.TB) map[string]string {
	t.Helper()
	list, err := gathered()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var gathered = sync.OnceValues(func() (map[string]string, error) {
	list := map[string]string{}
	err := filepath.WalkDir("../..", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasSuffix(p, ".lua"):
			text, err := os.ReadFile(p)
			list[p] = string(text)
			return err
		case strings.HasSuffix(p, ".txtar"):
			archive, err := txtar.ParseFile(p)
			if err != nil {
				return err
			}
			for _, f := range archive.Files {
				if strings.HasSuffix(f.Name, ".lua") {
					list[p+" "+f.Name] = string(f.Data)
				}
			}
		}
		return nil
	})
	note := func(f *hostlib.Func) {
		list[f.String()] = shown.ReplaceAllString(f.Lua, "local _ = $0") + "\n"
	}
	for _, f := range hostlib.Globals {
		note(f)
	}
	for _, m := range hostlib.Modules {
		for _, f := range m.Funcs {
			note(f)
		}
	}
	for _, typ := range hostlib.Types {
		for _, f := range typ.Methods {
			note(f)
		}
	}
	for _, h := range hostlib.Hooks {
		list[h.Name] = h.Lua + "\n"
	}
	return list, err
})

// TestFormattingChangesNoWord formats every script, whole and mangled: its words and
// comments stay, and a second time changes nothing.
func TestFormattingChangesNoWord(t *testing.T) {
	t.Parallel()
	n := 0
	words := func(name, text string) (list []string) {
		tokens, err := luasyntax.Scan(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, token := range tokens {
			list = append(list, strings.TrimRight(token.Text, " \t"))
		}
		return list
	}
	all := texts(t)
	for i, name := range slices.Sorted(maps.Keys(all)) {
		text := all[name]
		if _, err := luascript.Format(name, []byte(text)); err != nil {
			continue // it is there to be wrong
		}
		n++
		other := [][2]string{{"\n", ""}, {"\n\t \t", "  "}, {"\n\n\n", "\t"}}[i%3]
		for how, given := range map[string]string{"as it is": text, "with other spaces": mangled(t, text, other[0], other[1])} {
			got, err := luascript.Format(name, []byte(given))
			if err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
				continue
			}
			if d := cmp.Diff(words(name, given), words(name, string(got))); d != "" {
				t.Errorf("%s, %s: words changed:\n%s", name, how, d)
			}
			if again, err := luascript.Format(name, got); err != nil || string(again) != string(got) {
				t.Errorf("%s, %s: a second time: %v\n%s", name, how, err, cmp.Diff(string(got), string(again)))
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d scripts", n)
	}
}

// mutations are how many other scripts are made of each.
const mutations = 2

// TestWhatTheInterpreterReadsIsFormatted takes scripts with words left out, twice, or in
// another place: what the interpreter reads, the formatter does, too.
func TestWhatTheInterpreterReadsIsFormatted(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	all := texts(t)
	var pool []luasyntax.Token
	read := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		tokens, err := luasyntax.Scan(all[name])
		if err != nil || len(tokens) < 3 {
			continue
		}
		pool = append(pool, tokens[:len(tokens)-1]...)
		for range mutations {
			list := slices.Clone(tokens[:len(tokens)-1])
			for range 1 + r.IntN(2) {
				at := r.IntN(len(list))
				switch r.IntN(4) {
				case 0:
					list = slices.Delete(list, at, at+1)
				case 1:
					list = slices.Insert(list, at, pool[r.IntN(len(pool))])
				case 2:
					list[at] = pool[r.IntN(len(pool))]
				default:
					to := r.IntN(len(list))
					list[at], list[to] = list[to], list[at]
				}
				if len(list) == 0 {
					break
				}
			}
			var b strings.Builder
			for _, token := range list {
				b.WriteString(token.Text + []string{" ", " ", " ", "\n", ""}[r.IntN(5)])
			}
			got, err := luascript.Format("x.lua", []byte(b.String()))
			if err != nil {
				if strings.Contains(err.Error(), "though it may run") {
					t.Errorf("%v\n%s", err, b.String())
				}
				continue
			}
			read++
			if again, err := luascript.Format("x.lua", got); err != nil || string(again) != string(got) {
				t.Errorf("a second time: %v\n%s", err, cmp.Diff(string(got), string(again)))
			}
		}
	}
	if read < 20*mutations {
		t.Errorf("only %d scripts could be read", read)
	}
}

// mangled is a text with other spaces: between lines, and between words.
func mangled(t testing.TB, text, line, space string) string {
	t.Helper()
	tokens, err := luasyntax.Scan(text)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, token := range tokens {
		if i > 0 {
			before := tokens[i-1]
			switch {
			case token.Line > before.End.Line:
				b.WriteString(strings.Repeat(line, min(token.Line-before.End.Line, 2)))
			case before.End != token.Pos: // only where there is one already
				b.WriteString(" " + space)
			}
		}
		b.WriteString(token.Text)
	}
	return b.String()
}

// TestShippedScriptsAreFormatted: they are what people copy.
func TestShippedScriptsAreFormatted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../jobs/*.lua")
	more, _ := filepath.Glob("../../cmd/dsengine/new/*.lua")
	if err != nil || len(files) < 4 || len(more) < 2 {
		t.Fatal(files, more, err)
	}
	for _, p := range append(files, more...) {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := luascript.Format(p, text)
		if d := cmp.Diff(string(text), string(got)); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", p, err, d)
		}
	}
}

// Scripts before and after.
var forms = map[string][2]string{
	"words": {
		"local a=1;local b  =  {1,2,x=3 , [ 'k' ]=4}\nf ( a,b ) f{1}f'x'\nreturn -a+ -b- - 2^2 ..'x'==not b,#b , a.b : c( )\n",
		"local a = 1; local b = {1, 2, x = 3, ['k'] = 4}\nf(a, b) f{1} f 'x'\nreturn -a + -b - -2 ^ 2 .. 'x' == not b, #b, a.b:c()\n",
	},
	"blocks": {
		"function f(a,...)\nif a then\nreturn 1\nelseif b then\n-- why\nelse\nwhile a do a=b end\nend\nrepeat\nlocal x\nuntil x\nfor i=1,10 do\nfor k,v in pairs(a) do g() end\nend\ndo\nlocal y\nend\nend\n",
		"function f(a, ...)\n  if a then\n    return 1\n  elseif b then\n    -- why\n  else\n    while a do a = b end\n  end\n  repeat\n    local x\n  until x\n  for i = 1, 10 do\n    for k, v in pairs(a) do g() end\n  end\n  do\n    local y\n  end\nend\n",
	},
	"brackets": {
		"job({\nevery='1h',\nneeds={\n'a',-- of a\n},\n})\nctx.on_commit(function()\ng()\nend, 1)\nf(\na,\nb\n)\n",
		"job({\n  every = '1h',\n  needs = {\n    'a', -- of a\n  },\n})\nctx.on_commit(function()\n  g()\nend, 1)\nf(\n  a,\n  b\n)\n",
	},
	"statements that go on": {
		"local x=a\nand b\nor c\nlocal y =\n{\n1,\n}\nif a\nand b then\nc()\nend\nlocal z = s:gsub('a', 'b')\n:upper()\n:each(function()\nd()\nend)\nreturn x ..\n y\n",
		"local x = a\n  and b\n  or c\nlocal y =\n  {\n    1,\n  }\nif a\n    and b then\n  c()\nend\nlocal z = s:gsub('a', 'b')\n  :upper()\n  :each(function()\n    d()\n  end)\nreturn x ..\n  y\n",
	},
	"texts stay": {
		"\n\n--[[ a\n   b  ]]   \nlocal t = [[\n  x\t\n\n\n y]]--  c  \n\n\n\nt[ [[x]] ] = [==[\n]]]==]\n--d\n",
		"--[[ a\n   b  ]]\nlocal t = [[\n  x\t\n\n\n y]] --  c\n\nt[ [[x]] ] = [==[\n]]]==]\n--d\n",
	},
	"labels":  {"for i=1,2 do\n::again::goto again;::done::\nend\n", "for i = 1, 2 do\n  ::again:: goto again; ::done::\nend\n"},
	"windows": {"\xef\xbb\xbflocal a=1\r\nlocal b=a\r\n", "local a = 1\nlocal b = a\n"},
	"system":  {"#!/usr/bin/env  lua \nlocal a=1\n", "#!/usr/bin/env  lua\nlocal a = 1\n"},
	"marked":  {"\xef\xbb\xbf#!lua\r\n\r\n\r\nreturn  1\r\n", "#!lua\n\nreturn 1\n"},
	"a sign":  {"#", "#\n"},
	"feeds":   {"\flocal a=1\v\n\f\n\n\vlocal\fb=\"\f\"\n", "local a = 1\n\nlocal b = \"\f\"\n"},
	"nothing": {"", ""},
	"empty":   {" \n\n", ""},
}

func TestScriptsGetOneForm(t *testing.T) {
	t.Parallel()
	for name, c := range forms {
		got, err := luascript.Format("x.lua", []byte(c[0]))
		if err != nil || string(got) != c[1] {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, cmp.Diff(c[1], string(got)))
			continue
		}
		if again, err := luascript.Format("x.lua", got); err != nil || string(again) != string(got) {
			t.Errorf("%s: a second time: %v\n%s", name, err, cmp.Diff(string(got), string(again)))
		}
	}
}

func TestWhatCannotBeReadIsNotFormatted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"local a = 1\nif a the\n  b()\nend\n": "jobs/x.lua:2:",
		"\nlocal a = \"x\n":                   "jobs/x.lua:2:11: a string that does not end",
		"--[[ a\n":                            "jobs/x.lua:1:1: a comment that does not end",
		"goto nowhere\n":                      "jobs/x.lua:",
		"\n#!lua\n":                           "jobs/x.lua:2:1: syntax error near \"#\"",
		"x = 1\ngoto next\nlocal x\n::next::\nx = 2\n": "jobs/x.lua:5:1: <goto next> at line 2 jumps into the scope of local 'x'",
		"f(\n": "jobs/x.lua:1:3: the file ends where more is expected",
	} {
		got, err := luascript.Format("jobs/x.lua", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v\n%s", text, err, got)
		}
	}
}

// FuzzFormat: whatever the interpreter reads is formatted, and says the same then.
func FuzzFormat(f *testing.F) {
	for _, text := range texts(f) {
		f.Add(text)
	}
	for _, c := range forms {
		f.Add(c[0])
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := luascript.Format("x.lua", []byte(text))
		if err != nil {
			if strings.Contains(err.Error(), "though it may run") {
				t.Errorf("%v\n%s", err, text)
			}
			return
		}
		again, err := luascript.Format("x.lua", got)
		if err != nil || !slices.Equal(again, got) {
			t.Errorf("a second time: %v\n%s", err, cmp.Diff(string(got), string(again)))
		}
	})
}
