package luascript

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

var (
	aboutIndex   = regexp.MustCompile(`(?s)^attempt to index a non-table object\((\w+)\) with key '(.*)'$`)
	aboutArith   = regexp.MustCompile(`^cannot perform (\w+) operation between (\w+) and (\w+)$`)
	aboutCompare = regexp.MustCompile(`^attempt to compare (\w+) with (\w+)$`)
	operators    = map[string]string{"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%", "pow": "^"}
)

// What errors of the host library say to write: lists, dicts and functions, as Starlark
// has them.
var (
	listToWrite = regexp.MustCompile(`(\w = |write |list, |such as )\[((?:(?:"(?:[^"\\]|\\.)*"|[0-9]+)(?:, )?)+|\.\.\.|row)\]`)
	callToWrite = regexp.MustCompile(`\b([a-z][\w.]*)\(((?:"(?:[^"\\]|\\.)*", |\w+, )*)((?:\w+ = (?:\.\.\.|\{[^{}]+\})(?:, )?)+)\)`)
	dictToWrite = regexp.MustCompile(`(such as |\w = |: )\{("[^"]*": [^{}]*)\}`)
	nameInDict  = regexp.MustCompile(`"([A-Za-z_]\w*)": `)
	keyInDict   = regexp.MustCompile(`("[^"]*"): `)
	funcToWrite = regexp.MustCompile(`lambda (\w+): (\{[^{}]*\}|\w+\.json\(\)\[\.\.\.\]|\w+\.\w+\(\))`)
)

// wordsInLua are words of theirs that only Lua needs otherwise.
var wordsInLua = strings.NewReplacer(
	".json().get(...)", ".json()[...]",
	"write lambda: ...", "write function() ... end",
	"{}, an empty dict, not to a list", "{}, not to a list; an empty table is {} in JSON, and an empty list is json.array()",
)

// inLua is an error of the host library as Lua has it: what it says to write, and, where
// the call is wrong, which is told in words of ours alone, what is given and left out. What
// others said, such as a server, stays as it is; so does what strike takes for a secret,
// which is known by its letters.
func inLua(f *engine.Failure, strike func(text string) string) *engine.Failure {
	ours, theirs := f.Message, ""
	if i := strings.Index(ours, databaseSays); i >= 0 {
		ours, theirs = ours[:i], ours[i:]
	}
	if saidByOthers.MatchString(f.Code) || strike(f.Message) != f.Message {
		return f
	}
	m := toldInLua(ours)
	if f.Code == "usage" || f.Code == "db.value" {
		m = hostlib.WordsInLua(m)
	}
	if m += theirs; m == f.Message {
		return f
	}
	g := *f
	g.Message = m
	return &g
}

// databaseSays begins what a database has said.
const databaseSays = "(the database says: "

// saidByOthers are the codes of errors that tell what a server has answered.
var saidByOthers = regexp.MustCompile(`^(http\.[0-9]+|http\.(connect|redirect|loop|timeout)|(ftp|sftp|s3|mail|notify|oauth)\..+|db\.(error|syntax|refused|commit|connection))$`)

// toldInLua is a message with what it says to write as Lua has it.
func toldInLua(message string) string {
	m := listToWrite.ReplaceAllString(message, "$1{$2}")
	m = callToWrite.ReplaceAllString(m, "$1($2{$3})")
	m = dictToWrite.ReplaceAllStringFunc(m, func(s string) string {
		return keyInDict.ReplaceAllString(nameInDict.ReplaceAllString(s, "$1 = "), "[$1] = ")
	})
	return funcToWrite.ReplaceAllString(wordsInLua.Replace(m), "function($1) return $2 end")
}

// reworded says what the interpreter has raised in other words: what it is that
// is nil, and where that may come from.
func (r *run) reworded(_ *lua.LState, message string, stack []frame) string {
	var f *file
	line := 0
	if len(stack) > 0 {
		if _, rest, ok := strings.Cut(message, ".lua:"); ok { // "file:line: message"
			if at, what, ok := strings.Cut(rest, ": "); ok && strings.Trim(at, "0123456789") == "" {
				message = what
			}
		}
		f, line = r.script.shown(stack[0].file), stack[0].line
	}
	if m := aboutIndex.FindStringSubmatch(message); m != nil {
		what := f.indexed(line, m[2])
		if m[1] != "nil" {
			return fmt.Sprintf("%s is a %s, which has no %q", what, m[1], m[2])
		}
		return fmt.Sprintf("%s is nil, which has no %q%s", what, m[2], r.whyNil(what, f, line))
	}
	if m := aboutArith.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%s does not work with %s and %s", operators[m[1]], m[2], m[3])
	}
	if m := aboutCompare.FindStringSubmatch(message); m != nil {
		if m[1] == "userdata" || m[2] == "userdata" {
			other := m[1]
			if other == "userdata" {
				other = m[2]
			}
			return fmt.Sprintf("a %s has no order with the other value, which is a whole number beyond 2^53, an object or null: math.compare(a, b) < 0 takes any two numbers, a.compare(b) < 0 a decimal, and null has none", other)
		}
		return fmt.Sprintf("%s and %s have no order", m[1], m[2]) + textNumber(m[1], m[2])
	}
	if strings.HasPrefix(message, "for statement ") {
		return "a for loop counts from a number to a number, up to 2^53: one of them is none, or is larger (tonumber(...) makes a number of text)"
	}
	switch message {
	case "attempt to call a non-function object":
		return f.called(line) + " is no function"
	case "stack overflow":
		return fmt.Sprintf("functions call each other more than %d deep", maxCalls)
	case "registry overflow":
		return "too many values at once: more than fit into the calls under way"
	case "__unm undefined":
		return "- works with numbers alone"
	case "__len undefined":
		return "# works with strings and tables alone"
	}
	return message
}

// textNumber says what to do where one of two values is a number and the other a text.
func textNumber(x, y string) string {
	if x == "number" && y == "string" || x == "string" && y == "number" {
		return ": make a number of the text, by tonumber(...), which gives nil if it is none; fields of CSV are text"
	}
	return ""
}

// indexed is what an element of a name is asked of, on a line.
func (f *file) indexed(line int, key string) string {
	what := "it"
	if f == nil {
		return what
	}
	walk(f.tree, func(n any) bool {
		switch n := n.(type) {
		case *ast.AttrGetExpr:
			if k, ok := n.Key.(*ast.StringExpr); ok && k.Value == key && (n.Line() == line || k.Line() == line) {
				what = exprText(n.Object)
			}
		case *ast.FuncCallExpr:
			if n.Method == key && n.Receiver != nil && n.Line() == line {
				what = exprText(n.Receiver)
			}
		}
		return true
	})
	return what
}

// second says that a name is not the first that a loop over something sets, around a line.
func (f *file) second(name string, line int) (found bool) {
	if f == nil {
		return false
	}
	walk(f.tree, func(n any) bool {
		if loop, ok := n.(*ast.GenericForStmt); ok && loop.Line() <= line && line <= lastLine(loop) {
			found = slices.Contains(loop.Names[1:], name) // of the innermost one
		}
		return true
	})
	return found
}

// called is what is called on a line, if that is one thing.
func (f *file) called(line int) string {
	what := ""
	if f == nil {
		return "what is called"
	}
	walk(f.tree, func(n any) bool {
		if c, ok := n.(*ast.FuncCallExpr); ok && c.Line() == line {
			text := c.Method
			if c.Func != nil {
				text = exprText(c.Func)
			} else {
				text = exprText(c.Receiver) + ":" + text
			}
			if what != "" {
				text = "what is called"
			}
			what = text
		}
		return true
	})
	if what == "" {
		return "what is called"
	}
	return what
}

// whyNil says why something may be nil, on a line.
func (r *run) whyNil(what string, f *file, line int) string {
	if n := len(r.cur.loops); n > 0 && r.cur.loops[n-1].single && f.second(what, line) {
		return fmt.Sprintf(": an iterator gives one value, and no number before it: write for %s in ... do", what)
	}
	if what == "item" && r.call.Hook != nil && r.call.Hook.Item() == nil {
		return fmt.Sprintf(": the job has no payload; give it one by: dsengine enqueue %s --payload '{...}', or in produce, by what it emits or returns", r.call.Hook.Type().Name)
	}
	if what == "it" {
		return ""
	}
	return fmt.Sprintf(": see first whether there is something, by: if %s then", what)
}
