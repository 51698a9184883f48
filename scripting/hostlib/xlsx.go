package hostlib

import (
	"archive/zip"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
	"github.com/xuri/excelize/v2"
)

var xlsxModule = &Module{
	Name: "xlsx",
	Doc: "Spreadsheets of Excel and LibreOffice (.xlsx, .xlsm). Cells have types: numbers are int or float, dates and points in time are times in UTC, times of a day text (\"09:30:00\"), " +
		"lengths of time durations; an empty cell is None; a formula is the value that was last calculated. " +
		"A number in a cell that is formatted as text is text, and text that looks like a number stays text.",
	Funcs: []*Func{
		{
			Name: "rows", Doc: "Reads the rows of a sheet. Lazy: a sheet of any size passes through; texts that cells share are held in memory up to 4 MB, and then in a temporary file. Rows without a value are left out. Of merged cells the first one has the value, the others are None. " +
				"A stream (s3.open, http.get, an entry of an archive) goes to a temporary file first. It reads through " + packedDoc + ".",
			Params: []Param{
				{Name: "src", Type: Source, Doc: "a path, or a stream"},
				{Name: "sheet", Type: Any, Default: int64(0), Named: true, Doc: "the sheet's name, or its number from 0"},
				{Name: "skip", Type: Int, Default: int64(0), Named: true, Doc: "rows at the top that are left out, such as a title"},
				{Name: "range", Type: String, Default: "", Named: true, Doc: "only these cells, such as \"B4:F200\", \"B4\" (from there on) or \"B:F\""},
				{Name: "header", Type: Any, Default: true, Named: true, Doc: "True: the first row has the names, and rows are dicts; a list of names: there is no such row; False: rows are lists"},
				namesParam("the names in the first row"),
				{Name: "columns", Type: Strings, Default: []string(nil), Named: true, Doc: "the columns that rows have, in this order; none: all"},
				{Name: "trim", Type: Bool, Default: false, Named: true, Doc: "leaves out white space around texts"},
				{Name: "nulls", Type: Strings, Default: []string(nil), Named: true, Doc: "texts that become None, such as \"n/a\""},
				{Name: "on_bad", Type: String, Default: "error", Named: true, Choices: []string{"error", "reject", "none"}, Doc: "what a row does that has a cell with an error (#N/A), a date that is none, a formula without a value, or a value beside the columns that have names: \"reject\" sets the row aside, as reject() does; \"none\" makes the cell None"},
			},
			Returns: "iterator of dict", Needs: "files", Effect: Read, Same: true,
			Example: "[r[\"name\"] for r in xlsx.rows(\"data/people.xlsx\")]  # [\"Ada\", \"Grace\"]",
			Lua:     "list(xlsx.rows(\"data/people.xlsx\", {sheet = \"People\"}))[2].name  -- \"Grace\"",
			Do:      xlsxRows,
		},
		{
			Name: "sheets", Doc: "Gives the names of the sheets, hidden ones too.",
			Params:  []Param{{Name: "src", Type: Source, Doc: "a path, or a stream"}},
			Returns: "list of string", Needs: "files", Effect: Read, Same: true,
			Example: "xlsx.sheets(\"data/people.xlsx\")  # [\"People\"]",
			Lua:     "xlsx.sheets(\"data/people.xlsx\")[1]  -- \"People\"",
			Do: func(c *Call, a *Args) (Value, error) {
				b, err := c.openBook(a.Value("src"))
				if err != nil {
					return nil, err
				}
				defer b.Close()
				names := []Value{}
				for _, s := range b.sheets {
					names = append(names, s.name)
				}
				return names, nil
			},
		},
		{
			Name: "write", Doc: "Writes rows to a spreadsheet of one sheet, under a row with the names of the columns. Lazy: the rows are asked for one by one. The file appears under its name once it is complete; one that was there is replaced. " +
				"Times are written in UTC, durations as text. Whole numbers of more than 15 digits and decimals are written as text, because spreadsheets would round them; floats are rounded to 15 digits. Text is never taken for a formula.",
			Params: []Param{
				{Name: "path", Type: String, Doc: "the file, .xlsx"},
				{Name: "rows", Type: Iterable, Doc: "dicts; None is left out"},
				{Name: "sheet", Type: String, Default: "Sheet1", Named: true, Doc: "the name of the sheet"},
				{Name: "columns", Type: Strings, Default: None, Named: true, Doc: "the columns, in this order; None: those of the first row"},
			},
			Returns: "written", Needs: "files", Effect: Outside,
			Example: "xlsx.write(\"data/out/people.xlsx\", [{\"id\": 1, \"name\": \"Ada\"}], sheet = \"People\").rows  # 1",
			Lua:     "xlsx.write(\"data/out/people.xlsx\", {{id = 1, name = \"Ada\"}}, {sheet = \"People\"}).rows  -- 1",
			Do:      writeXLSX,
		},
	},
}

// What a sheet can hold.
const (
	xlsxMaxRows    = 1_048_576
	xlsxMaxColumns = 16_384
	xlsxMaxText    = 32_767 // UTF-16 units in a cell
	xlsxDigits     = 1_000_000_000_000_000
)

// xlsxWriter writes rows as a sheet.
type xlsxWriter struct {
	c      *Call
	book   *excelize.File
	sheet  *excelize.StreamWriter
	names  []string // of the columns; nil: not known yet
	day    int      // the styles of dates and of points in time
	moment int
	n      int // rows of the sheet
	cells  []any
}

// writeXLSX is xlsx.write.
func writeXLSX(c *Call, a *Args) (Value, error) {
	it := a.Iterator("rows")
	defer it.Close()
	p := a.String("path")
	if !strings.HasSuffix(strings.ToLower(p), ".xlsx") {
		return nil, Errorf("usage", "path: %q does not end with .xlsx", p)
	}
	w := &xlsxWriter{c: c, book: excelize.NewFile()}
	defer w.book.Close()
	if a.Given("columns") {
		w.names = a.Strings("columns")
		if err := checkNames(w.names); err != nil {
			return nil, Errorf("usage", "columns: %v", err)
		}
		if len(w.names) == 0 {
			return nil, Errorf("usage", "columns: got an empty list, wanted names")
		}
	}
	if err := w.begin(a.String("sheet")); err != nil {
		return nil, err
	}
	out := &written{}
	f, err := c.writeFile(p, false, func(to io.Writer) error {
		if err := w.write(it, out); err != nil {
			return err
		}
		// The library writes a whole book into memory; its zip goes to the file instead.
		w.book.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(&stopping{c, to}) })
		_, err := w.book.WriteTo(io.Discard)
		return err
	})
	if err != nil {
		return nil, err
	}
	out.file = *f
	return out, nil
}

// stopping stops writing when the hook must end.
type stopping struct {
	c *Call
	w io.Writer
}

// Write writes, unless the hook must end.
func (s *stopping) Write(b []byte) (int, error) {
	if err := s.c.over(); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}

// begin makes the sheet.
func (w *xlsxWriter) begin(sheet string) error {
	first := w.book.GetSheetName(0)
	if err := w.book.SetSheetName(first, sheet); err != nil {
		return Errorf("usage", "sheet: %q is no name of a sheet: %v", sheet, err)
	}
	var err error
	for format, to := range map[string]*int{"yyyy-mm-dd": &w.day, "yyyy-mm-dd hh:mm:ss": &w.moment} {
		if *to, err = w.book.NewStyle(&excelize.Style{CustomNumFmt: &format}); err != nil {
			return err
		}
	}
	w.sheet, err = w.book.NewStreamWriter(sheet)
	return err
}

// write writes all rows.
func (w *xlsxWriter) write(it Iterator, out *written) error {
	rows := &rowSource{c: w.c, it: it}
	if w.names != nil {
		if err := w.header(); err != nil {
			return err
		}
	}
	for {
		row, err := rows.Next(w.c.Context())
		out.skipped = rows.skipped
		if err == io.EOF {
			return w.sheet.Flush()
		}
		if err != nil {
			return err
		}
		if w.names == nil {
			w.names = append([]string(nil), row.Names...)
			if err := w.header(); err != nil {
				return err
			}
		}
		if err := w.row(row, rows.n); err != nil {
			return err
		}
		out.rows++
	}
}

func (w *xlsxWriter) header() error {
	if len(w.names) > xlsxMaxColumns {
		return Errorf("xlsx.size", "there are %d columns, and a sheet has %d", len(w.names), xlsxMaxColumns)
	}
	w.cells = make([]any, len(w.names))
	for i, n := range w.names {
		if err := xlsxCanHold(n); err != nil {
			return Errorf("usage", "the name of column %d: %v", i+1, err)
		}
		w.cells[i] = n
	}
	return w.line()
}

// line writes the cells as the next row.
func (w *xlsxWriter) line() error {
	if w.n++; w.n > xlsxMaxRows {
		return Errorf("xlsx.size", "there are more rows than a sheet has (%d): write several files", xlsxMaxRows)
	}
	return w.sheet.SetRow("A"+strconv.Itoa(w.n), w.cells)
}

// row writes a row. Columns that it does not have are empty.
func (w *xlsxWriter) row(row engine.Row, n int64) error {
	err := eachColumn(w.names, row, n, "columns", func(i int, v Value) (err error) {
		w.cells[i], err = w.cell(v)
		return err
	})
	if err != nil {
		return err
	}
	return w.line()
}

// cell is how a value stands in a cell.
func (w *xlsxWriter) cell(v Value) (any, error) {
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case float64:
		// The library cuts off what has more digits.
		if rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 15, 64), 64); err == nil {
			return rounded, nil
		}
		return v, nil // it would become infinite
	case string:
		return v, xlsxCanHold(v)
	case int64:
		if v > -xlsxDigits && v < xlsxDigits {
			return v, nil
		}
		return strconv.FormatInt(v, 10), nil
	case *big.Int:
		return v.String(), nil
	case time.Time:
		t := v.UTC()
		if t.Year() < 1900 || t.Year() > 9999 || t.Year() == 1900 && t.Month() < time.March {
			return t.Format(time.RFC3339Nano), nil // spreadsheets have no such dates, or others
		}
		if t.Equal(t.Truncate(24 * time.Hour)) {
			return excelize.Cell{StyleID: w.day, Value: t}, nil
		}
		return excelize.Cell{StyleID: w.moment, Value: t}, nil
	}
	return nil, Errorf("usage", "bytes cannot be written to a sheet: make a string of them, by base64.encode for instance")
}

// xlsxCanHold says whether a cell can hold a text.
func xlsxCanHold(s string) error {
	units := len(s)
	if units > xlsxMaxText {
		units = len(utf16.Encode([]rune(s)))
	}
	if units > xlsxMaxText {
		return Errorf("xlsx.size", "the text has %d characters, and a cell holds %d", units, xlsxMaxText)
	}
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return Errorf("usage", "the text has the character %U, which a sheet cannot hold", r)
		}
	}
	if !utf8.ValidString(s) {
		return Errorf("usage", "the text is not UTF-8")
	}
	return nil
}
