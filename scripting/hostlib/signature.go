package hostlib

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Signature is the function with its parameters: csv.read(src, *, header=True).
func (f *Func) Signature() string {
	var b strings.Builder
	b.WriteString(f.String())
	b.WriteByte('(')
	star := false
	for i, p := range f.Params {
		if p.NotYet {
			continue
		}
		if i > 0 {
			b.WriteString(", ")
		}
		switch {
		case p.Rest:
			b.WriteByte('*')
			star = true
		case p.Others:
			b.WriteString("**")
		case p.Named && !star:
			b.WriteString("*, ")
			star = true
		}
		b.WriteString(p.Name)
		if p.Default != nil {
			b.WriteString("=" + literal(p.Default))
		}
	}
	b.WriteByte(')')
	return b.String()
}

// literal writes a default as scripts do.
func literal(v Value) string {
	switch v := v.(type) {
	case none:
		return "None"
	case bool:
		return strings.ToUpper(fmt.Sprint(v)[:1]) + fmt.Sprint(v)[1:]
	case string:
		return fmt.Sprintf("%q", v)
	case []string:
		return "[]"
	case time.Duration:
		return fmt.Sprintf("%q", engine.FormatDuration(v))
	}
	return fmt.Sprint(v)
}

// SignatureInLua is the same in Lua: csv.read(src, {header = true}).
func (f *Func) SignatureInLua() string {
	var given, named []string
	for i := range f.Params {
		p := &f.Params[i]
		text := p.Name
		if p.Default != nil {
			text += " = " + InLua(p.DefaultText())
		}
		switch {
		case p.NotYet:
		case p.Others:
			named = append(named, "...")
		case p.Rest:
			given = append(given, "...")
		case p.Named:
			named = append(named, text)
		default:
			given = append(given, text)
		}
	}
	if len(named) > 0 {
		given = append(given, "{"+strings.Join(named, ", ")+"}")
	}
	return f.String() + "(" + strings.Join(given, ", ") + ")"
}

// luaWords are words and defaults of the tables, which are Starlark's, in Lua. None is
// what is not given, or what is not there; what NULL is called that is in a row, a list
// or a dict says Language.TypeName.
var luaWords = map[string]string{"None": "nil", "True": "true", "False": "false", "[]": "{}", `["*"]`: `{"*"}`, `{"produce": 1, "consume": 4}`: "{produce = 1, consume = 4}"}

// InLua is a word, or a default, as Lua writes it.
func InLua(word string) string {
	if lua, ok := luaWords[word]; ok {
		return lua
	}
	return word
}

var constants = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\b(?:None|True|False)\b`)

// WordsInLua is a text with the words of Lua, but for what it quotes.
func WordsInLua(text string) string { return constants.ReplaceAllStringFunc(text, InLua) }
