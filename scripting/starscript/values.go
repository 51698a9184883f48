package starscript

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// value gives a value of the host library the form that a script sees.
func (r *run) value(v hostlib.Value) (starlark.Value, error) {
	switch v := v.(type) {
	case starlark.Value:
		return v, nil
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(v), nil
	case int:
		return starlark.MakeInt(v), nil
	case int64:
		return starlark.MakeInt64(v), nil
	case *big.Int:
		return starlark.MakeBigInt(v), nil
	case float64:
		return starlark.Float(v), nil
	case string:
		return starlark.String(v), nil
	case []byte:
		return starlark.Bytes(v), nil
	case *hostlib.Dict:
		d, err := r.dict(v)
		r.gives(d)
		return d, err
	case *hostlib.TextRow:
		return r.textRow(v), nil
	case hostlib.JSON:
		d, err := r.decode([]byte(v))
		r.gives(d)
		return d, err
	case []hostlib.Value:
		elems, err := r.all(v)
		return starlark.NewList(elems), err
	case hostlib.Tuple:
		elems, err := r.all(v)
		return starlark.Tuple(elems), err
	case hostlib.Iterator:
		return &iterator{run: r, it: v}, nil
	}
	if t := hostlib.TypeOf(v); t != nil {
		return &object{run: r, typ: t, self: v}, nil
	}
	return nil, fmt.Errorf("no value of a script: %T", v)
}

// gives notes a value that the script is given: see aboutKey.
func (r *run) gives(v starlark.Value) {
	r.gave[r.given%len(r.gave)] = v
	r.given++
}

func (r *run) all(list []hostlib.Value) ([]starlark.Value, error) {
	elems := make([]starlark.Value, len(list))
	for i, e := range list {
		var err error
		if elems[i], err = r.value(e); err != nil {
			return nil, err
		}
	}
	return elems, nil
}

func (r *run) dict(d *hostlib.Dict) (starlark.Value, error) {
	out := starlark.NewDict(len(d.Names))
	keys := r.keys(d.Names)
	for i, v := range d.Values {
		e, err := r.value(v)
		if err != nil {
			return nil, err
		}
		if err := out.SetKey(keys[i], e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *run) textRow(row *hostlib.TextRow) starlark.Value {
	row.Seen = true
	return textDict(row, r.keys(row.Names))
}

// RowMaker makes dicts of rows with these names.
func (r *run) RowMaker(names []string) func(*hostlib.TextRow) hostlib.Value {
	keys := r.keys(names)
	return func(row *hostlib.TextRow) hostlib.Value { return textDict(row, keys) }
}

func textDict(row *hostlib.TextRow, keys []starlark.Value) *starlark.Dict {
	out := starlark.NewDict(len(keys))
	for i, k := range keys {
		var e starlark.Value = starlark.None
		if s, ok := row.Field(i); ok {
			e = starlark.String(s)
		}
		_ = out.SetKey(k, e) // a string has a hash, and nobody else has the dict
	}
	return out
}

// keys gives names as Starlark has them. Rows of one source share their names,
// so the last ones are kept.
func (r *run) keys(names []string) []starlark.Value {
	if len(names) == 0 {
		return nil
	}
	if len(r.names) == len(names) && &r.names[0] == &names[0] {
		return r.starNames
	}
	r.names, r.starNames = names, make([]starlark.Value, len(names))
	for i, n := range names {
		r.starNames[i] = starlark.String(n)
	}
	return r.starNames
}

// decode turns JSON straight into Starlark values.
func (r *run) decode(text []byte) (starlark.Value, error) {
	if r.decoder == nil {
		r.decoder = hostlib.NewDecoder(builder{}, &r.call)
	}
	return r.decoder.Decode(text)
}

// builder builds Starlark values from JSON.
type builder struct{}

func (builder) Null() starlark.Value           { return starlark.None }
func (builder) Bool(b bool) starlark.Value     { return starlark.Bool(b) }
func (builder) Int(n int64) starlark.Value     { return starlark.MakeInt64(n) }
func (builder) Big(n *big.Int) starlark.Value  { return starlark.MakeBigInt(n) }
func (builder) Float(f float64) starlark.Value { return starlark.Float(f) }
func (builder) String(s string) starlark.Value { return starlark.String(s) }
func (builder) List(e []starlark.Value) starlark.Value {
	return starlark.NewList(append([]starlark.Value(nil), e...))
}

func (builder) Dict(names []string, values []starlark.Value) (starlark.Value, error) {
	d := starlark.NewDict(len(names))
	for i, n := range names {
		if err := d.SetKey(starlark.String(n), values[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Plain gives a scalar, an iterator, an object or a function in the form of
// the host library.
func (r *run) Plain(v hostlib.Value) hostlib.Value {
	switch x := v.(type) {
	case starlark.String:
		return textOf(v)
	case starlark.Int:
		if n, ok := x.Int64(); ok {
			return n
		}
		return x.BigInt()
	case starlark.NoneType:
		return nil
	case starlark.Bool:
		return bool(x)
	case starlark.Float:
		return float64(x)
	case starlark.Bytes:
		return []byte(x)
	case *object:
		return x.self
	case *iterator:
		return x.it
	case starlark.Callable:
		return &function{run: r, fn: x}
	}
	return v
}

var stringType = reflect.TypeFor[string]()

// textOf is a starlark.String as a string. A conversion would give each a header of its
// own, of which an import makes millions; reflect shares that of the value.
func textOf(v hostlib.Value) hostlib.Value { return reflect.ValueOf(v).Convert(stringType).Interface() }

// Iterate iterates over lists, tuples, sets, ranges and iterators; not over
// dicts, which are rows.
func (r *run) Iterate(v hostlib.Value) (hostlib.Iterator, bool) {
	switch v := v.(type) {
	case *iterator:
		return v.it, true
	case *starlark.Dict:
		return nil, false
	case starlark.Iterable:
		// A list may change while its elements are used: by index no lock is held.
		if list, ok := v.(starlark.Indexable); ok {
			return &elements{run: r, list: list}, true
		}
		return &foreign{run: r, it: v.Iterate()}, true
	}
	return nil, false
}

// elements goes through a list.
type elements struct {
	run  *run
	list starlark.Indexable
	i    int
}

func (e *elements) Next() (hostlib.Value, error) {
	if e.i >= e.list.Len() {
		return nil, io.EOF
	}
	if e.i++; e.i%lookEvery == 0 && e.run.over() {
		return nil, context.Cause(e.run.call.Context())
	}
	return e.list.Index(e.i - 1), nil
}

func (e *elements) Close() error { return nil }

// foreign goes through any other thing that Starlark can loop over.
type foreign struct {
	run *run
	it  starlark.Iterator
	n   int
}

func (f *foreign) Next() (hostlib.Value, error) {
	var v starlark.Value
	if f.n++; f.n%lookEvery == 0 && f.run.over() {
		f.Close()
		return nil, context.Cause(f.run.call.Context())
	}
	if f.it == nil || !f.it.Next(&v) {
		f.Close()
		return nil, io.EOF
	}
	return v, nil
}

func (f *foreign) Close() error {
	if f.it != nil {
		f.it.Done()
		f.it = nil
	}
	return nil
}

// Native is the Starlark form of a value.
func (r *run) Native(v hostlib.Value) (hostlib.Value, error) { return r.value(v) }

// Truth says whether Starlark takes the value for true.
func (r *run) Truth(v hostlib.Value) bool {
	s, err := r.value(v)
	return err == nil && bool(s.Truth())
}

// Range is as Starlark slices strings.
func (r *run) Range(from, to int) (start, stop int64) { return int64(from), int64(to) }

// Where is the place of the innermost function of the script.
func (r *run) Where() string {
	for depth := range r.thread.CallStackDepth() {
		if pos := r.thread.CallFrame(depth).Pos; pos.IsValid() && pos.Line > 0 {
			return fmt.Sprintf("%s:%d", pos.Filename(), pos.Line)
		}
	}
	return ""
}

// LoopSite is which loop of its file the call is that runs.
func (r *run) LoopSite() engine.LoopID {
	for depth := range r.thread.CallStackDepth() {
		if pos := r.thread.CallFrame(depth).Pos; pos.IsValid() && pos.Line > 0 {
			if f := r.script.file(pos.Filename()); f != nil {
				return hostlib.SiteOf(f.path, f.loopSites(), int(pos.Line))
			}
		}
	}
	return engine.LoopID{}
}

// TypeName is how Starlark calls the value's type.
func (r *run) TypeName(v hostlib.Value) string {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return "None"
	case starlark.Value:
		return v.Type()
	case time.Time, time.Duration, hostlib.Object:
		return hostlib.TypeOf(v).Name
	case hostlib.Callable:
		return "function"
	}
	s, err := r.value(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	return s.Type()
}

// Signature is the function with its parameters.
func (r *run) Signature(f *hostlib.Func) string { return f.Signature() }

// function is a function of the script, for the host library.
type function struct {
	run *run
	fn  starlark.Callable
}

// Name is the function's name.
func (f *function) Name() string { return f.fn.Name() }

// Call runs the function in the thread of the hook.
func (f *function) Call(args []hostlib.Value, named []hostlib.Named) (hostlib.Value, error) {
	pos, err := f.run.all(args)
	if err != nil {
		return nil, err
	}
	var kw []starlark.Tuple
	for _, n := range named {
		v, err := f.run.value(n.Value)
		if err != nil {
			return nil, err
		}
		kw = append(kw, starlark.Tuple{starlark.String(n.Name), v})
	}
	v, err := starlark.Call(f.run.thread, f.fn, pos, kw)
	if err != nil {
		f.run.noteArgs(f.fn, pos)
		return nil, &hostlib.Raised{Err: err}
	}
	return v, nil
}

var _ hostlib.Language = (*run)(nil)
