package starscript

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/syntax"
)

// habits are words that Python has and Starlark has not, with what to use.
var habits = map[string]string{
	"while":    "there is no while: loop over a range, as in for i in range(1000), and leave it by break",
	"try":      "there is no try: call a function by value, err = catch(fn, ...), and look at err",
	"except":   "there is no except: call a function by value, err = catch(fn, ...), and look at err",
	"finally":  "there is no finally: what is open is closed when its loop, or the hook, ends; a function is called after the commit by ctx.on_commit(fn)",
	"raise":    "there is no raise: error(\"what happened\") stops the hook",
	"assert":   "there is no assert: if not x: error(\"what happened\")",
	"class":    "there is no class: use a dict, and functions that take it",
	"with":     "there is no with: what is open is closed when its loop, or the hook, ends",
	"async":    "there is no async: hooks run side by side by themselves, see the setting slots",
	"await":    "there is no await: functions give their result at once; hooks run side by side by themselves, see the setting slots",
	"yield":    "there is no yield: give a list, or make a lazy loop by iter.map(fn, it) or iter.filter(fn, it)",
	"del":      "there is no del: d.pop(key) takes a key out of a dict, list.pop(i) an element out of a list",
	"global":   "there is no global: globals do not change after the script is loaded; give the value back, or keep it by state.set(name, value)",
	"nonlocal": "there is no nonlocal: put the value into a dict or a list that both functions see",
	"is":       "there is no is: write x == None, x != None",
	"as":       "there is no as: write name = value",
}

// got finds what a syntax error is about.
var got = regexp.MustCompile(`^got (\w+), want `)

// reserved finds a word of the language where a name is wanted, and what is before the dot.
var reserved = regexp.MustCompile(`(?:(\w+)\s*\.\s*)?\b([a-z]+)\s*$`)

// fString finds a text that has an f before it, at the end of a line.
var fString = regexp.MustCompile(`(?:^|[^\pL\pN_"'])((?:[fF][rR]?|[rR][fF])(?:"""(?:[^\\]|\\.)*"""|'''(?:[^\\]|\\.)*'''|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))$`)

// habit says of a syntax error that a habit from another language makes what to
// write instead, and where: the parser's place may be behind what it is about.
func habit(source []byte, pos syntax.Position, message string) (syntax.Position, string) {
	lines := strings.Split(strings.TrimPrefix(string(source), byteOrderMark), "\n")
	if pos.Line < 1 || int(pos.Line) > len(lines) {
		return pos, message
	}
	if strings.Contains(message, "indent") {
		if n, ok := tabs(lines); ok {
			pos.Line, pos.Col = int32(n), 1
			return pos, "lines are indented by tabs and by spaces, which do not go together: this one is unlike those before; use spaces alone"
		}
	}
	switch {
	case message == "got newline, want ':'":
		return missingColon(lines, pos)
	case strings.HasPrefix(message, "got indent, want "):
		return pos, "this line is indented further than the one before it, which begins no block"
	case strings.HasSuffix(message, ", want indent"):
		return pos, "a block must follow, indented further than the line that ends with a colon; write pass if there is nothing to do"
	}
	line := strings.TrimSuffix(lines[pos.Line-1], "\r")
	runes := []rune(line)
	before := string(runes[:min(max(int(pos.Col)-1, 0), len(runes))])
	word := ""
	if m := got.FindStringSubmatch(message); m != nil {
		word = m[1]
	}
	place := func(n int) { // to the n-th byte of the line
		pos.Col = int32(utf8.RuneCountInString(line[:n])) + 1
	}
	first := ""
	if words := strings.Fields(line); len(words) > 0 {
		first = words[0]
	}
	indent := strings.Index(line, first)
	switch {
	case (word == "import" || word == "from") && (first == "import" || first == "from"):
		place(indent)
		return pos, importHint(line)
	case first == "assert" && strings.HasSuffix(message, "want newline"):
		place(indent)
		return pos, habits[first]
	case strings.HasPrefix(message, "non-ASCII "): // hex escape, octal escape
		return pos, message + `, or b"..." for bytes`
	case first == "else" && word == "if":
		place(indent)
		return pos, "write elif for else if"
	case habits[word] != "":
		if strings.HasSuffix(before, word) {
			place(len(before) - len(word))
		}
		return pos, habits[word]
	case message == "not an identifier":
		if m := reserved.FindStringSubmatchIndex(before); m != nil {
			place(m[4])
			return pos, notAName(before[max(m[2], 0):max(m[3], 0)], before[m[4]:m[5]])
		}
	case strings.HasPrefix(message, "got string literal"):
		if m := fString.FindStringSubmatchIndex(before); m != nil {
			place(m[2])
			return pos, `there are no f-strings: write "%s of %d" % (a, b), or "{} of {}".format(a, b)`
		}
	}
	for _, s := range signs {
		if s.says.MatchString(message) && s.line.MatchString(line) {
			return pos, s.hint
		}
	}
	return pos, message
}

// signs are signs of other languages.
var signs = []struct {
	says, line *regexp.Regexp
	hint       string
}{
	{regexp.MustCompile(`got '\*\*'`), regexp.MustCompile(`\*\*`), "there is no ** for powers: write x * x, or math.pow(x, y)"},
	{regexp.MustCompile(`got newline, want primary`), regexp.MustCompile(`(\+\+|--)\s*$`), "there is no ++ and no --: write x += 1, x -= 1"},
	{regexp.MustCompile(`got '&'|got '\|'`), regexp.MustCompile(`&&|\|\|`), "write and, or"},
	{regexp.MustCompile(`input character '!'`), regexp.MustCompile(`!`), "write not"},
	{regexp.MustCompile(`got '?[=:]'?`), regexp.MustCompile(`:=`), "there is no := : set the variable on a line of its own"},
	{regexp.MustCompile(`input character '@'`), regexp.MustCompile(`^\s*@`), "there are no decorators"},
	{regexp.MustCompile(`got '?:'?,`), regexp.MustCompile(`^\s*(def\s.*\w\s*:\s*\w|\w+\s*:)`), "there are no annotations of types: leave out the colon and the type"},
	{regexp.MustCompile(`got '[->]`), regexp.MustCompile(`^\s*def\s.*->`), "there are no annotations of types: leave out the arrow and the type"},
}

func isWord(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }

// notAName says of a word of the language that it is no name; of is the name that is
// before it and a dot, "" if none is.
func notAName(of, word string) string {
	if m := hostlib.ModuleNamed(of); m != nil {
		return m.Missing(word).Error()
	}
	return fmt.Sprintf("%s is a word of the language, and nothing can have it as its name", word)
}

// importHint says what to write in place of an import.
func importHint(line string) string {
	const load = `a helper file is loaded by load("lib/x.star", "name")`
	words := strings.FieldsFunc(line, func(c rune) bool { return !isWord(c) })
	if len(words) > 1 && hostlib.ModuleNamed(words[1]) != nil {
		return fmt.Sprintf("there is no import: the module %s is there without one (dsengine docs %s); %s", words[1], words[1], load)
	}
	return "there is no import: modules are there without one (dsengine docs lists them); " + load
}

// missingColon says so where the colon is to stand: the parser's place is the line
// after that.
func missingColon(lines []string, pos syntax.Position) (syntax.Position, string) {
	for n := int(pos.Line) - 1; n > 0; n-- {
		if code := withoutComment(lines[n-1]); code != "" {
			pos.Line, pos.Col = int32(n), int32(utf8.RuneCountInString(code))+1
			break
		}
	}
	return pos, "got newline, want ':' at the end of the line"
}

// withoutComment is the code of a line.
func withoutComment(line string) string {
	quote := rune(0)
	escaped := false
	for i, c := range line {
		switch {
		case escaped:
			escaped = false
		case quote != 0 && c == '\\':
			escaped = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '#':
			return strings.TrimRightFunc(line[:i], unicode.IsSpace)
		}
	}
	return strings.TrimRightFunc(line, unicode.IsSpace)
}
