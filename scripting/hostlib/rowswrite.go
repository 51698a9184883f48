package hostlib

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math/big"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// written is what csv.write and json.write_lines give.
type written struct {
	file
	rows, skipped int64
}

// ObjectType is written.
func (w *written) ObjectType() *ObjectType { return writtenType }

var writtenType = &ObjectType{
	Name: "written", Doc: "A file of rows that was written.", Record: true,
	Text: func(v Value) string {
		w := v.(*written)
		return fmt.Sprintf("<written %s: %d rows, %d bytes>", w.path, w.rows, w.size)
	},
	Attrs: []Attr{
		{Name: "path", Type: "string", Doc: "Where it is, from the files folder.", Get: func(v Value) (Value, error) { return v.(*written).path, nil }},
		{Name: "rows", Type: "int", Doc: "Rows that were written.", Get: func(v Value) (Value, error) { return v.(*written).rows, nil }},
		{Name: "skipped", Type: "int", Doc: "None in place of a row.", Get: func(v Value) (Value, error) { return v.(*written).skipped, nil }},
		{Name: "size", Type: "int", Doc: "The file's size in bytes.", Get: func(v Value) (Value, error) { return v.(*written).size, nil }},
	},
}

// writeRows writes rows to a file, packed as its name says. more adds to what
// is there; fill writes the rows, and fills in what became of them.
func (c *Call) writeRows(p string, more bool, fill func(io.Writer, *written) error) (Value, error) {
	if archiveKind(p) != "" {
		return nil, Errorf("usage", "%q: rows are not written into archives; .gz and .zst can be", p)
	}
	out := &written{}
	joins := false // the last line that is there has no end
	if more {
		var err error
		if joins, err = c.endsWithinLine(p); err != nil {
			return nil, err
		}
	}
	f, err := c.writeFile(p, more, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, inputBuffer)
		var pack io.WriteCloser
		var err error
		switch strings.ToLower(path.Ext(p)) {
		case ".gz":
			pack = gzip.NewWriter(b)
		case ".zst":
			if pack, err = zstd.NewWriter(b, zstd.WithEncoderConcurrency(1)); err != nil {
				return err
			}
		default:
			pack = plain{b}
		}
		if joins {
			_, err = io.WriteString(pack, "\n")
		}
		if err == nil {
			err = fill(pack, out)
		}
		if err == nil {
			err = pack.Close()
		}
		if err == nil {
			err = b.Flush()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out.file = *f
	return out, nil
}

// endsWithinLine says whether the last line of a file has no end.
func (c *Call) endsWithinLine(p string) (bool, error) {
	r, close, err := c.openPacked(p)
	if codeIs(err, "file.missing") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer close()
	if f, ok := r.(*counted); ok { // not packed
		f.r.(io.Seeker).Seek(-1, io.SeekEnd) // there may be nothing
	}
	last := byte('\n')
	from := &watched{c: c, r: r}
	for b := make([]byte, inputBuffer); ; {
		n, err := from.Read(b)
		if n > 0 {
			last = b[n-1]
		}
		switch {
		case err == io.EOF:
			return last != '\n' && last != '\r', nil
		case err != nil:
			return false, err
		}
	}
}

// plain has nothing to do in the end.
type plain struct{ io.Writer }

// Close does nothing.
func (plain) Close() error { return nil }

// writeParams are those of what writes rows to files.
var writeParams = []Param{
	{Name: "path", Type: String, Doc: "the file; .gz and .zst are packed"},
	{Name: "rows", Type: Iterable, Doc: "dicts; None is left out"},
}

var appendParam = Param{Name: "append", Type: Bool, Default: false, Named: true, Doc: "adds to the file that is there, which is copied for it; a hook that runs again adds it again"}

// csvWriter writes rows as CSV.
type csvWriter struct {
	c     *Call
	names []string // of the columns; nil: not known yet
	head  bool     // the names are written first
	sep   string
	end   string // of a line
	all   bool   // quotes stand around all fields
	buf   []byte
}

// write writes all rows.
func (w *csvWriter) write(to io.Writer, it Iterator, out *written) error {
	rows := &rowSource{c: w.c, it: it}
	if w.names != nil {
		if err := w.header(to); err != nil {
			return err
		}
	}
	for {
		row, err := rows.Next(w.c.Context())
		out.skipped = rows.skipped
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if w.names == nil {
			w.names = row.Names
			if err := w.header(to); err != nil {
				return err
			}
		}
		if err := w.row(row, rows.n); err != nil {
			return err
		}
		if _, err := to.Write(w.buf); codeIs(err, "file.encoding") {
			return Errorf("file.encoding", "row %d: %v", rows.n, err)
		} else if err != nil {
			return err
		}
		out.rows++
	}
}

func (w *csvWriter) header(to io.Writer) error {
	if !w.head {
		return nil
	}
	w.buf = w.buf[:0]
	for i, n := range w.names {
		w.field(i, n)
	}
	w.buf = append(w.buf, w.end...)
	_, err := to.Write(w.buf)
	return err
}

// row makes the line of a row. Columns that it does not have are empty.
func (w *csvWriter) row(row engine.Row, n int64) error {
	w.buf = w.buf[:0]
	err := eachColumn(w.names, row, n, "header", func(i int, v Value) error {
		text, err := csvText(v)
		w.field(i, text)
		return err
	})
	w.buf = append(w.buf, w.end...)
	return err
}

// eachColumn gives the value that the n-th row has for each column, nil where it
// has none. A value for which there is no column is an error; option is the
// parameter that names the columns.
func eachColumn(names []string, row engine.Row, n int64, option string, give func(i int, v Value) error) error {
	d := Dict{Names: row.Names, Values: row.Values}
	left := len(d.Names)
	for i, name := range names {
		f, ok := d.likely(i, name)
		if ok {
			left--
		}
		if err := give(i, f); err != nil {
			return Errorf("usage", "row %d, column %q: %v", n, name, err)
		}
	}
	if left > 0 {
		return Errorf("usage", "row %d has the column %q, which the header does not: give all columns by %s = [...]", n, d.other(names), option)
	}
	return nil
}

// likely is the value of a name, which is likely the i-th one.
func (d *Dict) likely(i int, name string) (Value, bool) {
	if i < len(d.Names) && d.Names[i] == name {
		return d.Values[i], true
	}
	return d.Get(name)
}

// other is the first of the dict's names that is not among some.
func (d *Dict) other(names []string) string {
	for _, n := range d.Names {
		if index(names, n) < 0 {
			return n
		}
	}
	return ""
}

// field adds a field to the line, in quotes if it needs them.
func (w *csvWriter) field(i int, s string) {
	if i > 0 {
		w.buf = append(w.buf, w.sep...)
	}
	alone := s == "" && len(w.names) == 1 // else it were an empty line, which no reader sees
	if !w.all && !alone && strings.TrimSpace(s) == s && !strings.ContainsAny(s, "\"\r\n") && !strings.Contains(s, w.sep) {
		w.buf = append(w.buf, s...)
		return
	}
	w.buf = append(w.buf, '"')
	for {
		before, after, more := strings.Cut(s, "\"")
		w.buf = append(w.buf, before...)
		if !more {
			break
		}
		w.buf = append(w.buf, '"', '"')
		s = after
	}
	w.buf = append(w.buf, '"')
}

// csvText is how a value stands in a field.
func csvText(v Value) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case *big.Int:
		return v.String(), nil
	case float64:
		if b, err := appendFloat(nil, v); err == nil {
			return string(b), nil
		}
		return strconv.FormatFloat(v, 'g', -1, 64), nil // NaN, +Inf, -Inf
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	}
	return "", Errorf("usage", "bytes cannot be written to CSV: make a string of them, by base64.encode for instance")
}

// writeCSV is csv.write.
func writeCSV(c *Call, a *Args) (Value, error) {
	it := a.Iterator("rows")
	defer it.Close()
	w := &csvWriter{c: c, head: true, sep: a.String("sep"), end: a.String("line_end"), all: a.Bool("quote_all")}
	p, charset, more := a.String("path"), a.String("encoding"), a.Bool("append")
	if e, err := encodingOf(cmp.Or(charset, "utf-8")); err != nil {
		return nil, err
	} else if more && utf16Name(e) != "" {
		return nil, Errorf("usage", "append: rows are not added to a file in %s: write all of them", charset)
	}
	if err := checkSep(w.sep); err != nil {
		return nil, err
	}
	switch h := c.Lang.Plain(a.Value("header")).(type) {
	case nil:
	case bool:
		w.head = h
	default:
		p := Param{Name: "header", Type: Strings}
		names, err := p.convert(c, h)
		if err != nil {
			return nil, err
		}
		w.names = names.([]string)
		if err := checkNames(w.names); err != nil {
			return nil, Errorf("usage", "header: %v", err)
		}
	}
	if more && w.head {
		names, err := c.namesIn(p, w.sep, charset)
		if err != nil {
			return nil, err
		}
		if names != nil {
			if w.names != nil && strings.Join(w.names, "\n") != strings.Join(names, "\n") {
				return nil, Errorf("csv.header", "%s has the columns %s, not those of header", p, strings.Join(names, ", "))
			}
			w.names, w.head = names, false
		}
	}
	begins := c.begins(p, more)
	return c.writeRows(p, more, func(to io.Writer, out *written) error {
		text, err := encoded(to, charset, begins)
		if err != nil {
			return err
		}
		if err := w.write(text, it, out); err != nil {
			return err
		}
		return text.Close()
	})
}

// namesIn are the names in the first line of a file; nil if there is no line.
func (c *Call) namesIn(p, sep, charset string) ([]string, error) {
	in, err := c.input(p, charset)
	if err != nil {
		if codeIs(err, "file.missing") {
			return nil, nil
		}
		return nil, err
	}
	defer in.close()
	o := csvDefaults()
	o.sep = sep
	r, err := newCSVReader(in, o)
	if err != nil {
		return nil, err
	}
	if err := r.header(); err != nil && err != io.EOF {
		return nil, err
	}
	if r.lines.last == '\r' {
		return nil, Errorf("csv.header", "the lines of %s end in \\r, and those that are written would in \\n: write another file", p)
	}
	return r.names, nil
}
