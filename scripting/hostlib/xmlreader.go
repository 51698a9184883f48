package hostlib

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// maxXMLElement bounds one element of xml.stream, in bytes; only tests set it.
var maxXMLElement = 16 << 20

// maxXMLText bounds what xml.parse takes, in bytes.
const maxXMLText = 64 << 20

const xmlSpace = "http://www.w3.org/XML/1998/namespace"

// xmlNode is an element.
type xmlNode struct {
	name, prefix, space string
	attrs               []xmlAttr
	kids                []xmlKid
	line, n             int // n counts elements in the order of the document
	paths               *xmlPaths
}

// xmlPaths reads paths, and keeps them: the same ones are used again and again.
type xmlPaths struct {
	spaces map[string]string // of the prefixes in them
	known  map[string]*xmlPath
}

func (p *xmlPaths) parse(path string) (*xmlPath, error) {
	if known := p.known[path]; known != nil {
		return known, nil
	}
	parsed, err := parseXMLPath(path, p.spaces)
	if err == nil && len(p.known) < 1000 {
		if p.known == nil {
			p.known = map[string]*xmlPath{}
		}
		p.known[path] = parsed
	}
	return parsed, err
}

type xmlAttr struct{ name, prefix, space, value string }

// xmlKid is an element, or text if node is nil.
type xmlKid struct {
	node *xmlNode
	text string
}

// written is a name as it is in the document.
func xmlWritten(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + ":" + name
}

// attribute is the value of an attribute. Without a prefix, one that has none
// comes first.
func (e *xmlNode) attribute(n *xmlName) (string, bool) {
	found := -1
	for i := range e.attrs {
		a := &e.attrs[i]
		if n.fits(a.name, a.prefix, a.space) && (found < 0 || a.prefix == "") {
			found = i
		}
	}
	if found < 0 {
		return "", false
	}
	return e.attrs[found].value, true
}

// text is all text in the element, without white space around it.
func (e *xmlNode) text() string {
	switch len(e.kids) {
	case 0:
		return ""
	case 1:
		if e.kids[0].node == nil {
			return strings.TrimSpace(e.kids[0].text)
		}
	}
	var b strings.Builder
	e.addText(&b)
	return strings.TrimSpace(b.String())
}

func (e *xmlNode) addText(b *strings.Builder) {
	for _, k := range e.kids {
		if k.node != nil {
			k.node.addText(b)
		} else {
			b.WriteString(k.text)
		}
	}
}

// dict is the element as data: text if there is nothing else in it; otherwise a
// dict with its attributes as @name, its text as #text, its children by name,
// those that are there several times, or are among lists, as lists.
func (e *xmlNode) dict(lists []string) Value {
	d := &Dict{}
	for _, a := range e.attrs { // none is there twice
		d.Names, d.Values = append(d.Names, "@"+xmlWritten(a.prefix, a.name)), append(d.Values, a.value)
	}
	var text strings.Builder
	at := map[string]int{} // of the children in d
	many := map[int]bool{}
	for _, k := range e.kids {
		if k.node == nil {
			text.WriteString(k.text)
			continue
		}
		name, v := xmlWritten(k.node.prefix, k.node.name), k.node.dict(lists)
		i, there := at[name]
		switch {
		case !there:
			at[name] = len(d.Names)
			if many[len(d.Names)] = index(lists, name) >= 0; many[len(d.Names)] {
				v = []Value{v}
			}
			d.Names, d.Values = append(d.Names, name), append(d.Values, v)
		case many[i]:
			d.Values[i] = append(d.Values[i].([]Value), v)
		default:
			many[i] = true
			d.Values[i] = []Value{d.Values[i], v}
		}
	}
	s := strings.TrimSpace(text.String())
	if len(d.Names) == 0 {
		return s
	}
	if s != "" {
		d.Set("#text", s)
	}
	return d
}

// xmlReader reads a document. Of a DTD it knows the entities that stand for text.
type xmlReader struct {
	in      *input
	dec     *xml.Decoder
	guard   *xmlInput
	paths   *xmlPaths
	n       int            // elements that have begun
	steps   int            // tokens that were read
	open    []xml.Name     // elements that have begun, as written
	bound   []xmlBinding   // prefixes of the elements that have begun
	inner   map[string]int // by prefix, the last of bound, counted from 1
	strange []string       // prefixes of a path that nothing has declared yet
	root    string         // the outermost element, once it was there
	charset string         // what its declaration says that it is; "": in.text.charset
	choice  bool           // the script can say which encoding it has
}

// xmlBinding is a prefix of the elements from a depth on.
type xmlBinding struct {
	depth         int
	prefix, space string
	outer         int // what inner had for the prefix before
}

// xmlSteps is after how many tokens it is looked whether the hook must end.
const xmlSteps = 4096

// newXMLReader reads an input. declared says that the document's own word about
// its character set counts.
func newXMLReader(in *input, declared bool, spaces map[string]string, max int) *xmlReader {
	r := &xmlReader{in: in, paths: &xmlPaths{spaces: spaces}}
	r.guard = &xmlInput{Reader: in.r, name: in.name, max: max}
	r.dec = xml.NewDecoder(r.guard)
	r.dec.CharsetReader = func(charset string, src io.Reader) (io.Reader, error) {
		if !declared || in.text.marked || strings.HasPrefix(strings.ToLower(charset), "utf-16") { // that is seen by its mark
			return src, nil
		}
		r.charset = charset
		text, err := decoding(in.name, r.guard.Reader, charset)
		if err != nil {
			return nil, err
		}
		r.guard.Reader = bufio.NewReaderSize(text, inputBuffer)
		return src, nil
	}
	return r
}

// token is the next token: a start or an end, or text within an element. Names
// are as written.
func (r *xmlReader) token() (xml.Token, error) {
	for {
		if r.steps++; r.steps%xmlSteps == 0 {
			if err := r.in.watch.over(); err != nil {
				return nil, err
			}
		}
		t, err := r.dec.RawToken()
		if err != nil {
			return nil, r.explain(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(r.open) == 0 && r.root != "" {
				return nil, r.syntax("there is a second outermost element <%s>", xmlWritten(t.Name.Space, t.Name.Local))
			}
			if len(r.open) == maxDepth {
				return nil, r.syntax("it is nested more than %d levels deep", maxDepth)
			}
			if r.open = append(r.open, t.Name); len(r.open) == 1 {
				r.root = xmlWritten(t.Name.Space, t.Name.Local)
			}
			if name, twice := twiceIn(t.Attr); twice {
				return nil, r.syntax("<%s> has the attribute %s twice", xmlWritten(t.Name.Space, t.Name.Local), xmlWritten(name.Space, name.Local))
			}
			r.bind(t.Attr)
			r.n++
			return t, nil
		case xml.EndElement:
			n := len(r.open) - 1
			if n < 0 || r.open[n] != t.Name {
				return nil, r.syntax("</%s> ends nothing that is open", xmlWritten(t.Name.Space, t.Name.Local))
			}
			r.open = r.open[:n]
			for len(r.bound) > 0 && r.bound[len(r.bound)-1].depth > n {
				last := r.bound[len(r.bound)-1]
				r.inner[last.prefix] = last.outer
				if last.outer == 0 {
					delete(r.inner, last.prefix)
				}
				r.bound = r.bound[:len(r.bound)-1]
			}
			return t, nil
		case xml.Directive:
			if r.root == "" && bytes.HasPrefix(t, []byte("DOCTYPE")) {
				r.guard.declare(t)
				r.dec.Entity = r.guard.values
			}
		case xml.CharData:
			if len(r.open) > 0 {
				return t, nil
			}
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, r.syntax("there is text outside of the outermost element")
			}
		}
	}
}

// bind takes the prefixes that an element declares.
func (r *xmlReader) bind(attrs []xml.Attr) {
	for _, a := range attrs {
		prefix := a.Name.Local
		switch {
		case a.Name.Space == "xmlns":
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			prefix = ""
		default:
			continue
		}
		if r.inner == nil {
			r.inner = map[string]int{}
		}
		r.strange = slices.DeleteFunc(r.strange, func(p string) bool { return p == prefix })
		r.bound = append(r.bound, xmlBinding{len(r.open), prefix, a.Value, r.inner[prefix]})
		r.inner[prefix] = len(r.bound)
	}
}

// space is the namespace of a prefix; "" for one that is not declared.
func (r *xmlReader) space(prefix string) string {
	if i := r.inner[prefix]; i > 0 {
		return r.bound[i-1].space
	}
	if prefix == "xml" {
		return xmlSpace
	}
	return ""
}

// element makes the node of a start, without what is in it.
func (r *xmlReader) element(t xml.StartElement) *xmlNode {
	line, _ := r.dec.InputPos()
	e := &xmlNode{name: t.Name.Local, prefix: t.Name.Space, space: r.space(t.Name.Space), line: line, n: r.n, paths: r.paths}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		if e.attrs == nil {
			e.attrs = make([]xmlAttr, 0, len(t.Attr))
		}
		at := xmlAttr{name: a.Name.Local, prefix: a.Name.Space, value: a.Value}
		if at.prefix != "" {
			at.space = r.space(at.prefix)
		}
		e.attrs = append(e.attrs, at)
	}
	return e
}

// twiceIn finds an attribute that is there twice.
func twiceIn(attrs []xml.Attr) (xml.Name, bool) {
	if len(attrs) > 16 {
		seen := make(map[xml.Name]bool, len(attrs))
		for _, a := range attrs {
			if seen[a.Name] {
				return a.Name, true
			}
			seen[a.Name] = true
		}
		return xml.Name{}, false
	}
	for i := range attrs {
		for k := range i {
			if attrs[i].Name == attrs[k].Name {
				return attrs[i].Name, true
			}
		}
	}
	return xml.Name{}, false
}

// fill reads what is in an element, up to its end.
func (r *xmlReader) fill(e *xmlNode) error {
	for {
		t, err := r.token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			kid := r.element(t)
			if err := r.fill(kid); err != nil {
				return err
			}
			e.kids = append(e.kids, xmlKid{node: kid})
		case xml.EndElement:
			return nil
		case xml.CharData:
			e.kids = append(e.kids, xmlKid{text: string(t)})
		}
	}
}

// document reads all of it.
func (r *xmlReader) document() (*xmlNode, error) {
	t, err := r.token()
	if err != nil {
		return nil, err
	}
	root := r.element(t.(xml.StartElement)) // the first token: all else is an error
	if err := r.fill(root); err != nil {
		return nil, err
	}
	if _, err := r.token(); err != io.EOF {
		return nil, err
	}
	return root, nil
}

func (r *xmlReader) syntax(format string, args ...any) error {
	line, _ := r.dec.InputPos()
	return Errorf("xml.syntax", "%s, line %d: %v", r.in.name, line, Errorf("", format, args...))
}

// explain says in words why there is no next token.
func (r *xmlReader) explain(err error) error {
	var syn *xml.SyntaxError
	switch {
	case err == io.EOF && len(r.open) > 0:
		n := r.open[len(r.open)-1]
		return r.syntax("it ends before <%s> does", xmlWritten(n.Space, n.Local))
	case err == io.EOF && r.root == "":
		return r.syntax("there is no element")
	case errors.As(err, &syn) && syn.Msg == "invalid UTF-8":
		return r.noText()
	case errors.As(err, &syn):
		return r.syntax("%s", cmp.Or(r.guard.noEntity(syn), syn.Msg))
	case r.choice && strings.HasPrefix(err.Error(), "xml: opening charset"):
		return r.syntax("its declaration names the encoding %q, which is none that is known: say which it has, such as encoding = \"windows-1252\"", r.charset)
	case strings.HasPrefix(err.Error(), "xml: "): // of the declaration
		return r.syntax("%s", strings.TrimPrefix(err.Error(), "xml: "))
	}
	return err
}

// noText is the error about bytes that mean nothing in the character set.
func (r *xmlReader) noText() error {
	charset, hint := cmp.Or(r.charset, r.in.text.charset), ""
	what := "it has bytes that mean nothing in " + charset
	if charset == "utf-8" {
		what = "it is not UTF-8"
	}
	if r.choice {
		hint = "; say which encoding it has, such as encoding = \"windows-1252\""
	}
	return r.syntax("%s%s", what, hint)
}

// xmlStream finds the elements at a path of a document, one by one.
type xmlStream struct {
	*xmlReader
	path *xmlPath
	// For each element that is open, a bit for each step that may come next
	// within it.
	bits  []uint64
	found bool // an element, or one that could hold some
	given bool // an element
	// What is there in place of the step that nothing was at, until an element is given.
	missed int
	others []string
}

func newXMLStream(r *xmlReader, path *xmlPath) *xmlStream {
	r.strange = path.prefixes()
	return &xmlStream{xmlReader: r, path: path, bits: []uint64{1}}
}

// next is the next element, or io.EOF once the whole document has been read.
func (s *xmlStream) next() (*xmlNode, error) {
	for {
		s.guard.reset()
		t, err := s.token()
		if err == io.EOF && !s.given && len(s.strange) > 0 {
			return nil, Errorf("xml.path", "%s: there is nothing at %s: the document does not declare the prefix %q; give its namespace by namespaces = {%q: \"...\"}", s.in.name, s.path.text, s.strange[0], s.strange[0])
		}
		if err == io.EOF && !s.found {
			return nil, Errorf("xml.path", "%s: there is nothing at %s; the outermost element is <%s>", s.in.name, s.path.text, s.root)
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			hit := s.enter(t)
			if hit == nil {
				continue
			}
			s.bits = s.bits[:len(s.bits)-1] // fill reads its end
			return hit, s.fill(hit)
		case xml.EndElement:
			s.bits = s.bits[:len(s.bits)-1]
		}
	}
}

// enter follows the path into an element, and gives it if that is where the
// path leads.
func (s *xmlStream) enter(t xml.StartElement) *xmlNode {
	from, to := s.bits[len(s.bits)-1], uint64(0)
	var e *xmlNode
	for i := range s.path.steps {
		if from&(1<<i) == 0 {
			continue
		}
		step := &s.path.steps[i]
		if step.deep {
			to |= 1 << i
		}
		if !step.name.fits(t.Name.Local, t.Name.Space, s.space(t.Name.Space)) {
			continue
		}
		if e == nil {
			e = s.element(t)
		}
		if step.hits(e, nil) {
			to |= 1 << (i + 1)
		}
	}
	s.bits = append(s.bits, to)
	if e == nil && from != 0 && !s.given {
		s.miss(bits.Len64(from)-1, t)
	}
	n := len(s.path.steps)
	if n > 1 && to&(1<<(n-1)) != 0 || s.path.steps[n-1].deep {
		s.found = true
	}
	if to&(1<<n) == 0 {
		return nil
	}
	s.found, s.given = true, true
	return e
}

// miss remembers an element that is where a step looks for another, of the step that is
// furthest on in the path.
func (s *xmlStream) miss(step int, t xml.StartElement) {
	if step > s.missed {
		s.missed, s.others = step, nil
	}
	name := "<" + xmlWritten(t.Name.Space, t.Name.Local) + ">"
	if space := s.space(t.Name.Space); space != "" {
		name += " of the namespace " + strconv.Quote(space)
	}
	const most = 5
	if step == s.missed && len(s.others) < most && !slices.Contains(s.others, name) {
		s.others = append(s.others, name)
	}
}

// nothing says what is where the path leads to nothing; "" if nothing is there.
func (s *xmlStream) nothing() string {
	if s.given || len(s.others) == 0 {
		return ""
	}
	where := "in the document"
	if s.missed > 0 {
		where = fmt.Sprintf("within step %d of it", s.missed)
	}
	return fmt.Sprintf("%s: there is nothing at %s; %s are %s", s.in.name, s.path.text, where, strings.Join(s.others, ", "))
}
