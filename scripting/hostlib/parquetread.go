package hostlib

import (
	"io"
	"math/big"
	"strconv"
)

// parquetReader gives the rows of a file.
type parquetReader struct {
	f        *parquetFile
	names    []string
	parts    []*parquetPart // of the columns
	columns  []*parquetColumn
	groups   []parquetGroup
	left     int64 // rows of the row group
	n        int64 // rows that were given
	room     []byte
	unpacker parquetUnpacker
	held     int64 // bytes of pages that are open

	// What the row may still take.
	values, text int
}

// parquetPart is a column of a row, or a part of one, with the columns of the
// file that it is put together of.
type parquetPart struct {
	node    *parquetNode
	shape   parquetShape
	defs    int // it is there if the level of definition is not lower
	reps    int // of a list: the level of repetition of its further elements
	kids    []*parquetPart
	names   []string
	columns []*parquetColumn // of all that is below
}

// reader begins to read columns; none: all. style is what becomes of their names.
func (f *parquetFile) reader(columns []string, style func(string) string) (*parquetReader, error) {
	r := &parquetReader{f: f}
	names := make([]string, len(f.root.names))
	for i, n := range f.root.names {
		names[i] = style(n)
	}
	if err := checkNames(names); err != nil {
		return nil, Errorf("parquet.column", "%s: %v", f.in.name, err)
	}
	if r.names = names; len(columns) > 0 {
		if err := checkNames(columns); err != nil {
			return nil, Errorf("usage", "columns: %v", err)
		}
		r.names = columns
	}
	want := make([]int, len(f.leaves))
	for i := range want {
		want[i] = -1
	}
	for _, name := range r.names {
		i := index(names, name)
		if i < 0 {
			return nil, f.noColumn(name, names)
		}
		r.parts = append(r.parts, r.part(f.root.kids[i], want))
	}
	var err error
	r.groups, err = f.groups(want, len(r.columns))
	return r, err
}

// part plans how a node is put together. want gets the places of the columns.
func (r *parquetReader) part(n *parquetNode, want []int) *parquetPart {
	if n.repeats == 2 {
		return r.list(n, n, want)
	}
	return r.once(n, want)
}

// list plans a list of which each element begins where many does.
func (r *parquetReader) list(many, elem *parquetNode, want []int) *parquetPart {
	p := &parquetPart{node: many, shape: shapeList, defs: many.defs, reps: many.reps}
	var kid *parquetPart
	if elem == many {
		kid = r.once(elem, want)
	} else {
		kid = r.part(elem, want)
	}
	p.kids, p.columns = []*parquetPart{kid}, kid.columns
	return p
}

// once plans a node without its being there many times.
func (r *parquetReader) once(n *parquetNode, want []int) *parquetPart {
	p := &parquetPart{node: n, shape: n.shape, defs: n.defs, names: n.names}
	switch n.shape {
	case shapeValue:
		c := &parquetColumn{r: r, node: n, make: n.maker()}
		want[n.leaf] = len(r.columns)
		r.columns = append(r.columns, c)
		p.columns = []*parquetColumn{c}
	case shapeDict:
		for _, k := range n.kids {
			kid := r.part(k, want)
			p.kids, p.columns = append(p.kids, kid), append(p.columns, kid.columns...)
		}
	case shapeList:
		kid := r.list(n.many(), n.elem, want)
		p.kids, p.columns = []*parquetPart{kid}, kid.columns
	case shapeMap:
		kid := &parquetPart{node: n.elem, shape: shapeMap, defs: n.elem.defs, reps: n.elem.reps}
		for _, k := range n.elem.kids {
			one := r.part(k, want)
			kid.kids, kid.columns = append(kid.kids, one), append(kid.columns, one.columns...)
		}
		p.kids, p.columns = []*parquetPart{kid}, kid.columns
	}
	return p
}

// next is the next row.
func (r *parquetReader) next() (Value, error) {
	for r.left == 0 {
		if err := r.group(); err != nil {
			return nil, err
		}
	}
	r.values, r.text = maxParquetValues, maxParquetText
	row := &Dict{Names: r.names, Values: make([]Value, len(r.parts)), Row: true}
	for i, p := range r.parts {
		if len(p.columns) == 0 {
			continue // a group without anything in it
		}
		v, err := r.make(p, 0)
		if err != nil {
			return nil, err
		}
		row.Values[i] = v
	}
	r.left--
	r.n++
	return row, nil
}

// group goes to the next row group.
func (r *parquetReader) group() error {
	for _, c := range r.columns {
		if err := c.peek(); err != nil {
			return err
		}
		if !c.end {
			return r.f.corrupt("column %q has more values than its row group has rows", c.node.path())
		}
	}
	if len(r.groups) == 0 {
		return io.EOF
	}
	if err := r.f.c.over(); err != nil {
		return err
	}
	g := r.groups[0]
	r.groups, r.left = r.groups[1:], g.rows
	for i, c := range r.columns {
		if err := c.begin(g.chunks[i]); err != nil {
			return err
		}
	}
	return nil
}

// make puts a part together, of what comes next in its columns. rep is the level
// of repetition that this has.
func (r *parquetReader) make(p *parquetPart, rep int) (Value, error) {
	first := p.columns[0]
	if first.node.reps > 0 {
		if r.values--; r.values < 0 {
			return nil, Errorf("parquet.size", "%s, row %d: its lists have more than %d values", r.f.in.name, r.n+1, maxParquetValues)
		}
	}
	if p.shape == shapeValue {
		return first.take(rep)
	}
	many := p.reps > 0
	if err := first.peek(); err != nil {
		return nil, err
	}
	if first.def < p.defs {
		if err := r.pass(p, rep); err != nil || !many {
			return nil, err
		}
		if p.shape == shapeMap {
			return &Dict{}, nil
		}
		return []Value{}, nil
	}
	switch {
	case !many && p.shape == shapeDict:
		d := &Dict{Names: p.names, Values: make([]Value, len(p.kids))}
		for i, kid := range p.kids {
			if len(kid.columns) == 0 {
				continue
			}
			v, err := r.make(kid, rep)
			if err != nil {
				return nil, err
			}
			d.Values[i] = v
		}
		return d, nil
	case !many:
		return r.make(p.kids[0], rep)
	case p.shape == shapeMap:
		return r.dict(p, rep)
	}
	list := []Value{}
	err := r.each(p, rep, func(rep int) error {
		v, err := r.make(p.kids[0], rep)
		list = append(list, v)
		return err
	})
	return list, err
}

// each goes through the elements of a list or a map.
func (r *parquetReader) each(p *parquetPart, rep int, element func(rep int) error) error {
	for {
		if err := element(rep); err != nil {
			return err
		}
		first := p.columns[0]
		if err := first.peek(); err != nil {
			return err
		}
		if first.rep < p.reps {
			return nil
		}
		rep = p.reps
	}
}

// pass passes over what is not there, in all columns of a part.
func (r *parquetReader) pass(p *parquetPart, rep int) error {
	for _, c := range p.columns {
		if err := c.peek(); err != nil {
			return err
		}
		if c.end || c.rep != rep || c.def >= p.defs {
			return r.f.corrupt("row %d: column %q does not go together with the other columns", r.n+1, c.node.path())
		}
		c.ready = false
	}
	return nil
}

// dict makes a dict of a map. Keys that are no text become such; of several
// values with one key the last one counts.
func (r *parquetReader) dict(p *parquetPart, rep int) (Value, error) {
	d, places := &Dict{}, map[string]int{}
	err := r.each(p, rep, func(rep int) error {
		k, err := r.make(p.kids[0], rep)
		if err != nil {
			return err
		}
		var v Value
		if len(p.kids) > 1 {
			if v, err = r.make(p.kids[1], rep); err != nil {
				return err
			}
		}
		name, ok := keyText(k)
		if !ok {
			return Errorf("parquet.unknown", "%s, row %d: a key of the map %q is missing, or neither text nor a number", r.f.in.name, r.n+1, p.node.path())
		}
		if i, there := places[name]; there {
			d.Values[i] = v
			return nil
		}
		places[name] = len(d.Names)
		d.Names, d.Values = append(d.Names, name), append(d.Values, v)
		return nil
	})
	return d, err
}

// keyText is a key of a map as text.
func keyText(v Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	case *big.Int:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case []byte:
		return string(v), true
	}
	if t := TypeOf(v); t != nil && t.Text != nil {
		return t.Text(v), true
	}
	return "", false
}
