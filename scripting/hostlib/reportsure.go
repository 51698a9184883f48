package hostlib

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
)

// What is sure to fail, or to do nothing, when it is reached.

// notFirst are names of the parameters of hooks that are not the first.
var notFirst = []string{"item", "row", "rows", "err", "error", "summary"}

// errNames are names that scripts give to an error.
var errNames = []string{"err", "error", "e"}

// HookParams tells of a hook whose parameters are not what it is called with. names
// are its parameters; at is where the first stands.
func (r *Report) HookParams(h *Hook, names []string, at At) {
	for i, name := range names[:min(len(names), len(h.Params))] {
		is := h.Params[i].Name
		if is == "ctx" {
			is = "ctx, the job"
		}
		if i == 0 && slices.Contains(notFirst, name) || i > 0 && h.meansOther(i, name) {
			r.Add(at, "hook", true, "write "+h.Signature(), fmt.Sprintf("%s of %s(%s) is %s: the hook is called as %s", name, h.Name, strings.Join(names, ", "), is, h.Signature()))
			return
		}
	}
	switch {
	case h.Name == "consume" && len(names) == 1 && names[0] != "ctx" && !strings.HasPrefix(names[0], "_"):
		r.Add(at, "hook", true, "write "+h.Signature(), fmt.Sprintf("consume(%s) gets the job as %s, and no item: the hook is called as %s", names[0], names[0], h.Signature()))
	}
}

// HookTakes tells of a hook that cannot be called with what it is called with, as the
// script is told when it is loaded. at is where its name stands, head how it is defined.
func (r *Report) HookTakes(h *Hook, at At, head string) {
	r.Tell(LoadError{File: r.File, Line: at.Line, Column: at.Column, Message: h.Mismatch(head)}, "hook", false, "")
}

// meansOther says that the name of a hook's i-th parameter is that of another one.
func (h *Hook) meansOther(i int, name string) bool {
	return slices.ContainsFunc(h.Params, func(p HookParam) bool {
		return p.Name != h.Params[i].Name && (p.Name == name || p.Name == "err" && slices.Contains(errNames, name))
	})
}

// words are the values that attributes have, where those are few.
var words = map[string][]string{
	"err.kind":  {string(engine.KindError), string(engine.KindTimeout), string(engine.KindLimit), string(engine.KindLost), string(engine.KindRejects), string(engine.KindPurged)},
	"err.phase": phaseNames(engine.PhaseFail),
	"ctx.phase": phaseNames(0),
}

func phaseNames(but engine.Phase) (list []string) {
	for _, p := range engine.Phases {
		if p != but {
			list = append(list, p.String())
		}
	}
	return list
}

// Word tells of an attribute that is compared with a text that it never is. of is the
// type that has it, at where the text stands.
func (r *Report) Word(at At, of *ObjectType, attr, text string) {
	if of == nil {
		return
	}
	name := of.Name + "." + attr
	if list := words[name]; list != nil && !slices.Contains(list, text) {
		r.Add(at, "compare", true, DocsHint(of.Name), fmt.Sprintf("%s is never %q%s: it is %s", name, text, Suggest(text, list), strings.Join(list, ", ")))
	}
}

// Key tells of a column of the key that ensure does not make.
func (r *Report) Key(f *Func, at At, name string, columns map[string]bool) {
	if !columns[name] {
		there := slices.Sorted(maps.Keys(columns))
		r.Add(at, "column", false, "", fmt.Sprintf("%s: key: there is no column %q%s: the columns are %s", f, name, Suggest(name, there), strings.Join(there, ", ")))
	}
}

// Owned tells of a statement that names the engine's own tables.
func (r *Report) Owned(f *Func, at At, sql string, owned func(sql string) error) {
	if err := owned(sql); err != nil {
		r.Add(at, "sql", false, "see dsengine jobs, stats and failures for what they hold", fmt.Sprintf("%s: %v", f, err))
	}
}

// Statement tells of a statement that the function does not run; why tells which those are.
func (r *Report) Statement(f *Func, at At, sql string, why func(sql string, reads bool) error) {
	if f.Module != "db" && f.Module != connectionType.Name {
		return
	}
	if err := why(sql, f.Name != "exec"); err != nil {
		r.Add(at, "sql", false, "", Within(f, err).Error())
	}
}

// Module tells of a module that is called.
func (r *Report) Module(at At, name string, names []string) {
	r.Add(at, "call", false, DocsHint(name), fmt.Sprintf("%s is a module, not a function: call one of its functions, such as %s.%s(...)", name, name, names[0]))
}

// Lazy says that a function gives an iterator that runs when it is gone through.
func Lazy(f *Func) bool { return f != nil && strings.HasPrefix(f.Returns, "iterator") }

// oneEach are what iterators are of that give one value at a time, whatever they are
// made with.
var oneEach = []string{"dict", "list", "string", "entry", "node", "object"}

// GivesOne says that a function gives an iterator of single values.
func GivesOne(f *Func) bool {
	of, ok := strings.CutPrefix(f.Returns, "iterator of ")
	return ok && slices.Contains(oneEach, of)
}

// NotRun tells of an iterator that is dropped.
func (r *Report) NotRun(at At, f *Func) {
	r.Add(at, "effect", true, "loop over it, give it to what takes rows, or make a list of it by list(...)", fmt.Sprintf("this does nothing: what %s gives is lazy, and nobody goes through it", f))
}

// NoLength tells of an iterator whose length is asked for, or an element by its number.
func (r *Report) NoLength(at At, f *Func, asked string) {
	r.Add(at, "iterator", false, "make a list of it by list(...), if it is short", fmt.Sprintf("%s of what %s gives is not known: it is an iterator, which is read as one goes through it", asked, f))
}

// Twice tells of a second loop over an iterator.
func (r *Report) Twice(at At, f *Func, name string, line int) {
	r.Add(at, "iterator", f.Module == "iter", "do all in one loop, call "+f.String()+" again, or make a list of it by list(...) if it is short",
		fmt.Sprintf("%s was gone through in line %d already: what %s gives can be gone through once", name, line, f))
}

var (
	counts  = regexp.MustCompile(`(?is)^\s*select\s+count\s*\([^()]*\)\s*(?:(?:as\s+)?[\w"` + "`" + `]+\s+)?from\b`)
	regroup = regexp.MustCompile(`(?i)\b(?:group|having|union|except|intersect|limit|offset)\b`)
)

// Counts says that a function gives what a statement counts: a whole number, whatever
// is there.
func Counts(f *Func, sql string) bool {
	return f.Name == "value" && (f.Module == "db" || f.Module == connectionType.Name) && counts.MatchString(sql) && !regroup.MatchString(sql)
}

// Raised tells of an error that is given no message; kind is of what type that is which
// it is given, "" if that is not known, how how the language gives the rest.
func (r *Report) Raised(f *Func, at At, kind, how string) {
	if f == GlobalNamed("error") && kind != "" && kind != "string" && kind != "err" {
		r.Add(at, "call", false, "write error(\"...\", "+how+")", fmt.Sprintf("error: message: got %s, wanted string or an error object", kind))
	}
}

// Conversions is how many values a format takes; false if it takes them by name. wrong
// is the first conversion that there is not, such as %05d.
func Conversions(format string) (n int, wrong string, ok bool) {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		if i++; i < len(format) && format[i] == '(' {
			return 0, "", false
		}
		if i == len(format) || format[i] != '%' {
			n++
		}
		if i < len(format) && !strings.ContainsRune("%srdioxXeEfFgGc", rune(format[i])) && wrong == "" {
			end := i + len(format[i:]) - len(strings.TrimLeft(format[i:], "#0123456789.*+- "))
			_, size := utf8.DecodeRuneInString(format[end:])
			wrong = format[i-1 : end+size]
		}
	}
	return n, wrong, true
}

// NoWidths says how to write what a conversion such as %05d would.
const NoWidths = "there are no widths and no digits: (\"0000\" + str(n))[-5:] fills up, math.round(x, 2) rounds"

// Formatted tells of a format that is not given as many values as it takes, or that has
// a conversion that there is not; given is -1 if it is not known how many there are.
func (r *Report) Formatted(at At, format string, given int) {
	n, wrong, ok := Conversions(format)
	switch {
	case ok && wrong != "":
		hint := "write %% for a % itself"
		if len(wrong) > 2 {
			hint = NoWidths + "; " + hint
		}
		r.Add(at, "format", false, hint, fmt.Sprintf("the format %q has %s, which Starlark does not know: it has %%s, %%r, %%d, %%x, %%o, %%f, %%e, %%g and %%c", format, wrong))
	case ok && given >= 0 && n != given:
		r.Add(at, "format", false, "give one value for each %, and write %% for a % itself", fmt.Sprintf("the format %q takes %s and is given %d", format, valueCount(n), given))
	}
}

func valueCount(n int) string {
	if n == 1 {
		return "1 value"
	}
	return fmt.Sprintf("%d values", n)
}

// writesTo is the line of needs for what writes to another database, and the error if
// it is not among them.
func (n *Needs) writesTo(name string) (line string, err error) {
	return "db:" + name + ":write", n.db(name, "", true)
}

// LookWrite asks whether job() says that what a method of a connection writes may be
// written; name is the connection's, "" if that is not known.
func (w *Wanting) LookWrite(n *Needs, f *Func, name string, at At) {
	if n == nil || f.Module != connectionType.Name || f.Effect != Write || name == "" || n.byInstance("db") {
		return
	}
	if line, err := n.writesTo(name); err != nil {
		*w = append(*w, wanting{at, line, err})
	}
}

// fuller are the needs, those to read a database left out where it is written, too.
func fuller(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return strings.HasPrefix(line, "db:") && slices.Contains(lines, line+":write")
	})
}
