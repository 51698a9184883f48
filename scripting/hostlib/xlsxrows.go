package hostlib

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// xlsxOptions are what the parameters of xlsx.rows say.
type xlsxOptions struct {
	top, bottom int      // rows, from 1; bottom 0: no end
	left, right int      // columns, from 0; right -1: no end
	lists       bool     // rows are lists
	names       []string // nil: the first row has them
	style       func(string) string
	columns     []string // none: all
	trim        bool
	nulls       map[string]bool
	none        bool // bad cells are None
	// reject sets a bad row aside; nil: it is an error.
	reject rejecting
}

// xlsxOptionsOf reads the parameters of xlsx.rows.
func xlsxOptionsOf(c *Call, a *Args) (o xlsxOptions, err error) {
	o = xlsxOptions{top: 1, right: -1, columns: a.Strings("columns"), trim: a.Bool("trim"), style: nameStyles[a.String("names")]}
	if text := a.String("range"); text != "" && !o.cells(text) {
		return o, Errorf("usage", "range: %q names no cells: write it like \"B4:F200\", \"B4\" or \"B:F\"", text)
	}
	if skip := a.Int("skip"); skip < 0 || skip > xlsxMaxRows {
		return o, Errorf("usage", "skip: got %d, wanted a number of rows", skip)
	} else {
		o.top = max(o.top, int(skip)+1)
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
	switch a.String("on_bad") {
	case "none":
		o.none = true
	case "reject":
		o.reject = c.rejectRead
	}
	if nulls := a.Strings("nulls"); len(nulls) > 0 {
		o.nulls = map[string]bool{}
		for _, n := range nulls {
			o.nulls[n] = true
		}
	}
	return o, nil
}

// cells reads a range of cells; false if it is none.
func (o *xlsxOptions) cells(text string) bool {
	from, to, two := strings.Cut(strings.ReplaceAll(strings.ToUpper(text), "$", ""), ":")
	left, top, ok := cellRef(from)
	if !ok {
		return false
	}
	if left >= 0 {
		o.left = left
	}
	o.top = max(top, 1)
	if !two {
		return true
	}
	right, bottom, ok := cellRef(to)
	if o.right, o.bottom = right, bottom; !ok {
		return false
	}
	return (right < 0 || right >= o.left) && (bottom == 0 || bottom >= o.top)
}

// cellRef reads the name of a cell, B4, or a part of it: the column from 0, or -1,
// and the row from 1, or 0.
func cellRef(s string) (column, row int, ok bool) {
	i := 0
	for i < len(s) && s[i] >= 'A' && s[i] <= 'Z' {
		column = column*26 + int(s[i]-'A') + 1
		if i++; i > 3 {
			return 0, 0, false
		}
	}
	for _, c := range s[i:] {
		if c < '0' || c > '9' || row > xlsxMaxRows {
			return 0, 0, false
		}
		row = row*10 + int(c-'0')
	}
	return column - 1, row, s != "" && column <= xlsxMaxColumns && row <= xlsxMaxRows && (i == len(s) || row > 0)
}

// cellName is the name of a cell.
func cellName(column, row int) string {
	name := ""
	for n := column + 1; n > 0; n = (n - 1) / 26 {
		name = string(rune('A'+(n-1)%26)) + name
	}
	return name + strconv.Itoa(row)
}

// xlsxReader reads the rows of a sheet.
type xlsxReader struct {
	b     *xlsxBook
	x     *xmlReader
	o     xlsxOptions
	label string // for messages

	row   int // the number of the row, from 1
	cells []xlsxCell
	ended bool
	inner bool // the reader is among the rows

	names []string // of the columns of rows; nil: not known yet, or rows are lists
	at    []int    // for each column of the sheet, from o.left on, its place in rows; -1: it has no name, -2: it is left out
}

// xlsxRows is xlsx.rows.
func xlsxRows(c *Call, a *Args) (Value, error) {
	o, err := xlsxOptionsOf(c, a)
	if err != nil {
		return nil, err
	}
	b, err := c.openBook(a.Value("src"))
	if err != nil {
		return nil, err
	}
	var r *xlsxReader
	n, err := b.find(a.Value("sheet"))
	if err == nil {
		r, err = b.reader(n, o)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	s := rowsOf(c.openedBy("xlsx.rows", func() (Value, error) {
		row, err := r.next()
		if err == nil {
			c.read(1)
			c.atRow(r.label, int64(r.row))
		}
		return row, err
	}, b.Close))
	if s.origin = c.origin(a.Value("src")); s.origin.name != "" {
		s.origin.name = fmt.Sprintf("%s, sheet %d", s.origin.name, n)
	}
	return s, nil
}

// find is the number of a sheet that is named, or numbered from 0.
func (b *xlsxBook) find(which Value) (int, error) {
	plain := b.c.Lang.Plain(which)
	if name, ok := plain.(string); ok {
		var names []string
		for i, s := range b.sheets {
			if s.name == name {
				return i, nil
			}
			names = append(names, s.name)
		}
		return 0, Errorf("xlsx.sheet", "%s has no sheet %q%s; it has %s", b.name, name, Suggest(name, names), quotedList(names))
	}
	i, ok := asInt(plain)
	if !ok {
		return 0, Errorf("usage", "sheet: got %s, wanted a name, or a number from 0", b.c.Lang.TypeName(which))
	}
	if i < 0 || i >= int64(len(b.sheets)) {
		return 0, Errorf("xlsx.sheet", "%s has no sheet number %d (from 0); it has %d", b.name, i, len(b.sheets))
	}
	return int(i), nil
}

// reader reads the n-th sheet.
func (b *xlsxBook) reader(n int, o xlsxOptions) (*xlsxReader, error) {
	s := b.sheets[n]
	x, err := b.part(s.part, maxXLSXRow)
	if err != nil {
		return nil, err
	}
	if x == nil {
		return nil, Errorf("file.corrupt", "%s is damaged: there is no %s in it", b.name, partKey(s.part))
	}
	r := &xlsxReader{b: b, x: x, o: o, label: fmt.Sprintf("%s, sheet %q", b.name, s.name)}
	if o.names != nil {
		return r, r.head(o.names)
	}
	return r, nil
}

// next is the next row: a *Dict, or a []Value.
func (r *xlsxReader) next() (Value, error) {
	for {
		if err := r.read(); err != nil {
			return nil, err
		}
		if r.names == nil && !r.o.lists {
			if err := r.header(); err != nil {
				return nil, err
			}
			continue
		}
		row, err := r.values()
		if row != nil || err != nil {
			return row, err
		}
	}
}

// header takes the names from the row, unless it is empty.
func (r *xlsxReader) header() error {
	var names []string
	for i := range r.cells {
		cell := &r.cells[i]
		v, bad, err := r.value(cell)
		if err == nil && bad != nil {
			err = Errorf("xlsx.header", "%v", bad)
		}
		if err != nil {
			return r.wrap(cell, err)
		}
		name := ""
		if v != nil {
			if name, err = csvText(v); err != nil {
				name = fmt.Sprint(v)
			}
		}
		if name = r.o.style(name); strings.TrimSpace(name) == "" {
			continue
		}
		for len(names) <= cell.column-r.o.left {
			names = append(names, "")
		}
		names[cell.column-r.o.left] = name
	}
	if len(names) == 0 {
		return nil
	}
	seen := map[string]int{}
	for i, n := range names {
		if at, twice := seen[n]; twice && n != "" {
			return Errorf("xlsx.header", "%s, row %d: the columns of %s and %s are both named %q: give the names by header = [...], and leave out this row by skip = %d",
				r.label, r.row, cellName(at+r.o.left, r.row), cellName(i+r.o.left, r.row), n, r.row)
		}
		seen[n] = i
	}
	return r.head(names)
}

// head takes the names of the columns, from the first one on.
func (r *xlsxReader) head(names []string) error {
	r.at = make([]int, len(names))
	if len(r.o.columns) > 0 {
		for i := range r.at {
			r.at[i] = -2
		}
		r.names = r.o.columns
		for k, c := range r.o.columns {
			i := index(names, c)
			if i < 0 {
				return Errorf("xlsx.header", "%s has no column %q%s", r.label, c, Suggest(c, names))
			}
			r.at[i] = k
		}
		return nil
	}
	r.names = []string{}
	for i, n := range names {
		if r.at[i] = -1; n != "" {
			r.at[i] = len(r.names)
			r.names = append(r.names, n)
		}
	}
	return nil
}

// values makes a row of the cells: nil if it has no value, or was set aside.
func (r *xlsxReader) values() (Value, error) {
	size := len(r.names)
	if r.o.lists {
		size = 0
		for i := range r.cells {
			size = max(size, r.cells[i].column-r.o.left+1)
		}
	}
	row := make([]Value, size)
	var reason error
	var beside []Value
	empty := true
	for i := range r.cells {
		cell := &r.cells[i]
		place := cell.column - r.o.left
		if !r.o.lists {
			switch {
			case place < len(r.at):
				place = r.at[place]
			case len(r.o.columns) > 0:
				place = -2
			default:
				place = -1
			}
		}
		if place == -2 {
			continue
		}
		v, bad, err := r.value(cell)
		if err != nil {
			return nil, r.wrap(cell, err)
		}
		if bad != nil && !r.o.none {
			v = cell.value // for those who look at what was set aside
			if reason == nil {
				reason = fmt.Errorf("cell %s: %w", cellName(cell.column, r.row), bad)
			}
		}
		if v == nil {
			continue
		}
		if empty = false; place >= 0 {
			row[place] = v
			continue
		}
		beside = append(beside, v)
		if reason == nil && !r.o.none {
			reason = fmt.Errorf("cell %s: it has a value, and its column has no name", cellName(cell.column, r.row))
		}
	}
	switch {
	case empty && reason == nil:
		return nil, nil
	case reason == nil && r.o.lists:
		return row, nil
	case reason == nil:
		return &Dict{Names: r.names, Values: row, Row: true}, nil
	}
	why := Errorf("xlsx.cell", "%s, %v", r.label, reason)
	if r.o.reject == nil {
		return nil, why
	}
	return nil, r.setAside(row, beside, why)
}

// setAside rejects a row.
func (r *xlsxReader) setAside(row, beside []Value, why *engine.Failure) error {
	var out Value = row
	if !r.o.lists {
		d := &Dict{Names: append([]string(nil), r.names...), Values: row}
		if beside != nil {
			d.Set("_more", beside)
		}
		out = d
	}
	return r.o.reject(out, why, r.label, int64(r.row))
}

// value is that of a cell, as the options have it.
func (r *xlsxReader) value(cell *xlsxCell) (v Value, bad, err error) {
	v, bad, err = r.b.cell(cell)
	if text, ok := v.(string); ok && cell.isText() {
		if r.o.trim {
			text = strings.TrimSpace(text)
		}
		if v = text; r.o.nulls[text] {
			v = nil
		}
	}
	if t, ok := v.(time.Time); ok {
		v = t.UTC()
	}
	return v, bad, err
}

// wrap says where a fault of the book is.
func (r *xlsxReader) wrap(cell *xlsxCell, err error) error {
	f := FailureOf(err)
	if strings.HasPrefix(f.Code, "xlsx.") {
		return Errorf(f.Code, "%s, cell %s: %s", r.label, cellName(cell.column, r.row), f.Message)
	}
	return err
}

func (r *xlsxReader) syntax(format string, args ...any) error {
	return Errorf("xlsx.syntax", "%s: %v", r.label, fmt.Errorf(format, args...))
}

// read reads the cells of the next row that is asked for, or gives io.EOF once
// the whole sheet was read: so it is known not to be damaged.
func (r *xlsxReader) read() error {
	if r.ended {
		return io.EOF
	}
	for {
		r.x.guard.reset()
		t, err := r.x.token()
		if err == io.EOF {
			r.ended = true
			return err
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			switch {
			case t.Name.Local == "sheetData" && len(r.x.open) == 2:
				r.inner = true
			case t.Name.Local == "row" && r.inner && len(r.x.open) == 3:
				wanted, err := r.readRow(t)
				if wanted || err != nil {
					return err
				}
			}
		case xml.EndElement:
			if t.Name.Local == "sheetData" && len(r.x.open) == 1 {
				r.inner = false
			}
		}
	}
}

// readRow reads a row; false if it is not among those asked for.
func (r *xlsxReader) readRow(start xml.StartElement) (bool, error) {
	number := r.row + 1
	if text := attrOf(start, "r"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= r.row {
			return false, r.syntax("row %q comes after row %d", text, r.row)
		}
		number = n
	}
	if number > xlsxMaxRows {
		return false, r.syntax("it has more than %d rows", xlsxMaxRows)
	}
	r.row, r.cells = number, r.cells[:0]
	wanted := number >= r.o.top && (r.o.bottom == 0 || number <= r.o.bottom)
	depth, last := len(r.x.open), -1
	for {
		t, err := r.x.token()
		if err != nil {
			return false, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local != "c" || len(r.x.open) != depth+1 || !wanted {
				continue
			}
			cell, err := r.readCell(t, last)
			if err != nil {
				return false, err
			}
			last = cell.column
			if cell.column >= r.o.left && (r.o.right < 0 || cell.column <= r.o.right) {
				r.cells = append(r.cells, cell)
			}
		case xml.EndElement:
			if len(r.x.open) < depth {
				return wanted, nil
			}
		}
	}
}

// readCell reads a cell; last is the column of the one before it.
func (r *xlsxReader) readCell(start xml.StartElement, last int) (xlsxCell, error) {
	cell := xlsxCell{column: last + 1}
	for _, a := range start.Attr {
		switch {
		case a.Name.Space != "":
		case a.Name.Local == "r":
			column, _, ok := cellRef(a.Value)
			if !ok || column <= last {
				return cell, r.syntax("row %d: the cell %q comes after %s", r.row, a.Value, cellName(max(last, 0), r.row))
			}
			cell.column = column
		case a.Name.Local == "t":
			cell.kind = a.Value
		case a.Name.Local == "s":
			cell.style, _ = strconv.Atoi(a.Value)
		}
	}
	if cell.column >= xlsxMaxColumns {
		return cell, r.syntax("row %d has more than %d columns", r.row, xlsxMaxColumns)
	}
	depth, value := len(r.x.open), ""
	for {
		t, err := r.x.token()
		if err != nil {
			return cell, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(r.x.open) != depth+1 {
				continue
			}
			switch t.Name.Local {
			case "v":
				cell.given, value = true, "v"
			case "f":
				cell.formula = true
			case "is":
				if cell.value, err = xlsxText(r.x); err != nil {
					return cell, err
				}
				cell.given = true
			}
		case xml.CharData:
			if value != "" {
				cell.value += string(t)
			}
		case xml.EndElement:
			if value = ""; len(r.x.open) < depth {
				if cell.kind == "str" {
					cell.value = unescapeXLSX(cell.value)
				}
				return cell, nil
			}
		}
	}
}
