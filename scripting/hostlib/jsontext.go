package hostlib

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/go-json-experiment/json/jsontext"
)

// Builder makes the values of a language from JSON. Slices that it is given
// are used again: it must copy them.
type Builder[V any] interface {
	Null() V
	Bool(bool) V
	Int(int64) V
	Big(*big.Int) V
	Float(float64) V
	String(string) V
	List(elements []V) V
	Dict(names []string, values []V) (V, error)
}

// Decoder turns JSON text into values. Whole numbers stay exact, the order of
// names is kept. It may be used again and again, by one goroutine at a time.
type Decoder[V any] struct {
	b     Builder[V]
	dec   *jsontext.Decoder
	buf   bytes.Buffer
	vals  []V
	names []string
	depth int
	// unique refuses names that an object has twice, where dec lets them pass.
	unique bool
	over   func() error // why what is read is of no use any more; nil: it always is
	steps  int
	// exact makes numbers with a fraction or an exponent; nil: they are floats.
	exact func(Decimal) V
}

// maxDepth bounds how deep JSON may be nested: what scripts cannot write, they
// cannot read either.
const maxDepth = 500

// maxElement bounds one element of json.stream, in bytes; only tests set it.
var maxElement = 64 << 20

// decoderSteps is after how many tokens it is looked whether the hook must end.
const decoderSteps = 4096

// NewDecoder makes a Decoder, which ends when the call must; c may be nil.
func NewDecoder[V any](b Builder[V], c *Call) *Decoder[V] {
	d := &Decoder[V]{b: b, dec: jsontext.NewDecoder(bytes.NewReader(nil))}
	if c != nil {
		d.over = c.over
	}
	return d
}

// Decode reads text that is one value. An error is a *SyntaxError.
func (d *Decoder[V]) Decode(text []byte) (v V, err error) {
	d.reset()
	d.buf = *bytes.NewBuffer(text)
	d.dec.Reset(&d.buf)
	if v, err = d.Next(); err == nil {
		if _, err = d.dec.ReadToken(); err == io.EOF {
			return v, nil
		}
		if err == nil {
			err = errors.New("more than one value")
		}
	}
	return v, syntaxError(text, d.dec, err)
}

// Next reads the next value from where the decoder stands.
func (d *Decoder[V]) Next() (v V, err error) {
	if d.steps++; d.steps%decoderSteps == 0 && d.over != nil {
		if err := d.over(); err != nil {
			return v, err
		}
	}
	tok, err := d.dec.ReadToken()
	if err != nil {
		return v, err
	}
	switch tok.Kind() {
	case 'n':
		return d.b.Null(), nil
	case 't', 'f':
		return d.b.Bool(tok.Bool()), nil
	case '"':
		return d.b.String(tok.String()), nil
	case '0':
		return d.number(tok)
	}
	if d.depth == maxDepth {
		return v, valueError("it is nested more than " + strconv.Itoa(maxDepth) + " levels deep")
	}
	d.depth++
	if tok.Kind() == '[' {
		v, err = d.list()
	} else {
		v, err = d.dict()
	}
	d.depth--
	return v, err
}

func (d *Decoder[V]) number(tok jsontext.Token) (v V, err error) {
	n, err := tok.Int()
	switch {
	case err == nil:
		return d.b.Int(n), nil
	case errors.Is(err, strconv.ErrSyntax) && d.exact != nil:
		x, err := ParseDecimal(tok.String())
		if err != nil {
			return v, valueError(err.Error())
		}
		return d.exact(x), nil
	case errors.Is(err, strconv.ErrSyntax): // a fraction or an exponent
		f, err := tok.Float()
		if err != nil {
			return v, valueError("the number " + tok.String() + " is too large")
		}
		return d.b.Float(f), nil
	}
	text := tok.String()
	if len(text) > maxDigits {
		return v, valueError("a number has more than " + strconv.Itoa(maxDigits) + " digits")
	}
	big, _ := new(big.Int).SetString(text, 10)
	return d.b.Big(big), nil
}

// maxDigits bounds whole numbers: their conversion takes the square of it.
const maxDigits = 10_000

func (d *Decoder[V]) list() (v V, err error) {
	from := len(d.vals)
	for d.dec.PeekKind() != ']' {
		if v, err = d.Next(); err != nil {
			return v, err
		}
		d.vals = append(d.vals, v)
	}
	_, err = d.dec.ReadToken()
	v = d.b.List(d.vals[from:])
	clear(d.vals[from:])
	d.vals = d.vals[:from]
	return v, err
}

func (d *Decoder[V]) dict() (v V, err error) {
	from, first := len(d.vals), len(d.names)
	var seen map[string]struct{} // where names are many
	for d.dec.PeekKind() != '}' {
		tok, err := d.dec.ReadToken()
		if err != nil {
			return v, err
		}
		name := tok.String()
		if d.unique {
			if n := len(d.names) - first; n < fewNames {
				if slices.Contains(d.names[first:], name) {
					return v, twiceThere(name)
				}
			} else {
				if seen == nil {
					seen = make(map[string]struct{}, 4*fewNames)
					for _, n := range d.names[first:] {
						seen[n] = struct{}{}
					}
				}
				if _, there := seen[name]; there {
					return v, twiceThere(name)
				}
				seen[name] = struct{}{}
			}
		}
		if v, err = d.Next(); err != nil {
			return v, err
		}
		d.names = append(d.names, name)
		d.vals = append(d.vals, v)
	}
	if _, err = d.dec.ReadToken(); err == nil {
		v, err = d.b.Dict(d.names[first:], d.vals[from:])
	}
	clear(d.vals[from:])
	d.vals, d.names = d.vals[:from], d.names[:first]
	return v, err
}

// valueError is about JSON that no value can be made of.
type valueError string

// Error is what is wrong.
func (e valueError) Error() string { return string(e) }

// reset forgets what an error left half done.
func (d *Decoder[V]) reset() {
	clear(d.vals)
	d.vals, d.names, d.depth = d.vals[:0], d.names[:0], 0
}

// SyntaxError is an error in JSON text, with its place, counted from 1.
type SyntaxError struct {
	Line, Column int
	Message      string
}

// Error is the message with the place.
func (e *SyntaxError) Error() string {
	return "line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Column) + ": " + e.Message
}

// syntaxError finds the place of an error in text.
func syntaxError(text []byte, dec *jsontext.Decoder, err error) error {
	at, message := dec.InputOffset(), jsonMessage(err)
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) {
		at = syn.ByteOffset
	}
	before := text[:min(max(at, 0), int64(len(text)))]
	line := bytes.Count(before, []byte{'\n'}) + 1
	return &SyntaxError{Line: line, Column: len(before) - bytes.LastIndexByte(before, '\n'), Message: message}
}

// jsonMessage is what is wrong, in words.
func jsonMessage(err error) string {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) && syn.Err != nil {
		if syn.Err == jsontext.ErrDuplicateName {
			return "the name " + strconv.Quote(syn.JSONPointer.LastToken()) + " is there twice"
		}
		return syn.Err.Error()
	}
	return err.Error()
}

// values builds the values of this package.
type values struct{}

func (values) Null() Value           { return nil }
func (values) Bool(b bool) Value     { return b }
func (values) Int(n int64) Value     { return n }
func (values) Big(n *big.Int) Value  { return n }
func (values) Float(f float64) Value { return f }
func (values) String(s string) Value { return s }
func (values) List(e []Value) Value  { return append(make([]Value, 0, len(e)), e...) }
func (values) Dict(names []string, vals []Value) (Value, error) {
	return &Dict{Names: append([]string(nil), names...), Values: append([]Value(nil), vals...)}, nil
}

// DecodeJSON reads text that is one value, into the values of this package.
func DecodeJSON(text []byte) (Value, error) { return NewDecoder(values{}, nil).Decode(text) }

// decoderOf makes a decoder into the values of this package; decimals says that
// numbers with a fraction or an exponent become decimals.
func (c *Call) decoderOf(decimals bool) *Decoder[Value] {
	d := NewDecoder(values{}, c)
	if decimals {
		d.exact = func(x Decimal) Value { return x }
	}
	return d
}

// JSONForm says how what JSON has no form of its own for is written.
type JSONForm struct {
	// Kept has decimals written as text, because a number with a fraction is a float
	// when it is read: for what the engine keeps, and gives back to hooks.
	Kept bool
	// Any has bytes written as base64, with Kept in a dict, {"_bytes": base64}, by which
	// they are known again; and floats that are no numbers as text. Else these are errors.
	Any bool
}

// EncodeJSON writes data as JSON: times as RFC 3339 text, lengths of time as
// "5m", whole numbers and decimals exactly. Only what Language.Data gives can be written.
func EncodeJSON(v Value) (engine.Raw, error) { return JSONForm{}.Encode(v) }

// KeepJSON writes data as the engine keeps it: see JSONForm.Kept.
func KeepJSON(v Value) (engine.Raw, error) { return JSONForm{Kept: true}.Encode(v) }

// Encode writes data as JSON of the form.
func (f JSONForm) Encode(v Value) (engine.Raw, error) { return f.add(nil, v) }

// add adds data as JSON to b.
func (f JSONForm) add(b []byte, v Value) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case *big.Int:
		return v.Append(b, 10), nil
	case float64:
		if f.Any && !finite(v) {
			return strconv.AppendQuote(b, fmt.Sprint(v)), nil
		}
		return appendFloat(b, v)
	case string:
		b, err := jsontext.AppendQuote(b, v)
		if err != nil {
			return b, Errorf("usage", "a string is no valid UTF-8: %.40q", v)
		}
		return b, nil
	case time.Time:
		return append(v.AppendFormat(append(b, '"'), time.RFC3339Nano), '"'), nil
	case time.Duration:
		return strconv.AppendQuote(b, engine.FormatDuration(v)), nil
	case Decimal:
		if f.Kept {
			return strconv.AppendQuote(b, v.String()), nil
		}
		return append(b, v.String()...), nil
	case JSON:
		if v == nil {
			return append(b, "null"...), nil
		}
		return append(b, v...), nil
	case []Value:
		return f.list(b, v)
	case Tuple:
		return f.list(b, v)
	case *Dict:
		return f.dict(b, v)
	case *TextRow:
		return f.dict(b, v.Dict())
	case []byte:
		text := base64.StdEncoding.EncodeToString(v)
		switch {
		case f.Any && f.Kept:
			return append(append(append(b, `{"`+bytesName+`":"`...), text...), `"}`...), nil
		case f.Any:
			return append(append(append(b, '"'), text...), '"'), nil
		}
		return b, Errorf("usage", "JSON has no bytes: decode them into a string first")
	}
	if t := TypeOf(v); t != nil && t.Record {
		d, err := t.Dict(v)
		if err != nil {
			return b, err
		}
		return f.dict(b, d)
	}
	return b, Errorf("usage", "it cannot be written as JSON")
}

// appendFloat keeps a float one when it is read again: 1.0, not 1.
func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, Errorf("usage", "JSON has no number %v", f)
	}
	from := len(b)
	b = jsontext.AppendFloat(b, f, 64)
	if !bytes.ContainsAny(b[from:], ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

func (f JSONForm) list(b []byte, list []Value) (_ []byte, err error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = f.add(b, v); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func (f JSONForm) dict(b []byte, d *Dict) (_ []byte, err error) {
	b = append(b, '{')
	for i, name := range d.Names {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = f.add(b, name); err != nil {
			return b, err
		}
		if b, err = f.add(append(b, ':'), d.Values[i]); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}
