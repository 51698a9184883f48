package hostlib

import (
	"crypto/sha256"
	"io"
)

var (
	itParam = Param{Name: "it", Type: Iterable, Doc: "a list or an iterator"}
	nParam  = Param{Name: "n", Type: Int, Doc: "how many"}
)

var iterModule = &Module{
	Name: "iter",
	Doc:  "Lazy loops: nothing is read before it is asked for, and nothing is kept. An iterator can be gone through once.",
	Funcs: []*Func{
		{
			Name: "batch", Doc: "Gives lists of n elements; the last one may be shorter.",
			Params: []Param{itParam, nParam}, Returns: "iterator of list",
			Example: "list(iter.batch([1, 2, 3], 2))  # [[1, 2], [3]]",
			Do: func(c *Call, a *Args) (Value, error) {
				it, n := a.Iterator("it"), a.Int("n")
				if n < 1 {
					return nil, Errorf("usage", "n: got %d, wanted at least 1", n)
				}
				return c.derived("iter.batch", func() (Value, error) {
					var batch []Value
					for int64(len(batch)) < n {
						v, err := it.Next()
						if isEOF(err) && len(batch) > 0 {
							break
						}
						if err != nil {
							return nil, err
						}
						batch = append(batch, v)
					}
					return batch, nil
				}, it), nil
			},
		},
		{
			Name: "map", Doc: "Gives what fn makes of each element.",
			Params: []Param{{Name: "fn", Type: Function, Doc: "a function of one element"}, itParam}, Returns: "iterator",
			Example: "list(iter.map(lambda n: n * n, [1, 2, 3]))  # [1, 4, 9]",
			Do: func(c *Call, a *Args) (Value, error) {
				fn, it := a.Callable("fn"), a.Iterator("it")
				return c.derived("iter.map", func() (Value, error) {
					v, err := it.Next()
					if err != nil {
						return nil, err
					}
					return fn.Call([]Value{v}, nil)
				}, it), nil
			},
		},
		{
			Name: "filter", Doc: "Leaves out the elements for which fn is not true.",
			Params: []Param{{Name: "fn", Type: Function, Doc: "a function of one element"}, itParam}, Returns: "iterator",
			Example: "list(iter.filter(lambda n: n % 2 == 0, [1, 2, 3, 4]))  # [2, 4]",
			Do: func(c *Call, a *Args) (Value, error) {
				fn, it := a.Callable("fn"), a.Iterator("it")
				return c.derived("iter.filter", func() (Value, error) {
					for {
						v, err := it.Next()
						if err != nil {
							return nil, err
						}
						if v, err = c.Lang.Native(v); err != nil {
							return nil, err
						}
						ok, err := fn.Call([]Value{v}, nil)
						if err != nil {
							return nil, err
						}
						if c.Lang.Truth(ok) {
							return v, nil
						}
					}
				}, it), nil
			},
		},
		{
			Name: "take", Doc: "Gives the first n elements.",
			Params: []Param{itParam, nParam}, Returns: "iterator",
			Example: "list(iter.take([1, 2, 3], 2))  # [1, 2]",
			Do: func(c *Call, a *Args) (Value, error) {
				it, left := a.Iterator("it"), a.Int("n")
				return c.derived("iter.take", func() (Value, error) {
					if left <= 0 {
						return nil, io.EOF
					}
					left--
					return it.Next()
				}, it), nil
			},
		},
		{
			Name: "skip", Doc: "Leaves out the first n elements.",
			Params: []Param{itParam, nParam}, Returns: "iterator",
			Example: "list(iter.skip([1, 2, 3], 1))  # [2, 3]",
			Do: func(c *Call, a *Args) (Value, error) {
				it, left := a.Iterator("it"), a.Int("n")
				return c.derived("iter.skip", func() (Value, error) {
					for ; left > 0; left-- {
						if _, err := it.Next(); err != nil {
							return nil, err
						}
					}
					return it.Next()
				}, it), nil
			},
		},
		{
			Name: "enumerate", Doc: "Gives each element with its number.",
			Params:  []Param{itParam, {Name: "start", Type: Int, Default: int64(0), Doc: "the number of the first one"}},
			Returns: "iterator of (int, element)",
			Example: "list(iter.enumerate([\"a\", \"b\"]))  # [(0, \"a\"), (1, \"b\")]",
			Do: func(c *Call, a *Args) (Value, error) {
				it, n := a.Iterator("it"), a.Int("start")
				return c.derived("iter.enumerate", func() (Value, error) {
					v, err := it.Next()
					if err != nil {
						return nil, err
					}
					n++
					return Tuple{n - 1, v}, nil
				}, it), nil
			},
		},
		{
			Name: "chain", Doc: "Gives the elements of one after the other.",
			Params: []Param{{Name: "its", Type: Iterable, Rest: true, Doc: "lists or iterators"}}, Returns: "iterator",
			Example: "list(iter.chain([1], [2, 3]))  # [1, 2, 3]",
			Do: func(c *Call, a *Args) (Value, error) {
				var its []Iterator
				for _, v := range a.Rest {
					it, err := itParam.convert(c, v)
					if err != nil {
						return nil, err
					}
					its = append(its, it.(Iterator))
				}
				return c.derived("iter.chain", func() (Value, error) {
					for len(its) > 0 {
						v, err := its[0].Next()
						if !isEOF(err) {
							return v, err
						}
						its = its[1:]
					}
					return nil, io.EOF
				}, its...), nil
			},
		},
		{
			Name: "dedupe", Doc: "Leaves out elements whose key was there before. It remembers every key.",
			Params: []Param{
				itParam,
				{Name: "key", Type: Any, Default: None, Doc: "a function of an element, or a column of it; None: the whole element"},
			},
			Returns: "iterator",
			Example: "list(iter.dedupe([{\"id\": 1, \"n\": \"a\"}, {\"id\": 1, \"n\": \"b\"}], \"id\"))  # [{\"id\": 1, \"n\": \"a\"}]",
			Do: func(c *Call, a *Args) (Value, error) {
				it, seen := a.Iterator("it"), map[[16]byte]bool{}
				key, err := keyOf(c, c.Lang.Plain(a.Value("key")))
				if err != nil {
					return nil, err
				}
				return c.derived("iter.dedupe", func() (Value, error) {
					for {
						v, err := it.Next()
						if err != nil {
							return nil, err
						}
						k, err := key(v)
						if err != nil {
							return nil, err
						}
						raw, err := c.print(k)
						if err != nil {
							return nil, err
						}
						sum := sha256.Sum256(raw)
						if h := [16]byte(sum[:16]); !seen[h] {
							seen[h] = true
							return v, nil
						}
					}
				}, it), nil
			},
		},
	},
}

// maxNested bounds how many iterators go through one another: each asks the
// next, on the stack.
const maxNested = 1000

// derived makes an iterator over others, which close themselves.
func (c *Call) derived(name string, next func() (Value, error), over ...Iterator) Iterator {
	s := c.iterator(name, next, nil).(*source)
	for _, it := range over {
		if o, ok := it.(*source); ok {
			s.nested = max(s.nested, o.nested+1)
		}
	}
	if s.nested > maxNested {
		s.nested = 0
		s.next = func() (Value, error) {
			return nil, Errorf("usage", "more than %d iterators go through one another: make a list in between by list(...)", maxNested)
		}
	}
	return s
}

// keyOf is how the key of an element is found.
func keyOf(c *Call, key Value) (func(Value) (Value, error), error) {
	switch key := key.(type) {
	case nil:
		return func(v Value) (Value, error) { return v, nil }, nil
	case Callable:
		return func(v Value) (Value, error) { return key.Call([]Value{v}, nil) }, nil
	case string:
		return func(v Value) (Value, error) {
			d, ok, err := c.Lang.Row(v, nil)
			if err != nil || !ok {
				return nil, Errorf("usage", "key: got %s, wanted a dict with %q", c.Lang.TypeName(v), key)
			}
			k, ok := d.Get(key)
			if !ok {
				return nil, Errorf("usage", "key: an element has no %q%s", key, Suggest(key, d.Names))
			}
			return k, nil
		}, nil
	}
	return nil, Errorf("usage", "key: got %s, wanted a function, or the name of a column", c.Lang.TypeName(key))
}
