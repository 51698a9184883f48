package hostlib

import (
	"math/big"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/dsengine/dsengine/engine"
)

// Decimal is an exact decimal number. It keeps its zeros: 12.30 is printed so.
// It does not change.
type Decimal struct{ d *apd.Decimal }

// Bounds of decimals: their text must not fill the memory.
const (
	maxScale  = 1000  // digits after the point, and zeros before it
	maxPlaces = 10000 // digits in all
)

// divisionDigits is how many digits a quotient keeps that does not end.
const divisionDigits = 28

// ObjectType is decimal.
func (Decimal) ObjectType() *ObjectType { return decimalType }

// String is the number with all its digits.
func (x Decimal) String() string { return x.d.Text('f') }

// normal is the number without zeros at the end.
func (x Decimal) normal() string {
	if x.d.IsZero() {
		return "0"
	}
	r, _ := new(apd.Decimal).Reduce(x.d)
	return r.Text('f')
}

// ParseDecimal reads a decimal number: digits, with a sign, a point and an
// exponent if need be.
func ParseDecimal(s string) (Decimal, error) {
	text := strings.TrimSpace(s)
	if len(text) > maxPlaces {
		return Decimal{}, Errorf("decimal.range", "a number has more than %d digits", maxPlaces)
	}
	d, _, err := apd.NewFromString(text)
	if err != nil || d.Form != apd.Finite {
		return Decimal{}, Errorf("decimal.syntax", "%q is no decimal number: write it like \"-1234.50\"", s)
	}
	return checked(d)
}

// checked refuses a number that is out of bounds.
func checked(d *apd.Decimal) (Decimal, error) {
	if d.Exponent < -maxScale || d.Exponent > maxScale || d.NumDigits() > maxPlaces {
		return Decimal{}, Errorf("decimal.range", "a decimal number has at most %d digits, %d of them after the point", maxPlaces, maxScale)
	}
	if d.IsZero() && d.Negative {
		d = new(apd.Decimal).Abs(d)
	}
	return Decimal{d}, nil
}

// exact gives a value as a decimal; false if it is none and no whole number.
func exact(v Value) (Decimal, bool) {
	switch v := v.(type) {
	case Decimal:
		return v, true
	case int:
		return Decimal{apd.New(int64(v), 0)}, true
	case int64:
		return Decimal{apd.New(v, 0)}, true
	case *big.Int:
		return Decimal{apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(v), 0)}, true
	}
	return Decimal{}, false
}

// decimalOf makes a decimal of what a script gives.
func decimalOf(c *Call, name string, v Value) (Decimal, error) {
	switch plain := c.Lang.Plain(v).(type) {
	case string:
		return ParseDecimal(plain)
	case float64:
		text, _ := canonicalNumber(plain)
		return ParseDecimal(text)
	default:
		if d, ok := exact(plain); ok {
			return checked(d.d)
		}
		return Decimal{}, Errorf("usage", "%s: got %s, wanted a number, or text such as \"12.30\"", name, c.Lang.TypeName(v))
	}
}

// forSQL is the number as a statement's placeholder takes it: with so many digits
// behind the point as databases calculate with.
func (x Decimal) forSQL() (engine.Decimal, error) {
	for range 3 { // rounding may give it a digit more
		d := engine.Decimal(x.String())
		whole, scale, _ := d.Digits()
		places := min(scale, engine.DecimalScale, engine.DecimalDigits-whole)
		switch {
		case places < 0:
			return "", Errorf("usage", "a decimal of %d digits before the point is more than databases calculate with, which is %d: give its text, if that is what is meant", whole, engine.DecimalDigits)
		case places == scale:
			return d, nil
		}
		rounded, err := x.round(int64(places), "half_up")
		if err != nil {
			return "", err
		}
		x = rounded
	}
	return "", Errorf("decimal.range", "%s cannot be rounded for a database", x)
}

// roundings are the modes of rounding.
var roundings = map[string]apd.Rounder{
	"half_even": apd.RoundHalfEven, "half_up": apd.RoundHalfUp, "half_down": apd.RoundHalfDown,
	"up": apd.RoundUp, "down": apd.RoundDown, "ceiling": apd.RoundCeiling, "floor": apd.RoundFloor,
}

var roundingNames = []string{"half_even", "half_up", "half_down", "up", "down", "ceiling", "floor"}

func (x Decimal) round(places int64, mode string) (Decimal, error) {
	if places < -maxScale || places > maxScale {
		return Decimal{}, Errorf("usage", "places: got %d, wanted %d to %d", places, -maxScale, maxScale)
	}
	ctx := apd.BaseContext.WithPrecision(2 * maxPlaces)
	ctx.Rounding = roundings[mode]
	d := new(apd.Decimal)
	if _, err := ctx.Quantize(d, x.d, int32(-places)); err != nil {
		return Decimal{}, Errorf("decimal.range", "%v", err)
	}
	return checked(d)
}

// division rounds quotients that do not end, half to even.
var division = apd.BaseContext.WithPrecision(divisionDigits)

func init() { division.Rounding = apd.RoundHalfEven }

var decimalModule = &Module{
	Name: "decimal",
	Doc:  "Exact decimal numbers, for money. They are calculated with +, -, * and / among themselves and with whole numbers, never with floats. A database column of type decimal takes one as it is, and gives text that decimal.of reads; json.encode writes it as a number with all digits. What the engine keeps (items, payloads, positions, results, state, variables, rejected rows) has its text, \"12.30\", which decimal.of reads again: JSON has no numbers that are exact when they are read. In SQL it is exact, too: a ? that is a decimal is a number as if it were written there, so it can be added to columns and compared with them, on SQLite, MariaDB and MySQL alike. Databases calculate with 65 digits, 30 of them behind the point: what has more behind it is rounded, halves away from zero. Beside a column of text give the text, str(x).",
	Funcs: []*Func{
		{
			Name: "of", Doc: "Makes a decimal of text or of a number; of a float, what it prints as.",
			Params:  []Param{{Name: "x", Type: Any, Doc: "text such as \"12.30\", or a number"}},
			Returns: "decimal",
			Example: "str(decimal.of(\"12.30\") + 1)  # \"13.30\"",
			Lua:     "tostring(decimal.of(\"12.30\") + 1)  -- \"13.30\"",
			Do: func(c *Call, a *Args) (Value, error) {
				d, err := decimalOf(c, "x", a.Value("x"))
				if err != nil {
					return nil, err
				}
				return d, nil
			},
		},
	},
}

var decimalType = &ObjectType{
	Name: "decimal", Doc: "An exact decimal number. == and the order compare decimals with each other, compare() with whole numbers too. A quotient that does not end keeps 28 digits, rounded half to even. Its text has all its digits; as JSON it is a number, and where the engine keeps it, its text.",
	Text:    func(v Value) string { return v.(Decimal).String() },
	Compare: func(a, b Value) int { return a.(Decimal).d.Cmp(b.(Decimal).d) },
	Key:     func(v Value) string { return v.(Decimal).normal() },
	Truth:   func(v Value) bool { return !v.(Decimal).d.IsZero() },
	Binary: func(op string, a, b Value) (Value, error) {
		_, aFloat := a.(float64)
		_, bFloat := b.(float64)
		if (aFloat || bFloat) && strings.Contains("+-*/", op) {
			return nil, Errorf("usage", "decimal %s float: a float is not exact; make it a decimal by decimal.of(...) first", op)
		}
		x, ok1 := exact(a)
		y, ok2 := exact(b)
		if !ok1 || !ok2 {
			return nil, nil
		}
		d, err := new(apd.Decimal), error(nil)
		switch op {
		case "+":
			_, err = apd.BaseContext.Add(d, x.d, y.d)
		case "-":
			_, err = apd.BaseContext.Sub(d, x.d, y.d)
		case "*":
			_, err = apd.BaseContext.Mul(d, x.d, y.d)
		case "/":
			if y.d.IsZero() {
				return nil, Errorf("decimal.zero", "division by zero")
			}
			err = quotient(d, x.d, y.d)
		default:
			return nil, nil
		}
		if err != nil {
			return nil, Errorf("decimal.range", "%v", err)
		}
		r, err := checked(d)
		if err != nil {
			return nil, err
		}
		return r, nil
	},
	Attrs: []Attr{
		{Name: "scale", Type: "int", Doc: "How many digits there are after the point.", Get: func(v Value) (Value, error) {
			return int64(max(0, -v.(Decimal).d.Exponent)), nil
		}},
		{Name: "sign", Type: "int", Doc: "-1, 0 or 1.", Get: func(v Value) (Value, error) { return int64(v.(Decimal).d.Sign()), nil }},
	},
	Methods: []*Func{
		{
			Name: "round", Doc: "Rounds to a number of digits after the point, and shows just so many.",
			Params: []Param{
				{Name: "places", Type: Int, Default: int64(0), Doc: "digits after the point; negative: zeros before it"},
				{Name: "mode", Type: String, Default: "half_even", Choices: roundingNames, Doc: "half_even (bankers'), half_up (away from zero), half_down (towards zero), up, down, ceiling or floor"},
			},
			Returns: "decimal",
			Example: "str(decimal.of(\"2.345\").round(2, \"half_up\"))  # \"2.35\"",
			Lua:     "tostring(decimal.of(\"2.345\").round(2, \"half_up\"))  -- \"2.35\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				d, err := a.Self.(Decimal).round(a.Int("places"), a.String("mode"))
				if err != nil {
					return nil, err
				}
				return d, nil
			},
		},
		{
			Name: "compare", Doc: "Says whether the number is smaller (-1), equal (0) or larger (1).",
			Params: []Param{{Name: "x", Type: Any, Doc: "a decimal, a whole number or text"}}, Returns: "int",
			Example: "decimal.of(\"1.50\").compare(2)  # -1",
			Lua:     "decimal.of(\"1.50\").compare(2)  -- -1",
			Do: func(c *Call, a *Args) (Value, error) {
				y, err := decimalOf(c, "x", a.Value("x"))
				if err != nil {
					return nil, err
				}
				return int64(a.Self.(Decimal).d.Cmp(y.d)), nil
			},
		},
		{
			Name: "abs", Doc: "Gives the number without its sign.",
			Returns: "decimal",
			Example: "str(decimal.of(\"-1.50\").abs())  # \"1.50\"",
			Lua:     "tostring(decimal.of(\"-1.50\").abs())  -- \"1.50\"",
			Do:      func(_ *Call, a *Args) (Value, error) { return Decimal{new(apd.Decimal).Abs(a.Self.(Decimal).d)}, nil },
		},
		{
			Name: "to_int", Doc: "Gives the whole number; digits after the point are cut off.",
			Returns: "int",
			Example: "decimal.of(\"-7.90\").to_int()  # -7",
			Lua:     "decimal.of(\"-7.90\").to_int()  -- -7",
			Do: func(_ *Call, a *Args) (Value, error) {
				d, err := a.Self.(Decimal).round(0, "down")
				if err != nil {
					return nil, err
				}
				n, _ := new(big.Int).SetString(d.String(), 10)
				if n.IsInt64() {
					return n.Int64(), nil
				}
				return n, nil
			},
		},
		{
			Name: "to_float", Doc: "Gives the nearest float.",
			Returns: "float",
			Example: "decimal.of(\"0.50\").to_float()  # 0.5",
			Lua:     "decimal.of(\"0.50\").to_float()  -- 0.5",
			Do: func(_ *Call, a *Args) (Value, error) {
				return a.Self.(Decimal).d.Float64()
			},
		},
	},
}

// quotient sets d to x / y. One that ends keeps no more zeros than x has.
func quotient(d, x, y *apd.Decimal) error {
	cond, err := division.Quo(d, x, y)
	if err != nil || cond.Inexact() {
		return err
	}
	ideal := min(0, x.Exponent-y.Exponent)
	if d.Reduce(d); d.Exponent > ideal {
		_, err = apd.BaseContext.WithPrecision(2*maxPlaces).Quantize(d, d, ideal)
	}
	return err
}
