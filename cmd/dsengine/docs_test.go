package main

import (
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

func TestThereAreDocsOfEverything(t *testing.T) {
	t.Parallel()
	names := hostlib.Documented()
	if len(names) < 100 {
		t.Fatalf("only %d names", len(names))
	}
	for _, name := range names {
		pages := docsOf(name)
		if len(pages) == 0 {
			t.Errorf("%s: none", name)
		}
		for _, p := range pages {
			if p.Doc == "" || p.Kind == "" || p.Signature != "" && (p.Example == "" || p.Effect == "") {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
	for _, name := range []string{"nothing", "db.nothing", "ctx.nothing", "job.nothing", "db.", ".", "db.upsert.key"} {
		if pages := docsOf(name); len(pages) > 0 {
			t.Errorf("%q: %+v", name, pages[0])
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
