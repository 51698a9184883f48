package hostlib

import (
	"bytes"
	"encoding/json"
	"strings"
)

var jsonModule = &Module{
	Name: "json",
	Doc:  "JSON. Whole numbers stay exact whatever their size, names keep their order.",
	Funcs: []*Func{
		{
			Name: "decode", Doc: "Reads a JSON text.",
			Params:  []Param{{Name: "text", Type: Text, Doc: "one JSON value"}},
			Returns: "any value",
			Example: "json.decode('{\"id\": 9007199254740993}')  # {\"id\": 9007199254740993}",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.Lang.Native(JSON(textBytes(a.Value("text"))))
			},
		},
		{
			Name: "encode", Doc: "Writes a value as JSON text; times become RFC 3339 text.",
			Params: []Param{
				{Name: "value", Type: Data, Doc: "None, bool, number, string, time, list or dict"},
				{Name: "indent", Type: Int, Default: int64(0), Doc: "spaces by which each level is indented; 0: all on one line"},
			},
			Returns: "string",
			Example: "json.encode({\"id\": 1, \"tags\": [\"a\", None]})  # '{\"id\":1,\"tags\":[\"a\",null]}'",
			Do: func(_ *Call, a *Args) (Value, error) {
				raw, err := EncodeJSON(a.Value("value"))
				if err != nil {
					return nil, err
				}
				n := a.Int("indent")
				switch {
				case n < 0 || n > 16:
					return nil, Errorf("usage", "indent: got %d, wanted 0 to 16", n)
				case n == 0:
					return string(raw), nil
				}
				var b bytes.Buffer
				if err := json.Indent(&b, raw, "", strings.Repeat(" ", int(n))); err != nil {
					return nil, err
				}
				return b.String(), nil
			},
		},
		{
			Name: "lines", Doc: "Reads JSON lines: one value on each line; empty lines are skipped. Lazy.",
			Params:  []Param{{Name: "src", Type: Source, Doc: "a path, or a stream"}},
			Returns: "iterator", Needs: "files", Effect: Read,
			Example: "for row in json.lines(\"data/people.jsonl\"):\n    log.info(row[\"name\"])",
			Do: func(c *Call, a *Args) (Value, error) {
				in, err := c.input(a.Value("src"), "utf-8")
				if err != nil {
					return nil, err
				}
				return c.jsonLines("json.lines", in), nil
			},
		},
		{
			Name: "stream", Doc: "Reads the elements at a path of one large JSON text, without holding the rest in memory. Lazy. It is an error if the path is not there.",
			Params: []Param{
				{Name: "src", Type: Source, Doc: "a path, or a stream"},
				{Name: "path", Type: String, Default: "$.items[*]", Doc: "which elements: $.items[*] are those of the list named items, $[*] those of the outermost list"},
			},
			Returns: "iterator", Needs: "files", Effect: Read,
			Example: "for item in json.stream(\"data/export.json\", \"$.items[*]\"):\n    log.info(item[\"name\"])",
			Do: func(c *Call, a *Args) (Value, error) {
				steps, err := parsePath(a.String("path"))
				if err != nil {
					return nil, err
				}
				in, err := c.input(a.Value("src"), "utf-8")
				if err != nil {
					return nil, err
				}
				return c.jsonElements("json.stream", in, a.String("path"), steps), nil
			},
		},
	},
}

func textBytes(v Value) []byte {
	if s, ok := v.(string); ok {
		return []byte(s)
	}
	b, _ := v.([]byte)
	return b
}

// jsonLines gives the values of an input that has one on each line, and closes
// it. fn is the function that made it, for errors.
func (c *Call) jsonLines(fn string, in *input) Iterator {
	lines := newLines(in)
	dec := NewDecoder(values{})
	return c.iterator(fn, func() (Value, error) {
		for {
			line, err := lines.next()
			if err != nil {
				return nil, err
			}
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			v, err := dec.Decode(line)
			if err != nil {
				dec.reset()
				if syn, ok := err.(*SyntaxError); ok {
					syn.Line = int(lines.n)
				}
				return nil, Errorf("json.syntax", "%s, %v", in.name, err)
			}
			c.read(1)
			return v, nil
		}
	}, in.close)
}

// jsonElements gives the elements at a path of an input that is one JSON text,
// and closes it. steps are the path's, by parsePath.
func (c *Call) jsonElements(fn string, in *input, path string, steps []step) Iterator {
	s := newJSONStream(in, path, steps)
	return c.iterator(fn, func() (Value, error) {
		v, err := s.next()
		if err == nil {
			c.read(1)
		}
		return v, err
	}, in.close)
}
