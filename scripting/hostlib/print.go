package hostlib

import (
	"encoding/binary"
	"math"
	"math/big"
	"time"
)

// appendPrint adds a text that tells a piece of data from others, though not
// what it is. Unlike JSON it takes bytes, floats that are no numbers, and
// strings that are no UTF-8.
func appendPrint(b []byte, v Value) ([]byte, error) {
	text := func(kind byte, s string) []byte {
		return append(binary.AppendUvarint(append(b, kind), uint64(len(s))), s...)
	}
	switch v := v.(type) {
	case nil:
		return append(b, 'n'), nil
	case bool:
		return append(b, map[bool]byte{false: 'f', true: 't'}[v]), nil
	case int:
		return binary.AppendVarint(append(b, 'i'), int64(v)), nil
	case int64:
		return binary.AppendVarint(append(b, 'i'), v), nil
	case *big.Int:
		return text('I', v.String()), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'd'), math.Float64bits(v)), nil
	case string:
		return text('s', v), nil
	case []byte:
		return text('b', string(v)), nil
	case time.Time:
		return text('T', v.UTC().Format(time.RFC3339Nano)), nil
	case time.Duration:
		return binary.AppendVarint(append(b, 'D'), int64(v)), nil
	case JSON:
		return text('j', string(v)), nil
	case []Value:
		return appendPrints(b, v)
	case Tuple:
		return appendPrints(b, v)
	case *Dict:
		b = binary.AppendUvarint(append(b, '{'), uint64(len(v.Names)))
		for i, n := range v.Names {
			b = append(binary.AppendUvarint(b, uint64(len(n))), n...)
			var err error
			if b, err = appendPrint(b, v.Values[i]); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	t := TypeOf(v)
	switch {
	case t != nil && t.Key != nil:
		return text('k', t.Key(v)), nil
	case t != nil && t.Record:
		d, err := t.Dict(v)
		if err != nil {
			return b, err
		}
		return appendPrint(b, d)
	}
	return b, Errorf("usage", "it is no data")
}

func appendPrints(b []byte, list []Value) (_ []byte, err error) {
	b = binary.AppendUvarint(append(b, '['), uint64(len(list)))
	for _, e := range list {
		if b, err = appendPrint(b, e); err != nil {
			return b, err
		}
	}
	return b, nil
}

// print is what appendPrint makes of a value of the script.
func (c *Call) print(v Value) ([]byte, error) {
	data, err := c.Lang.Data(v)
	if err != nil {
		return nil, err
	}
	return appendPrint(nil, data)
}
