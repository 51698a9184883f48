package hostlib

import (
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// compareValues orders two values of one kind: numbers, strings, bytes, times,
// lengths of time, bools, and lists of them.
func compareValues(c *Call, a, b Value) (int, error) {
	a, b = c.Lang.Plain(a), c.Lang.Plain(b)
	if x, ok := exact(a); ok {
		if y, ok := exact(b); ok {
			return x.d.Cmp(y.d), nil
		}
	}
	_, dx := a.(Decimal)
	_, dy := b.(Decimal)
	x, ok1 := asFloat(a)
	y, ok2 := asFloat(b)
	switch {
	case ok1 && ok2 && x < y:
		return -1, nil
	case ok1 && ok2 && x > y:
		return 1, nil
	case ok1 && ok2:
		return 0, nil
	case dx || dy:
		return 0, orderless(c, a, b)
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return compareOrdered(x, y), nil
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return compareOrdered(string(x), string(y)), nil
		}
	case bool:
		if y, ok := b.(bool); ok {
			return map[bool]int{true: 1}[x] - map[bool]int{true: 1}[y], nil
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y), nil
		}
	case time.Duration:
		if y, ok := b.(time.Duration); ok {
			return compareOrdered(x, y), nil
		}
	}
	return compareLists(c, a, b)
}

func compareOrdered[T ~string | ~int64](x, y T) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func compareLists(c *Call, a, b Value) (int, error) {
	xs, ok1 := c.Iterate(a)
	if !ok1 {
		return 0, orderless(c, a, b)
	}
	defer xs.Close()
	ys, ok2 := c.Iterate(b)
	if !ok2 {
		return 0, orderless(c, a, b)
	}
	defer ys.Close()
	for {
		x, err1 := xs.Next()
		y, err2 := ys.Next()
		switch {
		case isEOF(err1) && isEOF(err2):
			return 0, nil
		case isEOF(err1):
			return -1, nil
		case isEOF(err2):
			return 1, nil
		case err1 != nil:
			return 0, err1
		case err2 != nil:
			return 0, err2
		}
		if n, err := compareValues(c, x, y); n != 0 || err != nil {
			return n, err
		}
	}
}

func orderless(c *Call, a, b Value) error {
	return Errorf("usage", "%s and %s have no order: give a key", c.Lang.TypeName(a), c.Lang.TypeName(b))
}

// sorted sorts elements by their keys; equal ones stay in order.
func (c *Call) sorted(it Iterator, key func(Value) (Value, error), reverse bool, most int64) (Value, error) {
	defer it.Close()
	type keyed struct{ key, value Value }
	var all []keyed
	for {
		v, err := it.Next()
		if isEOF(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		if int64(len(all)) >= most {
			return nil, &engine.Failure{
				Kind: engine.KindLimit, Code: "iter.sorted",
				Message: "there are more elements than most allows to be held in memory: sort in the database, by ORDER BY",
			}
		}
		if v, err = c.Lang.Native(v); err != nil {
			return nil, err
		}
		k, err := key(v)
		if err != nil {
			return nil, err
		}
		all = append(all, keyed{k, v})
	}
	var failed error
	slices.SortStableFunc(all, func(a, b keyed) int {
		n, err := compareValues(c, a.key, b.key)
		if err != nil && failed == nil {
			failed = err
		}
		if reverse {
			return -n
		}
		return n
	})
	if failed != nil {
		return nil, failed
	}
	list := make([]Value, len(all))
	for i := range all {
		list[i] = all[i].value
	}
	return list, nil
}
