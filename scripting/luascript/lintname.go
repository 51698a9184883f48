package luascript

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// undefined tells of names that nothing sets.
func (c *linter) undefined() {
	var names []string
	for n := range own[""] {
		if n != concatName {
			names = append(names, n)
		}
	}
	for m := range own {
		names = append(names, m)
	}
	for name, b := range c.tree.Globals {
		if len(b.Writes) > 0 {
			names = append(names, name)
		}
	}
	for name, b := range c.tree.Globals {
		if len(b.Writes) > 0 || universe.RawGetString(name) != lua.LNil {
			continue
		}
		for i, use := range b.Uses {
			if name == "arg" && use.In != nil && use.In.Rest {
				continue
			}
			if what := missing[name]; what != "" {
				c.add(use.Pos, "name", false, what, fmt.Sprintf("there is no %s in job scripts", name))
				continue
			}
			if i > 0 && b.Uses[i-1].In == use.In { // told
				continue
			}
			switch b := c.elsewhere(use); {
			case b == nil:
				c.add(use.Pos, "name", false, "", hostlib.Undefined(name, append(names, c.localsAt(use)...)).Error())
			case b.Kind == luasyntax.LoopName:
				c.add(use.Pos, "unset", false, "set a local to it, which stands before the loop", fmt.Sprintf("undefined: %s: the variable of the loop in line %d is known in the loop alone", name, b.First.Line))
			case use.Before(b.First.Pos):
				c.add(use.Pos, "unset", false, "", fmt.Sprintf("%s is used before it is set, in line %d", name, b.First.Line))
			default:
				c.add(use.Pos, "unset", false, fmt.Sprintf("write local %s before the block", name), fmt.Sprintf("undefined: %s: the local of line %d is known in its own block alone", name, b.First.Line))
			}
		}
	}
}

// elsewhere is a local of the same name, or the variable of a loop before, that is declared in the same function or at
// the top level, that is not known where a name is used; nil: nowhere.
func (c *linter) elsewhere(use *luasyntax.Name) *luasyntax.Binding {
	for _, b := range c.tree.Bindings {
		switch {
		case b.Name != use.Name || b.First.In != use.In && b.First.In != nil:
		case b.Kind == luasyntax.LocalName, b.Kind == luasyntax.LocalFunc, b.Kind == luasyntax.LoopName && b.First.Before(use.Pos):
			return b
		}
	}
	return nil
}

// localsAt are locals that a misspelt name may stand for.
func (c *linter) localsAt(use *luasyntax.Name) (names []string) {
	for _, b := range c.tree.Bindings {
		if b.Kind == luasyntax.Global || !b.First.Before(use.Pos) {
			continue
		}
		for fn := use.In; ; fn = fn.Outer {
			if b.First.In == fn || b.Kind == luasyntax.Param && fn != nil && slices.Contains(fn.Params, b.First) {
				names = append(names, b.Name)
				break
			}
			if fn == nil {
				break
			}
		}
	}
	return names
}

// unused tells of names that are set and not used. Names that begin with _ are meant
// so; those of several that are set at once, of loops and of parameters may be there
// for the others.
func (c *linter) unused() {
	for _, b := range c.tree.Bindings {
		if len(b.Writes) == 0 || strings.HasPrefix(b.Name, "_") {
			continue
		}
		fn, isFunc := b.Value.(*luasyntax.Func)
		at := b.First.Pos
		switch {
		case b.Kind == luasyntax.Param || b.Kind == luasyntax.LoopName:
		case b.Kind == luasyntax.Global:
			c.unusedGlobal(b, isFunc)
		case len(b.Uses) > 0:
			if b.Value == nil && len(b.Writes) == 1 && !b.Several && c.bare(b) {
				c.add(b.Uses[0].Pos, "unset", true, "", fmt.Sprintf("%s is nil here: nothing sets it", b.Name))
			}
		case b.First.In == nil && c.job != nil && hostlib.HookNamed(b.Name) != nil && isFunc:
			c.add(at, "hook", false, "leave out local: hooks are globals", fmt.Sprintf("nothing calls %s: a hook cannot be local", b.Name))
		case b.First.In == nil && hostlib.TestNamed(b.Name) != nil && isFunc:
			c.add(at, "unused", true, "leave out local: tests are globals", fmt.Sprintf("nothing calls %s: a test cannot be local", b.Name))
		case isFunc && fn != nil:
			c.add(at, "unused", true, "leave it out", fmt.Sprintf("nothing calls %s", b.Name))
		case b.Value != nil && c.required(b.Value) != nil:
			c.add(at, "unused", true, "leave it out", fmt.Sprintf("%s is required and not used", b.Name))
		case b.Several || c.ofMany(b):
		default:
			c.add(at, "unused", true, "leave it out, or begin its name with _", fmt.Sprintf("%s is set and not used", b.Name))
		}
	}
}

// bare says that a local is declared without a value.
func (c *linter) bare(b *luasyntax.Binding) (bare bool) {
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		if s, ok := n.(*luasyntax.Local); ok && slices.Contains(s.Names, b.First) {
			bare = len(s.Values) == 0
		}
		return !bare
	})
	return bare
}

// ofMany says that a local is one of several that are declared at once.
func (c *linter) ofMany(b *luasyntax.Binding) (many bool) {
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		if s, ok := n.(*luasyntax.Local); ok && len(s.Names) > 1 && slices.Contains(s.Names, b.First) {
			many = true
		}
		return !many
	})
	return many
}

func (c *linter) unusedGlobal(b *luasyntax.Binding, isFunc bool) {
	switch {
	case len(b.Uses) > 0, c.helper(): // others may require it
		return
	case (isFunc || len(b.Writes) > 1 || slices.Contains(c.runs, b.Name) || !c.loads) && hostlib.TestNamed(b.Name) != nil, c.job != nil && hostlib.HookNamed(b.Name) != nil, c.usedByTest(b.Name):
		return
	case b.Writes[0].In != nil: // see readOnly
		return
	}
	at := b.Writes[0].Pos
	if !isFunc {
		c.add(at, "unused", true, "leave it out", fmt.Sprintf("%s is set and not used", b.Name))
		return
	}
	hint := ""
	if c.isTest {
		hint = hostlib.MeantTest(b.Name)
	} else {
		hint = hostlib.MeantHook(b.Name, func(hook string) bool { return c.hook(hook) != nil })
	}
	c.add(at, "unused", true, cmp.Or(hint, "leave it out"), fmt.Sprintf("nothing calls %s", b.Name))
}

// usedByTest says that the file of tests of the script has a name in it.
func (c *linter) usedByTest(name string) bool {
	f := c.loader.read(strings.TrimSuffix(c.file.path, Ending) + testEnding)
	return f.proto != nil && slices.ContainsFunc(f.lines, func(line string) bool {
		return strings.Contains(line, "."+name) || strings.Contains(line, "\""+name+"\"")
	})
}

// hooks tells of hooks that never run.
func (c *linter) hooks() {
	if c.job == nil {
		return
	}
	facts := hostlib.HookFacts{At: map[string]hostlib.At{}, Unseen: map[string]bool{}}
	for _, h := range hostlib.Hooks {
		if b := c.tree.Globals[h.Name]; b != nil && len(b.Writes) > 0 && b.Writes[0].In == nil {
			facts.At[h.Name], facts.Unseen[h.Name] = spot(b.Writes[0].Pos), c.hook(h.Name) == nil
		}
	}
	if p := c.hook("produce"); p != nil {
		c.eachCtx(p, func(method string, call *luasyntax.Call) {
			emits := method == "emit" || method == "emit_all"
			facts.Emits = facts.Emits || emits || method == ""
			if emits && call != nil {
				if f := c.callee(call); f != nil {
					a := c.arguments(f, call)
					facts.EmitsHere = facts.EmitsHere || !a.more && a.exprs["type"] == nil
				}
			}
		})
		luasyntax.Walk(p.Body, func(n luasyntax.Node) bool {
			switch n := n.(type) {
			case *luasyntax.Func:
				return false
			case *luasyntax.Return:
				if len(n.Values) == 0 || c.value(n.Values[0]) == lua.LNil {
					return true
				}
				facts.Returns = true
				if _, ok := n.Values[0].(*luasyntax.Table); ok && facts.Payload == nil {
					at := spot(n.Values[0].Start())
					facts.Payload = &at
				}
			}
			return true
		})
	}
	c.hookFacts(&facts)
	c.report.Hooks(facts)
}

// eachCtx calls a function for each use of a hook's ctx, with the method that is
// named; "" where ctx itself is used.
func (c *linter) eachCtx(fn *luasyntax.Func, each func(method string, call *luasyntax.Call)) {
	if len(fn.Params) == 0 {
		return
	}
	isCtx := func(e luasyntax.Expr) bool {
		n, ok := e.(*luasyntax.Name)
		return ok && n.Binding == fn.Params[0].Binding
	}
	luasyntax.Walk(fn.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.Call:
			if x, ok := n.Fn.(*luasyntax.Index); ok && n.Method == nil && isCtx(x.X) {
				if key, ok := x.Key.(*luasyntax.Literal); ok {
					each(key.Value, n)
				}
			}
			if n.Method != nil && isCtx(n.Fn) {
				each(n.Method.Value, n)
				luasyntax.Walk(n.Args, func(a luasyntax.Node) bool {
					if isCtx(a) {
						each("", nil)
					}
					return true
				})
				return false
			}
		case *luasyntax.Index:
			if key, ok := n.Key.(*luasyntax.Literal); ok && isCtx(n.X) {
				each(key.Value, nil)
				return false
			}
		case *luasyntax.Name:
			if isCtx(n) {
				each("", nil)
			}
		}
		return true
	})
}

// readOnly tells of functions that set what is read-only once the script is loaded:
// globals, locals of the top level, and elements of its tables.
func (c *linter) readOnly() {
	if c.helper() { // whoever requires it may call its functions while it is loaded
		return
	}
	hint := "keep the value by state.set(name, value) or vars.set(name, value), or make it in the function"
	element := func(e luasyntax.Expr, in *luasyntax.Func, at luasyntax.Pos) {
		n, ok := e.(*luasyntax.Name)
		if !ok || in == nil || isGlobal(n) {
			return
		}
		b := c.single(n)
		if b == nil || b.First.In != nil || !c.topLevel(b) || c.whileLoaded(in) {
			return
		}
		if _, ok := b.Value.(*luasyntax.Table); ok {
			c.add(at, "global", false, hint, fmt.Sprintf("%s cannot be changed in a hook: what the top level made is read-only once the script is loaded", n.Name))
		}
	}
	name := func(e luasyntax.Expr) {
		n, ok := e.(*luasyntax.Name)
		if !ok || n.In == nil || c.whileLoaded(n.In) {
			return
		}
		switch b := n.Binding; {
		case b.Kind == luasyntax.Global:
			c.add(n.Pos, "global", false, fmt.Sprintf("write local %s = ..., or keep it by state.set", n.Name), fmt.Sprintf("%s cannot be set: globals are read-only once the script is loaded", n.Name))
		case b.First.In == nil && c.topLevel(b):
			c.add(n.Pos, "global", false, "make it a local of the function, give it as an argument, or keep it by state.set",
				fmt.Sprintf("%q is set in a function, but belongs to what is around it and would live on from one hook to the next", n.Name))
		}
	}
	var walk func(body any, in *luasyntax.Func)
	walk = func(body any, in *luasyntax.Func) {
		luasyntax.Walk(body, func(n luasyntax.Node) bool {
			switch n := n.(type) {
			case *luasyntax.Func:
				walk(n.Body, n)
				return false
			case *luasyntax.FuncStmt:
				name(n.Target)
				if x, ok := n.Target.(*luasyntax.Index); ok {
					element(x.X, in, x.Start())
				}
			case *luasyntax.Assign:
				for _, e := range n.Left {
					name(e)
					if x, ok := e.(*luasyntax.Index); ok {
						element(x.X, in, x.Start())
					}
				}
			case *luasyntax.Call:
				if len(n.Args) > 0 && slices.Contains([]string{"table.insert", "table.remove", "table.sort", "rawset"}, luasyntax.Text(n.Fn)) {
					element(n.Args[0], in, n.Args[0].Start())
				}
			}
			return true
		})
	}
	walk(c.tree.Body, nil)
}

// topLevel says that a name is one that lives as long as the script: hooks see it. A
// local in a block of the top level does so, too.
func (c *linter) topLevel(b *luasyntax.Binding) bool {
	return b.First.In == nil && b.Kind != luasyntax.LoopName
}

// whileLoaded says that a function may run while the script is loaded: then it may set
// what it likes.
func (c *linter) whileLoaded(fn *luasyntax.Func) bool {
	return c.mayLoad(fn, map[*luasyntax.Func]bool{})
}

func (c *linter) mayLoad(fn *luasyntax.Func, seen map[*luasyntax.Func]bool) bool {
	for fn.Outer != nil {
		fn = fn.Outer
	}
	if seen[fn] {
		return false
	}
	seen[fn] = true
	for _, b := range c.tree.Bindings {
		if b.Value != luasyntax.Expr(fn) {
			continue
		}
		for _, use := range b.Uses {
			if use.In == nil || c.mayLoad(use.In, seen) {
				return true
			}
		}
		return false
	}
	return true // it has no name of its own
}

// dropped tells of the error of a catch, or of a pcall, at which nobody looks.
func (c *linter) dropped() {
	catches := func(e luasyntax.Expr) string {
		call, ok := e.(*luasyntax.Call)
		if !ok {
			return ""
		}
		n, ok := call.Fn.(*luasyntax.Name)
		if ok && isGlobal(n) && (n.Name == "pcall" || n.Name == "catch") {
			return n.Name
		}
		return ""
	}
	unused := func(n *luasyntax.Name) bool { return len(n.Binding.Uses) == 0 && !strings.HasPrefix(n.Name, "_") }
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		switch s := n.(type) {
		case *luasyntax.CallStmt:
			if fn := catches(s.Call); fn != "" {
				first := map[string]string{"pcall": "ok", "catch": "value"}[fn]
				c.add(s.Start(), "catch", true, fmt.Sprintf("write local %s, err = %s(...), and look at err; local _ = %s(...) if it may fail", first, fn, fn), "the error that this catches is dropped: nobody hears of it")
			}
		case *luasyntax.Local:
			if len(s.Values) == 1 && len(s.Names) == 1 && (catches(s.Values[0]) == "catch" && !strings.HasPrefix(s.Names[0].Name, "_") || catches(s.Values[0]) == "pcall" && unused(s.Names[0])) {
				c.lost(s.Names[0], catches(s.Values[0]))
			}
			if len(s.Values) != 1 || len(s.Names) != 2 || !unused(s.Names[1]) {
				return true
			}
			if fn := catches(s.Values[0]); fn == "catch" || fn == "pcall" && unused(s.Names[0]) {
				c.add(s.Names[1].Pos, "catch", true, "look at it, or call it _ if it may fail", fmt.Sprintf("%s, the error that this catches, is not looked at", s.Names[1].Name))
			}
		}
		return true
	})
}

// lost tells of a name that takes what a catch, or a pcall, gives first, where nothing
// takes the error.
func (c *linter) lost(to *luasyntax.Name, fn string) {
	c.add(to.Pos, "catch", true, fmt.Sprintf("write local %s, err = %s(...), and look at err; local _ = %s(...) if it may fail", to.Name, fn, fn),
		"the error that this catches is dropped: nobody hears of it")
}

// instead are methods by which other languages know what is written otherwise here:
// %s stands for the value.
var instead = map[string]string{
	"trim": `(%s:gsub("^%%s+", ""):gsub("%%s+$", ""))`, "strip": `(%s:gsub("^%%s+", ""):gsub("%%s+$", ""))`,
	"toUpperCase": "%s:upper()", "toLowerCase": "%s:lower()", "toupper": "%s:upper()", "tolower": "%s:lower()",
	"startsWith": `%s:sub(1, #prefix) == prefix`, "startswith": `%s:sub(1, #prefix) == prefix`, "endsWith": `%s:sub(-#suffix) == suffix`, "endswith": `%s:sub(-#suffix) == suffix`,
	"includes": `%s:find("...", 1, true)`, "contains": `%s:find("...", 1, true)`, "indexOf": `%s:find("...", 1, true)`,
	"replace": `%s:gsub("...", "...")`, "replaceAll": `%s:gsub("...", "...")`, "substring": "%s:sub(first, last)", "substr": "%s:sub(first, last)", "slice": "%s:sub(first, last)",
	"split": `for part in %s:gmatch("[^,]+") do`, "length": "#%s", "size": "#%s", "charAt": "%s:sub(i, i)",
	"push": "table.insert(%s, x)", "append": "table.insert(%s, x)", "pop": "table.remove(%s)", "insert": "table.insert(%s, x)", "sort": "table.sort(%s)", "join": `table.concat(%s, ", ")`, "concat": `table.concat(%s, ", ")`,
	"toString": "tostring(%s)", "keys": "for k in pairs(%s) do", "items": "for k, v in pairs(%s) do", "forEach": "for _, x in ipairs(%s) do",
}

// insteadOf says what to write for a method of another language, "" if it is none.
func (c *linter) insteadOf(e luasyntax.Expr, name string) string {
	text, ok := instead[name]
	if !ok {
		return ""
	}
	of := luasyntax.Text(e)
	if of == "it" || strings.Contains(of, "it.") {
		of = "x"
	}
	text = strings.ReplaceAll(text, "%%", "\x00")
	return "write " + strings.ReplaceAll(strings.ReplaceAll(text, "%s", of), "\x00", "%")
}

// anybody says that some value may have a method: a string, an object, or what the
// file, or one that it requires, makes.
func (c *linter) anybody(name string) bool {
	if c.methods == nil {
		c.methods = map[string]bool{}
		for n := range own["string"] {
			c.methods[n] = true
		}
		for _, t := range slices.Concat(hostlib.Types, c.tests) {
			for _, n := range t.Names() {
				c.methods[n] = true
			}
		}
		for _, m := range hostlib.Modules {
			for _, n := range m.Names() {
				c.methods[n] = true
			}
		}
		c.ownMethods(c.methods, map[string]bool{})
	}
	return c.methods[name]
}

// ownMethods notes names of elements that the file, and what it requires, sets.
func (c *linter) ownMethods(into, seen map[string]bool) {
	if seen[c.file.path] {
		return
	}
	seen[c.file.path] = true
	set := func(e luasyntax.Expr) {
		if x, ok := e.(*luasyntax.Index); ok {
			if key, ok := x.Key.(*luasyntax.Literal); ok {
				into[key.Value] = true
			}
		}
	}
	luasyntax.Walk(c.tree.Body, func(n luasyntax.Node) bool {
		switch n := n.(type) {
		case *luasyntax.FuncStmt:
			set(n.Target)
		case *luasyntax.Assign:
			for _, e := range n.Left {
				set(e)
			}
		case *luasyntax.Field:
			if key, ok := n.Key.(*luasyntax.Literal); ok {
				into[key.Value] = true
			}
		case *luasyntax.Call:
			if lib := c.required(n); lib != nil {
				lib.ownMethods(into, seen)
			}
		}
		return true
	})
}
