package sqlstore

import (
	"fmt"
	"slices"
	"strings"
)

const (
	shownSQL     = 40 // characters before and behind a place in a statement
	nearCut      = 70 // bytes of a statement's rest that a server shows whole; it cuts a little behind
	nearestWords = "look there, and just before it, for what is missing or misspelt"
)

// syntax says where a statement cannot be understood: in the script's own text. What
// the database shows of it may hold values, or parts of them.
func (t *teller) syntax(query string) string {
	at, line := t.place(query), 0
	if at >= 0 {
		line = strings.Count(query[:at], "\n") + 1
	} else {
		line = t.Line
	}
	in := ""
	if line > 0 && strings.Contains(strings.TrimSpace(query), "\n") {
		in = fmt.Sprintf("in line %d", line)
	}
	var before, behind string
	if at >= 0 {
		before, behind = t.s.strikeParts(query[:at]), t.s.strikeParts(query[at:])
	}
	switch {
	case at >= 0 && before+behind == t.s.strikeParts(query): // no secret is cut there
		near := "its end"
		if at < len(strings.TrimRight(query, " \t\r\n;")) {
			near = fmt.Sprintf("%q", cut(oneLine(behind), false))
		}
		if in != "" {
			in += ", "
		}
		if before = cut(oneLine(before), true); before != "" {
			before = fmt.Sprintf(", behind %q", before)
		}
		return fmt.Sprintf("the SQL cannot be understood %sat %s%s: %s", in, near, before, nearestWords)
	case in != "":
		return fmt.Sprintf("the SQL cannot be understood %s: %s", in, nearestWords)
	case at < 0 && !t.Rest && strings.Contains(query, t.Near) && t.s.strikeParts(query) == query:
		return fmt.Sprintf("the SQL cannot be understood at %q: %s", cut(oneLine(t.Near), false), nearestWords)
	}
	return "the SQL cannot be understood: look for what is missing or misspelt in it"
}

// place is where in a script's statement its syntax is wrong; -1: that is not known.
func (t *teller) place(query string) int {
	switch {
	case t.Near == "":
		return len(strings.TrimRight(query, " \t\r\n;"))
	case t.Rest:
		return placeOf(query, t.Near, t.Line)
	case strings.Count(query, t.Near) == 1:
		return strings.Index(query, t.Near)
	}
	return -1
}

// placeOf finds the place of a statement that a server shows with what follows, and
// values in the place of question marks: in the line first, which it may count otherwise.
func placeOf(query, near string, line int) int {
	whole := len(near) < nearCut
	if !whole { // its end may be half a letter
		near = strings.TrimSuffix(near, "...")
		near = near[:len(near)-4]
	}
	from := 0
	for n := 1; n < line && from < len(query); n++ {
		from = skipTo(query, from, "\n")
	}
	to := skipTo(query, from, "\n")
	if at := onlyPlace(query, from, to, near, whole); at >= 0 || from == 0 && to == len(query) {
		return at
	}
	return onlyPlace(query, 0, len(query), near, whole)
}

// onlyPlace is the one place in a part of a statement which a text follows, or -1.
func onlyPlace(query string, from, to int, near string, whole bool) int {
	places := placeholders(query)
	found := -1
	for at := from; at < to; at++ {
		if !follows(query, at, places, near, whole) {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = at
	}
	return found
}

// follows says whether a text, with values, is what stands at a place of a statement,
// with its question marks.
func follows(query string, at int, places []int, near string, whole bool) bool {
	k, _ := slices.BinarySearch(places, at)
	i := 0
	for ; at < len(query) && i < len(near); at++ {
		if k < len(places) && places[k] == at {
			i = skipValue(near, i)
			k++
			continue
		}
		if query[at] != near[i] {
			return false
		}
		i++
	}
	if !whole {
		return i >= len(near)
	}
	return strings.Trim(query[at:], " \t\r\n;") == "" && strings.Trim(near[min(i, len(near)):], " \t\r\n;") == ""
}

// skipValue is the place behind a value that the driver wrote.
func skipValue(text string, i int) int {
	i = len(text) - len(strings.TrimPrefix(text[i:], "_binary"))
	switch {
	case i < len(text) && text[i] == '\'':
		return skipString(text, i, true)
	case i < len(text) && text[i] == '(':
		return skipTo(text, i, ")")
	case i < len(text) && text[i] == '?': // it was not the driver that put values in
		return i + 1
	}
	for i < len(text) && (isWordByte(text[i]) || strings.IndexByte("+-.", text[i]) >= 0) {
		i++
	}
	return i
}

// oneLine is a text with single spaces between its words.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// cut is the beginning of a text, or its end.
func cut(text string, end bool) string {
	r := []rune(text)
	switch {
	case len(r) <= shownSQL:
		return text
	case end:
		return "..." + string(r[len(r)-shownSQL:])
	}
	return string(r[:shownSQL]) + "..."
}
