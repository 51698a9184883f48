package hostlib

import "github.com/dsengine/dsengine/engine"

var rejectFunc = &Func{
	Name: "reject", Doc: "Sets a row aside that cannot be used, and gives None, which writers leave out. It is kept when the hook commits, with the reason, and counted as rejected; once the script is mended, dsengine rejects redrive runs it again. The setting rejects says how many there may be.",
	Params: []Param{
		{Name: "row", Type: Data, Doc: "the row, or the whole item"},
		{Name: "reason", Type: Any, Doc: "why, for people; an error object, from catch say, is its message"},
		{Name: "source", Type: String, Default: None, Named: true, Doc: "where it came from; None: the file that the hook has read, if it was one only"},
		{Name: "line", Type: Int, Default: None, Named: true, Doc: "its line there, from 1"},
	},
	Effect:  Write,
	Example: "[r if r[\"id\"] != \"2\" else reject(r, \"too late\") for r in csv.read(\"data/people.csv\")]  # [{\"id\": \"1\", \"name\": \"Ada\"}, None]",
	Lua:     "for row in csv.read(\"data/people.csv\") do\n  if row.id == \"2\" then reject(row, \"too late\") end\nend",
	Do: func(c *Call, a *Args) (Value, error) {
		reason := ""
		switch r := c.Lang.Plain(a.Value("reason")).(type) {
		case string:
			reason = r
		case *failure:
			reason = r.f.Message
		default:
			return nil, Errorf("usage", "reason: got %s, wanted string or an error object", c.Lang.TypeName(r))
		}
		line := a.Int("line")
		if a.Given("line") && line < 1 {
			return nil, Errorf("usage", "line: got %d, wanted at least 1", line)
		}
		source := a.String("source")
		if !a.Given("source") && c.opened == 1 {
			source = c.source
		}
		return nil, c.reject(a.Value("row"), reason, source, line)
	},
}

// reject keeps a row that cannot be used, with the reason. Source and line say
// where it came from; "" and 0 where that is not known. An error ends the hook.
func (c *Call) reject(row Value, reason, source string, line int64) error {
	raw, err := c.encode(row)
	if err != nil {
		return Errorf("usage", "row: %v", err)
	}
	return c.Hook.Reject(engine.Rejection{Row: raw, Reason: reason, Source: source, Line: line})
}

// NewRejected iterates over the rows that the hook redrive is to work on.
func NewRejected(c *Call) Iterator {
	return c.iterator("redrive's rows", func() (Value, error) {
		raw, err := c.Hook.NextRejected()
		if err != nil {
			return nil, err
		}
		return c.Lang.Native(JSON(raw)) // writers and iter look into rows
	}, nil)
}
