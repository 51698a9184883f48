package hostlib

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

var rejectFunc = &Func{
	Name: "reject", Doc: "Sets a row aside that cannot be used, and gives None, which writers leave out; give it to one of them, or to none. The row is kept when the hook commits, with the reason, and counted as rejected; once the script is mended, dsengine rejects redrive runs it again. The setting rejects says how many there may be.",
	Params: []Param{
		{Name: "row", Type: Any, Doc: "the row, or the whole item: data. Times and decimals in it are kept as their text, bytes as {\"_bytes\": base64}, of which the hook redrive gets bytes again"},
		{Name: "reason", Type: Any, Doc: "why, for people; an error object, from catch say, is its message and code, \"... (db.value)\", as readers and writers write it that reject. Where the row is (\"while at ...\") is left out of it: see source and line"},
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
			reason = whereabouts.ReplaceAllString(r, "")
		case *failure:
			reason = reasonOf(r.f)
		default:
			return nil, Errorf("usage", "reason: got %s, wanted string or an error object", c.Lang.TypeName(a.Value("reason")))
		}
		line := a.Int("line")
		if a.Given("line") && line < 1 {
			return nil, Errorf("usage", "line: got %d, wanted at least 1", line)
		}
		r := engine.Rejection{Reason: reason, Source: a.String("source"), Line: line, Loose: line == 0}
		if !a.Given("source") {
			c.locate(a.Value("row"), &r)
		}
		err := c.refuse(a.Value("row"), r)
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

// reasonOf is why a row is rejected, of the error that says so: its message without where
// that is, which is the first of some prefixes too, and its code.
func reasonOf(f *engine.Failure, where ...string) string {
	reason := whereabouts.ReplaceAllString(strings.Replace(f.Message, setsAside, "", 1), "")
	for _, w := range where {
		if rest, ok := strings.CutPrefix(reason, w); ok {
			reason = rest
			break
		}
	}
	if f.Code != "" {
		reason += " (" + f.Code + ")"
	}
	return reason
}

// refuse is reject for a row that no writer has got: a scan of records may not see it.
func (c *Call) refuse(row Value, r engine.Rejection) error {
	switch {
	case c.scanning:
		c.unseen.add(row)
	case !c.scanned:
		c.before.add(row)
	}
	return c.reject(row, r)
}

// reject keeps a row that cannot be used, as r says. An error ends the hook.
func (c *Call) reject(row Value, r engine.Rejection) error {
	var err error
	if r.Row, err = c.encode(row, JSONForm{Kept: true, Any: true}); err != nil {
		return Errorf("usage", "row: %v", err)
	}
	r.Loose = r.Loose || r.Line == 0 || r.Source == streamName
	c.rejected++
	return c.Hook.Reject(r)
}

// rejectRead keeps a row that a reader cannot use.
func (c *Call) rejectRead(row Value, why *engine.Failure, source string, line int64) error {
	at := Spot{Source: source, Unit: "line", N: line}.String()
	c.read(1)
	return c.refuse(row, engine.Rejection{Reason: reasonOf(why, at+": ", at+", ", source+": ", source+", "), Source: source, Line: line})
}

// bytesName is the name by which bytes stand in a rejected row, in a dict.
const bytesName = "_bytes"

// restored is a rejected row with its bytes: see JSONForm.Any.
func restored(v Value) Value {
	switch v := v.(type) {
	case *Dict:
		if len(v.Names) == 1 && v.Names[0] == bytesName {
			if text, ok := v.Values[0].(string); ok {
				if b, err := base64.StdEncoding.DecodeString(text); err == nil {
					return b
				}
			}
		}
		restored(v.Values)
	case []Value:
		for i := range v {
			v[i] = restored(v[i])
		}
	}
	return v
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
		row := Value(JSON(x.Row))
		if bytes.Contains(x.Row, []byte(bytesName)) {
			if row, err = DecodeJSON(x.Row); err != nil {
				return nil, err
			}
			row = restored(row)
		}
		return c.Lang.Native(row) // writers and iter look into rows
	}, nil))
	rows.single = true
	return rows
}
