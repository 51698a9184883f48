package hostlib

import (
	"archive/zip"
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/xml"
	"io"
	"path"
	"strconv"
	"strings"
)

const (
	// maxXLSXPart bounds what is read of a book besides its sheets and texts, part
	// by part, in bytes; maxXLSXRow one row, or one text.
	maxXLSXPart = 64 << 20
	maxXLSXRow  = 16 << 20
	// maxXLSXText bounds the texts that cells share, in bytes and in number.
	maxXLSXText  = 2 << 30
	maxXLSXTexts = 64 << 20
	// maxXLSXStyles is how many styles are looked at: twice what Excel allows.
	maxXLSXStyles = 1 << 17
)

// xlsxBook is a spreadsheet that is read. The library that writes them reads them
// too, but gives cells as text, without their types, and takes a sheet that is
// damaged for one that has ended.
type xlsxBook struct {
	c       *Call
	size    int64  // of the file, in bytes
	name    string // for messages
	close   func() error
	parts   map[string]*zip.File // by path in lower case
	main    string               // the path of the book itself
	rels    []xlsxRel            // of it
	sheets  []xlsxSheet
	from04  bool // days are counted from 1904
	formats []xlsxFormat
	texts   *xlsxTexts // nil: not read yet
}

type xlsxSheet struct{ name, part string }

// xlsxRel is a relation to another part.
type xlsxRel struct{ id, kind, target string }

// openBook opens what a parameter of type Source was given.
func (c *Call) openBook(v Value) (*xlsxBook, error) {
	in, err := c.seekable(v)
	if err != nil {
		return nil, err
	}
	b, err := c.newBook(in, in.size, in.name)
	if err != nil {
		in.close()
		return nil, err
	}
	b.close = in.close
	return b, nil
}

// newBook reads what there is in a book.
func (c *Call) newBook(f io.ReaderAt, size int64, name string) (*xlsxBook, error) {
	b := &xlsxBook{c: c, name: name, size: size, close: nothing, parts: map[string]*zip.File{}}
	head := make([]byte, 8)
	if n, _ := f.ReadAt(head, 0); n == len(head) && string(head) == "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" {
		return nil, Errorf("xlsx.kind", "%s is protected by a password, or is an old .xls: save it as .xlsx without one", name)
	}
	z, err := openZip(name, f, size)
	if err != nil {
		return nil, err
	}
	for _, h := range z.File {
		b.parts[partKey(h.Name)] = h
	}
	return b, b.contents()
}

// partKey is the one form in which paths of parts are compared.
func partKey(p string) string {
	return strings.ToLower(strings.TrimPrefix(path.Clean(strings.ReplaceAll(p, "\\", "/")), "/"))
}

// Close gives up the file.
func (b *xlsxBook) Close() error {
	if b.texts != nil {
		b.texts.Close()
	}
	return b.close()
}

// part opens a part; nil if there is none.
func (b *xlsxBook) part(p string, max int) (*xmlReader, error) {
	h := b.parts[partKey(p)]
	if h == nil {
		return nil, nil
	}
	r, err := openZipped(b.name, h, b.size)
	if err != nil {
		return nil, err
	}
	in, err := b.c.inputFrom(h.Name+" in "+b.name, r, nil, "utf-8")
	if err != nil {
		return nil, err
	}
	return newXMLReader(in, true, nil, max), nil
}

// each gives the starts of all elements of a part; there need not be one.
func (b *xlsxBook) each(p string, visit func(r *xmlReader, t xml.StartElement) error) error {
	r, err := b.part(p, maxXLSXPart)
	for r != nil && err == nil {
		var t xml.Token
		if t, err = r.token(); err == nil {
			if start, ok := t.(xml.StartElement); ok {
				err = visit(r, start)
			}
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// attrOf is an attribute by its name, without a prefix.
func attrOf(t xml.StartElement, name string) string {
	for i := range t.Attr {
		if t.Attr[i].Name.Local == name && t.Attr[i].Name.Space == "" {
			return t.Attr[i].Value
		}
	}
	return ""
}

// relsOf are the relations of a part.
func (b *xlsxBook) relsOf(p string) (rels []xlsxRel, err error) {
	dir, base := path.Split(p)
	err = b.each(dir+"_rels/"+base+".rels", func(_ *xmlReader, t xml.StartElement) error {
		if t.Name.Local != "Relationship" || attrOf(t, "TargetMode") == "External" {
			return nil
		}
		target := attrOf(t, "Target")
		if !strings.HasPrefix(target, "/") {
			target = path.Join(dir, target)
		}
		rels = append(rels, xlsxRel{attrOf(t, "Id"), path.Base(attrOf(t, "Type")), target})
		return nil
	})
	return rels, err
}

// contents finds the sheets, and reads the formats of cells.
func (b *xlsxBook) contents() error {
	rels, err := b.relsOf("")
	if err != nil {
		return err
	}
	b.main = cmp.Or(targetOf(rels, "officeDocument"), "xl/workbook.xml")
	switch {
	case strings.HasSuffix(b.main, ".bin"):
		return Errorf("xlsx.kind", "%s is an .xlsb, which cannot be read here: save it as .xlsx", b.name)
	case b.parts[partKey(b.main)] == nil:
		return Errorf("xlsx.kind", "%s is no spreadsheet: there is no %s in it", b.name, b.main)
	}
	if b.rels, err = b.relsOf(b.main); err != nil {
		return err
	}
	sheets := map[string]string{} // parts by id
	for _, r := range b.rels {
		if r.kind == "worksheet" {
			sheets[r.id] = r.target
		}
	}
	err = b.each(b.main, func(r *xmlReader, t xml.StartElement) error {
		switch t.Name.Local {
		case "workbookPr":
			b.from04, _ = strconv.ParseBool(attrOf(t, "date1904"))
		case "sheet":
			id := ""
			for _, a := range t.Attr {
				if a.Name.Local == "id" && strings.HasSuffix(r.space(a.Name.Space), "/relationships") {
					id = a.Value
				}
			}
			if part := sheets[id]; part != "" { // others are charts, and macros
				b.sheets = append(b.sheets, xlsxSheet{attrOf(t, "name"), part})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.styles()
}

// targetOf is the path of the first part of a kind; "" if there is none.
func targetOf(rels []xlsxRel, kind string) string {
	for _, r := range rels {
		if r.kind == kind {
			return r.target
		}
	}
	return ""
}

// styles reads which cells hold dates.
func (b *xlsxBook) styles() error {
	own := map[string]xlsxFormat{}
	return b.each(targetOf(b.rels, "styles"), func(r *xmlReader, t xml.StartElement) error {
		parent := ""
		if n := len(r.open); n > 1 {
			parent = r.open[n-2].Local
		}
		switch {
		case t.Name.Local == "numFmt" && parent == "numFmts" && len(own) < maxXLSXStyles:
			own[attrOf(t, "numFmtId")] = xlsxFormatOf(attrOf(t, "formatCode"))
		case t.Name.Local == "xf" && parent == "cellXfs":
			if len(b.formats) == maxXLSXStyles {
				return Errorf("xlsx.size", "%s has more than %d styles", b.name, maxXLSXStyles)
			}
			id := attrOf(t, "numFmtId")
			f, ok := own[id]
			if !ok {
				f = xlsxBuiltin(id)
			}
			b.formats = append(b.formats, f)
		}
		return nil
	})
}

// text is one of the texts that cells share.
func (b *xlsxBook) text(i int) (string, error) {
	if b.texts == nil {
		b.texts = &xlsxTexts{}
		if err := b.readTexts(); err != nil {
			return "", err
		}
	}
	return b.texts.get(i)
}

func (b *xlsxBook) readTexts() error {
	r, err := b.part(targetOf(b.rels, "sharedStrings"), maxXLSXRow)
	if r == nil || err != nil {
		return err
	}
	for {
		r.guard.reset()
		t, err := r.token()
		if err == io.EOF {
			return b.texts.done()
		}
		if err != nil {
			return err
		}
		if start, ok := t.(xml.StartElement); ok && start.Name.Local == "si" {
			text, err := xlsxText(r)
			if err == nil {
				err = b.texts.add(text, b.name)
			}
			if err != nil {
				return err
			}
		}
	}
}

// xlsxText reads the text of an element whose start was read: its pieces, without
// what tells how to pronounce it.
func xlsxText(r *xmlReader) (string, error) {
	var b strings.Builder
	depth, silent := len(r.open), 0
	for {
		t, err := r.token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "rPh" && silent == 0 {
				silent = len(r.open)
			}
		case xml.EndElement:
			if len(r.open) < depth {
				return unescapeXLSX(b.String()), nil
			}
			if len(r.open) < silent {
				silent = 0
			}
		case xml.CharData:
			if silent == 0 && r.open[len(r.open)-1].Local == "t" {
				b.Write(t)
			}
		}
	}
}

// unescapeXLSX reads the form in which a cell's text has characters that XML
// cannot hold: _x000D_.
func unescapeXLSX(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "_x")
		if i < 0 || i+7 > len(s) {
			b.WriteString(s)
			return b.String()
		}
		n, err := strconv.ParseUint(s[i+2:i+6], 16, 16)
		if err != nil || s[i+6] != '_' || n >= 0xD800 && n < 0xE000 {
			b.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		b.WriteRune(rune(n))
		s = s[i+7:]
	}
}

// xlsxTextMemory is how much of the texts is kept in memory, in bytes; beyond that,
// all of them are in temporary files.
var xlsxTextMemory = 4 << 20

// xlsxTexts are the texts that cells share, by number.
type xlsxTexts struct {
	n     int
	size  int64 // bytes of all texts
	text  []byte
	ends  []uint32 // where each ends in text
	files *xlsxTextFiles
}

// xlsxTextFiles hold the texts, and where each ends, in eight bytes.
type xlsxTextFiles struct {
	text, ends   scratch
	wText, wEnds *bufio.Writer // nil once all is written
	rText, rEnds pages
	// Some that were read, by number: cells of a column often have the same one.
	recent [1024]struct {
		n    int // from 1
		text string
	}
}

// add adds the next text.
func (x *xlsxTexts) add(s, name string) error {
	x.n++
	if x.size += int64(len(s)); x.size > maxXLSXText || x.n > maxXLSXTexts {
		return Errorf("xlsx.size", "%s has more than %d MB of texts, or more than %d of them", name, maxXLSXText>>20, maxXLSXTexts)
	}
	if x.files == nil && len(x.text)+len(s)+4*len(x.ends) <= xlsxTextMemory {
		x.text = append(x.text, s...)
		x.ends = append(x.ends, uint32(len(x.text)))
		return nil
	}
	if x.files == nil {
		if err := x.spill(); err != nil {
			return err
		}
	}
	if _, err := x.files.wText.WriteString(s); err != nil {
		return err
	}
	return x.end(x.size)
}

func (x *xlsxTexts) end(at int64) error {
	_, err := x.files.wEnds.Write(binary.LittleEndian.AppendUint64(nil, uint64(at)))
	return err
}

// spill writes what is in memory to files.
func (x *xlsxTexts) spill() (err error) {
	f := &xlsxTextFiles{}
	if f.text, err = newScratch(); err != nil {
		return err
	}
	if f.ends, err = newScratch(); err != nil {
		f.text.Close()
		return err
	}
	f.wText, f.wEnds = bufio.NewWriterSize(onDisk{f.text.File}, inputBuffer), bufio.NewWriterSize(onDisk{f.ends.File}, inputBuffer)
	x.files = f
	if _, err := f.wText.Write(x.text); err != nil {
		return err
	}
	for _, at := range x.ends {
		if err := x.end(int64(at)); err != nil {
			return err
		}
	}
	x.text, x.ends = nil, nil
	return nil
}

// done is called after the last text was added.
func (x *xlsxTexts) done() error {
	if x.files == nil {
		return nil
	}
	f := x.files
	if err := f.wText.Flush(); err != nil {
		return err
	}
	if err := f.wEnds.Flush(); err != nil {
		return err
	}
	f.wText, f.wEnds = nil, nil
	f.rText.file, f.rEnds.file = f.text, f.ends
	return nil
}

// get is the i-th text.
func (x *xlsxTexts) get(i int) (string, error) {
	if i < 0 || i >= x.n {
		return "", Errorf("xlsx.syntax", "it has the text number %d, and there are %d", i, x.n)
	}
	if x.files == nil {
		from := uint32(0)
		if i > 0 {
			from = x.ends[i-1]
		}
		return string(x.text[from:x.ends[i]]), nil
	}
	return x.files.get(i)
}

func (f *xlsxTextFiles) get(i int) (string, error) {
	known := &f.recent[i%len(f.recent)]
	if known.n == i+1 {
		return known.text, nil
	}
	var ends [16]byte
	err := error(nil)
	if i == 0 {
		err = f.rEnds.read(ends[8:], 0)
	} else {
		err = f.rEnds.read(ends[:], int64(i-1)*8)
	}
	if err != nil {
		return "", err
	}
	from, to := binary.LittleEndian.Uint64(ends[:]), binary.LittleEndian.Uint64(ends[8:])
	text := make([]byte, to-from)
	if err := f.rText.read(text, int64(from)); err != nil {
		return "", err
	}
	known.n, known.text = i+1, string(text)
	return known.text, nil
}

// Close gives up the files.
func (x *xlsxTexts) Close() {
	if x.files != nil {
		x.files.text.Close()
		x.files.ends.Close()
	}
}

// pageSize is how much of a temporary file is read at once.
const pageSize = 16 << 10

// pages are those parts of a temporary file that were read last: what is looked up
// one after the other is mostly near what was before.
type pages struct {
	file io.ReaderAt
	kept [16]struct {
		n    int64 // from 1
		data []byte
	}
}

// read fills b with what the file has from at on.
func (p *pages) read(b []byte, at int64) error {
	for len(b) > 0 {
		n := at / pageSize
		page := &p.kept[n%int64(len(p.kept))]
		if page.n != n+1 {
			if page.data == nil {
				page.data = make([]byte, pageSize)
			}
			got, err := p.file.ReadAt(page.data[:pageSize], n*pageSize)
			if page.n = 0; err != nil && err != io.EOF {
				return scratchError(err)
			}
			page.data, page.n = page.data[:got], n+1
		}
		from := int(at % pageSize)
		if from >= len(page.data) {
			return scratchError(io.ErrUnexpectedEOF)
		}
		k := copy(b, page.data[from:])
		b, at = b[k:], at+int64(k)
	}
	return nil
}
