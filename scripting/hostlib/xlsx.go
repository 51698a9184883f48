package hostlib

var xlsxModule = &Module{
	Name: "xlsx",
	Doc: "Spreadsheets of Excel and LibreOffice (.xlsx, .xlsm). Cells have types: numbers are int or float, dates and points in time are times in UTC, times of a day text (\"09:30:00\"), " +
		"lengths of time durations; an empty cell is None; a formula is the value that was last calculated. " +
		"Of merged cells the first one has the value, the others are None. A number in a cell that is formatted as text is text, and text that looks like a number stays text.",
	Funcs: []*Func{
		{
			Name: "rows", Doc: "Reads the rows of a sheet. Lazy: a sheet of any size passes through; texts that cells share are held in memory up to 4 MB, and then in a temporary file. Rows without a value are left out. " +
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
			Lua:     "for row in xlsx.rows(\"data/people.xlsx\", {sheet = \"People\"}) do log.info(row.name) end",
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
				"Times are written in UTC, durations as text. Whole numbers of more than 15 digits and decimals are written as text, because spreadsheets would round them. Text is never taken for a formula.",
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
