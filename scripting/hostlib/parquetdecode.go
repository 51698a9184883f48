package hostlib

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// parquetRaw is a value as a file has it: n of the whole numbers and of bool, f
// of the floats, b of all that is bytes. b is valid until the next value.
type parquetRaw struct {
	n int64
	f float64
	b []byte
}

// parquetDecoder gives the values of a page, one by one. What it reads has been
// unpacked; it holds nothing that is larger.
type parquetDecoder interface {
	next(v *parquetRaw) error
}

var (
	errParquetShort = errors.New("it has fewer values than it is said to have")
	errParquetBad   = errors.New("its values are malformed")
)

// Encodings, as files number them.
const (
	encodingPlain       = 0
	encodingDictionary2 = 2 // the old number
	encodingRLE         = 3
	encodingBitPacked   = 4
	encodingDelta       = 5
	encodingDeltaLength = 6
	encodingDeltaBytes  = 7
	encodingDictionary  = 8
	encodingSplit       = 9
)

// plainDecoder reads values as they are.
type plainDecoder struct {
	b        []byte
	physical int
	length   int // of a fixed one
	bit      int // of booleans
}

// next reads the next value.
func (d *plainDecoder) next(v *parquetRaw) error {
	size := 0
	switch d.physical {
	case physicalBoolean:
		if d.bit>>3 >= len(d.b) {
			return errParquetShort
		}
		v.n = int64(d.b[d.bit>>3]>>(d.bit&7)) & 1
		d.bit++
		return nil
	case physicalBytes:
		if len(d.b) < 4 {
			return errParquetShort
		}
		n := binary.LittleEndian.Uint32(d.b)
		if d.b = d.b[4:]; uint64(n) > uint64(len(d.b)) {
			return errParquetShort
		}
		v.b, d.b = d.b[:n], d.b[n:]
		return nil
	default:
		size = physicalSize(d.physical, d.length)
	}
	if len(d.b) < size {
		return errParquetShort
	}
	fixedValue(v, d.physical, d.b[:size])
	d.b = d.b[size:]
	return nil
}

// physicalSize is how many bytes a value has.
func physicalSize(physical, length int) int {
	switch physical {
	case physicalInt32, physicalFloat:
		return 4
	case physicalInt64, physicalDouble:
		return 8
	case physicalInt96:
		return 12
	}
	return length
}

// fixedValue makes a value of its bytes.
func fixedValue(v *parquetRaw, physical int, b []byte) {
	switch physical {
	case physicalInt32:
		v.n = int64(int32(binary.LittleEndian.Uint32(b)))
	case physicalInt64:
		v.n = int64(binary.LittleEndian.Uint64(b))
	case physicalFloat:
		v.f = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case physicalDouble:
		v.f = math.Float64frombits(binary.LittleEndian.Uint64(b))
	default:
		v.b = b
	}
}

// splitDecoder reads values whose first bytes stand together, then the second
// ones, and so on.
type splitDecoder struct {
	b        []byte
	physical int
	size, n  int // n values
	at       int
	value    []byte
}

// next reads the next value.
func (d *splitDecoder) next(v *parquetRaw) error {
	if d.at >= d.n {
		return errParquetShort
	}
	for i := range d.value {
		d.value[i] = d.b[i*d.n+d.at]
	}
	d.at++
	fixedValue(v, d.physical, d.value)
	return nil
}

// hybridReader reads whole numbers of a width in bits, as runs of one number and
// as packed bits: levels, places in a dictionary, booleans.
type hybridReader struct {
	b      []byte
	width  int
	run    uint64 // how often value comes again
	value  uint32
	packed int // numbers that are left of a packed stretch
	bit    int // where the next of them is
}

// next reads the next number.
func (h *hybridReader) next() (uint32, error) {
	for {
		switch {
		case h.run > 0:
			h.run--
			return h.value, nil
		case h.packed > 0:
			h.packed--
			n := uint32(bitsAt(h.b, h.bit, h.width))
			if h.bit += h.width; h.packed == 0 {
				h.b = h.b[min((h.bit+7)/8, len(h.b)):]
			}
			return n, nil
		}
		head, n := binary.Uvarint(h.b)
		if n <= 0 {
			return 0, errParquetShort
		}
		h.b = h.b[n:]
		size := (h.width + 7) / 8
		if head&1 == 0 {
			if h.run = head >> 1; len(h.b) < size {
				return 0, errParquetShort
			}
			h.value = 0
			for i := range size {
				h.value |= uint32(h.b[i]) << (8 * i)
			}
			h.b = h.b[size:]
			continue
		}
		// Some writers leave out the end of the last stretch.
		h.packed, h.bit = int(min(head>>1, math.MaxInt32))*8, 0
		if h.width > 0 {
			h.packed = min(h.packed, len(h.b)*8/h.width)
		}
		if head>>1 > 0 && h.packed == 0 {
			return 0, errParquetShort
		}
	}
}

// bitsAt are the bits from a place on, the lowest first; beyond the end are zeros.
func bitsAt(b []byte, at, width int) uint64 {
	i, shift := at>>3, at&7
	if len(b)-i >= 8 {
		n := binary.LittleEndian.Uint64(b[i:]) >> shift
		if shift+width > 64 && len(b)-i > 8 {
			n |= uint64(b[i+8]) << (64 - shift)
		}
		return n & mask(width)
	}
	var n uint64
	for k := 0; i+k < len(b) && k < 8; k++ {
		n |= uint64(b[i+k]) << (8 * k)
	}
	return n >> shift & mask(width)
}

func mask(width int) uint64 { return 1<<width - 1 }

// packedReader reads levels in the oldest way: packed bits, the highest first.
type packedReader struct {
	b     []byte
	width int
	bit   int
}

// next reads the next number.
func (p *packedReader) next() (uint32, error) {
	var n uint32
	for range p.width {
		i := p.bit >> 3
		if i >= len(p.b) {
			return 0, errParquetShort
		}
		n = n<<1 | uint32(p.b[i]>>(7-p.bit&7))&1
		p.bit++
	}
	return n, nil
}

// levelReader gives the levels of a page.
type levelReader interface {
	next() (uint32, error)
}

// levelWidth is how many bits a level has.
func levelWidth(most int) int { return bits.Len(uint(most)) }

// boolDecoder reads booleans as runs.
type boolDecoder struct{ hybridReader }

// next reads the next value.
func (d *boolDecoder) next(v *parquetRaw) error {
	n, err := d.hybridReader.next()
	v.n = int64(n & 1)
	return err
}

// deltaReader reads whole numbers, each as what it is more than the one before,
// in blocks of which each has its smallest difference.
type deltaReader struct {
	b       []byte
	block   int // numbers in a block
	minis   int // parts of a block
	left    int64
	value   int64
	first   bool // the first number has not been given yet
	least   int64
	widths  []byte // of the parts of the block that are still to come
	width   int
	inMini  int // numbers that are left in the part
	bit     int
	started bool
}

// begin reads the head.
func (d *deltaReader) begin() error {
	d.started = true
	block, err := d.uvarint()
	if err != nil {
		return err
	}
	minis, err := d.uvarint()
	if err != nil {
		return err
	}
	total, err := d.uvarint()
	if err != nil {
		return err
	}
	if block == 0 || block > 1<<20 || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 || total > math.MaxInt32 {
		return errParquetBad
	}
	d.block, d.minis, d.left, d.first = int(block), int(minis), int64(total), true
	d.value, err = d.varint()
	return err
}

func (d *deltaReader) uvarint() (uint64, error) {
	u, n := binary.Uvarint(d.b)
	if n <= 0 {
		return 0, errParquetShort
	}
	d.b = d.b[n:]
	return u, nil
}

func (d *deltaReader) varint() (int64, error) {
	u, err := d.uvarint()
	return int64(u>>1) ^ -int64(u&1), err
}

// next reads the next number.
func (d *deltaReader) next() (int64, error) {
	if !d.started {
		if err := d.begin(); err != nil {
			return 0, err
		}
	}
	if d.left <= 0 {
		return 0, errParquetShort
	}
	d.left--
	if d.first {
		d.first = false
		return d.value, nil
	}
	if d.inMini == 0 {
		if err := d.mini(); err != nil {
			return 0, err
		}
	}
	d.value += d.least + int64(bitsAt(d.b, d.bit, d.width))
	d.bit += d.width
	if d.inMini--; d.inMini == 0 {
		d.endMini()
	}
	return d.value, nil
}

// mini begins the next part of a block, or the next block.
func (d *deltaReader) mini() error {
	if len(d.widths) == 0 {
		var err error
		if d.least, err = d.varint(); err != nil {
			return err
		}
		if len(d.b) < d.minis {
			return errParquetShort
		}
		d.widths, d.b = d.b[:d.minis], d.b[d.minis:]
	}
	d.width, d.widths = int(d.widths[0]), d.widths[1:]
	d.inMini, d.bit = d.block/d.minis, 0
	// The end of the last part may be left out.
	need := min(int64(d.inMini), d.left+1) * int64(d.width)
	if d.width > 64 || need > int64(len(d.b))*8 {
		return errParquetShort
	}
	return nil
}

// endMini goes to where the part ends.
func (d *deltaReader) endMini() { d.b = d.b[min((d.bit+7)/8, len(d.b)):] }

// rest is what stands behind the numbers, once all have been read.
func (d *deltaReader) rest() []byte {
	if d.inMini > 0 { // the last part is filled up
		d.bit += d.inMini * d.width
		d.inMini = 0
		d.endMini()
	}
	return d.b
}

// deltaDecoder reads whole numbers as differences.
type deltaDecoder struct {
	deltaReader
	short bool // of 32 bits
}

// next reads the next value.
func (d *deltaDecoder) next(v *parquetRaw) error {
	n, err := d.deltaReader.next()
	if v.n = n; d.short {
		v.n = int64(int32(n))
	}
	return err
}

// passDelta passes over numbers, and gives what stands behind them. There are no
// more than most.
func passDelta(b []byte, most int) ([]byte, error) {
	d := deltaReader{b: b}
	if err := d.begin(); err != nil {
		return nil, err
	}
	if d.left > int64(most) {
		return nil, errParquetBad
	}
	for d.left > 0 {
		if _, err := d.next(); err != nil {
			return nil, err
		}
	}
	return d.rest(), nil
}

// deltaLengthDecoder reads bytes whose lengths stand before all of them.
type deltaLengthDecoder struct {
	lengths deltaReader
	b       []byte
}

func newDeltaLength(b []byte, values int) (*deltaLengthDecoder, error) {
	rest, err := passDelta(b, values)
	return &deltaLengthDecoder{deltaReader{b: b}, rest}, err
}

// next reads the next value.
func (d *deltaLengthDecoder) next(v *parquetRaw) error {
	n, err := d.lengths.next()
	if err != nil {
		return err
	}
	if n < 0 || n > int64(len(d.b)) {
		return errParquetBad
	}
	v.b, d.b = d.b[:n], d.b[n:]
	return nil
}

// deltaBytesDecoder reads bytes, each as how much it has in common with the one
// before, and what follows.
type deltaBytesDecoder struct {
	common deltaReader
	tails  *deltaLengthDecoder
	value  []byte
}

func newDeltaBytes(b []byte, values int) (*deltaBytesDecoder, error) {
	rest, err := passDelta(b, values)
	if err != nil {
		return nil, err
	}
	tails, err := newDeltaLength(rest, values)
	return &deltaBytesDecoder{common: deltaReader{b: b}, tails: tails}, err
}

// next reads the next value.
func (d *deltaBytesDecoder) next(v *parquetRaw) error {
	n, err := d.common.next()
	if err != nil {
		return err
	}
	if n < 0 || n > int64(len(d.value)) {
		return errParquetBad
	}
	if err := d.tails.next(v); err != nil {
		return err
	}
	if n+int64(len(v.b)) > maxParquetPage {
		return errParquetBad
	}
	d.value = append(d.value[:n], v.b...)
	v.b = d.value
	return nil
}
