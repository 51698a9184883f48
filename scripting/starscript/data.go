package starscript

import (
	"fmt"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// Data gives a value in the form of the host library, all the way down.
func (r *run) Data(v hostlib.Value) (hostlib.Value, error) {
	g := hostlib.Gatherer{Lang: r, Call: &r.call}
	return g.Data(v, 0)
}

// Inner makes data of what holds other values; see hostlib.Gathered.
func (r *run) Inner(g *hostlib.Gatherer, v hostlib.Value, depth int) (hostlib.Value, bool, error) {
	switch v := v.(type) {
	case *starlark.Dict:
		out := &hostlib.Dict{Names: make([]string, 0, v.Len()), Values: make([]hostlib.Value, 0, v.Len())}
		for k, e := range v.Entries() {
			name, ok := k.(starlark.String)
			if !ok {
				return nil, false, fmt.Errorf("a dict's key is no string but %s: %s", k.Type(), k)
			}
			if err := g.Entry(out, string(name), e, depth); err != nil {
				return nil, false, err
			}
		}
		return out, true, nil
	case *starlark.List:
		return listed(g, v, depth)
	case starlark.Tuple:
		return listed(g, v, depth)
	case *iterator:
	case starlark.Iterable: // whose length may be that of a range
		it := v.Iterate()
		defer it.Done()
		list := []hostlib.Value{}
		var e starlark.Value
		for it.Next(&e) {
			data, err := g.Data(e, depth+1)
			if err != nil {
				return nil, false, err
			}
			list = append(list, data)
		}
		if _, isSet := v.(*starlark.Set); isSet && g.Call.Sets {
			return hostlib.Set(list), true, nil
		}
		return list, true, nil
	}
	return nil, false, nil
}

func listed(g *hostlib.Gatherer, list starlark.Indexable, depth int) (hostlib.Value, bool, error) {
	out := make([]hostlib.Value, list.Len())
	for i := range out {
		var err error
		if out[i], err = g.Elem(list.Index(i), i, depth); err != nil {
			return nil, false, err
		}
	}
	return out, true, nil
}

// Own is how the type of a value of Starlark's is called; see hostlib.Gathered.
func (r *run) Own(v hostlib.Value) string {
	if v, ok := v.(starlark.Value); ok {
		return v.Type()
	}
	return ""
}

// Row gives a dict with plain values. If its names are those of like, it
// shares them.
func (r *run) Row(v hostlib.Value, like []string) (*hostlib.Dict, bool, error) {
	switch v := v.(type) {
	case *starlark.Dict:
		d, err := r.row(v, like)
		return d, err == nil, err
	case *hostlib.Dict:
		return v, true, nil
	case *hostlib.TextRow:
		return v.Dict(), true, nil
	case *object:
		if v.typ.Record {
			d, err := v.typ.Dict(v.self)
			return d, err == nil, err
		}
	}
	return nil, false, nil
}

func (r *run) row(d *starlark.Dict, like []string) (*hostlib.Dict, error) {
	row := &hostlib.Dict{Names: like}
	return row, r.fillRow(d, row)
}

// RowInto does what Row does, in a dict whose values are written over.
func (r *run) RowInto(v hostlib.Value, into *hostlib.Dict) (bool, error) {
	if d, ok := v.(*starlark.Dict); ok {
		err := r.fillRow(d, into)
		return err == nil, err
	}
	d, ok, err := r.Row(v, into.Names)
	if ok && err == nil {
		into.Names, into.Values = d.Names, append(into.Values[:0], d.Values...)
	}
	return ok, err
}

// filling is a row that a dict's entries are written into, one after the other.
type filling struct {
	run  *run
	row  *hostlib.Dict
	like []string // the names while they are those of the row before; nil: they are not
	n    int
	err  error
	each func(k, v starlark.Value) bool // add, made once
}

func (r *run) fillRow(d *starlark.Dict, row *hostlib.Dict) error {
	f := &r.filling
	if f.each == nil {
		f.run, f.each = r, f.add
	}
	n := d.Len()
	f.row, f.like, f.n, f.err = row, row.Names, n, nil
	if n != len(row.Names) {
		f.like, row.Names = nil, make([]string, 0, n)
	}
	if row.Values = row.Values[:0]; cap(row.Values) < n {
		row.Values = make([]hostlib.Value, 0, n)
	}
	d.Entries()(f.each)
	f.row = nil
	return f.err
}

// add takes an entry.
func (f *filling) add(k, v starlark.Value) bool {
	name, ok := k.(starlark.String)
	if !ok {
		f.err = fmt.Errorf("a dict's key is no string but %s: %s", k.Type(), k)
		return false
	}
	i := len(f.row.Values)
	if f.like != nil && f.like[i] != string(name) {
		f.row.Names = append(make([]string, 0, f.n), f.like[:i]...)
		f.like = nil
	}
	if f.like == nil {
		f.row.Names = append(f.row.Names, string(name))
	}
	f.row.Values = append(f.row.Values, f.run.Plain(v))
	return true
}
