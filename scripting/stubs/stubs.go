// Package stubs writes what scripts and tests can call as a file that editors
// read: a stub as Python has them, which Starlark is close enough to, and one for
// Lua. They are made from the table of package hostlib and that of package scripttest.
//
//	stubs.go  the file, its classes and functions
//	lua.go    the same for Lua, as LuaLS reads it
//	types.go  how the tables' types are called in both
package stubs

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// FileName is what Pyright and Pylance look for in the folder that is open: names
// in it are there in every file.
const FileName = "__builtins__.pyi"

const header = `# What scripts of dsengine can call. Made by: dsengine docs --stubs PATH
#
# An editor that takes .star files for Python completes all of it. The parameters
# of hooks and tests have no types in Starlark; a comment gives them one:
#
#     def consume(ctx, item):
#         # type: (Ctx, Any) -> Any
#
#     def test_import(t):
#         # type: (T) -> None
#
# What a file gets by load() is no name that they know. Pyright is quiet about it in files with
# the line: # pyright: reportUndefinedVariable=false

import builtins
from typing import Any as Any, Callable, Iterable, Iterator, Literal, NoReturn

Function = Callable[..., Any]
Data = Any
Source = Any

def load(module: str, *names: str, **renamed: str) -> None:
    """Loads names of a helper file; in tests, of a job script too. A path begins in the jobs folder."""
    ...

def fail(*args: Any, sep: str = " ") -> NoReturn:
    """Stops with a message. A script whose hook is called fail uses error(message) instead."""
    ...

`

// Write writes the file.
func Write(w io.Writer) error {
	s := &stub{}
	s.text.WriteString(header)
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

// Types are the types of objects that scripts and tests meet.
func Types() []*hostlib.ObjectType {
	return slices.Concat(hostlib.Types, scripttest.Types())
}

type stub struct {
	text strings.Builder
	own  []string // names of the class that is written
}

// typed is a type as it is called in the class that is written, where one of the
// class's own names may hide it.
func (s *stub) typed(t string) string {
	return word.ReplaceAllStringFunc(t, func(w string) string {
		if slices.Contains(s.own, w) {
			return "builtins." + w
		}
		return w
	})
}

var word = regexp.MustCompile(`"[^"]*"|\w+`)

func (s *stub) line(indent, format string, args ...any) {
	s.text.WriteString(strings.TrimRight(indent+fmt.Sprintf(format, args...), " ") + "\n")
}

// doc writes a text below a class or a function.
func (s *stub) doc(indent string, lines ...string) {
	text := strings.NewReplacer(`\`, `\\`, `"""`, `\"\"\"`).Replace(strings.Join(lines, "\n"))
	if strings.HasSuffix(text, `"`) {
		text += " "
	}
	if !strings.Contains(text, "\n") {
		s.line(indent, `"""%s"""`, text)
		return
	}
	for i, l := range strings.Split(text, "\n") {
		if i == 0 {
			l = `"""` + l
		}
		s.line(indent, "%s", l)
	}
	s.line(indent, `"""`)
}

// module writes a module: a class, and the one value of it.
func (s *stub) module(m *hostlib.Module) {
	class := className(m.Name) + "Module"
	s.own = m.Names()
	defer func() { s.own = nil }()
	s.line("", "class %s:", class)
	s.doc(indent1, m.Doc)
	for _, c := range m.Consts {
		s.line(indent1, "%s: %s", c.Name, s.typed(python.constant(c.Value)))
		s.doc(indent1, c.Doc)
	}
	s.line("", "")
	for _, f := range m.Funcs {
		s.function(indent1, f)
	}
	s.line("", "%s: %s\n", m.Name, class)
}

const indent1 = "    "

// class writes a type of objects.
func (s *stub) class(t *hostlib.ObjectType) {
	s.own = t.Names()
	defer func() { s.own = nil }()
	s.line("", "class %s:", className(t.Name))
	s.doc(indent1, t.Doc)
	for _, a := range t.Attrs {
		s.line(indent1, "%s: %s", a.Name, s.typed(python.orAny(python.typed(a.Type))))
		s.doc(indent1, a.Doc)
	}
	s.line("", "")
	if t.Record {
		s.line(indent1, "def __getitem__(self, name: str) -> Any: ...")
	}
	if t.Compare != nil {
		for _, op := range []string{"lt", "le", "gt", "ge"} {
			s.line(indent1, "def __%s__(self, other: Any) -> bool: ...", op)
		}
	}
	if t.Binary != nil {
		for _, op := range []string{"add", "sub", "mul", "truediv", "floordiv", "mod", "radd", "rsub", "rmul", "rtruediv"} {
			s.line(indent1, "def __%s__(self, other: Any) -> Any: ...", op)
		}
	}
	if t.Record || t.Compare != nil || t.Binary != nil {
		s.line("", "")
	}
	for _, f := range t.Methods {
		s.function(indent1, f)
	}
}

// function writes a function; within a class, where it is indented, a method.
func (s *stub) function(indent string, f *hostlib.Func) {
	var params []string
	if indent != "" {
		params = append(params, "self")
	}
	star := false
	for i := range f.Params {
		p := &f.Params[i]
		switch {
		case p.NotYet:
			continue
		case p.Rest:
			params, star = append(params, fmt.Sprintf("*%s: %s", p.Name, python.param(p))), true
			continue
		case p.Others && f.Name == "job" && f.Module == "":
			for _, one := range hostlib.Settings() {
				params = append(params, setting(one))
			}
			continue
		case p.Others:
			params = append(params, fmt.Sprintf("**%s: %s", p.Name, s.typed(python.param(p))))
			continue
		case p.Named && !star:
			params, star = append(params, "*"), true
		}
		text := fmt.Sprintf("%s: %s", p.Name, s.typed(python.param(p)))
		switch {
		case p.Default == hostlib.None:
			text += " | None = None"
		case p.Default != nil:
			text += " = " + p.DefaultText()
		}
		params = append(params, text)
	}
	result := "None"
	if f.Returns != "" {
		result = s.typed(python.orAny(python.typed(f.Returns)))
	}
	s.line(indent, "def %s(%s) -> %s:", f.Name, strings.Join(params, ", "), result)
	s.doc(indent+indent1, s.about(f)...)
	s.line(indent+indent1, "...\n")
}

// about is what is told of a function.
func (s *stub) about(f *hostlib.Func) []string {
	lines := []string{f.Doc}
	for i := range f.Params {
		p := &f.Params[i]
		if p.NotYet {
			continue
		}
		if len(lines) == 1 {
			lines = append(lines, "", "Args:")
		}
		lines = append(lines, fmt.Sprintf("    %s: %s", p.Name, p.Doc))
	}
	if f.Name == "job" && f.Module == "" {
		for _, one := range hostlib.Settings() {
			lines = append(lines, fmt.Sprintf("    %s: %s", one.Name, one.Doc))
		}
	}
	if f.Returns != "" {
		lines = append(lines, "", "Returns:", "    "+f.Returns)
	}
	if f.Needs != "" {
		lines = append(lines, "", fmt.Sprintf("Needs %s: in job(needs = [...]), as %q.", f.Needs, hostlib.NeedExample(f.Needs)))
	}
	return append(lines, "", "Example:", "    "+strings.ReplaceAll(f.Example, "\n", "\n    "))
}

// setting is a setting of job() as a parameter.
func setting(d hostlib.SettingDoc) string {
	typ := python.orAny(python.setting(d))
	if d.Default == "" {
		return fmt.Sprintf("%s: %s | None = None", d.Name, typ)
	}
	return fmt.Sprintf("%s: %s = %s", d.Name, typ, d.Default)
}
