package mysqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
)

// privilege is one that run needs, and a statement that is refused without it.
// None of them changes anything: a server says who may do something before it
// looks whether it can be done, and what they name is not there.
type privilege struct {
	name      string
	statement string // %s: a table; %[2]s: one that is not there
	each      bool   // it may be granted on some tables only
}

var privileges = []privilege{
	{"SELECT", "SELECT 1 FROM %s LIMIT 0", true},
	{"INSERT", "INSERT INTO %s (no_such_column) VALUES (1)", true},
	{"UPDATE", "UPDATE %s SET no_such_column = 1 WHERE 1 = 0", true},
	{"DELETE", "DELETE FROM %s WHERE 1 = 0", true},
	{"CREATE", "CREATE TABLE %s LIKE %[2]s", false},
	{"ALTER", "ALTER TABLE %s ADD COLUMN no_such_column INT", false},
	{"DROP", "DROP TABLE %s", false},
	{"CREATE TEMPORARY TABLES", "CREATE TEMPORARY TABLE %s LIKE %[2]s", false}, // for db.merge
}

// privilegeList is what run needs, as GRANT takes it.
func privilegeList() string {
	names := make([]string, len(privileges))
	for i, p := range privileges {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

// noTable is a table that is not there.
const noTable = "no_such_table"

// may says whether the user has a privilege on a table, as far as the server's
// answer tells.
func (s *Store) may(ctx context.Context, p privilege, table string) bool {
	_, err := s.control.ExecContext(ctx, fmt.Sprintf(p.statement+"%.0[2]s", s.Quote(table), s.Quote(s.Prefix+noTable+"_2")))
	if !denied(err) {
		return true
	}
	var me *mysql.MySQLError
	errors.As(err, &me)
	m := refusal.FindStringSubmatch(me.Message)
	return m != nil && !slices.Contains(strings.Split(m[1], ", "), p.name) // it is another one that is missing
}

// denied says that a privilege is missing.
func denied(err error) bool {
	var me *mysql.MySQLError
	return errors.As(err, &me) && slices.Contains([]uint16{1044, 1142, 1143, 1227, 1370, 1419}, me.Number)
}

var createsTable = regexp.MustCompile(`CREATE TABLE IF NOT EXISTS (\w+)`)

// ownTables are the engine's tables that are there, or that will be.
func (s *Store) ownTables() (names []string) {
	paths, _ := fs.Glob(migrations, "migrations/*.sql")
	for _, p := range paths {
		b, _ := fs.ReadFile(migrations, p)
		for _, m := range createsTable.FindAllStringSubmatch(s.migrations().Replace.Replace(string(b)), -1) {
			names = append(names, m[1])
		}
	}
	return append(names, s.Prefix+"migrations")
}

// checkPrivileges tries what run needs.
func (s *Store) checkPrivileges(ctx context.Context) (checks []engine.Check) {
	tables := s.ownTables()
	var have []string
	for _, p := range privileges {
		asked := []string{s.Prefix + noTable}
		if p.each {
			asked = tables
		}
		var not []string
		for _, table := range asked {
			if !s.may(ctx, p, table) {
				not = append(not, table)
			}
		}
		switch {
		case len(not) == 0:
			have = append(have, p.name)
		case len(not) == len(asked):
			checks = append(checks, engine.Check{Name: "privilege " + p.name, Value: "the user does not have it", Hint: s.grant(ctx, p.name, "*")})
		default:
			checks = append(checks, engine.Check{Name: "privilege " + p.name, Value: "the user does not have it on " + strings.Join(not, ", "), Hint: s.grant(ctx, p.name, not...)})
		}
	}
	if len(checks) == 0 {
		checks = append(checks, engine.Check{Name: "privileges", Value: strings.Join(have, ", "), OK: true})
	}
	return checks
}

// grant is the statements that give the user a privilege.
func (s *Store) grant(ctx context.Context, privilege string, tables ...string) string {
	database, user := "DATABASE", "USER"
	_ = s.control.QueryRowContext(ctx, "SELECT DATABASE(), CURRENT_USER()").Scan(&database, &user)
	name, host := user, "%"
	if at := strings.LastIndex(user, "@"); at >= 0 {
		name, host = user[:at], user[at+1:]
	}
	words := make([]string, len(tables))
	for i, table := range tables {
		if table != "*" {
			table = s.Quote(table)
		}
		words[i] = fmt.Sprintf("GRANT %s ON %s.%s TO '%s'@'%s'", privilege, s.Quote(database), table, quoted(name), quoted(host))
	}
	return "let somebody who may run: " + strings.Join(words, "; ")
}

func quoted(name string) string { return strings.ReplaceAll(name, "'", "''") }

// refusal is how the servers say that a privilege is missing.
var refusal = regexp.MustCompile(`^([A-Z][A-Z ,]*) command denied to user '(.*)'@'[^']*'`)

// Hint says what to do about an error of the server; "" if that is not known.
func (d *dialect) Hint(err error) string {
	var me *mysql.MySQLError
	if !errors.As(err, &me) {
		return ""
	}
	if where, full := noRoom(me); full {
		return "make room " + where + "; what waits goes on by itself then"
	}
	switch me.Number {
	case tooManyConnections, userHasTooMany, userReachedLimit:
		return "let the server take more (max_connections, or the limits of the user), or have hooks use fewer (--connections); dsengine doctor says how many are needed"
	}
	if m := refusal.FindStringSubmatch(me.Message); m != nil && denied(err) {
		return fmt.Sprintf("the database user %q needs the privilege %s; dsengine doctor names all that are missing, with the GRANT statements", m[2], m[1])
	}
	if denied(err) || me.Number == 1045 {
		return "the database user needs a privilege; dsengine doctor names those that are missing, with the GRANT statements"
	}
	return ""
}
