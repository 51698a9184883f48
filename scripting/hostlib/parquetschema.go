package hostlib

import (
	"fmt"
	"slices"
	"strings"
)

// Physical types, as files number them.
const (
	physicalBoolean = iota
	physicalInt32
	physicalInt64
	physicalInt96
	physicalFloat
	physicalDouble
	physicalBytes
	physicalFixed
)

var physicalNames = []string{"BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}

// Logical types, as files number them; 0 is none. Those after the last one
// exist in the old notation only.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalEnum      = 4
	logicalDecimal   = 5
	logicalDate      = 6
	logicalTime      = 7
	logicalTimestamp = 8
	logicalInteger   = 10
	logicalNull      = 11
	logicalJSON      = 12
	logicalBSON      = 13
	logicalUUID      = 14
	logicalFloat16   = 15
	logicalVariant   = 16
	logicalGeometry  = 17
	logicalGeography = 18
	logicalInterval  = 100
)

var logicalNames = map[int]string{
	logicalString: "STRING", logicalMap: "MAP", logicalList: "LIST", logicalEnum: "ENUM", logicalDate: "DATE", logicalNull: "UNKNOWN",
	logicalJSON: "JSON", logicalBSON: "BSON", logicalUUID: "UUID", logicalFloat16: "FLOAT16", logicalVariant: "VARIANT",
	logicalGeometry: "GEOMETRY", logicalGeography: "GEOGRAPHY", logicalInterval: "INTERVAL",
}

// converted are the old names of logical types.
var converted = []parquetLogical{
	{kind: logicalString}, {kind: logicalMap}, {kind: logicalMap}, {kind: logicalList}, {kind: logicalEnum}, {kind: logicalDecimal}, {kind: logicalDate},
	{kind: logicalTime, unit: 1, utc: true}, {kind: logicalTime, unit: 2, utc: true},
	{kind: logicalTimestamp, unit: 1, utc: true}, {kind: logicalTimestamp, unit: 2, utc: true},
	{kind: logicalInteger, bits: 8}, {kind: logicalInteger, bits: 16}, {kind: logicalInteger, bits: 32}, {kind: logicalInteger, bits: 64},
	{kind: logicalInteger, bits: 8, signed: true}, {kind: logicalInteger, bits: 16, signed: true},
	{kind: logicalInteger, bits: 32, signed: true}, {kind: logicalInteger, bits: 64, signed: true},
	{kind: logicalJSON}, {kind: logicalBSON}, {kind: logicalInterval},
}

// parquetNode is a column, or a part of one.
type parquetNode struct {
	parquetElement
	above *parquetNode // nil: it is the root
	depth int
	kids  []*parquetNode
	leaf  int // which one of the leaves it is; -1: it is a group
	reps  int // how many around it, and itself, may be there many times
	defs  int // how many around it, and itself, may be missing
	shape parquetShape
	elem  *parquetNode // of a list: its element; of a map: the group of key and value
	names []string     // of a dict

	asStored bool // its values are given as they are stored
}

// parquetShape is what a script sees of a column.
type parquetShape int

const (
	shapeValue parquetShape = iota
	shapeDict
	shapeList // elem is its element, which is below the node, or the node itself
	shapeMap
)

// maxParquetDepth bounds how deep columns are nested.
const maxParquetDepth = 64

// readSchema makes the tree of columns.
func (f *parquetFile) readSchema(raw []string) error {
	elements, err := f.elements()
	if err != nil {
		return err
	}
	if len(elements) == 0 {
		return f.corrupt("it has no schema")
	}
	rest := elements
	elements[0].repeats, elements[0].name = 0, ""
	if f.root, rest, err = f.node(rest, nil); err != nil {
		return err
	}
	if len(rest) > 0 {
		return f.corrupt("its schema has %d elements that belong to nothing", len(rest))
	}
	if len(f.root.kids) == 0 || f.root.leaf >= 0 {
		return f.corrupt("it has no columns")
	}
	for _, name := range raw {
		i := slices.IndexFunc(f.root.kids, func(n *parquetNode) bool { return n.name == name })
		if i < 0 {
			return f.noColumn(name, f.root.names)
		}
		f.root.kids[i].forget()
	}
	return nil
}

func (f *parquetFile) noColumn(name string, names []string) error {
	return Errorf("parquet.column", "%s has no column %q%s", f.in.name, name, Suggest(name, names))
}

// forget has the values of a column given as they are stored.
func (n *parquetNode) forget() {
	n.asStored = true
	if n.leaf >= 0 {
		n.logical = parquetLogical{}
	}
	for _, k := range n.kids {
		k.forget()
	}
}

// node makes a node of the first element, and those below it of the next ones.
func (f *parquetFile) node(list []parquetElement, above *parquetNode) (*parquetNode, []parquetElement, error) {
	n := &parquetNode{parquetElement: list[0], above: above, leaf: -1}
	list = list[1:]
	if above != nil {
		n.reps, n.defs, n.depth = above.reps, above.defs, above.depth+1
		if n.name == "" {
			return nil, nil, f.corrupt("a column below %q has no name", above.path())
		}
	}
	if n.depth > maxParquetDepth {
		return nil, nil, f.corrupt("its columns are nested more than %d levels deep", maxParquetDepth)
	}
	switch n.repeats {
	case 0:
	case 1:
		n.defs++
	case 2:
		n.reps++
		n.defs++
	default:
		return nil, nil, f.corrupt("column %q is repeated in a way that does not exist (%d)", n.path(), n.repeats)
	}
	if n.logical.kind == 0 && n.converted >= 0 && n.converted < len(converted) {
		scale, precision := n.scale, n.precision
		n.logical = converted[n.converted]
		n.logical.scale, n.logical.precision = scale, precision
	}
	if n.physical >= 0 {
		if n.physical >= len(physicalNames) || n.parquetElement.kids > 0 || n.physical == physicalFixed && (n.length < 1 || n.length > 1<<20) {
			return nil, nil, f.corrupt("column %q is of no type that exists (%d, length %d)", n.path(), n.physical, n.length)
		}
		n.leaf = len(f.leaves)
		f.leaves = append(f.leaves, n)
		n.settle()
		n.arrange()
		return n, list, nil
	}
	if n.parquetElement.kids < 0 || n.parquetElement.kids > len(list) {
		return nil, nil, f.corrupt("column %q is said to have %d parts, and there are %d", n.path(), n.parquetElement.kids, len(list))
	}
	for range n.parquetElement.kids {
		if len(list) == 0 {
			return nil, nil, f.corrupt("column %q is said to have more parts than there are", n.path())
		}
		var kid *parquetNode
		var err error
		if kid, list, err = f.node(list, n); err != nil {
			return nil, nil, err
		}
		n.kids = append(n.kids, kid)
		n.names = append(n.names, kid.name)
	}
	seen := make(map[string]bool, len(n.names))
	for _, name := range n.names {
		if seen[name] {
			return nil, nil, f.corrupt("there are two columns %q", name)
		}
		seen[name] = true
	}
	n.arrange()
	return n, list, nil
}

// settle forgets what a leaf is said to mean if its values cannot.
func (n *parquetNode) settle() {
	l, fits := n.logical, false
	whole := n.physical == physicalInt32 || n.physical == physicalInt64
	text := n.physical == physicalBytes || n.physical == physicalFixed
	switch l.kind {
	case logicalString, logicalEnum, logicalJSON, logicalBSON, logicalGeometry, logicalGeography:
		fits = text
	case logicalDecimal:
		fits = (whole || text) && l.scale >= 0 && l.scale <= maxScale
	case logicalDate:
		fits = n.physical == physicalInt32
	case logicalTime:
		fits = n.physical == physicalInt32 && l.unit == 1 || n.physical == physicalInt64 && (l.unit == 2 || l.unit == 3)
	case logicalTimestamp:
		fits = n.physical == physicalInt64 && l.unit >= 1 && l.unit <= 3
	case logicalInteger:
		fits = whole
	case logicalUUID:
		fits = n.physical == physicalFixed && n.length == 16
	case logicalFloat16:
		fits = n.physical == physicalFixed && n.length == 2
	case logicalInterval:
		fits = n.physical == physicalFixed && n.length == 12
	case logicalNull:
		fits = true
	}
	if !fits {
		n.logical = parquetLogical{}
	}
}

// arrange finds the shape of a node whose parts are known: a list is a group
// with a repeated part, which has been written in several ways.
func (n *parquetNode) arrange() {
	if n.leaf < 0 {
		n.shape = shapeDict
		if len(n.kids) == 1 && n.kids[0].repeats == 2 {
			many := n.kids[0]
			switch n.logical.kind {
			case logicalMap:
				if parts := len(many.kids); (parts == 1 || parts == 2) && many.kids[0].leaf >= 0 && many.kids[0].repeats != 2 {
					n.shape, n.elem = shapeMap, many
				}
			case logicalList:
				n.shape, n.elem = shapeList, many
				if len(many.kids) == 1 && many.leaf < 0 && many.name != "array" && many.name != n.name+"_tuple" {
					n.elem = many.kids[0]
				}
			}
		}
	}
}

// path is the name of a column, with the names of those that it is in.
func (n *parquetNode) path() string {
	if n.above == nil || n.above.above == nil {
		return n.name
	}
	return n.above.path() + "." + n.name
}

// many is the part of a list or a map that is there many times.
func (n *parquetNode) many() *parquetNode { return n.kids[0] }

// stored is the type in words of Parquet.
func (n *parquetNode) stored() string {
	var words []string
	if n.leaf >= 0 {
		words = append(words, physicalNames[n.physical])
		if n.physical == physicalFixed {
			words[0] += fmt.Sprintf("(%d)", n.length)
		}
	} else {
		words = append(words, "group")
	}
	l := n.logical
	units := []string{"", "MILLIS", "MICROS", "NANOS"}
	switch l.kind {
	case 0:
	case logicalDecimal:
		words = append(words, fmt.Sprintf("DECIMAL(%d,%d)", l.precision, l.scale))
	case logicalTime, logicalTimestamp:
		name := map[int]string{logicalTime: "TIME", logicalTimestamp: "TIMESTAMP"}[l.kind]
		words = append(words, fmt.Sprintf("%s(%s,%s)", name, units[l.unit], map[bool]string{true: "UTC", false: "local"}[l.utc]))
	case logicalInteger:
		words = append(words, map[bool]string{true: "INT", false: "UINT"}[l.signed]+fmt.Sprint(l.bits))
	default:
		words = append(words, logicalNames[l.kind])
	}
	return strings.Join(words, " ")
}

// columnType is the type of a value as db.ensure takes it.
func (n *parquetNode) columnType() string {
	l := n.logical
	switch l.kind {
	case logicalString, logicalEnum:
		return "text"
	case logicalJSON:
		return "json"
	case logicalUUID:
		return "text(36)"
	case logicalDate:
		return "date"
	case logicalTime:
		return "time"
	case logicalTimestamp:
		return "timestamp"
	case logicalDecimal:
		return fmt.Sprintf("decimal(%d,%d)", l.precision, l.scale)
	case logicalFloat16:
		return "float"
	case logicalInterval:
		return "dict"
	case logicalInteger:
		if !l.signed && l.bits == 64 {
			return "decimal(20,0)"
		}
		return "integer"
	}
	switch n.physical {
	case physicalBoolean:
		return "boolean"
	case physicalInt32, physicalInt64:
		return "integer"
	case physicalInt96:
		return "timestamp"
	case physicalFloat, physicalDouble:
		return "float"
	}
	return "bytes"
}

var describedNames = []string{"name", "type", "nullable", "stored", "fields"}

// describe is what parquet.schema says of a column.
func (n *parquetNode) describe(name string) *Dict {
	typ, fields := "", Value(nil)
	switch {
	case n.repeats == 2:
		one := *n
		one.repeats = 0
		typ, fields = "list", []Value{one.describe("element")}
	case n.shape == shapeValue:
		typ = n.columnType()
	case n.shape == shapeDict:
		typ, fields = "dict", describeAll(n.kids)
	case n.shape == shapeList:
		elem := *n.elem
		if n.elem == n.many() {
			elem.repeats = 0
		}
		typ, fields = "list", []Value{elem.describe("element")}
	case n.shape == shapeMap:
		typ, fields = "dict", describeAll(n.elem.kids)
	}
	return &Dict{Names: describedNames, Values: []Value{name, typ, n.repeats == 1, n.stored(), fields}}
}

func describeAll(list []*parquetNode) Value {
	described := make([]Value, len(list))
	for i, n := range list {
		described[i] = n.describe(n.name)
	}
	return described
}
