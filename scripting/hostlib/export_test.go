package hostlib

import (
	"bytes"
	"io"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"

	"github.com/dsengine/dsengine/engine"
)

// Bound sets how much packed files may grow, and how long elements of JSON and of
// XML may be, in bytes. It is for init.
func Bound(unpacked int64, jsonElement, xmlElement int) {
	freeBytes, maxElement, maxXMLElement = unpacked, jsonElement, xmlElement
}

// Bounds are those that hold.
func Bounds() (unpacked int64, jsonElement, xmlElement int) {
	return freeBytes, maxElement, maxXMLElement
}

// CSVRows reads rows as csv.parse does by default, lists if header is not set.
// With reject, what is bad goes there.
func CSVRows(r io.Reader, header bool, reject rejecting) func() (Value, error) {
	in, err := (&Call{}).inputFrom("the text", r, nil, "utf-8")
	if err != nil {
		panic(err)
	}
	o := csvDefaults()
	o.lists, o.reject = !header, reject
	rows, err := newCSVReader(in, o)
	if err != nil {
		panic(err)
	}
	return rows.next
}

// JSONElements reads the elements at a path.
func JSONElements(text, path string) (func() (Value, error), error) {
	steps, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	in, err := (&Call{}).inputFrom("the text", strings.NewReader(text), nil, "utf-8")
	if err != nil {
		return nil, err
	}
	return newJSONStream(in, path, steps).next, nil
}

// XMLNode is an element.
type XMLNode = xmlNode

// XMLText and XMLDict are what scripts see of an element.
func XMLText(e *XMLNode) string { return e.text() }
func XMLDict(e *XMLNode) Value  { return e.dict(nil) }

// XMLDocument reads a whole document.
func XMLDocument(text string) (*XMLNode, error) {
	in, err := (&Call{}).inputFrom("the text", strings.NewReader(text), nil, "utf-8")
	if err != nil {
		return nil, err
	}
	return newXMLReader(in, true, nil, maxXMLText).document()
}

// XMLElements reads the elements at a path.
func XMLElements(text, path string) (func() (*XMLNode, error), error) {
	p, err := xmlStreamPath(path, nil)
	if err != nil {
		return nil, err
	}
	in, err := (&Call{}).inputFrom("the text", strings.NewReader(text), nil, "utf-8")
	if err != nil {
		return nil, err
	}
	return newXMLStream(newXMLReader(in, true, nil, maxXMLElement), p).next, nil
}

// XMLFind finds what is at a path in an element.
func XMLFind(e *XMLNode, path string) ([]Value, error) {
	p, err := parseXMLPath(path, nil)
	if err != nil {
		return nil, err
	}
	var found []Value
	p.find(e, func(v Value) bool { found = append(found, v); return true })
	return found, nil
}

// XMLOutermost are the elements at a path of a document that are in no other one there.
func XMLOutermost(root *XMLNode, path string) (list []*XMLNode) {
	p, err := xmlStreamPath(path, nil)
	if err != nil {
		return nil
	}
	found := map[*xmlNode]bool{}
	p.find(&xmlNode{kids: []xmlKid{{node: root}}}, func(v Value) bool { found[v.(*xmlNode)] = true; return true })
	var walk func(e *xmlNode)
	walk = func(e *xmlNode) {
		if found[e] {
			list = append(list, e)
			return
		}
		for _, k := range e.kids {
			if k.node != nil {
				walk(k.node)
			}
		}
	}
	walk(root)
	return list
}

// ParquetRows reads the rows of a file that is in memory.
func ParquetRows(file []byte, columns ...string) (func() (Value, error), error) {
	in := &seekable{ReaderAt: bytes.NewReader(file), size: int64(len(file)), name: "the file", close: nothing}
	f := &parquetFile{c: &Call{}, in: in}
	if err := f.open(nil); err != nil {
		return nil, err
	}
	r, err := f.reader(columns, nameStyles["keep"])
	if err != nil {
		return nil, err
	}
	return r.next, nil
}

// HTMLNode is an element.
type HTMLNode = htmlNode

// ParseHTML parses a page that is bytes.
func ParseHTML(page []byte) (*HTMLNode, error) {
	v, err := (&Call{}).decodeHTML("the page", page, "", "", nil)
	if err != nil {
		return nil, err
	}
	return v.(*htmlNode), nil
}

// HTMLText, HTMLFind and HTMLRows are what scripts see of an element.
func HTMLText(e *HTMLNode) string { return shownText(e.n) }

func HTMLFind(e *HTMLNode, css string) (found []*HTMLNode, err error) {
	err = e.find(&Call{}, css, func(n *htmlNode) bool { found = append(found, n); return true })
	return found, err
}

func HTMLRows(e *HTMLNode) ([][]Value, error) {
	g := &htmlGrid{}
	return g.rows, g.read(&Call{}, e.n)
}

// XLSXRows reads all rows of all sheets of a book, as lists or dicts; bad cells
// are None.
func XLSXRows(book []byte, header bool) (rows []Value, err error) {
	b, err := (&Call{}).newBook(bytes.NewReader(book), int64(len(book)), "the book")
	if err != nil {
		return nil, err
	}
	defer b.Close()
	for i := range b.sheets {
		r, err := b.reader(i, xlsxOptions{top: 1, right: -1, lists: !header, style: nameStyles["keep"], none: true})
		if err != nil {
			return rows, err
		}
		for {
			row, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return rows, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// CSVText writes rows as csv.write does.
func CSVText(names []string, rows [][]string, sep string) (string, error) {
	if err := checkSep(sep); err != nil {
		return "", err
	}
	w := csvWriter{names: names, head: true, sep: sep, end: "\n"}
	var b strings.Builder
	if err := w.header(&b); err != nil {
		return "", err
	}
	for i, r := range rows {
		row := engine.Row{Names: names}
		for _, f := range r {
			row.Values = append(row.Values, f)
		}
		if err := w.row(row, int64(i+1)); err != nil {
			return "", err
		}
		b.Write(w.buf)
	}
	return b.String(), nil
}

// CSVLists reads rows as csv.read does with header = False.
func CSVLists(text, sep string) ([][]string, error) {
	in, err := (&Call{}).inputFrom("the text", strings.NewReader(text), nil, "utf-8")
	if err != nil {
		return nil, err
	}
	o := csvDefaults()
	o.lists, o.sep = true, sep
	r, err := newCSVReader(in, o)
	if err != nil {
		return nil, err
	}
	var list [][]string
	for {
		v, err := r.next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		var fields []string
		for _, f := range v.([]Value) {
			fields = append(fields, f.(string))
		}
		list = append(list, fields)
	}
}

// HTMLListFound says whether the parser of pages has the list that bounds them.
func HTMLListFound() bool {
	g := &htmlGuard{}
	_, err := html.ParseWithOptions(strings.NewReader("<b>x"), g.option())
	return err == nil && g.open.IsValid() && g.open.Len() == 1
}

// HideHTMLList has the list not be found, until the function that it gives is called.
func HideHTMLList() (show func()) {
	was := htmlOpenList
	htmlOpenList = "gone"
	return func() { htmlOpenList = was }
}

// SortIn bounds what iter.sort holds, in the whole process.
func SortIn(bytes int) { sortMemory = bytes }

// XLSXTextsIn bounds what is held of the texts that cells share, in the whole process.
func XLSXTextsIn(bytes int) { xlsxTextMemory = bytes }

// Matches iterates over where an expression matches, as re.finditer does.
func Matches(expression, text string) (func() ([]int, error), error) {
	p, err := compile(expression)
	if err != nil {
		return nil, err
	}
	it, err := p.iterate(&Call{}, text)
	return func() ([]int, error) {
		m, err := it.(Iterator).Next()
		if err != nil {
			return nil, err
		}
		return m.(*reMatch).at, nil
	}, err
}

// ParseTime reads a time in a format.
func ParseTime(text, format string, loc *time.Location) (time.Time, error) {
	return parseTime(text, format, loc)
}

// AllMatches is where an expression matches, by one search.
func AllMatches(expression, text string) ([][]int, error) {
	p, err := compile(expression)
	if err != nil {
		return nil, err
	}
	return p.all(&Call{}, text, -1)
}

// SignS3 signs a presigned URL at a time; see s3Bucket.
func SignS3(u *url.URL, method, region string, at time.Time) {
	(&s3Bucket{region: region, access: "me", secret: "mine", token: "token"}).sign(u, method, at)
}
