package luascript

import (
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
)

// What print shows of a table: so many bytes, and so deep.
const (
	printedBytes = 4000
	printedDepth = 6
)

// printed is a value as print writes it: tables, but those that have a text of their
// own, with what is in them, as Lua would have it written. strike takes secrets out, which
// could not be told any more where a text is cut.
func printed(l *lua.LState, v lua.LValue, strike func(text string) string) string {
	t, ok := v.(*lua.LTable)
	if !ok || metaOf(t, "__tostring") != lua.LNil {
		return tostring(l, v)
	}
	var b strings.Builder
	p := printer{l, &b, strike, false}
	p.table(t, 1)
	return b.String()
}

// printer writes tables.
type printer struct {
	l      *lua.LState
	b      *strings.Builder
	strike func(text string) string
	still  bool // it calls nothing of the script
}

// own says that a table has a text of its own, which is to be shown.
func (p printer) own(t *lua.LTable) bool { return !p.still && metaOf(t, "__tostring") != lua.LNil }

// text is a value that is no table.
func (p printer) text(v lua.LValue) string {
	if ud, ok := v.(*lua.LUserData); ok && p.still && objectOf(v) == nil {
		if _, ok := ud.Value.(*integer); !ok {
			return typeName(v)
		}
	}
	return tostring(p.l, v)
}

func (p printer) table(t *lua.LTable, depth int) {
	b := p.b
	if depth > printedDepth {
		b.WriteString("{...}")
		return
	}
	b.WriteByte('{')
	t = contents(t)
	next, first := 1, true
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if !first {
			b.WriteString(", ")
		}
		first = false
		if b.Len() > printedBytes {
			b.WriteString("...")
			break
		}
		switch name, ok := k.(lua.LString); {
		case k == lua.LNumber(next):
			next++
		case ok && IsName(string(name)):
			b.WriteString(string(name) + " = ")
		case ok:
			b.WriteString("[" + p.short(string(name)) + "] = ")
		default:
			b.WriteString("[" + p.text(k) + "] = ")
		}
		switch v := v.(type) {
		case lua.LString:
			b.WriteString(p.short(string(v)))
		case *lua.LTable:
			if p.own(v) {
				b.WriteString(tostring(p.l, v))
				continue
			}
			p.table(v, depth+1)
		case *lua.LFunction:
			b.WriteString("function")
		default:
			b.WriteString(p.text(v))
		}
	}
	b.WriteByte('}')
}

// short is a text in quotes, at most as much of it as print shows.
func (p printer) short(s string) string {
	if len(s) > printedBytes {
		s = p.strike(s)
	}
	if len(s) > printedBytes {
		return strconv.Quote(strings.ToValidUTF8(s[:printedBytes], "")) + "..."
	}
	return strconv.Quote(s)
}

// IsName says that a text is a name: as a key it stands without quotes.
func IsName(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) || i == 0 && s[i] >= '0' && s[i] <= '9' {
			return false
		}
	}
	return s != "" && !luasyntax.IsKeyword(s)
}

// strike takes secrets out of a text.
func (r *run) strike(text string) string {
	if r.call.Hook == nil {
		return text
	}
	return r.call.Hook.Strike(text)
}
