package starscript

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bazelbuild/buildtools/build"
	"go.starlark.net/syntax"
)

// Format gives a script the form that all scripts have, which is that of
// buildifier. Comments stay. The error is a *hostlib.LoadError: the script cannot
// be read, or the result would not say the same as before.
func Format(shown string, source []byte) ([]byte, error) {
	source = bytes.TrimPrefix(source, []byte("\xef\xbb\xbf"))
	source = bytes.ReplaceAll(source, []byte("\r\n"), []byte("\n"))
	f := &file{shown: shown}
	fault := func(pos syntax.Position, format string, args ...any) ([]byte, error) {
		f.fail(pos, format, args...)
		return nil, f.errs[0]
	}
	tree, err := options.Parse(shown, source, syntax.RetainComments)
	if err != nil {
		f.failed(err, nil)
		return nil, f.errs[0]
	}
	plain, literals, err := plainly(shown, tree, source)
	if err != nil {
		return fault(syntax.Position{}, "%v", err)
	}
	parsed, err := build.ParseDefault(shown, plain)
	var where build.ParseError
	switch {
	case errors.As(err, &where):
		return fault(syntax.MakePosition(&shown, int32(where.Pos.Line), int32(where.Pos.LineRune)), "it cannot be formatted, though it may run: %s", where.Message)
	case err != nil:
		return fault(syntax.Position{}, "it cannot be formatted, though it may run: %v", err)
	}
	text := string(build.Format(parsed))
	for name, raw := range literals {
		text = strings.Replace(text, name, raw, 1)
	}
	again, err := options.Parse(shown, text, syntax.RetainComments)
	if err != nil || !maps.Equal(substance(tree), substance(again)) {
		return fault(syntax.Position{}, "a fault of dsengine itself: formatting would change what it says, so it stays as it is")
	}
	return []byte(text), nil
}

// plainly replaces what buildtools does not know, or makes something else of: tabs
// before statements, quotes around what is not ASCII, and bytes literals, for
// which it gives the strings that stand for them.
func plainly(shown string, tree *syntax.File, source []byte) ([]byte, map[string]string, error) {
	inside := map[int]bool{} // lines, from 0, that begin within a literal
	var found []*syntax.Literal
	look := func(n syntax.Node) bool {
		if l, ok := n.(*syntax.Literal); ok {
			start, end := l.Span()
			for i := start.Line; i < end.Line; i++ {
				inside[int(i)] = true
			}
			if l.Token == syntax.BYTES || requoted(l) != l.Raw {
				found = append(found, l)
			}
		}
		return true
	}
	syntax.Walk(tree, look)
	lines := strings.SplitAfter(string(source), "\n")
	for i, line := range lines {
		if rest := strings.TrimLeft(line, " \t"); !inside[i] && strings.Contains(line[:len(line)-len(rest)], "\t") {
			lines[i] = strings.Repeat(" ", width(line[:len(line)-len(rest)])) + rest
		}
	}
	if len(found) == 0 {
		return []byte(strings.Join(lines, "")), nil, nil
	}
	text := strings.Join(lines, "")
	tree, err := options.Parse(shown, text, 0)
	if err != nil {
		return nil, nil, err
	}
	found = nil
	syntax.Walk(tree, look)
	word := "bytes"
	for strings.Contains(text, word) {
		word += "-"
	}
	literals := map[string]string{}
	for i, l := range slices.Backward(found) {
		start, _ := l.Span()
		name := requoted(l)
		if l.Token == syntax.BYTES {
			name = fmt.Sprintf("%q", fmt.Sprintf("%s%d.", word, i))
			literals[name] = l.Raw
		}
		from := len(strings.Join(lines[:start.Line-1], "")) + len(string([]rune(lines[start.Line-1])[:start.Col-1]))
		text = text[:from] + name + text[from+len(l.Raw):]
	}
	return []byte(text), literals, nil
}

// noPower is a number with an exponent of zeros.
var noPower = regexp.MustCompile(`^(.*)[eE][+-]?0+$`)

// requoted is a literal in double quotes, if it is a text in single ones that
// neither is raw nor has double quotes in it. buildtools writes what is not ASCII
// in it by its bytes, which Starlark does not take. A number is one without an
// exponent of zeros.
func requoted(l *syntax.Literal) string {
	if l.Token == syntax.FLOAT { // of an exponent of zeros it leaves the e alone
		m := noPower.FindStringSubmatch(l.Raw)
		switch {
		case m == nil:
			return l.Raw
		case !strings.Contains(m[1], "."):
			return m[1] + ".0"
		}
		return m[1]
	}
	if l.Token != syntax.STRING || l.Raw[0] != '\'' || strings.Contains(l.Value.(string), `"`) {
		return l.Raw
	}
	quote := "'"
	if strings.HasPrefix(l.Raw, "'''") {
		quote = "'''"
	}
	var b strings.Builder
	escaped := false
	for _, c := range l.Raw[len(quote) : len(l.Raw)-len(quote)] {
		switch {
		case !escaped && c == '\\':
			escaped = true
			continue
		case escaped && c != '\'':
			b.WriteByte('\\')
		}
		escaped = false
		b.WriteRune(c)
	}
	quote = strings.Repeat(`"`, len(quote))
	return quote + b.String() + quote
}

// width is how far white space indents: a tab goes to the next multiple of 8.
func width(space string) (n int) {
	for _, c := range space {
		if n++; c == '\t' {
			n = (n + 7) / 8 * 8
		}
	}
	return n
}

// substance is what a script says, whatever its form: how often each name,
// value, operator and comment is in it. What is loaded counts once, and may be
// in any order; the white space of texts that only tell something counts as one
// space.
func substance(f *syntax.File) map[string]int {
	said := map[string]int{}
	told := map[syntax.Node]bool{}
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			return true
		}
		if c := n.Comments(); c != nil {
			for _, list := range [][]syntax.Comment{c.Before, c.Suffix, c.After} {
				for _, one := range list {
					said["comment "+strings.TrimSpace(one.Text)]++
				}
			}
		}
		switch n := n.(type) {
		case *syntax.LoadStmt:
			told[n.Module] = true
			for i := range n.From {
				told[n.From[i]], told[n.To[i]] = true, true
				said[fmt.Sprintf("load %s %s %s", n.ModuleName(), n.From[i].Name, n.To[i].Name)] = 1
			}
		case *syntax.ExprStmt:
			if l, ok := n.X.(*syntax.Literal); ok && l.Token == syntax.STRING {
				told[l] = true
				said["text "+strings.Join(strings.Fields(l.Value.(string)), " ")]++
			}
		case *syntax.Ident:
			if !told[n] {
				said["name "+n.Name]++
			}
		case *syntax.Literal:
			if !told[n] {
				said[fmt.Sprintf("%s %v", n.Token, n.Value)]++
			}
		case *syntax.BinaryExpr:
			said["operator "+n.Op.String()]++
		case *syntax.UnaryExpr:
			said["operator "+n.Op.String()]++
		case *syntax.AssignStmt:
			said["assign "+n.Op.String()]++
		case *syntax.BranchStmt:
			said["branch "+n.Token.String()]++
		default:
			said[strings.TrimPrefix(fmt.Sprintf("%T", n), "*syntax.")]++
		}
		return true
	})
	delete(said, "LoadStmt") // loads of one file may become one
	return said
}
