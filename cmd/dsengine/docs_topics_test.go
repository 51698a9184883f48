package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// What the code reads of dsengine.toml and the environment is what docs settings tell.
func TestTheDocsOfSettingsTellWhatIsRead(t *testing.T) {
	t.Parallel()
	same := func(what string, told, read []string) {
		t.Helper()
		slices.Sort(told)
		slices.Sort(read)
		if !slices.Equal(told, read) {
			t.Errorf("%s: docs settings tell\n%q\nand what is read are\n%q", what, told, read)
		}
	}
	told := map[string][]string{}
	var variables []string
	for _, g := range topicNamed("settings").Groups {
		for _, s := range g.Settings {
			told[g.Title] = append(told[g.Title], s.Name)
			if s.Doc == "" || s.Type == "" || s.Example == "" || !strings.Contains(g.Config, s.Example) {
				t.Errorf("%s: %+v", g.Title, s)
			}
			if s.Env != "" {
				variables = append(variables, s.Env)
			}
		}
	}

	flagsBut := func(add func(*pflag.FlagSet), but ...string) (names []string) {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		add(flags)
		flags.VisitAll(func(f *pflag.Flag) {
			if !slices.Contains(but, f.Name) {
				names = append(names, f.Name)
			}
		})
		return names
	}
	same("the top", told["the top"], flagsBut((&globals{}).flags, "config"))
	same("[run]", told["[run]"], flagsBut(new(runOptions).flags, "until-idle", "once", "payload", "instance"))
	for title, table := range map[string]any{"[needs]": needsTable{}, "[mail]": mailTable{}, "[connections.NAME]": connectionTable{}, "[s3.NAME]": s3Table{}} {
		var fields []string
		for f := range reflect.TypeOf(table).Fields() {
			fields = append(fields, f.Tag.Get("toml"))
		}
		same(title, told[title], fields)
	}
	tables := append(slices.Clone(tableNames), "the top")
	for title := range told {
		if !slices.Contains(tables, firstOf(strings.Trim(title, "[]"))) {
			t.Errorf("there is no table %s", title)
		}
	}

	asked := map[string]bool{}
	env := &Env{Lookup: func(name string) (string, bool) { asked[name] = true; return "", false }, Secrets: engine.NewSecrets()}
	g := &globals{tables: tables0("NAME")}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	g.flags(flags)
	new(runOptions).flags(flags)
	if err := fill(env, flags, slices.Concat(globalSettings, runSettings), nil, g); err != nil {
		t.Error(err)
	}
	mailOf(env, g)
	_, _ = s3Source(env, g)("NAME")
	_, _ = (&connections{env: env, g: g}).url("NAME")
	_, _ = g.tables.secretSource(env)("NAME")
	same("the environment", variables, slices.Collect(maps.Keys(asked)))
}

// tables0 are tables with one of each that has a name.
func tables0(name string) tables {
	return tables{S3: map[string]s3Table{name: {}}, Connections: map[string]connectionTable{name: {}}, Secrets: map[string]secretRef{name: {Value: "abcd"}}}
}

func TestEveryKindOfNeedsIsInTheDocs(t *testing.T) {
	t.Parallel()
	for _, k := range hostlib.NeedKinds {
		if _, err := hostlib.ParseNeeds([]string{k.Example}); err != nil || k.Doc == "" {
			t.Errorf("%s: %v", k.Name, err)
		}
		for _, form := range k.Forms {
			line := strings.NewReplacer("PORT", "8080", "CONNECTION", "crm", "HOST", "example.com", "GLOB", "a/*", "ADDRESS", "a@example.com", "NAME", "a", "BUCKET", "b").Replace(form)
			if _, err := hostlib.ParseNeeds([]string{line}); err != nil {
				t.Errorf("%s: %v", form, err)
			}
		}
	}
}

// The examples of topics can be read: settings as settings, scripts without mistakes, and
// commands as those that there are.
func TestTheExamplesOfTopics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configs, scripts, commands := 0, 0, 0
	for _, topic := range topics {
		page := topicNamed(topic.name)
		all := append([]docGroup{{Title: "itself", Example: page.Example, Lua: page.Lua}}, page.Groups...)
		for i, g := range all {
			if g.Config != "" {
				configs++
				write("dsengine.toml", g.Config+"\n")
				file := filepath.Join(dir, "dsengine.toml")
				if _, err := readConfig(&Env{Lookup: func(string) (string, bool) { return "", false }}, &globals{Config: file}); err != nil {
					t.Errorf("%s, %s: %v", topic.name, g.Title, err)
				}
			}
			if (g.Example == "") != (g.Lua == "") {
				t.Errorf("%s, %s: one of two languages", topic.name, g.Title)
			}
			if g.Example != "" {
				scripts++
				write("jobs/"+topic.name+string(rune('a'+i))+".star", g.Example+"\n")
				write("jobs/lua_"+topic.name+string(rune('a'+i))+".lua", g.Lua+"\n")
			}
			for _, line := range g.Commands {
				commands++
				root := newRoot(&Env{})
				c, rest, err := root.Find(strings.Fields(line)[1:])
				if err == nil {
					err = c.ParseFlags(rest)
				}
				if err != nil || !c.Runnable() || c.Args(c, c.Flags().Args()) != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		}
	}
	if configs < 10 || scripts < 6 || commands < 4 {
		t.Errorf("only %d settings, %d scripts, %d commands", configs, scripts, commands)
	}
	for _, args := range [][]string{{"fmt", "--check"}, {"check"}} {
		if code, out, told := does(dir, args...); code != exitDone {
			t.Errorf("dsengine %s ends with %d:\n%s%s", strings.Join(args, " "), code, out, told)
		}
	}
}

// The commands of docs rejects do what it says, with its script in both languages.
func TestTheExampleOfRejects(t *testing.T) {
	t.Parallel()
	page := topicNamed("rejects")
	for ending, script := range map[string]string{".star": page.Groups[0].Example, ".lua": page.Groups[0].Lua} {
		dir := t.TempDir()
		rows := "id,amount\n1,\n"
		for i := range 30 {
			rows += string(rune('a'+i%26)) + strings.Repeat("x", i/26) + ",2.5\n"
		}
		for name, text := range map[string]string{"jobs/orders" + ending: script, "incoming/a.csv": rows} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		run := func(want string, args ...string) {
			t.Helper()
			args = append(args, "--db", "sqlite:"+filepath.Join(dir, "x.db"), "--files", dir)
			if code, out, told := does(dir, args...); code != exitDone || !strings.Contains(out+told, want) {
				t.Errorf("dsengine %s ends with %d:\n%s%s", strings.Join(args, " "), code, out, told)
			}
		}
		run("orders          1       0    31        30         1", "run", "--once", "orders", "--payload", `{"path": "incoming/a.csv"}`)
		for i, want := range []string{"no amount", "", "1 reject is redriven by 1 job", "none that is open fits", "1 row was rejected"} {
			args := strings.Fields(page.Groups[1].Commands[i])[1:]
			if j := slices.Index(args, "--to"); j >= 0 {
				args[j+1] = filepath.Join(dir, args[j+1])
			}
			run(want, args...)
		}
	}
}
