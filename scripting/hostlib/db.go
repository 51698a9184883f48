package hostlib

import (
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var (
	tableParam  = Param{Name: "table", Type: String, Doc: "the table's name"}
	rowsParam   = Param{Name: "rows", Type: Iterable, Doc: "dicts by column; None in place of a row is skipped and counted"}
	keyParam    = Param{Name: "key", Type: Strings, Named: true, Doc: "the columns of the table's primary key, or of a unique index that is of them as they are (not of the beginning of a text, nor of an expression)"}
	updateParam = Param{Name: "update", Type: Strings, Default: None, Named: true, Doc: "the columns to update; None: all but the key"}
	newerParam  = Param{Name: "newer", Type: String, Default: None, Named: true, Doc: "a column that tells versions: a row that is older than the one in the table changes nothing and counts as unchanged; an equal one does, so that a corrected version can be sent again. Texts are compared as texts, \"10\" before \"9\": give it a column of numbers or times"}
	refuseParam = Param{Name: "on_bad", Type: String, Default: "error", Named: true, Choices: []string{"error", "reject"}, Doc: "what a row does that the database refuses (too long, out of range, a key twice, none where one must be), or one that has a list, a dict or a float that is none: \"reject\" sets it aside, as reject() does, with the reason, and writes the others; NaN and infinite floats in it are kept as text. What is kept, and what the hook redrive gets, is the row as it is given here, with the names that it has here; its source and line are those of the element from which iter.map made it, where the reader's iterator is given to that, and of a new dict made in a list they are not known"}
	sqlParams   = []Param{
		{Name: "sql", Type: String, Doc: "one statement, with ? for values"},
		{Name: "args", Type: Any, Rest: true, Doc: "the values; a decimal, and an int of any size, is as exact there as a number that is written in the SQL. Text such as \"2026-03-28T15:04:05+02:00\" is that point in time where the statement compares it with a column of type timestamp or date, writes it to one, or gives it to a function of dates, and a text everywhere else: a time itself, as time.parse gives it, is one always, and \"2026-03-28 13:04:05.000000\" where a text is made of it"},
	}
)

var dbModule = &Module{
	Name:  "db",
	Doc:   "The job database, in the hook's own transaction: what a hook writes commits together with its job, or not at all.",
	Funcs: append(dbFuncs(jobDatabase), connectFunc),
}

// access gives the session that a function works on; writes says that it is to
// write there.
type access func(c *Call, a *Args, writes bool) (engine.Session, error)

// jobDatabase is the hook's own transaction.
func jobDatabase(c *Call, _ *Args, _ bool) (engine.Session, error) { return c.Hook.Session(), nil }

// dbFuncs are the functions of db, and the methods of a connection.
func dbFuncs(on access) []*Func {
	reading := func(f func(c *Call, a *Args, s engine.Session) (Value, error)) func(c *Call, a *Args) (Value, error) {
		return func(c *Call, a *Args) (Value, error) {
			s, err := on(c, a, false)
			if err != nil {
				return nil, err
			}
			return f(c, a, s)
		}
	}
	writing := func(f func(c *Call, a *Args, s engine.Session) (Value, error)) func(c *Call, a *Args) (Value, error) {
		return func(c *Call, a *Args) (Value, error) {
			s, err := on(c, a, true)
			if err != nil {
				return nil, err
			}
			return f(c, a, s)
		}
	}
	return []*Func{
		{
			Name: "query", Doc: "Runs a reading statement and gives its rows. Lazy; the rows are those of its start. A date that is all zeros, as older tables of MySQL have them, is None; one of which a part is zero is an error of code db.value. A boolean comes as 1 or 0 (in Lua, where 0 counts as true: row.blocked == 1). Of a column FLOAT of MySQL and MariaDB, which db.ensure does not make, six digits come: col + 0e0 has all, as scan of a connection gives them.",
			Params: sqlParams, Returns: "iterator of dict", Effect: Read,
			Example: "[r[\"name\"] for r in db.query(\"SELECT name FROM people WHERE id < ? ORDER BY id\", 3)]  # [\"Ada\", \"Grace\"]",
			Lua:     "list(db.query(\"SELECT name FROM people WHERE id < ? ORDER BY id\", 3))  -- {{name = \"Ada\"}, {name = \"Grace\"}}\nfor r in db.query(\"SELECT name FROM people\") do log.info(r.name) end",
			Do: reading(func(c *Call, a *Args, s engine.Session) (Value, error) {
				q, err := c.query(s, a)
				if err != nil {
					return nil, err
				}
				return q.iterator("db.query"), nil
			}),
		},
		{
			Name: "one", Doc: "Runs a reading statement and gives its first row, or None if there is none.",
			Params: sqlParams, Returns: "dict", Effect: Read,
			Example: "db.one(\"SELECT id, name FROM people WHERE id = ?\", 1)  # {\"id\": 1, \"name\": \"Ada\"}",
			Lua:     "db.one(\"SELECT id, name FROM people WHERE id = ?\", 1)  -- {id = 1, name = \"Ada\"}",
			Do: reading(func(c *Call, a *Args, s engine.Session) (Value, error) {
				d, err := c.first(s, a)
				if d == nil || err != nil {
					return nil, err
				}
				return d, nil
			}),
		},
		{
			Name: "value", Doc: "Runs a reading statement and gives the first column of its first row, or None if there is none.",
			Params: sqlParams, Returns: "any value", Effect: Read,
			Example: "db.value(\"SELECT count(*) FROM people\")  # 2",
			Lua:     "db.value(\"SELECT count(*) FROM people\")  -- 2",
			Do: reading(func(c *Call, a *Args, s engine.Session) (Value, error) {
				d, err := c.first(s, a)
				if d == nil || err != nil {
					return nil, err
				}
				return d.Values[0], nil
			}),
		},
		{
			Name: "exec", Doc: "Runs a writing statement and gives the number of rows that it touched: of UPDATE all that it finds, on every database, also those that it leaves as they are. What commits by itself (CREATE, ALTER, TRUNCATE) is refused: use ensure. It must not write tables of engines without transactions (MyISAM, Aria, MEMORY): what it does there stays when the hook fails. The job's counts (inserted, updated, deleted) leave it out: ctx.count can count it.",
			Params: sqlParams, Returns: "int", Effect: Write,
			Example: "db.exec(\"UPDATE people SET name = ? WHERE id = ?\", \"Ada L.\", 1)  # 1",
			Lua:     "db.exec(\"UPDATE people SET name = ? WHERE id = ?\", \"Ada L.\", 1)  -- 1",
			Do: writing(func(c *Call, a *Args, s engine.Session) (Value, error) {
				args, err := c.sqlArgs(a.Rest)
				if err != nil {
					return nil, err
				}
				return s.Exec(c.Context(), a.String("sql"), args)
			}),
		},
		{
			Name: "insert", Doc: "Inserts rows, many to a statement.",
			Params: []Param{tableParam, rowsParam, refuseParam}, Returns: "stats", Effect: Write,
			Example: "db.insert(\"people\", [{\"id\": 3, \"name\": \"Edsger\"}, None]).skipped  # 1",
			Lua:     "db.insert(\"people\", {{id = 3, name = \"Edsger\"}}).inserted  -- 1",
			Do: writing(func(c *Call, a *Args, s engine.Session) (Value, error) {
				return c.write(a, func(rows engine.RowSource) (engine.Stats, error) {
					return s.Insert(c.Context(), a.String("table"), rows)
				})
			}),
		},
		{
			Name: "upsert", Doc: "Inserts rows, and updates those whose key is there already. With newer, an older version never overwrites a newer one, in whatever order they come. A column that a row does not have stays as it was in a row that is there, and gets its default in a new one: write None into the row for NULL.",
			Params:  []Param{tableParam, rowsParam, keyParam, updateParam, newerParam, refuseParam},
			Returns: "stats", Effect: Write,
			Example: "db.upsert(\"people\", [{\"id\": 1, \"name\": \"Ada Lovelace\"}], key = [\"id\"]).updated  # 1",
			Lua:     "db.upsert(\"people\", {{id = 1, name = \"Ada Lovelace\"}}, {key = {\"id\"}}).updated  -- 1",
			Do: writing(func(c *Call, a *Args, s engine.Session) (Value, error) {
				if len(a.Strings("key")) == 0 {
					return nil, Errorf("usage", "key: got an empty list, wanted the columns of a unique index")
				}
				return c.write(a, func(rows engine.RowSource) (engine.Stats, error) {
					return s.Upsert(c.Context(), a.String("table"), rows, engine.Upsert{Key: a.Strings("key"), Update: a.Strings("update"), Newer: a.String("newer")})
				})
			}),
		},
		{
			Name: "bulk", Doc: "Does what insert does, or upsert, in the fastest way that the database has: for millions of rows. On MySQL and MariaDB rows are loaded as one text where the server allows it (local_infile), with the same result.",
			Params: []Param{
				tableParam, rowsParam,
				{Name: "mode", Type: String, Default: "insert", Named: true, Choices: []string{"insert", "upsert"}, Doc: "what becomes of the rows"},
				{Name: "key", Type: Strings, Default: None, Named: true, Doc: "for upsert: the columns of a unique index"},
				newerParam,
				refuseParam,
			},
			Returns: "stats", Effect: Write,
			Example: "db.bulk(\"people\", [{\"id\": 3, \"name\": \"Edsger\"}, {\"id\": 3, \"name\": \"Barbara\"}], on_bad = \"reject\").rejected  # 1",
			Lua:     "db.bulk(\"people\", {{id = 3, name = \"Edsger\"}, {id = 3, name = \"Barbara\"}}, {on_bad = \"reject\"}).rejected  -- 1",
			Do: writing(func(c *Call, a *Args, s engine.Session) (Value, error) {
				var spec *engine.Upsert
				switch key := a.Strings("key"); {
				case a.String("mode") == "upsert" && len(key) == 0:
					return nil, Errorf("usage", "mode = \"upsert\" needs the key: the columns of a unique index, key = [\"id\"]")
				case a.String("mode") == "upsert":
					spec = &engine.Upsert{Key: key, Newer: a.String("newer")}
				case a.Given("key") || a.Given("newer"):
					return nil, Errorf("usage", "key and newer are for mode = \"upsert\"")
				}
				return c.write(a, func(rows engine.RowSource) (engine.Stats, error) {
					return s.Bulk(c.Context(), a.String("table"), rows, spec)
				})
			}),
		},
		{
			Name: "merge", Doc: "A full refresh: the table, or the part of it for which where holds, becomes what the rows are. They are upserted, and what is not among them is deleted. If that would be more than max_delete, it is an error and nothing is changed, so that half a file does not empty a table. A column that a row does not have stays as it was in a row that is there: write None into the row for NULL; a warning in the log tells of a column that only some of the rows have. What is in the table of a row that merge itself rejects (its on_bad) stays. Of rows that do not come to it, because a reader set them aside (csv.read with on_bad) or the script did (reject), it knows nothing: what is there of them is deleted, within max_delete, and a warning in the log tells how many. Rows of records.changed, which leaves out what is unchanged, are an error.",
			Params: []Param{
				tableParam, rowsParam, keyParam,
				{Name: "where", Type: String, Default: None, Named: true, Doc: "SQL that holds for the part, with ? for values; None: the whole table. If it reads the table itself, MySQL wants that wrapped: id IN (SELECT id FROM (SELECT id FROM t ...) x). A row for which it does not hold is an error, and nothing is changed. One whose key is in another part of the table moves to this one: the key must be known by itself"},
				{Name: "args", Type: Any, Default: None, Named: true, Doc: "a list of the values for where"},
				{Name: "max_delete", Type: Any, Default: "10%", Named: true, Doc: "how many rows may be deleted: a number, a share of those that the part had before, or \"all\""},
				refuseParam,
			},
			Returns: "stats", Effect: Write,
			Example: "db.merge(\"people\", [{\"id\": 1, \"name\": \"Ada\"}], key = [\"id\"], max_delete = 1).deleted  # 1",
			Lua:     "db.merge(\"people\", {{id = 1, name = \"Ada\"}}, {key = {\"id\"}, max_delete = 1}).deleted  -- 1",
			Do: writing(func(c *Call, a *Args, s engine.Session) (Value, error) {
				spec, err := c.mergeSpec(a)
				if err != nil {
					return nil, err
				}
				v, err := c.write(a, func(rows engine.RowSource) (engine.Stats, error) {
					return s.Merge(c.Context(), a.String("table"), rows, spec)
				})
				if err != nil || c.Hook == nil {
					return v, err
				}
				stats := v.(*statistics).Stats
				if n := c.rejected - stats["rejected"]; n > 0 && stats["deleted"] > 0 {
					c.Log(slog.LevelWarn, fmt.Sprintf("db.merge: of %s %d rows were deleted that did not come to it, and the hook has rejected %d rows: what is there of those is deleted with the others", a.String("table"), stats["deleted"], n), nil)
				}
				return v, nil
			}),
		},
		{
			Name: "ensure", Doc: "Creates a table if it is missing; it never alters one. A table that is there must have the columns: one that is missing is an error of code db.column, with the ALTER that adds it, and so is one of a type that would not keep the values: text in place of an integer, or fewer digits behind the point. Integers and booleans (and decimals without such digits) count as the same, texts of any length and json, too. A decimal is taken for an integer, a timestamp for a date, and a text for a date, a time or a timestamp. Other columns may be there. Call it before the hook writes anything. It says whether it created the table.",
			Params: []Param{
				tableParam,
				{Name: "columns", Type: DictOf, Doc: "types by name: text, text(n), integer, float, decimal(p,s), boolean, date, time, timestamp, bytes or json. A date takes text such as \"2026-03-28\"; a timestamp takes a time, or text such as \"2026-03-28 15:04:05\", in UTC, or \"2026-03-28T15:04:05+02:00\"; a time takes text such as \"15:04:05\", to 23:59:59.999999 (columns of MySQL and MariaDB that were not made so take spans of time such as \"-36:00:00\", too); a date and a time take what a timestamp takes, too, and keep the day, or the time of day, in UTC. What is smaller than a microsecond is cut off; MySQL and MariaDB cut off what a column of another program has no digits for, too (DATETIME keeps whole seconds). Texts written in another way, such as \"20260328\" and \"15:04\", are refused. json takes text that is JSON, by json.encode, numbers and booleans; it is nested 31 deep at most, has no half of a surrogate pair (\"\\ud83d\" alone) and no number that is larger than any float; MySQL keeps of it what it means to it, not how it is written: 1.50 as 1.5, a number of more than 19 digits as a float, of a name that comes twice the last one. A boolean takes booleans and comes back as 1 or 0, on every database: in Lua, where 0 counts as true, write row.blocked == 1. Text takes bytes in UTF-8; of a time \"2026-03-28 15:04:05.000000\", of a float its shortest digits (\"1\" of 1.0, \"0.1\", \"1e21\", \"1e15\" being the first with an exponent); bytes take text, and what has one. As part of the key, text has at most 255 characters. What is longer than text(n) is refused, also if all that is too much are spaces (a statement of db.exec on MySQL and MariaDB cuts these). A decimal has at most 65 digits, 30 of them behind the point; it is exact, takes text, ints and decimals, is rounded to its digits, and comes as text with all of them (as an int if none are behind the point). In a file of SQLite one of more than 15 digits (18 if whole) has a collation, dsengine_decimal, that other programs do not know: they can read the column, and not sort or compare by it (ORDER BY CAST(c AS REAL) does, roughly). Text is compared letter by letter, by =, LIKE and ORDER BY and in keys, as scripts compare it: 'oslo' is not 'Oslo'; LOWER(name) = 'oslo' finds both. A table that was not made so compares as its columns say, on MySQL and MariaDB mostly without regard to case, and to spaces at the end: a key \"DE \" is \"DE\" there; a CHAR(n) gives texts back without such spaces. SQL calculates with decimals, compares them and divides integers alike on SQLite, MariaDB and MySQL"},
				{Name: "key", Type: Strings, Default: []string(nil), Named: true, Doc: "the columns of the primary key; they cannot be NULL"},
			},
			Returns: "bool", Effect: Write,
			Example: "db.ensure(\"people\", {\"id\": \"integer\", \"name\": \"text\"}, key = [\"id\"])  # False",
			Lua:     "db.ensure(\"people\", {id = \"integer\", name = \"text\"}, {key = {\"id\"}})  -- false",
			Do: writing(func(c *Call, a *Args, s engine.Session) (Value, error) {
				columns, err := columnsOf(a.Dict("columns"), a.Strings("key"))
				if err != nil {
					return nil, err
				}
				return s.Ensure(c.Context(), a.String("table"), columns, a.Strings("key"))
			}),
		},
		{
			Name: "columns", Doc: "Describes a table: a dict with name, type, nullable and key for each column.",
			Params: []Param{tableParam}, Returns: "list of dict", Effect: Read,
			Example: "[col[\"name\"] for col in db.columns(\"people\")]  # [\"id\", \"name\"]",
			Lua:     "db.columns(\"people\")[1].name  -- \"id\"",
			Do: reading(func(c *Call, a *Args, s engine.Session) (Value, error) {
				columns, err := s.Columns(c.Context(), a.String("table"))
				if err != nil {
					return nil, err
				}
				names, list := []string{"name", "type", "nullable", "key"}, []Value{}
				for _, col := range columns {
					list = append(list, &Dict{Names: names, Values: []Value{col.Name, col.Type, col.Nullable, col.Key}})
				}
				return list, nil
			}),
		},
	}
}

// query is a result that is being read.
type query struct {
	c     *Call
	rows  engine.Rows
	names []string
}

func (c *Call) query(s engine.Session, a *Args) (*query, error) {
	args, err := c.sqlArgs(a.Rest)
	if err != nil {
		return nil, err
	}
	if c.Hook != nil {
		if err := c.Hook.Querying(s, a.String("sql")); err != nil {
			return nil, err
		}
	}
	rows, err := s.Query(c.Context(), a.String("sql"), args)
	if err != nil {
		return nil, err
	}
	return c.rows(rows)
}

// rows is a result that was begun.
func (c *Call) rows(rows engine.Rows) (*query, error) {
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
	return &Dict{Names: q.names, Values: vals, Row: true}, nil
}

func (q *query) iterator(name string) Iterator { return q.c.openedBy(name, q.next, q.rows.Close) }

// first is the first row of a result, or nil.
func (c *Call) first(s engine.Session, a *Args) (*Dict, error) {
	q, err := c.query(s, a)
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
		plain := c.Lang.Plain(v)
		if d, ok := plain.(Decimal); ok {
			exact, err := d.forSQL()
			if err != nil {
				return nil, Errorf("usage", "value %d: %v", i+1, err)
			}
			args[i] = exact
			continue
		}
		s, ok := scalar(plain)
		if !ok {
			return nil, Errorf("usage", "value %d: got %s, wanted %s, bool, number, string, bytes or time", i+1, c.kindOf(v), c.Lang.TypeName(nil))
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
	case Decimal:
		return v.String(), true
	}
	return nil, false
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
