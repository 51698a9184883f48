package mysqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/dsengine/dsengine/engine/sqlstore"
)

var _ sqlstore.Settings = (*Store)(nil)

// settings is a number for those of a session that change what a hook's statements do,
// or whether they are one transaction. Each costs the fence a microsecond or two: those
// that a trigger can leave are here, but for what only makes another text of a number.
func (d *dialect) settings() string {
	names := []string{
		"autocommit", d.isolation, d.readOnly, "foreign_key_checks", "unique_checks", "sql_mode", "sql_notes", "sql_select_limit",
		"sql_safe_updates", "time_zone", "collation_connection", "group_concat_max_len", "innodb_lock_wait_timeout", "lock_wait_timeout",
	}
	if d.name == "mariadb" {
		names = append(names, "check_constraint_checks", "max_statement_time")
	} else {
		names = append(names, "max_execution_time")
	}
	// A clock that stands still is seen by the one that SYSDATE reads: its variable says
	// what time it is, set or not.
	return "CRC32(CONCAT_WS(',', @@SESSION." + strings.Join(names, ", @@SESSION.") + ", ABS(TIMESTAMPDIFF(SECOND, NOW(), SYSDATE())) > 10))"
}

// Settings is the SQL of a number that stands for what a hook's connection is set to.
func (s *Store) Settings() string { return s.dialect.settings() }

// Made is that number of a connection as it was made.
func (s *Store) Made(c *sql.Conn) (made int64) {
	_ = c.Raw(func(dc any) error {
		if n, ok := dc.(*numbered); ok {
			made = n.made
		}
		return nil
	})
	return made
}

// What runs where only a table or a view is named: its name, the body, and a mode of SQL.
const (
	ownSchemas = "('information_schema', 'mysql', 'performance_schema', 'sys')"

	allTriggers = `SELECT event_object_table, action_statement, sql_mode FROM information_schema.triggers
 WHERE event_object_schema NOT IN ` + ownSchemas
	allViews = `SELECT table_name, view_definition, '' FROM information_schema.views WHERE table_schema NOT IN ` + ownSchemas
)

// Unwritten gives what runs when a statement only names a table or a view.
func (s *Store) Unwritten(ctx context.Context) (list []sqlstore.Object, unseen bool, err error) {
	for _, query := range []string{allTriggers, allViews} {
		err := texts(ctx, s.control, 3, func(row []string) {
			list = append(list, sqlstore.Object{Name: row[0], Body: row[1], Hidden: hidden(row[1], row[2])})
		}, query)
		if err != nil {
			return nil, false, err
		}
	}
	g, err := grantsOf(ctx, s.control)
	if err != nil {
		return nil, false, err
	}
	err = texts(ctx, s.control, 1, func(row []string) { unseen = !g.has("TRIGGER", row[0], "*") }, "SELECT COALESCE(DATABASE(), '')")
	return list, unseen, err
}
