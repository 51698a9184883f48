package luascript

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/dsengine/dsengine/scripting/coverage"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// The interpreter's parser tells lines alone, and of most nodes not where they end. So a
// file is read once more with each token on a line of its own: then a line is a token,
// and of tokens it is known where they stand.

// spans tells where the nodes of a file's tree begin and end.
type spans struct {
	tokens []token
	first  map[ast.PositionHolder]int // the token by which a node is placed
	last   map[ast.PositionHolder]int // the one that closes it, of those that have an end
}

type token struct {
	text       string // as it is written
	kind       int
	start, end coverage.Place // end is behind it
}

// spansOf reads a file again whose tree is there.
func spansOf(source []byte, tree []ast.Stmt) (*spans, error) {
	s := &spans{first: map[ast.PositionHolder]int{}, last: map[ast.PositionHolder]int{}}
	if err := s.scan(source); err != nil {
		return nil, err
	}
	var text strings.Builder
	at := map[int]int{} // tokens, by the lines on which they are now
	line := 1
	for i, t := range s.tokens {
		if t.kind == '(' && i > 0 && s.tokens[i-1].kind == ')' {
			text.WriteByte(' ') // the parser takes it for a mistake if it is on another line
		} else if i > 0 {
			text.WriteByte('\n')
			line++
		}
		if _, ok := at[line]; !ok {
			at[line] = i
		}
		text.WriteString(t.text)
		line += strings.Count(t.text, "\n")
	}
	again, err := parse.Parse(strings.NewReader(text.String()), "")
	if err != nil {
		return nil, err
	}
	here, there := holders(tree), holders(again)
	for i := range min(len(here), len(there)) {
		s.first[here[i]] = at[there[i].Line()]
		if n := there[i].LastLine(); n > 0 {
			s.last[here[i]] = at[n]
		}
	}
	return s, nil
}

// holders are the nodes of a tree, in one order.
func holders(tree []ast.Stmt) (list []ast.PositionHolder) {
	walk(tree, func(n any) bool {
		if p, ok := n.(ast.PositionHolder); ok {
			list = append(list, p)
		}
		return true
	})
	return list
}

// scan finds the tokens.
func (s *spans) scan(source []byte) error {
	lines := []int{0} // where they begin, as the scanner counts them
	for i := 0; i < len(source); i++ {
		if c := source[i]; c == '\n' || c == '\r' {
			if i+1 < len(source) && source[i+1] != c && (source[i+1] == '\n' || source[i+1] == '\r') {
				i++
			}
			lines = append(lines, i+1)
		}
	}
	at := func(p ast.Position) int { return lines[p.Line-1] + p.Column }
	place := func(offset, line int) coverage.Place {
		return coverage.Place{Line: line, Column: utf8.RuneCount(source[lines[line-1]:offset]) + 1}
	}
	scanner, state := parse.NewScanner(bytes.NewReader(source), ""), &parse.Lexer{}
	for {
		t, err := scanner.Scan(state)
		if err != nil || t.Type < 0 {
			return err
		}
		from, to := at(t.Pos)-1, at(scanner.Pos)
		s.tokens = append(s.tokens, token{string(source[from:to]), t.Type, place(from, t.Pos.Line), place(to, scanner.Pos.Line)})
	}
}

// begin is where a node begins: with what opens it.
func (s *spans) begin(n ast.PositionHolder, opens ...string) int {
	i := s.first[n]
	for i > 0 {
		before, found := s.tokens[i-1].text, false
		for _, o := range opens {
			found = found || before == o
		}
		if !found {
			break
		}
		i--
	}
	return i
}

// end is the last token of nodes, with the brackets that close them.
func (s *spans) end(from int, nodes ...any) int {
	i := from
	for _, n := range nodes {
		walk(n, func(n any) bool {
			if p, ok := n.(ast.PositionHolder); ok {
				i = max(i, s.first[p], s.last[p])
			}
			return true
		})
	}
	for s.tokens[i].kind == '(' && s.tokens[i+1].kind != ')' { // a node in brackets is placed by them
		i++
	}
	is := func(i int, kinds ...int) bool {
		for k, kind := range kinds {
			if i+k >= len(s.tokens) || s.tokens[i+k].kind != kind {
				return false
			}
		}
		return true
	}
	for {
		switch {
		case is(i+1, ')'), is(i+1, ']'), is(i+1, '}'):
			i++
		case is(i+1, '(', ')'), is(i+1, ':', parse.TIdent), is(i+1, ',', '}'), is(i+1, ';', '}'):
			i += 2
		default:
			return i
		}
	}
}

// names is the last token of a list of names behind the token from.
func (s *spans) names(from int) int {
	i := from + 1
	for i+2 < len(s.tokens) && s.tokens[i+1].kind == ',' {
		i += 2
	}
	return i
}

// closing is the first token behind from that closes a bracket.
func (s *spans) closing(from int) int {
	for i := from; i < len(s.tokens); i++ {
		if s.tokens[i].kind == ')' {
			return i
		}
	}
	return from
}
