package luascript

import (
	"sort"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func init() {
	ownFunc("table", "concat", func(a *args) int {
		t := contents(a.table(1))
		sep := ""
		if a.given(2) {
			sep = a.text(2)
		}
		i, j := a.intOr(3, 1), a.intOr(4, t.Len())
		total := 0
		for k := i; k <= j; k++ {
			s, ok := textOf(t.RawGetInt(k))
			if !ok {
				return a.run.raisef(a.l, "table.concat: element %d is %s, wanted string or number", k, typeName(t.RawGetInt(k)))
			}
			if total += len(s) + len(sep); total > maxText {
				return a.run.raise(a.l, tooLong(total))
			}
			a.run.spend(a.l, 1)
		}
		a.makes(total)
		var b strings.Builder
		b.Grow(total)
		for k := i; k <= j; k++ {
			s, _ := textOf(t.RawGetInt(k))
			if b.WriteString(s); k < j {
				b.WriteString(sep)
			}
		}
		return a.push(lua.LString(b.String()))
	})
	ownFunc("table", "insert", func(a *args) int {
		if a.n < 2 || a.n > 3 {
			return a.run.raisef(a.l, "table.insert: got %d arguments, wanted a table and a value, or a table, a place and a value", a.n)
		}
		t := a.writable(1, lua.LNil)
		n := t.Len()
		if a.n == 2 {
			if v := a.l.Get(2); v != lua.LNil {
				t.RawSetInt(n+1, v)
			}
			return 0
		}
		i := a.int(2)
		if i < 1 || i > n+1 {
			return a.run.raisef(a.l, "table.insert: argument 2: there is no place %d in a list of %d", i, n)
		}
		a.run.spend(a.l, (n-i)/16)
		if a.l.Get(3) == lua.LNil {
			return a.run.raisef(a.l, "table.insert: nil is no element; null is")
		}
		t.Insert(i, a.l.Get(3))
		return 0
	})
	ownFunc("table", "remove", func(a *args) int {
		t := a.writable(1, lua.LNil)
		n := t.Len()
		i := a.intOr(2, n)
		if i < 1 || i > n {
			return a.push(lua.LNil)
		}
		a.run.spend(a.l, (n-i)/16)
		v := t.RawGetInt(i)
		t.Remove(i)
		return a.push(v)
	})
	ownFunc("table", "sort", func(a *args) int {
		t := a.writable(1, lua.LNil)
		s := &sorter{args: a, list: make([]lua.LValue, t.Len())}
		if a.given(2) {
			s.less = a.function(2)
		}
		a.makes(16 * len(s.list))
		for i := range s.list {
			if s.list[i] = t.RawGetInt(i + 1); s.list[i] == lua.LNil {
				return a.run.raisef(a.l, "table.sort: element %d is nil", i+1)
			}
		}
		sort.Sort(s)
		for i, v := range s.list {
			t.RawSetInt(i+1, v)
		}
		return 0
	})
	unpack := func(a *args) int {
		t := contents(a.table(1))
		i, j := a.intOr(2, 1), a.intOr(3, t.Len())
		if j-i >= maxResults {
			return a.run.raisef(a.l, "%s: %d elements are too many at once, at most %d", a.name, j-i+1, maxResults)
		}
		for k := i; k <= j; k++ {
			a.l.Push(t.RawGetInt(k))
		}
		return max(j-i+1, 0)
	}
	ownFunc("", "unpack", unpack)
	ownFunc("table", "unpack", unpack)
	ownFunc("table", "pack", func(a *args) int {
		t := boot.CreateTable(a.n, 1)
		for i := 1; i <= a.n; i++ {
			t.RawSetInt(i, a.l.Get(i))
		}
		t.RawSetString("n", lua.LNumber(a.n))
		return a.push(t)
	})
	ownFunc("table", "maxn", func(a *args) int { return a.push(lua.LNumber(contents(a.table(1)).MaxN())) })
}

// sorter sorts a list.
type sorter struct {
	*args
	list []lua.LValue
	less *lua.LFunction
}

func (s *sorter) Len() int      { return len(s.list) }
func (s *sorter) Swap(i, j int) { s.list[i], s.list[j] = s.list[j], s.list[i] }

func (s *sorter) Less(i, j int) bool {
	if s.less == nil {
		s.run.spend(s.l, 1)
		if isInteger(s.list[i]) || isInteger(s.list[j]) {
			if c, ok := order(s.list[i], s.list[j]); ok {
				return c < 0
			}
		}
		return s.l.LessThan(s.list[i], s.list[j])
	}
	s.call(s.less, 1, s.list[i], s.list[j])
	is := lua.LVAsBool(s.l.Get(-1))
	s.l.Pop(1)
	return is
}
