package hostlib

import (
	"fmt"
	"strconv"
	"strings"
)

// reMatch is where a pattern has matched.
type reMatch struct {
	p    *pattern
	text string
	at   []int // from and to of each group; -1: it took no part
}

// ObjectType is match.
func (*reMatch) ObjectType() *ObjectType { return matchType }

// piece is what a group matched.
func (m *reMatch) piece(group int, none Value) Value {
	if from := m.at[2*group]; from >= 0 {
		return m.text[from:m.at[2*group+1]]
	}
	return none
}

// pieces are what all groups matched.
func (m *reMatch) pieces(none Value) Tuple {
	t := make(Tuple, m.p.re.NumSubexp())
	for i := range t {
		t[i] = m.piece(i+1, none)
	}
	return t
}

func (m *reMatch) expand(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		if p.group < 0 {
			b.WriteString(p.text)
		} else {
			b.WriteString(m.piece(p.group, "").(string))
		}
	}
	return b.String()
}

// group is the number of the group that a script names.
func (m *reMatch) group(c *Call, v Value) (int, error) {
	switch v := c.Lang.Plain(v).(type) {
	case nil:
		return 0, nil
	case string:
		if _, err := strconv.Atoi(v); err == nil {
			return 0, Errorf("usage", "group: got %q, wanted a name or an int", v)
		}
		return m.p.group(v)
	default:
		if n, ok := asInt(v); ok {
			return m.p.group(strconv.FormatInt(n, 10))
		}
	}
	return 0, Errorf("usage", "group: got %s, wanted int or string", c.Lang.TypeName(v))
}

// span is where a group is, as the language counts; -1 if it took no part.
func (m *reMatch) span(c *Call, v Value) (from, to int64, err error) {
	g, err := m.group(c, v)
	if err != nil || m.at[2*g] < 0 {
		return -1, -1, err
	}
	from, to = c.Lang.Range(m.at[2*g], m.at[2*g+1])
	return from, to, nil
}

var groupParam = Param{Name: "group", Type: Any, Default: int64(0), Doc: "the number or the name of a group; 0: the whole match"}

var matchType = &ObjectType{
	Name: "match", Doc: "A match of a regular expression. Its positions are those by which the language slices a string.",
	Text: func(v Value) string {
		m := v.(*reMatch)
		return fmt.Sprintf("<match %q>", m.piece(0, ""))
	},
	Attrs: []Attr{
		{Name: "text", Type: "string", Doc: "The text that was looked at.", Get: func(v Value) (Value, error) { return v.(*reMatch).text, nil }},
	},
	Methods: []*Func{
		{
			Name: "group", Doc: "Gives what groups have matched: one text, or a tuple for several groups. A group that took no part is None.",
			Params:  []Param{{Name: "groups", Type: Any, Rest: true, Doc: "numbers or names of groups; none, or 0: the whole match"}},
			Returns: "string",
			Example: "re.search(r\"(\\w+)@(?P<host>\\S+)\", \"to ada@example.com\").group(1, \"host\")  # (\"ada\", \"example.com\")",
			Lua:     "re.search(\"(\\\\w+)@(?P<host>\\\\S+)\", \"to ada@example.com\").group(1, \"host\")  -- \"ada\", \"example.com\"",
			Do: func(c *Call, a *Args) (Value, error) {
				m := a.Self.(*reMatch)
				if len(a.Rest) == 0 {
					return m.piece(0, nil), nil
				}
				t := make(Tuple, len(a.Rest))
				for i, v := range a.Rest {
					g, err := m.group(c, v)
					if err != nil {
						return nil, err
					}
					t[i] = m.piece(g, nil)
				}
				if len(t) == 1 {
					return t[0], nil
				}
				return t, nil
			},
		},
		{
			Name: "groups", Doc: "Gives a tuple of what all groups have matched.",
			Params:  []Param{{Name: "default", Type: Any, Default: None, Doc: "what stands for a group that took no part"}},
			Returns: "tuple",
			Example: "re.match(r\"(\\d+)(px)?\", \"12\").groups()  # (\"12\", None)",
			Lua:     "re.match(\"(\\\\d+)(px)?\", \"12\").groups()  -- \"12\", nil",
			Do: func(_ *Call, a *Args) (Value, error) {
				return a.Self.(*reMatch).pieces(a.Value("default")), nil
			},
		},
		{
			Name: "groupdict", Doc: "Gives what the groups with names have matched, by name.",
			Params:  []Param{{Name: "default", Type: Any, Default: None, Doc: "what stands for a group that took no part"}},
			Returns: "dict",
			Example: "re.match(r\"(?P<n>\\d+)(?P<unit>\\w+)\", \"12px\").groupdict()  # {\"n\": \"12\", \"unit\": \"px\"}",
			Lua:     "re.match(\"(?P<n>\\\\d+)(?P<unit>\\\\w+)\", \"12px\").groupdict()  -- {n = \"12\", unit = \"px\"}",
			Do: func(_ *Call, a *Args) (Value, error) {
				m, d := a.Self.(*reMatch), &Dict{}
				for i, name := range m.p.re.SubexpNames() {
					if name != "" {
						d.Set(name, m.piece(i, a.Value("default")))
					}
				}
				return d, nil
			},
		},
		{
			Name: "start", Doc: "Says where a group begins; -1 if it took no part.",
			Params: []Param{groupParam}, Returns: "int",
			Example: "re.search(r\"\\d+\", \"in 1843\").start()  # 3",
			Lua:     "re.search(\"\\\\d+\", \"in 1843\").start()  -- 4",
			Do: func(c *Call, a *Args) (Value, error) {
				from, _, err := a.Self.(*reMatch).span(c, a.Value("group"))
				return from, err
			},
		},
		{
			Name: "stop", Doc: "Says where a group ends; -1 if it took no part. Python calls it end, which no name in Lua can be.",
			Params: []Param{groupParam}, Returns: "int",
			Example: "re.search(r\"\\d+\", \"in 1843\").stop()  # 7",
			Lua:     "re.search(\"\\\\d+\", \"in 1843\").stop()  -- 7",
			Do: func(c *Call, a *Args) (Value, error) {
				_, to, err := a.Self.(*reMatch).span(c, a.Value("group"))
				return to, err
			},
		},
		{
			Name: "span", Doc: "Says where a group begins and ends: text[start:stop] is what it matched.",
			Params: []Param{groupParam}, Returns: "(int, int)",
			Example: "re.search(r\"\\d+\", \"in 1843\").span()  # (3, 7)",
			Lua:     "string.sub(\"in 1843\", re.search(\"\\\\d+\", \"in 1843\").span())  -- \"1843\"",
			Do: func(c *Call, a *Args) (Value, error) {
				from, to, err := a.Self.(*reMatch).span(c, a.Value("group"))
				return Tuple{from, to}, err
			},
		},
	},
}
