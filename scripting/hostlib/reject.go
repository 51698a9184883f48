package hostlib

import (
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

var rejectFunc = &Func{
	Name: "reject", Doc: "Sets a row aside that cannot be used, and gives None, which writers leave out; give it to one of them, or to none. The row is kept when the hook commits, with the reason, and counted as rejected; once the script is mended, dsengine rejects redrive runs it again. The setting rejects says how many there may be.",
	Params: []Param{
		{Name: "row", Type: Any, Doc: "the row, or the whole item: data; bytes in it are kept as base64, times and decimals as their text"},
		{Name: "reason", Type: Any, Doc: "why, for people; an error object, from catch say, is its message. Where the row is (\"while at ...\") is left out of it: see source and line"},
		{Name: "source", Type: String, Default: None, Named: true, Doc: "where it came from; None: what the loop over it reads, else the file that the hook has read, if it was one only. A row that is redriven keeps its own"},
		{Name: "line", Type: Int, Default: None, Named: true, Doc: "its line there, from 1; None: the one of the row that the loop is at, or of the very row, if it is one of a batch"},
	},
	Effect:  Write,
	Example: "[r if r[\"id\"] != \"2\" else reject(r, \"too late\") for r in csv.read(\"data/people.csv\")]  # [{\"id\": \"1\", \"name\": \"Ada\"}, None]",
	Lua:     "local function in_time(r)\n  if r.id == \"2\" then return reject(r, \"too late\") end\n  return r\nend\nlist(iter.map(in_time, csv.read(\"data/people.csv\")))  -- {{id = \"1\", name = \"Ada\"}, null}",
	Do: func(c *Call, a *Args) (Value, error) {
		reason := ""
		switch r := c.Lang.Plain(a.Value("reason")).(type) {
		case string:
			reason = r
		case *failure:
			reason = r.f.Message
		default:
			return nil, Errorf("usage", "reason: got %s, wanted string or an error object", c.Lang.TypeName(a.Value("reason")))
		}
		line := a.Int("line")
		if a.Given("line") && line < 1 {
			return nil, Errorf("usage", "line: got %d, wanted at least 1", line)
		}
		r := engine.Rejection{Reason: whereabouts.ReplaceAllString(reason, ""), Source: a.String("source"), Line: line, Loose: line == 0}
		if !a.Given("source") {
			c.locate(a.Value("row"), &r)
		}
		err := c.reject(a.Value("row"), r)
		if err == nil && !c.Lang.Drops("reject") {
			c.nones++
		}
		return nil, err
	},
}

// whereabouts is what errors say of where in an input they happened: rejects
// have columns of their own for that, and reasons by which they can be grouped.
var whereabouts = regexp.MustCompile(` \(while at (?:[^()]|\([^()]*\))*\)`)

// locate says where a row comes from of which the script does not say it.
func (c *Call) locate(row Value, r *engine.Rejection) {
	s, known := c.Lang.Spot(row)
	switch {
	case known:
		if r.Source = s.Source; r.Line == 0 {
			r.Line = s.N
		}
	case c.opened == 1 && c.Hook.Job().Redrive == 0: // rows that are redriven have their own
		r.Source = c.source
	}
}

// reject keeps a row that cannot be used, as r says. An error ends the hook.
func (c *Call) reject(row Value, r engine.Rejection) error {
	var err error
	if r.Row, err = c.encode(row, JSONForm{Kept: true, Any: true}); err != nil {
		return Errorf("usage", "row: %v", err)
	}
	c.rejected++
	return c.Hook.Reject(r)
}

// rejectRead keeps a row that a reader cannot use. reason may begin with source
// and line, which are kept apart.
func (c *Call) rejectRead(row Value, reason, source string, line int64) error {
	for _, where := range []string{Spot{Source: source, Unit: "line", N: line}.String() + ":", source + ","} {
		if rest, ok := strings.CutPrefix(reason, where); ok {
			reason = strings.TrimSpace(rest)
			break
		}
	}
	c.read(1)
	return c.reject(row, engine.Rejection{Reason: reason, Source: source, Line: line, Loose: source == streamName})
}

// NewRejected iterates over the rows that the hook redrive is to work on.
func NewRejected(c *Call) Iterator {
	rows := rowsOf(c.iterator("redrive's rows", func() (Value, error) {
		x, err := c.Hook.NextRejected()
		if err != nil {
			return nil, err
		}
		s := Spot{Reject: x.ID}
		if x.Source != nil {
			s.Source = *x.Source
		}
		if x.Line != nil {
			s.Unit, s.N = "line", *x.Line
		}
		c.came(s)
		return c.Lang.Native(JSON(x.Row)) // writers and iter look into rows
	}, nil))
	rows.single = true
	return rows
}
