package hostlib

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// parquetColumn reads a column, row group by row group, page by page.
type parquetColumn struct {
	r    *parquetReader
	node *parquetNode
	make func(*parquetRaw) (Value, error)

	chunk parquetChunk
	at    int64  // where the next page is
	left  int64  // values of the chunk that are not in a page yet
	page  []byte // unpacked
	dict  *parquetDict
	n     int // values of the page that have not been looked at

	reps, defs levelReader // nil: there are none
	values     parquetDecoder
	places     *hybridReader // in the dictionary; nil: values has them
	raw        parquetRaw

	// The value that comes next, once ready is set.
	ready    bool
	end      bool // there is none
	rep, def int
}

// parquetDict are the values that pages refer to.
type parquetDict struct {
	page   []byte
	n      int
	from   []uint32 // of bytes: where each begins; nil: they are of one size
	values []Value  // nil: there are too many to make them all
}

// maxParquetMade is how many values of a dictionary are made beforehand.
const maxParquetMade = 1 << 16

// begin goes to the column's part of a row group.
func (c *parquetColumn) begin(chunk parquetChunk) error {
	c.chunk, c.at, c.left, c.n, c.ready, c.end = chunk, chunk.from, chunk.values, 0, false, false
	c.drop()
	if codec := chunk.codec; codec > codecLZ4Raw || codec == codecLZO {
		return Errorf("parquet.unknown", "%s: column %q is packed in a way that is not known here (%d): known are snappy, gzip, zstd, lz4 and brotli", c.r.f.in.name, c.node.path(), codec)
	}
	return nil
}

// drop gives up the page and the dictionary.
func (c *parquetColumn) drop() {
	c.r.held -= int64(cap(c.page))
	c.page, c.values, c.places, c.reps, c.defs = nil, nil, nil, nil, nil
	if c.dict != nil {
		c.r.held -= int64(cap(c.dict.page)) + 4*int64(cap(c.dict.from))
		c.dict = nil
	}
}

// hold counts memory that is about to be taken.
func (c *parquetColumn) hold(n int64) error {
	if c.r.held += n; c.r.held > maxParquetHeld {
		return Errorf("parquet.size", "%s: the pages that must be open at once have more than %d bytes: read fewer columns at a time by columns = [...]", c.r.f.in.name, maxParquetHeld)
	}
	return nil
}

// bad is the error about the page or the value that the column is at.
func (c *parquetColumn) bad(err error) error {
	return c.r.f.corrupt("row %d, column %q: %v", c.r.n+1, c.node.path(), err)
}

// peek looks at the value that comes next.
func (c *parquetColumn) peek() error {
	if c.ready {
		return nil
	}
	for c.n == 0 {
		if c.left == 0 {
			c.ready, c.end, c.rep, c.def = true, true, 0, 0
			return nil
		}
		if err := c.next(); err != nil {
			return err
		}
	}
	c.n--
	c.ready, c.rep, c.def = true, 0, c.node.defs
	if c.reps != nil {
		n, err := c.reps.next()
		if err == nil && int(n) > c.node.reps {
			err = errParquetBad
		}
		if err != nil {
			return c.bad(err)
		}
		c.rep = int(n)
	}
	if c.defs != nil {
		n, err := c.defs.next()
		if err == nil && int(n) > c.node.defs {
			err = errParquetBad
		}
		if err != nil {
			return c.bad(err)
		}
		c.def = int(n)
	}
	return nil
}

// take takes the value that comes next; nil if there is nothing. It must belong
// where the row is at.
func (c *parquetColumn) take(rep int) (Value, error) {
	if err := c.peek(); err != nil {
		return nil, err
	}
	if c.end || c.rep != rep {
		return nil, c.r.f.corrupt("row %d: column %q does not go together with the other columns", c.r.n+1, c.node.path())
	}
	c.ready = false
	if c.def < c.node.defs {
		return nil, nil
	}
	if c.places != nil {
		i, err := c.places.next()
		if err == nil && int64(i) >= int64(c.dict.n) {
			err = errParquetBad
		}
		if err != nil {
			return nil, c.bad(err)
		}
		if c.dict.values != nil {
			return c.count(c.dict.values[i])
		}
		c.dict.get(c.node, int(i), &c.raw)
	} else if err := c.values.next(&c.raw); err != nil {
		return nil, c.bad(err)
	}
	v, err := c.make(&c.raw)
	if err != nil {
		return nil, Errorf(FailureOf(err).Code, "%s, row %d, column %q: %v", c.r.f.in.name, c.r.n+1, c.node.path(), err)
	}
	return c.count(v)
}

// count counts text and bytes of a row that has lists: those that a page does
// not bound.
func (c *parquetColumn) count(v Value) (Value, error) {
	if c.node.reps == 0 {
		return v, nil
	}
	switch v := v.(type) {
	case string:
		c.r.text -= len(v)
	case []byte:
		c.r.text -= len(v)
	}
	if c.r.text < 0 {
		return nil, Errorf("parquet.size", "%s, row %d: its lists have more than %d bytes", c.r.f.in.name, c.r.n+1, maxParquetText)
	}
	return v, nil
}

// parquetHead is the head of a page.
type parquetHead struct {
	kind           int // 0 data, 2 dictionary, 3 data of the second version
	unpacked, size int
	crc            uint32
	checked        bool // crc is given
	values         int
	encoding       int
	repsIn, defsIn int // encodings of the levels, in the first version
	repBytes       int // in the second one
	defBytes       int
	plain          bool // it is not packed
}

// head reads the head of the next page, and gives its length.
func (c *parquetColumn) head() (h parquetHead, n int, err error) {
	for _, room := range []int64{512, 64 << 10, 8 << 20} { // statistics may be long
		b := c.r.scratch(int(min(room, c.chunk.to-c.at)))
		if err := c.r.f.readAt(b, c.at); err != nil {
			return h, 0, err
		}
		t := &thrift{b: b}
		if h = t.page(); t.err == errThriftShort && int64(len(b)) < c.chunk.to-c.at {
			continue
		}
		if t.err != nil {
			return h, 0, c.bad(Errorf("", "the head of a page is damaged: %v", t.err))
		}
		return h, t.at, nil
	}
	return h, 0, Errorf("parquet.size", "%s: column %q has a page with a head of more than 8 MB", c.r.f.in.name, c.node.path())
}

func (t *thrift) page() (h parquetHead) {
	h.kind, h.unpacked, h.size, h.values = -1, -1, -1, -1
	t.fields(func(key int) bool {
		switch key {
		case thriftKey(1, thriftI32):
			h.kind = t.int32()
		case thriftKey(2, thriftI32):
			h.unpacked = t.int32()
		case thriftKey(3, thriftI32):
			h.size = t.int32()
		case thriftKey(4, thriftI32):
			h.crc, h.checked = uint32(t.int32()), true
		case thriftKey(5, thriftStruct), thriftKey(7, thriftStruct):
			t.fields(func(key int) bool {
				switch key {
				case thriftKey(1, thriftI32):
					h.values = t.int32()
				case thriftKey(2, thriftI32):
					h.encoding = t.int32()
				case thriftKey(3, thriftI32):
					h.defsIn = t.int32()
				case thriftKey(4, thriftI32):
					h.repsIn = t.int32()
				default:
					return false
				}
				return true
			})
		case thriftKey(8, thriftStruct):
			t.fields(func(key int) bool {
				switch key {
				case thriftKey(1, thriftI32):
					h.values = t.int32()
				case thriftKey(4, thriftI32):
					h.encoding = t.int32()
				case thriftKey(5, thriftI32):
					h.defBytes = t.int32()
				case thriftKey(6, thriftI32):
					h.repBytes = t.int32()
				case thriftKey(7, thriftFalse):
					h.plain = true
				default:
					return false
				}
				return true
			})
		default:
			return false
		}
		return true
	})
	return h
}

// next reads the next page.
func (c *parquetColumn) next() error {
	if err := c.r.f.c.over(); err != nil {
		return err
	}
	if c.at >= c.chunk.to {
		return c.bad(errParquetShort)
	}
	h, n, err := c.head()
	if err != nil {
		return err
	}
	c.at += int64(n)
	switch {
	case h.size < 0 || h.unpacked < 0 || int64(h.size) > c.chunk.to-c.at:
		return c.bad(Errorf("", "a page is said to have %d bytes, and %d unpacked", h.size, h.unpacked))
	case h.unpacked > maxParquetPage:
		return Errorf("parquet.size", "%s: column %q has a page of %d bytes, more than %d", c.r.f.in.name, c.node.path(), h.unpacked, maxParquetPage)
	}
	from := c.at
	c.at += int64(h.size)
	switch h.kind {
	case 2:
		return c.dictionary(&h, from)
	case 0, 3:
		if h.values < 0 || int64(h.values) > c.left {
			return c.bad(Errorf("", "a page is said to have %d values, and %d are left", h.values, c.left))
		}
		if h.values > maxParquetPageValues {
			return Errorf("parquet.size", "%s: column %q has a page of %d values, more than %d", c.r.f.in.name, c.node.path(), h.values, maxParquetPageValues)
		}
		c.left -= int64(h.values)
		c.n = h.values
		if h.kind == 0 {
			return c.first(&h, from)
		}
		return c.second(&h, from)
	}
	return nil // another kind of page, that may be left out
}

// load reads a page of which the first bytes are not packed, and unpacks it.
func (c *parquetColumn) load(h *parquetHead, from int64, apart int) ([]byte, error) {
	if apart < 0 || apart > h.size || apart > h.unpacked {
		return nil, c.bad(errParquetBad)
	}
	if err := c.hold(int64(h.unpacked)); err != nil {
		return nil, err
	}
	packed := c.r.scratch(h.size)
	if err := c.r.f.readAt(packed, from); err != nil {
		return nil, err
	}
	if h.checked && crc32.ChecksumIEEE(packed) != h.crc {
		return nil, c.bad(Errorf("", "a page is damaged: its checksum is wrong"))
	}
	page := make([]byte, h.unpacked)
	copy(page, packed[:apart])
	codec := c.chunk.codec
	if h.plain {
		codec = codecNone
	}
	if err := c.r.unpacker.unpack(codec, page[apart:], packed[apart:]); err != nil {
		return nil, c.bad(err)
	}
	return page, nil
}

// replace gives up the page, for the next one.
func (c *parquetColumn) replace() {
	c.r.held -= int64(cap(c.page))
	c.page, c.values, c.places, c.reps, c.defs = nil, nil, nil, nil, nil
}

// first takes a page of the first version: levels and values are packed together.
func (c *parquetColumn) first(h *parquetHead, from int64) (err error) {
	c.replace()
	if c.page, err = c.load(h, from, 0); err != nil {
		return err
	}
	rest := c.page
	if c.reps, rest, err = levelsOf(h.repsIn, rest, c.node.reps, h.values); err != nil {
		return c.bad(err)
	}
	if c.defs, rest, err = levelsOf(h.defsIn, rest, c.node.defs, h.values); err != nil {
		return c.bad(err)
	}
	return c.open(h, rest)
}

// levelsOf reads levels that stand at the beginning of a page, if there are any.
func levelsOf(encoding int, b []byte, most, values int) (levelReader, []byte, error) {
	if most == 0 {
		return nil, b, nil
	}
	width := levelWidth(most)
	switch encoding {
	case encodingRLE:
		if len(b) < 4 {
			return nil, nil, errParquetShort
		}
		n := binary.LittleEndian.Uint32(b)
		if b = b[4:]; uint64(n) > uint64(len(b)) {
			return nil, nil, errParquetShort
		}
		return &hybridReader{b: b[:n], width: width}, b[n:], nil
	case encodingBitPacked:
		n := (values*width + 7) / 8
		if n > len(b) {
			return nil, nil, errParquetShort
		}
		return &packedReader{b: b[:n], width: width}, b[n:], nil
	}
	return nil, nil, Errorf("", "levels are in encoding %d, which is not known", encoding)
}

// second takes a page of the second version: levels are apart, and not packed.
func (c *parquetColumn) second(h *parquetHead, from int64) (err error) {
	c.replace()
	if h.repBytes < 0 || h.defBytes < 0 || h.repBytes > h.size || h.defBytes > h.size {
		return c.bad(errParquetBad)
	}
	if c.page, err = c.load(h, from, h.repBytes+h.defBytes); err != nil {
		return err
	}
	if c.node.reps > 0 {
		c.reps = &hybridReader{b: c.page[:h.repBytes], width: levelWidth(c.node.reps)}
	}
	if c.node.defs > 0 {
		c.defs = &hybridReader{b: c.page[h.repBytes : h.repBytes+h.defBytes], width: levelWidth(c.node.defs)}
	}
	return c.open(h, c.page[h.repBytes+h.defBytes:])
}

// open begins the values of a page.
func (c *parquetColumn) open(h *parquetHead, b []byte) (err error) {
	physical, length := c.node.physical, c.node.length
	whole := physical == physicalInt32 || physical == physicalInt64
	bytes := physical == physicalBytes
	switch e := h.encoding; {
	case len(b) == 0:
		c.values = &plainDecoder{physical: physical, length: length} // all are null
		return nil
	case e == encodingPlain:
		c.values = &plainDecoder{b: b, physical: physical, length: length}
		return nil
	case e == encodingDictionary || e == encodingDictionary2:
		if c.dict == nil {
			return c.bad(Errorf("", "a page needs a dictionary, and there is none"))
		}
		if b[0] > 32 {
			return c.bad(errParquetBad)
		}
		c.places = &hybridReader{b: b[1:], width: int(b[0])}
		return nil
	case e == encodingRLE && physical == physicalBoolean:
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return c.bad(errParquetShort)
		}
		c.values = &boolDecoder{hybridReader{b: b[4 : 4+binary.LittleEndian.Uint32(b)], width: 1}}
		return nil
	case e == encodingDelta && whole:
		c.values = &deltaDecoder{deltaReader{b: b}, physical == physicalInt32}
		return nil
	case e == encodingDeltaLength && bytes:
		c.values, err = newDeltaLength(b, h.values)
	case e == encodingDeltaBytes && (bytes || physical == physicalFixed):
		c.values, err = newDeltaBytes(b, h.values)
	case e == encodingSplit && physical != physicalBoolean && physical != physicalInt96 && !bytes:
		size := physicalSize(physical, length)
		if len(b)%size != 0 {
			return c.bad(errParquetBad)
		}
		c.values = &splitDecoder{b: b, physical: physical, size: size, n: len(b) / size, value: make([]byte, size)}
		return nil
	default:
		return Errorf("parquet.unknown", "%s: column %q is in encoding %d, which is not known here for %s", c.r.f.in.name, c.node.path(), e, physicalNames[physical])
	}
	if err != nil {
		return c.bad(err)
	}
	return nil
}

// dictionary reads the values that pages refer to.
func (c *parquetColumn) dictionary(h *parquetHead, from int64) (err error) {
	if c.dict != nil || h.encoding != encodingPlain && h.encoding != encodingDictionary2 || c.node.physical == physicalBoolean || h.values < 0 {
		return c.bad(Errorf("", "a dictionary that cannot be one"))
	}
	d := &parquetDict{n: h.values}
	size := physicalSize(c.node.physical, c.node.length)
	least := size
	if c.node.physical == physicalBytes {
		least = 4
	}
	if int64(d.n)*int64(least) > int64(h.unpacked) {
		return c.bad(errParquetShort)
	}
	if d.page, err = c.load(h, from, 0); err != nil {
		return err
	}
	c.dict = d
	if c.node.physical == physicalBytes {
		if err := c.hold(4 * int64(d.n)); err != nil {
			return err
		}
		d.from = make([]uint32, 0, d.n)
		plain := plainDecoder{b: d.page, physical: physicalBytes}
		for range d.n {
			d.from = append(d.from, uint32(len(d.page)-len(plain.b)))
			if err := plain.next(&c.raw); err != nil {
				return c.bad(err)
			}
		}
	}
	if d.n > maxParquetMade {
		return nil
	}
	values := make([]Value, d.n)
	for i := range values {
		d.get(c.node, i, &c.raw)
		if values[i], err = c.make(&c.raw); err != nil {
			return nil // it is told where the value is used, if it is
		}
	}
	d.values = values
	return nil
}

// get gives a value of the dictionary.
func (d *parquetDict) get(n *parquetNode, i int, v *parquetRaw) {
	if d.from != nil {
		b := d.page[d.from[i]:]
		v.b = b[4 : 4+binary.LittleEndian.Uint32(b)]
		return
	}
	size := physicalSize(n.physical, n.length)
	fixedValue(v, n.physical, d.page[i*size:(i+1)*size])
}

// scratch is room for what is needed for a moment.
func (r *parquetReader) scratch(n int) []byte {
	if cap(r.room) < n {
		r.room = slices.Grow(r.room[:0], n)
	}
	return r.room[:n]
}
