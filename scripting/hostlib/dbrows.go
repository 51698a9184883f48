package hostlib

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// write hands rows to a session, and counts what became of them.
func (c *Call) write(a *Args, f func(engine.RowSource) (engine.Stats, error)) (Value, error) {
	rows := &rowSource{c: c, it: a.Iterator("rows"), writes: true, merges: a.f.Name == "merge"}
	rows.origins.on = Steady(rows.it)
	if a.f.Param("key") != nil {
		rows.key = a.Strings("key")
	}
	defer rows.it.Close()
	if rows.merges && through(rows.it, "records.changed") {
		return nil, Errorf("usage", "rows: db.merge deletes what is not among its rows, and records.changed leaves out those that are unchanged: give it all rows, or write these by db.upsert")
	}
	var source engine.RowSource = rows
	if a.String("on_bad") == "reject" {
		if c.Hook == nil {
			return nil, Errorf("usage", "on_bad: rows can be rejected in a hook only, not while the script is loaded")
		}
		rows.rejecting = true
		source = rejecter{rows}
	}
	var stats engine.Stats
	take := func() (err error) { stats, err = f(source); return err }
	var err error
	if c.Hook != nil {
		err = c.Hook.Gather(take)
	} else {
		err = take()
	}
	if err != nil {
		return nil, rows.origins.tell(rows.told(err))
	}
	all := engine.Stats{}
	all.Add(stats)
	if c.Hook != nil {
		c.Hook.AddStats(all)
	}
	if rows.unlike != "" && c.Hook != nil {
		c.Log(slog.LevelWarn, fmt.Sprintf("db.merge: %s: what %s has there stays as it was; for NULL, write %s into the row", rows.unlike, a.String("table"), c.Lang.TypeName(nil)), nil)
	}
	if n := rows.skipped; n > 0 {
		all["skipped"] += n
		if n = c.skipped(n); n > 0 && c.Hook != nil {
			_ = c.Hook.Count("skipped", n)
		}
	}
	if rows.rejecting {
		all["rejected"] = rows.rejected
	}
	return &statistics{all}, nil
}

// setsAside is said of what is wrong with a row, where rows can be rejected.
const setsAside = `; on_bad = "reject" sets such rows aside`

// told says in an error about a row which key that has, and what can be done with such rows.
func (s *rowSource) told(err error) error {
	var f *engine.Failure
	if !errors.As(err, &f) || f.Row == 0 {
		return err
	}
	told, row := *f, fmt.Sprintf("row %d", f.Row)
	if rest, ok := strings.CutPrefix(f.Message, row+": "); ok && f.Key != "" && !strings.Contains(rest, f.Key) {
		told.Message = row + " (" + f.Key + "): " + rest
	}
	if s.c.Hook != nil && !s.rejecting && (f.Code == "db.value" || f.Code == "db.constraint") {
		told.Message += setsAside
	}
	return &told
}

// rejecter is a rowSource that takes rows back.
type rejecter struct{ *rowSource }

// Reject sets a row aside that the database refuses.
func (s rejecter) Reject(_ context.Context, row engine.Row, why *engine.Failure) error {
	return s.reject(row, why)
}

// reject sets a row aside.
func (s *rowSource) reject(row engine.Row, why *engine.Failure) error {
	at := s.origins.spot(row.At)
	s.rejected++
	return s.c.reject(&Dict{Names: row.Names, Values: row.Values}, engine.Rejection{Reason: reasonOf(why, fmt.Sprintf("row %d: ", row.At)), Source: at.Source, Line: at.N})
}

// mergeSpec reads the arguments of merge.
func (c *Call) mergeSpec(a *Args) (spec engine.Merge, err error) {
	spec.Key, spec.Where = a.Strings("key"), a.String("where")
	if len(spec.Key) == 0 {
		return spec, Errorf("usage", "key: got an empty list, wanted the columns of a unique index")
	}
	if a.Given("args") {
		values, err := c.listOf("args", a.Value("args"))
		if err != nil {
			return spec, err
		}
		if spec.Where == "" && len(values) > 0 {
			return spec, Errorf("usage", "args are the values for where, which is not given")
		}
		if spec.Args, err = c.sqlArgs(values); err != nil {
			return spec, err
		}
	}
	spec.MaxDelete, spec.Share, err = parseAmount("max_delete", c.Lang.Plain(a.Value("max_delete")))
	return spec, err
}

// listOf gives the elements of a list.
func (c *Call) listOf(name string, v Value) ([]Value, error) {
	it, ok := c.Iterate(c.Lang.Plain(v))
	if !ok {
		return nil, Errorf("usage", "%s: got %s, wanted a list", name, c.Lang.TypeName(v))
	}
	return takeAll(it)
}

// takeAll gives all elements of an iterator, and closes it.
func takeAll(it Iterator) ([]Value, error) {
	defer it.Close()
	list := []Value{}
	for {
		e, err := it.Next()
		if isEOF(err) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
}

// parseAmount reads a number, a share such as "10%", or "all". With share, n is
// of a hundred.
func parseAmount(name string, v Value) (n float64, share bool, err error) {
	switch v := v.(type) {
	case int64:
		if v >= 0 {
			return float64(v), false, nil
		}
	case string:
		if v == "all" {
			return math.Inf(1), false, nil
		}
		if number, ok := strings.CutSuffix(v, "%"); ok {
			if n, err = strconv.ParseFloat(strings.TrimSpace(number), 64); err == nil && n >= 0 && n <= 100 {
				return n, true, nil
			}
		}
	}
	return 0, false, Errorf("usage", "%s: got %v, wanted a number of rows such as 100, a share such as \"10%%\", or \"all\"", name, v)
}

// rowFiller is a Language that writes rows into a dict of the caller's, which
// spares making one for each.
type rowFiller interface {
	// RowInto does what Row does: the dict's names are shared if they are the row's,
	// its values are written over.
	RowInto(v Value, into *Dict) (bool, error)
}

// rowSource gives a script's rows to a session.
type rowSource struct {
	c       *Call
	it      Iterator
	key     []string
	row     Dict // the last one
	origins origins
	n       int64
	skipped int64
	writes  bool // into a database
	merges  bool // the table becomes what they are

	first   []string // the columns of the first row of merge
	firstAt int64
	unlike  string // what another one does not have

	rejecting bool // rows that cannot be written are set aside
	rejected  int64
}

// Next is the next row. It is valid until the next call.
func (s *rowSource) Next(context.Context) (engine.Row, error) {
	for {
		v, err := s.it.Next()
		if err == nil && s.writes && s.c.Hook != nil {
			err = s.c.Hook.Writing() // what gives the rows may wait in a catch now
		}
		if err != nil {
			return engine.Row{}, err
		}
		s.n++
		if s.origins.on || !s.rejecting {
			s.origins.note(s.n, s.c)
		} else {
			var r engine.Rejection
			s.c.locate(v, &r)
			s.origins.add(s.n, Spot{Source: r.Source, Unit: "line", N: r.Line})
		}
		ok, err := s.take(v)
		switch {
		case err != nil:
			return engine.Row{}, s.bad(": %v", err)
		case !ok && s.c.Lang.Plain(v) == nil:
			s.skipped++
			continue
		case !ok:
			return engine.Row{}, s.bad(": got %s, wanted a dict by column, or %s to leave it out", s.c.Lang.TypeName(v), s.c.Lang.TypeName(nil))
		case len(s.row.Names) == 0:
			return engine.Row{}, s.bad(" has no columns")
		}
		if s.merges {
			s.compare()
		}
		row := engine.Row{Names: s.row.Names, Values: s.row.Values, At: s.n}
		for i, v := range s.row.Values {
			code, why := "db.value", ""
			switch v.(type) {
			case string, int64:
				continue
			case nil:
				if !slices.Contains(s.key, s.row.Names[i]) {
					continue
				}
				code, why = "db.constraint", fmt.Sprintf("got %s, wanted a value: the column is part of the key", s.c.Lang.TypeName(nil)) // it would be equal to nothing, not even to None
			default:
				if v, ok = scalar(v); !ok {
					why = fmt.Sprintf("got %s, wanted %s, bool, number, string, bytes or time; lists and dicts go in as text by json.encode", s.c.kindOf(s.row.Values[i]), s.c.Lang.TypeName(nil))
					v, err = s.c.Lang.Data(s.row.Values[i])
				}
			}
			switch {
			case why == "":
				s.row.Values[i] = v
				continue
			case !s.rejecting, err != nil: // what is no data, such as a function, is no fault of the row
				return engine.Row{}, s.bad(", column %q: %s", s.row.Names[i], why)
			case row.Bad == nil:
				row.Bad = Errorf(code, "column %q: %s", s.row.Names[i], why)
				row.Bad.Row = s.n
			}
			s.row.Values[i] = v
		}
		return row, nil
	}
}

// compare notes, once, that the last row has not the columns of the first one.
func (s *rowSource) compare() {
	names := s.row.Names
	switch {
	case s.first == nil:
		s.first, s.firstAt = slices.Clone(names), s.n
		return
	case s.unlike != "" || slices.Equal(s.first, names):
		return
	}
	lacks := func(a, b []string, row, other int64) {
		for _, name := range b {
			if s.unlike == "" && !slices.Contains(a, name) {
				s.unlike = fmt.Sprintf("row %d has no column %q, and row %d has one", row, name, other)
			}
		}
	}
	lacks(names, s.first, s.n, s.firstAt)
	lacks(s.first, names, s.firstAt, s.n)
}

// bad is what is wrong with the last row.
func (s *rowSource) bad(format string, args ...any) error {
	f := Errorf("usage", "row %d"+format, append([]any{s.n}, args...)...)
	f.Row = s.n
	return f
}

// take makes a value the row; false if it is no dict.
func (s *rowSource) take(v Value) (bool, error) {
	if f, ok := s.c.Lang.(rowFiller); ok {
		return f.RowInto(v, &s.row)
	}
	d, ok, err := s.c.Lang.Row(v, s.row.Names)
	if ok && err == nil {
		s.row.Names, s.row.Values = d.Names, append(s.row.Values[:0], d.Values...)
	}
	return ok, err
}

// statistics is what insert and upsert give.
type statistics struct{ engine.Stats }

// ObjectType is stats.
func (s *statistics) ObjectType() *ObjectType { return statsType }

var statsType = &ObjectType{
	Name: "stats", Doc: "What became of rows that were written.", Record: true,
	Text: func(v Value) string {
		raw, _ := EncodeJSON(statsDict(v.(*statistics).Stats))
		return string(raw)
	},
	Attrs: []Attr{
		statsAttr("inserted", "Rows that were new."),
		statsAttr("updated", "Rows that were there and have changed."),
		statsAttr("unchanged", "Rows that were there just so."),
		statsAttr("deleted", "Rows that were deleted."),
		statsAttr("rejected", "Rows that were set aside by on_bad = \"reject\"."),
		statsAttr("skipped", "None in place of a row, what reject gave too; the job's own count is without that."),
	},
}

func statsAttr(name, doc string) Attr {
	return Attr{Name: name, Type: "int", Doc: doc, Get: func(v Value) (Value, error) { return v.(*statistics).Stats[name], nil }}
}

// statsDict has the counts that the engine keeps first, then the others by name.
func statsDict(s engine.Stats) *Dict {
	d := &Dict{}
	for _, n := range engine.StatNames {
		if v, ok := s[n]; ok {
			d.Set(n, v)
		}
	}
	var others []string
	for n := range s {
		if !slices.Contains(engine.StatNames, n) {
			others = append(others, n)
		}
	}
	slices.Sort(others)
	for _, n := range others {
		d.Set(n, s[n])
	}
	return d
}
