package hostlib

import (
	"bytes"
	"io"
	"log/slog"
)

var spacesParam = Param{Name: "namespaces", Type: DictOf, Default: None, Named: true, Doc: "the namespaces of the prefixes in paths: {\"g\": \"http://...\"}; None: prefixes are those that the document has"}

const xmlPathDoc = `such as "channel/item", "//item" (at any depth), "item[@type='book']"; names without a prefix mean any namespace`

var xmlModule = &Module{
	Name: "xml",
	Doc:  "XML. Entities that a document declares are read if they stand for text, up to 64 KB of it in all; whatever is outside of the document is not.",
	Funcs: []*Func{
		{
			Name: "stream", Doc: "Reads the elements at a path of a document, without holding the rest in memory. Lazy. Where nothing is at the path, and other elements are there, a warning in the log names them. An element has up to 16 MB. Of elements at the path that lie within one another it gives the outer one only: its find_all(\"//item\") has those within. It is no data: to pass elements to ctx.batches, or to keep them, make dicts of them, by dict() or by hand, as the example does. It reads through " + packedDoc + ".",
			Params: []Param{
				{Name: "src", Type: Source, Doc: "a path, or a stream"},
				{Name: "path", Type: String, Doc: "which elements, from the outermost one on, " + xmlPathDoc + "; [ ] may test attributes"},
				spacesParam,
				{Name: "encoding", Type: String, Default: None, Named: true, Doc: "the character set; None: as the document says"},
			},
			Returns: "iterator of node", Needs: "files", Effect: Read, Same: true,
			Example: "[p.attr(\"id\") for p in xml.stream(\"data/people.xml\", \"people/person\")]  # [\"1\", \"2\"]\n" +
				"def row(p):\n    return {\"id\": int(p.attr(\"id\")), \"name\": p.get(\"name\"), \"line\": p.line}\n" +
				"for rows in ctx.batches(iter.map(row, xml.stream(\"data/people.xml\", \"people/person\")), 1000):\n    log.info(\"a batch\", rows = len(rows), first = rows[0][\"line\"])",
			Lua: "list(iter.map(function(p) return p.attr(\"id\") end, xml.stream(\"data/people.xml\", \"people/person\")))  -- {\"1\", \"2\"}\n" +
				"local function row(p)\n  return {id = p.attr(\"id\"), name = p.get(\"name\"), line = p.line}\nend\n" +
				"for rows in ctx.batches(iter.map(row, xml.stream(\"data/people.xml\", \"people/person\")), 1000) do\n  log.info(\"a batch\", {rows = #rows, first = rows[1].line})\nend",
			Do: func(c *Call, a *Args) (Value, error) {
				spaces, err := xmlSpaces(a.Dict("namespaces"))
				if err != nil {
					return nil, err
				}
				path, err := xmlStreamPath(a.String("path"), spaces)
				if err != nil {
					return nil, err
				}
				charset, declared := a.String("encoding"), !a.Given("encoding")
				if declared {
					charset = "utf-8"
				}
				in, err := c.input(a.Value("src"), charset)
				if err != nil {
					return nil, err
				}
				return c.xmlElements("xml.stream", in, declared, path, spaces), nil
			},
		},
		{
			Name: "parse", Doc: "Reads a document of up to 64 MB, and gives its outermost element.",
			Params:  []Param{{Name: "text", Type: Text, Doc: "the document"}, spacesParam},
			Returns: "node",
			Example: "xml.parse(\"<a><b n='1'>x</b></a>\").find(\"b\").text  # \"x\"",
			Lua:     "xml.parse(\"<a><b n='1'>x</b></a>\").find(\"b\").text  -- \"x\"",
			Do: func(c *Call, a *Args) (Value, error) {
				spaces, err := xmlSpaces(a.Dict("namespaces"))
				if err != nil {
					return nil, err
				}
				text := textBytes(a.Value("text"))
				if len(text) > maxXMLText {
					return nil, Errorf("file.size", "the text has more than %d bytes: use xml.stream", maxXMLText)
				}
				in, err := c.inputFrom("the text", bytes.NewReader(text), nil, "utf-8")
				if err != nil {
					return nil, err
				}
				_, isText := a.Value("text").(string) // which is UTF-8, whatever it says
				root, err := newXMLReader(in, !isText, spaces, maxXMLText).document()
				if err != nil {
					return nil, err
				}
				return root, nil
			},
		},
	},
}

// xmlElements gives the elements at a path of an input, and closes it. fn is the
// function that made it, for errors; declared says that the document's own word
// about its character set counts. path is of xmlStreamPath.
func (c *Call) xmlElements(fn string, in *input, declared bool, path *xmlPath, spaces map[string]string) Iterator {
	s := newXMLStream(newXMLReader(in, declared, spaces, maxXMLElement), path)
	s.choice = true
	return rowsOf(c.reading(fn, in, func() (Value, error) {
		e, err := s.next()
		if nothing := s.nothing(); err == io.EOF && nothing != "" && c.Hook != nil {
			c.Log(slog.LevelWarn, fn+": "+nothing, nil)
		}
		if err != nil {
			return nil, err
		}
		c.read(1)
		c.at(in.name, int64(e.line))
		return e, nil
	}))
}

// xmlStreamPath reads a path that a stream can follow.
func xmlStreamPath(path string, spaces map[string]string) (*xmlPath, error) {
	p, err := parseXMLPath(path, spaces)
	if err != nil {
		return nil, err
	}
	if p.attr != nil || len(p.steps) == 0 {
		return nil, Errorf("usage", "path: %q leads to no elements; take attributes of the elements that you get", path)
	}
	for _, s := range p.steps {
		for _, t := range s.tests {
			if !t.attr {
				return nil, Errorf("usage", "path: %q tests what a stream does not know yet when an element begins: only [@name] and [@name='value'] can be used here", path)
			}
		}
	}
	return p, nil
}

func xmlSpaces(d *Dict) (map[string]string, error) {
	if d == nil {
		return nil, nil
	}
	spaces := map[string]string{}
	for i, n := range d.Names {
		s, ok := d.Values[i].(string)
		if !ok {
			return nil, Errorf("usage", "namespaces: the namespace of %q is no string", n)
		}
		spaces[n] = s
	}
	return spaces, nil
}

// ObjectType is node.
func (e *xmlNode) ObjectType() *ObjectType { return nodeType }

func nodeAttr(name, typ, doc string, get func(*xmlNode) Value) Attr {
	return Attr{Name: name, Type: typ, Doc: doc, Get: func(v Value) (Value, error) { return get(v.(*xmlNode)), nil }}
}

var pathParam = Param{Name: "path", Type: String, Doc: xmlPathDoc + "; \"item/@id\" is an attribute"}

var nodeType = &ObjectType{
	Name: "node", Doc: "An element of an XML document.",
	Text: func(v Value) string { return "<node " + xmlWritten(v.(*xmlNode).prefix, v.(*xmlNode).name) + ">" },
	Attrs: []Attr{
		nodeAttr("name", "string", "Its name, without a prefix.", func(e *xmlNode) Value { return e.name }),
		nodeAttr("namespace", "string", "Its namespace; \"\" if it has none.", func(e *xmlNode) Value { return e.space }),
		nodeAttr("text", "string", "All text in it, also in the elements within, without white space around it.", func(e *xmlNode) Value { return e.text() }),
		nodeAttr("line", "int", "The line on which it begins.", func(e *xmlNode) Value { return int64(e.line) }),
	},
	Methods: []*Func{
		{
			Name: "attr", Doc: "Gives the value of an attribute.",
			Params: []Param{
				{Name: "name", Type: String, Doc: "its name; without a prefix it means any namespace"},
				{Name: "default", Type: Any, Default: None, Doc: "what it gives if there is none"},
			},
			Returns: "string",
			Example: "xml.parse(\"<a n='1'/>\").attr(\"n\")  # \"1\"",
			Lua:     "xml.parse(\"<a n='1'/>\").attr(\"n\")  -- \"1\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				v, err := findXML(a.Self, "@"+a.String("name"), a.Value("default"))
				return v, err
			},
		},
		{
			Name: "find", Doc: "Gives the first element, or the value of the first attribute, at a path within it; None if there is none.",
			Params: []Param{pathParam}, Returns: "node",
			Example: "xml.parse(\"<a><b><c>x</c></b></a>\").find(\"b/c\").text  # \"x\"",
			Lua:     "xml.parse(\"<a><b><c>x</c></b></a>\").find(\"b/c\").text  -- \"x\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				return findXML(a.Self, a.String("path"), nil)
			},
		},
		{
			Name: "find_all", Doc: "Gives all elements, or the values of all attributes, at a path within it.",
			Params: []Param{pathParam}, Returns: "list of node",
			Example: "xml.parse(\"<a><b n='1'/><b n='2'/></a>\").find_all(\"b/@n\")  # [\"1\", \"2\"]",
			Lua:     "xml.parse(\"<a><b n='1'/><b n='2'/></a>\").find_all(\"b/@n\")  -- {\"1\", \"2\"}",
			Do: func(_ *Call, a *Args) (Value, error) {
				e := a.Self.(*xmlNode)
				p, err := e.paths.parse(a.String("path"))
				if err != nil {
					return nil, err
				}
				found := []Value{}
				p.find(e, func(v Value) bool { found = append(found, v); return true })
				return found, nil
			},
		},
		{
			Name: "get", Doc: "Gives the text of the first element, or the value of the first attribute, at a path within it.",
			Params:  []Param{pathParam, {Name: "default", Type: Any, Default: None, Doc: "what it gives if there is none"}},
			Returns: "string",
			Example: "xml.parse(\"<a><b>x</b></a>\").get(\"c\", \"none\")  # \"none\"",
			Lua:     "xml.parse(\"<a><b>x</b></a>\").get(\"c\", \"none\")  -- \"none\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				v, err := findXML(a.Self, a.String("path"), a.Value("default"))
				if e, ok := v.(*xmlNode); ok {
					return e.text(), err
				}
				return v, err
			},
		},
		{
			Name: "dict", Doc: "Gives the element as data: its text if there is nothing else in it, else a dict with its attributes as \"@name\", its text as \"#text\", and its children by their names as written. A child that is there several times is a list.",
			Params:  []Param{{Name: "lists", Type: Strings, Default: []string(nil), Doc: "names of children that are lists always, also if there is one"}},
			Returns: "dict or string",
			Example: "xml.parse(\"<a n='1'><b>x</b><b>y</b></a>\").dict()  # {\"@n\": \"1\", \"b\": [\"x\", \"y\"]}",
			Lua:     "xml.parse(\"<a n='1'><b>x</b><b>y</b></a>\").dict()  -- {[\"@n\"] = \"1\", b = {\"x\", \"y\"}}",
			Do: func(_ *Call, a *Args) (Value, error) {
				return a.Self.(*xmlNode).dict(a.Strings("lists")), nil
			},
		},
	},
}

// findXML is the first thing at a path.
func findXML(self Value, path string, otherwise Value) (Value, error) {
	e := self.(*xmlNode)
	p, err := e.paths.parse(path)
	if err != nil {
		return nil, err
	}
	found := otherwise
	p.find(e, func(v Value) bool { found = v; return false })
	return found, nil
}
