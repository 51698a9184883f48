package hostlib

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// csvParams are those that whatever reads CSV shares; csvOptionsOf reads them.
var csvParams = []Param{
	{Name: "header", Type: Any, Default: true, Named: true, Doc: "True: the first line has the names, and rows are dicts; a list of names: there is no such line; False: rows are lists"},
	{Name: "names", Type: String, Default: "keep", Named: true, Choices: []string{"keep", "lower", "snake"}, Doc: "what becomes of the names in the first line: \"lower\" makes \"Order ID \" order id, \"snake\" makes it order_id"},
	{Name: "columns", Type: Strings, Default: []string(nil), Named: true, Doc: "the columns that rows have, in this order; none: all"},
	{Name: "sep", Type: String, Default: ",", Named: true, Doc: "what stands between fields, one character"},
	{Name: "quote", Type: Any, Default: "\"", Named: true, Doc: "what stands around fields that have separators or line ends in them, one character; None: nothing does"},
	{Name: "comment", Type: String, Default: "", Named: true, Doc: "lines that begin so are left out"},
	{Name: "trim", Type: Bool, Default: false, Named: true, Doc: "leaves out white space around fields, outside of quotes"},
	{Name: "nulls", Type: Strings, Default: []string(nil), Named: true, Doc: "fields that become None; \"\" for empty ones"},
	{Name: "on_bad", Type: String, Default: "error", Named: true, Choices: []string{"error"}, Later: []string{"reject"}, Doc: "what a bad row does"},
}

// encodingParam is how text becomes characters.
var encodingParam = Param{Name: "encoding", Type: String, Default: "utf-8", Named: true, Doc: "the character set of the text, such as \"windows-1252\", \"latin-1\" or \"utf-16\"; a byte order mark of UTF-16 is seen without it"}

var csvModule = &Module{
	Name: "csv",
	Doc:  "Comma-separated values. All values are strings: convert what is to be a number.",
	Funcs: []*Func{
		{
			Name: "read", Doc: "Reads rows. Lazy: a file of any size passes through. A byte order mark and empty lines are skipped; a row with too few or too many fields is an error.",
			Params: append([]Param{
				{Name: "src", Type: Source, Doc: "a path, or a stream"},
				encodingParam,
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
				return c.csvRows("csv.read", in, o)
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
				in, err := c.inputFrom("the text", bytes.NewReader(textBytes(a.Value("text"))), nil, "utf-8")
				if err != nil {
					return nil, err
				}
				r, err := newCSVReader(in, o)
				if err != nil {
					return nil, err
				}
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
func (c *Call) csvRows(fn string, in *input, o csvOptions) (Iterator, error) {
	r, err := newCSVReader(in, o)
	if err != nil {
		in.close()
		return nil, err
	}
	return c.iterator(fn, func() (Value, error) {
		row, err := r.next()
		if err == nil {
			c.read(1)
		}
		return row, err
	}, in.close), nil
}

// csvOptions are what csvParams say.
type csvOptions struct {
	sep     string
	quote   byte     // 0: none
	comment string   // "": none
	names   []string // nil: the first line has them
	style   func(string) string
	columns []string // none: all
	lists   bool     // rows are lists
	trim    bool
	nulls   map[string]bool
}

// csvDefaults are the options when none are given.
func csvDefaults() csvOptions { return csvOptions{sep: ",", quote: '"', style: nameStyles["keep"]} }

// csvOptionsOf reads csvParams.
func csvOptionsOf(c *Call, a *Args) (o csvOptions, err error) {
	o = csvOptions{sep: a.String("sep"), comment: a.String("comment"), columns: a.Strings("columns"), trim: a.Bool("trim"), style: nameStyles[a.String("names")]}
	if utf8.RuneCountInString(o.sep) != 1 || strings.ContainsAny(o.sep, "\"\r\n\uFFFD") {
		return o, Errorf("usage", "sep: got %q, wanted one character such as \";\" or \"\\t\"", o.sep)
	}
	switch q, ok := c.Lang.Plain(a.Value("quote")).(string); {
	case !ok && c.Lang.Plain(a.Value("quote")) == nil:
	case len(q) != 1 || q[0] >= utf8.RuneSelf || strings.ContainsAny(q, "\r\n"+o.sep):
		return o, Errorf("usage", "quote: wanted one character such as \"'\", other than the separator, or None")
	default:
		o.quote = q[0]
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
	if len(o.columns) > 0 && o.lists {
		return o, Errorf("usage", "columns: rows that are lists have no names; leave out header = False")
	}
	if err := checkNames(o.columns); err != nil {
		return o, Errorf("usage", "columns: %v", err)
	}
	if nulls := a.Strings("nulls"); len(nulls) > 0 {
		o.nulls = map[string]bool{}
		for _, n := range nulls {
			o.nulls[n] = true
		}
	}
	return o, nil
}
