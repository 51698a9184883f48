package luascript

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

func tooLong(bytes int) error {
	if bytes < 0 {
		bytes = math.MaxInt
	}
	return fmt.Errorf("a string of %d MB is too long, at most %d MB: write what is large to a file as you go", bytes>>20, maxText>>20)
}

// concat is .. : compile.go has it called in place of the interpreter's own.
const concatName = "(concat)"

func init() {
	ownFunc("", concatName, func(a *args) int {
		total := 0
		for i := 1; i <= a.n; i++ {
			switch v := a.l.Get(i).(type) {
			case lua.LString:
				total += len(v)
			case lua.LNumber:
				total += 24
			default:
				return a.concatOther()
			}
		}
		a.makes(total)
		if a.n == 2 {
			if x, ok := a.l.Get(1).(lua.LString); ok {
				if y, ok := a.l.Get(2).(lua.LString); ok {
					return a.push(x + y)
				}
			}
		}
		b := make([]byte, 0, total)
		for i := 1; i <= a.n; i++ {
			switch v := a.l.Get(i).(type) {
			case lua.LString:
				b = append(b, v...)
			case lua.LNumber:
				b = append(b, numberText(v)...)
			}
		}
		return a.push(lua.LString(b))
	})
	ownFunc("string", "len", func(a *args) int { return a.push(lua.LNumber(len(a.text(1)))) })
	ownFunc("string", "sub", func(a *args) int {
		s := a.text(1)
		from, to := span(len(s), a.int(2), a.intOr(3, -1))
		return a.push(lua.LString(s[from:to]))
	})
	ownFunc("string", "byte", func(a *args) int {
		s := a.text(1)
		i := a.intOr(2, 1)
		from, to := span(len(s), i, a.intOr(3, i))
		if to-from > maxResults {
			return a.run.raisef(a.l, "string.byte: %d bytes are too many at once, at most %d", to-from, maxResults)
		}
		for _, c := range []byte(s[from:to]) {
			a.l.Push(lua.LNumber(c))
		}
		return to - from
	})
	ownFunc("string", "char", func(a *args) int {
		b := make([]byte, a.n)
		for i := range b {
			b[i] = a.byte(i + 1)
		}
		return a.push(lua.LString(b))
	})
	ownFunc("string", "rep", func(a *args) int {
		s, n := a.text(1), a.int(2)
		sep := ""
		if a.given(3) {
			sep = a.text(3)
		}
		if n <= 0 || len(s)+len(sep) == 0 {
			return a.push(lua.LString(""))
		}
		if n > maxText/(len(s)+len(sep))+1 {
			return a.run.raise(a.l, tooLong(n*(len(s)+len(sep))))
		}
		a.makes(n * (len(s) + len(sep)))
		return a.push(lua.LString(strings.Repeat(s+sep, n-1) + s))
	})
	ownFunc("string", "reverse", func(a *args) int {
		s := a.text(1)
		a.makes(len(s))
		b := make([]byte, len(s))
		for i := range b {
			b[i] = s[len(s)-1-i]
		}
		return a.push(lua.LString(b))
	})
	letters := func(name string, words func(string) string, low, high byte) {
		ownFunc("string", name, func(a *args) int {
			s := a.text(1)
			a.makes(len(s))
			if utf8.ValidString(s) {
				return a.push(lua.LString(words(s)))
			}
			b := []byte(s)
			for i, c := range b {
				if c >= low && c <= high {
					b[i] = c ^ 0x20
				}
			}
			return a.push(lua.LString(b))
		})
	}
	letters("lower", strings.ToLower, 'A', 'Z')
	letters("upper", strings.ToUpper, 'a', 'z')
}

// maxResults bounds what a function gives at once.
const maxResults = 20_000

// concatOther is .. where not all are strings and numbers.
func (a *args) concatOther() int {
	v := a.l.Get(a.n)
	for i := a.n - 1; i >= 1; i-- {
		left := a.l.Get(i)
		x, okX := textOf(left)
		y, okY := textOf(v)
		if okX && okY {
			a.makes(len(x) + len(y))
			v = lua.LString(x + y)
			continue
		}
		fn := metaOf(left, "__concat")
		if fn == lua.LNil {
			fn = metaOf(v, "__concat")
		}
		if fn == lua.LNil {
			bad := left
			if okX {
				bad = v
			}
			hint := ""
			if bad != lua.LNil {
				hint = ": use tostring(...)"
			}
			return a.run.raisef(a.l, ".. does not work with %s and %s%s", typeName(left), typeName(v), hint)
		}
		a.call(fn, 1, left, v)
		v = a.l.Get(-1)
		a.l.Pop(1)
	}
	return a.push(v)
}

// textOf is a string, a number, or an object that prints well, as text.
func textOf(v lua.LValue) (string, bool) {
	switch v := v.(type) {
	case lua.LString:
		return string(v), true
	case lua.LNumber:
		return numberText(v), true
	case *lua.LUserData:
		switch x := v.Value.(type) {
		case *integer:
			return x.n.String(), true
		case *object:
			if x.typ.Text != nil {
				return x.typ.String(x.self), true
			}
		}
	}
	return "", false
}

// metaOf is a metamethod of a value, or nil.
func metaOf(v lua.LValue, event string) lua.LValue {
	var mt lua.LValue
	switch v := v.(type) {
	case *lua.LTable:
		mt = v.Metatable
	case *lua.LUserData:
		mt = v.Metatable
	}
	if t, ok := mt.(*lua.LTable); ok {
		return t.RawGetString(event)
	}
	return lua.LNil
}

// span is the piece of a string that Lua names by its first and last byte.
func span(n, first, last int) (from, to int) {
	if first < 0 {
		first = max(n+first+1, 1)
	}
	if last < 0 {
		last = n + last + 1
	}
	first, last = max(first, 1), min(last, n)
	if first > last {
		return 0, 0
	}
	return first - 1, last
}
