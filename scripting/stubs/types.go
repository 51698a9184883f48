package stubs

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// dialect is how a language of stubs calls the types of the tables.
type dialect struct {
	any, or        string
	names          map[string]string // of the types that have a name of their own in it
	list, iterator func(of string) string
	tuple          func(parts []string) string
	params         map[hostlib.ParamType]string
	choice         func(words []string) string
	settings       map[string]string // of job(), by name, that take several forms
}

var python = &dialect{
	any: "Any", or: " | ",
	names: map[string]string{
		"any value": "Any", "string": "str", "bytes": "bytes", "bool": "bool", "int": "int", "float": "float", "number": "int | float",
		"list": "list[Any]", "dict": "dict[str, Any]", "iterator": "Iterator[Any]", "tuple": "tuple[Any, ...]",
		"value": "Any", "key": "Any", // in tuples
	},
	list:     func(of string) string { return "list[" + of + "]" },
	iterator: func(of string) string { return "Iterator[" + of + "]" },
	tuple:    func(parts []string) string { return "tuple[" + strings.Join(parts, ", ") + "]" },
	params: map[hostlib.ParamType]string{
		hostlib.Any: "Any", hostlib.Truth: "Any", hostlib.Data: "Data", hostlib.Bool: "bool", hostlib.Int: "int", hostlib.Number: "int | float",
		hostlib.String: "str", hostlib.Text: "str | bytes", hostlib.Strings: "Iterable[str]", hostlib.DictOf: "dict[str, Any]",
		hostlib.Duration: "str | Duration", hostlib.Moment: "Time", hostlib.Iterable: "Iterable[Any]", hostlib.Function: "Function",
		hostlib.Source: "Source", hostlib.Size: "int | str",
	},
	choice: func(words []string) string { return "Literal[" + strings.Join(words, ", ") + "]" },
	settings: map[string]string{
		"timeout": "str | Duration | dict[str, Any]", "keep": "str | Duration | dict[str, Any]", "slots": "dict[str, int]",
		"rejects": "int | str", "instances": "dict[str, Any] | str",
	},
}

// param is the type of a parameter.
func (d *dialect) param(p *hostlib.Param) string {
	if len(p.Choices) == 0 {
		return d.params[p.Type]
	}
	var list []string
	for _, c := range p.Choices {
		list = append(list, strconv.Quote(c))
	}
	return d.choice(list)
}

// setting is the type of a setting of job().
func (d *dialect) setting(s hostlib.SettingDoc) string {
	if t := d.settings[s.Name]; t != "" {
		return t
	}
	if s.Name == "retry" {
		return className("retry_policy")
	}
	for kind, typ := range d.params {
		if kind.String() == s.Type {
			return typ
		}
	}
	return ""
}

// typed is a type of the tables, as docs call it; "" if it is not known: "list of
// dict", "(value, err)", "string or int", "string, or bytes if it is no UTF-8".
func (d *dialect) typed(text string) string {
	if t := d.names[text]; t != "" {
		return t
	}
	for _, t := range Types() {
		if t.Name == text {
			return className(t.Name)
		}
	}
	for prefix, generic := range map[string]func(string) string{"list of ": d.list, "iterator of ": d.iterator} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			if of := d.typed(rest); of != "" {
				return generic(of)
			}
			return ""
		}
	}
	if inner, ok := strings.CutPrefix(text, "("); ok && strings.HasSuffix(inner, ")") {
		return d.all(strings.Split(strings.TrimSuffix(inner, ")"), ", "), d.tuple)
	}
	text, _, _ = strings.Cut(text, " if ")
	if parts := strings.Split(strings.ReplaceAll(text, ", or ", " or "), " or "); len(parts) > 1 {
		return d.all(parts, func(parts []string) string {
			return strings.Join(slices.Compact(parts), d.or)
		})
	}
	return ""
}

// all joins types, if all are known.
func (d *dialect) all(parts []string, join func(parts []string) string) string {
	for i, p := range parts {
		if parts[i] = d.typed(p); parts[i] == "" {
			return ""
		}
	}
	return join(parts)
}

func (d *dialect) orAny(t string) string {
	if t == "" {
		return d.any
	}
	return t
}

// className is a type's, or a module's, name as that of a class: remote_file is
// RemoteFile.
func className(name string) string {
	var b strings.Builder
	for _, part := range strings.Split(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// constant is the type of a constant of a module.
func (d *dialect) constant(v hostlib.Value) string {
	switch v.(type) {
	case float64:
		return d.names["float"]
	case int, int64:
		return d.names["int"]
	case string:
		return d.names["string"]
	}
	if t := hostlib.TypeOf(v); t != nil {
		return className(t.Name)
	}
	return d.any
}
