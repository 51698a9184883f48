package hostlib

import (
	"crypto/sha256"
	"io"
	"math/big"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

var (
	sourceParam    = Param{Name: "source", Type: String, Doc: "a name for where the rows come from; types and instances have sources of their own"}
	recordKeyParam = Param{Name: "key", Type: Any, Doc: "the row's key: a string or a whole number, or a list of them where the key has several columns"}
	fieldsParam    = Param{Name: "fields", Type: Strings, Default: None, Named: true, Doc: "the columns that count; None: all"}
)

var recordsModule = &Module{
	Name: "records",
	Doc:  "Which rows of a source are new, changed or the same as when they were taken last, and which id each has at its destination. What is noted commits with the job, or not at all; if another job changes it meanwhile, the hook runs again.",
	Funcs: []*Func{
		{
			Name: "changed", Doc: "Gives the rows that are new or changed, and marks them; the others are counted as unchanged. Lazy. A row counts as taken once it was given, so do something with it, or reject it: a redrive is given it once more. Within a job a row stays new or changed: a hook that begins again is given the same rows in the same order, and so is a job that is retried, as long as no other has taken them. Of rows with the same key each is compared with the one before, so the last one counts.",
			Params: []Param{
				sourceParam,
				{Name: "rows", Type: Iterable, Doc: "dicts; None in place of a row is skipped and counted"},
				{Name: "key", Type: Any, Named: true, Doc: "the column that identifies a row, or a list of columns; its values are strings or whole numbers"},
				fieldsParam,
				{Name: "whole", Type: Bool, Default: false, Named: true, Doc: "the rows are all that the source has, or with those that other items of the job read: then records.missing tells which are missing"},
			},
			Returns: "iterator of dict", Effect: Write,
			Example: "[r[\"name\"] for r in records.changed(\"crm\", [{\"id\": 1, \"name\": \"Ada\"}], key = \"id\")]  # [\"Ada\"]\n" +
				"db.upsert(\"people\", records.changed(\"people\", [{\"id\": 1, \"name\": \"Ada\"}], key = \"id\"), key = [\"id\"])",
			Lua: "list(records.changed(\"crm\", {{id = 1, name = \"Ada\"}}, {key = \"id\"}))  -- {{id = 1, name = \"Ada\"}}\ndb.upsert(\"people\", records.changed(\"people\", {{id = 1, name = \"Ada\"}}, {key = \"id\"}), {key = {\"id\"}})",
			Do: func(c *Call, a *Args) (Value, error) {
				r, err := c.Hook.Records(a.String("source"))
				if err != nil {
					return nil, err
				}
				key, err := c.keyColumns(a.Value("key"))
				if err != nil {
					return nil, err
				}
				s := &changedRows{c: c, r: r, it: a.Iterator("rows"), key: key, fields: a.Strings("fields"), lookAhead: changedAhead}
				if a.Bool("whole") {
					if s.scan, err = r.Scan(); err != nil {
						return nil, err
					}
					c.scanned = true
				}
				if c.Hook.Job().Redrive == engine.RedriveRows {
					s.lookAhead = 1 // what was read of them counts as redriven at the next commit
				}
				return c.derived("records.changed", s.next, s.it), nil
			},
		},
		{
			Name: "status", Doc: "Says whether one row is new, changed or the same, and marks nothing.",
			Params:  []Param{sourceParam, recordKeyParam, {Name: "row", Type: DictOf, Doc: "the row"}, fieldsParam},
			Returns: "string", Effect: Read,
			Example: "records.status(\"crm\", 7, {\"name\": \"Ada\"})  # \"new\"",
			Lua:     "records.status(\"crm\", 7, {name = \"Ada\"})  -- \"new\"",
			Do: func(c *Call, a *Args) (Value, error) {
				r, key, content, err := c.oneRecord(a)
				if err != nil {
					return nil, err
				}
				s, err := r.Status(key, content)
				return s.String(), err
			},
		},
		{
			Name: "mark", Doc: "Notes that one row was taken with this content.",
			Params: []Param{sourceParam, recordKeyParam, {Name: "row", Type: DictOf, Doc: "the row"}, fieldsParam}, Effect: Write,
			Example: "records.mark(\"crm\", 7, {\"name\": \"Ada\"})\nrecords.status(\"crm\", 7, {\"name\": \"Ada\"})  # \"same\"",
			Lua:     "records.mark(\"crm\", 7, {name = \"Ada\"})\nrecords.status(\"crm\", 7, {name = \"Ada\"})  -- \"same\"",
			Do: func(c *Call, a *Args) (Value, error) {
				r, key, content, err := c.oneRecord(a)
				if err != nil {
					return nil, err
				}
				return nil, r.Mark(key, content)
			},
		},
		{
			Name: "id", Doc: "Gives the id that a row has at its destination, as records.link noted it, or None. For many rows, records.ids asks once.",
			Params:  []Param{sourceParam, recordKeyParam},
			Returns: "string or int", Effect: Read,
			Example: "records.id(\"crm\", \"A-17\")  # None",
			Lua:     "records.id(\"crm\", \"A-17\")  -- nil",
			Do: func(c *Call, a *Args) (Value, error) {
				key, err := c.RecordKey(a.Value("key"))
				if err != nil {
					return nil, Errorf("usage", "key: %v", err)
				}
				ids, err := c.recordIDs(a.String("source"), []engine.RecordKey{key})
				if err != nil {
					return nil, err
				}
				return ids[0], nil
			},
		},
		{
			Name: "ids", Doc: "Gives the ids of many rows at their destination: a list in the order of the keys, with None for those that have none. It asks once for hundreds of them; in ctx.batches call it for each batch.",
			Params:  []Param{sourceParam, {Name: "keys", Type: Iterable, Doc: "the rows' keys"}},
			Returns: "list", Effect: Read,
			Example: "records.link(\"crm\", \"A-17\", 4711)\nrecords.ids(\"crm\", [\"A-17\", \"A-18\"])  # [4711, None]",
			Lua:     "records.link(\"crm\", \"A-17\", 4711)\nrecords.ids(\"crm\", {\"A-17\"})[1]  -- 4711",
			Do: func(c *Call, a *Args) (Value, error) {
				values, err := takeAll(a.Iterator("keys"))
				if err != nil {
					return nil, err
				}
				keys := make([]engine.RecordKey, len(values))
				for i, v := range values {
					if keys[i], err = c.RecordKey(v); err != nil {
						return nil, Errorf("usage", "key %d: %v", i+1, err)
					}
				}
				return c.recordIDs(a.String("source"), keys)
			},
		},
		{
			Name: "link", Doc: "Notes the id that a row has at its destination. If another job has linked the row to another id meanwhile, the hook runs again, and records.id tells.",
			Params: []Param{
				sourceParam, recordKeyParam,
				{Name: "id", Type: Any, Doc: "a string or a whole number"},
				{Name: "replace", Type: Bool, Default: false, Named: true, Doc: "in place of another id that the row has"},
			},
			Effect:  Write,
			Example: "records.link(\"crm\", [\"DE\", 7], \"person-7\")\nrecords.id(\"crm\", [\"DE\", 7])  # \"person-7\"",
			Lua:     "records.link(\"crm\", {\"DE\", 7}, \"person-7\")\nrecords.id(\"crm\", {\"DE\", 7})  -- \"person-7\"",
			Do: func(c *Call, a *Args) (Value, error) {
				r, err := c.Hook.Records(a.String("source"))
				if err != nil {
					return nil, err
				}
				key, err := c.RecordKey(a.Value("key"))
				if err != nil {
					return nil, Errorf("usage", "key: %v", err)
				}
				id, err := c.RecordID(a.Value("id"))
				if err != nil {
					return nil, err
				}
				return nil, r.Link(key, id, a.Bool("replace"))
			},
		},
		{
			Name: "missing", Doc: "Gives the rows of a source that this run has not seen: a dict with key, and id if it was linked, for each. The run is the job with all that it came from and emitted, so finish can ask for what no item has read. Read records.changed(..., whole = True) to its end before. If more than max_missing are missing, it is an error, so that half a file does not close everything. A row that was rejected is not missing if it was given by records.changed, or has the key of a row that is known, in the same form (1 is not \"1\"). If others were rejected before records.changed saw them, such as a line of a file that cannot be read, what is missing may be those, which is an error, too; new_rejects = True says that it cannot. Lazy. What was dealt with, records.forget forgets; else it is missing the next time too. A retry of an older job finds none that a newer one has seen.",
			Params: []Param{
				sourceParam,
				{Name: "max_missing", Type: Any, Default: "10%", Named: true, Doc: "how many may be missing: a number, a share of those that are known, or \"all\""},
				{Name: "new_rejects", Type: Bool, Default: false, Named: true, Doc: "rejected rows that are not known are new ones"},
			},
			Returns: "iterator of dict", Effect: Write,
			Example: "list(records.changed(\"crm\", [{\"id\": 1}, {\"id\": 2}], key = \"id\", whole = True))\nlist(records.missing(\"crm\"))  # []",
			Lua:     "list(records.changed(\"crm\", {{id = 1}, {id = 2}}, {key = \"id\", whole = true}))\nlist(records.missing(\"crm\"))  -- {}",
			Do: func(c *Call, a *Args) (Value, error) {
				r, err := c.Hook.Records(a.String("source"))
				if err != nil {
					return nil, err
				}
				limit, share, err := parseAmount("max_missing", c.Lang.Plain(a.Value("max_missing")))
				if err != nil {
					return nil, err
				}
				c.varies = true // by what others import meanwhile
				missing, names := r.Missing(limit, share, a.Bool("new_rejects")), []string{"key", "id"}
				return c.iterator("records.missing", func() (Value, error) {
					m, more, err := missing.Next()
					switch {
					case err != nil:
						return nil, err
					case !more:
						return nil, io.EOF
					}
					d := &Dict{Names: names, Values: make([]Value, 2)}
					if d.Values[0], err = DecodeJSON([]byte(m.Key.Text)); err == nil && m.ID != "" {
						d.Values[1], err = DecodeJSON([]byte(m.ID))
					}
					return d, err
				}, nil), nil
			},
		},
		{
			Name: "forget", Doc: "Forgets rows, their ids too: each is new when it comes again.",
			Params: []Param{sourceParam, {Name: "keys", Type: Iterable, Doc: "the rows' keys"}}, Effect: Write,
			Example: "records.mark(\"crm\", 7, {\"name\": \"Ada\"})\nrecords.forget(\"crm\", [7])\nrecords.status(\"crm\", 7, {\"name\": \"Ada\"})  # \"new\"",
			Lua:     "records.mark(\"crm\", 7, {name = \"Ada\"})\nrecords.forget(\"crm\", {7})\nrecords.status(\"crm\", 7, {name = \"Ada\"})  -- \"new\"",
			Do: func(c *Call, a *Args) (Value, error) {
				r, err := c.Hook.Records(a.String("source"))
				if err != nil {
					return nil, err
				}
				it := a.Iterator("keys")
				defer it.Close()
				for n := 1; ; n++ {
					v, err := it.Next()
					if isEOF(err) {
						return nil, nil
					}
					if err != nil {
						return nil, err
					}
					key, err := c.RecordKey(v)
					if err != nil {
						return nil, Errorf("usage", "key %d: %v", n, err)
					}
					if err := r.Forget(key); err != nil {
						return nil, err
					}
				}
			},
		},
		{
			Name: "forget_all", Doc: "Forgets all rows of a source: the next import takes each of them.",
			Params: []Param{sourceParam}, Effect: Write,
			Example: "records.forget_all(\"crm\")",
			Lua:     "records.forget_all(\"crm\")",
			Do: func(c *Call, a *Args) (Value, error) {
				r, err := c.Hook.Records(a.String("source"))
				if err != nil {
					return nil, err
				}
				return nil, r.ForgetAll()
			},
		},
	},
}

// changedAhead is how many rows records.changed looks up at once. It does not
// depend on anything: after a crash the same rows must have been read when a
// loop comes to the same element.
const changedAhead = 500

// changedRows are the rows of records.changed.
type changedRows struct {
	c           *Call
	r           *engine.Records
	it          Iterator
	key, fields []string
	scan        *engine.RecordScan // nil: the rows are not all that there are
	lookAhead   int
	noted       bool // what was rejected before

	n     int64 // rows that were read
	ahead []aheadRow
	at    int
	look  *engine.RecordLook
	end   error // why no more rows were read
}

// aheadRow is a row that was read and not given yet; sum is of its content.
type aheadRow struct {
	row Value
	sum engine.RecordSum
}

func (s *changedRows) next() (Value, error) {
	for {
		for s.at < len(s.ahead) {
			i := s.at
			s.at++
			row := s.ahead[i].row
			s.ahead[i].row = nil
			given, err := s.look.Take(i, s.ahead[i].sum, s.scan)
			if err != nil {
				return nil, err
			}
			if given {
				return row, nil
			}
			_ = s.c.Hook.Count("unchanged", 1)
		}
		if s.end != nil {
			if isEOF(s.end) && s.scan != nil {
				s.scan.End()
				s.c.scanned = false // what is rejected now may be of another source
			}
			return nil, s.end
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads rows and looks them up.
func (s *changedRows) fill() error {
	keys := make([]engine.RecordKey, 0, s.lookAhead)
	s.ahead, s.at = s.ahead[:0], 0
	for len(keys) < s.lookAhead {
		v, err := s.pull()
		if err != nil {
			s.end = err
			break
		}
		s.n++
		if s.c.Lang.Plain(v) == nil {
			_ = s.c.Hook.Count("skipped", s.c.skipped(1))
			continue
		}
		key, sum, err := s.identify(v)
		if err != nil { // those before it come first
			s.end = Errorf("usage", "row %d: %v", s.n, err)
			break
		}
		keys = append(keys, key)
		s.ahead = append(s.ahead, aheadRow{v, sum})
	}
	if err := s.noteRejected(); err != nil || len(keys) == 0 {
		return err
	}
	var err error
	s.look, err = s.r.Look(keys)
	return err
}

// pull reads a row.
func (s *changedRows) pull() (Value, error) {
	was := s.c.scanning
	s.c.scanning = was || s.scan != nil
	v, err := s.it.Next()
	s.c.scanning = was
	return v, err
}

// rejectedRows are rows that were rejected where a scan could not see them.
type rejectedRows struct {
	rows []Value
	more int64 // that were too many to keep
}

func (x *rejectedRows) add(row Value) {
	if len(x.rows) < changedAhead {
		x.rows = append(x.rows, row)
	} else {
		x.more++
	}
}

// noteRejected notes what was rejected before the scan could see it.
func (s *changedRows) noteRejected() error {
	if s.scan == nil {
		return nil
	}
	x := s.c.unseen
	s.c.unseen = rejectedRows{}
	if !s.noted { // nobody knows of which source they are: of each that is scanned later
		s.noted = true
		x.rows, x.more = append(x.rows, s.c.before.rows...), x.more+s.c.before.more
	}
	if x.rows == nil {
		return nil
	}
	var keys []engine.RecordKey
	for _, v := range x.rows {
		if row, err := s.c.contentOf(v); err != nil {
			x.more++
		} else if key, err := s.keyOf(row); err != nil {
			x.more++
		} else {
			keys = append(keys, key)
		}
	}
	return s.r.Rejected(s.scan, keys, x.more)
}

// identify gives a row's key and the hash of its content.
func (s *changedRows) identify(v Value) (key engine.RecordKey, sum engine.RecordSum, err error) {
	row, err := s.c.contentOf(v)
	if err != nil {
		return key, sum, err
	}
	if key, err = s.keyOf(row); err != nil {
		return key, sum, err
	}
	sum, err = contentSum(row, s.fields)
	return key, sum, err
}

// keyOf is a row's key.
func (s *changedRows) keyOf(row *Dict) (key engine.RecordKey, err error) {
	parts := make([]Value, len(s.key))
	for i, name := range s.key {
		part, ok := row.Get(name)
		if !ok {
			return key, Errorf("usage", "it has no column %q, which is part of the key%s", name, engine.SuggestColumn(name, row.Names))
		}
		if parts[i], ok = keyPart(part); !ok {
			return key, Errorf("usage", "column %q: got %s, wanted a string or a whole number: the column is part of the key", name, s.c.kindOf(part))
		}
	}
	return makeKey(parts)
}

// contentOf is a row as data.
func (c *Call) contentOf(v Value) (*Dict, error) {
	row, ok, err := c.Lang.Row(v, nil)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, Errorf("usage", "got %s, wanted a dict by column, or %s to leave it out", c.Lang.TypeName(v), c.Lang.TypeName(nil))
	}
	whole := row
	for i, v := range row.Values {
		if _, ok := scalar(v); ok {
			continue
		}
		data, err := c.Lang.Data(v)
		if err != nil {
			return nil, Errorf("usage", "column %q: %v", row.Names[i], err)
		}
		if whole == row { // it may be the source's own
			whole = &Dict{Names: row.Names, Values: slices.Clone(row.Values)}
		}
		whole.Values[i] = data
	}
	return whole, nil
}

// RecordContent is the hash of the content of a row that a test gives, or of some of its
// columns.
func (c *Call) RecordContent(row Value, fields []string) (engine.RecordSum, error) {
	p := Param{Name: "row", Type: DictOf}
	d, err := p.convert(c, c.Lang.Plain(row))
	if err != nil {
		return engine.RecordSum{}, err
	}
	return contentSum(d.(*Dict), fields)
}

// contentSum is the hash of a row's content, or of some of its columns.
func contentSum(row *Dict, fields []string) (engine.RecordSum, error) {
	row, err := pick(row, "fields", fields)
	if err != nil {
		return engine.RecordSum{}, err
	}
	return rowSum(row)
}

// keyPart gives what a key, or a part of it, can be.
func keyPart(v Value) (Value, bool) {
	switch v := v.(type) {
	case string, *big.Int:
		return v, true
	}
	if n, ok := asInt(v); ok {
		return n, true
	}
	return nil, false
}

// makeKey makes a key of its parts.
func makeKey(parts []Value) (key engine.RecordKey, err error) {
	whole := Value(parts)
	if len(parts) == 1 {
		whole = parts[0]
	}
	text, err := EncodeJSON(whole)
	if err != nil {
		return key, err
	}
	if len(text) > engine.MaxRecordKey {
		return key, Errorf("usage", "a key of %d bytes is too large: at most %d", len(text), engine.MaxRecordKey)
	}
	canonical, err := appendCanonical(make([]byte, 0, 64), whole)
	sum := sha256.Sum256(canonical)
	return engine.NewRecordKey(string(text), engine.RecordSum(sum[:])), err
}

// RecordKey reads the key of a record that a script or a test gives.
func (c *Call) RecordKey(v Value) (key engine.RecordKey, err error) {
	plain := c.Lang.Plain(v)
	if part, ok := keyPart(plain); ok {
		return makeKey([]Value{part})
	}
	it, ok := c.Iterate(plain)
	if !ok {
		return key, Errorf("usage", "got %s, wanted a string or a whole number, or a list of them", c.kindOf(plain))
	}
	values, err := takeAll(it)
	if err != nil {
		return key, err
	}
	for i, v := range values {
		plain := c.Lang.Plain(v)
		if values[i], ok = keyPart(plain); !ok {
			return key, Errorf("usage", "got %s in the list, wanted a string or a whole number", c.kindOf(plain))
		}
	}
	if len(values) == 0 {
		return key, Errorf("usage", "got an empty list")
	}
	return makeKey(values)
}

// RecordKeysOf are the keys that a person may mean by a text: what it is as JSON, if it
// can be read as that, and the text as it is.
func RecordKeysOf(text string) (keys []engine.RecordKey, err error) {
	plain, no := DecodeJSON([]byte(text))
	parts, list := plain.([]Value)
	if !list {
		parts = []Value{plain}
	}
	all := no == nil && len(parts) > 0
	for i := range parts {
		ok := false
		parts[i], ok = keyPart(parts[i])
		all = all && ok
	}
	if all {
		key, err := makeKey(parts)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	key, err := makeKey([]Value{text})
	return append(keys, key), err
}

// RecordID reads the id that a row has at its destination, as JSON.
func (c *Call) RecordID(v Value) (string, error) {
	plain := c.Lang.Plain(v)
	id, ok := keyPart(plain)
	if !ok {
		return "", Errorf("usage", "id: got %s, wanted a string or a whole number", c.kindOf(plain))
	}
	raw, err := EncodeJSON(id)
	return string(raw), err
}

// keyColumns reads the name of a column, or a list of names.
func (c *Call) keyColumns(v Value) ([]string, error) {
	plain := c.Lang.Plain(v)
	if name, ok := plain.(string); ok {
		return []string{name}, nil
	}
	p := Param{Name: "key", Type: Strings}
	names, err := p.convert(c, plain)
	if err != nil {
		return nil, err
	}
	if len(names.([]string)) == 0 {
		return nil, Errorf("usage", "key: got an empty list, wanted the columns that identify a row")
	}
	return names.([]string), nil
}

// oneRecord reads the arguments of status and mark.
func (c *Call) oneRecord(a *Args) (r *engine.Records, key engine.RecordKey, content engine.RecordSum, err error) {
	if r, err = c.Hook.Records(a.String("source")); err != nil {
		return nil, key, content, err
	}
	if key, err = c.RecordKey(a.Value("key")); err != nil {
		return nil, key, content, Errorf("usage", "key: %v", err)
	}
	content, err = contentSum(a.Dict("row"), a.Strings("fields"))
	return r, key, content, err
}

// recordIDs looks up the ids of keys.
func (c *Call) recordIDs(source string, keys []engine.RecordKey) ([]Value, error) {
	r, err := c.Hook.Records(source)
	if err != nil {
		return nil, err
	}
	look, err := r.Look(keys)
	if err != nil {
		return nil, err
	}
	ids := make([]Value, len(keys))
	for i := range ids {
		id, err := look.ID(i)
		if err != nil {
			return nil, err
		}
		if id != "" {
			if ids[i], err = DecodeJSON([]byte(id)); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}
