package hostlib

import (
	"io"

	"github.com/cockroachdb/apd/v3"

	"github.com/dsengine/dsengine/engine"
)

var iterJoin = &Func{
	Name: "join", Doc: "Joins elements that have the same key, as a join of two tables does: it gives (left, right) for each pair, in the order of it. It holds other in memory, by key; with sorted, where both come sorted by their keys, only those with one key. A key that is None has no partner. Numbers are equal by their value, be they ints, floats or decimals, also in tuples; they are not equal to texts: csv.read gives texts.",
	Params: []Param{
		itParam,
		{Name: "other", Type: Iterable, Doc: "what it is joined with: a list or an iterator"},
		{Name: "key", Type: Any, Doc: "a function of an element, or a column of it"},
		{Name: "other_key", Type: Any, Default: None, Named: true, Doc: "the same of other's elements; None: as key"},
		{Name: "how", Type: String, Default: "inner", Named: true, Doc: "\"left\": elements of it without a partner are given too, with None; \"inner\": they are left out"},
		{Name: "sorted", Type: Bool, Default: false, Named: true, Doc: "True: both come sorted by their keys, the smallest first; it is an error if they do not"},
		{Name: "most", Type: Int, Default: int64(1_000_000), Named: true, Doc: "how many elements of other may be held in memory"},
	},
	Returns: "iterator of (element, element)",
	Example: "people = [{\"id\": 1, \"c\": \"DE\"}, {\"id\": 2, \"c\": \"XX\"}]\ncountries = [{\"c\": \"DE\", \"name\": \"Germany\"}]\n" +
		"[(p[\"id\"], c[\"name\"] if c else None) for p, c in iter.join(people, countries, \"c\", how = \"left\")]  # [(1, \"Germany\"), (2, None)]",
	Lua: "local people, countries = {{id = 1, c = \"DE\"}, {id = 2, c = \"XX\"}}, {{c = \"DE\", name = \"Germany\"}}\n" +
		"list(iter.join(people, countries, \"c\", {how = \"left\"}))[2]  -- {{id = 2, c = \"XX\"}, null}\nfor p, c in iter.join(people, countries, \"c\") do log.info(c.name, {id = p.id}) end",
	Do: func(c *Call, a *Args) (Value, error) {
		key, err := keyOf(c, c.Lang.Plain(a.Value("key")))
		if err != nil {
			return nil, err
		}
		other := key
		if a.Given("other_key") {
			if other, err = keyOf(c, c.Lang.Plain(a.Value("other_key"))); err != nil {
				return nil, err
			}
		}
		how := a.String("how")
		if how != "inner" && how != "left" {
			return nil, Errorf("usage", "how: got %q, wanted \"inner\" or \"left\"", how)
		}
		j := &joining{c: c, outer: how == "left", most: a.Int("most")}
		j.left = joinSide{c: c, it: a.Iterator("it"), key: key}
		j.right = joinSide{c: c, it: a.Iterator("other"), key: other, name: "other"}
		partners := j.hashed
		if a.Bool("sorted") {
			partners = j.merged
			j.left.ordered, j.right.ordered = true, true
		}
		return c.derived("iter.join", func() (Value, error) { return j.next(partners) }, j.left.it, j.right.it), nil
	},
}

// joining joins two iterators.
type joining struct {
	c           *Call
	left, right joinSide
	outer       bool
	most        int64

	now   Value   // of the left
	pairs []Value // its partners that were not given yet

	by map[string][]Value // all of the right, by key; nil: not read yet

	// What comes sorted.
	group []Value // of the right, with one key
	mark  Value   // that key
	ahead Value   // what follows, with its key
	after Value
	state byte // of the right: 0 not begun, 1 something is ahead, 2 at its end
}

// joinSide is one of the two.
type joinSide struct {
	c       *Call
	it      Iterator
	key     func(Value) (Value, error)
	name    string // for errors
	n       int64
	ordered bool
	last    Value // the key before
}

// read is the next element, and its key.
func (s *joinSide) read() (v, k Value, err error) {
	if s.n++; s.n%1024 == 0 {
		if err := s.c.over(); err != nil {
			return nil, nil, err
		}
	}
	if v, err = s.it.Next(); err != nil {
		return nil, nil, err
	}
	if v, err = s.c.Lang.Native(v); err != nil {
		return nil, nil, err
	}
	if k, err = s.key(v); err != nil {
		return nil, nil, err
	}
	if k, err = s.c.joinKey(k); err != nil || !s.ordered || k == nil {
		return v, k, err
	}
	if s.last != nil {
		switch n, err := compareValues(s.c, s.last, k); {
		case err != nil:
			return nil, nil, err
		case n > 0:
			what := "it"
			if s.name != "" {
				what = s.name
			}
			return nil, nil, Errorf("usage", "element %d of %s has a smaller key than the one before: sort both by their keys, or leave sorted out", s.n, what)
		}
	}
	s.last = k
	return v, k, nil
}

// next is the next pair.
func (j *joining) next(partners func(k Value) ([]Value, error)) (Value, error) {
	for len(j.pairs) == 0 {
		v, k, err := j.left.read()
		if err != nil {
			return nil, err
		}
		if j.now = v; k != nil {
			if j.pairs, err = partners(k); err != nil {
				return nil, err
			}
		}
		if len(j.pairs) == 0 && j.outer {
			return Tuple{v, nil}, nil
		}
	}
	other := j.pairs[0]
	j.pairs = j.pairs[1:]
	return Tuple{j.now, other}, nil
}

// hashed finds partners in what was read of the right.
func (j *joining) hashed(k Value) ([]Value, error) {
	if j.by == nil {
		j.by = map[string][]Value{}
		for n := int64(1); ; n++ {
			v, k, err := j.right.read()
			if isEOF(err) {
				break
			}
			if err != nil {
				return nil, err
			}
			if n > j.most {
				return nil, j.tooMany("other has")
			}
			if k == nil {
				continue
			}
			mark, err := appendPrint(nil, k)
			if err != nil {
				return nil, err
			}
			j.by[string(mark)] = append(j.by[string(mark)], v)
		}
	}
	mark, err := appendPrint(nil, k)
	return j.by[string(mark)], err
}

// joinKey gives a key as data in which numbers that are equal are the same, whatever
// they are: appendPrint and compareValues agree on what is equal.
func (c *Call) joinKey(k Value) (Value, error) {
	switch k := c.Lang.Plain(k).(type) {
	case nil, string, int64:
		return k, nil
	}
	k, err := c.Lang.Data(k)
	if err != nil {
		return nil, err
	}
	return sameNumbers(k)
}

// sameNumbers gives a number as an int64, or else as a decimal, and lists of them.
func sameNumbers(v Value) (Value, error) {
	list := func(values []Value) (Value, error) {
		same := make([]Value, len(values))
		for i, e := range values {
			var err error
			if same[i], err = sameNumbers(e); err != nil {
				return nil, err
			}
		}
		return same, nil
	}
	var d *apd.Decimal
	switch v := v.(type) {
	case []Value:
		return list(v)
	case Tuple:
		return list(v)
	case *Dict:
		values, err := list(v.Values)
		if err != nil {
			return nil, err
		}
		return &Dict{Names: v.Names, Values: values.([]Value), Row: v.Row}, nil
	case float64:
		if n := int64(v); float64(n) == v && n > -1<<62 && n < 1<<62 { // a conversion that overflows gives anything
			return n, nil
		}
		text, _ := canonicalNumber(v)
		var err error
		if d, _, err = apd.NewFromString(text); err != nil || d.Form == apd.NaN {
			return nil, Errorf("usage", "key: it is %s, which is equal to nothing: give None for what has no partner", text)
		}
	default:
		x, ok := exact(v)
		if !ok {
			return v, nil
		}
		d = x.d
	}
	if n, err := d.Int64(); err == nil {
		return n, nil
	}
	return Decimal{d}, nil
}

// merged finds partners where both come sorted.
func (j *joining) merged(k Value) ([]Value, error) {
	for {
		if j.mark != nil {
			n, err := compareValues(j.c, j.mark, k)
			if err != nil || n > 0 {
				return nil, err
			}
			if n == 0 {
				return j.group, nil
			}
			j.mark, j.group = nil, nil
		}
		if err := j.gather(); err != nil {
			if isEOF(err) {
				return nil, nil
			}
			return nil, err
		}
	}
}

// gather reads the right's next elements with one key; io.EOF if there are none.
func (j *joining) gather() error {
	read := func() (err error) {
		for {
			j.ahead, j.after, err = j.right.read()
			if err != nil || j.after != nil {
				break
			}
		}
		j.state = 1
		if isEOF(err) {
			j.state, err = 2, nil
		}
		return err
	}
	if j.state == 0 {
		if err := read(); err != nil {
			return err
		}
	}
	if j.state == 2 {
		return io.EOF
	}
	j.mark = j.after
	for j.state == 1 {
		n, err := compareValues(j.c, j.mark, j.after)
		if err != nil {
			return err
		}
		if n != 0 {
			break
		}
		if int64(len(j.group)) >= j.most {
			return j.tooMany("one key has")
		}
		j.group = append(j.group, j.ahead)
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

func (j *joining) tooMany(what string) error {
	return &engine.Failure{
		Kind: engine.KindLimit, Code: "iter.join",
		Message: what + " more elements than most allows to be held in memory: let the larger one be it, sort both and say sorted = True, or join in the database",
	}
}
