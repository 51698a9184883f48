package hostlib

import (
	"io"
	"strings"
)

// CSVRows reads rows as csv.parse does by default, lists if header is not set.
// With reject, what is bad goes there.
func CSVRows(r io.Reader, header bool, reject func(row Value, reason, source string, line int64) error) func() (Value, error) {
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
