package hostlib

import (
	"context"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// Connector opens the databases that scripts reach by a name. It may be used by
// many goroutines at once, and gives the same connection for the same name.
type Connector interface {
	Connect(ctx context.Context, name string, readOnly bool) (engine.Connection, error)
}

var connectFunc = &Func{
	Name: "connect", Doc: "Reaches another database by the name of a connection ([connections.NAME] in dsengine.toml has its url, or DSENGINE_CONNECTION_NAME). It has a transaction of its own, which commits just before the job's at each checkpoint and at the end: what is written there is done at least once, so write it in a way that may be repeated, such as upsert. To write, job() needs \"db:NAME:write\". A database that does not answer is waited for, and burns no attempt; one that lets nobody in (a wrong password, no such database or file) fails the attempt, with the code db.connection.",
	Params:  []Param{{Name: "name", Type: String, Doc: "the connection's name"}},
	Returns: "connection", Needs: "db", Effect: Read,
	Example: "crm = db.connect(\"crm\")\ncrm.value(\"SELECT count(*) FROM people\")  # 2",
	Lua:     "local crm = db.connect(\"crm\")\ncrm.value(\"SELECT count(*) FROM people\")  -- 2",
	Do: func(c *Call, a *Args) (Value, error) {
		name, writes := a.String("name"), false
		if c.Needs.db(name, c.instance(), true) == nil {
			writes = true
		} else if err := c.Needs.reads(name, c.instance()); err != nil {
			return nil, err
		}
		if c.Host.Connections == nil {
			return nil, Errorf("db.connection", "there is no connection %q: nothing names any here", name)
		}
		conn, err := c.Host.Connections.Connect(c.Context(), name, !writes)
		if err != nil {
			c.Hook.Unreached(err)
			return nil, err
		}
		return &connection{name: name, writes: writes, session: c.Hook.Join(name, conn)}, nil
	},
}

// connection is another database.
type connection struct {
	name    string
	writes  bool
	session engine.Joined
}

// NewConnection is the connection object of a session that may write.
func NewConnection(name string, s engine.Joined) Object {
	return &connection{name: name, writes: true, session: s}
}

// ObjectType is connection.
func (*connection) ObjectType() *ObjectType { return connectionType }

// ofConnection is the session of the connection that a method was called on.
func ofConnection(c *Call, a *Args, writes bool) (engine.Session, error) {
	conn := a.Self.(*connection)
	if writes && !conn.writes {
		if err := c.Needs.db(conn.name, c.instance(), true); err != nil {
			return nil, err
		}
	}
	return conn.session, nil
}

var connectionType = &ObjectType{
	Name: "connection", Doc: "Another database, which db.connect gives: it has the functions of db, and scan.",
	Text: func(v Value) string { return "<connection " + v.(*connection).name + ">" },
	Attrs: []Attr{
		{Name: "name", Type: "string", Doc: "The connection's name.", Get: func(v Value) (Value, error) { return v.(*connection).name, nil }},
	},
	Methods: append(connectionFuncs(), scanFunc),
}

// connectionFuncs are the functions of db, with their examples on a connection.
func connectionFuncs() []*Func {
	funcs := dbFuncs(ofConnection)
	for _, f := range funcs {
		f.Needs, f.Testing = "db", true
		f.Example = "crm = db.connect(\"crm\")\n" + strings.ReplaceAll(f.Example, "db.", "crm.")
		f.Lua = "local crm = db.connect(\"crm\")\n" + strings.ReplaceAll(f.Lua, "db.", "crm.")
	}
	return funcs
}

var scanFunc = &Func{
	Name: "scan", Doc: "Reads a table in the order of a unique key, a page at a time: lazy, and no statement takes long, however large the table is. (On SQLite, a key in which another program has written times in a way of its own, such as 2024-01-01T10:00:00, is sorted, and read by one statement; upsert and merge refuse such a key.) To go on where a hook was stopped, begin after ctx.position and give the last key to ctx.checkpoint.",
	Params: []Param{
		tableParam,
		{Name: "by", Type: Any, Named: true, Doc: "the column of a unique index that is never NULL, or a list of them"},
		{Name: "after", Type: Any, Default: None, Named: true, Doc: "read what comes after this key (a list for several columns); None: from the beginning"},
		{Name: "until", Type: Any, Default: None, Named: true, Doc: "read up to this key, and it too; None: to the end"},
		{Name: "page", Type: Int, Default: int64(10_000), Named: true, Doc: "rows of one query"},
	},
	Returns: "iterator of dict", Needs: "db", Effect: Read, Testing: true,
	Example: "crm = db.connect(\"crm\")\nfor rows in iter.batch(crm.scan(\"people\", by = \"id\", after = ctx.position), 1000):\n    db.upsert(\"people\", rows, key = [\"id\"])\n    ctx.checkpoint(rows[-1][\"id\"])\n[r[\"name\"] for r in crm.scan(\"people\", by = \"id\", after = 1)]  # [\"Grace\"]",
	Lua:     "local crm = db.connect(\"crm\")\nfor rows in iter.batch(crm.scan(\"people\", {by = \"id\", after = ctx.position}), 1000) do\n  db.upsert(\"people\", rows, {key = {\"id\"}})\n  ctx.checkpoint(rows[#rows].id)\nend\nlist(crm.scan(\"people\", {by = \"id\", after = 1}))[1].name  -- \"Grace\"",
	Do: func(c *Call, a *Args) (Value, error) {
		spec := engine.Scan{Page: int(a.Int("page"))}
		if spec.Page < 1 || spec.Page > 1_000_000 {
			return nil, Errorf("usage", "page: got %d, wanted 1 to 1000000", spec.Page)
		}
		by, err := c.oneOrMore("by", a.Value("by"))
		if err != nil {
			return nil, err
		}
		for _, v := range by {
			name, ok := c.Lang.Plain(v).(string)
			if !ok {
				return nil, Errorf("usage", "by: got %s, wanted the name of a column, or a list of names", c.Lang.TypeName(v))
			}
			spec.By = append(spec.By, name)
		}
		for _, bound := range []struct {
			name string
			to   *[]any
		}{{"after", &spec.After}, {"until", &spec.Until}} {
			if !a.Given(bound.name) || c.Lang.Plain(a.Value(bound.name)) == nil {
				continue
			}
			values, err := c.oneOrMore(bound.name, a.Value(bound.name))
			if err != nil {
				return nil, err
			}
			if *bound.to, err = c.sqlArgs(values); err != nil {
				return nil, Errorf("usage", "%s: %v", bound.name, err)
			}
		}
		rows, err := a.Self.(*connection).session.Scan(c.Context(), a.String("table"), spec)
		if err != nil {
			return nil, err
		}
		q, err := c.rows(rows)
		if err != nil {
			return nil, err
		}
		s := c.openedBy("scan", func() (Value, error) {
			row, err := q.next()
			if err == nil {
				c.read(1)
			}
			return row, err
		}, rows.Close)
		s.origin.name = a.Self.(*connection).name + ", table " + a.String("table")
		return s, nil
	},
}

// oneOrMore gives a list's elements, or a value that is no list as the only one.
func (c *Call) oneOrMore(name string, v Value) ([]Value, error) {
	if _, ok := scalar(c.Lang.Plain(v)); ok {
		return []Value{v}, nil
	}
	return c.listOf(name, v)
}
