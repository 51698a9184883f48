package luascript

import (
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// object is a value of the host library with attributes and methods.
type object struct {
	run     *run
	typ     *hostlib.ObjectType
	self    hostlib.Value
	handle  *lua.LUserData
	methods map[string]*lua.LFunction // those that were asked for
}

func (r *run) object(t *hostlib.ObjectType, self hostlib.Value) *lua.LUserData {
	o := &object{run: r, typ: t, self: self}
	o.handle = &lua.LUserData{Value: o, Metatable: objectMeta}
	return o.handle
}

// objectOf is the object that a value is, or nil.
func objectOf(v lua.LValue) *object {
	if ud, ok := v.(*lua.LUserData); ok {
		o, _ := ud.Value.(*object)
		return o
	}
	return nil
}

// get is an attribute, or a method bound to the object.
func (o *object) get(name string) (_ lua.LValue, err error) {
	if fn := o.methods[name]; fn != nil {
		return fn, nil
	}
	defer contain(o.typ.Name, &err)
	if a := o.typ.Attr(name); a != nil {
		v, err := a.Get(o.self)
		if err != nil {
			return nil, err
		}
		return o.run.outer(v)
	}
	f := o.typ.Method(name)
	if f == nil {
		return nil, missingOf(o.typ, name)
	}
	b := &builtin{Func: f}
	fn := boot.NewFunction(func(l *lua.LState) int { return b.call(l, o) })
	if o.methods == nil {
		o.methods = map[string]*lua.LFunction{}
	}
	o.methods[name] = fn
	return fn, nil
}

// missingOf is the error about what objects of a type do not have: an error is no text,
// but has one.
func missingOf(t *hostlib.ObjectType, name string) error {
	if t.Attr("message") != nil && own["string"][name] != nil && t.Name == "err" {
		return hostlib.Errorf("usage", "%s; its text is its message: e.message:%s(...)", t.Missing(name).Error(), name)
	}
	return t.Missing(name)
}

// contain makes an error of a panic.
func contain(what string, err *error) {
	if p := recover(); p != nil {
		*err = hostlib.Panicked(what, p)
	}
}

// compare orders two objects; false if they have no order.
func (o *object) compare(other *object) (c int, ok bool, err error) {
	if o.typ.Compare == nil || other == nil || o.typ != other.typ {
		return 0, false, nil
	}
	defer contain(o.typ.Name, &err)
	return o.typ.Compare(o.self, other.self), true, nil
}

var objectMeta *lua.LTable

func init() {
	binary := func(op string) lua.LGFunction {
		return func(l *lua.LState) int {
			r := runOf(l)
			for _, v := range []lua.LValue{l.Get(1), l.Get(2)} {
				if o := objectOf(v); o != nil && o.typ.Binary != nil {
					v, err := o.binary(op, r.Plain(l.Get(1)), r.Plain(l.Get(2)))
					if v != nil || err != nil {
						return r.give(l, v, err)
					}
				}
			}
			return r.noArith(l, op)
		}
	}
	order := func(op string, holds func(c int) bool) lua.LGFunction {
		return func(l *lua.LState) int {
			r, o, other := runOf(l), objectOf(l.Get(1)), objectOf(l.Get(2))
			if o == nil {
				return r.noArith(l, op)
			}
			c, ok, err := o.compare(other)
			switch {
			case err != nil:
				return r.raise(l, err)
			case !ok && op == "==":
				l.Push(lua.LBool(l.Get(1) == l.Get(2)))
			case !ok:
				return r.noArith(l, op)
			default:
				l.Push(lua.LBool(holds(c)))
			}
			return 1
		}
	}
	text := func(l *lua.LState) int {
		l.Push(lua.LString(tostring(l, l.Get(1))))
		return 1
	}
	objectMeta = sealed(map[string]lua.LGFunction{
		"__index": func(l *lua.LState) int {
			r, o := runOf(l), objectOf(l.Get(1))
			r.l = l
			name, ok := l.Get(2).(lua.LString)
			if !ok {
				return r.raisef(l, "%s", o.typ.NoElements(keyText(l.Get(2))))
			}
			v, err := o.get(string(name))
			if err != nil {
				return r.raise(l, err)
			}
			l.Push(v)
			return 1
		},
		"__newindex": func(l *lua.LState) int {
			return runOf(l).raisef(l, "%s does not change: %s cannot be set", typeName(l.Get(1)), keyText(l.Get(2)))
		},
		"__add": binary("+"), "__sub": binary("-"), "__mul": binary("*"), "__div": binary("/"), "__mod": binary("%"),
		"__unm": func(l *lua.LState) int {
			r, o := runOf(l), objectOf(l.Get(1))
			if o.typ.Binary != nil {
				if v, err := o.binary("-", int64(0), o.self); v != nil || err != nil {
					return r.give(l, v, err)
				}
			}
			return r.noArith(l, "-")
		},
		"__eq":       order("==", func(c int) bool { return c == 0 }),
		"__lt":       order("<", func(c int) bool { return c < 0 }),
		"__le":       order("<=", func(c int) bool { return c <= 0 }),
		"__tostring": text,
	})
}

func (o *object) binary(op string, a, b hostlib.Value) (_ hostlib.Value, err error) {
	defer contain(o.typ.Name, &err)
	return o.typ.Binary(op, a, b)
}

// noArith raises the error about an operator that does not work.
func (r *run) noArith(l *lua.LState, op string) int {
	x, y := typeName(l.Get(1)), typeName(l.Get(2))
	hint := textNumber(x, y)
	for _, v := range []lua.LValue{l.Get(1), l.Get(2)} {
		if s, ok := v.(lua.LString); ok && hint != "" && len(s) <= 40 {
			hint = fmt.Sprintf(": %s is no number%s", quoted(string(s)), strings.Replace(hint, ":", ";", 1))
		}
	}
	return r.raisef(l, "%s does not work with %s and %s%s", op, x, y, hint)
}
