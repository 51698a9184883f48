package hostlib

import (
	"context"
	"math/big"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var (
	tableParam = Param{Name: "table", Type: String, Doc: "the table's name"}
	rowsParam  = Param{Name: "rows", Type: Iterable, Doc: "dicts by column; None in place of a row is skipped and counted"}
	sqlParams  = []Param{
		{Name: "sql", Type: String, Doc: "one statement, with ? for values"},
		{Name: "args", Type: Any, Rest: true, Doc: "the values"},
	}
)

var dbModule = &Module{
	Name: "db",
	Doc:  "The job database, in the hook's own transaction: what a hook writes commits together with its job, or not at all.",
	Funcs: []*Func{
		{
			Name: "query", Doc: "Runs a reading statement and gives its rows. Lazy; the rows are those of its start.",
			Params: sqlParams, Returns: "iterator of dict", Effect: Read,
			Example: "[r[\"name\"] for r in db.query(\"SELECT name FROM people WHERE id < ? ORDER BY id\", 3)]  # [\"Ada\", \"Grace\"]",
			Do: func(c *Call, a *Args) (Value, error) {
				q, err := c.query(a)
				if err != nil {
					return nil, err
				}
				return c.iterator("db.query", q.next, q.rows.Close), nil
			},
		},
		{
			Name: "one", Doc: "Runs a reading statement and gives its first row, or None if there is none.",
			Params: sqlParams, Returns: "dict", Effect: Read,
			Example: "db.one(\"SELECT id, name FROM people WHERE id = ?\", 1)  # {\"id\": 1, \"name\": \"Ada\"}",
			Do: func(c *Call, a *Args) (Value, error) {
				d, err := c.first(a)
				if d == nil || err != nil {
					return nil, err
				}
				return d, nil
			},
		},
		{
			Name: "value", Doc: "Runs a reading statement and gives the first column of its first row, or None if there is none.",
			Params: sqlParams, Returns: "any value", Effect: Read,
			Example: "db.value(\"SELECT count(*) FROM people\")  # 2",
			Do: func(c *Call, a *Args) (Value, error) {
				d, err := c.first(a)
				if d == nil || err != nil {
					return nil, err
				}
				return d.Values[0], nil
			},
		},
		{
			Name: "exec", Doc: "Runs a writing statement and gives the number of rows that it touched. What commits by itself (CREATE, ALTER, TRUNCATE) is refused: use db.ensure.",
			Params: sqlParams, Returns: "int", Effect: Write,
			Example: "db.exec(\"UPDATE people SET name = ? WHERE id = ?\", \"Ada L.\", 1)  # 1",
			Do: func(c *Call, a *Args) (Value, error) {
				args, err := c.sqlArgs(a.Rest)
				if err != nil {
					return nil, err
				}
				return c.Hook.Session().Exec(c.Context(), a.String("sql"), args)
			},
		},
		{
			Name: "insert", Doc: "Inserts rows, many to a statement.",
			Params: []Param{tableParam, rowsParam}, Returns: "stats", Effect: Write,
			Example: "db.insert(\"people\", [{\"id\": 3, \"name\": \"Edsger\"}, None]).skipped  # 1",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.write(a, func(ctx context.Context, s engine.Session, rows *rowSource) (engine.Stats, error) {
					return s.Insert(ctx, a.String("table"), rows)
				})
			},
		},
		{
			Name: "upsert", Doc: "Inserts rows, and updates those whose key is there already.",
			Params: []Param{
				tableParam, rowsParam,
				{Name: "key", Type: Strings, Named: true, Doc: "the columns of the table's primary key, or of a unique index"},
				{Name: "update", Type: Strings, Default: None, Named: true, Doc: "the columns to update; None: all but the key"},
				{Name: "newer", Type: String, Default: None, Named: true, NotYet: true, Doc: "a column: an older version never overwrites"},
			},
			Returns: "stats", Effect: Write,
			Example: "db.upsert(\"people\", [{\"id\": 1, \"name\": \"Ada Lovelace\"}], key = [\"id\"]).updated  # 1",
			Do: func(c *Call, a *Args) (Value, error) {
				spec := engine.Upsert{Key: a.Strings("key"), Update: a.Strings("update")}
				if len(spec.Key) == 0 {
					return nil, Errorf("usage", "key: got an empty list, wanted the columns of a unique index")
				}
				return c.write(a, func(ctx context.Context, s engine.Session, rows *rowSource) (engine.Stats, error) {
					return s.Upsert(ctx, a.String("table"), keyed{rows, spec.Key}, spec)
				})
			},
		},
		{
			Name: "ensure", Doc: "Creates a table if it is missing; it never alters one. Call it before the hook writes anything. It says whether it created the table.",
			Params: []Param{
				tableParam,
				{Name: "columns", Type: DictOf, Doc: "types by name: text, text(n), integer, float, decimal(p,s), boolean, date, time, timestamp, bytes or json"},
				{Name: "key", Type: Strings, Default: []string(nil), Named: true, Doc: "the columns of the primary key; they cannot be NULL"},
			},
			Returns: "bool", Effect: Write,
			Example: "db.ensure(\"people\", {\"id\": \"integer\", \"name\": \"text\"}, key = [\"id\"])  # False",
			Do: func(c *Call, a *Args) (Value, error) {
				columns, err := columnsOf(a.Dict("columns"), a.Strings("key"))
				if err != nil {
					return nil, err
				}
				return c.Hook.Session().Ensure(c.Context(), a.String("table"), columns, a.Strings("key"))
			},
		},
		{
			Name: "columns", Doc: "Describes a table: a dict with name, type, nullable and key for each column.",
			Params: []Param{tableParam}, Returns: "list of dict", Effect: Read,
			Example: "[col[\"name\"] for col in db.columns(\"people\")]  # [\"id\", \"name\"]",
			Do: func(c *Call, a *Args) (Value, error) {
				columns, err := c.Hook.Session().Columns(c.Context(), a.String("table"))
				if err != nil {
					return nil, err
				}
				names, list := []string{"name", "type", "nullable", "key"}, []Value{}
				for _, col := range columns {
					list = append(list, &Dict{Names: names, Values: []Value{col.Name, col.Type, col.Nullable, col.Key}})
				}
				return list, nil
			},
		},
	},
}

// query is a result that is being read.
type query struct {
	c     *Call
	rows  engine.Rows
	names []string
}

func (c *Call) query(a *Args) (*query, error) {
	args, err := c.sqlArgs(a.Rest)
	if err != nil {
		return nil, err
	}
	rows, err := c.Hook.Session().Query(c.Context(), a.String("sql"), args)
	if err != nil {
		return nil, err
	}
	q := &query{c: c, rows: rows, names: rows.Columns()}
	for i, n := range q.names {
		if slices.Contains(q.names[:i], n) {
			rows.Close()
			return nil, Errorf("usage", "two columns of the result are named %q: give one another name by AS", n)
		}
	}
	return q, nil
}

func (q *query) next() (Value, error) {
	vals, err := q.rows.Next(q.c.Context())
	if err != nil {
		return nil, err
	}
	return &Dict{Names: q.names, Values: vals}, nil
}

// first is the first row of a result, or nil.
func (c *Call) first(a *Args) (*Dict, error) {
	q, err := c.query(a)
	if err != nil {
		return nil, err
	}
	defer q.rows.Close()
	row, err := q.next()
	if isEOF(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row.(*Dict), nil
}

// sqlArgs are the values for the placeholders of a statement.
func (c *Call) sqlArgs(rest []Value) ([]any, error) {
	args := make([]any, len(rest))
	for i, v := range rest {
		s, ok := scalar(c.Lang.Plain(v))
		if !ok {
			return nil, Errorf("usage", "value %d: got %s, wanted None, bool, number, string, bytes or time", i+1, c.kindOf(v))
		}
		args[i] = s
	}
	return args, nil
}

// scalar gives a value as a session takes it.
func scalar(v Value) (any, bool) {
	switch v := v.(type) {
	case nil, bool, int64, *big.Int, float64, string, []byte, time.Time:
		return v, finite(v)
	case int:
		return int64(v), true
	case time.Duration:
		return engine.FormatDuration(v), true
	}
	return nil, false
}

// write hands rows to a session, and counts what became of them.
func (c *Call) write(a *Args, f func(context.Context, engine.Session, *rowSource) (engine.Stats, error)) (Value, error) {
	rows := &rowSource{c: c, it: a.Iterator("rows")}
	defer rows.it.Close()
	stats, err := f(c.Context(), c.Hook.Session(), rows)
	if err != nil {
		return nil, err
	}
	all := engine.Stats{}
	all.Add(stats)
	if rows.skipped > 0 {
		all["skipped"] += rows.skipped
	}
	c.Hook.AddStats(all)
	return &statistics{all}, nil
}

// rowSource gives a script's rows to a session.
type rowSource struct {
	c       *Call
	it      Iterator
	like    []string // the names of the last row
	n       int64
	skipped int64
}

// Next is the next row.
func (s *rowSource) Next(context.Context) (engine.Row, error) {
	for {
		v, err := s.it.Next()
		if err != nil {
			return engine.Row{}, err
		}
		s.n++
		d, ok, err := s.c.Lang.Row(v, s.like)
		switch {
		case err != nil:
			return engine.Row{}, Errorf("usage", "row %d: %v", s.n, err)
		case !ok && s.c.Lang.Plain(v) == nil:
			s.skipped++
			continue
		case !ok:
			return engine.Row{}, Errorf("usage", "row %d: got %s, wanted a dict by column, or None to leave it out", s.n, s.c.Lang.TypeName(v))
		case len(d.Names) == 0:
			return engine.Row{}, Errorf("usage", "row %d has no columns", s.n)
		}
		s.like = d.Names
		for i, v := range d.Values {
			w, ok := scalar(v)
			if !ok {
				return engine.Row{}, Errorf("usage", "row %d, column %q: got %s, wanted None, bool, number, string, bytes or time; lists and dicts go in as text by json.encode", s.n, d.Names[i], s.c.kindOf(v))
			}
			d.Values[i] = w
		}
		return engine.Row{Names: d.Names, Values: d.Values}, nil
	}
}

// columnsOf reads the columns of ensure.
func columnsOf(d *Dict, key []string) ([]engine.Column, error) {
	if len(d.Names) == 0 {
		return nil, Errorf("usage", "columns: got an empty dict, wanted types by name")
	}
	for _, k := range key {
		if !slices.Contains(d.Names, k) {
			return nil, Errorf("usage", "key: there is no column %q%s", k, Suggest(k, d.Names))
		}
	}
	columns := make([]engine.Column, len(d.Names))
	for i, name := range d.Names {
		typ, ok := d.Values[i].(string)
		if !ok {
			return nil, Errorf("usage", "columns: the type of %q is no string; write it like {%q: \"text\"}", name, name)
		}
		if _, _, err := engine.ParseColumnType(typ); err != nil {
			return nil, Errorf("usage", "columns: %q: %v", name, err)
		}
		inKey := slices.Contains(key, name)
		columns[i] = engine.Column{Name: name, Type: typ, Nullable: !inKey, Key: inKey}
	}
	return columns, nil
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
		statsAttr("skipped", "None in place of a row."),
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
