package luascript

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxCaptures and maxMatchDepth are Lua's own bounds.
const (
	maxCaptures   = 32
	maxMatchDepth = 200
)

// Lengths of captures that have none.
const (
	captureOpen     = -1
	capturePosition = -2
)

// matcher finds a pattern of Lua's in a string. Each step counts as one of the
// script, so that it ends when the script must.
type matcher struct {
	*args
	s, p     string
	level    int // captures so far
	captures [maxCaptures]struct{ at, length int }
	depth    int
}

func (m *matcher) bad(format string, args ...any) {
	m.run.raisef(m.l, "%s: the pattern %s: "+format, append([]any{m.name, quoted(m.p)}, args...)...)
}

// classEnd is where the single character class ends that begins at p.
func (m *matcher) classEnd(p int) int {
	c := m.p[p]
	p++
	switch c {
	case '%':
		if p == len(m.p) {
			m.bad("it ends with %%")
		}
		return p + 1
	case '[':
		if p < len(m.p) && m.p[p] == '^' {
			p++
		}
		for first := true; first || p >= len(m.p) || m.p[p] != ']'; first = false {
			if p >= len(m.p) {
				m.bad("a ] is missing")
			}
			if m.p[p] == '%' {
				p++
			}
			p++
		}
		return p + 1
	}
	return p
}

func isClass(c, class byte) (is bool) {
	switch class | 0x20 {
	case 'a':
		is = c|0x20 >= 'a' && c|0x20 <= 'z'
	case 'd':
		is = c >= '0' && c <= '9'
	case 'l':
		is = c >= 'a' && c <= 'z'
	case 's':
		is = c == ' ' || c >= '\t' && c <= '\r'
	case 'u':
		is = c >= 'A' && c <= 'Z'
	case 'w':
		is = c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
	case 'x':
		is = c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
	case 'p':
		is = c > ' ' && c < 0x7f && !isClass(c, 'w')
	case 'c':
		is = c < ' ' || c == 0x7f
	case 'z':
		is = c == 0
	default:
		return class == c
	}
	if class >= 'A' && class <= 'Z' {
		return !is
	}
	return is
}

// inSet says whether c is in the set from the [ at p to the ] at end-1.
func (m *matcher) inSet(c byte, p, end int) bool {
	in := true
	end--
	p++
	if m.p[p] == '^' {
		in = false
		p++
	}
	for ; p < end; p++ {
		switch {
		case m.p[p] == '%' && p+1 < end:
			if p++; isClass(c, m.p[p]) {
				return in
			}
		case p+2 < end && m.p[p+1] == '-':
			if m.p[p] <= c && c <= m.p[p+2] {
				return in
			}
			p += 2
		case m.p[p] == c:
			return in
		}
	}
	return !in
}

// single says whether the character at s is in the class from p to end.
func (m *matcher) single(s, p, end int) bool {
	if s >= len(m.s) {
		return false
	}
	m.run.spend(m.l, 1)
	switch c := m.s[s]; m.p[p] {
	case '.':
		return true
	case '%':
		return isClass(c, m.p[p+1])
	case '[':
		return m.inSet(c, p, end)
	default:
		return m.p[p] == c
	}
}

// match says where the match ends of the pattern from p with the string from s;
// -1: there is none.
func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > maxMatchDepth {
		m.bad("it is too complex")
	}
	defer func() { m.depth-- }()
	for {
		m.run.spend(m.l, 1)
		if p == len(m.p) {
			return s
		}
		switch {
		case m.p[p] == '(':
			if p+1 < len(m.p) && m.p[p+1] == ')' {
				return m.open(s, p+2, capturePosition)
			}
			return m.open(s, p+1, captureOpen)
		case m.p[p] == ')':
			return m.close(s, p+1)
		case m.p[p] == '$' && p+1 == len(m.p):
			if s == len(m.s) {
				return s
			}
			return -1
		case m.p[p] == '%' && p+1 < len(m.p) && m.p[p+1] == 'b':
			if s = m.balanced(s, p+2); s < 0 {
				return -1
			}
			p += 4
			continue
		case m.p[p] == '%' && p+1 < len(m.p) && m.p[p+1] == 'f':
			if p += 2; p >= len(m.p) || m.p[p] != '[' {
				m.bad("%%f is followed by no [")
			}
			end := m.classEnd(p)
			var before, here byte
			if s > 0 {
				before = m.s[s-1]
			}
			if s < len(m.s) {
				here = m.s[s]
			}
			if m.inSet(before, p, end) || !m.inSet(here, p, end) {
				return -1
			}
			p = end
			continue
		case m.p[p] == '%' && p+1 < len(m.p) && m.p[p+1] >= '0' && m.p[p+1] <= '9':
			if s = m.again(s, m.p[p+1]); s < 0 {
				return -1
			}
			p += 2
			continue
		}
		end := m.classEnd(p)
		var suffix byte
		if end < len(m.p) {
			suffix = m.p[end]
		}
		switch suffix {
		case '?':
			if m.single(s, p, end) {
				if e := m.match(s+1, end+1); e >= 0 {
					return e
				}
			}
			p = end + 1
		case '+':
			if !m.single(s, p, end) {
				return -1
			}
			return m.most(s+1, p, end)
		case '*':
			return m.most(s, p, end)
		case '-':
			for {
				if e := m.match(s, end+1); e >= 0 {
					return e
				}
				if !m.single(s, p, end) {
					return -1
				}
				s++
			}
		default:
			if !m.single(s, p, end) {
				return -1
			}
			s++
			p = end
		}
	}
}

// most matches as many as there are, then fewer.
func (m *matcher) most(s, p, end int) int {
	n := 0
	for m.single(s+n, p, end) {
		n++
	}
	for ; n >= 0; n-- {
		if e := m.match(s+n, end+1); e >= 0 {
			return e
		}
	}
	return -1
}

func (m *matcher) open(s, p, what int) int {
	if m.level == maxCaptures {
		m.bad("it has more than %d captures", maxCaptures)
	}
	m.captures[m.level].at, m.captures[m.level].length = s, what
	m.level++
	e := m.match(s, p)
	if e < 0 {
		m.level--
	}
	return e
}

func (m *matcher) close(s, p int) int {
	i := m.level - 1
	for i >= 0 && m.captures[i].length != captureOpen {
		i--
	}
	if i < 0 {
		m.bad("a ) has no (")
	}
	m.captures[i].length = s - m.captures[i].at
	e := m.match(s, p)
	if e < 0 {
		m.captures[i].length = captureOpen
	}
	return e
}

func (m *matcher) balanced(s, p int) int {
	if p+1 >= len(m.p) {
		m.bad("%%b needs two characters")
	}
	if s >= len(m.s) || m.s[s] != m.p[p] {
		return -1
	}
	depth := 1
	for i := s + 1; i < len(m.s); i++ {
		m.run.spend(m.l, 1)
		switch m.s[i] {
		case m.p[p+1]:
			if depth--; depth == 0 {
				return i + 1
			}
		case m.p[p]:
			depth++
		}
	}
	return -1
}

// again matches what a capture has matched.
func (m *matcher) again(s int, digit byte) int {
	i := int(digit - '1')
	if i < 0 || i >= m.level || m.captures[i].length == captureOpen {
		m.bad("there is no capture %%%c", digit)
	}
	c := m.captures[i]
	if c.length < 0 {
		return -1
	}
	m.run.spend(m.l, c.length/16)
	if strings.HasPrefix(m.s[s:], m.s[c.at:c.at+c.length]) {
		return s + c.length
	}
	return -1
}

// capture is what a capture has matched; the whole match if there are none.
func (m *matcher) capture(i, from, to int) lua.LValue {
	if i >= m.level {
		if i > 0 {
			m.bad("there is no capture %%%d", i+1)
		}
		return lua.LString(m.s[from:to])
	}
	c := m.captures[i]
	switch c.length {
	case capturePosition:
		return lua.LNumber(c.at + 1)
	case captureOpen:
		m.bad("a ) is missing")
	}
	return lua.LString(m.s[c.at : c.at+c.length])
}

// push pushes all captures, or the whole match.
func (m *matcher) pushAll(from, to int, whole bool) int {
	n := m.level
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		m.l.Push(m.capture(i, from, to))
	}
	return n
}

// start is the byte at which a search begins, from 0; -1: behind the end.
func start(n, init int) int {
	switch {
	case init < 0:
		init = max(n+init+1, 1)
	case init == 0:
		init = 1
	}
	if init > n+1 {
		return -1
	}
	return init - 1
}

func find(a *args, positions bool) int {
	s, p := a.text(1), a.text(2)
	from := start(len(s), a.intOr(3, 1))
	if from < 0 {
		return a.push(lua.LNil)
	}
	if positions && (lua.LVAsBool(a.l.Get(4)) || !strings.ContainsAny(p, "^$*+?.([%-")) {
		a.run.spend(a.l, (len(s)-from)/16)
		i := strings.Index(s[from:], p)
		if i < 0 {
			return a.push(lua.LNil)
		}
		return a.push(lua.LNumber(from+i+1), lua.LNumber(from+i+len(p)))
	}
	m := &matcher{args: a, s: s, p: p}
	at := 0
	anchored := strings.HasPrefix(p, "^")
	if anchored {
		at = 1
	}
	for ; from <= len(s); from++ {
		m.level, m.depth = 0, 0
		if to := m.match(from, at); to >= 0 {
			if !positions {
				return m.pushAll(from, to, true)
			}
			a.push(lua.LNumber(from+1), lua.LNumber(to))
			return 2 + m.pushAll(from, to, false)
		}
		if anchored {
			break
		}
	}
	return a.push(lua.LNil)
}

func init() {
	ownFunc("string", "find", func(a *args) int { return find(a, true) })
	ownFunc("string", "match", func(a *args) int { return find(a, false) })
	ownFunc("string", "gmatch", func(a *args) int {
		found := &matches{s: a.text(1), p: a.text(2), last: -1}
		return a.push(boot.NewClosure(found.next, &lua.LUserData{Value: found, Metatable: lua.LNil}))
	})
	ownFunc("string", "gsub", gsub)
}

// matches is where string.gmatch is in a text. It is a value of its function, so that
// what a script holds by it is seen.
type matches struct {
	s, p       string
	from, last int // last is where the match before ended
}

func (f *matches) next(l *lua.LState) int {
	m := &matcher{args: &args{run: runOf(l), l: l, name: "string.gmatch", n: l.GetTop()}, s: f.s, p: f.p}
	for ; f.from <= len(f.s); f.from++ {
		m.level, m.depth = 0, 0
		if to := m.match(f.from, 0); to >= 0 && to != f.last {
			at := f.from
			if f.from, f.last = to, to; to == at {
				f.from++
			}
			return m.pushAll(at, to, true)
		}
	}
	return 0
}

// gsub is string.gsub.
func gsub(a *args) int {
	s, p, by := a.text(1), a.text(2), a.any(3)
	switch by := by.(type) {
	case *lua.LTable, *lua.LFunction, lua.LString:
	case lua.LNumber:
		_ = by
	default:
		a.wrong(3, "string, table or function")
	}
	most := a.intOr(4, len(s)+1)
	m := &matcher{args: a, s: s, p: p}
	at := 0
	anchored := strings.HasPrefix(p, "^")
	if anchored {
		at = 1
	}
	var b strings.Builder
	from, n := 0, 0
	for n < most {
		m.level, m.depth = 0, 0
		to := m.match(from, at)
		if to >= 0 {
			n++
			text := m.replacement(by, from, to)
			a.grows(&b, len(text))
			b.WriteString(text)
		}
		switch {
		case to > from:
			from = to
		case from < len(s):
			a.grows(&b, 1)
			b.WriteByte(s[from])
			from++
		default:
			from++
		}
		if from > len(s) || anchored {
			break
		}
	}
	if from < len(s) {
		a.grows(&b, len(s)-from)
		b.WriteString(s[from:])
	}
	return a.push(lua.LString(b.String()), lua.LNumber(n))
}

// grows says that a string under way is about to grow.
func (a *args) grows(b *strings.Builder, by int) {
	if b.Len()+by > maxText {
		a.run.raise(a.l, tooLong(b.Len()+by))
	}
	a.run.allocates(a.l, by)
}

// replacement is what a match is replaced by.
func (m *matcher) replacement(by lua.LValue, from, to int) string {
	var v lua.LValue
	switch by := by.(type) {
	case *lua.LFunction:
		m.l.Push(by)
		n := m.pushAll(from, to, true)
		m.l.Call(n, 1)
		m.run.l = m.l
		v = m.l.Get(-1)
		m.l.Pop(1)
	case *lua.LTable:
		v = m.l.GetTable(by, m.capture(0, from, to))
	default:
		text, _ := textOf(by)
		return m.expand(text, from, to)
	}
	if !lua.LVAsBool(v) {
		return m.s[from:to]
	}
	text, ok := textOf(v)
	if !ok {
		m.run.raisef(m.l, "%s: a match cannot be replaced by %s", m.name, typeName(v))
	}
	return text
}

// expand puts captures into a replacement.
func (m *matcher) expand(text string, from, to int) string {
	if strings.IndexByte(text, '%') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch {
		case i == len(text) || text[i] != '%' && (text[i] < '0' || text[i] > '9'):
			m.run.raisef(m.l, "%s: in the replacement %s, %% stands before no digit and no %%", m.name, quoted(text))
		case text[i] == '%':
			b.WriteByte('%')
		case text[i] == '0':
			m.grows(&b, to-from)
			b.WriteString(m.s[from:to])
		default:
			s, _ := textOf(m.capture(int(text[i]-'1'), from, to))
			m.grows(&b, len(s))
			b.WriteString(s)
		}
	}
	return b.String()
}
