package sqlstore

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// dry is what a session that is never committed remembers.
type dry struct {
	made   map[string]Shape // tables that it has for itself, until its transaction ends
	looked map[mention]bool // what is known to leave nothing behind
}

// Inspector is a SessionDialect of a server on which a statement may do more than
// is written in it, or what no rollback takes back.
type Inspector interface {
	// Databases gives those of the names that are databases, in lower case, and
	// first of all the one that the connection is in.
	Databases(ctx context.Context, x Execer, names []string) ([]string, error)
	// Objects gives what is there in a database by one of the names; for those of
	// writes, the triggers of tables too.
	Objects(ctx context.Context, x Execer, database string, names, writes []string) ([]Object, error)
	// Unseen says why there may be routines of a database that Objects does not give,
	// though views, triggers and routines can call them; "" if there are none.
	Unseen(ctx context.Context, x Execer, database string) (why string, err error)
}

// Object is what a name in a statement may mean.
type Object struct {
	Kind     string // "table", "view", "trigger", "function", "procedure", "package"
	Database string
	Name     string
	Engine   string // of a table that is kept without transactions
	Body     string // what a view, trigger or routine runs
	Hidden   string // why Body is not told, or whether a table has triggers
}

func (o *Object) String() string { return o.Kind + " " + o.Database + "." + o.Name }

// mention is a name as something mentions it: in a database, to write or to read.
type mention struct {
	database, name string
	writes         bool
}

// makeDry makes a table that only this session has, where making one would commit
// the transaction: a temporary one, which ends with the connection, so that
// nothing is left of it whatever becomes of the process. Neither making one nor
// its end commits.
func (s *Session) makeDry(ctx context.Context, table, create string, columns []engine.Column, key []string) error {
	err := s.run(ctx, func(c *sql.Conn) error {
		s.temps++ // before: what came of it may not be known
		_, err := c.ExecContext(ctx, strings.Replace(create, "CREATE TABLE ", "CREATE TEMPORARY TABLE ", 1))
		return err
	})
	if err != nil {
		return err
	}
	shape := Shape{Texts: true}
	for _, c := range columns {
		c.Key = slices.Contains(key, c.Name)
		c.Nullable = c.Nullable && !c.Key
		shape.Columns = append(shape.Columns, c)
	}
	if len(key) > 0 {
		shape.Unique = [][]string{key}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dry.made == nil {
		s.dry.made = map[string]Shape{}
	}
	s.dry.made[table] = shape
	return nil
}

// lasting are the words of statements that a rollback does not take back, whoever
// runs them.
var lasting = words("ALTER ANALYZE COMMIT CREATE DROP DUMPFILE EXECUTE FLUSH GLOBAL GRANT INSTALL KILL LOAD_FILE LOCK OPTIMIZE OUTFILE PERSIST PERSIST_ONLY PREPARE RENAME REPAIR RESET REVOKE SETVAL SHUTDOWN START TRUNCATE UNINSTALL UNLOCK XA")

// checkDry refuses statements of which a rollback does not take all back: by what
// is written in them, and by what the views, triggers and routines do that they
// name. A name that could mean such a thing is taken to mean it.
func (s *Session) checkDry(ctx context.Context, query string) error {
	if !s.opts.Dry {
		return nil
	}
	st := parseStatement(query, s.store.D.Name() == "sqlite")
	if st.verb == "CALL" || st.verb == "DO" {
		return refused("%s is not run here, where nothing may stay: what it calls may commit", st.verb)
	}
	if slices.Contains(st.bare, "SETVAL") {
		return refused("SETVAL is not run here, where nothing may stay: a sequence keeps its number through a rollback")
	}
	writes := writeVerbs[st.verb] || !readVerbs[st.verb] || slices.Contains(st.bare, "ANALYZE")
	return s.checkNames(ctx, st.names, writes)
}

// checkDryTable is checkDry for what is done to a table.
func (s *Session) checkDryTable(ctx context.Context, table string, writes bool) error {
	if !s.opts.Dry {
		return nil
	}
	return s.checkNames(ctx, partsOf(table), writes)
}

// checkNames is checkDry for the names in a statement.
func (s *Session) checkNames(ctx context.Context, names []string, writes bool) error {
	d, ok := s.d.(Inspector)
	whole := mention{name: strings.Join(names, ","), writes: writes} // the same statement comes again and again
	if !ok || s.dry.looked[whole] {
		return nil
	}
	x, free, err := s.d.OwnConnection(ctx)
	if err != nil {
		return s.store.wrap(err, "connect")
	}
	defer free()
	i := &inspection{s: s, d: d, x: x, seen: map[mention]bool{}}
	if err := i.names(ctx, nil, names, writes); err != nil {
		return err
	}
	if len(whole.name) <= 4096 {
		i.seen[whole] = true
	}
	if s.dry.looked == nil || len(s.dry.looked) > maxLooked {
		s.dry.looked = map[mention]bool{}
	}
	for m := range i.seen {
		s.dry.looked[m] = true
	}
	return nil
}

// maxLooked bounds how many names a session remembers.
const maxLooked = 10_000

// inspection looks for what a statement would leave behind.
type inspection struct {
	s    *Session
	d    Inspector
	x    Execer
	seen map[mention]bool
}

// names looks at what names may mean, in the database of what mentions them and in
// those that are named beside them; by is nil for those in the statement itself.
func (i *inspection) names(ctx context.Context, by *Object, names []string, writes bool) error {
	databases, err := i.databases(ctx, by, names)
	if err != nil {
		return err
	}
	for _, db := range databases {
		if by != nil && (by.Kind != "view" || callsRoutine.MatchString(by.Body)) {
			switch why, err := i.d.Unseen(ctx, i.x, db); {
			case err != nil:
				return i.s.explain(ctx, err)
			case why != "":
				return refused("what %s calls cannot be known here, where nothing may stay: %s", by, why)
			}
		}
		var fresh []string
		for _, n := range names {
			n = strings.ToLower(n)
			m := mention{db, n, writes}
			if len(n) > maxName || i.s.dry.looked[m] || i.seen[m] {
				continue
			}
			i.seen[m] = true
			fresh = append(fresh, n)
		}
		for part := range slices.Chunk(fresh, maxAsked) {
			var written []string
			if writes {
				written = part
			}
			objects, err := i.d.Objects(ctx, i.x, db, part, written)
			if err != nil {
				return i.s.explain(ctx, err)
			}
			for k := range objects {
				if err := i.object(ctx, &objects[k], writes, by); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const (
	maxName  = 4 * 64 // bytes: no name of a server is longer
	maxAsked = 500    // names that are asked for at once
)

// callsRoutine finds a routine in a view as the server writes it, with the names of
// all that is no function of its own in quotes.
var callsRoutine = regexp.MustCompile("`\\s*\\(")

// databases are those that names may be of.
func (i *inspection) databases(ctx context.Context, by *Object, names []string) (list []string, err error) {
	for part := range slices.Chunk(append([]string{""}, names...), maxAsked) { // at least one
		found, err := i.d.Databases(ctx, i.x, part)
		if err != nil {
			return nil, i.s.explain(ctx, err)
		}
		if by != nil {
			found[0] = by.Database
		}
		list = append(list, found...)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// object looks at what a name means.
func (i *inspection) object(ctx context.Context, o *Object, writes bool, by *Object) error {
	where := ""
	if by != nil {
		where = ", and " + by.String() + " uses it"
	}
	if o.Kind == "table" {
		switch {
		case !writes:
		case o.Engine != "":
			return refused("table %s is kept by %s, which knows no transactions: what is written to it could not be taken back here%s", o.Name, o.Engine, where)
		case o.Hidden != "":
			return refused("whether table %s has triggers cannot be known here, where nothing may stay: %s%s", o.Name, o.Hidden, where)
		}
		return nil
	}
	if o.Hidden != "" {
		return refused("what %s does cannot be known here, where nothing may stay: %s%s", o, o.Hidden, where)
	}
	st := parseBody(o.Body)
	if st.hides != "" {
		return refused("what %s does cannot be known here, where nothing may stay: %s%s", o, st.hides, where)
	}
	if o.Kind != "view" {
		writes = true
		for k, w := range st.bare {
			next := ""
			if k+1 < len(st.bare) {
				next = st.bare[k+1]
			}
			if lasting[w] && next != "TEMPORARY" && !(w == "LOCK" && next == "IN") {
				return refused("%s uses the word %s: what it does by that could not be taken back here%s", o, w, where)
			}
		}
	}
	return i.names(ctx, o, st.names, writes)
}
