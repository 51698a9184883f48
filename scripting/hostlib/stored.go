package hostlib

import (
	"encoding/binary"
	"io"
	"math"
	"math/big"
	"time"

	"github.com/cockroachdb/apd/v3"
)

// Values in temporary files: appendStored writes a piece of data, readStored reads it
// back as it was. No other program, and no later process, reads such a file.

// appendStored adds a value of the form that Language.Data gives.
func appendStored(b []byte, v Value) (_ []byte, err error) {
	text := func(kind byte, s string) []byte {
		return append(binary.AppendUvarint(append(b, kind), uint64(len(s))), s...)
	}
	list := func(kind byte, list []Value) ([]byte, error) {
		b = binary.AppendUvarint(append(b, kind), uint64(len(list)))
		for _, e := range list {
			if b, err = appendStored(b, e); err != nil {
				return b, err
			}
		}
		return b, nil
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
	case Decimal:
		return text('.', v.d.String()), nil
	case string:
		return text('s', v), nil
	case []byte:
		return text('b', string(v)), nil
	case JSON:
		return text('j', string(v)), nil
	case time.Time:
		_, offset := v.Zone()
		b = binary.AppendVarint(append(b, 'T'), v.Unix())
		b = binary.AppendVarint(binary.AppendVarint(b, int64(v.Nanosecond())), int64(offset))
		return append(binary.AppendUvarint(b, uint64(len(v.Location().String()))), v.Location().String()...), nil
	case time.Duration:
		return binary.AppendVarint(append(b, 'D'), int64(v)), nil
	case []Value:
		return list('[', v)
	case Tuple:
		return list('(', v)
	case *TextRow:
		return appendStored(b, v.Dict())
	case *Dict:
		b = binary.AppendUvarint(append(b, map[bool]byte{false: '{', true: 'R'}[v.Row]), uint64(len(v.Names)))
		for i, n := range v.Names {
			b = append(binary.AppendUvarint(b, uint64(len(n))), n...)
			if b, err = appendStored(b, v.Values[i]); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	if t := TypeOf(v); t != nil {
		return b, Errorf("usage", "got %s, which cannot be put into a temporary file: make a dict of it", t.Name)
	}
	return b, Errorf("usage", "it is no data")
}

// storedReader reads what appendStored wrote.
type storedReader struct {
	r interface {
		io.Reader
		io.ByteReader
	}
}

func (s storedReader) text() (string, error) {
	n, err := binary.ReadUvarint(s.r)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(s.r, b)
	return string(b), err
}

func (s storedReader) list() ([]Value, error) {
	n, err := binary.ReadUvarint(s.r)
	if err != nil {
		return nil, err
	}
	list := make([]Value, n)
	for i := range list {
		if list[i], err = s.value(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// value is the next value.
func (s storedReader) value() (Value, error) {
	kind, err := s.r.ReadByte()
	if err != nil {
		return nil, err
	}
	switch kind {
	case 'n':
		return nil, nil
	case 'f', 't':
		return kind == 't', nil
	case 'i':
		return binary.ReadVarint(s.r)
	case 'd':
		var b [8]byte
		_, err := io.ReadFull(s.r, b[:])
		return math.Float64frombits(binary.BigEndian.Uint64(b[:])), err
	case 'D':
		n, err := binary.ReadVarint(s.r)
		return time.Duration(n), err
	case 'T':
		return s.time()
	case '[':
		return s.list()
	case '(':
		list, err := s.list()
		return Tuple(list), err
	case '{', 'R':
		n, err := binary.ReadUvarint(s.r)
		if err != nil {
			return nil, err
		}
		d := &Dict{Names: make([]string, n), Values: make([]Value, n), Row: kind == 'R'}
		for i := range d.Names {
			if d.Names[i], err = s.text(); err != nil {
				return nil, err
			}
			if d.Values[i], err = s.value(); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	text, err := s.text()
	if err != nil {
		return nil, err
	}
	switch kind {
	case 's':
		return text, nil
	case 'b':
		return []byte(text), nil
	case 'j':
		return JSON(text), nil
	case 'I':
		if n, ok := new(big.Int).SetString(text, 10); ok {
			return n, nil
		}
	case '.':
		d, _, err := apd.NewFromString(text)
		return Decimal{d}, err
	}
	return nil, Errorf("file.error", "a temporary file was changed by somebody else")
}

func (s storedReader) time() (Value, error) {
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = binary.ReadVarint(s.r); err != nil {
			return nil, err
		}
	}
	name, err := s.text()
	if err != nil {
		return nil, err
	}
	t := time.Unix(n[0], n[1])
	if loc, err := time.LoadLocation(name); err == nil {
		if _, offset := t.In(loc).Zone(); int64(offset) == n[2] {
			return t.In(loc), nil
		}
	}
	return t.In(time.FixedZone(name, int(n[2]))), nil
}
