package hostlib

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// decimalsParam has numbers read exactly.
var decimalsParam = Param{Name: "decimals", Type: Bool, Default: false, Named: true, Doc: "numbers with a fraction or an exponent become decimals with all their digits; else floats, which have 15 to 17"}

var jsonModule = &Module{
	Name: "json",
	Doc:  "JSON. Whole numbers stay exact whatever their size, names keep their order. Numbers with a fraction are floats, as in most languages, and those have 15 to 17 digits: for money ask for decimals = True, and all such numbers are decimals. What the engine keeps of a decimal (in payloads, positions, results, state, variables and rejected rows) is its text, with all digits, as a database column gives it: decimal.of(text) makes one of it again.",
	Funcs: []*Func{
		{
			Name: "decode", Doc: "Reads a JSON text.",
			Params:  []Param{{Name: "text", Type: Text, Doc: "one JSON value"}, decimalsParam},
			Returns: "any value",
			Example: "json.decode('{\"id\": 9007199254740993}')  # {\"id\": 9007199254740993}",
			Lua:     "json.decode('{\"id\": 9007199254740993}').id  -- 9007199254740993",
			Do: func(c *Call, a *Args) (Value, error) {
				text := textBytes(a.Value("text"))
				if a.Bool("decimals") {
					return c.decoderOf(true).Decode(text)
				}
				return c.Lang.Native(JSON(text))
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
			Lua:     "json.encode({\"a\", null})  -- '[\"a\",null]'",
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
			Name: "lines", Doc: "Reads JSON lines: one value on each line, up to 64 MB; empty lines are skipped. Lazy. It reads through " + packedDoc + ".",
			Params:  append([]Param{{Name: "src", Type: Source, Doc: "a path, or a stream"}}, jsonLinesParams...),
			Returns: "iterator", Needs: "files", Effect: Read, Same: true,
			Example: "for row in json.lines(\"data/people.jsonl\"):\n    log.info(row[\"name\"])",
			Lua:     "for row in json.lines(\"data/people.jsonl\") do log.info(row.name) end",
			Do: func(c *Call, a *Args) (Value, error) {
				reject, err := c.onBad(a)
				if err != nil {
					return nil, err
				}
				in, err := c.input(a.Value("src"), a.String("encoding"))
				if err != nil {
					return nil, err
				}
				return c.jsonLines("json.lines", in, a.Bool("decimals"), reject), nil
			},
		},
		{
			Name: "stream", Doc: "Reads the elements at a path of one large JSON text, without holding the rest in memory. Lazy. It is an error if the path is not there. An element has up to 64 MB. A name that an object has twice is an error; around the elements it is noticed as long as the names there take no more than 1 MB, for they are not kept beyond that. It reads through " + packedDoc + ".",
			Params: []Param{
				{Name: "src", Type: Source, Doc: "a path, or a stream"},
				{Name: "path", Type: String, Default: "$.items[*]", Doc: "which elements: $.items[*] are those of the list named items, $[*] those of the outermost list"},
				decimalsParam,
				encodingParam,
			},
			Returns: "iterator", Needs: "files", Effect: Read, Same: true,
			Example: "for item in json.stream(\"data/export.json\", \"$.items[*]\"):\n    log.info(item[\"name\"])",
			Lua:     "for item in json.stream(\"data/export.json\", \"$.items[*]\") do log.info(item.name) end",
			Do: func(c *Call, a *Args) (Value, error) {
				steps, err := parsePath(a.String("path"))
				if err != nil {
					return nil, err
				}
				in, err := c.input(a.Value("src"), a.String("encoding"))
				if err != nil {
					return nil, err
				}
				return c.jsonElements("json.stream", in, a.String("path"), steps, a.Bool("decimals")), nil
			},
		},
		{
			Name: "get", Doc: "Finds a value deep in dicts and lists. Where the path does not lead anywhere, it gives the default.",
			Params: []Param{
				{Name: "x", Type: Any, Doc: "a dict or a list"},
				{Name: "path", Type: String, Doc: "such as \"order.lines[0].sku\"; names with dots in them as [\"a.b\"]"},
				{Name: "default", Type: Any, Default: None, Doc: "what it gives if there is nothing"},
			},
			Returns: "any value",
			Example: "json.get({\"a\": {\"b\": [7, 8]}}, \"a.b[1]\")  # 8",
			Lua:     "json.get({a = {b = {7, 8}}}, \"a.b[1]\")  -- 8",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.getPath(a.Value("x"), a.String("path"), a.Value("default"))
			},
		},
		{
			Name: "write_lines", Doc: "Writes JSON lines to a file, one value on each line. Lazy: they are asked for one by one. The file appears under its name once it is complete; one that was there is replaced.",
			Params:  append(append([]Param{}, writeParams...), appendParam),
			Returns: "written", Needs: "files", Effect: Outside, Same: true,
			Example: "json.write_lines(\"data/out/people.jsonl\", [{\"id\": 1, \"name\": \"Ada\"}]).rows  # 1",
			Lua:     "json.write_lines(\"data/out/people.jsonl\", {{id = 1, name = \"Ada\"}}).rows  -- 1",
			Do:      writeJSONLines,
		},
	},
}

// jsonLinesParams are those of what reads JSON lines.
var jsonLinesParams = []Param{
	decimalsParam, encodingParam,
	{Name: "on_bad", Type: String, Default: "error", Named: true, Choices: []string{"error", "reject"}, Doc: "what a line does that is no JSON, or no text: \"reject\" sets it aside as a text, as reject() does, with its line; one that is no text as csv.read does"},
}

func textBytes(v Value) []byte {
	if s, ok := v.(string); ok {
		return []byte(s)
	}
	b, _ := v.([]byte)
	return b
}

// jsonLines gives the values of an input that has one on each line, and closes
// it. fn is the function that made it, for errors; reject sets a bad line aside, nil: it is
// an error.
func (c *Call) jsonLines(fn string, in *input, decimals bool, reject rejecting) Iterator {
	lines := newLines(in)
	dec := c.decoderOf(decimals)
	return rowsOf(c.reading(fn, in, func() (Value, error) {
		for {
			line, err := lines.next()
			if err != nil && !codeIs(err, "file.encoding") {
				c.ends(in, err)
				return nil, err
			}
			if err == nil && len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			var v Value
			if err == nil {
				v, err = dec.Decode(line)
			}
			if syn, ok := err.(*SyntaxError); ok {
				syn.Line = int(lines.n)
				err = Errorf("json.syntax", "%s, %v", in.name, err)
			}
			if f, ok := err.(*engine.Failure); ok && reject != nil && line != nil {
				row := (&csvReader{lines: lines, first: line}).lost(nil)
				if err := reject(row, f, in.name, lines.n); err != nil {
					return nil, err
				}
				continue
			}
			if err != nil {
				return nil, err
			}
			c.varies = c.varies || lines.cut
			c.read(1)
			c.at(in.name, int64(lines.n))
			return v, nil
		}
	}))
}

// jsonElements gives the elements at a path of an input that is one JSON text,
// and closes it. steps are the path's, by parsePath.
func (c *Call) jsonElements(fn string, in *input, path string, steps []step, decimals bool) Iterator {
	s := newJSONStream(in, path, steps)
	s.dec.exact = c.decoderOf(decimals).exact
	return c.reading(fn, in, func() (Value, error) {
		v, err := s.next()
		if err == nil {
			c.read(1)
		}
		return v, err
	})
}

// writeJSONLines is json.write_lines.
func writeJSONLines(c *Call, a *Args) (Value, error) {
	it := a.Iterator("rows")
	defer it.Close()
	return c.writeRows(a.String("path"), a.Bool("append"), func(to io.Writer, out *written) error {
		for {
			v, err := it.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if c.Lang.Plain(v) == nil {
				out.skipped++
				continue
			}
			raw, err := c.encode(v, JSONForm{})
			if err != nil {
				return Errorf("usage", "row %d: %v", out.rows+out.skipped+1, err)
			}
			if _, err := to.Write(append(raw, '\n')); err != nil {
				return err
			}
			out.rows++
		}
	})
}

// getPath finds what is at a path in a value.
func (c *Call) getPath(v Value, path string, otherwise Value) (Value, error) {
	full := path
	switch {
	case strings.HasPrefix(path, "$"):
	case strings.HasPrefix(path, "["):
		full = "$" + path
	default:
		full = "$." + path
	}
	steps, err := parsePath(full)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		switch s.kind {
		case '*':
			return nil, Errorf("usage", "path: %q has a *, but it is to lead to one value", path)
		case '.':
			d, ok, err := c.Lang.Row(v, nil)
			if err != nil || !ok {
				return otherwise, err
			}
			if v, ok = d.Get(s.name); !ok {
				return otherwise, nil
			}
		case '[':
			if c.isDict(v) {
				return otherwise, nil
			}
			list, ok := c.list(v)
			if !ok || s.index >= int64(len(list)) {
				return otherwise, nil
			}
			v = list[s.index]
		}
	}
	return v, nil
}

// list gives a list's elements; false if v is none. Iterators are none: they
// can be gone through once.
func (c *Call) list(v Value) ([]Value, bool) {
	if list, ok := v.([]Value); ok {
		return list, true
	}
	if _, ok := c.Lang.Plain(v).(Iterator); ok {
		return nil, false
	}
	it, ok := c.Lang.Iterate(v)
	if !ok {
		return nil, false
	}
	defer it.Close()
	var list []Value
	for {
		e, err := it.Next()
		if err != nil {
			return list, err == io.EOF
		}
		list = append(list, e)
	}
}
