package stubs

import (
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// paramTypes are the types of parameters.
var paramTypes = map[hostlib.ParamType]string{
	hostlib.Any: "Any", hostlib.Data: "Data", hostlib.Bool: "bool", hostlib.Int: "int", hostlib.Number: "int | float",
	hostlib.String: "str", hostlib.Text: "str | bytes", hostlib.Strings: "Iterable[str]", hostlib.DictOf: "dict[str, Any]",
	hostlib.Duration: "str | Duration", hostlib.Moment: "Time", hostlib.Iterable: "Iterable[Any]", hostlib.Function: "Function",
	hostlib.Source: "Source", hostlib.Size: "int | str",
}

func paramType(p *hostlib.Param) string {
	if len(p.Choices) == 0 {
		return paramTypes[p.Type]
	}
	var list []string
	for _, c := range p.Choices {
		list = append(list, `"`+c+`"`)
	}
	return "Literal[" + strings.Join(list, ", ") + "]"
}

// settingType is the type of a setting of job().
func settingType(d hostlib.SettingDoc) string {
	switch d.Name {
	case "timeout", "keep":
		return "str | Duration | dict[str, Any]"
	case "retry":
		return className("retry_policy")
	case "slots":
		return "dict[str, int]"
	case "rejects":
		return "int | str"
	case "instances":
		return "dict[str, Any] | str"
	}
	for kind, typ := range paramTypes {
		if kind.String() == d.Type {
			return typ
		}
	}
	return ""
}

// names are the types that have a name of their own in Python.
var names = map[string]string{
	"any value": "Any", "string": "str", "bytes": "bytes", "bool": "bool", "int": "int", "float": "float", "number": "int | float",
	"list": "list[Any]", "dict": "dict[str, Any]", "iterator": "Iterator[Any]", "tuple": "tuple[Any, ...]",
	"value": "Any", "key": "Any", // in tuples
}

// python is a type of the tables, as docs call it, as a type of Python; "" if
// it is not known: "list of dict", "(value, err)", "string or int",
// "string, or bytes if it is no UTF-8".
func python(text string) string {
	if t := names[text]; t != "" {
		return t
	}
	for _, t := range Types() {
		if t.Name == text {
			return className(t.Name)
		}
	}
	for prefix, generic := range map[string]string{"list of ": "list", "iterator of ": "Iterator"} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			if of := python(rest); of != "" {
				return generic + "[" + of + "]"
			}
			return ""
		}
	}
	if inner, ok := strings.CutPrefix(text, "("); ok && strings.HasSuffix(inner, ")") {
		return all(strings.Split(strings.TrimSuffix(inner, ")"), ", "), "tuple[", ", ", "]")
	}
	text, _, _ = strings.Cut(text, " if ")
	if parts := strings.Split(strings.ReplaceAll(text, ", or ", " or "), " or "); len(parts) > 1 {
		return all(parts, "", " | ", "")
	}
	return ""
}

// all joins types, if all are known.
func all(parts []string, before, between, after string) string {
	for i, p := range parts {
		if parts[i] = python(p); parts[i] == "" {
			return ""
		}
	}
	return before + strings.Join(parts, between) + after
}

func orAny(t string) string {
	if t == "" {
		return "Any"
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

// constType is the type of a constant of a module.
func constType(v hostlib.Value) string {
	switch v.(type) {
	case float64:
		return "float"
	case int, int64:
		return "int"
	case string:
		return "str"
	}
	if t := hostlib.TypeOf(v); t != nil {
		return className(t.Name)
	}
	return "Any"
}
