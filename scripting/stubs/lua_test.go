package stubs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

var (
	luaClass = regexp.MustCompile(`^---@class (\S+)$`)
	luaField = regexp.MustCompile(`^---@field (\w+\??|\[string\]) (.+)$`)
	luaParam = regexp.MustCompile(`^---@param (\w+|\.\.\.)(\??) (.+)$`)
	luaAlias = regexp.MustCompile(`^---@alias (\w+) (.+)$`)
)

// luaNames reads a file of stubs: the functions with their parameters by name, the
// fields of each class, and all types that are named.
func luaNames(t *testing.T, text string) (funcs map[string][]string, fields map[string][]string) {
	t.Helper()
	tree, err := parse.Parse(strings.NewReader(text), LuaFileName)
	if err != nil {
		t.Fatal(err)
	}
	funcs, fields = map[string][]string{}, map[string][]string{}
	for _, s := range tree {
		def, ok := s.(*ast.FuncDefStmt)
		if !ok {
			continue
		}
		name := ""
		switch fn := def.Name.Func.(type) {
		case *ast.IdentExpr:
			name = fn.Value
		case *ast.AttrGetExpr:
			name = fn.Object.(*ast.IdentExpr).Value + "." + fn.Key.(*ast.StringExpr).Value
		}
		if _, twice := funcs[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		params := slices.Clone(def.Func.ParList.Names)
		if def.Func.ParList.HasVargs {
			params = append(params, "...")
		}
		funcs[name] = params
	}
	known := map[string]bool{"any": true, "string": true, "boolean": true, "integer": true, "number": true, "table": true, "fun": true, "nil": true}
	class, types := "", map[string]string{}
	var params []string
	for _, line := range strings.Split(text, "\n") {
		switch {
		case luaClass.MatchString(line):
			class = luaClass.FindStringSubmatch(line)[1]
			if known[class] {
				t.Errorf("the class %s is there twice", class)
			}
			known[class], fields[class] = true, []string{}
		case luaAlias.MatchString(line):
			known[luaAlias.FindStringSubmatch(line)[1]] = true
		case luaField.MatchString(line):
			m := luaField.FindStringSubmatch(line)
			fields[class] = append(fields[class], strings.TrimSuffix(m[1], "?"))
			types[line] = m[2]
		case luaParam.MatchString(line):
			m := luaParam.FindStringSubmatch(line)
			params = append(params, m[1])
			types[line] = m[3]
		case strings.HasPrefix(line, "---@overload "):
			types[line] = strings.TrimPrefix(line, "---@overload ")
			for _, name := range regexp.MustCompile(`(\w+): `).FindAllStringSubmatch(types[line], -1) {
				types[line] = strings.Replace(types[line], name[0], "", 1)
			}
		case strings.HasPrefix(line, "---@return "):
			types[line] = strings.TrimPrefix(line, "---@return ")
		case strings.HasPrefix(line, "function "):
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "function "), "(")
			if !slices.Equal(params, funcs[name]) {
				t.Errorf("%s has the parameters %v, and types of %v", name, funcs[name], params)
			}
			params = nil
		case strings.HasPrefix(line, "---@meta"), strings.HasPrefix(line, "---@operator"), strings.HasPrefix(line, "---@type"):
		case strings.HasPrefix(line, "---@"):
			t.Errorf("no line of a stub: %s", line)
		}
	}
	// The first word of a type, or what is in it, is known.
	for line, typ := range types {
		for _, w := range regexp.MustCompile(`"[^"]*"|[\w.]+`).FindAllString(typeOf(typ), -1) {
			if w[0] != '"' && w != "..." && !known[w] {
				t.Errorf("there is no type %s: %s", w, line)
			}
		}
	}
	return funcs, fields
}

// typeOf is the type at the beginning of a line: it ends at a space that no comma, colon
// or bracket is before.
func typeOf(text string) string {
	depth, quoted := 0, false
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("(<[", c):
			depth++
		case strings.ContainsRune(")>]", c):
			depth--
		case c == ' ' && depth == 0 && !strings.HasSuffix(text[:i], ",") && !strings.HasSuffix(text[:i], ":"):
			return text[:i]
		}
	}
	return text
}

func TestAllThatScriptsCanCallIsInTheStubsForLua(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := WriteLua(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	funcs, fields := luaNames(t, text)
	look := func(name string, f *hostlib.Func) {
		params, ok := funcs[name]
		if !ok {
			t.Errorf("%s is missing", name)
			return
		}
		if example := "\n---```lua\n---" + strings.ReplaceAll(f.Lua, "\n", "\n---") + "\n---```\n"; !strings.Contains(text, example) {
			t.Errorf("%s: its example is missing", name)
		}
		for i := range f.Params {
			p := &f.Params[i]
			switch {
			case p.NotYet || p.Rest || p.Others:
			case !p.Named && !slices.Contains(params, p.Name), p.Named && !slices.Contains(fields[name+".options"], p.Name) && !strings.Contains(text, "\n---- "+p.Name+": "):
				t.Errorf("%s: %s is missing", name, p.Name)
			}
		}
	}
	n := 0
	for _, f := range hostlib.Globals {
		look(f.Name, f)
	}
	for _, m := range hostlib.Modules {
		for _, f := range m.Funcs {
			look(m.Name+"."+f.Name, f)
			n++
		}
		class := className(m.Name) + "Module"
		if m.Name == "math" {
			class = "mathlib"
		}
		for _, c := range m.Consts {
			if !slices.Contains(fields[class], c.Name) {
				t.Errorf("%s.%s is missing", m.Name, c.Name)
			}
		}
	}
	for _, typ := range Types() {
		for _, f := range typ.Methods {
			look(className(typ.Name)+"."+f.Name, f)
			n++
		}
		for _, a := range typ.Attrs {
			if !slices.Contains(fields[className(typ.Name)], a.Name) {
				t.Errorf("%s.%s is missing", typ.Name, a.Name)
			}
		}
	}
	for _, s := range hostlib.Settings() {
		if !slices.Contains(fields["job.settings"], s.Name) {
			t.Errorf("job: %s is missing", s.Name)
		}
	}
	if n < 200 {
		t.Errorf("only %d functions", n)
	}
	for _, line := range []string{
		"function db.upsert(table, rows, options) end", "---@param options db.upsert.options", "---@field key string[] ", "---@field update? string[] ",
		"function Ctx.emit(item, options) end", "---@param options? Ctx.emit.options", `---@field expect? "completed"|"failed"|"cancelled"|"any" `,
		"---@return any, Err # (value, err)", "---@overload fun(options: retry.options): RetryPolicy", "---@field max? integer ", "function json.array(t) end",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("%q is missing", line)
		}
	}
	if !json.Valid([]byte(LuaSettings("my/jobs"))) || !strings.Contains(LuaSettings("my/jobs"), `"my/jobs/?.lua"`) {
		t.Error(LuaSettings("my/jobs"))
	}
	if got, err := luascript.Format(LuaFileName, []byte(text)); err != nil || string(got) != text {
		t.Errorf("it is not formatted: %v", err)
	}
}
