package hostlib

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
	"golang.org/x/text/unicode/norm"
)

// maxRow bounds one row of CSV, in bytes.
const maxRow = 16 << 20

// csvReader reads rows. It takes what encoding/csv takes, apart from the limit,
// and makes of each row one string, of which the fields are parts.
type csvReader struct {
	lines *lines
	o     csvOptions
	names []string // of the columns; nil: not known yet, or rows are lists
	all   []string // the names of the fields
	pick  []int    // the field of each column; nil: they are the fields
	n     int      // fields of a row; 0: not known yet

	start int64   // the line where the row begins
	text  string  // the row
	at    []int32 // for each field where it begins and ends in text
	buf   []byte  // a row whose quotes have been taken away

	rows    []TextRow // to be given out
	numbers []int32

	// For rows that are set aside.
	first []byte // the first line of a row that has several
	bad   error  // a line of it that is no text
	mark  int    // where its second line stands in lines.back
}

func newCSVReader(in *input, o csvOptions) (*csvReader, error) {
	r := &csvReader{lines: newLines(in), o: o}
	r.lines.max, r.lines.quote, r.lines.last = maxRow, o.quote, o.lineEnd
	if o.names != nil {
		return r, r.head(o.names)
	}
	return r, nil
}

// next is the next row: a *TextRow, or a []Value.
func (r *csvReader) next() (Value, error) {
	if r.names == nil && !r.o.lists {
		if err := r.header(); err != nil {
			return nil, r.lines.lasting(err)
		}
	}
	for {
		err := r.record()
		if err == nil {
			break
		}
		if err = r.setAside(err); err != nil {
			return nil, r.lines.lasting(err)
		}
	}
	if r.o.lists {
		return r.list(), nil
	}
	row := r.row()
	if r.pick == nil {
		copy(row.at, r.at)
	} else {
		for i, f := range r.pick {
			copy(row.at[2*i:2*i+2], r.at[2*f:])
		}
	}
	if r.o.nulls != nil {
		for i := range row.Names {
			if s, _ := row.Field(i); r.o.nulls[s] {
				row.at[2*i] = -1
			}
		}
	}
	return row, nil
}

// Rows are made many at a time, and so are their numbers: they do not live long.
const (
	rowsAtOnce    = 32
	numbersAtOnce = 1024
)

// row makes a row.
func (r *csvReader) row() *TextRow {
	if len(r.rows) == 0 {
		r.rows = make([]TextRow, rowsAtOnce)
	}
	row, n := &r.rows[0], 2*len(r.names)
	r.rows = r.rows[1:]
	if len(r.numbers) < n {
		r.numbers = make([]int32, max(n, numbersAtOnce))
	}
	row.Names, row.text, row.at = r.names, r.text, r.numbers[:n:n]
	r.numbers = r.numbers[n:]
	return row
}

func (r *csvReader) field(i int) string { return r.text[r.at[2*i]:r.at[2*i+1]] }

// list is the row as a list.
func (r *csvReader) list() []Value {
	list := make([]Value, r.n)
	for i := range list {
		if s := r.field(i); r.o.nulls == nil || !r.o.nulls[s] {
			list[i] = s
		}
	}
	return list
}

// header reads the line that has the names.
func (r *csvReader) header() error {
	if err := r.record(); err != nil {
		return err
	}
	names := make([]string, r.n)
	for i := range names {
		names[i] = r.o.style(strings.Clone(r.field(i)))
	}
	if err := checkNames(names); err != nil {
		return Errorf("csv.header", "%s, line %d: %v", r.lines.in.name, r.start, err)
	}
	return r.head(names)
}

// head takes the names of the fields.
func (r *csvReader) head(names []string) error {
	r.n, r.names, r.all = len(names), names, names
	if len(r.o.columns) == 0 {
		return nil
	}
	r.names = r.o.columns
	for _, c := range r.o.columns {
		i := index(names, c)
		if i < 0 {
			return Errorf("csv.header", "%s has no column %q%s", r.lines.in.name, c, engine.SuggestColumn(c, names))
		}
		r.pick = append(r.pick, i)
	}
	return nil
}

func index(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// record reads the fields of one row into text and at.
func (r *csvReader) record() error {
	r.first, r.bad, r.lines.keep = r.first[:0], nil, false
	r.lines.forget()
	var line []byte
	for len(line) == 0 || r.o.comment != "" && bytes.HasPrefix(line, []byte(r.o.comment)) {
		var err error
		if line, err = r.lines.next(); err != nil {
			r.start = r.lines.n
			if r.first = append(r.first, line...); line == nil || r.o.reject == nil {
				return err
			}
			r.bad = err
			break
		}
	}
	r.start, r.at = r.lines.n, r.at[:0]
	if r.o.quote != 0 && bytes.IndexByte(line, r.o.quote) >= 0 {
		r.buf = r.buf[:0]
		if err := r.quoted(line); err != nil {
			return err
		}
		r.text = string(r.buf)
	} else {
		r.text = string(line)
		r.split()
	}
	if r.bad != nil {
		return r.bad
	}
	if r.n == 0 {
		r.n = len(r.at) / 2
	}
	if len(r.at)/2 != r.n {
		return Errorf("csv.fields", "%s, line %d: got %d fields, wanted %d", r.lines.in.name, r.start, len(r.at)/2, r.n)
	}
	return nil
}

// setAside rejects the row with which err is about, if bad rows are to be.
func (r *csvReader) setAside(err error) error {
	var f *engine.Failure
	switch {
	case !errors.As(err, &f):
		return err
	case r.o.reject == nil:
		if f.Code == "csv.fields" {
			f.Message += r.o.hint
		}
		return err
	}
	var row Value
	switch f.Code {
	case "csv.fields":
		row = r.ragged()
	case "file.encoding":
		if r.lines.keep {
			row = r.lost(r.lines.back[r.mark:r.lines.at])
		} else {
			row = r.lost(nil)
		}
	case "csv.syntax", "csv.size":
		// If the row has several lines, its quote is likely wrong: the others are
		// read again, as rows.
		row = r.lost(nil)
		if r.lines.keep {
			r.lines.again(r.start, r.mark)
		}
	default:
		return err
	}
	return r.o.reject(row, f, r.lines.in.name, r.start)
}

// ragged is a row with too few or too many fields: those that it has by name,
// and what is left over as "_more".
func (r *csvReader) ragged() Value {
	fields := make([]Value, len(r.at)/2)
	for i := range fields {
		fields[i] = r.field(i)
	}
	if r.o.lists {
		return fields
	}
	names := r.all
	n := min(len(names), len(fields))
	d := &Dict{Names: append([]string(nil), names[:n]...), Values: append([]Value(nil), fields[:n]...)}
	if len(fields) > n {
		d.Set("_more", fields[n:])
	}
	return d
}

// lost is the text of a row that cannot be split into fields; if some of it means nothing in
// its character set, a dict with the rest of it, and with its bytes.
func (r *csvReader) lost(more []byte) Value {
	text, _ := r.lines.cutEnd(append(append([]byte(nil), r.first...), more...))
	if utf8.Valid(text) {
		return string(text)
	}
	raw := base64.StdEncoding.EncodeToString(r.lines.in.text.original(text))
	return &Dict{Names: []string{"_text", bytesName}, Values: []Value{strings.ToValidUTF8(string(text), replacement), raw}}
}

// split finds the fields of a row without quotes.
func (r *csvReader) split() {
	from, sep := 0, r.o.sep
	for {
		var n int
		if len(sep) == 1 {
			n = strings.IndexByte(r.text[from:], sep[0])
		} else {
			n = strings.Index(r.text[from:], sep)
		}
		to := from + n
		if n < 0 {
			to = len(r.text)
		}
		a, b := from, to
		if r.o.trim {
			s := r.text[a:b]
			a += len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace))
			b = a + len(strings.TrimSpace(s))
		}
		r.at = append(r.at, int32(a), int32(b))
		if n < 0 {
			return
		}
		from = to + len(sep)
	}
}

// quoted finds the fields of a row with quotes, which may go on in the lines
// that follow, and writes them to buf.
func (r *csvReader) quoted(line []byte) error {
	sep, q := []byte(r.o.sep), r.o.quote
	i := 0
	for {
		from := len(r.buf)
		if r.o.trim {
			i += len(line[i:]) - len(bytes.TrimLeftFunc(line[i:], r.space))
		}
		if i < len(line) && line[i] == q {
			i++
			for {
				n := bytes.IndexByte(line[i:], q)
				if n < 0 {
					r.buf = append(append(r.buf, line[i:]...), r.lines.end...)
					var err error
					if line, err = r.more(line); err != nil {
						return err
					}
					i = 0
					continue
				}
				r.buf = append(r.buf, line[i:i+n]...)
				if i += n + 1; i == len(line) || line[i] != q {
					break
				}
				r.buf = append(r.buf, q)
				i++
			}
			r.at = append(r.at, int32(from), int32(len(r.buf)))
			if r.o.trim {
				i += len(line[i:]) - len(bytes.TrimLeftFunc(line[i:], r.space))
			}
			if i == len(line) {
				return nil
			}
			if !bytes.HasPrefix(line[i:], sep) {
				return r.syntax(line, i-1, "a quote (%c) that is not closed, or is followed by something else than the separator")
			}
			i += len(sep)
			continue
		}
		field, _, more := bytes.Cut(line[i:], sep)
		if n := bytes.IndexByte(field, q); n >= 0 {
			return r.syntax(line, i+n, "a quote (%c) inside a field that does not begin with one")
		}
		i += len(field) + len(sep)
		if r.o.trim {
			field = bytes.TrimSpace(field)
		}
		r.buf = append(r.buf, field...)
		r.at = append(r.at, int32(from), int32(len(r.buf)))
		if !more {
			return nil
		}
	}
}

// space says whether a character beside a field is left out by trim.
func (r *csvReader) space(c rune) bool { return unicode.IsSpace(c) && string(c) != r.o.sep }

// more is the next line of a row that has begun, after line.
func (r *csvReader) more(line []byte) ([]byte, error) {
	if r.o.reject != nil && !r.lines.keep {
		r.first = append(append(r.first[:0], line...), r.lines.end...)
		r.lines.keep, r.mark = true, r.lines.at
	}
	line, err := r.lines.next()
	switch {
	case err == io.EOF:
		return nil, Errorf("csv.syntax", "%s, line %d: a quote (%c) that is not closed", r.lines.in.name, r.start, r.o.quote)
	case err != nil && line != nil && r.o.reject != nil:
		r.bad = err // the row is bad, but has an end
		err = nil
	}
	if err == nil && len(r.buf)+len(line) > maxRow {
		err = Errorf("csv.size", "%s, line %d: a row that is longer than %d bytes; maybe a quote (%c) is not closed", r.lines.in.name, r.start, maxRow, r.o.quote)
	}
	return line, err
}

// syntax is the error about a character of a line.
func (r *csvReader) syntax(line []byte, at int, format string) error {
	column := len(bytes.Runes(line[:at])) + 1
	if !r.lines.keep {
		r.first = append(r.first[:0], line...)
	}
	return Errorf("csv.syntax", "%s, line %d, column %d: "+format, r.lines.in.name, r.lines.n, column, r.o.quote)
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

// nameStyles are what becomes of the names in a header.
var nameStyles = map[string]func(string) string{
	"keep":  func(s string) string { return s },
	"lower": func(s string) string { return strings.ToLower(strings.TrimSpace(s)) },
	"snake": snake,
}

// snake writes a name in lower case, with _ between words, and its letters
// without accents: "Größe (cm)" is große_cm, "OrderID" order_id.
func snake(name string) string {
	var b strings.Builder
	var last rune // the last character that was looked at
	gap := false
	letters := []rune(norm.NFD.String(name))
	for i, c := range letters {
		switch {
		case unicode.Is(unicode.Mn, c):
			continue
		case unicode.IsLetter(c) || unicode.IsDigit(c):
			next := i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if unicode.IsUpper(c) && (unicode.IsLower(last) || unicode.IsDigit(last) || unicode.IsUpper(last) && next) {
				gap = true
			}
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(unicode.ToLower(c))
		default:
			gap = true
		}
		last = c
	}
	return norm.NFC.String(b.String())
}
