package engine

import "strings"

// Decimal is an exact decimal number for a placeholder of a statement: digits,
// with a sign and a point if need be, such as "-12.30". The database calculates with
// it, and compares it, as with a number that is written in the statement; as text it
// would be made a float. It has at most DecimalDigits digits, DecimalScale of them
// behind the point.
type Decimal string

// What databases calculate with exactly.
const (
	DecimalDigits = 65
	DecimalScale  = 30
)

// Digits are how many digits the number has before the point, without zeros at
// its beginning, and behind it; false if it is none.
func (d Decimal) Digits() (whole, scale int, ok bool) {
	s := strings.TrimPrefix(string(d), "-")
	before, behind, point := strings.Cut(s, ".")
	for _, part := range []string{before, behind} {
		if strings.Trim(part, "0123456789") != "" {
			return 0, 0, false
		}
	}
	if before == "" || point && behind == "" {
		return 0, 0, false
	}
	return len(strings.TrimLeft(before, "0")), len(behind), true
}
