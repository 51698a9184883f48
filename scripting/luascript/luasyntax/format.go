package luasyntax

import (
	"slices"
	"strings"
)

const indentBy = "  "

// Format gives a text the form that all scripts have: lines are indented by two
// spaces a block, words stand apart by one space or none, nothing is behind the end of
// a line, no two empty lines follow each other. Words and comments stay as they are,
// and on their lines. The error is an *Error.
func Format(source string) (string, error) {
	f, err := Parse(source)
	if err != nil {
		return "", err
	}
	w := &formatter{starts: f.Starts}
	for i := range f.Tokens {
		w.token(f.Tokens, i)
	}
	text := w.text.String()
	if text == "" {
		return "", nil
	}
	text += "\n"
	again, err := Scan(text)
	if err != nil || !slices.EqualFunc(f.Tokens, again, same) {
		return "", &Error{Message: "a fault of dsengine itself: formatting would change what it says, so it stays as it is"}
	}
	return text, nil
}

// same says that two tokens say the same.
func same(a, b Token) bool {
	return a.Kind == b.Kind && a.Value == b.Value && plain(a) == plain(b)
}

// plain is a token as it is written; what is behind a comment's last word is none of
// it, nor is how its lines end.
func plain(t Token) string {
	if t.Kind != Comment {
		return t.Text
	}
	return strings.TrimRight(strings.ReplaceAll(strings.ReplaceAll(t.Text, "\r\n", "\n"), "\r", "\n"), " \t")
}

// opened is a bracket or a block that is open.
type opened struct {
	sign   string
	indent int // of the line where it stands
}

type formatter struct {
	text   strings.Builder
	starts map[Pos]bool
	open   []opened
	indent int   // of the line that is written
	before Token // the one before, comments too
	word   Token // the one before that is no comment
	unary  bool  // it stands before its operand
	begun  bool
	loops  int // for and while whose do is still to come
	labels int // how many :: there were: two make a label
}

// token writes a token, with what is between it and the one before.
func (w *formatter) token(list []Token, i int) {
	t := list[i]
	if t.Kind == EOF {
		return
	}
	first := !w.begun || t.Line > w.before.End.Line
	if first {
		w.line(list, i)
	} else if w.apart(t) {
		w.text.WriteByte(' ')
	}
	w.text.WriteString(plain(t))
	unary := t.Is("not") || t.Is("#") || t.Is("-") && !operandEnds(w.word)
	w.begun, w.before = true, t
	if t.Kind == Comment {
		return
	}
	w.blocks(t)
	w.word, w.unary = t, unary
}

// line begins the line of a token.
func (w *formatter) line(list []Token, i int) {
	t := list[i]
	if w.begun {
		w.text.WriteByte('\n')
		if t.Line > w.before.End.Line+1 {
			w.text.WriteByte('\n')
		}
	}
	next := t // that is no comment
	for n := i; next.Kind == Comment; n++ {
		next = list[n+1]
	}
	inner := opened{indent: -1}
	if len(w.open) > 0 {
		inner = w.open[len(w.open)-1]
	}
	switch {
	case t.Kind != Comment && closes(t), t.Is("then"), t.Is("do") && (inner.sign == "for" || inner.sign == "while"):
		w.indent = max(inner.indent, 0)
	case bracket(inner.sign), w.starts[next.Pos], next.Kind == EOF, closes(next), next.Is(";"):
		w.indent = inner.indent + 1
	default: // a statement goes on
		w.indent = inner.indent + 2
	}
	w.text.WriteString(strings.Repeat(indentBy, w.indent))
}

// closes says that a token ends the bracket or block that is open.
func closes(t Token) bool {
	return slices.ContainsFunc([]string{")", "}", "]", "end", "else", "elseif", "until"}, t.Is)
}

func bracket(sign string) bool { return sign == "(" || sign == "{" || sign == "[" }

// blocks notes what a token opens and closes.
func (w *formatter) blocks(t Token) {
	push := func() { w.open = append(w.open, opened{t.Text, w.indent}) }
	pop := func() {
		if len(w.open) > 0 {
			w.open = w.open[:len(w.open)-1]
		}
	}
	switch {
	case t.Is("::"):
		w.labels++
	case t.Is("for"), t.Is("while"):
		w.loops++
		push()
	case t.Is("do"):
		if len(w.open) > 0 && w.loops > 0 && (w.open[len(w.open)-1].sign == "for" || w.open[len(w.open)-1].sign == "while") {
			w.open[len(w.open)-1].sign = "do"
			w.loops--
			return
		}
		push()
	case t.Is("("), t.Is("{"), t.Is("["), t.Is("function"), t.Is("if"), t.Is("repeat"):
		push()
	case t.Is("else"), t.Is("elseif"):
		pop()
		push()
	case closes(t):
		pop()
	}
}

// operandEnds says that an operand may end with a token: what follows is an operator.
func operandEnds(t Token) bool {
	switch t.Kind {
	case Word, Number, String:
		return true
	case Keyword:
		return t.Is("end") || t.Is("nil") || t.Is("true") || t.Is("false")
	}
	return t.Is(")") || t.Is("]") || t.Is("}") || t.Is("...")
}

// apart says whether a space is between a token and the one before, on its line.
func (w *formatter) apart(t Token) bool {
	before := w.before
	switch {
	case t.Kind == Comment || before.Kind == Comment:
		return true
	case t.Is(",") || t.Is(";") || t.Is(")") || t.Is("}"):
		return false
	case t.Is("]"):
		return strings.HasSuffix(before.Text, "]") && before.Kind == String // t[ [[x]] ]
	case before.Is("["):
		return strings.HasPrefix(t.Text, "[")
	case before.Is("(") || before.Is("{"):
		return false
	case t.Is("::"):
		return w.labels%2 == 0
	case before.Is("::"):
		return w.labels%2 == 0
	case t.Is(".") || t.Is(":"):
		return before.Kind == Number // 1 .x is no script, but 1. is a number
	case before.Is(".") || before.Is(":"):
		return false
	case w.unary:
		return before.Is("not") || before.Is("-") && t.Is("-")
	case t.Is("("):
		return !operandEnds(before) && !before.Is("function")
	case t.Is("["), t.Is("{"):
		return !operandEnds(before)
	}
	return true
}
