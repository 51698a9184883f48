package hostlib

import (
	"math"
	"math/big"
	"strings"
)

var mathModule = &Module{
	Name: "math",
	Doc:  "Mathematics. Angles are in radians.",
	Consts: []Const{
		{Name: "pi", Doc: "The ratio of a circle's circumference to its diameter.", Value: math.Pi},
		{Name: "e", Doc: "The base of natural logarithms.", Value: math.E},
	},
	Funcs: []*Func{
		toInt("floor", "Gives the largest whole number that is not above x.", "math.floor(-2.5)  # -3", math.Floor),
		toInt("ceil", "Gives the smallest whole number that is not below x.", "math.ceil(2.1)  # 3", math.Ceil),
		{
			Name: "round", Doc: "Rounds to the nearest whole number, or with digits to so many decimals; halves away from zero.",
			Params: []Param{
				{Name: "x", Type: Number, Doc: "a number"},
				{Name: "digits", Type: Int, Default: None, Doc: "decimals to keep; the result is a float then"},
			},
			Returns: "int or float",
			Example: "[math.round(2.5), math.round(2.675, 1)]  # [3, 2.7]",
			Lua:     "math.round(2.5)  -- 3\nmath.round(2.675, 1)  -- 2.7",
			Do: func(_ *Call, a *Args) (Value, error) {
				if !a.Given("digits") {
					return wholeOf(a.Value("x"), math.Round)
				}
				n := a.Int("digits")
				if n < 0 || n > 300 {
					return nil, Errorf("usage", "digits: got %d, wanted 0 to 300", n)
				}
				x, scale := a.Float("x"), math.Pow(10, float64(n))
				if r := math.Round(x*scale) / scale; !math.IsNaN(r) && !math.IsInf(r, 0) {
					return r, nil
				}
				return x, nil
			},
		},
		toInt("trunc", "Cuts off what is behind the point.", "math.trunc(-2.7)  # -2", math.Trunc),
		float1("fabs", "Gives the number without its sign, as a float.", "math.fabs(-2)  # 2.0", math.Abs),
		float1("sqrt", "Gives the square root.", "math.sqrt(9)  # 3.0", math.Sqrt),
		float1("exp", "Gives e to the power of x.", "math.exp(0)  # 1.0", math.Exp),
		{
			Name: "log", Doc: "Gives the logarithm.",
			Params: []Param{
				{Name: "x", Type: Number, Doc: "a number above 0"},
				{Name: "base", Type: Number, Default: None, Doc: "the base; None: e"},
			},
			Returns: "float",
			Example: "math.log(8, 2)  # 3.0",
			Lua:     "math.log(8, 2)  -- 3.0",
			Do: func(_ *Call, a *Args) (Value, error) {
				x, base := a.Float("x"), a.Float("base")
				switch {
				case x <= 0 || a.Given("base") && (base <= 0 || base == 1):
					return nil, Errorf("usage", "there is no such logarithm")
				case !a.Given("base"):
					return math.Log(x), nil
				case base == 2:
					return math.Log2(x), nil
				}
				return math.Log(x) / math.Log(base), nil
			},
		},
		float1("log2", "Gives the logarithm to base 2.", "math.log2(8)  # 3.0", math.Log2),
		float1("log10", "Gives the logarithm to base 10.", "math.log10(1000)  # 3.0", math.Log10),
		float1("sin", "Gives the sine.", "math.sin(0)  # 0.0", math.Sin),
		float1("cos", "Gives the cosine.", "math.cos(0)  # 1.0", math.Cos),
		float1("tan", "Gives the tangent.", "math.tan(0)  # 0.0", math.Tan),
		float1("asin", "Gives the angle of a sine.", "math.asin(0)  # 0.0", math.Asin),
		float1("acos", "Gives the angle of a cosine.", "math.acos(1)  # 0.0", math.Acos),
		float1("atan", "Gives the angle of a tangent.", "math.atan(0)  # 0.0", math.Atan),
		float1("sinh", "Gives the hyperbolic sine.", "math.sinh(0)  # 0.0", math.Sinh),
		float1("cosh", "Gives the hyperbolic cosine.", "math.cosh(0)  # 1.0", math.Cosh),
		float1("tanh", "Gives the hyperbolic tangent.", "math.tanh(0)  # 0.0", math.Tanh),
		float1("asinh", "Gives the inverse hyperbolic sine.", "math.asinh(0)  # 0.0", math.Asinh),
		float1("acosh", "Gives the inverse hyperbolic cosine.", "math.acosh(1)  # 0.0", math.Acosh),
		float1("atanh", "Gives the inverse hyperbolic tangent.", "math.atanh(0)  # 0.0", math.Atanh),
		float1("gamma", "Gives the gamma function: that of n + 1 is n!.", "math.gamma(5)  # 24.0", math.Gamma),
		float2("copysign", "x", "y", "Gives x with the sign of y.", "math.copysign(3, -1)  # -3.0", math.Copysign),
		float2("remainder", "x", "y", "Gives how far x is from the nearest multiple of y.", "math.remainder(7, 4)  # -1.0", math.Remainder),
		float2("atan2", "y", "x", "Gives the angle of the point (x, y).", "math.atan2(0, 1)  # 0.0", math.Atan2),
		float2("hypot", "x", "y", "Gives the length of the vector (x, y).", "math.hypot(3, 4)  # 5.0", math.Hypot),
		float2("pow", "x", "y", "Gives x to the power of y.", "math.pow(2, 10)  # 1024.0", math.Pow),
		float2("mod", "x", "y", "Gives what is left of x divided by y, with the sign of x.", "math.mod(-7, 3)  # -1.0", math.Mod),
		float1("degrees", "Turns radians into degrees.", "math.degrees(math.pi)  # 180.0", func(x float64) float64 { return x * 180 / math.Pi }),
		float1("radians", "Turns degrees into radians.", "math.radians(180) == math.pi  # True", func(x float64) float64 { return x * math.Pi / 180 }),
		{
			Name: "is_finite", Doc: "Says whether a number is neither infinite nor NaN.",
			Params: []Param{{Name: "x", Type: Number, Doc: "a number"}}, Returns: "bool",
			Example: "math.is_finite(1.5)  # True",
			Lua:     "math.is_finite(1.5)  -- true",
			Do: func(_ *Call, a *Args) (Value, error) {
				f, isFloat := a.Value("x").(float64)
				return !isFloat || !math.IsNaN(f) && !math.IsInf(f, 0), nil
			},
		},
		{
			Name: "sum", Doc: "Adds up numbers: whole numbers and decimals exactly, floats as floats. None is left out.",
			Params: []Param{{Name: "it", Type: Iterable, Doc: "a list or an iterator of numbers"}}, Returns: "number",
			Example: "[math.sum([1, 2, 3]), str(math.sum([decimal.of(\"0.10\"), decimal.of(\"0.20\")]))]  # [6, \"0.30\"]",
			Lua:     "math.sum({1, 2, 3})  -- 6\ntostring(math.sum({decimal.of(\"0.10\"), decimal.of(\"0.20\")}))  -- \"0.30\"",
			Do:      func(c *Call, a *Args) (Value, error) { return c.sum(a.Iterator("it")) },
		},
	},
}

// sum adds up numbers. It is exact as long as there is no float among them.
func (c *Call) sum(it Iterator) (Value, error) {
	defer it.Close()
	var total Value = int64(0)
	for n := 1; ; n++ {
		v, err := it.Next()
		if isEOF(err) {
			return total, nil
		}
		if err != nil {
			return nil, err
		}
		v = c.Lang.Plain(v)
		if v == nil {
			continue
		}
		next, err := plus(total, v)
		if err != nil {
			return nil, Errorf("usage", "element %d: %v", n, err)
		}
		if next == nil {
			return nil, Errorf("usage", "element %d: got %s, wanted a number", n, c.Lang.TypeName(v))
		}
		total = next
	}
}

// plus adds two numbers; nil if one of them is none.
func plus(x, y Value) (Value, error) {
	_, dx := x.(Decimal)
	_, dy := y.(Decimal)
	if dx || dy {
		return decimalType.Binary("+", x, y)
	}
	fx, ok1 := asFloat(x)
	fy, ok2 := asFloat(y)
	if !ok1 || !ok2 {
		return nil, nil
	}
	a, ok1 := bigOf(x)
	b, ok2 := bigOf(y)
	if !ok1 || !ok2 {
		return fx + fy, nil
	}
	if n := a.Add(a, b); !n.IsInt64() {
		return n, nil
	}
	return a.Int64(), nil
}

// bigOf gives a whole number as one of its own; false for floats.
func bigOf(v Value) (*big.Int, bool) {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return new(big.Int).Set(v), true
	}
	return nil, false
}

// wholeOf rounds a number to a whole one, of any size.
func wholeOf(v Value, round func(float64) float64) (Value, error) {
	f, ok := v.(float64)
	if !ok {
		return v, nil
	}
	f = round(f)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, Errorf("usage", "x: %v has no whole number", f)
	}
	if math.Abs(f) < 1<<62 {
		return int64(f), nil
	}
	n, _ := big.NewFloat(f).Int(nil)
	return n, nil
}

func toInt(name, doc, example string, f func(float64) float64) *Func {
	return &Func{
		Name: name, Doc: doc, Example: example, Lua: inLua(example), Returns: "int",
		Params: []Param{{Name: "x", Type: Number, Doc: "a number"}},
		Do:     func(_ *Call, a *Args) (Value, error) { return wholeOf(a.Value("x"), f) },
	}
}

func float1(name, doc, example string, f func(float64) float64) *Func {
	return &Func{
		Name: name, Doc: doc, Example: example, Lua: inLua(example), Returns: "float",
		Params: []Param{{Name: "x", Type: Number, Doc: "a number"}},
		Do:     func(_ *Call, a *Args) (Value, error) { return defined(f(a.Float("x")), a.Float("x")) },
	}
}

func float2(name, x, y, doc, example string, f func(a, b float64) float64) *Func {
	return &Func{
		Name: name, Doc: doc, Example: example, Lua: inLua(example), Returns: "float",
		Params: []Param{{Name: x, Type: Number, Doc: "a number"}, {Name: y, Type: Number, Doc: "a number"}},
		Do: func(_ *Call, a *Args) (Value, error) {
			return defined(f(a.Float(x), a.Float(y)), a.Float(x), a.Float(y))
		},
	}
}

// inLua is an example of one expression and its value in Lua.
func inLua(example string) string {
	return strings.NewReplacer("  # ", "  -- ", "True", "true").Replace(example)
}

// defined makes an error of a result that is no number, unless an argument was none.
func defined(r float64, args ...float64) (Value, error) {
	if math.IsNaN(r) {
		for _, x := range args {
			if math.IsNaN(x) {
				return r, nil
			}
		}
		return nil, Errorf("usage", "it is not defined for %v", args)
	}
	return r, nil
}
