package hostlib

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// csvParams are those that csv.read and csv.parse share.
var csvParams = []Param{
	{Name: "header", Type: Any, Default: true, Named: true, Doc: "True: the first line has the names, and rows are dicts; a list of names: there is no such line; False: rows are lists"},
	{Name: "sep", Type: String, Default: ",", Named: true, Doc: "what stands between fields, one character"},
	{Name: "nulls", Type: Strings, Default: []string(nil), Named: true, Doc: "fields that become None; \"\" for empty ones"},
	{Name: "on_bad", Type: String, Default: "error", Named: true, Choices: []string{"error"}, Later: []string{"reject"}, Doc: "what a bad row does"},
}

var csvModule = &Module{
	Name: "csv",
	Doc:  "Comma-separated values. All values are strings: convert what is to be a number.",
	Funcs: []*Func{
		{
			Name: "read", Doc: "Reads rows. Lazy: a file of any size passes through. A byte order mark and empty lines are skipped; a row with too few or too many fields is an error.",
			Params: append([]Param{
				{Name: "src", Type: Source, Doc: "a path, or a stream"},
				{Name: "encoding", Type: String, Default: "utf-8", Named: true, Doc: "the character set of the text"},
			}, csvParams...),
			Returns: "iterator of dict", Needs: "files", Effect: Read,
			Example: "[r[\"name\"] for r in csv.read(\"data/people.csv\")]  # [\"Ada\", \"Grace\"]",
			Do: func(c *Call, a *Args) (Value, error) {
				o, err := csvOptionsOf(c, a)
				if err != nil {
					return nil, err
				}
				in, err := c.input(a.Value("src"), a.String("encoding"))
				if err != nil {
					return nil, err
				}
				return c.csvRows("csv.read", in, o), nil
			},
		},
		{
			Name: "parse", Doc: "Reads the rows of a text.",
			Params:  append([]Param{{Name: "text", Type: Text, Doc: "the rows"}}, csvParams...),
			Returns: "list of dict",
			Example: "csv.parse(\"id,name\\n1,Ada\\n\")  # [{\"id\": \"1\", \"name\": \"Ada\"}]",
			Do: func(c *Call, a *Args) (Value, error) {
				o, err := csvOptionsOf(c, a)
				if err != nil {
					return nil, err
				}
				text := strings.TrimPrefix(string(textBytes(a.Value("text"))), "\ufeff")
				r := newCSVReader("the text", strings.NewReader(text), o)
				rows := []Value{}
				for {
					row, err := r.next()
					if err == io.EOF {
						return rows, nil
					}
					if err != nil {
						return nil, err
					}
					rows = append(rows, row)
				}
			},
		},
	},
}

// csvRows gives the rows of an input, and closes it. fn is the function that made
// it, for errors.
func (c *Call) csvRows(fn string, in *input, o csvOptions) Iterator {
	r := newCSVReader(in.name, in.r, o)
	return c.iterator(fn, func() (Value, error) {
		row, err := r.next()
		if err == nil {
			c.read(1)
		}
		return row, err
	}, in.close)
}

// csvOptions are what csvParams say; csvOptionsOf reads them.
type csvOptions struct {
	sep   rune
	names []string // nil: the first line has them
	lists bool     // rows are lists
	nulls map[string]bool
}

func csvOptionsOf(c *Call, a *Args) (o csvOptions, err error) {
	o.sep, _ = utf8.DecodeRuneInString(a.String("sep"))
	if utf8.RuneCountInString(a.String("sep")) != 1 || strings.ContainsRune("\"\r\n\uFFFD", o.sep) {
		return o, Errorf("usage", "sep: got %q, wanted one character such as \";\" or \"\\t\"", a.String("sep"))
	}
	switch h := c.Lang.Plain(a.Value("header")).(type) {
	case bool:
		o.lists = !h
	default:
		p := Param{Name: "header", Type: Strings}
		names, err := p.convert(c, h)
		if err != nil {
			return o, Errorf("usage", "header: got %s, wanted True, False or a list of names", c.Lang.TypeName(h))
		}
		o.names = names.([]string)
		if err := checkNames(o.names); err != nil {
			return o, Errorf("usage", "header: %v", err)
		}
	}
	if nulls := a.Strings("nulls"); len(nulls) > 0 {
		o.nulls = map[string]bool{}
		for _, n := range nulls {
			o.nulls[n] = true
		}
	}
	return o, nil
}

// checkNames refuses names of columns that a dict cannot hold.
func checkNames(names []string) error {
	seen := make(map[string]int, len(names))
	for i, n := range names {
		if n == "" {
			return Errorf("csv.header", "column %d has no name: give the names by header = [...], and leave out the first row by iter.skip(rows, 1)", i+1)
		}
		if at, ok := seen[n]; ok {
			return Errorf("csv.header", "columns %d and %d are both named %q: give the names by header = [...], and leave out the first row by iter.skip(rows, 1)", at+1, i+1, n)
		}
		seen[n] = i
	}
	return nil
}

// csvReader reads rows.
type csvReader struct {
	name string
	r    *csv.Reader
	o    csvOptions
	n    int // fields of a row; 0: not known yet
}

func newCSVReader(name string, r io.Reader, o csvOptions) *csvReader {
	cr := csv.NewReader(r)
	cr.Comma, cr.ReuseRecord, cr.FieldsPerRecord = o.sep, true, -1
	return &csvReader{name: name, r: cr, o: o, n: len(o.names)}
}

// next is the next row: a *Dict, or a []Value.
func (r *csvReader) next() (Value, error) {
	fields, err := r.record()
	if err != nil {
		return nil, err
	}
	if !r.o.lists && r.o.names == nil {
		names := append([]string(nil), fields...)
		line, _ := r.r.FieldPos(0)
		if err := checkNames(names); err != nil {
			return nil, Errorf("csv.header", "%s, line %d: %v", r.name, line, err)
		}
		r.o.names = names
		if fields, err = r.record(); err != nil {
			return nil, err
		}
	}
	vals := make([]Value, len(fields))
	for i, f := range fields {
		if r.o.nulls == nil || !r.o.nulls[f] {
			vals[i] = f
		}
	}
	if r.o.lists {
		return vals, nil
	}
	return &Dict{Names: r.o.names, Values: vals}, nil
}

// record reads one row's fields and checks them. They are valid until the next call.
func (r *csvReader) record() ([]string, error) {
	fields, err := r.r.Read()
	if err != nil {
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, Errorf("csv.syntax", "%s, line %d, column %d: %s", r.name, bad.Line, bad.Column, quoteMessage(bad.Err))
		}
		return nil, err
	}
	if r.n == 0 {
		r.n = len(fields)
	}
	if len(fields) != r.n {
		line, _ := r.r.FieldPos(0)
		return nil, Errorf("csv.fields", "%s, line %d: got %d fields, wanted %d", r.name, line, len(fields), r.n)
	}
	for _, f := range fields {
		if !utf8.ValidString(f) {
			line, _ := r.r.FieldPos(0)
			return nil, notUTF8(r.name, line)
		}
	}
	return fields, nil
}

// quoteMessage says what is wrong with a row's quotes.
func quoteMessage(err error) string {
	switch err {
	case csv.ErrBareQuote:
		return "a quote (\") inside a field that does not begin with one"
	case csv.ErrQuote:
		return "a quote (\") that is not closed, or is followed by something else than the separator"
	}
	return err.Error()
}
