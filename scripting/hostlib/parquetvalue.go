package hostlib

import (
	"encoding/binary"
	"math"
	"math/big"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/uuid"
)

// maker is how the values of a column are made of what the file has.
func (n *parquetNode) maker() func(*parquetRaw) (Value, error) {
	l := n.logical
	whole := n.physical == physicalInt32 || n.physical == physicalInt64
	switch l.kind {
	case logicalString, logicalEnum, logicalJSON:
		return textValue
	case logicalDecimal:
		if whole {
			return func(v *parquetRaw) (Value, error) { return scaled(big.NewInt(v.n), l.scale) }
		}
		return func(v *parquetRaw) (Value, error) { return decimalBytes(v.b, l.scale) }
	case logicalDate:
		return dateValue
	case logicalTime:
		unit := []time.Duration{0, time.Millisecond, time.Microsecond, time.Nanosecond}[l.unit]
		return func(v *parquetRaw) (Value, error) { return timeOfDay(v.n, unit) }
	case logicalTimestamp:
		return []func(*parquetRaw) (Value, error){
			1: func(v *parquetRaw) (Value, error) { return time.UnixMilli(v.n).UTC(), nil },
			2: func(v *parquetRaw) (Value, error) { return time.UnixMicro(v.n).UTC(), nil },
			3: func(v *parquetRaw) (Value, error) { return time.Unix(0, v.n).UTC(), nil },
		}[l.unit]
	case logicalInteger:
		if !l.signed {
			return unsignedValue(n.physical == physicalInt32)
		}
	case logicalUUID:
		return func(v *parquetRaw) (Value, error) { return uuid.UUID(v.b).String(), nil }
	case logicalFloat16:
		return func(v *parquetRaw) (Value, error) { return halfFloat(binary.LittleEndian.Uint16(v.b)), nil }
	case logicalInterval:
		return intervalValue
	}
	switch n.physical {
	case physicalBoolean:
		return func(v *parquetRaw) (Value, error) { return v.n != 0, nil }
	case physicalInt32, physicalInt64:
		return func(v *parquetRaw) (Value, error) { return v.n, nil }
	case physicalInt96:
		if !n.asStored {
			return oldTimestamp
		}
	case physicalFloat, physicalDouble:
		return func(v *parquetRaw) (Value, error) { return v.f, nil }
	}
	return func(v *parquetRaw) (Value, error) { return append([]byte{}, v.b...), nil }
}

func textValue(v *parquetRaw) (Value, error) {
	if !utf8.Valid(v.b) {
		return nil, Errorf("file.encoding", "the text is not UTF-8: have the column given as bytes by raw = [...]")
	}
	return string(v.b), nil
}

// unsignedValue makes whole numbers of those without a sign.
func unsignedValue(short bool) func(*parquetRaw) (Value, error) {
	if short {
		return func(v *parquetRaw) (Value, error) { return int64(uint32(v.n)), nil }
	}
	return func(v *parquetRaw) (Value, error) {
		if v.n < 0 {
			return new(big.Int).SetUint64(uint64(v.n)), nil
		}
		return v.n, nil
	}
}

// scaled is a decimal with so many digits behind the point; an int if none are.
func scaled(n *big.Int, scale int) (Value, error) {
	if scale == 0 {
		if n.IsInt64() {
			return n.Int64(), nil
		}
		return n, nil
	}
	d, err := checked(apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(n), -int32(scale)))
	if err != nil {
		return nil, err
	}
	return d, nil
}

// decimalBytes reads a decimal: a whole number, the highest byte first.
func decimalBytes(b []byte, scale int) (Value, error) {
	if len(b) > maxPlaces*10/24 {
		return nil, Errorf("decimal.range", "a decimal number has more than %d digits", maxPlaces)
	}
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return scaled(n, scale)
}

const secondsOfDay = 24 * 60 * 60

func dateValue(v *parquetRaw) (Value, error) {
	return time.Unix(v.n*secondsOfDay, 0).UTC().Format(time.DateOnly), nil
}

// timeOfDay is a time of day, as db gives it.
func timeOfDay(n int64, unit time.Duration) (Value, error) {
	if n < 0 || n >= int64(24*time.Hour/unit) {
		return nil, Errorf("parquet.corrupt", "there is no such time of day (%d)", n)
	}
	t := time.Unix(0, n*int64(unit)).UTC()
	switch ns := t.Nanosecond(); {
	case ns == 0:
		return t.Format("15:04:05"), nil
	case ns%1000 == 0:
		return t.Format("15:04:05.000000"), nil
	}
	return t.Format("15:04:05.000000000"), nil
}

// epochDay is the day of 1970-01-01 where days are counted as astronomers do.
const epochDay = 2440588

// oldTimestamp reads nanoseconds of a day, and the day.
func oldTimestamp(v *parquetRaw) (Value, error) {
	day := int64(binary.LittleEndian.Uint32(v.b[8:]))
	return time.Unix((day-epochDay)*secondsOfDay, int64(binary.LittleEndian.Uint64(v.b))).UTC(), nil
}

// halfFloat is a float of 16 bits.
func halfFloat(n uint16) float64 {
	sign, exp, frac := float64(1), int(n>>10&31), float64(n&1023)
	if n>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

var intervalNames = []string{"months", "days", "milliseconds"}

func intervalValue(v *parquetRaw) (Value, error) {
	d := &Dict{Names: intervalNames}
	for i := range intervalNames {
		d.Values = append(d.Values, int64(binary.LittleEndian.Uint32(v.b[4*i:])))
	}
	return d, nil
}
