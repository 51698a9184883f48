package mysqlstore

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/engine/sqlstore"
)

// What there is by a name. Parameters: the database, then the names in lower case,
// in the place of %s. Each row has a kind, a name, the engine if it knows no
// transactions, a body, and a mode of SQL.
const (
	selectRelations = `SELECT 'table', t.table_name, IF(COALESCE(e.transactions, 'NO') = 'YES', '', COALESCE(t.engine, '')), '', ''
  FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine
 WHERE t.table_schema = ? AND LOWER(t.table_name) IN (%s) AND t.table_type NOT LIKE '%%VIEW'`
	selectViews = `SELECT 'view', table_name, '', view_definition, '' FROM information_schema.views
 WHERE table_schema = ? AND LOWER(table_name) IN (%s)`
	selectRoutines = `SELECT LOWER(routine_type), routine_name, '', routine_definition, sql_mode FROM information_schema.routines
 WHERE routine_schema = ? AND LOWER(routine_name) IN (%s)`
	selectTriggers = `SELECT 'trigger', trigger_name, '', action_statement, sql_mode FROM information_schema.triggers
 WHERE event_object_schema = ? AND LOWER(event_object_table) IN (%s)`
	selectDatabases = `SELECT schema_name FROM information_schema.schemata WHERE LOWER(schema_name) IN (%s)`
)

// Databases gives those of the names that are databases, and the one that the
// connection is in.
func (s *Store) Databases(ctx context.Context, x sqlstore.Execer, names []string) (list []string, err error) {
	err = texts(ctx, x, 1, func(row []string) { list = append(list, row[0]) }, "SELECT COALESCE(DATABASE(), '')")
	if err != nil {
		return nil, err
	}
	marks, args := listed(names)
	return list, texts(ctx, x, 1, func(row []string) {
		if row[0] != "information_schema" { // nothing can be written there
			list = append(list, row[0])
		}
	}, fmt.Sprintf(selectDatabases, marks), args...)
}

// Objects gives what is there in a database by one of the names, and the triggers
// of the tables among writes.
func (s *Store) Objects(ctx context.Context, x sqlstore.Execer, database string, names, writes []string) (list []sqlstore.Object, err error) {
	ask := func(query string, names []string) error {
		if len(names) == 0 {
			return nil
		}
		marks, args := listed(names)
		return texts(ctx, x, 5, func(row []string) {
			o := sqlstore.Object{Kind: row[0], Database: database, Name: row[1], Engine: row[2], Body: row[3]}
			if o.Kind != "table" {
				o.Hidden = hidden(o.Body, row[4])
			}
			list = append(list, o)
		}, fmt.Sprintf(query, marks), append([]any{database}, args...)...)
	}
	if err := ask(selectRelations, names); err != nil {
		return nil, err
	}
	if len(writes) > 0 && len(list) > 0 {
		g, err := grantsOf(ctx, x)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if o := &list[i]; !g.has("TRIGGER", database, o.Name) {
				o.Hidden = fmt.Sprintf("the user needs the privilege TRIGGER on it to see them (GRANT TRIGGER ON %s.* TO ...)", s.Quote(database))
			}
		}
	}
	for _, query := range []string{selectViews, selectRoutines} {
		if err := ask(query, names); err != nil {
			return nil, err
		}
	}
	return list, ask(selectTriggers, writes)
}

// hidden says why what a body does cannot be told by its words, if so.
func hidden(body, mode string) string {
	switch {
	case body == "":
		return "the user may not look into it"
	case strings.Contains(mode, "ANSI_QUOTES") || strings.Contains(mode, "ORACLE") || strings.Contains(mode, "NO_BACKSLASH_ESCAPES"):
		return "it is written for another mode of SQL"
	}
	return ""
}

// Unseen says why there may be routines that the user does not see.
func (s *Store) Unseen(ctx context.Context, x sqlstore.Execer, database string) (string, error) {
	g, err := grantsOf(ctx, x)
	if err != nil || g.has("EXECUTE", database, "*") {
		return "", err
	}
	return fmt.Sprintf("the user needs the privilege EXECUTE to see the routines there (GRANT EXECUTE ON %s.* TO ...)", s.Quote(database)), nil
}

// grants are what the user may do, as SHOW GRANTS tells.
type grants []grantLine

type grantLine struct {
	revoked         bool
	privileges      []string
	database, table string // as written: with % and _ in a database's name
}

var grantSyntax = regexp.MustCompile("^(GRANT|REVOKE) (.+?) ON (?:TABLE )?(?:`((?:[^`]|``)+)`|(\\*))\\.(?:`((?:[^`]|``)+)`|(\\*)) (?:TO|FROM) ")

func grantsOf(ctx context.Context, x sqlstore.Execer) (g grants, err error) {
	return g, texts(ctx, x, 1, func(row []string) {
		m := grantSyntax.FindStringSubmatch(row[0])
		if m == nil {
			return
		}
		g = append(g, grantLine{m[1] == "REVOKE", strings.Split(m[2], ", "), m[3] + m[4], m[5] + m[6]})
	}, "SHOW GRANTS")
}

// has says whether the user has a privilege on a table; "*": on all of the
// database. What is not certain is none.
func (g grants) has(privilege, database, table string) (has bool) {
	for _, l := range g {
		on := l.database == "*" || likeName(l.database, database)
		covers := on && (l.table == "*" || l.table == strings.ReplaceAll(table, "`", "``"))
		for _, p := range l.privileges {
			if p != privilege && p != "ALL PRIVILEGES" {
				continue
			}
			if l.revoked && on {
				return false
			}
			has = has || covers
		}
	}
	return has
}

// likeName says whether a name of a database is that of a grant, in which % stands
// for any letters and _ for one, unless a backslash is before it.
func likeName(pattern, name string) bool {
	var b strings.Builder
	pattern = strings.ReplaceAll(pattern, "``", "`")
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case c == '%':
			b.WriteString("(?s:.*)")
		case c == '_':
			b.WriteString("(?s:.)")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	ok, err := regexp.MatchString("^"+b.String()+"$", name)
	return ok && err == nil
}

// listed are names as arguments, and the marks for them.
func listed(names []string) (marks string, args []any) {
	for _, n := range names {
		args = append(args, strings.ToLower(n))
	}
	return strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", "), args
}

// texts gives the rows of a query of n texts to a function; NULL is "".
func texts(ctx context.Context, x sqlstore.Execer, n int, take func(row []string), query string, args ...any) error {
	rows, err := x.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, dest := make([]*string, n), make([]any, n)
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		row := make([]string, n)
		for i, v := range values {
			if v != nil {
				row[i] = *v
			}
		}
		take(row)
	}
	return rows.Err()
}
