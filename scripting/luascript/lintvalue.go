package luascript

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// value is what an expression gives: a Lua value, the beginning of a string, or
// Unknown. Nothing is run for that.
func (c *linter) value(e luasyntax.Expr) hostlib.Value { return c.known.Of(e, c.findValue) }

func (c *linter) findValue(e luasyntax.Expr) hostlib.Value {
	switch e := e.(type) {
	case *luasyntax.Paren:
		return c.value(e.X)
	case *luasyntax.Literal:
		return literal(e)
	case *luasyntax.Func:
		return someFunction
	case *luasyntax.Name:
		return c.named(e)
	case *luasyntax.Unary:
		if x, ok := c.value(e.X).(lua.LNumber); ok && e.Op == "-" {
			return -x
		}
	case *luasyntax.Binary:
		if e.Op == ".." {
			return bounded(c.joined(e))
		}
	case *luasyntax.Table:
		if t := c.table(e); t != nil {
			return t
		}
	case *luasyntax.Index:
		return c.element(e)
	case *luasyntax.Call:
		return bounded(c.formatted(e))
	}
	return hostlib.Unknown
}

// bounded is a text that was put together, as far as it is known.
func bounded(v hostlib.Value) hostlib.Value {
	switch v := v.(type) {
	case lua.LString:
		if len(v) > hostlib.MaxKnown {
			return hostlib.Beginning(v[:hostlib.MaxKnown])
		}
	case hostlib.Beginning:
		return v[:min(len(v), hostlib.MaxKnown)]
	}
	return v
}

func literal(e *luasyntax.Literal) hostlib.Value {
	switch {
	case e.Kind == luasyntax.String:
		return lua.LString(e.Value)
	case e.Kind == luasyntax.Number:
		if n, err := strconv.ParseInt(e.Text, 0, 64); err == nil && (strings.HasPrefix(e.Text, "0x") || e.Text[0] != '0' || e.Text == "0") {
			return lua.LNumber(n)
		}
		if f, err := strconv.ParseFloat(e.Text, 64); err == nil {
			return lua.LNumber(f)
		}
	case e.Text == "nil":
		return lua.LNil
	case e.Text == "true":
		return lua.LTrue
	case e.Text == "false":
		return lua.LFalse
	}
	return hostlib.Unknown
}

// named is the value of a name.
func (c *linter) named(id *luasyntax.Name) hostlib.Value {
	if isGlobal(id) {
		if id.Name == "null" {
			return lua.LValue(null)
		}
		return hostlib.Unknown
	}
	b := c.single(id)
	if b == nil || c.busy[b] || b.Loop != nil {
		return hostlib.Unknown
	}
	c.busy[b] = true
	defer delete(c.busy, b)
	switch v := c.value(b.Value).(type) {
	case lua.LString, lua.LNumber, lua.LBool, hostlib.Beginning:
		return v
	case *lua.LTable:
		if b.First.In == nil && c.untouched(b) { // it is read-only once the script is loaded
			return v
		}
	}
	return hostlib.Unknown // what can change may be changed
}

// table is a table of which all elements are known; nil: they are not.
func (c *linter) table(e *luasyntax.Table) *lua.LTable {
	t := boot.NewTable()
	next := 1
	for _, f := range e.Fields {
		v, ok := c.value(f.Value).(lua.LValue)
		if !ok {
			return nil
		}
		if f.Key == nil {
			t.RawSetInt(next, v)
			next++
			continue
		}
		k, ok := c.value(f.Key).(lua.LValue)
		if !ok || k == lua.LNil {
			return nil
		}
		t.RawSet(k, v)
	}
	return t
}

// element is the value of a.b or a[b].
func (c *linter) element(e *luasyntax.Index) hostlib.Value {
	key, ok := e.Key.(*luasyntax.Literal)
	if lib := c.required(e.X); lib != nil {
		if ok && lib.exports[keyOf(key)] != nil {
			return lib.value(lib.exports[key.Value])
		}
		return hostlib.Unknown
	}
	if t, isTable := c.value(e.X).(*lua.LTable); isTable {
		if k, ok := c.value(e.Key).(lua.LValue); ok {
			if v := t.RawGet(k); v != lua.LNil { // else what is not seen here may set it
				return v
			}
		}
	}
	return hostlib.Unknown
}

// joined is the value of a .. b, as far as it is known.
func (c *linter) joined(e *luasyntax.Binary) hostlib.Value {
	x, y := c.value(e.X), c.value(e.Y)
	if n, ok := x.(lua.LNumber); ok {
		x = lua.LString(numberText(n))
	}
	if n, ok := y.(lua.LNumber); ok {
		y = lua.LString(numberText(n))
	}
	switch x := x.(type) {
	case hostlib.Beginning:
		return x
	case lua.LString:
		switch y := y.(type) {
		case lua.LString:
			return x + y
		case hostlib.Beginning:
			return hostlib.Beginning(x) + y
		}
		return hostlib.Beginning(x)
	}
	return hostlib.Unknown
}

// formatted is what string.format gives, as far as it is known.
func (c *linter) formatted(e *luasyntax.Call) hostlib.Value {
	format, args := c.formatOf(e)
	if format == nil {
		return hostlib.Unknown
	}
	if s, ok := c.value(format).(lua.LString); ok {
		return c.filled(string(s), args)
	}
	return hostlib.Unknown
}

// plain is a value in the form of the host library.
func (c *linter) plain(v hostlib.Value) hostlib.Value {
	if _, ok := v.(lua.LValue); !ok {
		return v
	}
	d, err := c.run.Data(v)
	if err != nil {
		return hostlib.Unknown
	}
	return d
}

// typeOf is the type of the object that an expression gives, if that is known.
func (c *linter) typeOf(e luasyntax.Expr) *hostlib.ObjectType { return c.objects.Of(e, c.findType) }

func (c *linter) findType(e luasyntax.Expr) *hostlib.ObjectType {
	switch e := e.(type) {
	case *luasyntax.Paren:
		return c.typeOf(e.X)
	case *luasyntax.Name:
		return c.typeOfName(e.Binding)
	case *luasyntax.Call:
		if f := c.callee(e); f != nil {
			return c.typeNamed(f.Returns)
		}
	case *luasyntax.Index:
		if t := c.typeOf(e.X); t != nil {
			if key, ok := e.Key.(*luasyntax.Literal); ok && key.Kind == luasyntax.String {
				if a := t.Attr(key.Value); a != nil {
					return c.typeNamed(a.Type)
				}
			}
		}
	case *luasyntax.Binary:
		if slices.Contains([]string{"+", "-", "*", "/"}, e.Op) { // which a decimal gives with whatever it can be used with
			for _, x := range []luasyntax.Expr{e.X, e.Y} {
				if t := c.typeOf(x); t != nil && t.Name == "decimal" {
					return t
				}
			}
		}
	case *luasyntax.Unary:
		if t := c.typeOf(e.X); e.Op == "-" && t != nil && t.Name == "decimal" {
			return t
		}
	}
	return nil
}

func (c *linter) typeOfName(b *luasyntax.Binding) *hostlib.ObjectType {
	if b == nil {
		return nil
	}
	if t, ok := c.types[b]; ok || c.busy[b] || len(b.Writes) != 1 {
		return t
	}
	c.busy[b] = true
	defer delete(c.busy, b)
	var t *hostlib.ObjectType
	switch {
	case b.Loop != nil && len(b.Loop.Values) == 1:
		t = c.elemType(b.Loop.Values[0], b.Place)
	case b.Value != nil && b.Several:
		if call, ok := b.Value.(*luasyntax.Call); ok {
			if f := c.callee(call); f != nil && strings.HasPrefix(f.Returns, "(") {
				if parts := strings.Split(strings.Trim(f.Returns, "()"), ", "); b.Place < len(parts) {
					t = c.typeNamed(parts[b.Place])
				}
			} else if f != nil && b.Place == 0 {
				t = c.typeNamed(f.Returns)
			}
		}
	case b.Value != nil:
		t = c.typeOf(b.Value)
	}
	c.types[b] = t
	return t
}

// elemType is the type of what a loop over an expression gives in its i-th variable,
// if that is known.
func (c *linter) elemType(e luasyntax.Expr, i int) *hostlib.ObjectType {
	call, ok := e.(*luasyntax.Call)
	if !ok {
		return nil
	}
	if fn, ok := call.Fn.(*luasyntax.Name); ok && isGlobal(fn) && fn.Name == "ipairs" && len(call.Args) == 1 && i == 1 {
		return c.of("list of ", call.Args[0])
	}
	if i == 0 {
		return c.of("iterator of ", e)
	}
	return nil
}

// of is the type of the elements of what a call gives.
func (c *linter) of(kind string, e luasyntax.Expr) *hostlib.ObjectType {
	if b := c.single(e); b != nil {
		e = b.Value
	}
	if call, ok := e.(*luasyntax.Call); ok {
		if f := c.callee(call); f != nil {
			if of, ok := strings.CutPrefix(f.Returns, kind); ok {
				return c.typeNamed(of)
			}
		}
	}
	return nil
}

func (c *linter) typeNamed(name string) *hostlib.ObjectType {
	for _, t := range c.tests {
		if t.Name == name {
			return t
		}
	}
	return hostlib.TypeNamed(name)
}

// basic are what the tables call values of the language itself, and how Lua does.
var basic = map[string]string{"int": "number", "float": "number", "number": "number", "string": "string", "bool": "boolean", "dict": "table", "list": "table"}

// texts are methods that strings alone have, and that give one.
var texts = []string{"upper", "lower", "rep", "reverse", "format"}

// kindOf is the type of what an expression gives, "" if that is not known.
func (c *linter) kindOf(e luasyntax.Expr) string { return c.kinds.Of(e, c.findKind) }

func (c *linter) findKind(e luasyntax.Expr) string {
	switch v := c.value(e).(type) {
	case lua.LValue:
		return typeName(v)
	case hostlib.Beginning:
		return "string"
	}
	if t := c.typeOf(e); t != nil {
		return t.Name
	}
	switch e := e.(type) {
	case *luasyntax.Paren:
		return c.kindOf(e.X)
	case *luasyntax.Table:
		return "table"
	case *luasyntax.Unary:
		switch e.Op {
		case "#":
			return "number"
		case "not":
			return "boolean"
		}
	case *luasyntax.Binary:
		if e.Op == ".." {
			return "string"
		}
	case *luasyntax.Name:
		b := c.single(e)
		if b == nil || c.busy[b] || b.Loop != nil {
			return ""
		}
		c.busy[b] = true
		defer delete(c.busy, b)
		return c.kindOf(b.Value)
	case *luasyntax.Index:
		if c.function(e) != nil {
			return "function"
		}
		if t := c.typeOf(e.X); t != nil {
			if key, ok := e.Key.(*luasyntax.Literal); ok {
				if a := t.Attr(keyOf(key)); a != nil {
					return basic[a.Type]
				}
			}
		}
	case *luasyntax.Call:
		return c.made(e)
	}
	return ""
}

// made is the type of what a call gives.
func (c *linter) made(e *luasyntax.Call) string {
	if f := c.callee(e); f != nil {
		switch {
		case strings.HasPrefix(f.Returns, "list of "):
			return "table"
		case strings.HasPrefix(f.Returns, "iterator"):
			return "iterator"
		}
		if len(e.Args) > 0 && f.Name == "value" {
			if sql, ok := c.value(e.Args[0]).(lua.LString); ok && hostlib.Counts(f, string(sql)) {
				return "number"
			}
		}
		return basic[f.Returns]
	}
	if e.Method != nil {
		if slices.Contains(texts, e.Method.Value) {
			return "string"
		}
		return ""
	}
	if fn, ok := e.Fn.(*luasyntax.Name); ok && isGlobal(fn) {
		switch fn.Name {
		case "tostring", "type":
			return "string"
		case "list":
			return "table"
		}
	}
	return ""
}
