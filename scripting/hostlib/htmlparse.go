package hostlib

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

// Bounds of a page: its bytes, and the nodes that it is parsed into, about. The
// parser itself bounds how deep they are.
const (
	maxHTML      = 16 << 20
	maxHTMLNodes = 4_000_000
)

// readHTML reads a page from a source.
func (c *Call) readHTML(src Value, encoding string) (Value, error) {
	r, name, close, err := c.openSource(src)
	if err != nil {
		return nil, err
	}
	defer close()
	data, err := io.ReadAll(io.LimitReader(&watched{c: c, r: r}, maxHTML+1))
	if err != nil {
		return nil, err
	}
	declared, from := "", (*url.URL)(nil)
	if answer, ok := src.(*response); ok {
		declared, from = answer.declared(), answer.url
	}
	return c.decodeHTML(name, data, encoding, declared, from)
}

// decodeHTML parses a page that is bytes. declared is the character set that the
// server says it has.
func (c *Call) decodeHTML(name string, data []byte, encoding, declared string, from *url.URL) (Value, error) {
	if encoding == "" {
		encoding = htmlCharset(data, declared)
	}
	r, err := decoding(name, bytes.NewReader(data), encoding)
	if err != nil {
		return nil, err
	}
	return c.parseHTML(name, r, from)
}

// htmlCharset is the character set of a page.
func htmlCharset(data []byte, declared string) string {
	kind := "text/html"
	if declared != "" {
		kind += "; charset=" + declared
	}
	_, name, certain := charset.DetermineEncoding(data, kind)
	said := bytes.Contains(bytes.ToLower(data[:min(len(data), 1024)]), []byte("charset"))
	if !certain && !said && utf8.Valid(data) { // that guess looks at the beginning only
		return "utf-8"
	}
	return name
}

// parseHTML parses a page.
func (c *Call) parseHTML(name string, r io.Reader, from *url.URL) (Value, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxHTML+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxHTML {
		return nil, Errorf("file.size", "%s has more than %d bytes, too much for a page", name, maxHTML)
	}
	if !utf8.Valid(text) { // pages are read whatever is in them
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	g := &htmlGuard{c: c, name: name, text: text}
	options, err := g.options()
	if err != nil {
		return nil, err
	}
	root, err := html.ParseWithOptions(g, options...)
	switch {
	case g.err != nil:
		return nil, g.err
	case err != nil && strings.Contains(err.Error(), "exceeds"):
		return nil, Errorf("html.depth", "%s is nested too deeply: %v", name, err)
	case err != nil:
		return nil, Errorf("html.syntax", "%s: %v", name, err)
	}
	return &htmlNode{root, &htmlDocument{name: name, url: from}}, nil
}

// htmlGuard gives a page to the parser piece by piece, a tag at a time, and looks
// at what the parser makes of it: elements such as <b> that are not closed are
// made again in each paragraph that follows, so that a small page can become a
// tree that fills the memory.
type htmlGuard struct {
	c      *Call
	name   string
	text   []byte
	nodes  int64
	pieces int
	unseen int64         // pieces since the list was looked at
	tag    int           // bytes since a tag has ended
	heavy  bool          // there was a tag with very many attributes
	open   reflect.Value // the parser's list of such elements
	last   []uintptr
	err    error
}

// htmlOpenList is the name that the parser's list has.
var htmlOpenList = "afe"

// option has the parser tell where its list is. It has no other way to be asked. If
// there is no such list, as a later version of it may have none, open is not valid.
func (g *htmlGuard) option() html.ParseOption {
	var none html.ParseOption
	of := reflect.TypeOf(none)
	if of.NumIn() != 1 || of.NumOut() != 0 || of.In(0).Kind() != reflect.Pointer || of.In(0).Elem().Kind() != reflect.Struct {
		return none
	}
	make := reflect.MakeFunc(of, func(args []reflect.Value) []reflect.Value {
		list := args[0].Elem().FieldByName(htmlOpenList)
		if list.IsValid() && list.Kind() == reflect.Slice && list.Type().Elem() == reflect.TypeFor[*html.Node]() {
			g.open = list
		}
		return nil
	})
	return make.Interface().(html.ParseOption)
}

// options are those of the parser. Where its list is not known, the page is looked at
// before it is parsed.
func (g *htmlGuard) options() ([]html.ParseOption, error) {
	o := g.option()
	if o == nil {
		return nil, g.estimate()
	}
	probe := &htmlGuard{}
	if _, err := html.ParseWithOptions(strings.NewReader(""), probe.option()); err != nil || !probe.open.IsValid() {
		return nil, g.estimate()
	}
	return []html.ParseOption{o}, nil
}

// htmlRemade are the elements that are made again where they were not closed.
var htmlRemade = map[atom.Atom]bool{
	atom.A: true, atom.B: true, atom.Big: true, atom.Code: true, atom.Em: true, atom.Font: true, atom.I: true, atom.Nobr: true,
	atom.S: true, atom.Small: true, atom.Strike: true, atom.Strong: true, atom.Tt: true, atom.U: true,
}

// estimate counts what a page may at most become, without the parser: with each of
// its tags and texts, all that is open may be made again. It refuses some pages that
// the parser would take.
func (g *htmlGuard) estimate() error {
	z := html.NewTokenizer(bytes.NewReader(g.text))
	var nodes, open int64 // open are elements and their attributes
	var weights []int64   // of each that is open
	for n := 1; ; n++ {
		if n%1000 == 0 {
			if err := g.c.over(); err != nil {
				return err
			}
		}
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return nil // its end
		case html.StartTagToken, html.EndTagToken:
			name, more := z.TagName()
			if htmlRemade[atom.Lookup(name)] {
				if last := len(weights) - 1; kind == html.EndTagToken && last >= 0 {
					open -= weights[last]
					weights = weights[:last]
				}
				if kind == html.StartTagToken {
					weight := int64(1)
					for ; more; weight++ {
						_, _, more = z.TagAttr()
					}
					open += weight
					weights = append(weights, weight)
				}
			}
		}
		if nodes += 1 + open; nodes > maxHTMLNodes {
			return Errorf("html.size", "%s may become more than %d elements and texts", g.name, maxHTMLNodes)
		}
	}
}

// maxLightTag is how long a tag may be without being looked at closely.
const maxLightTag = 4096

var errHTMLStop = errors.New("stop")

// Read gives the next piece, which ends where a tag does.
func (g *htmlGuard) Read(b []byte) (int, error) {
	if g.err = g.look(); g.err != nil {
		return 0, errHTMLStop
	}
	if len(g.text) == 0 {
		return 0, io.EOF
	}
	n := min(len(b), len(g.text))
	g.tag += n
	if end := bytes.IndexByte(g.text[:n], '>'); end >= 0 {
		g.heavy = g.heavy || g.tag-n+end > maxLightTag
		n, g.tag = end+1, 0
	}
	g.nodes += 2 * int64(bytes.Count(g.text[:n], []byte{'<'}))
	copy(b, g.text[:n])
	g.text = g.text[n:]
	return n, nil
}

// look counts what was made again since the last piece.
func (g *htmlGuard) look() error {
	if g.pieces++; g.pieces%1000 == 0 {
		if err := g.c.over(); err != nil {
			return err
		}
	}
	if !g.open.IsValid() {
		return nil // estimate has looked already
	}
	n := g.open.Len()
	g.unseen++
	switch {
	case g.heavy && n > 64:
		return Errorf("html.size", "%s has a tag of more than %d bytes among too many that are not closed", g.name, maxLightTag)
	case !g.heavy && g.unseen <= int64(n/16): // a long list takes its time
		return nil
	}
	for i := range n {
		e := g.open.Index(i)
		was := uintptr(0)
		if i == len(g.last) {
			g.last = append(g.last, 0)
		} else {
			was = g.last[i]
		}
		if g.last[i] = e.Pointer(); was != 0 && was != g.last[i] {
			g.nodes += 8 * g.unseen * int64(1+e.Elem().FieldByName("Attr").Len()) // it may have been several times
		}
	}
	g.last, g.unseen = g.last[:n], 0
	if g.nodes > maxHTMLNodes {
		return Errorf("html.size", "%s becomes more than %d elements and texts", g.name, maxHTMLNodes)
	}
	return nil
}

// htmlSelector is a selector that was read.
type htmlSelector = cascadia.SelectorGroup

// maxSelector bounds a selector, in bytes.
const maxSelector = 2000

// selector reads a selector, and keeps it: the same ones are used again and again.
func (d *htmlDocument) selector(css string) (htmlSelector, error) {
	if s, ok := d.selectors[css]; ok {
		return s, nil
	}
	if len(css) > maxSelector {
		return nil, Errorf("usage", "css: the selector has %d bytes, more than %d", len(css), maxSelector)
	}
	s, err := cascadia.ParseGroup(css)
	if err != nil {
		return nil, selectorError(css, err)
	}
	if d.selectors == nil {
		d.selectors = map[string]htmlSelector{}
	}
	if len(d.selectors) < 1000 {
		d.selectors[css] = s
	}
	return s, nil
}

// selectorError tells where a selector goes wrong: behind the longest beginning
// of it that is one.
func selectorError(css string, err error) error {
	at := 0
	for i := len(css) - 1; i > 0; i-- {
		if nameByte(css[i]) && nameByte(css[i-1]) { // within a word
			continue
		}
		if _, wrong := cascadia.ParseGroup(css[:i]); wrong == nil {
			at = i
			break
		}
	}
	what := strings.ReplaceAll(err.Error(), "EOF", "its end")
	return Errorf("usage", "css: %q is no selector: behind %q, at character %d: %s", css, css[:at], utf8.RuneCountInString(css[:at])+1, what)
}

func nameByte(b byte) bool {
	return b >= utf8.RuneSelf || b == '-' || b == '_' || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}

// find calls yield for what a selector finds within an element, until it returns
// false.
func (e *htmlNode) find(c *Call, css string, yield func(*htmlNode) bool) error {
	s, err := e.doc.selector(css)
	if err != nil {
		return err
	}
	seen := 0
	for n := after(e.n, e.n, true); n != nil; n = after(n, e.n, true) {
		if seen++; seen%100 == 0 {
			if err := c.over(); err != nil {
				return err
			}
		}
		if n.Type == html.ElementNode && s.Match(n) && !yield(&htmlNode{n, e.doc}) {
			return nil
		}
	}
	return nil
}

func (e *htmlNode) first(c *Call, css string) (found *htmlNode, err error) {
	err = e.find(c, css, func(n *htmlNode) bool { found = n; return false })
	return found, err
}

// after is the node that comes after n, within top; nil if none does. deep says
// that what is in n comes next.
func after(n, top *html.Node, deep bool) *html.Node {
	if deep && n.FirstChild != nil {
		return n.FirstChild
	}
	for n != top {
		if n.NextSibling != nil {
			return n.NextSibling
		}
		n = n.Parent
	}
	return nil
}

// rawText is all text in a node.
func rawText(top *html.Node) string {
	var b strings.Builder
	for n := top; n != nil; n = after(n, top, true) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return b.String()
}

// hiddenElements have no text that is shown.
var hiddenElements = map[atom.Atom]bool{atom.Script: true, atom.Style: true, atom.Template: true, atom.Noscript: true}

// inlineElements stand within a line.
var inlineElements = map[atom.Atom]bool{}

func init() {
	for _, a := range []atom.Atom{
		atom.A, atom.Abbr, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Cite, atom.Code, atom.Data, atom.Del, atom.Dfn, atom.Em, atom.Font, atom.I, atom.Img,
		atom.Ins, atom.Kbd, atom.Label, atom.Mark, atom.Nobr, atom.Q, atom.S, atom.Samp, atom.Small, atom.Span, atom.Strike, atom.Strong, atom.Sub, atom.Sup,
		atom.Time, atom.Tt, atom.U, atom.Var, atom.Wbr,
	} {
		inlineElements[a] = true
	}
}

// shownText is the text that is shown of a node.
func shownText(top *html.Node) string {
	var b strings.Builder
	gap, deep := false, true
	for n := top; n != nil; n = after(n, top, deep) {
		deep = true
		switch n.Type {
		case html.TextNode:
			for _, c := range n.Data {
				if isHTMLSpace(c) {
					gap = true
					continue
				}
				if gap && b.Len() > 0 {
					b.WriteByte(' ')
				}
				gap = false
				b.WriteRune(c)
			}
		case html.ElementNode:
			if n != top && hiddenElements[n.DataAtom] {
				deep = false
			}
			gap = gap || !inlineElements[n.DataAtom]
		}
		// Where blocks end, a gap is.
		if !deep || n.FirstChild == nil {
			for k := n; k != top && k.NextSibling == nil && k.Parent != nil; k = k.Parent {
				gap = gap || k.Parent.Type == html.ElementNode && !inlineElements[k.Parent.DataAtom]
			}
		}
	}
	return b.String()
}

func isHTMLSpace(c rune) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '\f', '\u00a0':
		return true
	}
	return false
}
