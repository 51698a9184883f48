package hostlib

import (
	"archive/zip"
	"bufio"
	"encoding/xml"
	"io"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
)

// xlsxWriter writes rows as a sheet, of which it holds one cell at a time: a
// spreadsheet is a zip of XML, and what is in the sheet goes straight into it.
type xlsxWriter struct {
	c     *Call
	name  string   // of the sheet
	names []string // of the columns; nil: not known yet
	n     int      // rows of the sheet
	out   *bufio.Writer
	num   []byte // for numbers
}

// writeXLSX is xlsx.write.
func writeXLSX(c *Call, a *Args) (Value, error) {
	it := a.Iterator("rows")
	defer it.Close()
	p := a.String("path")
	if !strings.HasSuffix(strings.ToLower(p), ".xlsx") {
		return nil, Errorf("usage", "path: %q does not end with .xlsx", p)
	}
	w := &xlsxWriter{c: c, name: a.String("sheet")}
	if a.Given("columns") {
		w.names = a.Strings("columns")
		if err := checkNames(w.names); err != nil {
			return nil, Errorf("usage", "columns: %v", err)
		}
		if len(w.names) == 0 {
			return nil, Errorf("usage", "columns: got an empty list, wanted names")
		}
	}
	if why := xlsxNoSheet(w.name); why != "" {
		return nil, Errorf("usage", "sheet: %q is no name of a sheet: %s", w.name, why)
	}
	out := &written{}
	f, err := c.writeFile(p, false, func(to io.Writer) error {
		z := zip.NewWriter(&stopping{c, to})
		if err := w.parts(z, it, out); err != nil {
			return err
		}
		return z.Close()
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

// xlsxNoSheet says why a text cannot be the name of a sheet; "" if it can.
func xlsxNoSheet(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case len(utf16.Encode([]rune(name))) > 31:
		return "it has more than 31 characters"
	case strings.HasPrefix(name, "'"), strings.HasSuffix(name, "'"):
		return "it begins or ends with '"
	case strings.ContainsAny(name, `:\/?*[]`):
		return `it has one of the characters :\/?*[]`
	case xlsxCanHold(name) != nil || strings.ContainsAny(name, "\t\r\n"):
		return "it has a character that cannot be shown"
	}
	return ""
}

// Styles of cells, by their place in xlsxStyles.
const (
	xlsxDayStyle    = "1"
	xlsxMomentStyle = "2"
)

// The parts of a spreadsheet beside the sheet, and how the sheet begins and ends.
const (
	xlsxSpace = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	xlsxRels  = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	xlsxTypes = `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
		`<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>` +
		`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`
	xlsxRelsBegin = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	xlsxRelsEnd   = `</Relationships>`
	xlsxBookRels  = `<Relationship Id="rId1" Type="` + xlsxRels + `/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="` + xlsxRels + `/styles" Target="styles.xml"/>`
	xlsxStyles    = `<styleSheet ` + xlsxSpace + `><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/><numFmt numFmtId="165" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/></numFmts>` +
		`<fonts count="1"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>` +
		`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>` +
		`<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>` +
		`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>` +
		`<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>` +
		`<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>` +
		`<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`
	xlsxSheetBegin = `<worksheet ` + xlsxSpace + `><sheetData>`
	xlsxSheetEnd   = `</sheetData></worksheet>`
)

// parts writes the parts of the book, the sheet last.
func (w *xlsxWriter) parts(z *zip.Writer, it Iterator, out *written) error {
	var name strings.Builder
	if err := xml.EscapeText(&name, []byte(w.name)); err != nil {
		return err
	}
	for _, part := range [][2]string{
		{"[Content_Types].xml", xlsxTypes},
		{"_rels/.rels", xlsxRelsBegin + `<Relationship Id="rId1" Type="` + xlsxRels + `/officeDocument" Target="xl/workbook.xml"/>` + xlsxRelsEnd},
		{"xl/workbook.xml", `<workbook ` + xlsxSpace + ` xmlns:r="` + xlsxRels + `"><sheets><sheet name="` + name.String() + `" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", xlsxRelsBegin + xlsxBookRels + xlsxRelsEnd},
		{"xl/styles.xml", xlsxStyles},
		{"xl/worksheets/sheet1.xml", ""},
	} {
		p, err := z.Create(part[0])
		if err != nil {
			return err
		}
		if _, err := io.WriteString(p, xml.Header+part[1]); err != nil {
			return err
		}
		if part[1] == "" {
			w.out = bufio.NewWriterSize(p, inputBuffer)
		}
	}
	w.out.WriteString(xlsxSheetBegin)
	if err := w.write(it, out); err != nil {
		return err
	}
	w.out.WriteString(xlsxSheetEnd)
	return w.out.Flush()
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
			return nil
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
	if err := w.begin(); err != nil {
		return err
	}
	for i, n := range w.names {
		if err := xlsxCanHold(n); err != nil {
			return Errorf("usage", "the name of column %d: %v", i+1, err)
		}
		w.text(i, n)
	}
	return w.end()
}

// row writes a row. Columns that it does not have are empty.
func (w *xlsxWriter) row(row engine.Row, n int64) error {
	if err := w.begin(); err != nil {
		return err
	}
	if err := eachColumn(w.names, row, n, "columns", w.cell); err != nil {
		return err
	}
	return w.end()
}

// begin begins the next row.
func (w *xlsxWriter) begin() error {
	if w.n++; w.n > xlsxMaxRows {
		return Errorf("xlsx.size", "there are more rows than a sheet has (%d): write several files", xlsxMaxRows)
	}
	w.out.WriteString(`<row r="`)
	w.out.WriteString(strconv.Itoa(w.n))
	w.out.WriteString(`">`)
	return nil
}

// end ends the row. It has the error of whatever was written of it.
func (w *xlsxWriter) end() error {
	_, err := w.out.WriteString("</row>")
	return err
}

// cell writes a value as the i-th cell of the row.
func (w *xlsxWriter) cell(i int, v Value) error {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		digit := "0"
		if v {
			digit = "1"
		}
		w.value(i, ` t="b"`, digit)
		return nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			w.text(i, strconv.FormatFloat(v, 'g', -1, 64))
			return nil
		}
		format := byte('f')
		if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
			format = 'e'
		}
		w.num = strconv.AppendFloat(w.num[:0], v, format, -1, 64)
		w.value(i, "", string(w.num))
		return nil
	case string:
		if err := xlsxCanHold(v); err != nil {
			return err
		}
		w.text(i, v)
		return nil
	case int64:
		w.num = strconv.AppendInt(w.num[:0], v, 10)
		if v > -xlsxDigits && v < xlsxDigits {
			w.value(i, "", string(w.num))
		} else {
			w.text(i, string(w.num))
		}
		return nil
	case *big.Int:
		w.text(i, v.String())
		return nil
	case time.Time:
		w.time(i, v.UTC())
		return nil
	}
	return Errorf("usage", "bytes cannot be written to a sheet: make a string of them, by base64.encode for instance")
}

// time writes a point in time: a number of days.
func (w *xlsxWriter) time(i int, t time.Time) {
	if t.Year() < 1900 || t.Year() > 9999 || t.Year() == 1900 && t.Month() < time.March {
		w.text(i, t.Format(time.RFC3339Nano)) // spreadsheets have no such dates, or others
		return
	}
	const day = 24 * 60 * 60
	seconds := t.Unix() - time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
	style := xlsxMomentStyle
	if seconds%day == 0 && t.Nanosecond() == 0 {
		style = xlsxDayStyle
	}
	days := float64(seconds/day) + (float64(seconds%day)+float64(t.Nanosecond())/1e9)/day
	w.num = strconv.AppendFloat(w.num[:0], days, 'f', -1, 64)
	w.value(i, ` s="`+style+`"`, string(w.num))
}

// value writes a cell that is no text.
func (w *xlsxWriter) value(i int, attrs, v string) {
	w.open(i, attrs)
	w.out.WriteString("<v>")
	w.out.WriteString(v)
	w.out.WriteString("</v></c>")
}

// text writes a cell that is a text.
func (w *xlsxWriter) text(i int, s string) {
	w.open(i, ` t="inlineStr"`)
	w.out.WriteString(`<is><t xml:space="preserve">`)
	_ = xml.EscapeText(w.out, []byte(xlsxLiteral.ReplaceAllString(s, "_x005F$0"))) // end has the error
	w.out.WriteString("</t></is></c>")
}

func (w *xlsxWriter) open(i int, attrs string) {
	w.out.WriteString(`<c r="`)
	w.out.WriteString(cellName(i, w.n))
	w.out.WriteByte('"')
	w.out.WriteString(attrs)
	w.out.WriteByte('>')
}

// xlsxLiteral finds what would be read as a character that XML cannot hold.
var xlsxLiteral = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

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
