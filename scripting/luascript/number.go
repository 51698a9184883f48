package luascript

import (
	"math"
	"math/big"

	lua "github.com/yuin/gopher-lua"
)

// What Lua's own module math has besides the functions of the host library.
// There is no random: a hook that runs again must do the same.
func init() {
	ownValue("math", "huge", lua.LNumber(math.Inf(1)))
	for name, fn := range map[string]func(x float64) float64{
		"acos": math.Acos, "asin": math.Asin, "atan": math.Atan, "cos": math.Cos, "cosh": math.Cosh, "exp": math.Exp,
		"log10": math.Log10, "sin": math.Sin, "sinh": math.Sinh, "sqrt": math.Sqrt, "tan": math.Tan, "tanh": math.Tanh,
		"deg": func(x float64) float64 { return x * 180 / math.Pi }, "rad": func(x float64) float64 { return x * math.Pi / 180 },
	} {
		ownFunc("math", name, func(a *args) int { return a.push(lua.LNumber(fn(a.number(1)))) })
	}
	for name, fn := range map[string]func(x, y float64) float64{"atan2": math.Atan2, "fmod": math.Mod, "pow": math.Pow} {
		ownFunc("math", name, func(a *args) int { return a.push(lua.LNumber(fn(a.number(1), a.number(2)))) })
	}
	ownFunc("math", "abs", func(a *args) int {
		if n, ok := asInteger(a.l.Get(1)); ok && n.Sign() < 0 {
			return a.push(a.run.bigInt(new(big.Int).Neg(n)))
		}
		if ud, ok := a.l.Get(1).(*lua.LUserData); ok && ud.Value != nil {
			return a.push(a.l.Get(1))
		}
		return a.push(lua.LNumber(math.Abs(a.number(1))))
	})
	ownFunc("math", "modf", func(a *args) int {
		whole, rest := math.Modf(a.number(1))
		return a.push(lua.LNumber(whole), lua.LNumber(rest))
	})
	ownFunc("math", "frexp", func(a *args) int {
		f, e := math.Frexp(a.number(1))
		return a.push(lua.LNumber(f), lua.LNumber(e))
	})
	ownFunc("math", "ldexp", func(a *args) int { return a.push(lua.LNumber(math.Ldexp(a.number(1), a.int(2)))) })
	best := func(name string, sign int) {
		ownFunc("math", name, func(a *args) int {
			x := a.numeric(1)
			for i := 2; i <= a.n; i++ {
				y := a.numeric(i)
				if c, ok := order(y, x); ok && c == sign {
					x = y
				}
			}
			return a.push(x)
		})
	}
	best("max", 1)
	best("min", -1)
	ownFunc("math", "compare", func(a *args) int {
		c, ok := order(a.numeric(1), a.numeric(2))
		if !ok {
			return a.run.raisef(a.l, "math.compare: nan has no order")
		}
		return a.push(lua.LNumber(c))
	})
}
