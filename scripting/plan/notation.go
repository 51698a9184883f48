package plan

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// notation writes what a test says in a language.
type notation interface {
	literal(v any) string // of a column's value, a bool, a text
	longText(s string) string
	list(items []string) string
	table(items []string) string // a list with an item to a line
	dict(names, values []string) string
	call(fn string, args []string, named []argument) string
	comment(text string) string
	// head begins a file of tests, beginning tells where a test of a name begins in
	// one, test is a test, and format has it stand as dsengine fmt does.
	head(typ string) string
	beginning(name string) string
	test(name, doc string, lines []string) string
	format(file string, source []byte) ([]byte, error)
}

// argument is one by name.
type argument struct{ name, value string }

// notations are the languages, by what the names of their files end in.
var notations = map[string]notation{".star": starlark{}, ".lua": lua{}}

// starlark is the notation of Starlark.
type starlark struct{}

func (starlark) literal(v any) string        { return literal(v) }
func (starlark) longText(s string) string    { return longText(s) }
func (starlark) list(items []string) string  { return "[" + strings.Join(items, ", ") + "]" }
func (starlark) table(items []string) string { return tableOf("[", items, "]", "    ") }

func (starlark) dict(names, values []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = text(n) + ": " + values[i]
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (starlark) call(fn string, args []string, named []argument) string {
	for _, a := range named {
		args = append(args, a.name+" = "+a.value)
	}
	return fn + "(" + strings.Join(args, ", ") + ")"
}

func (starlark) comment(text string) string { return "# " + text }

func (starlark) head(typ string) string {
	return fmt.Sprintf("\"\"\"Tests of %s.star: run them by dsengine test %s.\"\"\"", filepath.Base(typ), typ)
}

func (starlark) beginning(name string) string { return "def " + name + "(" }

func (starlark) test(name, doc string, lines []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "def %s(t):\n    %s\n", name, text(doc))
	for _, l := range lines {
		b.WriteString("    " + l + "\n")
	}
	return b.String()
}

func (starlark) format(file string, source []byte) ([]byte, error) {
	return starscript.Format(file, source)
}

// tableOf writes items, one to a line.
func tableOf(open string, items []string, end, indent string) string {
	var b strings.Builder
	b.WriteString(open + "\n")
	for _, item := range items {
		b.WriteString(indent + "    " + item + ",\n")
	}
	return b.String() + indent + end
}

// jsonIn writes a JSON value, with each text and number as hide gives it back.
func jsonIn(n notation, raw []byte, hide func(any) (any, error)) (string, error) {
	if raw == nil {
		return n.literal(nil), nil
	}
	v, err := hostlib.DecodeJSON(raw)
	if err != nil {
		return "", err
	}
	return ofJSON(n, v, hide)
}

func ofJSON(n notation, v hostlib.Value, hide func(any) (any, error)) (string, error) {
	switch v := v.(type) {
	case []hostlib.Value:
		parts := make([]string, len(v))
		for i := range v {
			var err error
			if parts[i], err = ofJSON(n, v[i], hide); err != nil {
				return "", err
			}
		}
		return n.list(parts), nil
	case *hostlib.Dict:
		var names, values []string
		for i, k := range v.Names {
			value, err := ofJSON(n, v.Values[i], hide)
			if err != nil {
				return "", err
			}
			name, err := hide(k)
			if err != nil {
				return "", err
			}
			names, values = append(names, name.(string)), append(values, value)
		}
		return n.dict(names, values), nil
	}
	hidden, err := hide(v)
	if err != nil {
		return "", err
	}
	return n.literal(hidden), nil
}
