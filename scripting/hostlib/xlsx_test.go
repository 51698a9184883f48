package hostlib_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/xuri/excelize/v2"
)

// writeBook writes a spreadsheet.
func writeBook(t testing.TB, path string, fill func(f *excelize.File)) {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	fill(f)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.SaveAs(path); err != nil {
		t.Fatal(err)
	}
}

const sheetSpace = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`

// bookOf is a spreadsheet with one sheet, of the parts as they are.
func bookOf(t testing.TB, sheet, texts, styles, properties string) string {
	const rel = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, part := range [][2]string{
		{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="` + rel + `/officeDocument" Target="/book/main.xml"/></Relationships>`},
		{"book/main.xml", `<x:workbook xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:q="` + rel + `">` + properties + `<x:sheets><x:sheet name="Data" sheetId="7" q:id="s1"/></x:sheets></x:workbook>`},
		{"book/_rels/main.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="s1" Type="` + rel + `/worksheet" Target="sheets.xml"/><Relationship Id="s2" Type="` + rel + `/sharedStrings" Target="texts.xml"/>` +
			`<Relationship Id="s3" Type="` + rel + `/styles" Target="../book/styles.xml"/></Relationships>`},
		{"book/sheets.xml", sheet}, {"book/texts.xml", texts}, {"book/styles.xml", styles},
	} {
		if part[1] == "" {
			continue
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: part[0], Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, part[1])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sheetOf is a sheet with rows.
func sheetOf(rows string) string {
	return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet ` + sheetSpace + `><dimension ref="A1"/><sheetData>` + rows + `</sheetData><pageMargins left="1"/></worksheet>`
}

const (
	someTexts = `<sst ` + sheetSpace + `><si><t>name</t></si><si><t xml:space="preserve"> Ada_x000D_ </t></si>` +
		`<si><r><rPr><b/></rPr><t>rich </t></r><r><t>text</t></r><rPh sb="0" eb="1"><t>spoken</t></rPh></si><si><t>007</t></si><si><t>_x005F_x0041_ &amp; _xyz</t></si></sst>`
	someStyles = `<styleSheet ` + sheetSpace + `><numFmts count="2"><numFmt numFmtId="164" formatCode="[$-409]d\-mmm\-yyyy;@"/><numFmt numFmtId="165" formatCode="[h]:mm:ss"/><numFmt numFmtId="166" formatCode="#,##0.00 &quot;days&quot;"/></numFmts>` +
		`<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="49"/><xf numFmtId="20"/></cellXfs></styleSheet>`
)

func TestCellsHaveTypes(t *testing.T) {
	t.Parallel()
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	huge, _ := new(big.Int).SetString("12345678901234567890", 10)
	for _, c := range []struct {
		cell string
		want hostlib.Value
	}{
		{`<c r="A1"><v>7</v></c>`, int64(7)},
		{`<c r="A1" t="n"><v>-7</v></c>`, int64(-7)},
		{`<c r="A1"><v>0.1</v></c>`, 0.1},
		{`<c r="A1"><v>1E+20</v></c>`, 1e20},
		{`<c r="A1"><v>12345678901234567890</v></c>`, huge},
		{`<c r="A1"><v>9007199254740993</v></c>`, int64(9007199254740993)},
		{`<c r="A1" t="s"><v>0</v></c>`, "name"},
		{`<c r="A1" t="s"><v>1</v></c>`, " Ada\r "},
		{`<c r="A1" t="s"><v>2</v></c>`, "rich text"},
		{`<c r="A1" t="s"><v>3</v></c>`, "007"},
		{`<c r="A1" t="s"><v>4</v></c>`, "_x0041_ & _xyz"},
		{`<c r="A1" t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c>`, "inline"},
		{`<c r="A1" t="str"><f>A2&amp;"x"</f><v>a_x000A_b</v></c>`, "a\nb"},
		{`<c r="A1"><f>1+1</f><v>2</v></c>`, int64(2)},
		{`<c r="A1" t="b"><v>1</v></c>`, true},
		{`<c r="A1" t="b"><v>0</v></c>`, false},
		{`<c r="A1" s="1"><v>43831</v></c>`, day(2020, 1, 1)},
		{`<c r="A1" s="2"><v>43831.395833333336</v></c>`, day(2020, 1, 1).Add(9*time.Hour + 30*time.Minute)},
		{`<c r="A1" s="3"><v>1</v></c>`, day(1900, 1, 1)},
		{`<c r="A1" s="3"><v>59</v></c>`, day(1900, 2, 28)},
		{`<c r="A1" s="3"><v>61</v></c>`, day(1900, 3, 1)},
		{`<c r="A1" s="4"><v>1.5</v></c>`, 36 * time.Hour},
		{`<c r="A1" s="5"><v>1.5</v></c>`, 1.5},
		{`<c r="A1" s="6"><v>42</v></c>`, "42"},
		{`<c r="A1" s="7"><v>0.3958333333333333</v></c>`, "09:30:00"},
		{`<c r="A1" s="7"><v>43831.5</v></c>`, day(2020, 1, 1).Add(12 * time.Hour)},
		{`<c r="A1" t="d"><v>2020-01-01T09:30:00</v></c>`, day(2020, 1, 1).Add(9*time.Hour + 30*time.Minute)},
		{`<c r="A1"><v>1<!-- x -->2</v></c>`, int64(12)},
		// Bad cells, which are None here.
		{`<c r="A1" t="e"><v>#N/A</v></c>`, nil},
		{`<c r="A1"><f>1+1</f></c>`, nil},
		{`<c r="A1" s="1"><v>60</v></c>`, nil},
		{`<c r="A1" s="1"><v>-3</v></c>`, nil},
		{`<c r="A1" s="1"><v>2958466</v></c>`, nil},
		{`<c r="A1"><v>x</v></c>`, nil},
		{`<c r="A1"><v>NaN</v></c>`, nil},
		{`<c r="A1"><v>0x10</v></c>`, nil},
		{`<c r="A1" s="1"/>`, nil},
	} {
		book := bookOf(t, sheetOf(`<row r="1">`+c.cell+`<c r="B1"><v>1</v></c></row>`), someTexts, someStyles, "")
		rows, err := hostlib.XLSXRows([]byte(book), false)
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: %v, %v", c.cell, rows, err)
			continue
		}
		got := rows[0].([]hostlib.Value)[0]
		if n, ok := got.(*big.Int); ok && c.want == huge {
			got = c.want
			if n.Cmp(huge) != 0 {
				got = n
			}
		}
		if got != c.want {
			t.Errorf("%s: got %#v, want %#v", c.cell, got, c.want)
		}
	}
	book := bookOf(t, sheetOf(`<row><c s="1"><v>0</v></c><c s="2"><v>42369.5</v></c></row>`), "", someStyles, `<x:workbookPr date1904="1"/>`)
	rows, err := hostlib.XLSXRows([]byte(book), false)
	if err != nil || rows[0].([]hostlib.Value)[0] != day(1904, 1, 1) || rows[0].([]hostlib.Value)[1] != day(2020, 1, 1).Add(12*time.Hour) {
		t.Errorf("from 1904: %v, %v", rows, err)
	}
}

// orders fills a sheet as people do: with a title, and columns without a name.
func orders(f *excelize.File) {
	f.SetSheetName("Sheet1", "Notes")
	f.NewSheet("Orders 2024")
	date, _ := f.NewStyle(&excelize.Style{NumFmt: 14})
	for cell, v := range map[string]any{
		"A1": "Orders", "A2": "as of today",
		"B4": "Order ID", "C4": "Customer", "E4": "Größe (cm)", "F4": "shipped",
		"B5": 1, "C5": "Ada", "E5": 1.5, "F5": time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"B6": 2, "C6": " n/a ", "E6": 2,
		"B8": 3, "C8": "Grace", "F8": time.Date(2024, 12, 24, 18, 30, 0, 0, time.UTC),
		"B10": "end",
	} {
		f.SetCellValue("Orders 2024", cell, v)
	}
	f.SetCellStyle("Orders 2024", "F5", "F5", date)
	f.MergeCell("Orders 2024", "A1", "F1")
}

func TestSheetsAsPeopleMakeThem(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	writeBook(t, filepath.Join(w.Files, "orders.xlsx"), orders)
	text, err := os.ReadFile(filepath.Join(w.Files, "orders.xlsx"))
	if err != nil {
		t.Fatal(err)
	}
	var gz bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write(text)
	g.Close()
	w.File("orders.xlsx.gz", gz.String())
	w.File("mail.zip", zipped(t, map[string]string{"att/orders.xlsx": string(text)}))
	w.File("bad.xlsx", bookOf(t, sheetOf(`<row><c t="inlineStr"><is><t>id</t></is></c><c t="inlineStr"><is><t>n</t></is></c></row>`+
		`<row><c><v>1</v></c><c><v>10</v></c></row><row><c><v>2</v></c><c t="e"><v>#DIV/0!</v></c></row><row><c><v>3</v></c><c><v>30</v></c><c><v>40</v></c></row>`), "", "", ""))
	w.File("twice.xlsx", bookOf(t, sheetOf(`<row><c t="inlineStr"><is><t>id</t></is></c><c t="inlineStr"><is><t>id</t></is></c></row>`), "", "", ""))
	const of = `xlsx.rows("orders.xlsx", sheet = "Orders 2024", `
	for _, c := range []struct{ body, want string }{
		{`return xlsx.sheets("orders.xlsx")`, `["Notes","Orders 2024"]`},
		{`return list(xlsx.rows("orders.xlsx"))`, `[]`},
		{`return list(` + of + `skip = 3, range = "A1:F9"))`, `[{"Order ID":1,"Customer":"Ada","Größe (cm)":1.5,"shipped":"2024-02-29T00:00:00Z"},{"Order ID":2,"Customer":" n/a ","Größe (cm)":2,"shipped":null},{"Order ID":3,"Customer":"Grace","Größe (cm)":null,"shipped":"2024-12-24T18:30:00Z"}]`},
		{`return [r["order_id"] for r in ` + of + `range = "B4:F9", names = "snake", columns = ["große_cm", "order_id"])]`, `[1,2,3]`},
		{`return [r["Customer"] for r in ` + of + `range = "$B$4:F$8", trim = True, nulls = ["n/a"])]`, `["Ada",null,"Grace"]`},
		{`return list(` + of + `range = "B5:C6", header = ["id", "who"]))`, `[{"id":1,"who":"Ada"},{"id":2,"who":" n/a "}]`},
		{`return list(` + of + `range = "B4:E6", header = False))`, `[["Order ID","Customer",null,"Größe (cm)"],[1,"Ada",null,1.5],[2," n/a ",null,2]]`},
		{`return list(xlsx.rows("orders.xlsx", sheet = 1, range = "C:C", skip = 3))`, `[{"Customer":"Ada"},{"Customer":" n/a "},{"Customer":"Grace"}]`},
		{`return [r["Order ID"] for r in xlsx.rows("orders.xlsx.gz", sheet = 1, range = "B4")]`, `[1,2,3,"end"]`},
		{`return [r["Order ID"] for r in xlsx.rows("mail.zip", sheet = 1, range = "B4:B9")]`, `[1,2,3]`},
		{`return [r["Order ID"] for e in files.entries("mail.zip") for r in xlsx.rows(e, sheet = 1, range = "B4:B9")]`, `[1,2,3]`},

		{`return list(xlsx.rows("bad.xlsx"))`, `xlsx.rows: bad.xlsx, sheet "Data", cell B3: it has the error #DIV/0!`},
		{`return list(xlsx.rows("bad.xlsx", on_bad = "none"))`, `[{"id":1,"n":10},{"id":2,"n":null},{"id":3,"n":30}]`},
		{`return list(xlsx.rows("bad.xlsx", columns = ["id"]))`, `[{"id":1},{"id":2},{"id":3}]`},
		{`return list(xlsx.rows("bad.xlsx", range = "A1:B2"))`, `[{"id":1,"n":10}]`},
		{`return list(xlsx.rows("bad.xlsx", columns = ["ids"]))`, `xlsx.rows: bad.xlsx, sheet "Data" has no column "ids" (did you mean "id"?)`},
		{`return list(xlsx.rows("bad.xlsx", header = ["id", "n"], skip = 3))`, `xlsx.rows: bad.xlsx, sheet "Data", cell C4: it has a value, and its column has no name`},
		{`return list(xlsx.rows("twice.xlsx"))`, `xlsx.rows: twice.xlsx, sheet "Data", row 1: the columns of A1 and B1 are both named "id": give the names by header = [...], and leave out this row by skip = 1`},
		{`return list(xlsx.rows("orders.xlsx", sheet = "Orders 2025"))`, `xlsx.rows: orders.xlsx has no sheet "Orders 2025" (did you mean "Orders 2024"?); it has "Notes" or "Orders 2024"`},
		{`return list(xlsx.rows("orders.xlsx", sheet = 2))`, `xlsx.rows: orders.xlsx has no sheet number 2 (from 0); it has 2`},
		{`return list(xlsx.rows("orders.xlsx", range = "4B"))`, `xlsx.rows: range: "4B" names no cells: write it like "B4:F200", "B4" or "B:F"`},
		{`return list(xlsx.rows("orders.xlsx", range = "B4:A5"))`, `xlsx.rows: range: "B4:A5" names no cells: write it like "B4:F200", "B4" or "B:F"`},
	} {
		if got := run(t, w, c.body); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.body, got, c.want)
		}
	}
	w.Script("reject", "job(needs = ['files:**'], rejects = 10)\ndef consume(ctx, item):\n    return [r['id'] for r in xlsx.rows('bad.xlsx', on_bad = 'reject')]\n")
	j := w.Do("reject", "1")
	if j.Error != nil || string(j.Result) != "[1]" || j.Stats["rejected"] != 2 || j.Stats["read"] != 3 {
		t.Fatalf("%s, %+v, %v", j.Result, j.Error, j.Stats)
	}
	got := ""
	if err := w.Store.Rejects(t.Context(), engine.RejectFilter{}, func(r *engine.Reject) bool {
		got += fmt.Sprintf("%s:%d %s %s\n", *r.Source, *r.Line, r.Row, r.Reason)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if got != "bad.xlsx, sheet \"Data\":3 {\"id\":2,\"n\":\"#DIV/0!\"} cell B3: it has the error #DIV/0! (xlsx.cell)\n"+
		"bad.xlsx, sheet \"Data\":4 {\"id\":3,\"n\":30,\"_more\":[40]} cell C4: it has a value, and its column has no name (xlsx.cell)\n" {
		t.Error(got)
	}
}

func TestBooksThatAreNone(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	good := bookOf(t, sheetOf(`<row r="1"><c><v>1</v></c></row>`), "", "", "")
	w.File("text.xlsx", "id,name\n1,Ada\n")
	w.File("old.xlsx", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"+strings.Repeat("x", 600))
	w.File("cut.xlsx", good[:len(good)/2])
	w.File("zip.xlsx", zipped(t, map[string]string{"a.txt": "a"}))
	w.File("ends.xlsx", bookOf(t, strings.TrimSuffix(sheetOf(`<row r="1"><c><v>1</v></c></row><row r="2"><c><v>2`), `</sheetData><pageMargins left="1"/></worksheet>`), "", "", ""))
	w.File("back.xlsx", bookOf(t, sheetOf(`<row r="2"><c><v>1</v></c></row><row r="1"><c><v>1</v></c></row>`), "", "", ""))
	w.File("wide.xlsx", bookOf(t, sheetOf(`<row r="1"><c r="XFE1"><v>1</v></c></row>`), "", "", ""))
	w.File("low.xlsx", bookOf(t, sheetOf(`<row r="1048577"><c><v>1</v></c></row>`), "", "", ""))
	w.File("text0.xlsx", bookOf(t, sheetOf(`<row r="1"><c t="s"><v>0</v></c></row>`), "", "", ""))
	w.File("row.xlsx", bookOf(t, sheetOf(`<row r="1"><c><v>1</v></c>`+strings.Repeat(" ", 17<<20)+`</row>`), "", "", ""))
	w.File("twice.xlsx", bookOf(t, sheetOf(`<row r="1"><c r="A1"><v>1</v></c><c r="A1"><v>2</v></c></row>`), "", "", ""))
	broken := strings.Replace(bookOf(t, "sheet", "", "", ""), "book/sheets.xml", "book/sheetz.xml", -1)
	w.File("none.xlsx", broken)
	for name, want := range map[string]string{
		"text":  `text.xlsx is not what its name says, or is damaged`,
		"old":   `old.xlsx is protected by a password, or is an old .xls: save it as .xlsx without one`,
		"cut":   `cut.xlsx is not what its name says, or is damaged`,
		"zip":   `zip.xlsx is no spreadsheet: there is no xl/workbook.xml in it`,
		"ends":  `book/sheets.xml in ends.xlsx, line 1: it ends before <v> does`,
		"back":  `back.xlsx, sheet "Data": row "1" comes after row 2`,
		"wide":  `wide.xlsx, sheet "Data": row 1: the cell "XFE1" comes after A1`,
		"low":   `low.xlsx, sheet "Data": it has more than 1048576 rows`,
		"text0": `text0.xlsx, sheet "Data", cell A1: it has the text number 0, and there are 0`,
		"row":   `an element of book/sheets.xml in row.xlsx is longer than 16777216 bytes`,
		"twice": `twice.xlsx, sheet "Data": row 1: the cell "A1" comes after A1`,
		"none":  `none.xlsx is damaged: there is no book/sheets.xml in it`,
	} {
		if got := run(t, w, `return len(list(xlsx.rows("`+name+`.xlsx", header = False)))`); got != "xlsx.rows: "+want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestWrittenSheetsAreWhatTheRowsWere(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	body := `
rows = [
    {"id": 1, "name": " Ada <&>]]>\n\"x\" ", "n": 1.5, "ok": True, "at": time.parse("2024-02-29T18:30:15Z"), "day": time.parse("2024-02-29"), "big": 12345678901234567, "old": time.parse("1850-01-01")},
    None,
    {"id": 2, "name": "=1+1", "n": -0.25, "ok": False, "at": time.parse("2024-03-01T01:30:00+02:00"), "day": None, "big": 123456789012345678901234567890, "old": "_x0041_"},
    {"name": "007", "id": 3},
]
out = xlsx.write("out/a.xlsx", rows, sheet = "My rows")
return [out.rows, out.skipped, out.size == files.stat("out/a.xlsx").size, xlsx.sheets("out/a.xlsx"), list(xlsx.rows("out/a.xlsx", sheet = "My rows"))]`
	want := `[3,1,true,["My rows"],[` +
		`{"id":1,"name":" Ada <&>]]>\n\"x\" ","n":1.5,"ok":true,"at":"2024-02-29T18:30:15Z","day":"2024-02-29T00:00:00Z","big":"12345678901234567","old":"1850-01-01T00:00:00Z"},` +
		`{"id":2,"name":"=1+1","n":-0.25,"ok":false,"at":"2024-02-29T23:30:00Z","day":null,"big":"123456789012345678901234567890","old":"_x0041_"},` +
		`{"id":3,"name":"007","n":null,"ok":null,"at":null,"day":null,"big":null,"old":null}]]`
	if got := run(t, w, body); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	// Another program reads the same.
	f, err := excelize.OpenFile(filepath.Join(w.Files, "out", "a.xlsx"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("My rows")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%q", rows[1]); got != `["1" " Ada <&>]]>\n\"x\" " "1.5" "TRUE" "2024-02-29 18:30:15" "2024-02-29" "12345678901234567" "1850-01-01T00:00:00Z"]` {
		t.Error(got)
	}
	if kind, err := f.GetCellType("My rows", "B3"); err != nil || kind == excelize.CellTypeFormula {
		t.Errorf("=1+1 is of type %v, %v", kind, err)
	}

	w.File("old.xlsx", "as it was")
	for _, c := range []struct{ body, want string }{
		{`xlsx.write("old.xlsx", iter.map(lambda n: {"n": 1 // (5 - n)}, range(10)))`, `floored division by zero`},
		{`xlsx.write("old.xlsx", [{"a": 1}, {"b": 1}])`, `xlsx.write: row 2 has the column "b", which the header does not: give all columns by columns = [...]`},
		{`xlsx.write("old.xlsx", [{"a": "x" * 32768}])`, `xlsx.write: row 1, column "a": the text has 32768 characters, and a cell holds 32767`},
		{`xlsx.write("old.xlsx", [{"a": "x\001"}])`, `xlsx.write: row 1, column "a": the text has the character U+0001, which a sheet cannot hold`},
		{`xlsx.write("old.xlsx", [{"a": b"x"}])`, `xlsx.write: row 1, column "a": bytes cannot be written to a sheet: make a string of them, by base64.encode for instance`},
		{`xlsx.write("old.xlsx", [], sheet = "a/b")`, `xlsx.write: sheet: "a/b" is no name of a sheet: the sheet can not contain any of the characters :\/?*[or]`},
		{`xlsx.write("old.csv", [])`, `xlsx.write: path: "old.csv" does not end with .xlsx`},
	} {
		if got := run(t, w, c.body); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.body, got, c.want)
		}
		if text, err := os.ReadFile(filepath.Join(w.Files, "old.xlsx")); err != nil || string(text) != "as it was" {
			t.Fatalf("%s: the file has changed: %v", c.body, err)
		}
	}
	// Of a float 15 digits are kept; the last one is rounded.
	if got := run(t, w, `xlsx.write("floats.xlsx", [{"n": n} for n in [0.1 + 0.2, 2.0 / 3, -1234567.8912345678, 1e-7 / 3]])
return [r["n"] for r in xlsx.rows("floats.xlsx")]`); got != `[0.3,0.666666666666667,-1234567.89123457,3.33333333333333e-8]` {
		t.Error(got)
	}
	if got := run(t, w, `xlsx.write("empty.xlsx", [], columns = ["a", "b"])
return list(xlsx.rows("empty.xlsx", header = False))`); got != `[["a","b"]]` {
		t.Error(got)
	}
}

func TestASheetOfABucket(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	writeBook(t, filepath.Join(w.Files, "orders.xlsx"), orders)
	j := s.run(w, `
s3.put("archive", "in/orders.xlsx", "orders.xlsx")
return [r["Customer"] for r in xlsx.rows(s3.open("archive", "in/orders.xlsx"), sheet = 1, range = "B4:F9")]`)
	if got := outcome(j, s.url); got != `["Ada"," n/a ","Grace"]` {
		t.Error(got)
	}
}

// TestLargeSheetsStream writes and reads a large sheet, each in a process of its
// own, which must stay small.
func TestLargeSheetsStream(t *testing.T) {
	rows := 20_000
	if os.Getenv("DSENGINE_LARGE") == "full" {
		rows = 1_000_000
	}
	if dir := os.Getenv("DSENGINE_TEST_SHEET"); dir != "" {
		w := world.New(t)
		w.Files, w.Patience = dir, 30*time.Minute
		w.Script("sheet", "job(needs = ['files:**'], timeout = '30m', steps = 10000000000)\ndef consume(ctx, item):\n    "+os.Getenv("DSENGINE_TEST_BODY")+"\n")
		j := w.Do("sheet", "1")
		if j.Error != nil {
			t.Fatal(j.Error)
		}
		fmt.Printf("result=%s resident=%d\n", j.Result, resident(t))
		return
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not show how much memory a process held")
	}
	t.Parallel()
	dir := t.TempDir()
	for _, body := range []string{
		fmt.Sprintf(`return xlsx.write("big.xlsx", iter.map(lambda n: {"id": n, "name": "Jane Doe %%d" %% n, "email": "jane@example.com", "city": "Springfield", "n": n * 0.5, "at": time.from_unix(n * 1000)}, range(%d))).rows`, rows),
		`return len([None for r in xlsx.rows("big.xlsx")])`,
	} {
		begun := time.Now()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLargeSheetsStream$", "-test.timeout=30m")
		cmd.Env = append(os.Environ(), "DSENGINE_TEST_SHEET="+dir, "DSENGINE_TEST_BODY="+body)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var result string
		var held int64
		for _, line := range strings.Split(string(out), "\n") {
			if _, err := fmt.Sscanf(line, "result=%s resident=%d", &result, &held); err == nil {
				break
			}
		}
		t.Logf("%.40s: %s rows, %d MB resident at most, in %s", body, result, held>>20, time.Since(begun).Round(time.Second))
		if result != fmt.Sprint(rows) {
			t.Errorf("%s: got %s, want %d\n%s", body, result, rows, out)
		}
		if held > maxResident || held == 0 {
			t.Errorf("%s: %d bytes were resident, want at most %d", body, held, maxResident)
		}
	}
}

// TestSharedTextsGoToAFile has more texts than are held in memory.
func TestSharedTextsGoToAFile(t *testing.T) {
	t.Parallel()
	var texts, rows strings.Builder
	texts.WriteString(`<sst ` + sheetSpace + `>`)
	const n = 4000
	for i := range n {
		fmt.Fprintf(&texts, "<si><t>%d %s</t></si>", i, strings.Repeat("x", 10_000))
		fmt.Fprintf(&rows, `<row><c t="s"><v>%d</v></c><c t="s"><v>0</v></c><c t="s"><v>%d</v></c></row>`, n-1-i, i)
	}
	texts.WriteString(`</sst>`)
	got, err := hostlib.XLSXRows([]byte(bookOf(t, sheetOf(rows.String()), texts.String(), "", "")), false)
	if err != nil || len(got) != n {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	for i, row := range got {
		for k, want := range []int{n - 1 - i, 0, i} {
			if text := row.([]hostlib.Value)[k].(string); !strings.HasPrefix(text, fmt.Sprintf("%d x", want)) || len(text) != len(fmt.Sprint(want))+10_001 {
				t.Fatalf("row %d, column %d: %.20s", i, k, text)
			}
		}
	}
}

// FuzzXLSX reads spreadsheets of any parts: rows have the columns that the header
// has, and errors are said in words.
func FuzzXLSX(f *testing.F) {
	f.Add(sheetOf(`<row r="1"><c r="A1" t="s"><v>0</v></c><c t="s"><v>3</v></c></row><row r="3"><c r="B3" s="2"><v>43831.5</v></c></row>`), someTexts, someStyles)
	f.Add(sheetOf(`<row><c t="inlineStr"><is><t>a</t></is></c></row><row><c t="e"><v>#N/A</v></c><c><f>1</f></c></row>`), "", "")
	f.Add(sheetOf(`<row r="1048576"><c r="XFD1048576" s="99"><v>1e999</v></c></row>`), `<sst/>`, `<styleSheet><cellXfs><xf numFmtId="x"/></cellXfs></styleSheet>`)
	f.Add(`<a><sheetData><row><c t="d"><v>2020</v></c><c t="str"><v>_x0000_</v></c>`, `<sst><si><rPh><t>`, `<styleSheet><numFmts><numFmt numFmtId="1" formatCode='[h"'/>`)
	f.Add(bookOf(f, sheetOf(`<row><c><v>1</v></c></row>`), someTexts, someStyles, ""), "zip", "")
	f.Fuzz(func(t *testing.T, sheet, texts, styles string) {
		book := sheet // as it is
		if texts != "zip" {
			book = bookOf(t, sheet, texts, styles, "")
		}
		for _, header := range []bool{true, false} {
			rows, err := hostlib.XLSXRows([]byte(book), header)
			var failure *engine.Failure
			if err != nil && !errors.As(err, &failure) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Logf("an error without a code: %v", err)
			}
			for _, row := range rows {
				if d, ok := row.(*hostlib.Dict); ok && (len(d.Names) != len(d.Values) || len(d.Names) == 0) {
					t.Fatalf("a row of %d names and %d values", len(d.Names), len(d.Values))
				}
				if _, err := hostlib.EncodeJSON(row); err != nil && !strings.Contains(err.Error(), "bytes") {
					t.Fatalf("%v cannot be JSON: %v", row, err)
				}
			}
		}
	})
}
