package hostlib

import (
	"bytes"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

var htmlEncoding = Param{Name: "encoding", Type: String, Default: None, Named: true, Doc: "the character set of bytes; None: as the page, its byte order mark or the server says"}

var htmlModule = &Module{
	Name: "html",
	Doc: "HTML pages, read as browsers do. What is looked for is named by CSS selectors: \"table.prices td\", \"a[href^='/item/']\", \"h2 + p\". " +
		"A page has up to 16 MB; what scripts in it would do is not done.",
	Funcs: []*Func{
		{
			Name: "read", Doc: "Reads a page from a file, or a stream. It reads through " + packedDoc + ".",
			Params:  []Param{{Name: "src", Type: Source, Doc: "a path, or a stream"}, htmlEncoding},
			Returns: "element", Needs: "files", Effect: Read,
			Example: "html.read(\"data/people.html\").first(\"h1\").text  # \"People\"",
			Lua:     "html.read(\"data/people.html\").first(\"h1\").text  -- \"People\"",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.readHTML(a.Value("src"), a.String("encoding"))
			},
		},
		{
			Name: "parse", Doc: "Reads a page that is a text, or bytes, or an answer of http.",
			Params:  []Param{{Name: "page", Type: Any, Doc: "a string, bytes, or a stream such as what http.get gives"}, htmlEncoding},
			Returns: "element",
			Example: "html.parse(\"<p>Hello <b>Ada</b>\").first(\"b\").text  # \"Ada\"",
			Lua:     "html.parse(\"<p>Hello <b>Ada</b>\").first(\"b\").text  -- \"Ada\"",
			Do: func(c *Call, a *Args) (Value, error) {
				switch v := c.Lang.Plain(a.Value("page")).(type) {
				case string:
					return c.parseHTML("the text", strings.NewReader(v), nil)
				case []byte:
					return c.decodeHTML("the text", v, a.String("encoding"), "", nil)
				case streamer, Iterator:
					return c.readHTML(v, a.String("encoding"))
				default:
					return nil, Errorf("usage", "page: got %s, wanted a string, bytes, or a stream; html.read reads files", c.Lang.TypeName(a.Value("page")))
				}
			},
		},
	},
}

// htmlDocument is a page.
type htmlDocument struct {
	name      string   // for messages
	url       *url.URL // where it is from; nil: nobody knows
	selectors map[string]htmlSelector
}

// htmlNode is an element of a page, or all of it.
type htmlNode struct {
	n   *html.Node
	doc *htmlDocument
}

// ObjectType is element.
func (e *htmlNode) ObjectType() *ObjectType { return elementType }

// name is that of the element.
func (e *htmlNode) name() string {
	if e.n.Type == html.DocumentNode {
		return "document"
	}
	return e.n.Data
}

func elementAttr(name, typ, doc string, get func(*htmlNode) Value) Attr {
	return Attr{Name: name, Type: typ, Doc: doc, Get: func(v Value) (Value, error) { return get(v.(*htmlNode)), nil }}
}

var cssParam = Param{Name: "css", Type: String, Doc: "a CSS selector, such as \"table.prices > tbody > tr\""}

var elementType = &ObjectType{
	Name: "element", Doc: "An element of an HTML page, or the whole page.",
	Text: func(v Value) string { return "<element " + v.(*htmlNode).name() + ">" },
	Attrs: []Attr{
		elementAttr("name", "string", "Its name in lower case; that of the whole page is document.", func(e *htmlNode) Value { return e.name() }),
		elementAttr("text", "string", "The text that is shown of it, also of the elements within: white space is one space, and so is where a paragraph, a line or a cell begins.", func(e *htmlNode) Value { return shownText(e.n) }),
		elementAttr("raw_text", "string", "All text in it, just as it is.", func(e *htmlNode) Value { return rawText(e.n) }),
		elementAttr("children", "list of element", "The elements right within it.", func(e *htmlNode) Value {
			list := []Value{}
			for k := e.n.FirstChild; k != nil; k = k.NextSibling {
				if k.Type == html.ElementNode {
					list = append(list, &htmlNode{k, e.doc})
				}
			}
			return list
		}),
		elementAttr("parent", "element", "The element that it is in; None for the whole page.", func(e *htmlNode) Value {
			if e.n.Parent == nil {
				return nil
			}
			return &htmlNode{e.n.Parent, e.doc}
		}),
	},
	Methods: []*Func{
		{
			Name: "select", Doc: "Gives all elements within it that a selector finds, in the order of the page.",
			Params: []Param{cssParam}, Returns: "list of element",
			Example: "[li.text for li in html.parse(\"<ul><li>a<li>b</ul>\").select(\"ul > li\")]  # [\"a\", \"b\"]",
			Lua:     "html.parse(\"<ul><li>a<li>b</ul>\").select(\"ul > li\")[2].text  -- \"b\"",
			Do: func(c *Call, a *Args) (Value, error) {
				found := []Value{}
				err := a.Self.(*htmlNode).find(c, a.String("css"), func(n *htmlNode) bool { found = append(found, n); return true })
				return found, err
			},
		},
		{
			Name: "first", Doc: "Gives the first element within it that a selector finds; None if there is none.",
			Params: []Param{cssParam}, Returns: "element",
			Example: "html.parse(\"<p id=a>x</p>\").first(\"p\").attr(\"id\")  # \"a\"",
			Lua:     "html.parse(\"<p id=a>x</p>\").first(\"p\").attr(\"id\")  -- \"a\"",
			Do: func(c *Call, a *Args) (Value, error) {
				e, err := a.Self.(*htmlNode).first(c, a.String("css"))
				if e == nil || err != nil {
					return nil, err
				}
				return e, nil
			},
		},
		{
			Name: "get", Doc: "Gives the text of the first element within it that a selector finds.",
			Params:  []Param{cssParam, {Name: "default", Type: Any, Default: None, Doc: "what it gives if there is none"}},
			Returns: "string",
			Example: "html.parse(\"<p>x</p>\").get(\"h1\", \"none\")  # \"none\"",
			Lua:     "html.parse(\"<p>x</p>\").get(\"h1\", \"none\")  -- \"none\"",
			Do: func(c *Call, a *Args) (Value, error) {
				e, err := a.Self.(*htmlNode).first(c, a.String("css"))
				if err != nil {
					return nil, err
				}
				if e == nil {
					return a.Value("default"), nil
				}
				return shownText(e.n), nil
			},
		},
		{
			Name: "attr", Doc: "Gives the value of an attribute.",
			Params: []Param{
				{Name: "name", Type: String, Doc: "its name"},
				{Name: "default", Type: Any, Default: None, Doc: "what it gives if there is none"},
			},
			Returns: "string",
			Example: "html.parse(\"<a href=/x>x</a>\").first(\"a\").attr(\"href\")  # \"/x\"",
			Lua:     "html.parse(\"<a href=/x>x</a>\").first(\"a\").attr(\"href\")  -- \"/x\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				if v, ok := htmlAttr(a.Self.(*htmlNode).n, strings.ToLower(a.String("name"))); ok {
					return v, nil
				}
				return a.Value("default"), nil
			},
		},
		{
			Name: "html", Doc: "Gives it as HTML, well formed.",
			Params:  []Param{{Name: "inner", Type: Bool, Default: false, Doc: "True: what is in it, without itself"}},
			Returns: "string",
			Example: "html.parse(\"<p>a<br>b\").first(\"p\").html()  # \"<p>a<br/>b</p>\"",
			Lua:     "html.parse(\"<p>a<br>b\").first(\"p\").html()  -- \"<p>a<br/>b</p>\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				e := a.Self.(*htmlNode)
				var b bytes.Buffer
				if !a.Bool("inner") {
					err := html.Render(&b, e.n)
					return b.String(), err
				}
				for k := e.n.FirstChild; k != nil; k = k.NextSibling {
					if err := html.Render(&b, k); err != nil {
						return nil, err
					}
				}
				return b.String(), nil
			},
		},
		{
			Name: "links", Doc: "Gives the URLs that links in it lead to, whole and each once. They go from where the page is from, if it came over HTTP; other pages must be told.",
			Params:  []Param{{Name: "base", Type: String, Default: None, Doc: "where the page is from"}},
			Returns: "list of string",
			Example: "html.parse(\"<a href='/b?x=1#top'>b</a>\").links(\"https://example.com/a/\")  # [\"https://example.com/b?x=1\"]",
			Lua:     "html.parse(\"<a href='/b?x=1#top'>b</a>\").links(\"https://example.com/a/\")[1]  -- \"https://example.com/b?x=1\"",
			Do: func(c *Call, a *Args) (Value, error) {
				return a.Self.(*htmlNode).links(c, a.String("base"))
			},
		},
		{
			Name: "table", Doc: "Gives the rows of a table, or of the first table in it. Cells that span several rows or columns are in each of them; a cell that a row does not have is None.",
			Params: []Param{
				{Name: "header", Type: Any, Default: true, Doc: "True: the names are in the head of the table, or in its first row, and rows are dicts; a list of names: all rows are data; False: rows are lists"},
				namesParam("the names in the head"),
			},
			Returns: "list of dict",
			Example: "html.parse(\"<table><tr><th>id<th>name<tr><td>1<td>Ada</table>\").table()  # [{\"id\": \"1\", \"name\": \"Ada\"}]",
			Lua:     "html.parse(\"<table><tr><th>id<th>name<tr><td>1<td>Ada</table>\").table()[1].name  -- \"Ada\"",
			Do:      htmlTable,
		},
	},
}

func htmlAttr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// links are the URLs that links in an element lead to.
func (e *htmlNode) links(c *Call, base string) (Value, error) {
	from := e.doc.url
	if base != "" {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" {
			return nil, Errorf("usage", "base: %q is no whole URL, such as \"https://example.com/list\"", base)
		}
		from = u
	}
	top := e.n
	for top.Parent != nil {
		top = top.Parent
	}
	b, err := (&htmlNode{top, e.doc}).first(c, "base[href]")
	if err != nil {
		return nil, err
	}
	if b != nil {
		href, _ := htmlAttr(b.n, "href")
		if u, err := url.Parse(strings.TrimSpace(href)); err == nil {
			if from != nil {
				u = from.ResolveReference(u)
			}
			from = u
		}
	}
	list, seen := []Value{}, map[string]bool{}
	var unknown string
	err = e.find(c, "a[href], area[href]", func(n *htmlNode) bool {
		href, _ := htmlAttr(n.n, "href")
		u, err := url.Parse(strings.TrimSpace(href))
		if err != nil {
			return true
		}
		if from != nil {
			u = from.ResolveReference(u)
		}
		if u.Scheme == "" {
			unknown = href
			return false
		}
		u.Fragment, u.RawFragment = "", ""
		if s := u.String(); (u.Scheme == "http" || u.Scheme == "https") && !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
		return true
	})
	if err == nil && unknown != "" {
		err = Errorf("usage", "nobody knows where the link %q leads from: say where the page is from, .links(\"https://...\")", unknown)
	}
	return list, err
}
