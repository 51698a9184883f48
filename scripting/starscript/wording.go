package starscript

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// What the interpreter says of frequent mistakes, and what is said instead: $1 and
// so on are those of says.
var wordings = []struct {
	says *regexp.Regexp
	word string
}{
	{regexp.MustCompile(`^(?:\w+: )?cannot \w+(?: \w+)* frozen (?:hash table|list|set)$`),
		"a global cannot be changed after the script is loaded, nor can what it holds: keep the value by state.set(name, value) or vars.set(name, value), or make the list or dict in the hook"},
	{regexp.MustCompile(`^unknown binary op: string \+ (int|float|bool)$`), "a string and $1 cannot be added: make a string of the other one, by str(...), or a number of the string, by int(...) or float(...); fields of CSV are text"},
	{regexp.MustCompile(`^unknown binary op: (int|float|bool) \+ string$`), "$1 and a string cannot be added: make a string of the first one, by str(...), or a number of the other one, by int(...) or float(...); fields of CSV are text"},
	{regexp.MustCompile(`^%([doxX]) format requires integer: cannot convert decimal to int$`), "%$1 in a format takes a whole number, and got a decimal: write %s, or make a whole number of it, by x.to_int()"},
	{regexp.MustCompile(`^(?:int: )?cannot convert decimal to int$`), "int() takes no decimal: write x.to_int(), which cuts off what is behind the point, or x.round().to_int()"},
	{regexp.MustCompile(`^float got decimal, want number or string$`), "float() takes no decimal: write x.to_float(), which gives the nearest float"},
	{regexp.MustCompile(`^%([eEfFgG]) format requires float, not decimal$`), "%$1 in a format takes a number, and got a decimal: write %s, or make a float of it, by x.to_float()"},
	{regexp.MustCompile(`^%([doxX]) format requires integer: cannot convert (\w+) to int$`), "%$1 in a format takes a whole number, and got a $2: write %s, or make a number of it, by int(...)"},
	{regexp.MustCompile(`(?s)^int: invalid literal with base 10: ([^"].*|)$`), `int: invalid literal with base 10: "$1"`},
	{regexp.MustCompile(`(?s)^invalid float literal: ([^"].*|)$`), `float: invalid literal: "$1"`},
	{regexp.MustCompile(`^float: empty string$`), `float: invalid literal: ""`},
	{regexp.MustCompile(`^%([eEfFgG]) format requires float, not (\w+)$`), "%$1 in a format takes a number, and got a $2: write %s, or make a number of it, by float(...)"},
}

var (
	mixedOrder = regexp.MustCompile(`^(?:unknown binary op: )?(string|int|float) (<|<=|>|>=|-|/|//) (string|int|float)(?: not implemented)?$`)
	outOfRange = regexp.MustCompile(`^(\w+) index (-?\d+) out of range \[-(\d+):-?\d+\]$`)
	noFunction = regexp.MustCompile(`^invalid call of non-function \((\w+)\)$`)
)

// reword words what the interpreter says of frequent mistakes; it gives other
// messages as they are.
func (r *run) reword(message string, stack starlark.CallStack) string {
	for _, w := range wordings {
		if m := w.says.FindStringSubmatchIndex(message); m != nil {
			return string(w.says.ExpandString(nil, w.word, message, m))
		}
	}
	if m := mixedOrder.FindStringSubmatch(message); m != nil && (m[1] == "string") != (m[3] == "string") && len(stack) > 0 {
		pos, text := stack.At(0).Pos, "..."
		if tree, source := r.script.tree(pos.Filename()); tree != nil {
			if e := operand(tree, pos, m[3] == "string"); e != nil {
				text = shortText(source, e)
			}
		}
		return fmt.Sprintf("%s does not work with %s and %s: make a number of the string, by float(%s); fields of CSV are text", m[2], m[1], m[3], text)
	}
	if m := outOfRange.FindStringSubmatch(message); m != nil {
		n, err := strconv.Atoi(m[3])
		switch {
		case err != nil:
			return message
		case n == 0:
			return fmt.Sprintf("%s index %s is out of range: the %[1]s is empty", m[1], m[2])
		case n == 1:
			return fmt.Sprintf("%s index %s is out of range: the %[1]s has 1 element, whose index is 0", m[1], m[2])
		}
		return fmt.Sprintf("%s index %s is out of range: the %[1]s has %[3]d elements, from 0 to %d", m[1], m[2], n, n-1)
	}
	if m := noFunction.FindStringSubmatch(message); m != nil && len(stack) > 0 && m[1] != starlark.None.Type() {
		pos := stack.At(0).Pos
		if tree, source := r.script.tree(pos.Filename()); tree != nil {
			if e := operand(tree, pos, false); e != nil {
				text := shortText(source, e)
				return fmt.Sprintf("%s is %s, not a function: leave out the brackets behind it", text, article(m[1]))
			}
		}
	}
	return message
}

func article(word string) string {
	if strings.ContainsRune("aeio", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

// tabs says of an error about an indent that lines are indented by tabs and by
// spaces, if they are; the place is that of the first line that is unlike those before.
func tabs(lines []string) (line int, ok bool) {
	kind := byte(0)
	for i, l := range lines {
		switch {
		case l == "" || l[0] != ' ' && l[0] != '\t' || strings.TrimSpace(l) == "":
		case kind == 0:
			kind = l[0]
		case kind != l[0]:
			return i + 1, true
		}
	}
	return 0, false
}
