package luascript

import (
	"cmp"
	"math"
	"math/big"
	"strings"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// exact bounds the whole numbers that Lua's own numbers hold exactly: what is calculated may
// be rounded to the next one.
const exact = 1<<53 - 1

// integer is a whole number beyond that. One of a value is the same userdata
// as long as it lives, so that it can be a key.
type integer struct{ n *big.Int }

// integers are those that live, by their digits.
type integers struct {
	live  map[string]weak.Pointer[lua.LUserData]
	sweep int // when there are so many, those that died are left out
}

// int64 gives a whole number the form that a script sees.
func (r *run) int64(n int64) lua.LValue {
	if n >= -exact && n <= exact {
		return lua.LNumber(n)
	}
	return r.integer(big.NewInt(n))
}

// bigInt does the same.
func (r *run) bigInt(n *big.Int) lua.LValue {
	if n.IsInt64() {
		return r.int64(n.Int64())
	}
	return r.integer(n)
}

func (r *run) integer(n *big.Int) lua.LValue {
	key := n.String()
	in := &r.integers
	if ud := in.live[key].Value(); ud != nil {
		return ud
	}
	if len(in.live) >= in.sweep {
		for k, p := range in.live {
			if p.Value() == nil {
				delete(in.live, k)
			}
		}
		in.sweep = max(1000, 2*len(in.live))
	}
	if in.live == nil {
		in.live = map[string]weak.Pointer[lua.LUserData]{}
	}
	ud := &lua.LUserData{Value: &integer{n}, Metatable: integerMeta}
	in.live[key] = weak.Make(ud)
	return ud
}

// asInteger gives a whole number; false if v is none.
func asInteger(v lua.LValue) (*big.Int, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		f := float64(v)
		if f == math.Trunc(f) && !math.IsInf(f, 0) {
			n, _ := big.NewFloat(f).Int(nil)
			return n, true
		}
	case *lua.LUserData:
		if i, ok := v.Value.(*integer); ok {
			return i.n, true
		}
	case lua.LString:
		n, _, _ := parseNumber(string(v), 10)
		return n, n != nil
	}
	return nil, false
}

// asFloat gives a number; false if v is none.
func asFloat(v lua.LValue) (float64, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return float64(v), true
	case *lua.LUserData:
		if i, ok := v.Value.(*integer); ok {
			return rounded(i.n), true
		}
	case lua.LString:
		n, f, ok := parseNumber(string(v), 10)
		if n != nil {
			f = rounded(n)
		}
		return f, ok
	}
	return 0, false
}

// rounded is the nearest of Lua's own numbers.
func rounded(n *big.Int) float64 {
	f, _ := new(big.Float).SetInt(n).Float64()
	return f
}

// order compares two numbers by their value; false: one is none, or is not a number.
func order(a, b lua.LValue) (int, bool) {
	if p, ok := a.(lua.LNumber); ok {
		if q, ok := b.(lua.LNumber); ok {
			return cmp.Compare(p, q), p == p && q == q
		}
	}
	x, y := exactly(a), exactly(b)
	if x == nil || y == nil {
		return 0, false
	}
	return x.Cmp(y), true
}

// exactly is the value of a number, or nil.
func exactly(v lua.LValue) *big.Float {
	switch v := v.(type) {
	case lua.LNumber:
		if v == v {
			return new(big.Float).SetFloat64(float64(v))
		}
	case *lua.LUserData:
		if i, ok := v.Value.(*integer); ok {
			return new(big.Float).SetInt(i.n)
		}
	}
	return nil
}

// isInteger says whether a value is a whole number that Lua's own do not hold.
func isInteger(v lua.LValue) bool {
	ud, ok := v.(*lua.LUserData)
	if ok {
		_, ok = ud.Value.(*integer)
	}
	return ok
}

// whole is a whole number as it is written in a script.
func whole(text string) (*big.Int, bool) {
	if len(text) > maxDigits {
		return nil, false
	}
	base := 10
	if len(text) > 2 && text[0] == '0' && text[1]|0x20 == 'x' {
		text, base = text[2:], 16
	}
	return new(big.Int).SetString(text, base)
}

// literally gives a whole number that is written in a script.
func literally(l *lua.LState) int {
	n, _ := whole(l.Get(1).String())
	l.Push(runOf(l).bigInt(n))
	return 1
}

// compares is a comparison with such a number: of the values 1 and 3, by the operator 2.
func compares(l *lua.LState) int {
	a, b, op := l.Get(1), l.Get(3), l.Get(2).String()
	c, ok := order(a, b)
	var is bool
	switch op {
	case "==":
		is = ok && c == 0
	case "~=":
		is = !ok || c != 0
	default:
		for _, v := range []lua.LValue{a, b} {
			if v.Type() != lua.LTNumber && !isInteger(v) {
				return runOf(l).raisef(l, "%s and %s have no order", typeName(a), typeName(b))
			}
		}
		is = ok && (op == "<" && c < 0 || op == "<=" && c <= 0 || op == ">" && c > 0 || op == ">=" && c >= 0)
	}
	l.Push(lua.LBool(is))
	return 1
}

// maxDigits bounds whole numbers: what multiplies larger ones takes long.
const maxDigits = 10_000

var integerMeta *lua.LTable

// floats are the operators of Lua's own numbers, by the names of their metamethods.
var floats = map[string]func(a, b float64) float64{
	"__add": func(a, b float64) float64 { return a + b },
	"__sub": func(a, b float64) float64 { return a - b },
	"__mul": func(a, b float64) float64 { return a * b },
	"__div": func(a, b float64) float64 { return a / b },
	"__mod": func(a, b float64) float64 {
		m := math.Mod(a, b)
		if m*b < 0 {
			m += b
		}
		return m
	},
	"__pow": math.Pow,
}

// textArith is an operator with a text: one that holds a number counts as that
// number, exactly, as tonumber reads it; the interpreter's own way would round it.
func textArith(event string) lua.LGFunction {
	return func(l *lua.LState) int {
		r := runOf(l)
		given := [2]lua.LValue{l.Get(1), l.Get(2)}
		v, numbers, large := given, 0, false
		for i := range v {
			if text, ok := v[i].(lua.LString); ok {
				v[i] = r.numeral(string(text), 10)
			}
			if _, ok := v[i].(lua.LNumber); ok || isInteger(v[i]) {
				numbers, large = numbers+1, large || !ok
			}
		}
		call := func(f lua.LValue, v [2]lua.LValue) int {
			l.Push(f)
			l.Push(v[0])
			l.Push(v[1])
			l.Call(2, 1)
			return 1
		}
		switch {
		case numbers == 2 && large:
			return call(integerMeta.RawGetString(event), v)
		case numbers == 2:
			l.Push(lua.LNumber(floats[event](float64(v[0].(lua.LNumber)), float64(v[1].(lua.LNumber)))))
			return 1
		}
		for _, x := range given {
			if _, text := x.(lua.LString); text {
				continue
			}
			if f, ok := l.GetMetaField(x, event).(*lua.LFunction); ok { // it knows how
				return call(f, given)
			}
		}
		return r.noArith(l, operators[strings.TrimPrefix(event, "__")])
	}
}

func init() {
	arith := func(name, op string, whole func(z, a, b *big.Int) *big.Int, other func(a, b float64) float64) lua.LGFunction {
		return func(l *lua.LState) int {
			r := runOf(l)
			a, okA := asInteger(l.Get(1))
			b, okB := asInteger(l.Get(2))
			if okA && okB && whole != nil && !(name == "__mod" && b.Sign() == 0) {
				if a.BitLen()+b.BitLen() > maxDigits*3 {
					return r.raisef(l, "the numbers are too large for %s", op)
				}
				r.spend(l, (a.BitLen()+b.BitLen())/64)
				l.Push(r.bigInt(whole(new(big.Int), a, b)))
				return 1
			}
			x, okX := asFloat(l.Get(1))
			y, okY := asFloat(l.Get(2))
			if okX && okY {
				l.Push(lua.LNumber(other(x, y)))
				return 1
			}
			// The other one is an object, and knows how.
			for i, v := range []lua.LValue{l.Get(1), l.Get(2)} {
				if o := objectOf(v); o != nil && o.typ.Binary != nil {
					a, b := r.Plain(l.Get(1)), r.Plain(l.Get(2))
					if v, err := o.typ.Binary(op, a, b); v != nil || err != nil {
						return r.give(l, v, err)
					}
				}
				_ = i
			}
			return r.noArith(l, op)
		}
	}
	compare := func(holds func(c int) bool) lua.LGFunction {
		return func(l *lua.LState) int {
			a, okA := asInteger(l.Get(1))
			b, okB := asInteger(l.Get(2))
			if !okA || !okB {
				return runOf(l).noArith(l, "<")
			}
			l.Push(lua.LBool(holds(a.Cmp(b))))
			return 1
		}
	}
	integerMeta = sealed(map[string]lua.LGFunction{
		"__add": arith("__add", "+", (*big.Int).Add, floats["__add"]),
		"__sub": arith("__sub", "-", (*big.Int).Sub, floats["__sub"]),
		"__mul": arith("__mul", "*", (*big.Int).Mul, floats["__mul"]),
		"__div": arith("__div", "/", nil, floats["__div"]),
		"__mod": arith("__mod", "%", func(z, a, b *big.Int) *big.Int {
			if z.Mod(a, b); b.Sign() < 0 && z.Sign() != 0 { // as Lua does: it has the sign of b
				z.Add(z, b)
			}
			return z
		}, floats["__mod"]),
		"__pow": arith("__pow", "^", nil, floats["__pow"]),
		"__unm": func(l *lua.LState) int {
			n, _ := asInteger(l.Get(1))
			l.Push(runOf(l).bigInt(new(big.Int).Neg(n)))
			return 1
		},
		"__eq":       compare(func(c int) bool { return c == 0 }),
		"__lt":       compare(func(c int) bool { return c < 0 }),
		"__le":       compare(func(c int) bool { return c <= 0 }),
		"__tostring": func(l *lua.LState) int { n, _ := asInteger(l.Get(1)); l.Push(lua.LString(n.String())); return 1 },
		"__index":    func(l *lua.LState) int { return runOf(l).raisef(l, "a number has no elements") },
		"__newindex": func(l *lua.LState) int { return runOf(l).raisef(l, "a number takes no elements") },
	})
}
