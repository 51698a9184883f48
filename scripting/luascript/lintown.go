package luascript

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// takes is what functions of Lua's own take, by name; see Doc.Takes.
var takes = func() map[string][]string {
	all := map[string][]string{}
	for _, d := range Functions {
		for _, name := range strings.Split(d.Name, "), ") {
			if name, _, ok := strings.Cut(name, "("); ok && d.Takes != "" {
				all[name] = strings.Fields(d.Takes)
			}
		}
	}
	return all
}()

// wantedWords are how messages call what functions take, where it is called otherwise.
var wantedWords = map[string]string{"any": "a value", "text": "string", "pattern": "string", "format": "string", "place": "number", "listed": "list or iterator", "meta": "table or nil"}

// luaFunction is the function of Lua's own that a call is of, with all its arguments; ""
// if it is none, or that is not known.
func (c *linter) luaFunction(e *luasyntax.Call) (string, []luasyntax.Expr) {
	if e.Method != nil {
		if c.kindOf(e.Fn) == "string" {
			return "string." + e.Method.Value, append([]luasyntax.Expr{e.Fn}, e.Args...)
		}
		return "", nil
	}
	return c.luaName(e.Fn), e.Args
}

func (c *linter) luaName(e luasyntax.Expr) string {
	switch e := e.(type) {
	case *luasyntax.Name:
		if isGlobal(e) {
			return e.Name
		}
		if b := c.single(e); b != nil && !c.busy[b] && b.Loop == nil {
			c.busy[b] = true
			defer delete(c.busy, b)
			return c.luaName(b.Value)
		}
	case *luasyntax.Index:
		key, ok := e.Key.(*luasyntax.Literal)
		if _, module := c.module(e.X); module != "" && ok {
			return module + "." + key.Value
		}
	}
	return ""
}

// luaCall checks a call of a function of Lua's own.
func (c *linter) luaCall(e *luasyntax.Call) {
	name, args := c.luaFunction(e)
	wanted, ok := takes[name]
	if !ok {
		return
	}
	c.changes(name, args)
	more := len(args) > 0 && c.expands(args[len(args)-1])
	if more {
		args = args[:len(args)-1]
	}
	for i, w := range wanted {
		w, optional := strings.CutSuffix(w, "?")
		switch {
		case w == "...":
			return
		case i < len(args):
			if c.value(args[i]) == lua.LNil && optional {
				continue
			}
			if got := c.notTaken(w, args[i]); got != "" && !(got == "iterator" && (name == "pairs" || name == "ipairs")) { // see passed
				hint := ""
				if got == "iterator" {
					hint = "go through an iterator by for x in it do, or make a list of it by list(...)"
				}
				c.add(args[i].Start(), "call", false, hint, fmt.Sprintf("%s: argument %d: got %s, wanted %s", name, i+1, got, wordsOf(w)))
				return
			}
			c.template(name, w, args, more)
		case !optional && !more:
			c.add(e.Start(), "call", false, "", fmt.Sprintf("%s: argument %d: got nothing, wanted %s", name, i+1, wordsOf(w)))
			return
		}
	}
	if len(args) > len(wanted) {
		c.add(args[len(wanted)].Start(), "call", true, "", fmt.Sprintf("%s: got %d arguments, takes at most %d", name, len(args), len(wanted)))
	}
}

func wordsOf(wanted string) string {
	if words, ok := wantedWords[wanted]; ok {
		return words
	}
	return wanted
}

// notTaken is what an argument is, if that is known and it is not taken.
func (c *linter) notTaken(wanted string, e luasyntax.Expr) string {
	kind := c.kindOf(e)
	if kind == "" || wanted == "any" {
		return ""
	}
	taken := []string{wanted}
	switch wanted {
	case "text", "pattern", "format":
		taken = []string{"string", "number"}
	case "listed":
		taken = []string{"table", "iterator"}
	case "meta":
		taken = []string{"table", "nil"}
	case "number", "place":
		taken = []string{"number"}
		if kind == "string" {
			s, known := c.value(e).(lua.LString)
			if _, number := asFloat(s); !known || number || wanted == "place" && s == "#" {
				return ""
			}
		}
	}
	if slices.Contains(taken, kind) {
		return ""
	}
	return kind
}

// template looks at a pattern, or at what string.format is given.
func (c *linter) template(name, wanted string, args []luasyntax.Expr, more bool) {
	switch wanted {
	case "pattern":
		if p, ok := c.value(args[1]).(lua.LString); ok && !(name == "string.find" && len(args) > 3) {
			if fault := patternFault(string(p)); fault != "" {
				c.add(args[1].Start(), "call", false, "", fmt.Sprintf("%s: the pattern %s: %s", name, quoted(string(p)), fault))
			}
		}
	case "format":
		if spec, ok := c.value(args[0]).(lua.LString); ok {
			c.places(string(spec), args, more)
		}
	}
}

// places looks at the places for values of string.format.
func (c *linter) places(spec string, args []luasyntax.Expr, more bool) {
	next := 1
	for i := strings.IndexByte(spec, '%'); i >= 0 && i < len(spec); {
		if i++; i < len(spec) && spec[i] == '%' {
			i++
		} else {
			for i < len(spec) && strings.IndexByte("-+ #0123456789.", spec[i]) >= 0 {
				i++
			}
			switch {
			case i == len(spec):
				c.add(args[0].Start(), "call", false, "", fmt.Sprintf("string.format: %q ends within a place for a value", spec))
				return
			case strings.IndexByte("diucxXoeEfFgGqs", spec[i]) < 0:
				c.add(args[0].Start(), "call", false, "", fmt.Sprintf("string.format: %%%c is none of %%d %%i %%u %%c %%x %%X %%o %%e %%E %%f %%g %%G %%q %%s %%%%", spec[i]))
				return
			case next >= len(args) && !more:
				c.add(args[0].Start(), "call", false, "", fmt.Sprintf("string.format: %q has more places for values than there are values", spec))
				return
			case next >= len(args):
				return
			case spec[i] != 's':
				wanted := "number"
				if spec[i] == 'q' {
					wanted = "text"
				}
				if got := c.notTaken(wanted, args[next]); got != "" {
					c.add(args[next].Start(), "call", false, "", fmt.Sprintf("string.format: argument %d: got %s, wanted %s", next+1, got, wordsOf(wanted)))
				}
			}
			next++
		}
		j := strings.IndexByte(spec[min(i, len(spec)):], '%')
		if j < 0 {
			return
		}
		i += j
	}
}

// patternFault is what is wrong with a pattern, "" if nothing is.
func patternFault(p string) string {
	var open []int // captures that are not closed
	captures := 0
	set := func(i int) (end int) { // behind the ] of the set that opens at i; -1: there is none
		if i++; i < len(p) && p[i] == '^' {
			i++
		}
		for first := true; first || i >= len(p) || p[i] != ']'; first = false {
			if i >= len(p) {
				return -1
			}
			if p[i] == '%' {
				i++
			}
			i++
		}
		return i + 1
	}
	for i := 0; i < len(p); {
		switch p[i] {
		case '(':
			if captures++; captures > maxCaptures {
				return fmt.Sprintf("it has more than %d captures", maxCaptures)
			}
			if i+1 < len(p) && p[i+1] == ')' {
				i++
			} else {
				open = append(open, captures)
			}
			i++
		case ')':
			if len(open) == 0 {
				return "a ) has no ("
			}
			open = open[:len(open)-1]
			i++
		case '[':
			if i = set(i); i < 0 {
				return "a ] is missing"
			}
		case '%':
			switch {
			case i+1 == len(p):
				return "it ends with %"
			case p[i+1] == 'b' && i+3 >= len(p):
				return "%b needs two characters"
			case p[i+1] == 'b':
				i += 4
			case p[i+1] == 'f' && (i+2 >= len(p) || p[i+2] != '['):
				return "%f is followed by no ["
			case p[i+1] == 'f':
				i += 2
			case p[i+1] >= '0' && p[i+1] <= '9':
				if n := int(p[i+1] - '0'); n == 0 || n > captures || slices.Contains(open, n) {
					return fmt.Sprintf("there is no capture %%%c", p[i+1])
				}
				i += 2
			default:
				i += 2
			}
		default:
			i++
		}
	}
	if len(open) > 0 {
		return "a ) is missing"
	}
	return ""
}

// changes tells of functions that are to change a module.
func (c *linter) changes(name string, args []luasyntax.Expr) {
	if len(args) == 0 || !slices.Contains([]string{"setmetatable", "rawset", "table.insert", "table.remove", "table.sort"}, name) {
		return
	}
	if _, module := c.module(args[0]); module != "" {
		c.add(args[0].Start(), "module", false, "", fmt.Sprintf("the table cannot be changed: module %s does not change", module))
	}
}

// sets tells of elements of modules that are set.
func (c *linter) sets(target luasyntax.Expr) {
	x, ok := target.(*luasyntax.Index)
	if !ok {
		return
	}
	if _, module := c.module(x.X); module != "" {
		key := "it"
		if k, ok := x.Key.(*luasyntax.Literal); ok && k.Kind == luasyntax.String {
			key = fmt.Sprintf("%q", k.Value)
		}
		c.add(x.Start(), "module", false, "write a function of your own", fmt.Sprintf("%s cannot be set: module %s does not change", key, module))
	}
}

// late tells of require in hooks, when nothing is loaded any more but what was.
func (c *linter) late(n *luasyntax.Call) {
	fn, ok := n.Fn.(*luasyntax.Name)
	if !ok || !isGlobal(fn) || fn.Name != "require" || n.Method != nil || fn.In == nil || c.helper() || c.whileLoaded(fn.In) {
		return
	}
	name, ok := c.literal(n)
	if !ok || c.loads && c.atTop(name) {
		return
	}
	c.add(fn.Pos, "require", false, fmt.Sprintf("write local lib = require(%q) at the top of the file", name), fmt.Sprintf("require: %q is not loaded yet: call require at the top level of the script", name))
}

// literal is the text that a call is given, alone.
func (c *linter) literal(e *luasyntax.Call) (string, bool) {
	if len(e.Args) != 1 {
		return "", false
	}
	s, ok := c.value(e.Args[0]).(lua.LString)
	return string(s), ok
}

// atTop says that the top level, or a helper file, may load a file: then hooks may ask
// for it, too.
func (c *linter) atTop(name string) (found bool) {
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		if e, ok := n.(*luasyntax.Call); ok {
			if fn, ok := e.Fn.(*luasyntax.Name); ok && isGlobal(fn) && fn.Name == "require" && (fn.In == nil || c.whileLoaded(fn.In)) {
				loaded, ok := c.literal(e)
				found = found || !ok || strings.TrimSuffix(loaded, Ending) == strings.TrimSuffix(name, Ending) || c.required(e) != nil
			}
		}
		return !found
	})
	return found
}

// plainKinds are those of values with which operators work, or do not, by the language
// alone.
var plainKinds = []string{"nil", "null", "boolean", "number", "string", "table", "function", "iterator"}

// operands tells of operators that do not work with what they are given.
func (c *linter) operands(e *luasyntax.Binary) {
	concat := e.Op == ".."
	if !concat && !slices.Contains([]string{"+", "-", "*", "/", "%", "^"}, e.Op) {
		return
	}
	x, y := c.kindOf(e.X), c.kindOf(e.Y)
	for _, kind := range []string{x, y} {
		if kind != "" && !slices.Contains(plainKinds, kind) || kind == "table" && c.madeCallable() {
			return
		}
	}
	bad := func(e luasyntax.Expr, kind, other string) bool {
		switch kind {
		case "", "number":
			return false
		case "string":
			s, known := c.value(e).(lua.LString)
			_, number := asFloat(s)
			return !concat && known && !number && other != ""
		}
		return !c.madeCallable()
	}
	if !bad(e.X, x, y) && !bad(e.Y, y, x) {
		return
	}
	if x == "" || y == "" { // the other one may be an object, or have metamethods
		x, y = orSome(x), orSome(y)
	}
	hint := ""
	if concat {
		hint = "use tostring(...)"
	}
	c.add(e.OpPos, "type", false, hint, fmt.Sprintf("%s does not work with %s and %s", e.Op, x, y))
}

// ordered tells of < and its like between values that have no order.
func (c *linter) ordered(e *luasyntax.Binary) {
	x, y := c.kindOf(e.X), c.kindOf(e.Y)
	if !slices.Contains([]string{"<", "<=", ">", ">="}, e.Op) || !slices.Contains(plainKinds, x) || !slices.Contains(plainKinds, y) ||
		x == y && (x == "number" || x == "string") || x == "table" && c.madeCallable() || y == "table" && c.madeCallable() {
		return
	}
	hint := ""
	if x == "number" && y == "string" || x == "string" && y == "number" {
		hint = "compare numbers: tonumber(...)"
	}
	c.add(e.OpPos, "type", false, hint, fmt.Sprintf("%s does not work with %s and %s", e.Op, x, y))
}

func orSome(kind string) string {
	if kind == "" {
		return "another value"
	}
	return kind
}

// length tells of # of what has none.
func (c *linter) length(e *luasyntax.Unary) {
	if e.Op != "#" {
		return
	}
	switch kind := c.kindOf(e.X); kind {
	case "iterator":
		c.add(e.Pos, "type", false, "make a list of it by list(...)", "nobody knows how many elements an iterator has")
	case "nil", "null", "boolean", "number", "function":
		c.add(e.Pos, "type", false, "", "# works with strings and tables alone: this is "+kind)
	}
}
