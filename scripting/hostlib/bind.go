package hostlib

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dustin/go-humanize"
)

// Args are the bound arguments of one call. The getters take the name of a
// parameter and panic if there is none: that is a mistake in the table.
type Args struct {
	Self Value   // of a method
	Rest []Value // further positional arguments
	More []Named // further arguments by name

	f    *Func
	vals []Value // by parameter; nil: left out, or None
}

func (a *Args) at(name string) Value {
	for i := range a.f.Params {
		if a.f.Params[i].Name == name {
			return a.vals[i]
		}
	}
	panic(fmt.Sprintf("%s has no parameter %q", a.f, name))
}

// Value is an argument as it is; nil if it was left out.
func (a *Args) Value(name string) Value { return a.at(name) }

// Given says that an argument is there and not None.
func (a *Args) Given(name string) bool { return a.at(name) != nil }

// String is a string, or "".
func (a *Args) String(name string) string { s, _ := a.at(name).(string); return s }

// Bool is a bool, or false.
func (a *Args) Bool(name string) bool { b, _ := a.at(name).(bool); return b }

// Int is a whole number, or 0.
func (a *Args) Int(name string) int64 { n, _ := a.at(name).(int64); return n }

// Float is a number, or 0.
func (a *Args) Float(name string) float64 { f, _ := asFloat(a.at(name)); return f }

// Strings is a list of strings, or nil.
func (a *Args) Strings(name string) []string { s, _ := a.at(name).([]string); return s }

// Duration is a length of time, or 0.
func (a *Args) Duration(name string) time.Duration { d, _ := a.at(name).(time.Duration); return d }

// Time is a time, or the zero time.
func (a *Args) Time(name string) time.Time { t, _ := a.at(name).(time.Time); return t }

// Dict is a dict, or nil.
func (a *Args) Dict(name string) *Dict { d, _ := a.at(name).(*Dict); return d }

// Iterator is an iterator, or nil.
func (a *Args) Iterator(name string) Iterator { it, _ := a.at(name).(Iterator); return it }

// Callable is a function of the script, or nil.
func (a *Args) Callable(name string) Callable { fn, _ := a.at(name).(Callable); return fn }

// leave closes what the function, which has failed, was given to go through.
func (a *Args) leave() {
	for _, v := range append(a.vals, a.Rest...) {
		if it, ok := v.(Iterator); ok {
			Leave(it)
		}
	}
}

// bind gives each parameter its argument, converted.
func (f *Func) bind(c *Call, self Value, args []Value, named []Named) (*Args, error) {
	a := &Args{Self: self, f: f, vals: make([]Value, len(f.Params))}
	given := make([]bool, len(f.Params))
	next := 0
	for _, v := range args {
		for next < len(f.Params) && f.Params[next].Named {
			next++
		}
		switch {
		case next == len(f.Params) || f.Params[next].Others:
			return nil, f.tooMany(c, len(args))
		case f.Params[next].Rest:
			a.Rest = append(a.Rest, v)
			continue
		}
		a.vals[next], given[next] = v, true
		next++
	}
	for _, n := range named {
		i := f.index(n.Name)
		switch {
		case i >= 0 && given[i] && f.open():
			a.More = append(a.More, n) // log.info("...", msg = 1)
		case i >= 0 && given[i]:
			return nil, Errorf("usage", "argument %q is given twice", n.Name)
		case i >= 0:
			a.vals[i], given[i] = n.Value, true
		case f.open():
			a.More = append(a.More, n)
		default:
			return nil, f.Unknown(n.Name, c.Lang.Signature(f))
		}
	}
	for i := range f.Params {
		p := &f.Params[i]
		switch {
		case p.Rest || p.Others:
		case !given[i]:
			if p.Default == nil {
				return nil, Errorf("usage", "argument %q is missing: %s", p.Name, c.Lang.Signature(f))
			}
			if a.vals[i] = p.Default; p.Default == None {
				a.vals[i] = nil
			} else if p.Type == Size {
				a.vals[i], _, _ = sizeOf(p.Default)
			}
		default:
			v, err := p.convert(c, a.vals[i])
			if err != nil {
				return nil, err
			}
			a.vals[i] = v
		}
	}
	return a, nil
}

// index is the place of the parameter that may be given by name, or -1.
func (f *Func) index(name string) int {
	for i := range f.Params {
		if p := &f.Params[i]; p.Name == name && !p.Rest && !p.Others && !p.NotYet {
			return i
		}
	}
	return -1
}

// Unknown is the error about an argument that the function does not have; signature is
// how it is called.
func (f *Func) Unknown(name, signature string) error {
	if p := f.Param(name); p != nil {
		return notYet(fmt.Sprintf("argument %q of %s", name, f))
	}
	var names []string
	for _, p := range f.Params {
		if !p.Rest && !p.Others {
			names = append(names, p.Name)
		}
	}
	return Errorf("usage", "there is no argument %q%s: %s", name, suggestNamed(name, names), signature)
}

func (f *Func) tooMany(c *Call, n int) error {
	takes := 0
	var first []string
	hint := ""
	for _, p := range f.Params {
		switch {
		case p.Named && p.Default == nil && hint == "":
			hint = fmt.Sprintf(": write %s(%s, %s = ...)", f, strings.Join(first, ", "), p.Name)
		case !p.Named && !p.Others:
			takes++
			first = append(first, p.Name)
		}
	}
	return Errorf("usage", "got %d positional arguments, takes at most %d%s: %s", n, takes, hint, c.Lang.Signature(f))
}

// Check says whether a string may be given for the parameter.
func (p *Param) Check(s string) error {
	switch {
	case p.Fits != nil:
		return p.Fits(s)
	case len(p.Choices) == 0 || slices.Contains(p.Choices, s):
		return nil
	case slices.Contains(p.Later, s):
		return notYet(fmt.Sprintf("%s = %q", p.Name, s))
	}
	return Errorf("usage", "%s: got %q, wanted %s%s", p.Name, s, quotedList(p.Choices), Suggest(s, p.Choices))
}

// convert gives an argument the form of the parameter's type.
func (p *Param) convert(c *Call, v Value) (Value, error) {
	if p.Type == Any {
		return v, nil
	}
	plain := c.Lang.Plain(v)
	if plain == nil && p.Default == None {
		return nil, nil
	}
	switch p.Type {
	case Truth:
		switch plain.(type) {
		case Iterator:
			return nil, Errorf("usage", "%s: an iterator does not say whether anything is in it: make a list of it by list(...)", p.Name)
		case Callable:
			return nil, Errorf("usage", "%s: a function is always true: call it", p.Name)
		}
		return v, nil
	case Data:
		d, err := c.Lang.Data(plain)
		if err != nil {
			return nil, Errorf("usage", "%s: %v", p.Name, err)
		}
		return d, nil
	case Bool:
		if b, ok := plain.(bool); ok {
			return b, nil
		}
	case Int:
		if n, ok := asInt(plain); ok {
			return n, nil
		}
	case Number:
		switch plain.(type) {
		case int64, *big.Int, float64:
			return plain, nil
		}
	case String:
		if s, ok := plain.(string); ok {
			return s, p.Check(s)
		}
	case Text:
		switch plain.(type) {
		case string, []byte:
			return plain, nil
		}
	case Strings:
		return p.strings(c, v)
	case DictOf:
		if d, ok, err := dictOf(c, plain); ok || err != nil {
			return d, err
		}
	case Duration:
		if d, ok, err := durationOf(plain); ok || err != nil {
			if err == nil && d < 0 && !p.Negative {
				err = Errorf("usage", "got %s, wanted no negative length of time", engine.FormatDuration(d))
			}
			if err != nil {
				return nil, Errorf("usage", "%s: %v", p.Name, err)
			}
			return d, nil
		}
	case Moment:
		if t, ok := plain.(time.Time); ok {
			return t, nil
		}
	case Iterable:
		if it, ok := c.Iterate(plain); ok {
			return it, Begin(it)
		}
	case Function:
		if fn, ok := plain.(Callable); ok {
			return fn, nil
		}
	case Size:
		if n, ok, err := sizeOf(plain); ok || err != nil {
			if err != nil {
				return nil, Errorf("usage", "%s: %v", p.Name, err)
			}
			return n, nil
		}
	case Source:
		switch plain.(type) {
		case string, streamer:
			return plain, nil
		}
		if it, ok := c.Iterate(plain); ok {
			return it, Begin(it)
		}
	}
	return nil, p.wrong(c, v)
}

// wrong is the error about an argument of the wrong type.
func (p *Param) wrong(c *Call, v Value) error {
	hint, plain := "", c.Lang.Plain(v)
	t, name := TypeOf(plain), ""
	if known, ok := v.(*ObjectType); ok { // by check
		t, name = known, known.Name
	} else {
		name = c.Lang.TypeName(v)
	}
	switch s, isString := plain.(string); {
	case (p.Type == String || p.Type == Source) && t == fileType:
		hint = ": give its path"
	case p.Name == "rows" && c.isDict(plain):
		hint = ": put a single row into a list, [row]"
	case p.Type == Duration && isNumber(plain):
		hint = ": nobody knows the unit of a bare number"
	case p.Type == Int && isBig(plain):
		hint = " of at most 64 bits"
	case p.Type == Strings && isString && s == "": // of which no more may be known
		hint = ": put it into a list"
	case p.Type == Strings && isString:
		hint = fmt.Sprintf(": write [%q]", s)
	case p.Type == Moment && isString:
		hint = ": see time.parse"
	case p.Type == Function && plain == nil:
		hint = ": what is called in its place has run before; write lambda: ..."
	}
	return Errorf("usage", "%s: got %s, wanted %s%s", p.Name, name, p.Type, hint)
}

func (p *Param) strings(c *Call, v Value) (Value, error) {
	it, ok := c.Iterate(c.Lang.Plain(v))
	if !ok {
		return nil, p.wrong(c, v)
	}
	defer it.Close()
	list := []string{}
	for {
		e, err := it.Next()
		if isEOF(err) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		s, ok := c.Lang.Plain(e).(string)
		if !ok {
			return nil, Errorf("usage", "%s: got %s in the list, wanted string", p.Name, c.Lang.TypeName(e))
		}
		list = append(list, s)
	}
}

// dictOf converts a dict, all the way down.
func dictOf(c *Call, v Value) (*Dict, bool, error) {
	if !c.isDict(v) {
		return nil, false, nil
	}
	data, err := c.Lang.Data(v)
	if err != nil {
		return nil, false, err
	}
	d, ok := data.(*Dict)
	return d, ok, nil
}

// durationOf reads a length of time; false if v is neither text nor one.
func durationOf(v Value) (time.Duration, bool, error) {
	switch v := v.(type) {
	case time.Duration:
		return v, true, nil
	case string:
		d, err := engine.ParseDuration(v)
		return d, err == nil, err
	}
	return 0, false, nil
}

// sizeOf reads a number of bytes; false if v is neither text nor a whole number.
func sizeOf(v Value) (int64, bool, error) {
	if s, ok := v.(string); ok {
		n, err := humanize.ParseBytes(s)
		if err != nil || n > math.MaxInt64 {
			return 0, false, Errorf("usage", "got %q, wanted a number of bytes such as \"64MB\" or \"1GB\"", s)
		}
		return int64(n), true, nil
	}
	n, ok := asInt(v)
	return n, ok, nil
}

func isBig(v Value) bool {
	_, ok := v.(*big.Int)
	return ok
}

func isNumber(v Value) bool {
	_, ok := asFloat(v)
	return ok
}

func quotedList(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = fmt.Sprintf("%q", w)
	}
	if len(q) < 2 {
		return strings.Join(q, "")
	}
	return strings.Join(q[:len(q)-1], ", ") + " or " + q[len(q)-1]
}
