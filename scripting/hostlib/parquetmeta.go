package hostlib

import (
	"errors"
)

// parquetElement is an element of a schema, as the footer has it.
type parquetElement struct {
	name      string
	physical  int // -1: a group
	length    int // of a fixed_len_byte_array
	repeats   int // 0 once, 1 once or not at all, 2 any number of times
	kids      int
	converted int // the old name of what it means; -1: none
	scale     int
	precision int
	logical   parquetLogical
}

// parquetLogical is what a column means, in the new way.
type parquetLogical struct {
	kind      int // the number in the union; 0: none
	scale     int
	precision int
	unit      int // 1 milli-, 2 micro-, 3 nanoseconds
	utc       bool
	bits      int
	signed    bool
}

// parquetGroup is a row group: where the columns that are read have their pages.
type parquetGroup struct {
	rows   int64
	chunks []parquetChunk // by column that is read
}

// parquetChunk is the part of a column in a row group.
type parquetChunk struct {
	codec    int
	values   int64
	from, to int64 // in the file
}

// damaged is the error about a part of the file that is not what it must be.
func (f *parquetFile) damaged(what string, err error) error {
	if errors.Is(err, errThriftShort) || errors.Is(err, errThriftBad) {
		return f.corrupt("%s is damaged: %v", what, err)
	}
	return err
}

// maxParquetElements bounds a schema.
const maxParquetElements = 50_000

// elements reads the schema in the footer.
func (f *parquetFile) elements() ([]parquetElement, error) {
	var list []parquetElement
	t := &thrift{b: f.footer}
	t.fields(func(key int) bool {
		switch key {
		case thriftKey(2, thriftList):
			t.list(thriftStruct, func() {
				if list = append(list, t.element()); len(list) > maxParquetElements {
					t.fail(Errorf("parquet.size", "%s has more than %d columns", f.in.name, maxParquetElements))
				}
			})
		case thriftKey(8, thriftStruct):
			t.fail(Errorf("parquet.encrypted", "%s is encrypted, which cannot be read here", f.in.name))
		default:
			return false
		}
		return true
	})
	return list, f.damaged("its footer", t.err)
}

func (t *thrift) element() parquetElement {
	e := parquetElement{physical: -1, converted: -1}
	t.fields(func(key int) bool {
		switch key {
		case thriftKey(1, thriftI32):
			e.physical = t.int32()
		case thriftKey(2, thriftI32):
			e.length = t.int32()
		case thriftKey(3, thriftI32):
			e.repeats = t.int32()
		case thriftKey(4, thriftBinary):
			e.name = t.string()
		case thriftKey(5, thriftI32):
			e.kids = t.int32()
		case thriftKey(6, thriftI32):
			e.converted = t.int32()
		case thriftKey(7, thriftI32):
			e.scale = t.int32()
		case thriftKey(8, thriftI32):
			e.precision = t.int32()
		case thriftKey(10, thriftStruct):
			e.logical = t.logical()
		default:
			return false
		}
		return true
	})
	return e
}

// logical reads the union of logical types.
func (t *thrift) logical() (l parquetLogical) {
	t.fields(func(key int) bool {
		if key&15 != thriftStruct {
			return false
		}
		l.kind = key >> 4
		t.fields(func(key int) bool {
			switch {
			case l.kind == logicalDecimal && key == thriftKey(1, thriftI32):
				l.scale = t.int32()
			case l.kind == logicalDecimal && key == thriftKey(2, thriftI32):
				l.precision = t.int32()
			case key == thriftKey(1, thriftTrue):
				l.utc = true
			case key == thriftKey(2, thriftStruct):
				t.fields(func(key int) bool { l.unit = key >> 4; return false })
			case l.kind == logicalInteger && key == thriftKey(1, thriftByte):
				l.bits = int(t.byte())
			case l.kind == logicalInteger && key == thriftKey(2, thriftTrue):
				l.signed = true
			default:
				return false
			}
			return true
		})
		return true
	})
	return l
}

// groups reads the row groups in the footer, as far as some columns are
// concerned: want gives for each leaf the place of its column, or -1.
func (f *parquetFile) groups(want []int, columns int) ([]parquetGroup, error) {
	var list []parquetGroup
	t := &thrift{b: f.footer}
	t.fields(func(key int) bool {
		if key != thriftKey(4, thriftList) {
			return false
		}
		t.list(thriftStruct, func() {
			g := parquetGroup{rows: -1, chunks: make([]parquetChunk, columns)}
			leaf := 0
			t.fields(func(key int) bool {
				switch key {
				case thriftKey(1, thriftList):
					t.list(thriftStruct, func() {
						if leaf < len(want) && want[leaf] >= 0 {
							g.chunks[want[leaf]] = f.chunk(t, f.leaves[leaf])
						} else {
							t.skip(thriftStruct)
						}
						leaf++
					})
				case thriftKey(3, thriftI64):
					g.rows = t.int()
				default:
					return false
				}
				return true
			})
			if t.err == nil && (leaf != len(want) || g.rows < 0) {
				t.fail(f.corrupt("row group %d has %d columns and %d rows, where the file has %d columns", len(list)+1, leaf, g.rows, len(want)))
			}
			list = append(list, g)
		})
		return true
	})
	return list, f.damaged("its footer", t.err)
}

// chunk reads what is said about the part of a column in a row group.
func (f *parquetFile) chunk(t *thrift, leaf *parquetNode) parquetChunk {
	k := parquetChunk{codec: -1, values: -1}
	physical, size, data, dict := -1, int64(-1), int64(-1), int64(0)
	t.fields(func(key int) bool {
		switch key {
		case thriftKey(1, thriftBinary):
			if other := t.string(); other != "" && t.err == nil {
				t.fail(Errorf("parquet.unknown", "%s has its column %q in another file, %q: read that one", f.in.name, leaf.path(), other))
			}
		case thriftKey(8, thriftStruct):
			t.fail(Errorf("parquet.encrypted", "%s: column %q is encrypted, which cannot be read here", f.in.name, leaf.path()))
		case thriftKey(3, thriftStruct):
			t.fields(func(key int) bool {
				switch key {
				case thriftKey(1, thriftI32):
					physical = t.int32()
				case thriftKey(4, thriftI32):
					k.codec = t.int32()
				case thriftKey(5, thriftI64):
					k.values = t.int()
				case thriftKey(7, thriftI64):
					size = t.int()
				case thriftKey(9, thriftI64):
					data = t.int()
				case thriftKey(11, thriftI64):
					dict = t.int()
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
	if k.from = data; dict > 0 && dict < data {
		k.from = dict
	}
	k.to = k.from + size
	if k.values == 0 && physical == leaf.physical {
		return parquetChunk{}
	}
	if t.err == nil && (physical != leaf.physical || k.codec < 0 || k.values < 0 || size < 0 || k.from < int64(len(parquetMagic)) || k.to < k.from || k.to > f.end()) {
		t.fail(f.corrupt("column %q is said to be where it cannot be: bytes %d to %d, %d values", leaf.path(), k.from, k.to, k.values))
	}
	return k
}
