package hostlib

import (
	"encoding/binary"
	"errors"
)

// thrift reads the compact protocol of Thrift, in which Parquet files describe
// themselves. It makes nothing of what it reads: whoever uses it asks for the
// fields that it needs. Whatever the bytes are, it neither reads beyond them nor
// goes deeper than maxThriftDepth.
type thrift struct {
	b     []byte
	at    int
	depth int
	err   error // the first fault; nothing is read after it
}

const maxThriftDepth = 32

var (
	errThriftShort = errors.New("it ends in the middle")
	errThriftBad   = errors.New("it is malformed")
)

// The types of fields.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
	thriftUUID   = 13
)

func (t *thrift) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *thrift) byte() byte {
	if t.err != nil {
		return 0
	}
	if t.at >= len(t.b) {
		t.fail(errThriftShort)
		return 0
	}
	t.at++
	return t.b[t.at-1]
}

func (t *thrift) uvarint() uint64 {
	if t.err != nil {
		return 0
	}
	u, n := binary.Uvarint(t.b[t.at:])
	switch {
	case n == 0:
		t.fail(errThriftShort)
		return 0
	case n < 0:
		t.fail(errThriftBad)
		return 0
	}
	t.at += n
	return u
}

// int reads a whole number of 16, 32 or 64 bits.
func (t *thrift) int() int64 {
	u := t.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// int32 reads a whole number that must have no more than 32 bits.
func (t *thrift) int32() int {
	n := t.int()
	if n != int64(int32(n)) {
		t.fail(errThriftBad)
		return 0
	}
	return int(n)
}

func (t *thrift) take(n uint64) []byte {
	if t.err != nil {
		return nil
	}
	if n > uint64(len(t.b)-t.at) {
		t.fail(errThriftShort)
		return nil
	}
	t.at += int(n)
	return t.b[t.at-int(n) : t.at]
}

func (t *thrift) string() string { return string(t.take(t.uvarint())) }

// fields reads a struct. field is asked about each field, and reads it; what it
// does not want is passed over. key is its number and its type, see thriftKey.
func (t *thrift) fields(field func(key int) bool) {
	if t.depth++; t.depth > maxThriftDepth {
		t.fail(errThriftBad)
	}
	id := 0
	for t.err == nil {
		head := t.byte()
		if head == 0 {
			break
		}
		if delta := int(head >> 4); delta != 0 {
			id += delta
		} else {
			id = int(int16(t.int()))
		}
		if kind := int(head & 15); t.err == nil && !field(thriftKey(id, kind)) {
			t.skip(kind)
		}
	}
	t.depth--
}

// thriftKey tells a field by its number and its type.
func thriftKey(id, kind int) int { return id<<4 | kind }

// list reads a list whose elements must be of a kind. each reads one of them.
func (t *thrift) list(kind int, each func()) {
	has, n := t.head()
	if n > 0 && has != kind {
		t.fail(errThriftBad)
	}
	for ; n > 0 && t.err == nil; n-- {
		each()
	}
}

// head is the beginning of a list. An element has a byte at least.
func (t *thrift) head() (kind int, n uint64) {
	head := t.byte()
	if kind, n = int(head&15), uint64(head>>4); n == 15 {
		n = t.uvarint()
	}
	if t.err == nil && n > uint64(len(t.b)-t.at) {
		t.fail(errThriftShort)
	}
	return kind, n
}

// skip passes over a value.
func (t *thrift) skip(kind int) {
	switch kind {
	case thriftTrue, thriftFalse: // the type of a field says it all
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		t.take(8)
	case thriftUUID:
		t.take(16)
	case thriftBinary:
		t.take(t.uvarint())
	case thriftStruct:
		t.fields(func(int) bool { return false })
	case thriftList, thriftSet, thriftMap:
		t.skipMany(kind)
	default:
		t.fail(errThriftBad)
	}
}

// skipMany passes over a list, a set or a map.
func (t *thrift) skipMany(kind int) {
	if t.depth++; t.depth > maxThriftDepth {
		t.fail(errThriftBad)
	}
	var first, second int
	var n uint64
	if kind == thriftMap {
		if n = t.uvarint(); n > 0 {
			kinds := t.byte()
			first, second = int(kinds>>4), int(kinds&15)
		}
	} else {
		first, n = t.head()
	}
	for ; n > 0 && t.err == nil; n-- {
		t.skipElement(first)
		if kind == thriftMap {
			t.skipElement(second)
		}
	}
	t.depth--
}

// skipElement passes over an element, of which a bool has a byte of its own.
func (t *thrift) skipElement(kind int) {
	if kind == thriftTrue || kind == thriftFalse {
		t.byte()
		return
	}
	t.skip(kind)
}
