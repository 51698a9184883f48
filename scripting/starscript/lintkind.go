package starscript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What kind of value an expression gives, and what follows from that: which
// attributes it has, and to what it can be equal.

// kinds are the values of the language itself that have attributes.
var kinds = map[string][]string{
	"string": starlark.String("").AttrNames(), "bytes": starlark.Bytes("").AttrNames(), "list": starlark.NewList(nil).AttrNames(),
	"dict": (&starlark.Dict{}).AttrNames(), "set": starlark.NewSet(0).AttrNames(),
	"tuple": nil, "int": nil, "float": nil, "bool": nil, "NoneType": nil, "range": nil,
}

// makes are what functions of the language itself give.
var makes = map[string]string{
	"str": "string", "repr": "string", "type": "string", "chr": "string", "len": "int", "ord": "int", "hash": "int", "float": "float", "bool": "bool",
	"any": "bool", "all": "bool", "list": "list", "sorted": "list", "reversed": "list", "dir": "list", "zip": "list", "enumerate": "list",
	"dict": "dict", "set": "set", "tuple": "tuple", "bytes": "bytes",
}

// texts are methods that strings alone have, and that give one.
var texts = []string{"strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "removeprefix", "removesuffix"}

// instead are names by which other languages know what is written otherwise here:
// %s stands for the value.
var instead = map[string]string{
	"trim": "%s.strip()", "trimStart": "%s.lstrip()", "trimLeft": "%s.lstrip()", "ltrim": "%s.lstrip()", "trim_start": "%s.lstrip()",
	"trimEnd": "%s.rstrip()", "trimRight": "%s.rstrip()", "rtrim": "%s.rstrip()", "trim_end": "%s.rstrip()",
	"toUpperCase": "%s.upper()", "to_upper": "%s.upper()", "toUpper": "%s.upper()", "upcase": "%s.upper()",
	"toLowerCase": "%s.lower()", "to_lower": "%s.lower()", "toLower": "%s.lower()", "downcase": "%s.lower()", "casefold": "%s.lower()",
	"startsWith": "%s.startswith(\"...\")", "starts_with": "%s.startswith(\"...\")", "endsWith": "%s.endswith(\"...\")", "ends_with": "%s.endswith(\"...\")",
	"includes": "x in %s", "contains": "x in %s", "include": "x in %s", "has_key": "x in %s", "has": "x in %s", "hasOwnProperty": "x in %s",
	"indexOf": "%s.find(\"...\")", "index_of": "%s.find(\"...\")", "lastIndexOf": "%s.rfind(\"...\")",
	"substring": "%s[start:stop]", "substr": "%s[start:stop]", "slice": "%s[start:stop]", "sub": "%s[start:stop]", "charAt": "%s[i]",
	"length": "len(%s)", "size": "len(%s)", "len": "len(%s)", "count": "len(%s)",
	"push": "%s.append(x)", "push_back": "%s.append(x)", "add": "%s.append(x)", "concat": "%s + x", "unshift": "%s.insert(0, x)", "shift": "%s.pop(0)",
	"replaceAll": "%s.replace(\"...\", \"...\")", "replace_all": "%s.replace(\"...\", \"...\")", "gsub": "%s.replace(\"...\", \"...\"), or re.replace",
	"isnumeric": "%s.isdigit()", "isdecimal": "%s.isdigit()", "isNumeric": "%s.isdigit()", "encode": "bytes(%s)", "decode": "str(%s)",
	"toString": "str(%s)", "to_s": "str(%s)", "to_string": "str(%s)", "to_i": "int(%s)", "toInt": "int(%s)", "to_f": "float(%s)",
	"sort": "sorted(%s)", "reverse": "reversed(%s)", "copy": "list(%s), or dict(%s)", "iteritems": "%s.items()", "itervalues": "%s.values()", "iterkeys": "%s.keys()",
	"forEach": "for x in %s:", "each": "for x in %s:", "map": "[f(x) for x in %s]", "filter": "[x for x in %s if f(x)]",
	"zfill": "\"0\" * (n - len(%s)) + %s", "padStart": "\"0\" * (n - len(%s)) + %s", "rjust": "\" \" * (n - len(%s)) + %s", "ljust": "%s + \" \" * (n - len(%s))", "padEnd": "%s + \" \" * (n - len(%s))",
	"strftime": "%s.format(\"%%Y-%%m-%%d\")", "isoformat": "str(%s)", "total_seconds": "%s.seconds",
}

// kindOf is the type of what an expression gives, "" if that is not known.
func (c *linter) kindOf(e syntax.Expr) string { return c.kinds.Of(e, c.findKind) }

func (c *linter) findKind(e syntax.Expr) string {
	switch v := c.value(e).(type) {
	case starlark.Value:
		return v.Type()
	case hostlib.Beginning:
		return "string"
	}
	if t := c.typeOf(e); t != nil {
		return t.Name
	}
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return c.kindOf(e.X)
	case *syntax.ListExpr:
		return "list"
	case *syntax.TupleExpr:
		return "tuple"
	case *syntax.DictExpr:
		return "dict"
	case *syntax.Comprehension:
		if !e.Curly {
			return "list"
		}
	case *syntax.Ident:
		n := c.nameOf(e)
		if n == nil || n.busy {
			return ""
		}
		n.busy = true
		defer func() { n.busy = false }()
		switch {
		case n.def != nil && len(n.writes) == 1:
			return "function"
		case n.value != nil && len(n.writes) == 1:
			return c.kindOf(n.value)
		case len(n.ins) == len(n.writes):
			return common(n.ins, c.elemKind)
		}
	case *syntax.LambdaExpr:
		return "function"
	case *syntax.DotExpr:
		if c.callee(e) != nil {
			return "function"
		}
		if t := c.typeOf(e.X); t != nil {
			if a := t.Attr(e.Name.Name); a != nil && slices.Contains(basic, a.Type) {
				return a.Type
			}
		}
	case *syntax.CallExpr:
		return c.made(e)
	case *syntax.BinaryExpr:
		kind, _ := c.result(e)
		return kind
	case *syntax.UnaryExpr:
		if e.Op == syntax.NOT {
			return "bool"
		}
	}
	return ""
}

// basic are kinds that the tables name just so.
var basic = []string{"int", "string", "float", "bool", "dict"}

// made is the type of what a call gives.
func (c *linter) made(e *syntax.CallExpr) string {
	if f := c.callee(e.Fn); f != nil {
		if slices.Contains(basic, f.Returns) {
			return f.Returns
		}
		if strings.HasPrefix(f.Returns, "list of ") {
			return "list"
		}
		if sql, ok := c.value(argument(f, e, "sql")).(starlark.String); ok && hostlib.Counts(f, string(sql)) {
			return "int"
		}
		return ""
	}
	switch fn := e.Fn.(type) {
	case *syntax.Ident:
		if scopeOf(fn) == resolve.Universal {
			return makes[fn.Name]
		}
	case *syntax.DotExpr:
		if slices.Contains(texts, fn.Name.Name) {
			return "string"
		}
	}
	return ""
}

// attribute tells of a name that a value of the language itself, or no value at
// all, has.
func (c *linter) attribute(d *syntax.DotExpr) {
	name, kind := d.Name.Name, c.kindOf(d.X)
	names, own := kinds[kind]
	switch {
	case kind == "" && c.ofItem(d):
		return
	case own && slices.Contains(names, name), !own && (kind != "" || c.anybody(name)):
		return
	case !own && c.undefined(d.X): // told already
		return
	case !own:
		hint, text := c.insteadOf(d), fmt.Sprintf("no value has %q", name)
		if f := c.lazy(d.X); f != nil {
			text, hint = fmt.Sprintf("what %s gives is an iterator, which has no %q", f, name), "go through it by a loop"
			if f.Name == "query" {
				hint += fmt.Sprintf(", or take one row by %s.one(...), one value by %[1]s.value(...)", strings.TrimSuffix(f.String(), ".query"))
			}
		}
		if hint == "" {
			hint = fmt.Sprintf("of a dict: %s[%q]", c.short(d.X), name)
			for _, n := range c.everybody() {
				if len(n) > 3 && levenshtein.ComputeDistance(n, name) == 1 {
					text += fmt.Sprintf(" (did you mean %q?)", n)
					break
				}
			}
		}
		c.add(d.Name.NamePos, "name", false, hint, text)
		return
	}
	hint := c.insteadOf(d)
	if hint == "" && kind == "dict" {
		hint = fmt.Sprintf("write %s[%q]", c.short(d.X), name)
	}
	text := fmt.Sprintf("a value of type %s has no %q", kind, name)
	if hint == "" {
		text += hostlib.Suggest(name, names)
	}
	c.add(d.Name.NamePos, "name", false, hint, text)
}

// undefined says that an expression begins with a name that nothing sets.
func (c *linter) undefined(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.DotExpr:
		return c.undefined(e.X)
	case *syntax.CallExpr:
		return c.undefined(e.Fn)
	case *syntax.Ident:
		return scopeOf(e) == resolve.Undefined
	}
	return false
}

// insteadOf says what to write for a name of another language, "" if it is none.
func (c *linter) insteadOf(d *syntax.DotExpr) string {
	text, ok := instead[d.Name.Name]
	if !ok {
		return ""
	}
	text = strings.ReplaceAll(text, "%%", "\x00")
	return "write " + strings.ReplaceAll(strings.ReplaceAll(text, "%s", c.short(d.X)), "\x00", "%")
}

// anybody says that a value of some type has an attribute.
func (c *linter) anybody(name string) bool {
	if c.attrs == nil {
		c.attrs = map[string]bool{}
		for _, n := range c.everybody() {
			c.attrs[n] = true
		}
	}
	return c.attrs[name]
}

// everybody are the attributes that any value has.
func (c *linter) everybody() (names []string) {
	for _, kind := range kinds {
		names = append(names, kind...)
	}
	for _, t := range append(slices.Clone(hostlib.Types), c.tests...) {
		names = append(names, t.Names()...)
	}
	for _, m := range hostlib.Modules {
		names = append(names, m.Names()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// equal tells of values that are never equal, because they are of different types.
func (c *linter) equal(e *syntax.BinaryExpr) {
	if e.Op != syntax.EQL && e.Op != syntax.NEQ {
		return
	}
	x, y := c.kindOf(e.X), c.kindOf(e.Y)
	number := func(kind string) bool { return kind == "int" || kind == "float" }
	if x == "" || y == "" || x == y || number(x) && number(y) || x == "NoneType" || y == "NoneType" {
		return
	}
	hint := ""
	switch other := map[bool]syntax.Expr{true: e.Y, false: e.X}[x == "decimal"]; {
	case x == "decimal" || y == "decimal":
		text := c.written(other)
		if number(x) || number(y) || x == "string" || y == "string" {
			hint = fmt.Sprintf("compare with decimal.of(%s)", text)
		}
	case x == "time" || y == "time":
		hint = "compare with a time: see time.parse"
	case number(x) && y == "string":
		hint = fmt.Sprintf("compare numbers: int(%s), or float(%s)", c.written(e.Y), c.written(e.Y))
	case number(y) && x == "string":
		hint = fmt.Sprintf("compare numbers: int(%s), or float(%s)", c.written(e.X), c.written(e.X))
	}
	always := "false"
	if e.Op == syntax.NEQ {
		always = "true"
	}
	c.add(e.OpPos, "compare", true, hint, fmt.Sprintf("this is always %s: %s and %s are never equal", always, x, y))
}

// short is an expression as it is in the source, if it is not long.
func (c *linter) short(e syntax.Expr) string {
	if text := c.written(e); len(text) <= 40 && !strings.Contains(text, "\n") {
		return text
	}
	return "x"
}

// written is an expression as it is in the source.
func (c *linter) written(e syntax.Expr) string {
	start, end := e.Span()
	switch e.(type) {
	case *syntax.IndexExpr, *syntax.SliceExpr: // whose span ends before the bracket
		end.Col++
	}
	return cut(strings.TrimPrefix(string(c.file.source), byteOrderMark), start, end)
}
