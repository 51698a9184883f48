package scripttest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// verifyMethods look at values: each ends the test if something does not hold.
func verifyMethods() []*hostlib.Func {
	got, want := anyValue("got", "what there is"), anyValue("want", "what it should be")
	judged := param{Name: "got", Type: hostlib.Truth, Doc: got.Doc}
	return []*hostlib.Func{
		method("eq", "Ends the test unless two values are equal: dicts and sets in whatever order.", "t.eq(1 + 1, 2)", "t.eq(1 + 1, 2)", []param{got, want, messageParam}, "",
			func(c *hostlib.Call, _ *tester, a *hostlib.Args) (hostlib.Value, error) {
				g, w, err := both(c, a)
				if err != nil || same(g, w) {
					return nil, err
				}
				return nil, failed(c, difference(notationOf(c), g, w), "%snot equal", saying(a))
			}),
		method("ne", "Ends the test if two values are equal.", "t.ne(1, 2)", "t.ne(1, 2)", []param{got, want, messageParam}, "",
			func(c *hostlib.Call, _ *tester, a *hostlib.Args) (hostlib.Value, error) {
				g, w, err := both(c, a)
				if err != nil || !same(g, w) {
					return nil, err
				}
				return nil, failed(c, indented(notationOf(c).literal(g, 0)), "%sboth are equal", saying(a))
			}),
		method("ok", "Ends the test unless a value counts as true: False, None, 0 and what is empty do not.", "t.ok(t.table(\"people\"))", "t.ok(t.table(\"people\"))", []param{judged, messageParam}, "",
			func(c *hostlib.Call, _ *tester, a *hostlib.Args) (hostlib.Value, error) {
				if truth(c, a.Value("got")) {
					return nil, nil
				}
				return nil, failed(c, "", "%sgot %s, wanted something true", saying(a), shown(c, a.Value("got")))
			}),
		method("not_ok", "Ends the test if a value counts as true: False, None, 0 and what is empty do not.", "t.not_ok(t.rejects())", "t.not_ok(t.rejects())", []param{judged, messageParam}, "",
			func(c *hostlib.Call, _ *tester, a *hostlib.Args) (hostlib.Value, error) {
				if !truth(c, a.Value("got")) {
					return nil, nil
				}
				return nil, failed(c, "", "%sgot %s, wanted something that is not true", saying(a), shown(c, a.Value("got")))
			}),
		method("contains", "Ends the test unless a string has a part, a list an element, or a dict all of another's entries.", "t.contains({\"id\": 1, \"name\": \"Ada\"}, {\"id\": 1})", "t.contains({id = 1, name = \"Ada\"}, {id = 1})",
			[]param{got, anyValue("part", "what must be in it"), messageParam}, "",
			func(c *hostlib.Call, _ *tester, a *hostlib.Args) (hostlib.Value, error) {
				g, err := data(c, "got", a.Value("got"))
				if err != nil {
					return nil, err
				}
				part, err := data(c, "part", a.Value("part"))
				if err != nil {
					return nil, err
				}
				held, known := holds(g, part)
				switch {
				case !known:
					return nil, hostlib.Errorf("usage", "got %s and %s: wanted two strings, a list and an element, or two dicts", c.Lang.TypeName(a.Value("got")), c.Lang.TypeName(a.Value("part")))
				case held:
					return nil, nil
				}
				return nil, failed(c, "got:\n"+indented(notationOf(c).literal(g, 0))+"\nwanted in it:\n"+indented(notationOf(c).literal(part, 0)), "%sit is not in it", saying(a))
			}),
		method("matches", "Ends the test unless a string matches a regular expression (RE2) somewhere.", "t.matches(\"feed 7\", \"feed [0-9]+\")", "t.matches(\"feed 7\", \"feed [0-9]+\")",
			[]param{{Name: "got", Type: hostlib.String, Doc: "the string"}, {Name: "pattern", Type: hostlib.String, Doc: "the pattern"}, messageParam}, "",
			func(c *hostlib.Call, _ *tester, a *hostlib.Args) (hostlib.Value, error) {
				re, err := pattern(a.String("pattern"))
				if err != nil || re.MatchString(a.String("got")) {
					return nil, err
				}
				return nil, failed(c, "", "%s%q does not match %q", saying(a), a.String("got"), a.String("pattern"))
			}),
		method("close", "Ends the test unless two numbers are within a tolerance.", "t.close(0.1 + 0.2, 0.3)", "t.close(0.1 + 0.2, 0.3)",
			[]param{
				{Name: "got", Type: hostlib.Number, Doc: "a number"}, {Name: "want", Type: hostlib.Number, Doc: "another one"},
				{Name: "tolerance", Type: hostlib.Number, Default: 1e-9, Named: true, Doc: "how far apart they may be"}, messageParam,
			}, "",
			func(c *hostlib.Call, _ *tester, a *hostlib.Args) (hostlib.Value, error) {
				if got, want := a.Float("got"), a.Float("want"); got == want || math.Abs(got-want) <= a.Float("tolerance") { // so infinity is
					return nil, nil
				}
				return nil, failed(c, "", "%sgot %v, wanted %v within %v", saying(a), a.Float("got"), a.Float("want"), a.Float("tolerance"))
			}),
		method("fails", "Ends the test unless a function fails, with a message that matches a regular expression. It gives the error.",
			"t.fails(lambda: error(\"the feed is empty\"), \"empty\").message  # \"the feed is empty\"",
			"t.fails(function() error(\"the feed is empty\") end, \"empty\").message  -- \"the feed is empty\"",
			[]param{{Name: "fn", Type: hostlib.Function, Doc: "a function without parameters"}, {Name: "pattern", Type: hostlib.String, Default: "", Doc: "what its message must match"}}, "err",
			fails),
		method("golden", "Ends the test unless a value is what a golden file holds: golden/NAME beside the file of tests. Text and bytes are there as they are, all else as JSON, with bytes in it as base64. dsengine test --update writes the files that are missing or hold something else.", "t.golden(t.table(\"people\"), \"people.json\")", "t.golden(t.table(\"people\"), \"people.json\")",
			[]param{anyValue("value", "data, text or bytes"), {Name: "name", Type: hostlib.String, Doc: "the file's name, below the folder golden"}}, "",
			func(c *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) { return t.compare(c, a) }),
		method("case", "Runs a part of a test under a name: if it fails, the test fails, but what follows is run too. For tables of cases.",
			"for text, want in [(\"1\", 1), (\"2\", 2)]:\n    t.case(text, lambda: t.eq(int(text), want))",
			"for text, want in pairs({[\"1\"] = 1, [\"2\"] = 2}) do\n  t.case(text, function() t.eq(tonumber(text), want) end)\nend",
			[]param{{Name: "name", Type: hostlib.String, Doc: "its name"}, {Name: "fn", Type: hostlib.Function, Doc: "a function without parameters"}}, "",
			func(c *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				t.path = append(t.path, a.String("name"))
				defer func() { t.path = t.path[:len(t.path)-1] }()
				_, err := a.Callable("fn").Call(nil, nil)
				var s *Stop
				switch {
				case err == nil || t.ctx.Err() != nil:
					return nil, err
				case !errors.As(err, &s):
					f := failureText(c, err)
					s = &Stop{Message: f.Message, Detail: f.Backtrace}
					s.Caller.File, s.Caller.Line = place(f.Backtrace, t.file)
					s.Inner = inner(c, err)
				case s.Skipped:
					c.Lang.Caught()
					return nil, nil
				}
				c.Lang.Caught()
				s.Message = strings.Join(t.path[1:], "/") + ": " + s.Message
				t.soft = append(t.soft, s)
				return nil, nil
			}),
	}
}

// truth says whether a value counts as true, in each language as in Starlark: zero, and
// what is empty, does not.
func truth(c *hostlib.Call, v hostlib.Value) bool {
	if !c.Lang.Truth(v) {
		return false
	}
	switch p := c.Lang.Plain(v).(type) {
	case int64:
		return p != 0
	case float64:
		return p != 0
	case string:
		return p != ""
	case hostlib.Object:
		t := p.ObjectType()
		return t.Truth == nil || t.Truth(p)
	}
	if it, ok := c.Lang.Iterate(v); ok {
		defer it.Close()
		_, err := it.Next()
		return !errors.Is(err, io.EOF)
	}
	d, isDict, _ := c.Lang.Row(v, nil)
	return !isDict || len(d.Names) > 0
}

// fails is t.fails.
func fails(c *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
	re, err := pattern(a.String("pattern"))
	if err != nil {
		return nil, err
	}
	got, err := a.Callable("fn").Call(nil, nil)
	var s *Stop
	switch {
	case err == nil:
		return nil, failed(c, "", "it does not fail but gives %s", shown(c, got))
	case errors.As(err, &s) || t.ctx.Err() != nil:
		return nil, err
	}
	f, at := failureText(c, err), inner(c, err)
	c.Lang.Caught()
	if !re.MatchString(f.Message) {
		return nil, stop(c, &Stop{Message: fmt.Sprintf("it fails with %q, which does not match %q", f.Message, a.String("pattern")), Detail: f.Backtrace, Inner: at})
	}
	return hostlib.NewErr(f), nil
}

// inner is where in the script an error arose; nil if that is not known.
func inner(c *hostlib.Call, err error) *hostlib.Caller {
	if in, ok := c.Lang.(hostlib.Inspector); ok {
		if at, ok := in.Fell(err); ok {
			return &at
		}
	}
	return nil
}

func failureText(c *hostlib.Call, err error) *engine.Failure {
	return engine.AsFailure(c.Lang.Failure(err))
}

func pattern(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, hostlib.Errorf("usage", "pattern: %v", err)
	}
	return re, nil
}

func saying(a *hostlib.Args) string {
	if m := a.String("message"); m != "" {
		return m + ": "
	}
	return ""
}

// data is a value of the script as data; an object that is a record, as a dict.
func data(c *hostlib.Call, name string, v hostlib.Value) (hostlib.Value, error) {
	d, err := c.Lang.Data(v)
	if err != nil {
		return nil, hostlib.Errorf("usage", "%s: %v", name, err)
	}
	return plainData(d), nil
}

// plainData makes dicts of records, and values of JSON.
func plainData(v hostlib.Value) hostlib.Value {
	switch v := v.(type) {
	case []hostlib.Value:
		for i := range v {
			v[i] = plainData(v[i])
		}
	case hostlib.Set:
		plainData([]hostlib.Value(v))
	case *hostlib.Dict:
		for i := range v.Values {
			v.Values[i] = plainData(v.Values[i])
		}
	case hostlib.JSON:
		if d, err := hostlib.DecodeJSON(engine.Raw(v)); err == nil {
			return d
		}
	case hostlib.Object:
		if t := v.ObjectType(); t.Record {
			if d, err := t.Dict(v); err == nil {
				return plainData(d)
			}
		}
	}
	return v
}

// both are what is compared; sets are sets.
func both(c *hostlib.Call, a *hostlib.Args) (got, want hostlib.Value, err error) {
	c.Sets = true
	defer func() { c.Sets = false }()
	if got, err = data(c, "got", a.Value("got")); err != nil {
		return nil, nil, err
	}
	want, err = data(c, "want", a.Value("want"))
	return got, want, err
}

// same says whether two pieces of data are equal: numbers by their value, dicts and sets
// in any order; a set beside a list counts as one.
func same(a, b hostlib.Value) bool {
	if x, ok := a.(hostlib.Set); ok {
		if y, ok := b.(hostlib.Set); ok {
			return slices.EqualFunc(inOrder(x), inOrder(y), same)
		}
		return same([]hostlib.Value(x), b)
	}
	if y, ok := b.(hostlib.Set); ok {
		return same(a, []hostlib.Value(y))
	}
	switch x := a.(type) {
	case []hostlib.Value:
		if d, ok := b.(*hostlib.Dict); ok {
			return d.Unsure && len(x) == 0
		}
		y, ok := b.([]hostlib.Value)
		return ok && slices.EqualFunc(x, y, same)
	case *hostlib.Dict:
		if list, ok := b.([]hostlib.Value); ok {
			return x.Unsure && len(list) == 0
		}
		y, ok := b.(*hostlib.Dict)
		if !ok || len(x.Names) != len(y.Names) {
			return false
		}
		for i, name := range x.Names {
			if v, ok := y.Get(name); !ok || !same(x.Values[i], v) {
				return false
			}
		}
		return true
	case []byte:
		y, ok := b.([]byte)
		return ok && string(x) == string(y)
	case time.Time:
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	}
	if p, ok := number(a); ok {
		q, ok := number(b)
		return ok && p.Cmp(q) == 0
	}
	if t := hostlib.TypeOf(a); t != nil {
		u := hostlib.TypeOf(b)
		switch {
		case u != t:
			return false
		case t.Compare != nil:
			return t.Compare(a, b) == 0
		case t.Key != nil:
			return t.Key(a) == t.Key(b)
		}
	}
	return a == b
}

// inOrder are the elements of a set in an order that is the same for equal ones.
func inOrder(s hostlib.Set) []hostlib.Value {
	list := slices.Clone(s)
	slices.SortStableFunc(list, func(a, b hostlib.Value) int {
		p, isNumber := number(a)
		q, too := number(b)
		switch {
		case isNumber && too:
			return p.Cmp(q)
		case isNumber:
			return -1
		case too:
			return 1
		}
		return strings.Compare(literal(a, 1), literal(b, 1))
	})
	return list
}

// number is the exact value of a number.
func number(v hostlib.Value) (*big.Rat, bool) {
	switch v := v.(type) {
	case int:
		return new(big.Rat).SetInt64(int64(v)), true
	case int64:
		return new(big.Rat).SetInt64(v), true
	case *big.Int:
		return new(big.Rat).SetInt(v), true
	case float64:
		r := new(big.Rat).SetFloat64(v)
		return r, r != nil
	}
	return nil, false
}

// holds says whether got has part in it; known is false where that makes no sense.
func holds(got, part hostlib.Value) (held, known bool) {
	switch g := got.(type) {
	case string:
		p, ok := part.(string)
		return ok && strings.Contains(g, p), ok
	case []hostlib.Value:
		return slices.ContainsFunc(g, func(e hostlib.Value) bool {
			if same(e, part) {
				return true
			}
			d, isDict := e.(*hostlib.Dict)
			p, both := part.(*hostlib.Dict)
			if !isDict || !both {
				return false
			}
			held, _ := holds(d, p)
			return held
		}), true
	case *hostlib.Dict:
		p, ok := part.(*hostlib.Dict)
		if !ok {
			name, isName := part.(string)
			_, there := g.Get(name)
			return there, isName
		}
		for i, name := range p.Names {
			if v, ok := g.Get(name); !ok || !same(v, p.Values[i]) {
				return false, true
			}
		}
		return true, true
	}
	return false, false
}

// shown is a value in a message.
func shown(c *hostlib.Call, v hostlib.Value) string {
	if d, err := data(c, "", v); err == nil {
		text := notationOf(c).literal(d, 0)
		if len(text) > 200 {
			text = text[:200] + "..."
		}
		return text
	}
	return fmt.Sprintf("<%s>", c.Lang.TypeName(v))
}
