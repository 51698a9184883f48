package starscript

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// maxDepth bounds how deep data may be nested: a list may hold itself.
const maxDepth = 500

// Bounds of one piece of data. A list that holds another twice counts it twice.
const (
	maxNodes = 4_000_000
	maxBytes = 64 << 20
)

var (
	errTooDeep = errors.New("it is nested too deeply, or holds itself")
	errTooMuch = fmt.Errorf("it holds more than %d values or %d MB, too much for one piece of data: pass it on in parts", maxNodes, maxBytes>>20)
)

// Data gives a value in the form of the host library, all the way down.
func (r *run) Data(v hostlib.Value) (hostlib.Value, error) {
	g := gatherer{run: r}
	return g.data(v, 0)
}

// gatherer makes data of one value.
type gatherer struct {
	*run
	nodes, bytes int
}

// count notes a value of so many bytes.
func (g *gatherer) count(bytes int) error {
	g.nodes++
	g.bytes += bytes
	switch {
	case g.nodes > maxNodes || g.bytes > maxBytes:
		return errTooMuch
	case g.nodes%lookEvery == 0 && g.over():
		return context.Cause(g.call.Context())
	}
	return nil
}

func (g *gatherer) data(v hostlib.Value, depth int) (hostlib.Value, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	if err := g.count(0); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *starlark.Dict:
		return g.dict(v, depth)
	case *starlark.List:
		return g.list(v, v.Len(), depth)
	case starlark.Tuple:
		return g.list(v, v.Len(), depth)
	case *hostlib.Dict:
		return g.within(v, depth)
	case *hostlib.TextRow:
		return g.within(v.Dict(), depth)
	case []hostlib.Value:
		return g.elems(v, depth)
	case hostlib.Tuple:
		return g.elems(v, depth)
	}
	plain := g.Plain(v)
	switch p := plain.(type) {
	case string:
		return p, g.count(len(p))
	case []byte:
		return p, g.count(len(p))
	case hostlib.Iterator:
		return nil, errors.New("an iterator is no data: make a list of it by list(...)")
	case hostlib.Callable:
		return nil, errors.New("a function is no data")
	case starlark.Iterable:
		it := p.Iterate()
		defer it.Done()
		list := []hostlib.Value{}
		var e starlark.Value
		for it.Next(&e) {
			d, err := g.data(e, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, d)
		}
		return list, nil
	case starlark.Value:
		return nil, fmt.Errorf("%s is no data", p.Type())
	}
	if t := hostlib.TypeOf(plain); t != nil && !t.Record && t.Key == nil {
		return nil, fmt.Errorf("%s is no data", t.Name)
	}
	return plain, nil
}

func (g *gatherer) dict(d *starlark.Dict, depth int) (hostlib.Value, error) {
	out := &hostlib.Dict{Names: make([]string, 0, d.Len()), Values: make([]hostlib.Value, 0, d.Len())}
	for k, v := range d.Entries() {
		name, ok := k.(starlark.String)
		if !ok {
			return nil, fmt.Errorf("a dict's key is no string but %s: %s", k.Type(), k)
		}
		if err := g.count(len(name)); err != nil {
			return nil, err
		}
		e, err := g.data(v, depth+1)
		if err != nil {
			return nil, at(strconv.Quote(string(name)), err)
		}
		out.Names = append(out.Names, string(name))
		out.Values = append(out.Values, e)
	}
	return out, nil
}

func (g *gatherer) list(list starlark.Indexable, n, depth int) (hostlib.Value, error) {
	out := make([]hostlib.Value, n)
	for i := range out {
		var err error
		if out[i], err = g.data(list.Index(i), depth+1); err != nil {
			return nil, at(strconv.Itoa(i), err)
		}
	}
	return out, nil
}

// elems converts a list of the host library, which may hold values of the script.
func (g *gatherer) elems(list []hostlib.Value, depth int) (hostlib.Value, error) {
	out := make([]hostlib.Value, len(list))
	for i, e := range list {
		var err error
		if out[i], err = g.data(e, depth+1); err != nil {
			return nil, at(strconv.Itoa(i), err)
		}
	}
	return out, nil
}

func (g *gatherer) within(d *hostlib.Dict, depth int) (hostlib.Value, error) {
	out := &hostlib.Dict{Names: d.Names, Values: make([]hostlib.Value, len(d.Values))}
	for i, e := range d.Values {
		var err error
		if out.Values[i], err = g.data(e, depth+1); err != nil {
			return nil, at(strconv.Quote(d.Names[i]), err)
		}
	}
	return out, nil
}

// at puts the place of an element before what is wrong with it.
func at(index string, err error) error {
	if err == errTooDeep || err == errTooMuch {
		return err
	}
	var inner *placed
	if errors.As(err, &inner) {
		return &placed{"[" + index + "]" + inner.place, inner.what}
	}
	return &placed{"[" + index + "]", err}
}

type placed struct {
	place string
	what  error
}

func (p *placed) Error() string { return p.place + ": " + p.what.Error() }
func (p *placed) Unwrap() error { return p.what }

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
