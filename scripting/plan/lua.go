package plan

import (
	"fmt"
	"math"
	"math/big"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dsengine/dsengine/scripting/luascript"
)

// lua is the notation of Lua.
type lua struct{}

// exactInLua bounds the whole numbers that Lua's own numbers hold exactly.
var exactInLua = big.NewInt(1<<53 - 1)

func (n lua) literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case int64:
		return n.whole(big.NewInt(v))
	case *big.Int:
		return n.whole(v)
	case float64:
		switch {
		case math.IsNaN(v):
			return "0 / 0"
		case math.IsInf(v, 1):
			return "math.huge"
		case math.IsInf(v, -1):
			return "-math.huge"
		}
		return literal(v)
	case string:
		return luaText(v)
	case []byte:
		return luaText(string(v))
	case time.Time:
		return "time.parse(" + luaText(v.UTC().Format(time.RFC3339Nano)) + ")"
	}
	return luaText(fmt.Sprint(v))
}

// whole writes a whole number; one that Lua's numbers do not hold, by its digits.
func (lua) whole(i *big.Int) string {
	if i.CmpAbs(exactInLua) > 0 {
		return `tonumber("` + i.String() + `")`
	}
	return i.String()
}

// luaText writes a string, of text or of bytes.
func luaText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x20 || r == 0x7f || r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\%03d`, s[i])
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}

func (lua) longText(s string) string {
	if !utf8.ValidString(s) || strings.Count(s, "\n") < 2 {
		return luaText(s)
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for i := range lines {
		lines[i] = luaText(lines[i])
	}
	return "table.concat(" + lua{}.table(lines) + ")"
}

func (lua) list(items []string) string {
	if len(items) == 0 {
		return "json.array()"
	}
	return "{" + strings.Join(items, ", ") + "}"
}

func (lua) table(items []string) string { return tableOf("{", items, "}", "  ") }

// luaName are names that stand for themselves as keys.
var luaName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// luaWords are those that do not, though they look so.
var luaWords = map[string]bool{}

func init() {
	for _, w := range strings.Fields("and break do else elseif end false for function goto if in local nil not or repeat return then true until while") {
		luaWords[w] = true
	}
}

func (lua) dict(names, values []string) string {
	if len(names) == 0 {
		return "json.object()"
	}
	parts := make([]string, len(names))
	for i, n := range names {
		key := n
		if !luaName.MatchString(n) || luaWords[n] {
			key = "[" + luaText(n) + "]"
		}
		parts[i] = key + " = " + values[i]
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (n lua) call(fn string, args []string, named []argument) string {
	if len(named) > 0 {
		var names, values []string
		for _, a := range named {
			names, values = append(names, a.name), append(values, a.value)
		}
		args = append(args, n.dict(names, values))
	}
	return fn + "(" + strings.Join(args, ", ") + ")"
}

func (lua) comment(text string) string { return "-- " + text }

func (lua) head(typ string) string {
	return fmt.Sprintf("-- Tests of %s.lua: run them by dsengine test %s.", filepath.Base(typ), typ)
}

func (lua) beginning(name string) string { return "function " + name + "(" }

func (lua) test(name, doc string, lines []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- %s\nfunction %s(t)\n", doc, name)
	for _, l := range lines {
		b.WriteString("  " + l + "\n")
	}
	b.WriteString("end\n")
	return b.String()
}

func (lua) format(file string, source []byte) ([]byte, error) { return luascript.Format(file, source) }
