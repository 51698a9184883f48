package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

func TestThereAreDocsOfEverything(t *testing.T) {
	t.Parallel()
	names := documented()
	if len(names) < 100 {
		t.Fatalf("only %d names", len(names))
	}
	for _, name := range names {
		pages := docsOf(name)
		if len(pages) == 0 {
			t.Errorf("%s: none", name)
		}
		for _, p := range pages {
			if p.Doc == "" || p.Kind == "" || p.Signature != "" && (p.Example == "" || p.Lua == "" || p.Effect == "" && p.Called == "") {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
	for _, name := range []string{"nothing", "db.nothing", "ctx.nothing", "job.nothing", "db.", ".", "db.upsert.key", "t.nothing", "t.http.nothing", "t.name.x", "t.eq.x", "t."} {
		if pages := docsOf(name); len(pages) > 0 {
			t.Errorf("%q: %+v", name, pages[0])
		}
	}
}

func TestThePageOfAFunctionTellsAllAboutIt(t *testing.T) {
	t.Parallel()
	funcs := 0
	for _, name := range documented() {
		for _, d := range docsOf(name) {
			if d.Signature == "" {
				continue
			}
			funcs++
			var b bytes.Buffer
			p := &printer{w: &b}
			d.print(p, false)
			page := b.String()
			want := []string{d.Signature + "\n", "\n  returns      ", "\n  needs        ", "\n  effect       ", "\nexample\n" + indented(d.Example) + "\n"}
			if d.Kind == "hook" {
				want = []string{d.Signature + "\n", "\n  called       ", "\n  returns      ", "\nexample\n" + indented(d.Example) + "\n"}
			}
			for _, a := range d.Params {
				def := a.Default
				if def == "" && !strings.HasPrefix(a.Name, "*") && d.Kind != "hook" {
					def = "(required)"
				}
				line := `(?m)^ *` + regexp.QuoteMeta(a.Name) + ` +` + regexp.QuoteMeta(strings.Fields(a.Type)[0]) + `.* +` + regexp.QuoteMeta(def)
				if a.Type == "" || a.Doc == "" || !regexp.MustCompile(line).MatchString(page) {
					t.Errorf("%s: its page does not tell all about %q (%s):\n%s", name, a.Name, line, page)
				}
			}
			for _, w := range want {
				if !strings.Contains(page, w) {
					t.Errorf("%s: its page does not have %q:\n%s", name, w, page)
				}
			}
			b.Reset()
			d.inLua()
			d.print(p, true)
			if page = b.String(); !strings.Contains(page, "\nexample in Lua\n"+indented(d.Lua)+"\n") || hostlib.WordsInLua(page) != page {
				t.Errorf("%s: its page in Lua has no example, or words of Starlark:\n%s", name, page)
			}
			if p.err != nil {
				t.Error(p.err)
			}
		}
	}
	if funcs < 100 {
		t.Errorf("only %d functions", funcs)
	}
}

func TestEveryHookHasItsPage(t *testing.T) {
	t.Parallel()
	names := []string{"redrive"}
	for _, p := range engine.Phases {
		names = append(names, p.String())
	}
	for _, name := range names {
		pages := docsOf(name)
		if len(pages) != 1 || pages[0].Kind != "hook" || len(pages[0].Params) == 0 || pages[0].Called == "" || pages[0].Returns == "" {
			t.Errorf("%s: %+v", name, pages)
		}
	}
}

func TestEverySettingHasItsDefaultInTheDocs(t *testing.T) {
	t.Parallel()
	for _, s := range hostlib.Settings() {
		none := map[string]bool{"every": true, "cron": true, "instances": true}
		if s.Doc == "" || s.Type == "" || (s.Default == "") != none[s.Name] {
			t.Errorf("%+v", s)
		}
	}
}
