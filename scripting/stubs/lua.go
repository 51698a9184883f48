package stubs

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// LuaFileName is how the file for Lua is called. As its name begins with _, it is no
// job script, wherever it is.
const LuaFileName = "_dsengine.lua"

// LuaSettingsName and LuaSettings are what editors need to know besides, of a folder
// that has the jobs folder of that name in it.
const LuaSettingsName = ".luarc.json"

// LuaSettings is the text of that file.
func LuaSettings(jobs string) string {
	return fmt.Sprintf(`{
  "runtime.version": "Lua 5.1",
  "runtime.path": [%q],
  "runtime.builtin": {"debug": "disable", "io": "disable", "os": "disable", "package": "disable"},
  "workspace.checkThirdParty": false,
  "diagnostics.disable": ["lowercase-global"]
}
`, strings.TrimSuffix(jobs, "/")+"/?.lua")
}

const luaHeader = `---@meta

-- What scripts of dsengine can call. Made by: dsengine docs --stubs PATH --lua
--
-- LuaLS, the language server that editors have for Lua, completes all of it. The
-- parameters of hooks and tests get their types by comments:
--
--     ---@param ctx Ctx
--     ---@param item Data
--     function consume(ctx, item)
--
--     ---@param t T
--     function test_import(t)
--
-- Where it says None, Lua has nil, and null within rows and lists; True and False are
-- true and false.

---@alias Data any none, a boolean, a number, a string, a time, a list or a dict
---@alias Source any a path, or whatever can be read as a stream
---@alias Function fun(...: any): any
---@alias Iterator fun(): any

---@class Null

---NULL of databases, and null of JSON.
---@type Null
null = nil

---Says whether a value is null, or nil.
---@param value any
---@return boolean
function is_null(value) end

---Makes a list of what an iterator gives.
---@param it Iterator
---@return any[]
function list(it) end

---Says which of two numbers is smaller, exactly, of any size: -1, 0 or 1.
---@param a number
---@param b number
---@return integer
function math.compare(a, b) end

`

// lua names the types of the tables as LuaLS does.
var lua = &dialect{
	any: "any", or: "|",
	names: map[string]string{
		"any value": "any", "string": "string", "bytes": "string", "bool": "boolean", "int": "integer", "float": "number", "number": "number",
		"list": "any[]", "dict": "table<string, any>", "iterator": "Iterator", "tuple": "any[]", "value": "any", "key": "any",
	},
	list:     func(of string) string { return "(" + of + ")[]" },
	iterator: func(of string) string { return "fun(): " + of },
	tuple:    func(parts []string) string { return strings.Join(parts, ", ") },
	params: map[hostlib.ParamType]string{
		hostlib.Any: "any", hostlib.Truth: "any", hostlib.Data: "Data", hostlib.Bool: "boolean", hostlib.Int: "integer", hostlib.Number: "number",
		hostlib.String: "string", hostlib.Text: "string", hostlib.Strings: "string[]", hostlib.DictOf: "table<string, any>",
		hostlib.Duration: "string|Duration", hostlib.Moment: "Time", hostlib.Iterable: "any[]|Iterator", hostlib.Function: "Function",
		hostlib.Source: "Source", hostlib.Size: "integer|string",
	},
	choice: func(words []string) string { return strings.Join(words, "|") },
	settings: map[string]string{
		"timeout": "string|Duration|table<string, any>", "keep": "string|Duration|table<string, any>", "slots": "table<string, integer>",
		"rejects": "integer|string", "instances": "table<string, any>|string",
	},
}

// WriteLua writes the file for Lua.
func WriteLua(w io.Writer) error {
	s := &luaStub{}
	s.text.WriteString(luaHeader)
	s.line("---@class job.settings")
	for _, one := range hostlib.Settings() {
		s.field(one.Name, true, lua.orAny(lua.setting(one)), one.Doc, one.Default)
	}
	s.line("")
	for _, f := range hostlib.Globals {
		s.function("", f)
	}
	for _, t := range Types() {
		s.class(t)
	}
	for _, m := range hostlib.Modules {
		s.module(m)
	}
	_, err := io.WriteString(w, strings.TrimRight(s.text.String(), "\n")+"\n")
	return err
}

type luaStub struct{ text strings.Builder }

func (s *luaStub) line(format string, args ...any) {
	s.text.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// doc writes a text as comments.
func (s *luaStub) doc(text string) {
	for _, l := range strings.Split(text, "\n") {
		s.line("---%s", l)
	}
}

// field writes a field of a class, whose doc is one line.
func (s *luaStub) field(name string, optional bool, typ, doc, def string) {
	mark := ""
	if optional {
		mark = "?"
	}
	s.line("---@field %s%s %s %s%s", name, mark, typ, oneLine(doc), byDefault(def))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func byDefault(def string) string {
	if def = hostlib.InLua(def); def == "" || def == "nil" {
		return ""
	}
	return " (default: " + def + ")"
}

// module writes a module: a table, and its class.
func (s *luaStub) module(m *hostlib.Module) {
	s.doc(m.Doc)
	class := className(m.Name) + "Module"
	if m.Name == "math" { // Lua has one of that name: this adds to it
		class = "mathlib"
	}
	s.line("---@class %s", class)
	for _, c := range m.Consts {
		s.field(c.Name, false, lua.constant(c.Value), c.Doc, "")
	}
	s.line("%s = {}\n", m.Name)
	for _, f := range m.Funcs {
		s.function(m.Name+".", f)
	}
	if m.Name == "json" {
		for _, kind := range []string{"array", "object"} {
			s.doc(fmt.Sprintf("Makes a table, a new one if none is given, that is an %s of JSON also while it is empty.", kind))
			s.line("---@param t? table\n---@return table\nfunction json.%s(t) end\n", kind)
		}
	}
}

// class writes a type of objects.
func (s *luaStub) class(t *hostlib.ObjectType) {
	name := className(t.Name)
	s.doc(t.Doc)
	s.line("---@class %s", name)
	for _, a := range t.Attrs {
		s.field(a.Name, false, lua.orAny(lua.typed(a.Type)), a.Doc, "")
	}
	if t.Record {
		s.line("---@field [string] any")
	}
	if t.Binary != nil {
		for _, op := range []string{"add", "sub", "mul", "div", "mod"} {
			s.line("---@operator %s(any): any", op)
		}
	}
	s.line("local %s = {}\n", name)
	for _, f := range t.Methods {
		s.function(name+".", f)
	}
}

// function writes a function; what it takes by name is a table, of a class of its own.
func (s *luaStub) function(of string, f *hostlib.Func) {
	var names []string
	var lines []string
	var named []*hostlib.Param
	rest, must := false, false
	isJob := f.Name == "job" && f.Module == ""
	add := func(p *hostlib.Param) {
		mark := ""
		if p.Default != nil {
			mark = "?"
		}
		names = append(names, p.Name)
		lines = append(lines, strings.TrimRight(fmt.Sprintf("---@param %s%s %s %s%s", p.Name, mark, lua.param(p), oneLine(p.Doc), byDefault(p.DefaultText())), " "))
	}
	for i := range f.Params {
		p := &f.Params[i]
		switch {
		case p.NotYet, p.Others && (isJob || rest):
		case p.Rest && isJob:
			names, rest = append(names, "..."), true
			lines = append(lines, "---@param ... job.settings settings; later ones win")
		case p.Rest:
			names, rest = append(names, "..."), true
			lines = append(lines, fmt.Sprintf("---@param ... %s %s", lua.param(p), oneLine(p.Doc)))
		case p.Named, p.Others:
			named = append(named, p)
			must = must || p.Default == nil && !p.Others
		default:
			add(p)
		}
	}
	class := strings.TrimPrefix(of+f.Name+".options", ".")
	var byName []*hostlib.Param // what can be left out, too; none if a table is the first of it
	for i := range f.Params {
		p := &f.Params[i]
		if rest || p.NotYet || p.Named || p.Others || p.Default == nil {
			continue
		}
		if len(byName) == 0 && p.TakesDict() {
			break
		}
		byName = append(byName, p)
	}
	overload := ""
	if len(byName) > 0 {
		overload = s.overload(f, class)
	}
	if len(named)+len(byName) > 0 && !rest {
		s.line("---@class %s", class)
		for _, p := range append(byName, named...) {
			if p.Others {
				s.line("---@field [string] %s %s", lua.param(p), oneLine(p.Doc))
				continue
			}
			s.field(p.Name, p.Default != nil, lua.param(p), p.Doc, p.DefaultText())
		}
		s.line("")
	}
	if len(named) > 0 && !rest {
		name := "options"
		for slices.Contains(names, name) {
			name = "_" + name
		}
		names = append(names, name)
		mark := "?"
		if must {
			mark = ""
		}
		lines = append(lines, fmt.Sprintf("---@param %s%s %s", name, mark, class))
	}
	s.doc(f.Doc)
	if f.Needs != "" {
		s.doc(fmt.Sprintf("\nNeeds %s: in job({needs = {...}}), as %q.", f.Needs, hostlib.NeedExample(f.Needs)))
	}
	if len(named) > 0 && rest {
		s.doc("\nBy name, in a table after the other arguments:")
		for _, p := range named {
			s.doc(fmt.Sprintf("- %s: %s. %s%s", p.Name, lua.param(p), oneLine(p.Doc), byDefault(p.DefaultText())))
		}
	}
	s.doc("\n```lua\n" + f.Lua + "\n```")
	if overload != "" {
		s.line("%s", overload)
	}
	for _, l := range lines {
		s.line("%s", l)
	}
	if f.Returns != "" {
		s.line("---@return %s # %s", lua.orAny(lua.typed(f.Returns)), f.Returns)
	}
	s.line("function %s%s(%s) end\n", of, f.Name, strings.Join(names, ", "))
}

// overload is how a function is called whose arguments that can be left out are all in
// the table.
func (s *luaStub) overload(f *hostlib.Func, class string) string {
	var params []string
	for i := range f.Params {
		if p := &f.Params[i]; !p.NotYet && !p.Named && !p.Others && p.Default == nil {
			params = append(params, p.Name+": "+lua.param(p))
		}
	}
	text := "---@overload fun(" + strings.Join(append(params, "options: "+class), ", ") + ")"
	if f.Returns != "" {
		text += ": " + lua.orAny(lua.typed(f.Returns))
	}
	return text
}
