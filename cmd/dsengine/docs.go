package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// docPage is what is told of a name.
type docPage struct {
	Name      string               `json:"name"`
	Kind      string               `json:"kind"` // index, module, function, method, type, attribute, constant, setting, hook, language, topic
	Doc       string               `json:"doc"`
	Signature string               `json:"signature,omitempty"`
	Called    string               `json:"called,omitempty"` // when; of hooks
	Type      string               `json:"type,omitempty"`   // of attributes and settings
	Default   string               `json:"default,omitempty"`
	Params    []docParam           `json:"params,omitempty"`
	Returns   string               `json:"returns,omitempty"`
	Needs     string               `json:"needs,omitempty"`
	Effect    string               `json:"effect,omitempty"`
	Example   string               `json:"example,omitempty"`
	Lua       string               `json:"lua,omitempty"`
	Settings  []hostlib.SettingDoc `json:"settings,omitempty"`
	Groups    []docGroup           `json:"groups,omitempty"`

	of *hostlib.Func // that it is about; nil: it is about none
}

// docParam is a parameter of a function.
type docParam struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Default string `json:"default"` // "" if it must be given
	Named   bool   `json:"named"`   // by name only
	Doc     string `json:"doc"`
}

// docGroup is a part of a page: names with a line each, or what is told of a topic.
type docGroup struct {
	Title    string       `json:"title"`
	Doc      string       `json:"doc,omitempty"`
	Names    []docLine    `json:"names,omitempty"`
	Settings []settingDoc `json:"settings,omitempty"`
	Config   string       `json:"config,omitempty"` // an example of dsengine.toml
	Example  string       `json:"example,omitempty"`
	Lua      string       `json:"lua,omitempty"`
	Commands []string     `json:"commands,omitempty"`
}

type docLine struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`

	of *hostlib.Func // that it is about; nil: it is about none
}

func newDocs(env *Env, g *globals) *cobra.Command {
	var lua bool
	var stubs string
	c := &cobra.Command{
		Use:   "docs [NAME]",
		Short: "Show what scripts can call, and their hooks and settings",
		Long: `Show what scripts can call. NAME is a hook (consume), a module (db), a function (db.upsert), an
object (ctx) or something of it (ctx.emit), job for the settings of a job type, or one of them (job.every).
What tests can do is t, t.run, t.http.on and so on. What is different in Lua, and what Lua has of its
own, is lua. Topics are connections, needs, rejects, secrets, and settings, which are those of dsengine.toml.

--stubs writes all of it as a file for editors that know Python's stubs, so that they complete
names, show arguments and docs. Begin a hook with a comment such as # type: (Ctx, Any) -> Any to
tell them what its parameters are. With --lua it is a file for LuaLS, the language server for Lua,
and a folder gets its settings too (.luarc.json), unless it has some; ---@param ctx Ctx before a
hook tells what ctx is.`,
		Example: `  dsengine docs
  dsengine docs consume
  dsengine docs db
  dsengine docs db.upsert --lua
  dsengine docs job
  dsengine docs t.run
  dsengine docs lua
  dsengine docs settings
  dsengine docs --stubs .          writes __builtins__.pyi, which Pyright and Pylance find by its name
  dsengine docs --stubs . --lua    writes _dsengine.lua and .luarc.json, for LuaLS`,
		Annotations: map[string]string{plainCommand: "yes"},
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return arguments("NAME")(c, args)
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return documented(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := g.validate(); err != nil {
				return err
			}
			name := ""
			if len(args) > 0 {
				name = strings.TrimSuffix(strings.TrimSpace(args[0]), "()")
			}
			if stubs != "" {
				if name != "" {
					return usage("--stubs writes all that there is: give no name with it")
				}
				return writeStubs(env, g, stubs, lua)
			}
			return runDocs(env, g, name, lua)
		},
	}
	c.Flags().BoolVar(&lua, "lua", false, "show how it is called in Lua, and the example; with --stubs: write the file for Lua")
	c.Flags().StringVar(&stubs, "stubs", "", "write a file for editors: `PATH` is a file, a folder, or - for standard output")
	return c
}

func runDocs(env *Env, g *globals, name string, lua bool) error {
	pages := docsOf(name)
	if len(pages) == 0 {
		if of, rest, ok := strings.Cut(name, "."); ok && hostlib.IsLater(of, rest) || hostlib.IsLater("", of) {
			return usage("%s is not there yet in this version of dsengine", name)
		}
		return usage("there is no documentation of %q%s", name, suggestDocs(name)).WithHint("see what there is: dsengine docs")
	}
	for _, page := range pages {
		if lua {
			page.inLua()
		}
	}
	if g.json() {
		return printJSON(env.Stdout, pages)
	}
	p := &printer{w: env.Stdout}
	for i, page := range pages {
		if i > 0 {
			p.line("")
		}
		page.print(p, lua)
	}
	return p.err
}

// docWords are words that are no names, by which people look for something all the same.
var docWords = map[string]string{
	"setting": "settings", "config": "settings", "configuration": "settings", "toml": "settings", "dsengine.toml": "settings", "environment": "settings", "jobs": "job", "options": "job", "test": "t", "tests": "t", "testing": "t",
	"context": "ctx", "database": "db", "sql": "db", "need": "needs", "permissions": "needs", "secret": "secrets", "password": "secrets", "passwords": "secrets", "buckets": "connections", "mail": "connections", "schedule": "job.every",
}

// suggestDocs is what was probably meant by a name that has no page.
func suggestDocs(name string) string {
	if word := docWords[strings.ToLower(name)]; word != "" {
		return fmt.Sprintf(" (did you mean %q?)", word)
	}
	all := documented()
	for _, inModule := range []bool{true, false} { // job.needs, of which only the end was given; those of modules first
		for _, full := range all {
			if of, end, ok := strings.Cut(full, "."); ok && end == name && (!inModule || hostlib.ModuleNamed(of) != nil) {
				return fmt.Sprintf(" (did you mean %q?)", full)
			}
		}
	}
	return hostlib.Suggest(name, all)
}

// docsOf are the pages about a name: a module and an object may share one.
func docsOf(name string) (pages []*docPage) {
	switch name {
	case "":
		return []*docPage{docIndex()}
	case "lua":
		return []*docPage{docLua()}
	}
	if page := topicNamed(name); page != nil {
		pages = append(pages, page)
	}
	of, rest, part := strings.Cut(name, ".")
	if m := hostlib.ModuleNamed(of); m != nil {
		if !part {
			pages = append(pages, docModule(m))
		} else if f := m.Func(rest); f != nil {
			pages = append(pages, docFunc(f, "function"))
		}
		for _, c := range m.Consts {
			if part && c.Name == rest {
				pages = append(pages, &docPage{Name: name, Kind: "constant", Doc: c.Doc})
			}
		}
	}
	if t := objectNamed(of); t != nil {
		if !part {
			pages = append(pages, docType(t))
		} else {
			pages = append(pages, docMember(t, name, rest)...)
		}
	}
	if f := hostlib.GlobalNamed(name); f != nil {
		page := docFunc(f, "function")
		if name == "job" {
			page.Settings = hostlib.Settings()
		}
		pages = append(pages, page)
	}
	if h := hostlib.HookNamed(name); h != nil {
		pages = append(pages, docHook(h))
	}
	for _, s := range hostlib.Settings() {
		if of == "job" && s.Name == rest {
			pages = append(pages, &docPage{Name: name, Kind: "setting", Doc: s.Doc, Type: s.Type, Default: s.Default})
		}
	}
	return pages
}

// objectNamed is the type of objects of a name, those of tests too, or nil.
func objectNamed(name string) *hostlib.ObjectType {
	if t := hostlib.TypeNamed(name); t != nil {
		return t
	}
	if i := slices.IndexFunc(scripttest.Types(), func(t *hostlib.ObjectType) bool { return t.Name == name }); i >= 0 {
		return scripttest.Types()[i]
	}
	return nil
}

// docMember is about something that an object has, or something that this has, or what
// it gives: for t also http.on, and sftp.file.
func docMember(t *hostlib.ObjectType, name, member string) (pages []*docPage) {
	member, rest, deeper := strings.Cut(member, ".")
	f, a := t.Method(member), t.Attr(member)
	var object *hostlib.ObjectType
	switch {
	case f != nil:
		object = objectNamed(f.Returns)
	case a != nil:
		object = objectNamed(a.Type)
	}
	switch {
	case deeper && object != nil:
		return docMember(object, name, rest)
	case deeper || f == nil && a == nil:
		return nil
	case f != nil:
		return []*docPage{docFunc(f, "method")}
	}
	pages = append(pages, &docPage{Name: name, Kind: "attribute", Doc: a.Doc, Type: a.Type})
	if object != nil {
		pages = append(pages, docType(object))
	}
	return pages
}

// documented are all names that docs know, sorted.
func documented() []string {
	names := hostlib.Documented()
	for _, t := range scripttest.Types() {
		names = append(names, t.Name)
		for _, n := range t.Names() {
			names = append(names, t.Name+"."+n)
		}
	}
	has := map[string]string{} // what t has, and what that is
	for _, a := range objectNamed("t").Attrs {
		has[a.Name] = a.Type
	}
	for _, f := range objectNamed("t").Methods {
		has[f.Name] = f.Returns
	}
	for name, typ := range has {
		if object := objectNamed(typ); object != nil {
			for _, n := range object.Names() {
				names = append(names, "t."+name+"."+n)
			}
		}
	}
	names = append(names, "lua")
	for _, t := range topics {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func docIndex() *docPage {
	page := &docPage{Name: "", Kind: "index", Doc: "What scripts can call. See one by: dsengine docs NAME"}
	hooks := docGroup{Title: "hooks, which scripts define"}
	for _, h := range hostlib.Hooks {
		hooks.add(h.Signature(), h.Doc)
	}
	modules, globals, types := docGroup{Title: "modules"}, docGroup{Title: "functions"}, docGroup{Title: "objects"}
	for _, m := range hostlib.Modules {
		modules.add(m.Name, m.Doc)
	}
	for _, f := range hostlib.Globals {
		globals.add(f.Name, f.Doc)
	}
	for _, t := range hostlib.Types {
		types.add(t.Name, t.Doc)
	}
	tests := docGroup{Title: "in tests"}
	for _, t := range scripttest.Types() {
		tests.add(t.Name, t.Doc)
	}
	languages := docGroup{Title: "languages"}
	languages.add("lua", "What is different in scripts in Lua, and what Lua has of its own.")
	about := docGroup{Title: "topics"}
	for _, t := range topics {
		about.add(t.name, t.page().Doc)
	}
	page.Groups = []docGroup{hooks, modules, globals, types, tests, languages, about}
	return page
}

func (g *docGroup) add(name, doc string) {
	g.Names = append(g.Names, docLine{Name: name, Doc: hostlib.FirstSentence(doc)})
}

func (g *docGroup) addFunc(f *hostlib.Func) {
	g.Names = append(g.Names, docLine{f.Signature(), hostlib.FirstSentence(f.Doc), f})
}

func docModule(m *hostlib.Module) *docPage {
	page := &docPage{Name: m.Name, Kind: "module", Doc: m.Doc}
	var funcs, consts docGroup
	for _, f := range m.Funcs {
		funcs.addFunc(f)
	}
	for _, c := range m.Consts {
		consts.add(m.Name+"."+c.Name, c.Doc)
	}
	page.groups("functions", funcs, "constants", consts)
	return page
}

func docType(t *hostlib.ObjectType) *docPage {
	page := &docPage{Name: t.Name, Kind: "type", Doc: t.Doc, Example: t.Example, Lua: t.Lua}
	var attrs, methods docGroup
	for _, a := range t.Attrs {
		attrs.Names = append(attrs.Names, docLine{Name: t.Name + "." + a.Name, Doc: a.Type + ". " + a.Doc})
	}
	for _, f := range t.Methods {
		methods.addFunc(f)
	}
	page.groups("attributes", attrs, "methods", methods)
	return page
}

// groups adds two groups, unless they are empty.
func (p *docPage) groups(title1 string, one docGroup, title2 string, two docGroup) {
	one.Title, two.Title = title1, title2
	for _, g := range []docGroup{one, two} {
		if len(g.Names) > 0 {
			p.Groups = append(p.Groups, g)
		}
	}
}

func docFunc(f *hostlib.Func, kind string) *docPage {
	page := &docPage{
		Name: f.String(), Kind: kind, Doc: f.Doc, Signature: f.Signature(), Returns: f.Returns, Needs: f.Needs,
		Effect: effectOf(f), Example: f.Example, Lua: f.Lua, of: f,
	}
	for i := range f.Params {
		p := &f.Params[i]
		if p.NotYet {
			continue
		}
		d := docParam{Name: p.Name, Type: p.TypeText(), Default: p.DefaultText(), Named: p.Named, Doc: p.Doc}
		switch {
		case p.Rest:
			d.Name = "*" + p.Name
		case p.Others:
			d.Name = "**" + p.Name
		}
		page.Params = append(page.Params, d)
	}
	return page
}

// docHook is the page of a hook.
func docHook(h *hostlib.Hook) *docPage {
	page := &docPage{Name: h.Name, Kind: "hook", Doc: h.Doc, Signature: h.Signature(), Called: h.When, Returns: h.Returns, Example: h.Example, Lua: h.Lua}
	for _, p := range h.Params {
		page.Params = append(page.Params, docParam{Name: p.Name, Type: p.Type, Doc: p.Doc})
	}
	return page
}

// effectOf is what a function changes, in words.
func effectOf(f *hostlib.Func) string {
	if strings.HasPrefix(f.String(), "t.") {
		return "on the test's own world; it is there in tests only"
	}
	if f.Changes != "" {
		return f.Changes
	}
	return f.Effect.Words()
}

// docWidth is how wide texts are.
const docWidth = 100

func (d *docPage) print(p *printer, lua bool) {
	switch {
	case d.Signature != "":
		p.line("%s", d.Signature)
	case d.Name != "":
		p.line("%s (%s)", d.Name, d.Kind)
	}
	if d.Name != "" {
		p.line("")
	}
	p.line("%s", wrapped(d.Doc, docWidth))
	none := "None"
	if lua {
		none = hostlib.InLua(none)
	}
	if d.Type != "" {
		p.line("")
		p.field("type", "%s", d.Type)
		if d.Kind == "setting" {
			p.field("default", "%s", cmp.Or(d.Default, none))
		}
	}
	if len(d.Params) > 0 {
		var rows [][]string
		for _, a := range d.Params {
			def := a.Default
			if def == "" && !strings.HasPrefix(a.Name, "*") && d.Kind != "hook" {
				def = "(required)"
			}
			named := ""
			if a.Named {
				named = "by name"
			}
			rows = append(rows, []string{"", a.Name, wrapped(a.Type, 32), def, named, wrapped(a.Doc, 60)})
		}
		p.line("")
		p.table([]string{" ", "argument", "type", "default", "given", "what it is"}, rows)
	}
	switch {
	case d.Kind == "hook":
		p.line("")
		p.field("called", "%s", hanging(d.Called))
		p.field("returns", "%s", hanging(d.Returns))
	case d.Signature != "":
		p.line("")
		p.field("returns", "%s", cmp.Or(d.Returns, none))
		if d.Needs != "" {
			where := "job(needs = [...])"
			if lua {
				where = "job({needs = {...}})"
			}
			p.field("needs", "%s: in %s, as %q", d.Needs, where, hostlib.NeedExample(d.Needs))
		} else {
			p.field("needs", "nothing")
		}
		p.field("effect", "%s", d.Effect)
	}
	if len(d.Settings) > 0 {
		var rows [][]string
		for _, s := range d.Settings {
			rows = append(rows, []string{"", s.Name, wrapped(s.Type, 32), s.Default, wrapped(s.Doc, 60)})
		}
		p.line("\nsettings")
		p.table([]string{" ", "setting", "type", "default", "what it is"}, rows)
	}
	if d.Kind == "topic" {
		printExample(p, lua, d.Example, d.Lua)
	}
	for _, g := range d.Groups {
		p.line("\n%s", g.Title)
		g.print(p, lua)
	}
	if d.Kind != "topic" {
		printExample(p, lua, d.Example, d.Lua)
	}
}

func (g *docGroup) print(p *printer, lua bool) {
	if g.Doc != "" {
		p.line("%s", indented(wrapped(g.Doc, docWidth-2)))
	}
	for _, n := range g.Names {
		if len(n.Name) > 16 {
			p.line("  %s\n      %s", n.Name, strings.ReplaceAll(wrapped(n.Doc, docWidth-6), "\n", "\n      "))
		} else {
			p.line("  %-16s  %s", n.Name, strings.ReplaceAll(wrapped(n.Doc, docWidth-20), "\n", "\n"+strings.Repeat(" ", 20)))
		}
	}
	var rows [][]string
	for _, s := range g.Settings {
		doc := s.Doc
		if s.Env != "" {
			doc += "; or by " + s.Env
		}
		rows = append(rows, []string{"", s.Name, wrapped(s.Type, 20), wrapped(s.Default, 20), wrapped(doc, 60)})
	}
	if len(rows) > 0 {
		p.line("")
		p.table([]string{" ", "setting", "type", "default", "what it is"}, rows)
	}
	if g.Config != "" {
		p.line("\nin dsengine.toml\n%s", indented(g.Config))
	}
	printExample(p, lua, g.Example, g.Lua)
	if len(g.Commands) > 0 {
		p.line("\n%s", indented(strings.Join(g.Commands, "\n")))
	}
}

func printExample(p *printer, lua bool, starlark, inLua string) {
	switch {
	case lua && inLua != "":
		p.line("\nexample in Lua\n%s", indented(inLua))
	case starlark != "":
		p.line("\nexample\n%s", indented(starlark))
	}
}

// hanging is a text beside the name of a field.
func hanging(s string) string {
	return strings.ReplaceAll(wrapped(s, docWidth-15), "\n", "\n"+strings.Repeat(" ", 15))
}

// wrapped is a text on lines of at most so many characters.
func wrapped(s string, width int) string {
	lines := strings.Split(text.WrapSoft(s, width), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
