package hostlib

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
)

// csvParams are those that whatever reads CSV shares; csvOptionsOf reads them.
var csvParams = []Param{
	{Name: "header", Type: Any, Default: true, Named: true, Doc: "True: the first line has the names, and rows are dicts; a list of names: there is no such line; False: rows are lists"},
	namesParam("the names in the first line"),
	{Name: "columns", Type: Strings, Default: []string(nil), Named: true, Doc: "the columns that rows have, in this order; none: all"},
	{Name: "sep", Type: String, Default: ",", Named: true, Doc: "what stands between fields, one character"},
	{Name: "quote", Type: Any, Default: "\"", Named: true, Doc: "what stands around fields that have separators or line ends in them, one character; None: nothing does"},
	{Name: "comment", Type: String, Default: "", Named: true, Doc: "lines that begin so are left out"},
	{Name: "trim", Type: Bool, Default: false, Named: true, Doc: "leaves out white space around fields, outside of quotes"},
	{Name: "nulls", Type: Strings, Default: []string(nil), Named: true, Doc: "fields that become None; \"\" for empty ones"},
	{Name: "line_end", Type: String, Default: None, Named: true, Choices: []string{"\n", "\r\n", "\r"}, Doc: "what ends a line; \"\\n\" and \"\\r\\n\" mean both of them. None: these, or \"\\r\" where the beginning of the text has no other, as old programs of the Macintosh write it"},
	{Name: "on_bad", Type: String, Default: "error", Named: true, Choices: []string{"error", "reject"}, Doc: "what a row does that has too few or too many fields, a wrong quote, or bytes that are no text: \"reject\" sets it aside, as reject() does, with its line; one with bytes that mean nothing in the encoding as {\"_text\": the row with U+FFFD for these, \"_bytes\": base64 of the row as it is in the file}"},
}

// namesParam says what becomes of names that a source has.
func namesParam(which string) Param {
	return Param{
		Name: "names", Type: String, Default: "keep", Named: true, Choices: []string{"keep", "lower", "snake"},
		Doc: "what becomes of " + which + ": \"lower\" makes \"Order ID \" order id, \"snake\" makes it order_id",
	}
}

// headerOf reads a parameter header: whether rows have names, and those that it
// gives, if it does.
func (c *Call) headerOf(v Value) (names []string, named bool, err error) {
	h := c.Lang.Plain(v)
	if b, ok := h.(bool); ok {
		return nil, b, nil
	}
	p := Param{Name: "header", Type: Strings}
	list, err := p.convert(c, h)
	if err != nil {
		return nil, false, Errorf("usage", "header: got %s, wanted True, False or a list of names", c.Lang.TypeName(h))
	}
	if len(list.([]string)) == 0 {
		return nil, false, Errorf("usage", "header: got no names: leave it out if the first line has them, or write False for rows that are lists")
	}
	if err := checkNames(list.([]string)); err != nil {
		return nil, false, Errorf("usage", "header: %v", err)
	}
	return list.([]string), true, nil
}

// encodingParam is how text becomes characters.
var encodingParam = Param{Name: "encoding", Type: String, Default: "utf-8", Named: true, Doc: "the character set of the text, such as \"windows-1252\", \"latin-1\" or \"utf-16\"; a byte order mark of UTF-16 is seen without it"}

// sourceEncoding is the same where an answer can be read: its server says which one.
var sourceEncoding = Param{Name: encodingParam.Name, Type: String, Default: None, Named: true, Doc: encodingParam.Doc + ". None: what the server says of an answer, else utf-8"}

var csvModule = &Module{
	Name: "csv",
	Doc:  "Comma-separated values. All values are strings: convert what is to be a number.",
	Funcs: []*Func{
		{
			Name: "read", Doc: "Reads rows. Lazy: a file of any size passes through. A byte order mark and empty lines are skipped; line ends within quotes stay as they are; a row with too few or too many fields is an error. It reads through " + packedDoc + ".",
			Params: append([]Param{
				{Name: "src", Type: Source, Doc: "a path, or a stream"},
				sourceEncoding,
			}, csvParams...),
			Returns: "iterator of dict", Needs: "files", Effect: Read, Same: true,
			Example: "[r[\"name\"] for r in csv.read(\"data/people.csv\")]  # [\"Ada\", \"Grace\"]",
			Lua:     "list(csv.read(\"data/people.csv\"))  -- {{id = \"1\", name = \"Ada\"}, {id = \"2\", name = \"Grace\"}}\nfor row in csv.read(\"data/people.csv\", {nulls = {\"\"}}) do log.info(row.name) end",
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
			Lua:     "csv.parse(\"id,name\\n1,Ada\\n\")  -- {{id = \"1\", name = \"Ada\"}}",
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
		{
			Name: "write", Doc: "Writes rows to a file. Lazy: they are asked for one by one. The file appears under its name once it is complete; one that was there is replaced. None becomes an empty field.",
			Params: append(append([]Param{}, writeParams...),
				Param{Name: "header", Type: Any, Default: None, Named: true, Doc: "the columns, in this order; None: those of the first row; False: those, but no line with their names"},
				Param{Name: "sep", Type: String, Default: ",", Named: true, Doc: "what stands between fields, one character"},
				Param{Name: "line_end", Type: String, Default: "\n", Named: true, Choices: []string{"\n", "\r\n"}, Doc: "what ends a line"},
				Param{Name: "quote_all", Type: Bool, Default: false, Named: true, Doc: "quotes stand around all fields, not only where they must"},
				WriteEncoding, appendParam),
			Returns: "written", Needs: "files", Effect: Outside, Same: true,
			Example: "csv.write(\"data/out/people.csv\", [{\"id\": 1, \"name\": \"Ada\"}]).rows  # 1",
			Lua:     "csv.write(\"data/out/people.csv\", {{id = 1, name = \"Ada\"}}).rows  -- 1",
			Do:      writeCSV,
		},
		{
			Name: "sniff", Doc: "Guesses separator and character set from the beginning of a file; line_end is there too where lines end in \"\\r\". csv.read takes what it gives. Look at what it says before you rely on it.",
			Params:  []Param{{Name: "path", Type: String, Doc: "the file"}},
			Returns: "dict", Needs: "files", Effect: Read,
			Example: "csv.sniff(\"data/people.csv\")  # {\"sep\": \",\", \"encoding\": \"utf-8\"}",
			Lua:     "csv.sniff(\"data/people.csv\")  -- {sep = \",\", encoding = \"utf-8\"}",
			Do:      sniffCSV,
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
	var n int
	var before *ahead
	closeFile := in.close
	in.close = func() error {
		if before != nil {
			before.close()
		}
		return closeFile()
	}
	return rowsOf(c.reading(fn, in, func() (row Value, err error) {
		line := int64(0)
		cut := false
		if before == nil {
			row, err = r.next()
			line, cut = r.start, r.lines.cut
		} else {
			row, line, err = before.next()
			cut = before.now.cut
		}
		if err == io.EOF && r.names == nil && !o.lists && c.Hook != nil {
			c.Log(slog.LevelWarn, fmt.Sprintf("%s: %s is empty, and has not even a header", fn, in.name), nil)
		}
		if err != nil {
			c.ends(in, err)
			return nil, err
		}
		if c.varies = c.varies || cut; n == 0 && in.local {
			c.columns = r.names
		}
		c.read(1)
		c.at(in.name, line)
		if n++; n == aheadFrom && in.alone() && o.reject == nil {
			before = c.readAhead(r)
		}
		return row, nil
	})), nil
}

// sniffCSV is csv.sniff.
func sniffCSV(c *Call, a *Args) (Value, error) {
	r, _, close, err := c.openSource(a.String("path"))
	if err != nil {
		return nil, err
	}
	defer close()
	text := make([]byte, inputBuffer)
	n, err := io.ReadFull(r, text)
	if text = text[:n]; err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	charset := sniffCharset(text)
	if strings.HasPrefix(charset, "utf-16") {
		text = text[:len(text)&^1]
	}
	in, err := c.inputFrom(a.String("path"), bytes.NewReader(text), nil, charset)
	if err != nil {
		return nil, err
	}
	end := in.lineEnd('"')
	if text, err = io.ReadAll(in.r); err != nil {
		return nil, err
	}
	d := &Dict{Names: []string{"sep", "encoding"}, Values: []Value{sniffSep(string(text), string(rune(end))), charset}}
	if end == '\r' {
		d.Set("line_end", "\r")
	}
	return d, nil
}

// sniffCharset guesses the character set of a text from its beginning.
func sniffCharset(text []byte) string {
	zeros := [2]int{} // at even places, and at odd ones
	for i, b := range text {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		return "utf-16le"
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		return "utf-16be"
	case zeros[1] > len(text)/8 && zeros[1] > 4*zeros[0]: // of UTF-16 without a mark
		return "utf-16le"
	case zeros[0] > len(text)/8 && zeros[0] > 4*zeros[1]:
		return "utf-16be"
	case !utf8.Valid(wholeRunes(text)):
		return "windows-1252"
	}
	return "utf-8"
}

// wholeRunes leaves out a last character that is cut off.
func wholeRunes(text []byte) []byte {
	for i := len(text) - 1; i >= 0 && i >= len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return text[:i]
			}
			break
		}
	}
	return text
}

// sniffSep is the character that most lines have as often as the first one.
func sniffSep(text, end string) string {
	rows := strings.Split(text, end)
	if len(rows) > 1 {
		rows = rows[:len(rows)-1] // the last one may be cut off
	}
	best, score := ",", 0
	for _, sep := range []string{",", ";", "\t", "|"} {
		first, same := 0, 0
		for i, row := range rows {
			n, open := 0, false
			for _, ch := range row {
				switch {
				case ch == '"':
					open = !open
				case !open && string(ch) == sep:
					n++
				}
			}
			if i == 0 {
				first = n
			} else if n == first {
				same++
			}
		}
		if s := (same + 1) * min(first, 1); s > score {
			best, score = sep, s
		}
	}
	return best
}

// csvOptions are what csvParams say.
type csvOptions struct {
	sep     string
	lineEnd byte     // 0: it is looked for
	quote   byte     // 0: none
	comment string   // "": none
	names   []string // nil: the first line has them
	style   func(string) string
	columns []string // none: all
	lists   bool     // rows are lists
	trim    bool
	nulls   map[string]bool
	// reject sets a bad row aside; nil: it is an error.
	reject rejecting
	hint   string // what is said of rows that could be set aside
}

// rejecting sets a bad row aside.
type rejecting func(row Value, why *engine.Failure, source string, line int64) error

// onBad reads a parameter on_bad; nil: a bad row is an error.
func (c *Call) onBad(a *Args) (rejecting, error) {
	switch {
	case a.String("on_bad") != "reject":
		return nil, nil
	case c.Hook == nil:
		return nil, Errorf("usage", "on_bad: rows can be rejected in a hook only, not while the script is loaded")
	}
	return c.rejectRead, nil
}

// csvDefaults are the options when none are given.
func csvDefaults() csvOptions { return csvOptions{sep: ",", quote: '"', style: nameStyles["keep"]} }

func checkSep(sep string) error {
	if utf8.RuneCountInString(sep) != 1 || strings.ContainsAny(sep, "\"\r\n\uFFFD") {
		return Errorf("usage", "sep: got %q, wanted one character such as \";\" or \"\\t\"", sep)
	}
	return nil
}

// csvOptionsOf reads csvParams.
func csvOptionsOf(c *Call, a *Args) (o csvOptions, err error) {
	o = csvOptions{sep: a.String("sep"), comment: a.String("comment"), columns: a.Strings("columns"), trim: a.Bool("trim"), style: nameStyles[a.String("names")]}
	if err := checkSep(o.sep); err != nil {
		return o, err
	}
	switch q, ok := c.Lang.Plain(a.Value("quote")).(string); {
	case !ok && c.Lang.Plain(a.Value("quote")) == nil:
	case len(q) != 1 || q[0] >= utf8.RuneSelf || strings.ContainsAny(q, "\r\n"+o.sep):
		return o, Errorf("usage", "quote: wanted one character such as \"'\", other than the separator, or None")
	default:
		o.quote = q[0]
	}
	names, named, err := c.headerOf(a.Value("header"))
	if err != nil {
		return o, err
	}
	o.names, o.lists = names, !named
	if len(o.columns) > 0 && o.lists {
		return o, Errorf("usage", "columns: rows that are lists have no names; leave out header = False")
	}
	if err := checkNames(o.columns); err != nil {
		return o, Errorf("usage", "columns: %v", err)
	}
	if o.reject, err = c.onBad(a); err != nil {
		return o, err
	}
	if c.Hook != nil {
		o.hint = setsAside
	}
	if end := a.String("line_end"); end != "" {
		o.lineEnd = end[len(end)-1]
	}
	if nulls := a.Strings("nulls"); len(nulls) > 0 {
		o.nulls = map[string]bool{}
		for _, n := range nulls {
			o.nulls[n] = true
		}
	}
	return o, nil
}
