package starscript

import (
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// object is a value of the host library with attributes and methods.
type object struct {
	run  *run
	typ  *hostlib.ObjectType
	self hostlib.Value
}

var (
	_ starlark.HasAttrs   = (*object)(nil)
	_ starlark.Mapping    = (*object)(nil)
	_ starlark.HasBinary  = (*object)(nil)
	_ starlark.HasUnary   = (*object)(nil)
	_ starlark.Comparable = (*object)(nil)
)

// String is how the object prints.
func (o *object) String() string { return o.typ.String(o.self) }

// Type is the name of its type.
func (o *object) Type() string { return o.typ.Name }

// Freeze does nothing: objects do not change.
func (o *object) Freeze() {}

// Truth is true, unless its type knows better.
func (o *object) Truth() starlark.Bool {
	return starlark.Bool(o.typ.Truth == nil || o.typ.Truth(o.self))
}

// Hash is for types whose values can be keys.
func (o *object) Hash() (uint32, error) {
	if o.typ.Key == nil {
		return 0, fmt.Errorf("unhashable type: %s", o.typ.Name)
	}
	h := fnv.New32a()
	h.Write([]byte(o.typ.Key(o.self)))
	return h.Sum32(), nil
}

// contain makes an error of a panic. Deferred where the interpreter calls into
// this package, it keeps the script's call stack, which a panic through the
// interpreter loses.
func contain(what string, err *error) {
	if p := recover(); p != nil {
		*err = hostlib.Panicked(what, p)
	}
}

// Attr is an attribute, or a method bound to the object.
func (o *object) Attr(name string) (_ starlark.Value, err error) {
	defer contain(o.typ.Name, &err)
	if a := o.typ.Attr(name); a != nil {
		v, err := a.Get(o.self)
		if err != nil {
			return nil, err
		}
		return o.run.value(v)
	}
	if f := o.typ.Method(name); f != nil {
		return builtinOf(f).BindReceiver(o), nil
	}
	return nil, o.typ.Missing(name)
}

// AttrNames are the names that Attr knows.
func (o *object) AttrNames() []string { return o.typ.Names() }

// Get is an attribute by index, for objects that are records.
func (o *object) Get(k starlark.Value) (_ starlark.Value, found bool, err error) {
	defer contain(o.typ.Name, &err)
	name, ok := k.(starlark.String)
	if !ok || !o.typ.Record {
		return nil, false, errors.New(o.typ.NoElements(k.String()))
	}
	a := o.typ.Attr(string(name))
	if a == nil {
		return nil, false, nil
	}
	v, err := a.Get(o.self)
	if err != nil {
		return nil, false, err
	}
	s, err := o.run.value(v)
	return s, err == nil, err
}

// CompareSameType compares values of types that have an order.
func (o *object) CompareSameType(op syntax.Token, y starlark.Value, _ int) (_ bool, err error) {
	defer contain(o.typ.Name, &err)
	other, ok := y.(*object)
	if !ok || o.typ.Compare == nil {
		switch op {
		case syntax.EQL:
			return starlark.Value(o) == y, nil
		case syntax.NEQ:
			return starlark.Value(o) != y, nil
		}
		return false, fmt.Errorf("%s %s %s not implemented", o.Type(), op, y.Type())
	}
	c := o.typ.Compare(o.self, other.self)
	switch op {
	case syntax.EQL:
		return c == 0, nil
	case syntax.NEQ:
		return c != 0, nil
	case syntax.LT:
		return c < 0, nil
	case syntax.LE:
		return c <= 0, nil
	case syntax.GT:
		return c > 0, nil
	}
	return c >= 0, nil
}

// Binary does + and its like for types that know how.
func (o *object) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (_ starlark.Value, err error) {
	defer contain(o.typ.Name, &err)
	if o.typ.Binary == nil {
		return nil, nil
	}
	a, b := o.self, o.run.Plain(y)
	if side == starlark.Right {
		a, b = b, a
	}
	v, err := o.typ.Binary(op.String(), a, b)
	if v == nil || err != nil {
		return nil, err
	}
	return o.run.value(v)
}

// Unary does -x for types that can be subtracted from 0.
func (o *object) Unary(op syntax.Token) (starlark.Value, error) {
	if op != syntax.MINUS || o.typ.Binary == nil {
		return nil, nil
	}
	v, err := o.typ.Binary("-", int64(0), o.self)
	if v == nil || err != nil {
		return nil, err
	}
	return o.run.value(v)
}
