package hostlib

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Bounds of one piece of data. A list that holds another twice counts it twice.
const (
	maxNodes = 4_000_000
	maxBytes = 64 << 20
)

var (
	errDeepData = errors.New("it is nested too deeply, or holds itself")
	errMuchData = fmt.Errorf("it holds more than %d values or %d MB, too much for one piece of data: pass it on in parts", maxNodes, maxBytes>>20)
)

// gatherEvery is after how many values it is looked whether the hook must end.
const gatherEvery = 1000

// Gathered is a language whose values a Gatherer makes data of.
type Gathered interface {
	Plain(v Value) Value
	// Inner makes data of a value that holds others in the language's own way, by the
	// methods of the Gatherer. false: it is none.
	Inner(g *Gatherer, v Value, depth int) (data Value, ok bool, err error)
	// Own is how the type of one of the language's own values is called; "" for others.
	Own(v Value) string
}

// Gatherer makes data of one value of a script, all the way down, within bounds: a list
// may hold itself.
type Gatherer struct {
	Lang  Gathered
	Call  *Call
	First int // how the language counts the first element of a list

	nodes, bytes int
}

// Size notes a value of so many bytes.
func (g *Gatherer) Size(bytes int) error {
	g.nodes++
	g.bytes += bytes
	switch {
	case g.nodes > maxNodes || g.bytes > maxBytes:
		return errMuchData
	case g.nodes%gatherEvery == 0 && g.Call.Context().Err() != nil:
		return context.Cause(g.Call.Context())
	}
	return nil
}

// Data makes data of a value that is so deep within another.
func (g *Gatherer) Data(v Value, depth int) (Value, error) {
	if depth > maxDepth {
		return nil, errDeepData
	}
	if err := g.Size(0); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *Dict:
		return g.within(v, depth)
	case *TextRow:
		return g.within(v.Dict(), depth)
	case []Value:
		return g.elems(v, depth)
	case Tuple:
		return g.elems(v, depth)
	}
	if data, ok, err := g.Lang.Inner(g, v, depth); ok || err != nil {
		return data, err
	}
	plain := g.Lang.Plain(v)
	switch p := plain.(type) {
	case string:
		return p, g.Size(len(p))
	case []byte:
		return p, g.Size(len(p))
	case Iterator:
		return nil, errors.New("an iterator is no data: make a list of it by list(...)")
	case Callable:
		return nil, errors.New("a function is no data")
	}
	if name := g.Lang.Own(plain); name != "" {
		return nil, fmt.Errorf("%s is no data", name)
	}
	if t := TypeOf(plain); t != nil && !t.isData() {
		return nil, fmt.Errorf("%s is no data", t.Name)
	}
	return plain, nil
}

// Elem makes data of an element of a list, the n-th from 0.
func (g *Gatherer) Elem(v Value, n, depth int) (Value, error) {
	data, err := g.Data(v, depth+1)
	if err != nil {
		return nil, placedAt(strconv.Itoa(n+g.First), err)
	}
	return data, nil
}

// Entry adds data of an entry to a dict.
func (g *Gatherer) Entry(d *Dict, name string, v Value, depth int) error {
	if err := g.Size(len(name)); err != nil {
		return err
	}
	data, err := g.Data(v, depth+1)
	if err != nil {
		return placedAt(strconv.Quote(name), err)
	}
	d.Names, d.Values = append(d.Names, name), append(d.Values, data)
	return nil
}

// elems converts a list of the host library, which may hold values of the script.
func (g *Gatherer) elems(list []Value, depth int) (Value, error) {
	out := make([]Value, len(list))
	for i, e := range list {
		var err error
		if out[i], err = g.Elem(e, i, depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (g *Gatherer) within(d *Dict, depth int) (Value, error) {
	out := &Dict{Names: d.Names, Values: make([]Value, len(d.Values)), Row: d.Row}
	for i, e := range d.Values {
		var err error
		if out.Values[i], err = g.Data(e, depth+1); err != nil {
			return nil, placedAt(strconv.Quote(d.Names[i]), err)
		}
	}
	return out, nil
}

// placedAt puts the place of an element before what is wrong with it.
func placedAt(index string, err error) error {
	if err == errDeepData || err == errMuchData {
		return err
	}
	var inner *placedError
	if errors.As(err, &inner) {
		return &placedError{"[" + index + "]" + inner.place, inner.what}
	}
	return &placedError{"[" + index + "]", err}
}

type placedError struct {
	place string
	what  error
}

func (p *placedError) Error() string { return p.place + ": " + p.what.Error() }
func (p *placedError) Unwrap() error { return p.what }
