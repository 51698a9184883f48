package sqlitestore

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// number is an exact decimal: digits / 10^scale.
type number struct {
	digits *big.Int
	scale  int
}

// maxShift bounds the exponent of what is taken for a number: floats reach 1e308.
const maxShift = 400

// maxScale is the most digits behind the point that a result has.
const maxScale = 30

// plain is the text of a number taken apart, without zeros before it.
type plain struct {
	negative        bool
	whole, fraction string
}

// plainOf takes the text of a number apart.
func plainOf(s string) (p plain, ok bool) {
	s = strings.TrimSpace(s)
	if s != "" && (s[0] == '-' || s[0] == '+') {
		p.negative, s = s[0] == '-', s[1:]
	}
	shift := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil || n > maxShift || n < -maxShift {
			return plain{}, false
		}
		s, shift = s[:i], n
	}
	p.whole, p.fraction, _ = strings.Cut(s, ".")
	if !digitsOnly(p.whole) || !digitsOnly(p.fraction) || p.whole == "" && p.fraction == "" {
		return plain{}, false
	}
	for ; shift > 0; shift-- {
		if p.fraction == "" {
			p.fraction = "0"
		}
		p.whole, p.fraction = p.whole+p.fraction[:1], p.fraction[1:]
	}
	for ; shift < 0; shift++ {
		if p.whole == "" {
			p.whole = "0"
		}
		p.whole, p.fraction = p.whole[:len(p.whole)-1], p.whole[len(p.whole)-1:]+p.fraction
	}
	p.whole = strings.TrimLeft(p.whole, "0")
	if p.whole == "" && strings.Trim(p.fraction, "0") == "" {
		p.negative = false
	}
	return p, true
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// compareNumbers is the collation of decimals kept as text: by their value.
// What is no number comes behind the numbers, byte by byte.
func compareNumbers(left, right string) int {
	a, aok := plainOf(left)
	b, bok := plainOf(right)
	switch {
	case !aok && !bok:
		return strings.Compare(left, right)
	case !aok:
		return 1
	case !bok:
		return -1
	case a.negative != b.negative:
		if a.negative {
			return -1
		}
		return 1
	}
	c := cmp.Compare(len(a.whole), len(b.whole))
	if c == 0 {
		c = strings.Compare(a.whole, b.whole)
	}
	if c == 0 { // a fraction that begins another one is the smaller
		c = strings.Compare(strings.TrimRight(a.fraction, "0"), strings.TrimRight(b.fraction, "0"))
	}
	if a.negative {
		return -c
	}
	return c
}

// parseNumber reads the text of a number.
func parseNumber(s string) (number, bool) {
	p, ok := plainOf(s)
	if !ok {
		return number{}, false
	}
	digits, ok := new(big.Int).SetString("0"+p.whole+p.fraction, 10)
	if !ok {
		return number{}, false
	}
	if p.negative {
		digits.Neg(digits)
	}
	return number{digits, len(p.fraction)}, true
}

// power is 10^n.
func power(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// at is the number with so many digits behind the point; halves are rounded
// away from zero, as MySQL does.
func (n number) at(scale int) number {
	switch {
	case scale == n.scale:
		return n
	case scale > n.scale:
		return number{new(big.Int).Mul(n.digits, power(scale-n.scale)), scale}
	}
	unit := power(n.scale - scale)
	half := new(big.Int).Rsh(unit, 1)
	if n.digits.Sign() < 0 {
		half.Neg(half)
	}
	return number{half.Quo(half.Add(half, n.digits), unit), scale}
}

// text writes the number with all the digits of its scale.
func (n number) text() string {
	s := n.digits.String()
	if n.scale == 0 {
		return s
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if short := n.scale + 1 - len(s); short > 0 {
		s = strings.Repeat("0", short) + s
	}
	return sign + s[:len(s)-n.scale] + "." + s[len(s)-n.scale:]
}

// level gives both numbers the greater scale.
func level(a, b number) (number, number) {
	s := max(a.scale, b.scale)
	return a.at(s), b.at(s)
}

func (n number) add(m number) number {
	a, b := level(n, m)
	return number{new(big.Int).Add(a.digits, b.digits), a.scale}
}

func (n number) sub(m number) number {
	a, b := level(n, m)
	return number{new(big.Int).Sub(a.digits, b.digits), a.scale}
}

func (n number) mul(m number) number {
	return number{new(big.Int).Mul(n.digits, m.digits), n.scale + m.scale}
}

// div is the quotient, cut where MySQL cuts it; m is not zero.
func (n number) div(m number) number {
	digits := quotientDigits(n.scale, m.scale)
	up := new(big.Int).Mul(n.digits, power(digits+m.scale))
	down := new(big.Int).Mul(m.digits, power(n.scale))
	return number{up.Quo(up, down), digits}
}

// rem is the remainder, with the sign of n; m is not zero.
func (n number) rem(m number) number {
	a, b := level(n, m)
	return number{new(big.Int).Rem(a.digits, b.digits), a.scale}
}

// toward is the next whole number in the direction of d, or n itself.
func (n number) toward(d int) number {
	unit := power(n.scale)
	q, rest := new(big.Int).QuoRem(n.digits, unit, new(big.Int))
	if rest.Sign() == d {
		q.Add(q, big.NewInt(int64(d)))
	}
	return number{q, 0}
}

// quotientDigits is how many digits behind the point MySQL calculates of a
// quotient, by those of what is divided and of what divides: it counts in words
// of nine.
func quotientDigits(a, b int) int {
	const word = 9
	up := func(n int) int { return (n + word - 1) / word * word }
	return up(up(a) + up(b) + max(0, divDigits-(up(a)-a)-(up(b)-b)))
}
