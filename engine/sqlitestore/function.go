package sqlitestore

import (
	"database/sql/driver"
	"math"
	"math/big"
	"strconv"

	"modernc.org/sqlite"
)

// What SQLite lacks for decimals: it has binary floats only. Statements of
// scripts are made to call these functions (rewrite.go); nothing else does.
const (
	decimalOrder = "dsengine_decimal" // the collation
	fnDecimal    = "dsengine_decimal" // (x, scale): x with so many digits behind the point; before it, if it is negative
	fnKey        = "dsengine_key"     // (x, scale): the text by which x is found among those of so many digits
	fnAdd        = "dsengine_add"
	fnSub        = "dsengine_sub"
	fnMul        = "dsengine_mul"
	fnDiv        = "dsengine_div" // (a, b, scale of a, scale of b)
	fnRem        = "dsengine_rem"
	fnNeg        = "dsengine_neg"
	fnAbs        = "dsengine_abs"
	fnCeil       = "dsengine_ceil"
	fnFloor      = "dsengine_floor"
	fnSum        = "dsengine_sum"
	fnAvg        = "dsengine_avg"
	fnTime       = "dsengine_time" // (x, as what): see timeAs
)

func init() {
	sqlite.MustRegisterCollationUtf8(decimalOrder, compareNumbers)
	one := func(name string, f func(n number) number) {
		register(name, 1, func(n []number) (number, bool) { return f(n[0]), true })
	}
	two := func(name string, f func(a, b number) number) {
		register(name, 2, func(n []number) (number, bool) { return f(n[0], n[1]), true })
	}
	two(fnAdd, number.add)
	two(fnSub, number.sub)
	two(fnMul, number.mul)
	one(fnNeg, func(n number) number { return number{new(big.Int).Neg(n.digits), n.scale} })
	one(fnAbs, func(n number) number { return number{new(big.Int).Abs(n.digits), n.scale} })
	one(fnCeil, func(n number) number { return n.toward(1) })
	one(fnFloor, func(n number) number { return n.toward(-1) })
	register(fnRem, 2, func(n []number) (number, bool) {
		if n[1].digits.Sign() == 0 {
			return number{}, false
		}
		return n[0].rem(n[1]), true
	})
	register(fnDiv, 4, func(n []number) (number, bool) {
		if n[1].digits.Sign() == 0 {
			return number{}, false
		}
		for i := range 2 { // a float has lost the zeros at its end
			n[i] = n[i].at(max(n[i].scale, int(n[i+2].digits.Int64())))
		}
		return n[0].div(n[1]), true
	})
	written(fnDecimal, func(n number, scale int) number { return n.at(scale).at(max(0, scale)) })
	written(fnKey, func(n number, scale int) number {
		if at := n.at(scale); compareNumbers(at.text(), n.text()) == 0 {
			return at
		}
		return n // no key has it
	})
	sqlite.MustRegisterFunction(fnTime, &sqlite.FunctionImpl{NArgs: 2, Deterministic: true,
		Scalar: func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			text, isText := args[0].(string)
			as, _ := args[1].(string)
			if !isText {
				return args[0], nil
			}
			return timeAs(text, as), nil
		}})
	aggregate(fnSum, func(s *sum) driver.Value { return s.total.text() })
	aggregate(fnAvg, func(s *sum) driver.Value {
		return s.total.div(number{big.NewInt(s.count), 0}).text()
	})
}

// written has a function called in SQL that writes a number, and leaves what is
// none.
func written(name string, f func(n number, scale int) number) {
	sqlite.MustRegisterFunction(name, &sqlite.FunctionImpl{NArgs: 2, Deterministic: true, VolatileArgs: true,
		Scalar: func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			scale, _ := args[1].(int64)
			if n, ok := numberOf(args[0]); ok {
				return f(n, int(scale)).text(), nil
			}
			return kept(args[0]), nil
		}})
}

// register has a function of numbers called in SQL. One of NULL, or one that has
// no result, is NULL.
func register(name string, n int32, f func([]number) (number, bool)) {
	sqlite.MustRegisterFunction(name, &sqlite.FunctionImpl{NArgs: n, Deterministic: true, VolatileArgs: true,
		Scalar: func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			var numbers [4]number
			for i, a := range args {
				if a == nil {
					return nil, nil
				}
				numbers[i] = numberOrZero(a)
			}
			if r, ok := f(numbers[:len(args)]); ok {
				return r.text(), nil
			}
			return nil, nil
		}})
}

// numberOf is a value of SQLite's as an exact number: of a float, the shortest
// one that is this float.
func numberOf(v driver.Value) (number, bool) {
	if digits, scale, ok := smallOf(v); ok {
		return number{big.NewInt(digits), scale}, true
	}
	switch x := v.(type) {
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return number{}, false
		}
		return parseNumber(strconv.FormatFloat(x, 'e', -1, 64))
	case string:
		return parseNumber(x)
	}
	return number{}, false
}

// smallOf is numberOf for what most numbers are: of few digits, with no exponent.
func smallOf(v driver.Value) (digits int64, scale int, ok bool) {
	switch x := v.(type) {
	case int64:
		return x, 0, true
	case float64:
		if a := math.Abs(x); a >= 1e-6 && a < 1e15 || a == 0 {
			var room [32]byte
			text := strconv.AppendFloat(room[:0], x, 'f', -1, 64)
			return smallText(text)
		}
	case string:
		return smallText(x)
	}
	return 0, 0, false
}

// smallText reads a number of at most 18 digits.
func smallText[T string | []byte](s T) (digits int64, scale int, ok bool) {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > wholeDigits {
		return 0, 0, false
	}
	point := -1
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = digits*10 + int64(c-'0')
		case c == '.' && point < 0 && len(s) > 1:
			point = i
		default:
			return 0, 0, false
		}
	}
	if point >= 0 {
		scale = len(s) - 1 - point
	}
	if negative {
		digits = -digits
	}
	return digits, scale, true
}

// numberOrZero takes what is no number for zero, as SQLite's own arithmetic does.
func numberOrZero(v driver.Value) number {
	if n, ok := numberOf(v); ok {
		return n
	}
	return number{new(big.Int), 0}
}

// kept is a value that the function may give back: its text is SQLite's memory.
func kept(v driver.Value) driver.Value {
	switch x := v.(type) {
	case string:
		return string(append([]byte(nil), x...))
	case []byte:
		return append([]byte(nil), x...)
	}
	return v
}

// sum adds up the numbers of a group, or of a window. Numbers of few digits are
// gathered in part, as digits of partScale behind the point.
type sum struct {
	total     number
	part      int64
	partScale int
	count     int64
	result    func(*sum) driver.Value
}

// add adds a number, or takes it away.
func (s *sum) add(v driver.Value, sign int64) {
	digits, scale, ok := smallOf(v)
	if !ok {
		n := numberOrZero(v)
		if sign < 0 {
			n = number{new(big.Int).Neg(n.digits), n.scale}
		}
		s.total = s.total.add(n)
		return
	}
	for ; scale < s.partScale && digits < maxPart && digits > -maxPart; scale++ {
		digits *= 10
	}
	if scale != s.partScale || s.part > maxPart || s.part < -maxPart || digits > maxPart || digits < -maxPart {
		s.flush()
		s.partScale = scale
	}
	if digits > maxPart || digits < -maxPart {
		s.total = s.total.add(number{big.NewInt(sign), 0}.mul(number{big.NewInt(digits), scale}))
		return
	}
	s.part += sign * digits
}

// maxPart bounds what is gathered so that it cannot overflow: two of them, and
// ten times one, fit 64 bits.
const maxPart = math.MaxInt64 / 20

// flush adds what was gathered to the total.
func (s *sum) flush() {
	if s.part != 0 {
		s.total = s.total.add(number{big.NewInt(s.part), s.partScale})
		s.part = 0
	}
}

// aggregate has the result of a sum called in SQL; of no numbers it is NULL.
func aggregate(name string, result func(*sum) driver.Value) {
	sqlite.MustRegisterFunction(name, &sqlite.FunctionImpl{NArgs: 1, Deterministic: true, VolatileArgs: true,
		MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) {
			return &sum{total: number{new(big.Int), 0}, result: result}, nil
		}})
}

// Step adds a row.
func (s *sum) Step(_ *sqlite.FunctionContext, args []driver.Value) error {
	if args[0] != nil {
		s.add(args[0], 1)
		s.count++
	}
	return nil
}

// WindowInverse takes a row away.
func (s *sum) WindowInverse(_ *sqlite.FunctionContext, args []driver.Value) error {
	if args[0] != nil {
		s.add(args[0], -1)
		s.count--
	}
	return nil
}

// WindowValue is the result so far.
func (s *sum) WindowValue(*sqlite.FunctionContext) (driver.Value, error) {
	if s.count == 0 {
		return nil, nil
	}
	s.flush()
	return s.result(s), nil
}

// Final has nothing to give back.
func (s *sum) Final(*sqlite.FunctionContext) {}
