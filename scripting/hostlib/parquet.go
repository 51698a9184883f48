package hostlib

import "io"

var parquetModule = &Module{
	Name: "parquet",
	Doc: "Parquet files. Whole numbers and decimals are exact; a date is text such as \"2026-01-31\", a time of day \"12:34:56\", as db gives them; " +
		"a timestamp is a time, in UTC; lists are lists, groups and maps are dicts, and what is null is None.",
	Funcs: []*Func{
		{
			Name: "read", Doc: "Reads rows. Lazy: a file of any size passes through, and of the columns only those that are asked for are read. Packed with snappy, gzip, zstd, lz4 or brotli. " +
				"A stream goes to a temporary file first, since the table of contents of a Parquet file is at its end.",
			Params: []Param{
				{Name: "src", Type: Source, Doc: "a path, or a stream of bytes"},
				{Name: "columns", Type: Strings, Default: []string(nil), Named: true, Doc: "the columns that rows have, in this order; none: all"},
				namesParam("the columns' names"),
				{Name: "raw", Type: Strings, Default: []string(nil), Named: true, Doc: "columns whose values are given as they are stored, as numbers and bytes: for text that is not UTF-8, say"},
			},
			Returns: "iterator of dict", Needs: "files", Effect: Read, Same: true,
			Example: "[r[\"name\"] for r in parquet.read(\"data/people.parquet\", columns = [\"name\"])]  # [\"Ada\", \"Grace\"]",
			Lua:     "list(parquet.read(\"data/people.parquet\", {columns = {\"name\"}}))  -- {{name = \"Ada\"}, {name = \"Grace\"}}",
			Do: func(c *Call, a *Args) (Value, error) {
				f, err := c.openParquet(a.Value("src"), a.Strings("raw"))
				if err != nil {
					return nil, err
				}
				r, err := f.reader(a.Strings("columns"), nameStyles[a.String("names")])
				if err != nil {
					f.in.close()
					return nil, err
				}
				s := rowsOf(c.openedBy("parquet.read", func() (Value, error) {
					row, err := r.next()
					if err != nil {
						return nil, err
					}
					c.read(1)
					c.atRow(f.in.name, r.n)
					return row, nil
				}, f.in.close))
				s.origin = c.origin(a.Value("src"))
				return s, nil
			},
		},
		{
			Name: "schema", Doc: "Describes the columns of a file: a dict with name, type, nullable, stored and fields for each. The type is one that db.ensure takes, or \"list\" or \"dict\", whose fields are described in the same way; " +
				"stored is the type in words of Parquet.",
			Params:  []Param{{Name: "src", Type: Source, Doc: "a path, or a stream of bytes"}},
			Returns: "list of dict", Needs: "files", Effect: Read, Same: true,
			Example: "{col[\"name\"]: col[\"type\"] for col in parquet.schema(\"data/people.parquet\")}  # {\"id\": \"integer\", \"name\": \"text\"}",
			Lua:     "parquet.schema(\"data/people.parquet\")[1].name  -- \"id\"",
			Do: func(c *Call, a *Args) (Value, error) {
				f, err := c.openParquet(a.Value("src"), nil)
				if err != nil {
					return nil, err
				}
				defer f.in.close()
				return describeAll(f.root.kids), nil
			},
		},
		{
			Name: "write", Doc: "Writes rows to a file. Lazy: they are asked for one by one. The file appears under its name once it is complete; one that was there is replaced. All columns may be None. " +
				"Text is converted to the type of its column, so that rows of csv.read can be written; what does not fit is an error.",
			Params: append(append([]Param{}, writeParams...),
				Param{Name: "columns", Type: DictOf, Named: true, Doc: "types by name, as for db.ensure: text, text(n), integer, float, decimal(p,s), boolean, date, time, timestamp, bytes or json"},
				Param{Name: "compression", Type: String, Default: "zstd", Named: true, Choices: []string{"zstd", "snappy", "none"}, Doc: "how the columns are packed"}),
			Returns: "written", Needs: "files", Effect: Outside,
			Example: "parquet.write(\"data/out/people.parquet\", [{\"id\": 1, \"name\": \"Ada\"}], columns = {\"id\": \"integer\", \"name\": \"text\"}).rows  # 1",
			Lua:     "parquet.write(\"data/out/people.parquet\", {{id = 1, name = \"Ada\"}}, {columns = {id = \"integer\", name = \"text\"}}).rows  -- 1",
			Do:      writeParquet,
		},
	},
}

// parquetFile is an open file of which the footer was read.
type parquetFile struct {
	c      *Call
	in     *seekable
	footer []byte
	root   *parquetNode
	leaves []*parquetNode
}

// Bounds of what a file may say of itself. Memory is given to it by what was
// read, not by what it says; these keep that small.
const (
	maxParquetFooter     = 32 << 20  // bytes
	maxParquetPage       = 128 << 20 // bytes of a page, unpacked
	maxParquetHeld       = 512 << 20 // bytes of the pages that are open at once
	maxParquetPageValues = 1 << 26   // values of a page, which may be nothing but null
	maxParquetValues     = 1 << 20   // values in lists and maps of one row
	maxParquetText       = 256 << 20 // bytes of text and bytes in one row
)

const parquetMagic = "PAR1"

// corrupt is the error about a file that is damaged, or none.
func (f *parquetFile) corrupt(format string, args ...any) error {
	return Errorf("parquet.corrupt", "%s: %v", f.in.name, Errorf("", format, args...))
}

// openParquet opens a file and reads its footer. raw are the columns that are
// given as they are stored.
func (c *Call) openParquet(src Value, raw []string) (*parquetFile, error) {
	in, err := c.seekable(src)
	if err != nil {
		return nil, err
	}
	f := &parquetFile{c: c, in: in}
	if err := f.open(raw); err != nil {
		in.close()
		return nil, err
	}
	return f, nil
}

func (f *parquetFile) open(raw []string) error {
	const ends = 2*len(parquetMagic) + 4
	if f.in.size < int64(ends) {
		return f.corrupt("it has %d bytes, too few for a Parquet file", f.in.size)
	}
	head, tail := make([]byte, len(parquetMagic)), make([]byte, 8)
	if err := f.readAt(head, 0); err != nil {
		return err
	}
	if err := f.readAt(tail, f.in.size-8); err != nil {
		return err
	}
	switch end := string(tail[4:]); {
	case end == "PARE":
		return Errorf("parquet.encrypted", "%s is encrypted, which cannot be read here", f.in.name)
	case string(head) != parquetMagic:
		return f.corrupt("it is no Parquet file: it does not begin with %s", parquetMagic)
	case end != parquetMagic:
		return Errorf("file.truncated", "%s ends too early: it is not complete", f.in.name)
	}
	size := int64(tail[0]) | int64(tail[1])<<8 | int64(tail[2])<<16 | int64(tail[3])<<24
	switch {
	case size > f.in.size-int64(ends):
		return f.corrupt("its footer is said to have %d bytes, more than the file", size)
	case size > maxParquetFooter:
		return Errorf("parquet.size", "%s has a footer of %d bytes, more than %d: write fewer row groups", f.in.name, size, maxParquetFooter)
	}
	f.footer = make([]byte, size)
	if err := f.readAt(f.footer, f.in.size-8-size); err != nil {
		return err
	}
	return f.readSchema(raw)
}

// readAt reads all of b from a place, or fails.
func (f *parquetFile) readAt(b []byte, at int64) error {
	n, err := f.in.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case err == nil || err == io.EOF:
		return Errorf("file.truncated", "%s ends too early: it is not complete", f.in.name)
	}
	return fileError(f.in.name, err)
}

// end is where the pages end.
func (f *parquetFile) end() int64 { return f.in.size - 8 - int64(len(f.footer)) }
