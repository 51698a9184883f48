package hostlib

import (
	"crypto/sha256"
	"io"
	"strconv"

	"github.com/dsengine/dsengine/engine"
)

var (
	itParam = Param{Name: "it", Type: Iterable, Doc: "a list or an iterator"}
	nParam  = Param{Name: "n", Type: Int, Doc: "how many"}
)

// batchParam says how many elements a batch has, at most most; 0: without a bound.
func batchParam(most int64) Param {
	p := nParam
	p.Holds = func(c *Call, v Value) error {
		n, _ := asInt(c.Lang.Plain(v))
		return batchSize(n, most)
	}
	return p
}

func batchSize(n, most int64) error {
	switch {
	case n < 1 && most == 0:
		return Errorf("usage", "n: got %d, wanted at least 1", n)
	case n < 1 || most > 0 && n > most:
		return Errorf("usage", "n: got %d, wanted 1 to %d", n, most)
	}
	return nil
}

var iterModule = &Module{
	Name: "iter",
	Doc:  "Lazy loops: nothing is read before it is asked for, and nothing is kept. An iterator can be gone through once; one over a file, an answer or a query's result is closed when the loop over it ends, also by break.",
	Funcs: []*Func{
		{
			Name: "batch", Doc: "Gives lists of n elements; the last one may be shorter.",
			Params: []Param{itParam, batchParam(0)}, Returns: "iterator of list",
			Example: "list(iter.batch([1, 2, 3], 2))  # [[1, 2], [3]]",
			Lua:     "list(iter.batch({1, 2, 3}, 2))  -- {{1, 2}, {3}}",
			Do: func(c *Call, a *Args) (Value, error) {
				it, n := a.Iterator("it"), a.Int("n")
				if err := batchSize(n, 0); err != nil {
					return nil, err
				}
				spots := newSpots(c, it)
				return c.derived("iter.batch", func() (Value, error) {
					var batch []Value
					spots.begin()
					for int64(len(batch)) < n {
						v, err := it.Next()
						if isEOF(err) && len(batch) > 0 {
							break
						}
						if err != nil {
							return nil, err
						}
						batch = append(batch, v)
						spots.add()
					}
					spots.give()
					return batch, nil
				}, it), nil
			},
		},
		{
			Name: "map", Doc: "Gives what fn makes of each element.",
			Params: []Param{{Name: "fn", Type: Function, Doc: "a function of one element"}, itParam}, Returns: "iterator",
			Example: "list(iter.map(lambda n: n * n, [1, 2, 3]))  # [1, 4, 9]",
			Lua:     "list(iter.map(function(n) return n * n end, {1, 2, 3}))  -- {1, 4, 9}",
			Do: func(c *Call, a *Args) (Value, error) {
				fn, it := a.Callable("fn"), a.Iterator("it")
				steady := Steady(it)
				return c.passing("iter.map", func() (Value, error) {
					v, err := it.Next()
					if err != nil {
						return nil, err
					}
					nones := c.nones
					v, err = c.handing(fn, v, steady)
					if err == nil && c.nones > nones && c.Lang.Plain(v) != nil {
						c.nones = nones // the None that reject gave goes nowhere
					}
					return v, err
				}, it), nil
			},
		},
		{
			Name: "filter", Doc: "Leaves out the elements for which fn is not true.",
			Params: []Param{{Name: "fn", Type: Function, Doc: "a function of one element"}, itParam}, Returns: "iterator",
			Example: "list(iter.filter(lambda n: n % 2 == 0, [1, 2, 3, 4]))  # [2, 4]",
			Lua:     "list(iter.filter(function(n) return n % 2 == 0 end, {1, 2, 3, 4}))  -- {2, 4}",
			Do: func(c *Call, a *Args) (Value, error) {
				fn, it := a.Callable("fn"), a.Iterator("it")
				steady := Steady(it)
				return c.passing("iter.filter", func() (Value, error) {
					for {
						v, err := it.Next()
						if err != nil {
							return nil, err
						}
						if v, err = c.Lang.Native(v); err != nil {
							return nil, err
						}
						nones := c.nones
						ok, err := c.handing(fn, v, steady)
						if err != nil {
							return nil, err
						}
						c.nones = nones // the None that reject gave goes nowhere
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
			Lua:     "list(iter.take({1, 2, 3}, 2))  -- {1, 2}",
			Do: func(c *Call, a *Args) (Value, error) {
				it, left := a.Iterator("it"), a.Int("n")
				return c.passing("iter.take", func() (Value, error) {
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
			Lua:     "list(iter.skip({1, 2, 3}, 1))  -- {2, 3}",
			Do: func(c *Call, a *Args) (Value, error) {
				it, left := a.Iterator("it"), a.Int("n")
				return c.passing("iter.skip", func() (Value, error) {
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
			Lua:     "list(iter.enumerate({\"a\", \"b\"}))  -- {{0, \"a\"}, {1, \"b\"}}\nfor i, s in iter.enumerate({\"a\", \"b\"}) do log.info(s, {number = i}) end",
			Do: func(c *Call, a *Args) (Value, error) {
				it, n := a.Iterator("it"), a.Int("start")
				return c.passing("iter.enumerate", func() (Value, error) {
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
			Lua:     "list(iter.chain({1}, {2, 3}))  -- {1, 2, 3}",
			Do: func(c *Call, a *Args) (Value, error) {
				its, err := iterators(c, a.Rest)
				if err != nil {
					return nil, err
				}
				return c.passing("iter.chain", func() (Value, error) {
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
			Lua:     "list(iter.dedupe({{id = 1, n = \"a\"}, {id = 1, n = \"b\"}}, \"id\"))  -- {{id = 1, n = \"a\"}}",
			Do: func(c *Call, a *Args) (Value, error) {
				it, seen := a.Iterator("it"), map[[16]byte]bool{}
				key, err := keyOf(c, c.Lang.Plain(a.Value("key")))
				if err != nil {
					return nil, err
				}
				return c.passing("iter.dedupe", func() (Value, error) {
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
		{
			Name: "zip", Doc: "Gives tuples of the first elements, of the second ones, and so on, until the shortest ends.",
			Params: []Param{
				{Name: "its", Type: Iterable, Rest: true, Doc: "lists or iterators"},
				{Name: "strict", Type: Bool, Default: false, Named: true, Doc: "True: it is an error if one of them is longer"},
			},
			Returns: "iterator of tuple",
			Example: "list(iter.zip([\"id\", \"name\"], [1, \"Ada\"]))  # [(\"id\", 1), (\"name\", \"Ada\")]",
			Lua:     "list(iter.zip({\"id\", \"name\"}, {1, \"Ada\"}))  -- {{\"id\", 1}, {\"name\", \"Ada\"}}\nfor name, value in iter.zip({\"id\", \"name\"}, {1, \"Ada\"}) do log.info(name, {value = value}) end",
			Do: func(c *Call, a *Args) (Value, error) {
				its, err := iterators(c, a.Rest)
				if err != nil {
					return nil, err
				}
				strict, n := a.Bool("strict"), 0
				return c.derived("iter.zip", func() (Value, error) {
					t := make(Tuple, len(its))
					for i, it := range its {
						var err error
						t[i], err = it.Next()
						if isEOF(err) && strict && i > 0 {
							return nil, Errorf("usage", "the first one is longer than the %s one, which has %d elements", ordinal(i+1), n)
						}
						if err != nil {
							if isEOF(err) && strict {
								return nil, noneLeft(its, n)
							}
							return nil, err
						}
					}
					if len(t) == 0 {
						return nil, io.EOF
					}
					n++
					return t, nil
				}, its...), nil
			},
		},
		{
			Name: "group", Doc: "Puts neighbours with the same key together, and gives (key, list). The elements must come sorted by it.",
			Params: []Param{
				itParam,
				{Name: "key", Type: Any, Doc: "a function of an element, or a column of it"},
				{Name: "most", Type: Int, Default: int64(100_000), Named: true, Doc: "how many elements a group may have: it is held in memory"},
			},
			Returns: "iterator of (key, list)",
			Example: "[(k, len(rows)) for k, rows in iter.group([{\"c\": \"DE\"}, {\"c\": \"DE\"}, {\"c\": \"FR\"}], \"c\")]  # [(\"DE\", 2), (\"FR\", 1)]",
			Lua:     "list(iter.group({{c = \"DE\"}, {c = \"FR\"}}, \"c\"))  -- {{\"DE\", {{c = \"DE\"}}}, {\"FR\", {{c = \"FR\"}}}}\nfor k, rows in iter.group({{c = \"DE\"}, {c = \"DE\"}, {c = \"FR\"}}, \"c\") do log.info(k, {rows = #rows}) end",
			Do: func(c *Call, a *Args) (Value, error) {
				key, err := keyOf(c, c.Lang.Plain(a.Value("key")))
				if err != nil {
					return nil, err
				}
				return c.group(a.Iterator("it"), key, a.Int("most")), nil
			},
		},
		{
			Name: "sorted", Doc: "Sorts the elements in memory; equal ones stay in their order.",
			Params: []Param{
				itParam,
				{Name: "key", Type: Any, Default: None, Named: true, Doc: "a function of an element, or a column of it; None: the element itself"},
				{Name: "reverse", Type: Bool, Default: false, Named: true, Doc: "True: the largest first"},
				{Name: "most", Type: Int, Default: int64(1_000_000), Named: true, Doc: "how many elements there may be: they are held in memory"},
			},
			Returns: "list",
			Example: "[r[\"name\"] for r in iter.sorted(csv.read(\"data/people.csv\"), key = \"name\", reverse = True)]  # [\"Grace\", \"Ada\"]",
			Lua:     "iter.sorted(csv.read(\"data/people.csv\"), {key = \"name\", reverse = true})[1].name  -- \"Grace\"",
			Do: func(c *Call, a *Args) (Value, error) {
				key, err := keyOf(c, c.Lang.Plain(a.Value("key")))
				if err != nil {
					return nil, err
				}
				return c.sorted(a.Iterator("it"), key, a.Bool("reverse"), a.Int("most"))
			},
		},
		iterSort,
		iterJoin,
	},
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
				return nil, Errorf("usage", "key: an element has no %q%s", key, engine.SuggestColumn(key, d.Names))
			}
			return k, nil
		}, nil
	}
	return nil, Errorf("usage", "key: got %s, wanted a function, or the name of a column", c.Lang.TypeName(key))
}

// iterators are those that a function was given one by one.
func iterators(c *Call, values []Value) ([]Iterator, error) {
	its := make([]Iterator, len(values))
	for i, v := range values {
		it, err := itParam.convert(c, v)
		if err != nil {
			return nil, err
		}
		its[i] = it.(Iterator)
	}
	return its, nil
}

// noneLeft ends a strict zip whose first iterator has ended: the others must
// have, too.
func noneLeft(its []Iterator, n int) error {
	for i, it := range its[1:] {
		if _, err := it.Next(); !isEOF(err) {
			if err != nil {
				return err
			}
			return Errorf("usage", "the %s one is longer than the first one, which has %d elements", ordinal(i+2), n)
		}
	}
	return io.EOF
}

func ordinal(n int) string {
	switch n {
	case 1:
		return "first"
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return strconv.Itoa(n) + "th"
}

// group puts neighbours with the same key together.
func (c *Call) group(it Iterator, key func(Value) (Value, error), most int64) Iterator {
	var first, firstKey Value
	var mark string
	begun := false
	read := func() (v, k Value, print string, err error) {
		if v, err = it.Next(); err != nil {
			return nil, nil, "", err
		}
		if v, err = c.Lang.Native(v); err != nil {
			return nil, nil, "", err
		}
		if k, err = key(v); err != nil {
			return nil, nil, "", err
		}
		raw, err := c.encode(k, JSONForm{})
		return v, k, string(raw), err
	}
	return c.derived("iter.group", func() (Value, error) {
		if !begun {
			var err error
			if first, firstKey, mark, err = read(); err != nil {
				return nil, err
			}
			begun = true
		}
		if mark == "" { // the last group was given
			return nil, io.EOF
		}
		list, k := []Value{first}, firstKey
		for {
			v, next, print, err := read()
			if isEOF(err) {
				mark = ""
				return Tuple{k, list}, nil
			}
			if err != nil {
				return nil, err
			}
			if print != mark {
				first, firstKey, mark = v, next, print
				return Tuple{k, list}, nil
			}
			if int64(len(list)) >= most {
				return nil, Errorf("usage", "a group has more than %d elements: see most", most)
			}
			list = append(list, v)
		}
	}, it)
}
