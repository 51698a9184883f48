package hostlib

import (
	"regexp/syntax"
	"unicode/utf8"
)

// machine searches as package regexp does, with programs of the same compiler and in
// time in proportion to the text, but slower. It knows \b and \B of all letters, and a $
// that matches before a line feed at the end, too.
type machine struct {
	prog   *syntax.Prog
	groups int // with the whole match
	dollar int // the group that stands for $
	word   func(rune) bool
}

func newMachine(expression string, word func(rune) bool) (*machine, error) {
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, err
	}
	m := &machine{groups: tree.MaxCap() + 1, word: word}
	m.dollar = m.groups
	dollars(tree, m.dollar)
	m.prog, err = syntax.Compile(tree.Simplify())
	return m, err
}

// isDollar says that an expression is $, and not within (?m).
func isDollar(e *syntax.Regexp) bool {
	return e.Op == syntax.OpEndText && e.Flags&syntax.WasDollar != 0
}

// dollars makes each $ an empty group of a number that no other has.
func dollars(e *syntax.Regexp, group int) {
	if isDollar(e) {
		e.Op, e.Cap, e.Sub = syntax.OpCapture, group, []*syntax.Regexp{{Op: syntax.OpEmptyMatch}}
		return
	}
	for _, sub := range e.Sub {
		dollars(sub, group)
	}
}

// thread is a way to match a text up to here: the instruction it is at, and where
// groups began and ended.
type thread struct {
	at   uint32
	caps []int
}

// run is one search, or several of the same text.
type run struct {
	*machine
	text         string
	pos          int
	before, then rune     // beside pos; -1: none
	came, here   []thread // at pos: before, and after what takes no character; what is to be preferred first
	step         int      // counts positions
	seen         []int    // by instruction: the step that it was reached in last
	free         [][]int  // for caps
}

// FindStringSubmatchIndex is as regexp has it.
func (m *machine) FindStringSubmatchIndex(text string) []int { return m.over(text).from(0) }

// FindAllStringSubmatchIndex is as regexp has it.
func (m *machine) FindAllStringSubmatchIndex(text string, n int) [][]int {
	var all [][]int
	r, end := m.over(text), -1
	for pos := 0; pos <= len(text) && (n < 0 || len(all) < n); {
		at := r.from(pos)
		if at == nil {
			break
		}
		empty := at[1] == pos
		if !empty || at[0] != end {
			all = append(all, at)
		}
		if end = at[1]; empty {
			_, width := utf8.DecodeRuneInString(text[pos:])
			pos += max(width, 1)
		} else {
			pos = end
		}
	}
	return all
}

func (m *machine) over(text string) *run {
	return &run{machine: m, text: text, seen: make([]int, len(m.prog.Inst))}
}

// from is the first match that begins at a position or behind it.
func (r *run) from(pos int) (found []int) {
	anchored := r.prog.StartCond()&syntax.EmptyBeginText != 0
	r.before, r.pos, r.came = -1, pos, r.came[:0]
	if pos > 0 {
		r.before, _ = utf8.DecodeLastRuneInString(r.text[:pos])
	}
	for {
		width := 0
		if r.then = -1; r.pos < len(r.text) {
			r.then, width = utf8.DecodeRuneInString(r.text[r.pos:])
		}
		r.step++
		r.here = r.here[:0]
		for _, t := range r.came {
			r.add(t.at, t.caps)
			r.free = append(r.free, t.caps)
		}
		r.came = r.came[:0]
		if found == nil && (!anchored || r.pos == 0) {
			caps := r.caps()
			for i := range caps {
				caps[i] = -1
			}
			caps[0] = r.pos
			r.add(uint32(r.prog.Start), caps)
			r.free = append(r.free, caps)
		}
		for i, t := range r.here {
			in := &r.prog.Inst[t.at]
			if in.Op == syntax.InstMatch {
				found, t.caps[1] = t.caps, r.pos
				for _, worse := range r.here[i+1:] {
					r.free = append(r.free, worse.caps)
				}
				break
			}
			if width > 0 && in.MatchRune(r.then) {
				r.came = append(r.came, thread{in.Out, t.caps})
			} else {
				r.free = append(r.free, t.caps)
			}
		}
		if width == 0 || len(r.came) == 0 && (found != nil || anchored) {
			return found
		}
		r.before, r.pos = r.then, r.pos+width
	}
}

// caps is room for where groups are.
func (r *run) caps() []int {
	if n := len(r.free); n > 0 {
		caps := r.free[n-1]
		r.free = r.free[:n-1]
		return caps
	}
	return make([]int, 2*r.groups)
}

// add follows what takes no character. caps is the caller's, and is what it was after.
func (r *run) add(at uint32, caps []int) {
	for {
		if r.seen[at] == r.step {
			return
		}
		r.seen[at] = r.step
		in := &r.prog.Inst[at]
		switch in.Op {
		case syntax.InstFail:
			return
		case syntax.InstAlt, syntax.InstAltMatch:
			r.add(in.Out, caps)
			at = in.Arg
			continue
		case syntax.InstEmptyWidth:
			if !r.holds(syntax.EmptyOp(in.Arg)) {
				return
			}
		case syntax.InstCapture:
			if int(in.Arg) < len(caps) {
				was := caps[in.Arg]
				caps[in.Arg] = r.pos
				r.add(in.Out, caps)
				caps[in.Arg] = was
				return
			}
			// That of $, where it begins or ends.
			if rest := r.text[r.pos:]; rest != "" && rest != "\n" {
				return
			}
		case syntax.InstNop:
		default:
			mine := r.caps()
			copy(mine, caps)
			r.here = append(r.here, thread{at, mine})
			return
		}
		at = in.Out
	}
}

// holds says that all of these hold here.
func (r *run) holds(ops syntax.EmptyOp) bool {
	var here syntax.EmptyOp
	if r.before < 0 {
		here |= syntax.EmptyBeginText
	}
	if r.before < 0 || r.before == '\n' {
		here |= syntax.EmptyBeginLine
	}
	if r.then < 0 {
		here |= syntax.EmptyEndText
	}
	if r.then < 0 || r.then == '\n' {
		here |= syntax.EmptyEndLine
	}
	if r.word(r.before) != r.word(r.then) {
		here |= syntax.EmptyWordBoundary
	} else {
		here |= syntax.EmptyNoWordBoundary
	}
	return ops&^here == 0
}
